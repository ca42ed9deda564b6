"""`gradcheck`: a function's gradients beside numerical ones, entry by entry, and what is probably wrong."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.check.cause import Evidence, likely_cause
from clearprop.check.kept import kept
from clearprop.check.numeric import Slopes, columns
from clearprop.check.plane import in_pairs
from clearprop.check.probe import RANDOM, Probe
from clearprop.check.pull import GradientOf, GradientProbe, gradients, random_weights, split
from clearprop.check.report import Entry, Report, untold
from clearprop.check.shaken import coarsen, rounding
from clearprop.check.single import compare_single
from clearprop.check.taylor import taylor_check
from clearprop.errors import GradientError
from clearprop.hints import refuse_texts
from clearprop.see.algebra.labels import must_be_a_function
from clearprop.tensor import raw

TOLERANCE = 1e-9  # relative, on top of ten times the numerical error; a 0.1 % fault is a million times larger
WHOLE_JACOBIAN = 1_000_000  # entries up to which all are kept, to say what went wrong
UNDERFLOW = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)  # products of smaller numbers are 0
MOST = 2000  # entries of one input that are checked one by one; of more, a sample, and all along directions
ROWS = 64  # outputs up to which each is checked on its own; beyond, weighed sums of all


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    raise_on_failure: bool = True,
    seed: int = 0,
    name: str = "",
) -> Report:
    """Compare the gradients of `f` at `inputs` with differences of its values; return the report.

    Every floating-point input is checked, entry by entry, in float64 (whatever its dtype), for each output
    where there are few and for random weighings of them all. Float32 inputs are then run in float32 too: the
    gradients must have the right dtype and be as near as rounding allows. `order=2` checks the gradient of
    the gradient as well. A complex number is checked as the pair of its parts, the last index telling which.
    Entries on a kink are listed apart. Raises GradientError with the report where
    something is wrong, unless `raise_on_failure=False`.

    >>> import numpy as np
    >>> gradcheck(lambda x: np.sum(np.tanh(x)), np.array([0.5, -1.0]))
    gradcheck of <lambda>: right. 2 compared, 0 skipped; ... evaluations, largest relative error ...
    """
    refuse_texts("gradcheck", raise_on_failure=raise_on_failure)
    must_be_a_function("gradcheck", f)
    name = name or getattr(f, "__name__", type(f).__name__)
    report = Report(name)
    f, inputs = in_pairs(f, inputs)
    with kept(f):
        _compare(report, f, inputs, seed)
        if report.ok:
            compare_single(report, f, inputs, np.random.default_rng(seed))
        for _ in range(order - 1):
            if report.ok:
                f = GradientOf(f, inputs, np.random.default_rng(seed + 1))
                report.order += 1
                _compare(report, f, inputs, seed)
    if not report.ok and raise_on_failure:
        raise GradientError(repr(report))
    return report


def _compare(report: Report, f: Callable[..., Any], inputs: Any, seed: int) -> None:
    """Compare rules and differences in float64 and write what differs into `report`."""
    probe = GradientProbe(f) if isinstance(f, GradientOf) else Probe(f, inputs, lift=True)
    at = probe.start()
    told = np.isfinite(at) & ~probe.murky
    sound = probe.steady(at)
    said = (*probe.fixed, *untold(probe, at)) if sound else (RANDOM,)
    report.reasons += [reason for reason in said if reason not in report.reasons]
    if not sound or not told.any():
        report.compared = 0
        report.checked += sum(probe.arrays[j].size for j in probe.moving)
        report.evaluations += probe.evaluations
        return
    _Comparison(report, probe, gradients(f, probe.arrays, inputs), at, told, seed).run()
    if not probe.steady(at):
        report.refuse(RANDOM)
    report.evaluations += probe.evaluations
    if probe.left and report.unresolved:
        report.reasons.append(f"Outside of f's domain: {probe.left}")
    if report.sampled and not report.problems and not report.wrong:
        _compare_together(report, f, inputs, seed)


class _Comparison:
    """The gradients by every input of a function beside what is measured of it."""

    def __init__(self, report: Report, probe: Probe, pull: Any, at: Any, told: Any, seed: int) -> None:
        self.report = report
        self.probe = probe
        self.at = at
        self.seed = seed
        self.weights, self.pulled = _weighings(probe, pull, told, np.random.default_rng(seed))
        self.beyond = _reached(probe, pull, ~told)
        self.together = True
        self.measured: dict[int, Measured] = {}  # by input

    def run(self) -> None:
        """Compare several entries at once where they can be told apart; each alone before anything but right
        is said of one, and anew, knowing what rounding does, before one is wrong."""
        report, probe = self.report, self.probe
        before = deepcopy(vars(report))
        self._compare()
        if probe.together and _doubts(report) != _doubts(Report(**before)):
            self.together = False
            self.measured.clear()
            vars(report).update(deepcopy(before))
            self._compare()
        if report.wrong:
            shaken = rounding(probe, probe.f, self.weights, np.random.default_rng(self.seed))
            if shaken is not None:
                if coarsen(probe, self.at, shaken):
                    self.measured.clear()
                vars(report).update(before)
                self._compare(shaken.gradients)

    def _compare(self, blurs: Any = None) -> None:
        """Write into the report what differs, `blurs` being how far rounding moves the gradients."""
        for k, j in enumerate(self.probe.moving):
            x = self.probe.arrays[j]
            pulled = [p[j] for p in self.pulled]
            rows = [np.zeros_like(x) if g is None else np.asarray(raw(g)) for g in pulled]
            shape = next((g.shape for g in rows if g.shape != x.shape), None)
            if shape is None:
                self._compare_input(j, rows, None if blurs is None else blurs[k])
            else:
                cause = likely_cause(Evidence(np.empty(shape), None, x)) or "a sum or a transpose is missing"
                said = f"the gradient has shape {shape}, the input {x.shape}; {cause}."
                self.report.problems.append(f"input {j}: {said}")

    def _compare_input(self, j: int, rows: list[Any], blur: Any) -> None:
        x = self.probe.arrays[j]
        chosen = np.arange(x.size)
        if x.size > MOST:
            chosen = np.sort(np.random.default_rng(self.seed).choice(x.size, MOST, replace=False))
            self.report.sampled += x.size - MOST
        if j not in self.measured:
            of = Measured(self.probe, j, self.at, self.weights, chosen, together=self.together)
            if j in self.beyond:
                of.lost |= self.beyond[j].reshape(-1)[chosen]
            self.measured[j] = of
        analytic = np.array([g.reshape(-1)[chosen] for g in rows], np.float64)
        off = 0.0 if blur is None else blur.reshape(len(rows), -1)[:, chosen]
        judge(self.report, self.measured[j], analytic, self.probe.eps, off)


def _doubts(report: Report) -> tuple[int, int, int]:
    """Return how many entries are wrong, on a kink, or unresolved."""
    return len(report.wrong), len(report.kinks), len(report.unresolved)


def _compare_together(report: Report, f: Callable[..., Any], inputs: Any, seed: int) -> None:
    """Hold all entries at once against differences along random directions: what a sample left out."""
    along = taylor_check(f, *inputs, raise_on_failure=False, seed=seed)
    report.evaluations += along.evaluations
    report.together = f"along {along.compared} random directions"
    if along.skipped:
        report.together += f" that leave {along.skipped} entries out"
    if along.verdict == "WRONG":
        report.wrong += [along.entry] if along.entry else []
        report.problems.append(f"along random directions: {along.summary}.")


def _weighings(probe: Probe, pull: Any, told: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return weighings of the outputs that can tell something (each alone where they are few, two random ones
    of all), and the gradients by every input that the rules give of each."""
    rows = np.eye(told.size)[told] if told.size <= ROWS else np.empty((0, told.size))
    drawn = np.concatenate([w.reshape(-1) for w in random_weights(probe.shapes, rng)]) * told
    weights = np.array([*rows, -1.3 * drawn, drawn])  # a rule is linear in what arrives: both signs are tried
    return weights, [pull(split(row, probe.shapes)) for row in weights]


def _reached(probe: Probe, pull: Any, untold: Any) -> dict[int, Any]:
    """Return, by input, which entries the outputs that can tell nothing depend on, going by the rules."""
    if not untold.any():
        return {}
    pulled = pull(split(untold * 1.2345, probe.shapes))
    return {j: np.asarray(raw(pulled[j])) != 0 for j in probe.moving if pulled[j] is not None}


class Measured:
    """One input's numerical derivatives of every weighing of the outputs: a row per weighing, a column per
    entry; `low` and `high` are what the one-sided derivatives span at a kink."""

    j: int
    x: Any
    chosen: Any
    weights: Any
    shapes: list[tuple[int, ...]]
    outputs: Any
    murky: Any
    value: NDArray[Any]
    error: NDArray[Any]
    total: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    lost: NDArray[Any]
    kink: NDArray[Any]

    def __init__(
        self, probe: Probe, j: int, at: Any, weights: Any, chosen: Any, *, together: bool = False
    ) -> None:
        self.j, self.x, self.chosen, self.weights, self.shapes = (
            j,
            probe.arrays[j],
            chosen,
            weights,
            probe.shapes,
        )
        self.outputs, self.murky = at.size, probe.murky
        with np.errstate(all="ignore"):
            large = np.where(np.isfinite(at), np.maximum(np.abs(at), probe.terms), 0.0)
        self.typical: Any = (np.abs(weights) @ large)[:, None] / probe.scale(j)
        shape = (len(weights), chosen.size)
        self.value, self.error, self.total = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.low, self.high = np.zeros(shape), np.zeros(shape)
        self.lost, self.kink = np.zeros(shape, bool), np.zeros(shape, bool)
        whole = at.size * chosen.size <= WHOLE_JACOBIAN
        self.jacobian: NDArray[Any] | None = np.zeros((at.size, chosen.size)) if whole else None
        for k, found in enumerate(columns(probe, j, at, chosen.tolist(), together=together)):
            self._enter(k, found)

    def _enter(self, k: int, found: Slopes) -> None:
        known = np.isfinite(found.error) & np.isfinite(found.value) & ~self.murky
        value, error = np.where(known, found.value, 0.0), np.where(known, found.error, 0.0)
        least = np.where(found.kink, np.minimum(found.left, found.right), value)
        most = np.where(found.kink, np.maximum(found.left, found.right), value)
        up, down = np.maximum(self.weights, 0.0), np.minimum(self.weights, 0.0)
        used = (self.weights != 0).astype(float)
        self.value[:, k], self.error[:, k] = self.weights @ value, np.abs(self.weights) @ error
        self.total[:, k] = np.abs(self.weights) @ np.abs(value)
        self.low[:, k], self.high[:, k] = up @ least + down @ most, up @ most + down @ least
        self.lost[:, k], self.kink[:, k] = used @ ~known > 0, used @ found.kink > 0
        if self.jacobian is not None:
            self.jacobian[:, k] = value


def judge(report: Report, m: Measured, analytic: Any, eps: float, blur: Any = 0.0) -> None:
    """Hold the gradients (a row per weighing) against what was measured, and sort them into the report.

    `blur` is how far rounding moves the gradients themselves.
    """
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(analytic), np.abs(m.value))
        blur = np.where(m.kink, 0.0, 4 * blur)  # at a kink it chooses a side
        allowed = 10 * m.error + TOLERANCE * np.abs(m.value) + 64 * eps * m.total + blur + UNDERFLOW
        vague = m.lost | (blur > 1e-4 * size) | ~((m.error <= 1e-4 * size) | _zero(m, analytic, eps))
        between = (analytic >= m.low - 1e-3 * size - allowed) & (analytic <= m.high + 1e-3 * size + allowed)
        right = np.where(m.kink, between, np.abs(analytic - m.value) <= allowed)
        wrong = ~right & ~m.lost
        share = np.where(size > 1e-12, np.abs(analytic - m.value) / np.where(size == 0, 1, size), 0.0)
    skipped = m.kink | vague
    telling = ~skipped & (size > allowed)
    compared = wrong.any(axis=0) | telling.any(axis=0) | ~skipped.any(axis=0)
    report.checked += m.chosen.size
    report.compared += int(np.sum(compared))
    report.worst = max(report.worst, float(np.max(share[~skipped], initial=0.0)))
    for k in range(m.chosen.size):
        row = _row(wrong[:, k], m.kink[:, k], vague[:, k])
        if row is not None and (wrong[row, k] or not compared[k]):
            entry = _entry(m, k, row, float(analytic[row, k]))
            place = report.wrong if wrong[row, k] else report.kinks if m.kink[row, k] else report.unresolved
            place.append(entry)
    if np.any(wrong):
        row = len(analytic) - 1 if wrong[-1].any() else int(np.argmax(wrong.any(axis=1)))
        cause = likely_cause(_evidence(m, row, np.where(m.kink[row], m.value[row], analytic[row])))
        if cause:
            report.causes.append(f"Input {m.j}: {cause}.")


def _zero(m: Measured, analytic: Any, eps: float) -> Any:
    """Where the gradient says 0, but for rounding, and the differences could see anything worth the name."""
    largest = np.max(np.abs(m.value), axis=1, initial=0.0, keepdims=True)
    usual = np.maximum(largest, m.typical)
    rounding = np.maximum(64 * eps * m.total, 1e-14 * m.typical)
    claimed = np.abs(analytic) <= np.maximum(1e-3 * m.error, rounding)
    return claimed & (m.error <= 1e-7 * usual)


def _entry(m: Measured, k: int, row: int, analytic: float) -> Entry:
    where = tuple(int(i) for i in np.unravel_index(m.chosen[k], m.x.shape))
    alone = 1 < m.outputs <= ROWS and row < m.outputs
    output = f" of output {row}" if alone else ""
    return Entry(m.j, where, analytic, float(m.value[row, k]), float(m.error[row, k]), output)


def _evidence(m: Measured, row: int, found: Any) -> Evidence:
    shape = m.x.shape if m.chosen.size == m.x.size else m.chosen.shape
    contributions = None if m.jacobian is None else m.weights[row][:, None] * m.jacobian
    x = m.x.reshape(-1)[m.chosen].reshape(shape)
    return Evidence(
        found.reshape(shape),
        m.value[row].reshape(shape),
        x,
        contributions,
        m.shapes,
        m.weights[row],
        m.chosen.size < m.x.size,
    )


def _row(wrong: Any, kink: Any, vague: Any) -> int | None:
    """The first row (weighing) worth showing for an entry: a wrong one, else one that was skipped."""
    for marks in (wrong, kink, vague):
        if marks.any():
            return int(np.argmax(marks))
    return None
