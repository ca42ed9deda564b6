"""Whether the inputs say anything at all about the targets: two simple predictors, tried on held-out rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.diagnosis.examination import Examination
from clearprop.diagnosis.symptoms import Symptom

FEWEST, MOST = 200, 1000  # rows: with fewer nothing can be said, more are not needed
NEIGHBOURS = 10
MANY = 200  # columns, from which on squares are left out
CHANCE = 1.5  # standard errors above what the luckiest of that many comparisons reaches by chance


def unrelated_targets(seen: Examination) -> Iterator[Symptom]:
    """Targets that neither a linear nor a nearest-neighbour predictor can tell better than a constant.

    Half of the rows are learned from. On the other half each column of the targets (one per class) is
    correlated with its prediction; the largest correlation is compared with what chance gives.
    """
    x, y = (np.asarray(a) for a in seen.whole)
    if len(x) != len(y) or len(x) < FEWEST or x.ndim < 2 or x.dtype.kind not in "fiu":
        return
    if seen.picks_rows() or not (np.isfinite(x).all() and _comparable(y)):
        return
    rows = np.random.default_rng(0).permutation(len(x))[:MOST]
    inputs, targets = _standard(x[rows].reshape(len(rows), -1)), _columns(y[rows])
    if not inputs.size or not targets.size:
        return
    half = len(rows) // 2
    best = -np.inf
    for predict in (_linear, _nearest):
        found = predict(inputs[:half], targets[:half], inputs[half:])
        best = max(best, float(np.max(_scores(found, targets[half:]))))
    limit = float(np.sqrt(2 * np.log(2 * targets.shape[1] + 1))) + CHANCE
    if best < limit:
        yield Symptom(
            "targets that the inputs do not tell",
            "inputs and targets",
            f"on {len(rows) - half} held-out rows a linear and a nearest-neighbour predictor do no better "
            f"than a constant ({best:.1f} standard errors; chance gives up to {limit:.1f})",
            "there may be nothing to learn: a model can only learn such rows by heart",
            "a look at whether rows and targets still belong together: shuffled, sorted or joined apart",
        )


def _comparable(y: Any) -> bool:
    return bool(y.dtype.kind in "iub" or (y.dtype.kind == "f" and np.isfinite(y).all()))


def _standard(x: Any) -> Any:
    """Columns of mean 0 and size 1; those that never change are left out."""
    x = x.astype(np.float64)
    size = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(size > 0, size, 1.0))[:, size > 0]


def _columns(y: Any) -> Any:
    """The targets as columns of numbers: a column per class where they are classes."""
    if y.dtype.kind in "iub" and y.ndim == 1:
        classes, counts = np.unique(y, return_counts=True)
        kept = classes[counts >= 10] if len(classes) <= 100 else classes[:0]
        if len(kept) > 1:
            return (y[:, None] == kept).astype(np.float64)
    columns = y.reshape(len(y), -1)[:, :50].astype(np.float64)
    return columns[:, columns.std(axis=0) > 0]


def _linear(x: Any, y: Any, new: Any) -> Any:
    """Ridge regression on the columns and, of few, their squares."""
    if x.shape[1] <= MANY:
        x, new = np.hstack([x, x**2]), np.hstack([new, new**2])
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    kernel = (x - centre) @ (x - centre).T  # in the rows' space: there may be more columns than rows
    strength = 0.1 * np.trace(kernel) / len(x)
    weights = np.linalg.solve(kernel + strength * np.eye(len(x)), y - mean)
    return (new - centre) @ (x - centre).T @ weights + mean


def _nearest(x: Any, y: Any, new: Any) -> Any:
    """The mean of the nearest rows' targets."""
    distance = np.sum(x**2, axis=1) - 2 * new @ x.T
    near = np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return y[near].mean(axis=1)


def _scores(found: Any, right: Any) -> Any:
    """The correlation of each column with its prediction, in standard errors."""
    with np.errstate(all="ignore"):
        a, b = found - found.mean(axis=0), right - right.mean(axis=0)
        r = np.sum(a * b, axis=0) / np.sqrt(np.sum(a * a, axis=0) * np.sum(b * b, axis=0))
    return np.nan_to_num(r) * np.sqrt(len(found))
