"""`Body`: one turn of a loop as a graph, numbered so that arrays run through it, and Tensors as well.

The places of a body are numbered: first what comes from outside of the loop, then what depends on nothing
else (it is computed once, before the first turn), then the carry, the entries of the sequences, and then what
each turn computes, in order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from clearprop.op import Op


class Written(NamedTuple):
    """A Python number among an op's inputs, or None."""

    value: Any


class Shaped(NamedTuple):
    """The shape and dtype of a result."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Applied(NamedTuple):
    """An op, where its inputs lie (`Written` if they are written out), its attributes, what it results in."""

    op: Op
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    kind: Shaped


class Inputs(NamedTuple):
    """What goes into a body, by any names: the carry, an entry of each sequence, and what lies outside."""

    carry: Sequence[Any]
    entries: Sequence[Any]
    outer: Sequence[Any]


class Body:
    """One turn of a loop: `results` are the places of the new carry and then of what is put out.

    `given` counts the carry, the sequences and what comes from outside; `once` are the steps before the first
    turn, `each` those of every turn. `kinds` are the shapes and dtypes of the results.
    """

    __slots__ = ("each", "given", "kinds", "once", "results", "text")
    once: list[Applied]
    each: list[Applied]
    results: tuple[Any, ...]
    kinds: tuple[Shaped, ...]

    def __init__(
        self,
        inputs: Inputs,
        nodes: Sequence[tuple[Any, Applied]],
        results: Sequence[Any],
        kinds: Sequence[Shaped],
    ) -> None:
        """Written `nodes`, each a name and a step between names; those that no result needs are left out."""
        needed = {name for name in results if not isinstance(name, Written)}
        for name, step in reversed(nodes):
            if name in needed:
                needed.update(x for x in step.inputs if not isinstance(x, Written))
        fixed: set[Hashable] = set(inputs.outer)
        once, each = [], []
        for name, step in nodes:
            if name in needed and all(isinstance(x, Written) or x in fixed for x in step.inputs):
                fixed.add(name)
                once.append((name, step))
            elif name in needed:
                each.append((name, step))
        names = [*inputs.outer, *(n for n, _ in once), *inputs.carry, *inputs.entries, *(n for n, _ in each)]
        place: dict[Any, int] = {name: i for i, name in enumerate(names)}

        def at(name: Any) -> Any:
            return name if isinstance(name, Written) else place[name]

        def numbered(step: Applied) -> Applied:
            return step._replace(inputs=tuple(map(at, step.inputs)))

        self.given: tuple[int, int, int] = len(inputs.carry), len(inputs.entries), len(inputs.outer)
        self.once, self.each = [numbered(s) for _, s in once], [numbered(s) for _, s in each]
        self.results, self.kinds = tuple(map(at, results)), tuple(kinds)
        steps = [(s.op.name, s.inputs, _exact(s.attrs)) for s in (*self.once, *self.each)]
        self.text: str = repr((self.given, len(self.once), steps, self.results, self.kinds))

    def ops(self) -> Iterator[Op]:
        """Yield every op of it, also of the loops within."""
        for op, _, attrs, _ in (*self.once, *self.each):
            yield op
            if op.facts.repeats is not None:
                yield from op.facts.repeats(**attrs).body.ops()

    def before(self, outer: Sequence[Any]) -> list[Any]:
        """Return what is there before the first turn: what comes from outside, and what that gives."""
        return _computed(self.once, list(outer))

    def turn(self, before: list[Any], carry: Sequence[Any], entries: Sequence[Any]) -> list[Any]:
        """Return the results of one turn."""
        values = _computed(self.each, [*before, *carry, *entries])
        return [x.value if x.__class__ is Written else values[x] for x in self.results]

    def of_dtype(self, dtype: Any) -> Body:
        """Return the same body with floats of this dtype."""

        def other(kind: Shaped) -> Shaped:
            return Shaped(kind.shape, dtype) if kind.dtype.kind == "f" else kind

        inputs, nodes = self.named()
        nodes = [(name, step._replace(kind=other(step.kind))) for name, step in nodes]
        return Body(inputs, nodes, self.results, [Shaped(kind.shape, dtype) for kind in self.kinds])

    def with_products(self, dtype: Any) -> tuple[Body, int]:
        """Return the same body with its products of this dtype as further results, and how many these are.

        They take long to compute and little to keep, so that a backward pass had rather read them.
        """
        inputs, nodes = self.named()
        products = [
            (name, step.kind)
            for name, step in nodes[len(self.once) :]
            if step.op.kind == "contract" and step.kind.dtype == dtype
        ]
        results = [*self.results, *(name for name, _ in products)]
        return Body(inputs, nodes, results, [*self.kinds, *(kind for _, kind in products)]), len(products)

    def hoisted(self) -> Body:
        """Return the same body with what is computed before the first turn as a part of what lies outside."""
        inputs, nodes = self.named()
        once = [name for name, _ in nodes[: len(self.once)]]
        outside = inputs._replace(outer=[*inputs.outer, *once])
        return Body(outside, nodes[len(once) :], self.results, self.kinds)

    def named(self) -> tuple[Inputs, list[tuple[Any, Applied]]]:
        """Return the inputs and the nodes, under the numbers of their places."""
        carry, entries, outer = self.given
        first = outer + len(self.once)
        inputs = Inputs(
            range(first, first + carry), range(first + carry, first + carry + entries), range(outer)
        )
        after = first + carry + entries
        nodes = [(outer + i, step) for i, step in enumerate(self.once)]
        return inputs, nodes + [(after + i, step) for i, step in enumerate(self.each)]

    def only(self, wanted: Any) -> tuple[Body, Inputs]:
        """Return a body that computes the results of the kinds `wanted(kind)`, and what it has of the inputs.

        The carry that these depend on is among its results too.
        """
        inputs, nodes = self.named()
        carried = len(inputs.carry)
        keep = {k for k in range(len(self.results)) if wanted(self.kinds[k])}
        while True:
            used = _reached(
                nodes, {self.results[k] for k in keep if not isinstance(self.results[k], Written)}
            )
            more = keep | {k for k, place in enumerate(inputs.carry) if place in used}
            if more == keep:
                break
            keep = more
        chosen = Inputs(
            [k for k in range(carried) if k in keep],
            [k for k, place in enumerate(inputs.entries) if place in used],
            [k for k, place in enumerate(inputs.outer) if place in used],
        )
        picked = Inputs(*([places[k] for k in ks] for places, ks in zip(inputs, chosen, strict=True)))
        order = sorted(keep)
        results, kinds = [self.results[k] for k in order], [self.kinds[k] for k in order]
        return Body(picked, nodes, results, kinds), chosen


def _exact(attrs: dict[str, Any]) -> list[Any]:
    """Return attributes as things whose `repr` says all: that of a large array leaves entries out."""
    return [(k, x.tobytes() if isinstance(x, np.ndarray) else x) for k, x in sorted(attrs.items())]


def _reached(nodes: list[tuple[Any, Applied]], names: set[Any]) -> set[Any]:
    """Return the names that these depend on, and these."""
    for name, step in reversed(nodes):
        if name in names:
            names.update(x for x in step.inputs if not isinstance(x, Written))
    return names


def _computed(steps: list[Applied], values: list[Any]) -> list[Any]:
    """Append to `values` what the steps make of them."""
    for op, places, attrs, _ in steps:
        xs = [values[x] if x.__class__ is int else x.value for x in places]
        values.append(op.forward(*xs, **attrs))
    return values
