"""A column as it was read, numbers or words or moments; and how a table spells things."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# fmt: off
MISSING = frozenset({
    "", "?", "na", "n/a", "n.a.", "n.a", "nan", "-nan", "null", "none", "nil", "nat", "<na>",
    "#n/a", "#na", "#n/a n/a",
    "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "#null!", "#value!", "#ref!", "#div/0!", "#name?", "#num!",
    "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "\u2026",
})
# fmt: on
"""What counts as a missing cell, in capital or small letters."""


@dataclass(frozen=True)
class Spelling:
    """How a table spells things, where its reader was told: nothing of it is guessed.

    `decimal` is the mark in numbers ("." or ","; None: found column by column), `missing` are words for a
    missing cell besides those of `MISSING`, `day_first` says whether 1/2/2024 is in February.
    """

    decimal: str | None = None
    missing: tuple[str, ...] = ()
    day_first: bool | None = None

    def is_missing(self, word: str) -> bool:
        """Return whether a cell holds nothing."""
        word = word.strip()
        return word.lower() in MISSING or word in self.missing

    def is_missing_number(self, number: float) -> bool:
        """Return whether a number, such as -999, is one of the words for a missing cell."""
        return any(as_number(word) == number for word in self.missing)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores."""
        return {"decimal": self.decimal, "missing": list(self.missing), "day_first": self.day_first}

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Spelling:
        """Return what a model file stored; the files of before there was a choice store nothing."""
        decimal, day_first = spec.get("decimal"), spec.get("day_first")
        if decimal not in (None, ".", ",") or day_first not in (None, True, False):
            raise ValueError(f"numbers with the decimal mark {decimal!r}")
        return cls(decimal, tuple(str(word) for word in spec.get("missing", ())), day_first)


def as_number(cell: str) -> float | None:
    """Return the finite number that a plain cell holds, or None. `1_000`, `inf` and `1,5` are none.

    >>> as_number(" 1.5e3 "), as_number("1,5"), as_number("inf")
    (1500.0, None, None)
    """
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in cell else None


@dataclass(frozen=True, eq=False)
class Words:
    """Cells of text: the different ones, and for each row the place of its own among them."""

    words: Sequence[str]
    codes: Array

    @classmethod
    def of(cls, cells: Iterable[str]) -> Words:
        """Return cells of text as words.

        >>> Words.of(["b", "a", "b"])
        Words(words=['b', 'a'], codes=array([0, 1, 0], dtype=int32))
        """
        places: dict[str, int] = {}
        codes = [places.setdefault(cell, len(places)) for cell in cells]
        return cls(list(places), np.array(codes, np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Array) -> Words:
        """Return the words of some rows alone, those that occur there."""
        used, codes = np.unique(self.codes[rows], return_inverse=True)
        return Words([self.words[i] for i in used.tolist()], codes.astype(np.int32))

    def cells(self) -> list[str]:
        """Return every row's cell as text."""
        return [self.words[code] for code in self.codes.tolist()]

    def counts(self) -> Array:
        """Return how many rows hold each word."""
        return np.bincount(self.codes, minlength=len(self.words))

    def spread(self, values: Sequence[Any] | Array, dtype: Any = None) -> Array:
        """Return for every row what `values` has for its word."""
        table = np.asarray(values, dtype)
        return table[self.codes] if len(table) else np.zeros(len(self.codes), table.dtype)


@dataclass(frozen=True, eq=False)
class Numbers:
    """Cells that are plain numbers, NaN where one is missing."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Array) -> Numbers:
        """Return the numbers of some rows alone."""
        return Numbers(self.values[rows])

    def cells(self) -> list[str]:
        """Return every row's number in its shortest form, nothing where it is missing.

        >>> Numbers(np.array([1.0, 0.25, np.nan])).cells()
        ['1', '0.25', '']
        """
        return [shortest(value) for value in self.values.tolist()]


@dataclass(frozen=True, eq=False)
class Moments:
    """Cells that are points in time already, as files with types have them: datetime64, NaT where missing."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Array) -> Moments:
        """Return the moments of some rows alone."""
        return Moments(self.values[rows])

    def cells(self) -> list[str]:
        """Return every row's moment as ISO 8601 has it, nothing where it is missing.

        >>> Moments(np.array(["2024-02-29", "NaT"], "datetime64[s]")).cells()
        ['2024-02-29T00:00:00', '']
        """
        return ["" if text == "NaT" else text for text in np.datetime_as_string(self.values).tolist()]


Cells = Words | Numbers | Moments


def as_words(cells: Cells) -> Words:
    """Return any column as words."""
    return cells if isinstance(cells, Words) else Words.of(cells.cells())


def shortest(value: float) -> str:
    """Return a number as a person would write it, and nothing for NaN.

    >>> shortest(3.0), shortest(0.1), shortest(float("nan")), shortest(1e300)
    ('3', '0.1', '', '1e+300')
    """
    if value != value:
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
