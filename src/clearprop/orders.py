"""Orders of a graph's nodes: whether one is topological, which arrow it breaks, how many there are."""

from __future__ import annotations

from collections.abc import Iterable

from clearprop.errors import lesson
from clearprop.graph import topological_order
from clearprop.op import describe
from clearprop.tensor import Tensor

MOST = 200_000  # sets of nodes that are looked at before counting is given up


def broken(order: Iterable[Tensor], output: Tensor, *, tracked: bool = False) -> str:
    """Return in words why an order of the nodes that led to `output` is not topological; '' where it is.

    Each of these nodes stands in it once, after what it was computed from. With `tracked` only the nodes
    that need a gradient have to be there.

    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> c = a + b
    >>> c.name = "c"
    >>> broken([a, c, b], c)
    "Tensor 'c' stands before Tensor 'b', which it was computed from"
    """
    given = list(order)
    for node in given:
        if not isinstance(node, Tensor):
            raise TypeError(
                lesson("an order", "holds Tensors, the nodes of a graph", f"a {type(node).__name__}")
            )
    place = {node: i for i, node in enumerate(given)}
    if len(place) < len(given):
        twice = next(node for i, node in enumerate(given) if place[node] != i)
        return f"{told(twice)} stands there more than once"
    needed = topological_order(output, tracked=tracked)
    for node in needed:
        if node not in place:
            return f"{told(node)} is missing"
    among = set(needed if tracked else topological_order(output))
    for node in given:
        if node not in among and not (tracked and not node.requires_grad):
            return f"{told(node)} is no node that led to {told(output)}"
    for node in needed:
        for x in node.inputs:
            if isinstance(x, Tensor) and x in place and place[x] > place[node]:
                return f"{told(node)} stands before {told(x)}, which it was computed from"
    return ""


def told(node: Tensor) -> str:
    """Return a node's name, or what it is."""
    return (
        f"Tensor {node.name!r}"
        if node.name
        else f"the {node.op.name} of {describe(node)}"
        if node.op
        else describe(node)
    )


def is_topological(order: Iterable[Tensor], output: Tensor | None = None) -> bool:
    """Tell whether an order has every node that led to `output`, the last one's, once and after its inputs.

    Raises TypeError for what is no order of Tensors, ValueError for an empty one.

    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> c = a + b
    >>> e = c * b
    >>> is_topological([a, b, c, e]), is_topological([b, a, c, e]), is_topological([a, c, b, e])
    (True, True, False)
    """
    given = list(order)
    if not given:
        raise ValueError(lesson("is_topological(order)", "wants the nodes of a graph", "an empty order"))
    if not isinstance(given[-1], Tensor):
        got = f"a {type(given[-1]).__name__}"
        raise TypeError(lesson("is_topological(order)", "wants Tensors, the nodes of a graph", got))
    return not broken(given, given[-1] if output is None else output)


def count_orders(output: Tensor) -> int:
    """Return how many topological orders the nodes that led to `output` have.

    Orders of a graph are counted by what stands in front: the number of ways to begin with a set of nodes is
    the sum over its possible last nodes. Raises ValueError where more than 200,000 such sets would have to be
    looked at.

    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> count_orders((a + b) * b**3)
    5
    """
    nodes = topological_order(output)
    number = {node: i for i, node in enumerate(nodes)}
    needs = [sum({1 << number[x] for x in node.inputs if isinstance(x, Tensor)}) for node in nodes]
    ways, looked = {0: 1}, 0
    for _ in nodes:
        longer: dict[int, int] = {}
        for begun, count in ways.items():
            for i, need in enumerate(needs):
                if not begun >> i & 1 and begun & need == need:
                    longer[begun | 1 << i] = longer.get(begun | 1 << i, 0) + count
        ways, looked = longer, looked + len(longer)
        if looked > MOST:
            wanted = f"counts while at most {MOST:,} sets of nodes can stand in front"
            raise ValueError(lesson("count_orders(output)", wanted, f"a graph of {len(nodes):,} nodes"))
    return next(iter(ways.values()))


def of_ones_own(order: Iterable[Tensor], output: Tensor) -> list[Tensor]:
    """Return an order to walk from its end; raises ValueError, naming an arrow that it breaks."""
    given = list(order)
    why = broken(given, output, tracked=True)
    if why:
        turned = not broken(reversed(given), output, tracked=True)
        hint = "order[::-1]: inputs first, the output last" if turned else "topological_order(output)"
        wanted = "wants each node once, after what it was computed from"
        raise ValueError(lesson("backward(order=)", wanted, why, hint=hint))
    return [node for node in given if node.requires_grad]
