"""Which values share a loop: from a program to a list of groups that can run in that order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clearprop.compiler.ir import REDUCTIONS, VIEWS, Program, Shape, Value
from clearprop.compiler.layout import layout

LEAVES = ("argument", "state", "constant")
WHOLE = ("pick", "random_uniform")  # ops whose first input is read here and there, not entry by entry


@dataclass(eq=False)
class Group:
    """Values computed together. `stores` are those that others read from memory."""

    kind: str  # loop, product, transpose, put or call
    shape: Shape = ()
    values: list[Value] = field(default_factory=list)
    rows: frozenset[int] | None = None  # the axes that are reduced within a row, if any are
    stores: list[Value] = field(default_factory=list)
    index: int = 0

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of the space from the outermost loop to the innermost."""
        inner = self.rows or frozenset()
        return (*(a for a in range(len(self.shape)) if a not in inner), *sorted(inner))


def through(x: Value) -> Value:
    """Return what is repeated, for a value that only repeats another: in a loop both are the same entry."""
    while x.op == "broadcast_to" and len(x.shape) == len(x.inputs[0].shape):
        x = x.inputs[0]
    return x


class Grouping:
    """Puts each value of a program into a group, the earliest that can hold it after all it needs.

    `joins` tells what a loop can compute.
    """

    def __init__(self, program: Program, joins: Callable[[Value], bool]) -> None:
        self.program = program
        self.groups: list[Group] = []
        self.of: dict[Value, Group] = {}
        for v in program.values:
            if v.kind in LEAVES or (v.kind == "op" and v.op in VIEWS):
                continue
            if v.kind == "op" and v.op == "matmul":
                self._alone(v, "product")
            elif v.op == "positive" and v.attrs.get("transpose"):
                self._alone(v, "transpose")
            elif v.kind == "op" and v.op == "put":
                self._alone(v, "put")
            elif joins(v):
                self._join(v)
            else:
                self._alone(v, "call")
        self._find_stores()
        self._leaves_first()

    def _leaves_first(self) -> None:
        """Turn over the matrices that are there at the start before anything else."""

        def late(group: Group) -> bool:
            place = layout(group.values[0].inputs[0]) if group.kind == "transpose" else None
            return place is None or str(place.base.kind) not in LEAVES

        self.groups.sort(key=late)
        for i, group in enumerate(self.groups):
            group.index = i

    def _alone(self, v: Value, kind: str) -> None:
        group = Group(kind, v.shape, [v], index=len(self.groups))
        group.stores = [v]
        self.groups.append(group)
        self.of[v] = group

    def _first(self, v: Value, space: Shape) -> int:
        """Return the index of the first group that `v` may be in, for all it needs is there."""
        first = 0
        for x in v.operands:
            source = through(x)
            group = self.of.get(source)
            if group is None or (v.op in WHOLE and x is v.inputs[0]):  # read from memory, complete
                place = layout(source)
                base = self.of.get(place.base) if place is not None else None
                if base is not None:
                    first = max(first, base.index + 1)
            elif group.kind == "loop" and group.shape == space and not ends(source, group):
                first = max(first, group.index)
            else:
                first = max(first, group.index + 1)
        return first

    def _join(self, v: Value) -> None:
        x = v.inputs[0]
        space: Shape = x.shape if v.op in REDUCTIONS else v.shape
        if v.op not in REDUCTIONS:  # a value per row may be computed in the loop that has the rows
            for operand in v.operands:
                group = self.of.get(through(operand))
                if (
                    group is not None
                    and group.rows
                    and is_row(v.shape, group)
                    and through(operand).shape == v.shape
                ):
                    first = self._first(v, group.shape)
                    if first <= group.index:
                        self._put(v, group)
                        return
        first = self._first(v, space)
        for group in self.groups[first:]:
            if group.kind == "loop" and group.shape == space and fits(v, group):
                self._put(v, group)
                return
        group = Group("loop", space, index=len(self.groups))
        if v.op in REDUCTIONS and not leading(v, group):
            group.rows = frozenset(v.attrs["axes"])
        self.groups.append(group)
        self._put(v, group)

    def _put(self, v: Value, group: Group) -> None:
        if v.op in REDUCTIONS and group.rows is None and not leading(v, group):
            group.rows = frozenset(v.attrs["axes"])
        group.values.append(v)
        self.of[v] = group

    def _find_stores(self) -> None:
        """A value has memory if another group, a view or the caller reads it."""
        needed = {place.base for v in self.program.results if (place := layout(v)) is not None}
        for group in self.groups:
            for v in group.values:
                for x in v.operands:
                    source = through(x)
                    if self.of.get(source) is not group or v.op in WHOLE:
                        place = layout(x)
                        if place is not None:
                            needed.add(place.base)
        for group in self.groups:
            if group.kind == "loop":
                group.stores = [v for v in group.values if v in needed]
        self.groups = [g for g in self.groups if g.stores]


def full(v: Value) -> bool:
    """Tell whether a reduction takes everything to one number."""
    return v.size == 1


def leading(v: Value, group: Group) -> bool:
    """Tell whether a reduction is over the outermost axes: complete only when the whole loop is."""
    axes = {a for a in v.attrs["axes"] if v.inputs[0].shape[a] != 1}
    if v.op in ("argmax", "argmin"):
        return False
    if full(v):
        return True
    if group.order != tuple(range(len(group.shape))):  # rows along another than the last axes: not both
        return False
    outer = [a for a in group.order if v.inputs[0].shape[a] != 1]
    return set(outer[: len(axes)]) == axes


def ends(v: Value, group: Group) -> bool:
    """Tell whether `v` is complete only when the loop of its group is."""
    if v.op not in REDUCTIONS:
        return False
    return group.rows != frozenset(v.attrs["axes"]) or (full(v) and not v.op.startswith("arg"))


def is_row(shape: Shape, group: Group) -> bool:
    """Tell whether a value of this shape has one entry per row of the group's space."""
    rows = group.rows or frozenset()
    return len(shape) == len(group.shape) and all(
        n == (1 if a in rows else m) for a, (n, m) in enumerate(zip(shape, group.shape, strict=True))
    )


def fits(v: Value, group: Group) -> bool:
    """Tell whether a value of the group's space can be computed in its loop."""
    if v.op == "random_uniform":  # drawn in the order of memory
        return group.order == tuple(range(len(group.shape)))
    if v.op not in REDUCTIONS:
        return True
    axes = frozenset(v.attrs["axes"])
    if axes == group.rows:
        return True
    if v.op in ("argmax", "argmin"):
        return False
    if leading(v, group):
        return True
    if group.rows is not None or any(not full(x) for x in group.values if x.op in REDUCTIONS):
        return False
    n = len(group.shape)
    return axes == frozenset(range(n - len(axes), n))
