"""A perceptron's numbers in one array: its loss and gradient on plain arrays, and an optimizer's steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.registry import ops

Array = npt.NDArray[Any]
Measure = Callable[[Any, Any], tuple[Any, Any]]
Formula = Callable[..., tuple[Any, ...]]


class LayerChain:
    """The layers z = h W + b, h = f(z) of a perceptron, whose last one has no f.

    All weights stand in one array, W before b, so that an optimizer takes one step for all of them. What f is
    and what its derivative is are the op's own `forward` and `derivatives`; `measure(outputs, y)` gives the
    loss of each row and its derivative. Nothing is recorded: on small batches that is most of the time.
    """

    shapes: list[tuple[int, int]]
    alpha: float
    weighed: int
    size: int

    def __init__(self, sizes: list[int], activation: str, alpha: float, measure: Measure) -> None:
        self.shapes, self.alpha, self.measure = list(pairwise(sizes)), alpha, measure
        self.op = None if activation == "identity" else ops[activation]
        self.weighed = sum(rows * columns for rows, columns in self.shapes)
        self.size = self.weighed + sum(sizes[1:])

    def layers(self, flat: Any) -> tuple[list[Any], list[Any]]:
        """Return the weights and the biases that an array or a Tensor of all of them holds."""
        weights, biases, start = [], [], 0
        for shape in self.shapes:
            weights.append(flat[start : start + shape[0] * shape[1]].reshape(shape))
            start += shape[0] * shape[1]
        for _, width in self.shapes:
            biases.append(flat[start : start + width])
            start += width
        return weights, biases

    def forward(self, x: Any, weights: list[Any], biases: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return what each layer reads, and its z; the last z is the output."""
        read, sums = [x], []
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            product = read[-1] @ weight
            sums.append(np.add(product, bias, out=product if isinstance(product, np.ndarray) else None))
            if number < len(weights) - 1:
                read.append(sums[-1] if self.op is None else self.op(sums[-1]))
        return read, sums

    def loss(self, flat: Any, x: Any, y: Any, weights: Any) -> Any:
        """Return the mean loss of a batch and half of alpha times the squared weights, per row.

        A row of weight two counts as two rows, in the penalty as well; rows of weight 0 alone have no loss.
        """
        losses, _ = self.measure(self.forward(x, *self.layers(flat))[1][-1], y)
        return self._mean(losses, flat[: self.weighed], weights, _rows(x, weights))

    def _mean(self, losses: Any, weighed: Any, weights: Any, rows: Any) -> Any:
        total = np.sum(losses) if weights is None else np.sum(losses * weights)
        return (total + 0.5 * self.alpha * (weighed @ weighed)) / rows

    def gradient(
        self, at: FlatWeights, into: FlatWeights, x: Array, y: Array, weights: Array | None
    ) -> float:
        """Write the gradient of `loss` into other numbers; return the loss."""
        read, sums = self.forward(x, at.weights, at.biases)
        losses, arriving = self.measure(sums[-1], y)
        rows = _rows(x, weights)
        arriving *= 1 / rows if weights is None else (weights / rows)[:, None]
        ones = np.ones(len(x))
        for number in range(len(sums) - 1, -1, -1):
            np.dot(read[number].T, arriving, out=into.weights[number])
            np.dot(ones, arriving, out=into.biases[number])
            if number:
                arriving = np.dot(arriving, at.weights[number].T)
                if self.op is not None:
                    arriving *= self.op.derivatives[0](read[number], sums[number - 1])
        into.weighed += (self.alpha / rows) * at.weighed
        return float(self._mean(losses, at.weighed, weights, rows))


class FlatWeights:
    """All numbers of a chain in one array, and its layers' as views of it."""

    weights: list[Any]
    biases: list[Any]

    def __init__(self, chain: LayerChain, flat: Array) -> None:
        self.flat: Array = flat
        self.weighed: Array = flat[: chain.weighed]
        self.weights, self.biases = chain.layers(flat)


def _rows(x: Any, weights: Any) -> Any:
    """Return how many rows a batch counts for."""
    if weights is None:
        return len(x)
    total = np.sum(weights)
    return np.where(total > 0, total, float(len(x)))


class Steps:
    """Steps of an optimizer's formula on a chain; `memory` is what the formula remembers of each weight."""

    chain: LayerChain
    numbers: FlatWeights
    slopes: FlatWeights

    def __init__(self, chain: LayerChain, formula: Formula, flat: Array, memory: Iterable[Array]) -> None:
        self.chain, self.formula = chain, formula
        self.numbers, self.slopes = (FlatWeights(chain, np.empty(chain.size)) for _ in range(2))
        self.begin(flat, memory)

    def begin(self, flat: Array, memory: Iterable[Array]) -> None:
        """Go on from other weights and another memory."""
        self.numbers.flat[:], self.memory = flat, tuple(map(np.array, memory))

    def __call__(self, x: Array, y: Array, weights: Array | None, told: dict[str, Any]) -> float:
        """Take one step on a batch, with the formula's numbers; return the loss before it."""
        loss = self.chain.gradient(self.numbers, self.slopes, x, y, weights)
        self.numbers.flat[:], *memory = self.formula(
            self.numbers.flat, self.slopes.flat, *self.memory, **told
        )
        self.memory = tuple(memory)
        return loss

    def end(self) -> tuple[Array, tuple[Array, ...]]:
        """Return the weights and the memory as they are now."""
        return self.numbers.flat, self.memory
