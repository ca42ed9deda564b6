"""Matrices taken apart: Cholesky, eigenvalues, singular values, QR, and the pseudoinverse made of them.

An op has one output, so several results lie side by side in one array: `eigh` is a column of eigenvalues and
the vectors behind it, `svd` is U over a row of singular values over V, `qr` is Q over R.

What is not defined stays undefined. Vectors that belong to equal eigenvalues turn freely in their plane: a
gradient that would turn them is refused, what does not ask for it (a sum of eigenvalues, a norm) is finite
and right. Functions in which their choice drops out have a gradient, which `turning.py` finds. The rules are
those of M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation", 2008, and of S. Walter and L. Lehmann, "Algorithmic differentiation of linear
algebra functions", 2010.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.define import define, enter
from clearprop.errors import GradientError, RerunError, lesson
from clearprop.facts import Facts
from clearprop.modes import mode
from clearprop.op import Op
from clearprop.ops.plane import conjugated
from clearprop.ops.quotient import multiple
from clearprop.ops.shape import as_array, constant, known
from clearprop.registry import implements, ops
from clearprop.tensor import Tensor

_SQUARE = np.array([[3.0, 1.0, -0.5], [0.5, 2.0, 1.0], [-1.0, 0.3, 2.5]])
_SYMMETRIC = np.array([[3.0, 1.0, -0.5], [1.0, 2.0, 0.7], [-0.5, 0.7, 1.5]])
_POSITIVE = np.array([[3.0, 9.0, 9.0], [0.5, 2.0, 9.0], [-1.0, 0.3, 2.5]])  # only what lies below is read
_PAIR = np.stack([_POSITIVE, 2 * _POSITIVE + np.eye(3)])
_TALL = np.array([[3.0, 1.0, -0.5], [0.5, 2.0, 1.0], [-1.0, 0.3, 2.5], [0.2, -0.7, 1.0]])
_TALLS = np.stack([_TALL, 1 + _TALL * _TALL])
_LADDER = np.array([[1.0, 0.4, 0.2], [0.3, 2.0, 0.1], [0.2, 0.3, 4.0]])  # real eigenvalues, not symmetric
_PLANE = np.array([[1.0, 0.4j, 0.3], [-1.1 + 0.7j, 0.2, 0.5j], [0.6, 1.2 - 0.4j, -0.9 + 0.3j]])
_LADDERS = np.stack([_LADDER, _LADDER.T + 0.1])

_STATED = Facts(plane="stated")
_ONE = np.eye(1)
EighResult: Any = type(np.linalg.eigh(_ONE))
SVDResult: Any = type(np.linalg.svd(_ONE))
QRResult: Any = type(np.linalg.qr(_ONE))
EigResult: Any = type(np.linalg.eig(_ONE))
_ALWAYS_COMPLEX = np.linalg.eigvals(_ONE).dtype.kind == "c"  # NumPy from 2.5 on, also where all are real


def turned(x: Any) -> Any:
    """Return each matrix in the last two axes transposed."""
    return np.swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """Return each matrix transposed, complex numbers conjugated."""
    return conjugated(turned(x))


def amounts(x: Any) -> Any:
    """Return what is real although it lies beside complex numbers: eigenvalues, singular values."""
    return np.real(x) if x.dtype.kind == "c" else x


def _one(n: int, like: Any) -> Any:
    return np.eye(n, dtype=like.dtype)


def near(x: Any, y: Any, scale: Any, factor: float = 64.0) -> Any:
    """Whether x and y are equal but for rounding, at numbers as large as `scale`."""
    return np.absolute(x - y) <= factor * np.finfo(scale.dtype).eps * scale


def mirrored(x: Any) -> Any:
    """Return the symmetric (or Hermitian) matrix whose lower triangle is that of `x`: all that NumPy reads.

    >>> mirrored(np.array([[1.0, 9.0], [2.0, 3.0]]))
    array([[1., 2.],
           [2., 3.]])
    """
    below = np.tril(np.ones(x.shape[-2:], bool))
    if x.dtype.kind == "c":
        return np.where(np.tril(below, -1), x, np.where(below, np.real(x), adjoint(x)))
    return np.where(below, x, turned(x))


def _read(x: Any, part: str) -> Any:
    """Return the symmetric matrix of which NumPy reads this triangle."""
    return mirrored(x) if part == "L" else adjoint(mirrored(adjoint(x)))


def of_symmetric(d: Any, x: Any, part: str = "L") -> Any:
    """The gradient of what reads one triangle of `x`, from `d`, that of the whole symmetric matrix.

    At a symmetric matrix both triangles receive the same, so that a step by the gradient leaves it symmetric.
    At another matrix only what was read receives anything.
    """
    n = x.shape[-1]
    if not n:
        return d
    largest = np.max(np.absolute(x), axis=(-2, -1), keepdims=True)
    symmetric = np.all(near(x, adjoint(x), largest), axis=(-2, -1), keepdims=True)
    read = (np.tril(np.full((n, n), 2.0)) - np.eye(n)).astype(x.dtype)
    return 0.5 * (d + adjoint(d)) * np.where(symmetric, x.dtype.type(1), read if part == "L" else read.T)


def turning_freely(
    w: Any, called: str = "eigh or svd", hint: str = "", kind: type[GradientError] = GradientError
) -> GradientError:
    """Return the refusal where vectors of equal values among `w` are asked for more than is known of them."""
    wanted = "vectors of equal eigenvalues or singular values turn freely, so they have no derivative"
    usual = "np.linalg.eigvalsh or svdvals where the values are enough, called once "
    usual += "(w = np.linalg.eigvalsh(x)) where all are treated alike, or products of the matrix, "
    usual += "np.linalg.matrix_power, scipy.linalg.expm or sqrtm in place of its vectors"
    got = f"values {np.asarray(w).ravel()[:6]}"
    return kind(lesson(f"{called}, backward", wanted, got, hint=hint or usual))


@define("settled", "opaque", lambda g, z, x, w, size: ops["settled"](g, w, g), None, None,
        facts=Facts(kinks=False, plane="stated"),
        examples=(((_SYMMETRIC, np.array([1.0, 2.0, 4.0]), np.ones((3, 3))), {}),))  # fmt: skip
def settled(x: Any, w: Any, size: Any) -> Any:
    """`x`, how vectors are asked to turn, with 0 between those of equal eigenvalues `w`.

    Raises GradientError where it is not 0 there already: such vectors turn freely, and how they turn is no
    function of the matrix. Nor is the phase of a complex one: what asks for it is imaginary, on the diagonal.
    What is small beside the largest entry of `size`, which `x` was computed from, is rounding.
    """
    scale = np.max(np.absolute(w), axis=-1, initial=0)[..., None, None]
    equal = near(w[..., :, None], w[..., None, :], scale) & ~np.eye(w.shape[-1], dtype=bool)
    asked = np.absolute(np.where(equal, x, 0))
    largest = np.max(np.absolute(size), axis=(-2, -1), keepdims=True, initial=0)
    limit = 1024 * np.finfo(x.dtype).eps * largest
    if x.dtype.kind == "c" and np.any(np.absolute(np.diagonal(x.imag, axis1=-2, axis2=-1)) > limit[..., 0]):
        wanted = "the phase of a complex vector is LAPACK's choice, so it has no derivative"
        hint = "np.abs of its entries, or products in which the phase drops out"
        raise GradientError(lesson("eigh or svd, backward", wanted, f"{x.shape}", hint=hint))
    if np.any(asked > limit):
        raise turning_freely(w, kind=RerunError)  # eagerly more may be known
    return np.where(equal, x.dtype.type(0), x)


def gaps(w: Any) -> Any:
    """1 / (w_j - w_i), and 0 where they are equal."""
    gap = np.expand_dims(w, -2) - np.expand_dims(w, -1)
    return inverse_or_zero(gap)


def inverse_or_zero(x: Any) -> Any:
    """1 / x, and 0 where x is 0."""
    return np.where(x == 0, x.dtype.type(0), 1 / np.where(x == 0, x.dtype.type(1), x))


# --- Cholesky -----------------------------------------------------------------------------------------------
def _cholesky_rule(g: Any, z: Any, x: Any) -> Any:
    """L^-H P L^-1 with P the lower triangle of L^H g, its diagonal halved."""
    n = x.shape[-1]
    half = (np.tril(np.ones((n, n))) - 0.5 * np.eye(n)).astype(x.dtype)
    left = ops["solve"](adjoint(z), (adjoint(z) @ g) * half)
    return of_symmetric(adjoint(ops["solve"](adjoint(z), adjoint(left))), x)


@define("cholesky", "opaque", _cholesky_rule, facts=_STATED, examples=(((_POSITIVE,), {}), ((_PAIR,), {})))
def cholesky_factor(x: Any) -> Any:
    """The lower triangular L of x = L @ L^T; LinAlgError where x is not positive definite.

    >>> cholesky_factor(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    return np.linalg.cholesky(x)


@implements(np.linalg.cholesky)
def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """Return the L of x = L @ L^T, or with `upper` its transpose, read from the upper triangle.

    Of a complex Hermitian matrix it is L @ L^H, with conjugates.

    The gradient of a symmetric matrix is symmetric, that of another lies where x was read.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]), upper=True)
    array([[2., 1.],
           [0., 2.]])
    """
    return adjoint(ops["cholesky"](adjoint(x))) if upper else ops["cholesky"](x)


# --- symmetric matrices -------------------------------------------------------------------------------------
def _eigh_rule(g: Any, z: Any, x: Any, part: str) -> Any:
    """V (diag(gw) + (V^H gV) / (w_j - w_i)) V^H."""
    w, v = amounts(z[..., 0]), z[..., 1:]
    turns = ops["settled"](adjoint(v) @ g[..., 1:], w, g[..., 1:]) * gaps(w)
    inner = turns + amounts(g[..., :1]) * _one(x.shape[-1], z)
    return of_symmetric(v @ inner @ adjoint(v), x, part)


def _equal_values(x: Any, values: Any) -> Any:
    """Every entry of a matrix two of whose values are equal."""
    w = values(x)
    scale = np.max(np.absolute(w), axis=-1, initial=0)[..., None]
    equal = np.any(near(w[..., 1:], w[..., :-1], scale), axis=-1)
    return np.broadcast_to(equal[..., None, None], x.shape)


@define(
    "eigh",
    "opaque",
    _eigh_rule,
    facts=Facts(
        kinks=lambda x, part: _equal_values(x, lambda y: np.linalg.eigvalsh(y, part)), plane="stated"
    ),
    examples=(((_SYMMETRIC + np.triu(np.ones((3, 3)), 1),), {}), ((_PAIR,), {}), ((_SQUARE,), {"part": "U"})),
)
def eigenpairs(x: Any, *, part: Any = "L") -> Any:
    """The eigenvalues of a symmetric x as a column, their vectors behind it; one triangle of x is read."""
    w, v = np.linalg.eigh(x, part)
    return np.concatenate([w[..., None], v], axis=-1)


def _is_constant(g: Any, x: Any) -> bool:
    """Whether a graph of gradients is made by `x` alone: then weights stay as they are when x moves."""
    return isinstance(x, Tensor) and x.requires_grad and not getattr(g, "requires_grad", False)


def _apart(y: Any, whole: Any) -> Any:
    """Return `y`, a sum over vectors with weights that move, with a gradient that looks at all pairs.

    `whole` is the same sum with the weight 1, which is no function of the matrix. Vectors that both weigh 0
    ask nothing of each other in `y`, though their weights may part as the matrix moves: those of a square at
    a matrix of zeros do. So they are asked here, and equal eigenvalues are refused.
    """
    return y + (whole - ops["detach"](whole)) if isinstance(whole, Tensor) else y


def differences(g: Any) -> Any:
    """g_j - g_i."""
    return np.expand_dims(g, -2) - np.expand_dims(g, -1)


def _weighed_rule(h: Any, z: Any, x: Any, g: Any, part: str) -> Any:
    """V (V^H h V (g_j - g_i) / (w_j - w_i)) V^H: nothing turns between vectors of one weight."""
    pairs = ops["eigh_again"](x, part=part)
    w, v = amounts(pairs[..., 0]), pairs[..., 1:]
    asked = adjoint(v) @ (0.5 * (h + adjoint(h))) @ v
    turns = ops["settled"](asked * differences(g), w, asked * np.expand_dims(g, -2)) * gaps(w)
    return of_symmetric(v @ turns @ adjoint(v), x, part)


def _weights_rule(h: Any, z: Any, x: Any, g: Any, part: str) -> Any:
    """The diagonal of V^H h V."""
    v = ops["eigh_again"](x, part=part)[..., 1:]
    return amounts(np.sum(np.conjugate(v) * (h @ v), axis=-2))


@define(
    "eigh_weighed",
    "opaque",
    _weighed_rule,
    _weights_rule,
    facts=Facts(
        kinks=lambda x, g, part: _equal_values(x, lambda y: np.linalg.eigvalsh(y, part)), plane="stated"
    ),
    examples=(((_SYMMETRIC + np.triu(np.ones((3, 3)), 1), np.array([1.0, -2.0, 0.5])), {}),),
)
def eigh_weighed(x: Any, g: Any, *, part: Any = "L") -> Any:
    """V diag(g) V^H with the eigenvectors V of a symmetric x: the derivative of a weighed sum of eigenvalues.

    Its own derivative is finite where equal eigenvalues have equal weights: that of a trace is 0.
    """
    v = np.linalg.eigh(_read(x, part))[1]  # XLA's reads both triangles
    return (v * g[..., None, :]) @ v.conj().swapaxes(-1, -2)


def _each_matrix(c: Any) -> Any:
    """Return the numbers of the rows of a stack's values so that they meet its matrices."""
    return np.expand_dims(c, -1) if np.ndim(c) else c


def _values_rule(g: Any, z: Any, x: Any, part: str) -> Any:
    """V diag(g) V^H, and the matrix itself where each weight is its eigenvalue, as in the sum of squares."""
    c = multiple(g, z)
    if c is not None:
        return of_symmetric(_each_matrix(c) * _read(x, part), x, part)
    if _is_constant(g, x):
        return of_symmetric(ops["eigh_weighed"](x, g, part=part), x, part)
    v = ops["eigh_again"](x, part=part)[..., 1:]
    weighed = (v * np.expand_dims(g, -2)) @ adjoint(v)
    return of_symmetric(_apart(weighed, v @ adjoint(v)), x, part)


@define(
    "eigvalsh",
    "opaque",
    _values_rule,
    facts=Facts(
        kinks=lambda x, part: _equal_values(x, lambda y: np.linalg.eigvalsh(y, part)), plane="stated"
    ),
    examples=(((_SYMMETRIC + np.triu(np.ones((3, 3)), 1),), {}), ((_PAIR,), {}), ((_SQUARE,), {"part": "U"})),
)
def eigenvalues(x: Any, *, part: Any = "L") -> Any:
    """The eigenvalues of a symmetric x, ascending; some may be equal."""
    return np.linalg.eigvalsh(x, part)


def _part(called: str, part: str) -> str:
    if part.upper() not in ("L", "U"):
        raise ValueError(lesson(f"{called}(UPLO=)", "is 'L' or 'U'", repr(part)))
    return part.upper()


@implements(np.linalg.eigh)
def eigh(x: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues, ascending, and the vectors of a symmetric matrix, as NumPy's `EighResult`.

    The sign of a vector is LAPACK's. Raises GradientError in the backward pass where vectors of equal
    eigenvalues would have to turn.

    >>> eigh(np.array([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    array([1., 2.])
    """
    z = ops["eigh"](x, part=_part("eigh", UPLO))
    return EighResult(np.real(z[..., 0]), z[..., 1:])


@implements(np.linalg.eigvalsh)
def eigvalsh(x: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of a symmetric matrix, ascending.

    >>> eigvalsh(np.array([[2.0, 0.0], [0.0, 1.0]]))
    array([1., 2.])
    """
    return ops["eigvalsh"](x, part=_part("eigvalsh", UPLO))


# --- singular values ----------------------------------------------------------------------------------------
def svd_parts(z: Any, m: int) -> tuple[Any, Any, Any]:
    return z[..., :m, :], z[..., m, :], z[..., m + 1 :, :]


def _svd_rule(g: Any, z: Any, x: Any) -> Any:
    return svd_sent(g, z, x, ops["settled"])


def svd_sent(g: Any, z: Any, x: Any, settle: Any) -> Any:
    """U (diag(gs) + (a + b) / 2(s_j - s_i) + (a - b) / 2(s_j + s_i)) V^H, and what leaves their span.

    a and b are the skew parts of U^H gU and V^H gV, doubled; `settle` says what becomes of a + b between
    vectors of equal values.
    """
    m = x.shape[-2]
    (u, s, v), (gu, gs, gv) = svd_parts(z, m), svd_parts(g, m)
    s, gs = amounts(s), amounts(gs)
    one = _one(s.shape[-1], s)
    left, right = adjoint(u) @ gu, adjoint(v) @ gv
    both = settle(left + right, s, np.concatenate([gu, gv], axis=-2))
    apart = left - right
    s0 = np.where(near(s, 0, s[..., :1], max(x.shape[-2:])), s.dtype.type(0), s)
    sums = np.expand_dims(s0, -2) + np.expand_dims(s0, -1)
    sums = inverse_or_zero(
        sums if z.dtype.kind == "c" else sums * (1 - one)
    )  # phases turn against each other
    inner = 0.5 * ((both - adjoint(both)) * gaps(s) + (apart - adjoint(apart)) * sums)
    d = u @ (inner + np.expand_dims(gs, -2) * one) @ adjoint(v)
    scaled = np.expand_dims(inverse_or_zero(s0), -2)
    if m > s.shape[-1]:
        d = d + (gu - u @ left) * scaled @ adjoint(v)
    if x.shape[-1] > s.shape[-1]:
        d = d + u @ adjoint((gv - v @ right) * scaled)
    return d


def _svd_kinks(x: Any) -> Any:
    """Every entry of a matrix with a singular value of 0, or two that are equal."""
    s = np.linalg.svdvals(x)
    zero = np.any(near(s, 0, np.max(s, axis=-1, keepdims=True, initial=0)), axis=-1)
    return _equal_values(x, np.linalg.svdvals) | zero[..., None, None]


@define(
    "svd",
    "opaque",
    _svd_rule,
    facts=Facts(kinks=_svd_kinks, plane="stated"),
    examples=(((_SQUARE,), {}), ((_TALL,), {}), ((_TALL.T,), {}), ((_TALLS,), {})),
)
def factors(x: Any) -> Any:
    """U over the row of singular values over V, for x = U diag(s) V^H with as many columns as values."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([u, s[..., None, :], adjoint(vh)], axis=-2)


def _above_zero(g: Any, s: Any, x: Any) -> Any:
    """The weights of singular values, of those that are 0 none."""
    return np.where(near(s, 0, s[..., :1], max(x.shape[-2:])), g.dtype.type(0), g)


def _weighed_values_rule(h: Any, z: Any, x: Any, g: Any) -> Any:
    """U (a (g_j - g_i) / (s_j - s_i) + b (g_j + g_i) / (s_j + s_i)) V^H, and what leaves their span.

    a and b are the Hermitian and the skew part of U^H h V.
    """
    u, s, v = svd_parts(ops["svd_again"](x), x.shape[-2])
    s = amounts(s)
    g = _above_zero(g, s, x)
    asked = adjoint(u) @ h @ v
    together, apart = 0.5 * (asked + adjoint(asked)), 0.5 * (asked - adjoint(asked))
    turns = ops["settled"](together * differences(g), s, asked * np.expand_dims(g, -2)) * gaps(s)
    sums = np.expand_dims(g, -2) + np.expand_dims(g, -1)
    inner = turns + apart * sums * inverse_or_zero(np.expand_dims(s, -2) + np.expand_dims(s, -1))
    d = u @ inner @ adjoint(v)
    scaled = np.expand_dims(g * inverse_or_zero(s), -2)
    if x.shape[-2] > s.shape[-1]:
        d = d + (h - u @ (adjoint(u) @ h)) @ (v * scaled) @ adjoint(v)
    if x.shape[-1] > s.shape[-1]:
        d = d + (u * scaled) @ adjoint(u) @ (h - (h @ v) @ adjoint(v))
    return d


def _singular_weights_rule(h: Any, z: Any, x: Any, g: Any) -> Any:
    """The diagonal of U^H h V."""
    u, s, v = svd_parts(ops["svd_again"](x), x.shape[-2])
    return _above_zero(amounts(np.sum(np.conjugate(u) * (h @ v), axis=-2)), amounts(s), x)


@define(
    "svd_weighed",
    "opaque",
    _weighed_values_rule,
    _singular_weights_rule,
    facts=Facts(kinks=lambda x, g: _svd_kinks(x), plane="stated"),
    examples=tuple(((x, np.array([1.0, -2.0, 0.5])), {}) for x in (_SQUARE, _TALL, _TALL.T)),
)
def svd_weighed(x: Any, g: Any) -> Any:
    """U diag(g) V^H: the derivative of a weighed sum of singular values, of which those that are 0 send none.

    Its own derivative is finite where equal singular values have equal weights, as in the nuclear norm.
    """
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (u * _above_zero(g, s, x)[..., None, :]) @ vh


def _svdvals_rule(g: Any, z: Any, x: Any) -> Any:
    """U diag(g) V^H; a singular value of 0 sends nothing, the subgradient of least norm.

    It is the matrix itself where each weight is its singular value, as in the sum of their squares.
    """
    c = multiple(g, z)
    if c is not None:
        return _each_matrix(c) * x
    if _is_constant(g, x):
        return ops["svd_weighed"](x, g)
    u, s, v = svd_parts(ops["svd_again"](x), x.shape[-2])
    g = _above_zero(g, amounts(s), x)
    return (u * np.expand_dims(g, -2)) @ adjoint(v)


@define(
    "svdvals",
    "opaque",
    _svdvals_rule,
    facts=Facts(kinks=_svd_kinks, plane="stated"),
    numpy=np.linalg.svdvals,
    examples=(((_SQUARE,), {}), ((_TALL,), {}), ((np.stack([_TALL.T, 1 + _TALL.T]),), {})),
)
def svdvals(x: Any) -> Any:
    """The singular values, the largest first; where one is 0 it sends nothing.

    >>> svdvals(np.array([[0.0, 2.0], [1.0, 0.0]]))
    array([2., 1.])
    """
    return np.linalg.svd(x, compute_uv=False)


@implements(np.linalg.svd)
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Return U, the singular values and V^T as NumPy's `SVDResult`, or the values alone.

    The full U and V^T of a matrix that is not square hold vectors that are no function of it: TypeError where
    a gradient is wanted. Raises GradientError in the backward pass where vectors of equal values would turn.

    >>> svd(np.array([[0.0, 2.0], [1.0, 0.0]])).S
    array([2., 1.])
    """
    if hermitian:
        x = mirrored(x)
    if not compute_uv:
        return ops["svdvals"](x)
    if full_matrices and x.ndim > 1 and x.shape[-1] != x.shape[-2]:
        if getattr(x, "requires_grad", False):
            wanted = "the vectors beyond the singular values are no function of x"
            raise TypeError(lesson("svd(x)", wanted, f"shape {x.shape}", hint="full_matrices=False"))
        return np.linalg.svd(x.value if hasattr(x, "requires_grad") else x)
    z = ops["svd"](x)
    u, s, v = svd_parts(z, x.shape[-2])
    return SVDResult(u, np.real(s), adjoint(v))


# --- QR -----------------------------------------------------------------------------------------------------
def _qr_rule(g: Any, z: Any, x: Any) -> Any:
    """Q (gR + T R^-H) + (gQ - Q Q^H gQ) R^-H, where T is the part below the diagonal of A - A^H.

    A is Q^H gQ + R gR^H. A square real x has a Q and an R of their own where only the last column depends on
    the others: LAPACK leaves the sign of the last entry of R to x, and T has nothing in its last column.
    """
    m, n = x.shape[-2:]
    q, r, gq, gr = z[..., :m, :], z[..., m:, :], g[..., :m, :], np.triu(g[..., m:, :])
    free = int(m == n and x.dtype.kind != "c")
    r = ops["of_full_columns"](r, free=free)
    if x.dtype.kind == "c":  # the same, with what asks for the phases on the diagonal
        inner = mirrored(r @ adjoint(gr) - adjoint(gq) @ q)
        return adjoint(ops["solve"](r, adjoint(gq + q @ inner)))
    asked = adjoint(q) @ gq
    turns = asked + r @ adjoint(gr)
    turns = np.tril(turns - adjoint(turns), -1)
    safe = np.where(np.diag(np.arange(n) >= n - free), x.dtype.type(1), r)
    d = q @ (gr + adjoint(ops["solve"](safe, adjoint(turns))))
    return d if m == n else d + adjoint(ops["solve"](r, adjoint(gq - q @ asked)))


@define("of_full_columns", "opaque", lambda g, z, r, free: g, facts=Facts(kinks=False, plane="stated"),
        examples=(((np.triu(_SYMMETRIC),), {"free": 1}),))  # fmt: skip
def of_full_columns(r: Any, *, free: int = 0) -> Any:
    """`r` as it is; GradientError where an entry of its diagonal, but for the last `free`, is 0.

    Then a column of x depends on those before it, and the direction that Q gives it is no function of x.
    """
    n = r.shape[-1]
    sizes = np.absolute(np.diagonal(r, axis1=-2, axis2=-1))
    largest = np.max(np.absolute(r), axis=(-2, -1), initial=0)[..., None]
    lost = sizes[..., : n - free] <= 8 * n * np.finfo(r.dtype).eps * largest
    if np.any(lost):
        wanted = "columns that depend on those before them have no direction of their own, so no derivative"
        hint = "linearly independent columns, or np.linalg.svdvals, pinv or lstsq, which need none"
        got = f"R with the diagonal {sizes.ravel()[:6]}"
        raise GradientError(lesson("qr(x), backward", wanted, got, hint=hint))
    return +r


@define(
    "qr",
    "opaque",
    _qr_rule,
    facts=_STATED,
    examples=(((_SQUARE,), {}), ((_TALL,), {}), ((_TALLS,), {})),
)
def orthogonal_factor(x: Any) -> Any:
    """Q over R, for x = Q R of a matrix with at least as many rows as columns."""
    return np.concatenate(np.linalg.qr(x), axis=-2)


def _rest_rule(g: Any, z: Any, x: Any) -> Any:
    """-Z g^H Q R^-H: the rest stays orthogonal to Q. What would turn within it is no function of x."""
    m = x.shape[-2]
    packed = ops["qr"](x)
    q, r = packed[..., :m, :], ops["of_full_columns"](packed[..., m:, :])
    asked = adjoint(z) @ g
    turns = ops["unturned"](asked - adjoint(asked))
    return adjoint(ops["solve"](r, adjoint(z @ (turns @ (adjoint(z) @ q) - adjoint(g) @ q))))


@define("unturned", "opaque", None, examples=(((np.zeros((0, 0)),), {}),))
def unturned(x: Any) -> Any:
    """Zeros, where `x` is 0 but for rounding, and GradientError elsewhere; no gradient."""
    if np.any(np.absolute(x) > 1024 * np.finfo(x.dtype).eps * max(1.0, np.max(np.absolute(x), initial=0))):
        wanted = "columns of Q beyond those of x turn freely, so they have no derivative of their own"
        hint = "mode='reduced', or what they span: Q2 @ Q2.T"
        raise GradientError(lesson("qr(x, 'complete'), backward", wanted, f"{x.shape}", hint=hint))
    return np.zeros_like(x)


@define("qr_rest", "opaque", _rest_rule, facts=_STATED, examples=(((_TALL,), {}),))
def rest_of_basis(x: Any) -> Any:
    """The columns of a complete Q beyond those of a tall x: orthonormal, and orthogonal to x."""
    return np.linalg.qr(x, "complete")[0][..., x.shape[-1] :]


@implements(np.linalg.qr)
def qr(x: Any, mode: str = "reduced") -> Any:
    """Return Q, with orthonormal columns, and the upper triangular R of x = Q @ R, as NumPy's `QRResult`.

    The signs are LAPACK's. `mode="r"` returns R alone. The further columns of a "complete" Q are a basis of
    what is orthogonal to x: it has a gradient as far as that does not ask how they turn among themselves,
    which is no function of x (GradientError). "raw" has values alone: TypeError where a gradient is needed.

    >>> q, r = qr(np.array([[3.0, 0.0], [4.0, 5.0]]))
    >>> (q @ r).round(12)
    array([[3., 0.],
           [4., 5.]])
    """
    m, n = x.shape[-2:] if x.ndim > 1 else (0, 0)
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(lesson("qr(x, mode)", "is 'reduced', 'complete', 'r' or 'raw'", repr(mode)))
    if mode == "raw":
        if not getattr(x, "requires_grad", False):
            whole: Any = np.linalg.qr
            return whole(x.value if hasattr(x, "requires_grad") else x, mode)
        raise TypeError(lesson("qr(x, mode)", "has no rule for this mode", repr(mode), hint="'reduced'"))
    k = min(m, n) if x.ndim > 1 else 0
    z = ops["qr"](x[..., :k] if m < n else x)
    q, r = z[..., :m, :], z[..., m:, :]
    if m < n:
        r = np.concatenate([r, adjoint(q) @ x[..., k:]], axis=-1)
    if mode == "complete" and m > n:
        q = np.concatenate([q, ops["qr_rest"](x)], axis=-1)
        r = np.concatenate([r, np.zeros((*r.shape[:-2], m - n, n), r.dtype)], axis=-2)
    return r if mode == "r" else QRResult(q, r)


# --- the pseudoinverse, least squares -----------------------------------------------------------------------
def _pinv_rule(g: Any, z: Any, x: Any, rtol: Any) -> Any:
    """-Z^H g Z^H + (1 - x Z) g^H Z Z^H + Z^H Z g^H (1 - Z x), with Z the pseudoinverse."""
    zt, gt = adjoint(z), adjoint(g)
    rows = gt - x @ (z @ gt)
    columns = gt - (gt @ z) @ x
    return rows @ z @ zt + zt @ z @ columns - zt @ g @ zt


@define(
    "pinv",
    "opaque",
    _pinv_rule,
    facts=_STATED,
    examples=(((_SQUARE,), {}), ((_TALL,), {}), ((_TALL.T,), {}), ((_TALLS,), {})),
)
def pseudoinverse(x: Any, *, rtol: Any = None) -> Any:
    """The pseudoinverse, where singular values up to `rtol` times the largest count as 0.

    The derivative is that along matrices of the same rank.
    """
    return np.linalg.pinv(x, rtol=rtol)


NEGLIGIBLE = 1e-9  # relative to the largest: what is cut off below it, or is rounding, changes no digit


def _cut(x: Any, rtol: Any) -> Any:
    """Return `x` without what belongs to singular values up to `rtol` times the largest.

    The rule of `pinv` takes those for 0. Where they are not, the matrix that is left turns with them, which
    the rule of `svd` knows.
    """
    if rtol is None or x.ndim < 2 or not x.size:
        return x
    rounding = np.finfo(np.result_type(x.dtype, np.float16)).eps
    negligible = max(NEGLIGIBLE, 2 * max(x.shape[-2:]) * float(rounding))
    if np.max(rtol) <= negligible:
        return x
    u, s, v = svd(x, full_matrices=False)
    kept = s > np.asarray(rtol)[..., None] * np.max(s, axis=-1, keepdims=True)
    if known(x) and np.all(kept | (s <= negligible * np.max(constant(s), axis=-1, keepdims=True))):
        return x
    return (
        x - (u * np.expand_dims(np.where(kept, 0, s), -2)) @ v
    )  # where nothing is cut, nothing is asked of u


@implements(np.linalg.pinv)
def pinv(x: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return the pseudoinverse of each matrix; singular values up to `rcond` of the largest are 0.

    >>> pinv(np.array([[1.0], [1.0]]))
    array([[0.5, 0.5]])
    """
    if rcond is not None and rtol is not None:
        raise ValueError(lesson("pinv(x)", "wants one of rcond= and rtol=", "both"))
    if rcond is None and rtol is None:  # NumPy's defaults: the one of rcond=None is 1e-15
        rcond = 1e-15
    rtol = rcond if rtol is None else rtol
    return ops["pinv"](_cut(mirrored(x) if hermitian else x, rtol), rtol=rtol)


@define("rank_of", "opaque", None, examples=(((_SQUARE,), {}), ((_TALL,), {})))
def rank_of(x: Any, *, tol: Any = None, hermitian: bool = False, rtol: Any = None) -> Any:
    """How many singular values are not 0; no gradient."""
    return np.asarray(np.linalg.matrix_rank(x, tol, hermitian, rtol=rtol))[()]


@implements(np.linalg.matrix_rank)
def matrix_rank(x: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return how many singular values are above `tol`, or `rtol` times the largest: a plain integer.

    >>> matrix_rank(np.ones((3, 2)))
    np.int64(1)
    """
    return ops["rank_of"](x, tol=tol, hermitian=hermitian, rtol=rtol)


@define("of_full_rank", "opaque", lambda g, z, x, rank, full: g, None, facts=Facts(kinks=False),
        examples=(((np.array([1.0, 2.0]), np.array(2)), {"full": 2}),))  # fmt: skip
def of_full_rank(x: Any, rank: Any, *, full: int = 0) -> Any:
    """`x` as it is; LinAlgError where the rank is another than when the step was recorded."""
    if np.any(rank != full):
        hint = "the residuals written out, np.sum((a @ x - b) ** 2, axis=0)"
        raise np.linalg.LinAlgError(lesson("lstsq(a, b)", f"was of rank {full}", f"{rank}", hint=hint))
    return +x


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Return the x of least |a @ x - b|, of those the shortest; residuals, rank, singular values.

    Where a has no full rank the derivative is that along matrices of the same rank.

    >>> lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))[0].round(12)
    array([2.])
    """
    a, b = as_array(a), as_array(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        wanted = "wants a matrix and a right-hand side of as many rows"
        raise np.linalg.LinAlgError(lesson("lstsq(a, b)", wanted, f"{a.shape} and {b.shape}"))
    (m, n), wide = a.shape, np.result_type(a.dtype, b.dtype, np.float32)
    eps = np.finfo(wide if wide.kind == "f" else np.float64).eps
    rtol = eps * max(m, n) if rcond is None else eps if rcond == -1 else rcond
    x = ops["pinv"](_cut(a, rtol), rtol=rtol) @ b
    rank = ops["rank_of"](a, rtol=rtol).astype(np.int32)  # as LAPACK counts
    left = np.zeros((0,), np.zeros(0, x.dtype).real.dtype)
    if m > n and (isinstance(rank, BatchTensor) or constant(rank) == n):  # of examples every one
        d = a @ x - b
        sums = np.sum(np.real(d * np.conjugate(d)), axis=0)
        left = ops["of_full_rank"](sums if sums.ndim else sums.reshape((1,)), rank, full=n)
    return x, left, rank, ops["svdvals"](a)


# --- matrices that are not symmetric ------------------------------------------------------------------------
def _real(called: str, z: Any) -> Any:
    """Return real results as such, which NumPy 2.5 gives as complex numbers; complain about complex ones."""
    if z.dtype.kind == "c" and not np.any(z.imag):
        return np.ascontiguousarray(z.real)
    if z.dtype.kind == "c":
        wanted = "has complex eigenvalues, and was real when the step was recorded, or for other examples"
        hint = f"np.linalg.{called.replace('x', 'x + 0j')}, which is complex always"
        raise TypeError(lesson(f"np.linalg.{called}", wanted, f"{z.ravel()[:3]}", hint=hint))
    return z


def _eig_rule(g: Any, z: Any, x: Any) -> Any:
    """V^-T (diag(gw) + (V^T gV - V^T V diag(V^T gV)) / (w_j - w_i)) V^T: the vectors keep their length."""
    w, v = z[..., 0], z[..., 1:]
    one = _one(x.shape[-1], z)
    asked = turned(v) @ g[..., 1:]
    lengths = np.sum(asked * one, axis=-2, keepdims=True)
    turns = ops["settled"]((asked - turned(v) @ v * lengths) * (1 - one), w, g[..., 1:]) * gaps(w)
    return ops["solve"](turned(v), (turns + g[..., :1] * one) @ turned(v))


@define("eig", "opaque", _eig_rule, examples=(((_LADDER,), {}), ((_LADDERS,), {})))
def real_eigenpairs(x: Any) -> Any:
    """The eigenvalues of a matrix whose eigenvalues are real as a column, and behind it their vectors."""
    w, v = np.linalg.eig(x)
    return np.concatenate([_real("eig(x)", w)[..., None], _real("eig(x)", v)], axis=-1)


@define(
    "eigvals",
    "opaque",
    lambda g, z, x: _values_of_any(g, *_twice("eig", g, x), turned),
    examples=(((_LADDER,), {}), ((_LADDERS,), {})),
)
def eigvals(x: Any) -> Any:
    """The eigenvalues where all are real, in LAPACK's order; TypeError where one is complex.

    >>> eigvals(np.array([[1.0, 2.0], [0.0, 3.0]]))
    array([1., 3.])
    """
    return _real("eigvals(x)", np.linalg.eigvals(x))


def _twice(name: str, g: Any, x: Any) -> tuple[Any, Any]:
    """Return the vectors of x, and of weights that move with x once more.

    Where eigenvalues and weights are equal, what asks the vectors to turn cancels between both places of V;
    so it has to where weights are constants. Where they move, each place is looked at by itself.
    """
    v = ops[f"{name}_again"](x)[..., 1:]
    still = not isinstance(x, Tensor) or not x.requires_grad or _is_constant(g, x)
    return v, v if still else ops[f"{name}_again"](x)[..., 1:]


def weighed_sum(g: Any, left: Any, right: Any, alike: Any) -> Any:
    """L^-1 diag(g) R, where L^-1 R is 1: the weight `alike` is taken out, for it needs no vectors.

    So a trace sends 1 without rounding, however near the vectors are to one another.
    """
    weighed = ops["solve"](left, np.expand_dims(g - alike, -1) * right)
    return weighed + np.expand_dims(alike, -1) * _one(left.shape[-1], left)


def _values_of_any(g: Any, v: Any, again: Any, turn: Any) -> Any:
    weighed = weighed_sum(g, turn(v), turn(again), g[..., :1])
    return weighed if v is again else _apart(weighed, ops["solve"](turn(v), turn(again)))


def _complex(z: Any) -> Any:
    return z.astype(np.result_type(z.dtype, np.complex64))


def _complex_eig_rule(g: Any, z: Any, x: Any) -> Any:
    """V^-H (diag(gw) + (V^H gV - V^H V diag(Re V^H gV)) / conj(w_j - w_i)) V^H.

    LAPACK turns each vector so that its largest entry is real: what asks for its phase is sent to that entry.
    """
    w, v, gv = z[..., 0], z[..., 1:], g[..., 1:]
    one = _one(x.shape[-1], z)
    largest = np.expand_dims(np.argmax(np.absolute(v), axis=-2), -2) == np.arange(x.shape[-1])[:, None]
    asked = np.sum(np.conjugate(v) * gv, axis=-2, keepdims=True)
    gv = gv - 1j * np.where(largest, np.imag(asked) / np.where(largest, np.real(v), 1), 0)
    lost = (adjoint(v) @ v - one) * np.real(asked)
    turns = ops["settled"](adjoint(v) @ gv - lost, w, gv) * np.conjugate(gaps(w))  # 0 on the diagonal
    return ops["solve"](adjoint(v), (turns + g[..., :1] * one) @ adjoint(v))


@define("complex_eig", "opaque", _complex_eig_rule, facts=_STATED, examples=(((_PLANE,), {}),))
def complex_eigenpairs(x: Any) -> Any:
    """The eigenvalues of a matrix as a column of complex numbers, and behind it their vectors."""
    w, v = np.linalg.eig(x)
    return _complex(np.concatenate([w[..., None], v], axis=-1))


def _complex_values_rule(g: Any, z: Any, x: Any) -> Any:
    return _values_of_any(g, *_twice("complex_eig", g, x), adjoint)


@define("complex_eigvals", "opaque", _complex_values_rule, facts=_STATED, examples=(((_PLANE,), {}),))
def complex_eigvals(x: Any) -> Any:
    """The eigenvalues as complex numbers, in LAPACK's order."""
    return _complex(np.linalg.eigvals(x))


def _whichever(x: Any, name: str) -> Any:
    """Run the op of real eigenvalues, or where some are complex that of complex ones.

    Which it is depends on values: a compiled step and the examples of a vmap have real ones of real numbers.
    """
    there = as_array(x)
    if there.dtype.kind != "c" and known(x) and there.ndim > 1 and there.shape[-1] == there.shape[-2]:
        found = np.linalg.eigvals(constant(x))
        return ops[f"complex_{name}" if np.any(np.imag(found)) else name](x)
    return ops[f"complex_{name}" if there.dtype.kind == "c" else name](x)


def _as_numpy(x: Any, z: Any) -> Any:
    """Return the results of an array in the dtype that NumPy has for it; those of a Tensor stay real."""
    observer = mode.observer
    array = observer.stands_for_array(x) if observer and isinstance(x, Tensor) else isinstance(x, np.ndarray)
    return z.astype(np.result_type(z.dtype, np.complex64)) if array and _ALWAYS_COMPLEX else z


@implements(np.linalg.eigvals)
def eigenvalues_of_any(x: Any) -> Any:
    """Return the eigenvalues of a square matrix in LAPACK's order: complex numbers where one is complex.

    In a compiled step those of a real matrix are real: `np.linalg.eigvals(x + 0j)` is complex always.
    """
    return _as_numpy(x, _whichever(x, "eigvals"))


@implements(np.linalg.eig)
def eig(x: Any) -> Any:
    """Return the eigenvalues and the vectors of length 1, as NumPy's `EigResult`.

    Complex vectors are turned as LAPACK turns them: the largest entry of each is real.

    >>> eig(np.array([[1.0, 2.0], [0.0, 3.0]])).eigenvalues.real
    array([1., 3.])
    """
    z = _whichever(x, "eig")
    return EigResult(_as_numpy(x, z[..., 0]), _as_numpy(x, z[..., 1:]))


# --- for rules ----------------------------------------------------------------------------------------------
def _enter_again() -> None:
    """Write what rules take apart once more as ops of their own: they look at equal values themselves."""
    for name in ("eigh", "svd", "eig", "complex_eig"):
        op = ops[name]
        parts: Any = {"kind": op.kind, "defaults": op.defaults, "facts": op.facts, "examples": op.examples}
        again = Op(f"{name}_again", op.forward, op.rules, doc=op.__doc__ or "", **parts)
        again.__module__ = __name__
        enter(again)


_enter_again()
