"""`AdaptiveLogSoftmaxWithLoss`: many classes, the rare ones in clusters that cost less."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn.container import ModuleList, Sequential
from clearprop.nn.functional.layer import arrayed
from clearprop.nn.linear import Linear
from clearprop.nn.module import Module
from clearprop.op import describe
from clearprop.registry import ops


class AdaptiveResult(NamedTuple):
    """The log-probability of each target, and the mean of their negatives."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax of `n_classes` in clusters: log p(class) = log p(cluster) + log p(class in its cluster).

    The classes are in order of how common they are. The first `cutoffs[0]` are in the head, beside one entry
    for each cluster; cluster i goes through in_features / div_value^(i+1) numbers. Source: Grave et al.,
    "Efficient softmax approximation for GPUs", 2017.

    PyTorch computes a cluster for the rows whose target is in it; here all rows pass through all clusters, so
    that a recorded step holds the same for every batch.

    >>> layer = AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0)
    >>> bool(np.allclose(np.exp(layer.log_prob(np.ones((3, 8), np.float32))).value.sum(axis=1), 1))
    True
    """

    in_features: int
    n_classes: int
    div_value: float
    head_bias: bool
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        n_classes = operator.index(n_classes)
        ends = [*cutoffs, n_classes]
        if not cutoffs or any(int(c) != c for c in ends) or not ends[0] > 0 or sorted(set(ends)) != ends:
            wanted = f"wants cutoffs that rise, from 1 to {n_classes - 1}"
            raise ValueError(lesson("AdaptiveLogSoftmaxWithLoss(cutoffs=)", wanted, f"{list(cutoffs)}"))
        self.in_features, self.n_classes, self.div_value, self.head_bias = (
            in_features,
            n_classes,
            div_value,
            head_bias,
        )
        self.cutoffs: tuple[int, ...] = tuple(ends)
        self.head: Linear = Linear(in_features, ends[0] + len(cutoffs), head_bias, dtype)
        self.tail = ModuleList(
            Sequential(Linear(in_features, narrow, False, dtype), Linear(narrow, high - low, False, dtype))
            for narrow, (low, high) in zip(self._widths(), pairwise(ends), strict=True)
        )

    def _widths(self) -> list[int]:
        """Return how many numbers each cluster's rows pass through."""
        widths = [int(self.in_features // self.div_value ** (i + 1)) for i in range(len(self.cutoffs) - 1)]
        if min(widths) < 1:
            called, hint = "AdaptiveLogSoftmaxWithLoss(div_value=)", "a smaller div_value, or fewer cutoffs"
            raise ValueError(lesson(called, "wants widths of 1 or more", f"{widths}", hint=hint))
        return widths

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, x: Any, y: Any) -> AdaptiveResult:
        """Return each target's log-probability, and the loss.

        `x` is (n, in_features) and `y` (n,) integers, or both without n. Raises ValueError for other shapes
        and for a target that is no class.
        """
        x, y = arrayed(x), arrayed(y)
        if len(y.shape) > 1 or x.shape != (*y.shape, self.in_features):
            wanted = f"wants x of shape (n, {self.in_features}) and y of shape (n,), or both without n"
            got = f"x is {describe(x)}, y is {describe(y)}"
            raise ValueError(lesson("AdaptiveLogSoftmaxWithLoss(...)(x, y)", wanted, got))
        logs = self.log_prob(x)
        output = -F.nll_loss(logs, y, reduction="none", ignore_index=None)
        return AdaptiveResult(output, -output.mean())

    def log_prob(self, x: Any) -> Any:
        """Return the log-probabilities of all classes, (..., n_classes)."""
        head = ops["log_softmax"](self.head(x), axis=-1)
        common = self.cutoffs[0]
        parts = [head[..., :common]]
        for i, cluster in enumerate(self.tail):
            inside = ops["log_softmax"](cluster(x), axis=-1)
            parts.append(inside + head[..., common + i : common + i + 1])
        return np.concatenate(parts, axis=-1)

    def predict(self, x: Any) -> Any:
        """Return the most likely class of each row."""
        return np.argmax(self.log_prob(x), axis=-1)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.in_features}, {self.n_classes}, cutoffs={list(self.cutoffs[:-1])}"
