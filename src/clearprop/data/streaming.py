"""`stream_table`: learn from a table that is larger than memory, with one pass of statistics over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.blocks import BlockFile
from clearprop.data.cells import Numbers, Words, as_number
from clearprop.data.columns import Category, Column, Number, categories, category_of, encode, learn_columns
from clearprop.data.goals import MEASURED_BY_HALF, Classes, Target, learn_target
from clearprop.data.inspection import Reading, inspect, left_out, missing_words, with_target
from clearprop.data.reading.blocks import expected_rows, read_blocks
from clearprop.data.reading.sources import is_read_once
from clearprop.data.tables import Table, stacked
from clearprop.data.targets import labels
from clearprop.errors import InputError, lesson
from clearprop.hints import refuse_texts

Array = npt.NDArray[Any]

SAMPLE = 50_000
"""So many rows, drawn by chance, tell what each column is, and give the medians."""

MOST_DIFFERENT = 200_000
"""So many different words of a column are counted; a column of more is no category."""

MOST_CLASSES = 10_000
"""So many different numbers of a target are counted, in case they are classes."""

HELD_OUT = 100_000
"""So many rows at most are held out to validate, and to test: they are kept in memory."""


@dataclass
class Sums:
    """How many numbers there were, their mean, and the sum of the squared distances from it."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: Array) -> None:
        """Take some more numbers, NaN left out: Chan's formula for two parts (1983).

        >>> sums = Sums()
        >>> sums.add(np.array([1.0, 2.0])), sums.add(np.array([6.0, np.nan]))
        (None, None)
        >>> sums.mean, round(sums.spread ** 2, 12)
        (3.0, 4.666666666667)
        """
        values = values[~np.isnan(values)]
        if not len(values):
            return
        mean, count = float(values.mean()), self.count + len(values)
        apart = mean - self.mean
        self.squares += float(((values - mean) ** 2).sum()) + apart**2 * self.count * len(values) / count
        self.mean += apart * len(values) / count
        self.count = count

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0


@dataclass
class Statistics:
    """What one pass over a table gathers: sums and counts of all training rows, and a sample of them."""

    target: str
    rows: int = 0
    sums: dict[str, Sums] = field(default_factory=dict)
    counts: dict[str, Counter[str | None]] = field(default_factory=dict)
    kinds: dict[str, set[type]] = field(default_factory=dict)
    sample: list[Table] = field(default_factory=list)
    share: float = 1.0
    labels: Counter[str | None] = field(default_factory=Counter)
    seen: int = 0
    missing: int = 0
    gaps: dict[str, None] = field(default_factory=dict)
    """Of all rows, how many there are, how many have no target, and the words that stand there instead."""

    def see(self, block: Table, chance: Array) -> None:
        """Take some training rows; `chance` has a number from 0 to 1 for each."""
        for name, cells in block.cells.items():
            self.kinds.setdefault(name, set()).add(type(cells))
            if isinstance(cells, Numbers):
                self.sums.setdefault(name, Sums()).add(block.known(cells.values))
            elif isinstance(cells, Words) and len(counts := self.counts.setdefault(name, Counter())) <= (
                MOST_DIFFERENT
            ):
                counts.update(_counted(block, name))
        self.sample.append(block.rows(np.flatnonzero(chance < self.share)))
        if sum(map(len, self.sample)) > 2 * SAMPLE:
            self.thin()

    def thin(self) -> None:
        """Keep half of the sample, the same half whatever the blocks are."""
        whole, chances = stacked(self.sample), np.concatenate([_chance(t.lines) for t in self.sample])
        self.share /= 2
        self.sample = [whole.rows(np.flatnonzero(chances < self.share))]


def _counted(block: Table, name: str) -> dict[str | None, int]:
    values, codes = categories(block, name)
    return dict(zip(values, np.bincount(codes, minlength=len(values)).tolist(), strict=True))


def _chance(lines: Array, salt: int = 1) -> Array:
    """Return a number from 0 to 1 for each line, the same whenever the line is (splitmix64)."""
    x = lines.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((x ^ (x >> np.uint64(31))).astype(np.float64) / 2.0**64)


@dataclass
class TableStream:
    """A table that was gone through once: how its columns and target are encoded, and rows held out.

    `cache(path)` reads it a second time and writes the training rows as the network reads them;
    `batches(...)` gives them in batches, shuffled. `sample` is a part of the training rows as a Table, `rows`
    the numbers of rows to learn from, to validate and to test.
    """

    path: str
    reading: Reading
    columns: Sequence[Column]
    target: Target
    sample: Table
    validation: Table
    test: Table
    rows: tuple[int, int, int]
    blocks: Any
    shares: tuple[float, float]
    seed: int
    counts: Array | None = None
    """Of a target of classes, once the rows were written: how many of those to learn from each has."""

    def cache(
        self,
        path: str | Path,
        watch: Sequence[Callable[[Table], None]] = (),
        weights: Callable[[Table], Array] | None = None,
    ) -> BlockFile:
        """Write the encoded training rows into a file, and return it as a source of batches.

        Functions in `watch` are given the training rows of each piece, `weights` tells what each row counts.
        The file takes four bytes for each input and weight, and eight for the target of each row.
        """
        classes = len(self.target.values) if isinstance(self.target, Classes) else 0
        width = sum(column.width for column in self.columns)
        kinds: list[Any] = [((width,), np.float32), ((), np.int64) if classes else ((1,), np.float32)]
        kinds += [] if weights is None else [((), np.float32)]
        counts = np.zeros(classes, np.int64)
        with BlockFile.writing(path, *kinds) as file:
            for block in self.blocks():
                known = ~block.absent(self.target.name)
                training = _parts(block.lines, self.shares, self.seed) == 0
                part = block.rows(np.flatnonzero(known & training))
                if len(part):
                    for look in watch:
                        look(part)
                    targets = self.target.encode(part)
                    counts += np.bincount(targets, minlength=classes) if classes else 0
                    weighed = [] if weights is None else [weights(part)]
                    file.add(encode(part, self.columns), targets, *weighed)
        self.counts = counts if classes else None
        return BlockFile(path, *kinds)


def stream_table(
    path: Any,
    target: str,
    *,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    loss: str = "mse",
    levels: Sequence[float] = (),
    robust: bool = False,
    block_rows: int = 1 << 16,
    watch: Callable[[Table], Any] | None = None,
    **spelling: Any,
) -> TableStream:
    """Go through a table once, piece by piece, and find how to learn from it; return a TableStream.

    What a column is and the medians come from a sample of the training rows; means, spreads and the counts of
    categories from all of them (of the target too, unless its `loss` is one that far numbers do not rule).
    Whether a row is held out depends on its line and `seed` alone; at most `HELD_OUT` are, for each of the
    two purposes. The table is gone through again where a column turns out to need its cells as they are
    written. `watch` is given each piece of it. `spelling` is what `read_blocks` takes, the rest as
    `clearprop train` has it. Raises InputError as these do.

    >>> rows = "".join(f"{i % 7},{'ab'[i % 2]}\\n" for i in range(60))
    >>> stream = stream_table(("x,kind\\n" + rows).encode(), "kind")
    >>> stream.target.values, sum(stream.rows)
    (('a', 'b'), 60)
    """
    refuse_texts("stream_table", robust=robust)
    if is_read_once(path):
        wanted, got = "wants a file, which is read more than once", f"{path!s:.60} can be read once"
        raise InputError(lesson("stream_table(path)", wanted, got, hint="read_table, or a file of it"))
    asked = dict(columns or {})
    as_written = {name for name, kind in asked.items() if kind in ("category", "text")}

    def blocks() -> Iterator[Table]:
        for block in read_blocks(path, block_rows, **spelling):
            block.verbatim(as_written & set(block.cells))
            yield block

    expected = expected_rows(path)
    shares = min(validation, HELD_OUT / expected), min(test, HELD_OUT / expected)
    while True:
        statistics, held = _gathered(blocks(), target, shares, seed, watch)
        sample = stacked(statistics.sample)
        reading = inspect(sample, target, task=task, columns=asked, delimiter=sample.delimiter)
        again = _to_be_read_again(statistics, reading) - as_written
        if not again:
            break
        as_written |= again
    sample = with_target(sample, reading)
    if statistics.missing:
        words = list(statistics.gaps)
        reading.remarks.append(left_out(target, statistics.missing, statistics.seen, words))
    learned = learn_columns(sample, reading, robust=robust)
    encodings = [_refined(column, statistics, robust) for column in learned]
    aim = _aim(reading, sample, statistics, loss, levels)
    rows = statistics.rows, len(held[0]), len(held[1])
    return TableStream(sample.path, reading, encodings, aim, sample, *held, rows, blocks, shares, seed)


def _gathered(
    blocks: Iterator[Table],
    target: str,
    shares: tuple[float, float],
    seed: int,
    watch: Callable[[Table], Any] | None,
) -> tuple[Statistics, tuple[Table, Table]]:
    """Return what one pass over the table finds, and the rows to validate and to test."""
    statistics = Statistics(target)
    held: tuple[list[Table], list[Table]] = [], []
    for block in blocks:
        block.found(target, "the target")
        known = ~block.absent(target)
        if watch is not None:
            watch(block.rows(np.flatnonzero(known)))
        statistics.seen += len(block)
        statistics.missing += int((~known).sum())
        statistics.gaps |= dict.fromkeys(missing_words(block, target))
        part = _parts(block.lines, shares, seed)
        cells = block.found(target)
        if isinstance(cells, Words):
            statistics.labels.update(_counted(block, target))
        elif isinstance(cells, Numbers) and len(statistics.labels) <= MOST_CLASSES:
            different = np.unique(block.known(cells.values)[known])[: MOST_CLASSES + 1]
            statistics.labels.update(labels(Numbers(different).cells()))
        learned = block.rows(np.flatnonzero(known & (part == 0)))
        statistics.rows += len(learned)
        statistics.see(learned, _chance(learned.lines))
        for number, tables in enumerate(held, start=1):
            tables.append(block.rows(np.flatnonzero(known & (part == number))))
    return statistics, (stacked(held[0]), stacked(held[1]))


def _parts(lines: Array, shares: tuple[float, float], seed: int) -> Array:
    """Return for each line 0, to learn from it, 1, to validate, or 2, to test."""
    place = _chance(lines, seed + 2)
    return np.where(place < shares[0], 1, np.where(place < shares[0] + shares[1], 2, 0))


def _to_be_read_again(statistics: Statistics, reading: Reading) -> set[str]:
    """Return the columns that were numbers here and there, but whose cells matter as they are written."""
    found = {name for name, kinds in statistics.kinds.items() if len(kinds) > 1}
    dresses = {name: finding.dress for name, finding in reading.findings.items() if finding.used}
    dresses[reading.target] = reading.aim.dress
    numeric = {name for name, kinds in statistics.kinds.items() if Numbers in kinds}
    found |= {name for name, dress in dresses.items() if dress.percent or dress.decimal == ","} & numeric
    return found | (set(reading.texts) & numeric)


def _refined(column: Column, statistics: Statistics, robust: bool) -> Column:
    """Return a column with what all training rows say in place of what the sample does."""
    name, plain = column.name, statistics.kinds[column.name] == {Numbers}
    if isinstance(column, Number) and plain and column.dress.plain and not robust:
        sums = statistics.sums[name]
        return replace(column, mean=sums.mean, scale=_scale(sums))
    counts = statistics.counts.get(name, Counter())
    if isinstance(column, Category) and 0 < len(counts) <= MOST_DIFFERENT:
        if column.folded:
            folded: Counter[str | None] = Counter()
            for word, number in counts.items():
                folded[word if word is None else word.lower()] += number
            counts = folded
        return category_of(name, counts, column.folded, robust)
    return column


def _scale(sums: Sums) -> float:
    return sums.spread if sums.spread > 1e-12 * abs(sums.mean) else 1.0


def _aim(
    reading: Reading, sample: Table, statistics: Statistics, loss: str, levels: Sequence[float]
) -> Target:
    """Return the target: every class that is in the table, or the mean and spread of all training rows."""
    aim = learn_target(sample, reading, sample, loss=loss, levels=levels)
    name = reading.target
    if isinstance(aim, Classes):
        known = [label for label in statistics.labels if label is not None]
        numeric = all(as_number(label) is not None for label in known)
        return Classes(name, tuple(sorted(known, key=float if numeric else None)))
    if statistics.kinds[name] == {Numbers} and aim.dress.plain and loss not in MEASURED_BY_HALF:
        sums = statistics.sums[name]
        return replace(aim, mean=sums.mean, scale=_scale(sums))
    return aim
