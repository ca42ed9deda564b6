"""Second derivatives of functions of eigenvalues and singular values that are equal, or 0."""

import numpy as np
import pytest
from tests.ops.differences import mixed_difference

import clearprop
from clearprop import GradientError, grad, hessian, jacobian
from clearprop.compiler.step import available_executors

EXECUTORS = [None, *(e for e in ("numpy", "llvm") if e in available_executors())]
sv = np.linalg.svdvals
rng = np.random.default_rng(0)
Q, P = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in "ab")


def ev(x):
    return np.linalg.eigvalsh((x + np.swapaxes(x, -1, -2)) / 2)


def of_plane(f):
    return lambda x: f(x[0] + 1j * x[1])


TWICE, NULL, WIDE = np.diag([2.0, 2.0]), np.diag([2.0, 2.0, 0.0]), np.eye(3)[:2]
STACK = np.stack([np.eye(3), NULL, np.zeros((3, 3)), rng.normal(size=(3, 3))])
SMOOTH = {  # name: f, where values are equal or 0
    "fourth powers": (lambda x: np.sum(sv(x) ** 4), TWICE),
    "square of a product": (lambda x: np.prod(sv(x)) ** 2, np.diag([3.0, 0.0])),
    "logarithm of a product": (lambda x: np.log(np.prod(sv(x))), TWICE),
    "cosh": (lambda x: np.sum(np.cosh(sv(x))), np.zeros((2, 3))),
    "cos, tall": (lambda x: np.sum(np.cos(sv(x))), np.diag([1.0, 0.0, 0.0])[:, :2]),
    "logarithms": (lambda x: np.sum(np.log1p(sv(x) ** 2)), NULL),
    "wide": (lambda x: np.sum(np.cosh(sv(x))), WIDE),
    "the sum squared": (lambda x: np.sum(sv(x)) ** 2, TWICE),
    "turned": (lambda x: np.sum(sv(x) ** 4) - np.log1p(np.sum(sv(x) ** 2)), Q @ NULL @ P),
    "a stack": (lambda x: np.sum(np.cosh(sv(x))) ** 2, STACK),
    "complex": (of_plane(lambda x: np.sum(np.cosh(sv(x)))), np.stack([NULL, 0 * NULL])),
    "exp of eigenvalues": (lambda x: np.sum(np.exp(ev(x))), np.zeros((3, 3))),
    "their product": (lambda x: np.prod(ev(x)) ** 2 + np.prod(ev(x)), TWICE),
    "logsumexp": (lambda x: np.log(np.sum(np.exp(ev(x)))), Q @ NULL @ Q.T),
    "entropy": (lambda x: np.sum(ev(x) * np.log(ev(x))), TWICE),
    "variance": (lambda x: np.var(ev(x)), TWICE),
    "squares of sizes": (lambda x: np.sum(abs(ev(x)) ** 2), np.diag([0.0, 0.0, 1.0])),
    "nearly equal": (lambda x: np.sum(np.exp(ev(x))), Q @ np.diag([1.0, 1 + 1e-12, 2.0]) @ Q.T),
    "Hermitian": (
        lambda x: np.sum(np.exp(np.linalg.eigvalsh(x[0] + x[0].T + 1j * (x[1] - x[1].T)))),
        np.stack([np.eye(2), np.zeros((2, 2))]),
    ),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", SMOOTH)
def test_functions_that_treat_values_alike_have_second_derivatives(name, executor):
    f, x = SMOOTH[name]
    u, v = np.random.default_rng(1).normal(size=(2, *x.shape))
    directed = grad(lambda y: np.sum(grad(f)(y) * u))
    run = directed if executor is None else clearprop.compile(directed, executor=executor)

    for y in (x, x + np.random.default_rng(2).normal(size=x.shape) / 10):
        wanted = mixed_difference(f, y, u, v)
        assert not abs(wanted) < 1e-3  # 0 would be nothing to find
        if np.isfinite(wanted):
            np.testing.assert_allclose(np.sum(run(y) * v), wanted, rtol=2e-3)


def test_the_limit_is_right_to_the_last_digits():
    h = hessian(lambda x: np.sum(np.exp(ev(x))))(2 * np.eye(2))
    e = np.exp(2.0)

    np.testing.assert_allclose(h[0, 0], [[e, 0], [0, 0]], rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(h[0, 1], [[0, e / 2], [e / 2, 0]], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "f",
    [
        lambda x: sv(x)[0] ** 2,
        lambda x: np.max(sv(x)) ** 2,
        lambda x: np.sum(np.array([1.0, 2.0]) * sv(x) ** 4),
        lambda x: np.sum(np.array([1.0, 2.0]) * (sv(x) - 2) ** 2),
        lambda x: np.sum(np.maximum(ev(x) - 2, 0) ** 2),
    ],
)
def test_what_tells_equal_values_apart_is_refused(f, executor):
    run = hessian(f) if executor is None else clearprop.compile(hessian(f), executor=executor)

    with pytest.raises(GradientError, match="turn freely"):
        run(TWICE)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("f", "values", "wanted"),
    [
        (lambda w: np.sum(np.log(w)), [1e-4, 1e-4, 1.0], -0.5e8),
        (lambda w: np.sum(w**-2.0), [1e-6, 1e-6, 1.0], 3e24),
        (lambda w: np.sum(np.exp(1e4 * (w - 1))), [1.0, 1.0, 0.5], 0.5e8),
    ],
)
def test_steep_functions_see_what_rounding_left_of_equal_values(f, values, wanted, executor):
    x = Q @ np.diag(values) @ Q.T
    u = np.outer(Q[:, 0], Q[:, 1])
    directed = grad(lambda y: np.sum(grad(lambda x: f(ev(x)))(y) * u))
    run = directed if executor is None else clearprop.compile(directed, executor=executor)

    assert np.all(np.diff(np.linalg.eigvalsh(x)) != 0)
    np.testing.assert_allclose(np.sum(run(x) * u), wanted, rtol=1e-6)


def test_what_is_smooth_of_values_of_two_calls_is_refused_with_what_works():
    with pytest.raises(GradientError, match=r"called once \(w = np.linalg.eigvalsh\(x\)\)"):
        hessian(lambda x: np.cos(ev(x)[1] - ev(x)[0]))(np.eye(2))

    found = hessian(lambda x: (lambda w: np.cos(w[1] - w[0]))(ev(x)))(np.eye(2))
    np.testing.assert_allclose(found[0], [[[-1, 0], [0, 1]], [[0, -1], [-1, 0]]], atol=1e-12)


def test_a_third_derivative_at_equal_values_is_refused():
    second = hessian(lambda x: np.sum(np.exp(ev(x))))

    with pytest.raises(GradientError, match="turn freely"):
        jacobian(second)(TWICE)
    assert np.all(np.isfinite(jacobian(second)(np.diag([2.0, 1.0]))))


def test_what_else_has_a_say_is_differentiated_further():
    def curvature(y):
        return hessian(lambda x: y**2 * np.sum(np.cosh(ev(x))))(TWICE)[0, 1, 0, 1]

    for run in (grad(curvature), clearprop.compile(grad(curvature))):
        np.testing.assert_allclose(run(np.float64(3)), 6 * np.cosh(2) / 2, rtol=1e-14)


def test_nested_jacobians_and_vmap():
    def f(x):
        return np.stack([np.sum(sv(x) ** 4), np.sum(np.cosh(sv(x)))])

    each = np.stack([hessian(lambda x, k=k: f(x)[k])(TWICE) for k in range(2)])
    np.testing.assert_allclose(jacobian(jacobian(f))(TWICE), each, atol=1e-12)
    many = clearprop.vmap(hessian(lambda x: f(x)[0]))(np.stack([TWICE, TWICE + 1]))
    np.testing.assert_allclose(many[0], each[0], atol=1e-12)


EQUAL = Q @ np.diag([2.0, 2.0, 1.0]) @ Q.T
BESIDE_KINKS = {
    "relu": lambda x: np.sum(clearprop.relu(sv(x)) ** 3),
    "clip": lambda x: np.sum(np.clip(sv(x), 0.0, 5.0) ** 3),
    "sort": lambda x: np.sum(np.sort(sv(x)) ** 3),
}


@pytest.mark.filterwarnings("ignore:.*runs as written")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", BESIDE_KINKS)
def test_what_has_a_kink_elsewhere_is_smooth_at_equal_values(name, executor):
    f, (u, v) = BESIDE_KINKS[name], np.random.default_rng(1).normal(size=(2, 3, 3))
    directed = grad(lambda y: np.sum(grad(f)(y) * u))
    run = directed if executor is None else clearprop.compile(directed, executor=executor)

    wanted = mixed_difference(lambda x: np.sum(sv(x) ** 3), EQUAL, u, v)

    np.testing.assert_allclose(np.sum(run(EQUAL) * v), wanted, rtol=1e-4)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_largest_of_equal_values_is_a_kink(executor):
    u = np.random.default_rng(1).normal(size=(3, 3))
    directed = grad(lambda y: np.sum(grad(lambda x: np.max(sv(x)) ** 2)(y) * u))
    run = directed if executor is None else clearprop.compile(directed, executor=executor)

    with pytest.raises(GradientError, match="turn freely"):
        run(EQUAL)


@pytest.mark.filterwarnings("ignore:.*runs as written")
def test_a_long_function_of_values_that_are_0_runs_as_written_in_a_compiled_step():
    def f(x):
        z = sv(x)
        for _ in range(20):
            z = z + 0.01 * z
        return np.sum(np.cosh(z))

    x, u = np.diag([1.0, 0.0]), np.array([[0.3, 0.4], [-0.2, 0.7]])
    directed = grad(lambda y: np.sum(grad(f)(y) * u))
    wanted = mixed_difference(f, x, u, np.diag([0.0, 1.0]))

    np.testing.assert_allclose(clearprop.compile(directed, executor="numpy")(x)[1, 1], wanted, rtol=1e-3)
