"""SciPy's functions that do not ask a Tensor, under SciPy's names: change one import, and gradients pass.

SciPy's ufuncs (`scipy.special.erf`, `gammainc`, `jv` ...) answer Tensors as they are: they need nothing here.
"""

import importlib
from typing import Any

from clearprop.hints import unknown
from clearprop.scipy.optimize import minimize

__all__ = ["minimize"]

_PARTS = "integrate", "interpolate", "linalg", "optimize", "signal", "sparse", "special", "stats"

_THEIRS = "cluster", "constants", "datasets", "differentiate", "fft", "io", "ndimage", "odr", "spatial"


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"clearprop.scipy.{name}")
    if name in _THEIRS:
        return importlib.import_module(f"scipy.{name}")
    raise unknown(__name__, name, (*_PARTS, *__all__))


def __dir__() -> list[str]:
    return sorted((*_PARTS, *__all__))
