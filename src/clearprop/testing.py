"""For tests of ops, the library's own and a user's: the cases an op's entry describes, and what to check."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.errors import GradientError, lesson
from clearprop.op import Op
from clearprop.registry import ops

SHAPES: dict[int, tuple[tuple[tuple[int, ...], ...], ...]] = {
    1: (((),), ((4,),), ((2, 3),)),
    2: (((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (4,)), ((2, 3), (1, 1))),
    3: (((3,), (3,), (3,)), ((2, 3), (3,), ()), ((2, 1), (1, 3), (2, 3)), ((), (2, 3), (2, 1))),
}
"""The shapes an elementwise op is tried on, by its number of inputs: equal, broadcast, without axes."""


@dataclass(frozen=True)
class Case:
    """One way to call an op: `function(*inputs)` is the op with its attributes in place."""

    op: Op
    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    label: str


def cases(op: Op, dtype: Any = np.float64, seed: int = 0) -> Iterator[Case]:
    """Yield the cases that an op's own entry describes, with random inputs.

    Elementwise ops are called on broadcasting shapes with numbers from `op.facts.domain`; other kinds on each
    `(shapes, attrs)` of `op.examples`, where an array among the shapes is an input that is used as it is.
    Raises ValueError for a differentiable op that describes none.

    >>> [case.label for case in cases(ops["tanh"])]
    ['tanh of ()', 'tanh of (4,)', 'tanh of (2, 3)']
    """
    rng = np.random.default_rng([seed, sum(op.name.encode())])
    wanted: list[tuple[Any, dict[str, Any]]] = [(s, dict(a)) for s, a in op.examples]
    if not wanted and op.kind == "elementwise" and op.arity in SHAPES:
        wanted = [(shapes, {}) for shapes in SHAPES[op.arity]]
    if not wanted and op.differentiable:
        raise ValueError(
            lesson(
                f"cases({op.name})",
                "the op does not say how to try it",
                hint="examples=((((3, 4),), {'axis': 0}),) in its entry: shapes and attributes",
            )
        )
    for shapes, attrs in wanted:
        inputs = tuple(_input(op, i, s, rng, dtype) for i, s in enumerate(shapes))
        shown = ", ".join(str(np.shape(x)) for x in inputs)
        settings = "".join(f", {k}={v!r}" for k, v in attrs.items()).replace("\n", "")
        yield Case(op, caller(op, attrs), inputs, f"{op.name} of {shown}{settings}")


def _input(op: Op, i: int, shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
    if isinstance(shape, np.ndarray):
        kind = shape.dtype.kind
        return (
            shape.astype(dtype if kind == "f" else np.result_type(dtype, np.complex64))
            if kind in "fc"
            else shape
        )
    domain: Any = op.facts.domain or (-2.0, 2.0)
    interval = domain if isinstance(domain[0], (int, float)) else domain[i]
    if interval is None:
        return rng.random(shape) < 0.5
    low, high = interval
    return np.asarray(rng.uniform(low, high, shape), dtype)[()]


def caller(op: Op, attrs: dict[str, Any]) -> Callable[..., Any]:
    """Return `op` as a function of its inputs alone, whatever the order of its signature."""
    if op.signature is None:
        return lambda *xs: op(*xs, **attrs)
    leading: list[str] = []
    sequence = False
    parameters = list(inspect.signature(op.signature).parameters.values())
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if variadic:  # einsum(subscripts, *xs): what stands before the inputs is an attribute
        leading = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name in attrs]
    elif op.arity is None and parameters[0].name not in ("x", "g"):
        sequence = True  # concatenate((x, y), axis)
    first = [attrs[name] for name in leading]
    rest = {k: v for k, v in attrs.items() if k not in leading}
    if sequence:
        return lambda *xs: op(xs, **rest)
    return lambda *xs: op(*first, *xs, **rest)


def check_op(op: Op, dtype: Any = np.float64, *, order: int = 2, seed: int = 0) -> list[Any]:
    """Check an op's rules on every case its entry describes; return the reports.

    Raises GradientError at the first case that is wrong. This is all a test of one's own op needs.

    >>> len(check_op(ops["tanh"]))
    3
    """
    from clearprop.check.compare import gradcheck

    reports = [
        gradcheck(case.function, *case.inputs, order=order, name=case.label, seed=seed)
        for case in cases(op, dtype, seed)
    ]
    if reports and op.differentiable and not any(r.compared for r in reports):
        raise GradientError(
            lesson(f"check_op({op.name})", "no entry could be compared", hint="examples away from kinks")
        )
    return reports


def sending(op: Op) -> list[int]:
    """Return the inputs that a gradient other than 0 reaches in one of the op's cases.

    >>> sending(ops["where"]), sending(ops["sign"])
    ([1, 2], [])
    """
    from clearprop.check.plane import in_pairs
    from clearprop.check.probe import Probe
    from clearprop.check.pull import gradients, random_weights
    from clearprop.tensor import raw

    found: set[int] = set()
    for case in cases(op) if op.differentiable else ():
        f, inputs = in_pairs(case.function, case.inputs)
        probe = Probe(f, inputs, lift=True)
        probe({})
        weights = random_weights(probe.shapes, np.random.default_rng(0))
        pulled = gradients(f, probe.arrays, inputs)(weights)
        found |= {i for i, g in enumerate(pulled) if g is not None and np.any(raw(g))}
    return sorted(found)


def broken(op: Op, i: int, fault: Callable[..., Any]) -> AbstractContextManager[None]:
    """Break the rule of input `i` inside the block: it sends `fault(d, g, z, *xs, **attrs)`, `d` being right.

    For tests of tests: a check that does not fail inside the block checks nothing. `d` is what the rule gives
    before the engine undoes broadcasting; a variadic op's inputs are counted alike.

    >>> with broken(ops["tanh"], 0, lambda d, *rest, **attrs: 1.001 * d):
    ...     try:
    ...         check_op(ops["tanh"])
    ...     except GradientError as error:
    ...         print("off by +0.1 %" in str(error))
    True
    """
    return replaced(
        op, i, lambda send, g, z, *xs, **attrs: fault(send(g, z, *xs, **attrs), g, z, *xs, **attrs)
    )


@contextmanager
def replaced(op: Op, i: int, rule: Callable[..., Any]) -> Iterator[None]:
    """Let the rule of input `i` be `rule(send, g, z, *xs, **attrs)` inside the block, `send` being the right
    one."""
    right = op.derivatives, op.rules, op.variadic_rule, op.together, op.rest
    sound = object.__new__(Op)
    sound.__dict__.update(op.__dict__)

    def changed(k: int, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
        if k != i or _sent(sound, k, g, z, *xs, **attrs) is None:
            return _sent(sound, k, g, z, *xs, **attrs)
        return rule(functools.partial(_sent, sound, k), g, z, *xs, **attrs)

    op.together = op.rest = None  # they would bypass the rule
    if op.variadic_rule is not None:
        op.variadic_rule = changed
    else:
        count = max(len(op.rules), len(op.derivatives))
        op.derivatives, op.rules = (), tuple(functools.partial(changed, k) for k in range(count))
    try:
        yield
    finally:
        op.derivatives, op.rules, op.variadic_rule, op.together, op.rest = right


def _sent(op: Op, i: int, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
    """What the rule gives, for elementwise ops too, before broadcasting is undone."""
    if not op.derivatives:
        rule = op.rule(i)
        return None if rule is None else rule(g, z, *xs, **attrs)
    d = op.derivatives[i]
    if d is None:
        return None
    local = d(z, *xs) if callable(d) else d
    if op.singular is not None and op.singular(*xs):
        return ops["masked_product"](g, local)
    return g * local


__all__ = ["Case", "broken", "caller", "cases", "check_op", "replaced", "sending"]


def __getattr__(name: str) -> Any:
    """Return NumPy's assertions, which look at the values of Tensors: those of `clearprop.numpy.testing`."""
    if name.startswith("assert_"):
        return getattr(importlib.import_module("clearprop.numpy.testing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
