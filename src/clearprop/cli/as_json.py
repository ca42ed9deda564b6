"""What is printed for a machine: the same facts as the text, as one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from clearprop.see.step.steps import Step, Trace


def as_json(facts: Mapping[str, Any]) -> str:
    """Return one JSON object; numbers that JSON has not are text: "nan", "inf", "-inf".

    >>> print(as_json({"x": np.array([1.0, np.inf])}))
    {
     "x": [
      1.0,
      "inf"
     ]
    }
    """
    return json.dumps(_told(facts), indent=1, allow_nan=False)


def _told(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {key: _told(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_told(value) for value in x]
    if isinstance(x, (np.ndarray, np.generic)):
        return _told(x.tolist())
    if hasattr(x, "value"):  # a Tensor that is in no step
        return _told(x.value)
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def steps_of(trace: Trace) -> dict[str, Any]:
    """Return the nodes of a trace with their values and gradients, and its steps, each with its sentence."""
    names = trace.names
    nodes = [
        {
            "name": names[node],
            "op": node.op.name if node.op else None,
            "inputs": [names.get(x, x) for x in node.inputs],
            "formula": trace.computed(node) if node.op else None,
            "value": node.value,
        }
        for node in trace.order
    ]
    steps = [_step(step, names) for step in trace]
    gradients = {names[node]: trace.grads.get(node) for node in trace.order}
    return {"algorithm": trace.algorithm, "nodes": nodes, "steps": steps, "gradients": gradients}


def _step(step: Step, names: Mapping[Any, str]) -> dict[str, Any]:
    to = step.node if step.input is None else step.input
    return {
        "number": step.number,
        "kind": step.kind,
        "from": names[step.node] if step.sent else None,
        "to": names[to],
        "local": step.local,
        "amount": step.amount,
        "before": step.before,
        "total": step.total,
        "sentence": step.sentence,
    }
