"""Rewriting: a table of rules, one a line, applied from the inputs up until none fires.

Every rule keeps values to rounding, and NaN, infinities and masked zeros as they are. Common subexpressions
and constants need no rule: the builder makes equal ops once and computes what depends on constants alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.program.builder import Builder
from clearprop.compiler.program.ir import Program, Value, is_op
from clearprop.compiler.program.joins import flat, neighbours, of_a_part
from clearprop.compiler.program.sums import gathered, long_sums

Rule = Callable[..., Any]


# --- what a rule may ask of an input ------------------------------------------------------------------------
def number(x: Any) -> Any:
    """Return the number that an input holds at every entry, or None.

    >>> number(2.0), number(Value("constant", (2,), np.dtype("f4"), data=np.zeros(2, "f4")))
    (2.0, None)
    """
    if not isinstance(x, Value):
        return x
    return x.data.item() if x.kind == "constant" and x.size == 1 else None


def finite(x: Any) -> bool:
    """Tell whether an input can hold neither NaN nor an infinity, whatever is passed."""
    waiting, seen = [x], set[Any]()
    while waiting:
        x = waiting.pop()
        if not isinstance(x, Value):
            known: bool | None = math.isfinite(x)
        elif x.kind == "constant" or x.dtype.kind != "f":
            known = x.kind != "constant" or bool(np.isfinite(x.data).all())
        elif is_op(x, "astype"):
            known = x.inputs[0].dtype.kind in "iub"
        else:
            known = None if x.core.finite else False
        if known is False:
            return False
        if known is None and x not in seen:
            seen.add(x)
            waiting += x.inputs[-2:]
    return True


def _doubling(c: Any) -> bool:
    """Whether a product with `c` is exact, and its inverse too: a power of two of modest size."""
    return (
        isinstance(c, float)
        and c != 0
        and math.isfinite(c)
        and abs(math.frexp(c)[0]) == 0.5
        and (2.0**-32 <= abs(c) <= 2.0**32)
    )


# --- the rules' right-hand sides ----------------------------------------------------------------------------
def _times(b: Builder, x: Any, c: float) -> Value:
    return b.ufunc(np.multiply, x, c)


def _merged(b: Builder, x: Any, c: Any) -> Any:
    """(x * a) * c = x * (a c) where one of them is a power of two."""
    c = number(c)
    if c is None or not is_op(x, "multiply"):
        return None
    for y, a in (x.inputs, x.inputs[::-1]):
        a = number(a)
        if isinstance(y, Value) and a is not None and (_doubling(a) or _doubling(c)) and y.shape == x.shape:
            return _times(b, y, a * c)
    return None


def _masked(b: Builder, c: Any, x: Any, y: Any) -> Any:
    """where(g == 0, 0, g * d) = g * d where d is finite: there is no 0 * inf to keep out."""
    if number(x) != 0 or not is_op(c, "equal") or not is_op(y, "multiply") or number(c.inputs[1]) != 0:
        return None
    g, d = y.inputs
    return y if c.inputs[0] is g and finite(d) else None


def _shares(b: Builder, v: Value, x: Any) -> Any:
    """exp(s - log(sum(exp(s)))) = exp(s) / sum(exp(s)) for s = x - max(x): the backward of log-softmax."""
    if not is_op(x, "subtract") or not is_op(x.inputs[1], "log"):
        return None
    s, total = x.inputs[0], x.inputs[1].inputs[0]
    if not is_op(s, "subtract") or not is_op(s.inputs[1], "max") or not is_op(total, "sum"):
        return None
    e = total.inputs[0]
    return b.ufunc(np.divide, e, total) if is_op(e, "exp") and e.inputs[0] is s else None


def _one_hot(b: Builder, v: Value, *inputs: Any) -> Any:
    """scatter(g, rows, labels) = where(labels == columns, g, 0) where each row receives one entry."""
    if len(inputs) != len(v.shape) + 1 or len(v.shape) != len(v.attrs["index"]):
        return None
    g, *places = inputs
    along = [i for i, place in enumerate(places) if isinstance(place, Value) and place.kind != "constant"]
    if len(along) != 1 or not all(isinstance(place, Value) for place in inputs):
        return None
    axis = along[0]
    kept = tuple(1 if i == axis else n for i, n in enumerate(v.shape))
    labels = places[axis]
    if labels.shape != kept or g.shape != kept or labels.dtype.kind not in "iu":
        return None
    for i, n in enumerate(v.shape):
        line = tuple(n if i == j else 1 for j in range(len(v.shape)))
        if i != axis and not np.array_equal(places[i].data, np.arange(n).reshape(line)):
            return None
    count = v.shape[axis]
    columns = np.arange(count).reshape(tuple(count if i == axis else 1 for i in range(len(v.shape))))
    wrapped = labels
    if labels.dtype.kind == "i":
        wrapped = b.where(b.ufunc(np.less, labels, 0), b.ufunc(np.add, labels, count), labels)
    here = b.ufunc(np.equal, wrapped, b.constant(columns.astype(wrapped.dtype)))
    return b.where(here, g, 0.0)


def _one_of_each(b: Builder, v: Value, x: Any) -> Any:
    """sum(where(labels == columns, g, 0)) along the columns = g."""
    if not is_op(x, "where") or number(x.inputs[2]) != 0 or not is_op(x.inputs[0], "equal"):
        return None
    columns = x.inputs[0].inputs[1]
    axes = v.attrs["axes"]
    if len(axes) != 1 or not isinstance(columns, Value) or columns.kind != "constant":
        return None
    n = x.shape[axes[0]]
    labels, g = x.inputs[0].inputs[0], x.inputs[1]
    straight = columns.size == n == columns.shape[axes[0]] and np.array_equal(
        columns.data.ravel(), np.arange(n)
    )
    constant_along = all(
        not isinstance(y, Value) or (len(y.shape) == len(x.shape) and y.shape[axes[0]] == 1)
        for y in (labels, g)
    )
    return g if straight and constant_along and isinstance(g, Value) else None


def _repeated(b: Builder, v: Value, x: Any) -> Any:
    """sum(broadcast_to(x)) = n x."""
    if not is_op(x, "broadcast_to") or v.dtype.kind != "f":
        return None
    inner = x.inputs[0]
    inner = b.reshape(inner, (1,) * (len(x.shape) - len(inner.shape)) + inner.shape)
    n = 1
    for axis in v.attrs["axes"]:
        if inner.shape[axis] != 1 and x.shape[axis] != 1:
            return None
        n *= x.shape[axis]
    return _times(b, inner, float(n)) if n else None


def _turned_product(b: Builder, v: Value, x: Any) -> Any:
    """(x y)^T = y^T x^T: the gradient of `W.T` comes out in W's own layout."""
    if not is_op(x, "matmul") or v.attrs["axes"] != (1, 0):
        return None
    left, right = x.inputs
    return b.matmul(b.transpose(right), b.transpose(left))


def _turned_inside(b: Builder, v: Value, x: Any) -> Any:
    """f(x, y)^T = f(x^T, y^T), where that reaches a product."""
    if not (isinstance(x, Value) and x.is_ufunc) or not any(
        is_op(y, "matmul", "transpose") for y in x.inputs
    ):
        return None
    if any(isinstance(y, Value) and y.shape != x.shape for y in x.inputs):
        return None
    inputs = tuple(b.transpose(y, v.attrs["axes"]) if isinstance(y, Value) else y for y in x.inputs)
    return b.emit(x.op, inputs, v.shape, v.dtype, x.attrs)


def _as_reshape(b: Builder, v: Value, x: Any) -> Any:
    """A transpose that only moves axes of length 1 moves nothing in memory."""
    moved = [a for a in v.attrs["axes"] if x.shape[a] != 1]
    return b.reshape(x, v.shape) if moved == sorted(moved) else None


def _power(b: Builder, v: Value, x: Any, y: Any) -> Any:
    ufunc = {1.0: np.positive, 2.0: np.square, 0.5: np.sqrt, -1.0: np.reciprocal}.get(number(y))
    return b.ufunc(ufunc, x) if ufunc and isinstance(x, Value) and v.dtype.kind == "f" else None


def _log_inverse(b: Builder, v: Value, x: Any) -> Any:
    """exp(log x) = x, and NaN below 0 as before."""
    return b.where(b.ufunc(np.less, x.inputs[0], 0.0), math.nan, x.inputs[0]) if is_op(x, "log") else None


# name, core op, right-hand side (None: the rule does not apply), whether `x` must have no other user
# fmt: off
RULES: tuple[tuple[str, str, Rule, bool], ...] = (
    ("x * 1 = x",                    "multiply",  lambda b, v, x, y: x if number(y) == 1 else y if number(x) == 1 else None, False),
    ("x / 1 = x",                    "divide",    lambda b, v, x, y: x if number(y) == 1 else None, False),
    ("x - 0 = x",                    "subtract",  lambda b, v, x, y: x if number(y) == 0 and math.copysign(1, number(y)) > 0 else None, False),
    ("x + 0 = x",                    "add",       lambda b, v, x, y: x if number(y) == 0 and v.dtype.kind in "iu" else None, False),
    ("x + x = 2 x",                  "add",       lambda b, v, x, y: _times(b, x, 2.0) if x is y and v.dtype.kind == "f" else None, False),
    ("x + -y = x - y",               "add",       lambda b, v, x, y: b.ufunc(np.subtract, x, y.inputs[0]) if is_op(y, "negative") else None, False),
    ("x - -y = x + y",               "subtract",  lambda b, v, x, y: b.ufunc(np.add, x, y.inputs[0]) if is_op(y, "negative") else None, False),
    ("--x = x",                      "negative",  lambda b, v, x: x.inputs[0] if is_op(x, "negative") else None, False),
    ("+x = x",                       "positive",  lambda b, v, x: x, False),
    ("-x * c = x * -c",              "multiply",  lambda b, v, x, y: _times(b, x.inputs[0], -number(y)) if is_op(x, "negative") and number(y) is not None else None, False),
    ("(x * a) * c = x * (a c)",      "multiply",  lambda b, v, x, y: _merged(b, x, y) or _merged(b, y, x), False),
    ("x / 2^n = x * 2^-n",           "divide",    lambda b, v, x, y: _times(b, x, 1 / number(y)) if _doubling(number(y)) else None, False),
    ("x^2, x^0.5, 1/x",              "power",     _power, False),
    ("exp(log x) = x, NaN below 0",  "exp",       _log_inverse, False),
    ("softmax from log-softmax",     "exp",       _shares, False),
    ("where(c, x, x) = x",           "where",     lambda b, v, c, x, y: x if x is y else None, False),
    ("masked product, finite d",     "where",     lambda b, v, c, x, y: _masked(b, c, x, y), False),
    ("one entry a row: one-hot",     "scatter",   _one_hot, False),
    ("the sum of a one-hot row",     "sum",       _one_of_each, False),
    ("sum of repeated = n x",        "sum",       _repeated, False),
    ("sum over length 1 = x",        "sum",       lambda b, v, x: x if x.shape == v.shape else None, False),
    ("extreme over length 1 = x",    "max",       lambda b, v, x: x if x.shape == v.shape else None, False),
    ("join(x, join(y, z))",          "join",      flat, False),
    ("join(x[:k], x[k:]) = x",       "join",      neighbours, False),
    ("slice of a join's part",       "slice",     of_a_part, False),
    ("transpose that moves nothing", "transpose", _as_reshape, False),
    ("(x y)^T = y^T x^T",            "transpose", _turned_product, True),
    ("f(x, y)^T = f(x^T, y^T)",      "transpose", _turned_inside, True),
)
# fmt: on
_BY_OP: dict[str, list[tuple[str, Rule, bool]]] = {}
for _name, _op, _rule, _single in RULES:
    _BY_OP.setdefault(_op, []).append((_name, _rule, _single))


def rewrite(program: Program) -> tuple[Program, Counter[str]]:
    """Return an equal program that computes less, and how often each rule was used."""
    fired: Counter[str] = Counter()
    for _ in range(8):
        before = sum(fired.values()), len(program.values)
        program = _once(program, fired)
        if (sum(fired.values()), len(program.values)) == before:
            break
    return program, fired


def _once(program: Program, fired: Counter[str]) -> Program:
    users = Counter(x for v in program.values for x in set(v.operands))
    users.update(set(program.results))
    builder, sums = Builder(), long_sums(program, users)
    new: dict[Value, Any] = {}
    alone: set[Value] = set()  # new values that stand for an old one with a single user
    for v in program.values:
        builder.line = v.line
        if not v.computed:
            z = _constant(builder, v) if v.kind == "constant" else v
            if v.kind != "constant":
                builder.values.append(v)
        else:
            inputs = tuple([new[x] if isinstance(x, Value) else x for x in v.inputs])
            gained = gathered(builder, [new[x] for x in sums[v]], alone, fired) if v in sums else None
            z = gained or _simplified(builder, v, _plain_inputs(v, inputs), alone, fired)
        new[v] = z
        if users[v] <= 1:
            alone.add(z)
        else:
            alone.discard(z)
    results = Program(
        builder.values,
        [new[v] for v in program.outputs],
        [(s, new[v]) for s, v in program.assignments],
        [new[v] for v in program.checks],
    )
    results.prune()
    return results


def _constant(builder: Builder, v: Value) -> Value:
    """Equal entries are one number, repeated."""
    if v.size > 1 and v.dtype.kind == "f" and (v.data == v.data.flat[0]).all():
        return builder.broadcast_to(builder.constant(v.data.flat[0]), v.shape)
    return builder.constant(v.data)


def _plain_inputs(v: Value, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop what broadcasting does anyway, and turn constants without axes into numbers."""
    if not v.is_ufunc or v.core.casts:
        return inputs
    plain: list[Any] = []
    for i, x in enumerate(inputs):
        y = x
        if is_op(y, "broadcast_to"):
            y = y.inputs[0]
        if isinstance(y, Value) and number(y) is not None and not (i == 0 and is_op(v, "where")):
            y = number(y)
        others = [z for j, z in enumerate((*plain, *inputs[i + 1 :])) if isinstance(z, Value)]
        shapes = [z.shape for z in (*others, y) if isinstance(z, Value)]
        same_type = not is_op(v, "where") or any(z.dtype == v.dtype for z in others)
        if not others or not same_type or np.broadcast_shapes(*shapes) != v.shape:
            y = x
        plain.append(y)
    return tuple(plain)


def _simplified(
    builder: Builder, v: Value, inputs: tuple[Any, ...], alone: set[Value], fired: Counter[str]
) -> Value:
    for name, rule, single in _BY_OP.get(v.op, ()):
        if v.core.family == "call" or (single and inputs[0] not in alone):
            continue
        z = rule(builder, v, *inputs)
        if z is None:
            continue
        if not isinstance(z, Value):
            z = builder.constant(v.dtype.type(z))
        if z.dtype != v.dtype:
            continue
        fired[name] += 1
        return builder.broadcast_to(z, v.shape)
    if is_op(v, "reshape"):
        return builder.reshape(inputs[0], v.shape)
    if is_op(v, "transpose"):
        return builder.transpose(inputs[0], v.attrs["axes"])
    return builder.emit(v.op, inputs, v.shape, v.dtype, v.attrs, v.kind, v.why)
