"""`watch()`: find the first NaN or infinity, forward or backward, and say where it came from."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from clearprop.backward import walk
from clearprop.check.departures import Departure, Departures
from clearprop.check.edits import Edit, checksums, edited, is_read, reads_values
from clearprop.check.entries import Operand, first_bad, forward_operands, kind_of, pick, summary
from clearprop.check.kinks import decided_as_zero
from clearprop.check.route import Route, route_to
from clearprop.errors import GradientError, lesson, user_line
from clearprop.hints import takes_truths
from clearprop.modes import Observer, mode, observed
from clearprop.see.algebra.labels import call_of, label_of
from clearprop.see.names import callers_frame, find
from clearprop.tensor import Tensor, raw


class NonFiniteError(GradientError):
    """A NaN or an infinity was found; `report` says where."""

    def __init__(self, report: NonFinite) -> None:
        super().__init__(report.text)
        self.report = report


@dataclass(frozen=True, eq=False, repr=False)
class NonFinite:
    """One place where a number stopped being finite.

    `phase` is `input`, `forward` or `backward`, `kind` is `nan`, `inf` or `-inf`. `index` is the first bad
    entry of the result (backward: of the gradient sent to input `i` of `node`), `count`
    of `size` entries are bad. `operands` are the numbers it was made of; `line` is the user's `file:line`.
    `route` leads from the node to the output, where that is known.

    >>> from clearprop import Tensor, watch
    >>> with watch(collect=True) as seen:
    ...     z = np.log(Tensor([-1.0, 1.0]))
    ...     z.sum().backward()
    >>> seen.reports[0].kind, seen.reports[0].index, seen.reports[0].count
    ('nan', (0,), 1)
    """

    phase: str
    kind: str
    node: Tensor
    i: int | None
    index: tuple[int, ...]
    count: int
    size: int
    call: str
    target: str
    operands: tuple[Operand, ...]
    line: str
    route: Route | None

    @property
    def discarded(self) -> bool:
        """Whether the entry lies in a branch that a `where` discards on its way to the output."""
        return self.route is not None and bool(self.route.discarded_by)

    @property
    def path(self) -> tuple[str, ...]:
        """The calls from the node to the output, as text; empty where no output is known yet."""
        return self.route.calls if self.route is not None else ()

    @property
    def text(self) -> str:
        """The report as a small lesson."""
        at = f" at {list(self.index)}" if self.index else ""
        if self.phase == "input":
            found = f"holds {self.kind}{at} before anything is computed"
        elif self.phase == "forward":
            found = f"computed {self.kind}{at}"
        else:
            found = f"sent {self.kind}{at} back to {self.target}"
        many = f"{self.count} of {self.size} entries {'is' if self.count == 1 else 'are'} not finite"
        hint = self._hint()
        called = self.target if self.phase == "input" else self.call
        return lesson(called, found, many if self.index else "", "\n  ".join(self._where()), hint)

    def _where(self) -> list[str]:
        lines = []
        if self.operands:
            lines.append(f"Made of {', '.join(o.text for o in self.operands)}.")
        if self.line:
            file, _, number = self.line.rpartition(":")
            source = linecache.getline(file, int(number)).strip()
            lines.append(f"At {self.line}{': ' + source if source else ''}")
        if self.route is not None and self.route.calls:
            lines.append(f"On its way to the output: {' -> '.join(self.route.calls)}.")
        if self.discarded and self.route is not None:
            lines.append(f"The entry lies in a branch that {self.route.discarded_by} discards.")
        return lines

    def _hint(self) -> str:
        if self.phase == "input":
            return "data without NaN and inf: drop or fill those rows before the model sees them"
        if self.discarded:
            return "np.where on the input of the op as well, so that the branch not taken stays finite"
        return self.node.op.facts.advice if self.node.op else ""

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


@takes_truths
def watch(*, collect: bool = False, inf: bool = True, limit: int = 100) -> Watch:
    """Return a block in which any NaN or infinity, forward or backward, raises a NonFiniteError.

    The report names the first bad entry, the numbers it was made of, the op, your line, the way to the output
    and whether a `where` discards that entry. With `collect=True` nothing is raised: the reports (at most
    `limit`) are in `.reports` after the block, each with its way to the output, which is not yet known at the
    moment a forward op fails. `inf=False` looks for NaN only. What was infinite before, such as the -inf of a
    mask, is not reported again; a compiled step runs eagerly inside the block. Outside of it, it costs
    nothing.

    A backward pass also raises where its gradient would be wrong or lost without a word: an array that was
    edited after the graph used it (`.edits`), and a Tensor that became a Python number on its way to the
    output (`.lost`; `clearprop.check.departures` states the rule).

    >>> x = Tensor([1.0, 0.0], name="x")
    >>> with watch(collect=True) as seen:
    ...     np.log(x).sum().backward()
    >>> print(seen.reports[0])
    log(x): computed -inf at [1]: 1 of 2 entries is not finite.
      Made of x[1] = 0.
      At <doctest ...>:2: np.log(x).sum().backward()
      On its way to the output: log(x) -> sum(log(...)).
      Try np.log(np.maximum(x, 1e-12)), or log_softmax where the logarithm is of a softmax.
    """
    return Watch(collect=collect, inf=inf, limit=limit)


def _inside_a_rule() -> bool:
    """Whether a backward pass that makes a graph is running: what its rules send is looked at, not how."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not walk.__code__:
        frame = frame.f_back
    return frame is not None


class Watch(Observer):
    """The block that `watch()` returns; an observer of every op and every gradient sent.

    `decided` counts the entries where a gradient of exactly 0 met an infinite slope and 0 was sent: `kinks`
    lists them. With `collect=True`, `edits` are the arrays that were edited between their use and the
    backward pass, `lost` the Tensors that became Python numbers on the way; `departures` holds what left the
    graph since the last backward pass, lost or not.

    >>> from clearprop import Tensor
    >>> with watch(collect=True) as seen:
    ...     z = np.log(Tensor([0.0, 1.0]))
    >>> len(seen.reports)
    1
    """

    collect: bool
    inf: bool
    limit: int

    follows = unrolls = True

    def __init__(self, *, collect: bool = False, inf: bool = True, limit: int = 100) -> None:
        self.collect, self.inf, self.limit = collect, inf, limit
        self.reports: list[NonFinite] = []
        self.edits: list[Edit] = []
        self.lost: list[Departure] = []
        self.departures: Departures = Departures()
        self.decided: int = 0
        self._blocks = ExitStack()
        self._clear()

    def _clear(self) -> None:
        self._lines: dict[int, str] = {}  # by serial: the user's line of every node
        self._checksums: dict[int, tuple[int, ...]] = {}  # by serial: of the arrays that it shares
        self._waiting: list[dict[str, Any]] = []  # forward reports that still want their route
        self._told: set[int] = set()  # inputs that were reported
        self._sums: dict[Tensor, list[Any]] = {}  # of the current backward pass: what each node was sent
        self._output: Tensor | None = None  # of the current backward pass
        self._last: Tensor | None = None

    def __enter__(self) -> Watch:
        if mode.observer is not None:
            raise GradientError(
                lesson(
                    "watch()",
                    "cannot look on while a step is recorded or watched already",
                    hint="the watch around the call of the compiled step, where it runs eagerly",
                )
            )
        self._blocks.enter_context(np.errstate(all="ignore"))  # the report says more than NumPy's warning
        self._blocks.enter_context(observed(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.close()
        self._settle(self._last)
        self._clear()
        if error is None:
            self._tell(self.departures.rest())

    # --- the observer's part --------------------------------------------------------------------------------
    def line_of(self, node: Tensor) -> str:
        """Return the user's line on which a node was computed."""
        return self._lines.get(node.serial, "")

    def saw(self, node: Tensor) -> None:
        """Look at what an op computed."""
        line = self._lines[node.serial] = user_line()
        self._last = node
        if node.requires_grad and (sums := checksums(node)):
            self._checksums[node.serial] = sums
        bad = first_bad(node._value, self.inf)
        if bad is None or _inside_a_rule():
            return
        self._inputs(node, line)
        if not any(kind_of(v, self.inf, bad.kind) for v in node.values):
            operands = forward_operands(node, bad.index, self._names())
            self._found("forward", node, None, bad, operands, line)

    def _inputs(self, node: Tensor, line: str) -> None:
        """Report data and parameters that came in with a NaN or an infinity, each once."""
        for i, (x, value) in enumerate(zip(node.inputs, node.values, strict=True)):
            computed = isinstance(x, Tensor) and x.op is not None
            if computed or id(x) in self._told or not np.ndim(value):
                continue
            bad = first_bad(value, self.inf)
            if bad is not None:
                self._told.add(id(x))
                self._found("input", node, i, bad, (), line)

    def sent(self, node: Tensor, i: int, d: Any) -> None:
        """Look at what a node sends back to its input `i`."""
        if self._output is None or node.serial > self._output.serial or not self._sums:
            self._begin(node)
        self._compare(node, i)
        if node in self._sums:
            arriving = sum(self._sums[node][1:], start=self._sums[node][0])
            self.decided += int(np.count_nonzero(decided_as_zero(node, i, arriving)))
        d = raw(d)
        self._sums.setdefault(node.inputs[i], []).append(d)
        bad = first_bad(d, self.inf)
        if bad is None or node.op is None:
            return
        arrived = self._sums.get(node)
        g: Any = None
        if arrived is not None:
            g = arrived[0] if len(arrived) == 1 else sum(arrived[1:], start=arrived[0])
        if g is not None and kind_of(g, self.inf, bad.kind):
            return  # it came so from further up
        if any(kind_of(v, self.inf, bad.kind) for v in node.values):
            return  # the forward pass has been reported
        self._found("backward", node, i, bad, self._backward_operands(node, i, bad.index, g), "")

    def _begin(self, output: Tensor) -> None:
        """A backward pass begins: its output is known, and so is the route of all forward reports."""
        self._sums, self._output = {}, output
        self._settle(output)

    def _compare(self, node: Tensor, i: int) -> None:
        """Object if an array that the gradient was just computed from is not what the output was made of."""
        before = self._checksums.get(node.serial)
        if before is None or not reads_values(node, i):
            return
        line = self._lines.get(node.serial, "")
        found = edited(node, before, call_of(node, self._names()), line)
        if found is None or not is_read(node, i, self._arrived(node), found.array):
            return
        del self._checksums[node.serial]  # it is told once
        if not self.collect:
            raise GradientError(found.text)
        if len(self.edits) < self.limit:
            self.edits.append(found)

    def _arrived(self, node: Tensor) -> Any:
        """Return the gradient that has arrived at a node, 1 at the output."""
        sums = self._sums.get(node, [np.ones_like(node._value)])
        return sum(sums[1:], start=sums[0])

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Remember that a Tensor became a Python value."""
        self.departures.left(tensor, asked, self._last.serial if self._last is not None else 0)

    def finished(self, output: Tensor, order: list[Tensor]) -> None:
        """Object if a gradient was lost on its way to a leaf of this backward pass."""
        self._tell(self.departures.lost(output, order))

    def _tell(self, lost: list[Departure]) -> None:
        if lost and not self.collect:
            raise GradientError(lost[0].text)
        self.lost += lost[: self.limit - len(self.lost)]

    # --- reports --------------------------------------------------------------------------------------------
    def _names(self) -> Mapping[int, str]:
        return find(frame=callers_frame())

    def _backward_operands(self, node: Tensor, i: int, index: tuple[int, ...], g: Any) -> tuple[Operand, ...]:
        names = self._names()
        same = (
            node.op is not None and node.op.kind == "elementwise" and np.shape(g) == np.shape(node.values[i])
        )
        found = [] if g is None else [pick("g", g, index) if same else summary("g", g)]
        whole = [(label_of(x, names), v) for x, v in zip(node.inputs, node.values, strict=True)]
        return (*found, *(pick(label, v, index) if same else summary(label, v) for label, v in whole))

    def _found(self, phase: str, node: Tensor, i: int | None, bad: Any, operands: Any, line: str) -> None:
        if len(self.reports) + len(self._waiting) >= self.limit:
            return
        names = self._names()
        fields: dict[str, Any] = {
            "phase": phase,
            "node": node,
            "i": i,
            "kind": bad.kind,
            "index": bad.index,
            "count": bad.count,
            "size": bad.size,
            "call": call_of(node, names),
            "target": "" if i is None else label_of(node.inputs[i], names),
            "operands": operands,
            "line": line or self._lines.get(node.serial, ""),
        }
        if phase == "backward":
            fields["route"] = route_to(self._output, node, i, bad.index, names)
            self.reports.append(NonFinite(**fields))
        elif self.collect:
            self._waiting.append(fields | {"names": names})
            return
        else:
            self.reports.append(NonFinite(**fields, route=None))
        if not self.collect:
            raise NonFiniteError(self.reports[-1])

    def _settle(self, output: Tensor | None) -> None:
        """Give the waiting forward reports their route to the output."""
        for fields in self._waiting:
            names = fields.pop("names")
            route = None
            if output is not None and fields["node"].requires_grad:
                start = fields["index"] if fields["phase"] == "forward" else None
                route = route_to(output, fields["node"], None, start, names)
            self.reports.append(NonFinite(**fields, route=route))
        self._waiting = []
