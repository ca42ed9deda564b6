"""What is computed from a node: run again from another output of the node, forward and backward.

Of a few ops the gradient is not in what arrives once: vectors of equal eigenvalues are one choice of many.
Where one such op stands behind another, a run from the first meets the second: what that was found to send
holds still where it is given the numbers that it was given, and is found anew where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop.tensor import Tensor

DEEPEST = 2  # runs within runs: each costs as many of the next as an op has choices


class Rerun:
    """One run: the values that are others than the graph's, by node, and the inputs of the nodes run again.

    Called with a node it returns what the node's rule is given. `known` is what nodes with such an op were
    found to send in the pass that asks.
    """

    def __init__(self, outer: Rerun | None, known: dict[Tensor, Any]) -> None:
        self.known = known
        self.depth: int = 1 if outer is None else outer.depth + 1
        self.values: dict[Tensor, Any] = {} if outer is None else dict(outer.values)
        self.inputs: dict[Tensor, tuple[Any, ...]] = {} if outer is None else dict(outer.inputs)

    def __call__(self, node: Tensor) -> tuple[Any, Any, dict[str, Any]]:
        return self.values.get(node, node._value), self.inputs.get(node, node.values), node.attrs

    def forward(self, nodes: list[Tensor], moved: set[Tensor]) -> None:
        """Run those of the nodes that depend on what has `moved`, to which they are added."""
        for node in nodes:
            if node.op is None or not any(isinstance(x, Tensor) and x in moved for x in node.inputs):
                continue
            pairs = zip(node.inputs, node.values, strict=True)
            self.inputs[node] = xs = tuple(
                self.values.get(x, old) if isinstance(x, Tensor) else old for x, old in pairs
            )
            self.values[node] = np.asarray(node.op.forward(*xs, **node.attrs))[()]
            moved.add(node)

    def stayed(self, x: Any) -> bool:
        """Return whether a node's value is the graph's but for rounding."""
        if not isinstance(x, Tensor) or x not in self.values:
            return True
        new, old = self.values[x], x._value
        if old.dtype.kind not in "fc":
            return bool(np.array_equal(new, old))
        limit = 1024 * np.finfo(old.dtype).eps * np.max(np.absolute(old), initial=0)
        return bool(np.all(np.absolute(new - old) <= limit))


class Downstream:
    """The nodes of `order` after `node`; called with another value of it, what is reached and what arrives.

    `seeds` are the gradients from outside, by output; `outputs` these nodes. `output` and `inputs` are what
    rules are given for the node, and `plain` says whether the rest may be run again: all are arrays, and
    nobody looks. `outer` is the run that the node was met in, if it was.
    """

    def __init__(
        self,
        node: Tensor,
        order: list[Tensor],
        seeds: dict[Tensor, Any],
        walk: Callable[..., Iterator[Any]],
        *,
        given: tuple[Any, Any],
        plain: bool,
        outer: Rerun | None = None,
        known: dict[Tensor, Any],
    ) -> None:
        self.node, self.nodes = node, order[next(i for i, x in enumerate(order) if x is node) + 1 :]
        self.outputs, (self.output, self.inputs) = seeds, given
        self.plain = plain and not any(isinstance(g, Tensor) for g in seeds.values())
        self._walk, self._outer, self._known = walk, outer, known

    def look(self, g: Any) -> tuple[Any, Any]:
        """Return `g` for the op's rule, or what the node sends to its input, where its op finds that."""
        op: Any = self.node.op
        if self._outer is not None and self.node in self._outer.known and self._as_it_was(self._outer):
            found = self._outer.known[self.node]
        else:
            g, found = op.rest(g, self.node, self)
        if found is not None:
            self._known[self.node] = found
        return g, found

    def _as_it_was(self, run: Rerun) -> bool:
        """Return whether the node and all that is computed from it are given the graph's own numbers."""
        after, given = {self.node}, [*self.node.inputs]
        for node in self.nodes:
            if any(isinstance(x, Tensor) and x in after for x in node.inputs):
                given += [x for x in node.inputs if isinstance(x, Tensor) and x not in after]
                after.add(node)
        return all(map(run.stayed, given))

    def __call__(self, value: Any) -> tuple[Any, Any]:
        """Return the sum of the outputs, weighed by their seeds, and what arrives at the node."""
        run, moved = Rerun(self._outer, self._known), {self.node}
        run.values[self.node] = value
        run.forward(self.nodes, moved)
        grads = dict(self.outputs)
        for _ in self._walk(self.nodes, grads, False, run, True, moved):
            pass
        reached = sum(
            np.sum(np.real(np.conj(g) * run.values.get(y, y._value))) for y, g in self.outputs.items()
        )
        arrived = grads.get(self.node)
        return reached, np.zeros_like(value) if arrived is None else np.asarray(arrived)
