"""Registers: the numbers and vectors of a native function, with NumPy's operators, dtypes and weak numbers.

A formula written for NumPy can be run on Registers to write the instructions that compute it. `lanes` is 0
for a single number and n for a SIMD vector of n; a single number meets a vector by being copied to all its
lanes.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from clearprop.compiler.engines.llvm.language.text import Procedure

Dtype: TypeAlias = "np.dtype[Any]"

INDEX = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)
DOUBLE = np.dtype(np.float64)
_TYPES = {
    "float16": "half",
    "float32": "float",
    "float64": "double",
    "bool": "i1",
    **{f"{u}int{n}": f"i{n}" for u in ("", "u") for n in (8, 16, 32, 64)},
}
_ORDER = {"lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge", "eq": "eq", "ne": "ne"}


@cache
def type_name(dtype: Dtype, lanes: int = 0) -> str:
    """Return LLVM's name of a dtype.

    >>> type_name(np.dtype("f4"), 16), type_name(np.dtype(bool))
    ('<16 x float>', 'i1')
    """
    name = _TYPES[dtype.name]
    return f"<{lanes} x {name}>" if lanes else name


def literal(number: Any, dtype: Dtype) -> str:
    """Write a number as LLVM reads it: floats by their bits, so that nothing is rounded on the way.

    >>> literal(0.5, np.dtype("f4")), literal(-3, np.dtype("i4"))
    ('0x3FE0000000000000', '-3')
    """
    if dtype.kind == "b":
        return "true" if number else "false"
    if dtype.kind in "iu":
        return str(int(number))
    if dtype.itemsize == 2:
        return f"0xH{np.float16(number).view(np.uint16):04X}"
    value = float(np.float32(number)) if dtype.itemsize == 4 else float(number)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def suffix(dtype: Dtype) -> str:
    """Return how an intrinsic's name ends for a dtype: f32, i64."""
    return f"{'f' if dtype.kind == 'f' else 'i'}{8 * dtype.itemsize}"


def common(*xs: Any) -> Dtype:
    """Return the dtype NumPy would compute in: Python numbers are weak."""
    return np.result_type(*(x.dtype if isinstance(x, Register) else x for x in xs))


def most_lanes(*xs: Any) -> int:
    """Return the number of lanes of the widest."""
    return max(x.lanes if isinstance(x, Register) else 0 for x in xs)


class Register:
    """A number, or a vector of them, that the function being written will have computed by here."""

    __slots__ = ("dtype", "function", "lanes", "text")
    function: Procedure
    text: str
    dtype: Dtype
    lanes: int
    shape: tuple[int, ...] = ()
    ndim = 0

    def __init__(self, function: Procedure, text: str, dtype: Dtype, lanes: int) -> None:
        self.function, self.text, self.dtype, self.lanes = function, text, dtype, lanes

    @property
    def type(self) -> str:
        """LLVM's name of its type."""
        return type_name(self.dtype, self.lanes)

    def bits(self, dtype: Dtype) -> Register:
        """Return the same bits seen as another dtype of the same size."""
        return self.function.value(
            f"bitcast {self.type} {self.text} to {type_name(dtype, self.lanes)}", dtype, self.lanes
        )

    def astype(self, dtype: Any) -> Register:
        """Return the same number in another dtype, as NumPy converts it."""
        dtype, old = np.dtype(dtype), self.dtype
        if dtype == old:
            return self
        if dtype == BOOL:
            return self != 0
        if old.kind == "f" and dtype.kind == "f":
            word = "fpext" if dtype.itemsize > old.itemsize else "fptrunc"
        elif dtype.kind == "f":
            word = "sitofp" if old.kind == "i" else "uitofp"
        elif old.kind == "f":
            return self._to_integer(dtype)
        elif dtype.itemsize == old.itemsize and old != BOOL:
            return Register(self.function, self.text, dtype, self.lanes)
        elif dtype.itemsize < old.itemsize:
            word = "trunc"
        else:
            word = "sext" if old.kind == "i" else "zext"
        text = f"{word} {self.type} {self.text} to {type_name(dtype, self.lanes)}"
        return self.function.value(text, dtype, self.lanes)

    def _to_integer(self, dtype: Dtype) -> Register:
        """Beyond the range, and of NaN: what x86's conversions give, and NumPy's casts with them.

        That is the lowest integer; an unsigned one is converted in two halves, a short one by way of 32 bits.
        """
        if dtype.itemsize < 4:
            return self._to_integer(np.dtype(np.int32)).astype(dtype)
        signed = np.dtype(f"i{dtype.itemsize}")
        top = 2.0 ** (8 * dtype.itemsize - 1)
        if dtype.kind == "i":
            return self.function.select(self < top, self._saturated(dtype), int(np.iinfo(dtype).min))
        low = self._to_integer(signed)
        high = (self - top)._to_integer(signed) ^ int(np.iinfo(signed).min)
        return self.function.select(self >= top, high, low).astype(dtype)

    def _saturated(self, dtype: Dtype) -> Register:
        """Convert to an integer; what is beyond the range becomes its nearest end."""
        target = type_name(dtype, self.lanes)
        vector = f"v{self.lanes}" if self.lanes else ""
        sign = "s" if dtype.kind == "i" else "u"
        name = f"llvm.fpto{sign}i.sat.{vector}{suffix(dtype)}.{vector}{suffix(self.dtype)}"
        self.function.module.declare(name, target, self.type)
        return self.function.value(f"call {target} @{name}({self.type} {self.text})", dtype, self.lanes)

    def _two(self, other: Any, floating: str, integer: str, swap: bool = False, flags: str = "") -> Register:
        """Write an instruction of two operands, which meet in NumPy's common dtype and the wider vector."""
        dtype = common(self, other)
        lanes = most_lanes(self, other)
        x, y = self.function.lift(self, dtype, lanes), self.function.lift(other, dtype, lanes)
        if swap:
            x, y = y, x
        word = floating if dtype.kind == "f" else integer
        return self.function.value(f"{word} {flags}{x.type} {x.text}, {y.text}", dtype, lanes)

    def _compare(self, other: Any, word: str) -> Register:
        """Write a comparison; with NaN all are false but `ne`."""
        dtype = common(self, other)
        lanes = most_lanes(self, other)
        x, y = self.function.lift(self, dtype, lanes), self.function.lift(other, dtype, lanes)
        if dtype.kind == "f":
            how = "fcmp " + ("une" if word == "ne" else f"o{word}")
        else:
            how = "icmp " + (_ORDER[word].replace("s", "u", 1) if dtype.kind in "bu" else _ORDER[word])
        return self.function.value(f"{how} {x.type} {x.text}, {y.text}", BOOL, lanes)

    def _either(self, y: Any, logical: str, number: str) -> str:
        """Return the instruction for truth values, or that for numbers."""
        return logical if common(self, y) == BOOL else number

    # fmt: off
    def __add__(self, y: Any) -> Register: return self._two(y, "fadd", self._either(y, "or", "add"))
    def __radd__(self, x: Any) -> Register: return self.__add__(x)
    def __sub__(self, y: Any) -> Register: return self._two(y, "fsub", "sub")
    def __rsub__(self, x: Any) -> Register: return self._two(x, "fsub", "sub", swap=True)
    def __mul__(self, y: Any) -> Register: return self._two(y, "fmul", self._either(y, "and", "mul"))
    def __rmul__(self, x: Any) -> Register: return self.__mul__(x)
    def __lt__(self, y: Any) -> Register: return self._compare(y, "lt")
    def __le__(self, y: Any) -> Register: return self._compare(y, "le")
    def __gt__(self, y: Any) -> Register: return self._compare(y, "gt")
    def __ge__(self, y: Any) -> Register: return self._compare(y, "ge")
    def __eq__(self, y: Any) -> Register: return self._compare(y, "eq")  # type: ignore[override]
    def __ne__(self, y: Any) -> Register: return self._compare(y, "ne")  # type: ignore[override]
    def __and__(self, y: Any) -> Register: return self._two(y, "", "and")
    def __rand__(self, x: Any) -> Register: return self.__and__(x)
    def __or__(self, y: Any) -> Register: return self._two(y, "", "or")
    def __ror__(self, x: Any) -> Register: return self.__or__(x)
    def __xor__(self, y: Any) -> Register: return self._two(y, "", "xor")
    def __rxor__(self, x: Any) -> Register: return self.__xor__(x)
    # fmt: on
    __hash__: Any = None

    def __lshift__(self, y: Any) -> Register:
        return self._two(y, "", "shl")

    def __rshift__(self, y: Any) -> Register:
        return self._two(y, "", "ashr" if common(self, y).kind == "i" else "lshr")

    def __truediv__(self, y: Any) -> Register:
        return _quotient(self, y)

    def __rtruediv__(self, x: Any) -> Register:
        dtype = common(self, x)
        return _quotient(self.function.lift(x, dtype if dtype.kind == "f" else np.dtype(np.float64)), self)

    def __neg__(self) -> Register:
        if self.dtype.kind == "f":
            return self.function.value(f"fneg {self.type} {self.text}", self.dtype, self.lanes)
        return self._two(0, "", "sub", swap=True)

    def __pos__(self) -> Register:
        return self

    def __invert__(self) -> Register:
        return self ^ (True if self.dtype == BOOL else -1)

    def __bool__(self) -> bool:
        raise TypeError("what the function being written will compute is not known while it is written")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *xs: Any, **kwargs: Any) -> Any:
        from clearprop.compiler.engines.llvm.language.ufuncs import apply

        return apply(ufunc, method, xs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from clearprop.compiler.engines.llvm.language.ufuncs import apply_function

        return apply_function(function, args, kwargs)


def _quotient(x: Register, y: Any) -> Register:
    dtype = common(x, y)
    if dtype.kind != "f":  # NumPy divides integers as float64
        dtype = np.dtype(np.float64)
    lanes = most_lanes(x, y)
    x, y = x.function.lift(x, dtype, lanes), x.function.lift(y, dtype, lanes)
    return x.function.value(f"fdiv {x.type} {x.text}, {y.text}", dtype, lanes)
