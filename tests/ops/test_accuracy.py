"""How far derivatives are from the exact ones, where a formula is easily far off: as the docstrings say."""

import numpy as np
import pytest

import clearprop
from clearprop import compile, elementwise_grad
from clearprop.compiler.step import available_executors
from clearprop.nn import functional

mp = pytest.importorskip("mpmath")
MODES = ["eager", *available_executors()]


def slope(f, x, mode, order=1):
    for _ in range(order):
        f = elementwise_grad(f)
    return np.asarray((f if mode == "eager" else compile(f, executor=mode))(x))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exponent", [0.1, 1.1, 0.3, -0.7, 2.2, 1 / 3])
@pytest.mark.parametrize(("dtype", "size", "least"), [("f8", 280, 4), ("f4", 30, 6)])
def test_powers_with_an_exponent_whose_last_digit_is_rounded(mode, exponent, dtype, size, least):
    """x**(y - 1) of a rounded y - 1 is 74 ulp off; a float32 power itself is up to 2 ulp off."""
    kind = np.dtype(dtype).type
    bound = min(size, size / (abs(exponent) + 1.2))
    x = (10.0 ** np.random.default_rng(0).uniform(-bound, bound, 300)).astype(dtype)
    y = mp.mpf(float(kind(exponent)))
    with mp.workprec(200):
        exact = [y * mp.mpf(float(v)) ** (y - 1) for v in x]
        found = slope(lambda v: v**exponent, x, mode)
        errors = [
            abs(mp.mpf(float(a)) - b) / mp.mpf(float(np.spacing(kind(abs(b)))))
            for a, b in zip(found, exact, strict=True)
        ]

    assert found.dtype == dtype
    assert max(errors) <= least


@pytest.mark.parametrize("exponent", [0.1, 1.1])
def test_powers_at_their_edges_are_as_before(exponent):
    x = np.array([0.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        found = slope(lambda v: v**exponent, x, "eager")
        np.testing.assert_array_equal(found, exponent * x ** (exponent - 1))


def silu(x):
    return x / (1 + mp.exp(-x))


def gelu(x):
    return x * mp.erfc(-x / mp.sqrt(2)) / 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("f", "exact"), [(functional.silu, silu), (functional.gelu, gelu)], ids=["silu", "gelu"]
)
def test_near_a_zero_of_a_derivative_the_absolute_error_is_small(mode, order, f, exact):
    x = np.random.default_rng(1).uniform(-3, 3, 200)
    with mp.workprec(300):
        wanted = [float(mp.diff(exact, mp.mpf(float(v)), order)) for v in x]

    np.testing.assert_allclose(slope(f, x, mode, order), wanted, rtol=9e-16, atol=5e-16)


@pytest.mark.parametrize("mode", MODES)
def test_softplus_with_a_slope_of_its_own_loses_what_rounding_the_product_costs(mode):
    x = np.random.default_rng(2).uniform(-200, 0, 200)
    with mp.workprec(300):
        wanted = [float(mp.log1p(mp.exp(3 * mp.mpf(float(v)))) / 3) for v in x]
    f = functional.softplus
    found = np.asarray(
        (lambda v: f(v, beta=3))(x) if mode == "eager" else compile(lambda v: f(v, beta=3), executor=mode)(x)
    )

    assert np.all(np.abs(found / wanted - 1) <= 2.3e-16 * (2 + np.abs(3 * x)))


@pytest.mark.parametrize("mode", MODES)
def test_the_largest_entry_of_log_softmax_is_right_to_the_last_digit_of_1(mode):
    gap = np.random.default_rng(3).uniform(0, 40, 200)
    rows = np.stack([gap, 0 * gap], axis=1)
    f = clearprop.log_softmax
    found = np.asarray(f(rows) if mode == "eager" else compile(lambda v: f(v), executor=mode)(rows))[:, 0]

    np.testing.assert_allclose(found, -np.log1p(np.exp(-gap)), rtol=4e-16, atol=1.2e-16)
