"""`DevicePlaces`: on which devices the arrays of a Program lie, and how they get there."""

from __future__ import annotations

import hashlib
from typing import Any

import jax
import numpy as np

from clearprop.compiler.program.ir import State, Value
from clearprop.errors import lesson
from clearprop.parallel.devices import devices


class DevicePlaces:
    """JAX's default device, the one that is named, or what a `clearprop.parallel.Mesh` says of each array."""

    far: bool

    def __init__(self, where: Any) -> None:
        self.mesh: Any = where.mesh
        there = jax.devices() if where.device is None else devices(where.device, "compile(step, device=)")
        self.everywhere: Any = jax.sharding.SingleDeviceSharding(there[0])
        if self.mesh is not None:
            self.everywhere = self.mesh.of_state(None, ())
        self.far = (
            not self.everywhere.is_fully_addressable
        )  # whether other processes have some of the devices

    def of(self, v: Value) -> Any:
        """Return where an argument or a state of a Program lies."""
        return self.of_argument(v.shape) if v.kind == "argument" else self.of_state(v.data, v.shape)

    def of_argument(self, shape: Any) -> Any:
        """Return where an argument lies."""
        return self.everywhere if self.mesh is None else self.mesh.of_argument(shape)

    def of_state(self, state: State, shape: Any) -> Any:
        """Return where a state lies."""
        return self.everywhere if self.mesh is None else self.mesh.of_state(state.tensor, shape)

    def sent(self, array: Any, place: Any) -> Any:
        """Return an array there: a copy, for others may write in the memory where it lies.

        It is made before this returns: JAX copies when it comes to it, and the caller may be faster. What is
        donated must not lie in NumPy's memory either, so that JAX is told to copy, too.
        """
        if isinstance(array, jax.Array) and array.sharding == place:
            return array
        with jax.enable_x64(True):
            if self.far:  # each process sends what its own devices hold
                own = np.asarray(array)
                return jax.make_array_from_callback(own.shape, place, lambda index: np.array(own[index]))
            return jax.device_put(np.array(array), place, may_alias=False)

    def agree(self, text: str, states: list[Any]) -> None:
        """Raise RuntimeError where the processes have recorded other programs, or start from other states."""
        from jax.experimental import multihost_utils

        digest = hashlib.sha256(text.encode())
        values = hashlib.sha256()
        for x in states:
            if x.is_fully_replicated:  # else each process has parts of its own
                values.update(np.asarray(x).tobytes())
        own = np.frombuffer(digest.digest() + values.digest(), np.uint8)
        found = np.asarray(multihost_utils.process_allgather(own))
        if (found[:, :32] != found[0, :32]).any():
            raise RuntimeError(_apart("the processes have recorded different programs"))
        if (found != found[0]).any():
            raise RuntimeError(_apart("the processes start from different values"))


def _apart(said: str) -> str:
    hint = "clearprop.parallel.start() first, then the same model, made in the same order, in every process"
    return lesson("step(...) on several processes", said, hint=hint)
