"""One value as one line of Python: names, operators on NumPy scalars, calls that write into buffers."""

from __future__ import annotations

import keyword as words
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.engines.numpy.bundles import rows_of
from clearprop.compiler.engines.numpy.writers import (
    FAMILIES,
    FLOATS,
    NUMBERS,
    REDUCERS,
    VIEWS,
    WRITERS,
    call_of_the_row,
    keyword,
    owned,
    stretches,
)
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import Plan, all_of, side_by_side
from clearprop.compiler.program.core import ufunc_of
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import layout
from clearprop.compiler.program.naming import free_name

_OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<",
    "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
_OF_FLOATS = {**_OPERATORS, "power": "**"}


class Statements:
    """The lines of a program's source, written value by value.

    `before` are the lines of `prepare`, run once; `body` those of `step`. `given` holds what the text uses by
    name; `static` the values whose arrays stay where they are. `forward(v)` is the
    function that a call is one of.
    """

    plan: Plan
    forward: Callable[..., Any]

    def __init__(self, plan: Plan, whole_sums: set[Value], forward: Callable[[Value], Any]) -> None:
        self.plan, self.forward = plan, forward
        self.whole_sums: set[Value] = whole_sums  # reductions to one number: scalars, not arrays of one entry
        self.names: dict[Value, str] = {}
        self.joint: dict[Value, str] = {}  # the arrays that hold several, by each that they hold
        self.taken: set[str] = set()
        self.given: dict[str, Any] = {}
        self.static: set[Value] = set()
        self.before: list[str] = []
        self.body: list[str] = []

    # --- names ----------------------------------------------------------------------------------------------
    def named(self, v: Value, wanted: str = "") -> str:
        """Give a value a name that nothing has yet."""
        wanted = re.sub(r"\W+", "_", wanted or v.name or "").strip("_")
        if not wanted or wanted[0].isdigit() or words.iskeyword(wanted):
            wanted = f"{'w' if wanted else 'v'}{'_' if wanted else ''}{wanted or v.serial}"
        self.names[v] = self.free(wanted)
        return self.names[v]

    def free(self, wanted: str) -> str:
        """Take a name that nothing has yet."""
        name = free_name(wanted, self.taken)
        self.taken.add(name)
        return name

    def use(self, name: str, thing: Any) -> str:
        """Make a function or dtype known to the text by a name."""
        while name in self.taken and self.given.get(name) is not thing:
            name += "_"
        self.given[name] = thing
        self.taken.add(name)
        return name

    def text(self, x: Any) -> str:
        """Return what stands for an input: the name of its array, or a number."""
        if isinstance(x, Value):
            if x not in self.names:
                self._view(x)  # a line of its own, before its first use
            return self.names[x]
        if isinstance(x, float) and not np.isfinite(x):
            return self.use({"inf": "inf", "-inf": "minus_inf"}.get(repr(x), "nan"), FLOATS[repr(x)])
        return f"({x!r})" if isinstance(x, (int, float)) and x < 0 else repr(x)

    # --- one value ------------------------------------------------------------------------------------------
    def group(self, group: Group) -> None:
        """Write the lines of one group."""
        v = group.values[0]
        if group.kind == "sweep":
            self._sweep(group, {x: self.text(x) for x in group.reads if x.shape != ()})
        elif group.kind == "bundle":
            self._bundle(group)
        elif group.kind == "call":
            self._call(v)
        elif v in self.whole_sums:
            self._line(v, f"{self.use(v.op, REDUCERS[v.op])}({self.text(v.inputs[0])}, None)")
        elif v.shape == ():
            self._line(v, self._scalar(v))
        else:
            self._array(v)

    def _line(self, v: Value, text: str) -> None:
        line = f"{self.named(v)} = {text}"
        self.body.append(f"{line:<64} # {v.shape} {v.dtype}" if v.shape else line)

    def _call(self, v: Value) -> None:
        function = self.use(f"{v.op}_of" if hasattr(np, v.op) else v.op, self.forward(v))
        inputs = [self.text(x) for x in v.inputs]
        for key, value in v.attrs.items():
            name = f"{v.op}_{key}_{v.serial}"
            self.given[name] = value
            inputs.append(f"{key}={repr(value) if isinstance(value, (int, str, type(None))) else name}")
        self._line(v, f"{self.use('owned', owned)}({function}({', '.join(inputs)}))")

    def _view(self, v: Value) -> None:
        x = v.inputs[0]
        if x in self.whole_sums:
            self.names[v] = self.names[x]
            return
        writer = VIEWS.get(v.op, call_of_the_row)
        text = writer(self, v, [self.text(x)], "")
        fixed = x in self.static and v.shape != ()
        line = f"{self.named(v)} = {text}"
        (self.before if fixed else self.body).append(line)
        if fixed:
            self.static.add(v)

    def _scalar(self, v: Value) -> str:
        """A value without axes: Python's operators on NumPy scalars, which cost less than a ufunc call."""
        xs = [self.text(x) for x in v.inputs]
        if v.op in NUMBERS:
            return NUMBERS[v.op](self, v, xs, "")
        if v.reduces:
            return f"{self.use(v.op, REDUCERS[v.op])}({xs[0]})"
        sign = (_OF_FLOATS if v.dtype.kind == "f" else _OPERATORS).get(v.op)
        if sign:
            return f"{xs[0]} {sign} {xs[1]}"
        return f"{self.use(v.op, ufunc_of(v.op))}({', '.join(xs)})"

    def _buffer(self, v: Value) -> str:
        """Name the array that a value is written to ('' where it is made anew for the caller)."""
        if v in self.plan.fresh:
            return ""
        home = self.plan.home(v)
        name = self.named(v)
        self.static.add(v)
        if home.kind == "state":
            place = self.names[home] + (f".reshape({v.shape})" if v.shape != home.shape else "")
        else:
            low = self.plan.offsets[home]
            dtype = self.use(v.dtype.name, v.dtype.type)
            place = f"arena[{low}:{low + v.nbytes}].view({dtype}).reshape({v.shape})"
        self.before.append(f"{name} = {place}")
        return name

    def _array(self, v: Value) -> None:
        xs = [self.text(x) for x in v.inputs]
        out = self._buffer(v)
        writer = WRITERS.get(v.op)
        if writer is None:
            writer = FAMILIES.get(v.core.family, call_of_the_row)
        text = writer(self, v, xs, out)
        if out:
            self.body.append(f"{text:<64} # {v.shape} {v.dtype}")
        else:
            self._line(v, text)

    def _bundle(self, bundle: Group) -> None:
        """The calls of the first of several sweeps, on the arrays that hold those of all."""
        names: dict[Value, str] = {}
        for row in rows_of(bundle):
            homes = [self.plan.home(x) for x in row]
            if homes[0] not in self.joint:
                self.joint |= dict.fromkeys(homes, self._all_of(homes))
            names[row[0]] = self.joint[homes[0]]
        part = bundle.parts[0]
        read = [x for v in part.values for x in v.operands if x.shape != ()]
        self._sweep(part, {x: names[layout(x).base] for x in read if layout(x).base in names} | names)

    def _all_of(self, row: list[Value]) -> str:
        """Name the array that holds arrays which lie side by side."""
        first = row[0]
        name = self.free(f"{self.names[first]}_and_{len(row) - 1}_more")
        if first.kind == "state":
            self.before.append(f"{name} = {self.use('all_of', all_of)}({self.names[first]})")
        else:
            low, unit = self.plan.offsets[first], first.dtype.itemsize
            _, size = side_by_side([x.size for x in row])
            dtype = self.use(first.dtype.name, first.dtype.type)
            self.before.append(f"{name} = arena[{low}:{low + size * unit}].view({dtype})")
        return name

    def _sweep(self, group: Group, names: dict[Value, str]) -> None:
        """Several values, one stretch of entries after the other; what is used inside only is that short."""
        names |= {v: self._buffer(v) for v in group.stores if v not in names}
        arrays = dict.fromkeys(names.values())
        parts = {v: f"{name}_part" for v, name in names.items()}
        short, lines = self._short_lives(group, parts)
        dtypes = "".join(f"{self.use(dtype.name, dtype.type)}, " for _, dtype in short)
        function = self.use("stretches", stretches)
        cut = self.free("cut")
        self.before.append(f"{cut} = {function}(({', '.join(arrays)}, ), ({dtypes}))")
        held = [*(f"{name}_part" for name in arrays), *(name for name, _ in short)]
        self.body.append(f"for {', '.join(held)}, in {cut}:")
        self.body += ["    " + line for line in lines]

    def _short_lives(self, group: Group, parts: dict[Value, str]) -> tuple[list[Any], list[str]]:
        """The scratch arrays of a sweep, each shared by values that do not meet, and the lines."""
        last = {x: i for i, v in enumerate(group.values) for x in v.operands}
        short: list[tuple[str, Any]] = []
        free: list[tuple[str, Any]] = []
        lines = []
        for i, v in enumerate(group.values):
            inputs = [
                parts.get(x) or self.text(x) if isinstance(x, Value) else self.text(x) for x in v.inputs
            ]
            for x in dict.fromkeys(v.operands):
                if last[x] == i and x in group.values and x not in group.stores:
                    free.append((parts[x], x.dtype))
            if v not in group.stores:
                found = next((slot for slot in free if slot[1] == v.dtype), None)
                if found is None:
                    found = (f"scratch_{len(short)}", v.dtype)
                    short.append(found)
                else:
                    free.remove(found)
                parts[v] = found[0]
            function = self.use(v.op, ufunc_of(v.op))
            lines.append(f"{function}({', '.join(inputs)}, {keyword(v.op)}{parts[v]})")
        return short, lines

    def lies(self, x: Any) -> Value | None:
        """Return the array in whose memory an input lies."""
        return self.plan.home(layout(x).base) if isinstance(x, Value) else None
