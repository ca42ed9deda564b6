"""What a page is told of a graph, as data: boxes, groups and plans; no mark-up, and no place on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.graph import topological_order, users_in
from clearprop.see.drawing.boxes import PAD, SMALL_GLYPH, Box, Link, measure, title_of
from clearprop.see.drawing.boxing import boxes_of, module_box
from clearprop.see.drawing.folding import FoldedModule
from clearprop.see.drawing.operations import counted
from clearprop.see.drawing.pictures import Picture, levels, palette
from clearprop.see.numbers import brief
from clearprop.see.page.cluster import Cluster
from clearprop.see.page.plans import INNER, ROOMS, WIDEST, Planner, Wiring, shown_of, wiring
from clearprop.see.page.tree import tree_of
from clearprop.tensor import Tensor

_FEW = 12  # boxes that are left flat also where they sprawl
_SCREEN = (1700, 900)  # pixels that can be seen at once, small but readable
_WIDE = 290.0  # pixels, from which on a box has a line more on a narrow screen
_SIGN = 16.0  # room for the sign that a closed group can be opened

_KEYS = {"id": "id", "kind": "k", "title": "t", "name": "n", "note": "o", "label": "l", "value": "v",
         "grad": "g", "footer": "f"}  # fmt: skip


class Story:
    """A graph as boxes, groups and plans.

    `boxes` are those of all nodes, `root` is the tree of groups over them, and `data` what the page is told.
    """

    boxes: list[Box]
    links: list[Link]

    def __init__(
        self,
        output: Tensor,
        model: Any = None,
        prefix: str = "",
        names: Mapping[int, str] | None = None,
        left: bool = True,
        **texts: Any,
    ) -> None:
        self.output = output
        self.order: list[Tensor] = topological_order(output)
        self.boxes, self.links = boxes_of(output, names=names, **texts)
        self.left = left
        self.root: Cluster = tree_of(self.boxes, self.links, self.order, model, prefix)
        self.groups: list[Cluster] = list(self.root.groups())
        self.language: str = texts.get("language", "en")
        self._cards = self._closed(texts.get("grads"))
        self._within: set[str] = set()
        self._shorten(self.root, "")
        if model is None and len(self.root.kids) > _FEW and self._sprawls():
            self.root = tree_of(self.boxes, self.links, self.order, most=_FEW)
            self.groups = list(self.root.groups())
            self._cards = self._closed(texts.get("grads"))

    def _sprawls(self) -> bool:
        """Whether what the root holds could not be read at once on a screen."""
        planner, wires = Planner(), wiring(self.root, self.boxes, self.links)
        shown = shown_of(self.root, self.boxes, self._cards)
        planner.plan(shown, wires.ports[self.root], wires.arrows[self.root], self.left, WIDEST)
        return bool(planner.plans[0]["w"] > _SCREEN[0] or planner.plans[0]["h"] > _SCREEN[1])

    def _closed(self, grads: Mapping[Tensor, Any] | None) -> dict[Cluster, Box]:
        users = users_in(self.order)
        found = {}
        for n, group in enumerate(self.groups):
            nodes = [node for i in group.boxes() if isinstance(node := self.boxes[i].node, Tensor)]
            fold = FoldedModule(group.path, group.title, group.kind, nodes, group.parameters)
            box = module_box(f"m{n}", fold, self.output, users, grads)
            made = sum(node.op is not None for node in nodes)
            size = made or len(nodes)
            count = f"{size} node" if size == 1 else f"{size} nodes"
            box.footer = " \N{MIDDLE DOT} ".join(part for part in (count, box.footer) if part)
            box.footer, box.value = (counted(words, self.language) for words in (box.footer, box.value))
            box.title, box.note = (counted(words, self.language) for words in (box.title, box.note))
            self._measure(box)
            found[group] = box
        return found

    def _shorten(self, group: Cluster, above: str) -> None:
        """Leave out of every name what the box around it says already: `weight` inside `net.0`."""
        here = f"{group.title}." if group.likeness else above
        for kid in group.kids:
            box = self._cards[kid] if isinstance(kid, Cluster) else self.boxes[kid]
            if isinstance(kid, Cluster):
                self._shorten(kid, here)
            if here and box.title.startswith(here):
                box.title = box.title[len(here) :]
                self._within.add(box.id)
                self._measure(box)

    def _measure(self, box: Box, narrow: bool = False) -> Box:
        measure(box, narrow)
        if box.kind != "module":
            return box
        if not box.label:
            box.w, box.h = max(box.w, len(box.footer) * SMALL_GLYPH + 2 * PAD), box.h + 18.0
        box.w += _SIGN
        return box

    def data(self, title: str) -> dict[str, Any]:
        """Return everything as lists and numbers, ready to be written as JSON."""
        wires, planner = wiring(self.root, self.boxes, self.links), Planner()
        number = {group: len(self.boxes) + n for n, group in enumerate(self.groups)}
        groups = []
        for group in self.groups:
            ports = wires.ports[group]
            shown = shown_of(group, self.boxes, self._cards)
            whole = group is self.root
            plan = planner.plan(
                shown, ports, wires.arrows[group], self.left and whole, WIDEST if whole else INNER
            )
            groups.append(
                self._written(self._cards[group])
                | {
                    "kids": [number[kid] if isinstance(kid, Cluster) else kid for kid in group.kids],
                    "ins": ports.ins,
                    "outs": ports.outs,
                    "plan": plan,
                    **({"path": group.title} if group.likeness else {}),
                    **({"sealed": 1} if group.sealed else {}),
                    **({"loss": 1} if group.loss else {}),
                }
            )
        entering = _entering(self.boxes, self.links)
        return {
            "title": title,
            "palette": palette(),
            "boxes": [self._written(box) | {"i": entering[i]} for i, box in enumerate(self.boxes)],
            "groups": groups,
            **self._rooms(planner, wires),
            "plans": planner.plans,
        }

    def _rooms(self, planner: Planner, wires: Wiring) -> dict[str, Any]:
        """Return the plans of the whole in narrower windows, and which of its kids are narrow in the last."""
        shown = shown_of(self.root, self.boxes, self._cards)
        root = wires.ports[self.root], wires.arrows[self.root], False
        *rooms, slim = ROOMS
        plans = [planner.plan(shown, *root, room) for room in rooms if planner.plans[0]["w"] > room]
        narrow = [k for k, box in enumerate(shown) if box.w > _WIDE and (box.label or box.value)]
        for k in narrow:
            shown[k] = self._measure(replace(shown[k]), narrow=True)
        return {"rooms": [*plans, planner.plan(shown, *root, slim)], "narrow": narrow}

    def _written(self, box: Box) -> dict[str, Any]:
        """Return a box as a page reads it: short keys, and nothing that is empty."""
        found: dict[str, Any] = {
            short: getattr(box, key) for key, short in _KEYS.items() if getattr(box, key)
        }
        for key, shown in (("p", box.value_picture), ("q", box.grad_picture)):
            if shown is not None:
                found[key] = drawn(shown)
        if box.alarm:
            found["a"] = 1
        if box.id in self._within:
            found["r"] = 1
        if isinstance(box.node, Tensor) and box.node.op is not None and (box.name or self.language != "en"):
            found["op"] = title_of(box.node)
        return found


def _entering(boxes: Sequence[Box], links: Sequence[Link]) -> list[list[int]]:
    """Return the inputs of each box as pairs of numbers, flat: which box, and which input it is."""
    number = {box.id: i for i, box in enumerate(boxes)}
    found: list[list[int]] = [[] for _ in boxes]
    for link in links:
        found[number[link.target]] += [number[link.source], link.index]
    return found


def drawn(shown: Picture) -> dict[str, Any]:
    """Return a picture as a letter for each entry, which names one of 63 colours, or heights."""
    found = {"k": shown.kind, "w": round(shown.width, 1), "h": round(shown.height, 1)}
    rows = np.atleast_2d(np.asarray(shown.rows))
    found["n"] = rows.shape[1]
    found["c"] = levels(rows, centred=shown.kind != "line")
    if shown.kind == "cells":
        found["e"], found["s"] = [brief(x) for x in rows.ravel()], round(shown.cell, 1)
    return found
