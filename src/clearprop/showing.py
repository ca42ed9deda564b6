"""Tensors that show one memory and hang on no graph: what changes one of them changes all, as in NumPy.

A view (`y[0]`, `y.T`) that needs no gradient is noted with what it is a view of, in a list that both have as
their `family`. A change is made where it lies if nobody else has that memory; a graph that has remembers it,
so that all of the family show a copy of it from then on.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.modes import mode
from clearprop.rebinding import held_by, root_of

if TYPE_CHECKING:
    from clearprop.tensor import Tensor

changing = threading.RLock()
"""Held from the look at who shows a memory to its change: threads may change rows of one array at once."""

NO_ATTRS: dict[str, Any] = {}
"""The attributes of what hangs on no graph, though an op has made it: a leaf of the user's has its own."""


def note_view(view: Tensor, inputs: tuple[Any, ...]) -> None:
    """Note which of the inputs of an op a result shows the memory of, whose array has a base."""
    root = root_of(view._value)
    for x in inputs:
        if root is root_of(getattr(x, "_value", None)):
            break
    else:
        return
    with changing:
        try:
            family = x.family
        except AttributeError:
            family = x.family = [weakref.ref(x)]
        if not len(family) & (len(family) - 1):  # at each power of 2: so often as to cost nothing
            family[:] = [member for member in family if member() is not None]
        family.append(weakref.ref(view))
        view.family = family


def placed(inputs: tuple[Any, ...]) -> bool:
    """Whether a user's own number is among the inputs of an op; it is an array without axes from then on.

    Such a Tensor is NumPy's `np.array(2.0)`, which has views, though nothing but a view needs its memory.
    """
    numbers = [x for x in inputs if isinstance(getattr(x, "_value", None), np.generic) and not is_computed(x)]
    for x in numbers:
        x._value = np.asarray(x._value)
    return bool(numbers)


def apart(x: Any) -> Any:
    """Return a result that NumPy would have copied: if it shows another's memory, until one is changed."""
    if hasattr(x, "family"):
        x.family[:] = [member for member in x.family if member() is not x]
    if hasattr(x, "inputs") and not hasattr(x, "content"):
        x.family = [weakref.ref(x)]
    return x


def straight(row: Any) -> Any:
    """Return the entries of an array in a row, which NumPy copies unless they lie one behind the other."""
    array = getattr(row, "_value", None) if not hasattr(row, "content") else None
    return row if array is None or array.flags.c_contiguous else apart(row)


def is_computed(x: Any) -> bool:
    """Whether an op has made a Tensor, and not a user, though it may not know how."""
    return x.op is not None or x.attrs is NO_ATTRS


def showing(tensor: Any) -> list[Any]:
    """Return the living Tensors that show the memory of one, which is among them.

    >>> from clearprop import Tensor
    >>> y = Tensor([1.0, 2.0, 3.0], requires_grad=False)
    >>> v = y[:2]
    >>> len(showing(y)), len(showing(y + 1))
    (2, 1)
    """
    try:
        members = [member() for member in tensor.family]
    except AttributeError:
        return [tensor]
    root = root_of(tensor._value)
    return [x for x in members if x is not None and root_of(x._value) is root]


def change(tensor: Any, write: Callable[[Any], Any], family: list[Any]) -> None:
    """Let `write` change the entries of an array of the Tensor, and let all that show them see it."""
    if len(family) == 1:
        new = np.array(tensor._value)
        write(new)
        tensor._value = new if new.ndim else new[()]
        return
    if held_by(family):
        write(tensor._value)
        return
    root = root_of(tensor._value)
    copied = np.array(root, order="K")
    within = copied.transpose(np.argsort([-abs(step) for step in root.strides], kind="stable"))
    shown = [copied if x._value is root else _same_view(x._value, root, within) for x in family]
    write(next(array for x, array in zip(family, shown, strict=True) if x is tensor))
    for x, array in zip(family, shown, strict=True):
        array.flags.writeable = x._value.flags.writeable or not root.flags.writeable
        x._value = array


def seen_by_nobody_else(tensor: Any, call: str, own: Any = None) -> None:
    """Object where others show the memory of a Tensor: a recorded step would leave them what they were.

    A view that is the statement's `own` is gone when it has ended.
    """
    if any(x is not tensor and x is not own for x in showing(tensor)):
        wanted = "would change what another Tensor shows, which a recorded step does not follow"
        hint = "t = t.copy() before it, or a copy of the view"
        raise TypeError(lesson(call, wanted, f"t = {tensor!r}", at_line(), hint))


def may_change(tensor: Any, call: str) -> list[Any]:
    """Return who shows the memory of a Tensor that is to be changed.

    TypeError where a graph remembers one of them, ValueError where NumPy has what nobody writes through.
    """
    family = showing(tensor)
    if len(family) == 1:
        return family
    hint = "t = t.copy() before it"
    if any(x.requires_grad and (x.op is not None or mode.grad_enabled) for x in family):
        wanted = "would change a view alone, and not what it shows: a value that the graph remembers"
        hint += ", or the change of what it shows: w[i] -= step for w[i]"
        raise TypeError(lesson(call, wanted, f"t = {tensor!r}", at_line(), hint))
    root = root_of(tensor._value)
    if not tensor._value.flags.writeable and root.flags.writeable:
        wanted = "would write where NumPy's own array is read-only, or has one entry for several"
        raise ValueError(lesson(call, wanted, f"t = {tensor!r}", at_line(), hint))
    if root.base is not None and not _lies_close(root):
        wanted = "would change a view of memory with gaps that NumPy has not made"
        raise TypeError(lesson(call, wanted, f"t = {tensor!r}", at_line(), hint))
    return family


def _lies_close(root: Any) -> bool:
    """Whether a copy of an array lies as it does: what NumPy has made has no gaps, and runs forward."""
    steps = zip(root.shape, root.strides, np.empty_like(root, subok=False).strides, strict=True)
    return all(n == 1 or step == copied for n, step, copied in steps) or not root.size


def _same_view(view: Any, root: Any, within: Any) -> Any:
    """Return the view of a copy that lies there as `view` in `root`."""
    begin = view.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    shape, strides = view.shape, view.strides
    return np.ndarray(shape, view.dtype, within, begin if view.size else 0, strides)
