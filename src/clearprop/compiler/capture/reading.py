"""What stands for a large table while a step is recorded: it notes what the run reads.

A stand-in has the class of its table but not its type, and none of its entries: C code that wants a dict or a
list asks it like anything else, or refuses it by an error that nobody can overlook. Then the run is repeated
with the tables themselves in place; so it is from the start where code is in reach that nobody has looked at,
for that may ask for a type. Other threads find what they would find in the table.
"""

from __future__ import annotations

import copy
import functools
import operator
import os
import threading
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from clearprop.compiler.capture.tables import LargeTables

standing: Any = threading.RLock()  # held while stand-ins are in place, and by who must see tables as they are
if hasattr(os, "register_at_fork"):  # a child must not find stand-ins of a thread that it does not have
    os.register_at_fork(
        before=standing.acquire, after_in_parent=standing.release, after_in_child=standing.release
    )
_originals: dict[int, tuple[Any, Any]] = {}  # tuples that hold stand-ins, and what they stand for
ASKING = {"type": type, "id": id}  # what code calls that tells a stand-in from its table


def _whole(name: str) -> Callable[..., Any]:
    """Return a method that looks at the table as a whole, or changes it."""

    def method(self: Any, *args: Any) -> Any:
        held = opened(self)
        own = getattr(type(held), name, None)
        if own is None:  # a tuple has no `+=`
            return NotImplemented
        found = own(held, *map(opened, args))
        return self if found is held else found

    return method


def _look_whole(kind: type, names: str) -> None:
    """Give a class methods that look at the table as a whole."""
    for name in names.split():
        setattr(kind, name, _whole(name))


class StandInForTable:
    """What all of them have in common."""

    __slots__ = ("_held", "_tables")
    _held: Any
    _tables: LargeTables

    def __init__(self, held: Any, tables: LargeTables) -> None:
        object.__setattr__(self, "_held", held)
        object.__setattr__(self, "_tables", tables)

    def __getattribute__(self, name: str) -> Any:
        held, tables = object.__getattribute__(self, "_held"), object.__getattribute__(self, "_tables")
        if name == "__class__":
            return type(held)
        if name == "get" and isinstance(held, (dict, types.MappingProxyType)):
            return functools.partial(_get, self, tables)
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        return getattr(opened(self), name)

    def __len__(self) -> int:
        held, tables = about(self)
        tables.measured(held)
        return len(held)

    def __copy__(self) -> Any:
        return copy.copy(opened(self))

    def __deepcopy__(self, memo: Any) -> Any:
        return copy.deepcopy(opened(self), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return opened(self).__reduce_ex__(protocol)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # a dict is no sequence there
        held = opened(self)
        return held if isinstance(held, np.ndarray) and dtype is None and not copy else np.array(held, dtype)

    __hash__: Any = None


_look_whole(
    StandInForTable,
    "__iter__ __eq__ __ne__ __repr__ __str__ __lt__ __le__ __gt__ __ge__ __format__",
)


@MutableMapping.register
class StandInForDict(StandInForTable):
    """Notes the keys that are asked for."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        held, tables = about(self)
        hash(key)
        if isinstance(held, defaultdict) and key not in held:
            tables.opened(held)  # it makes the entry
        tables.read(held, key)
        return stand_in(held[key], tables)

    def __contains__(self, key: Any) -> bool:
        held, tables = about(self)
        hash(key)
        tables.read(held, key)
        return key in held


_look_whole(StandInForDict, "__setitem__ __delitem__ __reversed__ __or__ __ror__ __ior__")


@Sequence.register
class StandInForTuple(StandInForTable):
    """Notes the places that are asked for."""

    __slots__ = ()

    def __getitem__(self, place: Any) -> Any:
        held, tables = about(self)
        if not isinstance(place, slice):
            i = operator.index(place)
            tables.read(held, i)
            return stand_in(held[i], tables)
        tables.measured(held)
        held[:0]  # a deque has no parts
        return type(held)(self[i] for i in range(*place.indices(len(held))))

    __hash__: Any = _whole("__hash__")

    def __radd__(self, other: Any) -> Any:
        return opened(other) + opened(self)


_look_whole(StandInForTuple, "__contains__ __add__ __mul__ __rmul__")


@MutableSequence.register
class StandInForList(StandInForTuple):
    """Can be changed besides."""

    __slots__ = ()

    __hash__ = None


_look_whole(StandInForList, "__setitem__ __delitem__ __reversed__ __iadd__ __imul__")


class StandInForNamespace(StandInForTable):
    """Notes the attributes that are asked for."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        held, tables = about(self)
        if name == "__class__":
            return type(held)
        if name.startswith("__"):
            return getattr(opened(self), name)
        tables.read(held, name)
        return stand_in(getattr(held, name), tables)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(opened(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(opened(self), name)

    def __bool__(self) -> bool:
        return True


class StandInForFrozenset(StandInForTable):
    """Notes what is looked for."""

    __slots__ = ()

    def __contains__(self, x: Any) -> bool:
        held, tables = about(self)
        if x.__hash__ is None:  # a set looks for the frozenset of it
            return x in opened(self)
        tables.read(held, x)
        return x in held

    def __iter__(self) -> Any:
        held, tables = about(self)
        tables.listed(held)
        return (stand_in(x, tables) for x in held)

    __hash__: Any = _whole("__hash__")


_look_whole(StandInForFrozenset, "__and__ __rand__ __or__ __ror__ __sub__ __rsub__ __xor__ __rxor__")


class StandInForSet(StandInForFrozenset):
    """Can be changed besides."""

    __slots__ = ()

    __hash__ = None


_look_whole(StandInForSet, "__iand__ __ior__ __isub__ __ixor__")


class StandInForObjects(StandInForTable):
    """Notes the places of an array of objects that are asked for."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        held, tables = about(self)
        if name in ("shape", "size", "ndim"):
            tables.measured(held)
            return getattr(held, name)
        return super().__getattribute__(name)

    def __getitem__(self, place: Any) -> Any:
        held, tables = about(self)
        places = place if type(place) is tuple else (place,)
        one = len(places) == held.ndim and all(map(_is_index, places))
        if not one:
            return opened(self)[original(place)]
        key = tuple(map(operator.index, places))
        tables.measured(held)
        found = held[key]
        tables.read(held, key)
        return stand_in(found, tables)


_look_whole(StandInForObjects, "__contains__ __setitem__ __bool__ __int__ __float__ __complex__ __index__")
_look_whole(StandInForObjects, "__neg__ __pos__ __abs__ __invert__")
_OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "divmod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]
_look_whole(StandInForObjects, " ".join(f"__{way}{name}__" for name in _OPERATORS for way in ("", "r", "i")))


def _is_index(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def _get(x: StandInForTable, tables: LargeTables, key: Any, default: Any = None, /) -> Any:
    held = about(x)[0]
    hash(key)
    tables.read(held, key)
    return stand_in(held.get(key, default), tables)


_KINDS: dict[type, type[StandInForTable]] = {
    dict: StandInForDict,
    OrderedDict: StandInForDict,
    defaultdict: StandInForDict,
    Counter: StandInForDict,
    list: StandInForList,
    deque: StandInForList,
    types.SimpleNamespace: StandInForNamespace,
    types.MappingProxyType: StandInForDict,
    np.ndarray: StandInForObjects,
    tuple: StandInForTuple,
    set: StandInForSet,
    frozenset: StandInForFrozenset,
}


def about(x: StandInForTable) -> tuple[Any, LargeTables]:
    """Return the table that something stands for, and who is told what is read of it."""
    return object.__getattribute__(x, "_held"), object.__getattribute__(x, "_tables")


def original(x: Any) -> Any:
    """Return the table that something stands for, or the tuple; anything else itself."""
    if stands(x):
        return about(x)[0]
    return _originals[id(x)][1] if id(x) in _originals else x


def stands(x: Any) -> bool:
    """Tell whether something stands for a table."""
    return issubclass(type(x), StandInForTable)


def forget() -> None:
    """Forget which tuples others have stood for: nobody has one of these any more."""
    _originals.clear()


def opened(x: Any) -> Any:
    """Return the table that something stands for, all of which is read now; anything else itself."""
    if not stands(x):
        return x
    held, tables = about(x)
    tables.opened(held)
    # In a tuple stand-ins are to be; another thread finds the table.
    return stand_in(held, tables) if can_rebuild(type(held)) and tables.of(held).whole else held


def can_rebuild(kind: type) -> bool:
    """Tell whether a tuple of a class can be made anew from its entries alone.

    >>> can_rebuild(tuple), can_rebuild(list)
    (True, False)
    """
    named = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return kind is tuple or (named and not kind.__dictoffset__)


def _rebuilt(x: Any, tables: LargeTables) -> Any:
    """Return a tuple with stand-ins for the tables in it, however deep; itself where there are none."""
    done: dict[int, Any] = {}
    stack = [x]
    while stack:
        y = stack[-1]
        if id(y) in tables.rebuilt:
            done[id(y)] = tables.rebuilt[id(y)][1]
        waiting = [] if id(y) in done else [z for z in y if id(z) not in done and _has_inside(z, tables)]
        stack += waiting
        if not waiting:
            stack.pop()
            done.setdefault(id(y), y)
            _rebuild(y, done, tables)
    return done[id(x)]


def _has_inside(x: Any, tables: LargeTables) -> bool:
    return can_rebuild(type(x)) and (not tables.has(x) or tables.of(x).whole)


def _rebuild(x: Any, done: dict[int, Any], tables: LargeTables) -> None:
    """Make one tuple anew: what is in it is `done`."""
    if done[id(x)] is not x:
        return
    inside = [done[id(y)] if id(y) in done else stand_in(y, tables) for y in x]
    if not all(map(operator.is_, inside, x)):
        done[id(x)] = new = tuple.__new__(type(x), inside)
        tables.rebuilt[id(x)], _originals[id(new)] = (x, new), (new, x)


def stand_in(x: Any, tables: LargeTables) -> Any:
    """Return what stands for a large table of which not all has been read, anything else itself.

    For a tuple that holds such tables stands another tuple, which holds their stand-ins.
    """
    if tables.listener is None:
        return x
    if not tables.has(x) or (table := tables.of(x)).whole:
        return _rebuilt(x, tables) if can_rebuild(type(x)) else x
    if table.stand_in is None:
        table.stand_in = _KINDS[type(x)](x, tables)
    return table.stand_in
