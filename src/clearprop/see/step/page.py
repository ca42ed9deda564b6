"""A trace as one HTML page: forward and back, every arrow lit in turn, inputs to change, no network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.errors import lesson
from clearprop.facts import script_library
from clearprop.see.algebra.formulas import formula
from clearprop.see.drawing.arrange import Placement, layout
from clearprop.see.drawing.boxes import Box
from clearprop.see.drawing.folding import COMFORTABLE
from clearprop.see.drawing.pictures import picture as small_picture
from clearprop.see.drawing.svg import svg
from clearprop.see.numbers import differs, is_number, written
from clearprop.see.page.page import KIT, button, tools, web, with_scripts
from clearprop.see.page.story import Story, drawn
from clearprop.see.step.arrow import is_mirrored
from clearprop.see.step.given import following
from clearprop.see.step.live import Fixed, Live, code_of, live_of
from clearprop.see.step.quiz import form, questions
from clearprop.see.step.script import Script, number, script_of
from clearprop.see.step.sentences import TIMES
from clearprop.see.words import DRAWING
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.see.step.steps import Step, Trace

_WEB = files("clearprop.see.step") / "web"  # in a folder, or in a zip archive
_ROOM = 12  # characters kept free in a box whose value the reader may change
_MOST_SHOWN = 20_000  # steps on a page
_MOST_FIELDS = 12  # inputs with a field of their own from the start
_LONGEST_TITLE = 80  # characters
_MOST_STEPS = 200  # of a graph that is shown by every algorithm
_KEYS = {
    name: f"<kbd>{key}</kbd>"
    for name, key in {
        "left": "&larr;", "right": "&rarr;", "open": "[", "close": "]", "home": "Home", "end": "End",
        "space": "Space", "slash": "/",
    }.items()
}  # fmt: skip


@dataclass(frozen=True)
class PageParts:
    """What a stepping page is made of, for pages that have more on them: its title, what stands in its body,
    what its scripts are told, and the code."""

    title: str
    body: str
    quiz: str
    told: dict[str, Any]
    code: str

    scripts = (*KIT, "search", "export", "address", "drawing")

    @property
    def styles(self) -> str:
        """The style sheet that it adds to that of all graphs."""
        return _file("steps.css")


def page(trace: Trace, title: str = "") -> str:
    """Return the page of a trace; see `Trace.to_html`."""
    made = parts(trace, title)
    language = trace.captions.language
    body = f"{made.body}\n{made.quiz}"
    return with_scripts(made.title, body, made.told, made.scripts, made.styles, made.code, language)


def parts(trace: Trace, title: str = "") -> PageParts:
    """Return the parts of a trace's page; raises ValueError where it has too many steps to be shown."""
    if len(trace) > _MOST_SHOWN:
        raise ValueError(
            lesson("to_html()", f"shows at most {_MOST_SHOWN:,} steps", f"{len(trace):,}", hint="to_text()")
        )
    title = title or page_title(trace)
    lanes = _lanes(trace)
    script = script_of(trace.order) if _plain_start(trace) else None
    live, fixed = (None, "") if script else _arrays(lanes)
    texts = _texts(trace, lanes, room=_ROOM if script else 0)
    story = Story(trace.output, trace.model, trace.prefix, _names(trace), **texts)
    nodes = _nodes(trace, story.boxes, live)
    told = story.data(title) | {
        "nodes": nodes,
        "output": len(trace.order) - 1,
        "lanes": {lane.algorithm: _lane(lane, trace, lanes[-1].grads, story.boxes, live) for lane in lanes},
        "shown": trace.algorithm,
    }
    if live:
        told["live"] = live.told
    if trace.quiz:
        told["questions"] = questions(lanes[-1])
    arrays = ["arrays.js", "entries.js"] if live else []
    files = ("visible.js", *arrays, "steps.js", *(["quiz.js"] if trace.quiz else []))
    code = "\n".join([_functions(script), code_of(live), *map(_file, files)])
    told["words"] = _said(trace, "\n".join([code, *map(web, (f"{name}.js" for name in PageParts.scripts))]))
    quiz = form(trace, trace.quiz) if trace.quiz else ""
    inputs = _inputs(trace, script is not None, live, fixed, nodes)
    return PageParts(title, _body(trace, lanes, inputs), quiz, told, code)


def _said(trace: Trace, code: str) -> dict[str, str]:
    """The sentences that the scripts of a page have the keys of."""
    words = trace.captions.words()
    return {key: said for key, said in words.items() if f'"{key}"' in code or key.startswith("column ")}


def _body(trace: Trace, lanes: list[Trace], inputs: str) -> str:
    """What the reader sees, from the bar of steps to the hint."""
    words = trace.captions.as_html
    say = words.say
    return "\n".join(
        [
            _bar(lanes, trace),
            f'<details class="tools"{" open" if len(trace.order) > COMFORTABLE else ""}>'
            f"<summary>{say('view')}</summary>{tools(words)}</details>",
            f'<nav class="way" id="way" aria-label="{say("where")}" hidden></nav>',
            '<div class="lanes room">',
            *(_drawing(lane) for lane in lanes),
            "</div>",
            f'<div class="below"><section class="card" aria-label="{say("this step")}">',
            '<p class="said" id="said" aria-live="polite"></p>',
            '<ol class="chain numbers" id="chain"></ol></section>',
            f'<section class="card">{inputs}<h2 id="whose">{say("gradient")}</h2>',
            '<div class="books"><table class="ledger numbers"><tbody id="ledger"></tbody></table></div>',
            "</section></div>",
            f'<p class="hint">{say("hint", **_KEYS)}</p>',
        ]
    )


def page_title(trace: Trace) -> str:
    """Return the formula where it is short, else the name of its output."""
    line = "; ".join(formula(trace.output, _names(trace)).text.splitlines())
    return (
        line if len(line) <= _LONGEST_TITLE else trace.captions.say("page title", z=trace.names[trace.output])
    )


def _names(trace: Trace) -> dict[int, str]:
    return {**trace.known, **{id(node): name for node, name in trace.names.items()}}


@cache
def _file(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")


def _plain_start(trace: Trace) -> bool:
    """Whether the pass starts with 1 and the rules alone make gradients: then a page can repeat it."""
    return is_number(trace.start) and bool(trace.start == 1) and not trace.has_hooks


def _arrays(lanes: list[Trace]) -> tuple[Live | None, str]:
    """The passes as a program of arrays, or why their numbers stay as they are."""
    try:
        return live_of(lanes), ""
    except Fixed as error:
        return None, str(error)


def _lanes(trace: Trace) -> list[Trace]:
    """The passes on the page: the one asked for, and for a small graph those it can be compared with."""
    from clearprop.see.step.steps import BACKWARD, compared

    backward = sum(step.kind == BACKWARD for step in trace)
    if trace.algorithm == "topological" and (backward > _MOST_STEPS or not _plain_start(trace)):
        return [trace]
    return compared(trace, most=_MOST_STEPS)


# --- what the script is told
def _nodes(trace: Trace, boxes: Sequence[Box], live: Live | None) -> list[dict[str, Any]]:
    """Return what the script knows of each node, and the number of the box that shows it; then the same of
    the plain arrays that can be changed."""
    place = {id(box.node): n for n, box in enumerate(boxes) if box.node is not None}
    follows = following(trace.order)
    found = [_node(trace, node, place.get(id(node)), node in follows) for node in trace.order]
    used = {*trace.names.values()}
    for array in live.arrays if live else ():
        box = place[id(array)]
        name = _unused(trace.known.get(id(array), "") or boxes[box].title, used)
        value = {"number": False, "needs": False, "value": written(array)}
        found.append({"name": name, "box": box, "leaf": True, **value})
    return found


def _unused(name: str, used: set[str]) -> str:
    """Return a name that stands for nothing else, and take it."""
    found = name
    for n in count(2):
        if found not in used:
            break
        found = f"{name} {n}"
    used.add(found)
    return found


def _node(trace: Trace, node: Tensor, box: int | None, follows: bool) -> dict[str, Any]:
    scalar = is_number(node._value)
    return {
        "name": trace.names[node],
        "box": box,
        "leaf": node.op is None,
        "number": scalar,
        "needs": node.requires_grad,
        "value": _json_number(node._value) if scalar else written(node._value),
        **({"follows": True} if follows else {}),
    }


def _json_number(value: Any) -> Any:
    """A number, or its name where JSON has none for it; the page writes both the same way."""
    return float(value) if np.isrealobj(value) and np.isfinite(value) else written(value)


def _lane(
    trace: Trace, shown: Trace, right: dict[Tensor, Any], boxes: Sequence[Box], live: Live | None
) -> dict[str, Any]:
    other = {node for node, g in trace.grads.items() if differs(g, shown.grads[node])}
    return {
        "replaces": trace.algorithm == "tree",
        "steps": [_step(step, live) for step in trace],
        "final": {trace.index[node]: _plain(g) for node, g in trace.grads.items() if node in trace.index},
        "wrong": [trace.index[node] for node, g in trace.grads.items() if differs(g, right[node])],
        "pictures": {
            n: drawn(made)
            for n, box in enumerate(boxes)
            if isinstance(box.node, Tensor) and box.node in other
            if (made := small_picture(trace.grads[box.node])) is not None
        },
        "why": "" if trace.algorithm == "topological" else trace.captions[f"why {trace.algorithm}"],
    }


def _step(step: Step, live: Live | None = None) -> dict[str, Any]:
    trace, told = step.trace, step.told
    numbers = {k: getattr(step, k) for k in ("g", "local", "amount", "before", "total")}
    slots = {k: _plain(x) for k, x in numbers.items() if x is not None}
    if "{entry}" in told.chain:
        slots["entry"] = step.fill("{entry}")
    found = {
        "kind": step.kind,
        "node": trace.index[step.node],
        "sentence": told.sentence,
        "chain": told.chain,
        "box": told.box,
        "numbers": slots,
    }
    if step.input is None:
        return found
    if is_mirrored(step.local):
        found["product"] = f"{{(g)}} {TIMES} conj({{local}}) = {{amount}}"
    if live:
        found["live"] = live.sent[trace.algorithm, step.number]
    return found | {"input": trace.index[step.input], "i": step.i}


def _plain(value: Any) -> Any:
    return _json_number(value) if is_number(value) else written(value)


def _functions(script: Script | None) -> str:
    """The graph as functions, for pages on which an input can be changed."""
    if script is None:
        return "const script = null;"
    own = ",\n".join(f"  {name}: {body}" for name, body in script.definitions.items() if body)
    forward = ",\n".join(f"  {'null' if f == 'null' else f'(v) => {f}'}" for f in script.forward)
    rules = ",\n".join(
        f'  "{key}": [(v) => {script.local[key]}, (v, g) => {script.amount[key]}]' for key in script.amount
    )
    return (
        f"{script_library()}\nObject.assign(cp, {{\n{own}\n}});\n"
        f"const script = {{ order: {script.order}, forward: [\n{forward}\n], rules: {{\n{rules}\n}} }};"
    )


# --- what the reader sees
def placed(trace: Trace, lanes: Iterable[Trace] = (), room: int = 0) -> Placement:
    """Return the layout of a trace's graph, every box wide enough for all that it shows in any of `lanes`.

    `room` characters are kept free for a value that the reader may change.
    """
    return layout(trace.output, names=_names(trace), **_texts(trace, lanes, room))


def _texts(trace: Trace, lanes: Iterable[Trace], room: int = 0) -> dict[str, Any]:
    """Return how boxes are measured: for the widest text that each shows in any step of any lane."""
    widest: dict[Tensor, str] = {}
    for step in (step for lane in (trace, *lanes) for step in lane):
        if step.kind != "forward":
            node = step.node if step.input is None else step.input
            widest[node] = max(widest.get(node, "grad=?"), step.fill(step.told.box), key=len)

    def grad_text(node: Tensor) -> str:
        text = widest.get(node, "grad=?" if node.requires_grad else "")
        return text.ljust(2 * room if "+" in text else room)

    def value_text(node: Tensor) -> str:
        return f"value={written(node._value)}".rjust(room)

    return {
        "grad_text": grad_text,
        "value_text": value_text if room else None,
        "grads": trace.grads,
        "language": trace.captions.language,
    }


def picture(
    trace: Trace, step: Step | None = None, prefix: str = "cp", theme: str = "auto", begun: bool = True
) -> str:
    """Return the drawing as it is after a step (or when all is done), as SVG, with what takes part lit.

    Not `begun`, nothing has been computed yet.
    """
    drawn = placed(trace)
    texts: dict[str, dict[str, str]] = {}
    known: dict[Tensor, str] = {
        node: f"value={written(node._value)}" for node in trace.order if node.op is None
    }
    grads: dict[Tensor, str] = {}
    for done in trace[: step.number + 1 if step else len(trace) if begun else 0]:
        words = done.fill(done.told.box)
        if done.kind == "forward":
            known[done.node] = words
        else:
            grads[done.node if done.input is None else done.input] = words
    for box in drawn.boxes:
        node = box.node
        if not isinstance(node, Tensor):
            continue
        if np.ndim(node._value) == 0:
            texts[box.id] = {"value": known.get(node, "value=?")}
        elif node not in known:
            box.value_picture, texts[box.id] = None, {"value": "value=?"}
        if node.requires_grad:
            shown = grads.get(node, "grad=?")
            texts.setdefault(box.id, {})["grad"] = shown
            if shown == "grad=?" or re.fullmatch(r"grad \d+/\d+", shown):
                box.grad_picture = None
    for box in drawn.boxes:  # the description in words says the same; padded, no line of the box moves
        box.value = texts.get(box.id, {}).get("value", box.value).rjust(len(box.value))
        box.grad = texts.get(box.id, {}).get("grad", box.grad).ljust(len(box.grad))
    graph = DRAWING[trace.captions.language]["graph"]
    lit, title = (_lit(step, drawn), step.sentence) if step else ([], graph)
    done = trace[: step.number + 1] if step else ()
    back = [id for past in done if past.kind == "backward" for id in _lit(past, drawn)[1:]]
    return svg(drawn, texts=texts, active=lit, back=back, title=title, prefix=prefix, theme=theme)


def _lit(step: Step, drawn: Placement) -> list[str]:
    node = step.node if step.input is None else step.input
    box, sender = drawn.box_of(node), drawn.box_of(step.node)
    lit = [box.id] if box else []
    if step.kind == "backward" and sender:
        return lit + [e.id for e in drawn.edges if e.target == sender.id and e.index == step.i]
    return lit + [e.id for e in drawn.edges if step.kind == "forward" and e.target in lit]


def _bar(lanes: list[Trace], shown: Trace) -> str:
    say = shown.captions.as_html.say
    back, forward = say("back"), say("forward button")
    buttons = (("first", say("go first"), "&#x21E4;"), ("back", say("go back"), f"&larr; {back}"))
    after = (("forward", say("go forward"), f"{forward} &rarr;"), ("last", say("go last"), "&#x21E5;"))

    options = "".join(
        f'<option value="{lane.algorithm}"{" selected" if lane.algorithm == shown.algorithm else ""}>'
        f"{say(f'title {lane.algorithm}')}</option>"
        for lane in lanes
    )
    label = say("algorithm")
    choice = f'<select id="algorithm" aria-label="{label}">{options}</select>' if len(lanes) > 1 else ""
    return (
        f'<div class="bar" role="toolbar" aria-label="{say("steps")}">'
        + "".join(button(*b) for b in buttons)
        + f'<button type="button" id="play" aria-pressed="false">{say("play")}</button>'
        + "".join(button(*b) for b in after)
        + '<span class="track"><input type="range" id="slider" min="0" value="0" '
        + f'aria-label="{say("step")}">'
        + '<canvas id="ticks" height="8" aria-hidden="true"></canvas></span>'
        + '<span class="count" id="count"></span>'
        + f"{choice}</div>"
    )


def _drawing(trace: Trace) -> str:
    name = trace.algorithm
    title = escape(trace.captions[f"title {name}"])
    return (
        f'<section class="lane" id="lane-{name}" aria-label="{title}">'
        f"<h2>{title}</h2>"
        f'<div class="stage" id="stage-{name}"></div>'
        f'<p class="verdict" id="verdict-{name}"></p></section>'
    )


def _inputs(
    trace: Trace, numbers: bool, live: Live | None, fixed: str, nodes: Sequence[dict[str, Any]]
) -> str:
    say = trace.captions.as_html.say
    if not (numbers or live):
        return f"<h2>{say('inputs fixed')}</h2><p>{escape(fixed)}</p>"
    follows = following(trace.order)
    leaves = [node for node in trace.order if node.op is None and node not in follows]
    changeable = [node for node in leaves if is_number(node._value) and np.isfinite(node._value)]
    fields = "".join(
        f'<label><code>{escape(trace.names[node])}</code><input type="number" step="any" '
        f'value="{(shown := number(node._value).strip("()"))}" data-node="{trace.index[node]}" '
        f'style="width:{len(shown) + 6}ch"></label>'
        for node in changeable[:_MOST_FIELDS]
    )
    more = len(changeable) - _MOST_FIELDS
    rest = f"<p>{say('more inputs', n=more)}</p>" if more > 0 else ""
    reset = f'<button type="button" id="reset">{say("reset")}</button>'
    named = f'<div class="inputs">{fields}{reset if fields else ""}</div>{rest}' if fields or not live else ""
    return (
        f"<h2>{say('inputs')}</h2>{named}"
        f'<p class="missing" id="missing" role="status" hidden></p>'
        f"{_entries(trace, '' if fields else reset) if live else ''}{_staying(trace, nodes)}"
    )


def _staying(trace: Trace, nodes: Sequence[dict[str, Any]]) -> str:
    """Say what stays as Python made it whatever is changed, though Python may have made it from that: what
    has no name of a person's, and masks and places."""
    names = []
    for n, told in enumerate(nodes):
        if not told["leaf"] or told["needs"] or told.get("follows"):
            continue
        x = trace.order[n] if n < len(trace.order) else None
        named = x is not None and (trace.known.get(id(x)) or x.name)
        if x is None or not named or x._value.dtype.kind in "biu":
            names.append(told["name"])
    listed = ", ".join(names[:_MOST_FIELDS]) + (", …" if len(names) > _MOST_FIELDS else "")
    return f'<p class="soft">{escape(trace.captions.say("stays", names=listed))}</p>' if names else ""


def _entries(trace: Trace, reset: str) -> str:
    """The part of a page in which an array is seen and changed entry by entry."""
    say = trace.captions.as_html.say
    options = "".join(
        f'<option value="{what}">{say(f"preset {what}" if what else "preset")}</option>'
        for what in ("", "given", "zeros", "ones", "random")
    )
    sides = f'<option value="value">{say("value")}</option><option value="grad">{say("gradient")}</option>'
    return (
        f'<div id="entries"><p class="inputs"><label>{say("array")} <select id="array"></select></label>'
        f'<select id="side" aria-label="{say("side")}">{sides}</select>'
        f'<label>{say("entry")} <input id="place" size="8" autocomplete="off"></label></p>'
        '<p class="inputs" id="slices"></p>'
        '<div class="tiles"><div class="tile"><canvas id="tile" tabindex="0" role="img"></canvas></div><div>'
        '<p class="numbers" id="entry-says" aria-live="polite"></p>'
        f'<p class="inputs" id="changing"><input type="number" step="any" id="entry-value" '
        f'aria-label="{say("entry value")}"><input type="range" id="entry-slide" aria-label="{say("slide")}">'
        f'<select id="preset" aria-label="{say("preset")}">{options}</select>'
        f'<label hidden>{say("seed")} <input type="number" id="seed" value="0" step="1"></label>{reset}</p>'
        '<p class="soft" id="quantiles"></p></div></div></div>'
    )
