"""`check_node` of layers, in the styles in which courses write them, right and with a fault."""

import random

import numpy as np
import pytest

from clearprop import check_node
from clearprop.errors import InputError


class Linear:
    """Every style below has this forward pass, unless it says another."""

    def __init__(self, inputs, outputs):
        self.W = np.cos(np.arange(1.0 * inputs * outputs)).reshape(inputs, outputs)
        self.b = np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b


class RateThatMayBeGiven(Linear):
    share = 1.0

    def backward(self, g, lr=1.0):
        self.dW, self.db = self.share * self.x.T @ g, g.sum(0)
        return g @ self.W.T


class Learns(Linear):
    share = 1.0

    def backward(self, g, learning_rate):
        sent = g @ self.W.T
        self.W -= self.share * learning_rate * self.x.T @ g
        self.b = self.b - learning_rate * g.sum(0)
        return sent


class Adds(Linear):
    share = 1.0

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.W_grad, self.b_grad = np.zeros((inputs, outputs)), np.zeros(outputs)

    def backward(self, g):
        self.W_grad += self.share * self.x.T @ g
        self.b_grad += g.sum(0)
        return g @ self.W.T


class HandsAllBack(Linear):
    share = 1.0

    def backward(self, g):
        return g @ self.W.T, self.share * self.x.T @ g, g.sum(0)


class HandsThemBackByName(Linear):
    share = 1.0

    def backward(self, g):
        return g @ self.W.T, {"W": self.share * self.x.T @ g, "b": g.sum(0)}


class Lists(Linear):
    share = 1.0

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.params, self.grads = [self.W, self.b], [None, None]

    def backward(self, g):
        self.grads = [self.share * self.x.T @ g, g.sum(0)]
        return g @ self.W.T


class Holder:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class ObjectsThatHoldBoth:
    share = 1.0

    def __init__(self, inputs, outputs):
        self.W = Holder(np.cos(np.arange(1.0 * inputs * outputs)).reshape(inputs, outputs))

    def forward(self, x):
        self.x = x
        return x @ self.W.data

    def backward(self, g):
        self.W.grad += self.share * self.x.T @ g
        return g @ self.W.data.T


class ToldItsInput:
    share = 1.0

    def forward(self, x):
        return np.tanh(x)

    def backward(self, x, grad_output):
        return self.share * grad_output * (1 - np.tanh(x) ** 2)


class Trains:
    share = 1.0

    def forward(self, x, training):
        self.mask = x > 0 if training else None
        return np.where(self.mask, x, 0.1 * x)

    def backward(self, g):
        return self.share * np.where(self.mask, g, 0.1 * g)


class Columns(Linear):
    share = 1.0

    def __init__(self, inputs, outputs):
        self.W = np.cos(np.arange(1.0 * inputs * outputs)).reshape(outputs, inputs)
        self.b = np.zeros((outputs, 1))

    def forward(self, x):
        self.x = x
        return self.W @ x + self.b

    def backward(self, g):
        self.dW, self.db = self.share * g @ self.x.T, g.sum(1, keepdims=True)
        return self.W.T @ g


class LossToldItsInputs:
    share = 1.0

    def forward(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2)

    def backward(self, y_pred, y_true):
        return self.share * 2 * (y_pred - y_true) / y_pred.size


class Dropout:
    share = 1.0

    def __init__(self, p):
        self.p = p

    def forward(self, x):
        self.mask = (np.random.rand(*x.shape) > self.p) / (1 - self.p)  # noqa: NPY002
        return x * self.mask

    def backward(self, g):
        return self.share * g * self.mask


STYLES = [
    RateThatMayBeGiven,
    Learns,
    Adds,
    HandsAllBack,
    HandsThemBackByName,
    Lists,
    ObjectsThatHoldBoth,
    ToldItsInput,
    Trains,
    Columns,
    LossToldItsInputs,
    Dropout,
]


@pytest.mark.parametrize("kind", STYLES)
def test_a_layer_is_graded_in_the_style_that_it_is_written_in(kind):
    wrong = type("Wrong", (kind,), {"share": 2.0})

    assert check_node(kind).ok
    assert not check_node(wrong)["local derivative"].passed


def test_layers_that_draw_leave_the_numbers_of_the_program_as_they_were():
    before, others = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    check_node(Dropout)

    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert random.getstate() == others


class Noise:
    def __init__(self, p):
        self.own = np.random.default_rng()

    def forward(self, x):
        return x + self.own.normal(size=x.shape)

    def backward(self, g):
        return g


class Nothing(Noise):
    def forward(self, x):
        return 0 * x


@pytest.mark.parametrize(("kind", "said"), [(Noise, "its output is random"), (Nothing, "its output is 0")])
def test_what_cannot_be_graded_is_said(kind, said):
    with pytest.raises(InputError, match=said):
        check_node(kind)
