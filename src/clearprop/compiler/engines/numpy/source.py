"""The `numpy` executor: a program as straight-line Python, NumPy calls that write into planned buffers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.engines.numpy.bundles import bundles, rows_in
from clearprop.compiler.engines.numpy.statements import Statements
from clearprop.compiler.engines.numpy.writers import WRITERS
from clearprop.compiler.plan.fuse import LOOPS, Group, Grouping
from clearprop.compiler.plan.memory import Plan, aligned
from clearprop.compiler.plan.prepare import Add, prepared
from clearprop.compiler.program.ir import Program, Value, turns_of
from clearprop.compiler.program.layout import layout, whole
from clearprop.compiler.program.rewrite import rewrite
from clearprop.compiler.program.turn import turn
from clearprop.locks import lock
from clearprop.loops.scan import Turns, repeated
from clearprop.registry import ops

if TYPE_CHECKING:
    from clearprop.compiler.program.ir import State

LARGE = 1 << 16  # entries; a shorter array is in the cache anyway
PIECE = 500  # lines of a function: what CPython takes to compile one grows with the square of its lines
_WORD = re.compile(r"\w+")
_ASSIGNED = re.compile(r"((?:\w+, )*\w+,?) = ")


class NumpySource:
    """A program as Python source.

    `text` names the views of buffers, from `states` and an `arena`, and defines `step(arguments, numbers)`
    with the calls: a long one in pieces, which hand names on in a list, `frame`. States without axes are
    numbers: they come in as `numbers` and go out beside the outputs. Without `bundle` no arrays need to lie
    side by side. `called(v)` is the function that a call calls.
    """

    whole: Program
    program: Program
    dynamic: frozenset[Value]
    groups: list[Group]
    slots: list[State]
    numbers: list[Value]
    functions: list[str]

    def __init__(
        self, program: Program, bundle: bool = True, called: Callable[[Value], Any] | None = None
    ) -> None:
        self.whole, self.program = program, prepared(program, _without_casts)
        self.called: Callable[[Value], Any] = called or forward
        self.users: dict[Value, list[Value]] = self.program.users()
        self.whole_sums: set[Value] = {v for v in self.program.values if self._is_whole_sum(v)}
        self.dynamic = frozenset(v for v in self.program.values if v.computed and self._is_dynamic(v))
        self.returned: set[Value] = {layout(v).base for v in self.program.outputs}
        bundled = bundles(self.program, self._plain) if bundle else []
        self.plan: Plan = self._planned(bundled)
        rows, misfits = rows_in(self.plan)
        while misfits:  # only a plan tells which arrays are written in place
            bundled = [group for group in bundled if group not in misfits]
            self.plan = self._planned(bundled)
            rows, misfits = rows_in(self.plan)
        self.plan.rows, self.groups = rows, list(self.plan.groups)
        self.plan.overwrite()
        self.plan.pack([[group] for group in self.groups])
        self.slots, self.numbers = self.plan.slots, self.plan.numbers
        self.assigned: list[State] = [state for state, _ in self.plan.assigned]
        place = {v: i for i, v in enumerate(self.plan.stands)}
        self.rows: list[list[int]] = [[place[v] for v in row] for row in rows if row[0] in place]
        self.lines: Statements = Statements(self.plan, self.whole_sums, self.called)
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
        return NumpySource(self.whole, False, self.called)

    @property
    def stages(self) -> list[tuple[list[Group], int]]:
        """What runs, for `explain`."""
        return [(self.groups, 0)]

    # --- the whole text -------------------------------------------------------------------------------------
    def _write(self) -> None:
        for name in ("step", "states", "arguments", "numbers", "arena", "frame"):
            self.lines.taken.add(name)
        self._inputs()
        for group in self.groups:
            self.lines.group(group)
        self._end()
        pieces = self._pieces()
        self.kept: int = 0  # how many names the pieces hand on
        if len(pieces) > 1:
            self._hand_on(pieces)
        self.functions = (
            ["step"] if len(pieces) == 1 else [self.lines.free(f"step_{i}") for i in range(len(pieces))]
        )
        given = "arguments, numbers" + ", frame" * (len(pieces) > 1)
        lines = list(self.lines.before)
        for name, piece in zip(self.functions, pieces, strict=True):
            lines += ["", f"def {name}({given}):", *("    " + line for line in piece)]
        self.text: str = "\n".join([*lines, ""])
        self.code: Any = compile(self.text, "<clearprop step>", "exec")

    def _pieces(self) -> list[list[str]]:
        """Cut the step's lines into pieces, before lines that begin a statement."""
        pieces: list[list[str]] = [[]]
        for line in self.lines.body:
            if len(pieces[-1]) >= PIECE and not line.startswith(" "):
                pieces.append([])
            pieces[-1].append(line)
        return pieces

    def _hand_on(self, pieces: list[list[str]]) -> None:
        """Let a piece leave in `frame` what later ones use, and these take it from there."""
        made = {
            name: i
            for i, piece in enumerate(pieces)
            for line in piece
            if (found := _ASSIGNED.match(line))
            for name in _WORD.findall(found[1])
        }
        used = [dict.fromkeys(word for line in piece for word in _WORD.findall(line)) for piece in pieces]
        taken = [[x for x in words if made.get(x, i) < i] for i, words in enumerate(used)]
        place = {x: k for k, x in enumerate(dict.fromkeys(x for names in taken for x in names))}
        left: list[list[str]] = [[] for _ in pieces]
        for x in place:
            left[made[x]].append(x)
        for piece, take, leave in zip(pieces, taken, left, strict=True):
            piece[:0] = [f"{x} = frame[{place[x]}]" for x in take]
            piece += [f"frame[{place[x]}] = {x}" for x in leave]
        self.kept = len(place)

    def _inputs(self) -> None:
        for v in self.numbers:
            self.lines.named(v)
        for i, v in enumerate(self.plan.stands):
            self.lines.before.append(f"{self.lines.named(v, v.data.name)} = states[{i}]")
            self.lines.static.add(v)
        arguments = self.program.arguments
        for v in arguments:
            self.lines.named(v, v.name or f"x{v.data}")
        for i, v in enumerate(self.program.constants):
            name = self.lines.named(v, f"constant_{i}")
            self.lines.given[name] = v.data[()] if v.shape == () else v.data
            self.lines.static.add(v)
        if arguments:
            self.lines.body.append(", ".join(self.lines.names[v] for v in arguments) + ", = arguments")
        if self.numbers:
            self.lines.body.append(", ".join(self.lines.names[v] for v in self.numbers) + ", = numbers")

    def _end(self) -> None:
        """Copies into states that could not be written in place, and what is returned."""
        for old, v in self.plan.copies:
            value = self.lines.text(v)
            self.lines.body.append(f"{self.lines.use('copyto', np.copyto)}({self.lines.names[old]}, {value})")
        numbers = "".join([f"{self.lines.text(v)}, " for _, v in self.plan.assigned])
        outputs = "".join([f"{self._output(v)}, " for v in self.program.outputs])
        self.lines.body.append(f"return ({outputs}), ({numbers})")

    def _output(self, v: Value) -> str:
        """What the caller may keep: never an array that the next call writes."""
        name = self.lines.text(v)
        return name if v.shape == () or v in self.plan.fresh else f"{name}.copy()"

    # --- running --------------------------------------------------------------------------------------------
    def prepare(self, states: list[Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Return the step for these arrays, which it reads and writes."""
        space: dict[str, Any] = {**self.lines.given, "arena": aligned(self.plan.total), "states": states}
        exec(self.code, space)
        steps = [space[name] for name in self.functions]
        used = {"__builtins__"}.union(*(step.__code__.co_names for step in steps))
        for name in space.keys() - used:  # what only arrays were made from, and the functions
            del space[name]
        kept, (step, *more) = self.kept, steps

        def piecewise(arguments: Any, numbers: Any) -> tuple[Any, Any]:
            frame, result = [None] * kept, None
            for piece in steps:
                result = piece(arguments, numbers, frame)
            return result  # type: ignore[return-value]

        quiet = np.errstate(all="ignore")  # infinities and NaN are part of the mathematics
        return quiet(piecewise if more else step)  # a function so called is begun sooner than a `with` block


def forward(v: Value) -> Any:
    """Return what a call calls: the op's own function, or of a loop what repeats the plan of one turn."""
    turns = turns_of(v)
    if turns is None or not all(isinstance(x, Value) for x in v.inputs):
        return ops[v.op].forward
    program, _ = rewrite(turn(turns.body, v.inputs))
    source = NumpySource(program, bundle=False)
    v.why = f"{turns.length} turns, each {len(source.groups)} calls"
    return Repeated(source)


class Repeated:
    """A loop as calls of the plan of one turn."""

    def __init__(self, source: NumpySource) -> None:
        self.step: Callable[..., Any] = source.prepare([])
        self.shapes: list[Any] = [v.shape for v in source.program.arguments]
        self.lock: Any = lock()

    def __call__(self, *inputs: Any, turns: Turns) -> Any:
        """Return what the loop returns."""
        first = sum(turns.body.given[:2])
        outside = [np.reshape(x, s) for x, s in zip(inputs[first:], self.shapes[first:], strict=True)]

        def one(carry: list[Any], entries: list[Any]) -> list[Any]:
            given = zip((*carry, *entries), self.shapes, strict=False)
            found, _ = self.step((*(np.reshape(x, shape) for x, shape in given), *outside), ())
            return [x.reshape(kind.shape) for x, kind in zip(found, turns.body.kinds, strict=True)]

        with self.lock:
            return repeated(turns, inputs, one)


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
