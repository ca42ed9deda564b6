"""Where the arrays of a native plan lie: in a table filled at each call, or at an address known now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import Register
from clearprop.compiler.engines.llvm.plan.regions import Region, Stop
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import PAIR, Plan, aligned
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout

ARENA, TROUBLE = "arena", "trouble"


@dataclass(frozen=True)
class Scratch:
    """A buffer of so many bytes for each part of a loop: what value it is for, and its use there."""

    value: Value
    use: str
    size: int


class Places(Plan):
    """A plan with addresses, and what the writers of loops and products ask about memory."""

    def __init__(self, program: Program, groups: list[Group]) -> None:
        super().__init__(program, groups)
        given = [*program.arguments, *self.numbers, *self.stands, *self.fresh]
        self.table: dict[Value, int] = {v: i for i, v in enumerate(given)}  # a base's place in the table
        self.addresses: dict[Value, int] = {}
        self.arrays: dict[Value, Any] = {}  # of what has an address
        self.kept: list[Any] = []
        self.symbols: dict[str, int] = {}  # what the text names instead of addresses
        self.named: dict[tuple[Value, str], str] = {}  # the buffers of parts among them
        self.parts = 1
        self.widest = 1  # the rows of the largest part
        self.flag: NDArray[Any] = np.zeros(1, np.int64)  # 1 where an index was out of bounds
        self.symbols[TROUBLE] = self.flag.ctypes.data
        self.checked: bool = False
        for v in program.constants:
            array = np.ascontiguousarray(v.data).reshape(v.shape)
            self.arrays[v], self.addresses[v] = array, array.ctypes.data

    def allocate(self, sequence: list[Region | Stop]) -> None:
        """Give an address to everything that has none; what is not needed at the same time shares."""
        self.pack([item.groups for item in sequence])
        space = aligned(self.total)
        self.kept.append(space)
        self.symbols[ARENA] = space.ctypes.data
        for v, offset in self.offsets.items():
            array = space[offset : offset + v.nbytes].view(v.dtype).reshape(v.shape)
            self.arrays[v], self.addresses[v] = array, space.ctypes.data + offset

    # --- what the writers ask -------------------------------------------------------------------------------
    def start(self, function: Procedure, base: Value, offset: int, dtype: Any) -> str:
        """Return the text of a pointer to entry `offset` of a value's array.

        A function that is given its arrays is given the pointer itself: the same text serves other offsets.
        """
        base = self.home(base)
        if function.given is not None:
            return function.asks((base, offset * int(dtype.itemsize)))
        known = function.shared.get(base)
        if known is None:
            if base in self.table:
                known = f"%p{self.table[base]}"
                function.slots.append(f"  {known}.at = getelementptr ptr, ptr %data, i64 {self.table[base]}")
                function.slots.append(f"  {known} = load ptr, ptr {known}.at")
            else:
                known = self._symbolic(base)
            function.shared[base] = known
        return function.at(str(known), offset, dtype)

    def _symbolic(self, base: Value) -> str:
        """Name the memory of an array whose address is known now."""
        if base in self.offsets:
            return f"getelementptr (i8, ptr @{ARENA}, i64 {self.offsets[base]})"
        name = f"constant{len(self.symbols)}"
        self.symbols[name] = self.addresses[base]
        return f"@{name}"

    def pointer(self, function: Procedure, base: Value) -> str:
        """Return the text of a pointer to a value's first entry."""
        return self.start(function, base, 0, base.dtype)

    def address(self, v: Value) -> int:
        """Return where a number lies; LookupError where that is not known beforehand."""
        place = layout(v)
        base = self.home(place.base)
        if base not in self.addresses:
            raise LookupError(v.op)
        return self.addresses[base] + place.offset * int(v.dtype.itemsize)

    def scratch(self, function: Procedure, key: tuple[Value, str], size: int, part: Register) -> str:
        """Return the text of a pointer to a part's own buffer, which is some value's and has a name there."""
        if function.given is not None:
            start = function.asks(Scratch(*key, size))
        else:
            self._share(key, size)
            start = f"@{self.named[key]}"
        return function.at(start, part * _stride(size), np.dtype(np.int8))

    def _share(self, key: tuple[Value, str], size: int) -> int:
        """Make the buffers of the parts unless they are there; return the first one's address."""
        if key not in self.named:
            space = aligned(_stride(size) * self.parts)
            self.kept.append(space)
            self.named[key] = f"scratch{len(self.named)}"
            self.symbols[self.named[key]] = space.ctypes.data
        return self.symbols[self.named[key]]

    def trouble(self, function: Procedure) -> str:
        """Return the text of a pointer to the flag that says that an index was out of bounds."""
        self.checked = True
        return f"@{TROUBLE}" if function.given is None else function.asks(TROUBLE)

    def broken(self) -> bool:
        """Tell whether the last call found an index out of bounds, once: the next one begins anew."""
        found, self.flag[0] = bool(self.flag[0]), 0
        return found

    def found(self, asked: Any) -> tuple[int, int]:
        """Return what a function was to be given: a slot of the table (or -1), and what is added to it."""
        if asked == TROUBLE:
            return -1, self.flag.ctypes.data
        if isinstance(asked, Scratch):
            return -1, self._share((asked.value, asked.use), asked.size)
        base, offset = asked
        if base in self.table:
            return self.table[base], offset
        return -1, self.addresses[base] + offset


def _stride(size: int) -> int:
    return -(-size // PAIR) * PAIR
