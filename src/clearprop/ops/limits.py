"""Second derivatives at a kink, of what is smooth there: the limit of what arrives, where a length is 0.

Let z be a length, |x|, that a function F of it is computed from. Its even part, F(0) + F''(0) z^2 / 2, is
smooth at 0, for z^2 is; its odd part has the kink, which is flat. So F''(0) x is added to what the rule of z
sends: 0 there, with the derivative F''(0). What arrives at z is g = F'(z), a function of z that has been
recorded, and F''(0) is its derivative. A larger one of two has the same kink: max(x, y) is half of
x + y + |x - y|.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.modes import mode
from clearprop.registry import ops
from clearprop.tensor import Tensor

Pull = Callable[[Tensor, Any, Tensor], Any]  # what the third receives, with a graph, where a gradient arrives
Where = Callable[..., Any]  # of g, z and the inputs: at which entries of z the kink is
_LONGEST = 60  # so many operations are derived in a recorded step, where nobody knows yet what is 0
_LONGEST_KNOWN = 240  # and so many where one is: what is derived lies between for the lengths before it
_DEEPEST = 4  # so far back are nodes compared that may be computed again
_SEEN = 4000  # and so many are looked at, to find them
_LONGEST_CHOICE = 24  # of a recorded larger one, which is often meant as a relu and seldom met at its tie


@dataclass(frozen=True, slots=True)
class Smooth:
    """The fact `smooth` of an op: what it sends at its kink, as `sends` says, and what kind of kink it has.

    - `length`: whether it is one: |k| times as large for k times its input.
    - `share`: how many times the size of d it holds, beside what is smooth: all of it is |d| (1), the larger
      of two has a half of their difference's, and the smaller one minus a half.
    - `root(*xs)`: of a power, where it is a square root, whose slope at 0 is infinite.
    """

    sends: Callable[..., tuple[Any, Any]] = lambda *told: (None, None)
    length: bool = False
    share: float = 0.0
    root: Callable[..., Any] | None = None

    def __call__(self, i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
        return self.sends(i, g, z, xs, attrs, pull)


NO_KINK = Smooth()


def _kink(x: Any) -> Smooth:
    """Return the fact `smooth` of what `x` was computed by."""
    op = x.op if isinstance(x, Tensor) else None
    smooth = None if op is None else op.facts.smooth
    return smooth if isinstance(smooth, Smooth) else NO_KINK


# --- the limit ----------------------------------------------------------------------------------------------
def limit(g: Any, z: Tensor, pull: Pull, where: Where, xs: Any = (), *, choice: bool = False) -> Any:
    """Return dg / dz at the entries that are `where(g, z, *xs)`, and 0 elsewhere; None where it is 0 in all.

    It is taken where it is finite and where no other entry of z has a say in that entry of g: elsewhere the
    kink is one. What it is computed of stays as it is when z moves, for the length itself does not move to
    first order there; other inputs that have a say in it are differentiated further.

    >>> from clearprop import hessian
    >>> float(hessian(lambda x: np.cos(np.abs(x)))(0.0))
    -1.0
    """
    if not isinstance(g, Tensor) or g.dtype.kind != "f" or g.shape != z.shape or _within.depth:
        return None
    is_known = mode.recorder is None and not any(isinstance(x, BatchTensor) for x in (g, z, *xs))
    if is_known and not np.any(where(*(x._value if isinstance(x, Tensor) else x for x in (g, z, *xs)))):
        return None
    between = _between(g, z)
    longest = _LONGEST_KNOWN if is_known else _LONGEST_CHOICE if choice else _LONGEST
    if not 0 < len(between) <= longest:
        return None
    if choice and not is_known and any(node.op and node.op.kind == "contract" for node in between):
        return None
    weights = [np.ones(g.shape, g.dtype)[()]]
    if g.size > 1:
        weights.append(np.random.default_rng(0).uniform(1.0, 2.0, g.shape).astype(g.dtype))
    found = _responses(g, z, between, pull, weights, choice)
    return None if found is None else _of_one(found, where(g, z, *xs), weights[-1])


def responses(g: Any, z: Tensor, pull: Pull, weights: list[Any]) -> list[Any] | None:
    """Return what z receives where each of the weights arrives at the recorded `g`; None where it has no say.

    None, too, where more lies between than is derived, and where something there compares or sorts: what z is
    may be one of several sides then.
    """
    if not isinstance(g, Tensor) or g.dtype.kind != "f" or g.shape != z.shape or _within.depth:
        return None
    between = _between(g, z)
    known = mode.recorder is None and not any(isinstance(x, BatchTensor) for x in (g, z))
    longest = _LONGEST_KNOWN if mode.recorder is None else _LONGEST
    if not 0 < len(between) <= longest or any(_compares(node, known) for node in between):
        return None
    return _responses(g, z, between, pull, weights, False)


def _compares(node: Tensor, known: bool) -> bool:
    """Whether a node may be one of several sides: a larger one; one at a kink, where values are `known`."""
    op = node.op
    if op is None or not callable(op.facts.kinks):
        return False
    kink = _kink(node)
    if 0 < abs(kink.share) < 1:
        return True
    limited = kink.length or kink.root is not None or op.kind == "opaque"  # and has a limit of its own
    if op.facts.smooth is not None and limited:
        return False
    return not known or bool(np.any(op.facts.on_kink(*node.values, **node.attrs)))


def _responses(
    g: Tensor, z: Tensor, between: list[Tensor], pull: Pull, weights: list[Any], choice: bool
) -> list[Any] | None:
    """Compute what lies between z and g once more, from a z that does not move, and derive it."""
    still = ops["detach"](z)
    still.requires_grad = True
    stands: dict[Any, Any] = {z: still}
    _within.depth += 1
    _within.still = set() if choice else {still}
    try:
        for node in between:
            twin = _twin(node, z)
            if twin is not None:
                stands[node] = twin(still)
                continue
            assert node.op is not None
            given = tuple(stands.get(x, x) if isinstance(x, Tensor) else x for x in node.inputs)
            stands[node] = node.op.again(given, node.attrs)
        found = [pull(stands[g], arriving, still) for arriving in weights]
    finally:
        _within.depth -= 1
        _within.still = set()
        still.requires_grad = False
    return None if found[0] is None else found


def may_have_limit(node: Tensor, known: bool) -> bool:
    """Return whether a limit may be asked for at a node: where its values are `known`, whether at a kink.

    >>> may_have_limit(np.abs(Tensor([0.0, 1.0])), True), may_have_limit(np.abs(Tensor(1.0)), True)
    (True, False)
    """
    op = node.op
    if op is None or op.facts.smooth is None:
        return False
    root = _kink(node).root
    if root is not None and not np.all(root(*node.values)):
        return False
    if not known:
        return True
    if root is not None:
        return bool(np.any(node._value == 0))
    return bool(np.any(op.facts.on_kink(*node.values, **node.attrs)))


def _of_one(found: list[Any], there: Any, weights: Any) -> Any:
    """Return the derivative of each entry by the same entry of z, where it depends on no other."""
    c, *weighed = found
    known = there & np.isfinite(c)
    for d in weighed:
        one = c * weights
        off = np.absolute(d - one)
        known = known & (off <= 64 * np.finfo(c.dtype).eps * np.absolute(one))
    return np.where(known, c, c.dtype.type(0))


def _between(g: Tensor, z: Tensor) -> list[Tensor]:
    """Return the nodes that depend on z and that g depends on, in the order of computation; g is the last."""
    first = _first(z)
    later, waiting = {g}, [g]
    while waiting:
        if len(later) > _SEEN:
            return []
        for x in waiting.pop().inputs:
            if isinstance(x, Tensor) and x.serial > first and x.requires_grad and x not in later:
                later.add(x)
                waiting.append(x)
    found = {z}
    for node in sorted(later, key=lambda node: node.serial):
        if any(isinstance(x, Tensor) and x in found for x in node.inputs) or _twin(node, z) is not None:
            found.add(node)
    return (
        [node for node in sorted(found, key=lambda node: node.serial) if node is not z] if g in found else []
    )


def _first(z: Tensor) -> int:
    """Return the serial of the last node that is no part of z, as far back as twins are compared."""
    level = {z}
    for _ in range(_DEEPEST + 1):
        level = {x for node in level for x in node.inputs if isinstance(x, Tensor)}
        if not level:
            return 0
    return max(x.serial for x in level)


# --- what moves with z --------------------------------------------------------------------------------------
def _twin(node: Tensor, z: Tensor) -> Callable[[Any], Any] | None:
    """Return what makes of z a node with the same kink: computed again, of a multiple, the other of two."""
    if node.op is None or z.op is None:
        return None
    if node.op is z.op:
        if computed_again(node, z):
            return lambda still: still
        share = _share(node, z) if _kink(node).length else 0.0
        if share:
            return lambda still: still * share
    half, other = _kink(node).share, _kink(z).share
    if not half or not other or node.op.kind != z.op.kind:
        return None
    if node.op.kind == "elementwise":
        return _of_one_size(node, z)
    if half + other or node.attrs != z.attrs or not _same(node.inputs, z.inputs):
        return None
    if node.inputs[0].size == 2 * z.size:  # the largest of two and the smallest
        return lambda still: np.sum(z.inputs[0], **z.attrs) - still
    return None


def _of_one_size(node: Tensor, z: Tensor) -> Callable[[Any], Any] | None:
    """Return what makes of z what has a share of the same |d|: max(-x, 0) is max(x, 0) - x."""
    (k, d, smooth), (unit, of, its) = _sized(node), _sized(z)
    if not (k and unit and (_same(d, of) or _same(d, of[::-1]))):
        return None
    return lambda still: (still - its()) * (k / unit) + smooth()


def _sized(x: Tensor) -> tuple[float, tuple[Any, ...], Callable[[], Any]]:
    """Return k, d and s of x = s + k |d|, where d is a Tensor or what one of two is above the other."""
    share, xs = _kink(x).share, x.inputs
    if len(xs) == 1:
        k, d = _apart(*xs, 0)
        return share * abs(k), d, lambda: 0.0
    k, d = _apart(*xs)
    return share * abs(k), d, lambda: (xs[0] + xs[1]) * 0.5


def _apart(x: Any, y: Any) -> tuple[float, tuple[Any, ...]]:
    """Return how often x - y holds a Tensor, and that, or the difference of two."""
    (a, k), (b, m) = _scaled(x), _scaled(y)
    if b.__class__ in (int, float) and b == 0:
        if isinstance(a, Tensor) and a.op is not None and a.op.derivatives == (1, -1):
            unit, d = _apart(*a.inputs)
            return k * unit, d
        return k, (a,)
    if a.__class__ in (int, float) and a == 0:
        return _apart(y, x)
    return (k - m, (a,)) if _same((a,), (b,)) else (1.0, (x, y))


def _share(node: Tensor, z: Tensor) -> float:
    """Return the number of times that the length z goes into `node`, that of a multiple; 0 for another."""
    if node.attrs != z.attrs:
        return 0.0
    xs, ks = zip(*map(_scaled, node.inputs), strict=True)
    ys, units = zip(*map(_scaled, z.inputs), strict=True)
    shares = {abs(k / unit) if unit else 0.0 for k, unit in zip(ks, units, strict=True)}
    return shares.pop() if len(shares) == 1 and _same(xs, ys) else 0.0


def _scaled(x: Any) -> tuple[Any, float]:
    """Return what `x` is a multiple of, by written numbers, and the product of these."""
    k = 1.0
    while isinstance(x, Tensor) and (factor := _factor(x)) is not None:
        (x,) = (y for y in x.inputs if isinstance(y, Tensor))
        k *= factor
    return x, k


def _factor(x: Tensor) -> float | None:
    """Return the number of times that x is its input, where it is linear in it and the rest are numbers."""
    op, inside = x.op, [i for i, y in enumerate(x.inputs) if isinstance(y, Tensor)]
    if op is None or op.kind != "elementwise" or x.attrs or x.dtype.kind != "f" or len(inside) != 1:
        return None
    steady = len(op.derivatives) > inside[0] and isinstance(op.derivatives[inside[0]], int)
    written = all(isinstance(y, (int, float, Tensor)) for y in x.inputs)
    if not written or not (steady or inside[0] in op.facts.linear):
        return None
    with np.errstate(all="ignore"):
        offset, factor = (
            op.forward(*(np.float64(unit) if isinstance(y, Tensor) else y for y in x.inputs))
            for unit in (0, 1)
        )
    return float(factor) if offset == 0 and np.isfinite(factor) else None


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


def finite(xs: Any) -> Any:
    """Return the inputs with 0 for what is infinite or NaN: there is no kink, and 0 times it is none."""
    return tuple(np.where(np.isfinite(x), x, x.dtype.type(0)) if hasattr(x, "dtype") else x for x in xs)


class _Within(threading.local):
    """How many limits are being taken in this thread, one is not taken of another; and the lengths in it."""

    def __init__(self) -> None:
        self.depth = 0
        self.still: set[Tensor] = set()


_within = _Within()


# --- the larger and the smaller of two ----------------------------------------------------------------------
def of_choice(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
    """The fact `smooth` of the larger or the smaller of x and y: a quarter of c (x - y) is added at a tie.

    >>> from clearprop import hessian
    >>> float(hessian(lambda x: np.maximum(x, -x) ** 2)(0.0))
    2.0
    """
    certain = _certain(i, g, z, xs)
    if certain is not None:
        return certain, None
    c = limit(g, z, pull, _tie, xs, choice=True)
    if c is None:
        return None, None
    x, y = finite((xs[i], xs[1 - i]))
    return None, c * 0.25 * (x - y)


def _tie(g: Any, z: Any, x: Any, y: Any) -> Any:
    return (x == y) & (z - z == 0)


def _certain(i: int, g: Any, z: Tensor, xs: Any) -> Any:
    """Return what a length receives that is compared with 0: at their tie it is the larger one."""
    x, y = xs[i], xs[1 - i]
    if not _is_length(x) or isinstance(y, Tensor) or not np.all(np.equal(y, 0)):
        return None
    return np.where(x >= y if _kink(z).share > 0 else x < y, g, z.dtype.type(0))


def of_rectified(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
    """The fact `smooth` of relu: a length receives all that arrives, at 0 as well."""
    return (+g if _is_length(xs[0]) else None), None


def _is_length(x: Any) -> bool:
    return isinstance(x, Tensor) and (x in _within.still or _kink(x).length)


of_larger, of_smaller = Smooth(of_choice, share=0.5), Smooth(of_choice, share=-0.5)
of_relu = Smooth(of_rectified)
