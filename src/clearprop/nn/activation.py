"""Activations as modules, so that they can stand in a Sequential; the functions are in `functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn.functional.activation import checked_approximation
from clearprop.nn.functional.layer import positive
from clearprop.nn.module import Module, Parameter
from clearprop.tensor import Tensor


class Identity(Module):
    """y = x, whatever it is made with: it takes the place of any layer.

    >>> import numpy as np
    >>> Identity()(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Tensor:
        """Return x."""
        return x


class ReLU(Module):
    """y = max(x, 0); the derivative at 0 is 0.

    >>> import numpy as np
    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Tensor:
        """Return max(x, 0)."""
        return F.relu(x)


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)).

    >>> import numpy as np
    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    def forward(self, x: Any) -> Tensor:
        """Return the sigmoid of x."""
        return F.sigmoid(x)


class Tanh(Module):
    """y = tanh(x).

    >>> import numpy as np
    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    def forward(self, x: Any) -> Tensor:
        """Return tanh(x)."""
        return F.tanh(x)


class SiLU(Module):
    """y = x sigmoid(x).

    >>> import numpy as np
    >>> SiLU()(np.array([-1.0, 2.0])).round(4)
    array([-0.2689,  1.7616])
    """

    def forward(self, x: Any) -> Tensor:
        """Return x sigmoid(x)."""
        return F.silu(x)


class GELU(Module):
    """y = x/2 (1 + erf(x/sqrt(2))), with `approximate="tanh"` x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    >>> import numpy as np
    >>> GELU()(np.array([-1.0, 2.0]))
    array([-0.15865525,  1.95449974])
    """

    shown: tuple[str, ...] = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate: str = checked_approximation("GELU(approximate=)", approximate)

    def forward(self, x: Any) -> Tensor:
        """Return gelu(x)."""
        return F.gelu(x, self.approximate)


class LogSigmoid(Module):
    """y = log(sigmoid(x)), without overflow.

    >>> import numpy as np
    >>> LogSigmoid()(np.array([-1.0, 2.0])).round(4)
    array([-1.3133, -0.1269])
    """

    def forward(self, x: Any) -> Tensor:
        """Return log(sigmoid(x))."""
        return F.logsigmoid(x)


class Softplus(Module):
    """y = log(1 + exp(beta x)) / beta, without overflow, and x where beta x is above `threshold`.

    >>> import numpy as np
    >>> Softplus()(np.array([-1.0, 2.0])).round(4)
    array([0.3133, 2.1269])
    """

    beta: Any
    threshold: float | None

    shown: tuple[str, ...] = ("beta",)

    def __init__(self, beta: float = 1.0, threshold: float | None = None) -> None:
        super().__init__()
        self.beta, self.threshold = positive("Softplus(beta=)", beta), threshold
        if threshold is not None:
            self.shown = ("beta", "threshold")

    def forward(self, x: Any) -> Tensor:
        """Return softplus(x)."""
        return F.softplus(x, self.beta, self.threshold)


class LeakyReLU(Module):
    """y = x where x > 0, else negative_slope x.

    >>> import numpy as np
    >>> LeakyReLU(0.1)(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    shown: tuple[str, ...] = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        """Return the leaky relu of x."""
        return F.leaky_relu(x, self.negative_slope)


class ELU(Module):
    """y = x where x > 0, else alpha (exp(x) - 1).

    >>> import numpy as np
    >>> ELU()(np.array([-1.0, 2.0])).round(4)
    array([-0.6321,  2.    ])
    """

    shown: tuple[str, ...] = ("alpha",)

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        """Return elu(x)."""
        return F.elu(x, self.alpha)


class Softmax(Module):
    """y = exp(x) / sum(exp(x)) along `dim`: positive numbers that add up to 1.

    Without `dim` it is the last axis of one or two; more axes ask for it (ValueError).

    >>> import numpy as np
    >>> Softmax()(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])
    """

    shown: tuple[str, ...] = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Return softmax(x)."""
        return F.softmax(x, self.dim)


class LogSoftmax(Softmax):
    """y = x - log(sum(exp(x))) along `dim`, exact where softmax would round to 0.

    >>> import numpy as np
    >>> LogSoftmax()(np.array([-1.0, 2.0])).round(4)
    array([-3.0486, -0.0486])
    """

    def forward(self, x: Any) -> Tensor:
        """Return log(softmax(x))."""
        return F.log_softmax(x, self.dim)


class Softmin(Softmax):
    """y = softmax(-x) along `dim`.

    >>> import numpy as np
    >>> Softmin()(np.array([-1.0, 2.0])).round(4)
    array([0.9526, 0.0474])
    """

    def forward(self, x: Any) -> Tensor:
        """Return softmin(x)."""
        return F.softmin(x, self.dim)


class Softmax2d(Module):
    """y = exp(x) / sum(exp(x)) over the channels of (n, channels, height, width), or that without n.

    >>> import numpy as np
    >>> Softmax2d()(np.log([[[1.0]], [[3.0]]])).ravel()
    array([0.25, 0.75])
    """

    def forward(self, x: Any) -> Tensor:
        """Return softmax(x) over the channels."""
        if len(x.shape) not in (3, 4):
            called, wanted = "Softmax2d()(x)", "wants (n, channels, height, width) or that without n"
            raise ValueError(lesson(called, wanted, f"shape {x.shape}", hint="Softmax(dim)"))
        return F.softmax(x, -3)


class Hardtanh(Module):
    """y = x kept within [min_val, max_val]; the derivative at both ends is 0.

    >>> import numpy as np
    >>> Hardtanh()(np.array([-3.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """

    min_val: float
    max_val: float

    shown: tuple[str, ...] = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val, self.max_val = min_val, max_val
        F.hardtanh(np.zeros(0), min_val, max_val)  # complains about an empty interval

    def forward(self, x: Any) -> Tensor:
        """Return hardtanh(x)."""
        return F.hardtanh(x, self.min_val, self.max_val)


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6); the derivative at 0 and at 6 is 0.

    >>> import numpy as np
    >>> ReLU6()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    shown: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)


class Hardsigmoid(Module):
    """y = min(max(x + 3, 0), 6) / 6.

    >>> import numpy as np
    >>> Hardsigmoid()(np.array([-3.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """

    def forward(self, x: Any) -> Tensor:
        """Return hardsigmoid(x)."""
        return F.hardsigmoid(x)


class Hardswish(Module):
    """y = x min(max(x + 3, 0), 6) / 6.

    >>> import numpy as np
    >>> Hardswish()(np.array([-1.0, 2.0])).round(4)
    array([-0.3333,  1.6667])
    """

    def forward(self, x: Any) -> Tensor:
        """Return hardswish(x)."""
        return F.hardswish(x)


class Hardshrink(Module):
    """y = x where |x| > lambd, else 0.

    >>> import numpy as np
    >>> Hardshrink()(np.array([-1.0, 0.25]))
    array([-1.,  0.])
    """

    shown: tuple[str, ...] = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: Any) -> Tensor:
        """Return hardshrink(x)."""
        return F.hardshrink(x, self.lambd)


class Softshrink(Hardshrink):
    """y = x moved towards 0 by lambd, and 0 within lambd of it.

    >>> import numpy as np
    >>> Softshrink()(np.array([-1.0, 0.25]))
    array([-0.5,  0. ])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__(lambd)
        F.softshrink(np.zeros(0), lambd)  # complains about a negative one

    def forward(self, x: Any) -> Tensor:
        """Return softshrink(x)."""
        return F.softshrink(x, self.lambd)


class Threshold(Module):
    """y = x where x > threshold, else value.

    >>> import numpy as np
    >>> Threshold(0.5, 9.0)(np.array([-1.0, 2.0]))
    array([9., 2.])
    """

    threshold: float
    value: float

    shown: tuple[str, ...] = ("threshold", "value")

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__()
        self.threshold, self.value = threshold, value

    def forward(self, x: Any) -> Tensor:
        """Return x or the value."""
        return F.threshold(x, self.threshold, self.value)


class PReLU(Module):
    """y = x where x > 0, else w x; `weight` holds one w, or one per channel (axis 1), and is trained.

    Source: He et al., "Delving deep into rectifiers", 2015.

    >>> import numpy as np
    >>> PReLU()(np.array([-1.0, 2.0])).value
    array([-0.25,  2.  ])
    """

    shown: tuple[str, ...] = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = np.float32) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight: Parameter = Parameter(np.full(num_parameters, init, dtype))

    def forward(self, x: Any) -> Tensor:
        """Return prelu(x)."""
        return F.prelu(x, self.weight)


class RReLU(Module):
    """y = x where x > 0, else a x: a drawn from [lower, upper) while training, their mean in evaluation.

    >>> import numpy as np
    >>> RReLU().eval()(np.array([-1.0, 2.0])).round(4)
    array([-0.2292,  2.    ])
    """

    lower: float
    upper: float

    shown: tuple[str, ...] = ("lower", "upper")

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper
        F.rrelu(np.zeros(0), lower, upper)  # complains about an empty interval

    def forward(self, x: Any) -> Tensor:
        """Return rrelu(x)."""
        return F.rrelu(x, self.lower, self.upper, self.training)


class SELU(Module):
    """y = s x where x > 0, else s a (exp(x) - 1), s = 1.0507, a = 1.6733.

    >>> import numpy as np
    >>> SELU()(np.array([-1.0, 2.0])).round(4)
    array([-1.1113,  2.1014])
    """

    def forward(self, x: Any) -> Tensor:
        """Return selu(x)."""
        return F.selu(x)


class CELU(ELU):
    """y = max(x, 0) + min(alpha (exp(x / alpha) - 1), 0).

    >>> import numpy as np
    >>> CELU(2.0)(np.array([-1.0, 2.0])).round(4)
    array([-0.7869,  2.    ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha)
        F.celu(np.zeros(0), alpha)  # complains about 0

    def forward(self, x: Any) -> Tensor:
        """Return celu(x)."""
        return F.celu(x, self.alpha)


class Mish(Module):
    """y = x tanh(softplus(x)).

    >>> import numpy as np
    >>> Mish()(np.array([-1.0, 2.0])).round(4)
    array([-0.3034,  1.944 ])
    """

    def forward(self, x: Any) -> Tensor:
        """Return mish(x)."""
        return F.mish(x)


class Softsign(Module):
    """y = x / (1 + |x|).

    >>> import numpy as np
    >>> Softsign()(np.array([-1.0, 2.0])).round(4)
    array([-0.5   ,  0.6667])
    """

    def forward(self, x: Any) -> Tensor:
        """Return softsign(x)."""
        return F.softsign(x)


class Tanhshrink(Module):
    """y = x - tanh(x).

    >>> import numpy as np
    >>> Tanhshrink()(np.array([-1.0, 2.0])).round(4)
    array([-0.2384,  1.036 ])
    """

    def forward(self, x: Any) -> Tensor:
        """Return tanhshrink(x)."""
        return F.tanhshrink(x)


class GLU(Module):
    """y = a sigmoid(b), a and b the two halves of x along `dim`.

    >>> import numpy as np
    >>> GLU()(np.array([3.0, 0.0]))
    array([1.5])
    """

    shown: tuple[str, ...] = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Return glu(x)."""
        return F.glu(x, self.dim)
