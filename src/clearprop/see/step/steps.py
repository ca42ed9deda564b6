"""`trace(t)`: the forward and the backward pass as a list of steps, one for every value and every arrow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.backward import seed_of
from clearprop.errors import GradientError, InputError, lesson
from clearprop.graph import topological_order
from clearprop.hooks import held
from clearprop.see.algebra.labels import must_be_a_tensor
from clearprop.see.algebra.notation import Term, name
from clearprop.see.algebra.symbols import Symbol, input_term, op_term
from clearprop.see.drawing.draw import write
from clearprop.see.drawing.folding import COMFORTABLE
from clearprop.see.frame import framed
from clearprop.see.names import alike, callers_frame, find, model_name, model_of
from clearprop.see.numbers import written
from clearprop.see.step.arrow import Arrow
from clearprop.see.step.captions import Captions, captions_of
from clearprop.see.step.entry import Products, entry_of
from clearprop.see.step.quiz import LEVELS
from clearprop.see.step.sentences import Told, fill, tell, without_slots
from clearprop.see.words import DRAWING
from clearprop.tensor import Tensor
from clearprop.typed.expression import fresh_names
from clearprop.typed.lecture import ALGORITHMS, Addend, Pass, topological

FORWARD, START, BACKWARD = "forward", "start", "backward"


@dataclass(frozen=True)
class Step:
    """One step: a value is computed, the output's gradient is set, or a gradient travels along one arrow.

    `kind` is `forward`, `start` or `backward`. Of a backward step, `node` sends `amount` to its input number
    `i`, which is `input`; `g` is the gradient that `node` had, `before` and `total` are the gradient of the
    input before and after (`before` is None where it was unknown).

    >>> from clearprop import Tensor, trace
    >>> a = Tensor(3.0, name="a")
    >>> step = trace(a * 2)[-1]
    >>> step.kind, float(step.sent.amount)
    ('backward', 2.0)
    """

    trace: Trace = field(repr=False)
    number: int
    kind: str
    node: Tensor
    sent: Addend | None = None
    again: bool = False
    """Whether this arrow was used before, as the recursive algorithms may."""

    @property
    def input(self) -> Tensor | None:
        """The input that receives; None where nothing is sent."""
        return self.sent.input if self.sent else None

    @property
    def i(self) -> int | None:
        """Which of the node's inputs receives."""
        return self.sent.i if self.sent else None

    @property
    def g(self) -> Any:
        """The gradient that the node held when it sent."""
        return self.sent.g if self.sent else None

    @property
    def amount(self) -> Any:
        """What was sent along the arrow."""
        return self.sent.amount if self.sent else self.total

    @property
    def before(self) -> Any:
        """The receiver's gradient until then; None where it had none."""
        return self.sent.before if self.sent else None

    @property
    def total(self) -> Any:
        """The receiver's gradient from then on."""
        if self.kind == START:
            return self.trace.start
        return self.sent.total if self.sent else None

    @property
    def replaced(self) -> bool:
        """Whether an earlier contribution was thrown away, as the tree algorithm does."""
        return self.trace.algorithm == "tree" and self.before is not None

    @property
    def local(self) -> Any:
        """The local derivative as a number, or an array for elementwise ops; None where the rule is not a
        product with one."""
        return self.trace.arrow(self.node, self.sent.i).local if self.sent is not None else None

    @cached_property
    def entry(self) -> Products | None:
        """The largest entry of an array that is sent, as the sum of products that it is; None where that
        cannot be said."""
        if self.sent is None:
            return None
        return entry_of(self.trace.arrow(self.node, self.sent.i), self.g, self.amount)

    @cached_property
    def formula(self) -> str:
        """What was computed, `c = a + b`, or the rule with the names in it: `dd/db = 3*b^2`, or for a rule
        that is no product, what arrives: `w.grad = X^T @ c.grad`."""
        names = self.trace.names
        if self.sent is None:
            return f"{names[self.node]} = {self.trace.computed(self.node)}" if self.node.op else ""
        z, x = names[self.node], names[self.sent.input]
        term = self.rule
        if self.local is not None and self.node.op and not self.node.op.derivatives:
            return f"d{z}/d{x}"
        left = f"d{z}/d{x}" if self.local is not None else f"{x}.grad"
        return f"{left} = {term.text}" if term is not None else left

    @cached_property
    def told(self) -> Told:
        """What the step says, as templates; see `clearprop.see.step.sentences`."""
        told, own = tell(self), self.trace.captions.steps.get(self.number + 1)
        return told if own is None else replace(told, sentence=f"{own} {told.sentence}")

    @property
    def sentence(self) -> str:
        """What happens in this step, with the numbers."""
        return self.fill(self.told.sentence)

    @property
    def chain(self) -> tuple[str, ...]:
        """The chain rule of this step with the numbers in it, an equation at a time."""
        return tuple(self.fill(line) for line in self.told.chain)

    def fill(self, template: str) -> str:
        """Return a template of `told` with this step's numbers."""
        return fill(template, self._slot)

    def _slot(self, slot: str) -> str | None:
        if slot in ("g", "local", "amount", "before", "total"):
            return written(getattr(self, slot))
        if slot == "entry" and self.entry is not None and self.sent is not None:
            return self.entry.text(self.trace.names[self.sent.input], self.trace.captions["many products"])
        if slot[0] not in "vs" or not slot[1:].isdecimal():
            return None
        n = int(slot[1:])
        return written(self.trace.order[n]._value if slot[0] == "v" else self.trace[n].amount)

    @cached_property
    def rule(self) -> Term | None:
        """The rule as mathematics over the names of the trace, made by running it; None where it cannot be
        read."""
        if self.sent is None:
            return None
        arrow = self.trace.arrow(self.node, self.sent.i)
        if arrow.op.derivatives:
            return arrow.derivative
        return arrow.rule(Symbol(f"{self.trace.names[self.node]}.grad", self.node._value))


class Trace:
    """The steps of a forward and backward pass, to be read, iterated over, and shown.

    >>> from clearprop import Tensor
    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> steps = trace((a + b) * b**3)
    >>> last = steps[-1]
    >>> len(steps), last.formula, float(last.before), float(last.amount), float(last.total)
    (9, 'dc/db = 1', 270.0, 27.0, 297.0)
    """

    output: Tensor
    algorithm: str
    grads: dict[Tensor, Any]
    start: Any
    order: list[Tensor]
    known: Mapping[int, str]
    names: dict[Tensor, str]

    model: Any = None
    """The model whose modules are folded on the page; in `prefix` what it is called."""
    prefix = ""
    captions: Captions = Captions()
    """The sentences, in a language."""
    quiz = 0
    """The level at which the page's questions begin; 0 for a page that asks none."""

    def __init__(self, found: Pass, order: list[Tensor], known: Mapping[int, str], start: Any) -> None:
        self.output, self.algorithm, self.grads, self.start = (
            found.output,
            found.algorithm,
            found.grads,
            start,
        )
        self.order, self.known, self.names = order, known, _names(order, known)
        self.index: dict[Tensor, int] = {node: n for n, node in enumerate(order)}
        self.slots: dict[str, str] = {self.names[node]: f"{{(v{n})}}" for n, node in enumerate(order)}
        self.arrows: dict[tuple[Tensor, int], Arrow] = {}
        self.steps: list[Step] = []
        for node in order:
            if node.op is not None:
                self.steps.append(Step(self, len(self.steps), FORWARD, node))
        self.steps.append(Step(self, len(self.steps), START, found.output))
        used: set[tuple[Tensor, int]] = set()
        for came in found.contributions:
            again = (came.node, came.i) in used
            used.add((came.node, came.i))
            self.steps.append(Step(self, len(self.steps), BACKWARD, came.node, came, again))

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, i: Any) -> Any:
        return self.steps[i]

    @cached_property
    def _received(self) -> dict[Tensor, list[Step]]:
        found: dict[Tensor, list[Step]] = {}
        for step in self.steps:
            if step.input is not None:
                found.setdefault(step.input, []).append(step)
        return found

    def computed(self, node: Tensor) -> str:
        """Return what a node was computed from, by the names of the trace: `a + b`."""
        if node.op is None:
            return ""
        args = tuple(
            name(self.names[x]) if isinstance(x, Tensor) else input_term(x, self.known, True)
            for x in node.inputs
        )
        return op_term(node.op, args, node.attrs, node.values, node._value, True).text

    def arrow(self, node: Tensor, i: int) -> Arrow:
        """Return what a node sends to its input `i`, as numbers and by the names of the trace."""
        if (node, i) not in self.arrows:
            self.arrows[node, i] = Arrow(node, i, self._label)
        return self.arrows[node, i]

    def _label(self, x: Any) -> str:
        if isinstance(x, Tensor):
            return self.names[x]
        return self.known.get(id(x), "") if np.ndim(x) else ""

    def received(self, node: Tensor) -> list[Step]:
        """Return the steps in which a node received something, in order."""
        return self._received.get(node, [])

    def hooked(self, node: Tensor) -> Any:
        """Return what a node's gradient was before its hooks made another of it; None where none did."""
        steps = self.received(node)
        before = steps[-1].total if steps else self.start if node is self.output else None
        changed = before is not None and not np.array_equal(before, self.grads[node], equal_nan=True)
        return before if changed and id(node) in held else None

    @property
    def has_hooks(self) -> bool:
        """Whether a hook stands on one of the nodes, which may make another gradient of what arrives."""
        return any(id(node) in held for node in self.order)

    def to_text(
        self, *, colour: bool = False, ascii: bool = False, digits: int = 6, width: int | None = None
    ) -> str:
        """Return all steps as text: the graph with its values, every arrow with its numbers, the sums. A line
        of more than `width` columns goes on below."""
        from clearprop.see.step.text import text

        return text(self, colour=colour, ascii=ascii, digits=digits, width=width)

    def to_svg(self, step: int | Step | None = None, *, prefix: str = "cp") -> str:
        """Return the drawing as it is after a step, what takes part in it lit; or finished, where none is
        named. Every id in it begins with `prefix`."""
        from clearprop.see.step.page import picture

        return picture(self, self.steps[step] if isinstance(step, int) else step, prefix)

    def to_html(self, title: str = "") -> str:
        """Return one HTML page that steps through the pass, needs no network and no library; the inputs of a
        graph of numbers can be changed in it, and a wrong algorithm stands beside the right one."""
        from clearprop.see.step.page import page

        return page(self, title)

    def to_choice(self, title: str = "") -> str:
        """Return one HTML page on which the reader chooses the order of the backward pass, node by node: it
        says what is missing where a node may not come yet, and how many orders are still possible."""
        from clearprop.see.step.choosing import choosing

        return choosing(self, title)

    def to_gif(self, scale: float = 2.0) -> bytes:
        """Return the steps as a moving picture, each with its sentence (needs `clearprop[png]`)."""
        from clearprop.see.step.movie import gif

        return gif(self, scale)

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> Path:
        """Write the steps to a file whose ending says how: .html, .gif, .svg (the finished drawing) or .txt.

        The file appears complete or not at all. Returns its path; raises InputError, without `overwrite`,
        where there is a file that clearprop did not write.
        """
        path = Path(path)
        made: dict[str, Callable[[], str | bytes]]
        made = {".html": self.to_html, ".gif": self.to_gif, ".svg": self.to_svg, ".txt": self.to_text}
        kind = path.suffix.lower()
        if kind not in made:
            got, hint = kind or "no ending", f"save({str(path.with_suffix('.html'))!r})"
            raise ValueError(lesson(f"save({str(path)!r})", "writes .html .gif .svg .txt", got, hint=hint))
        content = made[kind]()
        write(path, content.encode() if isinstance(content, str) else content, overwrite)
        return path

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own."""
        instead = f"{self!r}: its page is too large for a notebook; save('steps.html') writes it to a file."
        language = self.captions.language
        return framed(self.to_html(), DRAWING[language]["steps"], 640, instead, language)

    def __repr__(self) -> str:
        return f"<Trace of {self.names[self.output]}, {self.algorithm}: {len(self)} steps>"

    def __str__(self) -> str:
        return self.to_text()


def trace(
    output: Tensor,
    grad: Any = None,
    *,
    algorithm: str = "topological",
    names: Mapping[Any, Any] | None = None,
    model: Any = None,
    captions: Mapping[Any, str] | None = None,
    language: str = "en",
    quiz: int = 0,
) -> Trace:
    """Return the forward and backward pass that gives `output` and its gradients, step by step.

    Nothing is computed twice: the values are those the nodes hold, and the gradients are watched while
    `backward()`'s own loop makes them; every `.grad` is left alone. `grad` is what arrives at the output, 1
    unless told. `algorithm` may be `tree` or `recursive`, the lecture's two that go wrong.
    The sentences are English, or German with `language="de"`; `captions` has some of your own, by the keys of
    `clearprop.see.step.captions.ENGLISH`, and by the number of a step (`{9: "The second part."}`) what is
    said there first. With `quiz` the page asks for numbers that it hides, from level 1 (values) over 2 (one
    arrow) to 3 (whole gradients).
    Names come from `names` (`{"w": tensor}`), the paths of a `model`'s parameters, the Tensors themselves and
    the caller's variables.

    >>> from clearprop import Tensor
    >>> x = Tensor(3.0, name="x")
    >>> print(trace(x * x)[-1].formula)
    dc/dx = x
    """
    must_be_a_tensor("trace", output)
    if algorithm not in ALGORITHMS:
        raise ValueError(lesson("trace(t)", f"algorithm is one of {', '.join(ALGORITHMS)}", repr(algorithm)))
    if grad is not None and algorithm != "topological":
        wanted = "starts the topological pass alone with a gradient of one's own"
        raise ValueError(lesson("trace(t, grad)", wanted, f"algorithm={algorithm!r}"))
    if quiz not in (0, *LEVELS):
        raise ValueError(lesson("trace(t)", "quiz is a level, 1 to 3, or 0 for none", repr(quiz)))
    told = captions_of(language, captions)
    frame = callers_frame()
    known = find(names, model, frame)
    known |= alike(topological_order(output), known, frame, language)
    made = _traced(output, grad, algorithm, known)
    if model is None and len(made.order) > COMFORTABLE:
        model = model_of(made.order, frame)
    beyond = [n for n in told.steps if not 1 <= n <= len(made)]
    if beyond:
        raise InputError(lesson("captions", f"number steps from 1 to {len(made)}", str(beyond[0])))
    made.captions, made.quiz = told, quiz
    made.model, made.prefix = model, model_name(model, frame) if model is not None else ""
    return made


def _traced(output: Tensor, grad: Any, algorithm: str, known: Mapping[int, str], **limit: int) -> Trace:
    start = seed_of(output, grad)
    if algorithm == "topological":
        found = topological(output, start)
    else:
        found = ALGORITHMS[algorithm](output, **limit)
        start = found.grads[output]
    return Trace(found, topological_order(output), known, start)


def compared(shown: Trace, most: int) -> list[Trace]:
    """Return the same graph traced by each algorithm that can walk it in so many steps."""
    found = []
    for algorithm in ALGORITHMS:
        if algorithm == shown.algorithm:
            found.append(shown)
            continue
        try:
            other = _traced(shown.output, None, algorithm, shown.known, most_visits=most)
        except GradientError:
            continue
        other.arrows, other.captions = shown.arrows, replace(shown.captions, steps={})
        found.append(other)
    return found


def _names(order: list[Tensor], known: Mapping[int, str]) -> dict[Tensor, str]:
    """Return a name for every node: one that is known, its own, or a letter that is free; every name once.

    Where a name has in braces what the sentences use as a slot, as `W_{g}`, it loses the braces.
    """
    names: dict[Tensor, str] = {}
    given = {node: without_slots(known.get(id(node)) or node.name or "") for node in order}
    fresh = fresh_names({*filter(None, given.values()), *known.values()})
    used: set[str] = set()
    for node in order:
        own = given[node]
        label = own if own and own not in used else next(fresh)
        used.add(label)
        names[node] = label
    return names
