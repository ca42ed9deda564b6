"""The lessons in their order, and what they say in a language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from clearprop.errors import InputError, lesson
from clearprop.lessons import english, german
from clearprop.lessons.findings import FOUND
from clearprop.see.step.captions import Captions, captions_of

TABLES = {"en": english, "de": german}
PARTS = {
    "basics": [
        "graph",
        "forward",
        "numerical",
        "tree",
        "dag",
        "order",
        "nodes",
        "matrices",
        "neuron",
        "training",
    ],
    "networks": ["attention", "convolution", "lstm", "batch-norm", "dropout", "adam"],
    "troubles": ["rate", "scaling", "dead", "softmax", "zero-grad", *FOUND],
}
ORDER = [name for names in PARTS.values() for name in names]
ALGORITHMS = {"dag": "tree", "order": "recursive"}
"""The wrong algorithm that a lesson shows beside the right one."""


@dataclass(frozen=True)
class Teaching:
    """All that the lessons say in one language."""

    language: str
    lessons: Mapping[str, Mapping[str, Any]]
    words: Mapping[str, str]
    captions: Captions
    remarks: Mapping[str, str]
    """What stands beside lines of code, by the English words."""

    def title(self, name: str) -> str:
        """Return the title of a lesson."""
        return str(self.lessons[name]["title"])

    def text(self, name: str) -> list[str]:
        """Return the paragraphs of a lesson."""
        return [*self.lessons[name]["text"]]

    def code(self, lines: str) -> str:
        """Return lines of code with comments and docstrings in the language.

        >>> told("de").code("c = Tensor(-0.8)  # the cell so far")
        'c = Tensor(-0.8)  # die Zelle bis hierher'
        """
        for words, other in self.remarks.items():
            lines = lines.replace(f"# {words}", f"# {other}").replace(f'"""{words}"""', f'"""{other}"""')
        return lines


def told(language: str = "en") -> Teaching:
    """Return what the lessons say in a language; raises InputError where they do not speak it.

    >>> told("de").title("order")
    'In welcher Reihenfolge'
    """
    if language not in TABLES:
        raise InputError(lesson("lecture", f"is told in {', '.join(TABLES)}", repr(language)))
    table = TABLES[language]
    return Teaching(language, table.LESSONS, table.WORDS, captions_of(language), table.REMARKS)


def inline(text: str) -> str:
    """Return a paragraph as HTML: code where there are backticks.

    >>> inline("`a < b` is said")
    '<code>a &lt; b</code> is said'
    """
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
