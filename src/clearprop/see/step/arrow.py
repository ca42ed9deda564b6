"""One arrow of the backward pass, from a node to one of its inputs, as numbers and as mathematics."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from clearprop.backward import sent
from clearprop.op import Op
from clearprop.see.algebra.notation import Term, name
from clearprop.see.algebra.symbols import Symbol, as_term, run
from clearprop.see.algebra.tidy import apply
from clearprop.see.numbers import is_number
from clearprop.tensor import Tensor

Factors = tuple[tuple[str, tuple[int, ...]], ...]


def is_mirrored(local: Any) -> bool:
    """Tell whether a gradient is multiplied by the conjugate of this number: whether that is another one.

    >>> is_mirrored(4 + 2j), is_mirrored(4 + 0j), is_mirrored(4.0)
    (True, False, False)
    """
    return bool(np.iscomplexobj(local) and np.any(np.imag(local)))


@dataclass(frozen=True, eq=False)
class Arrow:
    """What `node` sends to its input `i`: the numbers, and the rule over the names that `label` gives.

    `label` says what a node or an array is called, '' for one that stands there as a number. The mathematics
    is made by running the rule on symbols; it is None where a rule only takes plain arrays, and the numbers
    stand all the same.

    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> arrow = Arrow(a * b, 1, lambda x: "a" if x is a else "b" if x is b else "c")
    >>> arrow.sent(10.0), arrow.local, arrow.derivative.text, arrow.rule(Symbol("g", 10.0)).text
    (np.float64(70.0), np.float64(7.0), 'a', 'g*a')
    """

    node: Tensor
    i: int
    label: Callable[[Any], str]

    @property
    def op(self) -> Op:
        """What made the node."""
        assert self.node.op is not None
        return self.node.op

    def sent(self, g: Any) -> Any:
        """Return the gradient that the input receives where `g` arrives at the node; None for none."""
        return sent(self.node, self.i, g)

    @cached_property
    def local(self) -> Any:
        """The local derivative: an array for elementwise ops, a number between numbers, else None."""
        node, i = self.node, self.i
        if self.op.derivatives:
            with np.errstate(all="ignore"):
                return self.op.slope(i, node._value, *node.values)
        if is_number(node._value) and is_number(node.values[i]):
            one = node._value.dtype.type(1)
            slope = self.sent(one)
            if np.isrealobj(node._value) or np.all(self.sent(one * 1j) == slope * 1j):
                return slope  # a mirrored number has none: what it sends is no multiple of what arrives
        return None

    @cached_property
    def symbols(self) -> tuple[Symbol, list[Any]]:
        """The node's output and inputs by their names."""
        xs = zip(self.node.inputs, self.node.values, strict=True)
        named = [Symbol(label, value) if (label := self.label(x)) else value for x, value in xs]
        return Symbol(self.label(self.node), self.node._value), named

    @cached_property
    def derivative(self) -> Term | None:
        """The local derivative of an elementwise op as mathematics; it does not depend on shapes."""
        d = self.op.derivatives[self.i] if self.op.derivatives else None
        z, xs = self.symbols
        return _read(inspect.unwrap(d) if callable(d) else d, _one(z), *map(_one, xs))

    def rule(self, g: Symbol) -> Term | None:
        """Return the whole rule as mathematics, of the gradient `g` that arrives, broadcasting undone."""
        if self.op.derivatives:
            local = self.derivative
            return None if local is None else _summed(apply("multiply", name(g.name or "g"), local), g, self)
        z, xs = self.symbols
        return _read(self.op.rule(self.i), g, z, *xs, **self.node.attrs)

    def factors(self, rule: Term, g: Symbol) -> Factors:
        """Return the names in a rule with their shapes, in the order of reading."""
        z, xs = self.symbols
        shapes = {s.name: s.shape for s in (z, *xs, g) if isinstance(s, Symbol)}
        found: dict[str, tuple[int, ...]] = {}
        stack = [rule]
        while stack:
            term = stack.pop()
            if term.head == "name" and term.label in shapes:
                found.setdefault(term.label, shapes[term.label])
            stack.extend(reversed(term.args))
        return tuple(found.items())


def _summed(rule: Term, g: Symbol, arrow: Arrow) -> Term:
    """Write the sum with which the engine undoes broadcasting."""
    shape, wanted = g.shape, np.shape(arrow.node.values[arrow.i])
    added = len(shape) - len(wanted)
    axes = [*range(added), *(added + i for i, n in enumerate(wanted) if n == 1 and shape[added + i] != 1)]
    if not axes:
        return rule
    which = str(axes[0]) if len(axes) == 1 else f"({', '.join(map(str, axes))})"
    return Term("sum", (rule,), attrs=() if len(axes) == len(shape) else (("axis", which),))


def _read(rule: Any, *args: Any, **attrs: Any) -> Term | None:
    try:
        made = run(rule, *args, **attrs) if callable(rule) else rule
        return None if made is None else as_term(made)
    except Exception:  # a user's rule may do anything
        return None


def _one(x: Any) -> Any:
    """A symbol of one entry."""
    if not isinstance(x, Symbol) or not x.ndim:
        return x
    return Symbol(x.name or "", x._value.flat[0] if x._value.size else x.dtype.type(0))
