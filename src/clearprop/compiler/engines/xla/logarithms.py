"""The logarithm of gamma for XLA, whose own has four digits of float32 beside its zeros, 1 and 2.

M. Abramowitz, I. Stegun, Handbook of Mathematical Functions: 6.1.33 (the series), 6.1.40 (Stirling), 6.1.17.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

TERMS = 34
FAR = 8.5
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def _zeta_less_one(k: int) -> float:
    """Return zeta(k) - 1: a sum, and Euler and Maclaurin's rest of it."""
    n = 400
    rest = n ** (1 - k) / (k - 1) + n**-k / 2 + k * n ** (-k - 1) / 12
    return math.fsum([*(float(i) ** -k for i in range(2, n)), rest])


SERIES = [1 - float(np.euler_gamma), *((-1) ** k * _zeta_less_one(k) / k for k in range(2, TERMS))]
"""log gamma(2 + t) = (1 - euler) t + (zeta(2) - 1) t^2 / 2 - (zeta(3) - 1) t^3 / 3 + ..., for |t| < 2."""


def _beside_two(t: Any) -> Any:
    total = jnp.zeros_like(t)
    for c in reversed(SERIES):
        total = (total + jnp.asarray(c, t.dtype)) * t
    return total


def _far(x: Any) -> Any:
    """Stirling's series, for x of 8.5 or more."""
    by, total = 1 / (x * x), jnp.zeros_like(x)
    for c in reversed(STIRLING):
        total = total * by + jnp.asarray(c, x.dtype)
    half = jnp.asarray(0.5 * math.log(2 * math.pi) - 0.5, x.dtype)
    return (x - 0.5) * (jnp.log(x) - 1) + half + total / x


def _positive(x: Any) -> Any:
    """For x > 0: the series at most half away from 2, to which one steps by gamma(x + 1) = x gamma(x)."""
    middle = jnp.clip(x, 1.5, FAR)
    steps = jnp.floor(middle - 1.5)
    y, product = middle - steps, jnp.ones_like(x)
    for j in range(int(FAR - 1.5)):
        product = jnp.where(j < steps, product * (y + j), product)
    above = _beside_two(y - 2) + jnp.log(product)
    small = jnp.minimum(x, 1.5)
    t = jnp.where(small < 0.5, small, small - 1)
    below = _beside_two(t) - jnp.log(jnp.where(small < 0.5, small * (1 + small), small))
    return jnp.where(x < 1.5, below, jnp.where(x < FAR, above, _far(jnp.maximum(x, FAR))))


def gammaln(x: Any) -> Any:
    """log |gamma(x)|; for x < 0 by gamma(x) gamma(1 - x) = pi / sin(pi x); inf at 0, -1, -2, ..."""
    left = x <= 0
    mirrored = jnp.where(left, 1 - x, 0.5)
    away = jnp.abs(jnp.sin(jnp.asarray(math.pi, x.dtype) * (x - jnp.round(x))))
    by_reflection = math.log(math.pi) - jnp.log(away) - _positive(mirrored)
    found = jnp.where(left, by_reflection, _positive(jnp.where(left, 0.5, x)))
    found = jnp.where(left & (x == jnp.round(x)), jnp.asarray(jnp.inf, x.dtype), found)
    return jnp.where(jnp.isfinite(x), found, x)  # at -inf as SciPy has it


def loggamma(x: Any) -> Any:
    """gammaln where gamma is positive by right, x >= 0, and NaN below."""
    return jnp.where(x < 0, jnp.asarray(jnp.nan, x.dtype), gammaln(x))
