"""Functions that are shown a gradient on its way, and may put another in its place."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import structure
from clearprop.errors import GradientError, lesson
from clearprop.modes import mode
from clearprop.tensor import Tensor
from clearprop.updates import read_only

Hook = Callable[[Any], Any]

_numbers = itertools.count(1)


class Handle:
    """What takes a hook away again: `handle.remove()`, or the end of a `with` block."""

    def __init__(self, take_away: Callable[[int], None]) -> None:
        self.number: int = next(_numbers)
        self._take_away = take_away

    def remove(self) -> None:
        """Take the hook away; a second time changes nothing."""
        self._take_away(self.number)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class OnTensor:
    """The hooks of one Tensor, by number, and which of them a recorded step finds there when it begins."""

    def __init__(self, tensor: Tensor) -> None:
        key, entries = id(tensor), held  # a name of its own: at Python's end the module's are gone
        self.functions: dict[int, Hook] = {}
        self.outside: list[int] = []
        self.tensor: Any = weakref.ref(tensor, lambda _: entries.pop(key, None))

    def remove(self, number: int) -> None:
        """Take one away, and with the last of them the whole entry."""
        self.functions.pop(number, None)
        if number in self.outside:
            self.outside.remove(number)
            structure.changed()
        tensor = self.tensor()
        if not self.functions and tensor is not None:
            held.pop(id(tensor), None)


held: dict[int, OnTensor] = {}
"""The hooks by `id(tensor)`; empty for almost everybody, which is all that a backward pass asks."""


class _Outside:
    """What decides, with the rest, what a recorded backward pass computes: the hooks there before it."""

    def structure(self) -> Any:
        return sorted(number for entry in held.copy().values() for number in entry.outside)


OUTSIDE = _Outside()


def register(tensor: Tensor, hook: Hook) -> Handle:
    """Let every backward pass show `hook` the whole gradient of `tensor`; see `Tensor.register_hook`."""
    called = "t.register_hook(hook)"
    if not callable(hook):
        raise TypeError(lesson(called, "wants a function of the gradient", f"{hook!r}"[:60]))
    if not tensor.requires_grad:
        hint = "Tensor(value), outside of no_grad()"
        raise GradientError(lesson(called, "no gradient arrives at this Tensor", f"{tensor!r}", hint=hint))
    entry = held.setdefault(id(tensor), OnTensor(tensor))
    handle = Handle(entry.remove)
    entry.functions[handle.number] = hook
    if mode.recorder is None:
        entry.outside.append(handle.number)
        structure.changed()
    return handle


def through(node: Tensor, g: Any, graph: bool) -> Any:
    """Return the gradient `g` of a node as its hooks leave it, called in the order of registering."""
    for hook in list(held[id(node)].functions.values()):
        new = hook(read_only(g))
        if new is not None:
            g = _accepted(node, new, graph)
    return g


def _accepted(node: Tensor, new: Any, graph: bool) -> Any:
    """Return what a hook gave as a gradient of the node's shape and dtype that nobody else holds."""
    if np.shape(new) != node.shape:
        wanted = f"wants None or a gradient of shape {node.shape}, the Tensor's"
        raise GradientError(lesson("the hook of a Tensor", wanted, f"shape {np.shape(new)}"))
    if isinstance(new, Tensor):
        if graph:
            return new if new.dtype == node.dtype else new.astype(node.dtype)
        new = new._value
    return np.array(new, node.dtype)[()]
