"""The normal distribution's functions: erf, erfc, ndtr and the bell curve, exact far out in their tails too.

Inside (|x| < 1) erf(x) = x + x p(x^2). Outside, with x > 0, erfc(x) = exp(-x^2) q(u) / (x + 4), where
u = (x - 4) / (x + 4) takes the half line to a short interval on which q is a polynomial [Shepherd and
Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < oo", Mathematics of Computation
36, 1981]. `benchmarks/minimax.py` finds the coefficients. A rounded x^2 would cost the tails hundreds of units
in the last place, so what the rounding loses is put back.

Largest errors in units in the last place, as `tests/ops/test_normal.py` measures them against 60 digits:

| function | float32 | float64 |
|----------|---------|---------|
| erf      | 0.6     | 1.3     |
| erfc     | 0.6     | 5.0     |
| ndtr     | 0.6     | 6.0     |
| gaussian | 0.6     | 1.2     |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.define import elementwise
from clearprop.op import Op
from clearprop.ufunc import Ufunc

# p and q by the bytes of the result's dtype.
ERF = {
    4: (
        *(0.12837916589796758, -0.376126270034415, 0.11283598402410853, -0.026854359175275337),
        *(0.0051893518555036705, -0.0008019043888787173, 7.882574457099644e-05),
    ),
    8: (
        *(0.12837916709551256, -0.37612638903183543, 0.1128379167094506, -0.0268661706432439),
        *(0.005223977607146818, -0.0008548325975939071, 0.00012055294895593577),
        *(-1.492473626451316e-05, 1.6447411360016011e-06, -1.6208342545726948e-07),
        *(1.3719294058209862e-08, -7.794179195042722e-10),
    ),
}
ERFC = {
    4: (
        *(1.0959956608743113, -0.9765487444808072, 0.7732087311033496, -0.5408529903473502),
        *(0.33085122157624713, -0.17402389964814943, 0.07637476857286431, -0.026294964837368883),
        *(0.006211039157069937, -0.0003974374089750598, -0.0007594549774030081),
    ),
    8: (
        *(1.095995661000491, -0.9765487290808825, 0.7732087022652407, -0.5408538313131819),
        *(0.33085158787779234, -0.17401093724166475, 0.07638151491415626, -0.026370053314007078),
        *(0.006112055603331639, -0.00028095909063859624, -0.0004550523712502629),
        *(0.00017681400301924495, -3.6362510977084903e-06, -1.886487356434737e-05),
        *(4.696513836447011e-06, 1.4328076271371546e-06, -8.480919730051073e-07),
        *(-8.707611774254817e-08, 1.239135570563199e-07, 9.594148908105211e-09),
        *(-1.3660162359985477e-08, -2.7008160613742196e-09),
    ),
}
SPLIT = 2.0**27 + 1  # takes a float64 apart into two halves of 26 bits
INSIDE, FAR, FARTHEST = 1.0, 28.0, 39.0  # where erf's formula changes; where erfc and ndtr are 0 to float64
ROOT_HALF = math.sqrt(0.5)
SLOPE, DENSITY = 2 / math.sqrt(math.pi), 1 / math.sqrt(2 * math.pi)  # of erf and of ndtr at 0


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """c0 + c1 x + c2 x^2 + ..., by Horner's rule."""
    z = x * coefficients[-1] + coefficients[-2]
    for c in reversed(coefficients[:-2]):
        if isinstance(z, np.ndarray):  # nobody else's: no new arrays
            z *= x
            z += c
        else:
            z = z * x + c
    return z


def _bell(x: Any, rate: float, size: int) -> Any:
    """exp(-rate x^2) for a rate of 1 or 1/2."""
    square = x * x
    z = np.exp(square * -rate)
    if size < 8:  # the square of a float32 is a float64
        return z
    c = x * SPLIT
    high = c - (c - x)
    low = x - high
    lost = (high * high - square) + 2 * high * low + low * low
    return z - z * (lost * rate)


def _inside(x: Any, square: Any, size: int) -> Any:
    """erf(x) for |x| up to 1."""
    return x + x * polynomial(square, ERF[8 if size >= 8 else 4])


def _scaled(x: Any, size: int) -> Any:
    """exp(x^2) erfc(x) for x >= 0."""
    d = x + 4
    return polynomial((x - 4) / d, ERFC[8 if size >= 8 else 4]) / d


def _within(x: Any, limit: float) -> Any:
    """x, or the limit that it lies beyond."""
    return np.minimum(np.maximum(x, -limit), limit)


def _erf(x: Any, size: int) -> Any:
    """erf(x) = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    x = _within(x, FAR)
    t = np.abs(x)
    far = 1 - _bell(t, 1.0, size) * _scaled(t, size)
    return np.where(t < INSIDE, _inside(x, t * t, size), np.where(x < 0, -far, far))


def _erfc(x: Any, size: int) -> Any:
    """1 - erf(x), exact where that would round to 0."""
    x = _within(x, FAR)
    t = np.abs(x)
    far = _bell(t, 1.0, size) * _scaled(t, size)
    if size < 8:  # what a float64 loses near 0 no float32 shows
        return np.where(x < 0, 2 - far, far)
    near = (x > -INSIDE) & (x < 0.5 * INSIDE)
    return np.where(near, 1 - _inside(x, t * t, size), np.where(x < 0, 2 - far, far))


def _ndtr(x: Any, size: int) -> Any:
    """The share of a standard normal distribution below x, erfc(-x / sqrt(2)) / 2."""
    x = _within(x, FARTHEST)
    s = x * ROOT_HALF
    t = np.abs(s)
    far = 0.5 * _bell(x, 0.5, size) * _scaled(t, size)
    if size < 8:
        return np.where(x < 0, far, 1 - far)
    near = 0.5 + 0.5 * _inside(s, t * t, size)
    return np.where(t < 0.5 * INSIDE, near, np.where(x < 0, far, 1 - far))


def _gaussian(x: Any, size: int) -> Any:
    """exp(-x^2 / 2), the bell curve."""
    return _bell(_within(x, FARTHEST), 0.5, size)


# fmt: off
gaussian: Op = elementwise("gaussian", Ufunc("gaussian", _gaussian), lambda z, x: -x * z,                      doc="exp(-x^2 / 2), exact far out too")
erf: Op          = elementwise("erf",      Ufunc("erf", _erf),   lambda z, x: SLOPE * np.square(gaussian(x)),    ufunc="erf",  doc="2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x")
erfc: Op         = elementwise("erfc",     Ufunc("erfc", _erfc), lambda z, x: -(SLOPE * np.square(gaussian(x))), ufunc="erfc", doc="1 - erf(x), exact where that would round to 0")
ndtr: Op         = elementwise("ndtr",     Ufunc("ndtr", _ndtr), lambda z, x: DENSITY * gaussian(x),             ufunc="ndtr", doc="the share of a standard normal distribution below x, exact in both tails")
# fmt: on
