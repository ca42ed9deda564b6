"""The words of the tools with which a graph is looked at, and what has them in another language."""

from __future__ import annotations

from typing import Protocol

VIEW = {
    "view": "View",
    "smaller": "Smaller",
    "larger": "Larger",
    "fit": "Fit",
    "all in view": "All in view",
    "full size": "Full size",
    "close all": "Close all",
    "where": "Where you are",
    "everything": "Everything",
    "alone": "{group} alone",
    "depth": "Depth",
    "open to depth": "Open to depth",
    "search": "Search",
    "search for": "Search: an op, a name, a shape",
    "found": "What was found",
    "nothing found": "Nothing is called that.",
    "save svg": "Save what is seen as SVG",
    "save png": "Save what is seen as PNG",
    "graph keys": "The graph. Arrow keys move it, plus and minus change its size.",
    "box open": "open, Enter closes it",
    "box closed": "closed, Enter opens it",
    "column input": "Input",
    "column intermediate": "Intermediate",
    "column output": "Output",
}
"""The words of the tools that every page with a graph has, in English."""


class Worded(Protocol):
    """What has a word for each name of `VIEW`: a dict, or the captions of a language."""

    def __getitem__(self, key: str, /) -> str: ...
