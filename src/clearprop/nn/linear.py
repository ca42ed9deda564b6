"""`Linear`: the affine map y = x W^T + b."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from clearprop.arguments import is_whole
from clearprop.errors import at_line, lesson
from clearprop.nn import functional, init
from clearprop.nn.module import Module, Parameter
from clearprop.tensor import Tensor


class Linear(Module):
    """y = x W^T + b, from `in_features` to `out_features` along the last axis.

    `weight` is (out_features, in_features), `bias` (out_features,) or None; both start from
    U(-1/sqrt(in), 1/sqrt(in)), as in PyTorch. A layer computes in its parameters' dtype: data of another
    dtype is converted when it comes in.

    >>> from clearprop import nn
    >>> layer = nn.Linear(20, 32)
    >>> layer(np.ones((64, 20), np.float32)).shape, layer.weight.shape
    ((64, 32), (32, 20))
    """

    in_features: int
    out_features: int

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = np.float32
    ) -> None:
        super().__init__()
        for name, number in (("in_features", in_features), ("out_features", out_features)):
            if not is_whole(number) or operator.index(number) < 1:  # a subclass may hand on 2.5
                raise ValueError(
                    lesson(
                        "Linear(...)",
                        f"wants {name} as a whole number of 1 or more",
                        f"{number!r}",
                        at_line(),
                        "Linear(20, 32)",
                    )
                )
        self.in_features, self.out_features = int(in_features), int(out_features)
        self.weight: Parameter = Parameter(np.zeros((self.out_features, self.in_features), dtype))
        self.bias: Parameter | None = Parameter(np.zeros(self.out_features, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1 / math.sqrt(self.in_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Any) -> Tensor:
        """Return x W^T + b."""
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )
