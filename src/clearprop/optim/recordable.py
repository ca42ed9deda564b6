"""What schedules count, held in Tensors: so their steps may stand inside a recorded one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from clearprop import structure
from clearprop.define import define
from clearprop.errors import at_line, lesson, own
from clearprop.facts import Facts
from clearprop.modes import mode, observed
from clearprop.record import assign, hand_over, read, read_number
from clearprop.tensor import Tensor


class HeldNumber:
    """An attribute that is one number, in a Tensor of its own: `kind` makes what a reader gets of a float.

    >>> class Turns:
    ...     done = HeldNumber()
    >>> turns = Turns()
    >>> turns.done = 2
    >>> turns.done += 1
    >>> turns.done
    3
    """

    def __init__(self, kind: Callable[[Any], Any] = int) -> None:
        self.kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self.name: str = name
        self.place: str = f"_{name}_held"

    def __get__(self, holder: Any, owner: Any = None) -> Any:
        if holder is None:
            return self
        number = read_number(self.tensor(holder))
        return self.kind(number) if number.__class__ is float else number

    def __set__(self, holder: Any, value: Any) -> None:
        held = holder.__dict__.get(self.place)
        if held is None:
            holder.__dict__[self.place] = Tensor(np.float64(value), self.name, requires_grad=False)
        else:
            assign(held, value if isinstance(value, Tensor) else np.float64(value))

    def tensor(self, holder: Any) -> Tensor:
        """Return the Tensor that holds it."""
        try:
            return holder.__dict__[self.place]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"{type(holder).__name__} has no {self.name} yet") from None


class HeldNumbers(HeldNumber):
    """An attribute that is a list of numbers, one for each group: an entry may be set, too."""

    def __get__(self, holder: Any, owner: Any = None) -> Any:
        return self if holder is None else _NumberList(self.tensor(holder))

    def __set__(self, holder: Any, value: Iterable[Any]) -> None:
        held, new = holder.__dict__.get(self.place), np.array(value, np.float64)
        if held is None or held.shape != new.shape:
            holder.__dict__[self.place] = Tensor(new, self.name, requires_grad=False)
        else:
            hand_over(held, new)


class HeldLists(HeldNumbers):
    """An attribute that is a few such lists: copies of what is held, which is set as a whole."""

    def __get__(self, holder: Any, owner: Any = None) -> Any:
        return self if holder is None else self.tensor(holder)._value.tolist()


class _NumberList(list[Any]):
    """The numbers that a Tensor holds, as a list that gives the Tensor what is set in it."""

    def __init__(self, held: Tensor) -> None:
        array = read(held)
        super().__init__(map(read_number, array) if isinstance(array, Tensor) else array.tolist())
        self.held = held

    def __setitem__(self, i: Any, value: Any) -> None:
        refuse_recording("setting one of several numbers of a schedule", "between two calls")
        super().__setitem__(i, value)
        hand_over(self.held, np.array(self, np.float64))


class Advance:
    """A schedule's step as a function: what its Tensors hold goes in, and out comes what they would hold.

    The very lines of the eager step run, on the Tensors themselves, which then get back what they held. Where
    other terms than in the recording would be computed after it, since a momentum has become 0, `Changed` is
    raised.
    """

    def __init__(self, step: Callable[..., Any], schedule: Any, tensors: list[Tensor]) -> None:
        self.step: Callable[..., Any] = step
        self.schedule: Any = schedule
        self.tensors: list[Tensor] = tensors
        deciding = set(schedule.optimizer.deciding())
        self.deciding: list[Tensor] = [t for t in tensors if t in deciding]
        self.after: Any = None

    def __repr__(self) -> str:
        return f"<{self.step.__qualname__} of schedule {id(self.schedule)}>"  # the same in two recordings

    def __call__(self, *given: Any) -> Any:
        tensors = self.tensors
        numbers, rest = given[: len(tensors)], given[len(tensors) :]
        before = [t._value for t in tensors]
        try:
            for t, x in zip(tensors, numbers, strict=True):
                t._value = x if isinstance(x, np.generic) else np.array(x)[()]
            with observed(None):
                self.step(self.schedule, *rest)
            after = [bool(t._value) for t in self.deciding]
            if self.after not in (None, after):
                raise structure.Changed("a schedule has set a number to 0, or one that was 0 to another")
            self.after = after
            return np.concatenate([np.ravel(t._value) for t in tensors])
        except (IndexError, ValueError, TypeError) as error:
            own(error)  # which an op's run would put its own words before
            raise
        finally:
            for t, x in zip(tensors, before, strict=True):
                t._value = x


@define(
    "schedule_step", "opaque", arity=None, facts=Facts(kinks=False), examples=((((2,),), {"by": np.array}),)
)
def schedule_step(*given: Any, by: Any = None) -> Any:
    """Return what a schedule's numbers are after its step, which `by` takes: see `Advance`."""
    return by(*given)


def refuse_recording(what: str, hint: str) -> None:
    """Raise the recorder's error, where somebody records, for what a recorded step would not repeat."""
    if mode.observer is not None and mode.observer.records:
        wanted = f"{what} happens in Python, which a compiled step does not repeat"
        raise mode.observer.refuse(wanted, "", hint)


def recordable(step: Callable[..., Any]) -> Callable[..., Any]:
    """Let a schedule's step be written down, as one op, while somebody records.

    A step that ends in an error, which a person's function may raise, has counted and set nothing.
    """

    @functools.wraps(step)
    def either(schedule: Any, *metrics: Any) -> None:
        observer = mode.observer
        if observer is not None and observer.repeats:
            called, wanted = f"{type(schedule).__name__}.step()", "counts once in the body of a scan"
            hint = "schedule.step() after the scan, or a loop in Python"
            raise RuntimeError(lesson(called, wanted, "one for all of its turns", at_line(), hint))
        if observer is None or not observer.records:
            before = [(t, np.array(t._value)[()]) for t in schedule.changing()]
            try:
                step(schedule, *metrics)
            except Exception:
                for t, held in before:
                    assign(t, held)
                structure.changed()  # a momentum may have become 0, or another
                raise
            return
        tensors = list(dict.fromkeys(schedule.changing()))
        new = schedule_step(*map(read, tensors), *metrics, by=Advance(step, schedule, tensors))
        begin = 0
        for t in tensors:
            hand_over(t, new[begin : begin + t.size].reshape(t.shape))
            begin += t.size

    return either
