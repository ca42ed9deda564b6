"""Text with a delimiter between cells (CSV), read in pieces: numbers by C, words by their place in a dict.

A column is numbers as long as all its cells are, plainly; the first cell that is not makes it a column of
words, whose meaning is found later from the different ones alone. Nothing is held but the columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import MISSING, Cells, Numbers, Spelling, Words, as_number
from clearprop.data.reading import complaints
from clearprop.data.reading.sources import Source
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

_DELIMITERS = ",;\t|"
_ROWS = 4096  # so many at a time
_CHARACTERS = 1 << 20
_LINES = 20  # that tell the delimiter
_FIRST = 500  # cells that are looked at to find out how they are written
_ZERO = re.compile(r"\n[ ]*[+-]?0\d")
_NAMED = {r"\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "blank": " ", "pipe": "|"}
_TOLD = re.compile(r'("?)sep=(?P<mark>[^"\r\n])\1', re.IGNORECASE)
_LARGEST = float(2**53)  # whole numbers up to here are exact


class Delimited:
    """A file of rows of cells whose first row names the columns."""

    closed: bool

    source: Source
    spelling: Spelling

    def __init__(
        self,
        source: Source,
        delimiter: str | None,
        encoding: str | None,
        spelling: Spelling,
        encodings: Sequence[str] = (),
        ahead: int | None = None,
    ) -> None:
        self.source, self.spelling = source, spelling
        self.ahead: int | None = ahead
        """Of a part of a file, how many lines are left out between the names and the row below them."""
        self.called: str = complaints.reading(source)
        self.encoding: str = self._encoding(encoding, encodings)
        self.announced = False
        """Whether the first line holds no names, but says what the delimiter is, as Excel has it: `sep=;`."""
        self.delimiter: str = self._delimiter(delimiter)
        self.names: list[str] = []
        self.nameless: str | None = None
        """The column behind the delimiter that ends the line of names, or every line below it."""
        self.closed = False
        """Whether the line of names does not end with the delimiter that all lines below it end with."""

    def table(self, verbatim: bool = False) -> Table:
        """Read everything."""
        return self._table(self._records, verbatim)

    def blocks(self, rows: int) -> Iterator[Table]:
        """Yield the table in pieces of about so many rows, one of which is held at a time."""
        held: list[Records] = []
        count = given = 0
        for piece in self._records():
            held.append(piece)
            count += len(piece.lines)
            if count >= rows:
                yield self._table(held.__iter__)
                held, count, given = [], 0, given + 1
        if count or not given:  # a table without rows is complained of
            yield self._table(held.__iter__)

    def again(self, names: Sequence[str]) -> dict[str, Words]:
        """Read some columns once more, every cell as it is written."""
        return self._verbatim(self._records, names)

    def _table(self, records: Callable[[], Iterator[Records]], verbatim: bool = False) -> Table:
        """Return rows that can be gone through more than once as a table."""
        columns, lines = self._columns(records(), None, verbatim)
        found: dict[str, Cells] = {}
        mixed = [name for name, column in columns.items() if column.mixed]
        again = self._verbatim(records, mixed) if mixed else {}
        for name in list(columns):
            found[name] = again.get(name) or columns.pop(name).cells()
        if not len(lines):
            raise InputError(lesson(self.called, "wants rows below the column names", "there are none"))
        more = partial(self._verbatim, records)
        table = Table(self.source.name, found, lines, self.spelling, more)
        table.delimiter, table.nameless = self.delimiter, self.nameless
        table.first = cache(partial(self._first, records))
        return table

    def _first(self, records: Callable[[], Iterator[Records]]) -> dict[str, Sequence[str]]:
        """Return the first cells of every column, as they are written."""
        piece = next(piece for piece in records() if len(piece.lines))
        found = piece.cells(list(range(len(self.names))))
        return {name: cells[:_FIRST] for name, cells in zip(self.names, found, strict=True)}

    def _verbatim(self, records: Callable[[], Iterator[Records]], names: Sequence[str]) -> dict[str, Words]:
        columns, _ = self._columns(records(), set(names), True)
        return {name: column.words() for name, column in columns.items()}

    def _records(self) -> Iterator[Records]:
        """Yield the rows below the names, some thousands at a time; each has a cell for each name."""
        for number, piece in enumerate(self._pieces()):
            if not number:
                first = piece.first()
                if self.announced:
                    if not len(piece.lines):
                        raise complaints.empty(self.source)
                    first = piece.first()
                self.names = self._checked_names(first)
                self._see_ends(first, piece)
            if self.ahead:
                piece.lines = [line + self.ahead for line in piece.lines]
            self._check_lengths(piece)
            yield piece

    def _columns(
        self, records: Iterator[Records], wanted: set[str] | None, verbatim: bool
    ) -> tuple[dict[str, _Column], Array]:
        columns: dict[str, _Column] = {}
        places: dict[str, int] = {}
        lines: list[Array] = []
        for piece in records:
            if not lines:
                places = {name: i for i, name in enumerate(self.names) if wanted is None or name in wanted}
                columns = {name: _Column(verbatim) for name in places}
            lines.append(np.array(piece.lines, np.int64))
            if len(piece.lines):
                _add(piece, columns, places)
        if not lines:
            raise complaints.empty(self.source)
        found = np.concatenate(lines)
        for name, column in columns.items():
            self._no_nul(column, found, name)
        return columns, found

    def _see_ends(self, first: list[str], piece: Records) -> None:
        """Name the column that a delimiter at the end of every line makes."""
        count, cells = len(first), piece.row(0) if len(piece.lines) else []
        self.closed = len(cells) == count + 1 and not cells[-1].strip()
        if self.closed:
            possible = (f"column {number}" for number in range(count + 1, 2 * count + 2))
            self.names.append(next(name for name in possible if name not in self.names))
        self.nameless = self.names[-1] if self.closed or not first[-1].strip() else None

    def _check_lengths(self, piece: Records) -> None:
        """Raise InputError for the first row of another length than the names."""
        for row, cells in enumerate(piece.lengths()):
            if cells != len(self.names):
                raise self._odd(piece, row)
        if self.closed and len(piece.lines):
            (last,) = piece.cells([len(self.names) - 1])
            odd = next((row for row, cell in enumerate(last) if cell.strip()), None)
            if odd is not None:
                raise self._odd(piece, odd)

    def _odd(self, piece: Records, place: int) -> InputError:
        row, line = piece.row(place), piece.lines[place]
        return complaints.wrong_length(self.source, self.names, row, line, self.delimiter, self.closed)

    def _no_nul(self, column: _Column, lines: Array, name: str) -> None:
        odd = [place for word, place in (column.places or {}).items() if "\0" in word]
        if odd and not column.mixed:
            row = int(np.flatnonzero(np.concatenate(column.pieces) == odd[0])[0])
            raise complaints.nul(self.source, int(lines[row]))

    def _pieces(self) -> Iterator[Records]:
        """Yield rows with their lines, some thousands at a time; empty lines are none.

        While no quote occurs a line is a row, and NumPy's own parser can read it; from the first quote on,
        Python's `csv` takes rows apart.
        """
        line = 1
        with self.source.reading() as stream:
            text = io.TextIOWrapper(stream, self.encoding, newline="")
            try:
                while block := text.read(_CHARACTERS):
                    block += text.readline()
                    plain = block.replace("\r\n", "\n")
                    if '"' in plain or "\r" in plain:
                        yield from self._rows(chain(io.StringIO(block, newline=""), text), line)
                        return
                    found = plain.removesuffix("\n").split("\n")
                    piece = PlainRecords(self.delimiter, found, range(line, line + len(found)))
                    line += len(found)
                    if len(piece.lines):
                        yield piece
            except UnicodeError as error:
                raise complaints.wrong_encoding(self.source, self.encoding, self.ahead) from error

    def _rows(self, text: Iterator[str], start: int) -> Iterator[Records]:
        reader = csv.reader(text, delimiter=self.delimiter, strict=True)
        line, more = start, True
        try:
            while more:
                rows, lines, more = [], [], False
                for record in islice(reader, _ROWS):
                    more = True
                    if record and (len(record) > 1 or record[0].strip()):
                        rows.append(record)
                        lines.append(line)
                    line = start + reader.line_num
                if rows:
                    yield Records(rows, lines)
        except csv.Error as error:
            raise complaints.not_csv(self.source, line, str(error), self.ahead) from error

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
        """Return the delimiter that the first line names, or holds most of outside quotes."""
        if asked is not None:
            asked = _NAMED.get(asked, asked)
            if len(asked) != 1 or asked in '\r\n"':
                raise InputError(lesson(self.called, "wants a delimiter of one character", repr(asked)))
        with self.source.reading() as stream:
            try:
                text = io.TextIOWrapper(stream, self.encoding)
                lines = list(islice((line for line in text if line.strip()), _LINES))
                first = lines[0] if lines else ""
            except UnicodeError as error:
                raise complaints.wrong_encoding(self.source, self.encoding, self.ahead) from error
        told = _TOLD.fullmatch(first.strip("\r\n"))
        self.announced = told is not None and asked in (None, told["mark"])
        if asked is not None:
            return asked
        return _likeliest(lines) if told is None else told["mark"]

    def _checked_names(self, cells: list[str]) -> list[str]:
        names = [cell.strip() or f"column {i}" for i, cell in enumerate(cells, start=1)]
        if all(as_number(cell) is not None for cell in cells):
            raise complaints.no_names(self.source, cells, self.delimiter)
        for i, name in enumerate(names):
            if name in names[:i]:
                raise complaints.named_twice(self.source, name, names.index(name), i)
        return names


def _likeliest(lines: Sequence[str]) -> str:
    """Return the delimiter that the first line holds most of, or one that stands equally often in each line.

    >>> _likeliest(["price, EUR;weight, kg", "1,5;2,25", "2,75;3"])
    ';'
    """
    counts = [[outside.count(mark) for mark in _DELIMITERS] for outside in map(_outside, lines)]
    first = counts[0] if counts else [0]
    most = _DELIMITERS[first.index(max(first))]
    if len(lines) < 3 or any(line.count('"') % 2 for line in lines):  # a cell of several lines
        return most
    found = zip(_DELIMITERS, zip(*counts, strict=True), strict=True)
    even = [mark for mark, times in found if times[0] and len({*times}) == 1]
    return most if most in even and most != "," else even[-1] if even else most


def _outside(line: str) -> str:
    """Return what of a line lies outside quotes."""
    return "".join(line.split('"')[::2])


class Records:
    """Some rows of a file, taken apart, and their lines."""

    rows: list[list[str]]
    lines: list[int]

    def __init__(self, rows: list[list[str]], lines: list[int]) -> None:
        self.rows, self.lines = rows, lines

    def first(self) -> list[str]:
        """Return the first row, and take it away."""
        row, self.rows, self.lines = self.row(0), self.rows[1:], self.lines[1:]
        return row

    def row(self, place: int) -> list[str]:
        """Return one row's cells."""
        return self.rows[place]

    def lengths(self) -> Iterator[int]:
        """Return how many cells each row has."""
        return map(len, self.rows)

    def cells(self, places: list[int]) -> list[Sequence[str]]:
        """Return the columns at some places."""
        turned = list(zip(*self.rows, strict=True))
        return [turned[place] for place in places]

    def numbers(self, places: list[int]) -> Array | None:
        """Return columns of plain numbers as an array of shape (rows, places), if they all are."""
        return None


class PlainRecords(Records):
    """Some lines without a quote: rows whose cells are cut at the delimiters alone."""

    texts: list[str]
    lines: list[int]

    def __init__(self, delimiter: str, rows: list[str], lines: range) -> None:
        kept = [(row, line) for row, line in zip(rows, lines, strict=True) if row and not row.isspace()]
        self.delimiter = delimiter
        self.texts, self.lines = [row for row, _ in kept], [line for _, line in kept]

    def first(self) -> list[str]:
        row, self.texts, self.lines = self.row(0), self.texts[1:], self.lines[1:]
        return row

    def row(self, place: int) -> list[str]:
        return self.texts[place].split(self.delimiter)

    def lengths(self) -> Iterator[int]:
        return (text.count(self.delimiter) + 1 for text in self.texts)

    def cells(self, places: list[int]) -> list[Sequence[str]]:
        flat = self.delimiter.join(self.texts).split(self.delimiter)  # every row has the same length by now
        return [flat[place :: len(flat) // len(self.texts)] for place in places]

    def numbers(self, places: list[int]) -> Array | None:
        if not places or not self._plainly():
            return None
        try:
            values = np.loadtxt(
                self.texts, delimiter=self.delimiter, usecols=places, comments=None, ndmin=2, dtype=np.float64
            )
        except (ValueError, IndexError):  # an empty cell, a word
            return None
        return values if np.nanmax(np.abs(values), initial=0) < _LARGEST else None

    def _plainly(self) -> bool:
        """Return whether no cell begins with 0 and another digit, or has a mark that a parser overlooks."""
        text = "\n".join(("", *self.texts))
        if "_" in text or not text.isascii() or self.delimiter + " " in text:
            return False
        codes = np.frombuffer(text.encode("ascii"), np.uint8)
        begins = (codes[:-2] == ord(self.delimiter)) | (codes[:-2] == ord("\n"))
        digits = (codes[2:] >= ord("0")) & (codes[2:] <= ord("9"))
        return not np.any(begins & (codes[1:-1] == ord("0")) & digits)


def _add(piece: Records, columns: dict[str, _Column], places: dict[str, int]) -> None:
    """Give every column its cells of a piece: all numbers at once where that is possible."""
    numeric = [name for name, column in columns.items() if column.places is None and not column.mixed]
    numbers = piece.numbers([places[name] for name in numeric])
    if numbers is not None:
        for name, values in zip(numeric, numbers.T, strict=True):
            columns[name].pieces.append(values.copy())
    rest = [name for name in columns if numbers is None or name not in numeric]
    cells = piece.cells([places[name] for name in rest]) if rest else []
    for name, found in zip(rest, cells, strict=True):
        columns[name].add(found)


class _PlacesOfWords(dict[str, int]):
    """The place of each different word, in the order in which they came."""

    def __missing__(self, word: str) -> int:
        self[word] = place = len(self)
        return place


class _Column:
    """A column while it is read: pieces of numbers, or of places of words."""

    def __init__(self, verbatim: bool) -> None:
        self.places: _PlacesOfWords | None = _PlacesOfWords() if verbatim else None
        self.pieces: list[Array] = []
        self.mixed = False

    def add(self, cells: Sequence[str]) -> None:
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
            self.places, self.pieces = _PlacesOfWords(), []
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


def _numbers(cells: Sequence[str]) -> Array | None:
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
