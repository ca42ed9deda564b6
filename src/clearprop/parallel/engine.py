"""JAX, asked for when it is needed."""

from __future__ import annotations

import importlib
from typing import Any

from clearprop.errors import lesson


def engine(called: str) -> Any:
    """Return JAX; raises ImportError, with what to install, where it is not there."""
    try:
        return importlib.import_module("jax")
    except ImportError as error:
        hint = "pip install clearprop[xla]"
        raise ImportError(lesson(called, "wants JAX", str(error), hint=hint)) from error
