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
from clearprop.tensor import Tensor, raw


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
    shown = set(order if within is None else within)
    texts = grad_text, value_text, grads
    walk = _Boxing(output, order, shown, known, folds, texts)
    for node in order:
        if node in shown and (node.op is not None or node is output):
            walk.visit(node)
    headed(walk.boxes, known, language)
    return walk.boxes, walk.links()


class _Boxing:
    """One walk over a graph: the boxes, and which of them stands for which node, array or fold."""

    def __init__(
        self,
        output: Tensor,
        order: list[Tensor],
        shown: set[Tensor],
        known: Mapping[int, str],
        folds: Sequence[FoldedModule],
        texts: tuple[Texts | None, Texts | None, Mapping[Tensor, Any] | None],
    ) -> None:
        self.output, self.order, self.shown, self.known = output, order, shown, known
        self.folds, self.texts = folds, texts
        self.users = users_in(order)
        self.numbers = {node: n for n, node in enumerate(order)}
        self.fold_of = {node: fold for fold in folds for node in fold.members}
        self.boxes: list[Box] = []
        self.ids: dict[int, str] = {}

    def visit(self, node: Tensor) -> None:
        """Add the boxes of a node and of what comes right before it: leaves and plain arrays, once each."""
        for x, value in zip(node.inputs, node.values, strict=True):
            if id(x) not in self.ids and not is_number(x):
                self._add(x, self._of_input(x, value))
        fold = self.fold_of.get(node)
        if fold is None:
            self._add(node, self._of_node(node))
            if any(user not in self.shown for user, _ in self.users.get(node, ())):
                self.boxes[-1].kind = "output"
            return
        if id(fold) not in self.ids:
            name = f"m{self.folds.index(fold)}"
            self._add(fold, module_box(name, fold, self.output, self.users, self.texts[2]))
        self.ids.update((id(member), self.ids[id(fold)]) for member in fold.members)

    def links(self) -> list[Link]:
        """Return the arrows between the boxes, once each."""
        found: dict[tuple[str, str, int], Link] = {}
        for node in self.order:
            here = self.ids.get(id(node))
            if node not in self.shown or here is None:
                continue
            for i, x in enumerate(node.inputs):
                there = self.ids.get(id(x), here)
                if there != here:
                    key = (there, here, 0 if node in self.fold_of else i)
                    found.setdefault(key, Link("-".join(map(str, key)), *key))
        return list(found.values())

    def _add(self, thing: object, box: Box | None) -> None:
        if box is not None:
            self.ids[id(thing)] = box.id
            self.boxes.append(box)

    def _of_node(self, node: Tensor) -> Box:
        grad_text, value_text, grads = self.texts
        name = f"n{self.numbers[node]}"
        return node_box(name, node, self.output, self.known, self.users, grad_text, value_text, grads)

    def _of_input(self, x: Any, value: Any) -> Box | None:
        """Return the box of what nobody else adds: an array, a leaf, or what lies outside of the picture."""
        if not isinstance(x, Tensor):
            constants = sum(1 for box in self.boxes if box.id[0] == "c")
            box = array_box(f"c{constants}", value, self.known.get(id(x), ""))
            box.node = x
            return box
        if x not in self.shown:
            return _outside(f"x{self.numbers[x]}", x, self.known)
        return self._of_node(x) if x.op is None and x not in self.fold_of else None


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
        show_array(box, leaving[0]._value, raw(grad))
    elif len(leaving) == 1:
        single = node_box(id, leaving[0], output, {}, {}, grads=grads)
        box.value, box.grad = single.value, single.grad
    elif leaving:
        box.value = f"{len(leaving)} outputs"
    return measure(box)
