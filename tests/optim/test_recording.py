"""A training step while somebody records: the same numbers, and all that changes is read and assigned."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, hooks, nn, optim
from clearprop.graph import topological_order
from clearprop.modes import Observer, observed
from clearprop.ops import random


class Recorder(Observer):
    """Remembers every op; hands out the latest version of a Tensor; refuses Python values."""

    remembers = records = True

    def __init__(self):
        self.latest, self.nodes, self.things = {}, [], []

    def resolve(self, x):
        return self.latest.get(x, x)

    def saw(self, node):
        self.nodes.append(node)

    def sent(self, node, i, d):
        pass

    def uses(self, thing):
        self.things.append(thing)

    def python_value(self, tensor, asked):
        raise TypeError(asked)

    def assigned(self, tensor, new):
        assert isinstance(new, Tensor), f"{tensor!r} is given a constant"
        self.latest[tensor] = new


MAKERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.05, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.05),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.05, centered=True, momentum=0.9),
}


def training(make):
    clearprop.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3)).double()
    return model, nn.CrossEntropyLoss(label_smoothing=0.1), make(model.parameters())


def step(model, loss_of, optimizer, x, y):
    optimizer.zero_grad()
    loss = loss_of(model(x), y)
    loss.backward()
    optim.clip_grad_norm_(model.parameters(), 0.5)
    optim.clip_grad_value_(model.parameters(), 0.2)
    optimizer.step()
    return loss


@pytest.mark.parametrize("name", MAKERS)
def test_a_recorded_step_does_what_an_eager_one_does(name):
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(6, 5)), rng.integers(3, size=6)) for _ in range(3)]
    eager, recorded = training(MAKERS[name]), training(MAKERS[name])
    clearprop.manual_seed(7)
    for batch in batches:
        expected = step(*eager, *batch)

    clearprop.manual_seed(7)
    for x, y in batches:
        recorder = Recorder()
        with observed(recorder):
            loss = step(*recorded, Tensor(x, requires_grad=False), Tensor(y, requires_grad=False))
        recorded[0].zero_grad()

    np.testing.assert_allclose(loss._value, expected.value, rtol=1e-13)
    for p, q in zip(recorded[0].parameters(), eager[0].parameters(), strict=True):
        np.testing.assert_allclose(p.value, q.value, rtol=1e-12, atol=1e-14)
        assert p.dtype == np.float64
        assert p.op is None
    assert optimizer_is_used(recorder, recorded)


def optimizer_is_used(recorder, recorded):
    model, loss_of, optimizer = recorded
    used = {id(optimizer), id(loss_of), id(hooks.OUTSIDE), *map(id, model.modules())}
    return {*map(id, recorder.things)} == used


@pytest.mark.parametrize("name", MAKERS)
def test_all_that_changes_is_an_output_and_depends_on_what_it_was(name):
    model, loss_of, optimizer = training(MAKERS[name])
    recorder = Recorder()
    x, y = [Tensor(a, requires_grad=False) for a in (np.ones((6, 5)), np.zeros(6, int))]
    with observed(recorder):
        step(model, loss_of, optimizer, x, y)

    state = {t for memory in optimizer.state.values() for t in memory.values()}
    assert set(recorder.latest) == {*model.parameters(), *state, random._state}
    rate = optimizer.param_groups[0].tensor("lr")
    for tensor, new in recorder.latest.items():
        order = set(topological_order(new))
        assert tensor in order
        assert new.dtype == tensor.dtype or tensor in state
        if tensor in set(model.parameters()):
            assert rate in order
            assert {x, y, random._state} <= order


def test_the_learning_rate_can_be_read_and_set_inside():
    w = Tensor([1.0])
    optimizer, recorder = optim.SGD([w], lr=0.5), Recorder()
    with observed(recorder):
        optimizer.lr = optimizer.lr * 0.5
    assert recorder.latest[optimizer.param_groups[0].tensor("lr")].op.name == "multiply"
    assert optimizer.lr == 0.25


def test_a_term_that_is_zero_is_left_out_and_a_rate_of_zero_is_not():
    w = Tensor([1.0])
    optimizer, recorder = optim.SGD([w], lr=0.0), Recorder()
    w.grad = np.ones(1)
    with observed(recorder):
        optimizer.step()
    assert [node.op.name for node in recorder.nodes] == ["multiply", "subtract"]


def test_memory_follows_a_model_that_is_converted():
    model = nn.Linear(2, 1)
    optimizer = optim.Adam(model.parameters())
    for dtype in (np.float32, np.float64):
        model.to(dtype)
        model.zero_grad()
        model(np.ones((3, 2))).sum().backward()
        optimizer.step()
        memory = [t for m in optimizer.state.values() for name, t in m.items() if name != "step"]
        assert {t.dtype for t in memory} == {np.dtype(dtype)}
    assert optimizer.state[model.weight]["step"].value == 2
