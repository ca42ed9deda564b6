"""The keywords of NumPy's reductions that change what is computed: `where`, `initial`, `dtype`.

An op takes the arguments that nearly every call has. What it does not understand comes here, so that the
usual call pays nothing for the rest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from clearprop.errors import lesson
from clearprop.ops.plane import real
from clearprop.ops.reduce import rows_of
from clearprop.ops.shape import as_array, constant
from clearprop.registry import ops, wider
from clearprop.tensor import Tensor

ABSENT: Any = getattr(np, "_NoValue")  # noqa: B009  what NumPy passes for an argument left out


def mask_of(called: str, where: Any, x: Any) -> Any:
    """Return the mask that tells which entries count, None for all of them."""
    if where is True or where is ABSENT:
        return None
    where = as_array(where)
    if where.dtype.kind != "b":
        raise TypeError(lesson(f"{called}(where=)", "wants a mask of booleans", f"{where.dtype}"))
    return np.broadcast_to(where, x.shape)


def without_out(called: str, out: Any) -> None:
    if out is not None and out is not ABSENT:
        raise TypeError(
            lesson(
                f"{called}(out=)",
                "cannot write into an array that the graph remembers",
                hint="it without out=",
            )
        )


def computed_in(called: str, x: Any, dtype: Any, kinds: str = "iufc") -> Any:
    """Return x in the dtype to compute in, which NumPy's result has: of these kinds, or it is refused."""
    if dtype is None:
        return x
    x = x.astype(dtype)
    if x.dtype.kind not in kinds:
        wanted = "wants a dtype of floats" if "i" not in kinds else "wants a dtype of numbers"
        hint = "it without dtype=; .astype(...) of the result"
        raise TypeError(lesson(f"{called}(dtype=)", wanted, f"{x.dtype}", hint=hint))
    return x


def flag(keepdims: Any) -> bool:
    return keepdims is not ABSENT and bool(keepdims)


# --- sums and products --------------------------------------------------------------------------------------
def _adding(name: str, identity: int, join: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    called = f"np.{name}"

    def answer(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = ABSENT,
        where: Any = True,
    ) -> Any:
        without_out(called, out)
        x = as_array(x)
        mask = mask_of(called, where, x)
        x = computed_in(called, x, dtype)
        if mask is not None:
            x = np.where(mask, x, np.asarray(identity, x.dtype))
        z = ops[name](x, axis=axis, keepdims=flag(keepdims))
        return z if initial is ABSENT or initial is None else join(z, as_array(initial).astype(z.dtype))

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
        initial: Any = ABSENT,
        where: Any = True,
    ) -> Any:
        without_out(called, out)
        x = as_array(x)
        mask = mask_of(called, where, x)
        if initial is ABSENT or initial is None:
            if mask is not None:
                wanted = "wants initial= beside where=: there may be no entry that counts"
                raise ValueError(
                    lesson(f"{called}(x, where=mask)", wanted, hint=f"{called}(x, initial=x[0], where=mask)")
                )
            return ops[name](x, axis=axis, keepdims=flag(keepdims))
        start = as_array(initial).astype(x.dtype)
        if mask is not None:
            x = np.where(mask, x, start)
        rows, kept = rows_of(x, axis)
        first = np.broadcast_to(start, (*rows.shape[:-1], 1))  # one entry more, which may tie with others
        z = ops[name](np.concatenate([first, rows], axis=-1), axis=-1)
        return z.reshape(kept) if flag(keepdims) else z

    answer.__doc__ = f"NumPy's {name}, with an entry more (`initial`), and a mask of the entries that count."
    return answer


wider[np.max] = wider[np.amax] = _extreme("max")
wider[np.min] = wider[np.amin] = _extreme("min")


def _logical(name: str, identity: bool) -> Callable[..., Any]:
    called = f"np.{name}"

    def answer(x: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
        without_out(called, out)
        x = as_array(x) != 0
        mask = mask_of(called, where, x)
        x = x if mask is None else np.where(mask, x, np.bool_(identity))
        return ops[name](x, axis=axis, keepdims=flag(keepdims))

    answer.__doc__ = f"NumPy's {name} of the entries that the mask counts; no gradient."
    return answer


wider[np.all] = _logical("all", True)
wider[np.any] = _logical("any", False)


# --- means and spreads --------------------------------------------------------------------------------------
def counted(x: Any, mask: Any, axis: Any) -> Any:
    """How many entries go into each result, with the reduced axes kept."""
    one = np.ones(x.shape, bool) if mask is None else mask
    return np.sum(one, axis=axis, keepdims=True)


def mean(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """Return the mean, computed in a dtype, of the entries that the mask counts."""
    without_out("np.mean", out)
    x = as_array(x)
    mask = mask_of("np.mean", where, x)
    x = computed_in("np.mean", x, dtype, "fc")
    if mask is None:
        return ops["mean"](x, axis=axis, keepdims=flag(keepdims))
    own = x.dtype
    x = x.astype(_wide(own))
    n = np.sum(mask, axis=axis, keepdims=flag(keepdims)).astype(np.finfo(x.dtype).dtype)
    hollow(n, 0, "Mean of empty slice")
    z = np.sum(np.where(mask, x, np.zeros((), x.dtype)), axis=axis, keepdims=flag(keepdims)) / n
    return z.astype(own) if own.kind in "fc" else z


def hollow(n: Any, least: int, said: str) -> None:
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
    mask = mask_of(called, where, x)
    x = computed_in(called, x, dtype, "f")
    own = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
    x = x.astype(_wide(x.dtype))
    n = counted(x, mask, axis).astype(np.finfo(x.dtype).dtype)
    hollow(n - ddof, 0, "Degrees of freedom <= 0 for slice")
    if mask is not None:
        x = np.where(mask, x, np.zeros((), x.dtype))
    if hasattr(mean_, "dtype") and dtype is None:
        own = np.result_type(own, mean_.dtype)
    middle = np.sum(x, axis=axis, keepdims=True) / n if mean_ is ABSENT else as_array(mean_)
    d = x - middle
    n = n.astype(np.finfo(d.dtype).dtype)
    return (d if mask is None else np.where(mask, d, np.zeros((), d.dtype))), np.maximum(n - ddof, 0), own


def taken_away(called: str, ddof: Any, correction: Any) -> Any:
    """How many the divisor is less than the entries: `correction` is the standard's name of `ddof`."""
    if correction is ABSENT:
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
        mean: Any = ABSENT,
        correction: Any = ABSENT,
    ) -> Any:
        without_out(called, out)
        d, free, own = _variance(x, axis, dtype, taken_away(called, ddof, correction), where, mean, called)
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
        return z if flag(keepdims) else np.squeeze(z, axis=tuple(range(d.ndim)) if axis is None else axis)

    answer.__doc__ = f"NumPy's {name} of the entries that the mask counts, about a mean that may be given."
    return answer


wider[np.mean], wider[np.var], wider[np.std] = mean, _spread("var"), _spread("std")


# --- running sums and products; of what is no number left out -----------------------------------------------
def _running(name: str) -> Callable[..., Any]:
    def answer(x: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        without_out(f"np.{name}", out)
        return ops[name](computed_in(f"np.{name}", as_array(x), dtype), axis=axis)

    answer.__doc__ = f"NumPy's {name}, with a dtype to compute in."
    return answer


wider[np.cumsum], wider[np.cumprod] = _running("cumsum"), _running("cumprod")


def repeated(x: Any, repeats: Any, axis: Any = None) -> Any:
    """Return each entry as often as its own number says; in a compiled step the numbers have to be known."""
    x = as_array(x)
    if axis is None:
        x, axis = x.reshape((-1,)), 0
    counts = repeats.value if isinstance(repeats, Tensor) else repeats
    return np.take(x, np.repeat(np.arange(x.shape[axis]), counts), axis=axis)


wider[np.repeat] = repeated
