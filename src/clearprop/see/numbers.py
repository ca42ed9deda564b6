"""Values as short text: a number in a few digits, a small array in full, a large one in summary."""

from __future__ import annotations

from typing import Any

import numpy as np

_MOST_ENTRIES = 9  # of an array that is written out in full


def written(value: Any, digits: int = 6) -> str:
    """Return a number, a small array in full, or a summary of a large one.

    >>> written(270.0), written(np.array([2 / 3, -1.0])), written(np.zeros((64, 20)))
    ('270', '[0.666667, -1]', '(64, 20) float64, all 0')
    """
    if value is None:
        return "?"
    if np.ndim(value) == 0:
        return _number(value, digits)
    array = np.asarray(value)
    if 0 < array.size <= _MOST_ENTRIES and array.ndim <= 2:
        return _rows(array, digits)
    return f"{array.shape} {array.dtype}, {summary(array)}"


def differs(found: Any, right: Any) -> bool:
    """Tell whether two gradients differ by more than the order of adding can explain.

    >>> differs(np.float64(270.0), np.float64(297.0)), differs(np.float64(0.1 + 0.2), np.float64(0.3))
    (True, False)
    """
    rounding = float(np.sqrt(np.finfo(right.dtype).eps))
    largest = float(np.max(np.abs(right), initial=0.0, where=np.isfinite(right)))
    return not np.allclose(found, right, rtol=rounding, atol=rounding * largest, equal_nan=True)


def is_number(value: Any) -> bool:
    """Tell whether a value is a single number: not an array with axes.

    >>> is_number(np.float64(2.0)), is_number(np.ones(1)), is_number(3)
    (True, False, True)
    """
    return np.ndim(value) == 0


def _rows(array: Any, digits: int) -> str:
    if array.ndim == 0:
        return _number(array[()], digits)
    return f"[{', '.join(_rows(row, digits) for row in array)}]"


def operand(shown: str) -> str:
    """Return a written number as it stands beside a sign: a negative or complex one in brackets.

    >>> operand("3"), operand("-3"), operand("0+3j")
    ('3', '(-3)', '(0+3j)')
    """
    return f"({shown})" if shown.startswith("-") or shown.endswith("j") else shown


def _number(value: Any, digits: int) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(value)
    if isinstance(value, (complex, np.complexfloating)):
        return f"{complex(value):.{digits}g}"
    short = f"{float(value) + 0.0:.{digits}g}"  # + 0.0: no minus sign before a zero
    mantissa, e, exponent = short.partition("e")
    return mantissa + (f"e{int(exponent)}" if e else "")


def number(x: Any) -> str:
    """Return a number as short text: six digits, no trailing zeros.

    >>> number(270.0), number(15.990109507373461), number(1 / 3), number(True), number(-1.5e-9)
    ('270', '15.9901', '0.333333', 'True', '-1.5e-9')
    """
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    return _short(f"{x:.6g}") if isinstance(x, (float, np.floating)) else str(x)


def brief(x: Any) -> str:
    """Return a number in three digits, for a cell or a caption.

    >>> brief(-0.123456), brief(12345.678), brief(2.0)
    ('-0.123', '1.23e4', '2')
    """
    if isinstance(x, (bool, np.bool_)):
        return "T" if x else "F"
    if isinstance(x, (complex, np.complexfloating)):
        return f"{complex(x):.3g}"
    return (
        _short(f"{float(x):.3g}") if abs(float(x)) < 1e4 or not float(x).is_integer() else _short(f"{x:.3g}")
    )


def _rough(x: Any) -> str:
    """Return a number in two digits, enough for the end of a range."""
    return brief(x) if float(x).is_integer() and abs(x) < 1000 else _short(f"{float(x):.2g}")


def _short(text: str) -> str:
    """Write the exponent without its plus sign and leading zeros."""
    if "e" not in text:
        return text
    digits, exponent = text.split("e")
    return f"{digits}e{int(exponent)}"


def summary(array: Any) -> str:
    """Return the range of an array in a few characters, with a warning where it is not finite.

    >>> summary(np.array([[-1.0, 2.5], [0.0, 4.0]]))
    '-1 … 4'
    >>> summary(np.array([1.0, np.nan]))
    '1 NaN'
    """
    array = np.asarray(array)
    if array.size == 0:
        return "empty"
    if array.dtype.kind == "b":
        return f"{int(array.sum())}/{array.size} T"
    if array.dtype.kind == "f":
        broken = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        if any(broken):
            return " ".join(f"{n} {what}" for n, what in zip(broken, ("NaN", "inf"), strict=True) if n)
    if array.dtype.kind == "c":
        return f"|z|: {summary(np.abs(array))}"
    low, high = array.min(), array.max()
    return f"all {brief(low)}" if low == high else f"{_rough(low)} … {_rough(high)}"
