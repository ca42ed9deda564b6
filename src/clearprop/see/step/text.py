"""A trace as text: the graph with its values, every arrow with its numbers, the gradients at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from clearprop.see.columns import columns, padded
from clearprop.see.drawing.boxes import title_of
from clearprop.see.numbers import differs, operand, written
from clearprop.see.step.arrow import is_mirrored
from clearprop.see.step.steps import BACKWARD, Step, Trace
from clearprop.tensor import Tensor
from clearprop.typed.lecture import topological

_BLUE, _RED, _YELLOW = "\x1b[34m", "\x1b[31m", "\x1b[33m"
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
TIMES = "\N{MULTIPLICATION SIGN}"
_ASCII = {"─▶": "->", TIMES: "*", "│": "|", "…": ".."}


def text(
    trace: Trace, *, colour: bool = False, ascii: bool = False, digits: int = 6, width: int | None = None
) -> str:
    """Return a trace as text, in columns; see `Trace.to_text`."""
    writer = _TraceWriter(trace, colour, digits)
    lines = [line.rstrip() for line in (*writer.graph(), "", *writer.passes(), "", *writer.gradients())]
    if width is not None and any(columns(line) > width for line in lines):
        lines = [part for line in lines for part in _narrow(line, width)]
    result = "\n".join(lines) + "\n"
    for sign, plain in _ASCII.items() if ascii else ():
        result = result.replace(sign, plain)
    return result


def _narrow(line: str, width: int) -> list[str]:
    """Break a line where it has columns, else between words, and go on below it, further in."""
    if columns(line) <= width:
        return [line]
    start = " " * (len(line) - len(line.lstrip()))
    further = start + "    "
    lines = [start]
    for cell in re.split(" {2,}", line.strip()):
        words = [cell] if columns(further + cell) <= width else cell.split(" ")
        for i, word in enumerate(words):
            gap = "" if not lines[-1].strip() else " " if i else "  "
            if gap and columns(lines[-1] + gap + word) > width:
                lines.append(further)
                gap = ""
            lines[-1] += gap + word
    return lines


class _TraceWriter:
    """Writes the parts of a trace, each as lines."""

    def __init__(self, trace: Trace, colour: bool, digits: int) -> None:
        self.trace, self.colour, self.digits = trace, colour, digits
        self.say = trace.captions.say

    def paint(self, words: str, code: str) -> str:
        return f"{code}{words}{_PLAIN}" if self.colour and words else words

    def hue(self, node: Tensor) -> str:
        """The slides' colours: inputs blue, what is computed red, the output yellow."""
        return _YELLOW if node is self.trace.output else _BLUE if node.op is None else _RED

    def show(self, value: Any) -> str:
        return written(value, self.digits)

    # --- the graph with its values
    def graph(self) -> list[str]:
        rows = []
        for node in self.trace.order:
            title = f"{title_of(node)} {self.trace.names[node]}".strip()
            waits = "│ grad=?" if node.requires_grad else "│"
            kind = "text input" if node.requires_grad else "text data"
            made = f"= {self.trace.computed(node)}" if node.op else self.say(kind)
            rows.append((title, f"│ value={self.show(node._value)}", waits, made))
        lines = _columns(rows)
        heads = [self.paint(line, self.hue(node)) for node, line in zip(self.trace.order, lines, strict=True)]
        return [self.paint(self.say("text forward"), _BOLD), *("  " + line for line in heads)]

    # --- every arrow
    def passes(self) -> list[str]:
        trace = self.trace
        start = f"  {trace.names[trace.output]}.grad = {self.show(trace.start)}"
        head = self.paint(self.say("text backward"), _BOLD) + self.say(f"text {trace.algorithm}")
        lines = [head, start]
        steps = [step for step in trace if step.kind == BACKWARD]
        rows = _columns([self.row(n, step) for n, step in enumerate(steps, 1)])
        before: Tensor | None = None
        for step, row in zip(steps, rows, strict=True):
            if step.node is not before:
                lines.append("  " + self.paint(self.turn(step), _DIM))
                before = step.node
            lines.append(f"    {row}")
        for leaf in (node for node in self.trace.order if node.op is None):
            if (sum_of_all := self.trace.hooked(leaf)) is not None:
                made = self.hooked(self.trace.grads[leaf], sum_of_all)
                lines.append(f"  {self.trace.names[leaf]}.grad = {made}")
        return lines

    def turn(self, step: Step) -> str:
        """Say what the node whose turn it is does, and why now."""
        name, made = self.trace.names[step.node], self.trace.computed(step.node)
        waits = self.trace.algorithm == "topological"
        before = self.trace.hooked(step.node) if waits else None
        has = self.show(step.g) if before is None else self.hooked(step.g, before)
        key = "text whole" if waits else "text again" if step.again else "text early"
        return self.say(key, z=name, made=made, g=has)

    def hooked(self, now: Any, before: Any) -> str:
        """Say that a hook made one gradient of another."""
        return self.say("text hooked", total=self.show(now), before=self.show(before))

    def row(self, n: int, step: Step) -> tuple[str, ...]:
        names = self.trace.names
        assert step.sent is not None
        x = names[step.sent.input]
        arrow = f"{names[step.node]} ─▶ {x}"
        return (f"{n:>2}", arrow, *self.rule(step), f"{x}.grad = {self.sum(step)}")

    def rule(self, step: Step) -> tuple[str, str]:
        """The local derivative and the product with it; or the rule that is no product."""
        if step.local is None:
            return step.formula, ""
        z, x = self.trace.names[step.node], self.trace.names[step.input]  # type: ignore[index]
        if np.ndim(step.g) or np.ndim(step.amount) or np.ndim(step.local):
            fewer = np.shape(step.amount) != np.shape(step.g)
            summed = f", {self.say('text summed', shape=np.shape(step.amount))}" if fewer else ""
            return step.formula, f"{z}.grad {TIMES} d{z}/d{x}{summed}"
        local = self.show(step.local)
        formula = step.formula if step.formula.endswith(f"= {local}") else f"{step.formula} = {local}"
        factor = f"conj({local})" if is_mirrored(step.local) else operand(written(step.local, self.digits))
        product = f"{operand(written(step.g, self.digits))} {TIMES} {factor}"
        return formula, f"{product} = {self.show(step.amount)}"

    def sum(self, step: Step) -> str:
        total = self.paint(self.show(step.total), _BOLD)
        if step.before is None:
            return total
        if step.replaced:
            return self.say("text replaces", total=total, before=self.show(step.before))
        return f"{self.show(step.before)} + {operand(written(step.amount, self.digits))} = {total}"

    # --- the end
    def gradients(self) -> list[str]:
        trace = self.trace
        nodes = [node for node in trace.order if node in trace.grads]
        if trace.algorithm == "topological":
            lines = [f"{trace.names[node]}.grad = {self.terms(node)}" for node in nodes]
            painted = [self.paint(line, self.hue(node)) for node, line in zip(nodes, lines, strict=True)]
            return [self.paint(self.say("text gradients"), _BOLD), *("  " + line for line in painted)]
        right = topological(trace.output).grads
        wrong = [node for node in nodes if differs(trace.grads[node], right[node])]
        rows: list[tuple[str, ...]] = [("", trace.algorithm, "topological", "")]
        for node in nodes:
            found, true = self.show(trace.grads[node]), self.show(right[node])
            said = self.say("text wrong" if node in wrong else "text right")
            rows.append((f"{trace.names[node]}.grad", found, true, said))
        lines = _columns(rows)
        ends = self.say("text wrong")
        painted = [self.paint(line, _BOLD if line.endswith(ends) else "") for line in lines]
        head = self.paint(self.say("text gradients"), _BOLD)
        return [head, *("  " + line for line in painted), "", self.verdict(wrong)]

    def terms(self, node: Tensor) -> str:
        """A gradient as the sum of what arrived, where that is short enough to be read."""
        received = self.trace.received(node)
        total = self.show(self.trace.grads[node])
        if (before := self.trace.hooked(node)) is not None:
            return self.hooked(self.trace.grads[node], before)
        if not 1 < len(received) < 5 or any(np.size(step.amount) > 1 for step in received):
            return total
        return " + ".join(operand(written(step.amount, self.digits)) for step in received) + f" = {total}"

    def verdict(self, wrong: list[Tensor]) -> str:
        trace = self.trace
        if not wrong:
            twice = any(step.before is not None for step in trace)
            return self.say("text all right" if twice else "text all right, a tree")
        names = self.listed(wrong)
        if trace.algorithm == "tree":
            culprits = self.listed(step.input for step in trace if step.replaced)
            return self.say("text replaced", nodes=names, culprits=culprits)
        culprits = self.listed(step.node for step in trace if step.again)
        return self.say("text twice", nodes=names, culprits=culprits)

    def listed(self, nodes: Iterable[Tensor | None]) -> str:
        names = (self.trace.names[node] for node in nodes if node is not None)
        return self.trace.captions.listed([*dict.fromkeys(names)])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align cells in columns; the last of a row may hold colours, which have no width on a screen."""
    if not rows:
        return []
    widths = [max(columns(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    aligned = [[padded(cell, width) for cell, width in zip(row[:-1], widths, strict=True)] for row in rows]
    return ["  ".join([*cells, row[-1]]) for cells, row in zip(aligned, rows, strict=True)]
