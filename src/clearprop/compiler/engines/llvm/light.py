"""A program as NumPy calls whose loops are native: what needs no compiling where a turn is known already."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.executor import Native
from clearprop.compiler.engines.llvm.plan.pool import cores
from clearprop.compiler.engines.llvm.turns import Loop, loop_of
from clearprop.compiler.engines.numpy.source import NumpySource, forward
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.ir import Program, Value
from clearprop.loops.scan import Turns, parts


def light(program: Program) -> NumpySource:
    """Return the program as NumPy calls, each loop in it a native one of any length."""
    return NumpySource(program, called=_called)


class _Turned:
    """A loop as a call of the native plan of its turn."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def __call__(self, *inputs: Any, turns: Turns) -> Any:
        """Return what the loop returns."""
        flat = np.empty(parts(turns).size, turns.dtype)
        self.loop(inputs, turns, flat, [])
        return flat


def _called(v: Value) -> Any:
    """Return what a call calls."""
    try:
        loop = loop_of(v, cores(), Native)
    except Unlowered as error:
        found = forward(v)
        v.why = f"{v.why}, for {error}"
        return found
    return _Turned(loop) if loop is not None else forward(v)
