"""Dropout as modules: noise while training, nothing in evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from clearprop.nn import functional as F
from clearprop.nn.functional.dropout import probability
from clearprop.nn.module import Module
from clearprop.tensor import Tensor


class Dropout(Module):
    """While training, set each entry to 0 with probability `p` and divide the others by 1 - p.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    >>> import numpy as np
    >>> Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    shown: tuple[str, ...] = ("p",)
    formula: ClassVar[Callable[..., Any]] = staticmethod(F.dropout)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        probability(type(self).__name__, p)
        self.p = p

    def forward(self, x: Any) -> Tensor:
        """Return x with entries dropped."""
        return type(self).formula(x, self.p, self.training)


class Dropout1d(Dropout):
    """While training, drop whole channels of (n, channels, length); see `functional.dropout1d`.

    >>> import numpy as np
    >>> y = Dropout1d()(np.ones((1, 4, 3)))
    >>> bool(np.all(y == y[..., :1]))
    True
    """

    formula: ClassVar[Any] = staticmethod(F.dropout1d)


class Dropout2d(Dropout):
    """While training, drop whole channels of (n, channels, height, width).

    >>> import numpy as np
    >>> y = Dropout2d()(np.ones((1, 4, 3, 3)))
    >>> bool(np.all(y == y[..., :1]))
    True
    """

    formula: ClassVar[Any] = staticmethod(F.dropout2d)


class Dropout3d(Dropout):
    """While training, drop whole channels of (n, channels, depth, height, width).

    >>> import numpy as np
    >>> y = Dropout3d()(np.ones((1, 4, 3, 3, 3)))
    >>> bool(np.all(y == y[..., :1]))
    True
    """

    formula: ClassVar[Any] = staticmethod(F.dropout3d)


class AlphaDropout(Dropout):
    """While training, drop entries to selu's lowest value; mean and variance stay.

    >>> import numpy as np
    >>> y = AlphaDropout()(np.zeros(1000))
    >>> len(np.unique(y))
    2
    """

    formula: ClassVar[Any] = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(Dropout):
    """While training, do to whole channels what `AlphaDropout` does to entries.

    >>> import numpy as np
    >>> y = FeatureAlphaDropout()(np.ones((1, 4, 3)))
    >>> bool(np.all(y == y[..., :1]))
    True
    """

    formula: ClassVar[Any] = staticmethod(F.feature_alpha_dropout)
