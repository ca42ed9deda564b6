"""The methods of ufuncs: calls with `dtype` or `where`, `reduce`, `accumulate`, `outer`, `reduceat`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from clearprop.errors import lesson
from clearprop.ops.keywords import ABSENT, without_out
from clearprop.ops.reduce import axes_of
from clearprop.ops.shape import as_array
from clearprop.registry import ops, wider
from clearprop.showing import apart


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
    initial: Any = ABSENT,
    where: Any = True,
) -> Any:
    """Answer `ufunc.reduce`: sums, products, extremes; any other ufunc entry after entry, along one axis."""
    x, name = as_array(x), f"np.{ufunc.__name__}.reduce"
    without_out(name, out)
    if ufunc.nin != 2 or ours is None:
        raise TypeError(lesson(name, "wants a ufunc of two inputs that has a rule"))
    if ufunc.__name__ in _FUNCTIONS:
        return _by_function(ufunc, x, initial, dtype, {"where": where, "keepdims": keepdims, "axis": axis})
    if where is not True:
        hint = "np.where with what changes nothing"
        raise TypeError(lesson(f"{name}(where=)", "is known of sums, products and extremes", hint=hint))
    x = x if dtype is None else x.astype(dtype)
    kind = ufunc.reduce(np.ones((1,) * x.ndim, x.dtype), axis=axis).dtype  # NumPy refuses what has no order
    x = x.astype(kind) if kind.kind in "fc" and kind != x.dtype else x
    axes = axes_of(x, axis)
    parts, rest = [*_along(x, axes)], tuple(n for i, n in enumerate(x.shape) if i not in axes)
    if initial is not ABSENT and initial is not None:
        parts = [np.broadcast_to(as_array(initial).astype(kind), rest), *parts]
    if not parts:
        if ufunc.identity is None or initial is None:
            raise ValueError(lesson(name, "has no result for no entries", f"shape {x.shape}"))
        parts = [np.full(rest, ufunc.identity, kind)]
    elif len(parts) == 1 and initial is ABSENT and ufunc.identity is not None and x.dtype.kind == "f":
        parts = [np.asarray(ufunc.identity, kind), *parts]  # one entry: its hypot is its size
    z = functools.reduce(ufunc, parts)
    z = apart(z) if len(parts) == 1 else z
    return np.expand_dims(z, axes) if keepdims else z


def _by_function(ufunc: Any, x: Any, initial: Any, dtype: Any, how: dict[str, Any]) -> Any:
    """Answer with the function that is NumPy's name for it, such as `np.sum`."""
    function = _FUNCTIONS[ufunc.__name__]
    has_start = initial is not ABSENT and initial is not None
    if initial is None and not x.size:  # NumPy says whether there is a result
        ufunc.reduce(np.empty(x.shape, bool), axis=how["axis"], initial=None)
    if function in (np.all, np.any):
        if dtype is not None:
            ufunc.reduce(np.ones((1,) * x.ndim, bool), axis=(), dtype=dtype)  # NumPy refuses all but bool
        z = wider[function](x, **how)
        return ufunc(z, bool(initial)) if has_start else z
    how |= {"initial": initial} if has_start else {}
    return wider[function](x if dtype is None else x.astype(dtype), **how)


def _along(x: Any, axes: tuple[int, ...]) -> Any:
    """Yield what is made one: the parts of `x` by place on these axes, the last of them fastest."""
    rows = np.moveaxis(x, axes, range(len(axes)))
    rest = rows.shape[len(axes) :]
    count = math.prod(rows.shape[: len(axes)])
    return _slices(rows.reshape((count, *rest)), 0)


def _slices(x: Any, axis: int) -> Any:
    before = (slice(None),) * axis
    return (x[(*before, i)] for i in range(x.shape[axis]))


def accumulated(ufunc: Any, ours: Any, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """Answer `ufunc.accumulate`: running sums and products, or any ufunc entry after entry."""
    without_out(f"np.{ufunc.__name__}.accumulate", out)
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
    without_out(f"np.{ufunc.__name__}.reduceat", out)
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
