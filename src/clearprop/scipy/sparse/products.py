"""Sparse matrices of `scipy.sparse` as constants in products with Tensors: `S @ t` and `t @ S`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts, stays_a_call
from clearprop.op import describe
from clearprop.registry import ops


class Matrix:
    """A sparse matrix as an attribute of an op: two of one text are the same to the compiler."""

    def __init__(self, matrix: Any) -> None:
        self.matrix: Any = matrix

    def __repr__(self) -> str:
        return f"<sparse {self.matrix.shape} {self.matrix.dtype} {id(self.matrix):x}>"


@define(
    "sparse_matmul",
    "opaque",
    lambda g, z, x, matrix: ops["sparse_matmul"](g, matrix=Matrix(matrix.matrix.T)),
    facts=Facts(kinks=False, plane="analytic", lower=stays_a_call("a sparse matrix multiplies by SciPy")),
)
def sparse_matmul(x: Any, *, matrix: Any = None) -> Any:
    """The product of a sparse matrix, which is a constant, with a vector or a matrix: `S @ x`.

    >>> from clearprop import Tensor
    >>> import scipy.sparse
    >>> scipy.sparse.eye_array(2).tocsr() @ Tensor([1.0, 2.0])
    Tensor([1., 2.], op=sparse_matmul)
    """
    return np.asarray(matrix.matrix @ x)


def side_by_side(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run one product for all examples, which are columns beside each other."""
    x = np.moveaxis(xs[0], 0, -1)
    z = op(x.reshape((x.shape[0], math.prod(x.shape[1:]))), **attrs)
    return np.moveaxis(z.reshape((z.shape[0], *x.shape[1:])), -1, 0)


sparse_matmul.batch = side_by_side


def product(left: Any, right: Any) -> Any:
    """Return `left @ right`, of which one is sparse; ValueError for a Tensor of more than two axes."""
    sparse, x = (left, right) if hasattr(left, "tocsr") else (right, left)
    if x.ndim not in (1, 2):
        wanted = "wants a vector or a matrix beside a sparse matrix"
        raise ValueError(lesson("S @ t", wanted, describe(x), at_line(), "t.reshape((n, -1))"))
    if sparse is left:
        return ops["sparse_matmul"](x, matrix=Matrix(sparse))
    turned = x if x.ndim == 1 else np.swapaxes(x, 0, 1)
    found = ops["sparse_matmul"](turned, matrix=Matrix(sparse.T))
    return found if x.ndim == 1 else np.swapaxes(found, 0, 1)
