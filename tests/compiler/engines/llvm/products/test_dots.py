"""Products of small results and long inner axes: off by no more than NumPy's own, however many terms."""

import numpy as np
import pytest

import clearprop

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.language import engine
from clearprop.compiler.engines.llvm.products import dots, panels, products, tiles, turning

PRODUCTS = {  # a function, and the shapes of its arguments for so many terms
    "two vectors": (lambda x, y: x @ y, lambda k: [(k,), (k,)]),
    "a norm": (lambda x: np.sqrt(x @ x), lambda k: [(k,)]),
    "every second entry": (lambda x, y: x[::2] @ y[1::2], lambda k: [(2 * k,), (2 * k,)]),
    "three rows": (lambda x, y: x @ y, lambda k: [(3, k), (k,)]),
    "eleven rows": (lambda x, y: x @ y, lambda k: [(11, k), (k,)]),
    "a row and columns": (lambda x, y: x @ y.T, lambda k: [(1, k), (4, k)]),
    "the gradient of a column": (lambda x, r: x.T @ r, lambda k: [(k, 13), (k,)]),
    "the gradient of three": (lambda x, r: x.T @ r, lambda k: [(k, 13), (k, 3)]),
    "a gram matrix": (lambda x: x.T @ x, lambda k: [(k, 20)]),
    "rows by rows": (lambda x, y: x @ y.T, lambda k: [(5, k), (3, k)]),
    "a batch": (lambda x, y: x @ y, lambda k: [(2, 3, k), (2, k, 3)]),
    "einsum to a number": (lambda x, y: np.einsum("ij,ij->", x, y), lambda k: [(5, k // 5), (5, k // 5)]),
    "einsum to columns": (lambda x, y: np.einsum("ij,ij->j", x, y), lambda k: [(k, 5), (k, 5)]),
}
KINDS = {
    "equal": lambda rng, shape: np.full(shape, 0.1),
    "sorted": lambda rng, shape: np.sort(rng.random(shape), axis=None).reshape(shape),
    "drawn": lambda rng, shape: rng.random(shape),
}


def off(function, arrays, z):
    """How far a result is from that of wider numbers."""
    wide = np.float64 if arrays[0].dtype == np.float32 else np.longdouble
    exact = function(*[x.astype(wide) for x in arrays])
    return np.max(np.abs(np.asarray(z, wide) - exact) / np.abs(exact))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_the_error_does_not_grow_with_the_number_of_terms(name, kind):
    function, shapes = PRODUCTS[name]
    for k in (1000, 4105, 30_000, 200_000):
        arrays = [KINDS[kind](np.random.default_rng(k), s).astype(np.float32) for s in shapes(k)]
        step = clearprop.compile(function, executor="llvm", prove="never")
        step(*arrays)
        mine, its = (off(function, arrays, z) for z in (step(*arrays), function(*arrays)))

        assert mine <= 8 * np.finfo(np.float32).eps, (k, mine, its)


LARGE = {  # results of more entries than dot products have, in every form that products have
    "whole rows": (lambda x, y: x @ y, lambda k: [(70, k), (k, 64)]),
    "rows by rows": (lambda x, y: x @ y.T, lambda k: [(128, k), (96, k)]),
    "few rows": (lambda x, y: x @ y.T, lambda k: [(12, k), (500, k)]),
    "the gradient of a weight": (lambda x, y: x.T @ y, lambda k: [(k, 100), (k, 80)]),
    "large": (lambda x, y: x @ y, lambda k: [(300, k), (k, 520)]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LARGE)
def test_nor_that_of_large_products(name, kind):
    function, shapes = LARGE[name]
    for k in (130, 300, 1000, 4105):
        arrays = [KINDS[kind](np.random.default_rng(k), s).astype(np.float32) for s in shapes(k)]
        step = clearprop.compile(function, executor="llvm", prove="never")
        step(*arrays)

        assert off(function, arrays, step(*arrays)) <= 10 * np.finfo(np.float32).eps, k


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_are_the_same_whatever_vectors_the_processor_has(dtype, size, monkeypatch):
    if size > engine.vector_bytes():
        pytest.skip("this processor has no such vectors")
    for module in (dots, tiles, panels, products, turning):
        if hasattr(module, "vector_bytes"):
            monkeypatch.setattr(module, "vector_bytes", lambda: size)
        if hasattr(module, "lanes_of"):
            monkeypatch.setattr(module, "lanes_of", lambda dtype: size // dtype.itemsize)
    for k in (10, 63, 300, 5000):
        for name, (function, shapes) in PRODUCTS.items():
            rng = np.random.default_rng(k)
            arrays = [rng.random(s).astype(dtype) for s in shapes(k)]
            z = clearprop.compile(function, executor="llvm", prove="never")(*arrays)
            assert off(function, arrays, z) <= 8 * np.finfo(dtype).eps, (name, k)


@pytest.mark.parametrize("k", [4097, 5000, 100_003])
def test_every_term_is_added_once(k):
    """Small whole numbers: any order gives the same sum, exactly."""
    rng = np.random.default_rng(0)
    for function, shapes in PRODUCTS.values():
        arrays = [rng.integers(-3, 4, s).astype(np.float32) for s in shapes(k)]
        step = clearprop.compile(function, executor="llvm", prove="never")
        for _ in range(2):
            z = step(*arrays)
        assert np.array_equal(z, function(*[x.astype(np.float64) for x in arrays]).astype(np.float32))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_no_proof_fails_where_numpy_is_the_less_exact(name, executor):
    function, shapes = PRODUCTS[name]
    step = clearprop.compile(function, executor=executor, prove="always")
    arrays = [np.full(s, 0.1, np.float32) for s in shapes(100_000)]

    for _ in range(3):
        step(*arrays)
