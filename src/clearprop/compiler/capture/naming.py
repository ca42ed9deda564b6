"""`type(x)` in a step that is recorded: of what stands for an array it is the array's class."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from clearprop.compiler.capture.mentions import only_calls
from clearprop.compiler.capture.stand_in import kind_of


class _TypeInStep:
    """What the user's code finds under the name `type` meanwhile; other threads find it as they know it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return kind_of(*args) if len(args) == 1 else type(*args, **kwargs)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, type)

    def __subclasscheck__(self, kind: Any) -> bool:
        return issubclass(kind, type)

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (type,)

    def __getattr__(self, name: str) -> Any:
        return getattr(type, name)


_IN_STEP = _TypeInStep()


@contextmanager
def answering(functions: Iterable[types.FunctionType]) -> Iterator[None]:
    """Let `type(x)` in these functions be what it is in an eager run, where they do no more than call it."""
    spaces: dict[int, dict[str, Any]] = {}
    others: set[int] = set()  # where `type` is something else, or more than called
    for f in functions:
        calls = only_calls(f.__code__, "type")
        if calls is not None:
            spaces[id(f.__globals__)] = f.__globals__
        if calls is False or "type" in f.__globals__:
            others.add(id(f.__globals__))
    chosen = [space for i, space in spaces.items() if i not in others]
    for space in chosen:
        space["type"] = _IN_STEP
    try:
        yield
    finally:
        for space in chosen:
            if space.get("type") is _IN_STEP:
                del space["type"]
