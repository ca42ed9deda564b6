"""Sums along axes: of float16 they are taken in float32, however an array lies in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

summed: Any = np.add.reduce
"""What `np.sum` and `np.mean` call, without their detour."""


def is_short(x: Any) -> bool:
    """Tell whether this is an array of float16, for whose sums float32 is taken.

    >>> is_short(np.ones(3, np.float16)), is_short(np.ones(3))
    (True, False)
    """
    return bool(x.dtype.char == "e") and isinstance(x, np.ndarray)


def added(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the sum along `axis`, of float16 as a float32 that is rounded once.

    NumPy adds float16 so along rows that lie in one piece, elsewhere in float16 itself, which stands still as
    soon as the sum is 2048 times a term: the layout in memory, which nobody sees, would decide.

    >>> tenths = np.full((5000, 2), 0.1, np.float16)
    >>> float(np.add.reduce(tenths, axis=0)[0]), float(added(tenths, 0)[0])
    (256.0, 500.0)
    """
    if x.dtype.itemsize == 2 and is_short(x):  # the size first: every sum of every backward pass asks
        return summed(x, axis=axis, dtype=np.float32, keepdims=keepdims).astype(x.dtype)
    return summed(x, axis=axis, keepdims=keepdims)
