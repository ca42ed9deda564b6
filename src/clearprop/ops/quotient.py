"""What a gradient is over a length: without a division, where the length is one of its factors.

The square of a length is smooth at 0, where the length itself has a kink. The gradient that arrives at |x|
from |x|^2 is g = 2 |x|, and g / |x| = 2 has a value at 0 and derivatives there, which 0 / 0 has not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.registry import ops
from clearprop.tensor import Tensor

_DEEPEST = 12  # how many operations are read back


class OfLength:
    """The local derivative of a length z, with a kink where z is 0; `times(*xs)` is z times it, without one.

    Where z is a factor of the gradient that arrives, what is sent is the rest of it with `times`.

    >>> from clearprop import hessian
    >>> float(hessian(lambda x: np.abs(x) ** 2)(0.0))
    2.0
    """

    def __init__(self, slope: Callable[..., Any], times: Callable[..., Any]) -> None:
        self.slope, self.times = slope, times

    def __call__(self, z: Any, *xs: Any) -> Any:
        return self.slope(z, *xs)

    def sent(self, g: Any, z: Any, *xs: Any) -> Any:
        """Return the gradient of the input, where `g` arrives."""
        complex_ones = any(np.iscomplexobj(x) for x in xs)
        ratio = None if complex_ones or z.__class__ is not Tensor else over(g, z)
        return g * self.slope(z, *xs) if ratio is None else ratio * self.times(*xs)


def over(g: Any, z: Any) -> Any:
    """Return g / z, of the shape of z, where `z` is a factor of the recorded `g`, else None.

    >>> z = Tensor(0.0, requires_grad=True)
    >>> float(over(3.0 * (z + z), z)), over(np.cos(z), z)
    (6.0, None)
    """
    found = _over(g, z, _DEEPEST) if isinstance(z, Tensor) and isinstance(g, Tensor) else None
    return found if found is None or found.shape == z.shape else np.broadcast_to(found, z.shape)


def _over(g: Any, z: Tensor, depth: int) -> Any:
    if not isinstance(g, Tensor):
        return None
    if g is z or _computed_again(g, z):
        return g.dtype.type(1)
    if g.op is None or not g.inputs or not depth:
        return None
    if g.op.facts.order == "kept":  # the same entries in another shape
        found = _over(g.inputs[0], z, depth - 1)
        return found if found is None else np.broadcast_to(found, g.inputs[0].shape).reshape(g.shape)
    xs = g.inputs
    if g.op in (ops["multiply"], ops["masked_product"]):
        for x, other in (xs, xs[::-1]):
            found = _over(x, z, depth - 1)
            if found is not None:
                return found * other
        return None
    if g.op is ops["astype"]:
        return _over(g.inputs[0], z, depth - 1)
    if g.op is ops["scatter"]:
        return _over_entries(g, z, depth)
    if g.op in (ops["add"], ops["subtract"]):
        parts = [_over(x, z, depth - 1) for x in (xs if xs[0] is not xs[1] else xs[:1])]
        if any(part is None for part in parts):
            return None
        return g.op(parts[0], parts[-1])
    if g.op in (ops["negative"], ops["divide"]):
        found = _over(xs[0], z, depth - 1)
        return None if found is None else g.op(found, *xs[1:])
    if (
        g.op is ops["power"]
        and xs[0] is z
        and isinstance(xs[1], (int, float))
        and xs[1] > 1
        and xs[1] % 1 == 0
    ):
        return z ** (xs[1] - 1)
    return None


def _over_entries(g: Tensor, z: Tensor, depth: int) -> Any:
    """Return the quotient where g is made of entries of z, by numbers and slices, and 0 elsewhere."""
    index = g.attrs["index"]
    if g.shape != z.shape or not all(
        isinstance(i, (int, slice, type(None))) for i in (index if isinstance(index, tuple) else (index,))
    ):
        return None
    part = ops["getitem"](z, index=index)
    found = _over(g.inputs[0], part, depth - 1)
    return None if found is None else ops["scatter"](np.broadcast_to(found, part.shape), **g.attrs)


def _computed_again(g: Tensor, z: Tensor) -> bool:
    """Return whether `g` is the same op of the same Tensors as `z`: norm(x) * norm(x)."""
    if g.op is None or g.op is not z.op or len(g.inputs) != len(z.inputs) or g.attrs != z.attrs:
        return False
    return all(x is y for x, y in zip(g.inputs, z.inputs, strict=True))
