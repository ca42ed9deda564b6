"""Loops: a plan of one turn in native code, and what walks it through the sequences.

A turn's plan finds its arrays by a table. What a turn puts out lies in the loop's result already, and the
carry that a turn leaves is what the next one begins with, where it lies: between two turns only addresses in
the table move.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.engines.llvm.plan.pool import pool
from clearprop.compiler.engines.llvm.plan.regions import Beginning, Region
from clearprop.compiler.engines.llvm.plan.tables import pointer
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import aligned
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.ir import Program, Value, turns_of
from clearprop.compiler.program.layout import layout
from clearprop.compiler.program.rewrite import rewrite
from clearprop.compiler.program.turn import shapes, turn, with_results_apart
from clearprop.locks import lock
from clearprop.loops.scan import Parts, Turns, parts, repeated

if TYPE_CHECKING:
    from clearprop.compiler.engines.llvm.plan.pool import Workers

TURNS = "turns"
PLAIN: Any = "CA"  # in C order, aligned
TABLES, STRIDE, COUNT, MOVES, MANY, ENDS, LAST, CUTS, CONTROL = range(9)  # words that all turns are given
MOVE = 3  # words of a move: a slot of the table, what is added to it, what it is flipped by


def parted(
    groups: list[Group], program: Program, varying: tuple[int, int] | None
) -> tuple[list[Group], list[Group]]:
    """Return the groups that a loop runs once, and those of each turn: all, where there is no loop.

    What is computed once depends on no argument that varies, and is no result, for which each turn has a
    place of its own. Calls are made in each turn.
    """
    moving = set(program.arguments[: sum(varying)]) if varying is not None else set()
    results = set(program.outputs)
    once: list[Group] = []
    each: list[Group] = []
    for group in groups:
        fixed = varying is not None and group.kind not in ("call", "turns", "join")
        fixed = fixed and results.isdisjoint(group.stores)
        if fixed and moving.isdisjoint(layout(x).base for x in group.reads):
            once.append(group)
        else:
            each.append(group)
            moving |= {layout(v).base for v in group.stores}
    return once, each


def bounds_alone(native: Any, carried: int) -> list[int]:
    """Return the bounds of parts that go through all turns without waiting for each other; [] if they must.

    They need not where all of a turn is one chain in which a part touches just its own rows of what turns
    change, the carry among that.
    """
    each = native.sequence[[isinstance(item, Beginning) for item in native.sequence].index(True) + 1 :]
    if native.step.tables is not None or len(each) != 1 or not each[0].shared or len(each[0].chains) != 1:
        return []
    pieces = each[0].chains[0].pieces
    changed = {*native.program.arguments[:carried], *(x for piece in pieces for x in piece.writes)}
    own = [mine for piece in pieces for x, mine in piece.reads.items() if x in changed]
    own += [mine for piece in pieces for mine in piece.writes.values()]
    return each[0].chains[0].bounds if all(own) and not any(piece.fails for piece in pieces) else []


def write_turns(native: Any, bounds: list[int]) -> None:
    """Write what runs all turns, and what has each core do so for its part where these need not wait.

    Each part has a table of its own, whose addresses move after each turn; for the last one, the `ends` are
    set beforehand.
    """
    chains = sum(len(item.chains) for item in native.sequence if isinstance(item, Region))
    turn = f"call void @chain{chains - 1}(ptr %data, i64 %low, i64 %high, i64 %part)"
    f = native.step.module.function("part", "ptr %given, i64 %part")
    f.line(f"%control = load ptr, ptr {f.at('%given', CONTROL, INDEX)}")
    stride, count, many, last = (f.load(f.at("%given", k, INDEX), INDEX) for k in (STRIDE, COUNT, MANY, LAST))
    tables, moves, ends, cuts = (pointer(f, "%given", k) for k in (TABLES, MOVES, ENDS, CUTS))
    part = Register(f, "%part", INDEX, 0)
    f.line(f"%data = getelementptr i64, ptr {tables}, i64 {(part * stride).text}")
    for k, name in enumerate(("low", "high")):
        f.line(f"%{name} = load i64, ptr {f.at(cuts, part + k, INDEX)}")
    with f.loop(0, count) as t:
        with f.when(t == count - 1), f.loop(0, last) as i:
            slot, address = (f.load(f.at(ends, i * 2 + k, INDEX), INDEX) for k in range(2))
            f.store(address, f.at("%data", slot, INDEX))
        f.line(turn if bounds else "call void @segment1(ptr %data, ptr %control)")
        with f.loop(0, many) as i:
            slot, step, flip = (f.load(f.at(moves, i * MOVE + k, INDEX), INDEX) for k in range(MOVE))
            place = f.at("%data", slot, INDEX)
            f.store((f.load(place, INDEX) + step) ^ flip, place)
    f = native.step.module.function(TURNS, "ptr %given, ptr %control", linkage="")
    parts = len(bounds) - 1
    shared = f"call void @share(ptr %control, ptr @part, ptr %given, i64 {parts}, i1 false)"
    f.line(shared if bounds else "call void @part(ptr %given, i64 0)")


# --- the plans ----------------------------------------------------------------------------------------------
_loops: weakref.WeakValueDictionary[Any, Loop] = weakref.WeakValueDictionary()


def loop_of(v: Value, threads: int, make: Callable[..., Any]) -> Loop | None:
    """Return what runs a loop natively, None for what is no loop; loops of like turns share it.

    `make` makes the plan of a turn. Raises Unlowered where there can be none.
    """
    turns = turns_of(v)
    if turns is None or not all(isinstance(x, Value) for x in v.inputs):
        return None
    kinds = [(shape, x.dtype.str) for x, shape in zip(v.inputs, shapes(turns.body, v.inputs), strict=True)]
    key = (turns.body.text, str(kinds), tuple(turns.body.ops()), threads)  # one may be registered again
    found = _loops.get(key)
    if found is None:
        program, _ = rewrite(turn(turns.body, v.inputs))
        native = make(with_results_apart(program), threads, turns.body.given[:2])
        if list(native.program.outputs) != list(native.places.fresh):
            raise Unlowered("a result of its turn has no array of its own")
        found = _loops[key] = Loop(native)
    v.why = f"{_counted(turns.length, 'turn')}, each {found.text}"
    return found


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


class Loop:
    """What runs a loop: the plan of a turn with the arrays it works in, for one call at a time."""

    def __init__(self, native: Any) -> None:
        self.native = native
        self.lock: Any = lock()
        calls = len(native.stops) - 1
        self.text: str = _counted(len(native.groups) - calls, "piece") + " of native code"
        self.text += f" and {_counted(calls, 'call')}" if calls else ""
        parts = max(len(native.bounds) - 1, *(n for _, n in native.stages), 0)
        self.text += f", in {parts} parts" if parts > 1 else ""
        place = native.places.table
        self.given: list[Any] = [place[v] for v in native.program.arguments]
        self.results: list[Any] = [place[v] for v in native.program.outputs]
        self.spare: list[Any] = [aligned(2 * max(v.nbytes, 1)).reshape(2, -1) for v in native.program.outputs]
        self.workers: Workers | None = pool(native.threads) if native.parallel else None
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        self.turns: Any = run(native.code.address(TURNS)) if not calls else None
        self.bounds: Any = np.array(native.bounds or [0, 0], np.int64)
        self.views: dict[Any, Any] = {}
        self.tables: Any = np.zeros((len(self.bounds) - 1, -(-len(native.table) // 16) * 16), np.int64)

    def __call__(self, inputs: Sequence[Any], turns: Turns, flat: Any, latest: list[Walk]) -> None:
        """Fill `flat` with the results of a loop; `latest` keeps for its next call where everything lies."""
        with self.lock:
            if self.turns is None or not turns.length:
                flat[...] = repeated(turns, inputs, self._between_calls(turns, inputs))
                return
            if not latest or not latest[0].fits(inputs, flat):
                latest[:] = [Walk(self, turns, inputs, flat)]
            self._walk(latest[0])

    @property
    def _control(self) -> int:
        return self.workers.address if self.workers is not None else 0

    def _walk(self, walk: Walk) -> None:
        """Run all turns in native code."""
        native, control = self.native, self._control
        walk.begin()
        native.table[:] = walk.table
        native._segments[0](_address(native.table), control)
        self.tables[:, : len(native.table)] = native.table
        walk.given[CONTROL] = control
        assert self.turns is not None
        self.turns(_address(walk.given), control)
        native.check()

    def _between_calls(
        self, turns: Turns, inputs: Sequence[Any]
    ) -> Callable[[list[Any], list[Any]], list[Any]]:
        """Return a turn that has calls in it, as a function of arrays."""
        native, table = self.native, _address(self.native.table)
        outside = inputs[sum(turns.body.given[:2]) :]
        kinds = [(v.shape, v.dtype) for v in native.program.arguments]
        begun = False

        def one(carry: list[Any], entries: list[Any]) -> list[Any]:
            nonlocal begun
            given = zip((*carry, *entries, *outside), kinds, strict=True)
            arguments = tuple([np.require(x, dtype, PLAIN).reshape(shape) for x, (shape, dtype) in given])
            new = tuple([np.empty(v.shape, v.dtype) for v in native.program.outputs])
            native._enter(arguments, (), new, table, self._control)
            if not begun:
                native._segments[0](table, self._control)
                begun = True
            native._segments[1](table, self._control)
            native._with_calls(arguments, (), new, [], self._control, self.views, 1)
            return [x.reshape(kind.shape)[()] for x, kind in zip(new, turns.body.kinds, strict=True)]

        return one


class Walk:
    """Where a loop's arrays lie at its first turn, how far each moves then, and where the last results go."""

    loop: Loop
    turns: Turns
    inputs: Sequence[Any]
    flat: Any

    def __init__(self, loop: Loop, turns: Turns, inputs: Sequence[Any], flat: Any) -> None:
        self.loop, self.turns, self.inputs, self.flat = loop, turns, inputs, flat
        self.first: int = turns.length - 1 if turns.reverse else 0
        self.sign = -1 if turns.reverse else 1
        self.table: Any = np.zeros_like(loop.native.table)
        self.kept: list[Any] = []
        self.begins: list[tuple[Any, Any]] = []  # where the first carry goes, and what it is
        self._moves: list[tuple[int, int, int]] = []
        self._ends: list[tuple[int, int]] = []
        carried, count, _ = turns.body.given
        place = parts(turns)
        for k in range(carried):
            self._carry(k, place)
        for slot, x in zip(loop.given[carried:][:count], inputs[carried:][:count], strict=True):
            rows = self._keep(_by_rows(x))
            self._move(slot, _address(rows) + self.first * rows.strides[0], rows.strides[0])
        for slot, x in zip(loop.given[carried + count :], inputs[carried + count :], strict=True):
            self.table[slot] = _address(self._keep(np.require(x, None, PLAIN)))
        for k, part in place.out.items():
            rows = part.of(flat)
            size = rows.nbytes // turns.length
            self._move(loop.results[carried + k], _address(rows) + self.first * size, size)
        self.moves: Any = np.array(self._moves, np.int64)
        self.ends: Any = np.array([*self._ends, (0, 0)], np.int64)
        self.given: Any = np.zeros(CONTROL + 1, np.int64)
        arrays = loop.tables, self.moves, self.ends, loop.bounds
        self.given[[TABLES, MOVES, ENDS, CUTS]] = list(map(_address, arrays))
        numbers = loop.tables.shape[1], turns.length, len(self._moves), len(self._ends)
        self.given[[STRIDE, COUNT, MANY, LAST]] = numbers

    def fits(self, inputs: Sequence[Any], flat: Any) -> bool:
        """Tell whether a loop over these arrays is this one."""
        mine = (*self.inputs, *self.kept, self.flat)
        carried = self.turns.body.given[0]
        return len(mine) == 2 * len(inputs) - carried + 1 and all(
            x is y for x, y in zip(mine, (*inputs, *inputs[carried:], flat), strict=True)
        )

    def begin(self) -> None:
        """Put the first carry where the first turn finds it."""
        for place, x in self.begins:
            place[...] = x

    def _keep(self, x: Any) -> Any:
        self.kept.append(x)
        return x

    def _carry(self, k: int, place: Parts) -> None:
        """What a turn leaves is what the next begins with: in the result's next row, or by turns in two."""
        given, result = self.loop.given[k], self.loop.results[k]
        kind = self.turns.body.kinds[k]
        if k in place.began:
            rows = place.began[k].of(self.flat)
            size = rows.nbytes // self.turns.length
            at = _address(rows) + self.first * size
            self.begins.append((rows[self.first : self.first + 1], self.inputs[k]))
            self._move(given, at, size)
            self._move(result, at + self.sign * size, size)
        else:
            pair = self.loop.spare[k]
            old, new = map(_address, pair)
            self.begins.append((np.ndarray(kind.shape, kind.dtype, pair[0]), self.inputs[k]))
            for slot, address in ((given, old), (result, new)):
                self.table[slot] = address
                self._moves.append((slot, 0, old ^ new))
        if k in place.last:
            self._ends.append((result, _address(self.flat) + place.last[k].start * self.flat.itemsize))

    def _move(self, slot: int, address: int, step: int) -> None:
        self.table[slot] = address
        self._moves.append((slot, self.sign * step, 0))


def _by_rows(x: Any) -> Any:
    """Return the same entries of a sequence, each in one piece of memory."""
    if x[:1].flags.c_contiguous and x.flags.aligned:
        return x
    if not x.strides[0]:  # all are one
        return np.broadcast_to(np.array(x[0], order="C"), x.shape)
    return np.array(x, order="C")


def _address(x: Any) -> int:
    return int(x.__array_interface__["data"][0])
