"""What went wrong in other libraries, by their public bug reports: linear algebra and transformations."""

from contextlib import nullcontext

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor, checkpoint, grad, hessian, jacfwd, jacrev, jvp, manual_seed, no_grad, vmap
from clearprop.compiler.proof.prove import ProofWarning
from clearprop.compiler.step import available_executors

X = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.5])
BINS = np.array([1.0, 2.0, 3.0, 4.0])
ZEROS = np.array([[2.0, 0.0, 3.0, 4.0], [0.0, 5.0, 0.0, 6.0]])
Z = np.array([1 + 2j, -3 + 0.5j, 5.6843e-14 + 1e-13j])
PLACES, KNOTS, HEIGHTS = np.array([0.5, 2.25, -1.0, 9.0]), np.arange(4.0), np.array([1.0, 4.0, 2.0, 8.0])
SINGULAR = np.diag([1.0, 1.0, 2.0, 3.0])
WIDE, WEIGHTS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]]), np.array([[1.0, -1.0, 2.0], [0.0, 3.0, 1.0]])
FACTOR = np.array([[1.0, 2.0], [2.0, 5.0]])
CUBE = np.arange(12.0).reshape(2, 2, 3)
DIAGONAL = np.zeros((2, 2, 3))
DIAGONAL[0, 0], DIAGONAL[1, 1] = WEIGHTS


def by_svd(a):
    u, s, vh = np.linalg.svd(a)
    return np.linalg.norm((u * s) @ vh)


def by_eigh(a):
    w, v = np.linalg.eigh(a)
    return np.sum(((v * w**2) @ v.T) * FACTOR)


def by_qr(a):
    q, r = np.linalg.qr(a)
    return np.sum((q @ r) * WEIGHTS)


def log_det(a):
    return 2.0 * np.sum(np.log(np.diagonal(np.linalg.cholesky(a))))


# a function of one array, where, and the gradient that is right there
GRADIENTS = {
    "svd, two equal singular values": (by_svd, SINGULAR, SINGULAR / np.sqrt(15.0)),
    "det, singular": (
        np.linalg.det,
        np.array([[1.0, 2.0], [2.0, 4.0]]),
        np.array([[4.0, -2.0], [-2.0, 1.0]]),
    ),
    "log det by cholesky": (
        log_det,
        np.array([[4.0, 1.0], [1.0, 3.0]]),
        np.array([[3.0, -1.0], [-1.0, 4.0]]) / 11.0,
    ),
    "qr, wide": (by_qr, WIDE, WEIGHTS),
    "rfft, bins that stand for two": (
        lambda x: np.sum(BINS * np.abs(np.fft.rfft(x)) ** 2),
        X,
        np.array([14.0, -28.0, 2.0, 50.0, -16.0, 26.0]),
    ),
    "prod, zeros": (
        lambda x: np.sum(np.prod(x, axis=1)),
        ZEROS,
        np.array([[0.0, 24.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]),
    ),
    "angle": (lambda z: np.sum(np.angle(z)), Z, (-Z.imag + 1j * Z.real) / np.abs(Z) ** 2),
    "interp, by places": (
        lambda x: np.sum(np.interp(x, KNOTS, HEIGHTS)),
        PLACES,
        np.array([3.0, 6.0, 0.0, 0.0]),
    ),
    "interp, by heights": (
        lambda y: np.sum(np.interp(PLACES, KNOTS, y)),
        HEIGHTS,
        np.array([1.5, 0.5, 0.75, 1.25]),
    ),
    "std, no spread": (lambda x: np.std(x, ddof=1), np.full(3, 2.0), np.zeros(3)),
    "power, 0 by exponent": (lambda b: np.sum(np.power(0.0, b)), np.ones(1), np.zeros(1)),
    "power, 0 to the 0": (lambda x: np.sum(x ** np.zeros(1)), np.zeros(1), np.zeros(1)),
    "power, 0 to the 1": (lambda x: np.sum(x ** np.ones(1)), np.zeros(1), np.ones(1)),
    "einsum, repeated index": (lambda x: np.sum(np.einsum("iij->ij", x) * WEIGHTS), CUBE, DIAGONAL),
    "einsum, trace": (lambda x: np.einsum("ii->", x), np.ones((2, 2)), np.eye(2)),
    "negative strides": (lambda x: np.sum(x[::-1, ::-1] * WEIGHTS), WIDE, WEIGHTS[::-1, ::-1]),
    "relu at 0": (lambda x: np.sum(cp.relu(x)), np.zeros(1), np.zeros(1)),
    "maximum, a tie": (lambda x: np.sum(np.maximum(x, np.zeros(1))), np.zeros(1), np.array([0.5])),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_is_right(name):
    f, x, expected = GRADIENTS[name]

    found = grad(f)(x)

    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_is_right_in_a_compiled_step(name, executor):
    f, x, expected = GRADIENTS[name]
    compiled = cp.compile(lambda x: grad(f)(x), executor=executor)
    compiled(x + 0.25)
    # What follows a decomposition is run again with the vectors turned: by the function, not by its program.
    rerun = pytest.warns(ProofWarning, match="turn freely") if f is by_svd else nullcontext()

    with rerun:
        found = compiled(x)

    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_an_array_turned_round_is_read_as_it_shows_itself():
    turned = np.arange(6.0).reshape(2, 3)[::-1, ::-1]

    np.testing.assert_array_equal(Tensor(turned).value, [[5.0, 4.0, 3.0], [2.0, 1.0, 0.0]])
    np.testing.assert_array_equal(np.einsum("iij->ij", Tensor(CUBE)).value, [CUBE[0, 0], CUBE[1, 1]])


def test_least_squares_without_full_rank_has_the_shortest_solution():
    a, b = np.ones((3, 2)), np.array([[1.0], [2.0], [3.0]])

    found = np.linalg.lstsq(Tensor(a), Tensor(b))[0]

    np.testing.assert_allclose(found.value, np.ones((2, 1)), rtol=1e-12)


def test_an_odd_signal_comes_back_where_its_length_is_told():
    x = np.arange(5.0)
    bins = np.fft.rfft(Tensor(x))

    np.testing.assert_allclose(np.fft.irfft(bins, 5).value, x, atol=1e-12)
    np.testing.assert_allclose(
        np.fft.irfft(bins).value, [0.625, 1.404522599411, 3.125, 4.845477400589], rtol=1e-11
    )


def test_perturbations_of_two_levels_are_not_confused():
    slope = lambda f: lambda x: jvp(f, (x,), (1.0,))[1]  # noqa: E731

    assert float(slope(lambda a: a * slope(lambda b: a + b)(1.0))(1.0)) == 1.0


def test_the_second_derivative_through_a_saturated_tanh():
    c = 1e8

    found = grad(grad(lambda v: np.tanh(-c * v) * (c * v) ** 2))(1.0)

    np.testing.assert_allclose(found, -2 * c * c, rtol=1e-9)


@pytest.mark.parametrize("made", [jacfwd, jacrev], ids=["jacfwd", "jacrev"])
def test_both_directions_heed_no_grad(made):
    def f(v):
        with no_grad():
            still = v * 1
        return v * still

    np.testing.assert_array_equal(made(f)(np.array([2.0, 3.0])), np.diag([2.0, 3.0]))


@pytest.mark.parametrize("x", [np.eye(2), np.diag([1.0, 1.001])], ids=["equal", "near"])
def test_the_square_through_eigenvectors_has_its_gradient(x):
    np.testing.assert_allclose(grad(by_eigh)(x), FACTOR @ x + x @ FACTOR, rtol=1e-9)


def test_a_tie_of_two_variables_gives_each_half():
    assert [float(d) for d in grad(np.maximum, argnums=(0, 1))(0.0, 0.0)] == [0.5, 0.5]


def test_a_checkpoint_draws_the_same_mask_again():
    def f(v):
        return cp.nn.functional.dropout(v, 0.5, training=True) * v

    a, b = Tensor(np.ones(64), requires_grad=True), Tensor(np.ones(64), requires_grad=True)
    manual_seed(3)
    kept = f(a)
    np.sum(kept).backward()
    manual_seed(3)
    again = checkpoint(f)(b)
    cp.nn.functional.dropout(np.ones(7), 0.5, training=True)
    np.sum(again).backward()

    np.testing.assert_array_equal(again.value, kept.value)
    np.testing.assert_array_equal(b.grad, a.grad)
    assert 0 < np.count_nonzero(a.grad) < 64


def test_draws_under_vmap_are_refused_until_told():
    f = lambda v: cp.nn.functional.dropout(v, 0.5, training=True)  # noqa: E731
    x = np.ones((4, 30))

    with pytest.raises(ValueError, match="randomness"):
        vmap(f)(x)
    one, each = (np.asarray(vmap(f, randomness=how)(x)) for how in ("same", "different"))
    assert np.all(one == one[0])
    assert not np.all(each == each[0])


SMOOTH = {
    "a bell": (lambda n: np.exp(-(n**2) / 2), -1.0),
    "a quotient": (lambda n: 3.0 / (1.0 + np.square(n)), -6.0),
    "a product": (lambda n: -(n * n) / 4, -0.5),
    "a sum": (lambda n: n**2 - n**4 + 2 * n * n, 6.0),
    "flat": (lambda n: n**4, 0.0),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_the_hessian_through_the_square_of_a_norm_at_0(name):
    of_length, expected = SMOOTH[name]
    x = np.array([1.0, 2.0])
    f = lambda v: of_length(np.linalg.norm(v - x))  # noqa: E731
    rows = lambda v: np.sum(of_length(np.linalg.norm(np.stack([v - x, v]), axis=1))[:1])  # noqa: E731

    for found in (hessian(f)(x), jacfwd(grad(rows))(x), cp.compile(lambda v: hessian(f)(v))(x)):
        np.testing.assert_allclose(found, expected * np.eye(2), atol=1e-12)


def test_a_norm_that_is_computed_twice_is_one_length():
    def f(x):
        return np.linalg.norm(x) * np.linalg.norm(x)

    for found in (hessian(f)(np.zeros(2)), cp.compile(lambda v: hessian(f)(v))(np.zeros(2))):
        np.testing.assert_allclose(found, 2 * np.eye(2))


def test_the_hessian_of_a_norm_itself_is_flat_at_its_kink():
    np.testing.assert_array_equal(hessian(np.linalg.norm)(np.zeros(2)), np.zeros((2, 2)))
