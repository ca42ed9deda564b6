"""Sizes as they are given, one number or one for each axis, and the axes that a layer works along."""

from __future__ import annotations

import operator
from typing import Any

from clearprop.errors import lesson
from clearprop.op import describe

AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def each(called: str, name: str, given: Any, axes: int, least: int = 0) -> tuple[int, ...]:
    """Return one whole number for each axis, having complained about any below `least`.

    >>> each("Conv2d(...)", "stride", 2, 2, 1), each("Conv2d(...)", "padding", (0, 1), 2)
    ((2, 2), (0, 1))
    """
    try:
        several = isinstance(given, (tuple, list)) or getattr(given, "ndim", 0) > 0
        numbers = tuple(map(operator.index, given)) if several else None
        numbers = (operator.index(given),) * axes if numbers is None else numbers
    except TypeError:
        numbers = ()
    numbers = numbers * axes if len(numbers) == 1 else numbers
    if len(numbers) != axes or min(numbers) < least or isinstance(given, bool):
        wanted = f"wants {name} as a whole number, {least} or more" + (
            f", or {axes} of them" if axes > 1 else ""
        )
        kind = ValueError if numbers else TypeError
        raise kind(lesson(called, wanted, repr(given), hint=f"{name}={max(least, 1)}"))
    return numbers


def batched(called: str, x: Any, axes: int) -> tuple[Any, bool]:
    """Return `x` with its batch as the first axis, and whether it came without one."""
    if x.ndim == axes + 2:
        return x, False
    if x.ndim == axes + 1:
        return x.reshape((1, *x.shape)), True
    wanted = f"wants x of shape (batch, channels, {AXES[axes]}), or the same without a batch"
    hint = "x[:, None] for images of one channel" if x.ndim == axes else ""
    raise ValueError(lesson(called, wanted, f"x is {describe(x)}", hint=hint))


def alone(z: Any, lone: bool) -> Any:
    """Return `z` without the batch that `batched` gave it."""
    return z.reshape(z.shape[1:]) if lone else z
