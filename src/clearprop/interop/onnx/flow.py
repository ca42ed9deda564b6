"""Loops and choices on the way out: `Scan`, `Loop` and `If`, whose bodies and branches are graphs themselves.

A loop of ours gives its results flat, in one row; in the file each has a name, and what would cut one out of
the row takes that. Specified at https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clearprop.errors import lesson
from clearprop.graph import topological_order
from clearprop.interop.onnx.sequence_layers import UsersById
from clearprop.loops.body import Applied, Shaped, Written
from clearprop.loops.scan import Turns, parts
from clearprop.tensor import Tensor


@dataclass
class Recorded:
    """A node as it was computed: what `Facts.onnx` is given."""

    op: str
    value: Any
    values: Any
    attrs: dict[str, Any]


def as_beside(v: Any, values: Any) -> Any:
    """Return a Python number in the dtype that NumPy gives it beside the others."""
    return np.asarray(
        v, np.result_type(*(x if isinstance(x, (int, float, bool)) else np.asarray(x) for x in values))
    )


def write_op(g: Any, op: Any, node: Recorded, names: list[str], twin: Recorded) -> Any:
    """Write what an op is in ONNX; `twin` is what it was in the second recording."""
    if op.facts.repeats is not None:
        return _Loop(g, op.facts.repeats, node, twin, names).written()
    pieces = g.pieces.get(names[0]) if names else None
    return op.facts.onnx(g, node, *names) if pieces is None else _piece(g, node, pieces)


def _piece(g: Any, node: Recorded, pieces: dict[tuple[int, int], str]) -> Any:
    """Return what a cut out of a loop's flat result is: flat again, unless it is a single number."""
    (at,) = node.attrs.get("index", (None,))
    cut = (at.start, at.stop) if isinstance(at, slice) else (at, (at or 0) + 1)
    if cut not in pieces:
        raise g.refuse(node, "takes the results of a loop one by one")
    return g.node("Reshape", pieces[cut], g.whole([-1])) if isinstance(at, slice) else pieces[cut]


# --- loops ------------------------------------------------------------------------------------------------
class _KnownByPlace(NamedTuple):
    """By place: its name in the file, and an array of its shape and dtype in each recording."""

    names: list[str]
    mine: list[Any]
    theirs: list[Any]

    def add(self, name: str, mine: Any, theirs: Any) -> None:
        for held, x in zip(self, (name, mine, theirs), strict=True):
            held.append(x)


class _Loop:
    """One loop: `Scan` where it walks along arrays, else `Loop`."""

    def __init__(self, g: Any, repeats: Any, node: Recorded, other: Recorded, names: list[str]) -> None:
        turns, twin = (repeats(*each.values, **each.attrs) for each in (node, other))
        self.turns: Turns = turns
        self.twin: Turns = twin
        self.g, self.names, self.values = g, names, (node.values, other.values)
        both = [[s.op.name for s in (*t.body.once, *t.body.each)] for t in (turns, twin)]
        if both[0] != both[1]:
            wanted = "which ops a loop runs depends on the length of the first axis"
            raise ValueError(lesson("save_onnx(path, f, x)", wanted, hint="dynamic=False"))
        carried, count, _ = turns.body.given
        self.carry, self.entries = names[:carried], names[carried : carried + count]
        self.kinds = list(zip(turns.body.kinds, twin.body.kinds, strict=True))
        self.shown = range(carried, len(self.kinds) - turns.saved)

    def written(self) -> str:
        """Write it; return the name of its flat result, of which only the parts are in the file."""
        g, body = self.g, self.turns.body
        carried, count, _ = body.given
        known = _KnownByPlace([], [], [])
        for outer in list(zip(self.names, *self.values, strict=True))[carried + count :]:
            known.add(*outer)
        self._steps(known, body.once, self.twin.body.once)
        graph = g.graph(lambda: self._turn(known))
        outs = [g.name("carry") for _ in range(carried)] + [g.name("rows") for _ in self.shown]
        self._operator(graph, outs)
        flat, place = g.name("loop"), parts(self.turns)
        found = {**place.last, **{carried + k: part for k, part in place.out.items()}}
        numbers = [*range(carried), *self.shown]
        named = dict(zip(numbers, self._beside(outs), strict=True))
        g.pieces[flat] = {(p.start, p.stop): named[k] for k, p in found.items() if k in named}
        for k, name in named.items():
            g.dtypes[name] = self.kinds[k][0].dtype
        return str(flat)

    def _operator(self, graph: Any, outs: list[str]) -> None:
        g, make = self.g, self.g.onnx.helper.make_node
        first = [g.cast(name, kind.dtype) for name, (kind, _) in zip(self.carry, self.kinds, strict=False)]
        if not self.entries:
            g.nodes.append(make("Loop", [self._count(), "", *first], outs, body=graph))
            return
        ways: dict[str, Any] = {"num_scan_inputs": len(self.entries)}
        if self.turns.reverse:
            ways["scan_input_directions"] = [1] * len(self.entries)
            ways |= {"scan_output_directions": [1] * len(self.shown)} if self.shown else {}
        g.nodes.append(make("Scan", [*first, *self.entries], outs, body=graph, **ways))

    def _count(self) -> str:
        """The number of turns, which may follow the batch."""
        self.g.second = _like(Shaped((self.twin.length,), np.dtype(bool)))
        return str(self.g.shape((self.turns.length,)))

    def _beside(self, outs: list[str]) -> list[str]:
        """The results, rows in the order of the turns' numbers: a `Loop` knows forward alone."""
        if self.entries or not self.turns.reverse:
            return outs
        g, carried = self.g, self.turns.body.given[0]
        ends = g.whole([-1]), g.whole([-(1 << 31)]), g.whole([0]), g.whole([-1])
        return [*outs[:carried], *(g.node("Slice", name, *ends) for name in outs[carried:])]

    def _turn(self, before: _KnownByPlace) -> tuple[list[Any], list[Any]]:
        """Write the body; return what is said of its inputs and outputs."""
        g, body = self.g, self.turns.body
        carried = body.given[0]
        known = _KnownByPlace(*map(list, before))
        given = []
        for k in range(carried):
            given.append(self._given(known, "carried", *self.kinds[k]))
        for k in range(carried, carried + len(self.entries)):
            rows = (Shaped(np.shape(values[k])[1:], values[k].dtype) for values in self.values)
            given.append(self._given(known, "entry", *rows))
        self._steps(known, body.each, self.twin.body.each)
        results = []
        for k in (*range(carried), *self.shown):
            results.append(self._result(known, k))
        if self.entries:
            return given, results
        turn, goes, on = g.name("turn"), g.name("goes"), g.name("on")
        g.nodes.append(g.onnx.helper.make_node("Identity", [goes], [on]))
        counted, truth = np.dtype(np.int64), np.dtype(bool)
        given = [g.info(turn, counted, (), ()), g.info(goes, truth, (), ()), *given]
        return given, [g.info(on, truth, (), ()), *results]

    def _given(self, known: _KnownByPlace, word: str, mine: Shaped, theirs: Shaped) -> Any:
        name = self.g.name(word)
        known.add(name, _like(mine), _like(theirs))
        return self.g.info(name, mine.dtype, mine.shape, theirs.shape)

    def _result(self, known: _KnownByPlace, k: int) -> Any:
        g, place = self.g, self.turns.body.results[k]
        mine, theirs = self.kinds[k]
        if isinstance(place, Written):
            found = g.constant(np.asarray(place.value, mine.dtype))
        else:
            found = g.cast(known.names[place], mine.dtype)
        name = g.name("result")
        g.nodes.append(g.onnx.helper.make_node("Identity", [found], [name]))
        return g.info(name, mine.dtype, mine.shape, theirs.shape)

    def _steps(self, known: _KnownByPlace, mine: list[Applied], theirs: list[Applied]) -> None:
        """Write steps of the body, and add them to what is known."""
        g = self.g
        for step, other in zip(mine, theirs, strict=True):
            node, twin = _recorded(step, known.mine), _recorded(other, known.theirs)
            names = [
                known.names[x] if isinstance(x, int) else g.constant(as_beside(x.value, node.values))
                for x in step.inputs
            ]
            g.second = twin.value
            name = write_op(g, step.op, node, names, twin)
            g.dtypes[name] = step.kind.dtype
            known.add(name, node.value, twin.value)


def _recorded(step: Applied, values: list[Any]) -> Recorded:
    """Return a step of a body as a node that was computed, with arrays of its shapes."""
    given = [values[x] if isinstance(x, int) else x.value for x in step.inputs]
    return Recorded(step.op.name, _like(step.kind), given, step.attrs)


def _like(kind: Shaped) -> Any:
    """Return an array of a shape and dtype, whatever is in it."""
    return np.broadcast_to(np.zeros((), kind.dtype), kind.shape)


# --- choices ----------------------------------------------------------------------------------------------
class Choice(NamedTuple):
    """A call of `cond`: the condition, the results of both branches, and what was chosen of them."""

    decided: Any
    branches: tuple[list[Any], list[Any]]
    chosen: list[Any]


class Choices:
    """Which nodes are computed for one branch of a choice alone, so that they are inside of it in the file.

    `together` are groups of nodes that are one operator: they lie in one place.
    """

    of_result: dict[int, Choice]

    def __init__(
        self, choices: list[Choice], order: list[Tensor], users: UsersById, together: list[list[Tensor]]
    ) -> None:
        seen = {id(n) for n in order}
        self._users = {n: set(found) for n, found in users.items()}
        for group in (*together, *(c.chosen for c in choices)):
            for n in group:
                self._users.setdefault(id(n), set()).update(
                    id(m) for m in group if m is not n and id(m) in seen
                )
        self.of_result = {id(z): c for c in choices for z in c.chosen if id(z) in seen}
        self._branch: dict[int, tuple[int, int, int]] = {}  # of a node: its size, its result, which of both
        for choice in {id(c): c for c in self.of_result.values()}.values():
            for k, results in enumerate(choice.branches):
                self._enter(choice, k, results, order)

    def _enter(self, choice: Choice, k: int, results: list[Any], order: list[Tensor]) -> None:
        ends = {id(z) for z in choice.chosen}
        inside = {id(n) for z in results if isinstance(z, Tensor) for n in topological_order(z)}
        inside &= {id(n) for n in order if n.op is not None}
        inside -= {id(n) for n in topological_order(choice.decided)} | ends
        while outside := {n for n in inside if not self._users[n] <= inside | ends}:
            inside -= outside
        for n in inside:
            mine = (len(inside), min(ends), k)
            self._branch[n] = min(self._branch.get(n, mine), mine)

    def branch_of(self, node: Tensor) -> Any:
        """Return which branch a node belongs to, the innermost; None for none."""
        found = self._branch.get(id(node))
        return None if found is None else found[1:]

    def written(
        self, g: Any, node: Tensor, name: Callable[[Any], str], write: Callable[[Any], None], twins: Any
    ) -> dict[int, str]:
        """Write the choice that a node is a result of; return the names of all its results.

        `write(branch)` writes the nodes of a branch.
        """
        choice = self.of_result[id(node)]
        first = min(map(id, choice.chosen))
        shown = [k for k, z in enumerate(choice.chosen) if id(z) in self.of_result]

        def branch(which: int) -> tuple[list[Any], list[Any]]:
            write((first, which))
            infos = []
            for k in shown:
                z, x = choice.chosen[k], choice.branches[which][k]
                own, held = g.name("result"), g.cast(name(x), z.dtype)
                g.nodes.append(g.onnx.helper.make_node("Identity", [held], [own]))
                infos.append(g.info(own, z.dtype, z.shape, twins.get(id(z), z).shape))
            return [], infos

        condition = name(choice.decided)
        graphs = [g.graph(lambda which=which: branch(which)) for which in (0, 1)]
        outs = {id(choice.chosen[k]): g.name("chosen") for k in shown}
        how = dict(zip(("then_branch", "else_branch"), graphs, strict=True))
        g.nodes.append(g.onnx.helper.make_node("If", [condition], list(outs.values()), **how))
        for k in shown:
            g.dtypes[outs[id(choice.chosen[k])]] = choice.chosen[k].dtype
        return outs
