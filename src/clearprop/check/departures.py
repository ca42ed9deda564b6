"""Tensors that became Python numbers, and the gradients that are lost because of it.

`float(t)`, `int(t)`, `t.item()` and `math.sin(t)` leave the graph. That is meant where the number is printed,
so a gradient counts as lost by this rule alone: when `backward()` finishes, the number was taken before the
last node of the output's graph was computed, outside of `no_grad()`, from a Tensor that no finished backward
pass has reached, and nothing leads from any of that Tensor's leaves to the output. While that Tensor is still
there its own backward pass may come later: then nothing was lost, and else it is told at the end.
"""

from __future__ import annotations

import linecache
import weakref
from collections import Counter
from dataclasses import dataclass

from clearprop.errors import lesson, user_line
from clearprop.graph import topological_order
from clearprop.modes import marks, mode
from clearprop.op import describe
from clearprop.tensor import Tensor

NUMBERS = ("float(t)", "int(t)", "index(t)", "complex(t)", "math.trunc(t)", "item()", "tolist()")
_TIMES = 20  # that one line is recorded before a backward pass: each looks for the leaves


@dataclass(frozen=True, eq=False, repr=False)
class Departure:
    """One Tensor that became a Python value: how it was asked for, on which line, and of which leaves."""

    asked: str
    tensor: str
    line: str
    serial: int  # of the newest node at that moment
    leaves: frozenset[Tensor]
    source: weakref.ref[Tensor]

    @property
    def text(self) -> str:
        """What happened as a small lesson."""
        wanted = f"a gradient is lost: {self.asked} left the graph, and nothing else leads from there to it"
        hint = "NumPy's functions on the Tensor itself (np.sin for math.sin), or t.detach() if it is meant"
        return lesson("backward()", wanted, self.tensor, source_of(self.line), hint)

    def __repr__(self) -> str:
        return self.text


def source_of(line: str) -> str:
    """Return `At file:line: source` of a `file:line`, '' of none."""
    file, _, number = line.rpartition(":")
    source = linecache.getline(file, int(number)).strip() if number else ""
    return f"At {line}{': ' + source if source else ''}." if line else ""


class Departures:
    """What left the graph since the last backward pass."""

    def __init__(self) -> None:
        self.seen: list[Departure] = []
        self.waiting: dict[str, Departure] = {}  # by line: of Tensors whose backward pass may be yet to come
        self._times: Counter[str] = Counter()

    def left(self, tensor: Tensor, asked: str, serial: int) -> None:
        """Record that `tensor` became a Python value; `serial` is that of the newest node."""
        passed = tensor.op is not None and tensor.grad is not None
        if not tensor.requires_grad or not mode.grad_enabled or passed:
            return
        if any(output() is tensor for output in marks.latest):
            return
        line = user_line()
        self._times[line] += 1
        if self._times[line] <= _TIMES:
            leaves = frozenset(x for x in topological_order(tensor, tracked=True) if x.op is None)
            self.seen.append(Departure(asked, describe(tensor), line, serial, leaves, weakref.ref(tensor)))

    def lost(self, output: Tensor, order: list[Tensor]) -> list[Departure]:
        """Return the numbers whose gradients the backward pass of `output` has lost, and begin anew."""
        reached = set(order)
        held = [d for d in self.waiting.values() if d.source() not in reached]
        held += [
            d for d in self.seen if d.asked in NUMBERS and d.serial < output.serial and not d.leaves & reached
        ]
        self.waiting = {d.line: d for d in held if d.source() is not None}
        self.seen = []
        self._times.clear()
        return list({d.line: d for d in held if d.source() is None}.values())

    def rest(self) -> list[Departure]:
        """Return those of Tensors that no backward pass has reached to the end."""
        found, self.waiting = list(self.waiting.values()), {}
        return found

    def line_for(self, leaf: Tensor) -> str:
        """Return `float(t) at file:line` of the first departure that `leaf` led to, '' without one."""
        return next((f"{d.asked} at {d.line}" for d in self.seen if leaf in d.leaves), "")
