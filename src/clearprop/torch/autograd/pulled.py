"""`torch.autograd.grad`: the gradients of outputs by inputs, which leaves every `.grad` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.errors import lesson
from clearprop.graph import topological_order
from clearprop.torch import cells
from clearprop.torch.tensors import Node, Tensor, lift, lower


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    **_: Any,
) -> tuple[Any, ...]:
    """Return the gradients of the sum of the outputs by each input, to be differentiated with `create_graph`.

    RuntimeError for an input that no output depends on, unless `allow_unused`: then None stands there.
    """
    called = "torch.autograd.grad(outputs, inputs)"
    results = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = list(grad_outputs) if isinstance(grad_outputs, (list, tuple)) else [grad_outputs] * len(results)
    found: dict[Node, Any] = {}
    for output, seed in zip(results, seeds, strict=True):
        node = output.node
        if not node.requires_grad:
            raise RuntimeError(
                lesson(called, "element 0 of tensors does not require grad", hint="requires_grad=True")
            )
        if seed is None and node.size != 1:
            hint = "grad_outputs=torch.ones_like(output)"
            raise RuntimeError(
                lesson(called, "grad can be implicitly created only for scalar outputs", hint=hint)
            )
        start: Any = np.ones(node.shape, node.dtype)[()] if seed is None else lower(seed)
        if isinstance(start, Node) and not create_graph:
            start = start._value
        order = topological_order(node, tracked=True)
        for x, g in propagate(order, {node: start}, create_graph=create_graph).items():
            if any(x is t.node for t in wanted):
                found[x] = g if x not in found else found[x] + g
    missing = [i for i, t in enumerate(wanted) if t.node not in found]
    if missing and not allow_unused:
        hint = "allow_unused=True, which gives None for it"
        unused = "one of the differentiated Tensors appears to not have been used in the graph"
        raise RuntimeError(lesson(called, unused, f"input {missing[0]}", hint=hint))
    return tuple(_given(found.get(t.node)) for t in wanted)


def _given(g: Any) -> Any:
    return None if g is None else lift(g if isinstance(g, Node) else cells.leaf(g))
