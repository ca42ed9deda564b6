"""What a call of a compiled step costs with its conditions checked natively, and with the ordinary checks:
`python benchmarks/quick_call.py`, under any Python; the two take turns.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

from clearprop.compiler.proof.prove import DEFAULT
from peers import ours
from peers.rows import ROWS

ROUNDS, TURNS, NEVER = 20, 60, 1 << 60


def per_call(step: Callable[..., Any], batches: list[Any]) -> float:
    """Return microseconds for a call."""
    for batch in batches:
        step(*batch)
    start = time.perf_counter()
    for _ in range(ROUNDS):
        for batch in batches:
            step(*batch)
    return (time.perf_counter() - start) / (ROUNDS * len(batches)) * 1e6


def compare(name: str) -> str:
    """Return a row of the table."""
    step, batches = ours.build(ROWS[name], "llvm")
    for batch in batches:
        step(*batch)
    variant = step.latest
    quick = variant.quick
    times: dict[Any, list[float]] = {quick: [], None: []}
    for _ in range(TURNS):
        for kind, found in times.items():
            variant.quick, variant.until = kind, NEVER
            step._call_by(kind)
            found.append(per_call(step, batches))
    cells = [f"{min(found):.1f} ({statistics.median(found):.1f})" for found in times.values()]
    return f"| {name} | {platform.python_version()} | " + " | ".join(cells if quick else ["-", *cells]) + " |"


def main() -> None:
    """Print the table."""
    print(f"prove={os.environ.get('CLEARPROP_PROVE') or DEFAULT!r}\n")
    print("| step | Python | quick call, us: best (median) | ordinary checks |\n|---|---|---|---|")
    for name in ("13-32-1", "logistic 100", "inference 784-128-10"):
        print(compare(name), flush=True)


if __name__ == "__main__":
    main()
