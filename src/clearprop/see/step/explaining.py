"""`explain(node)`: why is this gradient this number? One contribution for each use of the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from clearprop.backward import propagate, sent
from clearprop.errors import GradientError, lesson
from clearprop.graph import Users, topological_order, users_of
from clearprop.modes import marks, no_grad
from clearprop.op import describe
from clearprop.see.algebra.labels import call_of, label_of
from clearprop.see.algebra.notation import Term, name
from clearprop.see.algebra.symbols import Symbol, as_term, run
from clearprop.see.algebra.tidy import apply
from clearprop.see.names import callers_frame, find
from clearprop.see.step.explanation import Contribution, Explanation
from clearprop.tensor import Tensor


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
    return Explanation(node, _short(node, known), tuple(found), total, _before(node, total, asked))


def _total(node: Tensor, found: Iterable[Contribution]) -> Any:
    """Add the contributions up in their order, as the backward pass does."""
    total: Any = None
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


def _raw(g: Any) -> Any:
    return g._value if isinstance(g, Tensor) else g


def _gradients(output: Tensor, users: Users) -> Any:
    """Return the function that gives a node's gradient: what backward() left there, or worked out anew."""
    if output.grad is not None and all(user.grad is not None for user, _ in _first(users)):
        return lambda node: _raw(node.grad)
    seed = _raw(output.grad) if output.grad is not None else np.ones(output.shape, output.dtype)[()]
    grads = propagate(topological_order(output, tracked=True), {output: seed})
    return lambda node: grads.get(node)


def _first(users: Users) -> Iterable[tuple[Tensor, int]]:
    return (pair for pairs in users.values() for pair in pairs)


def _seed(node: Tensor, output: Tensor, arriving: Any) -> Iterable[Contribution]:
    if node is output:
        yield Contribution(arriving(node), None, 0, None, "", "", None, None, ())


def _sent(user: Tensor, i: int, g: Any, names: dict[int, str], users: Users) -> Iterable[Contribution]:
    """Work out what `user` sends to its input `i`, by the very call that the backward pass makes."""
    op = user.op
    assert op is not None
    with np.errstate(all="ignore"), no_grad():
        amount = sent(user, i, g)
    if amount is None:
        return
    local, rule, factors = _mathematics(user, i, g, names)
    label = names.get(id(user)) or user.name or ""
    behind = () if label else tuple(_behind(user, names, users))
    yield Contribution(amount, user, i, g, call_of(user, names), label, local, rule, factors, behind)


def _behind(view: Tensor, names: dict[int, str], users: Users) -> Iterable[str]:
    """Say where the gradient of a node that only moves entries came from, so that `W.T` hides nothing."""
    if view.op is None or view.op.kind != "view" or np.ndim(view._value) == 0:
        return
    for user, i in users.get(view, ()):
        if user.op is None or user.grad is None:
            continue
        _, rule, factors = _mathematics(user, i, _raw(user.grad), names)
        shapes = ", ".join(f"{label} {shape}" for label, shape in factors)
        if rule is not None:
            yield f"where g = {rule.text} via {call_of(user, names)} with {shapes}"


def _before(node: Tensor, total: Any, asked: bool) -> Any:
    """What a leaf's gradient held before this pass; None for nothing."""
    held = _raw(node.grad)
    if node.op is not None or held is None or asked or np.array_equal(held, total, equal_nan=True):
        return None
    return held - total


# --- the mathematics of one arrow ---------------------------------------------------------------------------
Factors = tuple[tuple[str, tuple[int, ...]], ...]


def _mathematics(
    user: Tensor, i: int, g: Any, names: dict[int, str]
) -> tuple[Term | None, Term | None, Factors]:
    """Return the local derivative (of an elementwise op), the whole rule, and the factors' shapes."""
    symbols = _symbols(user, names)
    local = _local(user, i, symbols)
    rule = _rule(user, i, g, symbols) if local is None else apply("multiply", name("g"), local)
    if rule is not None and user.op is not None and user.op.kind == "elementwise":
        rule = _summed(rule, np.shape(g), np.shape(user.values[i]))
    return local, rule, _factors(rule, g, symbols) if rule is not None else ()


def _summed(rule: Term, shape: tuple[int, ...], wanted: tuple[int, ...]) -> Term:
    """Write the sum with which the engine undoes broadcasting."""
    added = len(shape) - len(wanted)
    axes = [*range(added), *(added + i for i, n in enumerate(wanted) if n == 1 and shape[added + i] != 1)]
    if not axes:
        return rule
    which = str(axes[0]) if len(axes) == 1 else f"({', '.join(map(str, axes))})"
    return Term("sum", (rule,), attrs=() if len(axes) == len(shape) else (("axis", which),))


def _symbols(user: Tensor, names: dict[int, str]) -> tuple[Any, list[Any]]:
    """Return the op's output and inputs as symbols that carry the names the reader knows them by."""
    xs: list[Any] = []
    for x, value in zip(user.inputs, user.values, strict=True):
        known = isinstance(x, Tensor) or np.ndim(value)
        xs.append(Symbol(label_of(x, names), value) if known else value)
    return Symbol(label_of(user, names), user._value), xs


def _local(user: Tensor, i: int, symbols: tuple[Any, list[Any]]) -> Term | None:
    d = user.op.derivatives[i] if user.op is not None and user.op.derivatives else None
    if d is None:
        return None
    try:
        z, xs = symbols
        return as_term(run(d, _one(z), *map(_one, xs)) if callable(d) else d)
    except Exception:  # a user's rule that only takes plain arrays: no formula, but the number stands
        return None


def _one(x: Any) -> Any:
    """A symbol of one entry: an elementwise formula does not depend on the shape."""
    if not isinstance(x, Symbol) or not x.ndim:
        return x
    return Symbol(x.name or "", x._value.flat[0] if x._value.size else x.dtype.type(0))


def _rule(user: Tensor, i: int, g: Any, symbols: tuple[Any, list[Any]]) -> Term | None:
    z, xs = symbols
    rule = user.op.rule(i) if user.op is not None else None
    if rule is None:
        return None
    try:
        return as_term(run(rule, Symbol("g", g), z, *xs, **user.attrs))
    except Exception:  # as above
        return None


def _factors(rule: Term, g: Any, symbols: tuple[Any, list[Any]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the names in a rule with their shapes, in the order of reading."""
    z, xs = symbols
    shapes = {s.name: s.shape for s in (z, *xs) if isinstance(s, Symbol)} | {"g": np.shape(g)}
    found: dict[str, tuple[int, ...]] = {}
    stack = [rule]
    while stack:
        term = stack.pop()
        if term.head == "name" and term.label in shapes:
            found.setdefault(term.label, shapes[term.label])
        stack.extend(reversed(term.args))
    return tuple(found.items())
