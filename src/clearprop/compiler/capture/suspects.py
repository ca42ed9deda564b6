"""Small arrays in reach, whose contents may decide what a recording holds: `x * rate[0]`, `if flags.any():`.

What NumPy and Python compute of such an array before any argument or Tensor takes part is the recording's.
So a plan is for these contents: with others the step is recorded again. Where that gives the same program the
array decides nothing, its entries are read at each call or not at all; then nobody looks at it any more.
Large arrays would cost too much to look at: a proof finds out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop.compiler.capture.surroundings import Contents

LARGEST = 1024  # bytes of an array that is looked at
ALL = 4096  # bytes of them all: half a microsecond of native code
TRIES = 3  # programs that were the same, before an array that the plan does not read is let go


class Suspects:
    """What one step has found out about the small arrays in its reach."""

    def __init__(self) -> None:
        self._same: dict[int, tuple[Any, int]] = {}  # arrays, and how many changes made no other program

    def among(self, arrays: Iterable[Any], frozen: Iterable[Any]) -> list[Contents]:
        """Return what a plan depends on: the contents of `frozen` arrays, and of those under suspicion."""
        known = {id(x) for x in frozen}
        found, room = list(frozen), ALL
        for x in arrays:
            if not isinstance(x, np.ndarray) or id(x) in known:
                continue
            if not (x.flags.writeable and 0 < x.nbytes <= min(LARGEST, room)) or self._cleared(x):
                continue
            found.append(x)
            room -= x.nbytes
        return [Contents(x) for x in found]

    def acquit(self, before: Iterable[Contents], read: set[Any]) -> None:
        """Note that a program is the same as with the contents `before`; it reads the arrays `read`."""
        for contents in before:
            x, old = contents.buffer, contents.first
            if x.tobytes() != old:
                tries = TRIES if id(x) in read else self._same.get(id(x), (x, 0))[1] + 1
                self._same[id(x)] = (x, tries)

    def _cleared(self, x: Any) -> bool:
        return self._same.get(id(x), (x, 0))[1] >= TRIES
