"""How far rounding moves what a check compares: a finished graph run again with every result a little off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.check.probe import Probe, listed
from clearprop.check.replay import Replay
from clearprop.modes import no_grad
from clearprop.tensor import Tensor, raw

RUNS = 6
COARSER = 30.0  # times what was known of the terms of an output: then its differences are taken anew


class Rounding(NamedTuple):
    """How far each output is moved, and by each input (None where nothing flows) each row's gradient."""

    outputs: Any
    gradients: list[Any]


class _Shaken(Replay):
    """A replay in which what an op gives is off by as much as rounding in its dtype may be."""

    def __init__(self, output: Tensor, rng: np.random.Generator) -> None:
        super().__init__(output)
        self.rng = rng

    def widened(self, value: Any) -> Any:
        """Return a value as it is: rounding is that of its own dtype."""
        return value

    def attrs(self, node: Tensor) -> dict[str, Any]:
        """Return the node's attributes as they are."""
        return node.attrs

    def off(self, z: Any, *given: Any) -> Any:
        """Return a value with each entry larger or smaller by one unit in its last place.

        What is one of the numbers given, but for its sign, was chosen and not computed.
        """
        z = np.asarray(z)
        if z.dtype.kind not in "fc":
            return z[()]
        by = np.finfo(z.dtype).eps * self.rng.choice([-1.0, 1.0], z.shape)
        chosen = np.isin(np.abs(z), np.concatenate([np.zeros(1), *(np.abs(x).reshape(-1) for x in given)]))
        return np.where(chosen, z, z * (1.0 + by)).astype(z.dtype)[()]

    def shake(self, leaves: list[Tensor]) -> dict[Tensor, Any]:
        """Return the value of every node, leaves moved by a unit in their last place too."""
        values = self.start | {t: self.off(self.start[t]) for t in leaves}
        with np.errstate(all="ignore"), no_grad():
            for node in self.order:
                if node.op is not None:
                    given = self.inputs(node, values)
                    numbers = [x for x in map(np.asarray, given) if x.dtype.kind in "fc"]
                    values[node] = self.off(node.op.forward(*given, **self.attrs(node)), *numbers)
        return values


def rounding(
    probe: Probe, f: Callable[..., Any], weights: Any, rng: np.random.Generator, arrays: Any = None
) -> Rounding | None:
    """Return how far rounding moves the outputs of `f`, and the gradients of its outputs weighed by each row.

    Largest of several runs, in each of which every result is off by one unit in its last place, and so are
    the inputs: those of the probe, or `arrays` in a precision of their own. None where the graph cannot be
    run again.
    """
    arrays = probe.arrays if arrays is None else arrays
    leaves = [Tensor(a) if a is not None else x for a, x in zip(arrays, probe.inputs, strict=True)]
    try:
        with np.errstate(all="ignore"):
            outputs = [z if isinstance(z, Tensor) else Tensor(z) for z in listed(f(*leaves))]
            whole: Any = np.concatenate([np.ravel(z).astype(np.float64) for z in outputs])
            return _shaken(_Shaken(whole, rng), [leaves[j] for j in probe.moving], weights)
    except Exception:  # anybody's op: what is known without it has to do
        return None


def coarsen(probe: Probe, at: Any, found: Rounding) -> bool:
    """Let a probe know how coarsely its function rounds, if that is news to it; tell whether it is."""
    terms = 3 * found.outputs / probe.eps
    news = bool(np.any(terms > COARSER * np.maximum(np.abs(at), probe.terms)))
    if news:
        probe.terms = np.maximum(probe.terms, terms)
        probe.murky = probe.murky | probe.is_murky(found.outputs / 2)
    return news


def _shaken(replay: _Shaken, moving: list[Tensor], weights: Any) -> Rounding:
    known = [t for t in moving if t in replay.start]
    runs = [replay.start | replay.forward(), *(replay.shake(known) for _ in range(RUNS))]
    outputs = np.array([values[replay.output] for values in runs])
    found: list[Any] = []
    pulled = [[replay.backward(values, row) for row in weights] for values in runs]
    for t in moving:
        size = np.shape(raw(t))
        rows = [[np.broadcast_to(raw(grads.get(t, 0.0)), size) for grads in run] for run in pulled]
        found.append(_spread(np.array(rows)))
    return Rounding(_spread(outputs), found)


def _spread(runs: Any) -> Any:
    """Return how far the runs are from the first, at most; 0 where that is not known."""
    off = np.max(np.abs(runs[1:] - runs[0]), axis=0)
    return np.where(np.isfinite(off), off, 0.0)
