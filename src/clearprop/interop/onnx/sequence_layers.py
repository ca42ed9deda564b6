"""Recurrent layers as ONNX has them, `RNN`, `GRU` and `LSTM`: one operator for each layer of a stack.

Its arrays are (length, n, features); its gates stand in an order of its own, and a layer's weights of both
directions in one array. Specified at https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop import nn, tree
from clearprop.graph import users_in
from clearprop.tensor import Tensor

UsersById = dict[int, set[int]]

ORDERS: dict[type[nn.Module], tuple[int, ...]] = {
    nn.RNN: (0,),
    nn.GRU: (1, 0, 2),  # ours: reset, update, new; theirs: update, reset, new
    nn.LSTM: (0, 3, 1, 2),  # ours: input, forget, cell, output; theirs: input, output, forget, cell
}
"""Which of our gates is each of theirs."""


@dataclass
class SequenceCall:
    """A call of a recurrent layer: what came in, what came out, and the nodes between that an operator is."""

    module: Any
    given: list[Tensor]
    results: list[Any]
    hidden: list[Tensor] = field(default_factory=list)

    def write(self, g: Any, name: Callable[[Any], str], owners: dict[int, str]) -> dict[int, str]:
        """Write the operators; return the names of the results by the identity of their Tensors."""
        m = self.module
        x = name(self.given[0])
        x = g.node("Transpose", x, perm=[1, 0, 2]) if m.batch_first else x
        begin, ends = [name(s) for s in self.given[1:]], []
        directions = 1 + m.bidirectional
        for layer in range(m.num_layers):
            if (id(m), layer) not in g.layers:
                held = _weights(m, layer, owners)
                g.layers[id(m), layer] = [g.array(g.own(word), array) for word, array in held]
            arrays = g.layers[id(m), layer]
            starts = [self._part(g, s, layer, directions) for s in begin]
            x, *end = _operator(g, m, x, arrays, starts, directions)
            ends.append(end)
        out = g.node("Transpose", x, perm=[1, 0, 2]) if m.batch_first else x
        lasts = [g.node("Concat", *parts, axis=0) for parts in zip(*ends, strict=True)]
        return dict(zip(map(id, self.results), [out, *lasts], strict=True))

    def _part(self, g: Any, state: str, layer: int, directions: int) -> str:
        """The first states of one layer, of all layers'."""
        ends = g.whole([layer * directions]), g.whole([(layer + 1) * directions])
        return str(g.node("Slice", state, *ends, g.whole([0])))


def _operator(g: Any, m: Any, x: str, arrays: list[str], starts: list[str], directions: int) -> list[str]:
    """Write one layer: its output, both directions side by side, and its last states."""
    kind, states = type(m).__name__, m.states
    inputs = [x, *arrays, *[""] * (3 - len(arrays)), "", *starts]
    while not inputs[-1]:
        inputs.pop()
    how: dict[str, Any] = {"hidden_size": m.hidden_size}
    how |= {"direction": "bidirectional"} if directions > 1 else {}
    how |= {"linear_before_reset": 1} if kind == "GRU" else {}
    how |= {"activations": ["Relu"] * directions} if getattr(m, "nonlinearity", "") == "relu" else {}
    outputs = [g.name(kind.lower()) for _ in range(1 + states)]
    g.nodes.append(g.onnx.helper.make_node(kind, inputs, outputs, **how))
    turned = g.node("Transpose", outputs[0], perm=[0, 2, 1, 3])  # (length, n, directions, hidden)
    return [g.node("Reshape", turned, g.whole([0, 0, -1])), *outputs[1:]]


def _weights(m: Any, layer: int, owners: dict[int, str]) -> list[tuple[str, Any]]:
    """Return names and arrays of one layer: of the input, of the state, and both biases in one."""
    order, found = ORDERS[type(m)], []
    suffixes = [f"_l{layer}" + "_reverse" * k for k in range(1 + m.bidirectional)]
    parts = [["weight_ih"], ["weight_hh"], *([["bias_ih", "bias_hh"]] if m.bias else [])]
    for words in parts:
        rows = []
        for suffix in suffixes:
            held = [np.asarray(getattr(m, word + suffix)._value) for word in words]
            gates = [np.split(a, len(order)) for a in held]
            rows.append(np.concatenate([gate[k] for gate in gates for k in order]))
        own = owners.get(id(getattr(m, words[0] + suffixes[0])), words[0])
        found.append((f"{own}.onnx", np.stack(rows)))
    return found


def _held(m: Any, given: list[Tensor]) -> bool:
    """Whether a layer's weights are what it holds, and not computed, maybe from what came in.

    They and what is given have one dtype, as ONNX wants it, of those that onnxruntime has the operators for.
    """
    words = [word for word in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if m.bias or "weight" in word]
    ends = [
        f"_l{layer}{end}" for layer in range(m.num_layers) for end in ("", "_reverse")[: 1 + m.bidirectional]
    ]
    held = [getattr(m, word + end) for word in words for end in ends]
    dtypes = {str(getattr(x, "dtype", None)) for x in (*held, *given)}
    leaves = all(isinstance(x, Tensor) and x.op is None for x in held)
    return leaves and dtypes in ({"float32"}, {"float16"})


class Listening:
    """While a function runs, notes the calls of recurrent layers that one operator can be."""

    def __init__(self, model: Any) -> None:
        self.calls: list[tuple[Any, list[Any], list[Any]]] = []
        self.modules: list[Any] = [m for m in model.modules() if type(m) in ORDERS] if model else []
        self.stack: Any = ExitStack()

    def __enter__(self) -> Listening:
        for m in self.modules:
            if m._hooks is not None and m._hooks.after:
                continue  # what a hook makes of the output is no part of the operator
            self.stack.enter_context(m.register_forward_hook(self._note, with_kwargs=True))
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    def _note(self, m: Any, args: Any, kwargs: Any, output: Any) -> None:
        named = dict(zip(("x", "state"), args, strict=False)) | kwargs  # in whatever order they came
        given = [x for x in (named["x"], *tree.leaves(named.get("state"))) if x is not None]
        plain = all(isinstance(x, Tensor) and x.ndim == 3 for x in given)
        if plain and len(given) in (1, 1 + m.states) and not m.proj_size and _held(m, given):
            self.calls.append((m, given, tree.leaves(output)))

    def found(self, users: UsersById) -> list[SequenceCall]:
        """Return the calls of which nothing is seen outside but their results."""
        whole = []
        for m, given, results in self.calls:
            hidden = between(results, given, users)
            if hidden is not None:
                whole.append(SequenceCall(m, given, results, hidden))
        return whole


def users_by_id(order: list[Tensor], outputs: list[Tensor]) -> UsersById:
    """Return for each node those that were computed from it, all by `id`; 0 is whoever called."""
    users = {id(x): {id(n) for n, _ in found} for x, found in users_in(order).items()}
    for z in outputs:
        users.setdefault(id(z), set()).add(0)
    return users


def between(results: list[Any], given: list[Any], users: UsersById) -> list[Tensor] | None:
    """Return the computed nodes that lead from what was given to the results.

    None where one of them is used elsewhere, or where a result is none that was computed.
    """
    if not all(isinstance(z, Tensor) and z.op is not None for z in results):
        return None
    known, found = {id(x) for x in given}, dict[int, Tensor]()
    rest = list(results)
    while rest:
        n = rest.pop()
        if id(n) in found or id(n) in known or n.op is None:
            continue
        found[id(n)] = n
        rest += [x for x in n.inputs if isinstance(x, Tensor)]
    outs = {id(z) for z in results}
    hidden = [n for n in found.values() if id(n) not in outs]
    seen = any(u not in found for n in hidden for u in users.get(id(n), ()))
    return None if seen else hidden
