"""A Program as the text of a JavaScript function: typed arrays, a loop nest for what shares a loop."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from clearprop.compiler.engines.js import entries
from clearprop.compiler.engines.js.kinds import ARRAYS, code, filled
from clearprop.compiler.engines.js.loops import Loops
from clearprop.compiler.engines.js.writers import writer
from clearprop.compiler.plan.fuse import LOOPS, Group, Grouping, through
from clearprop.compiler.plan.prepare import Add, prepared
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.contents import contents
from clearprop.compiler.program.core import Dtype
from clearprop.compiler.program.ir import Program, Shape, State, Value
from clearprop.compiler.program.layout import across, layout
from clearprop.compiler.program.strides import contiguous
from clearprop.errors import lesson
from clearprop.facts import script_library

PIECE = 24  # statements of a function: an engine does not optimise one that is long


class JavaScript:
    """A Program as JavaScript.

    `text` is an expression, a function of the arrays of the `states`, each a typed array, in their order. It
    returns `{arguments, outputs, run}`: typed arrays to fill, typed arrays to read, and one call of the step,
    which changes the states when all is computed, so that an error has changed nothing. It calls functions of
    `library()`. Raises Unlowered, with the name of an op, for a Program that has no translation.
    """

    shapes: dict[Any, tuple[Any, Any]]

    def __init__(self, program: Program) -> None:
        self.program: Program = prepared(program, _as_it_is)
        self.number: dict[Value, int] = {v: i for i, v in enumerate(self.program.values)}
        self.declared: list[str] = []
        self.functions: dict[str, str] = {}
        self.pieces: list[list[str]] = [[]]
        self.names: dict[Value, str] = {}
        self.states: list[State] = []
        self.order: dict[Any, int] = {}  # the places of the states, by their keys
        self.shapes = {v.data.key: (v.shape, v.dtype) for v in self.program.states}
        self.shapes |= {state.key: (v.shape, v.dtype) for state, v in self.program.assignments}
        self._leaves()
        for group in Grouping(self.program, _kind).groups:
            self._group(group)
        self.text: str = self._text()

    # --- names and places -----------------------------------------------------------------------------------
    def _leaves(self) -> None:
        for v in self.program.arguments:
            self._declare(f"x{v.data}", v)
        for v in self.program.states:
            self.names[v] = self._state(v.data)
            code(v.dtype)
        for i, v in enumerate(self.program.constants):
            self.names[v] = f"k{i}"
            self.declared.append(f"const k{i}={filled(v.data)};")

    def _state(self, state: State) -> str:
        if state.key not in self.order:
            self.order[state.key] = len(self.states)
            self.states.append(state)
        return f"s{self.order[state.key]}"

    def _declare(self, name: str, v: Value) -> str:
        self.names[v] = name
        self.declared.append(f"const {name}=new {ARRAYS[code(v.dtype)]}({v.size});")
        return name

    def result(self, v: Value) -> str:
        """Return the name of the array that a value is computed into, which is made now."""
        return self._declare(f"a{self.number[v]}", v)

    def scratch(self, kind: str, size: int) -> str:
        """Return the name of an array for what is computed on the way."""
        name = f"b{len(self.declared)}"
        self.declared.append(f"const {name}=new {kind}({size});")
        return name

    def place(self, x: Value, shape: Shape | None = None) -> tuple[str, int, tuple[int, ...]]:
        """Return a value's array, offset and strides, along the axes of a space that it broadcasts to."""
        found = layout(x)
        return (
            self.names[found.base],
            found.offset,
            across(found, x.shape, x.shape if shape is None else shape),
        )

    def say(self, *lines: str) -> None:
        """Append statements, which run one after the other."""
        if len(self.pieces[-1]) >= PIECE:
            self.pieces.append([])
        self.pieces[-1] += lines

    # --- groups ---------------------------------------------------------------------------------------------
    def _group(self, group: Group) -> None:
        if group.kind in LOOPS:
            return self._loop(group)
        write = writer(group.values[0])
        return write(self, group.values[0])

    def _loop(self, group: Group) -> None:
        """One loop nest for values of one shape: what is read, what is computed, what is stored."""
        inside, space = set(group.values), group.shape
        reads = list(dict.fromkeys(x for v in group.values for x in v.operands if through(x) not in inside))
        places = [self.place(x, space) for x in reads]
        stored = [(v, self.result(v)) for v in group.stores]
        nest = Loops.over(space, [contiguous(space), *(strides for _, _, strides in places)])
        at = {x: f"r{i}" for i, x in enumerate(reads)}
        lines = [
            f"const r{i}={name}[{nest.index(i + 1, offset)}];" for i, (name, offset, _) in enumerate(places)
        ]
        for v in group.values:
            xs = entries.inputs(v, lambda x: at[x] if x in at else at[through(x)])
            at[v] = f"t{self.number[v]}"
            lines.append(f"const {at[v]}={entries.entry(v, xs, self._define)};")
        lines += [f"{name}[{nest.index(0)}]={at[v]};" for v, name in stored]
        self.say(f"{nest.head}{{{''.join(lines)}}}")

    def _define(self, name: str, text: str) -> None:
        self.functions[name] = text

    # --- the whole text -------------------------------------------------------------------------------------
    def _text(self) -> str:
        assigned = [
            f"{self._state(state)}.set({self.names[layout(v).base]});"
            for state, v in self.program.assignments
        ]
        outputs = ",".join(self._whole(v) for v in self.program.outputs)
        own = [f"const {name}={text};" for name, text in self.functions.items()]
        functions = [f"function p{i}(){{\n" + "\n".join(piece) + "\n}" for i, piece in enumerate(self.pieces)]
        run = "".join(f"p{i}();" for i in range(len(self.pieces)))
        arguments = ",".join(self.names[v] for v in self.program.arguments)
        states = ",".join(f"s{i}" for i in range(len(self.states)))
        return "\n".join(
            [
                f"([{states}])=>{{",
                *own,
                *self.declared,
                *functions,
                f"return {{arguments:[{arguments}],outputs:[{outputs}],run(){{{run}{''.join(assigned)}}}}};",
                "}",
            ]
        )

    def _whole(self, v: Value) -> str:
        """Return the array of an output: a view is copied by the program (`prepared`) or looked at whole."""
        found = layout(v)
        if found.strides == contiguous(v.shape) and found.base.size == v.size:
            return self.names[found.base]
        name = self.scratch(ARRAYS[code(v.dtype)], v.size)
        array, offset, strides = self.place(v)
        nest = Loops.over(v.shape, [contiguous(v.shape), strides])
        self.say(f"{nest.head}{name}[{nest.index(0)}]={array}[{nest.index(1, offset)}];")
        return name


def _as_it_is(v: Value, add: Add) -> Value:
    return v


def _kind(v: Value) -> str:
    return LOOPS[0] if v.is_ufunc else v.core.family


@cache
def library() -> str:
    """Return the functions that printed programs call, among them `cp`, as the text of a script."""
    runtime = (files("clearprop.compiler.engines.js") / "runtime.js").read_text(encoding="utf-8")
    return f"{script_library()}\n{runtime}"


def javascript(program: Program) -> str:
    """Return a Program as an ES module that needs nothing else.

    It exports `make(states)`, the function that `JavaScript.text` is, and `states`, `inputs` and `outputs`:
    what each array is, as `{name, shape, dtype}`, a state with the `data` that it holds now.
    Raises TypeError, naming the op, where there is no translation.
    """
    try:
        made = JavaScript(program)
        states = [
            _described(s.name, *made.shapes[s.key], filled(contents(s, *made.shapes[s.key])))
            for s in made.states
        ]
    except Unlowered as error:
        hint = "an op that is made of others; clearprop/compiler/engines/js has a row for each"
        raise TypeError(
            lesson("javascript()", "prints what has a translation", str(error), hint=hint)
        ) from error
    inputs = [_described(v.name or f"x{v.data}", v.shape, v.dtype) for v in made.program.arguments]
    outputs = [_described(f"output {i}", v.shape, v.dtype) for i, v in enumerate(made.program.outputs)]
    return "\n".join(
        [
            "// A program that clearprop recorded: numbers in typed arrays, and nothing else is needed.",
            library(),
            f"export const states=[{','.join(states)}];",
            f"export const inputs=[{','.join(inputs)}];",
            f"export const outputs=[{','.join(outputs)}];",
            f"export const make={made.text};",
            "",
        ]
    )


def _described(name: str, shape: Shape, dtype: Dtype, data: str = "") -> str:
    facts = json.dumps({"name": name, "shape": list(shape), "dtype": str(dtype)}, ensure_ascii=False)
    return facts if not data else f'{facts[:-1]}, "data": {data}}}'
