"""The gallery: the lecture's graphs on one page, each with its drawing and a link to step through it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from clearprop.see.document import document
from clearprop.see.drawing.draw import write
from clearprop.see.drawing.svg import style
from clearprop.see.step.steps import trace
from clearprop.typed.lecture import EXAMPLES

_TITLE = "The lecture, box for box"
_STYLE = """
body { margin: 0 auto; padding: 20px; max-width: 1180px; background: var(--cp-paper); color: var(--cp-ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 0; }
a { color: inherit; } a:focus-visible { outline: 3px solid var(--cp-active); outline-offset: 3px; }
ul { list-style: none; padding: 0; display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); }
li { border: 1px solid var(--cp-constant-edge); border-radius: 12px; padding: 12px 16px; min-width: 0; }
li p { margin: 2px 0 8px; } .picture { overflow-x: auto; }
svg { max-width: 100%; height: auto; display: block; }
"""


def index() -> str:
    """Return the page that lists the lecture's examples."""
    items = []
    for example in EXAMPLES.values():
        first, rest = example.shows.split(" ", 1)
        shows = f"{first if len(first) == 1 else first.capitalize()} {rest}"  # a variable stays as it is
        picture = trace(example.graph()).to_svg(prefix=example.name)
        items.append(
            f'<li><h2><a href="{example.name}.html"><code>{escape(example.expression)}</code></a></h2>'
            f'<p>{escape(shows)}.</p><div class="picture">{picture}</div></li>'
        )
    body = [
        f"<h1>{_TITLE}</h1>",
        "<p>Every graph with its values and gradients.",
        "Choose one to step through it, forward and back.</p>\n<ul>",
        *items,
        "</ul>",
    ]
    styles = f":root {{ color-scheme: light dark; }}\n{style('auto')}{_STYLE}"
    return document(_TITLE, styles, "\n".join(body))


def save_index(folder: Path, overwrite: bool = True) -> Path:
    """Write the list as `index.html` into a folder; return its path."""
    path = folder / "index.html"
    write(path, index().encode(), overwrite)
    return path
