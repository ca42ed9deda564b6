"""An HTML page: one file that says whose it is and asks for no other, whatever is shown on it."""

from __future__ import annotations

import json
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
