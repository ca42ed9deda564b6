"""CSV tables: rows of text read whole and checked, and what each column holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})
"""What counts as a missing cell, in capital or small letters."""

_DELIMITERS = ",;\t|"


@dataclass
class Table:
    """A table of text: the columns by name, each a list with one cell a row, and every row's line number."""

    path: str
    columns: dict[str, list[str]]
    lines: list[int]
    _numbers: dict[str, tuple[Array, list[int]]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str, purpose: str = "a column") -> list[str]:
        """Return a column's cells; raises InputError, with the nearest names, where there is none."""
        if name not in self.columns:
            raise InputError(
                lesson(
                    f"{self.path}",
                    f"has no column {name!r}, wanted as {purpose}",
                    where=f"Its columns are {listed(self.columns)}.",
                    hint=nearest(name, self.columns),
                )
            )
        return self.columns[name]

    def numbers(self, name: str) -> tuple[Array, list[int]]:
        """Return a column as float64, NaN where a cell is missing, and the rows that hold no number."""
        if name not in self._numbers:
            cells = self.column(name)
            values = np.full(len(cells), np.nan)
            text = []
            for row, cell in enumerate(cells):
                if not is_missing(cell):
                    number = as_number(cell)
                    if number is None:
                        text.append(row)
                    else:
                        values[row] = number
            self._numbers[name] = values, text
        return self._numbers[name]

    def rows(self, keep: Iterable[int]) -> Table:
        """Return the table of these rows alone."""
        keep = [int(row) for row in keep]
        columns = {name: [cells[row] for row in keep] for name, cells in self.columns.items()}
        return Table(self.path, columns, [self.lines[row] for row in keep])


def is_missing(cell: str) -> bool:
    """Return whether a cell holds nothing: empty, `?`, `NA`, `N/A`, `NaN` or `null`."""
    return cell.strip().lower() in MISSING


def as_number(cell: str) -> float | None:
    """Return the finite number that a cell holds, or None. `1_000`, `inf` and `1,5` are none.

    >>> as_number(" 1.5e3 "), as_number("1,5"), as_number("inf")
    (1500.0, None, None)
    """
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if np.isfinite(number) and "_" not in cell else None


def has_decimal_comma(cell: str) -> bool:
    """Return whether a cell would be a number with a point in place of its comma.

    >>> has_decimal_comma("-1,5"), has_decimal_comma("1,5,0"), has_decimal_comma("1.5")
    (True, False, False)
    """
    return cell.count(",") == 1 and as_number(cell.replace(",", ".")) is not None


def read_table(
    path: str | Path, *, delimiter: str | None = None, encoding: str | None = None, decimal: str = "."
) -> Table:
    """Read a CSV file whose first line names the columns.

    The delimiter is the one of `, ; tab |` that the first line holds most of outside quotes (the earlier of
    that list where two tie). The encoding is UTF-8 unless it is named. With `decimal=","` a cell such as
    `1,5` is the number 1.5. Quoted cells may hold delimiters and
    line breaks; empty lines are skipped. Raises InputError, with the line's number, for a missing or an empty
    file, a row that is longer or shorter than the first, an open quote, a name that occurs twice, and bytes
    that are not text in the encoding.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rain.csv"
    >>> _ = path.write_text("town;rain\\nBern;1.5\\nUri;NA\\n")
    >>> table = read_table(path)
    >>> table.columns["town"], table.numbers("rain")[0]
    (['Bern', 'Uri'], array([1.5, nan]))
    """
    text = _text(path, encoding)
    called = f"reading {path}"
    if not text.strip():
        raise InputError(
            lesson(called, "wants a line of column names and rows below it", "the file is empty")
        )
    if delimiter is None:
        delimiter = _delimiter(text)
    elif len(delimiter) != 1:
        raise InputError(lesson(called, "wants a delimiter of one character", repr(delimiter)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for record in reader:
            if record:
                records.append(record)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "closing the quote that was opened there" if "unexpected end" in str(error) else ""
        raise InputError(lesson(called, f"line {line} is not CSV", str(error), hint=hint)) from error
    names = _names(called, records[0], delimiter)
    for record, line in zip(records, lines, strict=True):
        if len(record) != len(names):
            wanted = f"line {line} has {_count(len(record), 'cell')}, the first line has {len(names)}"
            hint = 'quotes around a cell that holds the delimiter ("a, b")'
            raise InputError(lesson(called, wanted, where=f"The delimiter is {delimiter!r}.", hint=hint))
    if len(records) < 2:
        raise InputError(lesson(called, "wants rows below the column names", "there are none"))
    if decimal == ",":
        commas = [[c.replace(",", ".") if has_decimal_comma(c) else c for c in row] for row in records[1:]]
        records = records[:1] + commas
    columns = {name: [record[i] for record in records[1:]] for i, name in enumerate(names)}
    return Table(str(path), columns, lines[1:])


def _text(path: str | Path, encoding: str | None) -> str:
    called = f"reading {path}"
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(lesson(called, "cannot", "there is no such file")) from error
    except OSError as error:
        raise InputError(lesson(called, "cannot", (error.strerror or str(error)).lower())) from error
    try:
        text = content.decode(encoding or "utf-8-sig")
    except LookupError as error:
        raise InputError(
            lesson(called, "does not know the encoding", repr(encoding), hint="utf-8")
        ) from error
    except UnicodeError as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        where = f"Line {line} holds bytes that do not belong to it."
        hint = "--encoding utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "--encoding latin-1"
        wanted = f"wants text encoded as {encoding or 'utf-8'}"
        raise InputError(lesson(called, wanted, where=where, hint=hint)) from error
    if "\0" in text:
        raise InputError(lesson(called, "wants a table of text", "the file holds bytes of another kind"))
    return text


def _delimiter(text: str) -> str:
    """Return the delimiter that the first line with something in it holds most of outside quotes."""
    first = next(line for line in text.splitlines() if line.strip())
    outside = "".join(first.split('"')[::2])
    return max(_DELIMITERS, key=lambda mark: (outside.count(mark), -_DELIMITERS.index(mark)))


def _names(called: str, cells: list[str], delimiter: str) -> list[str]:
    names = [cell.strip() or f"column {i}" for i, cell in enumerate(cells, start=1)]
    if all(as_number(cell) is not None for cell in cells):
        shown = delimiter.join(cells[:4])
        wanted, hint = "wants the columns' names in its first line", "a first line such as length,width,kind"
        raise InputError(lesson(called, wanted, f"{shown!r}, which are numbers", hint=hint))
    for i, name in enumerate(names):
        if name in names[:i]:
            wanted = (
                f"wants a name of its own for every column: {name!r} names columns {names.index(name) + 1} "
            )
            raise InputError(lesson(called, wanted + f"and {i + 1}"))
    return names


def listed(names: Any, most: int = 12) -> str:
    """Return names as text, the first few of a long list: `'a', 'b' and 7 more`."""
    names = [repr(name) for name in names]
    if len(names) <= most:
        return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + "".join(names[-1:])
    return ", ".join(names[:most]) + f" and {len(names) - most} more"


def nearest(name: str, names: Any) -> str:
    """Return the name that was probably meant, quoted, or nothing."""
    import difflib

    near = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1)
    return next((repr(known) for known in names if near and known.lower() == near[0]), "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
