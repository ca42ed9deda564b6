"""`gradcheck`: a function's gradients beside numerical ones, entry by entry, and what is probably wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.check.cause import Evidence, likely_cause
from clearprop.check.numeric import Probe, columns, listed, plain
from clearprop.errors import GradientError
from clearprop.graph import topological_order
from clearprop.modes import mode
from clearprop.tensor import Tensor

TOLERANCE = 1e-9  # relative, on top of ten times the numerical error; a 0.1 % fault is a million times larger
WHOLE_JACOBIAN = 1_000_000  # entries that are worth keeping to say what went wrong
ROWS = 64  # outputs up to which each is checked on its own; beyond, weighed sums of all


@dataclass
class Entry:
    """One entry of one input's gradient: what the rules gave and what the differences gave."""

    input: int
    index: tuple[int, ...]
    analytic: float
    numerical: float
    error: float
    output: str = ""

    @property
    def relative_error(self) -> float:
        """|analytic - numerical| over the larger of the two."""
        size = max(abs(self.analytic), abs(self.numerical))
        return abs(self.analytic - self.numerical) / size if size else 0.0

    @property
    def ratio(self) -> float:
        """analytic / numerical."""
        return self.analytic / self.numerical if self.numerical else float("inf")


@dataclass
class Report:
    """What `gradcheck` found; true where every gradient is right.

    `wrong` lists the entries that differ, `kinks` those that sit on a kink (skipped), `unresolved` those
    whose numerical derivative did not converge; `problems` says what else is wrong (a dtype, a shape).
    """

    name: str
    checked: int = 0
    evaluations: int = 0
    wrong: list[Entry] = field(default_factory=list)
    kinks: list[Entry] = field(default_factory=list)
    unresolved: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    worst: float = 0.0
    order: int = 1

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong and not self.problems

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        order = "" if self.order == 1 else f" (order {self.order})"
        right = self.checked - len(self.wrong)
        lines = [
            f"gradcheck of {self.name}{order}: {'right' if self.ok else 'WRONG'}. "
            f"{right} of {self.checked} entries agree, {self.evaluations} evaluations, "
            f"largest relative error {self.worst:.1e}."
        ]
        lines += [f"  {problem}" for problem in self.problems]
        lines += _table("wrong", self.wrong)
        lines += [f"  {cause}" for cause in self.causes]
        lines += _table("on a kink, skipped", self.kinks)
        lines += _table("numerical derivative did not converge, skipped", self.unresolved)
        return "\n".join(lines)


def _table(title: str, entries: list[Entry], most: int = 8) -> list[str]:
    if not entries:
        return []
    lines = [f"  {len(entries)} {title}:"]
    lines.append(f"    {'entry':<18} {'gradient':>24} {'numerical':>24} {'rel. error':>10} {'ratio':>12}")
    for e in entries[:most]:
        name = f"input {e.input}{list(e.index) if e.index else ''}{e.output}"
        both = f"{e.analytic:>24.16g} {e.numerical:>24.16g}"
        lines.append(f"    {name:<18} {both} {e.relative_error:>10.1e} {e.ratio:>12.6g}")
    if len(entries) > most:
        lines.append(f"    ... and {len(entries) - most} more")
    return lines


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
    the gradient as well. Entries on a kink are listed apart. Raises GradientError with the report where
    something is wrong, unless `raise_on_failure=False`.

    >>> import numpy as np
    >>> gradcheck(lambda x: np.sum(np.tanh(x)), np.array([0.5, -1.0]))
    gradcheck of <lambda>: right. 2 of 2 entries agree, ... evaluations, largest relative error ...
    """
    name = name or getattr(f, "__name__", type(f).__name__)
    report = Report(name)
    _compare(report, f, inputs, np.random.default_rng(seed))
    if report.ok:
        _single_precision(report, f, inputs, np.random.default_rng(seed))
    for _ in range(order - 1):
        if report.ok:
            f = _gradient_of(f, inputs, np.random.default_rng(seed + 1))
            report.order += 1
            _compare(report, f, inputs, np.random.default_rng(seed))
    if not report.ok and raise_on_failure:
        raise GradientError(repr(report))
    return report


def gradients(f: Callable[..., Any], arrays: Any, inputs: Any) -> Callable[[list[Any]], list[Any]]:
    """Run `f` on leaves that hold `arrays` (where None, on the input itself); return the function that turns
    weights, one array per output, into the gradient of the weighed sum by each input (None where none flows).
    """
    leaves = [Tensor(a) if a is not None else x for a, x in zip(arrays, inputs, strict=True)]
    return _pull(listed(f(*leaves)), leaves)


def _pull(outputs: list[Any], leaves: Any, create_graph: bool = False) -> Callable[[list[Any]], list[Any]]:
    tracked = [z for z in outputs if isinstance(z, Tensor) and z.requires_grad]
    order = sorted({t for z in tracked for t in topological_order(z, tracked=True)}, key=lambda t: t.serial)

    def pull(weights: list[Any]) -> list[Any]:
        arriving: dict[Tensor, Any] = {}
        for z, w in zip(outputs, weights, strict=True):
            if isinstance(z, Tensor) and z.requires_grad:
                g: Any = np.asarray(w, z.dtype)[()]
                if create_graph:
                    g = Tensor(g, requires_grad=False)
                arriving[z] = arriving[z] + g if z in arriving else g
        grads = propagate(order, arriving, create_graph=create_graph)
        return [grads.get(t) if isinstance(t, Tensor) else None for t in leaves]

    return pull


def random_weights(shapes: Any, rng: np.random.Generator) -> list[Any]:
    """Return weights of 0.5 to 1.5 with random signs: none vanishes and none equals 1."""
    return [rng.uniform(0.5, 1.5, s) * rng.choice([-1.0, 1.0], s) for s in shapes]


def _compare(report: Report, f: Callable[..., Any], inputs: Any, rng: np.random.Generator) -> None:
    """Compare rules and differences in float64 and write what differs into `report`."""
    probe = Probe(f, inputs, lift=True)
    at = probe({})
    shapes = probe.shapes
    pull = gradients(f, probe.arrays, inputs)
    rows = np.eye(at.size) if at.size <= ROWS else np.empty((0, at.size))
    cotangents = [_split(row, shapes) for row in rows]
    drawn = random_weights(shapes, rng)
    cotangents += [[-1.3 * w for w in drawn], drawn]  # a rule is linear in what arrives: both signs are tried
    weights = np.array([np.concatenate([w.reshape(-1) for w in c]) for c in cotangents])
    pulled = [pull(c) for c in cotangents]
    for j in probe.moving:
        _compare_input(report, probe, j, at, weights, [p[j] for p in pulled])
    report.evaluations += probe.evaluations


def _split(row: Any, shapes: Any) -> list[Any]:
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    return [part.reshape(s) for part, s in zip(np.split(row, ends), shapes, strict=True)]


def _compare_input(report: Report, probe: Probe, j: int, at: Any, weights: Any, pulled: list[Any]) -> None:
    x = probe.arrays[j]
    rows = [np.zeros_like(x) if g is None else np.asarray(plain(g)) for g in pulled]
    for g in rows:
        if g.shape != x.shape:
            report.problems.append(
                f"input {j}: the gradient has shape {g.shape}, the input {x.shape}; "
                f"{likely_cause(Evidence(g, None, x)) or 'a sum or a transpose is missing'}."
            )
            return
    analytic = np.array([g.reshape(-1) for g in rows], np.float64)
    found = list(columns(probe, j, at))
    values = np.array([s.value for s in found]).T.reshape(at.size, x.size)
    errors = np.array([s.error for s in found]).T.reshape(at.size, x.size)
    kinks = np.array([s.kink for s in found]).T.reshape(at.size, x.size)
    judge(report, probe, j, weights, analytic, values, errors, kinks)


def judge(
    report: Report, probe: Probe, j: int, weights: Any, analytic: Any, values: Any, errors: Any, kinks: Any
) -> None:
    """Hold the gradients (a row per weighing) against the Jacobian, and sort every entry into the report."""
    x, shape, at_size = probe.arrays[j], probe.arrays[j].shape, len(values) if len(values) <= ROWS else 0
    used = weights != 0
    with np.errstate(all="ignore"):
        numerical = weights @ np.where(np.isfinite(values), values, 0.0)
        error = np.abs(weights) @ np.where(np.isfinite(errors), errors, 0.0)
        lost = used.astype(float) @ (~np.isfinite(errors) | ~np.isfinite(values)).astype(float) > 0
        on_kink = used.astype(float) @ kinks.astype(float) > 0
        size = np.maximum(np.abs(analytic), np.abs(numerical))
        total = np.abs(weights) @ np.where(np.isfinite(values), np.abs(values), 0.0)
        allowed = 10 * error + TOLERANCE * np.abs(numerical) + 64 * probe.eps * total
        vague = lost | (error > 1e-4 * np.maximum(size, 1e-3))
        wrong = ~(np.abs(analytic - numerical) <= allowed) & ~on_kink & ~lost
        share = np.where(size > 1e-12, np.abs(analytic - numerical) / np.where(size == 0, 1, size), 0.0)
    report.checked += x.size
    judged = ~on_kink & ~vague
    report.worst = max(report.worst, float(np.max(share[judged], initial=0.0)))
    for i in range(x.size):
        row = _row(wrong[:, i], on_kink[:, i], vague[:, i])
        if row is None:
            continue
        where = tuple(int(k) for k in np.unravel_index(i, shape))
        output = f" of output {row}" if row < at_size and at_size > 1 else ""
        entry = Entry(
            j, where, float(analytic[row, i]), float(numerical[row, i]), float(error[row, i]), output
        )
        if wrong[row, i]:
            report.wrong.append(entry)
        elif on_kink[row, i]:
            report.kinks.append(entry)
        else:
            report.unresolved.append(entry)
    if np.any(wrong):
        row = len(weights) - 1 if wrong[-1].any() else int(np.argmax(wrong.any(axis=1)))
        contributions = weights[row][:, None] * values
        evidence = Evidence(
            analytic[row].reshape(shape),
            numerical[row].reshape(shape),
            x,
            contributions,
            probe.shapes,
            weights[row],
        )
        cause = likely_cause(evidence)
        if cause:
            report.causes.append(f"Input {j}: {cause}.")


def _row(wrong: Any, kink: Any, vague: Any) -> int | None:
    """The first row (weighing) worth showing for an entry: a wrong one, else one that was skipped."""
    for marks in (wrong, kink, vague):
        if marks.any():
            return int(np.argmax(marks))
    return None


def _single_precision(report: Report, f: Callable[..., Any], inputs: Any, rng: np.random.Generator) -> None:
    """Run float32 inputs as they are: right dtype, and as near the float64 gradient as rounding allows.

    How near that is, is found by nudging the inputs by their own rounding error and looking how far the
    float64 gradient moves.
    """
    small = [j for j, x in enumerate(inputs) if getattr(plain(x), "dtype", None) == np.float32]
    probe = Probe(f, inputs, lift=True)
    small = [j for j in small if j in probe.moving]
    if not small:
        return
    probe({})
    weights = random_weights(probe.shapes, rng)
    own = [plain(x) if a is not None else None for x, a in zip(inputs, probe.arrays, strict=True)]
    found = gradients(f, own, inputs)(weights)
    exact = gradients(f, probe.arrays, inputs)(weights)
    spread: list[Any] = [np.zeros_like(a) if a is not None else None for a in probe.arrays]
    eps = float(np.finfo(np.float32).eps)
    for _ in range(4):
        nudged = [
            None if a is None else a * (1 + eps * rng.choice([-1.0, 1.0], a.shape)) for a in probe.arrays
        ]
        for j, g in enumerate(gradients(f, nudged, inputs)(weights)):
            if g is not None and exact[j] is not None:
                spread[j] = np.maximum(spread[j], np.abs(g - exact[j]))
    for j in small:
        if found[j] is None or exact[j] is None:
            continue
        if found[j].dtype != np.float32:
            report.problems.append(f"input {j} is float32, its gradient is {found[j].dtype}.")
        with np.errstate(all="ignore"):
            scale = float(np.max(np.abs(exact[j][np.isfinite(exact[j])]), initial=0.0))
            away = np.abs(found[j] - exact[j])
            bad = away > 200 * (np.max(spread[j], initial=0.0) + eps * scale)
        if np.any(bad):
            report.problems.append(
                f"input {j}: in float32 the gradient is off by up to {float(np.max(away)):.3g} "
                f"of {scale:.3g}, far more than rounding explains."
            )


def _gradient_of(f: Callable[..., Any], inputs: Any, rng: np.random.Generator) -> Callable[..., Any]:
    """Return the function that gives all gradients of `f`, its outputs weighed at random, as Tensors."""
    probe = Probe(f, inputs, lift=True)
    probe({})
    weights = random_weights(probe.shapes, rng)

    def gradient(*given: Any) -> Any:
        arrays = [g._value if j in probe.moving else None for j, g in enumerate(given)]
        if mode.grad_enabled:
            pulled = _pull(listed(f(*given)), given, create_graph=True)(weights)
        else:
            pulled = _enabled(lambda: gradients(f, arrays, inputs)(weights))
        return [np.zeros_like(arrays[j]) if pulled[j] is None else pulled[j] for j in probe.moving]

    return gradient


def _enabled(run: Callable[[], Any]) -> Any:
    """Run with gradients on, inside a block that has switched them off."""
    before = mode.grad_enabled, mode.plain
    mode.grad_enabled, mode.plain = True, mode.observer is None
    try:
        return run()
    finally:
        mode.grad_enabled, mode.plain = before
