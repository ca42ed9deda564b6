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
    """Print the median time of a call, one after the other, since their threads would meet."""
    sizes = (512, 1024, 1536, 2048)
    calls = {n: contenders(n) for n in sizes}
    for name in calls[sizes[0]]:
        for n in sizes:
            times = []
            for _ in range(1000):
                start = time.perf_counter()
                calls[n][name]()
                times.append(time.perf_counter() - start)
            print(f"{name:8} {n:5}  {statistics.median(times) * 1e6:6.1f} us")


if __name__ == "__main__":
    main()
