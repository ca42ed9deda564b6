"""Measures of how good predictions are, computed on whole sets of outputs and targets in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.errors import lesson
from clearprop.train import measures
from clearprop.train.charts import confusion_matrix

Array = npt.NDArray[Any]
Metric = Callable[[Array, Array], float]


def accuracy(outputs: Array, targets: Array, weights: Any = None) -> float:
    """Return the share of rows whose largest output is that of the right class: outputs (n, classes).

    `weights` has how much each row counts, here and in the other measures.

    >>> accuracy(np.array([[0.1, 0.9], [2.0, -1.0]]), np.array([1, 1]))
    0.5
    """
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        got = f"outputs {outputs.shape}, targets {targets.shape}"
        raise ValueError(lesson("accuracy", "wants outputs (n, classes) and targets (n,)", got))
    return float(np.average(outputs.argmax(axis=1) == targets, weights=weights))


def mae(outputs: Array, targets: Array, weights: Any = None) -> float:
    """Return the mean absolute error, mean(|output - target|).

    >>> mae(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    1.0
    """
    return _average(np.abs(_difference("mae", outputs, targets)), weights)


def rmse(outputs: Array, targets: Array, weights: Any = None) -> float:
    """Return the root of the mean squared error, sqrt(mean((output - target)^2)).

    >>> rmse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    1.4142135623730951
    """
    return float(np.sqrt(_average(_difference("rmse", outputs, targets) ** 2, weights)))


def r2(outputs: Array, targets: Array, weights: Any = None) -> float:
    """Return the share of the targets' variance that is explained: 1 - sum((o - t)^2) / sum((t - mean t)^2).

    1 is perfect, 0 as good as always predicting the mean, below 0 worse; NaN where all targets are equal.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    residual = _total(_difference("r2", outputs, targets) ** 2, weights)
    exact = np.asarray(targets, np.float64)
    total = _total((exact - _average(exact, weights)) ** 2, weights)
    return 1.0 - residual / total if total else float("nan")


def f1(outputs: Array, targets: Array, weights: Any = None) -> float:
    """Return the F1 of the second of two classes, or the mean of all classes' of more: outputs (n, classes).

    2 precision recall / (precision + recall). The mean leaves out classes that are neither there nor said.

    >>> f1(np.array([[0.1, 0.9], [2.0, -1.0]]), np.array([1, 1]))
    0.6666666666666666
    """
    accuracy(outputs, targets, weights)  # complains of shapes
    each = measures.f1(confusion_matrix(targets, outputs.argmax(axis=1), outputs.shape[1], weights))
    return float(each[1]) if len(each) == 2 else float(np.nanmean(each))


def log_loss(outputs: Array, targets: Array, weights: Any = None) -> float:
    """Return the mean of -log of the right class's probability, softmax(outputs): outputs (n, classes).

    >>> round(log_loss(np.zeros((2, 2)), np.array([0, 1])), 4)
    0.6931
    """
    accuracy(outputs, targets, weights)
    return float(measures.log_loss(measures.softmax(np.asarray(outputs, np.float64)), targets, weights))


def roc_auc(outputs: Array, targets: Array, weights: Any = None) -> float:
    """Return the area under the ROC curve of the second of two classes: outputs (n, 2).

    >>> roc_auc(np.array([[0.1, 0.9], [2.0, -1.0]]), np.array([1, 0]))
    1.0
    """
    if outputs.ndim != 2 or outputs.shape[1] != 2 or targets.shape != outputs.shape[:1]:
        got = f"outputs {outputs.shape}, targets {targets.shape}"
        raise ValueError(lesson("roc_auc", "wants outputs (n, 2) and targets (n,)", got))
    difference = np.asarray(outputs[:, 1], np.float64) - outputs[:, 0]
    return float(measures.roc_auc(difference, targets == 1, weights))


METRICS: dict[str, Metric] = {
    "accuracy": accuracy, "f1": f1, "log_loss": log_loss, "roc_auc": roc_auc,
    "mae": mae, "rmse": rmse, "r2": r2,
}  # fmt: skip


def named(metrics: Iterable[str | Metric]) -> dict[str, Metric]:
    """Return metrics given by name or as functions of (outputs, targets), by name."""
    found: dict[str, Metric] = {}
    for metric in [metrics] if isinstance(metrics, str) else metrics:
        if isinstance(metric, str):
            found[metric] = METRICS.get(metric) or _of_scikit_learn(metric)
        else:
            found[getattr(metric, "__name__", type(metric).__name__)] = metric
    return found


def _of_scikit_learn(name: str) -> Metric:
    """Return a measure of scikit-learn by its name among the scorers; ValueError where there is none.

    Of outputs (n, classes) scikit-learn is told the class with the largest, and the probabilities
    softmax(outputs); of others the outputs themselves.
    """
    hint = f"a function of (outputs, targets), or one of {', '.join(METRICS)}"
    try:
        from sklearn.metrics import get_scorer, get_scorer_names  # type: ignore[import-untyped]
    except ImportError:
        hint += ", or scikit-learn, whose scorers are known by name"
        raise ValueError(lesson("metrics=", "no metric of that name", repr(name), hint=hint)) from None
    if name not in get_scorer_names():
        hint += ", or a scorer of scikit-learn such as balanced_accuracy"
        raise ValueError(lesson("metrics=", "no metric of that name", repr(name), hint=hint))
    scorer = get_scorer(name)

    def measured(outputs: Array, targets: Array) -> float:
        from clearprop.train.answers import answers

        outputs = np.asarray(outputs, np.float64)
        targets = targets.astype(np.float64) if targets.dtype.kind == "f" else targets
        return float(scorer(answers(outputs, targets), outputs, targets))

    measured.__name__ = name
    return measured


def _average(values: Array, weights: Any) -> float:
    """Return the mean, of the rows along the first axis by their weights."""
    if weights is None:
        return float(np.mean(values))
    return _total(values, weights) / (float(np.sum(weights)) * (values.size / len(values)))


def _total(values: Array, weights: Any) -> float:
    """Return the sum, of the rows along the first axis by their weights."""
    return float(np.sum(values if weights is None else values.T * weights))


def _difference(called: str, outputs: Array, targets: Array) -> Array:
    if outputs.shape != targets.shape:
        wanted, got = "wants outputs and targets of one shape", f"{outputs.shape} and {targets.shape}"
        raise ValueError(lesson(called, wanted, got, hint="targets.reshape(-1, 1) or outputs[:, 0]"))
    return outputs.astype(np.float64) - targets
