"""`BlockFile`: encoded rows kept in a file, and batches of them shuffled through a buffer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.twins import mixed
from clearprop.errors import lesson

Array = npt.NDArray[Any]
Kind = tuple[tuple[int, ...], Any]


class BlockFile:
    """Rows of some arrays, one behind the other in a file: as many as fit can be read from any place.

    `kinds` has the shape of one row and the dtype of each array: inputs, targets and, where there are more,
    what else belongs to the targets, as the weights of rows do; batches are pairs then, (x, (y, weights)).

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows"
    >>> with BlockFile.writing(path, ((2,), np.float32), ((), np.int64)) as file:
    ...     file.add(np.ones((3, 2)), np.arange(3))
    >>> rows = BlockFile(path, ((2,), np.float32), ((), np.int64))
    >>> len(rows), rows.read(1, 3)[1]
    (3, array([1, 2]))
    """

    def __init__(self, path: str | Path, *kinds: Kind) -> None:
        self.path: Path = Path(path)
        self.kind: Any = np.dtype([(str(i), dtype, shape) for i, (shape, dtype) in enumerate(kinds)])
        self.size: int = self.path.stat().st_size
        self.rows: int = self.size // self.kind.itemsize

    def __len__(self) -> int:
        return self.rows

    @classmethod
    @contextmanager
    def writing(cls, path: str | Path, *kinds: Kind) -> Iterator[_BlockWriter]:
        """Open a file to add rows to, array by array; what stood there is gone."""
        Path(path).write_bytes(b"")
        file = cls(path, *kinds)
        with open(path, "wb") as stream:
            yield _BlockWriter(stream, file.kind)

    def refresh(self) -> None:
        """Take note of what was written into the file since it was opened."""
        self.size = self.path.stat().st_size
        self.rows = self.size // self.kind.itemsize

    def raw(self, start: int, count: int) -> Array:
        """Return the bytes of `count` rows from `start` on."""
        width = self.kind.itemsize
        with open(self.path, "rb") as stream:
            stream.seek(start * width)
            return np.fromfile(stream, np.uint8, count * width)

    def read(self, start: int, stop: int) -> tuple[Array, ...]:
        """Return rows `start` to `stop` of each array."""
        found = self.raw(start, stop - start).view(self.kind)
        return tuple(np.ascontiguousarray(found[name]) for name in self.kind.names or ())

    def digest(self) -> str:
        """Return a few letters that are others for other rows."""
        return f"{self.row_digest(0):016x}"

    def row_digest(self, before: int) -> int:
        """Return the sum, modulo 2^64, of a hash of each row and its number, which starts from `before`.

        So files that lie behind each other have together what one file of all their rows has.
        """
        width = self.kind.itemsize
        words, total = -(-width // 8), 0
        for start in range(0, self.rows, 1 << 14):
            raw = self.raw(start, min(1 << 14, self.rows - start)).reshape(-1, width)
            padded = np.zeros((len(raw), 8 * words), np.uint8)
            padded[:, :width] = raw
            codes = np.arange(before + start, before + start + len(raw), dtype=np.uint64)
            for word in padded.view(np.uint64).T:
                codes = mixed(codes ^ word)
            total += int(codes.sum(dtype=np.uint64))
        return total % 2**64

    def batches(self, batch_size: int, *, seed: int = 0, buffer: int = 128 << 20) -> BlockLoader:
        """Return a loader of shuffled batches; `buffer` is how many bytes of rows it holds at a time."""
        return BlockLoader(self, batch_size, seed=seed, buffer=buffer)


class _BlockWriter:
    def __init__(self, stream: Any, kind: np.dtype[Any]) -> None:
        self.stream, self.kind = stream, kind

    def add(self, *arrays: Any) -> None:
        """Add some rows."""
        rows = np.empty(len(arrays[0]), self.kind)
        for name, array in zip(self.kind.names or (), arrays, strict=True):
            rows[name] = array
        rows.tofile(self.stream)


class BlockLoader:
    """Batches of a BlockFile for `train.fit`: each epoch in a new order, with a bounded part in memory.

    Stretches of rows are read in a random order, as many as the buffer holds, and mixed within it. With a
    buffer of all rows that is a whole shuffle; with a smaller one rows that lie near each other in the table
    stay within a buffer. All batches have one size but the last.

    `state_dict()` and `load_state_dict` go on with the very next batch, as those of a DataLoader do.
    """

    dataset: BlockFile
    batch_size: int

    stretches = 64
    """The buffer holds so many stretches."""

    def __init__(
        self, dataset: BlockFile, batch_size: int, *, seed: int = 0, buffer: int = 128 << 20
    ) -> None:
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            wanted = "wants a whole number of 1 or more"
            raise ValueError(lesson("BlockLoader(batch_size=)", wanted, repr(batch_size)))
        self.dataset, self.batch_size = dataset, int(batch_size)
        self.stretch: int = max(1, buffer // (self.stretches * dataset.kind.itemsize))
        self.generator: np.random.Generator = np.random.default_rng(seed)
        self._start = self.generator.bit_generator.state
        self._given, self._resuming = 0, False

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Give the batches of one epoch; right after `load_state_dict`, those that were left of it."""
        skipped = self._given if self._resuming else 0
        self._resuming, self._given = False, skipped
        self._start = self.generator.bit_generator.state
        return self._batches(skipped)

    def _batches(self, skipped: int) -> Iterator[tuple[Any, ...]]:
        count, buffers = len(self), self._buffers()
        held, start = self.file.read(0, 0), 0
        for number, size in enumerate(self._sizes(), start=1):
            batch = tuple(array[start : start + size] for array in held)
            start += size
            if start + size > len(held[0]):  # no batch is a part of a buffer that is gone
                batch = tuple(map(np.copy, batch))
            while len(batch[0]) < size:
                held = ()  # while the next ones are read
                held, start = next(buffers), size - len(batch[0])
                batch = tuple(np.concatenate([a, b[:start]]) for a, b in zip(batch, held, strict=True))
            if number > skipped:
                self._note(number, count)
                yield _paired(batch)

    def _sizes(self) -> Iterator[int]:
        """Yield how many rows each batch of an epoch has."""
        rows = len(self.file)
        for start in range(0, rows, self.batch_size):
            yield min(self.batch_size, rows - start)

    def _buffers(self) -> Iterator[tuple[Array, ...]]:
        """Yield the rows, mixed, a buffer at a time: each stretch is read to where its rows are to lie."""
        rows, kind = len(self.file), self.file.kind
        places, seed = self._orders(-(-rows // self.stretch))
        for number in range(0, len(places), self.stretches):
            starts = (places[number : number + self.stretches] * self.stretch).tolist()
            ends = [min(start + self.stretch, rows) for start in starts]
            order = np.random.default_rng([*seed, number]).permutation(sum(ends) - sum(starts))
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            buffer = tuple(np.empty((len(order), *kind[n].shape), kind[n].base) for n in kind.names or ())
            seen = 0
            for start, end in zip(starts, ends, strict=True):
                there = place[seen : seen + end - start]
                for array, part in zip(buffer, self.file.read(start, end), strict=True):
                    array[there] = part
                seen += end - start
            yield buffer
            del buffer  # while the next one is read

    def _orders(self, stretches: int) -> tuple[Array, list[int]]:
        """Return the order of the stretches, and what the rows of each buffer are mixed by."""
        return self.generator.permutation(stretches), [int(self.generator.integers(2**63))]

    @property
    def file(self) -> BlockFile:
        """The rows."""
        return self.dataset

    def _note(self, number: int, count: int) -> None:
        self._given = number % count
        if not self._given:
            self._start = self.generator.bit_generator.state

    def in_order(self) -> InOrder:
        """Return all rows in the file's order: to look at them draws nothing from the generator."""
        return InOrder(self.file)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state as this epoch began and how many of its batches were given out."""
        return {"generator": self._start, "given": self._given}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state dict was taken: the next loop starts with the next batch."""
        self.generator.bit_generator.state = state["generator"]
        self._start, self._given, self._resuming = state["generator"], state["given"], True


class InOrder:
    """The rows of a BlockFile as they lie there, some thousands at a time."""

    dataset: BlockFile
    size: int

    def __init__(self, dataset: BlockFile, size: int = 1 << 14) -> None:
        self.dataset, self.size = dataset, size

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(self.dataset), self.size):
            yield _paired(self.dataset.read(start, min(start + self.size, len(self.dataset))))


def _paired(arrays: tuple[Array, ...]) -> tuple[Any, ...]:
    """Return the arrays of a batch as inputs and targets."""
    return arrays if len(arrays) <= 2 else (arrays[0], arrays[1:])
