"""Entries that a mask picks: how many there are changes from call to call, and a program's shapes do not.

While a step is recorded, what is computed of `x[mask]` entry by entry is computed of the whole array beside
it, with a harmless number where the mask does not hold. A reduction then needs the whole array and the mask
alone: it is right for every count. Whatever else is done with the entries is planned for the count of the
recorded call, which is compared at each call before anything has changed; another count is another plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from clearprop.compiler.capture.stand_in import StandIn, stands_for_array, twin_of
from clearprop.compiler.capture.store import Changed
from clearprop.compiler.program.ir import Program, Value, reachable
from clearprop.define import define
from clearprop.facts import Facts
from clearprop.modes import mode
from clearprop.registry import ops
from clearprop.tensor import Tensor, raw

HARMLESS = 1  # in the domain of nearly every function, and finite in its derivative


class CountChanged(Changed):
    """A mask picks another number of entries than in the recorded call."""


@define(
    "counted",
    "opaque",
    None,
    facts=Facts(kinks=False),
    examples=(((np.array([True, False, True]),), {"n": 2}),),
)
def counted(mask: Any, *, n: int = 0) -> Any:
    """The mask itself, where `n` of its entries hold; else the plan is for another call."""
    found = int(np.count_nonzero(mask))
    if found != n:
        raise CountChanged(f"a mask picks {found} entries, not {n}")
    return mask


@define(
    "occupied", "opaque", None, facts=Facts(kinks=False), examples=(((np.array([True, False, True]),), {}),)
)
def occupied(mask: Any) -> Any:
    """The mask itself, where it holds somewhere; else a reduction that needs entries has none."""
    if not np.any(mask):
        raise CountChanged("a mask picks no entries")
    return mask


class Picked:
    """The mask of a selection, and the whole array whose entries under the mask are the selection's."""

    whole: Any
    mask: Any

    def __init__(self, whole: Any, mask: Any) -> None:
        self.whole, self.mask = whole, mask


class _Counted:
    """What is asked for a shape that depends on a count says so to the recorder."""

    __slots__ = ()
    _value: Any
    twins: ClassVar[dict[type, type]] = {}  # what stands for one that is given as an array, or as a Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis, of which the first is this call's alone."""
        _ask()
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of entries, this call's alone."""
        _ask()
        return self._value.size  # type: ignore[no-any-return]

    def __len__(self) -> int:
        _ask()
        return len(self._value)


class SelectedTensor(_Counted, Tensor):
    """A Tensor whose shape depends on how many entries a mask picked."""

    __slots__ = ()


class SelectedArray(_Counted, StandIn):
    """What stands for an array whose shape depends on how many entries a mask picked."""

    __slots__ = ()


_Counted.twins.update({StandIn: SelectedArray, Tensor: SelectedTensor})


def _ask() -> None:
    observer: Any = mode.observer
    if observer is not None and observer.remembers:
        observer.selections.asked = True


class Selections:
    """What a recorder knows of selections: which nodes are some, and which arrays stand behind them."""

    def __init__(self, known: Any, value_of: Callable[[Any], Any]) -> None:
        self.picked = known  # by Tensor, as long as it lives
        self.value_of = value_of
        self.numbers: dict[Any, int] = {}  # equal for masks that are computed alike
        self.masks: dict[Value, int] = {}  # the masks that picked, and how many entries
        self.asked = False  # whether Python has looked at a length
        self.lengths: set[Value] = set()  # those whose shape depends on a count

    def twin(self, node: Tensor) -> Tensor:
        """Return what stands for a node: one that says so where its shape depends on a count."""
        if self._mask(node) is None and not any(isinstance(x, _Counted) for x in node.inputs):
            return node
        twin: Tensor = twin_of(node, SelectedArray if stands_for_array(node) else SelectedTensor)
        return twin

    def saw(self, node: Tensor, inputs: tuple[Any, ...]) -> None:
        """Compute beside a selection what stands behind it."""
        if not isinstance(node, _Counted):
            return
        self.lengths.add(self.value_of(node))
        mask = self._mask(node)
        if mask is not None:
            self.masks[self.value_of(mask)] = int(np.count_nonzero(mask._value))
        if mask is None or "shape" in node.attrs:  # what is told its shape adds at places
            found = self._followed(node, inputs)
        else:
            found = self._first(node, inputs[0], mask)
        if found is not None:
            self.picked[node] = found

    def leaf(self, of: Value | None) -> None:
        """Note a leaf over an array that is known: it will not say when it is asked for its length."""
        self.asked = self.asked or of in self.lengths

    def holds(self, x: Tensor, of: Any) -> None:
        """Note that `x` has the entries of another from now on: as a copy, or as they were stored there."""
        found = None
        if isinstance(of, _Counted):
            found = self.picked.get(of)
        if found is not None or x in self.picked:
            self.picked[x] = found

    def _mask(self, node: Tensor) -> Any:
        """The mask that a node was picked by, if it is one that may be another at the next call."""
        if node.op is None or node.op.kind != "gather":
            return None
        for x in node.inputs[1:]:
            if isinstance(x, Tensor) and x.dtype.kind == "b" and self.value_of(x).kind != "constant":
                return x
        return None

    def _number(self, mask: Any) -> int:
        """Return a number that two masks have in common if they are the same expression: `x > 0`, twice."""
        last = self.value_of(mask)
        for v in sorted(self._unnumbered(last), key=lambda v: v.serial):
            inputs = tuple(self.numbers[x] if isinstance(x, Value) else repr(x) for x in v.inputs)
            alike: Any = (v.op, inputs, repr(v.attrs), v.dtype) if v.kind == "call" else v
            self.numbers[v] = self.numbers.setdefault(alike, len(self.numbers))
        return self.numbers[last]

    def _unnumbered(self, last: Value) -> set[Value]:
        """The values without a number that a value was computed from: each is met once in a recording."""
        found: set[Value] = set()
        stack = [last]
        while stack:
            v = stack.pop()
            if v not in self.numbers and v not in found:
                found.add(v)
                stack += v.operands
        return found

    def _first(self, node: Tensor, source: Any, mask: Any) -> Picked | None:
        """The whole array behind x[mask]; None where something else is in the index too."""
        if (
            isinstance(source, _Counted)
            or isinstance(mask, _Counted)
            or node._value.ndim != source.ndim - mask.ndim + 1
        ):
            return None
        rest = source.shape[mask.ndim :]
        if node._value.shape[1:] != rest or len(node.attrs.get("index", ())) != 1:
            return None
        rows = int(np.prod(mask.shape))
        flat = mask.reshape((rows,))
        whole = source.reshape((rows, *rest))
        column = flat.reshape((rows,) + (1,) * len(rest))
        return Picked(np.where(column, whole, whole.dtype.type(HARMLESS)), flat)

    def _followed(self, node: Tensor, inputs: tuple[Any, ...]) -> Picked | None:
        """The whole array behind what is computed of selections row by row; None where rows meet."""
        op, ndim = node.op, node._value.ndim
        if op is None or not ndim:
            return None
        own = [self.picked.get(x) for x in inputs if isinstance(x, _Counted)]
        if None in own or len({self._number(p.mask) for p in own if p is not None}) != 1:
            return None
        alone = [x for x in inputs if not isinstance(x, _Counted) and np.ndim(raw(x))]
        if op.kind == "elementwise":
            if any(np.ndim(raw(x)) >= ndim for x in alone):
                return None
        elif not (
            op.by_rows and isinstance(inputs[0], _Counted) and inputs[0]._value.ndim > 1 and len(own) == 1
        ):
            return None
        whole = op(
            *(self.picked.get(x).whole if isinstance(x, _Counted) else x for x in inputs), **node.attrs
        )
        first = own[0]
        return Picked(whole, first.mask) if first is not None else None

    def instead(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Return a reduction over the entries that a mask picks; None where something else is asked."""
        if op.masked is None or not all(isinstance(x, _Counted) for x in inputs):
            return None
        own = [self.picked.get(x) for x in inputs]
        if not own or None in own or len({self._number(p.mask) for p in own}) != 1:
            return None
        wholes = [p.whole for p in own]
        axis = attrs.get("axis")
        axes = {a % wholes[0].ndim for a in (axis if isinstance(axis, tuple) else (axis,)) if a is not None}
        if axis is not None and 0 not in axes:
            return None  # row by row: the rows themselves are still picked
        mask = own[0].mask
        if not op.empty:
            if not np.any(mask._value):
                return None  # the error is NumPy's
            mask = occupied(mask)
        column = mask.reshape((-1,) + (1,) * (wholes[0].ndim - 1))
        found = op.masked(*wholes, column, **attrs)
        return None if found is NotImplemented else found

    def put(self, x: Any, mask: Any, value: Any) -> Any:
        """Return `x` after `x[mask] = value`, of as many values as the mask picks; None for anything else."""
        picked = self.picked.get(value) if isinstance(value, _Counted) else None
        if picked is None or not isinstance(mask, Tensor) or mask.dtype.kind != "b":
            return None
        rest = x.shape[mask.ndim :]
        if mask.shape + rest != x.shape or value._value.shape[1:] != rest:
            return None
        if self._number(mask.reshape((mask.size,))) != self._number(picked.mask):
            return None
        column = mask.reshape(mask.shape + (1,) * len(rest))
        return np.where(column, picked.whole.reshape(x.shape), x)

    def guard(self, program: Program) -> bool:
        """Have the program compare counts wherever it, or Python, has used one; tell whether it does."""
        used: dict[Value, list[Value]] = {mask: [] for mask in self.masks}
        for v in filter(_picks, reachable(program.results) if used else ()):
            for mask in used.keys() & v.operands[1:]:
                used[mask].append(v)
        checks: list[Value] = []
        for mask, n in self.masks.items():
            users = used[mask]
            if not users and not self.asked:
                continue
            check = Value("call", mask.shape, mask.dtype, "counted", (mask,), {"n": n}, line=mask.line)
            for v in users:
                v.inputs = (v.inputs[0], *(check if x is mask else x for x in v.inputs[1:]))
            program.values.insert(program.values.index(mask) + 1, check)
            checks.append(check)
        program.checks += checks
        return bool(checks)


def _picks(v: Value) -> bool:
    """Whether a value is made by looking up an index: its own mask has a count, a `where`'s has none."""
    return v.kind == "call" and ops[v.op].kind == "gather"
