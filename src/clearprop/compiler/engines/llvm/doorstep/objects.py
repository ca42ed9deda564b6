"""Where CPython and NumPy keep things in their objects: addresses of words, tried on live objects before use.

Nothing here is an interface that CPython promises, so nothing is believed: `readable` reads objects whose
contents are known and compares, and each dict that is looked into is compared with itself, entry by entry.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
import types
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

VERSIONS = ((3, 11), (3, 12), (3, 13))
"""The versions whose objects are described here, all of which run the tests; in others nothing is read."""

# Bytes from an object's address.
COUNT, TYPE = 0, 8
CELL_CONTENT, VIEW_DICT = 16, 16
LIST_SIZE, LIST_ITEMS = 16, 24
TUPLE_SIZE, TUPLE_ITEMS = 16, 24
DICT_SIZE, DICT_KEYS, DICT_VALUES = 16, 32, 40
SET_SIZE, SET_MASK, SET_TABLE = 24, 32, 40
ARRAY_DATA, ARRAY_AXES, ARRAY_SHAPE, ARRAY_STRIDES, ARRAY_DTYPE, ARRAY_FLAGS = 16, 24, 32, 40, 56, 64
SCALAR_DATA = 16

# Bytes from the start of a dict's keys: how large they are and of which kind (with four bytes that are zero
# before), how many there were, and the hash table, which the entries follow.
KEYS_FORM, KEYS_INDEX_BYTES, KEYS_KIND, KEYS_COUNT, KEYS_TABLE = 4, 9, 10, 24, 32
GENERAL = 0  # the kind with (hash, key, value) for an entry; others have (key, value)
INLINE = sys.version_info >= (3, 13)  # whether a dict's values apart from its keys begin with a header


def word(address: int) -> int:
    """Return the 8 bytes at an address."""
    return ctypes.c_int64.from_address(address).value


def _byte(address: int) -> int:
    return ctypes.c_uint8.from_address(address).value


def _words(address: int, count: int) -> list[int]:
    return memoryview(ctypes.string_at(address, 8 * count)).cast("q").tolist()


class Entries:
    """Where a dict keeps its entries.

    While the words at `frame` are as they were, `keys[name]` and `values[name]` are addresses in memory of
    this dict; while those at `order` are too, the entries come in the same order. `size` is the address of
    how many there are, `added` of how many there have ever been. Raises LookupError where memory does not
    hold what the dict says.
    """

    def __init__(self, address: int, mapping: Mapping[Any, Any]) -> None:
        keys, apart = word(address + DICT_KEYS), word(address + DICT_VALUES)
        self.size: int = address + DICT_SIZE
        self.added: int | None = None if apart else keys + KEYS_COUNT  # keys in common are added elsewhere
        self.frame: list[int] = [address + DICT_KEYS, address + DICT_VALUES, keys + KEYS_FORM]
        self.keys: dict[Any, int] = {}
        self.values: dict[Any, int] = {}
        self.order: list[int] = []
        width, shift = (3, 1) if _byte(keys + KEYS_KIND) == GENERAL else (2, 0)
        first = keys + KEYS_TABLE + (1 << _byte(keys + KEYS_INDEX_BYTES)) + 8 * shift
        there = _words(first, width * word(keys + KEYS_COUNT))[::width]
        number = {key: i for i, key in enumerate(there)}
        places = [number.get(id(key), -1) for key in mapping]
        if -1 in places or word(self.size) != len(places):
            raise LookupError("a dict whose keys are elsewhere")
        for i, (key, value) in zip(places, mapping.items(), strict=True):
            at = first + 8 * width * i
            self.keys[key], self.values[key] = at, apart + 8 * (i + INLINE) if apart else at + 8
            if word(self.values[key]) != id(value):
                raise LookupError("a dict whose values are elsewhere")
        if apart:
            self._apart(apart, places)

    def _apart(self, values: int, places: list[int]) -> None:
        """Find in which order the entries came, where the keys are shared with other objects of the class."""
        if INLINE:
            capacity = _byte(values)
            start = values + 8 * (1 + capacity)
            order, self.order = start, [values, *range(start, start + capacity, 8)]
            found = [_byte(order + i) for i in range(len(places))]
        else:
            self.order = list(range(values - _byte(values - 1), values, 8))
            found = [_byte(values - 3 - i) for i in range(len(places))]
        if found != places:
            raise LookupError("a dict whose order is elsewhere")


def members(items: set[Any]) -> list[int]:
    """Return the addresses of the words that say what is in a set, those that say where they are first."""
    frame = [id(items) + SET_SIZE, id(items) + SET_MASK, id(items) + SET_TABLE]
    size, mask, table = map(word, frame)
    if size != len(items):
        raise LookupError("a set whose size is elsewhere")
    number = {key: i for i, key in enumerate(_words(table, 2 * (mask + 1))[::2])}
    places = [number.get(id(x), -1) for x in items]
    if -1 in places or places != sorted(places):
        raise LookupError("a set whose members are elsewhere")
    return [*frame, *(table + 16 * i for i in places)]


def viewed(view: Any) -> int:
    """Return the address of the dict behind a view of its values."""
    return word(id(view) + VIEW_DICT)


def form_of(array: Any) -> list[int]:
    """Return the addresses of the words that say how an array lies, those that say where they are first."""
    start, axes = id(array), array.ndim
    shape, strides = word(start + ARRAY_SHAPE), word(start + ARRAY_STRIDES)
    there = [*_words(shape, axes), *_words(strides, axes)] if axes else []
    if there != [*array.shape, *array.strides]:
        raise LookupError("an array whose shape is elsewhere")
    frame = [ARRAY_DATA, ARRAY_AXES, ARRAY_SHAPE, ARRAY_STRIDES, ARRAY_DTYPE, ARRAY_FLAGS]
    found = [start + offset for offset in frame]
    return [*found, *(first + 8 * i for first in (shape, strides) for i in range(axes))]


def made_of(function: types.FunctionType) -> list[int]:
    """Return the addresses of the words that hold a function's code and defaults."""
    return [id(function) + offset for offset in _in_functions()]


@cache
def _in_functions() -> list[int]:
    def probe(a: int = 1, *, b: int = 2) -> None:
        """Have defaults."""

    words = [word(id(probe) + offset) for offset in range(0, types.FunctionType.__basicsize__, 8)]
    wanted = probe.__code__, probe.__defaults__, probe.__kwdefaults__
    if any(words.count(id(x)) != 1 for x in wanted):
        raise LookupError("a function that holds its code elsewhere")
    return [8 * words.index(id(x)) for x in wanted]


def slot(thing: Any, name: str) -> int:
    """Return the address of the word that holds an attribute of an object with slots: a Tensor, say."""
    kind: Any = type(thing)
    return id(thing) + _offset(kind, name)


@cache
def _offset(kind: Any, name: str) -> int:
    probe, mark = object.__new__(kind), object()
    setattr(probe, name, mark)
    for offset in range(16, kind.__basicsize__, 8):
        if word(id(probe) + offset) == id(mark):
            return offset
    raise LookupError(name)


# Where NumPy's table of functions has them; these places are part of its binary interface.
_ARRAY_FUNCTIONS = {"PyArray_Scalar": 60, "PyArray_Empty": 184}


@cache
def array_function(name: str) -> int:
    """Return the address of a function of NumPy's C interface; LookupError where there is none."""
    capsule = getattr(np._core._multiarray_umath, "_ARRAY_API", None)  # type: ignore[attr-defined]
    if capsule is None:
        raise LookupError(name)
    read = ctypes.pythonapi.PyCapsule_GetPointer
    read.restype, read.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return word(read(capsule, None) + 8 * _ARRAY_FUNCTIONS[name])


@cache
def arrays_readable() -> bool:
    """Tell whether arrays, NumPy's scalars and tuples, which every step reads, are laid out as described."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    array = np.zeros((3, 5), np.float32)
    pair = array, None
    numbers = np.float64(1.5), np.float32(1.5), np.int64(7), np.bool_(True)
    return (
        all(word(id(x) + TYPE) == id(type(x)) for x in (array, pair, *numbers))
        and word(id(pair) + TUPLE_SIZE) == 2
        and _words(id(pair) + TUPLE_ITEMS, 2) == [id(array), id(None)]
        and word(id(array) + ARRAY_DATA) == array.ctypes.data
        and word(id(array) + ARRAY_DTYPE) == id(array.dtype)
        and ctypes.c_int32.from_address(id(array) + ARRAY_AXES).value == 2
        and _words(word(id(array) + ARRAY_SHAPE), 2) == [3, 5]
        and ctypes.c_int32.from_address(id(array) + ARRAY_FLAGS).value & 257 == 257
        and ctypes.c_int32.from_address(id(array.T) + ARRAY_FLAGS).value & 257 == 256
        and all(ctypes.string_at(id(x) + SCALAR_DATA, x.itemsize) == x.tobytes() for x in numbers)
    )


def _makes_arrays() -> bool:
    scalar = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    empty = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int, ctypes.c_void_p, ctypes.py_object, ctypes.c_int)
    held, shape = np.array([1.5], np.float32), np.array([2, 3], np.int64)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held.dtype))  # the function below takes one
    array = empty(array_function("PyArray_Empty"))(2, shape.ctypes.data, held.dtype, 0)
    number = scalar(array_function("PyArray_Scalar"))(held.ctypes.data, held.dtype, None)
    return (
        array.shape == (2, 3) and array.dtype is held.dtype and type(number) is np.float32 and number == 1.5
    )


def checks() -> str:
    """Say where a step's conditions are looked at at each call, and why not natively where they are not."""
    if readable():
        return "in native code"
    known = ", ".join(f"{major}.{minor}" for major, minor in VERSIONS)
    this = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    return f"in Python, a few microseconds more: native code reads objects of CPython {known}, not of {this}"


@cache
def readable() -> bool:
    """Tell whether all other objects are laid out as described too: by version, and by trying."""
    if sys.version_info[:2] not in VERSIONS or not arrays_readable():
        return False
    try:
        return _plain_objects() and _dicts() and _makes_arrays()
    except LookupError:
        return False


def _plain_objects() -> bool:
    mark = object()
    items, cell = [mark, None], types.CellType(mark)
    count = word(id(mark) + COUNT)
    more = mark  # noqa: F841
    return (
        word(id(mark) + COUNT) == count + 1
        and all(word(id(x) + TYPE) == id(type(x)) for x in (mark, items, cell))
        and word(id(cell) + CELL_CONTENT) == id(mark)
        and word(id(items) + LIST_SIZE) == 2
        and _words(word(id(items) + LIST_ITEMS), 2) == [id(mark), id(None)]
    )


class _Thing:
    """Something with attributes."""

    def __init__(self) -> None:
        self.first, self.second, self.third = object(), object(), object()


def _dicts() -> bool:
    thing, marks = _Thing(), [object() for _ in range(300)]
    del thing.first
    thing.first = marks[0]  # now the last
    tables: list[Any] = [{}, {"a": marks[0], "b": 1}, {1: marks[1], "x": 2}, dict(enumerate(marks))]
    tables += [vars(thing), {str(i): mark for i, mark in enumerate(marks)}]
    del tables[-1]["7"]
    for table in tables:
        if viewed(table.values()) != id(table):
            return False
        Entries(id(table), table)
    for items in (set(), {marks[0], marks[1]}, set(marks)):
        members(items)
    found = Entries(id(tables[1]), tables[1])
    tables[1]["b"] = marks[2]
    return word(found.values["b"]) == id(marks[2])


def attributes_of(x: Any) -> int:
    """Return the address of the word that says where an object's `__dict__` lies; LookupError if not known.

    >>> thing = type("Thing", (), {})()
    >>> word(attributes_of(thing)) == id(vars(thing))
    True
    """
    kind: Any = type(x)
    offset = -3 * _WORD if kind.__flags__ & _MANAGED else kind.__dictoffset__
    held = id(x.__dict__)
    if (offset <= 0 and not kind.__flags__ & _MANAGED) or word(id(x) + offset) != held:
        raise LookupError(kind)
    return id(x) + offset


_WORD, _MANAGED = 8, 1 << 4  # bytes; the flag of types whose objects have their attributes before them
