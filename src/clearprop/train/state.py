"""What a training run remembers: the last good weights, the best epoch's, and all of it in a checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from clearprop.errors import InputError, lesson
from clearprop.ops import random
from clearprop.record import assign
from clearprop.train.callbacks import Run
from clearprop.train.checkpoint import load_checkpoint, save_checkpoint


class Weights:
    """The weights with which the loss was last finite.

    Values are never overwritten by an eager step, so remembering them costs one reference each; a compiled
    step may reuse their memory, so there (`copied`) they are copied: before every step where they are few,
    and every fiftieth where a copy would take its share of the time.
    """

    def __init__(self, model: Any, copied: bool) -> None:
        self.tensors = [*model.parameters(), *model.buffers()]
        self.copied = copied
        entries = sum(tensor.size for tensor in self.tensors)
        self.every = 50 if copied and entries > 200_000 else 1
        self.steps = 0
        self.now = self.good = self._values()

    def _values(self) -> list[Any]:
        return [tensor.value.copy() if self.copied else tensor.value for tensor in self.tensors]

    def remember(self) -> None:
        """Take the weights before a step."""
        if self.steps % self.every == 0:
            self.now = self._values()
        self.steps += 1

    def confirm(self) -> None:
        """Note that the weights that were last remembered gave a finite loss."""
        self.good = self.now

    def put_back(self) -> str:
        """Give the model the good weights back; return what they are."""
        for tensor, value in zip(self.tensors, self.good, strict=True):
            assign(tensor, value)
        since = f" (of at most {self.every} steps before)" if self.every > 1 else ""
        return f"the last weights that gave a finite loss{since}"


class Best:
    """The epoch with the lowest watched loss and its weights, kept where there is a `patience`."""

    def __init__(self, patience: int | None) -> None:
        if patience is not None and patience < 1:
            raise ValueError(lesson("fit(patience=)", "wants at least 1 epoch, or None", repr(patience)))
        self.patience = patience
        self.epoch: int | None = None
        self.loss = math.inf
        self.weights: dict[str, Any] = {}
        self.waited = 0

    @property
    def waited_enough(self) -> bool:
        """Whether `patience` epochs have passed without a better one."""
        return self.patience is not None and self.waited >= self.patience

    def see(self, run: Run, loss: float) -> None:
        """Look at the epoch that has just ended."""
        if self.patience is None:
            return
        self.waited += 1
        if loss < self.loss:
            self.epoch, self.loss, self.waited = len(run.history), loss, 0
            self.weights = run.model.state_dict()

    def put_back(self, model: Any) -> str:
        """Give the model the best epoch's weights, where there are any; return what they are."""
        if self.epoch is None:
            return ""
        model.load_state_dict(self.weights)
        return f"the weights of epoch {self.epoch}, the best,"


def store(path: str | Path, run: Run, loader: Any, best: Best) -> None:
    """Save all that the rest of the run depends on."""
    save_checkpoint(
        path,
        {
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "best": {name: value for name, value in vars(best).items() if name != "patience"},
            "history": {"rows": run.history.rows, "seconds": run.history.seconds},
            "step": run.step,
            "loader": loader.state_dict(),
            "random": random.get_rng_state(),
        },
    )


def restore(path: str | Path, run: Run, loader: Any, best: Best) -> None:
    """Go back to what `store` saved; nothing happens where there is no such file yet."""
    if not Path(path).exists():
        return
    saved = load_checkpoint(path)
    try:
        run.model.load_state_dict(saved["model"])
        run.optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["loader"])
        random.set_rng_state(saved["random"])
        run.history.rows, run.history.seconds = saved["history"]["rows"], saved["history"]["seconds"]
        run.step = saved["step"]
        vars(best).update(saved["best"])
    except (KeyError, ValueError, TypeError) as error:
        first = str(error.args[0] if error.args else error).splitlines()[0]
        wanted = "holds another model, optimizer or loader than this run's"
        hint = "the settings that the run was started with, or resume=False to start anew"
        raise InputError(lesson(f"fit(resume=True) from {path}", wanted, first, hint=hint)) from error
