"""The affine map, dropout, joining axes; and what the functions of this folder ask of their arguments."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import forgets, mode, special
from clearprop.op import describe, leaf_of
from clearprop.ops.shape import entries
from clearprop.tensor import Tensor, plain

F = TypeVar("F", bound=Callable[..., Any])


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x W^T + b for `x` (..., in), `weight` (out, in) and `bias` (out,).

    Data of another dtype is converted to the weight's. Raises ValueError where the sizes do not fit.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([5.0]))
    array([[16.]])
    """
    x = arrayed(x)
    out, size = weight.shape
    shape = x.shape
    if not shape or shape[-1] != size:
        got = shape[-1] if shape else "no axis"
        raise ValueError(
            lesson(
                f"Linear({size}, {out})(x)",
                f"wants {size} features along the last axis of x",
                f"x is {describe(x)}",
                f"The weight is {describe(weight)}.",
                f"Linear({got}, {out})" if shape else "x of shape (batch, features)",
            )
        )
    if x.dtype != weight.dtype:
        x = converted(f"Linear({size}, {out})(x)", x, weight)
    if special.blocks and forgets() and isinstance(weight, Tensor) and (bias is None or bias.shape == (out,)):
        x, weight, bias = (t._value if isinstance(t, Tensor) else t for t in (x, weight, bias))
        return leaf_of(_affine(x, weight, bias))  # arrays inside, and one Tensor of them
    return _affine(x, weight, bias)


def converted(called: str, x: Any, like: Any) -> Any:
    """Return `x` in the dtype of `like`.

    Raises TypeError for what is no real number: half of a complex one would be lost, dates and words would
    become numbers of NumPy's choice; and for floats where `like` is of whole numbers.
    """
    if x.dtype == like.dtype:
        return x
    if x.dtype.kind not in "biufO":
        hint = "x.real and x.imag as two channels" if x.dtype.kind == "c" else "numbers made of x on purpose"
        raise TypeError(lesson(called, "wants real numbers", f"x is {describe(x)}", hint=hint))
    if like.dtype.kind in "biu" and not np.can_cast(x.dtype, like.dtype):
        wanted, got = f"wants numbers that are {like.dtype}, as the weight is", f"x is {describe(x)}"
        raise TypeError(lesson(called, wanted, got, hint="weight.astype(x.dtype)"))
    return x.astype(like.dtype)


def fitted(x: Any, like: Any) -> Any:
    """Return whole numbers and truth values in the dtype of the floats that they meet, all else as it is.

    NumPy makes float64 of float32 and whole numbers: labels would widen all that is computed with them.

    >>> fitted(np.array([1, -1]), np.zeros(2, np.float32)).dtype
    dtype('float32')
    """
    x = arrayed(x)
    return x.astype(like.dtype) if like.dtype.kind == "f" and x.dtype.kind in "biu" else x


_WIDE = np.float64()


def floating(x: Any) -> Any:
    """Return whole numbers and truth values as float64, of which shares can be told, and all else as it is.

    >>> floating([1, 2])
    array([1., 2.])
    """
    return fitted(x, _WIDE)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    z = x @ weight.T
    return z if bias is None else z + bias


def recording() -> bool:
    """Tell whether a step is recorded: what is asked of values now is not asked of those of later calls."""
    return mode.observer is not None and mode.observer.remembers


def in_float32(function: F) -> F:
    """Have float16 in the first argument, or in both of `a` and `b`, computed in float32 and rounded once.

    The square of a number above 255 is infinite in float16, that of one below 2e-4 is 0: what divides by a
    length or a deviation would give 0 or infinity.

    >>> @in_float32
    ... def shared(x): return x / (x * x).sum() ** 0.5
    >>> shared(np.array([300.0, 400.0], np.float16))
    array([0.6, 0.8], dtype=float16)
    """
    names = list(inspect.signature(function).parameters)
    count = 2 if names[1:2] == ["b"] else 1

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else kwargs.get(names[0])
        if getattr(first, "dtype", None) != np.float16:
            return function(*args, **kwargs)
        arrays = [*args[:count], *(kwargs[name] for name in names[:count] if name in kwargs)]
        if any(getattr(x, "dtype", None) != np.float16 for x in arrays):
            return function(*args, **kwargs)
        wide = [x.astype(np.float32) for x in args[:count]]
        named = {name: x.astype(np.float32) if name in names[:count] else x for name, x in kwargs.items()}
        return function(*wide, *args[count:], **named).astype(np.float16)

    return called  # type: ignore[return-value]  # of the same signature


def positive(called: str, number: Any) -> Any:
    """Return a number, or an array of them, having complained unless it is above 0 and finite.

    A Tensor of a recorded step is NaN in the calls in which it is not.
    """
    if isinstance(number, float) and 0 < number < math.inf:
        return number
    held = entries(number)
    if held.dtype.kind not in "fiu" or not np.all((held > 0) & (held < math.inf)):
        raise ValueError(lesson(called, "wants a number above 0", f"{number!r}", hint="1.0"))
    if isinstance(number, Tensor) and recording():
        inside = np.logical_and(number > 0, number < math.inf)
        return np.where(inside, number, number.dtype.type(math.nan) if number.dtype.kind == "f" else math.nan)
    return number


def checked_reduction(called: str, reduction: str) -> str:
    """Return what a loss does with its entries, having complained about a word that it does not know."""
    if reduction not in ("mean", "sum", "none"):
        wanted = "is 'mean', 'sum' or 'none'"
        raise ValueError(lesson(called, wanted, f"{reduction!r}", hint="reduction='mean'"))
    return reduction


def place(called: str, name: str, dim: int, x: Any) -> int:
    """Return which axis of x `dim` is, counted from the front; a number without axes has one, as in PyTorch.

    Raises ValueError where x has no such axis.
    """
    ndim = max(len(x.shape), 1)
    if not -ndim <= dim < ndim:
        wanted, where = f"wants {name} from {-ndim} to {ndim - 1}", f"x is {describe(x)}."
        raise ValueError(lesson(called, wanted, f"{dim}", where, f"{name}={ndim - 1}"))
    return dim % ndim


def flatten(x: Any, start_dim: int = 1, end_dim: int = -1) -> Any:
    """Join the axes from `start_dim` to `end_dim` into one.

    >>> flatten(np.zeros((5, 2, 3, 4))).shape
    (5, 24)
    """
    start, end = (
        place("flatten(x)", name, dim, x) for name, dim in (("start_dim", start_dim), ("end_dim", end_dim))
    )
    if start > end:
        raise ValueError(
            lesson(
                "flatten(x)",
                f"wants start_dim {start_dim} before end_dim {end_dim}",
                f"x is {describe(x)}",
                hint="flatten(x, 0) to join all axes",
            )
        )
    joined = 1
    for n in x.shape[start : end + 1]:
        joined *= n
    return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])


def arrayed(x: Any) -> Any:
    """Return a Tensor or an array as it is, numbers and lists as an array.

    While a step is recorded, an array that the step reaches by name is what stands for it: its owner may fill
    it anew, and what is computed from it belongs to the program.
    """
    if special.blocks and isinstance(x, np.ndarray):
        observer = mode.observer
        return x if observer is None else observer.seen(x)
    if isinstance(x, (Tensor, np.ndarray)):
        return x
    x = plain(x)
    return x if hasattr(x, "dtype") else np.asarray(x)
