"""What a step says: a sentence, the chain rule with the numbers in it, and the text of the box it changes.

They are written once (`captions.py`, a table per language), as templates with slots for numbers; Python
fills them in, and a page that recomputes the numbers fills them in again. A slot is `{g}`, `{local}`,
`{amount}`, `{before}` or `{total}` of the step, `{entry}` one entry of what it sends as a sum of products,
`{v3}` the value of node 3, `{s7}` the amount that step 7 sent; in `{(g)}` a negative number gets brackets.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearprop.see.algebra.notation import Term, name, number
from clearprop.see.algebra.symbols import op_term
from clearprop.see.drawing.boxes import title_of
from clearprop.see.drawing.operations import called
from clearprop.see.drawing.pictures import picture
from clearprop.see.numbers import operand, summary
from clearprop.see.step.arrow import is_mirrored
from clearprop.see.step.captions import SLOT
from clearprop.tensor import Tensor

TIMES = "\N{MULTIPLICATION SIGN}"
_NUMBERS = re.compile(r"\{\(?(g|local|amount|before|total|entry|[vs]\d+)\)?\}")
_MOST_TERMS = 3  # of a sum that is written out in a box


@dataclass(frozen=True)
class Told:
    """The templates of one step: a `sentence`, the `chain` of equations, and what its `box` shows."""

    sentence: str
    chain: tuple[str, ...]
    box: str


def fill(template: str, slots: Mapping[str, str] | Callable[[str], str | None]) -> str:
    """Return a template with its slots filled; what is no slot, as in the name `w_{1}`, stays.

    >>> fill("{(a)} + {(b)} = {sum}", {"a": "-1", "b": "2", "sum": "1"})
    '(-1) + 2 = 1'
    """
    look = slots if callable(slots) else slots.get

    def slot(found: re.Match[str]) -> str:
        shown = look(found[2])
        if shown is None:
            return found[0]
        return operand(shown) if found[1] else shown

    return SLOT.sub(slot, template)


def without_slots(label: str) -> str:
    """Return a name that no template takes for a number's slot.

    >>> without_slots("W_{g}"), without_slots("w_{1}")
    ('W_g', 'w_{1}')
    """
    return _NUMBERS.sub(r"\1", label)


def tell(step: Any) -> Told:
    """Return the templates of a step of a Trace."""
    if step.kind == "forward":
        return _forward(step)
    if step.kind == "start":
        z = step.trace.names[step.node]
        return Told(
            step.trace.captions.say("start", z=z),
            (f"{z}.grad = {{total}}",),
            _start_box(step),
        )
    sentence, chain = _sentence(step), _chain(step)
    if is_mirrored(step.local):
        sentence = sentence.replace("{(local)}", "conj({local})")
        chain = tuple(line.replace("{(local)}", "conj({local})") for line in chain)
    return Told(sentence, chain, _box(step))


# --- forward
def _forward(step: Any) -> Told:
    trace, node = step.trace, step.node
    z = trace.names[node]
    known = (trace.names[x] if isinstance(x, Tensor) else trace.known.get(id(x)) for x in node.inputs)
    inputs = list(dict.fromkeys(filter(None, known)))
    told = trace.captions
    sentence = told.say("forward", op=called(title_of(node), told.language), z=z, inputs=told.listed(inputs))
    value = f"{{v{trace.index[node]}}}"
    slots = tuple(_slot(x, trace) for x in node.inputs)
    if np.ndim(node._value) == 0 and all(np.ndim(x) == 0 for x in node.values):
        middle = op_term(_op(node), slots, node.attrs, node.values, node._value, False).text
        return Told(sentence, (f"{step.formula} = {middle} = {value}",), f"value={value}")
    box = _caption(node._value, "value") if np.ndim(node._value) else f"value={value}"
    return Told(sentence, (step.formula, f"{z} = {value}"), box)


def _op(node: Tensor) -> Any:
    return node.op


def _slot(x: Any, trace: Any) -> Term:
    return name(f"{{(v{trace.index[x]})}}") if isinstance(x, Tensor) else number(np.asarray(x)[()]) if (
        np.ndim(x) == 0
    ) else name("array")  # fmt: skip


# --- backward
def _sentence(step: Any) -> str:
    return " ".join(filter(None, (_turn(step), _passes(step), _arrives(step))))


def _turn(step: Any) -> str:
    """Why it is this node's turn."""
    if step.trace.algorithm == "topological":
        key = "whole" if step.trace.hooked(step.node) is None else "hooked"
    else:
        key = "again" if step.again else "early"
    return str(step.trace.captions.say(key, z=step.trace.names[step.node]))


def _passes(step: Any) -> str:
    """What the rule makes of it."""
    if step.local is None:
        key = "rule"
    elif np.ndim(step.g) or np.ndim(step.amount) or np.ndim(step.local):
        key = "arrays" if np.shape(step.amount) == np.shape(step.g) else "arrays summed"
    else:
        key = _how_far(step)
    names, told = step.trace.names, step.trace.captions
    op = called(_op(step.node).name.replace("_", " "), told.language)
    return str(told.say(key, op=op, z=names[step.node], x=names[step.input]))


def _how_far(step: Any) -> str:
    if step.rule is not None and step.rule.head == "number":
        return {1: "same way", -1: "other way"}.get(step.rule.value, "times")
    return "times"


def _arrives(step: Any) -> str:
    """What happens at the receiver."""
    if step.replaced:
        key = "replaces"
    elif step.before is not None:
        key = "sum"
    elif len(step.trace.received(step.input)) > 1:
        key = "first"
    else:
        return ""
    return str(step.trace.captions.say(key, x=step.trace.names[step.input]))


def _chain(step: Any) -> tuple[str, ...]:
    trace, node, x = step.trace, step.node, step.input
    here, there = trace.names[node], trace.names[x]
    plus = "=" if trace.algorithm == "tree" else "+="
    entry = () if step.entry is None else ("{entry}",)
    if step.local is None:
        return step.formula, *entry, _sum(step)
    if np.ndim(step.g) or np.ndim(step.amount) or np.ndim(step.local):
        return step.formula, f"{there}.grad {plus} {here}.grad {TIMES} d{here}/d{there}", *entry, _sum(step)
    product = (
        f"{there}.grad {plus} {here}.grad {TIMES} d{here}/d{there} = {{(g)}} {TIMES} {{(local)}} = {{amount}}"
    )
    return _local(step), product, _sum(step)


def _local(step: Any) -> str:
    """`dd/db = 3*b^2 = 3*3^2 = 27`."""
    rule = step.rule
    if rule is None or rule.head == "number":
        return f"{step.formula.split(' = ')[0]} = {{local}}"
    slots = ChainMap({f"{step.trace.names[step.node]}.grad": "{(g)}"}, step.trace.slots)
    middle = "" if rule.head == "name" else f" = {_renamed(rule, slots).text}"
    return f"{step.formula}{middle} = {{local}}"


def _renamed(term: Term, labels: Mapping[str, str]) -> Term:
    if term.head == "name":
        return name(labels.get(term.label, term.label))
    return replace(term, args=tuple(_renamed(x, labels) for x in term.args))


def _sum(step: Any) -> str:
    x = step.trace.names[step.input]
    if step.before is None:
        return f"{x}.grad = {{total}}"
    if step.replaced:
        return str(step.trace.captions.say("not any more", x=x))
    return f"{x}.grad = {{before}} + {{(amount)}} = {{total}}"


# --- boxes
def _start_box(step: Any) -> str:
    return _caption(step.total) if np.ndim(step.node._value) else "grad={total}"


def _box(step: Any) -> str:
    """`grad=270+27=297`, or for arrays how many contributions have arrived."""
    received = step.trace.received(step.input)
    so_far = [s for s in received if s.number <= step.number]
    if np.ndim(step.input._value):
        arrived = f"grad {len(so_far)}/{len(received)}"
        return _caption(step.total) if len(so_far) == len(received) else arrived
    if len(so_far) == 1 or step.trace.algorithm == "tree":
        return "grad={total}"
    if len(so_far) > _MOST_TERMS:
        return "grad=…+{(amount)}={total}"
    first, *rest = (f"s{s.number}" for s in so_far)
    return f"grad={{{first}}}+{'+'.join(f'{{({slot})}}' for slot in rest)}={{total}}"


def _caption(array: Any, what: str = "grad") -> str:
    """What stands beside the picture of a value or gradient."""
    shown = picture(array)
    return what if shown is not None and shown.kind == "cells" else f"{what} {summary(array)}"
