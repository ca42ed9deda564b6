"""`Sums`: mean and spread of numbers that come piece by piece, the same bits whatever the pieces are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

UNIT = 1126
"""A float64 is a whole number of 2^-1126; whole numbers add up without rounding, in any order."""


@dataclass
class Sums:
    """How many numbers there were, their sum and the sum of their squares, in units of 2^-1126."""

    count: int = 0
    total: int = 0
    squares: int = 0
    is_far: bool = False
    """Whether a square was too large for a float64."""

    def add(self, values: Array) -> None:
        """Take some more numbers, NaN left out.

        >>> sums = Sums()
        >>> sums.add(np.array([1.0, 2.0])), sums.add(np.array([6.0, np.nan]))
        (None, None)
        >>> sums.mean, round(sums.spread ** 2, 12)
        (3.0, 4.666666666667)
        """
        values = values[~np.isnan(values)]
        if not len(values):
            return
        self.count += len(values)
        self.total += exact_sum(values)
        with np.errstate(over="ignore", invalid="ignore"):
            products, rest = exact_squares(values)
        self.is_far |= not np.isfinite(rest).all()
        if not self.is_far:
            self.squares += exact_sum(products) + exact_sum(rest)

    def join(self, other: Sums) -> None:
        """Take the numbers that others were told of."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.is_far |= other.is_far

    @property
    def mean(self) -> float:
        """The mean, rounded once; 0 of no number."""
        return self.total / (self.count << UNIT) if self.count else 0.0

    @property
    def spread(self) -> float:
        """The standard deviation, sqrt(sum(x^2) / n - mean^2)."""
        if self.is_far:
            return math.inf
        if not self.count:
            return 0.0
        above = (self.count * self.squares << UNIT) - self.total**2
        return math.sqrt(max(above, 0) / (self.count**2 << 2 * UNIT))


def exact_sum(values: Array) -> int:
    """Return the sum of finite float64 numbers in units of 2^-1126, without rounding.

    Numbers of one exponent are added as whole numbers, the upper and the lower half of their digits apart.

    >>> exact_sum(np.array([1e100, 1.0, -1e100])) == 1 << UNIT
    True
    """
    fractions, exponents = np.frexp(values)
    digits = (fractions * 2.0**53).astype(np.int64)
    lowest = int(exponents.min())
    place = (exponents - lowest).astype(np.intp)
    upper = np.bincount(place, weights=(digits >> 26).astype(np.float64))
    lower = np.bincount(place, weights=(digits & (2**26 - 1)).astype(np.float64))
    found = 0
    for shift in np.flatnonzero((upper != 0) | (lower != 0)).tolist():
        found += ((int(upper[shift]) << 26) + int(lower[shift])) << (lowest + shift - 53 + UNIT)
    return found


def exact_squares(values: Array) -> tuple[Array, Array]:
    """Return x^2 rounded, and what the rounding left out (Dekker 1971): together they are x^2.

    >>> products, rest = exact_squares(np.array([1.0 + 2.0**-30]))
    >>> products[0] == 1.0 + 2.0**-29, rest[0] == 2.0**-60
    (np.True_, np.True_)
    """
    products = values * values
    scaled = 134217729.0 * values  # 2^27 + 1 parts the digits in halves
    upper = scaled - (scaled - values)
    lower = values - upper
    return products, ((upper * upper - products) + 2.0 * upper * lower) + lower * lower
