"""Memory of a deep network's gradient, beside PyTorch's: python benchmarks/checkpointing.py [--layers 50]

A network of `--layers` times (linear, tanh), width 256, batch 4096, float32, forward and backward, eager.
Prints by how much the memory of a process grows in one pass, after a pass of one example (which makes the
gradients of weights and what the libraries hold), and the seconds of the second such pass: everything kept,
and in sqrt(layers) pieces, each under `checkpoint`. A process for each.
"""

from __future__ import annotations

import argparse
import itertools
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, BATCH = 256, 4096


def ours(layers: int, pieces: int) -> Callable[[int], Any]:
    import clearprop
    from clearprop import nn

    parts = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(layers)]

    def run(batch: int) -> None:
        h: Any = clearprop.Tensor(np.ones((batch, WIDTH), np.float32), requires_grad=False)
        for model in cut(parts, pieces, nn.Sequential):
            h = clearprop.checkpoint(model)(h) if pieces else model(h)
        clearprop.backward(np.mean(h * h), leaves_only=True)

    return run


def pytorch(layers: int, pieces: int) -> Callable[[int], Any]:
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    parts = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(layers)]

    def run(batch: int) -> None:
        h = torch.ones(batch, WIDTH)
        for model in cut(parts, pieces, nn.Sequential):
            h = checkpoint(model, h, use_reentrant=False) if pieces else model(h)
        (h * h).mean().backward()

    return run


def cut(parts: list[Any], pieces: int, whole: Any) -> list[Any]:
    """Return the layers in so many models, as even as can be."""
    ends = [round(k * len(parts) / pieces) for k in range(pieces + 1)] if pieces else range(len(parts) + 1)
    return [whole(*parts[a:b]) for a, b in itertools.pairwise(ends)]


def held() -> float:
    """Return the MiB of this process that lie in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmRSS")


def measured(run: Callable[[int], Any]) -> tuple[float, float]:
    """Return the peak of a first pass in MiB above what was held, and the seconds of a second."""
    run(1)
    before, peak, done = held(), 0.0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, held())

    watcher = threading.Thread(target=look)
    watcher.start()
    run(BATCH)
    done.set()
    watcher.join()
    start = time.perf_counter()
    run(BATCH)
    return peak - before, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=50)
    parser.add_argument("--of", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.of:
        library, pieces = args.of
        found = measured({"clearprop": ours, "PyTorch": pytorch}[library](args.layers, int(pieces)))
        print(f"{found[0]:.0f} {found[1]:.2f}")
        return
    pieces = round(math.sqrt(args.layers))
    print(f"{args.layers} layers; one array is {BATCH * WIDTH * 4 / 2**20:.0f} MiB")
    print(f"{'':<12}{'kept':>18}{f'{pieces} checkpoints':>18}{'memory':>9}{'time':>7}")
    for library in ("clearprop", "PyTorch"):
        found = []
        for n in (0, pieces):
            command = [sys.executable, __file__, "--layers", str(args.layers), "--of", library, str(n)]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found.append([float(x) for x in text.split()])
        (kept, long), (again, longer) = found
        cells = [f"{size:.0f} MiB {took:.2f} s" for size, took in found]
        print(f"{library:<12}{cells[0]:>18}{cells[1]:>18}{again / kept:>9.2f}{longer / long:>7.2f}")


if __name__ == "__main__":
    main()
