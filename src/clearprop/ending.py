"""SIGTERM that ends a program as an error does: what it has begun to write is taken away first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def end(number: int, frame: Any) -> None:
    """End the program with the status that a shell tells of a signal: 143 of SIGTERM."""
    raise SystemExit(128 + number)


@contextmanager
def tidy_end() -> Iterator[None]:
    """Inside the block SIGTERM raises SystemExit(143) where it would kill the process.

    A signal that somebody else handles, or that is ignored, is left alone, and so is another thread's.

    >>> with tidy_end():
    ...     try:
    ...         signal.raise_signal(signal.SIGTERM)
    ...     except SystemExit as error:
    ...         print(error.code)
    143
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
