"""Quantiles, covariances, and statistics of the entries that are numbers: made of the ops."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.errors import lesson
from clearprop.ops.composed import nanmean
from clearprop.ops.index import take_along_axis
from clearprop.ops.reduce import axes_of, rows_of
from clearprop.ops.shape import as_array, constant
from clearprop.registry import implements, ops

# Where the quantile q lies among n sorted entries: (n + 1 - a - b) q + a - 1, by the name of the method.
# [Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 50, 1996]
METHODS = {
    "linear": (1.0, 1.0), "lower": (1.0, 1.0), "higher": (1.0, 1.0), "midpoint": (1.0, 1.0),
    "nearest": (1.0, 1.0), "interpolated_inverted_cdf": (0.0, 1.0), "hazen": (0.5, 0.5),
    "inverted_cdf": (0.0, 1.0), "averaged_inverted_cdf": (0.0, 1.0), "closest_observation": (0.5, 1.5),
    "weibull": (0.0, 0.0), "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (0.375, 0.375),
}  # fmt: skip
PICKS = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")  # one entry, never between two


def _between(rows: Any, place: Any, method: str, last: Any) -> Any:
    """The value at a place, which may lie between two entries, of each sorted row.

    It is a + (b - a) t, and from the middle on b - (b - a) (1 - t), as NumPy has it: between infinities both
    have bounds where they are NaN, so that which of them it is can be seen.
    """
    if method in PICKS:
        return _picked(rows, place, method, last)
    if method == "midpoint":
        place = 0.5 * (np.floor(place) + np.ceil(place))
    low = np.floor(np.clip(place, 0, last))
    high = np.where(place < 0, low, np.minimum(low + 1, last))
    share = place - low
    if method in ("averaged_inverted_cdf", "midpoint"):
        on, off = (0.5, 1.0) if method != "midpoint" else (0.0, 0.5)
        share = np.where(share == 0, on, off)
    a, b = _entry(rows, low), _entry(rows, high)
    step, of = b - a, rows.dtype.type
    before, after = share.astype(of), (1 - share).astype(of)
    return np.where(share < 0.5, a + step * before, b - step * after)


def _entry(rows: Any, at: Any) -> Any:
    return take_along_axis(rows, np.expand_dims(at.astype(np.intp), -1), -1)[..., 0]


def _picked(rows: Any, place: Any, method: str, last: Any) -> Any:
    """The entry at the place or beside it, as the method says."""
    if method == "nearest":
        return _entry(rows, np.rint(place))
    before = np.floor(place)
    if method in ("lower", "higher"):
        return _entry(rows, before if method == "lower" else np.ceil(place))
    on = place == before
    if method == "closest_observation":
        on = on & (before % 2 == 1)
    return _entry(rows, np.clip(np.where(on, before, before + 1), 0, last))


def _weighted(
    called: str, x: Any, q: Any, axis: Any, method: str, keepdims: bool, weights: Any, without_nan: bool
) -> Any:
    """The entry at which the share of the weights reaches q; no gradient by the weights or by q."""
    x, q, w = as_array(x), constant(q), constant(weights)
    if method != "inverted_cdf":
        raise ValueError(lesson(f"{called}(weights=)", "wants method='inverted_cdf'", repr(method)))
    if np.any((q < 0) | (q > 1)) or np.any(w < 0):
        raise ValueError(lesson(called, "wants shares from 0 to 1, and no weight below 0", f"{q}"))
    if w.shape != x.shape:
        axes = axes_of(x, axis)
        if axis is None or w.shape != tuple(x.shape[a] for a in axes):
            error = TypeError if axis is None or w.ndim != len(axes) else ValueError
            raise error(
                lesson(f"{called}(weights=)", f"wants the shape of x, or of axis {axis}", f"{w.shape}")
            )
        w = np.transpose(w, np.argsort(axes))
        w = w.reshape(tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))
    missing = np.isnan(x) if without_nan else np.zeros(x.shape, bool)
    if without_nan:
        x, w = np.where(missing, x.dtype.type(np.inf), x), np.where(missing, 0, w)
    rows, kept = rows_of(x, axis)
    heavy, _ = rows_of(np.broadcast_to(w, x.shape), axis)
    none = np.all(rows_of(missing, axis)[0], axis=-1)
    order = np.argsort(rows, axis=-1)
    rows = take_along_axis(rows, order, -1)
    sums = np.cumsum(take_along_axis(heavy, order, -1).astype(np.float64), axis=-1)
    sums = sums / sums[..., -1:]
    found = []
    for i in np.ndindex(q.shape):
        at = np.sum((sums < q[i]) | (sums == 0), axis=-1, keepdims=True)
        z = take_along_axis(rows, np.minimum(at, rows.shape[-1] - 1), -1)[..., 0]
        if rows.dtype.kind == "f":
            z = np.where(np.isnan(rows[..., -1]), rows[..., -1], np.where(none, x.dtype.type(np.nan), z))
        found.append(z)
    return np.stack(found).reshape((*q.shape, *(kept if keepdims else rows.shape[:-1])))


def _quantile(
    called: str,
    x: Any,
    q: Any,
    axis: Any,
    method: str,
    keepdims: bool,
    without_nan: bool,
    weights: Any = None,
) -> Any:
    if weights is not None:
        return _weighted(
            called, x, q, axis, method, keepdims, weights, without_nan and as_array(x).dtype.kind == "f"
        )
    x, weak, q = as_array(x), type(q) in (int, float), as_array(q)
    if method not in METHODS:
        raise ValueError(lesson(f"{called}(method=)", f"is one of {' '.join(METHODS)}", repr(method)))
    if np.any((constant(q) < 0) | (constant(q) > 1)):
        raise ValueError(lesson(called, "wants shares from 0 to 1", f"{constant(q)}"))
    if method == "linear" and q.dtype.kind in "iub":
        method = "lower"  # the first or the last entry itself, which has nothing beside it
    picks = method in PICKS
    if x.dtype.kind != "f" and not picks:
        x = x.astype(np.float64)
    elif not weak and not picks:
        x = x.astype(np.result_type(x.dtype, q.dtype))
    rows, kept = rows_of(x, axis)
    if not rows.shape[-1]:
        raise IndexError(lesson(called, "has no entries to choose from", f"shape {x.shape}"))
    rows = ops["sort"](rows, axis=-1)
    missing = np.isnan(rows)
    n = np.sum(np.logical_not(missing), axis=-1) if without_nan else rows.shape[-1]
    found = [_at(rows, q[i], n, method) for i in np.ndindex(q.shape)]
    if not without_nan:
        found = [np.where(missing[..., -1], rows[..., -1], z) for z in found]
    shape = kept if keepdims else rows.shape[:-1]
    z = np.stack(found) if found else np.zeros((0, *rows.shape[:-1]), rows.dtype)
    return z.reshape((*q.shape, *shape))


def _share(q: Any) -> Any:
    """Return hundredths as a share: a number of Python stays one."""
    return q / 100 if type(q) in (int, float) else as_array(q) / 100


def _at(rows: Any, q: Any, n: Any, method: str) -> Any:
    a, b = METHODS[method]
    place = n * q + (a + q * (1 - a - b)) - 1 if (a, b) != (1.0, 1.0) else (n - 1) * q
    if method == "closest_observation":
        place = n * q - 1.5
    return _between(rows, np.broadcast_to(place, rows.shape[:-1]), method, np.maximum(n - 1, 0))


@implements(np.quantile)
def quantile(
    x: Any,
    q: Any,
    axis: Any = None,
    *,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    weights: Any = None,
) -> Any:
    """Return what the share `q` of the entries along `axis` lies below, between two of them perhaps.

    The gradient goes to the one or two entries that it is made of (equal ones share it), and to `q`.

    >>> float(quantile(np.array([3.0, 1.0, 2.0]), 0.25))
    1.5
    """
    return _quantile("np.quantile(x, q)", x, q, axis, method, keepdims, False, weights)


@implements(np.percentile)
def percentile(
    x: Any,
    q: Any,
    axis: Any = None,
    *,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    weights: Any = None,
) -> Any:
    """Return the quantile of q hundredths."""
    return _quantile("np.percentile(x, q)", x, _share(q), axis, method, keepdims, False, weights)


@implements(np.nanquantile)
def nanquantile(
    x: Any,
    q: Any,
    axis: Any = None,
    *,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    weights: Any = None,
) -> Any:
    """Return the quantile of the entries that are numbers; NaN where there are none."""
    _warned(x, axis, "All-NaN slice encountered")
    return _quantile("np.nanquantile(x, q)", x, q, axis, method, keepdims, True, weights)


@implements(np.nanpercentile)
def nanpercentile(
    x: Any,
    q: Any,
    axis: Any = None,
    *,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    weights: Any = None,
) -> Any:
    """Return the quantile of q hundredths of the entries that are numbers; NaN where there are none."""
    _warned(x, axis, "All-NaN slice encountered")
    return _quantile("np.nanpercentile(x, q)", x, _share(q), axis, method, keepdims, True, weights)


@implements(np.nanmedian)
def nanmedian(x: Any, axis: Any = None, *, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Return the median of the entries that are numbers; NaN where there are none."""
    if not x.size:
        return np.median(x, axis=axis, keepdims=keepdims)
    _warned(x, axis, "All-NaN slice encountered")
    x = as_array(x)
    rows, kept = rows_of(x if x.dtype.kind == "f" else x.astype(np.float64), axis)
    rows = ops["sort"](rows, axis=-1)
    n = np.sum(np.logical_not(np.isnan(rows)), axis=-1)
    a, b = _entry(rows, (n - 1) // 2), _entry(rows, n // 2)
    z = np.where(n % 2 == 1, a, (a + b) / 2)
    return z.reshape(kept) if keepdims else z


def _warned(x: Any, axis: Any, text: str) -> None:
    if isinstance(x, BatchTensor):  # NaN says it to whom it concerns: a warning would be about all examples
        return
    value = constant(x)
    if value.dtype.kind == "f" and value.size and np.any(np.all(np.isnan(value), axis=axis)):
        warnings.warn(text, RuntimeWarning, stacklevel=5)


def _filled(x: Any, fill: float) -> Any:
    return np.where(np.isnan(x), x.dtype.type(fill), x) if x.dtype.kind in "fc" else x


def _nan_extreme(x: Any, axis: Any, keepdims: bool, reduce: Any, fill: float) -> Any:
    z = reduce(_filled(x, fill), axis=axis, keepdims=keepdims)
    if x.dtype.kind != "f":
        return z
    _warned(x, axis, "All-NaN slice encountered" if axis is not None else "All-NaN axis encountered")
    return np.where(np.all(np.isnan(x), axis=axis, keepdims=keepdims), x.dtype.type(np.nan), z)


@implements(np.nanmax)
def nanmax(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the largest entry that is a number; ties share the gradient; NaN where there are none."""
    return _nan_extreme(x, axis, keepdims, np.max, -np.inf)


@implements(np.nanmin)
def nanmin(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the smallest entry that is a number; ties share the gradient; NaN where there are none."""
    return _nan_extreme(x, axis, keepdims, np.min, np.inf)


@implements(np.nanprod)
def nanprod(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the product of the entries that are numbers."""
    return np.prod(_filled(x, 1), axis=axis, keepdims=keepdims)


@implements(np.nancumsum)
def nancumsum(x: Any, axis: Any = None) -> Any:
    """Return the sums up to each entry, NaN counting as 0."""
    return np.cumsum(_filled(x, 0), axis=axis)


@implements(np.nancumprod)
def nancumprod(x: Any, axis: Any = None) -> Any:
    """Return the products up to each entry, NaN counting as 1."""
    return np.cumprod(_filled(x, 1), axis=axis)


def _from_their_mean(x: Any, axis: Any, ddof: int, keepdims: bool) -> tuple[Any, Any]:
    """Return the distances from the mean, 0 for NaN, and how many numbers there are beside `ddof`."""
    missing = np.isnan(x)
    numbers = np.sum(np.logical_not(missing), axis=axis, keepdims=keepdims)
    if not isinstance(x, BatchTensor) and np.any(constant(numbers) <= ddof):
        warnings.warn("Degrees of freedom <= 0 for slice.", RuntimeWarning, stacklevel=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean = nanmean(x, axis, keepdims=True)
    free = (numbers - ddof).astype(np.finfo(x.dtype).dtype)
    return np.where(missing, x.dtype.type(0), x - mean), free


@implements(np.nanvar)
def nanvar(x: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the variance of the entries that are numbers; NaN where there are no more than `ddof`."""
    if x.dtype.kind not in "fc":
        return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)
    d, free = _from_their_mean(x, axis, ddof, keepdims)
    squares = d * d if x.dtype.kind == "f" else np.real(d * np.conjugate(d))
    z = np.sum(squares, axis=axis, keepdims=keepdims) / np.where(free > 0, free, squares.dtype.type(1))
    return np.where(free > 0, z, squares.dtype.type(np.nan))


@implements(np.nanstd)
def nanstd(x: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the standard deviation of the entries that are numbers; derivative 0 where they are equal."""
    if x.dtype.kind not in "fc":
        return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)
    d, free = _from_their_mean(x, axis, ddof, keepdims)
    length = ops["norm"](d, axis=axis, keepdims=keepdims)  # whose square is smooth at 0
    z = length / np.sqrt(np.where(free > 0, free, free.dtype.type(1)))
    return np.where(free > 0, z, z.dtype.type(np.nan))


# --- covariances --------------------------------------------------------------------------------------------
@implements(np.cov)
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    """Return the covariances of variables, a row each (a column each unless `rowvar`).

    >>> cov(np.array([[1.0, 2.0, 3.0], [1.0, 0.0, 2.0]]))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    x = _variables(m, rowvar)
    if y is not None:
        x = np.concatenate([x, _variables(y, rowvar)], axis=0)
    free = x.shape[1] - (ddof if ddof is not None else int(not bias))
    if free <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=4)
    d = x - np.mean(x, axis=1, keepdims=True)
    return np.squeeze(d @ np.conjugate(d.T) / np.float64(max(free, 0)))


def _variables(m: Any, rowvar: bool) -> Any:
    m = as_array(m)
    if m.ndim > 2:
        raise ValueError(lesson("np.cov(m)", "wants a vector or a matrix", f"shape {m.shape}"))
    m = m.astype(np.result_type(m.dtype, np.float64))
    m = m.reshape((1, m.size)) if m.ndim < 2 else m
    return m.T if not rowvar and m.shape[0] != 1 else m


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """Return the covariances divided by the standard deviations, from -1 to 1."""
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    sizes = np.sqrt(np.real(np.diagonal(c)))
    found = c / np.expand_dims(sizes, 1) / np.expand_dims(sizes, 0)
    if found.dtype.kind != "c":
        return np.clip(found, -1, 1)
    return np.clip(np.real(found), -1, 1) + 1j * np.clip(np.imag(found), -1, 1)
