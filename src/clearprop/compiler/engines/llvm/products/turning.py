"""Turning matrices over: squares of a register by a register, exchanged in registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearprop.compiler.engines.llvm.language.engine import WIDE, lanes_of
from clearprop.compiler.engines.llvm.language.text import ModuleText, Procedure
from clearprop.compiler.engines.llvm.language.values import Register
from clearprop.compiler.engines.llvm.loops.access import Memory, constant_mask
from clearprop.compiler.program import ir
from clearprop.compiler.program.layout import layout

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value
    from clearprop.compiler.program.layout import Layout


class Turned(ir.PlannedForm):
    """Turned over: a copy of a transposed matrix, block by block, or a product, computed as (y^T x^T)^T."""


TURNED = Turned()


def at_most(x: Register, limit: Register | int) -> Register:
    """Return the smaller of an index and another."""
    return x.function.select(x < limit, x, limit if isinstance(limit, Register) else x.function.index(limit))


class TransposeWriter:
    """Writes the copy of a transposed matrix, square blocks at a time, each turned over in registers."""

    value: Value
    memory: Memory
    place: Layout
    dtype: Any
    turns: Any
    columns: Any

    def __init__(self, v: ir.Value, memory: Memory) -> None:
        self.value, self.memory = v, memory
        self.place, self.dtype = layout(v.inputs[0]), v.dtype
        self.turns, self.columns = v.shape
        self.grain: int = lanes_of(v.dtype)
        self.work: float = v.size / 4 + 20

    def write(self, function: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the rows from `low` to `high`."""
        f, dtype, side = function, self.dtype, self.grain
        source = self.memory.start(f, self.place.base, self.place.offset, dtype)
        goal = self.memory.pointer(f, self.value)
        step = self.place.strides[1]
        rest_rows, rest_columns = self.turns % side, self.columns % side

        def across_row(i: Register, rows: int) -> None:
            def block(j: Any, columns: int) -> None:
                name = _block(f.module, dtype, rows, columns, step, self.columns)
                start = f.at(source, i + j * step, dtype)
                end = f.at(goal, i * self.columns + j, dtype)
                f.line(f"call void @{name}(ptr {start}, ptr {end})")

            whole = self.columns - rest_columns
            if whole:
                with f.loop(0, whole, side) as j:
                    block(j, side)
            if rest_columns:
                block(f.index(whole), rest_columns)

        with f.loop(low, at_most(high, self.turns - rest_rows), side) as i:
            across_row(i, side)
        if rest_rows:
            with f.when(high == self.turns):
                across_row(f.index(self.turns - rest_rows), rest_rows)


def turn_over(
    f: Procedure,
    dtype: Any,
    source: str,
    goal: str,
    rows: int,
    columns: int,
    step: int,
    out: int,
    along: int = 1,
) -> None:
    """Write goal[i * out + j] = source[i * along + j * step]; by blocks where the rows lie side by side."""
    side = lanes_of(dtype)
    if along != 1:
        with f.loop(0, rows) as i, f.loop(0, columns) as j:
            f.store(f.load(f.at(source, i * along + j * step, dtype), dtype), f.at(goal, i * out + j, dtype))
        return

    def square(i: Any, first: int, height: int) -> None:
        name = _block(f.module, dtype, height, min(side, columns - first), step, out)
        start, end = f.at(source, i + first * step, dtype), f.at(goal, i * out + first, dtype)
        f.line(f"call void @{name}(ptr {start}, ptr {end})")

    whole = rows - rows % side
    for first in range(0, columns, side):  # as many streams of memory as a register has lanes
        if whole:
            with f.loop(0, whole, side) as i:
                square(i, first, side)
        if rows % side:
            square(f.index(whole), first, rows % side)


def _block(module: ModuleText, dtype: Any, rows: int, columns: int, step: int, out: int) -> str:
    """Write goal[i * out + j] = source[i + j * step] for a block of at most a register by a register."""
    side = lanes_of(dtype)
    name = f"block{dtype.itemsize}_{rows}_{columns}_{step}_{out}"
    if name in module.functions:
        return name
    f = module.function(name, "ptr noalias %x, ptr noalias %y", WIDE + " noinline")
    mask = constant_mask(f, rows, side)
    zero = f.constant(0.0, dtype, side)
    lines = [
        f.load(f.at("%x", j * step, dtype), dtype, side, mask) if j < columns else zero for j in range(side)
    ]
    _exchange(f, lines)
    mask = constant_mask(f, columns, side)
    for i in range(rows):
        f.store(lines[i], f.at("%y", i * out, dtype), mask)
    return name


def columns_of(f: Procedure, rows: list[Register]) -> list[Register]:
    """Return the columns of a matrix whose rows, no more than there are lanes, are in registers.

    They have 2, 4, 8 or 16 lanes, as few as hold a column.
    """
    lanes, side = rows[0].lanes, 1 << max(1, (len(rows) - 1).bit_length())
    lines = rows + [f.constant(0.0, rows[0].dtype, lanes)] * (side - len(rows))
    _exchange(f, lines)
    if side == lanes:
        return lines
    starts = [(lines[e % side], e - e % side) for e in range(lanes)]
    return [f.shuffle(x, x, range(start, start + side)) for x, start in starts]


def _exchange(f: Procedure, lines: list[Register]) -> None:
    """Turn over each square block of a matrix in registers: its rows, a power of two, by as many lanes."""
    n, distance = lines[0].lanes, 1
    while distance < len(lines):
        first = [e if not e & distance else n + e - distance for e in range(n)]
        second = [e + distance if not e & distance else n + e for e in range(n)]
        for i in range(len(lines)):
            if not i & distance:
                x, y = lines[i], lines[i + distance]
                lines[i], lines[i + distance] = f.shuffle(x, y, first), f.shuffle(x, y, second)
        distance *= 2
