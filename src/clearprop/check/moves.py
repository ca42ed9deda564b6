"""Steps of several entries, each by itself, or together where no output depends on two of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from clearprop.check.probe import Probe, same

Shifted: TypeAlias = Callable[[float], tuple[Any, float]]
"""All outputs as a function of how far an input is shifted, with the shift that rounding left of it."""


FEWEST = 3  # entries of a group: two would not go together more cheaply than one by one


class Moves:
    """Several ways to move the inputs of a function: for each, how far it goes gives the outputs."""

    def __init__(self, each: Sequence[Shifted]) -> None:
        self.each = each

    def among(self, which: Sequence[int]) -> Moves:
        """Return some of these moves."""
        return Moves([self.each[k] for k in which])

    def alone(self, which: Any, sizes: Any) -> tuple[Any, Any]:
        """Return the outputs after one step of each of these moves, a row for each, and the column of what
        was gone: the function is asked once for each."""
        found = [self.each[k](size) for k, size in zip(which, sizes.tolist(), strict=True)]
        return np.array([values for values, _ in found]), np.array([[gone] for _, gone in found])

    def learn(self, at: Any, sizes: Any, pair: Any) -> None:
        """Take note of what `both` gives at a first step of each move."""

    def both(self, which: Any, sizes: Any) -> tuple[Any, Any]:
        """Return what `alone` gives of a step ahead, and of one behind."""
        return self.alone(which, sizes), self.alone(which, -sizes)


class Together(Moves):
    """Moves of single entries of input j, some of them made by one call of the function.

    What an entry reaches is seen at a step of it alone, to both sides: the outputs that differ in any bit. Of
    entries that reach no output in common, each output tells of one alone. They are moved at once, and where
    the outputs are in every bit what they were one by one, they go together from then on.

    What an entry reaches at smaller steps alone must not be added to what is measured of another, however
    little it is. So of a group only a part goes at once, in such parts that of any two entries each goes
    without the other. The outputs of those that stay must stay in every bit; else each goes by itself again.
    A check may trust what it finds right in this way, and asks each entry alone before it says anything else.
    """

    def __init__(self, probe: Probe, j: int, entries: Any, each: Sequence[Shifted]) -> None:
        super().__init__(each)
        self.probe = probe
        self.j = j
        self.entries = np.asarray(entries, int)
        self.group: Any = np.arange(len(each))  # by move: which it goes with
        self.reach: Any = None
        self.at: Any = None
        self.rng = np.random.default_rng(0)

    def among(self, which: Sequence[int]) -> Moves:
        """Return some of these moves; they learn anew who goes with whom."""
        return Together(self.probe, self.j, self.entries[which], [self.each[k] for k in which])

    def learn(self, at: Any, sizes: Any, pair: Any) -> None:
        """Find out who can go together, from what one step of each move to both sides has given."""
        self.at = at
        self.reach = ~same(pair[0][0], at) | ~same(pair[1][0], at)
        self.group = _colours(self.reach)
        for members in self._groups(np.arange(len(self.each))):
            found = self._at_once(members, sizes[members])
            alone = tuple(values[members] for values, _ in pair)
            if found is None or not same(tuple(values for values, _ in found), alone).all():
                self._part(members)
            else:
                self.probe.together += 1

    def both(self, which: Any, sizes: Any) -> tuple[Any, Any]:
        """Return what `alone` gives of a step ahead, and of one behind, asking once for each group."""
        ahead, behind = ((np.empty((which.size, self.at.size)), np.empty((which.size, 1))) for _ in range(2))
        waiting = np.ones(which.size, bool)
        for rows in self._groups(which):
            found = self._at_once(which[rows], sizes[rows])
            if found is None:
                self._part(which[rows])
            else:
                _enter(rows, found, (ahead, behind))
                waiting[rows] = False
        if waiting.any():
            _enter(waiting, super().both(which[waiting], sizes[waiting]), (ahead, behind))
        return ahead, behind

    def _groups(self, which: Any) -> list[Any]:
        """Return the places of those of these moves that go with others of them, group by group."""
        groups = self.group[which]
        shared = np.flatnonzero(np.bincount(groups) >= FEWEST)
        return [np.flatnonzero(groups == group) for group in shared]

    def _part(self, members: Any) -> None:
        """Let each of these go by itself from now on."""
        self.group[members] = self.group.max() + 1 + np.arange(members.size)

    def _at_once(self, members: Any, sizes: Any) -> tuple[Any, Any] | None:
        """Return what a few calls of the function tell of a step of each of these ahead, and behind; None
        if it cannot be told apart."""
        places, reach = self.entries[members], self.reach[members]
        base = self.probe.arrays[self.j]
        starts = base.reshape(-1)[places]
        values = np.empty((2, members.size, self.at.size))
        known = np.zeros((2, members.size), bool)
        for going in _parts(members.size, self.rng):
            moved = base.copy()
            moved.reshape(-1)[places] = np.where(going, starts + going * sizes, starts)
            found = self.probe.attempt({self.j: moved})
            if not (reach[going != 0].any(axis=0) | same(found, self.at)).all():
                return None
            rows = np.where(reach, found, self.at)
            sides = np.array([going > 0, going < 0])
            if not same(values, rows)[sides & known].all():
                return None  # what one entry does depends on who else has moved
            values[sides] = np.broadcast_to(rows, values.shape)[sides]
            known |= sides
        ahead, behind = ((starts + steps - starts)[:, None] for steps in (sizes, -sizes))
        return (values[0], ahead), (values[1], behind)


def _parts(count: int, rng: np.random.Generator) -> Any:
    """Return a row for each call of a function: which of several entries go ahead (1), behind (-1), or stay.

    Each goes in half of the calls, ahead in some and behind in others, and no two in the same ones: so there
    is for each two a call where one of them goes and the other stays. Who goes with whom is drawn.
    """
    calls = next(m for m in itertools.count(4) if math.comb(m, m // 2) >= count)
    words = [*itertools.combinations(range(calls), calls // 2)]
    going = np.zeros((count, calls), int)
    np.put_along_axis(going, rng.permutation(words)[:count], 1, axis=1)
    turn = np.cumsum(going, axis=1) + rng.integers(2, size=(count, 1))
    return (going * (1 - 2 * (turn % 2))).T


def _enter(rows: Any, found: tuple[Any, Any], into: tuple[Any, Any]) -> None:
    """Write the values and what was gone, of both sides, into some rows of larger arrays."""
    for side, whole in zip(found, into, strict=True):
        for part, array in zip(side, whole, strict=True):
            array[rows] = part


def _colours(reach: Any) -> Any:
    """Return a number for each row: rows with the same number are true nowhere in common."""
    taken = np.zeros_like(reach)  # by number: where its rows are true
    found = np.zeros(len(reach), int)
    used = 0
    for k, row in enumerate(reach):
        free = ~(taken[: used + 1] & row).any(axis=1)  # the last of these is nobody's yet
        found[k] = int(np.argmax(free))
        used = max(used, int(found[k]) + 1)
        taken[found[k]] |= row
    return found
