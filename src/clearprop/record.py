"""Reading and assigning the values that outlive a step: parameters, optimizer state, random state."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.tensor import Tensor


def read(tensor: Tensor) -> Any:
    """Return what a formula should compute with: the array itself, or a Tensor while somebody records.

    Optimizers write their formulas once on what `read` gives them, so the same lines run at NumPy's speed in
    an eager step and are recorded by `clearprop.compile`.
    """
    observer = mode.observer
    if observer is not None and (observer.remembers or observer.answers):
        return observer.read(tensor)
    return tensor._value


def read_number(tensor: Tensor) -> Any:
    """Return the float that a Tensor without axes holds for its owner, or what stands for it while somebody
    records: as weak a number as the float is, so that `rate * w` keeps the dtype of `w`.

    >>> read_number(Tensor(0.1))
    0.1
    """
    observer = mode.observer
    if observer is not None and (observer.remembers or observer.answers):
        return observer.number(tensor)
    return float(tensor._value)


def copy_of(tensor: Tensor) -> Any:
    """Return the contents of a Tensor as an array of the caller's own, or what stands for it while somebody
    records: state dicts are made of these.

    >>> copy_of(Tensor([1.0, 2.0]))
    array([1., 2.])
    """
    observer = mode.observer
    if observer is not None and (observer.records or observer.answers):
        return observer.copied(observer.read(tensor))
    return np.array(tensor._value)


def assign(tensor: Tensor, new: Any) -> None:
    """Give a leaf a new value of the same shape and dtype. Every change of a value is one of these.

    The new array is copied, and the old one is not overwritten: nodes that were computed from it keep it.
    While a step is being recorded the new value becomes an output of the step.

    >>> w = Tensor([1.0, 2.0])
    >>> assign(w, [3.0, 4.0])
    >>> w.value
    array([3., 4.])
    """
    hand_over(tensor, new.copy() if isinstance(new, np.ndarray) else new)


def hand_over(tensor: Tensor, new: Any) -> None:
    """Do what `assign` does with an array that nobody else will edit: it is not copied."""
    observer = mode.observer
    if observer is not None and observer.batches and observer.batches[-1].takes(tensor, new):
        return
    if tensor.op is not None:
        raise ValueError(lesson("assign(t, new)", "only a leaf can be assigned", f"{tensor!r}"))
    value, old = new._value if isinstance(new, Tensor) else np.asarray(new), tensor._value
    if value.dtype is not old.dtype and value.dtype != old.dtype:
        if value.dtype.kind not in "fiub":  # a cast would drop imaginary parts
            wanted = f"wants real numbers, t is {old.dtype}"
            raise TypeError(lesson("assign(t, new)", wanted, f"dtype {value.dtype}", hint="new.real"))
        value = value.astype(old.dtype)
    if value.shape != old.shape:
        raise ValueError(
            lesson(
                "assign(t, new)",
                f"wants a value of t's shape {tensor.shape}",
                f"{value.shape}",
                f"t is {tensor.name or 'a leaf'}.",
                "clearprop.Tensor(new) for a new Tensor",
            )
        )
    if observer is not None and observer.assigned(tensor, new):  # an output of the step that it records
        return  # or a value for that observer's own run
    tensor._value = value if value.shape else value[()]
