"""`Xla`: a Program as one function that JAX traces and XLA compiles.

The states are JAX's arrays and stay on the device from call to call (`capture.distance` gives them to
Tensors). Those that a call changes are donated to it, unless `donate=False`, so that XLA writes the new ones
where the old ones lay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from clearprop.compiler.engines.xla.bounds import Bounds
from clearprop.compiler.engines.xla.operators import translated
from clearprop.compiler.engines.xla.places import DevicePlaces
from clearprop.compiler.engines.xla.products import asked
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import Plan
from clearprop.compiler.plan.prepare import prepared
from clearprop.compiler.program.ir import Program, State, Value


class Xla:
    """A Program that XLA runs on JAX's default device, another, or those of a mesh.

    Raises Unlowered for what has no translation. Everything is traced with 64-bit numbers allowed, since each
    dtype is written in the Program. An index out of bounds is an IndexError, and nothing is assigned then:
    `Bounds` says which calls are waited for. `text` is the StableHLO.
    """

    rows: list[list[int]]
    whole: Program
    program: Program
    groups: list[Group]
    plan: Plan
    slots: list[State]
    numbers: list[Value]
    changed: list[tuple[int, Value]]

    def __init__(self, program: Program, where: Any) -> None:
        self.whole, self.program = program, prepared(program, lambda v, add: v)
        self.groups = [
            Group("xla", v.shape, [v], reads=list(dict.fromkeys(v.operands)), stores=[v])
            for v in self.program.values
            if v.computed and not v.is_view
        ]
        self.plan = Plan(self.program, self.groups, frozenset(v for v in self.program.values if v.computed))
        self.slots, self.numbers, self.rows = self.plan.slots, self.plan.numbers, []
        self.assigned: list[State] = [state for state, _ in self.plan.assigned]
        self.reads: list[Value] = list(self.program.states)
        self.changes: list[State] = [state for state, _ in self.program.assignments]
        changed = {state.key for state in self.changes}
        self.donated: list[Value] = [v for v in self.reads if v.data.key in changed]
        self.kept: list[Value] = [v for v in self.reads if v.data.key not in changed]
        self.places: DevicePlaces = DevicePlaces(where)
        self.precision: Any = where.precision
        self.watched: bool = where.check_indices
        self.place: dict[Any, Any] = {v.data.key: self.places.of(v) for v in self.reads}
        parts = (self.donated, self.kept, self.program.arguments)
        self.jitted: Any = jax.jit(
            self._traced,
            in_shardings=tuple([self.places.of(v) for v in part] for part in parts),
            out_shardings=(
                self.places.everywhere,
                tuple(self.places.of_state(s, v.shape) for s, v in self.program.assignments),
                self.places.everywhere,
            ),
            donate_argnums=0 if where.donate else (),
        )
        struct: Any = jax.ShapeDtypeStruct
        like = [[struct(v.shape, v.dtype) for v in part] for part in parts]
        with jax.enable_x64(True):
            self.lowered: Any = self.jitted.lower(*like)
        self.text: Any = self.lowered.as_text()
        self.agreed: bool = not self.places.far  # whether all processes are known to run this program

    @property
    def stages(self) -> list[tuple[list[Group], int]]:
        """What runs, for `explain`: all of it in one."""
        return [(self.groups, 0)]

    def apart(self) -> Xla:
        """Return the same: no arrays lie side by side."""
        return self

    def _traced(self, donated: Any, kept: Any, arguments: Any) -> Any:
        """Compute outputs, what the states become, and whether an index was out of bounds."""
        at: dict[Value, Any] = dict(zip(self.donated, donated, strict=True))
        at.update(zip(self.kept, kept, strict=True))
        at.update(zip(self.program.arguments, arguments, strict=True))
        before = {v.data.key: at[v] for v in self.donated}
        self.bounds = bounds = Bounds(None if self.places.far else self.program, self.watched)
        for v in self.program.values:
            if v.kind == "constant":
                at[v] = np.asarray(v.data)
            elif v not in at:
                with asked(self.precision, v.op):
                    at[v] = translated(v, [at[x] if isinstance(x, Value) else x for x in v.inputs], bounds)
        wrong = jnp.any(jnp.stack(bounds.flags)) if bounds.flags else jnp.zeros((), jnp.bool_)
        new = {state.key: jnp.asarray(at[v]) for state, v in self.program.assignments}
        if bounds.flags:  # what was donated is gone: it comes back as it was
            new |= {key: jnp.where(wrong, old, new[key]) for key, old in before.items()}
        return tuple(jnp.asarray(at[v]) for v in self.program.outputs), tuple(new.values()), wrong

    def sent(self, array: Any, state: State) -> Any:
        """Return what a state holds on its devices: a copy, see `DevicePlaces.sent`."""
        return self.places.sent(array, self.place[state.key])

    def copy(self, array: Any) -> Any:
        """Return another array with the same entries."""
        with jax.enable_x64(True):
            return jnp.array(array, copy=True)

    def refuses(self, arguments: tuple[Any, ...]) -> bool:
        """Tell whether an index that the arguments alone decide is out of bounds: nothing runs then."""
        return self.bounds.are_broken_by(arguments)

    def call(self, states: list[Any], arguments: tuple[Any, ...]) -> tuple[Any, Any, bool]:
        """Run the program on the device: outputs, new states, and whether an index was out of bounds.

        What a state was that changes is gone after it, where it is donated.
        """
        at = dict(zip(self.reads, states, strict=True))
        if not self.agreed:
            self.places.agree(self.text, states)
            self.agreed = True
        with jax.enable_x64(True):
            given = [self.places.sent(x, self.places.of_argument(np.shape(x))) for x in arguments]
            parts = [at[v] for v in self.donated], [at[v] for v in self.kept], given
            outputs, new, wrong = self.jitted(*parts)
        return outputs, new, bool(self.bounds.flags) and bool(wrong)

    def prepare(self, states: list[Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Return the step for these arrays of NumPy's, which it reads: for who looks at single values."""
        keys = [state.key for state in self.slots]

        def step(arguments: Any, numbers: Any) -> tuple[Any, Any]:
            held = dict(zip(keys, states, strict=True))
            held.update(zip((v.data.key for v in self.numbers), numbers, strict=True))
            given = [self.sent(held[v.data.key], v.data) for v in self.reads]
            outputs, new, _ = self.call(given, arguments)
            now = dict(zip((state.key for state in self.changes), new, strict=True))
            return tuple(np.array(x)[()] for x in outputs), tuple(
                np.array(now[s.key])[()] for s in self.assigned
            )

        return step
