"""What a training run is of: facts that a checkpoint carries, so that it is not taken for another run's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from clearprop.data.dataset import leaves
from clearprop.train.weighting import Weighted


def fingerprint(model: Any, loss: Any, optimizer: Any, loader: Any, validation: Any) -> dict[str, str]:
    """Return short texts that are the same whenever a run is the same, and what each is of.

    Arrays are told apart by a digest of all their bytes. Of data that is made as it is asked for only the
    number of rows is known.

    >>> from clearprop import nn, optim
    >>> from clearprop.data import DataLoader
    >>> model, pair = nn.Sequential(nn.Linear(1, 1)), (np.zeros((4, 1)), np.ones((4, 1)))
    >>> facts = fingerprint(model, nn.MSELoss(), optim.SGD(model.parameters()), DataLoader(pair, 2), None)
    >>> facts["optimizer"], facts["batch size"], facts["validation data"]
    ('sgd of 2 parameters', '2', 'none')
    """
    parameters = [f"{name} {tensor.shape} {tensor.dtype}" for name, tensor in model.named_parameters()]
    counts = " + ".join(str(len(group["params"])) for group in optimizer.param_groups)
    return {
        "model": f"{_plain(repr(model))} of {', '.join(parameters)}",
        "loss": _named(loss),
        "the loss's options": _options(loss),
        "optimizer": f"{_formula(optimizer)} of {counts} parameters",
        "batch size": str(loader.batch_size) if hasattr(loader, "batch_size") else "its own",
        "training data": _data(loader.dataset if hasattr(loader, "dataset") else loader),
        "validation data": "none"
        if validation is None
        else _data(getattr(validation, "dataset", validation)),
    }


def digest(parts: Iterable[bytes]) -> str:
    """Return a few letters that are others for other bytes."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def differences(saved: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs among the facts that both know, each as `name: A there, B here`."""
    names = [name for name in now if name in saved and saved[name] != now[name]]
    return [f"{name}: {_shown(saved[name], now[name])}" for name in names]


def _shown(there: str, here: str) -> str:
    """Return two texts that differ, cut down to the places where they do."""
    start = next((i for i, (a, b) in enumerate(zip(there, here, strict=False)) if a != b), 0)
    start = max(0, start - 20) if max(len(there), len(here)) > 60 else 0
    cut = [("…" if start else "") + text[start : start + 60] for text in (there, here)]
    return f"{cut[0]} there, {cut[1]} here"


def _plain(text: str) -> str:
    """Return a text without the addresses of objects, which are others in each process."""
    return " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", text).split())


def _named(loss: Any) -> str:
    if hasattr(loss, "named_parameters"):
        return _plain(repr(loss))
    if isinstance(loss, Weighted):
        rows = "rows" if loss.rows else "no rows"
        classes = "no classes" if loss.classes is None else f"classes {loss.classes.tolist()}"
        return f"{_named(loss.loss)} weighted by {rows} and {classes}"
    return getattr(loss, "__qualname__", type(loss).__name__)


def _options(loss: Any) -> str:
    """Return what a loss was made with: its numbers and words, and a digest of each array."""
    held = getattr(loss.loss if isinstance(loss, Weighted) else loss, "__dict__", {})
    found = []
    for name, value in held.items():
        array = getattr(value, "value", value)
        if isinstance(array, np.ndarray):
            found.append(f"{name}={digest([np.ascontiguousarray(array).tobytes()])}")
        elif name != "training" and (value is None or isinstance(value, (bool, int, float, str))):
            found.append(f"{name}={value!r}")
    return ", ".join(sorted(found)) or "none"


def _formula(optimizer: Any) -> str:
    formula = getattr(type(optimizer), "formula", None)
    return getattr(formula, "__name__", type(optimizer).__name__)


def _data(data: Any) -> str:
    """Return the shapes of arrays and a digest of all they hold, or how many rows something else has."""
    if hasattr(data, "indices") and hasattr(data, "dataset"):  # a Subset
        return f"{digest([np.asarray(data.indices).tobytes()])} of {_data(data.dataset)}"
    if hasattr(data, "digest"):  # rows in a file
        return f"{len(data)} rows, digest {data.digest()}"
    held = getattr(data, "arrays", getattr(data, "tensors", data))
    parts = list(leaves(tuple(held))) if isinstance(held, (tuple, list)) else []
    if parts and all(hasattr(part, "dtype") for part in parts):
        arrays = [np.asarray(getattr(part, "value", part)) for part in parts]
        if not any(array.dtype.hasobject for array in arrays):
            shapes = " and ".join(f"{array.shape} {array.dtype}" for array in arrays)
            return f"{shapes}, digest {digest(np.ascontiguousarray(a).tobytes() for a in arrays)}"
    rows = f"{len(data)} rows" if hasattr(data, "__len__") else "rows as they come"
    return f"{rows} of a {type(data).__name__}"
