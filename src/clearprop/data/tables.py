"""`Table`: a table's columns as they were read, by name, with every row's line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import Cells, Moments, Numbers, Spelling, Words, as_words
from clearprop.data.dress import undress
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]
_ROWS_SHOWN, _COLUMNS_SHOWN, _LETTERS_SHOWN = 6, 20, 60  # of a table in a notebook


class Table:
    """A table: its columns by name, and each row's line in the file that it was read from.

    `columns` are lists of text or `Cells`; `spelling` says how numbers and missing cells are written, where
    the reader was told. `again(names)` reads columns once more, every cell as it is written; `place` is what
    a row is called in a complaint.

    >>> table = Table("rain.csv", {"town": ["Bern", "Uri"], "rain": ["1.5", "NA"]})
    >>> table.columns["town"], table.numbers("rain")[0]
    (['Bern', 'Uri'], array([1.5, nan]))
    """

    path: str
    spelling: Spelling
    again: Callable[..., Any] | None
    place: str

    def __init__(
        self,
        path: str,
        columns: Mapping[str, Cells | Sequence[str]],
        lines: Iterable[int] | Array | None = None,
        spelling: Spelling | None = None,
        again: Callable[[Sequence[str]], dict[str, Words]] | None = None,
        place: str = "line",
    ) -> None:
        self.path, self.spelling, self.again, self.place = path, spelling or Spelling(), again, place
        self.cells: dict[str, Cells] = {
            name: cells if isinstance(cells, (Words, Numbers, Moments)) else Words.of(cells)
            for name, cells in columns.items()
        }
        length = len(next(iter(self.cells.values()), ()))
        found = range(2, length + 2) if lines is None else lines
        self.lines: Array = np.asarray(found if isinstance(found, np.ndarray) else list(found), np.int64)
        self.delimiter: str | None = None  # between the cells of the file, where there is one
        self.first: Callable[[], Mapping[str, Sequence[str]]] | None = None  # cells as they are written
        self.nameless: str | None = None  # the column behind a delimiter at the end of lines
        self._numbers: dict[str, tuple[Array, list[int]]] = {}

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        return f"Table({self.path!r}, {len(self):,} rows of {listed(self.cells)})"

    def _repr_html_(self) -> str:
        """Show the first rows of the first columns in a notebook."""
        from clearprop.see.readable import table

        names = list(self.cells)[:_COLUMNS_SHOWN]
        more = [f"... {len(self.cells) - len(names)} more"] * (len(self.cells) > len(names))
        first = np.arange(min(len(self), _ROWS_SHOWN))
        lines = [str(line) for line in self.lines[first]]
        cells = [[cell[:_LETTERS_SHOWN] for cell in self.cells[name].take(first).cells()] for name in names]
        cells += [[""] * len(first)] * len(more)
        title = f"{self.path}: {len(self):,} rows of {len(self.cells):,} columns"
        return table("clearprop-rows", title, [(self.place, *names, *more), *zip(lines, *cells, strict=True)])

    @property
    def columns(self) -> Mapping[str, list[str]]:
        """Return the columns by name as lists of text; numbers are in their shortest form."""
        return _Texts(self.cells)

    def column(self, name: str, purpose: str = "a column") -> list[str]:
        """Return a column's cells as text; raises InputError, with the nearest names, where there is none."""
        return self.found(name, purpose).cells()

    def found(self, name: str, purpose: str = "a column") -> Cells:
        """Return a column as it was read; raises InputError, with the nearest names, where there is none."""
        if name not in self.cells:
            where, hint = f"Its columns are {listed(self.cells)}.", nearest(name, self.cells)
            raise InputError(
                lesson(self.path, f"has no column {name!r}, wanted as {purpose}", "", where, hint)
            )
        return self.cells[name]

    def numbers(self, name: str) -> tuple[Array, list[int]]:
        """Return a column as float64, NaN where a cell is missing, and the rows that hold no number."""
        if name not in self._numbers:
            cells = self.found(name)
            self._numbers[name] = (
                (self.known(cells.values), [])
                if isinstance(cells, Numbers)
                else self._undressed(as_words(cells))
            )
        return self._numbers[name]

    def _undressed(self, cells: Words) -> tuple[Array, list[int]]:
        missing = self.missing(cells)
        present = [i for i in range(len(cells.words)) if not missing[i]]
        found = undress([cells.words[i] for i in present], self.spelling.decimal)
        values, strange = np.full(len(cells.words), np.nan), np.zeros(len(cells.words), bool)
        values[present] = found.values
        strange[[present[i] for i in found.strange]] = True
        return cells.spread(values), np.flatnonzero(cells.spread(strange, bool)).tolist()

    def known(self, values: Array) -> Array:
        """Return numbers with NaN for those that stand for a missing one, as -999 may, and for infinity."""
        absent = ~np.isfinite(values)
        for number in np.unique(values[~absent]).tolist() if self.spelling.missing else ():
            if self.spelling.is_missing_number(number):
                absent |= values == number
        return np.where(absent, np.nan, values)

    def missing(self, cells: Words) -> list[bool]:
        """Return for each different word whether it stands for a missing cell."""
        return [self.spelling.is_missing(word) for word in cells.words]

    def absent(self, name: str) -> Array:
        """Return for each row whether the column's cell is missing there."""
        cells = self.found(name)
        if isinstance(cells, Numbers):
            return np.isnan(self.known(cells.values))
        if isinstance(cells, Moments):
            return np.isnat(cells.values)
        return cells.spread(self.missing(cells), bool)

    def where(self, name: str, row: int) -> str:
        """Return a cell and its place, for a complaint: `'x' on line 3`."""
        return f"{self.cells[name].take(np.array([row])).cells()[0]!r} {self.at(row)}"

    def at(self, row: int) -> str:
        """Return a row's place in words: `on line 3`."""
        return f"{'on' if self.place == 'line' else 'in'} {self.place} {self.lines[row]}"

    def rows(self, keep: Iterable[int]) -> Table:
        """Return the table of these rows alone."""
        chosen = np.asarray(keep if isinstance(keep, np.ndarray) else list(keep), np.intp)
        cells = {name: cells.take(chosen) for name, cells in self.cells.items()}
        return Table(self.path, cells, self.lines[chosen], self.spelling, place=self.place)

    def verbatim(self, names: Iterable[str]) -> None:
        """Read these columns once more, every cell as it is written, where there is a file to read."""
        wanted = [name for name in names if not isinstance(self.cells[name], Words)]
        if wanted and self.again is not None:
            self.cells.update(self.again(wanted))
            for name in wanted:
                self._numbers.pop(name, None)


def stacked(tables: Sequence[Table]) -> Table:
    """Return pieces of one table as one, row below row.

    >>> stacked([Table("t", {"a": ["1", "x"]}), Table("t", {"a": ["y"]})]).columns["a"]
    ['1', 'x', 'y']
    """
    first = tables[0]
    columns = {name: _joined([table.found(name) for table in tables]) for name in first.cells}
    lines = np.concatenate([table.lines for table in tables])
    table = Table(first.path, columns, lines, first.spelling, place=first.place)
    table.delimiter, table.nameless, table.first = first.delimiter, first.nameless, first.first
    return table


def _joined(parts: Sequence[Cells]) -> Cells:
    for kind in (Numbers, Moments):
        if all(isinstance(part, kind) for part in parts):
            return kind(np.concatenate([part.values for part in parts if isinstance(part, kind)]))
    places: dict[str, int] = {}
    codes = []
    for part in map(as_words, parts):
        own = [places.setdefault(word, len(places)) for word in part.words]
        codes.append(part.spread(own, np.int32))
    return Words(list(places), np.concatenate(codes))


class _Texts(Mapping[str, list[str]]):
    """A table's columns as lists of text, made when they are asked for."""

    def __init__(self, cells: Mapping[str, Cells]) -> None:
        self._cells = cells

    def __getitem__(self, name: str) -> list[str]:
        return self._cells[name].cells()

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def __contains__(self, name: object) -> bool:
        return name in self._cells

    def __repr__(self) -> str:
        return repr(dict(self))


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


def counted(number: int, noun: str) -> str:
    """Return a number and its noun.

    >>> counted(1, "cell"), counted(1200, "cell")
    ('1 cell', '1,200 cells')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
