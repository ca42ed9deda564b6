"""What a recording refuses, with the line and the way out; what the step catches is raised at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop.compiler.capture.kinds import odd, refused
from clearprop.compiler.capture.stand_in import StandIn, stands_for_array
from clearprop.errors import at_line, first_line, inside, lesson
from clearprop.modes import Observer
from clearprop.op import describe
from clearprop.sharing import array_wanted, float_kept
from clearprop.tensor import STORE, Tensor

_HINTS = {
    "bool(t)": "np.where(condition, a, b) instead of `if`, or the decision outside of the step",
    "np.asarray(t)": "array functions on the Tensor, without np.asarray; Tensor(a)[t], not np.take(a, t)",
    "index(t)": "Tensor(a)[t] in place of a[t] of an array, or the number outside of the step",
    "str(t)": "returning it from the step, and printing what was returned",
    "format(t)": "returning it from the step, and printing what was returned",
}
_OUTSIDE = "the Tensor itself inside the step, and its value after the step has returned"


class RecordingError(RuntimeError):
    """A step that cannot be written down as one program; the message says where and what to do.

    >>> import numpy as np
    >>> from clearprop.compiler import RecordingError, compile
    >>> step = compile(lambda x: x if x > 0 else -x)
    >>> try:
    ...     step(np.float64(1.0))
    ... except RecordingError as error:
    ...     print("cannot ask for bool(t)" in str(error))
    True
    """


class ArrayError(RecordingError, TypeError):
    """An array whose class or entries mean something else than a plain one's."""


class Refusals(Observer):
    """Keeps the first refusal of a run: an `except` around it would choose a branch for all later calls."""

    def __init__(self) -> None:
        self.refused: RecordingError | None = None

    def refuse(self, wanted: str, got: str = "", hint: str = "") -> RecordingError:
        """Return the error to be raised, with the line of the user's that is running."""
        error = RecordingError(lesson("compile(step)", wanted, got, at_line(), hint))
        self.refused = self.refused or error
        return error

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Refuse: what Python does with a number cannot be part of the program.

        Only a message of the library's own may show a Tensor.
        """
        if asked in ("str(t)", "format(t)") and inside(sys._getframe(2)):
            return
        kept = _kept(asked)
        if kept is not None:
            wanted = f"{kept[0]} would keep this call's numbers only, in an array of NumPy's own"
            raise self.refuse(wanted, f"t of {tensor.shape} {tensor.dtype}", kept[1])
        name = f"'{tensor.name}' " if tensor.name else ""
        what = f"computed by {tensor.op.name}" if tensor.op is not None else "an input of the step"
        raise self.refuse(
            f"a recorded step cannot ask for {asked}: Python would see this call's number only",
            f"of {name}{tensor.shape} {tensor.dtype}, {what}",
            _HINTS.get(asked, _OUTSIDE),
        )

    def array_of(self, value: Any, requires_grad: bool | None) -> Any:
        """Let `Tensor(x)` of an argument pass, where no change of dtype hides of which it is."""
        if not isinstance(value, Tensor) or value.requires_grad or not isinstance(value._value, np.ndarray):
            return value
        known = value.dtype.kind in "fc" or (requires_grad is not None and not requires_grad)
        return value._value if known else value

    def no_attribute(self, x: Any, name: str, thing: str = "an array", cure: str = "") -> None:
        """Refuse an attribute that arrays have and Tensors lack: `hasattr` would say no, an eager run yes."""
        cure = cure or f"np.{name}(x), if it is in clearprop.registry.numpy_functions"
        wanted = f"a recorded step cannot ask {thing} for .{name}"
        raise self.refuse(wanted, f"of {describe(x)}", f"{cure}, or .{name} outside of the step")

    def refuse_odd(self, x: Any) -> None:
        """Refuse an array that a plan would take for a plain one; others pass."""
        if why := odd(x):
            error = ArrayError(refused(x, "compile(step)", why))
            self.refused = self.refused or error
            raise error

    def by_values(self, name: str) -> None:
        """Refuse a function whose result has a shape that depends on values."""
        raise self.refuse(
            f"a program's shapes are fixed, and that of np.{name} depends on values",
            "",
            "np.where(mask, x, 0), which keeps x's shape, or x[mask]: its sum and mean suit every count",
        )

    def by_memory(self, name: str) -> None:
        """Refuse to say which arrays share their memory: those of later calls are others."""
        raise self.refuse(
            f"np.{name} asks where this call's arrays lie, and later ones lie elsewhere",
            "",
            "asking outside of the step, and passing the answer",
        )

    def in_place(self, x: Any, sign: str, hint: str) -> None:
        """Refuse what would change an array whose contents others see."""
        raise self.refuse(f"{sign} changes an array in place, which later calls would not", describe(x), hint)

    def also_refused(self, error: Exception, things: Iterable[Any]) -> Exception:
        """Return the error to be raised where Tensors have no rule: for arrays alone, NumPy has an answer."""
        found = list(_tensors(things))
        if not all(map(stands_for_array, found)):
            return error
        lines = str(error).split("\n")
        hint = lines[-1].removeprefix("  Try ") if "\n" in str(error) else _OUTSIDE
        return self.refuse(f"a recorded step cannot do this with an array: {lines[0].rstrip('.')}", "", hint)


def seen_through(error: Exception) -> RecordingError | None:
    """Return the refusal where an error of another's names what stands for an array; None where it does not.

    What has no attribute is left: such an array says so, too.
    """
    if StandIn.__name__ not in str(error) or isinstance(error, AttributeError):
        return None
    wanted = "a recorded step cannot do this with an array, whose place something else has meanwhile"
    where, trace = "", error.__traceback__
    while trace is not None:
        if not inside(trace.tb_frame):
            where = f"At {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}."
        trace = trace.tb_next
    return RecordingError(lesson("compile(step)", wanted, first_line(error), where, _OUTSIDE))


def _kept(asked: str) -> tuple[str, str] | None:
    """Return how the user's line keeps in an array what it asks for, and what to write; None elsewhere."""
    looks = {"float(t)": float_kept, "np.asarray(t)": array_wanted}.get(asked)
    frame: Any = sys._getframe(2)
    while frame is not None and inside(frame):
        frame = frame.f_back
    found = looks(frame, STORE, False) if looks is not None and frame is not None else None
    return None if found is None or found[0] == asked else found


def _tensors(x: Any) -> Iterable[Tensor]:
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, (tuple, list, dict)):
        for y in x.values() if isinstance(x, dict) else x:
            yield from _tensors(y)
