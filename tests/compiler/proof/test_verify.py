"""verify=True: right plans pass, and in a wrong one the first wrong node is named."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler.program import rewrite
from clearprop.compiler.proof.verify import VerificationError, difference
from clearprop.compiler.step import available_executors


def network():
    clearprop.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.3), nn.Linear(7, 3))
    optimizer = optim.Adam(model.parameters())
    loss_fn = nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(1)
    return model, step, rng.standard_normal((4, 5)).astype("f4"), rng.integers(0, 3, 4)


@pytest.mark.parametrize("executor", available_executors())
def test_a_right_plan_passes_and_reports_each_parameter(executor):
    _, step, x, y = network()
    compiled = clearprop.compile(step, verify=True, executor=executor)
    for _ in range(4):
        compiled(x, y)

    assert compiled.report.ok
    names = [d.name for d in compiled.report.differences]
    assert names[0] == "output 0"
    assert {"0.weight", "0.weight.grad", "3.bias", "step"} <= set(names)
    assert "0.weight.grad" in str(compiled.report)


@pytest.mark.parametrize("executor", available_executors())
def test_the_first_wrong_node_is_named_with_its_line(monkeypatch, executor):
    wrong = ("wrong", lambda b, v, x: b.ufunc(np.multiply, x, 0.99), False)
    monkeypatch.setitem(rewrite._BY_OP, "tanh", [wrong])
    _, step, x, y = network()
    compiled = clearprop.compile(step, verify=True, executor=executor)
    compiled(x, y), compiled(x, y)  # recorded twice: with no gradients to begin with, and with some
    named = r"The first node that differs is tanh \(4, 7\) float32, at .*:\d+"
    with pytest.raises(VerificationError, match=named):
        compiled(x, y)
    assert not compiled.report.ok


def test_a_gradient_wrong_by_a_tenth_of_a_percent_is_found(monkeypatch):
    w = Tensor([0.5, 0.7], name="w")

    def step(x):
        w.grad = None
        loss = np.sum(np.square(w * x))
        loss.backward()
        return loss

    wrong = ("wrong", lambda b, v, x: b.ufunc(np.multiply, x, b.ufunc(np.multiply, x, 1.001)), False)
    compiled = clearprop.compile(step, verify=True, executor="numpy")
    for _ in range(3):
        compiled(np.array([1.0, 2.0]))
    assert compiled.report.ok
    monkeypatch.setitem(rewrite._BY_OP, "square", [wrong])
    compiled = clearprop.compile(step, verify=True, executor="numpy")
    compiled(np.array([1.0, 2.0]))
    with pytest.raises(VerificationError, match="output 0"):
        compiled(np.array([1.0, 2.0]))


def test_nan_must_be_where_eager_has_it():
    wide = np.array([1.0, np.nan])

    assert not difference("z", np.array([1.0, np.nan]), wide, wide).wrong
    assert difference("z", np.array([np.nan, np.nan]), wide, wide).wrong
    assert difference("z", np.array([1.0, 0.0]), wide, wide).wrong
