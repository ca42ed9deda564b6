"""The `numpy` executor: a program as straight-line Python, NumPy calls that write into planned buffers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.ir import REDUCTIONS, Program, State, Value
from clearprop.compiler.layout import contiguous
from clearprop.compiler.memory import ALIGNMENT, Plan, layout, plan
from clearprop.compiler.pieces import Group, Loop, Sweep, separate
from clearprop.compiler.statements import Statements

LARGE = 1 << 18  # entries; a shorter array is in the cache anyway


class Source(Statements):
    """A program as Python source.

    `text` defines `prepare(states)`, which returns `step(arguments, numbers)`; the views of buffers are
    made once in `prepare`, the calls are in `step`. States without axes are numbers: they come in as
    `numbers` and go out beside the outputs.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = _without_casts(program)
        self.users = self.program.users()
        self.whole_sums = {v for v in self.program.values if self._is_whole_sum(v)}
        dynamic = frozenset(v for v in self.program.values if v.computed and self._is_dynamic(v))
        self.groups: list[Group] = separate(self.program, lambda loop: self._sweeps(loop, dynamic))
        self.plan: Plan = plan(self.groups, self.program, dynamic)
        self.arrays: dict[Value, str] = {}
        self.slots: list[State] = []  # the states whose arrays `prepare` is given, in order
        self.numbers: list[Value] = []  # the states without axes, read at each call
        self.assigned: list[State] = []  # the states without axes that get a number back
        self._write()

    def _is_whole_sum(self, v: Value) -> bool:
        """A reduction to one number: its result is a scalar, not an array of one entry."""
        return (
            v.kind == "op"
            and v.op in REDUCTIONS
            and v.size == 1
            and v.op[:3] != "arg"
            and len(v.attrs["axes"]) == len(v.operands[0].shape)
            and bool(self.users[v])
            and all(u.op == "reshape" and u.shape == () for u in self.users[v])
            and v not in self.program.results
        )

    def _sweeps(self, loop: Loop, dynamic: frozenset[Value]) -> bool:
        """Whether a loop is worth running in stretches: long chains on large arrays that stay in place."""
        outputs = {layout(v).owner for v in self.program.outputs}
        steady = all(
            x.shape == () or (x.shape == loop.shape and self._steady(x, dynamic)) for x in loop.reads
        )
        return (
            len(loop.values) > 2
            and math.prod(loop.shape) >= LARGE
            and all(
                v.is_ufunc and v.op not in ("where", "astype") and v.shape == loop.shape for v in loop.values
            )
            and not any(v in outputs for v in loop.writes)
            and steady
        )

    def _steady(self, x: Value, dynamic: frozenset[Value]) -> bool:
        owner, offset, strides = layout(x)
        outputs = {layout(v).owner for v in self.program.outputs}
        whole = offset == 0 and strides == contiguous(x.shape) and owner.size == x.size
        return whole and owner.kind != "argument" and owner not in dynamic and owner not in outputs

    def _is_dynamic(self, v: Value) -> bool:
        """What has no buffer: numbers, and what calls return."""
        return v.kind == "call" or v.shape == () or v in self.whole_sums

    # --- the whole text -------------------------------------------------------------------------------------
    def _write(self) -> None:
        for name in ("prepare", "step", "states", "arguments", "numbers", "at", "buffer"):
            self.taken.add(name)
        self._inputs()
        for group in self.groups:
            if isinstance(group, Sweep):
                self._sweep(group)
                continue
            for v in group.values:
                self._value(v, group)
        self._end()
        head = ["def prepare(states):", *("    " + line for line in self.before), ""]
        step = ["    def step(arguments, numbers):", *("        " + line for line in self.body), ""]
        self.text = "\n".join([*head, *step, "    return step", ""])
        self.code = compile(self.text, "<clearprop step>", "exec")

    def _inputs(self) -> None:
        read = {(v.data.tensor, v.data.slot, v.data.place): v for v in self.program.states}
        for v in self.program.states:
            if v.shape == ():
                self.numbers.append(v)
                self._named(v)
            else:
                self._slot(v.data, v)
        for state, v in self.program.assignments:
            if v.shape and (state.tensor, state.slot, state.place) not in read:
                self._slot(state, None)
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

    def _slot(self, state: State, v: Value | None) -> None:
        """A state's own array, by name."""
        probe = v if v is not None else Value("state", (), np.dtype(bool), data=state)
        name = self._named(probe, state.name)
        self.before.append(f"{name} = states[{len(self.slots)}]")
        self.slots.append(state)
        if v is not None:
            self.static.add(v)
        self.arrays[probe] = name

    def state_name(self, state: State) -> str:
        """Return the name of a state's own array."""
        for probe, name in self.arrays.items():
            if probe.data is state or _same(probe.data, state):
                return name
        raise KeyError(state.name)

    def _end(self) -> None:
        """Copies into states that could not be written in place, and what is returned."""
        copies = [(s, v) for s, v in self.plan.copies if v.shape]
        moved: dict[Value, str] = {}
        for _, v in copies:  # two Tensors that swap contents: read both before writing either
            if layout(v).owner.kind == "state" and v not in moved:
                moved[v] = f"{self.names[v]}_old"
                self.body.append(f"{moved[v]} = {self.names[v]}.copy()")
        for state, v in copies:
            self.body.append(
                f"{self._use('copyto', np.copyto)}({self.state_name(state)}, {moved.get(v, self.names[v])})"
            )
        numbers = []
        for state, v in self.program.assignments:
            if v.shape == ():
                self.assigned.append(state)
                numbers.append(self._text(v))
        outputs = [self._output(v) for v in self.program.outputs]
        self.body.append(
            f"return ({''.join(o + ', ' for o in outputs)}), ({''.join(n + ', ' for n in numbers)})"
        )

    def _output(self, v: Value) -> str:
        """What the caller may keep: never an array that the next call writes."""
        name = self.names[v]
        if v.shape == ():
            return name
        buffer = self.plan.where.get(v)
        return name if buffer is not None and buffer.output else f"{name}.copy()"

    # --- running --------------------------------------------------------------------------------------------
    def prepare(self, states: list[Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Return the step for these arrays, which it reads and writes."""
        arena = np.empty(self.plan.arena + ALIGNMENT, np.uint8)
        start = -arena.ctypes.data % ALIGNMENT
        space: dict[str, Any] = dict(self.given)
        for buffer in self.plan.buffers:
            if buffer.state is None and not buffer.output:
                first = start + buffer.offset
                space[f"buffer_{buffer.number}"] = arena[first : first + buffer.nbytes]
        space["at"] = _at
        exec(self.code, space)
        step = space.pop("prepare")(states)

        def quiet(arguments: Any, numbers: Any) -> tuple[Any, Any]:
            with np.errstate(all="ignore"):  # infinities and NaN are part of the mathematics
                return step(arguments, numbers)  # type: ignore[no-any-return]

        return quiet


def _same(a: State, b: State) -> bool:
    return a.tensor is b.tensor and a.slot == b.slot and a.place == b.place


def _at(buffer: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """The beginning of a buffer as an array."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape)) * dtype.itemsize
    return buffer[:n].view(dtype).reshape(shape)


def _without_casts(program: Program) -> Program:
    """Let a product take a mask as it is, since NumPy casts on the way; the program given is left alone."""
    new: dict[Value, Value] = {}
    for v in program.values:
        inputs = tuple([new[x] if isinstance(x, Value) else x for x in v.inputs])
        if v.is_ufunc and v.op == "multiply" and len(v.operands) == 2:
            plain = tuple(_uncast(x) for x in inputs)
            inputs = plain if any(x.dtype == v.dtype for x in plain) else inputs
        changed = any(x is not y for x, y in zip(inputs, v.inputs, strict=True))
        new[v] = _copied(v, inputs) if changed else v
    copy = Program(
        list(new.values()),
        [new[v] for v in program.outputs],
        [(state, new[v]) for state, v in program.assignments],
    )
    copy.prune()
    return copy


def _copied(v: Value, inputs: tuple[Any, ...]) -> Value:
    return Value(v.kind, v.shape, v.dtype, v.op, inputs, v.attrs, v.data, v.name, v.line)


def _uncast(x: Value) -> Value:
    inside = x.inputs[0] if x.op == "astype" and x.kind == "op" else x
    return inside if inside.dtype.kind == "b" else x
