"""What a page may change of a graph, what follows from that without a gradient, and what cannot follow.

A comparison or a mask is a leaf of the graph, for no gradient goes there. Where it is known what it was
computed from, a page computes it anew; where it is not, it stays as Python had it, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from clearprop.see.numbers import is_number
from clearprop.sources import Origin, source_of
from clearprop.tensor import Tensor, raw


def following(order: Sequence[Tensor]) -> dict[Tensor, Origin]:
    """Return the leaves of a graph that can be computed anew, with what each was made from.

    >>> from clearprop.graph import topological_order
    >>> x = Tensor([1.0, -2.0], name="x")
    >>> positive = x > 0
    >>> [source.op.name for source in following(topological_order(np.where(positive, x, -x))).values()]
    ['greater']
    """
    values = {id(node): node for node in order if node.op is not None or source_of(node) is None}
    found = {}
    for leaf in (node for node in order if node.op is None):
        source = source_of(leaf)
        if source is None:
            continue
        try:
            again = made_again(source, values)
        except Exception:  # what it was made from is gone, or does something else now
            continue
        value = raw(again)
        if np.array_equal(value, leaf._value, equal_nan=np.asarray(value).dtype.kind in "fc"):
            found[leaf] = source
    return found


def made_again(source: Origin, value: Mapping[int, Any]) -> Any:
    """Apply a source's op once more, to what the inputs are now: `value` has them by their ids."""
    return source.op.again(tuple(_now(x, value) for x in source.inputs), source.attrs)


def _now(x: Any, value: Mapping[int, Any]) -> Any:
    if id(x) in value or not isinstance(x, Tensor):
        return value.get(id(x), x)
    source = source_of(x)
    if source is not None:
        return made_again(source, value)
    if x.op is not None:
        raise LookupError("it was computed outside of the graph")
    return Tensor(x._value, requires_grad=False)


def arrays_of(order: Iterable[Tensor]) -> list[Any]:
    """Return the plain arrays that the nodes of a graph were given, each once, in the order of their use.

    Arrays that share memory with each other are left out: a change of one would have to change the other.
    """
    found: dict[int, Any] = {}
    for node in order:
        for x in node.inputs:
            if not isinstance(x, Tensor) and isinstance(x, np.ndarray) and not is_number(x):
                found.setdefault(id(x), x)
    arrays = list(found.values())
    return [x for x in arrays if not any(y is not x and np.may_share_memory(x, y) for y in arrays)]
