"""Negative log-likelihood and cross entropy of classes: labels, weights, smoothing, ignored entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn.functional.layer import arrayed, checked_reduction, floating, linear, recording
from clearprop.op import describe
from clearprop.ops.packed import BLOCK
from clearprop.ops.shape import blank, entries
from clearprop.registry import ops


def nll_loss(
    x: Any, y: Any, weight: Any = None, ignore_index: int | None = -100, reduction: str = "mean"
) -> Any:
    """Return the mean over the entries of -weight[y] x[y], for log-probabilities x and integer classes y.

    `x` is (classes,), (n, classes) or (n, classes, ...), `y` has that shape without the class axis. The mean
    is over the weights of the entries; those of class `ignore_index` count as nothing. Where all are ignored
    it is NaN, as in PyTorch, with gradient 0.

    Raises ValueError for a label that is no class and for a weight too few or too many, TypeError for labels
    that are no integers.

    >>> nll_loss(np.log([[0.25, 0.75]]), np.array([0])).round(4)
    np.float64(1.3863)
    """
    x, y = floating(x), arrayed(y)
    axis = 1 if len(x.shape) > 1 else 0
    weight = _checked_weight("nll_loss", weight, x, axis)
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
    x, y = floating(x), arrayed(y)
    axis = 1 if len(x.shape) > 1 else 0
    count = x.shape[axis]
    weight = _checked_weight("cross_entropy", weight, x, axis)
    if y.dtype.kind == "f" and y.shape == x.shape:
        _nothing_ignored(ignore_index)
        return _against_probabilities(x, y, axis, weight, reduction, label_smoothing)
    masked = _checked("cross_entropy", x, y, axis, ignore_index)
    logs = ops["log_softmax"](x, axis=axis)
    ignored = ignore_index if masked else None
    losses, weights = _picked(logs, y, axis, weight, ignored)
    if label_smoothing:
        spread = -(logs if weight is None else logs * _along(weight, x, axis)).sum(axis=axis)
        losses = _smoothed(losses, spread, y, ignored, label_smoothing, count)
    return _averaged(losses, weights, reduction)


def linear_cross_entropy(
    x: Any,
    linear_weight: Any,
    y: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Any:
    """Return `cross_entropy(linear(x, linear_weight, linear_bias), y, ...)`: last layer and loss in one.

    Beyond 2^18 logits of rows x (n, size) and integer classes they are computed by blocks of rows, and again
    on the way back, so that the array (n, classes) is never there; second derivatives make it. Executor xla
    makes it as it likes.

    >>> linear_cross_entropy(np.array([[2.0]]), np.array([[1.0], [1.0]]), np.array([0])).round(4)
    np.float64(0.6931)
    """
    ignored = -100 if ignore_index is None else ignore_index
    x, linear_weight, y = floating(x), floating(linear_weight), arrayed(y)
    options = weight, ignored, reduction, label_smoothing
    matrices = len(x.shape) == len(linear_weight.shape) == 2 and x.dtype == linear_weight.dtype
    if not (matrices and y.dtype.kind in "iu" and x.shape[0] * linear_weight.shape[0] > BLOCK):
        return cross_entropy(linear(x, linear_weight, linear_bias), y, *options)
    return _by_blocks(x, linear_weight, y, linear_bias, *options)


def _by_blocks(
    x: Any, matrix: Any, y: Any, bias: Any, weight: Any, ignore: int, reduction: str, smoothing: float
) -> Any:
    """Return the loss of a last layer by an op that has no logits; all else about them is linear in x."""
    plain = [None if t is None else blank(t) for t in (matrix, bias)]
    linear(blank(x)[:0], *plain)  # complains about sizes that do not fit
    count = matrix.shape[0]
    logits = np.broadcast_to(np.zeros((), x.dtype), (x.shape[0], count))  # what the checks look at: no memory
    weight = _checked_weight("linear_cross_entropy", weight, logits, 1)
    ignored = ignore if _checked("linear_cross_entropy", logits, y, 1, ignore) else None
    labels = _labels(y, ignored, count)
    bias = np.zeros(count, x.dtype) if bias is None else arrayed(bias)
    each = ops["linear_nll"](x, matrix, bias, labels)
    losses, weights = _weighed(each, y, labels, weight, ignored)
    if smoothing:  # the sum over classes of weight (log of the total - logit)
        share = np.ones(count, x.dtype) if weight is None else weight.astype(x.dtype)
        chosen = (x * ops["getitem"](matrix, labels)).sum(axis=1) + ops["getitem"](bias, labels)
        spread = share.sum() * (each + chosen) - x @ (share @ matrix) - (share * bias).sum()
        losses = _smoothed(losses, spread, y, ignored, smoothing, count)
    return _averaged(losses, weights, reduction)


def _checked_weight(called: str, weight: Any, x: Any, axis: int) -> Any:
    """Return the weights of the classes as an array, having complained unless there is one per class."""
    if weight is None:
        return None
    weight = arrayed(weight)
    if weight.shape != (x.shape[axis],):
        wanted = f"wants one weight per class, {x.shape[axis]}"
        raise ValueError(lesson(f"{called}(weight=)", wanted, describe(weight), f"x is {describe(x)}."))
    return weight


def _nothing_ignored(ignore_index: int | None) -> None:
    if ignore_index is not None and ignore_index >= 0:
        raise ValueError(
            lesson(
                "cross_entropy(ignore_index=)",
                "ignores a class of integer labels",
                f"{ignore_index}, with probabilities as the target",
                hint="weight=, with a 0 for that class, or integer labels",
            )
        )


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
    labels = _labels(y, ignored, logs.shape[axis])
    places = np.expand_dims(labels, axis)
    losses = -np.squeeze(np.take_along_axis(logs, places, axis=axis), axis=axis)
    return _weighed(losses, y, labels, weight, ignored)


def _labels(y: Any, ignored: int | None, count: int) -> Any:
    """Return the classes to look up: the first one for those that are ignored."""
    labels = y if ignored is None else np.where(y != ignored, y, 0)
    if recording() and labels.dtype.kind == "i":  # a later label below 0 would count from the end
        return _none_below(labels, count)
    return labels


def _weighed(losses: Any, y: Any, labels: Any, weight: Any, ignored: int | None) -> tuple[Any, Any]:
    """Return the losses times the weights of their classes, and these weights (None where all are 1)."""
    weights = None
    if weight is not None:
        weights = ops["getitem"](weight, labels)
        weights = weights if weights.dtype == losses.dtype else weights.astype(losses.dtype)
        losses = losses * weights
    if ignored is not None:  # a choice, not a product: what is ignored may be infinite
        counted = y != ignored
        losses = np.where(counted, losses, 0)
        weights = counted.astype(losses.dtype) if weights is None else np.where(counted, weights, 0)
    return losses, weights


def _smoothed(losses: Any, spread: Any, y: Any, ignored: int | None, smoothing: float, count: int) -> Any:
    """Return (1 - e) losses + e / count times the sum of the losses of all classes."""
    if ignored is not None:
        spread = np.where(y != ignored, spread, 0)
    return (1 - smoothing) * losses + smoothing / count * spread


def _none_below(labels: Any, count: int) -> Any:
    """Return labels, and for negative ones a class that there is not: the step refuses it."""
    if count > np.iinfo(labels.dtype).max:
        labels = labels.astype(np.int64)
    return np.where(labels < 0, labels.dtype.type(count), labels)


def _averaged(losses: Any, weights: Any, reduction: str) -> Any:
    if checked_reduction("reduction=", reduction) == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if weights is None:
        return losses.mean()
    total = weights.sum()
    mean = losses.sum() / np.where(total == 0, 1, total)
    # With every entry ignored the mean is nobody's: NaN, as in PyTorch, and its gradient 0, so that a batch
    # of nothing changes nothing.
    return ops["where"](total == 0, losses.dtype.type(np.nan), mean)


def _along(weight: Any, x: Any, axis: int) -> Any:
    return weight.reshape(*(-1 if i == axis else 1 for i in range(len(x.shape)))).astype(x.dtype)


def _checked(called: str, x: Any, y: Any, axis: int, ignore_index: int | None) -> bool:
    """Complain about labels that do not fit; tell whether some are, or may be, ignored."""
    called = f"{called}(x, y)"
    _one_a_row(called, x, y, axis)
    labels, count = entries(y), x.shape[axis]
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
                    else "y - 1, as classes are counted from 0"
                    if labels.min() == 1 and labels.max() == count
                    else f"{labels.max() + 1} outputs in the last layer",
                )
            )
        return True
    # A class may be ignored; and while a step is recorded, later batches may hold labels that are, too.
    return ignore_index is not None and (0 <= ignore_index < count or recording())


def _one_a_row(called: str, x: Any, y: Any, axis: int) -> None:
    """Complain about labels that are not one whole number for each row of `x`."""
    wanted = x.shape[:axis] + x.shape[axis + 1 :]
    if y.shape != wanted:
        hint = "y[:, 0], labels without an axis of their own" if y.shape == (*wanted, 1) else ""
        if y.shape == x.shape and y.dtype.kind in "iu":
            hint = f"y.argmax(axis={axis}), or y.astype(np.float32) for probabilities"
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
            lesson(
                called,
                "wants classes as integers",
                f"y is {describe(y)}",
                hint="y.astype(np.int64)"
                if y.dtype.kind in "fb"
                else "names, y = np.unique(y, return_inverse=True), which counts the classes from 0",
            )
        )
