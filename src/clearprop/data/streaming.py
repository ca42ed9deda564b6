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
from clearprop.data.divisions import ByLine, ByTime, Division, FoldByLine, Groups, chance, latest
from clearprop.data.goals import MEASURED_BY_HALF, Classes, Target, learn_target
from clearprop.data.inspection import Reading, inspect, left_out, missing_words, with_target
from clearprop.data.reading.blocks import expected_rows, read_blocks
from clearprop.data.reading.shares import Alone, Share, agreed, is_many
from clearprop.data.reading.sources import is_read_once
from clearprop.data.sums import Sums
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
"""So many rows are held out to validate, and to test, and twice as many at most: they are kept in memory."""


class Drawn:
    """Rows drawn by chance from pieces: all of few, else from `most` to twice as many."""

    share: float
    seen: int

    def __init__(self, most: int) -> None:
        self.most, self.pieces, self.share, self.seen = most, list[Table](), 1.0, 0

    def add(self, block: Table) -> None:
        """Draw from some more rows."""
        self.seen += len(block)
        self.pieces.append(block.rows(np.flatnonzero(chance(block.lines) < self.share)))
        while sum(map(len, self.pieces)) > 2 * self.most:
            self._thin()

    def _thin(self) -> None:
        """Keep half of the rows, the same half whatever the pieces are."""
        self.share /= 2
        whole = self.table()
        self.pieces = [whole.rows(np.flatnonzero(chance(whole.lines) < self.share))]

    def table(self) -> Table:
        """Return the rows that were drawn."""
        return stacked(self.pieces)

    def joined(self, world: Any) -> None:
        """Take what all processes have drawn: the rows that one process would have drawn from all pieces."""
        whole = self.table()
        own = chance(whole.lines)
        halves = [2.0**-k for k in range(65)]
        counts = [int((own < half).sum()) if half <= self.share else 4 * self.most + 1 for half in halves]
        few = np.sum(world.collect(counts), axis=0) <= 2 * self.most
        self.share = halves[int(np.argmax(few))]
        tables = world.collect(whole.rows(np.flatnonzero(own < self.share)))
        self.pieces = [table for table in tables if len(table)] or tables[:1]
        self.seen = sum(world.collect(self.seen))

    def said(self, purpose: str) -> list[str]:
        """Return what is to be said where not all rows were kept."""
        kept = sum(map(len, self.pieces))
        told = f"of {self.seen:,} rows {purpose} {kept:,} are kept, drawn by chance: they stay in memory"
        return [told] if self.share < 1 else []


@dataclass
class Statistics:
    """What one pass over a table gathers: sums and counts of all training rows, and a sample of them."""

    target: str
    rows: int = 0
    sums: dict[str, Sums] = field(default_factory=dict)
    counts: dict[str, Counter[str | None]] = field(default_factory=dict)
    kinds: dict[str, set[type]] = field(default_factory=dict)
    sample: Drawn = field(default_factory=lambda: Drawn(SAMPLE))
    labels: Counter[str | None] = field(default_factory=Counter)
    seen: int = 0
    missing: int = 0
    gaps: dict[str, None] = field(default_factory=dict)
    """Of all rows, how many there are, how many have no target, and the words that stand there instead."""

    def see(self, block: Table) -> None:
        """Take some training rows."""
        self.rows += len(block)
        for name, cells in block.cells.items():
            self.kinds.setdefault(name, set()).add(type(cells))
            if isinstance(cells, Numbers):
                self.sums.setdefault(name, Sums()).add(block.known(cells.values))
            elif isinstance(cells, Words) and len(counts := self.counts.setdefault(name, Counter())) <= (
                MOST_DIFFERENT
            ):
                counts.update(_counted(block, name))
        self.sample.add(block)

    def joined(self, world: Any) -> None:
        """Take what all processes have seen, in the order of their ranks."""
        self.sample.joined(world)
        others = world.collect(replace(self, sample=Drawn(0)))
        for name in ("rows", "seen", "missing"):
            setattr(self, name, sum(getattr(other, name) for other in others))
        self.sums, self.counts, self.kinds, self.labels, self.gaps = {}, {}, {}, Counter(), {}
        for other in others:
            self.labels.update(other.labels)
            self.gaps |= other.gaps
            for name, kinds in other.kinds.items():
                self.kinds.setdefault(name, set()).update(kinds)
            for name, sums in other.sums.items():
                self.sums.setdefault(name, Sums()).join(sums)
            for name, counts in other.counts.items():
                self.counts.setdefault(name, Counter()).update(counts)

    def different(self) -> list[str]:
        """Return the different cells of the target, of numbers the first of many."""
        return [label for label in self.labels if label is not None]


def _counted(block: Table, name: str) -> dict[str | None, int]:
    values, codes = categories(block, name)
    return dict(zip(values, np.bincount(codes, minlength=len(values)).tolist(), strict=True))


class Pieces:
    """A table to be gone through piece by piece, as often as it takes, some columns as they are written.

    With `world` these are the pieces of this process's share of it.
    """

    expected: int
    """About how many rows it has."""
    read: list[int]
    """How many rows each process has read."""

    def __init__(
        self, path: Any, rows: int, as_written: set[str], spelling: Mapping[str, Any], world: Any = None
    ) -> None:
        self.rows, self.as_written, self.spelling = rows, as_written, spelling
        self.world: Any = world or Alone()
        self.path = path
        self.share: Share | None = None
        self.read = []
        if world is not None or isinstance(path, (list, tuple)) or is_many(path):
            self.share = Share.of(path, self.world, spelling.get("encoding"))
        self.expected = expected_rows(path) if self.share is None else self.share.expected

    def __call__(self) -> Iterator[Table]:
        """Give the pieces; one without a row where there is none for this process."""
        blocks = (
            read_blocks(self.path, self.rows, **self.spelling)
            if self.share is None
            else self.share.blocks(self.rows, **self.spelling)
        )
        self.names: set[str] = set()
        for block in blocks:
            self.names = self.names or set(block.cells)
            _check_names(block.path, set(block.cells), self.names)
            block.verbatim(self.as_written & self.names)
            yield block

    def known(self, target: str) -> Iterator[Table]:
        """Give the rows whose target is known."""
        for block in self():
            block.found(target, "the target")
            yield _where(block, ~block.absent(target))


def _check_names(path: str, names: set[str], wanted: set[str]) -> None:
    """Raise InputError where a file of a table has not the columns of those before it."""
    odd = sorted(names ^ wanted)
    if odd:
        got = f"one of them {'lacks' if odd[0] in wanted else 'has'} {odd[0]!r}, others do not"
        raise InputError(lesson(f"reading {path}", "wants the same columns in all files", got))


@dataclass(frozen=True)
class Manner:
    """How columns and target are encoded: what was asked for beside the columns' kinds."""

    loss: str = "mse"
    levels: Sequence[float] = ()
    robust: bool = False


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
    blocks: Pieces
    division: Division
    manner: Manner
    groups: Groups | None = None
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

        def write() -> None:
            nonlocal counts
            with BlockFile.writing(path, *kinds) as file:
                for known in self.blocks.known(self.target.name):
                    part = known.rows(np.flatnonzero(self.division.parts(known) == 0))
                    if len(part):
                        for look in watch:
                            look(part)
                        targets = self.target.encode(part)
                        counts += np.bincount(targets, minlength=classes) if classes else 0
                        weighed = [] if weights is None else [weights(part)]
                        file.add(encode(part, self.columns), targets, *weighed)

        agreed(self.blocks.world, write)
        self.counts = self.blocks.world.sum(counts) if classes else None
        return BlockFile(path, *kinds)

    def folds(self, count: int, validation: float, seed: int) -> Iterator[TableStream]:
        """Give the table divided anew so that each row, or whole group, is among those of one fold's test.

        Each is gone through once more for its statistics. `validation` is the share of the other rows that
        validates. Raises InputError for fewer groups than folds, and for a table that is divided in time: a
        fold would be tested on what was before.
        """
        if isinstance(self.division, ByTime):
            wanted, got = (
                "gives folds of a table that is divided by chance or by groups",
                "one divided in time",
            )
            raise InputError(lesson("TableStream.folds", wanted, got, hint="stream_table without time="))
        if self.groups is not None:
            divisions: Iterator[Division] = self.groups.folds(count, validation, HELD_OUT, seed)
        else:
            share = min(validation, HELD_OUT / max(sum(self.rows), 1))
            divisions = (FoldByLine(number, count, share, seed) for number in range(count))
        for division in divisions:
            yield self.divided(division)

    def divided(self, division: Division) -> TableStream:
        """Return the same table with other rows held out; it is gone through once more."""
        reading = replace(self.reading, remarks=[])
        found = _gathered(self.blocks, reading.target, division, lambda statistics: reading)
        return _encoded(found, self.blocks, division, self.manner, self.groups)


def stream_table(
    path: Any,
    target: str,
    *,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    many_classes: bool = False,
    loss: str = "mse",
    levels: Sequence[float] = (),
    robust: bool = False,
    group: str | None = None,
    time: str | None = None,
    block_rows: int = 1 << 16,
    watch: Callable[[Table], Any] | None = None,
    world: Any = None,
    **spelling: Any,
) -> TableStream:
    """Go through a table once, piece by piece, and find how to learn from it; return a TableStream.

    What a column is and the medians come from a sample of the training rows; means, spreads and the counts of
    categories from all of them (of the target too, unless its `loss` is one that far numbers do not rule).
    Whether a row is held out depends on its line and `seed` alone; about `HELD_OUT` are at most, for each of
    the two purposes. `group` names a column whose equal cells stay on one side, which are counted first;
    `time` one that orders the rows, the latest of which are tested on: it is gone through twice more for
    that, once to find them. So it is where a column turns out to need its cells as they are written.
    `watch` is given each piece. `spelling` is what `read_blocks` takes, the rest as `clearprop train` has it.
    Raises InputError as these do.

    `path` may be a folder of files, a pattern (`parts/*.parquet`) or a list: they are read as one table, in
    the order of their names. With `world=clearprop.parallel.world()` each process reads its own row groups or
    stretch of text, and all find the same, to the bit, as one process does that reads everything.

    >>> rows = "".join(f"{i % 7},{'ab'[i % 2]}\\n" for i in range(60))
    >>> stream = stream_table(("x,kind\\n" + rows).encode(), "kind")
    >>> stream.target.values, sum(stream.rows)
    (('a', 'b'), 60)
    """
    refuse_texts("stream_table", robust=robust, many_classes=many_classes)
    _check(path, group, time)
    asked = dict(columns or {})
    pieces = Pieces(path, block_rows, _as_written(asked, group), spelling, world)
    most = HELD_OUT / pieces.expected
    division: Division = ByLine(min(validation, most), min(test, most), seed)
    groups: Groups | None = None
    if group is not None:
        groups = agreed(pieces.world, lambda: Groups(group, pieces.known(target)))
        groups.counts = pieces.world.sum(groups.counts)
        division = groups.divided(validation, test, HELD_OUT, seed)
    settled: Reading | None = None

    def find(statistics: Statistics) -> Reading:
        return settled or _found(statistics, target, task, columns=asked, many_classes=many_classes)

    if time is not None:
        settled = _gathered(pieces, target, division, find).reading
        division = latest(pieces.known(target), settled, time, validation, test, HELD_OUT, pieces.world)
    found = _gathered(pieces, target, division, find, watch)
    return _encoded(found, pieces, division, Manner(loss, levels, robust), groups)


def _check(path: Any, group: str | None, time: str | None) -> None:
    """Raise InputError for what cannot be read twice, and for rows divided in two ways."""
    if not isinstance(path, (list, tuple)) and is_read_once(path):
        wanted, got = "wants a file, which is read more than once", f"{path!s:.60} can be read once"
        raise InputError(lesson("stream_table(path)", wanted, got, hint="read_table, or a file of it"))
    if group is not None and time is not None:
        wanted = "divides the rows by groups or by time"
        raise InputError(lesson("stream_table(group=, time=)", wanted, "both", hint="one of the two"))


def _as_written(asked: dict[str, str], group: str | None) -> set[str]:
    """Return the columns whose cells are kept as they are written."""
    words = {name for name, kind in asked.items() if kind in ("category", "text")}
    return words if group is None else {*words, group}


def _found(statistics: Statistics, target: str, task: str | None, **asked: Any) -> Reading:
    """Return what the columns of the sample are, and what is to be learned."""
    sample = statistics.sample.table()
    two = len(statistics.different()) == 2 and len(np.unique(sample.columns[target])) < 2
    goal = "classification" if task is None and two else task  # one of them so rare that it was not drawn
    return inspect(sample, target, task=goal, delimiter=sample.delimiter, **asked)


@dataclass(frozen=True)
class _Gathered:
    """What one pass over a table found."""

    statistics: Statistics
    held: tuple[Drawn, Drawn]
    reading: Reading


def _gathered(
    pieces: Pieces,
    target: str,
    division: Division,
    find: Callable[[Statistics], Reading],
    watch: Callable[[Table], Any] | None = None,
) -> _Gathered:
    """Go through a table, again where columns turn out to need their cells as they are written."""
    while True:
        statistics, held = agreed(pieces.world, lambda: _seen(pieces, target, division, watch))
        pieces.read = pieces.world.collect(statistics.seen)
        for names in pieces.world.collect(pieces.names):
            _check_names(str(pieces.path), names, pieces.names)
        if pieces.world.size > 1:
            statistics.joined(pieces.world)
            for drawn in held:
                drawn.joined(pieces.world)
        reading = find(statistics)
        again = _to_be_read_again(statistics, reading) - pieces.as_written
        if not again:
            return _Gathered(statistics, held, reading)
        pieces.as_written |= again


def _seen(
    pieces: Pieces, target: str, division: Division, watch: Callable[[Table], Any] | None
) -> tuple[Statistics, tuple[Drawn, Drawn]]:
    """Return what the pieces of this process tell."""
    statistics, held = Statistics(target), (Drawn(HELD_OUT), Drawn(HELD_OUT))
    for block in pieces():
        known = _noted(block, statistics)
        if not len(block):  # of a process that has no rows: others know of what kind the cells are
            for drawn in (statistics.sample, *held):
                drawn.add(block)
            continue
        if watch is not None:
            watch(known)
        part = division.parts(known)
        statistics.see(known.rows(np.flatnonzero(part == 0)))
        for number, drawn in enumerate(held, start=1):
            drawn.add(known.rows(np.flatnonzero(part == number)))
    return statistics, held


def _noted(block: Table, statistics: Statistics) -> Table:
    """Take note of a piece's targets; return the rows that have one."""
    target = statistics.target
    cells, known = block.found(target, "the target"), ~block.absent(target)
    if not len(block):
        return block
    statistics.seen += len(block)
    statistics.missing += int((~known).sum())
    statistics.gaps |= dict.fromkeys(missing_words(block, target))
    if isinstance(cells, Words):
        statistics.labels.update(_counted(block, target))
    elif isinstance(cells, Numbers) and len(statistics.labels) <= MOST_CLASSES:
        different = np.unique(block.known(cells.values)[known])[: MOST_CLASSES + 1]
        statistics.labels.update(labels(Numbers(different).cells()))
    return _where(block, known)


def _where(block: Table, chosen: Array) -> Table:
    return block if chosen.all() else block.rows(np.flatnonzero(chosen))


def _encoded(
    found: _Gathered, pieces: Pieces, division: Division, manner: Manner, groups: Groups | None
) -> TableStream:
    """Return the table with its encodings, learned from what one pass over it found."""
    statistics, reading = found.statistics, found.reading
    sample = with_target(statistics.sample.table(), reading, statistics.different())
    if statistics.missing:
        words = list(statistics.gaps)
        reading.remarks.append(left_out(reading.target, statistics.missing, statistics.seen, words))
    for drawn, purpose in zip(found.held, ("to validate", "to test on"), strict=True):
        reading.remarks += drawn.said(purpose)
    learned = learn_columns(sample, reading, robust=manner.robust)
    encodings = [_refined(column, statistics, manner.robust) for column in learned]
    aim = _aim(reading, sample, statistics, manner.loss, manner.levels)
    held = found.held[0].table(), found.held[1].table()
    rows = statistics.rows, len(held[0]), len(held[1])
    return TableStream(
        sample.path, reading, encodings, aim, sample, *held, rows, pieces, division, manner, groups
    )


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
        known = statistics.different()
        numeric = all(as_number(label) is not None for label in known)
        return Classes(name, tuple(sorted(known, key=float if numeric else None)))
    if statistics.kinds[name] == {Numbers} and aim.dress.plain and loss not in MEASURED_BY_HALF:
        sums = statistics.sums[name]
        return replace(aim, mean=sums.mean, scale=_scale(sums))
    return aim
