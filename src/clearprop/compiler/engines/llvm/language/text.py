"""LLVM IR as text: a module, and a function being written line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.language.values import (
    BOOL,
    INDEX,
    Dtype,
    Register,
    common,
    literal,
    most_lanes,
    suffix,
    type_name,
)


class ModuleText:
    """Functions and declarations, each written once."""

    def __init__(self) -> None:
        self.functions: dict[str, Procedure] = {}
        self.declarations: dict[str, str] = {}

    def function(
        self, name: str, parameters: str, attributes: str = "", linkage: str = "internal"
    ) -> Procedure:
        """Begin a function without a result; `parameters` is written as in LLVM: `ptr noalias %x, i64 %n`."""
        function = Procedure(self, name, parameters, attributes, linkage)
        self.functions[name] = function
        return function

    def declare(self, name: str, result: str, parameters: str) -> None:
        """Make a function of another library, or an intrinsic, known."""
        self.declarations[name] = f"declare {result} @{name}({parameters})"

    def __str__(self) -> str:
        return "\n".join([*self.declarations.values(), *map(str, self.functions.values())])


class Procedure:
    """A native function being written: each method adds instructions at the end of the current block."""

    module: ModuleText
    name: str
    parameters: str
    attributes: str
    linkage: str
    count: int
    block: str

    def __init__(self, module: ModuleText, name: str, parameters: str, attributes: str, linkage: str) -> None:
        self.module, self.name, self.parameters = module, name, parameters
        self.attributes, self.linkage = attributes, linkage
        self.slots: list[str] = []
        self.lines: list[str] = []
        self.block, self.count = "start", 0
        self.shared: dict[Any, Any] = {}  # what the emitters above remember about this function
        self.given: dict[Any, str] | None = None  # the parameters for arrays, where arrays are parameters

    def __str__(self) -> str:
        return f"define {self.linkage} void @{self.name}{self.without_name}"

    @property
    def without_name(self) -> str:
        """What two functions that do the same have in common."""
        head = f"({self.parameters}) {self.attributes} {{"
        start = ["entry:", *self.slots, "  br label %start", "start:"]
        return "\n".join([head, *start, *self.lines, "  ret void", "}\n"])

    def asks(self, thing: Any) -> str:
        """Return the parameter that is given for a thing, an array or a buffer: the same for the same one."""
        assert self.given is not None
        return self.given.setdefault(thing, f"%q{len(self.given)}")

    # --- single instructions --------------------------------------------------------------------------------
    def line(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append("  " + text)

    def emit(self, text: str) -> str:
        """Write an instruction and return the name of its result."""
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def value(self, text: str, dtype: Dtype, lanes: int = 0) -> Register:
        """Write an instruction and return its result as a Register."""
        return Register(self, self.emit(text), dtype, lanes)

    def constant(self, number: Any, dtype: Dtype, lanes: int = 0) -> Register:
        """Return a number as a Register; nothing is written."""
        text = literal(number, dtype)
        if lanes:
            text = f"splat ({type_name(dtype)} {text})"
        return Register(self, text, dtype, lanes)

    def index(self, number: int) -> Register:
        """Return an integer to count or address with."""
        return self.constant(number, INDEX)

    def quotient(self, x: Register, n: int) -> Register:
        """Return how often `n` goes into an index."""
        return self.value(f"sdiv i64 {x.text}, {n}", INDEX)

    def lift(self, x: Any, dtype: Dtype | None = None, lanes: int = 0) -> Register:
        """Return `x`, a Register or a number, with that dtype and in that many lanes."""
        if not isinstance(x, Register):
            return self.constant(x, dtype if dtype is not None else np.result_type(x), lanes)
        if dtype is not None and x.dtype != dtype:
            x = x.astype(dtype)
        return x if x.lanes == lanes else self.splat(x, lanes)

    def splat(self, x: Register, lanes: int) -> Register:
        """Copy a single number to all lanes."""
        if x.text.startswith(("0x", "-")) or x.text[0].isdigit() or x.text in ("true", "false"):
            return Register(self, f"splat ({x.type} {x.text})", x.dtype, lanes)
        vector = type_name(x.dtype, lanes)
        first = self.emit(f"insertelement {vector} poison, {x.type} {x.text}, i64 0")
        text = f"shufflevector {vector} {first}, {vector} poison, <{lanes} x i32> zeroinitializer"
        return self.value(text, x.dtype, lanes)

    def shuffle(self, x: Register, y: Register, lanes: Iterable[int]) -> Register:
        """Return a vector of some lanes of two, of which those of the second are numbered on."""
        picked = [f"i32 {k}" for k in lanes]
        text = (
            f"shufflevector {x.type} {x.text}, {y.type} {y.text}, <{len(picked)} x i32> <{', '.join(picked)}>"
        )
        return self.value(text, x.dtype, len(picked))

    def lane_numbers(self, lanes: int, dtype: Dtype = INDEX) -> Register:
        """Return the vector 0, 1, 2, ..."""
        name = type_name(dtype)
        entries = ", ".join(f"{name} {literal(i, dtype)}" for i in range(lanes))
        return Register(self, f"<{entries}>", dtype, lanes)

    def select(self, c: Register, x: Any, y: Any) -> Register:
        """Return x where c holds, else y."""
        dtype = common(x, y)
        lanes = most_lanes(c, x, y)
        x, y = self.lift(x, dtype, lanes), self.lift(y, dtype, lanes)
        if c.dtype != BOOL:
            c = c != 0
        if lanes and not c.lanes:
            c = self.splat(c, lanes)
        return self.value(f"select {c.type} {c.text}, {x.type} {x.text}, {y.type} {y.text}", dtype, lanes)

    def intrinsic(self, name: str, *xs: Register, flags: str = "") -> Register:
        """Call one of LLVM's own functions whose arguments all have the type of its result."""
        x = xs[0]
        full = f"llvm.{name}.{f'v{x.lanes}' if x.lanes else ''}{suffix(x.dtype)}"
        self.module.declare(full, x.type, ", ".join(v.type for v in xs))
        return self.value(
            f"call {flags}{x.type} @{full}({', '.join(f'{v.type} {v.text}' for v in xs)})", x.dtype, x.lanes
        )

    def library(self, name: str, *xs: Register) -> Register:
        """Call a function of the C library, lane by lane: right, and slow."""
        x = xs[0]
        scalar = type_name(x.dtype)
        full = name + ("f" if x.dtype.itemsize == 4 else "")
        self.module.declare(full, scalar, ", ".join(scalar for _ in xs))
        if not x.lanes:
            return self.value(
                f"call {scalar} @{full}({', '.join(f'{scalar} {v.text}' for v in xs)})", x.dtype
            )
        result = "poison"
        for i in range(x.lanes):
            given = [self.emit(f"extractelement {v.type} {v.text}, i64 {i}") for v in xs]
            one = self.emit(f"call {scalar} @{full}({', '.join(f'{scalar} {g}' for g in given)})")
            result = self.emit(f"insertelement {x.type} {result}, {scalar} {one}, i64 {i}")
        return Register(self, result, x.dtype, x.lanes)

    # --- memory ---------------------------------------------------------------------------------------------
    def slot(self, dtype: Dtype, lanes: int = 0) -> Slot:
        """Return a local variable; LLVM keeps it in a register."""
        name = f"%s{len(self.slots)}"
        self.slots.append(f"  {name} = alloca {type_name(dtype, lanes)}, align 64")
        return Slot(self, name, dtype, lanes)

    def at(self, pointer: str, offset: Register | int, dtype: Dtype) -> str:
        """Return the address of entry `offset` of an array of `dtype`."""
        name = "i8" if dtype == BOOL else type_name(dtype)
        text = offset.text if isinstance(offset, Register) else str(offset)
        return self.emit(f"getelementptr {name}, ptr {pointer}, i64 {text}") if text != "0" else pointer

    def load(self, address: str, dtype: Dtype, lanes: int = 0, mask: Register | None = None) -> Register:
        """Read one number, or `lanes` neighbours; where `mask` is false nothing is read and 0 results."""
        kept = np.dtype(np.uint8) if dtype == BOOL else dtype  # a bool is a byte in memory
        name = type_name(kept, lanes)
        if mask is None:
            x = self.value(f"load {name}, ptr {address}, align {kept.itemsize}", kept, lanes)
        else:
            full = f"llvm.masked.load.v{lanes}{suffix(kept)}.p0"
            self.module.declare(full, name, f"ptr, i32, <{lanes} x i1>, {name}")
            given = f"ptr {address}, i32 {kept.itemsize}, {mask.type} {mask.text}, {name} zeroinitializer"
            text = f"call {name} @{full}({given})"
            x = self.value(text, kept, lanes)
        return x != 0 if dtype == BOOL else x

    def store(self, x: Register, address: str, mask: Register | None = None) -> None:
        """Write one number, or a vector to neighbouring places (only where `mask` holds)."""
        if x.dtype == BOOL:
            x = x.astype(np.dtype(np.uint8))
        if mask is None:
            self.line(f"store {x.type} {x.text}, ptr {address}, align {x.dtype.itemsize}")
            return
        full = f"llvm.masked.store.v{x.lanes}{suffix(x.dtype)}.p0"
        self.module.declare(full, "void", f"{x.type}, ptr, i32, <{x.lanes} x i1>")
        given = f"ptr {address}, i32 {x.dtype.itemsize}, {mask.type} {mask.text}"
        self.line(f"call void @{full}({x.type} {x.text}, {given})")

    # --- blocks ---------------------------------------------------------------------------------------------
    def label(self, hint: str) -> str:
        """Return a fresh name of a block."""
        self.count += 1
        return f"{hint}{self.count}"

    def begin(self, label: str) -> None:
        """Begin a block; the one before must have ended with a branch."""
        self.lines.append(f"{label}:")
        self.block = label

    @contextmanager
    def loop(self, start: Register | int, stop: Register | int, step: int = 1) -> Iterator[Register]:
        """Repeat what is written inside for the index `start`, `start + step`, ... below `stop`."""
        first, last = (x.text if isinstance(x, Register) else str(x) for x in (start, stop))
        head, body, done = self.label("head"), self.label("body"), self.label("done")
        before = self.block
        self.line(f"br label %{head}")
        self.begin(head)
        place = len(self.lines)
        self.lines.append("")
        i = f"%i{place}_{self.count}"
        self.line(f"{i}.go = icmp slt i64 {i}, {last}")
        self.line(f"br i1 {i}.go, label %{body}, label %{done}")
        self.begin(body)
        yield Register(self, i, INDEX, 0)
        self.line(f"{i}.next = add nsw i64 {i}, {step}")
        self.lines[place] = f"  {i} = phi i64 [{first}, %{before}], [{i}.next, %{self.block}]"
        self.line(f"br label %{head}")
        self.begin(done)

    @contextmanager
    def when(self, condition: Register) -> Iterator[None]:
        """Do what is written inside only if the condition holds."""
        then, done = self.label("then"), self.label("done")
        self.line(f"br i1 {condition.text}, label %{then}, label %{done}")
        self.begin(then)
        yield
        self.line(f"br label %{done}")
        self.begin(done)


class Slot:
    """A local variable of a function."""

    function: Procedure
    name: str
    dtype: Dtype
    lanes: int

    def __init__(self, function: Procedure, name: str, dtype: Dtype, lanes: int) -> None:
        self.function, self.name, self.dtype, self.lanes = function, name, dtype, lanes

    def get(self) -> Register:
        """Return what it holds."""
        return self.function.value(
            f"load {type_name(self.dtype, self.lanes)}, ptr {self.name}, align 64", self.dtype, self.lanes
        )

    def put(self, x: Any) -> None:
        """Let it hold `x`."""
        x = self.function.lift(x, self.dtype, self.lanes)
        self.function.line(f"store {x.type} {x.text}, ptr {self.name}, align 64")
