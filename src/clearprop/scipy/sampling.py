"""Random numbers that have gradients by the parameters of their distribution, from uniform ones.

Where a quantile has no closed form its gradient is implicit: from F(z, a) = u follows dz/da = -(dF/da) / f,
with F the share below z and f the density (Figurnov, Mohamed and Mnih, "Implicit reparameterization
gradients", 2018): that is what `gammaincinv` has. All draw from the state that `clearprop.manual_seed` sets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.ops.random import normal, uniform
from clearprop.registry import ops


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
    return np.log(ops["gammaincinv"](a + 1.0, open_uniform(shape))) - exponential(shape) / a


def share(shape: tuple[int, ...], a: Any, b: Any) -> Any:
    """Draw from the beta distribution: x / (x + y) of two gamma variables."""
    return ops["sigmoid"](log_gamma(shape, a) - log_gamma(shape, b))


def student(shape: tuple[int, ...], df: Any) -> Any:
    """Draw from Student's distribution: a normal variable over the root of a mean of squares of others."""
    return normal(shape) / np.sqrt(np.exp(log_gamma(shape, df / 2)) * 2 / df)


def shares(shape: tuple[int, ...], alpha: Any) -> Any:
    """Draw from Dirichlet's distribution, along a last axis: gamma variables over their sum."""
    return ops["softmax"](log_gamma((*shape, alpha.shape[0]), alpha), axis=-1)
