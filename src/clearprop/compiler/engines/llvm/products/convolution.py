"""Convolutions in native code: products whose one factor is read where it lies, at the windows' offsets.

An image is laid out once with its margins, as planes of rows one after the other. The entry that offset
(ky, kx) of a window sees lies a constant distance behind the one that offset (0, 0) sees, for every window
at once; so all windows are one long row of vectors, and nothing is gathered or packed. Where a window would
begin in the last columns of a row it runs on into the next one: what comes of it is computed, and left out
when the rows are cut out of the result. A kernel's gradient has zeros there in what arrives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from clearprop.compiler.engines.llvm.language.engine import lanes_of
from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.engines.llvm.loops.access import Memory, constant_mask
from clearprop.compiler.engines.llvm.loops.reductions import sums_of_lanes
from clearprop.compiler.engines.llvm.products.parting import in_parts
from clearprop.compiler.engines.llvm.products.turning import at_most
from clearprop.compiler.plan.prepare import Add, copied
from clearprop.compiler.program.core import Core, enter, unrun
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import layout, whole
from clearprop.compiler.program.strides import contiguous

OUTSIDE = '"prefer-vector-width"="512" noinline'
ROWS, VECTORS = 8, 2  # of a tile of sums: 16 stay in registers
UNROLLED = 32  # offsets that a tile goes through without a loop
AHEAD = 512  # windows of images that a kernel's gradient adds up before it writes them down


class Planes:
    """How images with margins lie, and where the entries that a window sees are; steps are 1."""

    lengths: tuple[Any, ...]
    margins: tuple[Any, ...]
    sizes: tuple[Any, ...]
    dtype: Any
    padded: tuple[Any, ...]
    windows: tuple[Any, ...]
    taps: list[int]

    def __init__(self, lengths: Any, margins: Any, sizes: Any, dilations: Any, dtype: Any) -> None:
        self.lengths, self.margins, self.sizes, self.dtype = (
            tuple(lengths),
            tuple(margins),
            tuple(sizes),
            dtype,
        )
        self.dilations: tuple[Any, ...] = tuple(dilations)
        self.padded = tuple(n + a + b for n, (a, b) in zip(self.lengths, self.margins, strict=True))
        self.steps: tuple[int, ...] = contiguous(self.padded)
        self.size: int = math.prod(self.padded)
        self.windows = tuple(
            n - d * (k - 1) for n, k, d in zip(self.padded, self.sizes, self.dilations, strict=True)
        )
        self.span: int = 1 + sum((n - 1) * s for n, s in zip(self.windows, self.steps, strict=True))
        self.taps = [
            sum(k * d * s for k, d, s in zip(at, self.dilations, self.steps, strict=True))
            for at in _places(self.sizes)
        ]
        self.lanes: int = lanes_of(dtype)

    def room(self, channels: int) -> int:
        """Return how many entries so many planes take, with what vectors read beyond them."""
        return int(channels * self.size + 2 * ROWS * self.lanes)

    def clear(self, f: Procedure, goal: str, entries: int) -> None:
        """Write zeros: the margins, which stay as they are for all images."""
        whole = entries - entries % self.lanes
        for start, stop, lanes in ((0, whole, self.lanes), (whole, entries, 0)):
            with f.loop(start, stop, lanes or 1) as i:
                f.store(f.constant(0.0, self.dtype, lanes), f.at(goal, i, self.dtype))

    def fill(self, f: Procedure, source: str, goal: str, planes: Any) -> None:
        """Lay out so many planes that lie one after the other without margins."""
        first = sum(a * s for (a, _), s in zip(self.margins, self.steps, strict=True))
        self._rows(f, source, f.at(goal, first, self.dtype), planes, self.lengths, False)

    def cut(self, f: Procedure, source: str, goal: str, planes: Any, stride: int) -> None:
        """Take the rows of windows out of planes of results, `stride` entries from one to the next."""
        self._rows(f, source, goal, planes, self.windows, True, stride)

    def spread(self, f: Procedure, source: str, goal: str, planes: Any, stride: int) -> None:
        """Lay out planes of windows in the rows of the images: zeros stand where no window is."""
        self._rows(f, source, goal, planes, self.windows, False, stride)

    def _rows(
        self, f: Procedure, source: str, goal: str, planes: Any, shape: Any, cutting: bool, stride: int = 0
    ) -> None:
        """Copy the rows of planes, dense on one side and with the steps of the layout on the other."""
        dense, wide = contiguous((1, *shape)), (stride or self.size, *self.steps)

        def deeper(axis: int, tight: Any, loose: Any) -> None:
            if axis == len(shape):
                at = (loose, tight) if cutting else (tight, loose)
                self._row(f, f.at(source, at[0], self.dtype), f.at(goal, at[1], self.dtype), shape[-1])
                return
            with f.loop(0, planes if axis == 0 else shape[axis - 1]) as i:
                deeper(axis + 1, i * dense[axis] + tight, i * wide[axis] + loose)

        deeper(0, 0, 0)

    def _row(self, f: Procedure, source: str, goal: str, n: int) -> None:
        whole = n - n % self.lanes
        if whole:
            with f.loop(0, whole, self.lanes) as i:
                x = f.load(f.at(source, i, self.dtype), self.dtype, self.lanes)
                f.store(x, f.at(goal, i, self.dtype))
        if n - whole:
            mask = constant_mask(f, n - whole, self.lanes)
            x = f.load(f.at(source, whole, self.dtype), self.dtype, self.lanes, mask)
            f.store(x, f.at(goal, whole, self.dtype), mask)


def _places(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for n in sizes:
        found = [(*at, i) for at in found for i in range(n)]
    return found


class WindowTile:
    """Sums for some units and windows: c[u, i] = sum over c and k of a[u, c, k] b[c, i + tap k].

    A function `(a, b, c)` of a module, written once for each form.
    """

    planes: Planes
    channels: int
    out: int
    rows: int
    vectors: int
    rest: int

    def __init__(self, planes: Planes, channels: int, rows: int, vectors: int, rest: int, out: int) -> None:
        self.planes, self.channels, self.out = planes, channels, out
        self.rows, self.vectors, self.rest = rows, vectors, rest

    def write(self, f: Procedure) -> str:
        """Write the function into the module of `f`, unless it is there; return its name."""
        p = self.planes
        form = (
            p.size,
            *p.steps,
            *p.sizes,
            *p.dilations,
            self.channels,
            self.rows,
            self.vectors,
            self.rest,
            self.out,
        )
        name = f"windows{p.dtype.itemsize}_" + "_".join(map(str, form))
        if name not in f.module.functions:
            self._write(f.module.function(name, "ptr noalias %a, ptr noalias %b, ptr noalias %c", OUTSIDE))
        return name

    def _write(self, f: Procedure) -> None:
        p, lanes = self.planes, self.planes.lanes
        masks = [None] * (self.vectors - 1) + [constant_mask(f, self.rest, lanes)]
        sums = [[f.slot(p.dtype, lanes) for _ in masks] for _ in range(self.rows)]
        for row in sums:
            for s in row:
                s.put(f.constant(0.0, p.dtype, lanes))
        inner = self.channels * len(p.taps)

        def step(a: str, b: str) -> None:
            right = [f.load(f.at(b, j * lanes, p.dtype), p.dtype, lanes, m) for j, m in enumerate(masks)]
            for i, row in enumerate(sums):
                x = f.splat(f.load(f.at(a, i * inner, p.dtype), p.dtype), lanes)
                for s, y in zip(row, right, strict=True):
                    s.put(f.intrinsic("fma", x, y, s.get()))

        def nest(a: str, b: str, axis: int) -> None:
            """Go through the offsets along the axes of a window, the outer ones in loops if many."""
            left = p.sizes[axis:]
            if math.prod(left) <= UNROLLED:
                for k, at in enumerate(_places(left)):
                    along = zip(at, p.dilations[axis:], p.steps[axis:], strict=True)
                    step(f.at(a, k, p.dtype), f.at(b, sum(i * d * s for i, d, s in along), p.dtype))
                return
            with f.loop(0, left[0]) as i:
                ahead = p.dilations[axis] * p.steps[axis]
                start = f.at(a, i * math.prod(left[1:]), p.dtype), f.at(b, i * ahead, p.dtype)
                if len(left) == 1:
                    step(*start)
                else:
                    nest(*start, axis + 1)

        with f.loop(0, self.channels) as c:
            nest(f.at("%a", c * len(p.taps), p.dtype), f.at("%b", c * p.size, p.dtype), 0)
        for i, row in enumerate(sums):
            for j, s in enumerate(row):
                f.store(s.get(), f.at("%c", i * self.out + j * lanes, p.dtype), masks[j])


def planes_of(v: Value) -> Planes | None:
    """Return how the images lie that a convolution, its transpose or its kernel's gradient reads.

    None where this is not said here: steps other than 1, groups, and margins that cut something off.
    """
    frame, lengths = v.attrs["frame"], v.operands[0].shape[2:]
    windows, margins = WINDOWS[v.op](v)
    if any(n != 1 for n in frame.steps) or v.attrs["groups"] != 1 or min(map(min, margins)) < 0:
        return None
    planes = Planes(lengths, margins, frame.sizes, frame.dilations, v.dtype)
    return planes if planes.windows == tuple(windows) and planes.lanes >= 8 else None


def _between(v: Value) -> tuple[Any, Any]:
    """The windows of a transposed convolution: of what arrives, with wider margins and a turned kernel."""
    frame, lengths, windows = v.attrs["frame"], v.operands[0].shape[2:], v.shape[2:]
    reach = [d * (k - 1) for k, d in zip(frame.sizes, frame.dilations, strict=True)]
    places = zip(frame.margins, windows, lengths, reach, strict=True)
    return windows, tuple((r - before, n - m + before) for (before, _), n, m, r in places)


WINDOWS: dict[str, Callable[[Value], tuple[Any, Any]]] = {
    "convolution": lambda v: (v.shape[2:], v.attrs["frame"].margins),
    "transposed_convolution": _between,
    "convolution_kernel": lambda v: (v.operands[1].shape[2:], v.attrs["frame"].margins),
}
"""The lengths of what the windows of each op make, and the margins around what they are of."""


class ConvolutionWriter:
    """Writes a convolution, or a transposed one, image by image: a turn is an image."""

    value: Value
    memory: Memory
    dtype: Any
    planes: Planes
    x: Value
    w: Value
    turns: Any
    channels: Any
    units: Any
    inner: Any

    grain: int = 1
    turned: bool = False

    def __init__(self, v: Value, memory: Memory) -> None:
        planes = planes_of(v)
        assert planes is not None
        self.value, self.memory, self.dtype, self.planes = v, memory, v.dtype, planes
        self.x, self.w = v.operands
        self.turns, self.channels = self.x.shape[:2]
        self.units, self.inner = v.shape[1], self.channels * len(planes.taps)
        self.work: float = work_of(v, self.turns * self.units * self.inner * planes.span)

    def write(self, function: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the loop over the images from `low` to `high`."""
        f, p, memory = function, self.planes, self.memory
        images = memory.scratch(f, (self.value, "images"), p.room(self.channels) * self.dtype.itemsize, part)
        weights = entries_of(f, memory, self.w)
        if self.turned:
            weights = self._weights(f, weights, part)
        dense = p.span == math.prod(p.windows)  # nothing is to be cut out
        rows = "" if dense else memory.scratch(f, (self.value, "rows"), self._bytes(), part)
        p.clear(f, images, p.room(self.channels))
        source, target = entries_of(f, memory, self.x), memory.pointer(f, self.value)
        with f.loop(low, high) as b:
            p.fill(f, f.at(source, b * math.prod(self.x.shape[1:]), self.dtype), images, self.channels)
            goal = f.at(target, b * math.prod(self.value.shape[1:]), self.dtype)
            self._units(f, weights, images, goal if dense else rows)
            if not dense:
                p.cut(f, rows, goal, self.units, p.span)

    def _bytes(self) -> int:
        return int((self.units * self.planes.span + self.planes.lanes) * self.dtype.itemsize)

    def _units(self, f: Procedure, weights: str, images: str, goal: str) -> None:
        """Write the tiles of an image: some units, some vectors of windows."""
        p = self.planes
        width, whole = VECTORS * p.lanes, self.units - self.units % ROWS
        rest = p.span % width

        def tile(rows: int, vectors: int, last: int, at: tuple[str, str], q: Any) -> None:
            name = WindowTile(p, self.channels, rows, vectors, last, p.span).write(f)
            near, c = f.at(images, q, p.dtype), f.at(at[1], q, p.dtype)
            f.line(f"call void @{name}(ptr {at[0]}, ptr {near}, ptr {c})")

        def tiles(rows: int, u: Any) -> None:
            at = f.at(weights, u * self.inner, p.dtype), f.at(goal, u * p.span, p.dtype)
            if p.span - rest:
                with f.loop(0, p.span - rest, width) as q:
                    tile(rows, VECTORS, p.lanes, at, q)
            if rest:
                vectors = -(-rest // p.lanes)
                tile(rows, vectors, rest - (vectors - 1) * p.lanes, at, p.span - rest)

        if whole:
            with f.loop(0, whole, ROWS) as u:
                tiles(ROWS, u)
        if self.units - whole:
            tiles(self.units - whole, whole)

    def _weights(self, f: Procedure, weights: str, part: Register) -> str:
        """Write the kernel turned: channels become units, and each window is read from its other end."""
        p, n = self.planes, len(self.planes.taps)
        size = self.units * self.inner * self.dtype.itemsize
        goal = self.memory.scratch(f, (self.value, "kernel"), size, part)
        with f.loop(0, self.units) as c, f.loop(0, self.channels) as o, f.loop(0, n) as k:
            x = f.load(f.at(weights, (o * self.units + c) * n + k, p.dtype), p.dtype)
            f.store(x, f.at(goal, (c * self.channels + o) * n + (n - 1) - k, p.dtype))
        return goal


class KernelWriter:
    """Writes what a kernel receives, some units after the other: a turn is a unit, which sees all images."""

    value: Value
    memory: Memory
    dtype: Any
    planes: Planes
    x: Value
    y: Value
    batch: Any
    channels: Any
    turns: Any
    inner: Any

    grain = 4  # units of a tile

    def __init__(self, v: Value, memory: Memory) -> None:
        planes = planes_of(v)
        assert planes is not None
        self.value, self.memory, self.dtype, self.planes = v, memory, v.dtype, planes
        self.x, self.y = v.operands
        self.batch, self.channels = self.x.shape[:2]
        self.turns, self.inner = v.shape[0], self.channels * len(planes.taps)
        self.span: int = -(-planes.span // planes.lanes) * planes.lanes
        self.images: int = max(1, min(self.batch, AHEAD // self.span))
        self.together: int = next(n for n in (4, 5, 3, 2, 1) if len(planes.taps) % n == 0)
        self.work: float = work_of(v, self.batch * self.turns * self.inner * planes.span)

    def write(self, function: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the loops for the units from `low` to `high`: blocks of images outermost."""
        f, p, memory, size = function, self.planes, self.memory, self.dtype.itemsize
        image, arriving = p.room(self.channels), self.turns * self.span
        images = memory.scratch(f, (self.value, "images"), self.images * image * size, part)
        rows = memory.scratch(f, (self.value, "rows"), self.images * arriving * size, part)
        p.clear(f, images, self.images * image)
        p.clear(f, rows, self.images * arriving)
        source, given = entries_of(f, memory, self.x), entries_of(f, memory, self.y)
        goal = memory.pointer(f, self.value)
        with f.loop(low * self.inner, high * self.inner) as i:
            f.store(f.constant(0.0, p.dtype), f.at(goal, i, p.dtype))
        unit = math.prod(self.y.shape[2:])
        whole = self.batch - self.batch % self.images
        blocks = [(0, whole, self.images)] + [(whole, self.batch, self.batch - whole)] * (whole < self.batch)
        for start, stop, number in blocks:
            with f.loop(start, stop, number) as b:
                with f.loop(0, number) as i:
                    x = f.at(source, (b + i) * math.prod(self.x.shape[1:]), p.dtype)
                    p.fill(f, x, f.at(images, i * image, p.dtype), self.channels)
                    y = f.at(given, ((b + i) * self.turns + low) * unit, p.dtype)
                    p.spread(f, y, f.at(rows, i * arriving + low * self.span, p.dtype), high - low, self.span)
                self._tiles(f, (rows, images, goal), low, high, number)

    def _tiles(
        self, f: Procedure, at: tuple[str, str, str], low: Register, high: Register, number: int
    ) -> None:
        rows, images, goal = at
        p, whole = self.planes, self.turns - self.turns % self.grain

        def some(units: int, u: Any) -> None:
            a, c = f.at(rows, u * self.span, p.dtype), f.at(goal, u * self.inner, p.dtype)
            with f.loop(0, self.channels) as channel:
                b = f.at(images, channel * p.size, p.dtype)
                d = f.at(c, channel * len(p.taps), p.dtype)
                for k in range(0, len(p.taps), self.together):
                    tile = self._tile(f, units, tuple(t - p.taps[k] for t in p.taps[k : k + self.together]))
                    there = f.at(b, p.taps[k], p.dtype), f.at(d, k, p.dtype)
                    f.line(f"call void @{tile}(ptr {a}, ptr {there[0]}, ptr {there[1]}, i64 {number})")

        if whole:
            with f.loop(low, at_most(high, f.index(whole)), self.grain) as u:
                some(self.grain, u)
        if self.turns - whole:
            with f.when(high > whole):
                some(self.turns - whole, f.index(whole))

    def _tile(self, f: Procedure, units: int, taps: tuple[int, ...]) -> str:
        """Write the function that adds up some units times some offsets over a number of images."""
        p = self.planes
        image, arriving = p.room(self.channels), self.turns * self.span
        form = (units, *taps, image, arriving, self.span, self.inner)
        name = f"kernel{p.dtype.itemsize}_" + "_".join(map(str, form))
        if name not in f.module.functions:
            given = "ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %n"
            g = f.module.function(name, given, OUTSIDE)
            sums = [[g.slot(p.dtype, p.lanes) for _ in taps] for _ in range(units)]
            for row in sums:
                for s in row:
                    s.put(g.constant(0.0, p.dtype, p.lanes))
            with g.loop(0, Register(g, "%n", INDEX, 0)) as i, g.loop(0, self.span, p.lanes) as q:
                b = g.at("%b", i * image + q, p.dtype)
                right = [g.load(g.at(b, t, p.dtype), p.dtype, p.lanes) for t in taps]
                for u, row in enumerate(sums):
                    x = g.load(g.at("%a", i * arriving + q + u * self.span, p.dtype), p.dtype, p.lanes)
                    for s, y in zip(row, right, strict=True):
                        s.put(g.intrinsic("fma", x, y, s.get()))
            self._add(g, sums)
        return name

    def _add(self, g: Procedure, sums: list[list[Any]]) -> None:
        """Add the sums over the lanes to what is there."""
        p = self.planes
        for u, row in enumerate(sums):
            for k, s in enumerate(row):
                goal = g.at("%c", u * self.inner + k, p.dtype)
                g.store(sums_of_lanes([s.get()]) + g.load(goal, p.dtype), goal)


def work_of(v: Value, products: int) -> float:
    """Return a rough count of nanoseconds on one core, given how many numbers are multiplied."""
    return float(products * v.dtype.itemsize / 200 + 100)


def entries_of(f: Procedure, memory: Memory, x: Value) -> str:
    """Return where the entries of an operand begin, which lie one after the other."""
    place = layout(x)
    return memory.start(f, place.base, place.offset, x.dtype)


class TransposedWriter(ConvolutionWriter):
    """Writes a transposed convolution: that of what arrives with the kernel turned."""

    turned = True


WRITERS: dict[str, Any] = {
    "convolution": ConvolutionWriter,
    "transposed_convolution": TransposedWriter,
    "convolution_kernel": KernelWriter,
}
"""What writes each op of this file."""


def native(v: Value, add: Add) -> Value | None:
    """Return a convolution as native code computes it; None where NumPy is called."""
    floats = v.dtype.name in ("float32", "float64") and all(x.dtype == v.dtype for x in v.operands)
    if not (floats and v.size and all(x.size for x in v.operands)):
        return None
    if planes_of(v) is None:
        return in_parts(v, add, native)
    v.becomes(v.op, tuple(x if whole(x) else add(copied(x)) for x in v.operands))
    return v


def _products(v: Value) -> int:
    """Floating-point operations: each window of each unit, times a kernel."""
    frame, (x, y) = v.attrs["frame"], v.operands
    windows, channels = {"convolution": (v, x), "convolution_kernel": (y, x)}.get(v.op, (x, v))
    return int(2 * windows.size * channels.shape[1] * math.prod(frame.sizes))


for _name in WRITERS:
    enter(_name, Core(family="contract", run=unrun, flops=_products))
