"""Tests of llvm.products.products: which form a product has, and that none of them changes it."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.products import products

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


@pytest.mark.parametrize("zen", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [15, 255, 256, 257, 300, 783, 831, 1030])
def test_a_row_times_a_matrix_is_the_product_however_long_the_row(k, dtype, zen, monkeypatch):
    """Long rows of a matrix that the second caches hold are read two at a time on AMD's Zen, others eight."""
    monkeypatch.setattr(products, "is_zen", lambda: zen)
    for n in (33, 70, 1100):
        x, w = matrices(dtype, (1, k), (n, k))
        across = clearprop.compile(lambda x, w: x @ w.T, executor="llvm")
        column = clearprop.compile(lambda w, x: w @ x.T, executor="llvm")
        expected = x.astype("float64") @ w.T.astype("float64")
        for _ in range(3):  # forwards and backwards
            for actual in (across(x, w), column(w, x).T):
                tolerance = np.finfo(dtype).eps * 40 * np.sqrt(k)
                np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_spoils_its_own_sum_only(bad):
    x, w = matrices("float32", (1, 783), (100, 783))
    w[37, 782] = w[64, 5] = bad
    step = clearprop.compile(lambda x, w: x @ w.T, executor="llvm")

    for _ in range(2):
        assert np.flatnonzero(~np.isfinite(step(x, w)[0])).tolist() == [37, 64]


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
