"""An index out of bounds in a later call of a compiled step: an error in five parts, and nothing assigned."""

from __future__ import annotations

import inspect
from importlib.util import find_spec

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim, scan
from clearprop.compiler.capture.broken import broken
from clearprop.compiler.engines.executors import EXECUTORS
from clearprop.compiler.program.ir import Program
from clearprop.errors import taught

PRESENT = [name for name, e in EXECUTORS.items() if e.present() and (name != "xla" or find_spec("jax"))]
F = nn.functional


def refused(step, good, bad, calls, tensors=()):
    """Call a step until it has its quick way, then with a wrong index; return what it says of it."""
    for _ in range(calls):
        step(*good)
    before = [t.value.copy() for t in tensors]
    with pytest.raises(IndexError, match=r"out of bounds(.|\n)*nothing was assigned") as caught:
        step(*bad)
    for t, value in zip(tensors, before, strict=True):
        np.testing.assert_array_equal(t.value, value)
    assert taught(caught.value)
    step(*good)
    return str(caught.value)


def line_of(function, text):
    """The place of the line of a function in which some text stands."""
    lines, first = inspect.getsourcelines(function)
    return f"{__file__}:{first + next(i for i, line in enumerate(lines) if text in line)}"


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("executor", PRESENT)
def test_a_label_that_is_no_class(executor, calls):
    model = nn.Linear(3, 4)
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def train(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    step, x = clearprop.compile(train, executor=executor), np.ones((3, 3), np.float32)
    tensors = list(model.parameters())
    step(x, np.array([0, 3, 1]))  # makes the optimizer's memory
    for wrong, got in (
        ([0, -1, 3], "-1 in argument 1, which has entries from -1 to 3"),
        ([-100, 2, 4], "4 in argument 1, which has entries from -100 to 4"),
        ([-100, -7, 0], "-7 in argument 1, which has entries from -100 to 0"),
    ):
        said = refused(step, (x, np.array([0, 3, 1])), (x, np.array(wrong)), calls, tensors)
        assert f"out of bounds for an axis of length 4: {got}.\n" in said
        assert f"At {line_of(train, 'cross_entropy')}; nothing was assigned." in said
        assert said.endswith("Try entries from 0 to 3.")


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("executor", PRESENT)
def test_a_number_that_is_no_row(executor, calls):
    table, t = nn.Embedding(5, 2), Tensor(np.arange(12.0).reshape(3, 4))
    i = np.array([[0, 4]])
    step = clearprop.compile(lambda i: table(i).sum(), executor=executor)
    assert ": 7 in argument 0, which has entries from 2 to 7." in refused(
        step, (i,), (i + np.array([2, 3]),), calls
    )

    step = clearprop.compile(lambda i, j: t[i, j].sum(), executor=executor)
    i, j = np.array([0, 1, 2]), np.array([1, 2, 3])
    assert ": -9 in argument 0, which has" in refused(step, (i, j), (np.array([0, -9, 1]), j), calls)
    said = refused(step, (i, j), (i, np.array([0, 1, 4])), calls)
    assert "axis of length 4: 4 in argument 1, which has entries from 0 to 4." in said

    step = clearprop.compile(lambda t, i: t[i[::-1].reshape(-1, 1)] * 1.0, executor=executor)
    numbers = np.array([7, 8, 9])
    assert ": 3 in argument 1, which has" in refused(step, (numbers, i), (numbers, i + 1), calls)


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("executor", PRESENT)
def test_an_index_that_the_step_computes(executor, calls):
    t = Tensor(np.arange(12.0).reshape(3, 4))
    step = clearprop.compile(lambda x: t[np.argmax(x * t[:, 0]) + 1].sum(), executor=executor)
    said = refused(step, (np.array([0.0, 1.0, 0.0]),), (np.array([0.0, 0.0, 1.0]),), calls)
    assert "getitem((3, 4) float64, () int64)" in said
    assert "axis of length 3: 3 in an array that has entries from 3 to 3." in said


@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("executor", PRESENT)
def test_an_index_in_the_turns_of_a_loop(executor, calls):
    t = Tensor(np.arange(12.0).reshape(4, 3))

    def walk(rows):
        return scan(lambda c, i: (c + t[i], None), t[0] * 1.0, rows)[0]

    step = clearprop.compile(walk, executor=executor)
    said = refused(step, (np.array([0, 1, 2]),), (np.array([0, 99, 2]),), calls, [t])
    assert "loop(" in said
    assert "axis of length 4: 99; argument 0 has entries from 0 to 99." in said
    assert f"At {line_of(walk, 'scan(')}; nothing was assigned." in said


def test_an_index_that_cannot_be_found_again_is_said_to_be_that():
    error = broken(Program(), (), lambda state: None, IndexError("one is out of bounds"))
    assert taught(error)
    assert "It is not known which; nothing was assigned." in str(error)
    assert broken(Program(), (), lambda state: None, error) is error
