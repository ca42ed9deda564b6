"""A learning rate that goes to the one of averaging, from wherever another schedule has left it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clearprop.errors import lesson
from clearprop.optim.optimizer import Optimizer
from clearprop.optim.schedule import Schedule, amount, whole


class SWALR(Schedule):
    """lr = a swa_lr + (1 - a) lr at first, a going from 0 to 1 in anneal_epochs steps: a cosine, or "linear".

    `swa_lr` is one number or one for each group. It goes on from the learning rate that is there, so another
    schedule may have its steps before. Source: Izmailov et al., "Averaging weights leads to wider optima and
    better generalization", 2018.

    >>> from clearprop import Tensor
    >>> from clearprop.optim import SGD
    >>> schedule = SWALR(SGD([Tensor(1.0)], lr=1.0), swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for _ in range(3):
    ...     schedule.step(); schedule.get_last_lr()
    [0.75]
    [0.5]
    [0.5]
    """

    swa_lrs: list[float]
    anneal_epochs: int
    anneal_strategy: str

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            called, wanted = "SWALR(anneal_strategy=)", "wants 'cos' or 'linear'"
            raise ValueError(lesson(called, wanted, repr(anneal_strategy)))
        self.swa_lrs = _of_each_group(swa_lr, len(optimizer.param_groups))
        self.anneal_epochs = whole("SWALR(anneal_epochs=)", anneal_epochs, 0)
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def share(self, count: int) -> float:
        """Return how much of the learning rate is that of averaging after `count` steps, from 0 to 1."""
        if count <= 0:
            return 0.0
        done = min(1.0, count / max(1, self.anneal_epochs))
        if self.anneal_strategy == "linear":
            return done
        return (1 - math.cos(math.pi * done)) / 2

    def _next(self, i: int, lr: float, base: float, alone: bool) -> float:
        count = self.last_epoch
        if not self.anneal_epochs:
            count = max(1, count)
        end = self.swa_lrs[i]
        before = self.share(count - 1)
        start = end
        if before != 1:  # the rate of the other schedule, read off what is there
            start = (lr - before * end) / (1 - before)
        now = self.share(count)
        return end * now + start * (1 - now)

    def _rebased(self, i: int, lr: float, base: float) -> float:
        return base


def _of_each_group(swa_lr: float | Sequence[float], groups: int) -> list[float]:
    """Return one learning rate for each group, of one for all or of as many."""
    given = [swa_lr] * groups
    if isinstance(swa_lr, (list, tuple)):
        given = list(swa_lr)
    if len(given) != groups:
        wanted = f"wants a number, or {groups}"
        raise ValueError(lesson("SWALR(swa_lr=)", wanted, repr(swa_lr)))
    return [amount("SWALR(swa_lr=)", lr) for lr in given]
