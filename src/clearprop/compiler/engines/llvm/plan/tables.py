"""What runs in which order as tables that small native loops walk: native code is as long as what differs.

    items   a region: its first task, how many, whether cores share them, whether it is small
    tasks   a part of a chain: its first call, how many, the rows from which to which, the part's number
    calls   a piece: its function, and the row of pointers it is given
    rows    addresses
    fills   how many, and for each address of an array that comes with a call: where it goes, what is added

All are 64-bit words. A loop of a thousand steps has long tables, and the code of one step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.language.text import ModuleText, Procedure
from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.engines.llvm.loops.reductions import write_combination
from clearprop.compiler.engines.llvm.plan.outline import Outline
from clearprop.compiler.engines.llvm.plan.places import Places
from clearprop.compiler.engines.llvm.plan.regions import SMALL, Chain, Region

ITEM, TASK, CALL, FILL = 4, 5, 2, 3  # words


class Tables:
    """The rows of a plan's regions; `link` puts addresses into them when the code has some."""

    places: Places
    order: Callable[..., Any]

    def __init__(self, module: ModuleText, places: Places, order: Callable[[Any], Any]) -> None:
        self.places, self.order = places, order
        self.outline: Outline = Outline(module, places)
        self.calls: list[tuple[str, int]] = []
        self.rows: list[tuple[int, int]] = []
        self.tasks: list[tuple[int, ...]] = []
        self.items: list[tuple[int, ...]] = []
        self._said = 0  # how many of the items stand in the text
        _write_loops(module)

    def add(self, region: Region) -> None:
        """Add a region, and what adds up its parts' shares of reductions when all have ended."""
        tasks, endings = [], []
        for chain in region.chains:
            self.places.parts = len(chain.bounds) - 1
            self.places.widest = max(b - a for a, b in itertools.pairwise(chain.bounds))
            first, count = self._of_a_chain(chain)
            bounds = enumerate(itertools.pairwise(chain.bounds))
            tasks.append([(first, count, low, high, part) for part, (low, high) in bounds])
            endings += self._endings(chain)
        self._item(self.order(tasks), region.shared, region.work < SMALL)
        if endings:
            self._item(endings)

    def _of_a_chain(self, chain: Chain) -> tuple[int, int]:
        first = len(self.calls)
        for piece in chain.pieces:
            self._call(*self.outline.row(piece, self.places.parts))
        return first, len(chain.pieces)

    def _call(self, name: str, given: list[Any]) -> None:
        self.calls.append((name, len(self.rows)))
        self.rows += map(self.places.found, given)

    def _endings(self, chain: Chain) -> list[tuple[int, ...]]:
        parts = self.places.parts
        tasks: list[tuple[int, ...]] = []
        for piece in chain.pieces if parts > 1 else ():
            for v in piece.shared:
                tasks.append((len(self.calls), 1, 0, 0, 0))
                self._call(
                    *self.outline.function(
                        lambda f, *bounds, v=v: write_combination(f, v, self.places, parts)
                    )
                )
        return tasks

    def _item(self, tasks: list[tuple[int, ...]], shared: bool = False, small: bool = False) -> None:
        self.items.append((len(self.tasks), len(tasks), int(shared), int(small)))
        self.tasks += tasks

    # --- the text -------------------------------------------------------------------------------------------
    def run(self) -> list[str]:
        """Return the instruction that runs the items since the last one, if there are any."""
        first, self._said = self._said, len(self.items)
        start = f"getelementptr (i64, ptr @items, i64 {ITEM * first})"
        if first == self._said:
            return []
        return [f"call void @run(ptr {start}, i64 {self._said - first}, ptr %control)"]

    def functions(self) -> str:
        """Return the list of the functions that are called, by which `link` finds their addresses."""
        self._names = list(dict.fromkeys(name for name, _ in self.calls))
        listed = ", ".join(f"ptr @{name}" for name in self._names)
        return f"@functions = constant [{len(self._names)} x ptr] [{listed}]\n"

    # --- the tables -----------------------------------------------------------------------------------------
    def symbols(self) -> dict[str, int]:
        """Make the tables, and return where those begin that the text names."""
        self._rows = np.array([number for _, number in self.rows] or [0], np.int64)
        self._calls = np.array([(0, at) for _, at in self.calls], np.int64).reshape(-1, CALL)
        self._calls[:, 1] = self._rows.ctypes.data + 8 * self._calls[:, 1]
        self._tasks = np.array(self.tasks, np.int64).reshape(-1, TASK)
        self._tasks[:, 0] = self._calls.ctypes.data + 8 * CALL * self._tasks[:, 0]
        self._items = np.array(self.items, np.int64).reshape(-1, ITEM)
        self._items[:, 0] = self._tasks.ctypes.data + 8 * TASK * self._items[:, 0]
        start = self._rows.ctypes.data
        fills = [(start + 8 * i, slot, n) for i, (slot, n) in enumerate(self.rows) if slot >= 0]
        self._fills = np.array([len(fills), *itertools.chain.from_iterable(fills)], np.int64)
        return {"items": self._items.ctypes.data, "fills": self._fills.ctypes.data}

    def link(self, functions: int) -> None:
        """Put in the addresses of the functions, which lie where `functions` says."""
        word = np.ctypeslib.as_array(
            (np.ctypeslib.as_ctypes_type(np.int64) * len(self._names)).from_address(functions)
        )
        at = dict(zip(self._names, word.tolist(), strict=True))
        self._calls[:, 0] = [at[name] for name, _ in self.calls]


def _word(f: Procedure, row: str, i: int) -> Register:
    return f.load(f.at(row, i, INDEX), INDEX)


def pointer(f: Procedure, row: str, i: int) -> str:
    """Load the pointer that stands at place `i` of a row."""
    return f.emit(f"load ptr, ptr {f.at(row, i, INDEX)}")


def _write_loops(module: ModuleText) -> None:
    """Write the loops over calls, over items, and over the addresses to fill in."""
    f = module.function("task", "ptr %tasks, i64 %number")
    row = f.at("%tasks", Register(f, "%number", INDEX, 0) * TASK, INDEX)
    first, (count, low, high, part) = pointer(f, row, 0), [_word(f, row, i) for i in range(1, TASK)]
    with f.loop(0, count) as i:
        call = f.at(first, i * CALL, INDEX)
        function, given = pointer(f, call, 0), pointer(f, call, 1)
        f.line(f"call void {function}(ptr {given}, i64 {low.text}, i64 {high.text}, i64 {part.text})")

    f = module.function("run", "ptr %items, i64 %count, ptr %control")
    with f.loop(0, Register(f, "%count", INDEX, 0)) as i:
        row = f.at("%items", i * ITEM, INDEX)
        tasks, (count, shared, small) = pointer(f, row, 0), [_word(f, row, k) for k in range(1, ITEM)]
        with f.when(shared != 0):
            little = (small != 0).text
            f.line(f"call void @share(ptr %control, ptr @task, ptr {tasks}, i64 {count.text}, i1 {little})")
        with f.when(shared == 0), f.loop(0, count) as k:
            f.line(f"call void @task(ptr {tasks}, i64 {k.text})")

    f = module.function("fill", "ptr %fills, ptr %data")
    with f.loop(0, _word(f, "%fills", 0)) as i:
        row = f.at("%fills", i * FILL + 1, INDEX)
        base = pointer(f, f.at("%data", _word(f, row, 1), INDEX), 0)
        start = f.at(base, _word(f, row, 2), np.dtype(np.int8))
        f.line(f"store ptr {start}, ptr {pointer(f, row, 0)}")
