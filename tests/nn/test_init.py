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


def test_gains_of_linear_layers_are_one():
    assert {init.calculate_gain(name) for name in ("linear", "conv2d", "conv_transpose3d")} == {1.0}


@pytest.mark.parametrize(
    "call",
    [
        lambda: init.calculate_gain("conv4d"),
        lambda: init.calculate_gain("leaky_relu", "0.1"),
        lambda: init.calculate_gain("leaky_relu", True),
        lambda: init.kaiming_normal_(fresh(), mode="fan"),
        lambda: init.dirac_(nn.Parameter(np.zeros((3, 3)))),
        lambda: init.sparse_(fresh(), 0.5),
        lambda: init.fans(np.zeros(3)),
        lambda: init.trunc_normal_(fresh(), a=1.0, b=-1.0),
    ],
)
def test_what_an_initialiser_cannot_do_is_told_with_its_place(call):
    with pytest.raises(ValueError, match=rf"At {__file__}:\d+\.\n  Try "):
        call()


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


@pytest.mark.parametrize(
    ("shape", "gain"), [((4, 7), 1.0), ((7, 4), 2.0), ((5, 5), 1.0), ((3, 2, 2, 2), 0.5)]
)
def test_orthogonal_rows_or_columns(shape, gain):
    clearprop.manual_seed(1)
    q = init.orthogonal_(nn.Parameter(np.zeros(shape)), gain).value.reshape(shape[0], -1)
    q = q if q.shape[0] <= q.shape[1] else q.T
    np.testing.assert_allclose(q @ q.T, gain**2 * np.eye(len(q)), atol=1e-12)


def test_orthogonal_is_drawn_evenly():
    """Of turns of the plane every entry has mean 0 and square 1/2; without R's signs q[0, 0] is negative."""
    clearprop.manual_seed(0)
    drawn = np.array([init.orthogonal_(nn.Parameter(np.zeros((2, 2)))).value for _ in range(2000)])
    assert np.all(np.abs(drawn.mean(axis=0)) < 0.06)
    assert np.all(np.abs((drawn**2).mean(axis=0) - 0.5) < 0.04)


@pytest.mark.parametrize(("shape", "groups"), [((3, 2, 5), 1), ((4, 2, 3, 4), 2), ((2, 3, 1, 2, 3), 1)])
def test_dirac_is_pytorchs(shape, groups):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.init.dirac_(torch.ones(shape), groups).numpy()
    assert np.array_equal(init.dirac_(nn.Parameter(np.ones(shape)), groups).value, theirs)


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.0, 0), (0.1, 4), (0.11, 5), (1.0, 40)])
def test_sparse_columns(sparsity, zeros):
    clearprop.manual_seed(0)
    w = init.sparse_(nn.Parameter(np.zeros((40, 500))), sparsity, std=0.3).value
    assert np.all((w == 0).sum(axis=0) == zeros)
    assert zeros == 40 or abs(w[w != 0].std() - 0.3) < 0.01
    assert zeros in (0, 40) or np.ptp((w == 0).sum(axis=1)) < 110  # no row is left out more than others


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda p: init.orthogonal_(p[0].detach()), "two or more axes"),
        (lambda p: init.dirac_(p), "wants a kernel"),
        (lambda p: init.sparse_(p, 1.5), "a sparsity from 0 to 1"),
        (lambda p: init.sparse_(nn.Parameter(np.zeros(3)), 0.5), "wants a matrix"),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call(nn.Parameter(np.zeros((3, 4))))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_layers_of_every_precision_are_made(dtype):
    layer = nn.Linear(3, 2, dtype=dtype)

    assert layer.weight.dtype == dtype
    assert float(np.abs(layer.weight.value).max()) <= 0.6  # 1 / sqrt(3), rounded
