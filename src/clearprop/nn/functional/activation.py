"""Activations as functions: a line each, in plain NumPy, so that every derivative follows from the ops'."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.nn.functional.layer import arrayed, fitted, in_float32, place, positive
from clearprop.op import describe
from clearprop.ops import random
from clearprop.registry import ops
from clearprop.tensor import Tensor

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # the fixed point of Klambauer et al., 2017


def relu(x: Any) -> Any:
    """Return max(x, 0); the derivative at 0 is 0."""
    return ops["relu"](x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return ops["sigmoid"](x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def softmax(x: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """Return exp(x) / sum(exp(x)) along `dim`, computed in `dtype` where one is given.

    Without `dim` it is the last axis of one or two. Raises ValueError where `dim` is missing for more axes.

    >>> softmax(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    return ops["softmax"](_cast(x, dtype), axis=_along("softmax", x, dim))


def log_softmax(x: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """Return x - log(sum(exp(x))) along `dim`, computed in `dtype`; see `softmax`."""
    return ops["log_softmax"](_cast(x, dtype), axis=_along("log_softmax", x, dim))


def _cast(x: Any, dtype: Any) -> Any:
    return x if dtype is None else arrayed(x).astype(dtype)


def _along(name: str, x: Any, dim: int | None) -> int:
    """Return the axis meant: PyTorch would take axis 0 of three and axis 1 of four, which nobody expects."""
    if dim is None and np.ndim(x) > 2:
        wanted = f"wants dim= for {np.ndim(x)} axes"
        raise ValueError(lesson(f"{name}(x)", wanted, f"x is {describe(x)}", hint="dim=-1"))
    return -1 if dim is None else dim


def softplus(x: Any, beta: float = 1.0, threshold: float | None = None) -> Any:
    """Return log(1 + exp(beta x)) / beta, without overflow, and x itself where beta x is above `threshold`.

    Without a threshold it is exact everywhere, but that rounding beta x costs up to |beta x| ulp of small
    results and derivatives: keeping what is rounded off takes 9 times the time (`benchmarks/accuracy.py
    --costs`). PyTorch's threshold is 20, which leaves out less than 3e-9. Raises ValueError unless beta is
    above 0.

    >>> softplus(np.array([0.0, 3.0]), threshold=2.0).round(4)
    array([0.6931, 3.    ])
    """
    beta = positive("softplus(beta=)", beta)
    if threshold is not None:
        return np.where(beta * x > threshold, x, softplus(x, beta))
    if not isinstance(beta, Tensor) and beta == 1.0:
        return ops["softplus"](x)
    return ops["softplus"](x * beta) / beta


def logsigmoid(x: Any) -> Any:
    """Return log(sigmoid(x)), without overflow."""
    return ops["logsigmoid"](x)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """Return x where x > 0, else negative_slope x.

    >>> leaky_relu(np.array([-2.0, 3.0]))
    array([-0.02,  3.  ])
    """
    return np.where(x > 0, x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return x where x > 0, else alpha (exp(x) - 1).

    >>> elu(np.array([0.0, 3.0]))
    array([0., 3.])
    """
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x)))


def silu(x: Any) -> Any:
    """Return x sigmoid(x), also called swish.

    Near the zeros of its derivatives (x = -1.28, -2.4) their terms cancel: both orders are within 5e-16 of
    the exact ones, which is many ulp of a number near 0 (1e4 at 1e-4 from a zero). Polynomials around the
    zeros would be within 4 ulp and take 5.6 and 1.3 times the time (`benchmarks/accuracy.py --costs`).

    >>> silu(np.array([0.0]))
    array([0.])
    """
    return x * ops["sigmoid"](x)


@in_float32
def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x P(x), with P(x) the share of a standard normal distribution below x: x/2 (1 + erf(x/sqrt(2))).

    With `approximate="tanh"` it is x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3), at most 0.0005 away.
    Far below 0 nothing cancels: the first is computed as x ndtr(x), the second as x sigmoid(2 u), up to 40
    ulp off there; keeping what is rounded off of u takes 19 times the time. Near the zeros of its derivatives
    both orders are within 5e-16 of the exact ones, as their terms cancel (the tanh form's second within
    1e-15); polynomials around the zeros would be within 4 ulp, the first at 2 times the time
    (`benchmarks/accuracy.py --costs`). Raises ValueError for another word. Source: Hendrycks and Gimpel,
    "Gaussian error linear units", 2016.

    >>> gelu(np.array([-10.0, 0.0, 1.0]))
    array([-7.61985302e-23,  0.00000000e+00,  8.41344746e-01])
    >>> gelu(np.array([1.0]), approximate="tanh")
    array([0.84119199])
    """
    if checked_approximation("gelu(approximate=)", approximate) == "none":
        return x * ops["ndtr"](x)
    return x * ops["sigmoid"](1.5957691216057308 * (x + 0.044715 * x * x * x))


def checked_approximation(called: str, approximate: str) -> str:
    """Return which form of GELU is meant, having complained about a word that it does not know."""
    if approximate not in ("none", "tanh"):
        wanted = "is 'none' or 'tanh'"
        raise ValueError(
            lesson(called, wanted, f"{approximate!r}", hint="approximate='none', the exact form")
        )
    return approximate


# --- straight pieces: at a corner the slope is the one nearest to 0 -----------------------------------------
def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return x kept within [min_val, max_val]; the derivative at both ends is 0.

    >>> hardtanh(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    if not min_val < max_val:
        wanted = "wants min_val below max_val"
        raise ValueError(lesson("hardtanh(x)", wanted, f"{min_val} and {max_val}", hint="hardtanh(x, -1, 1)"))
    return np.where(x > min_val, np.where(x < max_val, x, max_val), min_val)


def relu6(x: Any) -> Any:
    """Return min(max(x, 0), 6); the derivative at 0 and at 6 is 0.

    >>> relu6(np.array([-1.0, 2.0, 9.0]))
    array([0., 2., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x: Any) -> Any:
    """Return min(max(x + 3, 0), 6) / 6.

    >>> hardsigmoid(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """
    return relu6(x + 3) / 6


def hardswish(x: Any) -> Any:
    """Return x min(max(x + 3, 0), 6) / 6 (Howard et al., "Searching for MobileNetV3", 2019).

    >>> hardswish(np.array([-4.0, 1.0, 4.0])).round(4)
    array([-0.    ,  0.6667,  4.    ])
    """
    return x * hardsigmoid(x)


def hardshrink(x: Any, lambd: float = 0.5) -> Any:
    """Return x where |x| > lambd, else 0.

    >>> hardshrink(np.array([-1.0, 0.25, 0.5]))
    array([-1.,  0.,  0.])
    """
    return np.where(np.abs(x) > lambd, x, 0)


def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """Return x moved towards 0 by lambd, and 0 within lambd of it. Raises ValueError for a negative lambd.

    >>> softshrink(np.array([-2.0, 0.25, 2.0]))
    array([-1.5,  0. ,  1.5])
    """
    if not lambd >= 0:
        raise ValueError(lesson("softshrink(lambd=)", "wants 0 or more", f"{lambd!r}", hint="lambd=0.5"))
    return np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, 0))


def threshold(x: Any, threshold: float, value: float) -> Any:
    """Return x where x > threshold, else value.

    >>> threshold(np.array([-1.0, 2.0]), 0.5, 20.0)
    array([20.,  2.])
    """
    return np.where(x > threshold, x, value)


def prelu(x: Any, weight: Any) -> Any:
    """Return x where x > 0, else weight x, the weight one number or one per channel (axis 1).

    Source: He et al., "Delving deep into rectifiers", 2015. Raises ValueError for another count of weights.

    >>> prelu(np.array([[-2.0, 3.0]]), np.array([0.25, 0.5]))
    array([[-0.5,  3. ]])
    """
    x = arrayed(x)
    weight = fitted(weight, x)
    if weight.shape not in ((), (1,)):
        channels = x.shape[1] if len(x.shape) > 1 else 1
        if weight.shape != (channels,):
            wanted = f"wants one weight, or one per channel, {channels}"
            raise ValueError(lesson("prelu(x, weight)", wanted, describe(weight), f"x is {describe(x)}."))
        weight = weight.reshape(channels, *(1 for _ in x.shape[2:]))
    return np.where(x > 0, x, weight * x)


@takes_truths
def rrelu(x: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """Return x where x > 0, else a x, a drawn from [lower, upper) per entry, or their mean in evaluation.

    Source: Xu et al., "Empirical evaluation of rectified activations", 2015.

    >>> rrelu(np.array([-4.0, 3.0]), 0.0, 0.5)
    array([-1.,  3.])
    """
    if not lower <= upper:
        wanted = "wants lower at most upper"
        raise ValueError(lesson("rrelu(x)", wanted, f"{lower} and {upper}", hint="rrelu(x, 1 / 8, 1 / 3)"))
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    x = arrayed(x)
    return np.where(x > 0, x, x * random.uniform(x.shape, lower, upper, dtype=x.dtype))


# --- exponential pieces and smooth bends --------------------------------------------------------------------
def selu(x: Any) -> Any:
    """Return s x where x > 0, else s a (exp(x) - 1), s = 1.0507..., a = 1.6733...

    Deep stacks of it keep mean 0 and variance 1. Source: Klambauer et al., "Self-normalizing neural
    networks", 2017.

    >>> selu(np.array([-np.inf, 0.0, 1.0])).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return max(x, 0) + min(alpha (exp(x / alpha) - 1), 0) (Barron, 2017). Raises ValueError for alpha 0.

    >>> celu(np.array([-np.inf, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    if alpha == 0:
        raise ValueError(lesson("celu(alpha=)", "wants a number other than 0", "0", hint="alpha=1.0"))
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x) / alpha))


def mish(x: Any) -> Any:
    """Return x tanh(softplus(x)) (Misra, "Mish", 2019).

    >>> mish(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """
    return x * np.tanh(ops["softplus"](x))


def softsign(x: Any) -> Any:
    """Return x / (1 + |x|).

    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    return x / (1 + np.abs(x))


def tanhshrink(x: Any) -> Any:
    """Return x - tanh(x).

    >>> tanhshrink(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.2384])
    """
    return x - np.tanh(x)


def glu(x: Any, dim: int = -1) -> Any:
    """Return a sigmoid(b), a and b the two halves of x along `dim`. Raises ValueError for an odd length.

    Source: Dauphin et al., "Language modeling with gated convolutional networks", 2017.

    >>> glu(np.array([1.0, 2.0, 0.0, 0.0]))
    array([0.5, 1. ])
    """
    x = arrayed(x)
    if not x.shape or x.shape[place("glu(x)", "dim", dim, x)] % 2:
        wanted = f"wants an even length along axis {dim}"
        raise ValueError(lesson("glu(x)", wanted, describe(x), hint="a layer of twice as many outputs"))
    a, b = np.split(x, 2, axis=dim)
    return a * ops["sigmoid"](b)


# --- shares of a whole --------------------------------------------------------------------------------------
def softmin(x: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """Return softmax(-x) along `dim`, computed in `dtype`; see `softmax`.

    >>> softmin(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])
    """
    return softmax(-arrayed(x), dim, dtype=dtype)


@takes_truths
def gumbel_softmax(logits: Any, tau: float = 1.0, hard: bool = False, dim: int = -1) -> Any:
    """Return softmax((logits + n) / tau) with Gumbel noise n = -log(-log u).

    It is a smooth draw of one of the classes. With `hard` the value is that class as 0s and a 1, and the
    gradient is the smooth draw's. Source: Jang et al., "Categorical reparameterization with Gumbel-softmax",
    2017.

    >>> float(gumbel_softmax(np.zeros(4), hard=True).sum())
    1.0
    """
    logits, tau = arrayed(logits), positive("gumbel_softmax(tau=)", tau)
    tiny = np.finfo(logits.dtype).tiny
    u = random.uniform(logits.shape, dtype=logits.dtype)
    noise = -np.log(-np.log(np.maximum(u, tiny)))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    drawn = (soft == np.max(soft, axis=dim, keepdims=True)).astype(soft.dtype)
    return drawn + (soft - ops["detach"](soft))
