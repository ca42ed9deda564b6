"""`scipy.linalg`: systems of equations by their factors or their form: LU, bands, Toeplitz, circulant."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from clearprop.batch import stacked
from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts
from clearprop.ops.decomposition import adjoint, turned
from clearprop.ops.shape import as_array, constant, known
from clearprop.registry import ops

_SQUARE = np.array([[0.3, 2.0, -0.2], [1.5, 0.1, 0.4], [0.3, -0.1, 2.5]])
_BANDS = np.array([[9.0, 0.3, -0.2, 0.5], [2.0, 1.5, 2.5, 1.8], [0.4, -0.3, 0.2, 9.0]])
_HOW = {"check_finite", "debug", "driver", "lapack_driver", "lwork", "turbo"}  # these change no result


def _scipys() -> Any:
    return importlib.import_module("scipy.linalg")


def refuse_options(called: str, checks: dict[str, Any]) -> None:
    """Raise TypeError for an argument that would change the result, and is not here."""
    for name, value in checks.items():
        if name not in _HOW and not name.startswith("overwrite_") and value not in (None, False):
            raise TypeError(lesson(f"{called}(...)", f"has no {name}= with gradients", f"{value!r}"[:40]))


# --- LU -----------------------------------------------------------------------------------------------------
def _lower(z: Any) -> Any:
    return np.tril(z, -1) + np.eye(z.shape[-1], dtype=z.dtype)


def _lu_rule(g: Any, z: Any, x: Any) -> Any:
    """P L^-H (tril(L^H gL, -1) + triu(gU U^H)) U^-H, from a step that leaves the order of the rows."""
    low, up = _lower(z), np.triu(z)
    inner = np.tril(adjoint(low) @ np.tril(g, -1), -1) + np.triu(np.triu(g) @ adjoint(up))
    between = ops["solve"](adjoint(low), inner)
    d = adjoint(ops["solve"](up, adjoint(between)))
    back = np.argsort(ops["order_of_pivots"](ops["lu_pivots"](x)), axis=-1)
    return np.take_along_axis(d, np.expand_dims(back, -1), axis=-2)


@define(
    "lu_factors",
    "opaque",
    _lu_rule,
    facts=Facts(kinks=False, plane="stated"),
    examples=(((_SQUARE,), {}), ((np.stack([_SQUARE, _SQUARE.T + 0.5]),), {})),
)
def lu_factors(x: Any) -> Any:
    """U, and below its diagonal L without its ones: the rows of x in the order of the pivots are L U."""
    return _scipys().lu_factor(x)[0]


@define("lu_pivots", "opaque", None, facts=Facts(kinks=False), examples=(((_SQUARE,), {}),))
def lu_pivots(x: Any) -> Any:
    """With which row each row was exchanged in turn; no gradient."""
    return np.asarray(_scipys().lu_factor(x)[1])


@define("order_of_pivots", "opaque", None, facts=Facts(kinks=False), examples=(((np.array([1, 1, 2]),), {}),))
def order_of_pivots(pivots: Any) -> Any:
    """The order of rows that exchanges in turn lead to; no gradient.

    >>> order_of_pivots(np.array([1, 1, 2]))
    array([1, 0, 2])
    """
    order = np.broadcast_to(np.arange(pivots.shape[-1]), pivots.shape).copy()
    for place in np.ndindex(order.shape[:-1]):
        for i, k in enumerate(pivots[place]):
            order[place][[i, k]] = order[place][[k, i]]
    return order


for _op in (lu_factors, lu_pivots, order_of_pivots):
    _op.batch = stacked


def _square(called: str, a: Any) -> Any:
    a = as_array(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(lesson(called, "wants square matrices", f"{a.shape}", at_line()))
    return a if a.dtype.kind in "fc" else a.astype(np.float64)


def lu_factor(a: Any, **checks: Any) -> tuple[Any, Any]:
    """Return L and U in one square matrix, and the pivots: with which row each was exchanged.

    Raises ValueError for a matrix that is not square.

    >>> lu_factor(np.array([[1.0, 2.0], [4.0, 4.0]]))
    (array([[4.  , 4.  ],
           [0.25, 1.  ]]), array([1, 1], dtype=int32))
    """
    refuse_options("lu_factor", checks)
    a = _square("lu_factor(a)", a)
    return ops["lu_factors"](a), ops["lu_pivots"](a)


def lu_solve(lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, **checks: Any) -> Any:
    """Return the x of a x = b from the factors of `lu_factor`; `trans` 1 and 2 solve with a^T and a^H.

    >>> lu_solve(lu_factor(np.array([[1.0, 2.0], [4.0, 4.0]])), np.array([3.0, 8.0]))
    array([1., 1.])
    """
    refuse_options("lu_solve", checks)
    lu, b = as_array(lu_and_piv[0]), as_array(b)
    line = b.ndim == 1
    order = np.expand_dims(ops["order_of_pivots"](as_array(lu_and_piv[1])), -1)
    low, up = _lower(lu), np.triu(lu)
    b = np.expand_dims(b, -1) if line else b
    stack = np.broadcast_shapes(lu.shape[:-2], b.shape[:-2])
    b, order = (np.broadcast_to(v, (*stack, *v.shape[-2:])) for v in (b, order))
    if trans == 0:
        x = np.linalg.solve(up, np.linalg.solve(low, np.take_along_axis(b, order, axis=-2)))
    elif trans in (1, 2):
        of = turned if trans == 1 else adjoint
        x = np.linalg.solve(of(low), np.linalg.solve(of(up), b))
        x = np.take_along_axis(x, np.argsort(order, axis=-2), axis=-2)
    else:
        raise ValueError(lesson("lu_solve(trans=)", "is 0, 1 or 2", repr(trans), at_line()))
    return x[..., 0] if line else x


def lu(a: Any, permute_l: bool = False, p_indices: bool = False, **checks: Any) -> tuple[Any, ...]:
    """Return P, L and U of a square a = P L U: P as a matrix, as indices, or within L.

    >>> [x.tolist() for x in lu(np.array([[1.0, 2.0], [4.0, 4.0]]), p_indices=True)]
    [[1, 0], [[1.0, 0.0], [0.25, 1.0]], [[4.0, 4.0], [0.0, 1.0]]]
    """
    refuse_options("lu", checks)
    factors, pivots = lu_factor(a)
    back = np.argsort(ops["order_of_pivots"](pivots), axis=-1)
    low, up = _lower(factors), np.triu(factors)
    if permute_l:
        return np.take_along_axis(low, np.expand_dims(back, -1), axis=-2), up
    if p_indices:
        return back.astype(np.int32), low, up
    kind = np.empty(0, low.dtype).real.dtype
    return (np.expand_dims(back, -1) == np.arange(low.shape[-1])).astype(kind), low, up


# --- bands --------------------------------------------------------------------------------------------------
def _slid(row: Any, by: int) -> Any:
    """Return the last axis moved `by` places to the right, zeros where nothing comes from."""
    n = row.shape[-1]
    by = max(-n, min(by, n))
    kept = row[..., max(-by, 0) : n - max(by, 0)]
    return np.pad(kept, [(0, 0)] * (row.ndim - 1) + [(max(by, 0), max(-by, 0))])


def _turned_bands(ab: Any, low: int, up: int) -> Any:
    """Return the bands of the transposed matrix."""
    return np.stack([_slid(ab[up + d], d) for d in range(low, -up - 1, -1)])


def _banded_back(g: Any, ab: Any, low: int, up: int) -> Any:
    return ops["solve_banded"](_turned_bands(ab, low, up), g, low=up, up=low)


def _by_bands(g: Any, z: Any, ab: Any, b: Any, low: int, up: int) -> Any:
    back = _banded_back(g, ab, low, up)
    back, z = (np.expand_dims(v, -1) if v.ndim == 1 else v for v in (back, z))
    return -np.stack([_slid_product(back, z, d) for d in range(-up, low + 1)])


def _slid_product(back: Any, z: Any, d: int) -> Any:
    """Return the sum over right-hand sides of back[j + d] z[j], for each j."""
    return np.sum(_slid(turned(back), -d) * turned(z), axis=0)


@define(
    "solve_banded",
    "opaque",
    _by_bands,
    lambda g, z, ab, b, low, up: _banded_back(g, ab, low, up),
    facts=Facts(kinks=False, plane="analytic"),
    examples=(((_BANDS, np.array([1.0, -0.5, 2.0, 0.3])), {"low": 1, "up": 1}),
              ((_BANDS, np.ones((4, 2))), {"low": 0, "up": 2})),
)  # fmt: skip
def banded(ab: Any, b: Any, *, low: int = 0, up: int = 0) -> Any:
    """The x of a x = b, a having `low` bands below its diagonal and `up` above: ab[up + i - j, j] is a[i, j].

    >>> banded(np.array([[2.0, 4.0]]), np.array([2.0, 8.0]))
    array([1., 2.])
    """
    z = _scipys().solve_banded((low, up), ab, b)
    return z.astype(np.result_type(ab, b, np.float32), copy=False)


def solve_banded(l_and_u: tuple[int, int], ab: Any, b: Any, **checks: Any) -> Any:
    """Return the x of a x = b for a matrix of bands, ab[u + i - j, j] = a[i, j], in linear time.

    Raises ValueError where rows and bands differ in number, LinAlgError for a singular matrix.

    >>> solve_banded((0, 1), np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([3.0, 4.0]))
    array([1., 1.])
    """
    refuse_options("solve_banded", checks)
    low, up = map(int, l_and_u)
    ab, b = as_array(ab), as_array(b)
    if ab.ndim != 2 or ab.shape[0] != low + up + 1 or b.ndim not in (1, 2) or b.shape[0] != ab.shape[1]:
        wanted = f"wants {low + up + 1} bands, as long as there are equations"
        raise ValueError(
            lesson("solve_banded((l, u), ab, b)", wanted, f"{ab.shape} and {b.shape}", at_line())
        )
    return ops["solve_banded"](ab, b, low=low, up=up)


def solveh_banded(
    ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False, lower: bool = False, **checks: Any
) -> Any:
    """Return the x of a x = b for a positive definite matrix whose upper bands are given, or the lower ones.

    Raises LinAlgError where it is not positive definite (a recorded step cannot ask, and solves the system).

    >>> solveh_banded(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([3.0, 4.0])).round(12)
    array([1., 1.])
    """
    refuse_options("solveh_banded", checks)
    ab = as_array(ab)
    width = ab.shape[0] - 1
    if known(ab) and ab.size:
        _scipys().cholesky_banded(constant(ab), lower=lower)  # raises it
    if lower:
        above = [np.conjugate(_slid(ab[d], d)) for d in range(width, 0, -1)]
        return solve_banded((width, width), np.concatenate([np.stack([*above, ab[0]]), ab[1:]]), b)
    below = [np.conjugate(_slid(ab[width - d], -d)) for d in range(1, width + 1)]
    return solve_banded((width, width), np.concatenate([ab, np.stack(below)]) if below else ab, b)


# --- solve(assume_a=) ---------------------------------------------------------------------------------------
def by_diagonal(a: Any, b: Any) -> Any:
    """Return the x of a x = b, of which the diagonal is read alone; LinAlgError where it holds a 0."""
    d = np.diagonal(a, axis1=-2, axis2=-1)
    if known(d) and np.any(constant(d) == 0):
        raise np.linalg.LinAlgError(
            lesson("solve(a, b)", "wants a matrix that is not singular", "a 0", at_line())
        )
    if b.ndim == 1:
        return b / d
    return b / np.expand_dims(d, -1)


def discrete_lyapunov(a: Any, q: Any) -> Any:
    """Return the x of a x a^H - x + q = 0 for each matrix of a stack, as one system of n^2 equations."""
    n = a.shape[-1]
    product = np.einsum("...ij,...kl->...ikjl", a, np.conjugate(a))
    system = np.eye(n * n) - product.reshape((*a.shape[:-2], n * n, n * n))
    z = np.linalg.solve(system, q.reshape((*q.shape[:-2], n * n, 1)))
    return z.reshape((*z.shape[:-2], n, n))
