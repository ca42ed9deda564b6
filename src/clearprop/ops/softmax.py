"""Softmax and its kin, written so that logits of ten thousand neither overflow nor lose the small ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.adding import added
from clearprop.define import define
from clearprop.facts import Facts
from clearprop.ops.reduce import kept
from clearprop.registry import ops

_CASES: tuple[Any, ...] = ((((3, 4),), {}), (((3, 4),), {"axis": 0}), (((2, 3, 4),), {"axis": 1}))


def _real(x: Any) -> Any:
    """Integers as real numbers: a difference of short ones would go round."""
    return x.astype(np.float64) if x.dtype.kind in "iub" else x


def _top(x: Any, axis: Any) -> Any:
    """The largest entry; of no entries 0, their sum."""
    if x.__class__ is np.ndarray and x.size:
        return np.maximum.reduce(x, axis=axis, keepdims=True)  # what `np.max` calls, without its detour
    return (np.max if x.size else np.sum)(x, axis=axis, keepdims=True)


def _shift(x: Any, axis: Any) -> Any:
    """The largest entry, or 0 where it is infinite: what can be taken off before exp and put back after."""
    top = _top(x, axis)
    return np.where(np.isfinite(top), top, 0)


def shares(x: Any, axis: Any) -> Any:
    """exp(x) / sum(exp(x)), as exact for large entries as for small: x - logsumexp(x) would lose digits."""
    e = np.exp(x - _shift(ops["detach"](x), axis))
    total = added(e, axis, True)
    return e / np.where(total == 0, 1, total)


@define(
    "logsumexp",
    "reduce",
    lambda g, z, x, axis, keepdims: kept(g, x, axis, keepdims) * shares(x, axis),
    facts=Facts(script="{}"),
    examples=(*_CASES[1:], (((3, 4),), {}), (((2, 3, 4),), {"axis": (0, 2), "keepdims": True})),
)
def logsumexp(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) along `axis` without overflow; -inf of no entries."""
    x = _real(x)
    top = _shift(x, axis)
    with np.errstate(divide="ignore"):  # all entries -inf: log 0 = -inf is the answer
        z = np.log(added(np.exp(x - top), axis, True)) + top
    return z if keepdims else np.squeeze(z, axis=axis)[()]


@define(
    "softmax",
    "opaque",
    lambda g, z, x, axis: z * (g - added(g * z, axis, True)),
    facts=Facts(makes="distribution", cost=4),
    examples=_CASES,
)
def softmax(x: Any, *, axis: Any = -1) -> Any:
    """exp(x) / sum(exp(x)) along `axis`: positive numbers that add up to 1; none of none."""
    x = _real(x)
    e = np.exp(x - _top(x, axis))
    return e / added(e, axis, True)


@define(
    "log_softmax",
    "opaque",
    lambda g, z, x, axis: g - np.exp(z) * added(g, axis, True),
    facts=Facts(cost=4),
    examples=_CASES,
)
def log_softmax(x: Any, *, axis: Any = -1) -> Any:
    """x - log(sum(exp(x))) along `axis`, exact where softmax would round to 0.

    The largest entry's is within 1.2e-16 of the exact one, as log of a number near 1 is, and its derivative
    within 2.3e-16: where they are nearly 0, few of their digits are right. log1p of a sum that leaves out the
    largest has them all; it takes 1.5 to 2 times the time, compiled 1.1 to 1.8, unless it picks entries by
    places, which no compiled step can express (0.8 times: `benchmarks/accuracy.py --costs`).
    """
    x = _real(x)
    shifted = x - _top(x, axis)
    if not x.size:
        return np.exp(shifted)  # as empty, and the logarithm of an empty sum warns
    return shifted - np.log(added(np.exp(shifted), axis, True))
