"""What a plain file of a table's model does with the cells of named columns: its text is brought along.

These functions read one column, given as text, numbers, truths or moments, as `clearprop predict` reads a
file's: by the rule that was learned, and with an error for a cell that breaks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import MISSING, as_number, shortest
from clearprop.data.dates import COUNTED, Form, counted_moments
from clearprop.data.dress import Dress
from clearprop.data.targets import labels

Array = npt.NDArray[Any]


def column_of(columns: Any, name: str, names: Sequence[str]) -> list[Any]:
    """Return the cells of a column of a mapping or a frame; raises ValueError where there is none."""
    if name not in columns:
        lacking = [each for each in names if each not in columns]
        raise ValueError(f"the model reads columns that are not there: {', '.join(map(repr, lacking))}")
    found = columns[name]
    alone = isinstance(found, (str, bytes, dict, set)) or not hasattr(found, "__iter__")
    if alone or getattr(found, "ndim", 1) != 1:
        raise ValueError(f"column {name!r} wants a list with a cell for each row, and is {found!r}")
    return list(found.tolist() if isinstance(found, np.ndarray) and found.dtype.kind in "biufU" else found)


def words_of(cells: Sequence[Any], told: Sequence[str]) -> list[str | None]:
    """Return cells as text, None where one is missing; `told` are words for a missing cell besides the usual.

    >>> words_of([1.0, "a ", None, float("nan"), True, "n/a", -9], ["-9"])
    ['1', 'a', None, None, 'true', None, None]
    """
    words = []
    for cell in cells:
        if isinstance(cell, (bool, np.bool_)):
            words.append(str(cell).lower())
        elif isinstance(cell, (int, np.integer)):
            words.append(str(int(cell)))  # as a float a long number would be another
        elif is_number(cell):
            words.append(shortest(float(cell)))
        else:
            words.append("" if cell is None else str(cell).strip())
    gone = {as_number(word) for word in told} - {None}
    return [
        None if word.lower() in MISSING or word in told or (gone and as_number(word) in gone) else word
        for word in words
    ]


def is_number(cell: Any) -> bool:
    """Return whether a cell is a number already, not the text of one, and no truth."""
    return isinstance(cell, (int, float, np.integer, np.floating)) and not isinstance(cell, bool)


def numbers_of(cells: Sequence[Any], name: str, told: Sequence[str], dress: Dress) -> Array:
    """Return cells as float64, NaN where one is missing or infinite; raises ValueError for text.

    A number in a column of percentages is refused, as it does not tell whether 12 is 12 %.
    """
    values = np.full(len(cells), np.nan)
    for row, (cell, word) in enumerate(zip(cells, words_of(cells, told), strict=True)):
        if word is None or word.lower().lstrip("+-") in ("inf", "infinity"):
            continue
        number = float(cell) if is_number(cell) and not dress.percent else dress.number(word)
        if number is None:
            raise ValueError(f"column {name!r} wants numbers, and row {row + 1} has {word!r}")
        values[row] = number if abs(number) < np.inf else np.nan
    return values


def moments_in(cells: Sequence[Any], name: str, told: Sequence[str], form: Form) -> Array:
    """Return cells as datetime64, NaT where one is missing; raises ValueError for what is no date."""
    if form.name in COUNTED:
        return counted_moments(numbers_of(cells, name, told, Dress()), form)
    values = np.full(len(cells), "NaT", "datetime64[us]")
    for row, (cell, word) in enumerate(zip(cells, words_of(cells, told), strict=True)):
        if isinstance(cell, (np.datetime64, datetime)):
            values[row] = cell
        elif word is not None:
            found = form.moment(word)
            if found is None:
                raise ValueError(f"column {name!r} wants dates ({form.name}), and row {row + 1} has {word!r}")
            values[row] = found[0]
    return values


def places_of(
    cells: Sequence[Any], told: Sequence[str], places: Mapping[str | None, int], other: int, folded: bool
) -> Array:
    """Return for each cell the place of its category, `other` for one that has none."""
    words = words_of(cells, told)
    named = [None if word is None else labels([word])[0] for word in words]
    if folded:
        named = [None if word is None else word.lower() for word in named]
    return np.array([places.get(word, other if word is not None else -1) for word in named], np.int64)


def one_hot(places: Array, width: int) -> Array:
    """Return zeros and a one at each row's place, none where it is below 0."""
    return np.equal(places[:, None], np.arange(width)).astype(np.float32)


def coded(places: Array, last: int) -> Array:
    """Return places as one input, `last` for those below 0."""
    return np.where(places < 0, last, places)[:, None].astype(np.float32)
