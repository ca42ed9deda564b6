"""The handout: every graph with its values and blanks for its gradients, questions, at the end answers."""

from __future__ import annotations

from html import escape
from typing import Any

from clearprop.lessons.graphs import SOURCES
from clearprop.lessons.page import framed, steps_of
from clearprop.lessons.texts import ORDER, Teaching, inline
from clearprop.see.numbers import written
from clearprop.see.step.quiz import LEVELS, questions
from clearprop.see.step.steps import START, Trace

_EACH = 2  # questions of each level


def handout(said: Teaching) -> str:
    """Return the handout as one page to print."""
    words = said.words
    blank = '<span class="blank">&nbsp;</span>'
    body = [f"<h1>{escape(words['course'])}</h1><p>{words['name']}: {blank}</p>"]
    solved = []
    for name in ORDER:
        body.append(f"<section><h2>{escape(said.title(name))}</h2><p>{inline(said.text(name)[0])}</p>")
        if name in SOURCES:
            asked = _asked(name, said)
            body.append(_drawing(name, said))
            body.append("<ol>" + "".join(f"<li>{escape(asks)} {blank}</li>" for asks, _ in asked) + "</ol>")
            answers = "; ".join(escape(answer) for _, answer in asked)
            solved.append(f"<li><b>{escape(said.title(name))}</b>: {answers}</li>")
        body.append(f"<p><b>{words['exercise']}.</b> {inline(said.lessons[name]['exercise'])}</p></section>")
    body.append(f"<section><h2>{words['answers']}</h2><ol>{''.join(solved)}</ol></section>")
    return framed(words["handout"], said, f'<div class="handout">{"".join(body)}</div>')


def _drawing(name: str, said: Teaching) -> str:
    steps = steps_of(name, said)
    start = next(step for step in steps if step.kind == START)
    return steps.to_svg(start, prefix=name)


def _asked(name: str, said: Teaching) -> list[tuple[str, str]]:
    """Some questions of each level with their answers, of the right pass."""
    steps = steps_of(name, said)
    found = []
    for level in LEVELS[1:]:
        of_level = [question for question in questions(steps) if question["level"] == level]
        found += [(_filled(steps, asked), _answer(steps, asked["answer"])) for asked in of_level[-_EACH:]]
    return found


def _filled(steps: Trace, question: dict[str, Any]) -> str:
    asks = str(question["asks"])
    return steps[question["step"]].fill(asks) if question["level"] == 2 else asks


def _answer(steps: Trace, answer: Any) -> str:
    if isinstance(answer, float):
        return written(answer)
    return written(getattr(steps[answer[1]], answer[0]))
