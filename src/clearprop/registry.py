"""The tables that every reader shares: which ops exist, and which NumPy function stands for which of ours."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clearprop.errors import lesson

if TYPE_CHECKING:
    from clearprop.op import Op

ops: dict[str, Op] = {}
"""Every op by its name."""


def entered(name: str, module: str) -> Op:
    """Return the op of a name, which a module enters: what a copy or a pickle of an op is."""
    if name not in ops and module != "__main__":
        importlib.import_module(module)
    if name not in ops:
        wanted = "wants the op that was pickled to be entered here too"
        hint = "the module that defines it, imported first"
        raise LookupError(lesson(f"the op {name!r}", wanted, "there is none of this name", hint=hint))
    return ops[name]


numpy_functions: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What runs when a NumPy function or ufunc meets a Tensor, e.g. `np.tanh` -> the op `tanh`."""

ufunc_names: dict[str, Callable[..., Any]] = {}
"""The same by name, for ufuncs of packages that a base install does not have (`scipy.special.expit`)."""


wider: dict[Any, Callable[..., Any]] = {}
"""Who is asked where the entry in `numpy_functions` does not understand a call: a function with all of
NumPy's keywords, by NumPy's function; or the answer of a method of ufuncs, by its name."""


class Composed:
    """A function of ours that stands for a ufunc: a Tensor asks it as it asks an op."""

    two: Callable[..., Any]
    __wrapped__: Callable[..., Any]
    __name__: str

    def __init__(self, function: Callable[..., Any]) -> None:
        self.one = self.two = self.__wrapped__ = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        """Call the function."""
        return self.__wrapped__(*inputs, **attrs)


def implements(*functions: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say that the decorated function stands for these NumPy functions when they are given a Tensor."""

    def register(ours: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            numpy_functions[function] = Composed(ours) if hasattr(function, "nin") else ours
        return ours

    return register
