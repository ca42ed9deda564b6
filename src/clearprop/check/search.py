"""Slopes of a whole gradient along directions, the kinks on the way, and the hunt for the entry at fault."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.check.numeric import Slopes, measure, slopes
from clearprop.check.probe import Probe
from clearprop.check.report import Entry
from clearprop.tensor import raw

if TYPE_CHECKING:
    pass

BISECTION_STEP = 2.0**-17  # about the cube root of float64's eps: truncation and rounding weigh the same
TOLERANCE = 1e-10  # of the largest directional derivative the gradient's size allows
SINGLE = 64  # entries on a kink, or without a finite gradient, that are looked at one by one
BITS = 2.0**12  # sizes of a direction's entries are told apart to one part in this
NOTHING = 1e-14  # of a function's terms: a derivative that is 0, but for rounding
BETWEEN = 1.25  # a remainder that falls faster is that of a right gradient (2), else of a wrong one (1)
GROUPS = 512  # groups of entries that are searched for kinks, four evaluations each
BEND_STEPS = (2.0**-14, 2.0**-18, 2.0**-22, 2.0**-26)  # second differences tell a kink from a curve


@dataclass
class Along:
    """What was found along one direction: whether it told something, and whether the gradient is wrong;
    `unnoticed` is by how much the two sides may differ without a word."""

    slope: float = math.inf
    table: list[tuple[float, float]] = field(default_factory=list)
    mismatch: float = 0.0
    compared: bool = False
    wrong: bool = False
    kink: bool = False
    unnoticed: float = math.inf


class Search:
    """Some inputs of a probe as one long vector, what is said to be their gradient (of the outputs weighed by
    `weights`), and the hunt for the entry where it is wrong. `noise` tells how far rounding moves it.

    `left_out` marks the entries that no direction moves: on a kink, or without a finite gradient. `blamed`
    lists those of them that are wrong all the same.
    """

    probe: Probe
    rng: np.random.Generator
    inputs: list[int]
    scales: NDArray[Any]

    def __init__(
        self, probe: Probe, gradient: dict[int, Any], weights: Any, rng: np.random.Generator
    ) -> None:
        self.probe, self.rng, self.inputs = probe, rng, list(gradient)
        self.noise: Callable[[], Any] = lambda: self.blur
        self.used: Any = weights != 0
        self.weights: Any = weights[self.used]
        self.at: Any = probe({})[self.used]
        self.terms: NDArray[Any] = np.broadcast_to(probe.terms, weights.shape)[self.used]
        parts = [
            np.zeros(probe.arrays[j].size) if g is None else np.asarray(raw(g), np.float64).reshape(-1)
            for j, g in gradient.items()
        ]
        self.gradient: NDArray[Any] = np.concatenate(parts)
        self.x: NDArray[Any] = np.concatenate([probe.arrays[j].reshape(-1) for j in gradient])
        self.ends: NDArray[Any] = np.cumsum([p.size for p in parts])
        self.size: int = int(self.gradient.size)
        self.scales = np.concatenate(
            [np.full(p.size, probe.scale(j)) for j, p in zip(gradient, parts, strict=True)]
        )
        self.blur: NDArray[Any] = np.zeros(self.size)  # how far rounding moves the gradient
        self.left_out: NDArray[Any] = np.zeros(self.size, bool)
        self.blamed: list[Entry] = []
        self.reasons: list[str] = []

    def minds(self, blur: Any) -> bool:
        """Tell whether as much rounding in the gradient's entries could be seen along a direction."""
        size = np.linalg.norm(self.gradient * self.scales)
        return bool(blur @ self.scales > TOLERANCE * size / 100)

    def direction(self, in_proportion: bool = False) -> Any:
        """Return a direction of random signs and of sizes between a half and one and a half: of the entries
        in proportion, or else of the typical entry, so that every entry counts as much as any other."""
        signs = self.rng.choice([-1.0, 1.0], self.size)
        sizes = np.where(self.x == 0, self.scales, np.abs(self.x)) if in_proportion else self.scales
        exact, power = np.frexp(sizes * self.rng.uniform(0.5, 1.5, self.size))
        v = np.ldexp(np.round(exact * BITS) / BITS, power)  # so that adding v times 2**-k rounds nothing
        return np.where(self.left_out, 0.0, signs * v)

    def split(self, v: Any) -> dict[int, Any]:
        """Return the direction by input."""
        parts = np.split(v, self.ends[:-1])
        return {j: p.reshape(self.probe.arrays[j].shape) for j, p in zip(self.inputs, parts, strict=True)}

    def leave_out_what_is_not_finite(self) -> None:
        """Leave out entries whose gradient is NaN or infinite; blame those whose derivative is neither."""
        bad = np.flatnonzero(~np.isfinite(self.gradient))
        for k in bad[:SINGLE].tolist():
            entry, found = self._measured(k)
            if entry.error <= 1e-4 * abs(entry.numerical) + 1e-9 and not np.any(found.kink[self.used]):
                self.blamed.append(entry)
        if bad.size:
            self.left_out[bad] = True
            self.gradient[bad] = 0.0
            self.reasons.append(f"{bad.size} entries whose gradient is not finite were left out.")

    def beside_kinks(self, v: Any) -> tuple[Along, Any]:
        """Measure along v without the entries that are on a kink; return what was found, and that
        direction."""
        for first in (True, False, False):
            v = np.where(self.left_out, 0.0, v)
            if not v.any():
                return Along(), v
            found = self.along(v)
            if not found.kink:
                return found, v
            self._leave_out_kinks(v, patient=first)
        found.compared = found.wrong = False
        return found, v

    def _leave_out_kinks(self, v: Any, patient: bool) -> None:
        """Find the entries on a kink by bisection. Where they are too many, those that hold the same number
        as one that was found go too, and if that is not enough, all that are in a group with one."""
        waiting, alone, groups = [np.flatnonzero(v)], [], 0
        while waiting and groups < GROUPS:
            group = waiting.pop()
            groups += 1
            if not self._bends(v, group):
                continue
            if group.size == 1:
                alone.append(int(group[0]))
            else:
                waiting += np.array_split(group, 2)
        for k in alone[: max(0, SINGLE - len(self.blamed))]:
            entry, found = self._measured(k)
            if self._outside(entry, found):
                self.blamed.append(entry)
        new = self.left_out.copy()
        new[alone] = True
        for group in waiting:
            new[group] |= np.isin(self.x[group], self.x[alone]) if patient and alone else True
        self.left_out |= new
        said = "Entries on a kink were left out of the directions."
        self.reasons += [said] if said not in self.reasons and new.any() else []

    def _bends(self, v: Any, group: Any) -> bool:
        """Whether f has a kink, at the very point, along the part of v that moves this group."""
        masked = np.zeros(self.size)
        masked[group] = v[group]
        shifted, _ = self.probe.along(self.split(masked))
        before: Any = None
        with np.errstate(all="ignore"):
            for h in BEND_STEPS:
                ahead, behind = (shifted(t)[0][self.used] for t in (h, -h))
                bend = np.abs(ahead + behind - 2 * self.at) / h
                size = np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), self.terms)
                heard = bend > 80 * self.probe.eps * size / h
                if before is not None:
                    if np.any(heard & (bend > 0.5 * before)):
                        return True
                    if not np.any(heard & (bend > before / 8)):  # a curve falls to a sixteenth
                        return False
                before = bend
        return False

    def _outside(self, entry: Entry, found: Slopes) -> bool:
        """Whether a gradient is outside of the slopes on both sides of a kink."""
        value, left, right = found.value[self.used], found.left[self.used], found.right[self.used]
        kink = found.kink[self.used]
        low = np.where(kink, np.minimum(left, right), value)
        high = np.where(kink, np.maximum(left, right), value)
        up, down = np.maximum(self.weights, 0.0), np.minimum(self.weights, 0.0)
        least, most = float(up @ low + down @ high), float(up @ high + down @ low)
        allowed = 1e-3 * max(abs(least), abs(most), abs(entry.analytic)) + 10 * entry.error
        return entry.analytic < least - allowed or entry.analytic > most + allowed

    def along(self, v: Any) -> Along:
        """Measure the derivative along v and the remainders on the way."""
        shifted, step = self.probe.along(self.split(v))
        told = float(self.gradient @ v)
        table: list[tuple[float, float]] = []

        def noted(t: float) -> tuple[Any, float]:
            values, gone = shifted(t)
            values = values[self.used]
            if gone > 0:
                rest = abs(float(self.weights @ (values - self.at)) - gone * told)
                table.append((gone, rest))
            return values, gone

        found = slopes(noted, step, self.probe.eps, self.at, self.terms)
        measured = float(self.weights @ found.value)
        error = float(np.abs(self.weights) @ found.error)
        size = max(float(np.linalg.norm(self.gradient * v)), abs(measured))
        large = self.size_of_terms()
        error += float(self.blur @ np.abs(v))
        allowed = 10 * error + TOLERANCE * size
        off = abs(told - measured)
        wrong = off > allowed and math.isfinite(error)
        vague = not (error <= 1e-4 * size or (error <= TOLERANCE * large and self._is_nothing(size, v)))
        floor = 50 * self.probe.eps * large
        kink = bool(np.any(found.kink)) or (wrong and self._bends(v, np.flatnonzero(v)))
        if wrong:  # small steps show how the remainder falls once h^2 is out of the way
            self._deeper(noted, table, floor)
        table = sorted(set(table), reverse=True)
        slope = _slope(table, floor)
        seen = [pair for pair in table if pair[1] > floor]
        if wrong and not kink and seen and slope > BETWEEN and self.corner(v) is None:
            # The remainder falls with h^2 and no entry is wrong: it is the extrapolation that errs.
            wrong, (h, rest) = False, seen[-1]
            off, vague = rest / h, rest / h > 1e-4 * size
        return Along(slope, table, off, wrong or not vague, wrong, kink, allowed)

    def _is_nothing(self, size: float, v: Any) -> bool:
        """Whether a gradient of this size along v is 0, or nothing but its own rounding."""
        if not 0.0 < size <= NOTHING * self.size_of_terms():
            return size == 0.0
        return bool(self.noise() @ np.abs(v) > size / 30)

    def size_of_terms(self) -> float:
        """Return how large the terms are that the weighed outputs are sums of."""
        return float(np.abs(self.weights) @ np.maximum(np.abs(self.at), self.terms))

    def _deeper(self, noted: Any, table: list[tuple[float, float]], floor: float) -> None:
        """Halve the smallest step whose remainder is more than rounding, until it falls with h or is not."""
        h = min((h for h, rest in table if rest > floor), default=0.0)
        while h > 1e-12 and not 0.9 < _slope(sorted(set(table), reverse=True), floor) < 1.1:
            h /= 2
            noted(h)
            if table[-1][1] <= floor:
                break

    def difference(self, v: Any, step: float = BISECTION_STEP) -> float:
        """Return by how much the gradient and a central difference disagree along v: two evaluations, or more
        where the step would leave f's domain."""
        shifted, _ = self.probe.along(self.split(v))
        for _ in range(4):
            ahead, behind = shifted(step)[0], shifted(-step)[0]
            measured = float(self.weights @ (ahead - behind)[self.used]) / (2 * step)
            if math.isfinite(measured):
                break
            step /= 256
        return float(self.gradient @ v) - measured

    def corner(self, v: Any) -> Entry | None:
        """Halve the entries again and again, following the larger share of the disagreement, to one."""
        inside = np.flatnonzero(v)
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
        return self._entry(int(inside[0])) if inside.size else None

    def _measured(self, k: int) -> tuple[Entry, Slopes]:
        """Return what is said of one entry's gradient beside what was measured, and the slopes for it."""
        place = int(np.searchsorted(self.ends, k, side="right"))
        j = self.inputs[place]
        i = k - (int(self.ends[place - 1]) if place else 0)
        shifted, steps = self.probe.entry(j, i)
        at, terms = np.zeros(self.used.shape), np.zeros(self.used.shape)
        at[self.used], terms[self.used] = self.at, self.terms
        found = measure(shifted, steps, self.probe.eps, at, terms)
        numerical = float(self.weights @ found.value[self.used])
        error = float(np.abs(self.weights) @ found.error[self.used]) + float(self.blur[k])
        index = tuple(int(n) for n in np.unravel_index(i, self.probe.arrays[j].shape))
        return Entry(j, index, float(self.gradient[k]), numerical, error), found

    def _entry(self, k: int) -> Entry | None:
        entry, found = self._measured(k)
        off = abs(entry.analytic - entry.numerical)
        wrong = off > 10 * entry.error + 1e-9 * abs(entry.numerical)
        if wrong and np.any(found.kink[self.used]):
            wrong = self._outside(entry, found)
        return entry if wrong else None


def _slope(table: list[tuple[float, float]], floor: float) -> float:
    """Return how the remainder falls per halving, at the smallest steps that rounding does not reach."""
    heard = [(h, r) for h, r in table if r > floor]
    if len(heard) < 2:
        return math.inf
    (h, r), (k, s) = heard[-2:]
    return math.log2(r / s) / math.log2(h / k)
