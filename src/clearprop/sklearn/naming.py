"""The classes that `partial_fit` is told: all of them in the first call, the same ones in later calls."""

from __future__ import annotations

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
