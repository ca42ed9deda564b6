"""What NumPy itself says of a call that failed: a refusal has NumPy's class and NumPy's reason."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from clearprop.advice import advice
from clearprop.errors import at_line, inside, lesson, taught

F = TypeVar("F", bound=Callable[..., Any])
_NUMPY = os.path.join(os.path.dirname(np.__file__), "")  # and no package of a longer name
COMPLAINTS = (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError, AttributeError)
_CLASSES: tuple[type[Exception], ...] = (np.exceptions.AxisError, np.linalg.LinAlgError, *COMPLAINTS)


def public_class(error: Exception) -> type[Exception]:
    """Return the nearest class of an error that other people can name in an `except`.

    >>> public_class(np.exceptions.AxisError("axis 3")).__name__, public_class(KeyError("a")).__name__
    ('AxisError', 'ValueError')
    """
    return next((c for c in type(error).__mro__ if c in _CLASSES), ValueError)


def refusal(function: Callable[..., Any], args: Any, kwargs: dict[str, Any], error: Exception) -> Exception:
    """Return the error to raise for a call of a NumPy function with Tensors that ended in `error`.

    NumPy is asked the same with arrays. Where it refuses, its class is raised, with our text if there is one.
    Where it answers, the call is one that has no rule: a TypeError, unless the error was already a lesson.
    """
    called = f"{name_of(function)}({', '.join(shown(x) for x in args)})"
    where = at_line()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            function(*_plain(args), **{k: _plain(v) for k, v in kwargs.items()})
    except COMPLAINTS as numpys:
        kind = public_class(numpys)
        if taught(error):
            return error if isinstance(error, kind) else kind(error.args[0])
        said = " ".join(str(numpys).split()) or kind.__name__
        hint = advice(said, _plain(args)) or form(function, name_of(function))
        return kind(lesson(called, said, where=where, hint=hint))
    if taught(error):
        return error
    hint = "t.detach().numpy() to leave the graph on purpose"
    wanted = "NumPy answers this, but there is no rule for it"
    return TypeError(lesson(called, wanted, " ".join(str(error).split()), where, hint))


def told(called: str, args: Any, error: Exception, form: str = "") -> Exception:
    """Return what to raise for a call that ended in `error`: a lesson of its class, or the error itself.

    What to try is said by what NumPy says, or it is the `form` of the call.
    It is itself where it is a lesson already, and where it comes out of a function of somebody else's that
    was called on the way. An attribute that an argument lacks says that it is of another kind: a TypeError.

    >>> print(told("half(x)", ("3",), TypeError("unsupported operand")))  # doctest: +ELLIPSIS
    half(x): unsupported operand.
      At ...
      Try float(text): a number in quotes is text.
    """
    if taught(error) or of_others(error):
        return error
    kind = public_class(error)
    if kind is AttributeError:
        kind = TypeError
    said = " ".join(str(error).split()) or kind.__name__
    return kind(lesson(called, said, where=at_line(), hint=advice(said, _plain(args)) or form))


def form(function: Callable[..., Any], called: str) -> str:
    """Return how a function is called, for who called it wrongly; "" where its parameters are not known.

    >>> form(np.roll, "np.roll"), form(np.add, "np.add")
    ('np.roll(a, shift, axis=None)', 'np.add(x1, x2)')
    """
    if isinstance(function, np.ufunc):
        names = ["x"]
        if function.nin > 1:
            names = [f"x{i + 1}" for i in range(function.nin)]
        return f"{called}({', '.join(names)})"
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ""
    shown = [str(p.replace(annotation=p.empty)) for p in parameters if p.name not in ("self", "like")]
    given = [text for text in shown if "<no value>" not in text]
    return f"{called}({', '.join(given)})"


def of_others(error: Exception) -> bool:
    """Tell whether an error came through code that is neither this package's nor NumPy's nor SciPy's."""
    trace = error.__traceback__
    known: tuple[str, ...] = (_NUMPY, "numpy/", "scipy/")  # what Cython has compiled says no more
    if scipy := sys.modules.get("scipy"):
        known = (*known, os.path.join(os.path.dirname(scipy.__file__ or _NUMPY), ""))
    while trace is not None:
        if not (inside(trace.tb_frame) or trace.tb_frame.f_code.co_filename.startswith(known)):
            return True
        trace = trace.tb_next
    return False


def tells(function: F) -> F:
    """Have a function tell a bare error as a lesson; a call that ends well is as it was.

    >>> @tells
    ... def first(x): return x[0]
    >>> first([2.0])
    2.0
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except COMPLAINTS as error:
            name = called.__name__
            given = [x for x in args if isinstance(x, type) or not callable(x)]  # some take a function
            better = told(f"{name}({', '.join(map(shown, args))})", given, error, form(function, name))
            if better is error:
                raise
            raise better from error

    return called  # type: ignore[return-value]  # of the same signature


def tells_of(method: F) -> F:
    """Have a method tell a bare error as a lesson that names the class of the object it is called on.

    A call that ends well is as it was, and so is what a person's own code raises.

    >>> class Shelf:
    ...     @tells_of
    ...     def book(self, i): return ["a", "b"][i]
    >>> Shelf().book(1)
    'b'
    """

    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except COMPLAINTS as error:
            given = (*args, *kwargs.values())
            listed = ", ".join(map(shown, given))
            named = f"{type(self).__name__}.{method.__name__}({listed})"
            if method.__name__ == "__getitem__":
                named = f"{type(self).__name__}[{listed}]"
            better = told(named, given, error)
            if better is error:
                raise
            raise better from error

    return called  # type: ignore[return-value]  # of the same signature


def name_of(function: Any) -> str:
    """Return the name of a function of NumPy's as a person writes it.

    >>> name_of(np.linalg.inv), name_of(np.add)
    ('np.linalg.inv', 'np.add')
    """
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".replace("numpy", "np", 1)


def shown(x: Any) -> str:
    """Return an argument as a message shows it: a shape and a dtype, or the beginning of what it is."""
    if isinstance(x, (list, tuple)) and any(hasattr(a, "shape") for a in x):
        return f"[{', '.join(shown(a) for a in x)}]"
    if isinstance(getattr(x, "shape", None), tuple):
        kind = getattr(x, "dtype", "") or type(x).__name__  # a table has a shape, and a dtype a column
        return f"{tuple(x.shape)} {kind}"
    return repr(x)[:40]


def _plain(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(_plain(a) for a in x) if type(x) in (list, tuple) else x
    return getattr(x, "_value", x)


def no_rule(name: str) -> TypeError:
    """Return the error of a function of NumPy's that has no rule."""
    return TypeError(
        lesson(
            name,
            "has no rule, so its gradient is unknown",
            hint="the functions listed in clearprop.registry.ops, t.detach().numpy() to leave "
            "the graph on purpose, or clearprop.elementwise(...) to add an op",
        )
    )


WRITERS = {
    np.copyto: "np.where(mask, t, array), or np.broadcast_to(t, shape)",
    np.put: "array[index] = t on `array = np.zeros(shape) + 0 * t.sum()`, or np.where(mask, t, array)",
    np.place: "np.where(mask, t, array)",
    np.putmask: "np.where(mask, t, array)",
    np.put_along_axis: "np.where(mask, t, array)",
    np.fill_diagonal: "np.where(np.eye(n, dtype=bool), t, array)",
}
"""The functions of NumPy's that write into their first argument, and what to write in place of them."""


def writes(name: str) -> TypeError:
    """Return the error of a function that writes into an array, or a Tensor, that it is given."""
    wanted = "writes into an array, which knows of no gradient, or into a Tensor, which a graph may remember"
    return TypeError(lesson(f"np.{name}", wanted, "", at_line(), WRITERS[getattr(np, name)]))


def in_place(name: str) -> TypeError:
    """Return the error of a call that would write into what the graph remembers."""
    hint = "it without out=; np.concatenate of the parts, or `array = array + t`, for a part of a buffer"
    wanted = "cannot write into an array that the graph remembers"
    return TypeError(lesson(name, wanted, "", at_line(), hint))


def added_in_place(name: str) -> TypeError:
    """Return the error of `np.add.at` and its kin."""
    wanted = "cannot write into an array that the graph remembers"
    hint = "array + np.bincount(index, weights=t, minlength=n) for np.add.at(array, index, t)"
    return TypeError(lesson(name, wanted, "", at_line(), hint))
