"""What may run at the same time: chains of groups that walk over the same rows, cut into parts.

Within a chain each part does all its groups one after the other on its own rows, so a product, the activation
after it and the gradient behind that follow each other without waiting. Between regions everybody waits for
everybody. The cuts depend on shapes alone, never on how many threads take the parts: so do the bits.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from clearprop.compiler.engines.llvm.loops.access import Memory
from clearprop.compiler.engines.llvm.plan.pieces import Piece, piece
from clearprop.compiler.engines.llvm.products.products import ProductWriter
from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.program.ir import Value

WORTH = 2500.0  # nanoseconds: a region below this stays on one core
SMALL = (
    20_000.0  # nanoseconds: a region below this does not wake the other cores from their sleep for one call
)
LAG = 400.0  # nanoseconds: how much later another thread begins, and is known to have ended
NEAR = 3 << 17  # bytes that a part's rows should fit in, to stay in the second cache between groups
PART = 40_000.0  # nanoseconds of work that a part has at least, where there are more than two
MOST = 32  # parts that work alone cuts a chain into: powers of two, equal shares for as many threads
COPIED = 64  # rows of a part at least, where each part copies a whole factor for itself


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
        return self.parts > 1

    @property
    def parts(self) -> int:
        """How many parts the cores take; 0 where one does all of it."""
        parts = sum(len(chain.bounds) - 1 for chain in self.chains)
        return parts if self.parallel and parts > 1 else 0

    @property
    def work(self) -> float:
        """A rough count of nanoseconds on one core."""
        return sum(chain.work for chain in self.chains)


@dataclass(eq=False)
class Stop:
    """A call of NumPy, or a loop, between native parts."""

    group: Group

    @property
    def groups(self) -> list[Group]:
        """The call."""
        return [self.group]


class Beginning(Stop):
    """Where each turn of a loop begins: what comes before runs once."""

    def __init__(self) -> None:
        super().__init__(Group("beginning"))


def regions(groups: list[Group], memory: Memory, home: Any) -> list[Region | Stop]:
    """Put the groups, in their order, into chains and regions, and cut those that are worth it into parts."""
    order = Order()
    for group in groups:
        if group.kind in ("call", "turns"):
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
            _cut(region, home)
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


def _cut(region: Region, home: Any) -> None:
    """Cut a region's chains into parts, if other cores are worth it."""
    total = region.work
    region.parallel = total > WORTH
    for chain in region.chains:
        for first, then in itertools.pairwise(chain.pieces):
            _look_ahead(first, then, home)
        shared = region.parallel and chain.work > total / 16
        decisive = [p for p in chain.pieces if p.group.kind != "loop"]  # a loop can begin anywhere
        grain = math.lcm(*(p.grain for p in decisive or chain.pieces))
        ahead = LAG / chain.work if len(region.chains) == 1 else 0.0
        chain.bounds = cuts(chain.turns, _parts(chain, home) if shared else 1, grain, ahead)


def _parts(chain: Chain, home: Any) -> int:
    """Return into how many parts a chain is cut that several cores share."""
    parts = 2
    while parts < MOST and chain.work >= 2 * parts * PART:
        parts *= 2
    products = sum(p.group.values[0].nbytes for p in chain.pieces if p.group.kind == "product")
    stored = [(p, v) for p in chain.pieces for v in p.group.stores]
    updates = len(chain.pieces) > 1 and any(home(v) is not v and v.shape == p.group.shape for p, v in stored)
    if updates and products / 2 > NEAR:
        parts = max(parts, min(64, 2 * -(-products // (2 * NEAR))))
    return min([parts, *(most for p in chain.pieces for most in _most(p))])


def _most(piece: Piece) -> list[int]:
    """Return into how many parts a piece may be cut before what each does again for itself weighs."""
    writer, found = piece.writer, []
    if isinstance(writer, ProductWriter) and writer.copies_right:
        found.append(max(2, piece.turns // COPIED))
    shares = sum(v.size for v in piece.shared)  # added up at the end, by one thread
    if shares:
        found.append(max(2, int(piece.work / (4 * shares))))
    return found


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
