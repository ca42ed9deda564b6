"""`clearprop check "(a + b) * b**3" a=7 b=3`: an expression's gradients beside numerical ones."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from typing import Any

import numpy as np

from clearprop.cli.step import typed
from clearprop.tensor import Tensor


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    typed(parser, 'what to check, e.g. "(a + b) * b**3"; or homework.py: its node classes', needed=False)
    parser.add_argument(
        "--mutations",
        action="store_true",
        help="break every op's every rule in many ways, one at a time, and show that each is found",
    )
    parser.add_argument("--op", action="append", help="with --mutations: only this op (may be repeated)")


def run(args: argparse.Namespace) -> int:
    """Print the comparison; 0 where some gradient was compared and all agree, 1 otherwise."""
    if args.mutations:
        from clearprop.check.mutations import main

        return main(args.op)
    from clearprop.errors import InputError, lesson
    from clearprop.typed.expression import assignments, parse

    if not args.expression:
        raise InputError(
            lesson("clearprop check", "wants an expression", hint='clearprop check "(a + b) * b**3" a=7 b=3')
        )
    if args.expression.endswith(".py"):
        return _homework(args.expression, args.values)
    expression = parse(args.expression)
    values = assignments(args.values)
    output = expression.graph(values)
    lines, said = _comparison(expression, output, values)
    print("\n".join(lines))
    if said != "WRONG":
        return 0 if said == "right" else 1
    from clearprop.check.nodes import check_model

    found = check_model(output, raise_on_failure=False)
    print(found if not found.ok else "Every op's rule is right: what is wrong is how gradients are added up.")
    return 1


def _homework(path: str, wanted: list[str]) -> int:
    """Grade the node classes of a file (or those named); 1 where one is wrong or none could be graded."""
    from clearprop.errors import InputError, lesson
    from clearprop.homework.grading import check_node

    classes = _classes(path)
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


def _classes(path: str) -> dict[str, type]:
    """Run a file of the user's and return the classes in it that can pass gradients back."""
    from clearprop.errors import InputError, lesson
    from clearprop.homework.student import PASSES

    spec = importlib.util.spec_from_file_location("homework", path)
    if spec is None or spec.loader is None:
        raise InputError(lesson("clearprop check FILE.py", "wants a Python file", path))
    module = importlib.util.module_from_spec(spec)
    sys.modules["homework"] = module
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError:
        raise InputError(lesson("clearprop check FILE.py", "there is no such file", path)) from None
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise InputError(lesson("clearprop check FILE.py", "the file does not run", said)) from error
    own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == "homework"]
    return {c.__name__: c for c in own if any(hasattr(c, name) for name in PASSES)}


def _comparison(expression: Any, output: Tensor, values: dict[str, Any]) -> tuple[list[str], str]:
    from clearprop.check.numeric import estimate
    from clearprop.check.report import verdict

    ones = np.ones(output.shape)
    output.backward(ones)
    found = estimate(expression, *(values[n] for n in expression.names), cotangent=ones)
    leaves = _leaves(output)
    defined = bool(np.all(np.isfinite(output.value)))
    total = "" if not output.shape else f" (summed: the output has shape {output.shape})"
    lines = [f"{expression.text} = {_shown(output.value)}{total}", ""]
    lines.append(f"  {'input':<10} {'gradient':>24} {'numerical':>24} {'rel. error':>10}")
    counts = {"agrees": 0, "differs": 0, "on a kink": 0, "not resolved": 0}
    for name, n, e, kink in zip(expression.names, found.grads, found.errors, found.kinks, strict=True):
        leaf = leaves.get(name)
        g = np.zeros_like(n) if leaf is None or leaf.grad is None else np.asarray(leaf.grad)
        for index in np.ndindex(np.shape(n)):
            analytic, numerical = float(np.asarray(g)[index]), float(np.asarray(n)[index])
            entry_says = (
                "not resolved"
                if not defined
                else _verdict(analytic, numerical, float(np.asarray(e)[index]), bool(np.asarray(kink)[index]))
            )
            counts[entry_says] += 1
            entry = name + (str(list(index)).replace(" ", "") if index else "")
            both = f"{analytic:>24.15g} {numerical:>24.15g}"
            lines.append(f"  {entry:<10} {both} {_error(analytic, numerical)}  {entry_says}")
    if not defined:
        lines += ["", "The value is not finite here, so there is no derivative to compare with."]
    said = ", ".join(f"{count} {says}" for says, count in counts.items() if count)
    compared = counts["agrees"] + counts["differs"]
    outcome = verdict(counts["differs"] > 0, compared)
    skipped = sum(counts.values()) - compared
    lines += ["", f"{outcome}. {compared} compared, {skipped} skipped{f' ({said})' if said else ''}; "]
    lines[-1] += f"{found.evaluations} evaluations of the expression."
    return lines, outcome


def _leaves(output: Tensor) -> dict[str, Tensor]:
    from clearprop.graph import topological_order

    return {t.name: t for t in topological_order(output) if t.op is None and t.name}


def _verdict(analytic: float, numerical: float, error: float, kink: bool) -> str:
    if kink:
        return "on a kink"
    if not np.isfinite(error) or error > 1e-4 * max(abs(analytic), abs(numerical), 1e-3):
        return "not resolved"
    close = abs(analytic - numerical) <= 10 * error + 1e-9 * abs(numerical)
    return "agrees" if close else "differs"


def _error(analytic: float, numerical: float) -> str:
    size = max(abs(analytic), abs(numerical))
    share = abs(analytic - numerical) / size if size else 0.0
    return f"{share:>10.1e}"


def _shown(value: Any) -> str:
    return f"{float(value):.15g}" if not np.shape(value) else np.array2string(np.asarray(value), threshold=20)
