"""Elementary functions as straight-line LLVM IR: no branches, no tables, so every lane of a vector runs them.

Each function is reduced to a short interval where a minimax polynomial does (`benchmarks/minimax.py` finds
the coefficients), and put back together so that NaN, infinities, zeros and the tails come out as in NumPy.
Largest errors, in units in the last place (`test_mathematics.py`, the same path below `tests/`,
measures them against 60 digits):

| function | float32 | float64 |        | function | float32 | float64 |
|----------|---------|---------|--------|----------|---------|---------|
| exp      | 1.0     | 1.0     |        | sin, cos | 1.4     | 1.4     |
| exp2     | 1.2     | 1.3     |        | tan      | 3.1     | 2.5     |
| expm1    | 1.5     | 1.7     |        | tanh     | 2.5     | 2.4     |
| log      | 0.8     | 0.8     |        | sinh     | 2.5     | 2.6     |
| log1p    | 0.8     | 0.8     |        | cosh     | 2.2     | 2.2     |
| log2     | 1.6     | 1.3     |        | power    | 0.6     | libm's* |
| log10    | 1.8     | 2.8     |        | sqrt     | 0.5     | 0.5     |

* 1.0 where native code has to do without the C library.

Numbers below the smallest normal one are taken and given as they are, as by NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.language.engine import stands_alone
from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import Register

LN2, PI = math.log(2.0), math.pi

EXP = {
    4: (0.5, 0.1666654348373413, 0.04166628047823906, 0.0083666006103158, 0.0013946472899988294),
    8: (
        *(0.5000000000000006, 0.16666666666666685, 0.0416666666665746, 0.008333333333314662),
        *(0.0013888888932189474, 0.00019841269902954751, 2.4801504575029872e-05, 2.7557227961962637e-06),
        *(2.762630310725172e-07, 2.5114486716626274e-08),
    ),
}
LOG = (
    *(0.3333331346511841, -0.25000008940696716, 0.20002004504203796, -0.16668006777763367),
    *(0.1422155350446701, -0.12406599521636963, 0.1187589094042778, -0.11665184050798416, 0.0675935298204422),
)
ATANH = (
    *(0.6666666666666723, 0.39999999999478764, 0.2857142873012707, 0.2222219969423133),
    *(0.1818351123990347, 0.1531530727499564, 0.14784183661904818),
)
SIN = {
    4: (-0.16666655242443085, 0.008332190103828907, -0.00019518472254276276),
    8: (
        *(-0.16666666666666635, 0.008333333333323173, -0.000198412698302869),
        *(2.7557313828616987e-06, -2.5050776200712982e-08, 1.5897697766163056e-10),
    ),
}
COS = {
    4: (0.04166664928197861, -0.0013887403765693307, 2.4441886125714518e-05),
    8: (
        *(0.041666666666666644, -0.0013888888888881215, 2.4801587293449558e-05),
        *(-2.7557315394707286e-07, 2.0875853609928432e-09, -1.1365910721980328e-11),
    ),
}
# A constant in parts: the first has so many trailing zeros that its product with a small integer is exact.
LN2_PARTS = {
    4: (0.693359375, -2.1219444005469058e-04),
    8: (6.93147180369123816490e-01, 1.90821492927058770002e-10),
}
PI_HALVES = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
ROUND = {4: 1.5 * 2.0**23, 8: 1.5 * 2.0**52}  # adding it leaves a number's nearest integer in the last bits
BITS = {4: (23, 127), 8: (52, 1023)}  # fraction bits; the exponent's bias
EXP_RANGE = {4: (-104.0, 89.0), 8: (-746.0, 710.0)}


def integer_of(x: Register) -> Any:
    """Return the integer dtype of x's size."""
    return np.dtype(f"i{x.dtype.itemsize}")


def fma(x: Register, y: Any, z: Any) -> Register:
    """x * y + z, rounded once."""
    function = x.function
    return function.intrinsic(
        "fma", x, function.lift(y, x.dtype, x.lanes), function.lift(z, x.dtype, x.lanes)
    )


def polynomial(x: Register, coefficients: Sequence[float]) -> Register:
    """c0 + c1 x + c2 x^2 + ..., by Horner's rule."""
    result = x.function.lift(coefficients[-1], x.dtype, x.lanes)
    for c in reversed(coefficients[:-1]):
        result = fma(result, x, c)
    return result


def choose(c: Register, x: Any, y: Any) -> Register:
    """x where c holds, else y."""
    return c.function.select(c, x, y)


def absolute(x: Register) -> Register:
    """|x|."""
    return x.function.intrinsic("fabs", x)


def copysign(x: Register, sign: Any) -> Register:
    """|x| with the sign of `sign`."""
    return x.function.intrinsic("copysign", x, x.function.lift(sign, x.dtype, x.lanes))


def sqrt(x: Register) -> Register:
    """The square root, correctly rounded by the processor."""
    return x.function.intrinsic("sqrt", x)


# --- exponentials -------------------------------------------------------------------------------------------
def _reduced(x: Register, low: float, high: float) -> tuple[Register, Register]:
    """Write x = n ln 2 + r with |r| <= ln 2 / 2; return n as an integer, and e^r - 1."""
    size = x.dtype.itemsize
    x = choose(x < low, low, x)
    x = choose(x > high, high, x)
    shifted = fma(x, 1 / LN2, ROUND[size])
    n = shifted - ROUND[size]
    r = fma(n, -LN2_PARTS[size][0], x)
    r = fma(n, -LN2_PARTS[size][1], r)
    small = fma(r * r, polynomial(r, EXP[size]), r)
    integer = integer_of(x)
    return shifted.bits(integer) - int(np.array(ROUND[size], x.dtype).view(integer)), small


def _two_to(n: Register, dtype: Any) -> Register:
    """2^n for an integer n in the range of the exponent."""
    fraction, bias = BITS[dtype.itemsize]
    return ((n + bias) << fraction).bits(dtype)


def exp(x: Register) -> Register:
    """e^x = 2^n e^r. The power of two comes in two factors: 2^n alone may overflow too early."""
    n, small = _reduced(x, *EXP_RANGE[x.dtype.itemsize])
    half = n >> 1
    return (small + 1.0) * _two_to(half, x.dtype) * _two_to(n - half, x.dtype)


def expm1(x: Register) -> Register:
    """e^x - 1 = 2^n (e^r - 1) + (2^n - 1)."""
    size = x.dtype.itemsize
    n, small = _reduced(x, {4: -25.0, 8: -50.0}[size], EXP_RANGE[size][1])
    half_power = _two_to(n - 1, x.dtype)
    z = fma(half_power, small, half_power - 0.5) * 2.0
    return choose(absolute(x) < float(np.finfo(x.dtype).tiny), x, z)


def exp2(x: Register) -> Register:
    """2^x = 2^n e^(f ln 2) with n the nearest integer and f = x - n exactly."""
    size, integer = x.dtype.itemsize, integer_of(x)
    limit = {4: (-151.0, 129.0), 8: (-1076.0, 1025.0)}[size]
    x = choose(x < limit[0], limit[0], x)
    x = choose(x > limit[1], limit[1], x)
    shifted = x + ROUND[size]
    n = shifted.bits(integer) - int(np.array(ROUND[size], x.dtype).view(integer))
    r = (x - (shifted - ROUND[size])) * LN2
    half = n >> 1
    return fma(r * r, polynomial(r, EXP[size]), r + 1.0) * _two_to(half, x.dtype) * _two_to(n - half, x.dtype)


def tanh(x: Register) -> Register:
    """-t / (2 + t) with t = e^(-2|x|) - 1: nothing overflows, nothing cancels."""
    t = expm1(absolute(x) * -2.0)
    return choose(absolute(x) < float(np.finfo(x.dtype).tiny), x, copysign(t / (t + 2.0), x))


def sinh(x: Register) -> Register:
    """(t + t / (t + 1)) / 2 with t = e^|x| - 1; beyond that e^(|x|/2)^2 / 2."""
    size = absolute(x)
    t = expm1(size)
    root = exp(size * 0.5)
    big = (root * 0.5) * root
    z = choose(size > {4: 20.0, 8: 40.0}[x.dtype.itemsize], big, (t + t / (t + 1.0)) * 0.5)
    return choose(absolute(x) < float(np.finfo(x.dtype).tiny), x, copysign(z, x))


def cosh(x: Register) -> Register:
    """(r/2) r + (1/2) / r / r with r = e^(|x|/2): overflows only where cosh does."""
    root = exp(absolute(x) * 0.5)
    return (root * 0.5) * root + 0.5 / (root * root)


# --- logarithms ---------------------------------------------------------------------------------------------
def _split(x: Register) -> tuple[Register, Register]:
    """Write x = 2^e (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); return e (as a float) and f."""
    size, integer = x.dtype.itemsize, integer_of(x)
    fraction = BITS[size][0]
    small = x < float(np.finfo(x.dtype).tiny)
    bits = choose(small, x * 2.0**fraction, x).bits(integer)
    e = (bits - int(np.array(math.sqrt(0.5), x.dtype).view(integer))) >> fraction
    m = (bits - (e << fraction)).bits(x.dtype)
    return (e - choose(small, np.int64(fraction).astype(integer), integer.type(0))).astype(x.dtype), m - 1.0


def _log_parts(f: Register, e: Register, rest: Any = 0.0) -> Register:
    """log(1 + f) + e ln 2 + rest, for a small rest."""
    high, low = LN2_PARTS[f.dtype.itemsize]
    if f.dtype.itemsize == 4:
        tail = fma(f * f * f, polynomial(f, LOG), fma(e, low, rest))
        return fma(e, high, fma(f * f, -0.5, tail) + f)
    s = f / (f + 2.0)
    z = s * s
    square = f * f * 0.5
    tail = fma(s, fma(z, polynomial(z, ATANH), square), fma(e, low, rest))
    return fma(e, high, f - (square - tail))


def _with_ends(x: Register, z: Register, zero: float = 0.0) -> Register:
    """A logarithm's ends: -inf at 0, NaN below, inf at inf."""
    below = x.function.constant(math.nan, x.dtype)
    z = choose(x > zero, z, choose(x == zero, -math.inf, below))
    return choose(x == math.inf, math.inf, z)


def log(x: Register) -> Register:
    """The natural logarithm."""
    e, f = _split(x)
    return _with_ends(x, _log_parts(f, e))


def log1p(x: Register) -> Register:
    """log(1 + x): what rounding 1 + x loses is added back; near 0 nothing is lost."""
    u = x + 1.0
    e, f = _split(u)
    near = e == 0
    f = choose(near, x, f)
    lost = choose(near, 0.0, (x - (u - 1.0)) / u)
    return _with_ends(x, choose(x == 0, x, _log_parts(f, e, lost)), -1.0)


def log2(x: Register) -> Register:
    """e + log(1 + f) / ln 2: exact at powers of two."""
    e, f = _split(x)
    return _with_ends(x, fma(_log_parts(f, e * 0.0), 1 / LN2, e))


def log10(x: Register) -> Register:
    """e log10(2) + log(1 + f) / ln 10."""
    exact = Fraction("0.301029995663981195213738894724493026768")
    unit = {4: 2**12, 8: 2**40}[x.dtype.itemsize]
    high = math.floor(exact * unit) / unit
    low = float(exact - Fraction(high))
    e, f = _split(x)
    return _with_ends(x, fma(_log_parts(f, e * 0.0), 1 / math.log(10.0), e * low) + e * high)


def logaddexp(x: Register, y: Any) -> Register:
    """max + log(1 + e^(min - max)); equal infinities are themselves."""
    y = x.function.lift(y, x.dtype, x.lanes)
    top = choose(x > y, x, y)
    z = top + log1p(exp(-absolute(x - y)))
    z = choose(x == y, x + LN2, z)
    return choose((x != x) | (y != y), x + y, z)


# --- circular functions -------------------------------------------------------------------------------------
def _quarter(x: Register) -> tuple[Register, Register]:
    """Write x = q pi/2 + r with |r| <= pi/4; return q as an integer and r. In float64 for both sizes."""
    wide = x.astype(np.float64)
    shifted = fma(wide, 2 / PI, ROUND[8])
    n = shifted - ROUND[8]
    r = wide
    for part in PI_HALVES[: 2 if x.dtype.itemsize == 4 else 3]:
        r = fma(n, -part, r)
    return shifted.bits(np.dtype(np.int64)).astype(integer_of(x)), r.astype(x.dtype)


def _circular(x: Register, quarters: int, name: str) -> Register:
    """sin(x + quarters * pi/2); beyond 10^5 (float32: 10^9) the C library's, lane by lane."""
    function, size = x.function, x.dtype.itemsize
    q, r = _quarter(x)
    q = q + quarters
    z = r * r
    sine = fma(r * z, polynomial(z, SIN[size]), r)
    cosine = fma(z * z, polynomial(z, COS[size]), fma(z, -0.5, 1.0))
    result = choose((q & 1) != 0, cosine, sine)
    result = choose((q & 2) != 0, -result, result)
    far = absolute(x) > {4: 1e9, 8: 1e5}[size]
    slot = function.slot(x.dtype, x.lanes)
    slot.put(result)
    with function.when(any_lane(far)):
        slot.put(choose(far, function.library(name, x), result))
    return slot.get()


def any_lane(c: Register) -> Register:
    """Tell whether a condition holds in any lane."""
    if not c.lanes:
        return c
    function = c.function
    bits = function.emit(f"bitcast {c.type} {c.text} to i{c.lanes}")
    return function.value(f"icmp ne i{c.lanes} {bits}, 0", c.dtype)


def sin(x: Register) -> Register:
    """The sine of x radians."""
    return choose(x == 0, x, _circular(x, 0, "sin"))


def cos(x: Register) -> Register:
    """The cosine of x radians."""
    return _circular(x, 1, "cos")


def tan(x: Register) -> Register:
    """sin / cos."""
    return sin(x) / cos(x)


# --- powers -------------------------------------------------------------------------------------------------
def _log_in_parts(x: Register) -> tuple[Register, Register]:
    """log(x) as a sum of two numbers, of which the second is what rounding the first loses: to 2^-58."""
    e, f = _split(x)
    d = f + 2.0
    s = f / d
    lost = (fma(-s, d, f) - s * (f - (d - 2.0))) / d
    z = s * s
    low = fma(s * z, polynomial(z, ATANH), lost * (z + 1.0) * 2.0)
    high, rest = e * LN2_PARTS[8][0], s * 2.0
    total = high + rest
    share = total - high
    low = low + ((high - (total - share)) + (rest - share)) + e * LN2_PARTS[8][1]
    sum_ = total + low
    return _with_ends(x, sum_), choose((x > 0) & (x < math.inf), low - (sum_ - total), 0.0)


def _power_of_size(x: Register, y: Register) -> Register:
    """x^y for x >= 0, as e^(h + l) = e^h (1 + l) with y log(x) = h + l."""
    first, second = _log_in_parts(x)
    high = y * first
    low = fma(y, first, -high) + y * second
    z = exp(high)
    return choose((absolute(high) < 800.0) & (z < math.inf), fma(z, low, z), z)


def power(x: Register, y: Any) -> Register:
    """x^y: float32 through float64's exp and log; float64 by the C library, where there is to be one."""
    function: Procedure = x.function
    y = function.lift(y, x.dtype, x.lanes)
    if x.dtype.itemsize == 4:
        wide = exp(y.astype(np.float64) * log(absolute(x).astype(np.float64))).astype(x.dtype)
    elif stands_alone():
        wide = _power_of_size(absolute(x), y)
    else:
        return function.library("pow", x, y)
    whole = function.intrinsic("trunc", y) == y
    half = y * 0.5
    odd = whole & (function.intrinsic("trunc", half) != half)
    negative = x.bits(integer_of(x)) < 0
    z = choose(negative & odd, -wide, wide)
    z = choose((x < 0) & ~whole & (x != -math.inf), math.nan, z)
    z = choose((absolute(x) == 1.0) & (absolute(y) == math.inf), 1.0, z)
    z = choose((x != x) | (y != y), x + y, z)
    return choose((y == 0) | (x == 1.0), 1.0, z)


FUNCTIONS: dict[str, Callable[[Register], Register]] = {
    f.__name__: f
    for f in (exp, expm1, exp2, log, log1p, log2, log10, tanh, sinh, cosh, sin, cos, tan, sqrt, absolute)
}
"""Functions of one number, by NumPy's names."""
