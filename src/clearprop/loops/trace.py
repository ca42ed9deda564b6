"""Tracing: one turn of a loop is run on Tensors that stand for any turn, and written down as a Body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.loops.body import Applied, Body, Inputs, Shaped, Written
from clearprop.modes import Block, Observer, mode
from clearprop.op import describe
from clearprop.tensor import Tensor, raw


class _Gone:
    """The value of a Tensor of a body after it was traced: it has none."""

    __array_ufunc__ = None

    def __repr__(self) -> str:
        return "kept from the body of a loop, which ran once"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        got, hint = "a Tensor of the body, kept by it", "what is wanted later among the outputs of the body"
        raise _AskedTooLate(lesson("scan(body, ...)", "its body ran once, for all turns", got, hint=hint))


class _AskedTooLate(AttributeError, RuntimeError):
    """Something asked a Tensor of a body for its value after the body had run."""


GONE = _Gone()


class Tracer(Observer):
    """Who writes down a turn. What does not depend on the turn is left to whoever looks on outside.

    It is computed there and once: a weight's transpose, say. Random numbers are drawn there for all turns at
    once, so that each has its own and the backward pass the same.
    """

    remembers = repeats = True

    def __init__(self, length: int) -> None:
        super().__init__()
        now = mode
        self.outside: Observer | None = now.observer
        self.outer_mode: Block = Block(observer=now.observer, grad_enabled=now.grad_enabled)
        self.records: bool = self.outside is not None and self.outside.records
        self.length = length
        self.nodes: list[tuple[Any, Applied]] = []
        self.inside: set[Tensor] = set()
        self.known: dict[Tensor, Tensor] = {}  # what is an entry already, though it was computed here
        self.outer: dict[int, Any] = {}
        self.drawn: list[tuple[Tensor, Any]] = []

    # --- what runs in the body ------------------------------------------------------------------------------
    def resolve(self, x: Any) -> Any:
        """Return what stands for `x`: inside the body itself."""
        return x if x in self.inside or self.outside is None else self.outside.resolve(x)

    def instead(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Compute outside what does not depend on the turn."""
        if any(isinstance(x, Tensor) and x in self.inside for x in inputs):
            return None
        with self.outer_mode:
            if op.facts.draws is not None:
                return self._entry(op.again(inputs, op.facts.draws(self.length, **attrs)))
            return op.again(inputs, attrs)

    def _entry(self, drawn: Any) -> Tensor:
        """Return what stands for the entry of a sequence that the body itself has made."""
        value = raw(drawn)
        entry = stand_in(value[0] if self.length else np.zeros(value.shape[1:], value.dtype))
        self.inside.add(entry)
        self.drawn.append((entry, drawn))
        return entry

    def saw(self, node: Tensor) -> None:
        """Write a node down."""
        assert node.op is not None
        self.inside.add(node)
        kind = Shaped(node.shape, node.dtype)
        self.nodes.append((node, Applied(node.op, tuple(map(self.name, node.inputs)), node.attrs, kind)))

    def name(self, x: Any) -> Any:
        """Return the name of an input: a Tensor of the body, the number of what is outside, or a number."""
        if isinstance(x, Tensor) and x in self.inside:
            return self.known.get(x, x)
        if isinstance(x, (Tensor, np.ndarray, np.generic)):
            self.outer[id(x)] = x
            return id(x)
        return Written(x)

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Refuse to decide by a value that is another one in each turn."""
        if tensor not in self.inside:
            if self.outside is not None:
                self.outside.python_value(tensor, asked)
            return
        got = f"{asked} of {describe(tensor)}"
        hint = (
            "np.where(condition, a, b), or clearprop.cond; Tensor(array, requires_grad=False)[i] of an array"
        )
        wanted = "its body is run once for all turns, so it cannot ask for a value"
        raise TypeError(lesson("scan(body, ...)", wanted, got, at_line(), hint))

    # --- what is asked of a recorder ------------------------------------------------------------------------
    def _known(self, x: Any) -> bool:
        return (
            self.outside is None or not self.outside.remembers or (isinstance(x, Tensor) and x in self.inside)
        )

    def read(self, leaf: Tensor) -> Any:
        """Return what a formula is to compute with for the value of a leaf."""
        return leaf._value if self._known(leaf) else self.outside.read(leaf)  # type: ignore[union-attr]

    def number(self, leaf: Tensor) -> Any:
        """Return the float that a leaf holds, or what stands for it."""
        return float(leaf._value) if self._known(leaf) else self.outside.number(leaf)  # type: ignore[union-attr]

    def made(self, leaf: Tensor, of: Tensor | None) -> None:
        """Note a new leaf; a copy of what is inside is none that can be followed."""
        if self.outside is not None and (of is None or of not in self.inside):
            self.outside.made(leaf, of)

    def array_of(self, value: Any, requires_grad: bool | None) -> Any:
        """Return the array of a leaf that is made of `value`."""
        if isinstance(value, Tensor) and value in self.inside:
            self.python_value(value, "Tensor(t)")
        return value if self.outside is None else self.outside.array_of(value, requires_grad)

    def assigned(self, leaf: Tensor, new: Any) -> None:
        """Refuse to change a leaf to what only a turn knows."""
        if isinstance(new, Tensor) and new in self.inside:
            wanted, hint = "its body cannot assign to what lies outside", "the carry, which is handed on"
            got = f"assign({describe(leaf)}, ...)"
            raise RuntimeError(lesson("scan(body, ...)", wanted, got, at_line(), hint))
        if self.outside is not None:
            self.outside.assigned(leaf, new)

    def uses(self, thing: Any) -> None:
        """Note that `thing.structure()` decides what is being computed."""
        if self.outside is not None:
            self.outside.uses(thing)

    def seen(self, array: Any) -> Any:
        """Return what stands for an array that the body reaches by name."""
        return array if self.outside is None else self.outside.seen(array)

    def copied(self, x: Any) -> Any:
        """Return an array of its own with the entries of `x`; inside nothing changes, so itself."""
        return x if self._known(x) else self.outside.copied(x)  # type: ignore[union-attr]

    def stands_for_array(self, x: Tensor) -> bool:
        """Tell whether an eager run has an array where this one has a Tensor: never inside."""
        return not self._known(x) and self.outside.stands_for_array(x)  # type: ignore[union-attr]


def stand_in(value: Any) -> Tensor:
    """Return a leaf that stands for what has this value in one of the turns."""
    leaf = Tensor.__new__(Tensor)
    leaf._value = value if not isinstance(value, np.ndarray) or value.ndim else value[()]
    leaf.grad = leaf.name = leaf.op = None
    leaf.inputs, leaf.values, leaf.attrs, leaf.serial = (), (), {}, 0
    leaf.requires_grad = leaf._value.dtype.kind == "f"
    return leaf


def traced(
    turn: Callable[..., tuple[list[Any], list[Any]]],
    carry: Sequence[Any],
    entries: Sequence[Any],
    length: int,
    outer: Sequence[Any] = (),
) -> tuple[Body, list[Any], list[Any]]:
    """Run `turn(carry, entries, outer)` once, on values of some turn: (new carry, outputs).

    Returned are the Body, the sequences that it has made itself, and what it takes from outside. Values
    `outer` stand for what comes from outside, in front of all that it reaches by itself.
    """
    tracer = Tracer(length)
    carries, inputs, others = ([stand_in(x) for x in xs] for xs in (carry, entries, outer))
    tracer.inside.update((*carries, *inputs, *others))
    with Block(observer=tracer, grad_enabled=True), np.errstate(all="ignore"):
        new, out = turn(carries, inputs, others)
        found = [x if hasattr(x, "dtype") else np.asarray(x) for x in (*new, *out)]
        results = [tracer.name(x) for x in found]
        kinds = [Shaped(tuple(x.shape), np.dtype(x.dtype)) for x in found]
    names = Inputs(carries, [*inputs, *(x for x, _ in tracer.drawn)], [*others, *tracer.outer])
    body = Body(names, tracer.nodes, results, kinds)
    for node in tracer.inside:
        node._value, node.values, node.inputs, node.requires_grad = GONE, (), (), False
    return body, [x for _, x in tracer.drawn], list(tracer.outer.values())
