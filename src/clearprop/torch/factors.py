"""Factors of matrices in PyTorch's forms: LU with its pivots, reflections, and what old programs call."""

from __future__ import annotations

import importlib
import math
from collections import namedtuple
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.torch.algebra import LINALG
from clearprop.torch.names import FUNCTIONS, PLAIN, function, plain
from clearprop.torch.reducing import returned
from clearprop.torch.tensors import lift, through

_LU = namedtuple("_LU", ("P", "L", "U"))
_Compact = namedtuple("_Compact", ("LU", "pivots"))
_Decomposed = namedtuple("_Decomposed", ("U", "S", "V"))
_Triangular = namedtuple("_Triangular", ("solution", "cloned_coefficient"))


# --- LU ----------------------------------------------------------------------------------------------------
def _lu(A: Any, *, pivot: bool = True) -> Any:
    """Return P, L and U with P L U = A: rows in another order, and two triangles; needs SciPy."""
    if not pivot:
        wanted, hint = "wants pivots: without them there may be no factors", "pivot=True"
        raise RuntimeError(lesson("torch.linalg.lu(A, pivot=False)", wanted, "False", hint=hint))
    from clearprop.scipy import linalg

    square = through(linalg.lu, "linalg_lu")
    rows, columns = A.shape[-2:]
    triangle = LINALG["solve_triangular"]
    if rows < columns:  # the first columns say all of the order
        P, L, _ = square(A[..., :rows])
        return _LU(P, L, triangle(L, P.mT @ A, upper=False, unitriangular=True))
    if rows == columns:
        return _LU(*square(A))
    lu = importlib.import_module("scipy.linalg").lu

    P = lift(lu(A.node._value)[0])
    ordered = P.mT @ A
    _, L, U = square(ordered[..., :columns, :])
    below = triangle(U, ordered[..., columns:, :], upper=True, left=False)
    return _LU(P, PLAIN["cat"]((L, below), -2), U)


def _lu_factor(A: Any, *, pivot: bool = True) -> Any:
    """Return both triangles in one matrix, and with which row each row was exchanged, counted from 1."""
    P, L, U = _lu(A, pivot=pivot)
    rows, columns = A.shape[-2:]
    least = min(rows, columns)
    pad = PLAIN["zeros"]
    below = FUNCTIONS["tril"](L, -1)
    if rows < columns:
        below = PLAIN["cat"]((below, pad(*below.shape[:-1], columns - rows, dtype=A.dtype)), -1)
    if rows > columns:
        U = PLAIN["cat"]((U, pad(*U.shape[:-2], rows - columns, columns, dtype=A.dtype)), -2)
    orders = P.node._value.argmax(axis=-2).reshape(-1, rows)
    pivots = [_exchanges(order)[:least] for order in orders]
    found = np.array(pivots, np.int32).reshape((*A.shape[:-2], least))
    return _Compact(below + U, lift(found))


def _exchanges(order: Any) -> list[int]:
    """Return with which row, counted from 1, each row changes places one after the other for an order."""
    now, found = [*range(len(order))], []
    for i, wanted in enumerate(order):
        j = now.index(int(wanted))
        now[i], now[j] = now[j], now[i]
        found.append(j + 1)
    return found


def _permutations(pivots: Any, rows: int) -> Any:
    """Return the matrices P of exchanges of rows."""
    given = pivots.node._value
    found = []
    for exchanges in given.reshape(-1, given.shape[-1]):
        order = [*range(rows)]
        for i, j in enumerate(exchanges):
            order[i], order[j - 1] = order[j - 1], order[i]
        found.append(np.eye(rows)[:, order])
    return np.array(found).reshape((*given.shape[:-1], rows, rows))


@plain
def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """Return P, L and U of what `torch.linalg.lu_factor` gives."""
    rows, columns = LU_data.shape[-2:]
    least = min(rows, columns)
    nothing = PLAIN["zeros"](0, dtype=LU_data.dtype)
    P = L = U = nothing
    if unpack_pivots:
        P = lift(_permutations(LU_pivots, rows).astype(LU_data.node.dtype))
    if unpack_data:
        L = FUNCTIONS["tril"](LU_data[..., :least], -1) + PLAIN["eye"](rows, least, dtype=LU_data.dtype)
        U = FUNCTIONS["triu"](LU_data[..., :least, :])
    return _LU(P, L, U)


def _lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """Return the X with A X = B of the factors of A; X A = B for `left=False`, A^T for `adjoint`."""
    if not left:
        return _lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    P, L, U = lu_unpack(LU, pivots)
    solved = LINALG["solve_triangular"]
    if adjoint:
        half = solved(U.mT, B, upper=False)
        return P @ solved(L.mT, half, upper=True, unitriangular=True)
    half = solved(L, P.mT @ B, upper=False, unitriangular=True)
    return solved(U, half, upper=True)


@function
def lu_solve(b: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """Return the x with A x = b of what `torch.linalg.lu_factor` gives of A."""
    return _lu_solve(LU_data, LU_pivots, b)


# --- reflections, and tensors as matrices ------------------------------------------------------------------
def _householder_product(A: Any, tau: Any) -> Any:
    """Return the first columns of a product of reflections I - tau v v^T, v below the diagonal."""
    rows, columns = A.shape[-2:]
    if columns > rows or tau.shape[-1] > columns:
        called, got = "torch.linalg.householder_product(A, tau)", f"{tuple(A.shape)}, {tuple(tau.shape)}"
        raise RuntimeError(lesson(called, "wants as many rows as columns, and no more tau", got, hint="A.mT"))
    vectors = FUNCTIONS["tril"](A, -1) + PLAIN["eye"](rows, columns, dtype=A.dtype)
    found = PLAIN["eye"](rows, columns, dtype=A.dtype)
    for i in range(tau.shape[-1] - 1, -1, -1):
        v = vectors[..., i, None]
        found = found - tau[..., i, None, None] * (v @ (v.mT @ found))
    return found


def _tensorinv(A: Any, ind: int = 2) -> Any:
    """Return the inverse of a tensor as a matrix: its first `ind` axes are the rows."""
    rows, columns = A.shape[:ind], A.shape[ind:]
    if ind < 1 or math.prod(rows) != math.prod(columns):
        wanted, got = "wants as many entries before `ind` as from it on", f"{tuple(A.shape)}, ind={ind}"
        raise RuntimeError(lesson("torch.linalg.tensorinv(A, ind)", wanted, got, hint="another ind"))
    inverse = LINALG["inv"](A.reshape(math.prod(rows), math.prod(columns)))
    return inverse.reshape(*columns, *rows)


def _tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """Return the X with tensordot(A, X, X.ndim) = B, the axes `dims` of A moved to its end first."""
    if dims is not None:
        A = FUNCTIONS["movedim"](A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    wanted = A.shape[B.ndim :]
    if math.prod(wanted) != B.node.size:
        got = f"{tuple(A.shape)} and {tuple(B.shape)}"
        raise RuntimeError(
            lesson("torch.linalg.tensorsolve(A, B)", "wants a square matrix", got, hint="dims=")
        )
    return LINALG["solve"](A.reshape(B.node.size, -1), B.reshape(-1)).reshape(*wanted)


# --- old names ---------------------------------------------------------------------------------------------
@function
def svd(x: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """Return U, the singular values, and V (not its transpose, which `torch.linalg.svd` gives)."""
    if not compute_uv:
        rows, columns = x.shape[-2:]
        none = [PLAIN["zeros"](*x.shape[:-2], n, n, dtype=x.dtype) for n in (rows, columns)]
        return _Decomposed(none[0], LINALG["svdvals"](x), none[1])
    U, S, Vh = LINALG["svd"](x, not some)
    return _Decomposed(U, S, Vh.mT)


@function
def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """Return the x with A x = b (A^T x = b where `transpose` says so) of a triangle, and A."""
    matrix, above = (A.mT, not upper) if transpose else (A, upper)
    side = FUNCTIONS["triu" if above else "tril"](matrix)
    solution = LINALG["solve_triangular"](side, b, upper=above, unitriangular=unitriangular)
    return _Triangular(solution, FUNCTIONS["clone"](A))


@function
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """Return the inverse of L L^T, of a lower triangle L, or of U^T U."""
    triangle = FUNCTIONS["triu" if upper else "tril"](x)
    return LINALG["inv"](triangle.mT @ triangle if upper else triangle @ triangle.mT)


@function
def orgqr(x: Any, input2: Any) -> Any:
    """Return `torch.linalg.householder_product` of x and its tau."""
    return _householder_product(x, input2)


def _no_eigenvalues(name: str) -> Any:
    def refused(A: Any) -> Any:
        wanted = "has complex results, and the numbers of these tensors are real"
        hint = f"torch.linalg.{name}h(A) of a symmetric matrix" if name == "eig" else ""
        hint = hint or "torch.linalg.eigvalsh(A) of a symmetric matrix"
        more = f"np.linalg.{name}(A.node), whose results are Tensors of clearprop with gradients"
        raise RuntimeError(lesson(f"torch.linalg.{name}(A)", wanted, f"{A.dtype}", hint=f"{hint}, or {more}"))

    return refused


LINALG |= {
    "lu": returned("linalg_lu", _lu),
    "lu_factor": returned("linalg_lu_factor", _lu_factor),
    "lu_solve": _lu_solve,
    "householder_product": _householder_product,
    "tensorinv": _tensorinv,
    "tensorsolve": _tensorsolve,
    "eig": _no_eigenvalues("eig"),
    "eigvals": _no_eigenvalues("eigvals"),
}
PLAIN["lu_unpack"] = returned("lu_unpack", lu_unpack)
FUNCTIONS["svd"] = returned("svd", svd)
FUNCTIONS["triangular_solve"] = returned("triangular_solve", triangular_solve)
