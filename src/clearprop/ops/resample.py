"""Resampling: another number of entries along one axis, each a weighted sum of a few of those there were."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.registry import ops

CUBIC, SHARP = -0.75, -0.5  # the slope of a cubic kernel at 1: PyTorch's, and Keys' own (1981)


@dataclass(frozen=True)
class Interpolation:
    """Where each of `target` entries comes from among `source` ones, and with which weights.

    `how` is one of `nearest nearest-exact linear cubic area`, or `smooth linear` and `smooth cubic`, which
    widen the kernel where entries become fewer. Entry i looks at `scale` * (i + 1/2) - 1/2 in the source, or,
    with `corners`, at `scale` * i. `back` is the transpose: from target to source.
    """

    how: str
    source: int
    target: int
    scale: float = 1.0
    corners: bool = False
    back: bool = False

    def __repr__(self) -> str:
        """Return it in a few words: `linear 4 to 8`."""
        ends = (self.target, self.source) if self.back else (self.source, self.target)
        return f"{self.how} {ends[0]} to {ends[1]}" + " (transposed)" * self.back


@functools.lru_cache(256)
def entries(table: Interpolation) -> tuple[Any, Any]:
    """Return the places and the weights of a table, one row for each entry of the result.

    >>> entries(Interpolation("linear", 2, 4, 0.5))[1].tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.75, 0.25]]
    """
    if table.back:
        return _turned(*entries(replace(table, back=False)), table.source)
    target = np.arange(table.target)
    at = target * table.scale if table.corners else (target + 0.5) * table.scale - 0.5
    if table.how == "area":
        return _areas(table)
    if table.how.startswith("nearest"):
        half = np.float32(0.5 if table.how == "nearest-exact" else 0.0)
        places = np.floor((target.astype(np.float32) + half) * np.float32(table.scale)).astype(np.intp)
        return np.minimum(places, table.source - 1)[:, None], np.ones((table.target, 1))
    if table.how.startswith("smooth"):
        return _smooth(table)
    if table.how == "linear":
        at = np.maximum(at, 0)
        first = np.minimum(np.floor(at), table.source - 1)
        t = np.clip(at - first, 0, 1)
        places, weights = first[:, None] + [0, 1], np.stack([1 - t, t], axis=1)
    else:
        first = np.floor(at)
        places = first[:, None] + [-1, 0, 1, 2]
        weights = cubic((at - first)[:, None] - [-1, 0, 1, 2], CUBIC)
    return np.clip(places, 0, table.source - 1).astype(np.intp), weights


def cubic(t: Any, a: float) -> Any:
    """Return Keys' cubic kernel of the distances `t`, with slope `a` at 1.

    >>> cubic(np.array([0.0, 0.5, 1.0, 1.5]), -0.5)
    array([ 1.    ,  0.5625,  0.    , -0.0625])
    """
    t = abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = a * (((t - 5) * t + 8) * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _areas(table: Interpolation) -> tuple[Any, Any]:
    """The mean of the entries that share a part of the axis, the same for all axes."""
    starts, stops = adaptive(table.source, table.target)
    places = starts[:, None] + np.arange((stops - starts).max(initial=1))
    inside = places < stops[:, None]
    return np.minimum(places, table.source - 1), inside / (stops - starts)[:, None]


def adaptive(source: int, target: int) -> tuple[Any, Any]:
    """Return where the parts of an axis start and stop when it is cut into `target` of them.

    >>> adaptive(5, 3)
    (array([0, 1, 3]), array([2, 4, 5]))
    """
    i = np.arange(target)
    return i * source // target, -((i + 1) * -source // target)


def _smooth(table: Interpolation) -> tuple[Any, Any]:
    """A kernel stretched over as many entries as become one, so that nothing is left out."""
    reach = (1.0 if table.how == "smooth linear" else 2.0) * max(table.scale, 1.0)
    centre = (np.arange(table.target) + 0.5) * table.scale
    starts = np.maximum((centre - reach + 0.5).astype(np.intp), 0)
    stops = np.minimum((centre + reach + 0.5).astype(np.intp), table.source)
    places = starts[:, None] + np.arange((stops - starts).max())
    t = (places - centre[:, None] + 0.5) / max(table.scale, 1.0)
    weights = np.maximum(1 - abs(t), 0) if table.how == "smooth linear" else cubic(t, SHARP)
    weights = np.where(places < stops[:, None], weights, 0)
    return np.minimum(places, table.source - 1), weights / weights.sum(axis=1, keepdims=True)


def _turned(places: Any, weights: Any, source: int) -> tuple[Any, Any]:
    """The transpose of a table: for each entry of the source, which entries of the target it went to."""
    used = weights != 0
    rows, taken, given = np.nonzero(used)[0], places[used], weights[used]
    order = np.argsort(taken, kind="stable")
    rows, taken, given = rows[order], taken[order], given[order]
    number = np.bincount(taken, minlength=source)
    column = np.arange(len(taken)) - np.repeat(np.cumsum(number) - number, number)
    turned = np.zeros((source, number.max(initial=1)), np.intp)
    shares = np.zeros(turned.shape)
    turned[taken, column], shares[taken, column] = rows, given
    return turned, shares


@define(
    "resample",
    "opaque",
    lambda g, z, x, axis, table: ops["resample"](g, axis=axis, table=replace(table, back=not table.back)),
    examples=(
        (((2, 3),), {"axis": 1, "table": Interpolation("linear", 3, 5, 0.6)}),
        (((4, 2),), {"axis": 0, "table": Interpolation("area", 4, 3)}),
        (((2, 6),), {"axis": 1, "table": Interpolation("cubic", 4, 6, 0.5, back=True)}),
    ),
)
def resample(x: Any, *, axis: int = -1, table: Any = None) -> Any:
    """z[i] = sum over j of weights[i, j] * x[places[i, j]] along one axis; a weight of 0 looks at nothing.

    >>> resample(np.array([0.0, 4.0]), table=Interpolation("linear", 2, 4, 0.5))
    array([0., 1., 3., 4.])
    """
    places, weights = entries(table)
    axis %= x.ndim
    along = (-1,) + (1,) * (x.ndim - 1 - axis)
    z = np.zeros((*x.shape[:axis], len(places), *x.shape[axis + 1 :]), x.dtype)
    for j in range(places.shape[1]):
        weight = weights[:, j].astype(x.dtype).reshape(along)
        part = np.take(x, places[:, j], axis=axis)
        if weights[:, j].all():
            part *= weight
            z += part
        else:
            np.add(z, part * weight, out=z, where=weight != 0)
    return z
