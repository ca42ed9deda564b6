"""Probabilities of whole numbers, with gradients by their parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.ops.shape import as_array
from clearprop.scipy.continuous import Named, above_zero, parts, plain


@dataclasses.dataclass(repr=False)
class Discrete(Named):
    """Probabilities of whole numbers from `first` on, moved by `loc`.

    `log_mass(k, there, *shapes)` is the logarithm of that of k, which is `first` where `there` is False;
    `below` and `above` the shares up to a whole k and beyond, or their logarithms; `middle` and `spread` mean
    and variance.
    """

    name: str
    log_mass: Callable[..., Any]
    shapes: tuple[str, ...]
    allowed: Callable[..., Any] = above_zero
    below: Callable[..., Any] | None = None
    above: Callable[..., Any] | None = None
    log_below: Callable[..., Any] | None = None
    log_above: Callable[..., Any] | None = None
    middle: Callable[..., Any] | None = None
    spread: Callable[..., Any] | None = None
    first: int = 0

    def _parts(self, called: str, args: Any, named: Any) -> tuple[list[Any], Any]:
        shapes, (loc,) = parts(f"{self.name}.{called}", self.shapes, ("loc",), args, named)
        return shapes, 0 if loc is None else loc

    def logpmf(self, k: Any, *args: Any, **named: Any) -> Any:
        """Return the logarithm of the probability of `k`, -inf for what is no whole number of 0 or more.

        >>> from clearprop.scipy.stats import poisson
        >>> round(float(poisson.logpmf(0, 2.0)), 6)
        -2.0
        """
        shapes, loc = self._parts("logpmf", args, named)
        k = as_array(k) - loc
        whole = (k >= self.first) & (k == np.floor(k))
        fits = (k == k) & self.allowed(*shapes)
        z = self.log_mass(np.where(whole, k, float(self.first)), whole, *shapes)
        return plain(np.where(fits, z, np.nan))

    def pmf(self, k: Any, *args: Any, **named: Any) -> Any:
        """Return the probability of `k`."""
        return np.exp(self.logpmf(k, *args, **named))

    def cdf(self, k: Any, *args: Any, **named: Any) -> Any:
        """Return the probability of `k` or less; TypeError where it has no rule."""
        return self._share("cdf", self.below, (0.0, 1.0), k, args, named)

    def sf(self, k: Any, *args: Any, **named: Any) -> Any:
        """Return the probability of more than `k`; TypeError where it has no rule."""
        return self._share("sf", self.above, (1.0, 0.0), k, args, named)

    def logcdf(self, k: Any, *args: Any, **named: Any) -> Any:
        """Return the logarithm of the probability of `k` or less; TypeError where it has no rule."""
        return self._share("logcdf", self.log_below, (-np.inf, 0.0), k, args, named)

    def logsf(self, k: Any, *args: Any, **named: Any) -> Any:
        """Return the logarithm of the probability of more than `k`; TypeError where it has no rule."""
        return self._share("logsf", self.log_above, (0.0, -np.inf), k, args, named)

    def _share(self, called: str, of: Any, ends: tuple[float, float], k: Any, args: Any, named: Any) -> Any:
        if of is None:
            hint = f"{self.name}.logpmf"
            raise TypeError(lesson(f"{self.name}.{called}", "has no rule", "", at_line(), hint))
        shapes, loc = self._parts(called, args, named)
        k = as_array(k) - loc
        fits = (k == k) & self.allowed(*shapes)
        whole = np.floor(k)
        under, over = whole < self.first, whole == np.inf
        z = of(np.where(fits & ~under & ~over, whole, float(self.first)), *shapes)
        return plain(np.where(fits, np.where(under, ends[0], np.where(over, ends[1], z)), np.nan))

    def mean(self, *args: Any, **named: Any) -> Any:
        """Return the mean."""
        shapes, loc = self._parts("mean", args, named)
        return plain(np.where(self.allowed(*shapes), self.middle(*shapes) + loc, np.nan))  # type: ignore[misc]

    def var(self, *args: Any, **named: Any) -> Any:
        """Return the variance."""
        shapes, _ = self._parts("var", args, named)
        return plain(np.where(self.allowed(*shapes), self.spread(*shapes), np.nan))  # type: ignore[misc]

    def std(self, *args: Any, **named: Any) -> Any:
        """Return the standard deviation."""
        return np.sqrt(self.var(*args, **named))
