"""Loops by a plan of one turn: what eager runs of them give, for every kind of carry, sequence and body."""

import threading

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, fori_loop, grad, scan, tree

turns = pytest.importorskip("clearprop.compiler.engines.llvm.turns", exc_type=ImportError)

EXECUTORS = ["numpy", "llvm"]
ROWS = np.random.default_rng(0).normal(size=(7, 3))


def added(c, x):
    return c + x, c * 2


def summed(f):
    return grad(lambda x: sum(np.sum(np.sin(y)) for y in tree.leaves(f(x))))


def inner(c, x):
    return scan(lambda d, y: (np.sin(d + y), d), c, x)[0], c


def picking(rows):
    return scan(lambda c, i: (c * Tensor(ROWS)[i], c), np.ones(3), rows)


CASES = {
    "no turn": (lambda x: scan(lambda c, x: (c + x.sum(), c * 2), 0.5, x), ROWS[:0]),
    "one turn": (lambda x: scan(lambda c, x: (c + x.sum(), c * 2), 0.5, x), ROWS[:1]),
    "columns first": (lambda x: scan(added, np.zeros(3), x), np.asfortranarray(ROWS)),
    "entries apart": (lambda x: scan(added, np.zeros(7), x.T), ROWS),
    "from the end": (lambda x: scan(added, np.zeros(3), x[::-1]), ROWS),
    "reverse": (lambda x: scan(added, np.zeros(3), x, reverse=True), ROWS),
    "every second": (lambda x: scan(added, np.zeros(3), x[::2]), ROWS),
    "one row repeated": (lambda x: scan(added, np.zeros(3), np.broadcast_to(x[0], (5, 3))), ROWS),
    "one number repeated": (lambda x: scan(added, np.zeros(3), np.broadcast_to(x[0, 0], (5, 3))), ROWS),
    "no entries": (lambda x: scan(added, np.zeros(0), x), np.zeros((4, 0))),
    "no sequence": (lambda x: scan(lambda c, _: (np.cos(c), c), x, length=40), ROWS),
    "results that are one": (lambda x: scan(lambda c, x: (c + x, (c + x, x, c, 1.0)), np.zeros(3), x), ROWS),
    "a constant carry": (lambda x: scan(lambda c, x: (np.ones(3), c * x), np.zeros(3), x), ROWS),
    "carries that swap": (lambda x: scan(lambda c, x: ((c[1], c[0]), c[0] * x), (np.ones(3), x[0]), x), ROWS),
    "truth values": (lambda x: scan(lambda c, x: (c & (x > -1).all(), c), np.bool_(True), x), ROWS),
    "integers": (lambda x: scan(added, np.int64(3), x), np.arange(5)),
    "float16": (lambda x: scan(added, np.zeros(3, np.float16), x), ROWS.astype(np.float16)),
    "float32": (lambda x: scan(added, np.zeros(3, np.float32), x), ROWS.astype(np.float32)),
    "complex": (lambda x: scan(lambda c, x: (c * x, c + x), np.ones(3, complex), x), ROWS + 1j),
    "a call in each turn": (
        lambda x: scan(lambda c, x: (np.linalg.inv(c + np.outer(x, x)), c[0]), np.eye(3), x),
        ROWS,
    ),
    "a loop in each turn": (lambda x: scan(inner, 0.1, x), ROWS),
    "sorted": (lambda x: scan(lambda c, x: (np.sort(c + x), np.argmax(x)), np.zeros(3), x), ROWS),
    "moved along": (lambda x: scan(lambda c, x: (np.concatenate([c[1:], x[:1]]), c), np.ones(3), x), ROWS),
    "gradient": (summed(lambda x: scan(lambda c, x: (np.tanh(c * x), c), np.ones(3), x)), ROWS),
    "gradient, swapped": (
        summed(lambda x: scan(lambda c, x: ((c[1] + x, c[0] * x), c[0]), (x[0], x[1]), x)),
        ROWS,
    ),
    "gradient of a call": (
        summed(lambda x: scan(lambda c, x: (np.linalg.inv(c + np.outer(x, x)), c[0]), np.eye(3), x)),
        ROWS,
    ),
    "gradient of a loop": (summed(lambda x: scan(inner, 0.1, x)), ROWS),
    "second, of a loop": (summed(summed(lambda x: scan(inner, 0.1, x))), ROWS[:4]),
    "gradient of sums": (summed(lambda x: scan(lambda c, x: (np.cumsum(c * x), c), np.ones(3), x)), ROWS),
    "gradient by number": (
        grad(lambda a: fori_loop(0, 30, lambda i, x: x * a + np.sin(x), a)),
        np.float64(0.9),
    ),
    "picked rows": (picking, np.array([0, 3, 6, 2, 3])),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", CASES)
def test_a_compiled_loop_gives_what_an_eager_one_gives(name, executor):
    function, x = CASES[name]
    expected = tree.leaves(function(x))
    compiled = clearprop.compile(lambda x: tuple(tree.leaves(function(x))), executor=executor)
    tolerance = {"float16": 1e-2, "float32": 1e-6}.get(str(x.dtype), 1e-9)

    for _ in range(3):
        for found, wanted in zip(compiled(x), expected, strict=True):
            found, wanted = (np.asarray(getattr(y, "value", y)) for y in (found, wanted))
            assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_index_out_of_bounds_in_a_turn_is_an_error_and_the_next_call_is_right(executor):
    compiled = clearprop.compile(lambda rows: picking(rows)[0], executor=executor)
    good = np.array([0, 1, 2])
    before = compiled(good)

    with pytest.raises(IndexError, match="out of bounds"):
        compiled(np.array([0, 99, 2]))
    np.testing.assert_array_equal(compiled(good), before)


def test_threads_that_share_a_loop_take_turns():
    x = np.random.default_rng(1).normal(size=(2000, 3))
    compiled = clearprop.compile(lambda x: scan(lambda c, x: (np.tanh(c + x), None), x[0], x)[0])
    expected, found = compiled(x), []
    threads = [
        threading.Thread(target=lambda: found.extend(compiled(x) for _ in range(20))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 60
    assert all(np.array_equal(y, expected) for y in found)


def test_the_plan_of_a_turn_serves_loops_of_every_length():
    known = set(turns._loops)
    compiled = clearprop.compile(
        lambda x: scan(lambda c, x: (np.cos(c - x), c), np.ones(3), x), executor="llvm"
    )
    for length in (2, 5, 40):
        _, rows = compiled(np.ones((length, 3)))
        assert rows.shape == (length, 3)

    assert len(set(turns._loops) - known) == 1
