"""Planning memory: where each value lies, which values share a buffer, what is written in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from clearprop.compiler.ir import VIEWS, Program, State, Value
from clearprop.compiler.layout import contiguous, reshaped
from clearprop.compiler.pieces import Group, View

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


class Layout(NamedTuple):
    """Where entries lie: entry (i, j) of a value at `offset + i * strides[0] + j * strides[1]` of `owner`.

    `owner` is the value whose buffer it is; offset and strides count entries, not bytes.
    """

    owner: Value
    offset: int
    strides: tuple[int, ...]


def layout(v: Value) -> Layout:
    """Return where the entries of a value lie, following views; a reshape that must copy owns its entries."""
    if v.kind != "op" or v.op not in VIEWS:
        return Layout(v, 0, contiguous(v.shape))
    x = v.inputs[0]
    owner, offset, strides = layout(x)
    if v.op == "transpose":
        return Layout(owner, offset, tuple(strides[a] for a in v.attrs["axes"]))
    if v.op == "broadcast_to":
        added = len(v.shape) - len(x.shape)
        kept = tuple(
            0 if n != v.shape[i + added] else s for i, (n, s) in enumerate(zip(x.shape, strides, strict=True))
        )
        return Layout(owner, offset, (0,) * added + kept)
    if v.op == "slice":
        offset += sum(start * s for (start, _, _), s in zip(v.attrs["index"], strides, strict=True))
        return Layout(
            owner,
            offset,
            tuple(step * s for (_, _, step), s in zip(v.attrs["index"], strides, strict=True)),
        )
    new = reshaped(x.shape, strides, v.shape)
    return Layout(v, 0, contiguous(v.shape)) if new is None else Layout(owner, offset, new)


@dataclass(eq=False)
class Buffer:
    """A piece of memory. One with a `state` is the array of that Tensor; `output`: handed to the caller."""

    nbytes: int
    state: State | None = None
    output: bool = False
    number: int = 0
    offset: int = 0  # in the arena of all buffers that are neither


@dataclass(eq=False)
class Plan:
    """Where everything lies.

    - `where[v]`: the buffer of each value that owns memory, arguments, constants and states excepted; a
      state's old contents lie in the Tensor's own array. (The owner of what is assigned may have another
      shape than the Tensor, with the same entries in the same order.)
    - `copies`: what must be copied into a Tensor's array when all is computed, since it lies elsewhere.
    - `arena`: the bytes of all buffers that belong to neither a Tensor nor the caller.
    """

    where: dict[Value, Buffer] = field(default_factory=dict)
    copies: list[tuple[State, Value]] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    arena: int = 0
    unshared: int = 0  # bytes without sharing, for comparison


def plan(groups: Sequence[Group], program: Program, without: frozenset[Value] = frozenset()) -> Plan:
    """Give a buffer to each value that is written, shared where lives do not overlap.

    Values in `without` get none: the executor keeps them elsewhere.
    """
    return _Planner(groups, program, without).run()


class _Planner:
    def __init__(self, groups: Sequence[Group], program: Program, without: frozenset[Value]) -> None:
        self.groups, self.program, self.without, self.plan = groups, program, without, Plan()
        self.owner: dict[Value, Value] = {}
        for v in program.values:  # what `layout(v).owner` says, without walking chains again and again
            self.owner[v] = layout(v).owner if v.op in VIEWS and v.kind == "op" else v
        self.last: dict[Value, int] = {}
        self.born: dict[Value, int] = {}
        for i, group in enumerate(groups):
            for x in group.reads:
                self.last[self.owner[x]] = i
            for v in group.writes:
                if self.owner[v] is v:
                    self.born[v] = i
                    self.last.setdefault(v, i)
        for v in program.results:
            self.last[self.owner[v]] = len(groups)

    def run(self) -> Plan:
        self._claim_states()
        for v in self.program.outputs:
            if self.owner[v] is v and v.computed and v not in self.without and v not in self.plan.where:
                self.plan.where[v] = Buffer(v.nbytes, output=True)
        dying: dict[int, list[Value]] = {}
        for v, i in self.last.items():
            dying.setdefault(i, []).append(v)
        free: list[Buffer] = []
        for i, group in enumerate(self.groups):
            ending = [x for x in dying.get(i, ()) if self._temporary(x) and x not in group.writes]
            for v in group.writes:
                if self.owner[v] is v and v not in self.plan.where and v not in self.without:
                    self._place(v, group, ending, free)
            free += [self.plan.where[x] for x in ending]
            free += [self.plan.where[x] for x in dying.get(i, ()) if x in group.writes and self._temporary(x)]
        self._lay_out()
        return self.plan

    def _temporary(self, v: Value) -> bool:
        buffer = self.plan.where.get(v)
        return buffer is not None and buffer.state is None and not buffer.output

    def _claim_states(self) -> None:
        """Let new contents be written straight into a Tensor's array, if nobody reads the old ones later."""
        old = {(v.data.tensor, v.data.slot, v.data.place): v for v in self.program.states}
        for state, v in self.program.assignments:
            before = old.get((state.tensor, state.slot, state.place))
            target = self._whole(v)
            if target is not None and before is not None:
                last, born = self.last.get(before, -1), self.born[target]
                aligned = self.groups[born].in_place(target, before) and not self._through_view(before, born)
                if last > born or (last == born and not aligned):
                    target = None
            if target is not None:
                self.plan.where[target] = Buffer(v.nbytes, state=state)
            elif v is not before:
                self.plan.copies.append((state, v))

    def _whole(self, v: Value) -> Value | None:
        """The computed value whose buffer holds just the entries of `v` in order, if it can still move."""
        owner, offset, strides = layout(v)
        if not owner.computed or owner in self.without or owner in self.plan.where or owner.size != v.size:
            return None
        if (
            offset
            or strides != contiguous(v.shape)
            or any(self.owner[x] is owner for x in self.program.outputs)
        ):
            return None
        return owner

    def _through_view(self, v: Value, i: int) -> bool:
        """Whether a group reads entries of `v` in another order than their own."""
        return any(x is not v and self.owner[x] is v for x in self.groups[i].reads)

    def _place(self, v: Value, group: Group, ending: list[Value], free: list[Buffer]) -> None:
        self.plan.unshared += v.nbytes
        for x in ending:
            if group.in_place(v, x) and not self._through_view(x, self.born[v]):
                self.plan.where[v] = self.plan.where[x]
                ending.remove(x)
                return
        fitting = [b for b in free if b.nbytes >= v.nbytes]
        if fitting:
            buffer = min(fitting, key=lambda b: b.nbytes)
            if buffer.nbytes <= 2 * v.nbytes or v.nbytes >= 1 << 20:
                free.remove(buffer)
                self.plan.where[v] = buffer
                return
        buffer = Buffer(v.nbytes)
        self.plan.where[v] = buffer

    def _lay_out(self) -> None:
        seen: set[int] = set()
        for buffer in self.plan.where.values():
            if id(buffer) in seen:
                continue
            seen.add(id(buffer))
            buffer.number = len(self.plan.buffers)
            self.plan.buffers.append(buffer)
            if buffer.state is None and not buffer.output:
                buffer.offset = self.plan.arena
                self.plan.arena += -(-buffer.nbytes // ALIGNMENT) * ALIGNMENT


def storage(groups: Sequence[Group]) -> list[Value]:
    """Return the values that are written to memory, views left out."""
    return [v for group in groups if not isinstance(group, View) for v in group.writes]
