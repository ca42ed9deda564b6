"""Predictions and measures of a model as it is, without training it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data import DataLoader, TensorDataset
from clearprop.data.dataset import each
from clearprop.errors import lesson
from clearprop.hints import refuse_texts
from clearprop.modes import no_grad
from clearprop.tensor import Tensor
from clearprop.train.metrics import Metric, named
from clearprop.train.step import applied, rows_of
from clearprop.train.streamed import summed
from clearprop.train.weighting import loss_of

Array = npt.NDArray[Any]


def predict(model: Any, inputs: Any, *, batch_size: int = 1024) -> Any:
    """Return the model's outputs for an array of inputs, computed in evaluation mode and in batches.

    A tuple of arrays holds the model's several inputs; a model that returns a tuple gives a tuple of arrays.

    >>> from clearprop import nn
    >>> predict(nn.Linear(3, 2), np.zeros((5, 3), np.float32)).shape
    (5, 2)
    """
    if batch_size < 1:
        raise ValueError(lesson("predict(batch_size=)", "wants 1 row or more", repr(batch_size)))
    inputs = each(np.asarray, inputs) if isinstance(inputs, tuple) else np.asarray(inputs)
    starts = range(0, max(1, rows_of(inputs)), batch_size)
    parts = (each(lambda a, s=start: a[s : s + batch_size], inputs) for start in starts)  # type: ignore[misc]
    with evaluating(model), no_grad():
        return _joined([_arrays(applied(model, part)) for part in parts])


def predict_proba(model: Any, inputs: Any, *, batch_size: int = 1024) -> Array:
    """Return each row's probabilities of the classes, float64: the softmax of the model's outputs.

    Outputs of shape (n, classes) are logits, as `CrossEntropyLoss` takes them; those of shape (n,) or (n, 1)
    are one logit, as `BCEWithLogitsLoss` takes it, and give two columns.

    >>> from clearprop import nn
    >>> predict_proba(nn.Linear(3, 2), np.zeros((5, 3), np.float32)).sum(axis=1)
    array([1., 1., 1., 1., 1.])
    """
    logits = np.asarray(predict(model, inputs, batch_size=batch_size), np.float64)
    if logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1):
        logits = np.stack([np.zeros(len(logits)), logits.reshape(len(logits))], axis=1)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def evaluate(
    model: Any,
    loss: Callable[[Any, Any], Any] | str,
    data: Any,
    metrics: Iterable[str | Metric] = (),
    *,
    batch_size: int = 1024,
    stream: bool = False,
) -> dict[str, float]:
    """Return the loss and the metrics of a model on a pair (inputs, targets), a Dataset or a loader.

    With `stream` no outputs are kept from batch to batch: the loss, a mean over rows, and accuracy, f1,
    log_loss, mae, rmse and r2 are summed up. Raises ValueError where there is not a single row, and for what
    cannot be summed.

    >>> from clearprop import nn
    >>> model, inputs = nn.Linear(3, 2), np.zeros((5, 3), np.float32)
    >>> sorted(evaluate(model, nn.CrossEntropyLoss(), (inputs, np.zeros(5, int)), ["accuracy"]))
    ['accuracy', 'loss']
    """
    refuse_texts("evaluate", stream=stream)
    if isinstance(data, (tuple, list)):
        data = TensorDataset(*pair("evaluate(data=)", data))
    if hasattr(data, "__getitem__"):
        data = DataLoader(data, batch_size)
    if stream:
        with evaluating(model), no_grad():
            batches = ((_arrays(applied(model, x)), _arrays(y)) for x, y in data)
            return summed(batches, loss_of(loss), [metrics] if isinstance(metrics, str) else [*metrics])
    with evaluating(model), no_grad():
        pairs = [(_arrays(applied(model, x)), _arrays(y)) for x, y in data]
    if not any(rows_of(target) for _, target in pairs):
        raise ValueError(lesson("evaluate(data=)", "wants at least one row to measure on", "none"))
    outputs = _joined([output for output, _ in pairs])
    targets = _joined([target for _, target in pairs])
    with no_grad():
        found = {"loss": float(_array(loss_of(loss)(outputs, targets)))}
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


def _arrays(values: Any) -> Any:
    """Return Tensors as arrays, in nested tuples too."""
    return each(_array, tuple(values) if isinstance(values, (tuple, list)) else values)


def _joined(parts: list[Any]) -> Any:
    """Return batches as one, entry by entry."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(list(entries)) for entries in zip(*parts, strict=True))
    return np.concatenate(parts)


def _array(value: Any) -> Array:
    return np.asarray(value.value if isinstance(value, Tensor) else value)
