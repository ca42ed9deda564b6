"""Matrices whose eigenvectors do not span: what a function of their eigenvalues sends, and what is refused.

At a defective matrix, [[1, 1], [0, 1]], eigenvalues move with the root of a change: they have no slope, and
vectors that tell it. What is computed of them may have one, which depends on how the function curves: the sum
of squares sends twice the matrix, and the sum of cubes another one, though what arrives is one number each.
Where the function keeps to their sum, as a trace does, the number is all there is to know. So the rest is run
again with such eigenvalues moved: where each receives what the others do, it is the sum, and elsewhere the
gradient is refused. It is refused, too, where vectors are so near to one another that rounding is left.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import GradientError, RerunError, lesson
from clearprop.facts import Facts
from clearprop.op import Op
from clearprop.ops.decomposition import adjoint, gaps, turned, weighed_sum
from clearprop.ops.turning import of_eig
from clearprop.registry import ops
from clearprop.tensor import Tensor

_FIRM = 0.25  # the power of the rounding that a result may be off by, relative to its largest entry


def _not_spanning(w: Any, hint: str = "", kind: type[GradientError] = GradientError) -> GradientError:
    """Return the refusal of a gradient through eigenvectors that do not span."""
    wanted = "the eigenvectors of the matrix do not span, but for rounding, so its eigenvalues have no slopes"
    usual = "powers and products of the matrix, np.linalg.matrix_power, trace, det or slogdet,"
    usual += " scipy.linalg.expm or sqrtm in place of its eigenvalues"
    got = f"eigenvalues {np.asarray(w).ravel()[:6]}"
    return kind(lesson("eig or eigvals, backward", wanted, got, hint=hint or usual))


def _inverse(v: Any) -> Any:
    """Return the inverse of vectors side by side; of those that depend on one another one that is huge."""
    try:
        return np.linalg.inv(v)
    except np.linalg.LinAlgError:
        noise = np.random.default_rng(0).normal(size=v.shape).astype(v.real.dtype)
        return np.linalg.inv(v + np.finfo(v.dtype).eps * noise)


def _slopes(inverse: Any) -> Any:
    """How far each eigenvalue goes where the matrix moves by 1: its condition number."""
    return np.linalg.norm(inverse, axis=-1)


def _is_lost(slopes: Any) -> Any:
    """Whether the condition number of each eigenvalue is what rounding makes of infinity."""
    return 8 * slopes.shape[-1] * np.finfo(slopes.dtype).eps * slopes >= 1


@define("of_spanning", "opaque", lambda h, z, g, w, v, linear: h, None, None,
        facts=Facts(kinks=False, plane="stated"),
        examples=(((np.ones(2), np.array([1.0, 2.0]), np.array([[1.0, 0.6], [0.0, 0.8]])), {}),))  # fmt: skip
def of_spanning(g: Any, w: Any, v: Any, *, linear: bool = False) -> Any:
    """`g`, what arrives at eigenvalues w; GradientError where their vectors, the columns of `v`, do not span.

    It stands where the rest of a function cannot be run again to see whether that matters. With `linear` it
    is seen already that `g` does not depend on w: then it does not matter where all entries are the same.
    """
    lost = np.any(_is_lost(_slopes(_inverse(v))), axis=-1) if v.size else np.zeros(g.shape[:-1], bool)
    alike = np.all(g == g[..., :1], axis=-1) if linear else False
    if np.any(lost & ~np.asarray(alike)):
        hint = "the gradient by a call outside of other transforms, where it is known if there is one,"
        hint += " or powers and products of the matrix in place of eigenvalues"
        raise _not_spanning(w, hint, RerunError)
    return +g


def _is_linear(node: Any, later: Any) -> bool:
    """Return whether what is computed of a node is linear in it: then what arrives does not depend on it."""
    moved = {node}
    for user in later.nodes:
        own = [i for i, x in enumerate(user.inputs) if isinstance(x, Tensor) and x in moved]
        if own and user.op is not None:
            numbers = [isinstance(d, int) for d in user.op.derivatives]
            alone = len(own) == 1 and (user.op.kind == "view" or own[0] in user.op.facts.linear)
            if not alone and not (numbers and all(numbers)):
                return False
            moved.add(user)
    return True


def _guarded(g: Any, node: Any, later: Any, w: Any, v: Any) -> tuple[Any, None]:
    """Return `g` with a look at the vectors, for where the rest cannot be run again."""
    w, v = map(ops["detach"], (w, v))  # weights that stay as they are do so behind it
    return ops["of_spanning"](g, w, v, linear=_is_linear(node, later)), None


class _OfEigenvalues:
    """Eigenvalues `w` of matrices `x` with vectors `v`, and `g`, what arrives at them.

    `later(w)` is what arrives where they are others. `lost` says of which vectors do not tell the slope.
    """

    def __init__(self, w: Any, v: Any, x: Any, g: Any, later: Any) -> None:
        self.w, self.v, self.x, self.g, self.later = w, v, x, g, later
        self.turn = adjoint if v.dtype.kind == "c" else turned
        self.eps = np.finfo(v.dtype).eps
        self.inverse = _inverse(v)
        self.slopes = _slopes(self.inverse)
        self.lost = _is_lost(self.slopes)

    def sent(self) -> Any:
        """Return what the matrices receive; GradientError where that is not known."""
        alike, d = self.g[..., :1], None
        if not np.any(self.lost):
            d = self._weighed(alike)
            noise = 4 * self.eps * self.slopes * np.max(np.absolute(self.g), axis=-1, keepdims=True)
            self.lost = noise > self.eps**_FIRM * np.max(np.absolute(d), axis=(-2, -1))[..., None]
        if d is None or np.any(self.lost):
            alike = self._alike(self.g)
            self._move()
            self.g = np.where(self.lost, alike, self.g)
            self._check_others(alike)
            d = self._weighed(alike)
        return d if self.x.dtype.kind == "c" else np.real(d)

    def _weighed(self, alike: Any) -> Any:
        left = self.turn(self.v)
        try:
            return weighed_sum(self.g, left, left, alike)
        except np.linalg.LinAlgError:
            raise _not_spanning(self.w) from None

    def _alike(self, g: Any) -> Any:
        """Return what each of the lost receives, the same for all of a matrix; GradientError elsewhere."""
        first = np.argmax(self.lost, axis=-1)[..., None]
        alike = np.take_along_axis(g, first, axis=-1)
        off = np.where(self.lost, np.absolute(g - alike), 0)
        if not np.all(off <= 64 * self.eps * np.max(np.absolute(g), axis=-1, keepdims=True)):
            raise _not_spanning(self.w)
        return alike

    def _move(self) -> None:
        """Raise GradientError where the lost do not receive the same at other eigenvalues, too."""
        rng = np.random.default_rng(0)
        scale = np.max(np.absolute(self.x), axis=(-2, -1))[..., None]
        for _ in "ab":
            step = rng.normal(size=self.w.shape)
            if self.w.dtype.kind == "c":
                step = step + 1j * rng.normal(size=self.w.shape)
            moved = self.w + np.where(self.lost, self.eps ** (1 / 3) * scale * step, 0)
            self._alike(self.later(moved.astype(self.w.dtype)))

    def _check_others(self, alike: Any) -> None:
        """Raise GradientError where the slopes of the others are lost in the vectors of the lost."""
        counts = np.any(self.lost, axis=-1, keepdims=True) & (self.g != alike)
        off = np.max(np.absolute(self.inverse @ self.x - self.w[..., None] * self.inverse), axis=-1)
        limit = self.eps**0.5 * self.slopes * np.max(np.absolute(self.x), axis=(-2, -1))[..., None]
        if np.any(counts & ~(off <= limit)):
            raise _not_spanning(self.w)


def _of_values(g: Any, node: Any, later: Any, *, again: Op) -> tuple[Any, Any]:
    """What a function of eigenvalues sends, in a place that a trace has to itself."""
    x = later.inputs[0]
    if not later.plain:
        return _guarded(g, node, later, later.output, again(x)[..., 1:])
    if not x.size:
        return g, None
    return g, _OfEigenvalues(later.output, again.forward(x)[..., 1:], x, g, lambda w: later(w)[1]).sent()


def _of_vectors(g: Any, node: Any, later: Any) -> tuple[Any, Any]:
    """The same of `eig`, whose vectors must not be asked where they do not span, nor lose what they send."""
    g, _ = of_eig(g, node, later)
    z, x = later.output, later.inputs[0]
    if not later.plain:
        weights, _ = _guarded(g[..., 0], node, later, z[..., 0], z[..., 1:])
        return np.concatenate([np.expand_dims(weights, -1), g[..., 1:]], axis=-1), None
    w, v, arrived = z[..., 0], z[..., 1:], g[..., 1:]
    eps = np.finfo(z.dtype).eps
    slopes = _slopes(_inverse(v))
    if not np.any(slopes > eps**-_FIRM):
        return g, None
    if not np.any(arrived):

        def of_moved(moved: Any) -> Any:
            g = later(np.concatenate([moved[..., None], v], axis=-1))[1]
            if np.any(g[..., 1:]):
                raise _not_spanning(w)
            return g[..., 0]

        return g, _OfEigenvalues(w, v, x, g[..., 0], of_moved).sent()
    d = node.op.rule(0)(g, z, x) if not np.any(_is_lost(slopes)) else None
    if d is not None:
        size = np.max(np.absolute(arrived), axis=(-2, -1))[..., None]
        noise = eps * slopes * size * np.max(np.absolute(gaps(w)), axis=-1)
        if np.all(noise <= eps**_FIRM * np.max(np.absolute(d), axis=(-2, -1))[..., None]):
            return g, None
    raise _not_spanning(w)


def enter_spanning() -> None:
    """Write the looks at vectors into the ops' entries."""
    for prefix in ("", "complex_"):
        ops[f"{prefix}eigvals"].rest = partial(_of_values, again=ops[f"{prefix}eig_again"])
        ops[f"{prefix}eig"].rest = _of_vectors
