"""A function run inside of others, on leaves of its own: its derivatives, and what else they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from clearprop.backward import as_number, propagate
from clearprop.modes import mode, no_grad, special
from clearprop.op import _next_serial
from clearprop.registry import ops
from clearprop.tensor import Tensor

_serial = attrgetter("serial")


class Inner:
    """One run of `f` on stand-ins for `given`, to be differentiated by them.

    Every function that is made of the derivatives of another one is written as three calls: make an `Inner`,
    `pull` gradients as often as wanted, hand the results out by `results`. What `f` reaches by other ways
    than these, a Tensor in its closure or the parameters of a model, belongs to the graphs of
    those outside, and so does a result that depends on it. Which results do is read off the graph that the
    run has built.

    `inputs` are the Tensors that stand for `given`, `output` is what `f(inputs)` returned. Results are
    Tensors where one of `given` or `beside`, what else `f` was called with, is a Tensor. Where `constant` is
    true (inside `no_grad()`), all that is outside counts as numbers.
    """

    __slots__ = ("before", "constant", "inputs", "lifted", "outer", "output", "since", "within", "wraps")

    def __init__(
        self,
        f: Callable[[list[Any]], Any],
        given: list[Any],
        beside: Iterable[Any] = (),
        constant: bool = False,
    ) -> None:
        self.inputs: list[Tensor] = []
        self.lifted: list[Tensor] = []  # leaves that nobody outside knows
        self.before = _next_serial()
        self.within = self.wraps = False  # whether an input is computed, or any argument a Tensor
        for x in given:
            if isinstance(x, Tensor) and x.requires_grad and not constant:
                self.within = True  # a node of its own: the same Tensor may come in twice, or by closure too
                self.inputs.append(x * 1)
            else:
                self.inputs.append(self.leaf(x))
        for x in beside:
            if isinstance(x, Tensor) and not _stands_for_array(x):
                self.wraps = True
        self.constant, self.outer = constant, False
        self.since = _next_serial()
        self.output = f(self.inputs)

    def leaf(self, x: Any) -> Tensor:
        """Return a leaf of this run with a value; after it, no gradient reaches it any more."""
        found = _leaf(x)
        self.lifted.append(found)
        return found

    def reaches_out(self, outputs: Iterable[Any]) -> bool:
        """Tell whether results depend on Tensors of the graph outside."""
        return not self.constant and (self.within or self._history(outputs)[1])

    def pull(self, arriving: dict[Tensor, Any], *, linear: bool = False) -> list[Any]:
        """Return the gradient of each input (zeros where none flows), given those that arrive at outputs.

        Where it is `linear`, what arrives are leaves of this run, and the gradients are Tensors, which depend
        linearly on them: gradients of these by what arrived are derivatives in the forward direction.
        """
        order, others = self._history(arriving)
        among = _reached(order, self.inputs) if others else None
        observer = mode.observer if special.blocks else None
        recording = observer is not None and observer.remembers
        if not self.constant and (others or self.within):
            self.outer = True
            grads = propagate(order, arriving, create_graph=True, among=among)
        elif linear:
            grads = propagate(order, arriving, create_graph=recording, among=among)
        elif recording:
            with no_grad():  # the rules are looked at, but no gradient passes through what they give
                grads = propagate(order, arriving, create_graph=True, among=among)
        else:
            grads = propagate(order, arriving, among=among)
        return [grads[x] if x in grads else np.zeros(x.shape, x.dtype)[()] for x in self.inputs]

    def push(self, gradients: list[Any], arriving: list[Tensor], tangents: list[Any]) -> list[Any]:
        """Return what becomes of `tangents`, one an input, at each output: the transpose of a linear `pull`.

        `gradients` are what `pull` gave for `arriving`. (The transpose of the transpose is the derivative
        itself: Radul et al., "You only linearize once", 2023, turned around.)
        """
        flowing = [
            _inner_product(g, t)
            for g, t in zip(gradients, tangents, strict=True)
            if t is not None and isinstance(g, Tensor) and g.requires_grad
        ]
        if not flowing:
            return [np.zeros(u.shape, u.dtype)[()] for u in arriving]
        total = flowing[0]
        for more in flowing[1:]:
            total = total + more
        order, _ = self._history([total])
        seed = {total: np.ones((), total.dtype)[()]}
        among = _reached(order, arriving)
        recording = mode.observer is not None and mode.observer.remembers
        graph = self.outer or any(isinstance(t, Tensor) and t.requires_grad for t in tangents)
        if recording and not graph:
            with no_grad():
                grads = propagate(order, seed, create_graph=True, among=among)
        else:
            grads = propagate(order, seed, create_graph=graph, among=among)
        self.outer = self.outer or graph
        return [grads[u] if u in grads else np.zeros(u.shape, u.dtype)[()] for u in arriving]

    def results(self, *found: Any) -> list[Any]:
        """Return what the caller gets: Tensors of the graph outside, or else things of the arguments' kind.

        After that the leaves of this run are numbers, which no gradient reaches any more.
        """
        for leaf in self.lifted:
            leaf.requires_grad = False
        observer = mode.observer if special.blocks else None
        recording = observer is not None and observer.remembers
        if not recording and not self.outer and not self.wraps:  # the usual case
            return [as_number(x._value if isinstance(x, Tensor) else x) for x in found]
        if self.lifted:
            order, _ = self._history([x for x in found if isinstance(x, Tensor)])
            for node in order:  # it may have needed a gradient for such a leaf only
                node.requires_grad = any(isinstance(x, Tensor) and x.requires_grad for x in node.inputs)
        give = self._recorded if recording else self._given
        return [
            self._bound(x) if isinstance(x, Tensor) and x.requires_grad and not self.constant else give(x)
            for x in found
        ]

    def _bound(self, x: Tensor) -> Tensor:
        return x if x.op is not None else x * 1  # a leaf that `f` returned stays its owner's

    def _given(self, x: Any) -> Any:
        value = x._value if isinstance(x, Tensor) else x
        if isinstance(value, np.ndarray) and self.outer:
            value = value.copy()  # a graph may remember this one
        return Tensor(value, requires_grad=False) if self.wraps else as_number(value)

    def _recorded(self, x: Any) -> Any:
        if not isinstance(x, Tensor):
            if not self.wraps:
                return as_number(x.copy())
            x = Tensor(x, requires_grad=False)
        x = ops["detach"](x)
        observer = mode.observer
        return x if observer is None else observer.given_as(x, self.wraps)

    def _history(self, outputs: Iterable[Tensor]) -> tuple[list[Tensor], bool]:
        """Return the nodes of this run that led to the outputs, in order, and whether Tensors from outside
        did too, other than the chosen arguments."""
        seen: set[Tensor] = set()
        before, since = self.before, self.since  # between them: the inputs
        others = False
        waiting = [outputs]
        while waiting:
            for x in waiting.pop():
                if isinstance(x, Tensor) and x.requires_grad and x not in seen:
                    if x.serial > since:
                        seen.add(x)
                        waiting.append(x.inputs)
                    elif x.serial < before:
                        others = True
        return sorted(seen, key=_serial), others


def _inner_product(g: Any, t: Any) -> Any:
    """The sum of the products of entries; of complex ones that of their real and imaginary parts."""
    if np.iscomplexobj(getattr(g, "_value", g)) or np.iscomplexobj(getattr(t, "_value", t)):
        return np.sum(np.real(np.conj(g) * t))
    return np.sum(g * t)


def _reached(order: list[Tensor], inputs: list[Tensor]) -> set[Tensor]:
    """Return the nodes of `order` that depend on the inputs, with the inputs: who else needs a gradient."""
    found = set(inputs)
    for node in order:
        for x in node.inputs:
            if isinstance(x, Tensor) and x in found:
                found.add(node)
                break
    return found


def _leaf(x: Any) -> Tensor:
    """Return a leaf with an argument's value, which has a number in the order as if it were computed."""
    leaf = Tensor(0.0 if isinstance(x, Tensor) else x)
    if isinstance(x, Tensor):
        leaf._value = x._value
    leaf.serial = _next_serial()
    return leaf


def _stands_for_array(x: Tensor) -> bool:
    """Whether an eager run has an array where a step that is being recorded has this Tensor."""
    observer = mode.observer
    return observer is not None and observer.stands_for_array(x)
