"""The rows of the benchmark: networks, batches, and how much arithmetic one step is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Contender = tuple[Callable[..., Any], list[Any]]  # a step, and the batches it is called with in turn
BATCHES = 16
RATE = 1e-5  # so small that nothing converges, and no number becomes denormal


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    loss: str  # mse, classes or logistic
    aim: float  # time of the best peer / ours
    activation: str = "relu"
    optimizer: str = "adam"
    training: bool = True
    dropout: float = 0.0  # after each activation
    small: bool = False  # whether the peers that have no compiler take part

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matrix products of one step."""
        products = [2 * self.batch * a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        if not self.training:
            return sum(products)
        return 3 * sum(products) - products[0]  # the data needs no gradient

    def data(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the batches, the same for everybody."""
        rng = np.random.default_rng(0)
        return [(self._inputs(rng), self._targets(rng)) for _ in range(BATCHES)]

    def _inputs(self, rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal((self.batch, self.sizes[0]), np.float32)

    def _targets(self, rng: np.random.Generator) -> np.ndarray:
        shape = (self.batch, self.sizes[-1])
        if self.loss == "classes":
            return rng.integers(0, self.sizes[-1], self.batch)
        if self.loss == "logistic":
            return rng.integers(0, 2, shape).astype(np.float32)
        return rng.standard_normal(shape, np.float32)


ROWS = {
    row.name: row
    for row in (
        Row("13-32-1", (13, 32, 1), 32, "mse", 15, small=True),
        Row("784-128-10", (784, 128, 10), 64, "classes", 1.5, small=True),
        Row("784-128-10 with dropout", (784, 128, 10), 64, "classes", 1.5, dropout=0.5),
        Row("784-512-512-10", (784, 512, 512, 10), 128, "classes", 1.4),
        Row("1024-2048-2048-1000", (1024, 2048, 2048, 1000), 256, "classes", 1.15),
        Row("20 layers of 64", (64,) * 21, 64, "mse", 3, activation="tanh"),
        Row("logistic 100", (100, 1), 1, "logistic", 20, optimizer="sgd", small=True),
        Row("inference 784-128-10", (784, 128, 10), 1, "classes", 10, training=False),
    )
}
