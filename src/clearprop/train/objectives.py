"""What is made small for a target of numbers: losses by name, and how good the predictions are by each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop import nn
from clearprop.data.goals import Classes, Quantiles, Quantity, Target
from clearprop.errors import lesson
from clearprop.nn.functional.loss import matched, reduced
from clearprop.nn.loss import Loss
from clearprop.train import measures
from clearprop.train.metrics import Metric, accuracy, mae, r2, rmse

Array = npt.NDArray[Any]


class QuantileLoss(Loss):
    """mean of max(q d, (q - 1) d), d = y - x, over the levels q: least where a share q of the y is below x.

    Outputs have a column for each level, targets one column (Koenker and Bassett, 1978).

    >>> float(QuantileLoss((0.9,))(np.array([[0.0], [0.0]]), np.array([[1.0], [-1.0]])))
    0.5
    """

    levels: tuple[float, ...]

    def __init__(self, levels: Sequence[float], reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.levels = checked_levels("QuantileLoss(levels)", levels)

    def extra_repr(self) -> str:
        """Return the levels."""
        return ", ".join(f"{level:g}" for level in self.levels)

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of quantiles `x` of shape (rows, levels) for targets `y` of shape (rows, 1)."""
        if x.shape[-1:] != (len(self.levels),) or y.shape != (*x.shape[:-1], 1):
            wanted = f"wants outputs of shape (rows, {len(self.levels)}), targets of (rows, 1)"
            raise ValueError(lesson(f"{self!r}", wanted, f"{tuple(x.shape)} and {tuple(y.shape)}"))
        level = np.asarray(self.levels, x.dtype)
        apart = y - x
        return reduced(np.maximum(level * apart, (level - 1) * apart), self.reduction)


class GammaNLLLoss(Loss):
    """mean of y exp(-x) + x: the negative log-likelihood of numbers y above 0 of mean exp(x).

    It is that of a gamma distribution of any shape, up to a factor and what does not depend on x: errors
    count by their share of the mean.

    >>> float(GammaNLLLoss()(np.array([[0.0]]), np.array([[2.0]])))
    2.0
    """

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of logarithms of means `x` for the numbers `y`."""
        x, y = matched("GammaNLLLoss", x, y)
        return reduced(y * np.exp(-x) + x, self.reduction)


def checked_levels(called: str, levels: Sequence[float]) -> tuple[float, ...]:
    """Return the levels of quantiles in order; raises ValueError for what is not shares that differ."""
    try:
        found = tuple(sorted(float(level) for level in levels))
    except (TypeError, ValueError):  # one number alone, or words
        found = ()
    if not found or not all(0 < level < 1 for level in found) or len(set(found)) < len(found):
        wanted = "wants shares between 0 and 1 that differ"
        got = str(tuple(levels)) if isinstance(levels, (tuple, list)) else f"{levels!r:.60}"
        raise ValueError(lesson(called, wanted, got, hint="0.1, 0.5, 0.9"))
    return found


def objective(loss: str, target: Target) -> Any:
    """Return the loss of a target of numbers by its name."""
    if isinstance(target, Quantiles):
        return QuantileLoss(target.levels)
    # fmt: off
    return {
        "mse":     nn.MSELoss,
        "mae":     nn.L1Loss,
        "huber":   nn.HuberLoss,
        "poisson": nn.PoissonNLLLoss,
        "gamma":   GammaNLLLoss,
    }[loss]()
    # fmt: on


def followed(target: Target, weighed: bool) -> Metric:
    """Return the measure that is told after each epoch: `accuracy` of classes, `r2` of numbers.

    It compares what outputs stand for with the targets as they are encoded; where rows are weighed, the
    targets are a pair of them and the weights.
    """

    def share(outputs: Any, targets: Any) -> float:
        targets, weights = targets if weighed else (targets, None)
        if isinstance(target, Classes):
            return accuracy(outputs, targets, weights)
        return r2(target.standing(outputs), targets, weights)

    share.__name__ = "accuracy" if isinstance(target, Classes) else "r2"
    return share


def measured_numbers(target: Quantity, outputs: Array, true: Array, weights: Any = None) -> dict[str, float]:
    """Return how good outputs are beside the true numbers: errors, and what the target's loss is about.

    Of quantiles `coverage` is the share of the numbers from the lowest to the highest, and `below q` that of
    those at or below the one of level q.
    """
    told = target.decode(outputs)
    found = {
        "rmse": rmse(told, true, weights), "mae": mae(told, true, weights), "r2": r2(told, true, weights)
    }  # fmt: skip
    if isinstance(target, Quantiles):
        quantiles = target.quantiles(outputs)
        found["pinball"] = measures.pinball(quantiles, true, target.levels, weights)
        for level, column in zip(target.levels, quantiles.T, strict=True):
            found[f"below {level:g}"] = float(np.average(true <= column, weights=weights))
        if len(target.levels) > 1:
            inside = (quantiles[:, 0] <= true) & (true <= quantiles[:, -1])
            found["coverage"] = float(np.average(inside, weights=weights))
    deviance = {"poisson": measures.poisson_deviance, "gamma": measures.gamma_deviance}
    name = getattr(target, "loss", "")
    if name in deviance:
        found[f"{name} deviance"] = deviance[name](told, true, weights)
    return found
