"""Entries moved together: what is measured is, in every bit, what it is of each alone, and nothing hides."""

import numpy as np
import pytest

from clearprop import gradcheck
from clearprop.check.moves import _parts
from clearprop.check.numeric import columns
from clearprop.check.probe import Probe
from clearprop.op import Op

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])
W = np.array([[0.2, 1.0], [-0.5, 0.3], [1.4, -0.8]])
FUNCTIONS = {  # each entry alone and in groups of several sizes, on kinks, at edges of domains, beside NaN
    "one by one": lambda x: np.tanh(x) * x,
    "rows": lambda x: x @ W,
    "sums of columns": lambda x: np.sum(x**3, axis=0),
    "each and all": lambda x: np.concatenate([x.reshape(-1), np.sum(np.sin(x)).reshape(1)]),
    "nothing of some": lambda x: x[0] * 2.0,
    "nothing at all": lambda x: np.ones(4),
    "kinks": lambda x: np.abs(x - 0.3) + np.maximum(x, 0.7),
    "the edge of a domain": lambda x: np.sqrt(x - 0.1) + np.log(x + 0.41),
    "one that refuses": lambda x: refusing(x),
    "largest": lambda x: np.max(x, axis=0) + np.min(x),
    "small and large": lambda x: np.exp(1e-3 / (x * x + 1e-6)) * np.array([1e-9, 1.0, 1e9]),
}


def refusing(x):
    if np.any(x > 2.04):
        raise ValueError("too large")
    return x * x


def measured(f, x, **options):
    probe = Probe(f, (x,))
    at = probe.start()
    found = list(columns(probe, 0, at, **options))
    return probe, {name: np.array([vars(s)[name] for s in found]) for name in vars(found[0])}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("x", [X, X * 1e-4, np.array([[0.3, 0.7, 0.1]])], ids=["plain", "small", "one row"])
def test_slopes_are_in_every_bit_those_of_each_entry_alone(name, x):
    together, found = measured(FUNCTIONS[name], x, together=True)
    alone, right = measured(FUNCTIONS[name], x)

    for field, numbers in right.items():
        np.testing.assert_array_equal(found[field], numbers, err_msg=field)
    assert together.evaluations <= alone.evaluations + 2 * x.size


def test_twenty_entries_that_share_no_output_cost_less_than_five():
    probe, _ = measured(np.tanh, np.linspace(0.1, 1.0, 20), together=True)
    single, _ = measured(np.tanh, np.array([0.1]), together=True)

    assert probe.together == 1
    assert probe.evaluations < 4 * single.evaluations + 2 * 20


def test_entries_that_share_outputs_are_moved_one_by_one():
    probe, _ = measured(lambda x: W @ x, np.array([0.3, 0.8]), together=True)

    assert probe.together == 0


def near(x):
    """Follow x close by, and be 0 where a first step leads: what hides there is seen at smaller steps."""
    return np.where(np.abs(x - 0.5) < 0.05, x - 0.5, 0.0)


def op_of(forward, rule):
    return Op("tried", forward, (rule,), kind="opaque", arity=1)


def hidden(slope_of_own, slope_of_other, how=near, size=1.0):
    """Return z = [x0 + size how(x1), x1, x2, ...] with a rule that says these slopes of z0, where 1 and
    `size` are right."""

    def forward(x):
        return np.stack([x[0] + size * how(x[1]), *x[1:]])

    def rule(g, z, x):
        return np.stack([slope_of_own * g[0], g[1] + slope_of_other * g[0], *g[2:]])

    return op_of(forward, rule)


POINT = np.array([0.7, 0.5, -0.2, 1.1])


def test_a_dependence_that_the_first_step_does_not_show_is_right_where_the_rule_knows_it():
    assert gradcheck(hidden(1.0, 1.0), POINT).compared == 4


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (2.0, 0.0), (0.0, 0.0), (1.0, -1.0), (0.0, 1.0)])
def test_no_wrong_rule_hides_behind_a_dependence_that_the_first_step_does_not_show(slopes):
    report = gradcheck(hidden(*slopes), POINT, raise_on_failure=False)

    assert report.verdict == "WRONG"
    assert {e.index for e in report.wrong} <= {(0,), (1,)}


def bump(x):
    """Follow x within a thousandth, as what a narrow kernel weighs does."""
    return (x - 0.5) * np.exp(-(((x - 0.5) / 1e-3) ** 2))


@pytest.mark.parametrize("how", [near, bump])
@pytest.mark.parametrize("size", [1e-2, 1e-3, 1e-5, 1e-6])
def test_no_missing_slope_hides_because_another_of_the_same_output_is_much_larger(how, size):
    report = gradcheck(hidden(1.0, 0.0, how, size), POINT, raise_on_failure=False)

    assert [e.index for e in report.wrong] == [(1,)]
    assert report.wrong[0].numerical == pytest.approx(size, rel=1e-3)


@pytest.mark.parametrize("count", [3, 4, 6, 7, 20, 21, 300])
def test_of_two_that_go_together_each_goes_without_the_other_and_to_both_sides(count):
    going = _parts(count, np.random.default_rng(0))
    without = (going != 0).T.astype(int) @ (going == 0)

    assert np.all(without + np.eye(count) > 0)
    assert np.all((going == 1).any(axis=0) & (going == -1).any(axis=0))
    assert len(going) < 2 * count


@pytest.mark.parametrize("order", [(1, 0), (2, 0, 1)])
def test_a_rule_that_sends_to_another_entry_is_wrong(order):
    """Summed over the entries both say the same."""

    turned = op_of(lambda x: x[list(order)], lambda g, z, x: g)
    report = gradcheck(turned, np.array([0.3, 0.8, -1.1])[: len(order)], raise_on_failure=False)

    assert len(report.wrong) == len(order)


def test_a_function_that_counts_its_calls_cannot_be_told():
    calls = []

    def drifting(x):
        calls.append(1)
        return x + 1e-3 * len(calls)

    assert gradcheck(drifting, X, raise_on_failure=False).verdict == "cannot tell"
