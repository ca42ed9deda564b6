"""Which values share a loop: from a program to a list of groups that can run in that order."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from clearprop.compiler.program.ir import Program, Shape, Value
from clearprop.compiler.program.layout import layout

LOOPS = ("loop", "sweep")  # the kinds of group that hold more than one value
SMALL = 1 << 10  # entries of a space up to which unrelated values may share a loop
MOST = 96  # values of a loop: what a compiler takes for one grows faster than their number


@dataclass(eq=False)
class Group:
    """Values computed together. `reads` come from memory, `stores` are what others read from there.

    The executor names the `kind`. A `loop` computes all its values at one place before it goes on,
    a `sweep` value by value on stretches that stay in the cache; any other kind is one value on its own.
    The `parts` of a `bundle` are sweeps of the same calls, which run as one.
    """

    kind: str
    shape: Shape = ()
    values: list[Value] = field(default_factory=list)
    rows: frozenset[int] | None = None  # the axes that are reduced within a row, if any are
    reads: list[Value] = field(default_factory=list)
    stores: list[Value] = field(default_factory=list)
    index: int = 0
    parts: list[Group] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of the space from the outermost loop to the innermost."""
        inner = self.rows or frozenset()
        return (*(a for a in range(len(self.shape)) if a not in inner), *sorted(inner))

    def __str__(self) -> str:
        if self.kind == "product":
            x, y = self.values[0].inputs[:2]
            return f"product {x.shape} @ {y.shape}"
        if self.parts:
            calls = ", ".join(v.op for v in self.parts[0].values)
            size = sum(math.prod(part.shape) for part in self.parts)
            return f"{len(self.parts)} updates of {size} entries side by side: {calls}"
        return f"{self.kind} over {self.shape}: {', '.join(v.op for v in self.values)}"


def through(x: Value) -> Value:
    """Return what is repeated, for a value that only repeats another: in a loop both are the same entry."""
    while x.core.repeats and len(x.shape) == len(x.inputs[0].shape):
        x = x.inputs[0]
    return x


class Families:
    """Sets of values that grow together; each is known by its eldest."""

    def __init__(self) -> None:
        self._elder: dict[Value, Value] = {}

    def eldest(self, v: Value) -> Value:
        """Return the value that all of a family are known by."""
        while self._elder.setdefault(v, v) is not v:
            self._elder[v] = v = self._elder[self._elder[v]]
        return v

    def join(self, v: Value, other: Value) -> None:
        """Make one family of two."""
        self._elder[self.eldest(other)] = self.eldest(v)


def kin(program: Program) -> dict[Value, Value]:
    """Return one of its relatives for each value, the same for all: what is read, or computed, together."""
    families = Families()
    for v in program.values:
        if v.kind == "op" and v.core.family not in ("view", "contract"):
            space = v.inputs[0].shape if v.reduces else v.shape
            for x in map(through, v.operands):
                if x.shape == space:
                    families.join(v, x)
    return {v: families.eldest(v) for v in program.values}


class Grouping:
    """Puts each value of a program into a group, the earliest that can hold it after all it needs.

    `kind(v)` is the executor's answer to how it computes a value.
    """

    program: Program
    results: set[Value]
    updates: dict[tuple[int, str, int], Group]

    def __init__(self, program: Program, kind: Callable[[Value], str]) -> None:
        self.program, self.results = program, set(program.results)
        self.groups: list[Group] = []
        self.of: dict[Value, Group] = {}
        self.kin: dict[Value, Value] = kin(program)
        self._alike: dict[object, list[Group]] = defaultdict(list)  # those a value may join, see `_company`
        for v in program.values:
            if v.is_view or not v.computed:
                continue
            how = kind(v)
            if how in LOOPS:
                self._join(v, how)
            else:
                self._new(how, v, v.shape)
        self.updates = {
            state.key: self.of[base]
            for state, v in program.assignments
            if (base := layout(v).base) in self.of
        }
        self._delay()
        self._find_memory()
        self._leaves_first()

    def _leaves_first(self) -> None:
        """Turn over the matrices that are there at the start before anything else."""

        def late(group: Group) -> bool:
            base = layout(group.values[0].inputs[0]).base if group.kind == "transpose" else group.values[0]
            return base.computed

        self.groups.sort(key=late)
        for i, group in enumerate(self.groups):
            group.index = i

    def _new(self, kind: str, v: Value, space: Shape) -> None:
        group = Group(kind, space, index=len(self.groups))
        self.groups.append(group)
        self._alike[self._company(v, kind, space)].append(group)
        self._put(v, group)

    def _first(self, v: Value, space: Shape) -> int:
        """Return the index of the first group that `v` may be in, for all it needs is there."""
        first = 0
        for x in v.operands:
            source = through(x)
            group = self.of.get(source)
            if group is None or x is v.source:  # read from memory, complete
                base = self.of.get(layout(source).base)
                if base is not None:
                    first = max(first, base.index + 1)
            elif group.kind in LOOPS and group.shape == space and not ends(source, group):
                first = max(first, group.index)
            else:
                first = max(first, group.index + 1)
        return first

    def _join(self, v: Value, kind: str) -> None:
        x = v.inputs[0]
        space: Shape = x.shape if v.reduces else v.shape
        if not v.reduces:  # a value per row may be computed in the loop that has the rows
            for operand in v.operands:
                group = self.of.get(through(operand))
                if (
                    group is not None
                    and group.rows
                    and is_row(v.shape, group)
                    and through(operand).shape == v.shape
                    and len(group.values) < MOST
                ):
                    first = self._first(v, group.shape)
                    if first <= group.index:
                        self._put(v, group)
                        return
        first = self._first(v, space)
        alike = self._alike[self._company(v, kind, space)]  # in the order of the groups
        for k in range(bisect_left(alike, first, key=lambda group: group.index), len(alike)):
            if fits(v, alike[k]):
                self._put(v, alike[k])
                return
        self._new(kind, v, space)

    def _company(self, v: Value, kind: str, space: Shape) -> tuple[object, ...]:
        """Return what a value has in common with the loops it may join: those that gain by it.

        In a large space these are its relatives': strangers of a like shape would only wait for each other.
        """
        small = math.prod(space) <= SMALL
        return (kind, space, None if small else self.kin[v])

    def _put(self, v: Value, group: Group) -> None:
        if group.kind in LOOPS and v.reduces and group.rows is None and not leading(v, group):
            group.rows = frozenset(v.attrs["axes"])
        group.values.append(v)
        self.of[v] = group
        if len(group.values) == MOST:  # full: nobody asks it again
            alike = self._alike[self._company(group.values[0], group.kind, group.shape)]
            del alike[bisect_left(alike, group.index, key=lambda other: other.index)]

    def _delay(self) -> None:
        """Move what only one later loop uses into that one, where it follows from what is kept anyway."""
        users = self.program.users()
        place = {v: i for i, v in enumerate(self.program.values)}
        for v in reversed(self.program.values):
            mine, goals = self.of.get(v), {self.of.get(u) if u.source is None else None for u in users[v]}
            goal = goals.pop() if len(goals) == 1 else None
            if mine is None or goal is None or goal is mine or goal.kind not in LOOPS:
                continue
            if (mine.kind, mine.shape) != (goal.kind, goal.shape):
                continue
            moved, needs = self._taken_along(v, users, place)
            if len(goal.values) + len(moved) > MOST:
                continue
            if not moved or not all(self._kept(x, mine, goal, users) for x in needs):
                continue
            there = {layout(x).base for u in goal.values for x in u.operands}
            if sum(x.nbytes for x in needs if layout(x).base not in there) < 2 * v.nbytes:
                mine.values = [x for x in mine.values if x not in moved]
                goal.values = sorted([*goal.values, *moved], key=place.__getitem__)
                self.of |= dict.fromkeys(moved, goal)

    def _taken_along(
        self, v: Value, users: dict[Value, list[Value]], place: dict[Value, int]
    ) -> tuple[set[Value], set[Value]]:
        """Return `v` with what its group computes for it alone, and what these need."""
        moved, needs, waiting = set[Value](), set[Value](), {v}
        while waiting:  # a value comes after all its users, so that these are known
            x = max(waiting, key=place.__getitem__)
            waiting.remove(x)
            plain = not x.reduces and x.source is None and x.shape == v.shape
            only = x is v or moved.issuperset(users[x])
            if plain and only and x not in self.results and self.of.get(x) is self.of[v]:
                moved.add(x)
                waiting |= set(x.operands)
            else:
                needs.add(x)
        return moved, needs

    def _kept(self, x: Value, mine: Group, goal: Group, users: dict[Value, list[Value]]) -> bool:
        """Tell whether the goal finds `x` in memory, though it was computed or read for another group."""
        base = layout(x).base
        if base.kind == "state":
            new = self.updates.get(base.data.key, goal)
            return new is goal if x is base and x.shape == goal.shape else new.index > goal.index
        if self.of.get(through(x)) is mine:
            return any(self.of.get(u) not in (None, mine) for u in users[x])
        return True

    def _find_memory(self) -> None:
        """A value has memory if another group, a view or the caller reads it."""
        needed = {layout(v).base for v in self.program.results}
        for group in self.groups:
            reads = {
                x: None
                for v in group.values
                for x in v.operands
                if self.of.get(through(x)) is not group or x is v.source
            }
            group.reads = list(reads)
            needed |= {layout(x).base for x in reads}
        for group in self.groups:
            group.stores = [v for v in group.values if layout(v).base in needed]
        self.groups = [g for g in self.groups if g.stores]


def full(v: Value) -> bool:
    """Tell whether a reduction takes everything to one number."""
    return v.size == 1


def leading(v: Value, group: Group) -> bool:
    """Tell whether a reduction is over the outermost axes: complete only when the whole loop is."""
    axes = {a for a in v.attrs["axes"] if v.inputs[0].shape[a] != 1}
    if not v.core.combine:
        return False
    if full(v):
        return True
    if group.order != tuple(range(len(group.shape))):  # rows along another than the last axes: not both
        return False
    outer = [a for a in group.order if v.inputs[0].shape[a] != 1]
    return set(outer[: len(axes)]) == axes


def ends(v: Value, group: Group) -> bool:
    """Tell whether `v` is complete only when the loop of its group is."""
    if not v.reduces:
        return False
    return group.rows != frozenset(v.attrs["axes"]) or (full(v) and bool(v.core.combine))


def is_row(shape: Shape, group: Group) -> bool:
    """Tell whether a value of this shape has one entry per row of the group's space."""
    rows = group.rows or frozenset()
    return len(shape) == len(group.shape) and all(
        n == (1 if a in rows else m) for a, (n, m) in enumerate(zip(shape, group.shape, strict=True))
    )


def fits(v: Value, group: Group) -> bool:
    """Tell whether a value of the group's space can be computed in its loop."""
    if v.core.reads == "drawn":  # in the order of memory
        return group.order == tuple(range(len(group.shape)))
    if not v.reduces:
        return True
    axes = frozenset(v.attrs["axes"])
    if axes == group.rows:
        return True
    if not v.core.combine:
        return False
    if leading(v, group):
        return True
    if group.rows is not None or any(not full(x) for x in group.values if x.reduces):
        return False
    n = len(group.shape)
    return axes == frozenset(range(n - len(axes), n))
