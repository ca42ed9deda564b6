"""Reading and writing arrays: masks of lanes that are there, entries that lie apart, bounds of indices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from clearprop.compiler.engines.llvm.language.mathematics import any_lane
from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import BOOL, INDEX, Register, suffix, type_name
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.program import ir

BYTE = np.dtype(np.uint8)


class Memory(Protocol):
    """What gives a value its place."""

    widest: int
    """The rows of the largest part."""
    failing: set[Group]
    """Which groups may find an index out of bounds."""

    def pointer(self, function: Procedure, base: ir.Value) -> str:
        """Return where a value's entries begin."""
        ...

    def start(self, function: Procedure, base: ir.Value, offset: int, dtype: Any) -> str:
        """Return where an entry of a value's array is."""
        ...

    def scratch(self, function: Procedure, key: tuple[ir.Value, str], size: int, part: Register) -> str:
        """Return where a buffer of so many bytes begins, one for each part of a loop."""
        ...

    def trouble(self, function: Procedure) -> str:
        """Return where a step notes that an index was out of bounds."""
        ...


def inside(function: Procedure, i: Register, n: int, trouble: str, mask: Register | None) -> Register:
    """Return an index counted from the front; one that is out of bounds is noted, and becomes 0."""
    i = i.astype(INDEX)
    i = function.select(i < 0, i + n, i)
    bad = (i < 0) | (i >= n)
    if mask is not None and i.lanes:
        bad = bad & mask
    with function.when(any_lane(bad)):
        function.store(function.index(1), trouble)
    return function.select((i < 0) | (i >= n), 0, i)


def constant_mask(function: Procedure, n: int, lanes: int) -> Register | None:
    """Return the mask of the first n lanes; None where that is all of them."""
    if n >= lanes:
        return None
    entries = ", ".join(f"i1 {'true' if i < n else 'false'}" for i in range(lanes))
    return Register(function, f"<{entries}>", BOOL, lanes)


def vectors(
    function: Procedure, start: Any, stop: Any, lanes: int, static: int | None
) -> Iterator[tuple[Register, Register | None]]:
    """Loop over whole vectors, then once more for what is left, with a mask; yields the place in each.

    `static` is how many entries there are where that is known, counted from 0.
    """
    if static is not None:
        whole = static - static % lanes
        if whole:
            with function.loop(0, whole, lanes) as i:
                yield i, None
        if static % lanes:
            yield function.index(whole), constant_mask(function, static % lanes, lanes)
        return
    count = ((stop - start) >> (lanes.bit_length() - 1)) << (lanes.bit_length() - 1)
    middle = start + count
    with function.loop(start, middle, lanes) as i:
        yield i, None
    with function.when(middle < stop):
        yield middle, function.lift(middle, INDEX, lanes) + function.lane_numbers(lanes) < stop


def _addresses(function: Procedure, address: str, step: Any, dtype: Any, lanes: int) -> str:
    """Return a vector of addresses, `step` entries apart (or at a vector of offsets)."""
    offsets = step if isinstance(step, Register) else function.lane_numbers(lanes) * step
    name = "i8" if dtype == BOOL else type_name(dtype)
    return function.emit(f"getelementptr {name}, ptr {address}, {offsets.type} {offsets.text}")


def _all(function: Procedure, lanes: int) -> Register:
    return function.constant(True, BOOL, lanes)


def gather(
    function: Procedure, address: str, step: Any, dtype: Any, lanes: int, mask: Register | None
) -> Register:
    """Read entries that are `step` apart."""
    kept = type_name(dtype if dtype != BOOL else BYTE, lanes)
    mask = mask if mask is not None else _all(function, lanes)
    places = _addresses(function, address, step, dtype, lanes)
    name = f"llvm.masked.gather.v{lanes}{suffix(dtype)}.v{lanes}p0"
    function.module.declare(name, kept, f"<{lanes} x ptr>, i32, <{lanes} x i1>, {kept}")
    given = f"<{lanes} x ptr> {places}, i32 {dtype.itemsize}, {mask.type} {mask.text}, {kept} zeroinitializer"
    text = f"call {kept} @{name}({given})"
    x = function.value(text, dtype if dtype != BOOL else BYTE, lanes)
    return x != 0 if dtype == BOOL else x


def scatter(function: Procedure, x: Register, address: str, step: Any, mask: Register | None) -> None:
    """Write entries that are `step` apart."""
    dtype = x.dtype
    if dtype == BOOL:
        x = x.astype(BYTE)
    mask = mask if mask is not None else _all(function, x.lanes)
    places = _addresses(function, address, step, dtype, x.lanes)
    name = f"llvm.masked.scatter.v{x.lanes}{suffix(dtype)}.v{x.lanes}p0"
    function.module.declare(name, "void", f"{x.type}, <{x.lanes} x ptr>, i32, <{x.lanes} x i1>")
    given = f"<{x.lanes} x ptr> {places}, i32 {dtype.itemsize}, {mask.type} {mask.text}"
    function.line(f"call void @{name}({x.type} {x.text}, {given})")
