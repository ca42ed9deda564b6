"""`scipy.stats`: densities with gradients by the point and by every parameter, and samples with them too.

`norm.logpdf(x, loc, scale)`, `gamma(a).cdf(x)`, `norm.rvs(loc, scale, size)` and their kin have SciPy's
names, arguments and order of arguments. Outside of what a distribution can give, a logarithm is -inf, and NaN
where a parameter is none, as SciPy has it. Samples are Tensors, drawn from the state that
`clearprop.manual_seed` sets. What is not here is SciPy's own, of plain numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.ops.random import normal
from clearprop.ops.random import uniform as _uniform
from clearprop.registry import ops
from clearprop.scipy import sampling
from clearprop.scipy.continuous import Continuous
from clearprop.scipy.discrete import Discrete
from clearprop.scipy.rest import reader
from clearprop.scipy.tails import (
    log_narrow,
    log_one_plus_square,
    log_ratio_density,
    log_ratio_share,
    log_reached,
    ratio_shares,
    seldom,
)
from clearprop.scipy.vectors import Dirichlet, Multinomial, MultivariateNormal, MultivariateT

_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)
_EULER = 0.5772156649015329


def _op(name: str) -> Any:
    """Return an op by its name, found when it is called."""
    return lambda *xs: ops[name](*xs)


_gammaln, _betaln, _digamma, _ndtr, _ndtri = map(_op, ("gammaln", "betaln", "digamma", "ndtr", "ndtri"))
_xlogy, _xlog1py, _log_ndtr, _softplus = map(_op, ("xlogy", "xlog1py", "log_ndtr", "softplus"))
_gammainc, _gammaincc, _gammaincinv = map(_op, ("gammainc", "gammaincc", "gammaincinv"))
_betainc, _betaincc, _betaincinv = map(_op, ("betainc", "betaincc", "betaincinv"))


def _log_betaincc(a: Any, b: Any, x: Any) -> Any:
    return seldom("log_betainc", a, b, x, above=True)


def _from(low: float) -> Any:
    return lambda *shapes: (low, math.inf)


def _unit(*shapes: Any) -> tuple[float, float]:
    return 0.0, 1.0


def _normal(y: Any) -> Any:
    return -0.5 * y * y - _LOG_ROOT_TWO_PI


def _otherwise_infinite(of: Any, df: Any, low: float) -> Any:
    return np.where(df > low, of(np.where(df > low, df, low + 1.0)), np.inf)


def _of_angle(q: Any) -> Any:
    """Return tan(pi (q - 1/2)), near 0 and 1 by what is left to them."""
    tail = np.abs(q - 0.5) > 0.25
    outer = np.where(tail, np.where(q < 0.5, q, 1.0 - q), 0.25)
    return np.where(
        tail, np.sign(q - 0.5) / np.tan(math.pi * outer), np.tan(math.pi * (np.where(tail, 0.5, q) - 0.5))
    )


def _of_quarter(q: Any) -> Any:
    """Return tan(pi q / 2), near 1 by what is left to it."""
    last = q > 0.5
    rest = np.where(last, 1.0 - q, 0.5)
    return np.where(last, 1.0 / np.tan(math.pi / 2.0 * rest), np.tan(math.pi / 2.0 * np.where(last, 0.5, q)))


# --- continuous ---------------------------------------------------------------------------------------------
norm: Continuous = Continuous(
    "norm",
    _normal,
    below=_ndtr,
    above=lambda y: _ndtr(-y),
    log_below=_log_ndtr,
    log_above=lambda y: _log_ndtr(-y),
    quantile=_ndtri,
    middle=lambda: 0.0,
    spread=lambda: 1.0,
    height=lambda: _LOG_ROOT_TWO_PI + 0.5,
    draw=normal,
)
uniform: Continuous = Continuous(
    "uniform",
    lambda y: 0.0 * y,
    ends=_unit,
    below=lambda y: y,
    above=lambda y: 1.0 - y,
    log_above=lambda y: np.log1p(-y),
    quantile=lambda q: q,
    middle=lambda: 0.5,
    spread=lambda: 1.0 / 12.0,
    height=lambda: 0.0,
    draw=_uniform,
)
expon: Continuous = Continuous(
    "expon",
    lambda y: -y,
    ends=_from(0.0),
    below=lambda y: -np.expm1(-y),
    above=lambda y: np.exp(-y),
    log_below=lambda y: log_reached(np.log(y)),
    log_above=lambda y: -y,
    quantile=lambda q: -np.log1p(-q),
    middle=lambda: 1.0,
    spread=lambda: 1.0,
    height=lambda: 1.0,
    draw=sampling.exponential,
)


def _double_exponential(y: Any) -> Any:
    """Return Laplace's share below y: both halves have a part at 0, where the share has a slope."""
    return 0.5 * np.exp(np.minimum(y, 0.0)) - 0.5 * np.expm1(-np.maximum(y, 0.0))


def _log_double_exponential(y: Any) -> Any:
    return np.minimum(y, 0.0) + np.log1p(-0.5 * np.exp(-np.maximum(y, 0.0)))


laplace: Continuous = Continuous(
    "laplace",
    lambda y: math.log(0.5) - np.abs(y),
    below=_double_exponential,
    above=lambda y: _double_exponential(-y),
    log_below=_log_double_exponential,
    log_above=lambda y: _log_double_exponential(-y),
    quantile=lambda q: np.where(q < 0.5, np.log(2.0 * q), -np.log(2.0 - 2.0 * q)),
    middle=lambda: 0.0,
    spread=lambda: 2.0,
    height=lambda: 1.0 + math.log(2.0),
    draw=lambda shape: sampling.exponential(shape) - sampling.exponential(shape),
)
logistic: Continuous = Continuous(
    "logistic",
    lambda y: -_softplus(y) - _softplus(-y),
    below=_op("sigmoid"),
    above=lambda y: ops["sigmoid"](-y),
    log_below=lambda y: -_softplus(-y),
    log_above=lambda y: -_softplus(y),
    quantile=_op("logit"),
    middle=lambda: 0.0,
    spread=lambda: math.pi**2 / 3.0,
    height=lambda: 2.0,
    draw=lambda shape: ops["logit"](sampling.open_uniform(shape)),
)
cauchy: Continuous = Continuous(
    "cauchy",
    lambda y: -math.log(math.pi) - log_one_plus_square(y),
    below=lambda y: np.arctan2(1.0, -y) / math.pi,
    above=lambda y: np.arctan2(1.0, y) / math.pi,
    quantile=_of_angle,
    height=lambda: math.log(4.0 * math.pi),
    draw=lambda shape: np.tan(math.pi * (sampling.open_uniform(shape) - 0.5)),
)


def _growth(y: Any) -> Any:
    """Return exp(y), kept where exp(-exp(y)) is 0 and both derivatives of that are."""
    return np.exp(np.minimum(y, 10.0))


gumbel_r: Continuous = Continuous(
    "gumbel_r",
    lambda y: -y - np.exp(-y),
    below=lambda y: np.exp(-_growth(-y)),
    above=lambda y: -np.expm1(-_growth(-y)),
    log_below=lambda y: -np.exp(-y),
    log_above=lambda y: log_reached(-y),
    quantile=lambda q: -np.log(-np.log(q)),
    middle=lambda: _EULER,
    spread=lambda: math.pi**2 / 6.0,
    height=lambda: 1.0 + _EULER,
    draw=sampling.gumbel,
)
gumbel_l: Continuous = Continuous(
    "gumbel_l",
    lambda y: y - np.exp(y),
    below=lambda y: -np.expm1(-_growth(y)),
    above=lambda y: np.exp(-_growth(y)),
    log_below=log_reached,
    log_above=lambda y: -np.exp(y),
    quantile=lambda q: np.log(-np.log1p(-q)),
    middle=lambda: -_EULER,
    spread=lambda: math.pi**2 / 6.0,
    height=lambda: 1.0 + _EULER,
    draw=lambda shape: -sampling.gumbel(shape),
)


def _log_above_half(y: Any) -> Any:
    """Return the logarithm of erfc(y / sqrt(2)), near 0 by erf."""
    early = y < 0.5
    near, far = np.where(early, y, 0.0), np.where(early, 0.5, y)
    return np.where(early, np.log1p(-ops["erf"](near / math.sqrt(2.0))), math.log(2.0) + _log_ndtr(-far))


halfnorm: Continuous = Continuous(
    "halfnorm",
    lambda y: 0.5 * math.log(2.0 / math.pi) - 0.5 * y * y,
    ends=_from(0.0),
    below=lambda y: ops["erf"](y / math.sqrt(2.0)),
    above=lambda y: ops["erfc"](y / math.sqrt(2.0)),
    log_above=_log_above_half,
    quantile=lambda q: math.sqrt(2.0) * ops["erfinv"](q),
    middle=lambda: math.sqrt(2.0 / math.pi),
    spread=lambda: 1.0 - 2.0 / math.pi,
    height=lambda: 0.5 * math.log(math.pi / 2.0) + 0.5,
    draw=lambda shape: np.abs(normal(shape)),
)
halfcauchy: Continuous = Continuous(
    "halfcauchy",
    lambda y: math.log(2.0 / math.pi) - log_one_plus_square(y),
    ends=_from(0.0),
    below=lambda y: 2.0 / math.pi * np.arctan(y),
    above=lambda y: 2.0 / math.pi * np.arctan2(1.0, y),
    quantile=_of_quarter,
    height=lambda: math.log(2.0 * math.pi),
    draw=lambda shape: np.tan(math.pi / 2.0 * sampling.open_uniform(shape)),
)
rayleigh: Continuous = Continuous(
    "rayleigh",
    lambda y: np.log(y) - 0.5 * y * y,
    ends=_from(0.0),
    below=lambda y: -np.expm1(-0.5 * y * y),
    above=lambda y: np.exp(-0.5 * y * y),
    log_below=lambda y: log_reached(2.0 * np.log(y) - math.log(2.0)),
    log_above=lambda y: -0.5 * y * y,
    quantile=lambda q: np.sqrt(-2.0 * np.log1p(-q)),
    middle=lambda: math.sqrt(math.pi / 2.0),
    spread=lambda: 2.0 - math.pi / 2.0,
    height=lambda: 1.0 + _EULER / 2.0 - 0.5 * math.log(2.0),
    draw=lambda shape: np.sqrt(2.0 * sampling.exponential(shape)),
)
gamma: Continuous = Continuous(
    "gamma",
    lambda y, a: seldom("log_gamma_density", a, y),
    ("a",),
    _from(0.0),
    below=lambda y, a: _gammainc(a, y),
    above=lambda y, a: _gammaincc(a, y),
    log_below=lambda y, a: seldom("log_gammainc", a, y),
    log_above=lambda y, a: seldom("log_gammainc", a, y, above=True),
    quantile=lambda q, a: _gammaincinv(a, q),
    middle=lambda a: a,
    spread=lambda a: a,
    height=lambda a: a + _gammaln(a) + (1.0 - a) * _digamma(a),
    draw=lambda shape, a: np.exp(sampling.log_gamma(shape, a)),
)
chi2: Continuous = Continuous(
    "chi2",
    lambda y, df: seldom("log_gamma_density", df / 2, y / 2) - math.log(2.0),
    ("df",),
    _from(0.0),
    below=lambda y, df: _gammainc(df / 2, y / 2),
    above=lambda y, df: _gammaincc(df / 2, y / 2),
    log_below=lambda y, df: seldom("log_gammainc", df / 2, y / 2),
    log_above=lambda y, df: seldom("log_gammainc", df / 2, y / 2, above=True),
    quantile=lambda q, df: 2.0 * _gammaincinv(df / 2, q),
    middle=lambda df: df,
    spread=lambda df: 2.0 * df,
    height=lambda df: df / 2 + math.log(2.0) + _gammaln(df / 2) + (1.0 - df / 2) * _digamma(df / 2),
    draw=lambda shape, df: 2.0 * np.exp(sampling.log_gamma(shape, df / 2)),
)
invgamma: Continuous = Continuous(
    "invgamma",
    lambda y, a: seldom("log_gamma_density", a, 1.0 / y) - 2.0 * np.log(y),
    ("a",),
    _from(0.0),
    open=True,
    below=lambda y, a: _gammaincc(a, 1.0 / y),
    above=lambda y, a: _gammainc(a, 1.0 / y),
    log_below=lambda y, a: seldom("log_gammainc", a, 1.0 / y, above=True),
    log_above=lambda y, a: seldom("log_gammainc", a, 1.0 / y),
    quantile=lambda q, a: 1.0 / ops["gammainccinv"](a, q),
    middle=lambda a: _otherwise_infinite(lambda a: 1.0 / (a - 1.0), a, 1.0),
    spread=lambda a: _otherwise_infinite(lambda a: 1.0 / ((a - 1.0) ** 2 * (a - 2.0)), a, 2.0),
    height=lambda a: a + _gammaln(a) - (1.0 + a) * _digamma(a),
    draw=lambda shape, a: np.exp(-sampling.log_gamma(shape, a)),
)
beta: Continuous = Continuous(
    "beta",
    lambda y, a, b: seldom("log_beta_density", a, b, y),
    ("a", "b"),
    _unit,
    below=lambda y, a, b: _betainc(a, b, y),
    above=lambda y, a, b: _betaincc(a, b, y),
    log_below=lambda y, a, b: seldom("log_betainc", a, b, y),
    log_above=lambda y, a, b: seldom("log_betainc", a, b, y, above=True),
    quantile=lambda q, a, b: _betaincinv(a, b, q),
    middle=lambda a, b: a / (a + b),
    spread=lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1.0)),
    height=lambda a, b: (
        _betaln(a, b) - (a - 1.0) * _digamma(a) - (b - 1.0) * _digamma(b) + (a + b - 2.0) * _digamma(a + b)
    ),
    draw=sampling.share,
)


def _student_height(df: Any) -> Any:
    endless = df == np.inf
    df = np.where(endless, 1.0, df)
    rise = _digamma((df + 1) / 2) - _digamma(df / 2)
    finite = (df + 1) / 2 * rise + 0.5 * np.log(df) + _betaln(df / 2, 0.5 + 0.0 * df)
    return np.where(endless, _LOG_ROOT_TWO_PI + 0.5, finite)


t: Continuous = Continuous(
    "t",
    lambda y, df: seldom("log_student_density", df, y),
    ("df",),
    below=lambda y, df: ops["stdtr"](df, y),
    above=lambda y, df: ops["stdtr"](df, -y),
    log_below=lambda y, df: seldom("log_stdtr", df, y),
    log_above=lambda y, df: seldom("log_stdtr", df, -y),
    quantile=lambda q, df: seldom("student_quantile", df, q),
    middle=lambda df: _otherwise_infinite(lambda df: 0.0 / df, df, 1.0),
    spread=lambda df: np.where(
        df > 1, _otherwise_infinite(lambda df: 1.0 / (1.0 - 2.0 / df), df, 2.0), np.nan
    ),
    height=_student_height,
    draw=sampling.student,
)


def _ratio_height(dfn: Any, dfd: Any) -> Any:
    m, n = dfn / 2, dfd / 2
    turns = (1.0 - m) * _digamma(m) - (1.0 + n) * _digamma(n) + (m + n) * _digamma(m + n)
    return np.log(n) - np.log(m) + _betaln(m, n) + turns


f: Continuous = Continuous(
    "f",
    log_ratio_density,
    ("dfn", "dfd"),
    _from(0.0),
    below=lambda y, m, n: _betainc(m / 2, n / 2, ratio_shares(y, m, n)[0]),
    above=lambda y, m, n: _betainc(n / 2, m / 2, ratio_shares(y, m, n)[1]),
    log_below=lambda y, m, n: log_ratio_share(y, m, n, False),
    log_above=lambda y, m, n: log_ratio_share(y, m, n, True),
    quantile=lambda q, m, n: seldom("fdtri", m, n, q),
    middle=lambda m, n: _otherwise_infinite(lambda n: n / (n - 2.0), n, 2.0) + 0.0 * m,
    spread=lambda m, n: _otherwise_infinite(
        lambda n: 2.0 * n * n * (m + n - 2.0) / (m * (n - 2.0) ** 2 * (n - 4.0)), n, 4.0
    ),
    height=_ratio_height,
)
lognorm: Continuous = Continuous(
    "lognorm",
    lambda y, s: -0.5 * np.square(np.log(y) / s) - np.log(s) - np.log(y) - _LOG_ROOT_TWO_PI,
    ("s",),
    _from(0.0),
    open=True,
    below=lambda y, s: _ndtr(np.log(y) / s),
    above=lambda y, s: _ndtr(-np.log(y) / s),
    log_below=lambda y, s: _log_ndtr(np.log(y) / s),
    log_above=lambda y, s: _log_ndtr(-np.log(y) / s),
    quantile=lambda q, s: np.exp(s * _ndtri(q)),
    middle=lambda s: np.exp(s * s / 2),
    spread=lambda s: np.expm1(s * s) * np.exp(s * s),
    height=lambda s: _LOG_ROOT_TWO_PI + 0.5 + np.log(s),
    draw=lambda shape, s: np.exp(s * normal(shape)),
)


def _power(y: Any, c: Any) -> Any:
    """Return y^c, kept where exp(-y^c) is 0 and both derivatives of that are."""
    far = c * np.log(y) > 10.0
    return np.where(far, np.exp(10.0), np.where(far, 1.0, y) ** c)


weibull_min: Continuous = Continuous(
    "weibull_min",
    lambda y, c: np.log(c) + _xlogy(c - 1.0, y) - y**c,
    ("c",),
    _from(0.0),
    below=lambda y, c: -np.expm1(-_power(y, c)),
    above=lambda y, c: np.exp(-_power(y, c)),
    log_below=lambda y, c: log_reached(c * np.log(y)),
    log_above=lambda y, c: -(y**c),
    quantile=lambda q, c: (-np.log1p(-q)) ** (1.0 / c),
    middle=lambda c: np.exp(_gammaln(1.0 + 1.0 / c)),
    spread=lambda c: np.exp(_gammaln(1.0 + 2.0 / c)) - np.exp(2.0 * _gammaln(1.0 + 1.0 / c)),
    height=lambda c: _EULER - _EULER / c - np.log(c) + 1.0,
    draw=lambda shape, c: sampling.exponential(shape) ** (1.0 / c),
)
pareto: Continuous = Continuous(
    "pareto",
    lambda y, b: np.log(b) - (b + 1.0) * np.log(y),
    ("b",),
    _from(1.0),
    safe=lambda b: 2.0,
    below=lambda y, b: -np.expm1(-b * np.log(y)),
    above=lambda y, b: y ** (-b),
    log_below=lambda y, b: log_reached(np.log(b) + np.log(np.log(y))),
    log_above=lambda y, b: -b * np.log(y),
    quantile=lambda q, b: np.exp(-np.log1p(-q) / b),
    middle=lambda b: _otherwise_infinite(lambda b: b / (b - 1.0), b, 1.0),
    spread=lambda b: _otherwise_infinite(lambda b: b / (b - 2.0) / (b - 1.0) ** 2, b, 2.0),
    height=lambda b: 1.0 + 1.0 / b - np.log(b),
    draw=lambda shape, b: np.exp(sampling.exponential(shape) / b),
)


def _inverse_gauss(y: Any, mu: Any, side: float) -> Any:
    """The logarithm of the share below (side 1) or above y."""
    root = 1.0 / np.sqrt(y)
    more = _log_ndtr(side * root * (y / mu - 1.0))
    less = 2.0 / mu + _log_ndtr(-root * (y / mu + 1.0))
    return more + np.log1p(side * np.exp(less - more))


invgauss: Continuous = Continuous(
    "invgauss",
    lambda y, mu: -_LOG_ROOT_TWO_PI - 1.5 * np.log(y) - np.square(y / mu - 1.0) / (2.0 * y),
    ("mu",),
    _from(0.0),
    open=True,
    above=lambda y, mu: np.exp(_inverse_gauss(y, mu, -1.0)),
    log_below=lambda y, mu: _inverse_gauss(y, mu, 1.0),
    log_above=lambda y, mu: _inverse_gauss(y, mu, -1.0),
    middle=lambda mu: mu,
    spread=lambda mu: mu**3,
)
vonmises: Continuous = Continuous(
    "vonmises",
    lambda y, kappa: kappa * ops["cosm1"](y) - math.log(2.0 * math.pi) - np.log(ops["i0e"](kappa)),
    ("kappa",),
    allowed=lambda kappa: kappa >= 0,
)
skewnorm: Continuous = Continuous(
    "skewnorm",
    lambda y, a: math.log(2.0) + _normal(y) + _log_ndtr(a * np.where(np.abs(y) < np.inf, y, 0.0)),
    ("a",),
    allowed=lambda a: a == a,
    middle=lambda a: math.sqrt(2.0 / math.pi) * a / np.sqrt(1.0 + a * a),
    spread=lambda a: 1.0 - 2.0 / math.pi * a * a / (1.0 + a * a),
)


def _log_mass_between(a: Any, b: Any) -> Any:
    """Return log(ndtr(b) - ndtr(a)) from the smaller tails, or for a narrow interval by its integral."""
    steepness = np.maximum(1.0, np.minimum(np.abs(a), np.abs(b)))
    narrow = (b - a) * steepness < 0.5
    right = a > 0
    low = np.where(right, -b, a)
    high = np.where(right, -a, b)
    low = np.where(narrow, -1.0, low)
    high = np.where(narrow, 1.0, high)
    more = _log_ndtr(high)
    less = _log_ndtr(low)
    apart = more + np.log(-np.expm1(less - more))
    middle = np.where(narrow, 0.5 * (a + b), 0.0)
    half = np.where(narrow, 0.5 * (b - a), 1.0)
    return np.where(narrow, _normal(middle) + log_narrow(middle, half), apart)


def _inside(a: Any, b: Any) -> Any:
    """Return a number between a and b."""
    low = np.where(np.isfinite(a), a, b - 1.0)
    high = np.where(np.isfinite(b), b, a + 1.0)
    return np.where(np.isfinite(low + high), 0.5 * (low + high), 0.0)


truncnorm: Continuous = Continuous(
    "truncnorm",
    lambda y, a, b: _normal(y) - _log_mass_between(a, b),
    ("a", "b"),
    lambda a, b: (a, b),
    lambda a, b: a < b,
    safe=_inside,
    above=lambda y, a, b: np.exp(_log_mass_between(y, b) - _log_mass_between(a, b)),
    log_below=lambda y, a, b: _log_mass_between(a, y) - _log_mass_between(a, b),
    log_above=lambda y, a, b: _log_mass_between(y, b) - _log_mass_between(a, b),
)


# --- discrete -----------------------------------------------------------------------------------------------
def _poisson(k: Any, whole: Any, mu: Any) -> Any:
    return np.where(whole, seldom("log_gamma_density", k + 1.0, mu), -np.inf)


def _binomial(k: Any, whole: Any, n: Any, p: Any) -> Any:
    there = whole & (k <= n)
    k = np.where(there, k, 0.0)
    mass = seldom("log_beta_density", k + 1.0, np.where(there, n - k, 0.0) + 1.0, p) - np.log(n + 1.0)
    return np.where(there, mass, -np.inf)


def _negative_binomial(k: Any, whole: Any, n: Any, p: Any) -> Any:
    mass = seldom("log_beta_density", n, k + 1.0, p) + np.log(p) - np.log(n + k)
    return np.where(whole, mass, -np.inf)


def _beta_binomial(k: Any, whole: Any, n: Any, a: Any, b: Any) -> Any:
    there = whole & (k <= n)
    k = np.where(there, k, 0.0)
    ways = -np.log(n + 1.0) - _betaln(n - k + 1.0, k + 1.0)
    return np.where(there, ways + _betaln(k + a, n - k + b) - _betaln(a, b), -np.inf)


def _up_to(k: Any, n: Any, of: Any, end: float) -> Any:
    """Return `of(k)` where k < n, and `end` from n on."""
    inner = k < n
    return np.where(inner, of(np.where(inner, k, 0.0), np.where(inner, n, 1.0)), end)


def _counted(n: Any, p: Any) -> Any:
    return (n >= 0) & (n == np.floor(n)) & (p >= 0) & (p <= 1)


poisson: Discrete = Discrete(
    "poisson",
    _poisson,
    ("mu",),
    lambda mu: mu >= 0,
    below=lambda k, mu: _gammaincc(k + 1.0, mu),
    above=lambda k, mu: _gammainc(k + 1.0, mu),
    log_below=lambda k, mu: seldom("log_gammainc", k + 1.0, mu, above=True),
    log_above=lambda k, mu: seldom("log_gammainc", k + 1.0, mu),
    middle=lambda mu: mu,
    spread=lambda mu: mu,
)
binom: Discrete = Discrete(
    "binom",
    _binomial,
    ("n", "p"),
    _counted,
    below=lambda k, n, p: _up_to(k, n, lambda k, n: _betaincc(k + 1.0, n - k, p), 1.0),
    above=lambda k, n, p: _up_to(k, n, lambda k, n: _betainc(k + 1.0, n - k, p), 0.0),
    log_below=lambda k, n, p: _up_to(k, n, lambda k, n: _log_betaincc(k + 1.0, n - k, p), 0.0),
    log_above=lambda k, n, p: _up_to(k, n, lambda k, n: seldom("log_betainc", k + 1.0, n - k, p), -np.inf),
    middle=lambda n, p: n * p,
    spread=lambda n, p: n * p * (1.0 - p),
)
bernoulli: Discrete = Discrete(
    "bernoulli",
    lambda k, whole, p: np.where(whole & (k <= 1), _xlogy(k, p) + _xlog1py(1.0 - k, -p), -np.inf),
    ("p",),
    lambda p: (p >= 0) & (p <= 1),
    below=lambda k, p: np.where(k < 1, 1.0 - p, 1.0),
    above=lambda k, p: np.where(k < 1, p, 0.0),
    log_below=lambda k, p: np.where(k < 1, np.log1p(-p), 0.0),
    log_above=lambda k, p: np.where(k < 1, np.log(p), -np.inf),
    middle=lambda p: p,
    spread=lambda p: p * (1.0 - p),
)
nbinom: Discrete = Discrete(
    "nbinom",
    _negative_binomial,
    ("n", "p"),
    lambda n, p: (n > 0) & (p > 0) & (p <= 1),
    below=lambda k, n, p: _betainc(n, k + 1.0, p),
    above=lambda k, n, p: _betaincc(n, k + 1.0, p),
    log_below=lambda k, n, p: seldom("log_betainc", n, k + 1.0, p),
    log_above=lambda k, n, p: _log_betaincc(n, k + 1.0, p),
    middle=lambda n, p: n * (1.0 - p) / p,
    spread=lambda n, p: n * (1.0 - p) / (p * p),
)
geom: Discrete = Discrete(
    "geom",
    lambda k, whole, p: np.where(whole, _xlog1py(k - 1.0, -p) + np.log(p), -np.inf),
    ("p",),
    lambda p: (p > 0) & (p <= 1),
    below=lambda k, p: -np.expm1(_xlog1py(k, -p)),
    above=lambda k, p: np.exp(_xlog1py(k, -p)),
    log_below=lambda k, p: log_reached(np.log(k) + np.log(-np.log1p(-p))),
    log_above=lambda k, p: _xlog1py(k, -p),
    middle=lambda p: 1.0 / p,
    spread=lambda p: (1.0 - p) / (p * p),
    first=1,
)
betabinom: Discrete = Discrete(
    "betabinom",
    _beta_binomial,
    ("n", "a", "b"),
    lambda n, a, b: (n >= 0) & (n == np.floor(n)) & (a > 0) & (b > 0),
    middle=lambda n, a, b: n * a / (a + b),
    spread=lambda n, a, b: n * a * b * (a + b + n) / ((a + b) ** 2 * (a + b + 1.0)),
)

# --- vectors ------------------------------------------------------------------------------------------------
dirichlet: Dirichlet = Dirichlet()
multivariate_normal: MultivariateNormal = MultivariateNormal()
multivariate_t: MultivariateT = MultivariateT()
multinomial: Multinomial = Multinomial()

__getattr__, __dir__ = reader("stats", [*globals()])
