"""A Program as statements in plain NumPy: an expression for each value, a name where it is used twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from clearprop.compiler.engines.plain.carried import Carried
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.contents import contents
from clearprop.compiler.program.core import indices, ufunc_of
from clearprop.compiler.program.ir import Program, State, Value, turns_of
from clearprop.compiler.program.naming import free_name
from clearprop.compiler.program.turn import turn
from clearprop.loops.scan import parts
from clearprop.ops.index import ARRAY
from clearprop.registry import ops
from clearprop.ufunc import Ufunc

WIDTH = 88  # of an expression that another is written into
_WHOLE = re.compile(r"(?<![\w.])\d+(?![\w.])")  # such a number may follow the number of rows
FEW = 16  # entries of an array that is written as numbers
LEVELS = {"add": 1, "subtract": 1, "multiply": 2, "divide": 2, "matmul": 2}
"""What is written between its operands, by what it binds as; comparisons bind least."""
SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<", "less_equal": "<=",
    "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip


class PlainFunction:
    """The statements of a program: `lines`, and what they return, `outputs`.

    Arrays that are there before, by the names they have in `weights`, are put into `arrays`; what has no
    translation is put into `missing`, by name, so that all of it can be told at once. `names` are those of
    Tensors by their ids.
    """

    program: Program
    carried: Carried
    arrays: dict[str, Any]
    missing: dict[str, None]

    def __init__(
        self,
        program: Program,
        carried: Carried,
        arrays: dict[str, Any],
        missing: dict[str, None],
        names: Mapping[int, str] | None = None,
    ) -> None:
        self.program, self.carried, self.arrays, self.missing = program, carried, arrays, missing
        self.tensors: dict[int, str] = dict(names or {})
        self.taken: set[str] = set()
        self.lines: list[str] = []
        self.text: dict[Value, str] = {}  # of each value: a name, or an expression that is used once
        self.users: dict[Value, list[Value]] = program.users()
        self.results: set[Value] = set(program.results)
        self.changed: list[str] = []
        self.places: dict[Any, str] = {}  # of the states: how they are read
        self.arguments: list[str] = [self._argument(v) for v in program.arguments]
        for v in program.values:
            self._value(v)
        self.outputs: list[str] = [self._own(v) for v in program.outputs]
        self._assign()

    # --- names ----------------------------------------------------------------------------------------------
    def _free(self, wanted: str) -> str:
        wanted = re.sub(r"\W+", "_", wanted).strip("_") or "v"
        name = free_name(wanted, self.taken, self.carried.taken)
        self.taken.add(name)
        self.carried.taken.add(name)  # what is brought along later is not hidden by it
        return name

    def _argument(self, v: Value) -> str:
        name = v.name if v.name.isidentifier() else f"x{v.data}" if len(self.program.arguments) > 1 else "x"
        self.text[v] = self._free(name)
        return self.text[v]

    def kept(self, name: str, array: Any) -> str:
        """Return how an array of the file is read."""
        free, n = name, 1
        while free in self.arrays:
            n += 1
            free = f"{name}_{n}"
        self.arrays[free] = np.asarray(array)
        return f'weights["{free}"]'

    def state(self, state: State, like: Value) -> str:
        """Return how a state is read, and written at the end."""
        if state.key not in self.places:
            name = self.tensors.get(id(state.tensor), "") + ".grad" * (state.slot == "grad")
            name = name if id(state.tensor) in self.tensors else state.name
            held = contents(state, like.shape, like.dtype)
            self.places[state.key] = self.kept(re.sub(r'["\\\n]', "_", name), held)
        return self.places[state.key]

    # --- one value ------------------------------------------------------------------------------------------
    def _value(self, v: Value) -> None:
        if v.kind == "argument":
            return
        try:
            text = self._written(v)
        except Unlowered as error:
            self.missing[f"{v.op}" + f" ({error})" * (str(error) != v.op)] = None
            text = "None"
        users = self.users[v]
        last = not users and self.program.results.count(v) == self.program.outputs.count(v) == 1
        once = last or (len(users) == 1 and v not in self.results and not v.core.fails)
        if v.kind in ("state", "constant") or (once and len(_WHOLE.sub("00", text)) <= WIDTH):
            self.text[v] = text
        elif users or v in self.results:
            self.text[v] = name = self._free("t")
            self.lines.append(f"{name} = {text}")

    def _written(self, v: Value) -> str:
        if v.kind == "state":
            return self.state(v.data, v)
        if v.kind == "constant":
            return self._constant(v)
        if turns_of(v) is not None:
            return loop(self, v)
        if v.kind == "call":
            return CALLS.get(v.op, PlainFunction._call)(self, v)
        if (writer := WRITERS.get(v.op)) is not None:
            return writer(self, v)
        if v.reduces:
            return self._reduced(v, keep=True)
        return self._mapped(v) if v.is_ufunc else self._call(v)

    def _constant(self, v: Value) -> str:
        if v.shape == () and v.dtype.kind in "biuf":
            return self.carried.of(v.data[()])
        if v.size <= FEW and v.dtype.kind in "biuf":
            return self.carried.of(v.data)
        return self.kept("constant", v.data)

    def at(self, x: Any, level: int = 3) -> str:
        """Return the expression of an input, in brackets where it binds less than what it stands in."""
        text = self.inside(x)
        if not isinstance(x, Value):
            return f"({text})" if text.startswith("-") else text
        binds = LEVELS.get(x.op, 0) if x.op in (*SIGNS, *LEVELS) and x.kind == "op" else 3
        return text if binds >= level or text.isidentifier() else f"({text})"

    def between(self, v: Value, sign: str) -> str:
        """Return two operands with a sign between them, which binds to the left."""
        level = LEVELS.get(v.op, 0)
        a, b = v.inputs
        return f"{self.at(a, max(level, 1))} {sign} {self.at(b, level + 1)}"

    def inside(self, x: Any) -> str:
        """Return the expression of an input where it stands alone, among commas."""
        return self.text[x] if isinstance(x, Value) else self.carried.of(x)

    def held(self, x: Value) -> str:
        """Return the name of an input, computed now: what is written twice is not computed twice."""
        if not self.text[x].isidentifier():
            name = self._free("t")
            self.lines.append(f"{name} = {self.text[x]}")
            self.text[x] = name
        return self.text[x]

    # --- writers: one for a family of core ops, or for an op ------------------------------------------------
    def _mapped(self, v: Value) -> str:
        function = ufunc_of(v.op)
        if v.op in SIGNS:
            return self.between(v, SIGNS[v.op])
        called = self.carried.of(function, v.op) if isinstance(function, Ufunc) else f"np.{v.op}"
        return f"{called}({', '.join(map(self.inside, v.inputs))})"

    def _reduced(self, v: Value, keep: bool) -> str:
        axes = v.attrs["axes"]
        axis = axes[0] if len(axes) == 1 else axes
        every = not keep and len(axes) == len(v.operands[0].shape)
        told = [] if every and not v.core.better else [f"axis={axis}"]
        return f"np.{v.op}({', '.join([self.inside(v.inputs[0]), *told, *['keepdims=True'] * keep])})"

    def _reshaped(self, v: Value) -> str:
        x = v.inputs[0]
        if x.reduces and x.kind == "op" and self.users[x] == [v] and x not in self.results:
            axes = x.attrs["axes"]
            if v.shape == tuple(n for a, n in enumerate(x.shape) if a not in axes):
                return self._reduced(x, keep=False)
        return f"{self.at(x)}.reshape({v.shape})"

    def _sliced(self, v: Value) -> str:
        bounds = [_bounds(s, n) for s, n in zip(indices(v), v.inputs[0].shape, strict=True)]
        while len(bounds) > 1 and bounds[-1] == ":":
            bounds.pop()
        return f"{self.at(v.inputs[0])}[{', '.join(bounds) or '...'}]"

    def _turned(self, v: Value) -> str:
        axes = v.attrs["axes"]
        return self.at(v.inputs[0]) + (".T" if axes == (1, 0) else f".transpose{axes}")

    def _chosen(self, v: Value) -> str:
        xs = [
            self.text[x] if isinstance(x, Value) else self.carried.of(v.dtype.type(x)) for x in v.inputs[1:]
        ]
        return f"np.where({self.inside(v.inputs[0])}, {', '.join(xs)})"

    def _joined(self, v: Value) -> str:
        return f"np.concatenate(({', '.join(map(self.inside, v.inputs))}), axis={v.attrs['axis']})"

    def _picked(self, v: Value) -> str:
        rest = iter(v.inputs[1:])
        form = [self.inside(next(rest)) if e is ARRAY else self._entry(e) for e in v.attrs["index"]]
        return f"{self.at(v.inputs[0])}[{', '.join(form) or '...'}]"

    def _entry(self, e: Any) -> str:
        return _bounds(e, None) if isinstance(e, slice) else self.carried.of(e)

    def _copied(self, v: Value) -> str:
        return f"{self.at(v.inputs[0])}.copy()"

    def _call(self, v: Value) -> str:
        forward = ops[v.op].forward if v.op in ops else getattr(np, v.op)
        told = [f"{key}={self.carried.of(value)}" for key, value in v.attrs.items()]
        return f"{self.carried.of(forward, v.op)}({', '.join([*map(self.inside, v.inputs), *told])})"

    # --- the end --------------------------------------------------------------------------------------------
    def _own(self, v: Value) -> str:
        """What is returned is the caller's: no weight, no argument."""
        x = v
        while x.is_view:
            x = x.inputs[0]
        return f"{self.at(v)}.copy()" if not x.computed else self.text[v]

    def _assign(self) -> None:
        """All that changes does so at once, since the new is computed from the old."""
        pairs = [(self.state(s, v), self._own(v)) for s, v in self.program.assignments]
        pairs = [(place, text) for place, text in pairs if text != f"{place}.copy()"]
        if pairs:
            places, texts = zip(*pairs, strict=True)
            self.changed += places
            self.lines += [f"{', '.join(places)} = (", *(f"    {text}," for text in texts), ")"]
            if len(pairs) == 1:
                self.lines[-3:] = [f"{places[0]} = {texts[0]}"]


WRITERS: dict[str, Callable[[PlainFunction, Value], str]] = {
    "astype": lambda self, v: f"{self.at(v.inputs[0])}.astype({self.carried.of(v.dtype.type)})",
    "where": PlainFunction._chosen,
    "positive": PlainFunction._copied,
    "reshape": PlainFunction._reshaped,
    "transpose": PlainFunction._turned,
    "slice": PlainFunction._sliced,
    "broadcast_to": lambda self, v: f"np.broadcast_to({self.inside(v.inputs[0])}, {v.shape})",
    "matmul": lambda self, v: self.between(v, "@"),
    "cumsum": lambda self, v: f"np.cumsum({self.inside(v.inputs[0])}, axis={v.attrs['axis']})",
    "join": PlainFunction._joined,
}
CALLS: dict[str, Callable[[PlainFunction, Value], str]] = {
    "getitem": PlainFunction._picked,
    "detach": PlainFunction._copied,
    "positive": PlainFunction._copied,
}


def loop(function: PlainFunction, v: Value) -> str:
    """A loop as a loop, one turn as a function inside of the other."""
    turns = turns_of(v)
    if turns is None or not all(isinstance(x, Value) for x in v.inputs):
        raise Unlowered("a loop over numbers that are written out")
    made = PlainFunction(turn(turns.body, v.inputs), function.carried, function.arrays, function.missing)
    name, flat, i = (function._free(word) for word in ("turn", "flat", "i"))
    xs = [function.held(x) for x in v.inputs]
    carried, count, _ = turns.body.given
    carry = [function._free("carry") for _ in range(carried)]
    results = [function._free("found") for _ in turns.body.kinds]
    place = parts(turns)
    rows = [f"{x}[{i}]" for x in xs[carried : carried + count]]
    given = zip([*carry, *rows, *xs[carried + count :]], made.program.arguments, strict=True)
    order = f"{turns.length - 1}, -1, -1" if turns.reverse else f"{turns.length}"
    body = [_part(flat, part, i) + f" = {carry[k]}" for k, part in place.began.items()]
    body.append(
        f"{', '.join(results)}, = {name}({', '.join(f'np.reshape({x}, {a.shape})' for x, a in given)})"
    )
    for k, result in enumerate(results):
        own = f"{result}.reshape({turns.body.kinds[k].shape})"
        if k < carried:
            body.append(f"{carry[k]} = {own}")
        elif k - carried in place.out:
            body.append(_part(flat, place.out[k - carried], i) + f" = {own}")
    function.lines += [f"def {name}({', '.join(made.arguments)}):", *("    " + line for line in made.lines)]
    function.lines.append(f"    return {', '.join(made.outputs)},")
    function.lines += [f"{to} = {x}" for to, x in zip(carry, xs, strict=False)]
    function.lines.append(f"{flat} = np.empty({place.size}, {function.carried.of(turns.dtype)})")
    function.lines += [f"for {i} in range({order}):", *("    " + line for line in body)]
    function.lines += [f"{flat}[{p.start}:{p.stop}] = np.ravel({carry[k]})" for k, p in place.last.items()]
    return flat


def _part(flat: str, part: Any, i: str) -> str:
    return f"{flat}[{part.start}:{part.stop}].reshape({part.shape})[{i}]"


def _bounds(s: slice, n: int | None) -> str:
    start = "" if s.start in (None, 0) else str(s.start)
    stop = "" if s.stop in (None, n) else str(s.stop)
    return f"{start}:{stop}" + (f":{s.step}" if s.step not in (None, 1) else "")
