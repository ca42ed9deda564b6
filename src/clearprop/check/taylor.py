"""The Taylor-slope test: is a gradient right along random directions, and if not, which entry is wrong?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.check.numeric import Probe, measure, plain, slopes
from clearprop.check.pull import gradients, random_weights
from clearprop.check.report import Entry
from clearprop.errors import GradientError

BISECTION_STEP = 2.0**-17  # about the cube root of float64's eps: truncation and rounding weigh the same
TOLERANCE = 1e-10  # of the largest directional derivative the gradient's size allows


@dataclass
class TaylorReport:
    """What the test found along each direction; true where every slope is right.

    `table` holds (h, |f(x + h v) - f(x) - h <g, v>|) of the worst direction, `slope` how that remainder falls
    at its small end: with the square of h (2 or more) where the gradient is right, with h (1) where not.
    """

    slope: float
    table: list[tuple[float, float]] = field(default_factory=list)
    mismatch: float = 0.0
    evaluations: int = 0
    entry: Entry | None = None
    entries: int = 0
    cornering: int = 0
    ok: bool = True

    def __bool__(self) -> bool:
        return self.ok

    @property
    def summary(self) -> str:
        """The outcome in a few words."""
        slope = "no remainder: linear" if math.isinf(self.slope) else f"slope {self.slope:.2f}"
        return f"{'right' if self.ok else 'WRONG'}, {slope}; {self.evaluations} evaluations"

    def __repr__(self) -> str:
        lines = [f"Taylor test over {self.entries} entries: {self.summary}."]
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


def taylor_check(
    f: Callable[..., Any],
    *inputs: Any,
    gradient: Any = None,
    directions: int = 2,
    locate: bool = True,
    raise_on_failure: bool = True,
    seed: int = 0,
) -> TaylorReport:
    """Test a gradient of any size along random directions, and name a wrong entry.

    f(x + h v) - f(x) - h <g, v> falls with h^2 where g is the gradient, with h where it is not. No step has
    to be chosen: h is halved down to where rounding begins. A fault is then cornered by bisection, about
    2 log2(n) evaluations for n entries. `gradient` is what to test (one array per floating-point input);
    left out, it is what the rules give. Raises GradientError unless `raise_on_failure=False`.

    >>> x = np.linspace(-1.0, 1.0, 1600)
    >>> g = np.cos(x)
    >>> g[1234] *= 1.01
    >>> found = taylor_check(lambda x: np.sum(np.sin(x)), x, gradient=g, raise_on_failure=False)
    >>> round(found.slope), found.entry.index
    (1, (1234,))
    """
    rng = np.random.default_rng(seed)
    probe = Probe(f, inputs, lift=True)
    scalar = probe.start().size == 1
    weights = random_weights(probe.shapes, rng) if not scalar else [np.ones(s) for s in probe.shapes]
    if gradient is None:
        pulled = gradients(f, probe.arrays, inputs)(weights)
        given = {j: pulled[j] for j in probe.moving}
    else:
        several = gradient if isinstance(gradient, (tuple, list)) else (gradient,)
        given = dict(zip(probe.moving, several, strict=True))
    search = Search(probe, given, np.concatenate([w.reshape(-1) for w in weights]), rng)
    worst: TaylorReport | None = None
    for _ in range(directions):
        v = search.signs()
        found = search.along(v)
        if (
            worst is None
            or (not found.ok and worst.ok)
            or (found.ok == worst.ok and found.slope < worst.slope)
        ):
            worst, direction = found, v
    assert worst is not None
    if not worst.ok and locate:
        before = search.probe.evaluations
        worst.entry = search.corner(direction)
        worst.cornering = search.probe.evaluations - before
    worst.evaluations, worst.entries = search.probe.evaluations, search.size
    if not worst.ok and raise_on_failure:
        raise GradientError(repr(worst))
    return worst


class Search:
    """Some inputs of a probe as one long vector, what is said to be their gradient (of the outputs weighed by
    `weights`), and the hunt for the entry where it is wrong."""

    def __init__(
        self, probe: Probe, gradient: dict[int, Any], weights: Any, rng: np.random.Generator
    ) -> None:
        self.probe, self.weights, self.rng, self.inputs = probe, weights, rng, list(gradient)
        self.at = probe({})
        parts = [
            np.zeros(probe.arrays[j].size) if g is None else np.asarray(plain(g), np.float64).reshape(-1)
            for j, g in gradient.items()
        ]
        self.gradient = np.concatenate(parts)
        self.ends = np.cumsum([p.size for p in parts])
        self.size = int(self.gradient.size)
        self.scales = np.concatenate(
            [np.full(p.size, probe.scale(j)) for j, p in zip(gradient, parts, strict=True)]
        )

    def signs(self) -> Any:
        """Return a direction of +1 and -1 at random (of tiny or huge inputs, in proportion): every entry
        counts as much as any other."""
        return self.scales * self.rng.choice([-1.0, 1.0], self.size)

    def split(self, v: Any) -> dict[int, Any]:
        """Return the direction by input."""
        parts = np.split(v, self.ends[:-1])
        return {j: p.reshape(self.probe.arrays[j].shape) for j, p in zip(self.inputs, parts, strict=True)}

    def along(self, v: Any) -> TaylorReport:
        """Measure the derivative along v and the remainders on the way."""
        shifted, step = self.probe.along(self.split(v))
        told = float(self.gradient @ v)
        table: list[tuple[float, float]] = []

        def noted(t: float) -> tuple[Any, float]:
            values, gone = shifted(t)
            if t > 0:
                rest = abs(float(self.weights @ (values - self.at)) - gone * told)
                table.append((gone, rest))
            return values, gone

        found = slopes(noted, step, self.probe.eps, self.at)
        measured = float(self.weights @ found.value)
        error = float(np.abs(self.weights) @ found.error)
        size = float(np.linalg.norm(self.gradient * v))
        allowed = 10 * error + TOLERANCE * max(size, abs(measured))
        floor = 50 * self.probe.eps * float(np.abs(self.weights) @ np.abs(self.at))
        off = abs(told - measured)
        ok = bool(off <= allowed) or bool(np.any(found.kink))
        if not ok:  # small steps show how the remainder falls once h^2 is out of the way
            self._deeper(noted, step, table, floor)
        return TaylorReport(_slope(table, floor), table, off, ok=ok)

    def _deeper(self, noted: Any, step: float, table: list[tuple[float, float]], floor: float) -> None:
        while len(table) > 1 and not 0.9 < _slope(table, floor) < 1.1 and table[-1][0] > 1e-12:
            noted(table[-1][0] / 2)

    def difference(self, v: Any) -> float:
        """Return by how much the gradient and a central difference disagree along v: two evaluations."""
        shifted, _ = self.probe.along(self.split(v))
        ahead, forth = shifted(BISECTION_STEP)
        behind, back = shifted(-BISECTION_STEP)
        return float(self.gradient @ v) - float(self.weights @ (ahead - behind)) / (forth - back)

    def corner(self, v: Any) -> Entry | None:
        """Halve the entries again and again, following the larger share of the disagreement, to one."""
        inside = np.arange(self.size)
        whole = self.difference(v)
        while inside.size > 1:
            half = inside[: inside.size // 2]
            masked = np.zeros(self.size)
            masked[half] = v[half]
            share = self.difference(masked)
            if abs(share) >= abs(whole - share):
                inside, whole = half, share
            else:
                inside, whole = inside[inside.size // 2 :], whole - share
        return self._entry(int(inside[0]))

    def _entry(self, k: int) -> Entry | None:
        place = int(np.searchsorted(self.ends, k, side="right"))
        j = self.inputs[place]
        i = k - (int(self.ends[place - 1]) if place else 0)
        shifted, steps = self.probe.entry(j, i)
        found = measure(shifted, steps, self.probe.eps, self.at)
        numerical, error = float(self.weights @ found.value), float(np.abs(self.weights) @ found.error)
        analytic = float(self.gradient[k])
        if abs(analytic - numerical) <= 10 * error + 1e-9 * abs(numerical):
            return None
        index = tuple(int(n) for n in np.unravel_index(i, self.probe.arrays[j].shape))
        return Entry(j, index, analytic, numerical, error)


def _slope(table: list[tuple[float, float]], floor: float) -> float:
    """Return how the remainder falls per halving, at the smallest steps that rounding does not reach."""
    heard = [(h, r) for h, r in table if r > floor]
    if len(heard) < 2:
        return math.inf
    (h, r), (k, s) = heard[-2:]
    return math.log2(r / s) / math.log2(h / k)
