"""What a gradient is over a length: without a division, where the length is one of its factors.

The square of a length is smooth at 0, where the length itself has a kink. The gradient that arrives at |x|
from |x|^2 is g = 2 |x|, and g / |x| = 2 has a value at 0 and derivatives there, which 0 / 0 has not.
"""

from __future__ import annotations

from typing import Any

from clearprop.registry import ops
from clearprop.tensor import Tensor

_DEEPEST = 12  # how many operations are read back


def over(g: Any, z: Any, depth: int = _DEEPEST) -> Any:
    """Return g / z where `z` is a factor of the recorded `g`, else None.

    >>> import numpy as np
    >>> z = Tensor(0.0, requires_grad=True)
    >>> float(over(3.0 * (z + z), z)), over(np.cos(z), z)
    (6.0, None)
    """
    if not isinstance(z, Tensor) or not isinstance(g, Tensor):
        return None
    if g is z or _computed_again(g, z):
        return g.dtype.type(1)
    if g.op is None or not g.inputs or not depth:
        return None
    xs = g.inputs
    if g.op in (ops["multiply"], ops["masked_product"]):
        for x, other in (xs, xs[::-1]):
            found = over(x, z, depth - 1)
            if found is not None:
                return found * other
        return None
    if g.op in (ops["add"], ops["subtract"]):
        parts = [over(x, z, depth - 1) for x in (xs if xs[0] is not xs[1] else xs[:1])]
        if any(part is None for part in parts):
            return None
        return g.op(parts[0], parts[-1])
    if g.op in (ops["negative"], ops["divide"]):
        found = over(xs[0], z, depth - 1)
        return None if found is None else g.op(found, *xs[1:])
    if g.op is ops["power"] and xs[0] is z and isinstance(xs[1], int) and xs[1] > 1:
        return z ** (xs[1] - 1)
    return None


def _computed_again(g: Tensor, z: Tensor) -> bool:
    """Return whether `g` is the same op of the same Tensors as `z`: norm(x) * norm(x)."""
    if g.op is None or g.op is not z.op or len(g.inputs) != len(z.inputs) or g.attrs != z.attrs:
        return False
    return all(x is y for x, y in zip(g.inputs, z.inputs, strict=True))
