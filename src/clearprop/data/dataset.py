"""Datasets: things with a length whose samples can be asked for by number, one or many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clearprop.errors import lesson


class Dataset(Protocol):
    """Anything with a length and samples by number; a list will do.

    >>> from clearprop.data import DataLoader
    >>> [batch.tolist() for batch in DataLoader([1.0, 2.0, 3.0], batch_size=2)]
    [[1.0, 2.0], [3.0]]
    """

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: Any) -> Any:
        """Return one sample: an array, a number, or a tuple of them."""


class TensorDataset:
    """Arrays of one length, sample by sample: `dataset[i]` is the tuple of their rows `i`.

    `i` is a number, a slice, or an array of numbers: then whole batches come at once. An entry may be a tuple
    of arrays, as the several inputs of a model are.

    >>> dataset = TensorDataset(np.arange(6).reshape(3, 2), np.array([0, 1, 0]))
    >>> dataset[1]
    (array([2, 3]), np.int64(1))
    >>> dataset[np.array([2, 0])]
    (array([[4, 5],
           [0, 1]]), array([0, 0]))
    """

    arrays: tuple[Any | NDArray[Any], ...]

    def __init__(self, *arrays: Any) -> None:
        self.arrays = tuple(each(np.asarray, a) if isinstance(a, tuple) else np.asarray(a) for a in arrays)
        lengths = [a.shape[0] if a.ndim else None for a in leaves(self.arrays)]
        if not lengths or None in lengths or len(set(lengths)) > 1:
            raise ValueError(
                lesson(
                    "TensorDataset(*arrays)",
                    "wants arrays of one length",
                    ", ".join(str(a.shape) for a in leaves(self.arrays)) or "none",
                    hint="TensorDataset(x, y) with a row of x for each entry of y",
                )
            )

    def __len__(self) -> int:
        return len(next(leaves(self.arrays)))

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(each(lambda a: a[index], self.arrays))

    def batch(self, indices: Any) -> tuple[Any, ...]:
        """Return copies of the rows named by an index array or a slice."""
        if isinstance(indices, slice):
            return tuple(each(lambda a: a[indices].copy(), self.arrays))
        return tuple(each(lambda a: a.take(indices, axis=0), self.arrays))


class ConcatDataset:
    """Datasets one after the other.

    >>> both = ConcatDataset(["ab", "cde"])
    >>> len(both), both[2], both[-1]
    (5, 'c', 'e')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise ValueError(lesson("ConcatDataset(datasets)", "wants one dataset or more", "none"))
        self.ends: NDArray[Any] = np.cumsum([len(dataset) for dataset in self.datasets])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Any:
        place = int(index) + (len(self) if index < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(lesson("ConcatDataset[i]", f"has {len(self)} samples", f"{index}"))
        number = int(np.searchsorted(self.ends, place, side="right"))
        before = int(self.ends[number - 1]) if number else 0
        return self.datasets[number][place - before]


class IterableDataset:
    """Samples that come one after the other: override `__iter__`. A DataLoader groups them into batches.

    >>> class Squares(IterableDataset):
    ...     def __iter__(self):
    ...         return (float(i * i) for i in range(5))
    >>> from clearprop.data import DataLoader
    >>> [batch.tolist() for batch in DataLoader(Squares(), batch_size=3)]
    [[0.0, 1.0, 4.0], [9.0, 16.0]]
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(lesson(f"{type(self).__name__}", "wants an __iter__ that gives samples"))


def each(function: Callable[[Any], Any], entries: Any) -> Any:
    """Return what a function makes of every array in nested tuples."""
    if isinstance(entries, tuple):
        return tuple(each(function, entry) for entry in entries)
    return function(entries)


def leaves(entries: Any) -> Iterator[Any]:
    """Yield the arrays in nested tuples."""
    if isinstance(entries, tuple):
        for entry in entries:
            yield from leaves(entry)
    else:
        yield entries


class Subset:
    """Some samples of a dataset, by their numbers there.

    >>> Subset(["a", "b", "c"], [2, 0])[0]
    'c'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | Any) -> None:
        self.dataset = dataset
        self.indices: NDArray[Any] = np.asarray(indices, np.intp)
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
