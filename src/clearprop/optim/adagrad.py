"""Adagrad and Adadelta: every entry's steps are divided by the size of its own past gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from clearprop.optim.group import ParameterGroup, present
from clearprop.optim.optimizer import Optimizer
from clearprop.tensor import Tensor


def adagrad(
    p: Any,
    g: Any,
    total: Any,
    *,
    step: Any,
    lr: Any,
    lr_decay: Any = 0.0,
    weight_decay: Any = 0.0,
    initial_accumulator_value: Any = 0.0,
    eps: Any = 1e-10,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, total) after one step: total = total + g^2, p = p - lr' g / (sqrt(total) + eps).

    lr' = lr / (1 + (step - 1) lr_decay); total begins with `initial_accumulator_value`. Source: Duchi et al.,
    "Adaptive subgradient methods", 2011.

    >>> adagrad(np.array([1.0]), np.array([4.0]), np.array([0.0]), step=1.0, lr=0.1)[0].round(6)
    array([0.9])
    """
    if maximize:
        g = -g
    if present(weight_decay):
        g = g + weight_decay * p
    total = total + g * g
    return p - lr / (1.0 + (step - 1.0) * lr_decay) * g / (np.sqrt(total) + eps), total


class Adagrad(Optimizer):
    """Adagrad: steps that shrink as the squares of an entry's gradients add up; see `adagrad`.

    >>> w = Tensor(3.0)
    >>> optimizer = Adagrad([w], lr=1.0)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     ((w - 1) ** 2).backward()
    ...     optimizer.step()
    >>> round(w.item(), 3)
    1.0
    """

    formula: Any = staticmethod(adagrad)
    ways: ClassVar[dict[str, Any]] = {"foreach": None, "differentiable": False, "fused": None}
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **Optimizer.limits,
        "lr_decay": (0.0, math.inf),
        "initial_accumulator_value": (0.0, math.inf),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        options |= {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, options)

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the name of the sum of squares."""
        return ("sum",)

    def start(self, name: str, group: ParameterGroup, p: Tensor) -> Any:
        """Return the sum's first value."""
        return np.full_like(p._value, group.now("initial_accumulator_value"))


def adadelta(
    p: Any,
    g: Any,
    squares: Any,
    deltas: Any,
    *,
    step: Any = 1.0,
    lr: Any,
    rho: Any = 0.9,
    eps: Any = 1e-6,
    weight_decay: Any = 0.0,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, squares, deltas) after one step of Adadelta, whose steps have the parameter's own unit.

    squares = rho squares + (1 - rho) g^2;  d = sqrt((deltas + eps) / (squares + eps)) g;
    deltas = rho deltas + (1 - rho) d^2;  p = p - lr d. Source: Zeiler, "Adadelta", 2012.

    >>> adadelta(np.array([1.0]), np.array([4.0]), *np.zeros((2, 1)), lr=1.0, eps=1e-2)[0].round(4)
    array([0.6848])
    """
    if maximize:
        g = -g
    if present(weight_decay):
        g = g + weight_decay * p
    squares = rho * squares + (1.0 - rho) * (g * g)
    d = np.sqrt(deltas + eps) / np.sqrt(squares + eps) * g
    return p - lr * d, squares, rho * deltas + (1.0 - rho) * (d * d)


class Adadelta(Optimizer):
    """Adadelta: steps as large as the recent ones were, against recent gradients; see `adadelta`.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = Adadelta([w], lr=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.996798
    """

    formula: Any = staticmethod(adadelta)
    limits: ClassVar[dict[str, tuple[float, float]]] = {**Optimizer.limits, "rho": (0.0, 1.0)}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the running means of squared gradients and of squared steps."""
        return ("square_avg", "acc_delta")
