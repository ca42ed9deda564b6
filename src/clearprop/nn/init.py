"""Where weights start: each function draws from the global random state and assigns a Parameter."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from clearprop.errors import lesson
from clearprop.nn.functional.layer import recording
from clearprop.ops import random
from clearprop.record import assign
from clearprop.refusal import tells
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


@tells
def uniform_(parameter: T, a: float = 0.0, b: float = 1.0) -> T:
    """Fill with numbers drawn evenly from [a, b); return the parameter.

    >>> float(uniform_(Tensor(np.zeros(100)), 2.0, 3.0).value.min()) >= 2.0
    True
    """
    drawn = random.uniform(parameter.shape, a, b, np.promote_types(parameter.dtype, np.float32))
    assign(parameter, drawn if drawn.dtype == parameter.dtype else drawn.astype(parameter.dtype))
    return parameter


@tells
def normal_(parameter: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Fill with numbers from the normal distribution; return the parameter."""
    assign(parameter, random.normal(parameter.shape, mean, std, parameter.dtype))
    return parameter


@tells
def constant_(parameter: T, value: float) -> T:
    """Fill with one number; return the parameter."""
    assign(parameter, np.full(parameter.shape, value, parameter.dtype))
    return parameter


@tells
def zeros_(parameter: T) -> T:
    """Fill with 0; return the parameter."""
    return constant_(parameter, 0.0)


@tells
def ones_(parameter: T) -> T:
    """Fill with 1; return the parameter."""
    return constant_(parameter, 1.0)


@tells
def eye_(parameter: T) -> T:
    """Fill a matrix with the identity; return the parameter."""
    rows, columns = parameter.shape
    assign(parameter, np.eye(rows, columns, dtype=parameter.dtype))
    return parameter


@tells
def xavier_uniform_(parameter: T, gain: float = 1.0) -> T:
    """Fill from U(-a, a), a = gain sqrt(6 / (in + out)) (Glorot and Bengio 2010); return the parameter."""
    bound = gain * math.sqrt(6.0 / sum(fans(parameter)))
    return uniform_(parameter, -bound, bound)


@tells
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


@tells
def trunc_normal_(parameter: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> T:
    """Fill from the normal distribution cut off at a and b (values beyond are drawn again); return it.

    How often it draws depends on what it drew, so a compiled step refuses it.
    """
    if recording():
        hint = "trunc_normal_ before the compiled step"
        raise RuntimeError(
            lesson("trunc_normal_(parameter)", "draws a number of times that no plan knows", hint=hint)
        )
    drawn = random.normal(parameter.shape, mean, std).numpy().copy()
    for _ in range(1000):
        outside = (drawn < a) | (drawn > b)
        if not outside.any():
            break
        drawn[outside] = random.normal((int(outside.sum()),), mean, std).numpy()
    assign(parameter, np.clip(drawn, a, b))
    return parameter


@tells
def orthogonal_(parameter: T, gain: float = 1.0) -> T:
    """Fill with `gain` times orthonormal rows or columns, drawn evenly; axes beyond two are joined.

    Q of a QR factorisation of normal numbers, its columns signed by R's diagonal. Sources: Saxe, McClelland
    and Ganguli 2014; Mezzadri 2007. Raises ValueError for fewer than two axes.

    >>> q = orthogonal_(Tensor(np.zeros((2, 5)))).value
    >>> (q @ q.T).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    fans(parameter)
    if parameter.size:
        rows = parameter.shape[0]
        tall = sorted((rows, parameter.size // rows), reverse=True)
        q, r = np.linalg.qr(random.normal(tuple(tall), 0.0, 1.0))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        assign(parameter, gain * (q if q.shape[0] == rows else q.T).reshape(parameter.shape))
    return parameter


@tells
def dirac_(parameter: T, groups: int = 1) -> T:
    """Fill a convolution's kernel (out, in, *window) so that it hands on as many channels as it can.

    Raises ValueError unless there are 3 to 5 axes and outputs that can be cut into `groups`.

    >>> dirac_(Tensor(np.zeros((2, 2, 3)))).value[:, :, 1]
    array([[1., 0.],
           [0., 1.]])
    """
    if not 3 <= parameter.ndim <= 5 or groups < 1 or parameter.shape[0] % groups:
        wanted = f"wants a kernel (out, in, 1 to 3 lengths) with outputs in {groups} groups"
        raise ValueError(lesson("dirac_(parameter)", wanted, f"{parameter.shape}"))
    each = parameter.shape[0] // groups
    middle = tuple(n // 2 for n in parameter.shape[2:])
    kernel = np.zeros(parameter.shape, parameter.dtype)
    for first in range(0, parameter.shape[0], each):
        for channel in range(min(each, parameter.shape[1])):
            kernel[(first + channel, channel, *middle)] = 1
    assign(parameter, kernel)
    return parameter


@tells
def sparse_(parameter: T, sparsity: float, std: float = 0.01) -> T:
    """Fill a matrix from N(0, std^2), ceil(sparsity * rows) entries of each column being 0 (Martens 2010).

    Raises ValueError unless there are two axes and `sparsity` is from 0 to 1.

    >>> (sparse_(Tensor(np.zeros((10, 3))), 0.25).value == 0).sum(axis=0)
    array([3, 3, 3])
    """
    if parameter.ndim != 2 or not 0 <= sparsity <= 1:
        wanted, got = "wants a matrix, and a sparsity from 0 to 1", f"{parameter.shape}, {sparsity!r}"
        raise ValueError(lesson("sparse_(parameter, sparsity)", wanted, got))
    order = np.argsort(random.uniform(parameter.shape, 0.0, 1.0), axis=0)
    values = random.normal(parameter.shape, 0.0, std)
    assign(parameter, np.where(order < math.ceil(sparsity * parameter.shape[0]), 0.0, values))
    return parameter
