"""How a batch is made: of samples by their numbers, or of those that come next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from clearprop.data.dataset import fetch, stack
from clearprop.data.draws import Draws
from clearprop.data.workers import get_worker_info
from clearprop.errors import lesson


class Made:
    """Makes a batch of a dataset's samples, named by a slice or an array of numbers."""

    dataset: Any
    collate: Any
    collate_fn: Any

    is_stream = False

    def __init__(self, dataset: Any, collate: Any, collate_fn: Any) -> None:
        self.dataset, self.collate, self.collate_fn = dataset, collate, collate_fn

    def __call__(self, index: Any) -> Any:
        """Return the batch."""
        if self.collate_fn is None:
            batch = fetch(self.dataset, index)
            return batch if self.collate is None else self.collate(batch)
        numbers = range(*index.indices(len(self.dataset))) if isinstance(index, slice) else index.tolist()
        return self.collate_fn([self.dataset[i] for i in numbers])

    def answer(self, index: Any) -> tuple[str, Any]:
        """Return what a worker answers with."""
        return "batch", self(index)


class Incoming:
    """Groups the samples of an IterableDataset: `answer` gives the next batch of an epoch.

    Among several workers each goes through all samples and makes every n-th batch, so that the batches are
    those of one process; a dataset that asks `get_worker_info` which part is its own has all of its batches
    made.
    """

    dataset: Any
    collate: Any
    collate_fn: Any
    size: int | None
    drop_last: bool
    batches: Iterator[Any]

    is_stream = True

    def __init__(
        self, dataset: Any, size: int | None, drop_last: bool, collate: Any, collate_fn: Any
    ) -> None:
        self.dataset, self.collate, self.collate_fn = dataset, collate, collate_fn
        self.size, self.drop_last = size, drop_last
        self.epoch: Any = None

    def __iter__(self) -> Iterator[Any]:
        me, shared = get_worker_info(), False
        for number, held in enumerate(self._groups()):
            if me is not None:
                if number and me.asked is shared:
                    raise RuntimeError(lesson(*_TOO_LATE))
                shared = not me.asked
            if not shared or me is None or me.is_mine(number):
                yield self._batch(held)

    def _batch(self, held: Any) -> Any:
        if self.collate_fn is not None:
            return self.collate_fn(held)
        batch = stack(held)
        return batch if self.collate is None else self.collate(batch)

    def _groups(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.size is None:
            yield from samples
            return
        while held := list(islice(samples, self.size)):
            if len(held) == self.size or not self.drop_last:
                yield held

    def answer(self, epoch: Any) -> tuple[str, Any]:
        """Return what a worker answers with: the next batch, or that there is none."""
        if epoch != self.epoch:
            self.epoch, self.batches = epoch, iter(self)
        for batch in self.batches:
            return "batch", batch
        return "end", None


_TOO_LATE = (
    "get_worker_info()",
    "is to be asked before the first batch is full",
    "it was asked later, when batches had been given to other workers",
    "",
    "get_worker_info() in the first line of __iter__",
)


# --- one by one, or ahead -----------------------------------------------------------------------------------
def in_turn(make: Any, tasks: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    """Yield what is made of tasks, each with the draws that its numbers settle."""
    draws = Draws(make)
    for index, words in tasks:
        with draws.of(words):
            batch = make(index)
        yield batch


def flowing(make: Incoming, words: Any) -> Iterator[Any]:
    """Yield the batches of a stream, whose draws go on from batch to batch, whatever is drawn between."""
    draws, batches, begun = Draws(make), iter(make), False
    while True:
        with draws.of(words, goes_on=begun):
            found = [*islice(batches, 1)]
        if not found:
            return
        begun = True
        yield found[0]


def by_threads(make: Any, indices: Iterable[Any], workers: int, prefetch: int) -> Iterator[Any]:
    """Yield batches that threads make, in order, a few of them ahead."""
    with ThreadPoolExecutor(workers, "clearprop loader") as pool:
        waiting = iter(indices)
        ahead = deque(pool.submit(make, index) for index in islice(waiting, workers * prefetch))
        try:
            while ahead:
                batch = ahead.popleft().result()
                ahead.extend(pool.submit(make, index) for index in islice(waiting, 1))
                yield batch
        finally:
            for future in ahead:
                future.cancel()
