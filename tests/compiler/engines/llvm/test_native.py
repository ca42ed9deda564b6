"""Native loops and products against NumPy: every layout of operands, every edge of tiles, both cores."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import clearprop
from clearprop import Tensor

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.plan import pool as pools


def native(function):
    """Compile for the llvm executor."""
    return clearprop.compile(function, executor="llvm")


def agree(function, *arrays, tolerance=2e-5, times=3):
    """Run a function eagerly and natively, and compare."""
    step = native(function)
    wanted = function(*arrays)
    for _ in range(times):
        got = step(*arrays)
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=tolerance, atol=tolerance)
    assert step.latest.recording.executor == "llvm"


def numbers(*shape, dtype="f4", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# --- products -----------------------------------------------------------------------------------------------
SIZES = [
    (1, 1, 1),
    (1, 7, 5),
    (3, 1, 4),
    (8, 16, 32),
    (9, 17, 33),
    (16, 3, 10),
    (40, 70, 50),
    (100, 520, 64),
    (130, 40, 300),
]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_a_product_is_that_of_numpy_however_its_factors_lie(m, k, n, dtype):
    x, y = numbers(m, k, dtype=dtype), numbers(k, n, dtype=dtype, seed=1)
    tolerance = 1e-4 if dtype == "f4" else 1e-12
    agree(lambda x, y: np.matmul(x, y), x, y, tolerance=tolerance)
    agree(lambda x, y: np.matmul(x, y.T), x, y.T.copy(), tolerance=tolerance)
    agree(lambda x, y: np.matmul(x.T, y), x.T.copy(), y, tolerance=tolerance)
    agree(lambda x, y: np.matmul(x.T, y.T), x.T.copy(), y.T.copy(), tolerance=tolerance)


@pytest.mark.parametrize(
    ("left", "right"),
    [((5, 6, 7), (7, 3)), ((2, 3, 4, 5), (2, 3, 5, 6)), ((6, 7), (4, 7, 2)), ((3, 1, 2, 3), (4, 3, 2))],
)
def test_batches_of_products_broadcast(left, right):
    agree(lambda x, y: np.matmul(x, y), numbers(*left), numbers(*right, seed=1))


@pytest.mark.parametrize("rows", [203, 64, 7])
def test_dot_products_are_the_same_whichever_way_they_go_through_the_rows(rows):
    w, x = numbers(rows, 7000), numbers(1, 7000, seed=1)
    for function in (lambda x, w: x @ w.T, lambda x, w: w @ x.T):
        step = native(function)
        first = np.asarray(step(x, w))
        calls = [np.asarray(step(x, w)) for _ in range(4)]

        np.testing.assert_allclose(calls[0], first, atol=1e-3)
        for call in calls[1:]:
            np.testing.assert_array_equal(call, calls[0])


def test_a_product_of_slices_needs_no_copy_to_be_right():
    agree(lambda x, y: np.matmul(x[::2, 1:], y[:, ::-1]), numbers(20, 9), numbers(8, 12, seed=1))


# --- loops --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "shape", [(1,), (15,), (16, 1), (1, 40), (3, 5), (7, 16), (33, 17), (4, 3, 6), (2, 1, 3, 18)]
)
def test_rows_columns_and_everything_are_reduced(shape):
    x = numbers(*shape)
    last = len(shape) - 1

    def several(x):
        rows = np.exp(x - np.max(x, axis=last, keepdims=True))
        share = rows / np.sum(rows, axis=last, keepdims=True)
        return np.sum(share * x) + np.sum(np.sum(x * x, axis=0)) + np.mean(np.max(x, axis=0))

    agree(several, x)


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (1, 2), (0, 2), None])
def test_any_axes_may_be_reduced(axis):
    x = numbers(5, 6, 7)
    for reduce in (np.sum, np.max, np.min, np.prod, np.mean):
        agree(lambda x, reduce=reduce: reduce(np.tanh(x), axis=axis), x)
    if not isinstance(axis, tuple):
        agree(lambda x: np.argmax(x, axis=axis), x)
        agree(lambda x: np.argmin(x, axis=axis), x)


@pytest.mark.parametrize(
    ("shape", "loops"), [((17,), 1), ((5, 3), 2)]
)  # of rows only the sum goes row by row
def test_a_place_and_a_sum_of_everything_share_a_loop_where_both_walk_over_one_axis(shape, loops):
    x = numbers(*shape)
    step = native(lambda x: (np.argmin(x), x.sum()))
    place, total = step(x)

    assert place == np.argmin(x)
    np.testing.assert_allclose(total, x.sum(), rtol=1e-5)
    assert len(step.latest.recording.executable.groups) == loops


def test_the_first_of_equal_extremes_wins_and_nan_before_all():
    x = np.array([[1, 3, 3, 0], [np.nan, 5, np.nan, 9], [2, 2, 2, 2], [-np.inf] * 4], "f4").repeat(5, axis=1)
    agree(lambda x: np.argmax(x, axis=1), x)
    agree(lambda x: np.argmin(x, axis=1), x)


def test_operands_broadcast_transposed_flipped_and_cut():
    x, y, z = numbers(6, 20), numbers(20, seed=1), numbers(6, 1, seed=2)
    agree(lambda x, y, z: x * y + z - x[:, ::-1] * x[::-1], x, y, z)
    agree(lambda x: x.T[::3] + x.T[1::3][:7], numbers(5, 21))
    agree(lambda x: np.reshape(np.transpose(x, (2, 0, 1)), (-1, 4)) * 2, numbers(3, 4, 5))


def test_large_arrays_are_cut_between_two_cores_and_sums_put_together():
    x = numbers(1000, 300, dtype="f8")
    agree(lambda x: np.sum(np.exp(x) * x, axis=0) / np.sum(np.sqrt(np.absolute(x))), x, tolerance=1e-11)


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.int64, np.uint8])
def test_other_dtypes_compute_as_in_numpy(dtype):
    x = (numbers(6, 9) * 3).astype(dtype)
    agree(lambda x: np.where(x > 1, x + x, x * x), x)
    agree(lambda x: np.sum(x, axis=1) + np.max(x), x)


def test_nan_and_infinity_pass_through():
    x = np.array([[1.0, np.nan, np.inf, -np.inf, 0.0]] * 4, "f4")
    agree(lambda x: np.isnan(x) * 1.0 + np.isinf(x) * 2.0 + np.where(np.isfinite(x), x, 7), x)
    agree(lambda x: np.max(x, axis=1), x)


def test_tiny_results_are_kept_inside_and_outside():
    step = native(lambda x: x * np.float32(1e-20))
    x = np.full(64, 1e-20, "f4")
    step(x)

    assert (step(x) == x * np.float32(1e-20)).all()
    assert (x * np.float32(1e-20) > 0).all()


# --- index arrays -------------------------------------------------------------------------------------------
def test_entries_are_picked_by_arrays():
    x, rows, columns = numbers(9, 11), np.array([0, 8, -1, 3]), np.array([[1], [10], [-11], [0]])
    agree(lambda x, i: x[i], x, rows)
    agree(lambda x, i: x[:, i], x, rows)
    agree(lambda x, i, j: x[i, j] * 2, x, rows, columns.ravel())
    agree(lambda x, j: np.take_along_axis(x, j, axis=1), x[:4], columns)
    agree(lambda x, i: np.exp(x[i]).sum(axis=1), x, rows)


def test_gradients_return_to_where_entries_were_picked():
    table = Tensor(numbers(10, 6, dtype="f8"))

    def gradient(i, weight):
        table.grad = None
        np.sum(table[i] * weight).backward()
        return table.grad

    step = native(gradient)
    i, weight = np.array([[1, 1], [0, 9]]), numbers(2, 2, 6, dtype="f8")
    for _ in range(3):
        got = step(i, weight)

    np.testing.assert_allclose(got, gradient(i, weight))


def test_an_index_out_of_bounds_is_an_error_and_assigns_nothing():
    w = Tensor(numbers(5))

    def step(i):
        w.grad = None
        loss = np.sum(w[i] * 2)
        loss.backward()
        clearprop.assign(w, clearprop.record.read(w) - w.grad)
        return loss

    step = native(step)
    for _ in range(4):
        step(np.array([0, 1, 2]))
    before = w.value.copy()

    with pytest.raises(IndexError, match="out of bounds"):
        step(np.array([0, 1, 5]))

    np.testing.assert_array_equal(w.value, before)


def test_a_state_may_be_assigned_a_permutation_of_itself():
    order = np.random.default_rng(0).permutation(100)
    w, wanted = Tensor(numbers(100), requires_grad=False), numbers(100)

    def step(i):
        clearprop.assign(w, w[i])
        return np.sum(w)

    step = native(step)
    for _ in range(3):
        step(order)
        wanted = wanted[order]
        np.testing.assert_array_equal(w.value, wanted)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 5)])
def test_empty_arrays_have_empty_results_and_sums_of_0(shape):
    agree(lambda x: np.exp(x) * 2, numbers(*shape))
    agree(lambda x: np.sum(np.exp(x)) + 1, numbers(*shape))
    agree(lambda x: np.sum(np.exp(x), axis=0), numbers(*shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 9, 10, 15, 17, 26, 200])
@pytest.mark.parametrize("inner", [1, 2, 5, 16, 33, 784])
def test_dot_products_of_any_number_of_rows(rows, inner, dtype):
    w, x = numbers(rows, inner, dtype=dtype), numbers(1, inner, seed=1, dtype=dtype)
    step = native(lambda w, x: (x @ w.T, w @ x.T))
    near = np.finfo(dtype).eps * 20 * np.sqrt(inner)
    wanted = (w.astype(np.float64) * x).sum(
        axis=1
    )  # no product of NumPy's: its BLAS may warn of lanes it drops

    for _ in range(2):
        for actual, expected in zip(step(w, x), (wanted[None], wanted[:, None]), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=near)


# --- the worker ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pause", [0, 2e-3])
def test_a_short_step_is_right_whether_the_worker_spins_or_sleeps(pause):
    w, v, x = numbers(128, 784), numbers(10, 128), numbers(1, 784)
    step = native(lambda w, v, x: np.maximum(x @ w.T, 0) @ v.T)
    wanted = np.maximum(x @ w.T, 0) @ v.T

    for _ in range(100 if pause else 20_000):
        assert abs(step(w, v, x) - wanted).max() < 1e-3
        if pause:
            time.sleep(pause)


def test_two_threads_may_run_steps_at_once():
    x = numbers(400, 400)
    wanted = np.tanh(x) @ x
    steps = [native(lambda x: np.tanh(x) @ x) for _ in range(2)]
    wrong = []

    def work(step):
        for _ in range(30):
            if not np.allclose(step(x), wanted, rtol=1e-3, atol=1e-3):
                wrong.append(step)

    threads = [threading.Thread(target=work, args=(s,)) for s in steps]
    for t in threads:
        t.start()
    for t in threads:
        t.join()

    assert not wrong


CHILD = """
import os, numpy as np, clearprop
x = np.random.default_rng(0).standard_normal((400, 400)).astype("f4")
step = clearprop.compile(lambda x: np.tanh(x) @ x, executor="llvm")
for _ in range(5):
    z = step(x)
assert np.allclose(z, np.tanh(x) @ x, rtol=1e-3, atol=1e-3)
{more}
print("done")
"""
FORK = """
pid = os.fork()
assert np.allclose(step(x), z)
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""


TOGETHER = """
import threading, numpy as np, clearprop
x = np.random.default_rng(0).standard_normal((400, 400)).astype("f4")
wanted = np.tanh(x) @ x
right = []
def work():
    step = clearprop.compile(lambda x: np.tanh(x) @ x, executor="llvm")
    right.append(all(np.allclose(step(x), wanted, rtol=1e-3, atol=1e-3) for _ in range(5)))
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
assert right == [True] * 4, right
"""


def test_the_first_steps_of_a_process_may_be_those_of_several_threads():
    """Each compiles what the process needs once; all must be left with the one that stays."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TOGETHER], capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not pools.possible(), reason="no second core to be had here")
@pytest.mark.parametrize("more", ["", FORK], ids=["exit", "fork"])
def test_the_worker_survives_forks_and_ends_with_the_interpreter(more):
    code = CHILD.format(more=more)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ.copy(),
    )

    assert done.stdout == "done\n", done.stderr


def test_one_thread_does_without_a_worker():
    code = CHILD.format(more="from clearprop.compiler.engines.llvm.plan import pool; assert not pool._pools")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CLEARPROP_THREADS": "1"},
    )

    assert done.stdout == "done\n", done.stderr


SMALL_STACK = """
import threading, numpy as np, clearprop
threading.stack_size(256 * 1024)
x = np.random.default_rng(0).standard_normal((2, 600)).astype("f4")
w = np.random.default_rng(1).standard_normal((4096, 600)).astype("f4")
step = clearprop.compile(lambda x, w: np.tanh(x) @ w.T, executor="llvm")
def work():
    assert np.allclose(step(x, w), np.tanh(x) @ w.T, rtol=1e-3, atol=1e-3)
    print("done")
step(x, w)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_product_of_few_rows_fits_a_small_stack():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SMALL_STACK], capture_output=True, text=True, timeout=120
    )

    assert done.stdout == "done\n", done.stderr
