"""Last stage of a layout: where the columns stand, and the way of every arrow around the boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clearprop.see.layout.order import Layering

Point = tuple[float, float]
NARROWEST, WIDEST = 34.0, 120.0  # the free space between two columns
_APART = 9.0  # between two arrows that enter the same box


def columns(layered: Layering, wide: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """Return the left and right end of every column; a gap grows with how steeply arrows cross it."""
    spans: list[tuple[float, float]] = []
    x = 0.0
    for r, layer in enumerate(layered.layers):
        width = max((wide[v] for v in layer), default=0.0)
        spans.append((x, x + width))
        if r + 1 < len(layered.layers):
            steps = [abs(y[v] - y[u]) for u in layer for v in layered.right[u]]
            steepest = max(steps, default=0.0)
            x += width + min(WIDEST, NARROWEST + 0.16 * steepest + 1.5 * min(len(steps), 20))
    return spans


def ports(
    targets: Sequence[int], sources: Sequence[float], y: Sequence[float], tall: Sequence[float]
) -> list[float]:
    """Return the height at which each arrow enters its box: straight from its source where that is possible.

    `targets[e]` is the box that arrow `e` enters and `sources[e]` the height it comes from. Arrows into one
    box keep the order of their sources and a little distance.
    """
    enter = [0.0] * len(targets)
    by_box: dict[int, list[int]] = {}
    for e, v in enumerate(targets):
        by_box.setdefault(v, []).append(e)
    for v, arrows in by_box.items():
        arrows.sort(key=lambda e: sources[e])
        room = max(tall[v] / 2 - 7.0, 0.0)
        apart = min(_APART, 2 * room / max(len(arrows) - 1, 1))
        spread = (len(arrows) - 1) * apart
        low = y[v] - room
        for k, e in enumerate(arrows):
            low = max(low, min(sources[e], y[v] + room - (spread - k * apart)))
            enter[e] = low
            low += apart
        for k in range(len(arrows) - 2, -1, -1):  # arrows from one source share the shift
            e, following = arrows[k], arrows[k + 1]
            enter[e] = min(enter[e], enter[following] - apart)
    return enter


def routes(
    layered: Layering,
    rank: Sequence[int],
    edges: Sequence[tuple[int, int]],
    spans: Sequence[tuple[float, float]],
    box_left: Sequence[float],
    box_right: Sequence[float],
    y: Sequence[float],
    tall: Sequence[float],
    row: Sequence[int],
    detours: Mapping[int, tuple[float, float, float]],
) -> list[list[Point]]:
    """Return the corners of every arrow: level across the columns, sloping only in the gaps between them.

    Where a row ends the arrow goes around: to the right, between the rows to the left, and in again.
    """
    ways = [layered.chains.get(u, [])[: rank[v] - rank[u] - 1] for u, v in edges]
    last = [y[way[-1]] if way else y[u] for (u, _), way in zip(edges, ways, strict=True)]
    enter = ports([v for _, v in edges], last, y, tall)
    found = []
    for (u, v), way, arrival in zip(edges, ways, enter, strict=True):
        points = [(round(box_right[u], 2), round(y[u], 2))]
        before = u
        for r, d in enumerate((*way, v), start=rank[u] + 1):
            height = arrival if d == v else y[d]
            _add(points, (spans[r - 1][1], y[before]))
            if before in detours and row[r] != row[r - 1]:
                right, between, left = detours[before]
                _add(points, (right, y[before]))
                _add(points, (right, between))
                _add(points, (left, between))
                _add(points, (left, height))
            _add(points, (spans[r][0], height))
            before = d
        _add(points, (box_left[v], arrival))
        found.append(_without_level_corners(points))
    return found


def _add(points: list[Point], point: Point) -> None:
    rounded = (round(point[0], 2), round(point[1], 2))
    if rounded != points[-1]:
        points.append(rounded)


def _without_level_corners(points: list[Point]) -> list[Point]:
    """Drop the corners in the middle of a level stretch."""
    kept = [
        p
        for i, p in enumerate(points)
        if i in (0, len(points) - 1) or not points[i - 1][1] == p[1] == points[i + 1][1]
    ]
    return kept
