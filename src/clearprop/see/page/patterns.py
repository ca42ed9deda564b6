"""Groups where no module says them: what repeats becomes one box, a crowd that is left is cut in slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from clearprop.see.drawing.boxes import Box
from clearprop.see.drawing.folding import COMFORTABLE
from clearprop.see.page.cluster import Cluster, Kid

_LONGEST = 48  # things in a pattern
_SHORTEST_RUN, _LAYERS = 3, 4  # how often it repeats at least: of a crowd, and of modules anywhere
_SLICE, _FEWEST = 24, 5  # things in a slice, about, and slices
_SIDE_BY_SIDE = 6  # in one column
_NAMED = 3  # parts of a pattern that its title names


def gathered(
    kids: list[Kid], boxes: Sequence[Box], pairs: Sequence[tuple[int, int]], most: int = COMFORTABLE
) -> list[Kid]:
    """Return what a group holds with at most so many things in it: equal layers, repeated patterns, slices.

    >>> from clearprop import Tensor
    >>> from clearprop.see.drawing.boxing import boxes_of
    >>> t = Tensor(1.0, name="t")
    >>> for _ in range(50):
    ...     t = -t * t
    >>> boxes, links = boxes_of(t)
    >>> [run] = gathered(list(range(1, len(boxes))), boxes, [])
    >>> run.title.partition(" ")[0], len(list(run.boxes()))
    ('50', 100)
    """
    signs: dict[Any, int] = {}
    found = [_sign(kid, boxes, signs) for kid in kids]
    while True:
        crowded = len(kids) > most
        runs, period = _repeated(kids, found, crowded)
        if not runs:
            break
        kids = _joined(kids, runs, period, boxes, pairs)
        found = [_sign(kid, boxes, signs) for kid in kids]
    return _slices(kids, pairs, most)


def _repeated(kids: Sequence[Kid], found: Sequence[int], crowded: bool) -> tuple[list[tuple[int, int]], int]:
    """Return the runs of the shortest pattern that repeats, and its length.

    Groups in a row, with ops between them perhaps, are a deep network's many blocks and always a run; ops
    alone are one where there are too many of them.
    """
    groups = {sign for kid, sign in zip(kids, found, strict=True) if isinstance(kid, Cluster)}
    shortest = _SHORTEST_RUN if crowded else _LAYERS
    for period in range(1, min(_LONGEST, len(kids) // shortest) + 1):
        runs = _runs(found, period, shortest)
        if not crowded:
            runs = [run for run in runs if groups.intersection(found[run[0] : run[0] + period])]
        if runs:
            return runs, period
    return [], 0


def _sign(kid: Kid, boxes: Sequence[Box], signs: dict[Any, int]) -> int:
    """Return a number that two things share if they hold the same ops in the same order."""
    if isinstance(kid, Cluster):
        key: Any = kid.likeness or (kid.kind, *(_sign(inner, boxes, signs) for inner in kid.kids))
    else:
        key = boxes[kid].title, boxes[kid].label
    return signs.setdefault(key, len(signs))


def _runs(found: Sequence[int], period: int, shortest: int) -> list[tuple[int, int]]:
    """Return where a pattern of this length begins and how often it repeats."""
    runs: list[tuple[int, int]] = []
    n, start = len(found), 0
    while start + period * shortest <= n:
        end = start
        while end + period < n and found[end] == found[end + period]:
            end += 1
        times = (end - start) // period + 1
        if times >= shortest:
            runs.append((start, times))
            start += times * period
        else:
            start = end + 1 if end > start else start + 1
    return runs


def _joined(
    kids: list[Kid],
    runs: Sequence[tuple[int, int]],
    period: int,
    boxes: Sequence[Box],
    pairs: Sequence[tuple[int, int]],
) -> list[Kid]:
    made: list[Kid] = []
    at = 0
    for start, times in runs:
        made += kids[at:start]
        at = start + times * period
        pieces = [kids[i : i + period] for i in range(start, at, period)]
        kind = _called(pieces[0], boxes)
        if period > 1:
            inner: list[Kid] = [
                Cluster(f"{kind.strip('()')}", f"{n} of {times}", "", piece)
                for n, piece in enumerate(pieces, start=1)
            ]
        else:
            inner = [piece[0] for piece in pieces]
        made.append(_run(inner, f"{times} \N{MULTIPLICATION SIGN} {kind}", pairs))
    return made + kids[at:]


def _run(inner: list[Kid], kind: str, pairs: Sequence[tuple[int, int]]) -> Cluster:
    """Return the box of a run: called by its first and last member where those have paths."""
    ends = [kid for kid in (inner[0], inner[-1]) if isinstance(kid, Cluster)]
    title = ""
    if len(ends) == 2 and ends[0].path and ends[1].path:
        title = f"{ends[0].title} … {ends[1].path.rpartition('.')[2]}"
    parameters = sum(kid.parameters for kid in inner if isinstance(kid, Cluster))
    return Cluster(
        title or kind,
        kind if title else "",
        "",
        _beside(_slices(inner, pairs), pairs),
        parameters,
        sealed=True,
    )


def _beside(kids: list[Kid], pairs: Sequence[tuple[int, int]]) -> list[Kid]:
    """Put many things that stand side by side, no arrow between them, into a few groups of about as many."""
    if len(kids) <= _SIDE_BY_SIDE or any(_crossing(kids, pairs)):
        return kids
    count = math.ceil(len(kids) / _SIDE_BY_SIDE)
    cuts = [len(kids) * n // count for n in range(count + 1)]
    return [Cluster(f"{a + 1} to {b}", f"of {len(kids)}", "", kids[a:b]) for a, b in pairwise(cuts)]


def _called(piece: Sequence[Kid], boxes: Sequence[Box]) -> str:
    words = [(kid.kind or kid.title) if isinstance(kid, Cluster) else boxes[kid].title for kid in piece]
    if len(words) > _NAMED + 1:
        words = [*words[:_NAMED], "…", words[-1]]
    return words[0] if len(words) == 1 else f"({', '.join(words)})"


def _slices(kids: list[Kid], pairs: Sequence[tuple[int, int]], most: int = COMFORTABLE) -> list[Kid]:
    """Cut a long row where few arrows cross, into slices of about equal length, and those again."""
    while len(kids) > most:
        crossing = _crossing(kids, pairs)
        count = max(math.ceil(len(kids) / _SLICE), _FEWEST) if len(kids) < 600 else math.isqrt(len(kids))
        length = len(kids) / count
        cuts = [0]
        for n in range(1, count):
            low, high = int((n - 0.3) * length), int((n + 0.3) * length) + 1
            cuts.append(
                min(range(max(low, cuts[-1] + 1), high), key=lambda i: (crossing[i], abs(i - n * length)))
            )
        cuts.append(len(kids))
        parts = [kids[a:b] for a, b in pairwise(cuts)]
        kids = [Cluster(f"Part {n} of {count}", "", "", part) for n, part in enumerate(parts, start=1)]
    return kids


def _crossing(kids: Sequence[Kid], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return how many arrows cross each place between two things."""
    place: dict[int, int] = {}
    for n, kid in enumerate(kids):
        place.update((i, n) for i in (kid.boxes() if isinstance(kid, Cluster) else (kid,)))
    steps = [0] * (len(kids) + 1)
    for source, target in pairs:
        a, b = place.get(source), place.get(target)
        if a is not None and b is not None and a < b:
            steps[a + 1] += 1
            steps[b + 1] -= 1
    found, sum_ = [], 0
    for step in steps:
        sum_ += step
        found.append(sum_)
    return found
