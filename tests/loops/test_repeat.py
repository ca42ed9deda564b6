"""Loops over numbers, loops with a condition, and branches."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, cond, fori_loop, grad, while_loop


def squared_until(x):
    return while_loop(lambda x: x < 100.0, lambda x: 2 * x * x, x, bound=10)


def chosen(a):
    def body(i, c):
        return cond(i % 2 == 0, lambda c: c * a, lambda c: c + a * a, c)

    return fori_loop(0, 3, body, 1.0)


@pytest.mark.parametrize("executor", ["eager", "numpy", "llvm"])
def test_values_and_gradients_to_second_order(executor):
    def wrap(f):
        return f if executor == "eager" else clearprop.compile(f, executor=executor)

    assert [wrap(f)(3.0) for f in (squared_until, grad(squared_until))] == [648.0, 864.0]
    assert wrap(grad(grad(squared_until)))(3.0) == 864.0
    assert [wrap(f)(2.0) for f in (chosen, grad(chosen), grad(grad(chosen)))] == [12.0, 16.0, 14.0]


def test_a_loop_that_does_not_begin_returns_its_carry():
    assert fori_loop(3, 3, lambda i, c: c + 1, 5.0) == 5
    assert fori_loop(4, 3, lambda i, c: c + 1, 5.0) == 5
    assert while_loop(lambda c: c < 0, lambda c: c + 1, 5, bound=3) == 5


def test_turns_after_the_end_pass_no_gradient_not_even_nan():
    assert grad(lambda x: while_loop(lambda x: x > 0.5, np.sqrt, x, bound=4))(0.25) == 1
    assert grad(lambda x: while_loop(lambda x: x > 0.0, lambda x: np.log(x), x, bound=4))(
        2.0
    ) == pytest.approx(1 / (2 * np.log(2.0)))


def test_a_loop_that_goes_on_says_so():
    with pytest.raises(ValueError, match="still goes on"):
        while_loop(lambda x: x < 100.0, lambda x: 2 * x, 3.0, bound=2)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_a_compiled_loop_that_goes_on_is_nan(executor):
    compiled = clearprop.compile(
        lambda x: while_loop(lambda x: x < 100.0, lambda x: 2 * x, x, bound=2), executor=executor
    )

    assert [compiled(np.array(x)) for x in (50.0, 25.0, 120.0)] == [100.0, 100.0, 120.0]
    assert all(np.isnan(compiled(np.array(3.0))) for _ in range(6))


def test_the_carry_may_be_a_tree_of_integers_and_floats():
    n, x = while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2.0), (0, Tensor(1.5)), bound=5)

    assert (n, x.value) == (3, 12.0)


def test_a_known_condition_runs_one_branch():
    def never():
        raise AssertionError

    assert cond(True, lambda: 1, never) == 1
    assert cond(Tensor(0.0), never, lambda: 2) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fori_loop(0, 2.5, lambda i, c: c, 0.0), "wants integers"),
        (lambda: cond(np.ones(2), lambda: 1, lambda: 2), "one truth value"),
        (lambda: while_loop(lambda c: c < 3, lambda c: (c, c), 0.0, bound=2), "in the form"),
        (lambda: fori_loop(0, 2, lambda i, c: cond(i > 0, lambda: c, lambda: (c,)), 0.0), "same form"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()
