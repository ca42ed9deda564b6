"""Datasets: things with a length whose samples can be asked for by number, one or many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from clearprop.errors import lesson


class Dataset(Protocol):
    """Anything with a length and samples by number; a list will do."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: Any) -> Any:
        """Return one sample: an array, a number, or a tuple of them."""


class TensorDataset:
    """Arrays of one length, sample by sample: `dataset[i]` is the tuple of their rows `i`.

    `i` is a number, a slice, or an array of numbers: then whole batches come at once.

    >>> dataset = TensorDataset(np.arange(6).reshape(3, 2), np.array([0, 1, 0]))
    >>> dataset[1]
    (array([2, 3]), np.int64(1))
    >>> dataset[np.array([2, 0])]
    (array([[4, 5],
           [0, 1]]), array([0, 0]))
    """

    def __init__(self, *arrays: Any) -> None:
        self.arrays = tuple(np.asarray(a) for a in arrays)
        lengths = [a.shape[0] if a.ndim else None for a in self.arrays]
        if not lengths or None in lengths or len(set(lengths)) > 1:
            raise ValueError(
                lesson(
                    "TensorDataset(*arrays)",
                    "wants arrays of one length",
                    ", ".join(str(a.shape) for a in self.arrays) or "none",
                    hint="TensorDataset(x, y) with a row of x for each entry of y",
                )
            )

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(a[index] for a in self.arrays)

    def batch(self, indices: Any) -> tuple[Any, ...]:
        """Return copies of the rows named by an index array or a slice."""
        if isinstance(indices, slice):
            return tuple(a[indices].copy() for a in self.arrays)
        return tuple(a.take(indices, axis=0) for a in self.arrays)


class Subset:
    """Some samples of a dataset, by their numbers there.

    >>> Subset(["a", "b", "c"], [2, 0])[0]
    'c'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | Any) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices, np.intp)
        size = len(dataset)
        if self.indices.size and not (-size <= self.indices.min() and self.indices.max() < size):
            wrong = self.indices[(self.indices < -size) | (self.indices >= size)][0]
            raise IndexError(lesson("Subset(dataset, indices)", f"wants numbers below {size}", f"{wrong}"))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        chosen = self.indices[index]
        if isinstance(chosen, np.ndarray):
            return fetch(self.dataset, chosen)
        return self.dataset[int(chosen)]

    def batch(self, indices: Any) -> Any:
        """Return the samples with these numbers in the subset, as one batch."""
        return fetch(self.dataset, self.indices[indices])


def fetch(dataset: Any, indices: Any) -> Any:
    """Return many samples as one batch: at once where the dataset can, else stacked one by one."""
    if hasattr(dataset, "batch"):
        return dataset.batch(indices)
    if isinstance(dataset, np.ndarray):
        return dataset[indices].copy() if isinstance(indices, slice) else dataset.take(indices, axis=0)
    if isinstance(indices, slice):
        indices = range(*indices.indices(len(dataset)))
    return stack([dataset[int(i)] for i in indices])


def stack(samples: Sequence[Any]) -> Any:
    """Put samples together: arrays along a new first axis, tuples and dicts entry by entry.

    >>> stack([(1.0, np.zeros(2)), (2.0, np.ones(2))])
    (array([1., 2.]), array([[0., 0.],
           [1., 1.]]))
    """
    first = samples[0]
    if isinstance(first, tuple):
        return tuple(stack(entries) for entries in zip(*samples, strict=True))
    if isinstance(first, dict):
        return {name: stack([sample[name] for sample in samples]) for name in first}
    shapes = {np.shape(sample) for sample in samples}
    if len(shapes) > 1:
        raise ValueError(
            lesson(
                "a batch of samples",
                "wants samples of one shape",
                ", ".join(str(shape) for shape in sorted(shapes)),
                hint="DataLoader(..., batch_size=1), or padding the samples in the dataset",
            )
        )
    return np.stack([np.asarray(sample) for sample in samples])
