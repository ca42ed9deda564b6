"""What is printed: training steps beside eager mode, each kind of number, draws, refusals by name."""

import re

import numpy as np
import pytest
from tests.compiler.engines.js.node import calls, needs_node

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler.engines.js import JavaScript
from clearprop.ops.random import random_uniform, uniform

pytestmark = [needs_node, pytest.mark.filterwarnings("ignore::RuntimeWarning")]


def compiled(f, *xs):
    step = clearprop.compile(f, executor="numpy", prove="never")
    step(*xs)
    if step.latest is None:
        step(*xs)
    return step


def results(f, folder, *xs):
    """One call of a function in Node: its outputs, or the error."""
    ((error, outputs, _),) = calls(compiled(f, *xs).javascript(), folder, [xs])
    return error or outputs


def same(f, folder, *xs, ulp=2):
    """A function gives in Node what NumPy gives: dtype, shape, entries."""
    wanted = f(*xs)
    (got,) = results(f, folder, *xs)
    wanted = np.asarray(getattr(wanted, "value", wanted))

    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted)
    else:
        unit = ulp * np.finfo(wanted.dtype).eps
        np.testing.assert_allclose(got, wanted, rtol=unit, atol=0)


MODELS = {
    "tanh, cross entropy, Adam": (nn.Tanh, nn.CrossEntropyLoss, lambda p: optim.Adam(p, lr=0.03), "classes"),
    "relu, squares, momentum": (nn.ReLU, nn.MSELoss, lambda p: optim.SGD(p, lr=0.05, momentum=0.9), "numbers"),
    "gelu, hinge-like, RMSprop": (nn.GELU, nn.L1Loss, lambda p: optim.RMSprop(p, lr=0.01), "numbers"),
    "silu, logits, AdamW": (nn.SiLU, nn.BCEWithLogitsLoss, lambda p: optim.AdamW(p, lr=0.01), "truths"),
    "dropout, huber, Adagrad": (lambda: nn.Dropout(0.3), nn.HuberLoss, lambda p: optim.Adagrad(p, lr=0.1), "numbers"),
    "softplus, squares, Nesterov": (
        nn.Softplus, nn.MSELoss, lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True), "numbers",
    ),
}  # fmt: skip


def training(name, dtype):
    """Return the step of a small network and its twelve batches."""
    between, loss, optimizer, kind = MODELS[name]
    clearprop.manual_seed(5)
    classes = 3 if kind == "classes" else 1
    model = nn.Sequential(nn.Linear(2, 8, dtype=dtype), between(), nn.Linear(8, classes, dtype=dtype))
    measure, update = loss(), optimizer(model.parameters())

    def step(x, y):
        update.zero_grad()
        value = measure(model(x), y)
        value.backward()
        update.step()
        return value

    rng = np.random.default_rng(1)
    targets = {
        "classes": lambda: rng.integers(0, 3, 20),
        "numbers": lambda: rng.normal(size=(20, 1)).astype(dtype),
        "truths": lambda: rng.integers(0, 2, (20, 1)).astype(dtype),
    }
    return step, [(rng.normal(size=(20, 2)).astype(dtype), targets[kind]()) for _ in range(12)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", MODELS)
def test_ten_steps_of_training_have_the_losses_of_eager_mode(name, dtype, tmp_path):
    step, batches = training(name, dtype)
    wanted = [float(step(*batch)) for batch in batches]
    step, batches = training(name, dtype)
    plan = clearprop.compile(step, executor="numpy", prove="never")
    plan(*batches[0]), plan(*batches[1])

    done = calls(plan.javascript(), tmp_path, batches[2:])
    got = [float(outputs[0]) for _, outputs, _ in done]

    assert len(got) == 10
    np.testing.assert_allclose(got, wanted[2:], rtol=1e-6 if dtype == np.float32 else 1e-15, atol=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 0)])
def test_random_draws_are_the_same_bits(shape, dtype, tmp_path):
    state = Tensor(np.array([2**64 - 3, 2**40 + 5], np.uint64), "state", requires_grad=False)
    f = lambda: random_uniform(state, shape=shape, dtype=dtype)  # noqa: E731
    (got,) = results(f, tmp_path)

    np.testing.assert_array_equal(got, f().value)


def test_a_draw_moves_the_state_on(tmp_path):
    clearprop.manual_seed(2**63 + 1)
    text = compiled(lambda: uniform((3,)) + uniform((3,))).javascript()
    clearprop.manual_seed(2**63 + 1)
    uniform((3,)), uniform((3,))

    wanted = [(uniform((3,)) + uniform((3,))).value for _ in range(3)]
    got = [outputs[0] for _, outputs, _ in calls(text, tmp_path, [[]] * 3)]

    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, y: x * y,
        lambda x, y: x & y,
        lambda x, y: x | y,
        lambda x, y: x ^ y,
        lambda x, y: x << (y & 3),
        lambda x, y: x >> (y & 3),
        lambda x, y: np.square(x),
        lambda x, y: np.where(x > y, x, y),
        lambda x, y: (x < y) | (x == y),
        lambda x, y: x.astype(np.float32) / y.astype(np.float64),
        lambda x, y: x.astype(np.int16),
        lambda x, y: (x & 3).astype(np.uint64),
    ],
)  # fmt: skip
def test_integers_wrap_as_numpys_do(f, kind, tmp_path):
    top = 2**26 - 1 if kind == "i8" else min(np.iinfo(kind).max, 2**31 - 1)  # an int64 has 53 bits here
    x = np.array([0, 1, 3, top, top - 1, top // 2], kind)
    y = np.array([1, top, 5, 2, top, 3], kind)
    if np.iinfo(kind).min:
        x[4], y[2] = -top, -5

    same(f, tmp_path, x, y)


@pytest.mark.parametrize("kind", ["i1", "i4", "i8", "u2", "u4"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x // y,
        lambda x, y: x % y,
        lambda x, y: np.fmod(x, y),
        lambda x, y: x ** np.abs(y % 3),
        lambda x, y: np.maximum(x, y) - np.minimum(x, y),
        lambda x, y: -x,
        lambda x, y: ~x,
        lambda x, y: np.abs(x),
        lambda x, y: np.sign(x),
        lambda x, y: x.sum() + x.prod() + x.max() - x.min(),
        lambda x, y: np.cumsum(x),
        lambda x, y: x.reshape(2, 3) @ y.reshape(3, 2),
        lambda x, y: np.sort(x),
        lambda x, y: np.argmax(x) + np.argmin(y),
    ],
)  # fmt: skip
def test_integers_divide_and_add_up_as_numpys_do(f, kind, tmp_path):
    x, y = np.array([7, 0, 100, 3, 2, 9], kind), np.array([2, 5, 7, 0, 4, 1], kind)
    if np.iinfo(kind).min:
        x[[0, 4]], y[[2, 4]] = -7, -4

    same(f, tmp_path, x, y)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8"])
def test_shifts_by_what_is_no_place_of_a_bit(kind, tmp_path):
    x = np.array([1, -1, 7, -3, 0, 5], kind)
    y = np.array([-1, -2, 65, 64, 100, -128], kind)

    same(lambda x, y: x << y, tmp_path, x, y)
    same(lambda x, y: x >> y, tmp_path, x, y)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "u1", "u2", "u4"])
def test_powers_beyond_53_bits_wrap(kind, tmp_path):
    x = np.array([127, 100, 7, 11, 3, 2], kind)

    same(lambda x: x ** np.array([9, 31, 63, 127, 41, 31], kind), tmp_path, x)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_division_to_the_floor_of_odd_numbers(dtype, tmp_path):
    one = np.array([0.0, -0.0, 1, -1, 0.5, -7.25, 3, np.inf, -np.inf, np.nan], dtype)
    x, y = (z.ravel() for z in np.meshgrid(one, one))
    ((got,), wanted) = (results(np.floor_divide, tmp_path, x, y), np.floor_divide(x, y))

    np.testing.assert_array_equal(got, wanted)
    signs = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[signs], np.signbit(wanted)[signs])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_odd_numbers_are_kept(dtype, tmp_path):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, 1.5, 2.5, -0.3, 1e-7, 6e4, -2.0], dtype)
    for f in (
        lambda x: (
            np.rint(x),
            np.sign(x),
            np.floor(x),
            np.abs(x),
            -x,
            np.isnan(x),
            np.isinf(x),
            np.signbit(x),
        ),
        lambda x: (x + 0.1, x * 3, 1 / x, np.sqrt(x), x // 0.7, x % 0.7, x**2, x.astype(np.float16)),
        lambda x: (x.max(), np.sort(x), np.argsort(x), np.argmax(x), np.argmin(x), x > 1, ~(x > 1), x == x),
        lambda x: (
            np.maximum(x, 1),
            np.minimum(x, x[::-1]),
            np.copysign(1, x),
            np.hypot(x, 2),
            x.astype(bool),
        ),
    ):
        for got, wanted in zip(results(f, tmp_path, x), f(x), strict=True):
            wanted = np.asarray(getattr(wanted, "value", wanted))
            assert got.dtype == wanted.dtype
            if wanted.dtype.kind == "f":
                np.testing.assert_allclose(got, wanted, rtol=2 * np.finfo(wanted.dtype).eps, atol=0)
            else:
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_of_many_are_as_exact_as_numpys(dtype, tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 20_000)).astype(dtype)
    exact = x.astype(np.longdouble).sum(1)
    ((_, (got, whole), _),) = calls(
        compiled(lambda x: (x.sum(1), (x * 1e-3).sum()), x).javascript(), tmp_path, [[x]]
    )

    unit = np.finfo(dtype).eps
    np.testing.assert_allclose(got, exact.astype(dtype), rtol=2 * unit)
    np.testing.assert_allclose(
        float(whole), float((x * x.dtype.type(1e-3)).astype(np.longdouble).sum()), rtol=2 * unit
    )


@pytest.mark.parametrize(
    ("f", "xs", "told"),
    [
        (lambda x: x * x, [np.array([2**40])], "int64 beyond 2\\*\\*53"),
        (lambda x: x.astype(np.int64), [np.array([1e17])], "int64 beyond"),
        (lambda x: x.astype(np.int64), [np.array([np.nan])], "int64 beyond"),
        (lambda x: x.astype(np.int8), [np.array([300.0])], "integers do not reach"),
        (
            lambda x: Tensor(np.arange(3.0))[x],
            [np.array([0, 3])],
            "index 3 is out of bounds for an axis of 3",
        ),
        (lambda x: Tensor(np.arange(3.0))[x], [np.array([0, -4])], "index -4 is out of bounds"),
    ],
)
def test_what_does_not_fit_is_an_error_when_it_happens(f, xs, told, tmp_path):
    text = compiled(f, *(np.zeros_like(x) for x in xs)).javascript()
    ((error, _, _),) = calls(text, tmp_path, [xs])

    assert re.match(f"RangeError: .*{told}", error)


def test_an_error_has_assigned_nothing(tmp_path):
    w = Tensor(np.zeros(3), "w", requires_grad=False)

    def step(k):
        clearprop.assign(w, clearprop.record.read(w) + 1)
        return Tensor(np.arange(3.0))[k]

    text = compiled(step, np.array([1])).javascript()
    (good, bad) = calls(text, tmp_path, [[np.array([2])], [np.array([5])]])

    assert (good[0], bad[0][:10]) == ("", "RangeError")
    np.testing.assert_array_equal(bad[2][0], good[2][0])


@pytest.mark.parametrize(
    ("f", "xs", "told"),
    [
        (lambda x: np.linalg.inv(x), [np.eye(2)], "inv has no translation"),
        (lambda x: x * 2, [np.ones(2, complex)], "complex128 has no translation"),
        (lambda x: x * 1, [np.ones(2, np.longdouble)], "has no translation"),
        (lambda x: x + 2**60, [np.ones(2, int)], "beyond 2\\*\\*53"),
        (lambda x: clearprop.digamma(x), [np.ones(2)], "digamma has no translation"),
    ],
)
def test_what_has_no_translation_is_refused_by_name(f, xs, told):
    with pytest.raises(TypeError, match=told):
        compiled(f, *xs).javascript()


def test_a_tensor_that_is_an_argument_is_refused():
    t = Tensor(np.ones(3))
    step = compiled(lambda t: clearprop.assign(t, clearprop.record.read(t) * 2), t)
    with pytest.raises(TypeError, match="pass an array"):
        step.javascript()


@pytest.mark.parametrize("function", ["erf", "erfc", "ndtr", "gaussian"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_formula_of_our_own_is_a_function_of_its_own(function, dtype, tmp_path):
    f = clearprop.registry.ops[function]
    same(lambda x: f(x), tmp_path, np.linspace(-8, 8, 301).astype(dtype), ulp=16)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 0, 1), (2, 1, 1), (1, 2, 2)])
def test_convolution_and_its_gradients(stride, padding, groups, dtype, tmp_path):
    clearprop.manual_seed(0)
    layer = nn.Conv2d(2, 4, 3, stride=stride, padding=padding, groups=groups, dtype=dtype)
    x = np.random.default_rng(0).normal(size=(2, 2, 7, 6)).astype(dtype)

    def step(x):
        layer.zero_grad()
        y = nn.functional.max_pool2d(np.tanh(layer(x)), 2)
        (y * y).sum().backward()
        return y

    plan = compiled(step, x)
    ((error, (got,), states),) = calls(plan.javascript(), tmp_path, [[x]])
    wanted, unit = step(x).value, 64 * np.finfo(dtype).eps
    named = dict(zip([s.name for s in JavaScript(plan.latest.recording.program).states], states, strict=True))

    assert not error
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit)
    np.testing.assert_allclose(named["weight.grad"], layer.weight.grad, rtol=unit, atol=64 * unit)


def test_attention_of_a_small_transformer(tmp_path):
    clearprop.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)

    (got,) = results(lambda x: layer(x), tmp_path, x)
    np.testing.assert_allclose(got, layer(x).value, rtol=1e-5, atol=1e-6)
