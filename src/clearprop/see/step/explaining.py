"""`explain(node)`: why is this gradient this number? One contribution for each use of the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from clearprop import hooks
from clearprop.backward import propagate
from clearprop.errors import GradientError, lesson
from clearprop.graph import Users, topological_order, users_of
from clearprop.modes import marks, no_grad
from clearprop.op import describe
from clearprop.see.algebra.labels import call_of, label_of, must_be_a_tensor
from clearprop.see.algebra.notation import Term
from clearprop.see.algebra.symbols import Symbol
from clearprop.see.names import callers_frame, find
from clearprop.see.step.arrow import Arrow, Factors
from clearprop.see.step.explanation import Contribution, Explanation
from clearprop.tensor import Tensor, raw


# --- where the numbers come from ----------------------------------------------------------------------------
def explain(
    node: Tensor,
    output: Tensor | None = None,
    *,
    names: Mapping[int, str] | None = None,
    users: Users | None = None,
) -> Explanation:
    """Say why a gradient is what it is: one contribution for each use of the node; their sum is exact.

    After `backward()` the output need not be named; `output` asks for the gradient of another one (whether or
    not it has run backward). `names` maps `id(tensor)` to what it is to be called, otherwise the caller's
    variables tell; `users` (see `users_of`) saves time when many nodes of a graph are explained. Raises
    GradientError where no output is known.

    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> c, d = a + b, b**3
    >>> c.name, d.name = "c", "d"
    >>> e = c * d
    >>> e.backward()
    >>> explain(b)
    297 = 270 via d = power(b, 3) (10 * 3*b^2) + 27 via c = add(a, b) (27 * 1)
    """
    must_be_a_tensor("explain", node)
    asked = output is not None
    if output is None:
        output, users = _latest(node, users)
    known = dict(names) if names is not None else find(frame=callers_frame())
    users = users if users is not None else users_of(output)
    if node is not output and node not in users:
        return Explanation(node, _short(node, known), (), _total(node, ()))
    arriving = _gradients(output, users)
    found = [*_seed(node, output, arriving)]
    for user, i in users.get(node, ()):
        g = arriving(user)
        if g is not None:
            found += _sent(user, i, g, known, users)
    total = _total(node, found)
    after = raw(node.grad) if id(node) in hooks.held and not asked else None
    before = _before(node, total, asked) if after is None else None
    return Explanation(node, _short(node, known), tuple(found), total, before, after)


def _total(node: Tensor, found: Iterable[Contribution]) -> Any:
    """Add the contributions up in their order, as the backward pass does."""
    total: Any = None
    with np.errstate(all="ignore"):  # the sum of an infinity and its opposite is NaN, as it was in the pass
        for c in found:
            total = c.amount if total is None else total + c.amount
    return np.zeros(node.shape, node.dtype)[()] if total is None else total


def _latest(node: Tensor, users: Users | None) -> tuple[Tensor, Users]:
    """Return the output of the latest backward pass that reached the node, and the users in its graph."""
    outputs: list[Tensor] = [output for seen in marks.latest if (output := seen()) is not None]
    for output in outputs:
        found = users if users is not None else users_of(output)
        if node is output or node in found:
            return output, found
    wanted = "t did not lead to the output of the latest backward()"
    got = f"t is {describe(node)}, the output {describe(outputs[0])}" if outputs else describe(node)
    raise GradientError(
        lesson(
            "explain(t)",
            wanted if outputs else "no backward pass is known that led to t",
            got,
            hint="explain(t, output), or output.backward() first, with the output kept in a variable",
        )
    )


def _short(node: Tensor, names: dict[int, str]) -> str:
    return label_of(node, names) if node.op is not None or node.name or id(node) in names else "this leaf"


def _gradients(output: Tensor, users: Users) -> Any:
    """Return the function that gives a node's gradient: what backward() left there, or worked out anew."""
    if output.grad is not None and all(user.grad is not None for user, _ in _first(users)):
        return lambda node: raw(node.grad)
    seed = raw(output.grad) if output.grad is not None else np.ones(output.shape, output.dtype)[()]
    grads = propagate(topological_order(output, tracked=True), {output: seed})
    return lambda node: grads.get(node)


def _first(users: Users) -> Iterable[tuple[Tensor, int]]:
    return (pair for pairs in users.values() for pair in pairs)


def _seed(node: Tensor, output: Tensor, arriving: Any) -> Iterable[Contribution]:
    if node is output:
        yield Contribution(arriving(node), None, 0, None, "", "", None, None, ())


def _sent(user: Tensor, i: int, g: Any, names: dict[int, str], users: Users) -> Iterable[Contribution]:
    """Work out what `user` sends to its input `i`, by the very call that the backward pass makes."""
    arrow = _arrow(user, i, names)
    with no_grad():
        amount = arrow.sent(g)
    if amount is None:
        return
    rule, factors = _mathematics(arrow, g)
    label = names.get(id(user)) or user.name or ""
    behind = () if label else tuple(_behind(user, names, users))
    yield Contribution(
        amount, user, i, g, call_of(user, names), label, arrow.derivative, rule, factors, behind
    )


def _arrow(user: Tensor, i: int, names: dict[int, str]) -> Arrow:
    """The arrow by the names the reader knows; numbers stand as they are."""
    return Arrow(user, i, lambda x: label_of(x, names) if isinstance(x, Tensor) or np.ndim(x) else "")


def _mathematics(arrow: Arrow, g: Any) -> tuple[Term | None, Factors]:
    """Return the whole rule and the shapes of its factors."""
    arriving = Symbol("g", g)
    rule = arrow.rule(arriving)
    return rule, arrow.factors(rule, arriving) if rule is not None else ()


def _behind(view: Tensor, names: dict[int, str], users: Users) -> Iterable[str]:
    """Say where the gradient of a node that only moves entries came from, so that `W.T` hides nothing."""
    if view.op is None or view.op.kind != "view" or np.ndim(view._value) == 0:
        return
    for user, i in users.get(view, ()):
        if user.op is None or user.grad is None:
            continue
        rule, factors = _mathematics(_arrow(user, i, names), raw(user.grad))
        shapes = ", ".join(f"{label} {shape}" for label, shape in factors)
        if rule is not None:
            yield f"where g = {rule.text} via {call_of(user, names)} with {shapes}"


def _before(node: Tensor, total: Any, asked: bool) -> Any:
    """What a leaf's gradient held before this pass; None for nothing."""
    held = raw(node.grad)
    if node.op is not None or held is None or asked or np.array_equal(held, total, equal_nan=True):
        return None
    return held - total
