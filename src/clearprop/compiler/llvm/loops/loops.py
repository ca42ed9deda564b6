"""Loops: a group of values over one index space, as nested loops whose innermost runs a vector at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from clearprop.compiler.llvm.language.text import Function
from clearprop.compiler.llvm.language.ufuncs import UFUNCS
from clearprop.compiler.llvm.language.values import DOUBLE, INDEX, Register
from clearprop.compiler.llvm.loops.access import constant_mask, gather, inside, scatter
from clearprop.compiler.llvm.loops.indexing import picking
from clearprop.compiler.llvm.loops.nests import Axis, Nest
from clearprop.compiler.llvm.loops.random import Stretch
from clearprop.compiler.llvm.loops.reductions import ROWS, Accumulator, combine, compensated
from clearprop.compiler.plan.fuse import full, is_row, through
from clearprop.compiler.program import ir

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value


class LoopWriter(Nest):
    """Writes the loops of one group; `low` and `high` bound the turns of the outermost."""

    function: Function
    part: Register
    parts: int
    totals: dict[Value, Accumulator]
    place: list[Register | int]
    linear: Register | int

    # --- writing --------------------------------------------------------------------------------------------
    def write(self, function: Function, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the loops for the turns from `low` to `high` of the outermost axis."""
        self.function, self.part, self.parts = function, part, parts
        self.memo: list[dict[ir.Value, Register]] = [{}, {}, {}]
        self.mask: Register | None = None
        self.pointers: dict[Any, str] = {}
        self.starts: dict[Any, Any] = {}
        self.stretches: dict[ir.Value, Stretch] = {}
        self.totals = {v: self._accumulator(v, v.dtype) for v in self.ending if full(v)}
        for v, total in self.totals.items():
            total.begin()
            assert v.reduces
        for v in self.columns:
            self._clear(v)
        turn = math.prod(self.group.shape) // max(self.turns, 1)  # entries
        for v in self.draws:
            ahead = self._value(v.operands[1])
            self.stretches[v] = Stretch(function, v, self.memory, part, high * turn, ahead)
        self.saved: dict[ir.Value, str] = {}  # where the passes over a row leave what later ones need
        self.number: int = 0
        self._hoist(self.group.values, 0)
        if not self.inner and not self.outer:
            self._write_numbers()
            return
        with ExitStack() as stack:
            indices = []
            for i, axis in enumerate(self.outer):
                bounds = (low, high) if i == 0 else (0, axis.n)
                indices.append(stack.enter_context(function.loop(*bounds)))
            self._point(indices)
            self._write_row(low, high)
            for v in self.columns:
                if v in self.blocks:
                    self._end_rows(v, indices, low, high)
        for v, total in self.totals.items():
            function.store(total.end().astype(v.dtype), self._partial(v))
        for v in self.columns:
            if v in self.wide:
                self._narrow(v)
            elif v in self.blocks:
                self._put_together(v)

    def _accumulator(self, v: ir.Value, dtype: Any) -> Accumulator:
        wide, blocks = v in self.wide, v in self.blocks and dtype == DOUBLE and not self.single
        return Accumulator(self.function, v.op, DOUBLE if wide else dtype, self.lanes, blocks)

    def _write_numbers(self) -> None:
        """Write a space of a single entry: no loop at all."""
        results = [(v, self._value(v).astype(v.dtype)) for v in self.group.stores]
        for v, z in results:
            self.function.store(z, self.memory.start(self.function, v, self.goals[v].offset, v.dtype))

    def _partial(self, v: ir.Value) -> str:
        """Where this part's share of a reduction goes; the result itself if there is one part."""
        if self.parts == 1:
            return self.memory.pointer(self.function, v)
        return self.memory.scratch(self.function, (v, "share"), v.nbytes, self.part)

    def _clear(self, v: ir.Value) -> None:
        function, pointer, dtype = self.function, self._partial(v), v.dtype
        if v in self.wide:
            dtype = DOUBLE
            pointer = self.memory.scratch(function, (v, "wide"), v.size * dtype.itemsize, self.part)
        self.pointers[v, "sum"] = pointer
        starts = {pointer: v.core.start(dtype)}
        if v in self.blocks:
            places = self._totals_of(v)
            starts |= {places[0]: v.core.start(dtype), places[1]: 0}
        with self._vectors(0, v.size, self.lanes, static=v.size) as turns:
            for i, mask in turns:
                for place, start in starts.items():
                    x = function.lift(function.constant(start, dtype), dtype, self.lanes)
                    function.store(x, function.at(place, i, dtype), mask)

    def _totals_of(self, v: ir.Value) -> tuple[str, str]:
        """Return where the totals of columns lie that go by blocks, and what they are too large by."""
        memory, function = self.memory, self.function
        total, lack = (memory.scratch(function, (v, x), v.nbytes, self.part) for x in ("total", "lack"))
        return total, lack

    def _end_rows(self, v: ir.Value, indices: list[Register], low: Register, high: Register) -> None:
        """Add what some rows have given to the totals, where so many rows have come."""
        function, key = self.function, (v, "store")
        row: Any = 0
        for axis, i in zip(self.outer, indices, strict=True):
            if not axis.steps[key]:
                row = i + row * axis.n if isinstance(row, Register) else i
        with function.when((row & (ROWS - 1)) == ROWS - 1):
            offset = self._along(self.outer, indices, key)
            totals = [function.at(pointer, offset, v.dtype) for pointer in self._totals_of(v)]
            for place, _, mask in self._turns(low, high):
                inside = self._along(self.inner, place, key)
                at = [function.at(pointer, inside, v.dtype) for pointer in (*totals, self.pointers[key])]
                self._settle(v, at, mask, v.core.start(v.dtype))

    def _put_together(self, v: ir.Value) -> None:
        """Add to the totals of columns what the last rows have given: that is their sum."""
        function, pointers = self.function, (*self._totals_of(v), self.pointers[v, "sum"])
        with self._vectors(0, v.size, self.lanes, static=v.size) as turns:
            for i, mask in turns:
                at = [function.at(pointer, i, v.dtype) for pointer in pointers]
                self._settle(v, at, mask)
                total = function.load(at[0], v.dtype, self.lanes, mask)
                function.store(total, at[2], mask)

    def _settle(self, v: ir.Value, at: list[str], mask: Register | None, start: Any = None) -> None:
        """Add sums of some rows to totals; begin them anew where it is said how."""
        function = self.function
        total, lack, x = (function.load(address, v.dtype, self.lanes, mask) for address in at)
        new = [*compensated(total, lack, x)]
        if start is not None:
            new.append(function.lift(function.constant(start, v.dtype), v.dtype, self.lanes))
        for y, address in zip(new, at, strict=False):
            function.store(y, address, mask)

    def _narrow(self, v: ir.Value) -> None:
        """Round sums that were kept as float64."""
        function, source, goal = self.function, self.pointers[v, "sum"], self._partial(v)
        with self._vectors(0, v.size, self.lanes, static=v.size) as turns:
            for i, mask in turns:
                z = function.load(function.at(source, i, DOUBLE), DOUBLE, self.lanes, mask)
                function.store(z.astype(v.dtype), function.at(goal, i, v.dtype), mask)

    def _point(self, indices: list[Register]) -> None:
        """Write where each array's entries of this turn begin."""
        function = self.function
        stores, picks = [(v, "store") for v in self.group.stores], [(v, "pick") for v in self.picks]
        keys: list[Any] = [*self.leaves, *stores, *picks]
        for v in self.draws:
            self.starts[v] = self._along(self.outer, indices, (v, "draw"))
        for key in keys:
            if isinstance(key, tuple) and key[1] == "pick":
                v = key[0]
                chosen = self.picks[v]
                pointer = self.memory.start(function, chosen.base, chosen.offset, v.dtype)
            elif isinstance(key, tuple):
                v = key[0]
                pointer = self.pointers.get((v, "sum")) or (
                    "" if v in self.totals else self.memory.start(function, v, self.goals[v].offset, v.dtype)
                )
            else:
                v, place = key, self.leaves[key]
                pointer = self.memory.start(function, place.base, place.offset, v.dtype)
            if not pointer:
                continue
            dtype = DOUBLE if (v, "sum") in self.pointers and v in self.wide else v.dtype
            self.pointers[key] = function.at(pointer, self._along(self.outer, indices, key), dtype)

    def _along(self, axes: list[Axis], indices: list[Any], key: Any, offset: Any = 0) -> Any:
        """Return how far an array has moved when the loops have come to these indices."""
        for axis, i in zip(axes, indices, strict=True):
            step = axis.steps[key]
            if step:
                offset = (i * step if step != 1 else i) + offset
        return offset

    def _write_row(self, low: Register, high: Register) -> None:
        row = math.prod(a.n for a in self.inner)
        for v in self.kept if not self.single else ():
            self.saved[v] = self.memory.scratch(self.function, (v, "kept"), row * v.dtype.itemsize, self.part)
        stores = [v for v in self.group.stores if v not in self.ending]
        sums = self._by_pass(v for v in self.group.values if self._is_row_reduction(v))
        inner = self._by_pass(v for v in stores if not self._is_row(v))
        terminals, saved = self._by_pass(self.ending), self._by_pass(self.saved)
        for number in range(self.count):
            self.number = number
            self._write_pass(sums[number], inner[number], terminals[number], saved[number], low, high)
        rows = [v for v in stores if self._is_row(v)]
        self._hoist(rows, 1)
        for v in rows:
            self.function.store(self._value(v).astype(v.dtype), self.pointers[v, "store"])

    def _by_pass(self, values: Iterable[ir.Value]) -> list[list[ir.Value]]:
        """Sort values by the pass over a row that computes them."""
        found: list[list[ir.Value]] = [[] for _ in range(self.count)]
        for v in values:
            found[self.passes[v]].append(v)
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
        if not (sums or stores or terminals or saved):
            return
        function = self.function
        totals = {v: self._accumulator(v, v.inputs[0].dtype) for v in sums}
        for total in totals.values():
            total.begin()
        self._hoist([*sums, *stores, *terminals, *saved], 1)
        for place, linear, mask in self._turns(low, high):
            self.place, self.linear, self.mask = place, linear, mask
            if not self.single:
                self.memo[2] = {}
            results = [(v, self._value(v)) for v in stores]
            for v, total in totals.items():
                position = linear if isinstance(linear, Register) else function.index(linear)
                total.take(self._value(v.inputs[0]), mask, position)
            for v in terminals:
                self._end(v, mask)
            for v in saved:
                z = function.lift(self._value(v), v.dtype, self.lanes)
                function.store(z, function.at(self.saved[v], linear, v.dtype), mask)
            for v, z in results:
                self._store(v, z)
        for v, total in totals.items():
            self.memo[1][v] = total.end().astype(v.dtype)

    def _is_row(self, v: ir.Value) -> bool:
        return self.rows and is_row(v.shape, self.group)

    def _end(self, v: ir.Value, mask: Register | None) -> None:
        """Add this vector to a reduction that the whole loop makes."""
        x = self._value(v.inputs[0])
        if v in self.totals:
            place = self.linear if v in self.blocks and isinstance(self.linear, Register) else None
            self.totals[v].take(x.astype(v.dtype), mask, place)
            return
        function, key = self.function, (v, "store")
        dtype = DOUBLE if v in self.wide else v.dtype
        address = self._address(key, dtype)
        before = function.load(address, dtype, self.lanes, mask)
        function.store(combine(v.op, before, function.lift(x, dtype, self.lanes)), address, mask)

    # --- the inner loops ------------------------------------------------------------------------------------
    def _turns(
        self, low: Register, high: Register
    ) -> Iterator[tuple[list[Register | int], Register | int, Register | None]]:
        """Yield the place in the inner loops and the mask of the lanes, once per copy of the body."""
        function = self.function
        if self.single:
            n = self.inner[0].n
            yield [0], 0, constant_mask(function, n, self.lanes)
            return
        with ExitStack() as stack:
            middle: list[Register | int] = [
                stack.enter_context(function.loop(0, a.n)) for a in self.inner[:-1]
            ]
            base: Any = 0
            for axis, i in zip(self.inner[:-1], middle, strict=True):
                base = (base * axis.n if isinstance(base, Register) else 0) + i
            n = self.inner[-1].n
            if middle:
                base = base * n
            start, stop = (low * self.unit, high * self.unit) if self.flat else (0, n)
            with self._vectors(start, stop, self.lanes, static=None if self.flat else n) as turns:
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

    def _address(self, key: Any, dtype: Any) -> str:
        return self.function.at(self.pointers[key], self._along(self.inner, self.place, key), dtype)

    def _store(self, v: ir.Value, z: Register) -> None:
        function, key = self.function, (v, "store")
        z = function.lift(z, v.dtype, self.lanes)
        address, step = self._address(key, v.dtype), self.inner[-1].steps[key]
        if step == 1:
            function.store(z, address, self.mask)
        else:
            scatter(function, z, address, step, self.mask)

    # --- values ---------------------------------------------------------------------------------------------
    def _hoist(self, roots: Sequence[ir.Value], level: int) -> None:
        """Write now what the roots need that does not change further inside: each value is visited once.

        What a value of such a level needs is there, or of such a level too: a row's reductions are of
        level 1, and a pass over a row asks for those of earlier passes only.
        """
        seen: set[ir.Value] = set()
        waiting = [*reversed(roots)]
        while waiting:
            v = self._source(waiting.pop())
            if v in seen:
                continue
            seen.add(v)
            if v in self.inside and v.reduces and (self._is_row_reduction(v) or v in self.ending):
                if v not in self.memo[1]:
                    waiting.append(v.inputs[0])
            elif self._level(v) <= level:
                self._value(v)
            elif v in self.inside and not self._there(v):
                waiting += reversed(v.entries)

    def _source(self, v: ir.Value) -> ir.Value:
        """Return what the group computes, for a value that repeats it."""
        source = through(v)
        return source if source in self.inside else v

    def _there(self, v: ir.Value) -> bool:
        """Tell whether an earlier pass over the row has left `v`."""
        return v in self.memo[2] or (v in self.saved and self.passes[v] < self.number)

    def _value(self, v: ir.Value) -> Register:
        """Return `v`; what it needs is written first, one value after the other."""
        waiting = [self._source(v)]
        while True:
            v = waiting[-1]
            known = self.memo[self._level(v)]
            if v not in known:
                needed = [x for x in map(self._source, self._needs(v)) if x not in self.memo[self._level(x)]]
                if needed:
                    waiting.append(needed[0])
                    continue
                known[v] = self._compute(v) if v in self.inside else self._load(v, self._level(v))
            waiting.pop()
            if not waiting:
                return known[v]

    def _needs(self, v: ir.Value) -> tuple[ir.Value, ...]:
        """Return the values that the instructions of `v` begin with."""
        if v not in self.inside or v in self.draws or v.core.better or self._there(v):
            return ()
        return v.entries

    def _compute(self, v: ir.Value) -> Register:
        if self._there(v):
            at = self.function.at(self.saved[v], self.linear, v.dtype)
            return self.function.load(at, v.dtype, self.lanes, self.mask)
        if v.reduces:  # of a single entry
            if v.core.better:
                return self.function.constant(0, v.dtype)
            return self._value(v.inputs[0]).astype(v.dtype)
        if v in self.picks:
            return self._pick(v)
        if v in self.draws:
            if not self.inner:
                return self.stretches[v].at(0, 0)
            offset = self._along(self.inner, self.place, (v, "draw"), self.starts[v])
            return self.stretches[v].at(offset, self.lanes)
        xs = [self._value(x) if isinstance(x, ir.Value) else x for x in v.inputs]
        return evaluate(self.function, v, xs)

    def _pick(self, v: ir.Value) -> Register:
        """Write the read of the entries that index arrays name."""
        function, level, key = self.function, self._level(v), (v, "pick")
        offset: Any = 0
        for i, (step, n) in zip(v.entries, picking(v).picked, strict=True):
            offset = (
                inside(
                    function,
                    self._value(i),
                    n,
                    self.memory.trouble(function),
                    self.mask if level == 2 else None,
                )
                * step
                + offset
            )
        if level < 2:
            chosen = self.picks[v]
            start = self.pointers.get(key) or self.memory.start(function, chosen.base, chosen.offset, v.dtype)
            return function.load(function.at(start, offset, v.dtype), v.dtype)
        address, step = self._address(key, v.dtype), self.inner[-1].steps[key]
        if isinstance(offset, Register) and offset.lanes:
            offset = function.lift(offset, INDEX, self.lanes)
            if step:
                offset = offset + function.lane_numbers(self.lanes) * step
            return gather(function, address, offset, v.dtype, self.lanes, self.mask)
        address = function.at(address, offset, v.dtype)
        if step == 1:
            return function.load(address, v.dtype, self.lanes, self.mask)
        return (
            gather(function, address, step, v.dtype, self.lanes, self.mask)
            if step
            else function.load(address, v.dtype)
        )

    def _load(self, v: ir.Value, level: int) -> Register:
        function, place = self.function, self.leaves[v]
        if level == 0:
            return function.load(self.memory.start(function, place.base, place.offset, v.dtype), v.dtype)
        if level == 1:
            return function.load(self.pointers[v], v.dtype)
        address, step = self._address(v, v.dtype), self.inner[-1].steps[v]
        if step == 0:
            return function.load(address, v.dtype)
        if step == 1:
            return function.load(address, v.dtype, self.lanes, self.mask)
        return gather(function, address, step, v.dtype, self.lanes, self.mask)


def evaluate(function: Function, v: ir.Value, xs: list[Any]) -> Register:
    """Write one elementwise op."""
    lanes = max(x.lanes for x in xs if isinstance(x, Register))
    xs = [function.lift(x, None, lanes) if isinstance(x, Register) else x for x in xs]
    if v.op not in UFUNCS:
        return CHOICES[v.op](function, v, xs, lanes)
    return UFUNCS[v.op](*xs).astype(v.dtype)


CHOICES: dict[str, Callable[[Function, ir.Value, list[Any], int], Register]] = {
    "where": lambda f, v, xs, lanes: f.select(xs[0], *(f.lift(x, v.dtype, lanes) for x in xs[1:])),
    "astype": lambda f, v, xs, lanes: xs[0].astype(v.dtype),
}
"""The instructions of what works entry by entry and is no ufunc."""
