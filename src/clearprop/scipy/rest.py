"""SciPy's other functions under the names of a part: of plain numbers, as SciPy has them."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import GradientError, at_line, lesson
from clearprop.hints import unknown
from clearprop.modes import mode
from clearprop.tensor import Tensor

_GUARDED: dict[Any, Any] = {}


def theirs(part: str) -> Any:
    """Return SciPy's module of this name, or nothing where SciPy is not installed."""
    try:
        return importlib.import_module(f"scipy.{part}")
    except ImportError:
        return None


def reader(part: str, own: Iterable[str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a part: what is not our own is SciPy's.

    >>> from clearprop.scipy import signal
    >>> signal.get_window("boxcar", 3)
    array([1., 1., 1.])
    """

    def get(name: str) -> Any:
        module = theirs(part)
        if name.startswith("_") or not hasattr(module, name):
            raise unknown(f"clearprop.scipy.{part}", name, names())
        found = getattr(module, name)
        return guarded(part, found) if inspect.isroutine(found) else found

    def names() -> list[str]:
        return sorted({n for n in (*own, *getattr(theirs(part), "__all__", ())) if not n.startswith("_")})

    return get, names


def guarded(part: str, function: Any) -> Any:
    """Return a function of SciPy's that is given the values of Tensors, and refuses those with a gradient."""
    if function in _GUARDED:
        return _GUARDED[function]
    called = f"scipy.{part}.{function.__name__}"

    @functools.wraps(function)
    def of_numbers(*args: Any, **kwargs: Any) -> Any:
        return function(*_plain(called, args), **_plain(called, kwargs))

    _GUARDED[function] = of_numbers
    return of_numbers


def _plain(called: str, given: Any) -> Any:
    """Return `given` with the values of its Tensors; what holds none stays as it is."""
    found = [x for x in tree.leaves(given) if isinstance(x, Tensor)]
    if not found:
        return given
    if mode.observer is not None and mode.observer.records:
        wanted, hint = "runs in no recorded step, for it asks for values", "it outside of the step"
        raise TypeError(lesson(called, wanted, "", at_line(), hint))
    if mode.grad_enabled and any(x.requires_grad for x in found):
        wanted, hint = "has no gradient", "t.detach(), where numbers are wanted"
        raise GradientError(lesson(called, wanted, "a Tensor with a gradient", at_line(), hint))
    return tree.map(lambda x: np.asarray(x.value)[()] if isinstance(x, Tensor) else x, given)
