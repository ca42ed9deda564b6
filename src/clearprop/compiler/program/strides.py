"""Strides: how far apart in memory, in entries, neighbours along each axis lie. Numbers only."""

from __future__ import annotations

from typing import TypeAlias

Steps: TypeAlias = "tuple[int, ...]"


def contiguous(shape: Steps) -> Steps:
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


def reshaped(shape: Steps, strides: Steps, new: Steps) -> Steps | None:
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


def spread(strides: Steps, shape: Steps, new: Steps, added: int) -> Steps:
    """Return the strides of an array repeated to a larger shape: 0 where it is repeated."""
    kept = (0 if n == 1 and m != 1 else s for s, n, m in zip(strides, shape, new[added:], strict=True))
    return (0,) * added + tuple(kept)
