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


_moves = 0  # how often something that lay somewhere has gone elsewhere


def moved() -> None:
    """Forget where views lie: what one looks at, or where that is computed, has become another."""
    global _moves
    _moves += 1


def layout(v: Value) -> Layout:
    """Return where the entries of `v` lie; a reshape that only a copy can have is its own base.

    What is found of a view stays with it until something has `moved`: each of a stack is looked at once.
    """
    stack, moves = [v], _moves
    while (x := stack[-1]).core.seen is not None and (x.lies is None or x.lies[0] != moves):
        stack.append(x.inputs[0])
    x = stack.pop()
    found = x.lies[1] if x.lies is not None else x.into or Layout(x, 0, contiguous(x.shape))
    for x in reversed(stack):
        step = x.core.seen(x, found.strides) if x.core.seen is not None else None
        if step is None:
            found = Layout(x, 0, contiguous(x.shape))
        else:
            found = Layout(found.base, found.offset + step[0], step[1])
        x.lies = moves, found
    return found


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
