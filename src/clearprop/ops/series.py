"""Running products, differences, convolutions, interpolation and polynomials along an axis."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.ops.shape import as_array, constant, known
from clearprop.registry import implements, ops

_SIGNAL = np.array([[0.5, -1.2, 2.0, 0.7], [1.5, 0.3, -0.8, 1.1], [0.9, -0.4, 1.3, 2.2]])


# --- running sums and products ------------------------------------------------------------------------------
def _cumprod_rule(g: Any, z: Any, x: Any, axis: Any) -> Any:
    """For each k the sum over j >= k of g_j times the product of all up to j but x_k; zeros may come.

    The product of all but x_k is that of the entries before times that of those behind, up to j. The latter
    is a running product of its own: a triangle of them, n^2 entries a row.
    """
    flat = x.reshape((x.size,)) if axis is None or not x.ndim else x
    axis = 0 if axis is None else axis
    rows, g = np.moveaxis(flat, axis, -1), np.moveaxis(g, axis, -1)
    n = rows.shape[-1]
    one = np.ones((*rows.shape[:-1], 1), x.dtype)
    before = np.concatenate([one, np.cumprod(rows[..., :-1], axis=-1)], axis=-1)
    behind = np.triu(np.ones((n, n), bool), 1)  # [k, j]: x_j stands behind x_k
    spread = np.where(behind, np.expand_dims(rows, -2), x.dtype.type(1))
    products = np.where(np.triu(np.ones((n, n), bool)), np.cumprod(spread, axis=-1), x.dtype.type(0))
    d = before * np.sum(np.expand_dims(g, -2) * products, axis=-1)
    return np.moveaxis(d, -1, axis).reshape(x.shape)


@define(
    "cumprod",
    "opaque",
    _cumprod_rule,
    numpy=np.cumprod,
    examples=(((_SIGNAL,), {"axis": 0}), ((_SIGNAL,), {"axis": -1}), ((_SIGNAL[:2, :3],), {})),
)
def cumprod(x: Any, *, axis: Any = None) -> Any:
    """The products of the entries up to each along `axis` (of the flattened array where it is None)."""
    return np.cumprod(x, axis=axis)


def _cumulative(
    called: str, function: Any, start: int, x: Any, axis: Any, dtype: Any, include_initial: bool
) -> Any:
    x = np.atleast_1d(as_array(x))
    if axis is None and x.ndim != 1:
        raise ValueError(lesson(f"{called}(x)", "wants axis= where there are several axes", f"{x.shape}"))
    axis = normalize_axis_index(0 if axis is None else axis, x.ndim)
    z = function(x if dtype is None else x.astype(dtype), axis=axis)
    if not include_initial:
        return z
    first = np.full(tuple(1 if i == axis else n for i, n in enumerate(z.shape)), start, z.dtype)
    return np.concatenate([first, z], axis=axis)


if hasattr(np, "cumulative_sum"):

    @implements(np.cumulative_sum)
    def cumulative_sum(
        x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        """Return the sums up to each entry, with `include_initial` behind the sum of none, 0."""
        return _cumulative("cumulative_sum", np.cumsum, 0, x, axis, dtype, include_initial)

    @implements(np.cumulative_prod)
    def cumulative_prod(
        x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        """Return the products up to each entry, with `include_initial` behind that of none, 1."""
        return _cumulative("cumulative_prod", np.cumprod, 1, x, axis, dtype, include_initial)


# --- differences --------------------------------------------------------------------------------------------
@implements(np.ediff1d)
def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return the differences of neighbours of the flattened array, with more numbers before and behind."""
    x = as_array(x)
    x = x.reshape((x.size,))
    d = x[1:] - x[:-1]
    ends = [None if e is None else as_array(e).reshape((-1,)) for e in (to_begin, to_end)]
    parts = [p for p in (ends[0], d, ends[1]) if p is not None]
    return np.concatenate(parts).astype(x.dtype) if len(parts) > 1 else d


@implements(np.gradient)
def gradient(f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return the derivative of samples along each axis (or those named), by central differences.

    `spacing` is the distance, or the places of the samples, of all axes or of each. At the ends one-sided
    differences of the order `edge_order`.

    >>> gradient(np.array([0.0, 1.0, 4.0, 9.0]))
    array([1., 2., 4., 5.])
    """
    f = as_array(f)
    single = axis is not None and np.ndim(axis) == 0
    axes = [normalize_axis_index(a, f.ndim) for a in (range(f.ndim) if axis is None else np.atleast_1d(axis))]
    steps = list(spacing) if len(spacing) == len(axes) else [*(spacing or (1.0,))] * len(axes)
    if len(spacing) not in (0, 1, len(axes)) or (len(spacing) == 1 and np.ndim(spacing[0]) and len(axes) > 1):
        raise TypeError(lesson("np.gradient(f, *spacing)", f"wants one or {len(axes)}", f"{len(spacing)}"))
    if edge_order not in (1, 2):
        raise ValueError(lesson("np.gradient(edge_order=)", "is 1 or 2", f"{edge_order}"))
    if any(f.shape[a] < edge_order + 1 for a in axes):
        raise ValueError(lesson("np.gradient(f)", f"wants {edge_order + 1} samples an axis", f"{f.shape}"))
    f = f if f.dtype.kind in "fc" else f.astype(np.float64)
    found = tuple(_slope(f, as_array(h), a, edge_order) for a, h in zip(axes, steps, strict=True))
    return found[0] if single or len(found) == 1 else found


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """The derivative along one axis; a step for each gap between samples, or one for all."""
    rows = np.moveaxis(f, axis, -1)
    if h.ndim > 1 or (h.ndim and h.shape[0] != rows.shape[-1]):
        wanted = f"wants a number or {rows.shape[-1]} places"
        raise ValueError(lesson("np.gradient(f, *spacing)", wanted, f"shape {h.shape}"))
    gaps = np.diff(h) if h.ndim else np.broadcast_to(h, (rows.shape[-1] - 1,))
    left, right = gaps[:-1], gaps[1:]
    steps = (rows[..., 1:] - rows[..., :-1]) / gaps
    inner = (right * steps[..., :-1] + left * steps[..., 1:]) / (left + right)
    if not h.ndim:  # the sample itself has no part in it, be it infinite or no number
        inner = (rows[..., 2:] - rows[..., :-2]) / (2.0 * h)
    first, last = steps[..., :1], steps[..., -1:]
    if edge_order == 2:
        first = first + (first - steps[..., 1:2]) * (gaps[0] / (gaps[0] + gaps[1]))
        last = last + (last - steps[..., -2:-1]) * (gaps[-1] / (gaps[-1] + gaps[-2]))
    z = np.concatenate([first, inner, last], axis=-1)
    return np.moveaxis(z.astype(f.dtype), -1, axis)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """Return phases without the jumps of a period between neighbours; the jumps have no gradient."""
    p = as_array(p)
    d = np.diff(p, axis=axis)
    half = period / 2
    d = ops["detach"](d)
    wrapped = np.remainder(d + half, period) - half
    wrapped = np.where((wrapped == -half) & (d > 0), half, wrapped)
    jumps = np.where(np.absolute(d) < (half if discont is None else discont), 0.0, wrapped - d)
    total = np.cumsum(jumps, axis=axis)
    axis = normalize_axis_index(axis, p.ndim)
    first = np.zeros(tuple(1 if i == axis else n for i, n in enumerate(p.shape)))
    z = p + np.concatenate([first, total], axis=axis)
    return z.astype(p.dtype) if p.dtype.kind == "f" else z


# --- convolution, interpolation -----------------------------------------------------------------------------
def _full(x: Any, y: Any) -> Any:
    """The products of x with y shifted along it, at every shift where they meet."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, (y.size - 1, y.size - 1)), y.size)
    return windows @ y[::-1]


def _vectors(called: str, x: Any, y: Any) -> tuple[Any, Any]:
    x, y = (v.reshape((1,)) if v.ndim == 0 else v for v in (as_array(x), as_array(y)))
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ValueError(lesson(f"{called}(x, y)", "wants two vectors with entries", f"{x.shape}, {y.shape}"))
    return x, y


_MODES = {0: "valid", 1: "same", 2: "full"}


def _cut(called: str, z: Any, n: int, m: int, mode: Any) -> Any:
    """The part of a full convolution that a mode names; n is the longer length, m the shorter."""
    mode = _MODES.get(mode, mode)
    if mode not in _MODES.values():
        raise ValueError(lesson(f"{called}(mode=)", "is 'full', 'same' or 'valid'", repr(mode)))
    if mode == "full":
        return z
    start = m - 1 if mode == "valid" else (m - 1) // 2
    return z[start : start + (n - m + 1 if mode == "valid" else n)]


@implements(np.convolve)
def convolve(x: Any, y: Any, mode: Any = "full") -> Any:
    """Return the sums over k of x_k y_(i-k): the product of two polynomials' coefficients.

    An entry of the shorter one that is infinite or NaN makes NaN also where it reaches past an end.

    >>> convolve(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([1., 3., 2.])
    """
    x, y = _vectors("np.convolve", x, y)
    x, y = (y, x) if y.size > x.size else (x, y)
    return _cut("np.convolve", _full(x, y), x.size, y.size, mode)


@implements(np.correlate)
def correlate(x: Any, y: Any, mode: Any = "valid") -> Any:
    """Return the sums over k of x_(k+i) y_k, of complex y_k the conjugates."""
    if not np.ndim(x) or not np.ndim(y):
        raise ValueError(lesson("np.correlate(x, y)", "wants two vectors", f"{np.shape(x)}, {np.shape(y)}"))
    x, y = _vectors("np.correlate", x, y)
    swapped, y = y.size > x.size, np.conjugate(y)
    a, b = (y, x) if swapped else (x, y)
    z = _cut("np.correlate", _full(a, b[::-1]), a.size, b.size, mode)
    return z[::-1] if swapped else z


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Return, at `x`, the line through the points (xp, fp), xp ascending; `left`, `right` beyond.

    The gradient goes to `x`, `xp` and `fp`. At a point it is that of the line to the right; beyond the ends
    that by x is 0, and the end value has the rest.

    >>> interp(np.array([0.5, 9.0]), np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    array([2., 3.])
    """
    x, xp, fp = (v if v.dtype.kind == "f" else v.astype(np.float64) for v in map(as_array, (x, xp, fp)))
    for name, end in (("left", left), ("right", right)):
        if isinstance(end, (str, bytes)):
            raise TypeError(lesson(f"np.interp({name}=)", "wants a number", repr(end), at_line()))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        got = f"{xp.shape} and {fp.shape}"
        raise ValueError(lesson("np.interp(x, xp, fp)", "wants as many values as places", got))
    picked = ops["getitem"]  # the places may be a Tensor where the entries are an array
    if period is not None:
        if period == 0:
            raise ValueError(lesson("np.interp(period=)", "is not 0", "0"))
        period = abs(period)
        x, xp = x % period, xp % period
        order = np.argsort(xp)
        xp, fp = picked(xp, order), picked(fp, order)
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    n = xp.size
    below, above = x < xp[0], x >= xp[n - 1]
    at = np.clip(ops["searchsorted"](xp, x, "right") - 1, 0, max(n - 2, 0))
    nearer = np.minimum(at + 1, n - 1)
    width = picked(xp, nearer) - picked(xp, at)
    inside = np.logical_not(below | above)
    share = np.where(inside, (x - picked(xp, at)) / np.where(width == 0, 1.0, width), 0.0)
    z = picked(fp, at) + share * (picked(fp, nearer) - picked(fp, at))
    z = np.where(below, fp[0] if left is None or period is not None else left, z)
    end = fp[n - 1] if right is None or period is not None else np.where(x == xp[n - 1], fp[n - 1], right)
    z = np.where(above, end, z)
    return np.where(np.isnan(x), x, z).astype(np.float64)


# --- polynomials, the highest power first -------------------------------------------------------------------
@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Return p[0] x^n + ... + p[n], by Horner's rule.

    >>> float(polyval(np.array([1.0, 0.0, 1.0]), np.array(2.0)))
    5.0
    """
    p, x = as_array(p), as_array(x)
    z = x * 0
    for i in range(p.shape[0]):
        z = z * x + p[i]
    return z


def _aligned(x: Any, y: Any) -> tuple[Any, Any]:
    x, y = (np.atleast_1d(as_array(v)) for v in (x, y))
    n = max(x.size, y.size)
    return np.pad(x, (n - x.size, 0)), np.pad(y, (n - y.size, 0))


@implements(np.polyadd)
def polyadd(x: Any, y: Any) -> Any:
    """Return the coefficients of the sum of two polynomials."""
    return np.add(*_aligned(x, y))


@implements(np.polysub)
def polysub(x: Any, y: Any) -> Any:
    """Return the coefficients of the difference of two polynomials."""
    return np.subtract(*_aligned(x, y))


@implements(np.polymul)
def polymul(x: Any, y: Any) -> Any:
    """Return the coefficients of the product of two polynomials."""
    return convolve(np.atleast_1d(as_array(x)), np.atleast_1d(as_array(y)))


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """Return the coefficients of the m-th derivative of a polynomial."""
    p, m = as_array(p), operator.index(m)
    if m < 0:
        raise ValueError(lesson("np.polyder(p, m)", "wants m >= 0", f"{m}"))
    for _ in range(m):
        p = p[:-1] * np.arange(p.size - 1, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Return the coefficients of the m-th integral of a polynomial, with the constants `k`."""
    p, m = as_array(p), operator.index(m)
    if m < 0:
        raise ValueError(lesson("np.polyint(p, m)", "wants m >= 0", f"{m}"))
    constants = np.broadcast_to(np.atleast_1d(as_array(0.0 if k is None else k)), (m,))
    for i in range(m):
        p = np.concatenate([p / np.arange(p.size, 0, -1), constants[i : i + 1]])
    return p


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of each entry of a vector as a row, the highest first unless `increasing`.

    >>> vander(np.array([2.0, 3.0]), 3)
    array([[4., 2., 1.],
           [9., 3., 1.]])
    """
    x = as_array(x)
    if x.ndim != 1:
        raise ValueError(lesson("np.vander(x)", "wants a vector", f"shape {x.shape}"))
    n = x.size if N is None else N
    if n < 0:
        raise ValueError(lesson("np.vander(x, N)", "wants N >= 0", f"{n}"))
    x = x.astype(np.promote_types(x.dtype, np.int_))  # as NumPy has it: a float32 becomes a float64
    columns = [np.ones(x.shape, x.dtype)]
    while len(columns) < n:
        columns.append(columns[-1] * x)
    z = np.stack(columns[:n], axis=1) if n else np.zeros((x.size, 0), x.dtype)
    return z if increasing else z[:, ::-1]


# --- numbers at equal distances -----------------------------------------------------------------------------
def _inexact(*ends: Any) -> list[Any]:
    """Return arrays of one dtype that is no integer's; Python's numbers take that of the others."""
    known = (x if type(x) in (int, float, complex) else as_array(x).dtype for x in ends)
    dtype = np.result_type(*known, 1.0)
    return [as_array(x).astype(dtype) for x in ends]


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return `num` numbers at equal distances from `start` to `stop`; with `retstep` the distance, too."""
    start, stop = _inexact(start, stop)
    num = operator.index(num)
    if num < 0:
        raise ValueError(lesson("np.linspace(num=)", "is not negative", f"{num}"))
    gaps = num - 1 if endpoint else num
    start, stop = np.broadcast_arrays(start, stop)
    step = (stop - start) / gaps if gaps > 0 else (stop - start) * np.nan
    places = np.arange(num).reshape((-1, *(1,) * start.ndim)).astype(step.dtype)
    z = places * step + start if gaps > 0 else places * (stop - start) + start
    if endpoint and num > 1:
        z = np.concatenate([z[:-1], np.expand_dims(stop, 0)], axis=0)
    z = z if axis == 0 else np.moveaxis(z, 0, axis)
    z = z if dtype is None else z.astype(dtype)
    return (z, step) if retstep else z


@implements(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return `num` numbers from base^start to base^stop, each the same multiple of the one before."""
    start, stop = _inexact(start, stop)
    if np.ndim(base):  # a number is of no dtype of its own
        start, stop, base = np.broadcast_arrays(start, stop, as_array(base))
        base = np.expand_dims(base, axis)
    z = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return z if dtype is None else z.astype(dtype)


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """Return `num` numbers from `start` to `stop`, each the same multiple of the one before.

    Real ones are of one sign; complex ones lie on a spiral. In float64, as NumPy has it, unless `dtype` says
    otherwise. Raises ValueError where an end is 0, by which nothing has a multiple.

    >>> geomspace(1.0, 8.0, 4)
    array([1., 2., 4., 8.])
    """
    start, stop = np.broadcast_arrays(as_array(start), as_array(stop))
    wide = np.result_type(start.dtype, stop.dtype, np.float64)
    start, stop = start.astype(wide), stop.astype(wide)
    if known(start, stop) and not (np.all(constant(start)) and np.all(constant(stop))):
        raise ValueError(lesson("np.geomspace(start, stop)", "wants ends that are not 0", "0", at_line()))
    turn = start / np.absolute(start) if wide.kind == "c" else np.sign(start)
    first, last = np.log(start / turn), np.log(stop / turn)
    z = np.exp(linspace(first, last, num, endpoint)) * turn
    if num > 0:  # the ends are what was given, and infinite where that is
        ends = [np.expand_dims(end, 0) for end in (start, stop)]
        inner = z[1:-1] if endpoint else z[1:]
        z = np.concatenate([ends[0], inner, *ends[1:] * (endpoint and num > 1)])
    z = z if axis == 0 else np.moveaxis(z, 0, axis)
    return z if dtype is None else z.astype(dtype)
