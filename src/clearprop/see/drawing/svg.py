"""A layout as SVG: one group per box and arrow with an id of its own, colours from variables, light and
dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from clearprop.see.drawing.arrange import Edge, Placement
from clearprop.see.drawing.boxes import CAPTION, PAD, ROW, SMALL_GLYPH, Box, stacked
from clearprop.see.drawing.pictures import CELL_HEIGHT, Picture, colours, heat_png
from clearprop.see.numbers import brief
from clearprop.see.words import DRAWING

# Okabe and Ito's colours (blue, vermilion, yellow) keep their difference with every kind of colour blindness.
LIGHT = {
    "paper": "#ffffff", "ink": "#1b1f24", "soft": "#5c6670", "arrow": "#7b8794", "line": "#ffffff",
    "input-fill": "#d9ebf9", "input-edge": "#0a6cb0", "middle-fill": "#fbe1d8", "middle-edge": "#c4451c",
    "output-fill": "#fff0b8", "output-edge": "#a87b00", "constant-fill": "#eceff2",
    "constant-edge": "#77838f", "module-fill": "#ece8f7", "module-edge": "#6a55b5",
    "active": "#007a5e", "alarm": "#c4007a",
}  # fmt: skip
DARK = {
    "paper": "#12161c", "ink": "#eef2f6", "soft": "#a4b0bd", "arrow": "#8b98a7", "line": "#12161c",
    "input-fill": "#123450", "input-edge": "#5db4f0", "middle-fill": "#4a2015", "middle-edge": "#f08a64",
    "output-fill": "#453a0b", "output-edge": "#f0cf4a", "constant-fill": "#252c35",
    "constant-edge": "#8996a5", "module-fill": "#2b2548", "module-edge": "#a898ee",
    "active": "#3fd6ae", "alarm": "#ff6cc0",
}  # fmt: skip
_ROUND = 8.0  # the radius of a corner in a wire from row to row
KINDS = ("input", "middle", "output", "constant", "module")
_FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"


def variables(colours: Mapping[str, str]) -> str:
    """Return the colours as CSS custom properties, `--cp-ink:#1b1f24;...`."""
    return "".join(f"--cp-{name}:{colour};" for name, colour in colours.items())


def style(theme: str = "auto", scope: str = ".clearprop") -> str:
    """Return the style sheet of a drawing.

    With `theme="auto"` the reader's system (or notebook) decides between light and dark; `"light"` and
    `"dark"` write the colours out, for programs that know no CSS variables.
    """
    rules = _rules(scope)
    if theme != "auto":
        palette = DARK if theme == "dark" else LIGHT
        rules = rules.replace(_FONT, "monospace")
        for name in sorted(palette, key=len, reverse=True):
            rules = rules.replace(f"var(--cp-{name})", palette[name])
        return rules
    dark = variables(DARK)
    hosts = ",".join(
        f"{host} {scope}"
        for host in ("[data-theme=dark]", "[data-jp-theme-light=false]", "body.vscode-dark", "html.dark")
    )
    light_hosts = ",".join(f"{host} {scope}" for host in ("[data-theme=light]", "[data-jp-theme-light=true]"))
    return (
        f"{scope}{{{variables(LIGHT)}}}@media(prefers-color-scheme:dark){{{scope}{{{dark}}}}}"
        f"{hosts}{{{dark}}}{light_hosts}{{{variables(LIGHT)}}}{rules}"
    )


def _rules(s: str) -> str:
    """Return the rules of the style sheet for what lies inside of the selector `s`; colours are variables."""
    kinds = "".join(
        f"{s} .{kind} .frame{{fill:var(--cp-{kind}-fill);stroke:var(--cp-{kind}-edge)}}"
        f"{s} .{kind} .rule{{stroke:var(--cp-{kind}-edge)}}"
        for kind in KINDS
    )
    return (
        f"{s} text{{font-family:{_FONT};font-size:12.5px;fill:var(--cp-ink);white-space:pre}}"
        f"{s} .paper{{fill:var(--cp-paper)}}"
        f"{s} .title{{font-weight:700}}{s} .note{{font-weight:400;fill:var(--cp-ink)}}"
        f"{s} .small{{font-size:10.5px}}{s} .soft{{fill:var(--cp-soft)}}"
        f"{s} .frame{{stroke-width:1.5}}{s} .rule{{stroke-width:1;stroke-opacity:.45}}"
        f"{s} .edge .way{{fill:none;stroke:var(--cp-arrow);stroke-width:1.5}}"
        f"{s} .edge .head{{fill:var(--cp-arrow);stroke:none}}"
        f"{s} .spark{{fill:none;stroke:var(--cp-ink);stroke-width:1.2}}"
        f"{s} .axis{{stroke:var(--cp-soft);stroke-width:.6}}"
        f"{kinds}"
        f"{s} .active .frame{{stroke:var(--cp-active);stroke-width:3}}"
        f"{s} .edge.sent .way{{stroke:var(--cp-active);stroke-width:2}}"
        f"{s} .edge.sent .head{{fill:var(--cp-active)}}"
        f"{s} .edge.faint{{opacity:.45}}{s} .edge.faint .way{{stroke-dasharray:5 4}}"
        f"{s} .edge.active .way{{stroke:var(--cp-active);stroke-width:3}}"
        f"{s} .edge.active .head{{fill:var(--cp-active)}}"
        f"{s} .alarm .frame{{stroke:var(--cp-alarm);stroke-width:3;stroke-dasharray:6 3}}"
    )


def svg(
    layout: Placement,
    *,
    theme: str = "auto",
    prefix: str = "cp",
    texts: Mapping[str, Mapping[str, str]] | None = None,
    active: Iterable[str] = (),
    alarm: Iterable[str] = (),
    back: Iterable[str] = (),
    title: str = "Computation graph",
    embed: bool = True,
) -> str:
    """Return a layout as one SVG element.

    The group of a box has the id `{prefix}-{box.id}`, the group of an arrow `{prefix}-{edge.id}`; inside a
    box the texts have the ids `{prefix}-{box.id}-title`, `-value` and `-grad`, and the gradient's picture
    `-grad-picture`, so a script can set them. `texts[box.id]` (with the keys `title`, `value`, `grad`)
    replaces them here; the ids in `active` light up and those in `alarm` are marked, as are boxes that hold
    a NaN or an infinity; the arrows in `back` point the other way, and beside them the others are faint. With
    `embed=False` the style sheet is left to the page, see `style`.

    >>> from clearprop.see.drawing.arrange import layout
    >>> from clearprop import Tensor
    >>> text = svg(layout(Tensor(2.0, name="a") * Tensor(3.0, name="b")))
    >>> text.startswith("<svg"), 'id="cp-n2-grad"' in text, 'id="cp-n0-n2-0"' in text
    (True, True, True)
    """
    lit, alarming, turned = set(active), set(alarm), set(back)
    width, height = f"{layout.width:.0f}", f"{layout.height:.0f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="clearprop" role="img" '
        f'width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" aria-labelledby="{prefix}-title {prefix}-desc">',
        f'<title id="{prefix}-title">{escape(title)}</title>',
        f'<desc id="{prefix}-desc">{escape(describe(layout))}</desc>',
        f"<style>{style(theme)}</style>" if embed else "",
        f'<rect class="paper" width="{width}" height="{height}" rx="8"/>',
        *(_edge(edge, prefix, _way(edge.id, lit, turned), edge.id in turned) for edge in layout.edges),
        *(
            _box(box, prefix, _state(box.id, lit, alarming, box.alarm), (texts or {}).get(box.id, {}))
            for box in layout.boxes
        ),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def describe(layout: Placement) -> str:
    """Return the drawing in words, every box and what goes into it: the text alternative for a screen
    reader.
    """
    entering: dict[str, list[str]] = {}
    heads = {box.id: box.heading for box in layout.boxes}
    for edge in layout.edges:
        entering.setdefault(edge.target, []).append(heads[edge.source])
    words = DRAWING[layout.language]
    sentences = [words["described"].format(boxes=len(layout.boxes), arrows=len(layout.edges))]
    for box in layout.boxes:
        facts = ", ".join(text for text in (box.label, box.value, box.grad, box.footer) if text)
        heads_of = f" {words['and']} ".join(entering.get(box.id, ()))
        source = ", " + words["comes from"].format(heads=heads_of) if heads_of else ""
        kind = words[f"kind {box.kind}"]
        sentences.append(f"{box.heading} ({kind}{': ' + facts if facts else ''}){source}.")
    return " ".join(sentences)


def _state(id: str, active: set[str], alarm: set[str], alarming: bool = False) -> str:
    return (" active" if id in active else "") + (" alarm" if alarming or id in alarm else "")


def _way(id: str, lit: set[str], turned: set[str]) -> str:
    """Return how an arrow looks: in use, used by a gradient already, or waiting while others go back."""
    if id in lit:
        return " active"
    return " sent" if id in turned else " faint" if turned else ""


def path(points: list[tuple[float, float]]) -> str:
    """Return an arrow's way as SVG path data: level stretches straight, the steps between them as smooth
    curves.
    """
    x, y = points[0]
    data = [f"M{x:.1f} {y:.1f}"]
    for i, (a, b) in enumerate(points[1:], start=1):
        if abs(a - x) < 0.5 or (i + 1 < len(points) and points[i + 1][0] == a):  # around the end of a row
            (c, d), following = _shortened((x, y), (a, b)), points[i + 1] if i + 1 < len(points) else (a, b)
            e, f = _shortened(following, (a, b))
            data.append(f"L{c:.1f} {d:.1f}Q{a:.1f} {b:.1f} {e:.1f} {f:.1f}")
            a, b = e, f
        elif abs(b - y) < 0.5:
            data.append(f"L{a:.1f} {b:.1f}")
        else:
            bend = (a - x) * 0.5
            data.append(f"C{x + bend:.1f} {y:.1f} {a - bend:.1f} {b:.1f} {a:.1f} {b:.1f}")
        x, y = a, b
    return "".join(data)


def _shortened(start: tuple[float, float], corner: tuple[float, float]) -> tuple[float, float]:
    """Return the point shortly before a corner, where its rounding begins."""
    (x, y), (a, b) = start, corner
    far = max(abs(a - x), abs(b - y), 1e-9)
    share = min(_ROUND, far / 2) / far
    return a + (x - a) * share, b + (y - b) * share


def _edge(edge: Edge, prefix: str, state: str, back: bool) -> str:
    """Draw an arrow, which ends seven pixels short of its head's tip; `back` turns it round."""
    x, y = edge.points[0 if back else -1]
    way = [(x + 7.0, y), *edge.points[1:]] if back else [*edge.points[:-1], (x - 7.0, y)]
    head = f"M{x:.1f} {y:.1f}l{9 if back else -9} -4.2v8.4z"
    return (
        f'<g class="edge{state}" id="{prefix}-{edge.id}"><path class="way" d="{path(way)}"/>'
        f'<path class="head" d="{head}"/></g>'
    )


def _box(box: Box, prefix: str, state: str, texts: Mapping[str, str]) -> str:
    id = f"{prefix}-{box.id}"
    rx = {"input": 9, "constant": 2, "module": 9}.get(box.kind, 4)
    parts = [
        f'<g class="box {box.kind}{state}" id="{id}" transform="translate({box.x:.1f} {box.y:.1f})">',
        f"<title>{escape(box.heading)}</title>",
        f'<rect class="frame" width="{box.w:.1f}" height="{box.h:.1f}" rx="{rx}"/>',
    ]
    if box.kind in ("output", "module"):
        parts.append(
            f'<rect class="rule" x="3" y="3" width="{box.w - 6:.1f}" height="{box.h - 6:.1f}" '
            f'rx="{max(rx - 3, 2)}" fill="none"/>'
        )
    parts.append(_heading(box, id, texts))
    if box.label:
        parts.append(_text(box.w - PAD, 16.5, box.label, "small soft", anchor="end"))
        parts.append(_body(box, id, texts))
        if box.footer:
            parts.append(_text(PAD, box.h - 11.0, box.footer, "small soft"))
    else:
        value, grad = texts.get("value", box.value), texts.get("grad", box.grad)
        if value:
            parts.append(_text(box.w - PAD, 17.0, value, "value", f"{id}-value", "end"))
            x = box.w - 1.5 * PAD - max(len(value), len(box.value)) * 7.53
            parts.append(f'<path class="rule" d="M{x:.1f} 0v{ROW:.0f}"/>')
        if box.h > ROW:
            parts.append(f'<path class="rule" d="M0 {ROW:.0f}h{box.w:.1f}"/>')
            parts.append(_text(PAD, ROW + 17.0, grad, "grad", f"{id}-grad"))
    parts.append("</g>")
    return "".join(parts)


def _heading(box: Box, id: str, texts: Mapping[str, str]) -> str:
    if "title" in texts:
        return _text(PAD, 17.0, texts["title"], "title", f"{id}-title")
    title, rest = box.head()
    note = f'<tspan class="note"> {escape(rest)}</tspan>' if rest else ""
    return f'<text class="title" id="{id}-title" x="{PAD:g}" y="17">{escape(title)}{note}</text>'


def _text(x: float, y: float, text: str, kind: str, id: str = "", anchor: str = "") -> str:
    named = f' id="{id}"' if id else ""
    end = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}"{named} x="{x:.1f}" y="{y:.1f}"{end}>{escape(text)}</text>'


def _body(box: Box, id: str, texts: Mapping[str, str]) -> str:
    """Draw an array's value and gradient: below each other for vectors, side by side for matrices."""
    value, grad = texts.get("value", box.value), texts.get("grad", box.grad)
    entries = [(value, box.value, box.value_picture, "value"), (grad, box.grad, box.grad_picture, "grad")]
    entries = [entry for entry in entries if entry[1] or entry[0]]
    parts = [f'<path class="rule" d="M0 {ROW:.0f}h{box.w:.1f}"/>'] if entries else []
    x, y = PAD, ROW + 4.0
    indent = max((len(shown) for _, shown, _, _ in entries), default=0) * SMALL_GLYPH + PAD
    for text, reserved, shown, which in entries:
        if stacked(box):
            tall = max(20.0, shown.height + 6.0 if shown else 0.0)
            parts.append(_text(x, y + tall / 2 + 3.0, text, "small " + which, f"{id}-{which}"))
            if shown:
                parts.append(
                    _picture(shown, x + indent, y + (tall - shown.height) / 2, f"{id}-{which}-picture")
                )
            y += tall
        else:
            parts.append(_text(x, y + 11.0, text, "small " + which, f"{id}-{which}"))
            if shown:
                parts.append(_picture(shown, x, y + CAPTION, f"{id}-{which}-picture"))
            x += max(len(reserved) * SMALL_GLYPH, shown.width if shown else 0.0) + 2 * PAD
    return "".join(parts)


def _picture(shown: Picture, x: float, y: float, id: str) -> str:
    draw = {"cells": _cells, "line": _line, "heat": _heat}[shown.kind]
    return f'<g id="{id}" transform="translate({x:.1f} {y:.1f})">{draw(shown)}</g>'


def _heat(shown: Picture) -> str:
    return (
        f'<image width="{shown.width:g}" height="{shown.height:g}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="{heat_png(shown.rows)}"/>'
    )


def _cells(shown: Picture) -> str:
    """Draw a small array as coloured cells with a number in each, dark on light ones and light on dark."""
    parts = []
    paint: Any = colours(shown.rows)
    for i, row in enumerate(shown.rows):
        for j, entry in enumerate(row):
            red, green, blue = (int(c) for c in paint[i, j])
            ink = "#ffffff" if 0.3 * red + 0.59 * green + 0.11 * blue < 140 else "#1b1f24"
            x, y = j * shown.cell, i * CELL_HEIGHT
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{shown.cell - 1:.1f}" height="{CELL_HEIGHT - 1:g}" '
                f'fill="#{red:02x}{green:02x}{blue:02x}"/>'
                f'<text class="small" x="{x + shown.cell / 2 - 0.5:.1f}" y="{y + 11.8:.1f}" '
                f'text-anchor="middle" style="fill:{ink}">{escape(brief(entry))}</text>'
            )
    return "".join(parts)


def _line(shown: Picture) -> str:
    """Draw a vector as a line above and below an axis at 0; what is not finite is left out."""
    entries = [float(t) for t in shown.rows]
    finite = [t for t in entries if t - t == 0]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    span = (high - low) or 1.0

    def down(t: float) -> float:
        return 2.0 + (high - t) / span * (shown.height - 4.0)

    step = shown.width / max(len(entries) - 1, 1)
    points = " ".join(f"{i * step:.1f},{down(t):.1f}" for i, t in enumerate(entries) if t - t == 0)
    axis = f'<path class="axis" d="M0 {down(0.0):.1f}h{shown.width:g}"/>'
    return f'{axis}<polyline class="spark" points="{points}"/>'
