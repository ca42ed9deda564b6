"""Matrices whose eigenvectors do not span: a trace is right there, and what curves is refused."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad
from clearprop.compiler.step import available_executors

JORDAN = np.array([[1.0, 1.0], [0.0, 1.0]])
LARGER = np.diag([1.0, 1.0, 2.0, 2.0, 3.0]) + np.diag([1.0, 0.0, 1.0, 0.0], 1)
PLANE = np.array([[0.0, 1.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, -1.0, 0.0]])
DEFECTIVE = {
    "Jordan": JORDAN,
    "nilpotent": np.eye(2, k=1),
    "complex": JORDAN + 0j,
    "larger": LARGER,
    "turns": PLANE,
    "of three": np.eye(3) + np.eye(3, k=1),
    "but for rounding": np.eye(3) + np.diag([1.0, 1.0], 1) + np.diag([0.0, 1e-9, 0.0]),
    "stack": np.stack([JORDAN, np.array([[1.0, 1.0], [0.5, 1.0]])]),
    "float32": JORDAN.astype(np.float32),
}
VALUES = {"eigvals": np.linalg.eigvals, "eig": lambda x: np.linalg.eig(x)[0]}
_NOT = "eigenvectors of the matrix do not span"


def companion(*roots):
    found = np.eye(len(roots), k=-1)
    found[0] = -np.poly(roots)[1:]
    return found


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("x", DEFECTIVE.values(), ids=DEFECTIVE)
def test_a_trace_is_right_and_sums_of_powers_are_refused(values, x):
    one = np.broadcast_to(np.eye(x.shape[-1]), x.shape)

    np.testing.assert_array_equal(grad(lambda x: np.sum(np.real(values(x))))(x), one)
    for power in (2, 3):
        with pytest.raises(GradientError, match=_NOT):
            grad(lambda x, power=power: np.sum(np.real(values(x) ** power)))(x)
    with pytest.raises(GradientError, match=_NOT):
        grad(lambda x: np.max(np.real(values(x).ravel()[:2])))(x)


def test_a_function_of_the_trace_alone_is_right_where_it_curves():
    found = grad(lambda x: np.mean(np.linalg.eigvals(x)) ** 3)(JORDAN)

    np.testing.assert_allclose(found, 1.5 * np.eye(2), rtol=1e-15)


def test_an_eigenvalue_beside_those_of_a_block_has_its_slope():
    np.testing.assert_allclose(
        grad(lambda x: np.max(np.linalg.eigvals(x)))(LARGER), np.diag([0.0, 0, 0, 0, 1]), atol=1e-15
    )


@pytest.mark.parametrize("name", ["vectors", "products"])
def test_vectors_that_nearly_depend_on_one_another_are_refused_where_rounding_is_left(name):
    q = np.random.default_rng(0).normal(size=(5, 5))
    x = q @ LARGER @ np.linalg.inv(q)  # eigenvalues in pairs, 1e-8 apart

    def f(x):
        w, v = np.linalg.eig(x)
        z = (v * w) @ np.linalg.inv(v) if name == "products" else np.abs(v) ** 2 * np.arange(5.0)
        return np.sum(np.real(z))

    with pytest.raises(GradientError, match=_NOT):
        grad(f)(x)
    np.testing.assert_allclose(grad(lambda x: np.sum(np.linalg.eigvals(x) ** 2))(x), 2 * x.T, rtol=1e-5)


def hilbert(n):
    return 1 / (1 + np.add.outer(np.arange(n), np.arange(n)))


RNG = np.random.default_rng(1)
SOUND = {
    "random": (RNG.normal(size=(50, 50)), 1e-12),
    "Hilbert": (hilbert(12), 1e-12),
    "Grcar": (sum(np.eye(20, k=k) for k in range(4)) - np.eye(20, k=-1), 1e-11),
    "triangular": (np.triu(RNG.normal(size=(12, 12))), 1e-6),
    "companion of 5": (companion(1, 2, 3, 4, 5), 1e-10),
    "companion of 10": (companion(*range(1, 11)), 1e-6),
    "near a block": (JORDAN + np.diag([0.0, 1e-6]), 1e-10),
    "equal values": (np.diag([1.0, 1.0, 2.0]) + np.outer([0.0, 0.0, 1.0], [1.0, 1.0, 0.0]), 1e-13),
    "one": (np.eye(4), 1e-15),
    "zeros": (np.zeros((3, 3)), 1e-15),
    "float32": (RNG.normal(size=(20, 20)).astype(np.float32), 1e-5),
}


@pytest.mark.parametrize(("x", "limit"), SOUND.values(), ids=SOUND)
def test_matrices_whose_vectors_span_keep_their_gradients(x, limit):
    for values in VALUES.values():
        squares = grad(lambda x, f=values: np.sum(np.real(f(x) ** 2)))(x)
        np.testing.assert_allclose(squares, 2 * x.T, atol=limit * max(np.max(np.abs(x)), 1))
        trace = grad(lambda x, f=values: np.sum(np.real(f(x))))(x)
        np.testing.assert_allclose(trace, np.eye(len(x)), atol=0 if values is np.linalg.eigvals else limit)
    first = grad(lambda x: np.real(np.linalg.eigvals(x)[0]))(x)
    assert np.all(np.isfinite(first))


def test_a_trace_is_right_where_no_vector_has_a_digit_left():
    x = companion(*range(1, 21))
    trace = lambda x: np.sum(np.real(np.linalg.eigvals(x)))  # noqa: E731

    np.testing.assert_array_equal(grad(trace)(x), np.eye(20))
    with pytest.raises(GradientError, match=_NOT):
        grad(lambda x: np.sum(np.real(np.linalg.eigvals(x) ** 2)))(x)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_transforms_and_graphs_of_gradients_do_alike(values):
    trace, squares = (lambda x, p=p: np.sum(np.real(values(x) ** p) if p > 1 else values(x)) for p in (1, 2))
    sound = np.array([[1.0, 1.0], [0.5, 1.0]])
    both = np.stack([sound, JORDAN])

    np.testing.assert_array_equal(clearprop.jacobian(trace)(JORDAN), np.eye(2))
    np.testing.assert_array_equal(clearprop.vmap(grad(trace))(both), np.stack([np.eye(2)] * 2))
    for transformed, x in ((clearprop.jacobian(squares), JORDAN), (clearprop.hessian(squares), JORDAN)):
        with pytest.raises(GradientError, match=_NOT):
            transformed(x)
    with pytest.raises(GradientError, match=_NOT):
        clearprop.vmap(grad(squares))(both)
    np.testing.assert_allclose(clearprop.vmap(grad(squares))(np.stack([sound, sound.T]))[0], 2 * sound.T)


@pytest.mark.parametrize("executor", [e for e in available_executors() if e in ("numpy", "llvm")])
def test_a_compiled_step_sends_a_trace_and_refuses_what_curves(executor):
    sound = np.array([[1.0, 1.0], [0.5, 1.0]])
    trace = clearprop.compile(grad(lambda x: np.sum(np.linalg.eigvals(x))), executor=executor)
    squares = clearprop.compile(grad(lambda x: np.sum(np.linalg.eigvals(x) ** 2)), executor=executor)
    for _ in range(3):
        np.testing.assert_array_equal(trace(sound), np.eye(2))
        np.testing.assert_allclose(squares(sound), 2 * sound.T)
    np.testing.assert_array_equal(trace(JORDAN), np.eye(2))
    with pytest.raises(GradientError, match=_NOT):
        squares(JORDAN)
    np.testing.assert_allclose(squares(sound), 2 * sound.T)


def test_the_first_complex_numbers_of_a_process_are_met_where_the_rest_is_looked_at(monkeypatch):
    from clearprop.modes import special

    x = np.array([[0.5, 1.2], [1.5, 0.3]])
    monkeypatch.setattr(special, "complexes", False)
    leaf = Tensor(x, requires_grad=True)
    np.real(np.sum((np.linalg.eigvals(leaf) + 0j) * np.array([1j, 2.0]) * (2.0 - 1j))).backward()
    monkeypatch.setattr(special, "complexes", True)
    again = Tensor(x, requires_grad=True)
    np.real(np.sum((np.linalg.eigvals(again) + 0j) * np.array([1j, 2.0]) * (2.0 - 1j))).backward()

    np.testing.assert_allclose(leaf.grad, again.grad, rtol=1e-14)
