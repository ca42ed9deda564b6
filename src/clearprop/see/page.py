"""What every readable result shares: plain text at the prompt, LaTeX in a notebook, an HTML fragment."""

from __future__ import annotations

import html

from clearprop.see.notation import escape


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
