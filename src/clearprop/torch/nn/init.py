"""`torch.nn.init`: clearprop's initialisers, written into tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import modes
from clearprop.errors import at_line, lesson
from clearprop.nn import init as own
from clearprop.torch.chance import drawing_from
from clearprop.torch.tensors import Node, Tensor, nearest


def _written(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def initialiser(tensor: Any, *args: Any, generator: Any = None, **kwargs: Any) -> Any:
        if not isinstance(tensor, Tensor):
            called = f"torch.nn.init.{f.__name__}(tensor=)"
            got = f"{tensor!r:.40}"
            where = at_line()
            hint = "torch.empty(2, 3)"
            raise TypeError(lesson(called, "wants a tensor", got, where, hint))
        fresh = Node(np.array(tensor.node._value), requires_grad=False)
        with modes.no_grad(), drawing_from(generator):
            f(fresh, *args, **kwargs)
            return tensor.write(fresh)

    return initialiser


KNOWN = {
    name: _written(f) for name, f in vars(own).items() if name.endswith("_") and not name.startswith("_")
}
calculate_gain: Callable[..., Any] = own.calculate_gain


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """Return how many inputs and outputs each unit of a weight has: what programs ask under this name."""
    return own.fans(tensor)


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    """Return the inputs for the mode "fan_in", the outputs for "fan_out"."""
    return own.fan(tensor, mode.lower())


def __getattr__(name: str) -> Any:
    if name in KNOWN or f"{name}_" in KNOWN:  # without the underscore as in old programs
        return KNOWN.get(name) or KNOWN[f"{name}_"]
    called = f"torch.nn.init.{name}"
    hint = nearest(name, [*KNOWN])
    raise AttributeError(lesson(called, "there is no such initialiser", hint=hint))
