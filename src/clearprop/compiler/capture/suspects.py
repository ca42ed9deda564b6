"""Arrays in reach, whose contents may decide what a recording holds: `x * rate[0]`, `if flags.any():`.

What NumPy and Python compute of such an array before any argument or Tensor takes part is the recording's.
So a plan is for these contents: with others the step is recorded again. Where that gives the same program the
array decides nothing, its entries are read at each call or not at all; then nobody looks at it any more.
Of a large array some entries are looked at, which tells when its owner has filled it anew; where others alone
have changed, a proof finds out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop.compiler.capture.forms import can_change
from clearprop.compiler.capture.surroundings import Contents, SampledContents

LARGEST = 1024  # bytes of an array that is looked at whole
ALL = 4096  # bytes of them all: half a microsecond of native code
TRIES = 3  # programs that were the same, before an array that the plan does not read is let go


class Suspects:
    """What one step has found out about the small arrays in its reach."""

    def __init__(self) -> None:
        self._same: dict[int, tuple[Any, int]] = {}  # arrays, and how many changes made no other program

    def among(self, arrays: Iterable[Any], frozen: Iterable[Any]) -> list[Contents]:
        """Return what a plan depends on: the contents of `frozen` arrays, and of those under suspicion."""
        known = {id(x) for x in frozen}
        found, room = [Contents(x) for x in frozen], ALL
        for x in arrays:
            if not isinstance(x, np.ndarray) or id(x) in known:
                continue
            if not x.nbytes or self._cleared(x) or not can_change(x):
                continue
            if x.dtype.hasobject:  # no plan reads it: what it holds is always the recording's
                found.append(Contents(x))
                continue
            small = x.nbytes <= LARGEST
            size = x.nbytes if small else 8 * SampledContents.COUNT
            if size <= room and (small or _is_straight(x)):
                found.append(Contents(x) if small else SampledContents(x))
                room -= size
        return found

    def acquit(self, before: Iterable[Contents], read: set[Any]) -> None:
        """Note that a program is the same as with the contents `before`; it reads the arrays `read`."""
        for contents in before:
            x = contents.buffer
            if contents.changed() and not (isinstance(x, np.ndarray) and x.dtype.hasobject):
                tries = TRIES if id(x) in read else self._same.get(id(x), (x, 0))[1] + 1
                self._same[id(x)] = (x, tries)

    def _cleared(self, x: Any) -> bool:
        return self._same.get(id(x), (x, 0))[1] >= TRIES


def _is_straight(x: Any) -> bool:
    return bool(x.flags.c_contiguous or x.flags.f_contiguous)
