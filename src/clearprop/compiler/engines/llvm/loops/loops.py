"""Loops: a group of values over one index space, as nested loops whose innermost runs a vector at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import DOUBLE, Register
from clearprop.compiler.engines.llvm.loops.access import Memory, constant_mask, vectors
from clearprop.compiler.engines.llvm.loops.columns import Column
from clearprop.compiler.engines.llvm.loops.entries import LoopBody
from clearprop.compiler.engines.llvm.loops.nests import Nest
from clearprop.compiler.engines.llvm.loops.random import Stretch
from clearprop.compiler.engines.llvm.loops.reductions import Accumulator
from clearprop.compiler.plan.fuse import Group, full
from clearprop.compiler.program import ir

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value


class LoopWriter:
    """Writes the loops of one group; `low` and `high` bound the turns of the outermost."""

    function: Procedure
    body: LoopBody
    totals: dict[Value, Accumulator]
    columns: dict[Value, Column]

    def __init__(self, group: Group, memory: Memory) -> None:
        self.nest: Nest = Nest(group, memory)
        self.memory: Memory = memory
        self.work: float = self.nest.work

    def write(self, function: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the loops for the turns from `low` to `high` of the outermost axis."""
        self.function, nest = function, self.nest
        self.body = body = LoopBody(nest, function, part, parts)
        self.totals = {v: self._accumulator(v, v.dtype) for v in nest.ending if full(v)}
        for v, total in self.totals.items():
            total.begin()
            assert v.reduces
        self.columns = {v: Column(v, body) for v in nest.columns}
        for column in self.columns.values():
            column.begin()
        turn = math.prod(nest.group.shape) // max(nest.turns, 1)  # entries
        for v in nest.draws:
            ahead = body.value(v.operands[1])
            body.stretches[v] = Stretch(function, v, self.memory, part, high * turn, ahead)
        body.hoist(nest.group.values, 0)
        if not nest.inner and not nest.outer:
            self._write_numbers()
            return
        with ExitStack() as stack:
            indices = []
            for i, axis in enumerate(nest.outer):
                bounds = (low, high) if i == 0 else (0, axis.n)
                indices.append(stack.enter_context(function.loop(*bounds)))
            body.point(indices)
            self._write_row(low, high)
            for column in self.columns.values():
                if column.by_blocks:
                    column.end_rows(indices, self._turns(low, high))
        for v, total in self.totals.items():
            function.store(total.end().astype(v.dtype), body.share(v))
        for column in self.columns.values():
            column.end()

    def _accumulator(self, v: ir.Value, dtype: Any) -> Accumulator:
        nest = self.nest
        wide, blocks = v in nest.wide, v in nest.blocks and dtype == DOUBLE and not nest.single
        return Accumulator(self.function, v.op, DOUBLE if wide else dtype, nest.lanes, blocks)

    def _write_numbers(self) -> None:
        """Write a space of a single entry: no loop at all."""
        results = [(v, self.body.value(v).astype(v.dtype)) for v in self.nest.group.stores]
        for v, z in results:
            self.function.store(z, self.memory.start(self.function, v, self.nest.goals[v].offset, v.dtype))

    def _write_row(self, low: Register, high: Register) -> None:
        nest, body = self.nest, self.body
        row = math.prod(a.n for a in nest.inner)
        for v in nest.kept if not nest.single else ():
            body.saved[v] = self.memory.scratch(self.function, (v, "kept"), row * v.dtype.itemsize, body.part)
        stores = [v for v in nest.group.stores if v not in nest.ending]
        sums = self._by_pass(v for v in nest.group.values if nest.is_row_reduction(v))
        inner = self._by_pass(v for v in stores if not nest.is_row(v))
        terminals, saved = self._by_pass(nest.ending), self._by_pass(body.saved)
        for number in range(nest.count):
            body.number = number
            self._write_pass(sums[number], inner[number], terminals[number], saved[number], low, high)
        rows = [v for v in stores if nest.is_row(v)]
        body.hoist(rows, 1)
        for v in rows:
            self.function.store(body.value(v).astype(v.dtype), body.pointers[v, "store"])

    def _by_pass(self, values: Iterable[ir.Value]) -> list[list[ir.Value]]:
        """Sort values by the pass over a row that computes them."""
        found: list[list[ir.Value]] = [[] for _ in range(self.nest.count)]
        for v in values:
            found[self.nest.passes[v]].append(v)
        return found

    def _write_pass(
        self,
        sums: list[ir.Value],
        stores: list[ir.Value],
        terminals: list[ir.Value],
        saved: list[ir.Value],
        low: Register,
        high: Register,
    ) -> None:
        """Write one pass over a row, which ends with its reductions."""
        body = self.body
        if not (sums or stores or terminals or saved):
            return
        function = self.function
        totals = {v: self._accumulator(v, v.inputs[0].dtype) for v in sums}
        for total in totals.values():
            total.begin()
        body.hoist([*sums, *stores, *terminals, *saved], 1)
        for place, linear, mask in self._turns(low, high):
            body.place, body.linear, body.mask = place, linear, mask
            if not self.nest.single:
                body.memo[2] = {}
            results = [(v, body.value(v)) for v in stores]
            for v, total in totals.items():
                position = linear if isinstance(linear, Register) else function.index(linear)
                total.take(body.value(v.inputs[0]), mask, position)
            for v in terminals:
                self._end(v, mask)
            for v in saved:
                z = function.lift(body.value(v), v.dtype, self.nest.lanes)
                function.store(z, function.at(body.saved[v], linear, v.dtype), mask)
            for v, z in results:
                body.store(v, z)
        for v, total in totals.items():
            body.memo[1][v] = total.end().astype(v.dtype)

    def _end(self, v: ir.Value, mask: Register | None) -> None:
        """Add this vector to a reduction that the whole loop makes."""
        x, linear = self.body.value(v.inputs[0]), self.body.linear
        if v in self.columns:
            self.columns[v].take(x, mask)
            return
        place = linear if v in self.nest.blocks and isinstance(linear, Register) else None
        self.totals[v].take(x.astype(v.dtype), mask, place)

    # --- the inner loops ------------------------------------------------------------------------------------
    def _turns(
        self, low: Register, high: Register
    ) -> Iterator[tuple[list[Register | int], Register | int, Register | None]]:
        """Yield the place in the inner loops and the mask of the lanes, once per copy of the body."""
        nest = self.nest
        function = self.function
        if nest.single:
            n = nest.inner[0].n
            yield [0], 0, constant_mask(function, n, nest.lanes)
            return
        with ExitStack() as stack:
            middle: list[Register | int] = [
                stack.enter_context(function.loop(0, a.n)) for a in nest.inner[:-1]
            ]
            base: Any = 0
            for axis, i in zip(nest.inner[:-1], middle, strict=True):
                base = (base * axis.n if isinstance(base, Register) else 0) + i
            n = nest.inner[-1].n
            if middle:
                base = base * n
            start, stop = (low * nest.unit, high * nest.unit) if nest.flat else (0, n)
            for i, mask in vectors(function, start, stop, nest.lanes, static=None if nest.flat else n):
                yield [*middle, i], base + i if middle else i, mask
