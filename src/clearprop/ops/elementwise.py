"""Elementwise ops: a name, a function, and its local derivative dz/dx in terms of `z, x` (or `z, x, y`)."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from clearprop.define import define, elementwise
from clearprop.errors import lesson
from clearprop.op import Op
from clearprop.registry import ops

LN2, LN10 = math.log(2.0), math.log(10.0)
ANY, POSITIVE, UNIT = (-2.0, 2.0), (0.2, 3.0), (-0.9, 0.9)


def _number(y: Any) -> bool:
    return isinstance(y, (int, float)) and not isinstance(y, np.generic)  # np.float64 is a float to Python


def _inverse(z: Any, x: Any, y: Any) -> Any:
    return (
        1 / y if y.__class__ not in (int, float) or y else math.copysign(math.inf, y)
    )  # Python refuses 1 / 0


def _tie(x: Any, y: Any) -> Any:
    return x == y


def _whole(x: Any) -> Any:
    return x == np.floor(x)


def _multiple(x: Any, y: Any) -> Any:
    return _whole(x / y)


def _halfway(x: Any, decimals: int = 0) -> Any:
    return np.abs(x * 10.0**decimals) % 1 == 0.5


def _half(z: Any) -> Any:
    return z.dtype.type(0.5)


# --- arithmetic ---------------------------------------------------------------------------------------------
# fmt: off
add          = elementwise("add",          operator.add,     1,  1,                                       numpy=np.add,      doc="x + y")
subtract     = elementwise("subtract",     operator.sub,     1, -1,                                       numpy=np.subtract, doc="x - y")
multiply     = elementwise("multiply",     operator.mul,     lambda z, x, y: y,     lambda z, x, y: x,    numpy=np.multiply, doc="x * y")
divide       = elementwise("divide",       operator.truediv, _inverse,              lambda z, x, y: -z / y, numpy=np.divide, doc="x / y",
                           domain=(ANY, POSITIVE), singular=lambda x, y: not (_number(y) and y))
negative     = elementwise("negative",     operator.neg,     -1,                                          numpy=np.negative, doc="-x")
positive     = elementwise("positive",     operator.pos,      1,                                          numpy=np.positive, doc="+x")
floor_divide = elementwise("floor_divide", operator.floordiv, None, None, domain=(ANY, POSITIVE),         numpy=np.floor_divide, doc="floor(x / y); no gradient", kink=_multiple)
remainder    = elementwise("remainder",    operator.mod,     1, lambda z, x, y: -(x // y), domain=((0.3, 0.9), (1.0, 2.0)), numpy=np.remainder, doc="x - y * floor(x / y)",
                           kink=_multiple)
# fmt: on


def _base(z: Any, x: Any, y: Any) -> Any:
    """dz/dx = y x^(y-1), and 0 where y = 0 (so that 0^0 has base gradient 0, not 0 * inf)."""
    if _number(y):
        if y == 2:  # 2x: squares are everywhere, and a sum is cheaper than 2 * x ** 1
            return x + x
        return y * x ** (y - 1) if y else 0.0 * x
    d = y * x ** np.where(y == 0, y, y - 1)
    rounded = (y - 1) + 1 != y  # an exponent rounded by 1e-16 costs hundreds of ulp where x is large or small
    usual = rounded & (x != 0) & np.isfinite(z) & (z != 0)
    one = z.dtype.type(1)  # in place of an overflow, which would reach d's own derivatives as 0 * inf
    return np.where(usual, y * (np.where(usual, z, one) / np.where(usual, x, one)), d)


def _exponent(z: Any, x: Any, y: Any) -> Any:
    """dz/dy = z log x, and 0 where x = 0 and y >= 0 (the limit from above)."""
    zero = (x == 0) & (y >= 0)
    return z * np.log(np.where(zero, z.dtype.type(1), x))


# fmt: off
power      = elementwise("power",      operator.pow, _base, _exponent, numpy=np.power, doc="x to the power y", domain=(POSITIVE, ANY),
                         singular=lambda x, y: not (_number(y) and y in (0, 1, 2)), kink=lambda x, y: (x == 0) & (y == 0))
square     = elementwise("square",     np.square,     lambda z, x: x + x,       numpy=np.square,     doc="x * x")
sqrt       = elementwise("sqrt",       np.sqrt,       lambda z, x: 0.5 / z,     numpy=np.sqrt,       doc="square root",             domain=POSITIVE, singular=True)
cbrt       = elementwise("cbrt",       np.cbrt,       lambda z, x: 1 / (3 * z * z), numpy=np.cbrt,   doc="cube root",               domain=POSITIVE, singular=True)
reciprocal = elementwise("reciprocal", np.reciprocal, lambda z, x: -z * z,      numpy=np.reciprocal, doc="1 / x",                   domain=POSITIVE, singular=True)
absolute   = elementwise("absolute",   np.absolute,   lambda z, x: np.sign(x),  numpy=np.absolute,   doc="|x|; derivative 0 at 0",  domain=POSITIVE, kink=lambda x: x == 0)
sign       = elementwise("sign",       np.sign,       0,                        numpy=np.sign,       doc="-1, 0 or 1",              domain=POSITIVE, kink=lambda x: x == 0)

# --- exponentials and logarithms ----------------------------------------------------------------------------
exp       = elementwise("exp",       np.exp,       lambda z, x: z,              numpy=np.exp,       doc="e to the power x", singular=True)
exp2      = elementwise("exp2",      np.exp2,      lambda z, x: z * LN2,        numpy=np.exp2,      doc="2 to the power x", singular=True)
expm1     = elementwise("expm1",     np.expm1,     lambda z, x: np.exp(x),      numpy=np.expm1,     doc="exp(x) - 1, exact near 0; the derivative stays exact where z + 1 would round to 0", singular=True)
log       = elementwise("log",       np.log,       lambda z, x: 1 / x,          numpy=np.log,       doc="natural logarithm",    domain=POSITIVE, singular=True)
log2      = elementwise("log2",      np.log2,      lambda z, x: 1 / (x * LN2),  numpy=np.log2,      doc="logarithm to base 2",  domain=POSITIVE, singular=True)
log10     = elementwise("log10",     np.log10,     lambda z, x: 1 / (x * LN10), numpy=np.log10,     doc="logarithm to base 10", domain=POSITIVE, singular=True)
log1p     = elementwise("log1p",     np.log1p,     lambda z, x: 1 / (1 + x),    numpy=np.log1p,     doc="log(1 + x), exact near 0", domain=POSITIVE, singular=True)
logaddexp = elementwise("logaddexp", np.logaddexp, lambda z, x, y: sigmoid(x - y), lambda z, x, y: sigmoid(y - x), numpy=np.logaddexp, doc="log(exp(x) + exp(y)) without overflow; the rounding of x - y costs the derivative precision where they are far apart")

# --- trigonometric and hyperbolic ---------------------------------------------------------------------------
sin     = elementwise("sin",     np.sin,     lambda z, x: np.cos(x),                      numpy=np.sin,     doc="sine of x radians")
cos     = elementwise("cos",     np.cos,     lambda z, x: -np.sin(x),                     numpy=np.cos,     doc="cosine of x radians")
tan     = elementwise("tan",     np.tan,     lambda z, x: 1 + z * z,                      numpy=np.tan,     doc="tangent of x radians (NumPy's own in float32 is within 2.5 ulp)",        domain=(-1.2, 1.2))
arcsin  = elementwise("arcsin",  np.arcsin,  lambda z, x: 1 / np.sqrt((1 - x) * (1 + x)), numpy=np.arcsin,  doc="inverse sine, in radians",    domain=UNIT, singular=True)
arccos  = elementwise("arccos",  np.arccos,  lambda z, x: -1 / np.sqrt((1 - x) * (1 + x)), numpy=np.arccos, doc="inverse cosine, in radians",  domain=UNIT, singular=True)
arctan  = elementwise("arctan",  np.arctan,  lambda z, x: 1 / (1 + x * x),                numpy=np.arctan,  doc="inverse tangent, in radians")
arctan2 = elementwise("arctan2", np.arctan2, lambda z, y, x: x / np.hypot(x, y) / np.hypot(x, y), lambda z, y, x: y / np.hypot(x, y) / -np.hypot(x, y), numpy=np.arctan2,
                      doc="angle of the point (x, y), in radians: arctan2(y, x)", domain=(POSITIVE, POSITIVE), singular=True, kink=lambda y, x: (y == 0) & (x <= 0))
sinh    = elementwise("sinh",    np.sinh,    lambda z, x: np.cosh(x),                     numpy=np.sinh,    doc="hyperbolic sine", singular=True)
cosh    = elementwise("cosh",    np.cosh,    lambda z, x: np.sinh(x),                     numpy=np.cosh,    doc="hyperbolic cosine", singular=True)
tanh    = elementwise("tanh",    np.tanh,    lambda z, x: 1 - z * z,                      numpy=np.tanh,    doc="hyperbolic tangent; its derivative keeps absolute, not relative, precision where |z| is near 1")
arcsinh = elementwise("arcsinh", np.arcsinh, lambda z, x: 1 / np.hypot(1.0, x),           numpy=np.arcsinh, doc="inverse hyperbolic sine")
arccosh = elementwise("arccosh", np.arccosh, lambda z, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)), numpy=np.arccosh, doc="inverse hyperbolic cosine",   domain=(1.2, 3.0), singular=True)
arctanh = elementwise("arctanh", np.arctanh, lambda z, x: 1 / ((1 - x) * (1 + x)),        numpy=np.arctanh, doc="inverse hyperbolic tangent",  domain=UNIT, singular=True)
hypot   = elementwise("hypot",   np.hypot,   lambda z, x, y: x / _length(z), lambda z, x, y: y / _length(z),
                      numpy=np.hypot, doc="sqrt(x^2 + y^2); derivative 0 at (0, 0)", domain=(POSITIVE, POSITIVE), kink=lambda x, y: (x == 0) & (y == 0))
# fmt: on


def _length(z: Any) -> Any:
    """z, and infinity where it is 0: what is divided by it is 0 there, and so are its own derivatives."""
    return np.where(z == 0, z.dtype.type(math.inf), z)


# --- activations --------------------------------------------------------------------------------------------
def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):  # exp(-x) = inf gives the right limit, 0
        return 1 / (1 + np.exp(-x))


# fmt: off
sigmoid: Op = elementwise("sigmoid",    _sigmoid,                         lambda z, x: z * sigmoid(-x), ufunc="expit",     doc="1 / (1 + exp(-x)); the derivative keeps its precision in both tails")
relu       = elementwise("relu",       lambda x: np.maximum(x, 0),       lambda z, x: x > 0,          doc="max(x, 0); derivative 0 at 0, as in the lecture", domain=POSITIVE, choice=True, kink=lambda x: x == 0)
softplus   = elementwise("softplus",   lambda x: np.logaddexp(x, 0),     lambda z, x: sigmoid(x),     doc="log(1 + exp(x)) without overflow")
logsigmoid = elementwise("logsigmoid", lambda x: -np.logaddexp(-x, 0),   lambda z, x: sigmoid(-x), ufunc="log_expit", doc="log(sigmoid(x)) without overflow")

# --- choices: ties share the gradient equally ---------------------------------------------------------------
maximum = elementwise("maximum", np.maximum, lambda z, x, y: (x > y) * _half(z) + (x >= y) * _half(z), lambda z, x, y: (y > x) * _half(z) + (y >= x) * _half(z),
                      numpy=np.maximum, doc="the larger of x and y; a tie shares the gradient", domain=((0.0, 1.0), (1.1, 2.0)), choice=True, kink=_tie)
minimum = elementwise("minimum", np.minimum, lambda z, x, y: (x < y) * _half(z) + (x <= y) * _half(z), lambda z, x, y: (y < x) * _half(z) + (y <= x) * _half(z),
                      numpy=np.minimum, doc="the smaller of x and y; a tie shares the gradient", domain=((0.0, 1.0), (1.1, 2.0)), choice=True, kink=_tie)
# fmt: on


@define(
    "where",
    "elementwise",
    None,
    lambda g, z, c, x, y: np.where(c, g, 0),  # a choice, not a product: 0 * inf would be NaN
    lambda g, z, c, x, y: np.where(c, 0, g),
    numpy=np.where,
    domain=(None, ANY, ANY),  # None: a condition
)
def where(c: Any, x: Any, y: Any) -> Any:
    """x where c holds, else y; the gradient goes to the one that was chosen."""
    return np.where(c, x, y)[()]


_ABSENT: Any = object()


def _clip_signature(
    x: Any, a_min: Any = _ABSENT, a_max: Any = _ABSENT, *, min: Any = _ABSENT, max: Any = _ABSENT
) -> Any:
    if a_min is not _ABSENT and a_max is _ABSENT:
        raise TypeError("missing 1 required positional argument: 'a_max'")
    if a_min is not _ABSENT and not (min is _ABSENT and max is _ABSENT):
        raise ValueError(lesson("clip(x, low, high)", "wants each end once", "min= or max= as well"))
    low, high = (min, max) if a_min is _ABSENT else (a_min, a_max)
    absent = all(end is None or end is _ABSENT for end in (low, high))
    kind = getattr(getattr(x, "dtype", None), "kind", "f")
    if absent and kind == "b":
        raise TypeError("booleans without an end have nothing to be clipped to")
    info = np.iinfo(x.dtype) if kind in "iu" else None
    ends = (info.min, info.max) if info else (False, True) if kind == "b" else (-math.inf, math.inf)
    low, high = (ends[k] if end is None or end is _ABSENT else end for k, end in enumerate((low, high)))
    if info:  # a Python number beyond the dtype's own ends is no end at all
        low = info.min if type(low) is int and low <= info.min else low
        high = info.max if type(high) is int and high >= info.max else high
    return (x, low, high), {}


@define(
    "clip",
    "elementwise",
    lambda g, z, x, low, high: np.where((x >= low) & (x <= high), g, 0),
    lambda g, z, x, low, high: np.where((x < low) & (low <= high), g, 0),
    lambda g, z, x, low, high: np.where((x > high) | (low > high), g, 0),
    numpy=np.clip,
    signature=_clip_signature,
    domain=((-2.0, 2.0), (-1.1, -1.0), (1.0, 1.1)),
    kink=lambda x, low, high: (x == low) | (x == high),
)
def clip(x: Any, low: Any, high: Any) -> Any:
    """min(max(x, low), high); the gradient passes on the closed interval."""
    return np.minimum(np.maximum(x, low), high)


@define(
    "masked_product", "elementwise", lambda g, z, x, y: ops["masked_product"](g, y), lambda g, z, x, y: g * x
)
def masked_product(x: Any, y: Any) -> Any:
    """x * y, and 0 wherever x is 0 even if y is infinite: how a gradient of exactly 0 passes a singular derivative."""
    return np.where(x == 0, 0, x * y)[()]


@define("radians", "elementwise", lambda g, z, x: g * (math.pi / 180), numpy=(np.radians, np.deg2rad))
def radians(x: Any) -> Any:
    """Degrees as radians."""
    return np.radians(x)


@define("degrees", "elementwise", lambda g, z, x: g * (180 / math.pi), numpy=(np.degrees, np.rad2deg))
def degrees(x: Any) -> Any:
    """Radians as degrees."""
    return np.degrees(x)


@define("astype", "elementwise", lambda g, z, x, dtype: g, examples=((((3, 4),), {"dtype": np.dtype("f8")}),))
def astype(x: Any, *, dtype: Any = None) -> Any:
    """The same numbers in another dtype; the gradient comes back in x's own."""
    return x.astype(dtype)


@define("truncate", "elementwise", None, kink=lambda x, dtype: _whole(x))
def truncate(x: Any, *, dtype: Any = None) -> Any:
    """The same numbers in an integer or boolean dtype; no gradient."""
    return x.astype(dtype)


@define("detach", "elementwise", None)
def detach(x: Any) -> Any:
    """The same value, through which no gradient passes."""
    return x


@define("round", "elementwise", None, numpy=(np.round, np.around), kink=_halfway)
def round_(x: Any, *, decimals: int = 0) -> Any:
    """Rounded to that many decimals; no gradient."""
    return np.round(x, decimals)


# --- without a gradient: rounding, comparison, logic, bits --------------------------------------------------
# fmt: off
_ONE: Any = ((_whole, (np.floor, np.ceil, np.trunc)), (_halfway, (np.rint,)), (lambda x: x == 0, (np.signbit,)),
             (False, (np.isnan, np.isinf, np.isfinite, np.logical_not, np.invert)))
_TWO: Any = ((_tie, (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)),
             (False, (np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift)))
for _kink, _ufuncs in _ONE:
    for _ufunc in _ufuncs:
        elementwise(_ufunc.__name__, _ufunc, None, numpy=_ufunc, doc=f"NumPy's {_ufunc.__name__}; no gradient", kink=_kink)
for _kink, _ufuncs in _TWO:
    for _ufunc in _ufuncs:
        elementwise(_ufunc.__name__, _ufunc, None, None, numpy=_ufunc, doc=f"NumPy's {_ufunc.__name__}; no gradient", kink=_kink)
# fmt: on
