"""Where the arrays of a native plan lie: in a table filled at each call, or at an address known now."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.compiler.llvm.language.text import Function
from clearprop.compiler.llvm.language.values import Register
from clearprop.compiler.llvm.plan.regions import Region, Stop
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import PAIR, Plan, aligned
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout


class Places(Plan):
    """A plan with addresses, and what the writers of loops and products ask about memory."""

    def __init__(self, program: Program, groups: list[Group]) -> None:
        super().__init__(program, groups)
        given = [*program.arguments, *self.numbers, *self.stands, *self.fresh]
        self.table = {v: i for i, v in enumerate(given)}  # a base's place in the table
        self.addresses: dict[Value, int] = {}
        self.arrays: dict[Value, Any] = {}  # of what has an address
        self.kept: list[Any] = []
        self.shares: dict[Any, tuple[int, int]] = {}
        self.parts = 1
        self.widest = 1  # the rows of the largest part
        self.flag = np.zeros(1, np.int64)  # 1 where an index was out of bounds
        self.checked = False
        for v in program.constants:
            array = np.ascontiguousarray(v.data).reshape(v.shape)
            self.arrays[v], self.addresses[v] = array, array.ctypes.data

    def allocate(self, sequence: list[Region | Stop]) -> None:
        """Give an address to everything that has none; what is not needed at the same time shares."""
        self.pack([item.groups for item in sequence])
        space = aligned(self.total)
        self.kept.append(space)
        for v, offset in self.offsets.items():
            array = space[offset : offset + v.nbytes].view(v.dtype).reshape(v.shape)
            self.arrays[v], self.addresses[v] = array, space.ctypes.data + offset

    # --- what the writers ask -------------------------------------------------------------------------------
    def pointer(self, function: Function, base: Value) -> str:
        """Return the text of a pointer to a value's first entry."""
        base = self.home(base)
        if function.given is not None:
            return function.given.setdefault(base, f"%q{len(function.given)}")
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

    def address(self, v: Value) -> int:
        """Return where a number lies; LookupError where that is not known beforehand."""
        place = layout(v)
        base = self.home(place.base)
        if base not in self.addresses:
            raise LookupError(v.op)
        return self.addresses[base] + place.offset * int(v.dtype.itemsize)

    def scratch(self, function: Function, key: Any, size: int, part: Register) -> str:
        """Return the text of a pointer to a part's own buffer."""
        found = self.shares.get(key)
        if found is None:
            stride = -(-size // PAIR) * PAIR
            space = aligned(stride * self.parts)
            self.kept.append(space)
            found = self.shares[key] = (space.ctypes.data, stride)
        address, stride = found
        start = f"inttoptr (i64 {address} to ptr)"
        if function.given is not None:
            start = function.given.setdefault(start, f"%q{len(function.given)}")
        return function.at(start, part * stride, np.dtype(np.int8))

    def trouble(self) -> str:
        """Return the text of a pointer to the flag that says that an index was out of bounds."""
        self.checked = True
        return f"inttoptr (i64 {self.flag.ctypes.data} to ptr)"
