"""Arrays whose class is not NumPy's own: what a plan may take for plain arrays, and what it must refuse.

A plan computes as plain arrays do. A class that adds names to an array changes nothing of that; one whose
operators, functions or attributes answer otherwise (a matrix, a masked array, a quantity with a unit) does.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np

from clearprop.errors import at_line, lesson

_MOST = 1 << 12  # classes of which answers are kept
_Answer = TypeVar("_Answer")


def once_a_class(function: Callable[[Any], _Answer]) -> Callable[[Any], _Answer]:
    """Return a function of classes that keeps its answers by which class it is: not every class has a hash.

    >>> class Unhashable(type):
    ...     __hash__ = None
    >>> class Odd(metaclass=Unhashable): pass
    >>> once_a_class(lambda kind: kind.__name__)(Odd)
    'Odd'
    """
    known: dict[int, tuple[Any, _Answer]] = {}  # with the class, so that no other one gets its id

    @wraps(function)
    def asked(kind: Any) -> _Answer:
        found = known.get(id(kind))
        if found is None:
            if len(known) >= _MOST:
                known.clear()
            found = known[id(kind)] = kind, function(kind)
        return found[1]

    return asked


_HARMLESS = {
    "__new__",
    "__init__",
    "__init_subclass__",
    "__del__",
    "__doc__",
    "__module__",
    "__qualname__",
    "__dict__",
    "__weakref__",
    "__slots__",
    "__annotations__",
    "__annotate_func__",
    "__annotations_cache__",
    "__static_attributes__",
    "__firstlineno__",
    "__classcell__",
    "__orig_bases__",
    "__parameters__",
    "__class_getitem__",
    "__repr__",
    "__str__",
    "__format__",
    "__dir__",
    "__sizeof__",
    "__array_finalize__",
    "__array_priority__",
    "__array_wrap__",
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__copy__",
    "__deepcopy__",
    "__setattr__",
    "__delattr__",
    "__getattr__",
}
"""Special methods of a class that change no number: how it is made, kept and shown."""
_CHANGING = {
    "__setitem__",
    "__delitem__",
    "__iadd__",
    "__isub__",
    "__imul__",
    "__itruediv__",
    "__ifloordiv__",
    "__imod__",
    "__ipow__",
    "__imatmul__",
    "__iand__",
    "__ior__",
    "__ixor__",
    "__ilshift__",
    "__irshift__",
    "byteswap",
    "fill",
    "partition",
    "put",
    "resize",
    "setfield",
    "setflags",
    "sort",
}
"""What changes an array in place, which a step is refused where it is in reach or an argument."""
_ARRAYS = frozenset(dir(np.ndarray))


class Following(NamedTuple):
    """The class of an array in an eager run, and whose it is: that of an argument, or of a thing in reach."""

    kind: type
    source: Any
    place: int = -1

    def after(self, view: bool, shape: tuple[int, ...]) -> Following | None:
        """Return the same for what NumPy computes of it, None where that is a plain array."""
        if view:
            found = self.kind if shape else np.ndarray
        else:
            found = type(wrapped(self.source, np.zeros((1,) * len(shape))))
        return (
            self._replace(kind=found) if issubclass(found, np.ndarray) and found is not np.ndarray else None
        )


def wrapped(source: Any, result: Any) -> Any:
    """Return what NumPy gives for a result that is computed of `source`."""
    result = np.asarray(result)
    return source.__array_wrap__(result, None, not result.ndim)


def of_class(source: Any, result: Any, kind: type) -> Any:
    """Return a result of a plan as an array of a class that adds names, as NumPy makes it of `source`."""
    found = wrapped(source, result)
    return found if type(found) is kind else np.ndarray.__array_wrap__(source, np.asarray(result))


def following(op: Any, inputs: Iterable[Any], shape: tuple[int, ...]) -> Following | None:
    """Return the class that NumPy gives to what an op computes, None where that is a plain array.

    Its ufuncs and what arrays have as a method keep the class; functions that build an array anew do not.
    """
    found: Following | None = None
    for x in inputs:
        mine = getattr(x, "following", None)
        if isinstance(x, np.ndarray) and type(x) is not np.ndarray:
            mine = Following(type(x), x)
        if mine is not None and (found is None or _priority(mine) > _priority(found)):
            found = mine
    if found is None or not (isinstance(getattr(np, op.name, None), np.ufunc) or _is_method(op.name)):
        return None
    return found.after(op.kind in ("view", "gather"), shape)


def _priority(x: Following) -> float:
    return float(x.source.__array_priority__)


def _is_method(name: str) -> bool:
    return hasattr(np.ndarray, name) or hasattr(np.ndarray, f"__{name}__")


@once_a_class
def own_meaning(kind: type) -> str:
    """Return what a class of arrays answers in its own way, '' where it only adds to NumPy's.

    >>> own_meaning(np.ndarray), own_meaning(np.memmap), own_meaning(np.matrix) != ""
    ('', '', True)
    """
    if not issubclass(kind, np.ndarray) or kind is np.memmap:
        return ""
    before = kind.__mro__[: kind.__mro__.index(np.ndarray)]
    for name, value in [entry for base in before if base is not np.memmap for entry in vars(base).items()]:
        if name in _HARMLESS or name in _CHANGING or value is getattr(np.ndarray, name, _CHANGING):
            continue
        if name in _ARRAYS or (name.startswith("__") and name.endswith("__")):
            return name
    return ""


def notes_changes(kind: type) -> bool:
    """Tell whether a class of arrays has operators of its own that work in place."""
    before = kind.__mro__[: kind.__mro__.index(np.ndarray)]
    return any(not _CHANGING.isdisjoint(vars(base)) for base in before)


def odd(x: Any) -> str:
    """Return why an array is no plain one to a plan, '' where it is: its operators, or its entries."""
    kind = type(x)
    if x.dtype.names is not None:
        return "with names for its fields"
    if isinstance(x, np.ndarray) and kind is not np.ndarray:
        if name := own_meaning(kind):
            return f"whose class has its own {name}"
        if not _wraps_plainly(x):
            return "whose class has its own __array_wrap__, which changes numbers"
    return ""


def _wraps_plainly(x: Any) -> bool:
    """Whether a class gives the numbers that NumPy has computed, whatever it makes of them."""
    if type(x).__array_wrap__ is np.ndarray.__array_wrap__:
        return True
    try:
        return all(
            np.array_equal(np.asarray(wrapped(x, y.copy())), y)
            for y in (np.array(2.5), np.array([1.5, -2.0]))
        )
    except Exception:  # whatever a user's method raises: it has not said that they are equal
        return False


def refused(x: Any, called: str, why: str) -> str:
    """Return what is said of an array that is no plain one to a plan."""
    if x.dtype.names is not None:
        cure = f"pass x[{x.dtype.names[0]!r}] and the other fields that the step needs as arrays"
    elif isinstance(x, np.ma.MaskedArray):
        cure = "pass x.data and x.mask as two arrays, and choose by np.where"
    else:
        cure = "np.asarray(x), a plain array of the same entries"
    got = f"{type(x).__name__} {x.shape}, {why}"
    return lesson(called, "a compiled step computes with plain arrays and Tensors", got, at_line(), cure)


def added(kind: type, name: str, x: Any) -> Any:
    """Return what a class that follows NumPy's adds under a name, asked of what stands for its array.

    Raises KeyError where it adds nothing, or something that may be another at each array.
    """
    for base in kind.__mro__[: kind.__mro__.index(np.ndarray)]:
        if name in vars(base):
            found = vars(base)[name]
            if isinstance(found, (types.FunctionType, property, classmethod, staticmethod)):
                return found.__get__(x, kind)
            break
    raise KeyError(name)
