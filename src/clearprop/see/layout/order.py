"""Second stage of a layout: the order of the boxes within each column, so that few arrows cross."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

Pairs = Sequence[tuple[int, int]]
_BUDGET = 90_000  # pairs of vertices compared in the search for few crossings: a fifth of a second


@dataclass
class Layering:
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


def with_dummies(rank: Sequence[int], edges: Pairs) -> Layering:
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
    return Layering(len(rank), layers, left, right, {u: chain for u, chain in chains.items() if chain})


def crossings(layered: Layering) -> int:
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


def reduce_crossings(layered: Layering, effort: float = 1.0) -> int:
    """Reorder the columns in place and return the number of crossings that is left.

    Sweeps to the right and to the left sort each column by the median or the mean of its neighbours'
    places; neighbours are exchanged and single vertices moved while that helps. Then, as long as the budget
    lasts, the best order is shaken a little and improved again. The budget counts steps, not seconds, and
    the shaking follows a fixed seed: the same graph always gets the same drawing.
    """
    search = _Search(layered, int(_BUDGET * effort))
    for forward, by_median in ((True, True), (False, False), (False, True), (True, False)):
        if search.best and (forward or search.left_over()):
            search.start(forward)
            search.sweeps(by_median)
    chance = random.Random(1)
    while search.best and search.left_over():
        search.shake(chance)
        search.sweeps(chance.random() < 0.5, rounds=6)
    layered.layers[:] = search.best_layers
    return search.best


class _Search:
    """A search for an order with few crossings: the present order, the best one seen, and the steps left."""

    def __init__(self, layered: Layering, budget: int) -> None:
        self.layered, self.layers, self.budget = layered, layered.layers, budget
        self.place = layered.positions()
        self.left: list[list[int]] = [[] for _ in layered.left]
        self.right: list[list[int]] = [[] for _ in layered.left]
        self.rank = {v: r for r, layer in enumerate(self.layers) for v in layer}
        self.refresh()
        self.best, self.best_layers = crossings(layered), [list(layer) for layer in self.layers]

    def left_over(self) -> bool:
        """Whether there is budget left."""
        return self.budget > 0

    def refresh(self) -> None:
        """Find the places of all neighbours anew."""
        place = self.place
        for layer in self.layers:
            for i, v in enumerate(layer):
                place[v] = i
        for v, (left, right) in enumerate(zip(self.layered.left, self.layered.right, strict=True)):
            self.left[v] = sorted([place[u] for u in left])
            self.right[v] = sorted([place[u] for u in right])

    def renewed(self, r: int) -> None:
        """Note that the order of column `r` has changed."""
        place = self.place
        for i, v in enumerate(self.layers[r]):
            place[v] = i
        for near, own, lists in (
            (r - 1, self.layered.right, self.right),
            (r + 1, self.layered.left, self.left),
        ):
            if 0 <= near < len(self.layers):
                for v in self.layers[near]:
                    lists[v] = sorted([place[u] for u in own[v]])

    def remember(self) -> bool:
        """Keep the present order if it is the best so far."""
        found = crossings(self.layered)
        if found < self.best:
            self.best, self.best_layers = found, [list(layer) for layer in self.layers]
            return True
        return False

    def start(self, forward: bool) -> None:
        """Order every column by a depth-first walk from the left (or from the right) ends."""
        toward = self.layered.right if forward else self.layered.left
        seen: set[int] = set()
        fresh: list[list[int]] = [[] for _ in self.layers]
        for layer in self.layers if forward else self.layers[::-1]:
            for root in sorted(layer):
                stack = [root]
                while stack:
                    v = stack.pop()
                    if v not in seen:
                        seen.add(v)
                        fresh[self.rank[v]].append(v)
                        stack.extend(u for u in reversed(toward[v]) if u not in seen)
        self.layers[:] = fresh
        self.refresh()
        self.remember()

    def shake(self, chance: random.Random) -> None:
        """Go back to the best order and move a few vertices of some columns elsewhere."""
        self.layers[:] = [list(layer) for layer in self.best_layers]
        wide = [r for r, layer in enumerate(self.layers) if len(layer) > 1]
        for r in chance.sample(wide, max(1, len(wide) // 3)):
            layer = self.layers[r]
            for _ in range(1 + len(layer) // 6):
                layer.insert(chance.randrange(len(layer)), layer.pop(chance.randrange(len(layer))))
        self.refresh()

    def sweeps(self, by_median: bool, rounds: int = 20) -> None:
        """Sort the columns from left to right and back, exchanging and moving vertices after each sweep."""
        stale = 0
        for sweep in range(rounds):
            toward_right = sweep % 2 == 0
            columns = range(1, len(self.layers)) if toward_right else range(len(self.layers) - 2, -1, -1)
            for r in columns:
                self.sort(r, self.left if toward_right else self.right, by_median, flip=sweep % 4 >= 2)
            self.exchange(sideways=sweep % 4 >= 2)
            if self.left_over():
                self.move()
            stale = 0 if self.remember() else stale + 1
            if stale >= 4 or not self.best or not self.left_over():
                return

    def sort(self, r: int, neighbours: list[list[int]], by_median: bool, flip: bool) -> None:
        """Sort a column by its neighbours' places; a vertex without neighbours keeps its own place."""
        layer = self.layers[r]
        key: dict[int, float] = {}
        for v in layer:
            near = neighbours[v]
            if near:
                key[v] = _median(near) if by_median and len(near) > 2 else sum(near) / len(near)
        free = [i for i, v in enumerate(layer) if v in key]
        ordered = [layer[i] for i in free]
        if flip:  # equal keys in the other order: a way out of a dead end
            ordered.reverse()
        ordered.sort(key=key.__getitem__)
        for i, v in zip(free, ordered, strict=True):
            layer[i] = v
        self.budget -= len(layer)
        self.renewed(r)

    def exchange(self, sideways: bool, rounds: int = 8) -> None:
        """Exchange neighbours in a column while that removes crossings; `sideways` also where it costs
        none.
        """
        active = set(range(len(self.layers)))
        for _ in range(rounds):
            improved: set[int] = set()
            for r in sorted(active):
                layer, changed = self.layers[r], False
                for i in range(len(layer) - 1):
                    u, v = layer[i], layer[i + 1]
                    saved = self.gain(u, v)
                    if saved > 0 or (sideways and saved == 0):
                        layer[i], layer[i + 1] = v, u
                        changed = True
                        if saved:
                            improved |= {r - 1, r, r + 1}
                if changed:
                    self.renewed(r)
            active = improved & set(range(len(self.layers)))
            if not active:
                return

    def gain(self, u: int, v: int) -> int:
        """Return the crossings saved when `v`, now below `u`, comes above it."""
        self.budget -= 1
        saved = 0
        for first, second in ((self.left[u], self.left[v]), (self.right[u], self.right[v])):
            if first and second and first[-1] > second[0]:
                for a in first:
                    saved += bisect_left(second, a) - len(second) + bisect_right(second, a)
            elif first and second:
                saved -= _orderly(first, second)
        return saved

    def move(self) -> None:
        """Move every vertex to the place in its column where it causes the fewest crossings."""
        for r, layer in enumerate(self.layers):
            if len(layer) < 3:
                continue
            moved = False
            for v in list(layer):
                i = layer.index(v)
                best, where = 0, i
                saved = 0
                for j in range(i - 1, -1, -1):
                    saved += self.gain(layer[j], v)
                    if saved > best:
                        best, where = saved, j
                saved = 0
                for j in range(i + 1, len(layer)):
                    saved += self.gain(v, layer[j])
                    if saved > best:
                        best, where = saved, j
                if where != i:
                    layer.insert(where, layer.pop(i))
                    moved = True
            if moved:
                self.renewed(r)


def _orderly(first: list[int], second: list[int]) -> int:
    """Return the crossings that an exchange would bring to edges that do not cross now."""
    shared = first[-1] == second[0]
    return len(first) * len(second) - (first.count(first[-1]) * second.count(second[0]) if shared else 0)


def _median(places: list[int]) -> float:
    """Return the median; between two middle places the one on the side where the others are closer."""
    middle = len(places) // 2
    if len(places) % 2:
        return places[middle]
    below, above = places[middle - 1] - places[0], places[-1] - places[middle]
    if below + above == 0:
        return (places[middle - 1] + places[middle]) / 2
    return (places[middle - 1] * above + places[middle] * below) / (below + above)
