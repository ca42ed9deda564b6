"""Second stage of a layout: the order of the boxes within each column, so that few arrows cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

Pairs = Sequence[tuple[int, int]]


@dataclass
class Layers:
    """Columns of vertices, where an edge joins neighbouring columns only.

    Vertices up to `count` are boxes; the others are dummies, places where a long edge passes a column. All
    long edges that leave a box share one chain of dummies and branch off where they are needed, as the
    wires of a circuit do.
    """

    count: int
    layers: list[list[int]]
    left: list[list[int]]
    """The neighbours of each vertex in the column to its left."""
    right: list[list[int]]
    chains: dict[int, list[int]]
    """The dummies of each box with long edges, one per column."""

    def positions(self) -> list[int]:
        """Return the place of each vertex in its column."""
        place = [0] * len(self.left)
        for layer in self.layers:
            for i, v in enumerate(layer):
                place[v] = i
        return place


def with_dummies(rank: Sequence[int], edges: Pairs) -> Layers:
    """Return the columns of `rank`, with a dummy wherever an edge passes a column.

    >>> layered = with_dummies([0, 1, 2], [(0, 1), (1, 2), (0, 2)])
    >>> layered.layers, layered.chains
    ([[0], [1, 3], [2]], {0: [3]})
    """
    layers: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for v, r in enumerate(rank):
        layers[r].append(v)
    left: list[list[int]] = [[] for _ in rank]
    right: list[list[int]] = [[] for _ in rank]
    chains: dict[int, list[int]] = {}
    for u, v in sorted(set(edges), key=lambda edge: (edge[0], rank[edge[1]])):
        chain = chains.setdefault(u, [])
        for r in range(rank[u] + 1 + len(chain), rank[v]):
            dummy = len(left)
            before = chain[-1] if chain else u
            left.append([before])
            right[before].append(dummy)
            right.append([])
            layers[r].append(dummy)
            chain.append(dummy)
        before = chain[rank[v] - rank[u] - 2] if rank[v] > rank[u] + 1 else u
        left[v].append(before)
        right[before].append(v)
    return Layers(len(rank), layers, left, right, {u: chain for u, chain in chains.items() if chain})


def crossings(layered: Layers) -> int:
    """Count the pairs of edges that cross, given the order in each column."""
    place = layered.positions()
    return sum(_between(layer, layered.right, place) for layer in layered.layers)


def _between(layer: list[int], right: list[list[int]], place: list[int]) -> int:
    seen: list[int] = []
    total = 0
    for v in layer:
        ends = sorted([place[u] for u in right[v]])
        for end in ends:
            total += len(seen) - bisect_right(seen, end)
        for end in ends:
            insort(seen, end)
    return total


def reduce_crossings(layered: Layers, effort: float = 1.0) -> int:
    """Reorder the columns in place and return the number of crossings that is left.

    Sweeps to the right and to the left sort each column by the median or the mean of its neighbours'
    places; then neighbours are exchanged while that helps. The best order seen is kept; several starts are
    tried on small graphs.
    """
    best, best_layers = _first_order(layered), [list(layer) for layer in layered.layers]
    size = len(layered.left)
    budget = (
        effort * (400_000 if size < 400 else 150_000) / (size + 1)
    )  # vertices looked at, not seconds: reproducible
    starts = (True, False) if size < 6000 else (True,)
    for forward in starts:
        for by_median in (True, False):
            if best == 0:
                break
            _start(layered, forward)
            found, order = _sweeps(layered, by_median, max(4, min(24, int(budget / 8))))
            if found < best:
                best, best_layers = found, order
    layered.layers[:] = best_layers
    return best


def _first_order(layered: Layers) -> int:
    _start(layered, True)
    return crossings(layered)


def _start(layered: Layers, forward: bool) -> None:
    """Order every column by a depth-first walk from the left (or from the right) ends."""
    place = layered.positions()
    toward = layered.right if forward else layered.left
    columns = layered.layers if forward else layered.layers[::-1]
    seen: set[int] = set()
    rank = {v: r for r, layer in enumerate(layered.layers) for v in layer}
    fresh: list[list[int]] = [[] for _ in layered.layers]
    for layer in columns:
        for root in sorted(layer, key=place.__getitem__):
            stack = [root]
            while stack:
                v = stack.pop()
                if v not in seen:
                    seen.add(v)
                    fresh[rank[v]].append(v)
                    stack.extend(u for u in reversed(toward[v]) if u not in seen)
    layered.layers[:] = fresh


def _sweeps(layered: Layers, by_median: bool, rounds: int) -> tuple[int, list[list[int]]]:
    place = layered.positions()
    best, best_layers = crossings(layered), [list(layer) for layer in layered.layers]
    stale = 0
    for sweep in range(rounds):
        toward_right = sweep % 2 == 0
        neighbours = layered.left if toward_right else layered.right
        columns = layered.layers[1:] if toward_right else layered.layers[-2::-1]
        for layer in columns:
            _sort(layer, neighbours, place, by_median, flip=sweep % 4 >= 2)
        _exchange(layered, place)
        found = crossings(layered)
        if found < best:
            best, best_layers, stale = found, [list(layer) for layer in layered.layers], 0
        else:
            stale += 1
            if stale >= 6 or best == 0:
                break
    return best, best_layers


def _sort(
    layer: list[int], neighbours: list[list[int]], place: list[int], by_median: bool, flip: bool
) -> None:
    """Sort a column by its neighbours' places; a vertex without neighbours keeps its own place."""
    key: dict[int, float] = {}
    for v in layer:
        near = neighbours[v]
        if len(near) > 2 and by_median:
            key[v] = _median(sorted([place[u] for u in near]))
        elif near:
            key[v] = sum([place[u] for u in near]) / len(near)
    free = [i for i, v in enumerate(layer) if v in key]
    ordered = [layer[i] for i in free]
    if flip:  # equal keys in the other order: a way out of a dead end
        ordered.reverse()
    ordered.sort(key=key.__getitem__)
    for i, v in zip(free, ordered, strict=True):
        layer[i] = v
    for i, v in enumerate(layer):
        place[v] = i


def _median(places: list[int]) -> float:
    """Return the median, and between two middle places the one on the side where the others are closer
    together.
    """
    middle = len(places) // 2
    if len(places) % 2:
        return places[middle]
    below, above = places[middle - 1] - places[0], places[-1] - places[middle]
    if below + above == 0:
        return (places[middle - 1] + places[middle]) / 2
    return (places[middle - 1] * above + places[middle] * below) / (below + above)


def _exchange(layered: Layers, place: list[int], rounds: int = 6) -> None:
    """Exchange neighbours in a column while that removes crossings."""
    left = [sorted([place[u] for u in near]) for near in layered.left]
    right = [sorted([place[u] for u in near]) for near in layered.right]
    active = set(range(len(layered.layers)))
    for _ in range(rounds):
        changed: set[int] = set()
        for r in sorted(active):
            layer = layered.layers[r]
            swapped = False
            for i in range(len(layer) - 1):
                u, v = layer[i], layer[i + 1]
                gain = _inversions(left[u], left[v]) + _inversions(right[u], right[v])
                if gain > 0:
                    layer[i], layer[i + 1] = v, u
                    place[u], place[v] = i + 1, i
                    swapped = True
            if swapped:
                changed |= {r - 1, r, r + 1}
                for near_layer, own, lists in ((r - 1, layered.right, right), (r + 1, layered.left, left)):
                    if 0 <= near_layer < len(layered.layers):
                        for v in layered.layers[near_layer]:
                            lists[v] = sorted([place[u] for u in own[v]])
        active = {r for r in changed if 0 <= r < len(layered.layers)}
        if not active:
            return


def _inversions(first: list[int], second: list[int]) -> int:
    """Return the crossings saved when the vertex with neighbours `second` comes above the one with `first`.
    `first`.
    """
    saved = 0
    for a in first:
        for b in second:
            saved += (a > b) - (a < b)
    return saved
