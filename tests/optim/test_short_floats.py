"""Parameters in float16: sums are taken in float32, and an optimizer's eps has to be a number there."""

import numpy as np
import pytest

from clearprop import Tensor, compile, manual_seed, nn, optim

X = np.random.default_rng(0).normal(size=(8, 300)).astype(np.float16)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad"])
def test_an_eps_that_float16_rounds_to_0_is_refused(name):
    with pytest.raises(ValueError, match=r"float16 rounds this to 0.*\n.*eps=1e-4"):
        getattr(optim, name)([Tensor(np.ones(3, np.float16))])
    w = Tensor(np.ones(3, np.float16))
    optimizer = getattr(optim, name)([w], lr=0.01, eps=1e-4)
    for _ in range(3):
        w.grad = np.array([0, 1e-4, 1], np.float16)
        optimizer.step()
    assert np.all(np.isfinite(w.value))
    assert w.dtype == np.float16


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
def test_a_net_in_float16_follows_the_one_in_float32(executor):
    losses = {}
    for dtype in (np.float16, np.float32):
        manual_seed(0)
        model = nn.Sequential(nn.Linear(300, 40), nn.LayerNorm(40), nn.ReLU(), nn.Linear(40, 1)).to(dtype)
        optimizer = optim.SGD(model.parameters(), lr=0.01)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step, executor=executor) if executor else step
        losses[dtype] = [float(run(X.astype(dtype))) for _ in range(6)]
        assert model[0].weight.dtype == dtype
    np.testing.assert_allclose(losses[np.float16], losses[np.float32], rtol=0.05, atol=2e-3)


def test_long_sums_are_taken_in_float32():
    layer = nn.Linear(5000, 1).to(np.float16)
    layer.load_state_dict({"weight": np.ones((1, 5000)), "bias": np.zeros(1)})
    assert layer(np.ones((1, 5000), np.float16)).value == 5000  # in float16 it would stop at 2048


def test_bfloat16_is_refused():
    short = pytest.importorskip("ml_dtypes").bfloat16
    with pytest.raises(TypeError, match="wants a floating-point dtype: bfloat16"):
        nn.Linear(2, 3).to(short)
    with pytest.raises(TypeError, match="numbers: dtype bfloat16"):
        Tensor(np.ones(2, short))
