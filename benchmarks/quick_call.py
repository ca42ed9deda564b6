"""What a call of a compiled step costs with its conditions checked natively, and with the ordinary checks:
`python benchmarks/quick_call.py`, under any Python; the two take turns.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import clearprop
from peers import ours
from peers.rows import BATCHES, ROWS

CALLS, TURNS, NEVER = 300, 60, 1 << 60


def per_call(run: Callable[[int], Any]) -> float:
    """Return microseconds for a call."""
    for i in range(5):
        run(i)
    start = time.perf_counter()
    for i in range(CALLS):
        run(i % BATCHES)
    return (time.perf_counter() - start) / CALLS * 1e6


def compare(name: str) -> str:
    """Return a row of the table."""
    compiled: list[Any] = []
    compile_ = clearprop.compile

    def remembered(function: Any, **options: Any) -> Any:
        compiled.append(compile_(function, **options))
        return compiled[-1]

    clearprop.compile = remembered
    run = ours.build(ROWS[name], "llvm")
    clearprop.compile = compile_
    for i in range(20):
        run(i % BATCHES)
    variant = compiled[0].latest
    quick = variant.quick
    times: dict[Any, list[float]] = {quick: [], None: []}
    for _ in range(TURNS):
        for kind, found in times.items():
            variant.quick, variant.until = kind, NEVER
            compiled[0]._call_by(kind)
            found.append(per_call(run))
    cells = [f"{min(found):.1f} ({statistics.median(found):.1f})" for found in times.values()]
    return f"| {name} | {platform.python_version()} | " + " | ".join(cells if quick else ["-", *cells]) + " |"


def main() -> None:
    """Print the table."""
    print("| step | Python | quick call, us: best (median) | ordinary checks |\n|---|---|---|---|")
    for name in ("13-32-1", "logistic 100", "inference 784-128-10"):
        print(compare(name), flush=True)


if __name__ == "__main__":
    main()
