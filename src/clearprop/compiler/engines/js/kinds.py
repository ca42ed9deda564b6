"""Kinds of numbers: the typed array that holds a dtype, and how an expression is rounded to it.

JavaScript computes with float64, which holds every float32 and every int32, and whole numbers up to 2**53. So
a float32 is rounded by `Math.fround`, a small integer wraps as NumPy's does, an int64 that leaves that range
is a RangeError when it happens, and a uint64, which a random state is made of, is a BigInt.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.core import Dtype

# fmt: off
ARRAYS = {
    "f8": "Float64Array", "f4": "Float32Array",   "b1": "Uint8Array",   "f2": "Float32Array",
    "i8": "Float64Array", "i4": "Int32Array",     "i2": "Int16Array",   "i1": "Int8Array",
    "u8": "BigUint64Array", "u4": "Uint32Array",  "u2": "Uint16Array",  "u1": "Uint8Array",
}
ROUNDED = {
    "f8": "{}",                        "f4": "F({})",       "b1": "{}",          "f2": "half({})",
    "i8": "whole({})",                 "i4": "({}|0)",      "i2": "({}<<16>>16)", "i1": "({}<<24>>24)",
    "u8": "BigInt.asUintN(64,{})",     "u4": "({}>>>0)",    "u2": "({}&65535)",   "u1": "({}&255)",
}
# fmt: on
"""By a dtype's kind and size: what holds its entries, and how a result is made one."""

LARGEST = 2**53  # the whole numbers up to here are float64 numbers
FEW = 24  # entries of a constant that are written as numbers, so that they can be read


def code(dtype: Dtype) -> str:
    """Return a dtype's kind and size, `f4`; raises Unlowered for one that JavaScript has no array for."""
    found = np.dtype(dtype).str[1:]
    if found not in ARRAYS:
        raise Unlowered(f"{np.dtype(dtype)} has no translation to JavaScript")
    return found


def rounded(dtype: Dtype, expression: str) -> str:
    """Return the expression rounded to a dtype, or wrapped.

    >>> rounded("f4", "a+b"), rounded("i4", "a+b"), rounded("f8", "a+b")
    ('F(a+b)', '(a+b|0)', 'a+b')
    """
    return ROUNDED[code(dtype)].format(expression)


def literal(x: Any, dtype: Dtype) -> str:
    """Return a number of a dtype as JavaScript writes it; raises Unlowered for an int64 beyond 2**53.

    >>> literal(0.1, "f4"), literal(True, "f8"), literal(-3, "i8"), literal(7, "u8")
    ('0.10000000149011612', '1', '(-3)', '7n')
    """
    kind = code(dtype)
    if kind == "u8":
        return f"{int(x)}n"
    if kind[0] in "iub":
        whole = int(x)
        if abs(whole) > LARGEST:
            raise Unlowered(f"{whole} is beyond 2**53, which whole numbers end at in JavaScript")
        return f"({whole})" if whole < 0 else str(whole)
    value = float(np.dtype(dtype).type(x))
    if math.isnan(value):
        return "NaN"
    text = "Infinity" if math.isinf(value) else repr(abs(value)).removesuffix(".0")
    return f"(-{text})" if math.copysign(1, value) < 0 else text


def filled(array: Any) -> str:
    """Return a typed array with these entries: as numbers where they are few, else by their bytes."""
    array = np.ascontiguousarray(array)
    kind, entries = code(array.dtype), array.reshape(-1)
    name = ARRAYS[kind]
    first = literal(entries[0], array.dtype) if entries.size else "0"
    if entries.size and entries.tobytes() == entries[:1].tobytes() * entries.size:
        return f"new {name}({entries.size})" + ("" if first in ("0", "0n") else f".fill({first})")
    if entries.size <= FEW:
        return f"new {name}([{','.join(literal(x, array.dtype) for x in entries)}])"
    if kind == "i8":
        if np.abs(entries).max() > LARGEST:
            raise Unlowered("an int64 beyond 2**53, which whole numbers end at in JavaScript")
        narrow = entries.astype(np.int32)
        if (narrow == entries).all():
            return f"{name}.from({filled(narrow)})"
        entries = entries.astype(np.float64)
    if kind == "f2":
        entries = entries.astype(np.float32)
    text = base64.b64encode(entries.astype(entries.dtype.newbyteorder("<")).tobytes()).decode()
    return f'new {name}(bytes("{text}"))'
