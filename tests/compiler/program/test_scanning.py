"""Running sums: compiled without a call of NumPy, along any axis, to the same bits."""

import numpy as np
import pytest

import clearprop
from clearprop import value_and_grad
from clearprop.compiler.step import available_executors

WAYS = {
    "of all entries": lambda x: np.cumsum(x),
    "along the first axis": lambda x: np.cumsum(x, axis=0),
    "along the last axis": lambda x: np.cumsum(x, axis=-1),
    "of what is computed": lambda x: np.cumsum(x * x, axis=1) * 2,
    "of a turned array": lambda x: np.cumsum(x.T, axis=1),
    "backward": lambda x: np.flip(np.cumsum(np.flip(x, 1), axis=1), 1),
    "of every other entry": lambda x: np.cumsum(x[:, ::2], axis=0),
    "of a row": lambda x: np.cumsum(x[1]),
    "of nothing": lambda x: np.cumsum(x[:0], axis=1),
}


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i8", "?"])
@pytest.mark.parametrize("way", WAYS)
def test_a_running_sum_is_that_of_eager(way, dtype, executor):
    x = np.random.default_rng(0).integers(-3, 4, (3, 5)) * 0.3
    x = (x > 0) if dtype == "?" else (abs(x) if dtype[0] == "u" else x).astype(dtype)
    step = clearprop.compile(WAYS[way], executor=executor)
    for _ in range(3):
        got, wanted = np.asarray(step(x)), np.asarray(WAYS[way](x))

        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    assert not [v.op for v in step.latest.recording.program.values if v.kind == "call"]
    assert dtype == "f2" or not getattr(step.latest.recording.executable, "stops", ())


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_its_gradient_is_a_running_sum_too(axis, executor):
    both = value_and_grad(lambda x: (np.cumsum(x, axis=axis) ** 2).sum())
    x = np.random.default_rng(0).normal(size=(3, 5))
    step = clearprop.compile(both, executor=executor)
    step(x)
    got, wanted = step(x), both(x)

    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-14)
    np.testing.assert_allclose(got[1], wanted[1], rtol=1e-13)
    assert [v.op for v in step.latest.recording.program.values].count("cumsum") == 2
