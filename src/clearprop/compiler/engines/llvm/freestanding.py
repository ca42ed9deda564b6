"""A program as an object file that stands alone: one function, its arrays inside, nothing else needed.

It is the native code of the `llvm` executor on one thread, written for a machine that may be another. What
the executor finds at addresses of this process are arrays of the object itself, and the function fills the
table of arrays from what it is given. What is left to NumPy has no place here and is refused by name.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numpy as np

from clearprop.compiler.engines.llvm.executor import Native
from clearprop.compiler.engines.llvm.language.engine import of_another, optimized
from clearprop.compiler.engines.llvm.plan.places import ARENA, TROUBLE
from clearprop.compiler.engines.llvm.writing import StepText
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout, whole


@dataclass(frozen=True)
class Machine:
    """What an object is made for: LLVM's names of it, and how many bytes a vector is written with."""

    triple: str
    cpu: str
    features: str = ""
    abi: str = ""
    width: int = 32
    code: str = "default"


# fmt: off
MACHINES = {
    "native":  Machine("",                          "",           width=0),
    "x86_64":  Machine("x86_64-unknown-linux-gnu",  "x86-64-v3"),
    "aarch64": Machine("aarch64-unknown-linux-gnu", "generic"),
    "thumb":   Machine("thumbv7em-none-eabihf",     "cortex-m7"),
    "riscv32": Machine("riscv32-unknown-elf",     "generic-rv32", "+m,+a,+f,+d,+c", "ilp32d", code="medium"),
}
"""By the names of `--target`: this very processor; AVX2 and FMA; any ARMv8; a Cortex-M7 with both sizes of
floats; RISC-V of 32 bits with both."""
# fmt: on

_NAMED = re.compile(r"^(?:define [^@]*)?@([\w.]+)", re.MULTILINE)
_OPEN = re.compile(r"^define (?!internal )", re.MULTILINE)
_DEFINED = re.compile(r"^(define .*) \{$", re.MULTILINE)
_CLEARED = re.compile(r"call void @llvm\.memset\.p0\.i64\(ptr (.*), i8 0, i64 (\d+), i1 false\)")
_STACK = re.compile(r"^  (%[\w.]+) = alloca \[(\d+) x i8\], align 64$", re.MULTILINE)


class AloneText(StepText):
    """The text of a program for one thread, without calls of NumPy."""

    several = False

    def write(self) -> None:
        """Write the one native part."""
        self._write_chains()
        if self.stops:
            raise Unlowered(", ".join(sorted({_said(group.values[0]) for group in self.stops})))

    def _copies(self) -> list[str]:
        """Copies byte by byte, so that nobody has to bring a `memcpy`."""
        function = self.module.function("copies", "ptr noalias %data")
        for old, v in self.places.copies:
            goal, source = (self.places.pointer(function, x) for x in (old, layout(v).base))
            function.line(_copy(goal, source, v.nbytes).strip())
        return ["call void @copies(ptr %data)"] * bool(self.places.copies)


class Freestanding(Native):
    """A program's text for one thread, and the arrays that it names."""

    written = AloneText

    def _compile(self, varying: tuple[int, int] | None) -> None:
        self.text = ""

    def arrays(self) -> dict[str, Any]:
        """Return what the text names: arrays with what they hold, or the bytes of one that holds nothing."""
        found: dict[str, Any] = {}
        sizes = {array.ctypes.data: array.nbytes for array in self.places.kept}
        constants = {self.places.addresses[v]: self.places.arrays[v] for v in self.program.constants}
        for name, address in self.places.symbols.items():
            found[name] = constants[address] if address in constants else sizes.get(address, 8)
        return found


def _said(v: Value) -> str:
    return v.op + (f" ({v.why})" if v.why else "")


@dataclass(frozen=True)
class ObjectFile:
    """An object, and what a header says of it: arguments, outputs and states as `(name, shape, dtype)`.

    `changed` are the states that a call changes; `static` are the bytes of memory that it brings, `needs` the
    functions that it calls and does not have.
    """

    code: bytes
    function: str
    arguments: list[tuple[str, tuple[int, ...], Any]]
    outputs: list[tuple[str, tuple[int, ...], Any]]
    states: list[tuple[str, tuple[int, ...], Any]]
    static: int
    needs: list[str]
    checked: bool
    machine: Machine
    changed: frozenset[str]


def freestanding(
    program: Program,
    states: Mapping[Any, tuple[str, Any]],
    function: str = "predict",
    machine: Machine | None = None,
) -> ObjectFile:
    """Return a program as an object for a machine, this one unless told.

    `states` has, by the key of each State, its name in C and what it holds. Raises Unlowered, with all their
    names, where the native code would call NumPy.
    """
    machine = machine or MACHINES["native"]
    plain, changed = with_axes(program)
    with of_another(machine.width):
        native = Freestanding(plain, threads=1)
    text, static = _Text(native, states, function).whole(changed)
    target = _target(machine)
    head = f'target triple = "{target.triple}"\ntarget datalayout = "{target.target_data}"\n'
    module = optimized(head + text, target)
    module.verify()
    code = bytes(target.emit_object(module))
    return ObjectFile(
        code, function,
        [(v.name or f"x{v.data}", v.shape, v.dtype) for v in program.arguments],
        [(f"out{i}", v.shape, v.dtype) for i, v in enumerate(program.outputs)],
        [(states[v.data.key][0], np.shape(states[v.data.key][1]), v.dtype) for v in native.places.stands],
        static, undefined(code), native.places.checked, machine,
        frozenset(states[key][0] for key in changed),
    )  # fmt: skip


def _target(machine: Machine) -> Any:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    if not machine.triple:
        here = llvm.Target.from_default_triple()
        features = llvm.get_host_cpu_features().flatten()
        return here.create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features, opt=2, reloc="pic", codemodel="default"
        )
    found = llvm.Target.from_triple(machine.triple)
    reloc = "pic" if "linux" in machine.triple else "static"
    return found.create_target_machine(
        machine.cpu, machine.features, 2, reloc, machine.code, abiname=machine.abi
    )


# --- a program in which all has axes ------------------------------------------------------------------------
def with_axes(program: Program) -> tuple[Program, dict[Any, Value]]:
    """Return a program whose arguments, states and results have axes, and results arrays of their own.

    A number is an array of one entry: what C is given is memory. Also the values that states become, by key.
    """
    new: dict[Value, Value] = {}
    made = Program()

    def add(v: Value) -> Value:
        made.values.append(v)
        return v

    for v in program.values:
        if v.kind in ("argument", "state") and not v.shape:
            leaf = add(Value(v.kind, (1,), v.dtype, data=v.data, name=v.name, line=v.line))
            new[v] = add(Value("op", (), v.dtype, "reshape", (leaf,), line=v.line))
            continue
        inputs = tuple([new[x] if isinstance(x, Value) else x for x in v.inputs])
        new[v] = add(
            Value(v.kind, v.shape, v.dtype, v.op, inputs, v.attrs, v.data, v.name, v.line, why=v.why)
        )

    def own(v: Value) -> Value:
        """The same entries in memory of their own."""
        flat = v if v.shape else add(Value("op", (1,), v.dtype, "reshape", (v,), line=v.line))
        return add(Value("op", flat.shape, v.dtype, "positive", (flat,), line=v.line))

    made.outputs = [own(new[v]) for v in program.outputs]
    for state, v in program.assignments:
        x = new[v]
        made.assignments.append((state, x if x.shape else own(x)))
    made.checks = [new[v] for v in program.checks]
    return made, {state.key: v for state, v in made.assignments}


class _Text:
    """The module's text: arrays, the native parts, and the function that is called from C."""

    def __init__(self, native: Freestanding, states: Mapping[Any, tuple[str, Any]], function: str) -> None:
        self.native, self.states, self.function = native, states, function
        self.static = 0
        self.buffers: dict[str, int] = {}

    def whole(self, changed: Mapping[Any, Any]) -> tuple[str, int]:
        """Return the text, and how many bytes its arrays are."""
        native = self.native
        lines = [self._array(name, held) for name, held in native.arrays().items()]
        for v in native.places.stands:
            name, held = self.states[v.data.key]
            kind = "global" if v.data.key in changed else "internal constant"
            array = np.ascontiguousarray(np.reshape(held, v.shape), v.dtype)
            lines.append(f"@{name} = {kind} {self._bytes(array)}, align 64")
        code = _STACK.sub(self._off_the_stack, "\n".join([str(native.step.module), *native.step.segments]))
        lines += [self._array(name, size) for name, size in self.buffers.items()]
        code = _OPEN.sub("define internal ", code)  # another object in the program has parts of these names
        text = "\n".join([*lines, code, self._entry()])
        twice = [name for name, count in Counter(_NAMED.findall(text)).items() if count > 1]
        if twice:
            raise Unlowered(f"a function of the name {', '.join(twice)}, which the object has already")
        text = _CLEARED.sub(r"call void @clear(ptr \1, ptr null, i64 \2)", text)
        return _DEFINED.sub(r"\1 nounwind {", text), self.static

    def _off_the_stack(self, found: re.Match[str]) -> str:
        """A large buffer is an array of the object, for small machines have small stacks.

        Functions run one after the other, so that those of one name are one.
        """
        name = f"buffer.{found[1][1:]}"
        self.buffers[name] = max(self.buffers.get(name, 0), int(found[2]))
        return f"  {found[1]} = getelementptr i8, ptr @{name}, i64 0"

    def _array(self, name: str, held: Any) -> str:
        if isinstance(held, int):
            self.static += held
            return f"@{name} = internal global [{held} x i8] zeroinitializer, align 128"
        return f"@{name} = internal constant {self._bytes(held)}, align 64"

    def _bytes(self, array: Any) -> str:
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        self.static += len(data)
        text = "".join(chr(b) if 32 <= b < 127 and b not in (34, 92) else f"\\{b:02X}" for b in data)
        return f'[{len(data)} x i8] c"{text}"'

    def _entry(self) -> str:
        """Return the function that C calls: it fills the table of arrays and runs all parts.

        Its result is 1 where an index was out of bounds, so that nothing is assigned.
        """
        places, program = self.native.places, self.native.program
        self.given = {v: f"%x{i}" for i, v in enumerate(program.arguments)}
        self.given |= {v: f"@{self.states[v.data.key][0]}" for v in places.stands}
        for i, v in enumerate(program.outputs):
            if layout(v).base in places.fresh:
                self.given.setdefault(layout(v).base, f"%out{i}")
        parameters = [f"ptr %x{i}" for i in range(len(program.arguments))]
        parameters += [f"ptr %out{i}" for i in range(len(program.outputs))]
        lines = [f"  %data = alloca [{len(places.table) + 1} x ptr], align 16"]
        for v, place in places.table.items():
            lines.append(f"  %at{place} = getelementptr ptr, ptr %data, i64 {place}")
            lines.append(f"  store ptr {self.given[v]}, ptr %at{place}")
        lines += [f"  store i64 0, ptr @{TROUBLE}", "  call void @segment0(ptr %data, ptr null)"]
        for i, v in enumerate(program.outputs):
            if self.given.get(layout(v).base) != f"%out{i}":
                lines.append(_copy(f"%out{i}", self._lies(v), v.nbytes))
        lines += [
            f"  %flag = load i64, ptr @{TROUBLE}",
            "  %result = trunc i64 %flag to i32",
            "  ret i32 %result",
        ]
        text = "\n".join(lines)
        return f"define i32 @{self.function}({', '.join(parameters)}) {{\n{text}\n}}\n{_COPY}"

    def _lies(self, v: Value) -> str:
        """Return where the entries of an output lie that is also something else: a state, another output."""
        places, place = self.native.places, layout(v)
        base = places.home(place.base)
        if not whole(v):
            raise Unlowered(f"an output that is a part of another array, {v.op}")
        start = self.given.get(base) or f"getelementptr (i8, ptr @{ARENA}, i64 {places.offsets[base]})"
        return start


def _copy(goal: str, source: str, size: int) -> str:
    return f"  call void @copy(ptr {goal}, ptr {source}, i64 {size})"


_EACH = """
define internal void @{name}(ptr %goal, ptr %source, i64 %size) {{
start:
  br label %head
head:
  %i = phi i64 [0, %start], [%next, %body]
  %more = icmp slt i64 %i, %size
  br i1 %more, label %body, label %done
body:
  %to = getelementptr i8, ptr %goal, i64 %i
  %from = getelementptr i8, ptr %source, i64 %i
  {byte}
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}}
"""
_COPY = _EACH.format(name="copy", byte="%byte = load i8, ptr %from\n  store i8 %byte, ptr %to")
_COPY += _EACH.format(name="clear", byte="store i8 0, ptr %to")


# --- what an object calls -----------------------------------------------------------------------------------
def undefined(code: bytes) -> list[str]:
    """Return the names of functions that an ELF object calls and does not have; no other kind is looked into.

    >>> undefined(b"")
    []
    """
    if code[:4] != b"\x7fELF":
        return []
    wide = code[4] == 2
    at, entry = struct.unpack_from("<Q" if wide else "<I", code, 40 if wide else 32)[0], 58 if wide else 46
    size, count = struct.unpack_from("<HH", code, entry)
    names: list[str] = []
    for k in range(count):
        start = at + k * size
        if struct.unpack_from("<I", code, start + 4)[0] != _SYMBOLS:
            continue
        form = "<QQII" if wide else "<IIII"
        offset, length, link, _ = struct.unpack_from(form, code, start + (24 if wide else 16))
        strings = at + link * size
        text = struct.unpack_from("<Q" if wide else "<I", code, strings + (24 if wide else 16))[0]
        for symbol in range(offset, offset + length, 24 if wide else 16):
            name = struct.unpack_from("<I", code, symbol)[0]
            section = struct.unpack_from("<H", code, symbol + (6 if wide else 14))[0]
            if name and not section:
                names.append(code[text + name : code.index(b"\0", text + name)].decode())
    return names


_SYMBOLS = 2  # an ELF section that is a table of symbols
