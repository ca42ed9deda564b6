"""How many faults do gradient checkers find? The same faults put before clearprop's and three others.

    python benchmarks/faults.py              every op's every rule x every kind of fault, and false alarms
    python benchmarks/faults.py --functions  the gradients of 55 functions x every kind of fault
    python benchmarks/faults.py --entry      one entry of 1,600 wrong by 1 %, twenty seeds
    python benchmarks/faults.py --sampled    one entry of 2,500 times 3 and one on a kink, 1,000 seeds
    python benchmarks/faults.py --op tanh    only some ops

Every checker is given the very same NumPy forward and the very same wrong gradient, wrapped in its own way of
defining a function with a gradient of one's own, with its default tolerances, in float64.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.check.compare import gradcheck
from clearprop.check.probe import Probe, listed
from clearprop.check.pull import gradients
from clearprop.check.taylor import taylor_check
from clearprop.modes import no_grad
from clearprop.registry import ops
from clearprop.tensor import raw
from clearprop.testing import Case, broken, cases, replaced, sending
from fault_functions import FUNCTIONS

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "check"))
from mutations import FAULTS, effective, library, real


@dataclass
class Problem:
    """A function of floating-point arrays that returns one vector, and what is said to be its gradient."""

    case: Case
    dtype: Any = np.float64
    moving: list[int] = field(init=False)
    shapes: list[tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        probe = Probe(self.case.function, self.case.inputs, lift=True)
        probe({})
        self.moving, self.shapes = probe.moving, probe.shapes
        self.starts = [np.asarray(self.case.inputs[j], self.dtype) for j in self.moving]

    def _all(self, xs: Any) -> list[Any]:
        given = list(self.case.inputs)
        for j, x in zip(self.moving, xs, strict=True):
            given[j] = x
        return given

    def forward(self, *xs: Any) -> Any:
        with np.errstate(all="ignore"), no_grad():
            outputs = listed(self.case.function(*(np.asarray(x)[()] for x in self._all(xs))))
        return np.concatenate([np.asarray(raw(z)).reshape(-1) for z in outputs])

    def backward(self, g: Any, *xs: Any) -> list[Any]:
        ends = np.cumsum([int(np.prod(s)) for s in self.shapes])[:-1]
        weights = [w.reshape(s) for w, s in zip(np.split(np.asarray(g), ends), self.shapes, strict=True)]
        arrays = [x if j in self.moving else None for j, x in enumerate(self._all(xs))]
        found = gradients(self.case.function, arrays, self.case.inputs)(weights)
        return [
            np.zeros_like(x) if found[j] is None else np.asarray(found[j], x.dtype).reshape(x.shape)
            for j, x in zip(self.moving, xs, strict=True)
        ]


def clearprop_passes(problem: Problem) -> bool:
    xs = [
        x if j not in problem.moving else x.astype(problem.dtype) for j, x in enumerate(problem.case.inputs)
    ]
    return gradcheck(problem.case.function, *xs, raise_on_failure=False).ok


def with_torch(fast: bool) -> Callable[[Problem], bool]:
    import torch

    def passes(problem: Problem) -> bool:
        class Wrapped(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *xs: Any) -> Any:
                ctx.save_for_backward(*xs)
                return torch.from_numpy(problem.forward(*(x.detach().numpy() for x in xs)).copy())

            @staticmethod
            @torch.autograd.function.once_differentiable
            def backward(ctx: Any, g: Any) -> Any:
                found = problem.backward(g.numpy(), *(x.detach().numpy() for x in ctx.saved_tensors))
                return tuple(torch.from_numpy(np.array(d)) for d in found)

        xs = [torch.from_numpy(np.array(x)).requires_grad_() for x in problem.starts]
        return bool(torch.autograd.gradcheck(Wrapped.apply, xs, fast_mode=fast))

    return passes


def with_jax() -> Callable[[Problem], bool]:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def passes(problem: Problem) -> bool:
        size = problem.forward(*problem.starts).size
        result = jax.ShapeDtypeStruct((size,), problem.dtype)
        shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in problem.starts]

        def call(*xs: Any) -> Any:
            return jax.pure_callback(
                lambda *a: problem.forward(*map(np.asarray, a)).astype(problem.dtype), result, *xs
            )

        wrapped = jax.custom_vjp(call)
        wrapped.defvjp(
            lambda *xs: (call(*xs), xs),
            lambda xs, g: tuple(
                jax.pure_callback(
                    lambda g, *a: problem.backward(np.asarray(g), *map(np.asarray, a)), shapes, g, *xs
                )
            ),
        )
        check_grads(wrapped, [jax.numpy.asarray(x) for x in problem.starts], order=1, modes=["rev"])
        return True

    return passes


def with_autograd() -> Callable[[Problem], bool]:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def rule(problem: Problem, k: int) -> Callable[..., Any]:
        return lambda ans, *xs: lambda g: problem.backward(g, *map(np.asarray, xs))[k]

    def passes(problem: Problem) -> bool:
        wrapped = primitive(problem.forward)
        every = tuple(range(len(problem.starts)))
        defvjp(wrapped, *(rule(problem, k) for k in every))
        check_grads(wrapped, every, modes=["rev"], order=1)(*problem.starts)
        return True

    return passes


def checkers() -> dict[str, Callable[[Problem], bool]]:
    """Return the checkers that are installed, by name."""
    found: dict[str, Callable[[Problem], bool]] = {"clearprop": clearprop_passes}
    for name, make in {
        "torch": lambda: with_torch(False),
        "torch fast": lambda: with_torch(True),
        "jax": with_jax,
        "autograd": with_autograd,
    }.items():
        try:
            found[name] = make()
        except ImportError:
            print(f"({name} is not installed)")
    return found


def outcome(passes: Callable[[Problem], bool], problem: Problem) -> bool:
    """Whether the checker says that the gradient is right; any exception of it says wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return passes(problem)
        except Exception:  # each has its own: AssertionError, GradcheckError, ...
            return False


def line(title: str, counts: list[Any]) -> None:
    print(f"  {title:<34}" + "".join(f"{c:>12}" for c in counts), flush=True)


Target = tuple[str, Any, int, list[Case]]


def rules(names: list[str]) -> list[Target]:
    """Every rule of the named ops, with the op's own cases."""
    return [(f"{name}, input {i}", ops[name], i, []) for name in names for i in sending(ops[name])]


def functions() -> list[Target]:
    """Functions of a 3 x 4 array whose gradient is falsified where it arrives at the input."""
    gate, x = ops["positive"], np.random.default_rng(0).normal(size=(3, 4))
    found = []
    for k, f in enumerate(FUNCTIONS):
        case = Case(gate, functools.partial(lambda f, x: f(gate(x)), f), (x,), f"function {k}")
        found.append((case.label, gate, 0, [case]))
    return found


def compare_faults(targets: list[Target], sound: list[Case], installed: dict[str, Any]) -> int:
    """Print how many faults each finds, how many sound gradients each blames, and the time each takes."""
    spent = dict.fromkeys(installed, 0.0)
    print(f"\n{len(targets)} gradients, {len(FAULTS)} kinds of fault")
    line("fault found", ["injected", *installed])
    total = dict.fromkeys(["injected", *installed], 0)
    missed = []
    for label, fault in FAULTS.items():
        row = dict.fromkeys(["injected", *installed], 0)
        for name, op, i, own in targets:
            hit = [c for c in own if real(c, i, op, fault)] if own else effective(op, i, fault)
            if not hit:
                continue
            row["injected"] += 1
            with replaced(op, i, fault):
                problem = Problem(hit[-1])
                for checker, passes in installed.items():
                    before = time.perf_counter()
                    found = not outcome(passes, problem)
                    spent[checker] += time.perf_counter() - before
                    row[checker] += found
                    if checker == "clearprop" and not found:
                        missed.append(f"{label}: {name}, {hit[-1].label}")
        line(label, list(row.values()))
        total = {k: total[k] + row[k] for k in total}
    line("all", list(total.values()))
    line("seconds", ["", *(f"{s:.1f}" for s in spent.values())])
    alarms = false_alarms(installed, sound)
    for m in missed:
        print(f"clearprop missed: {m}")
    return 1 if missed or any(row["clearprop"] for row in alarms) else 0


def false_alarms(installed: dict[str, Callable[[Problem], bool]], sound: list[Case]) -> list[dict[str, int]]:
    """Print how many sound cases each checker blames."""
    rows = []
    for dtype in (np.float64, np.float32):
        row = dict.fromkeys(["cases", *installed], 0)
        for case in sound:
            problem = Problem(case, dtype)
            if problem.moving and case.op.name != "astype":
                row["cases"] += 1
                for checker, passes in installed.items():
                    row[checker] += not outcome(passes, problem)
        line(f"false alarms, {np.dtype(dtype).name}", list(row.values()))
        rows.append(row)
    return rows


def compare_entry(installed: dict[str, Any], seeds: int = 20, size: int = 1600) -> int:
    """One entry of a gradient wrong by 1 %: who notices, and who says which?"""
    op = ops["sin"]
    found = dict.fromkeys(installed, 0)
    named = 0
    evaluations: list[tuple[int, int]] = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x, wrong = rng.normal(size=size), int(rng.integers(size))
        factor = np.where(np.arange(size) == wrong, 1.01, 1.0)
        with broken(op, 0, functools.partial(lambda factor, d, *rest: d * factor, factor)):
            problem = Problem(Case(op, lambda x: np.sum(np.sin(x)), (x,), "sum(sin(x))"))
            for checker, passes in installed.items():
                if checker != "clearprop":
                    np.random.seed(seed)  # noqa: NPY002 - the checkers draw from it
                    found[checker] += not outcome(passes, problem)
            report = taylor_check(lambda x: np.sum(np.sin(x)), x, raise_on_failure=False, seed=seed)
            found["clearprop"] += not report.ok
            named += report.entry is not None and report.entry.index == (wrong,)
            evaluations.append((report.evaluations, report.cornering))
    print(f"\none entry of {size} wrong by 1 %, {seeds} seeds")
    line("noticed", list(installed))
    line("", list(found.values()))
    noticing, cornering = np.median(evaluations, axis=0)
    print(f"  clearprop names the entry in {named} of {seeds}; of {noticing:.0f} evaluations (median),")
    print(f"  {cornering:.0f} corner the entry: 2 log2({size}) is {2 * np.log2(size):.0f}")
    return 0 if found["clearprop"] == named == seeds else 1


# Functions with a kink at every entry that is 0, and the op whose rule is falsified.
KINKED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sum(relu(x))": ("relu", lambda x: np.sum(ops["relu"](x))),
    "mean(|x|)": ("absolute", lambda x: np.mean(np.abs(x))),
    "sum(tanh(relu(x)))": ("relu", lambda x: np.sum(np.tanh(ops["relu"](x)))),
    "mean(relu(x)^2)": ("relu", lambda x: np.mean(ops["relu"](x) ** 2)),
    "sum(exp(-|x|))": ("absolute", lambda x: np.sum(np.exp(-np.abs(x)))),
}


def measure_sampled(seeds: int = 1000, size: int = 2500) -> int:
    """Of so many entries `gradcheck` looks at 2,000 one by one and at all along random directions: how often
    do the directions alone find one entry that is 3 times too large, beside one that sits on a kink?"""
    print(f"\none entry of {size} times 3, another on a kink: by random directions alone, {seeds} seeds")
    line("", ["found", "named", "alarms", "calls of f"])
    worst = seeds
    for label, (name, f) in KINKED.items():
        found = named = alarms = 0
        evaluations = []
        for seed in range(seeds):
            rng = np.random.default_rng([seed, size])
            x = rng.normal(size=size)
            wrong, kinked = rng.choice(size, 2, replace=False)
            x[wrong], x[kinked] = abs(x[wrong]), 0.0
            if seed % 10 == 0:
                alarms += taylor_check(f, x, raise_on_failure=False, seed=seed).verdict == "WRONG"
            factor = np.where(np.arange(size) == wrong, 3.0, 1.0)
            with broken(ops[name], 0, functools.partial(lambda factor, d, *rest: d * factor, factor)):
                report = taylor_check(f, x, raise_on_failure=False, seed=seed)
            found += report.verdict == "WRONG"
            named += report.entry is not None and report.entry.index == (wrong,)
            evaluations.append(report.evaluations)
        line(label, [found, named, f"{alarms}/{-(-seeds // 10)}", int(np.median(evaluations))])
        worst = min(worst, found if not alarms else 0)
    return 0 if worst >= 0.999 * seeds else 1


def main() -> int:
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--functions", action="store_true", help="faults in the gradients of whole functions")
    parser.add_argument("--entry", action="store_true", help="one entry of 1,600 wrong by 1 %% instead")
    parser.add_argument("--sampled", action="store_true", help="one entry of 2,500 wrong beside a kink")
    parser.add_argument("--op", action="append", help="only this op (may be repeated)")
    parser.add_argument("--without", action="append", default=[], help="leave this checker out (jax is slow)")
    args = parser.parse_args()
    if args.sampled:
        return measure_sampled()
    installed = {name: check for name, check in checkers().items() if name not in args.without}
    if args.entry:
        return compare_entry(installed)
    if args.functions:
        targets = functions()
        return compare_faults(targets, [case for *_, own in targets for case in own], installed)
    names = args.op or library()
    sound = [case for name in names for case in cases(ops[name])]
    return compare_faults(rules(names), sound, installed)


if __name__ == "__main__":
    raise SystemExit(main())
