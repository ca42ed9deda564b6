"""How a group of values is walked over: which loops, what changes in which, in how many passes over a row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.engines.llvm.language.engine import vector_bytes
from clearprop.compiler.engines.llvm.loops.access import Memory
from clearprop.compiler.engines.llvm.loops.indexing import picking
from clearprop.compiler.plan.fuse import Group, ends, full, is_row, through
from clearprop.compiler.program import ir
from clearprop.compiler.program.layout import Layout, across, layout
from clearprop.compiler.program.strides import contiguous

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import Value

LONG, LONG_COLUMN = 256, 64  # numbers in a lane's turns, and in a column that is added row by row
CHEAP = 6  # instructions: what takes no more is computed anew in a later pass over a row


class Axis:
    """One of the nested loops: how many turns, and how far each array moves per turn."""

    n: int
    steps: dict[Any, int]

    def __init__(self, n: int, steps: dict[Any, int]) -> None:
        self.n, self.steps = n, steps

    def merge(self, inside: Axis) -> bool:
        """Become one loop with the next one inside, where no array notices."""
        if any(self.steps[k] != inside.steps[k] * inside.n for k in self.steps):
            return False
        self.n, self.steps = self.n * inside.n, inside.steps
        return True


class Nest:
    """The loops of one group, as they will be: axes, levels, passes."""

    group: Group
    memory: Memory
    picks: dict[Value, Layout]
    draws: dict[Value, Layout]
    outer: list[Axis]
    inner: list[Axis]

    def __init__(self, group: Group, memory: Memory) -> None:
        self.group, self.memory = group, memory
        self.inside: set[Value] = set(group.values)
        self.leaves: dict[ir.Value, Layout] = {}
        self.picks = {v: layout(v.inputs[0]) for v in group.values if v.core.reads == "picked"}
        self.draws = {v: layout(v.inputs[0]) for v in group.values if v.core.reads == "drawn"}
        for v in group.values:
            for x in v.entries:
                if through(x) not in self.inside:
                    self.leaves[x] = layout(x)
        self.goals: dict[Value, Layout] = {v: layout(v) for v in group.stores}  # where what is stored goes
        self.ending: dict[Value, Any | None] = dict.fromkeys(v for v in group.stores if ends(v, group))
        self.columns: list[Value] = [v for v in self.ending if not full(v)]
        long = [v for v in group.values if self._is_long(v)]
        self.wide: set[Value] = {v for v in long if v.dtype == np.float32 and v.into is None}
        self.blocks: set[Value] = {v for v in long if v.dtype == np.float64 and v.core.combine == "add"}
        self._plan_axes()
        self._plan_passes()

    def _is_long(self, v: ir.Value) -> bool:
        """Tell whether so many numbers are added up that a sum of float32 is kept as float64 until the end.

        NumPy adds in pairs; one after the other the error would grow with the number of entries. Sums of
        float64 are added up by blocks.
        """
        if not v.reduces or v.core.terms is None or v.dtype not in (np.float32, np.float64):
            return False
        return bool(v.inputs[0].size > v.size * (LONG_COLUMN if v in self.columns else LONG))

    # --- planning -------------------------------------------------------------------------------------------
    def _plan_axes(self) -> None:
        """Find the loops: outer ones, and inner ones of which the last is the vector's."""
        group = self.group
        space = group.shape
        steps: dict[Any, tuple[int, ...]] = {x: across(p, x.shape, space) for x, p in self.leaves.items()}
        for v in group.stores:
            steps[v, "store"] = across(self.goals[v], v.shape, space)
        for v in self.picks:
            steps[v, "pick"] = across(Layout(v, 0, picking(v).strides), v.shape, space)
        for v in self.draws:
            steps[v, "draw"] = across(Layout(v, 0, contiguous(v.shape)), v.shape, space)
        axes = [Axis(space[a], {k: s[a] for k, s in steps.items()}) for a in group.order if space[a] != 1]
        inner_count = sum(1 for a in (group.rows or ()) if space[a] != 1)
        outer, inner = axes[: len(axes) - inner_count], axes[len(axes) - inner_count :]
        self.rows: bool = bool(inner_count)
        self.flat: bool = False
        self.unit: int = 1
        if not self.rows and outer:
            flat = Axis(outer[0].n, outer[0].steps)
            if not self.columns and all(flat.merge(a) for a in outer[1:]):
                self.flat, self.unit = True, flat.n // max(outer[0].n, 1) or 1
                outer, inner = [], [flat]
            else:
                while len(outer) > 2 and outer[-2].merge(outer[-1]):
                    outer.pop()
                outer, inner = outer[:-1], outer[-1:]
        while len(inner) > 1 and inner[-2].merge(inner[-1]):
            inner.pop()
        self.outer, self.inner = outer, inner
        self.turns: int = outer[0].n if outer else (inner[0].n // self.unit if self.flat else 1)
        wide = max((x.dtype.itemsize for x in (*group.values, *self.leaves)), default=4)
        lanes = vector_bytes() // (8 if wide == 8 else 4)
        n = inner[-1].n if inner else 0
        self.lanes: int = 0 if not inner else min(lanes, 1 << max(1, (n - 1).bit_length()))
        self.single: bool = bool(inner) and not self.flat and len(inner) == 1 and n <= self.lanes

    def level(self, v: ir.Value) -> int:
        """Return 0: the same throughout; 1: one per turn of the outer loops; 2: changes inside."""
        v = through(v) if through(v) in self.inside else v
        found = self.levels.get(v)
        if found is None:
            if v not in self.inside:
                found = 0
                if any(a.steps[v] for a in self.inner):
                    found = 2
                elif any(a.steps[v] for a in self.outer):
                    found = 1
            elif self.is_row_reduction(v):
                found = 1
            elif v in self.draws:
                found = 2 if self.inner else 0
            else:
                found = max((self.level(x) for x in v.entries), default=0)
                if v in self.picks:
                    own = 2 if any(a.steps[v, "pick"] for a in self.inner) else 0
                    found = max(found, own or (1 if any(a.steps[v, "pick"] for a in self.outer) else 0))
            self.levels[v] = found
        return found

    def is_row_reduction(self, v: ir.Value) -> bool:
        """Tell whether each row has one entry of it, which later passes over the row may need."""
        return self.rows and v.reduces and v in self.inside and not ends(v, self.group)

    def is_row(self, v: ir.Value) -> bool:
        """Tell whether it is the same all along a row."""
        return self.rows and is_row(v.shape, self.group)

    def source(self, v: ir.Value) -> ir.Value:
        """Return what the group computes, for a value that repeats it."""
        source = through(v)
        return source if source in self.inside else v

    def _plan_passes(self) -> None:
        """Say in which pass over a row each value is computed: after the reductions it needs."""
        self.levels: dict[ir.Value, int] = {}
        self.passes: dict[ir.Value, int] = {}
        for v in self.group.values:
            self.level(v)  # in order, so that each finds those of its operands
            needed = 0
            for x in v.entries:
                source = through(x)
                if source in self.inside:
                    after = 1 if self.is_row_reduction(source) else 0
                    needed = max(needed, self.passes[source] + after)
            self.passes[v] = needed
        self.count: int = 1 + max((self.passes[v] for v in self.group.values), default=0)
        users: dict[ir.Value, int] = {}
        for v in self.group.values:
            for x in v.entries:
                source = through(x)
                if source in self.inside:
                    users[source] = max(users.get(source, 0), self.passes[v])
        costs = self._costs() if self.count > 1 else {}
        self.kept: list[Value] = [  # what is costly and needed again in a later pass over the row
            v
            for v, last in users.items()
            if last > self.passes[v] and self.level(v) == 2 and costs[v] > CHEAP and v not in self.goals
        ]

    def _costs(self) -> dict[ir.Value, int]:
        """Return roughly how many instructions each value takes, from what is in memory on."""
        costs: dict[ir.Value, int] = {}
        for v in self.group.values:
            below = [1 if x in self.goals else costs.get(x, 1) for x in map(through, v.entries)]
            costs[v] = min(v.core.cost + sum(below), CHEAP + 1)
        return costs

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        size = math.prod(self.group.shape)
        cost = sum(v.core.cost for v in self.group.values) + len(self.leaves) + len(self.group.stores)
        return size * cost / 20 + 10
