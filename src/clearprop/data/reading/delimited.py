"""Text with a delimiter between cells (CSV), read in pieces: numbers by C, words by their place in a dict.

A column is numbers as long as all its cells are, plainly; the first cell that is not makes it a column of
words, whose meaning is found later from the different ones alone. Nothing is held but the columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import MISSING, Cells, Numbers, Spelling, Words, as_number
from clearprop.data.reading.sources import Source
from clearprop.data.tables import Table, counted
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

_DELIMITERS = ",;\t|"
_ROWS = 4096  # so many at a time
_ZERO = re.compile(r"\n[ ]*[+-]?0\d")
_NAMED = {r"\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "blank": " ", "pipe": "|"}
_LARGEST = float(2**53)  # whole numbers up to here are exact


class Delimited:
    """A file of rows of cells whose first row names the columns."""

    def __init__(
        self,
        source: Source,
        delimiter: str | None,
        encoding: str | None,
        spelling: Spelling,
        encodings: Sequence[str] = (),
    ) -> None:
        self.source, self.spelling = source, spelling
        self.called = f"reading {source.name}"
        self.encoding = self._encoding(encoding, encodings)
        self.delimiter = self._delimiter(delimiter)
        self.names: list[str] = []

    def table(self, verbatim: bool = False) -> Table:
        """Read everything."""
        columns, lines = self._columns(None, verbatim)
        found: dict[str, Cells] = {}
        mixed = [name for name, column in columns.items() if column.mixed]
        again = self.again(mixed) if mixed else {}
        for name in list(columns):
            found[name] = again.get(name) or columns.pop(name).cells()
        if not len(lines):
            raise InputError(lesson(self.called, "wants rows below the column names", "there are none"))
        table = Table(self.source.name, found, lines, self.spelling, self.again)
        table.delimiter = self.delimiter
        return table

    def again(self, names: Sequence[str]) -> dict[str, Words]:
        """Read some columns once more, every cell as it is written."""
        columns, _ = self._columns(set(names), True)
        return {name: column.words() for name, column in columns.items()}

    def _columns(self, wanted: set[str] | None, verbatim: bool) -> tuple[dict[str, _Column], Array]:
        columns: dict[str, _Column] = {}
        places: list[int] = []
        lines: list[Array] = []
        for rows, numbers in self._pieces():
            if not lines:
                self.names = self._checked_names(rows[0])
                chosen = [name for name in self.names if wanted is None or name in wanted]
                columns = {name: _Column(verbatim) for name in chosen}
                places = [self.names.index(name) for name in chosen]
                rows, numbers = rows[1:], numbers[1:]
            cells = self._turned(rows, numbers)
            lines.append(np.array(numbers, np.int64))
            for place, column in zip(places, columns.values(), strict=True):
                if cells:
                    column.add(cells[place])
        if not lines:
            wanted_ = "wants a line of column names and rows below it"
            raise InputError(lesson(self.called, wanted_, "the file is empty"))
        return columns, np.concatenate(lines)

    def _turned(self, rows: list[list[str]], lines: list[int]) -> list[tuple[str, ...]]:
        """Return rows as columns; raises InputError for the first row of another length than the names."""
        try:
            cells = list(zip(*rows, strict=True))
            if not cells or len(cells) == len(self.names):
                return cells
        except ValueError:
            pass
        wrong = next(i for i, row in enumerate(rows) if len(row) != len(self.names))
        raise self._wrong_length(rows[wrong], lines[wrong])

    def _pieces(self) -> Iterator[tuple[list[list[str]], list[int]]]:
        """Yield rows with their lines, some thousands at a time; empty lines are none."""
        line = 1
        with self.source.reading() as stream:
            text = io.TextIOWrapper(stream, self.encoding, newline="")
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            try:
                while True:
                    rows, lines = [], []
                    for record in islice(reader, _ROWS):
                        if record and (len(record) > 1 or record[0].strip()):
                            rows.append(record)
                            lines.append(line)
                        line = reader.line_num + 1
                    if rows:
                        yield rows, lines
                    elif reader.line_num + 1 == line and next(reader, None) is None:
                        return
            except csv.Error as error:
                raise self._not_csv(line, str(error)) from error
            except UnicodeError as error:
                raise self._wrong_encoding() from error

    def _encoding(self, asked: str | None, others: Sequence[str]) -> str:
        if asked is not None:
            try:
                "".encode(asked)
            except LookupError as error:
                raise InputError(
                    lesson(self.called, "does not know the encoding", repr(asked), hint="utf-8")
                ) from error
            return asked
        for encoding in ("utf-8-sig", *others) if others else ():
            try:
                with self.source.reading() as stream:
                    text = io.TextIOWrapper(stream, encoding)
                    while text.read(1 << 20):
                        pass
                return encoding
            except (UnicodeError, LookupError):
                continue
        return "utf-8-sig"

    def _delimiter(self, asked: str | None) -> str:
        """Return the delimiter that the first line with something in it holds most of outside quotes."""
        if asked is not None:
            asked = _NAMED.get(asked, asked)
            if len(asked) != 1 or asked in '\r\n"':
                raise InputError(lesson(self.called, "wants a delimiter of one character", repr(asked)))
            return asked
        with self.source.reading() as stream:
            try:
                text = io.TextIOWrapper(stream, self.encoding)
                first = next((line for line in text if line.strip()), "")
            except UnicodeError as error:
                raise self._wrong_encoding() from error
        outside = "".join(first.split('"')[::2])
        return max(_DELIMITERS, key=lambda mark: (outside.count(mark), -_DELIMITERS.index(mark)))

    def _checked_names(self, cells: list[str]) -> list[str]:
        names = [cell.strip() or f"column {i}" for i, cell in enumerate(cells, start=1)]
        if all(as_number(cell) is not None for cell in cells):
            shown = self.delimiter.join(cells[:4])
            wanted, hint = (
                "wants the columns' names in its first line",
                "a first line such as length,width,kind",
            )
            raise InputError(lesson(self.called, wanted, f"{shown!r}, which are numbers", hint=hint))
        for i, name in enumerate(names):
            if name in names[:i]:
                wanted = f"wants a name of its own for every column: {name!r} names columns "
                raise InputError(lesson(self.called, wanted + f"{names.index(name) + 1} and {i + 1}"))
        return names

    # --- complaints ----------------------------------------------------------------------------------
    def _wrong_length(self, row: list[str], line: int) -> InputError:
        known = len(self.names)
        wanted = f"line {line} has {counted(len(row), 'cell')}, the first line has {known}"
        where, hint = f"The delimiter is {self.delimiter!r}.", ""
        if row[0].lstrip().startswith("#"):
            where, hint = (
                f"It looks like a comment: {self.delimiter.join(row)[:60]!r}.",
                "the file without that line",
            )
        elif self.names[0].startswith("#"):
            where = f"The first line looks like a comment: {self.names[0][:60]!r}."
            hint = "the file without that line"
        elif len(row) == known + 1 and not row[-1].strip():
            where, hint = "It ends with a delimiter.", "the file without delimiters at the ends of its lines"
        elif len(row) == known + 1 and line == 2:
            where += " If every row has one cell more, the first line lacks a name for the first column."
            hint = 'quotes around a cell that holds the delimiter ("a, b"), or a name for each column'
        else:
            hint = 'quotes around a cell that holds the delimiter ("a, b")'
            if len(row) < known and line > 2:
                last = self.names[len(row) - 1]
                where += f" The last cell that is there is {row[-1][:30]!r}, of the column {last!r}."
        return InputError(lesson(self.called, wanted, where=where, hint=hint))

    def _not_csv(self, line: int, what: str) -> InputError:
        if "NUL" in what:
            wanted, got = (
                "wants a table of text",
                f"line {line} holds a NUL byte: the file holds bytes of another kind",
            )
            hint = "--encoding utf-16" if self.source.begins(4)[1:2] == b"\0" else ""
            return InputError(lesson(self.called, wanted, got, hint=hint))
        hint = "closing the quote that was opened there" if "unexpected end" in what else ""
        return InputError(lesson(self.called, f"line {line} is not CSV", what, hint=hint))

    def _wrong_encoding(self) -> InputError:
        """Look for the line whose bytes are no text."""
        begins = self.source.begins(2)
        with self.source.reading() as stream:
            found = (n for n, content in enumerate(stream, start=1) if not _decodes(content, self.encoding))
            line = next(found, 1)
        where = f"Line {line} holds bytes that do not belong to it."
        hint = "--encoding utf-16" if begins in (b"\xff\xfe", b"\xfe\xff") else "--encoding latin-1"
        wanted = f"wants text encoded as {self.encoding.removesuffix('-sig')}"
        return InputError(lesson(self.called, wanted, where=where, hint=hint))


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeError:
        return False
    return True


class _Places(dict[str, int]):
    """The place of each different word, in the order in which they came."""

    def __missing__(self, word: str) -> int:
        self[word] = place = len(self)
        return place


class _Column:
    """A column while it is read: pieces of numbers, or of places of words."""

    def __init__(self, verbatim: bool) -> None:
        self.places: _Places | None = _Places() if verbatim else None
        self.pieces: list[Array] = []
        self.mixed = False

    def add(self, cells: tuple[str, ...]) -> None:
        """Take some more cells."""
        if self.mixed:
            return
        if self.places is None:
            numbers = _numbers(cells)
            if numbers is not None:
                self.pieces.append(numbers)
                return
            if self.pieces and not all(np.isnan(piece).all() for piece in self.pieces):
                self.mixed, self.pieces = True, []  # read once more: how the first ones were written is lost
                return
            self.mixed = bool(self.pieces)
            self.places, self.pieces = _Places(), []
            if self.mixed:
                return
        places = map(self.places.__getitem__, cells)
        self.pieces.append(np.fromiter(places, np.int32, len(cells)))

    def cells(self) -> Cells:
        """Return what was read."""
        if self.places is not None:
            return self.words()
        return Numbers(np.concatenate(self.pieces) if self.pieces else np.zeros(0))

    def words(self) -> Words:
        """Return what was read as words."""
        codes = np.concatenate(self.pieces) if self.pieces else np.zeros(0, np.int32)
        return Words(list(self.places or ()), codes)


def _numbers(cells: tuple[str, ...]) -> Array | None:
    """Return cells as numbers, NaN where missing, if all are plain ones whose text need not be kept."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        known = [cell if cell.strip().lower() not in MISSING else "nan" for cell in cells]
        try:
            values = np.fromiter(map(float, known), np.float64, len(cells))
        except ValueError:
            return None
    text = "\n".join(chain(("",), cells))
    if "_" in text or _ZERO.search(text) or not np.nanmax(np.abs(values), initial=0) < _LARGEST:
        return None
    return values
