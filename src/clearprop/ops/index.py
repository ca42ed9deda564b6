"""Indexing: picking entries, and adding gradients back to the places they came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.ops.quotient import over_entries, over_picked, over_pieces
from clearprop.registry import implements, ops
from clearprop.tensor import Tensor


class _Slot:
    """Where an index array stands in an index; the array is an input, since it changes from call to call."""

    def __repr__(self) -> str:
        return "array"


ARRAY = _Slot()


def filled(index: tuple[Any, ...], arrays: Any) -> tuple[Any, ...]:
    """Return an index with its arrays where `ARRAY` keeps their places."""
    rest = iter(arrays)
    return tuple(next(rest) if entry is ARRAY else entry for entry in index)


def _fixed(entry: Any) -> bool:
    return isinstance(entry, (slice, int, np.integer)) and not isinstance(entry, bool)


def _getitem_signature(x: Any, index: Any) -> Any:
    """Split an index into its fixed form and the arrays in it."""
    form: list[Any] = []
    arrays: list[Any] = []
    for entry in index if isinstance(index, tuple) else (index,):
        if not (entry is None or entry is Ellipsis or _fixed(entry)):
            array = entry if isinstance(entry, Tensor) else np.asarray(entry)
            if array.dtype.kind not in "iub" and array.size == 0:
                array = np.asarray(entry, dtype=np.intp)
            if array.dtype.kind not in "iub":
                raise IndexError(
                    lesson(
                        "t[i]",
                        "an index array holds integers or booleans",
                        f"dtype {array.dtype}",
                        hint="the labels as a plain integer array, or Tensor(labels, requires_grad=False)",
                    )
                )
            form.append(ARRAY)
            arrays.append(array)
        else:
            form.append(entry)
    return (x, *arrays), {"index": tuple(form)}


@define(
    "getitem",
    "gather",
    arity=None,
    variadic_rule=lambda i, g, z, x, *arrays, index: (
        None if i else ops["scatter"](g, *arrays, index=index, shape=x.shape)
    ),
    signature=_getitem_signature,
    facts=Facts(sign="[]", linear=(0,), over=over_picked),
    together=lambda total, shape, uses: ops["add_at"](
        total,
        *(x for g, xs, _ in uses for x in (g, *xs[1:])),
        indexes=[attrs["index"] for _, _, attrs in uses],
        shape=shape,
    ),
    examples=(
        (((4, 5),), {"index": (slice(1, None, 2), -1)}),
        (((4, 5),), {"index": (Ellipsis, None, slice(None, None, -1))}),
        (((4, 5),), {"index": ([0, 2, 2, 0],)}),
        (((4, 5),), {"index": (np.arange(20).reshape(4, 5) % 3 == 0,)}),
        (((4, 5, 2),), {"index": (slice(None), [1, 1, 3], 0)}),
    ),
)
def getitem(x: Any, *arrays: Any, index: Any = ()) -> Any:
    """x[index], with NumPy's basic and advanced indexing; an entry picked twice receives both gradients."""
    return x[filled(index, arrays)]


def _scatter_signature(g: Any, *arrays: Any, index: Any, shape: Any) -> Any:
    return (g, *arrays), {"index": index, "shape": tuple(shape)}


@define(
    "scatter",
    "gather",
    arity=None,
    variadic_rule=lambda i, g, z, x, *arrays, index, shape: (
        None if i else ops["getitem"](g, filled(index, arrays))
    ),
    signature=_scatter_signature,
    facts=Facts(  # no symbol is written into
        lower=lambda g, *arrays, **attrs: g.scattered(*arrays, **attrs), over=over_entries
    ),
    examples=(
        (((2,),), {"index": (slice(1, None, 2), -1), "shape": (4, 5)}),
        (((4, 5), np.array([0, 2, 2, 0])), {"index": (ARRAY,), "shape": (4, 5)}),
        (((7,), np.arange(20).reshape(4, 5) % 3 == 0), {"index": (ARRAY,), "shape": (4, 5)}),
    ),
)
def scatter(g: Any, *arrays: Any, index: Any, shape: Any) -> Any:
    """Zeros of `shape` with `g` added at `index`: the transpose of picking."""
    out = np.zeros(shape, g.dtype)
    where = filled(index, arrays)
    if _distinct(arrays):
        out[where] = g
    else:
        np.add.at(out, where, g)
    return out


def _distinct(arrays: tuple[Any, ...]) -> bool:
    """Whether an index with these arrays picks no place twice."""
    return all(np.asarray(a).dtype.kind == "b" for a in arrays)


def at_indexes(pieces: tuple[Any, ...], indexes: Any) -> Iterator[tuple[Any, tuple[Any, ...], Any]]:
    """Yield each piece with the arrays that follow it and the index that they belong to.

    >>> list(at_indexes(("g", "rows", "h"), ((ARRAY, 1), (0,))))
    [('g', ('rows',), (array, 1)), ('h', (), (0,))]
    """
    at = 0
    for index in indexes:
        end = at + 1 + sum(entry is ARRAY for entry in index)
        yield pieces[at], pieces[at + 1 : end], index
        at = end


def _add_at_signature(total: Any, *pieces: Any, indexes: Any, shape: Any) -> Any:
    return (total, *pieces), {"indexes": tuple(indexes), "shape": tuple(shape)}


def _from_piece(i: int, g: Any, z: Any, total: Any, *pieces: Any, indexes: Any, shape: Any) -> Any:
    """The total receives all of `g`, a piece what is at its index."""
    at = 1
    for _, arrays, index in at_indexes(pieces, indexes) if i else ():
        if at == i:
            return ops["getitem"](g, filled(index, arrays))
        at += 1 + len(arrays)
    return None if i else g


@define(
    "add_at",
    "gather",
    arity=None,
    variadic_rule=_from_piece,
    signature=_add_at_signature,
    facts=Facts(
        lower=lambda total, *pieces, **attrs: pieces[0].added_at(total, *pieces, **attrs), over=over_pieces
    ),
    examples=(
        (((4, 5), (2,), (3, 5)), {"indexes": ((slice(1, None, 2), -1), (slice(1, None),)), "shape": (4, 5)}),
        (((4, 5), (4, 5), np.array([0, 2, 2, 0]), (5,)), {"indexes": ((ARRAY,), (1,)), "shape": (4, 5)}),
    ),
)
def add_at(total: Any, *pieces: Any, indexes: Any, shape: Any) -> Any:
    """`total`, an array or a number for all of `shape`, with each piece added at its index in turn."""
    out = np.full(shape, total, pieces[0].dtype)
    for g, arrays, index in at_indexes(pieces, indexes):
        where = filled(index, arrays)
        if _distinct(arrays):
            out[where] += g
        else:
            np.add.at(out, where, g)
    return out


@implements(np.take)
def take(x: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    """Return the entries of `x` at integer `indices` along `axis` (of the flattened array where it is None).

    An index beyond the ends is an IndexError; with `mode="wrap"` it counts on from the other end, with
    `mode="clip"` it is the nearer end (the first for every negative one).

    >>> import numpy as np
    >>> take(np.array([10, 20, 30]), [2, 0]), take(np.array([10, 20, 30]), [4, -5], mode="wrap")
    (array([30, 10]), array([20, 20]))
    """
    if not isinstance(indices, Tensor):
        indices = np.asarray(indices) if np.size(indices) else np.asarray(indices, np.intp)
    if indices.dtype.kind == "b":
        indices = indices.astype(np.intp)  # as NumPy has it: 0 and 1, not a mask
    if axis is None or not x.ndim:
        x = x.reshape((x.size,))
    axis = 0 if axis is None else normalize_axis_index(axis, x.ndim)
    return ops["getitem"](x, (slice(None),) * axis + (_within(indices, x.shape[axis], mode),))


def _within(indices: Any, n: int, mode: str) -> Any:
    """Return indices into `n` entries, those beyond the ends brought inside as `mode` says."""
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(lesson("take(mode=)", "is 'raise', 'wrap' or 'clip'", repr(mode)))
    if mode == "raise" or n == 0 or indices.dtype.kind not in "iu":
        return indices
    return indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)


# --- where something holds ----------------------------------------------------------------------------------
# Places are plain integers that no gradient passes through, and how many there are depends on values: while
# a step is recorded, asking for the value is refused.
@implements(np.nonzero)
def nonzero(x: Any) -> Any:
    """Return where `x` is not 0, as `np.nonzero` does: an array of indices for each axis.

    >>> nonzero(Tensor([0.0, 2.0, 3.0]))
    (array([1, 2]),)
    """
    return np.nonzero(x.value if isinstance(x, Tensor) else x)


@implements(np.flatnonzero)
def flatnonzero(x: Any) -> Any:
    """Return where the flattened `x` is not 0.

    >>> flatnonzero(Tensor([[0.0, 2.0], [3.0, 0.0]]))
    array([1, 2])
    """
    return np.flatnonzero(x.value if isinstance(x, Tensor) else x)


@implements(np.argwhere)
def argwhere(x: Any) -> Any:
    """Return where `x` is not 0, an index to a row.

    >>> argwhere(Tensor([[0.0, 2.0], [3.0, 0.0]]))
    array([[0, 1],
           [1, 0]])
    """
    return np.argwhere(x.value if isinstance(x, Tensor) else x)


@implements(np.where)
def where(condition: Any, *branches: Any) -> Any:
    """Return x where the condition holds and y elsewhere; of a condition alone, the places where it holds.

    >>> where(Tensor([0.0, 2.0, 3.0]) > 1)
    (array([1, 2]),)
    """
    return ops["where"](condition, *branches) if branches else nonzero(condition)


@implements(np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return, along `axis`, the entry of `x` that `indices` names at each place.

    >>> import numpy as np
    >>> take_along_axis(np.array([[1, 2], [3, 4]]), np.array([[1], [0]]), axis=1)
    array([[2],
           [3]])
    """
    ndim = 1 if axis is None else x.ndim
    if indices.ndim != ndim:
        raise ValueError(
            lesson("take_along_axis(x, indices)", f"wants indices of {ndim} axes", f"shape {indices.shape}")
        )
    if axis is None:
        return take(x, indices)
    axis = normalize_axis_index(axis, x.ndim)
    places: list[Any] = []
    for i, n in enumerate(x.shape):
        along = tuple(n if i == j else 1 for j in range(x.ndim))
        places.append(indices if i == axis else np.arange(n).reshape(along))
    return ops["getitem"](x, tuple(places))
