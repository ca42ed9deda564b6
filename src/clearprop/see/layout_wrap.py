"""A long drawing in several rows, as text in lines: where to break it, and the wires from one row to the
next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from clearprop.see.layout_order import Layers

_LANE = 8.0  # between two wires side by side
_AROUND = 14.0  # between a row and its wires
_MOST_WIRES = 6  # that go from one row to the next; with more the rows could not be followed
_TOLERANCE = 1.15  # how much wider a row may be if that saves a row
_LATEST = 0.75  # of the width: from there on a good place for a break is looked for


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


def breaks(layered: Layers, spans: Sequence[tuple[float, float]], limit: float) -> list[int]:
    """Return the columns that start a new row, so that rows are about `limit` wide; none if that cannot be
    read.

    >>> from clearprop.see.layout_order import with_dummies
    >>> chain = with_dummies(range(6), [(i, i + 1) for i in range(5)])
    >>> breaks(chain, [(100.0 * i, 100.0 * i + 60) for i in range(6)], 300)
    [3]
    """
    found: list[int] = []
    first = 0
    total = spans[-1][1] - spans[0][0] if spans else 0.0
    count = math.ceil(
        total / (_TOLERANCE * limit)
    )  # rows of about the same width, rather than a last one with one box
    limit = min(_TOLERANCE * limit, 1.1 * total / max(count, 1) + 80.0)
    while spans and spans[-1][1] - spans[first][0] > limit:
        fitting = [r for r in range(first + 1, len(spans)) if spans[r - 1][1] - spans[first][0] <= limit]
        if not fitting:
            fitting = [first + 1]
        near_end = [r for r in fitting if spans[r - 1][1] - spans[first][0] >= _LATEST * limit] or fitting[
            -1:
        ]
        if near_end[0] >= len(spans):
            break
        best = min(near_end, key=lambda r: (wires(layered, r), -r))
        if wires(layered, best) > _MOST_WIRES:
            return []
        found.append(best)
        first = best
    return found


def wires(layered: Layers, r: int) -> int:
    """Return how many wires cross from column `r - 1` to column `r`."""
    return sum(1 for v in layered.layers[r - 1] if layered.right[v])


def rows(
    layered: Layers,
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
            right = right_end + _AROUND + _LANE * (outer - 1)
            between = bottoms[k] + _AROUND + _LANE * (outer - 1)
            found.detours[v] = (right, between, indent - _AROUND - _LANE * i)
            found.width = max(found.width, right)
    return found
