"""One training step: the four lines that everybody writes, eager or compiled."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from clearprop.errors import InputError, lesson

Step = Callable[[Any, Any], Any]


def training_step(model: Any, loss: Callable[[Any, Any], Any], optimizer: Any, compile: Any = "auto") -> Step:
    """Return `step(x, y)`, which takes one step of the optimizer and returns the loss before it.

    `compile` is True, False or "auto": compiled where the extra `fast` is
    installed, and eager after all for a step that cannot be planned. A plan that proves to be wrong (see
    `compile`) is given up with a warning, once, and the step goes on as it is written.

    >>> import numpy as np
    >>> from clearprop import nn, optim
    >>> model = nn.Linear(2, 1)
    >>> step = training_step(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), compile=False)
    >>> x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    >>> float(step(x, y)) > float(step(x, y))
    True
    """

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    if not compiles(compile):
        return step
    import clearprop

    compiled = clearprop.compile(step, fallback=compile == "auto")
    compiled.forgives = True  # a plan that is found wrong never ends a run: it goes on with the step itself
    return compiled


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
