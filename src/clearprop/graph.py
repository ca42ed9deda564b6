"""The graph behind a Tensor: its nodes, their order, and whether it is a tree."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from clearprop.errors import lesson
from clearprop.hints import refuse_texts
from clearprop.modes import made
from clearprop.rebinding import settle
from clearprop.tensor import Tensor

Users = dict[Tensor, list[tuple[Tensor, int]]]
"""For every node who uses it, and as which of its inputs."""

_serial = attrgetter("serial")


def topological_order(output: Tensor, *, tracked: bool = False) -> list[Tensor]:
    """Return every node that led to `output`, each once, inputs before users; the output is last.

    Any order in which inputs come first would do; this one is the order of computation, which is unique. With
    `tracked=True` only the nodes that need a gradient are visited. Runs in n log n without recursion: a chain
    of a million nodes is fine.

    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> [t.name or t.op.name for t in topological_order((a + b) * b**3)]
    ['a', 'b', 'add', 'power', 'multiply']
    """
    if isinstance(tracked, str):
        refuse_texts("topological_order", tracked=tracked)
    settle()
    seen = {output}
    stack = [output]
    untracked = not tracked
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Tensor) and x not in seen and (x.requires_grad or untracked):
                seen.add(x)
                if x.op is not None:
                    stack.append(x)
    if tracked:
        return sorted(seen, key=_serial)
    return _leaves_by_first_use(sorted(seen, key=_serial))


def _leaves_by_first_use(order: list[Tensor]) -> list[Tensor]:
    """Sort the leaves by where they are first used, so that the order does not depend on a set's."""
    leaves = dict.fromkeys(x for node in order for x in node.inputs if isinstance(x, Tensor) and x.op is None)
    return [*leaves, *(node for node in order if node not in leaves)]


def is_tree(output: Tensor) -> bool:
    """Tell whether every node that led to `output` is used exactly once.

    On a tree every gradient has a single contribution; on a DAG they must be added up.

    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> is_tree((a + 1) * b), is_tree((a + b) * b)
    (True, False)
    """
    used: set[Tensor] = set()
    for node in topological_order(output):
        for x in node.inputs:
            if isinstance(x, Tensor):
                if x in used:
                    return False
                used.add(x)
    return True


def users_of(output: Tensor) -> Users:
    """Return, for every node that led to `output`, its users and the input they have it at.

    The users stand in the order in which the backward pass visits them, which is the order of the sum.

    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> [(user.op.name, i) for user, i in users_of((a + b) * b**3)[b]]
    [('power', 0), ('add', 1)]
    """
    return users_in(reversed(topological_order(output, tracked=True)), tracked=True)


def users_in(order: Iterable[Tensor], *, tracked: bool = False) -> Users:
    """Return the same for the given nodes, in their order; with `tracked` only of what needs a gradient."""
    users: Users = {}
    for node in order:
        for i, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and (x.requires_grad or not tracked):
                users.setdefault(x, []).append((node, i))
    return users


def copied(output: Tensor, memo: dict[int, Any]) -> Tensor:
    """Copy the whole graph behind `output` without recursion: what `copy.deepcopy(output)` does.

    What was shared is shared among the copies too, by way of `memo`. Ops are not copied.

    >>> from clearprop import Tensor
    >>> x = Tensor(3.0)
    >>> y, z = copy.deepcopy((x * x, x))
    >>> y.backward()
    >>> z.grad, x.grad
    (np.float64(6.0), None)
    """
    fresh = [node for node in topological_order(output) if id(node) not in memo]
    for node in fresh:  # inputs come first, so their copies exist
        slots = _slots(
            node
        )  # read first: what lies on a device comes, and the class is the Tensor's own again
        twin = object.__new__(type(node))
        for name, value in slots.items():
            kept = None if name == "grad" else value
            setattr(twin, name, kept if name in ("grad", "op") else copy.deepcopy(value, memo))
        memo[id(node)] = twin
        if node.op is None:
            made(twin, node)
    for node in fresh:
        memo[id(node)].grad = copy.deepcopy(node.grad, memo)
    return memo[id(output)]  # type: ignore[no-any-return]


def state_of_leaf(tensor: Tensor) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return what pickle keeps of a leaf; a computed Tensor is refused, for it hangs on its graph."""
    if tensor.op is not None:
        raise TypeError(
            lesson(
                "pickle(t)",
                "wants a leaf",
                f"{tensor!r} hangs on the graph it was computed by",
                hint="t.detach(), or copy.deepcopy(t) for a copy of the whole graph",
            )
        )
    return None, _slots(tensor)


def _slots(tensor: Tensor) -> dict[str, Any]:
    names = [name for kind in type(tensor).__mro__ for name in getattr(kind, "__slots__", ())]
    slots = {name: getattr(tensor, name) for name in names if name not in ("__weakref__", "family")}
    return slots | getattr(tensor, "__dict__", {})
