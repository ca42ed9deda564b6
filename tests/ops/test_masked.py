"""A gradient of exactly 0 sends exactly 0 on, also where the numbers have no axes."""

import numpy as np
import pytest

from clearprop import Tensor


@pytest.mark.filterwarnings("ignore")  # of the division by 0
@pytest.mark.parametrize("zero", [0.0, [0.0]])
def test_zero_passes_a_division_by_zero_as_zero(zero):
    b = Tensor(zero)
    np.sum(np.arctan(0.3 / b)).backward()

    assert np.array_equal(b.grad, np.zeros_like(b.value))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zero", [0.0, [0.0]])
def test_zero_passes_an_infinite_derivative_of_a_power_as_zero(zero):
    x = Tensor(zero)
    np.sum(np.where(x.detach() > 0, x ** Tensor(0.5, requires_grad=False), 0)).backward()

    assert np.array_equal(x.grad, np.zeros_like(x.value))
