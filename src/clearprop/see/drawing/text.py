"""A layout in characters: boxes and arrows where they fit, else a list with rails."""

from __future__ import annotations

import shutil

from clearprop.see.columns import columns, padded
from clearprop.see.drawing.arrange import Placement
from clearprop.see.drawing.boxes import Box
from clearprop.see.drawing.text_art import art, bracketed, paint

_ASCII = (
    {ord(c): "-" for c in "─┄━═"}
    | {ord(c): "|" for c in "│┆┃║"}
    | {ord(c): "+" for c in "╭╮╰╯┌┐└┘╔╗╚╝┏┓┗┛├┤┬┴┼"}
)
_ASCII |= {ord("▶"): ">", ord("●"): "*", ord("…"): "..", ord("·"): "_"}
_MOST_BOXES = 60  # as boxes and arrows; beyond that a list is easier to follow
_ALIGNED = 16


def text(layout: Placement, width: int | None = None, *, colour: bool = False, ascii: bool = False) -> str:
    """Return the drawing in characters, at most `width` columns wide where that can be (the terminal's if
    left out).

    >>> from clearprop.see.drawing.arrange import layout
    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> print(text(layout(a * b), width=60))
    ╭ a ──────╮
    │ value=7 │─╮
    │ grad=?  │ │  ╔ Multiply ═╗
    ╰─────────╯ ╰─▶║ value=21  ║
                ╭─▶║ grad=?    ║
    ╭ b ──────╮ │  ╚═══════════╝
    │ value=3 │─╯
    │ grad=?  │
    ╰─────────╯
    >>> print(text(layout(a * b), width=20))
    ●   a        value=7   grad=?
    │ ● b        value=3   grad=?
    ●─╯ Multiply value=21  grad=?
    """
    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns
    found = art(layout, colour) if len(layout.boxes) <= _MOST_BOXES else None
    fits = found is not None and found.width <= width
    drawn = found.text if fits and found is not None else rails(layout, colour)
    return drawn.translate(_ASCII) if ascii else drawn


def rails(layout: Placement, colour: bool = False) -> str:
    """Return one line per box, in order, with rails at the left: a value runs down until its last use.

    `●─╯` takes a value for the last time, `●─┤` takes one that is needed again; `┼` is a crossing, not a
    joint.
    """
    entering: dict[str, list[str]] = {}
    uses: dict[str, int] = {}
    for edge in layout.edges:
        sources = entering.setdefault(edge.target, [])
        if edge.source not in sources:
            sources.append(edge.source)
            uses[edge.source] = uses.get(edge.source, 0) + 1
    lanes: list[str | None] = []
    rows: list[tuple[str, Box]] = []
    for box in _leaves_late(layout, entering):
        sources = entering.get(box.id, [])
        for source in sources:
            uses[source] -= 1
        mine = _lane(lanes, [i for i, s in enumerate(lanes) if s in sources and not uses[s or ""]])
        taken = [i for i, s in enumerate(lanes) if s in sources]
        rows.append((_rail(lanes, mine, taken, uses), box))
        for i in taken:
            if not uses[lanes[i] or ""]:
                lanes[i] = None
        lanes[mine] = box.id if uses.get(box.id) else None
        while lanes and lanes[-1] is None:
            lanes.pop()
    widest = max(len(rail) for rail, _ in rows)
    rows = [(rail.ljust(min(widest, _ALIGNED)), box) for rail, box in rows]
    heads = [f"{rail} {box.heading}" for rail, box in rows]
    middle = [box.label or box.value for _, box in rows]
    ends = [_ending(box) for _, box in rows]
    first = min(max(map(columns, heads)), 60)
    second = max(map(columns, middle))
    lines = []
    for (rail, box), head, what, end in zip(rows, heads, middle, ends, strict=True):
        painted = rail + paint(head[len(rail) :], box.kind, colour)
        lines.append(f"{painted}{' ' * (first - columns(head))} {padded(what, second)} {end}".rstrip())
    return "\n".join(lines)


def _ending(box: Box) -> str:
    if not box.label:
        return " " + box.grad if box.grad else ""
    value, grad = (
        " " + bracketed(shown.rows.ravel()) if shown is not None and shown.kind == "cells" else ""
        for shown in (box.value_picture, box.grad_picture)
    )
    return f" {box.value}{value}" + (f"  {box.grad}{grad}" if box.grad else "")


def _leaves_late(layout: Placement, entering: dict[str, list[str]]) -> list[Box]:
    """Return the boxes in order, each leaf right before its first user: fewer rails run side by side."""
    by_id = {box.id: box for box in layout.boxes}
    placed: dict[str, Box] = {}
    stack = [box for box in reversed(layout.boxes) if entering.get(box.id)] or list(layout.boxes)
    while stack:
        box = stack[-1]
        missing = [s for s in entering.get(box.id, []) if s not in placed]
        if missing:
            stack.extend(by_id[s] for s in reversed(missing))
        else:
            placed.setdefault(stack.pop().id, box)
    return list(placed.values())


def _lane(lanes: list[str | None], ending: list[int]) -> int:
    """Choose the rail of a new box: that of an input which ends here, else the first free one."""
    if ending:
        return ending[0]
    if None not in lanes:
        lanes.append(None)
    return lanes.index(None)


def _rail(lanes: list[str | None], mine: int, taken: list[int], uses: dict[str, int]) -> str:
    cells = ["│" if s else " " for s in lanes]
    joins = [" "] * len(lanes)
    low, high = min([mine, *taken]), max([mine, *taken])
    for i in range(low, high):
        joins[i] = "─"
        if i != low and cells[i] == " ":
            cells[i] = "─"
        elif i != low:
            cells[i] = "┼"
    for i in taken:
        goes_on = bool(uses[lanes[i] or ""])
        outer = i in (low, high)
        side = 0 if i > mine else 1
        if outer:
            cells[i] = ("┤" if goes_on else "╯", "├" if goes_on else "╰")[side]
        else:
            cells[i] = "┼" if goes_on else "┴"
    cells[mine] = "●"
    return "".join(c + j for c, j in zip(cells, joins, strict=True)).rstrip()
