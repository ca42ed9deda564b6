"""Negative log-likelihood and cross entropy of classes: labels, weights, smoothing, ignored entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.nn.functional.layer import arrayed, checked_reduction, constant
from clearprop.op import describe
from clearprop.registry import ops


def nll_loss(
    x: Any, y: Any, weight: Any = None, ignore_index: int | None = -100, reduction: str = "mean"
) -> Any:
    """Return the mean over the entries of -weight[y] x[y], for log-probabilities x and integer classes y.

    `x` is (classes,), (n, classes) or (n, classes, ...), `y` has that shape without the class axis. The mean
    is over the weights of the entries; those of class `ignore_index` count as nothing.

    Raises ValueError for a label that is no class, TypeError for labels that are no integers.

    >>> nll_loss(np.log([[0.25, 0.75]]), np.array([0])).round(4)
    np.float64(1.3863)
    """
    x, y = arrayed(x), arrayed(y)
    axis = 1 if len(x.shape) > 1 else 0
    masked = _checked("nll_loss", x, y, axis, ignore_index)
    losses, weights = _picked(x, y, axis, weight, ignore_index if masked else None)
    return _averaged(losses, weights, reduction)


def cross_entropy(
    x: Any,
    y: Any,
    weight: Any = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return the mean of -sum_c weight[c] q[c] log softmax(x)[c], q the target's class probabilities.

    The target is an integer array of classes (q is 1 there) or an array of probabilities of x's shape.
    `label_smoothing` e replaces q by (1 - e) q + e / classes (Szegedy et al. 2016). Never overflows.

    >>> cross_entropy(np.array([[1e4, 0.0]]), np.array([1]))
    np.float64(10000.0)
    """
    x, y = arrayed(x), arrayed(y)
    axis = 1 if len(x.shape) > 1 else 0
    count = x.shape[axis]
    if y.dtype.kind == "f" and y.shape == x.shape:
        return _against_probabilities(x, y, axis, weight, reduction, label_smoothing)
    masked = _checked("cross_entropy", x, y, axis, ignore_index)
    logs = ops["log_softmax"](x, axis=axis)
    ignored = ignore_index if masked else None
    losses, weights = _picked(logs, y, axis, weight, ignored)
    if not label_smoothing:
        return _averaged(losses, weights, reduction)
    spread = -(logs if weight is None else logs * _along(weight, x, axis)).sum(axis=axis)
    if ignored is not None:
        spread = np.where(y != ignored, spread, 0)
    share = label_smoothing / count
    return _averaged((1 - label_smoothing) * losses + share * spread, weights, reduction)


def _against_probabilities(
    x: Any, y: Any, axis: int, weight: Any, reduction: str, label_smoothing: float
) -> Any:
    if y.dtype != x.dtype:
        y = y.astype(x.dtype)
    if label_smoothing:
        y = y * (1 - label_smoothing) + label_smoothing / x.shape[axis]
    logs = ops["log_softmax"](x, axis=axis)
    if weight is not None:
        y = y * _along(weight, x, axis)
    losses = -(logs * y).sum(axis=axis)
    return _averaged(losses, None, reduction)


def _picked(logs: Any, y: Any, axis: int, weight: Any, ignored: int | None) -> tuple[Any, Any]:
    """Return each entry's -weight[y] logs[y] and its weight (None where all are 1)."""
    labels = y if ignored is None else np.where(y != ignored, y, 0)
    places = np.expand_dims(labels, axis)
    losses = -np.squeeze(np.take_along_axis(logs, places, axis=axis), axis=axis)
    weights = None
    if weight is not None:
        weights = np.take(weight, labels, axis=0)
        weights = weights if weights.dtype == losses.dtype else weights.astype(losses.dtype)
    if ignored is not None:
        counted = (y != ignored).astype(losses.dtype)
        weights = counted if weights is None else weights * counted
    return (losses if weights is None else losses * weights), weights


def _averaged(losses: Any, weights: Any, reduction: str) -> Any:
    if checked_reduction("reduction=", reduction) == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.mean() if weights is None else losses.sum() / weights.sum()


def _along(weight: Any, x: Any, axis: int) -> Any:
    return weight.reshape(*(-1 if i == axis else 1 for i in range(len(x.shape)))).astype(x.dtype)


def _checked(called: str, x: Any, y: Any, axis: int, ignore_index: int | None) -> bool:
    """Complain about labels that do not fit; tell whether some are, or may be, ignored."""
    called = f"{called}(x, y)"
    wanted = x.shape[:axis] + x.shape[axis + 1 :]
    if y.shape != wanted:
        hint = "y[:, 0], labels without an axis of their own" if y.shape == (*wanted, 1) else ""
        raise ValueError(
            lesson(
                called,
                f"wants one class per row, {wanted}, or probabilities of shape {x.shape}",
                f"x is {describe(x)}, y is {describe(y)}",
                hint=hint or "y as an integer array of classes",
            )
        )
    if y.dtype.kind not in "iu":
        raise TypeError(
            lesson(called, "wants classes as integers", f"y is {describe(y)}", hint="y.astype(np.int64)")
        )
    labels, count = constant(y), x.shape[axis]
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        wrong = labels[((labels < 0) | (labels >= count)) & (labels != ignore_index)]
        if wrong.size:
            raise ValueError(
                lesson(
                    called,
                    f"wants classes from 0 to {count - 1}, one per column of x",
                    f"{wrong[0]}",
                    f"x is {describe(x)}.",
                    f"ignore_index={wrong[0]}"
                    if wrong[0] < 0
                    else f"{labels.max() + 1} outputs in the last layer",
                )
            )
        return True
    # A class may be ignored; and while a step is recorded, later batches may hold labels that are, too.
    recording = mode.observer is not None and mode.observer.remembers
    return ignore_index is not None and (0 <= ignore_index < count or recording)
