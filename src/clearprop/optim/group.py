"""`Group`: parameters that share their numbers, each number held in a Tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from clearprop import structure
from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.record import assign, read
from clearprop.tensor import Tensor


class Group(MutableMapping[str, Any]):
    """Parameters that share their numbers: `group["lr"] = 0.1`.

    Each number is held in a Tensor without axes, so a recorded step sees the new one without being planned
    again. A flag (True or False) decides what is computed and is held as it is.
    """

    def __init__(self, params: list[Tensor], options: Mapping[str, Any], optional: tuple[str, ...]) -> None:
        self.params, self.optional = params, optional
        self._numbers: dict[str, Any] = {}
        self._flags: dict[str, Any] = {}
        for name, value in options.items():
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        if name in self._flags:
            return self._flags[name]
        held = self._numbers[name]
        return tuple(float(t.value) for t in held) if isinstance(held, tuple) else float(held.value)

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            self.params = list(value)
            structure.changed()
        elif value is None or isinstance(value, (bool, str)):
            self._flags[name] = value
            structure.changed()
        elif isinstance(value, (tuple, list)):
            old = self._numbers.get(name) or (None,) * len(value)
            pairs = zip(old, value, strict=True)
            self._numbers[name] = tuple(self._held(name, t, number) for t, number in pairs)
        else:
            self._numbers[name] = self._held(name, self._numbers.get(name), value)

    def _held(self, name: str, tensor: Tensor | None, number: Any) -> Tensor:
        if name in self.optional:
            structure.changed()  # zero or not decides whether its term is computed at all
        if tensor is None:
            return Tensor(np.float64(number), name, requires_grad=False)
        assign(tensor, number if isinstance(number, Tensor) else np.float64(number))
        return tensor

    def __delitem__(self, name: str) -> None:
        raise TypeError(lesson(f"del group[{name!r}]", "an option cannot be removed"))

    def __iter__(self) -> Iterator[str]:
        return iter(("params", *self._numbers, *self._flags))

    def __len__(self) -> int:
        return 1 + len(self._numbers) + len(self._flags)

    def __repr__(self) -> str:
        names = ", ".join(f"{k}={v!r}" for k, v in self.items() if k != "params")
        return f"Group({len(self.params)} parameters, {names})"

    def tensor(self, name: str) -> Tensor:
        """Return the Tensor that holds a number."""
        return self._numbers[name]  # type: ignore[no-any-return]

    def nonzero(self, name: str) -> bool:
        """Tell whether a number's term is computed at all; this may be asked while a step is recorded."""
        return bool(self._numbers[name]._value != 0)

    def read(self) -> dict[str, Any]:
        """Return flags and numbers for a formula: floats, or Tensors while a step is being recorded.

        A number in `optional` that is 0 is the float 0.0 also then, so that its term is left out.
        """
        recording = mode.observer is not None and mode.observer.remembers
        found = dict(self._flags)
        for name, held in self._numbers.items():
            if isinstance(held, tuple):
                found[name] = tuple([read(t) for t in held] if recording else [float(t._value) for t in held])
            elif recording and not (name in self.optional and held._value == 0):
                found[name] = read(held)
            else:
                found[name] = float(held._value)
        return found


def weak(number: Any, like: Any) -> Any:
    """Return a number that leaves the dtype of `like` alone in a product: a float does, a Tensor is cast."""
    return number if number.__class__ is float else number.astype(like.dtype)


def present(number: Any) -> bool:
    """Tell whether a number's term is to be computed: not where it is the float 0.0."""
    return number.__class__ is not float or number != 0.0
