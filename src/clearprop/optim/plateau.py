"""`ReduceLROnPlateau`: the learning rate falls when a metric has stopped improving."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.examined import Examined
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.recordable import HeldNumber, recordable, refuse_recording
from clearprop.optim.schedule import said, settings, take_settings
from clearprop.tensor import Tensor

SEEN = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")


class ReduceLROnPlateau(Examined):
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
    last_epoch: Any = HeldNumber()
    cooldown_counter: Any = HeldNumber()
    num_bad_epochs: Any = HeldNumber()
    best: Any = HeldNumber(float)

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
        self.best = math.inf if mode == "min" else -math.inf

    @recordable
    def step(self, metric: Any) -> None:
        """Look at the metric and reduce the learning rates if it has stopped improving."""
        number = _number(metric)
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
        best: float = self.best
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * number > sign * best * (1 + sign * self.threshold)
        return sign * number > sign * best + self.threshold

    def _reduce(self) -> None:
        groups, least = self.optimizer.param_groups, self.min_lr
        each = least if isinstance(least, (list, tuple)) else [least] * len(groups)
        for group, low in zip(groups, each, strict=True):
            lower = max(group["lr"] * self.factor, low)
            if group["lr"] - lower > self.eps:
                group.schedule("lr", lower)

    def changing(self) -> list[Tensor]:
        """Return the Tensors that hold what a step reads and sets."""
        own = [t for name, t in vars(self).items() if name.endswith("_held")]
        return own + [t for group in self.optimizer.param_groups for t in group.changing(("lr",))]

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
        refuse_recording("loading a schedule's state", "schedule.load_state_dict(state) between two calls")
        lacking = [name for name in SEEN if name not in state]
        if lacking:
            called, got = "ReduceLROnPlateau.load_state_dict(state)", f"it lacks {', '.join(lacking)}"
            raise ValueError(lesson(called, "wants a state of this schedule", got, "Nothing was loaded."))
        take_settings(self, state)
        for name in SEEN:
            setattr(self, name, state[name])


def _number(metric: Any) -> float:
    """Return a metric as a float; raises TypeError for what is not one real number."""
    value = metric.value if isinstance(metric, Tensor) else metric
    several = np.ndim(value) > 0
    if not several and not isinstance(value, (str, bytes)):
        with suppress(TypeError, ValueError, OverflowError):
            return float(value)
    got, hint = f"{value!r:.60}", "loss.mean()" if several else "schedule.step(val_loss)"
    raise TypeError(lesson("ReduceLROnPlateau.step(metric)", "wants one real number", got, hint=hint))
