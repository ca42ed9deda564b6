"""Entries: what the values of a group are where its loops stand, each written once, as far out as may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.ufuncs import UFUNCS
from clearprop.compiler.engines.llvm.language.values import DOUBLE, INDEX, Register
from clearprop.compiler.engines.llvm.loops.access import Memory, gather, inside, scatter
from clearprop.compiler.engines.llvm.loops.indexing import picking
from clearprop.compiler.engines.llvm.loops.nests import Axis, Nest
from clearprop.compiler.engines.llvm.loops.random import Stretch
from clearprop.compiler.plan.fuse import full
from clearprop.compiler.program import ir

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value


class LoopBody:
    """What is inside of the loops: the values of the group at the place where the loops stand.

    `place` and `linear` say where that is, `mask` which lanes count, `number` which pass over a row it is.
    `memo` holds what is known by level: throughout, in this turn of the outer loops, at this place.
    """

    place: list[Register | int]
    linear: Register | int
    nest: Nest
    function: Procedure
    part: Register
    parts: int

    def __init__(self, nest: Nest, function: Procedure, part: Register, parts: int) -> None:
        self.nest, self.function, self.part, self.parts = nest, function, part, parts
        self.memory: Memory = nest.memory
        self.memo: list[dict[Value, Register]] = [{}, {}, {}]
        self.mask: Register | None = None
        self.number: int = 0
        self.pointers: dict[Any, str] = {}
        self.starts: dict[Any, Any] = {}
        self.stretches: dict[Value, Stretch] = {}
        self.saved: dict[Value, str] = {}  # where the passes over a row leave what later ones need

    def point(self, indices: list[Register]) -> None:
        """Write where each array's entries of this turn begin."""
        nest = self.nest
        function = self.function
        stores, picks = [(v, "store") for v in nest.group.stores], [(v, "pick") for v in nest.picks]
        keys: list[Any] = [*nest.leaves, *stores, *picks]
        for v in nest.draws:
            self.starts[v] = self.along(nest.outer, indices, (v, "draw"))
        for key in keys:
            if isinstance(key, tuple) and key[1] == "pick":
                v = key[0]
                chosen = nest.picks[v]
                pointer = self.memory.start(function, chosen.base, chosen.offset, v.dtype)
            elif isinstance(key, tuple):
                v = key[0]
                pointer = self.pointers.get((v, "sum")) or (
                    ""
                    if v in nest.ending and full(v)
                    else self.memory.start(function, v, nest.goals[v].offset, v.dtype)
                )
            else:
                v, place = key, nest.leaves[key]
                pointer = self.memory.start(function, place.base, place.offset, v.dtype)
            if not pointer:
                continue
            dtype = DOUBLE if (v, "sum") in self.pointers and v in nest.wide else v.dtype
            self.pointers[key] = function.at(pointer, self.along(nest.outer, indices, key), dtype)

    def along(self, axes: list[Axis], indices: list[Any], key: Any, offset: Any = 0) -> Any:
        """Return how far an array has moved when the loops have come to these indices."""
        for axis, i in zip(axes, indices, strict=True):
            step = axis.steps[key]
            if step:
                offset = (i * step if step != 1 else i) + offset
        return offset

    def address(self, key: Any, dtype: Any) -> str:
        """Return where an array's entry of this place lies."""
        return self.function.at(self.pointers[key], self.along(self.nest.inner, self.place, key), dtype)

    def store(self, v: ir.Value, z: Register) -> None:
        """Write a value's entries of this place into memory."""
        function, key = self.function, (v, "store")
        z = function.lift(z, v.dtype, self.nest.lanes)
        address, step = self.address(key, v.dtype), self.nest.inner[-1].steps[key]
        if step == 1:
            function.store(z, address, self.mask)
        else:
            scatter(function, z, address, step, self.mask)

    def share(self, v: ir.Value) -> str:
        """Return where this part's share of a reduction goes; the result itself if there is one part."""
        if self.parts == 1:
            return self.memory.pointer(self.function, v)
        return self.memory.scratch(self.function, (v, "share"), v.nbytes, self.part)

    # --- values ---------------------------------------------------------------------------------------------
    def hoist(self, roots: Sequence[ir.Value], level: int) -> None:
        """Write now what the roots need that does not change further inside: each value is visited once.

        What a value of such a level needs is there, or of such a level too: a row's reductions are of
        level 1, and a pass over a row asks for those of earlier passes only.
        """
        nest = self.nest
        seen: set[ir.Value] = set()
        waiting = [*reversed(roots)]
        while waiting:
            v = nest.source(waiting.pop())
            if v in seen:
                continue
            seen.add(v)
            if v in nest.inside and v.reduces and (nest.is_row_reduction(v) or v in nest.ending):
                if v not in self.memo[1]:
                    waiting.append(v.inputs[0])
            elif nest.level(v) <= level:
                self.value(v)
            elif v in nest.inside and not self._there(v):
                waiting += reversed(v.entries)

    def _there(self, v: ir.Value) -> bool:
        """Tell whether an earlier pass over the row has left `v`."""
        return v in self.memo[2] or (v in self.saved and self.nest.passes[v] < self.number)

    def value(self, v: ir.Value) -> Register:
        """Return `v`; what it needs is written first, one value after the other."""
        nest = self.nest
        waiting = [nest.source(v)]
        while True:
            v = waiting[-1]
            known = self.memo[nest.level(v)]
            if v not in known:
                needed = [x for x in map(nest.source, self._needs(v)) if x not in self.memo[nest.level(x)]]
                if needed:
                    waiting.append(needed[0])
                    continue
                known[v] = self._compute(v) if v in nest.inside else self._load(v, nest.level(v))
            waiting.pop()
            if not waiting:
                return known[v]

    def _needs(self, v: ir.Value) -> tuple[ir.Value, ...]:
        """Return the values that the instructions of `v` begin with."""
        if v not in self.nest.inside or v in self.nest.draws or v.core.better or self._there(v):
            return ()
        return v.entries

    def _compute(self, v: ir.Value) -> Register:
        nest = self.nest
        if self._there(v):
            at = self.function.at(self.saved[v], self.linear, v.dtype)
            return self.function.load(at, v.dtype, nest.lanes, self.mask)
        if v.reduces:  # of a single entry
            if v.core.better:
                return self.function.constant(0, v.dtype)
            return self.value(v.inputs[0]).astype(v.dtype)
        if v in nest.picks:
            return self._pick(v)
        if v in nest.draws:
            if not nest.inner:
                return self.stretches[v].at(0, 0)
            offset = self.along(nest.inner, self.place, (v, "draw"), self.starts[v])
            return self.stretches[v].at(offset, nest.lanes)
        xs = [self.value(x) if isinstance(x, ir.Value) else x for x in v.inputs]
        return evaluate(self.function, v, xs)

    def _pick(self, v: ir.Value) -> Register:
        """Write the read of the entries that index arrays name."""
        nest = self.nest
        function, level, key = self.function, nest.level(v), (v, "pick")
        offset: Any = 0
        for i, (step, n) in zip(v.entries, picking(v).picked, strict=True):
            offset = (
                inside(
                    function,
                    self.value(i),
                    n,
                    self.memory.trouble(function),
                    self.mask if level == 2 else None,
                )
                * step
                + offset
            )
        if level < 2:
            chosen = nest.picks[v]
            start = self.pointers.get(key) or self.memory.start(function, chosen.base, chosen.offset, v.dtype)
            return function.load(function.at(start, offset, v.dtype), v.dtype)
        address, step = self.address(key, v.dtype), nest.inner[-1].steps[key]
        if isinstance(offset, Register) and offset.lanes:
            offset = function.lift(offset, INDEX, nest.lanes)
            if step:
                offset = offset + function.lane_numbers(nest.lanes) * step
            return gather(function, address, offset, v.dtype, nest.lanes, self.mask)
        address = function.at(address, offset, v.dtype)
        if step == 1:
            return function.load(address, v.dtype, nest.lanes, self.mask)
        return (
            gather(function, address, step, v.dtype, nest.lanes, self.mask)
            if step
            else function.load(address, v.dtype)
        )

    def _load(self, v: ir.Value, level: int) -> Register:
        nest = self.nest
        function, place = self.function, nest.leaves[v]
        if level == 0:
            return function.load(self.memory.start(function, place.base, place.offset, v.dtype), v.dtype)
        if level == 1:
            return function.load(self.pointers[v], v.dtype)
        address, step = self.address(v, v.dtype), nest.inner[-1].steps[v]
        if step == 0:
            return function.load(address, v.dtype)
        if step == 1:
            return function.load(address, v.dtype, nest.lanes, self.mask)
        return gather(function, address, step, v.dtype, nest.lanes, self.mask)


def evaluate(function: Procedure, v: ir.Value, xs: list[Any]) -> Register:
    """Write one elementwise op."""
    lanes = max(x.lanes for x in xs if isinstance(x, Register))
    xs = [function.lift(x, None, lanes) if isinstance(x, Register) else x for x in xs]
    if v.op not in UFUNCS:
        return CHOICES[v.op](function, v, xs, lanes)
    return UFUNCS[v.op](*xs).astype(v.dtype)


CHOICES: dict[str, Callable[[Procedure, ir.Value, list[Any], int], Register]] = {
    "where": lambda f, v, xs, lanes: f.select(xs[0], *(f.lift(x, v.dtype, lanes) for x in xs[1:])),
    "astype": lambda f, v, xs, lanes: xs[0].astype(v.dtype),
}
"""The instructions of what works entry by entry and is no ufunc."""
