"""`import clearprop.numpy as np`: NumPy's names, where every list and number may be a Tensor.

NumPy's functions ask a Tensor by themselves, so most plain NumPy code needs no change. What NumPy lets nobody
answer is answered here: `np.array([t, 1.0])`, `np.full(n, t)`, `np.sum([t, u])`, `np.random.normal(t, 1.0)`.
What is made of no Tensor is a plain NumPy array: it can be written into, and costs what it costs in NumPy.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.numpy import fft, linalg, making, random, standard, testing
from clearprop.numpy.lists import listed, telling

_OWN = (
    "array",
    "asarray",
    "asarray_chkfinite",
    "full",
    "arange",
    "take",
    "fromiter",
    "ndenumerate",
    "vectorize",
    "r_",
    "c_",
)
_MAKING = ("zeros", "ones", "empty", "eye", "identity", "tri", "indices", "fromfunction", "frombuffer")
_REFUSED = {
    "matrix": "@ between two-dimensional arrays",
    "asmatrix": "np.atleast_2d(x)",
    "bmat": "np.block([[a, b], [c, d]])",
    "ma": "np.where(mask, x, value), or the where= of np.sum, np.mean, np.max ...",
}


def _names() -> dict[str, Any]:
    """Return what the namespace has: NumPy's names, ours where a Tensor would not be asked."""
    found: dict[str, Any] = {}
    for name in np.__all__:
        if name in _REFUSED or inspect.ismodule(x := getattr(np, name)):
            continue
        asks = isinstance(x, np.ufunc) or hasattr(x, "_implementation")
        found[name] = listed(x) if asks else x
    found |= {name: telling(found[name]) for name in _MAKING}
    found |= making.KIN | {name: getattr(making, name) for name in _OWN} | standard.NAMES
    return found | {"linalg": linalg, "fft": fft, "random": random, "testing": testing}


NAMES: dict[str, Any] = _names()
"""What the namespace has, by name; beside it, NumPy's other modules."""
vars(sys.modules[__name__]).update(NAMES)
__all__ = sorted(name for name in NAMES if name in np.__all__)


def __getattr__(name: str) -> Any:
    if name in _REFUSED:
        wanted = "is no kind of array that gradients are known for"
        hint = f"{_REFUSED[name]}, or NumPy's own by `import numpy`"
        raise AttributeError(lesson(f"clearprop.numpy.{name}", wanted, hint=hint))
    if name in np.__all__:
        return getattr(np, name)  # a module that is loaded when somebody asks for it
    raise AttributeError(f"module 'numpy' has no attribute {name!r}, and neither has 'clearprop.numpy'")


def __dir__() -> list[str]:
    return sorted({*NAMES, *(name for name in np.__all__ if name not in _REFUSED)})
