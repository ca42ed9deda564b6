"""Which arguments of a call are differentiated: their leaves in one list, and derivatives in their form."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeAlias

import numpy as np

from clearprop import tree
from clearprop.errors import at_line, lesson
from clearprop.hints import for_keywords
from clearprop.tensor import PLAIN, Tensor

Argnums: TypeAlias = "int | str | tuple[int | str, ...] | list[int | str]"
"""An argument by its number or its name, or several."""


class Arguments:
    """The arguments of one call `f(*args, **kwargs)`, of which those in `argnums` are differentiated.

    `leaves` are the arrays and numbers in the chosen arguments, `beside` those in all others. An argument
    that is an array of integers counts as one of floats; arrays of integers and booleans inside of a
    container are indices and masks, which stay as they are and have gradient 0.
    """

    __slots__ = ("argnums", "args", "beside", "f", "fixed", "kwargs", "leaves", "places", "simple", "trees")
    f: Callable[..., Any]
    argnums: Argnums
    args: Any
    kwargs: dict[str, Any]

    def __init__(self, f: Callable[..., Any], argnums: Argnums, args: Any, kwargs: dict[str, Any]) -> None:
        self.f, self.argnums, self.args, self.kwargs = f, argnums, args, kwargs
        self.beside: Any = args
        self.places: Any = ()
        self.leaves: list[Any]
        if not kwargs and self._are_simple():
            self.simple: bool = True
            self.leaves = list(map(args.__getitem__, self.places))
            return
        self.simple = False
        self.leaves = []
        self.fixed: list[Any] = []
        chosen = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
        self.places = [self._place(a) for a in chosen]
        self.trees: list[Any] = [self.kwargs[a] if isinstance(a, str) else args[a] for a in self.places]
        for x in self.trees:
            if isinstance(x, str):
                called, wanted = f"grad({name_of(f)})", "wants numbers to differentiate by"
                raise TypeError(lesson(called, wanted, f"{x!r:.60}", at_line(), "float(text)"))
            for leaf in tree.leaves(x):
                index = leaf is not x and isinstance(leaf, np.ndarray) and leaf.dtype.kind in "iub"
                (self.fixed if index or isinstance(leaf, bool) else self.leaves).append(leaf)
        self.beside = tree.leaves((args, kwargs))

    def _are_simple(self) -> bool:
        """Tell whether all is numbers, arrays and Tensors by position, the usual case; note the places."""
        argnums, count = self.argnums, len(self.args)
        self.places = argnums if argnums.__class__ is tuple else (argnums,)
        for i in self.places:
            if i.__class__ is not int or not 0 <= i < count:
                return False
        plain = PLAIN.issuperset(map(type, self.args))
        return plain or all(x.__class__ in PLAIN or isinstance(x, Tensor) for x in self.args)

    def _place(self, argnum: int | str) -> int | str:
        """Return where an argument stands: its number, or its name if it was passed by name."""
        count = len(self.args)
        if isinstance(argnum, str) and argnum not in self.kwargs:
            names = _names(self.f)
            if argnum in names and names.index(argnum) < count:
                return names.index(argnum)
        elif isinstance(argnum, str) or (isinstance(argnum, (int, np.integer)) and -count <= argnum < count):
            return argnum if isinstance(argnum, str) else int(argnum) % count
        else:
            names = _names(self.f)[argnum:] if isinstance(argnum, int) and argnum >= 0 else []
            if names and names[0] in self.kwargs:
                return names[0]
        wanted = "wants argnums to be numbers or names of arguments of the call"
        got = (
            f"{argnum!r}, where {count} are given by position and {', '.join(self.kwargs) or 'none'} by name"
        )
        raise ValueError(lesson(f"grad({name_of(self.f)}, argnums)", wanted, got, at_line()))

    def run(self, leaves: list[Any]) -> Any:
        """Call `f` with other leaves in the chosen arguments."""
        if self.simple:
            args, places = list(self.args), self.places
            if len(places) == 1:
                args[places[0]] = leaves[0]
            else:
                for place, x in zip(places, leaves, strict=True):
                    args[place] = x
            return self.f(*args)
        args, kwargs = list(self.args), dict(self.kwargs)
        with ExitStack() as block:
            given = self._all(leaves)
            lent = tree.lent(self.trees, given, block)
            if len(lent) > 1 or lent[0] is not self.trees[0]:  # a Module alone is itself
                self._refuse_twice(given)
            for place, x in zip(self.places, lent, strict=True):
                if isinstance(place, str):
                    kwargs[place] = x
                else:
                    args[place] = x
            return self.f(*args, **kwargs)

    def _refuse_twice(self, given: list[Any]) -> None:
        """Raise ValueError where a Module holds what was given for another: derivatives would be lost."""
        ours = set(map(id, given))
        if any(x is not y and id(x) in ours for x, y in zip(tree.leaves(self.trees), given, strict=True)):
            wanted = "wants Modules of which none is, or lies in, another that it differentiates by"
            hint = "argnums of the outer one alone, whose derivatives are of both"
            called = f"grad({name_of(self.f)}, argnums={self.argnums!r})"
            raise ValueError(lesson(called, wanted, "two that share Parameters", at_line(), hint))

    def _all(self, leaves: list[Any], fixed: Callable[[Any], Any] = lambda x: x) -> list[Any]:
        """Return the chosen leaves and the fixed ones in their common order."""
        ours, theirs, found = iter(leaves), iter(self.fixed), []
        for x in self.trees:
            for leaf in tree.leaves(x):
                index = leaf is not x and isinstance(leaf, np.ndarray) and leaf.dtype.kind in "iub"
                found.append(fixed(next(theirs)) if index or isinstance(leaf, bool) else next(ours))
        return found

    def formed(self, derivatives: list[Any], zero: Callable[[Any], Any] | None = None) -> Any:
        """Return one derivative a leaf in the form of the arguments, several of them as in `argnums`."""
        if self.simple:
            return tuple(derivatives) if self.argnums.__class__ is tuple else derivatives[0]
        zero = zero or (lambda x: np.zeros(np.shape(x))[()])
        found = tree.rebuilt(self.trees, self._all(derivatives, zero))
        return found[0] if not isinstance(self.argnums, (tuple, list)) else type(self.argnums)(found)


def _names(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []


def name_of(f: Any) -> str:
    """Return how a function is called in messages."""
    return str(getattr(f, "__name__", None) or "f")


def checked(called: str, f: Any, other: dict[str, Any], known: str) -> None:
    """Raise TypeError where `f` is no function, or for keywords that are not taken."""
    if other:
        hint = for_keywords(other, known.split())
        wanted = f"takes the keywords {', '.join(known.split())}"
        raise TypeError(lesson(f"{called}(f)", wanted, ", ".join(other), at_line(), hint))
    if not callable(f):
        got, hint = (
            f"{type(f).__name__} {f!r}"[:60],
            f"{called}(f)(x): the function first, then its arguments",
        )
        raise TypeError(lesson(f"{called}(f)", "wants a function", got, at_line(), hint))
