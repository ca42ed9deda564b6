"""First stage of a layout: the column (rank) of every box, so that all arrows point to the right and few
are long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Pairs = Sequence[tuple[int, int]]
_LARGEST_CLUSTER = 60  # boxes moved together; more would cost more than it straightens


def ranks(count: int, edges: Pairs, left: Iterable[int] = ()) -> list[int]:
    """Return the rank of each of `count` boxes; an edge `(u, v)` means that `u` stands left of `v`.

    Boxes in `left` stay in column 0. The others start as far left as their inputs allow (the longest path)
    and are then pulled to the right, alone or in clusters, wherever that makes the edges shorter in sum.

    >>> ranks(4, [(0, 1), (1, 3), (2, 3)])
    [0, 1, 1, 2]
    >>> ranks(4, [(0, 1), (1, 3), (2, 3)], left=[2])
    [0, 1, 0, 2]
    """
    pairs = set(edges)
    inputs: list[list[int]] = [[] for _ in range(count)]
    users: list[list[int]] = [[] for _ in range(count)]
    for u, v in sorted(pairs):
        inputs[v].append(u)
        users[u].append(v)
    order = _topological(inputs, users)
    rank = [0] * count
    for v in order:
        for u in users[v]:
            rank[u] = max(rank[u], rank[v] + 1)
    _tighten(order, inputs, users, rank, set(left))
    column = {r: i for i, r in enumerate(sorted(set(rank)))}  # no column stays empty
    return [column[r] for r in rank]


def _topological(inputs: list[list[int]], users: list[list[int]]) -> list[int]:
    waiting = [len(us) for us in inputs]
    order = [v for v, n in enumerate(waiting) if n == 0]
    for v in order:  # grows while it is walked
        for u in users[v]:
            waiting[u] -= 1
            if waiting[u] == 0:
                order.append(u)
    if len(order) < len(inputs):
        raise ValueError("the edges run in a circle, so no order of the boxes exists")
    return order


def _tighten(
    order: list[int], inputs: list[list[int]], users: list[list[int]], rank: list[int], pinned: set[int]
) -> None:
    for _ in range(8):
        moved = False
        for v in reversed(order):
            if not users[v] or v in pinned or all(rank[u] == rank[v] + 1 for u in users[v]):
                continue
            cluster = _cluster(v, inputs, users, rank, pinned)
            if not cluster:
                continue
            leaving = [rank[u] - rank[w] - 1 for w in cluster for u in users[w] if u not in cluster]
            entering = sum(1 for w in cluster for u in inputs[w] if u not in cluster)
            if not leaving or len(leaving) < entering or min(leaving) == 0:
                continue
            for w in cluster:
                rank[w] += min(leaving)
            moved = True
        if not moved:
            return


def _cluster(
    v: int, inputs: list[list[int]], users: list[list[int]], rank: list[int], pinned: set[int]
) -> set[int]:
    """Return `v` with the boxes that have to move along to the right, and the inputs that may as well."""
    cluster = {v}
    stack = [v]
    while stack:
        w = stack.pop()
        for u in users[w]:
            if rank[u] == rank[w] + 1 and u not in cluster:
                cluster.add(u)
                stack.append(u)
        for u in inputs[w]:
            free = u not in cluster and u not in pinned and rank[w] == rank[u] + 1
            if free and all(x in cluster or rank[x] > rank[u] + 1 for x in users[u]):
                cluster.add(u)
                stack.append(u)
        if len(cluster) > _LARGEST_CLUSTER or not cluster.isdisjoint(pinned):
            return set()
    return cluster
