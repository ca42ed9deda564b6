"""One row times a square matrix, compiled, beside NumPy and PyTorch: `python benchmarks/one_row.py`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import clearprop

try:
    import torch
except ImportError:
    torch = None


def contenders(n: int) -> dict[str, Callable[[], Any]]:
    """Return what multiplies a row by the transpose of a matrix, each in a way of its own."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, n), np.float32), clearprop.Tensor(rng.standard_normal((n, n), np.float32))
    native = clearprop.compile(lambda x: x @ w.T, executor="llvm")
    with clearprop.no_grad():
        native(x)
    array = w.value.copy()
    found: dict[str, Callable[[], Any]] = {"llvm": lambda: native(x), "NumPy": lambda: x @ array.T}
    if torch is not None:
        row, matrix = torch.from_numpy(x), torch.from_numpy(array)
        found["PyTorch"] = lambda: row @ matrix.T
    return found


def main() -> None:
    """Print the median time of a call, in microseconds; everybody takes turns of fifty calls."""
    for n in (512, 1024, 1536, 2048):
        calls = contenders(n)
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(20):
            for name, call in calls.items():
                time.sleep(0.02)  # threads that spin after their work go to sleep
                for _ in range(50):
                    start = time.perf_counter()
                    call()
                    times[name].append(time.perf_counter() - start)
        print(f"{n:5}  " + ", ".join(f"{k} {statistics.median(t) * 1e6:.1f} us" for k, t in times.items()))


if __name__ == "__main__":
    main()
