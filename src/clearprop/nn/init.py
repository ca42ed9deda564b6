"""Where weights start: each function draws from the global random state and assigns a Parameter."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from clearprop.errors import lesson
from clearprop.ops import random
from clearprop.record import assign
from clearprop.tensor import Tensor

T = TypeVar("T", bound=Tensor)

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, slope: float = 0.01) -> float:
    """Return the factor that keeps the variance through a nonlinearity (relu: sqrt(2), tanh: 5/3, ...).

    >>> calculate_gain("relu")
    1.4142135623730951
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(lesson("calculate_gain(nonlinearity)", f"knows {known}", f"{nonlinearity!r}"))
    return _GAINS[nonlinearity]


def fans(parameter: Tensor) -> tuple[int, int]:
    """Return (inputs, outputs) of each unit: of a weight (out, in, *window), in * window and out * window.

    >>> fans(Tensor(np.zeros((32, 13))))
    (13, 32)
    """
    if parameter.ndim < 2:
        raise ValueError(
            lesson(
                "an initialiser by fan",
                "wants a weight of two or more axes",
                f"{parameter.shape}",
                hint="init.uniform_ or init.zeros_ for a bias",
            )
        )
    window = math.prod(parameter.shape[2:])
    return parameter.shape[1] * window, parameter.shape[0] * window


def uniform_(parameter: T, a: float = 0.0, b: float = 1.0) -> T:
    """Fill with numbers drawn evenly from [a, b); return the parameter.

    >>> float(uniform_(Tensor(np.zeros(100)), 2.0, 3.0).value.min()) >= 2.0
    True
    """
    assign(parameter, random.uniform(parameter.shape, a, b, parameter.dtype))
    return parameter


def normal_(parameter: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Fill with numbers from the normal distribution; return the parameter."""
    assign(parameter, random.normal(parameter.shape, mean, std, parameter.dtype))
    return parameter


def constant_(parameter: T, value: float) -> T:
    """Fill with one number; return the parameter."""
    assign(parameter, np.full(parameter.shape, value, parameter.dtype))
    return parameter


def zeros_(parameter: T) -> T:
    """Fill with 0; return the parameter."""
    return constant_(parameter, 0.0)


def ones_(parameter: T) -> T:
    """Fill with 1; return the parameter."""
    return constant_(parameter, 1.0)


def eye_(parameter: T) -> T:
    """Fill a matrix with the identity; return the parameter."""
    rows, columns = parameter.shape
    assign(parameter, np.eye(rows, columns, dtype=parameter.dtype))
    return parameter


def xavier_uniform_(parameter: T, gain: float = 1.0) -> T:
    """Fill from U(-a, a), a = gain sqrt(6 / (in + out)) (Glorot and Bengio 2010); return the parameter."""
    bound = gain * math.sqrt(6.0 / sum(fans(parameter)))
    return uniform_(parameter, -bound, bound)


def xavier_normal_(parameter: T, gain: float = 1.0) -> T:
    """Fill from N(0, s^2), s = gain sqrt(2 / (in + out)) (Glorot and Bengio 2010); return the parameter."""
    return normal_(parameter, 0.0, gain * math.sqrt(2.0 / sum(fans(parameter))))


def _kaiming_std(parameter: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(lesson("kaiming_...(mode=)", "is 'fan_in' or 'fan_out'", f"{mode!r}"))
    fan = fans(parameter)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    parameter: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """Fill from U(-b, b), b = gain sqrt(3 / fan) (He et al. 2015); `a` is leaky relu's slope.

    >>> bool(abs(kaiming_uniform_(Tensor(np.zeros((50, 6)))).value).max() < 1.0)
    True
    """
    bound = math.sqrt(3.0) * _kaiming_std(parameter, a, mode, nonlinearity)
    return uniform_(parameter, -bound, bound)


def kaiming_normal_(
    parameter: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """Fill from N(0, s^2), s = gain / sqrt(fan) (He et al. 2015); return the parameter."""
    return normal_(parameter, 0.0, _kaiming_std(parameter, a, mode, nonlinearity))


def trunc_normal_(parameter: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> T:
    """Fill from the normal distribution cut off at a and b (values beyond are drawn again); return it."""
    drawn = random.normal(parameter.shape, mean, std).numpy().copy()
    for _ in range(1000):
        outside = (drawn < a) | (drawn > b)
        if not outside.any():
            break
        drawn[outside] = random.normal((int(outside.sum()),), mean, std).numpy()
    assign(parameter, np.clip(drawn, a, b))
    return parameter
