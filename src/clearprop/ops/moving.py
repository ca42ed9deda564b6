"""What moves with a length: nodes whose kink is its own, of the same sum of Tensors or a multiple of it.

abs(2 * x - 2 * y) is twice abs(y - x), and max(x, y) is (x + y) / 2 + abs(x - y) / 2. What a kink is of is
read off the graph as a sum of multiples of Tensors, and two of one such sum are two forms of one length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.tensor import Tensor

Pull = Callable[[Tensor, Any, Tensor], Any]  # what the third receives, with a graph, where a gradient arrives
_DEEPEST = 4  # so far back are nodes compared that may be computed again
_LONGEST = 12  # and so far back are sums read
_ROUNDED = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Smooth:
    """The fact `smooth` of an op: what it sends at its kink, as `sends` says, and what kind of kink it has.

    - `length`: whether it is one: |k| times as large for k times its input.
    - `share`: how many times the size of d it holds, beside what is smooth: all of it is |d| (1), the larger
      of two has a half of their difference's, and the smaller one minus a half.
    - `root(*xs)`: of a power, which root it is, whose slope at 0 is infinite; 0 where it is none.
    - `turns`: whether it is of values of a matrix, whose vectors turn.
    - `limited`: whether a limit is taken at it, and not only what it sends is another.
    """

    sends: Callable[..., tuple[Any, Any]] = lambda *told: (None, None)
    length: bool = False
    share: float = 0.0
    root: Callable[..., Any] | None = None
    turns: bool = False
    limited: bool = True

    def __call__(self, i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
        return self.sends(i, g, z, xs, attrs, pull)


NO_KINK = Smooth(limited=False)


def kink_of(x: Any) -> Smooth:
    """Return the fact `smooth` of what `x` was computed by."""
    op = x.op if isinstance(x, Tensor) else None
    smooth = None if op is None else op.facts.smooth
    return smooth if isinstance(smooth, Smooth) else NO_KINK


# --- the other node -----------------------------------------------------------------------------------------
def twin(node: Tensor, z: Tensor) -> Callable[[Any], Any] | None:
    """Return what makes of z a node with the same kink: computed again, of a multiple, the other of two.

    >>> x = Tensor([1.0, -2.0])
    >>> of_size = twin(np.maximum(3.0 * x, 0.0), np.abs(x))
    >>> of_size(np.abs(x)).value
    array([3., 0.])
    """
    if node.op is None or z.op is None or node.shape != z.shape:
        return None
    if node.op is z.op:
        if computed_again(node, z):
            return lambda still: still
        times = _times(node, z) if kink_of(node).length else 0.0
        if times:
            return lambda still: still * times
    half, other = kink_of(node).share, kink_of(z).share
    if not half or not other or node.op.kind != z.op.kind:
        return None
    if node.op.kind == "elementwise":
        return _of_one_size(node, z)
    if half + other or node.attrs != z.attrs or not _same(node.inputs, z.inputs):
        return None
    if node.inputs[0].size == 2 * z.size:  # the largest of two and the smallest
        return lambda still: np.sum(z.inputs[0], **z.attrs) - still
    return None


def first_of(z: Tensor) -> int:
    """Return the serial of the last node that is no part of z, as far back as twins are compared."""
    level = {z}
    for _ in range(_LONGEST + 1):
        before = {x for node in level for x in node.inputs if isinstance(x, Tensor)}
        if not before:
            return 0
        level = before
    return max(x.serial for x in level)


def computed_again(g: Tensor, z: Tensor, depth: int = _DEEPEST) -> bool:
    """Return whether `g` is the same op of the same Tensors as `z`, or of such: norm(x) * norm(x).

    >>> x = Tensor([1.0, 2.0])
    >>> computed_again(np.abs(2 * x), np.abs(2 * x)), computed_again(np.abs(2 * x), np.abs(x))
    (True, False)
    """
    if g.op is None or g.op is not z.op or len(g.inputs) != len(z.inputs) or g.attrs != z.attrs:
        return False
    return _same(g.inputs, z.inputs, depth)


def _same(xs: Any, ys: Any, depth: int = _DEEPEST) -> bool:
    for x, y in zip(xs, ys, strict=True):
        if x is y or (x.__class__ is y.__class__ and x.__class__ in (int, float) and x == y):
            continue
        alike = depth and isinstance(x, Tensor) and isinstance(y, Tensor)
        if not (alike and computed_again(x, y, depth - 1)):
            return False
    return True


def _times(node: Tensor, z: Tensor) -> float:
    """Return the number of times that the length z goes into `node`, that of a multiple; 0 for another."""
    if node.attrs != z.attrs or len(node.inputs) != len(z.inputs):
        return 0.0
    times = {abs(_sum(x).over(_sum(y))) for x, y in zip(node.inputs, z.inputs, strict=True)}
    return times.pop() if len(times) == 1 else 0.0


def _of_one_size(node: Tensor, z: Tensor) -> Callable[[Any], Any] | None:
    """Return what makes of z what has a share of the same |d|: max(-x, 0) is max(x, 0) - x."""
    (d, smooth), (of, its) = _sized(node), _sized(z)
    times = abs(d.over(of)) * kink_of(node).share / kink_of(z).share
    return (lambda still: (still - its()) * times + smooth()) if times else None


def _sized(x: Tensor) -> tuple[_Sum, Callable[[], Any]]:
    """Return d and s of x = s + share |d|."""
    xs = x.inputs
    if len(xs) == 1:
        return _sum(xs[0]), lambda: 0.0
    d = _sum(xs[0])
    _read(xs[1], -1.0, (), d, _LONGEST)
    return d, lambda: (xs[0] + xs[1]) * 0.5


# --- sums of multiples --------------------------------------------------------------------------------------
@dataclass
class _Sum:
    """k_1 x_1 + k_2 x_2 + ...: each x with the views that are taken of it, the innermost last."""

    terms: list[tuple[Any, tuple[Any, ...], float]] = field(default_factory=list)

    def add(self, x: Any, views: tuple[Any, ...], k: float) -> None:
        """Add k times what a list of views shows of x."""
        for i, (y, others, m) in enumerate(self.terms):
            if views == others and _same((x,), (y,)):
                if k + m:
                    self.terms[i] = (y, others, k + m)
                else:
                    del self.terms[i]
                return
        if k:
            self.terms.append((x, views, k))

    def over(self, other: _Sum) -> float:
        """Return how many times `other` this sum is; 0 where it is no multiple of it."""
        if not self.terms or len(self.terms) != len(other.terms):
            return 0.0
        times = 0.0
        for x, views, k in self.terms:
            found = [m for y, others, m in other.terms if views == others and _same((x,), (y,))]
            if not found or (times and abs(k / found[0] - times) > _ROUNDED * abs(times)):
                return 0.0
            times = times or k / found[0]
        return times


def _sum(x: Any) -> _Sum:
    found = _Sum()
    _read(x, 1.0, (), found, _LONGEST)
    return found


def _read(x: Any, k: float, views: tuple[Any, ...], into: _Sum, depth: int) -> None:
    """Add k times x to a sum, by what x was computed from where it is itself a sum, a multiple or a view."""
    if not isinstance(x, Tensor):
        number = np.ndim(x) == 0 and np.isrealobj(x)
        into.add(*((1.0, views, k * float(x)) if number else (x, views, k)))
        return
    op = x.op
    if op is None or not depth or x.dtype.kind != "f":
        into.add(x, views, k)
    elif op.kind == "elementwise" and not x.attrs and {*op.derivatives} in ({1}, {-1}, {1, -1}):
        for y, sign in zip(x.inputs, op.derivatives, strict=True):
            _read(y, k * sign, views, into, depth - 1)
    elif (factor := _factor(x)) is not None:
        (y,) = (y for y in x.inputs if isinstance(y, Tensor))
        _read(y, k * factor, views, into, depth - 1)
    elif len(x.inputs) == 1 and (op.facts.order or op.facts.axes or op.kind == "gather"):
        _read(x.inputs[0], k, (*views, (op, x.attrs)), into, depth - 1)
    else:
        into.add(x, views, k)


def _factor(x: Tensor) -> float | None:
    """Return the number of times that x is its input, where it is linear in it and the rest are numbers."""
    op, inside = x.op, [i for i, y in enumerate(x.inputs) if isinstance(y, Tensor)]
    if op is None or op.kind != "elementwise" or x.attrs or len(inside) != 1:
        return None
    if inside[0] not in op.facts.linear or not all(isinstance(y, (int, float, Tensor)) for y in x.inputs):
        return None
    with np.errstate(all="ignore"):
        factor = op.forward(*(np.float64(1) if isinstance(y, Tensor) else y for y in x.inputs))
    return float(factor) if np.isfinite(factor) else None
