"""Rows that occur twice: one that is held out, and learned from too, makes a test look better than it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from clearprop.data.cells import Cells, Numbers, Words, as_number
from clearprop.data.tables import Table

Codes = npt.NDArray[np.uint64]


def rows_known(table: Table, names: Iterable[str], learned: npt.ArrayLike, held: npt.ArrayLike) -> int:
    """Return how many rows in `held` are, in all columns named, equal to one in `learned`.

    `learned` and `held` are numbers of rows. Two rows are equal where all cells are: as numbers, if they are
    some (`1.0` is `1`), else as text; two missing ones are.

    >>> table = Table("t.csv", {"x": ["1", "2", "1"], "y": ["a", "a", "a"]})
    >>> rows_known(table, ["x", "y"], learned=[0, 1], held=[2])
    1
    """
    known = row_codes(table, names)
    rows = np.asarray(learned, np.intp), np.asarray(held, np.intp)
    return int(np.isin(known[rows[1]], known[rows[0]]).sum())


def row_codes(table: Table, names: Iterable[str]) -> Codes:
    """Return a number of 64 bits for each row, equal for rows whose cells in these columns are equal.

    Rows that differ have different ones but for a chance of one in 2^64 for each pair.
    """
    codes = np.zeros(len(table), np.uint64)
    for name in names:
        codes = mixed(codes ^ _cell_codes(table, table.found(name)))
    return codes


class Twins:
    """How many of some rows are among others that come piece by piece: see `rows_known`."""

    def __init__(self, names: Iterable[str], held: Table) -> None:
        self.names: list[str] = list(names)
        self.codes: Codes = row_codes(held, self.names)
        self.met: NDArray[Any] = np.zeros(len(held), bool)

    def see(self, block: Table) -> None:
        """Look at some more rows that are learned from."""
        self.met |= np.isin(self.codes, row_codes(block, self.names))

    @property
    def count(self) -> int:
        """How many of the rows held out were met until now."""
        return int(self.met.sum())


def _cell_codes(table: Table, cells: Cells) -> Codes:
    if isinstance(cells, Words):
        numbers = [np.nan if gone else _number(word)
                   for word, gone in zip(cells.words, table.missing(cells), strict=True)]  # fmt: skip
        values = np.array([0.0 if number is None else number for number in numbers])
        codes = _bits(values)
        for place, (word, number) in enumerate(zip(cells.words, numbers, strict=True)):
            if number is None:
                codes[place] = int.from_bytes(
                    hashlib.blake2b(word.strip().encode("utf-8", "surrogatepass"), digest_size=8).digest()
                )
        return mixed(codes[cells.codes]) if len(codes) else np.zeros(len(cells), np.uint64)
    return mixed(_bits(table.known(cells.values)) if isinstance(cells, Numbers) else _bits(cells.values))


def _number(word: str) -> float | None:
    """Return the number that a cell holds; `007`, a code of digits, is none."""
    word = word.strip()
    return None if word.isdecimal() and word.startswith("0") and word != "0" else as_number(word)


def _bits(values: npt.NDArray[Any]) -> Codes:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, and 0.0 for -0.0
    return np.ascontiguousarray(values).view(np.uint64).copy()


def mixed(codes: Codes) -> Codes:
    """Return numbers whose bits all depend on all bits of the given ones (SplitMix64: Steele et al. 2014)."""
    codes = codes + np.uint64(0x9E3779B97F4A7C15)
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))
