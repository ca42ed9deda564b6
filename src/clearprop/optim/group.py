"""`ParameterGroup`: parameters that share their numbers, each number held in a Tensor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from clearprop import structure
from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.op import describe
from clearprop.optim.recordable import HeldNumber
from clearprop.record import assign, read_number
from clearprop.tensor import Tensor


class ParameterGroup(MutableMapping[str, Any]):
    """Parameters that share their numbers: `group["lr"] = 0.1`.

    Each number is held in a Tensor without axes, so a recorded step sees the new one without being planned
    again. A flag (True or False) decides what is computed and is held as it is. `check` is called with all
    options before one of them changes: what the constructor refuses is refused here as well.

    `group["initial_lr"]` is the learning rate that schedules count from, as in PyTorch: the first schedule
    writes it down, those that join later share it, and setting `group["lr"]` by hand forgets it.
    """

    set_by_hand: Any = HeldNumber()  # how often the learning rate was, so that a schedule sees that it was
    asking: str  # which schedule asks its functions for a learning rate just now
    optional: tuple[str, ...]
    rounds: tuple[str, ...]
    params: list[Any]

    def __init__(
        self,
        params: list[Tensor],
        options: Mapping[str, Any],
        optional: tuple[str, ...],
        check: Callable[[Mapping[str, Any]], None] | None = None,
        rounds: tuple[str, ...] = (),
    ) -> None:
        self.params, self.optional, self.rounds = params, optional, rounds
        self._numbers: dict[str, Any] = {}
        self._flags: dict[str, Any] = {}
        self._check: Callable[[Mapping[str, Any]], None] | None = None
        self.initial_lr: float | None = None
        self.set_by_hand = 0
        self.asking = ""
        for name, value in options.items():
            self[name] = value
        self._check = check

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        if name == "initial_lr" and self.initial_lr is not None:
            return self.initial_lr
        if name in self._flags:
            return self._flags[name]
        held = self._numbers[name]
        if name in self.rounds:
            return int(held._value)  # as PyTorch, which counts by it, has it
        return tuple(map(_read, held)) if isinstance(held, tuple) else read_number(held)

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            self.params = list(value)
            structure.changed()
            return
        if name == "initial_lr":
            self.initial_lr = float(value)
            return
        if self._check is not None:
            self._agree(name, value)
        if name == "lr":
            self.initial_lr, self.set_by_hand = None, self.set_by_hand + 1
        self._hold(name, value)

    def schedule(self, name: str, value: Any) -> None:
        """Set a number as a schedule does: the learning rate that it counts from stays what it is."""
        plain = name == "lr" and value.__class__ is float and value >= 0.0  # of every step: quickly seen
        if self._check is not None and not plain:
            self._agree(name, value)
        self._hold(name, value)

    def _agree(self, name: str, value: Any) -> None:
        """Raise TypeError or ValueError where the constructor would not have taken the value."""
        called = f"param_groups[i][{name!r}]"
        if name not in self._numbers and name not in self._flags:
            known = ", ".join((*self._numbers, *self._flags))
            raise KeyError(lesson(called, f"wants one of the options {known}", repr(name)))
        if isinstance(value, Tensor):
            return  # in a recorded step: a number that is not known yet
        flag = value is None or isinstance(value, (bool, np.bool_, str))
        if name in self._numbers and flag:
            hint = "a number" if not isinstance(value, str) else f"float({value!r})"
            raise ValueError(lesson(called, "wants a number", repr(value), "Nothing was changed.", hint))
        truth = isinstance(self._flags.get(name), bool) and isinstance(value, str)
        if name in self._flags and (truth or not flag):
            raise ValueError(lesson(called, "wants True or False", repr(value), "Nothing was changed."))
        held = {key: _floats(t) for key, t in self._numbers.items()}
        assert self._check is not None
        self._check({**held, **self._flags, name: value})
        if name == "eps":
            refuse_lost(called, self.params, value)

    def _hold(self, name: str, value: Any) -> None:
        if self.asking and name == "lr":
            called, wanted = f"{self.asking}.step()", "asks its function what the learning rate is"
            got, where = (
                "the function has set it itself, by a step of a schedule or by hand",
                "Nothing was changed.",
            )
            raise RuntimeError(lesson(called, wanted, got, where, "a function that returns a number alone"))
        if value is None or isinstance(value, (bool, str)):
            self._flags[name] = value
            structure.changed()
        elif isinstance(value, (tuple, list)):
            old = self._numbers.get(name) or (None,) * len(value)
            new = tuple(self._held(name, t, number) for t, number in zip(old, value, strict=True))
            if any(a is not b for a, b in zip(old, new, strict=True)):
                self._numbers[name] = new
                structure.changed()  # which of them are None is what a formula decides by
        else:
            self._numbers[name] = self._held(name, self._numbers.get(name), value)

    def _held(self, name: str, tensor: Tensor | None, number: Any) -> Tensor | None:
        if name in self.optional or name in self.rounds:
            structure.changed()  # zero or not decides whether its term is computed at all, rounds how often
        if number is None:  # one of several, which the formula finds by itself
            return None
        if tensor is None:
            return Tensor(np.float64(number), name, requires_grad=False)
        assign(tensor, number if isinstance(number, Tensor) else np.float64(number))
        return tensor

    def structure(self) -> Any:
        """Return what decides which terms a recorded step holds; the numbers themselves may change freely."""
        zero_or_not = tuple(self.nonzero(name) for name in self.optional if name in self._numbers)
        rounds = tuple(_floats(self._numbers[name]) for name in self.rounds)
        several = [t for t in self._numbers.values() if isinstance(t, tuple)]
        missing = tuple(one is None for held in several for one in held)
        return tuple(id(p) for p in self.params), tuple(self._flags.items()), zero_or_not, rounds, missing

    def __delitem__(self, name: str) -> None:
        raise TypeError(lesson(f"del group[{name!r}]", "an option cannot be removed"))

    def __iter__(self) -> Iterator[str]:
        initial = ("initial_lr",) * (self.initial_lr is not None)
        return iter(("params", *self._numbers, *self._flags, *initial))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        names = ", ".join(f"{k}={v!r}" for k, v in self.items() if k != "params")
        return f"ParameterGroup({len(self.params)} parameters, {names})"

    def tensor(self, name: str) -> Tensor:
        """Return the Tensor that holds a number."""
        return self._numbers[name]  # type: ignore[no-any-return]

    def changing(self, names: tuple[str, ...]) -> Iterator[Tensor]:
        """Yield the Tensors of these numbers, and of what tells a schedule who has set the learning rate."""
        yield type(self).set_by_hand.tensor(self)
        for name in names:
            held = self._numbers.get(name)
            yield from (t for t in (held if isinstance(held, tuple) else (held,)) if t is not None)

    def deciding(self) -> list[Tensor]:
        """Return the Tensors of the numbers of which it decides what is computed whether they are 0."""
        return [self._numbers[name] for name in self.optional if name in self._numbers]

    def now(self, name: str) -> float:
        """Return the float that a number is at present, also while a step is recorded."""
        return float(self._numbers[name]._value)

    def nonzero(self, name: str) -> bool:
        """Tell whether a number's term is computed at all; this may be asked while a step is recorded."""
        return bool(self._numbers[name]._value != 0)

    def read(self) -> dict[str, Any]:
        """Return flags and numbers for a formula: floats, or what stands for them while a step is recorded.

        A number in `optional` that is 0 is the float 0.0 also then, so that its term is left out; one in
        `rounds` says how often something is done, and is a float always.
        """
        if mode.observer is None:
            return self._flags | {name: _floats(held) for name, held in self._numbers.items()}
        found = dict(self._flags)
        for name, held in self._numbers.items():
            certain = name in self.rounds or (name in self.optional and held._value == 0)
            found[name] = _floats(held) if certain else self[name]
        return found


@contextlib.contextmanager
def asking(groups: list[ParameterGroup], name: str) -> Iterator[None]:
    """Let nobody set these groups' learning rates meanwhile: what a schedule finds would be set over it.

    >>> group = ParameterGroup([], {"lr": 0.1}, ())
    >>> with asking([group], "LambdaLR"):
    ...     group["lr"] = 0.2  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    RuntimeError: LambdaLR.step(): asks its function what the learning rate is: ...
    """
    for group in groups:
        if group.asking:  # from within such a function: it would be asked by itself without an end
            group._hold("lr", None)
    try:
        for group in groups:
            group.asking = name
        yield
    finally:
        for group in groups:
            group.asking = ""


def working_dtype(dtype: Any) -> Any:
    """Return the dtype in which a parameter's step is computed and remembered: float32 for float16.

    The square of a gradient above 255 is infinite in float16, that of one below 2e-4 is 0.

    >>> working_dtype(np.dtype("float16")), working_dtype(np.dtype("float64"))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float32) if dtype.itemsize < 4 else dtype


def refuse_lost(called: str, params: Iterable[Tensor], eps: Any) -> None:
    """Raise ValueError for an `eps`, or one of several, that the arithmetic rounds to 0: 0 over 0 follows."""
    several = isinstance(eps, (tuple, list))
    numbers = [float(x) for x in (eps if several else (eps,)) if x is not None]
    for p in params:
        dtype = working_dtype(p.dtype)
        if any(x > 0 and dtype.type(x) == 0 for x in numbers):
            wanted, large = f"{dtype} rounds this to 0", "(1e-30, 1e-3)" if several else "1e-8"
            got, hint = f"{eps!r} for {describe(p)}", f"eps={large}, or model.double() and float64 data"
            raise ValueError(lesson(called, wanted, got, hint=hint))


def present(number: Any) -> bool:
    """Tell whether a number's term is to be computed: not where it is the float 0.0."""
    return number.__class__ is not float or number != 0.0


def _floats(held: Any) -> Any:
    if isinstance(held, tuple):
        return tuple(None if t is None else float(t._value) for t in held)
    return float(held._value)


def _read(held: Tensor | None) -> Any:
    return None if held is None else read_number(held)
