"""NumPy functions that are a line or two of the ops: their gradients follow."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.ops.shape import as_array
from clearprop.registry import implements


# --- shapes -------------------------------------------------------------------------------------------------
@implements(np.copy)
def copy(x: Any) -> Any:
    """Return `x` itself as a new node: a Tensor's value never changes."""
    return +x


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
def meshgrid(*xs: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """Return, for coordinates along each axis, the arrays of all points of their grid."""
    n = len(xs)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = 1, 0
    shape = tuple(as_array(xs[places.index(i)]).size for i in range(n))
    rows = [
        as_array(x).reshape(tuple(-1 if j == place else 1 for j in range(n)))
        for x, place in zip(xs, places, strict=True)
    ]
    return tuple(np.broadcast_to(row, shape) for row in rows)


@implements(np.flipud)
def flipud(x: Any) -> Any:
    """Return the entries in reverse order along the first axis."""
    return np.flip(x, 0)


@implements(np.fliplr)
def fliplr(x: Any) -> Any:
    """Return the entries in reverse order along the second axis."""
    return np.flip(x, 1)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """Return each matrix in the last two axes transposed."""
    return np.swapaxes(x, -1, -2)


# --- parts of matrices --------------------------------------------------------------------------------------
@implements(np.triu)
def triu(x: Any, k: int = 0) -> Any:
    """Return the upper triangle, from diagonal `k` on, zeros below."""
    return np.where(np.tri(x.shape[-2], x.shape[-1], k - 1, dtype=bool), 0, x)


@implements(np.tril)
def tril(x: Any, k: int = 0) -> Any:
    """Return the lower triangle, up to diagonal `k`, zeros above."""
    return np.where(np.tri(x.shape[-2], x.shape[-1], k, dtype=bool), x, 0)


@implements(np.diagonal)
def diagonal(x: Any, offset: int = 0) -> Any:
    """Return the diagonal of a matrix, `offset` places to the right."""
    rows, columns = x.shape
    first = max(-offset, 0)
    i = np.arange(first, max(first, min(rows, columns - offset)))
    return x[i, i + offset]


@implements(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    """Return the diagonal of a matrix, or the matrix with the vector `x` on its diagonal."""
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.size + abs(k)
    place = np.eye(n, k=k, dtype=bool)
    row = np.where(place, np.cumsum(place.any(axis=1))[:, None] - 1, 0).max(axis=1)
    return np.where(place, x[row][:, None], 0)


# --- sums and products --------------------------------------------------------------------------------------
@implements(np.average)
def average(x: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """Return sum(w x) / sum(w) along `axis`; a vector of weights belongs to that axis."""
    x = as_array(x)
    if weights is None:
        return np.mean(x, axis=axis, keepdims=keepdims)
    w = as_array(weights)
    if w.shape != x.shape:
        w = w.reshape(tuple(n if i == axis % x.ndim else 1 for i, n in enumerate(x.shape)))
        w = np.broadcast_to(w, x.shape)
    return np.sum(x * w, axis=axis, keepdims=keepdims) / np.sum(w, axis=axis, keepdims=keepdims)


@implements(np.ptp)
def ptp(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the largest entry less the smallest along `axis`."""
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


@implements(np.nan_to_num)
def nan_to_num(x: Any, *, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Return `x` with numbers in place of NaN and infinities; where one was replaced no gradient passes."""
    info = np.finfo(x.dtype)
    high = float(info.max) if posinf is None else posinf
    low = float(info.min) if neginf is None else neginf
    x = np.where(np.isnan(x), nan, x)
    return np.where(x == np.inf, high, np.where(x == -np.inf, low, x))


@implements(np.nansum)
def nansum(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the sum of the entries that are numbers."""
    return np.sum(np.where(np.isnan(x), 0, x), axis=axis, keepdims=keepdims)


@implements(np.nanmean)
def nanmean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the mean of the entries that are numbers."""
    numbers = np.sum(np.logical_not(np.isnan(x)), axis=axis, keepdims=keepdims)
    return nansum(x, axis, keepdims=keepdims) / numbers.astype(x.dtype)


@implements(np.cross)
def cross(x: Any, y: Any) -> Any:
    """Return the vector product of vectors of three entries in the last axis."""
    x, y = as_array(x), as_array(y)
    after, before = [1, 2, 0], [2, 0, 1]
    return x[..., after] * y[..., before] - x[..., before] * y[..., after]


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
    """Return the sum of products of all entries."""
    x, y = as_array(x), as_array(y)
    return x.reshape((x.size,)) @ y.reshape((y.size,))


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Return the integral of `y` along `axis` by the trapezoidal rule."""
    y = np.moveaxis(as_array(y), axis, -1)
    steps = dx if x is None else np.diff(as_array(x))
    return np.sum((y[..., 1:] + y[..., :-1]) * (steps * 0.5), axis=-1)
