"""Averages of the weights over a run: exponential ones (EMA) and plain ones (SWA)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.errors import lesson
from clearprop.record import assign


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number, 1 or more: no truth value, no fraction, no NaN."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= 1


class Average:
    """The mean of a model's parameters over the steps, or the epochs, of a run.

    With `ema=d`, after every step, mean = d' mean + (1 - d') w with d' = min(d, (1 + n) / (10 + n)) for the n
    steps before it, so that the start is forgotten. With `swa=e`, from epoch e on, the plain mean of the
    epochs' last weights. Sources: Polyak and Juditsky, 1992; Izmailov et al., "Averaging weights leads to
    wider optima and better generalization", 2018. Raises ValueError for a decay outside [0, 1), and for both
    at once.
    """

    ema: float | int | None
    swa: int | None
    count: int

    def __init__(self, model: Any, ema: float | None = None, swa: int | None = None) -> None:
        if ema is not None and swa is not None:
            raise ValueError(lesson("fit(ema=, swa=)", "wants one of the two", f"{ema} and {swa}"))
        if ema is not None and not (isinstance(ema, (int, float, np.floating)) and 0 <= ema < 1):
            raise ValueError(lesson("fit(ema=)", "wants a number from 0 to below 1", repr(ema)))
        if swa is not None and not is_count(swa):
            raise ValueError(lesson("fit(swa=)", "wants the epoch to begin with, 1 or more", repr(swa)))
        self.ema, self.swa, self.count = ema, swa, 0
        self.tensors: list[Any] = list(model.parameters()) if ema is not None or swa is not None else []
        self.means: list[NDArray[Any]] = [np.array(tensor.value) for tensor in self.tensors]

    def step_done(self) -> None:
        """Take the weights after a step."""
        if self.ema is not None:
            self._take(1 - min(self.ema, (1 + self.count) / (10 + self.count)))

    def epoch_done(self, epoch: int) -> None:
        """Take the weights after an epoch, counted from 1."""
        if self.swa is not None and epoch >= self.swa:
            self._take(1 / (self.count + 1))

    def _take(self, share: float) -> None:
        self.count += 1
        for mean, tensor in zip(self.means, self.tensors, strict=True):
            mean += share * (tensor.value - mean)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Inside the block the model has the average as its weights."""
        kept = [np.array(tensor.value) for tensor in self.tensors]
        self.put()
        try:
            yield
        finally:
            for tensor, value in zip(self.tensors, kept, strict=True):
                assign(tensor, value)

    def put(self) -> None:
        """Give the model the average, where there is one yet."""
        for tensor, mean in zip(self.tensors, self.means if self.count else (), strict=bool(self.count)):
            assign(tensor, mean.copy())

    def state_dict(self) -> dict[str, Any]:
        """Return the sums and how many weights are in them."""
        return {"count": self.count, "means": [mean.copy() for mean in self.means], "kind": self._kind}

    @property
    def _kind(self) -> str:
        return "swa" if self.swa is not None else "ema"

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; raises ValueError where it is of another model or kind."""
        if state.get("kind", self._kind) != self._kind:
            raise ValueError(f"an average by {state['kind']} there, by {self._kind} here")
        shapes = [mean.shape for mean in state["means"]]
        if shapes != [mean.shape for mean in self.means]:
            raise ValueError(f"an average of {len(shapes)} arrays, this run has {len(self.means)}")
        self.count, self.means = int(state["count"]), [np.array(mean) for mean in state["means"]]
