"""A graph as a tree: modules with what they hold, the loss behind them, and groups where there is no module.

Every group is a stretch of the order in which the nodes were made. Arrows lead from earlier to later, so
those between groups never run in a circle, whatever is open and whatever closed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from clearprop.see.drawing.boxes import Box, Link
from clearprop.see.drawing.folding import COMFORTABLE, calls, likeness_of
from clearprop.see.drawing.operations import UNNAMED
from clearprop.see.page.cluster import Cluster, Kid
from clearprop.see.page.patterns import gathered
from clearprop.tensor import Tensor

_MOST_LEAVES = 12  # inputs side by side in a crowded group


def tree_of(
    boxes: Sequence[Box],
    links: Sequence[Link],
    order: Sequence[Tensor],
    model: Any = None,
    prefix: str = "",
    most: int = COMFORTABLE,
) -> Cluster:
    """Return the boxes of a graph as a tree whose root holds them all.

    Without a `model` a graph of at most so many boxes stays flat, and a larger one gets groups of its own:
    repeated patterns, then slices. `prefix` is what the model is called.
    """
    number = {box.id: i for i, box in enumerate(boxes)}
    pairs = [(number[link.source], number[link.target]) for link in links]
    made = [i for i, box in enumerate(boxes) if _computed(box)]
    root = Cluster("")
    if model is None:
        root.kids += made
    else:
        _grow(root, boxes, made, calls(order, model), dict(model.named_modules()), prefix)
        _set_loss_apart(root, boxes, order[-1])
    for group in reversed(list(root.groups())):
        group.kids = gathered(group.kids, boxes, pairs, most)
    given = _given(boxes, pairs, model) if model is not None else set()
    _add_leaves(root, boxes, pairs, given)
    _dissolve(root)
    for group in list(root.groups()):
        _gather_leaves(group, boxes)
    return root


def _computed(box: Box) -> bool:
    return isinstance(box.node, Tensor) and box.node.op is not None


def _grow(
    root: Cluster,
    boxes: Sequence[Box],
    made: Iterable[int],
    stacks: Mapping[Tensor, Sequence[tuple[str, int]]],
    modules: Mapping[str, Any],
    prefix: str,
) -> None:
    """Give each module's call a group; what is made after a call has been left belongs to a new one."""
    way: list[Cluster] = [root]
    keys: list[tuple[str, int]] = []
    for i in made:
        wanted = list(stacks.get(boxes[i].node, ()))
        common = next(
            (n for n, pair in enumerate(zip(keys, wanted, strict=False)) if pair[0] != pair[1]),
            min(len(keys), len(wanted)),
        )
        del way[common + 1 :]
        for path, _ in wanted[common:]:
            module = modules[path]
            kind = type(module).__name__
            title = ".".join(part for part in (prefix, path) if part) or kind
            group = Cluster(
                title, "" if title == kind else kind, path, [], module.count_parameters(), likeness_of(module)
            )
            way[-1].kids.append(group)
            way.append(group)
        keys = wanted
        way[-1].kids.append(i)


def _set_loss_apart(root: Cluster, boxes: Sequence[Box], output: Tensor) -> None:
    """Put what follows the model and ends in a single number into one box."""
    last = max((n for n, kid in enumerate(root.kids) if isinstance(kid, Cluster)), default=-1)
    behind = root.kids[last + 1 :]
    if last >= 0 and len(behind) > 1 and output._value.size == 1:
        name = boxes[behind[-1]].name if isinstance(behind[-1], int) else ""
        root.kids[last + 1 :] = [
            Cluster(name or "loss", "" if name in ("", "loss") else "loss", "", behind, loss=True)
        ]


def _given(boxes: Sequence[Box], pairs: Sequence[tuple[int, int]], model: Any) -> set[int]:
    """Return what comes to a model from outside: leaves with a name that are none of its own, and its very
    first input.
    """
    own = {id(x) for x in (*model.parameters(), *model.buffers())}
    outside = {i for i, box in enumerate(boxes) if not _computed(box) and id(box.node) not in own}
    earliest = min((target for source, target in pairs if source in outside), default=-1)
    first = {source for source, target in pairs if target == earliest}
    return {i for i in outside if i in first or boxes[i].title not in UNNAMED}


def _homes(root: Cluster) -> tuple[dict[int, Cluster], dict[Cluster, Cluster]]:
    """Return the group of every box, and that of every group."""
    home: dict[int, Cluster] = {}
    above: dict[Cluster, Cluster] = {}
    for group in root.groups():
        for kid in group.kids:
            if isinstance(kid, Cluster):
                above[kid] = group
            else:
                home[kid] = group
    return home, above


def _add_leaves(
    root: Cluster, boxes: Sequence[Box], pairs: Sequence[tuple[int, int]], given: Collection[int]
) -> None:
    """Put every leaf into the innermost group that holds all its users, before the first of them; what is
    `given` to a model from outside stands outside.
    """
    home, above = _homes(root)

    def way(i: int) -> list[Cluster]:
        found = [home[i]]
        while found[-1] in above:
            found.append(above[found[-1]])
        return found[::-1]

    ways: dict[int, list[Cluster]] = {}  # of every leaf: the groups that hold all its users
    for source, target in pairs:
        if not _computed(boxes[source]):
            there = way(target)
            known = ways.get(source, there)
            ways[source] = [a for a, b in zip(known, there, strict=False) if a is b]
    entering: dict[Cluster, list[int]] = {}
    for i, box in enumerate(boxes):
        if not _computed(box):
            inside = i in ways and i not in given
            entering.setdefault(ways[i][-1] if inside else root, []).append(i)
    begins = _beginnings(root, boxes, pairs)
    for group, leaves in entering.items():
        group.kids = sorted([*leaves, *group.kids], key=lambda kid: begins.get(kid, 0.0))


def _beginnings(root: Cluster, boxes: Sequence[Box], pairs: Sequence[tuple[int, int]]) -> dict[Kid, float]:
    """Return where each box and group stands in the order of making; a leaf right before its first user."""
    found: dict[Kid, float] = {i: float(n) for n, i in enumerate(root.boxes())}
    for group in reversed(list(root.groups())):
        found[group] = min((found[kid] for kid in group.kids), default=0.0)
    for source, target in pairs:
        if not _computed(boxes[source]):
            found[source] = min(found.get(source, math.inf), found[target] - 0.5)
    return found


def _dissolve(root: Cluster) -> None:
    """Draw a group that holds a single thing as that thing."""
    for group in reversed(list(root.groups())):
        if len(group.kids) == 1 and isinstance(group.kids[0], Cluster) and group is not root:
            only = group.kids[0]  # a Sequential of equal layers is their run
            group.kids, group.sealed = only.kids, only.sealed
            group.kind = only.kind or only.title if only.sealed else group.kind
    for group in list(root.groups()):
        group.kids = [
            kid.kids[0] if isinstance(kid, Cluster) and len(kid.kids) == 1 else kid for kid in group.kids
        ]
    if len(root.kids) == 1 and isinstance(root.kids[0], Cluster):
        root.kids = root.kids[0].kids


def _gather_leaves(group: Cluster, boxes: Sequence[Box]) -> None:
    """Put the inputs of a crowded group into one box."""
    leaves = [kid for kid in group.kids if isinstance(kid, int) and not _computed(boxes[kid])]
    if len(group.kids) > COMFORTABLE and len(leaves) > _MOST_LEAVES and len(leaves) < len(group.kids):
        kinds = "inputs" if any(boxes[i].kind == "input" for i in leaves) else "constants"
        within = set(leaves)
        rest = [kid for kid in group.kids if kid not in within]
        group.kids = [Cluster(f"{len(leaves)} {kinds}", "", "", list(leaves), sealed=True), *rest]
