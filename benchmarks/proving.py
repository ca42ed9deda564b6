"""What a proved call costs beside a call of the function itself: `python benchmarks/proving.py`.

For each network it prints the median times (the processor's, of all threads: a busy machine changes them
little) of the function, of a compiled call that proves itself and of one
that does not; how many of the proofs had to replay the program, rounded at random, and are not among these
times; and the most memory that a proof held at a time, beside what the parameters and the optimizer hold.
"""

from __future__ import annotations

import itertools
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import clearprop
from clearprop import nn, optim
from clearprop.compiler.proof import prove
from clearprop.compiler.step import available_executors

SIZES = ((32, (13, 32, 1)), (64, (784, 128, 10)), (64, (784, 512, 512, 10)))
CALLS = 24  # few enough that no network learns its numbers by heart: its gradients are rounding then
WARM = 6


def training(rows: int, sizes: tuple[int, ...], **options: Any) -> Callable[[], Any]:
    """Return a call of a training step with Adam: the function's own where there are no options."""
    clearprop.manual_seed(0)
    pairs = list(itertools.pairwise(sizes))
    layers = [layer for a, b in pairs for layer in (nn.Linear(a, b), nn.Tanh())][:-1]
    model, loss_fn = nn.Sequential(*layers), nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((rows, n)).astype(np.float32) for n in (sizes[0], sizes[-1]))

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    called = clearprop.compile(step, **options) if options else step
    return lambda: called(x, y)


def seconds(calls: list[Callable[[], Any]]) -> tuple[list[float], int]:
    """Return the median time of each, called in turns without those that replayed, and how many did."""
    own, found = prove.Replays, []

    def counted(*args: Any) -> Any:
        found.append(1)
        return own(*args)

    prove.Replays = counted  # type: ignore[assignment, misc]
    times: list[list[float]] = [[] for _ in calls]
    replayed = 0
    for _ in range(CALLS):
        for call, mine in zip(calls, times, strict=True):
            found.clear()
            start = time.process_time()
            call()
            mine += [] if found else [time.process_time() - start]
            replayed += bool(found)
    prove.Replays = own  # type: ignore[misc]
    return [statistics.median(mine or [float("nan")]) for mine in times], replayed


def megabytes(call: Callable[[], Any]) -> float:
    """Return the most memory that NumPy and Python took during a call."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    """Print a line for each network and executor."""
    print(
        f"network            executor  function  unproved    proved   ratio  replays of {CALLS}  peak, held"
    )
    for rows, sizes in SIZES:
        for executor in available_executors():
            own = training(rows, sizes)
            proved = training(rows, sizes, executor=executor, prove="always")
            unproved = training(rows, sizes, executor=executor, prove="never")
            for call in (own, proved, unproved) * WARM:
                call()
            (eager, quick, slow), replays = seconds([own, unproved, proved])
            held = 12e-6 * sum((a + 1) * b for a, b in itertools.pairwise(sizes))
            name = "-".join(map(str, sizes))
            print(
                f"{name:18} {executor:8} {1e6 * eager:7.0f} us {1e6 * quick:6.0f} us {1e6 * slow:6.0f} us"
                f"  {slow / eager:5.2f}  {replays:13}  {megabytes(proved):6.1f} MB, {held:.1f} MB"
            )


if __name__ == "__main__":
    main()
