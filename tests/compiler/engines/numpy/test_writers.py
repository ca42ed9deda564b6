"""The numpy executor's lines: which function of NumPy computes a value, to the same numbers."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler.engines.numpy.writers import STRETCH, stretches
from clearprop.compiler.plan.memory import LINE


def numbers(*shape, dtype="f4", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(64, 10), (100, 2), (64, 32), (64, 33), (64, 1), (63, 10)])
def test_short_rows_are_reduced_like_long_ones(shape, dtype):
    x = numbers(*shape, dtype=dtype)
    x[3] = -np.inf
    x[5, -1] = np.nan
    x[7, 0] = np.inf

    for reduce in (np.max, np.min, np.sum):
        step = clearprop.compile(
            lambda x, reduce=reduce: reduce(x * 2, axis=1, keepdims=True) + 1, executor="numpy"
        )
        for sign in (1, -1):
            wanted = reduce(sign * x * 2, axis=1, keepdims=True) + 1
            # Entries of a sum may come in another order, and cancel: the error is that of its entries.
            rounding = 100 * np.finfo(dtype).eps if reduce is np.sum else 0
            np.testing.assert_allclose(step(sign * x), wanted, rtol=0, atol=rounding)


def test_many_short_rows_go_down_the_columns_and_few_do_not():
    step = clearprop.compile(lambda x: np.exp(x - np.max(x, axis=1, keepdims=True)), executor="numpy")
    step(numbers(64, 10))
    assert "down(max, " in step.source()
    step(numbers(64, 100))
    assert "down(" not in step.source()


@pytest.mark.parametrize(("rows", "name"), [(16, "dot("), (128, "product(")])
def test_large_products_are_not_cleared_first(rows, name):
    x, w = numbers(rows, 40), numbers(70, 40, seed=1)
    step = clearprop.compile(lambda x, w: np.tanh(x @ w.T), executor="numpy")

    np.testing.assert_allclose(step(x, w), np.tanh(x @ w.T), rtol=1e-4, atol=1e-5)
    assert f" {name}" in step.source()


def test_large_products_take_factors_as_they_come():
    x, w = numbers(200, 90), numbers(90, 100, seed=1)
    step = clearprop.compile(lambda x, w: (x + 1) @ w + x @ w, executor="numpy")

    wide, deep = np.repeat(x, 2, axis=1), np.repeat(w, 2, axis=0)
    for a, b in ((x, w), (wide[:, ::2], w), (x[::-1], deep[::2]), (x.T.copy().T, w[:, ::-1])):
        np.testing.assert_allclose(step(a, b), (a + 1) @ b + a @ b, rtol=1e-4, atol=1e-4)


def test_half_precision_is_added_along_the_row_as_numpy_adds_it():
    x = np.zeros((64, 10), "f2")
    x[:, 0] = x[:, 1] = 30000  # a partial sum beyond the largest number
    x[:, 2] = -30000
    step = clearprop.compile(lambda x: np.sum(x + x * 0.25, axis=1, keepdims=True) + 0, executor="numpy")

    np.testing.assert_array_equal(step(x), np.full((64, 1), 37500, "f2"))


@pytest.mark.parametrize("size", [STRETCH, STRETCH + 1, 3 * STRETCH - 5, 4 * STRETCH])
def test_stretches_are_about_equal_and_cover_everything_once(size):
    whole = np.zeros(size)
    pieces = stretches((whole,), (whole.dtype,))
    for part, scratch in pieces:
        assert part.shape == scratch.shape
        assert scratch.ctypes.data % LINE == 0
        part += 1

    np.testing.assert_array_equal(whole, 1)
    lengths = [part.size for part, _ in pieces]
    assert len(lengths) == -(-size // STRETCH)
    assert max(lengths) - min(lengths) <= LINE * len(lengths)


def test_a_chain_is_computed_over_its_dying_operands_in_one_buffer():
    step = clearprop.compile(lambda x: np.tanh(np.sqrt(np.exp(x) + 1) * 2), executor="numpy")
    step(numbers(50, 50))

    homes = step.latest.recording.executable.plan.homes
    assert sum(home is not v for v, home in homes.items()) >= 3
    assert "buffers: 10 kB; 40 kB if nothing were shared" in step.explain()


def test_a_scratch_array_is_not_used_again_before_its_last_reading():
    def f(x):
        a = x + 1
        b = np.sqrt(a)
        return (b * 2 + b) * a

    step = clearprop.compile(f, executor="numpy")
    x = np.linspace(0.0, 1.0, 8 * STRETCH)

    np.testing.assert_array_equal(step(x), f(x))
    assert "sweep over" in step.explain()


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("turned", [False, True])
def test_a_matrix_of_one_entry_is_multiplied_as_a_matrix(turned):
    x, w = np.array([[0.5], [np.inf], [0.0]], np.float32), np.zeros((1, 1), np.float32)

    def f(x, w):
        return abs(w) @ abs(x).T if turned else abs(x) @ abs(w)

    step = clearprop.compile(f, executor="numpy", prove="never")
    for _ in range(2):
        np.testing.assert_array_equal(np.ravel(step(x, w)), [0, np.nan, 0])
