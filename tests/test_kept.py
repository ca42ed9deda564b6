"""Tests of clearprop.kept: a step that is recorded keeps the gradients that somebody can ask for."""

import tracemalloc

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn
from clearprop.compiler.step import available_executors

X = np.random.default_rng(0).normal(size=(4, 3))
EXECUTORS = available_executors()
USES = [lambda g: g * 2, lambda g: np.sum(g), lambda g: g.sum(), lambda g: g[0]]
USES += [lambda g: (g > 0) * 1.0, lambda g: (g == 0) * 1.0, lambda g: g // 1, lambda g: 2**g, lambda g: +g]
USES += [lambda g: np.where(X[:, :2] > 0, g, 0), lambda g: g.sum() if isinstance(g, np.ndarray) else g]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("where", ["name", "list", "attribute", "closure"])
def test_a_node_that_something_holds_has_its_gradient(executor, where):
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    kept = []

    def step(x):
        for p in model.parameters():
            p.grad = None
        z = model[1](model[0](x))
        y = model[2](z)
        if where == "list":
            kept.append(z)
        elif where == "attribute":
            model.seen = z
        look = {"list": lambda: kept.pop(), "attribute": lambda: model.seen}.get(where, lambda z=z: z)
        if where != "name":
            del z
        (y * y).sum().backward()
        return (z if where == "name" else look()).grad * 1.0

    expected = step(X)
    run = clearprop.compile(step, executor=executor, fallback=where in ("list", "attribute"))
    for _ in range(3):
        np.testing.assert_allclose(run(X), expected, rtol=1e-12)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("use", USES)
def test_one_that_only_the_graph_leads_to_is_refused(executor, use):
    w = Tensor(np.ones((3, 2)))

    def step(x):
        w.grad = None
        loss = np.sum(np.tanh(x @ w) ** 2)
        loss.backward()
        return use(loss.inputs[0].inputs[0].grad)

    assert np.shape(step(X)) == np.shape(use(np.ones((4, 2))))  # in eager mode every node has it
    with pytest.raises(RuntimeError, match="one that only the graph leads to") as caught:
        clearprop.compile(step, executor=executor)(X)
    assert "z = model(x), then z.grad" in str(caught.value)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("kind", [np.ndarray, np.generic, Tensor])
@pytest.mark.parametrize("node", [lambda loss: loss.inputs[0], lambda loss: loss.inputs[0].inputs[0]])
def test_what_kind_of_thing_it_is_can_be_asked(executor, kind, node):
    w = Tensor(np.ones((3, 2)))

    def step(x):
        w.grad = None
        loss = np.sum(np.sum(w) * np.tanh(x @ w))
        loss.backward()
        return x * (2.0 if isinstance(node(loss).grad, kind) else 3.0)

    np.testing.assert_array_equal(clearprop.compile(step, executor=executor)(X), step(X))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_hook_sees_its_node_all_the_same(executor):
    w = Tensor(np.ones((3, 2)))

    def hidden(x):
        z = x @ w
        z.register_hook(lambda g: g * 10)
        return z

    def step(x):
        w.grad = None
        np.sum(hidden(x) ** 2).backward()
        return w.grad

    expected = step(X)
    run = clearprop.compile(step, executor=executor)
    for _ in range(2):
        np.testing.assert_allclose(run(X), expected, rtol=1e-12)


def test_a_recorded_run_holds_half_of_what_an_eager_one_does():
    layers = [m for _ in range(20) for m in (nn.Linear(64, 64), nn.Tanh())]
    model, x = nn.Sequential(*layers), np.ones((2048, 64), np.float32)

    def step(x):
        model.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        return loss

    peaks = []
    for run in (step, clearprop.compile(step, executor="numpy", prove="never")):
        tracemalloc.start()
        run(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 0.75 * peaks[0], peaks
