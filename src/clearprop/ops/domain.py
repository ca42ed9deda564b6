"""`np.emath`: functions that answer with complex numbers where real ones leave their domain."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts, stays_a_call
from clearprop.modes import mode
from clearprop.op import describe
from clearprop.ops.shape import as_array, constant
from clearprop.registry import implements, ops
from clearprop.tensor import Tensor


@define(
    "in_domain",
    "elementwise",
    lambda g, z, x, low, high: g,
    facts=Facts(kinks=False, lower=stays_a_call("numbers are looked at by NumPy")),
    examples=(((np.array([0.2, 0.7]),), {"low": 0.0}),),
)
def in_domain(x: Any, *, low: float = -math.inf, high: float = math.inf) -> Any:
    """`x` itself; TypeError where a number is below `low` or above `high`."""
    if np.any((x < low) | (x > high)):
        wanted = "leaves the real numbers, and did not when the step was recorded, or is to for some examples"
        raise TypeError(lesson("np.emath", wanted, f"{np.ravel(x)[:3]}", at_line(), "x + 0j, complex always"))
    return x


def _within(called: str, x: Any, low: float = -math.inf, high: float = math.inf) -> Any:
    """Return `x`, all of it complex where one of its numbers leaves the domain: NumPy's rule."""
    x = as_array(x)
    if x.dtype.kind == "c":
        return x
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    if isinstance(x, BatchTensor):
        return ops["in_domain"](x, low=low, high=high)
    value = constant(x)
    leaves = bool(np.any((value < low) | (value > high)))
    if mode.recorder is None or not isinstance(x, Tensor):
        return x + 0j if leaves else x
    if leaves:
        wanted, hint = "is real or complex by its values, which a recorded step cannot know", "x + 0j"
        raise TypeError(lesson(called, wanted, describe(x), at_line(), hint))
    return ops["in_domain"](x, low=low, high=high)


def _entered(name: str, low: float, high: float = math.inf) -> None:
    ordinary = getattr(np, name)

    def of_domain(x: Any) -> Any:
        return ordinary(_within(f"np.emath.{name}(x)", x, low, high))

    of_domain.__name__ = name
    of_domain.__doc__ = f"Return np.{name}(x), complex where a real x leaves its domain."
    implements(getattr(np.emath, name))(of_domain)


for _name in ("sqrt", "log", "log2", "log10"):
    _entered(_name, 0.0)
for _name in ("arccos", "arcsin", "arctanh"):
    _entered(_name, -1.0, 1.0)


@implements(np.emath.logn)
def logn(n: Any, x: Any) -> Any:
    """Return the logarithm of `x` to the base `n`, complex where either is negative."""
    called = "np.emath.logn(n, x)"
    return np.log(_within(called, x, 0.0)) / np.log(_within(called, n, 0.0))


@implements(np.emath.power)
def power(x: Any, p: Any) -> Any:
    """Return x ** p, complex where a real x is negative."""
    x = _within("np.emath.power(x, p)", x, 0.0)
    return x ** as_array(float(p) if isinstance(p, int) and p < 0 else p)  # an array, whose dtype counts
