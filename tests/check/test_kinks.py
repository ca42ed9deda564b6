"""`kinks`: entries on a kink with their slopes, and the places where 0 times infinity was decided as 0."""

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor, grad

# f, inputs, the slopes left and right of the kink, and the convention: the gradient that is given.
KINKS = (
    (np.abs, (0.0,), (-1.0, 1.0), 0.0),
    (lambda x: cp.relu(x), (0.0,), (0.0, 1.0), 0.0),
    (lambda x: np.maximum(x, 0.0), (0.0,), (0.0, 1.0), 0.5),
    (lambda x: np.minimum(x, 0.0), (0.0,), (1.0, 0.0), 0.5),
    (lambda x: np.hypot(x, 0.0), (0.0,), (-1.0, 1.0), 0.0),
)


@pytest.mark.parametrize(("f", "inputs", "slopes", "given"), KINKS)
def test_a_kink_is_listed_with_its_slopes_and_the_gradient_is_the_conventions(f, inputs, slopes, given):
    (place,) = cp.kinks(f, *inputs)

    assert (place.kind, place.left, place.right) == ("kink", *slopes)
    assert grad(f)(*inputs) == given
    assert cp.compile(grad(f))(*map(np.float64, inputs)) == given


ZEROS = (
    lambda x: np.sqrt(x) ** 2,
    lambda x: np.exp(np.log(x)),
    lambda x: x**0.5 * x**0.5,
)


@pytest.mark.parametrize("f", ZEROS)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_zero_times_infinity_is_listed_and_counted(f):
    assert {p.kind for p in cp.kinks(f, np.array(0.0))} == {"0 * inf"}
    with cp.watch(collect=True) as seen:
        f(Tensor([0.0, 4.0])).sum().backward()
    assert seen.decided >= 1
    assert cp.kinks(f, np.array(4.0)) == []


def test_a_smooth_place_has_none():
    assert cp.kinks(lambda x: np.sum(np.abs(x)), np.array([1.0, -2.0])) == []
