"""Tests of clearprop.compiler.llvm.products: which form a product has, and that none of them changes it."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim

pytest.importorskip("llvmlite")


def matrices(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("k", "n"), [(784, 128), (300, 70), (64, 64), (17, 1000), (513, 33)])
def test_a_product_of_few_rows_is_the_product(k, n, dtype):
    """Some are shared out by columns, some by rows, some not at all."""
    for m in (2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 31, 33):
        x, w = matrices(dtype, (m, k), (n, k))
        across = clearprop.compile(lambda x, w: np.tanh(x) @ w.T + 1, executor="llvm")
        plain = clearprop.compile(lambda x, y: np.tanh(x) @ y + 1, executor="llvm")
        expected = np.tanh(x) @ w.T + 1
        for actual in (across(x, w), across(x, w), plain(x, w.T.copy()), plain(x, w.T.copy())):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=np.finfo(dtype).eps * 40 * np.sqrt(k))


def test_a_factor_of_one_product_is_turned_over_by_its_parts_and_one_of_several_once():
    x, w = matrices("float32", (8, 64), (64, 64))

    def repeated(x, w, times):
        for _ in range(times):
            x = np.tanh(x @ w.T)
        return x

    for times in (1, 3):
        step = clearprop.compile(lambda x, w, times=times: repeated(x, w, times), executor="llvm")
        np.testing.assert_allclose(step(x, w), repeated(x, w, times), rtol=1e-4, atol=1e-4)
        assert step.explain().count("transpose over") == (times > 1)


@pytest.mark.parametrize("batch", [2, 6, 16, 48])
def test_training_with_small_batches_is_training(batch):
    data, targets = matrices("float32", (4, batch, 300), (4, batch, 5))

    def losses(compiled):
        clearprop.manual_seed(0)
        model = nn.Sequential(nn.Linear(300, 130), nn.Tanh(), nn.Linear(130, 64), nn.Tanh(), nn.Linear(64, 5))
        optimizer, loss_of = optim.Adam(model.parameters(), lr=1e-3), nn.MSELoss()

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = clearprop.compile(step, executor="llvm") if compiled else step
        found = [step(x, y).value for _ in range(3) for x, y in zip(data, targets, strict=True)]
        return np.array(found), [p.value for p in model.parameters()]

    (eager, wanted), (native, actual) = losses(False), losses(True)

    np.testing.assert_allclose(native, eager, rtol=1e-4)
    for a, w in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=0, atol=1e-4)
