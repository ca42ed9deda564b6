"""Sorting and what is read off sorted entries: ties share the gradient equally."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.ops.index import ARRAY
from clearprop.registry import implements, ops

_TIED = np.array([[2.0, -1.0, 0.5, 3.0], [4.0, 1.0, 0.0, 2.5], [-2.0, 0.7, 5.0, 1.5]])


@define("argsort", "opaque", None, numpy=np.argsort, examples=(((_TIED,), {}), ((_TIED,), {"axis": 0})))
def argsort(x: Any, *, axis: int | None = -1) -> Any:
    """The indices that sort `x`, entries that tie in their order; no gradient."""
    return np.argsort(x, axis=axis, kind="stable")


def _sort_rule(g: Any, z: Any, x: Any, axis: int) -> Any:
    """The way back to where each entry came from; equal entries share what arrives at their places."""
    g, z, x = (np.moveaxis(a, axis, -1) for a in (g, z, x))
    n = x.shape[-1]
    if x.size == 0:
        return np.moveaxis(g, -1, axis)
    first = np.zeros((*x.shape[:-1], 1), np.intp)
    group = np.concatenate([first, np.cumsum(z[..., 1:] != z[..., :-1], axis=-1)], axis=-1)
    group = group + n * np.arange(x.size // n).reshape((*x.shape[:-1], 1))  # no two rows share a group
    members = ops["getitem"](_added(np.ones(x.shape, g.dtype), group), group)
    shared = ops["getitem"](_added(g, group), group) / members
    back = np.argsort(np.argsort(x, axis=-1), axis=-1)
    return np.moveaxis(np.take_along_axis(shared, back, axis=-1), -1, axis)


def _added(g: Any, group: Any) -> Any:
    return ops["scatter"](g, group, index=(ARRAY,), shape=(group.size,))


@define(
    "sort",
    "opaque",
    _sort_rule,
    signature=lambda a, axis=-1, *, kind=None, stable=None: (
        (a.reshape((-1,)) if axis is None else a,),
        {"axis": -1 if axis is None else axis},
    ),
    numpy=np.sort,
    examples=(((_TIED,), {}), ((_TIED,), {"axis": 0})),
)
def sort(x: Any, *, axis: int = -1) -> Any:
    """The entries in ascending order along `axis`; ties share the gradient equally.

    >>> sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    """
    return np.sort(x, axis=axis)


@implements(np.median)
def median(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Return the middle entry along `axis`, or the mean of the two in the middle.

    >>> median(np.array([3.0, 1.0, 2.0, 10.0]))
    np.float64(2.5)
    """
    ndim = x.ndim
    if axis is None:
        x, axis = x.reshape((-1,)), 0
    n = x.shape[axis]
    rows = ops["sort"](x, axis=axis)
    middle = (slice(None),) * (axis % x.ndim) + (slice((n - 1) // 2, n // 2 + 1),)
    z = rows[middle].mean(axis=axis, keepdims=keepdims)
    return z.reshape((1,) * ndim) if keepdims and ndim != x.ndim else z
