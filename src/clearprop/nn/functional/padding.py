"""Margins around arrays: constant, mirrored, repeated, wrapped around."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn.functional.layer import arrayed
from clearprop.op import describe

MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Give `x` margins: `pad` has (before, after) of the last axis first, then of the last but one, ...

    With `mode="constant"` a margin is filled with `value` (0 unless told), with "reflect" it mirrors what is
    inside, the edge itself left out, with "replicate" it repeats the edge, with "circular" it is the other
    end. A negative number cuts off. Raises ValueError for numbers that do not come in pairs, for more pairs
    than axes, for another word, and where there is too little to mirror or to wrap around.

    >>> pad(np.array([1, 2, 3]), (2, 1)), pad(np.array([[1, 2, 3]]), (2, 1), mode="reflect")
    (array([0, 0, 1, 2, 3, 0]), array([[3, 2, 1, 2, 3, 2]]))
    """
    x, called = arrayed(x), f"pad(x, {pad!r}, mode={mode!r})"
    widths = tuple(map(operator.index, pad))
    if mode not in MODES:
        raise ValueError(
            lesson(called, f"wants a mode of {', '.join(MODES)}", repr(mode), hint=repr(MODES[0]))
        )
    if value is not None and mode != "constant" and value != 0:
        raise ValueError(lesson(called, "has no value to fill with", repr(value), hint='mode="constant"'))
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        wanted = "wants (before, after) for each padded axis, the last axis first"
        raise ValueError(lesson(called, wanted, f"{len(widths)} numbers", f"x is {describe(x)}."))
    margins = [(0, 0)] * (x.ndim - len(widths) // 2)
    margins += [(widths[i], widths[i + 1]) for i in range(len(widths) - 2, -1, -2)]
    return margined(called, x, margins, mode, 0 if value is None else value)


def margined(called: str, x: Any, margins: Any, mode: str, value: float = 0) -> Any:
    """Return `x` with (before, after) for each axis; see `pad`."""
    for axis, (before, after) in enumerate(margins):
        left = x.shape[axis] + min(before, 0) + min(after, 0)
        if left < 0 or (left == 0 and mode != "constant" and (before > 0 or after > 0)):
            wanted = f"wants more entries along axis {axis} than are cut off"
            raise ValueError(lesson(called, wanted, f"{(before, after)} of {x.shape[axis]}"))
    wider, cut = [(max(a, 0), max(b, 0)) for a, b in margins], [(min(a, 0), min(b, 0)) for a, b in margins]
    if mode != "reflect":  # a mirror shows what is cut off elsewhere, too: PyTorch's order
        x = _shortened(x, cut)
    if mode == "constant":
        return np.pad(x, wider, constant_values=value) if any(map(any, wider)) else x
    for axis, (before, after) in enumerate(wider):
        if before or after:
            x = _lengthened(called, x, axis, before, after, mode)
    return _shortened(x, cut) if mode == "reflect" else x


def _shortened(x: Any, cut: Any) -> Any:
    """Return `x` without what `cut`, (before, after) of each axis, takes off as numbers below 0."""
    if not any(map(any, cut)):
        return x
    return x[tuple(slice(-a, n + b) for (a, b), n in zip(cut, x.shape, strict=True))]


def _lengthened(called: str, x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    n = x.shape[axis]
    most = {"reflect": n - 1, "circular": n}.get(mode)
    if most is not None and max(before, after) > most:
        wanted = f"wants margins of at most {most} along axis {axis}, which has {n} entries"
        raise ValueError(lesson(called, wanted, f"{(before, after)}", hint='mode="replicate"'))
    lead = (slice(None),) * axis

    def part(start: int, stop: int) -> Any:
        return x[(*lead, slice(start, stop))]

    if mode == "reflect":
        ends = np.flip(part(1, before + 1), axis), np.flip(part(n - 1 - after, n - 1), axis)
    elif mode == "replicate":
        ends = np.repeat(part(0, 1), before, axis), np.repeat(part(n - 1, n), after, axis)
    else:
        ends = part(n - before, n), part(0, after)
    parts = [ends[0]] * (before > 0) + [x] + [ends[1]] * (after > 0)
    return np.concatenate(parts, axis=axis)
