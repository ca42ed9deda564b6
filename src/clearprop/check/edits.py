"""Arrays that a graph shares with its user, and whether they were edited before the backward pass."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

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
        zlib.crc32(np.ascontiguousarray(array).data.cast("B"))
        if array.size and not array.dtype.hasobject
        else 0
        for array in shared(node)
    )


def reads_values(node: Tensor, i: int) -> bool:
    """Whether the gradient of input `i` depends on numbers the node remembers: that of a sum does not."""
    derivatives = node.op.derivatives if node.op is not None else ()
    return not (derivatives and isinstance(derivatives[i], int))


def edited(node: Tensor, before: tuple[int, ...], call: str, line: str) -> Edit | None:
    """Return the first array that no longer holds what it held when `node` was computed, if any."""
    for array, then, now in zip(shared(node), before, checksums(node), strict=True):
        if then != now:
            wanted = "an array was edited after its use, and the backward pass would read the new numbers"
            hint = "array.copy() in the formula, or the edit after backward()"
            return Edit(node, array, line, lesson(call, wanted, describe(array), source_of(line), hint))
    return None
