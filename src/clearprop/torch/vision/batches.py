"""CIFAR's batches for Python, which are pickles: read without running code, as dicts of arrays and lists.

A pickle is a program. Such a batch needs four names of NumPy; objects of this file stand for them, and every
other name is refused before anything of it is imported.
"""

from __future__ import annotations

import functools
import math
import pickle
from typing import Any

import numpy as np

from clearprop.errors import InputError, at_line, lesson
from clearprop.interop.pickles import bounded

LARGEST = 1 << 30  # bytes of one batch; CIFAR's have 180 MB at the most
_NUMBERS = {"u1", "i1", "i4", "i8", "u4", "u8", "f4", "f8"}


class _ToldDtype:
    """A dtype as a pickle tells it: its code, and the order of its bytes afterwards."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = code.decode() if isinstance(code, bytes) else code, "="
        if self.code not in _NUMBERS:
            raise ValueError(f"an array of {self.code!r}, which are no numbers")

    def __setstate__(self, state: Any) -> None:
        self.order = {"|": "=", "<": "<", ">": ">"}[state[1]]

    def array(self, content: Any, shape: Any, fortran: bool) -> Any:
        """Return bytes as an array; ValueError where they do not fill the shape."""
        content = content.encode("latin1") if isinstance(content, str) else bytes(content)
        dtype = np.dtype(self.order + self.code)
        if not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"an array of shape {shape}")
        if math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"{len(content):,} bytes for an array of shape {tuple(shape)}")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


class _ToldArray:
    """An array that is being told: its numbers come last."""

    numbers: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        self.numbers = kind.array(content, shape, fortran)


def _empty(*_: Any) -> _ToldArray:
    return _ToldArray()


def _from_buffer(content: Any, kind: _ToldDtype, shape: Any, order: str) -> _ToldArray:
    found = _ToldArray()
    found.numbers = kind.array(content, shape, order == "F")
    return found


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(f"text in {encoding}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Any] = {("numpy", "dtype"): _ToldDtype, ("_codecs", "encode"): _encoded}
for _core in ("numpy.core", "numpy._core"):
    _KNOWN[_core + ".multiarray", "_reconstruct"] = _empty
    _KNOWN[_core + ".numeric", "_frombuffer"] = _from_buffer


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain values; `find_class` never imports."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return "ndarray"
        if (module, name) not in _KNOWN:
            raise ValueError(f"it names {module}.{name}, which would have to run code")
        return functools.partial(
            _KNOWN[module, name]
        )  # its own each time: a pickle may write to what it gets


def read_batch(content: bytes, name: str) -> dict[str, Any]:
    """Return a batch's dict; raises InputError for what would run code, and for what is no such dict."""
    called, hint = f"reading {name}", "another copy of it, or the binary version, cifar-10-binary.tar.gz"
    try:
        if len(content) > LARGEST:
            raise ValueError(f"it has {len(content):,} bytes")
        found = _ArrayUnpickler(bounded(content), encoding="latin1").load()
        if type(found) is not dict:
            raise ValueError(f"it holds a {type(found).__name__}")
        return {_word(key): _plain(value) for key, value in found.items()}
    except Exception as error:  # a broken pickle raises nearly anything
        got = str(error) or type(error).__name__
        raise InputError(lesson(called, "wants a dict of arrays and lists", got, at_line(), hint)) from error


def _word(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)


def _plain(value: Any) -> Any:
    if isinstance(value, _ToldArray):
        return value.numbers
    if isinstance(value, list):
        return [_word(x) if isinstance(x, bytes) else x for x in value]
    return value
