"""watch(): arrays that were edited before the backward pass, and gradients lost in Python numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, nn, no_grad, watch

USES = {
    "x * array": lambda x, a: x * a,
    "array * x": lambda x, a: a * x,
    "array[::-1] * x": lambda x, a: a[::-1] * x,
    "array @ x": lambda x, a: a @ x,
    "where": lambda x, a: np.where(a > 1, x, 0.0) * a,
    "from_numpy": lambda x, a: x * clearprop.from_numpy(a, requires_grad=True),
    "a view of from_numpy": lambda x, a: x * clearprop.from_numpy(a).reshape(3, 1).reshape(3),
    "index": lambda x, a: x[a.astype(np.intp) % 3] * a,
    "power": lambda x, a: x**a,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_array_edited_before_the_backward_pass_is_named(use):
    x, array = Tensor([1.0, 2.0, 3.0], name="x"), np.array([1.0, 2.0, 4.0])

    def step():
        loss = np.sum(use(x, array))
        array[1] = 7.0
        loss.backward()

    with pytest.raises(GradientError) as caught, watch():
        step()

    text = str(caught.value)
    assert "an array was edited after its use" in text
    assert "(3,) float64" in text
    assert f"test_watch_lost.py:{use.__code__.co_firstlineno}: " in text
    assert "Try array.copy() in the formula" in text
    assert x.grad is None


def test_an_edited_index_is_named():
    x, index = Tensor([1.0, 2.0, 3.0]), np.array([0, 1])
    with watch(collect=True) as seen:
        loss = np.sum(x[index])
        index[0] = 2
        loss.backward()

    assert [edit.array is index for edit in seen.edits] == [True]
    assert seen.edits[0].text.startswith("getitem(x")
    assert "(2,) int64" in seen.edits[0].text


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_arrays_that_stay_or_change_later_are_no_finding(use):
    x, array = Tensor([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
    with watch() as seen:
        for _ in range(3):
            loss = np.sum(use(x, array))
            loss.backward()
            array += 1.0

    assert (seen.edits, seen.lost, seen.reports) == ([], [], [])


def test_a_gradient_that_does_not_read_the_array_is_no_finding():
    x, array = Tensor([1.0, 2.0, 3.0]), np.ones(3)
    with watch():
        loss = np.sum(x + array - array)
        array[:] = 5.0
        loss.backward()

    np.testing.assert_array_equal(x.grad, np.ones(3))


LEAVING = {
    "float": lambda t: float(t),
    "int": lambda t: int(t),
    "item": lambda t: t.item(),
    "math.sin": lambda t: math.sin(t),
    "Tensor of item": lambda t: Tensor(t.item()),
    "range": lambda t: len(range(int(t))),
    "complex": lambda t: abs(complex(t)),
    "trunc": lambda t: math.trunc(t),
    "tolist": lambda t: np.array(t.tolist()),
    "float of a formula": lambda t: float(np.exp(t) * 2),
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_a_gradient_lost_in_a_python_number_is_named(leave):
    t, w = Tensor(2.0, name="t"), Tensor(3.0)

    with pytest.raises(GradientError) as caught, watch():
        (w * leave(t)).backward()

    text = str(caught.value)
    assert "a gradient is lost: " in text
    assert f"test_watch_lost.py:{leave.__code__.co_firstlineno}: " in text
    assert "Try NumPy's functions on the Tensor itself" in text


def test_lost_gradients_are_collected_one_a_line():
    t, w = Tensor(2.0, name="t"), Tensor(3.0)
    with watch(collect=True) as seen:
        (w * sum(float(t) for _ in range(50))).backward()

    assert len(seen.lost) == 1
    assert seen.lost[0].asked == "float(t)"
    assert seen.lost[0].leaves == {t}


def printed(w, u):
    loss = np.sum(w * u)
    float(loss)
    loss.backward()
    float(loss)


def printed_on_the_way(w, u):
    h = w * u
    float(h)
    np.sum(h * 2).backward()


def printed_after_another_pass(w, u):
    first = w * 2
    first.backward(leaves_only=True)
    float(first)
    (u * 2).backward()


def two_losses_printed(w, u):
    first, second = w * 2, u * 2
    float(first), float(second)
    first.backward()
    second.backward()


def a_scale_without_gradient(w, u):
    with no_grad():
        scale = float(w)
    (u * scale).backward()
    (u * w.detach().item()).backward()


MEANT = (
    printed,
    printed_on_the_way,
    printed_after_another_pass,
    two_losses_printed,
    a_scale_without_gradient,
)


@pytest.mark.parametrize("use", MEANT)
def test_numbers_that_are_only_looked_at_are_no_finding(use):
    w, u = Tensor(2.0), Tensor(3.0)
    with watch() as seen:
        for _ in range(2):
            use(w, u)

    assert seen.lost == []


class Cut(nn.Module):
    """A model whose first layer leaves the graph."""

    def __init__(self, leave):
        super().__init__()
        self.first, self.second, self.leave = nn.Linear(3, 1), nn.Linear(3, 1), leave

    def forward(self, x):
        scale = self.leave(np.mean(self.first(x)))
        return self.second(x) * scale


@pytest.mark.parametrize("leave", [LEAVING["float"], LEAVING["math.sin"], LEAVING["item"]])
def test_the_doctor_names_the_line_where_a_parameter_left_the_graph(leave):
    clearprop.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)

    diagnosis = clearprop.doctor(Cut(leave), (x, x[:, :1].copy()))

    assert "parameter never used" in diagnosis.names
    assert f"test_watch_lost.py:{leave.__code__.co_firstlineno}" in str(diagnosis)


def test_the_doctor_names_the_line_where_the_graph_is_cut():
    clearprop.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)

    def cut(output, y):
        return Tensor(float(np.mean((output - y) ** 2)), requires_grad=False)  # this line

    diagnosis = clearprop.doctor(nn.Linear(3, 1), (x, x[:, :1].copy()), loss=cut)

    assert "the graph is cut" in diagnosis.names
    assert f"float(t) at {__file__}:{cut.__code__.co_firstlineno + 1}" in str(diagnosis)


JOINED = {
    "concatenate": lambda x, a: np.concatenate([x, a]),
    "stack": lambda x, a: np.stack([a, x]),
    "chosen": lambda x, a: np.where([True, False, True], x, a),
    "added": lambda x, a: x + 2 * a,
    "inserted": lambda x, a: np.insert(x, 1, a[0]),
}


@pytest.mark.parametrize("use", JOINED.values(), ids=JOINED)
def test_an_edited_array_that_no_gradient_depends_on_is_no_finding(use):
    x, array = Tensor([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
    with watch():
        loss = np.sum(use(x, array))
        array[1] = 7.0
        loss.backward()

    assert np.all(x.grad[::2] == 1)


def test_a_number_that_is_printed_before_another_loss_is_no_finding():
    w, v = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    with watch():
        for _ in range(3):
            first = np.sum(w**2)
            assert float(first) == 5
            np.sum(v**3).backward()
            first.backward()

    assert np.array_equal(w.grad, 3 * np.array([2.0, 4.0]))


@pytest.mark.parametrize("times", [1, 3])
def test_a_gradient_that_is_lost_while_its_tensor_is_there_is_told_at_the_end(times):
    w, v = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    rounds = []

    def train():
        for _ in range(times):
            first = np.sum(w**2)
            (np.sum(v**3) * float(first)).backward()
            rounds.append(first)

    with pytest.raises(GradientError, match="a gradient is lost: float"), watch():
        train()

    assert len(rounds) == times
