"""`--processes N`: a command that is run by several processes, which `mpiexec` starts."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from clearprop.data.reading.sources import is_read_once
from clearprop.errors import InputError, lesson
from clearprop.parallel.launcher import launched


def several(args: argparse.Namespace, run: Callable[[], int]) -> int:
    """Run a command by several processes: start them, or be one of them; the first one prints and writes."""
    n = args.processes or launched()
    alone = [name for name in ("folds", "seeds") if getattr(args, name, None) is not None]
    if alone:
        said = ", ".join("--" + name.replace("_", "-") for name in alone)
        raise InputError(lesson("--processes", "is not for what one process does by itself", said))
    if is_read_once(args.data):
        wanted, got = "wants a file, which each process reads", f"{args.data!r} can be read once"
        raise InputError(lesson("--processes", wanted, got, hint="writing it into a file first"))
    if launched() == 1:
        return started(n, args.argv)
    from clearprop import parallel

    if n != launched():
        got = f"{n}, and {launched()} were started"
        raise InputError(lesson("--processes", "is for a command that mpiexec has not started", got))
    args.world = parallel.world()
    if args.world.first:
        return _together(args.world, run)
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing):
        return _together(args.world, run)


def _together(world: Any, run: Callable[[], int]) -> int:
    """Return the first one's status in all of them; what fails in all is said once."""
    try:
        status = run()
    except InputError:
        if world.share(2) == 2 and not world.first:
            return 2
        raise
    return int(world.share(status))


def started(processes: int, argv: list[str]) -> int:
    """Start the command so many times, and return its status; raises InputError without an `mpiexec`.

    Ctrl-C and SIGTERM reach all processes, which keep what they have learned; it waits for them.
    """
    beside = Path(sys.prefix, "bin", "mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None:
        hint = "pip install clearprop[mpi]"
        raise InputError(lesson("--processes", "wants mpiexec", "there is none on the path", hint=hint))
    command = [launcher, "-n", str(processes), sys.executable, "-m", "clearprop", *argv]
    # In a session of its own what a terminal sends comes once, from here; nobody types there.
    typed = subprocess.DEVNULL if sys.stdin is not None and sys.stdin.isatty() else None
    process = subprocess.Popen(command, stdin=typed, start_new_session=True)
    with passed_on(process) as sent:
        status = process.wait()
    if not status and sent:  # some launchers do not say what ended their processes
        return 128 + sent[0]
    return status if status >= 0 else 128 - status


@contextmanager
def passed_on(process: Any) -> Iterator[list[int]]:
    """Inside the block a process is sent the signals that would end this one; a list has those that came."""
    before: dict[int, Any] = {}
    sent: list[int] = []

    def pass_on(number: int, frame: Any) -> None:
        sent.append(number)
        process.send_signal(number)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # not all are there on Windows
                number = getattr(signal, name)
                before[number] = signal.signal(number, pass_on)
    try:
        yield sent
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
