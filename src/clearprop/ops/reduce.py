"""Reductions: many entries to one, along an axis, several axes or all."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from clearprop.adding import added, is_short, summed
from clearprop.define import define
from clearprop.facts import Facts
from clearprop.hints import refuse_texts
from clearprop.ops.limits import finite, limit
from clearprop.ops.moving import Smooth
from clearprop.ops.plane import real_only
from clearprop.ops.quotient import sending
from clearprop.ops.shape import repeated
from clearprop.registry import ops

_CASES: tuple[Any, ...] = (
    (((3, 4),), {}),
    (((3, 4),), {"axis": 0}),
    (((3, 4),), {"axis": -1, "keepdims": True}),
    (((2, 3, 4),), {"axis": (0, 2)}),
)


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """Return the axes that a reduction goes along: all of them for None.

    >>> axes_of(np.ones((2, 3)), None), axes_of(np.ones((2, 3)), -1)
    ((0, 1), (1,))
    """
    return tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)


def with_ones(x: Any, axes: Any) -> tuple[int, ...]:
    """Return the shape of `x` with 1 for the reduced axes, which is what `keepdims` gives.

    >>> with_ones(np.ones((2, 3, 4)), (0, 2))
    (1, 3, 1)
    """
    return tuple(1 if i in axes else n for i, n in enumerate(x.shape))


def rows_of(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """Return `x` with the reduced axes as one, the last, and the shape that `keepdims` gives.

    >>> rows, shape = rows_of(np.ones((2, 3, 4)), (0, 2))
    >>> rows.shape, shape
    ((3, 8), (1, 3, 1))
    """
    axes = axes_of(x, axis)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    lengths = tuple(x.shape[i] for i in rest)
    rows = np.transpose(x, rest + axes).reshape((*lengths, count(x, axes)))  # no -1: there may be no entries
    return rows, with_ones(x, axes)


def kept(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Give `g` the reduced axes back with length 1, so that it broadcasts against `x`."""
    if keepdims or axis is None or not x.ndim:
        return g
    axes = {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    return g.reshape(with_ones(x, axes))


def count(x: Any, axis: Any) -> int:
    """Return how many entries of `x` go into one result.

    >>> count(np.ones((2, 3, 4)), (0, 2))
    8
    """
    if axis is None:
        return int(x.size)
    n = 1
    for a in axis if isinstance(axis, tuple) else (axis,):
        n *= x.shape[a] if x.ndim else 1
    return n


def _spread(g: Any, z: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    return repeated(kept(g, x, axis, keepdims), x.shape)


def _filled(x: Any, mask: Any, fill: float) -> Any:
    """Return `x` with a number where the mask does not hold; an infinite one is the farthest of x's dtype."""
    if x.dtype.kind == "b":
        return np.where(mask, x, fill > 0)
    if np.isinf(fill) and x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        fill = limits.max if fill > 0 else limits.min
    return np.where(mask, x, x.dtype.type(fill))


def _picked(x: Any, mask: Any, axis: Any) -> Any:
    """Return how many entries that the mask picks go into one result, as a number of x's dtype."""
    return np.sum(mask).astype(x.dtype) * (count(x, axis) // x.shape[0])


def _masked_mean(x: Any, mask: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype.kind == "f" and x.dtype.itemsize < 4:
        return NotImplemented  # summed in a wider dtype
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    return np.sum(_filled(x, mask, 0), axis=axis, keepdims=keepdims) / _picked(x, mask, axis)


def _masked_spread(power: float, reduce: Any) -> Any:
    """Entries that are not picked are put at the mean of the others: they add nothing to the squares."""

    def masked(x: Any, mask: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
        mean = _masked_mean(x, mask, axis, True)
        if mean is NotImplemented:
            return mean
        x = x.astype(mean.dtype)
        share = count(x, axis) / (_picked(x, mask, axis) - ddof)
        return reduce(np.where(mask, x, mean), axis=axis, keepdims=keepdims) * share**power

    return masked


@define(
    "sum",
    "reduce",
    _spread,
    numpy=np.sum,
    masked=lambda x, mask, **how: np.sum(_filled(x, mask, 0), **how),
    facts=Facts(script="{}", linear=(0,), advice="float64, or a mean instead of a sum"),
    examples=_CASES,
)
def sum(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum along `axis`; every entry receives the gradient of its sum."""
    return added(x, axis, keepdims)


@define(
    "mean",
    "reduce",
    lambda g, z, x, axis, keepdims: _spread(g / count(x, axis), z, x, axis, keepdims),
    numpy=np.mean,
    masked=_masked_mean,
    facts=Facts(script="{}", linear=(0,)),
    examples=_CASES,
)
def mean(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean along `axis`."""
    if x.dtype.kind != "f" or x.dtype.itemsize < 4 or not x.size or not x.ndim:
        # Wider sums for small dtypes, a warning for no entries, an error for an axis that is not there.
        return np.mean(x, axis=axis, keepdims=keepdims)
    return summed(x, axis=axis, keepdims=keepdims) / count(x, axis)


def _extreme(g: Any, z: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """The gradient goes to the winner; several that tie share it equally."""
    wins = x == kept(z, x, axis, keepdims)
    share = kept(g, x, axis, keepdims) / wins.sum(axis=axis, keepdims=True).astype(g.dtype)
    return np.where(wins, share, 0)


def _tied(x: Any, axis: Any = None, keepdims: bool = False, *, extreme: Any) -> Any:
    """Where an entry shares the extreme of its row with another."""
    wins = x == extreme(x, axis=axis, keepdims=True)
    return wins & (wins.sum(axis=axis, keepdims=True) > 1)


def _smooth_extreme(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Any) -> tuple[Any, Any]:
    """The fact `smooth` of an extreme that n entries share: c / n times what each is above their mean.

    >>> from clearprop import hessian
    >>> float(hessian(lambda x: np.max(np.stack([x, -x])) ** 2)(0.0))
    2.0
    """
    axis = attrs["axis"]
    keepdims = attrs["keepdims"]

    def shared(g: Any, z: Any, x: Any) -> Any:
        wins = x == kept(z, x, axis, keepdims)
        return np.sum(wins, axis=axis, keepdims=keepdims) > 1

    c = limit(g, z, pull, shared, xs, choice=True)
    if c is None:
        return None, None
    (x,) = xs
    wins = x == kept(z, x, axis, keepdims)
    zero = x.dtype.type(0)
    (usual,) = finite(xs)
    share = 1 / np.sum(wins, axis=axis, keepdims=True).astype(x.dtype)
    tied = np.where(wins, usual, zero)
    above = np.where(wins, tied - share * np.sum(tied, axis=axis, keepdims=True), zero)
    return None, kept(c, x, axis, keepdims) * share * (above - ops["detach"](above))


@define(
    "max",
    "reduce",
    _extreme,
    numpy=(np.max, np.amax),
    masked=lambda x, mask, **how: np.max(_filled(x, mask, -np.inf), **how),
    empty=False,
    facts=Facts(
        script="{}",
        kinks=partial(_tied, extreme=np.max),
        smooth=Smooth(_smooth_extreme, share=0.5),
    ),
    examples=_CASES,
)
def max(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest entry along `axis`; ties share the gradient equally."""
    real_only("np.max(x)", x)
    return x.max(axis=axis, keepdims=keepdims)


@define(
    "min",
    "reduce",
    _extreme,
    numpy=(np.min, np.amin),
    masked=lambda x, mask, **how: np.min(_filled(x, mask, np.inf), **how),
    empty=False,
    facts=Facts(
        script="{}",
        kinks=partial(_tied, extreme=np.min),
        smooth=Smooth(_smooth_extreme, share=-0.5),
    ),
    examples=_CASES,
)
def min(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest entry along `axis`; ties share the gradient equally."""
    real_only("np.min(x)", x)
    return x.min(axis=axis, keepdims=keepdims)


def _others(x: Any) -> Any:
    """Return, along the last axis, the product of all the other entries; without division, so zeros may come.

    Pairs are multiplied up a binary tree; on the way down each half is multiplied by what its sibling holds.
    This is n log n work in log n steps, and every step is differentiable.
    """
    n = x.shape[-1]
    if n <= 1:
        return np.ones(x.shape, x.dtype)
    if n % 2:
        ones = np.ones((*x.shape[:-1], 1), x.dtype)
        return _others(np.concatenate([x, ones], axis=-1))[..., :n]
    left, right = x[..., 0::2], x[..., 1::2]
    above = _others(left * right)
    return np.stack([above * right, above * left], axis=-1).reshape(x.shape)


def _prod_rule(g: Any, z: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    if not x.ndim:
        return g
    axes = axes_of(x, axis)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    rows = np.transpose(x, rest + axes)
    together = (*(x.shape[i] for i in rest), count(x, axes))  # spelled out: no -1 for arrays without entries
    others = _others(rows.reshape(together)).reshape(rows.shape)
    back = tuple(int(i) for i in np.argsort(rest + axes))
    return kept(g, x, axis, keepdims) * np.transpose(others, back)


@define(
    "prod",
    "reduce",
    _prod_rule,
    numpy=np.prod,
    masked=lambda x, mask, **how: np.prod(_filled(x, mask, 1), **how),
    facts=Facts(script="{}"),
    examples=_CASES,
)
def prod(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The product along `axis`; right also where entries are 0."""
    return x.prod(axis=axis, keepdims=keepdims)


def _spread_out(x: Any, name: str, axis: Any, ddof: int, keepdims: bool) -> Any:
    """A method of arrays, for float16 in float32: NumPy sums its squares in float16."""
    wide = x.astype(np.float32) if is_short(x) else x
    z = getattr(wide, name)(axis=axis, ddof=ddof, keepdims=keepdims)
    return z if wide is x else z.astype(x.dtype)


def _var_rule(g: Any, z: Any, x: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    centred = x - x.mean(axis=axis, keepdims=True)
    free = count(x, axis) - ddof
    return kept(g, x, axis, keepdims) * centred * (2 / free if free else np.inf)  # 0 * inf: NaN, as the value


@define(
    "var",
    "reduce",
    _var_rule,
    numpy=np.var,
    masked=_masked_spread(1, np.var),
    examples=(*_CASES, (((3, 4),), {"axis": 0, "ddof": 1})),
)
def var(x: Any, *, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance along `axis`, the sum of squares divided by n - ddof."""
    return _spread_out(x, "var", axis, ddof, keepdims)


def _std_rule(g: Any, z: Any, x: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    z = kept(z, x, axis, keepdims)
    scale = (count(x, axis) - ddof) * np.where(z == 0, z.dtype.type(np.inf), z)  # also flat there
    return kept(g, x, axis, keepdims) * (x - x.mean(axis=axis, keepdims=True)) / scale


def _std_sends(i: int, ratio: Any, z: Any, x: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    """Factors of what x receives where ratio times its deviation arrives: half of what its variance sends."""
    free = count(x, axis) - ddof
    scale = 1 / free if free else np.inf
    return kept(ratio, x, axis, keepdims) * scale, x - x.mean(axis=axis, keepdims=True)


@define(
    "std",
    "reduce",
    _std_rule,
    numpy=np.std,
    masked=_masked_spread(0.5, np.std),
    facts=Facts(
        kinks=lambda x, axis, ddof, keepdims: x.std(axis=axis, keepdims=True) == 0,
        smooth=sending(_std_sends),
    ),
    examples=(*_CASES, (((3, 4),), {"axis": 0, "ddof": 1})),
)
def std(x: Any, *, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation along `axis`; derivative 0 where all entries are equal."""
    return _spread_out(x, "std", axis, ddof, keepdims)


@define(
    "cumsum",
    "opaque",
    lambda g, z, x, axis: np.flip(
        np.cumsum(np.flip(g, axis), axis=0 if axis is None else axis), axis
    ).reshape(x.shape),
    numpy=np.cumsum,
    examples=((((3, 4),), {"axis": 0}), (((3, 4),), {"axis": -1}), (((3, 4),), {})),
)
def cumsum(x: Any, *, axis: Any = None) -> Any:
    """The sums of the entries up to each along `axis` (of the flattened array where it is None)."""
    return np.cumsum(x, axis=axis)


@define(
    "argmax",
    "reduce",
    None,
    numpy=np.argmax,
    facts=Facts(kinks=partial(_tied, extreme=np.max)),
    examples=_CASES[:3],
)
def argmax(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The index of the largest entry along `axis`, the first where several tie; no gradient."""
    real_only("np.argmax(x)", x)
    refuse_texts("np.argmax", keepdims=keepdims)
    return np.argmax(x, axis=axis, keepdims=keepdims)


@define(
    "argmin",
    "reduce",
    None,
    numpy=np.argmin,
    facts=Facts(kinks=partial(_tied, extreme=np.min)),
    examples=_CASES[:3],
)
def argmin(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The index of the smallest entry along `axis`, the first where several tie; no gradient."""
    real_only("np.argmin(x)", x)
    refuse_texts("np.argmin", keepdims=keepdims)
    return np.argmin(x, axis=axis, keepdims=keepdims)


@define(
    "all",
    "reduce",
    None,
    numpy=np.all,
    masked=lambda x, mask, **how: np.all(_filled(x, mask, 1), **how),
    examples=_CASES,
)
def all(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all entries along `axis` are true; no gradient."""
    return np.all(x, axis=axis, keepdims=keepdims)


@define(
    "any",
    "reduce",
    None,
    numpy=np.any,
    masked=lambda x, mask, **how: np.any(_filled(x, mask, 0), **how),
    examples=_CASES,
)
def any(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any entry along `axis` is true; no gradient."""
    return np.any(x, axis=axis, keepdims=keepdims)
