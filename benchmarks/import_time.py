"""What `import clearprop` costs beyond `import numpy`: python benchmarks/import_time.py [--runs 15]

Prints the CPU time in interpreters that have just imported NumPy, least and median, with the bytecode that
Python keeps and without it, beside what NumPy's own import took there; then where the time goes, by
`python -X importtime`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

CODE = """
import time
start = time.process_time()
import numpy
middle = time.process_time()
import clearprop
print(time.process_time() - middle, middle - start)
"""


def milliseconds(folder: str, *, kept: bool) -> list[float]:
    """Of clearprop and of NumPy in a new interpreter, with bytecode from `folder` or compiled anew."""
    folder, never = (folder, "") if kept else (os.devnull, "1")
    own = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": never}
    command = [sys.executable, "-c", CODE]
    found = subprocess.run(command, env=os.environ | own, check=True, capture_output=True, text=True)
    return [float(seconds) * 1e3 for seconds in found.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        milliseconds(folder, kept=True)  # writes it
        times = [[milliseconds(folder, kept=kept) for kept in (True, False)] for _ in range(args.runs)]
    print("import clearprop costs, beyond import numpy (promised with bytecode: at most 50 ms)")
    for words, runs in zip(("with bytecode", "compiled anew"), zip(*times, strict=True), strict=True):
        own, numpys = zip(*runs, strict=True)
        ratio = statistics.median(mine / theirs for mine, theirs in runs)
        print(
            f"{words}: least {min(own):6.1f} ms, median {statistics.median(own):6.1f} ms of CPU; "
            f"NumPy's own least {min(numpys):6.1f}; clearprop / NumPy in one run {ratio:.2f}"
        )
    command = [sys.executable, "-X", "importtime", "-c", "import numpy, clearprop"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    print("\n    self [us] | cumulative | module")
    print("\n".join(line[12:] for line in report.splitlines() if "clearprop" in line))


if __name__ == "__main__":
    main()
