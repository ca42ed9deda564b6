"""Shapes by the methods of a Tensor: NumPy's orders, and their gradients."""

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor

METHODS = {
    "ravel": lambda t: t.ravel("F"),
    "flatten": lambda t: t.flatten(order="F"),
    "reshape": lambda t: t.reshape(3, 2, order="F"),
    "reshape of a shape": lambda t: t.reshape((-1, 2), order="F"),
    "row by row": lambda t: t.ravel("C"),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_order_is_numpys_and_the_gradient_goes_back_by_it(name):
    method, x = METHODS[name], np.arange(6.0).reshape(2, 3)
    weights = np.arange(6.0) ** 2

    np.testing.assert_array_equal(method(Tensor(x)).value, method(x))
    found = cp.grad(lambda t: np.sum(method(t).ravel() * weights))(x)

    places = method(np.arange(6).reshape(2, 3)).ravel()
    np.testing.assert_array_equal(found.ravel()[places], weights)


@pytest.mark.parametrize("order", ["A", "K"])
def test_an_order_in_memory_is_refused(order):
    with pytest.raises(TypeError, match="Try order='C' or order='F'"):
        Tensor(np.ones((2, 3))).ravel(order)
