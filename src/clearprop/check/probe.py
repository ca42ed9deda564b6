"""The function under check, called wherever its numerical derivatives need it, and what it does besides."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import GradientError, first_line, lesson
from clearprop.modes import no_grad
from clearprop.ops.random import get_rng_state
from clearprop.tensor import Tensor, raw

FIRST_STEP = 2.0**-4  # times the size of the entry, or 1 where that is smaller
SMALL = 2.0**-6  # inputs all below this are also tried with steps in proportion
TINY = 2.0**-20  # so is an entry that is smaller than the others by this factor
FLOAT_EPS = float(np.finfo(np.float32).eps)
COARSEST = 1e-4  # what scatters more is no rounding to float32: the function bends
SPACINGS = (2.0**-44, 2.0**-22)  # at which rounding is looked for: the wider where nothing moves at the first
POINTS = np.arange(-5.0, 7.0)
INEXACT = 2.0**-30  # of a step along a direction: how much of it rounding may take or add
MURKY = 2.0**30  # times eps, or
MURKIEST = 1e-3  # of the largest output: values that round more coarsely tell nothing about a derivative
REPEATED = 2.0**20  # times eps of the largest output: how far apart threads that add in another order may be
RANDOM = (
    "f gives different values for the same inputs, so there is nothing to compare: "
    "seed its randomness (clearprop.manual_seed(0) inside f), or switch it off (model.eval())."
)


class Probe:
    """`f` on float64 copies of its inputs, where one entry, or all along a direction, can be moved.

    Floating-point arrays, numbers and Tensors that require a gradient may move; where there is none of them,
    integers are lifted to float64 as `grad` lifts them. All else is passed on as it is and listed in `fixed`.
    `evaluations` counts the calls, `left` keeps what f said where a step left its domain.
    """

    f: Callable[..., Any]
    inputs: tuple[Any, ...]
    fixed: list[str]

    def __init__(self, f: Callable[..., Any], inputs: tuple[Any, ...], *, lift: bool | None = None) -> None:
        self.f, self.inputs = f, inputs
        self.lift: bool = any(isinstance(x, Tensor) for x in inputs) if lift is None else lift
        self.arrays: list[Any] = [wide(x) for x in inputs]
        if all(x is None for x in self.arrays):
            self.arrays = [wide(x, kinds="iu") for x in inputs]
        self.moving: list[int] = [j for j, x in enumerate(self.arrays) if x is not None]
        self.fixed = [
            f"input {j} ({kind_of_input(x)}) was held as it is"
            for j, x in enumerate(inputs)
            if self.arrays[j] is None
        ]
        self.evaluations: int = 0
        self.together: int = 0  # groups of entries that were moved at once
        self.left: str = ""
        self.shapes: list[tuple[int, ...]] = []
        self.eps: float = float(np.finfo(np.float64).eps)
        self.coarse: float = 0.0  # how coarsely the function was found to round inside
        self.terms: Any = 0.0  # how large the terms of each output seem to be, going by its rounding
        self.murky: Any = False  # outputs that are little but rounding

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
        values = [np.asarray(raw(z)) for z in listed(self.asked(given))]
        _must_be_real(values)
        self.shapes = [v.shape for v in values]
        floats = [_eps(v.dtype) for v in values if v.dtype.kind == "f"]
        if floats:
            self.eps = max(self.coarse, *floats)
        flat = [v.reshape(-1).astype(np.float64) for v in values]
        return flat[0] if len(flat) == 1 else np.concatenate([np.zeros(0), *flat])

    def asked(self, given: list[Any]) -> Any:
        """Return what the function gives."""
        with np.errstate(all="ignore"), no_grad():
            return self.f(*given)

    def attempt(self, arrays: dict[int, Any]) -> Any:
        """Return the outputs, or NaN for all where f refuses its inputs: a step has left its domain."""
        shapes = self.shapes
        try:
            values = self(arrays)
            if self.shapes == shapes:
                return values
            self.left = f"the shape of f's output changes from {shapes} to {self.shapes}"
        except (ValueError, ArithmeticError) as error:
            self.left = f"{type(error).__name__}: {first_line(error)}"
        self.shapes = shapes
        return np.full(sum(math.prod(s) for s in shapes), np.nan)

    def start(self) -> Any:
        """Return the outputs where the inputs are, having found out how finely the function resolves them.

        A function may round to float32 inside and not show it: then it does not move at all where inputs move
        by a hundred-billionth, or its values at shifts of a ten-millionth scatter about a parabola.
        """
        at = self({})
        if self.eps < 1e-10:
            scatter = self._scatter(at, 1e-7)
            grain = 1e-9 < scatter < COARSEST and self._scatter(at, 1e-8) > scatter / 20
            if grain or self._still(at):
                self.eps = self.coarse = 4 * max(min(scatter, COARSEST), FLOAT_EPS)
        noise = self._rounding(at)
        self.terms = 6 * noise / self.eps
        with np.errstate(all="ignore"):
            values = np.abs([at, *(self._shifted(t) for t in (-FIRST_STEP, FIRST_STEP)), *self._apart()])
            largest = np.max(values[np.isfinite(values)], initial=0.0)
        self.largest: float = float(largest)
        self.murky = self.is_murky(noise)
        return at

    def is_murky(self, noise: Any) -> Any:
        """Tell which outputs are little but rounding, going by the standard deviation of that."""
        return noise > min(MURKY * self.eps, MURKIEST) * self.largest

    def steady(self, at: Any) -> bool:
        """Whether the function gives the same, called twice more, and leaves random states as they were."""
        again = [(self({}), _random_states()) for _ in range(2)]
        if again[0][1] != again[1][1]:
            return False
        with np.errstate(all="ignore"):
            allowed = REPEATED * self.eps * np.max(np.abs(at[np.isfinite(at)]), initial=0.0)
            return all(
                z.shape == at.shape and bool(np.all((np.abs(z - at) <= allowed) | same(z, at)))
                for z, _ in again
            )

    def _rounding(self, at: Any) -> Any:
        """Return the standard deviation of each output's rounding errors.

        Third differences of values a hair's breadth apart are nothing but rounding. Their median does not see
        a kink or a jump at the point itself, which is in few of them. Where an output does not move over so
        little, it rounds more coarsely than it moves: there the points are taken further apart.
        Source: J. J. More, S. M. Wild, SIAM Journal on Scientific Computing 33 (2011), 1292-1314.
        """
        noise, waiting = np.zeros(at.shape), np.ones(at.shape, bool)
        for spacing in SPACINGS if self.moving and at.size else ():
            with np.errstate(all="ignore"):
                values = np.array([self._shifted(k * spacing) for k in POINTS])
                moves = np.mean(np.diff(values, axis=0) != 0, axis=0) >= 0.5
                found = np.median(np.abs(np.diff(values, 3, axis=0)), axis=0) / (0.6745 * math.sqrt(20.0))
            new = waiting & moves & np.isfinite(found)
            noise = np.where(new, found, noise)
            waiting &= ~new
            if not waiting.any():
                break
        return noise

    def _still(self, at: Any) -> bool:
        """Whether nothing moves at a small shift though, going by a larger one, it should."""
        if not np.array_equal(self._shifted(1e-11), at):
            return False
        with np.errstate(all="ignore"):
            moves = np.abs(self._shifted(1e-5) - at) / np.abs(at)
        return bool(np.any(moves[np.isfinite(moves)] > 1e-9))

    def _shifted(self, size: float) -> Any:
        """Return the outputs with every input a little larger or smaller, always in the same directions."""
        return self.attempt({j: self.arrays[j] + size * v for j, v in self._nearby.items()})

    @functools.cached_property
    def _nearby(self) -> dict[int, Any]:
        """The directions in which inputs are shifted: in proportion to the entries, with random signs."""
        rng = np.random.default_rng(0)
        found = {}
        for j in self.moving:
            x = self.arrays[j]
            sizes = np.where(x == 0, self.scale(j) * rng.uniform(0.5, 1.5, x.shape), x)
            found[j] = sizes * rng.choice([-1.0, 1.0], x.shape)
        return found

    def _apart(self) -> list[Any]:
        """Return the outputs with all inputs a first step up, and down, as the check of an entry moves it."""
        steps = {j: FIRST_STEP * max(self.scale(j), 1.0) for j in self.moving}
        return [self.attempt({j: self.arrays[j] + k * h for j, h in steps.items()}) for k in (-1.0, 1.0)]

    def _scatter(self, at: Any, size: float) -> float:
        """Return how far four values nearby are off a parabola through `at`, relative to the values."""
        with np.errstate(all="ignore"):
            near, far = ((self._shifted(k * size) - self._shifted(-k * size)) / k for k in (1.0, 2.3))
            off = np.abs(far - near) / np.abs(at)
        return float(np.max(off[np.isfinite(off)], initial=0.0))

    def scale(self, j: int) -> float:
        """Return the typical size of input j's entries where it is small or large, else 1."""
        with np.errstate(all="ignore"):
            size = float(np.sqrt(np.mean(np.square(self.arrays[j])))) if self.arrays[j].size else 1.0
        return 1.0 if SMALL <= size <= 1.0 or not 0.0 < size < math.inf else size

    def entry(self, j: int, i: int) -> tuple[Callable[[float], tuple[Any, float]], tuple[float, ...]]:
        """Return the function of one entry's shift (which gives the outputs and the shift that rounding left
        of it), and the sizes of a first step: where entries are small, also one in proportion."""
        base = self.arrays[j]
        start = float(base.flat[i])

        def shifted(t: float) -> tuple[Any, float]:
            moved = base.copy()
            moved.flat[i] = start + t
            return self.attempt({j: moved}), float(moved.flat[i]) - start

        near = max(abs(start), self.scale(j)) if math.isfinite(start) else 1.0
        steps = (max(near, 1.0), near) if near < SMALL else (max(near, 1.0) if near > abs(start) else near,)
        if 0.0 < abs(start) < TINY * near:
            steps = (*steps, abs(start))
        return shifted, tuple(FIRST_STEP * size for size in steps)

    def along(self, directions: dict[int, Any]) -> tuple[Callable[[float], tuple[Any, float]], float]:
        """Return the function of the distance gone along `directions` (by input, as long as the inputs are
        large), and a first step. Where rounding moves an entry by much else than it should, nothing is gone.
        """

        def shifted(t: float) -> tuple[Any, float]:
            moved = {j: self.arrays[j] + t * v for j, v in directions.items()}
            steps = {j: t * v for j, v in directions.items()}
            off = {j: np.abs(moved[j] - self.arrays[j] - h) for j, h in steps.items()}
            lost = any(np.any(off[j] > INEXACT * np.abs(h)) for j, h in steps.items())
            return self.attempt(moved), 0.0 if lost else t

        return shifted, FIRST_STEP


@functools.cache
def _eps(dtype: Any) -> float:
    return float(np.finfo(dtype).eps)


def wide(x: Any, kinds: str = "f") -> Any:
    """Return a float64 copy of an input whose dtype is of these kinds, None for one that cannot move."""
    if isinstance(x, Tensor):
        return np.array(x._value, np.float64) if x.requires_grad else None
    if isinstance(x, bool) or (isinstance(x, int) and kinds == "f"):
        return None
    array = np.asarray(x)
    return np.array(array, np.float64) if array.dtype.kind in kinds else None


def kind_of_input(x: Any) -> str:
    """Return what an input is, in a word or two."""
    if isinstance(x, Tensor):
        return "a Tensor that needs no gradient"
    dtype = getattr(x, "dtype", None)
    return str(dtype) if dtype is not None else type(x).__name__


def listed(output: Any) -> list[Any]:
    """Return the outputs of a function as a list, whether it returned one or several."""
    return list(output) if isinstance(output, (tuple, list)) else [output]


def _must_be_real(values: list[Any]) -> None:
    for v in values:
        if v.dtype.kind not in "fiub":
            raise GradientError(
                lesson(
                    "a check of gradients",
                    "wants a function that returns real numbers",
                    f"it returned {v.dtype}",
                    hint="np.real(...) and np.imag(...), or leaving out what is no number",
                )
            )


def same(a: Any, b: Any) -> Any:
    """Where two arrays hold the same number, NaN being the same as NaN."""
    return np.equal(a, b) | (np.isnan(a) & np.isnan(b))


def _random_states() -> tuple[bytes, bytes]:
    """Return this library's random state and NumPy's, to see whether a call has drawn from them."""
    _, keys, place, *_ = np.random.get_state()  # noqa: NPY002 - what a user's function may draw from
    return get_rng_state().tobytes(), np.asarray(keys).tobytes() + bytes(str(place), "ascii")
