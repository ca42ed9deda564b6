"""The grades of a class: as a table to read, as JSON, as CSV, and as Gradescope's results.json."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearprop.errors import InputError, lesson
from clearprop.homework.submission import Graded, Rules, Submission, graded

COLUMNS = ("submission", "score", "seconds", "error")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a cell begins that a spreadsheet would compute


def submissions(folder: str | Path, hidden: str = "") -> dict[str, list[Path]]:
    """Return the files of each submission in a folder: every Python file is one, and every folder of them.

    The file of `hidden` tests is none, wherever it lies. Raises InputError where there is no submission.
    """
    folder = Path(folder)
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")) or (hidden and path.resolve() == Path(hidden).resolve()):
            continue
        if path.is_dir():
            found[path.name] = python_files(path)
        elif path.suffix == ".py":
            found[path.stem if path.stem not in found else path.name] = [path]
    if not found:
        raise InputError(
            lesson(
                f"clearprop check {folder}",
                "wants a folder of submissions, each a Python file or a folder of them",
                "there is none",
            )
        )
    return found


def python_files(folder: Path) -> list[Path]:
    """Return the Python files below a folder, in order."""
    inside = sorted(folder.rglob("*.py"))
    hidden = (".", "__")
    return [p for p in inside if not any(part.startswith(hidden) for part in p.relative_to(folder).parts)]


def grade(found: dict[str, list[Path]], rules: Rules | None = None, jobs: int = 0) -> Gradebook:
    """Grade submissions, each in a process of its own, `jobs` at a time (as many as there are processors).

    Raises InputError where there are no hidden tests in the file named, or they do not run.
    """
    rules = rules or Rules()
    if rules.hidden and not Path(rules.hidden).is_file():
        raise InputError(lesson("--hidden", "wants a file of test functions", f"there is no {rules.hidden}"))
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        running = [pool.submit(graded, name, files, rules) for name, files in found.items()]
        try:
            return Gradebook([task.result() for task in running])
        except InputError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass(frozen=True)
class Gradebook:
    """The grades of all submissions, in the order of their names."""

    submissions: Sequence[Submission]

    @property
    def ok(self) -> bool:
        """Whether all that was handed in is right."""
        return bool(self.submissions) and all(s.ok for s in self.submissions)

    @property
    def text(self) -> str:
        """A line for each submission: its score, and what is wrong."""
        width = max(len(s.name) for s in self.submissions)
        return "\n".join(f"{s.name:<{width}}  {s.score:>4.0%}  {_summary(s)}" for s in self.submissions)

    def to_json(self) -> str:
        """Return all that was found, with every hint."""
        told = [
            {
                "submission": s.name,
                "score": round(s.score, 4),
                "ok": s.ok,
                "seconds": round(s.seconds, 2),
                "error": s.error,
                "graded": [_plain(g) for g in s.graded],
            }
            for s in self.submissions
        ]
        return json.dumps({"clearprop": "grades", "submissions": told}, indent=1, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """Return a row for each submission, with a column of shares for each class and hidden test."""
        shares = [_shares(s) for s in self.submissions]
        names = list(dict.fromkeys(name for one in shares for name in one))
        file = io.StringIO()
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*COLUMNS, *map(_cell, names)])
        for s, one in zip(self.submissions, shares, strict=True):
            row = [_cell(s.name), f"{s.score:.4g}", f"{s.seconds:.2f}", _cell(s.error)]
            table.writerow([*row, *(one.get(name, "") for name in names)])
        return file.getvalue()

    def to_gradescope(self, points: float = 10.0) -> str:
        """Return the one submission as Gradescope's results.json: `points` for each class and hidden test.

        Hidden tests have no output and are shown after the grades are published
        (https://gradescope-autograders.readthedocs.io/en/latest/specs/).
        """
        (s,) = self.submissions
        tests = [_test(g, points) for g in s.graded]
        told: dict[str, Any] = {
            "extra_data": {"generator": "clearprop"},
            "execution_time": round(s.seconds),
            "output": s.error,
            "tests": tests,
        }
        if not tests:
            told["score"] = 0
        return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _shares(s: Submission) -> dict[str, str]:
    """Return the share of each thing that was graded; of several with one name the later have a number."""
    found: dict[str, str] = {}
    for g in s.graded:
        same = itertools.count(2)
        name = g.name
        while name in found:
            name = f"{g.name} ({next(same)})"
        found[name] = f"{g.share:.4g}"
    return found


def _summary(s: Submission) -> str:
    if s.error:
        return " ".join(s.error.split())
    wrong = [f"{g.name} {g.passed} of {g.of}" for g in s.graded if g.passed != g.of]
    return "; ".join(wrong) or "all right"


def _plain(g: Graded) -> dict[str, Any]:
    return {"name": g.name, "passed": g.passed, "of": g.of, "hidden": g.hidden, "said": g.said}


def _test(g: Graded, points: float) -> dict[str, Any]:
    return {
        "name": g.name,
        "score": round(points * g.share, 4),
        "max_score": points,
        "status": "passed" if g.passed == g.of else "failed",
        "output": "" if g.hidden else g.said,
        "visibility": "after_published" if g.hidden else "visible",
    }


def _cell(words: str) -> str:
    """Return text as a cell that no spreadsheet takes for a formula."""
    line = " ".join(words.split())
    return f"'{line}" if line.startswith(_FORMULA) else line
