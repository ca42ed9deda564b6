"""Functions made of functions: gradients, products with derivatives, whole Jacobians."""

from clearprop.transforms.batches import vmap
from clearprop.transforms.checkpointing import checkpoint
from clearprop.transforms.curvature import fvp, gnvp, laplacian, sparse_jacobian
from clearprop.transforms.custom import custom_rule
from clearprop.transforms.gradient import elementwise_grad, grad, stop_gradient, value_and_grad
from clearprop.transforms.jacobian import hessian, jacfwd, jacobian, jacrev
from clearprop.transforms.products import hvp, jvp, linearize, vjp

__all__ = [
    "checkpoint",
    "custom_rule",
    "elementwise_grad",
    "fvp",
    "gnvp",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "laplacian",
    "linearize",
    "sparse_jacobian",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
