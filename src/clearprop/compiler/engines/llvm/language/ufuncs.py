"""NumPy's functions on Values: the instructions of every ufunc that has some."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.language import mathematics as m
from clearprop.compiler.engines.llvm.language import normal
from clearprop.compiler.engines.llvm.language.values import BOOL, Register, common, most_lanes


class Unsupported(Exception):
    """A step that has no instructions of its own: it runs as NumPy between the native parts."""


def apply(ufunc: np.ufunc, method: str, xs: tuple[Any, ...], kwargs: dict[str, Any]) -> Register:
    """Write the instructions of `ufunc(*xs)`."""
    emitter = UFUNCS.get(ufunc.__name__)
    if emitter is None or method != "__call__" or kwargs:
        raise Unsupported(f"np.{ufunc.__name__}")
    return emitter(*_together(xs))


def apply_function(function: Any, args: Any, kwargs: Any) -> Register:
    """Write the instructions of a NumPy function that is not a ufunc."""
    if function is np.where and len(args) == 3 and not kwargs:
        c, x, y = args
        if not isinstance(c, Register):
            return x if c else y  # type: ignore[no-any-return]
        return c.function.select(c, x, y)
    if function is np.round and (args[1] if len(args) > 1 else kwargs.get("decimals", 0)) == 0:
        x = args[0]
        rounded: Register = x.function.intrinsic("rint", x) if x.dtype.kind == "f" else x
        return rounded
    raise Unsupported(f"np.{function.__name__}")


def _together(xs: tuple[Any, ...]) -> list[Any]:
    """Give every operand the same lanes, numbers as they are."""
    lanes = most_lanes(*xs)
    return [x.function.lift(x, None, lanes) if isinstance(x, Register) else x for x in xs]


def _first(*xs: Any) -> Register:
    return next(x for x in xs if isinstance(x, Register))


def floating(emitter: Callable[..., Register]) -> Callable[..., Register]:
    """Convert the operands to their common floating dtype first, as NumPy does for integers."""

    def converted(*xs: Any) -> Register:
        dtype = common(*xs)
        if dtype.kind != "f":
            if dtype.itemsize <= 2:
                raise Unsupported("a function of small integers")
            dtype = np.dtype(np.float64)
        if dtype.itemsize < 4:
            raise Unsupported("float16")
        first = _first(*xs)
        return emitter(*(first.function.lift(x, dtype, first.lanes) for x in xs))

    return converted


def _library(name: str) -> Callable[..., Register]:
    return floating(lambda x, *ys: x.function.library(name, x, *ys))


def _maximum(x: Any, y: Any, sign: int = 1) -> Register:
    dtype = common(x, y)
    first = _first(x, y)
    x, y = (first.function.lift(v, dtype, first.lanes) for v in (x, y))
    wins = (x >= y) if sign > 0 else (x <= y)
    if dtype.kind == "f":
        wins = wins | (x != x)  # NaN wins
    return m.choose(wins, x, y)


def _sign(x: Register) -> Register:
    if x.dtype.kind == "f":
        one = m.copysign(x.function.constant(1.0, x.dtype, x.lanes), x)
        return m.choose((x == 0) | (x != x), x, one)
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def _absolute(x: Register) -> Register:
    if x.dtype.kind == "f":
        return m.absolute(x)
    return m.choose(x < 0, -x, x) if x.dtype.kind == "i" else x


def _power(x: Any, y: Any) -> Register:
    """x^y; a constant whole exponent is a few products."""
    if (
        isinstance(x, Register)
        and not isinstance(y, Register)
        and np.ndim(y) == 0
        and common(x, y) == x.dtype
    ):
        if y == 2:
            return x * x
        if y == 1:
            return +x
        if x.dtype.kind == "f" and y in (0.5, -1):
            return m.sqrt(x) if y == 0.5 else 1.0 / x
        if x.dtype.kind == "f" and float(y).is_integer() and abs(y) <= 8 and x.dtype.itemsize == 4:
            wide = _product(x.astype(np.float64), abs(int(y)))
            return (wide if y >= 0 else 1.0 / wide).astype(x.dtype)
        if x.dtype.kind in "iu" and 0 <= y <= 64:
            return _product(x, int(y))
    if common(x, y).kind != "f":
        raise Unsupported("a power of integers")
    return floating(m.power)(x, y)


def _product(x: Register, n: int) -> Register:
    if n == 0:
        return x.function.constant(1, x.dtype, x.lanes)
    half = _product(x, n // 2) if n > 1 else None
    if half is None:
        return x
    return half * half * x if n % 2 else half * half


def _divided(x: Any, y: Any) -> tuple[Register, Register]:
    """Quotient rounded down, and remainder with the divisor's sign."""
    dtype = common(x, y)
    first = _first(x, y)
    function = first.function
    if dtype.kind == "b":
        raise Unsupported("division of booleans")
    x, y = (function.lift(v, dtype, first.lanes) for v in (x, y))
    if dtype.kind == "f":
        rest = function.value(f"frem {x.type} {x.text}, {y.text}", dtype, x.lanes)
        other = (rest != 0) & ((y < 0) ^ (rest < 0))
        quotient = (x - rest) / y - m.choose(other, 1.0, function.constant(0.0, dtype, 0))
        down = function.intrinsic("floor", quotient)
        down = m.choose(quotient - down > 0.5, down + 1.0, down)
        down = m.choose(quotient == 0, m.copysign(function.constant(0.0, dtype, x.lanes), x / y), down)
        rest = m.choose(other, rest + y, m.choose(rest == 0, m.copysign(rest, y), rest))
        return m.choose(y == 0, x / y, down), rest
    safe = m.choose(y == 0, function.constant(1, dtype, 0), y)
    word = "s" if dtype.kind == "i" else "u"
    if word == "s":  # the smallest integer over -1 has no answer; NumPy's is the smallest itself
        lowest = int(np.iinfo(dtype).min)
        safe = m.choose((x == lowest) & (y == -1), function.constant(1, dtype, 0), safe)
    quotient = function.value(f"{word}div {x.type} {x.text}, {safe.text}", dtype, x.lanes)
    rest = x - quotient * safe
    if word == "s":
        other = (rest != 0) & ((safe < 0) ^ (rest < 0))
        quotient, rest = quotient - other.astype(dtype), m.choose(other, rest + safe, rest)
    zero = function.constant(0, dtype, 0)
    return m.choose(y == 0, zero, quotient), m.choose(y == 0, zero, rest)


def _rounding(name: str) -> Callable[[Register], Register]:
    return lambda x: x.function.intrinsic(name, x) if x.dtype.kind == "f" else x


def _truth(x: Any) -> Any:
    return x.astype(BOOL) if isinstance(x, Register) else bool(x)


def _shift(word: str) -> Callable[[Any, Any], Register]:
    def shifted(x: Any, y: Any) -> Register:
        dtype = common(x, y)
        if dtype.kind not in "iu":
            raise Unsupported("a shift of these")
        first = _first(x, y)
        x, y = (first.function.lift(v, dtype, first.lanes) for v in (x, y))
        last = 8 * dtype.itemsize - 1
        far = (y > last) | (y < 0) if dtype.kind == "i" else y > last
        safe = m.choose(far, first.function.constant(last, dtype, 0), y)
        if word == "left":
            return m.choose(far, first.function.constant(0, dtype, 0), x << safe)
        if dtype.kind == "i":
            return Register.__rshift__(x, safe)
        return m.choose(far, first.function.constant(0, dtype, 0), x >> safe)

    return shifted


def _signbit(x: Register) -> Register:
    return x.bits(m.integer_of(x)) < 0 if x.dtype.kind == "f" else x < 0


def _not_float(c: bool) -> Callable[[Register], Register]:
    return lambda x: x.function.constant(c, BOOL, x.lanes)


def _is(test: Callable[[Register], Register], otherwise: bool) -> Callable[[Register], Register]:
    return lambda x: test(x) if x.dtype.kind == "f" else _not_float(otherwise)(x)


# fmt: off
UFUNCS: dict[str, Callable[..., Register]] = {
    "add":         lambda x, y: x + y,        "subtract":      lambda x, y: x - y,
    "multiply":    lambda x, y: x * y,        "divide":        lambda x, y: x / y,
    "negative":    lambda x: -x,              "positive":      lambda x: x,
    "degrees":     lambda x: x * (180 / np.pi),                "rad2deg": lambda x: x * (180 / np.pi),
    "radians":     lambda x: x * (np.pi / 180),                "deg2rad": lambda x: x * (np.pi / 180),
    "floor_divide": lambda x, y: _divided(x, y)[0],            "remainder": lambda x, y: _divided(x, y)[1],
    "square":      lambda x: x * x,           "reciprocal":    floating(lambda x: 1.0 / x),
    "maximum":     _maximum,                  "minimum":       lambda x, y: _maximum(x, y, -1),
    "absolute":    _absolute,                 "sign":          _sign,
    "power":       _power,                    "logaddexp":     floating(m.logaddexp),
    "less":        lambda x, y: x < y,        "less_equal":    lambda x, y: x <= y,
    "greater":     lambda x, y: x > y,        "greater_equal": lambda x, y: x >= y,
    "equal":       lambda x, y: x == y,       "not_equal":     lambda x, y: x != y,
    "logical_and": lambda x, y: _truth(x) & _truth(y),
    "logical_or":  lambda x, y: _truth(x) | _truth(y),
    "logical_xor": lambda x, y: _truth(x) ^ _truth(y),         "logical_not": lambda x: ~_truth(x),
    "bitwise_and": lambda x, y: x & y,        "bitwise_or":    lambda x, y: x | y,
    "bitwise_xor": lambda x, y: x ^ y,        "invert":        lambda x: ~x,
    "left_shift":  _shift("left"),            "right_shift":   _shift("right"),
    "floor":       _rounding("floor"),        "ceil":          _rounding("ceil"),
    "trunc":       _rounding("trunc"),        "rint":          _rounding("rint"),
    "isnan":       _is(lambda x: x != x, False),
    "isinf":       _is(lambda x: m.absolute(x) == math.inf, False),
    "isfinite":    _is(lambda x: m.absolute(x) < math.inf, True),
    "signbit":     _signbit,
    **{name: floating(f) for name, f in (m.FUNCTIONS | normal.FUNCTIONS).items() if name != "absolute"},
    "cbrt":    _library("cbrt"),    "hypot":   _library("hypot"),   "arctan2": _library("atan2"),
    "arcsin":  _library("asin"),    "arccos":  _library("acos"),    "arctan":  _library("atan"),
    "arcsinh": _library("asinh"),   "arccosh": _library("acosh"),   "arctanh": _library("atanh"),
}
"""The instructions of every ufunc that has some, by its name."""
# fmt: on
