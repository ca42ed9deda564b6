"""Logarithms of shares and densities that keep their digits where the shares themselves are 0 or 1.

Every share is 1 - exp(-s) or exp(-s) of a hazard s, 1 less another share, or one of the ops of
`clearprop.ops.tails`. Here are the first two, with formulas that are numbers where the obvious ones are not:
log(1 - exp(-s)) = log(s) + log((1 - exp(-s)) / s) for small s, log1p(-exp(-s)) for large ones
[M. Maechler, "Accurately computing log(1 - exp(-|a|))", 2012], and log(1 + y^2) = 2 log|y| + log1p(1 / y^2).
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from clearprop.registry import ops

_HALF = math.log(2.0)  # the hazard of one half
_ENDLESS = 700.0  # exp of more is no float


def seldom(name: str, *xs: Any, **attrs: Any) -> Any:
    """Return what an op gives whose chapter is read when one of its functions is called."""
    importlib.import_module("clearprop.ops.distributions")
    importlib.import_module("clearprop.ops.tails")
    return ops[name](*xs, **attrs)


def log_reached(log_hazard: Any) -> Any:
    """Return log(1 - exp(-s)) by log(s): the share that a hazard s has reached.

    >>> float(log_reached(np.float64(-1000.0))), float(log_reached(np.float64(4.0)))
    (-1000.0, -1.9423376049564073e-24)
    """
    early = log_hazard < math.log(_HALF)
    low = np.where(early, log_hazard, 0.0)
    small = np.exp(low)
    late = np.exp(np.where(early, 0.0, np.minimum(log_hazard, _ENDLESS)))
    return np.where(early, low + np.log(ops["exprel"](-small)), np.log1p(-np.exp(-late)))


def log_of_either(below: Any, above: Any) -> Any:
    """Return the logarithm of the share below, by what is above where that is the smaller one.

    >>> float(log_of_either(np.float64(1.0), np.float64(1e-30)))
    -1e-30
    """
    most = below > 0.5
    return np.where(most, np.log1p(-np.where(most, above, 0.5)), np.log(np.where(most, 0.5, below)))


def log_one_plus_square(y: Any) -> Any:
    """Return log(1 + y^2), also where y^2 is no float.

    >>> float(log_one_plus_square(np.float64(1e200)).round(6))
    921.034037
    """
    far = np.abs(y) > 1.0
    near, distant = np.where(far, 0.0, y), np.where(far, y, 1.0)
    return np.where(
        far, 2.0 * np.log(np.abs(distant)) + np.log1p(1.0 / distant / distant), np.log1p(near * near)
    )


def log_narrow(middle: Any, half: Any) -> Any:
    """Return the logarithm of the bell curve's integral over middle - half to middle + half, over its middle.

    >>> float(log_narrow(np.float64(0.0), np.float64(1e-20)).round(6))  # of 2e-20
    -45.358555
    """
    mean: Any = 0.0  # of the curve over its middle, by ten points of Gauss and Legendre on both sides
    for place, weight in zip(*np.polynomial.legendre.leggauss(10), strict=True):
        if place > 0:
            s = half * float(place)
            mean = mean + 2.0 * float(weight) * np.cosh(middle * s) * np.exp(-0.5 * s * s)
    return np.log(half) + np.log(mean)


def ratio_shares(y: Any, m: Any, n: Any) -> tuple[Any, Any]:
    """Return m y / (m y + n) and n / (m y + n), each with all its digits."""
    shares = importlib.import_module("clearprop.ops.distributions").ratio_shares(y, m, n)
    return shares[0], shares[1]


def log_ratio_share(y: Any, m: Any, n: Any, above: bool) -> Any:
    """Return the logarithm of the share of the F distribution below y, or `above` it."""
    low, high = ratio_shares(y, m, n)
    start = low < high
    at = np.where(start, low, high)
    first, second = np.where(start, m / 2, n / 2), np.where(start, n / 2, m / 2)
    straight = seldom("log_betainc", first, second, at)
    return np.where(start != above, straight, seldom("log_betainc", first, second, at, above=True))


def log_ratio_density(y: Any, m: Any, n: Any) -> Any:
    """Return the logarithm of the density of F: that of a beta variable w = m y / (m y + n), times dw/dy."""
    low, high = ratio_shares(y, m, n)
    start = low < high
    first, second = np.where(start, m / 2, n / 2), np.where(start, n / 2, m / 2)
    density = seldom("log_beta_density", first, second, np.where(start, low, high))
    return density + np.log(m) - np.log(n) + 2.0 * np.log(high)
