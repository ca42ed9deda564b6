"""After the third stage: every column is moved to where its arrows are shortest, as long as that helps."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Sequence
from itertools import pairwise

from clearprop.see.layout.order import Layering

Gap = Callable[[int, int], float]
_BETWEEN_BOXES, _TO_DUMMY, _BETWEEN_DUMMIES = 1, 2, 6  # how much a straight piece of arrow is worth


def cost(layered: Layering, y: Sequence[float]) -> float:
    """Return how far the arrows go up and down, long arrows counting more."""
    return sum(
        _weight(u, v, layered.count) * abs(y[u] - y[v]) for u, near in enumerate(layered.right) for v in near
    )


def straighten(
    layered: Layering, y: list[float], tall: Sequence[float], gap: Gap, rounds: int = 8
) -> list[float]:
    """Return better heights: column by column the best ones for the neighbouring columns as they are.

    For one column the sum of weighted distances to the neighbours is least where pooled blocks stand at
    their medians (isotonic regression); sweeps to the right and to the left go on until nothing is gained.
    """
    best, best_cost = list(y), cost(layered, y)
    y = list(y)
    for sweep in range(rounds):
        columns = layered.layers if sweep % 2 == 0 else layered.layers[::-1]
        for layer in columns:
            _settle(layered, layer, y, tall, gap)
        found = cost(layered, y)
        if found < best_cost:
            gained = best_cost - found
            best, best_cost = list(y), found
            if gained < 1e-3 * found:
                break
        elif sweep > 1:
            break
    return best


def unbend(layered: Layering, y: list[float], tall: Sequence[float], gap: Gap) -> None:
    """Give every long arrow as few bends as the boxes around it allow, without moving anything else.

    Each of its dummies may stand anywhere between its two neighbours; a level stretch goes on as long as
    one height suits all of its dummies.
    """
    above: dict[int, int] = {}
    below: dict[int, int] = {}
    for layer in layered.layers:
        for upper, lower in pairwise(layer):
            below[upper], above[lower] = lower, upper
    for source, chain in layered.chains.items():
        level = y[source]
        stretch: list[int] = []
        low, high = -math.inf, math.inf
        for d in (*chain, None):
            if d is not None:
                u, w = above.get(d), below.get(d)
                least = -math.inf if u is None else y[u] + (tall[u] + tall[d]) / 2 + gap(u, d)
                most = math.inf if w is None else y[w] - (tall[w] + tall[d]) / 2 - gap(d, w)
                if max(low, least) <= min(high, most):
                    low, high = max(low, least), min(high, most)
                    stretch.append(d)
                    continue
            level = min(max(level, low), high)
            for member in stretch:
                y[member] = level
            if d is not None:
                low, high, stretch = least, most, [d]


def packed(layered: Layering, tall: Sequence[float], gap: Gap) -> list[float]:
    """Return heights with every column as short as it can be, all columns around one middle line."""
    y = [0.0] * len(layered.left)
    for layer in layered.layers:
        at = 0.0
        for i, v in enumerate(layer):
            at += tall[v] / 2 + (gap(layer[i - 1], v) + tall[layer[i - 1]] / 2 if i else 0.0)
            y[v] = at
        middle = (y[layer[0]] + y[layer[-1]]) / 2
        for v in layer:
            y[v] -= middle
    return y


def _weight(u: int, v: int, count: int) -> int:
    return (_BETWEEN_BOXES, _TO_DUMMY, _BETWEEN_DUMMIES)[(u >= count) + (v >= count)]


def _settle(layered: Layering, layer: list[int], y: list[float], tall: Sequence[float], gap: Gap) -> None:
    """Move one column to the weighted medians of its neighbours, keeping order and distances."""
    offset = 0.0
    offsets = []
    blocks: list[
        tuple[list[float], list[int]]
    ] = []  # the places that pull, and the vertices that move as one
    middles: list[float] = []
    for i, v in enumerate(layer):
        if i:
            u = layer[i - 1]
            offset += (tall[u] + tall[v]) / 2 + gap(u, v)
        offsets.append(offset)
        pulls: list[float] = []
        for near in (layered.left[v], layered.right[v]):
            for u in near:
                pulls += [y[u] - offset] * _weight(u, v, layered.count)
        block = (sorted(pulls) or [y[v] - offset], [i])
        middle = _middle(block[0])
        while middles and middles[-1] > middle:
            before = blocks.pop()
            middles.pop()
            block = (_merged(before[0], block[0]), before[1] + block[1])
            middle = _middle(block[0])
        blocks.append(block)
        middles.append(middle)
    for (_, members), middle in zip(blocks, middles, strict=True):
        for i in members:
            y[layer[i]] = middle + offsets[i]


def _merged(first: list[float], second: list[float]) -> list[float]:
    if len(second) > len(first):
        first, second = second, first
    if len(second) > 8:
        return sorted(first + second)
    for t in second:
        insort(first, t)
    return first


def _middle(places: list[float]) -> float:
    half = len(places) // 2
    return places[half] if len(places) % 2 else (places[half - 1] + places[half]) / 2
