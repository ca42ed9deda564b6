"""A graph of arrays as JavaScript: its passes as one program, and what the entries of each arrow are made of.

The program takes the leaves and the gradient at the output, and gives every value and everything that is sent
along an arrow in any lane. What an entry is made of is the op's own derivative along that entry, as in
`clearprop.see.step.entry`; equal arrows share its text.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.backward import input_gradient
from clearprop.registry import ops
from clearprop.see.step.given import arrays_of, following, made_again
from clearprop.tensor import Tensor, raw

if TYPE_CHECKING:
    from clearprop.compiler.engines.js.script import JavaScript
    from clearprop.see.step.steps import Step, Trace

MOST_NODES = 1_000
MOST_ENTRIES = 200_000  # of all values together
MOST_STEPS = 3_000  # of all lanes together
_CALCULABLE = "fiub"


class Fixed(Exception):
    """Why the numbers of a page stay as they are."""


@dataclass
class Live:
    """What a page needs to compute arrays anew: `code` is JavaScript, `told` says which output is what."""

    code: str
    told: dict[str, Any]
    sent: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)
    """For each step of each lane: the numbers of its outputs, and of the text of its factors."""
    arrays: Sequence[Any] = ()
    """The plain arrays that can be changed; their numbers come after those of the nodes."""


def live_of(lanes: Sequence[Trace]) -> Live:
    """Return the passes of one graph as JavaScript; raises Fixed, with the reason, where they cannot be."""
    from clearprop.compiler.program.builder import Unlowered

    _must_be_small(lanes)
    arrays, said = arrays_of(lanes[0].order), lanes[0].captions.say
    try:
        with (
            _known(lanes[0].order),
            np.errstate(all="ignore"),
        ):  # what is not finite was told when it was computed first
            if arrays:
                with suppress(Exception):  # an op may want an array that stays the same
                    return _Recording(lanes, arrays).live()
            return _Recording(lanes).live()
    except (Unlowered, Fixed) as error:
        raise Fixed(said("fixed again", why=str(error).rstrip("."))) from error
    except Exception as error:  # a person's op may do anything when it is run again
        why = f"{type(error).__name__}: {str(error).splitlines()[0].rstrip('.')}"
        raise Fixed(said("fixed again", why=why)) from error


@contextmanager
def _known(order: Sequence[Tensor]) -> Iterator[None]:
    """Put ops that were never in the registry there, where a recording finds them, as long as this lasts."""
    added = [node.op for node in order if node.op is not None and not node.op.entered]
    for op in added:
        ops.setdefault(op.name, op)
    try:
        yield
    finally:
        for op in added:
            if op.entered:
                ops.pop(op.name)


def _must_be_small(lanes: Sequence[Trace]) -> None:
    shown = lanes[0]
    entries = sum(int(np.size(node._value)) for node in shown.order)
    if len(shown.order) > MOST_NODES:
        raise Fixed(shown.captions.say("fixed nodes", n=f"{len(shown.order):,}", most=f"{MOST_NODES:,}"))
    if entries > MOST_ENTRIES:
        raise Fixed(shown.captions.say("fixed entries", n=f"{entries:,}", most=f"{MOST_ENTRIES:,}"))
    if sum(map(len, lanes)) > MOST_STEPS:
        raise Fixed(shown.captions.say("fixed nodes", n=f"{len(shown.order):,}", most=f"{MOST_NODES:,}"))
    if shown.has_hooks:
        raise Fixed(shown.captions["fixed hooks"])
    if any(np.asarray(node._value).dtype.kind not in _CALCULABLE for node in shown.order):
        raise Fixed(shown.captions["fixed complex"])


class _Recording:
    """The passes of some lanes, recorded as one function of what is given and the gradient at the output.

    Given are the leaves that follow from no others, and plain `arrays`.
    """

    def __init__(self, lanes: Sequence[Trace], arrays: Sequence[Any] = ()) -> None:
        self.lanes, self.trace, self.arrays = lanes, lanes[0], arrays
        order = self.trace.order
        self.sources = following(order)
        self.leaves = [x for x in (*order, *arrays) if not isinstance(x, Tensor) or self._free(x)]
        self.made = [node for node in order if not self._free(node)]
        self.numbers = {id(x): n for n, x in enumerate((*order, *arrays))}
        self.outputs: dict[Any, int] = {}
        self.computed: list[int] = []
        self.texts: dict[Any, str] = {}
        self.keys: dict[Any, int] = {}
        self.used: list[list[int]] = []

    def _free(self, node: Tensor) -> bool:
        return node.op is None and node not in self.sources

    def live(self) -> Live:
        """Return everything as text, and the numbers of what it gives."""
        from clearprop.compiler.engines.js.kinds import filled
        from clearprop.compiler.engines.js.script import JavaScript, library

        given = [_array(x) for x in self.leaves]
        self._tried()
        computed = self.computed
        program = JavaScript(
            _recorded(
                lambda xs, g: list(map(self.again(xs, g).__getitem__, computed)), given, self.trace.start
            )
        )
        if len(program.program.outputs) != len(computed):
            raise Fixed("what the graph gives does not depend on its inputs alone")
        sent = {
            (lane.algorithm, step.number): self._sent(lane, step)
            for lane in self.lanes
            for step in lane
            if step.sent is not None
        }
        arrays = [filled(np.asarray(x)) for x in (*given, self.trace.start)]
        factors = ",\n".join(text or "null" for text in self.texts.values())
        code = (
            f"const live = (() => {{\n{library()}\nreturn {{\n  arrays: [{', '.join(arrays)}],\n"
            f"  program: {_made(program)},\n  factors: [{factors}] }};\n"
            "})();"
        )
        every = [_array(x) for x in (*self.trace.order, *self.arrays)]
        told = {
            "leaves": [self.numbers[id(x)] for x in self.leaves],
            "made": [[self.numbers[id(node)], self.outputs["value", node]] for node in self.made],
            "factors": self.used,
            "shapes": [list(x.shape) for x in every],
            "kinds": [x.dtype.kind for x in every],
            "check": [_size(x) for x in every],
            "dtypes": [str(x.dtype) for x in every],
        }
        return Live(code, told, sent, self.arrays)

    def _tried(self) -> None:
        """Run the passes once, to see what is computed, and where the output's gradient goes on as it is."""
        start = Tensor(self.trace.start, requires_grad=False)
        found = self.again([Tensor(_array(x), requires_grad=False) for x in self.leaves], start)
        for n, (label, x) in enumerate(zip(self._labels(), found, strict=True)):
            if x is start:
                self.outputs[label] = -1
                continue
            if not isinstance(x, Tensor) and label[-1] == "local":
                continue  # a number that stands in the graph
            if not isinstance(x, Tensor):
                raise Fixed("what the graph gives does not depend on its inputs alone")
            self.outputs[label] = len(self.computed)
            self.computed.append(n)

    def _labels(self) -> list[Any]:
        """Return what each output of `again` is, in their order."""
        found: list[Any] = [("value", node) for node in self.made]
        for lane in self.lanes:
            for step in (step for step in lane if step.sent is not None):
                found.append((lane.algorithm, step.number))
                if _slope(step) is not None:
                    found.append((lane.algorithm, step.number, "local"))
        return found

    def again(self, given: Sequence[Any], start: Any) -> list[Any]:
        """Compute every value, and what each lane sends along each arrow; recorded, it notes nothing."""
        value: dict[int, Any] = {id(x): made for x, made in zip(self.leaves, given, strict=True)}
        for node in (node for node in self.made if node.op is not None):
            for given_to in node.inputs:
                self._follow(given_to, value)
            value[id(node)] = _run(node, _inputs(node, value))
        found: list[Any] = [value[id(node)] for node in self.made]
        for lane in self.lanes:
            grads = {lane.output: start}
            for step in (step for step in lane if step.sent is not None):
                xs, z = _inputs(step.node, value), value[id(step.node)]
                x: Any = step.input
                amount = _amount(step, grads[step.node], z, xs)
                found.append(amount)
                slope = _slope(step)
                if slope is not None:
                    found.append(slope(z, *xs))
                replaced = lane.algorithm == "tree" or x not in grads
                grads[x] = amount if replaced else grads[x] + amount
        return found

    def _follow(self, x: Any, value: dict[int, Any]) -> None:
        if id(x) not in value and isinstance(x, Tensor) and x in self.sources:
            value[id(x)] = made_again(self.sources[x], value)

    def _sent(self, lane: Trace, step: Step) -> dict[str, int]:
        found = {"out": self.outputs[lane.algorithm, step.number]}
        local = self.outputs.get((lane.algorithm, step.number, "local"))
        if local is not None:
            found["local"] = local
        factors = self._factors(step)
        return found if factors is None else found | {"factors": factors}

    def _factors(self, step: Step) -> int | None:
        """Return the number of what an arrow's entries are made of; None where that cannot be said."""
        node, i = step.node, step.i
        amount = np.asarray(step.amount)
        if i is None or node.op is None or step.entry is None:
            return None
        places = [k for k, x in enumerate(node.inputs) if id(x) in self.numbers]
        arrays = [node.inputs[k] for k in places]
        kinds = tuple((np.shape(x), str(_array(x).dtype)) for x in arrays)
        beside = tuple(
            None if id(x) in self.numbers else repr(x) if np.ndim(x) == 0 else id(x) for x in node.inputs
        )
        key = node.op, i, kinds, beside, repr(node.attrs)
        if key not in self.texts:
            self.texts[key] = _factors_text(node, i, amount, places)
        if not self.texts[key]:
            return None
        use = self.trace.index[node], list(self.texts).index(key)
        if use not in self.keys:
            self.keys[use] = len(self.used)
            self.used.append([use[1], *(self.numbers[id(x)] for x in arrays)])
        return self.keys[use]


def _array(x: Any) -> Any:
    return np.asarray(raw(x))


def _size(array: Any) -> float | None:
    """Return the sum of an array's magnitudes, by which a page sees that it computes the same."""
    with np.errstate(all="ignore"):
        found = float(np.sum(np.abs(np.asarray(array, np.float64))))
    return found if np.isfinite(found) else None


def _run(node: Tensor, inputs: list[Any]) -> Any:
    assert node.op is not None
    made = node.op.again(tuple(inputs), node.attrs)
    if not hasattr(made, "_value") or np.shape(made) != node.shape:
        raise Fixed(f"{node.op.name} makes something else when it is run again")
    return made


def _inputs(node: Tensor, value: Mapping[int, Any]) -> list[Any]:
    return [value.get(id(x), x) for x in node.inputs]


def _amount(step: Step, g: Any, z: Any, xs: list[Any]) -> Any:
    node: Any = step.node
    assert step.i is not None
    amount = input_gradient(node.op, step.i, g, z, xs, node.attrs)
    if amount is None:
        raise Fixed(f"the rule of {node.op.name} sends nothing when it is run again")
    return amount


def _slope(step: Step) -> Callable[..., Any] | None:
    """Return the local derivative between two numbers as a function, None where it is always the same."""
    op: Any = step.node.op
    if step.local is None or np.ndim(step.g) or np.ndim(step.amount):
        return None
    if op.derivatives:
        slope = op.derivatives[step.i]
        return inspect.unwrap(slope) if callable(slope) else None
    one = step.node._value.dtype.type(1)
    return lambda z, *xs: _amount(step, one, z, list(xs))


def _factors_text(node: Tensor, i: int, amount: Any, places: Sequence[int]) -> str:
    """Return the derivative of a node along a direction of its input `i` as JavaScript, or nothing.

    It is a function of the inputs at these `places`.
    """
    from clearprop.compiler.engines.js.script import JavaScript
    from clearprop.transforms.products import jvp

    def along(given: Sequence[Any], direction: Any) -> Any:
        inputs = list(node.inputs)
        for k, x in zip(places, given, strict=True):
            inputs[k] = x
        return jvp(lambda x: _run(node, [*inputs[:i], x, *inputs[i + 1 :]]), (inputs[i],), (direction,))[1]

    given = [_array(node.inputs[k]) for k in places]
    direction = np.ones(np.shape(node.inputs[i]), amount.dtype)
    try:
        return _made(JavaScript(_recorded(along, given, direction)))
    except Exception:  # the largest entry stays written out, as Python found it
        return ""


def _made(program: JavaScript) -> str:
    """Return a program as a call that gives its arrays; plain arrays of the graph are its states."""
    from clearprop.compiler.engines.js.kinds import filled
    from clearprop.compiler.program.contents import contents

    states = (filled(contents(state, *program.shapes[state.key])) for state in program.states)
    return f"({program.text})([{', '.join(states)}])"


def _recorded(function: Callable[..., Any], *arguments: Any) -> Any:
    from clearprop.compiler import compile
    from clearprop.modes import enable_grad

    with enable_grad():
        step = compile(function, executor="numpy", prove="never")
        step(*arguments)
    if step.latest is None:
        raise Fixed("it is another graph each time")
    return step.latest.recording.program


def code_of(live: Live | None) -> str:
    """Return the code of a page, which has none for numbers that stay as they are."""
    return "const live = null;" if live is None else live.code
