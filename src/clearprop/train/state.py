"""What a training run remembers: the last good weights, the best epoch's, and all of it in a checkpoint."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from clearprop.errors import InputError, lesson
from clearprop.ops import random
from clearprop.record import assign
from clearprop.train.average import is_count
from clearprop.train.callbacks import Run
from clearprop.train.checkpoint import Generations
from clearprop.train.fingerprint import differences


class Weights:
    """The weights with which the loss was last finite.

    Values are never overwritten by an eager step, so remembering them costs one reference each; a compiled
    step may reuse their memory, so there (`copied`) they are copied: before every step where they are few,
    and every fiftieth where a copy would take its share of the time.
    """

    now: list[Any]
    good: list[Any]

    def __init__(self, model: Any, copied: bool) -> None:
        self.tensors: list[Any] = [*model.parameters(), *model.buffers()]
        self.copied = copied
        entries = sum(tensor.size for tensor in self.tensors)
        self.every = 50 if copied and entries > 200_000 else 1
        self.steps: int = 0
        self.now = self.good = self._values()

    def _values(self) -> list[Any]:
        return [tensor._value.copy() if self.copied else tensor.value for tensor in self.tensors]

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
        if patience is not None and not is_count(patience):
            raise ValueError(lesson("fit(patience=)", "wants at least 1 epoch, or None", repr(patience)))
        self.patience = patience
        self.epoch: int | None = None
        self.loss: float = math.inf
        self.weights: dict[str, Any] = {}
        self.waited: int = 0

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


def store(generations: Generations, run: Run, loader: Any, best: Best, facts: Mapping[str, str]) -> None:
    """Save all that the rest of the run depends on, and what the run is of."""
    state = _state(run, loader, best)
    generations.save(state | {"fingerprint": dict(facts)})


def _state(run: Run, loader: Any, best: Best) -> dict[str, Any]:
    return {
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "best": {name: value for name, value in vars(best).items() if name != "patience"},
        "history": {"rows": run.history.rows, "seconds": run.history.seconds, "steps": run.history.steps},
        "options": run.options,
        "within": run.history.within,
        "kept": {name: thing.state_dict() for name, thing in run.kept.items()},
        "partial": run.partial,
        "step": run.step,
        "loader": loader.state_dict(),
        "random": random.get_rng_state(),
    }


def restore(generations: Generations, run: Run, loader: Any, best: Best, facts: Mapping[str, str]) -> None:
    """Go back to what `store` saved; nothing happens where there is no such file yet.

    Raises InputError, and changes nothing, where the file is of another run; warns of options of the
    optimizer that the file's take the place of.
    """
    saved = generations.load()
    if saved is None:
        return
    path, before = generations.path, _state(run, loader, best)
    try:
        differing = differences(saved.get("fingerprint", {}), facts)
        if differing:
            raise ValueError("; ".join(differing))
        _take(saved, run, loader, best)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        _take(before, run, loader, best)
        first = (str(error.args[0] if error.args else error).splitlines() or [type(error).__name__])[0]
        wanted = "holds another model, optimizer or loader than this run's"
        hint = "the settings that the run was started with, or resume=False to start anew"
        called = f"fit(resume=True) from {path}"
        raise InputError(lesson(called, wanted, first, "Nothing was loaded.", hint)) from error
    _say_ignored(before["optimizer"]["param_groups"], run.optimizer.param_groups)
    _say_changed(saved.get("options", {}), run.options)


def _take(saved: Mapping[str, Any], run: Run, loader: Any, best: Best) -> None:
    history = saved["history"]["rows"], saved["history"]["seconds"]
    steps = saved["history"].get("steps", [0] * len(history[0]))
    step, kept = int(saved["step"]), dict(saved["best"])
    run.model.load_state_dict(saved["model"])
    run.optimizer.load_state_dict(saved["optimizer"])
    loader.load_state_dict(saved["loader"])
    random.set_rng_state(saved["random"])
    held = dict(saved.get("kept", {}))  # the files of before there were any have none
    if set(held) != set(run.kept) and "kept" in saved:
        raise ValueError(f"callbacks and averages {sorted(held)} there, {sorted(run.kept)} here")
    for name, state in held.items():
        run.kept[name].load_state_dict(state)
    run.history.rows, run.history.seconds = history
    run.history.steps, run.history.within = steps, saved.get("within", [])
    total, rows = saved.get("partial", (0.0, 0))
    run.step, run.partial = step, (float(total), int(rows))
    vars(best).update(kept)


def _say_changed(there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Warn of each option of `fit` that is another one from here on."""
    told = [
        f"{name}={here[name]} from here on, in place of the checkpoint's {there[name]}"
        for name in here
        if name in there and there[name] != here[name]
    ]
    if told:
        warnings.warn(f"fit(resume=True): {'; '.join(told)}.", UserWarning, stacklevel=4)


def _say_ignored(asked: list[dict[str, Any]], used: list[Any]) -> None:
    """Warn of each number that was asked for in this call and is another one in the checkpoint."""
    told = []
    for one, other in zip(asked, used, strict=True):
        scheduled = "initial_lr" in other and other["initial_lr"] == one.get("lr")
        for name in one:
            if name == "lr" and scheduled:  # another one because a schedule goes on
                continue
            if name not in ("params", "initial_lr") and one[name] != other.get(name, one[name]):
                told.append(
                    f"{name}={one[name]:g}" if isinstance(one[name], float) else f"{name}={one[name]}"
                )
                told[-1] += f" is ignored, the checkpoint's {other[name]} goes on"
    if told:
        warnings.warn(f"fit(resume=True): {'; '.join(dict.fromkeys(told))}.", UserWarning, stacklevel=4)
