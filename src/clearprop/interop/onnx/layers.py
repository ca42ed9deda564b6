"""Layers that ONNX has as one operator: found by the nodes that a call of them made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop import nn
from clearprop.tensor import Tensor

Write = Callable[[Any, Any, str, Callable[[Any], str]], Any]


def _linear(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    rest = (name(m.bias),) if m.bias is not None else ()
    return g.node("Gemm", x, name(m.weight), *rest, transB=1)


def _batch_norm(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    ones, zeros = (np.full(m.num_features, n, m.running_mean.dtype) for n in (1, 0))
    scale = name(m.weight) if m.weight is not None else g.constant(ones)
    shift = name(m.bias) if m.bias is not None else g.constant(zeros)
    return g.node(
        "BatchNormalization", x, scale, shift, name(m.running_mean), name(m.running_var), epsilon=m.eps
    )


def _layer_norm(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    rest = (name(m.bias),) if m.bias is not None else ()
    how = {"axis": -len(m.normalized_shape), "epsilon": m.eps}
    return g.node("LayerNormalization", x, name(m.weight), *rest, **how)


def _embedding(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    return g.node("Gather", name(m.weight), g.cast(x, np.dtype(np.int64)))


def _leaky(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    return g.node("LeakyRelu", x, alpha=m.negative_slope)


def _elu(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    return g.node("Elu", x, alpha=m.alpha)


def _gelu(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    return g.node("Gelu", x, approximate=m.approximate)


def _celu(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    return g.node("Celu", x, alpha=m.alpha)


def _plain(kind: str) -> Write:
    return lambda g, m, x, name: g.node(kind, x)


def _group_norm(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    how = {"num_groups": m.num_groups, "epsilon": m.eps}
    return g.node("GroupNormalization", x, name(m.weight), name(m.bias), **how)


def _instance_norm(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    ones, zeros = (np.full(m.num_features, n, g.dtypes[x]) for n in (1, 0))
    scale = name(m.weight) if m.weight is not None else g.constant(ones)
    shift = name(m.bias) if m.bias is not None else g.constant(zeros)
    return g.node("InstanceNormalization", x, scale, shift, epsilon=m.eps)


def _rms_norm(g: Any, m: Any, x: str, name: Callable[[Any], str]) -> Any:
    eps = float(np.finfo(g.dtypes[x]).eps) if m.eps is None else m.eps
    return g.node("RMSNormalization", x, name(m.weight), axis=-len(m.normalized_shape), epsilon=eps)


def _by_input(m: Any, x: Any) -> bool:
    """Whether an instance norm goes by what comes in, of a batch."""
    batch = x.ndim == int(type(m).__name__[-2]) + 2
    return batch and m.running_mean is None and (m.weight is None or _of_one_dtype(m, x))


def _of_one_dtype(m: Any, x: Any) -> bool:
    return bool(m.weight is not None and m.weight.dtype == x.dtype)


SINCE: dict[type[nn.Module], int] = {
    nn.GELU: 20,
    nn.GroupNorm: 21,
    nn.RMSNorm: 23,
}
"""From which version on there is one; the others are as old as the oldest that is written."""
LAYERS: dict[type[nn.Module], tuple[Write, Callable[[Any, Any], bool]]] = {
    nn.Linear: (_linear, lambda m, x: x.ndim == 2),
    nn.BatchNorm1d: (_batch_norm, lambda m, x: m.running_mean is not None and x.ndim in (2, 3)),
    nn.BatchNorm2d: (_batch_norm, lambda m, x: m.running_mean is not None),
    nn.BatchNorm3d: (_batch_norm, lambda m, x: m.running_mean is not None),
    nn.LayerNorm: (_layer_norm, lambda m, x: m.weight is not None),
    nn.Embedding: (_embedding, lambda m, x: True),
    nn.LeakyReLU: (_leaky, lambda m, x: True),
    nn.ELU: (_elu, lambda m, x: True),
    nn.SELU: (_plain("Selu"), lambda m, x: True),
    nn.CELU: (_celu, lambda m, x: x.dtype == np.float32),
    nn.Softsign: (_plain("Softsign"), lambda m, x: True),
    nn.Hardswish: (_plain("HardSwish"), lambda m, x: True),
    nn.GELU: (_gelu, lambda m, x: True),
    nn.GroupNorm: (_group_norm, lambda m, x: x.ndim > 2 and _of_one_dtype(m, x) and m.bias is not None),
    nn.RMSNorm: (_rms_norm, _of_one_dtype),
    **dict.fromkeys(
        (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
        (_instance_norm, _by_input),
    ),
}
"""How a layer is written, and whether it can be, for what it was called with."""


@dataclass
class LayerCall:
    """A call of a layer: what came in, and the nodes inside that its operator stands for."""

    module: Any
    input: Tensor
    writer: Write
    hidden: list[Tensor] = field(default_factory=list)

    def write(self, g: Any, x: str, name: Callable[[Any], str]) -> Any:
        """Write the operator; return the name of its result."""
        return self.writer(g, self.module, x, name)


def layer_of(model: nn.Module, order: list[Tensor], opset: int) -> dict[int, LayerCall]:
    """Return, by the identity of their last node, the layers' calls that are one operator in ONNX."""
    found: dict[int, LayerCall] = {}
    nodes = [n for n in order if n.op is not None]
    used: dict[int, list[Tensor]] = {}
    for n in nodes:
        for x in n.inputs:
            if isinstance(x, Tensor):
                used.setdefault(id(x), []).append(n)
    for module in model.modules():
        writer, can = LAYERS.get(type(module), (None, None))
        if writer is None or can is None or SINCE.get(type(module), 0) > opset:
            continue
        own = {id(t) for t in module._state().values()}
        for start, end in module.latest_calls:
            inside = [n for n in nodes if start <= n.serial < end]
            if not inside:
                continue
            mine = {id(n) for n in inside}
            given = {
                id(x): x
                for n in inside
                for x in n.inputs
                if isinstance(x, Tensor) and id(x) not in mine | own
            }
            last = inside[-1]
            seen_outside = any(u for n in inside[:-1] for u in used.get(id(n), []) if id(u) not in mine)
            inputs = [x for x in given.values() if not (x.op is None and not x.ndim)]
            if len(inputs) == 1 and not seen_outside and can(module, inputs[0]):
                found[id(last)] = LayerCall(module, inputs[0], writer, inside[:-1])
    return found
