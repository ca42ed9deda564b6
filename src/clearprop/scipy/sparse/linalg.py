"""`scipy.sparse.linalg`: systems of equations with a sparse matrix, which is a constant."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts, stays_a_call
from clearprop.ops.shape import as_array
from clearprop.registry import ops
from clearprop.scipy.rest import reader
from clearprop.scipy.sparse.products import Matrix, side_by_side


@define(
    "sparse_solve",
    "opaque",
    lambda g, z, b, matrix: ops["sparse_solve"](g, matrix=Matrix(matrix.matrix.T)),
    facts=Facts(kinks=False, plane="analytic", lower=stays_a_call("a sparse matrix multiplies by SciPy")),
)
def sparse_solve(b: Any, *, matrix: Any = None) -> Any:
    """The x of S x = b for a sparse matrix, which is a constant."""
    found = importlib.import_module("scipy.sparse.linalg").spsolve(matrix.matrix.tocsc(), b)
    return np.asarray(found).reshape(b.shape)


sparse_solve.batch = side_by_side


def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    """Return the x of A x = b for a sparse matrix A, a constant, of one right-hand side or columns.

    Raises ValueError where A is not square or b does not fit; a singular one gives NaN and SciPy's warning.

    >>> import scipy.sparse
    >>> spsolve(2.0 * scipy.sparse.eye_array(2).tocsc(), np.array([2.0, 4.0]))
    array([1., 2.])
    """
    b = as_array(b)
    if not hasattr(A, "tocsc"):
        hint = "np.linalg.solve(A, b)"
        raise TypeError(lesson("spsolve(A, b)", "wants a sparse matrix", type(A).__name__, at_line(), hint))
    if A.shape[0] != A.shape[1] or b.ndim not in (1, 2) or b.shape[0] != A.shape[0]:
        wanted = "wants a square matrix and right-hand sides of its length"
        raise ValueError(lesson("spsolve(A, b)", wanted, f"{A.shape} and {b.shape}", at_line()))
    wide = np.result_type(A.dtype, b.dtype, np.float32)
    return ops["sparse_solve"](b if b.dtype == wide else b.astype(wide), matrix=Matrix(A))


__getattr__, __dir__ = reader("sparse.linalg", [*globals()])
