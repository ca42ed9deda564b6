"""The exponential of a matrix, I + x + x^2 / 2 + ..., and its derivative to any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import lesson

# The coefficients of Pade's approximation of degree 13, the highest first; it holds below a norm of 5.37.
_PADE = [1.0]
for _k in range(13, 0, -1):
    _PADE.append(_PADE[-1] * _k * (27 - _k) / (14 - _k))
_REACH = 5.37
_SQUARE = np.array([[0.3, -0.8, 0.1], [0.5, 0.2, -0.4], [-0.9, 0.7, 0.6]])


def _rule(g: Any, z: Any, x: Any) -> Any:
    """The derivative in the direction g at x^T: a corner of the exponential of [[x^T, g], [0, x^T]]."""
    n, turned = x.shape[-1], np.swapaxes(x, -1, -2)
    upper = np.concatenate([turned, g], axis=-1)
    lower = np.concatenate([np.zeros(x.shape, x.dtype), turned], axis=-1)
    return matrix_exp(np.concatenate([upper, lower], axis=-2))[..., :n, n:]


@define(
    "matrix_exp", "opaque", _rule, examples=(((_SQUARE,), {}), ((np.stack([_SQUARE, 9 * _SQUARE.T]),), {}))
)
def matrix_exp(x: Any) -> Any:
    """Return exp(x) of square matrices (..., n, n), in float64 whatever the dtype, and rounded once.

    By Pade's approximation of x / 2^s, squared s times. Source: Higham, "The scaling and squaring method for
    the matrix exponential revisited", 2005; the derivative: Najfeld and Havel 1995.
    Raises ValueError for what is not square.

    >>> matrix_exp(np.array([[0.0, -np.pi], [np.pi, 0.0]])).round(12) + 0.0
    array([[-1.,  0.],
           [ 0., -1.]])
    """
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(lesson("matrix_exp(x)", "wants square matrices", f"shape {x.shape}"))
    wide = x.astype(np.float64)
    largest = np.abs(wide).sum(axis=-2).max(initial=0.0)
    if not np.isfinite(largest):
        return np.full_like(x, np.nan)
    times = max(0, int(np.ceil(np.log2(largest / _REACH)))) if largest > _REACH else 0
    wide = wide / 2.0**times
    unit = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    above = below = np.zeros(x.shape)
    for c in _PADE:
        above = above @ wide + unit * c
        below = below @ -wide + unit * c
    found = np.linalg.solve(below, above)
    for _ in range(times):
        found = found @ found
    return found.astype(x.dtype)
