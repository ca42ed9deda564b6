"""Panels: a factor of a product copied in the order in which its tiles read it.

A panel has `side` rows of a left factor (columns of a right one) and all of the inner axis: entry e of the
panel p at the inner position k lies at [p, k, e], so that a tile reads memory from one end to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from clearprop.compiler.engines.llvm.language.engine import lanes_of
from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import Register
from clearprop.compiler.engines.llvm.loops.access import Memory, constant_mask
from clearprop.compiler.engines.llvm.products.turning import at_most, turn_over
from clearprop.compiler.program import ir
from clearprop.compiler.program.core import Core, enter, unrun
from clearprop.compiler.program.layout import layout

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value
    from clearprop.compiler.program.layout import Layout

# A matrix copied for the tiles of products to read: the panels of its rows (`axis` 0) or of its columns (1).
enter("panels", Core(family="copy", run=unrun, copies=True, exact=True))

Steps: TypeAlias = tuple[int, int, int, int]


def panels(x: ir.Value, axis: int, side: int) -> ir.Value:
    """Return the value that holds the panels of a matrix: of its rows (axis 0) or of its columns (1)."""
    count, depth = x.shape[axis], x.shape[1 - axis]
    return ir.Value(
        "op", (-(-count // side), depth, side), x.dtype, "panels", (x,), {"axis": axis}, line=x.line
    )


class PanelWriter:
    """Writes `panels`, which every part of a product reads: `low` and `high` bound the rows or columns."""

    value: Value
    memory: Memory
    dtype: Any
    depth: Any
    grain: Any

    def __init__(self, v: ir.Value, memory: Memory) -> None:
        self.value, self.memory, self.dtype = v, memory, v.dtype
        x, axis = v.inputs[0], v.attrs["axis"]
        self.place: Layout = layout(x)
        self.down: int = self.place.strides[axis]
        self.along: int = self.place.strides[1 - axis]
        self.turns: int = x.shape[axis]
        self.depth, self.grain = v.shape[1:]
        self.work: float = v.size / 4 + 20

    def write(self, f: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the panels of the rows (or columns) from `low` to `high`."""
        source = self.memory.start(f, self.place.base, self.place.offset, self.dtype)
        goal = self.memory.pointer(f, self.value)
        rest = self.turns % self.grain

        def ends(i: Register) -> tuple[str, str]:
            return f.at(source, i * self.down, self.dtype), f.at(goal, i * self.depth, self.dtype)

        count = f.quotient(at_most(high, self.turns - rest) - low, self.grain)
        shape = (self.depth, self.grain, self.down, self.along)
        pack(f, self.dtype, *ends(low), count, shape)
        if rest:
            with f.when(high == self.turns):
                pack(f, self.dtype, *ends(f.index(self.turns - rest)), 0, shape, rest)


def pack(f: Procedure, dtype: Any, source: str, goal: str, count: Any, shape: Steps, some: int = 0) -> None:
    """Write goal[c, k, e] = source[(c * side + e) * down + k * along] for `count` panels c.

    `shape` is (depth, side, down, along). With `some`, the one panel that has no more rows (or columns).
    """
    depth, side, down, along = shape
    lanes = lanes_of(dtype)
    if down != 1 and some:
        turn_over(f, dtype, source, goal, depth, some, down, side, along)
    elif down != 1:
        with f.loop(0, count) as c:
            start, end = f.at(source, c * (side * down), dtype), f.at(goal, c * (depth * side), dtype)
            turn_over(f, dtype, start, end, depth, side, down, side, along)
    elif some:
        with f.loop(0, depth) as k:
            for e in range(0, some, lanes):
                mask = constant_mask(f, some - e, lanes)
                x = f.load(f.at(source, k * along + e, dtype), dtype, lanes, mask)
                f.store(x, f.at(goal, k * side + e, dtype), mask)
    else:
        with f.loop(0, depth) as k, f.loop(0, count) as c:  # the factor's own order: it is the one far away
            start = f.at(source, k * along + c * side, dtype)
            end = f.at(goal, c * (depth * side) + k * side, dtype)
            for e, n in _vectors(side, lanes):
                f.store(f.load(f.at(start, e, dtype), dtype, n), f.at(end, e, dtype))


def _vectors(side: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield where vectors begin that cover `side` entries, and their lanes; 0 for a single number."""
    e = 0
    while e < side:
        n = min(most, 1 << ((side - e).bit_length() - 1))
        yield e, n if n > 1 else 0
        e += n
