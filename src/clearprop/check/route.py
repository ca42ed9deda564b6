"""The way from a node to the output, and whether a `where` on it discards a given entry."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.graph import users_of
from clearprop.see.algebra.labels import call_of
from clearprop.tensor import Tensor

Index = tuple[int, ...] | None  # None: the entry was lost sight of (a sum, a product of matrices)

_LONGEST = 12  # calls that a route shows; the middle of a longer one is left out


@dataclass(frozen=True, eq=False)
class Route:
    """The calls from a node to the output, and the `where` (as text) that discards the entry, or ''."""

    calls: tuple[str, ...]
    discarded_by: str


def route_to(
    output: Tensor | None, node: Tensor, i: int | None, index: Index, names: Mapping[int, str]
) -> Route | None:
    """Return the shortest way from a node's entry `index` to the output; None where there is none.

    With `i` the entry is one of the gradient for the node's input `i`, so the node itself is passed first.
    """
    if output is None:
        return None
    users = users_of(output)
    discarded = ""
    if i is not None and node.op is not None:
        discarded = _discards(node, i, index, names)
        index = through(node, i, index)
    came: dict[Tensor, tuple[Tensor | None, Index]] = {node: (None, index)}
    waiting = deque([node])
    while waiting:
        x = waiting.popleft()
        for user, place in users.get(x, ()):
            entry = came[x][1]
            discarded = discarded or _discards(user, place, entry, names)
            if user not in came:
                came[user] = (x, through(user, place, entry))
                waiting.append(user)
    if output not in came:
        return None
    calls: list[str] = []
    step: Tensor | None = output
    while step is not None:
        calls.append(call_of(step, names, depth=0))
        step = came[step][0]
    calls.reverse()
    if len(calls) > _LONGEST:
        half = _LONGEST // 2
        calls = [*calls[:half], f"... {len(calls) - 2 * half} more ...", *calls[-half:]]
    return Route(tuple(calls), discarded)


def _discards(user: Tensor, i: int, index: Index, names: Mapping[int, str]) -> str:
    """Return the `where` as text if it does not choose its input `i` at that entry, else ''."""
    if user.op is None or user.op.facts.picks is None or index is None:
        return ""
    place = through(user, i, index)
    chosen = user.op.facts.picks(i, *user.values, **user.attrs)
    if chosen is None or place is None or np.broadcast_to(chosen, user._value.shape)[place]:
        return ""
    return call_of(user, names, depth=0)


def through(user: Tensor, i: int, index: Index) -> Index:
    """Return where the entry `index` of input `i` stands in the user's output; None where it is lost.

    >>> x = Tensor(np.arange(6.0).reshape(2, 3))
    >>> through(x.T, 0, (1, 2)), through(x.reshape(6), 0, (1, 2)), through(x.sum(), 0, (1, 2))
    ((2, 1), (5,), None)
    """
    op, x, z = user.op, user.values[i], user._value
    if op is None or index is None:
        return None
    before, after = np.shape(x), np.shape(z)
    if op.kind == "elementwise" or op.facts.order == "repeated":
        return (0,) * (len(after) - len(before)) + index  # an entry that is repeated: its first place
    if op.facts.order == "kept":
        flat: Any = np.ravel_multi_index(index, before) if before else 0
        return tuple(map(int, np.unravel_index(int(flat), after))) if after else ()
    if op.facts.axes is not None:
        return tuple(index[a] for a in op.facts.axes(len(before), **user.attrs))
    return None
