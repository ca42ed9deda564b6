"""Run tiers of tests, each in its environment and within its limit: `python3 tools/tier.py quick`.

A tier is a table `[tool.clearprop.tiers.NAME]` of pyproject.toml: which paths it runs and leaves out, where
it runs those tests alone that ask for a package which the tier `test` has not, what pip installs for it, and
the seconds it may take on two quiet cores. `all` runs every tier and ends in a table, `others` every one but
`test`; `--make` makes the environment of a tier and runs nothing. The last line of a tier says how many tests
ran, what was skipped and why. A tier of which no test exists yet says so; it does not say that it passed.

With `--within SECONDS` all tiers end in that time: where they would not at the `--pace` of what has run (its
seconds over its limit), each runs a share of its tests, which the commit draws, so that another commit runs
others. It is said before a tier and in its last line.

On a slower or busy machine `CLEARPROP_PATIENCE=4` lets a tier run four times its limit before it is stopped
(the default is 3); `CLEARPROP_WORKERS=1` keeps it to one process. Products of matrices take one
thread unless `OPENBLAS_NUM_THREADS` says otherwise. Exit status: 0 if nothing failed, else 1.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

try:
    import tomllib
except ImportError:
    sys.exit(
        f"clearprop needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12"
    )

ROOT = Path(__file__).resolve().parents[1]
KNOWN = 100  # so many seconds of limits is the pace worth that a deadline begins with
LEAST = 0.05  # the smallest share of its tests that a tier runs
SLOW = 10.0  # seconds from which a single test is named
MEMORY = Path("/dev/shm")  # files in memory, where Linux has them
ROOM = 2**30  # bytes that have to be free there: a tier writes a tenth of it
BLAS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")  # how many threads a product may take


@dataclass(frozen=True)
class Tier:
    """One table of pyproject.toml, with what it stands for."""

    name: str
    limit: int
    about: str
    paths: list[str] = field(default_factory=list)
    asking: list[str] = field(default_factory=list)  # of these, the tests that ask for its packages
    turns: list[str] = field(default_factory=list)  # of these, the cases that other tiers leave to it
    whole: bool = False  # of its paths it leaves no case to another tier
    without: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=lambda: ["test"])
    optional: bool = False  # where its packages cannot be had, `all` goes on without it

    def present(self) -> list[str]:
        return [path for path in (*self.paths, *self.asking, *self.turns) if (ROOT / path).exists()]

    def arguments(self) -> list[str]:
        """What pytest is told: the paths, what it is to leave out, and where it takes no more than a part."""
        left = [f"--ignore={path}" for path in self.without]
        part = [
            *(f"--asking={path}" for path in self.asking),
            *(f"--other-turns={path}" for path in self.turns),
        ]
        return [*self.present(), *left, *part, *(["--all-turns"] if self.whole else [])]

    def installs(self) -> list[str]:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return ["-e", f".{extras}", *(part for group in self.groups for part in ("--group", group))]


@dataclass
class Result:
    """What became of a tier: `ended` is passed, FAILED, STOPPED, "no test yet" or "not installed"."""

    tier: Tier
    ended: str
    seconds: float = 0.0
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    slow: list[tuple[float, str]] = field(default_factory=list)
    share: float = 1.0

    @property
    def failed(self) -> bool:
        return self.ended in ("FAILED", "STOPPED") or (
            self.ended == "not installed" and not self.tier.optional
        )

    def closing(self) -> str:
        """The last line: what ran, how long, what was skipped."""
        tier = self.tier
        if self.ended == "no test yet":
            paths = ", ".join((*tier.paths, *tier.asking))
            return f"{tier.name}: no test yet, nothing was run ({paths}: to come)."
        if self.ended == "not installed":
            return f"{tier.name}: not run, its packages could not be installed ({' '.join(tier.installs())})."
        counts = ", ".join(f"{self.counts[what]} {what}" for what in ("passed", "failed", "skipped"))
        late = "over its limit" if self.seconds > tier.limit else "limit"
        said = f"{tier.name} {self.ended}: {counts} in {self.seconds:.0f} s ({late} of {tier.limit} s)."
        said += f" Drawn: {self.share:.0%} of its tests." if self.share < 1 else ""
        reasons = "; ".join(f"{count} {reason}" for reason, count in self.reasons.most_common())
        left = ", ".join(path for path in tier.without if (ROOT / path).exists())
        said += f" Skipped: {reasons or 'nothing'}."
        return said + (f" Left to other tiers: {left}." if left else "")


def tiers() -> dict[str, Tier]:
    """Read the tiers from pyproject.toml, in its order."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["clearprop"][
        "tiers"
    ]
    return {name: Tier(name, **table) for name, table in tables.items()}


def requirements(tier: Tier, project: dict[str, Any]) -> list[str]:
    """Return what pip is asked for by the extras and groups of a tier."""
    told = [project["project"]["optional-dependencies"][extra] for extra in tier.extras]
    told += [project["dependency-groups"][group] for group in tier.groups]
    return sorted({one for some in told for one in some})


def environment(tier: Tier, python: str = sys.executable) -> Path:
    """Return the Python of a tier's environment, made anew where what is asked for has changed.

    It has the name of the first tier that asks for the same packages, and is the environment of them all.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = requirements(tier, project)
    alike = (t for t in tiers().values() if requirements(t, project) == wanted)
    folder = ROOT / ".venv" / next(alike, tier).name
    asked = repr([wanted, python, sys.version, project["project"], project["dependency-groups"]])
    stamp = folder / "ready"
    mark = hashlib.sha256(asked.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != mark:
        # What is imported is compiled then: to compile all that is installed takes longer than to install it.
        maker = ["sh", "tools/environment.sh", python, str(folder), "--no-compile", *tier.installs()]
        subprocess.run(maker, cwd=ROOT, check=True)
        stamp.write_text(mark)
    return folder / "bin" / "python"


def run(tier: Tier, arguments: Sequence[str] = ()) -> Result:
    """Make the environment, run the tests until they end or their time is over, and read the report."""
    if not tier.present():
        return Result(tier, "no test yet")
    try:
        python = environment(tier)
    except subprocess.CalledProcessError:
        return Result(tier, "not installed")
    report = ROOT / "out" / "tiers" / f"{tier.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    workers = os.environ.get("CLEARPROP_WORKERS", "2")
    spread = ["-n", workers, "--dist=worksteal"]  # neighbours in one process share what their file has made
    command = [str(python), "-m", "pytest", *spread, f"--junitxml={report}", *tier.arguments()]
    began = time.monotonic()
    patience = tier.limit * float(os.environ.get("CLEARPROP_PATIENCE", "3"))
    status = until([*command, *arguments], patience)
    seconds = time.monotonic() - began
    if not report.exists():
        return Result(tier, "STOPPED" if status is None else "FAILED", seconds)
    result = read(tier, report, status or 0, seconds)
    if status is None:
        result.ended = "STOPPED"
    return result


@dataclass
class Deadline:
    """When all tiers are to have ended, and how fast they run here."""

    seconds: float  # until then, from now
    pace: float  # seconds that one second of a limit takes
    began: float = field(default_factory=time.monotonic)
    ran: float = 0.0  # the limits of what has run since, by the share of it that ran

    def share(self, tiers: Sequence[Tier]) -> float:
        """Return which part of the tests of these tiers can run in the time that is left."""
        passed = time.monotonic() - self.began
        pace = (KNOWN * self.pace + passed) / (KNOWN + self.ran)  # what has run counts more and more
        planned = pace * sum(tier.limit for tier in tiers)
        return min(1.0, max((self.seconds - passed) / planned, LEAST))

    def arguments(self, share: float) -> list[str]:
        """What tells pytest to run no more than this share."""
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        return [f"--share={share:.2f}", f"--drawn-by={commit.stdout.strip()}"] if share < 1 else []


def surroundings() -> dict[str, str]:
    """Return the environment of a tier: ours, with bytecode that is kept and one thread of BLAS in a process.

    Many tests start a Python, which would compile the library anew. Two processes with two threads each are
    more than two cores can run at once, and a thread of BLAS that waits for its turn keeps a core busy.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return dict.fromkeys(BLAS, "1") | kept


def scratch() -> str | None:
    """Return where temporary files lie best: in memory, if it has room and runs what is compiled there.

    Thousands of files are written and flushed, so that no crash loses them; a disk takes some 7 ms for each.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return None
    found = os.statvfs(MEMORY)
    fit = found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC
    return str(MEMORY) if fit and os.access(MEMORY, os.W_OK) else None


def until(command: Sequence[str], seconds: float) -> int | None:
    """Run a command with temporary files of its own, which go when it ends; return what `watched` does."""
    with tempfile.TemporaryDirectory(
        prefix="clearprop-", dir=scratch(), ignore_cleanup_errors=True
    ) as folder:
        return watched(command, seconds, surroundings() | {"TMPDIR": folder})


def watched(command: Sequence[str], seconds: float, around: dict[str, str]) -> int | None:
    """Run a command and return its exit status; when its time is over, stop all that it started: None.

    It is interrupted first, and has half a minute to report on what has run. What a shell runs in its
    background is deaf to interrupts, and so would be what it starts: there the usual answer is put back.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=ROOT, env=around, start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def read(tier: Tier, report: Path, status: int, seconds: float) -> Result:
    """Make a Result of pytest's report; a run in which no test passed has not passed."""
    result = Result(tier, "passed", seconds)
    for case in ElementTree.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        failed = case.find("failure") is not None or case.find("error") is not None
        result.counts["failed" if failed else "skipped" if skipped is not None else "passed"] += 1
        if skipped is not None:
            result.reasons[re.sub(r":? No module named .*", "", skipped.get("message", "")).strip()] += 1
        if float(case.get("time", 0)) >= SLOW:
            result.slow.append((float(case.get("time", 0)), f"{case.get('classname')}::{case.get('name')}"))
    if status or not result.counts["passed"]:
        result.ended = "FAILED"
    return result


def table(results: Sequence[Result]) -> str:
    """All tiers at a glance, and what was skipped in each."""
    rows = [f"{'tier':<18}{'ended':<15}{'seconds':>8}{'limit':>7}{'passed':>8}{'skipped':>9}"]
    for r in results:
        numbers = f"{r.seconds:>8.0f}{r.tier.limit:>7}{r.counts['passed']:>8}{r.counts['skipped']:>9}"
        rows.append(f"{r.tier.name:<18}{r.ended:<15}{numbers}")
    whole = f"{sum(r.seconds for r in results):.0f} s of {sum(r.tier.limit for r in results)} s"
    return "\n".join([*rows, f"all tiers: {whole}", "", *(r.closing() for r in results)])


def in_turn(chosen: Sequence[Tier], arguments: Sequence[str], deadline: Deadline) -> list[Result]:
    """Run tiers one after another, each as much of it as its deadline allows, and say how each ended."""
    results: list[Result] = []
    for place, tier in enumerate(chosen):
        share = deadline.share(chosen[place:])
        print(f"\n== {tier.name}: {tier.about} (limit {tier.limit} s)", flush=True)
        if share < 1:
            print(
                f"a slow machine: {share:.0%} of its tests are drawn, so that every tier is reached",
                flush=True,
            )
        try:
            results.append(run(tier, [*arguments, *deadline.arguments(share)]))
        except KeyboardInterrupt:  # the time of all tiers is over: say what has run
            return [*results, Result(tier, "STOPPED")]
        results[-1].share = share
        deadline.ran += share * tier.limit
        for seconds, name in sorted(results[-1].slow, reverse=True):
            print(f"slow: {seconds:.1f} s {name}")
        print(results[-1].closing(), flush=True)
    return results


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tiers that are named; return the exit status."""
    known = tiers()
    parser = argparse.ArgumentParser(description="Run tiers of tests, each in an environment of its own.")
    parser.add_argument(
        "tier",
        choices=[*known, "all", "others"],
        help="; ".join(f"{t.name}: {t.about}" for t in known.values()),
    )
    parser.add_argument("--make", action="store_true", help="make the environment and run nothing")
    parser.add_argument("--arguments", action="store_true", help="print what pytest is told and run nothing")
    parser.add_argument("--within", type=float, default=float("inf"), help="seconds in which all are to end")
    parser.add_argument(
        "--pace", type=float, default=1.0, help="seconds that one second of a limit takes here"
    )
    args, rest = parser.parse_known_args(argv)
    several = {"all": list(known.values()), "others": [t for t in known.values() if t.name != "test"]}
    chosen = several.get(args.tier) or [known[args.tier]]
    if args.arguments:
        print(*(argument for tier in chosen for argument in tier.arguments()))
        return 0
    if args.make:
        for tier in chosen:
            environment(tier)
        return 0
    if (
        signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    ):  # in the background: tests of Ctrl-C need what it does
        signal.signal(signal.SIGINT, signal.default_int_handler)
    results = in_turn(chosen, rest, Deadline(args.within, args.pace))
    if len(results) > 1:
        print("\n" + table(results), flush=True)
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    sys.exit(main())
