"""The names that the caller's own variables give to Tensors, arrays and the parameters of models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.tensor import Tensor

_PACKAGE = str(Path(__file__).parent.parent)


def caller_names() -> dict[int, str]:
    """Return the names, by `id`, of what the nearest caller outside this package can see.

    A Tensor's own name comes before its variable's; a model's parameters are called by their path
    (`net.0.weight`).
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    names: dict[int, str] = {}
    for variables in (frame.f_locals, frame.f_globals):
        for label, x in list(variables.items()):
            if not label.startswith("_"):
                _add(names, label, x)
    return names


def _add(names: dict[int, str], label: str, x: Any) -> None:
    if isinstance(x, Tensor):
        names.setdefault(id(x), x.name or label)
    elif isinstance(x, np.ndarray):
        names.setdefault(id(x), label)
    elif not isinstance(x, type) and hasattr(type(x), "named_parameters"):
        for path, parameter in x.named_parameters():
            names.setdefault(id(parameter), parameter.name or f"{label}.{path}")


def label_of(x: Any, names: dict[int, str], depth: int = 1) -> str:
    """Return what to call an input: its name, the call that made it, or its value.

    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> label_of(a + b, {}), label_of((a + b) * b, {}), label_of(2.5, {})
    ('add(a, b)', 'multiply(add(...), b)', '2.5')
    """
    if isinstance(x, Tensor):
        named = x.name or names.get(id(x))
        if named:
            return named
        if x.op is not None:
            return call_of(x, names, depth)
        x = x._value
    elif id(x) in names:
        return names[id(x)]
    from clearprop.see.symbols import constant

    return constant(x).text


def call_of(node: Tensor, names: dict[int, str], depth: int = 1) -> str:
    """Return the call that made a node, such as `power(b, 3)`."""
    if node.op is None:
        return label_of(node, names)
    if node.op.name == "part":
        return f"{label_of(node.inputs[0], names, depth)}[{node.attrs['index']}]"
    if depth < 0:
        return f"{node.op.name}(...)"
    inside = [label_of(x, names, depth - 1 if depth else -1) for x in node.inputs[:4]]
    return f"{node.op.name}({', '.join(inside + ['...'] * (len(node.inputs) > 4))})"
