"""Callbacks that people know: schedules, early stopping, checkpoints, logs (CSV, JSON, TensorBoard)."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clearprop import marks
from clearprop.errors import InputError, lesson
from clearprop.files import Ours, replaceable, whole_file
from clearprop.train.average import is_count
from clearprop.train.callbacks import Callback, Run
from clearprop.train.checkpoint import IS_CHECKPOINT, save_checkpoint


class Scheduled(Callback):
    """Calls a schedule of `optim` after every epoch or, with `each="step"`, after every batch.

    A schedule that wants a number, as `ReduceLROnPlateau` does, is given the epoch's `watch`. Its state is
    kept in checkpoints. Raises ValueError for another `each`.

    >>> from clearprop import nn, optim, train
    >>> import numpy as np
    >>> model = nn.Linear(1, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=1.0)
    >>> halved = Scheduled(optim.StepLR(optimizer, 1, gamma=0.5))
    >>> pair = np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32)
    >>> _ = train.fit(model, "mse", pair, epochs=2, optimizer=optimizer, callbacks=[halved], progress=False)
    >>> optimizer.lr
    0.25
    """

    schedule: Any
    watch: str

    def __init__(self, schedule: Any, each: str = "epoch", watch: str = "val_loss") -> None:
        if each not in ("epoch", "step"):
            raise ValueError(lesson("Scheduled(each=)", "wants epoch or step", repr(each)))
        self.schedule, self.each, self.watch = schedule, each, watch
        self.watches: bool = type(schedule).__name__ == "ReduceLROnPlateau"

    def step_done(self, run: Run) -> None:
        """Take the schedule's step after a batch."""
        if self.each == "step":
            self.schedule.step(*((run.loss,) if self.watches else ()))

    def epoch_done(self, run: Run) -> bool | None:
        """Take the schedule's step after an epoch."""
        if self.each == "epoch":
            self.schedule.step(*((watched(run, self.watch),) if self.watches else ()))
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the schedule's state."""
        return {"schedule": self.schedule.state_dict(), "kind": type(self.schedule).__name__}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with a schedule's state; ValueError for one of another class."""
        _check_same(self, "kind", state, type(self.schedule).__name__)
        self.schedule.load_state_dict(state["schedule"])


def _best_of(watcher: EarlyStopping | Checkpoint) -> str:
    return f"the {'largest' if watcher.sign < 0 else 'smallest'} {watcher.watch}"


class EarlyStopping(Callback):
    """Ends the run after `patience` epochs in which `watch` did not improve by more than `least`.

    The best is the smallest value, with `largest` the largest. The weights stay the last ones: `fit`'s own
    `patience` also keeps the best epoch's.

    >>> import numpy as np
    >>> from clearprop import nn, train
    >>> pair = np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32)
    >>> stop = EarlyStopping("loss", patience=2, least=1e9)
    >>> history = train.fit(nn.Linear(1, 1), "mse", pair, epochs=9, callbacks=[stop], progress=False)
    >>> len(history)
    3
    """

    watch: str
    patience: int
    least: float
    sign: float
    best: Any
    waited: int

    def __init__(
        self, watch: str = "val_loss", patience: int = 5, *, least: float = 0.0, largest: bool = False
    ) -> None:
        if not is_count(patience):
            raise ValueError(lesson("EarlyStopping(patience=)", "wants 1 epoch or more", repr(patience)))
        self.watch, self.patience, self.least, self.sign = watch, patience, least, -1.0 if largest else 1.0
        self.best, self.waited = math.inf, 0

    def epoch_done(self, run: Run) -> bool | None:
        """Look at the epoch; True where there was no better one for too long."""
        value = self.sign * watched(run, self.watch)
        better = value < self.best - self.least
        self.best, self.waited = (value, 0) if better else (self.best, self.waited + 1)
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and how many epochs ago it was."""
        return {"best": self.best, "waited": self.waited, "watch": _best_of(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; ValueError for the best of something else."""
        _check_same(self, "watch", state, _best_of(self))
        self.best, self.waited = state["best"], state["waited"]


class Checkpoint(Callback):
    """Writes the model's and the optimizer's state after epochs: `path` may hold `{epoch}` and curves.

    With `every=n` each n-th epoch, with `watch` those alone that are the best so far (the smallest value,
    with `largest` the largest). Under `fit(ema=)` and `fit(swa=)` the weights are the average's, which the
    curves are of. The files are read by `load_checkpoint`; to go on with a run, `fit(checkpoint=)` keeps
    all of it. Raises InputError, without `overwrite`, where there is a file that is no checkpoint, and where
    the file is the run's own checkpoint.

    >>> import numpy as np
    >>> from clearprop import nn, train
    >>> import tempfile
    >>> pair = np.zeros((4, 1), np.float32), np.ones((4, 1), np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = Checkpoint(folder + "/{epoch}.safetensors")
    ...     _ = train.fit(nn.Linear(1, 1), "mse", pair, epochs=2, callbacks=[keep], progress=False)
    ...     sorted(train.load_checkpoint(f"{folder}/2.safetensors"))
    ['epoch', 'model', 'optimizer', 'row']
    """

    writes = True
    path: str
    every: int
    watch: str | None
    sign: float
    overwrite: bool
    best: Any

    def __init__(
        self,
        path: str | Path,
        *,
        every: int = 1,
        watch: str | None = None,
        largest: bool = False,
        overwrite: bool = False,
    ) -> None:
        if not is_count(every):
            raise ValueError(lesson("Checkpoint(every=)", "wants 1 epoch or more", repr(every)))
        self.path, self.every, self.watch, self.sign = str(path), every, watch, -1.0 if largest else 1.0
        self.best, self.overwrite = math.inf, overwrite

    def run_began(self, run: Run) -> None:
        """Complain before the first batch where the file may not be written."""
        if "{" not in self.path:
            _check_file(self, run, self.path, None if self.overwrite else IS_CHECKPOINT)

    def epoch_done(self, run: Run) -> bool | None:
        """Write the file where it is this epoch's turn."""
        if run.epoch % self.every:
            return None
        if self.watch is not None:
            value = self.sign * watched(run, self.watch)
            if not value < self.best:
                return None
            self.best = value
        row = run.history.rows[-1]
        try:
            path = self.path.format(epoch=run.epoch, **row)
        except (KeyError, IndexError, ValueError) as error:
            wanted, got = (
                f"wants a path of {{epoch}} and {', '.join(f'{{{n}}}' for n in row)}",
                repr(self.path),
            )
            raise ValueError(lesson("Checkpoint(path)", wanted, got)) from error
        _check_file(self, run, path, None)
        with run.averaged():
            weights = run.model.state_dict()
        state = {"model": weights, "optimizer": run.optimizer.state_dict()}
        save_checkpoint(path, state | {"epoch": run.epoch, "row": run.history.rows[-1]}, self.overwrite)
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {"best": self.best, "watch": _best_of(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; ValueError for the best of something else."""
        _check_same(self, "watch", state, _best_of(self))
        self.best = state["best"]


class CSVLog(Callback):
    """Keeps a CSV file of the epochs' rows, which is whole after every epoch; see `History.to_csv`.

    Raises InputError, before the first batch, where there is a file that is no history, unless `overwrite`.

    >>> import numpy as np
    >>> from clearprop import nn, train
    >>> import tempfile
    >>> pair = np.zeros((4, 1), np.float32), np.ones((4, 1), np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLog(f"{folder}/curves.csv")
    ...     _ = train.fit(nn.Linear(1, 1), "mse", pair, epochs=2, callbacks=[log], progress=False)
    ...     len(log.path.read_text().splitlines())  # a head and two epochs
    3
    """

    writes = True
    path: Path
    overwrite: bool

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path, self.overwrite = Path(path), overwrite

    def run_began(self, run: Run) -> None:
        """Complain where the file may not be written."""
        _check_file(self, run, self.path, None if self.overwrite else marks.history)

    def epoch_done(self, run: Run) -> bool | None:
        """Write the file."""
        run.history.to_csv(self.path, self.overwrite)
        return None


class JSONLog(Callback):
    """Keeps a file with one JSON object for each epoch: epoch, step, seconds and the row's numbers.

    The step is how many batches had been trained on, null for an epoch of before that was kept. Raises
    InputError, before the first batch, where there is a file that is no such log, unless `overwrite`.

    >>> import numpy as np
    >>> from clearprop import nn, train
    >>> import json, tempfile
    >>> pair = np.zeros((4, 1), np.float32), np.ones((4, 1), np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = JSONLog(f"{folder}/run.jsonl")
    ...     _ = train.fit(nn.Linear(1, 1), "mse", pair, epochs=2, callbacks=[log], progress=False)
    ...     [json.loads(line)["epoch"] for line in log.path.read_text().splitlines()]
    [1, 2]
    """

    writes = True
    path: Path
    ours: Callable[..., Any] | None

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path, self.ours = Path(path), None if overwrite else marks.log

    def run_began(self, run: Run) -> None:
        """Complain where the file may not be written."""
        _check_file(self, run, self.path, self.ours)

    def epoch_done(self, run: Run) -> bool | None:
        """Write the epochs so far, so that a resumed run repeats none."""
        kept = run.history
        with whole_file(self.path, "w", self.ours, encoding="utf-8") as file:
            for epoch, (row, step, seconds) in enumerate(
                zip(kept.rows, kept.steps, kept.seconds, strict=True), start=1
            ):
                numbers = {name: value if math.isfinite(value) else None for name, value in row.items()}
                line = {"epoch": epoch, "step": step or None, "seconds": seconds, **numbers}
                file.write(json.dumps(line) + "\n")
        return None


class TensorBoard(Callback):
    """Writes the curves for TensorBoard, through the package `tensorboardx`; raises InputError without it."""

    writes = True

    def __init__(self, folder: str | Path) -> None:
        try:
            make: Callable[..., Any] = importlib.import_module("tensorboardX").SummaryWriter
        except ImportError as error:
            wanted, hint = "takes the package tensorboardx", "pip install tensorboardx"
            raise InputError(lesson("TensorBoard(folder)", wanted, "not installed", hint=hint)) from error
        self.writer: Any = make(str(folder))

    def epoch_done(self, run: Run) -> bool | None:
        """Write the epoch's numbers and the learning rate."""
        for name, value in (*run.history.rows[-1].items(), ("lr", run.optimizer.lr)):
            self.writer.add_scalar(name, value, run.epoch)
        return None

    def run_ended(self, run: Run) -> None:
        """Close the file."""
        self.writer.close()


def watched(run: Run, name: str) -> float:
    """Return the last epoch's number of a name, the training loss for a `val_loss` that was not measured."""
    row = run.history.rows[-1]
    if name not in row and name == "val_loss":
        return row["loss"]
    if name not in row:
        got = f"{name!r}; there are {', '.join(row)}"
        raise ValueError(lesson("a callback's watch=", "wants one of the epoch's numbers", got))
    return row[name]


def _check_file(callback: Callback, run: Run, path: str | Path, ours: Ours | None) -> None:
    """Raise InputError for a file that is not `ours`, where that is given, or is the run's checkpoint."""
    if replaceable(path, ours) in run.reserved:
        wanted, got = "wants a file of its own", f"{path} is the run's own checkpoint"
        raise InputError(lesson(f"{type(callback).__name__}(path)", wanted, got, hint="another name"))


def _check_same(callback: Callback, name: str, state: Mapping[str, Any], here: str) -> None:
    """Raise ValueError where a state was kept for something else."""
    there = state.get(name, here)
    if there != here:
        raise ValueError(f"{type(callback).__name__} of {there} there, of {here} here")
