"""More ways to join, cut, pick and turn arrays: each is slices, joins and views of the ops."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from clearprop.errors import at_line, lesson
from clearprop.ops.index import take
from clearprop.ops.shape import as_array, constant
from clearprop.registry import implements, ops
from clearprop.tensor import Tensor


# --- joining ------------------------------------------------------------------------------------------------
@implements(np.append)
def append(x: Any, values: Any, axis: int | None = None) -> Any:
    """Return `x` with `values` behind it along `axis`, both laid out flat where it is None."""
    x, values = as_array(x), as_array(values)
    if axis is None:
        return np.concatenate([x.reshape((x.size,)), values.reshape((values.size,))])
    return np.concatenate([x, values], axis=axis)


@implements(np.atleast_3d)
def atleast_3d(*xs: Any) -> Any:
    """Return each array with at least three axes, a vector as (1, n, 1), a matrix as (m, n, 1)."""
    found = []
    for x in map(as_array, xs):
        shape = {0: (1, 1, 1), 1: (1, x.size, 1), 2: (*x.shape, 1)}.get(x.ndim, x.shape)
        found.append(x.reshape(shape) if x.ndim < 3 else x)
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.dstack)
def dstack(arrays: Any) -> Any:
    """Return arrays joined along the third axis."""
    return np.concatenate([atleast_3d(x) for x in arrays], axis=2)


@implements(np.block)
def block(arrays: Any) -> Any:
    """Return an array put together from nested lists of blocks, the innermost along the last axis.

    >>> block([[np.eye(1), np.zeros((1, 1))], [np.ones((1, 2))]])
    array([[1., 0.],
           [1., 1.]])
    """
    depths = _depths(arrays)
    if len(set(depths)) > 1:
        raise ValueError(lesson("np.block(arrays)", "wants lists nested equally deep", f"depths {depths}"))
    if None in depths:
        raise ValueError(lesson("np.block(arrays)", "wants no empty list", f"{arrays!r}"[:40]))
    depth = depths[0] or 0
    ndim = max(depth, max(as_array(x).ndim for x in _leaves(arrays)))

    def joined(part: Any, level: int) -> Any:
        if not isinstance(part, list):
            x = as_array(part)
            return x.reshape((1,) * (ndim - x.ndim) + x.shape)
        return np.concatenate([joined(p, level + 1) for p in part], axis=ndim - depth + level)

    z = joined(arrays, 0)
    return +z if depth == 0 and hasattr(z, "requires_grad") else z


def _leaves(part: Any) -> list[Any]:
    return [x for p in part for x in _leaves(p)] if isinstance(part, list) else [part]


def _depths(part: Any, depth: int = 0) -> list[int | None]:
    if isinstance(part, tuple):
        raise TypeError(lesson("np.block(arrays)", "wants lists, not tuples", f"{part!r}"[:40]))
    if not isinstance(part, list):
        return [depth]
    return [d for p in part for d in _depths(p, depth + 1)] if part else [None]


@implements(np.broadcast_arrays)
def broadcast_arrays(*xs: Any, subok: bool = False) -> tuple[Any, ...]:
    """Return the arrays repeated to the one shape that they broadcast to."""
    arrays = [as_array(x) for x in xs]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(x if x.shape == shape else np.broadcast_to(x, shape) for x in arrays)


# --- picking ------------------------------------------------------------------------------------------------
@implements(np.choose)
def choose(which: Any, choices: Any, *, mode: str = "raise") -> Any:
    """Return, at each place, the entry of the array in `choices` that `which` names there.

    >>> choose(np.array([1, 0]), [np.array([1, 2]), np.array([10, 20])])
    array([10,  2])
    """
    arrays = broadcast_arrays(as_array(which), *choices)
    stacked = np.stack(arrays[1:])
    places = np.ix_(*(np.arange(n) for n in stacked.shape[1:]))
    which, n = arrays[0], stacked.shape[0]
    if mode == "wrap":
        which = which % n
    elif mode == "clip":
        which = np.clip(which, 0, n - 1)
    elif np.any((constant(which) < 0) | (constant(which) >= n)):
        raise ValueError(
            lesson("np.choose(which, choices)", f"wants numbers from 0 to {n - 1}", f"{which!r}")
        )
    return stacked[(which, *places)]


@implements(np.compress)
def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    """Return the slices along `axis` (entries, where it is None) at which the condition holds."""
    if np.ndim(condition) != 1:
        raise ValueError(lesson("np.compress(condition, x)", "wants a vector", f"{np.shape(condition)}"))
    x = as_array(x)
    x, axis = (x.reshape((x.size,)), 0) if axis is None else (x, normalize_axis_index(axis, x.ndim))
    return _picked(condition, x, axis)


@implements(np.extract)
def extract(condition: Any, x: Any) -> Any:
    """Return the entries of `x` at the places where the condition holds."""
    x = as_array(x)
    return _picked(as_array(condition).reshape((-1,)), x.reshape((x.size,)), 0)


def _picked(condition: Any, x: Any, axis: int) -> Any:
    """The slices at which a condition holds, which may be shorter than `x`; a mask where it is a Tensor."""
    if not isinstance(condition, Tensor):
        return take(x, np.flatnonzero(condition), axis)
    before = (slice(None),) * axis
    mask = condition if condition.dtype.kind == "b" else condition != 0
    return x[(*before, slice(condition.shape[0]))][(*before, mask)]


@implements(np.sort_complex)
def sort_complex(x: Any) -> Any:
    """Return the entries of the last axis as complex numbers, by their real parts, then their imaginary ones.

    >>> sort_complex(np.array([2.0, 1.0]))
    array([1.+0.j, 2.+0.j])
    """
    x = as_array(x)
    if x.dtype.kind != "c":
        return np.sort(x).astype(np.complex64 if x.dtype.char in "bhBH" else np.complex128)
    return np.take_along_axis(x, np.lexsort((np.imag(x), np.real(x)), axis=-1), axis=-1)


@implements(np.delete)
def delete(x: Any, obj: Any, axis: int | None = None) -> Any:
    """Return `x` without the slices along `axis` (entries, where it is None) that `obj` names."""
    x, axis = _along(x, axis)
    left = np.delete(np.arange(x.shape[axis]), _places(obj))
    return take(x, left, axis)


@implements(np.insert)
def insert(x: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Return `x` with `values` put before the places along `axis` that `obj` names.

    >>> insert(np.array([1.0, 2.0]), 1, 5.0)
    array([1., 5., 2.])
    """
    (x, axis), values = _along(x, axis), as_array(values)
    n, shape, obj = x.shape[axis], list(x.shape), _places(obj)
    count = np.insert(np.arange(n), obj, -1).size - n
    if count == 1:
        values = values.reshape((1,) * (x.ndim - values.ndim) + values.shape)
        if np.ndim(obj) == 0 and not isinstance(obj, slice):
            values = np.moveaxis(values, 0, axis)
        count = values.shape[axis]
    shape[axis] = count
    order = np.insert(np.arange(n), obj, n + np.arange(count))  # NumPy says what goes where
    both = np.concatenate([x, np.broadcast_to(values, tuple(shape)).astype(x.dtype)], axis=axis)
    return take(both, order, axis)


def _places(obj: Any) -> Any:
    """Return what says where, as NumPy alone understands it; a recorded step refuses what it computes."""
    return np.asarray(obj) if hasattr(obj, "requires_grad") else obj


def _along(x: Any, axis: int | None) -> tuple[Any, int]:
    x = as_array(x)
    return (x.reshape((x.size,)), 0) if axis is None else (x, normalize_axis_index(axis, x.ndim))


@implements(np.select)
def select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    """Return, at each place, the choice of the first condition that holds there, else `default`.

    >>> select([np.array([True, False])], [np.array([1.0, 2.0])], -1.0)
    array([ 1., -1.])
    """
    if len(conditions) != len(choices) or not len(conditions):
        got = f"{len(conditions)} and {len(choices)}"
        raise ValueError(lesson("np.select(conditions, choices)", "wants as many of both", got))
    if any(as_array(c).dtype.kind != "b" for c in conditions):
        raise TypeError(lesson("np.select(conditions, choices)", "wants conditions that are booleans"))
    z = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        z = ops["where"](condition, choice, z)
    return z


@implements(np.piecewise)
def piecewise(x: Any, conditions: Any, functions: Any, *args: Any, **kw: Any) -> Any:
    """Return, at each place, the function (or number) of the last condition that holds there, else 0.

    Every function is asked about all of `x`; what it gives elsewhere is left, and so is its gradient. One
    function more than conditions is for where none holds.
    """
    x = as_array(x)
    single = not isinstance(conditions, (list, tuple)) or (not np.ndim(conditions[0]) and x.ndim)
    conditions = [as_array(c) for c in ([conditions] if single else conditions)]
    conditions = [c if c.dtype.kind == "b" else c != 0 for c in conditions]
    for c in conditions:
        if c.shape != x.shape[: c.ndim]:
            wanted, got = "wants conditions of x's shape, or of its first axes", f"{c.shape} for {x.shape}"
            raise IndexError(lesson("np.piecewise(x, conditions, functions)", wanted, got, at_line()))
    conditions = [c.reshape((*c.shape, *(1,) * (x.ndim - c.ndim))) for c in conditions]
    if len(functions) == len(conditions) + 1:
        none = ~np.any(np.stack([np.broadcast_to(c, x.shape) for c in conditions]), axis=0)
        conditions, functions = [none, *conditions], [functions[-1], *functions[:-1]]
    elif len(functions) != len(conditions):
        got = f"{len(functions)} for {len(conditions)}"
        raise ValueError(lesson("np.piecewise(x, conditions, functions)", "wants a function for each", got))
    z = np.zeros(x.shape, x.dtype)
    for condition, function in zip(conditions, functions, strict=True):
        value = function(x, *args, **kw) if callable(function) else function
        z = ops["where"](condition, value, z)
    return z.astype(x.dtype)


@implements(np.trim_zeros)
def trim_zeros(x: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Return a vector without the zeros at its front ("f") and back ("b")."""
    x = as_array(x)
    trim = trim.lower()
    if x.ndim != 1 or set(trim) - {"f", "b"}:
        wanted = "wants a vector, and 'f', 'b' or both"
        raise ValueError(lesson("np.trim_zeros(x, trim)", wanted, f"{x.shape}, {trim!r}"))
    places = np.flatnonzero(x)
    if not len(places):
        return x[:0] if "f" in trim or "b" in trim else x
    start, stop = (places[0] if "f" in trim else 0), (places[-1] + 1 if "b" in trim else x.size)
    return x[int(start) : int(stop)]


# --- turning ------------------------------------------------------------------------------------------------
@implements(np.diagflat)
def diagflat(x: Any, k: int = 0) -> Any:
    """Return the matrix with the entries of `x`, laid out flat, on its diagonal."""
    x = as_array(x)
    return np.diag(x.reshape((x.size,)), k)


@implements(np.rollaxis)
def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """Return `x` with one axis moved before another."""
    axis = normalize_axis_index(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    if not 0 <= start <= x.ndim:
        wanted = f"wants start from {-x.ndim} to {x.ndim}"
        raise np.exceptions.AxisError(lesson("np.rollaxis(x, axis, start)", wanted, f"{start}"))
    return np.moveaxis(x, axis, start - (axis < start))


@implements(np.rot90)
def rot90(x: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Return `x` turned by `k` quarters in the plane of two axes.

    >>> rot90(np.array([[1, 2], [3, 4]]))
    array([[2, 4],
           [1, 3]])
    """
    axes = tuple(axes)
    if len(axes) != 2:
        raise ValueError(lesson("np.rot90(x)", "wants two axes", f"{axes}"))
    i, j = (normalize_axis_index(a, x.ndim) for a in axes)
    if i == j:
        raise ValueError(lesson("np.rot90(x)", "wants two different axes", f"{axes}"))
    k = operator.index(k) % 4
    if k == 0:
        return x[:]
    if k == 2:
        return np.flip(np.flip(x, i), j)
    return np.swapaxes(np.flip(x, j), i, j) if k == 1 else np.flip(np.swapaxes(x, i, j), j)


@implements(np.resize)
def resize(x: Any, new_shape: Any) -> Any:
    """Return the entries of `x` in a new shape, from the first again where there are too few."""
    x, shape = as_array(x), tuple(np.atleast_1d(new_shape).tolist())
    if any(n < 0 for n in shape):
        raise ValueError(lesson("np.resize(x, shape)", "wants lengths that are not negative", f"{shape}"))
    size = int(np.prod(shape))
    if not x.size:
        return np.zeros(shape, x.dtype)
    return take(x.reshape((x.size,)), np.arange(size) % x.size).reshape(shape)


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """Return the same numbers in another dtype; a gradient passes between float types."""
    return x.astype(dtype, copy=copy)


@implements(np.apply_along_axis)
def apply_along_axis(function: Any, axis: int, x: Any, *args: Any, **kw: Any) -> Any:
    """Return `function` of each vector along `axis`, its results in place of that axis.

    >>> apply_along_axis(np.sum, 1, np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    x = as_array(x)
    axis = normalize_axis_index(axis, x.ndim)
    rows = np.moveaxis(x, axis, -1)
    shape = rows.shape[:-1]
    if not all(shape):
        raise ValueError(
            lesson("np.apply_along_axis(f, axis, x)", "wants entries in every other axis", f"{x.shape}")
        )
    found = [as_array(function(rows[i], *args, **kw)) for i in np.ndindex(shape)]
    z = np.stack(found).reshape((*shape, *found[0].shape))
    own = found[0].ndim
    return np.moveaxis(z, tuple(range(len(shape), len(shape) + own)), tuple(range(axis, axis + own)))


@implements(np.apply_over_axes)
def apply_over_axes(function: Any, x: Any, axes: Any) -> Any:
    """Return `function(x, axis)` over several axes in turn, each kept with length 1 where it was reduced."""
    x = as_array(x)
    n = x.ndim
    for axis in np.atleast_1d(axes).tolist():
        axis = normalize_axis_index(axis, n)
        z = function(x, axis)
        x = z if z.ndim == x.ndim else np.expand_dims(z, axis)
    return x
