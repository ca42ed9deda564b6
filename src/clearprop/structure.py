"""A count of changes that no Tensor shows: a mode switched, a layer swapped, an option of an optimizer set.

A recorded step is good for as long as what it was recorded from is the same. Values are Tensors, so they may
change. Everything else that decides *what* is computed says so here: `compile` compares one integer per call,
and only where it moved asks the things it used for their `structure()`. While a step is recorded, the
observer's `uses(thing)` is told of every such thing that takes part.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from clearprop.modes import mode

_count = 0


class Changed(Exception):
    """A recorded step is for another call: something that decides what is computed is not as it was."""


class Notes(deque[Any]):
    """What is noted beside a computation: no result depends on it, so readers of what a step uses pass by."""

    __slots__ = ()


def changed() -> None:
    """Say that something other than a Tensor's value has changed."""
    global _count
    _count += 1


def count() -> int:
    """Return how many changes there have been."""
    return _count


def used(thing: Any) -> None:
    """Tell the observer, if there is one, that `thing.structure()` decides what is being computed."""
    observer = mode.observer
    if observer is not None:
        observer.uses(thing)
