"""How the things of each group stand while all of them are closed: a plan that a page unfolds.

What flows into a group comes from its left border, and what leaves it goes to its right border, so that an
arrow can be followed into an open group to the very node that uses it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clearprop.see.drawing.arrange import arrange
from clearprop.see.drawing.boxes import Box, Link
from clearprop.see.page.cluster import Cluster, Kid

WIDEST, INNER = 1240.0, 860.0  # pixels, at which rows end: of everything, in a group
ROOMS = (1150.0, 800.0, 520.0, 300.0)  # the same of everything in narrower windows, the last on a telephone
_NARROWEST, _ASPECT = 700.0, 1.8  # of what is in rows: the least width, and width over height at best
_MOST_ARROWS = 24  # into a box, one for each input; of more, those from one group are one
_MOST_APART = 60  # ways out of a group that keep their distance
_STEP = 24  # widths are rounded up to it, so that equal layers share a plan
_FEW, _SMALL = 8, 24  # leaves that stand in the left column, in a drawing of so many boxes
_EFFORT = 0.1  # a page has many small plans, and the first order is nearly always the one that is kept
WHOLE = -1  # the number of an arrow into a group, which has no numbered inputs


@dataclass
class Ports:
    """What crosses the border of a group: the boxes whose values come in, and those whose values leave."""

    ins: list[int] = field(default_factory=list)
    outs: list[int] = field(default_factory=list)


@dataclass
class Wiring:
    """The arrows of every group between the things in it, and what crosses its border.

    An arrow is `(from, to, index)`: numbers of kids, `-1 - n` for the n-th port; `index` says which input of
    a box it is.
    """

    ports: dict[Cluster, Ports] = field(default_factory=dict)
    arrows: dict[Cluster, list[tuple[int, int, int]]] = field(default_factory=dict)


def wiring(root: Cluster, boxes: Sequence[Box], links: Sequence[Link]) -> Wiring:
    """Return which arrows every group shows, each once however many nodes inside a closed group it serves."""
    number = {box.id: i for i, box in enumerate(boxes)}
    way: dict[
        int, list[tuple[Cluster, int]]
    ] = {}  # of every box: the groups around it, and which kid it is in

    def walk(group: Cluster, around: list[tuple[Cluster, int]]) -> None:
        for k, kid in enumerate(group.kids):
            here = [*around, (group, k)]
            if isinstance(kid, Cluster):
                walk(kid, here)
            else:
                way[kid] = here

    walk(root, [])
    found = Wiring({g: Ports() for g in root.groups()}, {g: [] for g in root.groups()})
    places: dict[tuple[Cluster, str], dict[int, int]] = {}

    def port(group: Cluster, side: str, source: int) -> int:
        known = places.setdefault((group, side), {})
        if source not in known:
            known[source] = len(known)
            getattr(found.ports[group], side).append(source)
        return known[source]

    crowded = {target: n > _MOST_ARROWS for target, n in Counter(link.target for link in links).items()}
    for link in links:
        source, target = number[link.source], number[link.target]
        ways = way[source], way[target]
        level = next(n for n, (a, b) in enumerate(zip(*ways, strict=False)) if a != b)
        for group, kid in ways[0][level + 1 :]:
            found.arrows[group].append((kid, -1 - port(group, "outs", source), WHOLE))
        for n, (group, kid) in enumerate(ways[1][level:], start=level):
            index = link.index if n + 1 == len(ways[1]) and not crowded[link.target] else WHOLE
            start = ways[0][level][1] if n == level else -1 - port(group, "ins", source)
            found.arrows[group].append((start, kid, index))
    for group, arrows in found.arrows.items():
        found.arrows[group] = list(dict.fromkeys(arrows))
    return found


class Planner:
    """Plans of groups; equal ones are made once and shared."""

    def __init__(self) -> None:
        self.plans: list[dict[str, Any]] = []
        self._known: dict[Any, int] = {}

    def plan(
        self,
        shown: Sequence[Box],
        ports: Ports,
        arrows: Sequence[tuple[int, int, int]],
        left: bool,
        widest: float,
    ) -> int:
        """Return the number of the plan of a group that shows these boxes, in rows that are about `widest`.

        With `left` the leaves of a small drawing stand in its left column.
        """
        for box in shown:
            box.w = float(-(-box.w // _STEP) * _STEP)
        sizes = tuple((box.w, box.h) for box in shown)
        kinds = tuple(box.kind in ("input", "constant") for box in shown) if left else ()
        key = sizes, tuple(arrows), len(ports.ins), len(ports.outs), kinds, widest
        if key not in self._known:
            self._known[key] = len(self.plans)
            self.plans.append(_planned(sizes, ports, arrows, kinds, widest))
        return self._known[key]


def _planned(
    sizes: Sequence[tuple[float, float]],
    ports: Ports,
    arrows: Sequence[tuple[int, int, int]],
    leaf: Sequence[bool],
    widest: float,
) -> dict[str, Any]:
    """Arrange kids, ports in front of them, and behind them one place where everything leaves."""
    count, entering = len(sizes), len(ports.ins)
    all_sizes = [*sizes, *[(0.0, 4.0)] * entering]
    if ports.outs:
        all_sizes.append((0.0, 9.0 * min(len(ports.outs), _MOST_APART) + 6.0))

    def vertex(end: int, is_source: bool) -> int:
        return end if end >= 0 else count - 1 - end if is_source else count + entering

    pairs = [(vertex(a, True), vertex(b, False)) for a, b, _ in arrows]
    pinned = list(range(count, count + entering))
    leaves = [i for i, is_leaf in enumerate(leaf) if is_leaf]
    left = [*pinned, *leaves] if len(leaves) <= _FEW and count <= _SMALL else pinned
    found = arrange(all_sizes, pairs, left=left, effort=_EFFORT)
    if found.width > widest:
        found = arrange(
            all_sizes, pairs, left=pinned, wrap=_limit(found.width, found.height, widest), effort=_EFFORT
        )
    out = found.x[-1] if ports.outs else 0.0
    return {
        "w": round(found.width),
        "h": round(found.height),
        "kids": [
            [round(found.x[i] - found.wide[i] / 2), round(found.y[i] - h / 2), round(found.wide[i]), round(h)]
            for i, (_, h) in enumerate(sizes)
        ],
        "ins": [round(found.y[i]) for i in pinned],
        "out": round(out),
        "ways": [
            [a, b, index, *(round(t) for point in route for t in point)]
            for (a, b, index), route in zip(arrows, found.routes, strict=True)
        ],
    }


def _limit(width: float, height: float, widest: float) -> float:
    """Return how wide rows may be, so that together they are about as wide and tall as a screen."""
    if widest in ROOMS:
        return widest
    rows = max(2, round(math.sqrt(width / (_ASPECT * max(height, 1.0)))))
    return max(width / rows, _NARROWEST)


def shown_of(group: Cluster, boxes: Sequence[Box], cards: dict[Cluster, Box]) -> list[Box]:
    """Return what stands for each kid of a group while it is closed."""
    return [card(kid, boxes, cards) for kid in group.kids]


def card(kid: Kid, boxes: Sequence[Box], cards: dict[Cluster, Box]) -> Box:
    """Return the box that stands for a kid."""
    return cards[kid] if isinstance(kid, Cluster) else boxes[kid]
