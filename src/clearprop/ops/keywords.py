"""The keywords of NumPy's reductions and ufuncs that change what is computed: `where`, `initial`, `dtype`.

An op takes the arguments that nearly every call has. What it does not understand comes here, so that the
usual call pays nothing for the rest.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from clearprop.errors import lesson
from clearprop.ops.plane import real
from clearprop.ops.shape import as_array, constant
from clearprop.ops.statistics import rows_of
from clearprop.registry import ops, wider
from clearprop.tensor import Tensor

_ABSENT: Any = getattr(np, "_NoValue")  # noqa: B009  what NumPy passes for an argument left out


def _mask(called: str, where: Any, x: Any) -> Any:
    """Return the mask that tells which entries count, None for all of them."""
    if where is True or where is _ABSENT:
        return None
    where = as_array(where)
    if where.dtype.kind != "b":
        raise TypeError(lesson(f"{called}(where=)", "wants a mask of booleans", f"{where.dtype}"))
    return np.broadcast_to(where, x.shape)


def _plain_out(called: str, out: Any) -> None:
    if out is not None and out is not _ABSENT:
        raise TypeError(
            lesson(
                f"{called}(out=)",
                "cannot write into an array that the graph remembers",
                hint="it without out=",
            )
        )


def _flag(keepdims: Any) -> bool:
    return keepdims is not _ABSENT and bool(keepdims)


# --- sums and products --------------------------------------------------------------------------------------
def _adding(name: str, identity: int, join: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    called = f"np.{name}"

    def answer(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = _ABSENT,
        where: Any = True,
    ) -> Any:
        _plain_out(called, out)
        x = as_array(x)
        mask = _mask(called, where, x)
        if dtype is not None:
            x = x.astype(dtype)
        if mask is not None:
            x = np.where(mask, x, np.asarray(identity, x.dtype))
        z = ops[name](x, axis=axis, keepdims=_flag(keepdims))
        return z if initial is _ABSENT or initial is None else join(z, as_array(initial).astype(z.dtype))

    answer.__doc__ = (
        f"NumPy's {name}, with a dtype to compute in, a start, and a mask of the entries that count."
    )
    return answer


wider[np.sum] = _adding("sum", 0, lambda z, start: z + start)
wider[np.prod] = _adding("prod", 1, lambda z, start: z * start)


# --- extremes -----------------------------------------------------------------------------------------------
def _extreme(name: str) -> Callable[..., Any]:
    called = f"np.{name}"

    def answer(
        x: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = _ABSENT,
        where: Any = True,
    ) -> Any:
        _plain_out(called, out)
        x = as_array(x)
        mask = _mask(called, where, x)
        if initial is _ABSENT:
            if mask is not None:
                wanted = "wants initial= beside where=: there may be no entry that counts"
                raise ValueError(
                    lesson(f"{called}(x, where=mask)", wanted, hint=f"{called}(x, initial=x[0], where=mask)")
                )
            return ops[name](x, axis=axis, keepdims=_flag(keepdims))
        start = as_array(initial).astype(x.dtype)
        if mask is not None:
            x = np.where(mask, x, start)
        rows, kept = rows_of(x, axis)
        first = np.broadcast_to(start, (*rows.shape[:-1], 1))  # one entry more, which may tie with others
        z = ops[name](np.concatenate([first, rows], axis=-1), axis=-1)
        return z.reshape(kept) if _flag(keepdims) else z

    answer.__doc__ = f"NumPy's {name}, with an entry more (`initial`), and a mask of the entries that count."
    return answer


wider[np.max] = wider[np.amax] = _extreme("max")
wider[np.min] = wider[np.amin] = _extreme("min")


def _logical(name: str, identity: bool) -> Callable[..., Any]:
    called = f"np.{name}"

    def answer(x: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
        _plain_out(called, out)
        x = as_array(x) != 0
        mask = _mask(called, where, x)
        x = x if mask is None else np.where(mask, x, np.bool_(identity))
        return ops[name](x, axis=axis, keepdims=_flag(keepdims))

    answer.__doc__ = f"NumPy's {name} of the entries that the mask counts; no gradient."
    return answer


wider[np.all] = _logical("all", True)
wider[np.any] = _logical("any", False)


# --- means and spreads --------------------------------------------------------------------------------------
def _counted(x: Any, mask: Any, axis: Any) -> Any:
    """How many entries go into each result, with the reduced axes kept."""
    counted = np.ones(x.shape, bool) if mask is None else mask
    return np.sum(counted, axis=axis, keepdims=True)


def mean(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """Return the mean, computed in a dtype, of the entries that the mask counts."""
    _plain_out("np.mean", out)
    x = as_array(x)
    mask = _mask("np.mean", where, x)
    if dtype is not None:
        x = x.astype(dtype)
    if mask is None:
        return ops["mean"](x, axis=axis, keepdims=_flag(keepdims))
    own = x.dtype
    x = x.astype(_wide(own))
    n = np.sum(mask, axis=axis, keepdims=_flag(keepdims)).astype(np.finfo(x.dtype).dtype)
    _hollow(n, 0, "Mean of empty slice")
    z = np.sum(np.where(mask, x, np.zeros((), x.dtype)), axis=axis, keepdims=_flag(keepdims)) / n
    return z.astype(own) if own.kind in "fc" else z


def _hollow(n: Any, least: int, said: str) -> None:
    """Warn as NumPy does where too few entries count."""
    if np.any(constant(n) <= least):
        warnings.warn(said, RuntimeWarning, stacklevel=5)


def _wide(dtype: Any) -> Any:
    """The dtype in which a mean is computed."""
    return np.result_type(dtype, np.float32 if dtype.kind in "fc" else np.float64)


def _variance(
    x: Any, axis: Any, dtype: Any, ddof: Any, where: Any, mean_: Any, called: str
) -> tuple[Any, Any, Any]:
    """Return what is left of the entries without their mean, 0 where none counts, n - ddof, and the dtype."""
    x = as_array(x)
    if axis is not None:
        normalize_axis_tuple(axis, x.ndim)
    mask = _mask(called, where, x)
    if dtype is not None:
        x = x.astype(dtype)
    own = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
    x = x.astype(_wide(x.dtype))
    n = _counted(x, mask, axis).astype(np.finfo(x.dtype).dtype)
    _hollow(n - ddof, 0, "Degrees of freedom <= 0 for slice")
    if mask is not None:
        x = np.where(mask, x, np.zeros((), x.dtype))
    if hasattr(mean_, "dtype") and dtype is None:
        own = np.result_type(own, mean_.dtype)
    middle = np.sum(x, axis=axis, keepdims=True) / n if mean_ is _ABSENT else as_array(mean_)
    d = x - middle
    n = n.astype(np.finfo(d.dtype).dtype)
    return (d if mask is None else np.where(mask, d, np.zeros((), d.dtype))), np.maximum(n - ddof, 0), own


def _taken_away(called: str, ddof: Any, correction: Any) -> Any:
    """How many the divisor is less than the entries: `correction` is the standard's name of `ddof`."""
    if correction is _ABSENT:
        return ddof
    if ddof != 0:
        raise ValueError(lesson(f"{called}(ddof=, correction=)", "wants one of the two", "both"))
    return correction


def _spread(name: str) -> Callable[..., Any]:
    called = f"np.{name}"

    def answer(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = _ABSENT,
        correction: Any = _ABSENT,
    ) -> Any:
        _plain_out(called, out)
        d, free, own = _variance(x, axis, dtype, _taken_away(called, ddof, correction), where, mean, called)
        if name == "std":  # the norm has slope 0 where all entries are equal
            z = ops["norm"](d, axis=axis, keepdims=True) / np.sqrt(free)
        else:
            z = (
                np.sum(
                    np.square(d) if d.dtype.kind != "c" else real(d * np.conjugate(d)),
                    axis=axis,
                    keepdims=True,
                )
                / free
            )
        own = np.finfo(own).dtype
        z = z.astype(own) if z.dtype != own else z
        return z if _flag(keepdims) else np.squeeze(z, axis=tuple(range(d.ndim)) if axis is None else axis)

    answer.__doc__ = f"NumPy's {name} of the entries that the mask counts, about a mean that may be given."
    return answer


wider[np.mean], wider[np.var], wider[np.std] = mean, _spread("var"), _spread("std")


# --- running sums and products; of what is no number left out -----------------------------------------------
def _running(name: str) -> Callable[..., Any]:
    def answer(x: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        _plain_out(f"np.{name}", out)
        x = as_array(x)
        return ops[name](x if dtype is None else x.astype(dtype), axis=axis)

    answer.__doc__ = f"NumPy's {name}, with a dtype to compute in."
    return answer


wider[np.cumsum], wider[np.cumprod] = _running("cumsum"), _running("cumprod")


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
    mask = _mask("np.nanmean", where, x)
    if x.dtype.kind not in "fc":
        return mean(x, *args, where=where, **kwargs)
    there = np.logical_not(np.isnan(x))
    with np.errstate(invalid="ignore"):
        return mean(x, *args, where=there if mask is None else there & mask, **kwargs)


wider[np.nanmean] = nanmean


def _numbers(called: str, x: Any, where: Any) -> Any:
    """Return the mask of the entries that count and are numbers."""
    mask = _mask(called, where, x)
    there = np.logical_not(np.isnan(x))
    return there if mask is None else there & mask


def _nan_extreme(name: str, least: float) -> Callable[..., Any]:
    called = f"np.nan{name}"

    def answer(
        x: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = _ABSENT,
        where: Any = True,
    ) -> Any:
        _plain_out(called, out)
        x = as_array(x)
        reduce = wider[np.max if name == "max" else np.min]
        if x.dtype.kind != "f":
            return reduce(x, axis, None, keepdims, initial, where)
        if initial is _ABSENT and where is not True and where is not _ABSENT:
            return reduce(x, axis, None, keepdims, initial, where)  # says that it wants initial= too
        if not x.ndim and axis in (0, -1):
            axis = None
        there = _numbers(called, x, where)
        z = reduce(np.where(there, x, x.dtype.type(least)), axis, None, keepdims, initial)
        if initial is not _ABSENT:
            return z
        none = np.logical_not(np.any(there, axis=axis, keepdims=_flag(keepdims)))
        _hollow(1 - none.astype(int), 0, "All-NaN slice encountered")
        return np.where(none, x.dtype.type(np.nan), z)

    answer.__doc__ = f"NumPy's nan{name}: {name} of the entries that are numbers, with a start and a mask."
    return answer


wider[np.nanmax], wider[np.nanmin] = _nan_extreme("max", -np.inf), _nan_extreme("min", np.inf)


def _squares(x: Any, there: Any, axis: Any, dtype: Any, mean_: Any) -> Any:
    """Return the sum of the squared distances from the mean: these in x's dtype, as NumPy has them."""
    x = np.where(there, x, np.zeros((), x.dtype))
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (
            wider[np.sum](x, axis, dtype, None, True) / _counted(x, there, axis)
            if mean_ is _ABSENT
            else mean_
        )
    d = np.where(there, x - middle, np.zeros((), x.dtype)).astype(x.dtype)
    squares = d * d if d.dtype.kind == "f" else real(d * np.conjugate(d))
    return wider[np.sum](squares, axis, dtype, None, True)


def _nan_spread(name: str) -> Callable[..., Any]:
    called = f"np.nan{name}"
    spread = wider[getattr(np, name)]

    def answer(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = _ABSENT,
        correction: Any = _ABSENT,
    ) -> Any:
        x, how = as_array(x), {"mean": mean, "correction": correction}
        if x.dtype.kind not in "fc":
            return spread(x, axis, dtype, out, ddof, keepdims, where=where, **how)
        if dtype is not None and np.dtype(dtype).kind not in "fc":
            raise TypeError(lesson(f"{called}(dtype=)", "wants a dtype of floats for floats", f"{dtype}"))
        fewer = _taken_away(called, ddof, correction)
        there = _numbers(called, x, where)
        if not x.ndim and axis in (0, -1):
            axis = None  # as NumPy lets a number have one axis
        free = _counted(x, there, axis) - fewer
        if mean is not _ABSENT and np.broadcast_shapes(x.shape, np.shape(mean)) != x.shape:
            raise ValueError(
                lesson(f"{called}(mean=)", f"wants a shape that fits {x.shape}", f"{np.shape(mean)}")
            )
        _hollow(free, 0, "Degrees of freedom <= 0 for slice.")
        z = _squares(x, there, axis, dtype, mean) / np.where(free > 0, free, 1)
        if name == "std":  # which has slope 0 where all entries are equal
            flat = z == 0
            z = np.where(flat, 0.0, np.sqrt(np.where(flat, 1.0, z)))
        z = np.where(free > 0, z, np.nan).astype(np.finfo(x.dtype if dtype is None else dtype).dtype)
        return z if _flag(keepdims) else np.squeeze(z, axis=tuple(range(x.ndim)) if axis is None else axis)

    answer.__doc__ = (
        f"NumPy's nan{name}: {name} of the entries that are numbers, with the keywords of `np.{name}`."
    )
    return answer


wider[np.nanvar], wider[np.nanstd] = _nan_spread("var"), _nan_spread("std")


def repeated(x: Any, repeats: Any, axis: Any = None) -> Any:
    """Return each entry as often as its own number says; in a compiled step the numbers have to be known."""
    x = as_array(x)
    if axis is None:
        x, axis = x.reshape((-1,)), 0
    counts = repeats.value if isinstance(repeats, Tensor) else repeats
    return np.take(x, np.repeat(np.arange(x.shape[axis]), counts), axis=axis)


wider[np.repeat] = repeated


# --- the methods of ufuncs ----------------------------------------------------------------------------------
def called(ufunc: Any, ours: Any, *inputs: Any, **kwargs: Any) -> Any:
    """Answer `ufunc(*inputs, dtype=, casting=, order=, where=)`: the inputs are cast as NumPy casts them."""
    name = f"np.{ufunc.__name__}"
    if (where := kwargs.pop("where", True)) is not True and not np.all(where):
        wanted = "without out=, NumPy leaves what lay in memory where the mask does not hold"
        raise TypeError(lesson(f"{name}(..., where=mask)", wanted, hint=f"np.where(mask, {name}(...), 0)"))
    order, _ = kwargs.pop("order", "K"), kwargs.pop("subok", True)
    if order not in ("K", "C", "F", "A"):
        raise ValueError(lesson(f"{name}(order=)", "is one of K C F A, and changes no value", repr(order)))
    how = {k: kwargs.pop(k) for k in ("casting", "dtype", "signature") if k in kwargs}
    if how:
        inputs = _cast(ufunc, inputs, **how)
    return ours(*inputs, **kwargs)


def _cast(
    ufunc: Any, inputs: Any, casting: str = "same_kind", dtype: Any = None, signature: Any = None
) -> Any:
    """Return the inputs in the dtypes of the loop that NumPy would choose."""
    if isinstance(signature, str):
        before, _, after = signature.partition("->")
        if (len(before), len(after)) != (ufunc.nin, ufunc.nout):
            wanted = f"wants {ufunc.nin} dtypes, -> and {ufunc.nout}"
            raise ValueError(lesson(f"np.{ufunc.__name__}(signature=)", wanted, signature))
        signature = tuple(np.dtype(c) for c in before + after)
    if dtype is not None:
        signature = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
    given = [
        x.dtype if hasattr(x, "dtype") else type(x) if type(x) in _PYTHONS else np.asarray(x).dtype
        for x in inputs
    ]
    how = {} if signature is None else {"signature": signature}
    found = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout), casting=casting, **how)
    pairs = [(as_array(x), to) for x, to in zip(inputs, found, strict=False)]
    return [x.astype(to) if x.dtype != to else x for x, to in pairs]


_PYTHONS = (int, float, complex)
_FUNCTIONS = {
    "add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min,
    "logical_and": np.all, "logical_or": np.any,
}  # fmt: skip


def reduced(
    ufunc: Any,
    ours: Any,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = _ABSENT,
    where: Any = True,
) -> Any:
    """Answer `ufunc.reduce`: sums, products, extremes; any other ufunc entry after entry, along one axis."""
    x, name = as_array(x), f"np.{ufunc.__name__}.reduce"
    _plain_out(name, out)
    if ufunc.nin != 2 or ours is None:
        raise TypeError(lesson(name, "wants a ufunc of two inputs that has a rule"))
    function = _FUNCTIONS.get(ufunc.__name__)
    if function is not None:
        how: dict[str, Any] = {"where": where, "keepdims": keepdims, "axis": axis}
        how |= {} if initial is _ABSENT else {"initial": initial}
        if function in (np.all, np.any):
            how.pop("initial", None)
        return wider[function](x if dtype is None else x.astype(dtype), **how)
    if where is not True:
        raise TypeError(
            lesson(
                f"{name}(where=)",
                "is known of sums, products and extremes",
                hint="np.where with what changes nothing",
            )
        )
    axis = normalize_axis_index(
        (axis if np.ndim(axis) == 0 else axis[0]) if x.ndim > 1 or axis is not None else 0, x.ndim
    )
    parts = [*_slices(x if dtype is None else x.astype(dtype), axis)]
    if initial is not _ABSENT and initial is not None:
        parts = [as_array(initial), *parts]
    if not parts:
        if ufunc.identity is None:
            raise ValueError(lesson(name, "has no result for no entries", f"shape {x.shape}"))
        parts = [np.full((*x.shape[:axis], *x.shape[axis + 1 :]), ufunc.identity)]
    z = functools.reduce(ufunc, parts)
    return np.expand_dims(z, axis) if keepdims else z


def _slices(x: Any, axis: int) -> Any:
    before = (slice(None),) * axis
    return (x[(*before, i)] for i in range(x.shape[axis]))


def accumulated(ufunc: Any, ours: Any, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """Answer `ufunc.accumulate`: running sums and products, or any ufunc entry after entry."""
    _plain_out(f"np.{ufunc.__name__}.accumulate", out)
    x = as_array(x)
    axis = normalize_axis_index(axis, x.ndim)
    x = x if dtype is None else x.astype(dtype)
    if ufunc.__name__ in ("add", "multiply"):
        return ops["cumsum" if ufunc.__name__ == "add" else "cumprod"](x, axis=axis)
    parts: list[Any] = []
    for part in _slices(x, axis):
        parts.append(ufunc(parts[-1], part) if parts else part)
    return np.stack(parts, axis=axis) if parts else x


def outer(ufunc: Any, ours: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    """Answer `ufunc.outer`: every entry of `x` with every entry of `y`."""
    x, y = as_array(x), as_array(y)
    return ufunc(x.reshape(x.shape + (1,) * y.ndim), y, **kwargs)


def reduced_at(
    ufunc: Any, ours: Any, x: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None
) -> Any:
    """Answer `ufunc.reduceat`: each stretch between two places made one, or the entry at the first."""
    _plain_out(f"np.{ufunc.__name__}.reduceat", out)
    x, places = as_array(x), np.asarray(indices, None if np.size(indices) else np.intp)
    axis = normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    if places.ndim != 1 or places.dtype.kind not in "iu":
        raise TypeError(
            lesson(f"np.{ufunc.__name__}.reduceat", "wants a vector of places", f"{indices!r}"[:60])
        )
    if np.any((places < 0) | (places >= n)):
        raise IndexError(
            lesson(f"np.{ufunc.__name__}.reduceat", f"wants places from 0 to {n - 1}", f"{indices}")
        )
    before = (slice(None),) * axis
    ends = [*places[1:].tolist(), n][: places.size]
    found = [
        reduced(ufunc, ours, x[(*before, slice(i, max(j, i + 1)))], axis=axis, dtype=dtype)
        for i, j in zip(places.tolist(), ends, strict=True)
    ]
    return np.stack(found, axis=axis) if found else x[(*before, slice(0))]


METHODS: dict[str, Callable[..., Any]] = {
    "__call__": called, "reduce": reduced, "accumulate": accumulated, "outer": outer, "reduceat": reduced_at,
}  # fmt: skip
for _name, _method in METHODS.items():
    wider[_name] = _method
