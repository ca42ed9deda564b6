"""Numerical derivatives: differences of values, extrapolated to step 0, each with an error of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from clearprop.check.probe import Probe, listed, plain
from clearprop.errors import lesson
from clearprop.see.algebra.labels import must_be_a_function

LEVELS = 12  # halvings that every entry may take
PATIENCE = 30  # halvings for an entry that has not converged by then: a kink or a pole may be near
RESOLVED = 1e-7  # a slope whose error is above this share of it has not converged
RETREATS = 15  # times that a first step which leaves the domain is cut to an eighth
CLOSE = (2.0**-20, 2.0**-31, 2.0**-42)  # of the first step: where what was found is looked at once more
Shifted: TypeAlias = Callable[[float], tuple[Any, float]]
"""All outputs as a function of how far an input is shifted, with the shift that rounding left of it."""


@dataclass
class Slopes:
    """The derivatives of every output by one number, as measured; all fields are vectors over the outputs.

    `left` and `right` are the one-sided derivatives; `kink` says where they exist and disagree, and `edge`
    where the function has values on one side only (the derivative is then that side's).
    """

    value: Any
    error: Any
    left: Any
    right: Any
    kink: Any
    edge: Any


class _Table:
    """A difference quotient at halved steps, extrapolated to step 0 by Neville's scheme, entry by entry.

    Every number in the scheme is an estimate; the one that moved least against its two neighbours is kept,
    and that movement, plus the rounding of the function's values over the step, is its error. `base` is 4
    where the quotient's error has even powers of the step only (central), 2 where it has all (one-sided).
    Source: C. J. F. Ridders, Advances in Engineering Software 4 (1982), 75-76.
    """

    def __init__(self, base: int) -> None:
        self.base = base
        self.row: list[Any] = []
        self.value: Any = None
        self.error: Any = None

    def add(self, quotient: Any, noise: Any) -> None:
        """Enter the quotient at the next smaller step; `noise` is what rounding makes of it."""
        if self.value is None:
            self.value, self.error = quotient, np.full_like(quotient, np.inf)
        row = [quotient]
        for k, old in enumerate(self.row, 1):
            new = row[-1] + (row[-1] - old) / (self.base**k - 1)
            moved = np.maximum(np.abs(new - row[-1]), np.abs(new - old)) + noise
            better = moved < self.error
            self.value = np.where(better, new, self.value)
            self.error = np.where(better, moved, self.error)
            row.append(new)
        self.row = row


def measure(
    shifted: Shifted,
    steps: tuple[float, ...],
    eps: float,
    at: Any,
    size: Any = 0.0,
) -> Slopes:
    """Return the slopes found from the first of `steps`, or from the last where that tells another story:
    what a function does over a small distance may be invisible from afar."""
    found = slopes(shifted, steps[0], eps, at, size)
    for step in steps[1:]:
        close = slopes(shifted, step, eps, at, size)
        with np.errstate(all="ignore"):
            apart = ~(np.abs(close.value - found.value) <= 10 * (close.error + found.error))
            chosen = (apart & np.isfinite(close.error)) | ~(found.error <= close.error) | close.kink
        for name in vars(found):
            setattr(found, name, np.where(chosen, getattr(close, name), getattr(found, name)))
    return found


def slopes(shifted: Shifted, step: float, eps: float, at: Any, size: Any = 0.0) -> Slopes:
    """Return the derivatives at 0 of the vector function `shifted`, whose value there is `at`.

    Steps that leave the domain are cut first. They are then halved until every entry has settled to rounding,
    at most `LEVELS` times, or `PATIENCE` where one has not converged. One evaluation on each side per step
    serves the central and both one-sided estimates. Rounding is that of the values, or of `size` where they
    are sums of larger terms. What was found is held against differences nearer to the point: what a function
    does there may be hidden from afar, and is then looked for with smaller steps. An estimate that is refuted
    to the end has no error: it is infinite.
    """
    central, left, right = _Table(4), _Table(2), _Table(2)
    with np.errstate(all="ignore"):
        near = [_CloseUp(shifted, share * step, eps, at, size) for share in CLOSE]
        step, pair = _inside(shifted, step, at)
        for level in range(PATIENCE):
            (ahead, forth), (behind, back) = pair if level == 0 else (shifted(step), shifted(-step))
            step /= 2
            if forth == 0.0 or back == 0.0:
                break
            noise = eps * np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), size) / (forth - back)
            central.add((ahead - behind) / (forth - back), 2 * noise)  # as far as extrapolation magnifies it
            right.add((ahead - at) / forth, 8 * noise)
            left.add((behind - at) / back, 8 * noise)
            settled = np.all(central.error <= np.maximum(8 * noise, 1e-14 * np.abs(central.value)))
            done = level >= 3 and settled and _one_sided_agree(left, right)
            if done or (level >= LEVELS - 1 and np.all(_resolved(central))):
                refuted = _refuted(central, near, step)
                if not np.any(refuted):
                    break
                for table in (central, left, right):
                    table.error = np.where(refuted, np.inf, table.error)
        if central.value is None:
            return _nothing(at)
        refuted = _refuted(central, near, step)
        for table in (central, left, right):
            table.error = np.where(refuted, np.inf, table.error)
        return _weighed(central, left, right, _straight(left, right, near))


class _CloseUp:
    """The difference quotient at one small step, and how much of it may be rounding.

    Where rounding lets the inputs go on one side only, the quotient is half of what it should be: it tells
    nothing then (`heard` is false).
    """

    def __init__(self, shifted: Shifted, step: float, eps: float, at: Any, size: Any) -> None:
        ahead, forth = shifted(step)
        behind, back = shifted(-step)
        self.step, gone, self.heard = step, forth - back, forth != 0.0 and back != 0.0
        self.quotient = (ahead - behind) / gone
        self.bend = np.abs((ahead - at) / forth - (behind - at) / back)
        self.noise = eps * np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), size) / gone

    def refutes(self, table: _Table) -> Any:
        """Where what the table says of the slope cannot be what is seen here."""
        off = np.abs(self.quotient - table.value)
        return off > 30 * self.noise + 10 * table.error + 1e-3 * np.abs(table.value)


def _straight(left: _Table, right: _Table, near: list[_CloseUp]) -> Any:
    """Where nearer to the point the two sides differ by much less than the tables say."""
    bend = np.abs(right.value - left.value)
    looks = [look.bend + 40 * look.noise < 0.5 * bend for look in near if look.heard]
    return np.any([np.zeros(np.shape(bend), bool), *looks], axis=0)


def _refuted(table: _Table, near: list[_CloseUp], step: float) -> Any:
    """Where a difference at a smaller step than the table's last one refutes it."""
    found = np.zeros(np.shape(table.value), bool)
    for look in near:
        if look.heard and look.step < step:
            found = found | look.refutes(table)
    return found


def _inside(shifted: Shifted, step: float, at: Any) -> tuple[float, Any]:
    """Return a first step that stays inside the domain on both sides, and what is found there; the step
    itself at the domain's edge, where there is none."""
    known, size = np.isfinite(at), step
    first = None
    for _ in range(RETREATS):
        pair = shifted(size), shifted(-size)
        first = first or pair
        if all(np.all(np.isfinite(values[known])) for values, _ in pair):
            return size, pair
        size /= 8
    return step, first


def _resolved(table: _Table) -> Any:
    return table.error <= RESOLVED * np.maximum(np.abs(table.value), 1e-3)


def _gap(left: _Table, right: _Table) -> Any:
    """Where the one-sided derivatives differ by more than their errors can explain."""
    size = np.maximum(np.abs(left.value), np.abs(right.value))
    return np.abs(right.value - left.value) > 20 * (left.error + right.error) + 1e-6 * size


def _one_sided_agree(left: _Table, right: _Table) -> bool:
    return not np.any(_gap(left, right))


def _weighed(central: _Table, left: _Table, right: _Table, straight: Any) -> Slopes:
    """Choose, for each output, among the central estimate, both sides' mean, and the only side there is."""
    apart = _gap(left, right)
    kink = apart & _roughly(left) & _roughly(right) & ~straight
    mean, spread = (left.value + right.value) / 2, left.error + right.error
    better = ~apart & (spread < central.error)
    value, error = np.where(better, mean, central.value), np.where(better, spread, central.error)
    lonely = ~np.isfinite(central.error) & ~np.isfinite(spread)
    edge = lonely & (np.isfinite(left.error) | np.isfinite(right.error))
    side = np.isfinite(right.error)
    value = np.where(edge, np.where(side, right.value, left.value), value)
    error = np.where(edge, np.where(side, right.error, left.error), error)
    return Slopes(value, error, left.value, right.value, kink, edge)


def _nothing(at: Any) -> Slopes:
    """Return slopes of which nothing is known: not one step could be gone."""
    unknown, never = np.full_like(at, np.nan), np.zeros(np.shape(at), bool)
    return Slopes(unknown, np.full_like(at, np.inf), unknown, unknown, never, never)


def _roughly(table: _Table) -> Any:
    return table.error <= 1e-3 * np.maximum(np.abs(table.value), 1e-3)


def columns(probe: Probe, j: int, at: Any, chosen: Iterable[int] | None = None) -> Iterator[Slopes]:
    """Yield, for each entry of input j (or those chosen), the slopes of every output: the Jacobian's
    columns."""
    for i in range(probe.arrays[j].size) if chosen is None else chosen:
        shifted, steps = probe.entry(j, i)
        yield measure(shifted, steps, probe.eps, at, probe.terms)


@dataclass
class Estimate:
    """Numerical gradients with what is known about them; one array per input that can move, else None.

    `grads` are the gradients, `errors` their own error estimates, `kinks` where the one-sided derivatives
    disagree, and `evaluations` the number of calls of the function.
    """

    grads: tuple[Any, ...]
    errors: tuple[Any, ...]
    kinks: tuple[Any, ...]
    evaluations: int

    def __repr__(self) -> str:
        lines = [f"numerical gradients from {self.evaluations} evaluations"]
        for j, (g, e, k) in enumerate(zip(self.grads, self.errors, self.kinks, strict=True)):
            if g is not None:
                size = float(np.max(np.abs(g), initial=0.0))
                worst = float(np.max(e, initial=0.0)) / size if size else 0.0
                note = f", {int(np.sum(k))} on a kink" if np.any(k) else ""
                head = f"  input {j}: shape {np.shape(g)}, largest {size:.6g}"
                lines.append(f"{head}, error {worst:.1e} of it{note}")
        return "\n".join(lines)


def estimate(f: Callable[..., Any], *inputs: Any, cotangent: Any = None) -> Estimate:
    """Return the numerical gradients of `f` at `inputs`, with their errors and the evaluations they took.

    `f` returns one number, or arrays with the `cotangent` that weighs their entries (an array, or one per
    output). Float32 inputs are differentiated in float64, where the function allows it.

    >>> import numpy as np
    >>> estimate(lambda x: np.sum(x**3), np.array([1.0, 2.0]))
    numerical gradients from 50 evaluations
      input 0: shape (2,), largest 12, error ... of it
    """
    probe = Probe(f, inputs)
    at = probe.start()
    weights = _weights(probe, at, cotangent)
    found: list[tuple[Any, Any, Any]] = []
    for j, x in enumerate(probe.arrays):
        if x is None:
            found.append((None, None, None))
            continue
        measured = list(columns(probe, j, at))
        value = np.array([_sum(weights, s.value) for s in measured])
        unseen = np.where(probe.murky, np.inf, 0.0)
        error = np.array([_sum(np.abs(weights), s.error + unseen) for s in measured])
        kink = np.array([np.any(s.kink) for s in measured], bool)
        found.append((value.reshape(x.shape)[()], error.reshape(x.shape)[()], kink.reshape(x.shape)[()]))
    grads, errors, kinks = zip(*found, strict=True) if found else ((), (), ())
    return Estimate(grads, errors, kinks, probe.evaluations)


def _sum(weights: Any, values: Any) -> float:
    return float(np.sum(np.where(weights == 0, 0.0, weights * values)))


def _weights(probe: Probe, at: Any, cotangent: Any) -> Any:
    if cotangent is None:
        if at.size != 1:
            raise ValueError(
                lesson(
                    "numerical_grad(f, ...)",
                    "wants f to return one number",
                    f"it returned shape {', '.join(map(str, probe.shapes))}",
                    hint="cotangent=np.ones(...) to weigh the entries, or jacobian_estimate(f, ...)",
                )
            )
        return np.ones(1)
    weights = [np.asarray(plain(c), np.float64) for c in listed(cotangent)]
    if [w.shape for w in weights] != probe.shapes:
        raise ValueError(
            lesson(
                "numerical_grad(f, ..., cotangent)",
                f"wants the shape of the output, {', '.join(map(str, probe.shapes))}",
                f"{', '.join(str(w.shape) for w in weights)}",
            )
        )
    return np.concatenate([w.reshape(-1) for w in weights])


def numerical_grad(f: Callable[..., Any], *inputs: Any, cotangent: Any = None) -> Any:
    """Return the gradient of `f` by each floating-point input, from differences of its values alone.

    df/dx_i = lim (f(x + h e_i) - f(x - h e_i)) / 2h, extrapolated to h = 0 from halved steps; about ten
    digits or more in float64. One array for one input, a tuple for several (None for integer inputs).
    `estimate` gives the errors and the number of evaluations too. Raises ValueError where `f` returns more
    than one number and no `cotangent`.

    >>> a, b, c = 7.0, 3.0, 2.0
    >>> [round(float(g), 9) for g in numerical_grad(lambda a, b, c: (a + b**3) * c, a, b, c)]
    [2.0, 54.0, 34.0]
    """
    must_be_a_function("numerical_grad", f)
    found = estimate(f, *inputs, cotangent=cotangent).grads
    return found[0] if len(found) == 1 else found
