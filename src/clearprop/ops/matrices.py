"""The rest of `np.linalg`: functions of matrices and norms that are a line or two of the ops."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from clearprop.batch import by_entries
from clearprop.define import define
from clearprop.errors import GradientError, lesson
from clearprop.facts import Facts
from clearprop.ops import composed, linalg
from clearprop.ops.inverse import inv
from clearprop.ops.plane import conjugated
from clearprop.ops.reduce import rows_of
from clearprop.ops.shape import as_array
from clearprop.registry import implements, ops


# --- NumPy's functions under the array API's names ----------------------------------------------------------
@implements(np.linalg.matmul)
def matmul(x: Any, y: Any, /) -> Any:
    """Return x @ y."""
    return ops["matmul"](x, y)


@implements(np.linalg.tensordot)
def tensordot(x: Any, y: Any, /, *, axes: Any = 2) -> Any:
    """Return the sum of products over pairs of axes, as `np.tensordot` does."""
    return linalg.tensordot(x, y, axes)


@implements(np.linalg.outer)
def outer(x: Any, y: Any, /) -> Any:
    """Return every product of an entry of the vector `x` with one of the vector `y`."""
    x, y = as_array(x), as_array(y)
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(lesson("np.linalg.outer(x, y)", "wants two vectors", f"{x.shape} and {y.shape}"))
    return linalg.outer(x, y)


@implements(np.linalg.cross)
def cross(x: Any, y: Any, /, *, axis: int = -1) -> Any:
    """Return the vector product of vectors of three entries along `axis`."""
    return composed.cross(x, y, axis=axis)


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return the diagonals of the matrices in the last two axes."""
    return composed.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Return the sums of the diagonals of the matrices in the last two axes."""
    z = composed.trace(x, offset, -2, -1)
    return z if dtype is None else z.astype(dtype)


@implements(np.linalg.vecdot)
def vecdot(x: Any, y: Any, /, *, axis: int = -1) -> Any:
    """Return the sums of products along one axis of both, x conjugated; the others broadcast.

    >>> float(vecdot(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    11.0
    """
    x, y = np.moveaxis(as_array(x), axis, -1), np.moveaxis(as_array(y), axis, -1)
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(lesson("vecdot(x, y)", "wants one length", f"{x.shape[-1]} and {y.shape[-1]}"))
    return (np.expand_dims(conjugated(x), -2) @ np.expand_dims(y, -1))[..., 0, 0]


# --- powers, chains, tensors as matrices --------------------------------------------------------------------
@implements(np.linalg.matrix_power)
def matrix_power(x: Any, n: int) -> Any:
    """Return the product of `n` times the matrix, of its inverse where n is negative, by repeated squares.

    >>> matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 5)
    array([[1., 5.],
           [0., 1.]])
    """
    n = operator.index(n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        wanted = "wants square matrices in the last two axes"
        raise np.linalg.LinAlgError(lesson("matrix_power(x, n)", wanted, f"shape {x.shape}"))
    if n == 0:
        return np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape).copy()
    square, n = (inv(x), -n) if n < 0 else (x, n)
    z = None
    while n:
        n, odd = divmod(n, 2)
        if odd:
            z = square if z is None else z @ square
        square = square @ square if n else square
    return z


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    """Return the product of matrices, in the order of the fewest multiplications; the ends may be vectors.

    >>> multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])
    """
    xs = [as_array(x) for x in arrays]
    if len(xs) < 2:
        raise ValueError(lesson("multi_dot(arrays)", "wants at least two arrays", f"{len(xs)}"))
    if len(xs) == 2:
        return linalg.dot(*xs)
    inner = [x.ndim == 2 for x in xs[1:-1]]
    if not all(inner) or any(x.ndim not in (1, 2) for x in (xs[0], xs[-1])):
        wanted = "wants matrices, or vectors at the ends"
        raise np.linalg.LinAlgError(lesson("multi_dot(arrays)", wanted, f"{[x.shape for x in xs]}"))
    first, last = xs[0].ndim == 1, xs[-1].ndim == 1
    xs[0] = xs[0].reshape((1, -1)) if first else xs[0]
    xs[-1] = xs[-1].reshape((-1, 1)) if last else xs[-1]
    lengths = [xs[0].shape[0], *(x.shape[1] for x in xs)]

    @functools.cache
    def cheapest(i: int, j: int) -> tuple[int, int]:
        """The cost of the product of xs[i:j], and where it is cut."""
        if j - i == 1:
            return 0, i
        ends = lengths[i] * lengths[j]
        return min((cheapest(i, k)[0] + cheapest(k, j)[0] + ends * lengths[k], k) for k in range(i + 1, j))

    def product(i: int, j: int) -> Any:
        k = cheapest(i, j)[1]
        return xs[i] if j - i == 1 else product(i, k) @ product(k, j)

    z = product(0, len(xs))
    return z[(0,) * first + (slice(None),) * (not first) + (0,) * last]


@implements(np.linalg.tensorinv)
def tensorinv(x: Any, ind: int = 2) -> Any:
    """Return the inverse for `tensordot` over `ind` axes.

    >>> tensorinv(np.eye(4).reshape(2, 2, 4), 2).shape
    (4, 2, 2)
    """
    if ind <= 0:
        raise ValueError(lesson("tensorinv(x, ind)", "wants ind > 0", f"{ind}"))
    front, back = x.shape[:ind], x.shape[ind:]
    return inv(x.reshape((math.prod(front), math.prod(back)))).reshape((*back, *front))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Return the x of tensordot(a, x, x.ndim) = b; `axes` of `a` are moved behind the others first.

    >>> tensorsolve(2 * np.eye(4).reshape(2, 2, 4), np.ones((2, 2)))
    array([0.5, 0.5, 0.5, 0.5])
    """
    a, b = as_array(a), as_array(b)
    if axes is not None:
        moved = normalize_axis_tuple(axes, a.ndim)
        a = np.transpose(a, (*(i for i in range(a.ndim) if i not in moved), *moved))
    shape = a.shape[b.ndim :] if b.ndim else a.shape
    n = math.prod(shape)
    if a.size != n * n:
        wanted = "wants an a of as many equations as unknowns"
        raise np.linalg.LinAlgError(lesson("tensorsolve(a, b)", wanted, f"{a.shape} and {b.shape}"))
    return ops["solve"](a.reshape((n, n)), b.reshape((b.size,))).reshape(shape)


# --- norms --------------------------------------------------------------------------------------------------
@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return the norm of order `ord` of the entries along an axis, several or all.

    >>> vector_norm(np.array([[3.0, 0.0], [0.0, 4.0]]))
    np.float64(5.0)
    """
    rows, shape = rows_of(x, axis)
    z = linalg.norm(rows, ord, axis=-1)
    return z.reshape(shape) if keepdims else z


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return the norm of order `ord` of the matrices in the last two axes.

    >>> matrix_norm(np.diag([3.0, 4.0]), ord="nuc")
    np.float64(7.0)
    """
    return linalg.norm(x, ord, axis=(-2, -1), keepdims=keepdims)


def _condition_rule(g: Any, z: Any, x: Any) -> Any:
    return ops["of_finite_condition"](g, x)


@define(
    "condition",
    "opaque",
    _condition_rule,
    facts=Facts(kinks=False),
    examples=(((np.array([2.0, 3.0]),), {}),),
)
def condition(x: Any) -> Any:
    """Condition numbers as they are; where one is infinite its gradient is refused."""
    return +x


@define(
    "of_finite_condition",
    "opaque",
    lambda h, z, g, x: h,
    None,
    facts=Facts(kinks=False),
    examples=(((np.array([2.0, 3.0]), np.array([2.0, 3.0])), {}),),
)
def of_finite_condition(g: Any, x: Any) -> Any:
    """`g`, what arrives at condition numbers x; GradientError where an infinite one is asked for a slope."""
    if np.any(np.isinf(x) & (g != 0)):
        wanted = "the condition number of a singular matrix is infinite, and has no slope"
        hint = "np.linalg.cond(x, -2), which is 0 there, or a matrix that is not singular"
        raise GradientError(lesson("cond(x), backward", wanted, f"{np.ravel(x)[:6]}", hint=hint))
    return +np.broadcast_arrays(g, x)[0]  # of many examples one g may be for all


condition.batch = of_finite_condition.batch = by_entries


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number, norm(x, p) norm(inv(x), p); None is 2, by singular values.

    It is infinite where x is singular, and has no gradient there: GradientError.

    >>> float(cond(np.diag([1.0, 4.0])))
    4.0
    """
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise np.linalg.LinAlgError(lesson("cond(x)", "wants matrices with entries", f"shape {x.shape}"))
    if p not in (None, 2, -2) and x.shape[-2] != x.shape[-1]:
        raise np.linalg.LinAlgError(
            lesson("cond(x, p)", f"wants square matrices for p={p!r}", f"shape {x.shape}")
        )
    with np.errstate(all="ignore"):
        if p in (None, 2, -2):
            s = ops["svdvals"](x)
            z = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        else:
            y = ops["inv_or_nan"](x)
            none = np.any(np.isnan(y), axis=(-2, -1))
            inverse = np.where(none[..., None, None], y.dtype.type(0), y)  # NaN has no singular values
            z = linalg.norm(x, p, axis=(-2, -1)) * linalg.norm(inverse, p, axis=(-2, -1))
            z = z * np.where(none, z.dtype.type(np.nan), z.dtype.type(1))
    lost = np.isnan(z) & np.logical_not(np.any(np.isnan(x), axis=(-2, -1)))
    return ops["condition"](np.where(lost, z.dtype.type(np.inf), z))
