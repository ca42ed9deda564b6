"""The graph behind a Tensor: its nodes, their order, and whether it is a tree."""

from __future__ import annotations

from operator import attrgetter

from clearprop.tensor import Tensor

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
    seen = {output}
    stack = [output]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Tensor) and x not in seen and (x.requires_grad or not tracked):
                seen.add(x)
                stack.append(x)
    if tracked:
        return sorted(seen, key=_serial)
    return _leaves_by_first_use(output, sorted(seen, key=_serial))


def _leaves_by_first_use(output: Tensor, order: list[Tensor]) -> list[Tensor]:
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
