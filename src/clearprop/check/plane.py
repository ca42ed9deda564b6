"""Complex numbers in a check: each is seen as a pair of real ones, its real and its imaginary part."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.check.probe import listed
from clearprop.tensor import Tensor, raw


def in_pairs(f: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return `f` as a function of real numbers, and its inputs as such, a last axis of length 2 for a pair.

    A gradient dL/dRe + i dL/dIm is right exactly where both of these are, so nothing else has to be known of
    complex numbers. Real inputs and outputs stay as they are.

    >>> double, (pair,) = in_pairs(lambda z: 2 * z, (np.array(1 + 3j),))
    >>> pair, double(pair)
    (array([1., 3.]), [array([2., 6.])])
    """
    at = [j for j, x in enumerate(inputs) if _complex(x)]

    @functools.wraps(f)
    def of_pairs(*given: Any) -> Any:
        xs = list(given)
        for j in at:
            xs[j] = xs[j][..., 0] + 1j * xs[j][..., 1]
        output = f(*xs)
        if not any(_complex(z) for z in listed(output)):
            return output
        return [np.stack([np.real(z), np.imag(z)], axis=-1) if _complex(z) else z for z in listed(output)]

    return of_pairs, tuple(paired(x) for x in inputs)


def paired(x: Any) -> Any:
    """Return complex numbers, or those among several arrays, as pairs; real ones as they are."""
    if isinstance(x, (list, tuple)) and any(_complex(a) for a in x):
        return [paired(a) for a in x]
    return _pair(x) if _complex(x) else x


def _complex(x: Any) -> bool:
    return isinstance(x, complex) or getattr(getattr(x, "dtype", None), "kind", "") == "c"


def _pair(x: Any) -> Any:
    value = np.asarray(raw(x))
    pair = np.stack([value.real, value.imag], axis=-1)
    return Tensor(pair, x.name, x.requires_grad) if isinstance(x, Tensor) else pair
