"""A table that is read in pieces, for `clearprop train`: what of it is in memory, and its rows in a file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearprop.cli.job import (
    DATA_SETS,
    Job,
    asked_columns,
    levels_of,
    no_number,
    one_scale,
    set_aside,
    told_aside,
)
from clearprop.cli.settling import StreamedWeights, none_counts, weights_of_rows
from clearprop.cli.spelling import reading_options
from clearprop.data.blocks import BlockFile
from clearprop.data.divided import DividedRows
from clearprop.data.reading.shares import Alone, agreed
from clearprop.data.reading.sources import is_read_once
from clearprop.data.streaming import TableStream, stream_table
from clearprop.data.twins import Twins
from clearprop.errors import InputError, lesson
from clearprop.files import make_room

if TYPE_CHECKING:
    from clearprop.cli.train_report import TrainingReport
    from clearprop.train import History


class FoldRows(NamedTuple):
    """A table divided for one fold, and the file of the rows to learn from."""

    stream: TableStream
    rows: BlockFile


class StreamedJob(Job):
    """A table that is read in pieces: the training rows lie encoded in a file while the network learns."""

    def __init__(self, args: argparse.Namespace, hidden: list[int]) -> None:
        self.args = args
        self.world: Any = args.world or Alone()
        _check(args)
        asked = asked_columns(args)
        set_aside(args, args.target, asked)
        self.weights = None if args.sample_weight is None else StreamedWeights(args.sample_weight)
        self.stream = stream_table(
            args.data,
            args.target,
            validation=args.validation_split,
            test=args.test_split,
            seed=args.seed,
            task=args.task,
            columns=asked,
            many_classes=args.many_classes,
            watch=None if self.weights is None else self.weights.look,
            loss=args.loss or "mse",
            levels=levels_of(args),
            robust=not args.plain,
            group=args.group,
            time=args.time,
            world=args.world,
            **reading_options(args),
        )
        if self.weights is not None:
            self.weights.largest = max(self.world.collect(self.weights.largest))
        self._take(self.stream)
        if self.reading.task == "classification":
            self._find_rarer(self.stream.target)
        told_aside(args, self.reading)
        for part in (self.validation, self.test):
            weights_of_rows(args, part)
        if args.loss is not None and self.reading.task == "classification":
            raise no_number()
        self._make(hidden, self.stream.columns, self.stream.target)
        self.rows: Any = None

    def _take(self, stream: TableStream) -> None:
        """Work on the rows of a stream."""
        self.stream = stream
        self.reading, self.table, self.training = stream.reading, stream.sample, stream.sample
        self.validation, self.test = stream.validation, stream.test
        self.parts = tuple(range(number) for number in stream.rows)  # type: ignore[assignment]

    def tell(self, report: TrainingReport) -> None:
        """Print what was found in the table."""
        size = self._bytes(self.stream)
        drawn = f"{len(self.table):,} rows, drawn by chance, told what each column is"
        self.reading.remarks += self._weighed_classes()
        self.reading.remarks.append(
            f"read in pieces: {drawn}; the rows to learn from take {size / 1e6:,.1f} MB on the disk, "
            "beside the output, until the training ends"
        )
        if self.world.size > 1:
            read = ", ".join(f"{rows:,}" for rows in self.stream.blocks.read)
            self.reading.remarks.append(
                f"each of {self.world.size} processes reads a part of the rows, {read}, "
                "and learns from as many as the others; it mixes its own"
            )
        report.data(self.table, self.reading, self.model, self.parts, rows=sum(self.stream.rows))

    def _bytes(self, stream: TableStream) -> int:
        """Return how many bytes the encoded rows to learn from take."""
        width = sum(column.width for column in stream.columns)
        more = (4 if self.reading.task == "regression" else 8) + 4 * (self.weights is not None)
        return stream.rows[0] * (4 * width + more)

    def data(self) -> Any:
        """Return batches from the file of encoded rows."""
        size = self.args.batch_size
        if isinstance(self.rows, DividedRows) and self.rows.batch_size != size:  # as `--search` tries it
            self.rows = DividedRows.balanced(self.rows.file, self.world, size)
        return self.rows.batches(size, seed=self.args.seed)

    def followed(self) -> list[Any]:
        """Return what is followed besides the loss: nothing where no process has rows to measure on."""
        return [] if self.world.size > 1 and not len(self.validation) else super().followed()

    def begin(self, hidden: list[int], parts: Any) -> None:
        """Make the network anew: for a fold, or for the rows as they were divided when they were read."""
        if isinstance(parts, FoldRows):
            self._take(parts.stream)
            self.rows = parts.rows
        self._make(hidden, self.stream.columns, self.stream.target)

    def folds(self, asked: argparse.Namespace, seed: int) -> Iterator[Any]:
        """Give each fold: the table is gone through twice for it, and its rows lie in a file of their own."""
        count, rows = asked.folds, sum(self.stream.rows)
        if count > rows:
            raise InputError(lesson(f"--folds {count}", "wants a row or more for each fold", f"{rows} rows"))
        give = None if self.weights is None else self.weights.give
        path = Path(self.rows.path).with_name("fold")
        for stream in self.stream.folds(count, asked.validation_split, seed):
            make_room(path, self._bytes(stream))
            yield FoldRows(stream, stream.cache(path, weights=give))

    def counts(self) -> Any:
        """Return how many of the rows to learn from each class has: of a sample, until all are laid out."""
        return super().counts() if self.stream.counts is None else self.stream.counts

    @contextmanager
    def laid_out(self, report: TrainingReport) -> Iterator[None]:
        """Write the encoded rows into a file, which all trainings learn from, and take it away."""
        folder = Path(self.args.output or "out").resolve().parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".rows-", dir=folder) as place:
            path = Path(place, "rows")
            agreed(self.world, lambda: make_room(path, self._bytes(self.stream) // self.world.size))
            twins = [Twins(self._read(), part) for part in (self.validation, self.test)]
            give = None if self.weights is None else self.weights.give
            rows = self.rows = self.stream.cache(path, [twin.see for twin in twins], give)
            for twin in twins:
                twin.met = np.any(self.world.collect(twin.met), axis=0)
            if self.world.size > 1:
                self.rows = DividedRows.balanced(rows, self.world, self.args.batch_size)
            counts = give is None or any(batch[1][1].any() for batch in self.data().in_order())
            if not any(self.world.collect(counts)):
                raise none_counts(self.args.sample_weight, len(self.rows))
            for remark in self._known_said([twin.count for twin in twins]):
                self.reading.remarks.append(remark)
                report.note(remark)
            self._tell_absent(report)
            yield

    def train(self, report: TrainingReport) -> History:
        """Learn from the file of encoded rows."""
        history = super().train(report)
        peaks = [f"{peak:,.0f}" for peak in self.world.collect(_peak())]
        where = f" in {len(peaks)} processes" if len(peaks) > 1 else ""
        report.say(f"memory at its peak: {', '.join(peaks)} MB{where}\n")
        return history

    def facts(self) -> dict[str, str]:
        """Return what a checkpoint has to be of, besides what `fit` sees, which digests the rows."""
        self.table, whole = self.stream.test, self.table
        try:
            return super().facts()
        finally:
            self.table = whole


def _peak() -> float:
    """Return how many MB this process had at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6)


def _check(args: argparse.Namespace) -> None:
    """Raise InputError for what cannot be streamed."""
    if args.data in DATA_SETS or is_read_once(args.data) or args.target is None:
        wanted = "wants a file, which is read more than once, and its target"
        hint = "--target COLUMN" if args.target is None else "writing it into a file first"
        raise InputError(lesson("--stream", wanted, repr(args.data), hint=hint))
    if one_scale(args):
        raise InputError(lesson("--stream", "scales each column by its own spread", "--scaling table"))
