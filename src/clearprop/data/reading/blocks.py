"""`read_blocks`: a table that is larger than memory, in pieces: text with a delimiter, or Parquet."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from clearprop.data.cells import Spelling
from clearprop.data.reading.delimited import Delimited
from clearprop.data.reading.frames import from_frame
from clearprop.data.reading.sources import Source, source_of
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson


def read_blocks(
    path: Any,
    rows: int = 1 << 16,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    missing: Sequence[str] = (),
    day_first: bool | None = None,
) -> Iterator[Table]:
    """Yield a table in pieces of about so many rows; only one of them is in memory at a time.

    The file is text with a delimiter, packed or not, or Parquet (with PyArrow or Polars); the other arguments
    are those of `read_table`. A column may be numbers in one piece and words in another. Raises InputError
    for other formats, and whatever `read_table` does.

    >>> [len(table) for table in read_blocks(b"a,b\\n1,x\\n2,y\\n", rows=9)]
    [2]
    """
    if rows < 1:
        raise ValueError(lesson("read_blocks(rows=)", "wants 1 row or more", repr(rows)))
    spelling = Spelling(decimal, tuple(word.strip() for word in missing), day_first)
    source = source_of(path)
    begins = source.begins()
    if begins.startswith(b"PAR1"):
        yield from parquet_rows(source, rows, spelling)
        return
    if begins.startswith((b"ARROW1", b"\xff\xff\xff\xff", b"PK\x03\x04", b"\x93NUMPY", b"{", b"[")):
        wanted, hint = "is read in pieces from CSV or Parquet alone", "read_table, or the file as Parquet"
        raise InputError(lesson(f"reading {source.name}", wanted, "a file of another format", hint=hint))
    yield from Delimited(source, delimiter, encoding, spelling).blocks(rows)


def parquet_rows(
    source: Source, rows: int, spelling: Spelling, start: int = 0, stop: int | None = None
) -> Iterator[Table]:
    """Yield the row groups of a Parquet file, cut into pieces: those of rows `start` to `stop`."""
    called, place = f"reading {source.name}", start
    frames = _frames(source, rows, start, stop)
    while True:
        try:
            frame = next(frames, None)
        except InputError:
            raise
        except Exception as error:  # the libraries have exceptions of their own
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(lesson(called, "is no Parquet file that can be read", first)) from error
        if frame is None:
            break
        table = from_frame(frame, spelling, source.name)
        table.lines = np.arange(place, place + len(table), dtype=np.int64)
        place += len(table)
        yield table
    if place == start:
        raise InputError(lesson(called, "wants at least one row", "there is none"))


def _frames(source: Source, rows: int, start: int, stop: int | None) -> Iterator[Any]:
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        yield from _frames_of_polars(source, rows, start, stop)
        return
    with source.reading() as stream:
        file = parquet.ParquetFile(stream)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        begins = [0, *accumulate(sizes)]
        groups = [
            i for i, place in enumerate(begins[:-1]) if start <= place and (stop is None or place < stop)
        ]
        for batch in file.iter_batches(batch_size=rows, row_groups=groups):
            if len(batch):
                yield arrow.Table.from_batches([batch])


def _frames_of_polars(source: Source, rows: int, start: int, stop: int | None) -> Iterator[Any]:
    scan, total = _scanned(source)
    for place in range(start, total if stop is None else min(stop, total), rows):
        yield scan.slice(place, rows if stop is None else min(rows, stop - place)).collect()


def _scanned(source: Source) -> tuple[Any, int]:
    """Return a Parquet file as Polars reads it, and the number of its rows."""
    try:
        polars = importlib.import_module("polars")
    except ImportError as error:
        wanted, got = (
            "is a Parquet file, which takes a library to read",
            "neither pyarrow nor polars is there",
        )
        hint = "pip install 'clearprop[tables]'"
        raise InputError(lesson(f"reading {source.name}", wanted, got, hint=hint)) from error
    if source.path is None:
        raise InputError(lesson(f"reading {source.name}", "is read in pieces from a file", "no file"))
    scan = polars.scan_parquet(source.path)
    return scan, int(scan.select(polars.len()).collect().item())


def groups_of(source: Source) -> list[int]:
    """Return the numbers of rows of a Parquet file's row groups; with Polars those of a thousand like parts.

    Raises InputError for a damaged file, and without a library that reads it.
    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        _, total = _scanned(source)
        return [(i + 1) * total // 1000 - i * total // 1000 for i in range(1000)]
    try:
        with source.reading() as stream:
            about = parquet.ParquetFile(stream).metadata
            return [about.row_group(i).num_rows for i in range(about.num_row_groups)]
    except Exception as error:  # the libraries have exceptions of their own
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            lesson(f"reading {source.name}", "is no Parquet file that can be read", first)
        ) from error


def expected_rows(path: Any) -> int:
    """Return about how many rows a table has: from its lines' length, or as a Parquet file says.

    >>> expected_rows(b"a,b\\n1,x\\n2,y\\n")
    2
    """
    source = source_of(path)
    begins = source.begins(1 << 16)
    if begins.startswith(b"PAR1"):
        try:
            with source.reading() as stream:
                parquet = importlib.import_module("pyarrow.parquet")
                return max(1, int(parquet.ParquetFile(stream).metadata.num_rows))
        except Exception:  # whoever reads the file says what is wrong with it
            return max(1, source.path.stat().st_size // 100) if source.path else 1
    lines = max(1, begins.count(b"\n"))
    if source.path is None or len(begins) < 1 << 16:
        return max(1, lines - 1)
    return max(1, source.path.stat().st_size * lines // len(begins))
