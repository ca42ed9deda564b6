"""Frames of other libraries as tables: pandas, Polars, PyArrow, what speaks Arrow, dicts of columns."""

from __future__ import annotations

import datetime
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import Cells, Moments, Numbers, Spelling, Words
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]


def is_frame(given: Any) -> bool:
    """Return whether something holds columns by name already."""
    return (
        isinstance(given, (Table, Mapping))
        or _is_lazy(given)
        or hasattr(given, "__arrow_c_stream__")
        or _named(given) is not None
    )


def from_frame(frame: Any, spelling: Spelling, name: str = "") -> Table:
    """Return a frame's columns as a table; types are kept: numbers are numbers, dates are dates."""
    if isinstance(frame, Table):
        return frame
    path = name or f"<{type(frame).__name__}>"
    frame = frame.collect() if _is_lazy(frame) else frame
    names = list(frame) if isinstance(frame, Mapping) else _named(frame)
    if names is None:
        frame = _by_arrow(frame, path)
        names = list(frame.column_names)
    texts = [str(column) for column in names]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise InputError(lesson(f"reading {path}", "wants a name of its own for every column", repr(twice)))
    columns = {text: cells_of(_values(frame[column])) for text, column in zip(texts, names, strict=True)}
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) != 1 or 0 in lengths:
        wanted, got = "wants columns of one length, with rows", f"lengths {sorted(lengths)}"
        raise InputError(lesson(f"reading {path}", wanted, got))
    return Table(path, columns, range(lengths.pop()), spelling, place="row")


def _named(frame: Any) -> list[Any] | None:
    """Return the names of a frame's columns, or None where it does not tell."""
    for name in ("column_names", "columns"):
        found = getattr(frame, name, None)
        if found is not None and hasattr(found, "__iter__") and hasattr(frame, "__getitem__"):
            found = list(found)
            if all(isinstance(column, (str, int, tuple)) for column in found):
                return found
    return None


def _is_lazy(frame: Any) -> bool:
    """Return whether a frame is a plan of Polars, which is to be gone through first."""
    return hasattr(frame, "collect_schema") and hasattr(frame, "collect")


def _by_arrow(frame: Any, path: str) -> Any:
    try:
        arrow = importlib.import_module("pyarrow")
        try:
            return arrow.table(frame)
        except arrow.ArrowInvalid as error:  # one column, which has no name
            wanted, got = "wants columns with names", str(error).splitlines()[0]
            raise InputError(lesson(f"reading {path}", wanted, got, hint='{"x": values}')) from error
    except ImportError as error:
        got = "pyarrow is not installed"
        hint = "pip install 'clearprop[tables]'"
        raise InputError(lesson(f"reading {path}", "speaks Arrow", got, hint=hint)) from error


def _values(column: Any) -> Any:
    """Return one column's values as an array or a list."""
    if hasattr(column, "combine_chunks") and hasattr(column, "type"):  # PyArrow
        return column.to_pylist() if _needs_objects(str(column.type)) else column.to_numpy()
    if hasattr(column, "to_list") and _needs_objects(str(getattr(column, "dtype", ""))):
        return column.to_list()
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _needs_objects(kind: str) -> bool:
    """Return whether a type of another library has no array of NumPy's that keeps what is missing."""
    return kind.lower().startswith(
        ("int", "uint", "bool", "cat", "dict", "dec", "enum", "date", "time", "str")
    )


def cells_of(values: Any) -> Cells:
    """Return values as a column: numbers, moments, or words, `true` and `false` for yes and no.

    Spans of time are numbers of seconds, lists and the like the words that they are written in.

    >>> cells_of([1, None, 2.5])
    Numbers(values=array([1. , nan, 2.5]))
    >>> cells_of([True, False]).cells(), cells_of(["a", None]).cells()
    (['true', 'false'], ['a', ''])
    """
    array = values if isinstance(values, np.ndarray) else None
    if array is not None and array.dtype.kind == "f":
        return Numbers(array.astype(np.float64))
    if array is not None and array.dtype.kind == "M":
        return Moments(array.astype("datetime64[us]"))
    if array is not None and array.dtype.kind == "m":
        if np.datetime_data(array.dtype)[0] in "YM":
            wanted, hint = "wants spans of time of a known length", "them as numbers"
            raise InputError(lesson("reading a column", wanted, f"{array.dtype}", hint=hint))
        return Numbers(array / np.timedelta64(1, "s"))
    if (
        array is not None
        and array.dtype.kind in "iu"
        and np.abs(array.astype(np.float64)).max(initial=0) < 2**53
    ):
        return Numbers(array.astype(np.float64))
    return _of_objects(array.tolist() if array is not None else list(values))


def _of_objects(values: Sequence[Any]) -> Cells:
    values = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]  # as text
    known = [None if _is_absent(value) else value for value in values]
    kinds = {type(value) for value in known if value is not None}
    if kinds and all(issubclass(kind, (datetime.datetime, datetime.date)) for kind in kinds):
        return Moments(np.array([_moment(value) for value in known], "datetime64[us]"))
    if kinds and all(issubclass(kind, datetime.timedelta) for kind in kinds):
        return Numbers(np.array([np.nan if value is None else value.total_seconds() for value in known]))
    if kinds and bool not in kinds and all(hasattr(kind, "__float__") for kind in kinds):
        numbers = np.array([np.nan if value is None else float(value) for value in known], np.float64)
        if np.nanmax(np.abs(numbers), initial=0) < 2**53 or not all(issubclass(kind, int) for kind in kinds):
            return Numbers(numbers)
    return Words.of("" if value is None else _text(value) for value in known)


def _is_absent(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def _moment(value: Any) -> Any:
    if value is None:
        return np.datetime64("NaT", "us")
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(str(value.isoformat()), "us")


def _text(value: Any) -> str:
    if isinstance(value, bytes):  # as some programs write text into Parquet
        return value.decode("utf-8", "backslashreplace")
    return str(value).lower() if isinstance(value, (bool, np.bool_)) else str(value)
