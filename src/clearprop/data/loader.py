"""`DataLoader`: a dataset in batches, in an order that can be repeated and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from clearprop.data.dataset import TensorDataset, fetch
from clearprop.errors import lesson


class DataLoader:
    """A dataset in batches: `for x, y in loader`. Each loop is one epoch.

    `dataset` is a TensorDataset, a tuple of arrays or of lists of numbers, or anything with a length and
    samples by number.
    With `shuffle` every epoch has a new order, drawn from the loader's own generator: the same `seed` gives
    the same orders, whatever else draws random numbers. `drop_last` leaves out a last smaller batch.
    `collate` turns a batch into what the loop receives.

    `state_dict()` taken between two batches and loaded into a loader of the same data goes on with the very
    next batch.

    >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> loader = DataLoader((x, y), batch_size=2, shuffle=True, seed=0)
    >>> len(loader), [labels.tolist() for _, labels in loader]
    (3, [[2, 4], [3, 0], [1]])
    """

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
    ) -> None:
        if isinstance(dataset, tuple):
            dataset = TensorDataset(*dataset)
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(
                lesson("DataLoader(batch_size=)", "wants a whole number of 1 or more", f"{batch_size!r}")
            )
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.collate = collate
        self.generator = generator if generator is not None else np.random.default_rng(seed)
        self._start = self.generator.bit_generator.state  # of the generator, as the current epoch began
        self._given = 0  # batches of the current epoch that were given out
        self._resuming = False

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        size = len(self.dataset)
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Give the batches of one epoch; right after `load_state_dict`, those that were left of it."""
        given = self._given if self._resuming else 0
        self._resuming, self._given = False, given
        self._start = self.generator.bit_generator.state
        order = self.generator.permutation(len(self.dataset)) if self.shuffle else None
        return self._batches(order, given)

    def _batches(self, order: Any, given: int) -> Iterator[Any]:
        size, count = len(self.dataset), len(self)
        for number in range(given, count):
            low = number * self.batch_size
            high = min(low + self.batch_size, size)
            batch = fetch(self.dataset, slice(low, high) if order is None else order[low:high])
            self._given = (number + 1) % count
            if not self._given:
                self._start = self.generator.bit_generator.state
            yield batch if self.collate is None else self.collate(batch)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state as this epoch began and how many of its batches were given out."""
        return {"generator": self._start, "given": self._given}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state dict was taken: the next loop starts with the next batch."""
        self.generator.bit_generator.state = state["generator"]
        self._start, self._given, self._resuming = state["generator"], state["given"], True
