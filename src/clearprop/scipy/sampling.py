"""Random numbers that have gradients by the parameters of their distribution, from uniform ones.

Where a quantile has no closed form its gradient is implicit: from F(z, a) = u follows dz/da = -(dF/da) / f,
with F the share below z and f the density (Figurnov, Mohamed and Mnih, "Implicit reparameterization
gradients", 2018). All draw from the state that `clearprop.manual_seed` sets.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from clearprop.batch import by_entries
from clearprop.define import define
from clearprop.facts import Facts
from clearprop.ops.random import normal, uniform
from clearprop.registry import ops
from clearprop.scipy.special import polygamma

_SHARES = np.array([[0.1, 0.5, 0.9]])
_ORDERS = np.array([[1.3], [4.0]])


def _special() -> Any:
    return importlib.import_module("scipy.special")


def _as_it_is(*xs: Any, **attrs: Any) -> Any:
    raise TypeError("a quantile is computed by SciPy")


_FACTS = Facts(kinks=False, lower=_as_it_is)


def _bell(c: list[Any]) -> Any:
    """Return f^(m) / f from the first m derivatives `c` of log f: a complete Bell polynomial.

    >>> _bell([2.0, 3.0])  # f'' / f = c1^2 + c2
    7.0
    """
    found: list[Any] = [1.0]
    for k in range(len(c)):
        found.append(sum(math.comb(k, i) * found[k - i] * c[i] for i in range(k + 1)))
    return found[-1]


def _density_curve(a: Any, z: Any, order: int) -> Any:
    """Return the derivative of the gamma density by its shape, over the density, with gradients."""
    rest = [-polygamma(j, a) for j in range(1, order)]
    return _bell([np.log(z) - ops["digamma"](a), *rest])


@define(
    "gamma_share",
    "opaque",
    lambda g, s, a, z, order: (
        g * (ops["gamma_share"](a, z, order=order + 1) - s * (np.log(z) - ops["digamma"](a)))
    ),
    lambda g, s, a, z, order: g * (_density_curve(a, z, order) - s * ((a - 1) / z - 1)),
    facts=_FACTS,
    examples=(((_ORDERS, _ORDERS * _SHARES), {}), ((_ORDERS, _ORDERS * _SHARES), {"order": 2})),
)
def gamma_share(a: Any, z: Any, *, order: int = 1) -> Any:
    """d^m F / da^m / f of the gamma distribution of shape a at z, m being `order`, by a power series.

    F / f = sum_n t_n with t_n = z^(n + 1) / (a (a + 1) ... (a + n)). With k = a + n + 1 the logarithm of
    t_n f has the derivatives log z - digamma(k), -polygamma(1, k), ... by a.
    """
    a64, z64 = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(z, np.float64))
    term, k = z64 / a64, a64 + 1
    slopes = [np.log(z64) - _special().digamma(k), *(-_special().polygamma(j, k) for j in range(1, order))]
    total = term * _bell(slopes)
    for _ in range(10**6):
        term = term * z64 / k
        slopes = [c - (-1) ** j * math.factorial(j) / k ** (j + 1) for j, c in enumerate(slopes)]
        k = k + 1
        more = term * _bell(slopes)
        total = total + more
        if not np.any((k < z64) | (np.abs(more) > 1e-17 * np.abs(total))):
            break
    return _of_dtype(total, a, z)


def _by_share(g: Any, z: Any, u: Any, a: Any) -> Any:
    return g * np.exp(z + ops["gammaln"](a) - (a - 1) * np.log(z))


@define(
    "gamma_quantile",
    "opaque",
    _by_share,
    lambda g, z, u, a: -g * gamma_share(a, z),
    facts=_FACTS,
    examples=(((_SHARES, _ORDERS), {}),),
)
def gamma_quantile(u: Any, a: Any) -> Any:
    """The z below which a share u of the gamma distribution of shape a lies.

    >>> gamma_quantile(0.5, 1.0).round(6) == np.log(2.0).round(6)
    np.True_
    """
    return _of_dtype(_special().gammaincinv(np.asarray(a, np.float64), u), u, a)


for _op in (gamma_share, gamma_quantile):
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
