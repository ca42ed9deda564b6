"""Where the arrays of a native plan lie, and which of them share memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.compiler.fuse import Grouping
from clearprop.compiler.ir import Program, State, Value
from clearprop.compiler.layout import layout
from clearprop.compiler.llvm.prepare import same
from clearprop.compiler.llvm.regions import Region, Stop, stays
from clearprop.compiler.llvm.text import Function
from clearprop.compiler.llvm.values import Value as Register

LINE = 64  # bytes: arrays begin on a cache line of their own


class Places:
    """Where a plan's arrays lie: in the table that is filled at each call, or at an address known now."""

    def __init__(self, program: Program, grouping: Grouping) -> None:
        self.program, self.grouping = program, grouping
        self.slots: list[State] = []  # states with axes, whose arrays `prepare` is given
        self.numbers: list[Value] = []  # states without axes
        self.table: dict[Value, int] = {}  # a base's place in the table
        self.homes: dict[Value, Value] = {}  # a value that is written over a state, or into a gradient
        self.addresses: dict[Value, int] = {}
        self.arrays: dict[Value, Any] = {}  # of what has an address
        self.kept: list[Any] = []
        self.shares: dict[Any, tuple[int, int]] = {}
        self.parts = 1
        self.widest = 1  # the rows of the largest part
        self.copies: list[tuple[Value, Value]] = []  # into a state at the end
        self.flag = np.zeros(1, np.int64)  # 1 where an index was out of bounds
        self.checked = False
        self._find()

    def _find(self) -> None:
        program = self.program
        stands: list[Value] = []
        for v in program.arguments:
            self.table[v] = len(self.table)
        for v in program.states:
            if v.shape == ():
                self.numbers.append(v)
                self.table[v] = len(self.table)
            else:
                stands.append(v)
        self.assigned = [(s, v) for s, v in program.assignments if v.shape == ()]
        for state, v in program.assignments:
            if v.shape == ():
                continue
            old = next((s for s in stands if same(s.data, state)), None)
            if old is None:
                old = Value("state", v.shape, v.dtype, data=state)
                stands.append(old)
            if self._in_place(v, old):
                self.homes[v] = old
            else:
                self.copies.append((old, v))
        for v in stands:
            self.slots.append(v.data)
            self.table[v] = len(self.table)
        self.stands = stands
        self.fresh = [v for v in dict.fromkeys(program.outputs) if self._is_fresh(v)]
        for v in self.fresh:
            self.table[v] = len(self.table)
        for v in program.constants:
            array = np.ascontiguousarray(v.data).reshape(v.shape)
            self.arrays[v], self.addresses[v] = array, array.ctypes.data

    def _is_fresh(self, v: Value) -> bool:
        """Tell whether an output may be computed straight into an array that the caller keeps."""
        group = self.grouping.of.get(v)
        return (
            v.shape != ()
            and v not in self.homes
            and group is not None
            and group.kind != "call"
            and v in group.stores
        )

    def _in_place(self, new: Value, old: Value) -> bool:
        """Tell whether `new` may be computed into the array of `old`: all who read that do so before."""
        mine = self.grouping.of.get(new)
        if mine is None or new not in mine.stores or mine.kind == "call" or new in self.homes:
            return False
        for group in self.grouping.groups:
            reads = False
            for v in group.values:
                for x in v.operands:
                    place = layout(x)
                    reads = reads or (place is not None and place.base is old)
            if reads and (group.index > mine.index or (group is mine and not stays(group, new, old))):
                return False
        return not any((place := layout(x)) is not None and place.base is old for x in self.program.results)

    def home(self, v: Value) -> Value:
        """Return the value whose memory `v` lies in."""
        return self.homes.get(v, v)

    # --- memory of its own ----------------------------------------------------------------------------------
    def allocate(self, sequence: list[Region | Stop]) -> None:
        """Give an address to everything that has none; what is not needed at the same time shares."""
        first: dict[Value, int] = {}
        last: dict[Value, int] = {}
        for number, item in enumerate(sequence):
            groups = (
                [item.group] if isinstance(item, Stop) else [p.group for c in item.chains for p in c.pieces]
            )
            for group in groups:
                for v in group.stores:
                    first.setdefault(self.home(v), number)
                    last[self.home(v)] = number
                for v in group.values:
                    for x in v.operands:
                        place = layout(x)
                        if place is not None:
                            last[self.home(place.base)] = number
        for v in self.program.results:
            place = layout(v)
            if place is not None:
                last[self.home(place.base)] = len(sequence)
        wanted = [
            v
            for v in first
            if v not in self.table and v not in self.addresses and not isinstance(v.shape, list)
        ]
        wanted = [v for v in wanted if not isinstance(v.dtype, tuple)]
        offsets, total = _packed([(first[v], last[v], max(v.nbytes, 1)) for v in wanted])
        self.total = total
        space = _aligned(total)
        self.kept.append(space)
        for v, offset in zip(wanted, offsets, strict=True):
            array = space[offset : offset + v.nbytes].view(v.dtype).reshape(v.shape)
            self.arrays[v], self.addresses[v] = array, space.ctypes.data + offset

    # --- what the writers ask -------------------------------------------------------------------------------
    def pointer(self, function: Function, base: Value) -> str:
        """Return the text of a pointer to a value's first entry."""
        base = self.home(base)
        known = function.shared.get(base)
        if known is None:
            if base in self.table:
                known = f"%p{self.table[base]}"
                function.slots.append(f"  {known}.at = getelementptr ptr, ptr %data, i64 {self.table[base]}")
                function.slots.append(f"  {known} = load ptr, ptr {known}.at")
            else:
                known = f"inttoptr (i64 {self.addresses[base]} to ptr)"
            function.shared[base] = known
        return str(known)

    def scratch(self, function: Function, key: Any, size: int, part: Register) -> str:
        """Return the text of a pointer to a part's own buffer."""
        found = self.shares.get(key)
        if found is None:
            stride = -(-size // LINE) * LINE
            space = _aligned(stride * self.parts)
            self.kept.append(space)
            found = self.shares[key] = (space.ctypes.data, stride)
        address, stride = found
        return function.at(f"inttoptr (i64 {address} to ptr)", part * stride, np.dtype(np.int8))

    def trouble(self) -> str:
        """Return the text of a pointer to the flag that says that an index was out of bounds."""
        self.checked = True
        return f"inttoptr (i64 {self.flag.ctypes.data} to ptr)"


def _aligned(size: int) -> Any:
    """Return bytes that begin on a cache line (large ones on a page)."""
    unit = 4096 if size > 1 << 16 else LINE
    space = np.empty(size + unit, np.uint8)
    skip = -space.ctypes.data % unit
    return space[skip : skip + size]


def _packed(lives: list[tuple[int, int, int]]) -> tuple[list[int], int]:
    """Place blocks of (first, last, size), largest first, each as low as those alive with it allow."""
    offsets = [0] * len(lives)
    done: list[int] = []
    total = 0
    for i in sorted(range(len(lives)), key=lambda i: -lives[i][2]):
        first, last, size = lives[i]
        taken = sorted(
            (offsets[j], offsets[j] + -(-lives[j][2] // LINE) * LINE)
            for j in done
            if lives[j][0] <= last and first <= lives[j][1]
        )
        at = 0
        for start, stop in taken:
            if at + size <= start:
                break
            at = max(at, stop)
        offsets[i] = at
        total = max(total, at + size)
        done.append(i)
    return offsets, total
