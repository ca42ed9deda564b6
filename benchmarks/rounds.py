"""Whether a change cost speed: two commits take turns, and each workload's ratio new / old is printed.

    python benchmarks/rounds.py OLD [NEW] [--rounds 20] [--only WORD] [--one-core]

OLD and NEW are anything git names (NEW: the working tree when left out). A round starts one fresh process for
each, because where a process's memory lies moves small times by some percent; within a round the two take
turns, and the smallest time of each counts. Printed are the median of the rounds' ratios and the 95 %
interval of that median (10,000 resamples of the rounds): an interval below 1.03 shows that nothing was lost.
Eager workloads are those of `eager.py`; compiled ones are rows of `training_step.py` with both executors.
Steps do not prove themselves here unless CLEARPROP_PROVE says so: after a proof NumPy's threads spin on.
On a machine that others use, `--one-core` takes one thread and its processor time instead of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TURNS, SECONDS = 5, 0.04  # turns a round, and how long one lasts
ROWS = ("13-32-1", "784-128-10", "20 layers of 64", "logistic 100", "inference 784-128-10")


def workloads() -> dict[str, Callable[[], Callable[[], object]]]:
    """Return, by name, what makes the function to be timed."""
    import eager

    def compiled(name: str, executor: str) -> Callable[[], object]:
        from peers import ours, rows

        step, batches = ours.build(rows.ROWS[name], executor)

        def run() -> None:
            for batch in batches:
                step(*batch)

        return run

    found: dict[str, Callable[[], Callable[[], object]]] = {
        f"eager: {workload}{kind.removeprefix('clearprop')}": make
        for workload, libraries in eager.WORKLOADS.items()
        for kind, make in libraries.items()
        if kind.startswith("clearprop")
    }
    for name in ROWS:
        for executor in ("llvm", "numpy"):
            found[f"{executor}: {name}"] = lambda name=name, executor=executor: compiled(name, executor)
    return found


def serve(clock: Callable[[], float]) -> None:
    """Time the workload that each line of the input names; what a process made once, it keeps."""
    makers, made = workloads(), {}
    for line in sys.stdin:
        name = line.strip()
        if name not in made:
            run = made[name] = makers[name]()
            for _ in range(20):
                run()
        run, calls = made[name], 0
        start = clock()
        while clock() - start < SECONDS:
            run()
            calls += 1
        print((clock() - start) / calls, flush=True)


@contextmanager
def tree_of(commit: str | None) -> Iterator[Path]:
    """Give a folder that holds the commit's files; the working tree for None."""
    if commit is None:
        yield ROOT
        return
    with tempfile.TemporaryDirectory() as folder:
        where = str(Path(folder) / "tree")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", where, commit], cwd=ROOT, check=True)
        try:
            yield Path(where)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", where], cwd=ROOT, check=True)


def process(tree: Path, one_core: bool) -> subprocess.Popen[str]:
    """Start a process that times workloads with the tree's library and this folder's benchmarks."""
    path = os.pathsep.join([str(tree / "src"), str(ROOT / "benchmarks")])
    alone = dict.fromkeys(("OPENBLAS_NUM_THREADS", "CLEARPROP_THREADS"), "1") if one_core else {}
    return subprocess.Popen(
        [sys.executable, __file__, "--serve", *(["--one-core"] if one_core else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"CLEARPROP_PROVE": "never", **os.environ, **alone, "PYTHONPATH": path},
    )


def timed(child: subprocess.Popen[str], name: str) -> float:
    """Ask a process for one turn."""
    stdin: IO[str] = child.stdin  # type: ignore[assignment]
    stdin.write(name + "\n")
    stdin.flush()
    line = child.stdout.readline()  # type: ignore[union-attr]
    if not line:
        raise SystemExit(f"{name}: the process ended")
    return float(line)


def ratios(
    old: Path, new: Path, names: list[str], rounds: int, one_core: bool = False
) -> dict[str, list[float]]:
    """Return the ratio new / old of every round, by workload."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        pair = [process(tree, one_core) for tree in (old, new)]
        for name in names:
            best = [float("inf")] * 2
            for turn in range(TURNS):
                for who in (0, 1) if (turn + number) % 2 else (1, 0):
                    best[who] = min(best[who], timed(pair[who], name))
            found[name].append(best[1] / best[0])
        for child in pair:
            child.stdin.close()  # type: ignore[union-attr]
            child.wait()
    return found


def interval(values: list[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median, by resampling."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (10_000, len(values))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", nargs="?")
    parser.add_argument("new", nargs="?")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="workloads whose name holds this word")
    parser.add_argument("--one-core", action="store_true", help="one thread, and its processor time")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(time.process_time if args.one_core else time.perf_counter)
        return
    if args.old is None:
        parser.error("name the commit to compare with, such as HEAD~1")
    names = [name for name in workloads() if args.only in name]
    with tree_of(args.old) as old, tree_of(args.new) as new:
        found: dict[str, Any] = ratios(old, new, names, args.rounds, args.one_core)
    print(f"{'workload':48} new / old   95 % interval")
    for name, values in found.items():
        low, high = interval(values)
        print(f"{name:48} {statistics.median(values):9.3f}   {low:.3f} to {high:.3f}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
