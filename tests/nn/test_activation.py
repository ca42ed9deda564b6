"""Activations: values and gradients of PyTorch's, as modules and as functions."""

import numpy as np
import pytest

from clearprop import Tensor, nn
from clearprop.nn import functional as F

CASES = [
    ("Identity", {}),
    ("ReLU", {}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("SiLU", {}),
    ("GELU", {}),
    ("LogSigmoid", {}),
    ("Softplus", {}),
    ("Softplus", {"beta": 2.0}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("ELU", {"alpha": 1.5}),
    ("Softmax", {"dim": -1}),
    ("Softmax", {"dim": 0}),
    ("LogSoftmax", {"dim": 1}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_pytorch(name, options, dtype):
    torch = pytest.importorskip("torch")
    numbers = np.concatenate([np.linspace(-12, 12, 47), [0.0]]).reshape(6, 8).astype(dtype)
    g = np.random.default_rng(0).normal(size=(6, 8)).astype(dtype)
    x, reference = Tensor(numbers), torch.tensor(numbers, requires_grad=True)
    exact = {"threshold": 1e9} if name == "Softplus" else {}  # PyTorch cuts the curve off at 20

    y, theirs = getattr(nn, name)(**options)(x), getattr(torch.nn, name)(**options | exact)(reference)
    y.backward(g) if y is not x else None
    theirs.backward(torch.tensor(g))

    tight = {"rtol": 20 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).eps}
    np.testing.assert_allclose(y.value, theirs.detach().numpy(), **tight)
    if y is not x:
        np.testing.assert_allclose(x.grad, reference.grad.numpy(), **tight)
        assert y.dtype == x.grad.dtype == dtype


def test_gelus_tanh_form_is_pytorchs():
    torch = pytest.importorskip("torch")
    numbers = np.linspace(-5, 5, 21)
    x, reference = Tensor(numbers), torch.tensor(numbers, requires_grad=True)
    y, theirs = nn.GELU(approximate="tanh")(x), torch.nn.GELU(approximate="tanh")(reference)
    y.backward(np.ones(21))
    theirs.sum().backward()
    np.testing.assert_allclose(y.value, theirs.detach().numpy(), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(x.grad, reference.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_keeps_relative_precision_where_it_is_tiny(approximate):
    mpmath = pytest.importorskip("mpmath")
    numbers = np.linspace(-12.5, -0.5, 97).astype(np.float32)

    y = F.gelu(numbers, approximate=approximate)

    with mpmath.workprec(200):
        for got, x in zip(y.tolist(), map(mpmath.mpf, numbers.tolist()), strict=True):
            cubic = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(0.044715) * x**3)
            exact = x * mpmath.ncdf(x) if approximate == "none" else x / 2 * (1 + mpmath.tanh(cubic))
            if abs(exact) > np.finfo(np.float32).tiny:
                most = (
                    2 if approximate == "none" else 4 * abs(cubic) + 8
                )  # what rounding tanh's argument costs
                assert abs(got / exact - 1) <= most * np.finfo(np.float32).eps


def test_gelu_takes_the_words_of_pytorch_and_no_others():
    assert repr(nn.GELU()) == "GELU(approximate='none')"
    assert repr(nn.GELU(approximate="tanh")) == "GELU(approximate='tanh')"
    with pytest.raises(ValueError, match=r"gelu\(approximate=\): is 'none' or 'tanh': 'erf'"):
        F.gelu(np.zeros(2), approximate="erf")
    with pytest.raises(ValueError, match=r"GELU\(approximate=\): is 'none' or 'tanh': True"):
        nn.GELU(approximate=True)


@pytest.mark.parametrize(("name", "options"), [*CASES, ("GELU", {"approximate": "tanh"})])
def test_nothing_overflows_far_out(name, options):
    x = Tensor(np.array([[-1e4, 1e4], [0.0, 1e4]]))
    y = getattr(nn, name)(**options)(x)
    assert np.isfinite(y.value).all()
    if y is not x:
        y.backward(np.ones((2, 2)))
        assert np.isfinite(x.grad).all()


def test_arrays_in_arrays_out():
    assert isinstance(F.relu(np.array([-1.0, 1.0])), np.ndarray)
    assert F.elu(np.array([-1e4])).tolist() == [-1.0]


def test_options_show():
    shown = [
        repr(nn.LeakyReLU(0.2)),
        repr(nn.Softmax(1)),
        repr(nn.ELU(2.0)),
        repr(nn.Softplus(3.0)),
        repr(nn.ReLU()),
    ]
    assert shown == [
        "LeakyReLU(negative_slope=0.2)",
        "Softmax(dim=1)",
        "ELU(alpha=2.0)",
        "Softplus(beta=3.0)",
        "ReLU()",
    ]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_the_axis_is_not_guessed_for_more_than_two(name):
    f = getattr(F, name)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    assert np.array_equal(f(x), f(x, dim=1))
    assert f(x, dtype=np.float64).dtype == np.float64
    np.testing.assert_allclose(f(x, dtype=np.float64), f(x.astype(np.float64)), rtol=1e-15)
    with pytest.raises(ValueError, match="wants dim= for 3 axes"):
        f(x[None])
    with pytest.raises(ValueError, match="dim=-1"):
        nn.Softmax()(x[None])
