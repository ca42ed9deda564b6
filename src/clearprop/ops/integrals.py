"""More of `scipy.special`: incomplete functions, Bessel functions of any order, elliptic integrals.

A derivative by an order that has no closed form is refused, not made up.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.ops.incomplete import (
    BETA,
    GAMMA,
    STUDENT,
    events,
    falls,
    gamma_density,
    rises,
    solves,
    whole_quantile,
    whole_share,
)
from clearprop.ops.normal import DENSITY, polynomial
from clearprop.ops.special import (
    binomial_slopes,
    enter_scipys,
    falls_like,
    gegenbauer,
    inverse_gamma_slope,
    legendre_slope,
    no_rule,
    poch_slope,
    poch_slope_by_m,
    second_kind_slope,
    times,
    whole_number,
)
from clearprop.registry import ops

_ANY, _POSITIVE, _SHARE = (-2.0, 2.0), (0.3, 3.0), (0.1, 0.9)
_ORDERS, _PLACES = np.array([2, 3, 4], np.int8), np.array([0.4, 0.7, 0.2])
DEGREE, TWO_OVER_ROOT_PI = math.pi / 180, 2 / math.sqrt(math.pi)
# exprel(x) = sum of x^k / (k + 1)!: the series of its slope
SLOPE = tuple((k + 1) / math.factorial(k + 2) for k in range(19))


def _of(name: str, *xs: Any) -> Any:
    return ops[name](*xs)


def _exprel_slope(z: Any, x: Any) -> Any:
    """(exp(x) - z) / x, and its series where that would cancel."""
    near = np.absolute(x) < 1
    small, large = np.where(near, x, x.dtype.type(0)), np.where(near, x.dtype.type(1), x)
    return np.where(near, polynomial(small, SLOPE), (np.exp(large) - z) / large)


def boxcox_slope(z: Any, x: Any, k: Any) -> Any:
    """By k: with y = k log(x), z is log(x) exprel(y)."""
    return _stretch(np.log(x), k)


def _stretch(size: Any, k: Any) -> Any:
    """The derivative of (exp(k size) - 1) / k by k."""
    low, high = (size == -np.inf) & (k > 0), (size == np.inf) & (k < 0)
    gone, endless = low | high, (np.absolute(size) == np.inf) & ~(low | high)
    some = np.where(gone | endless, -1.0, size)
    near = some * some * _exprel_slope(_of("exprel", k * some), k * some)
    return np.where(gone, 1 / (k * k), np.where(endless, np.inf, near))


def _inverse_log(y: Any, k: Any) -> Any:
    """log(1 + k y) / k, near 0 by its series: the logarithm of the x with boxcox(x, k) = y."""
    w = np.where(k == 0, 0.0, k * np.where(k == 0, 0.0, y))
    near = np.absolute(w) < 0.1
    series = polynomial(-np.where(near, w, 0.0), tuple(1 / j for j in range(1, 18)))
    return np.where(near, y * series, np.log1p(np.where(near, 1.0, w)) / np.where(near, 1.0, k))


def _inverse_slope(z: Any, y: Any, k: Any) -> Any:
    """By y: that x to the power 1 - k, by its logarithm, which is a number where the power is none."""
    return np.exp(times(1 - k, _inverse_log(y, k)))


def _inverse_by_power(z: Any, y: Any, k: Any) -> Any:
    return -times(_inverse_slope(z, y, k), _stretch(_inverse_log(y, k), k))


def _whole_power(z: Any, x: Any, y: Any) -> Any:
    """x^y - 1, infinite where the power of finite numbers, or of a positive one, is no float."""
    power = np.power(x, y, dtype=z.dtype)
    real = (x > 0) | ((x < 0) & (np.absolute(x) < np.inf) & (np.absolute(y) < np.inf))
    return np.where(real & (np.absolute(power) == np.inf), power, z)


def _whole_cotangent(z: Any, x: Any) -> Any:
    """1 / tandg(x) near half turns, where SciPy's is the tangent of a rounded 90 - x."""
    t = importlib.import_module("scipy.special").tandg(x)
    return np.where((np.absolute(t) < 0.1) & (t != 0), 1 / t, z)


def _beyond(x: Any, sign: float) -> Any:
    """The sum over k of sign^k (1 3 5 ... (2 k - 1)) / (2 x^2)^k, for |x| of 10 or more."""
    far = x.dtype.type(sign) / (2 * x * x)
    return far * polynomial(far, tuple(float(math.prod(range(1, 2 * k, 2))) for k in range(1, 14)))


def _erfcx_slope(z: Any, x: Any) -> Any:
    """2 x z - 2 / sqrt(pi), and far to the right, where that cancels, by erfcx's series at infinity."""
    far = x > 10
    near, distant = np.where(far, x.dtype.type(0), x), np.where(far, x, x.dtype.type(10))
    return np.where(far, TWO_OVER_ROOT_PI * _beyond(distant, -1.0), 2 * near * z - TWO_OVER_ROOT_PI)


def _dawson_slope(z: Any, x: Any) -> Any:
    """1 - 2 x z, and far out, where that cancels, by the series of z at infinity."""
    far = np.absolute(x) > 10
    near, distant = np.where(far, x.dtype.type(0), x), np.where(far, x, x.dtype.type(10))
    return np.where(far, -_beyond(distant, 1.0), 1 - 2 * near * z)


def _expn_slope(z: Any, n: Any, x: Any) -> Any:
    """-E_(n - 1)(x), and for n = 0, where there is none before, that of exp(-x) / x. SciPy cuts n to a whole."""
    n = np.trunc(n)
    return -np.where(n == 0, (1 + 1 / x) * z, _of("expn", np.maximum(n - 1, 0), x))


def _spence_slope(z: Any, x: Any) -> Any:
    """log(x) / (1 - x), and its series where that would cancel."""
    near = np.absolute(x - 1) < 0.03
    rest, safe = np.where(near, 1 - x, x.dtype.type(0)), np.where(near, x.dtype.type(2), x)
    series = -polynomial(rest, tuple(1 / k for k in range(1, 13)))
    return np.where(near, series, np.log(safe) / (1 - safe))


def _by_carlson(first: bool, m: Any) -> Any:
    """The slope of K (or E) by m, R_D / 6, which has all digits however far m is below 0."""
    importlib.import_module("clearprop.ops.elliptic")
    one, rest = np.ones_like(m), 1 - m
    part = _of("elliprd", np.zeros_like(m), *((one, rest) if first else (rest, one)))
    return part / 6 if first else part / -6


def _gauss(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Gauss's function by SciPy's sums for complex numbers, which are right where those for real ones fail.

    It is the other way round where c - a or c - b is whole.
    """
    of = importlib.import_module("scipy.special").hyp2f1
    whole = (np.floor(c - a) == c - a) | (np.floor(c - b) == c - b)
    return np.where(whole, of(a, b, c, x), np.real(of(a, b, c, x + 0j)))


def _far_gauss(z: Any, a: Any, b: Any, c: Any, x: Any) -> Any:
    """Gauss's function far below 0, where SciPy's sum for real numbers cancels or is infinite."""
    far = np.less(x, -10)
    if np.iscomplexobj(z) or not np.any(far):
        return z
    right = _gauss(a, b, c, x)
    return np.where(far & np.isfinite(right), right, z)


def between(
    size: Callable[..., Any], parameters: Callable[..., Any], place: Callable[[Any], Any] = lambda x: x
) -> Callable[..., Any]:
    """Return what mends a polynomial of a degree between whole ones left of 0, by Gauss's function of (1 - x) / 2."""

    def mend(z: Any, n: Any, *rest: Any) -> Any:
        *shape, x = rest
        x = place(x)
        wrong = (np.floor(n) != n) & np.less(x, 0) & np.greater_equal(x, -1)
        if np.iscomplexobj(z) or not np.any(wrong):
            return z
        sp = importlib.import_module("scipy.special")
        a, b, c = parameters(n, *shape)
        return np.where(wrong, size(sp, n, *shape) * _gauss(a, b, c, (1 - x) / 2), z)

    return mend


SECOND_KIND = (lambda sp, n: n + 1), (lambda n: (-n, n + 2, 1.5))
_GEGENBAUER = (lambda sp, n, a: sp.binom(n + 2 * a - 1, n)), (lambda n, a: (-n, n + 2 * a, a + 0.5))


def _kummers_limit(z: Any, b: Any, x: Any) -> Any:
    """SciPy's 0F1 of b = 1 is 0 where the Bessel function that it is has become infinite."""
    if np.iscomplexobj(z):
        return z
    return np.where((z == 0) & np.greater(x, 1e5), np.inf, z)


def _huber(z: Any, d: Any, r: Any) -> Any:
    return np.clip(r, -d, d)


def _root(d: Any, r: Any) -> Any:
    return np.hypot(1.0, r / d)


def _pseudo_huber(z: Any, d: Any, r: Any) -> Any:
    """By d: (q - d)^2 / q, with q = sqrt(d^2 + r^2) and q - d = r^2 / (q + d), which does not cancel."""
    q = np.hypot(d, r)
    return r * (r / q) * (r / (q + d)) ** 2


# fmt: off
if importlib.util.find_spec("scipy") is not None:
    _enter = enter_scipys
    # --- gamma and beta functions ---------------------------------------------------------------------------
    _enter("rgamma",       _POSITIVE,              inverse_gamma_slope,                                   doc="1 / gamma(x)")
    _enter("loggamma",     _POSITIVE,              lambda z, x: _of("digamma", x),                          doc="log(gamma(x))")
    _enter("poch",         (_POSITIVE, _POSITIVE), poch_slope, poch_slope_by_m, doc="gamma(x + m) / gamma(x)")
    _enter("binom",        ((3.2, 5.0), _POSITIVE), *binomial_slopes(), doc="n over k")
    _enter("gammainc",     (_POSITIVE, _POSITIVE), *rises(GAMMA), mend=whole_share(False), doc="the regularised lower incomplete gamma function", singular=True)
    _enter("gammaincc",    (_POSITIVE, _POSITIVE), *falls(GAMMA), mend=whole_share(True), doc="1 - gammainc(a, x)", singular=True)
    _enter("gammaincinv",  (_POSITIVE, _SHARE),    *solves(GAMMA, 1), mend=whole_quantile(False), doc="the x with gammainc(a, x) = y", singular=True)
    _enter("gammainccinv", (_POSITIVE, _SHARE),    *solves(GAMMA, 1, -1), mend=whole_quantile(True), doc="the x with gammaincc(a, x) = y", singular=True)
    _enter("betainc",      (_POSITIVE, _POSITIVE, _SHARE), *rises(BETA), doc="the regularised incomplete beta function", singular=True)
    _enter("betaincc",     (_POSITIVE, _POSITIVE, _SHARE), *falls(BETA), doc="1 - betainc(a, b, x)", singular=True)
    _enter("betaincinv",   (_POSITIVE, _POSITIVE, _SHARE), *solves(BETA, 2), doc="the x with betainc(a, b, x) = y", singular=True)
    # --- distributions --------------------------------------------------------------------------------------
    _enter("stdtr",        (_POSITIVE, _ANY),      *rises(STUDENT), doc="the share of Student's t below t; its derivative by df loses a digit for each power of ten of df", singular=True)
    _enter("pdtr",         (_POSITIVE, _POSITIVE), whole_number, lambda z, k, m: -gamma_density(np.floor(k) + 1.0, m), mend=whole_share(True, events), doc="the share of a Poisson distribution up to k; none by k", singular=True)
    _enter("owens_t",      (_POSITIVE, _ANY),      lambda z, h, a: -0.5 * DENSITY * np.exp(-0.5 * h * h) * ops["erf"](a * h * math.sqrt(0.5)), lambda z, h, a: np.exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)), doc="Owen's T(h, a)")
    # --- relatives of exp and erf ---------------------------------------------------------------------------
    _enter("erfcx",        _ANY,                   _erfcx_slope,               doc="exp(x^2) erfc(x)", singular=True)
    _enter("erfi",         _ANY,                   lambda z, x: TWO_OVER_ROOT_PI * np.exp(x * x),           doc="-i erf(i x)", singular=True)
    _enter("dawsn",        _ANY,                   _dawson_slope,                              doc="Dawson's integral, exp(-x^2) times the integral of exp(t^2)")
    _enter("expi",         _POSITIVE,              lambda z, x: np.exp(x) / x,                              doc="the exponential integral Ei", singular=True)
    _enter("exp1",         _POSITIVE,              lambda z, x: -np.exp(-x) / x,                            doc="the exponential integral E1", singular=True)
    _enter("expn",         (_POSITIVE, _POSITIVE), whole_number, _expn_slope,                                    doc="the exponential integral of whole order n; none by n", singular=True)
    _enter("exprel",       _ANY,                   _exprel_slope,                                           doc="(exp(x) - 1) / x, and 1 at 0", singular=True)
    _enter("cosm1",        _ANY,                   lambda z, x: -np.sin(x),                                 doc="cos(x) - 1, exact near 0")
    _enter("spence",       _POSITIVE,              _spence_slope,                                           doc="the dilogarithm of 1 - x", singular=True)
    _enter("wrightomega",  _ANY,                   lambda z, x: z / (1 + z),                                doc="the z with z + log(z) = x")
    _enter("sindg",        _ANY,                   lambda z, x: DEGREE * _of("cosdg", x),                   doc="sine of x degrees")
    _enter("cosdg",        _ANY,                   lambda z, x: -DEGREE * _of("sindg", x),                  doc="cosine of x degrees")
    _enter("tandg",        _ANY,                   lambda z, x: DEGREE * (1 + z * z),                       doc="tangent of x degrees")
    _enter("cotdg",        _POSITIVE,              lambda z, x: -DEGREE * (1 + z * z),                      mend=_whole_cotangent, doc="cotangent of x degrees", singular=True)
    _enter("boxcox",       (_POSITIVE, _POSITIVE), lambda z, x, k: x ** (k - 1), boxcox_slope, doc="(x^k - 1) / k, and log(x) at k = 0", singular=True)
    _enter("boxcox1p",     (_POSITIVE, _POSITIVE), lambda z, x, k: (1 + x) ** (k - 1), lambda z, x, k: _stretch(np.log1p(x), k), doc="((1 + x)^k - 1) / k, and log(1 + x) at k = 0", singular=True)
    _enter("inv_boxcox",   (_POSITIVE, _POSITIVE), lambda z, y, k: z ** (1 - k), _inverse_by_power, doc="the x with boxcox(x, k) = y", singular=True)
    _enter("inv_boxcox1p", (_POSITIVE, _POSITIVE), _inverse_slope, _inverse_by_power, mend=lambda z, y, k: np.where((np.absolute(k * y) < 1e-150) & (k != 0), np.expm1(y), z), doc="the x with boxcox1p(x, k) = y", singular=True)
    _enter("powm1",        (_POSITIVE, _POSITIVE), lambda z, x, y: times(y, x ** (y - 1)), lambda z, x, y: times(x**y, np.log(x)), mend=_whole_power, doc="x^y - 1, exact where it is near 0", singular=True)
    _enter("huber",        ((0.3, 0.9), (1.1, 2.0)), lambda z, d, r: np.maximum(np.absolute(r) - d, 0), _huber, doc="r^2 / 2 where |r| <= d, d (|r| - d / 2) beyond")
    _enter("pseudo_huber", (_POSITIVE, _ANY),      _pseudo_huber, lambda z, d, r: np.where(d == 0, 0, r / _root(d, r)), doc="d^2 (sqrt(1 + (r / d)^2) - 1)")
    # --- Bessel functions -----------------------------------------------------------------------------------
    _enter("k0e",          _POSITIVE,              lambda z, x: falls_like(z, 0.0, x, 1.0, z - _of("k1e", x)), doc="k0(x) exp(x)", singular=True)
    _enter("k1e",          _POSITIVE,              lambda z, x: falls_like(z, 1.0, x, 1.0, z - _of("k0e", x) - z / x), doc="k1(x) exp(x)", singular=True)
    _enter("yv",           (_POSITIVE, _POSITIVE), no_rule, lambda z, v, x: 0.5 * (_of("yv", v - 1, x) - _of("yv", v + 1, x)),      doc="the Bessel function of the second kind of order v; that by v is refused", singular=True)
    _enter("kv",           (_POSITIVE, _POSITIVE), no_rule, lambda z, v, x: -0.5 * (_of("kv", v - 1, x) + _of("kv", v + 1, x)),     doc="the modified Bessel function of the second kind of order v; that by v is refused", singular=True)
    _enter("jve",          (_POSITIVE, _POSITIVE), no_rule, lambda z, v, x: 0.5 * (_of("jve", v - 1, x) - _of("jve", v + 1, x)),   doc="jv(v, x) of real x; that by v is refused")
    _enter("yve",          (_POSITIVE, _POSITIVE), no_rule, lambda z, v, x: 0.5 * (_of("yve", v - 1, x) - _of("yve", v + 1, x)),   doc="yv(v, x) of real x; that by v is refused", singular=True)
    _enter("yn",           (_POSITIVE, _POSITIVE), no_rule, lambda z, n, x: 0.5 * (_of("yv", np.trunc(n) - 1, x) - _of("yv", np.trunc(n) + 1, x)), doc="yv of whole orders", singular=True)
    _enter("kn",           (_POSITIVE, _POSITIVE), no_rule, lambda z, n, x: -0.5 * (_of("kv", np.trunc(n) - 1, x) + _of("kv", np.trunc(n) + 1, x)), doc="kv of whole orders", singular=True)
    _enter("ive",          (_POSITIVE, _POSITIVE), no_rule, lambda z, v, x: falls_like(z, v, x, -1.0, 0.5 * (_of("ive", v - 1, x) + _of("ive", v + 1, x)) - np.sign(x) * z), doc="iv(v, x) exp(-|x|); that by v is refused")
    _enter("kve",          (_POSITIVE, _POSITIVE), no_rule, lambda z, v, x: falls_like(z, v, x, 1.0, z - 0.5 * (_of("kve", v - 1, x) + _of("kve", v + 1, x))), doc="kv(v, x) exp(x); that by v is refused", singular=True)
    # --- hypergeometric functions and elliptic integrals ----------------------------------------------------
    _enter("hyp0f1",       (_POSITIVE, _ANY),      no_rule, lambda z, b, x: _of("hyp0f1", b + 1, x) / b,    mend=_kummers_limit, doc="the confluent hypergeometric limit function; that by b is refused")
    _enter("hyp1f1",       (_POSITIVE, _POSITIVE, _ANY), no_rule, no_rule, lambda z, a, b, x: times(a / b, _of("hyp1f1", a + 1, b + 1, x)), doc="Kummer's function; those by a and b are refused")
    _enter("hyp2f1",       (_POSITIVE, _POSITIVE, _POSITIVE, _SHARE), no_rule, no_rule, no_rule, lambda z, a, b, c, x: times(a * b / c, _of("hyp2f1", a + 1, b + 1, c + 1, x)), mend=_far_gauss, doc="Gauss's function; those by a, b and c are refused")
    _enter("ellipk",       _SHARE,                 lambda z, m: _by_carlson(True, m), doc="the complete elliptic integral of the first kind, for m below 1", singular=True)
    _enter("ellipe",       _SHARE,                 lambda z, m: _by_carlson(False, m), doc="the complete elliptic integral of the second kind, for m below 1", singular=True)
    # --- orthogonal polynomials of whole degree ---------------------------------------------------------------
    _enter("eval_hermite",     (_POSITIVE, _ANY), no_rule, lambda z, n, x: 2 * n * _of("eval_hermite", np.maximum(n - 1, 0), x),     doc="Hermite's polynomial of degree n")
    _enter("eval_hermitenorm", (_POSITIVE, _ANY), no_rule, lambda z, n, x: n * _of("eval_hermitenorm", np.maximum(n - 1, 0), x),     doc="Hermite's polynomial of degree n, in the statisticians' form")
    _enter("eval_chebyt",      (_POSITIVE, _ANY), no_rule, lambda z, n, x: times(n, _of("eval_chebyu", n - 1, x)),                         doc="Chebyshev's polynomial of the first kind")
    _enter("eval_chebyu",      (_POSITIVE, _SHARE), no_rule, lambda z, n, x: second_kind_slope(n, x), mend=between(*SECOND_KIND), doc="Chebyshev's polynomial of the second kind")
    _enter("eval_legendre",    (_POSITIVE, _SHARE), no_rule, lambda z, n, x: legendre_slope(n, x), doc="Legendre's polynomial")
    _enter("eval_gegenbauer",  (_POSITIVE, _POSITIVE, _SHARE), no_rule, no_rule, lambda z, n, a, x: 2 * a * gegenbauer(n, a + 1, x),   mend=between(*_GEGENBAUER), doc="Gegenbauer's polynomial; those by n and a are refused")
    _enter("eval_genlaguerre", (_POSITIVE, _POSITIVE, _ANY), no_rule, no_rule, lambda z, n, a, x: -_of("eval_genlaguerre", n - 1, a + 1, x), doc="Laguerre's associated polynomial")
    for _name in ("yv", "kv", "jve", "yve", "ive", "kve", "hyp0f1"):
        ops[_name].examples = (((_ORDERS, _PLACES), {}),)
    for _name in ("eval_hermite", "eval_hermitenorm", "eval_chebyt", "eval_chebyu", "eval_legendre", "pdtr", "yn", "kn", "expn"):
        ops[_name].examples = (((_ORDERS.astype(np.int64), _PLACES), {}),)
    ops["hyp2f1"].examples = (((_ORDERS, _ORDERS[::-1].copy(), _ORDERS, _PLACES), {}),)
    ops["hyp1f1"].examples = (((_ORDERS, _ORDERS[::-1].copy(), _PLACES), {}),)
    for _name in ("eval_genlaguerre", "eval_gegenbauer"):
        ops[_name].examples = (((_ORDERS.astype(np.int64), np.array([1, 2, 1]), _PLACES), {}),)
# fmt: on
