"""The Tensors of a plan that runs on a device: their arrays stay there from call to call."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from clearprop import away
from clearprop.compiler.capture.store import Changed, is_alone
from clearprop.compiler.program.ir import State
from clearprop.tensor import Tensor, raw

_SLOT = {"value": "_value", "grad": "grad"}
OUT_OF_BOUNDS = "an index array of the compiled step is out of bounds; nothing was assigned"


class Distant(Sequence[Any]):
    """What a call returns, still on the device: each entry comes when it is asked for."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = arrays
        self.come: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, i: Any) -> Any:
        if i not in self.come:
            self.come[i] = away.here(self.arrays[operator.index(i)])
        return self.come[i]

    def give(self, tensor: Tensor, i: int) -> None:
        """Let a new Tensor have an entry, which stays where it is until somebody reads it."""
        tensor._value = tensor.grad = None
        away.put(tensor, "_value", self.arrays[i])


class FarStore:
    """What a plan reads from Tensors and assigns to them, kept by an executor that has arrays of its own.

    A Tensor's array is sent when it has one here, and from then on it lies there: what is assigned, what is a
    number, and what nobody else holds. An array in which somebody else may write is sent at each call.
    """

    far: bool = True
    slots: Any
    numbers: Any
    assigned: Any
    reads: Any
    changes: Any

    def __init__(self, executable: Any) -> None:
        self.executable = executable
        self.slots, self.numbers, self.assigned = executable.slots, executable.numbers, executable.assigned
        self.reads, self.changes = executable.reads, executable.changes
        self.changed: set[Any] = {state.key for state in self.changes}
        self.stand_ins: dict[int, Tensor] = {}  # the Tensors that were passed as arguments, by place

    def tensor(self, state: State) -> Tensor:
        """Return the Tensor of a state."""
        return state.tensor if state.tensor is not None else self.stand_ins[state.place]

    def now(self, state: State) -> Any:
        """Return what a state holds, fetched where it lies elsewhere."""
        held = getattr(self.tensor(state), _SLOT[state.slot])
        return raw(held)

    def run(self, arguments: tuple[Any, ...], tensors: dict[int, Tensor]) -> Distant:
        """Run the program once; Tensors have their new arrays when this returns, wherever these are by then.

        Raises Changed where a shape or dtype is another one than recorded, IndexError with nothing assigned.
        """
        self.stand_ins = tensors
        if self.executable.refuses(arguments):
            raise IndexError(OUT_OF_BOUNDS)
        moves = [v.data.key not in self.changed and self._moves(v.data) for v in self.reads]
        given = [self._given(v.data, v.shape, v.dtype) for v in self.reads]
        outputs, new, wrong = self.executable.call(given, arguments)
        fresh: dict[int, Any] = {id(x): x for x in given}
        for v, array, is_moved in zip(self.reads, given, moves, strict=True):
            if is_moved:
                away.put(self.tensor(v.data), _SLOT[v.data.slot], array)
        read = {v.data.key for v in self.reads}
        for state, array in zip(self.changes, new, strict=True):
            if not wrong or state.key in read:  # what was read went there, and has come back as it was
                away.put(self.tensor(state), _SLOT[state.slot], self._own(array, fresh))
        if wrong:
            raise IndexError(OUT_OF_BOUNDS)
        return Distant([self._own(x, fresh) for x in outputs])

    def _given(self, state: State, shape: Any, dtype: Any) -> Any:
        """Return what a state holds as an array on the device."""
        array = away.there(self.tensor(state), _SLOT[state.slot])
        found = self.now(state) if array is None else array
        if found is None or found.shape != shape or found.dtype != dtype:
            raise Changed(state.name)
        return self.executable.sent(found, state)

    def _moves(self, state: State) -> bool:
        """Whether what is only read goes to the device for good: nobody here can change it unseen.

        It is asked before the array is sent, since JAX holds it until it is there.
        """
        tensor = self.tensor(state)
        if state.slot != "value" or state.tensor is None or away.is_there(tensor, "_value"):
            return False
        return tensor._value.shape == () or is_alone(tensor)

    def _own(self, array: Any, fresh: dict[int, Any]) -> Any:
        """Return an array that no other Tensor has: one will be given away with the next call."""
        if id(array) in fresh:
            return self.executable.copy(array)
        fresh[id(array)] = array
        return array
