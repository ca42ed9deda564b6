"""Weights of rows and of classes in a loss, and losses by name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop import nn
from clearprop.errors import lesson
from clearprop.tensor import Tensor

Array = npt.NDArray[Any]

# fmt: off
LOSSES: dict[str, Callable[[], Any]] = {
    "mse":           nn.MSELoss,
    "mae":           nn.L1Loss,
    "huber":         nn.HuberLoss,
    "cross_entropy": nn.CrossEntropyLoss,
    "bce":           nn.BCELoss,
    "bce_logits":    nn.BCEWithLogitsLoss,
    "nll":           nn.NLLLoss,
    "poisson":       nn.PoissonNLLLoss,
}
# fmt: on


def loss_of(given: Any) -> Any:
    """Return a loss, which may be given by its name.

    >>> loss_of("mse")
    MSELoss()
    """
    if callable(given):
        return given
    if not isinstance(given, str) or given not in LOSSES:
        hint = f"a function of (outputs, targets), or one of {', '.join(LOSSES)}"
        raise ValueError(lesson("fit(loss=)", "no loss of that name", repr(given), hint=hint))
    return LOSSES[given]()


class Weighted:
    """sum(w l) / sum(w) over a batch's rows: l is the loss of each, w its weight times that of its class.

    With `rows` the targets are a pair (targets, weights of the rows); `classes` has a weight for each class,
    for targets that are the numbers of classes. Rows of weight 0 alone have the loss 0. Targets that the loss
    leaves out, or that it weighs by itself, count as in its own mean: with weights of 1 it is that mean.

    >>> loss = Weighted(nn.MSELoss(), rows=True)
    >>> float(loss(np.array([[1.0], [5.0]]), (np.zeros((2, 1)), np.array([3.0, 1.0]))))
    7.0
    """

    loss: Any
    rows: bool
    classes: Array | None

    def __init__(self, loss: Any, *, rows: bool = False, classes: Array | None = None) -> None:
        if not hasattr(loss, "reduction"):
            wanted = "wants a loss with a reduction, whose rows can be weighted"
            hint = "one of clearprop.nn's, or weights inside your own"
            raise TypeError(lesson("fit(sample_weight=, class_weight=)", wanted, repr(loss)[:60], hint=hint))
        self.loss, self.rows, self.classes = copy.copy(loss), rows, classes
        self.loss.reduction = "none"

    def __repr__(self) -> str:
        classes = "" if self.classes is None else f" classes {self.classes.tolist()}"
        return f"{self.loss!r} weighted by{' rows' * self.rows}{classes}"

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """Return the weighted mean of the rows' losses."""
        losses = self.loss(outputs, targets[0] if self.rows else targets)
        weights, counts = self._weigh(targets, losses.dtype)
        if losses.ndim > 1:
            losses = np.mean(losses, axis=tuple(range(1, losses.ndim)))
        return np.sum(losses * weights) / np.maximum(np.sum(weights * counts), 1e-30)

    def _weigh(self, targets: Any, dtype: Any) -> tuple[Any, Any]:
        """Return the weight of each row, and how much it counts besides in the loss's own mean."""
        weights: Any = np.ones((), dtype)
        if self.rows:
            targets, weights = targets
        counts = _counts(getattr(self.loss, "loss", self.loss), targets, dtype)
        if counts is None:
            counts = np.ones(targets.shape[:1], dtype)
        elif counts.ndim > 1:
            counts = np.mean(counts, axis=tuple(range(1, counts.ndim)))
        if self.classes is not None:
            table = Tensor(self.classes.astype(dtype), requires_grad=False)
            weights = weights * np.take(table, targets, axis=0)
        return weights, counts

    def whole(self, targets: Any) -> float:
        """Return sum(w), by which the weighted losses of these targets are divided."""
        weights, counts = self._weigh(targets, np.dtype(np.float64))
        return float(getattr(total := np.sum(weights * counts), "value", total))


def divisible(loss: Any) -> Any:
    """Return a loss that weighs what it is the mean over as Weighted: parts of a batch are joined by sum(w).

    Other losses are returned as they are: the mean over equal rows.
    """
    inner = getattr(loss, "loss", loss)
    weighs = isinstance(inner, nn.NLLLoss) and (inner.weight is not None or inner.ignore_index is not None)
    return Weighted(loss) if weighs and not isinstance(loss, Weighted) else loss


def _counts(loss: Any, targets: Any, dtype: Any) -> Any:
    """Return how much each target counts in a loss's own mean, None where each counts as 1.

    Of classes that is the loss's weight of theirs, and 0 for what it leaves out.
    """
    if not isinstance(loss, nn.NLLLoss) or targets.dtype.kind not in "iu":
        return None
    ignored, own = loss.ignore_index, loss.weight
    is_left = None if ignored is None else targets != ignored
    if own is None:
        return None if is_left is None else is_left.astype(dtype)
    counts = np.take(own, targets if is_left is None else np.where(is_left, targets, 0), axis=0).astype(dtype)
    return counts if is_left is None else np.where(is_left, counts, dtype.type(0))


def precise(weights: Array, dtype: Any) -> Array:
    """Return the weights of rows in a dtype, far from its ends: a weighted mean is the same at any scale.

    >>> precise(np.array([2e-40, 1e-40]), np.float32)
    array([1. , 0.5], dtype=float32)
    """
    largest = np.max(weights, initial=0)
    far = 0 < largest < np.inf and not 1e-20 < largest < 1e20
    return (weights / largest if far else weights).astype(dtype)


def balanced(counts: Array) -> Array:
    """Return rows / (classes that occur * rows of the class) for counts of classes, 1 for one of no row.

    >>> balanced(np.array([3, 1, 0]))
    array([0.66666667, 2.        , 1.        ])
    """
    present = counts > 0
    return np.where(present, counts.sum() / (present.sum() * np.where(present, counts, 1)), 1.0)


def class_weights(given: Any, targets: Any) -> Array:
    """Return a weight for each class 0, 1, ...: from a mapping, a sequence, or "balanced".

    "balanced" is rows / (classes rows of the class), of the training targets. Raises ValueError for targets
    that are not the numbers of classes, for a weight below 0, and where all that occur have 0.

    >>> class_weights("balanced", np.array([0, 0, 0, 1]))
    array([0.66666667, 2.        ])
    """
    called = "fit(class_weight=)"
    targets = np.asarray(targets)
    if targets.dtype.kind not in "iu" or targets.ndim != 1 or not len(targets) or targets.min() < 0:
        got = f"{targets.shape} {targets.dtype}"
        raise ValueError(lesson(called, "wants targets that are the numbers of classes", got))
    count = int(targets.max()) + 1
    if isinstance(given, str):
        if given != "balanced":
            raise ValueError(lesson(called, 'wants "balanced" or a weight for each class', repr(given)))
        return balanced(np.bincount(targets, minlength=count))
    if isinstance(given, Mapping):
        strange = [k for k in given if not isinstance(k, (int, np.integer)) or k < 0]
        if strange:
            raise ValueError(lesson(called, "wants the numbers of classes as names", repr(strange[0])))
        weights = np.ones(max(count, *(int(k) + 1 for k in given), 1))
        for number, weight in given.items():
            weights[int(number)] = weight
    else:
        weights = np.asarray(given, np.float64)
    if weights.ndim != 1 or len(weights) < count or not np.all((weights >= 0) & (weights < np.inf)):
        wanted = f"wants a weight of 0 or more for each of {count} classes"
        raise ValueError(lesson(called, wanted, str(np.asarray(weights).tolist())[:60]))
    if not weights[np.unique(targets)].any():
        raise ValueError(lesson(called, "wants a weight above 0 for a class that occurs", "0 for all"))
    return weights
