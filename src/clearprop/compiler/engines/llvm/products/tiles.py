"""The loops of a matrix product: tiles of sums that stay in registers.

The tile is 8 rows by 2 vectors: 16 sums stay in registers while the loop over the inner axis runs, each step
reading 2 vectors of the right factor and 8 numbers of the left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from clearprop.compiler.engines.llvm.language.engine import lanes_of, vector_bytes
from clearprop.compiler.engines.llvm.language.text import ModuleText, Procedure, Slot
from clearprop.compiler.engines.llvm.language.values import BOOL, DOUBLE, INDEX, Register
from clearprop.compiler.engines.llvm.loops.access import constant_mask
from clearprop.compiler.engines.llvm.products.panels import pack
from clearprop.compiler.engines.llvm.products.streams import (
    AHEAD,
    SECOND_CACHE,
    TURN,
    Flow,
    Stream,
    ask_ahead,
    parameters,
)
from clearprop.compiler.engines.llvm.products.turning import at_most, columns_of
from clearprop.compiler.plan.memory import LINE

if TYPE_CHECKING:
    from clearprop.compiler.engines.llvm.products.products import ProductWriter

STRETCH = 512  # how much of the inner axis a tile runs over: the panel of the right factor stays near
SEVERAL = 2  # columns of tiles whose panels are copied at a time: memory is read in longer stretches
ROOM = 1 << 19  # bytes of one factor's panels that a part goes through at a time, or keeps on its stack
ASIDE = 1 << 17  # bytes of a right factor's panels that a part keeps on its stack
BLOCK = 128  # steps after which a tile begins its sums anew
Place: TypeAlias = tuple[Slot, int, "Register | None"]  # sums, where they belong, and which of them are there
Sums: TypeAlias = list[list[Slot]]
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
    wide: bool = False  # whether the stretches' sums are added up as float64, at a place of their own
    streams: tuple[Stream, ...] = ()  # what it asks for ahead

    @property
    def name(self) -> str:
        """The name of its function."""
        numbers = (self.rows, self.vectors, self.rest, *self.left, self.right, self.out, int(self.turned))
        ahead = ["blocks" * self.blocked + "wide" * self.wide + str(self.chains)]
        ahead += [f"{s.lines}r{s.run}s{s.step}{'w' * s.own}" for s in self.streams]
        if self.streams:
            ahead.append(str(self.depth))
        return f"tile{self.dtype.itemsize}_" + "_".join([*map(str, numbers), *ahead])

    @property
    def blocked(self) -> bool:
        """Whether it adds up its sums block by block: the error of one grows with its length."""
        return self.depth > 2 * BLOCK

    @property
    def chains(self) -> int:
        """How many sums it has for each of its entries: few of them would wait for the adder."""
        room = (16 if vector_bytes() == 64 else 8) // (self.rows * self.vectors)
        return 1 if self.streams or self.depth < BLOCK // 2 else 4 if room >= 4 else max(1, room)

    def write(self, module: ModuleText) -> str:
        """Write the function that adds up one tile, unless it is there; return its name."""
        if self.name in module.functions:
            return self.name
        given = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %n, i1 %more" + ", ptr %w" * self.wide
        f = module.function(self.name, given + parameters(self.streams), OUTSIDE)
        masks = [None] * (self.vectors - 1) + [constant_mask(f, self.rest, lanes_of(self.dtype))]
        chains = [self._zeros(f) for _ in range(self.chains)]
        depth = Register(f, "%n", INDEX, 0)
        if self.blocked:
            total = self._zeros(f)
            turns = self.depth // TURN * TURN if self.streams else 0
            if turns:
                with f.loop(0, turns, BLOCK) as start:
                    self._turns(f, start, at_most(start + BLOCK, f.index(turns)), chains[0], masks)
                    _move(f, [total, chains[0]], total)
            with f.loop(turns, depth, BLOCK) as start:
                self._steps(f, start, at_most(start + BLOCK, depth), chains, masks)
                _move(f, [total, *chains], total)
        else:
            total, turns = chains[0], self.depth // TURN * TURN if self.streams else 0
            if turns:
                self._turns(f, f.index(0), f.index(turns), total, masks)
            self._steps(f, f.index(turns), depth, chains, masks)
            _move(f, chains, total)
        if self.turned:
            for j in range(self.vectors):
                self._put(f, self._columns(f, j, [row[j].get() for row in total]))
        else:
            self._put(f, self._rows(total, masks))
        return self.name

    def _turns(
        self, f: Procedure, first: Register, last: Register, sums: Sums, masks: list[Register | None]
    ) -> None:
        """Write steps from one to another, some at a time, and before these what is asked for ahead."""
        with f.loop(f.quotient(first, TURN), f.quotient(last, TURN)) as turn:
            ask_ahead(f, self.dtype, self.streams, turn, self.depth // TURN)
            for e in range(TURN):
                self._step(f, turn * TURN + e, sums, masks)

    def _zeros(self, f: Procedure) -> Sums:
        lanes = lanes_of(self.dtype)
        sums = [[f.slot(self.dtype, lanes) for _ in range(self.vectors)] for _ in range(self.rows)]
        for row in sums:
            for s in row:
                s.put(f.constant(0.0, self.dtype, lanes))
        return sums

    def _put(self, f: Procedure, places: list[Place]) -> None:
        """Write the sums where they belong, or add them to what is there."""
        if self.wide:
            self._put_wide(f, places)
            return
        goals = [(s, f.at("%c", place, self.dtype), mask) for s, place, mask in places]
        with f.when(Register(f, "%more", BOOL, 0)):
            for s, goal, mask in goals:
                s.put(s.get() + f.load(goal, self.dtype, s.lanes, mask))
        for s, goal, mask in goals:
            f.store(s.get(), goal, mask)

    def _put_wide(self, f: Procedure, places: list[Place]) -> None:
        """Write the sums as float64, or add them to what is there, and as they are after this stretch."""
        more = Register(f, "%more", BOOL, 0)
        for s, place, mask in places:
            goal = f.at("%w", place, DOUBLE)
            before = f.select(more, f.load(goal, DOUBLE, s.lanes, mask), 0.0)
            total = before + s.get().astype(DOUBLE)
            f.store(total, goal, mask)
            f.store(total.astype(self.dtype), f.at("%c", place, self.dtype), mask)

    def _rows(self, sums: Sums, masks: list[Register | None]) -> list[Place]:
        """Return where the sums belong."""
        lanes = lanes_of(self.dtype)
        return [
            (s, i * self.out + j * lanes, mask)
            for i, row in enumerate(sums)
            for j, (s, mask) in enumerate(zip(row, masks, strict=True))
        ]

    def _columns(self, f: Procedure, j: int, rows: list[Register]) -> list[Place]:
        """Return the columns of the sums in vector `j` of the rows, and where the turned result has them."""
        lanes, places = lanes_of(self.dtype), []
        for e, column in enumerate(columns_of(f, rows)[: lanes if j + 1 < self.vectors else self.rest]):
            s = f.slot(self.dtype, column.lanes)
            s.put(column)
            places.append((s, (j * lanes + e) * self.out, constant_mask(f, self.rows, column.lanes)))
        return places

    def _steps(
        self,
        f: Procedure,
        first: Register,
        last: Register,
        chains: list[Sums],
        masks: list[Register | None],
    ) -> None:
        """Write the steps from one to another: those that fill all chains, then what is left of them."""
        some = len(chains)
        if some > 1:
            middle = first + (last - first - f.value(f"srem i64 {(last - first).text}, {some}", INDEX))
            with f.loop(first, middle, some) as k:
                for e, sums in enumerate(chains):
                    self._step(f, k + e, sums, masks)
            first = middle
        with f.loop(first, last) as k:
            self._step(f, k, chains[0], masks)

    def _step(self, f: Procedure, k: Register, sums: Sums, masks: list[Register | None]) -> None:
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


def _move(f: Procedure, parts: list[Sums], total: Sums) -> None:
    """Let one of some sums of each entry be what all amount to, and the others begin anew."""
    for i, row in enumerate(total):
        for j, goal in enumerate(row):
            slots = [sums[i][j] for sums in parts]
            first, *others = [s.get() for s in slots]
            for s in slots:
                s.put(f.constant(0.0, s.dtype, s.lanes))
            goal.put(sum(others, first))


class Tiles:
    """Writes the loops of one product: stretches of the inner axis, columns of tiles, tiles.

    `pointers` are those of the factors and of the result; `rows` from which row to which, at most `most`;
    `wide` points at room for the sums of a small product with a long inner axis.
    """

    product: ProductWriter
    f: Procedure
    dtype: Any
    wide: str
    a: str
    b: str
    c: str
    rows: int
    width: int
    most: int
    fitting: Any
    low: Register
    high: Register
    depth: int

    first = True  # whether nothing is in the result yet
    start: Any = 0  # where the stretch begins

    def __init__(
        self,
        product: ProductWriter,
        f: Procedure,
        pointers: tuple[str, str, str],
        rows: Any,
        most: int,
        wide: str = "",
    ) -> None:
        self.product, self.f, self.dtype, self.wide = product, f, product.dtype, wide
        self.a, self.b, self.c = pointers
        self.low, self.high = rows
        self.rows, self.width = product.tile_rows, product.width
        self.rest: int = product.m % self.rows
        self.packs_left: bool = product.packs_left(most)
        self.packs_right: bool = product.packs_right(most) and not product.panelled
        self.most, self.fitting = most, ROOM // (STRETCH * self.dtype.itemsize) // self.rows * self.rows
        self.row_tiles: int = -(-most // self.rows)
        self.across: Any = self.width * self.dtype.itemsize // LINE  # lines across a tile
        self.size: int = product.m * product.n * product.size
        # Wide tiles, which are those of few rows, go through the inner axis in shorter stretches.
        aside = ASIDE // (SEVERAL * self.width * self.dtype.itemsize) if self.packs_right else STRETCH
        self.stretch: int = min(STRETCH, aside)
        self.near_left: str = self._near("left", min(most, self.fitting) if self.packs_left else 0)
        self.near_right: str = self._near("right", SEVERAL * self.width if self.packs_right else 0)

    def _near(self, name: str, rows: int) -> str:
        """Return a buffer for a stretch of so many rows or columns, one for all products of a function."""
        if not rows:
            return ""
        place, size = self.f.shared.get(f"near.{name}", (len(self.f.slots), 0))
        size = max(size, rows * min(self.stretch, self.product.k) * self.dtype.itemsize)
        self.f.slots[place : place + 1] = [f"  %near.{name} = alloca [{size} x i8], align 64"]
        self.f.shared[f"near.{name}"] = place, size
        return f"%near.{name}"

    def write(self, columns: tuple[Register, Register] | None = None) -> None:
        """Write all columns of tiles, or those from one to another, for some rows at a time."""
        low, high = self.low, self.high
        if not self.packs_left or self.most <= self.fitting:
            self._write(columns)
            return
        with self.f.loop(low, high, self.fitting) as self.low:
            self.high = at_most(self.low + self.fitting, high)
            self._write(columns)

    def _write(self, columns: tuple[Register, Register] | None) -> None:
        p, f = self.product, self.f
        whole = p.n - p.n % self.width
        first: Any = columns[0] * self.width if columns else 0
        last: Any = at_most(columns[1] * self.width, whole) if columns else whole
        for _ in self._stretches(self.stretch):
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

    def _stretches(self, stretch: int) -> Iterator[None]:
        """Go through the inner axis: the first stretch, those in the middle as a loop, what is left."""
        self.first, self.start, self.depth = True, 0, min(stretch, self.product.k)
        yield
        self.first = False
        whole, rest = divmod(self.product.k, stretch)
        if whole > 1:
            with self.f.loop(stretch, whole * stretch, stretch) as self.start:
                yield
        if whole and rest:
            self.start, self.depth = whole * stretch, rest
            yield

    def _last_column(self, j: int) -> None:
        some = self.product.n - j
        if self.packs_right:
            self._pack_right(self.f.index(j), 0, some)
        self._column(self.f.index(j), some, self.near_right or self._right(self.f.index(j)))

    def _right(self, j: Register) -> str:
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

    def _pack_right(self, j: Register, count: Any, some: int = 0) -> None:
        shape = (self.depth, self.width, self.product.right[1], self.product.right[0])
        pack(self.f, self.dtype, self._right(j), self.near_right, count, shape, some)

    def _column(self, j: Register, some: int, right: str) -> None:
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

        def row(i: Register, count: int) -> None:
            with f.loop(0, whole, self.width) as j:
                self._tile((i, j), (count, self.width), self._right(j))
            if p.n - whole:
                j = f.index(whole)
                self._tile((i, j), (count, p.n - whole), self._right(j))

        for _ in self._stretches(stretch):
            with f.loop(self.low, at_most(self.high, p.m - self.rest), self.rows) as i:
                row(i, self.rows)
            if self.rest:
                with f.when(self.high == p.m):
                    row(f.index(p.m - self.rest), self.rest)

    def _tile(self, at: tuple[Register, Register], size: tuple[int, int], right: str) -> None:
        """Write the call of the tile at row and column `at`, of so many rows and columns."""
        (i, j), (count, some), p, f = at, size, self.product, self.f
        if self.packs_left and count == self.rows:
            left, first = (1, self.rows), f.at(self.near_left, (i - self.low) * self.depth, self.dtype)
        else:
            left = p.left
            first = f.at(f.at(self.a, self.start * left[1], self.dtype), i * left[0], self.dtype)
        out = p.m if p.turned else p.n
        goal = self._goal(self.c, self.dtype, at, out)
        vectors = -(-some // lanes_of(self.dtype))
        rest = some - (vectors - 1) * lanes_of(self.dtype)
        step = self.width if self.packs_right else p.right[0]
        full = self.size >= AHEAD and self.across and count == self.rows and some == self.width
        flows: list[Flow] = []
        if full:
            flows = self._flows_turned(i, j, goal) if p.turned else self._flows(i, j, right, goal)
        streams = tuple(flow.stream for flow in flows)
        kind = (p.turned, bool(self.wide))
        tile = Tile(self.dtype, count, vectors, rest, left, step, out, self.depth, *kind, streams)
        name = tile.write(f.module)
        more = "false" if self.first else "true"
        given = f"ptr {first}, ptr {right}, ptr {goal}, i64 {self.depth}, i1 {more}"
        if self.wide:
            given += f", ptr {self._goal(self.wide, DOUBLE, at, out)}"
        f.line(f"call void @{name}({given}{''.join(flow.text for flow in flows)})")

    def _goal(self, pointer: str, dtype: Any, at: tuple[Register, Register], out: int) -> str:
        """Return where a tile's entries lie in an array of the result's order."""
        column, row = at if self.product.turned else (at[1], at[0])
        return self.f.at(self.f.at(pointer, column, dtype), row * out, dtype)

    def _flows_turned(self, i: Register, j: Register, goal: str) -> list[Flow]:
        """Return what a tile asks for whose result is turned over: its own place, and the next rows."""
        p, f = self.product, self.f
        run = -(-self.depth * p.size // LINE)
        share = -(-self.rows * run // -(-p.n // self.width))
        ahead = f.at(f.at(self.a, self.start, self.dtype), (i + self.rows) * p.left[0], self.dtype)
        return [
            Flow(Stream(self.width, 1, p.m, own=True), goal),
            Flow(Stream(share, run, p.left[0]), ahead, f.quotient(j, self.width) * share),
        ]

    def _flows(self, i: Register, j: Register, right: str, goal: str) -> list[Flow]:
        """Return what the tile at row `i` and column `j` asks for: its own place, and what comes after it."""
        p, f, lines = self.product, self.f, self.rows * self.across
        flows = [Flow(Stream(lines, self.across, p.n, own=True), goal)]
        row = f.quotient(i - self.low, self.rows)
        if self.first and (1 + len(p.ahead)) * self.size >= SECOND_CACHE:
            number = f.quotient(j, self.width) * self.row_tiles + row
            for x in p.ahead:
                start = f.at(p.memory.pointer(f, x), self.low * p.n, self.dtype)
                flows.append(Flow(Stream(lines), start, number * lines))
        if p.panelled:  # the panel of the next column of tiles, shared out among the tiles of this one
            share = -(-self.depth * self.across // self.row_tiles)
            flows.append(Flow(Stream(share), f.at(right, p.k * self.width, self.dtype), row * share))
        return flows
