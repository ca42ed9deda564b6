"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from clearprop.optim.group import ParameterGroup, present
from clearprop.optim.optimizer import Optimizer


def adam(
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    top: Any = None,
    *,
    step: Any,
    lr: Any,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0.0,
    amsgrad: bool = False,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, m, v) after one step of Adam, or (p, m, v, top) with `amsgrad`.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p = p - lr m' / (sqrt(v') + eps), where
    m' = m / (1 - b1^step) and v' = v / (1 - b2^step); with `amsgrad` v' takes the largest v so far. Weight
    decay adds weight_decay p to g, or with `decoupled_weight_decay` (AdamW) shrinks p by lr weight_decay p.

    Sources: Kingma and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled weight decay regularization",
    2019; Reddi et al., "On the convergence of Adam and beyond", 2018.

    >>> p, m, v = adam(np.array([1.0]), np.array([4.0]), np.zeros(1), np.zeros(1), step=1.0, lr=0.1)
    >>> p.round(6)
    array([0.9])
    """
    if maximize:
        g = -g
    if present(weight_decay):
        if decoupled_weight_decay:
            p = p * (1.0 - lr * weight_decay)
        else:
            g = g + weight_decay * p
    first, second = betas
    m = m + (1.0 - first) * (g - m)
    v = second * v + (1.0 - second) * (g * g)
    largest = v if not amsgrad else np.maximum(top, v)
    scale = (1.0 - second**step) ** 0.5  # both sides of the fraction times it: one division less per entry
    rate = lr / (1.0 - first**step) * scale
    p = p - rate * m / (np.sqrt(largest) + eps * scale)
    return (p, m, v, largest) if amsgrad else (p, m, v)


def adamw(*args: Any, **numbers: Any) -> tuple[Any, ...]:
    """Return what `adam` returns, with the weight decay decoupled from the gradient."""
    return adam(*args, **{"decoupled_weight_decay": True, **numbers})


class Adam(Optimizer):
    """Adam: every entry takes steps of about lr, whatever the scale of its gradient; see `adam`.

    >>> from clearprop import Tensor
    >>> w = Tensor(3.0)
    >>> optimizer = Adam([w], lr=0.1)
    >>> for _ in range(300):
    ...     optimizer.zero_grad()
    ...     ((w - 1) ** 2).backward()
    ...     optimizer.step()
    >>> round(w.item(), 4)
    1.0
    """

    formula: Any = staticmethod(adam)
    ways: ClassVar[dict[str, Any]] = {
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "fused": None,
    }
    kinds: tuple[str, ...] = ("decoupled_weight_decay",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the running means, and of the largest second one with `amsgrad`."""
        return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) * group["amsgrad"]))


class AdamW(Adam):
    """Adam with decoupled weight decay, which shrinks the weights by lr weight_decay in each step.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = AdamW([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.798519
    """

    formula: Any = staticmethod(adamw)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        numbers = lr, betas, eps, weight_decay, amsgrad
        super().__init__(params, *numbers, maximize=maximize, decoupled_weight_decay=True)
