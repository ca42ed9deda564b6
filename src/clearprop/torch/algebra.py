"""Products and linear algebra, and `torch.linalg`."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.nn.functional.layer import recording
from clearprop.torch import dtypes
from clearprop.torch.names import FUNCTIONS, PLAIN, function, plain
from clearprop.torch.pointwise import alike
from clearprop.torch.reducing import norm, returned
from clearprop.torch.tensors import Tensor, kept_apart, lift, raw, through, xp


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


@function
def addr(x: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta x + alpha times all products of an entry of vec1 and one of vec2."""
    return _more(x, outer(vec1, vec2), beta, alpha)


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
def cross(x: Any, y: Any, dim: int | None = None) -> Any:
    """Return the cross product of vectors of length 3, along the first such axis where none is said."""
    a, b = _nodes("cross(x, y)", x, y)
    if dim is None:
        dim = next((i for i, n in enumerate(a.shape) if n == 3), -1)
    if a.ndim != b.ndim:
        got = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise RuntimeError(
            lesson("torch.cross(x, y)", "wants as many axes of both", got, hint="y.expand_as(x)")
        )
    return lift(xp.cross(a, b, axis=dim), "linalg_cross")


def _cross(x: Any, y: Any, *, dim: int = -1) -> Any:
    return cross(x, y, dim)


@function
def trace(x: Any) -> Any:
    """Return the sum of the diagonal."""
    return lift(np.trace(kept_apart(x)[0]), "trace")


@function
def cdist(x: Any, y: Any, p: float = 2.0, compute_mode: str = "") -> Any:
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


_Solved = namedtuple("_Solved", ("solution", "residuals", "rank", "singular_values"))
_Factors = namedtuple("_Factors", ("Q", "R"))


def _kept_kind(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.to(dtype)


def _vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return norm(x, ord, dim, keepdim, dtype)


def _norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if ord is None or (ord == "fro" and dim is None and A.ndim == 2):
        return norm(A, 2, dim, keepdim, dtype)
    return through(np.linalg.norm, "linalg_norm")(_kept_kind(A, dtype), ord, axis=dim, keepdims=keepdim)


def _matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    if A.ndim < 2:
        wanted, got = "wants matrices", f"shape {tuple(A.shape)}"
        raise RuntimeError(
            lesson("torch.linalg.matrix_norm(A)", wanted, got, hint="torch.linalg.vector_norm")
        )
    return _norm(A, ord, tuple(dim), keepdim, dtype=dtype)


def _qr(A: Any, mode: str = "reduced") -> Any:
    found = through(np.linalg.qr, "linalg_qr")(A, mode)
    return _Factors(PLAIN["empty"](0, dtype=A.dtype), found) if mode == "r" else found


def _svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    return through(np.linalg.svd, "linalg_svd")(A, full_matrices=full_matrices)


def _svdvals(A: Any, *, driver: str | None = None) -> Any:
    return through(np.linalg.svdvals, "linalg_svdvals")(A)


_DRIVERS = {"gels": "residuals", "gelsy": "rank", "gelsd": "residuals rank values"}
_DRIVERS["gelss"] = _DRIVERS["gelsd"]
"""What LAPACK's ways to least squares tell besides the solution; `gelsy` is taken where none is named."""


def _lstsq(A: Any, B: Any, rcond: Any = None, *, driver: str | None = None) -> Any:
    """Return the X with the least |A X - B| and what is known of it; a B with an axis less holds vectors."""
    a, b = _nodes("linalg.lstsq(A, B)", A, B)
    tells = _DRIVERS.get(driver or "gelsy")
    if tells is None:
        wanted = f"wants driver as {', '.join(_DRIVERS)} or None"
        raise RuntimeError(lesson("torch.linalg.lstsq(driver=)", wanted, f"{driver!r}", hint="driver=None"))
    if a.ndim - 1 == b.ndim and b.shape == a.shape[:-1]:
        found = _lstsq(A, B.unsqueeze(-1), rcond, driver=driver)
        return found._replace(solution=found.solution.squeeze(-1))
    if min(a.ndim, b.ndim) < 2:
        got = f"{tuple(A.shape)} and {tuple(B.shape)}"
        raise RuntimeError(lesson("torch.linalg.lstsq(A, B)", "wants matrices", got, hint="B.unsqueeze(-1)"))
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (v if v.shape[:-2] == batch else np.broadcast_to(v, (*batch, *v.shape[-2:])) for v in (a, b))
    each = [xp.linalg.lstsq(a[place], b[place], rcond) for place in np.ndindex(batch)]
    (rows, columns), count = a.shape[-2:], b.shape[-1]
    ranks = np.array([int(found[2]) for found in each], np.int64).reshape(batch)

    def put_together(i: int, *shape: int) -> Any:
        parts = [found[i] for found in each]
        return np.stack(parts).reshape((*batch, *shape)) if parts else np.zeros((*batch, *shape), a.dtype)

    nothing = np.zeros(0, a.dtype)
    whole = rows > columns and bool((ranks == columns).all())
    return _Solved(
        lift(put_together(0, columns, count), "linalg_lstsq"),
        lift(put_together(1, count) if whole and "residuals" in tells else nothing),
        lift(ranks if "rank" in tells else np.zeros(0, np.int64)),
        lift(put_together(3, min(rows, columns)) if "values" in tells else nothing),
    )


def _unknown(A: Any) -> Any:
    """Return which matrices have a NaN, with axes of length 1 where their entries are; None for none of them.

    A step that is recorded asks it of the matrices of later calls, too.
    """
    found = np.any(np.isnan(A.node if recording() else A.node._value), axis=(-2, -1), keepdims=True)
    return lift(found) if recording() or found.any() else None


def _known(A: Any, found: Any) -> Any:
    """Return what depends on all entries of matrices: NaN where they have one, which pivoting went around."""
    unknown = _unknown(A)
    return found if unknown is None else FUNCTIONS["where"](unknown, np.nan, found)


def _cholesky(A: Any, *, upper: bool = False) -> Any:
    found = through(np.linalg.cholesky, "linalg_cholesky")(A, upper=upper)
    if _unknown(A) is not None and not recording():
        wanted = "wants a positive-definite matrix"
        raise RuntimeError(lesson("torch.linalg.cholesky(A)", wanted, "NaN in it", hint="A.nan_to_num()"))
    return found


def _inv(A: Any) -> Any:
    found = through(np.linalg.inv, "linalg_inv")(A)
    return _known(A, found)


def _det(A: Any) -> Any:
    return through(np.linalg.det, "linalg_det")(A)


def _slogdet(A: Any) -> Any:
    found = through(np.linalg.slogdet, "linalg_slogdet")(A)
    unknown = _unknown(A)
    if unknown is None:
        return found
    return found._replace(sign=FUNCTIONS["where"](unknown[..., 0, 0], 0, found.sign))


def _eigh(A: Any, UPLO: str = "L") -> Any:
    return through(np.linalg.eigh, "linalg_eigh")(A, UPLO)


def _eigvalsh(A: Any, UPLO: str = "L") -> Any:
    return through(np.linalg.eigvalsh, "linalg_eigvalsh")(A, UPLO)


def _matrix_power(A: Any, n: int) -> Any:
    return through(np.linalg.matrix_power, "linalg_matrix_power")(A, n)


def _cond(A: Any, p: Any = None) -> Any:
    """Return how much larger errors may get: 0 / 0 of singular values is NaN, NaN of other norms infinite."""
    if A.ndim > 1 and not A.shape[-1]:
        return PLAIN["zeros"](A.shape[:-2], dtype=A.dtype)
    if p in (None, 2, -2):
        sizes = _svdvals(A)
        most, least = sizes[..., 0], sizes[..., -1]
        return least / most if p == -2 else most / least
    found = through(np.linalg.cond, "linalg_cond")(A, p)
    return FUNCTIONS["where"](found.isnan(), np.inf, found)


def _solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """Return the X with A X = B, or X A = B; a B of A's shape without its last axis holds vectors."""
    a, b = _nodes("linalg.solve(A, B)", A, B)
    vectors = b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])
    if vectors:
        if not left:
            wanted, hint = "wants matrices where left=False", "B.unsqueeze(-2)"
            raise RuntimeError(lesson("torch.linalg.solve(A, B, left=False)", wanted, "a vector", hint=hint))
        return _solve(A, B.unsqueeze(-1)).squeeze(-1)
    solved = through(np.linalg.solve, "linalg_solve")
    return _known(A, solved(A, B) if left else solved(A.mT, B.mT).mT)


def _tolerances(A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Return an absolute tolerance and one of the largest singular value, as PyTorch takes them."""
    low = np.asarray(0.0)
    if atol is not None:
        low = np.asarray(raw(atol))
    if rtol is not None:
        return low, np.asarray(raw(rtol))
    usual = max(A.shape[-2:]) * np.finfo(A.node.dtype).eps
    return low, np.where(low > 0, 0.0, usual)


def _share(A: Any, atol: Any, rtol: Any) -> Any:
    """Return below which share of the largest a singular value counts as 0."""
    low, share = _tolerances(A, atol, rtol)
    if not low.any():
        return share
    sizes = np.linalg.svd(A.node._value, compute_uv=False)
    largest = sizes.max(-1, initial=0.0)
    largest = np.where(largest == 0, 1, largest)
    return np.maximum(share, low / largest)


def _pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    if A.ndim < 2:
        raise RuntimeError(lesson("torch.linalg.pinv(A)", "wants a matrix", f"shape {tuple(A.shape)}"))
    share = _share(A, atol, rtol) if rcond is None else rcond
    return through(np.linalg.pinv, "linalg_pinv")(A, raw(share), hermitian)


def _pinverse(x: Any, rcond: float = 1e-15) -> Any:
    return _pinv(x, rcond)


def _matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Any:
    """Return how many singular values are above a tolerance."""
    array = A.node._value
    sizes = np.abs(np.linalg.eigvalsh(array)) if hermitian else np.linalg.svd(array, compute_uv=False)
    if tol is None:
        low, share = _tolerances(A, atol, rtol)
        tol = np.maximum(share * sizes.max(-1, initial=0.0), low)
    limit = np.asarray(raw(tol))
    above = sizes > limit[..., None]
    return lift(np.asarray(above.sum(-1)))


def _solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """Return the X with A X = B (X A = B for `left=False`), of whose matrix one triangle is looked at."""
    if min(A.ndim, B.ndim) < 2:
        called, got = "torch.linalg.solve_triangular(A, B)", f"{tuple(A.shape)} and {tuple(B.shape)}"
        raise RuntimeError(lesson(called, "wants matrices", got, hint="B.unsqueeze(-1)"))
    if not left:
        return _solve_triangular(A.mT, B.mT, upper=not upper, unitriangular=unitriangular).mT
    side = FUNCTIONS["triu" if upper else "tril"]
    matrix = side(A, (1 if upper else -1) * unitriangular)
    if unitriangular:
        matrix = matrix + PLAIN["eye"](A.shape[-1], dtype=A.dtype)
    if np.diagonal(matrix.node._value, axis1=-2, axis2=-1).all():
        return through(np.linalg.solve, "linalg_solve_triangular")(matrix, B)
    return _substituted(matrix, B, upper)


def _substituted(A: Any, B: Any, upper: bool) -> Any:
    """Return the X with A X = B row by row, infinite or NaN where a 0 of the diagonal divides."""
    n = A.shape[-1]
    places = range(n - 1, -1, -1) if upper else range(n)
    rows: list[Any] = []
    for i in places:
        left = B[..., i, :]
        for j, row in zip(places, rows, strict=False):
            left = left - A[..., i, j, None] * row
        rows.append(left / A[..., i, i, None])
    return PLAIN["stack"](rows[::-1] if upper else rows, -2)


@function
def cholesky_solve(b: Any, root: Any, upper: bool = False) -> Any:
    """Return the x with L L^T x = b, of the lower triangle L, or U^T U x = b of the upper."""
    first = _solve_triangular(root.mT if upper else root, b, upper=False)
    return _solve_triangular(root if upper else root.mT, first, upper=True)


def _multi_dot(tensors: Any) -> Any:
    return through(np.linalg.multi_dot, "linalg_multi_dot")(list(tensors))


def _vander(x: Any, N: int | None = None) -> Any:
    """Return the powers 0 to N - 1 of every entry."""
    node, n = kept_apart(x)[0], x.shape[-1] if N is None else N
    columns = [node**k for k in range(n)]
    return lift(np.stack(columns, -1), "linalg_vander")


@function
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of a vector's entries, a column each, from the highest to 0 or `increasing`.

    >>> import clearprop.torch as torch
    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeError(lesson("torch.vander(x)", "wants a vector", f"shape {tuple(x.shape)}"))
    found = _vander(x, N)
    return found if increasing else FUNCTIONS["flip"](found, 1)


def _vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    return FUNCTIONS["sum"](FUNCTIONS["mul"](*map(lift, _nodes("linalg.vecdot(x, y)", x, y))), dim)


def _diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    return FUNCTIONS["diagonal"](A, offset, dim1, dim2)


LINALG: dict[str, Callable[..., Any]] = {
    "inv": _inv, "det": _det, "slogdet": _slogdet, "solve": _solve, "eigh": _eigh, "eigvalsh": _eigvalsh,
    "cholesky": _cholesky, "pinv": _pinv, "matrix_power": _matrix_power, "matrix_rank": _matrix_rank,
    "cond": _cond, "multi_dot": _multi_dot, "svdvals": _svdvals, "vander": _vander, "vecdot": _vecdot,
    "norm": _norm, "vector_norm": _vector_norm, "matrix_norm": _matrix_norm, "qr": _qr, "svd": _svd,
    "lstsq": _lstsq, "solve_triangular": _solve_triangular, "cross": _cross, "matmul": FUNCTIONS["matmul"],
    "diagonal": _diagonal,
}  # fmt: skip
for _name in ("eigh", "qr", "svd"):
    LINALG[_name] = returned(f"linalg_{_name}", LINALG[_name])
LINALG["slogdet"] = returned("slogdet", LINALG["slogdet"])
for _name in ("det", "slogdet", "matrix_power"):
    FUNCTIONS[_name] = LINALG[_name]
FUNCTIONS["inverse"] = LINALG["inv"]
FUNCTIONS["logdet"] = lambda x: LINALG["slogdet"](x)[1]


@function
def cholesky(x: Any, upper: bool = False) -> Any:
    """Return the lower triangle L with L L^T = x, or the upper one."""
    return _cholesky(x, upper=upper)


@function
def qr(x: Any, some: bool = True) -> Any:
    """Return the factors Q R of x, of whose columns `some` or all are there."""
    return LINALG["qr"](x, "reduced" if some else "complete")


PLAIN["chain_matmul"] = chain_matmul
FUNCTIONS["pinverse"], FUNCTIONS["vdot"] = _pinverse, FUNCTIONS["dot"]


def matrix_exp(A: Any) -> Any:
    """Return e to the power of a matrix: 1 + x + x x / 2 + ...; needs SciPy."""
    from clearprop.scipy import linalg

    return through(linalg.expm, "linalg_matrix_exp")(A)


FUNCTIONS["matrix_exp"] = LINALG["matrix_exp"] = matrix_exp
