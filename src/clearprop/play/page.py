"""The page itself: HTML around the programs, the data and the scripts, in one file without a request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from clearprop.compiler.js.script import library
from clearprop.see.drawing.svg import style

_WEB = Path(__file__).parent / "web"
SCRIPTS = ("numbers", "order", "data", "training", "views", "stepper", "play")
"""In the order in which one builds on the other."""


@cache
def _file(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")


def plain(x: Any) -> Any:
    """Return what JSON can hold: a number that is not finite is a word, which the page reads back.

    >>> plain({"losses": [1.0, float("nan"), float("-inf")]})
    {'losses': [1.0, '~nan', '~-inf']}
    """
    if isinstance(x, Mapping):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(value) for value in x]
    return f"~{x}" if isinstance(x, float) and not math.isfinite(x) else x


def document(title: str, told: Mapping[str, Any], programs: Sequence[str]) -> str:
    """Return the page of a model: what it is told, and its printed programs."""
    data = json.dumps(plain(told), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = data.replace("<", "\\u003c")
    scripts = "\n".join(_file(f"{name}.js") for name in SCRIPTS)
    listed = ",\n".join(programs).replace("</", "<\\/")
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="generator" content="clearprop">\n<link rel="icon" href="data:,">',
            f"<title>{escape(title)} - clearprop</title>",
            f"<style>\n{style('auto')}\n{_file('play.css')}</style>\n</head>",
            f'<body class="clearprop">\n<h1>{escape(title)}</h1>\n{_file("play.html")}',
            f'<script type="application/json" id="told">{data}</script>',
            f'<script>\n"use strict";\n{library()}\nconst programs=[\n{listed}\n];\n{scripts}\n</script>',
            "</body>\n</html>\n",
        ]
    )
