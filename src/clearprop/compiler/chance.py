"""How far sources of chance and iterators have come, as something to compare before and after a run."""

from __future__ import annotations

import itertools
import operator
import random
import types
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
    return operator.length_hint(iterator, -1)


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
