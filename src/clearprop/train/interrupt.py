"""Ctrl-C that is waited for: the first asks to stop at the next good moment, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clearprop.ending import end as end_at_once


class Interrupt:
    """Whether somebody has asked to stop."""

    asked = False
    terminated = False
    """Whether it was SIGTERM that asked: then a checkpoint is saved, and the process ends with 143."""


@contextmanager
def gentle_interrupt(terminate: bool = True) -> Iterator[Interrupt]:
    """Inside the block, Ctrl-C sets `interrupt.asked`; a second one raises KeyboardInterrupt as usual.

    SIGTERM, as Slurm and Kubernetes send it, sets `terminated` too, unless `terminate` is False: what saves
    nothing ends at once. A signal that somebody else handles, or that is ignored, is left alone.

    Outside the main thread, where Python handles no signals, nothing changes.
    """
    interrupt = Interrupt()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def ask(number: int, frame: Any) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True

    def end(number: int, frame: Any) -> None:
        interrupt.asked = interrupt.terminated = True

    # Each by itself: what a shell runs in the background has Ctrl-C ignored, and SIGTERM not.
    ours: dict[signal.Signals, Any] = {signal.SIGINT: ask} if callable(before) else {}
    if terminate and signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, end_at_once):
        ours[signal.SIGTERM] = end
    handlers = {number: signal.signal(number, handler) for number, handler in ours.items()}
    try:
        yield interrupt
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
