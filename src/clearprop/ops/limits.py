"""Second derivatives at a kink, of what is smooth there: the limit of what arrives, where a length is 0.

Let z be a length, |x|, that a function F of it is computed from. Its even part, F(0) + F''(0) z^2 / 2, is
smooth at 0, for z^2 is; its odd part has the kink, which is flat. So F''(0) x is added to what the rule of z
sends: 0 there, with the derivative F''(0). What arrives at z is g = F'(z), a function of z that has been
recorded, and F''(0) is its derivative. A larger one of two has the same kink: max(x, y) is half of
x + y + |x - y|.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.batch import BatchTensor, of_all_examples
from clearprop.define import define
from clearprop.errors import RerunError, at_line, lesson
from clearprop.facts import Facts
from clearprop.modes import mode
from clearprop.op import _next_serial
from clearprop.ops.moving import Pull, Smooth, first_of, kink_of, twin
from clearprop.registry import ops
from clearprop.tensor import Tensor, raw

Where = Callable[..., Any]  # of g, z and the inputs: at which entries of z the kink is
_LONGEST = 60  # so many operations are derived in a recorded step, where nobody knows yet what is 0
_LONGEST_CHOICE = 24  # of a recorded larger one, which is often meant as a relu and seldom met at its tie
_LONGEST_KNOWN = 4000  # and so many where one is


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
    is_known = mode.recorder is None
    if is_known and not _anywhere(where, (g, z, *xs)):
        return None
    many = isinstance(g, BatchTensor) and not isinstance(z, BatchTensor)  # gradients of one z
    end = of_all_examples(g) if many else g
    between = _between(end, z) if isinstance(end, Tensor) else []
    if between is not None and not between:
        return None
    if many or between is None or not _is_short(between, is_known, choice):
        return _left_out(where(g, z, *xs), g, is_known)
    weights = [np.ones(g.shape, g.dtype)[()]]
    if g.size > 1:
        weights.append(np.random.default_rng(0).uniform(1.0, 2.0, g.shape).astype(g.dtype))
    found = _responses(g, z, between, pull, weights, choice)
    if found is None:
        return None
    c = _of_one(found, where(g, z, *xs), weights[-1])
    if isinstance(c, Tensor) and kink_of(z).root is None:
        _within.found(c)  # it meets a 0: what it is computed of has no say to second order
    return c


def _anywhere(where: Where, given: Any) -> bool:
    """Whether a kink is met, where the values are known."""
    if any(isinstance(x, BatchTensor) for x in given):
        found = of_all_examples(where(*given))
    else:
        found = where(*(raw(x) for x in given))
    return bool(np.any(raw(found)))


def _is_short(between: list[Tensor], is_known: bool, choice: bool) -> bool:
    """Whether what lies between is derived, and not too much."""
    if is_known:
        return len(between) <= _LONGEST_KNOWN
    products = choice and any(node.op and node.op.kind == "contract" for node in between)
    return len(between) <= (_LONGEST_CHOICE if choice else _LONGEST) and not products


def left_out(g: Any, z: Tensor, met: Any) -> Any:
    """Return 0, the limit where no kink is `met`, in a program; None where z has no say in g."""
    end = of_all_examples(g)
    if not isinstance(end, Tensor) or _within.depth or _between(end, z) == []:
        return None
    return _left_out(met, g, False)


def _left_out(met: Any, g: Tensor, is_known: bool) -> Any:
    """Return 0, right where no kink is met: a step that meets one runs as written, else a warning says so."""
    if not is_known:
        return ops["off_kinks"](met, g)
    wanted = f"takes limits at a kink of at most {_LONGEST_KNOWN} operations: this place is taken as flat"
    hint = "an input off the kink, or a formula without it (x**2 for abs(x)**2); clearprop.kinks lists it"
    warnings.warn(
        lesson("a second derivative", wanted, "more", at_line(), hint), RuntimeWarning, stacklevel=2
    )
    return None


@define("off_kinks", "opaque", None, None, facts=Facts(kinks=False),
        examples=(((np.zeros(3, bool), np.ones(3)), {}),))  # fmt: skip
def off_kinks(met: Any, g: Any) -> Any:
    """0 for each entry of `g`; RerunError where a kink is `met` of which a program does not know the limit.

    The function as it is written knows where it is, and takes it there.
    """
    if np.any(met):
        wanted = (
            "has a limit where a length is 0 or two entries tie, which a program has only of short functions"
        )
        error = RerunError(
            lesson("a second derivative at a kink", wanted, f"{int(np.sum(met))} such entries")
        )
        seen = mode.recorder
        if seen is None:
            raise error
        seen.missed(error)  # this run is written down, and not the one that counts
    return np.zeros_like(g)[()]


def responses(g: Any, z: Tensor, pull: Pull, weights: list[Any]) -> list[Any] | None:
    """Return what z receives where each of the weights arrives at the recorded `g`; None where it has no say.

    None, too, where more lies between than is derived, and where something there compares or sorts: what z is
    may be one of several sides then.
    """
    if not isinstance(g, Tensor) or g.dtype.kind != "f" or g.shape != z.shape or _within.depth:
        return None
    between = _between(g, z)
    known = mode.recorder is None and not any(isinstance(x, BatchTensor) for x in (g, z))
    if not between or not _is_short(between, mode.recorder is None, False):
        return None
    if any(_compares(node, known) and twin(node, z) is None for node in between):
        return None
    return _responses(g, z, between, pull, weights, False)


def _compares(node: Tensor, known: bool) -> bool:
    """Whether a node may be one of several sides: a larger one; one at a kink, where values are `known`."""
    op = node.op
    if op is None or not callable(op.facts.kinks):
        return False
    kink = kink_of(node)
    if 0 < abs(kink.share) < 1:
        return True
    limited = kink.length or kink.root is not None or kink.turns  # and has a limit of its own
    if op.facts.smooth is not None and limited:
        return False
    return not known or bool(np.any(op.facts.on_kink(*node.values, **node.attrs)))


def _responses(
    g: Tensor, z: Tensor, between: list[Tensor], pull: Pull, weights: list[Any], choice: bool
) -> list[Any] | None:
    """Compute what lies between z and g once more, from a z that does not move, and derive it."""
    still = ops["detach"](z)
    still.requires_grad, still.serial = True, _next_serial()  # all that depends on it is made after it
    stands: dict[Any, Any] = {z: still}
    _within.depth += 1
    _within.still = set() if choice else {still}
    try:
        for node in between:
            moved = twin(node, z)
            if moved is not None:
                stands[node] = moved(still)
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
    if op is None or op.facts.smooth is None or not kink_of(node).limited:
        return False
    root = kink_of(node).root
    if root is not None and not root(*node.values):
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


def _between(g: Tensor, z: Tensor) -> list[Tensor] | None:
    """Return the nodes that depend on z and that g depends on, in the order of computation; g is the last.

    None where there are too many to be looked at.
    """
    first = first_of(z)
    later, waiting = {g}, [g]
    while waiting:
        if len(later) > 4 * _LONGEST_KNOWN:
            return None
        for x in waiting.pop().inputs:
            if isinstance(x, Tensor) and x.serial > first and x.requires_grad and x not in later:
                later.add(x)
                if not _within.has_found(x):
                    waiting.append(x)
    found, between = {z}, []
    for node in sorted(later, key=lambda node: node.serial):
        if node is not z and (any(x in found for x in node.inputs if isinstance(x, Tensor)) or twin(node, z)):
            found.add(node)
            between.append(node)
    return between if g in found else []


def finite(xs: Any) -> Any:
    """Return the inputs with 0 for what is infinite or NaN: there is no kink, and 0 times it is none."""
    return tuple(np.where(np.isfinite(x), x, x.dtype.type(0)) if hasattr(x, "dtype") else x for x in xs)


class _Within(threading.local):
    """How many limits are being taken in this thread, one is not taken of another; the lengths in it, and
    what was found.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.still: set[Tensor] = set()
        self.limits: dict[int, weakref.ref[Tensor]] = {}

    def found(self, limit: Tensor) -> None:
        """Note a limit for as long as it lives."""
        place, limits = id(limit), self.limits
        limits[place] = weakref.ref(limit, lambda gone: limits.pop(place, None))

    def has_found(self, x: Tensor) -> bool:
        """Tell whether a Tensor is a limit that was found."""
        noted = self.limits.get(id(x))
        return noted is not None and noted() is x


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
    return np.where(x >= y if kink_of(z).share > 0 else x < y, g, z.dtype.type(0))


def of_rectified(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
    """The fact `smooth` of relu: a length receives all that arrives, at 0 as well."""
    return (+g if _is_length(xs[0]) else None), None


def _is_length(x: Any) -> bool:
    return isinstance(x, Tensor) and (x in _within.still or kink_of(x).length)


of_larger, of_smaller = Smooth(of_choice, share=0.5), Smooth(of_choice, share=-0.5)
of_relu = Smooth(of_rectified, limited=False)
