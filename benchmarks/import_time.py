"""What `import clearprop` costs beyond `import numpy`: python benchmarks/import_time.py [--runs 15]

Prints the CPU time in interpreters that have NumPy already, least and median, with the bytecode that
Python keeps and without it; then where the time goes, by `python -X importtime`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

CODE = "import time, numpy; start = time.process_time(); import clearprop; print(time.process_time() - start)"


def milliseconds(folder: str, *, kept: bool) -> float:
    """Import clearprop in a new interpreter, its bytecode from `folder`, or compiled anew and not kept."""
    folder, never = (folder, "") if kept else (os.devnull, "1")
    own = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": never}
    command = [sys.executable, "-c", CODE]
    found = subprocess.run(command, env=os.environ | own, check=True, capture_output=True, text=True)
    return float(found.stdout) * 1e3


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
    for words, column in zip(("with bytecode", "compiled anew"), zip(*times, strict=True), strict=True):
        print(f"{words}: least {min(column):6.1f} ms, median {statistics.median(column):6.1f} ms of CPU")
    command = [sys.executable, "-X", "importtime", "-c", "import numpy, clearprop"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    print("\n    self [us] | cumulative | module")
    print("\n".join(line[12:] for line in report.splitlines() if "clearprop" in line))


if __name__ == "__main__":
    main()
