"""Inverses, linear systems and determinants of square matrices, or of batches of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.registry import implements, ops

_SQUARE = np.array([[3.0, 1.0, -0.5], [0.5, 2.0, 1.0], [-1.0, 0.3, 2.5]])
SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))
_BATCH = np.stack([_SQUARE, _SQUARE.T + 0.5, 2 * _SQUARE])


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


@define(
    "inv",
    "opaque",
    lambda g, z, x: -(_turned(z) @ g @ _turned(z)),
    numpy=np.linalg.inv,
    examples=(((_SQUARE,), {}), ((_BATCH,), {})),
)
def inv(x: Any) -> Any:
    """The inverse of each matrix in the last two axes; LinAlgError where one is singular.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]])) @ np.array([2.0, 4.0])
    array([1., 1.])
    """
    return np.linalg.inv(x)


@define(
    "inv_or_nan",
    "opaque",
    lambda g, z, x: -(_turned(z) @ g @ _turned(z)),
    examples=(((_SQUARE,), {}), ((_BATCH,), {})),
)
def inv_or_nan(x: Any) -> Any:
    """The inverse of each matrix in the last two axes; NaN in place of that of a singular one.

    >>> inv_or_nan(np.diag([2.0, 0.0]))
    array([[nan, nan],
           [nan, nan]])
    """
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        z = np.full(x.shape, np.nan, x.dtype)
    for at in np.ndindex(x.shape[:-2]):
        with suppress(np.linalg.LinAlgError):
            z[at] = np.linalg.inv(x[at])
    return z


def _arriving(g: Any, x: Any, y: Any) -> Any:
    """What the right-hand side receives: the solution of the transposed system, as columns."""
    return ops["solve"](_turned(x), np.expand_dims(g, -1) if y.ndim == 1 else g)


def _matrix_rule(g: Any, z: Any, x: Any, y: Any) -> Any:
    return -(_arriving(g, x, y) @ _turned(np.expand_dims(z, -1) if y.ndim == 1 else z))


def _vector_rule(g: Any, z: Any, x: Any, y: Any) -> Any:
    d = _arriving(g, x, y)
    return d[..., 0] if y.ndim == 1 else d


@define(
    "solve",
    "opaque",
    _matrix_rule,
    _vector_rule,
    numpy=np.linalg.solve,
    examples=tuple(
        ((x, np.ones(shape)), {}) for x in (_SQUARE, _BATCH) for shape in ((3,), (3, 2), (1, 3, 2))
    ),
)
def solve(x: Any, y: Any) -> Any:
    """The z of x @ z = y; a vector y is one right-hand side, the columns of a matrix several.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 4.0]))
    array([1., 1.])
    """
    return np.linalg.solve(x, y)


def _traced(x: Any, y: Any) -> Any:
    """The trace of x @ y, with its axes kept."""
    return np.sum(x * _turned(y), axis=(-2, -1), keepdims=True)


def _third_of_det(g: Any, z: Any, x: Any, h: Any) -> Any:
    """The third derivative of det in the directions g and h, where x has an inverse."""
    a = ops["inv"](x)
    ag, ah = a @ g, a @ h
    traces = np.trace(ag, axis1=-2, axis2=-1), np.trace(ah, axis1=-2, axis2=-1)
    of_g, of_h = (np.expand_dims(t, (-2, -1)) for t in traces)
    both = of_g * of_h - _traced(ag, ah)
    d = both * a - of_g * (ah @ a) - of_h * (ag @ a) + ag @ (ah @ a) + ah @ (ag @ a)
    return np.expand_dims(ops["det"](x), (-2, -1)) * _turned(d)


@define(
    "cofactor_moved",
    "opaque",
    _third_of_det,
    lambda g, z, x, h: ops["cofactor_moved"](x, g),
    examples=(((_SQUARE, _SQUARE.T + 1.0), {}), ((_BATCH, 1.0 + _BATCH), {})),
)
def cofactor_moved(x: Any, h: Any) -> Any:
    """How the matrix of cofactors of x moves where x moves by h, also where x is singular.

    With x = U S V^T and M = U^T h V, of products P_ij of all singular values but i and j: the entry i, j of
    what stands between U and V is -P_ij M_ji, and on the diagonal the sum of P_ij M_jj.

    >>> cofactor_moved(np.zeros((2, 2)), np.array([[1.0, 2.0], [3.0, 4.0]])).round(12)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    u, s, v = np.linalg.svd(x)
    one = np.eye(s.shape[-1], dtype=bool)
    rows = np.where(one, s.dtype.type(1), s[..., None, :])
    start = np.ones_like(rows[..., :1])
    before = np.cumprod(np.concatenate([start, rows[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([start, rows[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    others = np.where(one, s.dtype.type(0), before * after)
    m = _turned(u.conj()) @ h @ _turned(v.conj())
    moved = -others * _turned(m) + one * (others @ np.diagonal(m, axis1=-2, axis2=-1)[..., None])
    signs = (np.linalg.det(u) * np.linalg.det(v))[..., None, None]
    return (signs * (u.conj() @ moved @ v.conj())).astype(np.result_type(x, h))


@define(
    "cofactor",
    "opaque",
    lambda g, z, x: ops["cofactor_moved"](x, g),
    examples=(((_SQUARE,), {}), ((_BATCH,), {})),
)
def cofactor(x: Any) -> Any:
    """The derivative of det(x): det(x) inv(x)^T, and its limit where x is singular.

    From x = U S V^T: det(U) det(V) U S' V^T, where each entry of S' is the product of all the other singular
    values. Third derivatives need the inverse, so at a singular matrix they are an error.

    >>> cofactor(np.array([[1.0, 2.0], [2.0, 4.0]])).round(12)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    u, s, v = np.linalg.svd(x)
    rows = np.where(np.eye(s.shape[-1], dtype=bool), s.dtype.type(1), s[..., None, :])
    others = rows.prod(axis=-1)
    signs = (np.linalg.det(u) * np.linalg.det(v))[..., None, None]
    return (signs * (u.conj() * others[..., None, :]) @ v.conj()).astype(x.dtype)


@define(
    "det",
    "opaque",
    lambda g, z, x: np.expand_dims(g, (-2, -1)) * ops["cofactor"](x),
    numpy=np.linalg.det,
    examples=(((_SQUARE,), {}), ((_BATCH,), {})),
)
def det(x: Any) -> Any:
    """The determinant; its derivative is the matrix of cofactors, also where x is singular.

    >>> det(np.diag([2.0, 3.0])).round(12)
    np.float64(6.0)
    """
    return np.linalg.det(x)


@define(
    "logabsdet",
    "opaque",
    lambda g, z, x: np.expand_dims(g, (-2, -1)) * _turned(ops["inv"](x)),
    examples=(((_SQUARE,), {}), ((_BATCH,), {})),
)
def logabsdet(x: Any) -> Any:
    """log(|det(x)|), which neither overflows nor underflows."""
    return np.linalg.slogdet(x)[1]


@define("sign_of_det", "opaque", None, examples=(((_SQUARE,), {}),))
def sign_of_det(x: Any) -> Any:
    """-1, 0 or 1: the sign of the determinant; no gradient."""
    return np.linalg.slogdet(x)[0]


@implements(np.linalg.slogdet)
def slogdet(x: Any) -> Any:
    """Return the sign of the determinant and the logarithm of its size, as NumPy's `SlogdetResult`.

    >>> sign, size = slogdet(np.diag([1e-200, -1e-200]))
    >>> sign, size.round(3)
    (np.float64(-1.0), np.float64(-921.034))
    """
    if x.dtype.kind != "c":
        return SlogdetResult(ops["sign_of_det"](x), ops["logabsdet"](x))
    size = ops["logabsdet"](x)
    known = ops["detach"](size)
    scale = np.exp(np.where(np.isfinite(known), known, 0.0) / -max(x.shape[-1], 1))  # the size becomes 1
    d = ops["det"](x * scale.astype(size.dtype)[..., None, None])
    length = np.absolute(d)
    return SlogdetResult(d / np.where(length == 0, 1, length), size)
