"""Sorting and what is read off sorted entries: ties share the gradient equally."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.ops.moving import Smooth
from clearprop.ops.plane import real_only
from clearprop.ops.reduce import rows_of
from clearprop.ops.shape import as_array
from clearprop.ops.ties import groups, of_sorted, shared
from clearprop.registry import implements, ops

_TIED = np.array([[2.0, -1.0, 0.5, 3.0], [4.0, 1.0, 0.0, 2.5], [-2.0, 0.7, 5.0, 1.5]])


def _kind(called: str, kind: Any, stable: Any) -> None:
    """Complain about a way of sorting that NumPy does not know; which one it is changes no result."""
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable", "quick", "heap", "merge"):
        raise ValueError(
            lesson(f"{called}(kind=)", "is 'stable', 'quicksort', 'heapsort' or None", repr(kind))
        )
    if kind is not None and stable is not None:
        raise ValueError(lesson(f"{called}(kind=, stable=)", "wants one of the two", f"{kind!r}, {stable!r}"))


def _argsort_signature(a: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
    _kind("argsort", kind, stable)
    real_only("np.argsort(x)", a)
    return (a,), {"axis": axis}


def _sort_signature(a: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
    _kind("sort", kind, stable)
    real_only("np.sort(x)", a)
    return (a.reshape((-1,)) if axis is None else a,), {"axis": -1 if axis is None else axis}


def _neighbours(x: Any, axis: int | None = -1, **how: Any) -> Any:
    """Where an entry ties with another of its row, or with any other."""
    if axis is None:
        return _neighbours(np.ravel(x)).reshape(x.shape)
    rows = np.moveaxis(x, axis, -1)
    order = np.argsort(rows, axis=-1)
    z = np.take_along_axis(rows, order, axis=-1)
    same, end = z[..., 1:] == z[..., :-1], np.zeros((*z.shape[:-1], 1), bool)
    tied = np.concatenate([end, same], axis=-1) | np.concatenate([same, end], axis=-1)
    found = np.zeros_like(tied)
    np.put_along_axis(found, order, tied[..., : z.shape[-1]], axis=-1)
    return np.moveaxis(found, -1, axis)


@define(
    "argsort",
    "opaque",
    None,
    numpy=np.argsort,
    signature=_argsort_signature,
    facts=Facts(kinks=_neighbours),
    examples=(((_TIED,), {}), ((_TIED,), {"axis": 0})),
)
def argsort(x: Any, *, axis: int | None = -1) -> Any:
    """The indices that sort `x`, entries that tie in their order; no gradient."""
    return np.argsort(x, axis=axis, kind="stable")


def _sort_rule(g: Any, z: Any, x: Any, axis: int) -> Any:
    """The way back to where each entry came from; equal entries share what arrives at their places."""
    g, z, x = (np.moveaxis(a, axis, -1) for a in (g, z, x))
    if x.size == 0:
        return np.moveaxis(g, -1, axis)
    share = shared(g, groups(z))
    back = np.argsort(np.argsort(x, axis=-1), axis=-1)
    return np.moveaxis(np.take_along_axis(share, back, axis=-1), -1, axis)


@define(
    "sort",
    "opaque",
    _sort_rule,
    facts=Facts(kinks=_neighbours, smooth=Smooth(of_sorted)),
    signature=_sort_signature,
    numpy=np.sort,
    examples=(((_TIED,), {}), ((_TIED,), {"axis": 0})),
)
def sort(x: Any, *, axis: int = -1) -> Any:
    """The entries in ascending order along `axis`; ties share the gradient equally.

    >>> sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    """
    return np.sort(x, axis=axis)


@define(
    "argpartition",
    "opaque",
    None,
    numpy=np.argpartition,
    facts=Facts(kinks=_neighbours),
    examples=(((_TIED,), {"kth": 1}),),
)
def argpartition(x: Any, *, kth: Any = 0, axis: int | None = -1, kind: str = "introselect") -> Any:
    """The indices that put the entries of the places `kth` where sorting would; no gradient."""
    places: Any = np.argpartition
    return places(x, kth, axis, kind)


@implements(np.partition)
def partition(x: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Return the entries with those of the places `kth` where sorting would put them, smaller ones before."""
    real_only("np.partition(x)", x)
    if order is not None:
        raise ValueError(
            lesson("np.partition(order=)", "is about fields, which a Tensor has not", f"{order!r}")
        )
    if axis is None:
        x, axis = as_array(x).reshape((-1,)), -1
    return np.take_along_axis(x, ops["argpartition"](x, kth=kth, axis=axis, kind=kind), axis=axis)


@implements(np.median)
def median(x: Any, axis: Any = None, *, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Return the middle entry along `axis` (one or several), or the mean of the two in the middle.

    NaN where one of the entries is.

    >>> median(np.array([3.0, 1.0, 2.0, 10.0]))
    np.float64(2.5)
    """
    x = as_array(x)
    real_only("np.median(x)", x)
    rows, shape = rows_of(x, axis)
    n = rows.shape[-1]
    rows = ops["sort"](rows, axis=-1)
    z = np.mean(rows[..., (n - 1) // 2 if n else 0 : n // 2 + 1], axis=-1)
    if n and x.dtype.kind == "f":
        last = rows[..., -1]  # where NaN is sorted to
        z = ops["where"](np.isnan(last), last, z)
    return z.reshape(shape) if keepdims else z
