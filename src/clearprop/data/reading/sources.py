"""Where a table comes from: bytes that can be opened again, compressed or not, whatever their name says."""

from __future__ import annotations

import importlib
import io
import os
import stat
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clearprop.errors import InputError, lesson

Opener = Callable[[], IO[bytes]]

# fmt: off
_PACKED = {
    b"\x1f\x8b":           ("gzip",  "gzip"),
    b"BZh":                ("bzip2", "bz2"),
    b"\xfd7zXZ\x00":       ("xz",    "lzma"),
}
_FOREIGN = {
    b"\xd0\xcf\x11\xe0":   ("an Excel workbook of the old kind (.xls)", "saving the sheet as CSV"),
    b"%PDF":               ("a PDF document",                           "a table of text"),
    b"\x89HDF":            ("an HDF5 file",                             "pandas.read_hdf, then read_table"),
    b"SQLite format 3":    ("an SQLite database",                       "exporting one of its tables as CSV"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive",                             "unpacking it first"),
    b"Rar!":               ("a RAR archive",                            "unpacking it first"),
    b"\x89PNG":            ("a picture (PNG)",                          "a table of text"),
    b"\xff\xd8\xff":       ("a picture (JPEG)",                         "a table of text"),
}
# fmt: on
_ZSTD = b"\x28\xb5\x2f\xfd"
_DEEPEST = 4


@dataclass
class Source:
    """Bytes under a name, which may be opened more than once; `path` is the file that they lie in, if any."""

    name: str
    open: Opener
    path: Path | None = None

    def begins(self, size: int = 512) -> bytes:
        """Return the first bytes."""
        with self.reading() as stream:
            return stream.read(size)

    def reading(self) -> IO[bytes]:
        """Open for reading; what the system says is turned into a complaint."""
        called = f"reading {self.name}"
        try:
            return self.open()
        except FileNotFoundError as error:
            raise InputError(lesson(called, "there is no such file")) from error
        except OSError as error:
            raise InputError(lesson(called, (error.strerror or str(error)).lower())) from error


def source_of(given: Any) -> Source:
    """Return a file, standard input (`-`), a pipe, an open file or bytes as a Source, unpacked.

    What can be read once alone is kept in memory. Raises InputError for archives of several files, and for
    files of other programs, which it names.
    """
    if isinstance(given, (bytes, bytearray)):
        content = bytes(given)
        return _unpacked(Source("<bytes>", lambda: io.BytesIO(content)))
    if hasattr(given, "read"):
        return _unpacked(_held(given, str(getattr(given, "name", "<file>"))))
    if str(given) == "-":
        return _unpacked(
            _held(sys.stdin.buffer if hasattr(sys.stdin, "buffer") else sys.stdin, "standard input")
        )
    path = Path(given)
    whole = Source(str(given), lambda: open(path, "rb"), path)  # noqa: SIM115  # whoever reads it closes it
    if is_read_once(given):
        with whole.reading() as stream:
            return _unpacked(_held(stream, whole.name))
    return _unpacked(whole)


def is_read_once(given: Any) -> bool:
    """Return whether a table can be gone through once alone: standard input, an open file, a pipe."""
    if isinstance(given, (bytes, bytearray)):
        return False
    if hasattr(given, "read") or str(given) == "-":
        return True
    try:
        return stat.S_ISFIFO(os.stat(given).st_mode)
    except (OSError, ValueError):  # whoever reads it says what is wrong with it
        return False


def _held(stream: Any, name: str) -> Source:
    """Return what a stream still holds, kept in memory as it came."""
    content = stream.read()
    if isinstance(content, str):
        content = content.encode()
    return Source(name, lambda: io.BytesIO(content))


def _unpacked(source: Source, depth: int = 0) -> Source:
    begins = source.begins()
    called = f"reading {source.name}"
    for mark, (what, hint) in _FOREIGN.items():
        if begins.startswith(mark):
            raise InputError(lesson(called, "wants a table", f"it is {what}", hint=hint))
    if begins[257:262] == b"ustar":
        raise InputError(lesson(called, "wants a table", "it is a tar archive", hint="unpacking it first"))
    if depth == _DEEPEST:
        raise InputError(lesson(called, "is packed too often", f"{depth} times, one in another"))
    for mark, (what, module) in _PACKED.items():
        if begins.startswith(mark):
            opener = _whole(source, what, importlib.import_module(module).open)
            return _unpacked(Source(source.name, opener), depth + 1)
    if begins.startswith(_ZSTD):
        return _unpacked(Source(source.name, _whole(source, "zstd", _zstd)), depth + 1)
    if begins.startswith(b"PK\x03\x04"):
        return _from_zip(source, depth)
    return source


def _whole(source: Source, what: str, unpack: Callable[[Any], IO[bytes]]) -> Opener:
    """Return an opener that names the packing where its content is damaged."""

    def opener() -> IO[bytes]:
        packed = source.reading()
        try:
            stream = unpack(packed)
        except BaseException:
            packed.close()
            raise
        return io.BufferedReader(_Careful(stream, packed, source.name, what), 1 << 18)

    return opener


class _Careful(io.RawIOBase):
    """A stream of unpacked bytes whose faults are told as the file's, not as its packing's."""

    def __init__(self, stream: IO[bytes], packed: IO[bytes], name: str, what: str) -> None:
        self.stream, self.packed = stream, packed
        self.called, self.what = f"reading {name}", what

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.stream.close()
        self.packed.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        try:
            content = self.stream.read(len(buffer))
        except InputError:
            raise
        except Exception as error:  # each module has exceptions of its own
            got, hint = str(error) or type(error).__name__, "another copy of it"
            wanted = f"is packed by {self.what}, and damaged or cut short"
            raise InputError(lesson(self.called, wanted, got, hint=hint)) from error
        buffer[: len(content)] = content
        return len(content)


def _zstd(packed: IO[bytes]) -> IO[bytes]:
    for name in ("compression.zstd", "zstandard"):
        try:
            return importlib.import_module(name).open(packed, "rb")  # type: ignore[no-any-return]
        except ImportError:
            continue
    wanted, hint = "is packed by zstd, which this Python cannot read", "pip install zstandard"
    raise InputError(lesson("reading a table", wanted, hint=hint))


def _from_zip(source: Source, depth: int) -> Source:
    called = f"reading {source.name}"
    try:
        with source.reading() as stream, zipfile.ZipFile(stream) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
            locked = any(info.flag_bits & 1 for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        wanted, got = "wants a table of text", f"the file holds bytes of another kind (zip: {error})"
        raise InputError(lesson(called, wanted, got)) from error
    if "[Content_Types].xml" in names:
        got, hint = "it is an Excel workbook or another office document", "saving the sheet as CSV"
        raise InputError(lesson(called, "wants a table", got, hint=hint))
    if names and all(name.endswith(".npy") for name in names):
        return source
    if locked:
        raise InputError(lesson(called, "is a zip file with a password", hint="unpacking it first"))
    if len(names) != 1:
        got = ", ".join(names[:6]) or "none"
        raise InputError(lesson(called, f"wants one table in a zip file: {len(names)} files", got))
    inner = Source(
        f"{source.name}/{names[0]}",
        _whole(source, "zip", lambda packed: zipfile.ZipFile(packed).open(names[0])),  # noqa: SIM115
    )
    return _unpacked(inner, depth + 1)
