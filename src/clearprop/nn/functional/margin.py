"""Losses that want a margin: between two scores, a class and the others, near and far pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.nn.functional.classes import _checked_weight
from clearprop.nn.functional.distance import pairwise_distance
from clearprop.nn.functional.layer import arrayed, fitted, floating, positive, recording
from clearprop.nn.functional.loss import _weighted, matched, reduced
from clearprop.op import describe
from clearprop.ops.shape import entries
from clearprop.registry import ops

_TINY = 1e-12  # what PyTorch adds to squared lengths before it divides by them


def margin_ranking_loss(a: Any, b: Any, y: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """Return the mean of max(0, -y (a - b) + margin): y = 1 says that a ranks higher, -1 that b does.

    >>> margin_ranking_loss(np.array([1.0]), np.array([3.0]), np.array([1.0]))
    np.float64(2.0)
    """
    a, b = arrayed(a), arrayed(b)
    if not a.shape == b.shape == arrayed(y).shape:
        got = f"{a.shape}, {b.shape} and {arrayed(y).shape}"
        raise ValueError(lesson("margin_ranking_loss(a, b, y)", "wants the same shape three times", got))
    difference = fitted(a, b) - fitted(b, a)
    return reduced(ops["relu"](margin - fitted(y, difference) * difference), reduction)


def hinge_embedding_loss(x: Any, y: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    """Return the mean of x where y is 1, of max(0, margin - x) where it is -1 (x a distance).

    >>> hinge_embedding_loss(np.array([0.25, 0.25]), np.array([1.0, -1.0]))
    np.float64(0.5)
    """
    x, y = matched("hinge_embedding_loss", x, y)
    far = np.where(y != 1, ops["relu"](margin - x), 0)
    return reduced(far + np.where(y != -1, x, 0), reduction)


def multi_margin_loss(
    x: Any, y: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
) -> Any:
    """Return the mean over rows of sum_(i != y) weight[y] max(0, margin - x[y] + x[i])^p / classes.

    `x` is (n, classes) or (classes,), `y` holds the integer classes, p is 1 or 2 (Crammer and Singer 2001).

    >>> multi_margin_loss(np.array([[0.1, 0.2, 0.4, 0.8]]), np.array([3])).round(4)
    np.float64(0.325)
    """
    x, y = floating(x), arrayed(y)
    called = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(lesson(f"{called}(p=)", "is 1 or 2", f"{p!r}", hint="p=1"))
    alone = len(x.shape) == 1
    rows, labels = (x[None], y.reshape(1)) if alone else (x, y)
    count = _labelled(called, rows, labels)
    weight = _checked_weight(called, weight, rows, 1)
    own = np.take_along_axis(rows, labels[:, None], axis=1)
    short = ops["relu"](margin - own + rows) ** p
    if weight is not None:
        short = short * ops["getitem"](weight.astype(x.dtype), labels)[:, None]
    each = np.sum(np.where(np.arange(count) == labels[:, None], 0, short), axis=1) / count
    return reduced(each[0] if alone and reduction == "none" else each, reduction)


def multilabel_margin_loss(x: Any, y: Any, reduction: str = "mean") -> Any:
    """Return the mean over rows of sum_(i, j) max(0, 1 - x[y_j] + x[i]) / classes, i no label of the row.

    `y` has x's shape and holds each row's labels, up to the first -1.

    >>> multilabel_margin_loss(np.array([[0.1, 0.2, 0.4, 0.8]]), np.array([[3, 0, -1, 1]])).round(4)
    np.float64(0.85)
    """
    x, y = arrayed(x), arrayed(y)
    called = "multilabel_margin_loss"
    if x.shape != y.shape or len(x.shape) not in (1, 2) or y.dtype.kind not in "iu":
        wanted = "wants integer labels of x's shape, (n, classes)"
        raise ValueError(lesson(f"{called}(x, y)", wanted, f"x is {describe(x)}, y is {describe(y)}"))
    alone = len(x.shape) == 1
    rows, labels = (x[None], y[None]) if alone else (x, y)
    count = rows.shape[1]
    used = np.cumsum(labels < 0, axis=1) == 0  # those before the first -1
    if np.any(entries(np.logical_and(used, labels >= count))):
        raise ValueError(lesson(f"{called}(x, y)", f"wants labels below {count}", f"{entries(labels).max()}"))
    places = np.where(used, labels, 0)
    meant = np.any((places[:, :, None] == np.arange(count)) & used[:, :, None], axis=1)
    own = np.take_along_axis(rows, places, axis=1)
    short = ops["relu"](1 - own[:, :, None] + rows[:, None, :])
    counted = used[:, :, None] & np.logical_not(meant)[:, None, :]
    each = np.sum(np.where(counted, short, 0), axis=(1, 2)) / count
    return reduced(each[0] if alone and reduction == "none" else each, reduction)


def multilabel_soft_margin_loss(x: Any, y: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """Return the mean over rows of the mean of -y log s(x) - (1 - y) log s(-x), s the sigmoid, y 0 or 1.

    >>> multilabel_soft_margin_loss(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])).round(4)
    np.float64(0.6931)
    """
    x, y = matched("multilabel_soft_margin_loss", x, y)
    each = -(y * ops["logsigmoid"](x) + (1 - y) * ops["logsigmoid"](-x))
    each = _weighted("multilabel_soft_margin_loss", each, "weight", weight)
    return reduced(np.mean(each, axis=-1), reduction)


def cosine_embedding_loss(a: Any, b: Any, y: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """Return the mean of 1 - cos(a, b) where y is 1, of max(0, cos(a, b) - margin) where it is -1.

    `a` and `b` are (n, size) with y (n,), or (size,) with one y.

    >>> cosine_embedding_loss(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]), np.array([1])).round(4)
    np.float64(0.04)
    """
    a, b, y = arrayed(a), arrayed(b), arrayed(y)
    if a.shape != b.shape or len(a.shape) not in (1, 2) or y.shape != a.shape[:-1]:
        wanted, got = "wants (n, size) twice and n signs", f"{a.shape}, {b.shape} and {y.shape}"
        raise ValueError(lesson("cosine_embedding_loss(a, b, y)", wanted, got))
    a, b = fitted(a, b), fitted(b, a)
    lengths = np.sqrt((np.sum(a * a, axis=-1) + _TINY) * (np.sum(b * b, axis=-1) + _TINY))
    cos = np.sum(a * b, axis=-1) / lengths
    near = np.where(y == 1, 1 - cos, 0)
    return reduced(near + np.where(y == -1, ops["relu"](cos - margin), 0), reduction)


@takes_truths
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Return the mean of max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm's distance.

    With `swap` the nearer of d(anchor, negative) and d(positive, negative) counts (Balntas et al. 2016).

    >>> one = np.array([[1.0, 0.0]])
    >>> triplet_margin_loss(one, one, 2 * one).round(4)
    np.float64(0.0)
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


@takes_truths
def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Return what `triplet_margin_loss` returns, with a distance of one's own (None: `pairwise_distance`).

    >>> near, far = np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])
    >>> def squares(x, y):
    ...     return ((x - y) ** 2).sum(axis=-1)
    >>> triplet_margin_with_distance_loss(np.zeros((1, 2)), near, far, distance_function=squares, margin=10.0)
    np.float64(2.0)
    """
    _above_nothing(margin)
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = np.minimum(far, distance(positive, negative))
    return reduced(ops["relu"](margin + near - far), reduction)


def _above_nothing(margin: float) -> None:
    positive("triplet_margin_loss(margin=)", margin)


def _labelled(called: str, rows: Any, labels: Any) -> int:
    """Complain about labels that are no classes of the rows; return the number of classes."""
    count: int = rows.shape[1]
    if labels.shape != rows.shape[:1] or labels.dtype.kind not in "iu":
        wanted = f"wants one integer class per row, {rows.shape[:1]}"
        raise ValueError(lesson(f"{called}(x, y)", wanted, describe(labels)))
    values = entries(labels)
    if values.size and not (values.min() >= 0 and values.max() < count) and not recording():
        wanted = f"wants classes from 0 to {count - 1}"
        raise ValueError(lesson(f"{called}(x, y)", wanted, f"{values.min()} to {values.max()}"))
    return count
