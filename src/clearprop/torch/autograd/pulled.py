"""`torch.autograd.grad`: the gradients of outputs by inputs, which leaves every `.grad` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.errors import at_line, lesson
from clearprop.graph import topological_order
from clearprop.torch import cells
from clearprop.torch.tensors import Node, Tensor, lift, lower


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: Any = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
    only_inputs: bool = True,
) -> tuple[Any, ...]:
    """Return the gradients of the sum of the outputs by each input, to be differentiated with `create_graph`.

    RuntimeError for an input that no output depends on, unless `allow_unused`: then None stands there, or
    zeros with `materialize_grads`. Raises NotImplementedError for `is_grads_batched`.

    >>> import clearprop.torch as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> grad((x * x).sum(), x)
    (tensor([2., 4.]),)
    """
    called = "torch.autograd.grad(outputs, inputs)"
    if is_grads_batched:
        word, hint = "is_grads_batched=True", "a call for each row of grad_outputs"
        raise NotImplementedError(lesson(called, "sends one gradient at a time", word, at_line(), hint))
    results = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = list(grad_outputs) if isinstance(grad_outputs, (list, tuple)) else [grad_outputs] * len(results)
    found: dict[Node, Any] = {}
    for output, seed in zip(results, seeds, strict=True):
        node, start = output.node, _start(called, output.node, seed)
        if isinstance(start, Node) and not create_graph:
            start = start._value
        order = topological_order(node, tracked=True)
        for x, g in propagate(order, {node: start}, create_graph=create_graph).items():
            if any(x is t.node for t in wanted):
                found[x] = g if x not in found else found[x] + g
    missing = [i for i, t in enumerate(wanted) if t.node not in found]
    if allow_unused is None:
        allow_unused = materialize_grads
    if missing and not allow_unused:
        hint = "allow_unused=True, which gives None for it"
        unused = "one of the differentiated Tensors appears to not have been used in the graph"
        raise RuntimeError(lesson(called, unused, f"input {missing[0]}", hint=hint))
    if materialize_grads:
        for i in missing:
            node = wanted[i].node
            found[node] = np.zeros(node.shape, node.dtype)[()]
    return tuple(_given(found.get(t.node)) for t in wanted)


def _start(called: str, node: Node, seed: Any) -> Any:
    """Return the gradient that arrives at an output: what was given, or 1 for a single number."""
    if not node.requires_grad:
        wanted = "element 0 of tensors does not require grad"
        raise RuntimeError(lesson(called, wanted, hint="requires_grad=True"))
    if seed is None and node.size != 1:
        wanted = "grad can be implicitly created only for scalar outputs"
        raise RuntimeError(lesson(called, wanted, hint="grad_outputs=torch.ones_like(output)"))
    if seed is not None:
        return lower(seed)
    return np.ones(node.shape, node.dtype)[()]


def _given(g: Any) -> Any:
    if g is None:
        return None
    return lift(g if isinstance(g, Node) else cells.leaf(g))
