"""`Bounds`: indices that must stay within an axis, looked at on the host where that can be.

Labels and token numbers are arguments, so their bounds are known before the step runs and no call waits for
the device. An index that the step computes from parameters or activations is known there alone: it raises a
flag, and each call waits for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from clearprop.compiler.program.builder import evaluate
from clearprop.compiler.program.ir import Program, Value

FAR = 32  # operations from an argument to an index, beyond which the device looks


class Bounds:
    """What one program asks of its indices, as it is traced.

    `program` is None inside of a loop's turn, whose arguments are not the step's, and on several hosts, where
    each has its own part of the arguments and all must raise the same. With `watched=False`
    nothing is asked.
    """

    def __init__(self, program: Program | None, watched: bool = True) -> None:
        self.watched = watched
        self.flags: list[Any] = []
        self.ahead: dict[tuple[Value, int, int], None] = {}
        self.arguments: list[Value] = program.arguments if program is not None else []
        self.known: dict[Value, int] = {}  # what arguments alone decide, and by how many steps
        for v in program.values if program is not None else ():
            if v.kind in ("argument", "constant"):
                self.known[v] = 0
            elif _is_light(v):
                far = 1 + max((self.known.get(x, FAR) for x in v.operands), default=0)
                self.known |= {v: far} if far <= FAR else {}

    def hold(self, v: Any, array: Any, low: int, high: int) -> None:
        """Ask that all entries of `array`, which stands for `v`, are at least low and below high."""
        if not self.watched:
            return
        if v in self.known:
            self.ahead[v, low, high] = None
        else:
            self.flags.append(jnp.any(_outside(array, low, high)))

    def are_broken_by(self, arguments: Sequence[Any]) -> bool:
        """Tell whether an index that the arguments alone decide is out of its bounds."""
        if not self.ahead:
            return False
        at: dict[Value, Any] = dict(zip(self.arguments, arguments, strict=True))

        def array(v: Value) -> Any:
            if v not in at:
                at[v] = v.data if v.kind == "constant" else evaluate(v, array)
            return at[v]

        for v, low, high in self.ahead:
            entries = np.asarray(array(v))
            if entries.size and (entries.min() < low or entries.max() >= high):
                return True
        return False


def _outside(array: Any, low: int, high: int) -> Any:
    """Tell where entries are below low or not below high, bounds that their dtype need not have."""
    ends = np.iinfo(array.dtype)
    below = array < low if low > ends.min else jnp.zeros(array.shape, bool)
    return below | (array >= high) if high <= ends.max else below


def _is_light(v: Value) -> bool:
    """Whether a value costs the host little: entry by entry, or the same entries seen otherwise."""
    return v.kind == "op" and v.core.family in ("elementwise", "view")
