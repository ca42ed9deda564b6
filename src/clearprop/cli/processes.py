"""`--processes N`: a command that is run by several processes, which `mpiexec` starts."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from clearprop.errors import InputError, lesson
from clearprop.parallel.launcher import launched


def several(args: argparse.Namespace, run: Callable[[], int]) -> int:
    """Run a command by several processes: start them, or be one of them; the first one prints and writes."""
    n = args.processes or launched()
    alone = [name for name in ("folds", "seeds") if getattr(args, name, None) is not None]
    if alone:
        said = ", ".join("--" + name.replace("_", "-") for name in alone)
        raise InputError(lesson("--processes", "is not for what one process does by itself", said))
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
    """Start the command so many times, and return its status; raises InputError without an `mpiexec`."""
    beside = Path(sys.prefix, "bin", "mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None:
        hint = "pip install clearprop[mpi]"
        raise InputError(lesson("--processes", "wants mpiexec", "there is none on the path", hint=hint))
    return subprocess.call([launcher, "-n", str(processes), sys.executable, "-m", "clearprop", *argv])
