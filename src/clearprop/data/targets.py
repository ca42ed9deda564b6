"""What a target asks for: classes, a number or a count, and what tells which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import Moments, as_number
from clearprop.data.dress import Dress, Usual, open_remark, undress
from clearprop.data.kinds import Look, looks_stray, padded, stray
from clearprop.data.tables import Table, counted
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

MOST_CLASSES = 20
"""Whole numbers are classes if there are at most so many different ones (and more is true of them)."""


@dataclass
class Aim:
    """What a target asks for: the task, why, and how its numbers are written."""

    name: str
    task: str
    says: list[str] = field(default_factory=list)
    dress: Dress = field(default_factory=Dress)
    count: bool = False


def aim_at(
    table: Table,
    name: str,
    task: str | None = None,
    *,
    usual: Usual | None = None,
    many_classes: bool = False,
) -> Aim:
    """Find out what a target asks for, unless `task` says.

    Text, yes or no, and two values are classes. Whole numbers are, if they run from 0 or 1 without a gap, are
    at most 20, each in 1 % of the rows or more and a tenth as many as rows at most, and do not fall off as
    counts do (a Poisson distribution fits them worse than equal shares). Every other number is regression,
    also codes with gaps.

    Raises InputError for text among numbers, for classes of numbers that hardly repeat, and, without
    `many_classes`, for more than a class for every ten rows.
    """
    look = Look.at(table, name)
    if not look.words:
        return Aim(name, task or "classification")
    if isinstance(table.found(name), Moments):
        raise _no_dates(table, name)
    numeric = _numeric(table, look, usual)
    if numeric is None:
        if task == "regression":  # complained about where the numbers are read, with the line
            return Aim(name, task)
        aim = Aim(name, "classification")
        _date_refused(look)
    else:
        dress, values, counts, said = numeric
        aim = _of_values(name, values, counts, task)
        aim.dress = dress
        aim.says = said + aim.says
    if aim.task == "classification":
        _not_too_many(look, many_classes)
    return aim


def _numeric(table: Table, look: Look, usual: Usual | None) -> tuple[Dress, Array, Array, list[str]] | None:
    """Return a target's different numbers, how often each occurs and what to say; None where it is text."""
    if padded(look.words):
        return None
    found = undress(look.words, table.spelling.decimal, usual)
    if len(found.strange) == len(look.words):
        return None
    if found.strange:
        if looks_stray(look, found.strange):
            raise stray(look, found.strange)
        return None
    said = [] if found.dress.plain else [found.dress.said()]
    if found.open_mark:
        first = next(word for word in look.words if found.open_mark in word)
        said.append(open_remark(first, found.open_mark, found.dress.decimal))
    if found.large:
        said.append(f"{look.words[found.large[0]]!r} is too large for a number and taken as missing")
    known = ~np.isnan(found.values)
    values, places = np.unique(found.values[known], return_inverse=True)
    counts = np.bincount(places, look.counts[known], minlength=len(values)).astype(np.int64)
    return found.dress, values, counts, said


def _of_values(name: str, values: Array, counts: Array, task: str | None) -> Aim:
    rows, whole = int(counts.sum()), bool(np.all(values == np.round(values)))
    if task == "classification":
        if not whole and len(values) > max(2, MOST_CLASSES):
            example = float(values[len(values) // 2])
            got = f"{len(values):,} different numbers in {rows:,} rows, such as {example:g}"
            wanted = f"wants classes, and {name!r} is continuous"
            raise InputError(lesson("--task classification", wanted, got, hint="--task regression"))
        return Aim(name, task)
    if task == "regression":
        return Aim(name, task, count=whole and values.min() >= 0)
    if len(values) == 2 or (whole and _are_codes(values, counts, rows)):
        how = "as text" if not whole else "as codes"
        return Aim(
            name, "classification", [f"numbers {how} of classes; --task regression to learn them as numbers"]
        )
    few = whole and len(values) <= max(MOST_CLASSES, rows // 10)
    says = ["--task classification for a class each"] if few else []
    count = whole and values.min() >= 0 and values.max() < 10_000 and _falls_off(values, counts)
    if count:
        says = [
            "a count; --loss poisson suits one"
            + (", --task classification gives a class each" if few else "")
        ]
    return Aim(name, "regression", says, count=count)


def _are_codes(values: Array, counts: Array, rows: int) -> bool:
    """Return whether whole numbers look like names of classes; see `aim_at`."""
    gapless = values[0] in (0, 1) and values[-1] - values[0] == len(values) - 1
    if not gapless or not 2 <= len(values) <= min(MOST_CLASSES, rows // 10):
        return False
    return counts.min() >= rows / 100 and not _falls_off(values, counts)


def _falls_off(values: Array, counts: Array) -> bool:
    """Return whether a Poisson distribution fits counts better than equal shares of the range do.

    The distribution may begin at the smallest value instead of 0: a household has at least one member.
    """
    rows, span = counts.sum(), float(values[-1] - values[0]) + 1
    equal = -rows * math.log(span)
    return any(_poisson(values - start, counts) > equal for start in {0.0, float(values[0])})


def _poisson(values: Array, counts: Array) -> float:
    """Return the logarithm of the likelihood of counts under a Poisson distribution of their mean."""
    mean = float((values * counts).sum() / counts.sum())
    if mean <= 0:
        return -math.inf
    factorials = np.array([math.lgamma(value + 1) for value in values.tolist()])
    return float((counts * (values * math.log(mean) - mean - factorials)).sum())


def _not_too_many(look: Look, many_classes: bool) -> None:
    classes = len(set(labels(look.words)))
    if classes <= max(2, look.present / 10) or many_classes:
        return
    wanted = f"the target {look.name!r} would have more classes than a tenth of its rows"
    got = f"{counted(classes, 'class').replace('classs', 'classes')} in {counted(look.present, 'row')}"
    hint = "another --target, --task regression for numbers, or --many-classes if that is meant"
    raise InputError(lesson(look.table.path, wanted, got, f"Such as {look.words[0]!r}.", hint))


def _date_refused(look: Look) -> None:
    from clearprop.data.dates import dated

    found = dated(look.words, look.table.spelling.day_first)
    if found is not None and not found.strange:
        raise _no_dates(look.table, look.name)


def _no_dates(table: Table, name: str) -> InputError:
    wanted, got = f"the target {name!r} wants classes or numbers", "it holds dates"
    hint = "a column of what is to be known of that day: the days until then, say"
    return InputError(lesson(table.path, wanted, got, hint=hint))


def labels(cells: Sequence[str]) -> list[str]:
    """Return cells as names of classes: `1.0` is `1`, and `007`, a code of digits, stays as it is."""
    return [_label(cell.strip()) for cell in cells]


def _label(cell: str) -> str:
    number = None if cell.isdecimal() else as_number(cell)
    return str(int(number)) if number is not None and number == int(number) and abs(number) < 2**53 else cell
