"""Second derivatives at the kink of a length, of functions that have none there."""

import numpy as np
import pytest
from tests.ops.differences import mixed_difference

import clearprop
from clearprop import Tensor, grad, hessian, kinks
from clearprop.compiler.step import available_executors
from clearprop.ops import limits

norm = np.linalg.norm
ONES = np.array([1.0, 2.0, 3.0])
SMOOTH = {  # name: f, where a length in it is 0
    "lengths of two numbers": (lambda x: np.hypot(x[0], x[1]) * np.hypot(2 * x[0], 2 * x[1]), np.zeros(2)),
    "nothing added": (lambda x: np.sum(abs(x) * abs(x + 0.0)), np.zeros(2)),
    "two in an array": (lambda x: np.sum(np.stack([norm(x), 2 * norm(x)]) ** 2), np.zeros(3)),
    "their product": (lambda x: np.prod(np.stack([norm(x), 2 * norm(x)])), np.zeros(3)),
    "their running sums": (lambda x: np.sum(np.cumsum(np.stack([norm(x), norm(x)])) ** 2), np.zeros(2)),
    "joined": (lambda x: np.sum(np.concatenate([abs(x), abs(x)]) ** 2), np.zeros(3)),
    "trace": (lambda x: np.trace(abs(x) @ abs(x).T), np.array([[0.0, 1.0], [2.0, 0.0]])),
    "times a vector": (lambda x: (norm(x) * ONES) @ (norm(x) * ONES), np.zeros(3)),
    "a form": (lambda x: abs(x) @ np.diag([2.0, 3.0]) @ abs(x), np.zeros(2)),
    "outer": (lambda x: np.sum(np.outer(abs(x), abs(x)) * np.eye(2)), np.zeros(2)),
    "repeated": (lambda x: np.sum(np.repeat(norm(x), 3) ** 2), np.zeros(2)),
    "taken": (lambda x: np.sum(np.take(abs(x), [0, 1, 0]) ** 2), np.zeros(2)),
    "under a mask": (lambda x: np.sum(abs(x)[np.array([True, False, True])] ** 2), np.zeros(3)),
    "turned": (lambda x: np.sum(abs(x).T ** 2) + np.sum(np.roll(abs(x), 1) ** 2), np.zeros((2, 3))),
    "cos": (lambda x: np.cos(norm(x)), np.zeros(3)),
    "log cosh": (lambda x: np.sum(np.log(np.cosh(abs(x)))), np.array([0.0, 0.3])),
    "sinc": (lambda x: np.sinc(norm(x)), np.zeros(2)),
    "x sin x": (lambda x: norm(x) * np.sin(norm(x)), np.zeros(3)),
    "polynomial": (lambda x: np.polyval([3.0, 0.0, 1.0], norm(x)), np.zeros(2)),
    "the largest of one": (lambda x: np.max(abs(x)) ** 2, np.zeros(1)),
    "cos of a deviation": (lambda x: np.cos(np.std(x)), np.ones(3)),
    "cos of hypot": (lambda x: np.cos(np.hypot(x[0], x[1])), np.zeros(2)),
    "cos of a complex size": (lambda x: np.cos(abs(x[0] + 1j * x[1])), np.zeros(2)),
    "square of a complex size": (lambda x: abs(x[0] + 1j * x[1]) ** 2, np.zeros(2)),
    "twice": (lambda x: (1 + norm(x)) * np.exp(-norm(x)), np.zeros(3)),
    "twice, of a multiple": (lambda x: (norm(2 * x) + 1) ** 2 - 2 * norm(2 * x), np.zeros(2)),
    "two deviations": (lambda x: (1 + np.std(x)) * np.exp(-np.std(x)), np.ones(3)),
    "hypot of entries, twice": (
        lambda x: (1 + np.hypot(x[0], x[1])) * np.exp(-np.hypot(x[0], x[1])),
        np.zeros(2),
    ),
    "Matern": (lambda x: (1 + norm(x) + norm(x) ** 2 / 3) * np.exp(-norm(x)), np.zeros(2)),
    "times that of a multiple": (lambda x: norm(x) * norm(2 * x) + np.sum(abs(x) * abs(-x / 3)), np.zeros(2)),
    "larger than 0": (lambda x: np.sum(np.maximum(abs(x), 0) ** 2 + np.fmax(abs(x), 0) ** 2), np.zeros(2)),
    "rectified": (lambda x: np.sum(clearprop.relu(abs(x)) ** 2), np.zeros(2)),
    "larger of both signs": (lambda x: np.sum(np.maximum(x, -x) ** 2), np.zeros(2)),
    "smaller of both signs": (lambda x: np.sum(np.cos(np.fmin(x, -x))), np.zeros(2)),
    "a tie beside 0": (lambda x: np.sum((np.maximum(x + 1, 1 - x) - 1) ** 2), np.zeros(2)),
    "parts": (lambda x: np.sum(np.maximum(x, 0) ** 2 + np.minimum(x, 0) ** 2), np.zeros(2)),
    "parts as numbers": (lambda x: np.sum(np.fmax(x, 0) ** 2 + np.fmin(x, 0) ** 2), np.zeros(2)),
    "larger times smaller": (lambda x: np.maximum(x[0], x[1]) * np.minimum(x[0], x[1]), np.ones(2)),
    "their difference": (lambda x: (np.maximum(x[0], x[1]) - np.minimum(x[0], x[1])) ** 2, np.ones(2)),
    "the largest of a stack": (lambda x: np.sum(np.max(np.stack([x, -x]), axis=0) ** 2), np.zeros(2)),
    "from peak to peak": (lambda x: np.ptp(x) ** 2, np.ones(2)),
    "root of a sum": (lambda x: np.sqrt(np.sum(x * x)) ** 2, np.zeros(3)),
    "product of roots": (lambda x: np.sqrt(np.sum(x * x)) * np.sqrt(np.sum(x * x)), np.zeros(3)),
    "powers of a half": (lambda x: np.sum(x**2) ** 0.5 * np.sum(x**2) ** 0.5, np.zeros(2)),
    "third root": (lambda x: np.cbrt(x @ x) ** 3 + np.cos(np.cbrt(x @ x) ** 3), np.zeros(2)),
    "fourth root": (lambda x: np.sum(((x * x) ** 0.25) ** 4), np.zeros(2)),
    "a norm of one entry": (lambda x: np.sum(norm(x[:, None], 3, axis=1) ** 2), np.zeros(2)),
    "root mean square": (lambda x: np.sqrt(np.mean(x**2)) ** 2, np.zeros(3)),
    "root of a variance": (lambda x: np.sqrt(np.var(x)) ** 2, np.ones(3)),
    "singular values": (lambda x: np.sum(np.linalg.svdvals(x) ** 2), np.diag([1.0, 0.0])),
    "equal singular values": (lambda x: np.sum(x) * norm(np.linalg.svdvals(x)) ** 2, np.eye(3)[:2]),
    "equal eigenvalues": (lambda x: np.sum(np.linalg.eigvalsh(x + x.T) ** 2), np.eye(2)),
    "eigenvalues of 0": (lambda x: np.sum(np.linalg.eigvalsh(x + x.T, "U") ** 2) / 2, np.zeros((2, 2))),
}


@pytest.mark.parametrize("executor", [None, *(e for e in ("numpy", "llvm") if e in available_executors())])
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_of_a_length_have_their_second_derivatives(name, executor):
    f, x = SMOOTH[name]
    u, v = np.random.default_rng(0).normal(size=(2, *x.shape))
    directed = grad(lambda y: np.sum(grad(f)(y) * u))
    run = directed if executor is None else clearprop.compile(directed, executor=executor)

    wanted = mixed_difference(f, x, u, v)
    assert abs(wanted) > 1e-2  # 0 would be nothing to find
    for _ in range(2):
        np.testing.assert_allclose(np.sum(run(x) * v), wanted, rtol=1e-3)
    moved = x + np.random.default_rng(1).normal(size=x.shape)
    np.testing.assert_allclose(np.sum(run(moved) * v), mixed_difference(f, moved, u, v), rtol=1e-3, atol=1e-5)


KINKED = {
    "the length": (lambda x: norm(x), np.zeros(2)),
    "a power below 2": (lambda x: norm(x) ** 1.5, np.zeros(2)),
    "times an entry": (lambda x: norm(x) * x[0], np.zeros(2)),
    "with another entry": (lambda x: abs(x[0]) * abs(x[1]), np.zeros(2)),
    "a masked root": (lambda x: np.sum(np.where(x > 0, np.sqrt(abs(x)), 0.0)), np.array([0.0, 0.0])),
}


@pytest.mark.parametrize("name", KINKED)
def test_what_has_a_kink_is_flat_there_and_listed(name):
    f, x = KINKED[name]
    for run in (hessian(f), clearprop.compile(hessian(f), executor="numpy")):
        np.testing.assert_array_equal(run(x), np.zeros((2, 2)))
    assert kinks(f, x)


@pytest.mark.parametrize("choice", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_at_a_tie_the_second_derivative_is_the_mean_of_those_of_both_sides(choice):
    for run in (hessian, lambda f: clearprop.compile(hessian(f), executor="numpy")):
        assert float(run(lambda x: choice(x, 0.0) ** 2)(np.float64(0))) == 1.0
        assert float(run(lambda x: choice(x, 3 * x) ** 2)(np.float64(0))) == 10.0
        assert float(run(lambda x: choice(x, 0.0))(np.float64(0))) == 0.0
    assert kinks(lambda x: choice(x, 0.0) ** 2, 0.0)


ONE_SIZE = {  # parts that share a kink: f, its second derivative at 0, the mean of those of both sides
    "an offset": (lambda x: (np.maximum(x, 1 - x - 1) - abs(x)) ** 2, 0.0),
    "an offset in the size": (lambda x: abs(x + 2 - 2.0) * np.maximum(-x, 0) * 2 - x * np.minimum(x, 0), 1.0),
    "an end elsewhere": (lambda x: abs(x) * abs(x + 1), 0.0),
    "both halves": (lambda x: (np.maximum(x, 0) - np.maximum(-x, 0)) ** 2, 2.0),
    "a leak": (lambda x: (np.maximum(x, 0) - 0.1 * np.maximum(-x, 0)) ** 2, 1.01),
    "a leak of one": (lambda x: np.maximum(x, 0.1 * x) ** 2, 1.01),
    "two leaks": (lambda x: (np.maximum(x, 0.1 * x) + np.minimum(0.3 * x, x)) ** 2, 1.3**2 + 1.1**2),
    "0": (lambda x: np.maximum(0, 2 * x) * np.fmax(-x, 0), 0.0),
    "other halves": (lambda x: np.maximum(2 * x, 0) * np.minimum(x, 0), 0.0),
    "a size": (lambda x: (2 * np.maximum(x, 0) - abs(x)) ** 2, 2.0),
    "of opposite": (lambda x: (abs(x) - np.maximum(x, -x)) ** 2, 0.0),
    "a sum of sizes": (lambda x: (np.fabs(-x) + np.maximum(x, -x)) ** 2, 8.0),
    "elu": (lambda x: (np.maximum(x, 0) + np.exp(np.minimum(x, 0)) - 1) ** 2, 2.0),
}


@pytest.mark.parametrize("name", ONE_SIZE)
def test_what_has_a_share_of_one_size_moves_with_it(name):
    f, wanted = ONE_SIZE[name]
    for run in (hessian(f), clearprop.compile(hessian(f), executor="numpy")):
        np.testing.assert_allclose(run(np.float64(0)), wanted, atol=1e-15)
    np.testing.assert_allclose(clearprop.vmap(hessian(f))(np.zeros(2)), [wanted] * 2, atol=1e-15)


@pytest.mark.parametrize(
    ("f", "a", "b"),
    [
        (lambda x, y: (np.maximum(x, y) - abs(y - x) / 2) ** 2, 0.5, 0.5),
        (lambda x, y: abs(x - y) * abs(y - x), 2.0, -2.0),
        (lambda x, y: np.maximum(x, y) * np.minimum(y, x), 0.0, 1.0),
        (lambda x, y: np.cos(np.maximum(x - y, 0) + np.maximum(y - x, 0)), -1.0, 1.0),
        (lambda x, y: (np.maximum(x, y) - np.minimum(x, y)) * abs(x - y), 2.0, -2.0),
    ],
)
def test_what_has_a_share_of_one_difference_moves_with_it(f, a, b):
    of_pair = hessian(lambda x: f(x[0], x[1]))
    for run in (of_pair, clearprop.compile(of_pair, executor="numpy")):
        np.testing.assert_allclose(run(np.ones(2)), [[a, b], [b, a]], atol=1e-15)


def test_the_even_part_of_a_kink_has_its_second_derivative():
    """That of exp(-|x|) is 1 on both sides of 0, and the limit of exp(-x) where x is infinite."""
    f = lambda x: np.sum(np.exp(-abs(x)))  # noqa: E731
    for run in (hessian(f), clearprop.compile(hessian(f), executor="numpy")):
        np.testing.assert_array_equal(np.diag(run(np.array([0.0, 1.0, np.inf]))), [1.0, np.exp(-1.0), 0.0])


def in_many_steps(f, n):
    def g(x):
        z = f(x)
        for _ in range(n):
            z = z + 0.01 * z
        return np.sum(np.cos(z) ** 2)

    return g


def of_products(x):
    return np.sum(np.tanh(np.maximum(x, -x) @ np.diag([1.0, 2.0])) ** 2)


LONG = {  # more operations than a program derives: f, where, the Hessian
    "norm": (in_many_steps(norm, 20), np.zeros(2), -2 * 1.01**40 * np.eye(2)),
    "tie": (in_many_steps(lambda x: np.maximum(x, -x), 10), np.zeros(2), -2 * 1.01**20 * np.eye(2)),
    "root": (in_many_steps(lambda x: np.sqrt(x @ x), 20), np.zeros(2), -2 * 1.01**40 * np.eye(2)),
    "products": (of_products, np.zeros(2), np.diag([2.0, 8.0])),
}


@pytest.mark.parametrize("name", LONG)
def test_a_step_that_has_no_limit_runs_as_written_at_the_kink(name):
    f, x, wanted = LONG[name]
    step = clearprop.compile(hessian(f), executor="numpy")

    np.testing.assert_allclose(hessian(f)(x), wanted, atol=1e-14)
    with pytest.warns(RuntimeWarning, match="runs as written(.|\n)*second derivative at a kink"):
        np.testing.assert_allclose(step(x), wanted, atol=1e-14)
    np.testing.assert_allclose(step(x), wanted, atol=1e-14)
    beside = np.array([0.3, 0.4])
    np.testing.assert_allclose(step(beside), hessian(f)(beside), rtol=1e-12)
    assert step.recordings == 1


def test_a_long_function_has_its_limit_where_values_are_known():
    f = in_many_steps(abs, 130)

    np.testing.assert_allclose(hessian(f)(0.0), -2 * 1.01**260)
    np.testing.assert_allclose(clearprop.vmap(hessian(f))(np.array([0.0]))[0], -2 * 1.01**260)


def test_a_limit_of_too_long_a_function_is_not_left_out_in_silence(monkeypatch):
    monkeypatch.setattr(limits, "_LONGEST_KNOWN", 10)
    with pytest.warns(RuntimeWarning, match="at most 10 operations: this place is taken as flat"):
        assert float(hessian(in_many_steps(abs, 10))(0.0)) == 0.0


@pytest.mark.filterwarnings("ignore:.* runs as written:RuntimeWarning")
@pytest.mark.parametrize("of", [clearprop.jacobian, clearprop.jacrev])
def test_many_results_have_their_limits_in_a_compiled_step(of):
    def f(x):
        return np.repeat(np.stack([norm(x) * norm(2 * x), np.sum(np.maximum(x, -x) ** 2)]), 9)

    found = clearprop.compile(of(of(f)), executor="numpy")(np.zeros(2))

    np.testing.assert_allclose(found, np.repeat([4.0, 2.0], 9)[:, None, None] * np.eye(2), atol=1e-15)


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x: norm(x) * norm(2 * x), 4.0),
        (lambda x: abs(x[0]) * abs((3 * x)[0]) + abs(x[1]) * abs((-3 * x)[1]), 6.0),
        (lambda x: norm(2 * x.T) * norm((x * -3.0).T), 12.0),
    ],
)
def test_multiples_move_together_through_views_and_for_many_examples(f, wanted):
    np.testing.assert_allclose(hessian(f)(np.zeros(2)), wanted * np.eye(2), atol=1e-15)
    np.testing.assert_allclose(
        clearprop.vmap(hessian(f))(np.zeros((1, 2)))[0], wanted * np.eye(2), atol=1e-15
    )


def test_the_largest_of_several_that_tie_is_each_of_them_in_turn():
    """Of n that tie it has n sides, and the second derivative is the mean of theirs."""
    f = lambda x: np.max(x) ** 2  # noqa: E731
    for run in (hessian(f), clearprop.compile(hessian(f), executor="numpy")):
        np.testing.assert_allclose(run(np.ones(3)), 2 / 3 * np.eye(3), atol=1e-15)
        np.testing.assert_allclose(run(np.array([1.0, 0.0, 1.0])), np.diag([1.0, 0.0, 1.0]), atol=1e-15)


def test_what_else_has_a_say_is_differentiated_further():
    third = grad(grad(grad(lambda x, y: y**2 * np.cos(abs(x)))), argnums=1)

    assert float(third(0.0, 3.0)) == -6.0
    assert float(clearprop.compile(third)(np.float64(0), np.float64(3))) == -6.0


def test_for_many_examples_at_once():
    both = clearprop.vmap(grad(grad(lambda x: np.cos(abs(x)))))(np.array([0.0, 1.0]))

    np.testing.assert_allclose(both, [-1.0, -np.cos(1.0)], rtol=1e-15)


NESTED = {
    "jacobian": lambda f: clearprop.jacobian(clearprop.jacobian(f)),
    "jacrev": lambda f: clearprop.jacrev(clearprop.jacrev(f)),
    "jacfwd": lambda f: clearprop.jacfwd(clearprop.jacrev(f)),
    "jacrev of jacfwd": lambda f: clearprop.jacrev(clearprop.jacfwd(f)),
    "vmap": lambda f: lambda x: clearprop.vmap(NESTED["jacobian"](f))(np.stack([x, x + 1]))[0],
    "jacobian of vmap": lambda f: clearprop.jacobian(
        lambda x: clearprop.vmap(lambda w: grad(lambda y: f(y) @ w)(x))(np.eye(4))
    ),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", NESTED)
def test_nested_derivatives_of_several_results_are_hessians(name, compiled):
    def f(x):
        return np.stack([norm(x) ** 2, np.cos(norm(x)), np.sum(np.maximum(x, -x) ** 2), abs(x) @ abs(x) / 2])

    run = NESTED[name](f)
    found = (clearprop.compile(run, executor="numpy") if compiled else run)(np.zeros(2))

    np.testing.assert_allclose(found, np.array([2.0, -1.0, 2.0, 1.0])[:, None, None] * np.eye(2), atol=1e-15)


def test_the_value_of_a_gradient_is_as_before():
    x = Tensor([0.0, 0.0])
    g = grad(lambda x: np.cos(norm(x)))(x)

    assert g.value.tolist() == [0.0, 0.0]


ROOTS = {
    "sqrt": np.sqrt,
    "power": lambda x: x**0.5,
    "of a NumPy number": lambda x: x ** np.float64(0.5),
    "of an array": lambda x: x ** np.array(0.5),
    "float_power": lambda x: np.float_power(x, 0.5),
}


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_is_one_however_it_is_written(name):
    root = ROOTS[name]
    for f, factor in ((lambda x: np.cos(root(x @ x)), -1.0), (lambda x: root(x @ x) ** 2, 2.0)):
        for run in (hessian(f), clearprop.compile(hessian(f), executor="numpy")):
            np.testing.assert_array_equal(run(np.zeros(2)), factor * np.eye(2))


@pytest.mark.parametrize("name", ROOTS)
def test_where_a_root_is_nan_its_square_has_no_derivative(name):
    """The factor that takes the root away would leave 1 for what is NaN."""
    first = grad(lambda x: np.sum(ROOTS[name](x) ** 3))
    with np.errstate(invalid="ignore"):
        value, slope = clearprop.value_and_grad(lambda x: np.sum(first(x)))(np.array([4.0, -1.0, np.nan]))
        compiled = clearprop.compile(grad(lambda x: np.sum(first(x))))(np.array([4.0, -1.0, np.nan]))

    assert np.isnan(value)
    np.testing.assert_allclose(slope, [0.375, np.nan, np.nan])
    np.testing.assert_allclose(compiled, [0.375, np.nan, np.nan])


def weights_of_rows(x):
    return np.sum(np.array([[1.0], [3.0]]) * np.linalg.svdvals(x) ** 2)


STACKS = {  # of matrices, each with a number of its own: f, the same of the entries
    "weights": (weights_of_rows, lambda x: np.sum(np.array([1.0, 3.0])[:, None, None] * x**2)),
    "squares of sums": (
        lambda x: np.sum((1 + np.sum(np.linalg.svdvals(x) ** 2, axis=-1)) ** 2),
        lambda x: np.sum((1 + np.sum(x**2, axis=(-1, -2))) ** 2),
    ),
    "cos of norms": (
        lambda x: np.sum(np.cos(norm(np.linalg.svdvals(x), axis=-1))),
        lambda x: np.sum(np.cos(norm(x, axis=(-1, -2)))),
    ),
    "eigenvalues": (
        lambda x: np.sum(np.exp(np.mean(np.linalg.eigvalsh(x + np.swapaxes(x, -1, -2)) ** 2, axis=-1))),
        lambda x: np.sum(np.exp(np.sum((x + np.swapaxes(x, -1, -2)) ** 2, axis=(-1, -2)) / 2)),
    ),
}


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("x", [np.zeros((2, 2, 2)), np.stack([np.eye(2), 2 * np.eye(2)])], ids=["0", "equal"])
def test_each_matrix_of_a_stack_has_its_own_sum_of_squares(name, x):
    f, of_entries = STACKS[name]
    right = hessian(of_entries)(x)

    assert np.any(right)
    np.testing.assert_allclose(hessian(f)(x), right, atol=1e-12)
    np.testing.assert_allclose(clearprop.compile(hessian(f))(x), right, atol=1e-12)


def test_weights_within_a_matrix_are_no_multiple_of_its_values():
    f = lambda x: np.sum(np.array([1.0, 3.0]) * np.linalg.svdvals(x) ** 2)  # noqa: E731
    x = np.random.default_rng(2).normal(size=(2, 2, 2))
    u, v = np.random.default_rng(3).normal(size=(2, 2, 2, 2))
    found = np.sum(grad(lambda y: np.sum(grad(f)(y) * u))(x) * v)

    np.testing.assert_allclose(found, mixed_difference(f, x, u, v), rtol=1e-3)


def test_many_lengths_in_a_row_cost_no_multiple_for_each():
    def f(x):
        for _ in range(6):
            x = np.cos(np.abs(x) * np.array([1.0, 0.0]) + 0.0 * x) - 1
        return np.sum(x)

    before = (Tensor(1.0) + 1.0).serial
    grad(lambda x: np.sum(grad(f)(x) ** 2))(np.zeros(2))
    assert (
        (Tensor(1.0) + 1.0).serial - before < 5000
    )  # without a bound it is 31545: each doubles what the ones before it cost, and more
