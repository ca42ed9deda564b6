"""`scipy.linalg`: systems, factors, functions of matrices, equations of control, matrices of a form.

What is not here is SciPy's own, of plain numbers.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.batch import stacked
from clearprop.define import define
from clearprop.errors import GradientError, at_line, lesson
from clearprop.facts import Facts
from clearprop.ops.decomposition import adjoint, mirrored
from clearprop.ops.shape import as_array, constant, known
from clearprop.registry import ops
from clearprop.scipy.rest import reader
from clearprop.scipy.systems import by_diagonal, discrete_lyapunov, refuse_options
from clearprop.scipy.systems import lu as lu
from clearprop.scipy.systems import lu_factor as lu_factor
from clearprop.scipy.systems import lu_solve as lu_solve
from clearprop.scipy.systems import solve_banded as solve_banded
from clearprop.scipy.systems import solveh_banded as solveh_banded

_SQUARE = np.array([[2.0, 0.3, -0.2], [0.1, 1.5, 0.4], [0.3, -0.1, 2.5]])
_SMALL = np.array([[0.4, 0.3], [-0.2, 0.7]])


def _scipys() -> Any:
    return importlib.import_module("scipy.linalg")


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


# --- systems ------------------------------------------------------------------------------------------------
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **checks: Any
) -> Any:
    """Return the x of a x = b, of which the upper triangle (or the lower) is read alone.

    `trans` 1 or "T" solves with the transpose. Raises LinAlgError where the diagonal holds a 0.

    >>> solve_triangular(np.array([[2.0, 1.0], [9.0, 4.0]]), np.array([4.0, 8.0]))
    array([1., 2.])
    """
    refuse_options("solve_triangular", checks)
    a, b = as_array(a), as_array(b)
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        a = np.where(np.eye(a.shape[-1], dtype=bool), a.dtype.type(1), a)
    if trans in (1, "T", 2, "C"):
        a = _turned(a) if trans in (1, "T") else np.conjugate(_turned(a))
    elif trans not in (0, "N"):
        raise ValueError(lesson("solve_triangular(trans=)", "is 0, 1 or 2, or N, T or C", repr(trans)))
    return np.linalg.solve(a, b)


def cho_factor(a: Any, lower: bool = False, **checks: Any) -> tuple[Any, bool]:
    """Return the Cholesky factor of a symmetric (Hermitian) matrix, and `lower`: which triangle is read.

    The other triangle of the factor holds zeros.

    >>> cho_factor(np.array([[4.0, 2.0], [2.0, 5.0]]))
    (array([[2., 1.],
           [0., 2.]]), False)
    """
    refuse_options("cho_factor", checks)
    a = as_array(a)
    factor = np.linalg.cholesky(_whole(a, lower))
    return (factor if lower else adjoint(factor)), lower


def cho_solve(c_and_lower: tuple[Any, bool], b: Any, **checks: Any) -> Any:
    """Return the x of a x = b from the factor of `a` that `cho_factor` gives.

    >>> cho_solve(cho_factor(np.array([[4.0, 0.0], [0.0, 2.0]])), np.array([4.0, 4.0])).round(12)
    array([1., 2.])
    """
    refuse_options("cho_solve", checks)
    c, lower = c_and_lower
    between = solve_triangular(c, b, trans=0 if lower else 2, lower=lower)
    return solve_triangular(c, between, trans=2 if lower else 0, lower=lower)


def _sylvester(a: Any, b: Any, q: Any) -> Any:
    return ops["solve_sylvester"](a, b, q)


@define(
    "solve_sylvester",
    "opaque",
    lambda g, z, a, b, q: -(_sylvester(_turned(a), _turned(b), g) @ _turned(z)),
    lambda g, z, a, b, q: -(_turned(z) @ _sylvester(_turned(a), _turned(b), g)),
    lambda g, z, a, b, q: _sylvester(_turned(a), _turned(b), g),
    facts=Facts(kinks=False, plane="analytic"),
    examples=(((_SQUARE, _SMALL, np.ones((3, 2))), {}),),
)
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """The x of a x + x b = q.

    >>> solve_sylvester(np.eye(2), np.eye(2), np.full((2, 2), 4.0))
    array([[2., 2.],
           [2., 2.]])
    """
    return _scipys().solve_sylvester(a, b, q)


# --- functions of matrices ----------------------------------------------------------------------------------
def _by_blocks(name: str) -> Any:
    """The rule of any analytic function f of a matrix: f of [[a^T, g], [0, a^T]] holds it above the diagonal.

    [N. J. Higham, Functions of Matrices, SIAM 2008, theorem 3.6]
    """

    def rule(g: Any, z: Any, a: Any) -> Any:
        if z.dtype.kind == "c" != a.dtype.kind:
            wanted = "has no gradient by a real matrix with negative eigenvalues, where it is cut"
            raise GradientError(
                lesson(f"{name}(a), backward", wanted, f"{a.shape}", hint="a + 0j, off the cut")
            )
        n, turned = a.shape[-1], _turned(a)
        above = np.concatenate([turned, g], axis=-1)
        below = np.concatenate([np.zeros_like(turned), turned], axis=-1)
        return ops[name](np.concatenate([above, below], axis=-2))[..., :n, n:]

    return rule


_ANALYTIC = Facts(kinks=False, plane="analytic")


@define("expm", "opaque", _by_blocks("expm"), facts=_ANALYTIC, examples=(((_SMALL,), {}),))
def expm(a: Any) -> Any:
    """The exponential of a square matrix, or of each in a batch.

    >>> expm(np.zeros((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    return _scipys().expm(a)


expm.batch = stacked


def _lost_in_rounding(a: Any, exact: bool = False) -> Any:
    """Whether an eigenvalue is 0, but for rounding; with `exact` that of a triangular matrix has to be 0."""
    if not np.all(np.isfinite(a)):
        return False
    sizes = np.absolute(np.linalg.eigvals(a.astype(np.complex128) if a.dtype.itemsize > 8 else a))
    level = 8 * a.shape[-1] * np.finfo(sizes.dtype).eps
    if exact and not (np.any(np.tril(a, -1)) and np.any(np.triu(a, 1))):
        level = 0.0
    return np.any(np.min(sizes, axis=-1, initial=np.inf) <= level * np.max(sizes, axis=-1, initial=0))


@define(
    "of_finite_logarithm",
    "opaque",
    lambda h, z, g, a: h,
    None,
    facts=Facts(kinks=False, plane="stated"),
    examples=(((_SQUARE, _SQUARE), {}),),
)
def of_finite_logarithm(g: Any, a: Any) -> Any:
    """`g` as it is; GradientError where `a` has an eigenvalue that is 0 beside others, but for rounding."""
    if _lost_in_rounding(a):
        wanted = "the slope of a logarithm is lost at a matrix with an eigenvalue near 0"
        hint = "a matrix whose eigenvalues are not 0, or np.linalg.slogdet for the trace of its logarithm"
        raise GradientError(lesson("logm(a), backward", wanted, f"{a.shape}", hint=hint))
    return +g


_logm_by_blocks = _by_blocks("logm")


@define(
    "logm",
    "opaque",
    lambda g, z, a: _logm_by_blocks(ops["of_finite_logarithm"](g, a), z, a),
    facts=_ANALYTIC,
    examples=(((_SQUARE,), {}),),
)
def logm(a: Any) -> Any:
    """The principal logarithm of a square matrix; LinAlgError for one with an eigenvalue at 0.

    Square roots bring the matrix near the unit matrix, where log(1 + x) is the integral of x / (1 + t x).
    SciPy's own draws random numbers to estimate norms, so that no two of its results are equal.
    [N. J. Higham, Functions of Matrices, SIAM 2008, chapter 11]

    >>> logm(np.eye(2))
    array([[0., 0.],
           [0., 0.]])
    """
    a = a.astype(np.float64) if a.dtype.kind in "iub" else a
    if _lost_in_rounding(a, exact=True):
        wanted = "wants a matrix without an eigenvalue at 0, where a logarithm is infinite"
        hint = "a + 1e-8 * np.eye(n)"
        raise np.linalg.LinAlgError(lesson("logm(a)", wanted, f"{a.shape}", hint=hint))
    one, root, halvings = np.eye(a.shape[-1]), a, 0
    while np.max(np.linalg.norm(root - one, 1, axis=(-2, -1)), initial=0.0) > 0.25 and halvings < 64:
        root, halvings = _scipys().sqrtm(root), halvings + 1
    x = root - one
    places, weights = np.polynomial.legendre.leggauss(8)
    total: Any = sum(
        w / 2 * np.linalg.solve(one + (1 + p) / 2 * x, x) for p, w in zip(places, weights, strict=True)
    )
    z = 2.0**halvings * total
    return z.astype(np.result_type(a.dtype, z.dtype) if z.dtype.kind == "c" else a.dtype)


@define(
    "of_finite_slope",
    "opaque",
    lambda h, z, d, g, root: h,
    None,
    None,
    facts=Facts(kinks=False, plane="stated"),
    examples=(((_SQUARE, _SQUARE, _SQUARE), {}),),
)
def of_finite_slope(d: Any, g: Any, root: Any) -> Any:
    """`d` as it is; GradientError where it is large since `root` has an eigenvalue 0, but for rounding.

    The slope by a matrix with such an eigenvalue is infinite, where what arrives, `g`, asks for it.
    """
    sizes = np.absolute(np.linalg.eigvals(root))
    largest = np.max(sizes, axis=-1, initial=0)
    level = _level(root)
    singular = np.min(sizes, axis=-1, initial=np.inf) <= level * largest
    asked, sent = (np.max(np.absolute(y), axis=(-2, -1), initial=0) for y in (g, d))
    steep = singular & ~(sent * largest * level <= asked)
    steep |= ~(sent * np.finfo(root.dtype).tiny ** 0.5 <= asked)  # steeper than any that is not 0
    if np.any(steep):
        wanted = "a square root has an infinite slope at a matrix with an eigenvalue 0"
        hint = "a matrix whose eigenvalues are not 0, or a function of products of the root"
        raise GradientError(
            lesson("sqrtm(a), backward", wanted, f"roots of eigenvalues {sizes.ravel()[:6]}", hint=hint)
        )
    return +d


def _level(root: Any) -> Any:
    """Return how large an eigenvalue of 0 may be beside the largest: rounding moves them, not a diagonal."""
    eps, exact = np.finfo(root.dtype).eps, not np.any(np.tril(root, -1))
    return 8 * root.shape[-1] * eps if exact else eps**0.5


def _rootless(z: Any, a: Any) -> Any:
    """Where vectors of eigenvalues 0 of the root have entries: what is sent between them is kept 0."""
    w, v = np.linalg.eig(z)
    sizes = np.absolute(w)
    null = sizes <= _level(z) * np.max(sizes, axis=-1, keepdims=True, initial=0)
    held = (
        np.max(np.absolute(v) * np.expand_dims(null, -2), axis=-1, initial=0) > np.finfo(z.dtype).eps ** 0.5
    )
    return np.expand_dims(held, -1) & np.expand_dims(held, -2)


def _sqrtm_rule(g: Any, z: Any, a: Any) -> Any:
    return ops["of_finite_slope"](_sylvester(_turned(z), _turned(z), g), g, z)


@define(
    "sqrtm",
    "opaque",
    _sqrtm_rule,
    facts=replace(_ANALYTIC, steep=_rootless),
    examples=(((_SQUARE,), {}),),
)
def sqrtm(a: Any) -> Any:
    """The principal square root of a square matrix; with an eigenvalue 0 its slope is refused.

    >>> sqrtm(np.diag([4.0, 9.0]))
    array([[2., 0.],
           [0., 3.]])
    """
    return _scipys().sqrtm(a)


# --- matrices of a form -------------------------------------------------------------------------------------
def toeplitz(c: Any, r: Any = None) -> Any:
    """Return the matrix whose diagonals are constant: its first column `c`, its first row `r` (c conjugated).

    Of a stack of columns (and rows) it is a stack of matrices.

    >>> toeplitz(np.array([1.0, 2.0]), np.array([9.0, 3.0]))
    array([[1., 3.],
           [2., 1.]])
    """
    c = np.atleast_1d(as_array(c))
    r = np.conjugate(c) if r is None else np.atleast_1d(as_array(r))
    rows, columns = c.shape[-1], r.shape[-1]
    if c.shape[:-1] != r.shape[:-1]:
        stack = np.broadcast_shapes(c.shape[:-1], r.shape[:-1])
        c, r = np.broadcast_to(c, (*stack, rows)), np.broadcast_to(r, (*stack, columns))
    places = np.arange(rows)[:, None] - np.arange(columns)
    entries = np.concatenate([np.flip(r[..., 1:], axis=-1), c], axis=-1)  # from right above to left below
    return np.take(entries, places + columns - 1, axis=-1)


def block_diag(*arrays: Any) -> Any:
    """Return the matrix of these blocks along the diagonal, zeros elsewhere; a vector is a row.

    >>> block_diag(np.eye(1), np.array([[2.0, 3.0]]))
    array([[1., 0., 0.],
           [0., 2., 3.]])
    """
    blocks = [np.atleast_2d(as_array(x)) for x in arrays] or [np.zeros((1, 0))]
    if any(x.ndim > 2 for x in blocks):
        raise ValueError(lesson("block_diag(*arrays)", "wants matrices", f"{[x.shape for x in blocks]}"))
    width, at, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        rows.append(np.pad(x, ((0, 0), (at, width - at - x.shape[1]))))
        at += x.shape[1]
    return np.concatenate(rows, axis=0)


def circulant(c: Any) -> Any:
    """Return the matrix whose columns are `c` turned round and round.

    >>> circulant(np.array([1.0, 2.0, 3.0]))
    array([[1., 3., 2.],
           [2., 1., 3.],
           [3., 2., 1.]])
    """
    c = np.atleast_1d(as_array(c))
    n = c.shape[-1]
    return np.take(c, (np.arange(n)[:, None] - np.arange(n)) % n, axis=-1)


def hankel(c: Any, r: Any = None) -> Any:
    """Return the matrix whose anti-diagonals are constant: its first column `c`, its last row `r` (zeros).

    >>> hankel(np.array([1.0, 2.0]), np.array([9.0, 3.0]))
    array([[1., 2.],
           [2., 3.]])
    """
    c = np.atleast_1d(as_array(c))
    r = np.zeros_like(c) if r is None else np.atleast_1d(as_array(r))
    if c.ndim > 1 or r.ndim > 1:  # SciPy makes one line of a stack, and from 1.19 a stack
        raise ValueError(lesson("hankel(c, r)", "wants vectors", f"{c.shape} and {r.shape}", at_line()))
    entries = np.concatenate([c, r[1:]])
    return np.take(entries, np.arange(c.size)[:, None] + np.arange(r.size))


def _of_exponentials(a: Any, turn: complex, sign: float) -> Any:
    """Return (exp(turn a) + sign exp(-turn a)) / 2."""
    return 0.5 * (ops["expm"](turn * a) + sign * ops["expm"](-turn * a))


def _real_as(a: Any, z: Any) -> Any:
    return z if a.dtype.kind == "c" else np.real(z)


def cosm(a: Any) -> Any:
    """Return the cosine of a square matrix.

    >>> cosm(np.zeros((1, 1)))
    array([[1.]])
    """
    a = as_array(a)
    return _real_as(a, _of_exponentials(a, 1j, 1.0))


def sinm(a: Any) -> Any:
    """Return the sine of a square matrix.

    >>> sinm(np.zeros((1, 1)))
    array([[0.]])
    """
    a = as_array(a)
    return _real_as(a, -1j * _of_exponentials(a, 1j, -1.0))


def coshm(a: Any) -> Any:
    """Return the hyperbolic cosine of a square matrix."""
    return _of_exponentials(as_array(a), 1.0, 1.0)


def sinhm(a: Any) -> Any:
    """Return the hyperbolic sine of a square matrix."""
    return _of_exponentials(as_array(a), 1.0, -1.0)


def tanm(a: Any) -> Any:
    """Return the tangent of a square matrix.

    >>> tanm(np.zeros((1, 1)))
    array([[0.]])
    """
    return np.linalg.solve(cosm(a), sinm(a))


def tanhm(a: Any) -> Any:
    """Return the hyperbolic tangent of a square matrix."""
    return np.linalg.solve(coshm(a), sinhm(a))


def companion(a: Any) -> Any:
    """Return the matrix whose eigenvalues are the roots of the polynomial with these coefficients.

    >>> companion(np.array([1.0, -3.0, 2.0]))
    array([[ 3., -2.],
           [ 1.,  0.]])
    """
    a = as_array(a)
    if a.shape[-1] < 2 or (known(a) and np.any(constant(a)[..., 0] == 0)):
        wanted, hint = "wants two coefficients or more, the first of them not 0", "np.trim_zeros(a, 'f')"
        raise ValueError(lesson("companion(a)", wanted, f"{constant(a)}"[:60], at_line(), hint))
    first = np.expand_dims(-a[..., 1:] / a[..., :1], -2)
    below = np.eye(a.shape[-1] - 2, a.shape[-1] - 1, dtype=first.dtype)
    return np.concatenate([first, np.broadcast_to(below, (*first.shape[:-2], *below.shape))], axis=-2)


def solve_toeplitz(c_or_cr: Any, b: Any, **checks: Any) -> Any:
    """Return the x of T x = b for a Toeplitz matrix, from its column or its column and row, as `solve` does.

    >>> solve_toeplitz(np.array([2.0, 1.0]), np.array([3.0, 3.0]))
    array([1., 1.])
    """
    refuse_options("solve_toeplitz", checks)
    column_and_row = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr,)
    return np.linalg.solve(toeplitz(*column_and_row), as_array(b))


def solve_circulant(c: Any, b: Any) -> Any:
    """Return the x of C x = b for the circulant matrix of `c`, as `solve` does."""
    return np.linalg.solve(circulant(c), as_array(b))


# --- what NumPy has as well, with SciPy's arguments ---------------------------------------------------------
def _whole(a: Any, lower: bool) -> Any:
    """Return the symmetric (or Hermitian) matrix of which one triangle is read."""
    return mirrored(a) if lower else adjoint(mirrored(adjoint(a)))


_FORMS = (
    *("gen", "diagonal", "tridiagonal", "banded", "sym", "her", "pos"),
    *("upper triangular", "lower triangular"),
)


def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    *,
    assume_a: str | None = None,
    transposed: bool = False,
    **checks: Any,
) -> Any:
    """Return the x of a x = b, or of the transpose; `assume_a` "sym", "her" and "pos" read one triangle.

    Raises LinAlgError for a singular matrix, ValueError for a form that is not here.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    refuse_options("solve", checks)
    a, b = as_array(a), as_array(b)
    if assume_a in ("sym", "symmetric") and a.dtype.kind == "c":  # not Hermitian
        half = np.tril(a) if lower else np.triu(a)
        a = half + _turned(np.tril(a, -1) if lower else np.triu(a, 1))
    elif assume_a in ("sym", "symmetric", "her", "hermitian", "pos", "positive definite"):
        a = _whole(a, lower)
    elif assume_a in ("upper triangular", "lower triangular"):
        a = np.triu(a) if assume_a[0] == "u" else np.tril(a)
    elif assume_a == "diagonal":
        return by_diagonal(a, b)
    elif assume_a == "tridiagonal":
        a = np.triu(np.tril(a, 1), -1)
    elif assume_a not in (None, "gen", "general", "banded"):
        wanted = f"is one of {', '.join(_FORMS)}"
        raise ValueError(lesson("solve(assume_a=)", wanted, repr(assume_a)))
    return np.linalg.solve(_turned(a) if transposed else a, b)


def inv(a: Any, **checks: Any) -> Any:
    """Return the inverse; LinAlgError for a singular matrix."""
    refuse_options("inv", checks)
    return np.linalg.inv(as_array(a))


def det(a: Any, **checks: Any) -> Any:
    """Return the determinant."""
    refuse_options("det", checks)
    return np.linalg.det(as_array(a))


def cholesky(a: Any, lower: bool = False, **checks: Any) -> Any:
    """Return the upper U of a = U^H U, or with `lower` the L of a = L L^H, as SciPy has it.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 1.],
           [0., 2.]])
    """
    refuse_options("cholesky", checks)
    factor = cho_factor(a, lower)[0]
    return np.tril(factor) if lower else np.triu(factor)


def eigh(
    a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, type: int = 1, **checks: Any
) -> Any:
    """Return eigenvalues and vectors of a symmetric matrix, or of a v = w b v with a positive `b`.

    Raises TypeError for another `type` than 1, and for a part of the eigenvalues.

    >>> eigh(np.diag([2.0, 1.0]), np.diag([1.0, 4.0]), eigvals_only=True)
    array([0.25, 2.  ])
    """
    if type != 1 or checks.get("subset_by_index") is not None or checks.get("subset_by_value") is not None:
        hint = "all of them, and a slice of the result"
        raise TypeError(lesson("eigh(a, b)", "has gradients of all, of type 1", "another", at_line(), hint))
    refuse_options("eigh", checks)
    part: Any = "L" if lower else "U"
    a = as_array(a)
    if b is not None:
        factor = np.linalg.cholesky(_whole(as_array(b), lower))
        half = np.linalg.solve(factor, _whole(a, lower))
        a, part = np.linalg.solve(factor, adjoint(half)), "L"
    if eigvals_only:
        return np.linalg.eigvalsh(a, part)
    w, v = np.linalg.eigh(a, part)
    return w, v if b is None else np.linalg.solve(adjoint(factor), v)


def eigvalsh(a: Any, b: Any = None, *, lower: bool = True, **checks: Any) -> Any:
    """Return the eigenvalues of a symmetric matrix, or of a v = w b v, ascending."""
    return eigh(a, b, lower=lower, eigvals_only=True, **checks)


def eig(a: Any, b: Any = None, left: bool = False, right: bool = True, **checks: Any) -> Any:
    """Return the eigenvalues and the vectors of a square matrix, all complex, as SciPy has them.

    Of two matrices they are those of a v = w b v, vectors of length 1. Raises TypeError for left vectors.

    >>> eig(np.diag([2.0, 3.0]), np.diag([1.0, 2.0]))[0]
    array([2. +0.j, 1.5+0.j])
    """
    if left or not right:
        hint = "eigvals(a, b) without vectors, eig(a.T) for the left ones"
        raise TypeError(lesson("eig(a, b)", "has the right vectors", "others", at_line(), hint))
    refuse_options("eig", checks)
    w, v = np.linalg.eig(_divided(a, b))
    return w + 0j, v


def _divided(a: Any, b: Any) -> Any:
    return as_array(a) if b is None else np.linalg.solve(as_array(b), as_array(a))


def eigvals(a: Any, b: Any = None, **checks: Any) -> Any:
    """Return the eigenvalues of a square matrix, or of a v = w b v, complex."""
    refuse_options("eigvals", checks)
    return np.linalg.eigvals(_divided(a, b)) + 0j


def svd(a: Any, full_matrices: bool = True, compute_uv: Any = True, **checks: Any) -> Any:
    """Return U, the singular values and V^H of a = U diag(s) V^H, or the values alone."""
    refuse_options("svd", checks)
    return np.linalg.svd(as_array(a), full_matrices=full_matrices, compute_uv=compute_uv)


def svdvals(a: Any, **checks: Any) -> Any:
    """Return the singular values, the largest first."""
    refuse_options("svdvals", checks)
    return np.linalg.svdvals(as_array(a))


def qr(a: Any, *, mode: str = "full", **checks: Any) -> Any:
    """Return Q and R of a = Q R; `mode` is "full", "economic" or "r", which is R alone in a tuple.

    >>> [x.shape for x in qr(np.ones((3, 2)), mode="economic")]
    [(3, 2), (2, 2)]
    """
    modes: dict[str, Any] = {"full": "complete", "economic": "reduced", "r": "reduced"}
    if mode not in modes or checks.get("pivoting"):
        raise ValueError(lesson("qr(mode=)", "is 'full', 'economic' or 'r', without pivots", repr(mode)))
    refuse_options("qr", checks)
    q, r = np.linalg.qr(as_array(a), mode=modes[mode])
    if mode == "r":
        rows = as_array(a).shape[-2] - r.shape[-2]
        return (np.concatenate([r, np.zeros((*r.shape[:-2], rows, r.shape[-1]), r.dtype)], axis=-2),)
    return q, r


def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, **checks: Any) -> Any:
    """Return the pseudoinverse: singular values up to the larger of atol and rtol times the largest are 0.

    >>> pinv(np.array([[1.0], [1.0]]))
    array([[0.5, 0.5]])
    """
    refuse_options("pinv", checks)
    a = as_array(a)
    if atol is not None or return_rank:
        hint = "rtol=, a share of the largest, and np.linalg.matrix_rank"
        raise TypeError(lesson("pinv(a)", "has no atol= and no rank with gradients", "one", at_line(), hint))
    eps = np.finfo(a.dtype if a.dtype.kind in "fc" else np.float64).eps
    return np.linalg.pinv(a, rtol=max(a.shape[-2:]) * eps if rtol is None else rtol)


def lstsq(a: Any, b: Any, cond: Any = None, **checks: Any) -> tuple[Any, Any, Any, Any]:
    """Return the x of least |a x - b|, residuals, rank, singular values; `cond` is a share of the largest.

    >>> lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))[0].round(12)
    array([2.])
    """
    refuse_options("lstsq", checks)
    a = as_array(a)
    eps = np.finfo(a.dtype if a.dtype.kind in "fc" else np.float64).eps
    x, left, rank, s = np.linalg.lstsq(a, as_array(b), eps if cond is None else cond)
    return x, left if as_array(b).ndim > 1 or not left.shape[0] else left[0], rank, s


def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, **checks: Any) -> Any:
    """Return a norm of vectors or matrices: `numpy.linalg.norm`."""
    refuse_options("norm", checks)
    return np.linalg.norm(as_array(a), ord, axis, keepdims)


def polar(a: Any, side: str = "right") -> tuple[Any, Any]:
    """Return u with orthogonal rows or columns and a positive p: a = u p, or p u for `side` "left".

    >>> polar(np.diag([2.0, -3.0]))[1].round(12)
    array([[2., 0.],
           [0., 3.]])
    """
    if side not in ("right", "left"):
        raise ValueError(lesson("polar(side=)", "is 'right' or 'left'", repr(side)))
    w, s, vh = np.linalg.svd(as_array(a), full_matrices=False)
    u = w @ vh
    if side == "right":
        return u, (adjoint(vh) * np.expand_dims(s, -2)) @ vh
    return u, (w * np.expand_dims(s, -2)) @ adjoint(w)


# --- equations of control -----------------------------------------------------------------------------------
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """Return the x of a x + x a^H = q."""
    a = as_array(a)
    return solve_sylvester(a, adjoint(a), as_array(q))


def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Any:
    """Return the x of a x a^H - x + q = 0, by a system of as many equations as x has entries.

    >>> solve_discrete_lyapunov(0.5 * np.eye(1), np.array([[3.0]]))
    array([[4.]])
    """
    if method not in (None, "direct", "bilinear"):
        hint = "None: both solve the same equation"
        called, wanted = "solve_discrete_lyapunov(method=)", "is 'direct', 'bilinear' or None"
        raise ValueError(lesson(called, wanted, repr(method), at_line(), hint))
    return discrete_lyapunov(as_array(a), as_array(q))


def _gain(x: Any, a: Any, b: Any, r: Any, discrete: bool) -> tuple[Any, Any]:
    """Return the gain k of the optimal control u = -k x, and the matrix of what is controlled, a - b k."""
    k = np.linalg.solve(r + b.T @ x @ b, b.T @ x @ a) if discrete else np.linalg.solve(r, b.T @ x)
    return k, a - b @ k


def _floats(*given: Any) -> Any:
    """Return the dtype of floats for these: SciPy answers single ones with double ones."""
    return np.result_type(*given, np.float32)


def _riccati(name: str, discrete: bool) -> tuple[Any, ...]:
    """The rules by a, b, q and r, from dx = c^T dx c + w (or c^T dx + dx c = -w) with c = a - b k."""

    def sent(g: Any, x: Any, a: Any, b: Any, r: Any) -> tuple[Any, Any, Any]:
        k, c = _gain(x, a, b, r, discrete)
        s = solve_discrete_lyapunov(c, g) if discrete else -solve_continuous_lyapunov(c, g)
        return s, k, x @ c if discrete else x

    def by_a(g: Any, x: Any, a: Any, b: Any, q: Any, r: Any) -> Any:
        s, _, through = sent(g, x, a, b, r)
        return through @ (s + s.T)

    def by_b(g: Any, x: Any, a: Any, b: Any, q: Any, r: Any) -> Any:
        s, k, through = sent(g, x, a, b, r)
        return -(through @ (s + s.T) @ k.T)

    def by_q(g: Any, x: Any, a: Any, b: Any, q: Any, r: Any) -> Any:
        return sent(g, x, a, b, r)[0]

    def by_r(g: Any, x: Any, a: Any, b: Any, q: Any, r: Any) -> Any:
        s, k, _ = sent(g, x, a, b, r)
        return k @ s @ k.T

    return by_a, by_b, by_q, by_r


# One state, one push: q and r are symmetric, and numerical differences change single entries.
_CONTROL: Any = (tuple(np.array([[number]]) for number in (0.4, 0.7, 1.2, 1.5)), {})


@define(
    "solve_continuous_are",
    "opaque",
    *_riccati("solve_continuous_are", discrete=False),
    facts=Facts(kinks=False),
    examples=(_CONTROL,),
)
def solve_continuous_are(a: Any, b: Any, q: Any, r: Any) -> Any:
    """The x of a^T x + x a - x b r^-1 b^T x + q = 0 that holds the system stable, of real matrices.

    q and r are symmetric: what gradients they receive is for steps that leave them so.

    >>> solve_continuous_are(np.zeros((1, 1)), np.eye(1), np.eye(1), 4 * np.eye(1)).round(12)
    array([[2.]])
    """
    return (
        _scipys().solve_continuous_are(a, b, q, r).astype(np.result_type(a, b, q, r, np.float32), copy=False)
    )


@define(
    "solve_discrete_are",
    "opaque",
    *_riccati("solve_discrete_are", discrete=True),
    facts=Facts(kinks=False),
    examples=(_CONTROL,),
)
def solve_discrete_are(a: Any, b: Any, q: Any, r: Any) -> Any:
    """The x of a^T x a - x - a^T x b (r + b^T x b)^-1 b^T x a + q = 0 that holds the system stable.

    Of real matrices; q and r are symmetric: what gradients they receive is for steps that leave them so.

    >>> solve_discrete_are(np.zeros((1, 1)), np.eye(1), 3 * np.eye(1), np.eye(1))
    array([[3.]])
    """
    return _scipys().solve_discrete_are(a, b, q, r).astype(_floats(a, b, q, r), copy=False)


__getattr__, __dir__ = reader("linalg", [*globals()])
