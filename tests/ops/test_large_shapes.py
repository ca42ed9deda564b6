"""Shares of gamma variables of large shapes, and what stands on them, where SciPy sums too few terms."""

import importlib
import tracemalloc

import numpy as np
import pytest

from clearprop import Tensor, compile
from clearprop.registry import ops

special = pytest.importorskip("scipy.special")
from clearprop.scipy import stats  # noqa: E402

# shape, place, share below it: the density's integral by mpmath, 50 digits; SciPy's is off by up to 0.99
FAR_BELOW = [
    (1e6, 993000.0, 1.1410047078311216e-12),
    (1e6, 995500.0, 3.2963040141976454e-06),
    (1e8, 99930000.0, 1.2652725299611573e-12),
    (1e8, 99955000.0, 3.3874288798409002e-06),
    (1e12, 999993000000.0, 1.2796663959363176e-12),
    (1e12, 999995500000.0, 3.3975705635908147e-06),
]


@pytest.mark.parametrize(("a", "x", "share"), FAR_BELOW)
def test_shares_of_large_shapes_far_below_the_mean(a, x, share):
    importlib.import_module("clearprop.ops.distributions")
    calls = {
        "gammainc": ((a, x), share),
        "gammaincc": ((a, x), 1 - share),
        "chdtr": ((2 * a, 2 * x), share),
        "chdtrc": ((2 * a, 2 * x), 1 - share),
        "pdtr": ((a - 1, x), 1 - share),
        "pdtrc": ((a - 1, x), share),
        "gdtr": ((2.0, a, x / 2), share),
        "gdtrc": ((2.0, a, x / 2), 1 - share),
        "gammaincinv": ((a, share), x),
        "gdtrix": ((2.0, a, share), x / 2),
        "gdtria": ((share, a, x / 2), 2.0),
        "gdtrib": ((2.0, share, x / 2), a),
    }
    if share > 1e-7:  # 1 less a smaller one has not its digits
        calls["gammainccinv"], calls["chdtri"] = ((a, 1 - share), x), ((2 * a, 1 - share), 2 * x)
    for name, (args, wanted) in calls.items():
        found = ops[name](*map(np.float64, args))
        np.testing.assert_allclose(found, wanted, rtol=1e-11, err_msg=name)
        assert ops[name](*np.float64(args)[:, None]).shape == (1,)


def test_the_distributions_of_large_shapes_have_these_shares_and_quantiles():
    a, x, share = FAR_BELOW[2]

    found = [stats.gamma.cdf(x, a), stats.chi2.cdf(2 * x, 2 * a), stats.poisson.sf(a - 1, x)]
    np.testing.assert_allclose(found, share, rtol=1e-11)
    np.testing.assert_allclose(stats.gamma.ppf(1e-8, a), 99943890.15202902, rtol=1e-14)
    mixed = special.gammainc(Tensor([a, 2.0]), np.array([x, 2.0]))
    np.testing.assert_allclose(mixed.value, [share, special.gammainc(2.0, 2.0)], rtol=1e-11)
    assert special.gammainc(Tensor(np.float32(a)), np.float32(x)).dtype == np.float32
    of_both = compile(lambda a, x: ops["gammainc"](a, x), executor="numpy")
    np.testing.assert_allclose(of_both(np.float64(a), np.float64(x)), share, rtol=1e-11)


def test_many_shares_take_the_memory_of_a_few():
    x = np.linspace(99.93e6, 99.955e6, 20_000)
    gammainc, inverse = ops["gammainc"], ops["gammaincinv"]
    tracemalloc.start()
    try:
        share = gammainc(1e8, x)
        place = inverse(1e8, share)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    np.testing.assert_allclose(share[[0, -1]], [1.2652725299611573e-12, 3.3874288798409002e-06], rtol=1e-11)
    np.testing.assert_allclose(place, x, rtol=1e-14)
    assert peak < 2e7  # all points of all entries at once take 1.6e8
