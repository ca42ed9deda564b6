"""`Ufunc`: an elementwise function that NumPy lacks, in the shape of NumPy's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 1 << 13  # entries: a formula's dozen arrays of that length stay in the cache of one core


class Ufunc:
    """A function of one number that can stand wherever a ufunc of NumPy's can: `z = f(x)`, `f(x, out=z)`.

    `formula(x, size)` is the mathematics, in plain NumPy without a decision by a value: it is given float64
    numbers (longdouble for longdouble) and the bytes of the result's dtype, so that it may do less where
    float32 is wanted. The result is rounded once, to the dtype that NumPy's `exp` would give.

    What is no array of NumPy's is asked through NumPy's protocol, `x.__array_ufunc__(f, "__call__", x)`. So a
    Ufunc that is the forward function of an op is recorded, compiled as one core op and drawn as `np.exp` is,
    with nothing said about it anywhere else.

    >>> versine = Ufunc("versine", lambda x, size: 2 * np.sin(x / 2) ** 2)
    >>> versine(np.array([0, 3, 6], np.float32))
    array([0.        , 1.9899925 , 0.03982971], dtype=float32)
    """

    nin: int = 1
    nout: int = 1
    signature: None = None

    def __init__(self, name: str, formula: Callable[[Any, int], Any]) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = formula.__doc__
        self.formula = formula
        self.resolve_dtypes: Callable[..., Any] = np.exp.resolve_dtypes

    def __call__(self, x: Any, *, out: Any = None) -> Any:
        """Return f(x), written into `out` if that is given; `out` may be `x` itself."""
        if not isinstance(x, (np.ndarray, np.generic)) and hasattr(x, "__array_ufunc__"):
            return x.__array_ufunc__(self, "__call__", x)
        x = np.asarray(x)
        dtype = x.dtype if x.dtype.kind == "f" else self.resolve_dtypes((x.dtype, None))[1]
        if dtype.kind != "f":
            raise TypeError(f"a function of real numbers, not of {x.dtype}")
        z = np.empty(x.shape, dtype) if out is None else out
        entries, results = x.reshape(-1), z.reshape(-1)
        wide, size = np.promote_types(dtype, np.float64), dtype.itemsize
        with np.errstate(under="ignore"):  # a tail that is 0 to this dtype is no event
            for i in range(0, entries.size, BLOCK):
                results[i : i + BLOCK] = self.formula(entries[i : i + BLOCK].astype(wide), size)
        if out is None:
            return z[()]
        if not out.flags.c_contiguous:  # then `results` is a copy
            out[...] = results.reshape(out.shape)
        return out

    def __repr__(self) -> str:
        return f"<Ufunc {self.__name__}>"
