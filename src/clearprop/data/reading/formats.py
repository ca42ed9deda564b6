"""Tables in other formats than text with a delimiter: JSON lines, NumPy's .npz, Parquet, Arrow."""

from __future__ import annotations

import importlib
import io
import json
from typing import Any

import numpy as np

from clearprop.data.cells import Spelling
from clearprop.data.reading.frames import cells_of, from_frame
from clearprop.data.reading.sources import Source
from clearprop.data.tables import Table, counted
from clearprop.errors import InputError, first_line, lesson


def read_format(source: Source, spelling: Spelling) -> Table | None:
    """Return the table of a file whose first bytes name its format, or None for any other file.

    Raises InputError where the format needs a library that is not installed.
    """
    begins = source.begins()
    if begins.startswith(b"PAR1"):
        return _engine(source, spelling, "Parquet", "pyarrow.parquet", "read_table", "read_parquet")
    if begins.startswith(b"ARROW1"):
        return _engine(source, spelling, "Arrow", "pyarrow.feather", "read_table", "read_ipc")
    if begins.startswith(b"\xff\xff\xff\xff"):
        return _engine(source, spelling, "Arrow stream", "pyarrow.ipc", "open_stream", "read_ipc_stream")
    if begins.startswith((b"PK\x03\x04", b"\x93NUMPY")):
        return _from_numpy(source, spelling)
    if begins.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _from_json(source, spelling)
    return None


def _engine(
    source: Source, spelling: Spelling, what: str, arrow: str, by_arrow: str, by_polars: str
) -> Table:
    """Return a table read by PyArrow or Polars, whichever is installed."""
    with source.reading() as stream:
        content = io.BytesIO(stream.read())
    for module, name in ((arrow, by_arrow), ("polars", by_polars)):
        try:
            read = getattr(importlib.import_module(module), name)
        except ImportError:
            continue
        try:
            frame = read(content)
            frame = frame.read_all() if hasattr(frame, "read_all") else frame
        except Exception as error:  # the libraries have exceptions of their own
            first = first_line(error)
            raise InputError(
                lesson(f"reading {source.name}", f"is no {what} file that can be read", first)
            ) from error
        return from_frame(frame, spelling, source.name)
    wanted, got = (
        f"is a {what} file, which takes a library to read",
        "neither pyarrow nor polars is installed",
    )
    raise InputError(lesson(f"reading {source.name}", wanted, got, hint="pip install 'clearprop[tables]'"))


def _from_numpy(source: Source, spelling: Spelling) -> Table:
    """Return arrays as columns: one of two axes is a column for each of its own."""
    called = f"reading {source.name}"
    try:
        with source.reading() as stream:
            found = np.load(io.BytesIO(stream.read()), allow_pickle=False)
        arrays = {name: found[name] for name in found} if hasattr(found, "files") else {"column": found}
    except (ValueError, OSError) as error:
        raise InputError(lesson(called, first_line(error))) from error
    columns: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.ndim == 0 or (array.ndim > 2 and array[0].size > 100_000):
            raise InputError(
                lesson(called, "wants arrays with a row for each sample", f"{name!r} is {array.shape}")
            )
        flat = array.reshape(len(array), -1)
        one = array.ndim == 1
        columns |= {name if one else f"{name}[{i}]": flat[:, i] for i in range(flat.shape[1])}
    lengths = {len(array) for array in columns.values()}
    if len(lengths) != 1:
        got = ", ".join(f"{name!r} has {counted(len(a), 'row')}" for name, a in list(arrays.items())[:4])
        raise InputError(lesson(called, "wants arrays of one length", got))
    return Table(
        source.name,
        {k: cells_of(v) for k, v in columns.items()},
        range(lengths.pop()),
        spelling,
        place="row",
    )


def _from_json(source: Source, spelling: Spelling) -> Table:
    """Return objects, one a line or in one array, as rows; a name that an object lacks is a missing cell."""
    called = f"reading {source.name}"
    with source.reading() as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wanted, where = "wants JSON, which is text in UTF-8", f"Line {line} holds other bytes."
        raise InputError(lesson(called, wanted, where=where)) from error
    rows: list[tuple[int, Any]] = []
    if text.lstrip().startswith("["):
        try:
            rows = list(enumerate(json.loads(text), start=1))
        except ValueError as error:
            raise InputError(lesson(called, "is not JSON", str(error))) from error
    else:
        for line, words in enumerate(text.split("\n"), start=1):  # other ends of lines may stand in a text
            if words.strip():
                try:
                    rows.append((line, json.loads(words)))
                except ValueError as error:
                    raise InputError(lesson(called, f"line {line} is not JSON", str(error))) from error
    names: dict[str, None] = {}
    for line, row in rows:
        if not isinstance(row, dict) or any(isinstance(value, (dict, list)) for value in row.values()):
            got = f"line {line} holds {json.dumps(row)[:60]}"
            raise InputError(lesson(called, "wants an object of numbers and texts in each line", got))
        names |= dict.fromkeys(row)
    if not rows:
        raise InputError(lesson(called, "wants at least one row", "there is none"))
    columns = {name: cells_of([row.get(name) for _, row in rows]) for name in names}
    return Table(source.name, columns, [line for line, _ in rows], spelling)
