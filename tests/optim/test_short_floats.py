"""Parameters in float16: sums are taken in float32, and an optimizer's eps has to be a number there."""

import numpy as np
import pytest

from clearprop import Tensor, compile, grad, logsumexp, manual_seed, nn, optim, softmax
from clearprop.compiler.step import available_executors

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


def test_an_eps_among_several_or_set_later_is_refused_as_well():
    w = Tensor(np.ones((3, 4), np.float16))
    for eps in [(1e-9, 1e-3), (1e-3, 1e-9)]:
        with pytest.raises(ValueError, match=r"rounds this to 0.*\n.*eps=\(1e-4, 1e-3\)"):
            optim.Adafactor([w], eps=eps)
        with pytest.raises(ValueError, match="rounds this to 0"):
            optim.Adafactor([{"params": [w], "eps": eps}])
    optimizer = optim.Adam([w], eps=1e-4)
    other = optim.Adam([Tensor(np.ones((3, 4), np.float32))]).state_dict()
    for change in (
        lambda: optimizer.param_groups[0].__setitem__("eps", np.float32(1e-9)),
        lambda: optimizer.load_state_dict(other),
    ):
        with pytest.raises(ValueError, match="float16 rounds this to 0"):
            change()
        assert optimizer.param_groups[0]["eps"] == 1e-4


@pytest.mark.parametrize("compiled", [None, *available_executors()])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad"])
def test_a_model_that_was_converted_since_is_refused_before_anything_moves(name, compiled):
    other, model = Tensor(np.ones(2, np.float32), requires_grad=True), nn.Linear(2, 2)
    optimizer = getattr(optim, name)([{"params": [other]}, {"params": list(model.parameters())}])

    def step(x):
        optimizer.zero_grad()
        ((model(x) * 0).sum() + other.sum()).backward()
        optimizer.step()

    run = compile(step, executor=compiled) if compiled else step
    x = np.ones((3, 2), np.float32)
    run(x)
    model.to("float16")
    before = [p.value.copy() for p in (other, *model.parameters())]
    with pytest.raises(ValueError, match=r"step\(\): float16 rounds this to 0"):
        run(x.astype(np.float16))
    for p, was in zip((other, *model.parameters()), before, strict=True):
        np.testing.assert_array_equal(p.value, was)
    optimizer.param_groups[1]["eps"] = 1e-4
    run(x.astype(np.float16))
    assert all(np.isfinite(p.value).all() and p.dtype == np.float16 for p in model.parameters())


@pytest.mark.parametrize("shape", [(3, 4), (3,)])
@pytest.mark.parametrize("eps", [(1e-4, 1e-3), (1e-3, 1e-3), (None, 1e-3)])
def test_adafactor_steps_in_float16_whatever_the_size_of_gradients(eps, shape):
    grouped = optim.Adafactor([{"params": [Tensor(np.ones(shape, np.float16))], "eps": eps}])
    for optimizer in (optim.Adafactor([Tensor(np.ones(shape, np.float16))], eps=eps), grouped):
        (w,) = optimizer.param_groups[0].params
        for size in (0, 1e-4, 0.01, 1, 30):
            w.grad = np.full(shape, size, np.float16)
            before = w.value
            optimizer.step()
            assert np.all(w.value < before if size > 1e-3 else np.isfinite(w.value))


def test_muon_takes_a_small_gradient_for_what_it_is():
    steps = []
    for dtype in (np.float16, np.float32):
        w = Tensor(np.ones((3, 4), dtype))
        w.grad = (np.random.default_rng(0).normal(size=(3, 4)) * 1e-4).astype(np.float16).astype(dtype)
        optim.Muon([w], lr=0.1, weight_decay=0.0).step()
        steps.append(w.value - 1)
    np.testing.assert_allclose(*steps, atol=2e-3)


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


TENTHS = np.full((5000, 3), 0.1, np.float16)
LAYOUTS = {
    "rows": TENTHS,
    "columns": np.asfortranarray(TENTHS),
    "steps": np.full((10_000, 6), 0.1, np.float16)[::2, ::2],
    "backwards": np.asfortranarray(TENTHS)[::-1, ::-1],
}
SUMS = {
    "sum": (lambda x: np.sum(x, axis=0), 500),
    "of a transpose": (lambda x: np.sum(x.T, axis=1), 500),
    "of all": (lambda x: np.sum(x), 1500),
    "of a product": (lambda x: np.sum(x * 1, axis=0), 500),
    "mean": (lambda x: np.mean(x, axis=0), 0.1),
    "average": (lambda x: np.average(x, axis=0, weights=np.ones(5000, np.float16)), 0.1),
    "var": (lambda x: np.var(x, axis=0), 0),
    "std": (lambda x: np.std(x, axis=0), 0),
    "norm": (lambda x: np.linalg.norm(x, axis=0), 7.07),
    "norm of order 1": (lambda x: np.linalg.norm(x, 1, axis=0), 500),
    "norm of order 3": (lambda x: np.linalg.norm(x, 3, axis=0), 1.7105),
    "nansum": (lambda x: np.nansum(x, axis=0), 500),
    "einsum": (lambda x: np.einsum("ij,ij->j", x, x), 50),
    "logsumexp": (lambda x: logsumexp(x, axis=0), 8.617),
    "softmax": (lambda x: softmax(x, axis=0) * 5000, 1),
    "gradient of what is repeated": (lambda x: grad(lambda b: np.sum(x + b))(np.ones(3, np.float16)), 5000),
    "gradient of what is scaled": (lambda x: grad(lambda w: np.sum(x * w))(np.ones(3, np.float16)), 500),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_float16_do_not_depend_on_how_an_array_lies(name, layout):
    f, right = SUMS[name]
    x = LAYOUTS[layout]

    np.testing.assert_allclose(np.asarray(f(Tensor(x, requires_grad=False))), right, rtol=2e-3, atol=1e-5)
    for executor in available_executors():
        step = compile(f, executor=executor, prove="always")
        for _ in range(3):
            np.testing.assert_allclose(step(x), right, rtol=2e-3, atol=1e-5)


def test_bfloat16_is_refused():
    short = pytest.importorskip("ml_dtypes").bfloat16
    with pytest.raises(TypeError, match="wants a floating-point dtype: bfloat16"):
        nn.Linear(2, 3).to(short)
    with pytest.raises(TypeError, match="numbers: dtype bfloat16"):
        Tensor(np.ones(2, short))
