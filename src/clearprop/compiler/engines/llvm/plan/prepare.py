"""How native code computes each value: in a loop, as a product or by NumPy, and in which form."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.language.ufuncs import UFUNCS
from clearprop.compiler.engines.llvm.loops.entries import CHOICES
from clearprop.compiler.engines.llvm.loops.indexing import indexed
from clearprop.compiler.engines.llvm.loops.random import drawn
from clearprop.compiler.engines.llvm.plan.pieces import KINDS
from clearprop.compiler.engines.llvm.products.convolution import WRITERS, native
from clearprop.compiler.engines.llvm.products.products import MANY, SOME, ProductWriter, panelled
from clearprop.compiler.engines.llvm.products.turning import TURNED
from clearprop.compiler.plan.prepare import Add, copied
from clearprop.compiler.program.ir import Value, turns_of
from clearprop.compiler.program.layout import layout
from clearprop.compiler.program.strides import contiguous

FLOATS = ("float32", "float64")


def has_instructions(v: Value) -> bool:
    """Tell whether a loop can compute `v`; what cannot is a call of NumPy."""
    if v.kind != "op":
        return False
    if v.source is not None:
        return True
    dtypes = [v.dtype, *(x.dtype for x in v.operands)]
    if not all(map(_has_registers, dtypes)):
        return False
    if v.reduces:
        return bool(v.inputs[0].size)
    if v.core.casts:
        return casts_alike(v.operands[0].dtype, v.dtype)
    return v.op in UFUNCS or v.op in CHOICES


def _has_registers(dtype: Any) -> bool:
    return dtype.kind in "biuf" and dtype.name not in ("float16", "float128", "longdouble")


@cache
def casts_alike(old: Any, new: Any) -> bool:
    """Tell whether NumPy of this machine casts numbers out of an integer's range as native code does.

    C leaves open what they become. Vectors and what is left of them may differ, so both are tried.
    """
    if old.kind != "f" or new.kind not in "iu":
        return True
    top = 2.0 ** (8 * new.itemsize)
    ends = [0.0, 1.5, -3.7, 300.0, -300.0, 0.5 * top, 0.75 * top, top, 3e9, -3e9, 1e10, -1e10, 1e15, 1e25]
    numbers = np.array([*ends, -0.5 * top, -top, -1e25, np.nan, np.inf, -np.inf]).astype(old)
    with np.errstate(all="ignore"):
        alone = [np.array([x]).astype(new)[0] for x in numbers]
        together = np.repeat(numbers, 33).astype(new)
    wanted = np.array([_cast(float(x), new) for x in numbers])
    return np.array_equal(alone, wanted) and np.array_equal(together, np.repeat(wanted, 33))


def _cast(x: float, new: Any) -> Any:
    """What native code makes of one number (see `Register._to_integer`)."""
    size = max(32, 8 * new.itemsize)
    top = 2.0 ** (size - 1)
    high = new.kind == "u" and new.itemsize >= 4 and x >= top
    y = x - top if high else x
    bits = int(y) if -top <= y < top else -(1 << (size - 1))
    bits += (1 << (size - 1)) if high else 0
    return np.array(bits & ((1 << 64) - 1), np.uint64).astype(new)


def kind(v: Value) -> str:
    """Return the kind of group that computes `v`."""
    if v.form is TURNED and v.core.copies:
        return "transpose"
    if v.kind == "op" and v.op in KINDS:
        return KINDS[v.op] if v.dtype.name != "float16" else "call"
    return "loop" if has_instructions(v) else "call"


def form(v: Value, add: Add) -> Value:
    """Return a value as native code computes it: products in a direct form, index arrays in loops."""
    if (turns := turns_of(v)) is not None:
        return _loop(v, add, turns.body.given[0], sum(turns.body.given[:2]))
    made = FORMS.get((v.core.family, v.op))
    return v if made is None else made(v, add) or v


def _product(v: Value, add: Add) -> Value:
    """Choose a product's form: outer products are elementwise; else the right factor has whole rows."""
    x, y = v.inputs
    if v.dtype.name not in FLOATS:
        return _by_numpy(v)
    m, k, n = x.shape[-2], x.shape[-1], y.shape[-1]
    if k == 1:
        return Value("op", v.shape, v.dtype, "multiply", (x, y), line=v.line)
    if 0 in (m, k, n):
        return _by_numpy(v)
    down, along = layout(y).strides[-2:]
    if n == 1 or (m == 1 and down == 1):
        return v  # dot products: see products.py
    if along != 1 or (down < n and k > 1):
        transposed = down == 1 and along > 1
        # Who turns its columns over for itself waits for nobody, and reads the rows of a weight that it has
        # updated itself. A transposed matrix that is used more than once is turned over once.
        own = m >= MANY or (m >= SOME and ProductWriter(v).by_columns) or add.users[y] == 1
        if transposed and own and len(y.shape) == 2:
            return panelled(v, add, add.factors[y])  # turned over a panel at a time, or not at all
        v.inputs = (x, add(copied(y, TURNED if transposed and len(y.shape) == 2 else None)))
    return panelled(v, add, add.factors[y])


def _loop(v: Value, add: Add, carried: int, first: int) -> Value:
    """Have what a loop reads from outside lie in one piece, each row of a sequence by itself."""
    given: list[Any] = []
    for i, x in enumerate(v.inputs):
        if isinstance(x, Value) and 0 not in x.shape:
            place, skipped = layout(x), int(carried <= i < first)
            steps = zip(x.shape, place.strides, contiguous(x.shape), strict=True)
            if not all(n == 1 or step == plain for n, step, plain in list(steps)[skipped:]):
                turned = len(x.shape) == 2 and not skipped and place.strides[0] == 1 < place.strides[1]
                x = add(copied(x, TURNED if turned else None))
        given.append(x)
    v.inputs = tuple(given)
    return v


def _by_numpy(v: Value) -> Value:
    """Return a product as a call, for matrices that tiles do not have."""
    why = f"native products are of float32 and float64 numbers, not {v.dtype}, and of some entries"
    return Value("call", v.shape, v.dtype, v.op, v.inputs, line=v.line, why=why)


def why_called(v: Value) -> str:
    """Return why native code has NumPy compute a value."""
    if v.why or v.kind == "call":
        return v.why or f"{v.op} has no core ops"
    small = [d for d in (v.dtype, *(x.dtype for x in v.operands)) if not _has_registers(d)]
    if small:
        return f"native code does not compute with {small[0]}"
    return f"native code has no instructions for {v.op}"


FORMS: dict[tuple[str, str], Callable[[Value, Add], Value | None]] = {
    ("contract", "matmul"): _product,
    ("gather", "getitem"): indexed,
    ("gather", "scatter"): indexed,
    ("call", "random_uniform"): drawn,
    **{("call", name): native for name in WRITERS},
}
"""What native code makes of an op before anything is grouped; None where it cannot."""
