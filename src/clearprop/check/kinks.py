"""`kinks`: where a function sits on a kink, and where 0 times infinity was decided as 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.graph import topological_order
from clearprop.see.labels import call_of
from clearprop.tensor import Tensor


@dataclass(frozen=True)
class Place:
    """One entry of one op: `kind` is `kink` or `0 * inf`; the slopes are those of the op by its input `i`."""

    kind: str
    call: str
    i: int
    index: tuple[int, ...]
    left: float
    right: float

    def __str__(self) -> str:
        at = f" at {list(self.index)}" if self.index else ""
        if self.kind == "kink":
            sides = f"slope {self.left:.4g} to its left, {self.right:.4g} to its right"
            return f"{self.call}{at} is on a kink: {sides}"
        return f"{self.call}{at} has an infinite slope, met by a gradient of 0: decided as 0"


def kinks(f: Callable[..., Any], *inputs: Any) -> list[Place]:
    """Return the entries of `f(*inputs)` on a kink, and those where 0 times infinity was decided as 0.

    At a kink the gradient is one of several that are right: the table of conventions says which. Where a
    gradient of exactly 0 meets an infinite slope, 0 is sent, so that masked entries stay masked: right for
    `where(x > 0, sqrt(x), 0)`, and wrong for `sqrt(x)**2` at 0, whose derivative is 1.

    >>> for place in kinks(lambda x: np.sum(np.abs(x)) + np.sqrt(x[1]) ** 2, np.array([1.0, 0.0])):
    ...     print(place)
    absolute(x) at [1] is on a kink: slope -1 to its left, 1 to its right
    sqrt(...) has an infinite slope, met by a gradient of 0: decided as 0
    """
    letters = ["x", "y", "z", "u", "v", "w"]
    leaves = [Tensor(x, name=letters[k] if k < len(letters) else None) for k, x in enumerate(inputs)]
    output = f(*leaves)
    if not isinstance(output, Tensor) or output.op is None:
        return []
    order = topological_order(output)
    grads = propagate(order, {output: np.ones_like(output._value)})
    found: list[Place] = []
    for node in order:
        if node.op is not None and node.op.derivatives:
            for i in range(len(node.inputs)):
                found += _on_kinks(node, i)
                found += _decided(node, i, grads.get(node))
    return found


def _tracked(node: Tensor, i: int) -> bool:
    x = node.inputs[i]
    return isinstance(x, Tensor) and x.requires_grad


def _on_kinks(node: Tensor, i: int) -> list[Place]:
    op = node.op
    assert op is not None
    if op.kink is None or not _tracked(node, i):
        return []
    mask = np.broadcast_to(op.kink(*node.values), np.shape(node._value))
    x = np.asarray(node.values[i], np.float64)
    step = 1e-6 * np.maximum(1.0, np.abs(x))
    sides = []
    for sign in (-1.0, 1.0):
        moved = [x + sign * step if k == i else v for k, v in enumerate(node.values)]
        sides.append((op.forward(*moved) - np.asarray(node._value, np.float64)) / (sign * step))
    slopes = [np.broadcast_to(np.round(side, 5), mask.shape) for side in sides]
    places = [tuple(int(k) for k in index) for index in np.argwhere(mask)]
    return [
        Place("kink", call_of(node, {}), i, at, float(slopes[0][at]), float(slopes[1][at])) for at in places
    ]


def _decided(node: Tensor, i: int, g: Any) -> list[Place]:
    places = np.argwhere(decided_as_zero(node, i, g))
    return [
        Place("0 * inf", call_of(node, {}), i, tuple(int(k) for k in index), np.inf, np.inf)
        for index in places
    ]


def decided_as_zero(node: Tensor, i: int, g: Any) -> Any:
    """Return at which entries of a node a gradient of exactly 0 met an infinite slope by input `i`.

    >>> decided_as_zero(np.sqrt(Tensor([0.0, 4.0])), 0, np.zeros(2))
    array([ True, False])
    """
    op, nowhere = node.op, np.zeros(np.shape(node._value), bool)
    if op is None or op.singular is None or g is None or not _tracked(node, i):
        return nowhere
    if not op.singular(*node.values) or not callable(op.derivatives[i]):
        return nowhere
    with np.errstate(all="ignore"):
        slope = np.broadcast_to(op.derivatives[i](node._value, *node.values), nowhere.shape)
    arrived = np.asarray(g._value if isinstance(g, Tensor) else g)
    return np.isinf(slope) & (arrived == 0)
