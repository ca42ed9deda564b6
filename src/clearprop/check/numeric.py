"""Numerical derivatives: differences of values, extrapolated to step 0, each with an error of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.tensor import Tensor

FIRST_STEP = 2.0**-4  # times the size of the entry, or 1 where that is smaller
SMALL = 2.0**-6  # inputs all below this are also tried with steps in proportion
LEVELS = 12  # halvings that every entry may take
PATIENCE = 30  # halvings for an entry that has not converged by then: a kink or a pole may be near
FLOAT_EPS = float(np.finfo(np.float32).eps)
RESOLVED = 1e-7  # a slope whose error is above this share of it has not converged


class Probe:
    """`f` on float64 copies of its inputs, where one entry, or all along a direction, can be moved.

    Floating-point arrays, numbers and Tensors that require a gradient may move; integers, booleans and
    Tensors with `requires_grad=False` are passed on as they are. `evaluations` counts the calls.
    """

    def __init__(self, f: Callable[..., Any], inputs: tuple[Any, ...], *, lift: bool | None = None) -> None:
        self.f, self.inputs = f, inputs
        self.lift = any(isinstance(x, Tensor) for x in inputs) if lift is None else lift
        self.arrays = [wide(x) for x in inputs]
        self.moving = [j for j, x in enumerate(self.arrays) if x is not None]
        self.evaluations = 0
        self.shapes: list[tuple[int, ...]] = []
        self.eps = float(np.finfo(np.float64).eps)
        self.coarse = 0.0  # how coarsely the function was found to round inside
        self.terms: Any = 0.0  # how large the terms of each output seem to be, going by its rounding

    def __call__(self, arrays: dict[int, Any]) -> Any:
        """Return all outputs as one float64 vector, some inputs being replaced."""
        given = []
        for j, x in enumerate(self.inputs):
            array = arrays.get(j, self.arrays[j])
            if array is None:
                given.append(x)
            elif self.lift:
                given.append(Tensor(array, requires_grad=False))
            else:
                given.append(array[()])
        self.evaluations += 1
        with np.errstate(all="ignore"), no_grad():
            output = self.f(*given)
        values = [np.asarray(plain(z)) for z in listed(output)]
        self.shapes = [v.shape for v in values]
        floats = [v.dtype for v in values if v.dtype.kind == "f"]
        if floats:
            self.eps = max(self.coarse, *(float(np.finfo(d).eps) for d in floats))
        return np.concatenate([v.reshape(-1).astype(np.float64) for v in values])

    def start(self) -> Any:
        """Return the outputs where the inputs are, having found out how finely the function resolves them.

        A function may round to float32 inside and not show it: then it does not move at all where inputs move
        by a hundred-billionth, or its values at shifts of a ten-millionth scatter about a parabola.
        """
        at = self({})
        if self.eps < 1e-10:
            scatter = self._scatter(at, 1e-7)
            if self._still(at) or (scatter > 1e-9 and self._scatter(at, 1e-8) > scatter / 20):
                self.eps = self.coarse = 4 * max(scatter, FLOAT_EPS)
        self.terms = self._terms(at)
        return at

    def _terms(self, at: Any) -> Any:
        """Return how large numbers are that round as the outputs do when inputs change by a last bit.

        An entry of an inverse is no more exact than the whole matrix allows, however small it is itself. At a
        jump the last bit decides about more, which is no rounding: there is a limit.
        """
        with np.errstate(all="ignore"):
            off = [np.abs(self._shifted(k * self.eps) - at) for k in (-2.0, -1.0, 1.0, 2.0)]
            terms = np.max(off, axis=0) / self.eps
            most = 1e3 * np.max(np.abs(at[np.isfinite(at)]), initial=1.0)
        return np.minimum(np.where(np.isfinite(terms), terms, 0.0), most)

    def _still(self, at: Any) -> bool:
        """Whether nothing moves at a small shift though, going by a larger one, it should."""
        if not np.array_equal(self._shifted(1e-11), at):
            return False
        with np.errstate(all="ignore"):
            moves = np.abs(self._shifted(1e-5) - at) / np.abs(at)
        return bool(np.any(moves[np.isfinite(moves)] > 1e-9))

    def _shifted(self, size: float) -> Any:
        """Return the outputs with every input a little larger or smaller, always in the same directions."""
        rng = np.random.default_rng(0)
        signs = {j: rng.choice([-1.0, 1.0], self.arrays[j].shape) for j in self.moving}
        return self({j: self.arrays[j] * (1 + size * v) for j, v in signs.items()})

    def _scatter(self, at: Any, size: float) -> float:
        """Return how far four values nearby are off a parabola through `at`, relative to the values."""
        with np.errstate(all="ignore"):
            near, far = ((self._shifted(k * size) - self._shifted(-k * size)) / k for k in (1.0, 2.3))
            off = np.abs(far - near) / np.abs(at)
        return float(np.max(off[np.isfinite(off)], initial=0.0))

    def scale(self, j: int) -> float:
        """Return the typical size of input j's entries where it is small or large, else 1."""
        size = float(np.sqrt(np.mean(np.square(self.arrays[j])))) if self.arrays[j].size else 1.0
        return 1.0 if SMALL <= size <= 1.0 or not 0.0 < size < math.inf else size

    def entry(self, j: int, i: int) -> tuple[Callable[[float], tuple[Any, float]], tuple[float, ...]]:
        """Return the function of one entry's shift (which gives the outputs and the shift that rounding left
        of it), and the sizes of a first step: where all entries are small, also one in proportion."""
        base = self.arrays[j]
        start = float(base.flat[i])

        def shifted(t: float) -> tuple[Any, float]:
            moved = base.copy()
            moved.flat[i] = start + t
            return self({j: moved}), float(moved.flat[i]) - start

        near = max(abs(start), self.scale(j))
        steps = (max(near, 1.0), near) if near < SMALL else (max(near, 1.0) if near > abs(start) else near,)
        return shifted, tuple(FIRST_STEP * size for size in steps)

    def along(self, directions: dict[int, Any]) -> tuple[Callable[[float], tuple[Any, float]], float]:
        """Return the function of the distance gone along `directions` (by input, as long as the inputs are
        large), and a first step."""

        def shifted(t: float) -> tuple[Any, float]:
            return self({j: self.arrays[j] + t * v for j, v in directions.items()}), t

        return shifted, FIRST_STEP


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


def wide(x: Any) -> Any:
    """Return a float64 copy of a floating-point input, None for one that cannot move."""
    if isinstance(x, Tensor):
        return np.array(x._value, np.float64) if x.requires_grad else None
    if isinstance(x, (bool, int)):
        return None
    array = np.asarray(x)
    return np.array(array, np.float64) if array.dtype.kind == "f" else None


def plain(z: Any) -> Any:
    """Return the array behind a Tensor, or `z` itself."""
    return z._value if isinstance(z, Tensor) else z


def listed(output: Any) -> list[Any]:
    """Return the outputs of a function as a list, whether it returned one or several."""
    return list(output) if isinstance(output, (tuple, list)) else [output]


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
    shifted: Callable[[float], tuple[Any, float]],
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


def slopes(
    shifted: Callable[[float], tuple[Any, float]], step: float, eps: float, at: Any, size: Any = 0.0
) -> Slopes:
    """Return the derivatives at 0 of the vector function `shifted`, whose value there is `at`.

    Steps are halved until every entry has settled to rounding, at most `LEVELS` times, or `PATIENCE` where
    one has not converged. One evaluation on each side per step serves the central and both one-sided
    estimates. Rounding is that of the values, or of `size` where they are sums of larger terms.
    """
    central, left, right = _Table(4), _Table(2), _Table(2)
    with np.errstate(all="ignore"):
        for level in range(PATIENCE):
            ahead, forth = shifted(step)
            behind, back = shifted(-step)
            step /= 2
            if forth == 0.0 or back == 0.0:
                break
            noise = eps * np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), size) / (forth - back)
            central.add((ahead - behind) / (forth - back), 2 * noise)  # as far as extrapolation magnifies it
            right.add((ahead - at) / forth, 8 * noise)
            left.add((behind - at) / back, 8 * noise)
            settled = np.all(central.error <= np.maximum(8 * noise, 1e-14 * np.abs(central.value)))
            if level >= 3 and settled and _one_sided_agree(left, right):
                break
            if level >= LEVELS - 1 and np.all(_resolved(central)):
                break
        return _weighed(central, left, right)


def _resolved(table: _Table) -> Any:
    return table.error <= RESOLVED * np.maximum(np.abs(table.value), 1e-3)


def _gap(left: _Table, right: _Table) -> Any:
    """Where the one-sided derivatives differ by more than their errors can explain."""
    size = np.maximum(np.abs(left.value), np.abs(right.value))
    return np.abs(right.value - left.value) > 20 * (left.error + right.error) + 1e-6 * size


def _one_sided_agree(left: _Table, right: _Table) -> bool:
    return not np.any(_gap(left, right))


def _weighed(central: _Table, left: _Table, right: _Table) -> Slopes:
    """Choose, for each output, among the central estimate, both sides' mean, and the only side there is."""
    kink = _gap(left, right) & _roughly(left) & _roughly(right)
    mean, spread = (left.value + right.value) / 2, left.error + right.error
    better = ~kink & (spread < central.error)
    value, error = np.where(better, mean, central.value), np.where(better, spread, central.error)
    lonely = ~np.isfinite(central.error) & ~np.isfinite(spread)
    edge = lonely & (np.isfinite(left.error) | np.isfinite(right.error))
    side = np.isfinite(right.error)
    value = np.where(edge, np.where(side, right.value, left.value), value)
    error = np.where(edge, np.where(side, right.error, left.error), error)
    return Slopes(value, error, left.value, right.value, kink, edge)


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
    numerical gradients from 26 evaluations
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
        error = np.array([_sum(np.abs(weights), s.error) for s in measured])
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
    found = estimate(f, *inputs, cotangent=cotangent).grads
    return found[0] if len(found) == 1 else found
