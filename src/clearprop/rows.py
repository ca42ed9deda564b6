"""Any number of rows: with which lengths of the first axis a function is tried before that is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LENGTHS = (2, 3, 5, 17)
"""The lengths that are always tried: two say how a number follows them, the others whether that is so.

The last is large, for what is cut off at some length (`x[:8]`) looks like all of a shorter axis.
"""
MORE = (4, 12, 36, 144, 720, 1080, 1)
"""Longer ones, and multiples of much: for what a function does from some length on, or by its remainder.

One row is the last, for a function may have no value there (a variance).
"""
MOST = 3e6
"""How many entries a function may compute in all at a length of `MORE`: about a hundredth of a second."""


def lengths(own: int, entries: float) -> tuple[int, ...]:
    """Return the lengths to be tried besides `LENGTHS`, for a function that computes `entries` a row.

    `own` is the length of the example. A branch that turns at a length beyond the last of these is not found.

    >>> lengths(64, 1000.0), lengths(64, 2e6)
    ((64, 4, 12, 36, 144, 720, 1080, 1), (64, 1))
    """
    more = [n for n in MORE if n * entries <= MOST]
    return tuple(n for n in dict.fromkeys([own, *more]) if n not in LENGTHS)


def with_rows(arrays: Sequence[Any], n: int) -> list[Any]:
    """Return arrays with so many rows: their own, again and again.

    >>> with_rows([np.array([[1, 2], [3, 4]])], 3)[0].tolist()
    [[1, 2], [3, 4], [1, 2]]
    """
    return [np.resize(a, (n, *a.shape[1:])) for a in arrays]


def shaken(arrays: Sequence[Any], n: int) -> list[Any]:
    """Return n rows as these are, moved about at random where they are floats: no two rows are alike.

    >>> x, i = shaken([np.zeros((2, 3)), np.arange(2)], 4)
    >>> len(np.unique(x)), i.tolist()
    (12, [0, 1, 0, 1])
    """
    draw = np.random.default_rng(0)
    moved = (draw.normal(size=(n, *a.shape[1:])) if a.dtype.kind == "f" else 0 for a in arrays)
    return [(x + by).astype(x.dtype) for x, by in zip(with_rows(arrays, n), moved, strict=True)]


def alike(mine: Any, theirs: Any) -> bool:
    """Tell whether two results are the same but for rounding.

    >>> alike([1.0, np.nan], np.float32([1.0 + 1e-6, np.nan])), alike(np.ones(2), np.ones((2, 1)))
    (True, False)
    """
    a, b = np.asarray(mine), np.asarray(theirs)
    if a.shape != b.shape or a.dtype.kind not in "biuf":
        return a.shape == b.shape and bool((a == b).all())
    largest = np.max(np.abs(a), initial=0, where=np.isfinite(a))
    return np.allclose(a, b, rtol=1e-3, atol=1e-4 * float(largest), equal_nan=True)
