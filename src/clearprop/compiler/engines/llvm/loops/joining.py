"""Joins in native code: each part is written by the loop that computes it, into its place in the whole."""

from __future__ import annotations

from collections import Counter

from clearprop.compiler.plan.prepare import copied
from clearprop.compiler.program.core import Core, enter, unrun
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.joins import starts
from clearprop.compiler.program.layout import Layout, layout, moved

# What a join becomes: it is there when its parts are.
enter("joined", Core(family="join", run=unrun, exact=True, apart=True))


def placed(program: Program) -> Program:
    """Let the parts of every join be written where they belong; a `joined` value is there when its parts are.

    A part is written by a copy that lies `into` the whole: it shares the loop of what it takes.
    """
    users = Counter(x for v in program.values for x in v.operands)
    users.update(program.results)
    before: dict[Value, list[Value]] = {}
    for v in reversed(program.values):  # a join inside a join finds its place first
        if _joins(v) and (v.dtype.kind in "biu" or v.dtype.name in ("float32", "float64")):
            _place(v, users, before)
    program.values = [x for v in program.values for x in (*before.get(v, ()), v)]
    return program


def _place(v: Value, users: Counter[Value], before: dict[Value, list[Value]]) -> None:
    whole = layout(v)
    axis, inputs = v.attrs["axis"], []
    for at, part in starts(v):
        x, into = _seen_through(
            part, Layout(whole.base, whole.offset + at * whole.strides[axis], whole.strides)
        )
        if _joins(x) and x is part and users[x] == 1:
            x.into = into
            moved()  # the views of it
        else:
            x = copied(x)
            x.into, x.line = into, v.line
            before.setdefault(v, []).append(x)
        inputs.append(x)
    v.becomes("joined", tuple(inputs))


def _joins(v: Value) -> bool:
    return v.core.family == "join" and not v.core.apart


def _seen_through(x: Value, into: Layout) -> tuple[Value, Layout]:
    """Return what a part is another shape or order of, and where its entries go: it has a loop already."""
    while x.core.back is not None:
        strides = x.core.back(x, into.strides)
        if strides is None:
            break
        x, into = x.inputs[0], Layout(into.base, into.offset, strides)
    return x, into
