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


def clipped(text: str, most: int) -> str:
    """Return a text of at most so many columns: of a longer one its beginning and its end.

    >>> clipped("encoder.layers.11.attention.weight", 20)
    'encoder.layer…weight'
    """
    if columns(text) <= most:
        return text
    behind = most // 3
    return f"{_head(text, most - 1 - behind)}\N{HORIZONTAL ELLIPSIS}{_head(text[::-1], behind)[::-1]}"


def _head(text: str, most: int) -> str:
    """Return as many letters from the front as have room."""
    taken = 0
    for n, letter in enumerate(text):
        taken += _wide(letter)
        if taken > most:
            return text[:n]
    return text


def _wide(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
