"""Averaged gradient descent, and Rprop, which goes by the gradient's sign with steps that grow and shrink."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from clearprop.errors import lesson
from clearprop.optim.group import ParameterGroup, present
from clearprop.optim.optimizer import Optimizer
from clearprop.tensor import Tensor


def asgd(
    p: Any,
    g: Any,
    eta: Any,
    mu: Any,
    average: Any,
    *,
    step: Any,
    lr: Any,
    lambd: Any = 1e-4,
    alpha: Any = 0.75,
    t0: Any = 1e6,
    weight_decay: Any = 0.0,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, eta, mu, average) after one step of averaged gradient descent.

    p = (1 - lambd eta) p - eta g, average = average + mu (p - average); then eta = lr / (1 + lambd lr
    step)^alpha and mu = 1 / max(1, step - t0): from step t0 on the average is that of the parameters. Source:
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.

    >>> asgd(np.array([1.0]), np.array([4.0]), np.array(0.1), np.array(1.0), np.zeros(1), step=1.0, lr=0.1)[0]
    array([0.59999])
    """
    if maximize:
        g = -g
    if present(weight_decay):
        g = g + weight_decay * p
    p = p * (1 - lambd * eta) - eta * g
    average = np.where(mu == 1, p, average + (p - average) * mu)
    eta = lr / (1.0 + lambd * lr * step) ** alpha
    return p, eta, 1 / np.maximum(step - t0, 1), average


class ASGD(Optimizer):
    """Averaged stochastic gradient descent: `state[p]["ax"]` is the average; see `asgd`.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = ASGD([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.639985
    """

    formula: Any = staticmethod(asgd)
    single: tuple[str, ...] = ("eta", "mu")
    limits: ClassVar[dict[str, tuple[float, float]]] = {**Optimizer.limits, "lambd": (0.0, math.inf)}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        super().__init__(params, options | {"maximize": maximize})

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the step's size, of the average's share and of the average."""
        return ("eta", "mu", "ax")

    def start(self, name: str, group: ParameterGroup, p: Tensor) -> Any:
        """Return lr for the step's size, 1 for the share, zeros for the average."""
        firsts = {"eta": group.now("lr"), "mu": 1.0}
        return np.array(firsts[name], p.dtype) if name in firsts else super().start(name, group, p)


def rprop(
    p: Any,
    g: Any,
    before: Any,
    size: Any,
    *,
    step: Any,
    lr: Any,
    etas: Any = (0.5, 1.2),
    step_sizes: Any = (1e-6, 50.0),
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, before, size) after one step: p = p - size sign(g), size grown where the sign stayed.

    size = clip(size etas[1], *step_sizes) where g has the sign of the gradient before, with etas[0] where it
    has the other one: there g counts as 0, now and before the next step. Source: Riedmiller and
    Braun, "A direct adaptive method for faster backpropagation learning", 1993.

    >>> rprop(np.array([1.0]), np.array([4.0]), np.zeros(1), np.array([0.1]), step=1.0, lr=0.1)[0]
    array([0.9])
    """
    if maximize:
        g = -g
    agree = g * before
    shrink, grow = etas
    size = size * np.where(agree > 0, grow, np.where(agree < 0, shrink, p.dtype.type(1)))
    low, high = step_sizes
    size = np.minimum(np.maximum(size, low), high)
    g = np.where(agree < 0, p.dtype.type(0), g)
    return p - np.sign(g) * size, g, size


class Rprop(Optimizer):
    """Resilient backpropagation, for whole batches: a sign, and a step size per entry; see `rprop`.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = Rprop([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.78
    """

    formula: Any = staticmethod(rprop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, options)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError for numbers that make no sense."""
        super().check(options)
        low, high = options["etas"]
        if not 0.0 < low < 1.0 < high:
            wanted = "wants two numbers, below and above 1"
            raise ValueError(lesson("Rprop(etas=)", wanted, f"{options['etas']!r}", "Nothing was changed."))

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the gradient before and of the step sizes."""
        return ("prev", "step_size")

    def start(self, name: str, group: ParameterGroup, p: Tensor) -> Any:
        """Return lr for the step sizes, zeros for the gradient before."""
        return (
            np.full_like(p._value, group.now("lr")) if name == "step_size" else super().start(name, group, p)
        )
