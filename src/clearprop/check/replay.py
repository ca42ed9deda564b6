"""Running a finished graph again: in another precision, or with some of its leaves moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearprop.backward import At, sends
from clearprop.graph import topological_order
from clearprop.modes import no_grad
from clearprop.tensor import Tensor


class Replay:
    """The graph behind `output`, to be computed again in `dtype` from the values its leaves had.

    `order` holds the nodes, inputs first; `leaves` those that no op made. Arrays and numbers that were not
    Tensors take part with their values, floating-point ones in `dtype`.
    """

    output: Tensor
    dtype: Any

    def __init__(self, output: Tensor, dtype: Any = np.float64) -> None:
        self.output, self.dtype = output, np.dtype(dtype)
        self.order: list[Tensor] = topological_order(output)
        self.leaves: list[Tensor] = [t for t in self.order if t.op is None]
        self.start: dict[Tensor, Any] = {t: self.widened(t._value) for t in self.leaves}
        for node in self.order:  # a leaf may have been assigned since: take what the op saw
            for x, value in zip(node.inputs, node.values, strict=True):
                if isinstance(x, Tensor) and x.op is None:
                    self.start[x] = self.widened(value)

    def widened(self, value: Any) -> Any:
        """Return a floating-point value in the replay's dtype, any other as it is."""
        if getattr(getattr(value, "dtype", None), "kind", "") == "f":
            return value.astype(self.dtype)
        return value

    def attrs(self, node: Tensor) -> dict[str, Any]:
        """Return the node's attributes; a cast to a narrower floating-point dtype becomes one to ours."""
        return {
            k: self.dtype if isinstance(v, np.dtype) and v.kind == "f" else v for k, v in node.attrs.items()
        }

    def inputs(self, node: Tensor, values: Mapping[Tensor, Any]) -> list[Any]:
        """Return what the node's op is given, with `values` for its Tensors."""
        return [
            values[x] if isinstance(x, Tensor) else self.widened(v)
            for x, v in zip(node.inputs, node.values, strict=True)
        ]

    def forward(self, changed: Mapping[Tensor, Any] | None = None) -> dict[Tensor, Any]:
        """Return the value of every node, some leaves being `changed`."""
        values = self.start | dict(changed or {})
        with np.errstate(all="ignore"), no_grad():
            for node in self.order:
                if node.op is not None:
                    values[node] = node.op.forward(*self.inputs(node, values), **self.attrs(node))
        return values

    def backward(self, values: Mapping[Tensor, Any], seed: Any = None) -> dict[Tensor, Any]:
        """Return the gradient of every node, by the ops' rules at `values`."""
        grads: dict[Tensor, Any] = {}
        z = values[self.output]
        grads[self.output] = np.ones_like(z) if seed is None else seed
        with np.errstate(all="ignore"), no_grad():
            for _ in sends(self.order, grads, at=self._at(values)):
                pass
        return grads

    def _at(self, values: Mapping[Tensor, Any]) -> At:
        return lambda node: (values[node], self.inputs(node, values), self.attrs(node))
