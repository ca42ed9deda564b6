"""Arguments: nested tuples, lists and dicts with arrays, Tensors and anything else in them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from types import MemberDescriptorType
from typing import Any

import numpy as np

from clearprop.compiler.capture.kinds import Following, odd, refused
from clearprop.compiler.capture.openly import attributes, is_a
from clearprop.compiler.capture.recorder import Recorder
from clearprop.compiler.capture.refusals import ArrayError
from clearprop.errors import lesson
from clearprop.modes import mode, special
from clearprop.tensor import Tensor, raw


class Key:
    """What decides which plan a call runs: shapes and dtypes of its arrays, and all that is not an array."""

    __slots__ = ("_hash", "parts")

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts: tuple[Any, ...] = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, Key) and self.parts == other.parts
        except Exception:  # whatever a user's `__eq__` raises: it has not said that they are equal
            return False

    @property
    def shapes(self) -> str:
        """The shapes of its arrays, for people.

        >>> Key((True, (3, 2), np.dtype("f4"), (3,), np.dtype("i8"))).shapes
        '(3, 2) (3,)'
        """
        return " ".join(str(part) for part in _shapes(self.parts))

    def stand_ins(self, recorder: Recorder, args: Any, kwargs: Any, buffers: Iterable[Any]) -> Any:
        """Return the arguments with a Tensor in place of each array, for recording.

        Two arrays of one memory are two arguments, which may have memories of their own in later calls: the
        second is copied, and so is what lies in one of `buffers`, the arrays in reach.
        """
        place = iter(range(1 << 30))
        known: dict[int, Any] = {}
        before: list[Any] = [b for b in buffers if isinstance(b, np.ndarray)]

        def stand_in(x: Any) -> Any:
            array, i = _array(x), next(place)
            if isinstance(x, Tensor):
                if id(x) not in known:  # the same Tensor is one, however often it is passed
                    known[id(x)] = recorder.argument(
                        _own(array, before), i, x, isinstance(x._value, np.ndarray)
                    )
                else:
                    recorder.unused(array, i)
                return known[id(x)]
            found = recorder.argument(_own(array, before), i, None, isinstance(x, np.ndarray))
            if is_subclass(x):
                found.following = Following(type(x), x, i)  # type: ignore[attr-defined]
            return found

        return mapped(args, stand_in), mapped(kwargs, stand_in)


def _shapes(part: Any) -> Iterator[tuple[int, ...]]:
    """Yield the shapes in a part of a key: what stands before a dtype."""
    if isinstance(part, tuple):
        for x, after in zip(part, (*part[1:], None), strict=True):
            if isinstance(after, np.dtype):
                yield x
            else:
                yield from _shapes(x)


def _own(array: Any, before: list[Any]) -> Any:
    """Return the array, or a copy where one of those before shares its memory; then it is one of them."""
    if not isinstance(array, np.ndarray):
        return array
    if any(np.may_share_memory(array, other) for other in before):
        array = array.copy()
    before.append(array)
    return array


def plain_class(x: Any) -> Any:
    """Return the plain class of a tuple or list, which goes through what it holds."""
    return tuple if isinstance(x, tuple) else list


def is_array(x: Any) -> bool:
    """Tell whether an argument is read anew at each call; anything else is part of the plan's key."""
    return is_a(x, (np.ndarray, np.generic, Tensor))


def _array(x: Any) -> Any:
    array = raw(x)
    if (is_subclass(array) or array.dtype.names is not None) and (why := odd(array)):
        raise ArrayError(refused(array, f"a compiled step with a {type(array).__name__} as an argument", why))
    if isinstance(array, np.ndarray):
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        return np.asarray(array) if array.ndim else array[()]
    return array


def is_subclass(x: Any) -> bool:
    """Tell whether something is an array of a class that is not NumPy's own."""
    return is_a(x, np.ndarray) and type(x) is not np.ndarray


def mapped(x: Any, f: Callable[[Any], Any]) -> Any:
    """Return the same nesting with `f` applied to each array."""
    if is_array(x):
        return f(x)
    if is_a(x, (tuple, list)):
        inside = [mapped(y, f) for y in plain_class(x).__iter__(x)]
        return inside if type(x) is list else _of_class(x, inside, f)
    if is_a(x, dict):
        entries = {k: mapped(y, f) for k, y in entries_of(x)}
        return entries if type(x) is dict else _of_class(x, entries, f)
    return x


def entries_of(x: dict[Any, Any]) -> Any:
    """Return the keys and values that a dict holds, whatever a class of one's own says of them."""
    return OrderedDict.items(x) if isinstance(x, OrderedDict) else dict.items(x)


def _of_class(x: Any, inside: Any, f: Callable[[Any], Any]) -> Any:
    """Return an object of the class of `x` that holds `inside` and has the attributes of `x`, by `f`.

    Raises TypeError where such a class, written in C, holds arrays and none is made but by its own code.
    """
    beside = [(slot, name, mapped(value, f)) for slot, name, value in _beside(x)]
    try:
        return _made(x, inside, beside)
    except (TypeError, AttributeError):
        arrays: list[Any] = []
        entries = [y for _, y in entries_of(x)] if isinstance(x, dict) else plain_class(x).__iter__(x)
        _described([*entries, *(value for _, _, value in _beside(x))], arrays, {})
        if not arrays:  # the time of day, a version: it is the same in each call of this plan
            return x
        called, kind = "a compiled step with a collection as an argument", type(x).__name__
        got = f"{kind} with {len(arrays)} arrays, a class written in C"
        raise TypeError(lesson(called, "one that can be made anew", got, hint="pass its arrays")) from None


def _made(x: Any, inside: Any, beside: list[tuple[Any, str, Any]]) -> Any:
    """Return a new object of the class of `x`, without a call of what the class says of itself.

    Its methods may count, refuse, or want what nobody knows any more.
    """
    kind: Any = type(x)
    base: Any = next(c for c in kind.__mro__ if not c.__flags__ & _WRITTEN_IN_PYTHON)
    new = base.__new__(kind, inside) if isinstance(x, tuple) else base.__new__(kind)
    if isinstance(x, list):
        base.extend(new, inside)
    for k, y in inside.items() if isinstance(x, dict) else ():
        base.__setitem__(new, k, y)
    if attributes(x) is x:
        new.__dict__ = new  # its attributes are its entries
    for slot, name, value in beside:
        if slot is None:
            new.__dict__[name] = value
        else:
            slot.__set__(new, value)
    return new


_WRITTEN_IN_PYTHON = 1 << 9  # of a class: made by a `class` statement


def _beside(x: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield what an object has beside its entries: the slot or None, the name and the value of each."""
    own = attributes(x)
    for name, value in own.items() if own is not None and own is not x else ():
        yield None, name, value
    for kind in type(x).__mro__:
        if kind is defaultdict or kind.__flags__ & _WRITTEN_IN_PYTHON:
            for name, slot in vars(kind).items():
                if isinstance(slot, MemberDescriptorType):
                    try:
                        yield slot, name, slot.__get__(x)
                    except AttributeError:  # it has not been set
                        continue


def flatten(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Key, tuple[Any, ...], dict[int, Tensor]]:
    """Return the key of a call, its arrays in order, and those of them that came as Tensors, by place.

    Raises TypeError for a collection that holds itself.
    """
    try:
        return _flatten(args, kwargs)
    except RecursionError:
        raise _without_end() from None


def _without_end() -> TypeError:
    """What is said of a nesting that has no end, or is deeper than Python can follow."""
    called = "a compiled step with nested lists, tuples or dicts as an argument"
    wanted, got = "a nesting that ends", "a collection that holds itself, in an entry or an attribute"
    return TypeError(lesson(called, wanted, got, hint="pass what the step reads of it"))


def _flatten(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Key, tuple[Any, ...], dict[int, Tensor]]:
    parts: list[Any] = [not special.blocks or mode.grad_enabled]
    arrays: list[Any] = []
    tensors: dict[int, Tensor] = {}
    for x in args:
        if type(x) is np.ndarray and x.ndim and x.dtype.isnative:  # the usual case, first and fast
            parts += (x.shape, x.dtype)
            arrays.append(x)
        else:
            parts.append(_described(x, arrays, tensors))
    if kwargs:
        parts.append(("keywords", _described(kwargs, arrays, tensors)))
    return Key(tuple(parts)), tuple(arrays), tensors


def _described(x: Any, arrays: list[Any], tensors: dict[int, Tensor]) -> Any:
    if is_array(x):
        array = _array(x)
        about: tuple[Any, ...] = (array.shape, array.dtype)
        if isinstance(raw(x), np.ndarray) and not x.ndim:
            about = ("array", *about)  # no number in NumPy's eyes
        if is_subclass(x):
            about = (type(x), *about)
        if isinstance(x, Tensor):
            tensors[len(arrays)] = x
            same = next(i for i, t in tensors.items() if t is x)
            about = ("tensor", *about, x.requires_grad, x.grad is None, same, is_within(x))
        arrays.append(array)
        return about
    if is_a(x, (tuple, list)):
        inside = tuple(_described(y, arrays, tensors) for y in plain_class(x).__iter__(x))
        return (type(x), inside, *_attributes(x, arrays, tensors))
    if is_a(x, dict):
        found = tuple((k, _described(y, arrays, tensors)) for k, y in entries_of(x))
        return (type(x), found, *_attributes(x, arrays, tensors))
    if is_a(x, float):
        return (type(x), x.hex())  # 0.0 is not -0.0, and NaN is NaN
    return (type(x), x) if _has_value(x) else The(x)


def _attributes(x: Any, arrays: list[Any], tensors: dict[int, Tensor]) -> Iterator[Any]:
    """Describe what an object of a class of one's own has beside its entries, in the order of `mapped`."""
    if type(x) not in (tuple, list, dict):
        for _, name, value in _beside(x):
            yield name, _described(value, arrays, tensors)


def is_within(x: Tensor) -> bool:
    """Whether a gradient is to pass through a Tensor: it was computed, or `grad(f)` runs `f` on it."""
    return x.requires_grad and x.serial > 0


class The:
    """An object itself, whatever it says that it equals; it stays alive, so nothing else gets its address."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing: Any = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, The) and self.thing is other.thing


def _has_value(x: Any) -> bool:
    """Whether an object equals others by what it holds, which does not change."""
    kind: Any = type(x)
    if kind.__hash__ is None or kind.__eq__ is object.__eq__:
        return False
    try:
        hash(x)
    except Exception:  # a frozen dataclass that holds an array, or whatever a user's method raises
        return False
    return True


def objects(x: Any) -> list[Any]:
    """Return the arguments that are neither arrays nor made of them: what they hold may change between calls.

    >>> model = object()
    >>> objects(((np.ones(2), [model]), {"scale": 2.0})) == [model, 2.0]
    True
    """
    if is_array(x):
        return [type(x)] if is_subclass(x) else []  # whose methods the step may call
    if is_a(x, (tuple, list, dict)):
        inside = [y for _, y in entries_of(x)] if isinstance(x, dict) else plain_class(x).__iter__(x)
        return [thing for y in (*inside, *(y for _, _, y in _beside(x))) for thing in objects(y)]
    return [x]
