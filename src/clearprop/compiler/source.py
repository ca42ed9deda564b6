"""The `numpy` executor: a program as straight-line Python source, NumPy calls that write into planned buffers."""

from __future__ import annotations

import keyword as words
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.builder import indices
from clearprop.compiler.fuse import Call, Group, separate
from clearprop.compiler.ir import REDUCTIONS, VIEWS, Program, State, Value
from clearprop.compiler.memory import ALIGNMENT, Buffer, Plan, layout, plan
from clearprop.registry import ops

_OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "less": "<", "less_equal": "<=",
    "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
_REDUCERS = {
    "sum": np.add.reduce,
    "prod": np.multiply.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
    "any": np.logical_or.reduce,
    "all": np.logical_and.reduce,
    "argmax": np.argmax,
    "argmin": np.argmin,
}


class Source:
    """A program as Python source.

    `text` defines `prepare(states)`, which returns `step(arguments, numbers)`; the views of buffers are
    made once in `prepare`, the calls are in `step`. States without axes are numbers: they come in as
    `numbers` and go out beside the outputs.
    """

    def __init__(self, program: Program) -> None:
        self.program = _without_casts(program)
        self.groups: list[Group] = separate(self.program)
        self.users = self.program.users()
        self.whole_sums = {v for v in self.program.values if self._is_whole_sum(v)}
        dynamic = frozenset(v for v in self.program.values if v.computed and self._is_dynamic(v))
        self.plan: Plan = plan(self.groups, self.program, dynamic)
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.given: dict[str, Any] = {}  # what the text uses by name: functions, constants, dtypes
        self.static: set[Value] = set()
        self.before: list[str] = []
        self.body: list[str] = []
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

    def _is_dynamic(self, v: Value) -> bool:
        """What has no buffer: numbers, and what calls return."""
        return v.kind == "call" or v.shape == () or v in self.whole_sums

    # --- names ----------------------------------------------------------------------------------------------
    def _named(self, v: Value, wanted: str = "") -> str:
        wanted = re.sub(r"\W+", "_", wanted or v.name or "").strip("_")
        if not wanted or wanted[0].isdigit() or words.iskeyword(wanted):
            wanted = f"{'w' if wanted else 'v'}{'_' if wanted else ''}{wanted or v.serial}"
        name, n = wanted, 1
        while name in self.taken:
            n += 1
            name = f"{wanted}_{n}"
        self.taken.add(name)
        self.names[v] = name
        return name

    def _use(self, name: str, thing: Any) -> str:
        """Make a function or dtype known to the text by a name."""
        while name in self.taken and self.given.get(name) is not thing:
            name += "_"
        self.given[name] = thing
        self.taken.add(name)
        return name

    def _text(self, x: Any) -> str:
        if isinstance(x, Value):
            return self.names[x]
        if isinstance(x, float) and not np.isfinite(x):
            return self._use({"inf": "inf", "-inf": "minus_inf"}.get(repr(x), "nan"), _NUMBERS[repr(x)])
        return f"({x!r})" if isinstance(x, (int, float)) and x < 0 else repr(x)

    # --- the whole text -------------------------------------------------------------------------------------
    def _write(self) -> None:
        for name in ("prepare", "step", "states", "arguments", "numbers", "at", "buffer"):
            self.taken.add(name)
        self._inputs()
        for group in self.groups:
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

    # --- one value ------------------------------------------------------------------------------------------
    def _value(self, v: Value, group: Group) -> None:
        if isinstance(group, Call):
            return self._call(v)
        if v.op in VIEWS and v.kind == "op":
            return self._view(v)
        if v in self.whole_sums:
            name = self._use(v.op, _REDUCERS[v.op])
            return self._line(v, f"{name}({self._text(v.inputs[0])}, None)")
        if v.shape == ():
            return self._line(v, self._scalar(v))
        return self._array(v)

    def _line(self, v: Value, text: str) -> None:
        line = f"{self._named(v)} = {text}"
        self.body.append(f"{line:<64} # {v.shape} {v.dtype}" if v.shape else line)

    def _call(self, v: Value) -> None:
        function = (
            self._use(f"{v.op}_of", ops[v.op].forward)
            if hasattr(np, v.op)
            else self._use(v.op, ops[v.op].forward)
        )
        inputs = [self._text(x) for x in v.inputs]
        for key, value in v.attrs.items():
            name = f"{v.op}_{key}_{v.serial}"
            self.given[name] = value
            inputs.append(f"{key}={repr(value) if isinstance(value, (int, str, type(None))) else name}")
        self._line(v, f"{self._use('owned', _owned)}({function}({', '.join(inputs)}))")

    def _view(self, v: Value) -> None:
        x = v.inputs[0]
        if x in self.whole_sums:
            self.names[v] = self.names[x]
            return
        name = self._text(x)
        owner = layout(v).owner
        if v.op == "reshape" and owner is v and x.shape != ():  # a reshape that copies
            into = self._buffer(v)
            self.body.append(
                f"{self._use('copyto', np.copyto)}({into}, {name}.reshape({v.shape}))" if into else ""
            )
            if not into:
                self.body[-1] = f"{self._named(v)} = {name}.reshape({v.shape}).copy()"
            return
        if v.op == "reshape":
            scalar = x.shape == ()
            text = (
                f"{name}.reshape({v.shape})"
                if not (scalar or v.shape == ())
                else f"{name}.reshape({v.shape})[()]"
            )
        elif v.op == "transpose":
            text = f"{name}.T" if v.attrs["axes"] == (1, 0) else f"{name}.transpose({v.attrs['axes']})"
        elif v.op == "slice":
            text = f"{name}[{', '.join(_bounds(s) for s in indices(v))}]"
        else:
            text = f"{self._use('broadcast_to', np.broadcast_to)}({name}, {v.shape})"
        fixed = x in self.static and v.shape != ()
        line = f"{self._named(v)} = {text}"
        (self.before if fixed else self.body).append(line)
        if fixed:
            self.static.add(v)

    def _scalar(self, v: Value) -> str:
        """A value without axes: Python's operators on NumPy scalars, which cost less than a ufunc call."""
        xs = [self._text(x) for x in v.inputs]
        kind = self._use(v.dtype.name, v.dtype.type)
        if v.op == "astype":
            return f"{kind}({xs[0]})"
        if v.op == "where":
            return f"{kind}({xs[1]} if {xs[0]} else {xs[2]})"
        if v.op in REDUCTIONS:
            return f"{self._use(v.op, _REDUCERS[v.op])}({xs[0]})"
        if v.op in _OPERATORS and not (v.op == "power" and v.dtype.kind != "f"):
            return f"{xs[0]} {_OPERATORS[v.op]} {xs[1]}"
        return f"{self._use(v.op, getattr(np, v.op))}({', '.join(xs)})"

    def _buffer(self, v: Value) -> str:
        """Name the array that a value is written to ('' where it is made anew for the caller)."""
        buffer = self.plan.where[v]
        if buffer.output:
            return ""
        name = self._named(v)
        self.static.add(v)
        if buffer.state is not None:
            own = self.state_name(buffer.state)
            self.before.append(f"{name} = {own}.reshape({v.shape})")
        else:
            self.before.append(
                f"{name} = at(buffer_{buffer.number}, {v.shape}, {self._use(v.dtype.name, v.dtype.type)})"
            )
        return name

    def _array(self, v: Value) -> None:
        xs = [self._text(x) for x in v.inputs]
        out = self._buffer(v)
        if v.op == "astype":
            text = (
                f"{self._use('copyto', np.copyto)}({out}, {xs[0]}, 'unsafe')"
                if out
                else f"{xs[0]}.astype({self._use(v.dtype.name, v.dtype.type)})"
            )
        elif v.op == "where":
            text = self._where(v, xs, out)
        elif v.op in REDUCTIONS:
            axes: Any = v.attrs["axes"]
            axes = axes[0] if len(axes) == 1 else axes
            name = self._use(v.op, _REDUCERS[v.op])
            if v.op in ("argmax", "argmin"):
                text = f"{name}({xs[0]}, {axes}, {out or None}, keepdims=True)"
            else:
                text = f"{name}({xs[0]}, {axes}, None, {out or None}, True)"
        else:
            product = v.op == "matmul" and len(v.shape) == 2 and all(len(x.shape) == 2 for x in v.operands)
            function = "dot" if product else v.op
            keyword = "out=" if function in ("maximum", "minimum") else ""
            inside = [*xs, *([keyword + out] if out else [])]
            text = f"{self._use(function, getattr(np, function))}({', '.join(inside)})"
        if out:
            self.body.append(f"{text:<64} # {v.shape} {v.dtype}")
        else:
            self._line(v, text)

    def _where(self, v: Value, xs: list[str], out: str) -> str:
        """A choice into a buffer, which may be that of one of the two."""
        typed = [
            x if isinstance(y, Value) else f"{self._use(v.dtype.name, v.dtype.type)}({x})"
            for x, y in zip(xs, v.inputs, strict=True)
        ]
        if not out:
            return f"{self._use('where', np.where)}({', '.join(typed)})"
        copyto = self._use("copyto", np.copyto)
        lies = [self._lies(x) for x in v.inputs]
        here = self._lies(v)
        if lies[0] == here:
            return f"{copyto}({out}, {self._use('where', np.where)}({', '.join(typed)}))"
        if lies[1] == here:
            return f"{copyto}({out}, {xs[2]}, where={self._use('logical_not', np.logical_not)}({xs[0]}))"
        if lies[2] != here:
            self.body.append(f"{copyto}({out}, {xs[2]})")
        return f"{copyto}({out}, {xs[1]}, where={xs[0]})"

    def _lies(self, x: Any) -> Any:
        if not isinstance(x, Value):
            return None
        owner = layout(x).owner
        if owner.kind == "state":
            return (owner.data.tensor, owner.data.slot, owner.data.place)
        buffer: Buffer | None = self.plan.where.get(owner)
        if buffer is None:
            return owner
        state = buffer.state
        return buffer if state is None else (state.tensor, state.slot, state.place)

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


_NUMBERS = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def _same(a: State, b: State) -> bool:
    return a.tensor is b.tensor and a.slot == b.slot and a.place == b.place


def _bounds(s: slice) -> str:
    return f"{s.start}:{'' if s.stop is None else s.stop}" + (f":{s.step}" if s.step != 1 else "")


def _at(buffer: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """The beginning of a buffer as an array."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape)) * dtype.itemsize
    return buffer[:n].view(dtype).reshape(shape)


def _owned(z: Any) -> Any:
    """What a call returned, as arrays of its own: a view of a buffer would change when that is used again."""
    if isinstance(z, tuple):
        return tuple(_owned(part) for part in z)
    return z.copy() if isinstance(z, np.ndarray) and z.ndim else z


def _without_casts(program: Program) -> Program:
    """Let a product take a mask as it is: NumPy casts on the way."""
    new = Program(list(program.values), list(program.outputs), list(program.assignments))
    for i, v in enumerate(new.values):
        if v.is_ufunc and v.op == "multiply" and len(v.operands) == 2:
            inputs = tuple(_uncast(x, v) for x in v.inputs)
            if inputs != v.inputs and any(x.dtype == v.dtype for x in inputs):
                copy = Value(v.kind, v.shape, v.dtype, v.op, inputs, v.attrs, name=v.name, line=v.line)
                new.values[i] = copy
                new.replace({v: copy})
    new.prune()
    return new


def _uncast(x: Value, v: Value) -> Value:
    inside = x.inputs[0] if x.op == "astype" and x.kind == "op" else x
    return inside if inside.dtype.kind == "b" else x
