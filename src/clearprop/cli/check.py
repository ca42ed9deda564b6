"""`clearprop check "(a + b) * b**3" a=7 b=3`: gradients beside numerical ones; and homework, graded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from clearprop import marks
from clearprop.cli.as_json import as_json
from clearprop.cli.bounds import within
from clearprop.cli.outputs import apart, force
from clearprop.cli.step import expression_of, typed
from clearprop.errors import InputError, lesson
from clearprop.files import replaceable, whole_file
from clearprop.tensor import Tensor

EPILOG = """\
  clearprop check "(a + b) * b**3" a=7 b=3
  clearprop check homework.py                       the node classes of a file
  clearprop check submissions/ --csv grades.csv     a class: each file, or folder of files, is a submission
  clearprop check submissions/ Multiply Tanh --hidden tests.py --timeout 10
  clearprop check submission/ Multiply --gradescope results.json
"""
_FOR_A_CLASS = ("json", "csv", "gradescope", "hidden", "timeout", "points", "jobs")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    about = 'what to check: "(a + b) * b**3", or - for one from standard input; or homework.py; or a folder'
    typed(parser, about, needed=False)
    parser.add_argument(
        "--json", metavar="FILE", help="write what was found, or all grades and hints, as JSON (- prints it)"
    )
    homework = parser.add_argument_group("for a class", "each submission runs in a process of its own")
    homework.add_argument("--csv", metavar="FILE", help="write a table of grades (- prints it)")
    homework.add_argument(
        "--gradescope", metavar="FILE", help="take all files for one submission and write its results.json"
    )
    homework.add_argument("--hidden", metavar="FILE", help="your tests: functions test_...(student)")
    homework.add_argument("--timeout", type=float, metavar="S", help="seconds for each submission (30)")
    homework.add_argument("--points", type=float, metavar="P", help="with --gradescope: for each class (10)")
    homework.add_argument("--jobs", type=int, metavar="N", help="submissions at a time (one a processor)")
    force(parser)


_BOUNDS = {"timeout": (0.001, 10**6), "points": (0.001, 10**6), "jobs": (1, 10**4)}


def run(args: argparse.Namespace) -> int:
    """Print the comparison; 0 where some gradient was compared and all agree, 1 otherwise."""
    from clearprop.typed.expression import assignments

    if not args.expression:
        hint = 'clearprop check "(a + b) * b**3" a=7 b=3'
        raise InputError(lesson("expression", "wants something to check", "nothing", hint=hint))
    given = [name for name in _FOR_A_CLASS if getattr(args, name) is not None]
    within(args, _BOUNDS)
    if args.points is not None and not args.gradescope:
        hint = f"--gradescope results.json --points {args.points:g}"
        raise InputError(lesson("--points", "is what Gradescope is told", "no --gradescope", hint=hint))
    if Path(args.expression).is_dir() or (given and args.expression.endswith(".py")):
        return _class(args)
    if any(name != "json" for name in given):
        raise InputError(lesson(f"--{given[-1]}", "is for homework, a file or a folder", args.expression))
    if args.expression.endswith(".py"):
        return _homework(args.expression, args.values)
    expression = expression_of(args)
    values = assignments(args.values)
    output = expression.graph(values)
    found = _comparison(expression, output, values)
    said = str(found["verdict"])
    if args.json:
        _write(found, args.json, args.force)
    if args.json != "-":
        print("\n".join(_lines(found)))
    if said != "WRONG":
        return 0 if said == "right" else 1
    from clearprop.check.nodes import check_model

    ops = check_model(output, raise_on_failure=False)
    told = "Every op's rule is right: what is wrong is how gradients are added up." if ops.ok else ops
    print(told, file=sys.stderr if args.json == "-" else sys.stdout)
    return 1


def _write(found: dict[str, Any], target: str, force: bool) -> None:
    """Print a comparison as JSON, or write it into a file."""
    if target == "-":
        return print(as_json(found))
    with whole_file(target, ours=None if force else marks.grades) as file:
        file.write(as_json(found).encode() + b"\n")
    print(f"wrote {target}", file=sys.stderr)


def _homework(path: str, wanted: list[str]) -> int:
    """Grade the node classes of a file (or those named); 1 where one is wrong or none could be graded."""
    from clearprop.homework.grading import check_node
    from clearprop.homework.loading import classes_of, module_of

    classes = classes_of(module_of(path))
    unknown = [name for name in wanted if name not in classes]
    if unknown or not classes:
        raise InputError(
            lesson(
                f"clearprop check {path}",
                "wants classes with value, grad and compute_grad() or backward()",
                f"there is no {', '.join(unknown)}" if unknown else "the file has none",
                f"It has {', '.join(classes)}." if classes else "",
            )
        )
    reports = []
    for name in wanted or classes:
        try:
            reports.append(check_node(classes[name]))
            print(reports[-1])
        except InputError as error:
            if wanted:
                raise
            print(f"{name}: not graded. {error}")
    return 0 if reports and all(r.ok for r in reports) else 1


def _class(args: argparse.Namespace) -> int:
    """Grade a class, or one submission for Gradescope; 1 where something is wrong in any."""
    from clearprop.homework.gradebook import grade, python_files, submissions
    from clearprop.homework.submission import Rules

    path, hidden = Path(args.expression), args.hidden or ""
    hidden = str(Path(hidden).resolve()) if hidden else ""
    if not path.exists():
        raise InputError(lesson("clearprop check", "there is no such file", str(path)))
    if args.gradescope or path.is_file():
        files = [path] if path.is_file() else python_files(path)
        found = {path.resolve().stem: [file for file in files if str(file.resolve()) != hidden]}
    else:
        found = submissions(path, hidden)
        _left_out(path)
    read = {f"{path} {file.relative_to(path)}": file for group in found.values() for file in group}
    outputs = {f"--{name}": getattr(args, name) for name in ("json", "csv", "gradescope")}
    _writable(outputs, read | {"--hidden": hidden or None}, args.force)
    book = grade(found, Rules(tuple(args.values), hidden, args.timeout or 30.0), max(args.jobs or 0, 0))
    written = {args.json: book.to_json, args.csv: book.to_csv}
    if args.gradescope:
        written[args.gradescope] = lambda: book.to_gradescope(args.points or 10.0)
    for target, text in written.items():
        if target and target != "-":
            with whole_file(target, ours=None if args.force else marks.grades) as file:
                file.write(text().encode())
            print(f"wrote {target}")
    printed = written.get("-")
    print(printed().rstrip("\n") if printed else book.text)
    return 0 if book.ok else 1


def _left_out(folder: Path) -> None:
    """Name the files that are no submission: a student may have handed in what cannot be graded."""
    files = [p.name for p in sorted(folder.iterdir()) if p.is_file() and p.suffix != ".py"]
    if names := ", ".join(name for name in files if not name.startswith((".", "__"))):
        print(f"not graded, for they are no Python files: {names}", file=sys.stderr)


def _writable(outputs: dict[str, str | None], read: dict[str, Any], force: bool) -> None:
    """Raise InputError now, before a class is graded, for what could not be written afterwards."""
    printed = [f"{name} -" for name, target in outputs.items() if target == "-"]
    if len(printed) > 1:
        raise InputError(
            lesson(" ".join(printed), "only one of them can be printed", hint="a file for the other")
        )
    files = {name: target for name, target in outputs.items() if target not in (None, "-")}
    apart(read, files)
    for target in files.values():
        replaceable(str(target), None if force else marks.grades)


def _comparison(expression: Any, output: Tensor, values: dict[str, Any]) -> dict[str, Any]:
    """Return the value, each entry's gradient beside the numerical one, and the verdict."""
    from clearprop.check.numeric import estimate
    from clearprop.check.report import verdict

    ones = np.ones(output.shape)
    output.backward(ones)
    found = estimate(expression, *(values[n] for n in expression.names), cotangent=ones)
    leaves = _leaves(output)
    defined = bool(np.all(np.isfinite(output.value)))
    entries = []
    for name, n, e, kink in zip(expression.names, found.grads, found.errors, found.kinks, strict=True):
        leaf = leaves.get(name)
        g = np.zeros_like(n) if leaf is None or leaf.grad is None else np.asarray(leaf.grad)
        for index in np.ndindex(np.shape(n)):
            analytic, numerical, error = (float(np.asarray(x)[index]) for x in (g, n, e))
            says = _verdict(analytic, numerical, error, bool(np.asarray(kink)[index])) if defined else _UNSAID
            entry = {"input": name, "index": list(index), "gradient": analytic, "numerical": numerical}
            entries.append(entry | {"says": says})
    outcomes = [entry["says"] for entry in entries]
    compared = outcomes.count("agrees") + outcomes.count("differs")
    return {
        "clearprop": "check",
        "expression": expression.text,
        "value": output.value,
        "verdict": verdict("differs" in outcomes, compared),
        "entries": entries,
        "evaluations": found.evaluations,
    }


_UNSAID = "not resolved"


def _lines(found: dict[str, Any]) -> list[str]:
    """Say a comparison as a table."""
    value, entries = found["value"], found["entries"]
    total = "" if not value.shape else f" (summed: the output has shape {value.shape})"
    lines = [f"{found['expression']} = {_shown(value)}{total}", ""]
    lines.append(f"  {'input':<10} {'gradient':>24} {'numerical':>24} {'rel. error':>10}")
    for told in entries:
        entry = told["input"] + (str(told["index"]).replace(" ", "") if told["index"] else "")
        both = f"{told['gradient']:>24.15g} {told['numerical']:>24.15g}"
        lines.append(f"  {entry:<10} {both} {_error(told['gradient'], told['numerical'])}  {told['says']}")
    if not np.all(np.isfinite(value)):
        lines += ["", "The value is not finite here, so there is no derivative to compare with."]
    says = [told["says"] for told in entries]
    counts = {word: says.count(word) for word in ("agrees", "differs", "on a kink", _UNSAID)}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    compared = counts["agrees"] + counts["differs"]
    lines += ["", f"{found['verdict']}. {compared} compared, {len(says) - compared} skipped"]
    lines[-1] += f"{f' ({said})' if said else ''}; {found['evaluations']} evaluations of the expression."
    return lines


def _leaves(output: Tensor) -> dict[str, Tensor]:
    from clearprop.graph import topological_order

    return {t.name: t for t in topological_order(output) if t.op is None and t.name}


def _verdict(analytic: float, numerical: float, error: float, kink: bool) -> str:
    if kink:
        return "on a kink"
    if not np.isfinite(error) or error > 1e-4 * max(abs(analytic), abs(numerical), 1e-3):
        return _UNSAID
    close = abs(analytic - numerical) <= 10 * error + 1e-9 * abs(numerical)
    return "agrees" if close else "differs"


def _error(analytic: float, numerical: float) -> str:
    size = max(abs(analytic), abs(numerical))
    share = abs(analytic - numerical) / size if size else 0.0
    return f"{share:>10.1e}"


def _shown(value: Any) -> str:
    return f"{float(value):.15g}" if not np.shape(value) else np.array2string(np.asarray(value), threshold=20)
