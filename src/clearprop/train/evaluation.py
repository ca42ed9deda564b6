"""Predictions and measures of a model as it is, without training it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data import DataLoader, TensorDataset
from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.tensor import Tensor
from clearprop.train.metrics import Metric, named

Array = npt.NDArray[Any]


def predict(model: Any, inputs: Any, *, batch_size: int = 1024) -> Array:
    """Return the model's outputs for an array of inputs, computed in evaluation mode and in batches.

    >>> from clearprop import nn
    >>> predict(nn.Linear(3, 2), np.zeros((5, 3), np.float32)).shape
    (5, 2)
    """
    if batch_size < 1:
        raise ValueError(lesson("predict(batch_size=)", "wants 1 row or more", repr(batch_size)))
    inputs = np.asarray(inputs)
    starts = range(0, max(1, len(inputs)), batch_size)
    with evaluating(model), no_grad():
        return np.concatenate([_array(model(inputs[start : start + batch_size])) for start in starts])


def evaluate(
    model: Any,
    loss: Callable[[Any, Any], Any],
    data: Any,
    metrics: Iterable[str | Metric] = (),
    *,
    batch_size: int = 1024,
) -> dict[str, float]:
    """Return the loss and the metrics of a model on a pair (inputs, targets), a Dataset or a loader.

    Raises ValueError where there is not a single row.

    >>> from clearprop import nn
    >>> model, inputs = nn.Linear(3, 2), np.zeros((5, 3), np.float32)
    >>> sorted(evaluate(model, nn.CrossEntropyLoss(), (inputs, np.zeros(5, int)), ["accuracy"]))
    ['accuracy', 'loss']
    """
    if isinstance(data, (tuple, list)):
        data = TensorDataset(*pair("evaluate(data=)", data))
    if hasattr(data, "__getitem__"):
        data = DataLoader(data, batch_size)
    with evaluating(model), no_grad():
        pairs = [(_array(model(x)), _array(y)) for x, y in data]
    if not any(len(target) for _, target in pairs):
        raise ValueError(lesson("evaluate(data=)", "wants at least one row to measure on", "none"))
    outputs = np.concatenate([output for output, _ in pairs])
    targets = np.concatenate([target for _, target in pairs])
    with no_grad():
        found = {"loss": float(_array(loss(outputs, targets)))}
    return found | {name: float(metric(outputs, targets)) for name, metric in named(metrics).items()}


def pair(called: str, given: Any, hint: str = "") -> tuple[Any, Any]:
    """Return (inputs, targets), having complained about anything but two things."""
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        got = f"{len(given)} things" if isinstance(given, (tuple, list)) else f"a {type(given).__name__}"
        raise TypeError(lesson(called, "wants a pair (inputs, targets)", got, hint=hint))
    return given[0], given[1]


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model into evaluation mode inside the block (dropout off), and back afterwards."""
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _array(value: Any) -> Array:
    return np.asarray(value.value if isinstance(value, Tensor) else value)
