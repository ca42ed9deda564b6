"""Products whose factors are copied once for all parts."""

import re

import numpy as np
import pytest

import clearprop

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.language import engine
from clearprop.compiler.engines.llvm.loops import nests
from clearprop.compiler.engines.llvm.products import products


def _matrices(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(128, 512, 512), (131, 1024, 301), (256, 1023, 520), (97, 640, 257), (96, 1, 128), (250, 17, 1000)],
)
def test_a_factor_that_lies_across_is_read_along_its_rows(m, k, n, dtype):
    x, w = _matrices(dtype, (m, k), (n, k))
    step = clearprop.compile(lambda x, w: np.maximum(x, 0) @ w.T, executor="llvm")
    expected = np.maximum(x, 0) @ w.T

    step(x, w)
    actual = step(x, w)

    turned = k > 1 and engine.vector_bytes() >= 8 * x.itemsize
    assert ("panels" in step.explain()) == turned  # those of x, turned over
    np.testing.assert_allclose(actual, expected, rtol=0, atol=np.finfo(dtype).eps * 40 * np.sqrt(k))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("batch", "m", "n"), [(128, 512, 784), (64, 1001, 523), (30, 703, 1040)])
def test_the_right_factor_comes_as_panels_where_a_large_product_has_many_parts(batch, m, n, dtype):
    g, x = _matrices(dtype, (batch, m), (batch, n))
    step = clearprop.compile(lambda g, x: g.T @ x, executor="llvm")

    step(g, x)
    actual = step(g, x)

    assert "panels" in step.explain()
    np.testing.assert_allclose(actual, g.T @ x, rtol=0, atol=np.finfo(dtype).eps * 40 * np.sqrt(batch))


def test_like_factors_have_their_panels_in_common():
    x, *weights = _matrices("float32", (128, 512), (512, 512), (512, 512), (512, 512))
    step = clearprop.compile(lambda x, *ws: tuple(x @ w.T for w in ws), executor="llvm")

    step(x, *weights)
    actual = step(x, *weights)

    assert step.explain().count("panels over") == 1
    for z, w in zip(actual, weights, strict=True):
        np.testing.assert_allclose(z, x @ w.T, rtol=0, atol=1e-3)


def test_many_rows_need_no_more_of_the_stack(monkeypatch):
    monkeypatch.setenv("CLEARPROP_THREADS", "1")
    x, *weights = _matrices("float32", (5000, 512), (512, 512), (512, 512), (512, 512))
    step = clearprop.compile(lambda x, a, b, c: x @ a @ b @ c, executor="llvm")

    step(x, *weights)
    actual = step(x, *weights)

    expected = np.linalg.multi_dot([x, *weights])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("size", [16, 32])
def test_smaller_registers_have_tiles_of_their_own(size, monkeypatch):
    for module in (engine, nests, products):
        monkeypatch.setattr(module, "vector_bytes", lambda: size)
    x, w = _matrices("float32", (300, 512), (2, 512))
    g, h = _matrices("float32", (128, 300), (128, 1000))

    def chain(x, w, g, h):
        return np.maximum(np.maximum(x, 0) @ w.T, 0) @ w, np.maximum(x, 0) @ x.T, g.T @ h

    step = clearprop.compile(chain, executor="llvm")
    step(x, w, g, h)

    for actual, expected in zip(step(x, w, g, h), chain(x, w, g, h), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("batch", [32, 41, 128])
def test_the_turns_of_a_loop_share_the_panels_of_its_weight_and_wait_for_nobody(batch, across):
    x, w = _matrices("float32", (batch, 256), (256, 256))
    w /= 16

    def repeated(x, w, turns):
        for _ in range(turns):
            x = np.tanh(x @ (w.T if across else w))
        return x

    stages = set()
    for turns in (4, 9):
        step = clearprop.compile(lambda x, w, turns=turns: repeated(x, w, turns), executor="llvm")
        for _ in range(2):
            np.testing.assert_allclose(step(x, w), repeated(x, w, turns), rtol=1e-4, atol=1e-5)
        assert step.explain().count("panels over") == 1
        stages.add(re.search(r"parts of (\d+) stages", step.explain())[1])
    assert stages == {"2"}  # the panels, then all turns


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("m", "k", "n"), [(256, 700, 260), (128, 300, 512), (200, 1030, 256)])
def test_parts_that_are_columns_do_not_each_copy_the_left_factor(m, k, n, dtype):
    """A gradient whose columns lie 1 kB apart: with copies such a product took three times as long."""
    g, x = _matrices(dtype, (k, m), (k, n))
    step = clearprop.compile(lambda g, x: g.T @ x, executor="llvm")

    for _ in range(2):
        np.testing.assert_allclose(step(g, x), g.T @ x, rtol=0, atol=np.finfo(dtype).eps * 40 * np.sqrt(k))
    assert "%near.left" not in step.llvm_ir()
