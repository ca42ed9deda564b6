"""The arrays that a plan reads from Tensors and writes: they stay in place while nobody else holds them."""

from __future__ import annotations

import ctypes
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.compiler.plan.memory import LINE, empty, neighbours
from clearprop.compiler.program.ir import State, Value
from clearprop.structure import Changed as Changed
from clearprop.tensor import Tensor, raw

SMALL = 1 << 24  # bytes up to which an array that is only read is moved to a cache line

_value, _grad = operator.attrgetter("_value"), operator.attrgetter("grad")


class Store:
    """The own arrays of a plan's states with axes, and its states without axes, which are numbers.

    A step overwrites the arrays of what it assigns. That is safe as long as nobody but the Tensor holds them,
    which their reference counts tell: a user who kept `p.value`, or a graph that remembers it, keeps the
    array, and the step goes on with a copy. Where it is not assigned, a Tensor's array is used as it is.
    """

    far: bool = False  # whether arrays lie elsewhere: see FarStore
    slots: list[State]
    written: list[bool]
    read: list[bool]
    shapes: list[tuple[Any, Any]]
    rows: list[list[int]]
    numbers: list[Value]
    assigned: list[State]
    moves: NDArray[Any]

    def __init__(
        self,
        slots: list[State],
        numbers: list[Value],
        assigned: list[State],
        written: list[bool],
        read: list[bool],
        shapes: list[tuple[Any, Any]],
        rows: list[list[int]],
    ) -> None:
        self.slots, self.written, self.read, self.shapes = slots, written, read, shapes
        together = {i for row in rows for i in row}
        self.rows = [*rows, *([i] for i in range(len(slots)) if i not in together)]  # in one piece of memory
        self.numbers, self.assigned = numbers, assigned
        self.number_types: list[Any] = [v.dtype.type for v in numbers]
        self.arrays: list[Any] = [None] * len(slots)
        self.held: list[Any] = [None] * len(slots)  # what the Tensors hold: the same, or one not in C order
        self.owned: list[Any] = []  # the written ones among them
        self.settled: bool = False  # whether there was a call
        self.moves = np.zeros(1, np.int64)  # how often there were other arrays: a quick call looks at it
        self.counts: list[int] = []  # how many hold each of these when nobody else does
        self.base: list[int] = [0] * len(slots)  # the same for every array
        self.in_order: list[Any] = []  # the arrays, values before gradients
        self.late: list[int] = []  # what Tensors are given when the step is done
        self.kept: int = 0  # how often a row was left to somebody who held an array of it
        self.stand_ins: dict[int, Tensor] = {}  # the Tensors that were passed as arguments, by place
        self.fixed: bool = all(s.tensor is not None for s in slots)
        numbered = [*[v.data for v in numbers], *assigned]
        self.simple: bool = all(s.tensor is not None and s.slot == "value" for s in numbered)  # as usual
        self.number_tensors: list[Any] = [v.data.tensor for v in numbers]
        self.assigned_tensors: list[Any] = [s.tensor for s in assigned]
        self.values: list[Tensor | None] = [s.tensor for s in slots if s.slot == "value"]
        self.grads: list[Tensor | None] = [s.tensor for s in slots if s.slot == "grad"]
        self.order: list[int] = [i for i, s in enumerate(slots) if s.slot == "value"]
        self.order += [i for i, s in enumerate(slots) if s.slot == "grad"]

    def tensor(self, state: State) -> Tensor:
        """Return the Tensor of a state."""
        return state.tensor if state.tensor is not None else self.stand_ins[state.place]

    def now(self, state: State) -> Any:
        """Return what a state holds."""
        tensor = self.tensor(state)
        held = tensor._value if state.slot == "value" else tensor.grad
        return raw(held)

    def ready(self) -> bool:
        """Tell whether every array is where the last call left it, and held by nobody else."""
        if not self.fixed or not self.settled:
            return False
        held = list(map(sys.getrefcount, self.owned))
        if held != self.counts and any(map(operator.gt, held, self.counts)):
            return False
        held_now = [*map(_value, self.values), *map(_grad, self.grads)]
        return all(map(operator.is_, held_now, self.in_order))

    def load(self) -> bool:
        """Bring every array up to date; tell whether one has moved, so that the step must be prepared again.

        Raises Changed where a shape or dtype is another one.
        """
        found: list[Any] = [self.now(state) for state in self.slots]
        for i in range(len(found)):
            if self.read[i]:
                self._check(i, found[i])
        self.late = []
        self.settled = moved = False
        here = [now is held and now is not None for now, held in zip(found, self.held, strict=True)]
        free = [True] * len(found)  # whether nobody else holds the own array of a slot
        for i in range(len(found)):
            if here[i]:
                found[i] = None  # counted below: nothing here may hold the own array
            if self.written[i]:
                free[i] = not self._others(i, here[i])
            elif not here[i]:
                found[i] = None
                self._take(i)
                moved = True
        for row in self.rows:
            stays = all(map(free.__getitem__, row))
            if not self.written[row[0]] or (stays and all(map(here.__getitem__, row))):
                continue
            if stays:
                self._fill(row, [self.arrays[i] for i in row], here, found)
            else:
                self.kept += len(row) > 1 and self.base[row[0]] > 0
                shapes, dtypes = zip(*map(self.shapes.__getitem__, row), strict=True)
                self._fill(row, neighbours(shapes, dtypes[0]), here, found)
                for i in row:
                    self.base[i] = 0  # not known before the step has settled
                self.moves += 1
                moved = True
        return moved

    def _take(self, i: int) -> None:
        """Use the array that a Tensor has, which is only read."""
        state = self.slots[i]
        now = on_a_line(self.tensor(state)) if state.slot == "value" else self.now(state)
        self.moves += 1
        self.held[i], self.arrays[i] = now, _plain(now)

    def _fill(self, row: list[int], arrays: list[Any], here: list[bool], found: list[Any]) -> None:
        """Let Tensors have these arrays, with what they have now: their own arrays, or what was found."""
        for i, array in zip(row, arrays, strict=True):
            now = self.arrays[i] if here[i] else found[i]
            if self.read[i] and now is not array:
                np.copyto(array, now)
            self.held[i] = self.arrays[i] = array
            if self.slots[i].slot == "value" and self.read[i]:
                self._put(self.slots[i], array)
            else:
                self.late.append(i)  # its contents are those of a step that has not failed

    def _others(self, i: int, here: bool) -> bool:
        """Whether somebody besides the Tensor and the plan holds the own array of a slot, or may."""
        if not self.base[i]:
            return True
        return sys.getrefcount(self.arrays[i]) > self.base[i] - (0 if here else 1)

    def _check(self, i: int, now: Any) -> None:
        shape, dtype = self.shapes[i]
        if now is None or np.shape(now) != shape or now.dtype != dtype:
            raise Changed(self.slots[i].name)

    def _put(self, state: State, array: Any) -> Any:
        tensor = self.tensor(state)
        if state.slot == "value":
            tensor._value = array
        else:
            tensor.grad = array
        return array

    def settle(self) -> None:
        """Give the Tensors what the step has written without reading it, and learn who holds arrays now."""
        for i in self.late:
            self._put(self.slots[i], self.arrays[i])
        self.late = []
        self.in_order = [self.held[i] for i in self.order]
        self.owned = [a for a, written in zip(self.arrays, self.written, strict=True) if written]
        self.counts = list(map(sys.getrefcount, self.owned))
        self.settled = True
        self.base = [sys.getrefcount(self.arrays[i]) for i in range(len(self.arrays))]

    def read_numbers(self) -> tuple[Any, ...]:
        """Return the states without axes."""
        if self.simple:
            found = tuple([tensor._value for tensor in self.number_tensors])
        else:
            found = tuple([self.now(v.data) for v in self.numbers])
        if list(map(type, found)) != self.number_types:
            found = tuple([x[()] if isinstance(x, np.ndarray) else x for x in found])  # views show it
            if list(map(type, found)) != self.number_types:
                raise Changed("a number")
        return found

    def write_numbers(self, new: tuple[Any, ...]) -> None:
        """Assign the states without axes."""
        if self.simple:
            for tensor, x in zip(self.assigned_tensors, new, strict=True):
                tensor._value = x
            return
        for state, x in zip(self.assigned, new, strict=True):
            self._put(state, x)


def on_a_line(tensor: Tensor) -> Any:
    """Return a leaf's array, moved to a cache line if its memory is the Tensor's alone, and not large."""
    array: Any = tensor._value
    if not isinstance(array, np.ndarray) or array.nbytes > SMALL or array.ctypes.data % LINE == 0:
        return array
    del array
    if tensor._value.flags.c_contiguous and is_alone(tensor):
        new = empty(tensor.shape, tensor.dtype)
        np.copyto(new, tensor._value)
        tensor._value = new  # complete: other threads may read it
    return tensor._value


def is_alone(tensor: Tensor) -> bool:
    """Whether nobody else holds a leaf's array, or the memory that it lies in."""
    array: Any = tensor._value
    owner: Any = array if array.base is None else array.base  # whoever has a view of it holds the owner
    whole = type(owner) is np.ndarray and owner.flags.owndata
    mine = (whole or isinstance(owner, ctypes.Array)) and array.flags.writeable
    del array, owner
    return mine and all(map(operator.le, _holders(tensor), ALONE if whole else ON_A_LINE))


def _holders(tensor: Tensor) -> tuple[int, int]:
    """Return the reference counts of a leaf's array, and of the array that owns its memory."""
    array: Any = tensor._value
    return sys.getrefcount(array), 0 if array.base is None else sys.getrefcount(array.base)


def _alone(array: Callable[[], Any]) -> tuple[int, int]:
    """Return these counts where nobody else holds the array: they depend on the interpreter."""
    tensor = Tensor(0.0)
    tensor._value = array()
    return _holders(tensor)


ALONE = _alone(lambda: np.zeros(2)[:])
ON_A_LINE = _alone(lambda: empty((2,), np.dtype(float)))


def _plain(array: Any) -> Any:
    """The array itself, or a copy in C order."""
    return array if array.flags.c_contiguous and array.flags.aligned else np.ascontiguousarray(array)
