"""What every readable result shares: plain text at the prompt, LaTeX in a notebook, an HTML fragment."""

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

    >>> table("k", "a < b", [("x",), ("1",)])
    '<table class="k"><caption>a &lt; b</caption><tr><th>x</th></tr><tr><td>1</td></tr></table>'
    """
    body = []
    for i, cells in enumerate(rows):
        tag = "th" if i == 0 or (total and i == len(rows) - 1) else "td"
        written = []
        for k, cell in enumerate(cells):
            side = "right" if k >= len(cells) - numbers else "left" if numbers else ""
            style = f' style="text-align:{side}"' if side else ""
            written.append(f"<{tag}{style}>{html.escape(cell).replace('  ', '&emsp;')}</{tag}>")
        body.append(f"<tr>{''.join(written)}</tr>")
    return f'<table class="{kind}"><caption>{html.escape(caption)}</caption>{"".join(body)}</table>'


def escape(text: str) -> str:
    """Return text with the characters that LaTeX takes for commands made harmless."""
    return re.sub(r"([_#$%&{}])", r"\\\1", text.replace("\\", r"\backslash ").replace("^", r"\wedge "))
