"""The Taylor-slope test: slope 2 where the gradient is right, 1 where it is wrong, and the entry named."""

import math

import numpy as np
import pytest
from tests.sharing import a_share_first

from clearprop import GradientError, grad
from clearprop.check import taylor_check
from clearprop.registry import ops
from clearprop.testing import broken, cases

X = np.random.default_rng(1).normal(size=1600)
DIFFERENTIABLE = [
    op.name for op in ops.values() if op.__module__.startswith("clearprop.") and op.differentiable
]


def objective(x):
    return np.sum(np.sin(x) * np.exp(x / 3))


def slope_of(x):
    return np.exp(x / 3) * (np.cos(x) + np.sin(x) / 3)


@pytest.mark.parametrize("seed", range(20))
def test_one_entry_of_1600_wrong_by_one_percent_is_named(seed):
    g = slope_of(X)
    wrong = int(np.random.default_rng(100 + seed).integers(1600))
    g[wrong] *= 1.01

    found = taylor_check(objective, X, gradient=g, seed=seed, raise_on_failure=False)

    assert not found
    assert found.slope == pytest.approx(1.0, abs=0.1)
    assert found.entry.index == (wrong,)
    assert found.entry.ratio == pytest.approx(1.01)


def test_the_search_itself_takes_about_twice_log_n_evaluations():
    g = slope_of(X)
    g[77] *= 1.01
    tested = taylor_check(objective, X, gradient=g, locate=False, raise_on_failure=False).evaluations
    located = taylor_check(objective, X, gradient=g, raise_on_failure=False).evaluations

    assert (
        located - tested <= 2 * math.ceil(math.log2(1600)) + 2 + 18
    )  # one direction again, one entry at last: twelve evaluations and six very near the point


def test_a_right_gradient_has_slope_2():
    found = taylor_check(objective, X)

    assert found
    assert found.slope == pytest.approx(2.0, abs=0.1)
    assert "Taylor test over 1600 entries: right, slope 2" in repr(found)


def test_a_linear_function_leaves_no_remainder():
    found = taylor_check(np.sum, X)

    assert found
    assert "no remainder: linear" in repr(found)


def test_a_wrong_rule_raises_with_the_table():
    with broken(ops["sin"], 0, lambda d, *rest: 1.001 * d), pytest.raises(GradientError) as raised:
        taylor_check(objective, X)

    assert "WRONG, slope" in str(raised.value)
    assert "remainder" in str(raised.value)
    assert "ratio 1.0" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "dtype"),
    a_share_first(
        [
            *((name, np.float64) for name in DIFFERENTIABLE),
            *((name, np.float32) for name in DIFFERENTIABLE[::8]),
        ]
    ),
)  # inputs in single precision are checked in double: a share of the ops says that
def test_no_false_alarm_on_any_op(name, dtype):
    for case in cases(ops[name], dtype):
        assert taylor_check(case.function, *case.inputs), case.label


def test_several_inputs_are_searched_as_one():
    a, b = np.ones((3, 4)), np.full((5,), 2.0)
    by_a, by_b = np.full((3, 4), 5.0), np.full(5, 6.0)
    by_b[3] *= 1.01
    found = taylor_check(
        lambda a, b: np.sum(a) * np.sum(b) / 2, a, b, gradient=(by_a, by_b), raise_on_failure=False
    )

    assert (found.entry.input, found.entry.index) == (1, (3,))
    assert "input 1[3] is wrong" in repr(found)


def relu(x):
    return np.maximum(x, 0)


# Kinks lie beside the point by the thousand: of the slope, or of the slope's slope.
BENT = {
    "tanh": lambda x: np.sum(np.tanh(relu(x))),
    "square": lambda x: np.mean(relu(x) ** 2),
    "clip": lambda x: np.mean(np.clip(x, -1, 1) ** 2),
    "odd": lambda x: np.sum(np.abs(x) * x),
    "power": lambda x: np.linalg.norm(x, 1.5),
}


@pytest.mark.parametrize("name", BENT)
@pytest.mark.parametrize("size", [40, 2500])
def test_no_false_alarm_where_many_kinks_are_near(name, size):
    wrong = []
    for seed in (2, 11, 21, 28, 33, 36):
        x = np.random.default_rng([seed, size, 1]).normal(size=size)
        x[3] = 0.0
        found = taylor_check(BENT[name], x, raise_on_failure=False, seed=seed)
        wrong += [] if found.ok else [(seed, found)]

    assert wrong == []


@pytest.mark.parametrize("beside", [1e-3, 1e-5, 1e-6, 1e-7])
def test_a_kink_is_left_out_where_another_is_close_beside(beside):
    wrong = []
    for seed in range(6):
        x = np.random.default_rng(seed).normal(size=2500)
        x[3], x[4], x[5] = 0.0, beside, -beside
        found = taylor_check(BENT["tanh"], x, raise_on_failure=False, seed=seed)
        wrong += [] if found.ok else [(seed, found)]

    assert wrong == []


@pytest.mark.parametrize("name", BENT)
def test_a_fault_among_many_kinks_is_named(name):
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=2500)
        x[3] = 0.0
        g = grad(BENT[name])(x)
        wrong = int(np.argsort(np.abs(g))[-1 - seed])
        g[wrong] *= 3
        found = taylor_check(BENT[name], x, gradient=g, raise_on_failure=False, seed=seed)

        assert (found.verdict, found.entry.index) == ("WRONG", (wrong,))


def test_the_entry_that_is_named_is_none_that_sits_on_a_kink_between_its_slopes():
    x = np.linspace(-1, 1, 101)  # 0 in the middle
    g = grad(BENT["tanh"])(x)
    g[80] *= 1.01
    found = taylor_check(BENT["tanh"], x, gradient=g, raise_on_failure=False)

    assert (found.entry.index, found.skipped) == ((80,), 1)


@pytest.mark.parametrize("large", [1e10, 1e11, 1e12, 1e14, 1e16])
def test_a_function_hidden_in_the_rounding_of_a_large_term_is_never_called_right(large):
    x = np.linspace(0.1, 1.0, 10)
    g = np.cos(x)
    g[3] *= 1.01

    found = taylor_check(lambda x: large + np.sum(np.sin(x)), x, gradient=g, raise_on_failure=False)

    assert found.verdict != "right"


@pytest.mark.parametrize("fault", [0.0, 0.9, 1.01, 3.0])
@pytest.mark.parametrize("large", [1e4, 1e7, 1e10])
def test_an_entry_that_is_small_beside_another_is_tried_without_it(large, fault):
    x = np.array([1.0, 0.3, 0.7])
    g = np.array([large, math.cos(0.3) * fault, math.cos(0.7)])

    def f(x):
        return large * x[0] + np.sin(x[1]) + np.sin(x[2])

    found = taylor_check(f, x, gradient=g, raise_on_failure=False)
    assert found.verdict == "WRONG"
    assert found.entry.index == (1,)
    g[1] = math.cos(0.3)
    assert taylor_check(f, x, gradient=g, raise_on_failure=False).verdict == "right"


def test_entries_too_small_to_be_seen_are_counted_as_skipped():
    x = np.array([1.0, 0.3, 0.7])
    found = taylor_check(lambda x: 1e14 * x[0] + np.sin(x[1]) + np.sin(x[2]), x)

    assert found.skipped == 2
    assert "2 entries skipped" in repr(found)
    assert "too small beside the others" in repr(found)
