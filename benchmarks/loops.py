"""An LSTM written as a Python loop, beside PyTorch's: python benchmarks/loops.py [--steps 64] [--rounds 15]

Width 128, batch 32, AdamW, float32. Prints the milliseconds of a training step, the least and the median of
rounds that take turns, and the seconds until the first two steps are done (the call that compiles is among
them), with no machine code kept and with that of an earlier run. PyTorch is `nn.LSTM`, and the same loop.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import clearprop
from clearprop import Tensor

WIDTH, BATCH, CLASSES = 128, 32, 10
Step = Callable[[], Any]


def starts() -> list[Any]:
    """The four weights: of the inputs, of the state, the gates' bias, of the classes."""
    draw = np.random.RandomState(0)
    shapes = [(WIDTH, 4 * WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH,), (WIDTH, CLASSES)]
    return [(draw.randn(*shape) / np.sqrt(WIDTH)).astype(np.float32) for shape in shapes]


def data(steps: int) -> tuple[Any, Any]:
    draw = np.random.RandomState(1)
    return draw.randn(BATCH, steps, WIDTH).astype(np.float32), draw.randint(0, CLASSES, BATCH)


def ours(steps: int, executor: str) -> Step:
    into, over, bias, last = weights = [Tensor(w) for w in starts()]
    optimizer = clearprop.optim.AdamW(weights, lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        gates = x @ into + bias
        h = c = np.zeros((BATCH, WIDTH), np.float32)
        for t in range(steps):
            z = gates[:, t] + h @ over
            i, f, o = (clearprop.sigmoid(z[:, k * WIDTH : (k + 1) * WIDTH]) for k in (0, 1, 3))
            c = f * c + i * np.tanh(z[:, 2 * WIDTH : 3 * WIDTH])
            h = o * np.tanh(c)
        loss = clearprop.nn.functional.cross_entropy(h @ last, y)
        loss.backward()
        optimizer.step()
        return loss

    compiled, batch = clearprop.compile(step, executor=executor, prove="never"), data(steps)
    return lambda: compiled(*batch)


def torch_loop(steps: int, module: bool) -> Step:
    import torch

    weights = [torch.nn.Parameter(torch.tensor(w)) for w in starts()]
    into, over, bias, last = weights
    lstm = torch.nn.LSTM(WIDTH, WIDTH, batch_first=True)
    used = [*lstm.parameters(), last] if module else weights
    optimizer = torch.optim.AdamW(used, lr=1e-3, fused=True)
    x, y = (torch.tensor(a) for a in data(steps))

    def states() -> Any:
        if module:
            return lstm(x)[0][:, -1]
        gates = x @ into + bias
        h = c = torch.zeros(BATCH, WIDTH)
        for t in range(steps):
            i, f, g, o = (gates[:, t] + h @ over).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(states() @ last, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    makers: dict[str, Callable[[], Step]] = {
        "clearprop llvm": lambda: ours(given.steps, "llvm"),
        "clearprop llvm, code kept": lambda: ours(given.steps, "llvm"),
        "clearprop numpy": lambda: ours(given.steps, "numpy"),
    }
    if importlib.util.find_spec("torch"):
        makers |= {
            "PyTorch nn.LSTM": lambda: torch_loop(given.steps, True),
            "PyTorch, the loop": lambda: torch_loop(given.steps, False),
        }
    made: dict[str, Step] = {}
    first: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLEARPROP_CACHE"] = folder
        for name, make in makers.items():
            begin = time.perf_counter()
            made[name] = make()
            made[name](), made[name]()
            first[name] = time.perf_counter() - begin
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(given.rounds):
        for name, step in made.items():
            step()  # what the others left in the caches
            begin = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - begin))
    print(f"{given.steps} steps{'':<20}{'least, ms':>12}{'median, ms':>12}{'first two, s':>14}")
    for name, some in times.items():
        print(f"{name:<28}{min(some):12.1f}{np.median(some):12.1f}{first[name]:14.2f}")


if __name__ == "__main__":
    main()
