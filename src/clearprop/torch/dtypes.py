"""`dtype`, `Size` and `device` as PyTorch names them, over NumPy's dtypes and the one device there is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.errors import lesson


class dtype:
    """A kind of number by PyTorch's name for it; `numpy` is NumPy's.

    >>> float32, float32.is_floating_point, of(np.dtype("i8"))
    (torch.float32, True, torch.int64)
    """

    name: str
    numpy: Any
    is_floating_point: bool
    is_complex: bool

    def __init__(self, name: str, numpy: Any) -> None:
        self.name, self.numpy = name, np.dtype(numpy)
        self.is_floating_point, self.is_complex = self.numpy.kind == "f", False
        self.itemsize: int = self.numpy.itemsize

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return of, (self.numpy,)


float16: dtype = dtype("float16", "f2")
float32: dtype = dtype("float32", "f4")
float64: dtype = dtype("float64", "f8")
int8: dtype = dtype("int8", "i1")
int16: dtype = dtype("int16", "i2")
int32: dtype = dtype("int32", "i4")
int64: dtype = dtype("int64", "i8")
uint8: dtype = dtype("uint8", "u1")
boolean: dtype = dtype("bool", "?")

NAMES = {
    **{kind.name: kind for kind in (float32, float64, float16, int64, int32, int16, int8, uint8, boolean)},
    "float": float32, "double": float64, "half": float16, "long": int64, "int": int32, "short": int16,
}  # fmt: skip
_OF = {kind.numpy: kind for kind in NAMES.values()}
_usual = [float32]


def of(numpy: Any) -> dtype:
    """Return PyTorch's name for a dtype of NumPy's; TypeError for one that PyTorch or clearprop has not."""
    found = _OF.get(np.dtype(numpy))
    if found is None:
        wanted = "wants real numbers"
        raise TypeError(lesson("torch.tensor(data)", wanted, f"dtype {numpy}", hint="data.astype('float32')"))
    return found


def numpy_dtype(kind: Any) -> np.dtype[Any]:
    """Return NumPy's dtype for a `torch.dtype`, or for Python's float, int and bool."""
    if isinstance(kind, dtype):
        return kind.numpy
    if kind in (float, int, bool):
        return {float: default(), int: int64.numpy, bool: boolean.numpy}[kind]
    raise TypeError(lesson("dtype=", "wants a torch.dtype", repr(kind), hint="dtype=torch.float32"))


def default() -> np.dtype[Any]:
    """Return what Python's floats become: float32 unless `set_default_dtype` said otherwise."""
    return _usual[0].numpy


def get_default_dtype() -> dtype:
    """Return what Python's floats become.

    >>> get_default_dtype()
    torch.float32
    """
    return _usual[0]


def set_default_dtype(d: dtype) -> None:
    """Say what Python's floats become; TypeError for a dtype that is no float's.

    >>> import clearprop.torch as torch
    >>> set_default_dtype(torch.float64)
    >>> torch.tensor(1.0).dtype
    torch.float64
    >>> set_default_dtype(torch.float32)
    """
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(lesson("set_default_dtype(d)", "wants a floating-point dtype", repr(d)))
    _usual[0] = d


class Size(tuple[int, ...]):
    """The lengths of the axes, as a tuple.

    >>> Size((2, 3)), Size((2, 3)).numel()
    (torch.Size([2, 3]), 6)
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of entries."""
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Size(found) if isinstance(index, slice) else found

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"


class device:
    """Where a tensor lies: the processor. Others can be named, and are refused where one is used.

    >>> device("cpu"), device("cuda:1").index
    (device(type='cpu'), 1)
    """

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = str(type), None
        name, _, number = str(type).partition(":")
        self.type: str = name
        self.index: int | None = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


CPU = device("cpu")


def here(place: Any) -> None:
    """Raise RuntimeError for a device that is not the processor; None and "cpu" pass."""
    if place is not None and device(place).type != "cpu":
        hint = '"cuda" if torch.cuda.is_available() else "cpu", which runs in both places'
        raise RuntimeError(
            lesson("device=", "everything lies on the cpu here", f"{device(place)}", hint=hint)
        )


class _Limits:
    """What a dtype can hold."""

    bits: int
    dtype: str
    min: float | int
    max: float | int
    eps: float
    tiny: float
    resolution: float

    def __init__(self, kind: Any = None) -> None:
        kind = kind or get_default_dtype()
        info: Any = np.finfo(kind.numpy) if kind.is_floating_point else np.iinfo(kind.numpy)
        number = float if kind.is_floating_point else int
        self.bits, self.dtype = info.bits, kind.name
        self.min, self.max = number(info.min), number(info.max)
        if kind.is_floating_point:
            self.eps, self.tiny, self.resolution = float(info.eps), float(info.tiny), float(info.resolution)
            self.smallest_normal: float = self.tiny


finfo = iinfo = _Limits
