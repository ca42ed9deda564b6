"""Rows that occur twice: one that is held out, and learned from too, makes a test look better than it is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import Cells, Numbers, Words
from clearprop.data.tables import Table

Codes = npt.NDArray[np.uint64]


def rows_known(table: Table, names: Iterable[str], learned: npt.ArrayLike, held: npt.ArrayLike) -> int:
    """Return how many rows in `held` are, in all columns named, equal to one in `learned`.

    `learned` and `held` are numbers of rows. Two rows are equal where all cells are; two missing ones are.

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
        codes = _mixed(codes ^ _cell_codes(table.found(name)))
    return codes


def _cell_codes(cells: Cells) -> Codes:
    if isinstance(cells, Words):
        return _mixed(cells.codes.astype(np.uint64))
    values = cells.values
    if isinstance(cells, Numbers):
        values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, and 0.0 for -0.0
    return _mixed(np.ascontiguousarray(values).view(np.uint64))


def _mixed(codes: Codes) -> Codes:
    """Return numbers whose bits all depend on all bits of the given ones (SplitMix64: Steele et al. 2014)."""
    codes = codes + np.uint64(0x9E3779B97F4A7C15)
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))
