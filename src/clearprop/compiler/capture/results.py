"""What a step returns: a function from the arrays of a call to its own tuples, dicts and objects."""

from __future__ import annotations

import collections
import dataclasses
import enum
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop.compiler.capture.distance import Distant
from clearprop.compiler.capture.kinds import Following, odd, of_class
from clearprop.compiler.capture.openly import is_a, is_tensor
from clearprop.compiler.capture.reading import original
from clearprop.compiler.capture.recorder import Recorder
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.capture.stand_in import StandIn, stands_for_array, stands_for_number
from clearprop.compiler.capture.tree import mapped
from clearprop.errors import GradientError, lesson
from clearprop.facts import Facts
from clearprop.graph import topological_order
from clearprop.op import Op, _next_serial
from clearprop.tensor import Tensor
from clearprop.tree import refilled

_new = Tensor.__new__
_NUMBERS = (int, float, complex, np.generic, range)
_NAMED = (type, enum.Enum, types.BuiltinFunctionType, types.ModuleType, np.ufunc, np.dtype)
_FIXED = (*_NUMBERS, *_NAMED, str, bytes, type(None), type(...))


def result_tree(result: Any, recorder: Recorder, there: Callable[[Any], bool]) -> tuple[Any, list[Tensor]]:
    """Return a function from output arrays to what the caller gets, and the Tensors that are the outputs.

    What an eager run gives as an array comes as an array, what it gives as a Tensor as a Tensor without a
    graph. Where that Tensor would pass a gradient on, asking for one is an error, unless the step has called
    its `backward()` itself. A leaf that is returned is itself, and so is whatever was `there` before the
    step. Tuples, lists, dicts, and objects that only hold attributes are made anew for each call; other
    things that the step makes would be the first call's for ever, so RecordingError names them.
    """
    outputs: list[Tensor] = []

    def read(x: Any) -> Any:
        x = original(x)
        if is_tensor(x):
            place = recorder.places.get(x, recorder.given.get(x))
            if place is not None:
                return _Argument(place)
            if x in recorder.before:
                return _Same(x)
            outputs.append(x)
            kind = _kind(x)
            if x.requires_grad and issubclass(kind, _Tensor) and x not in recorder.roots:
                order = topological_order(x, tracked=True)  # of what was computed before, `grad(f)` may ask
                leaves = [t for t in order if t.op is None or t in recorder.before]
                places = [recorder.places.get(t) for t in leaves]
                from_ = [_Same(t) if i is None else _Argument(i) for t, i in zip(leaves, places, strict=True)]
                return _Cut(kind(len(outputs) - 1), from_)
            return _output(x, len(outputs) - 1)
        kind = type(x)
        if there(x) or is_a(x, _FIXED):
            return _Same(_known(x, recorder))
        if kind in (tuple, list) or (is_a(x, tuple) and hasattr(kind, "_fields")):
            return _Tuple([read(y) for y in x], kind)
        if kind in (dict, collections.OrderedDict):
            return _Dict({k: read(y) for k, y in x.items()}, kind)
        if is_a(x, np.ndarray) and not x.dtype.hasobject and not odd(x):
            seen = recorder.seen(x)  # a view of an array in reach is read anew
            return _NewArray(x.copy()) if seen is x else read(seen)
        if _only_holds(kind):
            return _Object({k: read(getattr(x, k)) for k in _attributes(x)}, kind)
        raise RecordingError(
            lesson(
                "compile(step)",
                "every call would return what the first one made",
                f"a {kind.__name__}",
                hint="a tuple, list, dict, dataclass or SimpleNamespace of arrays",
            )
        )

    return read(result), outputs


def _known(x: Any, recorder: Recorder) -> Any:
    """Return what is there before the step; refuse the class of what stands for an array."""
    if is_a(x, type) and issubclass(x, StandIn):
        hint = "isinstance(x, np.ndarray), x.dtype, or type(x) outside of the step"
        raise recorder.refuse("type(x) of an array is that of what stands for it", "as a result", hint)
    return x


def _only_holds(kind: Any) -> bool:
    """Whether objects of a class are nothing but their attributes."""
    if issubclass(kind, (tuple, list, dict, set, frozenset, np.ndarray)):
        return False
    return kind is types.SimpleNamespace or dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")


def _attributes(x: Any) -> Iterator[str]:
    yield from getattr(x, "__dict__", ())
    for base in type(x).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(x, name):
                yield name


def _output(x: Any, i: int) -> Any:
    """What gives the caller an output: an array of the class that it follows, or a plain one."""
    return _OfClass(i, x.following) if stands_for_array(x) and x.following else _kind(x)(i)


def _kind(x: Tensor) -> Any:
    """What an eager run gives: a Tensor, an array or a number, from which NumPy tells arrays without axes."""
    is_array = isinstance(x._value, np.ndarray) and not x.ndim
    if stands_for_number(x):
        return _Number
    if stands_for_array(x):
        return _ArrayWithoutAxes if is_array else _Array
    return _TensorWithoutAxes if is_array else _Tensor


class _Tensor:
    gives = "tensor"

    def __init__(self, i: int) -> None:
        self.i = i

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Tensor:
        t = _new(Tensor)
        if outputs.__class__ is Distant:
            outputs.give(t, self.i)
        else:
            t._value = outputs[self.i]
        t.grad = t.name = t.op = None
        t.inputs = t.values = ()
        t.attrs, t.requires_grad, t.serial = {}, False, 0
        return t


class _TensorWithoutAxes(_Tensor):
    gives = "done"

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Tensor:
        t = super().__call__(outputs, args, kwargs)
        t._value = np.array(t._value)
        return t


class _Cut:
    """A Tensor through which an eager run would pass a gradient, and a compiled one refuses to."""

    gives = "done"

    def __init__(self, inside: _Tensor, leaves: list[Any]) -> None:
        self.inside, self.leaves = inside, leaves

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Tensor:
        t = self.inside(outputs, args, kwargs)
        t.op, t.serial, t.requires_grad = _COMPILED, _next_serial(), True
        t.inputs = tuple([leaf(outputs, args, kwargs) for leaf in self.leaves])
        t.values = (0.0,) * len(
            t.inputs
        )  # who held their arrays would keep steps from changing them in place
        return t


def _no_gradient(i: int, g: Any, z: Any, *xs: Any) -> Any:
    raise GradientError(
        lesson(
            "backward() through what a compiled function returned",
            "wants no gradient there: none passes on to the Tensors that the function read",
            f"{np.shape(z)} {np.asarray(z).dtype}",
            hint="compiling the function that computes the whole loss, or result.detach() for a constant",
        )
    )


_COMPILED = Op("compiled", lambda *xs: xs, variadic_rule=_no_gradient, arity=None, facts=Facts(cut=True))


class _Array:
    gives = "array"

    def __init__(self, i: int) -> None:
        self.i = i

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return outputs[self.i]


class _ArrayWithoutAxes(_Array):
    gives = "done"

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return np.array(outputs[self.i])


class _Number(_Array):
    gives = "done"

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return np.asarray(outputs[self.i]).item()


class _OfClass(_Array):
    """An array of the class that NumPy gives to what is computed of an argument, or of a thing in reach."""

    gives = "done"

    def __init__(self, i: int, following: Following) -> None:
        super().__init__(i)
        self.kind = following.kind
        place = following.place
        self.source: Any = _Argument(place) if place >= 0 else _Same(following.source)

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return of_class(self.source(outputs, args, kwargs), outputs[self.i], self.kind)


class _Argument:
    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        found: list[Any] = []
        mapped((args, kwargs), found.append)
        return found[self.place]


class _Same:
    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return self.thing


class _NewArray:
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
        return refilled(self.kind, made)


class _Dict:
    def __init__(self, inside: dict[Any, Any], kind: Any) -> None:
        self.inside, self.kind = inside, kind

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        return self.kind((k, read(outputs, args, kwargs)) for k, read in self.inside.items())


class _Object:
    """An object that only holds attributes, made without its `__init__`, which has run once."""

    def __init__(self, inside: dict[str, Any], kind: Any) -> None:
        self.inside, self.kind = inside, kind

    def __call__(self, outputs: Any, args: Any, kwargs: Any) -> Any:
        made = self.kind.__new__(self.kind)
        for name, read in self.inside.items():
            object.__setattr__(made, name, read(outputs, args, kwargs))
        return made
