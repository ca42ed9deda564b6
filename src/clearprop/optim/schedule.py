"""Learning rates that change in training: each schedule is a function of the number of steps taken."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class Schedule:
    """What all schedules share: `step()` counts one more and sets every group's learning rate.

    A subclass says in `rate(base, count)` which learning rate follows from a group's first one after `count`
    calls, so a schedule can be stopped, saved and drawn ahead. PyTorch's chained recursions give the same
    numbers to rounding. Call `step()` after the optimizer's, outside of a compiled step: the step reads the
    learning rate from a Tensor and needs no new plan.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        self._set()

    def rate(self, base: float, count: int) -> float:
        """Return the learning rate after `count` steps for a group that began with `base`."""
        raise NotImplementedError

    def step(self) -> None:
        """Count one more step and set the learning rates."""
        self._refuse_recording()
        self.last_epoch += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of every group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on: how many steps were counted, and the first learning rates."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a state dict was taken; the learning rates are set as well."""
        for name in self.state_dict():
            setattr(self, name, state[name])
        self._set()

    def _set(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(base, self.last_epoch)

    def _refuse_recording(self) -> None:
        if mode.observer is not None and mode.observer.remembers:
            raise RuntimeError(
                lesson(
                    f"{type(self).__name__}.step()",
                    "a schedule counts in Python, which a compiled step does not repeat",
                    hint="schedule.step() after the compiled step, in the loop",
                )
            )


class StepLR(Schedule):
    """lr = base gamma^(count // step_size).

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = StepLR(SGD([Tensor(1.0)], lr=1.0), step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base gamma^(count // step_size)."""
        return base * self.gamma ** (count // self.step_size)


class MultiStepLR(Schedule):
    """lr = base gamma^(how many milestones are behind)."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base gamma^(how many milestones are behind)."""
        return base * self.gamma ** bisect_right(self.milestones, count)


class ExponentialLR(Schedule):
    """lr = base gamma^count."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base gamma^count."""
        return base * self.gamma**count


class LambdaLR(Schedule):
    """lr = base f(count), for a function of your own (or one per group)."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.functions = list(lr_lambda) if isinstance(lr_lambda, list) else [lr_lambda] * groups
        super().__init__(optimizer, last_epoch)

    def _set(self) -> None:
        groups = zip(self.optimizer.param_groups, self.base_lrs, self.functions, strict=True)
        for group, base, function in groups:
            group["lr"] = base * function(self.last_epoch)


class LinearLR(Schedule):
    """lr = base f, with f going straight from start_factor to end_factor in total_iters steps: a warm-up.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = LinearLR(SGD([Tensor(1.0)], lr=1.0), start_factor=0.5, total_iters=2)
    >>> schedule.get_last_lr(); schedule.step(); schedule.get_last_lr()
    [0.5]
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base times the factor, which stays at end_factor once it is reached."""
        done = min(count, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class CosineAnnealingLR(Schedule):
    """lr = eta_min + (base - eta_min) (1 + cos(pi count / T_max)) / 2 (Loshchilov and Hutter, SGDR, 2017)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return the point on the cosine."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * count / self.T_max)) / 2


class WarmupCosineLR(Schedule):
    """Up in a straight line for `warmup` steps, then down a cosine to `final` times the base at step `total`.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = WarmupCosineLR(SGD([Tensor(1.0)], lr=1.0), warmup=4, total=14)
    >>> [round(schedule.rate(1.0, n), 2) for n in (0, 1, 4, 9, 14)]
    [0.0, 0.25, 1.0, 0.5, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, warmup: int, total: int, final: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not 0 <= warmup < total:
            raise ValueError(
                lesson("WarmupCosineLR(...)", "wants 0 <= warmup < total", f"warmup={warmup}, total={total}")
            )
        self.warmup, self.total, self.final = warmup, total, final
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return the point on the line or on the cosine."""
        if count < self.warmup:
            return base * count / self.warmup
        done = min(1.0, (count - self.warmup) / (self.total - self.warmup))
        return base * (self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2)


class OneCycleLR(Schedule):
    """Up to max_lr and far down again, in total_steps, while the momentum goes the other way.

    The learning rate starts at max_lr / div_factor, is max_lr after the share `pct_start` of the steps, and
    ends at max_lr / div_factor / final_div_factor. Momentum (SGD's, RMSprop's, Adam's first beta) goes from
    max_momentum to base_momentum and back. Source: Smith and Topin, "Super-convergence", 2018.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import Adam
    >>> optimizer = Adam([Tensor(1.0)])
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=11, pct_start=0.5)
    >>> [round(schedule.rate(0, n), 6) for n in (0, 4, 5, 10)], optimizer.param_groups[0]["betas"]
    ([0.04, 0.971052, 0.979747, 4e-06], (0.95, 0.999))
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear") or not 0 <= pct_start <= 1 or total_steps < 1:
            raise ValueError(
                lesson(
                    "OneCycleLR(...)",
                    "wants total_steps >= 1, pct_start from 0 to 1, anneal_strategy 'cos' or 'linear'",
                    f"{total_steps}, {pct_start}, {anneal_strategy!r}",
                )
            )
        self.max_lr, self.total_steps, self.anneal_strategy = max_lr, total_steps, anneal_strategy
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        self.start_lr = max_lr / div_factor
        self.end_lr = self.start_lr / final_div_factor
        self.peak = float(pct_start * total_steps) - 1  # PyTorch counts the peak from the first step, 0
        self.cycle_momentum = cycle_momentum
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return the learning rate of step `count`; `base` plays no part."""
        return self._between((self.start_lr, self.max_lr, self.end_lr), count)

    def momentum(self, count: int) -> float:
        """Return the momentum of step `count`."""
        return self._between((self.max_momentum, self.base_momentum, self.max_momentum), count)

    def _between(self, marks: tuple[float, float, float], count: int) -> float:
        if count > self.total_steps:
            raise ValueError(
                lesson("OneCycleLR.step()", f"wants at most {self.total_steps} steps", f"{count}")
            )
        start, top, end = marks
        last = self.total_steps - 1
        if count <= self.peak:
            return self._anneal(start, top, count / self.peak)
        return self._anneal(top, end, (count - self.peak) / (last - self.peak))

    def _anneal(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) / 2 * (1 + math.cos(math.pi * done))

    def _set(self) -> None:
        super()._set()
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (self.momentum(self.last_epoch), group["betas"][1])
                elif "momentum" in group:
                    group["momentum"] = self.momentum(self.last_epoch)


class SequentialLR:
    """One schedule after the other: the next begins at each milestone, counting from 0."""

    def __init__(self, schedules: list[Schedule], milestones: list[int]) -> None:
        if len(milestones) != len(schedules) - 1:
            raise ValueError(
                lesson("SequentialLR(...)", "wants one milestone between each two schedules", f"{milestones}")
            )
        self.schedules, self.milestones, self.last_epoch = schedules, list(milestones), 0
        for schedule in schedules:
            schedule.base_lrs = list(schedules[0].base_lrs)
        self._set()

    def step(self) -> None:
        """Count one more step and set the learning rates."""
        self.schedules[0]._refuse_recording()
        self.last_epoch += 1
        self._set()

    def _set(self) -> None:
        turn = bisect_right(self.milestones, self.last_epoch)
        schedule = self.schedules[turn]
        schedule.last_epoch = self.last_epoch - (self.milestones[turn - 1] if turn else 0)
        schedule._set()

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of every group."""
        return self.schedules[0].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {"last_epoch": self.last_epoch, "schedules": [s.state_dict() for s in self.schedules]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a state dict was taken."""
        for schedule, saved in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        self.last_epoch = state["last_epoch"]
        self._set()
