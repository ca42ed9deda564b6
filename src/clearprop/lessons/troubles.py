"""Trainings that go wrong, each as the lines that a reader would type, and the one line that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from clearprop.diagnosis.doctor import Diagnosis, doctor
from clearprop.lessons.findings import FOUND, STEP
from clearprop.modes import enable_grad
from clearprop.ops import random

STEPS = 80  # that are recorded

_HEAD = """\
import numpy as np
import clearprop
from clearprop import nn, optim

clearprop.manual_seed(0)
draw = np.random.default_rng(0)
"""
_POINTS = """\
x = draw.normal(size=(64, 2)).astype(np.float32)
y = (x[:, 0] > x[:, 1]).astype(int)
"""
_LINE = """\
x = draw.normal(size=(64, 3)).astype(np.float32)
y = x @ np.array([[1.0], [-2.0], [0.5]], np.float32)
model = nn.Linear(3, 1)
loss = nn.MSELoss()
"""
_CLASSES = "loss = nn.CrossEntropyLoss()\n"


@dataclass(frozen=True)
class Trouble:
    """A training that does not learn, and the line that mends it."""

    source: str
    broken: str
    mended: str

    @property
    def cured(self) -> str:
        """The lines with the mended one among them."""
        return self.source.replace(self.broken, self.mended, 1)


TROUBLES = {
    "rate": Trouble(
        _HEAD
        + _LINE
        + """\
optimizer = optim.SGD(model.parameters(), lr=0.8)
"""
        + STEP,
        "lr=0.8",
        "lr=0.1",
    ),
    "scaling": Trouble(
        _HEAD
        + """\
x = (draw.normal(size=(64, 2)) * [3000.0, 0.03] + [5000.0, 0.0]).astype(np.float32)
y = (x[:, 0] / 3000 + x[:, 1] / 0.03 > 5 / 3).astype(int)
inputs = x
model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
loss = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.3)
x = inputs
"""
        + STEP,
        "x = inputs\n",
        "x = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)\n",
    ),
    "dead": Trouble(
        _HEAD
        + _POINTS
        + """\
first = nn.Linear(2, 8)
nn.init.constant_(first.bias, -9.0)
model = nn.Sequential(first, nn.ReLU(), nn.Linear(8, 2))
loss = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.3)
"""
        + STEP,
        "nn.init.constant_(first.bias, -9.0)",
        "nn.init.zeros_(first.bias)",
    ),
    "softmax": Trouble(
        _HEAD
        + _POINTS
        + """\
model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2), nn.Softmax())
"""
        + _CLASSES
        + "optimizer = optim.SGD(model.parameters(), lr=0.3)\n"
        + STEP,
        "nn.Linear(8, 2), nn.Softmax())",
        "nn.Linear(8, 2))",
    ),
    "zero-grad": Trouble(
        _HEAD
        + _LINE
        + """\
optimizer = optim.SGD(model.parameters(), lr=0.1)
"""
        + STEP.replace("    optimizer.zero_grad()\n", "    # optimizer.zero_grad()\n"),
        "    # optimizer.zero_grad()\n",
        "    optimizer.zero_grad()\n",
    ),
}


TROUBLES |= {name: Trouble(lines, broken, mended) for name, (lines, broken, mended, _) in FOUND.items()}


def losses(source: str) -> list[float | None]:
    """Run the lines, train, and return the loss before each step; None where it is no finite number."""
    state = random.get_rng_state()
    try:
        made = _run(source)
        with np.errstate(all="ignore"), enable_grad():
            found = [float(made["step"](made["x"], made["y"]).value) for _ in range(STEPS)]
    finally:
        random.set_rng_state(state)
    return [value if np.isfinite(value) else None for value in found]


@cache
def compared(name: str) -> tuple[list[float | None], list[float | None]]:
    """Return the losses of a trouble, and those with its line mended."""
    trouble = TROUBLES[name]
    return losses(trouble.source), losses(trouble.cured)


@cache
def examined(name: str) -> Diagnosis:
    """Return what the doctor says of a trouble before the first step."""
    state = random.get_rng_state()
    try:
        made = _run(TROUBLES[name].source)
    finally:
        random.set_rng_state(state)
    with enable_grad(), np.errstate(all="ignore"):
        data = made["x"], made["y"]
        return doctor(made["model"], data, made["loss"], made["optimizer"], step=made["step"])


def _run(source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(source, "<lesson>", "exec"), found)
    return found


@cache
def valley() -> dict[str, list[float | None]]:
    """Return the losses of plain gradient descent and of Adam on a valley a hundred times steeper one way."""
    source = """\
import numpy as np
from clearprop import Tensor, optim

w = Tensor([4.0, 1.0])
optimizer = optim.{0}
x = y = None


def step(x, y):
    optimizer.zero_grad()
    loss = np.sum(np.array([1.0, 100.0]) * w**2)
    loss.backward()
    optimizer.step()
    return loss
"""
    makers = {"SGD, lr=0.009": "SGD([w], lr=0.009)", "Adam, lr=0.15": "Adam([w], lr=0.15)"}
    return {name: losses(source.replace("{0}", made)) for name, made in makers.items()}
