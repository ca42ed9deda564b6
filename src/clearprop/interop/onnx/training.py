"""ONNX's training operators: a step of an optimizer as a function, from parameters and gradients to new.

Each takes the rate, the number of steps before, then all parameters, all their gradients, all its memories.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Attributes = dict[str, Any]
xp: Any = np
DOMAIN = "ai.onnx.preview.training"


def _updating(step: Callable[..., tuple[Any, ...]], memories: int) -> Callable[..., Any]:
    """Apply a step to each of several parameters: results are all parameters, then all memories of a kind."""

    def operator(a: Attributes, rate: Any, t: Any, *arrays: Any) -> Any:
        many = len(arrays) // (2 + memories)
        kinds = [arrays[k * many : (k + 1) * many] for k in range(2 + memories)]
        found = []
        for x, g, *held in zip(*kinds, strict=True):
            found.append(step(a, rate, t, x, a.get("norm_coefficient", 0.0) * x + g, *held))
        return tuple(z for of_a_kind in zip(*found, strict=True) for z in of_a_kind)

    return operator


def _adagrad(a: Attributes, rate: Any, t: Any, x: Any, g: Any, h: Any) -> tuple[Any, ...]:
    rate = rate / (1 + t * a.get("decay_factor", 0.0))
    h = h + g * g
    return _same(x, x - rate * g / (xp.sqrt(h) + a.get("epsilon", 1e-6))), _same(x, h)


def _adam(a: Attributes, rate: Any, t: Any, x: Any, g: Any, v: Any, h: Any) -> tuple[Any, ...]:
    alpha, beta = a.get("alpha", 0.9), a.get("beta", 0.999)
    v, h = alpha * v + (1 - alpha) * g, beta * h + (1 - beta) * g * g
    t = np.asarray(t, np.float64)
    begun = np.where(t > 0, np.sqrt(1 - beta**t) / (1 - alpha ** np.maximum(t, 1)), 1.0)
    x_new = x - rate * begun * v / (xp.sqrt(h) + a.get("epsilon", 1e-6))
    return _same(x, (1 - a.get("norm_coefficient_post", 0.0)) * x_new), _same(x, v), _same(x, h)


def _momentum(a: Attributes, rate: Any, t: Any, x: Any, g: Any, v: Any) -> tuple[Any, ...]:
    v = a["alpha"] * v + np.where(np.asarray(t) > 0, a["beta"], 1.0) * g
    way = v if a["mode"] == "standard" else g + a["alpha"] * v
    return _same(x, x - rate * way), _same(x, v)


def _same(x: Any, z: Any) -> Any:
    return z.astype(x.dtype)


TRAINING: dict[str, Callable[..., Any]] = {
    "Adagrad": _updating(_adagrad, 1),
    "Adam": _updating(_adam, 2),
    "Momentum": _updating(_momentum, 1),
}
"""Operators of ONNX's domain for training."""
