"""Second derivatives of functions of eigenvalues and singular values, where some are equal or 0.

A function F of the values w of a matrix sends V diag(g) V^T with g = F'(w), and vectors turn as far as the
weights g_i and g_j differ over w_i and w_j. Where w_i = w_j in a function that treats them alike, as a sum of
fourth powers or a logarithm of their product does, the quotient has a limit, G_ii - G_ij with G = F''(w).
Singular values of 0 have one, too, G_ii, where F is even in them.

G itself is not needed. What arrives at w where weights a arrive at g is G a, and the quotient of differences
of its entries over those of `a` is that limit, where F treats both alike. It is computed with two weights,
which agree where F does and not elsewhere: then equal values stay refused, and values of 0 are a kink.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.facts import Facts
from clearprop.modes import mode
from clearprop.ops.decomposition import (
    adjoint,
    amounts,
    differences,
    inverse_or_zero,
    near,
    of_symmetric,
    svd_parts,
)
from clearprop.ops.limits import left_out, responses
from clearprop.ops.moving import Pull, Smooth
from clearprop.ops.quotient import multiple
from clearprop.registry import ops
from clearprop.tensor import Tensor

_WEIGHTS = np.array([1.0, -2.0, 0.5])
_SQUARE = np.array([[3.0, 1.0, -0.5], [0.5, 2.0, 1.0], [-1.0, 0.3, 2.5]])
_TALL = np.concatenate([_SQUARE, [[0.2, -0.7, 1.0]]])
_QUOTIENTS = np.zeros((3, 3))


# --- the limits of quotients --------------------------------------------------------------------------------
def _limits(g: Any, w: Tensor, pull: Pull) -> Any:
    """Return (g_j - g_i) / (w_j - w_i) as w_j tends to w_i, and on the diagonal g_i / w_i as w_i tends to 0.

    NaN where these depend on the way; None where nothing is known.
    """
    n = w.shape[-1]
    one = np.eye(n, dtype=w.dtype)
    steps = 1 + np.arange(1, n + 1, dtype=w.dtype) / n
    stack = np.random.default_rng(0).uniform(1.0, 2.0, (*w.shape[:-1], 1)).astype(w.dtype)
    weights = [np.broadcast_to(stack * steps**k, w.shape) for k in (1, 2)]
    found = responses(g, w, pull, weights)
    if found is None:
        return None
    first, second = [
        differences(d) * inverse_or_zero(differences(a)) + np.expand_dims(d / a, -1) * one
        for d, a in zip(found, weights, strict=True)
    ]
    size = np.max(np.absolute(found[0]), axis=-1)
    off = np.absolute(first - second)
    limit = np.finfo(w.dtype).eps ** 0.5 * np.expand_dims(np.expand_dims(size, -1), -1)
    return np.where(off <= limit, first, w.dtype.type(np.nan))


def _quotients(g: Any, w: Any, limits: Any) -> tuple[Any, Any]:
    """Return (g_j - g_i) / (w_j - w_i) and where that is refused: 0 is given there, and on the diagonal."""
    n = w.shape[-1]
    scale = np.max(np.absolute(w), axis=-1, initial=0)[..., None, None]
    others = ~np.eye(n, dtype=bool)
    equal = near(np.expand_dims(w, -1), np.expand_dims(w, -2), scale) & others
    level = (
        1024 * np.finfo(w.dtype).eps * np.max(np.absolute(g), axis=-1, keepdims=True, initial=0)[..., None]
    )
    # gradients of values that rounding alone tells apart differ by no more than this
    apart = 2 * np.absolute(limits * differences(w))
    alike = np.absolute(differences(g)) <= np.where(np.isfinite(apart), apart, w.dtype.type(0)) + level
    known = equal & np.isfinite(limits) & alike
    usual = differences(g) * inverse_or_zero(np.where(equal, w.dtype.type(0), differences(w)))
    return np.where(known, limits, usual), equal & ~known


def _refused(asked: Any, where: Any, w: Any) -> Any:
    """Return 0, and GradientError where vectors of equal values are asked to turn that have no limit."""
    zero = asked.dtype.type(0)
    return np.where(where, ops["settled"](np.where(where, asked, zero), w, asked), zero)


# --- eigenvalues --------------------------------------------------------------------------------------------
def _eigen_rule(h: Any, z: Any, x: Any, g: Any, limits: Any, part: str) -> Any:
    """V (V^H h V (g_j - g_i) / (w_j - w_i)) V^H."""
    pairs = ops["eigh_again"](x, part=part)
    w, v = amounts(pairs[..., 0]), pairs[..., 1:]
    asked = adjoint(v) @ (0.5 * (h + adjoint(h))) @ v
    quotients, lost = _quotients(g, w, limits)
    turns = asked * quotients + _refused(asked, lost, w)
    return of_symmetric(v @ turns @ adjoint(v), x, part)


def _eigen_weights_rule(h: Any, z: Any, x: Any, g: Any, limits: Any, part: str) -> Any:
    rule: Any = ops["eigh_weighed"].rules[1]
    return rule(h, z, x, g, part)


@define(
    "eigen_curved",
    "opaque",
    _eigen_rule,
    _eigen_weights_rule,
    None,
    facts=Facts(kinks=False, plane="stated"),
    examples=(((_SQUARE, _WEIGHTS, _QUOTIENTS), {}),),
)
def eigen_curved(x: Any, g: Any, limits: Any, *, part: Any = "L") -> Any:
    """V diag(g) V^H, as `eigh_weighed`; between equal eigenvalues vectors turn by `limits`."""
    return ops["eigh_weighed"].forward(x, g, part=part)


def _of_eigenvalues(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
    """The fact `smooth` of eigenvalues: what they send, where some may be equal."""
    (x,) = xs
    if not _moves(g, x) or multiple(g, z) is not None or not _may_meet(z, False):
        return None, None
    limits = _limits(g, z, pull)
    if limits is None:
        return None, None
    return of_symmetric(ops["eigen_curved"](x, g, limits, **attrs), x, attrs["part"]), None


def _moves(g: Any, x: Any) -> bool:
    return isinstance(g, Tensor) and isinstance(x, Tensor) and g.requires_grad and x.requires_grad


def _may_meet(w: Tensor, zero: bool, shape: Any = ()) -> bool:
    """Return whether values may be equal, or with `zero` 0; where a step is recorded nobody knows."""
    if mode.recorder is not None:
        return True
    values = np.sort(w._value, axis=-1)
    scale = np.max(np.absolute(values), axis=-1, keepdims=True, initial=0)
    meet = np.any(near(values[..., 1:], values[..., :-1], scale))
    return bool(meet or (zero and np.any(near(values, 0, scale, max(shape)))))


# --- singular values ----------------------------------------------------------------------------------------
def _singular_rule(h: Any, z: Any, x: Any, g: Any, limits: Any) -> Any:
    """U (a (g_j - g_i) / (s_j - s_i) + b (g_j + g_i) / (s_j + s_i)) V^H, and what leaves their span.

    a and b are the Hermitian and the skew part of U^H h V. Of values of 0 all quotients are their limits.
    """
    u, s, v = svd_parts(ops["svd_again"](x), x.shape[-2])
    s = amounts(s)
    n, zero = s.shape[-1], s.dtype.type(0)
    one = np.eye(n, dtype=s.dtype)
    null = near(s, 0, s[..., :1], max(x.shape[-2:]))
    g = np.where(null, zero, g)
    limits = np.where(np.expand_dims(null, -1) & np.isnan(limits), zero, limits)  # a kink is flat
    own = np.where(null, np.sum(np.where(one == 1, limits, zero), axis=-1), g * inverse_or_zero(s))
    both = np.expand_dims(null, -1) & np.expand_dims(null, -2)
    asked = adjoint(u) @ h @ v
    together, apart = 0.5 * (asked + adjoint(asked)), 0.5 * (asked - adjoint(asked))
    quotients, lost = _quotients(g, s, limits)
    quotients = np.where(both, limits, quotients)
    sums = np.expand_dims(g, -2) + np.expand_dims(g, -1)
    sums = np.where(both, limits, sums * inverse_or_zero(np.expand_dims(s, -2) + np.expand_dims(s, -1)))
    inner = together * quotients + apart * sums + _refused(together, lost & ~both, s)
    d = u @ inner @ adjoint(v)
    scaled = np.expand_dims(own, -2)
    if x.shape[-2] > n:
        d = d + (h - u @ (adjoint(u) @ h)) @ (v * scaled) @ adjoint(v)
    if x.shape[-1] > n:
        d = d + (u * scaled) @ adjoint(u) @ (h - (h @ v) @ adjoint(v))
    return d


def _singular_weights_rule(h: Any, z: Any, x: Any, g: Any, limits: Any) -> Any:
    rule: Any = ops["svd_weighed"].rules[1]
    return rule(h, z, x, g)


@define(
    "singular_curved",
    "opaque",
    _singular_rule,
    _singular_weights_rule,
    None,
    facts=Facts(kinks=False, plane="stated"),
    examples=tuple(((x, _WEIGHTS, _QUOTIENTS), {}) for x in (_SQUARE, _TALL, _TALL.T)),
)
def singular_curved(x: Any, g: Any, limits: Any) -> Any:
    """U diag(g) V^H, as `svd_weighed`; between equal values and at 0 vectors turn by `limits`."""
    return ops["svd_weighed"].forward(x, g)


def _of_singular_values(i: int, g: Any, z: Any, xs: Any, attrs: Any, pull: Pull) -> tuple[Any, Any]:
    """The fact `smooth` of singular values: what they send, where some may be equal or 0."""
    (x,) = xs
    if not _moves(g, x) or multiple(g, z) is not None or not _may_meet(z, True, x.shape[-2:]):
        return None, None
    limits = _limits(g, z, pull)
    if limits is not None:
        return ops["singular_curved"](x, g, limits), None
    if mode.recorder is None:
        return None, None
    none = left_out(g, z, near(z, 0, z[..., :1], max(x.shape[-2:])))
    return None, None if none is None else np.sum(none, axis=-1)[..., None, None] * x


def enter_spectral() -> None:
    """Write the limits into the ops' facts."""
    for name, smooth in (("eigvalsh", _of_eigenvalues), ("svdvals", _of_singular_values)):
        ops[name].facts = replace(ops[name].facts, smooth=Smooth(smooth, turns=True))
