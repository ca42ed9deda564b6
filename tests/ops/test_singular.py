"""Singular matrices: second derivatives of the determinant, condition numbers."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, gradcheck
from clearprop.compiler.step import available_executors

RNG = np.random.default_rng(0)
OF_RANK = {
    "full": RNG.normal(size=(4, 4)),
    "one less": np.diag([1.0, 2.0, 0.0]),
    "one": np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 0.5]),
    "none": np.zeros((3, 3)),
    "two by two": np.zeros((2, 2)),
}


def second_minors(x):
    """The second derivatives of the determinant: signed minors without two rows and two columns."""
    n = len(x)
    found = np.zeros((n, n, n, n))
    for i, j, k, m in np.ndindex(*found.shape):
        if i != k and j != m:
            rows, columns = ([a for a in range(n) if a not in pair] for pair in ((i, k), (j, m)))
            sign = (-1) ** (i + j + k + m) * (1 if (k > i) == (m > j) else -1)
            found[i, j, k, m] = sign * np.linalg.det(x[np.ix_(rows, columns)])
    return found


@pytest.mark.parametrize("x", OF_RANK.values(), ids=OF_RANK)
def test_second_derivatives_of_a_determinant_are_minors(x):
    np.testing.assert_allclose(clearprop.hessian(np.linalg.det)(x), second_minors(x), atol=1e-13)


def test_third_derivatives_of_a_determinant_are_right():
    x, c, d = RNG.normal(size=(3, 3, 3))
    twice = lambda x: np.sum(grad(lambda y: np.sum(grad(np.linalg.det)(y) * c))(x) * d)  # noqa: E731

    assert gradcheck(twice, x).ok
    assert gradcheck(lambda x: np.abs(np.linalg.det(x + 1j * x.T @ x)) ** 2, x, order=2).ok


@pytest.mark.parametrize("executor", [e for e in available_executors() if e in ("numpy", "llvm")])
def test_a_compiled_step_has_second_derivatives_of_stacks_of_singular_matrices(executor):
    xs, h = np.stack([OF_RANK["one less"], OF_RANK["one"], np.zeros((3, 3))]), RNG.normal(size=(3, 3))
    moved = lambda xs: grad(lambda ys: np.sum(grad(lambda zs: np.sum(np.linalg.det(zs)))(ys) * h))(xs)  # noqa: E731
    step = clearprop.compile(moved, executor=executor)
    right = [np.einsum("ijkl,kl->ij", second_minors(x), h) for x in xs]
    for _ in range(3):
        np.testing.assert_allclose(step(xs), right, atol=1e-13)


@pytest.mark.parametrize("p", [None, 1, -1, 2, np.inf, -np.inf, "fro", "nuc"])
def test_the_condition_number_of_a_singular_matrix_is_infinite(p):
    sound = np.diag([1.0, 2.0, 4.0])
    both = np.stack([OF_RANK["one less"], sound])

    found = np.linalg.cond(Tensor(both), p)
    np.testing.assert_array_equal(found.value[0], np.inf)
    np.testing.assert_allclose(found.value[1], np.linalg.cond(sound, p))
    gradient = grad(lambda x: np.linalg.cond(x, p)[1])(both)[1]
    np.testing.assert_allclose(gradient, grad(lambda x: np.linalg.cond(x, p))(sound), rtol=1e-13)


@pytest.mark.parametrize("p", [None, 1, -2, np.inf, "fro"])
def test_a_stack_of_no_matrices_has_no_condition_numbers(p):
    assert np.linalg.cond(Tensor(np.zeros((0, 2, 2))), p).shape == (0,)
    with pytest.raises(np.linalg.LinAlgError, match="wants matrices with entries"):
        np.linalg.cond(Tensor(np.zeros((2, 0, 0))), p)
