"""Each rule fires where it should and keeps the value, NaN, infinities and masked zeros included."""

import numpy as np
import pytest

import clearprop
from clearprop import nn
from clearprop.compiler.program.builder import Builder, evaluate
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.joins import join
from clearprop.compiler.program.rewrite import RULES, rewrite

X = np.array([[1.5, -2.0, 0.0], [np.nan, np.inf, -np.inf]])


def program(build, *arrays):
    """A program of one output that `build(builder, *values)` returns, rewritten; and both results."""
    b = Builder()
    inputs = [Value("argument", a.shape, a.dtype, data=i) for i, a in enumerate(arrays)]
    b.values += inputs
    output = build(b, *inputs)
    before = Program(b.values, [output])
    after, fired = rewrite(before)
    return run(before, arrays), run(after, arrays), fired, after


def run(p, arrays):
    found = {}
    for v in p.values:
        if v.kind == "argument":
            found[v] = arrays[v.data]
        elif v.kind == "constant":
            found[v] = v.data
        else:
            found[v] = evaluate(v, found.__getitem__)
    return found[p.outputs[0]]


CASES = {
    "x * 1 = x": lambda b, x: b.ufunc(np.multiply, x, 1.0),
    "x / 1 = x": lambda b, x: b.ufunc(np.divide, x, 1.0),
    "x - 0 = x": lambda b, x: b.ufunc(np.subtract, x, 0.0),
    "x + x = 2 x": lambda b, x: b.ufunc(np.add, x, x),
    "x + -y = x - y": lambda b, x: b.ufunc(np.add, b.ufunc(np.exp, x), b.ufunc(np.negative, x)),
    "x - -y = x + y": lambda b, x: b.ufunc(np.subtract, b.ufunc(np.exp, x), b.ufunc(np.negative, x)),
    "--x = x": lambda b, x: b.ufunc(np.negative, b.ufunc(np.negative, x)),
    "+x = x": lambda b, x: b.ufunc(np.positive, x),
    "-x * c = x * -c": lambda b, x: b.ufunc(np.multiply, b.ufunc(np.negative, x), 0.3),
    "(x * a) * c = x * (a c)": lambda b, x: b.ufunc(np.multiply, b.ufunc(np.multiply, x, 0.3), 4.0),
    "x / 2^n = x * 2^-n": lambda b, x: b.ufunc(np.divide, x, 8.0),
    "x^2, x^0.5, 1/x": lambda b, x: b.ufunc(np.power, x, 2.0),
    "exp(log x) = x, NaN below 0": lambda b, x: b.ufunc(np.exp, b.ufunc(np.log, x)),
    "where(c, x, x) = x": lambda b, x: b.where(b.ufunc(np.greater, x, 0.0), x, x),
    "sum of repeated = n x": lambda b, x: b.reduce("sum", b.broadcast_to(x, (4, 2, 3)), 0),
    "sum over length 1 = x": lambda b, x: b.reduce("sum", b.reshape(x, (2, 1, 3)), 1),
    "extreme over length 1 = x": lambda b, x: b.reduce("max", b.reshape(x, (2, 1, 3)), 1),
    "transpose that moves nothing": lambda b, x: b.transpose(b.reshape(x, (2, 1, 3)), (1, 0, 2)),
    "(x y)^T = y^T x^T": lambda b, x: b.transpose(b.matmul(x, b.transpose(x))),
    "f(x, y)^T = f(x^T, y^T)": lambda b, x: b.transpose(b.ufunc(np.exp, b.matmul(x, b.transpose(x)))),
    "join(x, join(y, z))": lambda b, x: join(b, (join(b, (x, b.ufunc(np.exp, x)), 0), x), 0),
    "join(x[:k], x[k:]) = x": lambda b, x: join(
        b, (b.basic_index(x, (slice(None), slice(1))), b.basic_index(x, (slice(None), slice(1, None)))), 1
    ),
    "slice of a join's part": lambda b, x: b.basic_index(
        join(b, (b.ufunc(np.exp, x), x), 0), slice(3, 1, -1)
    ),
    "masked product, finite d": lambda b, x: b.where(
        b.ufunc(np.equal, x, 0.0), 0.0, b.ufunc(np.multiply, x, b.constant(np.array([1.0, 2.0, 3.0])))
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_and_keeps_the_value(name):
    before, after, fired, _ = program(CASES[name], X)

    assert fired[name] >= 1
    np.testing.assert_allclose(after, before, rtol=1e-15)
    assert after.dtype == before.dtype


def test_every_rule_is_tried():
    inside_a_step = {"softmax from log-softmax", "one entry a row: one-hot", "the sum of a one-hot row"}

    assert {name for name, *_ in RULES} - set(CASES) - inside_a_step == {"x + 0 = x"}
    _, _, fired, _ = program(lambda b, x: b.ufunc(np.add, x, 0), np.arange(3))
    assert fired["x + 0 = x"] == 1


def test_adding_zero_to_a_float_stays_because_of_the_sign_of_zero():
    before, after, fired, _ = program(lambda b, x: b.ufunc(np.add, x, 0.0), np.array([-0.0]))

    assert not fired
    assert np.signbit(before) == np.signbit(after)


def test_a_masked_product_with_a_derivative_that_may_be_infinite_stays():
    def masked(b, x):
        d = b.ufunc(np.divide, 1.0, x)
        return b.where(b.ufunc(np.equal, x, 0.0), 0.0, b.ufunc(np.multiply, x, d))

    before, after, fired, _ = program(masked, X)

    assert "masked product, finite d" not in fired
    np.testing.assert_array_equal(before, after)


def test_equal_subexpressions_are_computed_once():
    _, _, _, after = program(
        lambda b, x: b.ufunc(np.add, b.ufunc(np.exp, x), b.ufunc(np.multiply, b.ufunc(np.exp, x), 3.0)), X
    )

    assert sum(v.op == "exp" for v in after.values) == 1


def test_constants_are_computed_when_the_program_is_made():
    def half(b, x):
        c = b.ufunc(np.sqrt, b.constant(np.array(0.0625)))
        return b.ufunc(np.multiply, x, b.ufunc(np.add, c, c))

    before, after, _, program_after = program(half, X)

    assert [v.op for v in program_after.values if v.computed] == ["multiply"]
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "labels", [np.array([2, 0, 1, 2]), np.array([-1, 0, -3, 2]), np.array([2, 0], np.uint8)]
)
def test_cross_entropy_becomes_softmax_minus_one_hot(labels):
    x = np.random.default_rng(0).standard_normal((len(labels), 3))
    both = clearprop.value_and_grad(lambda x, y: nn.functional.cross_entropy(x, y, ignore_index=None))
    compiled = clearprop.compile(both, executor="numpy")
    if (labels < 0).any():  # NumPy counts them from the end; the loss does not take them
        compiled(x, np.abs(labels) % 3)
        rules = compiled.latest.recording.rules
        assert rules["one entry a row: one-hot"] == 1
        return
    for _ in range(3):
        (value, g), (wanted, w) = compiled(x, labels), both(x, labels)
        np.testing.assert_allclose(value, wanted, rtol=1e-13)
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-15)
    rules = compiled.latest.recording.rules
    assert rules["one entry a row: one-hot"] == 1
    assert rules["the sum of a one-hot row"] == 1
    assert rules["softmax from log-softmax"] == 1
    assert not any(v.op == "scatter" for v in compiled.latest.recording.program.values)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_mask_by_bits_keeps_nan_and_infinities_out_and_in(dtype):
    f = clearprop.compile(
        lambda x, c: np.where(c, x * 2, 0) + np.where(c, 0, x - 1) + np.where(c, np.where(c, x, 0) * 2, 0),
        executor="numpy",
    )
    x = np.array([1.0, np.nan, np.inf, -np.inf, -0.0, 3.0], dtype)
    for c in (x > 0, x == 3, np.isnan(x), np.zeros(6, bool), np.ones(6, bool)):
        want = np.where(c, x * 2, 0) + np.where(c, 0, x - 1) + np.where(c, np.where(c, x, 0) * 2, 0)
        np.testing.assert_array_equal(f(x, c), want)
        assert f(x, c).dtype == dtype
