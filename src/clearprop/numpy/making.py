"""What makes arrays: of Tensors a Tensor, of all else a plain array, as NumPy makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.hints import refuse_texts
from clearprop.numpy.lists import holds, joined, telling
from clearprop.ops.index import take as entries_at
from clearprop.ops.shape import as_array, constant
from clearprop.tensor import Tensor

_numpy: Any = np  # whose functions answer a Tensor with a Tensor, which its types do not know


def _there(x: Any) -> bool:
    """Return whether `x` is a Tensor, or lists that hold one."""
    if x.__class__ is list or x.__class__ is tuple:
        return holds(x)
    return isinstance(x, Tensor)


def _needed(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _on_host(called: str, device: Any) -> None:
    if device not in (None, "cpu"):
        raise ValueError(lesson(f"{called}(device=)", 'is "cpu" or None: arrays lie in memory', repr(device)))


@telling
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    **kwargs: Any,
) -> Any:
    """Return an array; of a Tensor, or of nested lists in which there is one, a Tensor.

    Numbers, arrays and Tensors may be mixed; the dtype is NumPy's for such lists. Raises ValueError where
    rows differ in shape, and where `copy=False` cannot be had.

    >>> t = Tensor(3.0, name="t")
    >>> z = array([[t, 1.0], [0.0, t * t]])
    >>> z.value
    array([[3., 1.],
           [0., 9.]])
    >>> z.sum().backward(); t.grad
    np.float64(7.0)
    >>> array([1, 2])
    array([1, 2])
    """
    if not _there(object):
        if copy is True and ndmin == 0 and not (subok or kwargs):
            return np.array(object, dtype, order=order)
        return np.array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin, **kwargs)
    refuse_texts("np.array", copy=copy, subok=subok)
    whole = isinstance(object, Tensor)
    found = object if whole else joined(object)
    cast = dtype is not None and found.dtype != np.dtype(dtype)
    if copy is False and (cast or not whole):
        hint = "np.asarray(x), which copies where it has to"
        raise ValueError(
            lesson("np.array(x, copy=False)", "cannot be had without a copy", "", at_line(), hint)
        )
    if cast:
        found = found.astype(dtype)
    elif copy and whole:
        found = found.copy()
    if found.ndim < ndmin:
        found = found.reshape((*(1,) * (ndmin - found.ndim), *found.shape))
    return found


@telling
def asarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Return `a` as an array: a Tensor is returned as it is, lists that hold one become one.

    >>> t = Tensor(3.0)
    >>> asarray(t) is t, asarray([t, 1]).shape
    (True, (2,))
    """
    if not _there(a):
        return _numpy.asarray(a, dtype, order, copy=copy, **kwargs)
    _on_host("np.asarray", device)
    return array(a, dtype, copy=copy)


def _same(numpys: Callable[..., Any]) -> Callable[..., Any]:
    """Return `asarray` under the name of one of its kin, which ask something of the memory alone."""

    def answer(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        return asarray(a, dtype) if _there(a) else numpys(a, dtype, *args, **kwargs)

    answer.__name__ = answer.__qualname__ = numpys.__name__
    answer.__doc__ = f"NumPy's {numpys.__name__}; a Tensor is returned as it is."
    return answer


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """Return `asarray(a)`; ValueError where an entry is NaN or infinite."""
    if not _there(a):
        return np.asarray_chkfinite(a, dtype, order)
    found = asarray(a, dtype)
    if not np.isfinite(found).all():
        raise ValueError(lesson("np.asarray_chkfinite(a)", "wants finite numbers", f"{found!r}", at_line()))
    return found


@telling
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, **kwargs: Any
) -> Any:
    """Return an array that repeats one value, or one row; the gradient of a Tensor's entries is added up.

    >>> t = Tensor(2.0)
    >>> full((2, 3), t).sum().backward(); t.grad
    np.float64(6.0)
    """
    _on_host("np.full", device)
    if not _there(fill_value):
        return np.full(shape, fill_value, dtype, order, **kwargs)
    filled = _numpy.broadcast_to(asarray(fill_value), shape)
    return +filled if dtype is None or filled.dtype == np.dtype(dtype) else filled.astype(dtype)


@telling
def arange(start: Any = None, /, stop: Any = None, step: Any = 1, *args: Any, **kwargs: Any) -> Any:
    """Return NumPy's arange, whose length depends on values: TypeError where one of them needs a gradient.

    >>> arange(2, 8, 3)
    array([2, 5])
    """
    if any(map(_needed, (start, stop, step, kwargs.get("start")))):
        wanted = "would drop the gradient: how many entries there are depends on values"
        hint = "start + step * np.arange(n), or np.linspace(start, stop, n)"
        raise TypeError(
            lesson("np.arange(start, stop, step)", wanted, "a Tensor that needs one", at_line(), hint)
        )
    if start is None:  # all ends are given by their names
        ends = {name: _number(x) for name, x in kwargs.items()} | {"step": _number(step)}
        making: Any = np.arange  # its overloads name no `start`
        return making(**ends) if stop is None else making(stop=_number(stop), **ends)
    given = (start,) if stop is None and step == 1 else (start, stop, step)
    return np.arange(*map(_number, given), *args, **kwargs)


def _number(x: Any) -> Any:
    return x.item() if isinstance(x, Tensor) else x


def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    """Return NumPy's take, which asks the array but not the indices: these may be a Tensor here.

    >>> from clearprop import vmap
    >>> vmap(lambda i: take(np.array([10, 20, 30]), i))(np.array([2, 0]))
    array([30, 10])
    """
    if out is not None or not (_there(a) or isinstance(indices, Tensor)):
        return np.take(a, indices, axis, out, mode)  # type: ignore[call-overload]
    return entries_at(asarray(a) if _there(a) else np.asarray(a), indices, axis, mode=mode)


@telling
def fromiter(iter: Any, dtype: Any = None, count: int = -1, **kwargs: Any) -> Any:
    """Return the entries of an iterable as a vector; a Tensor where one of them is.

    >>> t = Tensor(2.0)
    >>> fromiter((t**n for n in range(3)), float).value
    array([1., 2., 4.])
    """
    parts = list(iter) if count < 0 else [x for x, _ in zip(iter, range(count), strict=False)]
    return array(parts, dtype) if holds(parts) else np.fromiter(parts, dtype, count, **kwargs)


def ndenumerate(arr: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Return every index of an array with its entry, in the order of the last axis.

    >>> [(i, float(x)) for i, x in ndenumerate(Tensor([4.0, 5.0]))]
    [((0,), 4.0), ((1,), 5.0)]
    """
    if not _there(arr):
        return iter(np.ndenumerate(arr))
    found = asarray(arr)
    return ((i, found[i]) for i in np.ndindex(found.shape))


class vectorize(np.vectorize):
    """NumPy's vectorize; where an argument or a result is a Tensor, the results are one Tensor.

    Raises TypeError for Tensors together with `signature=` or `excluded=`.

    >>> t = Tensor([1.0, -2.0])
    >>> z = vectorize(lambda x, a: x * x if x > 0 else a * x)(t, 3.0)
    >>> z.sum().backward(); t.grad
    array([2., 3.])
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function for every entry of the arguments, broadcast against each other."""
        plain = not any(map(_there, (*args, *kwargs.values())))
        if kwargs or self.signature is not None or self.excluded:
            if plain:
                return super().__call__(*args, **kwargs)
            wanted = "takes Tensors by position, and without signature= and excluded="
            raise TypeError(lesson("np.vectorize(f)(...)", wanted, where=at_line(), hint="clearprop.vmap(f)"))
        arrays = _numpy.broadcast_arrays(*(asarray(x) for x in args))
        shape = arrays[0].shape if arrays else ()
        if 0 in shape:
            return super().__call__(*map(constant, arrays))
        found = [self.pyfunc(*(x[i] for x in arrays)) for i in np.ndindex(shape)]
        kinds = self.otypes or [None] * (len(found[0]) if isinstance(found[0], tuple) else 1)
        if isinstance(found[0], tuple):
            return tuple(self._together([z[i] for z in found], shape, kinds[i]) for i in range(len(kinds)))
        return self._together(found, shape, kinds[0])

    def _together(self, found: list[Any], shape: tuple[int, ...], dtype: Any) -> Any:
        return asarray(found, dtype).reshape(shape)[()]


class Concatenator:
    """NumPy's `r_` and `c_`: arrays, numbers and slices between brackets, one behind another.

    >>> r_[Tensor(1.0), 0.0, 2:4].value
    array([1., 0., 2., 3.])
    >>> c_[Tensor([1.0, 2.0]), [3.0, 4.0]].value
    array([[1., 3.],
           [2., 4.]])
    """

    numpys: Any
    columns: bool

    def __init__(self, numpys: Any, columns: bool) -> None:
        self.numpys, self.columns = numpys, columns
        self.__doc__ = numpys.__doc__

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not any(map(_there, parts)):
            return self.numpys[key]
        if any(isinstance(x, str) for x in parts):
            hint = "np.concatenate or np.stack with axis="
            raise TypeError(
                lesson("np.r_['...', x]", "takes no words beside Tensors", parts[0], at_line(), hint)
            )
        rows = [np.r_[x] if isinstance(x, slice) else _numpy.atleast_1d(as_array(asarray(x))) for x in parts]
        if self.columns:
            rows = [x[:, None] if x.ndim == 1 else x for x in rows]
        return _numpy.concatenate(rows, axis=-1 if self.columns else 0)

    def __len__(self) -> int:
        return 0


r_, c_ = Concatenator(np.r_, columns=False), Concatenator(np.c_, columns=True)


KIN = {f.__name__: _same(f) for f in (np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require)}
"""The functions that are `asarray` for a Tensor."""
