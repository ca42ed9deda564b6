"""A long drawing in several rows, as text in lines: where to break it, and the wires from one row to the
next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from clearprop.see.layout.order import Layering

_LANE = 8.0  # between two wires side by side
_AROUND = 14.0  # between a row and its wires
_MOST_WIRES = 6  # that go from one row to the next; with more the rows could not be followed
_TOLERANCE = 1.15  # how much wider a row may be if that saves a row
_ROW, _WIRE = 0.3, 0.15  # what a row more costs, and a wire between rows; an empty row would cost 1


@dataclass
class Rows:
    """The columns in rows: where each column and row stands, and the lanes of the wires between rows."""

    spans: list[tuple[float, float]]
    y: list[float]
    width: float
    row: list[int]
    """The row of each column."""
    detours: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    """For a vertex before a break: the x at the right, the y between the rows and the x at the left of its
    wire.
    """


def breaks(layered: Layering, spans: Sequence[tuple[float, float]], limit: float) -> list[int]:
    """Return the columns that start a new row, so that rows are about `limit` wide; none if that cannot be
    read.

    >>> from clearprop.see.layout.order import with_dummies
    >>> chain = with_dummies(range(6), [(i, i + 1) for i in range(5)])
    >>> breaks(chain, [(100.0 * i, 100.0 * i + 60) for i in range(6)], 300)
    [3]
    """
    if not spans:
        return []
    count = len(spans)
    best = [0.0] + [math.inf] * count  # the cost of the best rows for the first columns
    start = [0] * (count + 1)
    for stop in range(1, count + 1):
        for first in range(stop - 1, -1, -1):
            width = spans[stop - 1][1] - spans[first][0]
            if width > _TOLERANCE * limit and first < stop - 1:
                break
            crossing = wires(layered, first) if first else 0
            if crossing <= _MOST_WIRES:
                cost = best[first] + _ROW + (1 - width / limit) ** 2 + _WIRE * crossing
                if cost < best[stop]:
                    best[stop], start[stop] = cost, first
    found = []
    stop = count
    while start[stop] and best[count] < math.inf:
        stop = start[stop]
        found.append(stop)
    return found[::-1]


def wires(layered: Layering, r: int) -> int:
    """Return how many wires cross from column `r - 1` to column `r`."""
    return sum(1 for v in layered.layers[r - 1] if layered.right[v])


def rows(
    layered: Layering,
    spans: Sequence[tuple[float, float]],
    y: Sequence[float],
    tall: Sequence[float],
    starts: Sequence[int],
) -> Rows:
    """Return the columns in rows that begin at the columns `starts` (and at 0), each row below the one
    before.
    """
    limits = [0, *starts, len(spans)]
    entering = [0, *(wires(layered, r) for r in starts)]
    indent = max((_AROUND + _LANE * n for n in entering[1:]), default=0.0)
    placed: list[tuple[float, float]] = []
    row: list[int] = []
    new_y = list(y)
    right_end = 0.0
    bottoms: list[float] = []
    top = 0.0
    for k, (first, last) in enumerate(pairwise(limits)):
        if k:
            top = bottoms[-1] + 2 * _AROUND + _LANE * entering[k]
        shift = indent - spans[first][0]
        placed += [(a + shift, b + shift) for a, b in spans[first:last]]
        row += [k] * (last - first)
        members = [v for layer in layered.layers[first:last] for v in layer]
        highest = min(y[v] - tall[v] / 2 for v in members)
        for v in members:
            new_y[v] = y[v] - highest + top
        bottoms.append(max(new_y[v] + tall[v] / 2 for v in members))
        right_end = max(right_end, placed[-1][1])
    found = Rows(placed, new_y, right_end, row)
    for k, start in enumerate(starts):
        crossing = [v for v in layered.layers[start - 1] if layered.right[v]]
        for i, v in enumerate(
            crossing
        ):  # the topmost wire goes outermost at the right, innermost at the left
            outer = len(crossing) - i
            right = placed[start - 1][1] + _AROUND + _LANE * (outer - 1)
            between = bottoms[k] + _AROUND + _LANE * (outer - 1)
            found.detours[v] = (right, between, indent - _AROUND - _LANE * i)
            found.width = max(found.width, right)
    return found
