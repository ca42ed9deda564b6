"""Where the entries of a value lie in memory: views seen through, down to the array they name entries of."""

from __future__ import annotations

from dataclasses import dataclass

from clearprop.compiler.program.ir import VIEWS, Shape, Value


@dataclass(frozen=True)
class Layout:
    """Entry (i, j, ...) of a value is entry `offset + i*strides[0] + j*strides[1] + ...` of `base`."""

    base: Value
    offset: int
    strides: tuple[int, ...]


def contiguous(shape: Shape) -> tuple[int, ...]:
    """Return the strides, in entries, of an array without gaps, last axis fastest.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    strides = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def reshaped(shape: Shape, strides: tuple[int, ...], new: Shape) -> tuple[int, ...] | None:
    """Return the strides of the same entries in another shape, or None where only a copy can have it.

    >>> reshaped((2, 3), (3, 1), (6,)), reshaped((3, 2), (1, 3), (6,)), reshaped((3, 1), (4, 1), (3,))
    ((1,), None, (4,))
    """
    if 0 in shape:
        return contiguous(new)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result: list[int] = []
    at = 0
    i = 0
    while i < len(new):
        if new[i] == 1:
            result.append(0)
            i += 1
            continue
        if at == len(old):
            return None
        (size, step), at = old[at], at + 1
        group, wanted = [new[i]], new[i]
        i += 1
        while wanted != size:
            if wanted < size:
                if i == len(new):
                    return None
                group.append(new[i])
                wanted *= new[i]
                i += 1
            else:
                if at == len(old) or old[at - 1][1] != old[at][1] * old[at][0]:
                    return None
                size, step, at = size * old[at][0], old[at][1], at + 1
        result += [step * k for k in contiguous(tuple(group))]
    return tuple(result)


def layout(v: Value) -> Layout:
    """Return where the entries of `v` lie; a reshape that only a copy can have is its own base."""
    if v.kind != "op" or v.op not in VIEWS:
        into: Layout | None = v.attrs.get("into")  # a part of a join lies in the whole
        return into or Layout(v, 0, contiguous(v.shape))
    x: Value = v.inputs[0]
    below = layout(x)
    if v.op == "reshape":
        strides = reshaped(x.shape, below.strides, v.shape)
        if strides is None:
            return Layout(v, 0, contiguous(v.shape))
        return Layout(below.base, below.offset, strides)
    if v.op == "transpose":
        return Layout(below.base, below.offset, tuple(below.strides[a] for a in v.attrs["axes"]))
    if v.op == "slice":
        bounds = v.attrs["index"]
        offset = sum(
            s * start for s, (start, _, _), n in zip(below.strides, bounds, v.shape, strict=True) if n
        )
        strides = tuple(s * step for s, (_, _, step) in zip(below.strides, bounds, strict=True))
        return Layout(below.base, below.offset + offset, strides)
    added = len(v.shape) - len(x.shape)
    return Layout(below.base, below.offset, spread(below.strides, x.shape, v.shape, added))


def whole(v: Value) -> bool:
    """Tell whether `v` names all entries of its base in their order: the same memory in another shape."""
    place = layout(v)
    if place.offset or place.base.size != v.size:
        return False
    steps = zip(v.shape, place.strides, contiguous(v.shape), strict=True)
    return all(n == 1 or step == plain for n, step, plain in steps)


def spread(strides: tuple[int, ...], shape: Shape, new: Shape, added: int) -> tuple[int, ...]:
    """Return the strides of an array repeated to a larger shape: 0 where it is repeated."""
    kept = (0 if n == 1 and m != 1 else s for s, n, m in zip(strides, shape, new[added:], strict=True))
    return (0,) * added + tuple(kept)


def across(place: Layout, shape: Shape, space: Shape) -> tuple[int, ...]:
    """Return the strides of a value of `shape` along the axes of an index space that it broadcasts to."""
    added = len(space) - len(shape)
    return (0,) * added + tuple(0 if n == 1 else s for s, n in zip(place.strides, shape, strict=True))
