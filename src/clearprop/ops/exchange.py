"""What each op is in ONNX: the name of an operator that takes the same inputs, or a few lines that write it.

`write(g, node, *names)` is given a writer, `node` with its `value`, `values` and `attrs` at the time it was
recorded, and the names of its inputs in the file; it returns the name of the result. `g.node(kind, *names,
**attributes)` writes an operator, `g.constant(array)` an array, `g.shape(shape)` a shape whose batch axis
may have another length later. The operators are specified at https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.ops.resample import entries
from clearprop.registry import ops

Write = Callable[..., Any]
# fmt: off
SAME = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "negative": "Neg", "power": "Pow", "sqrt": "Sqrt",
    "absolute": "Abs", "fabs": "Abs", "sign": "Sign", "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan",
    "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh",
    "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh", "sigmoid": "Sigmoid", "relu": "Relu", "softplus": "Softplus",
    "floor": "Floor", "ceil": "Ceil", "rint": "Round", "erf": "Erf", "reciprocal": "Reciprocal", "positive": "Identity",
    "detach": "Identity", "matmul": "MatMul", "maximum": "Max", "minimum": "Min", "isnan": "IsNaN",
    "masked_product": "Mul",
}
COMPARING = {"less": "Less", "less_equal": "LessOrEqual", "greater": "Greater", "greater_equal": "GreaterOrEqual", "equal": "Equal"}
LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor"}
REDUCING = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd", "norm": "ReduceL2", "logsumexp": "ReduceLogSumExp"}
# fmt: on


def _same(kind: str) -> Write:
    """All inputs as the result's dtype, which is what NumPy computes in."""
    return lambda g, node, *xs: g.node(kind, *g.alike(node, xs, node.value.dtype))


def _comparing(kind: str) -> Write:
    def write(g: Any, node: Any, x: str, y: str) -> Any:
        return g.node(kind, *g.alike(node, (x, y), np.result_type(*node.values)))

    return write


def _unequal(g: Any, node: Any, x: str, y: str) -> Any:
    return g.node("Not", _comparing("Equal")(g, node, x, y))


def _logical(kind: str) -> Write:
    def write(g: Any, node: Any, *xs: str) -> Any:
        if node.value.dtype.kind != "b":
            raise g.refuse(node, "works on truth values, not on the bits of whole numbers")
        return g.node(kind, *g.alike(node, xs, np.dtype(bool)))

    return write


def _axes(node: Any) -> tuple[int, ...]:
    axis, ndim = node.attrs.get("axis"), np.ndim(node.values[0])
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _reducing(kind: str) -> Write:
    def write(g: Any, node: Any, x: str) -> Any:
        x = g.alike(node, (x,), node.value.dtype)[0]
        axes = _axes(node)
        if not axes:
            return g.node("Identity", x)
        return g.reduce(kind, x, axes, int(node.attrs["keepdims"]))

    return write


def _deciding(kind: str) -> Write:
    """Whether all, or any, are true: the smallest, or the largest, of 0 and 1."""

    def write(g: Any, node: Any, x: str) -> Any:
        numbers = g.cast(g.cast(x, np.dtype(bool)), np.dtype(np.int32))
        found = g.reduce(kind, numbers, _axes(node), int(node.attrs["keepdims"]))
        return g.cast(found, np.dtype(bool))

    return write


def _picking(kind: str) -> Write:
    def write(g: Any, node: Any, x: str) -> Any:
        axis = node.attrs["axis"]
        if axis is None:
            x, axis = g.node("Reshape", x, g.whole((-1,))), 0
            found = g.node(kind, x, axis=0, keepdims=0)
            return g.node("Reshape", found, g.whole(np.shape(node.value)))
        return g.node(kind, x, axis=axis, keepdims=int(node.attrs["keepdims"]))

    return write


def _variance(g: Any, node: Any, x: str) -> Any:
    """The mean of (x - mean)^2, times n / (n - ddof)."""
    axes, keep = _axes(node), int(node.attrs["keepdims"])
    away = g.node("Sub", x, g.reduce("ReduceMean", x, axes, 1))
    found = g.reduce("ReduceMean", g.node("Mul", away, away), axes, keep)
    n = math.prod(node.values[0].shape[a] for a in axes)
    ddof = node.attrs["ddof"]
    more = n / (n - ddof) if n > ddof else math.inf
    return found if not ddof else g.node("Mul", found, g.constant(node.value.dtype.type(more)))


def _along(kind: str) -> Write:
    return lambda g, node, x: g.node(kind, x, axis=node.attrs["axis"])


def _running(g: Any, node: Any, x: str) -> Any:
    axis = node.attrs["axis"]
    if axis is None:
        x, axis = g.node("Reshape", x, g.whole((-1,))), 0
    return g.node("CumSum", g.cast(x, node.value.dtype), g.constant(np.int64(axis)))


# --- shapes -----------------------------------------------------------------------------------------------------
def _reshape(g: Any, node: Any, x: str) -> Any:
    return g.node("Reshape", x, g.new_shape(node.value.shape))


def _turned(g: Any, node: Any, x: str) -> Any:
    read = ops[node.op].facts.axes
    attrs = dict(node.attrs)
    assert read is not None
    return g.node("Transpose", x, perm=list(read(np.ndim(node.values[0]), **attrs)))


def _expand(g: Any, node: Any, x: str) -> Any:
    return g.node("Expand", x, g.shape(node.value.shape))


def _flip(g: Any, node: Any, x: str) -> Any:
    axes = _axes(node)
    ends = [g.whole([n] * len(axes)) for n in (-1, -(1 << 31))]
    return g.node("Slice", x, *ends, g.whole(axes), g.whole([-1] * len(axes)))


def _concatenate(g: Any, node: Any, *xs: str) -> Any:
    return g.node("Concat", *g.alike(node, xs, node.value.dtype), axis=node.attrs["axis"])


def _stack(g: Any, node: Any, *xs: str) -> Any:
    axis = node.attrs["axis"] % node.value.ndim
    parts = [g.node("Unsqueeze", x, g.whole((axis,))) for x in g.alike(node, xs, node.value.dtype)]
    return g.node("Concat", *parts, axis=axis)


def _pad(g: Any, node: Any, x: str) -> Any:
    widths = node.attrs["widths"]
    ends = [a for a, _ in widths] + [b for _, b in widths]
    value = g.constant(np.asarray(node.attrs["constant_values"], node.value.dtype))
    return g.node("Pad", x, g.whole(ends), value)


def _getitem(g: Any, node: Any, x: str, *arrays: str) -> Any:
    """Slices, single entries and new axes; one index array, which takes along its axis."""
    form, ndim = list(node.attrs["index"]), np.ndim(node.values[0])
    taken = sum(p is not None and p is not Ellipsis for p in form)
    if Ellipsis in form:
        at = form.index(Ellipsis)
        form[at : at + 1] = [slice(None)] * (ndim - taken)
    cuts: tuple[list[int], ...] = ([], [], [], [])  # starts, ends, axes, steps
    gone: list[int] = []
    new: list[int] = []
    axis = place = 0
    gathered = None
    for part in form:
        if part is None:
            new.append(place)
            place += 1
            continue
        if isinstance(part, slice):
            if part != slice(None):
                _slice(part, axis, *cuts)
            place += 1
        elif isinstance(part, (int, np.integer)):
            _slice(slice(part, part + 1 or None), axis, *cuts)
            gone.append(axis)
        else:
            gathered = axis - len(gone)
        axis += 1
    if arrays and (len(arrays) > 1 or gone or new or node.values[1].dtype.kind == "b"):
        raise g.refuse(node, "takes one index array of whole numbers, beside slices")
    if cuts[2]:
        x = g.node("Slice", x, *map(g.whole, cuts))
    if gone:
        x = g.node("Squeeze", x, g.whole(gone))
    if new:
        x = g.node("Unsqueeze", x, g.whole(new))
    return g.node("Gather", x, g.cast(arrays[0], np.dtype(np.int64)), axis=gathered) if arrays else x


def _slice(part: slice, axis: int, starts: Any, ends: Any, axes: Any, steps: Any) -> None:
    step = part.step or 1
    far = 1 << 31
    starts.append((0 if step > 0 else far) if part.start is None else part.start)
    ends.append((far if step > 0 else -far) if part.stop is None else part.stop)
    axes.append(axis)
    steps.append(step)


def _resample(g: Any, node: Any, x: str) -> Any:
    """Entries of an axis by their numbers, or a product with the matrix of their weights."""
    places, weights = entries(node.attrs["table"])
    axis, ndim = node.attrs["axis"] % node.value.ndim, node.value.ndim
    if weights.shape[1] == 1 and (weights == 1).all():
        return g.node("Gather", x, g.whole(places[:, 0]), axis=axis)
    matrix = np.zeros((node.values[0].shape[axis], len(places)))
    np.add.at(
        matrix, (places.reshape(-1), np.repeat(np.arange(len(places)), places.shape[1])), weights.reshape(-1)
    )
    order = [i for i in range(ndim) if i != axis] + [axis]
    turned = x if axis == ndim - 1 else g.node("Transpose", x, perm=order)
    z = g.node("MatMul", turned, g.constant(matrix.astype(node.value.dtype)))
    return z if axis == ndim - 1 else g.node("Transpose", z, perm=np.argsort(order).tolist())


def _repeat(g: Any, node: Any, x: str) -> Any:
    """Each entry beside copies of itself: a new axis behind that of the entries, as long as they are many."""
    axis, value = node.attrs["axis"], node.values[0]
    if axis is None:
        x, at = g.node("Reshape", x, g.whole((-1,))), 0
    else:
        at = axis % np.ndim(value)
    after = 1 if axis is None else np.ndim(value) - at
    wide = g.node("Unsqueeze", x, g.whole((at + 1,)))
    wide = g.node("Tile", wide, g.whole((*(1,) * (at + 1), node.attrs["repeats"], *(1,) * (after - 1))))
    return g.node("Reshape", wide, g.new_shape(node.value.shape))


# --- windows ----------------------------------------------------------------------------------------------------
def _frame(frame: Any) -> dict[str, Any]:
    margins = [a for a, _ in frame.margins] + [b for _, b in frame.margins]
    return {
        "kernel_shape": list(frame.sizes),
        "strides": list(frame.steps),
        "dilations": list(frame.dilations),
        "pads": margins,
    }


def _convolution(g: Any, node: Any, x: str, w: str) -> Any:
    return g.node(
        "Conv",
        *g.alike(node, (x, w), node.value.dtype),
        **_frame(node.attrs["frame"]),
        group=node.attrs["groups"],
    )


def _transposed_convolution(g: Any, node: Any, x: str, w: str) -> Any:
    how, lengths = _frame(node.attrs["frame"]), node.attrs["lengths"]
    if len(how["kernel_shape"]) == len(lengths):
        how["output_shape"] = list(lengths)
        extra = []
        for i, n in enumerate(lengths):
            before, after = node.attrs["frame"].margins[i]
            reach = (
                (np.shape(node.values[0])[2 + i] - 1) * how["strides"][i]
                + (how["kernel_shape"][i] - 1) * how["dilations"][i]
                + 1
            )
            extra.append(n - (reach - before - after))
        how.pop("output_shape")
        how["output_padding"] = extra
    return g.node("ConvTranspose", x, w, **how, group=node.attrs["groups"])


def _window_max(g: Any, node: Any, x: str) -> Any:
    return _pooled(g, node, x, "MaxPool")


def _window_sum(g: Any, node: Any, x: str) -> Any:
    """The mean of each window, margins counted, times its size."""
    size = math.prod(node.attrs["frame"].sizes)
    return g.node(
        "Mul",
        _pooled(g, node, x, "AveragePool", count_include_pad=1),
        g.constant(node.value.dtype.type(size)),
    )


def _pooled(g: Any, node: Any, x: str, kind: str, **how: Any) -> Any:
    frame, ndim = node.attrs["frame"], np.ndim(node.values[0])
    if ndim != len(frame.sizes) + 2:
        raise g.refuse(node, "pools arrays of (batch, channels, ...)")
    if any(d != 1 for d in frame.dilations) and kind == "AveragePool":
        raise g.refuse(node, "adds up windows without gaps")
    given = _frame(frame)
    if kind == "AveragePool":
        given.pop("dilations")
    return g.node(kind, x, **given, **how)


# --- formulas ---------------------------------------------------------------------------------------------------
def _formula(write: Callable[..., Any]) -> Write:
    """A few operators of the inputs as the result's dtype; `c(number)` is a constant of that dtype."""

    def written(g: Any, node: Any, *xs: str) -> Any:
        dtype = node.value.dtype
        return write(g.node, lambda number: g.constant(dtype.type(number)), *g.alike(node, xs, dtype))

    return written


def _logaddexp(n: Any, c: Any, x: str, y: str) -> Any:
    far = n("Neg", n("Abs", n("Sub", x, y)))
    return n("Add", n("Max", x, y), n("Log", n("Add", c(1), n("Exp", far))))


FORMULAS: dict[str, Callable[..., Any]] = {
    "square": lambda n, c, x: n("Mul", x, x),
    "cbrt": lambda n, c, x: n("Mul", n("Sign", x), n("Pow", n("Abs", x), c(1 / 3))),
    "exp2": lambda n, c, x: n("Pow", c(2), x),
    "exp10": lambda n, c, x: n("Pow", c(10), x),
    "expm1": lambda n, c, x: n("Sub", n("Exp", x), c(1)),
    "log1p": lambda n, c, x: n("Log", n("Add", x, c(1))),
    "log2": lambda n, c, x: n("Div", n("Log", x), c(math.log(2))),
    "log10": lambda n, c, x: n("Div", n("Log", x), c(math.log(10))),
    "logaddexp": _logaddexp,
    "hypot": lambda n, c, x, y: n("Sqrt", n("Add", n("Mul", x, x), n("Mul", y, y))),
    "logsigmoid": lambda n, c, x: n("Neg", n("Softplus", n("Neg", x))),
    "clip": lambda n, c, x, low, high: n("Min", n("Max", x, low), high),
    "radians": lambda n, c, x: n("Mul", x, c(math.pi / 180)),
    "degrees": lambda n, c, x: n("Mul", x, c(180 / math.pi)),
    "erfc": lambda n, c, x: n("Sub", c(1), n("Erf", x)),
    "ndtr": lambda n, c, x: n("Mul", c(0.5), n("Add", c(1), n("Erf", n("Mul", x, c(math.sqrt(0.5)))))),
    "logit": lambda n, c, x: n("Log", n("Div", x, n("Sub", c(1), x))),
    "trunc": lambda n, c, x: n("Mul", n("Sign", x), n("Floor", n("Abs", x))),
    "floor_divide": lambda n, c, x, y: n("Floor", n("Div", x, y)),
    "remainder": lambda n, c, x, y: n("Sub", x, n("Mul", y, n("Floor", n("Div", x, y)))),
    "rewritten": lambda n, c, x, new: n("Identity", new),
}


def _where(g: Any, node: Any, condition: str, x: str, y: str) -> Any:
    x, y = g.alike(node, (condition, x, y), node.value.dtype)[1:]
    return g.node("Where", g.cast(condition, np.dtype(bool)), x, y)


def _cast(g: Any, node: Any, x: str) -> Any:
    return g.cast(x, node.value.dtype)


def _round(g: Any, node: Any, x: str) -> Any:
    scale = g.constant(node.value.dtype.type(10.0 ** node.attrs["decimals"]))
    return (
        g.node("Round", x)
        if not node.attrs["decimals"]
        else g.node("Div", g.node("Round", g.node("Mul", x, scale)), scale)
    )


def _einsum(g: Any, node: Any, *xs: str) -> Any:
    return g.node("Einsum", *g.alike(node, xs, node.value.dtype), equation=node.attrs["subscripts"])


def _not(g: Any, node: Any, x: str) -> Any:
    return g.node("Not", g.cast(x, np.dtype(bool)))


def _infinite(g: Any, node: Any, x: str) -> Any:
    return g.node("IsInf", x)


def _finite(g: Any, node: Any, x: str) -> Any:
    return g.node("Not", g.node("Or", g.node("IsInf", x), g.node("IsNaN", x)))


def _deviation(g: Any, node: Any, x: str) -> Any:
    return g.node("Sqrt", _variance(g, node, x))


# fmt: off
WRITERS: dict[str, Write] = {
    **{name: _same(kind) for name, kind in SAME.items()}, **{name: _comparing(kind) for name, kind in COMPARING.items()},
    **{name: _logical(kind) for name, kind in LOGICAL.items()}, **{name: _reducing(kind) for name, kind in REDUCING.items()},
    **{name: _formula(write) for name, write in FORMULAS.items()}, **dict.fromkeys(("reshape", "ravel", "squeeze", "expand_dims"), _reshape),
    **dict.fromkeys(("transpose", "swapaxes", "moveaxis"), _turned), **dict.fromkeys(("astype", "truncate"), _cast),
    **dict.fromkeys(("logical_not", "invert"), _not), "not_equal": _unequal, "all": _deciding("ReduceMin"), "any": _deciding("ReduceMax"),
    "argmax": _picking("ArgMax"), "argmin": _picking("ArgMin"), "var": _variance, "std": _deviation, "softmax": _along("Softmax"),
    "log_softmax": _along("LogSoftmax"), "cumsum": _running, "broadcast_to": _expand, "repeat": _repeat, "resample": _resample, "flip": _flip, "concatenate": _concatenate, "stack": _stack,
    "pad": _pad, "getitem": _getitem, "convolution": _convolution, "transposed_convolution": _transposed_convolution, "window_max": _window_max,
    "window_sum": _window_sum, "where": _where, "round": _round, "einsum": _einsum, "isinf": _infinite, "isfinite": _finite,
}
# fmt: on


def enter_exchange() -> None:
    """Write into the facts of these ops what they are in ONNX."""
    for name, write in WRITERS.items():
        if name in ops:
            ops[name].facts = replace(ops[name].facts, onnx=write)
