"""The page itself: HTML around the programs, the data and the scripts, in one file without a request."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from clearprop.compiler.engines.js.script import library
from clearprop.see import document
from clearprop.see.drawing.svg import style

_WEB = files("clearprop.play") / "web"  # in a folder, or in a zip archive
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


def page_of(title: str, told: Mapping[str, Any], programs: Sequence[str]) -> str:
    """Return the page of a model: what it is told (its `words` and `language` too), and its
    printed programs.
    """
    words = {key: escape(said) for key, said in told["words"].items()}
    body = re.sub(r"\{([\w ]+)\}", lambda slot: words[slot[1]], _file("play.html"))
    scripts = "\n".join(_file(f"{name}.js") for name in SCRIPTS)
    listed = ",\n".join(programs).replace("</", "<\\/")
    parts = [
        f"<h1>{escape(title)}</h1>\n{body}",
        document.data("told", plain(told)),
        f'<script>\n"use strict";\n{library()}\nconst programs=[\n{listed}\n];\n{scripts}\n</script>',
    ]
    styles = f"{style('auto')}\n{_file('play.css')}"
    return document.document(title, styles, "\n".join(parts), language=told["language"])
