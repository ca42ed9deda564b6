"""Activations as modules, so that they can stand in a Sequential; the functions are in `functional`."""

from __future__ import annotations

from typing import Any

from clearprop.nn import functional as F
from clearprop.nn.functional.layer import checked_approximation, positive
from clearprop.nn.module import Module


class Identity(Module):
    """y = x."""

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


class ReLU(Module):
    """y = max(x, 0); the derivative at 0 is 0.

    >>> import numpy as np
    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        """Return max(x, 0)."""
        return F.relu(x)


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)).

    >>> import numpy as np
    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    def forward(self, x: Any) -> Any:
        """Return the sigmoid of x."""
        return F.sigmoid(x)


class Tanh(Module):
    """y = tanh(x).

    >>> import numpy as np
    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    def forward(self, x: Any) -> Any:
        """Return tanh(x)."""
        return F.tanh(x)


class SiLU(Module):
    """y = x sigmoid(x)."""

    def forward(self, x: Any) -> Any:
        """Return x sigmoid(x)."""
        return F.silu(x)


class GELU(Module):
    """y = x/2 (1 + erf(x/sqrt(2))), with `approximate="tanh"` x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    >>> import numpy as np
    >>> GELU()(np.array([-1.0, 2.0]))
    array([-0.15865525,  1.95449974])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = checked_approximation("GELU(approximate=)", approximate)

    def forward(self, x: Any) -> Any:
        """Return gelu(x)."""
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """Return which form it is."""
        return f"approximate={self.approximate!r}"


class LogSigmoid(Module):
    """y = log(sigmoid(x)), without overflow."""

    def forward(self, x: Any) -> Any:
        """Return log(sigmoid(x))."""
        return F.logsigmoid(x)


class Softplus(Module):
    """y = log(1 + exp(beta x)) / beta, without overflow."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = positive("Softplus(beta=)", beta)

    def forward(self, x: Any) -> Any:
        """Return softplus(x)."""
        return F.softplus(x, self.beta)

    def extra_repr(self) -> str:
        """Return beta."""
        return f"beta={self.beta}"


class LeakyReLU(Module):
    """y = x where x > 0, else negative_slope x."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """Return the leaky relu of x."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """y = x where x > 0, else alpha (exp(x) - 1)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Return elu(x)."""
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """Return alpha."""
        return f"alpha={self.alpha}"


class Softmax(Module):
    """y = exp(x) / sum(exp(x)) along `dim`: positive numbers that add up to 1.

    >>> import numpy as np
    >>> Softmax()(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """Return softmax(x)."""
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """y = x - log(sum(exp(x))) along `dim`, exact where softmax would round to 0."""

    def forward(self, x: Any) -> Any:
        """Return log(softmax(x))."""
        return F.log_softmax(x, self.dim)
