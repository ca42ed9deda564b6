"""The quick call: what a step's conditions are, checked by native code right before it runs.

A compiled step may run only while everything it was recorded under is as it was: the variables it names, the
arrays of parameters, who holds them. `Guard` and `Store` check that in Python, which costs more than the
whole step of a small network. Here the same conditions are a list of memory words that must hold what they
held: a variable's object, a Tensor's array, an array's reference count, the version of a dictionary. Where
one differs, or where the interpreter is not one whose objects are laid out as below, the ordinary way
decides.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from clearprop import structure
from clearprop.compiler.ir import Value
from clearprop.compiler.llvm.engine import Code
from clearprop.tensor import Tensor

# Where CPython 3.11 and NumPy 2 keep things in their objects, in bytes.
TYPE, CELL_CONTENT, LIST_SIZE, LIST_ITEMS, DICT_VERSION, VIEW_DICT = 8, 16, 16, 24, 24, 16
TUPLE_SIZE, TUPLE_ITEMS = 16, 24
ARRAY_DATA, ARRAY_AXES, ARRAY_SHAPE, ARRAY_DTYPE, ARRAY_FLAGS = 16, 24, 32, 56, 64
SCALAR_DATA = 16
_VALUES: Any = type({}.values())
LONG = 30_000.0  # nanoseconds: a step that takes longer lets other Python threads run


def word(address: int) -> int:
    """Return the 8 bytes at an address."""
    return ctypes.c_int64.from_address(address).value


@cache
def possible() -> bool:
    """Tell whether this interpreter's objects are laid out as expected: by version, and by trying.

    Only versions that the tests run under are let in; under others the ordinary way decides.
    """
    if sys.implementation.name != "cpython" or sys.version_info[:2] != (3, 11):
        return False
    if sysconfig.get_config_var("Py_GIL_DISABLED") or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    table = {"a": 1}
    before = word(id(table) + DICT_VERSION)
    same = word(id(table) + DICT_VERSION) == before
    table["a"] = 2
    changed = word(id(table) + DICT_VERSION) != before
    items = [table]
    array = np.zeros((3, 5), np.float32)
    number, view, pair = np.float64(1.5), table.values(), (table, items)
    return (
        same
        and changed
        and word(id(view) + TYPE) == id(type(view))
        and _view_of(view) == id(table)
        and word(word(id(items) + LIST_ITEMS)) == id(table)
        and word(id(array) + ARRAY_DATA) == array.ctypes.data
        and word(id(array) + ARRAY_DTYPE) == id(array.dtype)
        and ctypes.c_int32.from_address(id(array) + ARRAY_AXES).value == 2
        and word(word(id(array) + ARRAY_SHAPE) + 8) == 5
        and ctypes.c_int32.from_address(id(array) + ARRAY_FLAGS).value & 257 == 257
        and ctypes.c_double.from_address(id(number) + SCALAR_DATA).value == 1.5
        and word(id(pair) + TUPLE_SIZE) == 2
        and word(id(pair) + TUPLE_ITEMS) == id(table)
    )


def _view_of(view: Any) -> int:
    return word(id(view) + VIEW_DICT)


def slot(tensor: Tensor, name: str) -> int:
    """Return the address of the word that holds an attribute of a Tensor."""
    return id(tensor) + _offset(name)


@cache
def _offset(name: str) -> int:
    probe, mark = Tensor(0.0), object()
    setattr(probe, name, mark)
    for offset in range(16, Tensor.__basicsize__, 8):
        if word(id(probe) + offset) == id(mark):
            return offset
    raise LookupError(name)


class Conditions:
    """The words that must hold what they held: `equal` exactly, `most` no more."""

    def __init__(self) -> None:
        self.equal: list[tuple[int, int]] = []
        self.most: list[tuple[int, int]] = []
        self.kept: list[Any] = []  # whose addresses are used

    def same(self, address: int) -> None:
        """Let a word have to stay as it is."""
        self.equal.append((address, word(address)))

    def unchanged(self, container: Any) -> None:
        """Let a list, or the dict behind a view of its values, have to stay as it is."""
        self.kept.append(container)
        if isinstance(container, list):
            self.same(id(container) + LIST_SIZE)
            self.same(id(container) + LIST_ITEMS)
            for i in range(len(container)):
                self.same(word(id(container) + LIST_ITEMS) + 8 * i)
        elif isinstance(container, _VALUES):
            self.same(_view_of(container) + DICT_VERSION)
        elif not isinstance(container, tuple):
            raise LookupError(type(container))


def conditions(variant: Any) -> Conditions:
    """Return what `Guard.holds` and `Store.ready` check, as words."""
    found = Conditions()
    guard, store = variant.guard, variant.recording.store
    for cell in guard.cells:
        found.kept.append(cell)
        found.same(id(cell) + CELL_CONTENT)
    for container in guard.iterables:
        found.unchanged(container)
    for tensor in guard.leaves:
        found.kept.append(tensor)
        found.same(slot(tensor, "requires_grad"))
    for tensor in variant.without:
        found.kept.append(tensor)
        found.equal.append((slot(tensor, "grad"), id(None)))
    for tensors, name in ((store.values, "_value"), (store.grads, "grad")):
        for tensor in tensors:
            found.kept.append(tensor)
            found.same(slot(tensor, name))
    for address in [id(array) for array in store.owned]:
        found.most.append((address, word(address)))
    return found


def code(native: Any, found: Conditions, numbers: list[Value], fresh: list[Value]) -> str:
    """Write `quick(self, arguments)`, which checks, fills the table, runs, and returns whether it did."""
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
    for v in numbers:
        place = slot(v.data.tensor, "grad" if v.data.slot == "grad" else "_value")
        number = emit(f"load ptr, ptr inttoptr (i64 {place} to ptr)")
        demand(emit(f"icmp eq i64 {load(number, TYPE)}, {id(v.dtype.type)}"))
        put(v, emit(f"getelementptr i8, ptr {number}, i64 {SCALAR_DATA}"))
    body = "\n".join(lines)
    return _TEXT.format(
        size=TUPLE_SIZE,
        arguments=len(arguments) + len(fresh),
        equal=len(found.equal),
        most=len(found.most),
        body=body,
        true=id(True),
        false=id(False),
    )


_TEXT = """
define ptr @quick(ptr %self, ptr %arguments) {{
entry:
  %words = getelementptr i8, ptr %self, i64 0
  %size.at = getelementptr i8, ptr %arguments, i64 {size}
  %size = load i64, ptr %size.at
  %fits = icmp eq i64 %size, {arguments}
  br i1 %fits, label %first, label %no
first:
  %equal.table = load ptr, ptr @equal
  %most.table = load ptr, ptr @most
  br label %equal
equal:
  %i = phi i64 [0, %first], [%i.next, %equal.on]
  %i.more = icmp ult i64 %i, {equal}
  br i1 %i.more, label %equal.test, label %middle
equal.test:
  %i.two = shl i64 %i, 1
  %i.at = getelementptr ptr, ptr %equal.table, i64 %i.two
  %i.pointer = load ptr, ptr %i.at
  %i.want.at = getelementptr i64, ptr %i.at, i64 1
  %i.want = load i64, ptr %i.want.at
  %i.has = load i64, ptr %i.pointer
  %i.good = icmp eq i64 %i.has, %i.want
  br i1 %i.good, label %equal.on, label %no
equal.on:
  %i.next = add i64 %i, 1
  br label %equal
middle:
  br label %most
most:
  %j = phi i64 [0, %middle], [%j.next, %most.on]
  %j.more = icmp ult i64 %j, {most}
  br i1 %j.more, label %most.test, label %rest
most.test:
  %j.two = shl i64 %j, 1
  %j.at = getelementptr ptr, ptr %most.table, i64 %j.two
  %j.pointer = load ptr, ptr %j.at
  %j.want.at = getelementptr i64, ptr %j.at, i64 1
  %j.want = load i64, ptr %j.want.at
  %j.has = load i64, ptr %j.pointer
  %j.good = icmp sle i64 %j.has, %j.want
  br i1 %j.good, label %most.on, label %no
most.on:
  %j.next = add i64 %j, 1
  br label %most
rest:
{body}
  RUN
  br label %yes
yes:
  %yes.count = load i64, ptr inttoptr (i64 {true} to ptr)
  %yes.more = add i64 %yes.count, 1
  store i64 %yes.more, ptr inttoptr (i64 {true} to ptr)
  ret ptr inttoptr (i64 {true} to ptr)
no:
  %no.count = load i64, ptr inttoptr (i64 {false} to ptr)
  %no.more = add i64 %no.count, 1
  store i64 %no.more, ptr inttoptr (i64 {false} to ptr)
  ret ptr inttoptr (i64 {false} to ptr)
}}
@equal = internal global ptr inttoptr (i64 EQUAL to ptr)
@most = internal global ptr inttoptr (i64 MOST to ptr)
"""


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Quick:
    """What a variant's quick call needs; `runner` makes the call itself."""

    def __init__(self, variant: Any) -> None:
        recording = variant.recording
        native, store = recording.executable, recording.store
        self.recording, self.guard = recording, variant.guard
        self.names = [(space, name, space.get(name)) for space, name in variant.guard.spaces]
        self.count = structure.count()
        self.cleared = [store.tensor(s) for s in recording.cleared]
        self.fresh = [(v.shape, v.dtype) for v in native.places.fresh]
        self.control = np.zeros(1, np.int64)
        self.pool = native.workers
        self.flag = native.places.flag if native.places.checked else None
        self.outputs, self.numbers = native.outputs, native.new_numbers
        self.assigned = [(store.tensor(s), s.slot == "value") for s in native.assigned]
        self.plain = all(value for _, value in self.assigned)
        self.targets = [t for t, _ in self.assigned]
        self.conditions = conditions(variant)
        self._equal = np.array(self.conditions.equal, np.int64).reshape(-1)
        self._most = np.array(self.conditions.most, np.int64).reshape(-1)
        text = code(native, self.conditions, native.numbers, native.places.fresh)
        text = text.replace("EQUAL", str(self._equal.ctypes.data)).replace(
            "MOST", str(self._most.ctypes.data)
        )
        control = f"%control = load ptr, ptr inttoptr (i64 {self.control.ctypes.data} to ptr)\n  "
        table = f"ptr inttoptr (i64 {native.table.ctypes.data} to ptr)"
        run = f"call void inttoptr (i64 {native.code.address('segment0')} to ptr)({table}, ptr %control)"
        self.long = native.parallel or native.work > LONG
        if self.long:
            save = ctypes.cast(ctypes.pythonapi.PyEval_SaveThread, ctypes.c_void_p).value
            restore = ctypes.cast(ctypes.pythonapi.PyEval_RestoreThread, ctypes.c_void_p).value
            let_go = f"%thread = call ptr inttoptr (i64 {save} to ptr)()"
            run = f"{let_go}\n  {run}\n  call void inttoptr (i64 {restore} to ptr)(ptr %thread)"
        self.code = Code(text.replace("RUN", control + run), "quick")
        self._method = _Method(b"quick", self.code.address("quick"), 8, None)  # 8: one argument, METH_O
        make = ctypes.pythonapi.PyCFunction_NewEx
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        self.native: Callable[[Any], bool] = make(ctypes.addressof(self._method), None, None)

    def runner(self) -> Callable[[tuple[Any, ...]], Any]:
        """Return the call: the outputs, or None where the ordinary way must decide."""
        native, names, count, fresh, flag = self.native, self.names, self.count, self.fresh, self.flag
        changes, lock = structure.count, self.recording.lock
        locked = _never if self.long else lock.locked  # a long step takes the lock: see below
        numbers = list(zip(self.targets, self.numbers, strict=True))
        cleared, outputs = self.cleared, self.outputs

        def run(args: tuple[Any, ...], kept: Any = self) -> Any:
            """Run the step if everything is as it was; `kept` holds the native code."""
            if changes() != count or locked():
                return None
            for space, name, value in names:
                if space.get(name) is not value:
                    return None
            new: Any = ()
            if fresh:
                new = tuple([np.empty(shape, dtype) for shape, dtype in fresh])
                if not native(args + new):
                    return None
            elif not native(args):
                return None
            if flag is not None and flag[0]:
                flag[0] = 0
                raise IndexError("an index array of the compiled step is out of bounds; nothing was assigned")
            for tensor, number in numbers:
                tensor._value = number[()]
            for tensor in cleared:
                tensor.grad = None
            return [make(args, new) for make in outputs]

        return self._exclusive(run) if self.long else run

    def _exclusive(self, run: Callable[[tuple[Any, ...]], Any]) -> Callable[[tuple[Any, ...]], Any]:
        """Return the call for a step that lets other Python threads run: nobody else may enter."""
        lock, pool, control = self.recording.lock, self.pool, self.control

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
    """Return a variant's quick call, if it can have one."""
    native = variant.recording.executable
    if (
        not possible()
        or getattr(native, "code", None) is None
        or native.stops
        or not variant.recording.store.fixed
    ):
        return None
    if any(v.shape == () for v in native.program.arguments) or any(
        v.data.tensor is None for v in native.numbers
    ):
        return None
    try:
        made = Quick(variant)
    except LookupError:  # something that is not laid out as expected
        return None
    return made.runner() if made.plain else None
