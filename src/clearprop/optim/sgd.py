"""Stochastic gradient descent, with momentum as PyTorch has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from clearprop.errors import lesson
from clearprop.optim.group import ParameterGroup, present
from clearprop.optim.optimizer import Optimizer


def sgd(
    p: Any,
    g: Any,
    buffer: Any = None,
    *,
    lr: Any,
    momentum: Any = 0.0,
    dampening: Any = 0.0,
    weight_decay: Any = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    step: Any = 2.0,
) -> tuple[Any, ...]:
    """Return (p, buffer) after one step of gradient descent.

    buffer = momentum buffer + (1 - dampening) g, undamped in the first step; p = p - lr buffer, or with
    `nesterov` p - lr (g + momentum buffer). Sources: Sutskever et al., "On the importance of initialization
    and momentum in deep learning", 2013; PyTorch's documentation of SGD.

    >>> import numpy as np
    >>> sgd(np.array([1.0]), np.array([2.0]), lr=0.1)
    (array([0.8]),)
    """
    if maximize:
        g = -g
    if present(weight_decay):
        g = g + weight_decay * p
    if not present(momentum):
        return (p - lr * g,)
    fresh = (1.0 - dampening * (step > 1.0)) * g if present(dampening) else g
    buffer = momentum * buffer + fresh
    direction = g + momentum * buffer if nesterov else buffer
    return p - lr * direction, buffer


class SGD(Optimizer):
    """Stochastic gradient descent: p = p - lr g, with momentum, Nesterov momentum and weight decay.

    >>> from clearprop import Tensor
    >>> w = Tensor(3.0)
    >>> optimizer = SGD([w], lr=0.1)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     ((w - 1) ** 2).backward()
    ...     optimizer.step()
    >>> round(w.item(), 6)
    1.0
    """

    formula: Any = staticmethod(sgd)
    ways: ClassVar[dict[str, Any]] = {"foreach": None, "differentiable": False, "fused": None}
    optional: tuple[str, ...] = ("weight_decay", "momentum", "dampening")
    unwritten: tuple[str, ...] = ("step",)  # that it is not the first is seen by the buffer

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the momentum buffer, where there is momentum."""
        return ("momentum_buffer",) if group.nonzero("momentum") else ()

    def counts(self, group: ParameterGroup) -> bool:
        """Count steps only where the first differs: it is not damped."""
        return group.nonzero("momentum") and group.nonzero("dampening")

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError for Nesterov momentum without momentum or with dampening."""
        super().check(options)
        if options["nesterov"] and (not options["momentum"] or options["dampening"]):
            raise ValueError(
                lesson(
                    "SGD(nesterov=True)",
                    "wants a momentum and no dampening",
                    f"momentum={options['momentum']}, dampening={options['dampening']}",
                    hint="SGD(..., momentum=0.9, nesterov=True)",
                )
            )
