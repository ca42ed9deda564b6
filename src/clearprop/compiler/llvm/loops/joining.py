"""Joins in native code: each part is written by the loop that computes it, into its place in the whole."""

from __future__ import annotations

from collections import Counter

from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.joins import starts
from clearprop.compiler.program.layout import Layout, layout, reshaped


def placed(program: Program) -> Program:
    """Let the parts of every join be written where they belong; a `joined` value is there when its parts are.

    A part is written by a `positive` whose attribute `into` says where: it shares the loop of what it takes.
    """
    users = Counter(x for v in program.values for x in v.operands)
    users.update(program.results)
    before: dict[Value, list[Value]] = {}
    for v in reversed(program.values):  # a join inside a join finds its place first
        if v.op == "join" and (v.dtype.kind in "biu" or v.dtype.name in ("float32", "float64")):
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
        if x.kind == "op" and x.op == "join" and x is part and users[x] == 1:
            x.attrs = x.attrs | {"into": into}
        else:
            x = Value("op", x.shape, x.dtype, "positive", (x,), {"into": into}, line=v.line)
            before.setdefault(v, []).append(x)
        inputs.append(x)
    v.op, v.inputs = "joined", tuple(inputs)


def _seen_through(x: Value, into: Layout) -> tuple[Value, Layout]:
    """Return what a part is another shape or order of, and where its entries go: it has a loop already."""
    while x.kind == "op" and x.op in ("reshape", "transpose"):
        inside: Value = x.inputs[0]
        if x.op == "transpose":
            order = dict(zip(x.attrs["axes"], into.strides, strict=True))
            strides: tuple[int, ...] | None = tuple(order[a] for a in range(len(order)))
        else:
            strides = reshaped(x.shape, into.strides, inside.shape)
        if strides is None:
            break
        x, into = inside, Layout(into.base, into.offset, strides)
    return x, into
