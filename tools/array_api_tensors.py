"""`clearprop.numpy` with Tensors alone, for tools/array_api_suite.py: what makes an array gives a Tensor.

The namespace itself makes plain arrays of numbers. The Tensors need no gradient.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy

import clearprop.numpy
from clearprop import Tensor

MAKING = (
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace",
    "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
)  # fmt: skip


def lifted(z: Any) -> Any:
    """Return results with Tensors in place of plain arrays."""
    if isinstance(z, (list, tuple)):
        return type(z)(map(lifted, z)) if type(z) in (list, tuple) else z
    return Tensor(z, requires_grad=False) if isinstance(z, (numpy.ndarray, numpy.generic)) else z


def making(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose arrays are Tensors."""

    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        return lifted(function(*args, **kwargs))

    return answer


vars(sys.modules[__name__]).update(clearprop.numpy.NAMES)
vars(sys.modules[__name__]).update({name: making(clearprop.numpy.NAMES[name]) for name in MAKING})
