"""`kinks`: where a function sits on a kink, and where 0 times infinity was decided as 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.errors import lesson
from clearprop.graph import topological_order
from clearprop.modes import Observer, observed
from clearprop.ops.reduce import kept
from clearprop.see.algebra.labels import call_of, must_be_a_function
from clearprop.tensor import Tensor, raw

_CLOSER = (
    16  # how much closer the second look is: what a kink adds shrinks as much, what a jump adds does not
)


@dataclass(frozen=True)
class Place:
    """One entry of one op: `kind` is `kink`, `jump`, `0 * inf`, or `unknown` for an op that did not say.

    `left` and `right` are the slopes of the op by its input `i`, at a jump its values on both sides. `index`
    is an entry of the op's output, or of its input where an op is not elementwise. Where the gradient that
    arrives there is 0, `reached` is False: the choice that was made changes nothing.
    """

    kind: str
    call: str
    i: int
    index: tuple[int, ...]
    left: float
    right: float
    reached: bool = True

    def __str__(self) -> str:
        at = f" at {list(self.index)}" if self.index else ""
        if self.kind == "unknown":
            return f"{self.call}: unknown, its op does not say where it has kinks (Facts(kinks=))"
        if self.kind == "0 * inf":
            return f"{self.call}{at} has an infinite slope, met by a gradient of 0: decided as 0"
        sides = f"{self.left:.4g} to its left, {self.right:.4g} to its right"
        note = "" if self.reached else "; the gradient that arrives is 0"
        if self.kind == "jump":
            return f"{self.call}{at} jumps: {sides}{note}"
        return f"{self.call}{at} is on a kink: slope {sides}{note}"


def kinks(f: Callable[..., Any], *inputs: Any) -> list[Place]:
    """Return the entries of `f(*inputs)` on a kink or a jump, and those where 0 times infinity became 0.

    At a kink the gradient is one of several that are right: the table of conventions says which. Where a
    gradient of exactly 0 meets an infinite slope, 0 is sent, so that masked entries stay masked: right for
    `where(x > 0, sqrt(x), 0)`, and wrong for `sqrt(x)**2` at 0, whose derivative is 1. An op of your own that
    does not say where its kinks are (`Facts(kinks=...)`, False for none) is listed as unknown.

    Raises TypeError where `f` returns several results.

    >>> for place in kinks(lambda x: np.sum(np.abs(x)) + np.sqrt(x[1]) ** 2, np.array([1.0, 0.0])):
    ...     print(place)
    absolute(x) at [1] is on a kink: slope -1 to its left, 1 to its right
    sqrt(...) has an infinite slope, met by a gradient of 0: decided as 0
    """
    must_be_a_function("kinks", f)
    letters = ["x", "y", "z", "u", "v", "w"]
    leaves = [Tensor(x, name=letters[k] if k < len(letters) else None) for k, x in enumerate(inputs)]
    seen = _Seen(leaves)
    with observed(seen):
        output = f(*leaves)
    if isinstance(output, (list, tuple, dict)):
        got = f"a {type(output).__name__}"
        raise TypeError(
            lesson("kinks(f, *inputs)", "wants an f that returns one Tensor", got, hint="their sum")
        )
    if not isinstance(output, Tensor):
        return []
    grads: dict[Tensor, Any] = {}
    if output.requires_grad:
        order = topological_order(output, tracked=True)
        grads = propagate(order, {output: np.ones_like(output._value)})
    found: list[Place] = []
    with np.errstate(all="ignore"):
        for step in seen.behind(output):
            found += step.places(grads.get(step.node))
    return found


class _Seen(Observer):
    """An observer that notes the ops whose result depends on the leaves, with a gradient or without."""

    def __init__(self, leaves: list[Tensor]) -> None:
        super().__init__()
        self.steps: dict[Tensor, _RanOp] = {}
        self.leaves = set(leaves)

    def saw(self, node: Tensor) -> None:
        """Note an op and what it was given: a node that needs no gradient forgets both."""
        depends = [isinstance(x, Tensor) and (x in self.steps or x in self.leaves) for x in node.inputs]
        if any(depends):
            self.steps[node] = _RanOp(node, depends)

    def behind(self, output: Tensor) -> list[_RanOp]:
        """Return the steps that led to `output`, in the order of computation."""
        reached, waiting = set(), [output]
        while waiting:
            node = waiting.pop()
            if node in self.steps and node not in reached:
                reached.add(node)
                waiting += [x for x in self.steps[node].inputs if isinstance(x, Tensor)]
        return [step for node, step in self.steps.items() if node in reached]


class _RanOp:
    """One op that ran: what it was given, and by which of its inputs the leaves have a say."""

    def __init__(self, node: Tensor, depends: list[bool]) -> None:
        assert node.op is not None
        self.node, self.depends, self.call = node, depends, call_of(node, {})
        self.op, self.inputs, self.values, self.attrs = node.op, node.inputs, node.values, node.attrs

    def places(self, g: Any) -> list[Place]:
        """Return what is to be said of this op, given the gradient that arrived (None where none did)."""
        if self.op.facts.kinks is None:
            return [Place("unknown", self.call, self.depends.index(True), (), np.nan, np.nan)]
        found: list[Place] = []
        for i, value in enumerate(self.values):
            if self.depends[i]:
                if callable(self.op.facts.kinks) and np.asarray(value).dtype.kind == "f":
                    found += self._entries(i, g) if self.op.kind == "elementwise" else self._rows(i, g)
                found += self._decided(i, g)
        return found

    def _entries(self, i: int, g: Any) -> list[Place]:
        """Kinks of an elementwise op: the entries are moved all at once, for none has a say in another."""
        z = np.asarray(self.node._value)
        mask = np.broadcast_to(self.op.facts.on_kink(*self.values, **self.attrs), z.shape)
        if not mask.any():
            return []
        x = np.asarray(self.values[i], np.float64)
        sides = _Sides(self, self.values, i, _step(x))
        places = [tuple(int(k) for k in index) for index in np.argwhere(mask)]
        return [place for at in places if (place := sides.place(at, at, self._reached(g, at)))]

    def _rows(self, i: int, g: Any) -> list[Place]:
        """Kinks of an op along an axis: one entry is moved at a time, in the rows that it shares."""
        x = np.asarray(self.values[i], np.float64)
        before, after = self.values[:i], self.values[i + 1 :]
        mask = np.asarray(self.op.facts.on_kink(*before, x, *after, **self.attrs))
        if i and mask.shape != x.shape:  # it tells of another input
            return []
        mask = np.broadcast_to(mask, x.shape)
        axis = None if i else self.attrs.get("axis")
        axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
        whole = len(set(axes)) == x.ndim
        g = None if g is None else np.asarray(raw(g))
        if g is not None and self.op.kind == "reduce":
            g = kept(g, x, axis, self.attrs.get("keepdims", False))
        found = []
        for index in np.argwhere(mask):
            at = tuple(int(k) for k in index)
            row = tuple(slice(None) if a in axes else slice(k, k + 1) for a, k in enumerate(at))
            own = tuple(k if a in axes else 0 for a, k in enumerate(at))
            moved = np.zeros(x[row].shape)
            moved[own] = _step(x[at])
            sides = _Sides(self, (*before, x[row], *after), i, moved, float(moved[own]))
            arrived = None if g is None else np.ravel(g if whole else g[row])
            reached = self._reached(arrived, sides.moves())
            place = sides.place(sides.widest(), at, reached)
            found += [place] if place else []
        return found

    def _reached(self, g: Any, at: Any) -> bool:
        """Whether a gradient other than 0 arrives at an entry; a jump passes none and is not asked."""
        if not self.op.differentiable:
            return True
        return g is not None and bool(np.any(np.asarray(raw(g))[at] != 0))

    def _decided(self, i: int, g: Any) -> list[Place]:
        places = np.argwhere(decided_as_zero(self.node, i, g))
        return [
            Place("0 * inf", self.call, i, tuple(int(k) for k in index), np.inf, np.inf) for index in places
        ]


class _Sides:
    """How an op goes on to both sides of a point, when one of its inputs is moved by `h`."""

    def __init__(self, step: _RanOp, values: Any, i: int, h: Any, size: Any = None) -> None:
        def at(share: float) -> Any:
            moved = [x + share * h if k == i else x for k, x in enumerate(values)]
            z = np.asarray(step.op.forward(*moved, **step.attrs), np.float64)
            return np.broadcast_to(z, shape) if size is None else np.ravel(z)

        shape = np.shape(step.node._value)
        here, self.step, self.i = at(0.0), step, i
        self.far = [at(sign) - here for sign in (-1.0, 1.0)]
        near = [at(sign / _CLOSER) - here for sign in (-1.0, 1.0)]
        self.values = [here + d for d in near]
        pairs = zip(near, self.far, strict=True)
        self.jumps = np.logical_or(*((np.abs(d) >= np.abs(e) / 2) & (e != 0) for d, e in pairs))
        size = h if size is None else size
        self.slopes = [np.round(d / (sign * size), 5) for sign, d in zip((-1.0, 1.0), self.far, strict=True)]

    def moves(self) -> Any:
        """Return which entries of the output move on either side."""
        return (self.far[0] != 0) | (self.far[1] != 0)

    def widest(self) -> int:
        """Return the entry of the output (laid out flat) whose slopes differ most."""
        return int(np.argmax(np.abs(self.slopes[1] - self.slopes[0])))

    def place(self, k: Any, at: tuple[int, ...], reached: bool) -> Place | None:
        """Return what is to be said of entry `k`, None where both sides are the same after all."""
        jump = bool(self.jumps[k])
        left, right = (float(np.round(side[k], 5)) + 0.0 for side in (self.values if jump else self.slopes))
        if left == right and not jump:  # a jump may be of this point alone: x == 0
            return None
        return Place("jump" if jump else "kink", self.step.call, self.i, at, left, right, reached)


def _step(x: Any) -> Any:
    return 1e-6 * np.maximum(1.0, np.abs(x))


def decided_as_zero(node: Tensor, i: int, g: Any) -> Any:
    """Return at which entries of a node a gradient of exactly 0 met an infinite slope by input `i`.

    >>> decided_as_zero(np.sqrt(Tensor([0.0, 4.0])), 0, np.zeros(2))
    array([ True, False])
    """
    op, nowhere = node.op, np.zeros(np.shape(node._value), bool)
    x = node.inputs[i] if op is not None else None
    if op is None or g is None or not (isinstance(x, Tensor) and x.requires_grad):
        return nowhere
    if op.facts.steep is not None and not i:
        return op.facts.steep(node._value, *node.values, **node.attrs)
    if op.singular is None or not op.singular(*node.values) or not callable(op.derivatives[i]):
        return nowhere
    with np.errstate(all="ignore"):
        slope = np.broadcast_to(op.derivatives[i](node._value, *node.values), nowhere.shape)
    return np.isinf(slope) & (np.asarray(raw(g)) == 0)
