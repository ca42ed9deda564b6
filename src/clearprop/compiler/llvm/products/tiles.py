"""The loops of a matrix product: tiles of sums that stay in registers, and rows of dot products.

The tile is 8 rows by 2 vectors: 16 sums stay in registers while the loop over the inner axis runs, each step
reading 2 vectors of the right factor and 8 numbers of the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from clearprop.compiler.llvm.language.engine import lanes_of
from clearprop.compiler.llvm.language.text import Function, Module, Slot
from clearprop.compiler.llvm.language.values import BOOL, INDEX, Value
from clearprop.compiler.llvm.loops.access import constant_mask, gather
from clearprop.compiler.llvm.loops.reductions import Accumulator, sums_of_lanes
from clearprop.compiler.llvm.products.panels import pack
from clearprop.compiler.llvm.products.streams import (
    AHEAD,
    SECOND_CACHE,
    TURN,
    Flow,
    Stream,
    ask_ahead,
    parameters,
)
from clearprop.compiler.llvm.products.turning import at_most, columns_of
from clearprop.compiler.plan.memory import LINE

if TYPE_CHECKING:
    from clearprop.compiler.llvm.products.products import ProductWriter

STRETCH = 512  # how much of the inner axis a tile runs over: the panel of the right factor stays near
SEVERAL = 2  # columns of tiles whose panels are copied at a time: memory is read in longer stretches
ROOM = 1 << 19  # bytes of one factor's panels that a part goes through at a time, or keeps on its stack
ASIDE = 1 << 17  # bytes of a right factor's panels that a part keeps on its stack
Place: TypeAlias = tuple[Slot, str, "Value | None"]  # sums, where they belong, and which of them are there
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
    depth: int  # the inner axis, or a stretch of it
    turned: bool = False  # whether the rows of the tile are columns of the result
    streams: tuple[Stream, ...] = ()  # what it asks for ahead

    @property
    def name(self) -> str:
        """The name of its function."""
        numbers = (self.rows, self.vectors, self.rest, *self.left, self.right, self.out, int(self.turned))
        ahead = [f"{s.lines}r{s.run}s{s.step}{'w' * s.own}" for s in self.streams]
        if ahead:
            ahead.append(str(self.depth))
        return f"tile{self.dtype.itemsize}_" + "_".join([*map(str, numbers), *ahead])

    def write(self, module: Module) -> str:
        """Write the function that adds up one tile, unless it is there; return its name."""
        if self.name in module.functions:
            return self.name
        given = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %n, i1 %more"
        f = module.function(self.name, given + parameters(self.streams), OUTSIDE)
        lanes = lanes_of(self.dtype)
        masks = [None] * (self.vectors - 1) + [constant_mask(f, self.rest, lanes)]
        sums = [[f.slot(self.dtype, lanes) for _ in masks] for _ in range(self.rows)]
        for row in sums:
            for s in row:
                s.put(f.constant(0.0, self.dtype, lanes))
        turns = self.depth // TURN if self.streams else 0
        if turns:
            with f.loop(0, turns) as turn:
                ask_ahead(f, self.dtype, self.streams, turn, turns)
                for e in range(TURN):
                    self._step(f, turn * TURN + e, sums, masks)
        with f.loop(turns * TURN, Value(f, "%n", INDEX, 0)) as k:
            self._step(f, k, sums, masks)
        if self.turned:
            for j in range(self.vectors):
                self._put(f, self._columns(f, j, [row[j].get() for row in sums]))
        else:
            self._put(f, self._rows(f, sums, masks))
        return self.name

    def _put(self, f: Function, places: list[Place]) -> None:
        """Write the sums where they belong, or add them to what is there."""
        with f.when(Value(f, "%more", BOOL, 0)):
            for s, goal, mask in places:
                s.put(s.get() + f.load(goal, self.dtype, s.lanes, mask))
        for s, goal, mask in places:
            f.store(s.get(), goal, mask)

    def _rows(self, f: Function, sums: list[list[Slot]], masks: list[Value | None]) -> list[Place]:
        """Return where the sums belong."""
        lanes = lanes_of(self.dtype)
        return [
            (s, f.at("%c", i * self.out + j * lanes, self.dtype), mask)
            for i, row in enumerate(sums)
            for j, (s, mask) in enumerate(zip(row, masks, strict=True))
        ]

    def _columns(self, f: Function, j: int, rows: list[Value]) -> list[Place]:
        """Return the columns of the sums in vector `j` of the rows, and where the turned result has them."""
        lanes, places = lanes_of(self.dtype), []
        for e, column in enumerate(columns_of(f, rows)[: lanes if j + 1 < self.vectors else self.rest]):
            s = f.slot(self.dtype, column.lanes)
            s.put(column)
            goal = f.at("%c", (j * lanes + e) * self.out, self.dtype)
            places.append((s, goal, constant_mask(f, self.rows, column.lanes)))
        return places

    def _step(self, f: Function, k: Value, sums: list[list[Slot]], masks: list[Value | None]) -> None:
        """Write one step along the inner axis: a column of the left factor times a row of the right one."""
        lanes = lanes_of(self.dtype)
        start, first = f.at("%b", k * self.right, self.dtype), f.at("%a", k * self.left[1], self.dtype)
        right = [
            f.load(f.at(start, j * lanes, self.dtype), self.dtype, lanes, m) for j, m in enumerate(masks)
        ]
        for i, row in enumerate(sums):
            x = f.splat(f.load(f.at(first, i * self.left[0], self.dtype), self.dtype), lanes)
            for s, y in zip(row, right, strict=True):
                s.put(f.intrinsic("fma", x, y, s.get()))


class Tiles:
    """Writes the loops of one product: stretches of the inner axis, columns of tiles, tiles.

    `pointers` are those of the factors and of the result; `rows` from which row to which, at most `most`.
    """

    def __init__(
        self, product: ProductWriter, f: Function, pointers: tuple[str, str, str], rows: Any, most: int
    ) -> None:
        self.product, self.f, self.dtype = product, f, product.dtype
        self.a, self.b, self.c = pointers
        self.low, self.high = rows
        self.rows, self.width = product.tile_rows, product.width
        self.rest = product.m % self.rows
        self.packs_left = product.packs_left(most)
        self.packs_right = product.packs_right(most) and not product.panelled
        self.most, self.fitting = most, ROOM // (STRETCH * self.dtype.itemsize) // self.rows * self.rows
        self.row_tiles = -(-most // self.rows)
        self.across = self.width * self.dtype.itemsize // LINE  # lines across a tile
        self.size = product.m * product.n * product.size
        # Wide tiles, which are those of few rows, go through the inner axis in shorter stretches.
        aside = ASIDE // (SEVERAL * self.width * self.dtype.itemsize) if self.packs_right else STRETCH
        self.stretch = min(STRETCH, aside)
        self.near_left = self._near("left", min(most, self.fitting) if self.packs_left else 0)
        self.near_right = self._near("right", SEVERAL * self.width if self.packs_right else 0)

    def _near(self, name: str, rows: int) -> str:
        """Return a buffer for a stretch of so many rows or columns, one for all products of a function."""
        if not rows:
            return ""
        place, size = self.f.shared.get(f"near.{name}", (len(self.f.slots), 0))
        size = max(size, rows * self.stretch * self.dtype.itemsize)
        self.f.slots[place : place + 1] = [f"  %near.{name} = alloca [{size} x i8], align 64"]
        self.f.shared[f"near.{name}"] = place, size
        return f"%near.{name}"

    def write(self, columns: tuple[Value, Value] | None = None) -> None:
        """Write all columns of tiles, or those from one to another, for some rows at a time."""
        low, high = self.low, self.high
        if not self.packs_left or self.most <= self.fitting:
            self._write(columns)
            return
        with self.f.loop(low, high, self.fitting) as self.low:
            self.high = at_most(self.low + self.fitting, high)
            self._write(columns)

    def _write(self, columns: tuple[Value, Value] | None) -> None:
        p, f = self.product, self.f
        whole = p.n - p.n % self.width
        first: Any = columns[0] * self.width if columns else 0
        last: Any = at_most(columns[1] * self.width, whole) if columns else whole
        for start in range(0, p.k, self.stretch):
            self.start, self.depth = start, min(self.stretch, p.k - start)
            if self.packs_left:
                self._pack_left()
            if whole and self.packs_right:
                with f.loop(first, last, self.width * SEVERAL) as begin:
                    end = at_most(begin + self.width * SEVERAL, last if columns else f.index(whole))
                    self._pack_right(begin, f.quotient(end - begin, self.width))
                    with f.loop(begin, end, self.width) as j:
                        near = f.at(self.near_right, (j - begin) * self.depth, self.dtype)
                        self._column(j, self.width, near)
            elif whole:
                with f.loop(first, last, self.width) as j:
                    self._column(j, self.width, self._right(j))
            if p.n - whole and columns:
                with f.when(columns[1] == p.turns):
                    self._last_column(whole)
            elif p.n - whole:
                self._last_column(whole)

    def _last_column(self, j: int) -> None:
        some = self.product.n - j
        if self.packs_right:
            self._pack_right(self.f.index(j), 0, some)
        self._column(self.f.index(j), some, self.near_right or self._right(self.f.index(j)))

    def _right(self, j: Value) -> str:
        """Return where a column of tiles begins in the right factor."""
        p, f = self.product, self.f
        b = f.at(self.b, self.start * p.right[0], self.dtype)
        return f.at(b, j * (p.k if p.panelled else p.right[1]), self.dtype)

    def _pack_left(self) -> None:
        p, f = self.product, self.f
        source = f.at(self.a, self.start * p.left[1], self.dtype)
        count = f.quotient(at_most(self.high, p.m - self.rest) - self.low, self.rows)
        source = f.at(source, self.low * p.left[0], self.dtype)
        pack(f, self.dtype, source, self.near_left, count, (self.depth, self.rows, *p.left))

    def _pack_right(self, j: Value, count: Any, some: int = 0) -> None:
        shape = (self.depth, self.width, self.product.right[1], self.product.right[0])
        pack(self.f, self.dtype, self._right(j), self.near_right, count, shape, some)

    def _column(self, j: Value, some: int, right: str) -> None:
        """Write the tiles of one column of tiles, which is `some` entries wide."""
        p, f = self.product, self.f
        if p.m == self.rows and not self.packs_left:
            self._tile((f.index(0), j), (self.rows, some), right)
            return
        with f.loop(self.low, at_most(self.high, p.m - self.rest), self.rows) as i:
            self._tile((i, j), (self.rows, some), right)
        if self.rest:
            with f.when(self.high == p.m):
                self._tile((f.index(p.m - self.rest), j), (self.rest, some), right)

    def write_turned(self) -> None:
        """Write the tiles of a product whose result is turned over: all of a row of tiles, then the next.

        The right factor's panels stay in the second cache, if need be a stretch of the inner axis of them.
        """
        p, f = self.product, self.f
        stretch = p.k if p.n * p.k * p.size <= ROOM else STRETCH
        whole = p.n - p.n % self.width

        def row(i: Value, count: int) -> None:
            with f.loop(0, whole, self.width) as j:
                self._tile((i, j), (count, self.width), self._right(j))
            if p.n - whole:
                j = f.index(whole)
                self._tile((i, j), (count, p.n - whole), self._right(j))

        for start in range(0, p.k, stretch):
            self.start, self.depth = start, min(stretch, p.k - start)
            with f.loop(self.low, at_most(self.high, p.m - self.rest), self.rows) as i:
                row(i, self.rows)
            if self.rest:
                with f.when(self.high == p.m):
                    row(f.index(p.m - self.rest), self.rest)

    def _tile(self, at: tuple[Value, Value], size: tuple[int, int], right: str) -> None:
        """Write the call of the tile at row and column `at`, of so many rows and columns."""
        (i, j), (count, some), p, f = at, size, self.product, self.f
        if self.packs_left and count == self.rows:
            left, first = (1, self.rows), f.at(self.near_left, (i - self.low) * self.depth, self.dtype)
        else:
            left = p.left
            first = f.at(f.at(self.a, self.start * left[1], self.dtype), i * left[0], self.dtype)
        out = p.m if p.turned else p.n
        goal = f.at(f.at(self.c, i if p.turned else j, self.dtype), (j if p.turned else i) * out, self.dtype)
        vectors = -(-some // lanes_of(self.dtype))
        rest = some - (vectors - 1) * lanes_of(self.dtype)
        step = self.width if self.packs_right else p.right[0]
        full = self.size >= AHEAD and self.across and count == self.rows and some == self.width
        flows: list[Flow] = []
        if full:
            flows = self._flows_turned(i, j, goal) if p.turned else self._flows(i, j, right, goal)
        streams = tuple(flow.stream for flow in flows)
        tile = Tile(self.dtype, count, vectors, rest, left, step, out, self.depth, p.turned, streams)
        name = tile.write(f.module)
        more = "true" if self.start else "false"
        given = f"ptr {first}, ptr {right}, ptr {goal}, i64 {self.depth}, i1 {more}"
        f.line(f"call void @{name}({given}{''.join(flow.text for flow in flows)})")

    def _flows_turned(self, i: Value, j: Value, goal: str) -> list[Flow]:
        """Return what a tile asks for whose result is turned over: its own place, and the next rows."""
        p, f = self.product, self.f
        run = -(-self.depth * p.size // LINE)
        share = -(-self.rows * run // -(-p.n // self.width))
        ahead = f.at(f.at(self.a, self.start, self.dtype), (i + self.rows) * p.left[0], self.dtype)
        return [
            Flow(Stream(self.width, 1, p.m, own=True), goal),
            Flow(Stream(share, run, p.left[0]), ahead, f.quotient(j, self.width) * share),
        ]

    def _flows(self, i: Value, j: Value, right: str, goal: str) -> list[Flow]:
        """Return what the tile at row `i` and column `j` asks for: its own place, and what comes after it."""
        p, f, lines = self.product, self.f, self.rows * self.across
        flows = [Flow(Stream(lines, self.across, p.n, own=True), goal)]
        row = f.quotient(i - self.low, self.rows)
        if self.start == 0 and (1 + len(p.ahead)) * self.size >= SECOND_CACHE:
            number = f.quotient(j, self.width) * self.row_tiles + row
            for x in p.ahead:
                start = f.at(p.memory.pointer(f, x), self.low * p.n, self.dtype)
                flows.append(Flow(Stream(lines), start, number * lines))
        if p.panelled:  # the panel of the next column of tiles, shared out among the tiles of this one
            share = -(-self.depth * self.across // self.row_tiles)
            flows.append(Flow(Stream(share), f.at(right, p.k * self.width, self.dtype), row * share))
        return flows


def dots(
    f: Function,
    dtype: Any,
    k: int,
    rows: tuple[str, int, int],
    x: tuple[str, int],
    out: str,
    low: Value,
    high: Value,
    backwards: Value | None = None,
    together: tuple[int, int] = (8, 1),
) -> None:
    """Write out[i] = sum_j rows[i, j] x[j], eight rows at a time, and what is left of them at the end.

    Where `backwards` holds, the eights come in the opposite order: no sum changes by that. `together` says
    how many rows are read side by side, and how many sums each of them has.
    """
    lanes = min(lanes_of(dtype), 1 << max(1, (k - 1).bit_length()))
    pointer, down, along = rows
    beside, chains = together

    def some(first: Value, number: int) -> None:
        starts = [f.at(pointer, (first + r) * down, dtype) for r in range(number)]
        sums = [s for r in range(0, number, beside) for s in several(starts[r : r + beside])]
        f.store(sums_of_lanes(sums), f.at(out, first, dtype))

    def several(starts: list[str]) -> list[Value]:
        """Write the loop over the entries of some rows, and return the vector that is left of each."""
        sums = [[Accumulator(f, "sum", dtype, lanes) for _ in range(chains)] for _ in starts]
        for row in sums:
            for s in row:
                s.begin()

        def step(j: Any, chain: int, mask: Value | None = None) -> None:
            y = _read(f, x[0], j, x[1], dtype, lanes, mask)
            for pointer, row in zip(starts, sums, strict=True):
                entries, best = _read(f, pointer, j, along, dtype, lanes, mask), row[chain].best
                best.put(f.intrinsic("fma", entries, y, best.get()))

        whole = k - k % (chains * lanes)
        if whole:
            with f.loop(0, whole, chains * lanes) as j:
                for chain in range(chains):
                    step(j + chain * lanes, chain)
        for chain, start in enumerate(range(whole, k, lanes)):
            step(f.index(start), chain, constant_mask(f, k - start, lanes))
        return [sum((s.best.get() for s in row[1:]), row[0].best.get()) for row in sums]

    entries = LINE // dtype.itemsize
    with f.loop(0, f.quotient(high - low + (entries - 1), entries)) as line:  # the other core has read them
        Stream(1, own=True).ask(f, dtype, f.at(out, low, dtype), line)
    at = low
    for number in dict.fromkeys((min(8, lanes), 2, 1)):
        shift = number.bit_length() - 1
        stop = at + ((high - at) >> shift << shift)
        with f.loop(at, stop, number) as i:
            if backwards is not None and at is low:
                i = f.select(backwards, at + stop - number - i, i)
            some(i, number)
        at = stop


def _read(f: Function, pointer: str, j: Any, step: int, dtype: Any, lanes: int, mask: Value | None) -> Value:
    address = f.at(pointer, j * step, dtype)
    if step == 1:
        return f.load(address, dtype, lanes, mask)
    return gather(f, address, step, dtype, lanes, mask)
