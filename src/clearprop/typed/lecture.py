"""The lecture: three backward passes side by side, two that go wrong on some graphs and one that does not.

All three use the same rules and differ only in when a node passes its gradient on:

- `tree` sets each gradient when it arrives and goes straight on: right where every node is used once.
- `recursive` adds instead of setting, but still goes straight on: what was passed on too early counts twice.
- `topological` lets a node wait until all its users have spoken: what `Tensor.backward()` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.backward import sends, sent
from clearprop.errors import GradientError, lesson
from clearprop.graph import topological_order
from clearprop.hooks import held
from clearprop.tensor import Tensor
from clearprop.typed.expression import Expression, parse

MOST_VISITS = 100_000  # a recursive pass walks every path, and there can be exponentially many


@dataclass(frozen=True)
class Addend:
    """One arrow of the backward pass: `node` sent `amount` to its input number `i`."""

    node: Tensor
    i: int
    input: Tensor
    g: Any
    """The gradient that `node` held when it sent."""
    amount: Any
    """What the rule of input `i` made of it."""
    before: Any
    """The gradient of the input until then; None where there was none."""
    total: Any
    """The gradient of the input from then on."""


@dataclass
class Pass:
    """What a backward pass found: the gradient of every node, and each contribution in visiting order.

    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> found = topological((a + b) * b**3)
    >>> found.grads[b]
    np.float64(297.0)
    >>> [float(sent.amount) for sent in found.to(b)]
    [270.0, 27.0]
    """

    algorithm: str
    output: Tensor
    grads: dict[Tensor, Any] = field(default_factory=dict)
    contributions: list[Addend] = field(default_factory=list)
    most_visits: int | None = None

    def to(self, node: Tensor) -> list[Addend]:
        """Return what `node` received, in order."""
        return [sent for sent in self.contributions if sent.input is node]


def tree(output: Tensor, last_input_first: bool = False, most_visits: int = MOST_VISITS) -> Pass:
    """Walk down from the output; a gradient that arrives replaces the one that was there.

    Wrong as soon as a node is used twice: the last visit wins, so the answer depends on the order of the
    inputs.

    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> e = (a + b) * b**3
    >>> tree(e).grads[b], tree(e, last_input_first=True).grads[b]
    (np.float64(270.0), np.float64(27.0))
    """
    found = Pass("tree", output, most_visits=most_visits)

    def visit(node: Tensor, grad: Any) -> None:
        found.grads[node] = grad
        for i, x in _inputs(node, last_input_first):
            amount = sent(node, i, grad)
            _note(found, Addend(node, i, x, grad, amount, found.grads.get(x), amount))
            visit(x, amount)

    _start(visit, output)
    return found


def recursive(output: Tensor, last_input_first: bool = False, most_visits: int = MOST_VISITS) -> Pass:
    """Walk down from the output; a gradient that arrives is added, and the sum so far is passed on at once.

    Wrong as soon as a node that is used twice has inputs of its own: its first contribution is passed on
    again with the second.

    >>> x = Tensor(3.0)
    >>> w = x**2
    >>> recursive(2 * w + w**2).grads[x]
    np.float64(132.0)
    """
    found = Pass("recursive", output, most_visits=most_visits)

    def visit(node: Tensor, grad: Any) -> None:
        found.grads[node] = _sum(found.grads.get(node), grad)
        for i, x in _inputs(node, last_input_first):
            amount = sent(node, i, found.grads[node])
            before = found.grads.get(x)
            _note(found, Addend(node, i, x, found.grads[node], amount, before, _sum(before, amount)))
            visit(x, amount)

    _start(visit, output)
    return found


def topological(output: Tensor, start: Any = None) -> Pass:
    """Walk the nodes in reverse topological order; when a node's turn comes its gradient is complete.

    `start` is the gradient that arrives at an output of any shape; left out, it is 1 for a number.

    >>> x = Tensor(3.0)
    >>> w = x**2
    >>> topological(2 * w + w**2).grads[x]
    np.float64(120.0)
    """
    found = Pass("topological", output)
    grads = found.grads
    grads[output] = _one(output) if start is None else start
    for node, i, amount in sends(topological_order(output, tracked=True), grads):
        x = node.inputs[i]
        before = grads.get(x)
        _note(found, Addend(node, i, x, grads[node], amount, before, _sum(before, amount)))
    return found


ALGORITHMS: dict[str, Callable[..., Pass]] = {
    "tree": tree,
    "recursive": recursive,
    "topological": topological,
}


def _inputs(node: Tensor, last_first: bool = False) -> Iterator[tuple[int, Tensor]]:
    """The inputs of a node that take part: Tensors that need a gradient and that the op can give one."""
    op = node.op
    if op is None:
        return
    pairs = list(enumerate(node.inputs))
    for i, x in reversed(pairs) if last_first else pairs:
        stated = op.derivatives[i] if op.derivatives else op.rule(i)
        if isinstance(x, Tensor) and x.requires_grad and stated is not None:
            yield i, x


def _sum(before: Any, amount: Any) -> Any:
    with np.errstate(all="ignore"):  # inf - inf is part of the mathematics
        return amount if before is None else before + amount


def _one(output: Tensor) -> Any:
    if not output.requires_grad or output.size != 1:
        raise GradientError(
            lesson("lecture", "wants an output of one number that depends on a Tensor", f"{output!r}")
        )
    return np.ones(output.shape, output.dtype)[()]


def _note(found: Pass, sent: Addend) -> None:
    found.contributions.append(sent)
    if found.most_visits is not None and len(found.contributions) > found.most_visits:
        raise GradientError(
            lesson(
                f"lecture.{found.algorithm}(t)",
                f"walks every path, and this graph has more than {found.most_visits:,}",
                hint="lecture.topological(t), which visits every node once",
            )
        )


def _start(visit: Callable[[Tensor, Any], None], output: Tensor) -> None:
    if any(id(node) in held for node in topological_order(output, tracked=True)):
        raise GradientError(
            lesson(
                "lecture",
                "a pass that does not wait has no whole gradient to show a hook",
                "there is a hook on one of the nodes",
                hint="lecture.topological(t), which runs hooks, or handle.remove()",
            )
        )
    try:
        visit(output, _one(output))
    except RecursionError:
        raise GradientError(
            lesson(
                "lecture",
                "this graph is too deep for a recursive pass",
                hint="lecture.topological(t), which needs no recursion",
            )
        ) from None


@dataclass(frozen=True)
class Example:
    """One graph of the lecture: what is computed, where, and what it shows."""

    name: str
    expression: str
    values: dict[str, Any]
    shows: str

    def parse(self) -> Expression:
        """Return the expression, ready to be given its values."""
        return parse(self.expression)

    def graph(self) -> Tensor:
        """Compute the example and return its output, every node named."""
        return self.parse().graph(self.values)


_REGRESSION = {"X": [[1, 2], [3, 4], [5, 6]], "w": [1, -1], "y": [0, 1, 2]}
_EXAMPLES = (
    Example("tree", "(a + b) * c", {"a": 7, "b": 3, "c": 2}, "every node is used once: any order will do"),
    Example("power", "(a + b**3) * c", {"a": 7, "b": 3, "c": 2}, "the chain rule through a power"),
    Example("relu", "(a + relu(b)) * c", {"a": 7, "b": 3, "c": 2}, "relu passes the gradient where b > 0"),
    Example("relu-off", "(a + relu(b)) * c", {"a": 7, "b": -3, "c": 2}, "relu sends 0 where b <= 0"),
    Example("tanh", "(a + tanh(b)) * c", {"a": 7, "b": 3, "c": 2}, "any function with a local derivative"),
    Example("dag", "(a + b) * b**3", {"a": 7, "b": 3}, "b is used twice: its contributions are added"),
    Example(
        "order",
        "w = x**2; u = 2*w; v = w**2; y = u + v",
        {"x": 3},
        "w must wait for both users, or x counts twice",
    ),
    Example(
        "regression", "mean((X @ w - y)**2)", _REGRESSION, "arrays: every gradient has its value's shape"
    ),
    Example(
        "softmax", "-log_softmax(x)[1]", {"x": [1, 2, 3]}, "cross entropy of class 1: softmax minus one-hot"
    ),
)
EXAMPLES = {example.name: example for example in _EXAMPLES}
