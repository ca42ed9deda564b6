"""What notes the attributes that a run reads of an object that has many: methods of its class, for a time.

Nothing can stand for an object whose methods are to find themselves in `self`. So its class is given a
`__getattribute__` while the step is recorded, which tells what is asked for before it answers; C code asks it
as well (`vars`, `copy.copy`, `operator.attrgetter`). Whatever sets or deletes an attribute has read them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearprop.compiler.capture.tables import LargeTables

_WHOLE = frozenset({"__dict__", "__getstate__", "__reduce__", "__reduce_ex__", "__copy__", "__deepcopy__"})
PAST = frozenset({"__getattribute__", "__setattr__", "__delattr__", "__reduce__", "__reduce_ex__"})
"""What code names that may ask an object past its class."""
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # flags of a type, as CPython's `object.h` has them
_OWN: tuple[Any, ...] = (object.__getattribute__, object.__setattr__, object.__delattr__)
_NAMES = ("__getattribute__", "__setattr__", "__delattr__")


def can_note(kind: type) -> bool:
    """Tell whether the class of an object can note what is asked of it: it answers as `object` does.

    >>> can_note(type("Settings", (), {})), can_note(int)
    (True, False)
    """
    flags = kind.__flags__
    if not flags & _HEAP or flags & _IMMUTABLE:
        return False
    asked = [getattr(kind, name) for name in _NAMES]
    return all(f is own or isinstance(f, _Noting) for f, own in zip(asked, _OWN, strict=True))


class _Noting:
    """A method that notes, then does what `object` does."""

    def __init__(self, tables: LargeTables, own: Callable[..., Any]) -> None:
        self.tables, self.own = tables, own

    def __get__(self, x: Any, kind: type | None = None) -> Any:
        return self if x is None else lambda name, *value: self.answer(x, name, *value)

    def answer(self, x: Any, name: str, *value: Any) -> Any:
        """Note what is asked of an object with many attributes, and answer."""
        attributes = object.__getattribute__(x, "__dict__")
        if id(attributes) in self.tables.known:
            if name in _WHOLE or self.own is not object.__getattribute__:
                self.tables.opened(attributes)
            else:
                self.tables.read(attributes, name)
        return self.own(x, name, *value)


class NotingClasses:
    """The classes that note what is asked of their objects, while a step is recorded."""

    def __init__(self, tables: LargeTables) -> None:
        self._methods = [(name, _Noting(tables, own)) for name, own in zip(_NAMES, _OWN, strict=True)]
        self.kinds: dict[type, None] = {}

    def start(self, kinds: dict[type, None]) -> None:
        """Let those of the classes note that do not yet."""
        for kind in [kind for kind in kinds if kind not in self.kinds]:
            self.kinds[kind] = None
            for name, method in self._methods:
                type.__setattr__(kind, name, method)

    def stop(self) -> None:
        """Give each class back what it was."""
        for kind in self.kinds:
            for name, _ in self._methods:
                type.__delattr__(kind, name)
        self.kinds.clear()
