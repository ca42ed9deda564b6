"""Elementwise ops: a name, a function, and its local derivative dz/dx in terms of `z, x` (or `z, x, y`)."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from clearprop.define import define, elementwise
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.op import Op
from clearprop.ops.limits import of_larger, of_relu, of_smaller
from clearprop.ops.quotient import (
    of_length,
    over,
    over_chosen,
    over_converted,
    over_factors,
    over_first,
    over_moved,
    over_powers,
    over_terms,
    sending,
)
from clearprop.registry import ops
from clearprop.tensor import Tensor

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


def _zero(x: Any) -> Any:
    return x == 0


def _origin(x: Any, y: Any) -> Any:
    return (x == 0) & (y == 0)


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
add: Op          = elementwise("add",          operator.add,     1,  1,                                       numpy=np.add,      facts=Facts(sign="+", script="({} + {})", over=over_terms), doc="x + y")
subtract: Op     = elementwise("subtract",     operator.sub,     1, -1,                                       numpy=np.subtract, facts=Facts(sign="-", script="({} - {})", over=over_terms), doc="x - y")
multiply: Op     = elementwise("multiply",     operator.mul,     lambda z, x, y: y,     lambda z, x, y: x,    numpy=np.multiply, facts=Facts(sign="*", script="({} * {})", linear=(0, 1), over=over_factors), doc="x * y")
divide: Op       = elementwise("divide",       operator.truediv, _inverse,              lambda z, x, y: -z / y, numpy=np.divide, facts=Facts(sign="/", script="({} / {})", linear=(0,), over=over_first, domain=(ANY, POSITIVE), advice="a denominator kept from 0, such as y + 1e-8"),
                           doc="x / y", singular=lambda x, y: not (_number(y) and y))
negative: Op     = elementwise("negative",     operator.neg,     -1,                                          numpy=np.negative, facts=Facts(script="(-{})", over=over_first), doc="-x")
positive: Op     = elementwise("positive",     operator.pos,      1,                                          numpy=np.positive, facts=Facts(script="(+{})", over=over_moved), doc="+x")
floor_divide: Op = elementwise("floor_divide", operator.floordiv, None, None,         numpy=np.floor_divide, facts=Facts(sign="//", script="cp.floorDivide({}, {})", domain=(ANY, POSITIVE), kinks=_multiple),
                           doc="floor(x / y); no gradient")
remainder: Op    = elementwise("remainder",    operator.mod,     1, lambda z, x, y: -(x // y), numpy=np.remainder, facts=Facts(sign="%", script="cp.remainder({}, {})", domain=((0.3, 0.9), (1.0, 2.0)), kinks=_multiple),
                           doc="x - y * floor(x / y)")
# fmt: on


def _base(z: Any, x: Any, y: Any) -> Any:
    """dz/dx = y x^(y-1), and 0 where y = 0 (so that 0^0 has base gradient 0, not 0 * inf)."""
    if isinstance(y, (np.ndarray, np.generic)) and y.size and np.all(y == y.flat[0]):
        y = y.flat[0].item()  # one number, however it is written, has one rule
    if _number(y):
        if y == 2:  # 2x: squares are everywhere, and a sum is cheaper than 2 * x ** 1
            return x + x
        d = y * x ** (y - 1) if y else 0.0 * x**y  # 1 of infinity and of NaN too
        rounded = bool(y) and _rounded(y, z)
        if not rounded:
            return d
    else:
        d = y * x ** np.where(y == 0, y, y - 1)
        rounded = (y - 1) + 1 != y
    usual = rounded & (x != 0) & np.isfinite(z) & (z != 0)
    one = z.dtype.type(1)  # in place of an overflow, which would reach d's own derivatives as 0 * inf
    return np.where(usual, y * (np.where(usual, z, one) / np.where(usual, x, one)), d)


def _rounded(y: Any, z: Any) -> bool:
    """Whether y - 1 has another last digit than y: it costs hundreds of ulp where x is large or small."""
    kind = getattr(getattr(z, "dtype", None), "type", float)
    if y.imag or not issubclass(kind, (float, np.floating)):
        return False
    return bool(float(kind(y.real - 1)) + 1.0 != float(kind(y.real)))


def _root_sends(i: int, ratio: Any, z: Any, x: Any, y: Any = 0.5) -> Any:
    """Factors of what a root's input receives from ratio times the root: NaN where the root is NaN, too."""
    n, one = _order(x, y), z.dtype.type(1)
    for _ in range(n - 2):
        ratio = None if ratio is None else over(ratio, z)
    if i or ratio is None:
        return None
    part = ratio / z.dtype.type(n)
    if z.dtype.kind == "c":
        return part, one
    usual = np.where((x >= 0) | (ratio == 0), one, z)
    return part, usual / usual  # 1, and NaN with all its derivatives where the root is NaN


def _order(x: Any, y: Any) -> int:
    """Return which root x to the power y is: 2 where y is a half, 3 where it is a third; 0 where it is none."""
    if isinstance(y, Tensor) or not np.size(y) or not np.all(y == np.ravel(y)[0]):
        return 0
    y = np.ravel(y)[0]
    n = 0 if isinstance(y, complex) or not 0.1 < y <= 0.5 else round(1 / float(y))
    return n if n * y == 1 else 0


def _exponent(z: Any, x: Any, y: Any) -> Any:
    """dz/dy = z log x, and 0 where x = 0 and y >= 0 (the limit from above)."""
    zero = (x == 0) & ((y.real if z.dtype.kind == "c" else y) >= 0)
    return z * np.log(np.where(zero, z.dtype.type(1), x))


def _direction(z: Any, x: Any) -> Any:
    """x / |x|, and 0 at 0."""
    return np.sign(x) if x.dtype.kind != "c" else x / np.where(z == 0, z.dtype.type(math.inf), z)


def _third(z: Any, x: Any) -> Any:
    """1 / (3 z^2), as z / x / 3: so the second derivative is within 4 ulp, too, where it was 7 (float32: 13)."""
    fifth = np.abs(z * z * x)  # of which the second derivative is the inverse: where that is 0 or infinite
    edge = (fifth < np.finfo(z.dtype).tiny) | np.isinf(fifth)
    return np.where(edge, 1 / (3 * z * z), z / np.where(edge, 1, x) / 3)


def _third_sends(i: int, ratio: Any, z: Any, x: Any) -> Any:
    """Factors of what a third root's input receives from ratio times the root."""
    rest = over(ratio, z)
    return None if rest is None else (rest / z.dtype.type(3), z.dtype.type(1))


def _arc(x: Any) -> Any:
    """sqrt(1 - x^2), on its cut the limit from where NumPy's arccos is: of -(x - 1) the sign of 0 is right."""
    return np.sqrt((1 - x) * (1 + x)) if x.dtype.kind != "c" else np.sqrt(-(x - 1)) * np.sqrt(x + 1)


def _root(x: Any) -> Any:
    """sqrt(1 + x^2), without overflow where x is real."""
    return np.hypot(1.0, x) if x.dtype.kind != "c" else np.sqrt(1 + x * x)


# fmt: off
power: Op      = elementwise("power",      operator.pow, _base, _exponent, numpy=np.power, facts=Facts(sign="**", script="cp.power({}, {})", domain=(POSITIVE, ANY), kinks=_origin, smooth=sending(_root_sends, root=_order), over=over_powers, advice="np.square(x) or x * x for a whole power; a base kept above 0 for others"),
                         doc="x to the power y", singular=lambda x, y: not (_number(y) and y in (0, 1, 2)))
square: Op     = elementwise("square",     np.square,     lambda z, x: x + x,       numpy=np.square,     facts=Facts(script="(({0}) * ({0}))"), doc="x * x")
sqrt: Op       = elementwise("sqrt",       np.sqrt,       lambda z, x: 0.5 / z,     numpy=np.sqrt,       facts=Facts(script="Math.sqrt({})", domain=POSITIVE, smooth=sending(_root_sends, root=lambda x: 2), advice="np.sqrt(np.maximum(x, 0) + 1e-12): its slope at 0 is infinite"),
                         doc="square root", singular=True)
cbrt: Op       = elementwise("cbrt",       np.cbrt,       _third,                      numpy=np.cbrt, facts=Facts(script="Math.cbrt({})", domain=POSITIVE, smooth=sending(_third_sends, root=lambda x: 3)), doc="cube root; both derivatives are within 4 ulp, compiled by llvm within 6", singular=True)
reciprocal: Op = elementwise("reciprocal", np.reciprocal, lambda z, x: -z * z,      numpy=np.reciprocal, facts=Facts(script="(1 / {})", domain=POSITIVE, advice="a denominator kept from 0, such as x + 1e-8"),
                         doc="1 / x", singular=True)
absolute: Op   = elementwise("absolute",   np.absolute,   _direction,              numpy=np.absolute,   facts=Facts(script="Math.abs({})", domain=POSITIVE, kinks=_zero, smooth=of_length(lambda x: x)), doc="|x|; derivative 0 at 0")
sign: Op       = elementwise("sign",       np.sign,       0,                        numpy=np.sign,       facts=Facts(script="Math.sign({})", domain=POSITIVE, kinks=_zero), doc="-1, 0 or 1")

# --- exponentials and logarithms ----------------------------------------------------------------------------
exp: Op       = elementwise("exp",       np.exp,       lambda z, x: z,              numpy=np.exp,   facts=Facts(script="Math.exp({})", advice="np.logaddexp, logsumexp, softmax or log_softmax, which do not overflow"),
                        doc="e to the power x", singular=True)
exp2: Op      = elementwise("exp2",      np.exp2,      lambda z, x: z * LN2,        numpy=np.exp2,  facts=Facts(script="Math.pow(2, {})"), doc="2 to the power x", singular=True)
expm1: Op     = elementwise("expm1",     np.expm1,     lambda z, x: np.exp(x),      numpy=np.expm1, facts=Facts(script="Math.expm1({})"),
                        doc="exp(x) - 1, exact near 0; the derivative stays exact where z + 1 would round to 0", singular=True)
log: Op       = elementwise("log",       np.log,       lambda z, x: 1 / x,          numpy=np.log,   facts=Facts(script="Math.log({})", domain=POSITIVE, advice="np.log(np.maximum(x, 1e-12)), or log_softmax where the logarithm is of a softmax"),
                        doc="natural logarithm", singular=True)
log2: Op      = elementwise("log2",      np.log2,      lambda z, x: 1 / (x * LN2),  numpy=np.log2,  facts=Facts(script="Math.log2({})", domain=POSITIVE), doc="logarithm to base 2", singular=True)
log10: Op     = elementwise("log10",     np.log10,     lambda z, x: 1 / (x * LN10), numpy=np.log10, facts=Facts(script="Math.log10({})", domain=POSITIVE), doc="logarithm to base 10", singular=True)
log1p: Op     = elementwise("log1p",     np.log1p,     lambda z, x: 1 / (1 + x),    numpy=np.log1p, facts=Facts(script="Math.log1p({})", domain=POSITIVE), doc="log(1 + x), exact near 0", singular=True)
logaddexp: Op = elementwise("logaddexp", np.logaddexp, lambda z, x, y: sigmoid(x - y), lambda z, x, y: sigmoid(y - x), numpy=np.logaddexp, facts=Facts(script="cp.logaddexp({}, {})"),
                        doc="log(exp(x) + exp(y)) without overflow; the rounding of x - y costs the derivative precision where they are far apart")

# --- trigonometric and hyperbolic ---------------------------------------------------------------------------
sin: Op     = elementwise("sin",     np.sin,     lambda z, x: np.cos(x),                      numpy=np.sin,     facts=Facts(script="Math.sin({})"), doc="sine of x radians")
cos: Op     = elementwise("cos",     np.cos,     lambda z, x: -np.sin(x),                     numpy=np.cos,     facts=Facts(script="Math.cos({})"), doc="cosine of x radians")
tan: Op     = elementwise("tan",     np.tan,     lambda z, x: 1 + z * z,                      numpy=np.tan,     facts=Facts(script="Math.tan({})", domain=(-1.2, 1.2)),
                      doc="tangent of x radians (NumPy's own in float32 is within 2.5 ulp)")
arcsin: Op  = elementwise("arcsin",  np.arcsin,  lambda z, x: 1 / _arc(x),               numpy=np.arcsin,  facts=Facts(script="Math.asin({})", domain=UNIT), doc="inverse sine, in radians", singular=True)
arccos: Op  = elementwise("arccos",  np.arccos,  lambda z, x: -1 / _arc(x),              numpy=np.arccos, facts=Facts(script="Math.acos({})", domain=UNIT), doc="inverse cosine, in radians", singular=True)
arctan: Op  = elementwise("arctan",  np.arctan,  lambda z, x: 1 / (1 + x * x),                numpy=np.arctan,  facts=Facts(script="Math.atan({})"), doc="inverse tangent, in radians")
arctan2: Op = elementwise("arctan2", np.arctan2, lambda z, y, x: x / np.hypot(x, y) / np.hypot(x, y), lambda z, y, x: y / np.hypot(x, y) / -np.hypot(x, y), numpy=np.arctan2,
                      facts=Facts(script="Math.atan2({}, {})", domain=(POSITIVE, POSITIVE), kinks=lambda y, x: (y == 0) & (x <= 0)),
                      doc="angle of the point (x, y), in radians: arctan2(y, x)", singular=True)
sinh: Op    = elementwise("sinh",    np.sinh,    lambda z, x: np.cosh(x),                     numpy=np.sinh,    facts=Facts(script="Math.sinh({})"), doc="hyperbolic sine", singular=True)
cosh: Op    = elementwise("cosh",    np.cosh,    lambda z, x: np.sinh(x),                     numpy=np.cosh,    facts=Facts(script="Math.cosh({})"), doc="hyperbolic cosine", singular=True)
tanh: Op    = elementwise("tanh",    np.tanh,    lambda z, x: 1 - z * z,                      numpy=np.tanh,    facts=Facts(script="Math.tanh({})", flat="both"),
                      doc="hyperbolic tangent; its derivatives are within 2.3e-16 and 4.6e-16 of the exact ones, not within a few ulp where |z| is near 1: "
                      "4 e / (1 + e)^2 with e = exp(-2 |x|) would be, and takes 2.4 times the time (`benchmarks/accuracy.py --costs`); compiled by llvm, 2.3 times as far off")
arcsinh: Op = elementwise("arcsinh", np.arcsinh, lambda z, x: 1 / _root(x),                   numpy=np.arcsinh, facts=Facts(script="Math.asinh({})"), doc="inverse hyperbolic sine")
arccosh: Op = elementwise("arccosh", np.arccosh, lambda z, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)), numpy=np.arccosh, facts=Facts(script="Math.acosh({})", domain=(1.2, 3.0)),
                      doc="inverse hyperbolic cosine", singular=True)
arctanh: Op = elementwise("arctanh", np.arctanh, lambda z, x: 1 / ((1 - x) * (1 + x)),        numpy=np.arctanh, facts=Facts(script="Math.atanh({})", domain=UNIT), doc="inverse hyperbolic tangent", singular=True)
hypot: Op   = elementwise("hypot",   np.hypot,   lambda z, x, y: x / _length(z), lambda z, x, y: y / _length(z),
                      numpy=np.hypot, facts=Facts(script="Math.hypot({}, {})", domain=(POSITIVE, POSITIVE), kinks=_origin, smooth=of_length(lambda x, y: x, lambda x, y: y)), doc="sqrt(x^2 + y^2); derivative 0 at (0, 0)")
# fmt: on


def _length(z: Any) -> Any:
    """z, and infinity where it is 0: what is divided by it is 0 there, and so are its own derivatives."""
    return np.where(z == 0, z.dtype.type(math.inf), z)


# --- activations --------------------------------------------------------------------------------------------
def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):  # exp(-x) = inf gives the right limit, 0
        return 1 / (1 + np.exp(-x))


# fmt: off
sigmoid: Op = elementwise("sigmoid",    _sigmoid,                         lambda z, x: z * sigmoid(-x), ufunc="expit", facts=Facts(flat="both", makes="probability"),
                          doc="1 / (1 + exp(-x)); the derivative keeps its precision in both tails")
relu: Op       = elementwise("relu",       lambda x: np.maximum(x, 0),       lambda z, x: x > 0, facts=Facts(domain=POSITIVE, kinks=_zero, flat="left", smooth=of_relu),
                         doc="max(x, 0); derivative 0 at 0, as in the lecture", choice=True)
softplus: Op   = elementwise("softplus",   lambda x: np.logaddexp(x, 0),     lambda z, x: sigmoid(x),     doc="log(1 + exp(x)) without overflow")
logsigmoid: Op = elementwise("logsigmoid", lambda x: -np.logaddexp(-x, 0),   lambda z, x: sigmoid(-x), ufunc="log_expit", doc="log(sigmoid(x)) without overflow")

# --- choices: ties share the gradient equally ---------------------------------------------------------------
maximum: Op = elementwise("maximum", np.maximum, lambda z, x, y: (x > y) * _half(z) + (x >= y) * _half(z), lambda z, x, y: (y > x) * _half(z) + (y >= x) * _half(z),
                      numpy=np.maximum, facts=Facts(script="Math.max({}, {})", domain=((0.0, 1.0), (1.1, 2.0)), kinks=_tie, smooth=of_larger), doc="the larger of x and y; a tie shares the gradient", choice=True)
minimum: Op = elementwise("minimum", np.minimum, lambda z, x, y: (x < y) * _half(z) + (x <= y) * _half(z), lambda z, x, y: (y < x) * _half(z) + (y <= x) * _half(z),
                      numpy=np.minimum, facts=Facts(script="Math.min({}, {})", domain=((0.0, 1.0), (1.1, 2.0)), kinks=_tie, smooth=of_smaller), doc="the smaller of x and y; a tie shares the gradient", choice=True)
# fmt: on


@define(
    "where",
    "elementwise",
    None,
    lambda g, z, c, x, y: np.where(c, g, 0),  # a choice, not a product: 0 * inf would be NaN
    lambda g, z, c, x, y: np.where(c, 0, g),
    facts=Facts(
        script="({} ? {} : {})",
        domain=(None, ANY, ANY),  # None: a condition
        cost=0,
        picks=lambda i, c, x, y: (None, np.asarray(c, bool), ~np.asarray(c, bool))[i],
        over=over_chosen,
    ),
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
    facts=Facts(domain=(ANY, (-1.1, -1.0), (1.0, 1.1)), kinks=lambda x, low, high: (x == low) | (x == high)),
)
def clip(x: Any, low: Any, high: Any) -> Any:
    """min(max(x, low), high); the gradient passes on the closed interval."""
    return np.minimum(np.maximum(x, low), high)


@define(
    "masked_product",
    "elementwise",
    lambda g, z, x, y: ops["masked_product"](g, y),
    lambda g, z, x, y: g * x,
    facts=Facts(script="cp.product({}, {})", over=over_factors),
)
def masked_product(x: Any, y: Any) -> Any:
    """x * y, and 0 wherever x is 0 even if y is infinite: how a gradient of exactly 0 passes a singular derivative."""
    return np.where(x == 0, 0, x * y)[()]


@define(
    "radians",
    "elementwise",
    lambda g, z, x: g * (math.pi / 180),
    numpy=(np.radians, np.deg2rad),
    facts=Facts(script="({} * Math.PI / 180)"),
)
def radians(x: Any) -> Any:
    """Degrees as radians."""
    return np.radians(x)


@define(
    "degrees",
    "elementwise",
    lambda g, z, x: g * (180 / math.pi),
    numpy=(np.degrees, np.rad2deg),
    facts=Facts(script="({} * 180 / Math.PI)"),
)
def degrees(x: Any) -> Any:
    """Radians as degrees."""
    return np.degrees(x)


@define(
    "astype",
    "elementwise",
    lambda g, z, x, dtype: g,
    facts=Facts(script="{}", cost=0, linear=(0,), over=over_converted),
    examples=((((3, 4),), {"dtype": np.dtype("f8")}),),
)
def astype(x: Any, *, dtype: Any = None) -> Any:
    """The same numbers in another dtype; the gradient comes back in x's own."""
    return x.astype(dtype)


@define("truncate", "elementwise", None, facts=Facts(kinks=lambda x, dtype: _whole(x)))
def truncate(x: Any, *, dtype: Any = None) -> Any:
    """The same numbers in an integer or boolean dtype; no gradient."""
    return x.astype(dtype)


@define("detach", "elementwise", None, facts=Facts(script="{}", cost=0))
def detach(x: Any) -> Any:
    """The same value, through which no gradient passes."""
    return x


@define(
    "round",
    "elementwise",
    None,
    numpy=(np.round, np.around),
    facts=Facts(script="cp.round({})", kinks=_halfway),
)
def round_(x: Any, *, decimals: int = 0) -> Any:
    """Rounded to that many decimals; no gradient."""
    return np.round(x, decimals)


# --- without a gradient: rounding, comparison, logic, bits --------------------------------------------------
def _of_reals(ufunc: Any) -> Any:
    """A comparison that asks for real numbers: NumPy's order of complex ones is that of their real parts first."""

    def compared(x: Any, y: Any) -> Any:
        z = ufunc(x, y)
        for a in (x, y):
            if isinstance(a, complex) or getattr(getattr(a, "dtype", None), "kind", "") == "c":
                hint = "the comparison of x.real, or of np.abs(x)"
                raise TypeError(
                    lesson(f"np.{ufunc.__name__}(x, y)", "complex numbers have no order", hint=hint)
                )
        return z

    return compared


# fmt: off
_PLAIN: Any = (
    (np.floor,         Facts(kinks=_whole,   script="Math.floor({})")),
    (np.ceil,          Facts(kinks=_whole,   script="Math.ceil({})")),
    (np.trunc,         Facts(kinks=_whole,   script="Math.trunc({})")),
    (np.rint,          Facts(kinks=_halfway, script="cp.round({})")),
    (np.signbit,       Facts(kinks=_zero,    script="(cp.copysign(1, {}) < 0 ? 1 : 0)")),
    (np.isnan,         Facts(kinks=False,    script="+Number.isNaN({})")),
    (np.isinf,         Facts(kinks=False,    script="+(Math.abs({}) === Infinity)")),
    (np.isfinite,      Facts(kinks=False,    script="+Number.isFinite({})")),
    (np.logical_not,   Facts(kinks=False,    script="({} ? 0 : 1)")),
    (np.invert,        Facts(kinks=False)),
    (np.less,          Facts(kinks=_tie,     script="+({} < {})",          sign="<")),
    (np.less_equal,    Facts(kinks=_tie,     script="+({} <= {})",         sign="<=")),
    (np.greater,       Facts(kinks=_tie,     script="+({} > {})",          sign=">")),
    (np.greater_equal, Facts(kinks=_tie,     script="+({} >= {})",         sign=">=")),
    (np.equal,         Facts(kinks=_tie,     script="+({} === {})",        sign="==")),
    (np.not_equal,     Facts(kinks=_tie,     script="+({} !== {})",        sign="!=")),
    (np.logical_and,   Facts(kinks=False,    script="({} && {} ? 1 : 0)")),
    (np.logical_or,    Facts(kinks=False,    script="({} || {} ? 1 : 0)")),
    (np.logical_xor,   Facts(kinks=False)),
    (np.bitwise_and,   Facts(kinks=False,    script="({} & {})")),
    (np.bitwise_or,    Facts(kinks=False,    script="({} | {})")),
    (np.bitwise_xor,   Facts(kinks=False)),
    (np.left_shift,    Facts(kinks=False)),
    (np.right_shift,   Facts(kinks=False)),
)
for _ufunc, _facts in _PLAIN:
    elementwise(_ufunc.__name__, _of_reals(_ufunc) if _facts.sign[:1] in ("<", ">") else _ufunc, *[None] * _ufunc.nin, numpy=_ufunc, doc=f"NumPy's {_ufunc.__name__}; no gradient", facts=_facts)
# fmt: on
