"""Sparse matrices of SciPy's as constants in products with Tensors."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, hessian, jacobian, vmap

sp = pytest.importorskip("scipy.sparse")

DENSE = np.array([[1.0, 2.0], [0.0, 3.0], [4.0, 0.0]])
KINDS = [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.csr_array, sp.coo_array, sp.dok_array, sp.lil_matrix]


@pytest.mark.parametrize("kind", KINDS)
def test_products_from_both_sides(kind):
    S = kind(DENSE)
    for shape in ((2,), (2, 4), (2, 0)):
        x = np.arange(np.prod(shape), dtype=float).reshape(shape)
        np.testing.assert_allclose((S @ Tensor(x)).value, DENSE @ x)
        np.testing.assert_allclose(S.dot(Tensor(x)).value, DENSE @ x)
        np.testing.assert_allclose(vmap(S.dot)(x[None]), (DENSE @ x)[None])
        np.testing.assert_allclose(jacobian(lambda x, S=S: S @ x)(x), jacobian(lambda x: DENSE @ x)(x))
        turned = np.arange(3.0) if len(shape) == 1 else np.ones((shape[1], 3))
        np.testing.assert_allclose((Tensor(turned) @ S).value, turned @ DENSE)
        np.testing.assert_allclose(
            jacobian(lambda x, S=S: x @ S)(turned), jacobian(lambda x: x @ DENSE)(turned)
        )
    cubes = lambda A: hessian(lambda x: np.sum((A @ x) ** 3))(np.ones(2))  # noqa: E731
    np.testing.assert_allclose(cubes(S), cubes(DENSE))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_compiled(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    S = sp.csr_array(DENSE)
    step = clearprop.compile(lambda x: grad(lambda x: np.sum(np.tanh(S @ x) ** 2))(x), executor=executor)
    for k in range(5):
        x = np.ones(2) + 0.1 * k
        np.testing.assert_allclose(step(x), grad(lambda x: np.sum(np.tanh(DENSE @ x) ** 2))(x))


def test_batches_and_dtypes():
    S = sp.csr_array(DENSE)
    rows = np.arange(8.0).reshape(4, 2)

    np.testing.assert_allclose(vmap(lambda x: S @ x)(rows), rows @ DENSE.T)
    np.testing.assert_allclose(vmap(grad(lambda x: np.sum((S @ x) ** 2)))(rows), 2 * rows @ DENSE.T @ DENSE)
    x = Tensor(np.ones(2, np.float32))
    (sp.csr_array(DENSE.astype(np.float32)) @ x).backward(np.ones(3, np.float32))
    assert x.grad.dtype == np.float32
    z = Tensor(np.array([1.0 + 1.0j, 2.0]))
    complexes = sp.csr_array(DENSE * (1 + 2j))
    np.testing.assert_allclose(
        grad(lambda z: np.sum(np.abs(complexes @ z) ** 2))(z.value),
        grad(lambda z: np.sum(np.abs(complexes.toarray() @ z) ** 2))(z.value),
    )


@pytest.mark.parametrize(
    "call", [lambda S, t: t * S, lambda S, t: S * t, lambda S, t: t + S, lambda S, t: np.multiply(t, S)]
)
def test_anything_but_a_product_is_refused(call):
    with pytest.raises(
        TypeError, match=r"products with sparse matrices alone|would drop the gradient|no rule"
    ):
        call(sp.csr_array(DENSE), Tensor(np.ones((3, 2))))


@pytest.mark.parametrize("call", [np.dot, np.vdot, np.inner, np.outer, np.kron, lambda S, t: t.dot(S.T)])
def test_functions_that_numpy_would_call_on_the_matrix_as_one_object_are_refused(call):
    with pytest.raises((TypeError, ValueError), match="products with sparse matrices alone"):
        call(sp.coo_array(DENSE), Tensor(np.ones(2)))


def test_more_axes_are_refused():
    with pytest.raises(ValueError, match="a vector or a matrix beside"):
        sp.csr_array(DENSE) @ Tensor(np.ones((4, 2, 1)))


def test_an_array_of_a_tensor_is_still_refused():
    with pytest.raises(TypeError, match="would drop the gradient"):
        np.asarray(Tensor(np.ones(2)))


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix, sp.coo_array])
@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
def test_systems(kind, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    from clearprop.scipy.sparse.linalg import spsolve

    dense = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 4.0]])
    A, b = kind(dense), np.array([1.0, 2.0, 3.0])
    slope = lambda b: grad(lambda b: np.sum(np.sin(spsolve(A, b))))(b)  # noqa: E731
    step = slope if executor is None else clearprop.compile(slope, executor=executor)
    for k in range(3):
        expected = grad(lambda b: np.sum(np.sin(np.linalg.solve(dense, b))))(b + k)
        np.testing.assert_allclose(step(b + k), expected, rtol=1e-12)
    columns = np.stack([b, 2 * b], axis=1)
    np.testing.assert_allclose(spsolve(A, Tensor(columns)).value, np.linalg.solve(dense, columns))
    np.testing.assert_allclose(vmap(lambda b: spsolve(A, b))(columns.T), np.linalg.solve(dense, columns).T)
    np.testing.assert_allclose(
        hessian(lambda b: np.sum(spsolve(A, b) ** 3))(b),
        hessian(lambda b: np.sum(np.linalg.solve(dense, b) ** 3))(b),
    )
    with pytest.raises(ValueError, match="of its length"):
        spsolve(A, Tensor(b[:2]))
    with pytest.raises(TypeError, match="sparse matrix"):
        spsolve(dense, Tensor(b))
