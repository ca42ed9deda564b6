"""What objects hold, without a word of their own code: what a class says of itself may be wrong, or raise.

A class of one's own may answer `__class__`, `__dict__`, `__iter__` or `values()` otherwise than its base.
Who looks at everything within reach of a step asks the base, so that nothing runs, hides or fails there.
"""

from __future__ import annotations

import functools
import gc
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

from clearprop.compiler.capture.kinds import once_a_class
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.capture.stand_in import StandIn
from clearprop.errors import first_line, lesson
from clearprop.tensor import Tensor

_BASES = (OrderedDict, dict, list, tuple, set, frozenset, deque)
_TENSORS = (Tensor, StandIn)
_WAYS = ("__iter__", "__len__", "keys", "values", "items")
_FIXED = (types.GetSetDescriptorType, types.MemberDescriptorType)


def is_a(x: Any, kinds: Any) -> bool:
    """Tell whether something is of these classes, whatever its `__class__` says.

    >>> import types, weakref
    >>> is_a([1], list), is_a(weakref.proxy(is_a), types.FunctionType)
    (True, False)
    """
    return issubclass(type(x), kinds)


def is_tensor(x: Any) -> bool:
    """Tell whether something is a Tensor, or stands for an array."""
    return issubclass(type(x), _TENSORS)


def attributes(x: Any) -> dict[str, Any] | None:
    """Return the dict of an object's attributes, None where it has none.

    Raises RecordingError where only its own code could tell, and that fails.

    >>> attributes(types.SimpleNamespace(a=1)), attributes(1.5)
    ({'a': 1}, None)
    """
    kind: Any = type(x)
    found = where_kept(kind)
    if found is None:
        return None
    if isinstance(found, _FIXED) and issubclass(kind, found.__objclass__):
        return found.__get__(x)  # type: ignore[no-any-return]
    return _told(x)  # or its class has other bases since


@once_a_class
def where_kept(kind: Any) -> Any:
    """Return what finds the attributes of the objects of a class, None where they have none."""
    return next((vars(base)["__dict__"] for base in kind.__mro__ if "__dict__" in vars(base)), None)


def _told(x: Any) -> dict[str, Any] | None:
    """What an object says that its attributes are."""
    try:
        found = x.__dict__
    except Exception as error:  # whatever a user's property raises
        raise RecordingError(
            lesson(
                "compile(step)",
                "what the step can reach is watched, and the attributes of an object there cannot be",
                f"a {type(x).__name__} whose __dict__ raises {type(error).__name__} ({first_line(error)})",
                hint="passing what the step reads of it as arguments, so that it is out of reach",
            )
        ) from error
    return found if type(found) is dict else None


def slot(x: Any, name: str) -> Any:
    """Return what an object holds in a slot; raises AttributeError where it is empty."""
    for base in type(x).__mro__:
        found = vars(base).get(name)
        if isinstance(found, types.MemberDescriptorType):
            return found.__get__(x)
    raise AttributeError(name)


def module_of(kind: Any) -> str:
    """Return the name of the module of a class, '' where it has none."""
    name = kind.__module__
    return name if isinstance(name, str) else ""


def referent(x: Any) -> Any:
    """Return what a weak proxy stands for, None where it has gone."""
    try:
        return x.__repr__.__self__
    except (ReferenceError, AttributeError):
        return None


def base_of(x: Any) -> Any:
    """Return the class of Python's whose entries an object holds."""
    return next((base for base in _BASES if issubclass(type(x), base)), type(x))


def entries(x: Any) -> list[Any]:
    """Return what a container holds: the values of a dict, the members of a list.

    >>> class Shy(list):
    ...     def __iter__(self):
    ...         raise ValueError("not now")
    >>> entries(Shy([1, 2]))
    [1, 2]
    """
    return list(held_in(x))


def copied(x: Any) -> Any:
    """Return a plain list or dict with the entries of a container."""
    if not issubclass(type(x), (dict, types.MappingProxyType)):
        return entries(x)
    kind: Any = type(x)
    return dict(base_of(x).items(x) if _has_ways(kind) else x)


class Plainly:
    """The entries of a container whose class goes through them in its own way, or its keys."""

    def __init__(self, held: Any, keys: bool) -> None:
        self.held, self.base, self.keys = held, base_of(held), keys

    def __iter__(self) -> Iterator[Any]:
        if issubclass(self.base, dict):
            view = self.base.keys(self.held) if self.keys else self.base.values(self.held)
            return iter(view)
        return self.base.__iter__(self.held)  # type: ignore[no-any-return]


def held_in(x: Any) -> Any:
    """Return what goes through the entries of a container each time that it is asked."""
    kind: Any = type(x)
    if _has_ways(kind):
        return Plainly(x, False)
    return x.values() if issubclass(type(x), (dict, types.MappingProxyType)) else x


def keys_of(x: Any) -> Any:
    """Return what goes through the keys of a dict each time that it is asked."""
    kind: Any = type(x)
    return Plainly(x, True) if _has_ways(kind) else x


@once_a_class
def _has_ways(kind: Any) -> bool:
    """Whether a class goes through its entries otherwise than the class of Python's that it is made of."""
    base = next((base for base in _BASES if issubclass(kind, base)), kind)
    return any(getattr(kind, name, None) is not getattr(base, name, None) for name in _WAYS)


def holds_stand_in(x: Any, known: Callable[[Any], bool], limit: int = 10_000) -> bool:
    """Tell whether what stands for an array lies in something, by entries, attributes and variables.

    What was `known` before is not looked into, nor is more than a `limit` of things.
    """
    stack, seen = [x], set[int]()
    while stack and len(seen) < limit:
        y = stack.pop()
        if id(y) in seen or known(y) or is_a(y, (str, bytes, Tensor, type, types.ModuleType)):
            continue
        seen.add(id(y))
        if is_a(y, StandIn):
            return True
        if is_a(y, _BASES):
            stack += entries(y)
        elif is_a(y, types.FunctionType):
            stack += [y.__closure__, y.__defaults__]
        elif is_a(y, (types.CellType, types.MethodType, functools.partial)):
            stack += gc.get_referents(y)
        else:
            stack += (attributes(y) or {}).values()
    return False
