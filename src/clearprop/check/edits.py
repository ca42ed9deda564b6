"""Arrays that a graph shares with its user, and whether they were edited before the backward pass."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.backward import input_gradient
from clearprop.check.departures import source_of
from clearprop.errors import lesson
from clearprop.op import describe
from clearprop.tensor import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Edit:
    """One array that was edited after `node` had used it; `line` is the user's line of that use."""

    node: Tensor
    array: Any
    line: str
    text: str

    def __repr__(self) -> str:
        return self.text


def shared(node: Tensor) -> Iterator[Any]:
    """Yield the arrays that `node` remembers and its user may hold too: constants, leaves, views, indices."""
    for x, value in zip(node.inputs, node.values, strict=True):
        computed = isinstance(x, Tensor) and x.op is not None
        if isinstance(value, np.ndarray) and (not computed or value.base is not None):
            yield value
    for attribute in node.attrs.values():
        for value in attribute if isinstance(attribute, (tuple, list)) else (attribute,):
            if isinstance(value, np.ndarray):
                yield value


def checksums(node: Tensor) -> tuple[int, ...]:
    """Return a checksum of each shared array that `node` remembers."""
    return tuple(
        zlib.crc32(np.ascontiguousarray(array).data.cast("B"), hash(array.shape) & 0xFFFFFFFF)
        if array.size and not array.dtype.hasobject
        else 0
        for array in shared(node)
    )


def reads_values(node: Tensor, i: int) -> bool:
    """Whether the gradient of input `i` depends on numbers the node remembers: that of a sum does not."""
    derivatives = node.op.derivatives if node.op is not None else ()
    return not (derivatives and isinstance(derivatives[i], int))


def is_read(node: Tensor, i: int, g: Any, array: Any) -> bool:
    """Whether the gradient of input `i` depends on the numbers in `array`: the rule is run with others.

    That of `concatenate` does not: only shapes decide where each piece of `g` goes.
    """
    try:
        known = _sent(node, i, g, array, array)
    except Exception:  # edited so that the rule fails: a mask of another count, a matrix without an inverse
        return True
    return any(_differs(known, node, i, g, array, x) for x in _others(array))


def _differs(known: Any, node: Tensor, i: int, g: Any, array: Any, other: Any) -> bool:
    try:
        return not np.array_equal(known, _sent(node, i, g, array, other), equal_nan=True)
    except Exception:  # no numbers that the rule takes
        return True


def _others(array: Any) -> Iterator[Any]:
    """Yield arrays of the same shape and dtype with other numbers, which index what the array can index."""
    yield np.zeros_like(array)
    yield np.ascontiguousarray(array.ravel()[::-1].reshape(array.shape))
    if array.dtype.kind == "b":
        yield ~array
    elif array.dtype.kind in "fc":
        yield -2 * array - 1


def _sent(node: Tensor, i: int, g: Any, array: Any, other: Any) -> Any:
    """Return what the node sends to its input `i` if `other` stands where `array` does."""

    def put(x: Any) -> Any:
        if isinstance(x, (tuple, list)):
            return type(x)(map(put, x)) if type(x) in (tuple, list) else x
        return other if x is array else x

    attrs = {name: put(x) for name, x in node.attrs.items()}
    op: Any = node.op
    with np.errstate(all="ignore"):
        d = input_gradient(op, i, g, node._value, put(tuple(node.values)), attrs)
    return np.zeros(0) if d is None else np.asarray(d)


def edited(node: Tensor, before: tuple[int, ...], call: str, line: str) -> Edit | None:
    """Return the first array that no longer holds what it held when `node` was computed, if any."""
    for array, then, now in zip(shared(node), before, checksums(node), strict=True):
        if then != now:
            wanted = "an array was edited after its use, and the backward pass would read the new numbers"
            hint = "array.copy() in the formula, or the edit after backward()"
            return Edit(node, array, line, lesson(call, wanted, describe(array), source_of(line), hint))
    return None
