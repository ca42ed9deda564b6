"""The backward pass: one loop in reverse topological order, `input.grad += rule(output.grad, ...)`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from numbers import Number
from typing import Any

import numpy as np

from clearprop import structure
from clearprop.adding import added
from clearprop.downstream import DEEPEST, Downstream, Rerun
from clearprop.errors import GradientError, at_line, lesson
from clearprop.graph import topological_order
from clearprop.hints import refuse_texts
from clearprop.hooks import OUTSIDE, held, through
from clearprop.kept import Forgotten, held_nodes
from clearprop.locks import lock
from clearprop.modes import Observer, marks, mode, no_grad, special
from clearprop.op import Op, describe, numpys
from clearprop.orders import of_ones_own
from clearprop.registry import ops
from clearprop.tensor import Tensor, plain

At = Callable[[Tensor], tuple[Any, Any, dict[str, Any]]]  # a node's output, inputs and attributes
_Waiting = dict[Tensor, list[tuple[Tensor, Any]]]  # by input: the users that send to it at once, with their g
_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)  # quicker told than the kind of any other
_leaf_lock = lock()  # threads may share leaves; each has a graph of its own


def backward(
    output: Tensor,
    grad: Any = None,
    *,
    create_graph: bool = False,
    leaves_only: bool = False,
    order: Iterable[Tensor] | None = None,
) -> None:
    """Give a gradient to every node that led to `output`.

    A leaf's gradient is added to what it already holds; a computed node's is that of this pass. With
    `create_graph=True` the gradients are Tensors with a graph of their own, to be differentiated again.
    `leaves_only` saves memory: intermediate gradients are dropped as soon as they have been passed on.

    `grad` is the gradient that arrives at the output (same shape); it may be left out for an output of one
    entry. `order` is a topological order of one's own, inputs before users, which is walked from its end;
    ValueError, naming the arrow, for one that breaks any.

    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> e = (a + b) * b**3
    >>> backward(e)
    >>> a.grad, b.grad
    (np.float64(27.0), np.float64(297.0))
    """
    if create_graph is not False or leaves_only is not False:
        refuse_texts("backward", create_graph=create_graph, leaves_only=leaves_only)
    observer = mode.observer if special.blocks else None
    if observer is not None and observer.remembers and not create_graph:
        with no_grad():  # the rules are looked at, but no gradient passes through what they give
            output = observer.resolve(output)
            walked = _backward(observer, output, grad, True, leaves_only, order, observer.records)
        observer.received(walked)  # in an eager run these gradients are arrays
        return
    walked = _backward(observer, output, grad, create_graph, leaves_only, order)
    if observer is not None:
        observer.finished(output, walked)


def _backward(
    observer: Observer | None,
    output: Tensor,
    grad: Any,
    create_graph: bool,
    leaves_only: bool,
    own: Iterable[Tensor] | None,
    forgets: bool = False,
) -> list[Tensor]:
    if observer is not None and observer.remembers:
        output = observer.resolve(output)
        structure.used(OUTSIDE)
    seed = seed_of(output, grad)
    order = topological_order(output, tracked=True) if own is None else of_ones_own(own, output)
    keep: bool | set[Tensor] = not leaves_only
    if forgets and keep:
        keep = held_nodes(order) | {node for node in order if id(node) in held}
    grads = propagate(order, {output: seed}, create_graph=create_graph, keep=keep)
    if create_graph and observer is None:
        for node, g in grads.items():
            if not isinstance(g, Tensor):  # nothing but constants: a Tensor all the same
                grads[node] = Tensor(g, requires_grad=False)
    _store(order, grads, keep if isinstance(keep, set) else None)
    marks.replaced = ""
    marks.latest = (weakref.ref(output), *marks.latest[:7])  # `explain(node)` looks for its output there
    return order


def _store(order: list[Tensor], grads: dict[Tensor, Any], among: set[Tensor] | None) -> None:
    """Give the nodes their gradients: to a leaf's the new one is added, of computed nodes `among` have it."""
    arrived = grads.get
    with _leaf_lock:
        sums = []  # all of them before any is stored: an error leaves every leaf as it was
        for node in order:
            if node.op is not None:
                if among is None or node in among:
                    node.grad = arrived(node)
                else:
                    node.grad = Forgotten(type(node._value))
            elif node in grads:
                wanted: Any = node.requires_grad
                if type(wanted) is str:  # a slot takes whatever it is given
                    refuse_texts("Tensor", requires_grad=wanted)
                g = grads[node]
                sums.append((node, as_number(g) if node.grad is None else node.grad + g))
        for leaf, g in sums:
            leaf.grad = g


@np.errstate(all="ignore")  # infinite local derivatives are part of the mathematics
def propagate(
    order: list[Tensor],
    grads: dict[Tensor, Any],
    *,
    create_graph: bool = False,
    keep: bool | set[Tensor] = True,
    among: set[Tensor] | None = None,
) -> dict[Tensor, Any]:
    """Walk `order` from its end, passing each node's gradient on to its inputs; return the gradients by node.

    `grads` holds what arrives from outside. Where `among` is given, others than these nodes receive nothing.
    """
    observer: Any = mode.observer if special.blocks else None
    followed = observer is not None and observer.follows
    at = _recorded if create_graph else None
    if (observer is not None or held) and not special.complexes:
        special.complexes = _has_complex(order)  # who looks on, or is called, is so once for each arrow
    start = None if special.complexes else dict(grads)
    try:
        for arrow in walk(order, grads, followed, at, keep, among):
            observer.sent(*arrow)
    except _MetComplex:
        if start is None:
            raise
        special.complexes = True
        grads.clear()
        grads.update(start)
        for arrow in walk(order, grads, followed, at, keep, among):
            observer.sent(*arrow)
    return grads


def sends(
    order: list[Tensor], grads: dict[Tensor, Any], *, at: At | None = None
) -> Iterator[tuple[Tensor, int, Any]]:
    """Yield `(node, i, d)` in reverse topological order: `node` sends the gradient `d` to its input `i`.

    `grads` holds what arrives from outside, and each `d` is added to the input's when the reader goes on;
    until then it is what the input had before. `at(node)` gives the output, the inputs and the attributes for
    which the rules are run, where these are not the node's own.

    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> e = (a + b) * b**3
    >>> grads = {e: 1.0}
    >>> [(node.op.name, i, float(d)) for node, i, d in sends(topological_order(e), grads)]
    [('multiply', 0, 27.0), ('multiply', 1, 10.0), ('power', 0, 270.0), ('add', 0, 27.0), ('add', 1, 27.0)]
    >>> grads[b]
    np.float64(297.0)
    """
    special.complexes = special.complexes or _has_complex(order)
    arrows = walk(order, grads, True, at)
    while True:
        with np.errstate(all="ignore"):
            arrow = next(arrows, None)
        if arrow is None:
            return
        yield arrow


def walk(
    order: list[Tensor],
    grads: dict[Tensor, Any],
    followed: bool,
    at: At | None = None,
    keep: bool | set[Tensor] = True,
    among: set[Tensor] | None = None,
) -> Iterator[tuple[Tensor, int, Any]]:
    """The one loop: everything that computes gradients goes through here.

    It yields the arrows only to those who follow them, and for all others runs to its end at once. Who does
    not follow gets the gradients of many slices of one array in one sum.
    """
    send = input_gradient if at is not None else _of_arrays
    if special.complexes:
        send = _complex_gradient
    waiting: _Waiting = {}
    run = at if isinstance(at, Rerun) else None
    known: dict[Tensor, Any] = {}
    seeds = dict(grads)
    take = grads.get if keep is True else grads.pop if keep is False else _taking(grads, keep)
    graph = at is _recorded
    for node in reversed(order):
        if waiting or held:
            _ready(node, waiting, grads, at)
        op = node.op
        if op is None:
            continue
        g = take(node, None)
        if g is None:
            continue
        if at is None:
            z, xs, attrs = node._value, node.values, node.attrs
        else:
            z, xs, attrs = at(node)
        waits = told = None
        if op.looks:
            waits = op.together is not None and not followed
            if op.rest is not None and (at is None or graph or run is not None):
                if not special.complexes and g.dtype.kind == "c":
                    send = _from_here_complex(order)
                plain = run.depth < DEEPEST if run else at is None and not any(id(x) in held for x in order)
                rest = Downstream(
                    node,
                    order,
                    seeds,
                    walk,
                    given=(z, xs),
                    plain=plain,
                    outer=run,
                    known=known,
                )  # a hook may change what arrives
                g, told = rest.look(g)
        for i, x in enumerate(node.inputs):
            if not isinstance(x, Tensor) or not x.requires_grad:
                continue
            if among is not None and x not in among:
                continue
            if waits and i == 0:
                waiting.setdefault(x, []).append((node, g))
                continue
            try:
                d = send(op, i, g, z, xs, attrs) if told is None else told
            except _MetComplex:
                send = _from_here_complex(order)
                d = send(op, i, g, z, xs, attrs)
            if d is None:
                continue
            if followed:
                yield node, i, d
            if waiting and x in waiting:  # the sum keeps its order
                _settle(x, waiting, grads, at)
            if x in grads:
                grads[x] = grads[x] + d
            elif x.op is not None:
                grads[x] = d
            elif (
                (dtype := d.dtype) is not _SINGLE
                and dtype is not _DOUBLE
                and dtype.kind == "c"
                and not special.complexes
            ):
                raise _MetComplex  # a complex result that was made a leaf
            elif not graph and (d is g or getattr(d, "base", None) is not None):
                grads[x] = d.copy()  # a leaf owns its gradient: `w.grad *= 2` must not reach others
            else:
                grads[x] = d
    for x in [*waiting]:  # what has no turn
        _settle(x, waiting, grads, at)


def _taking(grads: dict[Tensor, Any], keep: set[Tensor]) -> Callable[[Tensor, None], Any]:
    """Return what gives a node's gradient, and drops it unless the node is one to keep."""
    return lambda node, none: grads.get(node) if node in keep else grads.pop(node, none)


def _ready(node: Tensor, waiting: _Waiting, grads: dict[Tensor, Any], at: At | None) -> None:
    """Make the gradient of a node whole, whose turn it is, and show it to the hooks that wait for it."""
    if node in waiting:
        _settle(node, waiting, grads, at)
    g = grads.get(node) if id(node) in held else None
    if g is not None:
        grads[node] = through(node, g, at is _recorded)


def as_number(g: Any) -> Any:
    """Return an array, as a NumPy number where it has no axes: rules make now the one, now the other."""
    return g[()] if g.__class__ is np.ndarray and not g.ndim else g


def _settle(x: Tensor, waiting: _Waiting, grads: dict[Tensor, Any], at: At | None) -> None:
    """Add to x's gradient what its users that wait have for it: one by its rule, several at once."""
    if x.dtype.kind == "c" and not special.complexes:
        raise _MetComplex
    users = waiting.pop(x)
    rules: Any = {node.op.together for node, _ in users if node.op is not None}
    known = [(node._value, node.values, node.attrs) if at is None else at(node) for node, _ in users]
    if len(users) > 1 and len(rules) == 1:
        uses = [(g, xs, attrs) for (_, g), (_, xs, attrs) in zip(users, known, strict=True)]
        grads[x] = rules.pop()(grads.get(x, 0.0), x.shape, uses)
        return
    for (node, g), (z, xs, attrs) in zip(users, known, strict=True):
        assert node.op is not None
        d = (_complex_gradient if special.complexes else input_gradient)(node.op, 0, g, z, xs, attrs)
        grads[x] = grads[x] + d if x in grads else d


def _recorded(node: Tensor) -> tuple[Any, Any, dict[str, Any]]:
    """What rules are given that make a graph: the Tensors."""
    return node, _current(node), node.attrs


def sent(node: Tensor, i: int, g: Any) -> Any:
    """Return what `node` sends to its input `i` when `g` arrives at it; None where nothing flows.

    >>> from clearprop import Tensor
    >>> float(sent(Tensor(3.0) ** 2, 0, 10.0))
    60.0
    """
    assert node.op is not None
    with np.errstate(all="ignore"):
        return _complex_gradient(node.op, i, g, node._value, node.values, node.attrs)


def input_gradient(op: Op, i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any]) -> Any:
    """Return the gradient that input `i` of `z = op(*xs, **attrs)` receives when `g` arrives at `z`.

    This is the rule plus all the bookkeeping that rules are spared: the product with `g` for a local
    derivative, zeros that stay zeros, broadcasting undone, the input's dtype. Works alike on arrays and on
    Tensors.
    """
    smooth = op.facts.smooth if z.__class__ is Tensor else None
    if smooth is None:
        return _of_arrays(op, i, g, z, xs, attrs)
    whole, more = smooth(i, g, z, xs, attrs, _pulled)
    d = _of_arrays(op, i, g, z, xs, attrs) if whole is None else _fitted(op, i, whole, g, z, xs, attrs)
    if d is None or more is None:
        return d
    return d + _fitted(op, i, more, g, z, xs, attrs)


def _of_arrays(op: Op, i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any]) -> Any:
    """What `input_gradient` does where no limit at a kink is asked for, as none is of arrays."""
    try:
        if op.derivatives:
            d = op.derivatives[i]
            if type(d) is int:
                d = g if d == 1 else -g if d == -1 else g * d
            elif d is None:
                return None
            elif op.singular is not None and op.singular(*xs):
                d = ops["masked_product"](g, d(z, *xs))
            else:  # d(z, *xs), where a tuple to unpack takes longer than most derivatives
                n = op.arity
                local = d(z, xs[0]) if n == 1 else d(z, xs[0], xs[1]) if n == 2 else d(z, *xs)
                d = _chosen(local, g) if op.choice else g * local
        else:
            rule = op.rules[i] if op.rules else op.rule(i)
            if rule is None:
                return None
            d = rule(g, z, *xs, **attrs) if attrs else rule(g, z, *xs)
            if d is None:
                return None
            if g.dtype is not d.dtype and g.dtype.kind == "c" and not special.complexes:  # as of `rfft`
                raise _MetComplex
    except (ZeroDivisionError, OverflowError):  # Python's own numbers, which a rule had to itself
        if (numbers := numpys(xs, z)) is xs:
            raise
        return _of_arrays(op, i, g, z, numbers, attrs)
    x = xs[i]
    if op.broadcasts and d.shape != x.shape:
        d = unbroadcast(d, x.shape)
    return d if d.dtype is x.dtype else _fitted(op, i, d, g, z, xs, attrs)


def _fitted(op: Op, i: int, d: Any, g: Any, z: Any, xs: Any, attrs: dict[str, Any]) -> Any:
    """Return a gradient with its input's shape and dtype: broadcasting is undone, a real one stays real."""
    x = xs[i]
    if op.broadcasts and d.shape != x.shape:
        d = unbroadcast(d, x.shape)
    if d.dtype is x.dtype or d.dtype == x.dtype:
        return d
    if d.dtype.kind == "c" and x.dtype.kind != "c":
        if not any(map(_is_complex, (g, z, *xs))) and (numbers := numpys(xs, z)) is not xs:
            return input_gradient(op, i, g, z, numbers, attrs)  # the root of Python's -1.0 is complex
        if not special.complexes:
            raise _MetComplex
        d = np.real(d)
    return d.astype(x.dtype)


def _pulled(y: Tensor, g: Any, x: Tensor) -> Any:
    """Return what `x` receives where `g` arrives at `y`, with a graph; None where nothing does.

    What was made before `x` does not depend on it, and is not looked at.
    """
    later, waiting = {y}, [y]
    while waiting:
        for a in waiting.pop().inputs:
            if isinstance(a, Tensor) and a.serial > x.serial and a.requires_grad and a not in later:
                later.add(a)
                waiting.append(a)
    among = {x}
    for node in sorted(later, key=lambda node: node.serial):
        if any(isinstance(a, Tensor) and a in among for a in node.inputs):
            among.add(node)
    order = sorted(among, key=lambda node: node.serial)
    grads = {y: g}
    for _ in walk(order, grads, False, _recorded, {x}, among):
        pass
    return grads.get(x)


def _has_complex(order: list[Tensor]) -> bool:
    return any(node.dtype.kind == "c" for node in order)


class _MetComplex(Exception):
    """The first complex number of all arose in a graph of real leaves: from here on, they are asked for."""


def _from_here_complex(order: list[Tensor]) -> Any:
    """Return what sends gradients from now on: what real numbers alone have sent was right.

    Raises _MetComplex where some were complex before: the walk begins anew.
    """
    if _has_complex(order):
        raise _MetComplex
    special.complexes = True
    return _complex_gradient


def _complex_gradient(op: Op, i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any]) -> Any:
    """Return what `input_gradient` does where numbers may be complex.

    The gradient of a real loss by a complex x is dL/dRe(x) + i dL/dIm(x), the direction of steepest ascent.
    A rule of an analytic op multiplies by dz/dx, and that direction is g times its conjugate: the rule is run
    on the conjugate of g, and its result conjugated. This is the only place that does so. By a real x the
    gradient is the real part.
    """
    if not any(_is_complex(x) for x in (g, z, *xs)):
        return input_gradient(op, i, g, z, xs, attrs)
    if (op.derivatives[i] if op.derivatives else op.rule(i)) is None:
        return None
    if not op.facts.plane:
        hint = "t.real, t.imag, abs(t) or np.angle(t), or Facts(plane='analytic') for an op of yours"
        wanted, got = "has no gradient by complex numbers", f"{describe(z)} of {describe(xs[i])}"
        raise GradientError(lesson(f"{op.name}, backward", wanted, got, hint=hint))
    if op.facts.plane == "stated":
        return input_gradient(op, i, g, z, xs, attrs)
    d = input_gradient(op, i, _conjugate(g), z, xs, attrs)
    return d if d is None else _conjugate(d)


def _is_complex(x: Any) -> bool:
    return x.__class__ is complex or (hasattr(x, "dtype") and x.dtype.kind == "c")


def _conjugate(g: Any) -> Any:
    return np.conjugate(g) if g.dtype.kind == "c" else g


def _chosen(local: Any, g: Any) -> Any:
    """Return g * local, and exactly 0 where `local` is 0, also for an infinite `g`."""
    d = np.where(local, g if local.dtype.kind == "b" else g * local, 0)
    return d if d.shape else d[()]


def _not_real(got: str) -> GradientError:
    return GradientError(
        lesson(
            "backward()",
            "gradients are of real numbers",
            got,
            hint="its .real or abs(...), or backward(g) with the g that arrives",
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
    more = g.ndim - len(shape)
    if more:
        g = added(g, tuple(range(more)) if more > 1 else 0)
        if g.shape == shape:
            return g
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if stretched:
        g = added(g, stretched, True)
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
    kind = output.dtype.kind
    if kind != "f" and (grad is None or kind != "c"):
        raise _not_real(f"the output is {describe(output)}")
    if kind == "c":
        special.complexes = True
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
        return np.ones(output.shape, output.dtype) if output.shape else output.dtype.type(1)
    return _given_seed(output, grad)


def _given_seed(output: Tensor, grad: Any) -> Any:
    """Return the gradient that somebody gives: an array of the caller's own, or a Tensor as it is."""
    grad = plain(grad, "backward(grad)")
    if not isinstance(grad, Tensor) and not _are_numbers(np.asarray(grad)):
        wanted, hint = "wants the gradient that arrives as numbers", "backward(np.ones(output.shape))"
        raise TypeError(lesson("backward(grad)", wanted, f"{grad!r:.60}", hint=hint))
    shape = np.shape(grad) if not isinstance(grad, Tensor) else grad.shape
    if shape != output.shape:
        raise GradientError(
            lesson("backward(grad)", f"wants a gradient of the output's shape {output.shape}", f"{shape}")
        )
    held = grad if isinstance(grad, Tensor) else np.asarray(grad)
    if held.dtype.kind == "c" and output.dtype.kind != "c":
        raise TypeError(
            lesson(
                "backward(grad)",
                "would drop imaginary parts",
                f"{grad!r:.60} for {output.dtype}",
                at_line(),
                "backward(g.real), and backward(g.imag) for the rest",
            )
        )
    return grad if isinstance(grad, Tensor) else np.array(grad, output.dtype)[()]  # a copy: leaves own theirs


def _are_numbers(grad: Any) -> bool:
    """Tell whether all entries are numbers, as fractions and short floats of other packages are too."""
    kind = grad.dtype.kind
    if kind == "O":
        return all(isinstance(x, Number) for x in grad.flat)
    return kind in "fiubc" or (kind == "V" and np.can_cast(grad.dtype, np.float64))


def _current(node: Tensor) -> tuple[Any, ...]:
    """Return the inputs as Tensors, provided that no value with a graph was assigned since: the old has none.

    What needs no gradient is the number that it was.
    """
    stale = [
        isinstance(x, Tensor) and x._value is not v for x, v in zip(node.inputs, node.values, strict=True)
    ]
    if True not in stale or (node.op is not None and node.op.facts.cut):  # whose rule says what is wrong
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
