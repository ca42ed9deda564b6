"""Matrices taken apart: what is well defined at equal and zero values, and what is refused there."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad, gradcheck
from clearprop.compiler.proof.prove import ProofError
from clearprop.compiler.step import available_executors

SPD = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2.0]])


def gradient(f, *values):
    leaves = [Tensor(v) for v in values]
    f(*leaves).backward()
    return leaves[0].grad if len(leaves) == 1 else [t.grad for t in leaves]


def test_the_gradient_of_a_symmetric_matrix_is_symmetric():
    got = gradient(lambda a: 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky(a)))), SPD)

    np.testing.assert_allclose(got, np.linalg.inv(SPD), atol=1e-14)


def test_the_gradient_of_another_matrix_lies_where_it_was_read():
    x = SPD + np.triu(np.ones((3, 3)), 1)
    for f in (np.linalg.cholesky, np.linalg.eigvalsh):
        got = gradient(lambda a, f=f: np.sum(f(a)[0]), x)

        assert not np.any(np.triu(got, 1))
    assert not np.any(np.tril(gradient(lambda a: np.linalg.eigvalsh(a, "U")[0], x), -1))


@pytest.mark.parametrize("n", [2, 3])
def test_what_is_well_defined_at_equal_values_is_right(n):
    one = np.eye(n)

    np.testing.assert_allclose(gradient(lambda a: np.sum(np.linalg.eigvalsh(a)), one), one, atol=1e-15)
    np.testing.assert_allclose(
        gradient(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2), one), one * 2, atol=1e-15
    )
    np.testing.assert_allclose(gradient(lambda a: np.linalg.norm(a, "nuc"), one), one, atol=1e-15)
    np.testing.assert_allclose(gradient(lambda a: np.linalg.norm(a, 2), one), one / n, atol=1e-15)


def test_a_norm_through_the_factors_is_right_at_equal_singular_values():
    x = np.diag([1.0, 1.0, 2.0, 3.0])

    def norm_of_product(a):
        u, s, vh = np.linalg.svd(a)
        return np.linalg.norm((u * s) @ vh)

    np.testing.assert_allclose(gradient(norm_of_product, x), x / np.linalg.norm(x), atol=1e-15)


def test_vectors_of_equal_values_are_refused():
    weights = np.array([[1.0, 2.0], [2.0, 5.0]])

    def square(a):
        w, v = np.linalg.eigh(a)
        return np.sum((v * w**2) @ v.T * weights)

    with pytest.raises(GradientError, match="turn freely"):
        gradient(square, np.eye(2))
    np.testing.assert_allclose(  # apart by little: as the square of the matrix
        gradient(square, np.diag([1.0, 1.1])), [[2.0, 4.2], [4.2, 11.0]], rtol=1e-12
    )


def test_a_singular_value_of_zero_sends_nothing():
    x = np.diag([2.0, 0.0])

    assert gradient(lambda a: np.linalg.norm(a, "nuc"), x).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert gradient(lambda a: np.linalg.norm(a, -2), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert gradient(lambda a: np.linalg.norm(a, "nuc"), np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2


def test_a_wide_matrix_has_its_qr():
    weights = np.array([[1.0, -1.0, 2.0], [0.0, 3.0, 1.0]])

    def product(a):
        q, r = np.linalg.qr(a)
        return np.sum(q @ r * weights)

    got = gradient(product, np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]]))
    np.testing.assert_allclose(got, weights, atol=1e-13)


def test_least_squares_without_full_rank_is_the_shortest():
    a, b = np.ones((3, 2)), np.array([[1.0], [2.0], [3.0]])
    x, residuals, rank, _ = np.linalg.lstsq(Tensor(a), b, rcond=None)

    np.testing.assert_allclose(x.value, [[1.0], [1.0]], atol=1e-12)
    assert residuals.shape == (0,)
    assert int(rank) == 1


def test_a_compiled_step_refuses_another_rank_than_it_was_recorded_with():
    step = clearprop.compile(lambda a, b: np.linalg.lstsq(a, b)[1])
    b = np.array([1.0, 2.0, 4.0])
    step(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), b)

    with pytest.raises((np.linalg.LinAlgError, ProofError), match="was of rank 2"):
        step(np.ones((3, 2)), b)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.linalg.eigvals(x),
        lambda x: np.linalg.eig(x)[0],
    ],
)
def test_complex_eigenvalues_are_refused(call):
    with pytest.raises(TypeError, match="complex eigenvalues"):
        call(Tensor([[0.0, 1.0], [-1.0, 0.0]]))


TALL = np.array([[3.0, 1.0], [0.5, 2.0], [-1.0, 0.3]])
COMPOSED = {
    "cond": (lambda x: np.linalg.cond(x), SPD),
    "cond of order 1": (lambda x: np.linalg.cond(x, 1), SPD),
    "matrix_power": (lambda x: np.linalg.matrix_power(x, 5), SPD / 4),
    "matrix_power, negative": (lambda x: np.linalg.matrix_power(x, -2), SPD),
    "multi_dot": (lambda x: np.linalg.multi_dot([x, x.T, x, x.T]), TALL),
    "tensorinv": (lambda x: np.linalg.tensorinv(x.reshape((1, 3, 3)), 2), SPD),
    "tensorsolve": (lambda x: np.linalg.tensorsolve(x, np.ones(3)), SPD),
    "vecdot": (lambda x: np.linalg.vecdot(x, x + 1, axis=0), TALL),
    "matrix_norm 2": (lambda x: np.linalg.matrix_norm(x, ord=2), TALL),
    "matrix_norm nuc": (lambda x: np.linalg.matrix_norm(x, ord="nuc"), TALL),
    "vector_norm": (lambda x: np.linalg.vector_norm(x, ord=3), TALL),
    "norm -2": (lambda x: np.linalg.norm(x, -2), TALL),
    "lstsq": (lambda x: np.linalg.lstsq(x, np.array([1.0, 2.0, 3.0]))[0], TALL),
    "residuals": (lambda x: np.linalg.lstsq(x, np.array([1.0, 2.0, 3.0]))[1], TALL),
    "svd of a wide matrix": (lambda x: np.linalg.svd(x.T, full_matrices=False).Vh ** 2, TALL),
    "pinv, hermitian": (lambda x: np.linalg.pinv(x + x.T, hermitian=True), SPD),
    "cholesky, upper": (lambda x: np.linalg.cholesky(x + x.T, upper=True), SPD),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_of_matrices_to_second_order(name):
    f, x = COMPOSED[name]

    assert gradcheck(f, x, order=2).ok


@pytest.mark.parametrize("name", COMPOSED)
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_composed_functions_of_matrices_compiled(name, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    f, x = COMPOSED[name]
    both = clearprop.value_and_grad(lambda a: np.sum(f(a)))
    wanted = both(x)
    step = clearprop.compile(both, executor=executor)
    for _ in range(2):
        for got, right in zip(step(x), wanted, strict=True):
            np.testing.assert_allclose(np.asarray(got), right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("executor", [None, *available_executors()])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["eigvals", "eig"])
def test_what_is_computed_of_an_array_has_the_dtype_that_numpy_gives(name, dtype, executor):
    function = getattr(np.linalg, name)
    x = np.array([[1.0, 0.4], [0.3, 2.0]], dtype)

    def values(x):
        z = function(x)
        return z if name == "eigvals" else z.eigenvalues

    def f(x):
        return values(x), np.poly(x), grad(lambda x: np.sum(values(x) ** 2))(x)

    step = f if executor is None else clearprop.compile(f, executor=executor)
    for _ in range(3):
        w, p, g = step(x)
        assert w.dtype == values(x).dtype
        np.testing.assert_allclose(w, values(x), rtol=1e-6)
        np.testing.assert_allclose(p, np.poly(x), rtol=1e-6)
        np.testing.assert_allclose(g, 2 * x.T, rtol=1e-5)
        assert g.dtype == dtype
    assert np.linalg.eigvals(Tensor(x)).dtype == dtype
