"""How good probabilities and predicted numbers are: ranks, shares, calibration, the threshold.

`weights` has how much each row counts, everywhere; None is 1 for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.errors import lesson

Array = npt.NDArray[Any]


def roc_auc(scores: Array, positive: Array, weights: Any = None) -> float:
    """Return the chance that a positive row scores above a negative one, ties counting half.

    It is the area under the curve of true over false positives. NaN where one kind is missing.

    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    scores, positive = _pair("roc_auc", scores, positive)
    each = _weights(weights, scores)
    _, place = np.unique(scores, return_inverse=True)
    ones, zeros = (np.bincount(place[rows], each[rows], len(scores)) for rows in (positive, ~positive))
    if not ones.sum() or not zeros.sum():
        return float("nan")
    below = np.cumsum(zeros) - zeros / 2  # of equal scores half
    return float(ones @ below / (ones.sum() * zeros.sum()))


def average_precision(scores: Array, positive: Array, weights: Any = None) -> float:
    """Return sum_k (recall_k - recall_(k-1)) precision_k over the thresholds from the highest score down.

    NaN where no row is positive.

    >>> round(average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])), 4)
    0.8333
    """
    scores, positive = _pair("average_precision", scores, positive)
    if not _weights(weights, scores)[positive].any():
        return float("nan")
    hits, taken = found_by(scores, positive, weights)
    return float(np.sum(np.diff(np.append(0, hits)) * hits / taken) / hits[-1])


def found_by(scores: Array, positive: Array, weights: Any = None) -> tuple[Array, Array]:
    """Return how many positive rows, and how many rows, reach each threshold, from the highest score down.

    Recall is the first over its last, precision the first over the second.

    >>> found_by(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    (array([1., 2., 2.]), array([1., 3., 4.]))
    """
    each = _weights(weights, scores)
    order = np.argsort(-scores, kind="stable")
    order = order[each[order] > 0]
    hits, taken = np.cumsum((each * positive)[order]), np.cumsum(each[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # of equal scores all rows are taken at once
    return hits[last], taken[last]


def brier(shares: Array, classes: Array, weights: Any = None) -> float:
    """Return mean_i sum_c (p_ic - [class of i is c])^2 of probabilities (rows, classes), 0 to 2.

    >>> brier(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 1]))
    0.25
    """
    hit = np.eye(shares.shape[1])[classes]
    return float(np.average(np.sum((shares - hit) ** 2, axis=1), weights=weights))


def log_loss(shares: Array, classes: Array, weights: Any = None) -> float:
    """Return -mean(log p) of the right classes' probabilities, of which none counts as less than 1e-15.

    >>> round(log_loss(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1])), 4)
    0.4581
    """
    right = np.maximum(shares[np.arange(len(classes)), classes], 1e-15)
    return float(-np.average(np.log(right), weights=weights))


def f1(counts: Array) -> Array:
    """Return each class's F1, 2 TP / (2 TP + FP + FN), from a table of counts (true, predicted).

    A class that neither occurs nor is predicted has NaN.

    >>> f1(np.array([[3, 1], [0, 4]])).round(3)
    array([0.857, 0.889])
    """
    right, both = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return np.where(both > 0, 2 * right / np.where(both > 0, both, 1), np.nan)


def best_threshold(shares: Array, positive: Array, weights: Any = None) -> float:
    """Return the probability from which on to say yes, so that F1 is highest on these rows.

    It lies halfway between two probabilities that occur; 0.5 where no row is positive.

    >>> best_threshold(np.array([0.1, 0.2, 0.3, 0.9]), np.array([False, False, True, True]))
    0.25
    """
    shares, positive = _pair("best_threshold", shares, positive)
    each = _weights(weights, shares)
    if not each[positive].any():
        return 0.5
    order = np.argsort(-shares, kind="stable")
    found, hits, taken = shares[order], np.cumsum((each * positive)[order]), np.cumsum(each[order])
    last = np.append(np.diff(found) != 0, True)
    marks = np.where(last, 2 * hits / (taken + each[positive].sum()), -1.0)
    best = int(np.argmax(marks))
    below = found[best + 1] if best + 1 < len(found) else 0.0
    return float((found[best] + below) / 2)


def softmax(logits: Array) -> Array:
    """Return exp(z_i) / sum_j exp(z_j) for each row z of logits.

    >>> softmax(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def as_they_occur(logits: Array, weights: Sequence[float] | None) -> Array:
    """Return logits of classes as common as they are, of a network whose loss weighed classes by `weights`.

    Such a network says w_c p_c / sum_k w_k p_k, so log w_c is taken off. A class of weight 0 was not learned
    from: of it nothing is taken off.

    >>> softmax(as_they_occur(np.log([[0.75, 0.25]]), (3.0, 1.0)))
    array([[0.5, 0.5]])
    """
    return logits if weights is None else logits - np.log([weight or 1.0 for weight in weights])


def learned_weights(about: Mapping[str, Any]) -> Sequence[float] | None:
    """Return the weights of classes that are in a model's outputs, or None.

    They are those of its loss, unless the rows that validated have shown that it had not learned them all.
    """
    found: Sequence[float] | None = about.get("learned weights", about.get("class weights"))
    return found


def shifts(logits: Array, classes: Array, heat: float = 1.0, weights: Any = None) -> Array:
    """Return the b for which softmax((logits - b) / T) has each class as often as these rows have it.

    That is the b of the least log-loss. It is 0 where the loss falls by less than chance would have it, half
    a unit of the rows' whole log-loss and more for each number that is found (Akaike 1974), and for a class
    that no row has.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(4000, 2))
    >>> classes = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # as the logits say
    >>> moved = shifts(logits + [0.0, 2.0], classes)
    >>> bool(abs(moved[1] - moved[0] - 2.0) < 0.1), shifts(logits, classes).tolist()
    (True, [0.0, 0.0])
    """
    rows = np.ones(len(classes)) if weights is None else np.asarray(weights, np.float64)
    counts = np.bincount(classes, rows, minlength=logits.shape[1])
    there, found = counts > 0, np.zeros(logits.shape[1])
    for _ in range(100):
        mean = np.average(softmax((logits - found) / heat), axis=0, weights=rows)
        step = np.where(there, heat * np.log(mean * counts.sum() / np.where(there, counts, 1.0)), 0.0)
        found += step
        if np.abs(step).max() < 1e-6:
            break
    gain = log_loss(softmax(logits / heat), classes, rows) - log_loss(
        softmax((logits - found) / heat), classes, rows
    )
    effective = rows.sum() ** 2 / (rows * rows).sum()
    return found if gain * effective > there.sum() - 1 else np.zeros(len(found))


def likeliest(shares: Array, weights: Sequence[float] | None) -> Array:
    """Return the class of each row of probabilities: that of the largest probability times weight.

    >>> likeliest(np.array([[0.6, 0.4]]), None), likeliest(np.array([[0.6, 0.4]]), (1.0, 2.0))
    (array([0]), array([1]))
    """
    return np.asarray((shares if weights is None else shares * np.asarray(weights)).argmax(axis=1))


def temperature(logits: Array, classes: Array, weights: Any = None) -> float:
    """Return the T for which the probabilities softmax(logits / T) have the least log-loss on these rows.

    Guo et al. 2017 (arXiv 1706.04599). The loss is convex in 1/T, which is searched from 0.05 to 20 by
    golden sections. T above 1: the network was surer than it was right. Each class counts as one more row
    shared by all, so that rows that are all right do not make the network sure of everything.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(4000, 3))
    >>> classes = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # as the logits say
    >>> 1.9 < temperature(2 * logits, classes) < 2.1
    True
    """
    rows, kinds = np.arange(len(classes)), logits.shape[1]
    shared = kinds / (len(classes) + kinds)

    def loss(inverse: float) -> float:
        scaled = logits * inverse
        top = scaled.max(axis=1)
        right = (1 - shared) * scaled[rows, classes] + shared * scaled.mean(axis=1)
        lost = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - right
        return float(np.average(lost, weights=weights))

    low, high, part = 0.05, 20.0, (5**0.5 - 1) / 2
    for _ in range(60):
        left, right = high - part * (high - low), low + part * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return 2 / (low + high)


def reliability(
    shares: Array, right: Array, bins: int = 10, weights: Any = None
) -> tuple[Array, Array, Array]:
    """Return, for bins of equal width, the mean probability, how often it was right, and the number of rows.

    With `weights` means are weighted ones, and it is not rows that are counted, but what they weigh. Bins
    without a row have NaN.

    >>> said, was, rows = reliability(np.array([0.05, 0.95, 0.95]), np.array([False, True, False]), 2)
    >>> was.tolist(), rows.tolist()
    ([0.0, 0.5], [1, 2])
    """
    place = np.clip((shares * bins).astype(int), 0, bins - 1)
    each = _weights(weights, shares)
    rows = np.bincount(place, None if weights is None else each, minlength=bins)
    some = np.where(rows > 0, rows, np.nan)
    said, was = (np.bincount(place, each * values, minlength=bins) / some for values in (shares, right))
    return said, was, rows


def pinball(quantiles: Array, true: Array, levels: Any, weights: Any = None) -> float:
    """Return the mean of max(q d, (q - 1) d), d = true - quantile, over rows and levels q.

    >>> pinball(np.array([[0.0], [0.0]]), np.array([1.0, -1.0]), (0.9,))
    0.5
    """
    level, apart = np.asarray(levels), true[:, None] - quantiles
    return float(np.average(np.maximum(level * apart, (level - 1) * apart).mean(axis=1), weights=weights))


def poisson_deviance(predicted: Array, true: Array, weights: Any = None) -> float:
    """Return the mean of 2 (y log(y / m) - y + m), for counts y of which m was expected.

    >>> round(poisson_deviance(np.array([1.0, 2.0]), np.array([0.0, 2.0])), 4)
    1.0
    """
    some = true > 0
    logs = np.where(some, true * np.log(np.where(some, true, 1) / predicted), 0)
    return float(2 * np.average(logs - true + predicted, weights=weights))


def gamma_deviance(predicted: Array, true: Array, weights: Any = None) -> float:
    """Return the mean of 2 (log(m / y) + y / m - 1), for numbers y above 0 of which m was expected.

    >>> round(gamma_deviance(np.array([1.0, 2.0]), np.array([2.0, 2.0])), 4)
    0.3069
    """
    return float(2 * np.average(np.log(predicted / true) + true / predicted - 1, weights=weights))


def _weights(weights: Any, rows: Array) -> Array:
    return np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)


def _pair(called: str, scores: Array, positive: Array) -> tuple[Array, Array]:
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if scores.ndim != 1 or scores.shape != positive.shape or np.isnan(scores).any():
        wanted = "wants a score, not NaN, and True or False for each row"
        raise ValueError(lesson(called, wanted, f"{scores.shape} and {positive.shape}"))
    return scores, positive
