"""The `numpy` executor: a program as straight-line Python, NumPy calls that write into planned buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.numpy.bundles import bundles, rows_in
from clearprop.compiler.numpy.statements import WRITERS, Statements
from clearprop.compiler.plan.fuse import LOOPS, Group, Grouping
from clearprop.compiler.plan.memory import Plan, aligned
from clearprop.compiler.plan.prepare import Add, prepared
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout, whole

LARGE = 1 << 16  # entries; a shorter array is in the cache anyway


class NumpySource(Statements):
    """A program as Python source.

    `text` defines `prepare(states)`, which returns `step(arguments, numbers)`; the views of buffers are
    made once in `prepare`, the calls are in `step`. States without axes are numbers: they come in as
    `numbers` and go out beside the outputs. Without `bundle` no arrays need to lie side by side.
    """

    def __init__(self, program: Program, bundle: bool = True) -> None:
        super().__init__()
        self.whole, self.program = program, prepared(program, _without_casts)
        self.users = self.program.users()
        self.whole_sums = {v for v in self.program.values if self._is_whole_sum(v)}
        self.dynamic = frozenset(v for v in self.program.values if v.computed and self._is_dynamic(v))
        self.returned = {layout(v).base for v in self.program.outputs}
        bundled = bundles(self.program, self._plain) if bundle else []
        self.plan = self._planned(bundled)
        rows, misfits = rows_in(self.plan)
        while misfits:  # only a plan tells which arrays are written in place
            bundled = [group for group in bundled if group not in misfits]
            self.plan = self._planned(bundled)
            rows, misfits = rows_in(self.plan)
        self.plan.rows, self.groups = rows, list(self.plan.groups)
        self.plan.overwrite()
        self.plan.pack([[group] for group in self.groups])
        self.slots, self.numbers = self.plan.slots, self.plan.numbers
        self.assigned = [state for state, _ in self.plan.assigned]
        place = {v: i for i, v in enumerate(self.plan.stands)}
        self.rows = [[place[v] for v in row] for row in rows if row[0] in place]
        self._write()

    def _planned(self, bundled: list[Group]) -> Plan:
        """Each value is a call of its own, but for long chains on large arrays, and bundles, which come last.

        Without long chains the program's own order is as good for memory, and a little faster.
        """
        inside = {v for group in bundled for v in group.values}
        found: list[Group] = []
        for group in Grouping(self.program, lambda v: "bundle" if v in inside else self._kind(v)).groups:
            swept = group.kind == "sweep" and len(group.values) > 2
            if group.kind != "bundle":
                found += [group] if swept or group.kind not in LOOPS else map(_alone, group.values)
        if not any(group.kind == "sweep" for group in found):
            place = {v: i for i, v in enumerate(self.program.values)}
            found.sort(key=lambda group: place[group.values[0]])
        return Plan(self.program, found + bundled, self.dynamic)

    def _kind(self, v: Value) -> str:
        if v.kind == "call":
            return "call"
        if not v.is_ufunc and not v.reduces:
            return "product" if v.core.family == "contract" else v.op
        return "sweep" if v.size >= LARGE and self._plain(v) else "loop"

    def _plain(self, v: Value) -> bool:
        """Tell whether a value may be computed in stretches of arrays that stay where they are."""
        if not v.is_ufunc or v.op in WRITERS or v.shape == ():
            return False
        bases = [v, *(layout(x).base for x in v.operands if x.shape != ())]
        return all(x.shape == () or (x.shape == v.shape and whole(x)) for x in v.operands) and not any(
            x.kind == "argument" or x in self.dynamic or x in self.returned for x in bases
        )

    def _is_whole_sum(self, v: Value) -> bool:
        """A reduction to one number: its result is a scalar, not an array of one entry."""
        return (
            v.reduces
            and v.size == 1
            and bool(v.core.combine)
            and len(v.attrs["axes"]) == len(v.operands[0].shape)
            and bool(self.users[v])
            and all(u.is_view and u.shape == () for u in self.users[v])
            and v not in self.program.results
        )

    def _is_dynamic(self, v: Value) -> bool:
        """What has no buffer: numbers, and what calls return."""
        return v.kind == "call" or v.shape == () or v in self.whole_sums

    def apart(self) -> NumpySource:
        """Return the same program without bundles, so that no arrays have to lie side by side."""
        return NumpySource(self.whole, bundle=False)

    @property
    def stages(self) -> list[tuple[list[Group], bool]]:
        """What runs, for `explain`."""
        return [(self.groups, False)]

    # --- the whole text -------------------------------------------------------------------------------------
    def _write(self) -> None:
        for name in ("prepare", "step", "states", "arguments", "numbers", "arena"):
            self.taken.add(name)
        self._inputs()
        for group in self.groups:
            self._group(group)
        self._end()
        head = ["def prepare(states):", *("    " + line for line in self.before), ""]
        step = ["    def step(arguments, numbers):", *("        " + line for line in self.body), ""]
        self.text = "\n".join([*head, *step, "    return step", ""])
        self.code = compile(self.text, "<clearprop step>", "exec")

    def _inputs(self) -> None:
        for v in self.numbers:
            self._named(v)
        for i, v in enumerate(self.plan.stands):
            self.before.append(f"{self._named(v, v.data.name)} = states[{i}]")
            self.static.add(v)
        arguments = self.program.arguments
        for v in arguments:
            self._named(v, v.name or f"x{v.data}")
        for i, v in enumerate(self.program.constants):
            name = self._named(v, f"constant_{i}")
            self.given[name] = v.data[()] if v.shape == () else v.data
            self.static.add(v)
        if arguments:
            self.body.append(", ".join(self.names[v] for v in arguments) + ", = arguments")
        if self.numbers:
            self.body.append(", ".join(self.names[v] for v in self.numbers) + ", = numbers")

    def _end(self) -> None:
        """Copies into states that could not be written in place, and what is returned."""
        for old, v in self.plan.copies:
            value = self._text(v)
            self.body.append(f"{self._use('copyto', np.copyto)}({self.names[old]}, {value})")
        numbers = "".join([f"{self._text(v)}, " for _, v in self.plan.assigned])
        outputs = "".join([f"{self._output(v)}, " for v in self.program.outputs])
        self.body.append(f"return ({outputs}), ({numbers})")

    def _output(self, v: Value) -> str:
        """What the caller may keep: never an array that the next call writes."""
        name = self._text(v)
        return name if v.shape == () or v in self.plan.fresh else f"{name}.copy()"

    # --- running --------------------------------------------------------------------------------------------
    def prepare(self, states: list[Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Return the step for these arrays, which it reads and writes."""
        space: dict[str, Any] = {**self.given, "arena": aligned(self.plan.total)}
        exec(self.code, space)
        step = space.pop("prepare")(states)

        def quiet(arguments: Any, numbers: Any) -> tuple[Any, Any]:
            with np.errstate(all="ignore"):  # infinities and NaN are part of the mathematics
                return step(arguments, numbers)  # type: ignore[no-any-return]

        return quiet


def _alone(v: Value) -> Group:
    kind = "reduction" if v.reduces else "ufunc"
    return Group(kind, v.shape, [v], reads=list(dict.fromkeys(v.operands)), stores=[v])


def _without_casts(v: Value, add: Add) -> Value:
    """Let a product take a mask as it is, since NumPy casts on the way."""
    if v.core.masks and len(v.operands) == 2:
        plain = tuple([_uncast(x) for x in v.inputs])
        if any(x.dtype == v.dtype for x in plain):
            v.inputs = plain
    return v


def _uncast(x: Value) -> Value:
    inside = x.inputs[0] if x.core.casts else x
    return inside if inside.dtype.kind == "b" else x
