"""Layers for tables: columns made ready for a network, and many networks that share their weights."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from clearprop.arguments import is_whole
from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn import init
from clearprop.nn.module import Buffer, Module, Parameter
from clearprop.ops import random
from clearprop.ops.softmax import logsumexp
from clearprop.record import assign


class TableFeatures(Module):
    """A table's columns as features: numbers in pieces, categories as vectors, the rest as it is.

    Of the inputs, `numbers` are taken apart by piecewise linear encoding (Gorishniy et al. 2022,
    arXiv 2203.05556): with the edges b_0 < ... < b_T of a column, its t-th feature is
    (x - b_{t-1}) / (b_t - b_{t-1}), held between 0 and 1 except at the two ends. Without `edges` a number
    has none. `codes` are the places of categories' codes, whole numbers below the `sizes`; each has a vector
    of `embedding` numbers, N(0, 1/embedding) at first. All inputs but the codes are features themselves too.

    Shapes: (rows, inputs) to (rows, `out_features`). Raises ValueError for places outside the inputs.

    >>> layer = TableFeatures(2, edges={0: [0.0, 1.0, 3.0]}, codes=[1], sizes=[5], embedding=4)
    >>> layer(np.array([[2.0, 4.0]], np.float32)).value[0, :3]  # itself, a whole first piece, half the second
    array([2. , 1. , 0.5], dtype=float32)
    >>> layer.out_features
    7
    """

    in_features: int
    codes: list[int]
    sizes: list[int]
    table: Parameter | None

    shown = ("in_features", "pieces", "codes", "sizes", "embedding")

    def __init__(
        self,
        in_features: int,
        *,
        edges: Mapping[int, Sequence[float]] | None = None,
        pieces: int | None = None,
        codes: Sequence[int] = (),
        sizes: Sequence[int] = (),
        embedding: int = 8,
    ) -> None:
        super().__init__()
        bins = [(p, a, b - a, i == 0, i == len(e) - 2)
                for p, e in (edges or {}).items()
                for i, (a, b) in enumerate(pairwise(e))]  # fmt: skip
        self.in_features, self.codes, self.sizes = int(in_features), list(codes), [int(s) for s in sizes]
        self.pieces: int = len(bins) if pieces is None else int(pieces)
        self.embedding: int = int(embedding)
        places = [*codes, *(edges or {})]
        if len(codes) != len(sizes) or any(not 0 <= place < in_features for place in places):
            wanted = f"wants places below {in_features}, and a size for each of the codes"
            raise ValueError(lesson("TableFeatures(...)", wanted, f"{places}, {sizes}"))
        self.kept: list[int] = [place for place in range(self.in_features) if place not in set(self.codes)]
        of = [np.array([b[i] for b in bins] or [0] * self.pieces) for i in range(5)]
        self.source: Buffer = Buffer(of[0].astype(np.int64))
        self.left: Buffer = Buffer(of[1].astype(np.float32))
        self.width: Buffer = Buffer(np.where(of[2] > 0, of[2], 1).astype(np.float32))
        self.low: Buffer = Buffer(np.where(of[3], -np.inf, 0).astype(np.float32))
        self.high: Buffer = Buffer(np.where(of[4], np.inf, 1).astype(np.float32))
        self.table = Parameter(np.zeros((sum(self.sizes), self.embedding), np.float32)) if codes else None
        self.reset_parameters()

    @property
    def out_features(self) -> int:
        """How many features there are."""
        return len(self.kept) + self.pieces + self.embedding * len(self.codes)

    @property
    def places(self) -> list[int]:
        """The input that each feature is of."""
        coded = [place for place in self.codes for _ in range(self.embedding)]
        return [*self.kept, *self.source.value.tolist(), *coded]

    def reset_parameters(self) -> None:
        """Draw new vectors for the categories; the last of each, for values never seen, is 0."""
        if self.table is None:
            return
        init.normal_(self.table, std=1 / math.sqrt(self.embedding))
        drawn = np.array(self.table.value)
        drawn[np.cumsum(self.sizes) - 1] = 0
        assign(self.table, drawn)

    def forward(self, x: Any) -> Any:
        """Return the features of rows of inputs."""
        parts = [x if not self.codes else np.take(x, np.array(self.kept, np.int64), axis=1)]
        if self.pieces:
            parts.append(
                np.clip((np.take(x, self.source, axis=1) - self.left) / self.width, self.low, self.high)
            )
        if self.table is not None:
            starts = np.cumsum([0, *self.sizes[:-1]])
            rows = np.take(x, np.array(self.codes, np.int64), axis=1).astype(np.int64) + starts
            parts.append(np.take(self.table, rows, axis=0).reshape(len(x), -1))
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


class MemberLinear(Module):
    """A linear layer that `members` networks share, each with scales of its own (BatchEnsemble).

    y_i = s_i (W (r_i x)) + b_i for each member i: Wen et al. 2020, and TabM (arXiv 2410.24210). Only the
    vectors r_i (random signs at first), s_i and b_i are a member's own. A first layer (`first`) has no r_i:
    it multiplies by W once for all members. With `shared` False each member has its own W and nothing else.

    Shapes: (members, rows, in) to (members, rows, out), in a first layer from (rows, in).

    >>> MemberLinear(3, 4, members=8, first=True)(np.ones((5, 3), np.float32)).shape
    (8, 5, 4)
    """

    in_features: int
    out_features: int
    members: int
    first: bool
    shared: bool
    output_scale: Parameter | None
    input_scale: Parameter | None

    shown = ("in_features", "out_features", "members", "first", "shared")

    def __init__(
        self, in_features: int, out_features: int, members: int = 8, first: bool = False, shared: bool = True
    ) -> None:
        super().__init__()
        for name, number in (("in_features", in_features), ("out_features", out_features)):
            if not is_whole(number) or operator.index(number) < 1:
                wanted = f"wants {name} as a whole number of 1 or more"
                raise ValueError(lesson("MemberLinear(...)", wanted, f"{number!r}"))
        if not is_whole(members) or operator.index(members) < 1:
            raise ValueError(lesson("MemberLinear(...)", "wants one member or more", f"{members!r}"))
        self.in_features, self.out_features, self.members = int(in_features), int(out_features), int(members)
        self.first, self.shared = bool(first), bool(shared)
        own = () if shared else (self.members,)
        size = (out_features, in_features) if shared else (in_features, out_features)
        self.weight: Parameter = Parameter(np.zeros((*own, *size), np.float32))
        self.bias: Parameter = Parameter(np.zeros((members, 1, out_features), np.float32))
        self.input_scale = self.output_scale = None
        if shared:
            self.output_scale = Parameter(np.ones((members, 1, out_features), np.float32))
            if not first:
                self.input_scale = Parameter(np.ones((members, 1, in_features), np.float32))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: U(-1/sqrt(in), 1/sqrt(in)), and the signs of the members' own scales."""
        bound = 1 / math.sqrt(self.in_features)
        init.uniform_(self.weight, -bound, bound)
        init.uniform_(self.bias, -bound, bound)
        signed = self.output_scale if self.first else self.input_scale
        if signed is not None:
            halves = np.asarray(random.uniform(signed.shape).value)
            assign(signed, np.where(halves < 0.5, -1, 1).astype(np.float32))

    def forward(self, x: Any) -> Any:
        """Return each member's outputs."""
        if not self.shared:
            return x @ self.weight + self.bias
        scaled = x if self.input_scale is None else x * self.input_scale
        return F.linear(scaled, self.weight) * self.output_scale + self.bias


class MemberMean(Module):
    """What the members say together, in evaluation mode; each member's own outputs while training.

    Of `"probabilities"` it is log(mean softmax(x_i)), logits again; of `"values"` the mean. Shapes: (members,
    rows, out) to (rows, out).

    >>> mean = MemberMean("values").eval()
    >>> mean(np.array([[[1.0]], [[3.0]]]))
    array([[2.]])
    """

    shown = ("of",)

    def __init__(self, of: str = "values") -> None:
        super().__init__()
        if of not in ("values", "probabilities"):
            raise ValueError(lesson("MemberMean(of=)", "wants values or probabilities", repr(of)))
        self.of = of

    def forward(self, x: Any) -> Any:
        """Return the mean over the members, unless the network is being trained."""
        if self.training:
            return x
        if self.of == "values":
            return np.mean(x, axis=0)
        return logsumexp(F.log_softmax(x, -1), axis=0) - math.log(len(x))
