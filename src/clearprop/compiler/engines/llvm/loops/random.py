"""Random numbers inside loops: Philox4x64-10, many blocks at a time, with the bits that eager draws.

A block is four words of 64 bits, computed from its number alone: eight float32 or four float64. A loop has a
stretch of consecutive numbers in a buffer of its own, and fills it anew where it comes to the end; so any
loop that goes in the order of memory can draw, wherever its rows and parts begin. The rounds are those of
Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011; key, counter and conversion are written
down in `clearprop.ops.random.random_uniform`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.engines.llvm.language.engine import WIDE, vector_bytes
from clearprop.compiler.engines.llvm.language.text import ModuleText, Procedure
from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.engines.llvm.loops.access import Memory
from clearprop.compiler.program import ir
from clearprop.compiler.program.core import Core, enter, unrun
from clearprop.compiler.program.ir import is_op
from clearprop.compiler.program.layout import layout

if TYPE_CHECKING:
    from clearprop.compiler.engines.llvm.language.text import Slot

WORD, SHORT = np.dtype(np.uint64), np.dtype(np.uint32)
FACTORS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
# Numbers that loops draw: from a state, so many calls later, both of which are inputs.
enter("random_uniform", Core(family="draw", run=unrun, reads="drawn", cost=8))

ROUNDS, WORDS = 10, 4  # all of these as in the paper
STRETCH = 64  # blocks: 2 KB, a fraction of the first cache
TOGETHER = 2  # vectors of blocks at a time: one alone leaves the processor waiting for its products
LOW = (1 << 32) - 1
NOWHERE = -(1 << 62)


def drawn(v: ir.Value, add: Callable[[ir.Value], ir.Value]) -> ir.Value | None:
    """Return a call of `random_uniform` as an op of loops; None where its inputs are not as NumPy has them.

    A state that is another one, so many calls later, is looked through, so whoever draws waits for nobody.
    How many is read from memory, so that layers of a like shape have native code in common.
    """
    state = v.inputs[0] if v.operands else None
    if v.dtype.name not in ("float32", "float64") or state is None:
        return None
    if state.dtype != WORD or state.shape != (2,):
        return None
    ahead = 0
    while (earlier := _before(state)) is not None and ahead + earlier[1] <= LOW:
        state, ahead = earlier[0], ahead + earlier[1]
    calls = add(ir.Value("constant", (), SHORT, data=np.asarray(ahead, SHORT), line=v.line))
    return ir.Value("op", v.shape, v.dtype, "random_uniform", (state, calls), line=v.line)


def _before(state: ir.Value) -> tuple[ir.Value, int] | None:
    """Return the state to which this one adds calls, and how many."""
    if not is_op(state, "add"):
        return None
    x, y = state.inputs
    if not isinstance(x, ir.Value) or not isinstance(y, ir.Value) or y.kind != "constant":
        return None
    return (x, int(y.data[1])) if x.shape == y.shape == (2,) and y.data[0] == 0 else None


class Stretch:
    """The numbers of one value around the place that a part of a loop has come to."""

    function: Procedure
    dtype: Any

    def __init__(
        self,
        function: Procedure,
        v: ir.Value,
        memory: Memory,
        part: Register,
        end: Register,
        ahead: Register,
    ) -> None:
        """Write what is done once: for numbers up to `end`, `ahead` calls after the state's."""
        self.function, self.dtype = function, v.dtype
        place = layout(v.inputs[0])
        state = memory.pointer(function, place.base)
        second = place.offset + place.strides[0]
        self.key: Register = function.load(function.at(state, place.offset, WORD), WORD)
        self.calls: Register = function.load(function.at(state, second, WORD), WORD) + ahead.astype(WORD)
        self.block: int = numbers_of(v.dtype)
        self.end: Register = (end + (self.block - 1)) >> _log(self.block)
        self.buffer: str = memory.scratch(function, (v, "drawn"), STRETCH * 8 * WORDS, part)
        self.first: Slot = function.slot(INDEX)
        self.first.put(NOWHERE)
        self.fill: str = filling(function.module, v.dtype)

    def at(self, offset: Register | int, lanes: int) -> Register:
        """Write the numbers from `offset` on, which may be anywhere; going forward is what is fast."""
        function, size = self.function, STRETCH * self.block
        here = function.lift(offset, INDEX)
        with function.when((here - self.first.get()).astype(WORD) > size - max(lanes, 1)):
            start = here >> _log(self.block)
            left = self.end - start
            count = function.select(left < STRETCH, left, STRETCH)
            given = f"i64 {start.text}, i64 {count.text}, i64 {self.key.text}, i64 {self.calls.text}"
            function.line(f"call void @{self.fill}(ptr {self.buffer}, {given})")
            self.first.put(start << _log(self.block))
        address = function.at(self.buffer, here - self.first.get(), self.dtype)
        return function.load(address, self.dtype, lanes)


def numbers_of(dtype: Any) -> int:
    """Return how many numbers a block makes."""
    return WORDS * 8 // int(dtype.itemsize)


def _log(n: int) -> int:
    return n.bit_length() - 1


def filling(module: ModuleText, dtype: Any, lanes: int | None = None) -> str:
    """Return the name of `fill(goal, block, count, key, calls)`; it writes whole vectors of blocks.

    `count` blocks from the one numbered `block` are written to `goal`, with room for `STRETCH` of them.
    """
    name = f"draw.{dtype.name}"
    if name in module.functions:
        return name
    lanes = vector_bytes() // 8 if lanes is None else lanes
    parameters = "ptr noalias %goal, i64 %block, i64 %count, i64 %key, i64 %calls"
    function = module.function(name, parameters, f"noinline {WIDE}")
    start, key, calls = (Register(function, f"%{x}", WORD, 0) for x in ("block", "key", "calls"))
    with function.loop(0, Register(function, "%count", INDEX, 0), lanes * TOGETHER) as i:
        first = start + i.astype(WORD) + 1  # NumPy counts before it draws
        blocks = [first + (function.lane_numbers(lanes, WORD) + lanes * j) for j in range(TOGETHER)]
        for j, words in enumerate(philox(function, blocks, key, calls)):
            numbers = uniform(in_order(words), dtype)
            place = i * numbers_of(dtype) + j * lanes * numbers_of(dtype)
            function.store(numbers, function.at("%goal", place, dtype))
    return name


def philox(
    function: Procedure, blocks: list[Register], key: Register, calls: Register
) -> list[list[Register]]:
    """Write the four words of each block for the key (key, 0) and the counter (block, calls, 0, 0)."""
    lanes = blocks[0].lanes
    counters = [[function.slot(WORD, lanes) for _ in range(WORDS)] for _ in blocks]
    keys = [function.slot(WORD) for _ in KEY_STEPS]
    for counter, block in zip(counters, blocks, strict=True):
        for slot, word in zip(counter, (block, calls, 0, 0), strict=True):
            slot.put(word)
    for slot, word in zip(keys, (key, 0), strict=True):
        slot.put(word)
    with function.loop(0, ROUNDS):  # a loop: written out ten times it is no faster, and longer to compile
        k, m = (slot.get() for slot in keys)
        for counter in counters:
            a, b, c, d = (slot.get() for slot in counter)
            (high, low), (top, rest) = product(a, FACTORS[0]), product(c, FACTORS[1])
            for slot, word in zip(counter, (top ^ (b ^ k), rest, high ^ (d ^ m), low), strict=True):
                slot.put(word)
        for slot, step in zip(keys, KEY_STEPS, strict=True):
            slot.put(slot.get() + step)
    return [[slot.get() for slot in counter] for counter in counters]


def product(x: Register, factor: int) -> tuple[Register, Register]:
    """Write the high and the low word of x * factor from products of halves: vectors have no others."""
    low, high = x & LOW, x >> 32
    a, b = factor & LOW, factor >> 32
    first = low * a
    middle = high * a + (first >> 32)
    cross = low * b + (middle & LOW)
    return high * b + (middle >> 32) + (cross >> 32), (cross << 32) | (first & LOW)


def in_order(words: list[Register]) -> Register:
    """Write one vector of all words, block after block, from vectors with one word of each block."""
    lanes = words[0].lanes
    front = _shuffled(words[0], words[1], range(2 * lanes))
    back = _shuffled(words[2], words[3], range(2 * lanes))
    return _shuffled(front, back, [word * lanes + block for block in range(lanes) for word in range(WORDS)])


def _shuffled(x: Register, y: Register, places: Any) -> Register:
    picked = ", ".join(f"i32 {i}" for i in places)
    text = f"shufflevector {x.type} {x.text}, {y.type} {y.text}, <{len(places)} x i32> <{picked}>"
    return x.function.value(text, WORD, len(places))


def uniform(words: Register, dtype: Any) -> Register:
    """Write numbers in [0, 1): the top 53 bits of a word, or the top 24 of each half, low half first."""
    f = words.function
    if dtype.itemsize == 8:
        return (words >> 11).astype(dtype) * 2.0**-53
    lanes = 2 * words.lanes
    halves = f.value(f"bitcast {words.type} {words.text} to <{lanes} x i32>", SHORT, lanes)
    return (halves >> 8).astype(dtype) * 2.0**-24
