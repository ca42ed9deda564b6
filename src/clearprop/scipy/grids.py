"""What keeps the shape of points, and what fills a grid: slopes of `PchipInterpolator`, grids."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.ops.index import take
from clearprop.ops.shape import as_array, constant, known


def slopes_of_shape(h: Any, d: Any) -> Any:
    """Return slopes at points from the lengths of intervals and the slopes in them, along the first axis.

    Inside it is a weighed harmonic mean where both neighbours rise or both fall, else 0; at the ends that of
    three points, held back. [F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5, 1984, 300-304]
    """
    if d.shape[0] == 1:
        return np.concatenate([d, d], axis=0)
    left, right = d[:-1], d[1:]
    w, v = 2.0 * h[1:] + h[:-1], h[1:] + 2.0 * h[:-1]
    same = left * right > 0
    one, other = (np.where(same, x, 1.0) for x in (left, right))
    inner = np.where(same, (w + v) / (w / one + v / other), 0.0)
    first, last = _at_end(h[:1], h[1:2], d[:1], d[1:2]), _at_end(h[-1:], h[-2:-1], d[-1:], d[-2:-1])
    return np.concatenate([first, inner, last], axis=0)


def _at_end(h: Any, after: Any, d: Any, beyond: Any) -> Any:
    slope = ((2.0 * h + after) * d - h * beyond) / (h + after)
    held = (d * beyond < 0) & (np.abs(slope) > 3.0 * np.abs(d))
    return np.where(slope * d <= 0, 0.0, np.where(held, 3.0 * d, slope))


class RegularGridInterpolator:
    """Values between the points of a grid: SciPy's of this name, `method` "linear" ("slinear"), "nearest".

    `points` are the places along each axis, ascending; gradients are by `values` and by the places asked for.
    Outside of the grid values are `fill_value`, or go on as they are where it is None; with `bounds_error`
    asking for one is a ValueError (in a recorded step, which cannot ask, they are NaN).

    >>> f = RegularGridInterpolator(([0.0, 1.0], [0.0, 2.0]), np.array([[0.0, 2.0], [1.0, 3.0]]))
    >>> f(np.array([[0.5, 1.0]]))
    array([1.5])
    """

    def __init__(
        self,
        points: Any,
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = np.nan,
    ) -> None:
        self.grid: list[Any] = [np.asarray(constant(p), np.float64) for p in points]
        self.values: Any = as_array(values)
        if self.values.dtype.kind in "iub":
            self.values = self.values.astype(np.float64)
        lengths = tuple(p.size for p in self.grid)
        if self.values.shape[: len(lengths)] != lengths or any(np.any(np.diff(p) <= 0) for p in self.grid):
            wanted = "wants ascending places along each axis, as many as there are values"
            got = f"{lengths} and {self.values.shape}"
            raise ValueError(lesson("RegularGridInterpolator(points, values)", wanted, got, at_line()))
        if method not in ("linear", "slinear", "nearest"):
            wanted = "is 'linear', 'slinear' or 'nearest'"
            raise ValueError(lesson("RegularGridInterpolator(method=)", wanted, repr(method), at_line()))
        self.method, self.bounds_error, self.fill_value = method, bounds_error, fill_value

    def __call__(self, xi: Any) -> Any:
        """Return the values at the places along the last axis of `xi`, or of a tuple of coordinates."""
        if isinstance(xi, tuple):
            xi = np.stack(np.broadcast_arrays(*[as_array(x) for x in xi]), axis=-1)
        xi = as_array(xi)
        n = len(self.grid)
        if xi.ndim == 1 and n > 1:
            xi = xi[None]
        elif xi.ndim == 1:
            xi = xi[:, None]
        if xi.shape[-1] != n:
            wanted = f"wants {n} coordinates along the last axis"
            raise ValueError(lesson("RegularGridInterpolator(...)(xi)", wanted, f"{xi.shape}", at_line()))
        places = [xi[..., k] for k in range(n)]
        outside: Any = False
        for t, p in zip(places, self.grid, strict=True):
            outside = outside | (t < p[0]) | (t > p[-1])
        if self.bounds_error and known(xi) and bool(np.any(constant(outside))):
            wanted, hint = "wants places within the grid", "bounds_error=False, or fill_value=None to go on"
            raise ValueError(
                lesson("RegularGridInterpolator(...)(xi)", wanted, "one outside", at_line(), hint)
            )
        z = self._inside(places)
        if self.method == "nearest":  # which asks on which side a place lies: NaN on none
            missing = sum([t * 0.0 for t in places])
            z = np.where(
                (missing != missing).reshape(missing.shape + (1,) * (self.values.ndim - n)), np.nan, z
            )
        fill = np.nan if self.bounds_error else self.fill_value
        if fill is None:
            return z
        return np.where(outside.reshape(outside.shape + (1,) * (self.values.ndim - n)), fill, z)

    def _inside(self, places: list[Any]) -> Any:
        lower, shares = [], []
        for t, p in zip(places, self.grid, strict=True):
            i = np.clip(np.searchsorted(p, t, side="right") - 1, 0, max(p.size - 2, 0))
            lower.append(i)
            width = np.where(p.size > 1, take(np.append(np.diff(p), 1.0), i, axis=0), 1.0)
            shares.append((t - take(p, i, axis=0)) / width)
        if self.method == "nearest":
            return self._at([i + (s > 0.5) for i, s in zip(lower, shares, strict=True)])
        total: Any = 0.0
        more = (1,) * (self.values.ndim - len(self.grid))
        for corner in itertools.product((0, 1), repeat=len(self.grid)):
            weight: Any = 1.0
            for side, s in zip(corner, shares, strict=True):
                weight = weight * (s if side else 1.0 - s)
            found = self._at([i + side for i, side in zip(lower, corner, strict=True)])
            total = total + weight.reshape(weight.shape + more) * found
        return total

    def _at(self, index: list[Any]) -> Any:
        flat: Any = 0
        for i, p in zip(index, self.grid, strict=True):
            flat = flat * p.size + np.minimum(i, p.size - 1)
        return take(self.values.reshape((-1, *self.values.shape[len(self.grid) :])), flat, axis=0)
