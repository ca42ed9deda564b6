"""Losses: how far a prediction is from its target, as one number to be made smaller."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn.functional.layer import checked_reduction, positive
from clearprop.nn.linear import Linear
from clearprop.nn.module import Module
from clearprop.tensor import Tensor

_NONE = np.zeros(0)


class Loss(Module):
    """What all losses share: `reduction` is 'mean', 'sum' or 'none' (one number per entry)."""

    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            if len(args) > 1 and all(hasattr(x, "shape") for x in args[:2]):
                name = cls.__name__
                wanted, got = "makes a loss, which then takes prediction and target", "two arrays"
                raise TypeError(lesson(f"{name}(x, y)", wanted, got, hint=f"nn.{name}()(x, y)"))
            return super().__new__(cls, *args, **kwargs)

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction: str = checked_reduction(f"{type(self).__name__}(reduction=)", reduction)

    def extra_repr(self) -> str:
        """Return the reduction, where it is not the mean."""
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"

    def _keep(self, name: str, value: Any) -> None:
        value = value if value is None or hasattr(value, "dtype") else np.asarray(value, np.float32)
        self.register_buffer(name, value)


class MSELoss(Loss):
    """mean((x - y)^2).

    >>> MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of prediction `x` against target `y`."""
        return F.mse_loss(x, y, self.reduction)


class L1Loss(Loss):
    """mean(|x - y|).

    >>> L1Loss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(1.0)
    """

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of prediction `x` against target `y`."""
        return F.l1_loss(x, y, self.reduction)


class HuberLoss(Loss):
    """d^2/2 where |d| <= delta, else delta (|d| - delta/2), for d = x - y.

    >>> import numpy as np
    >>> float(HuberLoss()(np.array([1.0, 4.0]), np.array([1.5, 1.0])))
    1.3125
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta: Any = positive("HuberLoss(delta=)", delta)

    def forward(self, x: Any, y: Any) -> Tensor:
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

    def forward(self, x: Any, y: Any) -> Tensor:
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

    def forward(self, x: Any, y: Any) -> Tensor:
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

    def forward(self, x: Any, y: Any) -> Tensor:
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

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of logits `x` for the classes, or class probabilities, `y`."""
        return F.cross_entropy(x, y, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class LinearCrossEntropyLoss(CrossEntropyLoss):
    """A last layer and its cross entropy: `CrossEntropyLoss()(Linear(in_features, num_classes)(x), y)`.

    >>> from clearprop import nn
    >>> nn.LinearCrossEntropyLoss(3, 4)(np.zeros((2, 3), np.float32), np.array([0, 3])).value.round(4)
    np.float32(1.3863)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        bias: bool = False,
        dtype: Any = np.float32,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, -100 if ignore_index is None else ignore_index, reduction, label_smoothing)
        self.num_classes = num_classes
        self.linear: Linear = Linear(in_features, num_classes, bias, dtype)

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of rows `x` (n, in_features) for the classes, or class probabilities, `y`."""
        options = {"weight": self.weight, "reduction": self.reduction, "ignore_index": self.ignore_index}
        options |= {"linear_bias": self.linear.bias, "label_smoothing": self.label_smoothing}
        return F.linear_cross_entropy(x, self.linear.weight, y, **options)


# --- between arrays of one shape ----------------------------------------------------------------------------
class SmoothL1Loss(Loss):
    """mean of d^2 / (2 beta) where |d| < beta, else |d| - beta/2, for d = x - y; see `smooth_l1_loss`.

    >>> import numpy as np
    >>> round(float(SmoothL1Loss(beta=2.0)(np.array([1.0, 4.0]), np.array([1.5, 1.0]))), 4)
    1.0312
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta
        F.smooth_l1_loss(_NONE, _NONE, "sum", beta)  # complains about a negative one

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of prediction `x` against target `y`."""
        return F.smooth_l1_loss(x, y, self.reduction, self.beta)


class KLDivLoss(Module):
    """mean of y (log y - x) for log-probabilities x; `reduction` also knows 'batchmean': see `kl_div`.

    >>> import numpy as np
    >>> round(float(KLDivLoss(reduction="sum")(np.log([0.5, 0.5]), np.array([0.25, 0.75]))), 4)
    0.1308
    """

    reduction: str
    log_target: bool

    shown: tuple[str, ...] = ("reduction", "log_target")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__()
        if reduction != "batchmean":
            checked_reduction("KLDivLoss(reduction=)", reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of log-probabilities `x` against target `y`."""
        return F.kl_div(x, y, self.reduction, self.log_target)


class PoissonNLLLoss(Loss):
    """mean of exp(x) - y x for counts y; see `poisson_nll_loss`.

    >>> import numpy as np
    >>> round(float(PoissonNLLLoss()(np.log([2.0, 4.0]), np.array([2.0, 3.0]))), 4)
    0.2274
    """

    log_input: bool
    full: bool
    eps: float

    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of rates, or their logarithms, `x` for the counts `y`."""
        return F.poisson_nll_loss(x, y, self.log_input, self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(Loss):
    """mean of (log v + (x - y)^2 / v) / 2 for a predicted variance v; see `gaussian_nll_loss`.

    >>> import numpy as np
    >>> round(float(GaussianNLLLoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.array([1.0, 4.0]))), 4)
    0.5966
    """

    full: bool
    eps: float

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, x: Any, y: Any, var: Any) -> Tensor:
        """Return the loss of mean `x` and variance `var` for the target `y`."""
        return F.gaussian_nll_loss(x, y, var, self.full, self.eps, self.reduction)


class SoftMarginLoss(Loss):
    """mean of log(1 + exp(-y x)) for signs y.

    >>> import numpy as np
    >>> round(float(SoftMarginLoss()(np.array([1.0, 4.0]), np.array([1.0, -1.0]))), 4)
    2.1657
    """

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of scores `x` for signs `y`, 1 or -1."""
        return F.soft_margin_loss(x, y, self.reduction)


# --- margins ------------------------------------------------------------------------------------------------
class Margin(Loss):
    """What the losses with a margin share."""

    shown: tuple[str, ...] = ("margin",)

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class MarginRankingLoss(Margin):
    """mean of max(0, -y (a - b) + margin): y = 1 says that a ranks higher, -1 that b does.

    >>> import numpy as np
    >>> float(MarginRankingLoss(0.5)(np.array([1.0, 2.0]), np.array([0.0, 1.0]), np.array([1.0, -1.0])))
    0.75
    """

    def forward(self, a: Any, b: Any, y: Any) -> Tensor:
        """Return the loss of scores `a` and `b` for signs `y`."""
        return F.margin_ranking_loss(a, b, y, self.margin, self.reduction)


class CosineEmbeddingLoss(Margin):
    """mean of 1 - cos(a, b) where y is 1, of max(0, cos(a, b) - margin) where it is -1.

    >>> import numpy as np
    >>> a, b = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[4.0, 3.0], [0.0, 1.0]])
    >>> float(CosineEmbeddingLoss()(a, b, np.array([1.0, -1.0])))
    0.02000000000001917
    """

    def forward(self, a: Any, b: Any, y: Any) -> Tensor:
        """Return the loss of vectors `a` and `b` for signs `y`."""
        return F.cosine_embedding_loss(a, b, y, self.margin, self.reduction)


class HingeEmbeddingLoss(Margin):
    """mean of x where y is 1, of max(0, margin - x) where it is -1.

    >>> import numpy as np
    >>> float(HingeEmbeddingLoss()(np.array([0.25, 0.25]), np.array([1.0, -1.0])))
    0.5
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of distances `x` for signs `y`."""
        return F.hinge_embedding_loss(x, y, self.margin, self.reduction)


class MultiMarginLoss(Margin):
    """mean of sum_(i != y) weight[y] max(0, margin - x[y] + x[i])^p / classes; see `multi_margin_loss`.

    >>> import numpy as np
    >>> round(float(MultiMarginLoss()(np.array([[0.1, 0.2, 0.8]]), np.array([2]))), 4)
    0.2333
    """

    weight: Any

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)
        self.p = p
        self._keep("weight", weight)

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of scores `x` for the classes `y`."""
        return F.multi_margin_loss(x, y, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(Loss):
    """mean of sum_(i, j) max(0, 1 - x[y_j] + x[i]) / classes; see `multilabel_margin_loss`.

    >>> import numpy as np
    >>> float(MultiLabelMarginLoss()(np.array([[0.1, 0.2, 0.4, 0.8]]), np.array([[3, 0, -1, 1]])))
    0.8500000000000001
    """

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of scores `x` for each row's labels `y`, up to the first -1."""
        return F.multilabel_margin_loss(x, y, self.reduction)


class MultiLabelSoftMarginLoss(Loss):
    """mean over rows of the mean of -y log s(x) - (1 - y) log s(-x), s the sigmoid.

    >>> import numpy as np
    >>> round(float(MultiLabelSoftMarginLoss()(np.array([[2.0, -2.0]]), np.array([[1.0, 0.0]]))), 4)
    0.1269
    """

    weight: Any

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)

    def forward(self, x: Any, y: Any) -> Tensor:
        """Return the loss of logits `x` for the labels `y`, 0 or 1 each."""
        return F.multilabel_soft_margin_loss(x, y, self.weight, self.reduction)


class TripletMarginLoss(Margin):
    """mean of max(0, d(anchor, positive) - d(anchor, negative) + margin); see `triplet_margin_loss`.

    >>> import numpy as np
    >>> anchor, near, far = np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[0.0, 5.0]])
    >>> round(float(TripletMarginLoss()(anchor, near, far)), 4)
    1.0
    """

    p: float
    eps: float
    swap: bool

    shown: tuple[str, ...] = ("margin", "p", "eps", "swap")

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(positive("TripletMarginLoss(margin=)", margin), reduction)
        self.p, self.eps, self.swap = p, eps, swap

    def forward(self, anchor: Any, near: Any, far: Any) -> Tensor:
        """Return the loss of an anchor, what is to be near it and what is to be far from it."""
        options = self.margin, self.p, self.eps, self.swap, self.reduction
        return F.triplet_margin_loss(anchor, near, far, *options)


class TripletMarginWithDistanceLoss(Margin):
    """`TripletMarginLoss` with a distance of one's own.

    >>> import numpy as np
    >>> def apart(a, b):
    ...     return abs(a - b).sum(-1)
    >>> loss = TripletMarginWithDistanceLoss(distance_function=apart)
    >>> float(loss(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 5.0]])))
    3.0
    """

    distance_function: Callable[..., Any] | None
    swap: bool

    shown: tuple[str, ...] = ("margin", "swap")

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(positive("TripletMarginWithDistanceLoss(margin=)", margin), reduction)
        self.distance_function, self.swap = distance_function, swap

    def forward(self, anchor: Any, near: Any, far: Any) -> Tensor:
        """Return the loss of an anchor, what is to be near it and what is to be far from it."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            near,
            far,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


# --- sequences ----------------------------------------------------------------------------------------------
class CTCLoss(Loss):
    """-log of the likelihood of labels, summed over all alignments; see `ctc_loss`.

    >>> import numpy as np
    >>> scores = np.full((2, 1, 2), np.log(0.5))  # two steps, one sequence, a blank and a letter
    >>> round(float(CTCLoss()(scores, np.array([[1]]), np.array([2]), np.array([1]))), 4)
    0.2877
    """

    blank: int
    zero_infinity: bool

    shown: tuple[str, ...] = ("blank", "zero_infinity")

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Tensor:
        """Return the loss of log-probabilities (time, n, classes) for the labels of each sequence."""
        options = self.blank, self.reduction, self.zero_infinity
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, *options)


# --- as layers ----------------------------------------------------------------------------------------------
class CosineSimilarity(Module):
    """a . b / (|a| |b|) along `dim`; see `cosine_similarity`.

    >>> import numpy as np
    >>> CosineSimilarity()(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]))
    array([0.96])
    """

    dim: int
    eps: float

    shown: tuple[str, ...] = ("dim", "eps")

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, a: Any, b: Any) -> Tensor:
        """Return the cosines of the angles between `a` and `b`."""
        return F.cosine_similarity(a, b, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of a - b + eps along the last axis; see `pairwise_distance`.

    >>> import numpy as np
    >>> PairwiseDistance()(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).round(4)
    array([5.])
    """

    p: float
    eps: float
    keepdim: bool

    shown: tuple[str, ...] = ("p", "eps", "keepdim")

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.p, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, a: Any, b: Any) -> Tensor:
        """Return the distances between `a` and `b`."""
        return F.pairwise_distance(a, b, self.p, self.eps, self.keepdim)
