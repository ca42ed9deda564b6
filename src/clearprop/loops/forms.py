"""The form of what a loop carries: its containers and keys, without the arrays in them."""

from __future__ import annotations

from typing import Any

from clearprop import tree
from clearprop.ops.shape import as_array


def form(held: Any) -> Any:
    """Return what two trees of the same form have in common.

    >>> form((1.0, [2.0])) == form((5.0, [7.0])), form((1.0,)) == form([1.0])
    (True, False)
    """
    return tree.rebuilt(held, ["array"] * len(tree.leaves(held)))


def arrays(held: Any) -> list[Any]:
    """Return the leaves of a tree as arrays or Tensors."""
    return [as_array(leaf) for leaf in tree.leaves(held)]
