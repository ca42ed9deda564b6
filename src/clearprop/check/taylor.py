"""The Taylor-slope test: is a gradient right along random directions, and if not, which entry is wrong?"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.check.finer import finer
from clearprop.check.kept import kept
from clearprop.check.plane import in_pairs, paired
from clearprop.check.probe import RANDOM, Probe
from clearprop.check.pull import gradients, random_weights, split
from clearprop.check.report import Entry, Judged, untold
from clearprop.check.search import Along, Search
from clearprop.check.shaken import Rounding, coarsen, rounding
from clearprop.errors import GradientError, lesson
from clearprop.hints import refuse_texts
from clearprop.see.algebra.labels import must_be_a_function
from clearprop.see.readable import judged
from clearprop.tensor import raw


@dataclass
class TaylorReport(Judged):
    """What the test found along each direction; true where something was compared and every slope is right.

    `table` holds (h, |f(x + h v) - f(x) - h <g, v>|) of the worst direction, `slope` how that remainder falls
    at its small end: with the square of h (2 or more) where the gradient is right, with h (1) where not.
    `compared` of the `directions` told something; `skipped` entries, on a kink or where the gradient is not
    finite, were left out of them. `reasons` says why something could not be compared.

    >>> taylor_check(np.tanh, np.array([0.5, 1.0])).verdict
    'right'
    """

    slope: float = math.nan
    table: list[tuple[float, float]] = field(default_factory=list)
    mismatch: float = 0.0
    evaluations: int = 0
    entry: Entry | None = None
    entries: int = 0
    cornering: int = 0
    directions: int = 0
    compared: int = 0
    wrong: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)

    def _is_wrong(self) -> bool:
        return bool(self.wrong)

    @property
    def summary(self) -> str:
        """The outcome in a few words."""
        slope = "no remainder: linear" if math.isinf(self.slope) else f"slope {self.slope:.2f}"
        told = f", {slope}" if self.compared else ""
        left_out = f", {self.skipped} entries skipped" if self.skipped else ""
        along = f"{self.compared} of {self.directions} directions compared{left_out}"
        return f"{self.verdict}{told}; {along}, {self.evaluations} evaluations"

    def __repr__(self) -> str:
        lines = [f"Taylor test over {self.entries} entries: {self.summary}."]
        lines += [f"  {said}" for said in self.reasons]
        if self.table:
            lines.append(f"    {'h':>10} {'remainder':>12} {'slope':>6}")
        for k, (h, r) in enumerate(self.table):
            before = self.table[k - 1][1] if k else 0.0
            fall = f"{math.log2(before / r):>6.2f}" if k and before > 0 and r > 0 else ""
            lines.append(f"    {h:>10.2e} {r:>12.3e} {fall}".rstrip())
        if self.entry is not None:
            e = self.entry
            lines.append(
                f"  input {e.input}{list(e.index)} is wrong: gradient {e.analytic:.12g}, "
                f"numerical {e.numerical:.12g}, ratio {e.ratio:.6g}; "
                f"cornered in {self.cornering} evaluations."
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return judged(self.verdict, repr(self))


def taylor_check(
    f: Callable[..., Any],
    *inputs: Any,
    gradient: Any = None,
    directions: int = 4,
    locate: bool = True,
    raise_on_failure: bool = True,
    seed: int = 0,
) -> TaylorReport:
    """Test a gradient of any size along random directions, and name a wrong entry.

    f(x + h v) - f(x) - h <g, v> falls with h^2 where g is the gradient, with h where it is not. No step has
    to be chosen: h is halved down to where rounding begins. Every second direction is in proportion to the
    inputs. Their entries are random in size as well as in sign, so that faults which cancel along one of them
    (two entries swapped, say) do so with a probability of about the rounding error. Entries on a kink are
    left out and held against the slopes on its two sides. A fault is then cornered by bisection, about
    2 log2(n) evaluations for n entries. `gradient` is what to test (one array per floating-point input);
    left out, it is what the rules give. Raises GradientError where it is wrong or nothing could be compared,
    unless `raise_on_failure=False`; ValueError where a gradient is not of its input's shape.

    >>> x = np.linspace(-1.0, 1.0, 1600)
    >>> g = np.cos(x)
    >>> g[1234] *= 1.01
    >>> found = taylor_check(lambda x: np.sum(np.sin(x)), x, gradient=g, raise_on_failure=False)
    >>> round(found.slope), found.entry.index
    (1, (1234,))
    """
    refuse_texts("taylor_check", locate=locate, raise_on_failure=raise_on_failure)
    must_be_a_function("taylor_check", f)
    rng = np.random.default_rng(seed)
    f, inputs = in_pairs(f, inputs)
    if gradient is not None:
        gradient = paired(gradient)
    probe = Probe(f, inputs, lift=True)
    with kept(f):
        report = _tested(f, probe, gradient, directions, locate, rng)
    report.evaluations = probe.evaluations
    if not report.ok and raise_on_failure:
        raise GradientError(repr(report))
    return report


def _tested(
    f: Callable[..., Any],
    probe: Probe,
    gradient: Any,
    directions: int,
    locate: bool,
    rng: np.random.Generator,
) -> TaylorReport:
    report = TaylorReport(directions=directions)
    at = probe.start()
    report.entries = sum(probe.arrays[j].size for j in probe.moving)
    if not probe.steady(at):
        report.reasons.append(RANDOM)
        return report
    report.reasons += [*probe.fixed, *untold(probe, at)]
    weights = random_weights(probe.shapes, rng) if at.size != 1 else [np.ones(s) for s in probe.shapes]
    told = np.isfinite(at) & ~probe.murky
    if not report.entries or not told.any():
        return report
    weights = split(np.concatenate([w.reshape(-1) for w in weights]) * told, probe.shapes)
    given = _given(f, probe, gradient, weights)
    row = np.concatenate([w.reshape(-1) for w in weights])
    shaken = functools.cache(lambda: rounding(probe, f, [row], np.random.default_rng(0)))
    _searched(report, lambda: Search(probe, given, row, rng), at, shaken, gradient is None, locate)
    return report


def _searched(
    report: TaylorReport,
    fresh: Callable[[], Search],
    at: Any,
    shaken: Callable[[], Rounding | None],
    ours: bool,
    locate: bool,
) -> None:
    """Search, and once more where something was wrong that rounding may explain; `ours` is a gradient that
    the rules give."""
    search = fresh()
    before = deepcopy(report)
    state = search.rng.bit_generator.state

    def noise() -> Any:
        """How far rounding moves the gradient; what somebody gave is not moved."""
        found = shaken() if ours else None
        rows = [np.zeros(search.size)] if found is None else found.gradients
        return np.concatenate([g.reshape(-1) for g in rows])

    search.noise = noise
    _search(report, search, locate)
    found = shaken() if report.wrong else None
    if found is not None and (coarsen(search.probe, at, found) or search.minds(noise())):
        vars(report).update(vars(before))
        search = fresh()
        search.rng.bit_generator.state = state
        search.noise, search.blur = noise, noise()
        _search(report, search, locate)


def _search(report: TaylorReport, search: Search, locate: bool) -> None:
    """Try all directions, and write what was found into the report."""
    search.leave_out_what_is_not_finite()
    tried: list[tuple[Along, Any]] = []
    for k in range(report.directions):
        v = search.direction(in_proportion=k % 2 == 1)
        found, v = search.beside_kinks(v)
        tried.append((found, v))
    tried += finer(search, tried)
    report.directions = len(tried)
    _enter(report, search, tried, locate)


def _given(f: Callable[..., Any], probe: Probe, gradient: Any, weights: list[Any]) -> dict[int, Any]:
    """Return the gradient to test, by input: what the rules give where it is None."""
    if gradient is None:
        pulled = gradients(f, probe.arrays, probe.inputs)(weights)
        return {j: pulled[j] for j in probe.moving}
    several = gradient if isinstance(gradient, (tuple, list)) else (gradient,)
    wanted = [probe.arrays[j].shape for j in probe.moving]
    shapes = [np.shape(raw(g)) for g in several]
    if shapes != wanted:
        raise ValueError(
            lesson(
                "taylor_check(..., gradient)",
                f"wants one array per input that can move, of shapes {', '.join(map(str, wanted))}",
                ", ".join(map(str, shapes)),
                hint="gradient=(by_x, by_w) for f(x, w)",
            )
        )
    return dict(zip(probe.moving, several, strict=True))


def _enter(report: TaylorReport, search: Search, tried: list[tuple[Along, Any]], locate: bool) -> None:
    """Write what was found along the directions, and at the entries that were left out, into the report."""
    for found, _ in tried:
        report.compared += found.compared
        report.wrong += found.wrong
    report.skipped = int(np.sum(search.left_out))
    report.reasons += [said for said in search.reasons if said not in report.reasons]
    if len(tried) > report.compared:
        report.reasons.append("Along the other directions the differences did not converge.")
    if search.probe.left:
        report.reasons.append(f"Outside of f's domain: {search.probe.left}")
    worst, v = max(
        tried, key=lambda pair: (pair[0].wrong, pair[0].compared, -pair[0].slope), default=(None, None)
    )
    if worst is not None:
        report.slope, report.table, report.mismatch = worst.slope, worst.table, worst.mismatch
    before = search.probe.evaluations
    if worst is not None and worst.wrong and locate:
        report.entry = search.corner(v)
    elif search.blamed:
        report.entry = search.blamed[0]
    report.wrong += len(search.blamed)
    report.cornering = search.probe.evaluations - before
