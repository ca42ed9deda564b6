"""The quick call: what a step's conditions are, checked by native code right before it runs.

A compiled step may run only while everything it was recorded under is as it was: the variables it names, the
arrays of parameters, who holds them. `Guard` and `Store` check that in Python, which costs more than the
whole step of a small network. Here the same conditions are a list of memory words that must hold what they
held: a variable's object, a Tensor's array, an array's reference count. Where one differs, or where the
interpreter is not one whose objects are laid out as `objects.py` says, the ordinary way decides.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.ir import Value
from clearprop.compiler.llvm.conditions import Conditions
from clearprop.compiler.llvm.engine import Code
from clearprop.compiler.llvm.objects import (
    ARRAY_AXES,
    ARRAY_DATA,
    ARRAY_DTYPE,
    ARRAY_FLAGS,
    ARRAY_SHAPE,
    SCALAR_DATA,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    readable,
    slot,
)

LONG = 30_000.0  # nanoseconds: a step that takes longer lets other Python threads run


def _text(native: Any, run: str) -> str:
    """Write `quick(words, arguments)`, which checks, fills the table, runs, and returns whether it did."""
    lines: list[str] = []
    count = 0

    def emit(text: str) -> str:
        nonlocal count
        count += 1
        lines.append(f"  %x{count} = {text}")
        return f"%x{count}"

    def load(pointer: str, offset: int, kind: str = "i64") -> str:
        place = emit(f"getelementptr i8, ptr {pointer}, i64 {offset}")
        return emit(f"load {kind}, ptr {place}")

    def demand(condition: str) -> None:
        nonlocal count
        count += 1
        lines.append(f"  br i1 {condition}, label %ok{count}, label %no\nok{count}:")

    def put(base: Value, pointer: str) -> None:
        place = native.table.ctypes.data + 8 * native.places.table[base]
        lines.append(f"  store ptr {pointer}, ptr inttoptr (i64 {place} to ptr)")

    arguments = native.program.arguments
    fresh = native.places.fresh
    for i, v in enumerate([*arguments, *fresh]):
        array = load("%arguments", TUPLE_ITEMS + 8 * i, "ptr")
        demand(emit(f"icmp eq i64 {load(array, TYPE)}, {id(np.ndarray)}"))
        demand(emit(f"icmp eq i64 {load(array, ARRAY_DTYPE)}, {id(v.dtype)}"))
        demand(emit(f"icmp eq i32 {load(array, ARRAY_AXES, 'i32')}, {len(v.shape)}"))
        flags = emit(f"and i32 {load(array, ARRAY_FLAGS, 'i32')}, 257")  # C order, aligned
        demand(emit(f"icmp eq i32 {flags}, 257"))
        shape = load(array, ARRAY_SHAPE, "ptr")
        for axis, n in enumerate(v.shape):
            demand(emit(f"icmp eq i64 {load(shape, 8 * axis)}, {n}"))
        put(v, load(array, ARRAY_DATA, "ptr"))
    for v in native.numbers:
        place = slot(v.data.tensor, "grad" if v.data.slot == "grad" else "_value")
        number = emit(f"load ptr, ptr inttoptr (i64 {place} to ptr)")
        demand(emit(f"icmp eq i64 {load(number, TYPE)}, {id(v.dtype.type)}"))
        put(v, emit(f"getelementptr i8, ptr {number}, i64 {SCALAR_DATA}"))
    return _TEXT.format(
        data=ARRAY_DATA,
        size=TUPLE_SIZE,
        arguments=len(arguments) + len(fresh),
        body="\n".join(lines),
        run=run,
        true=id(True),
        false=id(False),
        count=_function("Py_IncRef"),  # knows about objects that are not counted
    )


def _function(name: str) -> int:
    return int(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0)


_TEXT = """
define ptr @quick(ptr %self, ptr %arguments) {{
entry:
  %size.at = getelementptr i8, ptr %arguments, i64 {size}
  %size = load i64, ptr %size.at
  %fits = icmp eq i64 %size, {arguments}
  br i1 %fits, label %first, label %no
first:
  %words.at = getelementptr i8, ptr %self, i64 {data}
  %words = load ptr, ptr %words.at
  %equal.end = load i64, ptr %words
  %end.at = getelementptr i64, ptr %words, i64 1
  %more.end = load i64, ptr %end.at
  br label %equal
equal:
  %i = phi i64 [2, %first], [%i.next, %equal.on]
  %i.some = icmp ult i64 %i, %equal.end
  br i1 %i.some, label %equal.test, label %more
equal.test:
  %i.at = getelementptr i64, ptr %words, i64 %i
  %i.pointer = load ptr, ptr %i.at
  %i.want.at = getelementptr i64, ptr %i.at, i64 1
  %i.want = load i64, ptr %i.want.at
  %i.has = load i64, ptr %i.pointer, align 1
  %i.good = icmp eq i64 %i.has, %i.want
  br i1 %i.good, label %equal.on, label %no
equal.on:
  %i.next = add i64 %i, 2
  br label %equal
more:
  %j = phi i64 [%equal.end, %equal], [%j.next, %more.on]
  %j.some = icmp ult i64 %j, %more.end
  br i1 %j.some, label %more.test, label %rest
more.test:
  %j.at = getelementptr i64, ptr %words, i64 %j
  %j.pointer = load ptr, ptr %j.at
  %j.want.at = getelementptr i64, ptr %j.at, i64 1
  %j.want = load i64, ptr %j.want.at
  %j.has = load i64, ptr %j.pointer
  %j.good = icmp sle i64 %j.has, %j.want
  br i1 %j.good, label %more.on, label %no
more.on:
  %j.next = add i64 %j, 2
  br label %more
rest:
{body}
  br label %run
run:
  {run}
  br label %end
no:
  br label %end
end:
  %answer = phi ptr [inttoptr (i64 {true} to ptr), %run], [inttoptr (i64 {false} to ptr), %no]
  call void inttoptr (i64 {count} to ptr)(ptr %answer)
  ret ptr %answer
}}
"""


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Entrance:
    """The native half of the quick calls of a plan, whatever the conditions."""

    def __init__(self, native: Any) -> None:
        self.control = np.zeros(1, np.int64)  # the address of the second core's worker, if it is ours now
        self.long = native.parallel or native.work > LONG
        table = f"ptr inttoptr (i64 {native.table.ctypes.data} to ptr)"
        run = f"%control = load ptr, ptr inttoptr (i64 {self.control.ctypes.data} to ptr)\n  "
        if self.long:
            run += f"%thread = call ptr inttoptr (i64 {_function('PyEval_SaveThread')} to ptr)()\n  "
        segment = native.code.address("segment0")
        run += f"call void inttoptr (i64 {segment} to ptr)({table}, ptr %control)"
        if self.long:
            restore = _function("PyEval_RestoreThread")
            run += f"\n  call void inttoptr (i64 {restore} to ptr)(ptr %thread)"
        self.code = Code(_text(native, run), "quick")
        self._method = _Method(b"quick", self.code.address("quick"), 8, None)  # 8: one argument, METH_O
        self._make = ctypes.pythonapi.PyCFunction_NewEx
        self._make.restype = ctypes.py_object
        self._make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]

    def under(self, conditions: Conditions) -> Callable[[Any], bool]:
        """Return what checks the conditions and a tuple of arrays, and runs the step if all is well."""
        equal, more = conditions.equal, conditions.more
        ends = (2 + 2 * len(equal), 2 + 2 * len(equal) + 2 * len(more))
        words = np.array([ends, *equal, *more], np.int64)
        made: Callable[[Any], bool] = self._make(ctypes.addressof(self._method), words, self)
        return made  # it keeps the words and this object


class Quick:
    """What a variant's quick call needs; `runner` makes the call itself."""

    def __init__(self, variant: Any, entrance: Entrance, conditions: Conditions) -> None:
        recording, native = variant.recording, variant.recording.executable
        store = recording.store
        self.recording, self.entrance, self.conditions = recording, entrance, conditions
        self.call = entrance.under(conditions)
        self.cleared = [store.tensor(s) for s in recording.cleared]
        self.fresh = [(v.shape, v.dtype) for v in native.places.fresh]
        self.flag = native.places.flag if native.places.checked else None
        self.assigned = [store.tensor(s) for s in native.assigned]
        # What fetches results holds the plan's arrays. That is not kept here: it would be counted as somebody
        # who holds them, and be gone from the count when the conditions are made anew.
        self.native, self.workers = native, native.workers

    def runner(self) -> Callable[[tuple[Any, ...]], Any]:
        """Return the call: the outputs, or None where the ordinary way must decide."""
        call, names, fresh, flag = self.call, self.conditions.names, self.fresh, self.flag
        # A long step takes the lock: see below.
        locked = _never if self.entrance.long else self.recording.lock.locked
        native, assigned, cleared = self.native, self.assigned, self.cleared

        def run(args: tuple[Any, ...], kept: Any = self) -> Any:
            """Run the step if everything is as it was; `kept` holds the native code."""
            if locked():
                return None
            for space, name, value in names:
                if space.get(name, kept) is not value:
                    return None
            new: Any = ()
            if fresh:
                new = tuple([np.empty(shape, dtype) for shape, dtype in fresh])
                if not call(args + new):
                    return None
            elif not call(args):
                return None
            if flag is not None and flag[0]:
                native.check()
            for tensor, number in zip(assigned, native.new_numbers, strict=True):
                tensor._value = number[()]
            for tensor in cleared:
                tensor.grad = None
            return [make(args, new) for make in native.outputs]

        return self._exclusive(run) if self.entrance.long else run

    def _exclusive(self, run: Callable[[tuple[Any, ...]], Any]) -> Callable[[tuple[Any, ...]], Any]:
        """Return the call for a step that lets other Python threads run: nobody else may enter."""
        lock, pool, control = self.recording.lock, self.workers, self.entrance.control

        def alone(args: tuple[Any, ...]) -> Any:
            if not lock.acquire(False):
                return None
            shared = pool is not None and pool.lock.acquire(False)
            control[0] = pool.address if shared and pool is not None else 0
            try:
                return run(args)
            finally:
                if shared and pool is not None:
                    pool.lock.release()
                lock.release()

        return alone


def _never() -> bool:
    return False


def quick(variant: Any) -> Callable[[tuple[Any, ...]], Any] | None:
    """Return a variant's quick call under the conditions of now, if it can have one."""
    native, guard, store = variant.recording.executable, variant.guard, variant.recording.store
    if not readable() or native.stops or not store.fixed or any(s.slot != "value" for s in native.assigned):
        return None
    if any(v.shape == () for v in native.program.arguments) or any(
        v.data.tensor is None for v in native.numbers
    ):
        return None
    saved = guard.saved
    try:
        conditions = Conditions(variant)
    except LookupError:  # something that is not laid out as expected
        return None
    if not (variant.holds() and store.ready() and guard.saved is saved):  # other threads
        return None
    if native.entrance is None:
        native.entrance = Entrance(native)
    return Quick(variant, native.entrance, conditions).runner()
