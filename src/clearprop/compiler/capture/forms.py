"""How arrays in reach lie: their shape, strides, dtype and memory, which their owner can set in place."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

_ATTRIBUTES: Any = [
    getattr(np.ndarray, name) for name in ("shape", "strides", "dtype", "flags", "__array_interface__")
]
_form = operator.attrgetter("shape", "strides", "dtype", "flags.writeable")


def form(x: Any) -> Any:
    """Return what of an array is no entry of it, None of what is no array.

    >>> x = np.zeros(6)
    >>> before = form(x)
    >>> x.flags.writeable = False
    >>> form(x) == before
    False
    """
    if not isinstance(x, np.ndarray):
        return None
    told = [attribute.__get__(x) for attribute in _ATTRIBUTES]  # whatever its class says of them
    return [*told[:3], told[3].writeable, told[4]["data"][0]]


class Forms:
    """The forms of arrays, which a recording has taken as they were; asked at each call of the step.

    Their addresses are not among them: to ask for one takes ten times as long as all the rest. Memory moves
    with `resize` alone, and a recording reads an array where it lies at each call.
    """

    def __init__(self, buffers: Iterable[Any]) -> None:
        self.arrays: list[Any] = [x for x in buffers if isinstance(x, np.ndarray)]
        self._plain: list[Any] = [x for x in self.arrays if type(x) is np.ndarray]
        self._others: list[Any] = [x for x in self.arrays if type(x) is not np.ndarray]
        self._latest: list[Any] = self._now()

    def _now(self) -> list[Any]:
        found = list(map(_form, self._plain))
        return [*found, *map(form, self._others)] if self._others else found

    def get(self, name: str, default: Any = None) -> Any:
        """Return them all, the same list while they stay the same."""
        now = self._now()
        if now != self._latest:
            self._latest = now
        return self._latest

    def __setitem__(self, name: str, value: Any) -> None:
        """Do nothing: an array in reach that changes its form is refused."""


def can_change(x: Any) -> bool:
    """Tell whether the entries of an array may change: who owns a read-only one can make it writable.

    >>> held = np.zeros(1)
    >>> held.flags.writeable = False
    >>> can_change(held), can_change(np.frombuffer(bytes(8)))
    (True, False)
    """
    while isinstance(x, (np.ndarray, memoryview)):
        owner = x.base if isinstance(x, np.ndarray) else x.obj
        if owner is None:
            return True
        x = owner
    return not isinstance(x, bytes)
