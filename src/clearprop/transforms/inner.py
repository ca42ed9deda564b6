"""A function run inside of others, on leaves of its own: its derivatives, and what else they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.backward import as_number, propagate
from clearprop.batch import of_all_examples
from clearprop.errors import behind
from clearprop.modes import mode, no_grad, special
from clearprop.op import _next_serial
from clearprop.ops.limits import may_have_limit
from clearprop.rebinding import settle
from clearprop.registry import ops
from clearprop.tensor import Tensor, raw
from clearprop.transforms.around import ALONE, Linear, around_here

_serial = attrgetter("serial")
_MOST_RECORDED = 16  # so many rows are recorded one by one where a kink may lie, which is not known yet


def _zeros(x: Tensor) -> Any:
    return np.zeros(x.shape, x.dtype)[()]


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

    Inside of `vmap` the run's own leaves hold all examples at once, and `around` leads from what `f` sees to
    these and back.
    """

    __slots__ = (
        "around",
        "before",
        "constant",
        "inputs",
        "lifted",
        "outer",
        "output",
        "own",
        "since",
        "within",
        "wraps",
    )

    def __init__(
        self,
        f: Callable[[list[Any]], Any],
        given: list[Any],
        beside: Iterable[Any] = (),
        constant: bool = False,
    ) -> None:
        around = self.around = around_here() if special.blocks else ALONE
        self.own: list[Tensor] = []  # what stands for `given`, for all examples at once
        self.lifted: list[Tensor] = []  # leaves that nobody outside knows
        self.before: int = _next_serial()
        self.within = self.wraps = False  # whether an input is computed, or any argument a Tensor
        for x in given:
            if around.levels:
                x = around.bare(x)
            if isinstance(x, Tensor) and x.requires_grad and not constant:
                self.within = True  # a node of its own: the same Tensor may come in twice, or by closure too
                with around.outside():
                    self.own.append(x * 1)
            elif around.levels:
                self.own.append(self._lifted(x))
            else:
                leaf = _leaf(x)
                self.own.append(leaf)
                self.lifted.append(leaf)
        self.inputs: list[Tensor] = list(map(around.wrapped, self.own)) if around.levels else self.own
        for x in beside:
            x = of_all_examples(x) if around.levels else x
            if isinstance(x, Tensor) and not _stands_for_array(x):
                self.wraps = True
        self.constant, self.outer = constant, False
        self.since: int = _next_serial()
        try:
            self.output: Any = f(self.inputs)
        except ValueError as error:
            if (meant := behind(error)) is error:
                raise
            raise meant from None
        settle()
        self.expect(given, beside)

    def expect(self, *several: Iterable[Any]) -> None:
        """Give Tensors where a run for the gradient of what is around will, by these or by the output."""
        observer = mode.observer if self.constant else None
        if observer is not None and observer.awaits():
            leaves = (of_all_examples(x) for xs in (*several, tree.leaves(self.output)) for x in xs)
            found = [observer.resolve(x) for x in leaves if isinstance(x, Tensor)]
            order, _ = self._history(found)
            self.wraps = self.wraps or any(map(observer.awaits, (*found, *order)))

    def leaf(self, x: Any) -> Tensor:
        """Return a leaf of this run with a value; after it, no gradient reaches it any more."""
        return self.around.wrapped(self._lifted(self.around.bare(x)))  # type: ignore[no-any-return]

    def _lifted(self, x: Any) -> Tensor:
        with self.around.outside():
            found = _leaf(x)
        self.lifted.append(found)
        return found

    # --- derivatives ----------------------------------------------------------------------------------------

    def reaches_out(self, outputs: Iterable[Any]) -> bool:
        """Tell whether results depend on Tensors of the graph outside."""
        return not self.constant and (self.within or self._history(map(of_all_examples, outputs))[1])

    def pull(self, arriving: dict[Tensor, Any], *, linear: bool = False) -> list[Any]:
        """Return the gradient of each input (zeros where none flows), given those that arrive at outputs.

        Where it is `linear`, what arrives are leaves of this run, and the gradients are Tensors, which depend
        linearly on them: gradients of these by what arrived are derivatives in the forward direction.
        """
        if not self.around.levels and not special.blocks:
            return self._pulled(arriving, linear)
        outputs = list(arriving)
        return self.around.layered(
            list(arriving.values()), lambda gs: self._pulled(self._seeds(outputs, gs), linear)
        )

    def pull_all(self, outputs: Sequence[Tensor], arriving: list[Any]) -> list[Any]:
        """Return what `pull` returns for many gradients at once, which an axis in front of each counts.

        Where a graph is made of them at a kink, they are pulled one by one: limits there are taken of each.
        """
        if not self.constant and self._meets_kinks(outputs, len(arriving[0])):
            rows = [self.pull(self._seeds(outputs, gs, bare=False)) for gs in zip(*arriving, strict=True)]
            return [np.stack(found) for found in zip(*rows, strict=True)]
        return self.around.at_once(arriving, lambda gs: self._pulled(self._seeds(outputs, gs), False))

    def _meets_kinks(self, outputs: Sequence[Tensor], count: int) -> bool:
        order, others = self._history(map(of_all_examples, outputs))
        if not (others or self.within):
            return False
        recording = mode.observer is not None and mode.observer.remembers
        if recording and count > _MOST_RECORDED:
            return False
        return any(may_have_limit(node, known=not recording) for node in order)

    def _seeds(self, outputs: Sequence[Tensor], gs: Sequence[Any], bare: bool = True) -> dict[Tensor, Any]:
        seeds: dict[Tensor, Any] = {}
        ends = map(self.around.bare, outputs) if bare else outputs
        for y, g in zip(ends, gs, strict=True):  # one Tensor may be two outputs
            seeds[y] = seeds[y] + g if y in seeds else g
        return seeds

    def _pulled(self, arriving: dict[Tensor, Any], linear: bool) -> list[Any]:
        order, others = self._history(arriving)
        among = _reached(order, self.own) if others else None
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
        else:  # all inputs are leaves, whose gradients stay
            grads = propagate(order, arriving, keep=False, among=among)
        return [grads[x] if x in grads else _zeros(x) for x in self.own]

    def push(self, gradients: list[Any], arriving: list[Tensor], tangents: list[Any]) -> list[Any]:
        """Return what becomes of `tangents`, one an input, at each output: the transpose of a linear `pull`.

        `gradients` are what `pull` gave for `arriving`. (The transpose of the transpose is the derivative
        itself: Radul et al., "You only linearize once", 2023, turned around.)
        """
        function, passed = self._pushing(gradients, arriving, tangents)
        return self.around.layered(passed, function) if passed else [_zeros(u) for u in arriving]

    def push_all(self, gradients: list[Any], arriving: list[Tensor], tangents: list[Any]) -> list[Any]:
        """Return what `push` returns for many tangents at once, which an axis in front of each counts."""
        function, passed = self._pushing(gradients, arriving, tangents)
        if passed:
            return self.around.at_once(passed, function)
        return [np.zeros((len(tangents[0]), *u.shape), u.dtype) for u in arriving]

    def _pushing(
        self, gradients: list[Any], arriving: list[Tensor], tangents: list[Any]
    ) -> tuple[Linear, list[Any]]:
        """Return the linear function of those tangents that pass, and these."""
        sources = [self.around.bare(g) if isinstance(g, Tensor) else g for g in gradients]
        pairs = zip(sources, tangents, strict=True)
        flowing = [(g, t) for g, t in pairs if t is not None and isinstance(g, Tensor) and g.requires_grad]
        ends = [self.around.bare(u) for u in arriving]
        tracked = any(isinstance(t, Tensor) and t.requires_grad for _, t in flowing)

        def pushed(changes: list[Any]) -> list[Any]:
            seeds: dict[Tensor, Any] = {}
            for (g, _), t in zip(flowing, changes, strict=True):  # one gradient may belong to two inputs
                t = t if t.dtype == g.dtype else t.astype(g.dtype)
                seeds[g] = seeds[g] + t if g in seeds else t
            order, _ = self._history(seeds)
            among = _reached(order, ends)
            recording = mode.observer is not None and mode.observer.remembers
            self.outer = self.outer or tracked
            if recording and not self.outer:
                with no_grad():
                    grads = propagate(order, seeds, create_graph=True, among=among)
            else:
                grads = propagate(order, seeds, create_graph=self.outer, among=among)
            return [grads[u] if u in grads else _zeros(u) for u in ends]

        return pushed, [t for _, t in flowing]

    def results(self, *found: Any) -> list[Any]:
        """Return what the caller gets: Tensors of the graph outside, or else things of the arguments' kind.

        After that the leaves of this run are numbers, which no gradient reaches any more.
        """
        around = around_here() if special.blocks else ALONE
        if not around.levels:
            return self._handed(found)
        whole = tuple(map(around.bare, found))
        with around.outside():
            given = self._handed(whole)
        return [around.wrapped(x) for x in given]

    def _handed(self, found: tuple[Any, ...]) -> list[Any]:
        for leaf in self.lifted:
            leaf.requires_grad = False
        observer = mode.observer if special.blocks else None
        recording = observer is not None and observer.remembers
        if not (recording or self.outer or self.wraps):  # the usual case
            return [as_number(raw(x)) for x in found]
        if self.lifted:
            order, _ = self._history([x for x in found if isinstance(x, Tensor)])
            for node in order:  # it may have needed a gradient for such a leaf only
                node.requires_grad = any(isinstance(x, Tensor) and x.requires_grad for x in node.inputs)
        give = self._recorded if recording else self._given
        return [
            _bound(x) if isinstance(x, Tensor) and x.requires_grad and not self.constant else give(x)
            for x in found
        ]

    def _given(self, x: Any) -> Any:
        value = raw(x)
        if isinstance(value, np.ndarray) and self.outer:
            value = value.copy()  # a graph may remember this one
        if not self.wraps:
            return as_number(value)
        found = Tensor(value, requires_grad=False)
        if self.constant and mode.observer is not None:
            mode.observer.passes(found)
        return found

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
    repeated = x.__class__ is np.ndarray and 0 in x.strides and x.size > 1 and x.dtype.kind in "fc"
    leaf = Tensor(0.0 if repeated or isinstance(x, Tensor) else x)
    if isinstance(x, Tensor):
        leaf._value = x._value
    elif repeated:  # one array for all examples of a `vmap`: a copy of the one
        once = x[tuple(slice(None) if stride else slice(0, 1) for stride in x.strides)].copy()
        leaf._value = np.broadcast_to(once, x.shape)
    leaf.serial = _next_serial()
    return leaf


def _bound(x: Tensor) -> Tensor:
    return x if x.op is not None else x * 1  # a leaf that `f` returned stays its owner's


def _stands_for_array(x: Tensor) -> bool:
    """Whether an eager run has an array where a step that is being recorded has this Tensor."""
    observer = mode.observer
    return observer is not None and observer.stands_for_array(x)
