"""What a State holds now: what a printed program begins with."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.core import Dtype
from clearprop.compiler.program.ir import Shape, State


def contents(state: State, shape: Shape, dtype: Dtype) -> Any:
    """Return what a state holds now: zeros where there is no gradient yet.

    Raises Unlowered for a state of a Tensor that is an argument, which nobody but the caller has.
    """
    if state.tensor is None:
        raise Unlowered(f"{state.name} is a Tensor; pass an array, or use the Tensor by its name: it")
    held = state.tensor.value if state.slot == "value" else state.tensor.grad
    return np.zeros(shape, dtype) if held is None else np.asarray(getattr(held, "value", held))
