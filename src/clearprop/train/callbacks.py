"""What may look on while a model is trained: a callback is told of every step and epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearprop.examined import Examined
from clearprop.train.history import History


@dataclass
class Run:
    """A training run as a callback sees it."""

    model: Any
    optimizer: Any
    history: History
    epochs: int
    batches: int
    """How many batches an epoch has."""
    epoch: int = 0
    """The epoch that runs, counted from 1."""
    step: int = 0
    """How many batches have been trained on, over all epochs."""
    loss: float = float("nan")
    """The loss of the last batch, before its step."""
    partial: tuple[float, int] = (0.0, 0)
    """The sum of the losses by rows, and the rows, of the epoch that runs."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What else a checkpoint keeps: things with `state_dict` and `load_state_dict`, by name."""
    averaged: Callable[[], AbstractContextManager[None]] = nullcontext
    """`with run.averaged():` the model has the weights that are measured, an average's under `ema`."""
    options: dict[str, Any] = field(default_factory=dict)
    """What `fit` was asked for that a checkpoint says, but does not decide."""
    reserved: tuple[Path, ...] = ()
    """The files of the run's own checkpoint, which no callback may write to."""


class Callback(Examined):
    """Something that is told how a training run goes; override what is of interest.

    `epoch_done` may return True to end the run after this epoch. A plain function of the run is taken as an
    `epoch_done`.

    >>> import numpy as np
    >>> from clearprop import nn, train
    >>> class Losses(Callback):
    ...     def epoch_done(self, run):
    ...         losses.append(run.history["loss"][-1])
    >>> losses = []
    >>> pair = np.zeros((4, 1), np.float32), np.ones((4, 1), np.float32)
    >>> _ = train.fit(nn.Linear(1, 1), "mse", pair, epochs=2, callbacks=[Losses()], progress=False)
    >>> len(losses)
    2
    """

    writes: bool = False
    """Whether it writes files: of several processes the first one alone has such a callback."""

    def run_began(self, run: Run) -> None:
        """Before the first batch."""

    def step_done(self, run: Run) -> None:
        """After every batch; `run.loss` is its loss."""

    def epoch_done(self, run: Run) -> bool | None:
        """After every epoch, with its row at the end of `run.history`; True ends the run."""
        return None

    def run_ended(self, run: Run) -> None:
        """After the last batch, also where the run was cut short."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of this callback."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept."""


class EachEpoch(Callback):
    """A function that is called with the run after every epoch."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def epoch_done(self, run: Run) -> bool:
        """Call the function; only True itself ends the run."""
        return self.function(run) is True
