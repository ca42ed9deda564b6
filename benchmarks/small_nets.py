"""What a small network costs without gradients, in CPU time: `python benchmarks/small_nets.py [--rounds 40]`.

A module 13-32-3 applied to one row (float32), in four ways that take turns: with gradients, inside
`no_grad()`, with gradients while another thread waits inside its own `no_grad()`, and by `train.predict`.
Printed is the least of the rounds, and the median of the rounds' ratios to the first way with its 95 %
interval. Asked are `no_grad()` faster than with gradients, another thread's that slows nobody, and 10,000
predictions a second. It is this thread's own time, so that other programs change it little.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop import nn, no_grad, train
from rounds import interval

CALLS = 200  # a turn
WAYS = ("with gradients", "no_grad()", "while another thread is in no_grad()", "train.predict")


@contextmanager
def another_thread_without_gradients() -> Iterator[None]:
    """Let another thread enter `no_grad()` and wait there, which takes no time of the interpreter's."""
    inside, over = threading.Event(), threading.Event()

    def wait() -> None:
        with no_grad():
            inside.set()
            over.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    inside.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def seconds(call: Callable[[], Any]) -> float:
    """Return this thread's time for a call."""
    start = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - start) / CALLS


def turn(model: nn.Module, x: Any) -> list[float]:
    """Return the time of each way, one after the other."""
    tracked = seconds(lambda: model(x))
    with no_grad():
        free = seconds(lambda: model(x))
    with another_thread_without_gradients():
        beside = seconds(lambda: model(x))
    return [tracked, free, beside, seconds(lambda: train.predict(model, x))]


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    model = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
    x = np.random.default_rng(0).standard_normal((1, 13), np.float32)
    turn(model, x)
    times = np.array([turn(model, x) for _ in range(rounds)])
    for way, mine in zip(WAYS, times.T, strict=True):
        ratios = mine / times[:, 0]
        low, high = interval(list(ratios))
        told = f"{np.median(ratios):.3f} ({low:.3f} to {high:.3f})"
        print(f"{way:38} {1e6 * mine.min():6.2f} us  {1 / mine.min():8,.0f} a second  {told}")


if __name__ == "__main__":
    main()
