"""Errors as small lessons: what was called, what it wanted, what it got, where, and what to try."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

_PACKAGE = os.path.dirname(__file__)  # pathlib would be a tenth of what importing clearprop costs

_INSTALLED = ("site-packages", "dist-packages")


class GradientError(ArithmeticError):
    """A gradient that was checked and found wrong, or that cannot be computed as asked."""


class RerunError(GradientError):
    """A gradient for which the rest of the function would have to be run again, where it cannot be.

    A call of the function as it is written may find it: a compiled step makes that call.
    """


class InputError(ValueError):
    """What a person typed or a file they named cannot be used; the command line exits with status 2."""


class UnwritableError(InputError, OSError):
    """A file cannot be written, or would take the place of one that a person may miss."""


class Lesson(str):
    """The text of an error in its five parts: what catches an error sees that nothing is to be added."""

    __slots__ = ()


def lesson(called: str, wanted: str, got: str = "", where: str = "", hint: str = "") -> Lesson:
    """Return the text of an error in its five parts; empty parts are left out.

    >>> print(lesson("Linear(x)", "wants 20 features", "x has 21", "x is 'batch' (input).", "Linear(21, 32)"))
    Linear(x): wants 20 features: x has 21.
      x is 'batch' (input).
      Try Linear(21, 32).
    """
    head = f"{called}: {wanted}" + (f": {got}" if got else "")
    lines = [head.rstrip(".") + "."]
    if where:
        lines.append("  " + where)
    if hint:
        lines.append(f"  Try {hint.rstrip('.')}.")
    return Lesson("\n".join(lines))


def whole(text: Lesson, form: str = "") -> Lesson:
    """Return a lesson with the parts that it lacks: where it was called, and how it is called.

    >>> print(whole(lesson("torch.t(x)", "wants a matrix"), "torch.t(input)"))  # doctest: +ELLIPSIS
    torch.t(x): wants a matrix.
      At ...
      Try torch.t(input).
    """
    lines = text.split("\n")
    where = at_line()
    if where and "\n  At " not in text:
        lines.insert(1, f"  {where}")
    if form and "\n  Try " not in text:
        lines.append(f"  Try {form}.")
    return Lesson("\n".join(lines))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without its full stop; its class where it says nothing.

    >>> first_line(ValueError("no such axis.\\nSee the guide.")), first_line(MemoryError())
    ('no such axis', 'MemoryError')
    """
    return str(error).strip().partition("\n")[0].strip().rstrip(".") or type(error).__name__


def taught(error: Exception) -> bool:
    """Tell whether an error already says what was called, wanted and got, or is to stay as it is: see `own`.

    >>> taught(ValueError("too short")), taught(ValueError(lesson("f(x)", "wants more")))
    (False, True)
    """
    return (bool(error.args) and isinstance(error.args[0], Lesson)) or "is_own" in vars(error)


def own(error: Exception) -> Exception:
    """Return an error that a person's own function has raised, which nothing else is to be said about.

    >>> taught(own(IndexError("list index out of range")))
    True
    """
    vars(error)["is_own"] = True
    return error


def behind(error: BaseException) -> BaseException:
    """Return the lesson that NumPy has put words of its own before, else the error itself.

    `array[i] = t` asks for a float, and what that raises becomes the cause of a ValueError about sequences.

    >>> numpys = ValueError("setting an array element with a sequence.")
    >>> numpys.__cause__ = TypeError(lesson("array[i] = t", "would drop the gradient"))
    >>> behind(numpys)
    TypeError('array[i] = t: would drop the gradient.')
    """
    cause = error.__cause__
    if isinstance(error, ValueError) and isinstance(cause, Exception) and not taught(error) and taught(cause):
        return cause
    return error


def inside(frame: FrameType) -> bool:
    """Tell whether a frame runs code of this package."""
    return frame.f_code.co_filename.startswith(_PACKAGE)


def of_this_package(x: Any) -> bool:
    """Tell whether a function or a class is the package's; what `exec` makes of a text may have no module.

    >>> of_this_package(lesson), of_this_package(dict)
    (True, False)
    """
    return (x.__module__ or "").startswith("clearprop.")


def user_line() -> str:
    """Return `file:line` of the nearest caller outside this package ('' where there is none).

    Installed packages that call on the user's behalf, as a plotting library does, are passed over, unless
    nobody is behind them.
    """
    frame: FrameType | None = sys._getframe(1)
    nearest = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PACKAGE):
            nearest = nearest or f"{name}:{frame.f_lineno}"
            if not any(folder in name for folder in _INSTALLED):
                return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return nearest


def at_line() -> str:
    """Return the user's line as a sentence, the place of a lesson ('' where there is none)."""
    line = user_line()
    return f"At {line}." if line else ""
