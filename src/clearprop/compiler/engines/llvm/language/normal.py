"""erf, erfc, ndtr and the bell curve as straight-line LLVM IR: the formulas of `clearprop.ops.normal`.

The polynomials and the points where one takes over from the other are those of the NumPy functions; what
rounding x^2 loses comes from one fused multiply-add. Largest errors, in units in the last place
(`tests/compiler/engines/llvm/language/test_mathematics.py` measures them against 60 digits):

| function | float32 | float64 |
|----------|---------|---------|
| erf      | 1.2     | 1.3     |
| erfc     | 4.3     | 4.7     |
| ndtr     | 4.5     | 5.0     |
| gaussian | 1.5     | 1.5     |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearprop.compiler.engines.llvm.language.mathematics import (
    absolute,
    choose,
    copysign,
    exp,
    fma,
    polynomial,
)
from clearprop.compiler.engines.llvm.language.values import Register
from clearprop.ops.normal import ERF, ERFC, FAR, FARTHEST, INSIDE, ROOT_HALF


def _bell(x: Register, rate: float) -> Register:
    """exp(-rate x^2) for a rate of 1 or 1/2."""
    square = x * x
    z = exp(square * -rate)
    return fma(z * fma(x, x, -square), -rate, z)


def _inside(x: Register, square: Register) -> Register:
    """erf(x) for |x| up to 1."""
    return fma(x, polynomial(square, ERF[x.dtype.itemsize]), x)


def _scaled(x: Register) -> Register:
    """exp(x^2) erfc(x) for x >= 0."""
    d = x + 4.0
    return polynomial((x - 4.0) / d, ERFC[x.dtype.itemsize]) / d


def _at_most(x: Register, limit: float) -> Register:
    return choose(x > limit, limit, x)


def erf(x: Register) -> Register:
    """The error function."""
    t = _at_most(absolute(x), FAR)
    far = 1.0 - _bell(t, 1.0) * _scaled(t)
    return choose(t < INSIDE, _inside(x, t * t), copysign(far, x))


def erfc(x: Register) -> Register:
    """1 - erf(x), exact where that would round to 0."""
    t = _at_most(absolute(x), FAR)
    far = _bell(t, 1.0) * _scaled(t)
    near = (x > -INSIDE) & (x < 0.5 * INSIDE)
    return choose(near, 1.0 - _inside(x, t * t), choose(x < 0, 2.0 - far, far))


def ndtr(x: Register) -> Register:
    """The share of a standard normal distribution below x."""
    s = x * ROOT_HALF
    size = _at_most(absolute(x), FARTHEST)
    t = size * ROOT_HALF
    far = _bell(size, 0.5) * (_scaled(t) * 0.5)
    near = fma(_inside(s, t * t), 0.5, 0.5)
    return choose(t < 0.5 * INSIDE, near, choose(x < 0, far, 1.0 - far))


def gaussian(x: Register) -> Register:
    """exp(-x^2 / 2)."""
    return _bell(_at_most(absolute(x), FARTHEST), 0.5)


FUNCTIONS: dict[str, Callable[[Any], Register]] = {f.__name__: f for f in (erf, erfc, ndtr, gaussian)}
"""Functions of one number, by the names of their ops."""
