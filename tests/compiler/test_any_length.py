"""Any length: recorded each, compiled once, and what a length gives is what the function gives."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, compile, grad, nn, optim, scan

EXECUTORS = ["numpy", "llvm"]
LENGTHS = (2, 3, 7, 1, 12, 0, 33)


def arrays(length, seed=0, rows=3, size=4, dtype=np.float64):
    rng = np.random.default_rng((seed, length))
    return rng.normal(size=(length, rows, size)).astype(dtype), rng.random((length, rows)) < 0.7


def weights():
    rng = np.random.default_rng(5)
    return Tensor(rng.normal(size=(4, 4)) / 2, requires_grad=True), Tensor(
        rng.normal(size=4) / 2, requires_grad=True
    )


def plain(w, b, x, mask):
    last, hs = scan(lambda h, x: ((new := np.tanh(h @ w + x + b)), new * new), np.zeros((3, 4)), x)
    return np.sum(last * last) + np.sum(hs) / (len(x) + 1)


def reverse(w, b, x, mask):
    last, hs = scan(lambda h, x: ((new := np.tanh(h @ w + x + b)), new), np.zeros((3, 4)), x, reverse=True)
    return np.sum(last) + np.sum(hs[: len(x)] ** 2)


def masked(w, b, x, mask):
    last, hs = scan(lambda h, x: ((new := np.tanh(h @ w + x + b)), new), np.zeros((3, 4)), x, mask=mask)
    return np.sum(last**2) + np.sum(hs)


def second(w, b, x, mask):
    inner = grad(lambda w: plain(w, b, x, mask))(w)
    return np.sum(inner * inner)


def checkpointed(w, b, x, mask):
    last, hs = scan(lambda h, x: ((new := np.tanh(h @ w + x + b)), new), np.zeros((3, 4)), x, checkpoint=True)
    return np.sum(last**2) + np.sum(hs)


def stacked(w, b, x, mask):
    _, hs = scan(lambda h, x: ((new := np.tanh(h @ w + x + b)), new), np.zeros((3, 4)), x)
    last, _ = scan(lambda h, x: (np.tanh(h @ w + x), None), np.zeros((3, 4)), hs, reverse=True)
    return np.sum(last**2)


def step_of(loss, executor=None):
    w, b = weights()

    def step(x, mask):
        w.grad = b.grad = None
        value = loss(w, b, x, mask)
        value.backward()
        return value, w.grad, b.grad

    return compile(step, executor=executor, any_length=True) if executor else step


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("loss", [plain, reverse, masked, second, stacked], ids=lambda f: f.__name__)
def test_every_length_gives_what_the_function_gives(loss, executor):
    step, eager = step_of(loss, executor), step_of(loss)
    for again in range(2):
        for length in [
            n for n in LENGTHS if n or loss is not second
        ]:  # of no turns: no gradient to differentiate
            x, mask = arrays(length, again)
            for mine, right in zip(step(x, mask), eager(x, mask), strict=True):
                mine, right = (np.asarray(getattr(t, "value", t)) for t in (mine, right))
                np.testing.assert_allclose(mine, right, rtol=1e-11, atol=1e-12, err_msg=f"{length}")
    lengths = len(LENGTHS) - (loss is second)
    assert len(step.plans) == lengths
    assert step.recordings == lengths + 1  # the first one again: there were no gradients before
    assert step.explain().split("making each took:")[1].count(", 3, 4) ") >= lengths


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_stretches_that_depend_on_the_length_are_recorded(executor):
    step, eager = step_of(checkpointed, executor), step_of(checkpointed)
    for length in (2, 3, 9, 16, 17):
        x, mask = arrays(length)
        np.testing.assert_allclose(step(x, mask)[0].value, eager(x, mask)[0].value, rtol=1e-11)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_function_that_does_something_else_for_a_length_is_recorded_for_it(executor):
    @compile(executor=executor, any_length=True)
    def step(x):
        return np.sum(x) * (2.0 if len(x) > 8 else 1.0) + len(x) ** 2

    for length in (3, 4, 5, 9, 20):
        right = length * (2.0 if length > 8 else 1.0) + length**2
        assert float(step(np.ones(length))) == right


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("hidden", [1, 2, 3, 4])
def test_a_first_call_that_hides_what_the_length_decides_is_no_proof_for_later_ones(hidden, executor):
    step = compile(lambda x: np.where(x > 0, x * (len(x) % 3), 0.0).sum(), executor=executor, any_length=True)
    for length in (16, 17):  # 1 and 2, which look like the length less 15
        step(np.ones(length))
    for _ in range(hidden):
        assert float(step(-np.ones(40))) == 0.0

    assert [float(step(np.ones(40))) for _ in range(5)] == [40.0] * 5


def causal(x):
    return np.where(np.tril(np.ones((len(x), len(x)), bool)), np.outer(x, x), -1e9).max(axis=1)


UNGUESSED = {
    "booleans": causal,
    "fewer rows than none": lambda x: np.concatenate([x, np.ones(max(len(x) - 3, 0))]),
    "beyond the dtype": lambda x: x.sum() * np.array(len(x) * 20).astype(np.uint8),
    "no number for one": lambda x: x.sum() + (np.nan if len(x) == 7 else 0.5),
    "less than floats have": lambda x: x.sum() + 5e-324 * (len(x) - 6),
}


@pytest.mark.parametrize("function", UNGUESSED.values(), ids=UNGUESSED)
def test_constants_that_no_length_is_guessed_of_are_recorded(function):
    step = compile(function, executor="numpy", any_length=True)
    for length in (7, 8, 20, 1, 2, 8):
        x = np.arange(1.0, length + 1)
        np.testing.assert_array_equal(step(Tensor(x)).value, function(Tensor(x)).value)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_training_with_batches_of_any_size(executor):
    def trained(any_length):
        clearprop.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
        optimizer, loss_fn = optim.AdamW(model.parameters(), lr=0.01), nn.CrossEntropyLoss()

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = compile(step, executor=executor, any_length=True) if any_length else step
        rng = np.random.default_rng(0)
        for rows in (8, 8, 8, 5, 5, 3, 1, 7, 8, 2, 4):
            run(rng.normal(size=(rows, 5)).astype(np.float32), rng.integers(0, 3, rows))
        return run, model.state_dict()

    (step, mine), (_, right) = trained(True), trained(False)

    for name in right:
        np.testing.assert_allclose(mine[name], right[name], rtol=2e-5, atol=2e-6)
    assert step.recordings <= 9  # seven sizes, and twice while the optimizer makes its memory


LAYERS = [
    (nn.LSTM, {}), (nn.GRU, {"bidirectional": True}), (nn.RNN, {"num_layers": 2, "batch_first": True}),
    (nn.LSTM, {"proj_size": 2, "num_layers": 2, "bidirectional": True, "batch_first": True}),
]  # fmt: skip


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("layer", "options"), LAYERS)
def test_recurrent_layers_have_one_form_for_every_length(layer, options, executor):
    clearprop.manual_seed(0)
    model = layer(4, 5, **options).double()

    def step(x):
        model.zero_grad()
        out, _ = model(x)
        loss = (out * out).mean()
        loss.backward()
        return loss, *(p.grad for p in model.parameters())

    run = compile(step, executor=executor, any_length=True)
    for length in (3, 5, 9, 2, 17):
        x = np.random.default_rng(length).normal(size=(length, 6, 4))
        x = np.swapaxes(x, 0, 1).copy() if options.get("batch_first") else x
        for mine, right in zip(run(x), step(x), strict=True):
            mine, right = (np.asarray(getattr(t, "value", t)) for t in (mine, right))
            np.testing.assert_allclose(mine, right, rtol=1e-9, atol=1e-12)

    assert run.recordings == 5


def test_the_plans_of_the_latest_lengths_are_kept():
    step = compile(lambda x: np.tanh(x).sum(), executor="numpy", any_length=True, limit=4)
    for length in range(2, 20):
        step(np.ones(length))
    assert [key.shapes for key in step.plans] == ["(16,)", "(17,)", "(18,)", "(19,)"]

    step(np.ones(18))

    assert step.recordings == 18


def test_it_wants_an_executor_that_can():
    with pytest.raises(ValueError, match="run by numpy or llvm"):
        compile(lambda x: x, any_length=True, executor="xla")


def test_no_native_code_is_made_for_a_further_length(monkeypatch):
    from clearprop.compiler.engines.llvm import light

    step, made, native = step_of(plain, "llvm"), [], light.Native
    monkeypatch.setattr(light, "Native", lambda *given: made.append(given) or native(*given))
    for length in (2, 3):
        step(*arrays(length))
    first = len(made)
    for length in (5, 9, 30):
        step(*arrays(length))

    assert len(made) == first > 0


def test_two_lengths_that_vary_are_recorded_each():
    step = compile(lambda x, y: np.outer(x, y).sum(), executor="numpy", any_length=True)
    for n, m in ((2, 3), (4, 3), (4, 5), (6, 3), (6, 7)):
        assert float(step(np.ones(n), np.ones(m))) == n * m


def test_what_cannot_be_recorded_is_refused_as_ever():
    step = compile(lambda x: float(x.sum()), any_length=True)
    with pytest.raises(RuntimeError):
        step(np.ones(3))
