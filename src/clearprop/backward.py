"""The backward pass: one loop in reverse topological order, `input.grad += rule(output.grad, ...)`."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from clearprop.errors import GradientError, lesson
from clearprop.graph import topological_order
from clearprop.modes import marks, mode, no_grad
from clearprop.op import Op, describe
from clearprop.registry import ops
from clearprop.tensor import Tensor

_Waiting = dict[Tensor, list[tuple[Tensor, Any]]]  # by input: the users that send to it at once, with their g
_reduce: Any = np.add.reduce  # what `sum` calls, without its detour
_leaf_lock = threading.Lock()  # threads may share leaves; each has a graph of its own


def backward(
    output: Tensor, grad: Any = None, *, create_graph: bool = False, leaves_only: bool = False
) -> None:
    """Give a gradient to every node that led to `output`.

    A leaf's gradient is added to what it already holds; a computed node's is that of this pass. With
    `create_graph=True` the gradients are Tensors with a graph of their own, to be differentiated again.
    `leaves_only` saves memory: intermediate gradients are dropped as soon as they have been passed on.

    `grad` is the gradient that arrives at the output (same shape); it may be left out for an output of one
    entry.

    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> e = (a + b) * b**3
    >>> backward(e)
    >>> a.grad, b.grad
    (np.float64(27.0), np.float64(297.0))
    """
    observer = mode.observer
    if observer is not None and observer.remembers and not create_graph:
        with no_grad():  # the rules are looked at, but no gradient passes through what they give
            order = _backward(observer.resolve(output), grad, True, leaves_only)
        received = getattr(observer, "received", None)
        if received is not None:
            received(order)  # in an eager run these gradients are arrays
        return
    order = _backward(output, grad, create_graph, leaves_only)
    finished = None if observer is None else getattr(observer, "finished", None)
    if finished is not None:
        finished(output, order)


def _backward(output: Tensor, grad: Any, create_graph: bool, leaves_only: bool) -> list[Tensor]:
    observer = mode.observer
    if observer is not None and observer.remembers:
        output = observer.resolve(output)
    seed = seed_of(output, grad)
    order = topological_order(output, tracked=True)
    grads = propagate(order, {output: seed}, create_graph=create_graph, keep=not leaves_only)
    if create_graph and observer is None:
        for node, g in grads.items():
            if not isinstance(g, (Tensor, list)):  # nothing but constants: a Tensor all the same
                grads[node] = Tensor(g, requires_grad=False)
    with _leaf_lock:
        sums = {  # all of them before any is stored: an error leaves every leaf as it was
            x: x.grad + grads[x] for x in order if x.op is None and x.grad is not None and x in grads
        }
        for node in order:
            if node in sums:
                node.grad = sums[node]
            elif node.op is not None or node.grad is None:
                node.grad = grads.get(node)
    marks.replaced = ""
    marks.latest = (weakref.ref(output), *marks.latest[:7])  # `explain(node)` looks for its output there
    return order


def propagate(
    order: list[Tensor],
    grads: dict[Tensor, Any],
    *,
    create_graph: bool = False,
    keep: bool = True,
    among: set[Tensor] | None = None,
) -> dict[Tensor, Any]:
    """Walk `order` from its end, passing each node's gradient on to its inputs; return the gradients by node.

    `grads` holds what arrives from outside. Where `among` is given, others than these nodes receive nothing.
    Everything that computes gradients goes through here.
    """
    with np.errstate(all="ignore"):  # infinite local derivatives are part of the mathematics
        _walk(order, grads, keep, create_graph, among)
    return grads


def _walk(
    order: list[Tensor], grads: dict[Tensor, Any], keep: bool, graph: bool, among: set[Tensor] | None
) -> None:
    observer = mode.observer
    followed = observer is not None and not observer.remembers  # arrow by arrow
    waiting: _Waiting = {}
    for node in reversed(order):
        op = node.op
        if waiting and node in waiting:
            _settle(node, waiting, grads, graph)
        if op is None:
            continue
        g = grads.get(node) if keep else grads.pop(node, None)
        if g is None:
            continue
        z, xs, attrs = node._value, node.values, node.attrs
        if graph:
            z, xs = node, _current(node)
        for i, x in enumerate(node.inputs):
            if isinstance(x, Tensor) and x.requires_grad and (among is None or x in among):
                if op.together is not None and i == 0 and not followed:
                    waiting.setdefault(x, []).append((node, g))
                    continue
                d = input_gradient(op, i, g, z, xs, attrs)
                if d is None:
                    continue
                if observer is not None:
                    observer.sent(node, i, d)
                if waiting and x in waiting:  # the sum keeps its order
                    _settle(x, waiting, grads, graph)
                if x in grads:
                    grads[x] = grads[x] + d
                elif x.op is None and not graph and (d is g or getattr(d, "base", None) is not None):
                    grads[x] = d.copy()  # a leaf owns its gradient: `w.grad *= 2` must not reach others
                else:
                    grads[x] = d
    for x in [*waiting]:  # what no turn comes to
        _settle(x, waiting, grads, graph)


def _settle(x: Tensor, waiting: _Waiting, grads: dict[Tensor, Any], graph: bool) -> None:
    """Add to x's gradient what its users that wait have for it: one by its rule, several at once."""
    users = waiting.pop(x)
    together = users[0][0].op.together  # type: ignore[union-attr]
    uses = [(g, _current(node) if graph else node.values, node.attrs) for node, g in users]
    total = grads.get(x)
    if len(users) > 1 and together is not None and all(node.op.together is together for node, _ in users):  # type: ignore[union-attr]
        grads[x] = together(0.0 if total is None else total, x.shape, uses)
        return
    for (node, g), (_, xs, attrs) in zip(users, uses, strict=True):
        d = input_gradient(node.op, 0, g, node if graph else node._value, xs, attrs)  # type: ignore[arg-type]
        grads[x] = d if x not in grads else grads[x] + d


def input_gradient(op: Op, i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any]) -> Any:
    """Return the gradient that input `i` of `z = op(*xs, **attrs)` receives when `g` arrives at `z`.

    This is the rule plus all the bookkeeping that rules are spared: the product with `g` for a local
    derivative, zeros that stay zeros, broadcasting undone, the input's dtype. Works alike on arrays and on
    Tensors.
    """
    if op.derivatives:
        d = op.derivatives[i]
        if d.__class__ is int:
            d = g if d == 1 else -g if d == -1 else g * d
        elif d is None:
            return None
        elif op.singular is not None and op.singular(*xs):
            d = ops["masked_product"](g, d(z, *xs))
        elif op.choice:
            d = _chosen(d(z, *xs), g)
        else:
            d = g * d(z, *xs)
    else:
        rule = op.rule(i)
        if rule is None:
            return None
        d = rule(g, z, *xs, **attrs)
        if d is None:
            return d
    x = xs[i]
    if op.broadcasts and d.shape != x.shape:
        d = unbroadcast(d, x.shape)
    if d.dtype is not x.dtype and d.dtype != x.dtype:
        if d.dtype.kind == "c":
            raise _not_real(f"{op.name}'s gradient is {d.dtype}")
        d = d.astype(x.dtype)
    return d


def _chosen(local: Any, g: Any) -> Any:
    """Return g * local, and exactly 0 where `local` is 0, also for an infinite `g`."""
    d = np.where(local, g if local.dtype.kind == "b" else g * local, 0)
    return d if d.shape else d[()]


def _not_real(got: str) -> GradientError:
    return GradientError(
        lesson(
            "backward()", "gradients are of real numbers", got, hint="the real and imaginary parts as arrays"
        )
    )


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes along which an input of `shape` was repeated by broadcasting.

    >>> import numpy as np
    >>> unbroadcast(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    >>> unbroadcast(np.ones((2, 3)), (2, 1))
    array([[3.],
           [3.]])
    """
    added = g.ndim - len(shape)
    if added:
        g = _reduce(g, axis=tuple(range(added)) if added > 1 else 0)
        if g.shape == shape:
            return g
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if stretched:
        g = _reduce(g, axis=stretched, keepdims=True)
    return g


def seed_of(output: Tensor, grad: Any) -> Any:
    """Return the gradient that arrives at the output: `grad`, or 1 for an output of one entry."""
    if not output.requires_grad:
        wanted, where = "no input of this result needs a gradient", ""
        hint = "wrapping what you differentiate by in Tensor(...), outside of no_grad()"
        if marks.replaced:
            where = f"At {marks.replaced}, under no_grad(), a leaf was computed with: `w = w - step` makes a "
            where += "new Tensor that needs no gradient."
            hint = "`w -= step` or `w[...] = new` on that line, which changes the leaf itself"
        raise GradientError(lesson("backward()", wanted, f"{output!r}", where, hint))
    if output.dtype.kind != "f":
        raise _not_real(f"the output is {describe(output)}")
    if grad is None:
        if output.size != 1:
            raise GradientError(
                lesson(
                    "backward()",
                    "wants an output of one entry, or the gradient that arrives at it",
                    f"the output is {describe(output)}",
                    hint="loss.mean().backward(), or backward(np.ones(output.shape))",
                )
            )
        return np.ones(output.shape, output.dtype)[()]
    shape = np.shape(grad) if not isinstance(grad, Tensor) else grad.shape
    if shape != output.shape:
        raise GradientError(
            lesson("backward(grad)", f"wants a gradient of the output's shape {output.shape}", f"{shape}")
        )
    return grad if isinstance(grad, Tensor) else np.array(grad, output.dtype)[()]  # a copy: leaves own theirs


def _current(node: Tensor) -> tuple[Any, ...]:
    """Return the inputs as Tensors, provided that no value with a graph was assigned since: the old has none.

    What needs no gradient is the number that it was.
    """
    stale = [
        isinstance(x, Tensor) and x._value is not v for x, v in zip(node.inputs, node.values, strict=True)
    ]
    if True not in stale:
        return node.inputs
    recorded = mode.observer is not None and mode.observer.remembers  # a number would stay this call's
    for x, old in zip(node.inputs, stale, strict=True):
        if old and (x.requires_grad or recorded):
            raise GradientError(
                lesson(
                    "backward(create_graph=True)",
                    f"an input of {node.op.name if node.op else 'a leaf'} was assigned after it was used",
                    describe(x),
                    hint="the backward pass before the optimizer's step",
                )
            )
    return tuple(v if old else x for x, v, old in zip(node.inputs, node.values, stale, strict=True))
