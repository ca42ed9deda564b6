"""Schedules that go round: a saw of straight lines, and cosines that begin again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from clearprop.errors import lesson
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.schedule import Schedule, amount, whole

SHAPES: dict[str, Callable[[float, float], float]] = {
    "triangular": lambda x, gamma: 1.0,
    "triangular2": lambda x, gamma: 0.5 ** (x - 1),
    "exp_range": lambda x, gamma: gamma**x,
}


class CosineAnnealingWarmRestarts(Schedule):
    """lr = eta_min + (base - eta_min) (1 + cos(pi t / T)) / 2, t steps into a cycle of T, which begins again.

    The first cycle has T_0 steps, each later one T_mult times the one before. It sets the learning rate anew
    in each step, whatever another schedule has made of it. With last_epoch behind the second cycle it follows
    the formula, where PyTorch loses count. Source: Loshchilov and Hutter, "SGDR", 2017.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = CosineAnnealingWarmRestarts(SGD([Tensor(1.0)], lr=1.0), T_0=2, T_mult=2)
    >>> [round(schedule.rate(1.0, n), 2) for n in range(7)]
    [1.0, 0.5, 1.0, 0.85, 0.5, 0.15, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_0 = whole("CosineAnnealingWarmRestarts(T_0=)", T_0)
        self.T_mult: int = whole("CosineAnnealingWarmRestarts(T_mult=)", T_mult)
        self.eta_min: float = amount("CosineAnnealingWarmRestarts(eta_min=)", eta_min)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: float) -> float:
        """Return the point on the cosine of the cycle that `count` lies in."""
        if self.T_mult == 1:
            done, length = count % self.T_0, float(self.T_0)
        else:  # T_0 (T_mult^n - 1) / (T_mult - 1) steps are behind n cycles
            behind = int(math.log(count / self.T_0 * (self.T_mult - 1) + 1, self.T_mult) + 1e-9)
            length = self.T_0 * float(self.T_mult) ** behind
            done = count - self.T_0 * (self.T_mult**behind - 1) / (self.T_mult - 1)
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * done / length)) / 2

    def _next(self, i: int, lr: float, base: float, alone: bool) -> float:
        return self.rate(base, self.last_epoch)


class CyclicLR(Schedule):
    """Up from base_lr to max_lr in step_size_up steps, down again in step_size_down, and so on.

    `mode` says how high the later peaks are: "triangular" as high as the first, "triangular2" half of the one
    before, "exp_range" gamma^count of the first; or `scale_fn`, of the cycle's number (from 1) or with
    scale_mode="iterations" of the count. Momentum, where the optimizer has it, goes the other way. It sets
    the learning rate anew in each step. Where a schedule made before has written down a group's `initial_lr`,
    the first step counts from that, the others from base_lr, as in PyTorch.
    Source: Smith, "Cyclical learning rates", 2017.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = CyclicLR(SGD([Tensor(1.0)], lr=1.0), 0.0, 1.0, step_size_up=2, cycle_momentum=False)
    >>> [schedule.rate(0.0, n) for n in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    moves: ClassVar[tuple[str, ...]] = ("lr", "momentum", "betas")
    down: int
    scale_fn: Callable[..., Any] | None
    mode: str
    max_lrs: list[float]
    base_momentum: float
    max_momentum: float

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if (mode not in SHAPES and scale_fn is None) or scale_mode not in ("cycle", "iterations"):
            wanted = (
                "wants mode 'triangular', 'triangular2' or 'exp_range', scale_mode 'cycle' or 'iterations'"
            )
            raise ValueError(lesson("CyclicLR(...)", wanted, f"{mode!r} and {scale_mode!r}"))
        groups = optimizer.param_groups
        bases, tops = (
            _for_all(name, value, len(groups)) for name, value in (("base_lr", base_lr), ("max_lr", max_lr))
        )
        self.up: int = whole("CyclicLR(step_size_up=)", step_size_up)
        self.down = self.up if step_size_down is None else whole("CyclicLR(step_size_down=)", step_size_down)
        self.gamma: float = amount("CyclicLR(gamma=)", gamma)
        self.scale_fn, self.mode, self.max_lrs = scale_fn, mode, tops
        self.by_count: bool = scale_mode == "iterations" if scale_fn is not None else mode == "exp_range"
        self.cycle_momentum = cycle_momentum
        self.base_momentum, self.max_momentum = float(base_momentum), float(max_momentum)
        if cycle_momentum and not any(name in group for group in groups for name in ("momentum", "betas")):
            wanted, hint = "wants an optimizer with momentum", "cycle_momentum=False"
            raise ValueError(lesson("CyclicLR(...)", wanted, type(optimizer).__name__, hint=hint))
        for group, base in zip(groups, bases, strict=True):
            if group.initial_lr is None and last_epoch < 0:
                group.initial_lr = base
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def height(self, count: int) -> tuple[float, float]:
        """Return how far up its cycle a step is, from 0 to 1, and how high the peak is."""
        cycle = count // (self.up + self.down)
        inside = count - cycle * (self.up + self.down)
        share = inside / self.up if inside <= self.up else 1 - (inside - self.up) / self.down
        x = float(count if self.by_count else cycle + 1)
        return share, self.scale_fn(x) if self.scale_fn is not None else SHAPES[self.mode](x, self.gamma)

    def rate(self, base: float, count: int) -> float:
        """Return the learning rate of step `count` for a group that begins with `base`."""
        share, scale = self.height(count)
        top = self.max_lrs[self.base_lrs.index(base)] if base in self.base_lrs else self.max_lrs[0]
        return base + (top - base) * share * scale

    def _next(self, i: int, lr: float, base: float, alone: bool) -> float:
        share, scale = self.height(self.last_epoch)
        return base + (self.max_lrs[i] - base) * share * scale

    def _rebased(self, i: int, lr: float, base: float) -> float:
        return base

    def _set(self) -> None:
        super()._set()
        share, scale = self.height(self.last_epoch)
        momentum = self.max_momentum - (self.max_momentum - self.base_momentum) * share * scale
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            if "betas" in group:
                group.schedule("betas", (momentum, group["betas"][1]))
            elif "momentum" in group:
                group.schedule("momentum", momentum)


def _for_all(name: str, value: Any, count: int) -> list[float]:
    values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(values) != count:
        called, wanted = f"CyclicLR({name}=)", f"wants one number, or {count}"
        raise ValueError(lesson(called, wanted, f"{len(values)}", "Nothing was changed."))
    return [amount(f"CyclicLR({name}=)", v) for v in values]
