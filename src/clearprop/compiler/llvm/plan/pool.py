"""A second core: one worker that waits in native code for tasks, and the native code that deals them out.

A step publishes a function and its tasks in one atomic number, the ticket: the first and the last task that
nobody took. The step's own thread has the first task from the start and takes what comes next by
one addition to the ticket, the worker the last by another, so a worker that is late or not there at all costs
nothing but its help; and the same rows of an array are the same core's from region to region, step after
step, as long as both keep up: they stay in its cache. The worker spins for a fraction of a millisecond after
its last task, then sleeps in the kernel until it is woken.

Each line of memory that goes from one core to the other takes a tenth of a microsecond, and a thread that
needs it stands still. So what the worker must know comes in one line with the ticket, only the worker writes
how many tasks it has done, ever, and the step's thread waits for none of this before its first task.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.llvm.language.engine import Code
from clearprop.compiler.plan.memory import PAIR

PATIENCE = 3_000  # turns of waiting for the worker's last task before sleeping: about 50 microseconds
SPINS = 20_000  # turns of waiting before sleeping: about half a millisecond

# Where the shared numbers are, in units of 8 bytes; what one core writes and the other reads lies on lines of
# its own, two lines apart, since processors fetch them in pairs.
TICKET, FUNCTION, DATA, DONE, ASLEEP, STOP, WAITING, BUSY, LAST, SIZE = 0, 1, 2, 16, 32, 33, 48, 64, 65, 80
OFTEN = 1 << 19  # cycles, about 0.2 ms: a small region wakes a sleeping worker only if it came so soon again

_NATIVE = f"""
declare i64 @syscall(i64, ...)
declare void @llvm.x86.sse2.pause()
declare i64 @llvm.readcyclecounter()

define internal i1 @take(ptr %control, i1 %last, ptr %data.at, ptr %function.at, ptr %task.at) {{
  %seen = load atomic i64, ptr %control seq_cst, align 8
  %seen.low = and i64 %seen, 16777215
  %seen.rest = lshr i64 %seen, 24
  %seen.high = and i64 %seen.rest, 16777215
  %some = icmp ult i64 %seen.low, %seen.high
  br i1 %some, label %try, label %none
try:
  %step = select i1 %last, i64 -16777216, i64 1
  %ticket = atomicrmw add ptr %control, i64 %step seq_cst
  %low = and i64 %ticket, 16777215
  %rest = lshr i64 %ticket, 24
  %high = and i64 %rest, 16777215
  %mine = icmp ult i64 %low, %high
  br i1 %mine, label %got, label %none
got:
  %top = sub i64 %high, 1
  %task = select i1 %last, i64 %top, i64 %low
  %function.place = getelementptr i64, ptr %control, i64 {FUNCTION}
  %function = load ptr, ptr %function.place
  %data.place = getelementptr i64, ptr %control, i64 {DATA}
  %data = load ptr, ptr %data.place
  store ptr %function, ptr %function.at
  store ptr %data, ptr %data.at
  store i64 %task, ptr %task.at
  ret i1 true
none:
  ret i1 false
}}

define internal i1 @work(ptr %control, i1 %last) {{
  %data.at = alloca ptr
  %function.at = alloca ptr
  %task.at = alloca i64
  %got = call i1 @take(ptr %control, i1 %last, ptr %data.at, ptr %function.at, ptr %task.at)
  br i1 %got, label %run, label %end
run:
  %function = load ptr, ptr %function.at
  %data = load ptr, ptr %data.at
  %task = load i64, ptr %task.at
  call void %function(ptr %data, i64 %task)
  br label %end
end:
  ret i1 %got
}}

define internal i1 @help(ptr %control) {{
  %got = call i1 @work(ptr %control, i1 true)
  br i1 %got, label %count, label %end
count:
  %done = getelementptr i64, ptr %control, i64 {DONE}
  %before = atomicrmw add ptr %done, i64 1 seq_cst
  %waiting = getelementptr i64, ptr %control, i64 {WAITING}
  %waits = load atomic i64, ptr %waiting seq_cst, align 8
  %somebody = icmp ne i64 %waits, 0
  br i1 %somebody, label %tell, label %end
tell:
  store atomic i64 0, ptr %waiting seq_cst, align 8
  %told = call i64 (i64, ...) @syscall(i64 202, ptr %waiting, i64 129, i64 1, i64 0, i64 0, i64 0)
  br label %end
end:
  ret i1 %got
}}

define void @share(ptr %control, ptr %function, ptr %data, i64 %count, i1 %small) {{
  %nobody = icmp eq ptr %control, null
  br i1 %nobody, label %alone, label %look
look:
  %asleep = getelementptr i64, ptr %control, i64 {ASLEEP}
  %sleeping = load atomic i64, ptr %asleep seq_cst, align 8
  %wake = icmp ne i64 %sleeping, 0
  %doubt = and i1 %small, %wake
  br i1 %doubt, label %ask, label %enter
ask:
  %last.at = getelementptr i64, ptr %control, i64 {LAST}
  %last = load i64, ptr %last.at
  %now = call i64 @llvm.readcyclecounter()
  store i64 %now, ptr %last.at
  %since = sub i64 %now, %last
  %often = icmp ult i64 %since, {OFTEN}
  br i1 %often, label %enter, label %alone
enter:
  %busy = getelementptr i64, ptr %control, i64 {BUSY}
  %pair = cmpxchg ptr %busy, i64 0, i64 1 seq_cst seq_cst
  %free = extractvalue {{i64, i1}} %pair, 1
  br i1 %free, label %publish, label %alone
alone:
  br label %each
each:
  %task = phi i64 [0, %alone], [%task.next, %each]
  call void %function(ptr %data, i64 %task)
  %task.next = add i64 %task, 1
  %more = icmp ult i64 %task.next, %count
  br i1 %more, label %each, label %over
publish:
  %function.place = getelementptr i64, ptr %control, i64 {FUNCTION}
  store ptr %function, ptr %function.place
  %data.place = getelementptr i64, ptr %control, i64 {DATA}
  store ptr %data, ptr %data.place
  %done = getelementptr i64, ptr %control, i64 {DONE}
  %before = load atomic i64, ptr %done monotonic, align 8
  %tasks = shl i64 %count, 24
  %ticket = or i64 %tasks, 1
  store atomic i64 %ticket, ptr %control release, align 8
  %still = load atomic i64, ptr %asleep seq_cst, align 8
  %dozes = icmp ne i64 %still, 0
  br i1 %dozes, label %rouse, label %first
rouse:
  store atomic i64 0, ptr %asleep seq_cst, align 8
  %woken = call i64 (i64, ...) @syscall(i64 202, ptr %asleep, i64 129, i64 1, i64 0, i64 0, i64 0)
  br label %first
first:
  call void %function(ptr %data, i64 0)
  br label %next
next:
  %mine = phi i64 [1, %first], [%mine.next, %more.tasks]
  %theirs = sub i64 %count, %mine
  %target = add i64 %before, %theirs
  %so.far = load atomic i64, ptr %done acquire, align 8
  %through = icmp eq i64 %so.far, %target
  br i1 %through, label %end, label %try
try:
  %got = call i1 @work(ptr %control, i1 false)
  br i1 %got, label %more.tasks, label %wait
more.tasks:
  %mine.next = add i64 %mine, 1
  br label %next
wait:
  %turns = phi i64 [0, %try], [%turns.next, %pausing], [0, %again]
  %finished = load atomic i64, ptr %done acquire, align 8
  %all = icmp eq i64 %finished, %target
  br i1 %all, label %end, label %pausing
pausing:
  call void @llvm.x86.sse2.pause()
  %turns.next = add i64 %turns, 1
  %long = icmp ugt i64 %turns.next, {PATIENCE}
  br i1 %long, label %settle, label %wait
settle:
  %waiting = getelementptr i64, ptr %control, i64 {WAITING}
  %told = atomicrmw xchg ptr %waiting, i64 1 seq_cst
  %late = load atomic i64, ptr %done seq_cst, align 8
  %late.all = icmp eq i64 %late, %target
  br i1 %late.all, label %clear, label %doze
doze:
  %slept = call i64 (i64, ...) @syscall(i64 202, ptr %waiting, i64 128, i64 1, i64 0, i64 0, i64 0)
  br label %again
again:
  br label %wait
clear:
  store atomic i64 0, ptr %waiting seq_cst, align 8
  br label %end
end:
  store atomic i64 0, ptr %busy release, align 8
  br label %over
over:
  ret void
}}

define void @serve(ptr %control) {{
  %asleep = getelementptr i64, ptr %control, i64 {ASLEEP}
  %stop = getelementptr i64, ptr %control, i64 {STOP}
  br label %spin
spin:
  %turns = phi i64 [0, %0], [0, %worked], [%turns.next, %pausing], [0, %slept]
  %got = call i1 @help(ptr %control)
  br i1 %got, label %worked, label %pausing
worked:
  br label %spin
pausing:
  call void @llvm.x86.sse2.pause()
  %turns.next = add i64 %turns, 1
  %tired = icmp ugt i64 %turns.next, {SPINS}
  br i1 %tired, label %sleep, label %spin
sleep:
  %marked = atomicrmw xchg ptr %asleep, i64 1 seq_cst
  %last = call i1 @help(ptr %control)
  br i1 %last, label %slept, label %check
check:
  %stopping = load atomic i64, ptr %stop seq_cst, align 8
  %over = icmp ne i64 %stopping, 0
  br i1 %over, label %end, label %doze
doze:
  %woken = call i64 (i64, ...) @syscall(i64 202, ptr %asleep, i64 128, i64 1, i64 0, i64 0, i64 0)
  br label %slept
slept:
  store atomic i64 0, ptr %asleep seq_cst, align 8
  br label %spin
end:
  ret void
}}

define void @rouse(ptr %control) {{
  %asleep = getelementptr i64, ptr %control, i64 {ASLEEP}
  store atomic i64 0, ptr %asleep seq_cst, align 8
  %woken = call i64 (i64, ...) @syscall(i64 202, ptr %asleep, i64 129, i64 1, i64 0, i64 0, i64 0)
  ret void
}}
"""


def possible() -> bool:
    """Tell whether a worker can be had: Linux on x86-64, with a core to spare."""
    return sys.platform == "linux" and os.uname().machine == "x86_64" and cores() > 1


def cores() -> int:
    """Return how many cores this process may use; `CLEARPROP_THREADS=1` keeps it to one."""
    limit = os.environ.get("CLEARPROP_THREADS", "")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return min(available, int(limit)) if limit.isdigit() and int(limit) else available


_starting = threading.RLock()


@cache
def _compiled() -> Code:
    return Code(_NATIVE, "share", "serve", "rouse", last=True)


def _code() -> Code:
    """Return the native code above, compiled once: steps hold its address, so there must not be a second one
    that goes when nobody refers to it, as two threads in a cache at the same time would make."""
    with _starting:
        return _compiled()


def share_address() -> int:
    """Return the address of `share(control, function, data, count, small)`."""
    return _code().address("share")


class Workers:
    """The worker and what it shares with the steps: one at a time has its help, others go on alone."""

    def __init__(self) -> None:
        code = _code()
        self._memory = np.zeros(SIZE + PAIR // 8, np.int64)
        skip = (-self._memory.ctypes.data % PAIR) // 8
        self.control: NDArray[Any] = self._memory[skip : skip + SIZE]
        self.address: int = self.control.ctypes.data
        serve = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("serve"))
        self._rouse = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("rouse"))
        self._thread = threading.Thread(
            target=serve, args=(self.address,), name="clearprop worker", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Let the worker end."""
        self.control[STOP] = 1
        while self._thread.is_alive():
            self._rouse(self.address)
            self._thread.join(0.01)


_pool: Workers | None = None


def pool() -> Workers | None:
    """Return the process's worker, started when it is first asked for; None where there can be none."""
    global _pool
    if _pool is None and possible():
        with _starting:
            if _pool is None:
                _pool = Workers()
                atexit.register(_pool.close)
    return _pool


def _after_fork() -> None:
    """In a child of fork there is no worker."""
    global _pool, _starting
    if _pool is not None:
        atexit.unregister(_pool.close)
    _pool, _starting = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

__all__: list[Any] = ["Workers", "cores", "pool", "possible", "share_address"]
