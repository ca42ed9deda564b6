"""Running sums in native code: each entry is the one before it plus its own, in NumPy's order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import Register
from clearprop.compiler.engines.llvm.loops.access import Memory
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import layout
from clearprop.compiler.program.strides import contiguous

if TYPE_CHECKING:
    from clearprop.compiler.program.layout import Layout


class ScanWriter:
    """Writes one `cumsum`: loops over all axes but one, and the sum along that one in a register."""

    value: Value
    memory: Memory

    turns: int = 1
    grain: int = 1

    def __init__(self, v: Value, memory: Memory) -> None:
        self.value, self.memory = v, memory
        self.place: Layout = layout(v.operands[0])
        self.work: float = 1.0 * math.prod(v.shape) + 10

    def write(self, function: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the loops."""
        f, v = function, self.value
        along = v.attrs["axis"]
        start = self.memory.start(f, self.place.base, self.place.offset, v.dtype)
        goal = self.memory.pointer(f, v)
        order = [a for a in range(len(v.shape)) if a != along] + [along]
        steps = contiguous(v.shape)
        total = f.slot(v.dtype, 0)

        def turn(left: list[int], source: Any, target: Any) -> None:
            if not left:
                z = total.get() + f.load(f.at(start, source, v.dtype), v.dtype)
                total.put(z)
                f.store(z, f.at(goal, target, v.dtype))
                return
            axis, *rest = left
            if not rest:
                total.put(f.constant(0, v.dtype))
            with f.loop(0, v.shape[axis]) as i:
                turn(rest, i * self.place.strides[axis] + source, i * steps[axis] + target)

        turn(order, 0, 0)
