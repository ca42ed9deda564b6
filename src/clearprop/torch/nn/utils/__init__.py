"""`torch.nn.utils`: clipping gradients, parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop import nn as own
from clearprop import optim
from clearprop.errors import lesson
from clearprop.torch import cells
from clearprop.torch.nn.utils import rnn
from clearprop.torch.tensors import Node, Tensor, lift, lower, nearest

_OWN = {
    "parametrize": "parametrize.register_parametrization(layer, 'weight', rule)",
    "prune": "prune.l1_unstructured(layer, 'weight', 0.5)",
    "parametrizations": "parametrizations.weight_norm(layer)",
    "weight_norm": "parametrizations.weight_norm(layer)",
    "spectral_norm": "parametrizations.spectral_norm(layer)",
    "fusion": "fuse_conv_bn_eval(conv, bn)",
    "fuse_conv_bn_eval": "fuse_conv_bn_eval(conv, bn)",
    "fuse_linear_bn_eval": "fuse_linear_bn_eval(linear, bn)",
}


def _leaves(parameters: Any) -> list[Any]:
    return [p._cell.node for p in ([parameters] if isinstance(parameters, Tensor) else parameters)]


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: Any = None,
) -> Tensor:
    """Scale all gradients so that their common norm is at most `max_norm`; return the norm before."""
    with cells.following():
        norm = optim.clip_grad_norm_(
            _leaves(parameters), float(max_norm), float(norm_type), error_if_nonfinite
        )
    return lift(np.asarray(norm, np.float32) if not isinstance(norm, Node) else norm)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Limit every entry of every gradient to [-clip_value, clip_value]."""
    with cells.following():
        optim.clip_grad_value_(_leaves(parameters), float(clip_value))


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """Return all parameters as one vector."""
    return lift(own.parameters_to_vector([p.node for p in parameters]), "cat")


def vector_to_parameters(vec: Tensor, parameters: Iterable[Any]) -> None:
    """Give the parameters, in order, the numbers of a vector."""
    own.vector_to_parameters(lower(vec)._value, _leaves(parameters))


def __getattr__(name: str) -> Any:
    if name in _OWN:
        wanted, hint = (
            "is for layers of clearprop.nn alone",
            f"clearprop.nn.utils.{_OWN[name]} of such a layer",
        )
    else:
        wanted, hint = "there is no such function", nearest(name, __all__)
    raise AttributeError(lesson(f"torch.nn.utils.{name}", wanted, hint=hint))


__all__ = ["clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "rnn", "vector_to_parameters"]
