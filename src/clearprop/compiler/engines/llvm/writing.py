"""The text of a step: chains as functions, the native parts that run them, and the way in from Python."""

from __future__ import annotations

import itertools
from typing import ClassVar

from clearprop.compiler.engines.llvm.doorstep.objects import ARRAY_DATA, ARRAY_FLAGS, SCALAR_DATA, TUPLE_ITEMS
from clearprop.compiler.engines.llvm.language.text import ModuleText
from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.engines.llvm.loops.reductions import write_combination
from clearprop.compiler.engines.llvm.plan.outline import LONG, MANY
from clearprop.compiler.engines.llvm.plan.places import TROUBLE, Places
from clearprop.compiler.engines.llvm.plan.pool import share_address
from clearprop.compiler.engines.llvm.plan.regions import SMALL, Beginning, Chain, Region, Stop
from clearprop.compiler.engines.llvm.plan.tables import Tables
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout

Task = tuple[str, int, int, int]  # a chain's function, from which turn to which, and the number of the part


class StepText:
    """The LLVM IR of a program whose order and places are known.

    `segments` are the native parts, between them stand the `stops`: calls of NumPy and loops. `tables` holds
    the order of the pieces of a long program.
    """

    several: ClassVar[bool] = True  # whether threads are asked to take the parts of what can be shared

    def __init__(self, program: Program, places: Places, sequence: list[Region | Stop | Beginning]) -> None:
        self.program: Program = program
        self.places: Places = places
        self.sequence: list[Region | Stop | Beginning] = sequence
        self.module: ModuleText = ModuleText()
        self.segments: list[str] = []
        self.stops: list[Group] = []
        self.tables: Tables | None = None
        self.write()

    def write(self) -> None:
        """Write the native parts, and what enters them."""
        pieces = [group for item in self.sequence for group in item.groups]
        if len(pieces) > MANY or sum(len(group.values) for group in pieces) > LONG:
            self._write_tables()
        else:
            self._write_chains()
        self._entry()

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
        for i, v in enumerate(self.places.numbers):
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

    @property
    def symbols(self) -> dict[str, int]:
        """Return where everything lies that the text names and does not have."""
        symbols = {**self.places.symbols, "share": share_address()}
        return symbols if self.tables is None else symbols | self.tables.symbols()


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
