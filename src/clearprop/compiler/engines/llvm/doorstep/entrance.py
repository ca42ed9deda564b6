"""The way into a native step: machine code that looks at a call's conditions and arrays, and runs the step.

It is a function of Python's own kind, called with the arguments as a tuple and a dict. Where a condition does
not hold, or an argument is another kind of thing than at the recording, it calls the ordinary way instead.
Its text names what lies elsewhere, and says no address: steps of one form in any process share machine code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.engines.llvm.doorstep.conditions import Conditions
from clearprop.compiler.engines.llvm.doorstep.objects import (
    ARRAY_AXES,
    ARRAY_DATA,
    ARRAY_DTYPE,
    ARRAY_FLAGS,
    ARRAY_SHAPE,
    COUNT,
    DICT_SIZE,
    SCALAR_DATA,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    array_function,
    slot,
)
from clearprop.compiler.engines.llvm.language.engine import Code
from clearprop.compiler.program.ir import Value
from clearprop.tensor import Tensor

LONG = 30_000.0  # nanoseconds: a step that takes longer lets other Python threads run
VARARGS = 3  # how CPython calls it: METH_VARARGS | METH_KEYWORDS


class EntranceText:
    """Instructions being written, that go to `%no` where something is not as it must be.

    `symbols` says where everything lies that they name.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count: int = 0
        self.symbols: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def at(self, address: int) -> str:
        """Return the name of a place in memory, as an operand."""
        name = self._names.setdefault(address, f"place{len(self._names)}")
        self.symbols[name] = address
        return f"@{name}"

    def python(self, name: str) -> str:
        """Return a function of CPython's interface as an operand of a call."""
        self.symbols[name] = int(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0)
        return f"@{name}"

    def emit(self, text: str) -> str:
        """Write an instruction and return its result."""
        self.count += 1
        self.lines.append(f"  %x{self.count} = {text}")
        return f"%x{self.count}"

    def line(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {text}")

    def load(self, start: str, offset: int, kind: str = "i64") -> str:
        """Read a word of an object."""
        place = self.emit(f"getelementptr i8, ptr {start}, i64 {offset}")
        return self.emit(f"load {kind}, ptr {place}")

    def store(self, x: str, start: str, offset: int) -> None:
        """Write a word of an object."""
        place = self.emit(f"getelementptr i8, ptr {start}, i64 {offset}")
        self.line(f"store {x}, ptr {place}")

    def demand(self, condition: str) -> None:
        """Go on only if the condition holds."""
        test = self.emit(condition)
        self.count += 1
        self.line(f"br i1 {test}, label %ok{self.count}, label %no")
        self.lines.append(f"ok{self.count}:")

    def same(self, word: str, thing: Any) -> None:
        """Go on only if a word is the address of this object."""
        self.demand(f"icmp eq i64 {word}, ptrtoint (ptr {self.at(id(thing))} to i64)")

    def held(self, thing: Any) -> str:
        """Return an object with one more reference to it."""
        self.line(f"call void {self.python('Py_IncRef')}(ptr {self.at(id(thing))})")
        return self.at(id(thing))


class Entrance:
    """The way into one plan, whatever the conditions; `kind` is what a call gives.

    - `tensor`, `array`: the plan's one output; numbers that the step assigns are written where they are.
    - `done`: only True; the rest is done in Python. A long step lets other threads run meanwhile.

    `turns` is one word that each call counts up, so that a proof is due after as many as were to go without.
    """

    native: Any
    kind: str
    turns: Any

    def __init__(self, native: Any, kind: str, workers: Any, turns: Any) -> None:
        self.native, self.kind, self.turns = native, kind, turns
        self.control: NDArray[Any] = np.array([workers.address if workers is not None else 0], np.int64)
        text = EntranceText()
        body = self._write(text)
        known = "\n".join(f"@{name} = external global [0 x i8]" for name in text.symbols)
        self.code: Code = Code(known + body, "enter_quickly", symbols=text.symbols, last=True)
        self._method = _Method(b"step", self.code.address("enter_quickly"), VARARGS, None)
        self._make = ctypes.pythonapi.PyCFunction_NewEx
        self._make.restype = ctypes.py_object
        self._make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]

    def under(self, conditions: Conditions, otherwise: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function under conditions; `otherwise` is called where they do not hold."""
        equal, more = conditions.equal, conditions.more
        ends = (2 + 2 * len(equal), 2 + 2 * len(equal) + 2 * len(more))
        words = np.array([ends, *equal, *more], np.int64)
        held = words, otherwise, conditions  # the last so that what is compared stays alive
        made: Callable[..., Any] = self._make(ctypes.addressof(self._method), held, self)
        return made

    # --- writing --------------------------------------------------------------------------------------------
    def _write(self, t: EntranceText) -> str:
        native, places = self.native, self.native.places
        given = [*native.program.arguments, *(places.fresh if self.kind == "done" else ())]
        self._take(t, given)
        goals = []
        if self.kind != "done":
            for state, v in places.assigned:  # a number that nobody else holds may get another value
                goals.append((self._number(t, state.tensor, v.dtype), v))
                t.demand(f"icmp sle i64 {t.load(goals[-1][0], COUNT)}, 1")
        fresh = {} if self.kind == "done" else {v: self._empty(t, v) for v in places.fresh}
        turns = t.at(self.turns.ctypes.data)
        count = t.emit(f"load i64, ptr {turns}")
        t.line(f"store i64 {t.emit(f'add i64 {count}, 1')}, ptr {turns}")
        self._run(t)
        if places.checked and self.kind != "done":
            self._check(t, fresh)
        for number, v in goals:
            t.store(f"i{8 * v.dtype.itemsize} {self._result(t, v)}", number, SCALAR_DATA)
        answer = self._answer(t, fresh)
        return _TEXT.format(
            data=ARRAY_DATA,
            items=TUPLE_ITEMS,
            otherwise=TUPLE_ITEMS + 8,
            size=TUPLE_SIZE,
            pairs=DICT_SIZE,
            arguments=len(given),
            words="\n".join(
                [
                    _words("equal", "2, %first", "%equal.end", "eq", "more"),
                    _words("more", "%equal.end, %equal", "%more.end", "sle", "rest"),
                ]
            ),
            body="\n".join(t.lines),
            answer=answer,
            call=t.python("PyObject_Call"),
        )

    def _take(self, t: EntranceText, given: Sequence[Value]) -> None:
        """Look at what is given, and tell the step where it lies."""
        for i, v in enumerate(given):
            array = t.load("%arguments", TUPLE_ITEMS + 8 * i, "ptr")
            self._look_at(t, array, v)
            self._put(t, v, t.load(array, ARRAY_DATA, "ptr"))
        for v in self.native.numbers:
            number = self._number(t, v.data.tensor, v.dtype)
            self._put(t, v, t.emit(f"getelementptr i8, ptr {number}, i64 {SCALAR_DATA}"))

    def _put(self, t: EntranceText, base: Value, start: str) -> None:
        place = self.native.table.ctypes.data + 8 * self.native.places.table[base]
        t.line(f"store ptr {start}, ptr {t.at(place)}")

    def _look_at(self, t: EntranceText, array: str, v: Value) -> None:
        """Go on only with an array of the value's dtype and shape, in C order, aligned."""
        t.same(t.load(array, TYPE), np.ndarray)
        t.same(t.load(array, ARRAY_DTYPE), v.dtype)
        t.demand(f"icmp eq i32 {t.load(array, ARRAY_AXES, 'i32')}, {len(v.shape)}")
        flags = t.emit(f"and i32 {t.load(array, ARRAY_FLAGS, 'i32')}, 257")
        t.demand(f"icmp eq i32 {flags}, 257")
        shape = t.load(array, ARRAY_SHAPE, "ptr")
        for axis, n in enumerate(v.shape):
            t.demand(f"icmp eq i64 {t.load(shape, 8 * axis)}, {n}")

    def _number(self, t: EntranceText, tensor: Tensor, dtype: Any) -> str:
        """Return the NumPy number that is a Tensor's value."""
        number = t.emit(f"load ptr, ptr {t.at(slot(tensor, '_value'))}")
        t.demand(f"icmp ne ptr {number}, null")  # a value that lies on a device
        t.same(t.load(number, TYPE), dtype.type)
        return number

    def _empty(self, t: EntranceText, v: Value) -> str:
        """Make an array for the caller."""
        shape = ", ".join(f"i64 {n}" for n in v.shape)
        t.line(f"%shape{t.count} = alloca [{len(v.shape)} x i64]")
        t.line(f"store [{len(v.shape)} x i64] [{shape}], ptr %shape{t.count}")
        given = f"i32 {len(v.shape)}, ptr %shape{t.count}, ptr {t.held(v.dtype)}, i32 0"
        array = t.emit(f"call ptr {t.at(array_function('PyArray_Empty'))}({given})")
        t.line(f"br i1 {t.emit(f'icmp eq ptr {array}, null')}, label %failed, label %made{t.count}")
        t.lines.append(f"made{t.count}:")
        self._put(t, v, t.load(array, ARRAY_DATA, "ptr"))
        return array

    def _run(self, t: EntranceText) -> None:
        native = self.native
        control = t.emit(f"load ptr, ptr {t.at(self.control.ctypes.data)}")
        segment = t.at(native.code.address("segment0"))
        call = f"call void {segment}(ptr {t.at(native.table.ctypes.data)}, ptr {control})"
        if self.kind == "done" and native.work > LONG:
            thread = t.emit(f"call ptr {t.python('PyEval_SaveThread')}()")
            t.line(call)
            t.line(f"call void {t.python('PyEval_RestoreThread')}(ptr {thread})")
        else:
            t.line(call)

    def _check(self, t: EntranceText, fresh: dict[Value, str]) -> None:
        """Leave a step in which an index was out of bounds, and has assigned nothing, to the ordinary way."""
        flag = t.at(self.native.places.flag.ctypes.data)
        bad = t.emit(f"icmp ne i64 {t.emit(f'load i64, ptr {flag}')}, 0")
        t.line(f"br i1 {bad}, label %trouble, label %fine")
        t.lines.append("trouble:")
        t.line(f"store i64 0, ptr {flag}")
        for array in fresh.values():
            t.line(f"call void {t.python('Py_DecRef')}(ptr {array})")
        t.line("br label %no")
        t.lines.append("fine:")

    def _result(self, t: EntranceText, v: Value) -> str:
        return t.emit(f"load i{8 * v.dtype.itemsize}, ptr {t.at(self.native.places.address(v))}")

    def _answer(self, t: EntranceText, fresh: dict[Value, str]) -> str:
        if self.kind == "done":
            return t.held(True)
        v = self.native.program.outputs[0]
        if v in fresh:
            made = fresh[v]
        else:
            given = f"ptr {t.at(self.native.places.address(v))}, ptr {t.at(id(v.dtype))}, ptr null"
            made = t.emit(f"call ptr {t.at(array_function('PyArray_Scalar'))}({given})")
        return made if self.kind == "array" else self._tensor(t, made)

    def _tensor(self, t: EntranceText, value: str) -> str:
        """Make a Tensor without a graph."""
        kind = t.at(id(Tensor))
        made = t.emit(f"call ptr {t.python('PyType_GenericAlloc')}(ptr {kind}, i64 0)")
        fields = {name: t.held(x) for name, x in _PLAIN.items()}
        fields["attrs"] = t.emit(f"call ptr {t.python('PyDict_New')}()")
        fields["_value"] = value
        probe = Tensor(0.0)
        for name, x in fields.items():
            t.store(f"ptr {x}", made, slot(probe, name) - id(probe))
        return made


_PLAIN: dict[str, Any] = {
    **dict.fromkeys(("grad", "name", "op")),
    "inputs": (),
    "values": (),
    "requires_grad": False,
    "serial": 0,
}


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def _words(name: str, begin: str, end: str, test: str, after: str) -> str:
    """Write a loop over pairs of an address and a word, which ends where a test fails."""
    i = f"%{name}"
    return f"""{name}:
  {i}.i = phi i64 [{begin}], [{i}.next, %{name}.on]
  {i}.some = icmp ult i64 {i}.i, {end}
  br i1 {i}.some, label %{name}.test, label %{after}
{name}.test:
  {i}.at = getelementptr i64, ptr %words, i64 {i}.i
  {i}.address = load ptr, ptr {i}.at
  {i}.want.at = getelementptr i64, ptr {i}.at, i64 1
  {i}.want = load i64, ptr {i}.want.at
  {i}.has = load i64, ptr {i}.address, align 1
  {i}.good = icmp {test} i64 {i}.has, {i}.want
  br i1 {i}.good, label %{name}.on, label %no
{name}.on:
  {i}.next = add i64 {i}.i, 2
  br label %{name}"""


_TEXT = """
define ptr @enter_quickly(ptr %self, ptr %arguments, ptr %named) {{
entry:
  %plain = icmp eq ptr %named, null
  br i1 %plain, label %unnamed, label %names
names:
  %named.at = getelementptr i8, ptr %named, i64 {pairs}
  %pairs = load i64, ptr %named.at
  %none = icmp eq i64 %pairs, 0
  br i1 %none, label %unnamed, label %no
unnamed:
  %size.at = getelementptr i8, ptr %arguments, i64 {size}
  %size = load i64, ptr %size.at
  %fits = icmp eq i64 %size, {arguments}
  br i1 %fits, label %first, label %no
first:
  %array.at = getelementptr i8, ptr %self, i64 {items}
  %array = load ptr, ptr %array.at
  %words.at = getelementptr i8, ptr %array, i64 {data}
  %words = load ptr, ptr %words.at
  %equal.end = load i64, ptr %words
  %end.at = getelementptr i64, ptr %words, i64 1
  %more.end = load i64, ptr %end.at
  br label %equal
{words}
rest:
{body}
  ret ptr {answer}
no:
  %otherwise.at = getelementptr i8, ptr %self, i64 {otherwise}
  %otherwise = load ptr, ptr %otherwise.at
  %result = call ptr {call}(ptr %otherwise, ptr %arguments, ptr %named)
  ret ptr %result
failed:
  ret ptr null
}}
"""
