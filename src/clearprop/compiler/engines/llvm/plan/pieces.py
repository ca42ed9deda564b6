"""The writers of native code by the core ops they write, and what each touches: a group with its writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from clearprop.compiler.engines.llvm.loops.access import Memory
from clearprop.compiler.engines.llvm.loops.indexing import PutWriter
from clearprop.compiler.engines.llvm.loops.loops import LoopWriter
from clearprop.compiler.engines.llvm.loops.nests import Nest
from clearprop.compiler.engines.llvm.loops.scanning import ScanWriter
from clearprop.compiler.engines.llvm.products.convolution import WRITERS, ConvolutionWriter
from clearprop.compiler.engines.llvm.products.panels import PanelWriter
from clearprop.compiler.engines.llvm.products.products import ProductWriter
from clearprop.compiler.engines.llvm.products.turning import TransposeWriter
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import Layout, layout

Home: TypeAlias = Callable[[Value], Value]
"""Returns the array whose memory a value lies in."""


@dataclass(eq=False)
class Piece:
    """A group with its writer, and the arrays it touches: True where a part touches only its own rows."""

    group: Group
    writer: Any
    reads: dict[Value, bool] = field(default_factory=dict)
    writes: dict[Value, bool] = field(default_factory=dict)
    turns: int = 1
    grain: int = 1
    fails: bool = False  # whether it may find an index out of bounds
    assigns: bool = False  # whether it writes over what a state holds
    shared: tuple[Value, ...] = ()  # reductions to which each part adds its share

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return float(self.writer.work)


def piece(group: Group, memory: Memory, home: Home) -> Piece:
    """Make the writer of a group: of a loop, unless the group's kind has one of its own."""
    return PIECES.get(group.kind, _loop)(group, memory, home)


def _loop(group: Group, memory: Memory, home: Home) -> Piece:
    writer = LoopWriter(group, memory)
    nest = writer.nest
    result = Piece(group, writer, turns=nest.turns, shared=tuple(nest.ending))
    if nest.flat:
        result.grain = max(1, 16 // nest.unit) if nest.unit < 16 else 1
    for v, chosen in nest.picks.items():
        own = _own_rows(chosen, _turn_step(nest, (v, "pick")), nest.turns)
        _note(result.reads, home(chosen.base), own)
    for drawn in nest.draws.values():
        _note(result.reads, home(drawn.base), False)
    for x, place in nest.leaves.items():
        _note(result.reads, home(place.base), _own_rows(place, _turn_step(nest, x), nest.turns))
    for v in group.stores:
        step = _turn_step(nest, (v, "store"))
        own = v not in nest.ending and _own_rows(nest.goals[v], step, nest.turns)
        _note(result.writes, home(v), own)
    return result


def _product(group: Group, memory: Memory, home: Home) -> Piece:
    writer = ProductWriter(group.values[0], memory)
    result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
    whole = writer.whole_reads()
    for place in (writer.x, writer.y):
        if writer.batch:
            step = writer.steps[0 if place is writer.x else 1]
            own = _own_rows(place, step[0], writer.batch[0])
        else:
            along = writer.right[1] if writer.form == "columns" else writer.left[0]
            own = place.base not in whole and _own_rows(place, along, writer.turns)
        _note(result.reads, home(place.base), own)
    _note(result.writes, home(group.values[0]), not (writer.by_columns or writer.turned))
    return result


def _panels(group: Group, memory: Memory, home: Home) -> Piece:
    writer = PanelWriter(group.values[0], memory)
    result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
    _note(result.reads, home(writer.place.base), _own_rows(writer.place, writer.down, writer.turns))
    _note(result.writes, home(group.values[0]), True)  # parts begin at multiples of the grain
    return result


def _transpose(group: Group, memory: Memory, home: Home) -> Piece:
    writer = TransposeWriter(group.values[0], memory)
    result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
    _note(result.reads, home(writer.place.base), False)
    _note(result.writes, home(group.values[0]), True)
    return result


def _convolution(group: Group, memory: Memory, home: Home) -> Piece:
    made = group.values[0]
    writer = WRITERS[made.op](made, memory)
    result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
    images = made.operands[0]
    by_image = isinstance(writer, ConvolutionWriter) and images.shape[0] == made.shape[0] == writer.turns
    for x in made.operands:  # images are read by their own turns, a kernel by all
        _note(result.reads, home(layout(x).base), x is images and by_image)
    _note(result.writes, home(made), True)
    return result


def _scan(group: Group, memory: Memory, home: Home) -> Piece:
    writer = ScanWriter(group.values[0], memory)
    return _alone(Piece(group, writer), [writer.place], home)


def _put(group: Group, memory: Memory, home: Home) -> Piece:
    writer = PutWriter(group.values[0], memory)
    return _alone(Piece(group, writer), writer.places, home)


def _alone(result: Piece, places: list[Layout], home: Home) -> Piece:
    """Note that one core reads all of these arrays, and writes all of the result."""
    for place in places:
        _note(result.reads, home(place.base), False)
    _note(result.writes, home(result.group.values[0]), False)
    return result


def _note(touched: dict[Value, bool], x: Value, own: bool) -> None:
    touched[x] = touched.get(x, True) and own


def _turn_step(nest: Nest, key: Any) -> int:
    """Return how many entries an array moves on per turn."""
    if nest.outer:
        return int(nest.outer[0].steps[key])
    return int(nest.inner[0].steps[key] * nest.unit) if nest.flat else 0


def _own_rows(place: Layout, step: int, turns: int) -> bool:
    """Tell whether turn i touches just the i-th of `turns` equal stretches of the array."""
    if turns == 1:
        return True
    return step > 0 and step * turns == place.base.size  # its entries are the array's: each turn has its row


KINDS = {
    "matmul": "product",
    "put": "put",
    "panels": "panels",
    "joined": "join",
    "cumsum": "scan",
    **dict.fromkeys(WRITERS, "convolution"),
}
"""The kind of group that computes a core op which is no loop."""

PIECES: dict[str, Callable[[Group, Memory, Home], Piece]] = {
    "product": _product,
    "panels": _panels,
    "transpose": _transpose,
    "convolution": _convolution,
    "scan": _scan,
    "put": _put,
}
"""What makes the piece of a group of each kind but a loop. (The parts of a join are written by loops.)"""
