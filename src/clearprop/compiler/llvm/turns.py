"""Loops: a plan of one turn in native code, and what walks it through the sequences.

A turn's plan finds its arrays by a table. What a turn puts out lies in the loop's result already, and the
carry that a turn leaves is what the next one begins with, where it lies: between two turns only addresses in
the table move.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.llvm.language.text import ModuleText
from clearprop.compiler.llvm.language.values import INDEX, Register
from clearprop.compiler.llvm.plan.pool import pool
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.plan.memory import aligned
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.ir import Program, Value, turns_of
from clearprop.compiler.program.layout import layout
from clearprop.compiler.program.rewrite import rewrite
from clearprop.compiler.program.turn import shapes, turn, with_results_apart
from clearprop.loops.scan import Turns, parts, repeated
from clearprop.registry import ops

if TYPE_CHECKING:
    from clearprop.compiler.llvm.plan.pool import Workers

TURNS = "turns"
PLAIN: Any = "CA"  # in C order, aligned
MOVE = 3  # words of a move: a slot of the table, what is added to it, what it is flipped by


def parted(groups: list[Group], program: Program, varying: int | None) -> tuple[list[Group], list[Group]]:
    """Return the groups that a loop runs once, and those of each turn: all, where there is no loop.

    What is computed once depends on no argument that varies, and is no result, for which each turn has a
    place of its own. Calls are made in each turn.
    """
    moving = set(program.arguments[:varying]) if varying is not None else set()
    results = set(program.outputs)
    once: list[Group] = []
    each: list[Group] = []
    for group in groups:
        fixed = varying is not None and group.kind not in ("call", "turns", "join")
        if (
            fixed
            and moving.isdisjoint(layout(x).base for x in group.reads)
            and results.isdisjoint(group.stores)
        ):
            once.append(group)
        else:
            each.append(group)
            moving |= {layout(v).base for v in group.stores}
    return once, each


def write_turns(module: ModuleText, segment: str) -> None:
    """Write what runs a turn so many times, and moves addresses in the table after each."""
    parameters = "ptr %data, ptr %control, i64 %count, ptr %moves, i64 %many"
    f = module.function(TURNS, parameters, linkage="")
    with f.loop(0, Register(f, "%count", INDEX, 0)):
        f.line(f"call void @{segment}(ptr %data, ptr %control)")
        with f.loop(0, Register(f, "%many", INDEX, 0)) as i:
            slot, step, flip = (f.load(f.at("%moves", i * MOVE + k, INDEX), INDEX) for k in range(MOVE))
            place = f.at("%data", slot, INDEX)
            f.store((f.load(place, INDEX) + step) ^ flip, place)


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
    known = tuple(ops.get(step.op.name) for step in turns.body.each)  # one may be registered again
    key = (turns.body.text, str(kinds), known, threads)
    found = _loops.get(key)
    if found is None:
        program, _ = rewrite(turn(turns.body, v.inputs))
        native = make(with_results_apart(program), threads, sum(turns.body.given[:2]))
        if list(native.program.outputs) != native.places.fresh:
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
        self.lock: Any = threading.Lock()
        calls = len(native.stops) - 1
        self.text: str = _counted(len(native.groups) - calls, "piece") + " of native code"
        self.text += f" and {_counted(calls, 'call')}" if calls else ""
        place = native.places.table
        self.given: list[Any] = [place[v] for v in native.program.arguments]
        self.results: list[Any] = [place[v] for v in native.program.outputs]
        self.spare: list[Any] = [aligned(2 * max(v.nbytes, 1)).reshape(2, -1) for v in native.program.outputs]
        self.workers: Workers | None = pool() if native.parallel else None
        words = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
        whole = len(native.stops) == 1
        self.turns = ctypes.CFUNCTYPE(None, *words)(native.code.address(TURNS)) if whole else None

    def __call__(self, inputs: Sequence[Any], turns: Turns, flat: Any) -> None:
        """Fill `flat` with the results of a loop."""
        with self.lock:
            if self.turns is None or not turns.length:
                flat[...] = repeated(turns, inputs, self._between_calls(turns, inputs))
            else:
                self._walk(inputs, turns, flat)

    @property
    def _control(self) -> int:
        return self.workers.address if self.workers is not None else 0

    def _walk(self, inputs: Sequence[Any], turns: Turns, flat: Any) -> None:
        """Run all turns in native code."""
        native, walk = self.native, Walk(turns, flat, native_table := self.native.table)
        arrays = walk.given(inputs, self.given, self.results, self.spare)
        table, control, moves = _address(native_table), self._control, np.array(walk.moves, np.int64)
        native._segments[0](table, control)
        rest = _address(moves), len(walk.moves)
        assert self.turns is not None
        self.turns(table, control, turns.length - 1, *rest)
        for slot, address in walk.ends:
            native_table[slot] = address
        self.turns(table, control, 1, *rest)
        del arrays
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
            native._with_calls(arguments, (), new, [], table, self._control, 1)
            return [x.reshape(kind.shape)[()] for x, kind in zip(new, turns.body.kinds, strict=True)]

        return one


class Walk:
    """Where a loop's arrays lie at its first turn, how far each moves then, and where the last results go."""

    turns: Turns
    flat: Any
    table: Any

    def __init__(self, turns: Turns, flat: Any, table: Any) -> None:
        self.turns, self.flat, self.table = turns, flat, table
        self.first: int = turns.length - 1 if turns.reverse else 0
        self.sign = -1 if turns.reverse else 1
        self.moves: list[tuple[int, int, int]] = []
        self.ends: list[tuple[int, int]] = []

    def given(
        self, inputs: Sequence[Any], slots: list[int], results: list[int], spare: list[Any]
    ) -> list[Any]:
        """Fill the table; returned is what has to be kept alive."""
        carried, count, _ = self.turns.body.given
        place, start = parts(self.turns), _address(self.flat)
        unit = self.flat.itemsize
        kept: list[Any] = []
        for k in range(carried):
            kind = self.turns.body.kinds[k]
            begin = np.require(inputs[k], kind.dtype, PLAIN)
            if k in place.began:
                rows = place.began[k].of(self.flat)
                rows[self.first] = begin
                self._move(slots[k], _address(rows) + self.first * begin.nbytes, begin.nbytes)
                self._move(results[k], self.table[slots[k]] + self.sign * begin.nbytes, begin.nbytes)
            else:
                old, new = spare[k]
                old[: begin.nbytes] = begin.reshape(-1).view(np.uint8)
                self._flip((slots[k], results[k]), (_address(old), _address(new)))
            if k in place.last:
                self.ends.append((results[k], start + place.last[k].start * unit))
        for k in range(carried, carried + count):
            rows = _by_rows(inputs[k])
            kept.append(rows)
            self._move(slots[k], _address(rows) + self.first * rows.strides[0], rows.strides[0])
        for slot, x in zip(slots[carried + count :], inputs[carried + count :], strict=True):
            kept.append(np.require(x, None, PLAIN))
            self.table[slot] = _address(kept[-1])
        for k, part in place.out.items():
            size = (part.stop - part.start) // self.turns.length * unit
            self._move(results[carried + k], start + part.start * unit + self.first * size, size)
        return kept

    def _move(self, slot: int, address: int, step: int) -> None:
        self.table[slot] = address
        self.moves.append((slot, self.sign * step, 0))

    def _flip(self, slots: tuple[int, int], addresses: tuple[int, int]) -> None:
        """Let two places take turns: what one turn leaves is what the next begins with."""
        for slot, address in zip(slots, addresses, strict=True):
            self.table[slot] = address
            self.moves.append((slot, 0, addresses[0] ^ addresses[1]))


def _by_rows(x: Any) -> Any:
    """Return the same entries of a sequence, each in one piece of memory."""
    if x[:1].flags.c_contiguous and x.flags.aligned:
        return x
    if not x.strides[0]:  # all are one
        return np.broadcast_to(np.array(x[0], order="C"), x.shape)
    return np.array(x, order="C")


def _address(x: Any) -> int:
    return int(x.__array_interface__["data"][0])
