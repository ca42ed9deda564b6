"""How results show themselves: text at a prompt, LaTeX or HTML in a notebook; tables, and text that folds."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence


class Readable:
    """A result that shows itself: `str(r)` is text, a notebook shows LaTeX, a page takes `to_html()`."""

    @property
    def text(self) -> str:
        """The result as plain text."""
        raise NotImplementedError

    def to_text(self) -> str:
        """Return the result as plain text."""
        return self.text

    def to_latex(self) -> str:
        """Return the result as LaTeX, without dollar signs."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Return the result as an HTML fragment."""
        return f'<pre class="clearprop">{html.escape(self.text)}</pre>'

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def tex(text: str) -> str:
    """Return text for use inside LaTeX's \\\\text{...}."""
    return escape(text)


def table(
    kind: str, caption: str, rows: Sequence[Sequence[str]], numbers: int = 0, total: bool = False
) -> str:
    """Return an HTML table: the first row is the head, the last `numbers` columns are aligned at the right.

    >>> table("k", "a < b", [("x",), ("1",)]).startswith('<table class="k"><caption>a &lt; b</caption><tr>')
    True
    """
    body = []
    for i, cells in enumerate(rows):
        tag = "th" if i == 0 or (total and i == len(rows) - 1) else "td"
        written = []
        for k, cell in enumerate(cells):
            side = "right" if k >= len(cells) - numbers else "left" if numbers else ""
            style = (f"text-align:{side};" if side else "") + "padding:1px 8px"  # some front ends set it to 0
            written.append(f"<{tag} style='{style}'>{html.escape(cell).replace('  ', '&emsp;')}</{tag}>")
        body.append(f"<tr>{''.join(written)}</tr>")
    return f'<table class="{kind}"><caption>{html.escape(caption)}</caption>{"".join(body)}</table>'


_LINES = "white-space:pre-wrap;font-family:monospace;margin-left:1.2em"
_COLOURS = {"right": "#1a7f37", "WRONG": "#cf222e", "cannot tell": "#9a6700"}


def judged(verdict: str, text: str) -> str:
    """Return HTML of a check's verdict on a ground of its colour, and of the text, whose lines fold.

    >>> "right</b>" in judged("right", "2 compared"), "2 compared" in judged("right", "2 compared")
    (True, True)
    """
    style = f"background:{_COLOURS[verdict]};color:#fff;padding:1px 7px;border-radius:4px"
    return f'<div class="clearprop"><b style="{style}">{html.escape(verdict)}</b> {_folded(text, 2)}</div>'


def foldable(text: str) -> str:
    """Return HTML of indented text in which each line opens and closes the deeper ones below it.

    >>> foldable("a\\n  b\\n  c").count("<details"), foldable("a < b").count("a &lt; b")
    (1, 1)
    """
    return f'<div class="clearprop">{_folded(text, 1)}</div>'


def _folded(text: str, opened: int) -> str:
    """Return the lines of one depth, each with those below it that are deeper, open for so many levels."""
    blocks: list[list[str]] = []
    lines = text.splitlines()
    margin = min((_margin(line) for line in lines if line.strip()), default=0)
    for line in lines:
        if blocks and (_margin(line) > margin or not line.strip()):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    written = []
    for first, *below in blocks:
        head = html.escape(first.rstrip()[margin:])  # what is aligned stays aligned
        if below:
            inner = _folded("\n".join(below), opened - 1)
            state = " open" if opened > 0 else ""
            written.append(f"<details{state}><summary>{head}</summary>{inner}</details>")
        else:
            written.append(f"<div>{head}</div>")
    return f'<div style="{_LINES}">{"".join(written)}</div>'


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def escape(text: str) -> str:
    """Return text with the characters that LaTeX takes for commands made harmless."""
    return re.sub(r"([_#$%&{}])", r"\\\1", text.replace("\\", r"\backslash ").replace("^", r"\wedge "))
