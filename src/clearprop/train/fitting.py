"""`fit`: train a model on data, watched, interruptible and repeatable."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Never

import numpy as np

from clearprop.data.dataset import leaves
from clearprop.errors import at_line, lesson
from clearprop.hints import for_keywords, refuse_texts
from clearprop.train import given
from clearprop.train.average import Average
from clearprop.train.callbacks import Callback, Run
from clearprop.train.checkpoint import Generations
from clearprop.train.evaluation import evaluate, pair
from clearprop.train.fingerprint import fingerprint
from clearprop.train.history import History
from clearprop.train.interrupt import Interrupt, gentle_interrupt
from clearprop.train.metrics import Metric
from clearprop.train.processes import DividedStep, Processes
from clearprop.train.progress import progress as progress_shown
from clearprop.train.state import Best, Weights, restore, store
from clearprop.train.step import compiles, rows_of, training_step
from clearprop.train.weighting import loss_of


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the model has its last good weights again.

    `history` holds the epochs before, `epoch` and `step` (both from 1) say when it happened. `examine()` lets
    `clearprop.doctor` look for the cause.
    """

    history: History
    epoch: int
    step: int

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
    loss: Callable[[Any, Any], Any] | str,
    data: Any,
    *more: Never,
    validation: Any = None,
    epochs: int = 10,
    batch_size: int = 32,
    optimizer: Any = None,
    metrics: Iterable[str | Metric] = (),
    patience: int | None = None,
    callbacks: Iterable[Callback | Callable[[Run], Any]] = (),
    checkpoint: str | Path | None = None,
    resume: bool | str | Path = False,
    facts: Mapping[str, str] | None = None,
    overwrite: bool = False,
    compile: Any = "auto",
    seed: int | None = None,
    progress: bool = True,
    accumulate: int = 1,
    clip_norm: float | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    validate_every: int | None = None,
    ema: float | None = None,
    swa: int | None = None,
    max_time: float | None = None,
    parallel: Any = None,
    **other: Never,
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
    `Callback`; their states are kept in the checkpoint.

    `loss` may be a name ("mse", "mae", "huber", "cross_entropy", "bce", "bce_logits", "nll", "poisson"). A
    model of several inputs takes a tuple of arrays as inputs, one of several outputs gives the loss a tuple.
    `accumulate=k` takes one step for k batches, with the gradient of their mean loss; `clip_norm` bounds the
    length of the gradient. `sample_weight` has a weight for each row of a pair, `class_weight` one for each
    class (a mapping, a sequence, or "balanced"): the training loss is then sum(w l) / sum(w) over a batch.
    `validate_every=n` measures after every n-th batch too, in `history.within`. With `ema=0.999` or `swa=10`
    what is measured, and kept in the end, is an average of the weights, see `Average`. `max_time` in seconds
    ends the run after a batch.

    SIGTERM, as schedulers of clusters send it, ends the run after a batch too: the checkpoint is saved, in
    the middle of an epoch if need be, and SystemExit(143) raised. `resume` may be the path of a file to go on
    from.

    With `parallel=clearprop.parallel.world()`, in a program that `mpiexec` has started several times, each
    process computes its share of every batch: losses and weights are those of one process with the whole
    batch. The first process measures, prints and writes; see docs/guide/parallel.md.

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
    refuse_texts("fit", overwrite=overwrite, progress=progress)
    from clearprop import optim

    _check_arguments(more, other)
    optimizer = optimizer or optim.Adam(model.parameters())
    loss = loss_of(loss)
    given.check(model, optimizer, epochs, checkpoint, resume)
    given.check_numbers(
        accumulate=accumulate, validate_every=validate_every, max_time=max_time, clip_norm=clip_norm
    )
    trained_loss, weighted = given.weighted_by(model, loss, data, sample_weight, class_weight)
    group = Processes(parallel, model, optimizer, trained_loss) if parallel else None
    loader = given.loader_of(weighted, batch_size, seed)
    # The metrics' look at the data draws nothing from the loader: they do not change what is learned.
    held_out = validation is not None
    looked_at = validation if held_out else given.in_order(data, loader)
    watchers = [given.watcher_of(c) for c in callbacks]
    average = Average(model, ema, swa)
    shared = group is not None
    step: Any = training_step(model, trained_loss, optimizer, compile, clip_norm=clip_norm, shared=shared)
    own = given.is_divided(loader, group, held_out or not metrics)
    step = step if group is None else DividedStep(step, group, trained_loss, own)
    kept = {"plan": step} | given.with_states(watchers) | ({"average": average} if average.tensors else {})
    run = Run(model, optimizer, History(), epochs, given.batches_of(loader), kept=kept, averaged=average.used)
    run.options = {"accumulate": accumulate, "clip_norm": clip_norm, "ema": ema, "swa": swa}
    best = Best(patience)
    known: dict[str, str] = {}
    generations = None if checkpoint is None else Generations(checkpoint)
    if generations is not None:
        run.reserved = generations.path, generations.previous
    if checkpoint is not None or resume:
        known = fingerprint(model, trained_loss, optimizer, loader, validation) | dict(facts or {})
    if resume:
        restore(given.source_of(generations, resume), run, loader, best, known)
    if group is not None:
        group.began(run)
        if not group.world.first:
            generations, progress = None, False
            watchers = [watcher for watcher in watchers if not watcher.writes]
    if generations is not None:
        generations.prepare(given.room_of(model), overwrite)
    if progress:
        watchers.insert(0, progress_shown(epochs))
    metrics = list([metrics] if isinstance(metrics, str) else metrics)
    good = Weights(model, copied=compiles(compile))

    def measure() -> dict[str, float]:
        with average.used():
            return _measured(model, loss, looked_at, held_out, metrics)

    def measured() -> dict[str, float]:
        return measure() if group is None else group.measured(measure)

    def saved() -> None:
        if generations is not None:
            store(generations, run, loader, best, known)

    # What overflows ends in a loss that is not finite, which says more than NumPy's warnings.
    quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    with gentle_interrupt() as signals, quiet, nullcontext() if group is None else group.own_chance():
        interrupt: Any = signals
        if group is not None:
            group.signals, interrupt = signals, group  # what one is asked for, all do
        pass_ = _Pass(run, step, good, watchers, interrupt, average, accumulate, max_time)
        pass_.group = group
        if validate_every is not None:
            pass_.look = validate_every, measured
        _tell(watchers, "run_began", run)
        try:
            while not _ended(run, best, interrupt, pass_):
                run.epoch = len(run.history) + 1
                began = time.perf_counter()
                mean = pass_.epoch(loader)
                unfinished = pass_.cut and pass_.more
                if unfinished and (interrupt.terminated or pass_.late):
                    saved() if run.batches else _say_repeated(run, checkpoint)
                if interrupt.terminated and unfinished:
                    break
                run.partial = (0.0, 0)
                average.epoch_done(run.epoch)
                if group is not None:
                    group.same()
                row = {"loss": mean} | measured()
                run.history.add(row, time.perf_counter() - began, run.step)
                with average.used():
                    best.see(run, row.get("val_loss", row["loss"]))
                told = _tell(watchers, "epoch_done", run)
                if not unfinished and (interrupt.terminated or not interrupt.asked):
                    saved()
                if True in told:
                    run.history.ended = "stopped by a callback"
        except _NotFinite as found:
            back = best.put_back(model) or good.put_back()
            raise NonFiniteLossError(
                _not_finite_text(run, optimizer, found, back), run, loader, trained_loss
            ) from None
        finally:
            average.put()
            best.put_back(model)
            run.history.best_epoch = best.epoch
            _tell(watchers, "run_ended", run)
    if interrupt.terminated:
        raise SystemExit(143)
    return run.history


class _Pass:
    """Trains on the batches of an epoch, or of what is left of it."""

    def __init__(
        self,
        run: Run,
        step: Any,
        good: Weights,
        watchers: list[Callback],
        interrupt: Interrupt,
        average: Average,
        accumulate: int,
        max_time: float | None,
    ) -> None:
        self.run, self.step, self.good, self.watchers = run, step, good, watchers
        self.interrupt, self.average, self.accumulate = interrupt, average, accumulate
        self.end = math.inf if max_time is None else time.monotonic() + max_time
        self.look: tuple[int, Callable[[], dict[str, float]]] | None = None
        self.cut = self.more = self.begun = False
        self.group: Processes | None = None

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    def epoch(self, loader: Any) -> float:
        """Train on every batch, or until an interrupt; return the mean of their losses by rows."""
        self.run.model.train()
        self.cut, self.begun = False, True
        held: list[tuple[Any, Any]] = []
        batches = iter(loader)
        for batch in batches:
            held.append(pair("fit(data=), each batch", batch, "TensorDataset(x, y)"))
            if len(held) < self.accumulate:
                continue
            self._together(held)
            held = []
            if self.group is not None:
                self.group.agree(self)
            if self.interrupt.asked or self.late:
                self.cut, self.more = True, self._has_more(batches)
                break
        if held:
            self._together(held)
        total, rows = self.run.partial
        if not rows:
            got = f"the loader gave none in epoch {self.run.epoch}"
            hint = "data that can be gone through again in every epoch, with a row or more"
            raise ValueError(lesson("fit(data=)", "wants a batch or more in every epoch", got, hint=hint))
        return total / rows

    def _has_more(self, batches: Iterator[Any]) -> bool:
        """Return whether the epoch that was cut has batches left; where nobody knows, it is asked for one."""
        run = self.run
        if run.batches:
            return run.step < run.epoch * run.batches
        nothing = object()
        return next(batches, nothing) is not nothing

    def _together(self, batches: list[tuple[Any, Any]]) -> None:
        """Take one step for a few batches."""
        run = self.run
        self.good.remember()
        run.step += len(batches)
        run.loss = float(self.step(*batches[0]) if len(batches) == 1 else self.step.together(batches))
        if not math.isfinite(run.loss):
            raise _NotFinite(*batches[-1])
        self.good.confirm()
        self.average.step_done()
        rows = sum(rows_of(x) for x, _ in batches) if self.group is None else self.step.rows
        run.partial = run.partial[0] + run.loss * rows, run.partial[1] + rows
        _tell(self.watchers, "step_done", run)
        if self.look is not None and run.step // self.look[0] > (run.step - len(batches)) // self.look[0]:
            run.history.within.append({"step": float(run.step), **self.look[1]()})


def _say_repeated(run: Run, checkpoint: Any) -> None:
    """Warn that a checkpoint cannot hold a place within an epoch whose length nobody knows."""
    if checkpoint is not None:
        text = (
            f"fit(checkpoint=): epoch {run.epoch} was cut short, and its loader has no length and no place "
            f"to go on from: the checkpoint is that of epoch {run.epoch - 1}; resume=True repeats this one."
        )
        warnings.warn(text, UserWarning, stacklevel=3)


class _NotFinite(Exception):
    """The loss of a batch was not finite; holds the batch's inputs and targets."""


def _ended(run: Run, best: Best, interrupt: Interrupt, pass_: _Pass) -> bool:
    if interrupt.asked:
        run.history.ended = "terminated" if interrupt.terminated else "interrupted"
    elif not run.history.ended:
        if best.waited_enough:
            run.history.ended = "stopped early"
        elif len(run.history) >= run.epochs:
            run.history.ended = "finished"
        elif pass_.begun and pass_.late:
            run.history.ended = "out of time"
    return bool(run.history.ended)


def _measured(
    model: Any, loss: Any, data: Any, held_out: bool, metrics: list[str | Metric]
) -> dict[str, float]:
    if not held_out and not metrics:
        return {}
    found = evaluate(model, loss, data, metrics)
    if held_out:
        return {f"val_{name}": value for name, value in found.items()}
    return {name: value for name, value in found.items() if name != "loss"}


def _check_arguments(more: tuple[Any, ...], other: Iterable[str]) -> None:
    """Complain about arguments that `fit` does not take, naming ours."""
    if more:
        wanted = "takes three arguments by position and the rest by name"
        hint = "fit(model, loss, (x, y), optimizer=optimizer): inputs and targets are one pair"
        raise TypeError(lesson("fit(model, loss, data)", wanted, f"{3 + len(more)}", at_line(), hint))
    if other:
        taken = inspect.signature(fit).parameters.values()
        known = [p.name for p in taken if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        wanted, hint = "takes other keywords", for_keywords(other, known)
        raise TypeError(lesson("fit(...)", wanted, ", ".join(other), hint=hint))


def _tell(watchers: list[Callback], event: str, run: Run) -> list[Any]:
    return [getattr(watcher, event)(run) for watcher in watchers]


def _not_finite_text(run: Run, optimizer: Any, found: _NotFinite, kept: str) -> str:
    place = run.step - (run.epoch - 1) * run.batches
    got = f"it became {run.loss} at step {run.step} (epoch {run.epoch}, batch {place} of {run.batches})"
    bad = [
        f"{name} of this batch hold {count} numbers that are not finite"
        for name, held in zip(("inputs", "targets"), found.args, strict=True)
        for array in leaves(held)
        if (count := int(np.size(array) - np.isfinite(np.asarray(array)).sum()))
    ]
    where = (f"The {' and the '.join(bad)}. " if bad else "") + f"The model has {kept} again."
    hint = (
        "data without NaN and inf"
        if bad
        else f"a smaller learning rate than {optimizer.lr:g}, or scaled inputs"
    )
    return lesson("fit(...)", "wants a finite loss", got, where, hint)
