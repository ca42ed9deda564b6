"""Leaves that share the memory of an array, where `Tensor(array)` copies it."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.tensor import Tensor
from clearprop.updates import stands_for_array


def from_numpy(
    array: Any,
    name: str | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """Return a leaf that shares the memory of a floating-point array, where `Tensor(array)` copies it.

    Editing the array afterwards changes the leaf's value, also for nodes that were computed from it: their
    gradients would be wrong, so edit it only between steps. TypeError where it is no such array and a
    gradient is wanted.

    >>> import numpy as np
    >>> data = np.array([1.0, 2.0])
    >>> x = from_numpy(data, requires_grad=False)
    >>> data[0] = 5.0
    >>> x.value
    array([5., 2.])
    """
    if not _is_array(array) or (array.dtype.kind not in "fc" and requires_grad is not False):
        wanted = "wants an array of floats to share, or requires_grad=False"
        got = f"{getattr(array, 'dtype', type(array).__name__)}"
        raise TypeError(lesson("from_numpy(array)", wanted, got, hint="Tensor(array), which copies"))
    if isinstance(array, Tensor) and (observer := mode.observer) is not None:  # its memory is the leaf's
        return Tensor(observer.sealed(array), name, requires_grad)
    leaf = Tensor(0.0, name, requires_grad)
    if array.dtype.kind not in "fiub":
        return Tensor(array, name, requires_grad)  # says what it wants; complex numbers are copied
    leaf._value = array if array.ndim else array[()]
    return leaf


def asarray(
    value: Any,
    name: str | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """Return a leaf of `value`: an array of floats is shared, as `from_numpy` does, all else is copied.

    A Tensor is returned as it is.

    >>> asarray([1, 2]).dtype
    dtype('float64')
    """
    if isinstance(value, Tensor) and not stands_for_array(value):
        return value
    shared = _is_array(value) and value.dtype.kind == "f"
    return (from_numpy if shared else Tensor)(value, name, requires_grad)


def _is_array(x: Any) -> bool:
    return isinstance(x._value if stands_for_array(x) else x, np.ndarray)
