"""One contender in a process of its own: `python -m peers.worker MODULE HOW ROW`."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from peers.rows import ROWS

FIRST = 3
SHORT = 1e8  # flops: steps of less are timed a round of all batches at a time, for a clock costs 0.1 us
SLOW = (
    1e-3  # seconds: steps of more are timed one by one all the same, as those whose threads are kept waiting
)


def say(**facts: Any) -> None:
    """Answer with one line."""
    print("@" + json.dumps(facts), flush=True)


def main() -> None:
    """Build the step, call it once, and then run as many as each line says."""
    module, how, name = sys.argv[1:4]
    row = ROWS[name]
    before = _peak()
    try:
        step, batches = importlib.import_module(f"peers.{module}").build(row, how)
        start = time.perf_counter()
        for batch in batches[:FIRST]:  # a compiler may wait for the second call
            step(*batch)
        first = time.perf_counter() - start
        start = time.perf_counter()
        step(*batches[FIRST])
        is_slow = time.perf_counter() - start > SLOW
        rounds = [batches] if row.flops < SHORT and not is_slow else [[batch] for batch in batches]
    except Exception as error:  # a peer that cannot: the table says so
        say(failed=f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
        return
    say(first=first, import_memory=before)
    turns = itertools.cycle(rounds)
    for line in sys.stdin:
        seconds = float(line)
        times: list[float] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < (1 if max(times, default=0.0) > seconds else 3):
            some = next(turns)
            start = time.perf_counter()
            for batch in some:
                step(*batch)
            times.append((time.perf_counter() - start) / len(some))
        times = times[1:] if len(times) > 3 else times
        say(times=times, steps=len(times) * len(some), memory=_peak())
    os._exit(0)


def _peak() -> int:
    """Return the largest resident size so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts the process that started this one as well
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
