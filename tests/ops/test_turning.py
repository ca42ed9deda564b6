"""Functions in which the choice among vectors of equal values drops out: rounded, nearly equal, nested."""

import numpy as np
import pytest

from clearprop import GradientError, grad

C = np.array([[1.0, 2.0, 3.0, -1.0], [0.0, 5.0, -1.0, 0.5], [2.0, 2.0, 7.0, 0.3], [0.4, -2.0, 1.0, 3.0]])
C3 = C[:3, :3]
MIRRORED = (C3 + C3.T) / 2
Q = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0]  # orthogonal but for rounding
OTHER = np.random.default_rng(4).normal(size=(4, 4))


def turned(x):
    return np.conj(np.swapaxes(x, -1, -2))


def of_values(f, x):
    w, v = np.linalg.eigh(x)
    return (v * np.expand_dims(f(w), -2)) @ turned(v)


def of_factors(f, x):
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (u * np.expand_dims(f(s), -2)) @ vh


def weighed(x, weights):
    return np.sum(np.real(x * weights[: x.shape[-2], : x.shape[-1]]))


def polar(x):
    return weighed(of_factors(np.ones_like, x), C + 1j * C.T if x.dtype.kind == "c" else C)


def by_differences(f, x, h=1e-5):
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        found[place] = (f(x + step) - f(x - step)) / (2 * h)
    return found


@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_the_polar_factor_of_a_rounded_orthogonal_matrix(scale):
    right = (C - Q @ C.T @ Q) / (2 * scale)

    np.testing.assert_allclose(grad(polar)(scale * Q), right, atol=1e-14)


@pytest.mark.parametrize("x", [Q[:, :3], Q[:3], np.linalg.qr(C)[0][:, 1:3]], ids=["tall", "wide", "of two"])
def test_the_polar_factor_of_rounded_orthonormal_columns(x):
    np.testing.assert_allclose(grad(polar)(x.copy()), by_differences(polar, x.copy()), atol=1e-9)


def test_the_polar_factor_of_a_rounded_unitary_matrix():
    unitary = np.linalg.qr(C + 1j * OTHER)[0]
    weights = np.conj(C + 1j * C.T)  # the gradient of Re(sum(z * C)) by z
    right = (weights - unitary @ turned(weights) @ unitary) / 2

    np.testing.assert_allclose(grad(polar)(unitary), right, atol=1e-14)


@pytest.mark.parametrize("apart", [1e-15, 1e-13, 1e-11, 1e-9])
def test_values_that_differ_by_little_have_no_noise(apart):
    """A quotient by their difference has an error of 1e-16 / apart: of 1e-13 a thousandth."""
    right = (C - Q @ C.T @ Q) / 2
    np.testing.assert_allclose(grad(polar)(Q + apart * OTHER), right, atol=1e-14 + 10 * apart)

    f = lambda x: weighed(of_values(np.exp, x), C)  # noqa: E731
    near_one = np.eye(4) + apart * (OTHER + OTHER.T)
    np.testing.assert_allclose(grad(f)(near_one), np.e * (C + C.T) / 2, atol=1e-13 + 100 * apart)


def test_values_that_differ_by_little_keep_vectors_and_kinks_of_their_own():
    x = np.diag([1.0, 1.0 + 1e-9, 3.0])
    first = grad(lambda x: np.linalg.eigh(x)[1][:, 0] @ np.array([1.0, 2.0, 3.0]))(x)
    np.testing.assert_allclose(np.abs(first[2, 0]), 3.0 / 2 / 2, rtol=1e-6)
    np.testing.assert_allclose(np.abs(first[1, 0]), 2.0 / 1e-9 / 2, rtol=1e-6)

    def larger_of_two(x):
        w, v = np.linalg.eigh(x)
        return np.maximum(w[0], w[1]) + weighed((v * w) @ v.T, C3)

    np.testing.assert_allclose(grad(larger_of_two)(x), MIRRORED + np.diag([0.0, 1.0, 0.0]), atol=1e-6)


def logarithm_of_exponential(x, times=1):
    for _ in range(times):
        x = of_values(np.log, of_values(np.exp, x))
    return weighed(x, C3)


TWICE = {  # name: f, right as a multiple of MIRRORED at the identity
    "eigh of eigh": (logarithm_of_exponential, 1.0),
    "six in a row": (lambda x: logarithm_of_exponential(x, 3), 1.0),
    "svd of eigh": (lambda x: weighed(of_factors(np.sqrt, of_values(np.exp, x)), C3), np.exp(0.5) / 2),
    "eigh of svd": (lambda x: weighed(of_values(np.log, of_factors(np.exp, x)), C3), 1.0),
    "of the other's vectors": (lambda x: weighed(vectors_times_values(x), C3), 2 * np.exp(2.0)),
    "side by side": (lambda x: weighed(two_branches(of_values(np.exp, x), x), C3), 2 * np.e),
}


def two_branches(z, x):
    return z @ of_values(np.log, of_values(np.exp, x))


def vectors_times_values(x):
    """exp(2 x): the matrix V exp(w), which is taken apart, depends on the choice of V, and u s^2 u^T not."""
    w, v = np.linalg.eigh(x)
    u, s, _ = np.linalg.svd(v * np.exp(w))
    return (u * s**2) @ u.T


@pytest.mark.parametrize("name", TWICE)
def test_a_decomposition_in_a_decomposition(name):
    f, factor = TWICE[name]

    np.testing.assert_allclose(grad(f)(np.eye(3)), factor * MIRRORED, atol=1e-12)


def test_a_decomposition_in_a_decomposition_of_a_stack():
    stack = np.stack([np.diag([1.0, 2.0, 2.0]), np.eye(3), np.diag([0.5, 2.0, 3.0])])
    got = grad(lambda x: np.sum(of_values(np.log, of_values(np.exp, x)) * C3))(stack)

    np.testing.assert_allclose(got, np.stack([MIRRORED] * 3), atol=1e-12)


def test_vectors_that_show_behind_another_decomposition_are_refused():
    def f(x):
        w, v = np.linalg.eigh(x)
        return weighed(of_factors(np.sqrt, v * np.exp(w)), C3)

    with pytest.raises(GradientError, match="turn freely"):
        grad(f)(np.eye(3))
