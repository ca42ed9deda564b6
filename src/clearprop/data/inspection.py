"""What a table holds before anything is learned from it: every column's kind, the task, and remarks."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.data.cells import Moments, Numbers, Words, as_number, as_words
from clearprop.data.dress import Usual
from clearprop.data.kinds import ASKED, Finding, guess, may_have_points, usual_decimal
from clearprop.data.readings import numbers_only
from clearprop.data.tables import Table, counted
from clearprop.data.targets import Aim, aim_at, labels
from clearprop.errors import InputError, lesson


@dataclass
class Reading:
    """What was found in a table before anything was learned from it: each column's kind, and remarks."""

    target: str
    task: str
    findings: dict[str, Finding] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    aim: Aim = field(default_factory=lambda: Aim("", ""))

    @property
    def numbers(self) -> list[str]:
        """The names of the columns of numbers."""
        return self.of_kind("number")

    @property
    def texts(self) -> list[str]:
        """The names of the columns of categories, yes and no among them."""
        return self.of_kind("category", "boolean")

    @property
    def columns(self) -> list[str]:
        """The names of the columns that the network reads."""
        return [name for name, found in self.findings.items() if found.used]

    def of_kind(self, *kinds: str) -> list[str]:
        """Return the names of the columns of some kinds that the network reads."""
        return [name for name, found in self.findings.items() if found.used and found.kind in kinds]

    def said(self) -> list[str]:
        """Return all that a person should know of the columns and of the target."""
        told = [f"{name!r}: {text}" for name, found in self.findings.items() for text in found.says]
        return told + self.remarks


def inspect(
    table: Table,
    target: str,
    *,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    categorical: Collection[str] = (),
    ignore: Collection[str] = (),
    many_classes: bool = False,
    constants: bool = False,
    delimiter: str | None = None,
) -> Reading:
    """Find out what each column holds and whether the target asks for classes or for a number.

    `columns` says what some are (see `kinds.ASKED`), `categorical` and `ignore` are short for that; `task`
    says what the target asks for; with `constants` numbers that never vary are kept, as the pixels at the rim
    of a picture. What tells is written in `kinds.guess` and `targets.aim_at`. Raises InputError where text
    stands among numbers, and where there is no other column to learn from.

    >>> columns = {"day": ["3 Mar 2024", "4 Apr 2024"] * 9, "paid": ["$1,200", "$7"] * 9, "y": [*"ab"] * 9}
    >>> table = Table("t", columns)
    >>> {name: found.kind for name, found in inspect(table, "y").findings.items()}
    {'day': 'date', 'paid': 'number'}
    """
    asked = dict(columns or {}) | dict.fromkeys(categorical, "category") | dict.fromkeys(ignore, "ignore")
    for name, kind in asked.items():
        table.found(name)
        if kind not in ASKED:
            raise InputError(
                lesson(f"--column '{name}={kind}'", f"wants one of {', '.join(ASKED)}", repr(kind))
            )
    table.found(target, "the target")
    others = [name for name in table.cells if name != target]
    usual = usual_decimal(table, [*others, target], delimiter)
    if usual.mark == ",":
        found = table.cells.items()
        table.verbatim([n for n, cells in found if isinstance(cells, Numbers) and may_have_points(table, n)])
    aim = _aim(table, target, task, asked.get(target), usual, many_classes)
    reading = Reading(target, aim.task, aim=aim, remarks=[])
    reading.findings = {name: guess(table, name, asked.get(name), usual) for name in others}
    behind = reading.findings.get(table.nameless or "")
    if behind is not None and behind.kind == "empty":
        behind.says = ["left out: it has no name and no cell, every line ends with the delimiter"]
    _last_resort(reading, constants)
    if not others:
        raise InputError(
            lesson(table.path, f"wants columns to predict {target!r} from", "there are no others")
        )
    reading.remarks += [*doubtful(table, reading), *copies(table, reading)]
    return reading


_SUMS = re.compile(r"(grand |sub-?)?totals?|sums?|means?|average|overall|gesamt|summe|mittelwert", re.I)


def doubtful(table: Table, reading: Reading) -> list[str]:
    """Return remarks on a first line that may be a row, last rows of sums, and words taken for missing.

    >>> columns = {"town": ["Bern", "Uri"] * 8 + ["Total"], "y": ["1", "2"] * 8 + ["24"]}
    >>> doubtful(Table("t", columns), Reading("y", ""))
    ["'town' is 'Total' on line 18: a row of sums or means is no observation (better without it)"]
    """
    told = []
    if named := [name for name in table.cells if as_number(name) is not None and "." in name]:
        told.append(f"the first line names a column {named[0]!r}: is it a row, and no names are there?")
    for name, cells in table.cells.items():
        if not isinstance(cells, Words):
            continue
        if (row := _row_of_sums(cells)) is not None:
            what = f"{name!r} is {cells.words[cells.codes[row]].strip()!r} {table.at(row)}"
            told.append(f"{what}: a row of sums or means is no observation (better without it)")
        if name in reading.texts and (both := _words_for_none(table, cells)):
            told.append(f"{name!r}: {both} are all taken as missing")
    return told


def _row_of_sums(cells: Words) -> int | None:
    """Return which of the last rows has the only cell that says that it is of sums."""
    for row in range(max(0, len(cells) - 3), len(cells)):
        code = cells.codes[row]
        said = _SUMS.fullmatch(cells.words[code].strip().rstrip(":"))
        if said and np.sum(cells.codes == code) == 1:
            return row
    return None


def _words_for_none(table: Table, cells: Words) -> str:
    """Return words that may be a category of their own, none, and stand beside other words for missing."""
    counts: dict[str, int] = {}
    for word, gone, times in zip(cells.words, table.missing(cells), cells.counts().tolist(), strict=True):
        if gone and times:
            counts[word.strip()] = counts.get(word.strip(), 0) + times
    different = {word.lower() for word in counts}
    if len(different) < 2 or different.isdisjoint(("none", "nil")):
        return ""
    return " and ".join(f"{word!r} ({counted(times, 'row')})" for word, times in counts.items())


def guessed(table: Table, asked: Mapping[str, str] | None = None) -> dict[str, Finding]:
    """Find out what each column of a frame holds: its numbers are numbers, and all columns are used.

    `asked` says what some are. Raises InputError for a column or a kind that there is not.

    >>> found = guessed(Table("t", {"town": ["Bern", "Uri"] * 6}))
    >>> found["town"].kind
    'category'
    """
    asked = dict(asked or {})
    for name, kind in asked.items():
        table.found(name)
        if kind not in ASKED:
            raise InputError(lesson(f"columns={{{name!r}: {kind!r}}}", f"wants one of {', '.join(ASKED)}"))
    typed = {name: "number" for name, cells in table.cells.items() if isinstance(cells, Numbers)}
    return {name: guess(table, name, asked.get(name, typed.get(name))) for name in table.cells}


def _aim(
    table: Table, target: str, task: str | None, asked: str | None, usual: Usual, many_classes: bool
) -> Aim:
    if asked == "ignore":
        raise InputError(lesson(table.path, "cannot both predict a column and leave it out", repr(target)))
    if asked in ("date", "text"):
        raise InputError(lesson(f"--column '{target}={asked}'", "is no way to take a target", repr(target)))
    wanted = {"category": "classification", "number": "regression"}.get(asked or "")
    return aim_at(table, target, task or wanted, usual=usual, many_classes=many_classes)


def _last_resort(reading: Reading, constants: bool) -> None:
    """Use numbers after all: constant ones where asked, row numbers where there is nothing else."""
    for found in reading.findings.values() if constants else ():
        if found.kind == "constant" and as_number(found.example) is not None:
            found.kind, found.used, found.says = "number", True, []
    for found in () if reading.columns else reading.findings.values():
        if found.kind == "id" and found.says[0].startswith("left out: whole numbers"):
            found.kind, found.used = "number", True
            found.says[0] = "whole numbers that differ in every row: used, since there is no other column"


def copies(table: Table, reading: Reading) -> list[str]:
    """Return a remark on each column that says as much as the target: one to one, or in its order."""
    goal = as_words(table.found(reading.target))
    regression = reading.task == "regression"
    if len(table) < 10 or (regression and len(goal.words) < 3):
        return []
    values = None
    if regression:
        values = numbers_only(table, reading.target, reading.aim.dress, complain=False)
    told = []
    for name in reading.columns:
        if values is not None:
            same = reading.findings[name].kind == "number" and _same_order(
                numbers_only(table, name, reading.findings[name].dress, complain=False), values
            )
        else:
            same = _one_to_one(table.found(name), goal)
        if same:
            what = "orders the rows exactly as" if regression else "has one value for each class of"
            told.append(f"{name!r} {what} the target: a copy of it? (--column '{name}=ignore')")
    return told


def _one_to_one(cells: Any, goal: Any) -> bool:
    if isinstance(cells, Numbers) and len(np.unique(cells.values)) != len(goal.words):
        return False
    column = as_words(cells)
    if len(column.words) != len(goal.words):
        return False
    pairs = np.unique(column.codes.astype(np.int64) * len(goal.words) + goal.codes)
    return len(pairs) == len(goal.words)


def _same_order(one: Any, other: Any) -> bool:
    """Return whether two columns rise together, or one as the other falls, without an exception."""
    known = ~(np.isnan(one) | np.isnan(other))
    one, other = one[known], other[known]
    if len(one) < 10 or len(np.unique(one)) < 3:
        return False
    order = np.lexsort((other, one))
    rises, climbs = np.diff(one[order]), np.diff(other[order])
    if np.any((rises == 0) != (climbs == 0)):
        return False
    return bool(np.all(climbs >= 0) or np.all(climbs <= 0))


def with_target(table: Table, reading: Reading, classes: Collection[str] | None = None) -> Table:
    """Return the rows whose target is known, and check that there is something to learn in them.

    `classes` are the target's different cells, where the table is a part of a larger one.
    """
    known = ~table.absent(reading.target)
    if reading.task == "regression":
        values = numbers_only(table, reading.target, reading.aim.dress)
        known &= ~np.isnan(values)
    if not known.all():
        words = missing_words(table, reading.target)
        reading.remarks.append(left_out(reading.target, int((~known).sum()), len(table), words))
        table = table.rows(np.flatnonzero(known))
    if len(table) < 10:
        got = f"{len(table)} with a known {reading.target!r}"
        raise InputError(lesson(table.path, "wants at least 10 rows to learn from and to test on", got))
    cells = as_words(table.found(reading.target))
    if reading.task == "classification":
        different: Collection[Any] = classes or set(labels(cells.words))
    else:
        different = classes or np.unique(numbers_only(table, reading.target, reading.aim.dress))
    if len(different) < 2:
        what = "one class only" if reading.task == "classification" else "one value only"
        got = f"{reading.target!r} is {labels(cells.words[:1])[0]!r} in every row"
        raise InputError(lesson(table.path, f"has {what}, so there is nothing to learn", got))
    if not reading.columns:
        wanted, hint = (
            f"wants columns to predict {reading.target!r} from",
            "--column NAME=number (or category)",
        )
        raise InputError(lesson(table.path, wanted, "; ".join(reading.said()), hint=hint))
    return table


def left_out(target: str, missing: int, rows: int, words: Sequence[str]) -> str:
    """Return the remark on rows whose target is missing, with the words that stand there instead."""
    shown = f" ({', '.join(map(repr, words[:4]))})" if words else ""
    return f"{missing:,} of {rows:,} rows are left out: {target!r} is missing{shown}"


def missing_words(table: Table, name: str) -> list[str]:
    """Return the words that stand for missing cells of a column, other than an empty cell."""
    cells = table.found(name)
    if isinstance(cells, (Numbers, Moments)):
        return []
    gone = table.missing(cells)
    return [w.strip() for w, is_gone in zip(cells.words, gone, strict=True) if is_gone and w.strip()]
