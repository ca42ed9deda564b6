"""How far sources of chance and iterators have come, as something to compare before and after a run."""

from __future__ import annotations

import io
import itertools
import operator
import random
import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np


def drawn(generators: Iterable[Any]) -> list[Any]:
    """Return the states of NumPy's and Python's own generators, and of these.

    >>> before = drawn([])
    >>> _ = random.random()
    >>> drawn([]) == before
    False
    """
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002
    return [random.getstate(), _frozen(legacy), *(_frozen(_state(g)) for g in generators)]


def taken(iterator: Any) -> Any:
    """Return how far an iterator has come."""
    if isinstance(iterator, types.GeneratorType):
        frame = iterator.gi_frame
        return frame and (frame.f_lasti, [id(x) for x in frame.f_locals.values()])
    if isinstance(iterator, itertools.count):
        return repr(iterator)
    if isinstance(iterator, io.IOBase):
        return iterator.closed or not iterator.seekable() or _told(iterator)
    if type(iterator).__module__ == "itertools":
        return _reduced(iterator)
    return operator.length_hint(iterator, -1)


def _told(file: io.IOBase) -> int:
    """How far a file has been read; while a `for` goes through its lines, the layer below tells."""
    try:
        return file.tell()
    except OSError:
        return int(file.buffer.tell())  # type: ignore[attr-defined]


def _reduced(iterator: Any) -> Any:
    """What a copy of an iterator would be made of, as far as that compares without asking anybody."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return [_numbers(x) for x in iterator.__reduce__()]
        except (TypeError, AttributeError):
            return operator.length_hint(iterator, -1)


def _numbers(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return [_numbers(y) for y in x]
    return x if isinstance(x, (int, str)) else operator.length_hint(x, -1)


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return None if isinstance(generator, random.SystemRandom) else generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.bit_generator.state


def _frozen(state: Any) -> Any:
    """A state as something that compares quickly: the 624 words of NumPy's own as their bytes."""
    if isinstance(state, dict):
        return [(k, _frozen(x)) for k, x in state.items()]
    return state.tobytes() if isinstance(state, np.ndarray) else state
