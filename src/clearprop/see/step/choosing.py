"""A page on which the reader chooses the order of a backward pass, node by node."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.errors import lesson
from clearprop.graph import users_in
from clearprop.see.drawing.svg import svg
from clearprop.see.numbers import is_number, written
from clearprop.see.page.page import with_scripts
from clearprop.see.step.page import page_title, placed
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.see.drawing.arrange import Placement
    from clearprop.see.step.steps import Step, Trace

_WEB = files("clearprop.see.step") / "web"  # in a folder, or in a zip archive
_MOST = 60  # nodes that can be told apart and chosen


def choosing(trace: Trace, title: str = "") -> str:
    """Return the page of a trace's graph whose nodes the reader chooses one after the other.

    A node may come when all its users have been chosen: then its gradient is whole, and it is passed on to
    its inputs. The page says which user is missing where it may not, and how many orders are still possible.
    Raises ValueError for more than 60 nodes, for a pass that does not wait, and for a graph with hooks, which
    make other numbers of those that arrive.
    """
    if trace.algorithm != "topological":
        hint = 'trace(t, algorithm="topological").to_choice()'
        raise ValueError(lesson("a page of orders", "shows the topological pass", trace.algorithm, hint=hint))
    if trace.has_hooks:
        raise ValueError(lesson("a page of orders", "shows gradients as they arrive", "there is a hook"))
    nodes = [node for node in trace.order if node.requires_grad]
    if len(nodes) > _MOST:
        wanted = f"shows at most {_MOST} nodes that need a gradient"
        raise ValueError(
            lesson("a page of orders", wanted, f"{len(nodes)}", hint="trace(...).save('x.html')")
        )
    title = title or page_title(trace)
    drawn = placed(trace)
    words = trace.captions
    told = {
        "nodes": _told(trace, nodes, drawn),
        "start": _number(trace.start),
        "words": {key: said for key, said in words.words().items() if key == "and" or "orders" in key},
    }
    for box in drawn.boxes:
        box.grad_picture = None
    texts = {box.id: {"grad": "grad=?"} for box in drawn.boxes if box.node in set(nodes)}
    picture = svg(drawn, texts=texts, title=title)
    choices = "".join(
        f'<button type="button" data-node="{n}">{escape(trace.names[nodes[n]])}</button>'
        for n in reversed(range(len(nodes)))
    )
    say = words.as_html.say
    body = (
        f"<p>{say('orders ask')}</p>"
        f'<div class="bar" role="group" aria-label="{say("orders nodes")}">{choices}</div>'
        f'<div class="bar"><button type="button" id="undo">{say("orders undo")}</button>'
        f'<button type="button" id="again">{say("orders again")}</button><span id="left"></span></div>'
        f'<div class="drawing">{picture}</div><p id="said" aria-live="polite"></p><p id="order"></p>'
    )
    code, style = ((_WEB / f"choosing.{ending}").read_text(encoding="utf-8") for ending in ("js", "css"))
    return with_scripts(title, body, told, (), style, code, words.language)


def _told(trace: Trace, nodes: list[Tensor], drawn: Placement) -> list[dict[str, Any]]:
    """Return for each node its box, its users, and what it sends along which arrow to which node."""
    place = {node: n for n, node in enumerate(nodes)}
    boxes = {box.node: box.id for box in drawn.boxes}
    users = users_in(trace.order)
    sends: list[list[Any]] = [[] for _ in nodes]
    for step in trace:
        if step.kind == "backward" and step.input is not None:
            target = place[step.input]
            sends[place[step.node]].append([target, _number(step.amount), _arrow(drawn, step)])
    return [
        {
            "name": trace.names[node],
            "box": boxes[node],
            "users": sorted({place[user] for user, _ in users.get(node, ()) if user in place}),
            "sends": sends[n],
        }
        for n, node in enumerate(nodes)
    ]


def _number(amount: Any) -> float | str:
    plain = is_number(amount) and np.isrealobj(amount) and np.isfinite(amount)
    return float(amount) if plain else written(amount)


def _arrow(drawn: Placement, step: Step) -> str:
    """Return the id of the arrow that a step of the backward pass goes along."""
    sender = drawn.box_of(step.node)
    found = (e.id for e in drawn.edges if sender and e.target == sender.id and e.index == step.i)
    return next(found, "")
