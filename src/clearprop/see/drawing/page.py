"""A drawing as one HTML page: no network, no library; folded modules open with a click."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from clearprop.see.drawing.svg import DARK, LIGHT, style, svg, variables

if TYPE_CHECKING:
    from clearprop.see.drawing.draw import Drawing

_STYLE = (
    f":root{{color-scheme:light dark;{variables(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    "body{margin:0;padding:1.2rem;background:var(--cp-paper);color:var(--cp-ink);"
    "font:15px/1.5 system-ui,sans-serif}h1{font-size:1.15rem;margin:0 0 .8rem}"
    ".fit>svg{max-width:100%;height:auto}details{border-top:1px solid var(--cp-soft);margin-top:.8rem}"
    "details details{margin-left:1rem}summary{cursor:pointer;padding:.5rem 0;font-weight:600}"
    "summary small{font-weight:400;color:var(--cp-soft)}p{color:var(--cp-soft);max-width:60rem}"
    ".clearprop .module{cursor:pointer}"
    ".clearprop .module:focus-visible .frame,.clearprop .module:hover .frame"
    "{stroke-width:3}"
)

_MOST_SECTIONS = 600  # pieces of the page: the insides of a very large model are left out

_READABLE = 2000.0  # pixels of a drawing that a page may shrink to its width

# A click (or Enter) on a folded module opens the section that shows its inside.
_SCRIPT = """
for (const box of document.querySelectorAll("svg .module")) {
  const section = document.getElementById("inside-" + box.id);
  if (!section) continue;
  box.ownerSVGElement.setAttribute("role", "group");  // an "img" hides the buttons in it from screen readers
  box.setAttribute("tabindex", "0");
  box.setAttribute("role", "button");
  box.setAttribute("aria-label", "Open " + box.querySelector("title").textContent);
  const open = () => { section.open = true; section.scrollIntoView({behavior: "smooth", block: "nearest"}); };
  box.addEventListener("click", open);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); }
  });
}
"""


def page(drawing: Drawing) -> str:
    """Return a page that shows a drawing and, below it, the insides of its folded modules to be opened."""
    sections: list[str] = []
    _section(drawing, "cp", sections)
    hint = "<p>Click a module to see inside.</p>" if drawing.inside else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="clearprop">\n'
        f"<title>{escape(drawing.title)}</title>\n<style>{_STYLE}{style()}</style>\n</head>\n<body>\n"
        f"<h1>{escape(drawing.title)}</h1>\n{hint}\n" + "\n".join(sections) + "\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def framed(drawn: str, width: float) -> str:
    """Return an SVG in a frame: shrunk to the page where it stays readable, else to be scrolled."""
    fit = width <= _READABLE
    return f'<div class="{"fit" if fit else "scroll"}" style="overflow:auto">{drawn}</div>'


def _section(drawing: Drawing, prefix: str, sections: list[str]) -> None:
    """Add a drawing, then a `<details>` for each folded module in it, with what lies inside."""
    drawn = svg(drawing.layout, prefix=prefix, title=drawing.title, embed=False)
    sections.append(framed(drawn, drawing.layout.width))
    for box in drawing.layout.boxes:
        inner = drawing.inside.get(box.id)
        if inner is not None and len(sections) < _MOST_SECTIONS:
            id = f"{prefix}-{box.id}"
            sections.append(
                f'<details id="inside-{id}"><summary>{escape(box.title)} '
                f"<small>{escape(box.note)}</small></summary>"
            )
            _section(inner(), f"{prefix}_{box.id}", sections)
            sections.append("</details>")
