"""Lists that hold Tensors become Tensors: NumPy makes an array of a list by itself, and asks nobody."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.refusal import COMPLAINTS, form, name_of, shown, told
from clearprop.tensor import Tensor

_LISTS = (list, tuple)
# The functions whose lists are lists of arrays: NumPy asks the entries, unless these are lists again.
_OF_ARRAYS = {
    "stack", "concatenate", "concat", "vstack", "hstack", "dstack", "column_stack", "multi_dot", "select",
    "choose", "lexsort",
}  # fmt: skip
_AS_THEY_ARE = {"block", "piecewise", "pad"}  # their own nesting means something


def holds(parts: Iterable[Any]) -> bool:
    """Return whether nested lists hold a Tensor.

    >>> holds([1.0, [2.0, Tensor(3.0)]]), holds([1.0, [2.0]])
    (True, False)
    """
    for x in parts:
        kind = x.__class__
        if kind is float or kind is int:
            continue
        if isinstance(x, Tensor) or ((kind is list or kind is tuple) and holds(x)):
            return True
    return False


def joined(nested: Any) -> Any:
    """Return nested lists of Tensors, arrays and numbers as one Tensor, of the dtype that NumPy would choose.

    Raises ValueError where the rows differ in shape, TypeError where something is no number.

    >>> joined([[Tensor(1.0), 0.0], np.ones(2)]).value
    array([[1., 0.],
           [1., 1.]])
    """
    lengths, parts = [], [nested]
    while parts and all(x.__class__ in _LISTS for x in parts) and len({len(x) for x in parts}) == 1:
        lengths.append(len(parts[0]))
        parts = [y for x in parts for y in x]
    entries = [_entry(x) for x in parts]
    shapes = {np.shape(x) for x in entries}
    if len(shapes) > 1:
        wanted, got = "wants rows of one shape", ", ".join(map(str, sorted(shapes)))
        raise ValueError(
            lesson("np.array(nested lists)", wanted, got, at_line(), "np.concatenate, or rows of one length")
        )
    return np.stack(entries).reshape((*lengths, *shapes.pop()))


def _entry(x: Any) -> Any:
    """Return one entry of lists as what can be stacked."""
    if isinstance(x, Tensor):
        return x
    if x.__class__ in _LISTS and holds(x):
        return joined(x)
    array = np.asarray(x)
    if array.dtype.kind not in "fiubc":
        raise TypeError(
            lesson("np.array(nested lists)", "wants numbers beside Tensors", f"{x!r:.40}", at_line())
        )
    return array


def listed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy's that takes lists of Tensors wherever it takes arrays.

    >>> listed(np.sum)([Tensor(1.0), 2.0]).value
    np.float64(3.0)
    """
    name = function.__name__
    if name in _AS_THEY_ARE:
        return function
    lifted = _lifted_entries if name in _OF_ARRAYS else _lifted
    ufunc = function if isinstance(function, np.ufunc) else None
    way = {1: _of_one, 2: _of_two}.get(ufunc.nin, _of_any) if ufunc else _of_any
    answer = functools.wraps(function)(way(function, lifted))
    if ufunc:
        _like_a_ufunc(answer, ufunc)
    return answer


def _of_any(function: Callable[..., Any], lifted: Callable[[Any], Any]) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if (x.__class__ is list or x.__class__ is tuple) and holds(x):
                args = tuple(map(lifted, args))
                break
        if kwargs:
            kwargs = {key: lifted(x) for key, x in kwargs.items()}
        try:
            return function(*args, **kwargs)
        except COMPLAINTS as error:
            _tell(function, args, error)
            raise

    return answer


def telling(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy's that makes arrays of numbers alone, whose refusal is told.

    >>> telling(np.zeros)(2)
    array([0., 0.])
    """

    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except COMPLAINTS as error:
            _tell(function, args, error)
            raise

    return answer


def _of_one(function: Callable[..., Any], lifted: Callable[[Any], Any]) -> Callable[..., Any]:
    def answer(x: Any, /, *out: Any, **kwargs: Any) -> Any:
        if x.__class__ is list or x.__class__ is tuple:
            x = lifted(x)
        try:
            return function(x, *out, **kwargs) if out or kwargs else function(x)
        except COMPLAINTS as error:
            _tell(function, (x, *out), error)
            raise

    return answer


def _of_two(function: Callable[..., Any], lifted: Callable[[Any], Any]) -> Callable[..., Any]:
    def answer(x: Any, y: Any, /, *out: Any, **kwargs: Any) -> Any:
        if x.__class__ is list or x.__class__ is tuple:
            x = lifted(x)
        if y.__class__ is list or y.__class__ is tuple:
            y = lifted(y)
        try:
            return function(x, y, *out, **kwargs) if out or kwargs else function(x, y)
        except COMPLAINTS as error:
            _tell(function, (x, y, *out), error)
            raise

    return answer


def _tell(function: Callable[..., Any], args: tuple[Any, ...], error: Exception) -> None:
    """Raise what NumPy says of arrays as a lesson, as it is of Tensors; return where that is not to be."""
    is_numpys = (getattr(function, "__module__", None) or "numpy").startswith("numpy")
    name = name_of(function) if is_numpys else f"np.{function.__name__}"
    better = told(f"{name}({', '.join(map(shown, args))})", args, error, form(function, name))
    if better is not error:
        raise better from error


def _lifted(x: Any) -> Any:
    return joined(x) if x.__class__ in _LISTS and holds(x) else x


def _lifted_entries(x: Any) -> Any:
    """Return a list of arrays with the lists among its entries lifted, as what every function looks into."""
    return tuple(map(_lifted, x)) if x.__class__ in _LISTS else x


def _like_a_ufunc(answer: Any, ufunc: np.ufunc) -> None:
    """Give a function what people ask of a ufunc, whose methods take lists of Tensors as well."""
    for name in ("nin", "nout", "nargs", "ntypes", "types", "identity", "signature", "resolve_dtypes", "at"):
        vars(answer)[name] = getattr(ufunc, name, None)
    for name in ("reduce", "accumulate", "reduceat", "outer"):
        vars(answer)[name] = listed(getattr(ufunc, name))
