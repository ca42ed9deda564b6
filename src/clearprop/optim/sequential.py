"""Schedules together: `SequentialLR`, one after the other, and `ChainedScheduler`, all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from clearprop.errors import lesson
from clearprop.examined import Examined
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.recordable import HeldNumber, recordable, refuse_recording
from clearprop.optim.schedule import Schedule, said, take_settings, whole
from clearprop.tensor import Tensor


class SequentialLR(Examined):
    """One schedule after the other: the next begins at each milestone, counting from 0, as in PyTorch.

    Raises ValueError where the schedules are not all of this optimizer, there is not one milestone between
    each two of them, or it is to begin after step 0.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD, ExponentialLR, LinearLR
    >>> optimizer = SGD([Tensor(1.0)], lr=1.0)
    >>> both = [LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)]
    >>> schedule, seen = SequentialLR(optimizer, both, milestones=[2]), []
    >>> for _ in range(5):
    ...     seen.append(optimizer.lr)
    ...     schedule.step()
    >>> seen
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    last_epoch: Any = HeldNumber()
    optimizer: Optimizer
    schedules: list[Schedule | SequentialLR]

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[Schedule | SequentialLR],
        milestones: Sequence[int] = (),
        last_epoch: int = -1,
    ) -> None:
        called, hint = "SequentialLR(...)", "SequentialLR(optimizer, [first, second], milestones=[10])"
        self.optimizer, self.schedules = optimizer, list(schedulers)
        for schedule in self.schedules:
            if not isinstance(schedule, (Schedule, SequentialLR)):
                wanted, got = "wants schedules that step without a metric", type(schedule).__name__
                raise ValueError(lesson(called, wanted, f"a {got}", hint=hint))
            if schedule.optimizer is not optimizer:
                got = f"a {type(schedule).__name__} has another one"
                raise ValueError(lesson(called, "wants schedules of its optimizer", got, hint=hint))
        self.milestones: list[int] = [whole("SequentialLR(milestones=)", m, 0) for m in milestones]
        rising = self.milestones == sorted(self.milestones)
        if not self.schedules or len(self.milestones) != len(self.schedules) - 1 or not rising:
            wanted = "wants one milestone between each two schedules, in rising order"
            got = f"{self.milestones} for {len(self.schedules)}"
            raise ValueError(lesson(called, wanted, got, hint=hint))
        if last_epoch >= 0:
            wanted, hint = "begins at step 0", "schedule.load_state_dict(saved) after it was made"
            raise ValueError(lesson(f"SequentialLR(last_epoch={last_epoch})", wanted, hint=hint))
        self.last_epoch = 0
        self.join()

    def join(self) -> None:
        """Go back to the first learning rates and take the first step of the schedule whose turn it is."""
        for group in self.optimizer.param_groups:
            group.schedule("lr", group["initial_lr"])
        self.schedules[bisect_right(self.milestones, 0)].join()

    def restart(self) -> None:
        """Begin again, as a schedule does whose turn has come."""
        self.last_epoch = 0
        self.schedules[bisect_right(self.milestones, 0)].restart()

    @recordable
    def step(self) -> None:
        """Count one more step and set the learning rates."""
        self.last_epoch += 1
        turn = bisect_right(self.milestones, self.last_epoch)
        if turn and self.milestones[turn - 1] == self.last_epoch:
            self.schedules[turn].restart()
        else:
            self.schedules[turn].step()

    def changing(self) -> list[Tensor]:
        """Return the Tensors that hold what a step reads and sets."""
        return [SequentialLR.last_epoch.tensor(self), *(t for s in self.schedules for t in s.changing())]

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of every group."""
        return self.schedules[0].get_last_lr()

    def __repr__(self) -> str:
        return said(self)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        own = {"last_epoch": self.last_epoch, "milestones": list(self.milestones)}
        return own | {"schedules": [s.state_dict() for s in self.schedules]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a state dict was taken; raises ValueError for the state of other schedules."""
        refuse_recording("loading a schedule's state", "schedule.load_state_dict(state) between two calls")
        self._refuse_foreign(state)
        for schedule, saved in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        take_settings(self, state)
        self.last_epoch = state["last_epoch"]

    def _refuse_foreign(self, state: Mapping[str, Any]) -> None:
        saved, count = state.get("schedules"), len(self.schedules)
        if not isinstance(saved, (list, tuple)) or len(saved) != count or "last_epoch" not in state:
            called, got = "SequentialLR.load_state_dict(state)", f"it has {', '.join(map(str, state))}"
            wanted = f"wants the states of {count} schedules"
            raise ValueError(lesson(called, wanted, got, "Nothing was loaded."))
        for schedule, one in zip(self.schedules, saved, strict=True):
            schedule._refuse_foreign(one)


class ChainedScheduler(Examined):
    """Several schedules of one optimizer that step together, each changing what the one before has set.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD, ConstantLR, ExponentialLR
    >>> optimizer = SGD([Tensor(1.0)], lr=1.0)
    >>> schedule = ChainedScheduler([ConstantLR(optimizer, 0.1, 2), ExponentialLR(optimizer, 0.5)])
    >>> for _ in range(2):
    ...     schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self, schedulers: Sequence[Schedule | SequentialLR], optimizer: Optimizer | None = None
    ) -> None:
        self.schedules: list[Schedule | SequentialLR] = list(schedulers)
        called = "ChainedScheduler(schedulers)"
        if not self.schedules or not all(isinstance(s, (Schedule, SequentialLR)) for s in self.schedules):
            got = ", ".join(type(s).__name__ for s in self.schedules) or "none"
            raise ValueError(lesson(called, "wants schedules that step without a metric", got))
        self.optimizer: Optimizer = optimizer or self.schedules[0].optimizer
        if any(s.optimizer is not self.optimizer for s in self.schedules):
            raise ValueError(lesson(called, "wants schedules of one optimizer", "several"))

    @recordable
    def step(self) -> None:
        """Let every schedule count one more step."""
        for schedule in self.schedules:
            schedule.step()

    def changing(self) -> list[Tensor]:
        """Return the Tensors that hold what a step reads and sets."""
        return [t for schedule in self.schedules for t in schedule.changing()]

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of every group."""
        return self.schedules[0].get_last_lr()

    def __repr__(self) -> str:
        return said(self)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {"schedules": [s.state_dict() for s in self.schedules]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a state dict was taken; raises ValueError for the state of other schedules."""
        saved = state.get("schedules")
        if not isinstance(saved, (list, tuple)) or len(saved) != len(self.schedules):
            wanted, got = f"wants the states of {len(self.schedules)} schedules", ", ".join(map(str, state))
            called = "ChainedScheduler.load_state_dict(state)"
            raise ValueError(lesson(called, wanted, f"it has {got}", "Nothing was loaded."))
        refuse_recording("loading a schedule's state", "schedule.load_state_dict(state) between two calls")
        for schedule, one in zip(self.schedules, saved, strict=True):
            schedule._refuse_foreign(one)
        for schedule, one in zip(self.schedules, saved, strict=True):
            schedule.load_state_dict(one)
