"""How many columns of a screen a text takes: a wide letter or picture two, a mark above another none."""

from __future__ import annotations

import re
import unicodedata

_COLOUR = re.compile("\x1b\\[[0-9]*m")


def columns(text: str) -> int:
    """Return how many columns a terminal gives to a text, without its colours.

    >>> columns("weight"), columns("学习率"), columns("é"), columns("🦊 fox")
    (6, 6, 1, 6)
    """
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(map(_wide, _COLOUR.sub("", text)))


def padded(text: str, width: int) -> str:
    """Return a text with spaces behind it, so that it takes this many columns.

    >>> padded("学", 4) + "|"
    '学  |'
    """
    return text + " " * (width - columns(text))


def _wide(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
