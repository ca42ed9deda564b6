"""Learning rates that change in training: each schedule is a function of the number of steps taken."""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from clearprop.arguments import is_number, is_whole
from clearprop.errors import lesson
from clearprop.examined import Examined
from clearprop.optim.group import asking
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.recordable import HeldLists, HeldNumber, HeldNumbers, recordable, refuse_recording
from clearprop.tensor import Tensor


class Schedule(Examined):
    """What all schedules share: `step()` counts one more and sets every group's learning rate.

    A subclass says in `rate(base, count)` which learning rate follows from a group's first one after `count`
    calls, so a schedule can be stopped, saved and drawn ahead. That holds as long as nobody else sets the
    learning rate. After another schedule, a plateau or a person has set it, `chain(lr, base, count)` says
    what becomes of the one that is there: schedules of one optimizer compose, by PyTorch's own recursions.
    Call `step()` after the optimizer's, inside of a compiled step or after it: what it counts and sets lies
    in Tensors, so that no new plan is needed.

    With `last_epoch` of 0 or more it goes on after that step from the learning rates that are there; raises
    KeyError where a group does not know its first one, `group["initial_lr"]`. Those that `rests` leave the
    learning rate as it is then; the others take step last_epoch + 1 with it, as PyTorch's do.
    """

    rests: ClassVar[bool] = False
    moves: ClassVar[tuple[str, ...]] = ("lr",)  # the numbers of a group that it sets
    last_epoch: Any = HeldNumber()
    base_lrs: Any = HeldNumbers()
    _seen: Any = (
        HeldLists()
    )  # of every group: what was set here, 1 if nobody else has, how often a person had

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            if group.initial_lr is None:
                self._refuse_unknown(last_epoch)
                group.initial_lr = float(group["lr"])
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        self._begin() if last_epoch < 0 else self._resume()

    def join(self) -> None:
        """Take the first step again, from the learning rates that are there."""
        self.last_epoch = 0
        self._begin()

    def restart(self) -> None:
        """Begin again from the first learning rates, as a schedule does whose turn has come."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group.schedule("lr", base)
        self.join()

    def _begin(self) -> None:
        groups = self.optimizer.param_groups
        self._seen = self.base_lrs, [1] * len(groups), [group.set_by_hand for group in groups]
        self._set()

    def _resume(self) -> None:
        """Go on from the learning rates that are there, which are those of this step, as in PyTorch."""
        groups = self.optimizer.param_groups
        self._seen = self.get_last_lr(), [0] * len(groups), [group.set_by_hand for group in groups]
        if not self.rests:
            self._set()

    def rate(self, base: float, count: int) -> float:
        """Return the learning rate after `count` steps for a group that began with `base`."""
        raise NotImplementedError

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return what a learning rate that somebody else has set becomes in step `count`."""
        return self.rate(base, count)

    @recordable
    def step(self) -> None:
        """Count one more step and set the learning rates."""
        self.last_epoch += 1
        self._set()

    def get_lr(self) -> list[float]:
        """Return the learning rates of now. A subclass that has no `rate` says here which they are to be.

        As with PyTorch's it finds them from `last_epoch`, `base_lrs` and `optimizer`, and they are set.
        """
        return self.get_last_lr()

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of every group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def __repr__(self) -> str:
        return said(self)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on: settings, the count of steps, the first and last learning rates."""
        return settings(self) | {
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "_last_lr": self.get_last_lr(),
            "alone": [
                bool(alone and lr == written)
                for written, alone, _, lr in zip(*self._seen, self.get_last_lr(), strict=True)
            ],
            "schedule": type(self).__name__,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a state dict was taken, by its settings; the learning rates are set as well.

        Raises ValueError for the state of another schedule or of other groups; nothing is changed then.
        """
        refuse_recording("loading a schedule's state", "schedule.load_state_dict(state) between two calls")
        self._refuse_foreign(state)
        take_settings(self, state)
        self.last_epoch, self.base_lrs = state["last_epoch"], list(state["base_lrs"])
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group.schedule("lr", base)
        self._begin()
        if "_last_lr" not in state:  # written before schedules composed
            return
        groups, lrs = self.optimizer.param_groups, [float(lr) for lr in state["_last_lr"]]
        written, alone, by_hand = self._seen
        alone = list(state.get("alone", (lr == own for lr, own in zip(lrs, written, strict=True))))
        for group, lr, base in zip(groups, lrs, self.base_lrs, strict=True):
            group.schedule("lr", lr)
            group.initial_lr = base
        self._seen = lrs, alone, by_hand

    def _refuse_foreign(self, state: Mapping[str, Any]) -> None:
        called, groups = f"{type(self).__name__}.load_state_dict(state)", len(self.optimizer.param_groups)
        kind = state.get("schedule", type(self).__name__)
        if kind != type(self).__name__ or not {"last_epoch", "base_lrs"} <= state.keys():
            got = f"it is one of {kind}" if kind != type(self).__name__ else f"it has {', '.join(state)}"
            raise ValueError(lesson(called, "wants a state of this schedule", got, "Nothing was loaded."))
        if len(state["base_lrs"]) != groups:
            got = f"{len(state['base_lrs'])}"
            raise ValueError(lesson(called, f"wants {groups} learning rates", got, "Nothing was loaded."))

    def _set(self) -> None:
        bases, (written, alone, by_hand) = self.base_lrs, self._seen
        groups, new = self.optimizer.param_groups, []
        if len(groups) != len(bases):
            called, wanted = f"{type(self).__name__}.step()", "wants the groups that it was made with"
            where = "The optimizer was given others since, of which it knows no first learning rate."
            hint = f"a new {type(self).__name__}(optimizer, ...) after add_param_group"
            got = f"{len(groups)} groups, not {len(bases)}"
            raise ValueError(lesson(called, wanted, got, where, hint))
        if type(self).get_lr is not Schedule.get_lr:
            new = [float(lr) for lr in self.get_lr()]
        for i, group in enumerate(groups[len(new) :]):
            lr, base = group["lr"], bases[i]
            if lr != written[i]:
                alone[i] = 0
            with asking(groups, type(self).__name__):
                if group.set_by_hand != by_hand[i]:
                    by_hand[i] = group.set_by_hand
                    bases[i] = base = self._rebased(i, lr, base)
                new.append(self._next(i, lr, base, bool(alone[i])))
            if not new[-1] >= 0:
                called, wanted = f"{type(self).__name__}.step()", "wants a learning rate of 0 or more"
                where = f"It was {lr}, and {base} at first; other schedules and you may have set it between."
                raise ValueError(lesson(called, wanted, f"it would set {new[-1]}", where, "an eta_min of 0"))
        for group, lr in zip(groups, new, strict=True):
            group.schedule("lr", lr)
        self._seen = new, alone, by_hand

    def _next(self, i: int, lr: float, base: float, alone: bool) -> float:
        """Return the learning rate of group number `i`, which is `lr` now and was `base` at first."""
        if alone:
            return self.rate(base, self.last_epoch)
        return self.chain(lr, base, self.last_epoch)

    def _rebased(self, i: int, lr: float, base: float) -> float:
        """Return the base that gives `lr`, which a person has set, at this count; a chain needs no other."""
        if type(self).chain is not Schedule.chain:
            return base
        return scaled(lr, base, self.rate(base, max(self.last_epoch - 1, 0)))

    def _refuse_unknown(self, last_epoch: int) -> None:
        if last_epoch >= 0:
            called, wanted = (
                f"{type(self).__name__}(last_epoch={last_epoch})",
                "wants groups with an initial_lr",
            )
            where = "It is the learning rate of step 0, which the rate of a later step does not tell."
            hint = 'optimizer.load_state_dict(saved), or group["initial_lr"] = 0.1 in every group'
            raise KeyError(lesson(called, wanted, "one has none", where, hint))

    def changing(self) -> list[Tensor]:
        """Return the Tensors that hold what a step reads and sets."""
        own = [t for name, t in vars(self).items() if name.endswith("_held")]
        return own + [t for group in self.optimizer.param_groups for t in group.changing(self.moves)]


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

    step_size: int
    gamma: float

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = whole("StepLR(step_size=)", step_size), amount("StepLR(gamma=)", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base gamma^(count // step_size)."""
        return base * self.gamma ** (count // self.step_size)

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return lr, or gamma lr in every step_size-th step."""
        return lr * self.gamma if count and count % self.step_size == 0 else lr


class MultiStepLR(Schedule):
    """lr = base gamma^(how many milestones are behind).

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = MultiStepLR(SGD([Tensor(1.0)], lr=1.0), milestones=[1, 2], gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    ...     round(schedule.get_last_lr()[0], 6)
    0.5
    0.25
    0.25
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones: list[int] = sorted(whole("MultiStepLR(milestones=)", m, 0) for m in milestones)
        self.gamma: float = amount("MultiStepLR(gamma=)", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base gamma^(how many milestones are behind)."""
        return base * self.gamma ** bisect_right(self.milestones, count)

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return lr gamma^(how many milestones are at this count)."""
        return lr * self.gamma ** self.milestones.count(count)


class ExponentialLR(Schedule):
    """lr = base gamma^count.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = ExponentialLR(SGD([Tensor(1.0)], lr=1.0), gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    ...     round(schedule.get_last_lr()[0], 6)
    0.5
    0.25
    0.125
    """

    rests = True

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma: float = amount("ExponentialLR(gamma=)", gamma)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base gamma^count."""
        return base * self.gamma**count

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return gamma lr."""
        return lr * self.gamma if count else lr


class LambdaLR(Schedule):
    """lr = base f(count), for a function of your own (or one per group).

    It sets the learning rate anew in each step, whatever another schedule has made of it, as in PyTorch; one
    that was set by hand it goes on from, at the same f.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = LambdaLR(SGD([Tensor(1.0)], lr=1.0), lambda count: 1 / (1 + count))
    >>> for _ in range(3):
    ...     schedule.step()
    ...     round(schedule.get_last_lr()[0], 6)
    0.5
    0.333333
    0.25
    """

    functions: Any

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.functions = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(self.functions) != groups or not all(map(callable, self.functions)):
            got = f"{lr_lambda!r}"[:60]
            called = f"{type(self).__name__}(lr_lambda=)"
            raise ValueError(lesson(called, f"wants a function, or {groups} of them", got))
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float, base: float, alone: bool) -> float:
        return base * self.factor(i, self.last_epoch)

    def _rebased(self, i: int, lr: float, base: float) -> float:
        return scaled(lr, base, base * self.factor(i, max(self.last_epoch - 1, 0)))

    def factor(self, i: int, count: int) -> float:
        """Return what the function of group number `i` gives for a count; TypeError where it is no number."""
        found = self.functions[i](count)
        try:
            return float(found)
        except (TypeError, ValueError):
            called, got = f"{type(self).__name__}(lr_lambda=)", f"{found!r:.60} for step {count}"
            hint = "a function that returns a factor, lambda n: 0.95**n"
            raise TypeError(lesson(called, "wants a function that gives numbers", got, hint=hint)) from None


class LinearLR(Schedule):
    """lr = base f, with f going straight from start_factor to end_factor in total_iters steps: a warm-up.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = LinearLR(SGD([Tensor(1.0)], lr=1.0), start_factor=0.5, total_iters=2)
    >>> schedule.get_last_lr(); schedule.step(); schedule.get_last_lr()
    [0.5]
    [0.75]
    """

    rests = True

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor: float = amount("LinearLR(start_factor=)", start_factor)
        self.end_factor: float = amount("LinearLR(end_factor=)", end_factor)
        self.total_iters: int = whole("LinearLR(total_iters=)", total_iters)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base times the factor, which stays at end_factor once it is reached."""
        done = min(count, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return lr times the share by which the factor grows."""
        if count == 0:
            return lr * self.start_factor
        if count > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        if not self.total_iters * self.start_factor + (count - 1) * rise:  # it was 0: nothing to go on from
            return self.rate(base, count)
        return lr * (1 + rise / (self.total_iters * self.start_factor + (count - 1) * rise))


class ConstantLR(Schedule):
    """lr = base factor for the first total_iters steps, base after them.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = ConstantLR(SGD([Tensor(1.0)], lr=1.0), factor=0.5, total_iters=2)
    >>> for _ in range(3):
    ...     schedule.step()
    ...     round(schedule.get_last_lr()[0], 6)
    0.5
    1.0
    1.0
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor: float = amount("ConstantLR(factor=)", factor)
        if not 0 < self.factor <= 1:
            wanted = "wants a number above 0, up to 1"
            raise ValueError(lesson("ConstantLR(factor=)", wanted, f"{factor!r}", "Nothing was changed."))
        self.total_iters: int = whole("ConstantLR(total_iters=)", total_iters, 0)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base factor, or base once total_iters steps are behind."""
        return base * self.factor if count < self.total_iters else base

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return lr factor in step 0, lr / factor in step total_iters, else lr."""
        if count == 0:
            return lr * self.factor
        return lr / self.factor if count == self.total_iters else lr


class PolynomialLR(Schedule):
    """lr = base (1 - count / total_iters)^power, 0 from total_iters on.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = PolynomialLR(SGD([Tensor(1.0)], lr=1.0), total_iters=2)
    >>> for _ in range(3):
    ...     schedule.step()
    ...     round(schedule.get_last_lr()[0], 6)
    0.5
    0.0
    0.0
    """

    rests = True

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters: int = whole("PolynomialLR(total_iters=)", total_iters)
        self.power: float = amount("PolynomialLR(power=)", power)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return base times the power of what is left."""
        left = 1 - min(count, self.total_iters) / self.total_iters
        return float(base * left**self.power)

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return lr times the share by which the power falls."""
        if count == 0 or count > self.total_iters:
            return lr
        left, before = (1 - n / self.total_iters for n in (count, count - 1))
        return float(lr * (left / before) ** self.power)


class MultiplicativeLR(LambdaLR):
    """lr = lr f(count) in every step, for a function of your own (or one per group).

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = MultiplicativeLR(SGD([Tensor(1.0)], lr=1.0), lambda count: 0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    ...     round(schedule.get_last_lr()[0], 6)
    0.5
    0.25
    0.125
    """

    rests = True

    def restart(self) -> None:
        """Begin again from the learning rates that are there, times f(0), as in PyTorch."""
        self.last_epoch = 0
        groups = self.optimizer.param_groups
        with asking(groups, type(self).__name__):
            factors = [self.factor(i, 0) for i in range(len(groups))]
        for group, factor in zip(groups, factors, strict=True):
            group.schedule("lr", group["lr"] * factor)

    def _next(self, i: int, lr: float, base: float, alone: bool) -> float:
        return lr * self.factor(i, self.last_epoch) if self.last_epoch > 0 else lr

    def _rebased(self, i: int, lr: float, base: float) -> float:
        return base


class CosineAnnealingLR(Schedule):
    """lr = eta_min + (base - eta_min) (1 + cos(pi count / T_max)) / 2 (Loshchilov and Hutter, SGDR, 2017).

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = CosineAnnealingLR(SGD([Tensor(1.0)], lr=1.0), T_max=2)
    >>> for _ in range(3):
    ...     schedule.step()
    ...     round(schedule.get_last_lr()[0], 6)
    0.5
    0.0
    0.5
    """

    rests = True

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max: int = whole("CosineAnnealingLR(T_max=)", T_max)
        self.eta_min: float = amount("CosineAnnealingLR(eta_min=)", eta_min)
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, count: int) -> float:
        """Return the point on the cosine."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * count / self.T_max)) / 2

    def chain(self, lr: float, base: float, count: int) -> float:
        """Return lr with its distance from eta_min changed as the cosine's; from its bottom it rises anew."""
        if count == 0:
            return lr
        if (count - 1 - self.T_max) % (2 * self.T_max) == 0:
            return lr + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        here, before = (1 + math.cos(math.pi * n / self.T_max) for n in (count, count - 1))
        return self.eta_min + here / before * (lr - self.eta_min)


class WarmupCosineLR(Schedule):
    """Up in a straight line for `warmup` steps, then down a cosine to `final` times the base at step `total`.

    It begins at 0, so it cannot be chained: like `LambdaLR` it sets the learning rate anew in each step.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = WarmupCosineLR(SGD([Tensor(1.0)], lr=1.0), warmup=4, total=14)
    >>> [round(schedule.rate(1.0, n), 2) for n in (0, 1, 4, 9, 14)]
    [0.0, 0.25, 1.0, 0.5, 0.0]
    """

    warmup: int
    total: int
    final: float

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


def settings(schedule: Any) -> dict[str, Any]:
    """Return the numbers and words that say what a schedule does; its functions are no part of a state.

    >>> from clearprop import Tensor, optim
    >>> settings(optim.StepLR(optim.SGD([Tensor(1.0)], lr=1.0), 2, 0.5))
    {'step_size': 2, 'gamma': 0.5}
    """
    held = {name: value for name, value in vars(schedule).items() if name[0] != "_" and name not in COUNTED}
    return {
        name: list(value) if isinstance(value, list) else value
        for name, value in held.items()
        if isinstance(value, (bool, int, float, str, tuple, list, type(None))) and not _functions(value)
    }


COUNTED: tuple[str, ...] = ("optimizer", "schedules", "base_lrs", "last_epoch")
"""What a schedule holds that is no setting: what it changes, and how far it is."""


def _functions(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(map(callable, value))


def take_settings(schedule: Any, state: Mapping[str, Any]) -> None:
    """Give a schedule the settings of a state; those that an older state has not stay as they are."""
    for name, own in settings(schedule).items():
        if name in state and not (own is None) ^ (state[name] is None):
            setattr(schedule, name, tuple(state[name]) if isinstance(own, tuple) else state[name])


def scaled(lr: float, base: float, now: float) -> float:
    """Return the base that gives `lr` where `base` gave `now`: the schedule goes on in proportion."""
    return base * (lr / now) if now else lr


def whole(called: str, number: Any, least: int = 1) -> int:
    """Return a whole number that is large enough; raises ValueError for anything else."""
    if not is_whole(number) or operator.index(number) < least:
        wanted = f"wants a whole number of {least} or more"
        raise ValueError(lesson(called, wanted, f"{number!r}", "Nothing was changed.", f"{least or 1}"))
    return int(number)


def amount(called: str, number: Any) -> float:
    """Return a finite number of 0 or more as a float; raises ValueError for anything else."""
    truth = isinstance(number, (bool, np.bool_))
    if truth or not is_number(number) or not 0 <= float(number) < math.inf:
        wanted = "wants a finite number of 0 or more"
        raise ValueError(lesson(called, wanted, f"{number!r}", "Nothing was changed.", "0.1"))
    return float(number)


def said(schedule: Any) -> str:
    """Return what a schedule shows of itself: its name, the steps it has counted, the learning rates now."""
    rates = ", ".join(f"{float(lr):.6g}" for lr in schedule.get_last_lr())
    counted = getattr(schedule, "last_epoch", None)
    steps = "" if counted is None else f"{counted} step{'' if counted == 1 else 's'} counted, "
    return f"{type(schedule).__name__}({steps}lr {rates})"
