"""Bad entries of an array, and the numbers that a bad entry was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.see.algebra.labels import label_of
from clearprop.see.algebra.notation import number_text
from clearprop.tensor import Tensor


@dataclass(frozen=True)
class Bad:
    """The first entry of an array that is not finite, and how many are not."""

    kind: str
    index: tuple[int, ...]
    count: int
    size: int


@dataclass(frozen=True)
class Operand:
    """What an entry was made of: an entry of an input, or a stretch of it (`value` is None)."""

    label: str
    index: tuple[Any, ...] | None
    value: float | None
    about: str = ""

    @property
    def text(self) -> str:
        """`x[1] = 0`, or `x[1, :] (4 numbers from -1 to 2)`."""
        place = (
            "" if not self.index else "[" + ", ".join(":" if i is None else str(i) for i in self.index) + "]"
        )
        if self.value is not None:
            label = self.label
            return (
                label if label == number_text(self.value) else f"{label}{place} = {number_text(self.value)}"
            )
        return f"{self.label}{place} ({self.about})"


def first_bad(value: Any, inf: bool = True) -> Bad | None:
    """Return the first entry that is NaN (or, with `inf`, infinite); None where there is none.

    >>> first_bad(np.array([1.0, np.inf, np.nan]))
    Bad(kind='inf', index=(1,), count=2, size=3)
    """
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return None
    wrong = ~np.isfinite(array) if inf else np.isnan(array)
    if not wrong.any():
        return None
    place = np.unravel_index(int(np.argmax(wrong)), array.shape) if array.ndim else ()
    index = tuple(map(int, place))
    return Bad(name_of(float(array[index])), index, int(np.count_nonzero(wrong)), array.size)


def name_of(x: float) -> str:
    """Return `nan`, `inf` or `-inf`."""
    return "nan" if np.isnan(x) else "inf" if x > 0 else "-inf"


def kind_of(value: Any, inf: bool, kind: str) -> bool:
    """Whether `value` already holds what would explain `kind`: a NaN, or for an infinity any of the three.

    >>> kind_of(np.array([np.inf]), True, "nan"), kind_of(float("-inf"), True, "inf")
    (False, True)
    """
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return False
    return bool(np.isnan(array).any() if kind == "nan" else not np.isfinite(array).all())


def pick(label: str, value: Any, index: tuple[int, ...]) -> Operand:
    """Return the entry of a broadcast input that went into the result's entry `index`."""
    array = np.asarray(value)
    own = tuple(min(i, n - 1) for i, n in zip(index[len(index) - array.ndim :], array.shape, strict=True))
    return Operand(label, own, float(array[own]) if array.dtype.kind in "fiub" else None, "")


def summary(label: str, value: Any, index: tuple[Any, ...] | None = None) -> Operand:
    """Return a whole input, or the stretch of it at `index` (None for a whole axis), in a few words."""
    array = np.asarray(value)
    stretch = array if index is None else array[tuple(slice(None) if i is None else i for i in index)]
    if not stretch.size or array.dtype.kind not in "fiub":
        return Operand(label, index, None, f"shape {array.shape}")
    if stretch.size == 1:
        return Operand(label, index, float(stretch.reshape(())))
    numbers = stretch.astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        low, high = (
            number_text(float(np.format_float_scientific(f(numbers), 3))) for f in (np.nanmin, np.nanmax)
        )
    return Operand(label, index, None, f"{stretch.size} numbers from {low} to {high}")


def forward_operands(node: Tensor, index: tuple[int, ...], names: Mapping[int, str]) -> tuple[Operand, ...]:
    """Return what the entry `index` of a node was computed from, as exactly as the op's kind allows."""
    op = node.op
    if op is None:
        return ()
    pairs = [(label_of(x, names), v) for x, v in zip(node.inputs, node.values, strict=True)]
    if op.kind == "elementwise":
        return tuple(pick(label, v, index) for label, v in pairs)
    if op.kind == "reduce" and "axis" in node.attrs:
        label, x = pairs[0]
        return (summary(label, x, _row(index, np.ndim(x), node.attrs)),)
    rows = op.facts.reads(index, *node.values, **node.attrs) if op.facts.reads else None
    if rows is not None:
        return tuple(summary(label, v, row) for (label, v), row in zip(pairs, rows, strict=True))
    return tuple(summary(label, v) for label, v in pairs)


def _row(index: tuple[int, ...], ndim: int, attrs: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """Return which entries of a reduced input went into one result: None for a whole axis."""
    axis = attrs["axis"]
    if axis is None:
        return None
    axes = {a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    if attrs.get("keepdims"):
        return tuple(None if a in axes else index[a] for a in range(ndim))
    rest = iter(index)
    return tuple(None if a in axes else next(rest) for a in range(ndim))
