"""Tensors of PyTorch that a step reads are watched: entries, and how often they were changed in place."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler.step import available_executors

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parametrize("executor", available_executors())
X = np.arange(1.0, 4.0)


def with_gradient():
    found = torch.ones(3, requires_grad=True)
    found.grad = torch.ones(3)
    return found


def seeded():
    found = torch.Generator()
    found.manual_seed(3)
    return found


CASES = {
    "a number": (lambda: torch.ones(3), lambda t: t[0].item(), lambda t: t.mul_(3)),
    "an array": (lambda: torch.ones(3).double(), lambda t: t.numpy(), lambda t: t.mul_(3)),
    "one of many": (lambda: torch.zeros(100_000), lambda t: t[777].item() + 1, lambda t: t[777:778].fill_(4)),
    "past its version": (
        lambda: torch.zeros(1000, requires_grad=True),
        lambda t: t.detach().sum().item() + 1,
        lambda t: t.data.fill_(3),
    ),
    "another dtype": (
        lambda: torch.ones(3, dtype=torch.bfloat16),
        lambda t: float(t[0]),
        lambda t: t.data.fill_(3),
    ),
    "a gradient": (with_gradient, lambda t: float(t.grad[0]), lambda t: t.grad.data.fill_(3)),
    "few entries": (
        lambda: torch.eye(3).to_sparse(),
        lambda t: float(t.to_dense()[0, 0]),
        lambda t: t.mul_(3),
    ),
    "a model": (
        lambda: torch.nn.Linear(1, 1),
        lambda m: float(m(torch.ones(1)).detach()),
        lambda m: m.weight.data.fill_(3.0),
    ),
    "a generator": (seeded, lambda g: g.initial_seed(), lambda g: g.manual_seed(5)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_in_a_tensor_of_torch_is_watched(name, executor):
    make, read, change = CASES[name]
    thing = make()
    step = clearprop.compile(lambda x: x * read(thing), executor=executor, prove="never")
    before = np.array(read(thing))
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * before)
    assert step.recordings == 1
    change(thing)
    assert not np.array_equal(read(thing), before)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * read(thing))


def test_dtypes_and_devices_are_constants(executor):
    kind, device = torch.float64, torch.device("cpu")
    step = clearprop.compile(
        lambda x: x * (2.0 if kind is torch.float64 and device.type == "cpu" else 3.0), executor=executor
    )
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * 2)
