"""Numerical derivatives: differences of values, extrapolated to step 0, each with an error of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from clearprop.check.moves import Moves, Shifted, Together
from clearprop.check.probe import Probe, listed
from clearprop.errors import lesson
from clearprop.see.algebra.labels import must_be_a_function
from clearprop.tensor import raw

LEAST = 3  # halvings before an entry may count as settled
LEVELS = 12  # halvings that every entry may take
PATIENCE = 30  # halvings for an entry that has not converged by then: a kink or a pole may be near
RESOLVED = 1e-7  # a slope whose error is above this share of it has not converged
RETREATS = 15  # times that a first step which leaves the domain is cut to an eighth
CLOSE = (2.0**-20, 2.0**-31, 2.0**-42)  # of the first step: where what was found is looked at once more
WIDE = 0.1  # of the larger one-sided slope: a kink, though a function rounds too coarsely to know both well
AT_ONCE = 4096  # slopes that are worked on together
_Estimates: TypeAlias = tuple[Any, Any]
"""Slopes as a table has them, and their errors."""


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

    def of(self, moves: Any) -> Slopes:
        """Return the slopes of one of several moves, or of some of them."""
        return Slopes(*(numbers[moves] for numbers in vars(self).values()))


MAGNIFIED = np.array([2, 8, 8])[:, None, None]  # how far extrapolation magnifies what rounding does


class _Tables:
    """Difference quotients at halved steps, extrapolated to step 0 by Neville's scheme, number by number.

    Every number in the scheme is an estimate; the one that moved least against its two neighbours is kept,
    and that movement, plus the rounding of the function's values over the step, is its error. Three schemes
    run side by side, on the first axis: central differences and those to the left and to the right. `base` is
    4 where the quotient's error has even powers of the step only (central), 2 where it has all (one-sided).
    Source: C. J. F. Ridders, Advances in Engineering Software 4 (1982), 75-76.
    """

    base = np.array([4, 2, 2])[:, None, None]

    def __init__(self) -> None:
        self.row: list[Any] = []
        self.value: Any = None
        self.error: Any = None

    def add(self, quotient: Any, noise: Any) -> None:
        """Enter the quotients at the next smaller step; `noise` is what rounding makes of them."""
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

    def keep(self, going: Any) -> None:
        """Go on with these moves alone."""
        self.row = [quotient[:, going] for quotient in self.row]
        if self.value is not None:
            self.value = self.value[:, going]
            self.error = self.error[:, going]


def measure(
    shifted: Shifted,
    steps: tuple[float, ...],
    eps: float,
    at: Any,
    size: Any = 0.0,
) -> Slopes:
    """Return the slopes found from the first of `steps`, or from the last where that tells another story:
    what a function does over a small distance may be invisible from afar."""
    return _measure_each(Moves([shifted]), [steps], eps, at, size).of(0)


def _measure_each(moves: Moves, steps: Sequence[tuple[float, ...]], eps: float, at: Any, size: Any) -> Slopes:
    """Return what `measure` does of several moves, each with its steps: a row of slopes for each."""
    found = _slopes_of_each(moves, [sizes[0] for sizes in steps], eps, at, size)
    for k in range(1, max(map(len, steps))):
        among = [i for i, sizes in enumerate(steps) if len(sizes) > k]
        close = _slopes_of_each(moves.among(among), [steps[i][k] for i in among], eps, at, size)
        before = found.of(among)
        with np.errstate(all="ignore"):
            apart = ~(np.abs(close.value - before.value) <= 10 * (close.error + before.error))
            chosen = (apart & np.isfinite(close.error)) | ~(before.error <= close.error) | close.kink
        for name, numbers in vars(found).items():
            numbers[among] = np.where(chosen, getattr(close, name), getattr(before, name))
    return found


def slopes(shifted: Shifted, step: float, eps: float, at: Any, size: Any = 0.0) -> Slopes:
    """Return the derivatives at 0 of the vector function `shifted`, whose value there is `at`.

    Steps that leave the domain are cut first. They are then halved until every output has settled to
    rounding, at most `LEVELS` times, or `PATIENCE` where one has not converged. One evaluation on each side
    per step serves the central and both one-sided estimates. Rounding is that of the values, or of `size`
    where they are sums of larger terms. What was found is held against differences nearer to the point: what
    a function does there may be hidden from afar, and is then looked for with smaller steps. An estimate that
    is refuted to the end has no error: it is infinite.
    """
    return _slopes_of_each(Moves([shifted]), [step], eps, at, size).of(0)


def _slopes_of_each(moves: Moves, steps: Sequence[float], eps: float, at: Any, size: Any) -> Slopes:
    """Return the slopes along several moves, a row for each: the function is asked once for each step, the
    numbers of all moves are then worked on together."""
    with np.errstate(all="ignore"):
        run = _Halving(moves, np.array(steps, np.float64), eps, at, size)
        for level in range(PATIENCE):
            if not run.going.size:
                break
            run.halve(level)
        run.leave(np.ones(run.going.size, bool))
        refuted = run.refuted(slice(None), run.value[0], run.error[0])
        errors = np.where(refuted, np.inf, run.error)
        central, left, right = zip(run.value, errors, strict=True)
        return _weighed(central, left, right, _straight(left, right, run.near))


class _Halving:
    """Moves whose steps are halved, each until it has settled: what is known of all, and who is `going`."""

    def __init__(self, moves: Moves, steps: Any, eps: float, at: Any, size: Any) -> None:
        self.moves = moves
        self.eps = eps
        self.at = at
        self.size = size
        self.steps, self.pair = _inside(moves, steps, at)
        moves.learn(at, self.steps, self.pair)
        self.near = [_CloseUp(moves, share * steps, eps, at, size) for share in CLOSE]
        self.going: Any = np.arange(steps.size)
        self.tables = _Tables()
        self.value = np.full((3, steps.size, at.size), np.nan)  # of a move that could not go one step
        self.error = np.full_like(self.value, np.inf)

    def halve(self, level: int) -> None:
        """Enter the differences at the present step, and leave those who have settled."""
        if level:
            self.pair = self.moves.both(self.going, self.steps[self.going])
        self.steps[self.going] /= 2
        went = (self.pair[0][1] != 0.0) & (self.pair[1][1] != 0.0)
        if not went.all():
            went = went[:, 0]
            self.pair = tuple((values[went], gone[went]) for values, gone in self.pair)
            self.leave(~went)
        (ahead, forth), (behind, back) = self.pair
        gone = forth - back
        noise = _noise(ahead, behind, self.eps, self.size) / gone
        central = (ahead - behind) / gone
        left = (behind - self.at) / back
        right = (ahead - self.at) / forth
        self.tables.add(np.array([central, left, right]), MAGNIFIED * noise)
        if level >= LEAST:
            self._leave_settled(noise, level >= LEVELS - 1)

    def _leave_settled(self, noise: Any, patient: bool) -> None:
        """Leave those that have settled to rounding, or after many halvings are known well enough."""
        value = self.tables.value
        error = self.tables.error
        central, left, right = zip(value, error, strict=True)
        allowed = np.maximum(8 * noise, 1e-14 * np.abs(value[0]))
        settled = error[0] <= allowed
        apart = _gap(left, right)
        done = np.all(settled & ~apart, axis=-1)
        if patient:
            done |= np.all(_resolved(central), axis=-1)
        if done.any():
            refuted = done[:, None] & self.refuted(self.going, value[0], error[0])
            self.tables.error = np.where(refuted, np.inf, error)
            self.leave(done & ~refuted.any(axis=-1))

    def leave(self, done: Any) -> None:
        """Keep what is known of these moves, and go on with the others."""
        if self.tables.value is not None:
            self.value[:, self.going[done]] = self.tables.value[:, done]
            self.error[:, self.going[done]] = self.tables.error[:, done]
        self.tables.keep(~done)
        self.going = self.going[~done]

    def refuted(self, moves: Any, value: Any, error: Any) -> Any:
        """Where a difference at a smaller step than the last one refutes the central estimate."""
        found = np.zeros(value.shape, bool)
        for look in self.near:
            nearer = look.heard & (look.steps < self.steps)[:, None]
            found |= nearer[moves] & look.refutes(moves, value, error)
        return found


class _CloseUp:
    """The difference quotients at one small step of each move, and how much of them may be rounding.

    Where rounding lets the inputs go on one side only, the quotient is half of what it should be: it tells
    nothing then (`heard` is false).
    """

    def __init__(self, moves: Moves, steps: Any, eps: float, at: Any, size: Any) -> None:
        (ahead, forth), (behind, back) = moves.both(np.arange(steps.size), steps)
        gone = forth - back
        self.steps = steps
        self.heard = (forth != 0.0) & (back != 0.0)
        self.quotient = (ahead - behind) / gone
        self.bend = np.abs((ahead - at) / forth - (behind - at) / back)
        self.noise = _noise(ahead, behind, eps, size) / gone

    def refutes(self, moves: Any, value: Any, error: Any) -> Any:
        """Where what the tables say of these moves' slopes cannot be what is seen here."""
        off = np.abs(self.quotient[moves] - value)
        return off > 30 * self.noise[moves] + 10 * error + 1e-3 * np.abs(value)


def _noise(ahead: Any, behind: Any, eps: float, size: Any) -> Any:
    """Return what rounding makes of two values, or of the terms that they are sums of."""
    large = np.fmax(np.abs(ahead), np.abs(behind))  # of the one there is, at the edge of a domain
    return eps * np.maximum(large, size)


def _straight(left: _Estimates, right: _Estimates, near: list[_CloseUp]) -> Any:
    """Where nearer to the point the two sides differ by much less than the tables say."""
    bend = np.abs(right[0] - left[0])
    looks = [look.heard & (look.bend + 40 * look.noise < 0.5 * bend) for look in near]
    return np.any(looks, axis=0)


def _inside(moves: Moves, steps: Any, at: Any) -> tuple[Any, Any]:
    """Return first steps that stay inside the domain on both sides, and what is found there; a step as it is
    at the domain's edge, where there is none inside."""
    known = np.isfinite(at)
    sizes = steps.copy()
    waiting = np.arange(steps.size)
    pair = None
    for _ in range(RETREATS):
        tried = moves.alone(waiting, sizes[waiting]), moves.alone(waiting, -sizes[waiting])
        finite = [np.isfinite(values[:, known]).all(axis=-1) for values, _ in tried]
        inside = np.all(finite, axis=0)
        if pair is None:
            pair = tried
        else:
            for (values, gone), (new, went) in zip(pair, tried, strict=True):
                values[waiting[inside]] = new[inside]
                gone[waiting[inside]] = went[inside]
        waiting = waiting[~inside]
        if not waiting.size:
            return sizes, pair
        sizes[waiting] /= 8
    sizes[waiting] = steps[waiting]
    return sizes, pair


def _resolved(of: _Estimates) -> Any:
    value, error = of
    return error <= RESOLVED * np.maximum(np.abs(value), 1e-3)


def _gap(left: _Estimates, right: _Estimates) -> Any:
    """Where the one-sided derivatives differ by more than their errors can explain."""
    size = np.maximum(np.abs(left[0]), np.abs(right[0]))
    return np.abs(right[0] - left[0]) > 20 * (left[1] + right[1]) + 1e-6 * size


def _weighed(central: _Estimates, left: _Estimates, right: _Estimates, straight: Any) -> Slopes:
    """Choose, for each output, among the central estimate, both sides' mean, and the only side there is."""
    apart = _gap(left, right)
    larger = np.maximum(np.abs(left[0]), np.abs(right[0]))
    bend = np.abs(right[0] - left[0])
    far = bend > WIDE * larger
    known = far | (_roughly(left) & _roughly(right))
    kink = apart & known & ~straight & ~_beyond(central, left, right)
    mean, spread = (left[0] + right[0]) / 2, left[1] + right[1]
    better = ~apart & (spread < central[1])
    value = np.where(better, mean, central[0])
    error = np.where(better, spread, central[1])
    lonely = ~np.isfinite(central[1]) & ~np.isfinite(spread)
    side = np.isfinite(right[1])
    only = np.where(side, right[0], left[0]), np.where(side, right[1], left[1])
    edge = lonely & np.isfinite(only[1]) & _roughly(only)  # sqrt's at 0, which grows without end, is none
    value = np.where(edge, only[0], value)
    error = np.where(edge, only[1], error)
    return Slopes(value, error, left[0], right[0], kink, edge)


def _beyond(central: _Estimates, left: _Estimates, right: _Estimates) -> Any:
    """Where the central estimate, at a kink the mean of both sides, is far from what lies between them: these
    were taken from afar, past a bend of the function."""
    middle = (left[0] + right[0]) / 2
    width = np.abs(right[0] - left[0])
    off = np.abs(central[0] - middle)
    rounding = central[1] + left[1] + right[1]
    limit = 2 * width + 10 * rounding
    return off > limit


def _roughly(of: _Estimates) -> Any:
    value, error = of
    return error <= 1e-3 * np.maximum(np.abs(value), 1e-3)


def columns(
    probe: Probe, j: int, at: Any, chosen: Iterable[int] | None = None, *, together: bool = False
) -> Iterator[Slopes]:
    """Yield, for each entry of input j (or those chosen), the slopes of every output: the Jacobian's
    columns. Entries may be moved `together` where no output seems to depend on two of them."""
    entries = list(range(probe.arrays[j].size) if chosen is None else chosen)
    most = max(1, AT_ONCE // max(1, at.size))
    for first in range(0, len(entries), most):
        some = entries[first : first + most]
        each, steps = zip(*(probe.entry(j, i) for i in some), strict=True)
        moves = Together(probe, j, some, each) if together and at.size > 1 else Moves(each)
        found = _measure_each(moves, steps, probe.eps, at, probe.terms)
        yield from map(found.of, range(len(some)))


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
    weights = [np.asarray(raw(c), np.float64) for c in listed(cotangent)]
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
