"""Losses between arrays of one shape: differences, likelihoods of counts and errors, binary cross entropy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.define import elementwise
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.hints import takes_truths
from clearprop.nn.functional.layer import (
    arrayed,
    checked_reduction,
    converted,
    fitted,
    floating,
    positive,
    recording,
)
from clearprop.op import describe
from clearprop.ops.elementwise import POSITIVE
from clearprop.ops.shape import entries
from clearprop.registry import ops
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.op import Op

LOWEST = -100.0  # PyTorch's floor for the logarithm of a probability


def _floored(log: Any, x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.maximum(log(x), LOWEST)


def _slope(p: Any) -> Any:
    """Return 1 / p, the logarithm's slope however small p is, and PyTorch's 1e12 at 0, where it has none.

    A probability that comes from a sigmoid far below 0 still sends the gradient back that the logit should
    have: 1 / p times p (1 - p).
    """
    return 1 / np.where(p > 0, np.maximum(p, np.finfo(p.dtype).tiny), 1e-12)


floored_log: Op = elementwise(
    "floored_log",
    lambda x: _floored(np.log, x),
    lambda z, x: _slope(x),
    facts=Facts(domain=POSITIVE, kinks=False),
    doc="max(log x, -100), with the derivative 1 / x, and 1e12 at 0",
)
floored_log1p: Op = elementwise(
    "floored_log1p",
    lambda x: _floored(np.log1p, x),
    lambda z, x: _slope(1 + x),
    facts=Facts(domain=POSITIVE, kinks=False),
    doc="max(log(1 + x), -100), with the derivative 1 / (1 + x), and 1e12 at -1",
)


def reduced(x: Any, reduction: str) -> Any:
    """Return the mean or the sum of the entries, or for 'none' the entries."""
    if reduction == "mean":
        return x.mean()
    return x.sum() if checked_reduction("reduction=", reduction) == "sum" else x


def matched(called: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Return prediction and target as the loss computes with them: of one very shape, floats of one dtype."""
    x, y = arrayed(x), arrayed(y)
    if x.shape != y.shape:
        raise ValueError(
            lesson(
                f"{called}(prediction, target)",
                "wants the same shape twice",
                f"prediction {describe(x)}, target {describe(y)}",
                "NumPy would pair every entry with every other: the loss of something else.",
                _fix(x.shape, y.shape),
            )
        )
    if x.dtype.kind in "biu" and y.dtype.kind in "biu":
        return _whole(x), _whole(y)
    if y.dtype == x.dtype:
        return x, y
    x = fitted(x, y)
    return x, converted(f"{called}(prediction, target)", y, x)


def _whole(x: Any) -> Any:
    """Return whole numbers so wide that differences do not wrap: of uint8 1 - 2 is 255."""
    return x.astype(np.float64 if x.dtype == np.uint64 else np.int64)


def _fix(x: tuple[int, ...], y: tuple[int, ...]) -> str:
    if x == (*y, 1):
        return "loss(prediction[..., 0], target), or target[..., None]"
    if y == (*x, 1):
        return "loss(prediction, target[..., 0])"
    return "a target of the prediction's shape"


def mse_loss(x: Any, y: Any, reduction: str = "mean", weight: Any = None) -> Any:
    """Return the mean of (x - y)^2.

    With `weight`, of x's shape, it is sum(weight (x - y)^2) / sum(weight). Raises ValueError for another
    shape.

    >>> mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """
    x, y = matched("mse_loss", x, y)
    each = np.square(x - y)
    return reduced(each, reduction) if weight is None else _shared("mse_loss", each, weight, reduction)


def l1_loss(x: Any, y: Any, reduction: str = "mean", weight: Any = None) -> Any:
    """Return the mean of |x - y|; the derivative at 0 is 0.

    With `weight`, of x's shape, it is sum(weight |x - y|) / sum(weight). Raises ValueError for another shape.

    >>> l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(1.0)
    """
    x, y = matched("l1_loss", x, y)
    each = np.abs(x - y)
    return reduced(each, reduction) if weight is None else _shared("l1_loss", each, weight, reduction)


def _shared(called: str, each: Any, weight: Any, reduction: str) -> Any:
    """Return the losses with a weight for each: their mean is divided by the sum of the weights."""
    weight = fitted(weight, each)
    weighted = _of_each(called, each, weight)
    return weighted.sum() / weight.sum() if reduction == "mean" else reduced(weighted, reduction)


def _of_each(called: str, each: Any, weight: Any) -> Any:
    weight = fitted(weight, each)
    if weight.shape != each.shape:
        wanted = f"wants a weight for each entry, {each.shape}"
        raise ValueError(lesson(f"{called}(weight=)", wanted, describe(weight)))
    return each * weight


def smooth_l1_loss(x: Any, y: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Return the mean of d^2 / (2 beta) where |d| < beta, else |d| - beta/2, d = x - y (Girshick 2015).

    With beta 0 it is `l1_loss`. Raises ValueError for a negative beta.

    >>> smooth_l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(0.75)
    """
    if not beta >= 0:
        raise ValueError(lesson("smooth_l1_loss(beta=)", "wants 0 or more", f"{beta!r}", hint="beta=1.0"))
    if beta == 0:
        return l1_loss(x, y, reduction)
    x, y = matched("smooth_l1_loss", x, y)
    d = np.abs(x - y)
    return reduced(np.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta), reduction)


def huber_loss(x: Any, y: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Return the mean of d^2/2 where |d| <= delta, else delta (|d| - delta/2), d = x - y (Huber 1964).

    `weight`, of x's shape, multiplies the entries; as in PyTorch their mean is a plain one here.

    >>> huber_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(0.75)
    """
    delta = positive("huber_loss(delta=)", delta)
    x, y = matched("huber_loss", x, y)
    d = np.abs(x - y)
    each = np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))
    return reduced(each if weight is None else _of_each("huber_loss", each, weight), reduction)


def binary_cross_entropy(x: Any, y: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """Return the mean of -y log x - (1 - y) log(1 - x) for probabilities x; no logarithm falls below -100.

    `weight` multiplies the entries and broadcasts against x. Raises ValueError for an x or y outside [0, 1]
    and for a weight that does not fit.

    >>> binary_cross_entropy(np.array([0.5, 1.0]), np.array([1.0, 1.0]), reduction="sum").round(4)
    np.float64(0.6931)
    """
    x, y = matched("binary_cross_entropy", x, y)
    _within("x", x, "BCEWithLogitsLoss() for a model without a final Sigmoid")
    _within("y", y, "labels 0 and 1, or probabilities, as the target")
    each = -(y * floored_log(x) + (1 - y) * floored_log1p(-x))
    if recording():  # later targets are not looked at: outside NaN, as the logarithms are of x
        each = np.where(np.logical_or(y < 0, y > 1), each.dtype.type(np.nan), each)
    return reduced(_weighted("binary_cross_entropy", each, "weight", weight), reduction)


def _within(name: str, x: Any, hint: str) -> None:
    """Complain about entries outside of [0, 1]; NaN is no complaint."""
    raw = entries(x)
    if raw.size and not (raw.min() >= 0 and raw.max() <= 1) and (np.nanmin(raw) < 0 or np.nanmax(raw) > 1):
        got = f"{name} from {np.nanmin(raw):.4g} to {np.nanmax(raw):.4g}"
        raise ValueError(
            lesson("binary_cross_entropy(x, y)", "wants probabilities from 0 to 1", got, hint=hint)
        )


def _weighted(called: str, each: Any, name: str, weight: Any) -> Any:
    """Return `each * weight` for a weight that fits it: one that would enlarge it weighs something else."""
    if weight is None:
        return each
    weight = fitted(weight, each)
    fits = len(weight.shape) <= len(each.shape) and all(
        n in (1, m) for n, m in zip(weight.shape[::-1], each.shape[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            lesson(
                f"{called}({name}=)",
                f"wants a {name} that broadcasts to {each.shape} without enlarging it",
                describe(weight),
                hint=f"one number per column, {each.shape[-1:]}, or per entry, {each.shape}",
            )
        )
    return each * weight


def binary_cross_entropy_with_logits(
    x: Any, y: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """Return the mean of -y log s(x) - (1 - y) log(1 - s(x)) for logits x, s the sigmoid, stable for any x.

    `pos_weight` multiplies the first term, `weight` both; they broadcast against x. Raises ValueError for one
    that would enlarge it.

    >>> binary_cross_entropy_with_logits(np.array([1e4, 0.0]), np.array([1.0, 1.0]), reduction="sum").round(4)
    np.float64(0.6931)
    """
    x, y = matched("binary_cross_entropy_with_logits", x, y)
    called = "binary_cross_entropy_with_logits"
    weighted = _weighted(called, y, "pos_weight", pos_weight)
    each = -(weighted * ops["logsigmoid"](x) + (1 - y) * ops["logsigmoid"](-x))
    return reduced(_weighted(called, each, "weight", weight), reduction)


@takes_truths
def kl_div(x: Any, y: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Return the mean of y (log y - x) for log-probabilities x and probabilities y, or their logarithms.

    `reduction="batchmean"` is the sum divided by the number of rows: the divergence of Kullback and Leibler.
    Its slope by a probability of 0 is -inf, as that of y log y is.

    >>> kl_div(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]), reduction="batchmean").round(4)
    np.float64(0.6931)
    """
    x, y = matched("kl_div", x, y)
    if log_target:
        each = np.exp(y) * (y - x)
    else:
        nothing = y == 0
        each = y * np.log(np.where(nothing, 1, y)) - y * x
        if isinstance(y, Tensor) and y.requires_grad:  # the slope -inf, of a root that is 0 there
            each = each - np.where(nothing, np.sqrt(np.where(nothing, y, 1)), 0)
    if reduction == "batchmean":
        return each.sum() / (each.shape[0] if each.shape else 1)
    return reduced(each, reduction)


@takes_truths
def poisson_nll_loss(
    x: Any,
    y: Any,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    """Return the mean of exp(x) - y x, the negative log-likelihood of counts y of rate exp(x).

    Without `log_input` x is the rate: x - y log(x + eps). `full` adds Stirling's y log y - y + log(2 pi y)/2
    where y > 1, which does not depend on x.

    >>> poisson_nll_loss(np.array([0.0]), np.array([2.0]))
    np.float64(1.0)
    """
    x, y = matched("poisson_nll_loss", x, y)
    each = np.exp(x) - y * x if log_input else x - y * np.log(x + eps)
    if full:
        many = np.where(y > 1, y, 1)
        each = each + np.where(y > 1, y * np.log(many) - y + 0.5 * np.log(2 * math.pi * many), 0)
    return reduced(each, reduction)


@takes_truths
def gaussian_nll_loss(
    x: Any, y: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """Return the mean of (log v + (x - y)^2 / v) / 2, v = max(var, eps): normal errors of variance v.

    `var` is one number, or of x's shape, or of x's shape but 1 or nothing along the last axis. Where var is
    below eps its gradient is that of eps (Nix and Weigend 1994). `full` adds log(2 pi)/2. Raises ValueError
    for a negative variance.

    >>> gaussian_nll_loss(np.array([1.0]), np.array([3.0]), np.array([4.0])).round(4)
    np.float64(1.1931)
    """
    x, y = matched("gaussian_nll_loss", x, y)
    x = floating(x)
    var = _variance(x, var)
    v = var + ops["detach"](np.maximum(var, eps) - var)
    each = 0.5 * (np.log(v) + np.square(x - y) / v)
    return reduced(each + 0.5 * math.log(2 * math.pi) if full else each, reduction)


def _variance(x: Any, var: Any) -> Any:
    var = arrayed(var)
    if var.dtype != x.dtype:
        var = var.astype(x.dtype)
    if var.shape and var.shape == x.shape[:-1] and var.shape != x.shape:
        var = var[..., None]
    called = "gaussian_nll_loss(var=)"
    if var.shape not in ((), x.shape, (*x.shape[:-1], 1)):
        raise ValueError(lesson(called, f"wants one variance per entry, {x.shape}", describe(var)))
    if np.any(entries(var) < 0):
        raise ValueError(lesson(called, "wants 0 or more", f"{entries(var).min()}", hint="np.exp(log_var)"))
    return var


def soft_margin_loss(x: Any, y: Any, reduction: str = "mean") -> Any:
    """Return the mean of log(1 + exp(-y x)) for signs y, 1 or -1.

    >>> soft_margin_loss(np.array([0.0]), np.array([-1.0])).round(4)
    np.float64(0.6931)
    """
    x, y = matched("soft_margin_loss", x, y)
    return reduced(ops["softplus"](-y * x), reduction)
