"""`clearprop.numpy.fft`: NumPy's transforms, which take lists of Tensors as well."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from clearprop.numpy.lists import listed


def fftfreq(n: int, d: float = 1.0, device: Any = None, *, dtype: Any = None) -> Any:
    """Return the frequencies of `fft` of n entries that lie `d` apart.

    >>> fftfreq(4, dtype="f4")
    array([ 0.  ,  0.25, -0.5 , -0.25], dtype=float32)
    """
    return _in_dtype(np.fft.fftfreq(n, d, device), dtype)


def rfftfreq(n: int, d: float = 1.0, device: Any = None, *, dtype: Any = None) -> Any:
    """Return the frequencies of `rfft` of n entries that lie `d` apart.

    >>> rfftfreq(4)
    array([0.  , 0.25, 0.5 ])
    """
    return _in_dtype(np.fft.rfftfreq(n, d, device), dtype)


def _in_dtype(frequencies: Any, dtype: Any) -> Any:
    return frequencies if dtype is None else frequencies.astype(dtype)


NAMES: dict[str, Any] = {
    name: listed(f) if hasattr(f := getattr(np.fft, name), "_implementation") else f
    for name in np.fft.__all__
} | {"fftfreq": fftfreq, "rfftfreq": rfftfreq}
"""What the namespace has, by name."""
vars(sys.modules[__name__]).update(NAMES)


def __dir__() -> list[str]:
    return sorted(NAMES)
