"""Relatives of Adam: Adamax, NAdam, RAdam, and Lion, which keeps the sign alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from clearprop.optim.group import ParameterGroup, present
from clearprop.optim.optimizer import Optimizer
from clearprop.tensor import Tensor


def adamax(
    p: Any,
    g: Any,
    m: Any,
    u: Any,
    *,
    step: Any,
    lr: Any,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0.0,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, m, u) after one step: u = max(b2 u, |g| + eps), p = p - lr m / ((1 - b1^step) u).

    m = b1 m + (1 - b1) g. Source: Kingma and Ba, "Adam", 2015, section 7.

    >>> adamax(np.array([1.0]), np.array([4.0]), *np.zeros((2, 1)), step=1.0, lr=0.1)[0].round(6)
    array([0.9])
    """
    if maximize:
        g = -g
    if present(weight_decay):
        g = g + weight_decay * p
    first, second = betas
    m = m + (1.0 - first) * (g - m)
    u = np.maximum(second * u, np.abs(g) + eps)
    return p - lr / (1.0 - first**step) * m / u, m, u


class Adamax(Optimizer):
    """Adamax: Adam by the largest gradient instead of the mean square; see `adamax`.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = Adamax([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.805168
    """

    formula: Any = staticmethod(adamax)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the running mean and of the running maximum."""
        return ("exp_avg", "exp_inf")


def nadam(
    p: Any,
    g: Any,
    product: Any,
    m: Any,
    v: Any,
    *,
    step: Any,
    lr: Any,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0.0,
    momentum_decay: Any = 4e-3,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, product, m, v) after one step of Adam with Nesterov's look ahead.

    mu_t = b1 (1 - 0.96^(t momentum_decay) / 2), product the product of all so far;
    p = p - lr (1 - mu_t) / (1 - product) g / d - lr mu_(t+1) / (1 - product mu_(t+1)) m / d,
    d = sqrt(v / (1 - b2^t)) + eps. Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.

    >>> nadam(np.array([1.0]), np.array([4.0]), np.ones(()), *np.zeros((2, 1)), step=1.0, lr=0.1)[0].round(4)
    array([0.8944])
    """
    if maximize:
        g = -g
    first, second = betas
    if present(weight_decay):
        if decoupled_weight_decay:
            p = p * (1.0 - lr * weight_decay)
        else:
            g = g + weight_decay * p
    now, ahead = (first * (1.0 - 0.5 * 0.96 ** ((step + k) * momentum_decay)) for k in (0.0, 1.0))
    product = product * now
    m = m + (1.0 - first) * (g - m)
    v = second * v + (1.0 - second) * (g * g)
    d = np.sqrt(v / (1.0 - second**step)) + eps
    p = p - lr * (1.0 - now) / (1 - product) * g / d
    return p - lr * ahead / (1 - product * ahead) * m / d, product, m, v


class NAdam(Optimizer):
    """NAdam: Adam that looks a step ahead; see `nadam`.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = NAdam([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.819973
    """

    formula: Any = staticmethod(nadam)
    single: tuple[str, ...] = ("mu_product",)
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **Optimizer.limits,
        "momentum_decay": (0.0, math.inf),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        options |= {"momentum_decay": momentum_decay, "maximize": maximize}
        super().__init__(params, options | {"decoupled_weight_decay": decoupled_weight_decay})

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the product of momenta and of the running means."""
        return ("mu_product", "exp_avg", "exp_avg_sq")

    def start(self, name: str, group: ParameterGroup, p: Tensor) -> Any:
        """Return 1 for the product of no momenta, zeros for the means."""
        return np.ones((), p.dtype) if name == "mu_product" else super().start(name, group, p)


def radam(
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    *,
    step: Any,
    lr: Any,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, m, v) after one step of rectified Adam: no division by v while it rests on few gradients.

    R = 2 / (1 - b2) - 1, r = R - 2 t b2^t / (1 - b2^t); with m' = m / (1 - b1^t), where r > 5,
    p = p - lr m' sqrt(((r - 4) (r - 2) R) / ((R - 4) (R - 2) r)) sqrt(1 - b2^t) / (sqrt(v) + eps), before
    that p = p - lr m'. Source: Liu et al., "On the variance of the adaptive learning rate", 2020.

    >>> radam(np.array([1.0]), np.array([4.0]), *np.zeros((2, 1)), step=1.0, lr=0.1)[0].round(4)
    array([0.6])
    """
    if maximize:
        g = -g
    first, second = betas
    if present(weight_decay):
        if decoupled_weight_decay:
            p = p * (1.0 - lr * weight_decay)
        else:
            g = g + weight_decay * p
    m = m + (1.0 - first) * (g - m)
    v = second * v + (1.0 - second) * (g * g)
    most = 2.0 / (1.0 - second) - 1.0
    r = most - 2.0 * step * second**step / (1.0 - second**step)
    known = np.where(r > 5.0, r, 6.0)  # where it is too small it is not used
    share = (known - 4.0) * (known - 2.0) * most / ((most - 4.0) * (most - 2.0) * known)
    scale = np.sqrt(share * (1.0 - second**step)).astype(p.dtype) / (np.sqrt(v) + eps)
    return p - lr / (1.0 - first**step) * m * np.where(r > 5.0, scale, 1.0), m, v


class RAdam(Optimizer):
    """Rectified Adam: gradient descent until the running mean of squares is to be trusted; see `radam`.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = RAdam([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.621053
    """

    formula: Any = staticmethod(radam)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options | {"decoupled_weight_decay": decoupled_weight_decay})

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the running means."""
        return ("exp_avg", "exp_avg_sq")


def lion(
    p: Any,
    g: Any,
    m: Any,
    *,
    lr: Any,
    betas: Any = (0.9, 0.99),
    weight_decay: Any = 0.0,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, m) after one step: p = p - lr (sign(b1 m + (1 - b1) g) + weight_decay p).

    m = b2 m + (1 - b2) g. Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023.

    >>> lion(np.array([1.0, 1.0]), np.array([4.0, -2.0]), np.zeros(2), lr=0.1)[0]
    array([0.9, 1.1])
    """
    if maximize:
        g = -g
    first, second = betas
    direction = np.sign(first * m + (1.0 - first) * g)
    if present(weight_decay):
        p = p * (1.0 - lr * weight_decay)
    return p - lr * direction, second * m + (1.0 - second) * g


class Lion(Optimizer):
    """Lion: steps of one size in the direction of a sign; see `lion`.

    >>> from clearprop import Tensor
    >>> w = Tensor(1.0)
    >>> optimizer = Lion([w], lr=0.25)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> w.item()
    0.75
    """

    formula: Any = staticmethod(lion)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the name of the running mean."""
        return ("exp_avg",)

    def counts(self, group: ParameterGroup) -> bool:
        """Lion does not ask how many steps were taken."""
        return False
