"""`read_table`: a table from a file of many formats, standard input, an open file or a frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from clearprop.data.cells import Spelling
from clearprop.data.reading.delimited import Delimited
from clearprop.data.reading.formats import read_format
from clearprop.data.reading.frames import from_frame, is_frame
from clearprop.data.reading.sources import Source, source_of
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson
from clearprop.hints import refuse_texts

__all__ = ["Source", "read_table", "source_of"]


def read_table(
    path: Any,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    missing: Sequence[str] = (),
    day_first: bool | None = None,
    verbatim: bool = False,
    encodings: Sequence[str] = (),
) -> Table:
    """Read a table: a file, `-` for standard input, an open file, or a frame of pandas, Polars or PyArrow.

    The format is found from the content, whatever the file's name: text whose first line names the columns
    (CSV), JSON lines, NumPy's .npz, and with the extra `tables` Parquet and Arrow (Feather) files; each of
    them plain or compressed by gzip, bzip2, xz, zip or (with `zstandard`) zstd.

    The delimiter is the one of `, ; tab |` that the first line holds most of outside quotes (the earlier of
    that list where two tie), unless another stands equally often in each of the first 20 lines: so that
    `price, EUR;weight, kg` is cut at its semicolon.

    The encoding is UTF-8 unless it is named; `encodings` are tried after it. With `decimal=","` a cell such
    as `1,5` is the number 1.5; unless it is given, each column tells. `missing` are words for a missing cell,
    besides the usual ones. Quoted cells may hold delimiters and line breaks; empty lines are skipped. With
    `verbatim` every column is text, cell by cell as it is written.

    Raises InputError, with the line, for a missing or an empty file, a row that is longer or shorter than the
    first, an open quote, a name that occurs twice, and bytes that are not text in the encoding.

    >>> import io
    >>> table = read_table(io.StringIO("town;rain\\nBern;1.5\\nUri;NA\\n"))
    >>> table.columns["town"], table.numbers("rain")[0]
    (['Bern', 'Uri'], array([1.5, nan]))
    """
    refuse_texts("read_table", verbatim=verbatim)
    if decimal not in (None, ".", ","):
        raise InputError(lesson("read_table(decimal=)", 'wants "." or ","', repr(decimal)))
    spelling = Spelling(decimal, tuple(word.strip() for word in missing), day_first)
    if is_frame(path):
        return from_frame(path, spelling)
    if not isinstance(path, (str, bytes, bytearray, os.PathLike)) and not hasattr(path, "read"):
        wanted, got = "wants a path, bytes, an open file or a frame", f"{type(path).__name__} {path!r:.40}"
        raise InputError(lesson("read_table(path)", wanted, got, hint='{"x": [1, 2], "y": [3, 4]}'))
    source = source_of(path)
    table = read_format(source, spelling)
    if table is None:
        table = Delimited(source, delimiter, encoding, spelling, encodings).table(verbatim)
    elif verbatim:
        table.verbatim(table.cells)
    return table
