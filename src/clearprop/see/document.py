"""An HTML page: one file that says whose it is and asks for no other, whatever is shown on it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from html import escape
from typing import Any


def document(title: str, style: str, body: str, kind: str = "clearprop", language: str = "en") -> str:
    """Return the page of a title, a style sheet and what stands in its body, whose class is `kind`.

    >>> "<title>a &lt; b - clearprop</title>" in document("a < b", "", "<p>b</p>")
    True
    """
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="clearprop">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)} - clearprop</title>\n<style>\n{style}</style>\n</head>\n"
        f'<body class="{kind}">\n{body}\n</body>\n</html>\n'
    )


def data(id: str, told: Mapping[str, Any]) -> str:
    """Return the element from which a page's scripts read what they are told; no text in it ends it.

    Raises ValueError for NaN and infinities, for which JSON has no words.

    >>> data("told", {"name": "</script>"})
    '<script type="application/json" id="told">{"name":"\\\\u003c/script>"}</script>'
    """
    text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{id}">{text}</script>'


MOST_IN_A_CELL = 1_000_000  # bytes that one result adds to a notebook
_PACKED = 200_000  # from here on a page is compressed; browsers unpack it

_UNPACK = """<script>
(async () => {
  const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const page = await new Response(whole).text();
  document.open(); document.write(page); document.close();
})();
</script>"""

_FROZEN = (
    '<p class="clearprop-frozen">This page moves. Run the cell, or trust the notebook, to see it.</p>'
    "<style>.clearprop-frozen{display:none}</style>"
)


def framed(page: str, title: str, height: int, instead: str) -> str:
    """Return the frame in which a notebook shows a page; a large one is packed and unpacked by the browser.

    A page that takes more than `MOST_IN_A_CELL` bytes when packed is not kept in the notebook: `instead` is
    written, which says how to see it. A notebook from elsewhere, which its reader does not trust yet, is
    shown without frames and without styles: then the sentence that a style hides says what to do.

    >>> "<iframe srcdoc='<p>one</p>'" in framed("<p>one</p>", "One", 300, "too large")
    True
    """
    if len(page) > _PACKED:
        page = _UNPACK % base64.b64encode(zlib.compress(page.encode(), 9)).decode()
    if len(page) > MOST_IN_A_CELL:
        return f"<p>{escape(instead)}</p>"
    kept = page.replace("&", "&amp;").replace("'", "&#39;")  # a page is full of double quotes
    style = f"width:100%;height:{height}px;border:0"
    frame = f'<iframe srcdoc=\'{kept}\' style="{style}" title="{escape(title)}"></iframe>'
    return _FROZEN + frame
