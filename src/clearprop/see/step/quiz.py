"""Questions about a trace: a number that the page hides, asked for, and explained by that step's own chain.

Three levels: the value of a node, what is sent along one arrow, and a node's whole gradient. Of arrays the
entry of the largest magnitude is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.see.numbers import is_number
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.see.step.steps import Step, Trace

LEVELS = (1, 2, 3)
_LEAST_KNOWN = 1e-300  # magnitudes below which three digits say nothing


def questions(trace: Trace) -> list[dict[str, Any]]:
    """Return the questions about a trace, as its page reads them.

    Each has its `level`, the number of `step`s that are shown while it is asked, what it `asks`, the `answer`
    (a number, or where the page finds it) and the steps that `explain` it.

    >>> from clearprop import Tensor, trace
    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> [(q["level"], q["asks"]) for q in questions(trace(a * b))][:2]
    [(1, 'What is the value of c?'), (2, 'c has the gradient {g}. What does it send to a?')]
    """
    return [*_values(trace), *_sent(trace), *_gradients(trace)]


def _values(trace: Trace) -> Iterator[dict[str, Any]]:
    for step in trace:
        if step.kind == "forward":
            value = step.node._value
            answer = ["value", trace.index[step.node]] if is_number(value) else None
            yield from _question(1, step, trace, "quiz value", step.node, value, answer, [step])


def _sent(trace: Trace) -> Iterator[dict[str, Any]]:
    for step in trace:
        if step.input is not None:
            numbers = is_number(step.amount) and is_number(step.g)
            answer = ["amount", step.number] if numbers else None
            key = "quiz sent" if numbers else "quiz sent by arrays"
            yield from _question(2, step, trace, key, step.input, step.amount, answer, [step])


def _gradients(trace: Trace) -> Iterator[dict[str, Any]]:
    start = next(step for step in trace if step.kind == "start")
    for node in trace.order:
        received = trace.received(node)
        if received and node is not trace.output and trace.hooked(node) is None:
            total = received[-1].total
            answer = ["total", received[-1].number] if is_number(total) else None
            yield from _question(3, start, trace, "quiz gradient", node, total, answer, received)


def _question(
    level: int,
    step: Step,
    trace: Trace,
    key: str,
    node: Tensor,
    value: Any,
    answer: list[Any] | None,
    explain: list[Step],
) -> Iterator[dict[str, Any]]:
    """Ask for a number, or for the largest entry of an array; nothing is asked of what is not finite."""
    place = ""
    found: Any = answer
    if answer is None:
        array = np.asarray(value)
        if array.dtype.kind != "f" or not array.size or not np.all(np.isfinite(array)):
            return
        at = np.unravel_index(int(np.argmax(np.abs(array))), array.shape)
        place = f"[{', '.join(map(str, at))}]" if array.ndim else ""
        found = float(array[at])
    elif np.iscomplexobj(value) or not np.isfinite(value) or 0 < abs(value) < _LEAST_KNOWN:
        return
    name = trace.names[node] + place
    yield {
        "level": level,
        "step": step.number + (level == 3),
        "asks": trace.captions.say(key, x=name, z=trace.names[step.node]),
        "answer": found,
        "explain": [known.number for known in explain],
    }


def form(trace: Trace, level: int) -> str:
    """Return the part of a page in which the questions are asked."""
    say = trace.captions.as_html.say
    levels = "".join(
        f'<option value="{n}"{" selected" if n == level else ""}>{say(f"quiz level {n}")}</option>'
        for n in LEVELS
    )
    return (
        f'<section class="card quiz" id="quiz" aria-label="{say("quiz")}"><h2>{say("quiz")}</h2>'
        f'<p class="bar"><label>{say("quiz level")} <select id="quiz-level">{levels}</select></label>'
        f'<span class="count" id="quiz-score"></span></p>'
        f'<form id="quiz-form"><p id="quiz-asks"></p><p class="bar">'
        f'<input type="number" step="any" id="quiz-answer" aria-labelledby="quiz-asks" autocomplete="off">'
        f'<button type="submit">{say("quiz check")}</button>'
        f'<button type="button" id="quiz-show">{say("quiz show")}</button>'
        f'<button type="button" id="quiz-next">{say("quiz next")}</button>'
        f'<button type="button" id="quiz-other">{say("quiz other")}</button></p></form>'
        '<p id="quiz-said" class="verdict" role="status"></p><ol class="chain numbers" id="quiz-chain"></ol>'
        "</section>"
    )
