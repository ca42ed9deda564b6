"""Second derivatives at kinks and at the edges of powers: the values that the guide's table gives."""

import numpy as np
import pytest

from clearprop import compile, grad, kinks

inf, nan = np.inf, np.nan
AS = np.float64
WEIGHTS = np.array([1.0, 2.0])


def modes(f):
    pytest.importorskip("llvmlite")
    return f, compile(f, executor="numpy"), compile(f, executor="llvm")


@pytest.mark.parametrize("second", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_hypot_is_flat_at_its_kink(second):
    i, j = second
    d = grad(grad(lambda x, y: np.hypot(x, y), argnums=i), argnums=j)

    assert [float(run(AS(0), AS(0))) for run in modes(d)] == [0.0] * 3
    assert [float(run(AS(0), AS(2))) for run in modes(d)] == [0.5 * (second == (0, 0))] * 3


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.linalg.norm(x), np.zeros(2)),
        (lambda x: np.std(x), np.ones(2)),
        (lambda x: np.std(x, ddof=1), np.ones(2)),
        (lambda x: np.abs(x).sum(), np.zeros(2)),
    ],
)
def test_norms_are_flat_at_their_kinks(f, x):
    d = grad(lambda v: np.sum(grad(f)(v) * WEIGHTS))

    assert [run(x).tolist() for run in modes(d)] == [[0.0, 0.0]] * 3
    assert [grad(f)(x).tolist(), compile(grad(f))(x).tolist()] == [[0.0, 0.0]] * 2


def test_hessian_of_a_norm_beside_its_kink():
    d = grad(lambda v: np.sum(grad(lambda x: np.linalg.norm(x))(v) * WEIGHTS))

    for run in modes(d):
        assert np.allclose(run(np.array([3.0, 4.0])), [-0.064, 0.048], rtol=1e-14)


LENGTHS = {
    "abs": np.abs,
    "fabs": np.fabs,
    "norm": lambda x: np.linalg.norm(x, axis=1),
    "norm, kept": lambda x: np.linalg.norm(x, axis=1, keepdims=True),
    "std": lambda x: np.std(x, axis=1, ddof=1),
    "std of all": np.std,
    "nanstd": lambda x: np.nanstd(x, axis=1, ddof=1),
    "nanstd of all, kept": lambda x: np.nanstd(x, keepdims=True),
    "hypot": lambda x: np.hypot(x[:, :1], x[:1]),
}
SQUARES = {
    "power": lambda z: np.sum(z**2),
    "square": lambda z: np.sum(3.0 * np.square(z)),
    "product": lambda z: np.sum(z * z) / 7.0 + 1.0,
    "dot": lambda z: np.vdot(z, z),
    "einsum": lambda z: np.einsum("i,i->", z.ravel(), z.ravel()),
    "einsum of entries": lambda z: np.sum(np.einsum("i,i,->i", z.ravel(), z.ravel(), 3.0)),
    "inner": lambda z: np.inner(z.ravel(), z.ravel()),
    "tensordot": lambda z: np.tensordot(z, z, z.ndim),
    "vecdot": lambda z: np.sum(np.linalg.vecdot(z[None, ...], z[None, ...], axis=0)),
    "row @ column": lambda z: (z.ravel()[None] @ z.ravel()[:, None])[0, 0],
    "conjugate": lambda z: np.sum(z * np.conj(z)),
    "exp": lambda z: np.exp(-np.sum(z * z)),
    "fourth power": lambda z: np.sum(z**4 - z**2),
    "power of a NumPy number": lambda z: np.sum(z ** np.float64(2)) + np.sum(z ** np.int64(4)),
    "power of an array": lambda z: np.sum(z ** np.full(z.shape, 2.0)),
    "float_power": lambda z: np.sum(np.float_power(z, 2)),
    "entries": lambda z: np.sum(z[:1] ** 2) if z.ndim else z * z,
    "cast": lambda z: np.sum((z * z).astype(np.float64) + z.astype(np.float64) ** 2),
}


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("length", LENGTHS)
def test_squares_of_lengths_are_smooth_at_their_kinks(length, square):
    def f(x):
        return SQUARES[square](LENGTHS[length](x))

    random = np.random.default_rng(0)
    u, v = random.normal(size=(2, 2, 3))
    directed = grad(lambda x: np.sum(grad(f)(x) * u))
    for x in (np.zeros((2, 3)), random.normal(size=(2, 3))):
        t = 1e-3  # the mixed difference of f along u and v, right to t^2
        terms = [[i * j * f(x + t * (i * u + j * v)) for i in (-1, 1)] for j in (-1, 1)]
        wanted = np.sum(terms) / (4 * t * t)
        for run in modes(directed):
            np.testing.assert_allclose(np.sum(run(x) * v), wanted, rtol=1e-3, atol=1e-3)


PRODUCTS = {  # in other places than those of the length: what is no factor is no square
    "einsum": lambda z: np.sum(np.einsum("ij->ji", z) * z),
    "einsum of all": lambda z: np.einsum("ij,ji->", z, z),
    "matmul": lambda z: np.trace(z @ z),
    "transpose": lambda z: np.sum(z * z.T),
    "rolled": lambda z: np.sum(z * z[::-1]),
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_products_with_other_entries_are_those_of_the_kink(product):
    x, u = np.array([[0.0, 2.0], [-3.0, 5.0]]), np.array([[0.3, -0.4], [1.1, 0.7]])
    d = grad(lambda x: np.sum(grad(lambda x: PRODUCTS[product](np.abs(x)))(x) * u))
    signs = np.sign(x)
    other = (lambda a: a[::-1]) if product == "rolled" else (lambda a: a.T)
    wanted = 2.0 * signs * other(signs * u)

    if product != "rolled":  # on the diagonal stands a square, which has no kink
        wanted[0, 0] = 2.0 * u[0, 0]
    for run in modes(d):
        np.testing.assert_allclose(run(x), wanted, rtol=1e-12, atol=1e-12)


def test_what_is_no_square_has_its_own_and_the_kink_of_the_length_is_listed():
    d = grad(grad(lambda x: np.cos(np.abs(x))))

    assert [float(run(AS(0))) for run in modes(d)] == [-1.0] * 3
    assert [place.kind for place in kinks(lambda x: np.cos(np.abs(x)), AS(0))] == ["kink"]


# b, e: d/de, d2/db de, d2/de db of b**e.
POWERS = (
    (0.0, 2.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0, 0.0),
    (0.0, 0.5, 0.0, nan, 0.0),
    (0.0, 1.5, 0.0, 0.0, 0.0),
    (-1.0, 2.0, nan, nan, nan),
    (1e200, 2.0, inf, 9.220340371976184e202, inf),
    (1e308, 1.5, inf, 1.0647943129632491e157, inf),
    (10.0, 400.0, inf, inf, inf),
    (1e-200, 2.0, -0.0, -9.200340371976183e-198, -9.210340371976183e-198),
    (2.0, 3.0, 8 * np.log(2), 4 + 12 * np.log(2), 4 + 12 * np.log(2)),
)


@pytest.mark.parametrize("case", POWERS)
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_powers_at_their_edges(case):
    def f(x, y):
        return x**y

    base, exponent, *wanted = case
    by_base, by_exponent = grad(f), grad(f, argnums=1)
    for k, d in enumerate((by_exponent, grad(by_base, argnums=1), grad(by_exponent))):
        for run in modes(d):
            found = float(run(AS(base), AS(exponent)))
            assert np.allclose(found, wanted[k], rtol=1e-13, atol=0, equal_nan=True), (k, found)
