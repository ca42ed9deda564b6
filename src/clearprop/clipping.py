"""Clipping gradients between the backward pass and the optimizer's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import GradientError, lesson
from clearprop.facts import Facts
from clearprop.hints import refuse_texts
from clearprop.modes import no_grad
from clearprop.record import read
from clearprop.tensor import Tensor


@define("finite_norm", "opaque", None, facts=Facts(kinks=False), examples=((((),), {}),))
def finite_norm(x: Any) -> Any:
    """The norm as it is; GradientError where it is NaN or infinite, in a compiled step's later calls too."""
    if not np.isfinite(x):
        raise GradientError(
            lesson("clip_grad_norm_(params)", "wants a finite norm", f"{x}", hint="clearprop.watch()")
        )
    return +x


def clip_grad_norm_(
    params: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Any:
    """Scale all gradients so that their common norm is at most `max_norm`; return the norm before.

    g = g min(1, max_norm / (norm + 1e-6)). Each `.grad` becomes a new array; none is written into.
    Source: Pascanu et al., "On the difficulty of training recurrent neural networks", 2013.

    The norm of no numbers is 0. Raises GradientError for a NaN or infinite norm if `error_if_nonfinite`, and
    ValueError for a `norm_type` that is not above 0.

    >>> w = Tensor([3.0, 4.0])
    >>> (w * w).sum().backward()
    >>> clip_grad_norm_([w], 1.0)
    np.float64(10.0)
    >>> w.grad.round(5)
    array([0.6, 0.8])
    """
    refuse_texts("clip_grad_norm_", error_if_nonfinite=error_if_nonfinite)
    if not norm_type > 0:
        wanted = "wants a norm_type above 0"
        raise ValueError(lesson("clip_grad_norm_(params)", wanted, f"{norm_type!r}", hint="norm_type=2.0"))
    with no_grad():
        tracked, grads = _gradients(params)
        norm = _norm(grads, norm_type)
        if error_if_nonfinite:
            norm = finite_norm(norm)
        factor = np.minimum(max_norm / (norm + 1e-6), 1.0)
        for p, g in zip(tracked, grads, strict=True):
            wide = _wide(g)
            scaled = wide * factor.astype(wide.dtype)
            p.grad = scaled if wide is g else scaled.astype(g.dtype)
    return norm


def _norm(grads: list[Any], norm_type: float) -> Any:
    grads = [_wide(g) for g in grads if g.size]
    if not grads:
        return np.float64(0.0)
    if norm_type == np.inf:
        largest = [abs(g).max() for g in grads]
        total = largest[0]
        for number in largest[1:]:
            total = np.maximum(total, number)
        return total
    if norm_type == 2.0:
        return np.sqrt(_total((g * g).sum() for g in grads))
    return _total((abs(g) ** norm_type).sum() for g in grads) ** (1.0 / norm_type)


def _wide(g: Any) -> Any:
    """Return a gradient with entries that can be squared: float16 as float32."""
    return g.astype(np.float32) if g.dtype.itemsize < 4 else g


def _total(numbers: Iterable[Any]) -> Any:
    total: Any = 0.0
    for number in numbers:
        total = total + number
    return total


def clip_grad_value_(params: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Limit every entry of every gradient to [-clip_value, clip_value]; each `.grad` becomes a new array.

    >>> w = Tensor([3.0, -0.1])
    >>> (w * w).sum().backward()
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    array([ 1. , -0.2])
    """
    with no_grad():
        for p, g in zip(*_gradients(params), strict=True):
            p.grad = np.minimum(np.maximum(g, -clip_value), clip_value)


def _gradients(params: Iterable[Tensor] | Tensor) -> tuple[list[Tensor], list[Any]]:
    found = [params] if isinstance(params, Tensor) else list(params)
    tracked = [p for p in found if p.grad is not None]
    return tracked, [read(p.grad) if isinstance(p.grad, Tensor) else p.grad for p in tracked]
