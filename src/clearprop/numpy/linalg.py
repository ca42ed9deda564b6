"""`clearprop.numpy.linalg`: NumPy's functions of matrices, which take lists of Tensors as well."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from clearprop.numpy.lists import listed

NAMES: dict[str, Any] = {
    name: listed(f) if hasattr(f := getattr(np.linalg, name), "_implementation") else f
    for name in np.linalg.__all__
}
"""What the namespace has, by name."""
vars(sys.modules[__name__]).update(NAMES)


def __dir__() -> list[str]:
    return sorted(NAMES)
