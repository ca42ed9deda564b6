"""Measures that are summed up batch by batch, so that no batch has to be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.errors import lesson
from clearprop.train import measures, metrics
from clearprop.train.charts import confusion_matrix
from clearprop.train.weighting import Weighted

Array = npt.NDArray[Any]
Terms = Callable[[Array, Array], Any]


class Summed:
    """A measure of sums over rows: `terms` gives a batch's, `result` what the sums of all are."""

    def __init__(self, terms: Terms, result: Callable[[Any], float]) -> None:
        self.terms, self.result = terms, result
        self.sums: Any = None

    def see(self, outputs: Array, targets: Array) -> None:
        """Add a batch."""
        now = np.asarray(self.terms(outputs, targets), np.float64)
        self.sums = now if self.sums is None else self.sums + now

    def value(self) -> float:
        """Return the measure of all that was seen."""
        return float(self.result(self.sums))


class SharedSpread:
    """R2 of all batches: the spread of the targets is joined from batch to batch (Chan et al. 1979)."""

    residual: float
    count: int
    mean: float
    spread: float

    def __init__(self) -> None:
        self.residual, self.count, self.mean, self.spread = 0.0, 0, 0.0, 0.0

    def see(self, outputs: Array, targets: Array) -> None:
        """Add a batch."""
        targets = np.asarray(targets, np.float64)
        count, mean = targets.size, float(targets.mean())
        off = mean - self.mean
        both = self.count + count
        self.residual += (metrics.rmse(outputs, targets) ** 2) * count
        self.spread += float(((targets - mean) ** 2).sum()) + off * off * self.count * count / both
        self.mean, self.count = self.mean + off * count / both, both

    def value(self) -> float:
        """Return the measure of all that was seen."""
        return 1.0 - self.residual / self.spread if self.spread else float("nan")


def _mean_of(metric: metrics.Metric) -> Terms:
    """Return the terms of a measure that is a mean over entries of the targets."""
    return lambda outputs, targets: (metric(outputs, targets) * targets.size, targets.size)


def _squares(outputs: Array, targets: Array) -> tuple[float, int]:
    return metrics.rmse(outputs, targets) ** 2 * targets.size, targets.size


def _confusion(outputs: Array, targets: Array) -> Array:
    metrics.accuracy(outputs, targets)  # complains of shapes
    return np.asarray(confusion_matrix(targets, outputs.argmax(axis=1), outputs.shape[1]))


def _f1(counts: Array) -> float:
    each = measures.f1(counts)
    return float(each[1] if len(each) == 2 else np.nanmean(each))


def _ratio(sums: Any) -> float:
    return float(sums[0] / sums[1])


# fmt: off
STREAMED: dict[str, Callable[[], Summed | SharedSpread]] = {
    "accuracy": lambda: Summed(_mean_of(metrics.accuracy), _ratio),
    "f1":       lambda: Summed(_confusion, _f1),
    "log_loss": lambda: Summed(_mean_of(metrics.log_loss), _ratio),
    "mae":      lambda: Summed(_mean_of(metrics.mae), _ratio),
    "rmse":     lambda: Summed(_squares, lambda sums: _ratio(sums) ** 0.5),
    "r2":       SharedSpread,
}
# fmt: on


def summed(batches: Iterable[tuple[Any, Any]], loss: Any, names: Iterable[Any]) -> dict[str, float]:
    """Return the loss and measures of pairs (outputs, targets), of which one at a time is held."""
    strange = [name for name in names if name not in STREAMED]
    if strange:
        wanted, got = f"sums up {', '.join(STREAMED)}", repr(strange[0])
        raise ValueError(lesson("evaluate(stream=True, metrics=)", wanted, got, hint="stream=False"))
    weights = (getattr(loss, name, None) for name in ("weight", "pos_weight"))
    weighed = isinstance(loss, Weighted) or any(given is not None for given in weights)
    if weighed or getattr(loss, "reduction", "mean") != "mean":
        wanted, got = "wants a loss that is the mean over rows", repr(loss)[:60]
        raise ValueError(lesson("evaluate(stream=True)", wanted, got, hint="stream=False"))
    left_out = getattr(loss, "ignore_index", None)
    found = {name: STREAMED[name]() for name in names}
    total, rows = 0.0, 0
    for outputs, targets in batches:
        if left_out is not None and (np.asarray(targets) == left_out).any():
            wanted, got = "wants targets of every row", f"{left_out} among them, which the loss leaves out"
            raise ValueError(lesson("evaluate(stream=True)", wanted, got, hint="stream=False"))
        count = len(targets[0] if isinstance(targets, tuple) else targets)
        if count:
            value = loss(outputs, targets)
            total, rows = total + count * float(getattr(value, "value", value)), rows + count
            for measure in found.values():
                measure.see(outputs, targets)
    if not rows:
        raise ValueError(lesson("evaluate(data=)", "wants at least one row to measure on", "none"))
    return {"loss": total / rows} | {name: measure.value() for name, measure in found.items()}
