"""`DataLoader`: a dataset in batches, in an order that can be repeated and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.data.dataset import TensorDataset, fetch, stack
from clearprop.data.samplers import Sampler
from clearprop.errors import lesson
from clearprop.hints import refuse_keywords

if TYPE_CHECKING:
    pass


class DataLoader:
    """A dataset in batches: `for x, y in loader`. Each loop is one epoch.

    `dataset` is a TensorDataset, a tuple of arrays or of lists of numbers, or anything with a length and
    samples by number.
    With `shuffle` every epoch has a new order, drawn from the loader's own generator: the same `seed` gives
    the same orders, whatever else draws random numbers. `drop_last` leaves out a last smaller batch.
    `collate` turns a batch into what the loop receives.

    `sampler` gives an epoch's order: an object with `order(generator)` (`WeightedSampler`,
    `StratifiedSampler`) or numbers; `batch_sampler` gives the numbers of each batch. `collate_fn` is
    PyTorch's: a function of the list of samples. With `workers` threads batches are made
    ahead, `prefetch` for each thread, while the loop
    works on one; their order is kept, and an error is raised where its batch would have come. An
    `IterableDataset` is grouped as it comes; it has no length, no order and no position to go on from.

    `state_dict()` taken between two batches and loaded into a loader of the same data goes on with the very
    next batch.

    >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> loader = DataLoader((x, y), batch_size=2, shuffle=True, seed=0)
    >>> len(loader), [labels.tolist() for _, labels in loader]
    (3, [[2, 4], [3, 0], [1]])
    """

    dataset: Any
    batch_size: int
    shuffle: bool
    drop_last: bool
    collate: Callable[..., Any] | None
    collate_fn: Callable[..., Any] | None
    sampler: Sampler | Iterable[int] | None
    batch_sampler: Iterable[Sequence[int]] | None
    workers: int
    prefetch: int
    generator: np.random.Generator

    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            if kwargs:
                refuse_keywords(cls, kwargs)
            return object.__new__(cls)

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | None = None,
        generator: np.random.Generator | None = None,
        collate: Callable[[Any], Any] | None = None,
        sampler: Sampler | Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        workers: int = 0,
        prefetch: int = 2,
    ) -> None:
        if isinstance(dataset, tuple):
            dataset = TensorDataset(*dataset)
        if not _is_whole(batch_size) or batch_size < 1:
            raise ValueError(
                lesson("DataLoader(batch_size=)", "wants a whole number of 1 or more", f"{batch_size!r}")
            )
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.collate, self.collate_fn = collate, collate_fn
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.workers, self.prefetch = workers, prefetch
        self._check(seed)
        self.generator = generator if generator is not None else np.random.default_rng(seed)
        self._start = self.generator.bit_generator.state  # of the generator, as the current epoch began
        self._given = 0  # batches of the current epoch that were given out
        self._resuming = False

    def _check(self, seed: int | None) -> None:
        given = [
            name
            for name in ("shuffle", "sampler", "batch_sampler")
            if getattr(self, name) is not None and getattr(self, name) is not False
        ]
        if len(given) > 1:
            raise ValueError(lesson("DataLoader(...)", "wants one thing that orders", " and ".join(given)))
        if given and self.comes:
            wanted = "takes an IterableDataset in the order in which it comes"
            raise ValueError(lesson("DataLoader(...)", wanted, given[0]))
        counts = self.workers, self.prefetch
        if not all(map(_is_whole, counts)) or self.workers < 0 or self.prefetch < 1:
            wanted, got = "wants whole numbers, 0 or more and 1 or more", f"{counts[0]!r} and {counts[1]!r}"
            raise ValueError(lesson("DataLoader(workers=, prefetch=)", wanted, got))

    @property
    def comes(self) -> bool:
        """Whether the samples come one after the other, and cannot be asked for by number."""
        return not hasattr(self.dataset, "__getitem__") and hasattr(self.dataset, "__iter__")

    def __len__(self) -> int:
        """Return the number of batches in an epoch; TypeError where it is not known beforehand."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        size = len(self.dataset)
        if self.sampler is not None:
            sized = isinstance(self.sampler, Sized)  # a list has a method of the name count
            size = len(self.sampler) if sized else int(getattr(self.sampler, "count", size))  # type: ignore[arg-type]
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)

    def __repr__(self) -> str:
        ordered = [name for name in ("sampler", "batch_sampler") if getattr(self, name) is not None]
        facts = [f"batches of {self.batch_size}"] * (self.batch_sampler is None)
        facts += ["shuffled"] * bool(self.shuffle) + [f"ordered by a {name}" for name in ordered]
        facts += ["a smaller last one left out"] * self.drop_last
        facts += [f"{self.workers} workers"] * bool(self.workers)
        known = "" if self.comes else f"{len(self.dataset):,} samples, {len(self):,} batches, "
        return f"DataLoader({type(self.dataset).__name__}: {known}{', '.join(facts)})"

    def __iter__(self) -> Iterator[Any]:
        """Give the batches of one epoch; right after `load_state_dict`, those that were left of it."""
        given = self._given if self._resuming else 0
        self._resuming, self._given = False, given
        self._start = self.generator.bit_generator.state
        if self.comes:
            return map(self._finished, self._grouped())
        return self._batches(self._indices(), given)

    def _indices(self) -> list[Any]:
        """Return what each batch of an epoch is made of: slices, or arrays of numbers."""
        if self.batch_sampler is not None:
            return [_numbers("batch_sampler", list(batch)) for batch in self.batch_sampler]
        order: Any = None
        if self.sampler is not None:
            numbers = (
                self.sampler.order(self.generator) if hasattr(self.sampler, "order") else list(self.sampler)
            )
            order = _numbers("sampler", numbers)
        elif self.shuffle:
            order = self.generator.permutation(len(self.dataset))
        size = len(self.dataset) if order is None else len(order)
        stop = size - size % self.batch_size if self.drop_last else size
        cuts = [slice(low, min(low + self.batch_size, size)) for low in range(0, stop, self.batch_size)]
        return cuts if order is None else [order[cut] for cut in cuts]

    def _batches(self, indices: list[Any], given: int) -> Iterator[Any]:
        rest = indices[given:]
        made = self._ahead(rest) if self.workers else map(self._made, rest)
        for number, batch in enumerate(made, start=given + 1):
            self._given = number % len(indices)
            if not self._given:
                self._start = self.generator.bit_generator.state
            yield batch

    def _made(self, index: Any) -> Any:
        if self.collate_fn is None:
            return self._finished(fetch(self.dataset, index))
        numbers = range(*index.indices(len(self.dataset))) if isinstance(index, slice) else index.tolist()
        return self.collate_fn([self.dataset[i] for i in numbers])

    def _finished(self, batch: Any) -> Any:
        return batch if self.collate is None else self.collate(batch)

    def _ahead(self, indices: list[Any]) -> Iterator[Any]:
        """Yield batches that threads make, in order, a few of them ahead."""
        with ThreadPoolExecutor(self.workers, "clearprop loader") as pool:
            waiting = iter(indices)
            ahead = [
                pool.submit(self._made, index) for index in islice(waiting, self.workers * self.prefetch)
            ]
            try:
                while ahead:
                    batch = ahead.pop(0).result()
                    ahead += [pool.submit(self._made, index) for index in islice(waiting, 1)]
                    yield batch
            finally:
                for future in ahead:
                    future.cancel()

    def _grouped(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        while held := list(islice(samples, self.batch_size)):
            if len(held) == self.batch_size or not self.drop_last:
                yield stack(held) if self.collate_fn is None else self.collate_fn(held)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state as this epoch began and how many of its batches were given out."""
        return {"generator": self._start, "given": self._given}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state dict was taken: the next loop starts with the next batch."""
        self.generator.bit_generator.state = state["generator"]
        self._start, self._given, self._resuming = state["generator"], state["given"], True


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _numbers(name: str, given: Any) -> Any:
    """Return the numbers of samples that a sampler gave; complain about fractions and truth values."""
    numbers = np.asarray(given)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        got = f"{numbers.dtype} of shape {numbers.shape}"
        raise TypeError(lesson(f"DataLoader({name}=)", "wants the whole numbers of samples", got))
    return numbers.astype(np.intp)
