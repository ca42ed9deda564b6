"""Gradients of several inputs in one flat array, for ops that compute them together, block by block."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.tensor import Tensor

BLOCK = 1 << 18  # how many numbers of what is never whole are there at once


def wide(x: Any) -> Any:
    """Return a block as BLAS takes it: not in float16, and no view of one number repeated."""
    return np.ascontiguousarray(x, np.float32 if x.dtype.itemsize < 4 else x.dtype)


def parts(h: Any, *arrays: Any) -> list[Any]:
    """Cut one flat array into what belongs to each of these arrays."""
    found, first = [], 0
    for x in arrays:
        found.append(h[first : first + x.size].reshape(x.shape))
        first += x.size
    return found


class Latest(threading.local):
    """The latest packed gradient, for the rules of the inputs that ask for it one after the other."""

    def __init__(self, gradient: Callable[..., Any]) -> None:
        self.gradient = gradient
        self.g: Any = None
        self.asked: tuple[Any, ...] = ()
        self.found: Any = None

    def of(self, g: Any, xs: tuple[Any, ...], how: dict[str, Any]) -> Any:
        """Return `gradient(g, *xs, **how)`, computed once for arrays that are the same ones."""
        if isinstance(g, Tensor) or any(isinstance(x, Tensor) for x in xs) or not isinstance(g, np.ndarray):
            return self.gradient(g, *xs, **how)
        if (
            self.g is None
            or self.g() is not g
            or any(a is not b for a, b in zip(self.asked, xs, strict=True))
        ):
            self.found, self.asked = self.gradient(g, *xs, **how), xs
            self.g = weakref.ref(g, self._forget)
        return self.found

    def _forget(self, _: Any) -> None:
        self.g, self.asked, self.found = None, (), None
