"""`scipy.interpolate`: piecewise polynomials through points, with gradients by heights and by places.

A spline is linear in the heights that it goes through. So SciPy is asked once, for the splines through the
unit vectors; what follows is a product with the heights, and a polynomial in each interval.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.op import describe
from clearprop.ops.index import take
from clearprop.ops.shape import as_array, constant
from clearprop.tensor import Tensor


def _scipys() -> Any:
    return importlib.import_module("scipy.interpolate")


class _Pieces:
    """A polynomial for each interval between the places `x`: sum_k c[k] (t - x[i])^(degree - k)."""

    def __init__(self, x: Any, y: Any, axis: int, coefficients: Any) -> None:
        self.x: Any = x
        self.axis: int = axis % y.ndim
        rest = np.moveaxis(y, self.axis, 0)
        flat = rest.reshape((rest.shape[0], -1))
        degree, intervals, _ = coefficients.shape
        product = coefficients.reshape((degree * intervals, -1)) @ flat
        self.c: Any = product.reshape((degree, intervals, *rest.shape[1:]))

    def at(self, t: Any, nu: int = 0, outside: Any = ()) -> Any:
        """Return the values at `t`, or those of derivative number `nu`; `outside` are pairs (mask, value)."""
        t = as_array(t)
        shape = t.shape
        t = t.reshape((-1,))
        found = np.searchsorted(self.x, t, side="right") - 1
        interval = np.clip(found, 0, len(self.x) - 2)
        d = t - take(self.x, interval, axis=0)
        d = d.reshape((-1,) + (1,) * (len(self.c.shape) - 2))
        degree = self.c.shape[0] - 1
        z: Any = None
        for k in range(max(degree - nu, 0) + 1):
            scale = float(math.perm(degree - k, nu)) if degree - k >= nu else 0.0
            term = scale * take(self.c[k], interval, axis=0)
            z = term if z is None else z * d + term
        z = z.reshape((*shape, *self.c.shape[2:]))
        for mask, value in outside:
            z = np.where(mask.reshape(mask.shape + (1,) * (len(self.c.shape) - 2)), value, z)
        before = tuple(range(len(shape), len(shape) + self.axis))  # the axes of y in front of its own
        return np.moveaxis(z, before, tuple(range(self.axis))) if before else z


def _points(called: str, x: Any, y: Any, axis: int) -> tuple[Any, Any]:
    if isinstance(x, Tensor) and x.requires_grad:
        wanted = "has gradients by heights and by the places of evaluation, not by those of the points"
        raise TypeError(lesson(f"{called}(x, y)", wanted, describe(x), at_line(), "x.detach()"))
    x, y = np.asarray(constant(x), np.float64), as_array(y)
    if x.ndim != 1 or y.ndim == 0 or y.shape[axis] != x.size or x.size < 2:
        wanted = "wants at least two places in a vector, and as many heights along the axis"
        raise ValueError(lesson(f"{called}(x, y)", wanted, f"{x.shape} and {y.shape}", at_line()))
    if y.dtype.kind in "iub":
        y = y.astype(np.float64)
    return x, y


class CubicSpline:
    """The twice differentiable piecewise cubic through points: `scipy.interpolate.CubicSpline`.

    `bc_type` and `extrapolate` (True, False or None) are SciPy's. Calling it with places gives values, with
    `nu` their derivatives. It has gradients by the heights `y` and by the places of evaluation, to any order.
    Raises ValueError where places and heights do not fit, TypeError for gradients by the places of points.

    >>> from clearprop import grad
    >>> x = np.linspace(0.0, 3.0, 13)
    >>> spline = CubicSpline(x, np.sin(x))
    >>> spline(1.1).round(3), spline(1.1, 1).round(3), grad(spline)(1.1).round(3)
    (np.float64(0.891), np.float64(0.454), np.float64(0.454))
    """

    def __init__(
        self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None
    ) -> None:
        x, y = _points("CubicSpline", x, y, axis)
        if not isinstance(bc_type, str):
            kinds = [end[0] if isinstance(end, tuple) else end for end in bc_type]
            if any(isinstance(end, tuple) and np.any(constant(end[1])) for end in bc_type):
                wanted = "wants boundary slopes of 0: 'not-a-knot', 'natural', 'clamped' or 'periodic'"
                raise ValueError(lesson("CubicSpline(bc_type=)", wanted, f"{kinds}", at_line()))
            bc_type = tuple((end[0], np.zeros(x.size)) if isinstance(end, tuple) else end for end in bc_type)
        periodic = isinstance(bc_type, str) and bc_type == "periodic"
        if extrapolate is None:
            extrapolate = "periodic" if periodic else True
        unit = np.eye(x.size)
        if periodic:  # the last height is the first
            unit[-1] = unit[0]
        spline = _scipys().CubicSpline(x, unit, bc_type=bc_type)
        self.x: Any = x
        self.extrapolate: Any = extrapolate
        self._pieces: _Pieces = _Pieces(x, y, axis, spline.c)

    def __call__(self, t: Any, nu: int = 0) -> Any:
        """Return the values at `t`, or those of derivative number `nu`."""
        t = as_array(t)
        first, last = self.x[0], self.x[-1]
        if self.extrapolate == "periodic":
            t = first + np.mod(t - first, last - first)
        return self._pieces.at(t, nu, () if self.extrapolate else [((t < first) | (t > last), np.nan)])


class interp1d:
    """The function through points that is linear between them, or cubic: `scipy.interpolate.interp1d`.

    Outside of the points values are `fill_value`, a number or a pair of them, or go on as they are for
    "extrapolate"; without it asking for one is a ValueError. Gradients are those of `CubicSpline`; at a point
    the slope is that of the interval behind it.

    >>> from clearprop import grad
    >>> f = interp1d(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.0]))
    >>> f(np.array([0.5, 2.0])), grad(f)(2.0)
    (array([1., 1.]), np.float64(-1.0))
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        kind: str = "linear",
        axis: int = -1,
        bounds_error: bool | None = None,
        fill_value: Any = None,
    ) -> None:
        x, y = _points("interp1d", x, y, axis)
        if kind not in ("linear", "cubic"):
            raise ValueError(lesson("interp1d(kind=)", "is 'linear' or 'cubic'", repr(kind), at_line()))
        order = np.argsort(x, kind="stable")
        x, y = x[order], take(y, order, axis=axis) if np.any(np.diff(order) < 0) else y
        unit = np.eye(x.size)
        if kind == "linear":
            c = np.stack([np.diff(unit, axis=0) / np.diff(x)[:, None], unit[:-1]])
        else:
            c = _scipys().CubicSpline(x, unit).c
        self.x: Any = x
        self.fill_value: Any = fill_value
        self.bounds_error: bool = fill_value is None if bounds_error is None else bounds_error
        self._pieces: _Pieces = _Pieces(x, y, axis, c)

    def __call__(self, t: Any) -> Any:
        """Return the values at `t`."""
        t = as_array(t)
        if isinstance(self.fill_value, str):
            return self._pieces.at(t)
        below, above = t < self.x[0], t > self.x[-1]
        if self.bounds_error:
            if bool(np.any(below | above)):
                wanted = f"wants places from {self.x[0]:g} to {self.x[-1]:g}"
                hint = 'fill_value="extrapolate", or a number'
                raise ValueError(lesson("interp1d(x, y)(t)", wanted, "one outside", at_line(), hint))
            return self._pieces.at(t)
        fill = np.nan if self.fill_value is None else self.fill_value
        low, high = fill if isinstance(fill, tuple) else (fill, fill)
        return self._pieces.at(t, 0, [(below, low), (above, high)])
