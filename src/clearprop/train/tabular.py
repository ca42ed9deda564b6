"""The network that learns from a table unless another is asked for, its loss and its way to train."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop import nn, optim
from clearprop.data import DataLoader
from clearprop.data.columns import Category, Column, Date, Number
from clearprop.data.goals import Classes, Target
from clearprop.ops import random
from clearprop.train.watchers import Scheduled

Array = npt.NDArray[Any]

MOST_STEPS = 20_000
"""So many steps in all, for large tables too, unless an epoch takes more than a third of them."""


@dataclass(frozen=True)
class Tabular:
    """How the network for a table is made and trained.

    `members` networks share their weights (TabM, arXiv 2410.24210) over `hidden` layers; numbers are taken
    apart into `pieces` at most, categories of many values have vectors of `embedding` numbers. The rate rises
    to `lr` and falls along a cosine, over `steps` steps or so.
    """

    hidden: tuple[int, ...] = (128, 128)
    members: int = 4
    pieces: int = 16
    embedding: int = 8
    activation: str = "ReLU"
    dropout: float = 0.1
    lr: float = 3e-3
    weight_decay: float = 1e-4
    batch_size: int = 256
    steps: int = 1500
    least_epochs: int = 20
    most_epochs: int = 200
    patience: int = 20

    def epochs(self, rows: int) -> int:
        """Return after how many epochs of so many rows the rate has fallen to nothing."""
        each = rows // self.batch(rows)
        usual = np.clip(self.steps // each, self.least_epochs, self.most_epochs)
        return int(min(usual, max(3, MOST_STEPS // each)))

    def batch(self, rows: int) -> int:
        """Return the rows of a batch: four batches or more, of 16 rows at least, that leave few rows over."""
        even = rows // max(4, -(-rows // self.batch_size))
        return int(min(rows, self.batch_size, max(16, even)))

    def batches(self, x: Array, y: Array) -> DataLoader:
        """Return the rows in shuffled batches of one size; the few left over are others in each epoch."""
        seed = int(random.uniform().value * 2**32)
        return DataLoader((x, y), self.batch(len(x)), shuffle=True, seed=seed, drop_last=True)

    def network(self, columns: Sequence[Column], target: Target, inputs: Array) -> nn.Sequential:
        """Return a fresh network for the columns; the pieces' edges are quantiles of `inputs`.

        `inputs` are encoded rows to learn from, all or a sample of them.
        """
        edges: dict[int, list[float]] = {}
        codes, sizes = [], []
        place = 0
        for column in columns:
            if isinstance(column, Category) and column.coded:
                codes.append(place)
                sizes.append(column.kinds + 1)
            elif isinstance(column, (Number, Date)) and self.pieces:
                for i in range(1 if isinstance(column, Number) else column.width):
                    found = _edges(inputs[:, place + i], self.pieces)
                    edges |= {place + i: found} if len(found) > 2 else {}
            place += column.width
        first = nn.TableFeatures(place, edges=edges, codes=codes, sizes=sizes, embedding=self.embedding)
        layers: list[nn.Module] = [first]
        width = first.out_features
        for number, size in enumerate(self.hidden):
            layers += [nn.MemberLinear(width, size, self.members, first=number == 0)]
            layers.append(getattr(nn, self.activation)())
            layers += [nn.Dropout(self.dropout)] if self.dropout else []
            width = size
        layers.append(nn.MemberLinear(width, target.outputs, self.members, shared=False))
        mean = nn.MemberMean("probabilities" if isinstance(target, Classes) else "values")
        return nn.Sequential(*layers, mean)

    def optimizer(self, network: nn.Module) -> Any:
        """Return AdamW for the network's weights."""
        return optim.AdamW(network.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def schedule(self, optimizer: Any, steps: int) -> Scheduled:
        """Return the rate's way over so many steps, as a callback."""
        return one_cycle(optimizer, self.lr, steps)

    def rise(self, optimizer: Any, taken: int) -> Scheduled:
        """Return the rate's way after `taken` steps where no end is known: it stays at `lr`."""
        for group in optimizer.param_groups:
            group["lr"] = self.lr
        return rising(optimizer, max(1, self.steps // 10), taken)


def rising(optimizer: Any, steps: int, taken: int) -> Scheduled:
    """Return a rate that rises to the optimizer's own over so many steps, and stays there, as a callback.

    So many steps were `taken` before.
    """
    schedule = optim.LambdaLR(optimizer, lambda step: min(1.0, (taken + step + 1) / steps))
    return Scheduled(schedule, each="step")


def one_cycle(optimizer: Any, lr: float, steps: int) -> Scheduled:
    """Return a rate that rises to `lr` and falls along a cosine, over so many steps, as a callback."""
    return Scheduled(optim.OneCycleLR(optimizer, max_lr=lr, total_steps=steps + 1), each="step")


def _edges(values: Array, pieces: int) -> list[float]:
    """Return the edges of pieces with about as many rows each: those quantiles that differ."""
    found = np.unique(np.quantile(values, np.linspace(0, 1, pieces + 1)).astype(np.float32))
    return [float(edge) for edge in found]


class EachMember:
    """The mean over the members of a network's loss, while it is trained; the plain loss of one answer.

    Outputs of shape (members, rows, out) are measured member by member, against the same targets.

    >>> loss = EachMember(nn.MSELoss())
    >>> float(loss(np.array([[[1.0]], [[3.0]]]), np.zeros((1, 1))))
    5.0
    """

    def __init__(self, loss: Any) -> None:
        self.loss: Any = copy.copy(loss)

    def __repr__(self) -> str:
        return f"{self.loss!r} of each member"

    def __copy__(self) -> EachMember:
        return EachMember(self.loss)

    @property
    def reduction(self) -> str:
        """Whether the loss is a mean, or there is one for each row ("none")."""
        return str(self.loss.reduction)

    @reduction.setter
    def reduction(self, value: str) -> None:
        self.loss.reduction = value

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """Return the loss."""
        if outputs.ndim != 3:
            return self.loss(outputs, targets)
        members, rows = outputs.shape[:2]
        repeated = np.tile(targets, (members,) + (1,) * (np.ndim(targets) - 1))
        losses = self.loss(outputs.reshape(members * rows, -1), repeated)
        return losses if losses.ndim == 0 else np.mean(losses.reshape(members, rows, -1), axis=(0, 2))
