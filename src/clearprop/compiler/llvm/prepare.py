"""What native code changes in a program before it is grouped: views as strides, products in a direct form."""

from __future__ import annotations

from typing import Any

from clearprop.compiler.fuse import WHOLE
from clearprop.compiler.ir import REDUCTIONS, VIEWS, Program, State, Value, reachable
from clearprop.compiler.layout import layout
from clearprop.compiler.llvm.indexing import indexed
from clearprop.compiler.llvm.random import drawn
from clearprop.compiler.llvm.ufuncs import UFUNCS

MANY = 96  # rows of a product from which on its parts can afford to turn the right factor over themselves
FLOATS = ("float32", "float64")


def has_instructions(v: Value) -> bool:
    """Tell whether a loop can compute `v`; what cannot is a call of NumPy."""
    if v.kind != "op" or isinstance(v.dtype, tuple):
        return False
    if v.op in WHOLE:
        return True
    dtypes = [v.dtype, *(x.dtype for x in v.operands)]
    if any(
        isinstance(d, tuple) or d.kind not in "biuf" or d.name in ("float16", "float128", "longdouble")
        for d in dtypes
    ):
        return False
    if v.op in REDUCTIONS:
        return bool(v.inputs[0].size)
    return v.op in UFUNCS or v.op in ("where", "astype")


def prepared(program: Program) -> Program:
    """Return a copy of the program in which views are strides and every product has a direct form."""
    new: dict[Value, Value] = {}
    result = Program()

    def add(v: Value) -> Value:
        result.values.append(v)
        return v

    def copied(x: Value, **attrs: Any) -> Value:
        return add(Value("op", x.shape, x.dtype, "positive", (x,), attrs, line=x.line))

    needed = set(reachable(program.results))
    for v in program.values:
        if v not in needed and v.kind != "argument":
            continue
        inputs = tuple(new[x] if isinstance(x, Value) else x for x in v.inputs)
        clone = Value(v.kind, v.shape, v.dtype, v.op, inputs, v.attrs, v.data, v.name, v.line)
        if v.kind == "op" and v.op in VIEWS:
            if layout(clone) is None:
                clone.inputs = (copied(inputs[0]),)
        elif v.kind == "op" and v.op == "matmul":
            clone = _product(clone, copied)
        elif v.kind == "call" and v.op in ("getitem", "scatter"):
            clone = indexed(clone, add) or clone
        elif v.kind == "call" and v.op == "random_uniform":
            clone = drawn(clone) or clone
        new[v] = add(clone)
    result.outputs = [new[v] for v in program.outputs]
    given: set[Value] = set()
    for state, v in program.assignments:
        x = new[v]
        if state.slot == "value" and x.kind == "state" and same(x.data, state):
            continue  # keeps what it has
        if not x.computed or (x.kind == "op" and x.op in VIEWS) or x in given:
            x = copied(x)
        given.add(x)
        result.assignments.append((state, x))
    return result


def same(a: State, b: State) -> bool:
    """Tell whether two States are the same place."""
    return a.tensor is b.tensor and a.slot == b.slot and a.place == b.place


def _product(v: Value, copied: Any) -> Value:
    """Choose a product's form: outer products are elementwise; else the right factor has whole rows."""
    x, y = v.inputs
    if v.dtype.name not in FLOATS:
        v.kind = "call"
        return v
    m, k, n = x.shape[-2], x.shape[-1], y.shape[-1]
    if k == 1:
        return Value("op", v.shape, v.dtype, "multiply", (x, y), line=v.line)
    if 0 in (m, k, n):
        v.kind = "call"
        return v
    place = layout(y)
    assert place is not None
    down, along = place.strides[-2:]
    if n == 1 or (m == 1 and down == 1):
        return v  # dot products: see products.py
    if along != 1 or (down < n and k > 1):
        transposed = down == 1 and along > 1
        if transposed and m >= MANY and len(y.shape) == 2:
            return v  # turned over a panel at a time, by each part for itself
        v.inputs = (x, copied(y, transpose=True) if transposed and len(y.shape) == 2 else copied(y))
    return v
