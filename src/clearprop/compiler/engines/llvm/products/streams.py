"""Lines of memory that a tile asks for while it adds up, so that they are near when they are needed.

A product is arithmetic, what comes next is memory: the tile's place in the result, the panel or the rows of
the next tiles, the arrays of the update that goes on with the result. Asking costs the sums nothing, waiting
would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clearprop.compiler.engines.llvm.language.engine import is_zen
from clearprop.compiler.engines.llvm.language.text import Procedure
from clearprop.compiler.engines.llvm.language.values import INDEX, Register
from clearprop.compiler.plan.memory import LINE

AHEAD = 1 << 18  # bytes of a product from which on its tiles look ahead
SECOND_CACHE = 1 << 21  # bytes: what is updated together stays there from step to step if it is smaller
TURN = 8 if is_zen() else 16  # steps of a tile between two looks ahead, all written out. Of sixteen, LLVM
# orders the reads for Zen 4 and 5 so early that they do not fit the registers; Intel's gain 3 % by them.


@dataclass(frozen=True)
class Stream:
    """So many `lines` per tile: of one stretch of memory, or `run` side by side, then `step` entries on."""

    lines: int
    run: int = 0
    step: int = 0
    own: bool = False  # whether they will be written

    def ask(self, f: Procedure, dtype: Any, pointer: str, line: Register) -> None:
        """Write the instruction that has a line of the array at `pointer` fetched."""
        width = LINE // dtype.itemsize
        if self.run:
            row = f.quotient(line, self.run)
            place = row * self.step + (line - row * self.run) * width
        else:
            place = line * width
        f.module.declare("llvm.prefetch.p0", "void", "ptr, i32, i32, i32")
        # What will be written comes to the first cache, what is only read to the second.
        how = "i32 1, i32 3" if self.own else "i32 0, i32 2"
        f.line(f"call void @llvm.prefetch.p0(ptr {f.at(pointer, place, dtype)}, {how}, i32 1)")


@dataclass(frozen=True)
class Flow:
    """A stream at a place: `pointer` is where its array begins, `first` the line where this tile's begin."""

    stream: Stream
    pointer: str
    first: Register | int = 0

    @property
    def text(self) -> str:
        """What a call of the tile is given."""
        return (
            f", ptr {self.pointer}, i64 {self.first.text if isinstance(self.first, Register) else self.first}"
        )


def ask_ahead(f: Procedure, dtype: Any, streams: tuple[Stream, ...], turn: Register, turns: int) -> None:
    """Write what a tile asks for in one of its turns: of each stream an equal share, and none beyond it."""
    for i, stream in enumerate(streams):
        first = f.quotient(turn * stream.lines, turns) + Register(f, f"%first{i}", INDEX, 0)
        for e in range(-(-stream.lines // turns)):
            stream.ask(f, dtype, f"%stream{i}", first + e)


def parameters(streams: tuple[Stream, ...]) -> str:
    """Return the parameters that a tile has for its streams, as LLVM writes them."""
    return "".join(f", ptr %stream{i}, i64 %first{i}" for i in range(len(streams)))
