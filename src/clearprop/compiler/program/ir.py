"""The program: a flat list of values in the order of computation, and what goes in and comes out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from clearprop.compiler.program.core import Core, core_of
from clearprop.loops.scan import Turns
from clearprop.registry import ops
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.compiler.program.layout import Layout

Shape: TypeAlias = "tuple[int, ...]"

_serials = itertools.count(1).__next__


class PlannedForm:
    """How an executor computes a value: the base of its own records. A Program as it is lowered has none."""

    __slots__ = ()


class Value:
    """One array of a program: an argument, a state, a constant, or what an op computes.

    - `kind`: `argument`, `state`, `constant`, or for what is computed `op` (a core op) or `call` (an op of
      `clearprop.registry`, which runs as its NumPy `forward`). A recorded program has calls only.
    - `op`: the core op's name (a ufunc of NumPy's or ours, `where`, `astype`, a reduction, a view, `matmul`),
      or the registry's.
    - `inputs`: Values, or Python numbers, which take the dtype of the other inputs.
    - `core`: the op's row in the table of core ops, which says all that is known of it.
    - `attrs`: what else the op was told.
    - `form`: how an executor computes it, if it has a record of that; `into`: the Layout of the array in
      whose memory it is computed, a part of that; `lies`: a view's, as `layout` has found it.
    - `shape`, `dtype`: of the array.
    - `why`: of a call: what the op asked for that core ops do not have.
    - `data`: a constant's array, an argument's position, a state's `State`.
    - `line`: the user's line that asked for it; `name`: a parameter's or argument's name.
    """

    __slots__ = (
        "attrs", "core", "data", "dtype", "form", "inputs", "into", "kind", "lies", "line", "name", "op",
        "serial", "shape", "why",
    )  # fmt: skip
    core: Core
    attrs: dict[str, Any]
    inputs: tuple[Any, ...]
    shape: Any
    dtype: Any
    into: Layout | None
    lies: tuple[int, Layout] | None
    why: str
    data: Any
    name: str
    line: str
    kind: str
    op: str

    def __init__(
        self,
        kind: str,
        shape: Any,
        dtype: Any,
        op: str = "",
        inputs: tuple[Any, ...] = (),
        attrs: dict[str, Any] | None = None,
        data: Any = None,
        name: str = "",
        line: str = "",
        form: PlannedForm | None = None,
        why: str = "",
    ) -> None:
        self.kind, self.op, self.inputs, self.attrs = kind, op, inputs, attrs or {}
        self.core, self.form, self.why = core_of(kind, op), form, why
        self.into = self.lies = None
        self.shape, self.dtype, self.data, self.name, self.line = shape, dtype, data, name, line
        self.serial: int = _serials()

    @property
    def size(self) -> int:
        """The number of entries."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    @property
    def nbytes(self) -> int:
        """The bytes that the entries take."""
        return self.size * int(self.dtype.itemsize)

    @property
    def operands(self) -> tuple[Value, ...]:
        """The inputs that are Values, numbers left out."""
        return tuple([x for x in self.inputs if isinstance(x, Value)])

    @property
    def computed(self) -> bool:
        """Whether the program computes it, by a core op or a call."""
        return self.kind in ("op", "call")

    @property
    def is_ufunc(self) -> bool:
        """Whether each entry is computed from the entries at its own place: a ufunc, `where` or `astype`."""
        return self.core.family == "elementwise"

    @property
    def is_view(self) -> bool:
        """Whether it only names entries of its input: nothing is computed."""
        return self.core.family == "view"

    @property
    def reduces(self) -> bool:
        """Whether it takes many entries to one; the reduced axes are kept with length 1."""
        return self.core.family == "reduce"

    @property
    def source(self) -> Value | None:
        """The operand that is read here and there, from memory, where all others are read entry by entry."""
        return self.inputs[0] if self.core.reads in ("picked", "drawn") else None

    @property
    def entries(self) -> tuple[Value, ...]:
        """The operands that are read entry by entry, which are all but a source."""
        return self.operands if self.source is None else self.operands[1:]

    def becomes(self, op: str, inputs: tuple[Any, ...], form: PlannedForm | None = None) -> None:
        """Compute the same entries by another core op."""
        self.kind, self.op, self.inputs, self.form = "op", op, inputs, form
        self.core = core_of("op", op)

    def __repr__(self) -> str:
        return f"%{self.serial}"

    def describe(self) -> str:
        """Return one line of the program's text.

        >>> import numpy as np
        >>> Value("op", (2,), np.dtype("f4"), "add", (1.0, 2.0), line="a.py:3").describe().split()[2:]
        ['add(1.0,', '2.0)', '(2,)', 'float32']
        """
        what = self.op or self.kind
        if not self.computed:
            shown = self.name or (repr(self.data) if self.kind == "argument" else "")
            if self.kind == "constant" and self.size == 1:
                shown = str(self.data)
            inside = [shown] if shown else []
        else:
            inside = [repr(x) for x in self.inputs]
            inside += [f"{k}={v}" for k, v in self.attrs.items()]
        text = f"{self!r} = {what}({', '.join(inside)})"
        return f"{text:<48} {self.shape} {self.dtype}"


def is_op(x: Any, *names: str) -> bool:
    """Tell whether an input was computed by one of these core ops: the pattern of a rule.

    >>> is_op(2.0, "add"), is_op(Value("op", (), "f4", "add", (1.0, 2.0)), "add")
    (False, True)
    """
    return isinstance(x, Value) and x.kind == "op" and x.op in names


def turns_of(v: Value) -> Turns | None:
    """Return what a loop repeats; None for a value that is none."""
    if v.kind != "call" or (repeats := ops[v.op].facts.repeats) is None:
        return None
    return repeats(*v.inputs, **v.attrs)  # type: ignore[no-any-return]


@dataclass(eq=False)
class State:
    """A place that outlives a step: the value of a leaf Tensor, or the gradient it holds.

    `slot` is `value` or `grad`. `tensor` is None for one that belongs to the argument at `place`.
    """

    tensor: Tensor | None
    slot: str = "value"
    place: int = -1

    @property
    def key(self) -> tuple[int, str, int]:
        """What two States have in common exactly if they are the same place."""
        return (id(self.tensor), self.slot, self.place)

    @property
    def name(self) -> str:
        """The Tensor's name, for messages."""
        name = (self.tensor.name if self.tensor is not None else f"argument {self.place}") or "leaf"
        return name if self.slot == "value" else f"{name}.grad"


@dataclass(eq=False)
class Program:
    """What a step computes.

    `values` are in an order in which inputs come first. `outputs` are returned to the caller, one Value each;
    `assignments` say what each State holds after the step; `checks` are computed only because an index in
    them may be out of bounds, which is an error as in an eager run.
    """

    values: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    assignments: list[tuple[State, Value]] = field(default_factory=list)
    checks: list[Value] = field(default_factory=list)

    @property
    def arguments(self) -> list[Value]:
        """The arrays that the caller passes, by position."""
        return sorted((v for v in self.values if v.kind == "argument"), key=lambda v: v.data)

    @property
    def states(self) -> list[Value]:
        """The arrays that are read from Tensors at the start of each call."""
        return [v for v in self.values if v.kind == "state"]

    @property
    def constants(self) -> list[Value]:
        """The arrays that were there when the step was recorded."""
        return [v for v in self.values if v.kind == "constant"]

    @property
    def results(self) -> list[Value]:
        """Every value that must be there at the end: outputs, what is assigned, what checks an index."""
        return [*self.outputs, *(v for _, v in self.assignments), *self.checks]

    def users(self) -> dict[Value, list[Value]]:
        """Return, for each value, the values computed from it (each as often as it uses it)."""
        users: dict[Value, list[Value]] = {v: [] for v in self.values}
        for v in self.values:
            for x in v.operands:
                users[x].append(v)
        return users

    def replace(self, new: dict[Value, Value]) -> None:
        """Let every use of a key be a use of what it stands for; chains of replacements are followed."""
        if not new:
            return
        for v in self.values:
            if any(x in new for x in v.operands):
                v.inputs = tuple(followed(x, new) if isinstance(x, Value) else x for x in v.inputs)
        self.outputs = [followed(v, new) for v in self.outputs]
        self.assignments = [(s, followed(v, new)) for s, v in self.assignments]
        self.checks = [followed(v, new) for v in self.checks]

    def prune(self) -> None:
        """Drop what no result needs; arguments stay, since callers pass them by position."""
        needed = set(reachable(self.results))
        self.values = [v for v in self.values if v in needed or v.kind == "argument"]

    def sort(self) -> None:
        """Put inputs first again, as near as can be to the present order."""
        order: list[Value] = []
        seen: set[Value] = set()
        for root in [*self.values, *self.results]:
            stack = [(root, iter(root.operands))]
            if root in seen:
                continue
            seen.add(root)
            while stack:
                v, rest = stack[-1]
                for x in rest:
                    if x not in seen:
                        seen.add(x)
                        stack.append((x, iter(x.operands)))
                        break
                else:
                    order.append(v)
                    stack.pop()
        self.values = order

    def __str__(self) -> str:
        lines = [v.describe() for v in self.values]
        lines += [f"{state.name} := {v!r}" for state, v in self.assignments]
        lines.append("return " + ", ".join(map(repr, self.outputs)))
        return "\n".join(lines)


def followed(v: Value, new: dict[Value, Value]) -> Value:
    """Return what `v` stands for at the end of a chain of replacements."""
    while v in new:
        v = new[v]
    return v


def reachable(roots: Iterable[Value]) -> Iterator[Value]:
    """Yield every value that the roots were computed from, themselves included, each once."""
    stack = list(roots)
    seen = set(stack)
    while stack:
        v = stack.pop()
        yield v
        for x in v.operands:
            if x not in seen:
                seen.add(x)
                stack.append(x)
