"""What a step's surroundings cost it: python benchmarks/guarding.py [--entries 30000]

A step reads one entry of a global list of small dicts, by a key that is computed. Prints, for each executor,
the seconds of the call that records and the milliseconds of later calls, which see whether anything within
reach has changed, beside a step whose one number is a variable.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import clearprop
from clearprop.compiler.step import available_executors

TABLE: list[dict[str, float]] = []
PLACE = [17]
NUMBER = 18.0


def of_a_table(x: object) -> object:
    return x * TABLE[PLACE[0]]["value"]  # type: ignore[operator]


def of_a_number(x: object) -> object:
    return x * NUMBER  # type: ignore[operator]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=30_000)
    TABLE.extend({"value": i + 1.0, "other": -1.0} for i in range(parser.parse_args().entries))
    x = np.linspace(0, 1, 5)
    print(f"{'':<28}{'recording, s':>14}{'a call, ms':>14}{'the slowest':>14}")
    for step in (of_a_number, of_a_table):
        for executor in available_executors():
            compiled = clearprop.compile(step, executor=executor, prove="never")
            times = []
            for _ in range(30):
                begin = time.perf_counter()
                compiled(x)
                times.append(time.perf_counter() - begin)
            first, *later = times
            calls = f"{1e3 * np.median(later):14.3f}{1e3 * max(later):14.3f}"
            print(f"{step.__name__:<18}{executor:<10}{first:14.3f}{calls}", flush=True)


if __name__ == "__main__":
    main()
