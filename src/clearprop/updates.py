"""Changing a leaf by hand: `w -= step` and `w[i] = v` under `no_grad()`, and `w.value = v` anywhere."""

from __future__ import annotations

import gc
import opcode
import operator
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson, taught
from clearprop.modes import Observer, mode, special
from clearprop.rebinding import (
    held_by_a_class,
    is_own,
    kind_of_statement,
    references,
    references_of_output,
    replacing,
    root_of,
    settle,
    sole,
    stores_entry,
    users_of,
    users_to_turn,
    usual,
)
from clearprop.registry import ops
from clearprop.showing import change, changing, is_computed, may_change, seen_by_nobody_else

_COPY, _LOAD, _CACHE, _EXTENDED = (opcode.opmap[n] for n in ("COPY", "LOAD_ATTR", "CACHE", "EXTENDED_ARG"))
_ORDER = "buifc"  # the kinds of dtype: what goes down in this order loses something


class ChangedByHand:
    """What a Tensor has for updates by hand.

    A leaf is given a new array; the old one is never overwritten, for nodes that were computed from it
    remember it. An update that a gradient would have to pass through is refused, and none makes another
    Tensor silently.
    """

    __slots__ = ()

    @property
    def value(self) -> Any:
        """The array (or NumPy scalar) this node holds, to be read; a leaf can be given a new one.

        `w.value = v` and `w.value -= step` keep the leaf's shape and dtype, as NumPy does in place. The array
        itself is read-only, for nodes that were computed from it remember it.

        >>> from clearprop import Tensor
        >>> w = Tensor([1.0, 2.0])
        >>> (w**2).sum().backward()
        >>> w.value -= 0.1 * w.grad
        >>> w.value
        array([0.8, 1.6])
        """
        tensor: Any = self
        held = tensor._value
        observer: Any = mode.observer if special.blocks else None
        if _to_be_changed(sys._getframe(1)):
            if observer is not None and observer.records:
                return observer.copied(tensor)
            return np.array(held)
        if observer is not None:
            observer.python_value(tensor, "value")
        return read_only(held)

    @value.setter
    def value(self, new: Any) -> None:
        from clearprop.record import assign

        tensor: Any = self
        given = new._value if _is_tensor(new) else np.asarray(new)
        if not _fits(given.dtype, tensor.dtype):
            raise TypeError(_cast("t.value = new", given.dtype, tensor))
        if tensor.op is not None and not tensor.requires_grad and mode.recorder is not None:
            tensor.op, tensor.inputs, tensor.values = None, (), ()  # in an eager run it is a leaf
        assign(tensor, new)

    def __setitem__(self, index: Any, value: Any) -> None:
        tensor: Any = self
        own = value if is_own(sys.getrefcount(value), "stored") else None  # `y[1:]` in `y[:-1] = y[1:]`
        if _computed(tensor, value):

            def made(old: Any, turned: dict[int, Any]) -> Any:
                return with_checked_entries(old, index, turned.get(id(value), value))

            if _turned(tensor, made):
                return
        _allowed(tensor, value, "t[i] = v", "np.where(mask, v, t) for a new Tensor")
        if mode.recorder is not None:
            seen_by_nobody_else(tensor, "t[i] = v", own)
            tensor.value = _with_entries(tensor, index, value)
            return
        given = value._value if _is_tensor(value) else np.asarray(value)
        if not _fits(given.dtype, tensor.dtype):
            raise TypeError(_cast("t[i] = v", given.dtype, tensor))
        at = _plain(index)
        if hasattr(value, "family") and value.family is getattr(tensor, "family", None):
            _stored_by_a_line(tensor, sys._getframe(1))
        with changing:
            family = may_change(tensor, "t[i] = v")
            try:
                change(tensor, lambda array: operator.setitem(array, at, given), family)
            except (TypeError, ValueError, IndexError) as error:
                raise _said(error, "t[i] = v", tensor, value) from error

    # fmt: off
    def __iadd__(self, y: Any) -> Any: return _update(self, y, "add", operator.iadd, "+=")
    def __isub__(self, y: Any) -> Any: return _update(self, y, "subtract", operator.isub, "-=")
    def __imul__(self, y: Any) -> Any: return _update(self, y, "multiply", operator.imul, "*=")
    def __itruediv__(self, y: Any) -> Any: return _update(self, y, "divide", operator.itruediv, "/=")
    def __ifloordiv__(self, y: Any) -> Any: return _update(self, y, "floor_divide", operator.ifloordiv, "//=")
    def __imod__(self, y: Any) -> Any: return _update(self, y, "remainder", operator.imod, "%=")
    def __ipow__(self, y: Any) -> Any: return _update(self, y, "power", operator.ipow, "**=")
    def __imatmul__(self, y: Any) -> Any: return _update(self, y, "matmul", operator.imatmul, "@=")
    def __iand__(self, y: Any) -> Any: return _update(self, y, "bitwise_and", operator.iand, "&=")
    def __ior__(self, y: Any) -> Any: return _update(self, y, "bitwise_or", operator.ior, "|=")
    def __ixor__(self, y: Any) -> Any: return _update(self, y, "bitwise_xor", operator.ixor, "^=")
    def __ilshift__(self, y: Any) -> Any: return _update(self, y, "left_shift", operator.ilshift, "<<=")
    def __irshift__(self, y: Any) -> Any: return _update(self, y, "right_shift", operator.irshift, ">>=")
    # fmt: on


def read_only(array: Any) -> Any:
    """Return a view that nobody can write through; what is no array is returned as it is.

    It holds the array itself, not the memory below it: a compiled step overwrites a Tensor's array in place
    only while nobody else holds that array.
    """
    if array.__class__ is not np.ndarray:
        return array
    buffer: Any = array
    return np.asarray(memoryview(buffer).toreadonly())


def _update(tensor: Any, y: Any, name: str, written: Callable[[Any, Any], Any], sign: str) -> Any:
    """Do `tensor sign y` as NumPy does it on an array: same shape, same dtype."""
    settle()
    refs = references(tensor)
    own = y if is_own(references(y), "operand") else None
    call = f"t {sign} y"
    if _computed(tensor, y):
        if (found := _rebound(tensor, y, name, call, refs)) is not None:
            return found

        def made(old: Any, turned: dict[int, Any]) -> Any:
            return _fitted(ops[name].two(old, turned.get(id(y), y)), tensor, call)

        if _turned(tensor, made):
            return tensor
    if tensor.ndim == 0 and not tensor.requires_grad and is_computed(tensor) and _is_number(tensor):
        return ops[name].two(tensor, y)  # as NumPy's numbers, of which another name keeps the old one
    fresh = refs == usual("entry") and kind_of_statement(sys._getframe(2)) == "entry"
    _allowed(tensor, y, call, f"t = t {sign[:-1]} y for a new Tensor", not fresh)
    recorded, given = mode.recorder is not None, y._value if _is_tensor(y) else y
    if recorded and not fresh:  # `w[i] -= y` stores what it has made of `w[i]` in w again
        seen_by_nobody_else(tensor, call, own)
    with changing:
        family = [tensor] if recorded else may_change(tensor, call)
        try:
            if not recorded:
                change(tensor, lambda array: written(array, given), family)
                return tensor
            written(np.array(tensor._value), given)
        except (TypeError, ValueError) as error:
            raise _said(error, call, tensor, y) from error
    tensor.value = ops[name].two(tensor, y).astype(tensor.dtype)
    return tensor


def _stored_by_a_line(tensor: Any, frame: FrameType) -> None:
    """Object where C code stores a view of a Tensor in it, as a shuffle that swaps two: one would be lost."""
    if not stores_entry(frame):
        wanted = "would write views of t over each other where code in C stores them"
        hint = "t = rng.permutation(t) for a shuffle, or v.copy() for the value v"
        raise TypeError(lesson("t[i] = v", wanted, f"t = {tensor!r}", at_line(), hint))


def _computed(tensor: Any, y: Any) -> bool:
    """Whether `tensor += y` would change what a graph remembers: a result, or an argument of `grad`."""
    if hasattr(tensor, "content"):
        return True
    needs = tensor.requires_grad or (_is_tensor(y) and y.requires_grad)
    return mode.grad_enabled and needs and (tensor.op is not None or tensor.serial > 0)


def _rebound(tensor: Any, y: Any, name: str, call: str, refs: int) -> Any:
    """Return the Tensor that the name in `tensor += y` is given, None where others would see the old one."""
    if tensor.ndim == 0 and _is_number(tensor):
        return ops[name].two(tensor, y)  # which NumPy cannot write into either
    if not (statement := kind_of_statement(sys._getframe(3))):
        return None
    owned = False
    if statement == "attribute":
        if held_by_a_class(tensor):
            return None
        statement, owned = "name", True
    if statement == "entry" and refs != usual("entry"):  # not what `t[i]` has made, but what a list holds
        statement, owned = "name", True
    extra = refs - usual("same" if y is tensor and statement == "name" else statement)
    before = sys.getrefcount(tensor)
    new = ops[name].two(tensor, y)
    inside = extra + sys.getrefcount(tensor) - before
    kept = 0 if mode.observer is None else sys.getrefcount(new) - 2
    if statement == "name" and not sole(tensor, extra, new, kept):
        return None
    new = _fitted(new, tensor, call)
    if owned:
        replacing(tensor, inside, call, sys._getframe(3))
    return _kept_an_array(new)


def _fitted(new: Any, tensor: Any, call: str) -> Any:
    """Return what an update gives, of the shape and dtype that the Tensor has."""
    if _shape_here(new) != _shape_here(tensor):
        wanted = f"wants a result of t's shape {tensor.shape}: an update never enlarges"
        raise ValueError(lesson(call, wanted, f"{new.shape}", at_line(), f"t = t {call[2:-3]} y"))
    if new.dtype == tensor.dtype:
        return new
    if not np.can_cast(new.dtype, tensor.dtype, "same_kind"):
        raise TypeError(_cast(call, new.dtype, tensor))
    return new.astype(tensor.dtype)


def _shape_here(x: Any) -> Any:
    """Return a shape without asking for it: a step that asks is planned for this number of entries."""
    return x.shape if hasattr(x, "content") else np.shape(x._value)


def _kept_an_array(new: Any) -> Any:
    """Let what stands for an array without axes be one: NumPy has written into it, and two names share it."""
    if hasattr(new, "content"):
        new.shows = True
    elif new._value.__class__ is not np.ndarray:
        new._value = np.asarray(new._value)
    return new


def _is_number(tensor: Any) -> bool:
    """Whether NumPy has a number here, and no array without axes, which may show the memory of another."""
    if hasattr(tensor, "content"):
        return not tensor.shows
    return tensor._value.__class__ is not np.ndarray


def _turned(tensor: Any, make: Callable[[Any, dict[int, Any]], Any]) -> bool:
    """Let what was computed become what `make` computes of it, if nobody beyond the graph has its memory.

    The Tensor becomes the node of its new entries, and the nodes that it was an input of get the old one. So
    do views of it that have names, as their turn comes: they show the new entries.
    """
    settle()
    if hasattr(tensor, "content"):
        return _turned_examples(tensor, make)
    observer = mode.observer
    if not tensor.ndim or tensor.op is None:
        return False
    if observer is not None and not (observer.records or observer.answers):
        return False
    named: list[Any] = []
    users = users_to_turn(tensor, 0 if observer is None else _kept(tensor), named)
    if users is None:
        return False
    named = [view for view in named if not _is_apart(view, tensor)]
    old = _old_one(tensor)
    turned = {id(tensor): old}
    views = [(view, _old_one(view), users_of(view)) for view in named]
    new = make(old, turned | {id(view): before for view, before, _ in views})
    _put(old, tensor, users)
    for view, before, readers in views:
        before.inputs = tuple(turned.get(id(x), x) for x in before.inputs)
        turned[id(view)] = before
        _put(before, view, readers)
    instead = {id(old): tensor} | {id(before): view for view, before, _ in views}
    _become(tensor, new)
    for view, before, _ in views:
        _become(view, _again(before, instead))
    return True


def _is_apart(view: Any, owner: Any) -> bool:
    """Whether NumPy would have copied somewhere between an owner and what shows its memory here."""
    while view is not owner:
        if hasattr(view, "family"):
            return True
        view = next(x for x in view.inputs if _is_tensor(x) and root_of(x._value) is root_of(view._value))
    return False


def _again(node: Any, instead: dict[int, Any]) -> Any:
    """Compute a view again, of what its owner has become."""
    inputs = []
    for x in node.inputs:
        if id(x) in instead:
            x = instead[id(x)]
        elif _is_tensor(x) and root_of(x._value) is root_of(node._value):
            x = _again(x, instead)
        inputs.append(x)
    return node.op.again(tuple(inputs), node.attrs)


def _old_one(tensor: Any) -> Any:
    """Return another Tensor that is what this one is."""
    old: Any = object.__new__(type(tensor))
    for name in (*_FIELDS, "name"):
        setattr(old, name, getattr(tensor, name))
    if mode.observer is not None:
        mode.observer.renamed(old, tensor)
    return old


def _put(old: Any, tensor: Any, users: list[Any]) -> None:
    """Let nodes have `old` for the input that `tensor` was."""
    for user in users:
        user.inputs = tuple(old if x is tensor else x for x in user.inputs)


def _become(tensor: Any, new: Any) -> None:
    if mode.observer is not None:
        mode.observer.renamed(tensor, new)
    for name in _FIELDS:
        setattr(tensor, name, getattr(new, name))


def _turned_examples(tensor: Any, make: Callable[[Any, dict[int, Any]], Any]) -> bool:
    """Do the same to an example of a `vmap`, whose nodes are those of all examples at once."""
    if not tensor.ndim:
        return False
    new = make(tensor, {})
    if not sole(tensor, 0, new, 0 if mode.recorder is None else _kept(tensor.content)):
        return False
    tensor.content = new.content
    return True


def with_checked_entries(tensor: Any, index: Any, value: Any) -> Any:
    given = value if _is_tensor(value) else np.asarray(value)
    if not _fits(given.dtype, tensor.dtype):
        raise TypeError(_cast("t[i] = v", given.dtype, tensor))
    observer = mode.observer
    if observer is None or not (observer.records or observer.batches):
        index = _plain(index)
    try:
        return _with_entries(tensor, index, given.astype(tensor.dtype))
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, TypeError) and taught(error):
            raise  # who looks on refuses
        raise _said(error, "t[i] = v", tensor, value) from error


_FIELDS = "_value", "op", "inputs", "values", "attrs", "serial", "requires_grad", "grad"


def _kept(tensor: Any) -> int:
    """Return how often an observer holds a node that it has seen."""
    seen = ops["positive"](tensor)
    return sys.getrefcount(seen) - 2


def rebound_array(ufunc: Any, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Return the Tensor that the name in `array += t` is given, or None where others would see the array.

    It is called by `Tensor.__array_ufunc__` with what that was given.
    """
    settle()
    extra = references_of_output(keywords)
    array = keywords["out"][0]
    if array.__class__ is not np.ndarray or inputs[0] is not array or array.base is not None:
        return None
    if weakref.getweakrefcount(array):
        return None
    statement = kind_of_statement(sys._getframe(2))
    owned = statement == "entry" or (statement == "attribute" and not held_by_a_class(array))
    if not (statement == "name" or owned) or extra != usual("array"):
        return None
    before = sys.getrefcount(array)
    new = ops[ufunc.__name__].two(array, inputs[1])
    inside = sys.getrefcount(array) - before
    if owned:
        replacing(array, inside, "t += y", sys._getframe(2))
    if new.shape != array.shape or not np.can_cast(new.dtype, array.dtype, "same_kind"):
        got = f"array {array.shape} {array.dtype}, the result {new.shape} {new.dtype}"
        wanted = "wants a result that the array can hold"
        raise TypeError(lesson("array += t", wanted, got, at_line(), "array = array + t"))
    return _kept_an_array(new if new.dtype == array.dtype else new.astype(array.dtype))


def _allowed(tensor: Any, y: Any, call: str, new: str, into: bool = True) -> None:
    """Object to changing what a graph remembers, what a gradient would have to pass through, or a view alone.

    A view is not changed itself where the statement stores it again (`into` is False).
    """
    needs = tensor.requires_grad or (_is_tensor(y) and y.requires_grad)
    if hasattr(tensor, "content") or (mode.grad_enabled and needs and tensor.op is not None):
        wanted = "would change a value that the graph remembers and that has another name, a view or an owner"
        hint = f"{new}, or t = t.copy() before it"
    elif mode.grad_enabled and needs:
        wanted = "would change a value that the graph remembers, and drop the gradient"
        hint = f"`with clearprop.no_grad():` around it where a leaf is updated, or {new}"
    elif tensor.op is not None and tensor.requires_grad:
        wanted, hint = "only a leaf can be changed: the graph remembers this value", new
    elif into and not tensor.requires_grad and _shows_a_tensor(tensor):
        wanted = "would change a view alone, and not what it shows, as NumPy does"
        hint = f"{new}, t = t.copy() before it, or the change of what it shows: w[i] -= step for w[i]"
    else:
        return
    raise TypeError(lesson(call, wanted, f"t = {tensor!r}", at_line(), hint))


def _shows_a_tensor(tensor: Any) -> bool:
    """Whether a Tensor shows the memory of another, as a view of which nobody took note."""
    array = tensor._value
    if hasattr(tensor, "family") or array.__class__ is not np.ndarray or array.base is None:
        return False
    base = array.base
    if sys.getrefcount(base) <= 3:  # this view, the name here and the call hold it
        return False
    return any(_is_tensor(owner) and owner._value is base for owner in gc.get_referrers(base))


def _with_entries(tensor: Any, index: Any, value: Any) -> Any:
    """Return `tensor` with other entries at an index, made by ops."""
    observer = mode.observer
    if observer is not None and (found := observer.stored_under(tensor, index, value)) is not None:
        return found
    if _is_tensor(index) and index.dtype.kind == "b" and index.shape == tensor.shape[: index.ndim]:
        rest = tensor.ndim - index.ndim
        if np.ndim(value) <= rest:  # the same for all that the mask picks
            mask = index.reshape(index.shape + (1,) * rest) if rest else index
            return ops["where"](mask, value, tensor)
    if any(_is_tensor(x) for x in (index if isinstance(index, tuple) else (index,))):
        hint = "np.where(mask, v, t), or an index that is known before the step"
        raise (observer or Observer()).refuse("t[i] = v with an index that is computed", "", hint)
    size = tensor.size
    chosen = np.arange(size).reshape(tensor.shape)[index].shape
    source = np.full(tensor.shape, -1)  # for each entry of `t` the entry of `value` that it becomes
    source[index] = np.arange(int(np.prod(chosen))).reshape(chosen)
    if not _is_tensor(value):
        value = np.asarray(value)
    shape = value.shape
    while value.ndim > len(chosen):  # NumPy, too, leaves out leading axes of length 1
        if value.shape[0] != 1:
            raise ValueError(f"could not broadcast input array from shape {shape} into shape {chosen}")
        value = value[0]
    spread = ops["reshape"](ops["broadcast_to"](value, chosen), (-1,))
    return ops["where"](source >= 0, spread[np.maximum(source, 0)], tensor) if spread.shape[0] else tensor


def _to_be_changed(frame: FrameType) -> bool:
    """Whether the line reads `x.value` in order to store it again, as `x.value -= step` does."""
    at, code = frame.f_lasti, frame.f_code.co_code
    while code[at] == _CACHE and at > 0:  # where Python 3.12 stands once the line has run a few times
        at -= 2
    if code[at] != _LOAD:
        return False
    at -= 2
    while code[at] == _EXTENDED and at > 0:  # a name beyond the first 128 of its code
        at -= 2
    return code[at] == _COPY and code[at + 1] == 1 and at >= 0


def _fits(given: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    return _ORDER.find(given.kind) in range(max(_ORDER.index(dtype.kind), 2 * (dtype.kind in "ui")) + 1)


def _cast(call: str, given: Any, tensor: Any) -> str:
    return lesson(
        call, f"wants numbers that {tensor.dtype} can hold", f"{given}", at_line(), "v.astype(t.dtype)"
    )


def _said(error: Exception, call: str, tensor: Any, y: Any) -> Exception:
    """Return NumPy's objection as an error of ours."""
    kind = next(k for k in (IndexError, TypeError, ValueError) if isinstance(error, k))
    got = f"t {tensor.shape} {tensor.dtype}, the other {np.shape(_plain(y))}"
    return kind(lesson(call, str(error).rstrip(" ."), got, at_line(), "t.value to look at what it holds"))


def _plain(x: Any) -> Any:
    """Return an index with arrays in the place of Tensors."""
    if isinstance(x, tuple):
        return tuple(_plain(part) for part in x)
    return x._value if _is_tensor(x) else x


def _is_tensor(x: Any) -> bool:
    """Whether it is a Tensor, which alone has these methods."""
    return isinstance(x, ChangedByHand)


def stands_for_array(x: Any) -> bool:
    """Whether an eager run has an array, or a number of NumPy's, where a recorded step has a Tensor."""
    return mode.observer is not None and _is_tensor(x) and mode.observer.stands_for_array(x)
