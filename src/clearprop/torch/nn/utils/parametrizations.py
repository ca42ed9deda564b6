"""`torch.nn.utils.parametrizations`: weights of norm 1, orthogonal ones, a norm apart from its direction."""

from __future__ import annotations

from typing import Any, TypeVar

from clearprop.nn.utils import parametrizations as own
from clearprop.torch.nn.module import Module
from clearprop.torch.nn.utils.parametrize import seen

M = TypeVar("M", bound=Module)


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Train a weight's norms and its direction apart; see `clearprop.nn.utils.parametrizations`."""
    own.weight_norm(module.twin(), name, dim)
    return seen(module)


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divide a weight by its largest singular value, found by power iterations; return the module."""
    own.spectral_norm(module.twin(), name, n_power_iterations, eps, dim)
    return seen(module)


def orthogonal(module: M, name: str = "weight", orthogonal_map: str | None = None, **how: Any) -> M:
    """Keep the rows or columns of a weight orthonormal; return the module."""
    own.orthogonal(module.twin(), name, orthogonal_map, **how)
    return seen(module)


__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
