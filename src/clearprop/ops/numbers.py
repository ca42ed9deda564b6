"""Elementwise functions of NumPy beyond the everyday ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.define import define, elementwise
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.op import Op
from clearprop.ops.limits import of_larger, of_smaller
from clearprop.ops.normal import polynomial
from clearprop.ops.plane import conjugated
from clearprop.ops.quotient import of_length
from clearprop.ops.shape import as_array
from clearprop.registry import implements, ops

_ANY, _POSITIVE = (-2.0, 2.0), (0.2, 3.0)


def _tie(x: Any, y: Any) -> Any:
    return x == y


def _zero(x: Any) -> Any:
    return x == 0


def _first_is_zero(x: Any, y: Any) -> Any:
    return x == 0


def _signed(y: Any) -> Any:
    """-1 or 1, the sign of `y`; a zero has one too."""
    return np.where(np.signbit(y), -1.0, 1.0)


def _half(z: Any) -> Any:
    return z.dtype.type(0.5)


def _larger(z: Any, x: Any, y: Any) -> Any:
    """The share of x in max(x, y), where a NaN counts as missing."""
    return np.where(np.isnan(y), z.dtype.type(1), (x > y) * _half(z) + (x >= y) * _half(z))


def _smaller(z: Any, x: Any, y: Any) -> Any:
    return np.where(np.isnan(y), z.dtype.type(1), (x < y) * _half(z) + (x <= y) * _half(z))


def _power_of_two(z: Any, x: Any) -> Any:
    return np.exp2(x - np.where(np.isfinite(z), z, z.dtype.type(0)))


# fmt: off
fabs: Op       = elementwise("fabs",       np.fabs,       lambda z, x: np.sign(x),                    numpy=np.fabs,       facts=Facts(script="Math.abs({})", domain=_POSITIVE, kinks=_zero, smooth=of_length(lambda x: x)), doc="|x| as a float; derivative 0 at 0")
fmax: Op       = elementwise("fmax",       np.fmax,       _larger,  lambda z, x, y: _larger(z, y, x),       numpy=np.fmax,       facts=Facts(script="cp.fmax({}, {})", domain=((0.0, 1.0), (1.1, 2.0)), kinks=_tie, smooth=of_larger), doc="the larger of x and y, or the one that is a number; a tie shares the gradient", choice=True)
fmin: Op       = elementwise("fmin",       np.fmin,       _smaller, lambda z, x, y: _smaller(z, y, x),      numpy=np.fmin,       facts=Facts(script="(-cp.fmax(-({}), -({})))", domain=((0.0, 1.0), (1.1, 2.0)), kinks=_tie, smooth=of_smaller), doc="the smaller of x and y, or the one that is a number; a tie shares the gradient", choice=True)
fmod: Op       = elementwise("fmod",       np.fmod,       1, lambda z, x, y: -np.trunc(x / y),              numpy=np.fmod,       facts=Facts(script="({} % {})", domain=((0.3, 0.9), (1.0, 2.0)), kinks=lambda x, y: (x != 0) & (np.fmod(x, y) == 0)), doc="x - y * trunc(x / y), of the sign of x")
copysign: Op   = elementwise("copysign",   np.copysign,   lambda z, x, y: np.sign(x) * _signed(y), None,    numpy=np.copysign,   facts=Facts(script="cp.copysign({}, {})", domain=(_POSITIVE, _POSITIVE), kinks=lambda x, y: (x == 0) | (y == 0)), doc="|x| with the sign of y; no gradient by y, and none by x at 0")
heaviside: Op  = elementwise("heaviside",  np.heaviside,  None, lambda z, x, y: x == 0,                     numpy=np.heaviside,  facts=Facts(script="({0} === 0 ? {1} : {0} < 0 ? 0 : {0} > 0 ? 1 : NaN)", domain=(_POSITIVE, _ANY), kinks=_first_is_zero), doc="0 left of 0, 1 right of it, y at 0, which alone has a gradient there")
logaddexp2: Op = elementwise("logaddexp2", np.logaddexp2, lambda z, x, y: _power_of_two(z, x), lambda z, x, y: _power_of_two(z, y), numpy=np.logaddexp2, facts=Facts(script="(cp.logaddexp({} * Math.LN2, {} * Math.LN2) / Math.LN2)"), doc="log2(2^x + 2^y) without overflow")
spacing: Op    = elementwise("spacing",    np.spacing,    None,                                             numpy=np.spacing,    facts=Facts(kinks=False), doc="the distance to the next number; no gradient")
nextafter: Op  = elementwise("nextafter",  np.nextafter,  1, None,                                          numpy=np.nextafter,  facts=Facts(kinks=_tie), doc="the number after x on the way to y")
# fmt: on


@define(
    "ldexp",
    "opaque",
    lambda g, z, x, n: ops["ldexp"](g, n),
    None,
    numpy=np.ldexp,
    facts=Facts(kinks=False),
    examples=(((np.array([0.3, -1.2, 2.0]), np.array([3, -1, 0])), {}),),
)
def ldexp(x: Any, n: Any) -> Any:
    """x times 2 to the whole power n, exact; no gradient by n."""
    return np.ldexp(x, n)


# sinc(x) = sum over k of (-1)^k y^(2k) / (2k + 1)!, with y = pi x; its slope by y is
# y times this series in y^2.
SLOPE = tuple((-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 16))


def _sinc_slope(z: Any, x: Any) -> Any:
    """(cos(pi x) - z) / x, and its series where that would cancel."""
    near = np.absolute(x) < 1
    y = math.pi * np.where(near, x, x.dtype.type(0))
    far = np.where(near, x.dtype.type(1), x)
    return np.where(near, math.pi * y * polynomial(y * y, SLOPE), (np.cos(math.pi * far) - z) / far)


sinc: Op = elementwise(
    "sinc",
    np.sinc,
    _sinc_slope,
    numpy=np.sinc,
    facts=Facts(script="cp.sinc({})", plane="analytic"),
    doc="sin(pi x) / (pi x), and 1 at 0",
)


@implements(np.fix)
def fix(x: Any) -> Any:
    """Return `x` rounded towards 0; no gradient."""
    return x.astype(x.dtype) if x.dtype.kind in "iub" else np.trunc(x)


@implements(np.float_power)
def float_power(x: Any, y: Any) -> Any:
    """Return x to the power y, in double precision at least."""
    return ops["power"](_wide(x), _wide(y))


def _wide(v: Any) -> Any:
    if not hasattr(v, "dtype"):
        return np.float64(v) if isinstance(v, (int, float)) else np.asarray(v, np.float64)
    wide = np.promote_types(v.dtype, np.float64)
    return v if v.dtype == wide else v.astype(wide)


@implements(np.divmod)
def divmod_(x: Any, y: Any) -> tuple[Any, Any]:
    """Return floor(x / y), which has no gradient, and the remainder."""
    return ops["floor_divide"](x, y), ops["remainder"](x, y)


@implements(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """Return what stands behind the point, which carries the gradient, and the whole part."""
    x = as_array(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float16 if x.dtype.kind == "b" else np.result_type(x.dtype, np.float16))
    whole = np.trunc(x)
    rest = np.where(np.isinf(x), x.dtype.type(0), x - np.where(np.isinf(x), x.dtype.type(0), whole))
    return ops["copysign"](rest, x), whole


@implements(np.frexp)
def frexp(x: Any) -> tuple[Any, Any]:
    """Return m from 0.5 to 1, which carries the gradient, and whole n with x = m 2^n."""
    n = ops["exponent_of"](x)
    return ops["ldexp"](x, -n), n


@define("exponent_of", "opaque", None, facts=Facts(kinks=False), examples=(((np.array([0.3, -5.0]),), {}),))
def exponent_of(x: Any) -> Any:
    """The whole n with x = m 2^n and m from 0.5 to 1; no gradient."""
    return np.frexp(x)[1]


# --- products of vectors and matrices, as ufuncs ------------------------------------------------------------
def _product(name: str, x: Any, y: Any, row: bool, column: bool) -> Any:
    x, y = as_array(x), as_array(y)
    if x.ndim < 2 - row or y.ndim < 2 - column:
        got = f"{x.shape} and {y.shape}"
        raise ValueError(lesson(f"np.{name}(x, y)", "wants an axis for a vector, two for a matrix", got))
    x = conjugated(x) if row else x
    z = (np.expand_dims(x, -2) if row else x) @ (np.expand_dims(y, -1) if column else y)
    z = np.squeeze(z, -2) if row else z
    return np.squeeze(z, -1) if column else z


if hasattr(np, "vecdot"):

    @implements(np.vecdot)
    def vecdot(x: Any, y: Any, *, axis: int = -1) -> Any:
        """Return the sums of products along the last axis (or `axis`) of both; the others broadcast."""
        x, y = as_array(x), as_array(y)
        if axis != -1:
            x, y = np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1)
        return _product("vecdot", x, y, True, True)


if hasattr(np, "matvec"):

    @implements(np.matvec)
    def matvec(x: Any, y: Any) -> Any:
        """Return the products of the matrices x with the vectors y."""
        return _product("matvec", x, y, False, True)

    @implements(np.vecmat)
    def vecmat(x: Any, y: Any) -> Any:
        """Return the products of the vectors x with the matrices y."""
        return _product("vecmat", x, y, True, False)
