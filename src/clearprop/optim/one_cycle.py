"""`OneCycleLR`: up and far down again, while the momentum goes the other way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from clearprop.errors import lesson
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.schedule import Schedule, amount, scaled


class OneCycleLR(Schedule):
    """Up to max_lr and far down again, in total_steps, while the momentum goes the other way.

    The learning rate starts at max_lr / div_factor, is max_lr after the share `pct_start` of the steps, and
    ends at max_lr / div_factor / final_div_factor; with `three_phase` it is down at max_lr / div_factor again
    after as many steps as it went up. Momentum (SGD's, RMSprop's, Adam's first beta) goes from
    max_momentum to base_momentum and back. Without total_steps there are epochs * steps_per_epoch.
    Raises ValueError where neither is given. Source: Smith and Topin, "Super-convergence", 2018.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import Adam
    >>> optimizer = Adam([Tensor(1.0)])
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=11, pct_start=0.5)
    >>> [round(schedule.rate(0, n), 6) for n in (0, 4, 5, 10)], optimizer.param_groups[0]["betas"]
    ([0.04, 0.971052, 0.979747, 4e-06], (0.95, 0.999))
    """

    moves: ClassVar[tuple[str, ...]] = ("lr", "momentum", "betas")
    max_lr: float
    total_steps: int
    base_momentum: float
    max_momentum: float

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        steps = _steps(total_steps, epochs, steps_per_epoch)
        if anneal_strategy not in ("cos", "linear") or not 0 <= pct_start <= 1 or steps < 1:
            wanted = "wants total_steps >= 1, pct_start from 0 to 1, anneal_strategy 'cos' or 'linear'"
            raise ValueError(lesson("OneCycleLR(...)", wanted, f"{steps}, {pct_start}, {anneal_strategy!r}"))
        groups = optimizer.param_groups
        rates: list[Any] = list(max_lr) if isinstance(max_lr, (list, tuple)) else [max_lr] * len(groups)
        if len(rates) != len(groups):
            raise ValueError(lesson("OneCycleLR(max_lr=)", f"wants {len(groups)} rates", f"{len(rates)}"))
        rates = [_above_zero("max_lr", rate) for rate in rates]
        first, last = _above_zero("div_factor", div_factor), _above_zero("final_div_factor", final_div_factor)
        self.max_lr, self.total_steps, self.anneal_strategy = rates[0], steps, anneal_strategy
        self.base_momentum, self.max_momentum = float(base_momentum), float(max_momentum)
        self.start_lr: float = rates[0] / first
        self.end_lr: float = self.start_lr / last
        peak = float(pct_start * steps) - 1  # PyTorch counts the peak from the first step, 0
        down = [float(2 * pct_start * steps) - 2] if three_phase else []
        self.turns: tuple[float, ...] = (peak, *down, steps - 1)
        self.cycle_momentum = cycle_momentum
        for group, rate in zip(groups, rates, strict=True):
            _begin(group, rate / first, last_epoch)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return the learning rate of step `count`; `base` plays no part."""
        down = (self.start_lr,) * (len(self.turns) - 2)
        return self._between((self.start_lr, self.max_lr, *down, self.end_lr), count)

    def _next(self, i: int, lr: float, base: float, alone: bool) -> float:
        found = self.rate(base, self.last_epoch)
        return found if base == self.start_lr else found * (base / self.start_lr)

    def _rebased(self, i: int, lr: float, base: float) -> float:
        share = base / self.start_lr
        return scaled(lr, base, share * self.rate(base, max(self.last_epoch - 1, 0)))

    def momentum(self, count: int) -> float:
        """Return the momentum of step `count`."""
        up = (self.max_momentum,) * (len(self.turns) - 1)
        return self._between((self.max_momentum, self.base_momentum, *up), count)

    def _between(self, marks: tuple[float, ...], count: int) -> float:
        if count > self.total_steps:
            raise ValueError(
                lesson("OneCycleLR.step()", f"wants at most {self.total_steps} steps", f"{count}")
            )
        begins = (0.0, *self.turns)
        part = next((k for k, turn in enumerate(self.turns) if count <= turn), len(self.turns) - 1)
        begin, turn = begins[part], begins[part + 1]
        done = (count - begin) / (turn - begin) if turn != begin else 1.0
        return self._anneal(marks[part], marks[part + 1], done)

    def _anneal(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) / 2 * (1 + math.cos(math.pi * done))

    def _set(self) -> None:
        super()._set()
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group.schedule("betas", (self.momentum(self.last_epoch), group["betas"][1]))
                elif "momentum" in group:
                    group.schedule("momentum", self.momentum(self.last_epoch))


def _above_zero(name: str, number: Any) -> float:
    """Return a number above 0 as a float; raises ValueError for anything else."""
    found = amount(f"OneCycleLR({name}=)", number)
    if not found:
        raise ValueError(lesson(f"OneCycleLR({name}=)", "wants a number above 0", f"{number}"))
    return found


def _begin(group: Any, first: float, last_epoch: int) -> None:
    """Write down the first learning rate of a group, or see that it is that of one that goes on."""
    if last_epoch < 0:
        group.initial_lr = first
    elif group.initial_lr not in (None, first):
        called, wanted = f"OneCycleLR(last_epoch={last_epoch})", f"wants an initial_lr of {first}"
        where = "That is max_lr / div_factor, by which these learning rates began."
        hint = "the max_lr and div_factor that it began with"
        raise ValueError(lesson(called, wanted, f"{group.initial_lr}", where, hint))


def _steps(total: int | None, epochs: int | None, each: int | None) -> int:
    """Return how many steps there are."""
    if total is not None:
        return total
    if epochs is None or each is None:
        wanted, hint = "wants to know how many steps there are", "total_steps=epochs * len(loader)"
        raise ValueError(lesson("OneCycleLR(...)", wanted, hint=hint))
    return epochs * each
