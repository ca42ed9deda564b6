"""Boxes and arrows drawn with characters, on a grid of rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

from clearprop.see.columns import columns, padded
from clearprop.see.drawing.arrange import Placement
from clearprop.see.drawing.boxes import Box
from clearprop.see.drawing.pictures import Picture
from clearprop.see.layout.coordinates import heights
from clearprop.see.layout.order import Layering, reduce_crossings, with_dummies
from clearprop.see.numbers import brief

NORTH, EAST, SOUTH, WEST = 1, 2, 4, 8
_LINES = " ╵╶╰╷│╭├╴╯─┴╮┤┬┼"
_FRAMES = {
    "input": "╭─╮│╰╯", "middle": "┌─┐│└┘", "output": "╔═╗║╚╝", "constant": "┌┄┐┆└┘",
    "module": "┏━┓┃┗┛",
}  # fmt: skip
_COLOURS = {"input": 34, "middle": 31, "output": 33, "constant": 90, "module": 35}


@dataclass
class Art:
    """A text drawing and how many columns it needs."""

    text: str
    width: int


@dataclass
class _Wire:
    """What crosses a gap from one place to one or more places in the next column."""

    start: int
    ends: list[int]
    lane: int = 0


class _Grid:
    """Characters by row and column; lines are kept as directions, so that they join."""

    def __init__(self) -> None:
        self.characters: dict[tuple[int, int], str] = {}
        self.lines: dict[tuple[int, int], int] = {}

    def line(self, row: int, start: int, stop: int) -> None:
        """Draw a level line from column `start` to `stop`."""
        for x in range(start, stop + 1):
            ends = (WEST if x > start else 0) | (EAST if x < stop else 0)
            self.lines[row, x] = self.lines.get((row, x), 0) | ends

    def drop(self, x: int, start: int, stop: int) -> None:
        """Draw an upright line from row `start` to `stop`."""
        for row in range(start, stop + 1):
            ends = (NORTH if row > start else 0) | (SOUTH if row < stop else 0)
            self.lines[row, x] = self.lines.get((row, x), 0) | ends

    def rows(self) -> list[list[str]]:
        places = [*self.characters, *self.lines]
        tall, wide = max(r for r, _ in places) + 1, max(x for _, x in places) + 1
        rows = [[" "] * wide for _ in range(tall)]
        for (r, x), ends in self.lines.items():
            rows[r][x] = _LINES[ends]
        for (r, x), character in self.characters.items():
            rows[r][x] = character
        return rows


def _ranked(layout: Placement) -> Layering:
    """Return the boxes by columns, each from the top down as in the picture."""
    boxes = layout.boxes
    place = {box.id: i for i, box in enumerate(boxes)}
    layered = with_dummies(
        [box.rank for box in boxes], [(place[e.source], place[e.target]) for e in layout.edges]
    )
    for layer in layered.layers:
        layer.sort(key=lambda v: boxes[v].y if v < len(boxes) else 0.0)
    reduce_crossings(layered)
    return layered


def art(layout: Placement, colour: bool = False) -> Art | None:
    """Return a layout drawn with characters, columns as in the picture; None if there is nothing to draw."""
    boxes = layout.boxes
    if not boxes:
        return None
    layered = _ranked(layout)
    lines = [facts(box) for box in boxes]
    wide = [
        max(columns(box.heading) + 1, *map(columns, rows), 4) + 4
        for box, rows in zip(boxes, lines, strict=True)
    ]
    tall = [max(len(rows), len(layered.left[v])) + 2 for v, rows in enumerate(lines)]
    tall += [1] * (len(layered.left) - len(boxes))
    top = _tops(layered, tall)
    exits = [top[v] + (tall[v] - 1) // 2 for v in range(len(tall))]
    enter = _entries(layered, top, tall, exits)
    grid = _Grid()
    x, starts, reaches = 0, [0] * len(layered.layers), [0] * len(layered.layers)
    wires: list[list[_Wire]] = []
    for r, layer in enumerate(layered.layers):
        starts[r] = x
        reaches[r] = x + max((wide[v] for v in layer if v < len(boxes)), default=1)
        wires.append(_wires(layered, layer, exits, enter))
        x = reaches[r] + max((w.lane for w in wires[r]), default=0) + 3
    for r, layer in enumerate(layered.layers):
        for v in layer:
            if v < len(boxes):
                _frame(grid, boxes[v], lines[v], top[v], starts[r], tall[v], reaches[r] - starts[r], colour)
            else:
                grid.line(top[v], starts[r] - 1, reaches[r])
        for wire in wires[r]:
            _draw(grid, wire, reaches[r], starts[r + 1])
        if r + 1 < len(layered.layers):
            arrive = [v for v in layered.layers[r + 1] if v < len(boxes)]
            for row in {enter[u, v] for v in arrive for u in layered.left[v]}:
                grid.characters[row, starts[r + 1] - 1] = "▶"
    rows = grid.rows()
    return Art("\n".join("".join(row).rstrip() for row in rows), max(map(len, rows)))


def _tops(layered: Layering, tall: list[int]) -> list[int]:
    """Return the first row of every box and dummy, free of overlaps."""
    count = layered.count

    def gap(u: int, v: int) -> float:
        return 1.0 if (u < count) == (v < count) else 0.0

    y = heights(layered, [float(t) for t in tall], gap)
    top = [round(t - h / 2) for t, h in zip(y, tall, strict=True)]
    for layer in layered.layers:
        free = -(10**9)
        for v in layer:
            top[v] = max(top[v], free)
            free = top[v] + tall[v]
    highest = min(top)
    return [t - highest for t in top]


def _entries(
    layered: Layering, top: list[int], tall: list[int], exits: list[int]
) -> dict[tuple[int, int], int]:
    """Return the row at which each neighbour's line enters a box, straight where that is possible."""
    enter: dict[tuple[int, int], int] = {}
    for v, near in enumerate(layered.left):
        if v >= layered.count:
            enter[near[0], v] = top[v]
            continue
        near = sorted(near, key=exits.__getitem__)
        low = top[v] + 1
        for k, u in enumerate(near):
            last = top[v] + tall[v] - 2 - (len(near) - 1 - k)
            enter[u, v] = low = max(low, min(exits[u], last))
            low += 1
    return enter


def _wires(
    layered: Layering, layer: list[int], exits: list[int], enter: dict[tuple[int, int], int]
) -> list[_Wire]:
    """Return what crosses the gap right of a column, with a lane for every wire that changes its row."""
    wires = [_Wire(exits[u], [enter[u, v] for v in layered.right[u]]) for u in layer if layered.right[u]]
    bent = [w for w in wires if any(end != w.start for end in w.ends)]
    down = sorted((w for w in bent if max(w.ends) > w.start), key=lambda w: -w.start)
    up = sorted((w for w in bent if max(w.ends) <= w.start), key=lambda w: w.start)
    lanes: list[list[tuple[int, int]]] = []
    for wire in (*down, *up):
        low, high = min(wire.start, *wire.ends), max(wire.start, *wire.ends)
        apart = all(high < a or b < low for a, b in lanes[-1]) if lanes else False
        if not apart:
            lanes.append([])
        lanes[-1].append((low, high))
        wire.lane = len(lanes)
    return wires


def _draw(grid: _Grid, wire: _Wire, left: int, right: int) -> None:
    """Draw a wire through a gap: level to its lane, up or down there, level to its ends."""
    if not wire.lane:
        grid.line(wire.start, left - 1, right)
        return
    x = left + wire.lane
    grid.line(wire.start, left - 1, x)
    grid.drop(x, min(wire.start, *wire.ends), max(wire.start, *wire.ends))
    for end in wire.ends:
        grid.line(end, x, right)


def _frame(
    grid: _Grid, box: Box, lines: list[str], top: int, left: int, tall: int, wide: int, colour: bool
) -> None:
    a, level, b, upright, c, d = tuple(_FRAMES[box.kind])
    head = f" {box.heading} "
    rows = [a + head + level * (wide - 2 - columns(head)) + b]
    rows += [f"{upright} {padded(line, wide - 4)} {upright}" for line in lines]
    rows += [upright + " " * (wide - 2) + upright] * (tall - 2 - len(lines))
    rows.append(c + level * (wide - 2) + d)
    for i, row in enumerate(rows):
        j = 0
        for character in row:
            frame = i in (0, tall - 1) or j in (0, wide - 1)
            painted = paint(character, box.kind, colour and frame and character != " ")
            if taken := columns(character):
                grid.characters[top + i, left + j] = painted
            else:  # a mark stands above the letter before it
                grid.characters[top + i, left + j - 1] += painted
            if taken == 2:
                grid.characters[top + i, left + j + 1] = ""
            j += taken


# --- the text of one box ----------------------------------------------------------------------------------
def paint(text: str, kind: str, colour: bool) -> str:
    """Return text in the terminal's colour for a kind of box."""
    return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if colour else text


def facts(box: Box) -> list[str]:
    """Return the lines of a box below its heading."""
    if not box.label:
        return [line for line in (box.value, box.grad) if line]
    value, grad = box.value_picture, box.grad_picture
    if value is not None and value.kind == "cells" and len(value.rows) > 1:
        return [box.label, *_beside(_table("value", value), _table(box.grad or "", grad))]
    lines = [box.label]
    for caption, shown in ((box.value, value), (box.grad, grad)):
        if caption:
            numbers = " " + bracketed(shown.rows[0]) if shown is not None and shown.kind == "cells" else ""
            lines.append(caption + numbers)
    return lines


def bracketed(entries: object) -> str:
    """Return a row of numbers, written short."""
    return "[" + ", ".join(brief(x) for x in entries) + "]"  # type: ignore[attr-defined]


def _table(caption: str, shown: Picture | None) -> list[str]:
    if shown is None or shown.kind != "cells":
        return [caption]
    words = [[brief(x) for x in row] for row in shown.rows]
    widths = [max(len(row[j]) for row in words) for j in range(len(words[0]))]
    rows = ["  ".join(word.rjust(w) for word, w in zip(row, widths, strict=True)) for row in words]
    return [caption, *rows]


def _beside(left: list[str], right: list[str]) -> list[str]:
    width = max(map(len, left))
    right += [""] * (len(left) - len(right))
    return [f"{a.ljust(width)} │ {b}".rstrip(" │") for a, b in zip(left, right, strict=True)]
