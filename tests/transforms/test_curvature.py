"""Curvature by products: beside the whole matrices that they are products with."""

import numpy as np
import pytest

import clearprop
from clearprop import (
    GradientError,
    Tensor,
    fvp,
    gnvp,
    grad,
    hessian,
    jacobian,
    laplacian,
    sparse_jacobian,
    vmap,
)

X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.array([0, 2, 1, 1, 0, 2])
PARAMS = {"w": 0.3 * X[:3], "b": X[3]}
V = {"w": X[1:4], "b": X[5]}


def scores(p):
    return np.tanh(X @ p["w"] + p["b"])


def loss(z):
    return -np.mean(clearprop.log_softmax(z)[np.arange(6), Y])


def flat(p):
    return clearprop.tree.flatten(p)[0]


def dense(f):
    unflatten = clearprop.tree.flatten(PARAMS)[1]
    return jacobian(lambda v: np.reshape(f(unflatten(v)), -1))(flat(PARAMS))


def test_gauss_newton_is_the_hessian_of_the_loss_between_two_jacobians():
    J = dense(scores)
    H = hessian(lambda z: loss(z.reshape(6, 3)))(np.ravel(scores(PARAMS)))

    np.testing.assert_allclose(flat(gnvp(scores, loss)(PARAMS, V)), J.T @ H @ J @ flat(V), rtol=1e-10)


def test_the_fisher_matrix_is_the_mean_of_squared_gradients():
    likelihoods = lambda p: clearprop.log_softmax(scores(p))[np.arange(6), Y]  # noqa: E731
    J = dense(likelihoods)

    np.testing.assert_allclose(flat(fvp(likelihoods)(PARAMS, V)), J.T @ J @ flat(V) / 6, rtol=1e-10)


def test_products_are_differentiable_and_take_other_arguments():
    product = gnvp(lambda x, w: np.tanh(x * w), lambda z: np.sum(z**4), argnums="w")
    x, w, v = X[0], X[1], X[2]
    expected = lambda w: 12 * np.tanh(x * w) ** 2 * ((1 - np.tanh(x * w) ** 2) * x) ** 2 * v  # noqa: E731

    np.testing.assert_allclose(product(x, w, v), expected(w), rtol=1e-10)
    np.testing.assert_allclose(
        jacobian(lambda w: product(x, w, v))(w), jacobian(expected)(w), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_products_compiled(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    product = gnvp(lambda w: np.tanh(X @ w), lambda z: np.sum(z**4))
    step = clearprop.compile(lambda w, v: (product(w, v), fvp(lambda w: X @ w)(w, v)), executor=executor)
    for k in range(4):
        w, v = X[0] + k, X[1] - k
        np.testing.assert_allclose(step(w, v)[0], product(w, v), rtol=1e-9)
        np.testing.assert_allclose(step(w, v)[1], fvp(lambda w: X @ w)(w, v), rtol=1e-9)


def test_laplacians():
    harmonic = lambda p: np.log(np.sum(p**2)) / 2  # noqa: E731
    np.testing.assert_allclose(laplacian(harmonic)(np.array([0.3, 0.4])), 0.0, atol=1e-12)
    np.testing.assert_allclose(vmap(laplacian(lambda x: np.sum(x**3)))(X), 6 * X.sum(axis=1))
    both = laplacian(lambda k, p: k * p["a"] ** 3 * np.sum(p["b"] ** 2), argnums=1)
    np.testing.assert_allclose(both(2.0, {"a": 2.0, "b": X[0]}), 24 * np.sum(X[0] ** 2) + 16 * 2 * 3)
    np.testing.assert_allclose(grad(laplacian(lambda x: np.sum(x**4)))(X[0]), 24 * X[0])


def band(n):
    return np.eye(n, dtype=bool) | np.eye(n, k=1, dtype=bool) | np.eye(n, k=-1, dtype=bool)


def chain(x):
    return np.sin(x) + np.concatenate([x[1:] ** 2, np.zeros(1)]) * np.concatenate([np.zeros(1), x[:-1]])


@pytest.mark.parametrize("n", [1, 2, 9, 60])
def test_sparse_jacobians(n):
    x = np.linspace(0.1, 1.0, n)
    np.testing.assert_allclose(sparse_jacobian(chain, band(n))(x), jacobian(chain)(x), rtol=1e-12)


def test_rows_and_columns_are_coloured_whichever_takes_fewer():
    rows = lambda x: np.stack([np.sum(x**2), np.sum(x**3)])  # noqa: E731  two pulls, or n pushes
    x = np.linspace(0.1, 1.0, 50)
    np.testing.assert_allclose(sparse_jacobian(rows, np.ones((2, 50), bool))(x), jacobian(rows)(x))
    wide = lambda x: np.outer(x, np.arange(1.0, 40.0)).reshape(-1)  # noqa: E731  two pushes
    np.testing.assert_allclose(sparse_jacobian(wide, np.ones((78, 2), bool))(x[:2]), jacobian(wide)(x[:2]))


def test_a_sparse_pattern_gives_a_sparse_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    found = sparse_jacobian(chain, sparse.csr_array(band(20)))(np.linspace(0.1, 1.0, 20))

    assert found.nnz == 58
    np.testing.assert_allclose(found.toarray(), jacobian(chain)(np.linspace(0.1, 1.0, 20)))


def test_sparse_jacobians_are_differentiable_and_reach_closures():
    w = Tensor(2.0)
    x = np.linspace(0.1, 1.0, 5)
    total = lambda x: np.sum(sparse_jacobian(chain, band(5))(x) ** 2)  # noqa: E731
    np.testing.assert_allclose(grad(total)(x), grad(lambda x: np.sum(jacobian(chain)(x) ** 2))(x), rtol=1e-10)
    np.sum(sparse_jacobian(lambda x: w * x, np.eye(5))(x)).backward()
    assert w.grad == 5.0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: sparse_jacobian(chain, np.eye(9))(X.ravel()[:9]),
            GradientError,
            "a pattern of all derivatives",
        ),
        (lambda: sparse_jacobian(chain, band(4))(X[0]), ValueError, "a function of 4 entries"),
        (lambda: sparse_jacobian(chain, np.ones(3)), ValueError, "wants a matrix"),
        (lambda: fvp(lambda w: np.sum(w))(X[0], X[1]), ValueError, "a number for each example"),
        (lambda: gnvp(lambda w: w, np.sum)(X[0], X[:1]), ValueError, "of the shapes of"),
        (lambda: gnvp(3.0, np.sum), TypeError, "wants a function"),
        (lambda: laplacian(lambda x: x)(X[0]), ValueError, "one number"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_sparse_jacobians_of_complex_results_have_both_parts_either_way():
    x = np.array([0.3, 0.7, -0.2])
    for f, pattern in (
        (lambda x: np.exp(1j * x), np.eye(3)),
        (lambda x: np.sum(np.exp(1j * x)).reshape((1,)), np.ones((1, 3))),
    ):
        np.testing.assert_allclose(sparse_jacobian(f, pattern)(x), jacobian(f)(x), rtol=1e-12)
    with pytest.raises(GradientError, match="real arguments"):
        sparse_jacobian(np.conj, np.eye(3))(x + 0j)


def test_a_laplacian_is_by_one_argument():
    with pytest.raises(TypeError, match="number of one argument"):
        laplacian(lambda x, y: x * y, argnums=(0, 1))
