"""A column's cells as numbers or as moments, by a rule that was found before: strict, and with the line."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import Moments, Numbers, Words, as_words
from clearprop.data.dates import COUNTED, Form, counted_moments, from_numbers, moments
from clearprop.data.dress import Dress
from clearprop.data.tables import Table, counted
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]


def numbers_only(table: Table, name: str, dress: Dress | None = None, *, complain: bool = True) -> Array:
    """Return a column as float64, NaN where missing or too large; raises InputError at the first text."""
    dress = dress or Dress()
    cells = table.found(name)
    if isinstance(cells, Numbers) and (dress.percent or dress.decimal == ","):
        table.verbatim([name])  # a bare 12 is no percentage, and 1.234 is not the number that it looks like
        cells = as_words(table.found(name))
    if isinstance(cells, Numbers):
        return table.known(cells.values)
    cells = as_words(cells)
    missing = table.missing(cells)
    found = [0.0 if gone else dress.number(word) for word, gone in zip(cells.words, missing, strict=True)]
    found = [_infinite(word) if x is None else x for word, x in zip(cells.words, found, strict=True)]
    strange = np.array([number is None for number in found], bool)
    if strange.any() and complain:
        raise _complaint(table, name, cells, strange, "numbers", dress.said())
    values = np.array([np.nan if number is None else number for number in found], np.float64)
    values[np.array(missing, bool) | np.isinf(values)] = np.nan
    return cells.spread(values)


def _infinite(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if np.isinf(number) else None


def moments_of(table: Table, name: str, form: Form) -> Array:
    """Return a column as datetime64, NaT where missing; raises InputError at the first that is no date."""
    cells = table.found(name)
    if isinstance(cells, Moments):
        return cells.values.astype("datetime64[us]")
    if form.name in COUNTED:
        return counted_moments(numbers_only(table, name), form)
    if isinstance(cells, Numbers):
        known = from_numbers(table.known(cells.values))
        if known is not None:
            return known
    words = as_words(cells)
    missing = np.array(table.missing(words), bool)
    found = moments([word.strip() for word in words.words], form)
    strange = np.zeros(len(words.words), bool)
    strange[found.strange] = True
    strange &= ~missing
    if strange.any():
        raise _complaint(table, name, words, strange, "dates", form.name)
    return words.spread(np.where(missing, np.datetime64("NaT", "us"), found.values))


def _complaint(table: Table, name: str, cells: Words, strange: Array, kind: str, rule: str) -> InputError:
    rows = np.flatnonzero(cells.spread(strange, bool))
    more = len(rows) - 1
    tail = (
        f", and text in {counted(more, 'more row')}"
        if more > 1
        else ", and text in one more row"
        if more
        else ""
    )
    wanted = f"column {name!r} wants {kind}" + (f" ({rule})" if rule else "")
    return InputError(lesson(table.path, wanted, table.where(name, int(rows[0])) + tail))
