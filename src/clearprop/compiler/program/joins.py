"""Joins: arrays side by side in one, what is padded included, and what a rewrite makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from clearprop.compiler.program.builder import Builder
from clearprop.compiler.program.ir import Shape, Value, is_op


# --- making them --------------------------------------------------------------------------------------------
def join(b: Builder, parts: Sequence[Value], axis: int) -> Value:
    """Append the parts one after the other along an axis that all have; empty ones take no place."""
    parts = [x for x in parts if x.shape[axis]] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    n = sum(x.shape[axis] for x in parts)
    shape = (*first.shape[:axis], n, *first.shape[axis + 1 :])
    return b.emit("join", tuple(parts), shape, first.dtype, {"axis": axis})


def fill(b: Builder, number: Any, shape: Shape, dtype: Any) -> Value:
    """Append an array of one number."""
    return b.broadcast_to(b.constant(np.asarray(number).astype(dtype)), shape)


def padded(b: Builder, x: Value, widths: Sequence[Sequence[int]], number: Any = 0) -> Value:
    """Append `x` with a margin of one number, `widths` entries before and after it along each axis."""
    for axis, (before, after) in enumerate(widths):
        margins = [
            fill(b, number, (*x.shape[:axis], width, *x.shape[axis + 1 :]), x.dtype)
            for width in (before, after)
        ]
        x = join(b, (margins[0], x, margins[1]), axis)
    return x


def starts(v: Value) -> Iterator[tuple[int, Value]]:
    """Yield each part of a join with where it begins along the axis.

    >>> x = Value("argument", (2, 3), np.dtype("f4"))
    >>> [at for at, _ in starts(Value("op", (6, 3), x.dtype, "join", (x, x, x), {"axis": 0}))]
    [0, 2, 4]
    """
    at = 0
    for x in v.inputs:
        yield at, x
        at += x.shape[v.attrs["axis"]]


# --- right-hand sides of rules ------------------------------------------------------------------------------
def flat(b: Builder, v: Value, *xs: Value) -> Value | None:
    """join(x, join(y, z)) = join(x, y, z)."""
    inside = [y for x in xs for y in (x.inputs if _same_axis(x, v.attrs["axis"]) else (x,))]
    return join(b, inside, v.attrs["axis"]) if len(inside) > len(xs) else None


def neighbours(b: Builder, v: Value, *xs: Value) -> Value | None:
    """join(x[:k], x[k:]) = x, and two stretches of the same entry are one."""
    found = [xs[0]]
    for x in xs[1:]:
        both = _both(b, found[-1], x, v.attrs["axis"])
        found[-1:] = [found[-1], x] if both is None else [both]
    return join(b, found, v.attrs["axis"]) if len(found) < len(xs) else None


def of_a_part(b: Builder, v: Value, x: Value) -> Value | None:
    """join(x, y)[i:j] = x[i:j] where that lies within x."""
    if not is_op(x, "join"):
        return None
    axis, bounds = x.attrs["axis"], list(v.attrs["index"])
    start, _, step = bounds[axis]
    n = v.shape[axis]
    low, high = sorted((start, start + (n - 1) * step))
    for at, part in starts(x):
        if at <= low and high < at + part.shape[axis]:
            bounds[axis] = (start - at, start - at + n * step, step)
            return b.slice(part, tuple(bounds))
    return None


def _same_axis(x: Any, axis: Any) -> bool:
    return is_op(x, "join") and x.attrs["axis"] == axis


def _both(b: Builder, x: Value, y: Value, axis: int) -> Value | None:
    """Two parts as one, where they are neighbours in what they come from or repeat the same."""
    if x.op != y.op or not x.inputs or x.inputs[0] is not y.inputs[0]:
        return None
    source = x.inputs[0]
    if is_op(x, "slice"):
        (start, stop, step), (other, end, stride) = x.attrs["index"][axis], y.attrs["index"][axis]
        if (stop, step) != (other, stride) or step < 0:
            return None
        bounds = [list(z.attrs["index"]) for z in (x, y)]
        bounds[0][axis] = bounds[1][axis] = (start, end, step)
        return b.slice(source, tuple(bounds[0])) if bounds[0] == bounds[1] else None
    if is_op(x, "broadcast_to"):
        place = axis - len(x.shape) + len(source.shape)
        if place < 0 or source.shape[place] == 1 != max(x.shape[axis], y.shape[axis]):
            n = x.shape[axis] + y.shape[axis]
            return b.broadcast_to(source, (*x.shape[:axis], n, *x.shape[axis + 1 :]))
    return None
