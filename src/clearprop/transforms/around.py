"""The `vmap`s that a function is run inside of: from one of their examples to all at once, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from clearprop.batch import Level
from clearprop.modes import mode, special

Linear = Callable[[list[Any]], list[Any]]
_NOWHERE = nullcontext()


class Around:
    """The `vmap`s around a run of a function, the outermost first.

    What the function sees is one example. Whoever differentiates it works with all examples at once, and does
    so `outside`, where nothing is known of the `vmap`s: `bare` and `wrapped` lead there and back.
    """

    __slots__ = ("levels",)

    def __init__(self, levels: tuple[Level, ...] = ()) -> None:
        self.levels = levels

    def outside(self) -> AbstractContextManager[Any]:
        """Return a block outside of them all: what holds all examples at once is an array there."""
        return self.levels[0].outside if self.levels else _NOWHERE

    def home(self) -> AbstractContextManager[Any]:
        """Return a block inside of just these, for who asks from inside of more."""
        newer = self._newer()
        return newer[0].outside if newer else _NOWHERE

    def bare(self, x: Any) -> Any:
        """Return what `x` is for all examples at once; one that is the same for all is repeated."""
        for level in reversed(self.levels):
            x = level.content(x)
        return x

    def wrapped(self, x: Any) -> Any:
        """Return what one example is of what holds all of them."""
        for level in self.levels:
            x = level.batch(x)
        return x

    def layered(self, given: list[Any], function: Linear) -> list[Any]:
        """Run a linear function of arrays for all examples on what one sees, inside of more `vmap`s, too."""
        newer = Around(self._newer())
        if newer.levels:
            return self._inside_of(newer, given, function)
        if not self.levels:
            return function(given)
        whole = [self.bare(v) for v in given]
        with self.outside():
            return [self.wrapped(x) for x in function(whole)]

    def at_once(self, given: list[Any], function: Linear) -> list[Any]:
        """Run such a function on many of what one example sees, which an axis in front of each counts.

        Inside of `vmap` that axis is the first of one example's.
        """
        depth = len(self.levels)
        whole = [self.bare(v) for v in given]
        with self.outside():
            level = Level(whole[0].shape[depth])
            many = [level.batch(np.moveaxis(v, depth, 0) if depth else v) for v in whole]
            with level.inside:
                found = function(many)
            found = [np.moveaxis(level.content(x), 0, depth) if depth else level.content(x) for x in found]
        return [self.wrapped(x) for x in found]

    def _newer(self) -> tuple[Level, ...]:
        return around_here().levels[len(self.levels) :]

    def _inside_of(self, newer: Around, given: list[Any], function: Linear) -> list[Any]:
        """Run it on the examples of newer `vmap`s, which are counted one after the other by one axis."""
        sizes = tuple(level.size for level in newer.levels)
        whole = [newer.bare(v) for v in given]
        with newer.outside():
            rows = [v.reshape((math.prod(sizes), *v.shape[len(sizes) :])) for v in whole]
            found = [x.reshape((*sizes, *x.shape[1:])) for x in self.at_once(rows, function)]
        return [newer.wrapped(x) for x in found]


ALONE = Around()


def around_here() -> Around:
    """Return the `vmap`s that the call is inside of."""
    observer = mode.observer if special.blocks else None
    return ALONE if observer is None or not observer.batches else Around(observer.batches)
