"""Planning memory: what is computed over a state's own array, what is alive together, where it lies."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from heapq import heappop, heappush
from typing import Any

import numpy as np

from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.program.ir import Program, State, Value
from clearprop.compiler.program.layout import layout, whole

LINE = 64  # bytes: arrays begin on a cache line of their own
LARGEST = 1000  # blocks of memory that are placed with the most care
PAIR = 2 * LINE  # bytes: processors fetch lines in pairs, so that two cores write two lines apart


class Plan:
    """Where the arrays of a program lie, whose `groups` run in their order.

    - `stands`: the states with axes as Values: first those that are read, then those that are only assigned;
    - `numbers`: the states without axes that are read; `assigned`: the States without axes that change;
    - `homes[v]`: whose array a value is computed into: a state's, or (see `overwrite`) a dying operand's;
    - `lasting`: what has to be there to the end though it is no result: a turn of a loop reads it again;
    - `copies`: what is copied into a state's array when all is computed, since it could not lie there;
    - `fresh`: the outputs that are computed into arrays made for the caller, each with its place among them;
    - `rows`: arrays that lie side by side, each row in one piece of memory (see `bundles.py`);
    - `offsets[v]`: where every other array begins in an arena of `total` bytes (see `pack`).

    The values in `fixed` have no array of the plan's: numbers, and what a call returns.
    """

    program: Program
    groups: Sequence[Group]
    fixed: frozenset[Value]
    assigned: list[tuple[State, Value]]
    fresh: dict[Value, int]
    total: int
    unshared: int

    def __init__(
        self, program: Program, groups: Sequence[Group], fixed: frozenset[Value] = frozenset()
    ) -> None:
        self.program, self.groups, self.fixed = program, groups, fixed
        self.stands: list[Value] = [v for v in program.states if v.shape != ()]
        self.numbers: list[Value] = [v for v in program.states if v.shape == ()]
        self.assigned = [(state, v) for state, v in program.assignments if v.shape == ()]
        self.homes: dict[Value, Value] = {}
        self.lasting: list[Value] = []
        self.copies: list[tuple[Value, Value]] = []
        self.rows: list[list[Value]] = []
        self.offsets: dict[Value, int] = {}
        self.total = self.unshared = 0
        self.last: dict[Value, int] = {
            layout(x).base: i for i, group in enumerate(groups) for x in group.reads
        }
        self.last |= {layout(v).base: len(groups) for v in program.results}
        self.failing: set[Group] = failing(groups)
        self.written: dict[Value, int] = {}  # from which group on an array is being filled
        for i, group in enumerate(groups):
            for v in group.stores:
                if v not in fixed:
                    self.written.setdefault(layout(v).base, i)
        self._assign()
        made = [v for v in program.outputs if v in self.written and v.shape != () and v not in self.homes]
        self.fresh = {v: i for i, v in enumerate(dict.fromkeys(made))}

    def home(self, v: Value) -> Value:
        """Return the value whose memory `v` lies in."""
        base = v.into.base if v.into is not None else v
        return self.homes.get(base, base)

    @property
    def slots(self) -> list[State]:
        """The states with axes, whose arrays an executor is given."""
        return [v.data for v in self.stands]

    @property
    def in_place(self) -> int:
        """How many states get their new contents without a copy."""
        return sum(home.kind == "state" for home in self.homes.values())

    def _assign(self) -> None:
        """Let what is assigned be computed into the state's own array, if all who read that do so before.

        And if nothing can fail later: a step that ends with an error has assigned nothing.
        """
        sure = 1 + max((i for i, group in enumerate(self.groups) if group in self.failing), default=-1)
        known = {v.data.key: v for v in self.stands}
        for state, v in self.program.assignments:
            if v.shape == ():
                continue
            old = known.get(state.key)
            if old is None:
                old = Value("state", v.shape, v.dtype, data=state)
                self.stands.append(old)
            new = layout(v).base
            i = self.written.get(new, -1)
            last = self.last.get(old, -1)
            if i >= sure and new not in self.homes and (last < i or (last == i and self._stays(new, old))):
                self.homes[new] = old
            else:
                self.copies.append((old, v))

    def _stays(self, new: Value, old: Value) -> bool:
        return stays(self.groups[self.written[new]], new, old)

    def overwrite(self) -> None:
        """Let values be computed into the array of an operand that nobody reads later."""
        in_rows = {x for row in self.rows for x in row}
        for i, group in enumerate(self.groups):
            read = dict.fromkeys(layout(x).base for x in group.reads if layout(x).base not in in_rows)
            dying = [x for x in read if self.last[x] == i and self._movable(x)]
            for v in group.stores:
                if v in in_rows:
                    continue
                over = next((x for x in dying if self._movable(v) and stays(group, v, x)), None)
                if over is not None:
                    dying.remove(over)
                    self.homes[v] = self.home(over)

    def _movable(self, v: Value) -> bool:
        return v in self.written and v not in self.fresh and self.home(v).kind != "state"

    def pack(self, sequence: Sequence[Sequence[Group]]) -> None:
        """Place what has no place yet; what is not alive at the same stage of the sequence may share."""
        first: dict[Value, int] = {}
        last: dict[Value, int] = {}
        for stage, groups in enumerate(sequence):
            for group in groups:
                for v in group.stores:
                    first.setdefault(self.home(v), stage)
                    last[self.home(v)] = stage
                for x in group.reads:
                    last[self.home(layout(x).base)] = stage
        for v in (*self.program.results, *self.lasting):
            last[self.home(layout(v).base)] = len(sequence)
        own = [v for v in first if v in self.written and v not in self.fresh]
        rows = [row for row in self.rows if row[0] in self.written]  # the others are states
        together = {v for row in rows for v in row}
        rows += [[v] for v in own if v not in together]
        places = [side_by_side([v.size for v in row]) for row in rows]
        sizes = [max(size * row[0].dtype.itemsize, 1) for row, (_, size) in zip(rows, places, strict=True)]
        lives = [(min(map(first.__getitem__, row)), max(map(last.__getitem__, row))) for row in rows]
        offsets, self.total = packed([(*life, size) for life, size in zip(lives, sizes, strict=True)])
        for row, offset, (begins, _) in zip(rows, offsets, places, strict=True):
            for v, at in zip(row, begins, strict=True):
                self.offsets[v] = offset + at * v.dtype.itemsize
        self.unshared = sum(v.nbytes for v in self.written if self._movable(v))


def failing(groups: Sequence[Group]) -> set[Group]:
    """Return the groups in which a call may raise, or find an index out of bounds that no earlier one has."""
    found: set[Group] = set()
    looked_at: set[Any] = set()
    for group in groups:
        for v in group.values:
            if v.core.bounds is not None:
                places = [x for x in v.operands[1:] if x.kind != "constant"]
                key = (*map(_entries, places), *v.core.bounds(v))
                if places and key not in looked_at:
                    looked_at.add(key)
                    found.add(group)
            elif v.core.fails:
                found.add(group)
    return found


def _entries(v: Value) -> Any:
    """What two views of the same entries in the same order have in common, axes of length 1 apart."""
    place = layout(v)
    axes = [(n, step) for n, step in zip(v.shape, place.strides, strict=True) if n != 1]
    return (place.base, place.offset, *axes)


def stays(group: Group, new: Value, old: Value) -> bool:
    """Tell whether `new` may be computed into the array of `old` entry by entry, while its group reads that.

    A sweep is run value by value, so that nobody may read the old entries once the new ones are there.
    """
    for part in group.parts:
        if new in part.values:
            return stays(part, new, old)
    if group.kind not in ("loop", "sweep", "ufunc") or group.rows or new.shape != group.shape:
        return False
    if new.size != old.size or new.dtype.itemsize != old.dtype.itemsize:
        return False
    done = False
    for v in group.values:
        for x in v.operands:
            if x is not old and (not x.is_view or layout(x).base is not old):
                continue
            if x.shape != group.shape or not whole(x) or x is v.source:
                return False
            if done and group.kind == "sweep":
                return False
        done = done or v is new
    return True


def packed(lives: Sequence[tuple[int, int, int]]) -> tuple[list[int], int]:
    """Place blocks of (first, last, size), largest first, each as low as those alive with it allow.

    Returns where each begins, on a cache line, and where the last one ends. That looks at all that are placed
    for each: only the largest are placed so, the others above them, in the order in which they come to life.

    >>> packed([(0, 1, 100), (1, 2, 64), (2, 3, 100)])
    ([0, 128, 0], 192)
    """
    first, last, size = np.array(lives, np.int64).reshape(-1, 3).T
    offsets, stops = np.zeros_like(size), np.zeros_like(size)  # of those not yet placed: nothing
    order = np.argsort(-size, kind="stable")
    for i in order[:LARGEST]:
        meets = (first <= last[i]) & (first[i] <= last) & (stops > 0)
        upwards = np.argsort(offsets[meets], kind="stable")
        ends = np.concatenate([[0], np.maximum.accumulate(stops[meets][upwards])])
        gaps = offsets[meets][upwards] - ends[:-1] >= size[i]
        at = ends[int(np.argmax(gaps)) if gaps.any() else -1]
        offsets[i], stops[i] = at, at + -(-size[i] // LINE) * LINE
    rest = order[LARGEST:].tolist()
    if rest:
        above = int(stops.max())
        found, _ = in_turn([lives[i] for i in rest])
        offsets[rest] = above + np.array(found, np.int64)
    return offsets.tolist(), int((offsets + size).max(initial=0))


def in_turn(lives: Sequence[tuple[int, int, int]]) -> tuple[list[int], int]:
    """Place blocks of (first, last, size) as they come to life, where one of as many lines has ended.

    >>> in_turn([(0, 1, 100), (1, 2, 64), (2, 3, 100)])
    ([0, 128, 0], 192)
    """
    lines = [-(-size // LINE) for _, _, size in lives]
    free: dict[int, list[int]] = defaultdict(list)
    alive: list[tuple[int, int]] = []  # a heap: the last moment of each, and which it is
    offsets, top = [0] * len(lives), 0
    for i in sorted(range(len(lives)), key=lambda i: lives[i][0]):
        while alive and alive[0][0] < lives[i][0]:
            ended = heappop(alive)[1]
            free[lines[ended]].append(offsets[ended])
        if free[lines[i]]:
            offsets[i] = free[lines[i]].pop()
        else:
            offsets[i], top = top, top + lines[i] * LINE
        heappush(alive, (lives[i][1], i))
    return offsets, top


def aligned(size: int) -> Any:
    """Return bytes that begin on a cache line (large ones on a page)."""
    unit = 4096 if size > 1 << 16 else LINE
    space = np.empty(size + unit, np.uint8)
    skip = -space.ctypes.data % unit
    return space[skip : skip + size]


def side_by_side(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Return where arrays of these sizes begin in one piece of memory, in entries, and where the last ends.

    Each begins at a multiple of 64 entries: on a cache line, and at the same place in rows of any dtype.

    >>> side_by_side([100, 1, 64])
    ([0, 128, 192], 256)
    """
    begins, end = [], 0
    for size in sizes:
        begins.append(-(-end // LINE) * LINE)
        end = begins[-1] + size
    return begins, end


def empty(shape: Any, dtype: Any) -> Any:
    """Return an array that begins on a cache line, for what a plan reads or writes again and again.

    A vector that crosses two lines is read twice, which takes up to half of the speed. Views of the array
    hold the array itself, as those of `np.empty` do, so that counting who holds it tells the same.

    >>> x = empty((3, 5), np.float32)
    >>> x.ctypes.data % LINE, x[1].base is x
    (0, True)
    """
    return neighbours([shape], dtype)[0]


def neighbours(shapes: Sequence[Any], dtype: Any) -> list[Any]:
    """Return arrays as of `empty` that lie side by side; `all_of(one)` is what is in all of them."""
    begins, end = side_by_side([int(np.prod(shape)) for shape in shapes])
    unit = int(np.dtype(dtype).itemsize)
    space = aligned(end * unit)
    if len(shapes) > 1:
        space[...] = 0  # what lies between them is computed with too
    # The memory is handed over as something that is no array: views would name that as their base.
    memory = _bytes(end * unit).from_buffer(space)
    return [np.ndarray(shape, dtype, memory, at * unit) for shape, at in zip(shapes, begins, strict=True)]


def all_of(neighbour: Any) -> Any:
    """Return the memory that an array shares with its neighbours, as an array that does not hold any of them.

    >>> x, y = neighbours([(2, 32), (3,)], np.float32)
    >>> x[...], y[...] = 1, 2
    >>> all_of(y)[[0, 63, 64, 66]]
    array([1., 1., 2., 2.], dtype=float32)
    """
    return np.frombuffer(neighbour.base, neighbour.dtype)


@cache
def _bytes(size: int) -> Any:
    return ctypes.c_byte * size
