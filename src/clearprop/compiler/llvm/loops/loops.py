"""Loops: a group of values over one index space, as nested loops whose innermost runs a vector at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from clearprop.compiler.llvm.language.text import Function
from clearprop.compiler.llvm.language.values import DOUBLE, INDEX, Register
from clearprop.compiler.llvm.loops.access import Memory, constant_mask
from clearprop.compiler.llvm.loops.entries import LoopBody
from clearprop.compiler.llvm.loops.nests import Nest
from clearprop.compiler.llvm.loops.random import Stretch
from clearprop.compiler.llvm.loops.reductions import ROWS, Accumulator, combine, compensated
from clearprop.compiler.plan.fuse import Group, full
from clearprop.compiler.program import ir

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value


class LoopWriter:
    """Writes the loops of one group; `low` and `high` bound the turns of the outermost."""

    function: Function
    part: Register
    parts: int
    body: LoopBody
    totals: dict[Value, Accumulator]

    def __init__(self, group: Group, memory: Memory) -> None:
        self.nest: Nest = Nest(group, memory)
        self.memory: Memory = memory
        self.work: float = self.nest.work

    def write(self, function: Function, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the loops for the turns from `low` to `high` of the outermost axis."""
        self.function, self.part, self.parts = function, part, parts
        nest = self.nest
        self.body = body = LoopBody(nest, function)
        self.totals = {v: self._accumulator(v, v.dtype) for v in nest.ending if full(v)}
        for v, total in self.totals.items():
            total.begin()
            assert v.reduces
        for v in nest.columns:
            self._clear(v)
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
            for v in nest.columns:
                if v in nest.blocks:
                    self._end_rows(v, indices, low, high)
        for v, total in self.totals.items():
            function.store(total.end().astype(v.dtype), self._partial(v))
        for v in nest.columns:
            if v in nest.wide:
                self._narrow(v)
            elif v in nest.blocks:
                self._put_together(v)

    def _accumulator(self, v: ir.Value, dtype: Any) -> Accumulator:
        nest = self.nest
        wide, blocks = v in nest.wide, v in nest.blocks and dtype == DOUBLE and not nest.single
        return Accumulator(self.function, v.op, DOUBLE if wide else dtype, nest.lanes, blocks)

    def _write_numbers(self) -> None:
        """Write a space of a single entry: no loop at all."""
        results = [(v, self.body.value(v).astype(v.dtype)) for v in self.nest.group.stores]
        for v, z in results:
            self.function.store(z, self.memory.start(self.function, v, self.nest.goals[v].offset, v.dtype))

    def _partial(self, v: ir.Value) -> str:
        """Where this part's share of a reduction goes; the result itself if there is one part."""
        if self.parts == 1:
            return self.memory.pointer(self.function, v)
        return self.memory.scratch(self.function, (v, "share"), v.nbytes, self.part)

    def _clear(self, v: ir.Value) -> None:
        nest = self.nest
        function, pointer, dtype = self.function, self._partial(v), v.dtype
        if v in nest.wide:
            dtype = DOUBLE
            pointer = self.memory.scratch(function, (v, "wide"), v.size * dtype.itemsize, self.part)
        self.body.pointers[v, "sum"] = pointer
        starts = {pointer: v.core.start(dtype)}
        if v in nest.blocks:
            places = self._totals_of(v)
            starts |= {places[0]: v.core.start(dtype), places[1]: 0}
        with self._vectors(0, v.size, nest.lanes, static=v.size) as turns:
            for i, mask in turns:
                for place, start in starts.items():
                    x = function.lift(function.constant(start, dtype), dtype, nest.lanes)
                    function.store(x, function.at(place, i, dtype), mask)

    def _totals_of(self, v: ir.Value) -> tuple[str, str]:
        """Return where the totals of columns lie that go by blocks, and what they are too large by."""
        memory, function = self.memory, self.function
        total, lack = (memory.scratch(function, (v, x), v.nbytes, self.part) for x in ("total", "lack"))
        return total, lack

    def _end_rows(self, v: ir.Value, indices: list[Register], low: Register, high: Register) -> None:
        """Add what some rows have given to the totals, where so many rows have come."""
        nest, body = self.nest, self.body
        function, key = self.function, (v, "store")
        row: Any = 0
        for axis, i in zip(nest.outer, indices, strict=True):
            if not axis.steps[key]:
                row = i + row * axis.n if isinstance(row, Register) else i
        with function.when((row & (ROWS - 1)) == ROWS - 1):
            offset = body.along(nest.outer, indices, key)
            totals = [function.at(pointer, offset, v.dtype) for pointer in self._totals_of(v)]
            for place, _, mask in self._turns(low, high):
                inside = body.along(nest.inner, place, key)
                at = [function.at(pointer, inside, v.dtype) for pointer in (*totals, body.pointers[key])]
                self._settle(v, at, mask, v.core.start(v.dtype))

    def _put_together(self, v: ir.Value) -> None:
        """Add to the totals of columns what the last rows have given: that is their sum."""
        function, pointers = self.function, (*self._totals_of(v), self.body.pointers[v, "sum"])
        with self._vectors(0, v.size, self.nest.lanes, static=v.size) as turns:
            for i, mask in turns:
                at = [function.at(pointer, i, v.dtype) for pointer in pointers]
                self._settle(v, at, mask)
                total = function.load(at[0], v.dtype, self.nest.lanes, mask)
                function.store(total, at[2], mask)

    def _settle(self, v: ir.Value, at: list[str], mask: Register | None, start: Any = None) -> None:
        """Add sums of some rows to totals; begin them anew where it is said how."""
        function = self.function
        total, lack, x = (function.load(address, v.dtype, self.nest.lanes, mask) for address in at)
        new = [*compensated(total, lack, x)]
        if start is not None:
            new.append(function.lift(function.constant(start, v.dtype), v.dtype, self.nest.lanes))
        for y, address in zip(new, at, strict=False):
            function.store(y, address, mask)

    def _narrow(self, v: ir.Value) -> None:
        """Round sums that were kept as float64."""
        function, source, goal = self.function, self.body.pointers[v, "sum"], self._partial(v)
        with self._vectors(0, v.size, self.nest.lanes, static=v.size) as turns:
            for i, mask in turns:
                z = function.load(function.at(source, i, DOUBLE), DOUBLE, self.nest.lanes, mask)
                function.store(z.astype(v.dtype), function.at(goal, i, v.dtype), mask)

    def _write_row(self, low: Register, high: Register) -> None:
        nest, body = self.nest, self.body
        row = math.prod(a.n for a in nest.inner)
        for v in nest.kept if not nest.single else ():
            body.saved[v] = self.memory.scratch(self.function, (v, "kept"), row * v.dtype.itemsize, self.part)
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
        nest, body = self.nest, self.body
        x = body.value(v.inputs[0])
        if v in self.totals:
            place = body.linear if v in nest.blocks and isinstance(body.linear, Register) else None
            self.totals[v].take(x.astype(v.dtype), mask, place)
            return
        function, key = self.function, (v, "store")
        dtype = DOUBLE if v in nest.wide else v.dtype
        address = body.address(key, dtype)
        before = function.load(address, dtype, nest.lanes, mask)
        function.store(combine(v.op, before, function.lift(x, dtype, nest.lanes)), address, mask)

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
            with self._vectors(start, stop, nest.lanes, static=None if nest.flat else n) as turns:
                for i, mask in turns:
                    yield [*middle, i], base + i if middle else i, mask

    @contextmanager
    def _vectors(
        self, start: Any, stop: Any, lanes: int, static: int | None
    ) -> Iterator[Iterator[tuple[Register, Register | None]]]:
        """Loop over whole vectors, then once more for what is left, with a mask."""
        function = self.function

        def turns() -> Iterator[tuple[Register, Register | None]]:
            if static is not None:
                whole = static - static % lanes
                if whole:
                    with function.loop(0, whole, lanes) as i:
                        yield i, None
                if static % lanes:
                    yield function.index(whole), constant_mask(function, static % lanes, lanes)
                return
            count = ((stop - start) >> (lanes.bit_length() - 1)) << (lanes.bit_length() - 1)
            middle = start + count
            with function.loop(start, middle, lanes) as i:
                yield i, None
            with function.when(middle < stop):
                yield middle, function.lift(middle, INDEX, lanes) + function.lane_numbers(lanes) < stop

        yield turns()
