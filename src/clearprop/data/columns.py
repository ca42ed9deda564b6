"""What columns mean to a network: numbers to scale, categories to spread out, dates to take apart."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import as_words
from clearprop.data.dates import PARTS, Form, parts
from clearprop.data.dress import Dress
from clearprop.data.inspection import Reading
from clearprop.data.readings import moments_of, numbers_only
from clearprop.data.tables import Table, listed, nearest
from clearprop.data.targets import labels
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]


MOST_CATEGORIES = 256
"""So many of a column's categories, the most frequent ones, get an input of their own at most."""

SPREAD, MOST_CODES = 16, 10_000
"""With `robust`, a column of more than SPREAD categories has codes, for MOST_CODES of them at most."""

SMALL, RARE = 12, 3
"""In a column of more than SMALL categories, those of fewer than RARE rows are pooled."""

HASHED = 64
"""Inputs for a column of text whose words are hashed."""


@dataclass(frozen=True)
class Number:
    """A column of numbers: missing ones become the median, then z = (x - mean) / scale.

    With a `spread` there is, before z, r / sqrt(1 + (r / 3)^2) of r = (x - median) / spread, which is r for
    small numbers and 3 at most; with `gaps` there is one more input, 1 where the number is missing.
    """

    name: str
    median: float
    mean: float
    scale: float
    dress: Dress = field(default_factory=Dress)
    spread: float = 0.0
    gaps: bool = False

    @property
    def width(self) -> int:
        """How many inputs of the network the column takes."""
        return 1 + bool(self.spread) + self.gaps

    def values(self, table: Table) -> Array:
        """Return the column as numbers, NaN where one is missing."""
        return numbers_only(table, self.name, self.dress)

    def encode(self, table: Table) -> Array:
        """Return the column as an array of shape (rows, width)."""
        return number_inputs(self.values(table), self.median, self.mean, self.scale, self.spread, self.gaps)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the column."""
        numbers = {"median": self.median, "mean": self.mean, "scale": self.scale}
        dress = {} if self.dress.plain else {"dress": self.dress.spec()}
        more = {name: getattr(self, name) for name in ("spread", "gaps") if getattr(self, name)}
        return {"name": self.name, "kind": "number", **numbers, **dress, **more}


@dataclass(frozen=True)
class Date:
    """A column of dates: the parts that vary, scaled, and the sine and cosine of those that come round.

    `scales` has the mean and the scale of every part that is used; a missing date is the mean of all of them.
    """

    name: str
    form: Form
    scales: dict[str, tuple[float, float]]

    @property
    def width(self) -> int:
        """How many inputs of the network the column takes."""
        return sum(3 if PARTS[part][1] else 1 for part in self.scales)

    def encode(self, table: Table) -> Array:
        """Return the column as an array of shape (rows, width)."""
        return date_inputs(moments_of(table, self.name, self.form), self.scales)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the column."""
        form = {"form": self.form.name, "day_first": self.form.day_first}
        return {
            "name": self.name,
            "kind": "date",
            **form,
            "scales": {k: list(v) for k, v in self.scales.items()},
        }


@dataclass(frozen=True)
class Category:
    """A column of text: one input for each value, 1 where the row has it; None stands for a missing cell.

    The values in `pooled`, too rare to learn much of, share one more input, which a value that was never
    learned takes too. Without such a pool a new value is 0 everywhere. With `folded`, capitals do not matter.
    A `coded` column is one input, each row's number among these, for a network that has a vector for each;
    the last number is that of a new value without a pool.
    """

    name: str
    values: tuple[str | None, ...]
    pooled: tuple[str, ...] = ()
    folded: bool = False
    coded: bool = False

    @property
    def width(self) -> int:
        """How many inputs of the network the column takes."""
        return 1 if self.coded else self.kinds

    @property
    def kinds(self) -> int:
        """How many values are told apart, all pooled ones being one."""
        return len(self.values) + bool(self.pooled)

    def encode(self, table: Table) -> Array:
        """Return the column as zeros and ones of shape (rows, width), or as codes of shape (rows, 1)."""
        place = {value: i for i, value in enumerate(self.values)}
        other = len(self.values) if self.pooled else -1
        values, codes = categories(table, self.name, self.folded)
        places = np.array([place.get(value, other if value is not None else -1) for value in values])[codes]
        if self.coded:
            return np.where(places < 0, self.kinds, places)[:, None].astype(np.float32)
        one_hot: Array = np.equal(places[:, None], np.arange(self.width))
        return one_hot.astype(np.float32)

    def unseen(self, table: Table) -> list[str]:
        """Return the values of a table that the column was not learned with."""
        found = set(categories(table, self.name, self.folded)[0]) - set(self.values) - set(self.pooled)
        return sorted(value for value in found if value is not None)

    def rare(self, table: Table) -> int:
        """Return in how many rows of a table there is a value that was pooled with others."""
        values, codes = categories(table, self.name, self.folded)
        pooled = set(self.pooled)
        return int(np.array([value in pooled for value in values], bool)[codes].sum())

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the column."""
        more: dict[str, Any] = {"pooled": list(self.pooled)} if self.pooled else {}
        more |= {"coded": True} if self.coded else {}
        return {
            "name": self.name,
            "kind": "category",
            "values": list(self.values),
            "folded": self.folded,
        } | more


@dataclass(frozen=True)
class Text:
    """A column of sentences as a bag of hashed words: each word adds one to, or takes one from, one input."""

    name: str
    size: int = HASHED

    @property
    def width(self) -> int:
        """How many inputs of the network the column takes."""
        return self.size

    def encode(self, table: Table) -> Array:
        """Return the column as an array of shape (rows, width), every row that has words of length 1."""
        cells = as_words(table.found(self.name))
        words = ["" if gone else word for word, gone in zip(cells.words, table.missing(cells), strict=True)]
        return cells.spread(bags_of_words(words, self.size))

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the column."""
        return {"name": self.name, "kind": "text", "size": self.size}


Column = Number | Date | Category | Text


# --- formulas, which plain files bring along ----------------------------------------------------------------
def number_inputs(
    values: Array, median: float, mean: float, scale: float, spread: float = 0.0, gaps: bool = False
) -> Array:
    """Return the inputs of a column of numbers, NaN where one is missing: see `Number`."""
    missing = np.isnan(values)
    filled = np.where(missing, median, values)
    inputs = [(filled - mean) / scale]
    if spread:
        robust = (filled - median) / spread
        inputs.insert(0, robust / np.hypot(1.0, robust / 3))
    return np.stack(inputs + [missing] * gaps, axis=1)


def date_inputs(moments: Array, scales: Mapping[str, tuple[float, float]]) -> Array:
    """Return the inputs of a column of moments, NaT where one is missing: see `Date`."""
    found = parts(moments)
    inputs = []
    for part, (mean, scale) in scales.items():
        values, period = found[part], PARTS[part][1]
        inputs.append((values - mean) / scale)
        if period:
            angle = 2 * np.pi * values / period
            inputs += [np.sin(angle), np.cos(angle)]
    return np.nan_to_num(np.stack(inputs, axis=1), nan=0.0)


def bags_of_words(texts: Sequence[str], size: int) -> Array:
    """Return the inputs of sentences: see `Text`."""
    bags = np.zeros((len(texts), size))
    for bag, text in zip(bags, texts, strict=True):
        for token in re.findall(r"\w+", text.lower()):
            hashed = zlib.crc32(token.encode())
            bag[hashed % size] += 1 if hashed >> 31 else -1
    lengths = np.sqrt((bags**2).sum(axis=1, keepdims=True))
    return np.asarray(bags / np.where(lengths > 0, lengths, 1))


# --- what is learned ----------------------------------------------------------------------------------------
def learn_columns(
    table: Table, reading: Reading, *, one_scale: bool = False, robust: bool = False
) -> list[Column]:
    """Return how to encode each column, learned from the rows that the network will learn from.

    With `one_scale` all numbers are measured in one unit (the pixels of a picture, say): they share their
    mean and their scale, so a column that hardly varies stays small. With `robust` numbers are measured from
    the median in interquartile ranges too, clipped smoothly (RealMLP, arXiv 2407.04491), what is missing has
    an input of its own, and categories of many values have codes, as `tabular_network` takes them.
    """
    filled = {name: _filled(table, name, reading.findings[name].dress) for name in reading.numbers}
    shared = None
    if one_scale and filled:
        together = np.concatenate([values for _, values in filled.values()])
        shared = mean_and_scale(table, reading.numbers[0], together)
    columns: list[Column] = []
    for name in reading.columns:
        found = reading.findings[name]
        if found.kind == "number":
            median, values = filled[name]
            scales = shared or mean_and_scale(table, name, values)
            number = Number(name, median, *scales, found.dress)
            columns.append(number if not robust else _robust(table, number, values, shared is not None))
        elif found.kind == "date":
            columns.append(_date(table, name, found.form or Form("")))
        elif found.kind == "text":
            columns.append(Text(name))
        else:
            columns.append(_category(table, name, found.kind == "boolean", robust))
    return columns


def encode(table: Table, columns: Sequence[Column]) -> Array:
    """Return the table as the network's inputs: float32 of shape (rows, sum of the columns' widths).

    Raises InputError that names every column which the table lacks.
    """
    lacking = [column.name for column in columns if column.name not in table.cells]
    if lacking:
        where, near = f"The table has {listed(table.cells)}.", nearest(lacking[0], table.cells)
        hint = f"renaming {near} to {lacking[0]!r}" if near else ""
        wanted = (
            f"lacks {'a column' if len(lacking) == 1 else f'{len(lacking)} columns'} that the model reads"
        )
        raise InputError(lesson(table.path, wanted, listed(lacking), where, hint))
    inputs = np.empty((len(table), sum(column.width for column in columns)), np.float32)
    place = 0
    for column in columns:
        inputs[:, place : place + column.width] = column.encode(table).clip(-1e6, 1e6)
        place += column.width
    return inputs


def _filled(table: Table, name: str, dress: Dress) -> tuple[float, Array]:
    """Return a column's median and its values with the median in place of missing ones."""
    values = numbers_only(table, name, dress)
    present = values[~np.isnan(values)]
    median = float(np.median(present)) if len(present) else 0.0
    return median, np.where(np.isnan(values), median, values)


def mean_and_scale(table: Table, name: str, values: Array) -> tuple[float, float]:
    """Return the mean and the standard deviation, 1 in place of the deviation of equal values."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(values.mean()), float(values.std())
    if not np.isfinite(mean) or not np.isfinite(scale):
        largest = f"{np.abs(values).max():.3g}"
        raise InputError(lesson(table.path, f"column {name!r} holds numbers too large to scale", largest))
    return mean, scale if scale > 1e-12 * abs(mean) else 1.0


def _date(table: Table, name: str, form: Form) -> Date:
    """Return how to encode a column of dates: by the parts of them that differ, or the days if none does."""
    found = {part: values[~np.isnan(values)] for part, values in parts(moments_of(table, name, form)).items()}
    varying = [part for part, values in found.items() if len(values) and values.min() < values.max()]
    used = varying or ["elapsed"]
    return Date(
        name, form, {p: mean_and_scale(table, name, found[p]) if len(found[p]) else (0.0, 1.0) for p in used}
    )


def _robust(table: Table, number: Number, values: Array, shared: bool) -> Number:
    """Return the column measured from its median in interquartile ranges, or in half its range."""
    gaps = bool(np.isnan(number.values(table)).any())
    if shared:
        return replace(number, gaps=gaps)
    low, high = (float(q) for q in np.quantile(values, (0.25, 0.75)))
    spread = high - low
    if spread <= 1e-12 * max(abs(low), abs(high)):
        spread = float(values.max() - values.min()) / 2
    return replace(number, spread=spread or 1.0, gaps=gaps)


def _category(table: Table, name: str, folded: bool = False, coded: bool = False) -> Category:
    values, codes = categories(table, name, folded)
    counts = dict(zip(values, np.bincount(codes, minlength=len(values)).tolist(), strict=True))
    return category_of(name, counts, folded, coded)


def category_of(
    name: str, counts: Mapping[str | None, int], folded: bool = False, coded: bool = False
) -> Category:
    """Return how to encode a category whose values occur so often; those of the fewest rows are pooled.

    It is `coded` where that is asked for and there are more than SPREAD values.
    """
    order = sorted(counts, key=lambda value: (-counts[value], value is None, value or ""))
    coded = coded and len(order) > SPREAD
    kept = order
    if len(order) > SMALL:
        most = MOST_CODES if coded else MOST_CATEGORIES
        kept = [v for v in order[:most] if counts[v] >= RARE or v is None]
    pooled = sorted(value for value in set(order) - set(kept) if value is not None)
    kept = sorted(kept, key=lambda value: (value is None, value or ""))
    return Category(name, tuple(kept), tuple(pooled), folded, coded)


def categories(table: Table, name: str, folded: bool = False) -> tuple[list[str | None], Array]:
    """Return a column's different values, None for a missing cell, and for each row the place of its own.

    Blanks around a cell do not count, and `1.0` is the category `1`.
    """
    table.verbatim([name])
    cells = as_words(table.found(name))
    words = [
        None if gone else word for word, gone in zip(labels(cells.words), table.missing(cells), strict=True)
    ]
    if folded:
        words = [word if word is None else word.lower() for word in words]
    places: dict[str | None, int] = {}
    codes = cells.spread([places.setdefault(word, len(places)) for word in words], np.int64)
    used, codes = np.unique(codes, return_inverse=True)
    different = list(places)
    return [different[i] for i in used.tolist()], codes
