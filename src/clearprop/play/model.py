"""What a page is told of a model: its layers, what it predicts, and one row step by step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from clearprop import nn
from clearprop.backward import input_gradient
from clearprop.graph import topological_order
from clearprop.modes import Observer, observed
from clearprop.op import Op
from clearprop.play.programs import Programs
from clearprop.see.step.steps import Trace, trace
from clearprop.tensor import Tensor

MOST_NODES = 400  # of one row's graph
MOST_ENTRIES = 4096  # of one row's largest array


def layers(model: Any, programs: Programs) -> list[dict[str, Any]]:
    """Return the linear layers in their order, where each takes what the one before it gives."""
    found = [m for m in model.modules() if isinstance(m, nn.Linear)]
    chained = all(a.out_features == b.in_features for a, b in pairwise(found))
    if not chained:
        return []
    return [
        {
            "inputs": layer.in_features,
            "outputs": layer.out_features,
            "weight": programs.place(layer.weight),
            "gradient": programs.place(layer.weight, "grad"),
            "bias": -1 if layer.bias is None else programs.place(layer.bias),
            "bias_gradient": -1 if layer.bias is None else programs.place(layer.bias, "grad"),
        }
        for layer in found
    ]


def parameters(model: Any, programs: Programs) -> list[dict[str, Any]]:
    """Return each parameter's name, shape, and where its entries and gradients lie."""
    return [
        {
            "name": name,
            "shape": list(p.shape),
            "value": programs.place(p),
            "gradient": programs.place(p, "grad"),
        }
        for name, p in model.named_parameters()
    ]


def row_function(model: Any, loss: Any) -> Callable[[Any, Any], Any]:
    """Return a function of one row: what is computed, the gradients of all, what each sends to its inputs."""
    own = set(map(id, model.parameters()))
    one = Tensor(np.ones(()), "one", requires_grad=False)  # a state, or what follows from 1 were no result

    def row(x: Any, y: Any) -> Any:
        value = loss(model(x), y)
        nodes = nodes_of(value, own)  # held before the backward pass, so that each keeps its gradient
        value.backward((one * 1.0).astype(value.dtype))
        sent = [_sent(node, i, value) for node in reversed(nodes) for i in inputs_of(node)]
        return [node for node in nodes if node.op is not None], [node.grad for node in nodes], sent

    return row


def _sent(node: Any, i: int, output: Any) -> Any:
    found = input_gradient(node.op, i, node.grad, node, node.inputs, node.attrs)
    return np.zeros_like(node.inputs[i]) if found is None else found


def nodes_of(output: Any, own: set[int]) -> list[Any]:
    """Return the parameters and what is computed from them, inputs before users."""
    order = topological_order(output)
    return [
        node
        for node in order
        if id(node) in own or (getattr(node, "op", None) is not None and node.requires_grad)
    ]


def inputs_of(node: Any) -> list[int]:
    """Return the inputs of a node that receive a gradient from it."""
    if node.op is None:
        return []
    return [
        i
        for i, x in enumerate(node.inputs)
        if isinstance(x, Tensor) and getattr(x, "requires_grad", False) and _sends(node.op, i)
    ]


def _sends(op: Op, i: int) -> bool:
    return (op.derivatives[i] if op.derivatives else op.rule(i)) is not None


def story(
    model: Any, loss: Any, x: Any, y: Any, programs: Programs, language: str = "en"
) -> dict[str, Any] | None:
    """Return the steps of one row's passes with slots for numbers, None where they are too many to show."""
    own = set(map(id, model.parameters()))
    inputs = (Tensor(given, name, requires_grad=False) for name, given in (("x", x), ("y", y)))
    with observed(Observer(remembers=True)):  # the graph as it is for any row, as a recording has it
        output = loss(model(next(inputs)), next(inputs))
    nodes = nodes_of(output, own)
    if len(nodes) > MOST_NODES or max(node.size for node in nodes) > MOST_ENTRIES:
        return None
    found = trace(output, language=language)
    number = {id(node): k for k, node in enumerate(nodes)}
    computed = [id(node) for node in nodes if node.op is not None]
    arrows = [(id(node), i) for node in reversed(nodes) for i in inputs_of(node)]
    return {
        "nodes": [
            {
                "name": found.names[node],
                "op": "" if node.op is None else node.op.name,
                "shape": list(node.shape),
                "value": programs.place(node) if node.op is None else computed.index(id(node)),
            }
            for node in nodes
        ],
        "steps": list(_steps(found, number, arrows)),
    }


def _steps(found: Trace, number: dict[int, int], arrows: list[tuple[int, Any]]) -> Any:
    """Yield each step that the page can show: its words, whose value or gradient it is, and what was sent."""
    for step in found:
        node, target = number.get(id(step.node), -1), number.get(id(step.input), -1)
        arrow = (id(step.node), step.i)
        if node < 0 or (step.kind == "backward" and (target < 0 or arrow not in arrows)):
            continue
        if step.kind == "forward" and step.node.op is None:
            continue
        yield {
            "kind": step.kind,
            "node": node,
            "target": target,
            "sent": arrows.index(arrow) if step.kind == "backward" else -1,
            "sentence": step.told.sentence,
            "formula": step.formula if step.kind != "start" else "",
        }
