"""erf and its kin: errors in units in the last place against 60 digits, tails, edges and dtypes."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.registry import ops

# The largest error in float32 and float64, and how far out a float64 sees the tails.
PROMISED = {"erf": (0.6, 1.3, 6), "erfc": (0.6, 5.0, 26), "ndtr": (0.6, 6.0, 37), "gaussian": (0.6, 1.2, 37)}
SLOPES = {"erf": 4.0, "erfc": 4.0, "ndtr": 3.0, "gaussian": 3.0}


def exact(mpmath, name):
    """The function, and its derivative."""
    slope = {"erf": 2 / mpmath.sqrt(mpmath.pi), "ndtr": 1 / mpmath.sqrt(2 * mpmath.pi)}
    return {
        "erf": (mpmath.erf, lambda x: slope["erf"] * mpmath.exp(-x * x)),
        "erfc": (mpmath.erfc, lambda x: -slope["erf"] * mpmath.exp(-x * x)),
        "ndtr": (
            lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
            lambda x: slope["ndtr"] * mpmath.exp(-x * x / 2),
        ),
        "gaussian": (lambda x: mpmath.exp(-x * x / 2), lambda x: -x * mpmath.exp(-x * x / 2)),
    }[name]


def numbers(name, dtype):
    rng = np.random.default_rng(2)
    end = min(PROMISED[name][2], 13 if dtype == np.float32 else 99)
    small = np.exp(rng.uniform(-30, 0, 200))
    return np.concatenate([rng.uniform(-end, end, 800), rng.uniform(-1.5, 1.5, 400), small, -small]).astype(
        dtype
    )


def largest_error(mpmath, got, x, function):
    """In units in the last place, where the exact result is a normal number."""
    info = np.finfo(x.dtype)
    worst = 0.0
    with mpmath.workprec(200):
        for value, at in zip(got.tolist(), x.tolist(), strict=True):
            right = function(mpmath.mpf(at))
            if abs(right) >= float(info.tiny):
                unit = mpmath.ldexp(1, mpmath.frexp(abs(right))[1] - info.nmant - 1)
                worst = max(worst, float(abs(value - right) / unit))
    return worst


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PROMISED)
def test_no_value_is_further_off_than_the_table_says(name, dtype):
    mpmath = pytest.importorskip("mpmath")
    x = numbers(name, dtype)

    worst = largest_error(mpmath, ops[name](x), x, exact(mpmath, name)[0])

    assert worst <= PROMISED[name][dtype == np.float64]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SLOPES)
def test_derivatives_keep_relative_precision_in_the_tails(name, dtype):
    mpmath = pytest.importorskip("mpmath")
    x = Tensor(numbers(name, dtype))
    ops[name](x).backward(np.ones(x.shape, dtype))

    assert largest_error(mpmath, x.grad, x.value, exact(mpmath, name)[1]) <= SLOPES[name]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_edges(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).min], dtype)

    with np.errstate(all="raise"):
        found = {name: ops[name](x) for name in PROMISED}

    nan = np.nan
    np.testing.assert_array_equal(found["erf"], [0, -0.0, 1, -1, nan, 1, -1])
    np.testing.assert_array_equal(np.signbit(found["erf"][:2]), [False, True])
    np.testing.assert_array_equal(found["erfc"], [1, 1, 0, 2, nan, 0, 2])
    np.testing.assert_array_equal(found["ndtr"], [0.5, 0.5, 1, 0, nan, 1, 0])
    np.testing.assert_array_equal(found["gaussian"], [1, 1, 0, 0, nan, 0, 0])
    assert {z.dtype for z in found.values()} == {np.dtype(dtype)}


def test_the_formulas_meet_where_one_takes_over_from_another():
    for name, seam in (
        ("erf", 1.0),
        ("erfc", 0.5),
        ("erfc", -1.0),
        ("ndtr", np.sqrt(0.5)),
        ("ndtr", -np.sqrt(0.5)),
    ):
        x = seam + np.arange(-40, 41) * np.spacing(seam)
        z = ops[name](x)

        assert np.abs(np.diff(z)).max() <= 12 * np.spacing(np.abs(z).max()), name


def test_what_is_too_small_for_a_float32_is_0_and_erfc_s_last_float64_is_not():
    assert clearprop.erfc(np.float32(10.1)) == 0
    assert 0 < clearprop.erfc(27.2) < 1e-322
    assert clearprop.erfc(27.3) == 0
    assert 0 < clearprop.ndtr(-38.4) < 1e-321
    assert clearprop.ndtr(-38.6) == 0
