"""Arguments and results: nested tuples, lists and dicts with arrays, Tensors and anything else in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.recorder import Recorder
from clearprop.compiler.stand_in import stands_for_array
from clearprop.modes import mode
from clearprop.tensor import Tensor

_new = Tensor.__new__


class Key:
    """What decides which plan a call runs: shapes and dtypes of its arrays, and all that is not an array."""

    __slots__ = ("_hash", "parts")

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.parts == other.parts

    def stand_ins(self, recorder: Recorder, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return the arguments with a Tensor in place of each array, for recording."""
        place = iter(range(1 << 30))

        def stand_in(x: Any) -> Any:
            like = x if isinstance(x, Tensor) else None
            return recorder.argument(_array(x), next(place), like, isinstance(x, np.ndarray))

        return _mapped(args, stand_in), _mapped(kwargs, stand_in)


def is_array(x: Any) -> bool:
    """Tell whether an argument is read anew at each call; anything else is part of the plan's key."""
    return isinstance(x, (np.ndarray, np.generic, Tensor))


def _array(x: Any) -> Any:
    array = x._value if isinstance(x, Tensor) else x
    if isinstance(array, np.ndarray):
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        return np.asarray(array) if array.ndim else array[()]
    return array


def _mapped(x: Any, f: Callable[[Any], Any]) -> Any:
    """The same nesting with `f` applied to each array."""
    if is_array(x):
        return f(x)
    if isinstance(x, tuple):
        inside = [_mapped(y, f) for y in x]
        return type(x)(*inside) if hasattr(x, "_fields") else tuple(inside)
    if isinstance(x, list):
        return [_mapped(y, f) for y in x]
    if isinstance(x, dict):
        return {k: _mapped(y, f) for k, y in x.items()}
    return x


def flatten(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Key, tuple[Any, ...], dict[int, Tensor]]:
    """Return the key of a call, its arrays in order, and those of them that came as Tensors, by place."""
    parts: list[Any] = [mode.grad_enabled]
    arrays: list[Any] = []
    tensors: dict[int, Tensor] = {}
    for x in args:
        if x.__class__ is np.ndarray and x.ndim and x.dtype.isnative:  # the usual case, first and fast
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
        if isinstance(x, np.ndarray) and not x.ndim:
            about = ("array", *about)  # a number in NumPy's eyes
        if isinstance(x, Tensor):
            tensors[len(arrays)] = x
            same = next(i for i, t in tensors.items() if t is x)
            about = ("tensor", *about, x.requires_grad, x.grad is None, same, is_within(x))
        arrays.append(array)
        return about
    if isinstance(x, (tuple, list)):
        return (type(x), tuple(_described(y, arrays, tensors) for y in x))
    if isinstance(x, dict):
        return ("dict", tuple((k, _described(y, arrays, tensors)) for k, y in x.items()))
    if isinstance(x, float):
        return (type(x), x.hex())  # 0.0 is not -0.0, and NaN is NaN
    return (type(x), x) if _has_value(x) else The(x)


def is_within(x: Tensor) -> bool:
    """Whether a gradient is to pass through a Tensor: it was computed, or `grad(f)` runs `f` on it."""
    return x.requires_grad and x.serial > 0


class The:
    """An object itself, whatever it says that it equals; it stays alive, so nothing else gets its address."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, The) and self.thing is other.thing


def _has_value(x: Any) -> bool:
    """Whether an object equals others by what it holds, which does not change."""
    kind: Any = type(x)
    return kind.__hash__ is not None and kind.__eq__ is not object.__eq__


def objects(x: Any) -> list[Any]:
    """Return the arguments that are neither arrays nor made of them: what they hold may change between calls.

    >>> model = object()
    >>> objects(((np.ones(2), [model]), {"scale": 2.0})) == [model, 2.0]
    True
    """
    if is_array(x):
        return []
    if isinstance(x, (tuple, list, dict)):
        inside = x.values() if isinstance(x, dict) else x
        return [thing for y in inside for thing in objects(y)]
    return [x]


# --- results ------------------------------------------------------------------------------------------------
def result_tree(result: Any, recorder: Recorder, there: Callable[[Any], bool]) -> tuple[Any, list[Tensor]]:
    """Return a function from output arrays to what the caller gets, and the Tensors that are the outputs.

    What an eager run gives as an array comes as an array, what it gives as a Tensor as a Tensor without a
    graph. A leaf that is returned is itself, and so is an array that was `there` before the step.
    """
    outputs: list[Tensor] = []

    def read(x: Any) -> Any:
        if isinstance(x, Tensor):
            place = recorder.places.get(x, recorder.given.get(x))
            if place is not None:
                return _Argument(place)
            if x in recorder.before:
                return _Same(x)
            outputs.append(x)
            lifted = not stands_for_array(x)
            return _Tensor(len(outputs) - 1) if lifted else _Array(len(outputs) - 1)
        if isinstance(x, tuple):
            inside = [read(y) for y in x]
            return _Tuple(inside, type(x))
        if isinstance(x, list):
            return _Tuple([read(y) for y in x], list)
        if isinstance(x, dict):
            return _Dict({k: read(y) for k, y in x.items()})
        return _Made(x.copy()) if isinstance(x, np.ndarray) and not there(x) else _Same(x)

    return read(result), outputs


class _Tensor:
    gives = "tensor"

    def __init__(self, i: int) -> None:
        self.i = i

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Tensor:
        t = _new(Tensor)
        t._value = outputs[self.i]
        t.grad = t.name = t.op = None
        t.inputs = t.values = ()
        t.attrs, t.requires_grad, t.serial = {}, False, 0
        return t


class _Array:
    gives = "array"

    def __init__(self, i: int) -> None:
        self.i = i

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return outputs[self.i]


class _Argument:
    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        found: list[Any] = []
        _mapped((args, kwargs), found.append)
        return found[self.place]


class _Same:
    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return self.thing


class _Made:
    """An array that the step makes: each call's is the caller's own."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return self.array.copy()


class _Tuple:
    def __init__(self, inside: list[Any], kind: Any) -> None:
        self.inside, self.kind = inside, kind

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        made = [read(outputs, args, kwargs) for read in self.inside]
        return self.kind(*made) if hasattr(self.kind, "_fields") else self.kind(made)


class _Dict:
    def __init__(self, inside: dict[Any, Any]) -> None:
        self.inside = inside

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return {k: read(outputs, args, kwargs) for k, read in self.inside.items()}
