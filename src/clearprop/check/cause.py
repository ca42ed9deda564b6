"""A guess at what is wrong with a gradient, from what it is and what it should have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

NEAR = 1e-6  # relative; a guess must explain the gradient this well


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


def _same(a: Any, b: Any, near: float = NEAR) -> bool:
    if a.shape != b.shape:
        return False
    size = float(np.max(np.abs(b), initial=0.0))
    return bool(np.all(np.abs(a - b) <= near * size)) and size > 0


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
    if not _same(e.found, factor * e.right):
        return ""
    if abs(factor + 1) < NEAR:
        return "wrong sign"
    if abs(factor - 1) < 1e-2:
        return f"off by {(factor - 1) * 100:+.3g} %" if abs(factor - 1) > NEAR else ""
    simple = Fraction(factor).limit_denominator(1000)
    shown = str(simple) if abs(float(simple) - factor) < NEAR * abs(factor) else f"{factor:.6g}"
    lengths = {n for s in (*e.shapes, np.shape(e.x)) for n in (*s, int(np.prod(s))) if n > 1}
    near = [n for n in sorted(lengths) if abs(abs(factor) - n) < 1e-6 or abs(abs(factor) - 1 / n) < 1e-6]
    if near:
        shown += (
            f"; an axis or an array here has length {near[0]}: a sum where a mean belongs, or the reverse"
        )
    return f"off by a factor {shown}"


def _moved(e: Evidence) -> str:
    right, found = e.right, e.found
    if right.ndim >= 2:
        for a in range(right.ndim):
            for b in range(a + 1, right.ndim):
                if right.shape[a] == right.shape[b] and _same(found, np.swapaxes(right, a, b)):
                    return "transposed" if right.ndim == 2 else f"axes {a} and {b} transposed"
    for axis in range(right.ndim):
        if right.shape[axis] > 1:
            if _same(found, np.flip(right, axis)):
                return f"reversed along axis {axis}"
            for shift in (1, -1):
                if _same(found, np.roll(right, shift, axis)):
                    return f"off by one along axis {axis}: each entry holds its neighbour's gradient"
    if right.size > 1 and _same(np.sort(found, axis=None), np.sort(right, axis=None)):
        return "the right numbers in the wrong places"
    return ""


def _rounded(e: Evidence) -> str:
    if np.array_equal(e.found, e.found.astype(np.float32)) and _same(e.found, e.right, 1e-6):
        return "rounded to float32"
    if np.array_equal(e.found, e.found.astype(np.float16)) and _same(e.found, e.right, 1e-2):
        return "rounded to float16"
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
            if _same(e.found, np.take(pieces, place, axis=axis).sum(axis=rest)):
                return f"missing sum over axis {axis} of the output: only its index {place} was counted"
        total = pieces.sum(axis=tuple(range(outer)))
        if _same(e.found, total / n):
            return f"a mean over axis {axis} of the output where its sum belongs"
    return ""


def _one_entry(e: Evidence) -> str:
    size = float(np.max(np.abs(e.right), initial=0.0))
    wrong = np.abs(e.found - e.right) > NEAR * np.maximum(np.abs(e.right), 1e-6 * size)
    count = int(np.sum(wrong))
    if count == 1 and e.sampled:
        return f"this one entry; {e.right.size - 1} others, taken at random, are right"
    if count == 1 and e.right.size > 2:
        where = np.unravel_index(int(np.argmax(wrong)), e.right.shape)
        return f"one entry wrong, at {[int(i) for i in where]}; the other {e.right.size - 1} are right"
    return ""


def _mask(e: Evidence) -> str:
    zero = e.right == 0
    right_elsewhere = _same(np.where(zero, 0, e.found), e.right)
    if np.any(zero) and right_elsewhere and np.any(e.found[zero]):
        return f"a mask is missing: {int(np.sum(e.found[zero] != 0))} entries that should receive 0 do not"
    dead = (e.found == 0) & ~zero
    if np.any(dead) and _same(np.where(dead, e.right, e.found), e.right):
        return f"{int(np.sum(dead))} entries receive 0 though a gradient flows there"
    return ""


def _line(e: Evidence) -> str:
    """One row or column is wrong in the same way."""
    wrong = np.abs(e.found - e.right) > NEAR * float(np.max(np.abs(e.right), initial=0.0))
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
    if e.weights is not None and e.weights.size == e.found.size and _same(e.found.reshape(-1), e.weights):
        return "the arriving gradient is sent on as it is: the local derivative, or a term, is missing"
    return ""


def _unlinear(e: Evidence) -> str:
    """The arriving gradient came in not at all, or twice, or what was computed was bent afterwards."""
    if e.weights is not None and e.contributions is not None:
        local = e.contributions / e.weights[:, None]
        if _same(e.found.reshape(-1), np.nansum(local, axis=0)):
            return "the arriving gradient is not multiplied in"
        if _same(e.found.reshape(-1), np.nansum(local * (e.weights * e.weights)[:, None], axis=0)):
            return "the arriving gradient is multiplied in twice"
    if _same(e.found, np.abs(e.right)):
        return "the sign is lost: an absolute value"
    for decimals in range(1, 7):
        if np.array_equal(e.found, np.round(e.found, decimals)) and _same(e.found, e.right, 10.0**-decimals):
            return f"rounded to {decimals} decimals"
    top = float(np.max(np.abs(e.found), initial=0.0))
    if _same(e.found, np.clip(e.right, -top, top)) and np.sum(np.abs(e.right) > top) > 0:
        return f"cut off at {top:.6g}"
    return ""


def _offset(e: Evidence) -> str:
    gap = e.found - e.right
    if e.right.size > 1 and np.ptp(gap) <= NEAR * float(np.max(np.abs(e.right), initial=0.0)):
        return f"every entry is off by the same {float(gap.flat[0]):+.6g}: a term is missing, or one too many"
    for axis in range(e.right.ndim):
        if e.right.shape[axis] > 1 and _same(e.found, e.right.mean(axis=axis, keepdims=True) + 0 * e.right):
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
