"""What `fit` was given, made sure of before the first batch: callbacks, settings, data, weights of rows."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from clearprop.data.dataset import each
from clearprop.errors import InputError, lesson
from clearprop.train.callbacks import Callback, EachEpoch
from clearprop.train.checkpoint import Generations
from clearprop.train.evaluation import pair
from clearprop.train.step import rows_of
from clearprop.train.weighting import Weighted, class_weights, precise


def watcher_of(given: Any) -> Callback:
    """Return a callback as it is, and a function of the run as one; complain about anything else."""
    if isinstance(given, Callback):
        return given
    if isinstance(given, type) or not callable(given):
        wanted, got = "wants callbacks and functions of the run", repr(given)[:60]
        hint = f"{given.__name__}(...), an object of that class" if isinstance(given, type) else ""
        raise TypeError(lesson("fit(callbacks=)", wanted, got, hint=hint))
    return EachEpoch(given)


def with_states(watchers: list[Callback]) -> dict[str, Any]:
    """Return the callbacks that a checkpoint keeps, by their classes' names and a number in each class."""
    named: dict[str, Any] = {}
    for watcher in watchers:
        if watcher.state_dict():
            kind = type(watcher).__qualname__
            number = sum(name.rpartition(" ")[0] == f"callback {kind}" for name in named)
            named[f"callback {kind} {number}"] = watcher
    return named


def room_of(model: Any) -> int:
    """Return how many bytes a checkpoint may take: weights, the best ones, three arrays of memory each."""
    return 5 * sum(int(t.value.nbytes) for t in (*model.parameters(), *model.buffers())) + (1 << 16)


def check(model: Any, optimizer: Any, epochs: Any, checkpoint: Any, resume: Any) -> None:
    """Complain about settings that would make a run of nothing."""
    if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 0:
        raise ValueError(lesson("fit(epochs=)", "wants a whole number, 0 or more", repr(epochs)))
    if resume is True and checkpoint is None:
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


def check_numbers(**given: Any) -> None:
    """Complain about a number that is not above 0."""
    for name, value in given.items():
        whole = name in ("accumulate", "validate_every")
        if value is None and name != "accumulate":
            continue
        kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
        if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
            raise ValueError(lesson(f"fit({name}=)", "wants a number above 0", repr(value)))


def source_of(generations: Generations | None, resume: Any) -> Generations:
    """Return the file to go on from: the run's own, or the one that is named, which has to be there."""
    if resume is True and generations is not None:
        return generations
    named = Generations(resume)
    if generations is not None and named.path == generations.path:
        return generations
    if not named.path.exists() and not named.previous.exists():
        raise InputError(lesson(f"fit(resume={str(resume)!r})", "there is no such file"))
    return named


def batches_of(loader: Any) -> int:
    """Return how many batches an epoch has, 0 where the loader does not know."""
    try:
        return len(loader)
    except TypeError:
        return 0


def weighted_by(model: Any, loss: Any, data: Any, rows: Any, classes: Any) -> tuple[Any, Any]:
    """Return the loss with the weights of rows and classes, and the data with those of the rows."""
    from clearprop.data import DataLoader, TensorDataset

    if rows is None and classes is None:
        return loss, data
    held = getattr(data, "dataset", data)
    arrays = held if isinstance(held, (tuple, list)) else getattr(held, "arrays", None)
    called = "fit(sample_weight=, class_weight=)"
    of_a_loader = isinstance(data, DataLoader) and (data.collate or data.collate_fn) is None
    if arrays is None or (rows is not None and arrays is not data and not of_a_loader):
        hint = "weights inside your own loss"
        raise TypeError(lesson(called, "wants a pair of arrays as data", type(data).__name__, hint=hint))
    x, y = pair("fit(data=)", tuple(arrays))
    table = None if classes is None else class_weights(classes, y)
    weighted = Weighted(loss, rows=rows is not None, classes=table)
    if rows is None:
        return weighted, data
    precision = next((p.dtype for p in model.parameters()), np.float32)
    count = rows_of(y)
    try:
        weights = precise(np.asarray(rows, np.float64), precision)
    except (TypeError, ValueError) as error:
        wanted = f"wants a number for each of {count} rows"
        raise ValueError(lesson("fit(sample_weight=)", wanted, f"{rows!r:.60}")) from error
    finite = np.isfinite(weights).all()
    if weights.shape != (count,) or not finite or not np.all(weights >= 0) or not weights.any():
        wanted = f"wants a weight of 0 or more for each of {count} rows, one of them above 0"
        got = f"{weights.shape}" if finite else f"{np.sum(~np.isfinite(weights))} weights are not finite"
        raise ValueError(lesson("fit(sample_weight=)", wanted, got))
    both = x, (each(np.asarray, y), weights)
    if not of_a_loader:
        return weighted, both
    loader = copy.copy(data)  # its generator is the same, so that the order goes on in the loader given
    loader.dataset = TensorDataset(*both)
    return weighted, loader


def in_order(data: Any, loader: Any) -> Any:
    """Return the data as metrics go through it: in its order, drawing nothing from the loader."""
    from clearprop.data import DataLoader

    if hasattr(loader, "in_order"):
        return loader.in_order()
    if isinstance(data, (tuple, list)):
        return data
    given = data if isinstance(data, DataLoader) else loader  # the targets without the weights of rows
    return DataLoader(given.dataset, 1024, collate=given.collate, collate_fn=given.collate_fn)


def is_divided(loader: Any, group: Any, is_measured: bool) -> bool:
    """Return whether a loader gives each process its own rows of a batch; complain where that cannot be."""
    if not getattr(loader, "divided", False):
        return False
    if group is None:
        wanted, hint = "has a part of the rows in each process", "parallel=clearprop.parallel.world()"
        raise ValueError(lesson("fit(data=)", wanted, "one process", hint=hint))
    if not is_measured:
        wanted, hint = (
            "measures in the first process, which has a part of the rows",
            "validation=, or no metrics",
        )
        raise ValueError(lesson("fit(metrics=)", wanted, "no validation", hint=hint))
    return True


def loader_of(data: Any, batch_size: int, seed: int | None) -> Any:
    """Return what gives the batches: a loader as it is, one made of a pair or a Dataset; refuse no batch."""
    from clearprop import data as sources
    from clearprop.ops import random

    if not isinstance(data, sources.DataLoader) and not hasattr(data, "load_state_dict"):
        if isinstance(data, (tuple, list)):
            x, y = pair("fit(data=)", data)
            data = sources.TensorDataset(x, y)
        if not hasattr(data, "__len__"):
            wanted, hint = "wants a pair of arrays, a Dataset or a DataLoader", "TensorDataset(x, y)"
            raise TypeError(lesson("fit(data=)", wanted, f"a {type(data).__name__}", hint=hint))
        if seed is None:  # drawn, so that manual_seed settles the order of the batches too
            seed = int(random.uniform().value * 2**32)
        data = sources.DataLoader(data, batch_size=batch_size, shuffle=True, seed=seed)
    if hasattr(data, "__len__") and not batches_of(data) and hasattr(data.dataset, "__len__"):
        got = f"{len(data.dataset)} rows in batches of {data.batch_size}"
        hint = "drop_last=False, or a smaller batch_size" if len(data.dataset) else ""
        raise ValueError(lesson("fit(data=)", "wants at least one batch to learn from", got, hint=hint))
    return data
