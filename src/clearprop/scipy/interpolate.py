"""`scipy.interpolate`: piecewise polynomials through points, with gradients by heights and by places.

A spline is linear in the heights that it goes through. So SciPy is asked once, for the splines through the
unit vectors; what follows is a product with the heights, and a polynomial in each interval.
"""

from __future__ import annotations

import copy
import importlib
import math
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.op import describe
from clearprop.ops.index import take
from clearprop.ops.shape import as_array, constant, known
from clearprop.scipy.grids import RegularGridInterpolator as RegularGridInterpolator
from clearprop.scipy.grids import slopes_of_shape
from clearprop.scipy.rest import reader
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
        if self.c.shape[0] - 1 <= nu and t.dtype.kind == "f":  # a constant does not know what it is asked for
            outside = [*outside, (t != t, np.nan)]
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


class Piecewise:
    """A function of polynomials between places: values, derivatives, integrals."""

    def __init__(self, pieces: _Pieces, extrapolate: Any) -> None:
        self._pieces: _Pieces = pieces
        self.extrapolate: Any = extrapolate

    @property
    def x(self) -> Any:
        """The places between which it is one polynomial."""
        return self._pieces.x

    def __call__(self, t: Any, nu: int = 0) -> Any:
        """Return the values at `t`, or those of derivative number `nu`."""
        t = as_array(t)
        first, last = self.x[0], self.x[-1]
        if self.extrapolate == "periodic":
            t = first + np.mod(t - first, last - first)
        return self._pieces.at(t, nu, () if self.extrapolate else [((t < first) | (t > last), np.nan)])

    def derivative(self, nu: int = 1) -> Piecewise:
        """Return derivative number `nu`."""
        c, degree = self._pieces.c, self._pieces.c.shape[0] - 1
        factors = [float(math.perm(degree - k, nu)) for k in range(max(degree - nu, 0) + 1)]
        scale = np.array(factors).reshape((-1,) + (1,) * (len(c.shape) - 1))
        return self._with(c[: len(factors)] * (scale if degree >= nu else 0.0 * scale))

    def antiderivative(self, nu: int = 1) -> Piecewise:
        """Return the integral from the first place, `nu` times."""
        if nu <= 0:
            return self if nu == 0 else self.derivative(-nu)
        c = self._pieces.c
        over = np.arange(c.shape[0], 0, -1.0).reshape((-1,) + (1,) * (len(c.shape) - 1))
        c = c / over
        wide = np.diff(self.x).reshape((-1,) + (1,) * (len(c.shape) - 2))
        area: Any = 0.0
        for row in c:
            area = (area + row) * wide
        start = np.concatenate([np.zeros_like(area[:1]), np.cumsum(area, axis=0)[:-1]], axis=0)
        return self._with(np.concatenate([c, start[None]], axis=0)).antiderivative(nu - 1)

    def integrate(self, a: Any, b: Any) -> Any:
        """Return the integral from `a` to `b`; NotImplementedError for a function that repeats itself."""
        if self.extrapolate == "periodic":
            wanted, hint = "is within one period", "antiderivative, and whole periods by themselves"
            raise NotImplementedError(lesson("integrate(a, b)", wanted, "periodic", at_line(), hint))
        whole = self.antiderivative()
        return whole(b) - whole(a)

    def _with(self, c: Any) -> Piecewise:
        pieces = copy.copy(self._pieces)
        pieces.c = c
        return Piecewise(pieces, self.extrapolate)


class CubicSpline(Piecewise):
    """The twice differentiable piecewise cubic through points: `scipy.interpolate.CubicSpline`.

    `bc_type` and `extrapolate` (True, False or None) are SciPy's. Calling it with places gives values, with
    `nu` their derivatives. It has gradients by the heights `y`, by slopes that `bc_type` gives and by the
    places of evaluation, to any order.
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
        periodic = isinstance(bc_type, str) and bc_type == "periodic"
        if extrapolate is None:
            extrapolate = "periodic" if periodic else True
        unit = np.eye(x.size)
        if periodic:  # the last height is the first
            _same_ends(y, axis)
            unit[-1] = unit[0]
        flat = bc_type
        if not isinstance(bc_type, str):
            flat = tuple((end[0], np.zeros(x.size)) if isinstance(end, tuple) else end for end in bc_type)
        pieces = _Pieces(x, y, axis, _scipys().CubicSpline(x, unit, bc_type=flat).c)
        for k, end in enumerate(() if isinstance(bc_type, str) else bc_type):
            if isinstance(end, tuple):
                pieces.c = pieces.c + _by_slope(x, pieces, k, bc_type)
        super().__init__(pieces, extrapolate)


def _same_ends(y: Any, axis: int) -> None:
    first, last = (np.take(constant(y), i, axis=axis) for i in (0, -1)) if known(y) else (0, 0)
    if not np.allclose(first, last, rtol=1e-15, atol=1e-15, equal_nan=True):
        wanted, got = "wants a last height that is the first", f"{first} and {last}"[:60]
        raise ValueError(lesson("CubicSpline(x, y, bc_type='periodic')", wanted, got, at_line()))


def _by_slope(x: Any, pieces: _Pieces, k: int, ends: Any) -> Any:
    """Return the coefficients that the slope or bend given at end number `k` adds."""
    still = [(end[0], 0.0) if isinstance(end, tuple) else end for end in ends]
    still[k] = (ends[k][0], 1.0)
    unit = _scipys().CubicSpline(x, np.zeros(x.size), bc_type=tuple(still)).c
    shape = pieces.c.shape[2:]
    return unit.reshape((*unit.shape, *[1] * len(shape))) * np.broadcast_to(as_array(ends[k][1]), shape)


class PchipInterpolator(Piecewise):
    """The once differentiable cubic that keeps the shape of points: `scipy.interpolate.PchipInterpolator`.

    It rises where they rise and has its extremes at points. Gradients are by heights, which it is not linear
    in, and by the places of evaluation.

    >>> f = PchipInterpolator(np.arange(4.0), np.array([0.0, 0.0, 1.0, 1.0]))
    >>> f(np.array([0.5, 1.5, 2.5]))
    array([0. , 0.5, 1. ])
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> None:
        x, y = _points("PchipInterpolator", x, y, axis)
        pieces = _Pieces(x, y, axis, np.zeros((1, x.size - 1, x.size)))
        y = np.moveaxis(y, axis, 0)
        if np.any(np.diff(x) <= 0):
            raise ValueError(
                lesson("PchipInterpolator(x, y)", "wants ascending places", f"{x}"[:60], at_line())
            )
        wide = np.diff(x).reshape((-1,) + (1,) * (y.ndim - 1))
        d = np.diff(y, axis=0) / wide
        m = slopes_of_shape(wide, d)
        bend = (m[:-1] + m[1:] - 2.0 * d) / wide
        pieces.c = np.stack([bend / wide, (d - m[:-1]) / wide - bend, m[:-1], y[:-1]])
        super().__init__(pieces, True if extrapolate is None else extrapolate)


def make_interp_spline(x: Any, y: Any, k: int = 3, bc_type: Any = None, axis: int = 0) -> Piecewise:
    """Return SciPy's spline of degree `k` through points, with the gradients of `CubicSpline`.

    >>> make_interp_spline(np.arange(4.0), np.arange(4.0) ** 2, k=2)(1.5).round(12)
    np.float64(2.25)
    """
    x, y = _points("make_interp_spline", x, y, axis)
    return Piecewise(_of_degree(x, y, axis, k, bc_type), True)


def _of_degree(x: Any, y: Any, axis: int, k: int, bc_type: Any = None) -> _Pieces:
    through = _scipys().make_interp_spline
    still, given = _at_rest(bc_type)
    units = [_scipys().PPoly.from_spline(through(x, e, k, bc_type=still)) for e in np.eye(x.size)]
    breaks = units[0].x
    real = np.flatnonzero((np.diff(breaks) > 0) | (k == 0))  # steps have one more, for the last point
    c = np.stack([unit.c[:, real] for unit in units], axis=-1)
    pieces = _Pieces(np.append(breaks[real], breaks[-1]), y, axis, c)
    shape = pieces.c.shape[2:]
    for ends, value in given:
        c = _scipys().PPoly.from_spline(through(x, np.zeros(x.size), k, bc_type=ends)).c[:, real]
        pieces.c = pieces.c + c.reshape((*c.shape, *[1] * len(shape))) * np.broadcast_to(
            as_array(value), shape
        )
    return pieces


def _at_rest(bc_type: Any) -> tuple[Any, list[Any]]:
    """Return the ends with derivatives of 0; for each that is given the ends where it is 1, and itself."""
    if bc_type is None or isinstance(bc_type, str):
        return bc_type, []
    ends = [end if end is None or isinstance(end, str) else [*end] for end in bc_type]
    still = [end if end is None or isinstance(end, str) else [(m, 0.0) for m, _ in end] for end in ends]
    given = []
    for side, end in enumerate(ends):
        for i, (order, value) in enumerate([] if end is None or isinstance(end, str) else end):
            one: Any = [[*e] if isinstance(e, list) else e for e in still]
            one[side][i] = (order, 1.0)
            given.append((tuple(one), value))
    return tuple(still), given


class interp1d:
    """The function through points that is linear between them, or of another `kind`: SciPy's `interp1d`.

    Outside of the points values are `fill_value`, a number or a pair of them, or go on as they are for
    "extrapolate"; without it asking for one is a ValueError, and in a recorded step, which cannot ask, NaN.
    Gradients are those of `CubicSpline`; at a point the slope is that of the interval behind it.

    >>> from clearprop import grad
    >>> f = interp1d(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.0]))
    >>> f(np.array([0.5, 2.0])), grad(f)(2.0)
    (array([1., 1.]), np.float64(-1.0))
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        kind: Any = "linear",
        axis: int = -1,
        copy: bool = True,
        bounds_error: bool | None = None,
        fill_value: Any = None,
        assume_sorted: bool = False,
    ) -> None:
        x, y = _points("interp1d", x, y, axis)
        kind = _DEGREES.get(kind, kind) if isinstance(kind, (int, str)) else kind
        if kind not in _STEPS and kind not in (1, 2, 3, 4, 5):
            wanted = f"is a degree or one of {', '.join(map(str, (*_DEGREES, *_STEPS)))}"
            raise ValueError(lesson("interp1d(kind=)", wanted, repr(kind), at_line()))
        order = np.argsort(x, kind="stable")
        x, y = x[order], take(y, order, axis=axis) if np.any(np.diff(order) < 0) else y
        self.x: Any = x
        self.fill_value: Any = fill_value
        self.bounds_error: bool = fill_value is None if bounds_error is None else bounds_error
        unit = np.eye(x.size)
        if kind in _STEPS:
            self._pieces: Any = _Steps(x, y, axis, kind)
        elif kind == 1:
            c = np.stack([np.diff(unit, axis=0) / np.diff(x)[:, None], unit[:-1]])
            self._pieces = _Pieces(x, y, axis, c)
        else:
            self._pieces = _of_degree(x, y, axis, kind)

    def __call__(self, t: Any) -> Any:
        """Return the values at `t`."""
        t = as_array(t)
        if isinstance(self.fill_value, str):
            return self._pieces.at(t)
        below, above = t < self.x[0], t > self.x[-1]
        if self.bounds_error and known(t) and bool(np.any(constant(below | above))):
            wanted = f"wants places from {self.x[0]:g} to {self.x[-1]:g}"
            hint = 'fill_value="extrapolate", or a number'
            raise ValueError(lesson("interp1d(x, y)(t)", wanted, "one outside", at_line(), hint))
        fill = np.nan if self.fill_value is None else self.fill_value
        low, high = fill if isinstance(fill, tuple) else (fill, fill)
        return self._pieces.at(t, 0, [(below, low), (above, high)])


_DEGREES: dict[Any, Any] = {0: "zero", "linear": 1, "slinear": 1, "quadratic": 2, "cubic": 3}
_STEPS = "nearest", "nearest-up", "previous", "next", "zero"


class _Steps:
    """The height of one of the points, which are neighbours."""

    def __init__(self, x: Any, y: Any, axis: int, kind: str) -> None:
        self.x, self.y, self.axis, self.kind = x, y, axis % y.ndim, kind

    def at(self, t: Any, nu: int = 0, outside: Any = ()) -> Any:
        """Return the heights at `t`; `outside` are pairs (mask, value)."""
        if self.kind.startswith("nearest"):
            between = self.x[1:] / 2 + self.x[:-1] / 2
            found = np.searchsorted(between, t, side="left" if self.kind == "nearest" else "right")
        elif self.kind == "next":
            found = np.searchsorted(self.x, t, side="left")
        else:
            found = np.searchsorted(self.x, t, side="right") - 1
        z = take(np.moveaxis(self.y, self.axis, 0), np.clip(found, 0, self.x.size - 1), axis=0)
        more = (1,) * (self.y.ndim - 1)
        if self.kind == "zero" and t.dtype.kind == "f":
            outside = [*outside, (t != t, np.nan)]
        if not outside and self.kind in ("previous", "next"):  # there is none
            outside = [(t < self.x[0] if self.kind == "previous" else t > self.x[-1], np.nan)]
        for mask, value in outside:
            z = np.where(mask.reshape(mask.shape + more), value, z)
        before = tuple(range(t.ndim, t.ndim + self.axis))
        return np.moveaxis(z, before, tuple(range(self.axis))) if before else z


__getattr__, __dir__ = reader("interpolate", [*globals()])
