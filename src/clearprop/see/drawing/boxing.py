"""From a graph to boxes: which there are, with folded modules as one box each, and the arrows between them.
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from clearprop.graph import topological_order, users_in
from clearprop.see.drawing.boxes import (
    Box,
    Link,
    Texts,
    Users,
    array_box,
    is_number,
    measure,
    node_box,
    show_array,
)
from clearprop.see.drawing.folding import FoldedModule
from clearprop.see.drawing.operations import headed
from clearprop.tensor import Tensor


def boxes_of(
    output: Tensor,
    *,
    names: Mapping[int, str] | None = None,
    folds: Sequence[FoldedModule] = (),
    within: Iterable[Tensor] | None = None,
    grad_text: Texts | None = None,
    value_text: Texts | None = None,
    grads: Mapping[Tensor, Any] | None = None,
    language: str = "en",
) -> tuple[list[Box], list[Link]]:
    """Return the boxes of the graph that led to `output`, in topological order, and the arrows between them.

    Numbers stand inside the box of the op that uses them (`b ** 3`); arrays have a box of their own, the
    nodes of a fold share one. With `within` only these nodes are shown, with a box for everything that
    flows into them.
    """
    known = names or {}
    order = topological_order(output)
    users = users_in(order)
    shown = set(order if within is None else within)
    fold_of = {node: fold for fold in folds for node in fold.members}
    boxes: list[Box] = []
    links: dict[tuple[str, str, int], Link] = {}
    ids: dict[int, str] = {}

    def add(thing: object, box: Box) -> None:
        ids[id(thing)] = box.id
        boxes.append(box)

    numbers = {node: n for n, node in enumerate(order)}

    def box_for(node: Tensor) -> Box:
        return node_box(f"n{numbers[node]}", node, output, known, users, grad_text, value_text, grads)

    for node in order:
        if node not in shown or (node.op is None and node is not output):
            continue
        fold = fold_of.get(node)
        for i, x in enumerate(node.inputs):  # leaves and plain arrays come right before their first user
            if id(x) in ids or is_number(x):
                continue
            if not isinstance(x, Tensor):
                constants = sum(1 for box in boxes if box.id[0] == "c")
                box = array_box(f"c{constants}", node.values[i], known.get(id(x), ""))
                box.node = x
                add(x, box)
            elif x not in shown:
                add(x, _outside(f"x{numbers[x]}", x, known))
            elif x.op is None and x not in fold_of:
                add(x, box_for(x))
        if fold is None:
            add(node, box_for(node))
            if within is not None and any(user not in shown for user, _ in users.get(node, ())):
                boxes[-1].kind = "output"
        else:
            if id(fold) not in ids:
                add(fold, module_box(f"m{folds.index(fold)}", fold, output, users, grads))
            ids.update((id(member), ids[id(fold)]) for member in fold.members)
    for node in order:
        if node in shown:
            for i, x in enumerate(node.inputs):
                if id(x) in ids and ids[id(x)] != ids[id(node)]:
                    key = (ids[id(x)], ids[id(node)], 0 if node in fold_of else i)
                    links.setdefault(key, Link("-".join(map(str, key)), *key))
    headed(boxes, known, language)
    return boxes, list(links.values())


def _outside(id: str, node: Tensor, names: Mapping[int, str]) -> Box:
    """Return the box of a node that lies outside of what is drawn but flows into it."""
    box = node_box(id, node, node, names, {})
    box.kind, box.note = "constant", ""
    return measure(box)


def module_box(
    id: str,
    fold: FoldedModule,
    output: Tensor,
    users: Users,
    grads: Mapping[Tensor, Any] | None = None,
) -> Box:
    """Return the box of a folded module: its path and class, and the value and gradient of its output."""
    box = Box(id, None, "module", fold.title or fold.kind, note=fold.kind if fold.title else "")
    weights = fold.parameters
    box.footer = f"{weights:,} parameter{'' if weights == 1 else 's'}" if weights else ""
    box.members, box.path = tuple(fold.members), fold.path
    inside = set(fold.members)
    leaving = [
        node
        for node in fold.members
        if node is output or any(user not in inside for user, _ in users.get(node, ()))
    ]
    if len(leaving) == 1 and np.ndim(leaving[0]._value):
        grad = leaving[0].grad if grads is None else grads.get(leaving[0])
        box.alarm = node_box(id, leaving[0], output, {}, {}, grads=grads).alarm
        show_array(box, leaving[0]._value, grad._value if isinstance(grad, Tensor) else grad)
    elif len(leaving) == 1:
        single = node_box(id, leaving[0], output, {}, {}, grads=grads)
        box.value, box.grad = single.value, single.grad
    elif leaving:
        box.value = f"{len(leaving)} outputs"
    return measure(box)
