"""Ctrl-C that is waited for: the first asks to stop at the next good moment, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupt:
    """Whether somebody has asked to stop."""

    asked = False
    terminated = False
    """Whether it was SIGTERM that asked: then a checkpoint is saved, and the process ends with 143."""


@contextmanager
def gentle_interrupt() -> Iterator[Interrupt]:
    """Inside the block, Ctrl-C sets `interrupt.asked`; a second one raises KeyboardInterrupt as usual.

    SIGTERM, as Slurm and Kubernetes send it, sets `terminated` too, unless somebody else handles it.

    Outside the main thread, where Python handles no signals, nothing changes.
    """
    interrupt = Interrupt()
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and callable(before)
    if not ours:
        yield interrupt
        return

    def ask(number: int, frame: Any) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True

    def end(number: int, frame: Any) -> None:
        interrupt.asked = interrupt.terminated = True

    ended = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, ask)
    if ended is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
        if ended is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, ended)
