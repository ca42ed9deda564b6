"""What is wrong with a text of cells, in words: each function returns the error, which who reads raises.

`ahead` is of a part of a file: how many lines are left out between the names and the row below them, so that
lines are counted as the file has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clearprop.data.reading.sources import Source
from clearprop.data.tables import counted
from clearprop.errors import InputError, lesson

_QUOTED = 'quotes around a cell that holds the delimiter ("a, b")'


def reading(source: Source) -> str:
    """Return what was called, as errors name it."""
    return f"reading {source.name}"


def empty(source: Source) -> InputError:
    """Return the error for a file that holds no line."""
    wanted = "wants a line of column names and rows below it"
    return InputError(lesson(reading(source), wanted, "the file is empty"))


def no_names(source: Source, cells: Sequence[str], delimiter: str) -> InputError:
    """Return the error for a first line of numbers."""
    got = f"{delimiter.join(cells[:4])!r}, which are numbers"
    wanted, hint = "wants the columns' names in its first line", "a first line such as length,width,kind"
    return InputError(lesson(reading(source), wanted, got, hint=hint))


def named_twice(source: Source, name: str, first: int, second: int) -> InputError:
    """Return the error for two columns of one name, at these places."""
    wanted = f"wants a name of its own for every column: {name!r} names columns {first + 1} and {second + 1}"
    return InputError(lesson(reading(source), wanted))


def wrong_length(
    source: Source, names: Sequence[str], row: Sequence[str], line: int, delimiter: str, closed: bool
) -> InputError:
    """Return the error for a row that has not a cell for each name.

    Where the file is `closed`, the last name is of the empty column behind the delimiter that ends its lines.
    """
    known = len(names) - closed
    if any("\0" in cell for cell in row):
        return nul(source, line)
    wanted = f"line {line} has {counted(len(row), 'cell')}, the first line has {known}"
    where, hint = f"The delimiter is {delimiter!r}.", ""
    if row[0].lstrip().startswith("#"):
        where, hint = (
            f"It looks like a comment: {delimiter.join(row)[:60]!r}.",
            "the file without that line",
        )
    elif names[0].startswith("#"):
        where = f"The first line looks like a comment: {names[0][:60]!r}."
        hint = "the file without that line"
    elif closed and len(row) == known:
        wanted = f"line {line} does not end with the delimiter {delimiter!r}, as the others do"
        where, hint = "", "one way to end all lines"
    elif len(row) == known + 1 and not row[-1].strip():
        where, hint = "It ends with a delimiter.", "the file without delimiters at the ends of its lines"
    elif len(row) == known + 1 and line == 2:
        where += " If every row has one cell more, the first line lacks a name for the first column."
        hint = f"{_QUOTED}, or a name for each column"
    else:
        hint = _QUOTED
        if len(row) < known and line > 2:
            last = names[len(row) - 1]
            where += f" The last cell that is there is {row[-1][:30]!r}, of the column {last!r}."
    return InputError(lesson(reading(source), wanted, where=where, hint=hint))


def not_csv(source: Source, line: int, what: str, ahead: int | None) -> InputError:
    """Return the error for what Python's `csv` cannot take apart."""
    if "NUL" in what:
        return nul(source, line)
    hint = "closing the quote that was opened there" if "unexpected end" in what else ""
    if hint and ahead is not None:
        hint += "; where quotes stand inside of cells, reading it by one process"
    return InputError(lesson(reading(source), f"line {line + (ahead or 0)} is not CSV", what, hint=hint))


def nul(source: Source, line: int) -> InputError:
    """Return the error for a byte 0, which no text of cells holds."""
    got = f"line {line} holds a NUL byte: the file holds bytes of another kind"
    begins = source.begins(2)
    hint = ""
    if b"\0" in begins:
        hint = f"--encoding utf-16-{'be' if begins.startswith(bytes(1)) else 'le'}"
    return InputError(lesson(reading(source), "wants a table of text", got, hint=hint))


def wrong_encoding(source: Source, encoding: str, ahead: int | None) -> InputError:
    """Return the error for bytes that are no text; looks for their line."""
    begins = source.begins(2)
    with source.reading() as stream:
        lines = enumerate(stream, start=1)
        line, content = next((pair for pair in lines if not _decodes(pair[1], encoding)), (1, b""))
        line += (ahead or 0) if line > 1 else 0
    where = f"Line {line} holds bytes that do not belong to it."
    windows = re.search(rb"[\x80-\x9f]", content) is not None  # marks there, and nothing in Latin-1
    hint = f"--encoding {'cp1252' if windows else 'latin-1'}"
    hint = "--encoding utf-16" if begins in (b"\xff\xfe", b"\xfe\xff") else hint
    wanted = f"wants text encoded as {encoding.removesuffix('-sig')}"
    return InputError(lesson(reading(source), wanted, where=where, hint=hint))


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeError:
        return False
    return True
