"""Numerical gradients are right to more digits than they need, and say how many."""

import numpy as np
import pytest

import clearprop
from clearprop.check import estimate, numerical_grad
from clearprop.check.numeric import columns
from clearprop.check.probe import Probe

LECTURE = [
    (lambda a, b, c: (a + b) * c, (7.0, 3.0, 2.0), (2, 2, 10)),
    (lambda a, b, c: (a + b**3) * c, (7.0, 3.0, 2.0), (2, 54, 34)),
    (lambda a, b, c: (a + np.tanh(b)) * c, (7.0, 3.0, 2.0), (2, 0.019732074330880423, 7 + np.tanh(3.0))),
    (lambda a, b, c: (a + np.maximum(b, 0)) * c, (7.0, 3.0, 2.0), (2, 2, 10)),
    (lambda a, b, c: (a + np.maximum(b, 0)) * c, (7.0, -3.0, 2.0), (2, 0, 7)),
]


@pytest.mark.parametrize(("f", "at", "right"), LECTURE)
def test_the_lectures_functions_to_a_part_in_a_million_million(f, at, right):
    for g, wanted in zip(numerical_grad(f, *at), right, strict=True):
        assert abs(g - wanted) <= 1e-12 * max(abs(wanted), 1)


@pytest.mark.parametrize(("f", "at", "right"), LECTURE)
def test_the_error_it_states_holds(f, at, right):
    found = estimate(f, *at)
    for g, e, wanted in zip(found.grads, found.errors, right, strict=True):
        assert abs(g - wanted) <= 10 * e + 1e-15 * abs(wanted)


def test_evaluations_are_counted_and_said():
    calls = []
    found = estimate(lambda x: calls.append(1) or np.sum(x * x), np.arange(3.0))

    assert found.evaluations == len(calls)
    assert f"{len(calls)} evaluations" in repr(found)


def test_float32_is_differentiated_in_float64():
    x = np.array([0.3, 2.0], np.float32)

    assert np.allclose(numerical_grad(lambda x: np.sum(np.exp(x)), x), np.exp(x.astype(float)), rtol=1e-12)


def test_a_function_that_rounds_to_float32_says_how_little_is_known():
    found = estimate(lambda x: np.float32(np.sin(x)), 1.0)

    assert abs(found.grads[0] - np.cos(1.0)) <= 10 * found.errors[0]
    assert 1e-8 < found.errors[0] < 1e-4


@pytest.mark.parametrize("distance", [0.03, 1e-3, 1e-6])
def test_a_kink_nearby_does_not_mislead(distance):
    assert numerical_grad(abs, distance) == pytest.approx(1.0, abs=1e-9)


def test_a_pole_nearby_does_not_mislead():
    assert numerical_grad(lambda x: 1 / x, 1e-3) == pytest.approx(-1e6, rel=1e-8)


def test_a_kink_is_said_to_be_one():
    found = estimate(lambda x: np.abs(x).sum(), np.array([0.0, 1.0]))

    assert found.kinks[0].tolist() == [True, False]
    assert "1 on a kink" in repr(found)


def test_a_smooth_point_of_a_piecewise_function_is_no_kink():
    found = estimate(lambda x: x * abs(x), 0.0)

    assert not found.kinks[0]
    assert found.grads[0] == pytest.approx(0.0, abs=1e-12)


def test_outputs_of_several_entries_want_a_cotangent():
    x = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match=r"wants f to return one number: it returned shape \(2,\)"):
        numerical_grad(np.exp, x)
    with pytest.raises(ValueError, match=r"wants the shape of the output, \(2,\): \(3,\)"):
        numerical_grad(np.exp, x, cotangent=np.ones(3))

    assert np.allclose(numerical_grad(np.exp, x, cotangent=np.array([1.0, -1.0])), [np.e, -np.exp(2)])


def test_an_entry_is_measured_alike_beside_others_and_alone():
    """The numbers of all entries are worked on together, however many halvings each of them takes."""

    def f(x):
        return np.sqrt(x), np.abs(x - 0.25), np.where(x > 0.5, 1 / x, np.sin(40 * x))

    x = np.array([0.0, 1e-9, 0.25, 0.5, 0.500001, 3.0])
    probe = Probe(f, (x,))
    at = probe.start()
    together = list(columns(probe, 0, at))
    alone = [next(columns(probe, 0, at, [i])) for i in range(x.size)]

    for one, other in zip(together, alone, strict=True):
        for name, numbers in vars(one).items():
            assert np.array_equal(numbers, getattr(other, name), equal_nan=True), name
    assert together[2].kink[8]


def test_integers_stay_where_they_are():
    by_x, by_n = numerical_grad(lambda x, n: x**n, 2.0, 3)

    assert by_x == pytest.approx(12.0)
    assert by_n is None


def test_tensors_go_in_as_tensors():
    x = clearprop.Tensor([1.0, 2.0])

    assert np.allclose(numerical_grad(lambda t: (t * t).sum(), x), [2.0, 4.0])


def test_what_is_nothing_but_rounding_has_an_error_of_that_size():
    """An entry of a diagonal matrix that was turned, inverted and turned back: nothing, from large terms."""
    for seed in range(200):
        numbers = np.random.default_rng(seed)
        diagonal, turn = numbers.standard_normal(4), numbers.standard_normal((4, 4))
        back = np.linalg.inv(turn)

        def corner(d, turn=turn, back=back):
            return (np.linalg.solve(turn, np.linalg.inv(turn @ (d * np.eye(4)) @ back)) @ turn)[0, 1]

        found = estimate(corner, diagonal)
        assert np.all(np.abs(found.grads[0]) <= 10 * found.errors[0]), seed


def test_what_nearer_steps_refute_is_looked_for_with_smaller_ones():
    """From afar the slope is 1, and it is 5 within a hundred-millionth."""
    assert numerical_grad(lambda x: np.where(np.abs(x - 1) < 1e-8, 5 * x, x + 4), 1.0) == pytest.approx(5)


def test_steps_are_halved_until_both_sides_of_a_kink_are_told():
    """The central difference of an even function is 0 at once, and says nothing of the sides."""
    probe = Probe(lambda x: np.abs(np.sin(30 * x)), (np.array([0.0]),))
    at = probe.start()
    (found,) = columns(probe, 0, at)

    assert found.kink.all()
    assert found.right == pytest.approx(30)
    assert found.left == pytest.approx(-30)
