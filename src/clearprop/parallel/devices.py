"""`mesh`: how the arrays of a step lie on several devices. The step itself says nothing of it."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.parallel.engine import engine
from clearprop.tensor import Tensor

DATA = "data"


class Mesh:
    """Devices in rows and columns, and which parameters are cut along which of their axes.

    The arrays that a step is called with are cut along their first axis over the axis `data`, as far as their
    length allows; every other array is on each device, unless `split` says otherwise. A cut changes where
    numbers are computed and never what they mean: XLA puts in the sums over devices that a program needs.
    """

    def __init__(self, axes: dict[str, int], devices: Any) -> None:
        self.axes: dict[str, int] = axes
        self.devices: Any = devices  # a jax.sharding.Mesh
        self._cuts: dict[int, tuple[weakref.ref[Tensor], tuple[int, str]]] = {}
        self._optimizers: list[Any] = []

    def __repr__(self) -> str:
        return f"mesh({', '.join(f'{name}={n}' for name, n in self.axes.items())})"

    def split(
        self, model: Any, axes: Mapping[str, int], over: str = "model", optimizer: Any = None
    ) -> dict[str, int]:
        """Cut parameters over an axis of the mesh: `axes` says by name pattern along which of their own.

        `{"*.net.0.weight": 0, "*.net.0.bias": 0, "*.net.2.weight": 1}` cuts the first layer of each `net` by
        its outputs and the second by its inputs, so that what lies between them is cut too and one sum over
        the devices follows (Shoeybi et al., "Megatron-LM", 2019). What an `optimizer` remembers of a
        parameter is cut as the parameter is. Returns the names and their axes. It is asked for before the
        step's first call.

        Raises ValueError for a pattern that no parameter has, an axis of the mesh or of the parameter that
        does not exist, and a length that is no multiple of the devices' number.
        """
        called = "mesh.split(model, axes)"
        if over not in self.axes or over == DATA:
            got = f"over={over!r}, of {self!r}"
            hint = "clearprop.parallel.mesh(data=4, model=2)"
            raise ValueError(lesson(called, "wants an axis of the mesh for parameters", got, hint=hint))
        found: dict[str, int] = {}
        named = dict(model.named_parameters())
        for pattern, axis in axes.items():
            names = [name for name in named if fnmatchcase(name, pattern)]
            if not names:
                some = ", ".join(list(named)[:4])
                where = f"There are {some}, ..."
                raise ValueError(lesson(called, "no parameter has such a name", f"{pattern!r}", where))
            found |= dict.fromkeys(names, axis)
        for name, axis in found.items():
            self._check(name, named[name].shape, axis, self.axes[over], called)
        for name, axis in found.items():
            p = named[name]
            self._cuts[id(p)] = weakref.ref(p), (axis, over)
        if optimizer is not None:
            self._optimizers.append(optimizer)
        return found

    def _check(self, name: str, shape: tuple[int, ...], axis: int, n: int, called: str) -> None:
        if not 0 <= axis < len(shape):
            raise ValueError(lesson(called, f"{name} {shape} has axes 0 to {len(shape) - 1}", f"axis {axis}"))
        if shape[axis] % n:
            wanted = f"wants a multiple of {n}, so that every device has as much"
            got = f"{name} {shape}, {shape[axis]} along axis {axis}"
            raise ValueError(lesson(called, wanted, got, hint="another axis, or leaving it out"))

    def of_argument(self, shape: tuple[int, ...]) -> Any:
        """Return how an argument lies: cut over `data` where its length allows it."""
        n = self.axes.get(DATA, 1)
        cut = n > 1 and len(shape) > 0 and shape[0] > 0 and shape[0] % n == 0
        return self._sharding((DATA,) if cut else ())

    def of_state(self, tensor: Tensor | None, shape: tuple[int, ...]) -> Any:
        """Return how a Tensor's value, its gradient, or what an optimizer remembers of it lies."""
        held = self._cuts.get(id(tensor))
        if held is None or held[0]() is not tensor:
            held = self._cuts.get(id(self._remembered(tensor)))
        if held is None:
            return self._sharding(())
        owner, (axis, over) = held[0](), held[1]
        if owner is None or owner.shape != shape:
            return self._sharding(())
        return self._sharding((*(None for _ in range(axis)), over))

    def _remembered(self, tensor: Tensor | None) -> Tensor | None:
        """The parameter of which an optimizer remembers this, if it is one of those that were given."""
        for optimizer in self._optimizers:
            for p, memory in optimizer.state.items():
                if any(tensor is t for t in memory.values()):
                    return p  # type: ignore[no-any-return]
        return None

    def _sharding(self, axes: tuple[Any, ...]) -> Any:
        sharding = engine("parallel.mesh()").sharding
        return sharding.NamedSharding(self.devices, sharding.PartitionSpec(*axes))


def devices(name: Any, called: str) -> list[Any]:
    """Return JAX's devices of a kind ("cpu", "gpu", "tpu"), or the one of a number ("gpu:1").

    Raises ValueError, with those that there are, where there is none; TypeError for what is no name.
    """
    jax = engine(called)
    if not isinstance(name, str):
        raise TypeError(lesson(called, "wants the name of a device", f"device={name!r}", hint="device='cpu'"))
    kind, _, number = name.partition(":")
    try:
        found = jax.devices(kind) if kind else []
    except RuntimeError:
        found = []
    if ":" in name:
        found = [found[int(number)]] if number.isdecimal() and int(number) < len(found) else []
    if found:
        return list(found)
    there = list(dict.fromkeys([*jax.devices(), *jax.devices("cpu")]))
    where = "Here are " + ", ".join(f"{d.platform}:{d.id}" for d in there) + "."
    hint = f"device={there[0].platform!r}, or a JAX that was built for it"
    raise ValueError(lesson(called, "JAX has no such device here", f"device={name!r}", where, hint))


def mesh(device: str | None = None, **axes: int) -> Mesh:
    """Return a mesh of devices, for `compile(step, executor="xla", mesh=)`: `mesh(data=4, model=2)`, say.

    `device` is a kind that JAX knows ("gpu", "tpu", "cpu"); without it, JAX's default. Raises ValueError
    where there are fewer devices than asked for, ImportError without the extra `xla`.
    """
    jax = engine("parallel.mesh()")

    called = f"mesh({', '.join(f'{name}={n!r}' for name, n in axes.items())})"
    bad = {name: n for name, n in axes.items() if isinstance(n, bool) or not isinstance(n, int) or n < 1}
    if bad or not axes:
        got = ", ".join(f"{name}={n!r}" for name, n in bad.items()) or "no axis"
        needed = "wants a whole number of devices for each axis"
        raise ValueError(lesson(called, needed, got, hint="mesh(data=2)"))
    wanted = math.prod(axes.values())
    there = jax.devices() if device is None else devices(device, called)
    if len(there) < wanted:
        hint = f"XLA_FLAGS=--xla_force_host_platform_device_count={wanted} makes that many of a processor"
        got = f"{len(there)} of the kind {there[0].platform}"
        raise ValueError(lesson(called, f"wants {wanted} devices", got, hint=hint))
    return Mesh(dict(axes), jax.sharding.Mesh(np.array(there[:wanted]).reshape(*axes.values()), tuple(axes)))
