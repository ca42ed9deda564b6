"""The `llvm` executor: a program as native code, one call for the whole step."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.engines.llvm.doorstep.objects import (
    arrays_readable,
    checks,
)
from clearprop.compiler.engines.llvm.language.engine import Code
from clearprop.compiler.engines.llvm.loops.joining import placed
from clearprop.compiler.engines.llvm.plan.places import Places
from clearprop.compiler.engines.llvm.plan.pool import cores, pool
from clearprop.compiler.engines.llvm.plan.prepare import form, kind, why_called
from clearprop.compiler.engines.llvm.plan.regions import Beginning, Region, Stop, regions
from clearprop.compiler.engines.llvm.turns import TURNS, Loop, bounds_alone, loop_of, parted, write_turns
from clearprop.compiler.engines.llvm.writing import StepText, declared
from clearprop.compiler.plan.fuse import Group, Grouping
from clearprop.compiler.plan.prepare import prepared
from clearprop.compiler.program.builder import Unlowered, evaluate
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout, whole

if TYPE_CHECKING:
    from clearprop.compiler.engines.llvm.plan.pool import Workers
    from clearprop.compiler.program.ir import State


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
    rest: Callable[[Any, Any, Any], None]
    written: ClassVar[type[StepText]] = StepText

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
        self.step: StepText = self.written(self.program, self.places, self.sequence)
        self.stops: list[Group] = self.step.stops
        self._compile(varying)

    def _compile(self, varying: tuple[int, int] | None) -> None:
        """Make machine code of what was written, in this process."""
        step, tables, symbols = self.step, self.step.tables, self.step.symbols
        listed = [tables.functions()] if tables is not None else []
        names = [f"segment{i}" for i in range(len(self.stops) + 1)]
        self.bounds: list[int] = []
        if varying is not None and len(names) == 2:
            self.bounds = bounds_alone(self, varying[0])
            write_turns(self, self.bounds)
            names.append(TURNS)
        self.text: str = "\n".join([*declared(symbols), str(step.module), *listed, *step.segments])
        found = ["functions"] if tables is not None else []
        self.code: Code = Code(self.text, "enter", *names, *found, symbols=symbols, last=True)
        if tables is not None:
            tables.link(self.code.address("functions"))
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
        rest = functools.partial(self._with_calls, states=states, control=control, views=views)
        self.rest = rest  # for the quick call too

        def step(arguments: Any, numbers: Any) -> tuple[Any, Any]:
            if single:
                arguments = tuple([np.asarray(x) if i in single else x for i, x in enumerate(arguments)])
            new = tuple([np.empty(shape, dtype) for shape, dtype in fresh])
            if enter(arguments, numbers, new, table, control):
                arguments = tuple([np.array(x, order="C") for x in arguments])
                enter(arguments, numbers, new, table, control)
            if not whole:
                self._segments[0](table, control)
                rest(arguments, numbers, new)
            elif checked:
                self.check()
            return tuple([make(arguments, new) for make in outputs]), tuple([x[()] for x in numbers_out])

        return step

    def _with_calls(
        self, arguments: Any, numbers: Any, new: Any, states: Any, control: int, views: Any, first: int = 0
    ) -> None:
        """Run what follows the native part of number `first`: calls of NumPy, loops, and the other parts.

        `views` keeps the arrays of what stays where it is.
        """
        table = self.table.ctypes.data
        made: dict[Value, Any] = dict(zip(self.places.fresh, new, strict=True))
        made |= dict(zip(self.numbers, numbers, strict=True))

        def array(x: Value) -> Any:
            found = views.get(x)
            if found is None:
                found = made.get(x)
            if found is None:
                found = self._array(x, states, arguments, made)
                base = self.places.home(layout(x).base)
                if base not in made and base.kind != "argument":
                    views[x] = found
            return found

        for group, segment in zip(self.stops[first:], self._segments[first + 1 :], strict=True):
            self.check()
            v = group.values[0]
            loop = self.loops.get(v)
            if loop is not None:
                latest = views.setdefault((v, "latest"), [])
                loop([array(x) for x in v.inputs], v.attrs["turns"], array(v), latest)
            else:
                np.copyto(array(v), evaluate(v, array))
            segment(table, control)
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
            i = self.places.fresh[v]
            return lambda arguments, new: new[i]
        place = layout(v)
        base = place.base
        if base in self.places.fresh:
            i = self.places.fresh[base]
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


def _number_at(address: int, v: Value) -> Any:
    return np.frombuffer((ctypes.c_char * v.dtype.itemsize).from_address(address), v.dtype)[0]
