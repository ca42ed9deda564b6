"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop.optim.group import ParameterGroup, present
from clearprop.optim.optimizer import Optimizer


def rmsprop(
    p: Any,
    g: Any,
    square: Any,
    *memory: Any,
    step: Any = None,
    lr: Any,
    alpha: Any = 0.99,
    eps: Any = 1e-8,
    weight_decay: Any = 0.0,
    momentum: Any = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, square, ...) after one step of RMSprop; `memory` is the mean of g, then the buffer.

    square = alpha square + (1 - alpha) g^2;  p = p - lr g / (sqrt(square) + eps). If `centered`, the square
    of the mean of g is taken off under the root; with momentum, buffer = momentum buffer + g / (...).
    Nothing depends on `step`, which is counted because PyTorch's state has it.

    Sources: Tieleman and Hinton, Coursera lecture 6.5, 2012; Graves, "Generating sequences with recurrent
    neural networks", 2013 (centered).

    >>> p, square = rmsprop(np.array([1.0]), np.array([4.0]), np.zeros(1), lr=0.1, alpha=0.75)
    >>> p.round(6), square
    (array([0.8]), array([4.]))
    """
    if maximize:
        g = -g
    if present(weight_decay):
        g = g + weight_decay * p
    square = alpha * square + (1.0 - alpha) * (g * g)
    new, spread, rest = [square], square, list(memory)
    if centered:
        mean = rest.pop(0)
        mean = mean + (1.0 - alpha) * (g - mean)
        new.append(mean)
        spread = np.maximum(square - mean * mean, 0.0)  # equal gradients may round to just below 0
    direction = g / (np.sqrt(spread) + eps)
    if present(momentum):
        direction = momentum * rest.pop(0) + direction
        new.append(direction)
    return (p - lr * direction, *new)


class RMSprop(Optimizer):
    """RMSprop: gradients divided by the root of their running mean square; see `rmsprop`.

    >>> from clearprop import Tensor
    >>> w = Tensor(3.0)
    >>> optimizer = RMSprop([w], lr=0.01)
    >>> for _ in range(500):
    ...     optimizer.zero_grad()
    ...     ((w - 1) ** 2).backward()
    ...     optimizer.step()
    >>> abs(w.item() - 1) < 0.01
    True
    """

    formula: Any = staticmethod(rmsprop)
    optional: tuple[str, ...] = ("weight_decay", "momentum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the running means and of the momentum buffer, as far as they are used."""
        centered = ("grad_avg",) * group["centered"]
        momentum = ("momentum_buffer",) * group.nonzero("momentum")
        return ("square_avg", *centered, *momentum)
