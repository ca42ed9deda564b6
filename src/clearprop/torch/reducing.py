"""Functions along axes: sums, means, the largest, sorting. `dim` and `keepdim` are PyTorch's words."""

from __future__ import annotations

import functools
import math
from collections import namedtuple
from typing import Any

import numpy as np

from clearprop.arguments import is_whole
from clearprop.errors import lesson
from clearprop.torch import dtypes
from clearprop.torch.names import FUNCTIONS, PLAIN, function
from clearprop.torch.pointwise import alike, real
from clearprop.torch.tensors import (
    Node,
    Tensor,
    cast,
    constant,
    kept,
    kept_apart,
    lift,
    lower,
    op,
    raw,
    xp,
)


class Placed(namedtuple("Placed", ("values", "indices"))):
    """Entries and where they were, which print under the name of the function that found them."""

    __slots__ = ()

    def __repr__(self) -> str:
        lines = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n" + ",\n".join(lines) + ")"


def returned(name: str, f: Any) -> Any:
    """Return a function whose named results print as PyTorch's do: `torch.return_types.name(...)`."""

    @functools.wraps(f)
    def named(*args: Any, **kwargs: Any) -> Any:
        found = f(*args, **kwargs)
        kind = type(name, (type(found),), {"__slots__": (), "__repr__": Placed.__repr__})
        return kind(*found)

    return named


Operand = Any  # a tensor or a number
PAIRS: dict[str, Any] = {
    name: type(name, (Placed,), {"__slots__": ()})
    for name in ("max", "min", "cummax", "cummin", "sort", "topk", "kthvalue", "median", "nanmedian", "mode")
}


def _axis(dim: Any) -> Any:
    """Return NumPy's word for PyTorch's axes: one, several, or all for None and ()."""
    if dim.__class__ is int or dim is None:
        return dim
    if isinstance(dim, (list, tuple)):
        return tuple(map(_axis, dim)) if dim and None not in dim else None
    if not is_whole(lowered := raw(dim)):
        wanted = "wants dim as a whole number, or as several of them"
        raise TypeError(lesson("a function along axes", wanted, f"{dim!r:.40}", hint="dim=0, or dim=(0, 1)"))
    return int(lowered)


def _as(x: Any, dtype: Any) -> Any:
    node = kept(x)
    return node if dtype is None else cast(node, dtypes.numpy_dtype(dtype))


def _adding(name: str) -> Any:
    def total(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None) -> Any:
        node = _as(x, dtype)
        if dtype is None and node.dtype.kind in "biu":
            node = cast(node, np.dtype(np.int64))
        elif dim is axis is None and not keepdim:
            return lift(op(name)(node), name)
        return lift(op(name)(node, axis=_axis(axis if dim is None else dim), keepdims=keepdim), name)

    return total


FUNCTIONS["sum"], FUNCTIONS["prod"] = _adding("sum"), _adding("prod")


def _floats(called: str, x: Any, dtype: Any = None) -> Any:
    node = _as(x, dtype)
    if node.dtype.kind != "f":
        wanted = "wants floating-point numbers"
        raise RuntimeError(lesson(f"torch.{called}(x)", wanted, f"{dtypes.of(node.dtype)}", hint="x.float()"))
    return node


@function
def mean(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None) -> Any:
    """Return the mean, of all or along axes; RuntimeError for whole numbers."""
    node = _floats("mean", x, dtype)
    return lift(op("mean")(node, axis=_axis(axis if dim is None else dim), keepdims=keepdim), "mean")


def _spreading(name: str) -> Any:
    def spread(
        x: Any, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = None
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        ddof = int(bool(unbiased)) if correction is None else correction
        node = _floats(name, x)
        return lift(op(name)(node, axis=_axis(dim), ddof=ddof, keepdims=keepdim), name)

    return spread


FUNCTIONS["var"], FUNCTIONS["std"] = _spreading("var"), _spreading("std")


@function
def var_mean(x: Any, dim: Any = None, **how: Any) -> Any:
    """Return the variance and the mean."""
    return FUNCTIONS["var"](x, dim, **how), mean(x, dim, how.get("keepdim", False))


@function
def std_mean(x: Any, dim: Any = None, **how: Any) -> Any:
    """Return the standard deviation and the mean."""
    return FUNCTIONS["std"](x, dim, **how), mean(x, dim, how.get("keepdim", False))


def picked(node: Any, index: Any, dim: int) -> Any:
    """Return what an index array along one axis points to: gradients go to those entries alone."""
    if not node.ndim:
        return node
    return np.take_along_axis(node, index, dim)


def _chosen(name: str, x: Any, dim: int, keepdim: bool) -> Any:
    """Return the largest or smallest along an axis and where it is: of several alike the first."""
    node = kept_apart(x)[0]
    if not node.ndim:
        return PAIRS[name](lift(node, name), lift(constant(0)))
    index = op(f"arg{name}")(node, axis=dim, keepdims=True)
    values = picked(node, index, dim)
    if not keepdim:
        values, index = np.squeeze(values, axis=dim), np.squeeze(index, axis=dim)
    return PAIRS[name](lift(values, name), lift(index))


def _extreme(name: str, of_two: str) -> Any:
    def extreme(
        x: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, other: Any = None
    ) -> Any:
        dim = axis if dim is None else dim
        if (isinstance(dim, Tensor) and isinstance(x, Tensor)) or other is not None:
            return FUNCTIONS[of_two](x, dim if other is None else other)
        if dim is None:
            if keepdim:
                raise TypeError(lesson(f"torch.{name}(x, keepdim=True)", "wants dim, too", hint="dim=-1"))
            return lift(op(name)(kept_apart(x)[0]), name)
        return _chosen(name, x, dim, keepdim)

    return extreme


FUNCTIONS["max"], FUNCTIONS["min"] = _extreme("max", "maximum"), _extreme("min", "minimum")


def _plain(name: str, entry: str) -> Any:
    def along(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return lift(op(entry)(kept_apart(x)[0], axis=_axis(dim), keepdims=keepdim), name)

    return along


for _name, _op in {"amax": "max", "amin": "min", "argmax": "argmax", "argmin": "argmin"}.items():
    FUNCTIONS[_name] = _plain(_name, _op)


def _telling(name: str) -> Any:
    """Return `any` or `all`: for `dim=()` every entry tells of itself; what they tell of uint8 is uint8."""

    def telling(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        node = kept_apart(x)[0]
        alone = isinstance(dim, (tuple, list)) and not dim
        found = node != 0 if alone else op(name)(node, axis=_axis(dim), keepdims=keepdim)
        return lift(cast(found, node.dtype) if node.dtype == np.uint8 else found, name)

    return telling


FUNCTIONS["all"], FUNCTIONS["any"] = _telling("all"), _telling("any")


@function
def aminmax(x: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the smallest and the largest."""
    return FUNCTIONS["amin"](x, dim, keepdim), FUNCTIONS["amax"](x, dim, keepdim)


@function
def logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Any:
    """Return log(sum(exp(x))) along axes, without overflow."""
    if dim is None:
        raise TypeError(lesson("torch.logsumexp(x, dim)", "wants dim", "None", hint="dim=-1, or dim=(0, 1)"))
    return lift(op("logsumexp")(real(x), axis=_axis(dim), keepdims=keepdim), "logsumexp")


@function
def softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    """Return exp(x) / sum(exp(x)) along an axis."""
    return lift(op("softmax")(_floats("softmax", x, dtype), axis=dim), "softmax")


@function
def log_softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    """Return x - log(sum(exp(x))) along an axis."""
    return lift(op("log_softmax")(_floats("log_softmax", x, dtype), axis=dim), "log_softmax")


@function
def cumsum(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the running sums along an axis."""
    node = _as(x, dtype)
    return lift(
        np.cumsum(cast(node, np.dtype("i8")) if node.dtype.kind in "biu" else node, axis=dim), "cumsum"
    )


@function
def cumprod(x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the running products along an axis."""
    node = _as(x, dtype)
    return lift(
        np.cumprod(cast(node, np.dtype("i8")) if node.dtype.kind in "biu" else node, axis=dim), "cumprod"
    )


def _running(name: str, x: Any, dim: int) -> Any:
    values = kept_apart(x)[0]
    array = values._value
    best = getattr(np, name).accumulate(array, axis=dim)
    own = np.arange(array.shape[dim]).reshape([-1 if i == dim % array.ndim else 1 for i in range(array.ndim)])
    index = np.maximum.accumulate(np.where(array == best, own, 0), axis=dim)
    name = {"maximum": "cummax", "minimum": "cummin"}[name]
    return PAIRS[name](lift(picked(values, index, dim), name), lift(index))


@function
def cummax(x: Any, dim: int) -> Any:
    """Return the largest so far along an axis and where it was: of several alike the last."""
    return _running("maximum", x, dim)


@function
def cummin(x: Any, dim: int) -> Any:
    """Return the smallest so far along an axis and where it was: of several alike the last."""
    return _running("minimum", x, dim)


def _axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that are meant, of a number without axes none."""
    found = tuple(range(ndim)) if dim is None else _axis(dim)
    found = (found,) if found.__class__ is int else tuple(range(ndim)) if found is None else found
    return () if not ndim and set(found) <= {0, -1} else found


@function
def norm(x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Return the p-norm of the entries, of all or along axes; for "nuc" the sum of the singular values."""
    if p.__class__ is str and p not in ("fro", "nuc"):
        wanted = "wants p as a number, 'fro' or 'nuc'"
        raise RuntimeError(lesson("torch.norm(x, p)", wanted, f"{p!r}", hint="p='fro'"))
    node = _floats("norm", x, dtype)
    axes = _axes(dim, node.ndim)
    if p.__class__ is str and p == "nuc":
        return lift(xp.linalg.norm(node, p, axis=axes, keepdims=keepdim), "linalg_matrix_norm")
    order = 2.0 if p is None or p.__class__ is str else float(p)
    if order == 2.0:
        return lift(op("norm")(node, axis=axes, keepdims=keepdim), "linalg_vector_norm")
    moved = np.moveaxis(node, axes, range(-len(axes), 0)) if axes else node[None]
    before = moved.ndim - max(1, len(axes))
    count = math.prod(moved.shape[before:])
    if not count and (order < 0 or order == math.inf):
        wanted = f"wants an entry or more for p={order:g}: of none there is neither a largest nor a smallest"
        raise RuntimeError(lesson("torch.norm(x, p)", wanted, f"shape {tuple(x.shape)}", hint="p=2"))
    found = np.linalg.norm(moved.reshape((*moved.shape[:before], count)), ord=order, axis=-1)
    if keepdim:
        found = np.expand_dims(found, tuple(a % node.ndim for a in axes))
    return lift(found, "linalg_vector_norm")


@function
def dist(x: Any, y: Any, p: float = 2.0) -> Any:
    """Return the p-norm of x - y."""
    return norm(x - y, p)


@function
def nansum(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum of what is not NaN."""
    node = kept_apart(x)[0]
    if node.dtype.kind == "f":
        node = np.where(np.isnan(node), node.dtype.type(0), node)
    return FUNCTIONS["sum"](lift(node, "nansum"), dim, keepdim, dtype=dtype)


@function
def nanmean(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the mean of what is not NaN."""
    if dtype is not None:
        _floats("nanmean", PLAIN["zeros"](0, dtype=dtype))
    _floats("nanmean", x)
    return lift(np.nanmean(_as(x, dtype), axis=_axis(dim), keepdims=keepdim), "nanmean")


@function
def nanmedian(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the median of what is not NaN, of an even number of entries the lower one; NaN where all are."""
    node = _floats("nanmedian", x)
    if dim is None:
        return nanmedian(lift(np.reshape(node, (-1,))), 0).values
    known = np.sum(~np.isnan(node._value), axis=dim, keepdims=True)
    index = np.take_along_axis(_order(node, dim, False), np.maximum((known + 1) // 2 - 1, 0), dim)
    return PAIRS["nanmedian"](*_found_at(node, index, dim, keepdim))


@function
def nanquantile(
    x: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """Return the value below which a share q of the entries that are not NaN lies."""
    node = _floats("nanquantile", x)
    shares = raw(q)
    found = _between(xp.nanquantile, node, shares, interpolation, {"axis": dim, "keepdims": keepdim})
    return lift(found.astype(node.dtype), "nanquantile")


def _between(function: Any, node: Node, shares: Any, method: str, how: dict[str, Any]) -> Any:
    """Return quantiles; an entry that has the place itself is beside no infinity, other than in NumPy."""
    with np.errstate(invalid="ignore"):
        found = function(node, shares, method=method, **how)
    if method not in ("linear", "midpoint"):
        return found
    low, high = (function(node, shares, method=side, **how) for side in ("lower", "higher"))
    return np.where(np.isnan(found) & (low == high) & np.isfinite(low), low, found)


@function
def gradient(x: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> Any:
    """Return slopes along each axis, from neighbours on both sides; one tensor per axis."""
    node = real(x)
    axes = range(node.ndim) if dim is None else [dim] if is_whole(dim) else list(dim)
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    plain = [np.asarray(getattr(lower(s), "_value", s), node.dtype) for s in steps]
    return tuple(
        lift(xp.gradient(node, step[()], axis=axis, edge_order=edge_order), "gradient")
        for axis, step in zip(axes, plain, strict=True)
    )


@function
def count_nonzero(x: Any, dim: Any = None) -> Any:
    """Return how many entries are not 0."""
    return lift(np.asarray(np.count_nonzero(x.node._value, axis=_axis(dim))))


@function
def quantile(x: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Any:
    """Return the value below which a share q of the entries lies."""
    shares = raw(q)
    if not isinstance(q, Tensor) and not isinstance(q, (int, float)):
        raise TypeError(lesson("torch.quantile(x, q)", "wants q as a number or a tensor", f"{q!r:.40}"))
    if isinstance(q, Tensor) and (q.node.dtype != x.node.dtype or q.ndim > 1):
        got = f"shape {tuple(q.shape)}, {q.dtype}"
        raise RuntimeError(
            lesson("torch.quantile(x, q)", "wants q as a number or a vector of x's dtype", got)
        )
    how = {"axis": dim, "keepdims": keepdim}
    return lift(_between(xp.quantile, _floats("quantile", x), shares, interpolation, how), "quantile")


# --- in order ---------------------------------------------------------------------------------------------
def _order(node: Node, dim: int, descending: bool) -> Any:
    if not node.ndim:
        return np.zeros((), np.int64)
    array = node._value
    if not descending:
        return np.argsort(array, axis=dim, kind="stable")
    turned = np.flip(array, axis=dim)  # so that equals keep their order
    return array.shape[dim] - 1 - np.flip(np.argsort(turned, axis=dim, kind="stable"), axis=dim)


@function
def argsort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return the indices that sort along an axis; equals keep their order."""
    return lift(np.asarray(_order(x.node, dim, descending)))


@function
def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return the entries in order along an axis, and where they were."""
    node = kept_apart(x)[0]
    index = _order(node, dim, descending)
    return PAIRS["sort"](lift(picked(node, index, dim), "sort"), lift(np.asarray(index)))


@function
def msort(x: Any) -> Any:
    """Return the entries in order along the first axis."""
    return sort(x, 0).values


@function
def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """Return the k largest (or smallest) along an axis, in order, and where they are."""
    node = kept_apart(x)[0]
    if not 0 <= k <= (node.shape[dim] if node.ndim else 1):
        raise RuntimeError(lesson("torch.topk(x, k)", "wants k from 0 to the length of the axis", f"{k}"))
    index = np.take(_order(node, dim, largest), np.arange(k), axis=dim) if node.ndim else np.zeros((), int)
    return PAIRS["topk"](lift(picked(node, index, dim), "topk"), lift(index))


@function
def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the k-th smallest along an axis, counted from 1, and where it is."""
    node = kept_apart(x)[0]
    if not 1 <= k <= (node.shape[dim] if node.ndim else 1):
        wanted = "wants k from 1 to the length of the axis"
        raise RuntimeError(lesson("torch.kthvalue(x, k)", wanted, f"{k}"))
    if not node.ndim:
        return PAIRS["kthvalue"](lift(node, "kthvalue"), lift(constant(0)))
    return PAIRS["kthvalue"](
        *_found_at(node, np.take(_order(node, dim, False), [k - 1], axis=dim), dim, keepdim)
    )


def _found_at(node: Node, index: Any, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Return the entries at one place along an axis, and the places."""
    values = picked(node, index, dim)
    if not keepdim:
        values, index = np.squeeze(values, axis=dim), np.squeeze(index, axis=dim)
    return lift(values, "kthvalue"), lift(index)


@function
def median(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the median, of an even number of entries the lower one; along an axis also where it is.

    It is NaN, the first one, where any entry is.
    """
    if dim is None:
        if keepdim:
            raise TypeError(lesson("torch.median(x, keepdim=True)", "wants dim, too", hint="dim=-1"))
        if not x.node.size and x.node.dtype.kind == "f":
            return lift(constant(x.node.dtype.type(np.nan)))
        return median(lift(np.reshape(kept_apart(x)[0], (-1,))), 0).values
    node = kept_apart(x)[0]
    if not node.shape[dim]:
        raise IndexError(lesson("torch.median(x)", "wants an entry or more", f"shape {node.shape}"))
    index = np.take(_order(node, dim, False), [(node.shape[dim] + 1) // 2 - 1], axis=dim)
    if node.dtype.kind == "f":
        unknown = np.isnan(node._value)
        first = np.expand_dims(unknown.argmax(axis=dim), dim)
        index = np.where(unknown.any(axis=dim, keepdims=True), first, index)
    return PAIRS["median"](*_found_at(node, index, dim, keepdim))


@function
def unique(
    x: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
) -> Any:
    """Return the different entries in order, where each entry is among them, and how often each is there."""
    found = xp.unique(x.node._value, False, return_inverse, return_counts, axis=dim)
    return lift(found)


@function
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Return how often each whole number is there."""
    if x.ndim != 1 or x.node.dtype.kind not in "iu" or (x.node.size and x.node._value.min() < 0):
        got = f"shape {tuple(x.shape)}, {x.dtype}"
        raise RuntimeError(lesson("torch.bincount(x)", "wants a vector of whole numbers of 0 or more", got))
    given = None if weights is None else weights.node._value
    found = np.bincount(x.node._value, given, minlength)
    return lift(found if given is None or given.dtype.kind != "f" else found.astype(given.dtype))


@function
def histc(x: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """Return how many entries lie in each of some intervals of equal length."""
    array = _floats("histc", x)._value
    ends = (array.min(), array.max()) if min == max == 0 and array.size else (min, max)
    return lift(np.histogram(array, bins, ends)[0].astype(array.dtype))


@function
def searchsorted(
    sorted_sequence: Tensor,
    x: Operand,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Return before which entry of an ordered sequence (ordered by `sorter`) each entry of x belongs."""
    called = "torch.searchsorted(sorted_sequence, x)"
    if side not in (None, "left", "right") or (side == "left" and right):
        got = f"side={side!r}, right={right}"
        raise RuntimeError(lesson(called, "wants side as 'left' or 'right', as right= has it", got))
    side = side or ("right" if right else "left")
    ordered, wanted = lower(sorted_sequence)._value, np.asarray(getattr(lower(x), "_value", x))
    if not ordered.ndim:
        raise RuntimeError(lesson(called, "wants a sequence with an axis", "shape ()"))
    if sorter is not None:
        ordered = np.take_along_axis(ordered, sorter.node._value, -1)
    kind = np.int32 if out_int32 else np.int64
    if ordered.ndim < 2:
        return lift(np.asarray(xp.searchsorted(ordered, wanted, side), kind))
    if ordered.shape[:-1] != wanted.shape[:-1]:
        got = f"{ordered.shape} and {wanted.shape}"
        raise RuntimeError(lesson(called, "wants the same axes before the last", got))
    rows = zip(ordered.reshape(-1, ordered.shape[-1]), wanted.reshape(-1, wanted.shape[-1]), strict=True)
    return lift(np.array([xp.searchsorted(a, b, side) for a, b in rows], kind).reshape(wanted.shape))


@function
def bucketize(x: Operand, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Any:
    """Return in which bucket between ordered boundaries each entry lies."""
    return searchsorted(boundaries, x, right=right, out_int32=out_int32)


@function
def diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the differences of neighbours along an axis, with what is put before it and behind."""
    parts = [part for part in (prepend, x, append) if part is not None]
    whole = PLAIN["cat"](parts, dim) if len(parts) > 1 else x
    if whole.dtype == dtypes.boolean:
        return _turns(whole, n, dim)
    return lift(np.diff(alike(whole)[0], n, axis=dim), "diff")


def _turns(x: Tensor, n: int, dim: int) -> Tensor:
    """Return where truth values change along an axis, n times."""
    return lift(np.diff(x.node._value, n, axis=dim))


@function
def cov(x: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Return the covariances of the rows, whose columns may count several times or have weights."""
    node = real(x)
    if fweights is aweights is None:
        return lift(np.cov(node, ddof=correction).astype(node.dtype), "cov")  # NumPy's is float64
    times = np.ones((), node.dtype) if fweights is None else _column_weights(fweights, "iu", node)
    shares = np.ones((), node.dtype) if aweights is None else _column_weights(aweights, "f", node)
    weights = np.broadcast_to(times * shares, node.shape[-1:])
    total = weights.sum()
    left = total - correction * ((weights * shares).sum() / total if aweights is not None else 1)
    centred = node - ((node * weights).sum(axis=-1) / total)[..., None]
    return lift((centred * weights) @ centred.T / np.maximum(left, 0), "cov")


def _column_weights(given: Any, kinds: str, node: Any) -> Any:
    array = given.node._value
    if array.dtype.kind not in kinds or array.shape != node.shape[-1:] or (array < 0).any():
        wanted = (
            f"wants a vector of {'floats' if kinds == 'f' else 'whole numbers'} of 0 or more for the columns"
        )
        raise RuntimeError(lesson("torch.cov(x)", wanted, f"shape {array.shape}, {given.dtype}"))
    return array.astype(node.dtype)


@function
def corrcoef(x: Any) -> Any:
    """Return the correlations of the rows."""
    return lift(np.corrcoef(x := real(x)).astype(x.dtype), "corrcoef")


@function
def mode(x: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the most frequent entry along an axis, of several the least, and where its last one is.

    NaN equals nothing: each counts once, and comes after all numbers.
    """
    node = kept_apart(x)[0]
    if not node.ndim:
        return PAIRS["mode"](lift(node, "mode"), lift(constant(0)))
    rows = np.moveaxis(node._value, dim, -1)
    flat = rows.reshape(-1, rows.shape[-1])
    index: Any = np.array([_most_frequent(row) for row in flat], np.int64).reshape(rows.shape[:-1])
    index = np.expand_dims(index, dim)
    values = picked(node, index, dim)
    if not keepdim:
        values, index = np.squeeze(values, axis=dim), np.squeeze(index, axis=dim)
    return PAIRS["mode"](lift(values, "mode"), lift(index))


def _most_frequent(row: Any) -> int:
    known = row[row == row]  # without NaN
    if not known.size:
        return 0
    values, counts = np.unique(known, return_counts=True)
    return int(np.flatnonzero(row == values[counts.argmax()])[-1])


@function
def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Any:
    """Return the area under a line through points: the sum of (y[i] + y[i+1]) / 2 (x[i+1] - x[i])."""
    return lift(_areas(y, x, dx, dim).sum(-1))


@function
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Any:
    """Return the areas under a line through points up to each of them but the first."""
    return lift(np.moveaxis(np.cumsum(_areas(y, x, dx, dim), axis=-1), -1, dim))


def _areas(y: Any, x: Any, dx: float, dim: int) -> Any:
    """The area under each piece of a line, the axis of the pieces last."""
    node = real(y)
    steps: Any = dx if x is None else np.diff(real(x), axis=-1 if x.ndim == 1 else dim)
    sums = np.moveaxis(node, dim, -1)
    middle = (sums[..., 1:] + sums[..., :-1]) / 2
    return middle * (steps if x is None or x.ndim == 1 else np.moveaxis(steps, dim, -1))


FUNCTIONS["trapz"] = trapezoid


@function
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Tell of each entry whether it is among those to test by."""
    entries, others = (np.asarray(getattr(lower(v), "_value", v)) for v in (elements, test_elements))
    return lift(np.asarray(np.isin(entries, others, invert=invert)))


@function
def unique_consecutive(
    x: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the entries, or the slices along `dim`, without repetitions next to each other."""
    value = np.atleast_1d(x.node._value)
    rows = value.reshape(-1) if dim is None else np.moveaxis(value, dim, 0)
    other = (rows[1:] != rows[:-1]).any(axis=tuple(range(1, rows.ndim)))
    begins = np.flatnonzero(np.r_[True, other][: len(rows)])
    counts = np.diff(np.r_[begins, len(rows)])
    found = [rows[begins] if dim is None else np.moveaxis(rows[begins], 0, dim)]
    places = np.repeat(np.arange(begins.size), counts)
    found += [places.reshape(x.shape) if dim is None else places] if return_inverse else []
    found += [counts] if return_counts else []
    return lift(found[0]) if len(found) == 1 else tuple(map(lift, found))


@function
def is_nonzero(x: Any) -> bool:
    """Tell whether the only entry is not 0."""
    return bool(x)
