"""Reading and writing the safetensors format with NumPy alone: named arrays and a few strings, never code.

A file is eight bytes (the header's length, little-endian), a JSON header that gives each array's dtype, shape
and place, and then the arrays' bytes, row by row, without gaps. The format is specified at
https://github.com/huggingface/safetensors.

The first entry of the metadata is a checksum of the whole file, taken with zeros in its own place. Other
readers see one more string; files without it, which others write, are read as they are.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop import marks
from clearprop.errors import InputError, lesson
from clearprop.files import whole_file

Array = npt.NDArray[Any]

_DTYPES = {
    "BOOL": "?",
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_LONGEST_HEADER = 100_000_000  # the bound that the format itself sets
_ALIGNMENT = 8
_MOST_AXES = 64  # of a NumPy array
_CHECKSUM, _SCHEME, _DIGITS = "clearprop.checksum", "clearprop-blake2b:", 32
_BEFORE = f'{{"__metadata__":{{"{_CHECKSUM}":"{_SCHEME}'.encode()  # how every header of ours begins


def save_safetensors(
    path: str | Path,
    arrays: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = True,
) -> None:
    """Write named arrays, and strings that describe them, as one safetensors file.

    The file is written whole or not at all, and the same arrays always give the same bytes. Raises TypeError
    for a dtype that the format does not have and for metadata that is not text, InputError where the system
    refuses to write, or, without `overwrite`, where there is a file that clearprop did not write as one of
    the same kind (the metadata's "format").

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> save_safetensors(path, {"w": np.ones((2, 3), np.float32)}, {"made by": "an example"})
    >>> arrays, metadata = load_safetensors(path)
    >>> arrays["w"].shape, metadata
    ((2, 3), {'made by': 'an example'})
    """
    parts = _parts(arrays, metadata or {})
    ours = marks.safetensors((metadata or {}).get("format", ""))
    with whole_file(path, ours=None if overwrite else ours) as file:
        file.writelines(parts)


def _parts(arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> list[bytes]:
    for key, text in metadata.items():
        if not isinstance(key, str) or not isinstance(text, str):
            wanted = "wants metadata of strings"
            raise TypeError(lesson("save_safetensors", wanted, f"{key!r}: {text!r}", hint="json.dumps(...)"))
    own = {key: metadata[key] for key in sorted(metadata) if key != _CHECKSUM}
    header: dict[str, Any] = {"__metadata__": {_CHECKSUM: _SCHEME + "0" * _DIGITS, **own}}
    ready = {name: _little_endian(name, array) for name, array in arrays.items()}
    # Wide dtypes first, so that every array starts on a multiple of its own width.
    names = sorted(ready, key=lambda name: (-ready[name].itemsize, name))
    place = 0
    for name in names:
        array = ready[name]
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % _ALIGNMENT)
    if len(head) > _LONGEST_HEADER:
        wanted = f"wants a header of at most {_LONGEST_HEADER:,} bytes"
        raise ValueError(lesson("save_safetensors", wanted, f"{len(head):,}", hint="fewer or shorter names"))
    parts = [len(head).to_bytes(8, "little"), head, *(ready[name].tobytes() for name in names)]
    parts[1] = _BEFORE + _digest(parts) + head[len(_BEFORE) + _DIGITS :]
    return parts


def _digest(parts: Iterable[Any]) -> bytes:
    """Return the checksum of a file's parts as hexadecimal digits."""
    state = hashlib.blake2b(digest_size=_DIGITS // 2)
    for part in parts:
        state.update(part)
    return state.hexdigest().encode()


def _little_endian(name: Any, given: Any) -> Array:
    if name == "__metadata__" or not isinstance(name, str):
        raise TypeError(
            lesson("save_safetensors", "cannot name an array so", repr(name), hint="another name")
        )
    array: Array = np.asarray(given)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype not in _NAMES:
        kinds = "bool, integers, float16/32/64 or complex64"
        raise TypeError(lesson("save_safetensors", f"wants {kinds}", f"{name!r} has dtype {array.dtype}"))
    return array


def load_safetensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays of a safetensors file by name, and its metadata.

    bfloat16, which NumPy does not have, is widened exactly to float32. Nothing in the file is ever executed,
    and nothing is believed before it has been checked. Raises InputError, saying what is wrong, for a file
    that is missing, cut short, damaged or of another kind; a file that clearprop wrote is read only where not
    one bit of it has changed.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError, MemoryError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if missing else getattr(error, "strerror", "") or str(error)
        hint = "another path" if missing else "a file that can be read"
        where = "Nothing was loaded."
        raise InputError(lesson(f"reading {path}", reason.lower(), "", where, hint)) from error
    header, data = _header(path, content)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise _damaged(path, "its metadata is not a table of strings")
    places = {name: _entry(path, name, entry, len(data)) for name, entry in header.items()}
    _without_gaps(path, {name: (begin, end) for name, (_, _, begin, end) in places.items()}, len(data))
    _unchanged(path, content, metadata)
    arrays = {}
    for name, (dtype, shape, begin, end) in places.items():
        try:
            arrays[name] = _array(data[begin:end], dtype, shape)
        except (
            ValueError,
            OverflowError,
            MemoryError,
        ) as error:  # empty along one axis, absurd along another
            raise _damaged(path, f"{name!r} cannot have the shape {str(shape)[:60]}") from error
    return arrays, metadata


def _header(path: str | Path, content: bytes) -> tuple[dict[str, Any], memoryview]:
    if len(content) < 8:
        raise _damaged(path, f"it has {len(content)} bytes, too few for a header")
    length = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{" or not 2 <= length <= _LONGEST_HEADER:
        raise _foreign(path)
    if 8 + length > len(content):
        missing = 8 + length - len(content)
        raise _damaged(path, f"it is cut short: the header lacks {missing} bytes")
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header cannot be read ({error})") from error
    return header, memoryview(content)[8 + length :]


def _unchanged(path: str | Path, content: bytes, metadata: dict[str, str]) -> None:
    """Compare the checksum, and take it out of the metadata; a file that never had one passes.

    Either its name or its scheme gives it away, so that no single bit that has changed can hide it.
    """
    signed = [key for key, text in metadata.items() if key == _CHECKSUM or text.startswith(_SCHEME)]
    if not signed:
        return
    start, whole = 8 + len(_BEFORE), memoryview(content)
    there = whole[start : start + _DIGITS]
    found = _digest([whole[:start], b"0" * _DIGITS, whole[start + _DIGITS :]])
    if content[8:start] != _BEFORE or there != found:
        wanted, got = "was changed since clearprop wrote it", "its checksum is another one"
        where, hint = "Nothing was loaded.", "another copy of it"
        raise InputError(lesson(f"reading {path}", wanted, got, where, hint))
    del metadata[_CHECKSUM]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        raise ValueError("a name occurs twice")
    return seen


def _entry(path: str | Path, name: str, entry: Any, size: int) -> tuple[str, tuple[int, ...], int, int]:
    """Return (dtype, shape, begin, end) of one array, checked against each other and the file's size."""
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise _damaged(path, f"{name!r} lacks its dtype, shape or data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype != "BF16" and (not isinstance(dtype, str) or dtype not in _DTYPES):
        raise _damaged(
            path, f"{name!r} has the dtype {dtype!r}, which is not among {', '.join(_DTYPES)}, BF16"
        )
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
        raise _damaged(path, f"{name!r} has no usable shape or data_offsets")
    if len(shape) > _MOST_AXES or any(axis > sys.maxsize for axis in shape):
        raise _damaged(path, f"{name!r} has a shape that no array has: {str(shape)[:60]}")
    begin, end = offsets
    if begin > end:
        raise _damaged(path, f"{name!r} ends before it begins ({begin} to {end})")
    if end > size:
        raise _damaged(path, f"it is cut short: {name!r} reaches to byte {end}, the data has {size}")
    wanted = math.prod(shape) * (2 if dtype == "BF16" else np.dtype(_DTYPES[dtype]).itemsize)
    if end - begin != wanted:
        raise _damaged(
            path, f"{name!r} of shape {tuple(shape)} and {dtype} takes {wanted} bytes, not {end - begin}"
        )
    return dtype, tuple(shape), begin, end


def _counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)


def _without_gaps(path: str | Path, places: dict[str, tuple[int, int]], size: int) -> None:
    reached = 0
    for name, (begin, end) in sorted(places.items(), key=lambda item: item[1]):
        if begin < reached:
            raise _damaged(path, f"{name!r} overlaps the array before it")
        if begin > reached:
            raise _damaged(path, f"there is a gap of {begin - reached} bytes before {name!r}")
        reached = end
    if reached < size:
        raise _damaged(path, f"{size - reached} bytes at its end belong to no array")


def _array(data: memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    if dtype == "BF16":  # the upper half of a float32
        wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(shape)
    if dtype == "BOOL":  # a byte other than 0 and 1 must not get into a NumPy bool
        bytes_: Array = np.frombuffer(data, np.uint8)
        return bytes_.astype(np.bool_).reshape(shape)
    array: Array = np.frombuffer(data, _DTYPES[dtype]).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="))  # a copy that can be written to


def _damaged(path: str | Path, what: str) -> InputError:
    called, wanted = f"reading {path}", "is not a whole safetensors file"
    return InputError(lesson(called, wanted, what, "Nothing was loaded.", "another copy of it"))


def _foreign(path: str | Path) -> InputError:
    return InputError(
        lesson(
            f"reading {path}",
            "is not a safetensors file",
            "it does not begin with the length of a JSON header",
            hint="a file written by `clearprop train` or by the safetensors package",
        )
    )
