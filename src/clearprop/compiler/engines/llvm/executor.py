"""The `llvm` executor: a program as native code, one call for the whole step."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.engines.llvm.doorstep.objects import (
    ARRAY_DATA,
    ARRAY_FLAGS,
    SCALAR_DATA,
    TUPLE_ITEMS,
    arrays_readable,
    checks,
)
from clearprop.compiler.engines.llvm.language.engine import Code
from clearprop.compiler.engines.llvm.language.text import ModuleText
from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.engines.llvm.loops.joining import placed
from clearprop.compiler.engines.llvm.loops.reductions import write_combination
from clearprop.compiler.engines.llvm.plan.outline import LONG, MANY
from clearprop.compiler.engines.llvm.plan.places import TROUBLE, Places
from clearprop.compiler.engines.llvm.plan.pool import cores, pool, share_address
from clearprop.compiler.engines.llvm.plan.prepare import form, kind, why_called
from clearprop.compiler.engines.llvm.plan.regions import SMALL, Beginning, Chain, Region, Stop, regions
from clearprop.compiler.engines.llvm.plan.tables import Tables
from clearprop.compiler.engines.llvm.turns import TURNS, Loop, bounds_alone, loop_of, parted, write_turns
from clearprop.compiler.plan.fuse import Group, Grouping
from clearprop.compiler.plan.prepare import prepared
from clearprop.compiler.program.builder import Unlowered, evaluate
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout, whole

if TYPE_CHECKING:
    from clearprop.compiler.engines.llvm.plan.pool import Workers
    from clearprop.compiler.program.ir import State

Task = tuple[str, int, int, int]  # a chain's function, from which turn to which, and the number of the part


class Native:
    """A program as machine code.

    `slots` are the states with axes, `numbers` and `assigned` those without; `prepare(states)` returns
    `step(arguments, numbers)`, which returns the outputs and the numbers that are assigned. With `varying`
    it is one turn of a loop: so many of its first arguments are the carry, and so many after these entries of
    sequences (see `turns.py`).
    """

    plan: Places
    places: Places
    slots: list[State]
    numbers: list[Value]
    workers: Workers | None
    outputs: Any
    new_numbers: list[Any]
    several: ClassVar[bool] = True  # whether threads are asked to take the parts of what can be shared

    def __init__(
        self, program: Program, threads: int | None = None, varying: tuple[int, int] | None = None
    ) -> None:
        if not arrays_readable():
            raise Unlowered("native code reads arrays, which this interpreter lays out differently")
        if any(v.dtype.kind == "c" for _, v in program.assignments):
            raise Unlowered("native code keeps no complex Tensors")
        self.program: Program = placed(prepared(program, form))
        self.threads: int = cores() if threads is None else threads  # of which no cut depends
        once, each = parted(Grouping(self.program, kind).groups, self.program, varying)
        self.groups: list[Group] = [*once, *each]
        self.loops: dict[Value, Loop] = {}
        for group in self.groups:
            if group.kind == "call":
                group.values[0].why = why_called(group.values[0])
                self._loop(group)
        self.plan = self.places = Places(self.program, self.groups)
        self.places.lasting = [v for group in once for v in group.stores]
        begin = [] if varying is None else [Beginning()]
        parts = [regions(groups, self.places, self.places.home) for groups in (once, each)]
        self.sequence: list[Region | Stop | Beginning] = [*parts[0], *begin, *parts[1]]
        self.places.allocate(self.sequence)
        self.parallel: bool = any(isinstance(r, Region) and r.shared for r in self.sequence)
        self.slots, self.numbers = self.places.slots, self.places.numbers
        self.assigned: list[State] = [s for s, _ in self.places.assigned]
        self.rows: list[list[int]] = []  # loops take each array by itself
        self.entrances: dict[str, Any] = {}  # of the quick calls, once there are some
        self.module: ModuleText = ModuleText()
        self._write()
        self._compile(varying)

    def _compile(self, varying: tuple[int, int] | None) -> None:
        """Make machine code of what was written, in this process."""
        symbols = self._symbols()
        listed = [self.tables.functions()] if self.tables is not None else []
        names = [f"segment{i}" for i in range(len(self.stops) + 1)]
        self.bounds: list[int] = []
        if varying is not None and len(names) == 2:
            self.bounds = bounds_alone(self, varying[0])
            write_turns(self, self.bounds)
            names.append(TURNS)
        self.text: str = "\n".join([*declared(symbols), str(self.module), *listed, *self.segments])
        tables = ["functions"] if self.tables is not None else []
        self.code: Code = Code(self.text, "enter", *names, *tables, symbols=symbols, last=True)
        if self.tables is not None:
            self.tables.link(self.code.address("functions"))
        self.table: NDArray[Any] = np.zeros(len(self.places.table) + 1, np.int64)
        enter = ctypes.CFUNCTYPE(
            ctypes.c_int64,
            ctypes.py_object,
            ctypes.py_object,
            ctypes.py_object,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )
        self._enter = enter(self.code.address("enter"))
        segment = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        self._segments = [segment(self.code.address(name)) for name in names if name != TURNS]

    @property
    def stages(self) -> list[tuple[list[Group], int]]:
        """What runs, for `explain`: groups between barriers, and in how many parts threads share them."""
        return [(item.groups, item.parts if isinstance(item, Region) else 0) for item in self.sequence]

    @property
    def sharers(self) -> int:
        """How many threads take the parts of what is shared, the caller's own among them."""
        workers = pool(self.threads)
        return workers.threads if workers is not None else 1

    def apart(self) -> Native:
        """Return itself: its loops take each array by itself, wherever that lies."""
        return self

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return sum(c.work for r in self.sequence if isinstance(r, Region) for c in r.chains)

    def checks(self) -> str:
        """Say where the conditions of a call are checked, for `explain()`."""
        return checks()

    def quick(self, variant: Any, ordinary: Callable[..., Any], beside: bool) -> Any:
        """Return a call that checks a recording's conditions natively too; None where there can be none."""
        from clearprop.compiler.engines.llvm.doorstep.quick import quick

        return quick(variant, ordinary, beside)

    def _loop(self, group: Group) -> None:
        """Have a loop's turns be native code, where a group is one and they can be."""
        v = group.values[0]
        try:
            found = loop_of(v, self.threads, Native)
        except Unlowered as error:
            v.why = f"{v.why}, for {error}"
            return
        if found is not None:
            self.loops[v], group.kind = found, "turns"

    # --- writing --------------------------------------------------------------------------------------------
    def _write(self) -> None:
        self.segments: list[str] = []
        self.stops: list[Group] = []
        self.tables: Tables | None = None
        pieces = [group for item in self.sequence for group in item.groups]
        if len(pieces) > MANY or sum(len(group.values) for group in pieces) > LONG:
            self._write_tables()
        else:
            self._write_chains()
        self._entry()

    def _symbols(self) -> dict[str, int]:
        """Return where everything lies that the text names and does not have."""
        symbols = {**self.places.symbols, "share": share_address()}
        return symbols if self.tables is None else symbols | self.tables.symbols()

    def _write_tables(self) -> None:
        """Write each distinct piece once, and the order of all as tables."""
        self.tables = tables = Tables(self.module, self.places, from_both_ends)
        body = [fill := "call void @fill(ptr @fills, ptr %data)"]
        for item in self.sequence:
            if isinstance(item, Stop):
                self._segment([*body, *tables.run()])
                self.stops.append(item.group)
                body = [fill] if isinstance(item, Beginning) else []
                continue
            tables.add(item)
            if any(piece.fails for chain in item.chains for piece in chain.pieces):
                body += [*tables.run(), "CHECK"]
        self._segment([*body, *tables.run()], self._copies())

    def _write_chains(self) -> None:
        """Write everything where it is needed: of a short program that is the fastest."""
        body: list[str] = []
        chains = 0
        for number, item in enumerate(self.sequence):
            if isinstance(item, Stop):
                self._segment(body)
                self.stops.append(item.group)
                body = []
                continue
            tasks: list[list[Task]] = []
            endings: list[str] = []
            for chain in item.chains:
                name = f"chain{chains}"
                chains += 1
                self._chain(name, chain)
                tasks.append(
                    [
                        (name, low, high, part)
                        for part, (low, high) in enumerate(itertools.pairwise(chain.bounds))
                    ]
                )
                if len(chain.bounds) > 2:
                    endings += self._combine(chain, name)
            calls = from_both_ends(tasks)
            if item.shared and self.several:
                self._deal(f"region{number}", calls)
                small = "true" if item.work < SMALL else "false"
                body.append(
                    f"call void @share(ptr %control, ptr @region{number}, ptr %data, "
                    f"i64 {len(calls)}, i1 {small})"
                )
            else:
                body += [
                    f"call void @{name}(ptr %data, i64 {low}, i64 {high}, i64 {part})"
                    for name, low, high, part in calls
                ]
            body += endings
            if self.places.checked:
                body.append("CHECK")
        self._segment(body, self._copies())

    def _chain(self, name: str, chain: Chain) -> None:
        function = self.module.function(
            name, "ptr noalias %data, i64 %low, i64 %high, i64 %part", '"prefer-vector-width"="512"'
        )
        low, high, part = (Register(function, f"%{x}", INDEX, 0) for x in ("low", "high", "part"))
        parts = self.places.parts = len(chain.bounds) - 1
        self.places.widest = max(b - a for a, b in zip(chain.bounds, chain.bounds[1:], strict=False))
        for piece in chain.pieces:
            piece.writer.write(function, low, high, part, parts)

    def _combine(self, chain: Chain, name: str) -> list[str]:
        """Write what adds up the parts' shares of the chain's reductions."""
        function = self.module.function(f"{name}.sum", "ptr noalias %data", '"prefer-vector-width"="512"')
        some = False
        for piece in chain.pieces:
            for v in piece.shared:
                write_combination(function, v, self.places, len(chain.bounds) - 1)
                some = True
        return [f"call void @{name}.sum(ptr %data)"] if some else []

    def _deal(self, name: str, calls: list[Task]) -> None:
        function = self.module.function(name, "ptr %data, i64 %task")
        cases = " ".join(f"i64 {i}, label %task{i}" for i in range(len(calls)))
        function.line(f"switch i64 %task, label %out [{cases}]")
        for i, (chain, low, high, part) in enumerate(calls):
            function.begin(f"task{i}")
            function.line(f"call void @{chain}(ptr %data, i64 {low}, i64 {high}, i64 {part})")
            function.line("br label %out")
        function.begin("out")

    def _copies(self) -> list[str]:
        """Write the copies into states that could not be written in place."""
        if not self.places.copies:
            return []
        function = self.module.function("copies", "ptr noalias %data")
        self.module.declare("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
        for old, v in self.places.copies:
            goal, source = (self.places.pointer(function, x) for x in (old, layout(v).base))
            function.line(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {goal}, ptr {source}, i64 {v.nbytes}, i1 false)"
            )
        return ["call void @copies(ptr %data)"]

    def _segment(self, body: list[str], end: list[str] | None = None) -> None:
        """Write a native part."""
        lines = [*body, *(end or [])]
        checks = 0
        for i, line in enumerate(lines):
            if line == "CHECK":  # stop before anything is assigned
                checks += 1
                flag = f"%trouble{checks} = load i64, ptr @{TROUBLE}"
                flag += f"\n  %bad{checks} = icmp ne i64 %trouble{checks}, 0"
                lines[i] = f"{flag}\n  br i1 %bad{checks}, label %end, label %on{checks}\non{checks}:"
        lines.append("br label %end\nend:")
        text = "\n".join("  " + line for line in lines)
        head = f"define void @segment{len(self.segments)}(ptr %data, ptr %control) {{\n"
        self.segments.append(f"{head}{text}\n  ret void\n}}\n")

    def _entry(self) -> None:
        """Write what fills the table from tuples of arrays, and runs the step if it is native throughout."""
        lines = []
        count = 0

        def item(owner: str, place: int) -> str:
            nonlocal count
            count += 1
            lines.append(f"%o{count}.at = getelementptr i8, ptr {owner}, i64 {TUPLE_ITEMS + 8 * place}")
            lines.append(f"%o{count} = load ptr, ptr %o{count}.at")
            return f"%o{count}"

        def put(base: Value, pointer: str) -> None:
            lines.append(f"{pointer}.slot = getelementptr ptr, ptr %data, i64 {self.places.table[base]}")
            lines.append(f"store ptr {pointer}, ptr {pointer}.slot")

        arguments = self.program.arguments
        arrays = [("%arguments", i, v) for i, v in enumerate(arguments)] + [
            ("%fresh", i, v) for i, v in enumerate(self.places.fresh)
        ]
        plain = "true"
        for owner, place, v in arrays:
            array = item(owner, place)
            lines.append(f"{array}.data.at = getelementptr i8, ptr {array}, i64 {ARRAY_DATA}")
            lines.append(f"{array}.data = load ptr, ptr {array}.data.at")
            lines.append(f"{array}.flags.at = getelementptr i8, ptr {array}, i64 {ARRAY_FLAGS}")
            lines.append(f"{array}.flags = load i32, ptr {array}.flags.at")
            lines.append(f"{array}.two = and i32 {array}.flags, 257")  # C order, aligned
            lines.append(f"{array}.good = icmp eq i32 {array}.two, 257")
            lines.append(f"{array}.all = and i1 {plain}, {array}.good")
            plain = f"{array}.all"
            put(v, f"{array}.data")
        for i, v in enumerate(self.numbers):
            number = item("%numbers", i)
            lines.append(f"{number}.data = getelementptr i8, ptr {number}, i64 {SCALAR_DATA}")
            put(v, f"{number}.data")
        run = "call void @segment0(ptr %data, ptr %control)" if not self.stops else ""
        text = "\n".join("  " + line for line in lines)
        self.segments.append(
            "define i64 @enter(ptr %arguments, ptr %numbers, ptr %fresh, ptr %data, ptr %control) {\n"
            f"{text}\n  br i1 {plain}, label %run, label %odd\n"
            f"run:\n  {run}\n  ret i64 0\nodd:\n  ret i64 1\n}}\n"
        )

    # --- running --------------------------------------------------------------------------------------------
    def prepare(self, states: list[Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Return the step for these arrays, which it reads and writes."""
        for v, array in zip(self.places.stands, states, strict=True):
            self.table[self.places.table[v]] = array.ctypes.data
        table = self.table.ctypes.data
        enter = self._enter
        fresh = [(v.shape, v.dtype) for v in self.places.fresh]
        single = [i for i, v in enumerate(self.program.arguments) if v.shape == ()]
        outputs = [self._result(v, states) for v in self.program.outputs]
        numbers_out = [self._array(v, states, ()) for _, v in self.places.assigned]
        workers = pool(self.threads) if self.parallel else None
        control = workers.address if workers is not None else 0
        self.workers, self.outputs, self.new_numbers = workers, outputs, numbers_out  # for the quick call
        whole = not self.stops
        checked = self.places.checked
        views: dict[Any, Any] = {}

        def step(arguments: Any, numbers: Any) -> tuple[Any, Any]:
            if single:
                arguments = tuple([np.asarray(x) if i in single else x for i, x in enumerate(arguments)])
            new = tuple([np.empty(shape, dtype) for shape, dtype in fresh])
            if enter(arguments, numbers, new, table, control):
                arguments = tuple([np.array(x, order="C") for x in arguments])
                enter(arguments, numbers, new, table, control)
            if not whole:
                self._with_calls(arguments, numbers, new, states, control, views)
            elif checked:
                self.check()
            return tuple([make(arguments, new) for make in outputs]), tuple([x[()] for x in numbers_out])

        return step

    def _with_calls(
        self, arguments: Any, numbers: Any, new: Any, states: Any, control: int, views: Any, first: int = 0
    ) -> None:
        """Run the native parts, from the first on, with calls of NumPy and loops between them.

        `views` keeps the arrays of what stays where it is.
        """
        table = self.table.ctypes.data
        made: dict[Value, Any] = dict(zip(self.places.fresh, new, strict=True))
        made |= dict(zip(self.numbers, numbers, strict=True))

        def array(x: Value) -> Any:
            found = views.get(x)
            if found is None:
                found = self._array(x, states, arguments, made)
                base = self.places.home(layout(x).base)
                if x not in made and base not in made and base.kind != "argument":
                    views[x] = found
            return found

        for segment, group in zip(self._segments[first:], self.stops[first:], strict=False):
            segment(table, control)
            self.check()
            v = group.values[0]
            loop = self.loops.get(v)
            if loop is not None:
                latest = views.setdefault((v, "latest"), [])
                loop([array(x) for x in v.inputs], v.attrs["turns"], array(v), latest)
            else:
                np.copyto(array(v), evaluate(v, array))
        self._segments[len(self.stops)](table, control)
        self.check()

    def check(self) -> None:
        """Raise IndexError where an index was out of bounds: the native part ended before it assigned."""
        if self.places.broken():
            raise IndexError("an index array of the compiled step is out of bounds; nothing was assigned")

    def _array(self, v: Value, states: Any, arguments: Any, made: dict[Value, Any] | None = None) -> Any:
        """Return a value as a NumPy array over the memory it lies in."""
        if made and v in made:
            return made[v]
        place = layout(v)
        base = self.places.home(place.base)
        if made and base in made:
            array = np.asarray(made[base])
        elif base.kind == "argument":
            array = np.ascontiguousarray(arguments[base.data])
        elif base.kind == "state":
            array = np.asarray(states[self.places.stands.index(base)])
        else:
            array = self.places.arrays[base]
        if whole(v):
            return array.reshape(v.shape)
        strides = tuple(s * array.itemsize for s in place.strides)
        return np.lib.stride_tricks.as_strided(array.reshape(-1)[place.offset :], v.shape, strides)

    def _result(self, v: Value, states: Any) -> Callable[[Any, Any], Any]:
        """Return what fetches an output, as something that the caller may keep."""
        if v in self.places.fresh:
            i = self.places.fresh.index(v)
            return lambda arguments, new: new[i]
        place = layout(v)
        base = place.base
        if base in self.places.fresh:
            i = self.places.fresh.index(base)
            return lambda arguments, new: self._array(v, states, arguments, {base: new[i]}).copy()[()]
        if v.kind == "argument" or base.kind == "argument":
            return lambda arguments, new: self._array(v, states, arguments).copy()[()]
        if v in self.numbers:
            slot = self.places.table[v]
            return lambda arguments, new: _number_at(int(self.table[slot]), v)
        if base in self.numbers:  # a view of a number: it lies elsewhere at each call
            slot = self.places.table[base]
            return lambda arguments, new: self._array(
                v, states, arguments, {base: _number_at(int(self.table[slot]), base)}
            ).copy()[()]
        array = self._array(v, states, ())
        if v.shape == ():
            return lambda arguments, new: array[()]
        return lambda arguments, new: array.copy()

    # --- showing --------------------------------------------------------------------------------------------
    @property
    def ir(self) -> str:
        """The LLVM IR as it was written, before LLVM's own passes."""
        return self.text


def declared(symbols: dict[str, int]) -> list[str]:
    """Return the lines that make what lies elsewhere known."""
    return [
        "declare void @share(ptr, ptr, ptr, i64, i1)"
        if name == "share"
        else f"@{name} = external global [0 x i8]"
        for name in symbols
    ]


def from_both_ends(chains: list[list[Task]]) -> list[Task]:
    """Order tasks for two cores of which one begins at the front and one at the end.

    Both go through the chains in their order, the first through the first halves, the second through the
    other halves: at the same time they need the same arrays, and each of them the same rows every time.

    >>> a, b = [("a", 0, 4, 0), ("a", 4, 8, 1)], [("b", 0, 4, 0), ("b", 4, 8, 1)]
    >>> [chain + str(part) for chain, low, high, part in from_both_ends([a, b])]
    ['a0', 'b0', 'b1', 'a1']
    """
    front: list[Task] = []
    back: list[Task] = []
    for tasks in chains:
        half = (len(tasks) + (len(front) <= len(back))) // 2
        front += tasks[:half]
        back += tasks[half:]
    return front + back[::-1]


def _number_at(address: int, v: Value) -> Any:
    return np.frombuffer((ctypes.c_char * v.dtype.itemsize).from_address(address), v.dtype)[0]
