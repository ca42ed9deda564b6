"""What a random number costs in a compiled step and from NumPy's generator: `python benchmarks/draws.py`.

Both make the same bits (Philox4x64-10), a stretch of 8,192 numbers at a time on one core, taking turns.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.language.engine import Code
from clearprop.compiler.engines.llvm.language.text import ModuleText
from clearprop.compiler.engines.llvm.loops.random import filling, numbers_of

COUNT, ROUNDS, KEY, CALLS = 8192, 400, 5, 3


def native(dtype: Any) -> Any:
    """Return the native function that fills an array, and what must be kept for it."""
    module = ModuleText()
    name = filling(module, dtype)
    code = Code(str(module).replace("define internal", "define"), name)
    given = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64]
    return ctypes.CFUNCTYPE(None, *given)(code.address(name)), code


def generator() -> np.random.Generator:
    """Return NumPy's generator at the start of these numbers."""
    counter = np.array([0, CALLS, 0, 0], np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([KEY, 0], np.uint64), counter=counter))


def main() -> None:
    """Measure both dtypes."""
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        fill, code = native(dtype)
        ours, numpys, source = np.zeros(COUNT, dtype), np.zeros(COUNT, dtype), generator()
        times: dict[str, list[float]] = {"native": [], "NumPy": []}
        for i in range(ROUNDS):
            start = time.perf_counter()
            fill(ours.ctypes.data, 0, COUNT // numbers_of(dtype), KEY, CALLS)
            middle = time.perf_counter()
            source.random(out=numpys, dtype=dtype)
            times["native"].append(middle - start)
            times["NumPy"].append(time.perf_counter() - middle)
            if i == 0 and not np.array_equal(ours, numpys):
                raise SystemExit("the numbers are not the same")
        cost = {who: statistics.median(found) / COUNT * 1e9 for who, found in times.items()}
        ratio = statistics.median(b / a for a, b in zip(times["native"], times["NumPy"], strict=True))
        print(f"{dtype}: native {cost['native']:.2f} ns, NumPy {cost['NumPy']:.2f} ns, {ratio:.1f} times")
        del code


if __name__ == "__main__":
    main()
