"""Rows that several processes share: each has its part in a file of its own, and its rows of every batch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.blocks import BlockFile, BlockLoader
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

BLOCK = 1 << 22  # bytes that go from one process to another at a time


def own_rows(rows: int, batch_size: int, rank: int, size: int) -> tuple[int, int]:
    """Return how many rows of a whole batch and of the last, shorter one fall to a process.

    >>> [own_rows(23, 10, rank, size=4) for rank in range(4)]
    [(2, 0), (3, 1), (2, 1), (3, 1)]
    """
    low, high = ([r * many // size for many in (batch_size, rows % batch_size)] for r in (rank, rank + 1))
    return high[0] - low[0], high[1] - low[1]


class DividedRows:
    """Rows of which each process holds some in a file: as many as fall to it in the batches of an epoch.

    They are in the order of the ranks; `digest` is that of all, whatever the number of processes.
    """

    file: BlockFile
    rows: int
    start: int

    def __init__(self, file: BlockFile, world: Any, batch_size: int) -> None:
        self.file, self.world, self.batch_size = file, world, batch_size
        counts = world.collect(len(file))
        self.rows, self.start = sum(counts), sum(counts[: world.rank])
        whole, last = own_rows(self.rows, batch_size, world.rank, world.size)
        wanted = self.rows // batch_size * whole + last
        if any(world.collect(len(file) != wanted)):
            raise ValueError(
                lesson("DividedRows(file)", "wants the rows that fall to it", f"{len(file)}, not {wanted}")
            )

    def __len__(self) -> int:
        return self.rows

    @classmethod
    def balanced(cls, file: BlockFile, world: Any, batch_size: int) -> DividedRows:
        """Let each process pass on what it has read beyond its part; the file is written anew where it has.

        Raises InputError where a process would have no row of a batch.
        """
        counts = world.collect(len(file))
        rows = sum(counts)
        if min(rows, batch_size) < world.size:
            wanted = f"wants a row of each batch for each of {world.size} processes"
            hint = f"--processes {max(1, min(rows, batch_size))} at most, or a larger --batch-size"
            raise InputError(
                lesson("--processes", wanted, f"{rows} rows in batches of {batch_size}", hint=hint)
            )
        parts = [own_rows(rows, batch_size, rank, world.size) for rank in range(world.size)]
        wanted_rows = [rows // batch_size * whole + last for whole, last in parts]
        if counts != wanted_rows:
            path = file.path.with_name(file.path.name + "-own")
            _exchange(file, path, counts, wanted_rows, world)
            path.replace(file.path)
            file.refresh()
        return cls(file, world, batch_size)

    def digest(self) -> str:
        """Return a few letters that are others for other rows, in any process."""
        found = sum(self.world.collect(self.file.row_digest(self.start)))
        return f"{found % 2**64:016x}"

    def batches(self, batch_size: int, *, seed: int = 0, buffer: int = 128 << 20) -> DividedLoader:
        """Return a loader of this process's rows of each batch; see `BlockFile.batches`."""
        if batch_size != self.batch_size:
            wanted = f"wants batches of the size that the rows lie in, {self.batch_size}"
            raise ValueError(lesson("DividedRows.batches(batch_size)", wanted, f"{batch_size}"))
        return DividedLoader(self, seed=seed, buffer=buffer)


def _exchange(file: BlockFile, path: Path, have: list[int], want: list[int], world: Any) -> None:
    """Write the rows that fall to this process into another file: from each who has some, in order."""
    width = file.kind.itemsize
    step = max(1, BLOCK // width)
    has, wants = (np.cumsum([0, *many]).tolist() for many in (have, want))
    with open(path, "wb") as stream:
        for source in range(world.size):
            for target in range(world.size):
                low, high = max(has[source], wants[target]), min(has[source + 1], wants[target + 1])
                if world.rank not in (source, target):
                    continue
                for start in range(low, high, step):
                    count = min(step, high - start)
                    block = np.empty(count * width, np.uint8)
                    if world.rank == source:
                        block = file.raw(start - has[source], count)
                    if source != target:
                        (world.send if world.rank == source else world.receive)(
                            block, target if world.rank == source else source
                        )
                    if world.rank == target:
                        block.tofile(stream)


class DividedLoader(BlockLoader):
    """A process's own rows of each batch, if it has some left; all batches have one size but the last.

    Each process mixes its own rows, so that a batch is made of one stretch of the table for each process; the
    order depends on the seed, the epoch and the number of processes.
    """

    dataset: Any
    divided = True

    def __init__(self, rows: DividedRows, *, seed: int = 0, buffer: int = 128 << 20) -> None:
        self.rows, self.rank, self.size = rows, rows.world.rank, rows.world.size
        super().__init__(rows.file, rows.batch_size, seed=seed, buffer=buffer)
        self.dataset = rows

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.rows) // self.batch_size)

    @property
    def file(self) -> BlockFile:
        """The rows of this process."""
        return self.rows.file

    def _sizes(self) -> Iterator[int]:
        whole, last = own_rows(len(self.rows), self.batch_size, self.rank, self.size)
        for _ in range(len(self.rows) // self.batch_size):
            yield whole
        if len(self.rows) % self.batch_size:
            yield last

    def _orders(self, stretches: int) -> tuple[Array, list[int]]:
        drawn = int(self.generator.integers(2**63))  # the same in all processes
        return np.random.default_rng([drawn, self.rank]).permutation(stretches), [drawn, self.rank]

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state as this epoch began and how many of its batches were given out."""
        return super().state_dict() | {"processes": self.size}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state dict was taken, exactly so with as many processes."""
        super().load_state_dict(state)
        if state["given"] and state.get("processes", 1) != self.size:
            said = (
                f"it was cut short with {state.get('processes', 1)} processes, and {self.size} mix the rows"
            )
            warnings.warn(
                f"fit(resume=): the rest of this epoch has other rows: {said} otherwise.",
                UserWarning,
                stacklevel=2,
            )
