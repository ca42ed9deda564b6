"""Values as short text: a number in a few digits, a small array in full, a large one in summary."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.see.pictures import summary

_MOST_ENTRIES = 9  # of an array that is written out in full


def written(value: Any, digits: int = 6) -> str:
    """Return a number, a small array in full, or a summary of a large one.

    >>> written(270.0), written(np.array([2 / 3, -1.0])), written(np.zeros((64, 20)))
    ('270', '[0.666667, -1]', '(64, 20) float64, all 0')
    """
    if value is None:
        return "?"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(written(part, digits) for part in value)})"
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
    if isinstance(right, (tuple, list)):
        return any(
            differs(a, b) for a, b in zip(found, right, strict=True) if a is not None and b is not None
        )
    rounding = float(np.sqrt(np.finfo(right.dtype).eps))
    largest = float(np.max(np.abs(right), initial=0.0, where=np.isfinite(right)))
    return not np.allclose(found, right, rtol=rounding, atol=rounding * largest, equal_nan=True)


def is_number(value: Any) -> bool:
    """Tell whether a value is a single number: not an array with axes, not the outputs of an op with several.

    >>> is_number(np.float64(2.0)), is_number(np.ones(1)), is_number((np.ones(2), np.ones(3)))
    (True, False, False)
    """
    return not isinstance(value, (tuple, list)) and np.ndim(value) == 0


def _rows(array: Any, digits: int) -> str:
    if array.ndim == 0:
        return _number(array[()], digits)
    return f"[{', '.join(_rows(row, digits) for row in array)}]"


def _number(value: Any, digits: int) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(value)
    short = f"{float(value) + 0.0:.{digits}g}"  # + 0.0: no minus sign before a zero
    mantissa, e, exponent = short.partition("e")
    return mantissa + (f"e{int(exponent)}" if e else "")
