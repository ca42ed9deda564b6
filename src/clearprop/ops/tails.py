"""Logarithms of shares of gamma, beta and Student variables, also where the share itself is no float.

A share above 1/2 is 1 less the other: log1p of that keeps its digits. Far out, where SciPy's share is 0, it
is x f(x) times the integral over log(t) beyond x of the density over f(x), which `incomplete` takes by Gauss
and Legendre's points: wanted is log(x f(x)) plus the logarithm of a sum of moderate numbers. The derivatives
never go through the share: by the place they are exp(log(f) - log(share)), by a shape means over the same
points. Beside mpmath both keep 11 digits (tests/ops/test_tails.py).
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.batch import by_entries
from clearprop.define import define
from clearprop.facts import Facts, stays_a_call
from clearprop.ops.densities import entries, log_beta, parts_of
from clearprop.ops.incomplete import beta_part, beta_tail, gamma_shares, gamma_tail
from clearprop.registry import ops

_TINY = 1e-290  # below it a share has fewer digits, or none
_SMALL = -80.0  # where log(w) is so small, 1 + w is 1
_FAR = 1e100  # where Student's density is a power to all digits


def _special() -> Any:
    return importlib.import_module("scipy.special")


def _of(name: str, *xs: Any, **attrs: Any) -> Any:
    return ops[name](*xs, **attrs)


# --- values -------------------------------------------------------------------------------------------------
def _log(share: Any, rest: Any, there: Any, tail: Callable[..., Any], *xs: Any) -> Any:
    """The logarithm of a share, by the rest of 1, by itself, or (where `there`) by its tail."""
    z = np.where(share > 0.5, np.log1p(-np.minimum(rest, 1.0)), np.log(share))
    far = (share < _TINY) & there
    if np.any(far):
        z[far] = tail(*(x[far] for x in xs))
    return z


def _gamma(a: Any, x: Any, above: bool) -> Any:
    shares = gamma_shares(a, x)
    there = (a > 0) & (x > 0) & (a < np.inf) & (x < np.inf)
    return _log(shares[above], shares[not above], there, gamma_tail, a, x)


def _beta(a: Any, b: Any, x: Any, y: Any, above: bool) -> Any:
    share, rest = (beta_part(a, b, x, y, side) for side in (above, not above))
    there = (a > 0) & (b > 0) & (a + b < np.inf) & (x > 0) & (y > 0)
    return _log(share, rest, there, beta_tail, a, b, x, y)


def _student(df: Any, t: Any) -> Any:
    """Below the middle it is half of a beta variable's share."""
    near = np.clip(t, -_FAR, _FAR)
    further = np.where(np.isfinite(t), np.log(np.abs(t) / np.abs(near)), np.where(t < 0, np.inf, 0.0))
    degrees = np.where(df < np.inf, df, 1.0)
    w, _, v = parts_of(degrees, near)
    left = (
        _beta(degrees / 2, np.full_like(df, 0.5), w, v, False)
        - math.log(2)
        - degrees * np.where(t == 0, 0.0, further)
    )
    z = np.where(t < 0, left, np.log1p(-_special().stdtr(df, -np.abs(t))))
    z = np.where(df == np.inf, _special().log_ndtr(t), z)
    return np.where((df > 0) & (t == t), z, np.nan)


def _quantile(df: Any, q: Any) -> Any:
    """The t with stdtr(df, t) = q: by w = df / (df + t^2), whose beta share is 2 min(q, 1 - q).

    For small w that share is w^(df / 2) / (df / 2 beta(df / 2, 1 / 2)), also where w is no float.
    """
    of, low = _special(), np.minimum(q, 1 - q)
    v = np.where(df < np.inf, df, 1.0)
    w = of.betaincinv(v / 2, 0.5, 2 * low)
    t = np.where(w > 0.5, of.stdtrit(v, low), -np.sqrt(v) * np.sqrt((1 - w) / w))
    log_w = (np.log(2 * low) + np.log(v / 2) + log_beta(v / 2, np.full_like(v, 0.5))) / (v / 2)
    t = np.where(log_w < _SMALL, -np.exp(0.5 * (np.log(v) - log_w)), t)
    t = np.where(df < np.inf, np.where(q > 0.5, -t, t), of.ndtri(q))
    return np.where((df > 0) & (q >= 0) & (q <= 1), t, np.nan)


# --- the ops ------------------------------------------------------------------------------------------------
_FACTS = Facts(kinks=False, lower=stays_a_call("SciPy's functions are called"))
_A, _B, _X = np.array([0.4, 1.3, 4.0]), np.array([2.2, 0.7, 3.0]), np.array([[0.3], [0.6]])
_BOTH = {"above": False}, {"above": True}


def _side(above: bool) -> str:
    return "above" if above else "below"


def _steep(z: Any, density: Any, above: bool) -> Any:
    """The slope of the logarithm z of a share, by the logarithm of the density."""
    ratio = np.exp(density - z)
    return -ratio if above else ratio


def _flat(z: Any, df: Any, q: Any) -> Any:
    """The share over the density."""
    return np.exp(np.log(q) - _of("log_student_density", df, z))


if importlib.util.find_spec("scipy") is not None:

    @define(
        "log_gammainc",
        "opaque",
        lambda g, z, a, x, above: g * _of("gammainc_by_shape", a, x, over=_side(above)),
        lambda g, z, a, x, above: g * _steep(z, _of("log_gamma_density", a, x), above),
        facts=_FACTS,
        examples=tuple(((_A, 4 * _X), attrs) for attrs in _BOTH),
    )
    def log_gammainc(a: Any, x: Any, *, above: bool = False) -> Any:
        """The logarithm of gammainc(a, x), or `above` of gammaincc(a, x).

        >>> float(log_gammainc(1.0, 1e6, above=True)), float(log_gammainc(1.0, 1e-300).round(3))
        (-1000000.0, -690.776)
        """
        return entries(lambda a, x: _gamma(a, x, above), (a, x))

    @define(
        "log_betainc",
        "opaque",
        lambda g, z, a, b, x, above: g * _of("betainc_by_shape", a, b, x, order=(1, 0), over=_side(above)),
        lambda g, z, a, b, x, above: g * _of("betainc_by_shape", a, b, x, order=(0, 1), over=_side(above)),
        lambda g, z, a, b, x, above: g * _steep(z, _of("log_beta_density", a, b, x), above),
        facts=_FACTS,
        examples=tuple(((_A, _B, _X), attrs) for attrs in _BOTH),
    )
    def log_betainc(a: Any, b: Any, x: Any, *, above: bool = False) -> Any:
        """The logarithm of betainc(a, b, x), or `above` of betaincc(a, b, x).

        >>> float(log_betainc(1e4, 1.0, 0.5).round(6)), float(log_betainc(1.0, 1.0, 1e-20, above=True))
        (-6931.471806, -1e-20)
        """
        return entries(lambda a, b, x: _beta(a, b, x, 1 - x, above), (a, b, x))

    @define(
        "log_stdtr",
        "opaque",
        lambda g, z, df, t: g * _of("stdtr_by_degrees", df, t, over=True),
        lambda g, z, df, t: g * _steep(z, _of("log_student_density", df, t), False),
        facts=_FACTS,
        examples=(((_A + 1, 4 * _X - 2), {}),),
    )
    def log_stdtr(df: Any, t: Any) -> Any:
        """The logarithm of stdtr(df, t), the share of Student's distribution below t.

        >>> float(log_stdtr(1.0, 0.0).round(6)), float(log_stdtr(5.0, -1e200).round(6))
        (-0.693147, -2300.334837)
        """
        return entries(_student, (df, t))

    @define(
        "student_quantile",
        "opaque",
        lambda g, z, df, q: -g * _of("stdtr_by_degrees", df, z, over=True) * _flat(z, df, q),
        lambda g, z, df, q: g * np.exp(-_of("log_student_density", df, z)),
        facts=_FACTS,
        examples=(((_A + 1, _X), {}),),
    )
    def student_quantile(df: Any, q: Any) -> Any:
        """The t with stdtr(df, t) = q, however small q is.

        >>> float(student_quantile(2.0, 0.5)), float((student_quantile(1.0, 1e-300) * 1e-299).round(9))
        (0.0, -3.183098862)
        """
        return entries(_quantile, (df, q))

    student_quantile.batch = by_entries
    log_gammainc.batch = log_betainc.batch = log_stdtr.batch = by_entries
