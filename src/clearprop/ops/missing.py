"""NumPy's reductions over what is a number: `nansum nanmean nanmax nanvar` and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.ops.keywords import ABSENT, counted, flag, hollow, mask_of, mean, taken_away, without_out
from clearprop.ops.plane import real
from clearprop.ops.shape import as_array
from clearprop.registry import ops, wider


def _without_nan(function: Callable[..., Any], identity: int) -> Callable[..., Any]:
    def answer(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = as_array(x)
        if x.dtype.kind in "fc":
            x = np.where(np.isnan(x), np.asarray(identity, x.dtype), x)
        return wider[function](x, *args, **kwargs)

    answer.__doc__ = f"NumPy's nan{function.__name__}, with the keywords of `np.{function.__name__}`."
    return answer


wider[np.nansum], wider[np.nanprod] = _without_nan(np.sum, 0), _without_nan(np.prod, 1)
wider[np.nancumsum], wider[np.nancumprod] = _without_nan(np.cumsum, 0), _without_nan(np.cumprod, 1)


def nanmean(x: Any, *args: Any, where: Any = True, **kwargs: Any) -> Any:
    """NumPy's nanmean, with the keywords of `np.mean`."""
    x = as_array(x)
    mask = mask_of("np.nanmean", where, x)
    if x.dtype.kind not in "fc":
        return mean(x, *args, where=where, **kwargs)
    there = np.logical_not(np.isnan(x))
    with np.errstate(invalid="ignore"):
        return mean(x, *args, where=there if mask is None else there & mask, **kwargs)


wider[np.nanmean] = nanmean


def _numbers(called: str, x: Any, where: Any) -> Any:
    """Return the mask of the entries that count and are numbers."""
    mask = mask_of(called, where, x)
    there = np.logical_not(np.isnan(x))
    return there if mask is None else there & mask


def _nan_extreme(name: str, least: float) -> Callable[..., Any]:
    called = f"np.nan{name}"

    def answer(
        x: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = ABSENT,
        where: Any = True,
    ) -> Any:
        without_out(called, out)
        x = as_array(x)
        reduce = wider[np.max if name == "max" else np.min]
        if x.dtype.kind != "f":
            return reduce(x, axis, None, keepdims, initial, where)
        if initial is ABSENT and where is not True and where is not ABSENT:
            return reduce(x, axis, None, keepdims, initial, where)  # says that it wants initial= too
        if not x.ndim and axis in (0, -1):
            axis = None
        there = _numbers(called, x, where)
        z = reduce(np.where(there, x, x.dtype.type(least)), axis, None, keepdims, initial)
        if initial is not ABSENT:
            return z
        none = np.logical_not(np.any(there, axis=axis, keepdims=flag(keepdims)))
        hollow(1 - none.astype(int), 0, "All-NaN slice encountered")
        return np.where(none, x.dtype.type(np.nan), z)

    answer.__doc__ = f"NumPy's nan{name}: {name} of the entries that are numbers, with a start and a mask."
    return answer


wider[np.nanmax], wider[np.nanmin] = _nan_extreme("max", -np.inf), _nan_extreme("min", np.inf)


def _distances(x: Any, there: Any, axis: Any, dtype: Any, mean_: Any) -> Any:
    """Return the distances from the mean in x's dtype, as NumPy has them, and 0 for what does not count."""
    x = np.where(there, x, np.zeros((), x.dtype))
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (
            wider[np.sum](x, axis, dtype, None, True) / counted(x, there, axis) if mean_ is ABSENT else mean_
        )
    return np.where(there, x - middle, np.zeros((), x.dtype)).astype(x.dtype)


def _of_squares(d: Any, axis: Any, dtype: Any, divisor: Any) -> Any:
    squares = d * d if d.dtype.kind == "f" else real(d * np.conjugate(d))
    return wider[np.sum](squares, axis, dtype, None, True) / divisor


def _of_length(d: Any, axis: Any, dtype: Any, divisor: Any) -> Any:
    """The norm has slope 0 where all entries are equal, and its square is smooth there.

    NumPy squares in d's dtype and sums in `dtype`: where these differ, the root is of such a sum.
    """
    if dtype is None or d.dtype in (dtype, np.result_type(dtype, np.complex64)):
        return ops["norm"](d, axis=axis, keepdims=True) / np.sqrt(divisor)
    z = _of_squares(d, axis, dtype, divisor)
    flat = z == 0
    return np.where(flat, 0.0, np.sqrt(np.where(flat, 1.0, z)))


def _nan_spread(name: str) -> Callable[..., Any]:
    called = f"np.nan{name}"
    spread = wider[getattr(np, name)]
    rule = _of_length if name == "std" else _of_squares

    def answer(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = ABSENT,
        correction: Any = ABSENT,
    ) -> Any:
        x, how = as_array(x), {"mean": mean, "correction": correction}
        if x.dtype.kind not in "fc":
            return spread(x, axis, dtype, out, ddof, keepdims, where=where, **how)
        if dtype is not None and np.dtype(dtype).kind not in "fc":
            raise TypeError(lesson(f"{called}(dtype=)", "wants a dtype of floats for floats", f"{dtype}"))
        fewer = taken_away(called, ddof, correction)
        there = _numbers(called, x, where)
        if not x.ndim and axis in (0, -1):
            axis = None  # as NumPy lets a number have one axis
        free = counted(x, there, axis) - fewer
        if mean is not ABSENT and np.broadcast_shapes(x.shape, np.shape(mean)) != x.shape:
            raise ValueError(
                lesson(f"{called}(mean=)", f"wants a shape that fits {x.shape}", f"{np.shape(mean)}")
            )
        hollow(free, 0, "Degrees of freedom <= 0 for slice.")
        d = _distances(x, there, axis, dtype, mean)
        z = rule(d, axis, dtype, np.where(free > 0, free, 1))
        z = np.where(free > 0, z, np.nan).astype(np.finfo(x.dtype if dtype is None else dtype).dtype)
        return z if flag(keepdims) else np.squeeze(z, axis=tuple(range(x.ndim)) if axis is None else axis)

    answer.__doc__ = (
        f"NumPy's nan{name}: {name} of the entries that are numbers, with the keywords of `np.{name}`."
    )
    return answer


wider[np.nanvar], wider[np.nanstd] = _nan_spread("var"), _nan_spread("std")
