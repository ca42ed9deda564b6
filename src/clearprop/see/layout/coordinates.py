"""Third stage of a layout: the height at which each box stands, long arrows straight (Brandes and Köpf,
2001).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from clearprop.see.layout.order import Layering
from clearprop.see.layout.straighten import cost, packed, straighten, unbend

Gap = Callable[[int, int], float]
_SYMMETRY = 1.25  # how much longer arrows may be where boxes stand in the middle of their inputs
_LARGE = 1500  # vertices, from which on one start must do


def heights(layered: Layering, tall: Sequence[float], gap: Gap) -> list[float]:
    """Return the y of every vertex's centre.

    Two starts, the balanced and the packed one, are improved column by column and the better is taken (on
    large graphs the second alone), unless the balanced one was nearly as good already: it looks calmer.
    `tall[v]` is the height of a vertex and `gap(u, v)` the free space between two neighbours in a column.
    The graph is aligned four times (to its upper or lower neighbours, from the left or from the right); a
    vertex stands at the mean of the two middle ones, so that no order and no distance is violated.
    """
    start = packed(layered, tall, gap)
    found = straighten(layered, start, tall, gap)
    if len(tall) < _LARGE:
        balanced = _balanced(layered, tall, gap)
        shortest = min((found, straighten(layered, balanced, tall, gap)), key=lambda y: cost(layered, y))
        symmetric = cost(layered, balanced) <= _SYMMETRY * cost(layered, shortest)
        found = balanced if symmetric else shortest
    unbend(layered, found, tall, gap)
    return found


def _balanced(layered: Layering, tall: Sequence[float], gap: Gap) -> list[float]:
    """Align the graph four times and take the middle."""
    marked = _conflicts(layered)
    candidates = []
    for from_right in (False, True):
        for from_below in (False, True):
            columns = [layer[::-1] if from_below else layer for layer in layered.layers]
            if from_right:
                columns.reverse()
            neighbours = layered.right if from_right else layered.left
            root = _align(columns, neighbours, marked)
            y = _compact(columns, root, tall, gap)
            candidates.append([-t for t in y] if from_below else y)
    return _balance(candidates, tall)


def _conflicts(layered: Layering) -> set[tuple[int, int]]:
    """Find the edges that cross an inner segment of a long edge: the long edge is kept straight, not they."""
    marked: set[tuple[int, int]] = set()
    count, place = layered.count, layered.positions()
    for before, layer in pairwise(layered.layers):
        low, start = 0, 0
        for i, v in enumerate(layer):
            inner = _inner(v, count, layered.left)
            if inner is None and i < len(layer) - 1:
                continue
            high = len(before) if inner is None else place[inner]
            for w in layer[start : i + 1]:
                for u in layered.left[w]:
                    if (place[u] < low or place[u] > high) and not (u >= count and w >= count):
                        marked.add((u, w))
            start, low = i + 1, high if inner is not None else low
    return marked


def _inner(v: int, count: int, left: list[list[int]]) -> int | None:
    return left[v][0] if v >= count and left[v][0] >= count else None


def _align(columns: list[list[int]], neighbours: list[list[int]], marked: set[tuple[int, int]]) -> list[int]:
    """Join vertices to straight lines: each with the median of its neighbours in the column before, where
    it can be.
    """
    size = len(neighbours)
    root = list(range(size))
    place = [0] * size
    for column in columns:
        for i, v in enumerate(column):
            place[v] = i
    for column in columns:
        last = -1
        for v in column:
            near = sorted(neighbours[v], key=place.__getitem__)
            if not near:
                continue
            middle, joined = (len(near) - 1) / 2, False
            for u in near[int(middle) : int(middle + 0.5) + 1]:
                if not joined and last < place[u] and (u, v) not in marked and (v, u) not in marked:
                    joined, root[v], last = True, root[u], place[u]
    return root


def _compact(columns: list[list[int]], root: list[int], tall: Sequence[float], gap: Gap) -> list[float]:
    """Give every straight line the smallest y that keeps its distances, then pull it toward what lies after
    after it.
    """
    after: dict[int, dict[int, float]] = {}
    before: dict[int, int] = {}
    for column in columns:
        for u, v in pairwise(column):
            apart = (tall[u] + tall[v]) / 2 + gap(u, v)
            lines = after.setdefault(root[u], {})
            if root[v] not in lines:
                before[root[v]] = before.get(root[v], 0) + 1
            lines[root[v]] = max(lines.get(root[v], 0.0), apart)
    y = dict.fromkeys(root, 0.0)
    order = [line for line in y if not before.get(line)]
    for line in order:  # grows while it is walked
        for other, apart in after.get(line, {}).items():
            y[other] = max(y[other], y[line] + apart)
            before[other] -= 1
            if not before[other]:
                order.append(other)
    for line in reversed(order):
        if line in after:
            y[line] = max(y[line], min(y[other] - apart for other, apart in after[line].items()))
    return [y[line] for line in root]


def _balance(candidates: list[list[float]], tall: Sequence[float]) -> list[float]:
    """Shift the four layouts onto the narrowest and take, for each vertex, the mean of the two in the
    middle.
    """
    if not tall:
        return []
    spans = [
        (
            min(t - h / 2 for t, h in zip(y, tall, strict=True)),
            max(t + h / 2 for t, h in zip(y, tall, strict=True)),
        )
        for y in candidates
    ]
    low, high = min(spans, key=lambda span: span[1] - span[0])
    shifted = []
    for i, (y, (bottom, top)) in enumerate(zip(candidates, spans, strict=True)):
        shift = high - top if i % 2 else low - bottom
        shifted.append([t + shift for t in y])
    return [(a + b) / 2 for _, a, b, _ in (sorted(four) for four in zip(*shifted, strict=True))]
