"""Linear filters: `lfilter`, with gradients by the signal and by both polynomials."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.facts import Facts
from clearprop.registry import ops

_B, _A = np.array([0.5, 0.2, -0.1]), np.array([1.5, -0.4])
_X = np.array([[0.5, -1.2, 2.0, 0.7], [1.5, 0.3, -0.8, 1.1]])


def _filter(b: Any, a: Any, x: Any) -> Any:
    return ops["filtered"](b, a, x)


def _back(b: Any, a: Any, g: Any) -> Any:
    """The transpose of a filter: the same one, from the other end."""
    return np.flip(_filter(b, a, np.flip(g, -1)), -1)


def _lagged(g: Any, x: Any, count: int) -> Any:
    """Return the sum of g[n] x[n - k] over all n and all signals, for k below `count`."""
    n = x.shape[-1]
    found = [np.sum(g[..., min(k, n) :] * x[..., : max(n - k, 0)]) for k in range(count)]
    return np.stack(found)


def _one(a: Any) -> Any:
    return np.ones(1, a.dtype)


def _by_signal(g: Any, z: Any, b: Any, a: Any, x: Any) -> Any:
    return _back(b, a, g)


def _by_zeros(g: Any, z: Any, b: Any, a: Any, x: Any) -> Any:
    return _lagged(g, _filter(_one(a), a, x), b.shape[0])


def _by_poles(g: Any, z: Any, b: Any, a: Any, x: Any) -> Any:
    return -_lagged(g, _filter(_one(a), a, z), a.shape[0])


@define(
    "filtered",
    "opaque",
    _by_zeros,
    _by_poles,
    _by_signal,
    facts=Facts(kinks=False, plane="analytic"),
    examples=(((_B, _A, _X), {}),),
)
def filtered(b: Any, a: Any, x: Any) -> Any:
    """y with sum_k a[k] y[n - k] = sum_k b[k] x[n - k], along the last axis.

    >>> filtered(np.array([1.0]), np.array([1.0, -0.5]), np.array([1.0, 0.0, 0.0]))
    array([1.  , 0.5 , 0.25])
    """
    return importlib.import_module("scipy.signal").lfilter(b, a, x)


def _side_by_side(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run one filter over the signals of all examples; where filters differ, one example after another."""
    if mapped == [False, False, True]:
        return op(*xs, **attrs)
    each = [op(*[x[k] if m else x for x, m in zip(xs, mapped, strict=True)], **attrs) for k in range(size)]
    return np.stack(each)


filtered.batch = _side_by_side
