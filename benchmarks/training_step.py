"""Training steps beside the peers: `python benchmarks/training_step.py` prints the table, `--json FILE` keeps
it.

Every contender runs in a process of its own, so that thread pools do not disturb each other, and they take
turns: a slice of each, many rounds, the median of all steps (of rounds of 16 where a step is less than
100 MFLOP, since reading a clock takes a tenth of a microsecond). A quick look: `--quick`; one row: `--only
784-128-10`; what the second core gives: `--threads`; whether the bits are the same for 1, 2, 4 and 8 threads,
more than there are cores too: `--threads 1 2 4 8`; everybody beside a process that keeps one core busy:
`--busy`; whole networks beside PyTorch: `--nets`, on one core each and in CPU time: `--nets --one-core`. A
contender that does not answer within `--limit` seconds is ended and named so. All rows beside a busy process
in ten minutes: `--busy --quick --limit 60 --with "clearprop llvm" --with "torch fused" --with "jax jit"`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clearprop.compiler.proof.prove import DEFAULT
from peers.nets import NETS, compare
from peers.rows import ROWS, Row

HERE = Path(__file__).parent
OURS = ("clearprop eager", "clearprop numpy", "clearprop llvm", "llvm, one core")
CONTENDERS = {
    "clearprop eager": ("ours", "eager"),
    "clearprop numpy": ("ours", "numpy"),
    "clearprop llvm": ("ours", "llvm"),
    "llvm, one core": ("ours", "llvm"),
    "torch eager": ("pytorch", "eager"),
    "torch fused": ("pytorch", "fused"),
    "torch.compile": ("pytorch", "compile"),
    "jax jit": ("xla", "jit"),
    "NumPy by hand": ("byhand", "numpy"),
    "autograd": ("hips", "eager"),
    "scikit-learn": ("scikit", "partial_fit"),
    "sgemm": ("blas", "sgemm"),
}
SMALL_ONLY = ("NumPy by hand", "autograd", "scikit-learn")
NO_PEERS = (*OURS, "NumPy by hand", "sgemm")  # the others are what people use
CORES = ("llvm, one core", "clearprop llvm")  # what `--threads` compares
FOREIGN = (
    "CLEARPROP_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


class Contender:
    """A process that runs one contender's steps on request."""

    def __init__(self, name: str, row: Row, limit: float) -> None:
        self.name, self.limit = name, limit
        module, how = CONTENDERS[name]
        environment = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        if name == CORES[0]:
            environment["CLEARPROP_THREADS"] = "1"
        self.times: list[float] = []
        self.steps = self.memory = 0
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "peers.worker", module, how, row.name],
            cwd=HERE, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        facts = self._listen()
        self.failed: str = facts.get("failed", "")
        self.first: float = facts.get("first", float("nan"))

    def _listen(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        watch = threading.Timer(self.limit, self.process.kill)
        watch.start()
        try:
            for line in self.process.stdout:
                if line.startswith("@"):
                    return dict(json.loads(line[1:]))
            status = self.process.wait()
        finally:
            late = not watch.is_alive()
            watch.cancel()
        return {"failed": f"no answer within {self.limit:g} s" if late else f"ended with status {status}"}

    def run(self, seconds: float) -> None:
        """Run steps for so long."""
        if self.failed:
            return
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        facts = self._listen()
        if "failed" in facts:
            self.failed = facts["failed"]
            return
        self.times += facts["times"]
        self.steps += facts["steps"]
        self.memory = facts["memory"]

    def end(self) -> None:
        """Let the process end."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()

    @property
    def median(self) -> float:
        """The median time of a step, in seconds."""
        return statistics.median(self.times) if self.times else float("nan")


def measure(row: Row, names: list[str], rounds: int, seconds: float, limit: float) -> dict[str, Any]:
    """Run one row: every contender in turn, `rounds` times; one that is not back after `limit` s is out."""
    contenders = [Contender(name, row, limit) for name in names if row.small or name not in SMALL_ONLY]
    for _ in range(rounds):
        for contender in contenders:
            contender.run(seconds)
            time.sleep(0.02)  # threads that spin after their work go to sleep
    for contender in contenders:
        contender.end()
    found: dict[str, Any] = {}
    for c in contenders:
        found[c.name] = {"failed": c.failed} if c.failed else {
            "median": c.median, "steps": c.steps, "first": c.first, "memory": c.memory,
        }  # fmt: skip
    return {"row": row.name, "batch": row.batch, "flops": row.flops, "aim": row.aim, "contenders": found}


@contextlib.contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """Keep one core busy meanwhile, if it is wanted: the last one that this process may use."""
    if not busy:
        yield
        return
    allowed = sorted(os.sched_getaffinity(0))[-1:] if hasattr(os, "sched_setaffinity") else []
    pinned = f"import os; os.sched_setaffinity(0, {allowed})\n" if allowed else ""
    spinning = subprocess.Popen([sys.executable, "-c", f"{pinned}while True: pass"])
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()


def same_bits(row: Row, threads: list[int]) -> bool:
    """Print whether a row's steps give the same bits with so many threads, and return it."""
    found = []
    for n in threads:
        environment = {**os.environ, "CLEARPROP_THREADS": str(n)}
        command = [sys.executable, "-W", "ignore", "-m", "peers.bits", row.name]
        found.append(subprocess.check_output(command, cwd=HERE, env=environment, text=True).strip())
    same = len(set(found)) == 1
    said = ", ".join(f"{n}: {bits[:12]}" for n, bits in zip(threads, found, strict=True))
    print(f"{row.name}, batch {row.batch}: {'the same bits' if same else 'OTHER BITS'} ({said})", flush=True)
    return same


def show(result: dict[str, Any]) -> None:
    """Print one row of the table."""
    found, flops = result["contenders"], result["flops"]
    peers = {k: v["median"] for k, v in found.items() if k not in NO_PEERS and "median" in v}
    best = min(peers, key=lambda k: peers[k]) if peers else ""
    rate = 2 * 1024**3 / found["sgemm"]["median"] if "median" in found.get("sgemm", {}) else float("nan")
    print(f"\n{result['row']}, batch {result['batch']}: {flops / 1e6:.2f} MFLOP in products; ", end="")
    print(f"sgemm {rate / 1e9:.0f} GFLOP/s")
    heads = {
        "time/step": 12,
        "best peer/it": 14,
        "GFLOP/s": 10,
        "of sgemm": 10,
        "first 3": 12,
        "peak MiB": 10,
    }
    print(f"  {'':<18}" + "".join(f"{head:>{width}}" for head, width in heads.items()))
    for name, facts in found.items():
        if name == "sgemm":
            continue
        if "failed" in facts:
            print(f"  {name:<18}  {facts['failed'] or 'failed'}")
            continue
        t = facts["median"]
        ratio = f"{peers[best] / t:>14.2f}" if best else f"{'':>14}"
        mark = " <- best peer" if name == best else ""
        print(
            f"  {name:<18}{_time(t):>12}{ratio}{flops / t / 1e9:>10.1f}{flops / t / rate:>10.0%}"
            f"{facts['first']:>10.2f} s{facts['memory']:>10}{mark}"
        )
    if "median" in found.get(CORES[0], {}) and "median" in found.get(CORES[1], {}):
        print(f"  time of one core / of two: {found[CORES[0]]['median'] / found[CORES[1]]['median']:.2f}")
    if best and "median" in found.get("clearprop llvm", {}):
        reached = peers[best] / found["clearprop llvm"]["median"]
        print(f"  aim: {result['aim']:g} times the best peer ({best}); reached: {reached:.2f}", flush=True)


def _summary(results: list[dict[str, Any]], busy: bool) -> None:
    """Print what the llvm executor reached in every row, and the load that all of it ran under."""
    print(f"\nbest peer / clearprop llvm{', beside a busy neighbour' if busy else ''}:")
    for result in results:
        found = result["contenders"]
        peers = [v["median"] for k, v in found.items() if k not in NO_PEERS and "median" in v]
        ours = found.get("clearprop llvm", {}).get("median")
        if peers and ours:
            print(f"  {result['row']:<24}{min(peers) / ours:>8.2f}")
    if hasattr(os, "getloadavg"):
        print("load average: " + ", ".join(f"{load:.1f}" for load in os.getloadavg()))


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def markdown(kept: dict[str, Any]) -> str:
    """Return what `--json` kept as the tables of this folder's README."""
    if set(kept["results"][0]["contenders"]) - {"sgemm"} == set(CORES):
        return _cores(kept)
    names = [n for n in CONTENDERS if n not in ("sgemm", CORES[0])]
    lines = ["| step, time in us | aim | reached | " + " | ".join(names) + " | sgemm, GFLOP/s |"]
    lines.append("|---" * (len(names) + 4) + "|")
    firsts = [
        "| first 3 calls, s; peak memory, MiB | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for result in kept["results"]:
        found = result["contenders"]
        peers = [v["median"] for k, v in found.items() if k not in NO_PEERS and "median" in v]
        ours = found.get("clearprop llvm", {}).get("median", float("nan"))
        medians = [found.get(n, {}).get("median") for n in names]
        times = [f"{t * 1e6:.4g}" if t else "-" for t in medians]
        rate = 2 * 1024**3 / found["sgemm"]["median"] / 1e9
        label = f"{result['row']}, batch {result['batch']}"
        reached = f"{min(peers) / ours:.2f}" if peers else ""
        lines.append(f"| {label} | {result['aim']:g} | {reached} | " + " | ".join(times) + f" | {rate:.0f} |")
        cells = [
            f"{v['first']:.2f}; {v['memory']}" if "first" in (v := found.get(n, {})) else "-" for n in names
        ]
        firsts.append(f"| {label} | " + " | ".join(cells) + " |")
    about = ", ".join(f"{k} {v}" for k, v in kept["about"].items())
    return "\n".join([about, "", *lines, "", *firsts])


def _cores(kept: dict[str, Any]) -> str:
    """Return the table of one core beside two."""
    lines = ["| step | one core | two cores | one / two |", "|---|---|---|---|"]
    for result in kept["results"]:
        one, two = (result["contenders"][name]["median"] for name in CORES)
        label = f"{result['row']}, batch {result['batch']}"
        lines.append(f"| {label} | {_time(one)} | {_time(two)} | {one / two:.2f} |")
    about = ", ".join(f"{k} {v}" for k, v in kept["about"].items())
    return "\n".join([about, "", *lines])


def facts() -> dict[str, Any]:
    """Return what the numbers depend on: machine and versions."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    versions = {}
    for name in ("clearprop", "numpy", "llvmlite", "torch", "jax", "autograd", "scikit-learn"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu or platform.processor(),
        "cores": cores,
        "prove": os.environ.get("CLEARPROP_PROVE") or DEFAULT,
        "python": platform.python_version(),
        **versions,
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def main() -> None:
    """Run the rows that were asked for."""
    parser = argparse.ArgumentParser(
        description="Training steps of clearprop, PyTorch and JAX, taking turns."
    )
    parser.add_argument("--only", action="append", choices=list(ROWS), help="one row (may be repeated)")
    parser.add_argument(
        "--with",
        dest="names",
        action="append",
        choices=list(CONTENDERS),
        help="one contender (may be repeated)",
    )
    parser.add_argument("--nets", nargs="*", choices=list(NETS), help="whole networks instead: all, or these")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="*",
        metavar="N",
        help="the llvm executor on one core and on all; with numbers: whether the bits are the same for each",
    )
    parser.add_argument("--one-core", action="store_true", help="nets on one core each, in CPU time")
    parser.add_argument("--busy", action="store_true", help="beside a process that spins on one core")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    limit = "seconds that a contender has to start, and for each turn (default: 300)"
    parser.add_argument("--limit", type=float, default=300.0, help=limit)
    parser.add_argument("--rounds", type=int, default=0, help="how often each takes a turn")
    parser.add_argument("--json", metavar="FILE", help="write everything measured")
    parser.add_argument(
        "--markdown", metavar="FILE", help="only print the tables of a file that --json wrote"
    )
    options = parser.parse_args()
    if options.markdown:
        print(markdown(json.loads(Path(options.markdown).read_text())))
        return
    if options.nets is not None:
        print(", ".join(f"{k} {v}" for k, v in facts().items()))
        rounds, seconds = options.rounds or (2 if options.quick else 6), 0.5 if options.quick else 2.0
        compare(options.nets, rounds, seconds, options.one_core)
        return
    if options.threads:
        wrong = [name for name in options.only or ROWS if not same_bits(ROWS[name], options.threads)]
        sys.exit(f"the bits depend on the number of threads: {', '.join(wrong)}" if wrong else 0)
    asked = [*(options.names or ()), *(CORES if options.threads is not None else ())]
    names = [*dict.fromkeys([*asked, "sgemm"])] if asked else [n for n in CONTENDERS if n != CORES[0]]
    about = facts()
    about["neighbour"] = "a process that spins on one core" if options.busy else "none of ours"
    print(", ".join(f"{k} {v}" for k, v in about.items()), flush=True)
    results = []
    for name in options.only or ROWS:
        rounds = options.rounds or (4 if options.quick else 15)
        with neighbour(options.busy):
            results.append(measure(ROWS[name], names, rounds, 0.15 if options.quick else 0.4, options.limit))
        show(results[-1])
    _summary(results, options.busy)
    if options.json:
        Path(options.json).write_text(json.dumps({"about": about, "results": results}, indent=1))


if __name__ == "__main__":
    main()
