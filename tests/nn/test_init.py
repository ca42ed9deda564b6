"""Initialisers: PyTorch's bounds and spreads."""

import numpy as np
import pytest

import clearprop
from clearprop import nn
from clearprop.nn import init

SHAPE = (200, 50, 3)


def fresh():
    clearprop.manual_seed(5)
    return nn.Parameter(np.zeros(SHAPE, np.float32))


@pytest.mark.parametrize(
    ("function", "options"),
    [
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {}),
        ("kaiming_uniform_", {"nonlinearity": "relu"}),
        ("kaiming_uniform_", {"a": 0.3, "mode": "fan_out"}),
        ("kaiming_normal_", {"nonlinearity": "tanh"}),
        ("uniform_", {"a": -1.0, "b": 3.0}),
        ("normal_", {"mean": 1.0, "std": 0.5}),
        ("trunc_normal_", {"std": 1.5}),
    ],
)
def test_mean_spread_and_bounds_are_pytorchs(function, options):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, function)(torch.zeros(SHAPE), **options).numpy()
    parameter = fresh()
    assert getattr(init, function)(parameter, **options) is parameter
    ours = parameter.value

    spread = theirs.std()
    assert ours.dtype == np.float32
    assert abs(ours.mean() - theirs.mean()) < 0.04 * spread
    assert abs(ours.std() - spread) < 0.03 * spread
    if "normal" not in function or "trunc" in function:
        assert abs(ours.max() - theirs.max()) < 0.01 * spread
        assert abs(ours.min() - theirs.min()) < 0.01 * spread


def test_constants():
    assert (init.constant_(fresh(), 2.5).value == 2.5).all()
    assert (init.ones_(fresh()).value == 1).all()
    assert (init.zeros_(fresh()).value == 0).all()
    assert np.array_equal(init.eye_(nn.Parameter(np.zeros((2, 3), np.float32))).value, np.eye(2, 3))


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu"])
def test_gains_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)


def test_what_cannot_be_initialised_is_explained():
    with pytest.raises(ValueError, match=r"wants a weight of two or more axes: \(3,\)"):
        init.kaiming_uniform_(nn.Parameter(np.zeros(3)))
    with pytest.raises(ValueError, match="is 'fan_in' or 'fan_out': 'fan'"):
        init.kaiming_normal_(fresh(), mode="fan")
    with pytest.raises(ValueError, match="knows linear, sigmoid"):
        init.calculate_gain("gelu")
