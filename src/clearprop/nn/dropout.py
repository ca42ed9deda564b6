"""`Dropout`: noise while training, nothing in evaluation."""

from __future__ import annotations

from typing import Any

from clearprop.nn import functional as F
from clearprop.nn.functional.layer import probability
from clearprop.nn.module import Module


class Dropout(Module):
    """While training, set each entry to 0 with probability `p` and divide the others by 1 - p.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    >>> import numpy as np
    >>> Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        probability("Dropout", p)
        self.p = p

    def forward(self, x: Any) -> Any:
        """Return x with entries dropped."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"
