"""Takes back what a refused run has done in Python, so that the function itself can start from there."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from clearprop.compiler.capture.surroundings import END, Snapshot, Surroundings

_LARGE = 1 << 26  # bytes of an array of which no copy is made


class Undoing:
    """Puts variables, containers, arrays and generators back to what they were when this was made.

    `before` is the snapshot of then. What cannot be put back (a file, an iterator that was asked) stays.
    """

    around: Surroundings
    before: Snapshot
    states: tuple[tuple[Any, ...], dict[str, Any]]

    def __init__(self, around: Surroundings, before: Snapshot) -> None:
        self.around, self.before = around, before
        self.states = random.getstate(), np.random.get_state()  # noqa: NPY002
        self.arrays: list[tuple[Any, Any]] = []
        self.generators: list[tuple[Any, Any]] = []
        self._seen = 0
        self.extend()

    def extend(self) -> None:
        """Remember what has come within reach since, as it is now."""
        buffers, generators = self.around.buffers, self.around.generators
        self.arrays += [(x, x.copy()) for x in buffers[self._seen :] if _can_change(x)]
        self._seen = len(buffers)
        self.generators += [(g, _state(g)) for g in generators[len(self.generators) :]]

    def __call__(self) -> None:
        """Put all of it back."""
        for x, old in self.arrays:
            if x.tobytes() != old.tobytes():
                x[...] = old
        random.setstate(self.states[0])
        np.random.set_state(self.states[1])  # noqa: NPY002
        for generator, state in self.generators:
            _give(generator, state)
        around, before, now = self.around, self.before, self.around.snapshot()
        for cell, old, new in zip(around.cells, before.cells, now.cells, strict=True):
            if old is not new and old is not END:
                cell.cell_contents = old
        for (space, name), old, new in zip(around.globals, before.named, now.named, strict=True):
            if old is not new and old is not END:
                space.__setitem__(name, old)
            elif old is not new and type(space) is dict:
                space.pop(name, None)
        containers = (*around.containers, *around.private)
        held = ((*x.containers, *x.private) for x in (before, now))
        for container, old, new in zip(containers, *held, strict=True):
            if not _same(old, new):
                _refill(around.classes.get(id(container), container), old)


def _can_change(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.flags.writeable and x.nbytes <= _LARGE and not x.dtype.hasobject


def _same(old: Any, new: Any) -> bool:
    if len(old) != len(new):
        return False
    if isinstance(old, dict):
        return all(k in new and new[k] is v for k, v in old.items())
    return all(a is b for a, b in zip(old, new, strict=True))


def _refill(container: Any, old: Any) -> None:
    if isinstance(container, type):
        for name, value in old.items():
            if vars(container).get(name, END) is not value:
                setattr(container, name, value)
        return
    container.clear()
    if isinstance(container, (dict, set)):
        container.update(old)
    else:
        container.extend(old)


def _state(generator: Any) -> Any:
    if isinstance(generator, random.SystemRandom):
        return None
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return generator.get_state()
    return generator.bit_generator.state


def _give(generator: Any, state: Any) -> None:
    if state is None:
        return
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
