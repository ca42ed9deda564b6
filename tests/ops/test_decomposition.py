"""Matrices taken apart: what is well defined at equal and zero values, and what is refused there."""

import warnings

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


C = np.array([[1.0, 2.0, 3.0], [0.0, 5.0, -1.0], [2.0, 2.0, 7.0]])
MIRRORED = (C + C.T) / 2
PLANE_C = C + 1j * np.array([[0.0, 1.0, 2.0], [-3.0, 0.5, 1.0], [0.2, 0.7, -1.0]])


def of_values(h, weights=C):
    def through_vectors(a):
        w, v = np.linalg.eigh(a)
        return np.sum(np.real((v * h(w)) @ np.conj(v).T * weights))

    return through_vectors


def of_factors(h, weights=C):
    def through_factors(a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.sum(np.real((u * h(s)) @ vh * weights))

    return through_factors


def on_plane(a):
    plane = np.linalg.eigh(a)[1][:, :2]
    return np.sum(plane @ plane.T * C)


TALL = np.arange(12.0).reshape(4, 3)
CHOICES = {  # name: f, x, right: the choice among the vectors of equal values drops out
    "the matrix at 0": (of_values(lambda w: w), np.zeros((3, 3)), MIRRORED),
    "the matrix at a matrix of rank 1": (of_values(lambda w: w), np.diag([0.0, 0.0, 5.0]), MIRRORED),
    "less one at 1": (of_values(lambda w: w - 1), np.eye(3), MIRRORED),
    "exp at 1": (of_values(np.exp), np.eye(3), np.e * MIRRORED),
    "a square at 0": (of_values(lambda w: w**2), np.zeros((3, 3)), np.zeros((3, 3))),
    "complex at 0": (
        of_values(lambda w: w, PLANE_C),
        np.zeros((3, 3)) + 0j,
        (PLANE_C.conj() + PLANE_C.T) / 2,
    ),
    "a plane": (on_plane, np.diag([1.0, 1.0, 5.0]), np.array([[0, 0, -10], [0, 0, -2], [-10, -2, 0]]) / 16),
    "the last of three": (
        lambda a: np.linalg.eigh(a)[1][0, -1] * np.linalg.eigh(a)[1][2, -1],
        np.diag([1.0, 1.0, 5.0]),
        np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]]) / 8,
    ),
    "factors at 0": (of_factors(lambda s: s), np.zeros((3, 3)), C),
    "factors at 0, tall": (of_factors(lambda s: s, TALL), np.zeros((4, 3)), TALL),
    "factors at 0, wide": (of_factors(lambda s: s, TALL.T), np.zeros((3, 4)), TALL.T),
    "factors of rank 1": (of_factors(lambda s: s), np.outer([1.0, 2.0, 3.0], [0.3, 0.7, 0.1]), C),
    "factors less one at 1": (of_factors(lambda s: s - 1), np.eye(3), MIRRORED),
    "complex factors at 0": (of_factors(lambda s: s, PLANE_C), np.zeros((3, 3)) + 0j, PLANE_C.conj()),
    "the next unitary matrix": (of_factors(np.ones_like), np.eye(3), (C - C.T) / 2),
}


@pytest.mark.parametrize("name", CHOICES)
def test_functions_in_which_the_choice_of_vectors_drops_out_are_right(name):
    f, x, right = CHOICES[name]

    np.testing.assert_allclose(gradient(f, x), right, atol=1e-12)


def test_each_matrix_of_a_stack_is_turned_by_itself():
    stack = np.stack([np.zeros((3, 3)), np.eye(3), np.diag([1.0, 2.0, 4.0])])

    def product(a):
        w, v = np.linalg.eigh(a)
        return np.sum((v * w[:, None]) @ np.swapaxes(v, -1, -2) * C)

    np.testing.assert_allclose(gradient(product, stack), np.stack([MIRRORED] * 3), atol=1e-12)


def through_inverse(a):
    w, v = np.linalg.eig(a)
    return np.sum(np.real((v * w) @ np.linalg.inv(v)) * C)


UNKNOWN = {  # name: f, x: which vectors are chosen shows, or there is a kink
    "squares of vectors": (lambda a: np.sum(np.linalg.eigh(a)[1] ** 2 * C), np.eye(3)),
    "sizes of vectors": (lambda a: np.sum(np.abs(np.linalg.eigh(a)[1]) * C), np.eye(3)),
    "a vector of two": (lambda a: np.linalg.eigh(a)[1][0, 0], np.diag([1.0, 1.0, 5.0])),
    "roots at 0": (of_values(lambda w: np.sqrt(np.abs(w))), np.zeros((3, 3))),
    "unlike weights": (of_values(lambda w: w * np.arange(3.0)), np.eye(3)),
    "the next unitary matrix of none": (of_factors(np.ones_like), np.diag([3.0, 2.0, 0.0])),
    "any matrix": (through_inverse, np.zeros((3, 3))),
    "any matrix of few directions": (through_inverse, np.array([[0.0, 1.0, 0], [0, 0, 0], [0, 0, 1]])),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_vectors_of_equal_values_whose_choice_shows_are_refused(name):
    f, x = UNKNOWN[name]

    with pytest.raises(GradientError, match="turn freely"):
        gradient(f, x)


@pytest.mark.by_turns("executor")
@pytest.mark.filterwarnings("ignore:.* runs as written:RuntimeWarning")
@pytest.mark.parametrize("prove", ["never", "always"])
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CHOICES)
def test_a_step_is_right_where_the_choice_of_vectors_drops_out(name, executor, prove):
    f, x, right = CHOICES[name]
    step = clearprop.compile(grad(f), executor=executor, prove=prove)
    rng = np.random.default_rng(2)
    apart = rng.normal(size=x.shape).astype(x.dtype)
    apart = apart + apart.T if x.shape[0] == x.shape[1] else apart

    for _ in range(2):
        np.testing.assert_allclose(step(x), right, atol=1e-12)
    for _ in range(3):
        np.testing.assert_allclose(step(apart), gradient(f, apart), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(step(x), right, atol=1e-12)


@pytest.mark.parametrize("executor", available_executors())
def test_a_step_says_once_that_it_runs_as_written(executor):
    f, x, right = CHOICES["factors less one at 1"]
    step = clearprop.compile(grad(f), executor=executor, prove="never")
    step(np.diag([1.0, 2.0, 4.0]))
    with pytest.warns(RuntimeWarning, match="runs as written(.|\n)*turn freely"):
        step(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(step(x), right, atol=1e-12)
    assert step.recordings == 1


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", UNKNOWN)
def test_a_step_refuses_vectors_of_equal_values_whose_choice_shows(name, executor):
    f, x = UNKNOWN[name]
    leaf = Tensor(x)

    @clearprop.compile(executor=executor)
    def step():
        leaf.grad = None
        loss = f(leaf)
        loss.backward()
        return loss

    with pytest.raises(GradientError, match="turn freely"):
        step()
    clearprop.assign(leaf, np.diag([1.0, 2.0, 4.0])[: x.shape[0]].astype(x.dtype))
    step()
    kept = leaf.grad.copy()
    clearprop.assign(leaf, x)
    with pytest.raises(GradientError, match="turn freely"):
        step()
    np.testing.assert_array_equal(leaf.grad, kept)


@pytest.mark.filterwarnings("ignore:.* runs as written:RuntimeWarning")
@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize("executor", available_executors())
def test_a_training_goes_through_equal_singular_values(executor, fallback):
    def trained(compiled):
        weight = clearprop.nn.Parameter(np.eye(3))
        optimizer = clearprop.optim.Adam([weight], lr=0.1)
        moved = []

        def step(x):
            optimizer.zero_grad()
            u, s, vh = np.linalg.svd(weight @ x)
            loss = np.sum((u @ vh) * C) + np.linalg.norm((u * s) @ vh)
            loss.backward()
            optimizer.step()
            moved.append(len(moved)) if fallback else None
            return loss

        step = clearprop.compile(step, executor=executor, fallback=fallback) if compiled else step
        losses = [float(step(x)) for x in (np.eye(3), np.eye(3), C, C, C)]
        assert len(moved) == 5 * fallback
        return losses, weight.value

    (losses, weight), (expected, right) = trained(True), trained(False)
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    np.testing.assert_allclose(weight, right, rtol=1e-7)


@pytest.mark.parametrize("transform", [clearprop.hessian, clearprop.jacobian])
def test_a_graph_of_gradients_refuses_vectors_of_equal_values_that_it_uses(transform):
    with pytest.raises(GradientError, match="turn freely"):
        transform(of_values(lambda w: w**2))(np.zeros((3, 3)))


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


@pytest.mark.parametrize("executor", available_executors())
def test_eigenvalues_that_turn_complex_in_a_compiled_step_are_refused(executor):
    step = clearprop.compile(lambda x: np.linalg.eigvals(x), executor=executor, verify=False)
    step(np.array([[1.0, 0.2], [0.3, 2.0]]))

    with pytest.raises((TypeError, ProofError), match="has complex eigenvalues, and was real when"):
        step(np.array([[0.0, 1.0], [-1.0, 0.0]]))


TURNING = np.array([[0.2, -1.0, 0.1], [1.3, 0.1, 0.4], [0.3, 0.2, 1.5]])  # two complex eigenvalues
PLANE = np.array([[1.0, 0.4j, 0.3], [-1.1 + 0.7j, 0.2, 0.5j], [0.6, 1.2 - 0.4j, -0.9 + 0.3j]])
TALL_PLANE = np.concatenate([PLANE, [[0.3j, 0.8, -0.5]]])


def hermitian(x):
    return x + np.conjugate(np.swapaxes(x, -1, -2))


def rebuilt(w, v):
    return np.real((v * w**2) @ np.conjugate(v.T))


OF_COMPLEX = {
    "eigvals": (lambda x: np.abs(np.linalg.eigvals(x)), TURNING),
    "eigvals of a stack": (lambda x: np.linalg.eigvals(x).imag ** 2, np.stack([TURNING, TURNING + 0.1])),
    "eigvals of complex numbers": (lambda x: np.linalg.eigvals(x).imag, PLANE),
    "eig, lengths": (lambda x: np.abs(np.linalg.eig(x)[1]), TURNING),
    "eig": (lambda x: np.abs(np.linalg.eig(x)[1] * np.arange(1, 4)), PLANE),
    "eig, entries": (lambda x: np.linalg.eig(x)[1].real, TURNING),
    "eig, more entries": (lambda x: np.linalg.eig(x)[1].imag, PLANE),
    "eig, a value": (lambda x: np.max(np.linalg.eig(x).eigenvalues.real), TURNING),
    "poly": (np.poly, TURNING),
    "eigvalsh": (lambda x: np.linalg.eigvalsh(hermitian(x)), PLANE),
    "eigh": (lambda x: rebuilt(*np.linalg.eigh(hermitian(x))), PLANE),
    "eigh, lengths": (lambda x: np.abs(np.linalg.eigh(hermitian(x))[1]), PLANE),
    "cholesky": (lambda x: np.abs(np.linalg.cholesky(hermitian(x) + 8 * np.eye(3))), PLANE),
    "cholesky, upper": (lambda x: np.abs(np.linalg.cholesky(hermitian(x) + 8 * np.eye(3), upper=True)), PLANE),
    "svdvals": (np.linalg.svdvals, TALL_PLANE),
    "svd": (lambda x: np.imag((lambda u, s, v: (u * s**2) @ v)(*np.linalg.svd(x, full_matrices=False))), TALL_PLANE),
    "svd of a wide matrix": (lambda x: np.abs(np.linalg.svd(x, full_matrices=False)[2]), TALL_PLANE.T),
    "qr": (lambda x: np.imag(np.linalg.qr(x)[0]), TALL_PLANE),
    "qr, wide": (lambda x: np.imag(np.linalg.qr(x)[1]), TALL_PLANE.T),
    "pinv": (lambda x: np.imag(np.linalg.pinv(x)), TALL_PLANE),
    "lstsq": (lambda x: np.abs(np.linalg.lstsq(x, np.ones(4) + 1j)[0]), TALL_PLANE),
    "norm": (lambda x: np.linalg.norm(x, "nuc") + np.linalg.norm(x, 2), TALL_PLANE),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], PLANE),
}  # fmt: skip


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", OF_COMPLEX)
def test_complex_matrices_to_second_order(name, order):
    f, x = OF_COMPLEX[name]

    np.testing.assert_allclose(f(Tensor(x)).value, f(x), rtol=1e-14, atol=1e-15)
    assert gradcheck(f, x, order=order).ok


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", [n for n, (_, x) in OF_COMPLEX.items() if x.dtype.kind == "c"])
def test_complex_matrices_compiled(name, executor):
    f, x = OF_COMPLEX[name]
    both = clearprop.value_and_grad(lambda a: np.sum(np.sin(f(a))))
    step = clearprop.compile(both, executor=executor)
    step(x)
    for got, right in zip(step(x * 1.01), both(x * 1.01), strict=True):
        np.testing.assert_allclose(np.asarray(got), right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.linalg.eigh(hermitian(x))[1].imag),
        lambda x: np.sum(np.linalg.svd(x)[0].real),
    ],
)
def test_the_phase_of_a_complex_vector_has_no_derivative(f):
    with pytest.raises(GradientError, match="the phase of a complex vector is LAPACK's choice"):
        grad(f)(PLANE)


def test_the_gradient_of_complex_eigenvalues_of_real_numbers_is_real():
    for dtype in (np.float64, np.float32):
        found = grad(lambda x: np.sum(np.abs(np.linalg.eigvals(x)) ** 2))(TURNING.astype(dtype))
        assert found.dtype == dtype
    each = clearprop.vmap(lambda x: np.abs(np.linalg.eigvals(x + 0j)))(np.stack([TURNING, TURNING + 0.1]))
    np.testing.assert_allclose(each[1], np.abs(np.linalg.eigvals(TURNING + 0.1)), rtol=1e-13)


CUT = {
    "pinv": (lambda x: np.linalg.pinv(x, rcond=0.5), np.array([[3.0, 1.0], [0.5, 2.0], [1.0, 0.3]])),
    "pinv of a wide matrix": (lambda x: np.linalg.pinv(x, rtol=0.5), np.array([[3.0, 1.0, 0.4], [0.5, 1.0, 2.0]])),
    "a cut for each": (lambda x: np.linalg.pinv(x, rtol=np.array([0.1, 0.9])), np.stack([TURNING, TURNING.T + 1])),
    "lstsq": (lambda x: np.linalg.lstsq(x, np.array([1.0, -2.0, 0.5]), rcond=0.5)[0], np.array([[3.0, 1.0], [0.5, 2.0], [1.0, 0.3]])),
    "nothing to cut": (lambda x: np.linalg.pinv(x, rtol=1e-3), np.eye(3)[[1, 0, 2]]),
}  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_what_a_pseudoinverse_cuts_off_turns_what_it_keeps(name):
    """Singular values that are cut off need not be 0."""
    f, x = CUT[name]

    np.testing.assert_allclose(f(Tensor(x)).value, f(x), rtol=1e-13, atol=1e-15)
    assert gradcheck(f, x, order=2).ok


@pytest.mark.parametrize("executor", available_executors())
def test_a_cut_pseudoinverse_compiled(executor):
    f, x = CUT["pinv"]
    both = clearprop.value_and_grad(lambda a: np.sum(np.sin(f(a))))
    step = clearprop.compile(both, executor=executor)
    step(x)
    for got, right in zip(step(x + 0.1), both(x + 0.1), strict=True):
        np.testing.assert_allclose(np.asarray(got), right, rtol=1e-11)


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


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_of_matrices_to_second_order(name, order):
    f, x = COMPOSED[name]

    assert gradcheck(f, x, order=order).ok


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("name", COMPOSED)
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_composed_functions_of_matrices_compiled(name, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    f, x = COMPOSED[name]

    def total(a):
        z = f(a)
        return np.sum(
            z * (np.cos(np.arange(z.size)).reshape(z.shape) + 2.0)
        )  # squares of a rotation add up to 1

    both = clearprop.value_and_grad(total)
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


# --- second derivatives where values are equal, and a complete Q --------------------------------------------
def by_differences(f, x, h=1e-5):
    slope, found = grad(f), np.zeros(x.shape * 2)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        found[(..., *place)] = (slope(x + step) - slope(x - step)) / (2 * h)
    return found


EQUAL = {
    "trace": (lambda x: np.sum(np.linalg.eigvalsh(x + x.T)), np.eye(3)),
    "two of three": (lambda x: np.sum(np.linalg.eigvalsh(x + x.T)[1:]), np.diag([0.0, 3.0, 3.0])),
    "nuclear": (lambda x: np.linalg.norm(x, "nuc"), 2 * np.eye(3)),
    "nuclear, tall": (lambda x: np.linalg.norm(x, "nuc"), np.eye(4)[:, :3]),
    "nuclear, wide": (lambda x: np.linalg.norm(x, "nuc"), np.eye(3)[:2]),
    "singular values": (lambda x: np.sum(np.linalg.svdvals(x)), np.diag([1.0, 1.0, 2.0])),
}


@pytest.mark.parametrize("name", EQUAL)
def test_second_derivatives_at_equal_values(name):
    f, x = EQUAL[name]
    expected = by_differences(f, x)

    np.testing.assert_allclose(clearprop.hessian(f)(x), expected, atol=1e-9)
    along = np.random.default_rng(0).normal(size=x.shape)
    np.testing.assert_allclose(clearprop.hvp(f)(x, along), np.tensordot(expected, along), atol=1e-9)
    for executor in available_executors():
        step = clearprop.compile(clearprop.hessian(f), executor=executor)
        step(x)
        np.testing.assert_allclose(step(x), expected, atol=1e-9)


def test_weights_of_zero_that_move_with_equal_eigenvalues_are_refused_too():
    def f(x):
        return np.sum(np.linalg.eigvals(x) ** 2)

    with pytest.raises(GradientError, match="turn freely"):
        clearprop.hessian(f)(np.zeros((2, 2)))
    apart = np.array([[2.0, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(clearprop.hessian(f)(apart), by_differences(f, apart), rtol=1e-7, atol=1e-7)


def test_weights_that_move_with_equal_eigenvalues_of_a_symmetric_matrix_have_a_limit():
    def f(x):
        return np.sum(np.linalg.eigvalsh(x + x.T) ** 3)

    np.testing.assert_allclose(clearprop.hessian(f)(np.zeros((2, 2))), np.zeros((2, 2, 2, 2)), atol=1e-15)
    for x in (np.eye(2), np.array([[2.0, 0.5], [0.5, 1.0]])):
        np.testing.assert_allclose(clearprop.hessian(f)(x), by_differences(f, x), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("f", [lambda w: w[0], lambda w: np.max(w) ** 3, lambda w: w @ np.arange(3.0)])
def test_second_derivatives_that_are_none_or_cannot_be_told_are_refused(f):
    with pytest.raises(GradientError, match="turn freely"):
        clearprop.hessian(lambda x: f(np.linalg.eigvalsh(x + x.T)))(np.eye(3))


@pytest.mark.parametrize("plane", [0.0, 0j], ids=["real", "complex"])
def test_weights_that_move_with_equal_eigenvalues_of_any_matrix_are_refused(plane):
    cubes = lambda x: np.sum(np.real(np.linalg.eigvals(x + plane) ** 3))  # noqa: E731
    trace = lambda x: np.sum(np.real(np.linalg.eigvals(x + plane)))  # noqa: E731
    with pytest.raises(GradientError, match="turn freely"):
        clearprop.hessian(cubes)(np.eye(3))
    np.testing.assert_array_equal(clearprop.hessian(trace)(np.eye(3)), np.zeros((3, 3, 3, 3)))
    assert gradcheck(cubes, np.diag([1.0, 2.0, 4.0]) + 0.1, order=2).ok


TALL = np.random.default_rng(1).normal(size=(2, 4, 2))


@pytest.mark.parametrize("x", [TALL[0], TALL, TALL[0] + 1j * TALL[1]], ids=["one", "stack", "complex"])
def test_a_complete_q(x):
    whole = np.linalg.qr(Tensor(x), "complete")
    for ours, theirs in zip(whole, np.linalg.qr(x, "complete"), strict=True):
        np.testing.assert_allclose(ours.value, theirs, atol=1e-14)

    def f(a):
        q, r = np.linalg.qr(a, "complete")
        rest = q[..., 2:]
        spanned = rest @ np.conjugate(np.swapaxes(rest, -1, -2))
        return np.sum(np.real(spanned[..., 0, 1:])) + np.sum(np.abs(r) ** 3) + np.sum(np.abs(q[..., :2]) ** 4)

    assert gradcheck(f, x, order=2).ok
    assert gradcheck(
        lambda a: np.sum(np.abs(np.linalg.qr(a, "complete")[0][..., 2:]) ** 4), x[..., :3, :], order=2
    ).ok


def test_one_column_more_is_a_function_of_x_and_two_are_not():
    x, w = TALL[0], np.random.default_rng(2).normal(size=(4, 2))
    assert gradcheck(lambda a: np.sum(np.linalg.qr(a, "complete")[0] ** 3), x[:3], order=2).ok
    with pytest.raises(GradientError, match="columns of Q beyond those of x turn freely"):
        grad(lambda a: np.sum(np.linalg.qr(a, "complete")[0][:, 2:] * w))(x)
    with pytest.raises(TypeError, match="has no rule for this mode"):
        np.linalg.qr(Tensor(x), "raw")


def test_scipys_full_qr():
    linalg = pytest.importorskip("clearprop.scipy.linalg")
    pytest.importorskip("scipy")
    q, r = linalg.qr(Tensor(TALL[0]))

    assert (q.shape, r.shape) == ((4, 4), (4, 2))
    np.testing.assert_allclose((q @ r).value, TALL[0], atol=1e-14)


def test_a_hook_on_a_tensor_of_another_graph_changes_nothing():
    other = Tensor([1.0])
    handle = other.register_hook(lambda g: g)
    t = Tensor(np.eye(2))
    w, v = np.linalg.eigh(t)
    np.sum((v * w) @ v.T).backward()
    handle.remove()

    np.testing.assert_allclose(t.grad, np.ones((2, 2)), atol=1e-12)


# --- QR of matrices without full rank -----------------------------------------------------------------------
LAST_DEPENDS = np.array([[1.0, 2.0, 3.0], [2.0, 4.5, 6.5], [1.0, 0.0, 1.0]])  # the sum of the others
W = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.5], [-0.6, 0.9, 1.3]])
QRS = {
    "square": LAST_DEPENDS,
    "two equal columns": np.array([[2.0, 1.0, 1.0], [0.7, 3.0, 3.0], [0.4, -1.0, -1.0]]),
    "wide": np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 7.0]]),
    "of one": np.zeros((1, 1)),
    "of a stack": np.stack([LAST_DEPENDS, LAST_DEPENDS + np.eye(3)]),
}


@pytest.mark.parametrize("executor", [None, *(e for e in ("numpy", "llvm") if e in available_executors())])
@pytest.mark.parametrize("name", QRS)
def test_a_last_column_that_depends_on_the_others_has_its_qr(name, executor):
    """A division by the last entry of R, which is rounding there, gave any number."""
    x = QRS[name]

    def f(a):
        q, r = np.linalg.qr(a)
        n = q.shape[-1]
        return np.sum(q**3 * W[:n, :n]) + np.sum(np.sin(r) * W[: r.shape[-2], : r.shape[-1]])

    run = grad(f) if executor is None else clearprop.compile(grad(f), executor=executor)
    wanted, h = np.zeros_like(x), 1e-6
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        wanted[place] = (f(x + step) - f(x - step)) / (2 * h)
    np.testing.assert_allclose(run(x), wanted, atol=1e-8)


@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
@pytest.mark.parametrize(
    "x", [np.outer([1.0, 2.0, 3.0], [1.0, 2.0]), np.zeros((3, 3)), np.ones((3, 3)), np.eye(2)[:, :1] * 0j]
)
def test_columns_that_depend_on_those_before_them_are_refused(x, mode):
    def f(a):
        z = np.linalg.qr(a, mode)
        return np.sum(np.real(z if mode == "r" else z.R))

    for run in (grad(f), clearprop.compile(grad(f), executor="numpy")):
        with pytest.raises(GradientError, match="have no direction of their own"):
            run(x)


@pytest.mark.parametrize("p", [None, 1, "fro", "nuc", np.inf])
def test_the_slope_of_an_infinite_condition_number_is_refused(p):
    def f(x):
        return np.linalg.cond(x, p)

    singular = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert float(f(Tensor(singular))) == np.inf
    for run in (clearprop.grad(f), clearprop.compile(clearprop.grad(f), executor="numpy")):
        with pytest.raises(GradientError, match=r"(?s)is infinite, and has no slope.*cond\(x, -2\)"):
            run(singular)
        assert np.all(np.isfinite(run(np.array([[3.0, 1.0], [0.5, 2.0]]))))
    many = clearprop.vmap(f)(np.stack([singular, 2 * np.eye(2)]))
    np.testing.assert_allclose(many, [np.inf, f(np.eye(2))])
    assert np.all(np.isfinite(clearprop.grad(lambda x: np.linalg.cond(x, -2))(singular)))
