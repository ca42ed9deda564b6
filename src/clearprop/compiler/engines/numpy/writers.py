"""The text of one value: a NumPy call that writes into a buffer, a view, or an operator on NumPy scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.plan.memory import LINE, empty
from clearprop.compiler.program.core import indices, ufunc_of
from clearprop.compiler.program.ir import Value

if TYPE_CHECKING:
    from clearprop.compiler.engines.numpy.statements import Statements

REDUCERS = {
    "sum": np.add.reduce,
    "prod": np.multiply.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
    "any": np.logical_or.reduce,
    "all": np.logical_and.reduce,
    "argmax": np.argmax,
    "argmin": np.argmin,
}


def _added(x: Any, axis: Any, dtype: Any, out: Any, keepdims: bool) -> Any:
    """Sums of float16 as float32 that are rounded once, however the array lies."""
    reduce: Any = np.add.reduce
    z = reduce(x, axis, np.float32, None, keepdims)
    if out is None:
        return z.astype(np.float16)
    np.copyto(out, z, "unsafe")
    return out


WIDENED = {"sum": _added}
"""Reductions of float16 that are computed in float32."""


_DOWN = ("max", "min", "sum")  # reducers that NumPy takes down the columns a vector at a time


def call_of_the_row(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    """An op without a writer: the NumPy call of its row."""
    run = lines.use(f"{v.op}_{v.serial}", lambda *arrays: v.core.run(v, list(arrays)))
    text = f"{run}({', '.join(xs)})"
    return f"{lines.use('copyto', np.copyto)}({out}, {text})" if out else text


def mapped(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    """A ufunc's call."""
    inside = [*xs, *([keyword(v.op) + out] if out else [])]
    return f"{lines.use(v.op, ufunc_of(v.op))}({', '.join(inside)})"


def reduced(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    """A reduction's call; many short rows go down the columns of a copy."""
    axes: Any = v.attrs["axes"]
    axes = axes[0] if len(axes) == 1 else axes
    wide = WIDENED.get(v.op) if v.dtype.name == "float16" else None
    name = lines.use(v.op, REDUCERS[v.op]) if wide is None else lines.use(f"wide_{v.op}", wide)
    if _turns_over(v) and out:
        x = v.operands[0]
        turned = lines.free("turned")
        dtype = lines.use(x.dtype.name, x.dtype.type)
        lines.before.append(f"{turned} = {lines.use('empty', empty)}({x.shape[::-1]}, {dtype})")
        return f"{lines.use('down', _down)}({name}, {xs[0]}, {turned}, {out})"
    if v.core.better:
        return f"{name}({xs[0]}, {axes}, {out or None}, keepdims=True)"
    return f"{name}({xs[0]}, {axes}, None, {out or None}, True)"


def _cast(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    if out:
        return f"{lines.use('copyto', np.copyto)}({out}, {xs[0]}, 'unsafe')"
    return f"{xs[0]}.astype({lines.use(v.dtype.name, v.dtype.type)})"


def _copied(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    return f"{lines.use('copyto', np.copyto)}({out}, {xs[0]})" if out else f"{xs[0]}.copy()"


def _summed_along(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    return f"{lines.use('cumsum', np.cumsum)}({xs[0]}, {v.attrs['axis']}, None, {out or None})"


def _joined(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    into = f", {out}" if out else ""
    return f"{lines.use('concatenate', np.concatenate)}(({', '.join(xs)}), {v.attrs['axis']}{into})"


def _matrix_product(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    function = "matmul"
    made: Callable[..., Any] = np.matmul
    shapes = [x.shape for x in v.operands]
    # `np.dot` takes a matrix of one entry for a number, and BLAS lets 0 times inf be 0 there
    if all(len(shape) == 2 for shape in (v.shape, *shapes)) and (1, 1) not in shapes:
        function, made = ("dot", np.dot) if v.size < FILLED else ("product", _product)
    return f"{lines.use(function, made)}({', '.join([*xs, *([out] if out else [])])})"


def _in_shape(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    number = () in (v.shape, v.inputs[0].shape)
    return f"{xs[0]}.reshape({v.shape})" + ("[()]" if number else "")


def _axes_turned(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    return f"{xs[0]}.T" if v.attrs["axes"] == (1, 0) else f"{xs[0]}.transpose({v.attrs['axes']})"


def _cut(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    return f"{xs[0]}[{', '.join(_bounds(s) for s in indices(v))}]"


def _repeated(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    return f"{lines.use('broadcast_to', np.broadcast_to)}({xs[0]}, {v.shape})"


def _number(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    return f"{lines.use(v.dtype.name, v.dtype.type)}({xs[0]})"


def _one_of_two(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    return f"{lines.use(v.dtype.name, v.dtype.type)}({xs[1]} if {xs[0]} else {xs[2]})"


def _where(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    """A choice into a buffer, which may be that of one of the two."""
    typed = [
        x if isinstance(y, Value) else f"{lines.use(v.dtype.name, v.dtype.type)}({x})"
        for x, y in zip(xs, v.inputs, strict=True)
    ]
    if not out:
        return f"{lines.use('where', np.where)}({', '.join(typed)})"
    masked = _masked(lines, v, xs, out)
    if masked:
        return masked
    copyto = lines.use("copyto", np.copyto)
    lies = [lines.lies(x) for x in v.inputs]
    here = lines.lies(v)
    if lies[0] == here:
        return f"{copyto}({out}, {lines.use('where', np.where)}({', '.join(typed)}))"
    if lies[1] == here:
        return f"{copyto}({out}, {xs[2]}, where={lines.use('logical_not', np.logical_not)}({xs[0]}))"
    if lies[2] != here:
        lines.body.append(f"{copyto}({out}, {xs[2]})")
    return f"{copyto}({out}, {xs[1]}, where={xs[0]})"


def _masked(lines: Statements, v: Value, xs: list[str], out: str) -> str:
    """A choice between an array and 0, by bits: `copyto` guesses wrong at every other entry of a mask."""
    c, x, y = v.inputs
    if v.dtype.itemsize not in (4, 8) or v.dtype.kind != "f":
        return ""
    for kept, other, name in ((x, y, xs[1]), (y, x, xs[2])):
        zero = not isinstance(other, Value) and repr(float(other)) == "0.0"
        if zero and isinstance(kept, Value) and kept.shape == v.shape == c.shape:
            function = _keep_where if kept is x else _keep_unless
            return f"{lines.use(function.__name__.strip('_'), function)}({xs[0]}, {name}, {out})"
    return ""


def _turns_over(v: Value) -> bool:
    """Tell whether many short rows are reduced, each of which would cost as much as a hundred entries."""
    x = v.operands[0]
    last = v.op in _DOWN and len(x.shape) == 2 and v.attrs["axes"] == (1,)
    if v.dtype.name == "float16":
        last = False  # along a row NumPy adds them as float32
    return last and 1 < x.shape[1] <= SHORT and x.shape[0] >= 2 * SHORT and x.dtype == v.dtype


Writer = Callable[[Any, Value, list[str], str], str]
"""Returns the text of a value from those of its inputs, and of the array it is written to ('': a new one)."""

# fmt: off
WRITERS: dict[str, Writer] = {
    "astype": _cast,          "positive": _copied,   "where":  _where,
    "cumsum": _summed_along,  "join":     _joined,   "matmul": _matrix_product,
}
FAMILIES: dict[str, Writer] = {
    "elementwise": mapped,    "reduce": reduced,
}
VIEWS: dict[str, Writer] = {
    "reshape": _in_shape,     "transpose":    _axes_turned,
    "slice":   _cut,          "broadcast_to": _repeated,
}
NUMBERS: dict[str, Writer] = {
    "astype":  _number,       "where":        _one_of_two,
    "positive": lambda lines, v, xs, out: xs[0],
}
# fmt: on


def keyword(op: str) -> str:
    """How a ufunc is told where to write: by position, which is quicker, but for those that want the name."""
    return "out=" if op in ("maximum", "minimum") or not hasattr(np, op) else ""


FLOATS = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def _bounds(s: slice) -> str:
    return f"{s.start}:{'' if s.stop is None else s.stop}" + (f":{s.step}" if s.step != 1 else "")


def _keep_where(mask: Any, x: Any, out: Any) -> None:
    """x where the mask holds and 0 elsewhere, for any x: its bits times one or none."""
    bits = _BITS[x.itemsize]
    np.multiply(x.view(bits), mask, out.view(bits))


def _keep_unless(mask: Any, x: Any, out: Any) -> None:
    """0 where the mask holds and x elsewhere."""
    _keep_where(np.logical_not(mask), x, out)


_BITS = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def _product(x: Any, y: Any, out: Any = None) -> Any:
    """x @ y of matrices: `np.dot` would clear the result first, `np.matmul` of NumPy 2.0 does without BLAS
    where that cannot take a factor as it lies."""
    return np.matmul(x, y, out) if _lies_plain(x) and _lies_plain(y) else np.dot(x, y, out)


def _lies_plain(x: Any) -> bool:
    """Whether the rows of a matrix, or its columns, lie one behind the other."""
    (m, n), (down, along), size = x.shape, x.strides, x.itemsize
    return bool((along == size and down >= n * size) or (down == size and along >= m * size))


def _down(reduce: Any, x: Any, turned: Any, out: Any) -> None:
    """Reduce rows by going down the columns of a copy: NumPy takes each short row by itself."""
    np.copyto(turned, x.T)
    reduce(turned, 0, None, out.T, True)


def owned(z: Any) -> Any:
    """What a call returned, as arrays of its own: a view of a buffer would change when that is used again."""
    return z.copy() if isinstance(z, np.ndarray) and z.ndim else z


FILLED = 1 << 13  # entries of a product: clearing them first takes longer than the longer call
SHORT = 32  # entries of a row
STRETCH = 1 << 15  # entries: a few such arrays lie in the second-level cache of one core


def stretches(arrays: tuple[Any, ...], dtypes: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The arrays cut into stretches, with scratch arrays of that length beside them."""
    flat = [a.reshape(-1) for a in arrays]
    n = flat[0].size
    length = -(-n // -(-n // STRETCH) // LINE) * LINE  # equal ones, each from a cache line on
    scratch = [empty((length,), dtype) for dtype in dtypes]
    return [
        (*(a[i : i + length] for a in flat), *(s[: min(length, n - i)] for s in scratch))
        for i in range(0, n, length)
    ]
