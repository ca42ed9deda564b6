"""Small arrays whose contents decide what a recording holds: with others, the step is recorded anew."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler.capture.suspects import LARGEST, TRIES
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]

USES = {
    "an entry": lambda held, x: held[0] * x,
    "a float": lambda held, x: float(held[1]) * x,
    "a sum": lambda held, x: held.sum() * x,
    "ufuncs": lambda held, x: np.tanh(held / 2)[0] + x,
    "an op of the library": lambda held, x: clearprop.relu(held).sum() * x,
    "a copy": lambda held, x: np.sum(held.copy() * x),
    "another dtype": lambda held, x: np.sum(held.astype("f4") * x),
    "both": lambda held, x: np.sum(held * x) + held.max(),
    "a branch": lambda held, x: x if held[2] > 0 else -x,
    "entries": lambda held, x: [v * x for v in held],
    "an attribute": lambda held, x: held[:1].tolist()[0] * x,
    "a shape": lambda held, x: np.ones(int(abs(held[0]) * 3) + 1) * x,
}


def value(x):
    return [v.value if isinstance(v, Tensor) else v for v in (x if isinstance(x, list) else [x])]


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1"])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize(
    "use", ["an entry", "a float", "a sum", "a copy", "both", "a branch", "an attribute"]
)
def test_a_large_array_that_is_filled_anew_is_seen(use, order, dtype, executor):
    held = np.zeros((40, 50), dtype, order=order)
    rng = np.random.default_rng(0)
    compiled = clearprop.compile(lambda x: USES[use](held.ravel("K"), x), executor=executor, prove="never")
    for k in range(6):
        if not k % 2:
            held[...] = rng.integers(1, 9, held.shape)
        for x in (np.float64(k), np.float64(2 * k)):
            np.testing.assert_allclose(value(compiled(x)), value(USES[use](held.ravel("K"), x)), rtol=1e-6)


def test_a_large_array_that_is_filled_anew_and_read_at_each_call_costs_one_recording_more(executor):
    held = np.arange(3000.0)
    step = clearprop.compile(lambda x: np.sum(held * x), executor=executor, prove="never")
    for k in range(8):
        held[:] = k
        assert step(np.ones(3000)) == 3000 * k

    assert step.recordings == 2


@pytest.mark.parametrize("use", USES)
def test_what_python_makes_of_a_small_array_is_seen(use, executor):
    held = np.arange(3.0)
    compiled = clearprop.compile(lambda x: USES[use](held, x), executor=executor, prove="never")
    for k in range(6):
        held[:] = np.sin(np.arange(3.0) + k // 2)
        for x in (np.float64(k), np.float64(2 * k)):
            np.testing.assert_allclose(value(compiled(x)), value(USES[use](held, x)))


def test_an_array_that_is_read_at_each_call_costs_one_recording_more(executor):
    held = np.arange(3.0)
    step = clearprop.compile(lambda x: np.sum(held * x), executor=executor, prove="never")
    for k in range(8):
        held[:] = k
        assert step(np.ones(3)) == 3 * k

    assert step.recordings == 2


def test_an_array_that_decides_nothing_is_let_go(executor):
    history, seen = np.zeros(4), np.zeros(LARGEST, np.int8)

    def step(x):
        return np.sum(x) if len(history) + len(seen) else x

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for k in range(12):
        history[k % 4] = float(compiled(np.full(3, k + 1.0)))

    assert compiled.recordings == TRIES + 1
