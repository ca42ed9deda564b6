"""NumPy functions that are a line or two of the ops: their gradients follow."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from clearprop.batch import BatchTensor
from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.ops.plane import conjugated, real_only
from clearprop.ops.shape import as_array, constant
from clearprop.registry import implements, ops
from clearprop.showing import apart


# --- shapes -------------------------------------------------------------------------------------------------
@implements(np.copy)
def copy(x: Any) -> Any:
    """Return `x` itself as a new node: a Tensor's value never changes."""
    return ops["detach"](x) if x.dtype.kind == "b" else +x  # NumPy has no + for booleans


@implements(np.atleast_1d)
def atleast_1d(*xs: Any) -> Any:
    """Return each array with at least one axis."""
    found = [x.reshape((1,)) if x.ndim == 0 else x for x in map(as_array, xs)]
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.atleast_2d)
def atleast_2d(*xs: Any) -> Any:
    """Return each array with at least two axes, a vector as a row."""
    found = [x.reshape((1, x.size)) if x.ndim < 2 else x for x in map(as_array, xs)]
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.column_stack)
def column_stack(arrays: Any) -> Any:
    """Return arrays joined along the second axis, vectors as columns."""
    columns = [x.reshape((x.size, 1)) if x.ndim < 2 else x for x in map(as_array, arrays)]
    return np.concatenate(columns, axis=1)


@implements(np.meshgrid)
def meshgrid(*xs: Any, indexing: str = "xy", sparse: bool = False) -> tuple[Any, ...]:
    """Return, for coordinates along each axis, the arrays of all points of their grid.

    With `sparse` each stays as long as its own axis, ready to be broadcast.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(lesson("np.meshgrid(indexing=)", "is 'xy' or 'ij'", repr(indexing)))
    n = len(xs)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = 1, 0
    shape = tuple(as_array(xs[places.index(i)]).size for i in range(n))
    rows = [
        as_array(x).reshape(tuple(-1 if j == place else 1 for j in range(n)))
        for x, place in zip(xs, places, strict=True)
    ]
    return tuple(apart(row if sparse else np.broadcast_to(row, shape)) for row in rows)


@implements(np.flipud)
def flipud(x: Any) -> Any:
    """Return the entries in reverse order along the first axis."""
    return np.flip(_with_axes("np.flipud(x)", x, 1), 0)


@implements(np.fliplr)
def fliplr(x: Any) -> Any:
    """Return the entries in reverse order along the second axis."""
    return np.flip(_with_axes("np.fliplr(x)", x, 2), 1)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """Return each matrix in the last two axes transposed."""
    return np.swapaxes(_with_axes("np.matrix_transpose(x)", x, 2), -1, -2)


def _with_axes(called: str, x: Any, least: int) -> Any:
    if x.ndim < least:
        raise ValueError(lesson(called, f"wants an array of at least {least} axes", f"shape {x.shape}"))
    return x


# --- parts of matrices --------------------------------------------------------------------------------------
def _zero(x: Any) -> Any:
    return x.dtype.type(0)


def _lower(x: Any, k: int) -> Any:
    tri: Any = np.tri
    return tri(*x.shape[-2:], k=k, dtype=bool)


@implements(np.triu)
def triu(x: Any, k: int = 0) -> Any:
    """Return the upper triangle, from diagonal `k` on, zeros below; a vector counts as every row."""
    return np.where(_lower(x, k - 1), _zero(x), x)


@implements(np.tril)
def tril(x: Any, k: int = 0) -> Any:
    """Return the lower triangle, up to diagonal `k`, zeros above; a vector counts as every row."""
    return np.where(_lower(x, k), x, _zero(x))


@implements(np.diagonal)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonals of the matrices in two axes, `offset` places to the right, as the last axis."""
    length = np.diagonal(np.broadcast_to(False, x.shape), offset, axis1, axis2).shape[-1]  # checks them, too
    first, last = max(-offset, 0), max(offset, 0)
    square = np.moveaxis(x, (axis1, axis2), (-2, -1))[..., first : first + length, last : last + length]
    return np.einsum(
        "...ii->...i", square
    )  # which shows the entries where they lie, as NumPy's diagonal does


@implements(np.trace)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum of the diagonals over two axes.

    >>> trace(np.eye(3))
    np.float64(3.0)
    """
    return np.sum(diagonal(x, offset, axis1, axis2), axis=-1)


@implements(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    """Return the diagonal of a matrix, or the matrix with the vector `x` on its diagonal."""
    if x.ndim not in (1, 2):
        raise ValueError(lesson("np.diag(x)", "wants a vector or a matrix", f"shape {x.shape}"))
    if x.ndim == 2:
        return diagonal(x, k)
    place = np.eye(x.size + abs(k), k=k, dtype=bool)
    entries = np.pad(x, (0, abs(k)))
    return np.where(place, entries[:, None] if k >= 0 else entries, _zero(x))


# --- sums and products --------------------------------------------------------------------------------------
@implements(np.average)
def average(x: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """Return sum(w x) / sum(w) along `axis`; weights of the shape of those axes belong to them.

    Raises ZeroDivisionError where the weights add up to 0, or nothing is averaged.
    """
    x = as_array(x)
    if weights is None:
        z = np.mean(x, axis=axis, keepdims=keepdims)
        if not z.size:
            raise ZeroDivisionError(lesson("np.average(x)", "has no entries to average", f"shape {x.shape}"))
        return z
    axes = None if axis is None else normalize_axis_tuple(axis, x.ndim)
    w = _along(as_array(weights), x, axes)
    dtype = np.result_type(x.dtype, w.dtype, *(("f8",) if x.dtype.kind in "iub" else ()))
    total = ops["sum_of_weights"](np.sum(w.astype(dtype), axis=axes, keepdims=keepdims))
    return np.sum(x.astype(dtype) * w.astype(dtype), axis=axes, keepdims=keepdims) / total


@define("sum_of_weights", "opaque", lambda g, z, x: g, facts=Facts(kinks=False), examples=((((3,),), {}),))
def sum_of_weights(x: Any) -> Any:
    """What is divided by, as it is; ZeroDivisionError where it is 0, in a compiled step's later calls too."""
    if np.any(x == 0):
        raise ZeroDivisionError(
            lesson("np.average(x, weights=)", "wants weights with a sum", "weights that add up to 0")
        )
    return +x


def _along(w: Any, x: Any, axes: tuple[int, ...] | None) -> Any:
    """Return weights in the places of their axes, so that they broadcast against `x`."""
    if w.shape == x.shape:
        return w
    if axes is None:
        hint = "axis=, the axis that the weights belong to"
        raise TypeError(
            lesson("np.average(x, weights=)", f"wants weights {x.shape}", f"{w.shape}", hint=hint)
        )
    if w.shape != tuple(x.shape[a] for a in axes):
        wanted = f"wants weights of the shape of axis {axes}, {tuple(x.shape[a] for a in axes)}"
        raise ValueError(lesson("np.average(x, weights=)", wanted, f"{w.shape}"))
    w = np.transpose(w, tuple(int(i) for i in np.argsort(axes)))
    return w.reshape(tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))


@implements(np.ptp)
def ptp(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the largest entry less the smallest along `axis`."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Return `x` with numbers in place of NaN and infinities; where one was replaced no gradient passes."""
    if not copy:
        raise TypeError(lesson("np.nan_to_num(copy=False)", "would write into what the graph remembers"))
    real_only("np.nan_to_num(x)", x)
    if x.dtype.kind != "f":
        return x
    info, number = np.finfo(x.dtype), x.dtype.type
    high = info.max if posinf is None else number(posinf)
    low = info.min if neginf is None else number(neginf)
    x = np.where(np.isnan(x), number(nan), x)
    return np.where(x == np.inf, high, np.where(x == -np.inf, low, x))


@implements(np.nansum)
def nansum(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the sum of the entries that are numbers."""
    if x.dtype.kind not in "fc":
        return np.sum(x, axis=axis, keepdims=keepdims)
    return np.sum(np.where(np.isnan(x), _zero(x), x), axis=axis, keepdims=keepdims)


@implements(np.nanmean)
def nanmean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the mean of the entries that are numbers; NaN, with NumPy's warning, where there are none."""
    if x.dtype.kind not in "fc":
        return np.mean(x, axis=axis, keepdims=keepdims)
    numbers = np.sum(np.logical_not(np.isnan(x)), axis=axis, keepdims=keepdims)
    if not isinstance(x, BatchTensor) and np.any(constant(numbers) == 0):
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=4)
    with np.errstate(invalid="ignore"):
        return nansum(x, axis, keepdims=keepdims) / numbers.astype(x.dtype)


@implements(np.cross)
def cross(x: Any, y: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return the vector product of vectors of three entries in the last axis, or in those named."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = (_with_axes("np.cross(x, y)", as_array(v), 1) for v in (x, y))
    x, y = np.moveaxis(x, axisa, -1), np.moveaxis(y, axisb, -1)
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        got = f"{x.shape[-1]} and {y.shape[-1]}"
        hint = "np.pad to put a 0 behind the vectors of a plane"
        raise ValueError(lesson("np.cross(x, y)", "wants vectors of 3 entries", got, hint=hint))
    after, before = [1, 2, 0], [2, 0, 1]
    z = x[..., after] * y[..., before] - x[..., before] * y[..., after]
    return np.moveaxis(z, -1, axisc)


@implements(np.kron)
def kron(x: Any, y: Any) -> Any:
    """Return the matrix of blocks x[i, j] * y; axes that one of them lacks have length 1."""
    x, y = as_array(x), as_array(y)
    n = max(x.ndim, y.ndim)
    left, right = ((1,) * (n - a.ndim) + a.shape for a in (x, y))
    apart = x.reshape([m for a in left for m in (a, 1)]) * y.reshape([m for b in right for m in (1, b)])
    return apart.reshape(tuple(a * b for a, b in zip(left, right, strict=True)))


@implements(np.vdot)
def vdot(x: Any, y: Any) -> Any:
    """Return the sum of products of all entries, those of `x` conjugated."""
    x, y = as_array(x), as_array(y)
    return conjugated(x.reshape((x.size,))) @ y.reshape((y.size,))


@implements(np.diff)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the difference of neighbours along `axis`, n times over, with entries put before and after."""
    x = as_array(x)
    if n == 0:
        return x
    if n < 0 or not x.ndim:
        raise ValueError(lesson("np.diff(x)", "wants n >= 0 and an array with an axis", f"n={n}, {x.shape}"))
    axis = normalize_axis_index(axis, x.ndim)
    ends = [_slab(e, x, axis) for e in (prepend, append) if e is not None]
    if ends:
        x = np.concatenate([*ends[: prepend is not None], x, *ends[prepend is not None :]], axis=axis)
    before = (slice(None),) * axis
    take_off = np.not_equal if x.dtype.kind == "b" else np.subtract  # as NumPy has it
    for _ in range(operator.index(n)):
        x = take_off(x[(*before, slice(1, None))], x[(*before, slice(None, -1))])
    return x


def _slab(entries: Any, x: Any, axis: int) -> Any:
    """Return what is put at one end: a number stands for a whole slice."""
    entries = as_array(entries)
    if entries.ndim:
        return entries
    return np.broadcast_to(entries, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Return the integral of `y` along `axis` by the trapezoidal rule; a vector x holds that axis' points.

    >>> trapezoid(np.array([0.0, 1.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    np.float64(3.0)
    """
    y = as_array(y)
    if not y.ndim:
        raise IndexError(
            lesson("np.trapezoid(y)", "wants an array with at least one axis", f"shape {y.shape}")
        )
    axis = normalize_axis_index(axis, y.ndim)
    if x is not None:
        x = as_array(x)
        dx = np.diff(x, axis=-1 if x.ndim == 1 else axis)
        if x.ndim == 1:
            dx = dx.reshape(tuple(-1 if i == axis else 1 for i in range(y.ndim)))
    before = (slice(None),) * axis
    sums = y[(*before, slice(1, None))] + y[(*before, slice(None, -1))]
    return np.sum(dx * sums / 2.0, axis=axis)
