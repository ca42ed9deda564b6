"""Predictions and measures of a model as it is, without training it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

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
    """Return the loss and the metrics of a model on data `(inputs, targets)` or on a loader's batches.

    >>> from clearprop import nn
    >>> model, inputs = nn.Linear(3, 2), np.zeros((5, 3), np.float32)
    >>> sorted(evaluate(model, nn.CrossEntropyLoss(), (inputs, np.zeros(5, int)), ["accuracy"]))
    ['accuracy', 'loss']
    """
    if isinstance(data, tuple):
        inputs, targets = data
        outputs = predict(model, inputs, batch_size=batch_size)
    else:
        with evaluating(model), no_grad():
            pairs = [(_array(model(x)), _array(y)) for x, y in data]
        outputs = np.concatenate([output for output, _ in pairs])
        targets = np.concatenate([target for _, target in pairs])
    targets = _array(targets)
    with no_grad():
        found = {"loss": float(_array(loss(outputs, targets)))}
    return found | {name: float(metric(outputs, targets)) for name, metric in named(metrics).items()}


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model into evaluation mode inside the block (dropout off), and back afterwards."""
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def _array(value: Any) -> Array:
    return np.asarray(value.value if isinstance(value, Tensor) else value)
