"""`scipy.special`: shares of distributions and their inverses.

A share is a function of its arguments, whose slopes stand once: those of its complement are their opposites, those
of the argument with a given share their quotients. Numbers that SciPy cuts to whole ones have no derivative.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np

from clearprop.ops.incomplete import (
    BETA,
    STUDENT,
    beta_by_shape,
    beta_density,
    events,
    falls,
    gamma_by_shape,
    gamma_density,
    rises,
    solves,
    whole_quantile,
    whole_shape,
    whole_share,
)
from clearprop.ops.integrals import boxcox_slope
from clearprop.ops.normal import DENSITY
from clearprop.ops.special import enter_scipys, refused, times, whole_number
from clearprop.registry import ops

_ANY, _POSITIVE, _SHARE = (-2.0, 2.0), (0.3, 3.0), (0.1, 0.9)
_MANY = (4.2, 6.0)
_OFF_CENTRE = refused("the degrees of freedom of a distribution off its centre have no closed form")
TERMS = 6  # of Kolmogorov's series, on the side of 1 where they fall fast: the next is below 1e-30
MANY_DEGREES = 1000.0  # from here on three terms of an expansion have 11 digits
NOTHING_LEFT = 20.0  # Kolmogorov's share above it is below the smallest float64


def _of(name: str, *xs: Any) -> Any:
    return ops[name](*xs)


# --- slopes by each argument --------------------------------------------------------------------------------
def _binomial(k: Any, n: Any, p: Any) -> Any:
    """By p, of the share above k."""
    k, n = np.floor(k), np.trunc(n)
    certain = (k < 0) | (k >= n)
    return np.where(
        certain, 0.0, beta_density(np.where(certain, 1.0, k + 1.0), np.where(certain, 1.0, n - k), p)
    )


def _negative_binomial(k: Any, n: Any, p: Any) -> Any:
    return beta_density(np.trunc(n) * 1.0, np.trunc(k) + 1.0, p)


def _poisson(k: Any, m: Any) -> Any:
    return gamma_density(np.floor(k) + 1.0, m)


def _halves(df: Any, x: Any) -> tuple[Any, Any]:
    return df * 0.5, x * 0.5


def _by_rate(a: Any, b: Any, x: Any) -> tuple[Any, Any]:
    return b, a * x


def _chi(df: Any, x: Any) -> Any:
    return gamma_density(df * 0.5, x * 0.5) * 0.5


def ratio_shares(y: Any, m: Any, n: Any) -> tuple[Any, Any]:
    """Return m y / (m y + n) and n / (m y + n), neither by 1 less the other, also where m y is no float.

    >>> low, high = ratio_shares(np.float64(1e300), np.float64(1e300), np.float64(1e300))
    >>> float(low), float(high * 1e300)
    (1.0, 1.0)
    """
    small = y < 1.0
    near, far = np.where(small, y, 1.0) * (m / n), n / m / np.where(small, 1.0, y)
    return np.where(small, near / (1.0 + near), 1.0 / (1.0 + far)), np.where(
        small, 1.0 / (1.0 + near), far / (1.0 + far)
    )


def _ratio_parts(a: Any, b: Any, x: Any) -> tuple[Any, Any, Any]:
    """Of the F distribution: w = a x / (b + a x), a beta variable of a/2 and b/2; 1 - w; its density there."""
    w, rest = ratio_shares(x, a, b)
    start = w < rest
    first, second = np.where(start, a, b) * 0.5, np.where(start, b, a) * 0.5
    return w, rest, beta_density(first, second, np.where(start, w, rest))


def _ratio(a: Any, b: Any, x: Any) -> Any:
    """By the place: the density times dw/dx, which is w (1 - w) / x."""
    w, rest, density = _ratio_parts(a, b, x)
    small = x < 1
    steep = np.where(small, a / b * rest * rest, w * rest / np.where(small, 1.0, x))
    return times(steep, density)


def _ratio_by(i: int, a: Any, b: Any, x: Any) -> Any:
    w, rest, density = _ratio_parts(a, b, x)
    moved = times(w * rest, density)
    return 0.5 * beta_by_shape(i, a * 0.5, b * 0.5, w, rest) + (-moved / b if i else moved / a)


def _by_factor(other: Any, density: Any) -> Any:
    """By one factor of a place: the other one times the density, which falls faster than that grows."""
    return times(np.where(other == np.inf, 0.0, other), density)


_CHI = (lambda df, x: 0.5 * gamma_by_shape(df * 0.5, x * 0.5)), _chi
_RATIO = (lambda a, b, x: _ratio_by(0, a, b, x)), (lambda a, b, x: _ratio_by(1, a, b, x)), _ratio
_RATE = (
    lambda a, b, x: _by_factor(x, gamma_density(b, a * x)),
    lambda a, b, x: gamma_by_shape(b, a * x),
    lambda a, b, x: _by_factor(a, gamma_density(b, a * x)),
)
# between whole numbers, as the functions that look for one have it
_TRIALS = (
    lambda k, n, p: beta_by_shape(1, n - k, k + 1, 1 - p, p) - beta_by_shape(0, n - k, k + 1, 1 - p, p),
    lambda k, n, p: beta_by_shape(0, n - k, k + 1, 1 - p, p),
    lambda k, n, p: -beta_density(k + 1, n - k, p),
)
_FAILURES = (
    lambda k, n, p: beta_by_shape(1, n, k + 1, p),
    lambda k, n, p: beta_by_shape(0, n, k + 1, p),
    lambda k, n, p: beta_density(n, k + 1, p),
)
_EVENTS = (lambda k, m: -gamma_by_shape(k + 1, m)), (lambda k, m: -gamma_density(k + 1, m))


def _trials(k: Any, n: Any, p: Any) -> Any:
    return _of("betainc", n - k, k + 1.0, 1.0 - p)


def _failures(k: Any, n: Any, p: Any) -> Any:
    return _of("betainc", n, k + 1.0, p)


def _events(k: Any, m: Any) -> Any:
    return _of("gammaincc", k + 1.0, m)


def _bell(x: Any) -> Any:
    return DENSITY * np.exp(-0.5 * x * x)


def _chi_off_centre(x: Any, df: Any, nc: Any) -> Any:
    """Of the noncentral chi-squared distribution: a Bessel function, or its series where nc x is small."""
    endless, product = (x == np.inf) | (nc == np.inf), nc * x
    many = ~endless & (df > MANY_DEGREES) & (product > 1)
    far = (
        ~endless & ~many & (product > np.where(df > 100, 100 * df, 1))
    )  # the Bessel function is a float there
    shape = df * 0.5 - 1
    t, v = np.where(far, x, 1.0), np.where(far, nc, 1.0)
    apart = np.sqrt(t) - np.sqrt(v)
    distant = 0.5 * np.exp(-0.5 * apart * apart) * (t / v) ** (0.5 * shape)
    distant = distant * _of("ive", shape, np.sqrt(t * v))
    there = far | many | endless
    place, off = np.where(there, 1.0, x), np.where(there, 0.0, nc)
    near = _chi(df, place) * np.exp(-0.5 * off) * _of("hyp0f1", df * 0.5, off * place / 4)
    large = np.exp(_log_of_many(*(np.where(many, v, 1.0) for v in (x, np.maximum(shape, 1.0), nc))))
    return np.where(endless, 0.0, np.where(many, large, np.where(far, distant, near)))


def _log_of_many(x: Any, v: Any, nc: Any) -> Any:
    """The logarithm of that density for large v = df / 2 - 1, by Debye's expansion of the Bessel function."""
    root = np.hypot(1.0, np.sqrt(x) * np.sqrt(nc) / v)
    p = 1 / root
    first = p * (3 - 5 * p**2) / 24
    second = p**2 * (81 - 462 * p**2 + 385 * p**4) / 1152
    third = p**3 * (30375 - 369603 * p**2 + 765765 * p**4 - 425425 * p**6) / 414720
    bent = np.log1p(first / v + second / v**2 + third / v**3)
    fall = v * root - 0.5 * (x + nc) + v * np.log(x / (v * (1 + root)))
    return fall + bent - 0.5 * np.log(8 * math.pi * v * root)


def _ratio_off_centre(a: Any, b: Any, nc: Any, x: Any) -> Any:
    """Of the noncentral F distribution."""
    w = a * x / (b + a * x)
    return _ratio(a, b, x) * np.exp(-0.5 * nc) * _of("hyp1f1", (a + b) * 0.5, a * 0.5, nc * w * 0.5)


def _ratio_by_centre(a: Any, b: Any, nc: Any, x: Any) -> Any:
    """The derivative of its share below x by nc: less, the further it is off."""
    p, q, w = a * 0.5, b * 0.5, a * x / (b + a * x)
    first = np.exp(_of("xlogy", p, w) + _of("xlog1py", q, -w) - _of("betaln", p, q) - 0.5 * nc) / p
    return -0.5 * first * _of("hyp1f1", p + q, p + 1, nc * w * 0.5)


def _off(nc: Any, slope: Any) -> Any:
    """Return the slope, and 0 where no place off centre has so large a share: there SciPy answers next to 0."""
    return np.where(nc < 1e-300, 0.0, slope)


def _kolmogorov_slope(z: Any, y: Any) -> Any:
    """Of the share above y: two series of one function, one for each side of 1; 0 near and below 0."""
    late, there = y >= 1, ~(y <= 0.03)  # NaN is there, and stays NaN
    one = np.ones_like(y)
    far, near = np.where(late, np.minimum(y, NOTHING_LEFT), one), np.where(there & ~late, y, one)
    above: Any = sum((-1) ** (k - 1) * k * k * np.exp(-2.0 * k * k * far * far) for k in range(1, TERMS + 1))
    rates = [((2 * k - 1) * math.pi) ** 2 / 8 for k in range(1, TERMS + 1)]
    below: Any = sum(np.exp(-c / near**2) * (2 * c / near**4 - 1 / near**2) for c in rates)
    return np.where(late, -8 * far * above, np.where(there, -math.sqrt(2 * math.pi) * below, -0.0))


def _outside(x: Any, k: Any) -> Any:
    """Whether Tukey's distribution has nothing there: for k > 0 it ends at 1 / k on both sides."""
    return k * np.absolute(x) >= 1


def _lambda_slope(z: Any, x: Any, k: Any) -> Any:
    slope = 1 / (z ** (k - 1) + (1 - z) ** (k - 1))
    return np.where(_outside(x, k), 0.0, slope)


def _small_lambda(z: Any, x: Any, k: Any) -> Any:
    """Of a shape below 1e-4 SciPy takes 0: the logarithm of the smaller share by Newton's steps, from nearby."""
    off = np.where((np.absolute(k) < 1e-4) & (k != 0), k, 1e-3)
    side = -np.absolute(np.where(off * np.absolute(x) < 1, x, 0.0))
    at = np.log1p(off * side) / off
    at = at - np.log1p(np.exp(at))
    for _ in range(4):
        share = np.exp(at)
        rest = 1 - share
        miss = np.expm1(off * at) / off - np.expm1(off * np.log1p(-share)) / off - side
        at = at - miss / (np.exp(off * at) + share * rest ** (off - 1))
    share = np.exp(at)
    found = (off == k) & (off * np.absolute(x) < 1)
    return np.where(found, np.where(x > 0, 1 - share, share), z)


def _lambda_by_shape(z: Any, x: Any, k: Any) -> Any:
    """Of Tukey's distribution: x = (z^k - (1 - z)^k) / k stays true."""
    outside = _outside(x, k)
    z = np.where(outside, 0.5, z)
    return -(boxcox_slope(z, z, k) - boxcox_slope(z, 1 - z, k)) * _lambda_slope(z, x, k)


def _normal_place(z: Any, p: Any) -> Any:
    """The derivative of ndtri(p), by its value."""
    return 1 / _bell(_of("ndtri", p))


# fmt: off
if importlib.util.find_spec("scipy") is not None:
    _enter = enter_scipys
    _enter("bdtr",     (_POSITIVE, _MANY, _SHARE), whole_number, whole_number, lambda z, k, n, p: -_binomial(k, n, p),    doc="the share of a binomial distribution up to k; none by k and n", singular=True)
    _enter("bdtrc",    (_POSITIVE, _MANY, _SHARE), whole_number, whole_number, lambda z, k, n, p: _binomial(k, n, p),     doc="1 - bdtr(k, n, p); none by k and n", singular=True)
    _enter("bdtri",    (_POSITIVE, _MANY, _SHARE), whole_number, whole_number, lambda z, k, n, y: -1 / _binomial(k, n, z), doc="the p with bdtr(k, n, p) = y; none by k and n", singular=True)
    _enter("nbdtr",    (_POSITIVE, _MANY, _SHARE), whole_number, whole_number, lambda z, k, n, p: _negative_binomial(k, n, p),   doc="the share of a negative binomial distribution up to k; none by k and n", singular=True)
    _enter("nbdtrc",   (_POSITIVE, _MANY, _SHARE), whole_number, whole_number, lambda z, k, n, p: -_negative_binomial(k, n, p),  doc="1 - nbdtr(k, n, p); none by k and n", singular=True)
    _enter("nbdtri",   (_POSITIVE, _MANY, _SHARE), whole_number, whole_number, lambda z, k, n, y: 1 / _negative_binomial(k, n, z), doc="the p with nbdtr(k, n, p) = y; none by k and n", singular=True)
    _enter("pdtrc",    (_POSITIVE, _POSITIVE),     whole_number, lambda z, k, m: _poisson(k, m),                     mend=whole_share(False, events), doc="the share of a Poisson distribution above k; none by k", singular=True)
    _enter("pdtri",    (_POSITIVE, _SHARE),        whole_number, lambda z, k, y: -1 / _poisson(np.trunc(k), z),      mend=whole_quantile(True, lambda k, y: (np.trunc(k) + 1.0, y, 1.0)), doc="the m with pdtr(k, m) = y; none by k", singular=True)
    _enter("chdtr",      (_POSITIVE, _POSITIVE),     *rises(_CHI),   mend=whole_share(False, _halves), doc="the share of the chi-squared distribution below x", singular=True)
    _enter("chdtrc",     (_POSITIVE, _POSITIVE),     *falls(_CHI),   mend=whole_share(True, _halves), doc="1 - chdtr(df, x)", singular=True)
    _enter("chdtri",     (_POSITIVE, _SHARE),        *solves(_CHI, 1, -1), mend=whole_quantile(True, lambda df, p: (0.5 * df, p, 2.0)), doc="the x with chdtrc(df, x) = p", singular=True)
    _enter("fdtr",       (_POSITIVE,) * 3,           *rises(_RATIO), doc="the share of the F distribution below x", singular=True)
    _enter("fdtrc",      (_POSITIVE,) * 3,           *falls(_RATIO), doc="1 - fdtr(a, b, x)", singular=True)
    _enter("fdtri",      (_POSITIVE, _POSITIVE, _SHARE), *solves(_RATIO, 2), doc="the x with fdtr(a, b, x) = p", singular=True)
    _enter("gdtr",       (_POSITIVE,) * 3,           *rises(_RATE),  mend=whole_share(False, _by_rate), doc="the share of the gamma distribution of rate a and shape b below x", singular=True)
    _enter("gdtrc",      (_POSITIVE,) * 3,           *falls(_RATE),  mend=whole_share(True, _by_rate), doc="1 - gdtr(a, b, x)", singular=True)
    _enter("gdtria",     (_SHARE, _POSITIVE, _POSITIVE), *solves(_RATE, 0), mend=whole_quantile(False, lambda p, b, x: (b, p, 1.0 / x)), doc="the rate a with gdtr(a, b, x) = p", singular=True)
    _enter("gdtrix",     (_POSITIVE, _POSITIVE, _SHARE), *solves(_RATE, 2), mend=whole_quantile(False, lambda a, b, p: (b, p, 1.0 / a)), doc="the x with gdtr(a, b, x) = p", singular=True)
    _enter("stdtrit",    (_POSITIVE, _SHARE),        *solves(STUDENT, 1), doc="the t with stdtr(df, t) = p", singular=True)
    _enter("betainccinv", (_POSITIVE, _POSITIVE, _SHARE), *solves(BETA, 2, -1), doc="the x with betaincc(a, b, x) = y", singular=True)
    # --- off centre -----------------------------------------------------------------------------------------
    _enter("chndtr",   (_POSITIVE,) * 3,           lambda z, x, df, nc: _chi_off_centre(x, df, nc), _OFF_CENTRE, lambda z, x, df, nc: -_chi_off_centre(x, df + 2, nc), doc="the share of the noncentral chi-squared distribution below x; that by df is refused", singular=True)
    _enter("chndtrix", (_SHARE, _POSITIVE, _POSITIVE), lambda z, p, df, nc: 1 / _chi_off_centre(z, df, nc), _OFF_CENTRE, lambda z, p, df, nc: _chi_off_centre(z, df + 2, nc) / _chi_off_centre(z, df, nc), doc="the x with chndtr(x, df, nc) = p; that by df is refused", singular=True)
    _enter("chndtrinc", ((1.0, 2.0), (1.0, 2.0), (0.1, 0.3)), lambda z, x, df, p: _off(z, _chi_off_centre(x, df, z) / _chi_off_centre(x, df + 2, z)), _OFF_CENTRE, lambda z, x, df, p: _off(z, -1 / _chi_off_centre(x, df + 2, z)), doc="the nc with chndtr(x, df, nc) = p; that by df is refused", singular=True)
    _enter("ncfdtr",   (_POSITIVE,) * 4,           _OFF_CENTRE, _OFF_CENTRE, lambda z, a, b, nc, x: _ratio_by_centre(a, b, nc, x), lambda z, a, b, nc, x: _ratio_off_centre(a, b, nc, x), doc="the share of the noncentral F distribution below x; those by its degrees are refused", singular=True)
    _enter("ncfdtri",  (_POSITIVE, _POSITIVE, _POSITIVE, _SHARE), _OFF_CENTRE, _OFF_CENTRE, lambda z, a, b, nc, p: -_ratio_by_centre(a, b, nc, z) / _ratio_off_centre(a, b, nc, z), lambda z, a, b, nc, p: 1 / _ratio_off_centre(a, b, nc, z), doc="the x with ncfdtr(a, b, nc, x) = p; those by its degrees are refused", singular=True)
    _enter("ncfdtrinc", (_POSITIVE, _POSITIVE, (0.05, 0.2), _POSITIVE), _OFF_CENTRE, _OFF_CENTRE, lambda z, a, b, p, x: _off(z, 1 / _ratio_by_centre(a, b, z, x)), lambda z, a, b, p, x: _off(z, -_ratio_off_centre(a, b, z, x) / _ratio_by_centre(a, b, z, x)), doc="the nc with ncfdtr(a, b, nc, x) = p; those by its degrees are refused", singular=True)
    # --- without degrees ------------------------------------------------------------------------------------
    _enter("kolmogorov", (0.3, 2.0),               _kolmogorov_slope,                                           doc="the share of Kolmogorov's distribution above y", singular=True)
    _enter("kolmogi",    _SHARE,                   lambda z, p: 1 / _kolmogorov_slope(p, z),                    doc="the y with kolmogorov(y) = p", singular=True)
    _enter("ndtri_exp",  (-3.0, -0.1),             lambda z, y: np.exp(y + 0.5 * z * z) / DENSITY,              doc="ndtri(exp(y)), exact far below 0", singular=True)
    _enter("nrdtrimn",   (_SHARE, _POSITIVE, _ANY), lambda z, p, s, x: -s * _normal_place(z, p), lambda z, p, s, x: -_of("ndtri", p), lambda z, p, s, x: 1.0, doc="the mean of a normal distribution of deviation s whose share below x is p", singular=True)
    _enter("nrdtrisd",   (_ANY, (0.6, 0.9), (3.0, 4.0)), lambda z, m, p, x: -1 / _of("ndtri", p), lambda z, m, p, x: -z * _normal_place(z, p) / _of("ndtri", p), lambda z, m, p, x: 1 / _of("ndtri", p), doc="the deviation of a normal distribution of mean m whose share below x is p", singular=True)
    _enter("tklmbda",    ((-0.9, 0.9), (0.3, 0.9)), _lambda_slope, _lambda_by_shape,                            mend=_small_lambda, doc="the share of Tukey's lambda distribution below x", singular=True)
    # --- the shape of a given share ---------------------------------------------------------------------------
    _enter("chdtriv",  (_SHARE, _POSITIVE),        *solves(_CHI, 0, share="chdtr"),        doc="the df with chdtr(df, x) = p", singular=True)
    _enter("gdtrib",   (_POSITIVE, _SHARE, _POSITIVE), *solves(_RATE, 1, share="gdtr"),   mend=whole_shape, doc="the shape b with gdtr(a, b, x) = p", singular=True)
    _enter("btdtria",  (_SHARE, _POSITIVE, _SHARE), *solves(BETA, 0, share="betainc"),       doc="the a with betainc(a, b, x) = p", singular=True)
    _enter("btdtrib",  (_POSITIVE, _SHARE, _SHARE), *solves(BETA, 1, share="betainc"),       doc="the b with betainc(a, b, x) = p", singular=True)
    _enter("stdtridf", ((0.28, 0.35), (-0.85, -0.8)), *solves(STUDENT, 0, share="stdtr"),     doc="the df with stdtr(df, t) = p", singular=True)
    _enter("fdtridfd", ((2.0, 3.0), (0.4, 0.55), (1.2, 1.5)), *solves(_RATIO, 1, share="fdtr"), doc="the b with fdtr(a, b, x) = p", singular=True)
    _enter("bdtrik",   (_SHARE, _MANY, _SHARE),    *solves(_TRIALS, 0, low=0, share=_trials),     doc="the k of 0 or more, between whole numbers, with bdtr(k, n, p) = y", singular=True)
    _enter("bdtrin",   (_POSITIVE, _SHARE, _SHARE), *solves(_TRIALS, 1, share=_trials),    doc="the n, between whole numbers, with bdtr(k, n, p) = y", singular=True)
    _enter("nbdtrik",  ((0.5, 0.9), _MANY, _SHARE), *solves(_FAILURES, 0, low=0, share=_failures),  doc="the k of 0 or more, between whole numbers, with nbdtr(k, n, p) = y", singular=True)
    _enter("nbdtrin",  (_POSITIVE, _SHARE, _SHARE), *solves(_FAILURES, 1, share=_failures),  doc="the n, between whole numbers, with nbdtr(k, n, p) = y", singular=True)
    _enter("pdtrik",   ((0.5, 0.9), _POSITIVE),    *solves(_EVENTS, 0, low=0, share=_events),     doc="the k of 0 or more, between whole numbers, with pdtr(k, m) = p", singular=True)
    for _name, _count in (("chndtridf", 3), ("ncfdtridfd", 4), ("ncfdtridfn", 4)):
        _enter(_name, (_POSITIVE,) * _count, *[_OFF_CENTRE] * _count, doc="the degrees of freedom of a given share; its derivatives are refused")
# fmt: on
