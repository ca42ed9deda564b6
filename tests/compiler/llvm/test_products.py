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


@pytest.mark.parametrize("batch", [2, 6, 16, 48, 128, 257, 700])
def test_training_is_training_however_many_rows(batch):
    """Panels of a weight are made before the step writes over it, those of a gradient after it is there."""
    (x, y) = matrices("float64", (batch, 512), (batch, 130))

    def trained(compiled):
        clearprop.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(512, 640, dtype=float), nn.Tanh(), nn.Linear(640, 512, dtype=float), nn.ReLU(),
            nn.Linear(512, 130, dtype=float),
        )  # fmt: skip
        optimizer, loss_fn = optim.Adam(model.parameters(), lr=1e-3), nn.MSELoss()

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = clearprop.compile(step, executor="llvm") if compiled else step
        for _ in range(4):
            run(x, y)
        if compiled and batch >= 128:
            assert "panels" in run.explain()
        return [p.grad for p in model.parameters()]

    for actual, expected in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-12)
