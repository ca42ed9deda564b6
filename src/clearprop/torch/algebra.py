"""Products and linear algebra, and `torch.linalg`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.torch import dtypes
from clearprop.torch.names import FUNCTIONS, PLAIN, function, plain
from clearprop.torch.pointwise import alike
from clearprop.torch.reducing import norm, returned
from clearprop.torch.tensors import Tensor, kept_apart, lift, through, xp


def _nodes(called: str, *xs: Any) -> list[Any]:
    """Return the nodes of tensors of one dtype; RuntimeError for others, as in PyTorch."""
    kinds: dict[Any, Any] = {}
    for x in xs:
        if not isinstance(x, Tensor):
            raise TypeError(
                lesson(f"torch.{called}", "wants tensors", type(x).__name__, hint="torch.tensor(x)")
            )
        kinds[x.node._value.dtype] = x
    if len(kinds) > 1:
        wanted = "expected tensors of the same dtype"
        got = " and ".join(str(dtypes.of(kind)) for kind in sorted(kinds, key=str))
        raise RuntimeError(lesson(f"torch.{called}", wanted, got, hint="x.float(), or x.to(y.dtype)"))
    return kept_apart(*xs)


def _product(called: str, *ndims: int) -> Callable[..., Any]:
    """Return a product that takes tensors of so many axes only."""

    def product(x: Any, y: Any) -> Any:
        a, b = _nodes(called, x, y)
        if ndims and (a.ndim, b.ndim) != ndims:
            got = f"{tuple(a.shape)} and {tuple(b.shape)}"
            wanted = f"wants tensors of {ndims[0]} and {ndims[1]} axes"
            raise RuntimeError(lesson(f"torch.{called}(x, y)", wanted, got, hint="torch.matmul(x, y)"))
        try:
            return lift(a @ b, _MAKERS.get((a.ndim, b.ndim), "unsafe_view"))
        except ValueError as error:
            raise RuntimeError(*error.args) from error

    return product


_MAKERS = {(2, 2): "mm", (2, 1): "mv", (1, 1): "dot", (3, 3): "bmm", (1, 2): "squeeze"}
FUNCTIONS["matmul"] = _product("matmul")
FUNCTIONS["mm"], FUNCTIONS["bmm"] = _product("mm", 2, 2), _product("bmm", 3, 3)
FUNCTIONS["mv"] = _product("mv", 2, 1)
FUNCTIONS["dot"] = FUNCTIONS["inner_of_vectors"] = _product("dot", 1, 1)
del FUNCTIONS["inner_of_vectors"]


@function
def outer(x: Any, y: Any) -> Any:
    """Return all products of an entry of x and one of y."""
    a, b = alike(x, y)
    if a.ndim != 1 or b.ndim != 1:
        got = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise RuntimeError(lesson("torch.outer(x, y)", "wants two vectors", got, hint="x[..., None] * y"))
    return lift(a[:, None] * b[None, :], "mul")


FUNCTIONS["ger"] = outer


@function
def inner(x: Any, y: Any) -> Any:
    """Return the sums of products along the last axes."""
    if not (x.ndim and y.ndim):
        return FUNCTIONS["mul"](x, y)
    return lift(np.inner(*_nodes("inner", x, y)), "inner")


@function
def addmm(x: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta x + alpha mat1 @ mat2."""
    return _more(x, FUNCTIONS["mm"](mat1, mat2), beta, alpha)


@function
def addmv(x: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta x + alpha mat @ vec."""
    return _more(x, FUNCTIONS["mv"](mat, vec), beta, alpha)


@function
def baddbmm(x: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta x + alpha batch1 @ batch2, matrix by matrix."""
    return _more(x, FUNCTIONS["bmm"](batch1, batch2), beta, alpha)


@function
def addbmm(x: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta x + alpha times the sum of all products of a matrix of each."""
    return _more(x, FUNCTIONS["bmm"](batch1, batch2).sum(0), beta, alpha)


def _more(x: Any, product: Any, beta: Any, alpha: Any) -> Any:
    _nodes("addmm(x, a, b)", x, product)
    return beta * x + alpha * product


@plain
def einsum(equation: str, *operands: Any) -> Any:
    """Return Einstein's sum: axes of one letter are multiplied entry by entry, those left out are summed."""
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    return lift(np.einsum(equation.replace(" ", ""), *_nodes("einsum", *given)), "einsum")


@function
def tensordot(x: Any, y: Any, dims: Any = 2) -> Any:
    """Return the sum of products over pairs of axes."""
    return lift(xp.tensordot(*_nodes("tensordot", x, y), axes=dims), "tensordot")


@function
def kron(x: Any, y: Any) -> Any:
    """Return Kronecker's product."""
    return lift(np.kron(*alike(x, y)), "kron")


@function
def cross(x: Any, y: Any, dim: int = -1) -> Any:
    """Return the cross product of vectors of length 3."""
    a, b = _nodes("cross(x, y)", x, y)
    if a.ndim != b.ndim:
        got = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise RuntimeError(
            lesson("torch.cross(x, y)", "wants as many axes of both", got, hint="y.expand_as(x)")
        )
    return lift(xp.cross(a, b, axis=dim), "linalg_cross")


@function
def trace(x: Any) -> Any:
    """Return the sum of the diagonal."""
    return lift(np.trace(kept_apart(x)[0]), "trace")


@function
def cdist(x: Any, y: Any, p: float = 2.0) -> Any:
    """Return the distances of each row of x from each row of y."""
    nodes = _nodes("cdist(x, y)", x, y)
    if any(v.ndim < 2 or v.dtype.kind != "f" for v in nodes) or p < 0:
        got = f"{tuple(x.shape)}, {tuple(y.shape)}, {x.dtype}, p={p}"
        wanted = "wants rows of floating-point numbers, and p of 0 or more"
        raise RuntimeError(lesson("torch.cdist(x, y, p)", wanted, got, hint="x[None] for one row"))
    a, b = x.unsqueeze(-2), y.unsqueeze(-3)
    return norm(a - b, p, -1)


@plain
def chain_matmul(*matrices: Any) -> Any:
    """Return the product of matrices."""
    if len(matrices) == 1:
        return FUNCTIONS["clone"](matrices[0])
    return lift(np.linalg.multi_dot(_nodes("chain_matmul", *matrices)), "mm")


def _vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return norm(x, ord, dim, keepdim)


def _norm(x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Any:
    if ord is None or (ord == "fro" and dim is None):
        return norm(x, 2, dim, keepdim)
    return through(np.linalg.norm, "linalg_norm")(x, ord, axis=dim, keepdims=keepdim)


def _qr(x: Any, mode: str = "reduced") -> Any:
    return through(np.linalg.qr, "linalg_qr")(x, mode)


def _svd(x: Any, full_matrices: bool = True) -> Any:
    return through(np.linalg.svd, "linalg_svd")(x, full_matrices=full_matrices)


def _lstsq(x: Any, y: Any) -> Any:
    solution, residuals, rank, singular_values = through(np.linalg.lstsq, "linalg_lstsq")(x, y)
    return SimpleNamespace(solution=solution, residuals=residuals, rank=rank, singular_values=singular_values)


def _solve_triangular(a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """Return the x with a x = b (x a = b for `left=False`), of whose matrix one triangle is looked at."""
    if not left:
        return _solve_triangular(a.mT, b.mT, upper=not upper, unitriangular=unitriangular).mT
    side = FUNCTIONS["triu" if upper else "tril"]
    matrix = side(a, (1 if upper else -1) * unitriangular)
    if unitriangular:
        matrix = matrix + PLAIN["eye"](a.shape[-1], dtype=a.dtype)
    return LINALG["solve"](matrix, b)


@function
def cholesky_solve(b: Any, root: Any, upper: bool = False) -> Any:
    """Return the x with L L^T x = b, of the lower triangle L, or U^T U x = b of the upper."""
    first = _solve_triangular(root.mT if upper else root, b, upper=False)
    return _solve_triangular(root if upper else root.mT, first, upper=True)


_SAME = "inv det slogdet solve eigh eigvalsh cholesky pinv matrix_power matrix_rank cond multi_dot svdvals"
LINALG: dict[str, Callable[..., Any]] = {
    **{name: through(getattr(np.linalg, name), f"linalg_{name}") for name in _SAME.split()},
    "norm": _norm, "vector_norm": _vector_norm, "matrix_norm": _norm, "qr": _qr, "svd": _svd,
    "lstsq": _lstsq, "solve_triangular": _solve_triangular, "cross": cross, "matmul": FUNCTIONS["matmul"],
}  # fmt: skip
for _name in ("eigh", "qr", "svd"):
    LINALG[_name] = returned(f"linalg_{_name}", LINALG[_name])
LINALG["slogdet"] = returned("slogdet", LINALG["slogdet"])
for _name in ("det", "slogdet", "pinv", "matrix_power", "cholesky", "qr"):
    FUNCTIONS[_name] = LINALG[_name]
FUNCTIONS["inverse"] = LINALG["inv"]
FUNCTIONS["logdet"] = lambda x: LINALG["slogdet"](x)[1]
PLAIN["chain_matmul"] = chain_matmul
FUNCTIONS["pinverse"], FUNCTIONS["vdot"] = LINALG["pinv"], FUNCTIONS["dot"]


def matrix_exp(x: Any) -> Any:
    """Return e to the power of a matrix: 1 + x + x x / 2 + ...; needs SciPy."""
    from clearprop.scipy import linalg

    return through(linalg.expm, "linalg_matrix_exp")(x)


FUNCTIONS["matrix_exp"] = LINALG["matrix_exp"] = matrix_exp
