"""The other cores: threads that wait in native code for tasks, as many as this process may have.

How a step is cut into tasks depends on its shapes alone, and what each task adds up goes where it alone
writes. So every number of threads gives the same bits, whoever takes what.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.engines.llvm.language.engine import Code
from clearprop.compiler.engines.llvm.plan.tickets import ALONE, LINE, LINES, STOP, THREADS, TOGETHER
from clearprop.compiler.plan.memory import PAIR
from clearprop.errors import lesson
from clearprop.locks import rlock

VARIABLE = "CLEARPROP_THREADS"
MOST = 256  # threads that may be asked for
GROUPS = Path("/sys/fs/cgroup")


def _native() -> bool:
    """Tell whether threads can wait for tasks here: Linux on x86-64."""
    return sys.platform == "linux" and os.uname().machine == "x86_64"


def possible() -> bool:
    """Tell whether there are others to share with: where threads can wait, and there is more than one."""
    return _native() and cores() > 1


def cores() -> int:
    """Return how many threads a step may have: as many as `CLEARPROP_THREADS` says, also beyond the cores.

    Without it, the cores of the process's affinity, but not more than the whole ones in its control group's
    quota. Raises ValueError where the variable is no number from 1 to 256.
    """
    asked = os.environ.get(VARIABLE, "").strip()
    if not asked:
        return max(1, min(_available(), _quota(GROUPS, _groups()), MOST))
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked) <= MOST):
        raise ValueError(
            lesson(
                f"{VARIABLE}={asked}",
                f"wants a number of threads from 1 to {MOST}",
                f"got {asked!r}",
                "Native code reads this environment variable when a step is compiled.",
                f"{VARIABLE}=1 for one core, or no such variable for all that the process may use",
            )
        )
    return int(asked)


def _available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _groups() -> str:
    """Return what the kernel says of the control groups that this process is in."""
    try:
        return Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""


def _quota(root: Path, groups: str) -> int:
    """Return how many whole cores the control groups leave, one at least: a group's and its parents' quotas.

    Both kinds of files are read: `cpu.max` of version 2, and `cpu.cfs_quota_us` of version 1.
    """
    left = float(MOST)
    for line in groups.splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds and "cpu" not in kinds.split(","):
            continue
        tops = [root / kinds, root / "cpu"] if kinds else [root, root / "unified"]
        places = [Path(path.strip("/")), *Path(path.strip("/")).parents]
        left = min([left, *(_allowed(top / place) for top in tops for place in places)])
    return max(1, int(left))


def _allowed(folder: Path) -> float:
    """Return how many cores a control group may use: its quota of time in each period."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else MOST
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return MOST


_starting = rlock()


@cache
def _compiled() -> Code:
    if not _native():
        return Code(ALONE, "share", last=True)
    return Code(TOGETHER, "share", "serve", "rouse", last=True)


def _code() -> Code:
    """Return the native code, compiled once: steps hold its address, so there must not be a second one
    that goes when nobody refers to it, as two threads in a cache at the same time would make."""
    with _starting:
        return _compiled()


def share_address() -> int:
    """Return the address of `share(control, function, data, count, small)`."""
    return _code().address("share")


class Workers:
    """Threads and what they share with the steps: one step at a time has their help, others go on alone.

    `threads` counts the step's own thread too, and is smaller than what was asked for where the system gives
    no more.
    """

    def __init__(self, threads: int) -> None:
        code = _code()
        self._asked = threads
        size = LINES + LINE * threads
        self._memory = np.zeros(size + PAIR // 8, np.int64)
        skip = (-self._memory.ctypes.data % PAIR) // 8
        self.control: NDArray[Any] = self._memory[skip : skip + size]
        self.address: int = self.control.ctypes.data
        made = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
        self._serve, self._rouse = made(code.address("serve")), made(code.address("rouse"))
        self.start()

    @property
    def threads(self) -> int:
        """How many threads take tasks."""
        return int(self.control[THREADS])

    def start(self) -> None:
        """Start the threads, asleep: at first, and in the child of a fork, which has none of them."""
        self.control[:] = 0
        self.control[THREADS] = self._asked
        self._threads: list[threading.Thread] = []
        for number in range(1, self._asked):
            thread = threading.Thread(
                target=self._serve, args=(self.address, number), name="clearprop worker", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # no more threads to be had: the others do without
                break
            self._threads.append(thread)
        self.control[THREADS] = len(self._threads) + 1

    def close(self) -> None:
        """Let the threads end."""
        self.control[STOP] = 1
        for number, thread in enumerate(self._threads, 1):
            while thread.is_alive():
                self._rouse(self.address, number)
                thread.join(0.01)


_pools: dict[int, Workers] = {}


def pool(threads: int | None = None) -> Workers | None:
    """Return the process's threads, started when first asked for; None where a step has only its own.

    There is one pool for each number of threads: of those that `cores()` says, unless one is given.
    """
    n = cores() if threads is None else threads
    if n < 2 or not _native():
        return None
    found = _pools.get(n)
    if found is None:
        with _starting:
            found = _pools.get(n)
            if found is None:
                found = _pools[n] = Workers(n)
    return found if found.threads > 1 else None


def _close() -> None:
    for found in _pools.values():
        found.close()


def _after_fork() -> None:
    """Make the threads anew in the child of a fork, at the same place: compiled steps know it."""
    for found in _pools.values():
        found.start()


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

__all__: list[Any] = ["Workers", "cores", "pool", "possible", "share_address"]
