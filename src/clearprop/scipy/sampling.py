"""Random numbers that have gradients by the parameters of their distribution, from uniform ones.

Where a quantile has no closed form its gradient is implicit: from F(z, a) = u follows dz/da = -(dF/da) / f,
with F the share below z and f the density (Figurnov, Mohamed and Mnih, "Implicit reparameterization
gradients", 2018). All draw from the state that `clearprop.manual_seed` sets.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from clearprop.batch import by_entries
from clearprop.define import define
from clearprop.errors import GradientError, lesson
from clearprop.facts import Facts
from clearprop.ops.random import normal, uniform
from clearprop.registry import ops

_SHARES = np.array([[0.1, 0.5, 0.9]])
_ORDERS = np.array([[1.3], [4.0]])


def _special() -> Any:
    return importlib.import_module("scipy.special")


def _as_it_is(*xs: Any, **attrs: Any) -> Any:
    raise TypeError("a quantile is computed by SciPy")


_FACTS = Facts(kinks=False, lower=_as_it_is)


def _series(a: Any, z: Any, second: bool) -> Any:
    """Return dF/da / f of the gamma distribution, or its second derivative d2F/da2 / f, by a power series.

    F / f = sum_n t_n with t_n = z^(n + 1) / (a (a + 1) ... (a + n)), and each term's logarithm has the
    derivative log z - digamma(a + n + 1).
    """
    a, z = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(z, np.float64))
    first = np.log(z) - _special().digamma(a) - 1 / a
    curve = _special().polygamma(1, a) - 1 / a**2
    term, k = z / a, a
    total = term * (first**2 - curve if second else first)
    for _ in range(10**6):
        k = k + 1
        term, first, curve = term * z / k, first - 1 / k, curve - 1 / k**2
        more = term * (first**2 - curve if second else first)
        total = total + more
        if not np.any((k < z) | (np.abs(more) > 1e-17 * np.abs(total))):
            break
    return total[()]


def _no_further(g: Any, z: Any, *xs: Any) -> Any:
    wanted, hint = "has no third derivative by its shape", "logpdf, which has all of them"
    raise GradientError(lesson("gamma.rvs(a)", wanted, hint=hint))


@define(
    "gamma_curve",
    "opaque",
    _no_further,
    _no_further,
    facts=_FACTS,
    examples=(((_ORDERS, _ORDERS * _SHARES), {}),),
)
def gamma_curve(a: Any, z: Any) -> Any:
    """d2F/da2 / f of the gamma distribution of shape a at z."""
    return _of_dtype(_series(a, z, True), a, z)


def _by_shape(g: Any, h: Any, a: Any, z: Any) -> Any:
    return g * (-gamma_curve(a, z) - h * (np.log(z) - ops["digamma"](a)))


def _by_place(g: Any, h: Any, a: Any, z: Any) -> Any:
    return -g * (np.log(z) - ops["digamma"](a) + h * ((a - 1) / z - 1))


@define(
    "gamma_slope",
    "opaque",
    _by_shape,
    _by_place,
    facts=_FACTS,
    examples=(((_ORDERS, _ORDERS * _SHARES), {}),),
)
def gamma_slope(a: Any, z: Any) -> Any:
    """dz/da of a quantile z of the gamma distribution of shape a.

    >>> gamma_slope(1.0, np.log(2.0)).round(6)  # of the median
    np.float64(0.968045)
    """
    return _of_dtype(-_series(a, z, False), a, z)


@define(
    "gamma_quantile",
    "opaque",
    None,
    lambda g, z, u, a: g * gamma_slope(a, z),
    facts=_FACTS,
    examples=(((_SHARES, _ORDERS), {}),),
)
def gamma_quantile(u: Any, a: Any) -> Any:
    """The z below which a share u of the gamma distribution of shape a lies, with a gradient by the shape.

    >>> gamma_quantile(0.5, 1.0).round(6) == np.log(2.0).round(6)
    np.True_
    """
    return _of_dtype(_special().gammaincinv(np.asarray(a, np.float64), u), u, a)


for _op in (gamma_curve, gamma_slope, gamma_quantile):
    _op.batch = by_entries


def _of_dtype(z: Any, *xs: Any) -> Any:
    return np.asarray(z).astype(np.result_type(*[np.asarray(x).dtype for x in xs], np.float32))[()]


# --- standard forms -----------------------------------------------------------------------------------------
def open_uniform(shape: tuple[int, ...]) -> Any:
    """Draw numbers between 0 and 1, neither of which is drawn."""
    return uniform(shape) * (1 - 2.0**-52) + 2.0**-53


def exponential(shape: tuple[int, ...]) -> Any:
    """Draw from the exponential distribution of mean 1."""
    return -np.log(open_uniform(shape))


def gumbel(shape: tuple[int, ...]) -> Any:
    """Draw from the distribution of the largest of many, -log(-log(u))."""
    return -np.log(-np.log(open_uniform(shape)))


def log_gamma(shape: tuple[int, ...], a: Any) -> Any:
    """Draw the logarithm of a gamma variable of shape `a`: that of shape a + 1, times u^(1 / a).

    For a shape below 1 the variable itself is often smaller than any float. Its derivative by `a` is that of
    a quantile for the one factor, and of a power for the other.
    """
    return np.log(gamma_quantile(open_uniform(shape), a + 1.0)) - exponential(shape) / a


def share(shape: tuple[int, ...], a: Any, b: Any) -> Any:
    """Draw from the beta distribution: x / (x + y) of two gamma variables."""
    return ops["sigmoid"](log_gamma(shape, a) - log_gamma(shape, b))


def student(shape: tuple[int, ...], df: Any) -> Any:
    """Draw from Student's distribution: a normal variable over the root of a mean of squares of others."""
    return normal(shape) / np.sqrt(np.exp(log_gamma(shape, df / 2)) * 2 / df)


def shares(shape: tuple[int, ...], alpha: Any) -> Any:
    """Draw from Dirichlet's distribution, along a last axis: gamma variables over their sum."""
    return ops["softmax"](log_gamma((*shape, alpha.shape[0]), alpha), axis=-1)
