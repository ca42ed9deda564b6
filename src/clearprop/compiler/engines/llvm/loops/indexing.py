"""Index arrays in native code: picking entries, and adding to the places they came from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import Register
from clearprop.compiler.engines.llvm.loops.access import inside
from clearprop.compiler.program.core import Core, enter, unrun
from clearprop.compiler.program.ir import PlannedForm, Shape, Value
from clearprop.compiler.program.layout import layout
from clearprop.compiler.program.strides import contiguous

if TYPE_CHECKING:
    from clearprop.compiler.program.layout import Layout

_FULL = slice(None)


@dataclass(frozen=True)
class Picking(PlannedForm):
    """Where index arrays lead: entry (i, j, ...) of a space to i*strides[0] + j*strides[1] + ..., and from
    there, for each index array, so many of its steps on as the index says.

    `picked` has for each index array its step, and the length of the axis, which no index may reach.
    """

    strides: tuple[int, ...]
    picked: tuple[tuple[int, int], ...]


def picking(v: Value) -> Picking:
    """Return where the index arrays of a `pick` or a `put` lead."""
    assert isinstance(v.form, Picking)
    return v.form


def _lengths(v: Value) -> tuple[int, ...]:
    return tuple(n for _, n in picking(v).picked)


# Entries at the places that index arrays say, which are the inputs but the first: picked, or added there.
enter(
    "pick",
    Core(family="gather", run=unrun, reads="picked", bounds=lambda v: (*_lengths(v), v.operands[0].shape)),
)
enter("put", Core(family="gather", run=unrun, bounds=lambda v: (*_lengths(v), v.shape)))


def _together(index: tuple[Any, ...], count: int) -> int | None:
    """Return where the index arrays begin, None unless they stand side by side among whole axes."""
    form = [
        "array" if repr(e) == "array" else "all" if isinstance(e, slice) and e == _FULL else "" for e in index
    ]
    if "" in form or not count:
        return None
    first = form.index("array")
    return first if form[first : first + count] == ["array"] * count else None


def indexed(v: Value, add: Callable[[Value], Value]) -> Value | None:
    """Return `getitem` as a `pick` and `scatter` as a `put`, if the index arrays stand side by side."""
    index: tuple[Any, ...] = v.attrs["index"]
    source = v.inputs[0]
    whole: Shape = v.attrs.get("shape", source.shape)  # what is picked from, or added to
    taken = "shape" not in v.attrs
    arrays = [_given(x, add) for x in v.inputs[1:]]
    first = _together(index, len(arrays))
    if first is None or any(a is None for a in arrays) or len(index) > len(whole):
        return None
    if v.dtype.kind not in "biuf" or v.dtype.name == "float16":
        return None
    if v.size == 0 or source.size == 0 or 0 in whole:
        return None
    rest = len(whole) - first - len(arrays)
    found = np.broadcast_shapes(*(a.shape for a in arrays if a is not None))
    strides = layout(source).strides if taken else contiguous(whole)
    moved = [*strides[:first], *([0] * len(found)), *strides[first + len(arrays) :]]
    picked: list[tuple[int, int]] = []
    inputs: list[Value] = []
    for j, a in enumerate(arrays):
        assert a is not None
        step, n = strides[first + j], whole[first + j]
        axis = _counting(a, n)
        if axis is not None:
            moved[first + len(found) - len(a.shape) + axis] += step
            continue
        if rest:
            a = add(Value("op", (*a.shape, *(1,) * rest), a.dtype, "reshape", (a,), line=v.line))
        inputs.append(a)
        picked.append((step, n))
    leads = Picking(tuple(moved), tuple(picked))
    op = "pick" if taken else "put"
    return Value("op", v.shape, v.dtype, op, (source, *inputs), line=v.line, form=leads)


def _given(x: Any, add: Callable[[Value], Value]) -> Value | None:
    if not isinstance(x, Value):
        return (
            add(Value("constant", (), np.dtype(np.int64), data=np.asarray(x))) if isinstance(x, int) else None
        )
    return x if x.dtype.kind in "iu" else None


def _counting(a: Value, n: int) -> int | None:
    """Return the axis along which a constant counts 0, 1, 2, ..., n - 1, if it does."""
    if a.kind != "constant" or a.size != n or n == 1:
        return None
    axis = next(i for i, m in enumerate(a.shape) if m != 1)
    return axis if a.shape[axis] == n and np.array_equal(a.data.reshape(-1), np.arange(n)) else None


class PutWriter:
    """Writes zeros, and then adds each entry of the first input where the index arrays say, in order."""

    value: Value
    memory: Any

    turns: int = 1
    grain: int = 1

    def __init__(self, v: Value, memory: Any) -> None:
        self.value, self.memory = v, memory
        self.places: list[Layout] = [layout(x) for x in v.operands]
        self.space: Any = v.operands[0].shape
        self.work: float = v.size / 20 + 2 * math.prod(self.space) + 20

    def write(self, function: Procedure, low: Register, high: Register, part: Register, parts: int) -> None:
        """Write the loops."""
        f, v, memory, form = function, self.value, self.memory, picking(self.value)
        f.module.declare("llvm.memset.p0.i64", "void", "ptr, i8, i64, i1")
        goal = memory.pointer(f, v)
        f.line(f"call void @llvm.memset.p0.i64(ptr {goal}, i8 0, i64 {v.nbytes}, i1 false)")
        starts = [
            memory.start(f, p.base, p.offset, x.dtype) for p, x in zip(self.places, v.operands, strict=True)
        ]
        steps = [_along(p.strides, x.shape, self.space) for p, x in zip(self.places, v.operands, strict=True)]

        def turn(axis: int, offsets: list[Any], out: Any) -> None:
            if axis == len(self.space):
                for start, offset, x, (step, n) in zip(
                    starts[1:], offsets[1:], v.operands[1:], form.picked, strict=True
                ):
                    i = f.load(f.at(start, offset, x.dtype), x.dtype)
                    out = inside(f, i, n, memory.trouble(f), None) * step + out
                address = f.at(goal, out, v.dtype)
                entry = f.load(f.at(starts[0], offsets[0], v.dtype), v.dtype)
                f.store(f.load(address, v.dtype) + entry, address)
                return
            with f.loop(0, self.space[axis]) as i:
                new = [i * s[axis] + o if s[axis] else o for s, o in zip(steps, offsets, strict=True)]
                step = form.strides[axis]
                turn(axis + 1, new, i * step + out if step else out)

        turn(0, [0] * len(starts), 0)


def _along(strides: tuple[int, ...], shape: Shape, space: Shape) -> tuple[int, ...]:
    added = len(space) - len(shape)
    return (0,) * added + tuple(0 if n == 1 else s for s, n in zip(strides, shape, strict=True))
