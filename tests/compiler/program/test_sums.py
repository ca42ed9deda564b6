"""Long sums: slices' gradients meet in one join, products over time are one product."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad
from clearprop.compiler.program.builder import Builder, evaluate
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.joins import padded
from clearprop.compiler.program.rewrite import rewrite
from clearprop.compiler.step import available_executors

EXECUTORS = available_executors()
JOINED, PRODUCTS = "join(x, 0) + join(0, y)", "x y + z w = join(x, z) join(y, w)"


def rewritten(write, *arrays):
    """What a program gives before and after rewriting, which rules fired, and the ops that are left."""
    b = Builder()
    given = [Value("argument", x.shape, x.dtype, data=i) for i, x in enumerate(arrays)]
    b.values += given
    program = Program(b.values, [write(b, *given)])
    after, fired = rewrite(program)

    def run(p):
        made = dict(zip(p.arguments, arrays, strict=True))
        for v in p.values:
            if v not in made:
                made[v] = v.data if v.kind == "constant" else evaluate(v, made.__getitem__)
        return made[p.outputs[0]]

    return run(program), run(after), fired, [v.op for v in after.values]


def placed(b, x, starts, n, axis=0):
    """The sum of x's pieces between margins of zeros, first added first."""
    total = None
    for piece, start in zip(x, starts, strict=True):
        widths = [(0, 0)] * len(piece.shape)
        widths[axis] = (start, n - start - piece.shape[axis])
        one = padded(b, piece, widths)
        total = one if total is None else b.ufunc(np.add, total, one)
    return total


@pytest.mark.parametrize(
    "starts", [(0, 2, 4), (4, 0, 2), (0, 1, 2), (3, 3, 3), (0, 4, 1), (1, 3, 4)], ids=str
)
@pytest.mark.parametrize("axis", [0, 1])
def test_pieces_in_zeros_are_one_join(starts, axis):
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(2, 3) if axis == 0 else (3, 2)) for _ in starts]
    before, after, fired, ops = rewritten(lambda b, *xs: placed(b, xs, starts, 6, axis), *arrays)

    assert fired[JOINED] == 2
    assert ops.count("join") == 1
    np.testing.assert_allclose(after, before, rtol=1e-15, atol=0)


def test_the_sign_of_zero_and_what_is_not_finite_stay():
    arrays = [np.array([[-0.0, np.nan]]), np.array([[np.inf, -0.0]])]
    before, after, fired, _ = rewritten(lambda b, *xs: placed(b, xs, (0, 1), 3), *arrays)

    assert fired[JOINED]
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(np.signbit(after), np.signbit(before))


def test_what_is_no_join_is_added_to_it():
    def write(b, x, y, z):
        return b.ufunc(np.add, b.ufunc(np.add, placed(b, (x,), (1,), 3), z), placed(b, (y,), (0,), 3))

    before, after, fired, ops = rewritten(write, np.ones((1, 2)), np.ones((1, 2)), np.full((3, 2), 0.5))

    assert fired[JOINED] == 1
    assert ops.count("join") == 1
    np.testing.assert_array_equal(after, before)


def test_a_join_that_is_used_elsewhere_too_stays_right():
    def write(b, x, y):
        one, other = placed(b, (x,), (0,), 3), placed(b, (y,), (2,), 3)
        return b.ufunc(np.multiply, b.ufunc(np.add, one, other), b.ufunc(np.add, one, 1.0))

    before, after, _, _ = rewritten(write, np.ones((1, 2)) * 3, np.ones((1, 2)) * 5)
    np.testing.assert_array_equal(after, before)


def products(b, *xs):
    total = None
    for x, y in zip(xs[::2], xs[1::2], strict=True):
        one = b.matmul(b.transpose(x), y)
        total = one if total is None else b.ufunc(np.add, total, one)
    return total


def factors(inner, m=16, n=12, dtype="f8"):
    draw = np.random.default_rng(1)
    return [draw.normal(size=(k, side)).astype(dtype) for k in inner for side in (m, n)]


@pytest.mark.parametrize("inner", [(3, 3), (2, 5, 1, 4), (6,) * 12], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_products_of_few_rows_are_one_product(inner, dtype):
    before, after, fired, ops = rewritten(products, *factors(inner, dtype=dtype))

    assert fired[PRODUCTS] == len(inner) - 1
    assert ops.count("matmul") == 1
    assert "add" not in ops
    np.testing.assert_allclose(
        after, before, rtol=1e-5 if dtype == "f4" else 1e-13, atol=1e-5 if dtype == "f4" else 1e-13
    )


def test_products_of_many_rows_stay():
    _, _, fired, ops = rewritten(products, *factors((200, 200)))

    assert not fired[PRODUCTS]
    assert ops.count("matmul") == 2


def test_a_product_that_is_used_elsewhere_too_stays():
    def write(b, *xs):
        one, other = products(b, *xs[:2]), products(b, *xs[2:])
        return b.ufunc(np.multiply, b.ufunc(np.add, one, other), one)

    before, after, fired, _ = rewritten(write, *factors((3, 3)))
    assert not fired[PRODUCTS]
    np.testing.assert_allclose(after, before, rtol=1e-13)


# --- as people write them -----------------------------------------------------------------------------------
def recurrent(x, w, u):
    h = np.zeros((x.shape[0], w.shape[0]))
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ u + h @ w)
    return np.sum(h * h)


def windows(x, w, u):
    return sum(np.sum(np.tanh(x[:, t : t + 2, :] @ u)) for t in range(x.shape[1] - 1)) + np.sum(w)


def corners(x, w, u):
    return sum(x[i, j, 0] * x[i, j, 1] * (i + 2.0 * j) for i in range(3) for j in range(4)) + np.sum(w @ w)


def backwards(x, w, u):
    return sum(np.sum(np.sin(x[:, ::-1][:, t] @ u) @ w) for t in range(x.shape[1]))


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("loss", [recurrent, windows, corners, backwards], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gradients_of_a_loop_are_those_of_eager_mode(loss, executor, dtype):
    draw = np.random.default_rng(2)
    given = [draw.normal(size=s).astype(dtype) for s in ((3, 6, 5), (7, 7), (5, 7))]
    wanted = grad(loss, (0, 1, 2))(*given)
    compiled = clearprop.compile(grad(loss, (0, 1, 2)), executor=executor)

    for _ in range(2):
        for got, right in zip(compiled(*given), wanted, strict=True):
            np.testing.assert_allclose(
                got, right, rtol=2e-4 if dtype == "f4" else 1e-10, atol=1e-5 if dtype == "f4" else 1e-12
            )


@pytest.mark.parametrize("executor", EXECUTORS)
def test_second_derivatives_of_a_loop(executor):
    def twice(x, w, u):
        return np.sum(grad(recurrent)(x, w, u) ** 2)

    draw = np.random.default_rng(3)
    given = [draw.normal(size=s) for s in ((2, 4, 3), (4, 4), (3, 4))]
    wanted = grad(twice, (0, 1, 2))(*given)
    compiled = clearprop.compile(grad(twice, (0, 1, 2)), executor=executor)

    for got, right in zip(compiled(*given), wanted, strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_loop_has_one_product_for_each_weight(executor):
    w = Tensor(0.3 * np.eye(32))

    def step(x):
        w.grad = None
        h = np.zeros((4, 32))
        for t in range(12):
            h = np.tanh(x[:, t] + h @ w)
        np.sum(h * h).backward()

    compiled = clearprop.compile(step, executor=executor)
    compiled(np.full((4, 12, 32), 0.1))
    made = [v for v in compiled.latest.recording.program.values if v.op == "matmul"]

    assert len(made) == 12 + 11 + 1
    assert w.grad is not None
