"""What an entry is: each elementwise op of a Program as one JavaScript expression of its operands' entries.

Functions of real numbers are written as their op says (`Facts.script`); a `Ufunc`'s formula is run on symbols
and becomes a function of its own. Integers and truth values have operations of their own here, since they
wrap, and are held to no domain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.engines.js.kinds import code, literal, rounded
from clearprop.compiler.engines.js.symbols import function_of
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.core import ufunc_of
from clearprop.compiler.program.ir import Value
from clearprop.registry import ops
from clearprop.ufunc import Ufunc

# fmt: off
WHOLE = {
    "add": "({}+{})",            "subtract": "({}-{})",              "negative": "(-{})",      "positive": "{}",
    "absolute": "Math.abs({})",  "sign": "Math.sign({})",            "square": "({0}*{0})",     "multiply": "({}*{})",
    "floor_divide": "over({},{})", "remainder": "rest({},{})",       "fmod": "cut({},{})",     "power": "powers({},{},64)",
    "maximum": "Math.max({},{})", "minimum": "Math.min({},{})",      "fmax": "Math.max({},{})", "fmin": "Math.min({},{})",
    "bitwise_and": "bits({},{},(a,b)=>a&b)", "bitwise_or": "bits({},{},(a,b)=>a|b)",
    "bitwise_xor": "bits({},{},(a,b)=>a^b)", "invert": "(-1-{})",
    "left_shift": "bits({},{},(a,b)=>0n<=b&&b<64n?a<<b:0n)", "right_shift": "bits({},{},(a,b)=>a>>(0n<=b&&b<64n?b:63n))",
    "floor": "{}", "ceil": "{}", "trunc": "{}", "rint": "{}", "conjugate": "{}", "gcd": "gcd({},{})",
}
"""Of integers, all but uint64."""
SHORT = {"multiply": "Math.imul({},{})", "square": "Math.imul({0},{0})", "power": "powers({},{},32)"}
"""Of integers of at most 32 bits, whose products are beyond 2**53 and wrap."""
WORDS = {
    "add": "({}+{})",            "subtract": "({}-{})",       "multiply": "({}*{})",      "positive": "{}",
    "bitwise_and": "({}&{})",    "bitwise_or": "({}|{})",     "bitwise_xor": "({}^{})",
    "left_shift": "({}<<{})",    "right_shift": "({}>>{})",   "square": "({0}*{0})",
}
"""Of uint64, which are BigInts."""
TRUTHS = {
    "add": "({}|{})",            "multiply": "({}&{})",       "maximum": "({}|{})",       "minimum": "({}&{})",
    "bitwise_and": "({}&{})",    "bitwise_or": "({}|{})",     "bitwise_xor": "({}^{})",   "invert": "(1-{})",
    "logical_and": "({}&{})",    "logical_or": "({}|{})",     "logical_xor": "({}^{})",   "logical_not": "(1-{})",
    "positive": "{}",            "absolute": "{}",            "square": "{0}",            "conjugate": "{}",
}
"""Of truth values, which are 0 and 1."""
COMPARED = {
    "less": "+({}<{})",          "less_equal": "+({}<={})",   "equal": "+({}==={})",
    "greater": "+({}>{})",       "greater_equal": "+({}>={})", "not_equal": "+({}!=={})",
    "logical_and": "(truth({})&truth({}))", "logical_or": "(truth({})|truth({}))",
    "logical_xor": "(truth({})^truth({}))", "logical_not": "(1-truth({}))",
    "isnan": "+Number.isNaN({})", "isfinite": "+Number.isFinite({})", "isinf": "+(Math.abs({})===Infinity)",
    "signbit": "+({0}<0||Object.is({0},-0))",
}
"""What has truth values of numbers; a NaN is true, as everything but 0 is."""
REAL = {"conjugate": "{}", "float_power": "cp.power({},{})", "deg2rad": "({} * Math.PI / 180)", "rad2deg": "({} * 180 / Math.PI)",
        "true_divide": "({} / {})", "sign": "signed({})", "rint": "even({})"}
"""Functions of real numbers that no op says how to write, or that arrays need more exactly."""
# fmt: on


def entry(v: Value, xs: list[str], define: Callable[[str, str], None]) -> str:
    """Return the expression of a value's entry; `define(name, text)` is told of a function that it calls.

    Raises Unlowered, with the op's name, where there is none.
    """
    if v.core.casts:
        return _cast(xs[0], v.operands[0].dtype, v.dtype)
    if v.core.copies:
        return xs[0]
    script = _script(v, define)
    made = script.format(*(x if x.isidentifier() else f"({x})" for x in xs))
    return made if v.core.exact and v.dtype.kind == "f" else rounded(v.dtype, made)


CHOOSING = frozenset({"where"})
"""Whose first input is a condition, which says nothing of the others' kind."""


def inputs(v: Value, at: Callable[[Value], str]) -> list[str]:
    """Return the inputs of an elementwise value as expressions: `at(x)` of Values, numbers as literals."""
    like = v.operands[0].dtype if v.operands else v.dtype
    if v.op in CHOOSING and len(v.inputs) == 3:
        like = v.dtype
    return [at(x) if isinstance(x, Value) else literal(x, like) for x in v.inputs]


def _script(v: Value, define: Callable[[str, str], None]) -> str:
    made = ufunc_of(v.op)
    operand = v.operands[-1].dtype if v.operands else v.dtype
    kind = "where" if v.op in CHOOSING else operand.kind
    whole = WHOLE | SHORT if operand.itemsize < 8 else WHOLE
    tables = {"b": TRUTHS, "u": WORDS if operand.itemsize == 8 else whole, "i": whole, "f": REAL}
    found = tables.get(kind, {}).get(v.op)
    if found is None and operand.kind in "biuf":
        found = COMPARED.get(v.op)
    if found is None and kind in ("f", "where"):
        op = ops.get(v.op)
        found = op.facts.script if op is not None else ""
        if not found and isinstance(made, Ufunc):
            name = f"{v.op}{operand.itemsize}"
            define(name, function_of(made, operand.itemsize))
            found = name + "({})"
    if not found:
        raise Unlowered(f"{v.op} of {operand} has no translation to JavaScript")
    return found


def _cast(x: str, old: Any, new: Any) -> str:
    """A number of another dtype, as NumPy casts; whole numbers that do not fit are an error when it happens."""
    a, b = code(old), code(new)
    if a == b:
        return x
    if b == "b1":
        return f"+({x}!=={'0n' if a == 'u8' else '0'})"
    if a == "u8":
        return rounded(new, f"Number({x})") if b[0] == "f" else rounded(new, f"Number(BigInt.asIntN(64,{x}))")
    if b == "u8":
        return f"BigInt.asUintN(64,BigInt(whole(Math.trunc({x}))))"
    if a[0] == "f" and b[0] in "iu":
        if b == "i8":
            return f"whole(Math.trunc({x}))"
        return f"within({x},{np.iinfo(new).min},{np.iinfo(new).max})"
    return x if b == "i8" else rounded(new, x)
