"""Activations, dropout and the affine map as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import forgets, mode, special
from clearprop.op import describe
from clearprop.ops import random
from clearprop.ops.shape import constant
from clearprop.registry import ops
from clearprop.tensor import Tensor


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x W^T + b for `x` (..., in), `weight` (out, in) and `bias` (out,).

    Data of another dtype is converted to the weight's. Raises ValueError where the sizes do not fit.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([5.0]))
    array([[16.]])
    """
    x = arrayed(x)
    out, size = weight.shape
    if not x.shape or x.shape[-1] != size:
        got = x.shape[-1] if x.shape else "no axis"
        raise ValueError(
            lesson(
                f"Linear({size}, {out})(x)",
                f"wants {size} features along the last axis of x",
                f"x is {describe(x)}",
                f"The weight is {describe(weight)}.",
                f"Linear({got}, {out})" if x.shape else "x of shape (batch, features)",
            )
        )
    if x.dtype != weight.dtype:
        x = x.astype(weight.dtype)
    if isinstance(weight, Tensor) and (bias is None or bias.shape == (out,)) and forgets():
        x, weight, bias = (t._value if isinstance(t, Tensor) else t for t in (x, weight, bias))
        return Tensor(_affine(x, weight, bias), requires_grad=False)  # arrays inside, and one Tensor of them
    return _affine(x, weight, bias)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    z = x @ weight.T
    return z if bias is None else z + bias


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set each entry to 0 with probability `p` and divide the others by 1 - p; do nothing unless training.

    The random numbers come from `clearprop.ops.random`, so the mask is a node of the graph like any other.

    >>> from clearprop import manual_seed
    >>> manual_seed(0)
    >>> sorted(set(dropout(np.ones(100), 0.5).value))
    [np.float64(0.0), np.float64(2.0)]
    """
    probability("dropout", p)
    if not training or p == 0:
        return x
    x = arrayed(x)
    keep = random.uniform(x.shape, dtype=np.float32) >= p
    return np.where(keep, x * (1 / (1 - p)) if p < 1 else x, 0)


def probability(called: str, p: float) -> None:
    """Complain unless p is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(lesson(f"{called}(p=)", "wants a probability from 0 to 1", f"{p!r}", hint="p=0.5"))


def recording() -> bool:
    """Tell whether a step is recorded: what is asked of values now is not asked of those of later calls."""
    return mode.observer is not None and mode.observer.remembers


def positive(called: str, number: Any) -> Any:
    """Return a number, or an array of them, having complained unless it is above 0 and finite.

    A Tensor of a recorded step is NaN in the calls in which it is not.
    """
    if isinstance(number, float) and 0 < number < math.inf:
        return number
    entries = constant(number)
    if entries.dtype.kind not in "fiu" or not np.all((entries > 0) & (entries < math.inf)):
        raise ValueError(lesson(called, "wants a number above 0", f"{number!r}", hint="1.0"))
    if isinstance(number, Tensor) and recording():
        inside = np.logical_and(number > 0, number < math.inf)
        return np.where(inside, number, number.dtype.type(math.nan) if number.dtype.kind == "f" else math.nan)
    return number


def checked_reduction(called: str, reduction: str) -> str:
    """Return what a loss does with its entries, having complained about a word that it does not know."""
    if reduction not in ("mean", "sum", "none"):
        wanted = "is 'mean', 'sum' or 'none'"
        raise ValueError(lesson(called, wanted, f"{reduction!r}", hint="reduction='mean'"))
    return reduction


def flatten(x: Any, start_dim: int = 1, end_dim: int = -1) -> Any:
    """Join the axes from `start_dim` to `end_dim` into one.

    >>> flatten(np.zeros((5, 2, 3, 4))).shape
    (5, 24)
    """
    ndim = len(x.shape)
    start, end = start_dim % max(ndim, 1), end_dim % max(ndim, 1)
    if start > end:
        raise ValueError(
            lesson(
                "flatten(x)",
                f"wants start_dim {start_dim} before end_dim {end_dim}",
                f"x is {describe(x)}",
                hint="flatten(x, 0) to join all axes",
            )
        )
    joined = 1
    for n in x.shape[start : end + 1]:
        joined *= n
    return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])


# --- activations: one line each, plain NumPy ----------------------------------------------------------------
def relu(x: Any) -> Any:
    """Return max(x, 0); the derivative at 0 is 0."""
    return ops["relu"](x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return ops["sigmoid"](x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def softmax(x: Any, dim: int = -1) -> Any:
    """Return exp(x) / sum(exp(x)) along `dim`."""
    return ops["softmax"](x, axis=dim)


def log_softmax(x: Any, dim: int = -1) -> Any:
    """Return x - log(sum(exp(x))) along `dim`."""
    return ops["log_softmax"](x, axis=dim)


def softplus(x: Any, beta: float = 1.0) -> Any:
    """Return log(1 + exp(beta x)) / beta, without overflow. Raises ValueError unless beta is above 0."""
    beta = positive("softplus(beta=)", beta)
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

    >>> silu(np.array([0.0]))
    array([0.])
    """
    return x * ops["sigmoid"](x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x P(x), with P(x) the share of a standard normal distribution below x: x/2 (1 + erf(x/sqrt(2))).

    With `approximate="tanh"` it is x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3), at most 0.0005 away.
    Far below 0 nothing cancels: the first is computed as x ndtr(x), the second as x sigmoid(2 u). Raises
    ValueError for another word. Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.

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


def arrayed(x: Any) -> Any:
    """Return a Tensor or an array as it is, numbers and lists as an array.

    While a step is recorded, an array that the step reaches by name is what stands for it: its owner may fill
    it anew, and what is computed from it belongs to the program.
    """
    if special.blocks and isinstance(x, np.ndarray):
        seen = getattr(mode.observer, "seen", None)
        return x if seen is None else seen(x)
    return x if hasattr(x, "dtype") else np.asarray(x)
