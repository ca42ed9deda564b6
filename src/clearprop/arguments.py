"""What an argument has to be, as its annotation says: asked when objects are made, not when they compute."""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from clearprop.advice import of_value
from clearprop.errors import at_line, lesson

_NO_NUMBERS = ("c", "S", "U", "m", "M")
"""The kinds of dtypes that float() takes, or takes for text, and that are off the real line."""

_NUMBER = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?")


class ArgumentError(TypeError, ValueError):
    """An argument of another kind than is wanted: a TypeError as PyTorch's, a ValueError as NumPy's."""


def is_whole(x: Any) -> bool:
    """Tell whether a value is a whole number: an integer of Python, NumPy or whoever, and no truth value.

    >>> import numpy as np
    >>> is_whole(3), is_whole(np.array(3)), is_whole(3.0), is_whole(np.array([3])), is_whole(True)
    (True, True, False, False, False)
    """
    if isinstance(x, bool):
        return False
    if not hasattr(type(x), "__index__"):
        return False
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind is not None:
        return kind in "iu" and not x.ndim
    try:
        operator.index(x)
    except TypeError:  # as PyTorch's tensor of 2.5, whose dtype has no kind, says
        return False
    return True


def is_number(x: Any) -> bool:
    """Tell whether a value is one number: what float() takes, and no text or array with axes.

    >>> import numpy as np
    >>> is_number(0.5), is_number(np.array(0.5)), is_number("0.5"), is_number(np.array([0.5]))
    (True, True, False, False)
    """
    if not hasattr(type(x), "__float__"):
        return False
    if getattr(getattr(x, "dtype", None), "kind", "") in _NO_NUMBERS:
        return False
    return not getattr(x, "ndim", 0)


def _is_optimizer(x: Any) -> bool:
    return hasattr(x, "param_groups")


class _KindOfArgument(NamedTuple):
    word: str
    fits: Callable[[Any], bool]
    example: str = ""


_KINDS = {
    "int": _KindOfArgument("a whole number", is_whole),
    "float": _KindOfArgument("a number", is_number),
    "Optimizer": _KindOfArgument(
        "an optimizer",
        _is_optimizer,
        "clearprop.optim.SGD(model.parameters(), lr=0.1)",
    ),
}
"""By the annotation."""


def refuse_other_kinds(made: type, parameters: Mapping[str, inspect.Parameter], given: Any) -> None:
    """Raise ArgumentError for the first of the given arguments that is not what its annotation says.

    An optimizer knows its numbers' `limits`, and looks at them itself.

    >>> def f(size, share=None): pass
    >>> f.__annotations__ = {"size": "int", "share": "float | None"}
    >>> refuse_other_kinds(dict, inspect.signature(f).parameters, {"size": 2.5})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    clearprop.arguments.ArgumentError: dict(size=): wants size as a whole number: 2.5.
      At ...
    """
    for name, value in given.items():
        parameter = parameters.get(name)
        if parameter is None or value is parameter.default:
            continue
        word, _, other = str(parameter.annotation).partition(" | ")
        if word == "float" and hasattr(made, "limits"):
            continue
        kind = _KINDS.get(word)
        if kind is None or other not in ("", "None"):
            continue
        if kind.fits(value) or (other and value is None):
            continue
        wanted = f"wants {name} as {kind.word}"
        if other:
            wanted += " or None"
        hint = kind.example or _to_try(made, name, value)
        called = f"{made.__name__}({name}=)"
        raise ArgumentError(
            lesson(
                called,
                wanted,
                f"{value!r:.60}",
                at_line(),
                hint,
            )
        )


def _to_try(made: type, name: str, value: Any) -> str:
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return f"{name}={text}, without quotes"
    return example_of(made) or of_value(value)


def example_of(made: Any) -> str:
    """Return the first call of a function or class that its docstring shows; "" where it shows none.

    >>> def half(x):
    ...     ">>> 2 * half(half(3.0))"
    >>> example_of(half)
    'half(half(3.0))'
    """
    documented = next(
        (c for c in getattr(made, "__mro__", [made]) if c.__doc__),
        None,
    )
    if documented is None:
        return ""
    typed = _typed(documented.__doc__.splitlines())
    text = "\n".join(typed)
    start = text.find(f"{documented.__name__}(")
    if start < 0:
        return ""
    depth = 0
    for end, character in enumerate(text[start:], start + 1):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if not depth:
                return " ".join(text[start:end].split())
    return ""


def _typed(lines: Iterable[str]) -> Iterable[str]:
    """Yield what a reader of a docstring would type."""
    for line in lines:
        mark, _, code = line.strip().partition(" ")
        if mark in (">>>", "..."):
            yield code
