"""Special functions for XLA: those of jax.scipy.special, and what follows from them by an identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from clearprop.compiler.engines.xla.logarithms import gammaln, loggamma

of: Any = jax.scipy.special

THERE = [
    "betainc",
    "exp1",
    "expi",
    "gammainc",
    "gammaincc",
    "hyp1f1",
    "spence",
    "digamma",
    "zeta",
    "erfinv",
    "ndtri",
    "log_ndtr",
    "logit",
    "xlogy",
    "xlog1py",
    "entr",
    "rel_entr",
    "kl_div",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "gamma",
    "beta",
]
"""Functions that jax.scipy.special has under the same names. Its gammaln has 4 digits (of float64: 12) near 1
and 2, where it is 0: that of `logarithms` is taken, and betaln, a difference of three, is refused."""


def _huber(delta: Any, r: Any) -> Any:
    small = jnp.abs(r) <= delta
    return jnp.where(delta < 0, jnp.inf, jnp.where(small, 0.5 * r * r, delta * (jnp.abs(r) - 0.5 * delta)))


def _pseudo_huber(delta: Any, r: Any) -> Any:
    safe = jnp.where(delta == 0, 1, delta)
    u = (r / safe) ** 2
    found = delta * delta * u / (1 + jnp.sqrt(1 + u))
    return jnp.where(delta < 0, jnp.inf, jnp.where((delta == 0) | (r == 0), 0, found))


def _exprel(x: Any) -> Any:
    near = jnp.abs(x) < 1e-30
    return jnp.where(near, 1, jnp.expm1(x) / jnp.where(near, 1, x))


def _half_turns(wave: Callable[..., Any]) -> Callable[..., Any]:
    def of_pi_x(x: Any) -> Any:
        whole = jnp.rint(x)
        return (1 - 2 * jnp.remainder(whole, 2)) * wave(jnp.pi * (x - whole))

    return of_pi_x


def _digamma_rise(x: Any, m: Any) -> Any:
    """Of whole m on the left by 1 - x and -m, where the digammas are numbers, also where x is a pole."""
    left = (x < 1) & (x + m < 1) & (jnp.floor(m) == m)
    start, end = jnp.where(left, 1 - x, x), jnp.where(left, 1 - x - m, x + m)
    return of.digamma(end) - of.digamma(start)


FOLLOWING: dict[str, Callable[..., Any]] = {
    "exp10": lambda x: jnp.power(jnp.asarray(10.0, x.dtype), x),
    "erfcinv": lambda x: -of.ndtri(0.5 * x) / jnp.sqrt(jnp.asarray(2.0, x.dtype)),
    "betaincc": lambda a, b, x: of.betainc(b, a, 1 - x),
    "cospi": _half_turns(jnp.cos),
    "cosm1": lambda x: -2 * jnp.sin(0.5 * x) ** 2,
    "digamma_rise": _digamma_rise,
    "erfcx": lambda x: 2 * jnp.exp(x * x + of.log_ndtr(-jnp.sqrt(jnp.asarray(2.0, x.dtype)) * x)),
    "exprel": _exprel,
    "gammaln": gammaln,
    "huber": _huber,
    "loggamma": loggamma,
    "pseudo_huber": _pseudo_huber,
    "sinpi": _half_turns(jnp.sin),
}
"""What follows from functions that are there."""


ORDERED: dict[tuple[str, int], Callable[..., Any]] = {
    ("log_gamma_density", 0): lambda a, x: of.xlogy(a - 1, x) - x - gammaln(a),
    ("log_gamma_density", 1): lambda a, x: jnp.log(x) - of.digamma(a),
    ("polygamma_rise", 0): lambda a, b: of.digamma(a + b) - of.digamma(a),
}
"""Functions with an order, of which XLA has the lowest."""


def function_of(name: str) -> Callable[..., Any]:
    """Return a special function by SciPy's name; KeyError where there is none."""
    return FOLLOWING[name] if name in FOLLOWING else getattr(of, name)


NAMES = (*THERE, *FOLLOWING)
