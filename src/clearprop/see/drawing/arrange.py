"""The layout of a graph: boxes in columns from the inputs to the output, arrows routed around them.

Four stages, each a file: `layout_ranks` (columns), `layout_order` (few crossings), `layout_coordinates`
(straight long arrows), `layout_routes` (the way of each arrow). They know numbers only; `boxes` says what
stands in a box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearprop.see.drawing.boxes import Box, Link
from clearprop.see.drawing.boxing import boxes_of
from clearprop.see.drawing.folding import FoldedModule
from clearprop.see.layout.coordinates import heights
from clearprop.see.layout.order import Layering, crossings, reduce_crossings, with_dummies
from clearprop.see.layout.ranks import ranks
from clearprop.see.layout.routes import Point, columns, routes
from clearprop.see.layout.wrap import Rows, breaks, rows
from clearprop.tensor import Tensor

MARGIN = 18.0
WIDEST = 1500.0  # pixels, before a drawing continues in a second row


@dataclass(slots=True)
class Edge:
    """An arrow of the drawing: the value of box `source` goes into box `target` as its input number
    `index`.
    """

    id: str
    source: str
    target: str
    index: int
    points: list[Point]


@dataclass(slots=True)
class Arrangement:
    """Where everything stands, in numbers: centres of the boxes, corners of the arrows, the size of it all.
    all.
    """

    x: list[float]
    y: list[float]
    wide: list[float]
    routes: list[list[Point]]
    width: float
    height: float
    rank: list[int]
    crossings: int


@dataclass(slots=True)
class Placement:
    """Boxes and arrows with their places; `width` and `height` hold all of it."""

    boxes: list[Box]
    edges: list[Edge]
    width: float
    height: float
    crossings: int = 0
    language: str = "en"
    _by_id: dict[str, Box] = field(default_factory=dict, repr=False)

    def box(self, id: str) -> Box:
        """Return the box of this id."""
        if not self._by_id:
            self._by_id.update((b.id, b) for b in self.boxes)
        return self._by_id[id]

    def box_of(self, node: Any) -> Box | None:
        """Return the box that shows this Tensor (or array): its own, or that of the module it is folded
        into.
        """
        return next((b for b in self.boxes if b.node is node or any(node is m for m in b.members)), None)


def layout(
    output: Tensor,
    *,
    names: Mapping[int, str] | None = None,
    folds: Sequence[FoldedModule] = (),
    within: Iterable[Tensor] | None = None,
    inputs: str = "auto",
    wrap: float | None = WIDEST,
    grad_text: Callable[[Tensor], str] | None = None,
    value_text: Callable[[Tensor], str] | None = None,
    grads: Mapping[Tensor, Any] | None = None,
    language: str = "en",
) -> Placement:
    """Return where the boxes and arrows of `output`'s graph stand.

    `names` maps `id(tensor)` to a name (see `clearprop.see.names.find`); `folds` are modules that share a
    box (see `drawing.folding.folds`); `within` draws these nodes only, with what flows into them.
    `inputs="left"` keeps all leaves in the first column, as on the slides, `"near"` puts each before its
    first user and `"auto"` chooses by size. A drawing wider than `wrap` continues in a second row where
    possible. `grad_text(node)` and `value_text(node)` replace what a box says; a box is made wide enough
    for it. `grads` holds the gradients to show, those of the nodes themselves unless told.

    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> drawn = layout((a + b) * b**3)
    >>> [(box.id, box.title) for box in drawn.boxes]
    [('n0', 'a'), ('n1', 'b'), ('n2', 'Add'), ('n3', 'Power'), ('n4', 'Multiply')]
    >>> [(edge.source, edge.target, edge.index) for edge in drawn.edges]
    [('n0', 'n2', 0), ('n1', 'n2', 1), ('n1', 'n3', 0), ('n2', 'n4', 0), ('n3', 'n4', 1)]
    """
    boxes, links = boxes_of(
        output,
        names=names,
        folds=folds,
        within=within,
        grad_text=grad_text,
        value_text=value_text,
        grads=grads,
        language=language,
    )
    place = {box.id: i for i, box in enumerate(boxes)}
    pairs = [(place[link.source], place[link.target]) for link in links]
    leaves = [i for i, box in enumerate(boxes) if box.kind in ("input", "constant")]
    at_left = leaves if inputs == "left" or (inputs == "auto" and _small(boxes, leaves)) else []
    sizes = [(box.w, box.h) for box in boxes]
    found = arrange(sizes, pairs, left=at_left)
    if wrap and found.width > wrap:
        found = arrange(sizes, pairs, left=leaves if inputs == "left" else (), wrap=wrap)
    return _placed(boxes, links, found, language)


def _small(boxes: Sequence[Box], leaves: Sequence[int]) -> bool:
    """Tell whether all leaves may stand in the left column without long arrows everywhere."""
    return len(leaves) <= 8 and len(boxes) <= 24


def _placed(boxes: list[Box], links: list[Link], found: Arrangement, language: str) -> Placement:
    for i, box in enumerate(boxes):
        box.w = found.wide[i]
        box.x = found.x[i] - box.w / 2 + MARGIN
        box.y = found.y[i] - box.h / 2 + MARGIN
        box.rank = found.rank[i]
    edges = [
        Edge(link.id, link.source, link.target, link.index, [(x + MARGIN, y + MARGIN) for x, y in route])
        for link, route in zip(links, found.routes, strict=True)
    ]
    wide, high = found.width + 2 * MARGIN, found.height + 2 * MARGIN
    return Placement(boxes, edges, wide, high, found.crossings, language)


GAPS = 9.0, 14.0, 22.0
"""Between two arrows of a column, an arrow and a box, two boxes."""


def arrange(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    left: Iterable[int] = (),
    *,
    uniform: bool = True,
    wrap: float | None = None,
    effort: float = 1.0,
) -> Arrangement:
    """Place boxes of these `(width, height)` so that every edge `(u, v)` points to the right.

    With `uniform` the boxes of a column share the width of the widest; a drawing wider than `wrap`
    continues in a second row where that can be followed. `effort` is the share of the search for few
    crossings that is made. The time grows with the boxes and the columns that
    edges pass, and nothing is recursive.

    >>> found = arrange([(40, 20)] * 3, [(0, 1), (1, 2), (0, 2)])
    >>> found.rank, found.crossings
    ([0, 1, 2], 0)
    """
    rank = ranks(len(sizes), edges, left)
    layered = with_dummies(rank, edges)
    reduce_crossings(layered, effort)
    tall = [h for _, h in sizes] + [4.0] * (len(layered.left) - len(sizes))
    wide = [w for w, _ in sizes] + [0.0] * (len(layered.left) - len(sizes))
    if uniform:
        _share_widths(layered, wide)

    y = heights(layered, tall, lambda u, v: GAPS[(u < len(sizes)) + (v < len(sizes))])
    spans = columns(layered, wide, y)
    starts = breaks(layered, spans, wrap) if wrap and spans[-1:] and spans[-1][1] > wrap else []
    laid = rows(layered, spans, y, tall, starts) if starts else Rows(spans, y, 0.0, [0] * len(spans))
    spans, y = laid.spans, laid.y
    x = [(spans[r][0] + spans[r][1]) / 2 for r in rank]
    box_left = [x[v] - wide[v] / 2 for v in range(len(sizes))]
    box_right = [x[v] + wide[v] / 2 for v in range(len(sizes))]
    drawn = routes(layered, rank, edges, spans, box_left, box_right, y, tall, laid.row, laid.detours)
    top = min((y[v] - tall[v] / 2 for v in range(len(y))), default=0.0)
    bottom = max((y[v] + tall[v] / 2 for v in range(len(y))), default=0.0)
    return Arrangement(
        x=x,
        y=[t - top for t in y[: len(sizes)]],
        wide=wide[: len(sizes)],
        routes=[[(a, b - top) for a, b in way] for way in drawn],
        width=laid.width or (spans[-1][1] if spans else 0.0),
        height=bottom - top,
        rank=rank,
        crossings=crossings(layered),
    )


def _share_widths(layered: Layering, wide: list[float]) -> None:
    for layer in layered.layers:
        widest = max((wide[v] for v in layer if v < layered.count), default=0.0)
        for v in layer:
            if v < layered.count:
                wide[v] = widest
