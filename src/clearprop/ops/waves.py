"""`scipy.special`: functions that solve an equation of second order, their integrals, and their kin.

What a pair (y, y') satisfies gives the derivative of each: that of y is y', that of y' is what the equation says.
So a gradient of any order is made of the two values that SciPy computes.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.ops.integrals import SECOND_KIND, between
from clearprop.ops.normal import DENSITY, polynomial
from clearprop.ops.special import (
    enter_scipys,
    enter_several,
    legendre_slope,
    no_rule,
    refused,
    second_kind_slope,
    times,
)
from clearprop.registry import Composed, ops, ufunc_names

_ANY, _POSITIVE, _SHARE = (-2.0, 2.0), (0.3, 3.0), (0.1, 0.9)
DEGREE = math.pi / 180
POINTS, AIRYS_SERIES = 50, 14.0  # of a sum, and the place from which on SciPy's series has 13 digits
FAR_OUT = 8.0  # deviations times sqrt(2): from there on 21 terms of a series have all digits
# (i0(x) - 1) / x is x / 4 times this series in x^2 / 4, (1 - j0(x)) / x the same with signs that alternate
RISE = tuple(1 / math.factorial(k + 1) ** 2 for k in range(12))
FALL = tuple((-1) ** k * c for k, c in enumerate(RISE))

_CANCELS = refused("the density of the noncentral t distribution is a difference of series that cancel")
_PIECES = refused("it is made of as many polynomials as there are samples, and not smooth where they meet")
_NOT_SOLVED = refused(
    "SciPy's values of the second kind do not solve the equation near 1, so no slope is right"
)


def _of(name: str, *xs: Any) -> Any:
    return ops[name](*xs)


def _airy_integral(i: int, z: Any, x: Any) -> Any:
    """Integrals of Ai and Bi from 0 to x (from -x to 0: i of 2, 3), of which SciPy's series leaves no digit by 9."""
    near = np.absolute(x) < AIRYS_SERIES
    if not np.any(near):
        return z
    places, weights = np.polynomial.legendre.leggauss(POINTS)
    end = np.where(near, x, 0.0)[..., None] / 2
    values = importlib.import_module("scipy.special").airy((1 - 2 * (i > 1)) * end * (1 + places))[i % 2 * 2]
    return np.where(near, np.sum(values * (end * weights), axis=-1), z)


def _value(name: str) -> Callable[..., Any]:
    """The rule of what has the op `name` as its slope."""
    return lambda z, *xs: ops[name](*xs)


def _over(z: Any, x: Any, limit: float) -> Any:
    """z / x, and its limit at 0."""
    zero = x == 0
    return np.where(zero, limit, z / np.where(zero, 1.0, x))


def _shrinking(x: Any) -> Any:
    """sqrt(x) right of 0, where exp(2/3 x^(3/2)) scales Airy's functions; 0 left of it."""
    right = x > 0
    return np.where(right, np.sqrt(np.where(right, x, 1.0)), 0.0)


def _hump(x: Any) -> Any:
    """sinh(x) / x: half of exprel(x) and exprel(-x)."""
    return 0.5 * (_of("exprel", x) + _of("exprel", -x))


def _excess(x: Any, series: tuple[float, ...], beyond: Callable[[Any], Any]) -> Any:
    """The value of `beyond(x)`, and near 0, where it cancels, its series."""
    near = np.absolute(x) < 1
    small, large = np.where(near, x, 0.0), np.where(near, 1.0, x)
    return np.where(near, small / 4 * polynomial(small * small / 4, series), beyond(large))


def _struve_slope(z: Any, v: Any, x: Any) -> Any:
    """Of a difference of neighbours, or where these outgrow it, of one and the value."""
    far = np.absolute(x) > 10
    near = np.where(far, 1.0, x)
    usual = 0.5 * (_of("struve", v - 1, near) - _of("struve", v + 1, near)) + _struve_extra(v, near)
    return np.where(far, _of("struve", v - 1, x) - v * (z / np.where(far, x, 1.0)), usual)


def _struve_extra(v: Any, x: Any) -> Any:
    return (x / 2) ** v * _of("rgamma", v + 1.5) / (2 * math.sqrt(math.pi))


# --- pairs of a value and its slope -------------------------------------------------------------------------
def _pair(ufunc: str, domain: Any, bend: Callable[..., Any], doc: str, step: float = 1.0) -> None:
    """Enter (y, y'), where `bend(y, slope, *xs)` is y'' by the last input, of which y' counts `step` units.

    Derivatives by what comes before, the order or a parameter of the equation, have no closed form.
    """
    names = ufunc, f"{ufunc}_slope"
    refused = (no_rule,) * (len(domain) - 1)

    def rise(z: Any, *xs: Any) -> Any:
        return _of(names[1], *xs) * step

    def turn(z: Any, *xs: Any) -> Any:
        return bend(_of(names[0], *xs), z, *xs) * step

    enter_several(
        ufunc, domain, (names[0], *refused, rise, doc), (names[1], *refused, turn, f"the slope of {doc}")
    )


def _mathieu(kind: str) -> Callable[..., Any]:
    def bend(y: Any, slope: Any, m: Any, q: Any, x: Any) -> Any:
        return (2 * q * np.cos(2 * DEGREE * x) - _of(f"mathieu_{kind}", m, q)) * y

    return bend


def _mathieu_modified(kind: str, second: bool) -> Callable[..., Any]:
    def bend(y: Any, slope: Any, m: Any, q: Any, x: Any) -> Any:
        if second:
            y = np.where(x < 0, math.nan, y)  # SciPy's sums of the second kind are no solutions there
        return (_of(f"mathieu_{kind}", m, q) - 2 * q * np.cosh(2 * x)) * y

    return bend


def _spheroidal(prolate: bool, radial: bool, given: bool) -> Callable[..., Any]:
    """(1 - s x^2) y'' = 2 s x y' - (cv - c^2 x^2 - ...) y, with the signs of each of the four equations."""

    def bend(y: Any, slope: Any, m: Any, n: Any, c: Any, *rest: Any) -> Any:
        *cv, x = rest
        known = _of("pro_cv" if prolate else "obl_cv", m, n, c)
        own = cv[0] if given else known
        solves = (c >= 0) & (np.absolute(own - known) <= 1e-8 * (1 + np.absolute(known)))
        y = np.where(solves, y, math.nan)  # with another value SciPy's sums are no solutions of the equation
        if prolate:
            around, bent = 1 - x * x, own - c * c * x * x
            return (2 * x * slope - (bent - m * m / around) * y) / around
        if radial:
            around = 1 + x * x
            return ((own - c * c * x * x - m * m / around) * y - 2 * x * slope) / around
        around = 1 - x * x
        return (2 * x * slope - (own + c * c * x * x - m * m / around) * y) / around

    return bend


# --- polynomials --------------------------------------------------------------------------------------------
def _legendre_slope(z: Any, m: Any, v: Any, x: Any) -> Any:
    """By x; at the ends by the powers of 1 - x^2 there, at -1 for whole v: of others it is infinite or none."""
    end = np.absolute(x) == 1
    inside = np.where(end, 0.0, x)
    steep = v * (v + 1)
    second = (v - 1) * (v + 2) * steep / 4
    ends = np.select(
        [m == 0, m == 1, m == -1, m == 2, m == -2],
        [steep / 2, np.where(steep == 0, 0.0, np.inf), np.where(steep == 0, np.nan, -np.inf), -second, -0.25],
        0.0,
    )
    turn = np.where(v == np.floor(v), np.where(np.remainder(v + m, 2) == 0, -1.0, 1.0), np.nan)
    at = np.where(end, 0.0, _of("lpmv", m, v + 1, inside))
    usual = ((v + 1) * inside * z - (v - m + 1) * at) / (1 - inside * inside)
    usual = np.where(
        (np.absolute(x) > 1) & (v != np.floor(v)), np.nan, usual
    )  # where SciPy's values are none
    return np.where(end, np.where(x > 0, ends, ends * turn), usual)


def _jacobi(z: Any, n: Any, a: Any, b: Any, x: Any) -> Any:
    return 0.5 * (n + a + b + 1) * _of("eval_jacobi", n - 1, a + 1, b + 1, x)


def _shifted_jacobi(z: Any, n: Any, p: Any, q: Any, x: Any) -> Any:
    return (n + p) * _of("eval_jacobi", n - 1, p - q + 1, q * 1.0, 2 * x - 1) / _of("binom", 2 * n + p - 1, n)


_JACOBI = (lambda sp, n, a, b: sp.binom(n + a, n)), (lambda n, a, b: (-n, n + a + b + 1, a + 1))
_SHIFTED = (
    lambda sp, n, p, q: sp.binom(n + p - q, n) / sp.binom(2 * n + p - 1, n),
    lambda n, p, q: (-n, n + p, p - q + 1),
)


# --- Voigt's profile ----------------------------------------------------------------------------------------
def _faddeeva_slope(z: Any, x: Any) -> Any:
    return 2j / math.sqrt(math.pi) - 2 * x * z


def _profile(x: Any, s: Any, c: Any, order: int = 1) -> Any:
    """The derivative by the place in the complex plane where the profile reads `wofz`; of `order` 2, that of it.

    Far out, where it is a small difference, by wofz's series at infinity; there s enters by its square alone, and
    with s = 0 the profile is Cauchy's, c / (pi (x^2 + c^2)). On the axis and next to it lies a normal density too.
    """
    place, size = x + 1j * c, np.absolute(s) * math.sqrt(2)
    far = (np.hypot(x, c) >= FAR_OUT * size) & (c >= 0)
    spread = np.where(far, 1, s)
    near = np.where(far, 0.0, place) / (spread * math.sqrt(2))
    value = _of("wofz", near)
    slope = _faddeeva_slope(value, near)
    if order == 2:
        slope = (-2 * value - 2 * near * slope) / (spread * math.sqrt(2))
    slope = slope / (2 * spread * spread * math.sqrt(math.pi))
    beyond = np.where(far, place, 1.0)
    terms = tuple(float(math.prod(range(1, 2 * k, 2)) * math.perm(2 * k + order, order)) for k in range(21))
    ratio = np.where(far, s, 0.0) / beyond
    distant = (-1) ** order * 1j / (math.pi * beyond ** (order + 1)) * polynomial(ratio * ratio, terms)
    bell = far & (c < size) & (s != 0)
    deviation, at = np.where(bell, s, 1.0), np.where(bell, place, 1.0)
    steep = -at / (deviation * deviation)
    if order == 2:
        steep = steep * steep - 1 / (deviation * deviation)
    normal = steep * DENSITY / deviation * np.exp(-0.5 * (at / deviation) ** 2)
    return np.where(far, distant + np.where(bell, normal, 0.0), slope)


def _profile_by_deviation(z: Any, x: Any, s: Any, c: Any) -> Any:
    """It is s times the second derivative by x, as heat spreads."""
    return s * np.real(_profile(x, s, c, 2))


def _kelvin(x: Any) -> tuple[Any, ...]:
    """Return Be, Ke and their slopes, complex numbers of Kelvin's functions."""
    return tuple(
        _of(a, x) + 1j * _of(b, x)
        for a, b in (("ber", "bei"), ("ker", "kei"), ("berp", "beip"), ("kerp", "keip"))
    )


def _whole_tricomi(z: Any, a: Any, b: Any, x: Any) -> Any:
    """U of whole b below 1 by Kummer's transformation, as SciPy's has few digits there, or is NaN."""
    wrong = (b < 1) & (np.floor(b) == b) & (x > 0)
    if not np.any(wrong):
        return z
    b = np.where(wrong, b, 1)
    turned = x ** (1.0 - b) * importlib.import_module("scipy.special").hyperu(a - b + 1.0, 2.0 - b, x)
    return np.where(wrong & np.isfinite(turned), turned, z)


def _moment_slope(z: Any, a: Any, k: Any, v: Any) -> Any:
    slope = _of("besselpoly", a, k + 1, v - 1) - _of("besselpoly", a, k + 1, v + 1)
    return np.where(np.absolute(a) > 15, math.nan, slope)


def _log_wright_slope(z: Any, a: Any, b: Any, x: Any) -> Any:
    """By x: a quotient of neighbours, and far out, where their logarithms are alike, by Wright's expansion.

    It is (1 + 1 / a) y + (1 / 2 - b) log(y) + a constant + O(1 / y), with y = (a x)^(1 / (1 + a)).
    """
    y = (a * x) ** (1.0 / (1.0 + a))
    far = np.minimum(a, 1.0) * y > 1e5 * (1.0 + b * b)
    shape, place = np.where(far, a, 1.0), np.where(far, x, 1.0)
    distant = (np.where(far, y, 1.0) / shape + (0.5 - b) / (1.0 + shape)) / place
    near = np.exp(np.where(far, 0.0, _of("log_wright_bessel", a, a + b, x) - z))
    return np.where(far, distant, near)


# fmt: off
if importlib.util.find_spec("scipy") is not None:
    _enter = enter_scipys
    # --- Airy's functions -----------------------------------------------------------------------------------
    enter_several("airy", _ANY,
        ("airy_ai",   _value("airy_aip"),                      "Airy's function Ai"),
        ("airy_aip",  lambda z, x: x * _of("airy_ai", x),      "the slope of Ai"),
        ("airy_bi",   _value("airy_bip"),                      "Airy's function Bi"),
        ("airy_bip",  lambda z, x: x * _of("airy_bi", x),      "the slope of Bi"), plane="analytic")
    enter_several("airye", _POSITIVE,
        ("airye_ai",  lambda z, x: _of("airye_aip", x) + np.sqrt(x) * z,                   "Ai(x) exp(2/3 x^(3/2))"),
        ("airye_aip", lambda z, x: x * _of("airye_ai", x) + np.sqrt(x) * z,                "Ai'(x) exp(2/3 x^(3/2))"),
        ("airye_bi",  lambda z, x: _of("airye_bip", x) - _shrinking(x) * z,                "Bi(x) exp(-2/3 x^(3/2)) right of 0"),
        ("airye_bip", lambda z, x: x * _of("airye_bi", x) - _shrinking(x) * z,             "Bi'(x) exp(-2/3 x^(3/2)) right of 0"))
    enter_several("itairy", _POSITIVE,
        ("itairy_ai",     _value("airy_ai"),                   "the integral of Ai from 0 to x"),
        ("itairy_bi",     _value("airy_bi"),                   "the integral of Bi from 0 to x"),
        ("itairy_ai_left", lambda z, x: _of("airy_ai", -x),    "the integral of Ai from -x to 0"),
        ("itairy_bi_left", lambda z, x: _of("airy_bi", -x),    "the integral of Bi from -x to 0"), mend=_airy_integral)
    # --- integrals of waves ---------------------------------------------------------------------------------
    enter_several("fresnel", _ANY,
        ("fresnel_sine",   lambda z, x: np.sin(math.pi / 2 * x * x), "the integral of sin(pi t^2 / 2) from 0 to x"),
        ("fresnel_cosine", lambda z, x: np.cos(math.pi / 2 * x * x), "the integral of cos(pi t^2 / 2) from 0 to x"), plane="analytic")
    enter_several("sici", _POSITIVE,
        ("sine_integral",   lambda z, x: np.sinc(x / math.pi), "the integral of sin(t) / t from 0 to x"),
        ("cosine_integral", lambda z, x: np.cos(x) / x,        "Euler's constant + log(x) + the integral of (cos(t) - 1) / t from 0 to x"), plane="analytic")
    enter_several("shichi", _POSITIVE,
        ("hyperbolic_sine_integral",   lambda z, x: _hump(x),       "the integral of sinh(t) / t from 0 to x"),
        ("hyperbolic_cosine_integral", lambda z, x: np.cosh(x) / x, "Euler's constant + log(x) + the integral of (cosh(t) - 1) / t from 0 to x"))
    enter_several("iti0k0", _POSITIVE,
        ("integral_of_i0", _value("i0"), "the integral of i0 from 0 to x"), ("integral_of_k0", _value("k0"), "the integral of k0 from 0 to x"))
    enter_several("itj0y0", _POSITIVE,
        ("integral_of_j0", _value("j0"), "the integral of j0 from 0 to x"), ("integral_of_y0", _value("y0"), "the integral of y0 from 0 to x"))
    enter_several("it2i0k0", _POSITIVE,
        ("integral_of_i0_over", lambda z, x: _excess(x, RISE, lambda x: (_of("i0", x) - 1) / x), "the integral of (i0(t) - 1) / t from 0 to x"),
        ("integral_of_k0_over", lambda z, x: -_of("k0", x) / x,                                  "the integral of k0(t) / t from x on"))
    enter_several("it2j0y0", _POSITIVE,
        ("integral_of_j0_over", lambda z, x: _excess(x, FALL, lambda x: (1 - _of("j0", x)) / x), "the integral of (1 - j0(t)) / t from 0 to x"),
        ("integral_of_y0_over", lambda z, x: -_of("y0", x) / x,                                  "the integral of y0(t) / t from x on"))
    # --- Kelvin's and Struve's functions --------------------------------------------------------------------
    _enter("ber",  _ANY,      _value("berp"),                                          doc="the real part of a Bessel function of order 0 along a diagonal")
    _enter("berp", _ANY,      lambda z, x: -_of("bei", x) - _over(z, x, 0.0),          doc="the slope of ber")
    _enter("bei",  _ANY,      _value("beip"),                                          doc="the imaginary part of a Bessel function of order 0 along a diagonal")
    _enter("beip", _ANY,      lambda z, x: _of("ber", x) - _over(z, x, 0.5),           doc="the slope of bei")
    _enter("ker",  _POSITIVE, _value("kerp"),                                          doc="the same of the modified function of the second kind", singular=True)
    _enter("kerp", _POSITIVE, lambda z, x: -_of("kei", x) - z / x,                     doc="the slope of ker", singular=True)
    _enter("kei",  _POSITIVE, _value("keip"),                                          doc="the same of the modified function of the second kind", singular=True)
    _enter("keip", _POSITIVE, lambda z, x: _of("ker", x) - z / x,                      doc="the slope of kei", singular=True)
    ufunc_names["kelvin"] = Composed(_kelvin)
    _enter("struve",    ((0.6, 2.0), _POSITIVE), no_rule, _struve_slope,       doc="Struve's function of order v; that by v is refused", singular=True)
    _enter("modstruve", ((0.6, 2.0), _POSITIVE), no_rule, lambda z, v, x: 0.5 * (_of("modstruve", v - 1, x) + _of("modstruve", v + 1, x)) + _struve_extra(v, x), doc="the modified Struve function of order v; that by v is refused", singular=True)
    _enter("itstruve0",    _POSITIVE, lambda z, x: _of("struve", 0, x),                doc="the integral of struve(0, t) from 0 to x")
    _enter("itmodstruve0", _POSITIVE, lambda z, x: _of("modstruve", 0, x),             doc="the integral of modstruve(0, t) from 0 to x")
    _enter("it2struve0",   _POSITIVE, lambda z, x: -_over(_of("struve", 0, x), x, 2 / math.pi), doc="the integral of struve(0, t) / t from x on")
    # --- complex values -------------------------------------------------------------------------------------
    _enter("wofz",     _ANY,                    _faddeeva_slope,                       doc="Faddeeva's function exp(-z^2) erfc(-i z)", plane="analytic")
    _enter("hankel1",  (_POSITIVE, _POSITIVE),  no_rule, lambda z, v, x: 0.5 * (_of("hankel1", v - 1, x) - _of("hankel1", v + 1, x)), doc="Hankel's function jv + i yv; that by v is refused", plane="analytic")
    _enter("hankel2",  (_POSITIVE, _POSITIVE),  no_rule, lambda z, v, x: 0.5 * (_of("hankel2", v - 1, x) - _of("hankel2", v + 1, x)), doc="Hankel's function jv - i yv; that by v is refused", plane="analytic")
    _enter("hankel1e", (_POSITIVE, _POSITIVE),  no_rule, lambda z, v, x: 0.5 * (_of("hankel1e", v - 1, x) - _of("hankel1e", v + 1, x)) - 1j * z, doc="hankel1(v, x) exp(-i x); that by v is refused", plane="analytic")
    _enter("hankel2e", (_POSITIVE, _POSITIVE),  no_rule, lambda z, v, x: 0.5 * (_of("hankel2e", v - 1, x) - _of("hankel2e", v + 1, x)) + 1j * z, doc="hankel2(v, x) exp(i x); that by v is refused", plane="analytic")
    enter_several("modfresnelp", _ANY,
        ("modfresnelp_integral", lambda z, x: -np.exp(1j * x * x),                                        "the integral of exp(i t^2) from x on"),
        ("modfresnelp_scaled",   lambda z, x: -2j * x * z - (1 - 1j) / math.sqrt(2 * math.pi),            "that, times exp(-i (x^2 + pi/4)) / sqrt(pi)"), plane="analytic")
    enter_several("modfresnelm", _ANY,
        ("modfresnelm_integral", lambda z, x: -np.exp(-1j * x * x),                                       "the integral of exp(-i t^2) from x on"),
        ("modfresnelm_scaled",   lambda z, x: 2j * x * z - (1 + 1j) / math.sqrt(2 * math.pi),             "that, times exp(i (x^2 + pi/4)) / sqrt(pi)"), plane="analytic")
    # --- hypergeometric relatives ---------------------------------------------------------------------------
    _enter("voigt_profile", (_ANY, _POSITIVE, _POSITIVE), lambda z, x, s, c: np.real(_profile(x, s, c)), _profile_by_deviation, lambda z, x, s, c: -np.imag(_profile(x, s, c)), doc="a normal density of deviation s > 0 met by a Cauchy density of width c")
    _enter("hyperu",        (_POSITIVE,) * 3,         no_rule, no_rule, lambda z, a, b, x: -a * _of("hyperu", a + 1, b + 1, x), mend=_whole_tricomi, doc="Tricomi's function U(a, b, x); those by a and b are refused", singular=True)
    _enter("wright_bessel", (_POSITIVE,) * 3,         no_rule, no_rule, lambda z, a, b, x: _of("wright_bessel", a, a + b, x),              doc="Wright's function, the sum of x^k / (k! gamma(a k + b)); those by a and b are refused")
    _enter("log_wright_bessel", (_POSITIVE,) * 3,     no_rule, no_rule, _log_wright_slope, doc="its logarithm; those by a and b are refused")
    _enter("besselpoly",    (_POSITIVE,) * 3,         _moment_slope, no_rule, no_rule, doc="the integral of t^k jv(v, 2 a t) from 0 to 1, a series that has lost its digits for |a| above 15: there is no slope there; those by k and v are refused")
    _enter("zetac",         (2.5, 4.0),               no_rule,                                                                              doc="zeta(x) - 1; its derivative is refused")
    for _name in ("nctdtr", "nctdtridf", "nctdtrinc", "nctdtrit"):
        _enter(_name, (_POSITIVE,) * 3, *[_CANCELS] * 3, doc="of the noncentral t distribution; its derivatives are refused")
    _enter("smirnov",  (_POSITIVE, _SHARE), no_rule, _PIECES, doc="Smirnov's share above d of n samples; its derivatives are refused")
    _enter("smirnovi", (_POSITIVE, _SHARE), no_rule, _PIECES, doc="the d with smirnov(n, d) = p; its derivatives are refused")
    # --- equations with parameters --------------------------------------------------------------------------
    for _kind in ("a", "b"):
        _enter(f"mathieu_{_kind}", (_POSITIVE, _POSITIVE), no_rule, no_rule, doc="the characteristic value of Mathieu's equation; its derivative by q has no closed form")
    _three = (_POSITIVE, _SHARE, (5.0, 60.0))
    _pair("mathieu_cem", _three, _mathieu("a"), "Mathieu's even function of an angle in degrees", DEGREE)
    _pair("mathieu_sem", _three, _mathieu("b"), "Mathieu's odd function of an angle in degrees", DEGREE)
    for _number in "12":
        _pair(f"mathieu_modcem{_number}", (_POSITIVE, _SHARE, _SHARE), _mathieu_modified("a", _number == "2"), "Mathieu's modified even function")
        _pair(f"mathieu_modsem{_number}", (_POSITIVE, _SHARE, _SHARE), _mathieu_modified("b", _number == "2"), "Mathieu's modified odd function")
    _pair("pbdv", (_POSITIVE, _ANY), lambda y, slope, v, x: (x * x / 4 - v - 0.5) * y, "the parabolic cylinder function D of order v")
    _pair("pbvv", (_POSITIVE, _POSITIVE), lambda y, slope, v, x: (x * x / 4 - v - 0.5) * y, "the parabolic cylinder function V of order v")
    _pair("pbwa", (_POSITIVE, _SHARE), lambda y, slope, a, x: (a - x * x / 4) * y,  "the parabolic cylinder function W")
    for _prefix, _prolate in (("pro", True), ("obl", False)):
        _enter(f"{_prefix}_cv", (_POSITIVE,) * 3, no_rule, no_rule, no_rule, doc="a characteristic value of the spheroidal equation; its derivative by c has no closed form")
        for _name in (f"{_prefix}_rad2", f"{_prefix}_rad2_cv"):
            enter_several(_name, (_POSITIVE,) * 5, *((_name + end, *[_NOT_SOLVED] * (4 + ("cv" in _name)), "a spheroidal function of the second kind") for end in ("", "_slope")))
        for _kind, _radial in (("ang1", False), ("rad1", True)):
            _places = (1.2, 3.0) if _radial and _prolate else _SHARE
            _pair(f"{_prefix}_{_kind}", (_POSITIVE,) * 3 + (_places,), _spheroidal(_prolate, _radial, False), "a spheroidal function")
            _pair(f"{_prefix}_{_kind}_cv", (_POSITIVE,) * 4 + (_places,), _spheroidal(_prolate, _radial, True), "a spheroidal function of a given characteristic value")
    # --- polynomials ----------------------------------------------------------------------------------------
    _enter("eval_jacobi",      (_POSITIVE,) * 3 + (_SHARE,),   no_rule, no_rule, no_rule, _jacobi, mend=between(*_JACOBI),                                   doc="Jacobi's polynomial; those by n, a and b are refused")
    _enter("eval_sh_jacobi",   (_POSITIVE,) * 3 + (_SHARE,),   no_rule, no_rule, no_rule, _shifted_jacobi, mend=between(*_SHIFTED, lambda x: 2 * x - 1),                            doc="Jacobi's polynomial on (0, 1), of leading coefficient 1; those by n, p and q are refused")
    _enter("eval_laguerre",    (_POSITIVE, _ANY),   no_rule, lambda z, n, x: -_of("eval_genlaguerre", n - 1, 1.0, x),                 doc="Laguerre's polynomial of degree n")
    _enter("eval_chebyc",      (_POSITIVE, _SHARE), no_rule, lambda z, n, x: times(n, _of("eval_chebys", n - 1, x)),                        doc="2 eval_chebyt(n, x / 2)")
    _enter("eval_chebys",      (_POSITIVE, _SHARE), no_rule, lambda z, n, x: 0.5 * second_kind_slope(n, x / 2), mend=between(*SECOND_KIND, lambda x: x / 2),                             doc="eval_chebyu(n, x / 2)")
    _enter("eval_sh_chebyt",   (_POSITIVE, _SHARE), no_rule, lambda z, n, x: times(2 * n, _of("eval_sh_chebyu", n - 1, x)),                 doc="Chebyshev's polynomial of the first kind on (0, 1)")
    _enter("eval_sh_chebyu",   (_POSITIVE, _SHARE), no_rule, lambda z, n, x: 2 * second_kind_slope(n, 2 * x - 1), mend=between(*SECOND_KIND, lambda x: 2 * x - 1),                     doc="Chebyshev's polynomial of the second kind on (0, 1)")
    _enter("eval_sh_legendre", (_POSITIVE, _SHARE), no_rule, lambda z, n, x: 2 * legendre_slope(n, 2 * x - 1),                      doc="Legendre's polynomial on (0, 1)")
    _enter("lpmv",     (_POSITIVE, _POSITIVE, _SHARE), no_rule, no_rule, _legendre_slope, doc="Legendre's associated function")
    _enter("radian",   (_ANY,) * 3, DEGREE, DEGREE / 60, DEGREE / 3600,                                                               doc="an angle of degrees, minutes and seconds in radians")
    _enter("gammasgn", _POSITIVE, None,                                                                                               doc="the sign of the gamma function; no gradient")
    ufunc_names["round"] = ops["rint"]  # SciPy's own, under a name of its own
# fmt: on
