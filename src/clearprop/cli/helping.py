"""A parser that answers a misspelt command or option with the nearest one, and help with an example."""

from __future__ import annotations

import argparse
import difflib
import itertools
import re
import sys
import textwrap
from collections.abc import Iterable
from typing import Any, NoReturn

from clearprop.errors import lesson

WRITTEN = ("--output", "--html", "--save", "-o", "--out")
"""What options for the file that is written are called, here and elsewhere."""


class Paragraphs(argparse.HelpFormatter):
    """Fills paragraphs to the terminal's width and leaves indented lines, which are examples, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = []
        for prose, lines in itertools.groupby(text.splitlines(), lambda line: bool(line[:1].strip())):
            if prose:
                filled.append(textwrap.fill(" ".join(lines), width, break_on_hyphens=False))
            else:
                filled += lines
        return "\n".join(filled)


class HelpfulParser(argparse.ArgumentParser):
    """A parser whose errors end with the nearest command or option that there is."""

    many = 8
    """From so many options on, the line of usage says `[options]`: the groups below tell them, one by one."""

    def format_usage(self) -> str:
        """Return the line of usage, short where there are many options."""
        self._shorten()
        return super().format_usage()

    def format_help(self) -> str:
        """Return the whole help, its line of usage short where there are many options."""
        self._shorten()
        return super().format_help()

    def _shorten(self) -> None:
        given = [action for action in self._actions if not action.option_strings]
        if self.usage is None and len(self._actions) - len(given) >= self.many:
            forms = {"?": "[{0}]", "*": "[{0} ...]", "+": "{0} [{0} ...]"}
            words = [forms.get(str(a.nargs), "{0}").format(a.metavar or a.dest) for a in given]
            self.usage = " ".join(["%(prog)s", "[options]", *words])

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write a help or a version; where there is no room for it, that is an error as of all else."""
        out = sys.stderr if file is None else file
        if message and out is not None:
            out.write(message)
            if out is sys.stdout:
                out.flush()

    def error(self, message: str) -> NoReturn:
        """Print the usage, what was wrong and what was perhaps meant; exit with status 2."""
        self.print_usage(sys.stderr)
        number = re.fullmatch(r"argument (\S+): invalid (int|float) value: '(.*)'", message)
        if number:
            wanted = "wants a whole number" if number[2] == "int" else "wants a number"
            message = lesson(number[1], wanted, repr(number[3]))
        near = self.nearest(message)
        hint = f"  Did you mean {near}?\n" if near else ""
        self.exit(2, f"{self.prog}: error: {message}\n{hint}")

    def nearest(self, message: str) -> str:
        """Return the nearest word to the one that a message complains about; '' where none is near."""
        asked = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        if not asked:
            return ""
        word = (asked[1] or asked[2] or "").partition("=")[0]
        words = [*self._option_string_actions]
        if word in WRITTEN:  # the same thing under another command's name
            return next((name for name in WRITTEN if name in words), "")
        choices = re.search(r"\(choose from (.*)\)", message)
        if choices:
            words += re.findall(r"[\w.-]+", choices[1])
        found = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
        return found[0] if found else ""


def named(names: Iterable[str], default: str) -> str:
    """Return the help of an option that takes one of some names.

    >>> named(["tanh", "relu"], "tanh")
    'tanh, relu (default: tanh)'
    """
    return f"{', '.join(names)} (default: {default})"


def options(parser: argparse.ArgumentParser) -> list[tuple[str, str, list[str] | None]]:
    """Return the long options of a parser: name, what it is for, and the words it may be given."""
    found = []
    for action in parser._actions:
        text = (action.help or "").split(";")[0].split("(")[0].strip()
        words = [str(choice) for choice in action.choices] if action.choices is not None else None
        found += [(name, text, words) for name in action.option_strings if name.startswith("--")]
    return found
