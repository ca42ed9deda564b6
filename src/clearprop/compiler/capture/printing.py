"""What a step prints while it is recorded: compiled calls do not, so somebody should say so."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clearprop.errors import lesson, user_line


class Heard:
    """A stream that writes to another, and remembers the line of this thread's that first wrote."""

    stream: Any
    thread: int
    line: str

    def __init__(self, stream: Any) -> None:
        self.stream, self.thread, self.line = stream, threading.get_ident(), ""

    def write(self, text: str) -> Any:
        """Write, and remember where from."""
        told = sys._getframe(1).f_globals.get("__name__") == "warnings"  # which is shown once, too
        if not (self.line or told) and threading.get_ident() == self.thread:
            self.line = user_line()
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def hearing() -> Iterator[list[Heard]]:
    """Listen to what is printed inside the block.

    >>> with hearing() as heard:
    ...     print("a loss")
    a loss
    >>> any(stream.line for stream in heard)
    True
    """
    heard = [Heard(sys.stdout), Heard(sys.stderr)]
    sys.stdout, sys.stderr = heard
    try:
        yield heard
    finally:
        if sys.stdout is heard[0]:
            sys.stdout = heard[0].stream
        if sys.stderr is heard[1]:
            sys.stderr = heard[1].stream


def warn(line: str) -> None:
    """Say that what was printed from a line will not be printed again."""
    hint = "printing what the step returns"
    text = lesson("compile(step)", "the step prints, compiled calls do not", "", f"At {line}.", hint)
    warnings.warn(text, RuntimeWarning, stacklevel=6)
