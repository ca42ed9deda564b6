"""Where weights start: each function draws from the global random state and assigns a Parameter."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from clearprop.arguments import is_number
from clearprop.errors import at_line, lesson
from clearprop.nn.functional.layer import recording
from clearprop.ops import random
from clearprop.record import assign
from clearprop.refusal import tells
from clearprop.tensor import Tensor

T = TypeVar("T", bound=Tensor)

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
_GAINS |= {f"conv{turned}{axes}d": 1.0 for turned in ("", "_transpose") for axes in (1, 2, 3)}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that keeps the variance through a nonlinearity (relu: sqrt(2), tanh: 5/3, ...).

    `param` is the slope of leaky relu, 0.01 where it is not given.

    >>> calculate_gain("relu")
    1.4142135623730951
    """
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not is_number(param)):
            called, wanted = "calculate_gain('leaky_relu', param)", "wants the slope as a number"
            raise ValueError(lesson(called, wanted, f"{param!r}", at_line(), "param=0.01"))
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        wanted, hint = f"knows {', '.join([*_GAINS, 'leaky_relu'])}", "'linear', whose gain is 1"
        raise ValueError(lesson("calculate_gain(nonlinearity)", wanted, f"{nonlinearity!r}", at_line(), hint))
    return _GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return (inputs, outputs) of each unit: of a weight (out, in, *window), in * window and out * window.

    >>> fans(Tensor(np.zeros((32, 13))))
    (13, 32)
    """
    if tensor.ndim < 2:
        raise ValueError(
            lesson(
                "an initialiser by fan",
                "wants a weight of two or more axes",
                f"{tensor.shape}",
                at_line(),
                hint="init.uniform_ or init.zeros_ for a bias",
            )
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


@tells
def uniform_(tensor: T, a: float = 0.0, b: float = 1.0) -> T:
    """Fill with numbers drawn evenly from [a, b); return the parameter.

    >>> float(uniform_(Tensor(np.zeros(100)), 2.0, 3.0).value.min()) >= 2.0
    True
    """
    drawn = random.uniform(tensor.shape, a, b, np.promote_types(tensor.dtype, np.float32))
    assign(tensor, drawn if drawn.dtype == tensor.dtype else drawn.astype(tensor.dtype))
    return tensor


@tells
def normal_(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Fill with numbers from the normal distribution; return the parameter.

    >>> bool(abs(normal_(Tensor(np.zeros(1000)), 5.0, 0.1).value - 5.0).max() < 1.0)
    True
    """
    assign(tensor, random.normal(tensor.shape, mean, std, tensor.dtype))
    return tensor


@tells
def constant_(tensor: T, val: float) -> T:
    """Fill with one number; return the parameter.

    >>> constant_(Tensor([0.0, 0.0]), 3.0).value
    array([3., 3.])
    """
    assign(tensor, np.full(tensor.shape, val, tensor.dtype))
    return tensor


@tells
def zeros_(tensor: T) -> T:
    """Fill with 0; return the parameter.

    >>> zeros_(Tensor([1.0, 2.0])).value
    array([0., 0.])
    """
    return constant_(tensor, 0.0)


@tells
def ones_(tensor: T) -> T:
    """Fill with 1; return the parameter.

    >>> ones_(Tensor([1.0, 2.0])).value
    array([1., 1.])
    """
    return constant_(tensor, 1.0)


@tells
def eye_(tensor: T) -> T:
    """Fill a matrix with the identity; return the parameter.

    >>> eye_(Tensor(np.zeros((2, 2)))).value
    array([[1., 0.],
           [0., 1.]])
    """
    rows, columns = tensor.shape
    assign(tensor, np.eye(rows, columns, dtype=tensor.dtype))
    return tensor


@tells
def xavier_uniform_(tensor: T, gain: float = 1.0) -> T:
    """Fill from U(-a, a), a = gain sqrt(6 / (in + out)) (Glorot and Bengio 2010); return the parameter.

    >>> bool(abs(xavier_uniform_(Tensor(np.zeros((50, 4)))).value).max() < 1 / 3)
    True
    """
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


@tells
def xavier_normal_(tensor: T, gain: float = 1.0) -> T:
    """Fill from N(0, s^2), s = gain sqrt(2 / (in + out)) (Glorot and Bengio 2010); return the parameter.

    >>> bool(abs(xavier_normal_(Tensor(np.zeros((50, 50)))).value).max() < 1.5)  # ten times s
    True
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))))


def fan(tensor: Tensor, mode: str) -> int:
    """Return the inputs of each unit for the mode "fan_in", its outputs for "fan_out".

    >>> fan(Tensor(np.zeros((32, 13))), "fan_out")
    32
    """
    if mode not in ("fan_in", "fan_out"):
        wanted, hint = "is 'fan_in' or 'fan_out'", "mode='fan_in'"
        raise ValueError(lesson("kaiming_...(mode=)", wanted, f"{mode!r}", at_line(), hint))
    return fans(tensor)[mode == "fan_out"]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(fan(tensor, mode))


def kaiming_uniform_(tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """Fill from U(-b, b), b = gain sqrt(3 / fan) (He et al. 2015); `a` is leaky relu's slope.

    >>> bool(abs(kaiming_uniform_(Tensor(np.zeros((50, 6)))).value).max() < 1.0)
    True
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """Fill from N(0, s^2), s = gain / sqrt(fan) (He et al. 2015); return the parameter.

    >>> weight = kaiming_normal_(Tensor(np.zeros((50, 50))), nonlinearity="relu")
    >>> bool(abs(weight.value).max() < 2.0)  # ten times s
    True
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


@tells
def trunc_normal_(tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> T:
    """Fill from the normal distribution cut off at a and b (values beyond are drawn again); return it.

    How often it draws depends on what it drew, so a compiled step refuses it.

    >>> bool(abs(trunc_normal_(Tensor(np.zeros(1000)), a=-1.0, b=1.0).value).max() <= 1.0)
    True
    """
    if recording():
        hint = "trunc_normal_ before the compiled step"
        raise RuntimeError(
            lesson("trunc_normal_(tensor)", "draws a number of times that no plan knows", hint=hint)
        )
    if not a < b:
        wanted, got = "wants a below b", f"a={a}, b={b}"
        raise ValueError(lesson("trunc_normal_(tensor, a=, b=)", wanted, got, at_line(), "a=-2.0, b=2.0"))
    drawn = random.normal(tensor.shape, mean, std).numpy().copy()
    for _ in range(1000):
        outside = (drawn < a) | (drawn > b)
        if not outside.any():
            break
        drawn[outside] = random.normal((int(outside.sum()),), mean, std).numpy()
    assign(tensor, np.clip(drawn, a, b))
    return tensor


@tells
def orthogonal_(tensor: T, gain: float = 1.0) -> T:
    """Fill with `gain` times orthonormal rows or columns, drawn evenly; axes beyond two are joined.

    Q of a QR factorisation of normal numbers, its columns signed by R's diagonal. Sources: Saxe, McClelland
    and Ganguli 2014; Mezzadri 2007. Raises ValueError for fewer than two axes.

    >>> q = orthogonal_(Tensor(np.zeros((2, 5)))).value
    >>> (q @ q.T).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    fans(tensor)
    if tensor.size:
        rows = tensor.shape[0]
        tall = sorted((rows, tensor.size // rows), reverse=True)
        q, r = np.linalg.qr(random.normal(tuple(tall), 0.0, 1.0))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        assign(tensor, gain * (q if q.shape[0] == rows else q.T).reshape(tensor.shape))
    return tensor


@tells
def dirac_(tensor: T, groups: int = 1) -> T:
    """Fill a convolution's kernel (out, in, *window) so that it hands on as many channels as it can.

    Raises ValueError unless there are 3 to 5 axes and outputs that can be cut into `groups`.

    >>> dirac_(Tensor(np.zeros((2, 2, 3)))).value[:, :, 1]
    array([[1., 0.],
           [0., 1.]])
    """
    if not 3 <= tensor.ndim <= 5 or groups < 1 or tensor.shape[0] % groups:
        wanted = f"wants a kernel (out, in, 1 to 3 lengths) with outputs in {groups} groups"
        hint = "eye_(tensor) for a matrix" if tensor.ndim == 2 else "a kernel of shape (4, 4, 3, 3)"
        raise ValueError(lesson("dirac_(tensor)", wanted, f"{tensor.shape}", at_line(), hint))
    each = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    kernel = np.zeros(tensor.shape, tensor.dtype)
    for first in range(0, tensor.shape[0], each):
        for channel in range(min(each, tensor.shape[1])):
            kernel[(first + channel, channel, *middle)] = 1
    assign(tensor, kernel)
    return tensor


@tells
def sparse_(tensor: T, sparsity: float, std: float = 0.01) -> T:
    """Fill a matrix from N(0, std^2), ceil(sparsity * rows) entries of each column being 0 (Martens 2010).

    Raises ValueError unless there are two axes and `sparsity` is from 0 to 1.

    >>> (sparse_(Tensor(np.zeros((10, 3))), 0.25).value == 0).sum(axis=0)
    array([3, 3, 3])
    """
    if tensor.ndim != 2 or not 0 <= sparsity <= 1:
        wanted, got = "wants a matrix, and a sparsity from 0 to 1", f"{tensor.shape}, {sparsity!r}"
        hint = "sparse_(weight, 0.1) for a weight of two axes"
        raise ValueError(lesson("sparse_(tensor, sparsity)", wanted, got, at_line(), hint))
    order = np.argsort(random.uniform(tensor.shape, 0.0, 1.0), axis=0)
    values = random.normal(tensor.shape, 0.0, std)
    assign(tensor, np.where(order < math.ceil(sparsity * tensor.shape[0]), 0.0, values))
    return tensor
