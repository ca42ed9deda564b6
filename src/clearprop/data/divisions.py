"""Which rows of a table that is read in pieces are held out: by chance, by group, in time, fold by fold.

A division tells for each row of a piece 0, to learn from it, 1, to validate, or 2, to test. It tells the same
of a row whenever it is asked: nothing is remembered of rows that were seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clearprop.data.columns import categories
from clearprop.data.inspection import Reading
from clearprop.data.reading.shares import everywhere
from clearprop.data.readings import moments_of, numbers_only
from clearprop.data.split import group_cuts, group_folds
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

PLACES = 1 << 20
"""Groups are counted in so many places; groups that share one are divided as one."""


class Division(Protocol):
    """What tells of each row of a piece whether it is learned from."""

    def parts(self, block: Table) -> Array:
        """Return for each row 0, to learn from it, 1, to validate, or 2, to test."""


@dataclass(frozen=True)
class ByLine:
    """Rows held out by chance, which depends on their line and `seed` alone."""

    validation: float
    test: float
    seed: int

    def parts(self, block: Table) -> Array:
        """Return 0, 1 or 2 for each row."""
        place = chance(block.lines, self.seed + 2)
        return np.where(place < self.validation, 1, np.where(place < self.validation + self.test, 2, 0))


@dataclass(frozen=True)
class FoldByLine:
    """The fold `number` of `count`: each line is in one; of the others a share validates."""

    number: int
    count: int
    validation: float
    seed: int

    def parts(self, block: Table) -> Array:
        """Return 0, 1 or 2 for each row."""
        fold = np.minimum(chance(block.lines, self.seed + 2) * self.count, self.count - 1).astype(int)
        validates = chance(block.lines, -2 - self.seed) < self.validation
        return np.where(fold == self.number, 2, validates)


@dataclass(frozen=True)
class ByGroup:
    """Whole groups held out: `part_of` has a part for each place that `groups` counts in."""

    groups: Groups
    part_of: Array

    def parts(self, block: Table) -> Array:
        """Return 0, 1 or 2 for each row."""
        return self.part_of[self.groups.places(block)]


@dataclass(frozen=True)
class ByTime:
    """Rows before a moment are learned from, those from another on tested on, those between validate."""

    name: str
    reading: Reading
    before: Any
    last: Any

    def parts(self, block: Table) -> Array:
        """Return 0, 1 or 2 for each row."""
        when = moments_by(block, self.reading, self.name)
        return np.where(when >= self.last, 2, when >= self.before)


class Groups:
    """How many rows each value of a column has.

    A group is known by a hash of its name, so a million of them take 8 MB however many rows they have.
    """

    name: str
    counts: Array

    def __init__(self, name: str, blocks: Iterable[Table]) -> None:
        self.name = name
        self.counts = np.zeros(PLACES, np.int64)
        for block in blocks:
            self.counts += np.bincount(self.places(block), minlength=PLACES)

    def places(self, block: Table) -> Array:
        """Return for each row the place that its group is counted in."""
        block.found(self.name, "the groups")
        names, codes = categories(block, self.name)
        hashed = (
            hashlib.blake2b(repr(name).encode("utf-8", "surrogatepass"), digest_size=8) for name in names
        )
        places = [int.from_bytes(each.digest()) % PLACES for each in hashed]
        return np.array(places, np.int64)[codes]

    def divided(self, validation: float, test: float, most: int, seed: int) -> ByGroup:
        """Return a division that holds out these shares of the rows, about `most` for each, in whole groups.

        Raises InputError where no group would be left.
        """
        order = self._shuffled(seed)
        rows = int(self.counts.sum())
        held, tests = (min(round(share * rows), most) for share in (validation, test))
        tested, validated = group_cuts(self.counts[order], held, tests, self.name)
        part_of = np.zeros(PLACES, np.int8)
        part_of[order[:validated]] = 1
        part_of[order[:tested]] = 2
        return ByGroup(self, part_of)

    def folds(self, count: int, validation: float, most: int, seed: int) -> Iterator[ByGroup]:
        """Give divisions that test each group once; raises InputError for fewer groups than folds."""
        order = self._shuffled(seed)
        fold = group_folds(self.counts[order], count)
        for number in range(count):
            rest = order[fold != number]
            wanted = min(round(validation * int(self.counts[rest].sum())), most)
            _, validated = group_cuts(self.counts[rest], wanted, 0, self.name)
            part_of = np.zeros(PLACES, np.int8)
            part_of[order[fold == number]] = 2
            part_of[rest[:validated]] = 1
            yield ByGroup(self, part_of)

    def _shuffled(self, seed: int) -> Array:
        return np.random.default_rng(seed).permutation(np.flatnonzero(self.counts))


def latest(
    blocks: Iterable[Table],
    reading: Reading,
    name: str,
    validation: float,
    test: float,
    most: int,
    world: Any,
) -> ByTime:
    """Return a division that tests on the latest rows of all pieces, and validates on those before them.

    The shares are those of all rows, at most `most` each; of the moments only so many are kept, the latest.
    Rows of one moment stay on one side, the later one. Raises InputError where a moment is missing, or none
    is left to learn from.
    """
    found = everywhere(world, lambda: _latest(blocks, reading, name, 2 * most))
    top = np.concatenate([some for some, _, _ in found if len(some)] or [np.zeros(0)])
    first, rows = min(first for _, first, _ in found), sum(rows for _, _, rows in found)
    top = np.sort(top)[-2 * most :]
    tested, validated = (min(round(share * rows), most) for share in (test, validation))
    last = top[len(top) - tested] if tested else np.inf
    before = top[len(top) - tested - validated] if validated else last
    if rows and before <= first:
        raise none_before(name, rows, first, top[-1])
    return ByTime(name, reading, before, last)


def _latest(blocks: Iterable[Table], reading: Reading, name: str, most: int) -> tuple[Array, Any, int]:
    """Return the latest moments of some rows, `most` at most, the first one, and how many rows there are."""
    top: Array = np.zeros(0)
    first, rows = np.inf, 0
    for block in blocks:
        when = moments_by(block, reading, name)
        if len(when):
            rows, first = rows + len(when), min(first, when.min())
            top = np.append(top, when) if len(top) else when
            top = np.partition(top, -most)[-most:] if len(top) > most else top
    return top, first, rows


def none_before(name: str, rows: int, first: Any, last: Any) -> InputError:
    """Return the error for a table all of whose rows would be held out, by its first and last moment."""
    wanted = f"wants rows before those that are held out, by {name!r}"
    got = f"{rows:,} rows, all of one moment" if first == last else f"{rows:,} rows of few moments"
    hint = "smaller --test-split and --validation-split, or another column"
    return InputError(lesson("--time", wanted, got, hint=hint))


def moments_by(table: Table, reading: Reading, name: str) -> Array:
    """Return when each row was, by a column of dates or of numbers.

    Raises InputError where a cell is missing.
    """
    table.found(name, "the time")
    found = reading.findings.get(name)
    if found is not None and found.form is not None:
        moments = moments_of(table, name, found.form)
        gone, when = np.isnat(moments), moments.astype(np.int64)
    else:
        when = numbers_only(table, name, found.dress) if found is not None else numbers_only(table, name)
        gone = np.isnan(when)
    if gone.any():
        row = int(np.flatnonzero(gone)[0])
        wanted = f"wants to know of every row when it was, {name!r} is missing"
        raise InputError(
            lesson("--time", wanted, table.where(name, row), hint=f"rows without {name!r} left out")
        )
    return np.asarray(when)


def chance(lines: Array, salt: int = 1) -> Array:
    """Return a number from 0 to 1 for each line, the same whenever the line is (splitmix64)."""
    x = lines.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((x ^ (x >> np.uint64(31))).astype(np.float64) / 2.0**64)
