"""What a gradient is over a length: without a division, where the length is one of its factors.

The square of a length is smooth at 0, where the length itself has a kink. The gradient that arrives at |x|
from |x|^2 is g = 2 |x|, and g / |x| = 2 has a value at 0 and derivatives there, which 0 / 0 has not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from clearprop.ops.limits import limit
from clearprop.ops.moving import Pull, Smooth, computed_again
from clearprop.registry import ops
from clearprop.tensor import Tensor

_DEEPEST = 12  # how many operations are read back


def of_length(*times: Callable[..., Any]) -> Smooth:
    """Return the fact `smooth` of an elementwise op: `times[i](*xs)` is z times its derivative by input `i`.

    >>> from clearprop import hessian
    >>> float(hessian(lambda x: np.abs(x) ** 2)(0.0))
    2.0
    """

    def sends(i: int, ratio: Any, z: Any, *xs: Any) -> Any:
        return ratio, times[i](*xs)

    return sending(sends, share=1.0 if len(times) == 1 else 0.0)


def sending(
    sends: Callable[..., Any], *, share: float = 0.0, root: Callable[..., Any] | None = None
) -> Smooth:
    """Return the fact `smooth` of an op whose output z is a length, with a kink where it is 0.

    `sends(i, ratio, z, *xs, **attrs)` are two factors of what input `i` receives where ratio times z arrives,
    computed without a division by z; None where that is not known. A `root` has an infinite slope, and so no
    even part, where what arrives is not 0; `root(*xs)` is which one it is. `share` is that of `Smooth`.
    """

    def flat(g: Any, z: Any, *xs: Any) -> Any:
        return (z == 0) & (g == 0) if root is not None else z == 0

    def smooth(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
        if root is not None and not root(*xs):
            return None, None
        ratio = over(g, z)
        factors = None if ratio is None else sends(i, ratio, z, *xs, **attrs)
        if factors is not None:
            return factors[0] * factors[1], None
        if root is not None and root(*xs) > 2:  # its limit would be that of a higher derivative
            return None, None
        ratio = limit(g, z, pull, flat)
        factors = None if ratio is None else sends(i, ratio, z, *xs, **attrs)
        return None, None if factors is None else ops["masked_product"](*factors)

    return Smooth(smooth, length=root is None, share=share, root=root)


def over(g: Any, z: Any) -> Any:
    """Return g / z, of the shape of z, where `z` is a factor of the recorded `g`, else None.

    >>> z = Tensor(0.0, requires_grad=True)
    >>> float(over(3.0 * (z + z), z)), over(np.cos(z), z)
    (6.0, None)
    """
    found = _over(g, z, _DEEPEST) if isinstance(z, Tensor) and isinstance(g, Tensor) else None
    return found if found is None or found.shape == z.shape else np.broadcast_to(found, z.shape)


def multiple(g: Any, z: Any) -> Any:
    """Return the number c of g = c z where the recorded `g` is that, one for each row of z; else None.

    It has no axes or, where rows have numbers of their own, the axes of z with a last one of length 1.

    >>> z = Tensor([1.0, 2.0])
    >>> float(multiple(3.0 * (z + z), z)), multiple(z * z, z)
    (6.0, None)
    """
    found = over(g, z)
    one = None if found is None else _of_rows(found, _DEEPEST, whole=True)
    return one if found is None or one is not None else _of_rows(found, _DEEPEST)


def _of_rows(x: Any, depth: int, *, whole: bool = False) -> Any:
    """Return the number that is each entry of a row of `x` (of the `whole` of it), wherever x moves.

    None where that is not to be seen.
    """
    shape = np.shape(x)
    if not shape or (shape[-1] == 1 and not whole):
        return x
    if not isinstance(x, Tensor):
        first = x[(..., slice(1)) if not whole else (0,) * x.ndim] if x.size else None
        return first if x.size and np.all(x == first) else None
    if x.op is None or not x.inputs or not depth:
        return None
    if x.op.facts.order in ("kept", "repeated"):
        before = np.shape(x.inputs[0])
        same = whole or not before or (before[-1] in (shape[-1], 1) and x.op.facts.order == "repeated")
        return _of_rows(x.inputs[0], depth - 1, whole=whole) if same or before[-1] == shape[-1] else None
    if x.op.kind != "elementwise":
        return None
    parts = [_of_rows(y, depth - 1, whole=whole) for y in x.inputs]
    return None if any(part is None for part in parts) else x.op(*parts, **x.attrs)


def _over(g: Any, z: Tensor, depth: int) -> Any:
    if not isinstance(g, Tensor):
        return None
    if g is z or computed_again(g, z):
        return g.dtype.type(1)
    if g.op is None or not g.inputs or not depth:
        return None
    rule = over_moved if _in_order(g) else g.op.facts.over
    return None if rule is None else rule(g, z, partial(_over, depth=depth - 1))


def _in_order(g: Tensor) -> bool:
    """Return whether `g` is a view with the entries of its input in their order: x.reshape(shape)."""
    op = g.op
    if op is None or op.facts.order == "kept":
        return op is not None
    shape = np.shape(g.inputs[0])
    axes = () if op.facts.axes is None else op.facts.axes(len(shape), **g.attrs)
    long = [axis for axis in axes if shape[axis] != 1]
    return op.facts.axes is not None and long == sorted(long)


# --- the fact `over` of an op -------------------------------------------------------------------------------
Over = Callable[[Any, Any], Any]  # what its first is over its second, which is a factor of it; else None


def over_moved(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of what has the entries of its input in their order: +x."""
    found = over(g.inputs[0], z)
    return found if found is None else np.broadcast_to(found, g.inputs[0].shape).reshape(g.shape)


def over_first(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of what is as many times as large as its first input is: -x, x / y."""
    assert g.op is not None
    found = over(g.inputs[0], z)
    return None if found is None else g.op(found, *g.inputs[1:])


def over_converted(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of what is its input in another type."""
    return over(g.inputs[0], z)


def over_terms(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of a sum or a difference, where z is a factor of both its terms."""
    assert g.op is not None
    x, y = g.inputs
    parts = [over(term, z) for term in ((x, y) if x is not y else (x,))]
    return None if any(part is None for part in parts) else g.op(parts[0], parts[-1])


def over_factors(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of a product, where z is a factor of one of the two."""
    for x, other in (g.inputs, g.inputs[::-1]):
        found = over(x, z)
        if found is not None:
            return found * other
    return None


def over_outer(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of a product of matrices, where it is one without a sum: column @ row."""
    alone = min(np.ndim(x) for x in g.inputs) > 1 and g.inputs[0].shape[-1] == 1
    return over_factors(g, z, over) if alone else None


def over_powers(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of x ** n, of a whole n."""
    x, n = g.inputs
    found = over(x, z) if isinstance(n, (int, float)) and n >= 1 and n % 1 == 0 else None
    return found if found is None or n == 1 else found * x ** (n - 1)


def over_chosen(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of where(c, x, y), of which one may be 0 or NaN."""
    c, *xs = g.inputs
    parts = [over(x, z) if isinstance(x, Tensor) else _hollow(x) for x in xs]
    return None if any(part is None for part in parts) else np.where(c, *parts)


def _hollow(x: Any) -> Any:
    """Return what is 0 or NaN, and so its own quotient by anything, else None."""
    return x if np.all((x == 0) | (x != x)) else None


def over_picked(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of x[index], of the same entries of two arrays of one shape or of all entries."""
    x, index = g.inputs[0], g.attrs["index"]
    if g.op is not z.op or g.attrs != z.attrs or len(g.inputs) != 1:
        return over_moved(g, z, over) if _all_of_it(index, x, g) else None
    whole = z.inputs[0]
    found = over(x, whole) if x.shape == whole.shape else None
    return None if found is None else ops["getitem"](np.broadcast_to(found, x.shape), index=index)


def over_entries(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of what is made of entries of z, by numbers and slices, and 0 elsewhere."""
    index = g.attrs["index"]
    if _all_of_it(index, g.inputs[0], g):
        return over_moved(g, z, over)
    plain = (
        isinstance(i, (int, slice, type(None))) for i in (index if isinstance(index, tuple) else (index,))
    )
    if g.shape != z.shape or not all(plain):
        return None
    part = ops["getitem"](z, index=index)
    found = over(g.inputs[0], part)
    return None if found is None else ops["scatter"](np.broadcast_to(found, part.shape), **g.attrs)


def _all_of_it(index: Any, x: Any, g: Tensor) -> bool:
    """Return whether an index of numbers and slices picks all entries, in their order."""
    entries = index if isinstance(index, tuple) else (index,)
    forward = [isinstance(i, slice) and (i.step is None or i.step > 0) for i in entries]
    plain = [i is None or i is Ellipsis or isinstance(i, int) for i in entries]
    return np.size(x) == g.size and all(a or b for a, b in zip(forward, plain, strict=True))


def over_einsum(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of einsum where an operand has the labels of the output: no sum runs over it."""
    left, _, output = g.attrs["subscripts"].partition("->")
    for i, (term, x) in enumerate(zip(left.split(","), g.inputs, strict=True)):
        found = over(x, z) if term == output and np.shape(x) == g.shape else None
        if found is not None:
            xs = [*g.inputs[:i], np.broadcast_to(found, g.shape), *g.inputs[i + 1 :]]
            return ops["einsum"](g.attrs["subscripts"], *xs)
    return None


def over_pieces(g: Tensor, z: Tensor, over: Over) -> Any:
    """The fact `over` of what is added to 0 (or to a multiple of z), each piece of all entries."""
    total, *pieces = g.inputs
    none = not isinstance(total, Tensor) and not np.any(total)
    indexes = g.attrs["indexes"]
    if len(pieces) != len(indexes) or not all(
        _all_of_it(index, x, g) for index, x in zip(indexes, pieces, strict=True)
    ):
        return None
    parts = [over(x, z) for x in (pieces if none else (total, *pieces))]
    if any(part is None for part in parts):
        return None
    shapes = [np.shape(x) for x in (pieces if none else g.inputs)]
    parts = [np.broadcast_to(q, shape).reshape(g.shape) for q, shape in zip(parts, shapes, strict=True)]
    return sum(parts[1:], parts[0])
