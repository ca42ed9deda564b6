"""`Flatten` and `Unflatten`: the same numbers in another shape."""

from __future__ import annotations

from typing import Any

from clearprop.nn import functional as F
from clearprop.nn.functional.layer import place
from clearprop.nn.module import Module
from clearprop.tensor import Tensor


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim` into one; the first is the batch and stays.

    >>> import numpy as np
    >>> Flatten()(np.zeros((5, 8, 8))).shape
    (5, 64)
    """

    start_dim: int
    end_dim: int

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Tensor:
        """Return x with these axes joined."""
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split the axis `dim` into axes of the given sizes.

    >>> import numpy as np
    >>> Unflatten(1, (8, 8))(np.zeros((5, 64))).shape
    (5, 8, 8)
    """

    dim: int
    unflattened_size: tuple[int, ...]

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Any) -> Tensor:
        """Return x with this axis split."""
        dim = place("Unflatten()(x)", "dim", self.dim, x)
        return x.reshape(*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :])

    def extra_repr(self) -> str:
        """Return the axis and its sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
