"""Rows of dot products: rows side by side share what they are multiplied with, each lane adds for itself.

The error of one sum of floats grows with its length. So a lane adds up a block of entries, and the blocks'
sums are added up as float64: what a dot product is off by does not depend on how long it is.
"""

from __future__ import annotations

from typing import Any

from clearprop.compiler.engines.llvm.language.engine import lanes_of
from clearprop.compiler.engines.llvm.language.text import Procedure, Slot
from clearprop.compiler.engines.llvm.language.values import DOUBLE, Register
from clearprop.compiler.engines.llvm.loops.access import constant_mask, gather
from clearprop.compiler.engines.llvm.loops.reductions import sums_of_lanes
from clearprop.compiler.engines.llvm.products.streams import Stream
from clearprop.compiler.engines.llvm.products.turning import at_most
from clearprop.compiler.plan.memory import LINE

BLOCK = 32  # how many entries a lane adds up before it passes the sum on
ALONE = 2  # rows up to which each has several sums, where it is long: else they would wait for the adder


class Dots:
    """Writes out[i] = sum_j rows[i, j] x[j] for j < k.

    `rows` are a pointer and the steps from row to row and along a row, `x` a pointer and a step. `together`
    says how many rows are read side by side, and how many sums each of them has.
    """

    f: Procedure
    dtype: Any
    k: int
    x: tuple[str, int]
    pointer: str
    down: int
    along: int
    beside: int
    chains: int

    def __init__(
        self,
        f: Procedure,
        dtype: Any,
        k: int,
        rows: tuple[str, int, int],
        x: tuple[str, int],
        together: tuple[int, int],
    ) -> None:
        self.f, self.dtype, self.k, self.x = f, dtype, k, x
        self.pointer, self.down, self.along = rows
        self.beside, self.chains = together
        self.lanes: int = min(lanes_of(dtype), 1 << max(1, (k - 1).bit_length()))

    def write(self, out: str, low: Register, high: Register, backwards: Register | None = None) -> None:
        """Write the rows from `low` to `high`, eight at a time, and what is left of them at the end.

        Where `backwards` holds, the eights come in the opposite order: no sum changes by that.
        """
        f, dtype = self.f, self.dtype
        entries = LINE // dtype.itemsize
        with f.loop(0, f.quotient(high - low + (entries - 1), entries)) as line:  # another core has read them
            Stream(1, own=True).ask(f, dtype, f.at(out, low, dtype), line)
        at = low
        for number in dict.fromkeys((min(8, self.lanes), 2, 1)):
            shift = number.bit_length() - 1
            stop = at + ((high - at) >> shift << shift)
            with f.loop(at, stop, number) as i:
                if backwards is not None and at is low:
                    i = f.select(backwards, at + stop - number - i, i)
                f.store(self._several(i, number), f.at(out, i, dtype))
            at = stop

    def _several(self, first: Register, number: int) -> Register:
        """Write as many rows, and return their dot products as one vector."""
        starts = [self.f.at(self.pointer, (first + r) * self.down, self.dtype) for r in range(number)]
        groups = [starts[r : r + self.beside] for r in range(0, number, self.beside)]
        return sums_of_lanes([s for group in groups for s in self._beside(group)]).astype(self.dtype)

    def _beside(self, starts: list[str]) -> list[Register]:
        """Write the loop over the entries of some rows, and return the vector that is left of each."""
        f, k, lanes = self.f, self.k, self.lanes
        alone = len(starts) <= ALONE and k >= 16 * lanes
        chains = max(self.chains, 4) if alone else self.chains
        turn = chains * lanes
        sums = [[self._zero(self.dtype) for _ in range(chains)] for _ in starts]
        whole = k - k % turn
        if k <= 2 * BLOCK * turn:
            carries = None
            if whole:
                self._turns(starts, sums, 0, whole)
        else:
            carries = [self._zero(DOUBLE) for _ in starts]
            with f.loop(0, whole, BLOCK * turn) as start:
                self._turns(starts, sums, start, at_most(start + BLOCK * turn, whole))
                for carry, row in zip(carries, sums, strict=True):
                    carry.put(carry.get() + _total(row).astype(DOUBLE))
                    for s in row:
                        s.put(f.constant(0, self.dtype, lanes))
        for number, first in enumerate(range(whole, k, lanes)):
            mask = constant_mask(f, k - first, lanes)
            self._step(starts, [row[number] for row in sums], f.index(first), mask)
        rests = [_total(row) for row in sums]
        if carries is None:
            return rests
        return [carry.get() + z.astype(DOUBLE) for carry, z in zip(carries, rests, strict=True)]

    def _turns(self, starts: list[str], sums: list[list[Slot]], first: Any, last: Any) -> None:
        """Write the loop over entries that fill all lanes of all sums."""
        chains = len(sums[0])
        with self.f.loop(first, last, chains * self.lanes) as j:
            for number in range(chains):
                self._step(starts, [row[number] for row in sums], j + number * self.lanes)

    def _step(self, starts: list[str], sums: list[Slot], j: Register, mask: Register | None = None) -> None:
        """Write the products of one vector of each row, added to one sum of each."""
        y = self._read(self.x[0], j, self.x[1], mask)
        for pointer, s in zip(starts, sums, strict=True):
            s.put(self.f.intrinsic("fma", self._read(pointer, j, self.along, mask), y, s.get()))

    def _zero(self, dtype: Any) -> Slot:
        slot = self.f.slot(dtype, self.lanes)
        slot.put(self.f.constant(0, dtype, self.lanes))
        return slot

    def _read(self, pointer: str, j: Register, step: int, mask: Register | None) -> Register:
        address = self.f.at(pointer, j * step, self.dtype)
        if step == 1:
            return self.f.load(address, self.dtype, self.lanes, mask)
        return gather(self.f, address, step, self.dtype, self.lanes, mask)


def _total(sums: list[Slot]) -> Register:
    """Return what the sums of one row amount to."""
    first, *others = [s.get() for s in sums]
    return sum(others, first)
