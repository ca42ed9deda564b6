"""A guess at what is wrong with a gradient, from what it is and what it should have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

NEAR = 1e-6  # relative; a guess must explain the gradient this well,
SHARE = 1e-3  # and leave no more than this of what is wrong: a small fault must not pass for rounding
LOOK_ALIKE = 12  # of one number alone, only a factor of whole numbers up to this tells something
TELLING = 3  # different numbers that must stand in a row before their order tells how it was changed


@dataclass
class Evidence:
    """What is known about one input's gradient: `found` by the rules, `right` by differences, the input `x`.

    `contributions[m, i]` is what output entry m contributes to input entry i, with `shapes` those of the
    outputs; None where it was not measured.
    """

    found: Any
    right: Any
    x: Any
    contributions: Any = None
    shapes: Any = ()
    weights: Any = None  # the gradient that arrived at the outputs, as one vector
    sampled: bool = False  # whether these are only some entries of the gradient

    def same(self, a: Any, b: Any, near: float = NEAR) -> bool:
        """Whether `a` is `b` as nearly as a guess must be, so that it explains what is wrong and not less."""
        if a.shape != b.shape:
            return False
        size = float(np.max(np.abs(b), initial=0.0))
        fault = float(np.max(np.abs(self.found - self.right), initial=0.0))
        allowed = min(near * size, SHARE * fault) if np.isfinite(fault) else near * size
        return bool(np.all(np.abs(a - b) <= allowed)) and size > 0

    def wrong(self) -> Any:
        """Where the gradient is wrong, by its own size, as much as at its worst entry or nearly."""
        size = np.maximum(np.abs(self.right), 1e-6 * float(np.max(np.abs(self.right), initial=0.0)))
        share = np.abs(self.found - self.right) / size
        return ~(share <= SHARE * np.max(share, initial=0.0))


def likely_cause(evidence: Evidence) -> str:
    """Return the first explanation that reproduces the wrong gradient, '' where none does.

    >>> right = np.array([1.0, 2.0, 3.0])
    >>> likely_cause(Evidence(2 * right, right, right))
    'off by a factor 2'
    >>> likely_cause(Evidence(-right, right, right))
    'wrong sign'
    """
    if evidence.right is None or evidence.found.shape != evidence.right.shape:
        return _shape(evidence)
    with np.errstate(all="ignore"):
        for guess in _GUESSES:
            said = guess(evidence)
            if said:
                return said
    return ""


def _shape(e: Evidence) -> str:
    found, wanted = np.shape(e.found), np.shape(e.x)
    if found[::-1] == wanted:
        return "transposed"
    extra = len(found) - len(wanted)
    if extra > 0 and found[extra:] == wanted:
        return f"missing sum over axis {', '.join(map(str, range(extra)))}"
    stretched = [i for i, (n, m) in enumerate(zip(found, wanted, strict=False)) if m == 1 and n != 1]
    if extra == 0 and stretched:
        return f"missing sum over axis {', '.join(map(str, stretched))}"
    return ""


def _zero(e: Evidence) -> str:
    if not np.any(e.found) and np.any(e.right):
        return "no gradient arrives: it is zero everywhere"
    if not np.all(np.isfinite(e.found)) and np.all(np.isfinite(e.right)):
        return f"{int(np.sum(~np.isfinite(e.found)))} entries are nan or inf where the derivative is finite"
    return ""


def _factor(e: Evidence) -> str:
    weight = float(np.sum(e.right * e.right))
    if not weight:
        return ""
    factor = float(np.sum(e.found * e.right)) / weight
    if not e.same(e.found, factor * e.right):
        return ""
    if abs(factor + 1) < NEAR:
        return "wrong sign"
    if abs(factor - 1) < 1e-2:
        return f"off by {(factor - 1) * 100:+.3g} %"
    simple = Fraction(factor).limit_denominator(1000)
    exact = abs(float(simple) - factor) < NEAR * abs(factor)
    if np.count_nonzero(e.right) == 1 and not (
        exact and max(map(abs, simple.as_integer_ratio())) <= LOOK_ALIKE
    ):
        return ""  # any two numbers differ by a factor
    shown = str(simple) if exact else f"{factor:.6g}"
    lengths = {n for s in (*e.shapes, np.shape(e.x)) for n in (*s, int(np.prod(s))) if n > 1}
    near = [n for n in sorted(lengths) if abs(abs(factor) - n) < 1e-6 or abs(abs(factor) - 1 / n) < 1e-6]
    if near:
        shown += (
            f"; an axis or an array here has length {near[0]}: a sum where a mean belongs, or the reverse"
        )
    return f"off by a factor {shown}"


def _moved(e: Evidence) -> str:
    right, found = e.right, e.found
    if right.ndim >= 2 and np.unique(right).size >= TELLING:
        for a in range(right.ndim):
            for b in range(a + 1, right.ndim):
                if right.shape[a] == right.shape[b] and e.same(found, np.swapaxes(right, a, b)):
                    return "transposed" if right.ndim == 2 else f"axes {a} and {b} transposed"
    for axis in range(right.ndim):
        if _varied(right, axis):
            if e.same(found, np.flip(right, axis)):
                return f"reversed along axis {axis}"
            for shift in (1, -1):
                if e.same(found, np.roll(right, shift, axis)):
                    return f"off by one along axis {axis}: each entry holds its neighbour's gradient"
    if right.size > 1 and e.same(np.sort(found, axis=None), np.sort(right, axis=None)):
        return "the right numbers in the wrong places"
    return ""


def _varied(right: Any, axis: int) -> bool:
    """Whether some row along the axis holds enough different numbers to tell their order."""
    rows = np.moveaxis(right, axis, -1).reshape(-1, right.shape[axis])
    return any(np.unique(row).size >= TELLING for row in rows)


def _rounded(e: Evidence) -> str:
    for dtype in (np.float32, np.float16):
        most = 0.51 * float(np.finfo(dtype).eps) * np.abs(e.right)
        alike = np.array_equal(e.found, e.found.astype(dtype)) and np.any(e.found)
        if alike and np.all(np.abs(e.found - e.right) <= most):
            return f"rounded to {np.dtype(dtype).name}"
    return ""


def _missing_sum(e: Evidence) -> str:
    """Only some of the contributions were counted: one slice of an output axis, or their mean."""
    if e.contributions is None or len(e.shapes) != 1:
        return ""
    pieces = e.contributions.reshape((*e.shapes[0], *np.shape(e.x)))
    outer = len(e.shapes[0])
    for axis in range(outer):
        n = pieces.shape[axis]
        if n < 2:
            continue
        rest = tuple(k for k in range(outer - 1))
        for place in range(n):
            if e.same(e.found, np.take(pieces, place, axis=axis).sum(axis=rest)):
                return f"missing sum over axis {axis} of the output: only its index {place} was counted"
        total = pieces.sum(axis=tuple(range(outer)))
        if e.same(e.found, total / n):
            return f"a mean over axis {axis} of the output where its sum belongs"
    return ""


def _one_entry(e: Evidence) -> str:
    wrong = e.wrong()
    count = int(np.sum(wrong))
    if count == 1 and e.sampled:
        return f"this one entry; {e.right.size - 1} others, taken at random, are right"
    if count == 1 and e.right.size > 2:
        where = np.unravel_index(int(np.argmax(wrong)), e.right.shape)
        return f"one entry wrong, at {[int(i) for i in where]}; the other {e.right.size - 1} are right"
    return ""


def _mask(e: Evidence) -> str:
    zero = e.right == 0
    right_elsewhere = e.same(np.where(zero, 0, e.found), e.right)
    if np.any(zero) and right_elsewhere and np.any(e.found[zero]):
        return f"a mask is missing: {int(np.sum(e.found[zero] != 0))} entries that should receive 0 do not"
    dead = (e.found == 0) & ~zero
    if np.any(dead) and e.same(np.where(dead, e.right, e.found), e.right):
        return f"{int(np.sum(dead))} entries receive 0 though a gradient flows there"
    return ""


def _line(e: Evidence) -> str:
    """One row or column is wrong in the same way."""
    wrong = e.wrong()
    for axis in range(e.right.ndim if e.right.ndim > 1 else 0):
        lines = np.flatnonzero(wrong.any(axis=tuple(k for k in range(e.right.ndim) if k != axis)))
        if len(lines) == 1:
            return f"only index {int(lines[0])} of axis {axis} is wrong"
    return ""


def _by_value(e: Evidence) -> str:
    """The ratio follows the input: a factor x too many, or one forgotten."""
    ratio = e.found / e.right
    for name, factor in (("x", e.x), ("x squared", e.x * e.x), ("1/x", 1 / e.x)):
        good = np.isfinite(ratio) & np.isfinite(factor)
        if good.sum() > 2 and np.allclose(ratio[good], factor[good], rtol=1e-5, atol=0):
            return f"a factor {name} too many (x is the input)"
    return ""


def _passed_on(e: Evidence) -> str:
    if e.weights is not None and e.weights.size == e.found.size and e.same(e.found.reshape(-1), e.weights):
        return "the arriving gradient is sent on as it is: the local derivative, or a term, is missing"
    return ""


def _unlinear(e: Evidence) -> str:
    """The arriving gradient came in not at all, or twice, or what was computed was bent afterwards."""
    if e.weights is not None and e.contributions is not None:
        local = e.contributions / e.weights[:, None]
        if e.same(e.found.reshape(-1), np.nansum(local, axis=0)):
            return "the arriving gradient is not multiplied in"
        if e.same(e.found.reshape(-1), np.nansum(local * (e.weights * e.weights)[:, None], axis=0)):
            return "the arriving gradient is multiplied in twice"
    if e.same(e.found, np.abs(e.right)):
        return "the sign is lost: an absolute value"
    for decimals in range(1, 7):
        off = float(np.max(np.abs(e.found - e.right), initial=0.0))
        if np.array_equal(e.found, np.round(e.found, decimals)) and off <= 0.51 * 10.0**-decimals:
            return f"rounded to {decimals} decimals"
    top = float(np.max(np.abs(e.found), initial=0.0))
    if e.same(e.found, np.clip(e.right, -top, top)) and np.sum(np.abs(e.right) > top) > 0:
        return f"cut off at {top:.6g}"
    return ""


def _offset(e: Evidence) -> str:
    gap = e.found - e.right
    if e.right.size > 1 and np.ptp(gap) <= NEAR * float(np.max(np.abs(e.right), initial=0.0)):
        return f"every entry is off by the same {float(gap.flat[0]):+.6g}: a term is missing, or one too many"
    for axis in range(e.right.ndim):
        if e.right.shape[axis] > 1 and e.same(e.found, e.right.mean(axis=axis, keepdims=True) + 0 * e.right):
            return f"all entries along axis {axis} receive their mean"
    return ""


_GUESSES: tuple[Callable[[Evidence], str], ...] = (
    _zero,
    _rounded,
    _factor,
    _passed_on,
    _moved,
    _one_entry,
    _missing_sum,
    _mask,
    _unlinear,
    _offset,
    _line,
    _by_value,
)
