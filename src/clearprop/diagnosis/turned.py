"""A loss whose sign is turned: it falls without end as the predictions leave the targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.diagnosis.examination import Examination
from clearprop.diagnosis.symptoms import Symptom, rms
from clearprop.tensor import Tensor, raw

NEAR, FAR = 4.0, 16.0  # how far from the targets the loss is looked at, and how much farther
STEEP = 3.0  # from NEAR to FAR a loss without an end falls by this factor at least, one with an end does not
WAYS = 3  # directions in which predictions leave numbers


def turned(seen: Examination) -> Iterator[Symptom]:
    """A loss that is largest where the predictions are right.

    A loss may well be below 0, as that of a density is: it is its slope around the right predictions that
    tells. Where it falls to one side only, as a critic's does, nothing is said.
    """
    output, y = raw(seen.output), np.asarray(seen.y)
    if seen.failure is not None or getattr(output, "dtype", y.dtype).kind != "f":
        return
    found = None
    if y.dtype.kind in "iu" and output.ndim == 2 and y.shape == output.shape[:1]:
        found = _of_classes(seen, output, y)
    elif y.dtype.kind == "f" and y.shape == output.shape and y.size:
        found = _of_numbers(seen, output, y)
    if found is not None:
        yield Symptom(
            "a loss with its sign turned",
            seen.loss_name,
            f"it is {found[0]:.4g} where the predictions are right, and falls to {found[1]:.4g} where they "
            "are wrong",
            "each step takes the predictions farther from the targets, and the loss falls without end",
            "the loss without its minus",
        )


def _at(seen: Examination, predictions: Any) -> float:
    """The loss of other predictions; NaN, which nothing is compared with, where it does not take them."""
    try:
        with np.errstate(all="ignore"):
            given = Tensor(predictions.astype(raw(seen.output).dtype), requires_grad=False)
            return float(np.asarray(raw(seen.loss_function(given, seen.y))))
    except Exception:  # a loss of the user's own need not take it
        return float("nan")


def _falls(start: float, near: float, far: float) -> bool:
    """Whether a loss falls below 0 and goes on falling."""
    return far < near < start and far < 0 and start - far > STEEP * (start - near)


def _of_numbers(seen: Examination, output: Any, y: Any) -> tuple[float, float] | None:
    start, size = _at(seen, y), rms(output - y) or 1.0
    generator = np.random.default_rng(0)
    far = start
    for _ in range(WAYS):
        away = size * generator.standard_normal(y.shape)
        for side in (away, -away):
            near, far = _at(seen, y + NEAR * side), _at(seen, y + FAR * side)
            if not _falls(start, near, far):
                return None
    return start, far


def _of_classes(seen: Examination, output: Any, y: Any) -> tuple[float, float] | None:
    classes = output.shape[1]
    if classes < 2 or y.min() < 0 or y.max() >= classes:
        return None
    right = (y[:, None] == np.arange(classes)) - 1 / classes
    start, best = _at(seen, 0 * right), _at(seen, FAR * right)
    near, far = _at(seen, -NEAR * right), _at(seen, -FAR * right)
    if not (_falls(start, near, far) and best > start):
        return None
    straight = abs(best + far - 2 * start) < 1e-3 * abs(far)
    sums = np.exp(np.minimum(output, 1.0)).sum(axis=1)  # scores may be distances, log-probabilities are none
    return None if straight and not np.allclose(sums, 1, atol=1e-3) else (best, far)
