"""`fit`: train a model on data, watched, interruptible and repeatable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.train.callbacks import Callback, EachEpoch, Run
from clearprop.train.checkpoint import Generations
from clearprop.train.evaluation import evaluate, pair
from clearprop.train.fingerprint import fingerprint
from clearprop.train.history import History
from clearprop.train.interrupt import Interrupt, gentle_interrupt
from clearprop.train.metrics import Metric
from clearprop.train.progress import progress as progress_shown
from clearprop.train.state import Best, Weights, restore, store
from clearprop.train.step import Step, compiles, training_step


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the model has its last good weights again.

    `history` holds the epochs before, `epoch` and `step` (both from 1) say when it happened. `examine()` lets
    `clearprop.doctor` look for the cause.
    """

    def __init__(self, message: str, run: Run, data: Any = None, loss: Any = None) -> None:
        super().__init__(message)
        self.history, self.epoch, self.step = run.history, run.epoch, run.step
        self._run, self._data, self._loss = run, data, loss

    def examine(self) -> Any:
        """Return what `clearprop.doctor` finds in the model, with its last good weights, and the data."""
        import clearprop

        return clearprop.doctor(self._run.model, self._data, self._loss, self._run.optimizer)


def fit(
    model: Any,
    loss: Callable[[Any, Any], Any],
    data: Any,
    *,
    validation: Any = None,
    epochs: int = 10,
    batch_size: int = 32,
    optimizer: Any = None,
    metrics: Iterable[str | Metric] = (),
    patience: int | None = None,
    callbacks: Iterable[Callback | Callable[[Run], Any]] = (),
    checkpoint: str | Path | None = None,
    resume: bool = False,
    facts: Mapping[str, str] | None = None,
    overwrite: bool = False,
    compile: Any = "auto",
    seed: int | None = None,
    progress: bool = True,
) -> History:
    """Train `model` so that `loss(model(x), y)` falls over the batches of `data`; return the History.

    `data` is a pair of arrays `(inputs, targets)`, a Dataset or a loader (a DataLoader, or the batches of a
    table that is larger than memory, see `data.stream_table`); pairs and Datasets are shuffled anew in every
    epoch, by `seed` or else by `clearprop.manual_seed`. `validation` is a pair or a loader; its
    loss (`val_loss`) and `metrics` (names or functions of outputs and targets) are measured after each epoch,
    the metrics on `data` itself where there is no validation. `optimizer` is Adam at 1e-3 unless given.

    With `patience=n` the run ends after n epochs without a lower validation loss (or training loss, where
    nothing is held out), and in any case the weights of the best epoch are kept. Ctrl-C ends the run at the
    end of a batch and keeps what was learned. With `checkpoint=path` everything is saved after each epoch,
    and `resume=True` goes on from that file, where there is one, to the same bits as a run that was never
    stopped. Two generations are kept, the older one with `.previous` behind its name, and used with a warning
    where the newest is damaged. A checkpoint of another model, loss, optimizer or data is refused, and so is
    one whose `facts` (any texts that say what else the run is of) are others; a file that is no checkpoint is
    replaced only with `overwrite`. That there is room on the disk is tried before the first batch.
    `compile` is True, False or "auto" (where the extra `fast` is installed). `callbacks` see the run, see
    `Callback`.

    Raises NonFiniteLossError where the loss becomes NaN or infinite (the last good weights are put back),
    InputError for a checkpoint that cannot be used, ValueError where there is nothing to learn from
    or nothing of the model that the optimizer could change.

    >>> import numpy as np, clearprop
    >>> from clearprop import nn, train
    >>> clearprop.manual_seed(0)
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(-1, 1)
    >>> model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    >>> history = train.fit(model, nn.MSELoss(), (x, x * x), epochs=30, progress=False)
    >>> history["loss"][-1] < history["loss"][0] / 2
    True
    """
    from clearprop import optim

    optimizer = optimizer or optim.Adam(model.parameters())
    _check(model, optimizer, epochs, checkpoint, resume)
    loader = _loader(data, batch_size, seed)
    # The metrics' look at the data draws nothing from the loader: they do not change what is learned.
    looked_at = validation if validation is not None else _in_order(data, loader)
    run = Run(model, optimizer, History(), epochs, len(loader))
    best = Best(patience)
    generations = None
    if checkpoint is not None:
        known = fingerprint(model, loss, optimizer, loader, validation) | dict(facts or {})
        generations = Generations(checkpoint)
        if resume:
            restore(generations, run, loader, best, known)
        generations.prepare(_room(model), overwrite)
    watchers = [c if isinstance(c, Callback) else EachEpoch(c) for c in callbacks]
    if progress:
        watchers.insert(0, progress_shown(epochs))
    step = training_step(model, loss, optimizer, compile)
    good = Weights(model, copied=compiles(compile))
    metrics = list([metrics] if isinstance(metrics, str) else metrics)

    # What overflows ends in a loss that is not finite, which says more than NumPy's warnings.
    quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    with gentle_interrupt() as interrupt, quiet:
        _tell(watchers, "run_began", run)
        try:
            while not _ended(run, best, interrupt):
                run.epoch = len(run.history) + 1
                began = time.perf_counter()
                row = {"loss": _epoch(run, step, loader, good, watchers, interrupt)}
                row |= _measured(model, loss, looked_at, validation is not None, metrics)
                run.history.add(row, time.perf_counter() - began)
                best.see(run, row.get("val_loss", row["loss"]))
                if generations is not None and not interrupt.asked:
                    store(generations, run, loader, best, known)
                if True in _tell(watchers, "epoch_done", run):
                    run.history.ended = "stopped by a callback"
        except _NotFinite as found:
            kept = best.put_back(model) or good.put_back()
            raise NonFiniteLossError(
                _not_finite_text(run, optimizer, found, kept), run, loader, loss
            ) from None
        finally:
            best.put_back(model)
            run.history.best_epoch = best.epoch
            _tell(watchers, "run_ended", run)
    return run.history


def _room(model: Any) -> int:
    """Return how many bytes a checkpoint may take: weights, the best ones, three arrays of memory each."""
    return 5 * sum(int(t.value.nbytes) for t in (*model.parameters(), *model.buffers())) + (1 << 16)


class _NotFinite(Exception):
    """The loss of a batch was not finite; holds the batch's inputs and targets."""


def _ended(run: Run, best: Best, interrupt: Interrupt) -> bool:
    if interrupt.asked:
        run.history.ended = "interrupted"
    elif not run.history.ended:
        if best.waited_enough:
            run.history.ended = "stopped early"
        elif len(run.history) >= run.epochs:
            run.history.ended = "finished"
    return bool(run.history.ended)


def _epoch(
    run: Run, step: Step, loader: Any, good: Weights, watchers: list[Callback], interrupt: Interrupt
) -> float:
    """Train on every batch once, or until an interrupt; return the mean of the batches' losses by rows."""
    run.model.train()
    total, rows = 0.0, 0
    for batch in loader:
        x, y = pair("fit(data=), each batch", batch, "TensorDataset(x, y)")
        good.remember()
        run.step += 1
        run.loss = float(step(x, y))
        if not math.isfinite(run.loss):
            raise _NotFinite(x, y)
        good.confirm()
        total, rows = total + run.loss * len(x), rows + len(x)
        _tell(watchers, "step_done", run)
        if interrupt.asked:
            break
    return total / rows


def _measured(
    model: Any, loss: Any, data: Any, held_out: bool, metrics: list[str | Metric]
) -> dict[str, float]:
    if not held_out and not metrics:
        return {}
    found = evaluate(model, loss, data, metrics)
    if held_out:
        return {f"val_{name}": value for name, value in found.items()}
    return {name: value for name, value in found.items() if name != "loss"}


def _check(model: Any, optimizer: Any, epochs: Any, checkpoint: Any, resume: bool) -> None:
    """Complain about settings that would make a run of nothing."""
    if not isinstance(epochs, (int, np.integer)) or epochs < 0:
        raise ValueError(lesson("fit(epochs=)", "wants a whole number, 0 or more", repr(epochs)))
    if resume and checkpoint is None:
        hint = 'checkpoint="run.safetensors"'
        raise ValueError(lesson("fit(resume=True)", "wants to know the file to go on from", hint=hint))
    if not hasattr(optimizer, "param_groups"):
        got, hint = repr(optimizer)[:60], "optim.Adam(model.parameters(), lr=1e-3)"
        raise TypeError(lesson("fit(optimizer=)", "wants an optimizer", got, hint=hint))
    trained = {p for group in optimizer.param_groups for p in group["params"]}
    if trained.isdisjoint(model.parameters()):
        wanted, got = "wants an optimizer of this model's parameters", "it has none of them"
        hint = f"{type(optimizer).__name__}(model.parameters())"
        raise ValueError(lesson("fit(optimizer=)", wanted, got, hint=hint))


def _in_order(data: Any, loader: Any) -> Any:
    from clearprop.data import DataLoader

    if hasattr(loader, "in_order"):
        return loader.in_order()
    return (
        data if isinstance(data, (tuple, list)) else DataLoader(loader.dataset, 1024, collate=loader.collate)
    )


def _loader(data: Any, batch_size: int, seed: int | None) -> Any:
    from clearprop import data as sources
    from clearprop.ops import random

    if not isinstance(data, sources.DataLoader) and not hasattr(data, "load_state_dict"):
        if isinstance(data, (tuple, list)):
            data = sources.TensorDataset(*pair("fit(data=)", data))
        if not hasattr(data, "__len__"):
            wanted, hint = "wants a pair of arrays, a Dataset or a DataLoader", "TensorDataset(x, y)"
            raise TypeError(lesson("fit(data=)", wanted, f"a {type(data).__name__}", hint=hint))
        if seed is None:  # drawn, so that manual_seed settles the order of the batches too
            seed = int(random.uniform().value * 2**32)
        data = sources.DataLoader(data, batch_size=batch_size, shuffle=True, seed=seed)
    if not len(data):
        got = f"{len(data.dataset)} rows in batches of {data.batch_size}"
        hint = "drop_last=False, or a smaller batch_size" if len(data.dataset) else ""
        raise ValueError(lesson("fit(data=)", "wants at least one batch to learn from", got, hint=hint))
    return data


def _tell(watchers: list[Callback], event: str, run: Run) -> list[Any]:
    return [getattr(watcher, event)(run) for watcher in watchers]


def _not_finite_text(run: Run, optimizer: Any, found: _NotFinite, kept: str) -> str:
    place = run.step - (run.epoch - 1) * run.batches
    got = f"it became {run.loss} at step {run.step} (epoch {run.epoch}, batch {place} of {run.batches})"
    bad = [
        f"{name} of this batch hold {count} numbers that are not finite"
        for name, array in zip(("inputs", "targets"), found.args, strict=True)
        if (count := int(np.size(array) - np.isfinite(np.asarray(array)).sum()))
    ]
    where = (f"The {' and the '.join(bad)}. " if bad else "") + f"The model has {kept} again."
    hint = (
        "data without NaN and inf"
        if bad
        else f"a smaller learning rate than {optimizer.lr:g}, or scaled inputs"
    )
    return lesson("fit(...)", "wants a finite loss", got, where, hint)
