"""Matrix products: register tiles of fused multiply-adds, straight from where the operands lie.

The tile is 8 rows by 2 vectors: 16 sums stay in registers while the loop over the inner axis runs, each step
reading 2 vectors of the right factor and 8 numbers of the left. Shapes are known when the code is written, so
the edges have tiles of their own and no operand is copied unless its layout asks for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from clearprop.compiler import ir
from clearprop.compiler.layout import Layout, across, layout
from clearprop.compiler.llvm.access import Memory, constant_mask, gather
from clearprop.compiler.llvm.engine import lanes_of, vector_bytes
from clearprop.compiler.llvm.reductions import Accumulator
from clearprop.compiler.llvm.text import Function, Module
from clearprop.compiler.llvm.turning import at_most, turn_over
from clearprop.compiler.llvm.values import BOOL, INDEX, Value

FEW = 256  # rows of a product up to which its cores may share out the columns
PANEL = 512  # how much of the inner axis a tile runs over: the panel of the right factor stays near
OUTSIDE = '"prefer-vector-width"="512" noinline'


@dataclass(frozen=True)
class Tile:
    """A tile of the result and how its operands lie: steps in entries along rows, inner axis and columns."""

    dtype: Any
    rows: int
    vectors: int
    rest: int  # how many lanes of the last vector are there
    left: tuple[int, int]
    right: int
    out: int

    def write(self, module: Module) -> str:
        """Write the function that adds up one tile, unless it is there; return its name."""
        lanes = lanes_of(self.dtype)
        name = f"tile{self.dtype.itemsize}_" + "_".join(
            map(str, (self.rows, self.vectors, self.rest, *self.left, self.right, self.out))
        )
        if name in module.functions:
            return name
        f = module.function(name, "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %n, i1 %more", OUTSIDE)
        masks = [None] * (self.vectors - 1) + [constant_mask(f, self.rest, lanes)]
        sums = [[f.slot(self.dtype, lanes) for _ in masks] for _ in range(self.rows)]
        more = Value(f, "%more", BOOL, 0)
        for row in sums:
            for s in row:
                s.put(f.constant(0.0, self.dtype, lanes))
        with f.when(more):
            for i, row in enumerate(sums):
                for j, s in enumerate(row):
                    s.put(
                        f.load(f.at("%c", i * self.out + j * lanes, self.dtype), self.dtype, lanes, masks[j])
                    )
        with f.loop(0, Value(f, "%n", INDEX, 0)) as k:
            start = f.at("%b", k * self.right, self.dtype)
            right = [
                f.load(f.at(start, j * lanes, self.dtype), self.dtype, lanes, m) for j, m in enumerate(masks)
            ]
            first = f.at("%a", k * self.left[1], self.dtype)
            for i, row in enumerate(sums):
                x = f.splat(f.load(f.at(first, i * self.left[0], self.dtype), self.dtype), lanes)
                for s, y in zip(row, right, strict=True):
                    s.put(f.intrinsic("fma", x, y, s.get()))
        for i, row in enumerate(sums):
            for j, s in enumerate(row):
                f.store(s.get(), f.at("%c", i * self.out + j * lanes, self.dtype), masks[j])
        return name


class ProductWriter:
    """Writes one `matmul`: `low` and `high` bound the rows (of a batch: the entries of its first axis)."""

    def __init__(self, v: ir.Value, memory: Memory) -> None:
        self.value, self.memory = v, memory
        x, y = v.inputs
        self.x, self.y = layout(x), layout(y)
        self.m: int = v.shape[-2]
        self.k: int = x.shape[-1]
        self.n: int = v.shape[-1]
        self.dtype = v.dtype
        self.left: tuple[int, int] = (self.x.strides[-2], self.x.strides[-1])
        self.right: tuple[int, int] = (self.y.strides[-2], self.y.strides[-1])
        self.batch: ir.Shape = v.shape[:-2]
        self.steps = [
            across(Layout(p.base, 0, p.strides[:-2]), shape[:-2], self.batch)
            for p, shape in ((self.x, x.shape), (self.y, y.shape))
        ]
        self.form = "tiles"
        if self.n == 1 and self.left[0] == 1 and self.left[1] != 1 and self.m > 1:
            self._swap()
        if self.n == 1:
            self.form = "rows"
        elif self.m == 1 and self.right[1] != 1:
            self.form = "columns"
        width = self.tile_vectors * lanes_of(self.dtype)
        # Where turning the right factor over weighs, each core does so for columns of its own.
        turned = not self.batch and self.form == "tiles" and self.right[1] != 1
        self.by_columns = turned and self.m <= FEW and self.n >= 4 * width
        self.turns = self.batch[0] if self.batch else self.n if self.form == "columns" else self.m
        if self.by_columns:
            self.turns = -(-self.n // width)
        self.grain = 1 if self.batch or self.by_columns else self.tile_rows if self.form == "tiles" else 8

    def _swap(self) -> None:
        """(m, k) @ (k, 1), the left factor's columns contiguous: (1, k) @ (k, m) has the same entries."""
        self.x, self.y = self.y, self.x
        self.left, self.right = (self.right[1], self.right[0]), (self.left[1], self.left[0])
        self.steps.reverse()
        self.m, self.n = 1, self.m

    @property
    def tile_rows(self) -> int:
        """How many rows a tile has: what keeps the registers full."""
        vectors = -(-self.n // lanes_of(self.dtype))
        narrow, wide = (6, 8) if vector_bytes() < 64 else (8, 16)
        most = narrow if vectors > 1 else wide
        if self.m <= most * 3 // 2:
            return self.m
        return most

    @property
    def tile_vectors(self) -> int:
        """How many vectors wide a tile is; few rows make wider ones."""
        vectors = -(-self.n // lanes_of(self.dtype))
        registers = 20 if vector_bytes() == 64 else 10
        return min(vectors, 2 if self.tile_rows > 5 else max(2, min(8, registers // max(1, self.tile_rows))))

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.m * self.k * self.n * math.prod(self.batch)

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return self.flops / 60 + 20

    def whole_reads(self) -> list[ir.Value]:
        """Return the arrays of which every part of the rows needs everything."""
        if self.batch:
            return []
        if self.by_columns:
            return [self.x.base, self.y.base]
        return [self.x.base] if self.form == "columns" else [self.y.base]

    # --- writing --------------------------------------------------------------------------------------------
    def write(self, function: Function, low: Value, high: Value, part: Value, parts: int) -> None:
        """Write the product of the rows from `low` to `high`."""
        memory, dtype = self.memory, self.dtype
        a = function.at(memory.pointer(function, self.x.base), self.x.offset, dtype)
        b = function.at(memory.pointer(function, self.y.base), self.y.offset, dtype)
        c = memory.pointer(function, self.value)
        if not self.batch:
            self._one(function, a, b, c, low, high)
            return
        self._batches(function, 0, a, b, c, low, high)

    def _batches(self, f: Function, axis: int, a: str, b: str, c: str, low: Any, high: Any) -> None:
        if axis == len(self.batch):
            whole = self.n if self.form == "columns" else self.m
            self._one(f, a, b, c, f.index(0), f.index(whole))
            return
        inside = math.prod(self.batch[axis + 1 :]) * self.m * self.n
        with f.loop(low, high) as i:
            x = f.at(a, i * self.steps[0][axis], self.dtype)
            y = f.at(b, i * self.steps[1][axis], self.dtype)
            z = f.at(c, i * inside, self.dtype)
            self._batches(f, axis + 1, x, y, z, 0, self.batch[axis + 1] if axis + 1 < len(self.batch) else 0)

    def _one(self, f: Function, a: str, b: str, c: str, low: Value, high: Value) -> None:
        if self.form == "rows":
            dots(f, self.dtype, self.k, (a, self.left[0], self.left[1]), (b, self.right[0]), c, low, high)
        elif self.form == "columns":
            dots(f, self.dtype, self.k, (b, self.right[1], self.right[0]), (a, self.left[1]), c, low, high)
        elif self.by_columns:
            self._tiles(f, a, b, c, f.index(0), f.index(self.m), low, high)
        else:
            self._tiles(f, a, b, c, low, high)

    def _tiles(
        self,
        f: Function,
        a: str,
        b: str,
        c: str,
        low: Value,
        high: Value,
        left_most: Value | None = None,
        right_most: Value | None = None,
    ) -> None:
        """Write the loops over panels of the inner axis, columns of tiles (all, or some), and tiles."""
        lanes = lanes_of(self.dtype)
        width = self.tile_vectors * lanes
        whole = self.n - self.n % width
        most = self.m if self.by_columns else min(self.memory.widest, self.m)
        first: Any = 0
        last: Any = whole
        if left_most is not None and right_most is not None:
            first, last = left_most * width, at_most(right_most * width, whole)
        near = len(f.slots)
        packs_left, packs_right = self._packs_left(most), self._packs_right(most)
        if packs_left:
            f.slots.append(f"  %left.{near} = alloca [{most * PANEL * self.dtype.itemsize} x i8], align 64")
        if packs_right:
            f.slots.append(f"  %right.{near} = alloca [{width * PANEL * self.dtype.itemsize} x i8], align 64")
        for start in range(0, self.k, PANEL):
            depth = min(PANEL, self.k - start)
            a_here = f.at(a, start * self.left[1], self.dtype)
            b_here = f.at(b, start * self.right[0], self.dtype)
            if packs_left:
                self._pack_left(f, a_here, f"%left.{near}", low, high, depth)

            def column(
                j: Any,
                some: int,
                a: str = a_here,
                b: str = b_here,
                depth: int = depth,
                more: bool = start > 0,
            ) -> None:
                source = f.at(b, j * self.right[1], self.dtype)
                step = self.right[0]
                if packs_right:
                    self._pack_right(f, source, f"%right.{near}", some, width, depth)
                    source, step = f"%right.{near}", width
                first = f"%left.{near}" if packs_left else a
                self._column(
                    f,
                    first,
                    a,
                    packs_left,
                    (source, step),
                    f.at(c, j, self.dtype),
                    low,
                    high,
                    some,
                    depth,
                    more,
                )

            if whole:
                with f.loop(first, last, width) as j:
                    column(j, width)
            if self.n - whole and right_most is None:
                column(f.index(whole), self.n - whole)
            elif self.n - whole and right_most is not None:
                with f.when(right_most == self.turns):
                    column(f.index(whole), self.n - whole)

    def _packs_left(self, rows: int) -> bool:
        """Whether the left factor's numbers are copied side by side: where rows or columns lie far apart."""
        size = self.dtype.itemsize
        far = self.left[1] * size >= 1024 or (self.left[0] * size) % 1024 == 0
        return far and self.n >= 128 and rows >= self.tile_rows and self.k >= 16 and self.tile_rows in (8, 6)

    def _packs_right(self, rows: int) -> bool:
        """Whether columns of the right factor are copied: where its rows lie far apart, or across."""
        if self.right[1] != 1:
            return True
        return self.right[0] * self.dtype.itemsize >= 1024 and rows >= 24 and self.k >= 16

    def _pack_left(self, f: Function, source: str, goal: str, low: Value, high: Value, depth: int) -> None:
        """Write goal[tile][k][row] = source[tile * rows + row, k] for whole tiles."""
        rows, dtype = self.tile_rows, self.dtype
        stop = at_most(high, self.m - self.m % rows)
        with f.loop(low, stop, rows) as i:
            start = f.at(source, i * self.left[0], dtype)
            out = f.at(goal, (i - low) * depth, dtype)
            if self.left[0] == 1:
                side = 8 if rows == 8 else 4
                with f.loop(0, depth) as k:
                    for r in range(0, rows, side):
                        count = min(side, rows - r)
                        for e in range(0, count, count if count == side else 1):
                            n = count if count == side else 0
                            x = f.load(f.at(start, k * self.left[1] + (r + e), dtype), dtype, n)
                            f.store(x, f.at(out, k * rows + (r + e), dtype))
            else:
                turn_over(f, dtype, start, out, depth, rows, self.left[0], rows, self.left[1])

    def _pack_right(self, f: Function, source: str, goal: str, some: int, width: int, depth: int) -> None:
        """Write goal[k][column] = source[k, column] for one column of tiles."""
        lanes, dtype = lanes_of(self.dtype), self.dtype
        if self.right[1] != 1:
            turn_over(f, dtype, source, goal, depth, some, self.right[1], width, self.right[0])
            return
        with f.loop(0, depth) as k:
            for j in range(0, some, lanes):
                mask = constant_mask(f, some - j, lanes)
                x = f.load(f.at(source, k * self.right[0] + j, dtype), dtype, lanes, mask)
                f.store(x, f.at(goal, k * width + j, dtype), mask)

    def _column(
        self,
        f: Function,
        a: str,
        unpacked: str,
        packed: bool,
        b: tuple[str, int],
        c: str,
        low: Value,
        high: Value,
        width: int,
        depth: int,
        more: bool,
    ) -> None:
        """Write the tiles of one column of tiles, from the row `low` to the row `high`."""
        rows = self.tile_rows
        rest = self.m % rows

        def call(i: Value, count: int, first: str, left: tuple[int, int]) -> None:
            vectors = -(-width // lanes_of(self.dtype))
            last = width - (vectors - 1) * lanes_of(self.dtype)
            tile = Tile(self.dtype, count, vectors, last, left, b[1], self.n)
            name = tile.write(f.module)
            out = f.at(c, i * self.n, self.dtype)
            again = "true" if more else "false"
            f.line(f"call void @{name}(ptr {first}, ptr {b[0]}, ptr {out}, i64 {depth}, i1 {again})")

        if self.m == rows and not packed:
            call(f.index(0), rows, a, self.left)
            return
        stop = at_most(high, self.m - rest)
        with f.loop(low, stop, rows) as i:
            if packed:
                call(i, rows, f.at(a, (i - low) * depth, self.dtype), (1, rows))
            else:
                call(i, rows, f.at(a, i * self.left[0], self.dtype), self.left)
        if rest:
            with f.when(high == self.m):
                at = self.m - rest
                call(f.index(at), rest, f.at(unpacked, at * self.left[0], self.dtype), self.left)


def dots(
    f: Function,
    dtype: Any,
    k: int,
    rows: tuple[str, int, int],
    x: tuple[str, int],
    out: str,
    low: Value,
    high: Value,
) -> None:
    """Write out[i] = sum_j rows[i, j] x[j], four rows at a time where there are so many."""
    lanes = min(lanes_of(dtype), 1 << max(1, (k - 1).bit_length()))
    pointer, down, along = rows
    count = (high - low) >> 2

    def some(first: Value, number: int) -> None:
        sums = [Accumulator(f, "sum", dtype, lanes) for _ in range(number)]
        starts = [f.at(pointer, (first + r) * down, dtype) for r in range(number)]
        for s in sums:
            s.begin()

        def step(j: Any, mask: Value | None) -> None:
            y = _read(f, x[0], j, x[1], dtype, lanes, mask)
            for start, s in zip(starts, sums, strict=True):
                s.best.put(f.intrinsic("fma", _read(f, start, j, along, dtype, lanes, mask), y, s.best.get()))

        whole = k - k % lanes
        if whole:
            with f.loop(0, whole, lanes) as j:
                step(j, None)
        if k % lanes:
            step(f.index(whole), constant_mask(f, k % lanes, lanes))
        for r, s in enumerate(sums):
            f.store(s.end(), f.at(out, first + r, dtype))

    middle = low + (count << 2)
    with f.loop(low, middle, 4) as i:
        some(i, 4)
    with f.loop(middle, high) as i:
        some(i, 1)


def _read(f: Function, pointer: str, j: Any, step: int, dtype: Any, lanes: int, mask: Value | None) -> Value:
    address = f.at(pointer, j * step, dtype)
    if step == 1:
        return f.load(address, dtype, lanes, mask)
    return gather(f, address, step, dtype, lanes, mask)
