"""Windows in a compiled step: a view that loops read through, and pools as operations on slices."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from clearprop import Tensor, compile
from clearprop.nn import functional as F
from clearprop.ops.window import SOME
from clearprop.registry import ops

rng = np.random.default_rng(0)


def moving(x):
    return np.tanh(sliding_window_view(x, (3, 2), (0, 1))).mean(axis=(-1, -2))


def apart(x):
    w = ops["windows"](x, axes=(1,), sizes=(3,), steps=(2,), dilations=(2,))
    return np.einsum("bik,k->bi", w, np.arange(3.0)) + w.max(axis=-1)


def twice(x):
    return sliding_window_view(x, (2, 3), (1, 1)) ** 2


def added(x):
    y = ops["fold"](x.reshape((7, 3, 3)), axes=(1,), lengths=(11,), steps=(3,), dilations=(2,))
    return y * ops["fold"](x[:, :6].reshape((7, 3, 2)), axes=(1,), lengths=(11,), steps=(1,), dilations=(1,))


def far(x):
    return sliding_window_view(x.reshape(-1), SOME + 20).sum(axis=-1)


def pooled(x):
    x = x.reshape((1, 1, 7, 9))
    return F.max_pool2d(x, 2).sum() * F.avg_pool2d(x, 3, 2, 1) + F.adaptive_avg_pool2d(x, 1) * F.max_pool2d(
        x, 7
    )


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("f", [moving, apart, twice, added, far, pooled], ids=lambda f: f.__name__)
def test_values_and_gradients_are_the_eager_ones(f, executor):
    def step(x):
        x = Tensor(x)
        z = f(x)
        z.backward(np.cos(np.arange(z.size)).reshape(z.shape))
        return z.detach(), x.grad

    run = compile(step, executor=executor)
    for k in range(4):
        x = rng.normal(size=(7, 9)) + k
        for a, b in zip(run(x), step(x), strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-12)


def test_windows_are_read_through_without_a_copy():
    step = compile(lambda x: moving(Tensor(x)), executor="llvm")
    step(rng.normal(size=(50, 60)))
    told = step.explain()

    assert "loop over (48, 59, 3, 2): tanh, sum" in told
    assert "call" not in told.split("pieces:")[1].split("buffers")[0]


def test_offsets_beyond_a_few_are_a_call_that_says_why():
    def step(x):
        x = Tensor(x)
        np.tanh(far(x)).sum().backward()
        return x.grad

    run = compile(step, executor="llvm")
    run(rng.normal(size=(7, 9)))

    assert "windows of many offsets" in run.explain()
