"""Products on XLA at the precision that was asked for: rounded inputs, sums in float32."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim
from clearprop.nn import functional as F

pytest.importorskip("jax")
BITS = {"tf32": 10, "bfloat16": 7}
RNG = np.random.default_rng(3)


def rounded(x, word):
    """Round a float32 array to so many bits after the point, halves to even."""
    if word == "highest":
        return x
    away = 23 - BITS[word]
    whole = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    half = (1 << (away - 1)) - 1 + ((whole >> away) & 1)
    return ((whole + half) >> away << away).astype(np.uint32).view(np.float32)


def on_xla(f, precision, *xs):
    step = clearprop.compile(f, executor="xla", precision=precision)
    return [np.asarray(step(*xs)) for _ in range(2)][-1]


@pytest.mark.parametrize("word", ["highest", "tf32", "bfloat16"])
def test_a_product_is_of_rounded_inputs(word):
    a, b = (RNG.standard_normal((40, 40)).astype(np.float32) for _ in range(2))
    found = on_xla(lambda a, b: a @ b + 0.0, word, a, b)
    wanted = rounded(a, word).astype(float) @ rounded(b, word).astype(float)

    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5)
    if word != "highest":
        assert np.abs(found - a.astype(float) @ b.astype(float)).max() > 1e-3


def test_other_ops_and_other_dtypes_are_as_they_are():
    a, b = (RNG.standard_normal((30, 30)).astype(np.float32) for _ in range(2))

    exact = a.astype(float) @ b.astype(float)
    other = on_xla(lambda a, b: a @ b, {"convolution": "bfloat16"}, a, b)
    np.testing.assert_allclose(other, exact, atol=2e-5)
    named = on_xla(lambda a, b: a @ b, {"matmul": "bfloat16"}, a, b)
    assert np.abs(named - exact).max() > 1e-3
    whole = on_xla(lambda a, b: a @ b, "bfloat16", a.astype(float), b.astype(float))
    np.testing.assert_allclose(whole, exact, rtol=1e-12)


@pytest.mark.parametrize("word", ["tf32", "bfloat16"])
def test_a_convolution_and_attention_are_rounded_and_near(word):
    x, w = (RNG.standard_normal(s).astype(np.float32) for s in [(2, 3, 8, 8), (4, 3, 3, 3)])
    exact = np.asarray(F.conv2d(x.astype(float), w.astype(float)))
    found = on_xla(lambda x, w: F.conv2d(x, w), word, x, w)
    wanted = F.conv2d(rounded(x, word).astype(float), rounded(w, word).astype(float))

    np.testing.assert_allclose(found, wanted, atol=2e-5)
    assert np.abs(found - exact).max() > 1e-4
    q = RNG.standard_normal((2, 5, 8)).astype(np.float32)
    near = on_xla(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), word, q)
    full = np.asarray(F.scaled_dot_product_attention(q, q, q, is_causal=True))
    assert 1e-5 < np.abs(near - full).max() < 5e-2


def test_a_step_trains_and_is_not_proved():
    clearprop.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    x = RNG.standard_normal((60, 6)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)

    @clearprop.compile(executor="xla", precision="bfloat16")
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [float(step(x, y)) for _ in range(60)]

    assert losses[-1] < 0.3 * losses[0]
    assert "proved by 0 call(s)" in str(step.explain())


REFUSED = [
    ({"executor": "xla", "precision": "half"}, "is one of highest, tf32, bfloat16: 'half'"),
    ({"executor": "xla", "precision": {"matmul": "fp8"}}, "is one of highest, tf32, bfloat16: 'fp8'"),
    ({"executor": "xla", "precision": {"add": "tf32"}}, "core ops that multiply are matmul, einsum"),
    ({"executor": "numpy", "precision": "tf32"}, "is for executor='xla'"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_is_refused(options, said):
    with pytest.raises(ValueError, match="compile") as error:
        clearprop.compile(lambda x: x, **options)

    assert said in str(error.value)
