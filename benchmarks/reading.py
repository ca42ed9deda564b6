"""How long it takes to read a table, and how much memory, beside pandas, Polars and PyArrow.

    python benchmarks/reading.py            # 140,000 rows of 30 columns
    python benchmarks/reading.py --rows 20000

Each reader has a process of its own: the time is the first call's, the memory the peak of the process less
what it had before (Linux). pandas, Polars and PyArrow are measured where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

READERS = {
    "clearprop": "from clearprop.data import read_table as read",
    "pandas": "from pandas import read_csv as read",
    "polars": "from polars import read_csv as read",
    "pyarrow": "from pyarrow.csv import read_csv as read",
}
MEASURE = """
import re, sys, time
{imported}

def peak():  # of this process alone: what getrusage tells begins with the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

before = peak()
began = time.perf_counter()
table = read(sys.argv[1])
seconds = time.perf_counter() - began
print(seconds, peak() - before)
"""


def write(path: Path, rows: int) -> None:
    """Write twenty columns of decimals, five of whole numbers and five of words."""
    generator = np.random.default_rng(0)
    columns = [[f"{value:.5g}" for value in generator.normal(size=rows)] for _ in range(20)]
    columns += [[str(value) for value in generator.integers(0, 10_000, rows)] for _ in range(5)]
    towns = np.array(["Oslo", "Rome", "Lima", "Bern"])
    columns += [towns[generator.integers(0, 4, rows)].tolist() for _ in range(5)]
    with open(path, "w") as file:
        file.write(",".join(f"c{i}" for i in range(30)) + "\n")
        file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))


def main() -> None:
    """Print a line for each reader, the best of some rounds, and the ratios to pandas."""
    parser = argparse.ArgumentParser(description="Time and memory of reading a table.")
    parser.add_argument("--rows", type=int, default=140_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    found: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        write(path, args.rows)
        for _ in range(args.rounds):
            for name, imported in READERS.items():
                if importlib.util.find_spec(name) is None:
                    continue
                command = [sys.executable, "-c", MEASURE.format(imported=imported), str(path)]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                seconds, memory = map(float, out)
                best = found.get(name, (np.inf, np.inf))
                found[name] = min(seconds, best[0]), min(memory, best[1])
    pandas = found.get("pandas")
    for name, (seconds, memory) in found.items():
        ratio = f"  {seconds / pandas[0]:5.2f} and {memory / pandas[1]:5.2f} of pandas'" if pandas else ""
        print(f"{name:<10} {seconds:6.2f} s  {memory:7.0f} MB{ratio}")


if __name__ == "__main__":
    main()
