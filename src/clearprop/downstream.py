"""What is computed from a node: run again from another output of the node, forward and backward.

Of a few ops the gradient is not in what arrives once: vectors of equal eigenvalues are one choice of many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop.tensor import Tensor


class Downstream:
    """The nodes of `order` after `node`; called with another value of it, what is reached and what arrives.

    `seeds` are the gradients from outside, by output; `outputs` these nodes. `output` is what rules are given
    for the node, and `plain` says whether the rest may be run again: all are arrays, and nobody looks.
    """

    def __init__(
        self,
        node: Tensor,
        order: list[Tensor],
        seeds: dict[Tensor, Any],
        walk: Callable[..., Iterator[Any]],
        *,
        output: Any,
        plain: bool,
    ) -> None:
        self.node, self.nodes = node, order[next(i for i, x in enumerate(order) if x is node) + 1 :]
        self.outputs, self.output = seeds, output
        self.plain = plain and not any(isinstance(g, Tensor) for g in seeds.values())
        self._walk = walk

    def __call__(self, value: Any) -> tuple[Any, Any]:
        """Return the sum of the outputs, weighed by their seeds, and what arrives at the node."""
        values, inputs = {self.node: value}, {}
        for node in self.nodes:
            if node.op is None or not any(isinstance(x, Tensor) and x in values for x in node.inputs):
                continue
            inputs[node] = tuple(
                values.get(x, old) if isinstance(x, Tensor) else old
                for x, old in zip(node.inputs, node.values, strict=True)
            )
            values[node] = np.asarray(node.op.forward(*inputs[node], **node.attrs))[()]

        def at(node: Tensor) -> tuple[Any, Any, dict[str, Any]]:
            return values.get(node, node._value), inputs.get(node, node.values), node.attrs

        grads = dict(self.outputs)
        for _ in self._walk(self.nodes, grads, False, at, True, set(values)):
            pass
        reached = sum(np.sum(np.real(np.conj(g) * values.get(y, y._value))) for y, g in self.outputs.items())
        arrived = grads.get(self.node)
        return reached, np.zeros_like(value) if arrived is None else np.asarray(arrived)
