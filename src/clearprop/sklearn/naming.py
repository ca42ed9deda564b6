"""Beside a fit: the classes that `partial_fit` is told, what was learned before, what Ctrl-C leaves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.multiclass import unique_labels  # type: ignore[import-untyped]

from clearprop.errors import lesson


@contextmanager
def named(model: Any, classes: Any) -> Iterator[None]:
    """Let the model's first fit, inside the block, find all classes in `_known`.

    Raises ValueError where a first call names none, or a later call others.
    """
    if not hasattr(model, "network_"):
        if classes is None:
            raise ValueError(lesson("partial_fit(classes=)", "wants all classes in the first call"))
        model._known = np.asarray(unique_labels(classes))
    elif classes is not None and not np.array_equal(model.classes_, unique_labels(classes)):
        raise ValueError(lesson("partial_fit(classes=)", "wants the classes of the first call"))
    try:
        yield
    finally:
        model.__dict__.pop("_known", None)  # where it failed before it came to them


@contextmanager
def kept(model: Any) -> Iterator[None]:
    """Leave a model what it had learned before, where the block fails."""
    grow = ("loss_curve_", "validation_scores_")
    before = {name: [*held] if name in grow and held else held for name, held in vars(model).items()}
    try:
        yield
    except BaseException:  # a second Ctrl-C among them
        model.__dict__.clear()
        model.__dict__.update(before)
        raise


def interrupted(model: Any, epochs: int) -> None:
    """Warn, as scikit-learn does, that Ctrl-C has ended a fit, whose model has what it had learned."""
    text = f"{type(model).__name__}.fit: interrupted by Ctrl-C in epoch {epochs}. What was learned is kept."
    warnings.warn(text, stacklevel=2)
