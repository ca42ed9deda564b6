"""`scipy.special`: the ufuncs whose derivative has a closed form or comes from a recurrence.

SciPy computes the values, so the chapter is there where SciPy is; it is imported when one of them is called.
Derivatives by the order of a Bessel function, or by the first argument of zeta, have no closed form: they are
refused.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from clearprop.define import elementwise
from clearprop.errors import GradientError, lesson
from clearprop.facts import Facts
from clearprop.ops.normal import DENSITY, ROOT_HALF
from clearprop.ops.plane import real_only
from clearprop.registry import Composed, numpy_functions, ops, ufunc_names

_ANY, _POSITIVE, _SHARE = (-2.0, 2.0), (0.3, 3.0), (0.1, 0.9)
_ORDERS = np.array([2, 3, 4], np.int8)  # constants
ROOT_PI, ROOT_TWO_PI, LN10 = math.sqrt(math.pi) / 2, math.sqrt(2 * math.pi), math.log(10.0)
BEYOND = 14  # terms of a series at infinity from 50 on: the next is below 1e-17 of the first
_refusing: set[Any] = set()  # the rules that `refused` made


def _scipys(name: str, mend: Callable[..., Any] | None = None) -> Callable[..., Any]:
    def forward(*xs: Any) -> Any:
        z = getattr(importlib.import_module("scipy.special"), name)(*xs)
        if mend is None:
            return z
        with np.errstate(all="ignore"):  # SciPy's functions do not warn
            return np.asarray(mend(z, *xs)).astype(z.dtype, copy=False)[()]

    forward.__name__ = forward.__qualname__ = name
    forward.__module__ = "scipy.special"  # whose function it is: what writes it down says so
    return forward


def _where_defined(derivative: Any) -> Any:
    """Return a derivative that is NaN where the value is: beyond its domain a function has no slope.

    The formulas of many go on there, as 1 / x does for log(x). Who reads the formula unwraps it.
    """
    if not callable(derivative) or derivative in _refusing:
        return derivative

    @functools.wraps(derivative)
    def slope(z: Any, *xs: Any) -> Any:
        kind = z.dtype.type
        return derivative(z, *xs) * np.where(np.isnan(z), kind(math.nan), kind(1))

    return slope


def enter_scipys(
    name: str,
    domain: Any,
    *derivatives: Any,
    doc: str,
    singular: bool = False,
    ufunc: str = "",
    script: str = "",
    plane: Literal["", "analytic"] = "",
    mend: Callable[..., Any] | None = None,
) -> None:
    """Enter the op of a ufunc of SciPy's, to be imported when it is first called.

    `mend(z, *xs)` is its value where SciPy's, z, has lost its digits, and z elsewhere.
    """
    facts = Facts(domain=domain, kinks=False, script=script, plane=plane)
    forward = _scipys(ufunc or name, mend)
    slopes = map(_where_defined, derivatives)
    elementwise(name, forward, *slopes, ufunc=ufunc or name, facts=facts, doc=doc, singular=singular)


def enter_several(
    ufunc: str,
    domain: Any,
    *parts: tuple[Any, ...],
    plane: Literal["", "analytic"] = "",
    mend: Callable[..., Any] | None = None,
) -> None:
    """Enter a ufunc of several results: an op for each, `(name, *derivatives, doc)` in their order.

    `mend(i, z, *xs)` is the value of the result i where SciPy's, z, has lost its digits, and z elsewhere.
    """
    names = [name for name, *_ in parts]
    for i, (name, *derivatives, doc) in enumerate(parts):
        facts = Facts(domain=domain, kinks=False, plane=plane)
        elementwise(
            name,
            _part(ufunc, i, mend),
            *map(_where_defined, derivatives),
            facts=facts,
            doc=doc,
            singular=True,
        )

    def several(*xs: Any) -> tuple[Any, ...]:
        return tuple(ops[name](*xs) for name in names)

    several.__name__, several.__doc__ = ufunc, f"Return {', '.join(doc for *_, doc in parts)}."
    ufunc_names[ufunc] = Composed(several)


def _part(ufunc: str, i: int, mend: Callable[..., Any] | None = None) -> Callable[..., Any]:
    def forward(*xs: Any) -> Any:
        z = getattr(importlib.import_module("scipy.special"), ufunc)(*xs)[i]
        return z if mend is None else np.asarray(mend(i, z, *xs)).astype(z.dtype, copy=False)[()]

    return forward


def _over(z: Any, x: Any) -> Any:
    """z / x, and its limit 1/2 at 0."""
    zero = x == 0
    return np.where(zero, z.dtype.type(0.5), z / np.where(zero, x.dtype.type(1), x))


def refused(why: str, hint: str = "t.detach() for a value without a gradient") -> Callable[..., Any]:
    """Return the rule of an input whose derivative is not to be had: it says why, as a GradientError."""

    def rule(z: Any, *xs: Any) -> Any:
        raise GradientError(lesson("a special function, backward", why, f"inputs {xs!r}"[:60], hint=hint))

    _refusing.add(rule)
    return rule


no_rule = refused(
    "the derivative by this order has no closed form",
    "the order as a plain number, or Tensor(order, requires_grad=False)",
)


whole_number = refused("a number that is cut to a whole one has no derivative", "that number plain")


def times(x: Any, y: Any) -> Any:
    """x * y, and 0 where x is 0, also where y is infinite or NaN."""
    return ops["masked_product"](x, y)


def _digamma(x: Any) -> Any:
    return ops["digamma"](x)


def _is_pole(x: Any) -> Any:
    """Whether the gamma function is infinite there: at 0, -1, -2 and so on."""
    return (x <= 0) & (np.floor(x) == x)


def _alone(x: Any, y: Any) -> Any:
    """Whether beta(x, y) is a number for whole y alone, where x and x + y are poles: it has no slope by y."""
    return _is_pole(x) & ~_is_pole(y) & _is_pole(x + y)


def digammas(x: Any, y: Any) -> Any:
    """digamma(x) - digamma(y); where both are infinite, a whole number apart, digamma(1 - x) - digamma(1 - y)."""
    both = _is_pole(x) & _is_pole(y)
    return _digamma(np.where(both, 1 - x, x)) - _digamma(np.where(both, 1 - y, y))


def _half_turns(wave: Callable[..., Any]) -> Callable[..., Any]:
    """The sine or cosine of pi x, with all digits near whole numbers."""

    def forward(x: Any) -> Any:
        whole = np.rint(x)
        return (1 - 2 * np.remainder(whole, 2)) * wave(math.pi * (x - whole))

    return forward


def _sinpi(x: Any) -> Any:
    return ops["sinpi"](x)


def _cospi(x: Any) -> Any:
    return ops["cospi"](x)


def inverse_gamma_slope(z: Any, x: Any) -> Any:
    """-z digamma(x), and left of 1/2, by 1 / gamma(x) = gamma(1 - x) sin(pi x) / pi, what has no poles."""
    left = x < 0.5
    right, mirrored = np.where(left, 1, x), np.where(left, 1 - x, 1)
    turn = np.where(left, x, 0)
    beyond = _cospi(turn) - _digamma(mirrored) * _sinpi(turn) / math.pi
    return np.where(left, ops["gamma"](mirrored) * beyond, -z * _digamma(right))


def at_zero(x: Any, rest: Any) -> Any:
    """The derivative of f / gamma(x) by x, where that is 0 at a pole: `rest` is the logarithmic one of f."""
    z = ops["rgamma"](x)
    return inverse_gamma_slope(z, x) + z * rest


def log_ndtr_slope(z: Any, x: Any) -> Any:
    """The density over the share: to the left of 0 without either, sqrt(2 / pi) / erfcx(-x / sqrt(2))."""
    left = x < 0
    low, high = np.where(left, x, x.dtype.type(-1)), np.where(left, x.dtype.type(1), x)
    near = np.exp(-0.5 * high * high - np.where(left, x.dtype.type(0), z)) / ROOT_TWO_PI
    return np.where(left, 2 / ROOT_TWO_PI / ops["erfcx"](low * -ROOT_HALF), near)


def digamma_rise(x: Any, m: Any) -> Any:
    """digamma(x + m) - digamma(x), also where m is small beside x."""
    return ops["digamma_rise"](x, m)


def _sides(x: Any, m: Any) -> tuple[Any, Any, Any]:
    """Where x and x + m are right of 0, where 1 - x and 1 - x - m are, and where neither is a pole there."""
    there, whole = (x > 0) & (x + m > 0), np.floor(m) == m
    left = ~there & (x < 1) & (x + m < 1) & (np.abs(x) < np.inf) & (np.abs(m) < np.inf)
    poles = _is_pole(x) | _is_pole(x + m)
    left = left & (whole | ~poles)
    return there, left, left & ~poles


def _polygamma_rise(order: int, x: Any, m: Any) -> Any:
    """That of x and m, or of 1 - x and -m where these are known."""
    there, left, _ = _sides(x, m)
    a, by = np.where(left, 1.0 - x, np.where(there, x, 1.0)), np.where(left, -m, np.where(there, m, 0.0))
    return ops["polygamma_rise"](a, by, order=order)


def _turns(x: Any, m: Any) -> tuple[Any, Any]:
    """pi x and pi m without whole turns, of what both are off whole numbers; else of any."""
    x_turn, m_turn = (math.pi * np.where(_sides(x, m)[2], v - np.rint(v), 0.2) for v in (x, m))
    return x_turn, m_turn


def _rise(x: Any, m: Any) -> Any:
    """On the left, with pi (cot(pi x) - cot(pi (x + m))), of whose values at poles the difference is taken."""
    there, left, turned = _sides(x, m)
    u, v = _turns(x, m)
    apart = math.pi * np.where(turned, np.sin(v) / (np.sin(u) * np.sin(u + v)), 0.0)
    known = there | left
    far = digammas(np.where(known, 1.0, x + m), np.where(known, 1.0, x))
    return np.where(known, _polygamma_rise(0, x, m) + apart, far)


def _rise_by_x(z: Any, x: Any, m: Any) -> Any:
    there, left, turned = _sides(x, m)
    u, v = _turns(x, m)
    apart = np.where(turned, np.sin(v) * np.sin(2 * u + v) / (np.sin(u) * np.sin(u + v)) ** 2, 0.0)
    known, near = there | left, _polygamma_rise(1, x, m)
    far = _trigamma(np.where(known, 1.0, x + m)) - _trigamma(np.where(known, 1.0, x))
    return np.where(known, np.where(left, -near, near) - math.pi**2 * apart, far)


def _rise_by_m(z: Any, x: Any, m: Any) -> Any:
    _, left, turned = _sides(x, m)
    u, v = _turns(x, m)
    apart = np.where(turned, 1.0 / np.sin(u + v) ** 2, 0.0)
    near = math.pi**2 * apart - _trigamma(np.where(left, 1.0 - x - m, 1.0))
    return np.where(left, near, _trigamma(np.where(left, 1.0, x + m)))


def _trigamma(x: Any) -> Any:
    return ops["zeta"](2.0, x)


def beta_slope(z: Any, x: Any, y: Any) -> Any:
    """By x: z times a difference of digammas, and where z is 0, x + y being a pole of gamma, its limit."""
    gone = _is_pole(x + y) & ~_is_pole(x) & ~_is_pole(y)
    a, b = np.where(gone, x, 0.5), np.where(gone, y, 0.5)
    there = ops["gamma"](a) * ops["gamma"](b) * at_zero(np.where(gone, x + y, 1.0), _digamma(a))
    far = ((x == np.inf) & (y > 0)) | ((y == np.inf) & (x > 0))  # beta falls to 0
    gone = gone | far
    usual = z * -digamma_rise(np.where(gone, 1.0, x), np.where(gone, 1.0, y))
    return np.where(far, 0.0, np.where(_alone(y, x), math.nan, np.where(gone, there, usual)))


def betaln_slope(z: Any, x: Any, y: Any) -> Any:
    """By x: a difference of digammas."""
    return np.where(_alone(y, x), math.nan, -digamma_rise(x, y))


def poch_slope(z: Any, x: Any, m: Any) -> Any:
    """By x, of gamma(x + m) / gamma(x), which is 0 where x alone is a pole."""
    gone = _is_pole(x) & ~_is_pole(x + m)
    top = np.where(gone, x + m, 1.0)
    there = ops["gamma"](top) * at_zero(np.where(gone, x, 1.0), _digamma(top))
    far = x == np.inf  # there it is x^m
    power = times(m, np.where(far, x, 1.0) ** (m - 1.0))
    usual = z * digamma_rise(np.where(gone | far, 1.0, x), np.where(gone, 1.0, m))
    return np.where(gone, there, np.where(far, power, usual))


def poch_slope_by_m(z: Any, x: Any, m: Any) -> Any:
    """By m; where x and x + m are poles, it has values at whole m alone, and no slope."""
    return np.where(_is_pole(x) & _is_pole(x + m), math.nan, z * _digamma(x + m))


def binomial_slopes() -> tuple[Any, Any]:
    """The rules of n over k by n and by k: it is 0 where k or n - k is a negative whole number."""

    def beyond(n: Any, k: Any) -> tuple[Any, Any, Any]:
        """For k above n, n over k is beta(n + 1, k - n) sin(pi (n - k + 1)) / pi: beta, sine / pi, cosine."""
        turn = n - k + 1.0
        return ops["beta"](n + 1.0, k - n), _sinpi(turn) / math.pi, _cospi(turn)

    def by_n(z: Any, n: Any, k: Any) -> Any:
        gone = _is_pole(n - k + 1) & ~_is_pole(n + 1) & ~_is_pole(k + 1)
        a, b = np.where(gone, n, 1.0), np.where(gone, k, 2.0)
        size, sine, cosine = beyond(a, b)
        there = size * (cosine + sine * (_digamma(a + 1.0) - _digamma(b - a)))
        return np.where(gone, there, z * digamma_rise(np.where(gone, 1.0, n - k + 1), np.where(gone, 0.0, k)))

    def by_k(z: Any, n: Any, k: Any) -> Any:
        above, below = (_is_pole(x) & ~_is_pole(n + 1) for x in (n - k + 1, k + 1))
        gone = above | below
        a, b = np.where(gone, n, 1.0), np.where(gone, np.where(above, k, n - k), 2.0)  # k or n - k, alike
        size, sine, cosine = beyond(a, b)
        there = size * (sine * (_digamma(b - a) - _digamma(b + 1.0)) - cosine)
        usual = z * digammas(np.where(gone, 1.0, n - k + 1), np.where(gone, 1.0, k + 1))
        return np.where(above, there, np.where(below, -there, usual))

    return by_n, by_k


def falls_like(z: Any, v: Any, x: Any, sign: float, slope: Any) -> Any:
    """The slope of exp(-x) I_v(x) (sign -1) or exp(x) K_v(x), which `slope` is where nothing cancels.

    Far out it is that of x^(-1/2) (1 + c_1 / x + c_2 / x^2 + ...), where
    c_k = sign^k (4 v^2 - 1) (4 v^2 - 9) ... (4 v^2 - (2 k - 1)^2) / (k! 8^k).
    """
    size = np.absolute(x)
    far = size > 50.0 * (1.0 + v * v)
    r = 1.0 / np.where(far, size, 1.0)
    total, turned, c = 1.0, 0.5, 1.0
    for k in range(1, BEYOND):
        c = c * (4.0 * v * v - (2 * k - 1) ** 2) * (sign / (8 * k)) * r
        total, turned = total + c, turned + (k + 0.5) * c
    return np.where(far, -np.sign(x) * z * r * turned / total, slope)


def legendre_slope(n: Any, x: Any) -> Any:
    """By x, of Legendre's function of degree n, which is that of degree -n - 1."""
    return gegenbauer(np.where(n < 0, -n - 1, n), 1.5, x)


def second_kind_slope(n: Any, x: Any) -> Any:
    """By x, of Chebyshev's U of degree n, which is -U of degree -n - 2."""
    mirrored = n < -1
    slope = 2 * gegenbauer(np.where(mirrored, -n - 2, n), 2.0, x)
    return np.where(n == -1, 0.0, np.where(mirrored, -slope, slope))


def gegenbauer(n: Any, a: Any, x: Any) -> Any:
    """Gegenbauer's polynomial of degree n - 1; there is none below 0."""
    return np.where(n == 0, 0.0, ops["eval_gegenbauer"](n - 1, a, x))


def _numpys_i0(x: Any) -> Any:
    """NumPy's name of the modified Bessel function of order 0; a short float stays one."""
    real_only("np.i0(x)", x)
    z = ops["i0"](x if x.dtype.kind == "f" else x.astype(np.float64))
    return z if x.dtype.kind != "f" or z.dtype == x.dtype else z.astype(x.dtype)


elementwise(
    "sinpi",
    _half_turns(np.sin),
    lambda z, x: math.pi * _cospi(x),
    facts=Facts(domain=_ANY, kinks=False),
    doc="sin(pi x)",
)
elementwise(
    "cospi",
    _half_turns(np.cos),
    lambda z, x: -math.pi * _sinpi(x),
    facts=Facts(domain=_ANY, kinks=False),
    doc="cos(pi x)",
)

# fmt: off
if importlib.util.find_spec("scipy") is not None:
    _enter = enter_scipys
    _enter("gamma",     _POSITIVE,               lambda z, x: z * _digamma(x),                             doc="the factorial of x - 1")
    _enter("gammaln",   _POSITIVE,               lambda z, x: _digamma(x),                                 doc="log(|gamma(x)|)")
    _enter("digamma",   _POSITIVE,               lambda z, x: ops["zeta"](z.dtype.type(2), x),             doc="the derivative of gammaln; its own, by zeta, for x > 0", ufunc="psi")
    _enter("zeta",      ((2.5, 4.0), _POSITIVE), no_rule, lambda z, s, x: -s * ops["zeta"](s + 1, x),         doc="the sum over k >= 0 of (k + x)^-s, for x > 0; that by s is refused")
    _enter("beta",      (_POSITIVE, _POSITIVE),  beta_slope, lambda z, x, y: beta_slope(z, y, x), doc="gamma(x) gamma(y) / gamma(x + y)")
    _enter("betaln",    (_POSITIVE, _POSITIVE),  betaln_slope, lambda z, x, y: betaln_slope(z, y, x), doc="log(|beta(x, y)|)")
    _enter("erfinv",    (-0.9, 0.9),             lambda z, x: ROOT_PI * np.exp(z * z),                     doc="the inverse of erf", singular=True)
    _enter("erfcinv",   (0.2, 1.8),              lambda z, x: -ROOT_PI * np.exp(z * z),                    doc="the inverse of erfc", singular=True)
    _enter("ndtri",     _SHARE,                  lambda z, x: np.exp(0.5 * z * z) / DENSITY,               doc="the inverse of ndtr", singular=True)
    _enter("log_ndtr",  _ANY,                    log_ndtr_slope,                                                doc="log(ndtr(x)), exact far to the left too")
    _enter("logit",     _SHARE,                  lambda z, x: 1 / (x * (1 - x)),                           script="(-Math.log(1 / {} - 1))", doc="log(x / (1 - x)), the inverse of the sigmoid", singular=True)
    _enter("xlogy",     (_POSITIVE, _POSITIVE),  lambda z, x, y: np.log(y),        lambda z, x, y: times(x, 1 / y),  script="({0} === 0 && {1} >= 0 ? 0 : {0} * Math.log({1}))", doc="x log(y), and 0 where x is 0", singular=True)
    _enter("xlog1py",   (_POSITIVE, _POSITIVE),  lambda z, x, y: np.log1p(y),      lambda z, x, y: times(x, 1 / (1 + y)), script="({0} === 0 && {1} >= -1 ? 0 : {0} * Math.log1p({1}))", doc="x log(1 + y), and 0 where x is 0", singular=True)
    _enter("entr",      _POSITIVE,               lambda z, x: -np.log(x) - 1,                              script="({0} > 0 ? -({0}) * Math.log({0}) : {0} === 0 ? 0 : {0} < 0 ? -Infinity : NaN)", doc="-x log(x), and 0 at 0", singular=True)
    _enter("rel_entr",  (_POSITIVE, _POSITIVE),  lambda z, x, y: np.log(x / y) + 1, lambda z, x, y: -x / y, script="cp.relEntr({}, {})", doc="x log(x / y)", singular=True)
    _enter("kl_div",    (_POSITIVE, _POSITIVE),  lambda z, x, y: np.log(x / y),    lambda z, x, y: 1 - x / y, script="(cp.relEntr({0}, {1}) - {0} + {1})", doc="x log(x / y) - x + y", singular=True)
    _enter("i0",        _ANY,                    lambda z, x: ops["i1"](x),                                doc="the modified Bessel function of order 0", singular=True)
    _enter("i1",        _ANY,                    lambda z, x: ops["i0"](x) - _over(z, x),                  doc="the modified Bessel function of order 1", singular=True)
    _enter("i0e",       _POSITIVE,               lambda z, x: falls_like(z, 0.0, x, -1.0, ops["i1e"](x) - np.sign(x) * z),  doc="i0(x) exp(-|x|)")
    _enter("i1e",       _POSITIVE,               lambda z, x: falls_like(z, 1.0, x, -1.0, ops["i0e"](x) - np.sign(x) * z - _over(z, x)), doc="i1(x) exp(-|x|)")
    _enter("j0",        _ANY,                    lambda z, x: -ops["j1"](x),                               doc="the Bessel function of order 0")
    _enter("j1",        _ANY,                    lambda z, x: ops["j0"](x) - _over(z, x),                  doc="the Bessel function of order 1")
    _enter("y0",        _POSITIVE,               lambda z, x: -ops["y1"](x),                               doc="the Bessel function of the second kind of order 0", singular=True)
    _enter("y1",        _POSITIVE,               lambda z, x: ops["y0"](x) - z / x,                        doc="the Bessel function of the second kind of order 1", singular=True)
    _enter("k0",        _POSITIVE,               lambda z, x: -ops["k1"](x),                               doc="the modified Bessel function of the second kind of order 0", singular=True)
    _enter("k1",        _POSITIVE,               lambda z, x: -ops["k0"](x) - z / x,                       doc="the modified Bessel function of the second kind of order 1", singular=True)
    _enter("jv",        (_POSITIVE, _POSITIVE),  no_rule, lambda z, v, x: 0.5 * (ops["jv"](v - 1, x) - ops["jv"](v + 1, x)), doc="the Bessel function of order v; that by v is refused")
    _enter("iv",        (_POSITIVE, _POSITIVE),  no_rule, lambda z, v, x: 0.5 * (ops["iv"](v - 1, x) + ops["iv"](v + 1, x)), doc="the modified Bessel function of order v; that by v is refused")
    _enter("exp10",     _ANY,                    lambda z, x: z * LN10,                                    script="Math.pow(10, {})", doc="10 to the power x", singular=True)
    elementwise("digamma_rise", _rise, _rise_by_x, _rise_by_m, facts=Facts(domain=(_POSITIVE, _POSITIVE), kinks=False), doc="digamma(x + m) - digamma(x)", singular=True)
    numpy_functions[np.i0] = _numpys_i0
    del ufunc_names["zeta"]  # SciPy's is a function that asks no Tensor
    for _name in ("zeta", "jv", "iv"):
        ops[_name].examples = (((_ORDERS, np.array([0.4, 1.3, 2.2])), {}),)
    ufunc_names.update({name: ops[name] for name in ("expm1", "log1p", "cbrt", "exp2")})  # NumPy's, under SciPy's names
# fmt: on
