"""A loop as an op is the same loop written in Python: values, gradients, gradients of those, compiled."""

import copy
import random

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, explain, grad, gradcheck, scan, trace
from clearprop.check import NonFiniteError
from clearprop.ops.random import uniform

EXECUTORS = ["numpy", "llvm"]


def written_out(body, carry, xs, reverse=False):
    ys = []
    turns = range(len(xs))
    for t in reversed(turns) if reverse else turns:
        carry, y = body(carry, xs[t])
        ys.append(y)
    return carry, np.stack(ys[::-1] if reverse else ys)


def weights(dtype=np.float64):
    numbers = np.random.default_rng(0)
    shapes = {"W": (3, 4), "U": (4, 4), "b": (4,), "h": (2, 4), "xs": (6, 2, 3)}
    return {name: numbers.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def recurrent(loop, W, U, b, h, xs):
    def body(h, x):
        h = np.tanh(x @ W + h @ U.T + b)
        return h, h * h

    last, ys = loop(body, h, xs)
    return np.sum(last) + np.sum(np.sin(ys))


def summed(g):
    return sum(np.sum(np.cos(x) * x) for x in g)


LOOPS = {
    "plain": lambda *args: scan(*args),
    "reverse": lambda *args: scan(*args, reverse=True),
    "checkpoint": lambda *args: scan(*args, checkpoint=True),
    "both": lambda *args: scan(*args, reverse=True, checkpoint=True),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("length", [1, 2, 5, 6])
def test_values_and_gradients_of_three_orders_are_those_of_the_loop_written_out(name, length):
    given = weights()
    args = [*list(given.values())[:4], given["xs"][:length]]
    everything = (0, 1, 2, 3, 4)

    def orders(loop):
        def f(*args):
            return recurrent(loop, *args)

        def once(*args):
            return summed(grad(f, everything)(*args))

        def twice(*args):
            return summed(grad(once, everything)(*args))

        return [f(*args), *grad(f, everything)(*args), *grad(once, everything)(*args), grad(twice)(*args)]

    turned = name in ("reverse", "both")
    expected = orders(lambda *args: written_out(*args, reverse=turned))

    for actual, wanted in zip(orders(LOOPS[name]), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("name", "length"), [("plain", 6), ("plain", 18), ("checkpoint", 6)])
def test_compiled_gradients_of_two_orders_are_the_eager_ones(name, length, executor, dtype):
    given = weights(dtype)
    given["U"] /= 2  # so that a state forgets: what rounding makes of a long loop would grow with its length
    args = [*list(given.values())[:4], np.tile(given["xs"], (3, 1, 1))[:length]]

    def f(*args):
        return recurrent(LOOPS[name], *args)

    def again(*args):
        return summed(grad(f, (0, 1))(*args))

    for function in (grad(f, (0, 1, 2, 3, 4)), grad(again, (0, 1, 2, 3, 4))):
        compiled = clearprop.compile(function, executor=executor)
        for _ in range(3):
            for actual, wanted in zip(compiled(*args), function(*args), strict=True):
                assert actual.dtype == dtype
                scale = 200 * np.finfo(dtype).eps * max(1, np.abs(wanted).max())
                np.testing.assert_allclose(actual, wanted, rtol=0, atol=scale)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_training_step_compiles_and_follows_the_length(executor):
    given = weights()

    def training(loop):
        W, U, b = (Tensor(given[name]) for name in "WUb")

        def step(h, xs):
            for w in (W, U, b):
                w.grad = None
            loss = recurrent(loop, W, U, b, h, xs)
            loss.backward()
            with clearprop.no_grad():
                for w in (W, U, b):
                    w -= 0.1 * w.grad
            return loss

        return step, (W, U, b)

    eager, expected = training(written_out)
    step, found = training(scan)
    compiled = clearprop.compile(step, executor=executor)
    for length in (6, 6, 2, 20, 6, 5):
        xs = np.tile(given["xs"], (4, 1, 1))[:length]
        eager(given["h"], xs)
        compiled(given["h"], xs)

    for w, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(w.value, wanted.value, rtol=1e-10)


def test_carry_xs_and_outputs_are_trees_of_any_dtypes():
    def body(carry, x):
        new = {"n": carry["n"] + 1, "v": carry["v"] * x["a"] + 1, "w": None}
        return new, (x["b"], [new["v"]])

    v = Tensor(np.float32([1.0, 2.0]))
    xs = {"a": np.float32([[1, 2], [3, 4], [5, 6]]), "b": np.array([True, False, True])}
    last, (b, [vs]) = scan(body, {"n": 0, "v": v, "w": None}, xs)

    assert last["n"] == 3
    assert last["w"] is None
    np.testing.assert_array_equal(b, xs["b"])
    np.testing.assert_array_equal(last["v"].value, [36.0, 127.0])
    np.testing.assert_array_equal(vs.value, [[2, 5], [7, 21], [36, 127]])
    assert vs.dtype == np.float32
    last["v"].backward(np.float32([1, 1]))
    np.testing.assert_array_equal(v.grad, [15, 48])


def test_two_float_dtypes_and_an_integer_state_that_depends_on_them():
    def body(carry, x):
        a, b, k = carry
        k = k + (b > 0.5)
        return (np.sin(a) * x.astype(np.float32), b * np.cos(x) + a * k, k), a + b

    def f(loop, a, b, xs):
        (a, b, _), ys = loop(body, (a, b, np.int64(0)), xs)
        return np.sum(ys) + a.astype(np.float64) * b

    given = np.float32(0.7), 0.4, np.array([0.3, 1.2, -0.5, 2.0])
    for k in range(3):
        found, expected = (
            grad(lambda *args, loop=loop: f(loop, *args), k)(*given) for loop in (scan, written_out)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        second, wanted = (
            grad(lambda *args, loop=loop, k=k: np.sum(grad(lambda *args: f(loop, *args), k)(*args)), 1)(
                *given
            )
            for loop in (scan, written_out)
        )
        np.testing.assert_allclose(second, wanted, rtol=1e-5)


TWO = {
    "a counter": (np.float64, 0, lambda h, i: (np.tanh(h) + 0.1 * i * h, i + 1)),
    "a counter as a place": (np.float64, 0, lambda h, i: (np.tanh(h * NUMBERS[i % 5]), i + 1)),
    "a counter of another kind": (
        np.float32,
        np.int32(3),
        lambda h, i: (h / i.astype(h.dtype), i + np.int32(2)),
    ),
    "a flag that turns": (np.float64, np.bool_(True), lambda h, k: (np.where(k, np.sin(h), h * h), ~k)),
    "float64 beside float32": (np.float32, np.float64(0.3), lambda h, v: (np.tanh(h + v.astype(h.dtype)), v)),
    "float32 beside float64": (np.float64, np.float32(0.3), lambda h, v: (np.exp(h * v) * 0.3, v * v)),
    "a sum of the other": (
        np.float32,
        np.float64(0.3),
        lambda h, v: (np.sin(h * v.astype(h.dtype)), v + np.sum(h)),
    ),
}
NUMBERS = Tensor([1.0, 0.3, -2.0, 0.7, 0.4], requires_grad=False)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", ["", *EXECUTORS])
@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("name", TWO)
def test_the_backward_pass_reads_states_of_other_dtypes_as_they_were_in_each_turn(name, length, executor):
    dtype, beside, turn = TWO[name]

    def f(loop, h):
        (last, _), ys = loop(lambda c, _: (turn(*c), c[0] * 1), (h, beside), np.zeros(length))
        return np.sum(np.sin(last).astype(np.float64)) + np.sum(ys * ys)

    def orders(loop):
        first = grad(lambda h: f(loop, h))
        return lambda h: (first(h), grad(lambda h: np.sum(np.sin(first(h))))(h))

    h = np.array([0.6, -0.2], dtype)
    found = clearprop.compile(orders(scan), executor=executor) if executor else orders(scan)
    for _ in range(2):
        for g, wanted in zip(found(h), orders(written_out)(h), strict=True):
            np.testing.assert_allclose(g, wanted, rtol=1e4 * np.finfo(np.float32).eps, atol=1e-5)
            assert g.dtype == dtype


def test_a_mask_holds_the_carry_and_empties_outputs():
    mask = np.array([[1, 1], [1, 0], [0, 0]], bool)
    x = Tensor(np.ones((3, 2, 1)))
    h, ys = scan(lambda h, x: (h + x, h + x), np.zeros((2, 1)), x, mask=mask)
    np.sum(h).backward()

    np.testing.assert_array_equal(h.value, [[2], [1]])
    np.testing.assert_array_equal(ys.value[..., 0], [[1, 1], [2, 0], [0, 0]])
    np.testing.assert_array_equal(x.grad[..., 0], mask)


def test_without_turns_the_carry_is_returned_and_passes_its_gradient():
    c, w = Tensor(2.0), Tensor(3.0)
    last, ys = scan(lambda c, x: (c * w + x, [c]), c, np.zeros((0,)))
    last.backward()

    assert last.value == 2
    assert ys[0].shape == (0,)
    assert c.grad == 1
    assert w.grad is None or w.grad == 0


def test_every_turn_draws_its_own_numbers_and_the_backward_pass_the_same():
    def total(w):
        return scan(lambda c, _: (c + w * uniform((2,)), c), np.zeros(2), length=4)

    clearprop.manual_seed(5)
    w = Tensor(1.0)
    last, sums = total(w)
    last.backward(np.ones(2))
    drawn = np.diff(np.concatenate([sums.value, last.value[None]]), axis=0)

    assert len(np.unique(drawn)) == 8
    np.testing.assert_allclose(w.grad, drawn.sum())
    later, _ = total(w)
    assert not np.any(later.value == last.value)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_compiled_loop_draws_what_the_eager_one_does(executor):
    def f(x):
        return scan(lambda c, x: (c + x * uniform((2,)), None), np.zeros(2), x)[0]

    compiled = clearprop.compile(f, executor=executor)
    clearprop.manual_seed(1)
    expected = [f(np.ones(3)) for _ in range(3)]
    clearprop.manual_seed(1)

    np.testing.assert_array_equal([compiled(np.ones(3)) for _ in range(3)], expected)


def test_loops_nest():
    def f(loop, a):
        def inner(c, x):
            return np.sin(c * a) + x, c

        def outer(c, row):
            c, ys = loop(inner, c, row)
            return c, np.sum(ys)

        return np.sum(loop(outer, 0.3 * a, np.arange(6.0).reshape(2, 3))[1])

    for function in (grad, lambda f: grad(grad(f))):
        found, expected = (function(lambda a, loop=loop: f(loop, a))(1.1) for loop in (scan, written_out))
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_gradient_may_be_taken_in_a_body():
    def f(loop, a):
        return loop(
            lambda x, _: (x - 0.1 * grad(lambda x: np.sum((x * a) ** 4))(x), x), np.ones(2), np.zeros(5)
        )[0]

    found, expected = (grad(lambda a, loop=loop: np.sum(f(loop, a)))(0.8) for loop in (scan, written_out))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_arrays_in_arrays_out_and_no_grad_keeps_nothing():
    last, ys = scan(lambda c, x: (c + x, c), 0.0, np.array([1.0, 2.0]))

    assert type(last) is np.float64
    assert type(ys) is np.ndarray
    with clearprop.no_grad():
        last, _ = scan(lambda c, x: (c * x, None), Tensor(2.0), np.ones(3))
    assert not last.requires_grad


def test_readers_of_the_graph_see_one_node_for_the_loop():
    a, xs = Tensor(2.0, name="a"), Tensor(np.arange(4.0), name="xs")
    y, _ = scan(lambda c, x: (c * a + x, None), a, xs)
    y.backward()

    assert a.grad == 86
    assert "loop(a, xs, a)" in str(explain(a))
    assert "4 turns of 2 ops" in str(trace(y))
    assert copy.deepcopy(y).value == y.value
    assert gradcheck(lambda a, xs: scan(lambda c, x: (c * a + x, None), a, xs)[0], 1.2, np.arange(3.0)).ok


def _doubled(carry, x):
    return (carry, carry), None


WRONG = [
    (lambda c, x: (c if c.value > 0 else x, None), "cannot ask for a value"),
    (lambda c, x: (c if c > 0 else x, None), "cannot ask for a value"),
    (lambda c, x: (c * float(x), None), "cannot ask for a value"),
    (lambda c, x: c + x, "returns carry and y"),
    (_doubled, "the carry in the form"),
    (lambda c, x: (c + np.random.normal(), None), "the same in each turn"),  # noqa: NPY002
    (lambda c, x: (c + random.random(), None), "the same in each turn"),
    (lambda c, x: (np.stack([c, c]), None), "shape and dtype of the old"),
    (lambda c, x: (c.astype(np.float32), None), "shape and dtype of the old"),
]


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_a_body_that_is_no_body_is_refused(body, message):
    with pytest.raises(TypeError, match=message):
        scan(body, 0.0, np.arange(3.0))


@pytest.mark.parametrize(
    ("xs", "length", "message"),
    [(None, None, "neither xs"), (np.ones(3), 4, "one length"),
     ((np.ones(3), np.ones(2)), None, "one length"), (1.0, None, "an axis to walk along")],
)  # fmt: skip
def test_lengths_that_differ_are_refused(xs, length, message):
    with pytest.raises(ValueError, match=message):
        scan(lambda c, x: (c, None), 0.0, xs, length)


def test_what_a_body_has_kept_is_no_value():
    kept = []
    scan(lambda c, x: (kept.append(c), (c + x, None))[1], 0.0, np.arange(3.0))

    with pytest.raises((TypeError, RuntimeError), match="body"):
        kept[0] + 1
    with pytest.raises(RuntimeError, match="ran once"):
        kept[0].shape


def test_a_body_cannot_assign_to_what_lies_outside():
    w = Tensor(1.0)

    def body(c, x):
        clearprop.assign(w, c)
        return c, None

    with pytest.raises(RuntimeError, match="cannot assign"):
        scan(body, 0.0, np.arange(3.0))
    assert w.value == 1


def test_a_product_per_turn_is_one_product_after_the_backward_loop():
    given = {name: Tensor(x) for name, x in weights().items()}
    loss = recurrent(scan, **given)
    loss.backward(create_graph=True)

    assert given["W"].grad.op.name == "matmul"
    assert given["W"].grad.inputs[0].shape == (3, 12)


@pytest.mark.parametrize("length", [1, 2, 100])
def test_a_loop_of_any_length_is_one_native_turn(length):
    pytest.importorskip("llvmlite")

    def f(x):
        return scan(lambda c, x: (np.tanh(c + x), None), 0.0, x)[0]

    compiled = clearprop.compile(f, executor="llvm")
    compiled(np.ones(length))

    turns = "1 turn" if length == 1 else f"{length} turns"
    assert f"a loop of {turns}, each 2 pieces of native code" in str(compiled.explain())


def test_complex_numbers_are_computed_and_their_gradient_is_refused():
    last, _ = scan(lambda c, x: (c * x, None), Tensor(1j), np.full(3, 1j))

    assert last.value == 1
    with pytest.raises(clearprop.GradientError, match="complex"):
        (last.real * 2).backward()


@pytest.mark.parametrize("length", [2.5, True, "3"])
def test_a_length_is_an_integer(length):
    with pytest.raises(TypeError, match="wants an integer"):
        scan(lambda c, x: (c, None), 0.0, length=length)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("length", [4, 18])
def test_a_state_of_several_dtypes_compiles(executor, length):
    def body(carry, x):
        a, b, k = carry
        k = k + (b > 0.5)
        return (np.sin(a) * x.astype(np.float32), b * np.cos(x) + a * k, k), a + b

    def f(a, b, xs):
        (a, b, _), ys = scan(body, (a, b, np.int64(0)), xs)
        return np.sum(ys) + a.astype(np.float64) * b

    given = np.float32(0.7), np.array(0.4), np.linspace(-1, 2, length)
    compiled = clearprop.compile(grad(f, (0, 1, 2)), executor=executor)
    for _ in range(3):
        for found, expected in zip(compiled(*given), grad(f, (0, 1, 2))(*given), strict=True):
            np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("length", [0, 1, 4])
def test_vmap_runs_a_loop_for_each_example(name, length):
    given = weights()
    h, xs = (
        np.random.default_rng(1).normal(size=(3, 2, 4)),
        np.random.default_rng(2).normal(size=(3, 4, 2, 3)),
    )

    def one(W, h, xs):
        return LOOPS[name](lambda h, x: (np.tanh(x @ W + h), h * x.sum()), h, xs)

    def loss(W, h, xs):
        last, ys = one(W, h, xs)
        return np.sum(last**2) + np.sum(ys**3)

    found = clearprop.vmap(one, in_axes=(None, 0, 0))(given["W"], h, xs[:, :length])
    slopes = clearprop.vmap(grad(loss), in_axes=(None, 0, 0))(given["W"], h, xs[:, :length])

    for i in range(3):
        wanted = one(given["W"], h[i], xs[i, :length])
        for actual, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(actual[i], expected, rtol=1e-12)
        np.testing.assert_allclose(slopes[i], grad(loss)(given["W"], h[i], xs[i, :length]), rtol=1e-9)


def test_vmap_over_weights_that_a_body_reaches_by_name():
    Ws = np.random.default_rng(0).normal(size=(3, 4, 4))

    def last(W):
        return scan(lambda h, x: (np.tanh(h @ W + x), None), np.ones(4), np.ones((5, 4)))[0]

    np.testing.assert_allclose(clearprop.vmap(last)(Ws), [last(W) for W in Ws], rtol=1e-12)


def test_vmap_of_a_loop_with_a_condition():
    def root(a):
        return clearprop.while_loop(
            lambda x: np.abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a, bound=20
        )

    numbers = np.array([2.0, 9.0, 0.25])
    np.testing.assert_allclose(clearprop.vmap(root)(numbers), np.sqrt(numbers))
    np.testing.assert_allclose(clearprop.vmap(grad(root))(numbers), 0.5 / np.sqrt(numbers))


def test_watch_names_the_turn_in_which_a_value_stops_being_finite():
    with pytest.raises(NonFiniteError, match="= -1"), clearprop.watch():
        scan(lambda c, x: (np.log(c - x), None), Tensor(np.array(2.0)), np.ones(3))
