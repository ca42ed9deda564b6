"""Find the polynomials of the elementary functions: `python benchmarks/minimax.py` prints their coefficients.

Each function is reduced to a short interval; there a polynomial is found whose largest weighted error is as
small as can be (Remez's exchange, in 60 digits), rounded to the precision it is used in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 60
Real = Any
TINY = mp.mpf(10) ** -8  # nearer to 0 the functions below are 0 / 0


def minimax(
    f: Callable[[Real], Real], weight: Callable[[Real], Real], low: Real, high: Real, degree: int
) -> list[Real]:
    """Return the coefficients (constant first) of the polynomial p that minimises max |weight * (f - p)|."""
    n = degree + 2
    floor = max(weight(low), weight(high)) / 100  # where an error does not matter it must still be bounded
    points = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / n) for i in range(n)]
    points = [x if abs(x) > TINY else TINY for x in points]
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * i / 1200)) / 2 for i in range(1201)]
    values = [(x, f(x), weight(x) + floor) for x in grid if abs(x) > TINY]
    solution: Any = None
    for _ in range(12):
        rows = mp.matrix(
            [
                [x**j for j in range(degree + 1)] + [(-1) ** i / (weight(x) + floor)]
                for i, x in enumerate(points)
            ]
        )
        solution = mp.lu_solve(rows, mp.matrix([f(x) for x in points]))
        errors = [
            (x, w * (y - mp.polyval([solution[j] for j in range(degree, -1, -1)], x))) for x, y, w in values
        ]
        points = _extremes(errors, n)
    return [solution[j] for j in range(degree + 1)]


def _extremes(errors: list[tuple[Real, Real]], n: int) -> list[Real]:
    """Pick n alternating extremes of the error: the largest of each run of one sign."""
    runs: list[tuple[Real, Real]] = []
    for x, e in errors:
        if runs and (runs[-1][1] > 0) == (e > 0):
            if abs(e) > abs(runs[-1][1]):
                runs[-1] = (x, e)
        else:
            runs.append((x, e))
    while len(runs) > n:
        runs.pop(0 if abs(runs[0][1]) < abs(runs[-1][1]) else -1)
    if len(runs) < n:
        raise ArithmeticError(f"{len(runs)} of {n} extremes: the degree is too high for this grid")
    return [x for x, _ in runs]


def exponential(x: Real) -> Real:
    """(e^x - 1 - x) / x^2"""
    return (mp.expm1(x) - x) / x**2


def logarithm(x: Real) -> Real:
    """(log(1 + x) - x + x^2/2) / x^3"""
    return (mp.log1p(x) - x + x**2 / 2) / x**3


def ratio(z: Real) -> Real:
    """With s = sqrt(z): (log((1 + s) / (1 - s)) - 2 s) / s^3"""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def sine(z: Real) -> Real:
    """With x = sqrt(z): (sin x - x) / x^3"""
    x = mp.sqrt(z)
    return (mp.sin(x) - x) / x**3


def cosine(z: Real) -> Real:
    """With x = sqrt(z): (cos x - 1 + x^2/2) / x^4"""
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def error_function(z: Real) -> Real:
    """With x = sqrt(z): erf(x) / x - 1"""
    x = mp.sqrt(z)
    return mp.erf(x) / x - 1


def outside(u: Real) -> Real:
    """With t = 4 (1 + u) / (1 - u), so that u = (t - 4) / (t + 4): (t + 4) e^(t^2) erfc(t)"""
    t = 4 * (1 + u) / (1 - u)
    return (t + 4) * mp.exp(t**2) * mp.erfc(t)


def relative(f: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """The weight that makes an error relative."""
    return lambda x: abs(1 / f(x))


HALF, ROOT, QUARTER = mp.log(2) / 2, mp.sqrt(2), (mp.pi / 4) ** 2
FITS: dict[str, tuple[Any, ...]] = {
    "EXP": (exponential, abs, -HALF * 1.001, HALF * 1.001, {4: 4, 8: 9}),
    "LOG": (logarithm, lambda x: abs(x**3 / mp.log1p(x)), 1 / ROOT - 1, ROOT - 1, {4: 8}),
    "ATANH": (ratio, lambda z: abs(z), TINY, (ROOT - 1) ** 2 / (ROOT + 1) ** 2, {8: 6}),
    "SIN": (sine, lambda z: abs(z), TINY, QUARTER * 1.002, {4: 2, 8: 5}),
    "COS": (cosine, lambda z: z**2, TINY, QUARTER * 1.002, {4: 2, 8: 5}),
    "ERF": (error_function, lambda z: mp.mpf(1), TINY, mp.mpf("1.002"), {4: 6, 8: 11}),
    "ERFC": (outside, relative(outside), -1, {4: mp.mpf(6) / 14, 8: mp.mpf(24) / 32}, {4: 10, 8: 21}),
}
"""Function, weight, interval (its end by the size of the dtype where that matters), and degrees by size."""
IN_FLOAT64 = ("ERF", "ERFC")  # NumPy's functions work in float64 for float32 too


def main() -> None:
    """Print every table as `compiler/engines/llvm/language/mathematics.py` and `ops/normal.py` hold it."""
    for name, (f, weight, low, ends, degrees) in FITS.items():
        for size, degree in degrees.items():
            dtype = np.dtype("f8" if name in IN_FLOAT64 else f"f{size}")
            high = ends[size] if isinstance(ends, dict) else ends
            coefficients = minimax(f, weight, mp.mpf(low), mp.mpf(high), degree)
            text = ", ".join(repr(float(dtype.type(float(c)))) for c in coefficients)
            print(f"{name}[{size}] = ({text})")


if __name__ == "__main__":
    main()
