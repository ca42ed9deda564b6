"""What is no loop over entries at their own places: reductions, products, picking, draws, convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.engines.js.kinds import code, literal, rounded
from clearprop.compiler.engines.js.loops import Loops
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.strides import contiguous
from clearprop.ops.index import ARRAY
from clearprop.registry import ops

if TYPE_CHECKING:
    from clearprop.compiler.engines.js.script import JavaScript

Write = Callable[["JavaScript", Value], None]
FEW = 8  # terms up to which a sum is added up plainly
WIDE = 16  # columns from which a product goes along the rows of both its operands


def writer(v: Value) -> Write:
    """Return what writes a value that is no loop over entries; raises Unlowered with the op's name."""
    found = (CALLS if v.kind == "call" else WRITERS).get(v.op)
    if found is None and v.kind == "call" and _by_entry(v):
        return _entrywise
    if found is None:
        raise Unlowered(f"{v.op} has no translation to JavaScript" + (f" ({v.why})" if v.why else ""))
    return found


def _by_entry(v: Value) -> bool:
    """Whether a call is a function of numbers that its op says how to write."""
    op = ops.get(v.op)
    told = op is not None and op.kind == "elementwise" and "{" in op.facts.script and op.facts.script != "{}"
    return told and v.dtype.kind == "f" and not v.attrs and all(x.dtype.kind == "f" for x in v.operands)


def _entrywise(js: JavaScript, v: Value) -> None:
    places = [js.place(x, v.shape) if isinstance(x, Value) else None for x in v.inputs]
    nest = Loops.over(v.shape, [contiguous(v.shape), *(p[2] for p in places if p is not None)])
    numbers = iter(range(1, len(places) + 1))
    xs = [
        f"({p[0]}[{nest.index(next(numbers), p[1])}])" if p is not None else literal(x, v.dtype)
        for p, x in zip(places, v.inputs, strict=True)
    ]
    made = rounded(v.dtype, ops[v.op].facts.script.format(*xs))
    js.say(f"{nest.head}{js.result(v)}[{nest.index(0)}]={made};")


# --- reductions ---------------------------------------------------------------------------------------------
def _split(v: Value, strides: Any) -> tuple[Loops, Loops]:
    """Return the loops over what is kept, for the result and the operand, and those over what is reduced."""
    x, axes = v.operands[0], set(v.attrs["axes"])
    kept = [a for a in range(len(x.shape)) if a not in axes]
    gone = sorted(axes)
    own = contiguous(v.shape)
    outer = Loops.over(
        tuple(x.shape[a] for a in kept), [tuple(own[a] for a in kept), tuple(strides[a] for a in kept)]
    )
    return outer, Loops.over(tuple(x.shape[a] for a in gone), [tuple(strides[a] for a in gone)], "j")


def _reduction(js: JavaScript, v: Value, start: str, step: str, end: str = "") -> None:
    """`let s = start; for all: x -> step; result = end`."""
    x, name, end = v.operands[0], js.result(v), end or rounded(v.dtype, "s")
    array, offset, strides = js.place(x)
    outer, inner = _split(v, strides)
    at = outer.index(1, offset) + f"+{inner.index(0)}" * bool(inner.lengths)
    js.say(
        f"{outer.head}{{{start}{inner.head}{{const x={array}[{at}];{step}}}{name}[{outer.index(0)}]={end};}}"
    )


def _sum(js: JavaScript, v: Value) -> None:
    kind = code(v.dtype)
    if kind == "f8" and v.operands[0].size > FEW * v.size:
        step = "const t=s+x;c+=lost(s,x,t);s=t;"
        return _reduction(js, v, "let s=0,c=0;", step, "added(s,c)")
    if kind in ("f4", "f2"):  # a float64 holds what is lost
        return _reduction(js, v, "let s=0;", "s+=x;")
    return _reduction(js, v, f"let s={literal(0, v.dtype)};", f"s={rounded(v.dtype, 's+x')};")


def _prod(js: JavaScript, v: Value) -> None:
    step = "s*=x;" if v.dtype.kind == "f" else f"s={rounded(v.dtype, times(v.dtype, 's', 'x'))};"
    _reduction(js, v, f"let s={literal(1, v.dtype)};", step)


def times(dtype: Any, a: str, b: str) -> str:
    """Return a product before it is rounded: of 32-bit integers by what wraps it exactly."""
    return f"Math.imul({a},{b})" if code(dtype) in ("i4", "u4") else f"{a}*{b}"


def _extreme(first: str, sign: str) -> Write:
    """The largest or smallest; a NaN wins."""

    def write(js: JavaScript, v: Value) -> None:
        start = literal(v.core.start(v.operands[0].dtype), v.dtype) if v.dtype.kind == "f" else "undefined"
        test = f"x{sign}s||x!==x" if v.dtype.kind == "f" else f"s===undefined||x{sign}s"
        _reduction(js, v, f"let s={start};", f"if({test})s=x;")

    return write


def _truths(start: int, sign: str) -> Write:
    def write(js: JavaScript, v: Value) -> None:
        _reduction(js, v, f"let s={start};", f"s{sign}=truth(x);")

    return write


def _placed(sign: str) -> Write:
    """The place of the first that is largest or smallest, or NaN."""

    def write(js: JavaScript, v: Value) -> None:
        if len(v.attrs["axes"]) != 1:
            raise Unlowered(f"{v.op} along several axes has no translation to JavaScript")
        step = f"if(k<0||x{sign}s||x!==x&&s===s){{s=x;k=n;}}n++;"
        _reduction(js, v, "let s=0,k=-1,n=0;", step, "k")

    return write


# --- products -----------------------------------------------------------------------------------------------
def _matmul(js: JavaScript, v: Value) -> None:
    """A float32 product is added up in float64; that of integers is exact or wraps."""
    x, y = v.operands
    code(v.dtype)
    if any(z.dtype.kind not in "fiub" or code(z.dtype) == "u8" for z in (x, y)):
        raise Unlowered(f"{v.op} of {x.dtype} and {y.dtype} has no translation to JavaScript")
    batch = v.shape[: len(v.shape) - (len(x.shape) > 1) - (len(y.shape) > 1)]
    (A, a, ax), (B, b, by) = js.place(x), js.place(y)
    (ai, ak), (bk, bj) = (ax[-2:] if len(ax) > 1 else (0, ax[0])), (by[-2:] if len(by) > 1 else (by[0], 0))
    rows, inner = (x.shape[-2] if len(ax) > 1 else 1), x.shape[-1]
    columns = y.shape[-1] if len(by) > 1 else 1
    name = js.result(v)

    def led(z: Value, strides: Any) -> Any:
        lead, n = z.shape[:-2], len(batch) - len(z.shape[:-2])
        return (0,) * n + tuple(0 if m == 1 else s for m, s in zip(lead, strides, strict=False))

    size = rows * columns
    nest = Loops.over(batch, [tuple(s * size for s in contiguous(batch)), led(x, ax), led(y, by)], "n")
    z, p, q = nest.index(0), nest.index(1, a), nest.index(2, b)
    if v.dtype.kind == "f" and v.dtype.itemsize > 2 and bj == 1 and columns >= WIDE:
        row = js.scratch("Float64Array", columns)
        along = f"for(let j=0;j<{columns};j++){row}[j]+=w*{B}[q+j];"
        js.say(
            f"{nest.head}{{const z={z};for(let i=0;i<{rows};i++){{{row}.fill(0);for(let k=0;k<{inner};k++)"
            f"{{const w={A}[{p}+i*{ai}+k*{ak}],q={q}+k*{bk};{along}}}{name}.set({row},z+i*{columns});}}}}"
        )
        return
    add = _product_added(v, f"{A}[p]", f"{B}[q]")
    js.say(
        f"{nest.head}{{const z={z},x={p},y={q};for(let i=0;i<{rows};i++)for(let j=0;j<{columns};j++)"
        f"{{let s=0,p=x+i*{ai},q=y+j*{bj};for(let k=0;k<{inner};k++,p+={ak},q+={bk}){add};"
        f"{name}[z+i*{columns}+j]={rounded(v.dtype, 's')};}}}}"
    )


def _product_added(v: Value, a: str, b: str) -> str:
    """Add a product to `s`: integers wrap at each step, truth values are or-ed."""
    if v.dtype.kind == "b":
        return f"s|={a}&{b}"
    product = times(v.dtype, a, b)
    if v.dtype.kind == "f":
        return f"s+={product}"
    return f"s={rounded(v.dtype, f's+{rounded(v.dtype, product)}')}"


# --- entries here and there ---------------------------------------------------------------------------------
def _picked_at(js: JavaScript, v: Value, whole: Value | None) -> tuple[Loops, str, Any, list[Value]]:
    """The loops over what is picked, and where its entry lies in the whole: common to both directions."""
    source = v if whole is None else whole
    arrays = list(v.operands[1:])
    form = v.attrs["index"]
    first = next((k for k, e in enumerate(form) if e is ARRAY), len(form))
    plain = all(isinstance(e, slice) and e == slice(None) for e in form[:first])
    if not arrays or not plain or any(e is not ARRAY for e in form[first:]):
        raise Unlowered(f"{v.op} with the index {form} has no translation to JavaScript")
    if any(a.dtype.kind not in "iu" or code(a.dtype) == "u8" for a in arrays):
        raise Unlowered(
            f"{v.op} by a mask that is known only when the step runs has no translation to JavaScript"
        )
    few = v.shape if whole is not None else v.operands[0].shape
    rest = source.shape[first + len(arrays) :]
    found = few[first : len(few) - len(rest)]
    if whole is None:
        array, offset, strides = "", 0, contiguous(source.shape)
        other = js.place(v.operands[0])
    else:
        array, offset, strides = js.place(source)
        other = ("", 0, contiguous(v.shape))
    along = strides[:first] + (0,) * len(found) + strides[first + len(arrays) :]
    places = [js.place(a, found) for a in arrays]
    spread = [(0,) * first + s + (0,) * len(rest) for _, _, s in places]
    nest = Loops.over(few, [other[2], along, *spread])
    terms = [
        f"place({name}[{nest.index(2 + k, o)}],{source.shape[first + k]})*{strides[first + k]}"
        for k, (name, o, _) in enumerate(places)
    ]
    return nest, "+".join([nest.index(1, offset), *terms]), (array, other), arrays


def _getitem(js: JavaScript, v: Value) -> None:
    nest, at, (array, _), _ = _picked_at(js, v, v.operands[0])
    js.say(f"{nest.head}{js.result(v)}[{nest.index(0)}]={array}[{at}];")


def _scatter(js: JavaScript, v: Value) -> None:
    nest, at, (_, other), _ = _picked_at(js, v, None)
    name = js.result(v)
    add = rounded(v.dtype, f"{name}[i]+{other[0]}[{nest.index(0, other[1])}]")
    js.say(f"{name}.fill({literal(0, v.dtype)});{nest.head}{{const i={at};{name}[i]={add};}}")


def _join(js: JavaScript, v: Value) -> None:
    name, axis, own, offset = js.result(v), v.attrs["axis"], contiguous(v.shape), 0
    for x in v.inputs:
        array, start, strides = js.place(x)
        nest = Loops.over(x.shape, [own, strides])
        js.say(f"{nest.head}{name}[{nest.index(0, offset)}]={array}[{nest.index(1, start)}];")
        offset += x.shape[axis] * own[axis]


def _rows(js: JavaScript, v: Value, axis: int) -> tuple[Loops, str, str, int, int, int, int]:
    """Loops over all axes but one, of the result and its operand, and both strides along that."""
    x, own = v.operands[0], contiguous(v.shape)
    array, offset, strides = js.place(x)
    others = [a for a in range(len(x.shape)) if a != axis]
    nest = Loops.over(
        tuple(x.shape[a] for a in others), [tuple(own[a] for a in others), tuple(strides[a] for a in others)]
    )
    return nest, js.result(v), array, offset, own[axis], strides[axis], x.shape[axis]


def _cumsum(js: JavaScript, v: Value) -> None:
    nest, name, array, offset, to, step, n = _rows(js, v, v.attrs["axis"])
    total = rounded(v.dtype, f"s+{array}[{nest.index(1, offset)}+k*{step}]")
    js.say(
        f"{nest.head}{{let s={literal(0, v.dtype)};for(let k=0;k<{n};k++){{s={total};"
        f"{name}[{nest.index(0)}+k*{to}]=s;}}}}"
    )


def _ordered(places: bool) -> Write:
    """Sort along an axis, NaN last; equal entries stay in their order."""

    def write(js: JavaScript, v: Value) -> None:
        x, axis = v.operands[0], v.attrs["axis"]
        if axis is None or code(x.dtype) == "u8":
            raise Unlowered(f"{v.op} of this form has no translation to JavaScript")
        nest, name, array, offset, to, step, n = _rows(js, v, axis % len(x.shape))
        row = js.scratch("Array", n)
        key = f"{array}[{nest.index(1, offset)}+k*{step}]"
        order = "(a,b)=>ascending(r[a],r[b])"
        body = f"const r=[];for(let k=0;k<{n};k++){{r.push({key});{row}[k]=k;}}{row}.sort({order});"
        made = f"{row}[k]" if places else f"r[{row}[k]]"
        js.say(f"{nest.head}{{{body}for(let k=0;k<{n};k++){name}[{nest.index(0)}+k*{to}]={made};}}")

    return write


def _copy(js: JavaScript, v: Value) -> None:
    array, offset, strides = js.place(v.operands[0])
    nest = Loops.over(v.shape, [contiguous(v.shape), strides])
    js.say(f"{nest.head}{js.result(v)}[{nest.index(0)}]={array}[{nest.index(1, offset)}];")


def _drawn(js: JavaScript, v: Value) -> None:
    array, offset, (step,) = js.place(v.operands[0])
    double = str(np.dtype(v.attrs["dtype"]).itemsize == 8).lower()
    js.say(f"uniform([{array}[{offset}],{array}[{offset + step}]],{js.result(v)},{double});")


# --- convolution --------------------------------------------------------------------------------------------
def _meeting(counts: dict[str, int], frame: Any, lengths: Any, windows: Any) -> str:
    """Loops over all that meets: offset k of window i lies at n, if that is inside."""
    axes = range(len(frame.sizes))
    ranges = counts | {f"k{k}": frame.sizes[k] for k in axes} | {f"i{k}": windows[k] for k in axes}
    heads = "".join(f"for(let {i}=0;{i}<{n};{i}++)" for i, n in ranges.items())
    found = "".join(
        f"const n{k}=i{k}*{frame.steps[k]}+k{k}*{frame.dilations[k]}-{frame.margins[k][0]};" for k in axes
    )
    inside = "&&".join(f"n{k}>=0&&n{k}<{lengths[k]}" for k in axes)
    return f"{heads}{{{found}if({inside})"


def _convolution(role: str) -> Write:
    """One sum over three arrays, those of `ops/convolution.py`.

    `role` is the one that is computed: a loop over everything adds the product of the other two to it.
    """

    def write(js: JavaScript, v: Value) -> None:
        frame, groups = v.attrs["frame"], v.attrs["groups"]
        if v.dtype.itemsize < 4 or any(z.dtype.kind != "f" for z in v.operands):
            raise Unlowered(f"{v.op} of {v.dtype} has no translation to JavaScript")
        given = dict(zip([r for r in "xyw" if r != role], v.operands, strict=True))
        given[role] = v
        x, y, w = given["x"], given["y"], given["w"]
        total = js.scratch("Float64Array", v.size)
        result = js.result(v)
        at = {r: js.place(z) if r != role else (total, 0, contiguous(v.shape)) for r, z in given.items()}
        (X, xo, xs), (Y, yo, ys), (W, wo, ws) = at["x"], at["y"], at["w"]
        units, channels, axes = w.shape[0] // groups, w.shape[1], range(len(frame.sizes))
        entry = {
            "x": f"{X}[{xo}+b*{xs[0]}+(g*{channels}+c)*{xs[1]}" + "".join(f"+n{k}*{xs[2 + k]}" for k in axes),
            "y": f"{Y}[{yo}+b*{ys[0]}+(g*{units}+o)*{ys[1]}" + "".join(f"+i{k}*{ys[2 + k]}" for k in axes),
            "w": f"{W}[{wo}+(g*{units}+o)*{ws[0]}+c*{ws[1]}" + "".join(f"+k{k}*{ws[2 + k]}" for k in axes),
        }
        first, second = (entry[r] + "]" for r in "xyw" if r != role)
        counts = {"b": y.shape[0], "g": groups, "o": units, "c": channels}
        js.say(
            f"{total}.fill(0);{_meeting(counts, frame, x.shape[2:], y.shape[2:])}"
            f"{entry[role]}]+={first}*{second};}}{result}.set({total});"
        )

    return write


WRITERS: dict[str, Write] = {
    "sum": _sum,
    "prod": _prod,
    "max": _extreme("lowest", ">"),
    "min": _extreme("highest", "<"),
    "any": _truths(0, "|"),
    "all": _truths(1, "&"),
    "argmax": _placed(">"),
    "argmin": _placed("<"),
    "matmul": _matmul,
    "cumsum": _cumsum,
    "join": _join,
}
"""Core ops that are neither elementwise nor views."""

CALLS: dict[str, Write] = {
    "matmul": _matmul,
    "getitem": _getitem,
    "scatter": _scatter,
    "sort": _ordered(False),
    "argsort": _ordered(True),
    "detach": _copy,
    "positive": _copy,
    "random_uniform": _drawn,
    "convolution": _convolution("y"),
    "transposed_convolution": _convolution("x"),
    "convolution_kernel": _convolution("w"),
}
"""Calls of the registry's ops."""
