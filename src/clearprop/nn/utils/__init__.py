"""What PyTorch keeps under `torch.nn.utils`, under the same names."""

from clearprop.clipping import clip_grad_norm_, clip_grad_value_
from clearprop.nn.utils import parametrizations, parametrize, prune, rnn
from clearprop.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval, skip_init
from clearprop.nn.vector import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "fuse_conv_bn_eval",
    "fuse_linear_bn_eval",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "rnn",
    "skip_init",
    "vector_to_parameters",
]
