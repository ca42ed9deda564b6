"""grad and value_and_grad: functions in, functions out, to any order."""

import math

import numpy as np
import pytest

from clearprop import GradientError, Tensor, grad, no_grad, value_and_grad


def test_grad_of_plain_numpy_code():
    def loss(w):
        return np.mean((np.array([[1.0, 2.0], [3.0, 4.0]]) @ w - 1.0) ** 2)

    np.testing.assert_allclose(grad(loss)(np.array([0.5, -0.5])), [-6.0, -9.0])


def test_value_and_grad_give_both():
    value, gradient = value_and_grad(lambda x: x**3)(2.0)

    assert (value, gradient) == (8.0, 12.0)


def test_several_arguments():
    assert grad(lambda x, y: x * y, argnums=1)(2.0, 5.0) == 2.0
    assert grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 5.0) == (5.0, 2.0)


def test_higher_orders():
    f = np.sin
    for order in range(1, 6):
        f = grad(f)
        assert f(0.7) == pytest.approx(math.sin(0.7 + order * math.pi / 2), rel=1e-14)


def test_the_same_tensor_may_come_in_twice():
    x = Tensor(3.0)

    assert grad(lambda a, b: a * a * b)(x, x).value == 18.0


def test_gradients_of_tensors_stay_in_the_graph_and_touch_no_grad():
    x = Tensor(2.0)
    g = grad(lambda y: y**3)(x)

    assert g.value == 12.0
    assert x.grad is None
    g.backward()
    assert x.grad == 12.0


def test_an_argument_that_is_not_used_has_gradient_zero():
    assert grad(lambda x, y: y * 2.0)(1.0, 1.0) == 0.0
    assert grad(lambda x: np.floor(x))(1.5) == 0.0


def test_a_function_that_returns_no_number_is_told_so():
    with pytest.raises(
        ValueError, match=r"wants a function that returns one number: it returned \(2,\) float64"
    ):
        grad(lambda x: x * 2)(np.ones(2))


def test_grad_works_inside_no_grad_and_gives_numbers():
    with no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0
        assert not grad(lambda x: x**3)(Tensor(2.0)).requires_grad


def test_a_function_that_leaves_the_graph_is_told_so():
    with pytest.raises(GradientError, match=r"made Python numbers of its Tensors(.|\n)*np.sin\(x\) for"):
        grad(math.sin)(1.0)
    assert grad(lambda x: 3.0)(1.0) == 0.0
