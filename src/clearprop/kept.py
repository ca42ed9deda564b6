"""Which gradients of computed nodes a recorded step keeps: those of nodes that somebody can ask for theirs.

A step in eager mode keeps all, since every node can be looked at afterwards. One that is being recorded is
not looked at: its graph goes with it, and the gradients of inner nodes were half of the memory that it took.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from clearprop.errors import at_line, lesson
from clearprop.tensor import Tensor


class Forgotten:
    """Stands where the gradient of a node was that only the graph leads to; asked for anything it refuses.

    Only `isinstance` is answered, as the gradient would: it is of the `kind` that the node's value is.
    """

    def __init__(self, kind: type) -> None:
        object.__setattr__(self, "_kind", kind)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        wanted = "is kept in a compiled step for nodes that something in it holds"
        hint = "a name for the node before backward(): z = model(x), then z.grad"
        raise RuntimeError(lesson("node.grad", wanted, "one that only the graph leads to", at_line(), hint))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python itself looks whether an object has these
            raise AttributeError(name)
        return self._refuse()

    __class__: Any = property(lambda self: object.__getattribute__(self, "_kind"))


_ASKED = (
    "__array__ __array_ufunc__ __array_function__ __bool__ __float__ __len__ __iter__ __getitem__ "
    "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __matmul__ __rmatmul__ __neg__ "
    "__pow__ __rpow__ __abs__ __pos__ __repr__ __floordiv__ __rfloordiv__ __mod__ __rmod__ __divmod__ "
    "__rdivmod__ __int__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __contains__ __setitem__"
)
for _name in _ASKED.split():  # Python looks for these at the class alone
    setattr(Forgotten, _name, Forgotten._refuse)


def held_nodes(order: list[Tensor]) -> set[Tensor]:
    """Return the nodes of a graph that something besides the graph and `order` holds, and its output.

    Found by counting references: one that nobody but the inputs of other nodes accounts for cannot be reached
    by a name, a container or a closure.

    >>> from clearprop.graph import topological_order
    >>> x = Tensor(2.0)
    >>> z = x * x
    >>> order = topological_order((z + 1) * (x + 3))
    >>> held = held_nodes(order)
    >>> [node.op.name for node in order if node in held and node.op]
    ['multiply', 'multiply']
    """
    inside = Counter(id(x) for node in order for x in node.inputs)
    (alone,) = _counts([object()])
    counts = zip(order, _counts(order), strict=True)
    return {order[-1], *(node for node, count in counts if count > alone + inside[id(node)])}


def _counts(things: Iterable[Any]) -> list[int]:
    return [sys.getrefcount(thing) for thing in things]
