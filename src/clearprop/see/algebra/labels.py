"""What to call a node or an input in a line of text: its name, the call that made it, or its value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearprop.errors import at_line, lesson
from clearprop.modes import mode
from clearprop.see.algebra.symbols import constant
from clearprop.tensor import Tensor


def must_be_a_tensor(call: str, x: Any, hint: str = "") -> None:
    """Raise TypeError, with what was meant perhaps, where `x` is no Tensor.

    While a step is recorded what is shown of a Tensor is refused: it would be this call's for good.
    """
    if not isinstance(x, Tensor):
        model = f"{call}(model(x))" if hasattr(x, "named_parameters") else f"{call}(f(Tensor(x)))"
        wants = "wants a Tensor, the output of a graph"
        raise TypeError(lesson(f"{call}(t)", wants, type(x).__name__, hint=hint or model))
    if mode.recorder is not None:
        mode.recorder.python_value(x, f"{call}(t)")


def must_be_a_function(call: str, f: Any) -> None:
    """Raise TypeError where `f` cannot be called, as where a Tensor was given."""
    if not callable(f):
        hint = f"{call}(lambda x: ..., x): the function first, then its inputs"
        got = f"a {type(f).__name__}"
        raise TypeError(lesson(f"{call}(f, ...)", "wants a function", got, at_line(), hint))


def label_of(x: Any, names: Mapping[int, str], depth: int = 1) -> str:
    """Return what to call an input: its name, the call that made it, or its value.

    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> label_of(a + b, {}), label_of((a + b) * b, {}), label_of(2.5, {})
    ('add(a, b)', 'multiply(add(...), b)', '2.5')
    """
    if isinstance(x, Tensor):
        named = names.get(id(x)) or x.name
        if named:
            return named
        if x.op is not None:
            return call_of(x, names, depth)
        x = x._value
    elif id(x) in names:
        return names[id(x)]
    return constant(x, tidy=False).text


def call_of(node: Tensor, names: Mapping[int, str], depth: int = 1) -> str:
    """Return the call that made a node, such as `power(b, 3)`."""
    if node.op is None:
        return label_of(node, names)
    if depth < 0:
        return f"{node.op.name}(...)"
    inside = [label_of(x, names, depth - 1 if depth else -1) for x in node.inputs[:4]]
    return f"{node.op.name}({', '.join(inside + ['...'] * (len(node.inputs) > 4))})"
