"""Matrix products: which form each has, where its factors lie, what its parts share.

Most are register tiles of fused multiply-adds, straight from where the factors lie. Shapes are known when
the code is written, so the edges have tiles of their own, and a factor is copied into panels only if its
layout asks for it: by each part for itself, or once for all of them (`panelled`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.language.engine import is_zen, lanes_of, vector_bytes
from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import DOUBLE, INDEX, Register
from clearprop.compiler.engines.llvm.loops.access import Memory
from clearprop.compiler.engines.llvm.products.dots import Dots
from clearprop.compiler.engines.llvm.products.panels import panels
from clearprop.compiler.engines.llvm.products.streams import SECOND_CACHE
from clearprop.compiler.engines.llvm.products.tiles import Tiles
from clearprop.compiler.engines.llvm.products.turning import TURNED
from clearprop.compiler.program import ir
from clearprop.compiler.program.layout import Layout, across, layout

FEW = 256  # rows of a product up to which its cores may share out the columns
MANY = 96  # rows of a product from which on its parts copy a right factor themselves that others need too
SOME = 32  # and from which on they do where each has columns of its own
WORTH = 30_000.0  # nanoseconds from which on products of fewer rows than SOME are shared out by columns
DEEP = 192  # inner axis of a product from which on copying a right factor that lies far apart weighs
LARGE = 1 << 20  # bytes of a product from which on it has so many parts that panels are copied beforehand
FIRST_CACHE = 1 << 15  # bytes: what is larger does not stay there from call to call
SMALL = 1 << 16  # entries of a product up to which its long sums are added up as float64
LONG = 1 << 12  # and the inner axis from which on they are
OFTEN = 4  # products with the same right factor, from which on they share its panels
FAR = 1024  # bytes between rows: further apart, they meet in few places of a cache


class ProductWriter:
    """Writes one `matmul`: `low` and `high` bound the rows (of a batch: the entries of its first axis)."""

    steps: list[tuple[int, ...]]
    grain: int
    x: Layout
    y: Layout

    def __init__(self, v: ir.Value, memory: Memory | None = None) -> None:
        self.value = v
        x, y = v.inputs[:2]
        self.x, self.y = layout(x), layout(y)
        self.m: int = v.shape[-2]
        self.k: int = x.shape[-1]
        self.n: int = v.shape[-1]
        self.dtype: Any = v.dtype
        self.size: int = int(v.dtype.itemsize)
        self.left: tuple[int, int] = (self.x.strides[-2], self.x.strides[-1])
        self.right: tuple[int, int] = (self.y.strides[-2], self.y.strides[-1])
        self.batch: ir.Shape = v.shape[:-2]
        self.steps = [
            across(Layout(p.base, 0, p.strides[:-2]), shape[:-2], self.batch)
            for p, shape in ((self.x, x.shape), (self.y, y.shape))
        ]
        self.form: str = "tiles"
        if self.n == 1 and self.left[0] == 1 and self.left[1] != 1 and self.m > 1:
            self._swap()
        if self.n == 1:
            self.form = "rows"
        elif self.m == 1 and self.right[1] != 1:
            self.form = "columns"
        tiles = self.form == "tiles" and not self.batch
        self.panelled: bool = len(v.inputs) > 2  # whether the right factor comes as panels, behind the two
        self.turned: bool = v.form is TURNED
        if self.turned:
            self._swap()
        self.by_columns: bool = tiles and not self.turned and self._few_rows()
        self.turns: int = self.batch[0] if self.batch else self.n if self.form == "columns" else self.m
        if self.by_columns:
            self.turns = -(-self.n // self.width)
        self.grain = 1 if self.batch or self.by_columns else self.tile_rows if self.form == "tiles" else 8
        if self.panelled:
            self.y, self.right = layout(v.inputs[2]), (self.width, 1)
        self.memory: Any = memory
        self.wide: Any = ""  # where the sums of a small product with a long inner axis are kept as float64
        self.ahead: tuple[ir.Value, ...] = ()  # what the loop that follows reads where the result lies

    def _few_rows(self) -> bool:
        """Tell whether copying the right factor weighs, so that each core does so for its own columns."""
        costly = self.right[1] != 1 or (self.m >= MANY and self.k >= DEEP and self.right_far)
        costly = costly and not self.panelled
        if self.m >= SOME:
            return costly and self.m <= FEW and self.n >= 4 * self.width
        copying = self.k * self.n / 4 if costly else 0.0  # nanoseconds
        costly = costly or self.m < 2 * self.tile_rows  # or one core would have all of them
        return costly and self.n > self.width and self.work + copying > WORTH

    def _swap(self) -> None:
        """Compute (x y)^T = y^T x^T instead: of one column the same entries in the same order."""
        self.x, self.y = self.y, self.x
        self.left, self.right = (self.right[1], self.right[0]), (self.left[1], self.left[0])
        self.steps.reverse()
        self.m, self.n = self.n, self.m

    @property
    def better_turned(self) -> bool:
        """Tell whether a right factor that lies across is better read along its rows, as y^T of y^T x^T.

        That is how the weight in `x @ w.T` lies. It then needs no copy; what is turned over is `x`, which has
        fewer rows, and each tile of the result while it is in registers: one lane for each of its rows.
        """
        across = self.right[0] == 1 and self.right[1] != 1
        lanes = lanes_of(self.dtype)
        return across and MANY <= self.m <= FEW and self.n >= 8 * lanes and lanes >= 8

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
        """How many vectors wide a tile is; few rows make wider ones, but four vectors make two columns."""
        vectors = -(-self.n // lanes_of(self.dtype))
        registers = 20 if vector_bytes() == 64 else 10
        most = 2 if self.tile_rows > 5 else max(2, min(8, registers // max(1, self.tile_rows)))
        columns = max(-(-vectors // most), 2 if vectors >= 4 else 1)
        return -(-vectors // columns)

    @property
    def width(self) -> int:
        """How many columns a tile has."""
        return self.tile_vectors * lanes_of(self.dtype)

    @property
    def together(self) -> tuple[int, int]:
        """How many rows dot products read side by side, and how many sums each of them has.

        From Zen 5's second caches memory comes faster in few long stretches, from further away in many.
        Intel's give all they can to eight rows.
        """
        near = FIRST_CACHE <= self.m * self.k * self.n * self.size <= 2 * SECOND_CACHE
        long = self.k >= 16 * lanes_of(self.dtype) and not self.batch
        return (2, 4) if near and long and is_zen() else (8, 1)

    @property
    def small(self) -> bool:
        """Whether it has so few entries that adding up their sums with more care costs nothing."""
        return self.m * self.n <= SMALL

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.m * self.k * self.n * math.prod(self.batch)

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return self.flops / 60 + 20

    @property
    def right_far(self) -> bool:
        """Whether the right factor's rows lie far apart."""
        return self.right[0] * self.size >= FAR

    def packs_left(self, rows: int) -> bool:
        """Whether the left factor is copied into panels: where its columns lie far apart.

        Parts that are columns would each copy all of it, which costs more than it gives.
        """
        far = self.left[1] * self.size >= FAR and not self.by_columns
        return far and self.n >= 128 and rows >= self.tile_rows and self.k >= 16 and self.tile_rows in (8, 6)

    def packs_right(self, rows: int) -> bool:
        """Whether the right factor is: where its rows lie far apart, or across."""
        return self.right[1] != 1 or (self.right_far and rows >= 24 and self.k >= 16)

    @property
    def copies_right(self) -> bool:
        """Whether each part of the rows copies all of the right factor for itself."""
        own = self.form == "tiles" and not (self.batch or self.by_columns or self.turned or self.panelled)
        return own and self.packs_right(self.m)

    def whole_reads(self) -> list[ir.Value]:
        """Return the arrays of which every part of the rows needs everything."""
        if self.batch:
            return []
        if self.by_columns:
            return [self.x.base, self.y.base]
        return [self.x.base] if self.form == "columns" else [self.y.base]

    # --- writing --------------------------------------------------------------------------------------------
    def write(self, function: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the product of the rows from `low` to `high`."""
        memory, dtype = self.memory, self.dtype
        a = memory.start(function, self.x.base, self.x.offset, dtype)
        b = memory.start(function, self.y.base, self.y.offset, dtype)
        c = memory.pointer(function, self.value)
        if self.form == "tiles" and self.small and self.dtype == np.float32 and self.k > LONG:
            key = (self.value, "wide")
            self.wide = memory.scratch(function, key, self.m * self.n * DOUBLE.itemsize, part)
        if not self.batch:
            self._one(function, a, b, c, low, high, self._turn(function, part))
            return
        self._batches(function, 0, a, b, c, low, high)

    def _batches(self, f: Procedure, axis: int, a: str, b: str, c: str, low: Any, high: Any) -> None:
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

    def _turn(self, f: Procedure, part: Register) -> Register | None:
        """Whether dot products go through the rows backwards this time: what was read last is near."""
        if self.form == "tiles" or self.m * self.k * self.n * self.size < FIRST_CACHE:
            return None
        pointer = self.memory.scratch(f, (self.value, "turn"), INDEX.itemsize, part)
        turn = f.load(pointer, INDEX) ^ 1
        f.store(turn, pointer)
        return (turn & 1) != 0

    def _one(
        self,
        f: Procedure,
        a: str,
        b: str,
        c: str,
        low: Register,
        high: Register,
        turn: Register | None = None,
    ) -> None:
        if self.form == "rows":
            rows, x = (a, self.left[0], self.left[1]), (b, self.right[0])
            Dots(f, self.dtype, self.k, rows, x, self.together).write(c, low, high, turn)
        elif self.form == "columns":
            rows, x = (b, self.right[1], self.right[0]), (a, self.left[1])
            Dots(f, self.dtype, self.k, rows, x, self.together).write(c, low, high, turn)
        elif self.by_columns:
            Tiles(self, f, (a, b, c), (f.index(0), f.index(self.m)), self.m, self.wide).write((low, high))
        else:
            tiles = Tiles(self, f, (a, b, c), (low, high), min(self.memory.widest, self.m), self.wide)
            tiles.write_turned() if self.turned else tiles.write()


def panelled(v: ir.Value, add: Callable[[ir.Value], ir.Value], uses: int = 1) -> ir.Value:
    """Return a product whose parts share panels of the factor that each of them needs whole.

    The panels follow the two factors among its inputs. Of one that is `TURNED` they are those of x. Where
    the right factor has many `uses`, as the weight of a loop has, its panels are made once
    for all: then each product goes by rows, so that a chain over the rows of a batch runs through all turns.
    """
    product = ProductWriter(v)
    if product.batch or product.form != "tiles":
        return v
    large = product.m * product.n * product.size >= LARGE and product.m >= 2 * MANY
    often = uses >= OFTEN and product.m >= 2 * product.tile_rows
    if product.better_turned and not often:
        v.form = TURNED
        copy = panels(v.operands[0], 0, ProductWriter(v).width)
    elif product.packs_right(product.m) and (often or (large and not product.by_columns)):
        copy = panels(v.operands[1], 1, product.width)
    else:
        return v
    v.inputs = (*v.inputs, add(copy))
    return v
