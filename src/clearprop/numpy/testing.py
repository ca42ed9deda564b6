"""`clearprop.numpy.testing`: NumPy's assertions, of Tensors by their values."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.testing as numpys

from clearprop.tensor import Tensor


def _values(x: Any) -> Any:
    """Return `x` with plain arrays in place of Tensors, also inside of lists, tuples and dicts."""
    if isinstance(x, Tensor):
        return np.asarray(x.value)[()]
    if x.__class__ in (list, tuple):
        return type(x)(map(_values, x))
    return {key: _values(v) for key, v in x.items()} if x.__class__ is dict else x


def _of_values(assertion: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(assertion)
    def answer(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return assertion(*map(_values, args), **kwargs)

    return answer


COMPARING = tuple(
    name for name in numpys.__all__ if name.startswith("assert_array_") or name in (
        "assert_allclose", "assert_almost_equal", "assert_approx_equal", "assert_equal",
    )
)  # fmt: skip
"""The assertions that compare arrays."""
NAMES: dict[str, Any] = {name: getattr(numpys, name) for name in numpys.__all__}
NAMES |= {name: _of_values(NAMES[name]) for name in COMPARING}
vars(sys.modules[__name__]).update(NAMES)


def __dir__() -> list[str]:
    return sorted(NAMES)
