"""Embeddings as modules: a table of vectors that is trained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.nn import functional as F
from clearprop.nn import init
from clearprop.nn.functional.embedding import _place
from clearprop.nn.module import Module, Parameter
from clearprop.record import assign
from clearprop.tensor import Tensor


class Embedding(Module):
    """A vector of `embedding_dim` numbers for each integer below `num_embeddings`: `functional.embedding`.

    `weight` starts from N(0, 1), its row `padding_idx` from 0. The gradient is a whole array, whatever
    `sparse` says.

    >>> Embedding(10, 3)(np.array([[1, 2], [3, 4]])).shape
    (2, 2, 3)
    """

    num_embeddings: int
    embedding_dim: int
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool

    shown: tuple[str, ...] = ("num_embeddings", "embedding_dim")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        empty = np.zeros((num_embeddings, embedding_dim), dtype)
        self.weight: Parameter = Parameter(empty if _weight is None else _weight, requires_grad=not _freeze)
        self.padding_idx: int | None = _place(type(self).__name__, padding_idx, self.weight)
        if _weight is None:
            self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Return a layer with this table, which is not trained unless `freeze` is False.

        >>> Embedding.from_pretrained(np.array([[1.0, 2.0], [3.0, 4.0]]))(np.array([1])).value
        array([[3., 4.]])
        """
        rows, size = np.shape(embeddings)
        how = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        return cls(rows, size, *how, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw a new table."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            kept = np.array(self.weight.value)
            kept[self.padding_idx] = 0
            assign(self.weight, kept)

    def forward(self, x: Any) -> Tensor:
        """Return the rows that the integers `x` name."""
        options = self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        return F.embedding(x, self.weight, *options)


class EmbeddingBag(Embedding):
    """The sum, mean or max of the vectors of each bag of integers; see `functional.embedding_bag`.

    >>> EmbeddingBag(10, 3)(np.array([[1, 2], [3, 4]])).shape
    (2, 3)
    """

    mode: str
    include_last_offset: bool

    shown: tuple[str, ...] = ("num_embeddings", "embedding_dim", "mode")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        _freeze: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        options = max_norm, norm_type, scale_grad_by_freq, sparse, _weight, _freeze, dtype
        super().__init__(num_embeddings, embedding_dim, padding_idx, *options)
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_pretrained(  # type: ignore[override]  # which has no `mode` between the others
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """Return a layer with this table, which is not trained unless `freeze` is False.

        >>> EmbeddingBag.from_pretrained(np.array([[1.0, 2.0], [3.0, 4.0]]))(np.array([[0, 1]])).value
        array([[2., 3.]])
        """
        rows, size = np.shape(embeddings)
        how = max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset
        return cls(rows, size, *how, padding_idx, _freeze=freeze)

    def forward(self, x: Any, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        """Return a vector per bag: the rows of `x`, or the stretches that start at `offsets`."""
        return F.embedding_bag(
            x,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )


class Bilinear(Module):
    """y_o = sum_ij a_i weight[o, i, j] b_j + bias_o; the weights start from U(-1/sqrt(in1), 1/sqrt(in1)).

    >>> import numpy as np
    >>> Bilinear(2, 3, 4)(np.ones((5, 2), np.float32), np.ones((5, 3), np.float32)).shape
    (5, 4)
    """

    in1_features: int
    in2_features: int
    out_features: int

    shown: tuple[str, ...] = ("in1_features", "in2_features", "out_features")

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight: Parameter = Parameter(np.zeros((out_features, in1_features, in2_features), dtype))
        self.bias: Parameter | None = Parameter(np.zeros(out_features, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, a: Any, b: Any) -> Tensor:
        """Return the bilinear map of `a` and `b`."""
        return F.bilinear(a, b, self.weight, self.bias)
