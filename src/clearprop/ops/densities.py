"""Logarithms of the densities of gamma, beta and Student variables, whatever their shapes.

Written with gammaln, the logarithm of a density is a difference of numbers that grow like a log(a): for
a = 1e16 nothing is left of it. With gammaln(a) = (a - 1/2) log(a) - a + log(2 pi)/2 + rest(a), the large
parts cancel on paper, and what remains is a (log(1 + u) - u), u = (x - a)/a, which has a series where u is
small [C. Loader, "Fast and accurate computation of binomial probabilities", 2000]. Student's by its degrees
is a sum of terms of the size 1/df^2 in the same manner.

The derivatives by the shapes are polygammas: the same op with an `order`, so that every one is exact.
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
from clearprop.registry import ops

# digamma's series at infinity: the coefficients of a^-2, a^-4 and so on
BERNOULLI = (
    *(-1 / 12, 1 / 120, -1 / 252, 1 / 240),
    *(-1 / 132, 691 / 32760, -1 / 12),
)
FAR_ENOUGH = 12  # where that series has all digits
_LARGE = 10.0  # from here on, gammaln is taken apart
_NEAR = 0.4  # |u| below it: the series of log(1 + u) - u
_TERMS = 15  # of that series, whose next is below 0.25^32
_MANY = 100.0  # degrees from which on Student's series has all digits


def _special() -> Any:
    return importlib.import_module("scipy.special")


def entries(of: Callable[..., Any], xs: tuple[Any, ...]) -> Any:
    """Return `of` the broadcast inputs, computed in float64 and given in their own dtype."""
    kind = np.result_type(*[np.asarray(x).dtype for x in xs], np.float32)
    every = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in xs))
    with np.errstate(all="ignore"):  # of several formulas one is taken
        return np.asarray(of(*every)).astype(kind)[()]


# --- what does not cancel -----------------------------------------------------------------------------------
def log_less(u: Any) -> Any:
    """log(1 + u) - u for |u| up to 0.4, by the odd powers of u / (2 + u).

    >>> float((log_less(np.float64(1e-10)) * 1e20).round(9))
    -0.5
    """
    r = u / (2 + u)
    square = r * r
    z = 1.0 / (2 * _TERMS + 3)
    for k in reversed(range(_TERMS)):
        z = z * square + 1.0 / (2 * k + 3)
    return 2 * r * square * z - u * r


def stirling_rest(a: Any) -> Any:
    """gammaln(a) - ((a - 1/2) log(a) - a + log(2 pi) / 2) for a of 10 or more."""
    square, z = 1 / (a * a), 0.0
    for k, c in reversed([*enumerate(BERNOULLI, start=1)]):
        z = z * square - c / (2 * k - 1)
    return z / a


def log_less_digamma(a: Any) -> Any:
    """log(a) - digamma(a) for a of 10 or more."""
    square, z = 1 / (a * a), 0.0
    for c in reversed(BERNOULLI):
        z = z * square - c
    return 0.5 / a + z * square


def polygamma_rise(j: int, a: Any, b: Any) -> Any:
    """polygamma(j, a + b) - polygamma(j, a), also where b is small beside a."""

    def powers(z: Any, p: int) -> Any:
        return z ** float(-p) * np.expm1(-p * np.log1p(b / z))

    far, sign = a + FAR_ENOUGH, (-1) ** j
    total = np.log1p(b / far) if j == 0 else -sign * math.factorial(j - 1) * powers(far, j)
    for p, c in ((1, -0.5), *zip(range(2, 15, 2), BERNOULLI, strict=True)):
        total = total + sign * c * math.perm(p + j - 1, j) * powers(far, p + j)
    for k in range(FAR_ENOUGH):
        total = total - sign * math.factorial(j) * powers(a + k, j + 1)
    return total


def log_beta(a: Any, b: Any) -> Any:
    """log(beta(a, b)), also where the one is small beside the other."""
    of, low, high = _special(), np.minimum(a, b), np.maximum(a, b)
    high = np.where(high < _LARGE, _LARGE, high)
    v, n = low / high, low + high
    bent = np.where(v < _NEAR, high * log_less(v), high * np.log1p(v) - low)
    rise = bent - 0.5 * np.log1p(v) + low * np.log(n) + stirling_rest(n) - stirling_rest(high)
    apart = (np.maximum(a, b) >= _LARGE) & (np.maximum(a, b) < np.inf)
    return np.where(apart, of.gammaln(low) - rise, of.betaln(a, b))


# --- gamma --------------------------------------------------------------------------------------------------
def log_gamma(a: Any, x: Any) -> Any:
    of, near = _special(), (a >= _LARGE) & (np.abs(x - a) < _NEAR * a)
    u = np.where(near, (x - a) / a, 0.0)
    large = 0.5 * (np.log(a) - math.log(2 * math.pi)) - np.log(x) - stirling_rest(a) + a * log_less(u)
    z = np.where(near, large, of.xlogy(a - 1, x) - x - of.gammaln(a))
    z = np.where((x == np.inf) != (a == np.inf), -np.inf, z)
    return np.where((a >= 0) & (x >= 0), z, np.nan)


def log_gamma_slope(order: int, a: Any, x: Any) -> Any:
    """The derivatives of the logarithm of the density by its shape: log(x) - digamma(a), and those of it."""
    if order > 1:
        return -_special().polygamma(order - 1, a) + 0.0 * x
    near = (a >= _LARGE) & (np.abs(x - a) < _NEAR * a)
    u = np.where(near, (x - a) / a, 0.0)
    return np.where(near, np.log1p(u) + log_less_digamma(a), np.log(x) - _special().digamma(a))


def _gamma_by_place(a: Any, x: Any) -> Any:
    """(a - 1 - x) / x, and -1 where x is infinite, or 0 for a = 1."""
    flat = (x == np.inf) | ((x == 0) & (a == 1))
    place = np.where(flat, 1.0, x)
    return np.where(flat, -1.0, (np.where(flat, 1.0, a) - place - 1.0) / place)


# --- beta ---------------------------------------------------------------------------------------------------
def log_beta_of(a: Any, b: Any, x: Any) -> Any:
    of, y, n = _special(), 1 - x, a + b
    u, v = n * x / a - 1, n * y / b - 1
    exact_u, exact_v = (n * x - a) / a, (n * y - b) / b
    near = (np.minimum(a, b) >= _LARGE) & (np.abs(u) < _NEAR) & (np.abs(v) < _NEAR)
    u, v = np.where(near, exact_u, 0.0), np.where(near, exact_v, 0.0)
    rests = stirling_rest(n) - stirling_rest(a) - stirling_rest(b)
    large = rests + a * log_less(u) + b * log_less(v) - np.log(x) - np.log1p(-x)
    large = large + 0.5 * (np.log(a / n) + np.log(b) - math.log(2 * math.pi))
    z = np.where(near, large, of.xlogy(a - 1, x) + of.xlog1py(b - 1, -x) - log_beta(a, b))
    full = ((a == np.inf) & (x == 1) & (b <= 1)) | ((b == np.inf) & (x == 0) & (a <= 1))
    full = full | ((a == 0) & (x == 0)) | ((b == 0) & (x == 1))  # where the share jumps
    z = np.where(full, np.inf, np.where((a == np.inf) | (b == np.inf), -np.inf, z))
    bad = ((a == 0) & (b == 0)) | ((a == np.inf) & (b == np.inf))
    return np.where((a >= 0) & (b >= 0) & (x >= 0) & (x <= 1) & ~bad, z, np.nan)


def log_beta_slope(m: int, n: int, a: Any, b: Any, x: Any) -> Any:
    """The derivatives of the logarithm of the density by a (m times) and b (n times)."""
    if m and n:
        return _special().polygamma(m + n - 1, a + b) + 0.0 * x
    rise = polygamma_rise(m + n - 1, *((a, b) if m else (b, a)))
    if m + n > 1:
        return rise + 0.0 * x
    return rise + (np.log(x) if m else np.log1p(-x))


def _beta_by_place(a: Any, b: Any, x: Any) -> Any:
    """(a - 1) / x - (b - 1) / (1 - x), the parts that are 0 / 0 left out."""
    first, last = (x == 0) & (a == 1), (x == 1) & (b == 1)
    before = np.where(first, 0.0, (a - 1.0) / np.where(first, 1.0, x))
    return before - np.where(last, 0.0, (b - 1.0) / np.where(last, 1.0, 1.0 - x))


# --- Student's ----------------------------------------------------------------------------------------------
def _student(df: Any, t: Any) -> Any:
    endless = df == np.inf
    v = np.where(endless, 1.0, df)
    near = t * t < v  # log1p keeps the digits of what is small beside 1
    fall = np.where(near, np.log1p(np.where(near, t * t, 0.0) / v), -parts_of(v, t)[1])
    z = -log_beta(v / 2, 0.5 + 0 * v) - 0.5 * np.log(v) - (v + 1) / 2 * fall
    z = np.where(endless, -0.5 * t * t - 0.5 * math.log(2 * math.pi), z)
    return np.where(df > 0, z, np.nan)


def _degrees_rise(j: int, df: Any) -> Any:
    """digamma((df + 1) / 2) - digamma(df / 2) - 1 / df, derived j times, by its series for large df."""
    sign, few = (-1) ** j, np.minimum(df, _MANY)
    near = polygamma_rise(j, few / 2, 0.5 + 0 * few) / 2.0**j - sign * math.factorial(j) * few ** -(j + 1.0)
    series: Any = 0.0
    for k, c in enumerate(BERNOULLI, start=1):  # -2 c is the Bernoulli number of 2 k, over k
        series = series - 2 * c * (4**k - 1) * sign * math.perm(2 * k + j - 1, j) * np.maximum(df, 1) ** -(
            2.0 * k + j
        )
    return np.where(df < _MANY, near, series)


def log_student_slope(order: int, df: Any, log_w: Any, v: Any) -> Any:
    """The derivatives of the logarithm of Student's density by its degrees, with v = t^2 / (df + t^2).

    With w = 1 - v the first is half of `_degrees_rise` + v / df + log(w) + v; a term v^k / df^m has the
    derivative (k v^(k + 1) - (k + m) v^k) / df^(m + 1), and log(w) + v has v^2 / df.
    """
    if order == 1:
        small = v < _NEAR
        bent = np.where(small, log_less(np.where(small, -v, 0.0)), log_w + v)
        return 0.5 * (_degrees_rise(0, df) + v / df + bent)
    terms = {(1, 2): -2.0, (2, 2): 1.0, (2, 1): 1.0}  # of v^k / df^m in the second
    for _ in range(order - 2):
        more: dict[tuple[int, int], float] = {}
        for (k, m), c in terms.items():
            more[k + 1, m + 1] = more.get((k + 1, m + 1), 0.0) + k * c
            more[k, m + 1] = more.get((k, m + 1), 0.0) - (k + m) * c
        terms = more
    return 0.5 * (_degrees_rise(order - 1, df) + sum(c * v**k / df**m for (k, m), c in terms.items()))


def parts_of(df: Any, t: Any) -> tuple[Any, Any, Any]:
    """df / (df + t^2), its logarithm, and what is left of 1, also where t^2 is no float."""
    ratio = np.abs(t) / np.sqrt(df)
    down = np.maximum(ratio, 1.0)
    low, high = (1 / down) ** 2, np.minimum(ratio, 1.0) ** 2
    return low / (low + high), -np.log1p(np.minimum(low, high)) - 2 * np.log(down), high / (low + high)


def _student_slope(order: int, df: Any, t: Any) -> Any:
    endless = df == np.inf
    v = np.where(endless, 1.0, df)
    _, log_w, rest = parts_of(v, t)
    z = np.where(endless, 0.0, log_student_slope(order, v, log_w, rest))
    return np.where(df > 0, z, np.nan)


def _student_by_place(df: Any, t: Any) -> Any:
    """-(df + 1) t / (df + t^2), of any t, and -t for infinite df."""
    endless, far = df == np.inf, np.absolute(t) > 1
    v, one = np.where(endless, 1.0, df), np.where(far, t, 1.0)
    near = np.where(far, 1.0, t)
    z = np.where(far, -(v + 1.0) / (one + v / one), -(v + 1.0) * near / (v + near * near))
    return np.where(endless, -t, z)


def _student_turn(order: int, df: Any, t: Any) -> Any:
    """The derivatives of that by df, `order` times: of -t (1 + (1 - t^2) / (df + t^2))."""
    size = -((-1) ** order) * math.factorial(order)
    return np.where(df == np.inf, 0.0, size * t * (1.0 - t * t) / (df + t * t) ** (order + 1.0))


# --- the ops ------------------------------------------------------------------------------------------------
_FACTS = Facts(kinks=False, lower=stays_a_call("SciPy's functions are called"))
_A, _B, _X = np.array([0.4, 1.3, 14.0]), np.array([2.2, 0.7, 13.0]), np.array([[0.4], [0.6]])


def _gamma_places(order: int, a: Any, x: Any) -> Any:
    return _gamma_by_place(a, x) if order == 0 else 1 / x if order == 1 else 0.0 * x


def _beta_places(order: tuple[int, int], a: Any, b: Any, x: Any) -> Any:
    if order == (0, 0):
        return _beta_by_place(a, b, x)
    return {(1, 0): 1 / x, (0, 1): -1 / (1 - x)}.get(order, 0.0 * x)


def _polygamma(j: int, x: Any) -> Any:
    """The derivatives of digamma for x above 0, with gradients."""
    return ops["zeta"](np.float64(j + 1), x) * ((-1) ** (j + 1) * math.factorial(j))


def more(order: tuple[int, int], i: int) -> tuple[int, int]:
    """Return an order, one higher by a (i is 0) or by b."""
    return order[0] + (i == 0), order[1] + (i == 1)


if importlib.util.find_spec("scipy") is not None:

    @define(
        "polygamma_rise",
        "opaque",
        lambda g, z, a, b, order: g * ops["polygamma_rise"](a, b, order=order + 1),
        lambda g, z, a, b, order: g * _polygamma(order + 1, a + b),
        facts=_FACTS,
        examples=(((_A, _B), {}), ((_A, _B), {"order": 1})),
    )
    def rise_of_polygamma(a: Any, b: Any, *, order: int = 0) -> Any:
        """The derivative of digamma, `order` times, at a + b less that at a; for a and a + b above 0.

        >>> float(rise_of_polygamma(1.0, 1.0).round(12)), float(rise_of_polygamma(1e300, 1e-300))
        (1.0, 0.0)
        """
        return entries(lambda a, b: polygamma_rise(order, a, b), (a, b))

    @define(
        "log_gamma_density",
        "opaque",
        lambda g, z, a, x, order: g * ops["log_gamma_density"](a, x, order=order + 1),
        lambda g, z, a, x, order: g * _gamma_places(order, a, x),
        facts=_FACTS,
        examples=(((_A, 20 * _X), {}), ((_A, 20 * _X), {"order": 1}), ((_A, 20 * _X), {"order": 2})),
    )
    def log_gamma_density(a: Any, x: Any, *, order: int = 0) -> Any:
        """The logarithm of x^(a - 1) exp(-x) / gamma(a), or its derivative by a, `order` times.

        >>> float(log_gamma_density(1e20, 1e20).round(9)), float(log_gamma_density(2.0, 1.0))
        (-23.944789463, -1.0)
        """
        return entries(lambda a, x: log_gamma_slope(order, a, x) if order else log_gamma(a, x), (a, x))

    @define(
        "log_beta_density",
        "opaque",
        lambda g, z, a, b, x, order: g * ops["log_beta_density"](a, b, x, order=more(order, 0)),
        lambda g, z, a, b, x, order: g * ops["log_beta_density"](a, b, x, order=more(order, 1)),
        lambda g, z, a, b, x, order: g * _beta_places(order, a, b, x),
        facts=_FACTS,
        examples=tuple(
            ((_A, _B, _X), {"order": order}) for order in ((0, 0), (1, 0), (0, 1), (1, 1), (0, 2))
        ),
    )
    def log_beta_density(a: Any, b: Any, x: Any, *, order: tuple[int, int] = (0, 0)) -> Any:
        """The logarithm of x^(a - 1) (1 - x)^(b - 1) / beta(a, b), derived by a and b `order` times each.

        >>> float(log_beta_density(1e16, 1e16, 0.5).round(9)), float(log_beta_density(1.0, 1.0, 0.3))
        (18.541462982, 0.0)
        """
        of = (lambda a, b, x: log_beta_slope(*order, a, b, x)) if any(order) else log_beta_of
        return entries(of, (a, b, x))

    @define(
        "log_student_density",
        "opaque",
        lambda g, z, df, t, order: g * ops["log_student_density"](df, t, order=order + 1),
        lambda g, z, df, t, order: g * (_student_turn(order, df, t) if order else _student_by_place(df, t)),
        facts=_FACTS,
        examples=tuple(((_A + 1, 4 * _X - 2), {"order": order}) for order in (0, 1, 2)),
    )
    def log_student_density(df: Any, t: Any, *, order: int = 0) -> Any:
        """The logarithm of Student's density of df degrees at t, or its derivative by df, `order` times.

        >>> float(log_student_density(np.inf, 0.0).round(6)), float(log_student_density(1e300, 0.0).round(6))
        (-0.918939, -0.918939)
        """
        return entries(lambda df, t: _student_slope(order, df, t) if order else _student(df, t), (df, t))

    rise_of_polygamma.batch = by_entries
    log_gamma_density.batch = log_beta_density.batch = log_student_density.batch = by_entries
