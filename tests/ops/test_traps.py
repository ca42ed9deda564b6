"""Traps that libraries of this kind fell into: singular, repeated and constant values, zeros, odd lengths."""

import numpy as np
import pytest

from clearprop import Tensor

A = np.array([[4.0, 1.0], [1.0, 3.0]])
WIDE = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])
G = np.array([[1.0, 2.0], [2.0, 5.0]])
U = np.array([[1.0, -1.0, 2.0], [0.0, 3.0, 1.0]])
SPECTRUM = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.5])
ANGLES = np.array([1 + 2j, -3 + 0.5j, 5.6843e-14 + 1e-13j, 1e-200 - 1e-200j])


def norm_through_svd(a):
    u, s, v = np.linalg.svd(a)
    return np.linalg.norm((u * s) @ v)


def square_through_eigh(a):
    w, v = np.linalg.eigh(a)
    return np.sum(((v * w**2) @ v.T) * G)


def product_of_qr(a):
    q, r = np.linalg.qr(a)
    return np.sum((q @ r) * U)


# name: a function, where, and its gradient there
TRAPS = {
    "equal singular values": (
        norm_through_svd,
        np.diag([1.0, 1, 2, 3]),
        np.diag([1.0, 1, 2, 3]) / np.sqrt(15),
    ),
    "different eigenvalues": (square_through_eigh, A, G @ A + A @ G),
    "a singular matrix": (np.linalg.det, np.array([[1.0, 2], [2, 4]]), np.array([[4.0, -2], [-2, 1]])),
    "the factor of a determinant": (
        lambda a: 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky(a)))),
        A,
        np.linalg.inv(A),
    ),
    "a wide matrix": (product_of_qr, WIDE, U),
    "frequencies that stand for two": (
        lambda x: np.sum(np.arange(1.0, 5) * np.abs(np.fft.rfft(x)) ** 2),
        SPECTRUM,
        np.array([14.0, -28, 2, 50, -16, 26]),
    ),
    "zeros in a product": (
        lambda x: np.sum(np.prod(x, axis=1)),
        np.array([[2.0, 0, 3, 4], [0, 5, 0, 6]]),
        np.array([[0.0, 24, 0, 0], [0, 0, 0, 0]]),
    ),
    "the angle of small numbers": (
        lambda z: np.sum(np.angle(z)),
        ANGLES,
        1j * (ANGLES / np.abs(ANGLES)) / np.abs(ANGLES),
    ),
    "outside of the knots": (
        lambda x: np.sum(np.interp(x, [0.0, 1, 2, 3], [1.0, 4, 2, 8])),
        np.array([0.5, 2.25, -1, 9]),
        np.array([3.0, 6, 0, 0]),
    ),
    "the values at the knots": (
        lambda y: np.sum(np.interp([0.5, 2.25, -1, 9], [0.0, 1, 2, 3], y)),
        np.array([1.0, 4, 2, 8]),
        np.array([1.5, 0.5, 0.75, 1.25]),
    ),
    "the spread of equal numbers": (np.std, np.full(3, 2.0), np.zeros(3)),
    "an exponent of the base 0": (lambda b: np.sum(0.0**b), np.ones(2), np.zeros(2)),
    "the exponent 0 at the base 0": (lambda x: np.sum(x**0.0), np.zeros(2), np.zeros(2)),
    "the exponent 1 at the base 0": (lambda x: np.sum(x**1.0), np.zeros(2), np.ones(2)),
    "a repeated label before the end": (
        lambda x: np.sum(np.einsum("iij->ij", x) * WIDE),
        np.arange(12.0).reshape(2, 2, 3),
        np.stack([[WIDE[0], 0 * WIDE[0]], [0 * WIDE[0], WIDE[1]]]),
    ),
    "a trace by einsum": (lambda x: np.einsum("ii->", x), np.ones((2, 2)), np.eye(2)),
    "negative strides": (lambda x: np.sum(x * U), np.arange(6.0).reshape(2, 3)[::-1, ::-1], U),
}


@pytest.mark.parametrize("name", TRAPS)
def test_the_gradient_is_what_mathematics_says(name):
    f, x, expected = TRAPS[name]
    t = Tensor(x)
    f(t).backward()

    np.testing.assert_allclose(t.grad, expected, rtol=1e-9, atol=1e-9)


def test_through_vectors_of_equal_eigenvalues_the_gradient_is_that_of_the_square():
    t = Tensor(np.eye(2))
    square_through_eigh(t).backward()

    np.testing.assert_allclose(t.grad, G + G.T, atol=1e-14)


def test_least_squares_of_a_matrix_of_lesser_rank_has_the_least_norm():
    b = np.array([[1.0], [2.0], [3.0]])

    np.testing.assert_allclose(
        np.linalg.lstsq(Tensor(np.ones((3, 2)), requires_grad=False), b)[0], [[1.0], [1.0]]
    )
