"""What `import clearprop` costs beyond `import numpy`: python benchmarks/import_time.py [--runs 15]

Times whole interpreters, interleaved, and prints the difference of the medians; then where the time goes, by
`python -X importtime`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    numpy, ours = [], []
    for _ in range(args.runs):
        numpy.append(seconds("import numpy"))
        ours.append(seconds("import numpy, clearprop"))
    extra = (statistics.median(ours) - statistics.median(numpy)) * 1e3
    print(f"import numpy            {statistics.median(numpy) * 1e3:6.1f} ms")
    print(f"import numpy, clearprop {statistics.median(ours) * 1e3:6.1f} ms")
    print(f"clearprop costs         {extra:6.1f} ms (promised: at most 50)")
    command = [sys.executable, "-X", "importtime", "-c", "import numpy, clearprop"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    print("\n    self [us] | cumulative | module")
    print("\n".join(line[12:] for line in report.splitlines() if "clearprop" in line))


if __name__ == "__main__":
    main()
