"""Dropout: a visible mask, the right share, nothing in evaluation, the same bits from the same seed."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn
from clearprop.modes import Observer, observed


def test_the_share_the_scale_and_the_gradient():
    clearprop.manual_seed(0)
    x = Tensor(np.ones(100_000, np.float32))
    y = nn.Dropout(0.25)(x)
    y.backward(np.ones(x.shape, np.float32))
    assert set(np.unique(y.value)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y.value == 0).mean() - 0.25) < 0.005
    assert np.array_equal(x.grad, y.value)
    assert y.dtype == np.float32


def test_evaluation_and_p_0_pass_everything_and_p_1_nothing():
    x = Tensor([1.0, np.inf])
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert nn.Dropout(1.0)(x).value.tolist() == [0.0, 0.0]


def test_each_call_draws_anew_and_a_seed_repeats_it():
    layer, x = nn.Dropout(), np.ones(64)
    clearprop.manual_seed(1)
    first, second = layer(x).value, layer(x).value
    clearprop.manual_seed(1)
    assert np.array_equal(layer(x).value, first)
    assert np.array_equal(layer(x).value, second)
    assert not np.array_equal(first, second)


def test_the_mask_is_an_op_that_an_observer_sees():
    class Watcher(Observer):
        remembers = False
        ops: tuple[str, ...] = ()

        def resolve(self, x):
            return x

        def saw(self, node):
            self.ops += (type(node).__name__,)

        def python_value(self, tensor, asked):
            pass

    watcher = Watcher()
    with observed(watcher):
        y = nn.Dropout()(Tensor(np.ones(8)))
    mask = y.inputs[0]
    assert len(watcher.ops) >= 3
    assert mask.dtype == bool
    assert np.array_equal(y.value != 0, mask._value)


def test_a_probability_is_between_0_and_1():
    with pytest.raises(ValueError, match=r"Dropout\(p=\): wants a probability from 0 to 1: 1.5"):
        nn.Dropout(1.5)
    assert repr(nn.Dropout(0.1)) == "Dropout(p=0.1)"
