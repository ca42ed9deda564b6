"""A graph a million nodes deep: python benchmarks/deep_graph.py [--nodes 1000000]

Prints the seconds of the forward pass, the backward pass, `repr` and freeing it, and the peak memory of the
process.
"""

from __future__ import annotations

import argparse
import resource
import time

from clearprop import Tensor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=1_000_000)
    nodes = parser.parse_args().nodes
    x = Tensor(1.0)
    times = [time.perf_counter()]
    y = x
    for _ in range(nodes):
        y = y + 0.5
    times.append(time.perf_counter())
    y.backward()
    times.append(time.perf_counter())
    repr(y)
    times.append(time.perf_counter())
    del y
    times.append(time.perf_counter())
    if x.grad != 1.0:
        raise SystemExit(f"the gradient is {x.grad}, not 1")
    names = ("forward", "backward", "repr", "freed")
    for name, start, end in zip(names, times, times[1:], strict=False):
        print(f"{name:8} {end - start:6.2f} s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"in all   {times[-1] - times[0]:6.2f} s, {memory:.2f} GiB (PyTorch: 11.4 s and 1.16 GB)")


if __name__ == "__main__":
    main()
