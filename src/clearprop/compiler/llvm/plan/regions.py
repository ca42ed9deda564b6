"""What may run at the same time: chains of groups that walk over the same rows, cut into parts for two cores.

Within a chain each part does all its groups one after the other on its own rows, so a product, the activation
after it and the gradient behind that follow each other without waiting. Between regions everybody waits for
everybody.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from clearprop.compiler.llvm.loops.access import Memory
from clearprop.compiler.llvm.loops.indexing import PutWriter
from clearprop.compiler.llvm.loops.loops import LoopWriter
from clearprop.compiler.llvm.loops.scanning import ScanWriter
from clearprop.compiler.llvm.products.convolution import WRITERS, ConvolutionWriter
from clearprop.compiler.llvm.products.panels import PanelWriter
from clearprop.compiler.llvm.products.products import ProductWriter
from clearprop.compiler.llvm.products.turning import TransposeWriter
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import Layout, layout

WORTH = 2500.0  # nanoseconds: a region below this stays on one core
SMALL = 20_000.0  # nanoseconds: a region below this does not wake the other core from its sleep for one call
LAG = 400.0  # nanoseconds: how much later the worker begins, and is known to have ended
NEAR = 3 << 17  # bytes that a part's rows should fit in, to stay in the second cache between groups


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

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return float(self.writer.work)


@dataclass(eq=False)
class Chain:
    """Pieces over the same rows; `at` is the place of their region, `bounds` cut the rows into parts."""

    pieces: list[Piece]
    at: int = 0
    bounds: list[int] = field(default_factory=list)
    _seen: int = 0  # of how many pieces `_reads` and `_writes` know, whose order is the pieces'
    _reads: dict[Value, set[bool]] = field(default_factory=lambda: defaultdict(set))
    _writes: dict[Value, set[bool]] = field(default_factory=lambda: defaultdict(set))

    @property
    def turns(self) -> int:
        """The number of rows."""
        return self.pieces[0].turns

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return sum(p.work for p in self.pieces)

    def conflicts(self, piece: Piece) -> list[bool]:
        """Return, for each array that both touch and one writes, whether both stay within their own rows."""
        self._look()
        found = []
        for x, own in piece.reads.items():
            found += [own and theirs for theirs in self._writes.get(x, ())]
        for x, own in piece.writes.items():
            found += [own and theirs for theirs in self._reads.get(x, ())]
            both = [own and theirs for theirs in self._writes.get(x, ())]
            found += filter(None, both) if x.core.apart else both  # parts of a join never meet
        return found

    def _look(self) -> None:
        """Note what the pieces that came since the last time read and write."""
        for mine in self.pieces[self._seen :]:
            for x, own in mine.reads.items():
                self._reads[x].add(own)
            for x, own in mine.writes.items():
                self._writes[x].add(own)
        self._seen = len(self.pieces)


@dataclass(eq=False)
class Region:
    """Chains that do not touch each other's results."""

    chains: list[Chain] = field(default_factory=list)
    parallel: bool = False

    @property
    def groups(self) -> list[Group]:
        """All that runs in it."""
        return [piece.group for chain in self.chains for piece in chain.pieces]

    @property
    def shared(self) -> bool:
        """Whether the cores take parts of it."""
        return self.parallel and sum(len(chain.bounds) - 1 for chain in self.chains) > 1

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return sum(chain.work for chain in self.chains)


@dataclass(eq=False)
class Stop:
    """A call of NumPy between native parts."""

    group: Group

    @property
    def groups(self) -> list[Group]:
        """The call."""
        return [self.group]


def piece(group: Group, memory: Memory, home: Any) -> Piece:
    """Make the writer of a group; `home(v)` is the array whose memory `v` lies in."""
    writer: Any
    if group.kind == "product":
        writer = ProductWriter(group.values[0], memory)
        result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
        whole = writer.whole_reads()
        for place in (writer.x, writer.y):
            if writer.batch:
                step = writer.steps[0 if place is writer.x else 1]
                _note(result.reads, home(place.base), _own_rows(place, step[0], writer.batch[0]))
            else:
                step = writer.right[1] if writer.form == "columns" else writer.left[0]
                _note(
                    result.reads,
                    home(place.base),
                    place.base not in whole and _own_rows(place, step, writer.turns),
                )
        _note(result.writes, home(group.values[0]), not (writer.by_columns or writer.turned))
    elif group.kind == "panels":
        writer = PanelWriter(group.values[0], memory)
        result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
        _note(result.reads, home(writer.place.base), _own_rows(writer.place, writer.down, writer.turns))
        _note(result.writes, home(group.values[0]), True)  # parts begin at multiples of the grain
    elif group.kind == "transpose":
        writer = TransposeWriter(group.values[0], memory)
        result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
        _note(result.reads, home(writer.place.base), False)
        _note(result.writes, home(group.values[0]), True)
    elif group.kind == "convolution":
        writer = WRITERS[group.values[0].op](group.values[0], memory)
        result = Piece(group, writer, turns=writer.turns, grain=writer.grain)
        for x in group.values[0].operands:  # images are read by their own turns, a kernel by all
            own = x is group.values[0].operands[0] and x.shape[0] == group.values[0].shape[0] == writer.turns
            _note(result.reads, home(layout(x).base), own and isinstance(writer, ConvolutionWriter))
        _note(result.writes, home(group.values[0]), True)
    elif group.kind == "scan":
        writer = ScanWriter(group.values[0], memory)
        result = Piece(group, writer)
        _note(result.reads, home(writer.place.base), False)
        _note(result.writes, home(group.values[0]), False)
    elif group.kind == "put":
        writer = PutWriter(group.values[0], memory)
        result = Piece(group, writer)
        for x in writer.places:
            _note(result.reads, home(x.base), False)
        _note(result.writes, home(group.values[0]), False)
    else:
        writer = LoopWriter(group, memory)
        result = Piece(group, writer, turns=writer.turns)
        if writer.flat:
            result.grain = max(1, 16 // writer.unit) if writer.unit < 16 else 1
        for v, chosen in writer.picks.items():
            _note(
                result.reads,
                home(chosen.base),
                _own_rows(chosen, _turn_step(writer, (v, "pick")), writer.turns),
            )
        for drawn in writer.draws.values():
            _note(result.reads, home(drawn.base), False)
        for x, place in writer.leaves.items():
            _note(result.reads, home(place.base), _own_rows(place, _turn_step(writer, x), writer.turns))
        for v in group.stores:
            step = _turn_step(writer, (v, "store"))
            own = v not in writer.ending and _own_rows(writer.goals[v], step, writer.turns)
            _note(result.writes, home(v), own)
    return result


def _note(touched: dict[Value, bool], x: Value, own: bool) -> None:
    touched[x] = touched.get(x, True) and own


def _turn_step(writer: LoopWriter, key: Any) -> int:
    """Return how many entries an array moves on per turn."""
    if writer.outer:
        return int(writer.outer[0].steps[key])
    return int(writer.inner[0].steps[key] * writer.unit) if writer.flat else 0


def _own_rows(place: Layout, step: int, turns: int) -> bool:
    """Tell whether turn i touches just the i-th of `turns` equal stretches of the array."""
    if turns == 1:
        return True
    return step > 0 and step * turns == place.base.size  # its entries are the array's: each turn has its row


def regions(groups: list[Group], memory: Memory, home: Any, threads: int) -> list[Region | Stop]:
    """Put the groups, in their order, into chains and regions, and cut those that are worth it into parts."""
    order = Order()
    for group in groups:
        if group.kind == "call":
            order.stop(group)
        elif group.kind == "join":
            continue  # its parts are written by the groups that compute them
        else:
            new = piece(group, memory, home)
            new.fails = group in memory.failing
            new.assigns = any(home(v).kind == "state" for v in group.stores)
            order.place(new)
    result = [r for r in order.regions if isinstance(r, Stop) or r.chains]
    for region in result:
        if isinstance(region, Region):
            _cut(region, threads, home)
    return result


class Order:
    """Regions that grow piece by piece. Who touches an array is noted, so that nobody else is asked."""

    def __init__(self) -> None:
        self.regions: list[Region | Stop] = []
        self._open = 0  # from where on there is no stop
        self._failing = -1  # the last region that may fail
        self._born: dict[Chain, int] = {}  # by age, which is their order within a region too
        self._readers: dict[Value, dict[Chain, None]] = defaultdict(dict)
        self._writers: dict[Value, dict[Chain, None]] = defaultdict(dict)
        self._by_rows: dict[Value, dict[Chain, None]] = defaultdict(dict)  # those that write their own rows

    def stop(self, group: Group) -> None:
        """Have all that came before a call end there."""
        self.regions.append(Stop(group))
        self._open = len(self.regions)

    def place(self, new: Piece) -> None:
        """Put a piece into the earliest region it may be in: into the chain it goes on with, or beside it.

        What assigns waits for the end of a region that may fail.
        """
        touching = self._touching(new)
        last = max((chain.at for chain in touching), default=-1)
        failing = self._failing if new.assigns else -1
        at = max(last + 1, failing + 1, self._open)
        nearest = [chain for chain in touching if chain.at == at - 1]
        if len(nearest) == 1 and failing < last and self._goes_on(nearest[0], new):
            nearest[0].pieces.append(new)
            self._note(nearest[0], [new])
            return
        if at == len(self.regions):
            self.regions.append(Region())
        chain = Chain([*self._taken_along(touching, at, new), new], at)
        self._born[chain] = len(self._born)
        self._region(at).chains.append(chain)
        self._note(chain, chain.pieces)

    def _region(self, at: int) -> Region:
        region = self.regions[at]
        assert isinstance(region, Region)
        return region

    def _touching(self, new: Piece) -> list[Chain]:
        """Return the chains since the last stop that have a conflict with a piece."""
        found: dict[Chain, None] = {}
        for x in new.reads:
            found |= self._writers.get(x, {})
        for x, own in new.writes.items():
            found |= self._readers.get(x, {})
            if not x.core.apart:
                found |= self._writers.get(x, {})
            elif own:  # otherwise they are parts of a join, which never meet
                found |= self._by_rows.get(x, {})
        return [chain for chain in found if chain.at >= self._open and chain.conflicts(new)]

    def _goes_on(self, chain: Chain, new: Piece) -> bool:
        return all(chain.conflicts(new)) and chain.turns == new.turns

    def _note(self, chain: Chain, pieces: list[Piece]) -> None:
        """Remember what the pieces of a chain touch."""
        for mine in pieces:
            if mine.fails:
                self._failing = max(self._failing, chain.at)
            for x in mine.reads:
                self._readers[x][chain] = None
            for x, own in mine.writes.items():
                self._writers[x][chain] = None
                if own:
                    self._by_rows[x][chain] = None

    def _taken_along(self, touching: list[Chain], at: int, new: Piece) -> list[Piece]:
        """Move a product that only `new` waits for into the region of `new`, to go row by row with it."""
        for chain in sorted(touching, key=lambda chain: (-chain.at, self._born[chain])):
            product = chain.pieces[0]
            if product.group.kind != "product" or len(chain.pieces) > 1 or not self._goes_on(chain, new):
                continue
            if not any(chain.at <= c.at <= at for c in self._touching(product) if c is not chain):
                self._region(chain.at).chains.remove(chain)
                for x in (*product.reads, *product.writes):
                    for known in (self._readers, self._writers, self._by_rows):
                        known[x].pop(chain, None)
                return [product]
        return []


def _cut(region: Region, threads: int, home: Any) -> None:
    """Cut a region's chains into parts, if two cores are worth it."""
    total = region.work
    region.parallel = threads > 1 and total > WORTH
    for chain in region.chains:
        for first, then in itertools.pairwise(chain.pieces):
            _look_ahead(first, then, home)
        shared = region.parallel and chain.work > total / 16
        decisive = [p for p in chain.pieces if p.group.kind != "loop"]  # a loop can begin anywhere
        grain = math.lcm(*(p.grain for p in decisive or chain.pieces))
        ahead = LAG / chain.work if len(region.chains) == 1 else 0.0
        chain.bounds = cuts(chain.turns, _parts(chain, threads, home) if shared else 1, grain, ahead)


def _parts(chain: Chain, threads: int, home: Any) -> int:
    """Return into how many parts a chain is cut that several cores share."""
    writer = chain.pieces[0].writer
    if len(chain.pieces) == 1 and isinstance(writer, ProductWriter) and (writer.by_columns or writer.turned):
        columns = chain.turns * (writer.width if writer.by_columns else 1)
        return threads * max(1, min(8, columns // (128 * threads)))  # a core taken away holds up little
    products = sum(p.group.values[0].nbytes for p in chain.pieces if p.group.kind == "product")
    stored = [(p, v) for p in chain.pieces for v in p.group.stores]
    updates = len(chain.pieces) > 1 and any(home(v) is not v and v.shape == p.group.shape for p, v in stored)
    if updates and products / threads > NEAR:
        return min(64, threads * -(-products // (NEAR * threads)))
    return threads


def _look_ahead(product: Piece, loop: Piece, home: Any) -> None:
    """Let a product have fetched what the loop after it reads in the rows of its result."""
    v = product.group.values[0]
    if product.group.kind == "product" and loop.group.kind == "loop" and not product.writer.batch:
        rows = [x for x, own in loop.reads.items() if own and x.size == v.size and x.dtype == v.dtype]
        product.writer.ahead = tuple(x for x in rows if x is not home(v))


def cuts(turns: int, parts: int, grain: int, ahead: float = 0.0) -> list[int]:
    """Return the bounds of about equal parts, multiples of `grain` where they can be.

    Of two parts the first is larger by `ahead`, a share of all turns.

    >>> cuts(60, 2, 8), cuts(3, 2, 8), cuts(128, 2, 8, 0.12)
    ([0, 32, 60], [0, 3], [0, 72, 128])
    """
    bounds = [0]
    for p in range(1, parts):
        share = p / parts + (ahead / 2 if parts == 2 else 0.0)
        at = round(turns * share / grain) * grain
        if bounds[-1] < at < turns:
            bounds.append(at)
    return [*bounds, turns]
