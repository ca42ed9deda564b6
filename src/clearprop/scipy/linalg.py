"""`scipy.linalg`: triangular systems, Cholesky factors, functions of matrices, matrices of a form."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from clearprop.batch import stacked
from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.ops.shape import as_array
from clearprop.registry import ops

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
    """Return the Cholesky factor of a symmetric matrix, whose upper (or lower) triangle is read, and `lower`.

    The other triangle of the factor holds zeros.

    >>> cho_factor(np.array([[4.0, 2.0], [2.0, 5.0]]))
    (array([[2., 1.],
           [0., 2.]]), False)
    """
    a = as_array(a)
    whole = np.tril(a) + _turned(np.tril(a, -1)) if lower else np.triu(a) + _turned(np.triu(a, 1))
    factor = np.linalg.cholesky(whole)
    return (factor if lower else _turned(factor)), lower


def cho_solve(c_and_lower: tuple[Any, bool], b: Any, **checks: Any) -> Any:
    """Return the x of a x = b from the factor of `a` that `cho_factor` gives.

    >>> cho_solve(cho_factor(np.array([[4.0, 0.0], [0.0, 2.0]])), np.array([4.0, 4.0])).round(12)
    array([1., 2.])
    """
    c, lower = c_and_lower
    between = solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(c, between, trans=1 if lower else 0, lower=lower)


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


@define("logm", "opaque", _by_blocks("logm"), facts=_ANALYTIC, examples=(((_SQUARE,), {}),))
def logm(a: Any) -> Any:
    """The principal logarithm of a square matrix without eigenvalues at 0.

    Square roots bring the matrix near the unit matrix, where log(1 + x) is the integral of x / (1 + t x).
    SciPy's own draws random numbers to estimate norms, so that no two of its results are equal.
    [N. J. Higham, Functions of Matrices, SIAM 2008, chapter 11]

    >>> logm(np.eye(2))
    array([[0., 0.],
           [0., 0.]])
    """
    one, root, halvings = np.eye(a.shape[-1]), a, 0
    while np.linalg.norm(root - one, 1) > 0.25 and halvings < 64:
        root, halvings = _scipys().sqrtm(root), halvings + 1
    x = root - one
    places, weights = np.polynomial.legendre.leggauss(8)
    total: Any = sum(
        w / 2 * np.linalg.solve(one + (1 + p) / 2 * x, x) for p, w in zip(places, weights, strict=True)
    )
    z = 2.0**halvings * total
    return z.astype(np.result_type(a.dtype, z.dtype) if z.dtype.kind == "c" else a.dtype)


@define("sqrtm", "opaque", _by_blocks("sqrtm"), facts=_ANALYTIC, examples=(((_SQUARE,), {}),))
def sqrtm(a: Any) -> Any:
    """The principal square root of a square matrix that has no eigenvalue 0.

    >>> sqrtm(np.diag([4.0, 9.0]))
    array([[2., 0.],
           [0., 3.]])
    """
    return _scipys().sqrtm(a)


# --- matrices of a form -------------------------------------------------------------------------------------
def toeplitz(c: Any, r: Any = None) -> Any:
    """Return the matrix whose diagonals are constant: its first column `c`, its first row `r` (c conjugated).

    >>> toeplitz(np.array([1.0, 2.0]), np.array([9.0, 3.0]))
    array([[1., 3.],
           [2., 1.]])
    """
    c = np.ravel(as_array(c))
    r = np.conjugate(c) if r is None else np.ravel(as_array(r))
    places = np.arange(c.size)[:, None] - np.arange(r.size)
    entries = np.concatenate([np.flip(r[1:]), c])  # from the upper right corner to the lower left
    return np.take(entries, places + r.size - 1)


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
