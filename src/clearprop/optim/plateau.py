"""`ReduceLROnPlateau`: the learning rate falls when a metric has stopped improving."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clearprop.errors import lesson
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.schedule import said, settings, take_settings

SEEN = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")


class ReduceLROnPlateau:
    """lr = factor lr whenever a metric has not improved for more than `patience` steps.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = ReduceLROnPlateau(SGD([Tensor(1.0)], lr=1.0), factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    optimizer: Optimizer
    factor: float
    patience: int
    threshold: float
    min_lr: float | Sequence[float]
    eps: float
    cooldown: int
    last_epoch: int
    cooldown_counter: int
    num_bad_epochs: int

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0 < factor < 1 or mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                lesson(
                    "ReduceLROnPlateau(...)",
                    "wants a factor between 0 and 1, mode 'min' or 'max', threshold_mode 'rel' or 'abs'",
                    f"{factor}, {mode!r}, {threshold_mode!r}",
                )
            )
        groups = len(optimizer.param_groups)
        if isinstance(min_lr, (list, tuple)) and len(min_lr) != groups:
            called, got = "ReduceLROnPlateau(min_lr=)", f"{len(min_lr)}"
            raise ValueError(lesson(called, f"wants a number, or one for each of {groups} groups", got))
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.min_lr, self.eps = threshold, threshold_mode, min_lr, eps
        self.cooldown, self.cooldown_counter, self.num_bad_epochs, self.last_epoch = cooldown, 0, 0, 0
        self.best: float = math.inf if mode == "min" else -math.inf

    def step(self, metric: Any) -> None:
        """Look at the metric and reduce the learning rates if it has stopped improving."""
        number = float(metric)
        self.last_epoch += 1
        if self._better(number):
            self.best, self.num_bad_epochs = number, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _better(self, number: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * number > sign * self.best * (1 + sign * self.threshold)
        return sign * number > sign * self.best + self.threshold

    def _reduce(self) -> None:
        groups, least = self.optimizer.param_groups, self.min_lr
        each = least if isinstance(least, (list, tuple)) else [least] * len(groups)
        for group, low in zip(groups, each, strict=True):
            lower = max(group["lr"] * self.factor, low)
            if group["lr"] - lower > self.eps:
                group.schedule("lr", lower)

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of every group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def __repr__(self) -> str:
        return said(self)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on, its settings too."""
        return settings(self) | {name: getattr(self, name) for name in SEEN}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a state dict was taken; raises ValueError for the state of another schedule."""
        lacking = [name for name in SEEN if name not in state]
        if lacking:
            called, got = "ReduceLROnPlateau.load_state_dict(state)", f"it lacks {', '.join(lacking)}"
            raise ValueError(lesson(called, "wants a state of this schedule", got, "Nothing was loaded."))
        take_settings(self, state)
        for name in SEEN:
            setattr(self, name, state[name])
