"""The table of core ops: a row for each operation that a Program can hold, and what others may ask of it.

A new core op is a row here, which has its NumPy call, and where that shall be fast a writer in each executor;
ops that are elementwise, and views, need none. Nobody compares the name of an op: its row says what it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from clearprop.adding import added
from clearprop.compiler.program.strides import Steps, reshaped, spread
from clearprop.errors import lesson
from clearprop.registry import ops
from clearprop.ufunc import Ufunc

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value

Dtype: TypeAlias = "np.dtype[Any]"
Family = Literal[
    "leaf", "elementwise", "reduce", "view", "contract", "gather", "scan", "join", "copy", "draw", "call"
]


# --- reductions: what changes nothing -----------------------------------------------------------------------
def zero(dtype: Dtype) -> int:
    """Return 0, which no sum notices."""
    return 0


def one(dtype: Dtype) -> int:
    """Return 1, which no product notices."""
    return 1


def lowest(dtype: Dtype) -> Any:
    """Return what is below every number, or no higher than any."""
    if dtype.kind == "f":
        return -math.inf
    return False if dtype.kind == "b" else int(np.iinfo(dtype).min)


def highest(dtype: Dtype) -> Any:
    """Return what is above every number, or no lower than any."""
    if dtype.kind == "f":
        return math.inf
    return True if dtype.kind == "b" else int(np.iinfo(dtype).max)


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """What is known of an operation. `family`:

    - `leaf`: nothing is computed, it is there: an argument, a state, a constant;
    - `elementwise`: each entry from the entries at its own place; inputs broadcast as in NumPy;
    - `reduce`: many entries to one, along the axes `axes`, which are kept with length 1;
    - `view`: entries of its input under other places; nothing is computed, memory is shared;
    - `contract`: sums of products; `gather`: entries at places that index arrays say, or added there;
    - `scan`: entries that follow from those before them; `join`: arrays side by side;
    - `copy`: entries in another order, in memory of their own; `draw`: random numbers;
    - `call`: an op of the registry, of which nothing is known but its `forward`.
    """

    family: Family
    run: Callable[[Value, list[Any]], Any]
    """The NumPy call: the array of a value from those of its inputs. Every executor must agree with it."""
    reads: Literal["entry", "space", "picked", "drawn", "anywhere"] = "anywhere"
    """`entry`: each operand at the result's own place; `space`: all entries that become one; `picked` and `drawn`:
    the first operand here and there (`drawn`: results in the order of memory), the others as `entry`."""
    bounds: Callable[[Value], tuple[Any, ...]] | None = None
    """What its index arrays are held against, which may fail; None where it has none."""
    fails: bool = False
    """Whether NumPy may raise in it, an index out of bounds aside."""
    seen: Callable[[Value, Steps], tuple[int, Steps] | None] | None = None
    """Of a view: where its entries lie, as offset and strides, from the strides of its input; or None where
    only a copy can be had."""
    back: Callable[[Value, Steps], Steps | None] | None = None
    """Of a view that has each entry once: the strides of its input from its own, the way back from `seen`."""
    repeats: bool = False
    """Whether each entry of the result is one of the input, which may come several times."""
    copies: bool = False
    """Whether it is the entries of its input once more: two copies of one thing are one."""
    apart: bool = False
    """Whether it is written by others, a part by each, which never meet."""
    combine: str = ""
    """Of a reduction: the ufunc that makes one of two partial results; '' where there is none (a place)."""
    better: str = ""
    """Of a reduction to a place: the ufunc that says which of two entries wins."""
    start: Callable[[Dtype], Any] = zero
    """Of a reduction: what changes no result, for an operand's dtype."""
    empty: bool = True
    """Of a reduction: whether no entries have a result."""
    takes: Literal["", "bool", "result"] = ""
    """Of a reduction: what its operand is cast to."""
    terms: Callable[[Value], int] | None = None
    """How many terms are added up to an entry; None where nothing is."""
    casts: bool = False
    """Whether it is the entries of its input in another dtype."""
    masks: bool = False
    """Whether NumPy's call takes a mask among numbers as it is, and casts on the way."""
    exact: bool = False
    """Whether its results are entries of its operands, or whole numbers: nothing is rounded."""
    finite: bool = False
    """Whether finite operands (of `where`: choices) have finite results."""
    flops: Callable[[Value], int] = lambda v: 0
    """Floating-point operations."""
    cost: int = 1
    """Roughly how many instructions an entry is."""


# --- NumPy's calls ------------------------------------------------------------------------------------------
def _typed(x: Any, v: Value) -> Any:
    """A number of the dtype that the op computes in, so that NumPy chooses the same loop."""
    if isinstance(x, (np.ndarray, np.generic)) or not v.operands:
        return x
    return v.operands[0].dtype.type(x)


def _called(v: Value, xs: list[Any]) -> Any:
    return ops[v.op].forward(*xs, **v.attrs)


@cache
def _mixed(ufunc: Any) -> bool:
    """Whether a ufunc knows operands of different dtypes alone, as `ldexp`: a number then stays what it is."""
    loops = getattr(ufunc, "types", ())
    return bool(loops) and all(len(set(loop.partition("->")[0])) > 1 for loop in loops)


def _mapped(v: Value, xs: list[Any]) -> Any:
    ufunc = ufunc_of(v.op)
    return ufunc(*xs) if _mixed(ufunc) else ufunc(*(_typed(x, v) for x in xs))


def _chosen(v: Value, xs: list[Any]) -> Any:
    numbers = [x if isinstance(x, (np.ndarray, np.generic)) else v.dtype.type(x) for x in xs[1:]]
    return np.where(xs[0], *numbers)


def _added(v: Value, xs: list[Any]) -> Any:
    return added(np.asarray(xs[0]), v.attrs["axes"], True)


def _reduced(v: Value, xs: list[Any]) -> Any:
    return getattr(np, v.op)(xs[0], axis=v.attrs["axes"], keepdims=True)


def _placed(v: Value, xs: list[Any]) -> Any:
    return getattr(np, v.op)(xs[0], axis=v.attrs["axes"][0], keepdims=True)


def unrun(v: Value, xs: list[Any]) -> Any:
    """Stand for the call of what NumPy never computes: a leaf, or a form that an executor gives an op."""
    raise TypeError(f"{v.op or v.kind} has no call of NumPy")


# --- where the entries of views lie -------------------------------------------------------------------------
def indices(v: Value) -> tuple[slice, ...]:
    """Return the slices that a `slice` value takes."""
    return tuple(slice(start, None if stop < 0 else stop, step) for start, stop, step in v.attrs["index"])


def _in_shape(v: Value, strides: Steps) -> tuple[int, Steps] | None:
    found = reshaped(v.inputs[0].shape, strides, v.shape)
    return None if found is None else (0, found)


def _out_of_shape(v: Value, strides: Steps) -> Steps | None:
    return reshaped(v.shape, strides, v.inputs[0].shape)


def _turned(v: Value, strides: Steps) -> tuple[int, Steps]:
    return 0, tuple(strides[a] for a in v.attrs["axes"])


def _turned_back(v: Value, strides: Steps) -> Steps:
    order = dict(zip(v.attrs["axes"], strides, strict=True))
    return tuple(order[a] for a in range(len(order)))


def _cut(v: Value, strides: Steps) -> tuple[int, Steps]:
    bounds = v.attrs["index"]
    offset = sum(s * start for s, (start, _, _), n in zip(strides, bounds, v.shape, strict=True) if n)
    return offset, tuple(s * step for s, (_, _, step) in zip(strides, bounds, strict=True))


def _spread(v: Value, strides: Steps) -> tuple[int, Steps]:
    x = v.inputs[0]
    return 0, spread(strides, x.shape, v.shape, len(v.shape) - len(x.shape))


def _windowed(v: Value, strides: Steps) -> tuple[int, Steps]:
    """Windows overlap: each axis moves on by its step, and the offsets inside of a window are axes of their own."""
    axes, steps = v.attrs["axes"], dict(zip(v.attrs["axes"], v.attrs["steps"], strict=True))
    inside = tuple(strides[a] * d for a, d in zip(axes, v.attrs["dilations"], strict=True))
    return 0, (*(step * steps.get(a, 1) for a, step in enumerate(strides)), *inside)


# --- costs, and terms of sums -------------------------------------------------------------------------------
def _an_entry(v: Value) -> int:
    return v.size if v.dtype.kind == "f" else 0


def _an_operand(v: Value) -> int:
    return v.operands[0].size


def _inner(v: Value) -> int:
    return int(v.operands[0].shape[-1])


def _products(v: Value) -> int:
    return 2 * v.size * _inner(v)


def _together(v: Value) -> int:
    return v.operands[0].size // max(1, v.size)


def _along(v: Value) -> int:
    return int(v.operands[0].shape[v.attrs["axis"]])


# --- what index arrays are held against ---------------------------------------------------------------------
def _from(v: Value) -> tuple[Any, ...]:
    return (repr(v.attrs["index"]), v.operands[0].shape)


def _into(v: Value) -> tuple[Any, ...]:
    return (repr(v.attrs["index"]), v.shape)


# --- the table ----------------------------------------------------------------------------------------------
# fmt: off
CORE: dict[str, Core] = {
    "where":        Core(family="elementwise", run=_chosen,                                  reads="entry", flops=_an_entry, exact=True, finite=True),
    "astype":       Core(family="elementwise", run=lambda v, xs: np.asarray(xs[0]).astype(v.dtype), reads="entry", casts=True),
    "sum":          Core(family="reduce",   run=_added,   reads="space", flops=_an_operand, combine="add",         start=zero,    takes="result", terms=_together),
    "prod":         Core(family="reduce",   run=_reduced, reads="space", flops=_an_operand, combine="multiply",    start=one,     takes="result", terms=_together),
    "max":          Core(family="reduce",   run=_reduced, reads="space", flops=_an_operand, combine="maximum",     start=lowest,  empty=False, exact=True),
    "min":          Core(family="reduce",   run=_reduced, reads="space", flops=_an_operand, combine="minimum",     start=highest, empty=False, exact=True),
    "any":          Core(family="reduce",   run=_reduced, reads="space", flops=_an_operand, combine="logical_or",  start=zero,    takes="bool"),
    "all":          Core(family="reduce",   run=_reduced, reads="space", flops=_an_operand, combine="logical_and", start=one,     takes="bool"),
    "argmax":       Core(family="reduce",   run=_placed,  reads="space", flops=_an_operand, better="greater",      start=lowest,  empty=False),
    "argmin":       Core(family="reduce",   run=_placed,  reads="space", flops=_an_operand, better="less",         start=highest, empty=False),
    "reshape":      Core(family="view",     run=lambda v, xs: np.reshape(xs[0], v.shape),            seen=_in_shape, back=_out_of_shape, exact=True, finite=True),
    "transpose":    Core(family="view",     run=lambda v, xs: np.transpose(xs[0], v.attrs["axes"]),  seen=_turned,   back=_turned_back,  exact=True, finite=True),
    "slice":        Core(family="view",     run=lambda v, xs: np.asarray(xs[0])[indices(v)],         seen=_cut,      exact=True, finite=True),
    "broadcast_to": Core(family="view",     run=lambda v, xs: np.broadcast_to(xs[0], v.shape),       seen=_spread,   exact=True, finite=True, repeats=True),
    "windows":      Core(family="view",     run=_called,                                             seen=_windowed, exact=True, finite=True, repeats=True),
    "matmul":       Core(family="contract", run=lambda v, xs: np.matmul(*(_typed(x, v) for x in xs)), flops=_products, terms=_inner),
    "cumsum":       Core(family="scan",     run=lambda v, xs: np.cumsum(xs[0], axis=v.attrs["axis"]), terms=_along),
    "join":         Core(family="join",     run=lambda v, xs: np.concatenate(xs, axis=v.attrs["axis"]), exact=True),
}
"""Every core op but the ufuncs, whose rows are made from what is said of them below."""

CALLS: dict[str, Core] = {
    "getitem":  Core(family="gather", run=_called, bounds=_from, reads="picked"),
    "scatter":  Core(family="gather", run=_called, bounds=_into),
    "matmul":   Core(family="call",   run=_called, fails=True, terms=_inner),
    "astype":   Core(family="call",   run=_called, fails=True, casts=True),
    "detach":   Core(family="call",   run=_called, fails=True, copies=True),
    "positive": Core(family="call",   run=_called, fails=True, copies=True, exact=True),
}
"""Calls of the registry's ops of which more is known than that they can be called."""
# fmt: on


def enter(name: str, row: Core) -> None:
    """Add the row of an op that an executor makes of others: a form in which it computes them.

    Raises ValueError where the name has a row.
    """
    if name in CORE:
        raise ValueError(lesson(f"enter({name!r})", "a name that no core op has", f"{CORE[name].family}"))
    CORE[name] = row


LEAF = Core(family="leaf", run=unrun)

# What is said of a ufunc beside its name: which take long, round nothing, keep finite what is, take masks.
# fmt: off
COSTLY = {
    "exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "tanh", "sinh", "cosh", "sin", "cos", "tan",
    "power", "logaddexp", "divide", "sqrt",
}
EXACT = {
    "abs", "absolute", "fabs", "negative", "positive", "sign", "copysign", "conjugate",
    "maximum", "minimum", "fmax", "fmin", "floor", "ceil", "rint", "trunc",
}
# fmt: on
FINITE = {"negative", "sign"}
MASKS = {"multiply"}


def ufunc_of(op: str) -> Any:
    """Return the ufunc of one output that has this name, NumPy's or the `Ufunc` of a registered op, or None.

    >>> ufunc_of("exp"), ufunc_of("erf"), ufunc_of("softmax")
    (<ufunc 'exp'>, <Ufunc erf>, None)
    """
    found = getattr(np, op, None)
    if found is None and op in ops:
        found = ops[op].forward
    return found if isinstance(found, (np.ufunc, Ufunc)) and found.nout == 1 else None


@cache
def _of_ufunc(op: str) -> Core:
    """The row of a ufunc; one that is a formula in NumPy (`Ufunc`) takes long, whatever it is."""
    return Core(
        family="elementwise",
        run=_mapped,
        reads="entry",
        flops=_an_entry,
        copies=op == "positive",
        exact=op in EXACT,
        finite=op in FINITE,
        masks=op in MASKS,
        cost=8 if op in COSTLY or not hasattr(np, op) else 1,
    )


@cache
def _of_call(op: str) -> Core:
    """The row of a call: one of what is a core op elsewhere rounds no more than that does."""
    known = CORE.get(op) or (_of_ufunc(op) if ufunc_of(op) is not None else LEAF)
    return Core(family="call", run=_called, fails=True, exact=known.exact)


def core_of(kind: str, op: str) -> Core:
    """Return the row of what a value is computed by.

    >>> core_of("op", "tanh").family, core_of("op", "sum").family, core_of("call", "sum").family
    ('elementwise', 'reduce', 'call')
    """
    if kind == "op":
        found = CORE.get(op)
        if found is None:
            if ufunc_of(op) is None:
                raise KeyError(f"{op} is no core op: it has no row in the table of core ops")
            found = _of_ufunc(op)
        return found
    if kind == "call":
        return CALLS.get(op) or _of_call(op)
    return LEAF
