"""Fusing: which values are computed in one loop, which by a matrix product, which by a call of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clearprop.compiler.ir import REDUCTIONS, VIEWS, Program, Shape, Value


@dataclass(eq=False)
class Group:
    """What runs as one piece: `values` in order, of which `writes` are needed outside; it needs `reads`."""

    values: list[Value]
    reads: list[Value] = field(default_factory=list)
    writes: list[Value] = field(default_factory=list)

    def in_place(self, new: Value, old: Value) -> bool:
        """Tell whether `new` may be written where `old` lies: each entry is read before it is written."""
        return False

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()} {', '.join(v.op for v in self.values)}"


@dataclass(eq=False)
class Loop(Group):
    """Elementwise values and reductions over one index space.

    `shape` is the space. Every value's shape, after leading axes of length 1, has the space's length or 1
    along each axis. The last `row_axes` axes make a row: a reduction along exactly these may be used again
    inside (softmax, norms; with `row_axes == len(shape)`, a sum over everything). Reductions along other axes
    are only written: sums over the batch.
    """

    shape: Shape = ()
    row_axes: int = 0

    def in_place(self, new: Value, old: Value) -> bool:
        """Where both fill the space with entries of one size, and nothing is read again after a reduction."""
        return (
            new.shape == old.shape == self.shape
            and new.dtype.itemsize == old.dtype.itemsize
            and (self.row_axes == 0 or new.op in REDUCTIONS)
        )

    def is_row(self, v: Value) -> bool:
        """Tell whether a reduction's result may be used again inside."""
        n = len(self.shape)
        return v.op in REDUCTIONS and v.attrs["axes"] == tuple(range(n - self.row_axes, n))

    def __str__(self) -> str:
        return f"loop over {self.shape}: {', '.join(v.op for v in self.values)}"


@dataclass(eq=False)
class Sweep(Loop):
    """A Loop that runs value by value, on stretches of the entries that are short enough for a cache."""

    def in_place(self, new: Value, old: Value) -> bool:
        """Where no later value of the same stretch reads the old entries."""
        later = self.values[self.values.index(new) + 1 :]
        return super().in_place(new, old) and not any(old in v.operands for v in later)

    def __str__(self) -> str:
        return f"sweep over {self.shape}: {', '.join(v.op for v in self.values)}"


@dataclass(eq=False)
class Product(Group):
    """One matrix product."""

    def __str__(self) -> str:
        x, y = self.values[0].inputs
        return f"product {x.shape} @ {y.shape}"


@dataclass(eq=False)
class View(Group):
    """Another name for entries that are there already."""


@dataclass(eq=False)
class Call(Group):
    """An op of the registry, run as its NumPy forward."""


class _Fuser:
    def __init__(self, program: Program) -> None:
        self.program, self.groups = program, list[Group]()
        self.position: dict[Value, int] = {}  # of the group that computes a value
        self.inside: dict[Value, Loop] = {}

    def run(self) -> list[Group]:
        for v in self.program.values:
            if not v.computed:
                self.position[v] = -1
            elif v.kind == "op" and v.op == "matmul":
                self._append(Product([v]), v)
            elif v.kind == "op" and v.op in VIEWS:
                self._append(View([v]), v)
            elif v.is_ufunc or (v.kind == "op" and v.op in REDUCTIONS):
                self._into_loop(v)
            else:
                self._append(Call([v]), v)
        return self._with_reads_and_writes()

    def _append(self, group: Group, v: Value) -> None:
        self.groups.append(group)
        self.position[v] = len(self.groups) - 1

    def _into_loop(self, v: Value) -> None:
        """Put a value into the last loop that can hold it, after all that it needs."""
        space = v.shape if v.is_ufunc else v.operands[0].shape
        for i in range(len(self.groups) - 1, -1, -1):
            group = self.groups[i]
            if isinstance(group, Loop) and self._fits(group, i, v, space):
                group.values.append(v)
                self.position[v], self.inside[v] = i, group
                if not v.is_ufunc and not group.row_axes and _trailing(v):
                    group.row_axes = len(v.attrs["axes"])
                return
            if any(self.position[x] == i for x in v.operands):
                break  # no earlier group can come after this input
        loop = Loop([v], shape=space)
        if not v.is_ufunc and _trailing(v):
            loop.row_axes = len(v.attrs["axes"])
        self._append(loop, v)
        self.inside[v] = loop

    def _fits(self, loop: Loop, i: int, v: Value, space: Shape) -> bool:
        if any(self.position[x] > i for x in v.operands):
            return False
        mine = [x for x in v.operands if self.inside.get(x) is loop]
        if any(x.op in REDUCTIONS and not loop.is_row(x) for x in mine):
            return False  # a sum over the batch is known only when the loop is over
        if space == loop.shape:
            return True
        rows = loop.shape[: len(loop.shape) - loop.row_axes] + (1,) * loop.row_axes
        return bool(mine) and loop.row_axes > 0 and v.is_ufunc and space == rows

    def _with_reads_and_writes(self) -> list[Group]:
        users = self.program.users()
        results = set(self.program.results)
        for i, group in enumerate(self.groups):
            own = set(group.values)
            group.reads = list(dict.fromkeys(x for v in group.values for x in v.operands if x not in own))
            group.writes = [
                v for v in group.values if v in results or any(self.position[u] != i for u in users[v])
            ]
        return self.groups


def _trailing(v: Value) -> bool:
    axes, n = v.attrs["axes"], len(v.operands[0].shape)
    return bool(axes) and axes == tuple(range(n - len(axes), n))


def fuse(program: Program) -> list[Group]:
    """Return the groups of a program in an order in which they can run."""
    return _Fuser(program).run()


def separate(program: Program, sweeping: Callable[[Loop], bool]) -> list[Group]:
    """Return one group per computed value, what an executor runs that has no loops of its own.

    Only the loops that `sweeping` chooses stay together, as Sweeps.
    """
    groups = fuse(program)
    if not any(isinstance(group, Loop) and sweeping(group) for group in groups):
        return [_alone(v) for v in program.values if v.computed]
    found: list[Group] = []
    for group in groups:
        if isinstance(group, Loop) and sweeping(group):
            found.append(Sweep(group.values, group.reads, group.writes, group.shape))
        else:
            found += [_alone(v) for v in group.values]
    return found


def _alone(v: Value) -> Group:
    group: Group
    if v.kind == "op" and v.op in VIEWS:
        group = View([v])
    elif v.kind == "call":
        group = Call([v])
    elif v.op == "matmul":
        group = Product([v])
    else:
        group = Loop([v], shape=v.shape if v.is_ufunc else v.operands[0].shape)
    group.reads, group.writes = list(dict.fromkeys(v.operands)), [v]
    return group
