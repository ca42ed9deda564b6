"""Values by Tensor and by array, as long as these live: recording keeps nothing alive that nobody needs."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Any

import numpy as np

from clearprop.compiler.program.ir import Value


class _Ref(weakref.ref[Any]):
    """A weak reference that knows under which id its object was noted."""

    __slots__ = ("key",)
    key: int


class ByTensor:
    """The Values of Tensors; a Tensor that goes takes its entry along, so that its id may be used again.

    >>> from clearprop import Tensor
    >>> known, v, t = ByTensor(), Value("argument", (), np.dtype("f8"), data=0), Tensor(1.0)
    >>> known[t] = v
    >>> known.get(t) is v, t in known
    (True, True)
    >>> del t
    >>> known.entries
    {}
    """

    def __init__(self) -> None:
        self.entries: dict[int, tuple[_Ref, Value]] = {}
        self._forget = _forgetting(self)

    def __setitem__(self, x: Any, v: Value) -> None:
        key = id(x)
        held = self.entries.get(key)
        if held is None:
            ref = _Ref(x, self._forget)
            ref.key = key
        else:
            ref = held[0]
        self.entries[key] = (ref, v)

    def get(self, x: Any) -> Value | None:
        """Return the Value of a Tensor, or None."""
        held = self.entries.get(id(x))
        return held[1] if held is not None else None

    def __getitem__(self, x: Any) -> Value:
        return self.entries[id(x)][1]

    def __contains__(self, x: Any) -> bool:
        return id(x) in self.entries

    def forget(self, key: int) -> None:
        """Drop what was noted under an id."""
        self.entries.pop(key, None)


class ByArray:
    """The Values of arrays, by the memory that they lie in: another array over the same entries finds it too.

    >>> x = np.arange(6.0)
    >>> known, v = ByArray(), Value("argument", (6,), x.dtype, data=0)
    >>> known[x] = v
    >>> known.get(x[:]) is v, known.get(x[1:]), known.get(x.copy())
    (True, None, None)
    >>> del x
    >>> known.entries
    {}
    """

    def __init__(self) -> None:
        self.entries: dict[Hashable, Value] = {}
        self._owners: dict[int, tuple[_Ref, list[Hashable]]] = {}  # whose memory it is: the keys within
        self._kept: list[Any] = []  # what cannot be referred to weakly: numbers, memory that is not NumPy's
        self._forget = _forgetting(self)

    def __setitem__(self, array: Any, v: Value) -> None:
        key, owner = _place(array)
        new = key not in self.entries
        self.entries[key] = v
        if owner is None:
            self._kept.append(array)
        elif new:
            held = self._owners.get(id(owner))
            if held is None:
                ref = _Ref(owner, self._forget)
                ref.key = id(owner)
                held = self._owners[ref.key] = (ref, [])
            held[1].append(key)

    def get(self, array: Any) -> Value | None:
        """Return the Value whose array lies just there, or None."""
        return self.entries.get(_place(array)[0])

    def forget(self, key: int) -> None:
        """Drop what lies in the memory of an array that goes."""
        for place in self._owners.pop(key, (None, ()))[1]:
            self.entries.pop(place, None)


class SharedMemory:
    """Which of the Tensors that live share their memory, so that nobody may change one of them in place.

    >>> from clearprop import Tensor
    >>> x = Tensor(np.ones((2, 3)))
    >>> view, memory = x.reshape(3, 2), SharedMemory()
    >>> memory.made(view, [x])
    >>> memory.alone(x)
    False
    >>> del view
    >>> memory.alone(x)
    True
    """

    def __init__(self) -> None:
        self.places: Any = ByTensor()  # for each: an object that those of the same memory have in common
        self._elsewhere: set[object] = set()  # that of memory which somebody else has too
        self._sealed: Any = ByTensor()  # what NumPy gives read-only

    def share(self, x: Any, y: Any) -> None:
        """Note that two have the same memory from now on."""
        place, other = self.places.get(x), self.places.get(y)
        if place is None:
            self.places[x] = place = other or object()
        if other is None:
            self.places[y] = place
        elif other is not place:
            if other in self._elsewhere:
                self._elsewhere.add(place)
            for key, (ref, held) in list(self.places.entries.items()):
                if held is other:
                    self.places.entries[key] = ref, place

    def lent(self, x: Any) -> None:
        """Note that the memory of `x` is the caller's."""
        self.places[x] = place = object()
        self._elsewhere.add(place)

    def made(self, node: Any, inputs: list[Any]) -> None:
        """Note a result that is a view of an input."""
        for x in inputs:
            if x is not node and _overlap(node._value, x._value):
                self.share(x, node)
                if x in self._sealed:
                    self.seal(node)

    def seal(self, x: Any) -> None:
        """Note that NumPy gives `x` read-only, and with it all that is a view of it."""
        self._sealed[x] = True

    def is_sealed(self, x: Any) -> bool:
        """Tell whether nobody may write into `x`, whoever else has its memory."""
        return x in self._sealed

    def alone(self, x: Any, others: int = 0) -> bool:
        """Tell whether no other Tensor that lives has its memory, or as many `others` as are known."""
        place = self.places.get(x)
        if place in self._elsewhere:
            return False
        return place is None or sum(held is place for _, held in self.places.entries.values()) == 1 + others


def _overlap(z: Any, x: Any) -> bool:
    is_view = isinstance(z, np.ndarray) and (z is x or z.base is not None)
    return is_view and np.may_share_memory(z, x)


def _forgetting(where: ByTensor | ByArray) -> Any:
    """What weak references call: it must not keep `where` alive itself."""
    held = weakref.ref(where)

    def forget(ref: _Ref) -> None:
        there = held()
        if there is not None:
            there.forget(ref.key)

    return forget


def _place(array: Any) -> tuple[Hashable, Any]:
    """What two arrays of the same entries in the same memory have in common, and the array that owns it.

    A number is only itself, and so is memory that is not NumPy's: then there is no owner. So is an array
    without entries, which is its own.
    """
    if not isinstance(array, np.ndarray):
        return id(array), None
    if not array.size:
        return id(array), array  # it lies nowhere
    about = array.shape, array.strides, array.dtype
    owner: Any = array
    while (base := getattr(owner, "base", None)) is not None:
        owner = base
    if owner is array:
        return (id(array), 0, *about), array
    address = array.__array_interface__["data"][0]
    if not isinstance(owner, np.ndarray):
        return (address, *about), None
    return (id(owner), address - owner.__array_interface__["data"][0], *about), owner
