"""Losses: how far a prediction is from its target, as one number to be made smaller."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn.functional.layer import checked_reduction, positive
from clearprop.nn.module import Module


class Loss(Module):
    """What all losses share: `reduction` is 'mean', 'sum' or 'none' (one number per entry)."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = checked_reduction(f"{type(self).__name__}(reduction=)", reduction)

    def extra_repr(self) -> str:
        """Return the reduction, where it is not the mean."""
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"

    def _keep(self, name: str, value: Any) -> None:
        value = value if value is None or hasattr(value, "dtype") else np.asarray(value, np.float32)
        self.register_buffer(name, value, persistent=False)


class MSELoss(Loss):
    """mean((x - y)^2).

    >>> MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of prediction `x` against target `y`."""
        return F.mse_loss(x, y, self.reduction)


class L1Loss(Loss):
    """mean(|x - y|).

    >>> L1Loss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(1.0)
    """

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of prediction `x` against target `y`."""
        return F.l1_loss(x, y, self.reduction)


class HuberLoss(Loss):
    """d^2/2 where |d| <= delta, else delta (|d| - delta/2), for d = x - y."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = positive("HuberLoss(delta=)", delta)

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of prediction `x` against target `y`."""
        return F.huber_loss(x, y, self.reduction, self.delta)


class BCELoss(Loss):
    """-y log x - (1 - y) log(1 - x) for probabilities x; see `binary_cross_entropy`.

    >>> BCELoss()(np.array([0.5]), np.array([1.0])).round(4)
    np.float64(0.6931)
    """

    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of probabilities `x` against target `y`."""
        return F.binary_cross_entropy(x, y, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """-y log s(x) - (1 - y) log(1 - s(x)) for logits x; see `binary_cross_entropy_with_logits`.

    >>> BCEWithLogitsLoss()(np.array([0.0]), np.array([1.0])).round(4)
    np.float64(0.6931)
    """

    weight: Any
    pos_weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self._keep("pos_weight", pos_weight)

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of logits `x` against target `y`."""
        return F.binary_cross_entropy_with_logits(x, y, self.weight, self.reduction, self.pos_weight)


class NLLLoss(Loss):
    """-x[class] for log-probabilities x (n, classes) and integer classes (n,); see `nll_loss`.

    >>> NLLLoss()(np.log([[0.5, 0.5]]), np.array([1])).round(4)
    np.float64(0.6931)
    """

    weight: Any

    def __init__(self, weight: Any = None, ignore_index: int | None = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of log-probabilities `x` for the classes `y`."""
        return F.nll_loss(x, y, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(NLLLoss):
    """-log softmax(x)[class] for logits x (n, classes) and integer classes (n,), or class probabilities.

    See `cross_entropy`. The lecture's example: logits (1, 2, 3), true class 1.

    >>> CrossEntropyLoss()(np.array([[1.0, 2.0, 3.0]]), np.array([1]))
    np.float64(1.4076059644443804)
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int | None = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                lesson("CrossEntropyLoss(label_smoothing=)", "is from 0 to 1", f"{label_smoothing}")
            )
        self.label_smoothing = label_smoothing

    def forward(self, x: Any, y: Any) -> Any:
        """Return the loss of logits `x` for the classes, or class probabilities, `y`."""
        return F.cross_entropy(x, y, self.weight, self.ignore_index, self.reduction, self.label_smoothing)
