"""Many entries to one: how partial results begin, meet, and end as one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearprop.compiler.engines.llvm.language.mathematics import choose
from clearprop.compiler.engines.llvm.language.text import Procedure, Slot
from clearprop.compiler.engines.llvm.language.ufuncs import UFUNCS
from clearprop.compiler.engines.llvm.language.values import INDEX, Dtype, Register
from clearprop.compiler.engines.llvm.loops.access import Memory
from clearprop.compiler.program import ir
from clearprop.compiler.program.core import CORE

if TYPE_CHECKING:
    from clearprop.compiler.program.core import Core

BLOCK = 32  # vectors of a long sum that are added up by themselves
ROWS = 32  # rows of which the columns are
_NEVER = np.iinfo(np.int64).max  # the place of an entry that is not there: any other comes first


def combine(op: str, x: Register, y: Register) -> Register:
    """Return what two partial results amount to."""
    return UFUNCS[CORE[op].combine](x, y)


def compensated(total: Register, lack: Register, x: Register) -> tuple[Register, Register]:
    """Return a total with one more term, and what it is too large by now; `lack` is what it was before."""
    x = x - lack
    new = total + x
    off = (new - total) - x
    nothing = x.function.constant(0, x.dtype, x.lanes)
    return new, choose(off - off == nothing, off, nothing)  # of an infinite sum it would be NaN or infinite


class Accumulator:
    """A partial result per lane, and the place of the winner for `argmax` and `argmin`.

    A sum by `blocks` begins anew every BLOCK vectors. What the blocks give is added up with its rounding
    errors taken back (Kahan 1965, "Further remarks on reducing truncation errors"), so the error of a long
    sum is that of a block. NumPy adds in pairs.
    """

    function: Procedure
    op: str
    dtype: Dtype
    lanes: int

    def __init__(self, function: Procedure, op: str, dtype: Dtype, lanes: int, blocks: bool = False) -> None:
        self.function, self.op, self.dtype, self.lanes = function, op, dtype, lanes
        self.row: Core = CORE[op]
        self.best: Slot = function.slot(dtype, lanes)
        self.place: Slot | None = function.slot(INDEX, lanes) if self.row.better else None
        self.sums: list[Slot] = [function.slot(dtype, lanes) for _ in range(2 * blocks)]  # and what they lack

    def begin(self) -> None:
        """Forget everything."""
        for slot, start in zip(self.sums, (self.row.start(self.dtype), 0), strict=False):
            slot.put(self.function.constant(start, self.dtype, self.lanes))
        self.best.put(self.function.constant(self.row.start(self.dtype), self.dtype, self.lanes))
        if self.place is not None:
            self.place.put(self.function.constant(_NEVER, INDEX, self.lanes))

    def take(self, x: Register, mask: Register | None, position: Register | None) -> None:
        """Take in one vector of entries, of which only those in `mask` are there."""
        function = self.function
        x = function.lift(x, self.dtype, self.lanes)
        if self.sums and isinstance(position, Register):
            with function.when((position & (BLOCK * self.lanes - 1)) < self.lanes):
                self._end_block()
        if mask is not None:
            x = choose(mask, x, function.constant(self.row.start(self.dtype), self.dtype, self.lanes))
        if self.place is None or position is None:
            self.best.put(combine(self.op, self.best.get(), x))
            return
        i = (
            function.lift(position, INDEX, self.lanes) + function.lane_numbers(self.lanes)
            if self.lanes
            else position
        )
        if mask is not None:
            i = choose(mask, i, _NEVER)
        best, place = self._better(x, i, self.best.get(), self.place.get())
        self.best.put(best)
        self.place.put(place)

    def _end_block(self) -> None:
        """Add a block's sum to the others', less what the addition before was too large by."""
        total, lack = self.sums
        new, off = compensated(total.get(), lack.get(), self.best.get())
        total.put(new)
        lack.put(off)
        self.best.put(self.function.constant(self.row.start(self.dtype), self.dtype, self.lanes))

    def _better(self, x: Register, i: Register, y: Register, j: Register) -> tuple[Register, Register]:
        """The winner of two: NaN wins, then the larger (or smaller), then the one that comes first."""
        wins = UFUNCS[self.row.better](x, y)
        wins = wins | ((x == y) & (i < j))
        if self.dtype.kind == "f":
            wins = (wins & ~(y != y)) | ((x != x) & (~(y != y) | (i < j)))
        return choose(wins, x, y), choose(wins, i, j)

    def end(self) -> Register:
        """Return the result over all lanes."""
        if self.sums:
            self._end_block()
        x = (self.sums[0] if self.sums else self.best).get()
        i = self.place.get() if self.place is not None else None
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            high, low = _half(x, lanes, lanes), _half(x, 0, lanes)
            if i is None:
                x = combine(self.op, low, high)
            else:
                x, i = self._better(low, _half(i, 0, lanes), high, _half(i, lanes, lanes))
        result = x if i is None else i
        if not self.lanes:
            return result
        return self.function.value(f"extractelement {result.type} {result.text}, i64 0", result.dtype)


def _half(x: Register, start: int, lanes: int) -> Register:
    return x.function.shuffle(x, x, range(start, start + lanes))


def sums_of_lanes(vectors: list[Register]) -> Register:
    """Return the sums over the lanes of 1, 2, 4, ... vectors side by side, added up together.

    Two vectors become one that holds half of each, added to one of the other halves: n vectors of l lanes
    take about 2 n shuffles, and not n log l.
    """
    lanes, run = vectors[0].lanes, 1
    while len(vectors) > 1:  # runs of `run` lanes belong to as many of the vectors
        low = [i + e for i in range(0, lanes, 2 * run) for e in (*range(run), *range(lanes, lanes + run))]
        high = [i + run for i in low]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [x.function.shuffle(x, y, low) + x.function.shuffle(x, y, high) for x, y in pairs]
        run *= 2
    x = vectors[0]
    while lanes > run:
        lanes //= 2
        x = _half(x, 0, lanes) + _half(x, lanes, lanes)
    return x if lanes > 1 else x.function.value(f"extractelement {x.type} {x.text}, i64 0", x.dtype)


def write_combination(function: Procedure, v: ir.Value, memory: Memory, parts: int) -> None:
    """Write what makes one result of the parts' shares of a reduction."""
    pointers = [memory.scratch(function, (v, "share"), v.nbytes, function.index(p)) for p in range(parts)]
    goal = memory.pointer(function, v)
    with function.loop(0, v.size) as i:
        z = function.load(function.at(pointers[0], i, v.dtype), v.dtype)
        for pointer in pointers[1:]:
            z = combine(v.op, z, function.load(function.at(pointer, i, v.dtype), v.dtype))
        function.store(z, function.at(goal, i, v.dtype))
