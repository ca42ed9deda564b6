"""`Examined`: classes that look at what they are made with, wherever it arrives."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clearprop.arguments import example_of
from clearprop.errors import of_this_package, taught, whole
from clearprop.hints import refuse_arguments, refuse_call
from clearprop.refusal import COMPLAINTS, shown, told


class Examined:
    """A class that looks at its arguments before it is made of them, and tells what went wrong as a lesson.

    Each class of the package does so where they arrive: also those
    that a subclass of somebody else's hands on.
    """

    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            if args or kwargs:  # a copy is made with neither
                refuse_arguments(cls, args, kwargs)
            return object.__new__(cls)

        def __init_subclass__(cls, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            if "__init__" in vars(cls) and of_this_package(cls):
                cls.__init__ = _looking(cls, cls.__init__)


def _looking(cls: type, init: Callable[..., None]) -> Callable[..., None]:
    """Return an `__init__` that looks at what a subclass gives it: `__new__` has seen what others give."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        handed_on = type(self).__init__ is not __init__
        if handed_on and (args or kwargs):
            refuse_arguments(cls, args, kwargs, _known(self))
        try:
            init(self, *args, **kwargs)
        except COMPLAINTS as error:
            called = _known(self).__name__
            if _refused_by_python(error):
                refuse_call(
                    called,
                    inspect.signature(init),
                    (self, *args),
                    kwargs,
                )
            given = (*args, *kwargs.values())
            listed = ", ".join(map(shown, given))
            better = told(f"{called}({listed})", given, error)
            if better is error:
                if taught(error):
                    error.args = (whole(error.args[0], example_of(_known(self))), *error.args[1:])
                raise
            raise better from error

    return __init__


def _refused_by_python(error: Exception) -> bool:
    """Tell whether the call itself did not begin: nothing below the caller's frame has run."""
    trace = error.__traceback__
    if trace is None or trace.tb_next is not None:
        return False
    return isinstance(error, TypeError)


def _known(made: Any) -> type:
    """Return the nearest of its classes that the package has."""
    return next(c for c in type(made).__mro__ if of_this_package(c))
