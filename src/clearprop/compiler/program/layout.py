"""Where the entries of a value lie in memory: views seen through, down to the array they name entries of."""

from __future__ import annotations

from dataclasses import dataclass

from clearprop.compiler.program.ir import Shape, Value
from clearprop.compiler.program.strides import contiguous


@dataclass(frozen=True)
class Layout:
    """Entry (i, j, ...) of a value is entry `offset + i*strides[0] + j*strides[1] + ...` of `base`."""

    base: Value
    offset: int
    strides: tuple[int, ...]


def layout(v: Value) -> Layout:
    """Return where the entries of `v` lie; a reshape that only a copy can have is its own base."""
    if v.core.seen is None:
        return v.into or Layout(v, 0, contiguous(v.shape))
    below = layout(v.inputs[0])
    found = v.core.seen(v, below.strides)
    if found is None:
        return Layout(v, 0, contiguous(v.shape))
    return Layout(below.base, below.offset + found[0], found[1])


def whole(v: Value) -> bool:
    """Tell whether `v` names all entries of its base in their order: the same memory in another shape."""
    place = layout(v)
    if place.offset or place.base.size != v.size:
        return False
    steps = zip(v.shape, place.strides, contiguous(v.shape), strict=True)
    return all(n == 1 or step == plain for n, step, plain in steps)


def across(place: Layout, shape: Shape, space: Shape) -> tuple[int, ...]:
    """Return the strides of a value of `shape` along the axes of an index space that it broadcasts to."""
    added = len(space) - len(shape)
    return (0,) * added + tuple(0 if n == 1 else s for s, n in zip(place.strides, shape, strict=True))
