"""One submission graded in a process of its own, which may crash, hang, print, or run out of memory.

Run as `python -m clearprop.homework.submission`, with the job as JSON on the standard input; the grades are
written to the file that the job names. What a student's code can do to its own process it can do to its own
grade: this keeps a class from being stopped, it is no protection against fraud.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from clearprop.errors import InputError, lesson
from clearprop.homework.grading import check_node
from clearprop.homework.loading import classes_of, module_of

MEMORY = 4 << 30  # bytes that a submission may take, where the system can be told
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Graded:
    """One thing that was graded: a class, by its criteria, or a hidden test."""

    name: str
    passed: int
    of: int
    said: str = ""
    hidden: bool = False

    @property
    def share(self) -> float:
        """The part that is right, 0 to 1."""
        return self.passed / self.of if self.of else 0.0


@dataclass(frozen=True)
class Submission:
    """What was found in one student's files; `error` says why nothing could be graded."""

    name: str
    graded: tuple[Graded, ...] = ()
    error: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def ok(self) -> bool:
        """Whether something was graded and all of it is right."""
        return bool(self.graded) and not self.error and all(g.passed == g.of for g in self.graded)

    @property
    def score(self) -> float:
        """The mean share of all that was graded, 0 to 1."""
        return sum(g.share for g in self.graded) / len(self.graded) if self.graded else 0.0


@dataclass(frozen=True)
class Rules:
    """What is asked of every submission: the classes wanted (all where none is named), a file of hidden
    tests, and the seconds that one may take."""

    wanted: tuple[str, ...] = ()
    hidden: str = ""
    timeout: float = 30.0


def graded(name: str, files: Sequence[Path], rules: Rules) -> Submission:
    """Grade the files of one student in a process of its own, which is ended when its time is over.

    Raises InputError where the hidden tests do not run, for which no student is to blame.
    """
    name = _printable(name)
    if not files:
        return Submission(name, error="There is no Python file.")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "grades.json"
        job = {"files": [str(file.resolve()) for file in files], "result": str(result), **asdict(rules)}
        status = _ended(job, Path(folder), rules.timeout)
        seconds = time.monotonic() - started
        if status is None:
            return Submission(
                name, error=f"It did not end within {rules.timeout:g} seconds.", seconds=seconds
            )
        try:
            told = json.loads(result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Submission(
                name, error=f"Its process ended without grades, {_how(status)}.", seconds=seconds
            )
    if told["broken"]:
        raise InputError(lesson(f"--hidden {rules.hidden}", "wants tests that run", told["broken"]))
    return Submission(name, tuple(Graded(**g) for g in told["graded"]), told["error"], seconds)


def _printable(words: str) -> str:
    """Return text that can be written and printed: file names and messages may have halves of characters."""
    return words.encode("utf-8", "backslashreplace").decode()


def _ended(job: dict[str, Any], folder: Path, timeout: float) -> int | None:
    """Run a job; return its process's status, or None where all its processes had to be killed."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "clearprop.homework.submission"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=os.environ | dict.fromkeys(_THREADS, "1") | {"PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        process.communicate(json.dumps(job).encode(), timeout)
        return process.returncode
    except subprocess.TimeoutExpired:
        return None
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started and left behind."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _how(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with status {status}"


# --- inside the process -------------------------------------------------------------------------------------
def main() -> None:
    """Grade the job that the standard input describes."""
    job = json.loads(sys.stdin.read())
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 it stays open as long as the process
    _limit_memory()
    found: list[Graded] = []
    error = broken = ""
    try:
        tests = module_of(job["hidden"], "hidden") if job["hidden"] else None
    except InputError as failure:
        cause = failure.__cause__ or failure
        broken = f"{type(cause).__name__}: {cause}"
    else:
        try:
            found = list(_all(job, tests))
        except InputError as failure:
            error = str(failure)
        except MemoryError:
            error = "It ran out of memory."
    plain = [replace(g, name=_printable(g.name), said=_printable(g.said)) for g in found]
    told = {"graded": [*map(asdict, plain)], "error": _printable(error), "broken": _printable(broken)}
    Path(job["result"]).write_text(json.dumps(told), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # threads that a student left running do not hold up the class


def _all(job: dict[str, Any], tests: Any) -> Iterator[Graded]:
    modules = []
    for n, file in enumerate(job["files"]):
        sys.path.append(os.path.dirname(file))
        modules.append(module_of(file, "homework" if not n else f"homework_{n}"))
    classes = {name: found for module in modules for name, found in classes_of(module).items()}
    for name in dict.fromkeys(job["wanted"]) or classes:
        yield _class(name, classes)
    if not job["wanted"] and not classes and tests is None:
        raise InputError("There is no class with value, grad and compute_grad() or backward().")
    if tests is not None:
        names = {key: value for module in modules for key, value in vars(module).items()}
        yield from _hidden(tests, names)


def _class(name: str, classes: dict[str, type]) -> Graded:
    if name not in classes:
        return Graded(name, 0, 1, f"There is no class {name}.")
    try:
        report = check_node(classes[name])
    except (Exception, SystemExit) as failure:  # the student's code may do anything
        return Graded(name, 0, 1, f"{name}: not graded. {type(failure).__name__}: {failure}")
    tested = [g.passed for g in report.grades.values() if g.passed is not None]
    return Graded(name, sum(map(bool, tested)), len(tested), repr(report))


def _hidden(tests: Any, names: dict[str, Any]) -> Iterator[Graded]:
    """Run each `test_...(student)` of the teacher's file; `student` has all that the submission defines."""
    student = SimpleNamespace(**{key: v for key, v in names.items() if not key.startswith("__")})
    for key, test in [*vars(tests).items()]:  # a test may set what is global
        if not key.startswith("test_") or not callable(test):
            continue
        name = (inspect.getdoc(test) or key).splitlines()[0]
        try:
            test(student)
        except (Exception, SystemExit) as failure:
            said = str(failure) if type(failure) is AssertionError else f"{type(failure).__name__}: {failure}"
            yield Graded(name, 0, 1, said, True)
        else:
            yield Graded(name, 1, 1, "", True)


def _limit_memory() -> None:
    try:
        resource = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # a system without such limits


if __name__ == "__main__":
    main()
