"""Distances and angles between vectors, and vectors of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.nn.functional.layer import arrayed, fitted, in_float32
from clearprop.op import describe
from clearprop.ops.reduce import rows_of


@in_float32
def cosine_similarity(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Return a . b / (max(|a|, eps) max(|b|, eps)) along `dim`: 1 in the same direction, -1 in the opposite.

    >>> cosine_similarity(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]))
    array([0.96])
    """
    a, b = arrayed(a), arrayed(b)
    a, b = fitted(a, b), fitted(b, a)
    shape = np.broadcast_shapes(a.shape, b.shape)  # of one length before lengths are taken along `dim`
    a, b = (x if x.shape == shape else np.broadcast_to(x, shape) for x in (a, b))
    lengths = [np.maximum(np.sqrt(np.sum(x * x, axis=dim)), eps) for x in (a, b)]
    return np.sum(a * b, axis=dim) / (lengths[0] * lengths[1])


@in_float32
@takes_truths
def pairwise_distance(a: Any, b: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """Return the p-norm of a - b + eps along the last axis.

    >>> pairwise_distance(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]), eps=0.0)
    array([5.])
    """
    a, b = arrayed(a), arrayed(b)
    return np.linalg.norm(fitted(a, b) - fitted(b, a) + eps, p, axis=-1, keepdims=keepdim)


@in_float32
def normalize(x: Any, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Any:
    """Return x / max(|x|, eps) with the p-norm along `dim`; several axes are one long vector.

    >>> normalize(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    x = arrayed(x)
    if not isinstance(dim, (tuple, list)):
        return x / np.maximum(np.linalg.norm(x, p, axis=dim, keepdims=True), eps)
    rows, shape = rows_of(x, tuple(dim))  # along two axes `norm` would mean a matrix
    return x / np.maximum(np.linalg.norm(rows, p, axis=-1).reshape(shape), eps)


@in_float32
def pdist(x: Any, p: float = 2.0) -> Any:
    """Return the p-norm of x[i] - x[j] for all i < j, row by row: (n, m) gives (n (n - 1) / 2,).

    >>> pdist(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])).round(4)
    array([5.    , 1.    , 4.2426])
    """
    x = arrayed(x)
    if len(x.shape) != 2:
        raise ValueError(lesson("pdist(x)", "wants rows of numbers, (n, m)", describe(x)))
    i, j = np.triu_indices(x.shape[0], 1)
    return np.linalg.norm(x[i] - x[j], p, axis=-1)
