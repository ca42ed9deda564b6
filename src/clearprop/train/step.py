"""One training step: the lines that everybody writes, eager or compiled."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clearprop.data.dataset import leaves
from clearprop.errors import InputError, lesson
from clearprop.hints import refuse_texts

Step = Callable[[Any, Any], Any]


def training_step(
    model: Any,
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    compile: Any = "auto",
    *,
    clip_norm: float | None = None,
    shared: bool = False,
) -> FixedPlan:
    """Return `step(x, y)`, which takes one step of the optimizer and returns the loss before it.

    `compile` is True, False or "auto": compiled where the extra `fast` is installed, and eager after all for
    a step that cannot be planned. A plan that proves to be wrong (see `compile`) is given up with a warning,
    once, and the step goes on as it is written. A tuple `x` holds the model's several inputs. `clip_norm`
    bounds the length of all gradients together. `step.together(batches)` takes one step for a few batches,
    with the gradient of their mean loss by rows. With `shared` the step is that of several processes, and is
    called by `step.of_rows(rows, x, y, pieces)`.

    A batch that is smaller than those before it, as the last one of an epoch is, does not compile a plan of
    its own: it is run as it is written (`step.explain()` says so), unless its size comes twice in a row.

    >>> import numpy as np
    >>> from clearprop import nn, optim
    >>> model = nn.Linear(2, 1)
    >>> step = training_step(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), compile=False)
    >>> x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    >>> float(step(x, y)) > float(step(x, y))
    True
    """
    refuse_texts("training_step", shared=shared)
    from clearprop.optim import clip_grad_norm_

    def updated() -> None:
        if clip_norm is not None:
            clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(applied(model, x), y)
        value.backward()
        updated()
        return value

    def gathered(*batches: Any) -> Any:
        optimizer.zero_grad()
        sizes = [rows_of(x) for x in batches[::2]]
        total: Any = None
        for x, y, size in zip(batches[::2], batches[1::2], sizes, strict=True):
            value = loss(applied(model, x), y) * (size / sum(sizes))
            value.backward()
            total = value if total is None else total + value
        updated()
        return total

    if shared:  # by several processes, see `processes`
        from clearprop.train.processes import shared_step

        return FixedPlan(shared_step(model, loss, optimizer, updated), gathered, compile)
    return FixedPlan(step, gathered, compile)


class FixedPlan:
    """A training step and, where it is compiled, the rule which batches are worth a plan."""

    written: Step
    gathered: Callable[..., Any]
    step: Any
    several: Any
    smaller: int
    largest: int
    last: int

    def __init__(self, step: Step, gathered: Callable[..., Any], compile: Any) -> None:
        self.written, self.gathered = step, gathered
        self.step, self.several = step, gathered
        self.compiled: bool = compiles(compile)
        self.largest = self.last = self.smaller = 0
        if self.compiled:
            import clearprop

            self.step = clearprop.compile(step, fallback=compile == "auto")
            self.several = clearprop.compile(gathered, fallback=compile == "auto")
            for plan in (self.step, self.several):
                plan.forgives = True  # a plan that is found wrong never ends a run: it goes on as written

    def __call__(self, x: Any, y: Any) -> Any:
        """Take one step; return the loss before it."""
        return (self.step if self._planned(rows_of(x)) else self.written)(x, y)

    def of_rows(self, rows: int, *batch: Any) -> Any:
        """Take one step on a part of a batch of so many rows, which decide whether it is worth a plan."""
        return (self.step if self._planned(rows) else self.written)(*batch)

    def together(self, batches: Sequence[tuple[Any, Any]]) -> Any:
        """Take one step of the mean loss, by rows, of a few batches; return it."""
        if len(batches) == 1:
            return self(*batches[0])
        flat = [part for batch in batches for part in batch]
        planned = self._planned(sum(rows_of(x) for x, _ in batches))
        return (self.several if planned else self.gathered)(*flat)

    def _planned(self, rows: int) -> bool:
        """Return whether a plan is used: not for a smaller batch, unless its size comes twice in a row."""
        planned = rows >= self.largest or rows == self.last
        self.largest, self.last = max(self.largest, rows), rows
        self.smaller += self.compiled and not planned
        return planned

    def state_dict(self) -> dict[str, int]:
        """Return what decides about the next batches, so that a resumed run decides alike."""
        return {"largest": self.largest, "last": self.last}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state."""
        self.largest, self.last = int(state["largest"]), int(state["last"])

    def explain(self) -> Any:
        """Return what the compiled step says of itself, and how many smaller batches were run as written."""
        if not self.compiled:
            return "The step is run as it is written."
        lead = f"{self.smaller} smaller batches were run as they are written, without a plan of their own.\n"
        return (lead if self.smaller else "") + str(self.step.explain())


def applied(model: Any, x: Any) -> Any:
    """Return what a model makes of its input, or of its several inputs in a tuple."""
    return model(*x) if isinstance(x, tuple) else model(x)


def rows_of(x: Any) -> int:
    """Return how many rows a batch has."""
    return len(next(leaves(x)))


def compiles(compile: Any) -> bool:
    """Return whether a step is compiled under `compile=`, which is True, False or "auto"."""
    if compile == "auto":
        return _installed("clearprop.compiler") and _installed("llvmlite")
    if compile is True and not _installed("clearprop.compiler"):
        raise InputError(lesson("compile=True", "this clearprop has no compiler", hint='compile="auto"'))
    if not isinstance(compile, bool):
        raise ValueError(lesson("compile=", 'wants True, False or "auto"', repr(compile)))
    return compile


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
