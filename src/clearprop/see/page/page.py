"""A graph as one HTML page: no network, no library, whatever its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from clearprop.see.algebra.formulas import formula
from clearprop.see.document import data, document
from clearprop.see.drawing.svg import DARK, LIGHT, variables
from clearprop.see.page.story import Story
from clearprop.see.words import DRAWING, Worded, spoken
from clearprop.tensor import Tensor

_WEB = files("clearprop.see.page") / "web"  # in a folder, or in a zip archive
_LONGEST_TITLE = 80  # characters
KIT = ("axis", "ways", "tree", "pieces", "paint", "elements", "sight", "hands", "overview", "stage")
"""The scripts of every page with a graph on it, in the order in which one builds on the other."""
_DRAWING = ("panel", "search", "export", "address", "drawing", "start")

# Where the reader's system has colours of its own, they stand for ours.
FORCED = dict.fromkeys(LIGHT, "CanvasText") | {
    "paper": "Canvas", "line": "Canvas", "soft": "GrayText", "active": "Highlight",
    **{f"{kind}-fill": "Canvas" for kind in ("input", "middle", "output", "constant", "module")},
}  # fmt: skip


@dataclass(frozen=True)
class Opening:
    """What is open at first: groups down to a depth, and those named; chosen by the page where left out."""

    depth: int | None = None
    expand: tuple[str, ...] = ()


def page(
    output: Tensor,
    model: Any = None,
    prefix: str = "",
    names: Mapping[int, str] | None = None,
    title: str = "",
    opening: Opening | None = None,
    inputs: str = "auto",
    language: str = "en",
) -> str:
    """Return the page of the graph that led to `output`; see `clearprop.see.drawing.draw.draw`."""
    words = spoken(DRAWING, language, "draw")
    title = title or name_of(output, names or {}, words["graph"])
    told = Story(output, model, prefix, names, left=inputs != "near", language=language).data(title)
    opening = opening or Opening()
    told |= {"depth": opening.depth, "expand": list(opening.expand), "words": dict(words)}
    return with_scripts(title, _body(words), told, (*KIT, *_DRAWING), language=language)


def name_of(output: Tensor, names: Mapping[int, str], other: str) -> str:
    """Return what to call a graph: its formula where that is short, else the name of its output, or `other`
    where it has none.
    """
    line = "; ".join(formula(output, names).text.splitlines())
    if len(line) <= _LONGEST_TITLE:
        return line
    return names.get(id(output)) or output.name or other


def with_scripts(
    title: str,
    body: str,
    told: Mapping[str, Any],
    scripts: tuple[str, ...],
    styles: str = "",
    code: str = "",
    language: str = "en",
) -> str:
    """Return an HTML page with these scripts, the data they read, and the colours of the drawings.

    `styles` and `code` of the page's own come after those that all pages share.
    """
    code = "\n".join([*(web(f"{name}.js") for name in scripts), code])
    parts = [
        f"<h1><code>{escape(title)}</code></h1>\n{body}",
        data("graph", told),
        f'<script>\n"use strict";\n{code}</script>',
    ]
    return document(title, f"{colours()}\n{web('page.css')}{styles}", "\n".join(parts), language=language)


def colours() -> str:
    """Return the style sheet of the colours: light, dark, and those a reader's system insists on."""
    return (
        f":root{{color-scheme:light dark;{variables(LIGHT)}}}\n"
        f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}\n"
        f"@media(forced-colors:active){{:root{{{variables(FORCED)}}}}}"
    )


@cache
def web(name: str) -> str:
    """Return a script or style sheet of the pages."""
    return (_WEB / name).read_text(encoding="utf-8")


def button(id: str, name: str, sign: str) -> str:
    """Return a button, which a screen reader calls by its name."""
    return f'<button type="button" id="{id}" aria-label="{name}" title="{name}">{sign}</button>'


def tools(words: Worded) -> str:
    """Return the bar with which a graph is looked at, in a language's `words`, named as in `VIEW`."""
    return (
        f'<div class="bar" role="toolbar" aria-label="{words["view"]}">'
        + button("smaller", f"{words['smaller']} (-)", "&minus;")
        + button("larger", f"{words['larger']} (+)", "+")
        + button("fit", f"{words['all in view']} (0)", words["fit"])
        + button("full", f"{words['full size']} (1)", "1:1")
        + '<span class="folding" id="folding">'
        + button("close-all", words["close all"], words["close all"])
        + f'<label>{words["depth"]} <select id="depth" aria-label="{words["open to depth"]}"></select>'
        + '</label></span><span class="finder"><input type="search" id="find" '
        f'placeholder="{words["search"]} ( / )" role="combobox" aria-label="{words["search for"]}" '
        'aria-expanded="false" aria-controls="hits" '
        'autocomplete="off">'
        f'<ul id="hits" role="listbox" aria-label="{words["found"]}" hidden></ul></span>'
        + '<span class="saving">'
        + button("save-svg", words["save svg"], "SVG")
        + button("save-png", words["save png"], "PNG")
        + "</span></div>"
    )


def _body(words: Mapping[str, str]) -> str:
    """What the reader of a drawing sees, from the tools to the hint."""
    hint = words["hint"].replace("{slash}", "<kbd>/</kbd>")
    return (
        f'{tools(words)}\n<nav class="way" id="way" aria-label="{words["where"]}" hidden></nav>\n'
        '<div class="room"><div class="stage" id="stage"></div>\n'
        f'<aside class="card" id="panel" aria-label="{words["chosen box"]}" hidden></aside></div>\n'
        f'<p class="hint">{hint}</p>'
    )
