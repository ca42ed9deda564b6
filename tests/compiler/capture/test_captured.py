"""Arrays that a step reaches by name are read anew at each call, wherever they lie, at no cost."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]

ARRAYS = {
    "float64": np.arange(6.0),
    "float32": np.arange(6, dtype=np.float32),
    "integers": np.arange(6),
    "a matrix": np.arange(6.0).reshape(2, 3),
    "its transpose": np.arange(6.0).reshape(2, 3).T,
    "every other": np.arange(12.0)[::2],
    "part of another": np.arange(12.0)[3:9],
    "booleans": np.arange(6) % 2 == 0,
    "big-endian": np.arange(6.0).astype(">f8"),
}
USES = {
    "added": lambda x, held: np.sum(held * x + held, axis=0),
    "with a Tensor": lambda x, held: np.sum(Tensor(x) * held),
    "summed twice": lambda x, held: np.sum(x * held) + np.sum((x + held) ** 2),
}


def value(x):
    return x.detach().numpy() if isinstance(x, Tensor) else x


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_its_owner_fills_again_is_read_at_each_call(name, use, executor):
    held, f = (
        ARRAYS[name].copy() if name != "its transpose" else np.arange(6.0).reshape(2, 3).copy().T,
        USES[use],
    )
    if name in ("every other", "part of another"):
        whole = np.arange(12.0)
        held = whole[::2] if name == "every other" else whole[3:9]
    start, x = held.copy(), np.float64(2.0) * np.ones(held.shape)
    compiled = clearprop.compile(lambda x: f(x, held), executor=executor)

    for k in range(8):
        held[...] = start if k % 3 == 0 else ~start if start.dtype == bool else start * (k + 1)
        np.testing.assert_allclose(value(compiled(x)), value(f(x, held)), rtol=1e-5)
    np.testing.assert_array_equal(held, start * 8 if start.dtype != bool else ~start)


def test_captured_labels_and_rows_are_read_at_each_call(executor):
    clearprop.manual_seed(0)
    model, loss = nn.Linear(3, 2), nn.CrossEntropyLoss()
    rows, labels = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([0, 1, 0, 1])
    f = lambda: loss(model(rows), labels)  # noqa: E731
    compiled = clearprop.compile(f, executor=executor)

    for k in range(5):
        rows[:] += 0.1
        labels[:] = (labels + (k % 2)) % 2
        np.testing.assert_allclose(value(compiled()), value(f()), rtol=1e-5)
    labels[0] = 7
    with pytest.raises((ValueError, IndexError)):
        compiled()


def test_an_array_that_a_step_makes_and_changes_is_what_it_was_at_each_use(executor):
    def f(x):
        scale = np.ones(3)
        y = x * scale
        scale[0] = 5.0
        scale *= 2.0
        return y, x * scale

    compiled = clearprop.compile(f, executor=executor)
    for k in range(3):
        x = np.arange(1.0, 4.0) + k
        for got, wanted in zip(compiled(x), f(x), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_an_array_that_nobody_can_write_to_is_a_constant(executor):
    held = np.frombuffer(np.arange(3.0).tobytes())
    compiled = clearprop.compile(lambda x: np.sum(x * held), executor=executor)

    assert compiled(np.ones(3)) == 3.0
    assert not compiled.latest.recording.program.states


def test_a_number_in_an_array_is_read_at_each_call(executor):
    held = np.array(3.0)
    compiled = clearprop.compile(lambda x: np.sum(x) * held, executor=executor)

    for k in range(6):
        held[...] = k
        assert compiled(np.ones(3)) == 3.0 * k


def test_an_array_in_reach_is_passed_too(executor):
    held = np.arange(3.0)
    compiled = clearprop.compile(lambda x: np.sum(x * 10 + held), executor=executor)

    for x in (held, held * 2, held, np.ones(3)):
        held += 1
        assert compiled(x) == np.sum(x * 10 + held)


def test_another_array_under_the_same_name_is_noticed(executor):
    names = {"held": np.ones(3)}
    compiled = clearprop.compile(lambda x: np.sum(x * names["held"]), executor=executor)

    for k in range(6):
        names["held"] = np.ones(3) * k
        assert compiled(np.ones(3)) == 3.0 * k
        names["held"] += 1
        assert compiled(np.ones(3)) == 3.0 * (k + 1)


VIEWS = {
    "the first rows": lambda held: held[:2],
    "backwards": lambda held: held[::-1],
    "the transpose": lambda held: held.T[:2, :2],
    "a column": lambda held: held[:, 1],
    "flat": lambda held: held.reshape(-1),
    "spread": lambda held: np.broadcast_to(held[0], (2, 3)),
    "a view of a view": lambda held: held[1:][:1, 1:],
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_that_a_step_makes_of_such_an_array_is_read_at_each_call(name, executor):
    held, view = np.arange(9.0).reshape(3, 3), VIEWS[name]
    w = Tensor(np.float64(2.0))

    def step(x):
        w.grad = None
        loss = np.sum(np.tanh(w * view(held)) * x) + np.sum(view(held) * x)
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for k in range(6):
        held[...] = np.sin(np.arange(9.0).reshape(3, 3) + k // 2)
        got, slope = compiled(np.float64(k)).value, w.grad

        np.testing.assert_allclose(got, step(np.float64(k)).value)
        np.testing.assert_allclose(slope, w.grad)
