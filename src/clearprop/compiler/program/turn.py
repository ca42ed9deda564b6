"""One turn of a loop as a Program: planned once, and run as often as the loop is long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearprop.compiler.program.ir import Program, Shape, Value
from clearprop.compiler.program.layout import layout, whole
from clearprop.compiler.program.lower import lower
from clearprop.loops.body import Body, Written


def turn(body: Body, inputs: Sequence[Value]) -> Program:
    """Return one turn in core ops: from carry, entries of sequences, and what lies outside, to results.

    `inputs` are those of the whole loop, whose body has nothing to compute beforehand. Arguments and
    results have at least one axis: a number is an array of one entry.
    """
    values = [
        Value("argument", shape or (1,), x.dtype, data=i)
        for i, (x, shape) in enumerate(zip(inputs, shapes(body, inputs), strict=True))
    ]
    given = [
        v if shape else _reshaped(v, (), values)
        for v, shape in zip(list(values), shapes(body, inputs), strict=True)
    ]
    first = sum(body.given[:2])
    at: list[Any] = [*given[first:], *given[:first]]  # in the order of the body's places
    for op, places, attrs, (shape, dtype) in body.each:
        xs = tuple([x.value if isinstance(x, Written) else at[x] for x in places])
        at.append(Value("call", shape, dtype, op.name, xs, attrs))
        values.append(at[-1])
    results = []
    for x, (shape, dtype) in zip(body.results, body.kinds, strict=True):
        if isinstance(x, Written):
            values.append(v := Value("constant", shape, dtype, data=dtype.type(x.value)))
        else:
            v = at[x]
        results.append(v if shape else _reshaped(v, (1,), values))
    return lower(Program(values, results))[0]


def shapes(body: Body, inputs: Sequence[Value]) -> list[Shape]:
    """Return the shapes of what a turn is given: of the sequences it is an entry."""
    carried, count, _ = body.given
    return [x.shape[1:] if carried <= i < carried + count else x.shape for i, x in enumerate(inputs)]


def _reshaped(v: Value, shape: Shape, values: list[Value]) -> Value:
    values.append(Value("call", shape, v.dtype, "reshape", (v,), {"shape": shape}))
    return values[-1]


def with_results_apart(program: Program) -> Program:
    """Return a program each of whose results is computed in an array of its own, which it fills."""
    outputs: list[Value] = []
    for v in program.outputs:
        base = layout(v).base
        if not (base.computed and base.shape and whole(v)) or base in outputs:
            base = Value("op", v.shape, v.dtype, "positive", (v,), line=v.line)
            program.values.append(base)
        outputs.append(base)
    return Program(program.values, outputs, checks=program.checks)
