"""Indices taken apart: what views can do, then index arrays side by side; and the same way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.compiler.program.builder import Builder, Unlowered
from clearprop.compiler.program.ir import Shape, Value
from clearprop.compiler.program.joins import fill, join, padded
from clearprop.ops.index import ARRAY, at_indexes

_FULL = slice(None)
WHY = "index arrays are known only when the step runs"  # so their entries are no view


@dataclass(frozen=True)
class Index:
    """x[basic], its axes in the order `axes`, picked at `arrays` from axis `first` on."""

    basic: tuple[Any, ...]
    axes: tuple[int, ...]
    arrays: tuple[Value, ...]
    first: int

    @property
    def form(self) -> tuple[Any, ...]:
        """The index that is left for a call."""
        return (_FULL,) * self.first + (ARRAY,) * len(self.arrays)


def taken_apart(b: Builder, index: tuple[Any, ...], ndim: int) -> Index:
    """Separate slices and integers from index arrays; a mask known now becomes the places where it holds."""
    entries: list[Any] = []
    for e in index:
        if isinstance(e, Value) and e.dtype.kind == "b":
            if e.kind != "constant" or not e.shape:
                raise Unlowered("a mask that is known only when the step runs")
            entries += [b.constant(places) for places in np.nonzero(e.data)]
        elif e is None or isinstance(e, (bool, np.bool_)):
            raise Unlowered("a new axis beside index arrays")
        else:
            entries.append(e)
    i = next((k for k, e in enumerate(entries) if e is Ellipsis), len(entries))
    entries[i : i + 1] = [_FULL] * (ndim - sum(e is not Ellipsis for e in entries))
    basic = tuple(_FULL if isinstance(e, Value) else e for e in entries)
    left = [e for e in entries if isinstance(e, (Value, slice))]  # an integer's axis is gone
    places = [k for k, e in enumerate(left) if isinstance(e, Value)]
    advanced = [k for k, e in enumerate(entries) if not isinstance(e, slice)]
    axes, first = tuple(range(len(left))), places[0]
    if advanced[-1] - advanced[0] >= len(advanced):  # apart: NumPy puts what they give first
        axes, first = (*places, *(k for k in axes if k not in places)), 0
    return Index(basic, axes, tuple(e for e in left if isinstance(e, Value)), first)


def picked(b: Builder, x: Value, index: tuple[Any, ...]) -> Value:
    """Append x[index], some of whose entries are index arrays: views, and one call of `getitem`."""
    parts = taken_apart(b, index, len(x.shape))
    x = b.transpose(b.basic_index(x, parts.basic), parts.axes)
    found = np.broadcast_shapes(*(a.shape for a in parts.arrays))
    shape = (*x.shape[: parts.first], *found, *x.shape[parts.first + len(parts.arrays) :])
    return b.emit("getitem", (x, *parts.arrays), shape, x.dtype, {"index": parts.form}, kind="call", why=WHY)


def scattered(b: Builder, g: Value, *arrays: Value, index: tuple[Any, ...], shape: Shape) -> Value:
    """Append zeros of `shape` with `g` added at the index: what picking there is the transpose of."""
    if not arrays:
        return _placed(b, g, index, shape)
    rest = iter(arrays)
    parts = taken_apart(b, tuple(next(rest) if e is ARRAY else e for e in index), len(shape))
    whole = np.broadcast_to(np.empty((), bool), shape)[parts.basic]
    moved = tuple(whole.shape[a] for a in parts.axes)
    attrs = {"index": parts.form, "shape": moved}
    z = b.emit("scatter", (g, *parts.arrays), moved, g.dtype, attrs, kind="call", why=WHY)
    z = b.transpose(z, tuple(int(a) for a in np.argsort(parts.axes)))
    return _placed(b, z, parts.basic, shape)


def added_at(b: Builder, total: Any, *pieces: Any, indexes: Any, shape: Shape) -> Value:
    """Append `total` with each piece added at its index: stretches of one axis lie side by side."""
    uses = list(at_indexes(pieces, indexes))
    z = None if any(arrays for _, arrays, _ in uses) else _side_by_side(b, uses, shape)
    if z is not None:
        return z if isinstance(total, float) and total == 0.0 else b.ufunc(np.add, total, z)
    for g, arrays, index in uses:
        one = scattered(b, g, *arrays, index=index, shape=shape)
        total = one if isinstance(total, float) and total == 0.0 else b.ufunc(np.add, total, one)
    return total  # type: ignore[no-any-return]


def _side_by_side(b: Builder, uses: Sequence[tuple[Any, Any, Any]], shape: Shape) -> Value | None:
    """The pieces joined along the one axis of which each holds a stretch, with zeros between them."""
    placed = [(_ranges(index, shape), g) for g, _, index in uses if g.size]
    cut = {a for ranges, _ in placed for a, n in enumerate(shape) if ranges[a] != range(n)}
    if len(cut) != 1 or any(r.step != 1 for ranges, _ in placed for r in ranges):
        return None
    (axis,) = cut
    placed.sort(key=lambda use: use[0][axis].start)
    parts: list[Value] = []
    end = 0
    for ranges, g in placed:
        start = ranges[axis].start
        if start < end:
            return None
        parts += [_zeros(b, shape, axis, start - end, g), b.reshape(g, tuple(map(len, ranges)))]
        end = max(end, ranges[axis].stop)
    return join(b, [*parts, _zeros(b, shape, axis, shape[axis] - end, parts[-1])], axis)


def _zeros(b: Builder, shape: Shape, axis: int, n: int, like: Value) -> Value:
    return fill(b, 0, (*shape[:axis], n, *shape[axis + 1 :]), like.dtype)


def _ranges(index: tuple[Any, ...], shape: Shape) -> list[range]:
    """Which places of each axis a basic index picks."""
    entries = [e for e in index if e is not None]
    i = next((k for k, e in enumerate(entries) if e is Ellipsis), len(entries))
    entries[i : i + 1] = [_FULL] * (len(shape) - sum(e is not Ellipsis for e in entries))
    return [
        range(n)[e] if isinstance(e, slice) else range(n)[int(e) :][:1]
        for e, n in zip(entries, shape, strict=True)
    ]


def _placed(b: Builder, g: Value, index: tuple[Any, ...], shape: Shape) -> Value:
    """Zeros with `g` at a basic index: its steps filled up with zeros, and a margin of zeros around it."""
    ranges = _ranges(index, shape)
    g = b.reshape(g, tuple(map(len, ranges)))
    if not g.size:
        return fill(b, 0, shape, g.dtype)
    backward = tuple(-1 if r.step < 0 else 1 for r in ranges)
    g = b.basic_index(g, tuple(slice(None, None, step) for step in backward))
    ranges = [r if r.step > 0 else r[::-1] for r in ranges]
    for axis, r in enumerate(ranges):
        g = _stepped(b, g, axis, r.step if len(r) > 1 else 1)
    widths = [(r[0], n - 1 - r[-1]) for r, n in zip(ranges, shape, strict=True)]
    return padded(b, g, widths)


def _stepped(b: Builder, g: Value, axis: int, step: int) -> Value:
    """Put step - 1 zeros between neighbours along an axis."""
    if step == 1:
        return g
    before, n, after = g.shape[:axis], g.shape[axis], g.shape[axis + 1 :]
    gaps = fill(b, 0, (*before, n, step - 1, *after), g.dtype)
    spread = join(b, (b.reshape(g, (*before, n, 1, *after)), gaps), axis + 1)
    whole = b.reshape(spread, (*before, n * step, *after))
    return b.basic_index(whole, (_FULL,) * axis + (slice(0, (n - 1) * step + 1),))
