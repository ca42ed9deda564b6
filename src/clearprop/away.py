"""Tensors whose value or gradient lies elsewhere, on a device: it comes when somebody reads it.

Such a Tensor's slot is empty, and its class is one of its own that fills an empty slot on the first read.
From then on the Tensor is an ordinary one with an array of its own, and what lay on the device is let go: a
value is at one place at a time, so nothing that is written here is missed there. Other Tensors pay nothing,
for their class is as it was.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from clearprop.errors import first_line, lesson
from clearprop.locks import rlock
from clearprop.tensor import Tensor

_SLOTS: dict[str, Any] = {name: Tensor.__dict__[name] for name in ("_value", "grad")}
_KINDS: dict[
    type, type
] = {}  # a class of Tensors, and the one whose slots may be empty; the latter's is itself
_THERE: dict[int, dict[str, Any]] = {}  # by a Tensor's address: what lies elsewhere, by slot
_DEATHS: dict[int, weakref.ref[Tensor]] = {}  # which take these notes along
_LOCK = rlock()


def put(tensor: Tensor, slot: str, array: Any) -> None:
    """Let a Tensor's `_value` or `grad` be an array elsewhere: it has a shape, a dtype and `__array__`.

    >>> t = Tensor([1.0, 2.0])
    >>> put(t, "_value", np.array([3.0, 4.0]))
    >>> t.shape, is_there(t, "_value")
    ((2,), True)
    >>> t.value, is_there(t, "_value")
    (array([3., 4.]), False)
    """
    with _LOCK:
        key = id(tensor)
        if key not in _THERE:
            _THERE[key] = {}
            _DEATHS[key] = weakref.ref(tensor, lambda _: (_THERE.pop(key, None), _DEATHS.pop(key, None)))
        _THERE[key][slot] = array
        tensor.__class__ = _kind(type(tensor))
        if not _is_empty(tensor, slot):
            _SLOTS[slot].__delete__(tensor)


def there(tensor: Tensor, slot: str) -> Any:
    """Return the array elsewhere that a Tensor's slot stands for; None where the slot has its own."""
    found = _THERE.get(id(tensor))
    return found.get(slot) if found and _is_empty(tensor, slot) else None


def is_there(tensor: Tensor, slot: str) -> bool:
    """Tell whether a Tensor's slot is empty: reading it would wait for a device."""
    return there(tensor, slot) is not None


def fetch(tensor: Tensor, slot: str) -> Any:
    """Bring what lies elsewhere: from now on it is the Tensor's own. Raises RuntimeError where it is lost."""
    with _LOCK:
        notes = _THERE.get(id(tensor), {})
        if _is_empty(tensor, slot):  # no other thread was faster
            _SLOTS[slot].__set__(tensor, here(notes[slot], f"t.{slot.lstrip('_')}"))
        notes.pop(slot, None)
        if not any(_is_empty(tensor, name) for name in _SLOTS):
            tensor.__class__ = _home(type(tensor))
            _THERE.pop(id(tensor), None)
            _DEATHS.pop(id(tensor), None)
        return _SLOTS[slot].__get__(tensor)


def here(array: Any, asked: str = "step(...)") -> Any:
    """Return a copy in this process's memory, a NumPy number where it has no axes."""
    try:
        return np.array(array, order="C")[()]
    except RuntimeError as error:  # given to a call that failed on its way
        said = lesson(
            asked,
            "the value went to the device with a call that did not come back",
            first_line(error),
            hint="loading the last checkpoint",
        )
        raise RuntimeError(said) from error


def _is_empty(tensor: Tensor, slot: str) -> bool:
    try:
        _SLOTS[slot].__get__(tensor)
    except AttributeError:
        return True
    return False


def _home(kind: type) -> type:
    return kind.__mro__[1] if _KINDS.get(kind) is kind else kind


def _read(tensor: Any, name: str) -> Any:
    if name in _SLOTS:
        return fetch(tensor, name)
    inherited = getattr(_home(type(tensor)), "__getattr__", None)
    if inherited is not None:
        return inherited(tensor, name)
    raise AttributeError(f"'{type(tensor).__name__}' object has no attribute {name!r}", name=name, obj=tensor)


def _reduced(tensor: Any, protocol: Any) -> Any:
    """What pickle and copy are told: of the Tensor as it is at home."""
    for slot in _SLOTS:
        getattr(tensor, slot)
    tensor.__class__ = _home(type(tensor))
    return tensor.__reduce_ex__(protocol)


def _told(name: str) -> Any:
    """A property that the array elsewhere knows too, without coming."""

    def get(tensor: Any) -> Any:
        array = there(tensor, "_value")
        return getattr(tensor._value if array is None else array, name)

    return property(get, doc=getattr(Tensor, name).__doc__)


def _kind(kind: Any) -> Any:
    """The class of such a Tensor: under its own name, between the Tensor and its class."""
    if kind not in _KINDS:
        space = {
            "__slots__": (),
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            "__getattr__": _read,
            "__reduce_ex__": _reduced,
            **{name: _told(name) for name in ("shape", "ndim", "size", "dtype", "nbytes", "itemsize")},
        }
        made = type(kind)(kind.__name__, (kind,), space)
        _KINDS[kind] = _KINDS[made] = made
    return _KINDS[kind]
