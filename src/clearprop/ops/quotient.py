"""What a gradient is over a length: without a division, where the length is one of its factors.

The square of a length is smooth at 0, where the length itself has a kink. The gradient that arrives at |x|
from |x|^2 is g = 2 |x|, and g / |x| = 2 has a value at 0 and derivatives there, which 0 / 0 has not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.ops.limits import Pull, Smooth, computed_again, limit
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
    even part, where what arrives is not 0. `share` is that of `Smooth`.
    """

    def flat(g: Any, z: Any, *xs: Any) -> Any:
        return (z == 0) & (g == 0) if root is not None else z == 0

    def smooth(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
        ratio = over(g, z)
        factors = None if ratio is None else sends(i, ratio, z, *xs, **attrs)
        if factors is not None:
            return factors[0] * factors[1], None
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
    if x.op is None or not depth:
        return None
    if x.op.facts.order in ("kept", "repeated"):
        before = np.shape(x.inputs[0])
        same = whole or not before or (before[-1] in (shape[-1], 1) and x.op.facts.order == "repeated")
        return _of_rows(x.inputs[0], depth - 1, whole=whole) if same or before[-1] == shape[-1] else None
    if x.op not in (ops["multiply"], ops["divide"], ops["add"], ops["negative"], ops["positive"]):
        return None
    parts = [_of_rows(y, depth - 1, whole=whole) for y in x.inputs]
    return None if any(part is None for part in parts) else x.op(*parts)


def _over(g: Any, z: Tensor, depth: int) -> Any:
    if not isinstance(g, Tensor):
        return None
    if g is z or computed_again(g, z):
        return g.dtype.type(1)
    if g.op is None or not g.inputs or not depth:
        return None
    if g.op is ops["getitem"] and g.op is z.op and g.attrs == z.attrs and len(g.inputs) == 1:
        return _over_picked(g, z, depth)
    if _same_entries(g):
        found = _over(g.inputs[0], z, depth - 1)
        return found if found is None else np.broadcast_to(found, g.inputs[0].shape).reshape(g.shape)
    xs = g.inputs
    other_rule = _RULES.get(g.op.name)
    if other_rule is not None:
        return other_rule(g, z, depth)
    if g.op in (ops["multiply"], ops["masked_product"]) or _of_one_term(g):
        return _over_product(g, z, depth)
    if g.op is ops["astype"]:
        return _over(g.inputs[0], z, depth - 1)
    if g.op in (ops["add"], ops["subtract"]):
        parts = [_over(x, z, depth - 1) for x in (xs if xs[0] is not xs[1] else xs[:1])]
        if any(part is None for part in parts):
            return None
        return g.op(parts[0], parts[-1])
    if g.op in (ops["negative"], ops["divide"]):
        found = _over(xs[0], z, depth - 1)
        return None if found is None else g.op(found, *xs[1:])
    if g.op is ops["power"] and isinstance(xs[1], (int, float)) and xs[1] > 1 and xs[1] % 1 == 0:
        found = _over(xs[0], z, depth - 1)
        return None if found is None else found * xs[0] ** (xs[1] - 1)
    return None


def _over_product(g: Tensor, z: Tensor, depth: int) -> Any:
    for x, other in (g.inputs, g.inputs[::-1]):
        found = _over(x, z, depth - 1)
        if found is not None:
            return found * other
    return None


def _over_picked(g: Tensor, z: Tensor, depth: int) -> Any:
    """Return the quotient of the same entries of two arrays of one shape."""
    x, whole = g.inputs[0], z.inputs[0]
    found = _over(x, whole, depth - 1) if x.shape == whole.shape else None
    return None if found is None else ops["getitem"](np.broadcast_to(found, x.shape), index=g.attrs["index"])


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


def _same_entries(g: Tensor) -> bool:
    """Return whether `g` has the entries of its input in their order: x.reshape(shape), x[:, None], +x."""
    op = g.op
    if op is None or op is ops["positive"] or op.facts.order == "kept":
        return op is not None
    shape = np.shape(g.inputs[0])
    if op in (ops["getitem"], ops["scatter"]):
        return _all_of_it(g.attrs["index"], g.inputs[0], g)
    if op is ops["moveaxis"]:  # of an array whose lengths are the numbers of its axes
        order = np.moveaxis(np.empty(range(len(shape))), **g.attrs).shape
    elif op.facts.axes is not None:
        order = op.facts.axes(len(shape), **g.attrs)
    else:
        return False
    long = [axis for axis in order if shape[axis] != 1]
    return long == sorted(long)


def _over_chosen(g: Tensor, z: Tensor, depth: int) -> Any:
    c, *xs = g.inputs
    parts = [_over(x, z, depth - 1) if isinstance(x, Tensor) else _hollow(x) for x in xs]
    return None if any(part is None for part in parts) else np.where(c, *parts)


def _hollow(x: Any) -> Any:
    """Return what is 0 or NaN, and so its own quotient by anything, else None."""
    return x if np.all((x == 0) | (x != x)) else None


def _all_of_it(index: Any, x: Any, g: Tensor) -> bool:
    """Return whether an index of numbers and slices picks all entries, in their order."""
    entries = index if isinstance(index, tuple) else (index,)
    forward = [isinstance(i, slice) and (i.step is None or i.step > 0) for i in entries]
    plain = [i is None or i is Ellipsis or isinstance(i, int) for i in entries]
    return np.size(x) == g.size and all(a or b for a, b in zip(forward, plain, strict=True))


def _of_one_term(g: Tensor) -> bool:
    """Return whether `g` is a matrix product without a sum: column @ row."""
    return g.op is ops["matmul"] and min(np.ndim(x) for x in g.inputs) > 1 and g.inputs[0].shape[-1] == 1


def _over_einsum(g: Tensor, z: Tensor, depth: int) -> Any:
    """Return the quotient where an operand of einsum has the labels of the output: no sum runs over it."""
    left, _, output = g.attrs["subscripts"].partition("->")
    for i, (term, x) in enumerate(zip(left.split(","), g.inputs, strict=True)):
        found = _over(x, z, depth - 1) if term == output and np.shape(x) == g.shape else None
        if found is not None:
            xs = [*g.inputs[:i], np.broadcast_to(found, g.shape), *g.inputs[i + 1 :]]
            return ops["einsum"](g.attrs["subscripts"], *xs)
    return None


def _over_sum(g: Tensor, z: Tensor, depth: int) -> Any:
    """Return the quotient of what is added to 0 (or to a multiple of z), each piece of all entries."""
    total, *pieces = g.inputs
    none = not isinstance(total, Tensor) and not np.any(total)
    indexes = g.attrs["indexes"]
    if len(pieces) != len(indexes) or not all(
        _all_of_it(index, x, g) for index, x in zip(indexes, pieces, strict=True)
    ):
        return None
    parts = [_over(x, z, depth - 1) for x in (pieces if none else (total, *pieces))]
    if any(part is None for part in parts):
        return None
    shapes = [np.shape(x) for x in (pieces if none else g.inputs)]
    parts = [np.broadcast_to(q, shape).reshape(g.shape) for q, shape in zip(parts, shapes, strict=True)]
    return sum(parts[1:], parts[0])


_RULES = {"einsum": _over_einsum, "add_at": _over_sum, "scatter": _over_entries, "where": _over_chosen}
