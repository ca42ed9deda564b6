"""How a layer's `forward` and `backward` are called: what each of their arguments is, told by its name."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

_FORWARD, _BACKWARD = ("forward", "__call__"), ("backward", "backprop", "backward_pass")
_CONTEXT, _CACHE = re.compile(r"^(ctx|context)$", re.I), re.compile(r"cache|saved|memory|ctx|^context$", re.I)
_RATE = re.compile(r"^(lr|eta|alpha|step(_?size)?|l_?rate|learn(ing)?_?rate)$", re.I)
RATE = 1.0  # at which a layer that learns in `backward` learns
_INPUT = re.compile(r"^(x|inp|inputs?|input_data|in_)$", re.I)
_TRAINS = re.compile(r"^(is_?)?train(ing|_?flg|_?flag|_?mode)?$", re.I)


class Shape:
    """How a layer is called: its methods, and what these want besides the inputs."""

    def __init__(self, kind: type) -> None:
        self.forward = method_of(kind, _FORWARD)
        self.backward = method_of(kind, _BACKWARD)
        wanted = names_of(kind, self.forward)
        self.context: bool = bool(wanted) and bool(_CONTEXT.search(wanted[0]))
        wanted = wanted[1:] if self.context else wanted
        self.takes: list[str] = [name for name in wanted if not _TRAINS.search(name)]
        every = names_of(kind, self.forward, optional=True)
        self.trains: list[str] = [name for name in every if _TRAINS.search(name)]
        needed = names_of(kind, self.backward)
        again = len(needed) > 1 and needed == self.takes  # a loss that is told its inputs once more
        self.starts: bool = not needed or again  # a loss may start its own pass, whatever it can be given
        given = names_of(kind, self.backward, optional=True)
        self.roles: dict[str, str] = dict.fromkeys(needed, "input") if again else self._roles(given, needed)
        self.begins: bool = not given or again  # a loss that starts it from 1
        self.cached: bool = "kept" in self.roles.values() and not self.context

    def _roles(self, given: list[str], needed: list[str]) -> dict[str, str]:
        """Return what the arguments of `backward` are: "g", what was "kept", an "input" or a "rate"."""
        roles = {}
        for name in given:
            if _RATE.search(name):
                roles[name] = "rate"
            elif _CACHE.search(name):
                roles[name] = "kept"
            elif name in self.takes or _INPUT.search(name):
                roles[name] = "input"
            elif "g" not in roles.values():
                roles[name] = "g"
            elif name in needed:
                roles[name] = "kept"
        if roles and "g" not in roles.values():
            roles[next(iter(roles))] = "g"
        return roles

    def run(self, layer: Any, *inputs: Any) -> tuple[Any, Any]:
        """Return what a layer makes of its inputs, and what it wants to be given back."""
        kept: Any = SimpleNamespace()
        kept.save_for_backward = lambda *saved: vars(kept).update(saved_tensors=saved)
        single = not any(map(np.ndim, inputs))  # numbers go in as arrays of one entry, as layers expect
        given = [np.full((1, 1), x, float) if single else np.array(x) for x in inputs]
        wanted = [np.array(x) for x in given]  # a layer may change what it is given
        with seeded():
            trains = dict.fromkeys(self.trains, True)
            found = getattr(layer, self.forward)(*([kept] if self.context else []), *given, **trains)
        if self.cached and isinstance(found, tuple):
            found, kept = found
        elif not self.context:
            kept = wanted[0] if len(wanted) == 1 else tuple(wanted)
        found = np.asarray(found)
        return (found.reshape(())[()] if single and found.size == 1 else found[()]), (kept, wanted)

    def back(self, layer: Any, kept: Any, g: Any, single: bool) -> list[Any]:
        """Return what a layer gives its inputs of the gradient that arrives."""
        kept, inputs = kept
        given = np.copy(g)[()]  # a layer may change it
        given = np.full((1, 1), g, float) if single and self.takes and not self.begins else given
        of = {"g": given, "kept": kept, "rate": RATE}
        named = dict(zip(self.takes, inputs, strict=False))
        handed = {n: of[r] if r in of else named.get(n, inputs[0]) for n, r in self.roles.items()}
        with seeded():
            found = getattr(layer, self.backward)(**handed)
        several = list(found) if isinstance(found, (tuple, list)) else [found]
        if single:
            several = [
                x.reshape(())[()] if np.size(x) == 1 and isinstance(x, np.ndarray) else x for x in several
            ]
        return [x * g if self.begins and x is not None else x for x in several]


@contextmanager
def seeded() -> Iterator[None]:
    """Let a layer that draws at random, such as dropout, draw the same numbers each time."""
    before, others = np.random.get_state(), random.getstate()  # noqa: NPY002  courses draw from it
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
        random.setstate(others)


def is_layer(kind: type) -> bool:
    """Whether a class has a way forward and one back."""
    return bool(method_of(kind, _FORWARD)) and bool(method_of(kind, _BACKWARD))


def method_of(kind: type, names: tuple[str, ...]) -> str:
    """Return the first of these methods that a class has, "" for none."""
    return next((n for n in names if inspect.isroutine(getattr(kind, n, None))), "")


def names_of(kind: type, method: str, optional: bool = False) -> list[str]:
    """Return what a method of an instance has to be given, or (`optional`) may be given."""
    if method == "__init__" and kind.__init__ is object.__init__:  # type: ignore[misc]
        return []
    parameters = list(inspect.signature(getattr(kind, method)).parameters.values())
    own = parameters if isinstance(inspect.getattr_static(kind, method), staticmethod) else parameters[1:]
    return [p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD and (optional or p.default is p.empty)]
