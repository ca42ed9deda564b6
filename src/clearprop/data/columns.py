"""What a table's columns mean to a network: numbers to scale, categories to spread out, a target to learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.tables import Table, as_number, has_decimal_comma, is_missing, listed, nearest
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

MOST_CLASSES = 20
"""A target of whole numbers is a classification if it has at most so many different ones."""

MOST_CATEGORIES = 100
"""So many of a text column's categories, the most frequent ones, get an input of their own."""


@dataclass(frozen=True)
class Number:
    """A column of numbers: missing ones become the median, then `(x - mean) / scale`."""

    name: str
    median: float
    mean: float
    scale: float

    @property
    def width(self) -> int:
        """How many inputs of the network the column takes."""
        return 1

    def encode(self, table: Table) -> Array:
        """Return the column as an array of shape (rows, 1)."""
        values = numbers_only(table, self.name)
        values = np.where(np.isnan(values), self.median, values)
        return np.asarray((values - self.mean) / self.scale)[:, None]

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the column."""
        return {
            "name": self.name,
            "kind": "number",
            "median": self.median,
            "mean": self.mean,
            "scale": self.scale,
        }


@dataclass(frozen=True)
class Category:
    """A column of text: one input for each value, 1 where the row has it; None stands for a missing cell.

    A value that was not among those learned from is 0 everywhere.
    """

    name: str
    values: tuple[str | None, ...]

    @property
    def width(self) -> int:
        """How many inputs of the network the column takes."""
        return len(self.values)

    def encode(self, table: Table) -> Array:
        """Return the column as an array of zeros and ones of shape (rows, values)."""
        place = {value: i for i, value in enumerate(self.values)}
        places = [place.get(cell, -1) for cell in categories(table.column(self.name))]
        one_hot: Array = np.equal(np.array(places)[:, None], np.arange(len(self.values)))
        return one_hot.astype(np.float64)

    def unseen(self, table: Table) -> list[str]:
        """Return the values of a table that the column was not learned with."""
        found = set(categories(table.column(self.name))) - set(self.values)
        return sorted(value for value in found if value is not None)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the column."""
        return {"name": self.name, "kind": "category", "values": list(self.values)}


@dataclass(frozen=True)
class Classes:
    """A target of classes: the network has one output for each."""

    name: str
    values: tuple[str, ...]

    def encode(self, table: Table) -> Array:
        """Return each row's class as its place in `values`."""
        place = {value: i for i, value in enumerate(self.values)}
        return np.array([place[label] for label in labels(table.column(self.name))], np.int64)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the target."""
        return {"name": self.name, "kind": "classes", "values": list(self.values)}


@dataclass(frozen=True)
class Quantity:
    """A target of numbers: the network has one output, which stands for `output * scale + mean`."""

    name: str
    mean: float
    scale: float

    def encode(self, table: Table) -> Array:
        """Return the target as an array of shape (rows, 1), of mean 0 and spread 1 where it was learned."""
        return ((numbers_only(table, self.name) - self.mean) / self.scale)[:, None]

    def decode(self, outputs: Array) -> Array:
        """Return outputs of the network of shape (rows, 1) in the target's own units, of shape (rows,)."""
        return np.asarray(outputs, np.float64)[:, 0] * self.scale + self.mean

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the target."""
        return {"name": self.name, "kind": "number", "mean": self.mean, "scale": self.scale}


@dataclass
class Reading:
    """What was found in a table before anything was learned from it: each column's kind, and remarks."""

    target: str
    task: str
    numbers: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The names of the columns that the network reads."""
        return self.numbers + self.texts


def inspect(
    table: Table,
    target: str,
    *,
    task: str | None = None,
    categorical: Collection[str] = (),
    ignore: Collection[str] = (),
) -> Reading:
    """Find out what each column holds and whether the target asks for classes or for a number.

    A column is numeric if every cell that is not missing is a number. One of mostly numbers with text in less
    than a tenth of its cells, or with at most three different texts, is refused: it is likelier a mistake, or
    an unusual word for "missing", than a category. Text that differs in more than half of the rows (and
    in more than 20) names rows and teaches nothing: it is left out, like a column without any value.
    The task is classification if the target is text, or holds whole numbers, at most 20 different ones, each
    seen twice on average; else regression. `task` overrides this, `categorical` takes numeric columns as
    categories, `ignore` leaves columns out.
    """
    for name in (*categorical, *ignore):
        table.column(name)
    if target in ignore:
        raise InputError(lesson(table.path, "cannot both predict a column and leave it out", repr(target)))
    task = task or ("classification" if target in categorical else _task(table, target))
    reading = Reading(target, task)
    for name, cells in table.columns.items():
        if name == target or name in ignore:
            continue
        present = [cell for cell in cells if not is_missing(cell)]
        _, text = table.numbers(name)
        distinct = len(set(present))
        if not present:
            reading.remarks.append(f"{name!r} is left out: it has no value at all")
        elif name in categorical:
            reading.texts.append(name)
        elif not text:
            reading.numbers.append(name)
        elif _decimal_commas(table, name, text):
            raise _comma_text(table, name, text[0])
        elif _looks_stray(table, name, text, len(present)):
            raise _stray_text(table, name, text, len(present))
        elif distinct > 20 and 2 * distinct > len(present):
            example = present[0] if len(present[0]) < 30 else present[0][:27] + "..."
            reason = f"text of {distinct} different values in {len(present)} rows, such as {example!r}"
            reading.remarks.append(f"{name!r} is left out: {reason}")
        else:
            reading.texts.append(name)
    if not reading.columns:
        got = "; ".join(reading.remarks) or "there are no others"
        raise InputError(lesson(table.path, f"wants columns to predict {target!r} from", got))
    return reading


def _task(table: Table, target: str) -> str:
    cells = [cell for cell in table.column(target, "the target") if not is_missing(cell)]
    values, text = table.numbers(target)
    if text:
        if _decimal_commas(table, target, text):
            raise _comma_text(table, target, text[0])
        if _looks_stray(table, target, text, len(cells)):
            raise _stray_text(table, target, text, len(cells), target=True)
        return "classification"
    values = values[~np.isnan(values)]
    few = len(set(values.tolist())) <= min(MOST_CLASSES, len(values) // 2)
    return "classification" if few and bool(np.all(values == np.round(values))) else "regression"


def with_target(table: Table, reading: Reading) -> Table:
    """Return the rows whose target is known, and check that there is something to learn in them."""
    cells = table.column(reading.target, "the target")
    known = [row for row, cell in enumerate(cells) if not is_missing(cell)]
    if len(known) < len(table):
        missing = len(table) - len(known)
        reading.remarks.append(f"{missing} of {len(table)} rows are left out: {reading.target!r} is missing")
        table = table.rows(known)
    if len(table) < 10:
        got = f"{len(table)} with a known {reading.target!r}"
        raise InputError(lesson(table.path, "wants at least 10 rows to learn from and to test on", got))
    if reading.task == "classification":
        values: Collection[Any] = set(labels(table.columns[reading.target]))
    else:
        values = set(numbers_only(table, reading.target).tolist())
    if len(values) < 2:
        what = "one class only" if reading.task == "classification" else "one value only"
        got = f"{reading.target!r} is {labels(table.columns[reading.target])[0]!r} in every row"
        raise InputError(lesson(table.path, f"has {what}, so there is nothing to learn", got))
    return table


def learn_columns(table: Table, reading: Reading, *, one_scale: bool = False) -> list[Number | Category]:
    """Return how to encode each column, learned from the rows that the network will learn from.

    With `one_scale` all numbers are measured in one unit (the pixels of a picture, say): they share their
    mean and their scale, so a column that hardly varies stays small.
    """
    filled = {name: _filled(table, name) for name in reading.numbers}
    shared = None
    if one_scale and filled:
        together = np.concatenate([values for _, values in filled.values()])
        shared = _mean_and_scale(table, reading.numbers[0], together)
    columns: list[Number | Category] = []
    for name in table.columns:
        if name in filled:
            median, values = filled[name]
            columns.append(Number(name, median, *(shared or _mean_and_scale(table, name, values))))
        elif name in reading.texts:
            columns.append(_category(table, name))
    return columns


def learn_target(table: Table, reading: Reading, training: Table) -> Classes | Quantity:
    """Return how to encode the target: the table's classes, or the training rows' mean and spread."""
    if reading.task == "classification":
        found = set(labels(table.columns[reading.target]))
        numeric = all(as_number(label) is not None for label in found)
        return Classes(reading.target, tuple(sorted(found, key=float if numeric else None)))
    mean, scale = _mean_and_scale(training, reading.target, numbers_only(training, reading.target))
    return Quantity(reading.target, mean, scale)


def encode(table: Table, columns: Sequence[Number | Category]) -> Array:
    """Return the table as the network's inputs: float32 of shape (rows, sum of the columns' widths).

    Raises InputError that names every column which the table lacks.
    """
    lacking = [column.name for column in columns if column.name not in table.columns]
    if lacking:
        where, near = f"The table has {listed(table.columns)}.", nearest(lacking[0], table.columns)
        hint = f"renaming {near} to {lacking[0]!r}" if near else ""
        wanted = (
            f"lacks {'a column' if len(lacking) == 1 else f'{len(lacking)} columns'} that the model reads"
        )
        raise InputError(lesson(table.path, wanted, listed(lacking), where, hint))
    parts = [column.encode(table) for column in columns]
    return np.concatenate(parts, axis=1).clip(-1e6, 1e6).astype(np.float32)


def _filled(table: Table, name: str) -> tuple[float, Array]:
    """Return a column's median and its values with the median in place of missing ones."""
    values = table.numbers(name)[0]
    present = values[~np.isnan(values)]
    median = float(np.median(present)) if len(present) else 0.0
    return median, np.where(np.isnan(values), median, values)


def _mean_and_scale(table: Table, name: str, values: Array) -> tuple[float, float]:
    """Return the mean and the standard deviation, 1 in place of the deviation of equal values."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(values.mean()), float(values.std())
    if not np.isfinite(mean) or not np.isfinite(scale):
        largest = f"{np.abs(values).max():.3g}"
        raise InputError(lesson(table.path, f"column {name!r} holds numbers too large to scale", largest))
    return mean, scale if scale > 1e-12 * abs(mean) else 1.0


def _category(table: Table, name: str) -> Category:
    counts = Counter(categories(table.columns[name]))
    frequent = sorted(counts, key=lambda value: (-counts[value], value is None, value or ""))[
        :MOST_CATEGORIES
    ]
    return Category(name, tuple(sorted(frequent, key=lambda value: (value is None, value or ""))))


def categories(cells: Sequence[str]) -> list[str | None]:
    """Return text cells without the blanks around them, None where one is missing."""
    return [None if is_missing(cell) else cell.strip() for cell in cells]


def labels(cells: Sequence[str]) -> list[str]:
    """Return cells as names of classes: `1.0` is `1`, and `007`, a code of digits, stays as it is."""
    return [_label(cell.strip()) for cell in cells]


def _label(cell: str) -> str:
    number = None if cell.isdecimal() else as_number(cell)
    return str(int(number)) if number is not None and number == int(number) and abs(number) < 2**53 else cell


def numbers_only(table: Table, name: str) -> Array:
    """Return a column as float64, NaN where missing; raises InputError at the first text in it."""
    values, text = table.numbers(name)
    if text:
        row = text[0]
        wanted, got = (
            f"column {name!r} wants numbers",
            f"{table.columns[name][row]!r} on line {table.lines[row]}",
        )
        raise InputError(lesson(table.path, wanted, got + _and_more(len(text) - 1)))
    return values


def _looks_stray(table: Table, name: str, text: list[int], present: int) -> bool:
    words = {table.columns[name][row].strip() for row in text}
    return 2 * len(text) < present and (10 * len(text) < present or len(words) <= 3)


def _stray_text(table: Table, name: str, text: list[int], present: int, target: bool = False) -> InputError:
    row, what = text[0], "the target" if target else "column"
    wanted = f"{what} {name!r} holds numbers in {present - len(text)} rows but text in {len(text)}"
    other = f"--categorical {name!r} if it is a category, or --ignore {name!r}"
    hint = "an empty cell for a missing number, " + ("or --task classification" if target else other)
    got = f"{table.columns[name][row]!r} on line {table.lines[row]}"
    return InputError(lesson(table.path, wanted, got, hint=hint))


def _decimal_commas(table: Table, name: str, text: list[int]) -> bool:
    """Return whether a column's text is numbers with a decimal comma; `1,500` alone may mean thousands."""
    cells = [table.columns[name][row].strip() for row in text]
    return all(map(has_decimal_comma, cells)) and any(len(cell.split(",")[1]) != 3 for cell in cells)


def _comma_text(table: Table, name: str, row: int) -> InputError:
    wanted = f"column {name!r} holds numbers with a decimal comma"
    got = f"{table.columns[name][row]!r} on line {table.lines[row]}"
    return InputError(lesson(table.path, wanted, got, hint="--decimal ,"))


def _and_more(count: int) -> str:
    return f", and text in {count} more rows" if count > 1 else ", and text in one more row" if count else ""
