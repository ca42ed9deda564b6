"""Tests of clearprop.compiler.llvm.panels: products whose factors are copied once for all parts."""

import numpy as np
import pytest

import clearprop

pytest.importorskip("llvmlite")


def _matrices(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(128, 512, 512), (131, 1024, 301), (256, 1023, 520), (97, 640, 257)]
)
def test_the_left_factor_comes_as_panels_where_cores_share_the_columns(m, k, n, dtype):
    x, w = _matrices(dtype, (m, k), (n, k))
    step = clearprop.compile(lambda x, w: np.maximum(x, 0) @ w.T, executor="llvm")
    expected = np.maximum(x, 0) @ w.T

    step(x, w)
    actual = step(x, w)

    assert ("panels" in step.explain()) == (x.strides[0] % 1024 == 0)
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
