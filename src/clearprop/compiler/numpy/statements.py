"""One value as one line of Python: names, operators on NumPy scalars, calls that write into buffers."""

from __future__ import annotations

import keyword as words
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.numpy.bundles import rows_of
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import LINE, Plan, all_of, empty, side_by_side
from clearprop.compiler.program.core import indices, ufunc_of
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import layout
from clearprop.registry import ops

_OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<",
    "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
_OF_FLOATS = {**_OPERATORS, "power": "**"}
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


_DOWN = ("max", "min", "sum")  # reducers that NumPy takes down the columns a vector at a time


class Statements:
    """The lines of a program's source, written value by value.

    `before` are the lines of `prepare`, run once; `body` those of `step`. `given` holds what the text uses by
    name; `static` the values whose arrays stay where they are.
    """

    plan: Plan
    whole_sums: set[Value]  # reductions to one number, which are scalars and not arrays of one entry

    def __init__(self) -> None:
        self.names: dict[Value, str] = {}
        self.joint: dict[Value, str] = {}  # the arrays that hold several, by each that they hold
        self.taken: set[str] = set()
        self.given: dict[str, Any] = {}
        self.static: set[Value] = set()
        self.before: list[str] = []
        self.body: list[str] = []

    # --- names ----------------------------------------------------------------------------------------------
    def _named(self, v: Value, wanted: str = "") -> str:
        wanted = re.sub(r"\W+", "_", wanted or v.name or "").strip("_")
        if not wanted or wanted[0].isdigit() or words.iskeyword(wanted):
            wanted = f"{'w' if wanted else 'v'}{'_' if wanted else ''}{wanted or v.serial}"
        self.names[v] = self._free(wanted)
        return self.names[v]

    def _free(self, wanted: str) -> str:
        """Take a name that nothing has yet."""
        name, n = wanted, 1
        while name in self.taken:
            n += 1
            name = f"{wanted}_{n}"
        self.taken.add(name)
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
            if x not in self.names:
                self._view(x)  # a line of its own, before its first use
            return self.names[x]
        if isinstance(x, float) and not np.isfinite(x):
            return self._use({"inf": "inf", "-inf": "minus_inf"}.get(repr(x), "nan"), _NUMBERS[repr(x)])
        return f"({x!r})" if isinstance(x, (int, float)) and x < 0 else repr(x)

    # --- one value ------------------------------------------------------------------------------------------
    def _group(self, group: Group) -> None:
        v = group.values[0]
        if group.kind == "sweep":
            self._sweep(group, {x: self._text(x) for x in group.reads if x.shape != ()})
        elif group.kind == "bundle":
            self._bundle(group)
        elif group.kind == "call":
            self._call(v)
        elif v in self.whole_sums:
            self._line(v, f"{self._use(v.op, _REDUCERS[v.op])}({self._text(v.inputs[0])}, None)")
        elif v.shape == ():
            self._line(v, self._scalar(v))
        else:
            self._array(v)

    def _line(self, v: Value, text: str) -> None:
        line = f"{self._named(v)} = {text}"
        self.body.append(f"{line:<64} # {v.shape} {v.dtype}" if v.shape else line)

    def forward(self, v: Value) -> Any:
        """Return the function that a call is one of."""
        return ops[v.op].forward

    def _call(self, v: Value) -> None:
        function = self._use(f"{v.op}_of" if hasattr(np, v.op) else v.op, self.forward(v))
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
        writer = VIEWS.get(v.op, Statements._call_of_the_row)
        text = writer(self, v, [self._text(x)], "")
        fixed = x in self.static and v.shape != ()
        line = f"{self._named(v)} = {text}"
        (self.before if fixed else self.body).append(line)
        if fixed:
            self.static.add(v)

    def _scalar(self, v: Value) -> str:
        """A value without axes: Python's operators on NumPy scalars, which cost less than a ufunc call."""
        xs = [self._text(x) for x in v.inputs]
        if v.op in NUMBERS:
            return NUMBERS[v.op](self, v, xs, "")
        if v.reduces:
            return f"{self._use(v.op, _REDUCERS[v.op])}({xs[0]})"
        sign = (_OF_FLOATS if v.dtype.kind == "f" else _OPERATORS).get(v.op)
        if sign:
            return f"{xs[0]} {sign} {xs[1]}"
        return f"{self._use(v.op, ufunc_of(v.op))}({', '.join(xs)})"

    def _buffer(self, v: Value) -> str:
        """Name the array that a value is written to ('' where it is made anew for the caller)."""
        if v in self.plan.fresh:
            return ""
        home = self.plan.home(v)
        name = self._named(v)
        self.static.add(v)
        if home.kind == "state":
            place = self.names[home] + (f".reshape({v.shape})" if v.shape != home.shape else "")
        else:
            low = self.plan.offsets[home]
            dtype = self._use(v.dtype.name, v.dtype.type)
            place = f"arena[{low}:{low + v.nbytes}].view({dtype}).reshape({v.shape})"
        self.before.append(f"{name} = {place}")
        return name

    def _array(self, v: Value) -> None:
        xs = [self._text(x) for x in v.inputs]
        out = self._buffer(v)
        writer = WRITERS.get(v.op)
        if writer is None:
            families = {"elementwise": Statements._mapped, "reduce": Statements._reduced}
            writer = families.get(v.core.family, Statements._call_of_the_row)
        text = writer(self, v, xs, out)
        if out:
            self.body.append(f"{text:<64} # {v.shape} {v.dtype}")
        else:
            self._line(v, text)

    # --- writers: one for a family of core ops, or for an op ------------------------------------------------
    def _call_of_the_row(self, v: Value, xs: list[str], out: str) -> str:
        """An op without a writer: the NumPy call of its row."""
        run = self._use(f"{v.op}_{v.serial}", lambda *arrays: v.core.run(v, list(arrays)))
        text = f"{run}({', '.join(xs)})"
        return f"{self._use('copyto', np.copyto)}({out}, {text})" if out else text

    def _mapped(self, v: Value, xs: list[str], out: str) -> str:
        inside = [*xs, *([_keyword(v.op) + out] if out else [])]
        return f"{self._use(v.op, ufunc_of(v.op))}({', '.join(inside)})"

    def _reduced(self, v: Value, xs: list[str], out: str) -> str:
        axes: Any = v.attrs["axes"]
        axes = axes[0] if len(axes) == 1 else axes
        name = self._use(v.op, _REDUCERS[v.op])
        if self._turns_over(v) and out:
            x = v.operands[0]
            turned = self._free("turned")
            dtype = self._use(x.dtype.name, x.dtype.type)
            self.before.append(f"{turned} = {self._use('empty', empty)}({x.shape[::-1]}, {dtype})")
            return f"{self._use('down', _down)}({name}, {xs[0]}, {turned}, {out})"
        if v.core.better:
            return f"{name}({xs[0]}, {axes}, {out or None}, keepdims=True)"
        return f"{name}({xs[0]}, {axes}, None, {out or None}, True)"

    def _cast(self, v: Value, xs: list[str], out: str) -> str:
        if out:
            return f"{self._use('copyto', np.copyto)}({out}, {xs[0]}, 'unsafe')"
        return f"{xs[0]}.astype({self._use(v.dtype.name, v.dtype.type)})"

    def _copied(self, v: Value, xs: list[str], out: str) -> str:
        return f"{self._use('copyto', np.copyto)}({out}, {xs[0]})" if out else f"{xs[0]}.copy()"

    def _summed_along(self, v: Value, xs: list[str], out: str) -> str:
        return f"{self._use('cumsum', np.cumsum)}({xs[0]}, {v.attrs['axis']}, None, {out or None})"

    def _joined(self, v: Value, xs: list[str], out: str) -> str:
        into = f", {out}" if out else ""
        return f"{self._use('concatenate', np.concatenate)}(({', '.join(xs)}), {v.attrs['axis']}{into})"

    def _product(self, v: Value, xs: list[str], out: str) -> str:
        function = "matmul"
        made: Callable[..., Any] = np.matmul
        if len(v.shape) == 2 and all(len(x.shape) == 2 for x in v.operands):
            function, made = ("dot", np.dot) if v.size < FILLED else ("product", _product)
        return f"{self._use(function, made)}({', '.join([*xs, *([out] if out else [])])})"

    def _in_shape(self, v: Value, xs: list[str], out: str) -> str:
        number = () in (v.shape, v.inputs[0].shape)
        return f"{xs[0]}.reshape({v.shape})" + ("[()]" if number else "")

    def _axes_turned(self, v: Value, xs: list[str], out: str) -> str:
        return f"{xs[0]}.T" if v.attrs["axes"] == (1, 0) else f"{xs[0]}.transpose({v.attrs['axes']})"

    def _cut(self, v: Value, xs: list[str], out: str) -> str:
        return f"{xs[0]}[{', '.join(_bounds(s) for s in indices(v))}]"

    def _repeated(self, v: Value, xs: list[str], out: str) -> str:
        return f"{self._use('broadcast_to', np.broadcast_to)}({xs[0]}, {v.shape})"

    def _number(self, v: Value, xs: list[str], out: str) -> str:
        return f"{self._use(v.dtype.name, v.dtype.type)}({xs[0]})"

    def _one_of_two(self, v: Value, xs: list[str], out: str) -> str:
        return f"{self._use(v.dtype.name, v.dtype.type)}({xs[1]} if {xs[0]} else {xs[2]})"

    @staticmethod
    def _turns_over(v: Value) -> bool:
        """Tell whether many short rows are reduced, each of which would cost as much as a hundred entries."""
        x = v.operands[0]
        last = v.op in _DOWN and len(x.shape) == 2 and v.attrs["axes"] == (1,)
        if v.dtype.name == "float16":
            last = False  # along a row NumPy adds them as float32
        return last and 1 < x.shape[1] <= SHORT and x.shape[0] >= 2 * SHORT and x.dtype == v.dtype

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
        name = self._free(f"{self.names[first]}_and_{len(row) - 1}_more")
        if first.kind == "state":
            self.before.append(f"{name} = {self._use('all_of', all_of)}({self.names[first]})")
        else:
            low, unit = self.plan.offsets[first], first.dtype.itemsize
            _, size = side_by_side([x.size for x in row])
            dtype = self._use(first.dtype.name, first.dtype.type)
            self.before.append(f"{name} = arena[{low}:{low + size * unit}].view({dtype})")
        return name

    def _sweep(self, group: Group, names: dict[Value, str]) -> None:
        """Several values, one stretch of entries after the other; what is used inside only is that short."""
        names |= {v: self._buffer(v) for v in group.stores if v not in names}
        arrays = dict.fromkeys(names.values())
        parts = {v: f"{name}_part" for v, name in names.items()}
        short, lines = self._short_lives(group, parts)
        dtypes = "".join(f"{self._use(dtype.name, dtype.type)}, " for _, dtype in short)
        stretches = self._use("stretches", _stretches)
        cut = self._free("cut")
        self.before.append(f"{cut} = {stretches}(({', '.join(arrays)}, ), ({dtypes}))")
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
                parts.get(x) or self._text(x) if isinstance(x, Value) else self._text(x) for x in v.inputs
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
            function = self._use(v.op, ufunc_of(v.op))
            lines.append(f"{function}({', '.join(inputs)}, {_keyword(v.op)}{parts[v]})")
        return short, lines

    def _where(self, v: Value, xs: list[str], out: str) -> str:
        """A choice into a buffer, which may be that of one of the two."""
        typed = [
            x if isinstance(y, Value) else f"{self._use(v.dtype.name, v.dtype.type)}({x})"
            for x, y in zip(xs, v.inputs, strict=True)
        ]
        if not out:
            return f"{self._use('where', np.where)}({', '.join(typed)})"
        masked = self._masked(v, xs, out)
        if masked:
            return masked
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

    def _masked(self, v: Value, xs: list[str], out: str) -> str:
        """A choice between an array and 0, by bits: `copyto` guesses wrong at every other entry of a mask."""
        c, x, y = v.inputs
        if v.dtype.itemsize not in (4, 8) or v.dtype.kind != "f":
            return ""
        for kept, other, name in ((x, y, xs[1]), (y, x, xs[2])):
            zero = not isinstance(other, Value) and repr(float(other)) == "0.0"
            if zero and isinstance(kept, Value) and kept.shape == v.shape == c.shape:
                function = _keep_where if kept is x else _keep_unless
                return f"{self._use(function.__name__.strip('_'), function)}({xs[0]}, {name}, {out})"
        return ""

    def _lies(self, x: Any) -> Value | None:
        return self.plan.home(layout(x).base) if isinstance(x, Value) else None


Writer = Callable[[Statements, Value, list[str], str], str]
"""Returns the text of a value from those of its inputs, and of the array it is written to ('': a new one)."""

# fmt: off
WRITERS: dict[str, Writer] = {
    "astype": Statements._cast,          "positive": Statements._copied,   "where":  Statements._where,
    "cumsum": Statements._summed_along,  "join":     Statements._joined,   "matmul": Statements._product,
}
VIEWS: dict[str, Writer] = {
    "reshape": Statements._in_shape,     "transpose":    Statements._axes_turned,
    "slice":   Statements._cut,          "broadcast_to": Statements._repeated,
}
NUMBERS: dict[str, Writer] = {
    "astype":  Statements._number,       "where":        Statements._one_of_two,
    "positive": lambda self, v, xs, out: xs[0],
}
# fmt: on


def _keyword(op: str) -> str:
    """How a ufunc is told where to write: by position, which is quicker, but for those that want the name."""
    return "out=" if op in ("maximum", "minimum") or not hasattr(np, op) else ""


_NUMBERS = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def _bounds(s: slice) -> str:
    return f"{s.start}:{'' if s.stop is None else s.stop}" + (f":{s.step}" if s.step != 1 else "")


def _keep_where(mask: Any, x: Any, out: Any) -> None:
    """x where the mask holds and 0 elsewhere, for any x: its bits times one or none."""
    bits = _BITS[x.itemsize]
    np.multiply(x.view(bits), mask, out.view(bits))


def _keep_unless(mask: Any, x: Any, out: Any) -> None:
    """0 where the mask holds and x elsewhere."""
    _keep_where(np.logical_not(mask), x, out)


_BITS = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def _product(x: Any, y: Any, out: Any = None) -> Any:
    """x @ y of matrices: `np.dot` would clear the result first, `np.matmul` of NumPy 2.0 does without BLAS
    where that cannot take a factor as it lies."""
    return np.matmul(x, y, out) if _lies_plain(x) and _lies_plain(y) else np.dot(x, y, out)


def _lies_plain(x: Any) -> bool:
    """Whether the rows of a matrix, or its columns, lie one behind the other."""
    (m, n), (down, along), size = x.shape, x.strides, x.itemsize
    return bool((along == size and down >= n * size) or (down == size and along >= m * size))


def _down(reduce: Any, x: Any, turned: Any, out: Any) -> None:
    """Reduce rows by going down the columns of a copy: NumPy takes each short row by itself."""
    np.copyto(turned, x.T)
    reduce(turned, 0, None, out.T, True)


def _owned(z: Any) -> Any:
    """What a call returned, as arrays of its own: a view of a buffer would change when that is used again."""
    return z.copy() if isinstance(z, np.ndarray) and z.ndim else z


FILLED = 1 << 13  # entries of a product: clearing them first takes longer than the longer call
SHORT = 32  # entries of a row
STRETCH = 1 << 15  # entries: a few such arrays lie in the second-level cache of one core


def _stretches(arrays: tuple[Any, ...], dtypes: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The arrays cut into stretches, with scratch arrays of that length beside them."""
    flat = [a.reshape(-1) for a in arrays]
    n = flat[0].size
    length = -(-n // -(-n // STRETCH) // LINE) * LINE  # equal ones, each from a cache line on
    scratch = [empty((length,), dtype) for dtype in dtypes]
    return [
        (*(a[i : i + length] for a in flat), *(s[: min(length, n - i)] for s in scratch))
        for i in range(0, n, length)
    ]
