"""Samplers: in which order a DataLoader takes the samples, drawn from the loader's own generator."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from clearprop.errors import lesson
from clearprop.hints import refuse_texts

Array = npt.NDArray[Any]


class Sampler(Protocol):
    """Something that draws an epoch's order.

    >>> from clearprop.data import DataLoader
    >>> class Backwards:
    ...     def order(self, generator):
    ...         return np.arange(3)[::-1]
    >>> next(iter(DataLoader(np.arange(3), batch_size=3, sampler=Backwards()))).tolist()
    [2, 1, 0]
    """

    def order(self, generator: np.random.Generator) -> Array:
        """Return the numbers of the samples of one epoch, in order."""


class WeightedSampler:
    """`count` samples, drawn with probabilities in proportion to the weights, with replacement or without.

    >>> sampler = WeightedSampler([0, 1, 1], count=5)
    >>> set(sampler.order(np.random.default_rng(0)).tolist()) <= {1, 2}
    True
    """

    def __init__(self, weights: Any, count: int | None = None, replacement: bool = True) -> None:
        refuse_texts("WeightedSampler", replacement=replacement)
        self.weights: NDArray[Any] = np.asarray(weights, np.float64)
        self.count: int = len(self.weights) if count is None else count
        called = "WeightedSampler(weights)"
        if self.weights.ndim != 1 or not np.all(self.weights >= 0) or not 0 < self.weights.sum() < np.inf:
            raise ValueError(
                lesson(called, "wants a weight of 0 or more for each sample", f"{weights!r:.60}")
            )
        if not replacement and self.count > np.count_nonzero(self.weights):
            wanted = f"has {np.count_nonzero(self.weights)} samples to draw without replacement"
            raise ValueError(lesson(called, wanted, str(self.count), hint="replacement=True"))
        self.replacement = replacement

    def order(self, generator: np.random.Generator) -> Array:
        """Return the numbers drawn."""
        shares = self.weights / self.weights.sum()
        return generator.choice(len(shares), self.count, replace=self.replacement, p=shares)


class StratifiedSampler:
    """Every sample once, with the classes spread evenly: each batch has them in nearly their proportions.

    >>> labels = np.array([0] * 6 + [1] * 3)
    >>> order = StratifiedSampler(labels).order(np.random.default_rng(0))
    >>> [int(labels[order[i : i + 3]].sum()) for i in (0, 3, 6)]
    [1, 1, 1]
    """

    def __init__(self, labels: Any) -> None:
        self.labels: NDArray[Any] = np.asarray(labels)
        if self.labels.ndim != 1:
            wanted = "wants one class for each sample"
            raise ValueError(lesson("StratifiedSampler(labels)", wanted, f"{self.labels.shape}"))

    def order(self, generator: np.random.Generator) -> Array:
        """Return the numbers of all samples."""
        order = generator.permutation(len(self.labels))
        place = np.empty(len(order))
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels[order] == label)
            place[members] = (np.arange(len(members)) + generator.random()) / len(members)
        return np.asarray(order[np.argsort(place, kind="stable")])
