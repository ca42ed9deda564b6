"""A layer and the batch norm behind it as one layer, for evaluation; and a module without its draws."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.nn.module import Module, Parameter
from clearprop.ops import random
from clearprop.record import assign

M = TypeVar("M", bound=Module)


def _fused(called: str, layer: M, norm: Any, axis: int, channels: int) -> M:
    """Return a copy of a layer that scales and shifts its outputs as a norm in evaluation does."""
    if layer.training or norm.training:
        hint = "layer.eval() and norm.eval() first: the running statistics have to stand still"
        raise ValueError(lesson(called, "wants both in evaluation", "training", hint=hint))
    if norm.running_mean is None or norm.running_mean.shape != (channels,):
        wanted = f"wants a batch norm with running statistics of {channels} channels"
        raise ValueError(lesson(called, wanted, f"{norm!r}"))
    fused = copy.deepcopy(layer)
    weight = fused.weight._value
    factor = 1 / np.sqrt(norm.running_var._value + norm.eps)
    factor = factor if norm.weight is None else factor * norm.weight._value
    if axis:  # a transposed convolution: (in, out / groups, ...), the outputs of a group beside its inputs
        parts = weight.reshape(fused.groups, -1, *weight.shape[1:])
        each = factor.reshape(fused.groups, 1, -1, *(1,) * (weight.ndim - 2))
        scaled = (parts * each).reshape(weight.shape)
    else:
        scaled = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    bias = 0 if fused.bias is None else fused.bias._value
    shifted = (bias - norm.running_mean._value) * factor
    shifted = shifted if norm.bias is None else shifted + norm.bias._value
    assign(fused.weight, scaled.astype(weight.dtype))
    if fused.bias is None:
        fused.bias = Parameter(shifted.astype(weight.dtype))
    else:
        assign(fused.bias, shifted.astype(weight.dtype))
    return fused


@takes_truths
def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """Return one convolution that does what `conv` and then the batch norm `bn` do in evaluation.

    w' = w s, b' = (b - mean) s + beta with s = gamma / sqrt(var + eps), for each unit. Raises ValueError for
    modules in training and for statistics of other channels.

    >>> from clearprop import nn
    >>> conv, bn, x = nn.Conv2d(2, 3, 3).eval(), nn.BatchNorm2d(3).eval(), np.ones((1, 2, 4, 4), np.float32)
    >>> bool(np.allclose(fuse_conv_bn_eval(conv, bn)(x).value, bn(conv(x)).value, atol=1e-6))
    True
    """
    return _fused("fuse_conv_bn_eval(conv, bn)", conv, bn, int(transpose), conv.out_channels)


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """Return one `Linear` that does what `linear` and then the batch norm `bn` do in evaluation.

    >>> from clearprop import nn
    >>> linear, bn = nn.Linear(3, 2).eval(), nn.BatchNorm1d(2).eval()
    >>> x = np.ones((1, 3), np.float32)
    >>> bool(np.allclose(fuse_linear_bn_eval(linear, bn)(x).value, bn(linear(x)).value, atol=1e-6))
    True
    """
    return _fused("fuse_linear_bn_eval(linear, bn)", linear, bn, 0, linear.out_features)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """Make a module whose numbers do not matter yet: the random state is as before.

    >>> from clearprop import manual_seed, nn
    >>> manual_seed(0); layer = skip_init(nn.Linear, 2, 3); random.get_rng_state()
    array([0, 0], dtype=uint64)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise TypeError(
            lesson("skip_init(module_cls, ...)", "wants a class of Modules", f"{module_cls!r}"[:60])
        )
    before = random.get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        random.set_rng_state(before)
