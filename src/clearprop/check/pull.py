"""The analytic side of a check: the gradients that the rules give, of outputs weighed in any way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.check.probe import Probe, listed
from clearprop.graph import topological_order
from clearprop.modes import enable_grad, mode
from clearprop.tensor import Tensor, raw


def gradients(f: Callable[..., Any], arrays: Any, inputs: Any) -> Callable[[list[Any]], list[Any]]:
    """Run `f` on leaves that hold `arrays` (where None, on the input itself); return the function that turns
    weights, one array per output, into the gradient of the weighed sum by each input (None where none flows).
    """
    leaves = [Tensor(a) if a is not None else x for a, x in zip(arrays, inputs, strict=True)]
    with np.errstate(all="ignore"):
        outputs = listed(f(*leaves))
    return _pull(outputs, leaves)


def _pull(outputs: list[Any], leaves: Any, create_graph: bool = False) -> Callable[[list[Any]], list[Any]]:
    tracked = [z for z in outputs if isinstance(z, Tensor) and z.requires_grad]
    order = sorted({t for z in tracked for t in topological_order(z, tracked=True)}, key=lambda t: t.serial)

    def pull(weights: list[Any]) -> list[Any]:
        arriving: dict[Tensor, Any] = {}
        for z, w in zip(outputs, weights, strict=True):
            if isinstance(z, Tensor) and z.requires_grad:
                g: Any = np.asarray(w, z.dtype)[()]
                if create_graph:
                    g = Tensor(g, requires_grad=False)
                arriving[z] = arriving[z] + g if z in arriving else g
        grads = propagate(order, arriving, create_graph=create_graph)
        return [grads.get(t) if isinstance(t, Tensor) else None for t in leaves]

    return pull


def random_weights(shapes: Any, rng: np.random.Generator) -> list[Any]:
    """Return weights of 0.5 to 1.5 with random signs: none vanishes and none equals 1."""
    return [rng.uniform(0.5, 1.5, s) * rng.choice([-1.0, 1.0], s) for s in shapes]


def split(row: Any, shapes: Any) -> list[Any]:
    """Return one long vector as arrays of these shapes."""
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    return [part.reshape(s) for part, s in zip(np.split(row, ends), shapes, strict=True)]


class GradientOf:
    """The function that gives all gradients of `f`, its outputs weighed at random."""

    def __init__(self, f: Callable[..., Any], inputs: Any, rng: np.random.Generator) -> None:
        probe = Probe(f, inputs, lift=True)
        probe({})
        self.f = f
        self.inputs = inputs
        self.moving = probe.moving
        self.weights = random_weights(probe.shapes, rng)

    def __call__(self, *given: Any) -> Any:
        """Return the gradients by the inputs that move, as Tensors with a graph where gradients are on."""
        if mode.grad_enabled:
            pulled = _pull(listed(self.f(*given)), given, create_graph=True)(self.weights)
            return self._of(pulled, given)
        return self.of_arrays(given)

    def of_arrays(self, given: Any) -> list[Any]:
        """Return the gradients as arrays, whether gradients are on or off."""
        if not mode.grad_enabled:
            with enable_grad():
                return self.of_arrays(given)
        arrays = [raw(x) if j in self.moving else None for j, x in enumerate(given)]
        return self._of(gradients(self.f, arrays, self.inputs)(self.weights), given)

    def _of(self, pulled: list[Any], given: Any) -> list[Any]:
        return [np.zeros_like(raw(given[j])) if pulled[j] is None else pulled[j] for j in self.moving]


class GradientProbe(Probe):
    """A gradient under check: of arrays it gives arrays, and there is nothing to switch off."""

    f: GradientOf

    def __init__(self, f: GradientOf) -> None:
        super().__init__(f, f.inputs, lift=False)

    def asked(self, given: list[Any]) -> Any:
        """Return the gradients."""
        return self.f.of_arrays(given)
