"""Columns: reductions over leading axes, whose sums lie in memory while the rows go by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import DOUBLE, Register
from clearprop.compiler.engines.llvm.loops.access import vectors
from clearprop.compiler.engines.llvm.loops.entries import LoopBody
from clearprop.compiler.engines.llvm.loops.reductions import ROWS, combine, compensated
from clearprop.compiler.program.ir import Value


class Column:
    """A reduction down the columns: each row is added to what the rows before it have given.

    Where float32 would lose too much it is `wide`, kept as float64 until the end. A long sum of float64 goes
    `by_blocks` of rows, which are added to totals with the rounding errors taken back.
    """

    value: Value
    body: LoopBody

    def __init__(self, v: Value, body: LoopBody) -> None:
        self.value, self.body = v, body
        self.function: Procedure = body.function
        self.lanes: int = body.nest.lanes
        self.wide: bool = v in body.nest.wide
        self.by_blocks: bool = v in body.nest.blocks
        self.dtype: Any = DOUBLE if self.wide else v.dtype

    def begin(self) -> None:
        """Write what a sum of nothing is into all entries."""
        v, function, pointer = self.value, self.function, self.body.share(self.value)
        if self.wide:
            pointer = self._scratch("wide")
        self.body.pointers[v, "sum"] = pointer
        starts = {pointer: v.core.start(self.dtype)}
        if self.by_blocks:
            total, lack = self._totals()
            starts |= {total: v.core.start(self.dtype), lack: 0}
        for i, mask in self._vectors():
            for place, start in starts.items():
                x = function.lift(function.constant(start, self.dtype), self.dtype, self.lanes)
                function.store(x, function.at(place, i, self.dtype), mask)

    def take(self, x: Register, mask: Register | None) -> None:
        """Add a vector of the row that the loops are at."""
        address = self.body.address((self.value, "store"), self.dtype)
        before = self.function.load(address, self.dtype, self.lanes, mask)
        x = self.function.lift(x, self.dtype, self.lanes)
        self.function.store(combine(self.value.op, before, x), address, mask)

    def end_rows(self, indices: list[Register], turns: Iterable[Any]) -> None:
        """Add what some rows have given to the totals, where so many rows have come."""
        v, body, nest, function = self.value, self.body, self.body.nest, self.function
        key = v, "store"
        row: Any = 0
        for axis, i in zip(nest.outer, indices, strict=True):
            if not axis.steps[key]:
                row = i + row * axis.n if isinstance(row, Register) else i
        with function.when((row & (ROWS - 1)) == ROWS - 1):
            offset = body.along(nest.outer, indices, key)
            totals = [function.at(pointer, offset, v.dtype) for pointer in self._totals()]
            for place, _, mask in turns:
                inside = body.along(nest.inner, place, key)
                at = [function.at(pointer, inside, v.dtype) for pointer in (*totals, body.pointers[key])]
                self._settle(at, mask, v.core.start(v.dtype))

    def end(self) -> None:
        """Leave the sums where they belong: rounded, or the totals with what the last rows have given."""
        v, function = self.value, self.function
        if self.wide:
            source, goal = self.body.pointers[v, "sum"], self.body.share(v)
            for i, mask in self._vectors():
                z = function.load(function.at(source, i, DOUBLE), DOUBLE, self.lanes, mask)
                function.store(z.astype(v.dtype), function.at(goal, i, v.dtype), mask)
        elif self.by_blocks:
            pointers = *self._totals(), self.body.pointers[v, "sum"]
            for i, mask in self._vectors():
                at = [function.at(pointer, i, v.dtype) for pointer in pointers]
                self._settle(at, mask)
                function.store(function.load(at[0], v.dtype, self.lanes, mask), at[2], mask)

    def _settle(self, at: list[str], mask: Register | None, start: Any = None) -> None:
        """Add sums of some rows to totals; begin them anew where it is said how."""
        function, dtype = self.function, self.value.dtype
        total, lack, x = (function.load(address, dtype, self.lanes, mask) for address in at)
        new = [*compensated(total, lack, x)]
        if start is not None:
            new.append(function.lift(function.constant(start, dtype), dtype, self.lanes))
        for y, address in zip(new, at, strict=False):
            function.store(y, address, mask)

    def _totals(self) -> tuple[str, str]:
        """Return where the totals lie, and what they are too large by."""
        return self._scratch("total"), self._scratch("lack")

    def _scratch(self, use: str) -> str:
        v, size = self.value, self.value.size * self.dtype.itemsize
        return self.body.memory.scratch(self.function, (v, use), size, self.body.part)

    def _vectors(self) -> Iterator[tuple[Register, Register | None]]:
        return vectors(self.function, 0, self.value.size, self.lanes, self.value.size)
