"""`Xla`: a Program as one function that JAX traces and XLA compiles.

The states lie in the host's arrays between calls, as for the other executors: a call sends them to the device
and brings back what changed. That is a copy each way, so it pays where a step is large beside its states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import Plan
from clearprop.compiler.plan.prepare import prepared
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.xla.operators import translated


class Xla:
    """A Program that XLA runs on JAX's default device. Raises Unlowered for what has no translation.

    Everything is traced with 64-bit numbers allowed, since each dtype is written in the Program. An index out
    of bounds is an IndexError after the call, and nothing is assigned then. `text` is the StableHLO.
    """

    rows: list[list[int]]

    def __init__(self, program: Program) -> None:
        self.whole, self.program = program, prepared(program, lambda v, add: v)
        self.groups = [
            Group("xla", v.shape, [v], reads=list(dict.fromkeys(v.operands)), stores=[v])
            for v in self.program.values
            if v.computed and not v.is_view
        ]
        self.plan = Plan(self.program, self.groups, frozenset(v for v in self.program.values if v.computed))
        self.slots, self.numbers, self.rows = self.plan.slots, self.plan.numbers, []
        self.assigned = [state for state, _ in self.plan.assigned]
        self.place = {state.key: i for i, state in enumerate(self.slots)}
        self.changed = [(self.place[s.key], v) for s, v in self.program.assignments if v.shape != ()]
        self.jitted = jax.jit(self._traced)
        with jax.enable_x64(True):
            self.lowered = self.jitted.lower(*self._abstract())
        self.text = self.lowered.as_text()

    @property
    def stages(self) -> list[tuple[list[Group], bool]]:
        """What runs, for `explain`: all of it in one."""
        return [(self.groups, False)]

    def apart(self) -> Xla:
        """Return the same: no arrays lie side by side."""
        return self

    def _abstract(self) -> Any:
        """What a call is given, as shapes and dtypes: the slots that are read, arguments, numbers."""
        read = {v.data.key: v for v in self.plan.stands}
        like: Any = jax.ShapeDtypeStruct
        return tuple(
            [like(v.shape, v.dtype) for v in values]
            for values in ([read[s.key] for s in self.slots], self.program.arguments, self.numbers)
        )

    def _traced(self, states: Any, arguments: Any, numbers: Any) -> Any:
        """Compute outputs, the new arrays and numbers, and whether an index was out of bounds."""
        at: dict[Value, Any] = dict(zip(self.plan.stands, states, strict=True))
        at.update(zip(self.program.arguments, arguments, strict=True))
        at.update(zip(self.numbers, numbers, strict=True))
        flags: list[Any] = []
        for v in self.program.values:
            if v.kind == "constant":
                at[v] = np.asarray(v.data)
            elif v not in at:
                at[v] = translated(v, [at[x] if isinstance(x, Value) else x for x in v.inputs], flags)
        wrong = jnp.any(jnp.stack(flags)) if flags else jnp.zeros((), jnp.bool_)
        outputs = tuple(jnp.asarray(at[v]) for v in self.program.outputs)
        arrays = tuple(jnp.asarray(at[v]) for _, v in self.changed)
        return outputs, arrays, tuple(jnp.asarray(at[v]) for _, v in self.plan.assigned), wrong

    def prepare(self, states: list[Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Return the step for these arrays, which it reads and writes."""
        with jax.enable_x64(True):
            compiled = self.lowered.compile()

        def step(arguments: Any, numbers: Any) -> tuple[Any, Any]:
            with jax.enable_x64(
                True
            ):  # copies: on a CPU an array of JAX's may lie in the memory it was made from
                given = [[jnp.array(x, copy=True) for x in xs] for xs in (states, arguments, numbers)]
                outputs, arrays, new, wrong = compiled(*given)
                if wrong:
                    raise IndexError(
                        "an index array of the compiled step is out of bounds; nothing was assigned"
                    )
                for (place, _), array in zip(self.changed, arrays, strict=True):
                    np.copyto(states[place], np.asarray(array))
                return tuple(map(_fetched, outputs)), tuple(map(_fetched, new))

        return step


def _fetched(x: Any) -> Any:
    """Return an array of the caller's own, a NumPy number where it has no axes."""
    return np.array(x)[()]
