"""What is an array in an eager run, and a Tensor while a step is recorded: its class depends on who asks."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from abc import ABC
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from clearprop.compiler.capture.kinds import added
from clearprop.compiler.capture.writing import WRITING, FlatOfStandIn, write
from clearprop.errors import inside
from clearprop.hints import FIXED, TENSOR
from clearprop.modes import mode
from clearprop.rebinding import kind_of_statement, references, usual
from clearprop.registry import ops
from clearprop.tensor import Tensor
from clearprop.updates import rebound_array

_OF_ARRAYS = {name for kind in (np.ndarray, np.generic) for name in dir(kind)}
_TENSORS_OWN = {name for name in {*dir(Tensor)} - _OF_ARRAYS if not name.startswith("__")} | {"following"}
_NO_ATTRIBUTES = {*TENSOR, "tolist"}  # names that answer on a Tensor alone
_ARRAYS_OWN = _OF_ARRAYS - ({*dir(Tensor)} - _NO_ATTRIBUTES)
_BY_VALUES = {  # functions whose result has a shape that depends on values
    np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.trim_zeros, np.union1d, np.intersect1d,
    np.setdiff1d, np.setxor1d, np.unique_values, np.unique_counts, np.unique_inverse,
    np.unique_all, np.bincount,
}  # fmt: skip
_IN_PLACE = (
    ("__iadd__", "add", "+="),
    ("__isub__", "subtract", "-="),
    ("__imul__", "multiply", "*="),
    ("__itruediv__", "divide", "/="),
    ("__ifloordiv__", "floor_divide", "//="),
    ("__imod__", "remainder", "%="),
    ("__ipow__", "power", "**="),
    ("__imatmul__", "matmul", "@="),
    ("__iand__", "bitwise_and", "&="),
    ("__ior__", "bitwise_or", "|="),
    ("__ixor__", "bitwise_xor", "^="),
    ("__ilshift__", "left_shift", "<<="),
    ("__irshift__", "right_shift", ">>="),
)
_ARITHMETIC = (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv",
    "mod", "rmod", "pow", "rpow", "neg", "pos", "abs", "round",
)  # fmt: skip
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_LOGICAL = ("and", "rand", "or", "ror", "xor", "rxor")
_BITS = ("invert", "lshift", "rlshift", "rshift", "rrshift")


_VIEWS_OF_METHODS = (np.diagonal, np.imag)
_WINDOWS = np.lib.stride_tricks.sliding_window_view
_BY_FUNCTION = {"argpartition", "choose", "searchsorted"}  # methods that a Tensor lacks
_BLANK = (np.zeros_like, np.ones_like, np.full_like, np.empty_like)  # made to be written into
_READ_ONLY = (*_VIEWS_OF_METHODS, np.linalg.diagonal, np.diag, np.broadcast_to, _WINDOWS)


class StandIn:
    """A Tensor that stands for an array while a step is recorded.

    The library sees a Tensor, so that ops are recorded; the user's code sees what it sees in an eager run:
    `isinstance(x, np.ndarray)` is true and `isinstance(x, Tensor)` is not, there is no `x.requires_grad`, and
    `x *= 2` changes `x`. What cannot be answered so is refused, by an error that no `try` or `hasattr` hides.
    It has Tensor's slots and functions (see below) without being one of its subclasses, whose instances
    Python would call Tensors whatever they say of themselves.
    """

    __slots__ = (*Tensor.__slots__, "following")
    _value: Any
    following: Any  # the class of the array in an eager run (`kinds.Following`), None for a plain one

    def __getattribute__(self, name: str) -> Any:
        if (name == "__class__" or name in _TENSORS_OWN) and not inside(sys._getframe(1)):
            following = object.__getattribute__(self, "following")
            kind = following.kind if following else type(object.__getattribute__(self, "_value"))
            if name == "__class__":
                return kind
            raise AttributeError(f"{kind.__name__} has no {name!r}: this is an array in an eager run too")
        return Tensor if name == "__class__" else object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        value = object.__getattribute__(self, "_value")
        following = object.__getattribute__(self, "following")
        if following and hasattr(following.source, name) and not hasattr(np.ndarray, name):
            try:
                return added(following.kind, name, self)
            except KeyError:
                cure = f"passing x.{name} as an argument of its own"
                _recorder().no_attribute(self, name, f"a {following.kind.__name__}", cure)
        if name in _BY_FUNCTION and isinstance(value, np.ndarray):
            return functools.partial(getattr(np, name), self)
        own = name in _ARRAYS_OWN or not isinstance(value, np.ndarray)  # a number has what floats have
        arrays = own and hasattr(value, name) and not name.startswith("__array")
        if arrays and not inside(sys._getframe(1)):
            _recorder().no_attribute(self, name, "an array" if isinstance(value, np.ndarray) else "a number")
        raise AttributeError(f"{type(value).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if (name in _ARRAYS_OWN or name in FIXED) and not inside(sys._getframe(1)):
            if name in FIXED:
                _recorder().in_place(self, f"x.{name} = y", re.sub(r"\bt\b", "x", FIXED[name]))
            _recorder().no_attribute(self, name)
        object.__setattr__(self, name, value)

    def copy(self, order: str = "C") -> Any:
        """Return an array of its own with the same entries."""
        return _recorder().copied(self)

    def flatten(self, order: str = "C") -> Any:
        """Return a row of its own of all entries, where a Tensor may share them."""
        return _recorder().copied(self.reshape(-1, order=order))

    def fill(self, value: Any) -> None:
        """Give all entries one value."""
        self[...] = value

    def sort(self, axis: int = -1, **how: Any) -> None:
        """Put the entries in order where they are."""
        self[...] = np.sort(self, axis, **how)

    @property
    def flat(self) -> FlatOfStandIn:
        """The entries one after the other."""
        return FlatOfStandIn(self)

    def conj(self) -> Any:
        """Return the array itself where its numbers are real, as NumPy's method does and its function not."""
        return np.conjugate(self) if self.dtype.kind == "c" else self

    conjugate = conj

    def __copy__(self) -> Any:
        return StandIn.copy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), StandIn.copy(self))

    def __hash__(self) -> int:
        value = object.__getattribute__(self, "_value")
        if not inside(sys._getframe(1)):  # a key of the user's: by its contents, or none
            if isinstance(value, np.ndarray):
                raise TypeError("unhashable type: 'numpy.ndarray'")
            _recorder().python_value(self, "hash(t)")
        return object.__hash__(self)

    def __eq__(self, y: Any) -> Any:
        return self._value == y if _no_number(y) else ops["equal"].two(self, y)

    def __ne__(self, y: Any) -> Any:
        return self._value != y if _no_number(y) else ops["not_equal"].two(self, y)

    def __contains__(self, y: Any) -> bool:
        return bool(np.any(self == y))

    def __reduce_ex__(self, protocol: Any) -> Any:
        _recorder().python_value(self, "pickle.dumps(t)")

    def __round__(self, digits: int | None = None) -> Any:
        if isinstance(self._value, np.ndarray):
            raise TypeError("type numpy.ndarray doesn't define __round__ method")
        if digits is None:  # a whole number of Python's
            _recorder().python_value(self, "int(t)")
        return Tensor.__round__(self, digits)  # type: ignore[arg-type]

    def __getitem__(self, index: Any) -> Any:
        return ops["getitem"](self, _as_places(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        fresh = sys.getrefcount(value) == usual("stored")  # as `x[1]` in `x[0] = x[1]`, which has no name
        _recorder().stored(self, index, value, fresh)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        statement = method == "__call__" and ufunc.nin == 2 and kwargs.keys() == {"out"}
        found = rebound_array(ufunc, inputs, kwargs) if statement and all(map(_is_array, inputs)) else None
        if found is not None:
            return found  # of `array += x`
        if method == "__call__" and (out := _written_into(kwargs)) is not None:
            return write(out, ufunc, inputs, kwargs)
        try:
            return Tensor.__array_ufunc__(self, ufunc, method, *inputs, **kwargs)  # type: ignore[arg-type]
        except TypeError as error:
            raise _recorder().also_refused(error, (inputs, kwargs)) from error

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not any(issubclass(kind, Tensor) for kind in types):  # NumPy would not ask those that there are
            args, kwargs = _as_places(args), {name: _as_places(x) for name, x in kwargs.items()}
        if function is np.linalg.matrix_power and args[1:] == (1,):
            return self  # no copy of it
        if function in WRITING and args and stands_for_array(args[0]):
            return WRITING[function](*args, **kwargs)
        if (out := _written_into(kwargs)) is not None and not kwargs.keys() & {"dtype", "where"}:
            return write(out, function, args, kwargs, out.dtype)
        if function is np.meshgrid and kwargs.get("copy", True) is False:
            others = {name: value for name, value in kwargs.items() if name != "copy"}
            return tuple(map(_recorder().sealed, np.meshgrid(*args, **others)))
        if function is np.copy:
            return _as_numpy(StandIn.copy(args[0]), function, args, kwargs)
        if function in (np.shares_memory, np.may_share_memory):
            _recorder().by_memory(function.__name__)
        if function in _BY_VALUES or (function is np.where and len(args) == 1):
            _recorder().by_values(function.__name__)
        try:
            found = Tensor.__array_function__(self, function, types, args, kwargs)  # type: ignore[arg-type]
            found = _as_numpy(found, function, args, kwargs)
            asked = function in _VIEWS_OF_METHODS or not inside(sys._getframe(1))
            return _as_kept(found, function, self) if asked else found
        except TypeError as error:
            raise _recorder().also_refused(error, (args, kwargs)) from error


class StandInForNumber(StandIn):
    """The same for a float of Python's that may be another at each call: a learning rate.

    It is as weak as the float: `rate * w` has the dtype of `w`, and what is computed of such numbers alone is
    one, a comparison too. Nothing that only arrays have is found on it.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if inside(sys._getframe(1)):
            return Tensor if name == "__class__" else object.__getattribute__(self, name)
        if name.startswith("_") and name != "__class__":
            return object.__getattribute__(self, name)
        kind = type(object.__getattribute__(self, "_value").item())
        if name == "__class__":
            return kind
        if hasattr(kind, name):
            _recorder().no_attribute(self, name, "a number")
        return StandInForNumber.__getattr__(self, name)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a number has no attribute {name!r}")


def twin_of(x: Tensor, kind: type = StandIn) -> Any:
    """Return what stands for the array of a Tensor: the same value, computed by the same op.

    One that says whether it is asked for its length has a twin that says so too.
    """
    kind = getattr(type(x), "twins", {}).get(kind, kind)
    twin: Any = object.__new__(kind)
    twin._value, twin.name, twin.requires_grad = x._value, x.name, x.requires_grad
    twin.op, twin.inputs, twin.values, twin.attrs = x.op, x.inputs, x.values, x.attrs
    twin.serial, twin.grad = x.serial, None
    if issubclass(kind, StandIn):
        twin.following = x.following if stands_for_array(x) else None  # type: ignore[attr-defined]
    return twin


def stands_for_array(x: Any) -> bool:
    """Tell whether what the library takes for a Tensor is an array in an eager run."""
    return issubclass(type(x), StandIn)


def stands_for_number(x: Any) -> bool:
    """Tell whether what the library takes for a Tensor is a float of Python's in an eager run."""
    return type(x) is StandInForNumber


def kind_of(x: Any) -> type:
    """Return the class that something has in an eager run."""
    kind = type(x)
    if not issubclass(kind, StandIn):
        return next((seen for seen, twin in getattr(kind, "twins", {}).items() if twin is kind), kind)
    if kind is StandInForNumber:
        return type(x._value.item())
    return x.following.kind if x.following else type(x._value)


def _no_number(y: Any) -> bool:
    """Whether no number equals it, whichever the entries are."""
    return y is None or isinstance(y, (str, bytes))


def _as_places(index: Any) -> Any:
    """An index with arrays in the place of Tensors, as NumPy takes it: what an array is asked for is one."""
    if isinstance(index, tuple):
        return tuple(map(_as_places, index))
    is_tensor = isinstance(index, Tensor) and not index.requires_grad and not stands_for_array(index)
    return _recorder().given_as(index, False) if is_tensor else index


def _written_into(keywords: dict[str, Any]) -> Any:
    """Return what stands for the array that is to be written into, by `out=z`; None where nothing does."""
    out: Any = keywords.get("out")
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    return out if stands_for_array(out) and isinstance(out._value, np.ndarray) else None


def _not_so_often(count: Any, things: Any) -> None:
    """Refuse `[0] * n` of a number of NumPy's: Python repeats the list, as often as this call says."""
    value = object.__getattribute__(count, "_value")
    if isinstance(things, (list, tuple, str, bytes, bytearray)) and isinstance(value, np.integer):
        _recorder().python_value(count, "a list times it")


def _times(special: str) -> Any:
    of_tensors = getattr(Tensor, special)

    def operator(self: Any, y: Any) -> Any:
        _not_so_often(self, y)
        return of_tensors(self, y)

    return operator


def _recorder() -> Any:
    return mode.observer


def _as_numpy(found: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Let a result without axes be what NumPy's own function gives: an array, or a number.

    The library's op may give the other, and NumPy has no rule that could be asked but itself.
    """
    if stands_for_array(found) and not found.ndim:
        with suppress(Exception):  # the op has an answer where the function has none
            _recorder().kept_as(found, isinstance(function(*_plain(args), **_plain(kwargs)), np.ndarray))
    return found


def _as_kept(found: Any, function: Callable[..., Any], x: Any) -> Any:
    """Let a result lie where NumPy's own does: in memory of its own, or where nobody may write.

    That is so where NumPy says read-only, and where entries lie on each other.
    """
    if function is np.broadcast_arrays:
        return type(found)([_apart(y, x) for y in found])
    if function is np.tile:
        return _recorder().copied(found)
    if function is np.meshgrid:
        return type(found)(map(_recorder().copied, found))
    if function in _BLANK and isinstance(found, np.ndarray) and found.ndim and found.dtype.kind in "fc":
        return _recorder().blank(found)
    read_only = function in _READ_ONLY and not (
        (function is np.imag and x.dtype.kind == "c") or (function is np.diag and x.ndim == 1)
    )
    return _apart(found, x) if read_only else found


def _apart(found: Any, x: Any) -> Any:
    return _recorder().sealed(_recorder().copied(found) if found is x else found)


def _plain(x: Any) -> Any:
    """Arguments with arrays in the place of what stands for them."""
    if stands_for_array(x):
        return x._value
    if isinstance(x, (tuple, list)):
        return type(x)(map(_plain, x)) if type(x) in (tuple, list) else x
    return {k: _plain(y) for k, y in x.items()} if isinstance(x, dict) else x


def _as_method(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of Tensors as one of what stands for arrays, whose results are as the array's are.

    Where it does not take what the array's own method does, NumPy's function of this name may: a Tensor's
    `sum` has `keepdims` where an array's has `dtype`.
    """
    takes = inspect.signature(method).parameters
    function: Any = getattr(np, name, None)
    if any(p.kind is p.VAR_POSITIONAL for p in takes.values()):
        function = None  # the method's shape is one argument there

    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        while len(args) > 1 and args[-1] is None:  # `out`, or another default
            args = args[:-1]
        if len(args) > 1 and "keepdims" in takes:
            return function(self, *args, **kwargs)
        try:
            found = method(self, *args, **kwargs)
        except TypeError as error:
            if function is None:
                raise _recorder().also_refused(error, (self, args, kwargs)) from error
            return function(self, *args, **kwargs)
        return _as_numpy(found, getattr(self._value, name), args, kwargs)

    return called


def _in_place(name: str, sign: str) -> Any:
    """Return the operator that gives what stands for an array other contents, and a number another number."""

    def operator(self: Any, y: Any) -> Any:
        return _updated(self, y, name, sign)

    return operator


def _updated(x: Any, y: Any, name: str, sign: str) -> Any:
    """Do `x sign y`; in `a[i] sign y` the view that `a[i]` has made is given back as what to store there."""
    refs = references(x)
    new = ops[name].two(x, y)
    if not isinstance(x._value, np.ndarray):
        return new
    stores = kind_of_statement(sys._getframe(2)) == "entry" and refs == usual("entry")
    return _recorder().changed(x, new, sign, stores)


def _is_array(x: Any) -> bool:
    return not issubclass(type(x), Tensor)  # what stands for one, too


def _weakly(special: str) -> Any:
    """Return an operator of numbers: of two of Python's it makes one of Python's, which count True as 1."""
    of_arrays, counts = getattr(Tensor, special), special[2:-2] in (*_ARITHMETIC, *_BITS)

    def operator(self: Any, *others: Any) -> Any:
        alone = all(type(y) in (StandInForNumber, bool, int, float) for y in others)
        if alone and counts and self._value.dtype == bool:
            self = twin_of_number(_recorder().copied(self).astype(np.int64))
        found = of_arrays(self, *others)
        return twin_of_number(found) if alone and found is not NotImplemented else found

    return operator


def twin_of_number(x: Any) -> Any:
    """Return what stands for a float of Python's with the value of `x`."""
    return _recorder().copied(x, StandInForNumber)


class _Matched(ABC):  # noqa: B024
    """What `match` takes for a sequence: NumPy's arrays since 2.5, which `isinstance` does not."""

    __abc_tpflags__ = 1 << 5


def _complete() -> None:
    """Give the class the in-place operators, and all of Tensor's functions that it has not of its own."""
    for special, name, sign in _IN_PLACE:
        setattr(StandIn, special, _in_place(name, sign))
    for kind in Tensor.__mro__[:-1]:
        for name, function in vars(kind).items():
            if name in vars(StandIn) or name in _NO_ATTRIBUTES:
                continue
            whole = not name.startswith("_") and isinstance(function, types.FunctionType)
            setattr(StandIn, name, _as_method(name, function) if whole else function)
    if np.ndarray.__flags__ & 1 << 5:
        _Matched.register(StandIn)
    for special in ("__mul__", "__rmul__"):
        setattr(StandIn, special, _times(special))
    for name in (*_ARITHMETIC, *_COMPARISONS, *_LOGICAL, *_BITS):
        setattr(StandInForNumber, f"__{name}__", _weakly(f"__{name}__"))
    for special, *_ in _IN_PLACE:
        setattr(StandInForNumber, special, getattr(StandInForNumber, f"__{special[3:]}", None))


_complete()
