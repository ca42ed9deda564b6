"""`torch.nn.utils`: clipping gradients, parameters as one vector, pruning and parametrizations."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop import nn as own
from clearprop import optim
from clearprop.errors import lesson
from clearprop.nn import utils as own_utils
from clearprop.torch import cells
from clearprop.torch.nn.utils import rnn
from clearprop.torch.tensors import Node, Tensor, lift, lower, nearest

_SUBMODULES = ("parametrize", "parametrizations", "prune")
_NORMS = ("weight_norm", "spectral_norm")  # the older way; in the state dict they have the newer names


def _leaves(parameters: Any) -> list[Any]:
    return [p._cell.node for p in ([parameters] if isinstance(parameters, Tensor) else parameters)]


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: Any = None,
) -> Tensor:
    """Scale all gradients so that their common norm is at most `max_norm`; return the norm before.

    >>> import clearprop.torch as torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> (x * torch.tensor([3.0, 4.0])).sum().backward()
    >>> clip_grad_norm_([x], 1.0)
    tensor(5.)
    >>> bool(torch.allclose(x.grad, torch.tensor([0.6, 0.8])))
    True
    """
    with cells.following():
        norm = optim.clip_grad_norm_(
            _leaves(parameters), float(max_norm), float(norm_type), error_if_nonfinite
        )
    return lift(np.asarray(norm, np.float32) if not isinstance(norm, Node) else norm)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Limit every entry of every gradient to [-clip_value, clip_value].

    >>> import clearprop.torch as torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> (x * torch.tensor([3.0, -0.5])).sum().backward()
    >>> clip_grad_value_([x], 1.0)
    >>> x.grad
    tensor([ 1.0000, -0.5000])
    """
    with cells.following():
        optim.clip_grad_value_(_leaves(parameters), float(clip_value))


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """Return all parameters as one vector.

    >>> import clearprop.torch as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> parameters_to_vector(layer.parameters()).shape
    torch.Size([3])
    """
    return lift(own.parameters_to_vector([p.node for p in parameters]), "cat")


def vector_to_parameters(vec: Tensor, parameters: Iterable[Any]) -> None:
    """Give the parameters, in order, the numbers of a vector.

    >>> import clearprop.torch as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[1.0, 2.0]], [3.0])
    """
    own.vector_to_parameters(lower(vec)._value, _leaves(parameters))


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """Return one convolution that computes both in evaluation; of a transposed one with `transpose`.

    >>> import clearprop.torch as torch
    >>> layer, norm = torch.nn.Conv2d(1, 2, 3).eval(), torch.nn.BatchNorm2d(2).eval()
    >>> x = torch.ones(1, 1, 4, 4)
    >>> torch.allclose(fuse_conv_bn_eval(layer, norm)(x), norm(layer(x)), atol=1e-6)
    True
    """
    from clearprop.torch.nn.module import faced

    return faced(own_utils.fuse_conv_bn_eval(conv.twin(), bn.twin(), transpose))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """Return one linear layer that computes both in evaluation.

    >>> import clearprop.torch as torch
    >>> layer, norm = torch.nn.Linear(3, 2).eval(), torch.nn.BatchNorm1d(2).eval()
    >>> x = torch.ones(1, 3)
    >>> torch.allclose(fuse_linear_bn_eval(layer, norm)(x), norm(layer(x)), atol=1e-6)
    True
    """
    from clearprop.torch.nn.module import faced

    return faced(own_utils.fuse_linear_bn_eval(linear.twin(), bn.twin()))


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make a weight whose norm is trained apart a parameter again; return the module."""
    from clearprop.torch.nn.utils.parametrize import remove_parametrizations

    return remove_parametrizations(module, name)


remove_spectral_norm = remove_weight_norm


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"clearprop.torch.nn.utils.{name}")
    if name in _NORMS:
        return getattr(importlib.import_module("clearprop.torch.nn.utils.parametrizations"), name)
    wanted, hint = "there is no such function", nearest(name, [*__all__, *_SUBMODULES, *_NORMS])
    raise AttributeError(lesson(f"torch.nn.utils.{name}", wanted, hint=hint))


__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "fuse_conv_bn_eval",
    "fuse_linear_bn_eval",
    "parameters_to_vector",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "vector_to_parameters",
]
