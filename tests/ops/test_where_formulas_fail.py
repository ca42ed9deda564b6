"""Special functions where the formula of a derivative is no number, or has lost its digits: beside mpmath."""

import math

import numpy as np
import pytest

from clearprop import Tensor, grad
from clearprop.registry import ops

special = pytest.importorskip("scipy.special")
scipy_or_ours = pytest.importorskip("clearprop.scipy.special")
from clearprop.scipy import stats  # noqa: E402

inf = math.inf
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
# fmt: off
# name, arguments, by which, both derivatives: differences of 110 digits
DERIVATIVES = [
    ("binom", (3, 200), 1, -3.8648866544690844e-09, 1.557686355993585e-10),
    ("binom", (5, 10000.0), 1, -1.2018016812608347e-22, 1.4425226902696693e-25),
    ("binom", (200, 400), 0, -4.856608623805591e-122, -4.856608623805591e-124),
    ("binom", (3, -500), 1, -9.485753133938692e-11, -1.5131884793286586e-12),
    ("poch", (1e-09, -1), 0, -1.000000002, -2.000000006),
    ("poch", (-2.3, 1.0), 1, -6.629843262392192, -52.545607397987986),
    ("poch", (-0.3, -1.0), 0, -0.591715976331361, -0.910332271279017),  # of 1 / (x - 1)
    ("beta", (-1e-09, 0.7), 0, -9.999999999999999e+17, -1.9999999999999998e+27),
    ("rgamma", (-1e-09,), 0, 0.9999999988455687, 1.154431333738334),
    ("inv_boxcox", (100, 0.3), 1, -2564480.5043533905, 84124197.92496876),
    ("inv_boxcox", (-1000, 0), 1, 0.0, 0.0),
    ("inv_boxcox1p", (-30, -0.001), 1, -6.29289397466694e-11, 2.4772477158785314e-08),
    ("hyperu", (2, -1, 0.3), 2, -0.11604303712904233, 0.24502803322852093),
    ("hyperu", (-0.5, 0, 0.5), 2, 0.5583597698714021, -0.39943814871761907),
    ("inv_boxcox1p", (-1000, 0), 1, 0.0, 0.0),
    ("spence", (1,), 0, -1.0, 0.5),
    ("spence", (0.9999999999999,), 0, -1.00000000000005, 0.5000000000000667),
    ("elliprd", (1e-20, 1e-05, 100000000.0), 2, -6.758893845282118e-19, 1.6672234613206103e-26),
    ("elliprf", (1e+100, 1, 1e-05), 0, -5.775619586132301e-149, 8.638429379198451e-249),
    ("ellipk", (-inf,), 0, 0.0, 0.0),
    ("ellipe", (-inf,), 0, 0.0, 0.0),
    ("chndtr", (inf, 2, 1), 0, 0.0, 0.0),
    ("chndtr", (1, 2, inf), 2, 0.0, 0.0),
    ("chndtr", (1000, 1000, 1), 0, 0.00891691182858191, -4.4628966294073665e-06),
    ("chndtr", (1500, 1400, 100), 0, 0.007051514709414451, -4.6826612794515904e-06),
    ("chndtr", (5000, 4900, 200), 0, 0.002450532782732244, 2.3090506096766177e-05),
    *(("elliprd", xs, i, 0.0, 0.0) for xs in ((inf, 1, 2), (1, 2, inf), (inf, inf, 1)) for i in range(3)),
    *(("elliprf", (1, inf, 2), i, 0.0, 0.0) for i in range(3)),
    ("voigt_profile", (0.5, 7e-06, 2.3), 0, -0.02385384724769556, -0.039096197294701235),
    ("voigt_profile", (0.5, 7e-06, 2.3), 1, -2.7367338106290863e-07, -0.039096197292214696),
    ("voigt_profile", (0.5, 7e-06, 2.3), 2, -0.052271039187779186, 0.039096197294701235),
    ("voigt_profile", (1.2, 0.00028, 0.0115), 1, 2.9648283477588547e-06, 0.010588684196580175),
    ("voigt_profile", (9.0, 1.0, 1e-12), 0, -9.540121553539898e-16, 4.147631854275898e-16),
    ("voigt_profile", (9.0, 1.0, 1e-12), 1, 4.147631854275898e-16, 6.758704623298151e-15),
    ("voigt_profile", (9.0, 1.0, 1e-12), 2, 0.0040851591177005755, -4.147631854275898e-16),
    ("pseudo_huber", (2.0, 1e100), 0, 1e100, -2.0),
    ("struve", (1.0, 1e4), 1, 0.003647095923438113, -0.0070967073911651565),
    ("pdtri", (-0.5, 0.5), 1, -2.0, 4.0),  # -log(y): k is cut to 0
    ("ellipk", (-1e21,), 0, 3.8838205365321177e-31, 5.746673863293967e-52),
    ("ellipe", (-1e21,), 0, -1.5811388300841897e-11, -7.905694150420949e-33),
    ("eval_sh_legendre", (0.25, 0.001), 1, 225.59060928278566, -225149.06010442186),
    ("eval_gegenbauer", (2.5, 22.0, -0.002), 2, -361.0108379449952, 3430.539165369865),
    ("eval_gegenbauer", (2.875, 21.9, -0.00216), 2, -832.0773274319079, 1601.9394028745248),
    ("eval_jacobi", (0.9386, 2.629, 1.0, -0.9998), 3, 668560.3328090633, -6682608876.554252),
]
# at a shape of 0, by which, then by the place: of exp(-x) / x and (1 - x)^(b - 1) / x
AT_NO_SHAPE = [
    ("gammainc", (0.0, 3.0), 0, 1, math.exp(-3) / 3),
    ("gammaincc", (0.0, 3.0), 0, 1, -math.exp(-3) / 3),
    ("chdtr", (0.0, 3.0), 0, 1, math.exp(-1.5) / 6),
    ("gdtr", (2.0, 0.0, 1.5), 1, 2, math.exp(-3) / 1.5),
    ("betainc", (0.0, 5.0, 0.6), 0, 2, 0.4**4 / 0.6),
    ("betainc", (2.0, 0.0, 0.6), 1, 2, 0.6 / 0.4),
]
# where no argument has the given share, SciPy answers with the end of its search, and where any has it, too
ENDS_OF_A_SEARCH = [
    ("fdtridfd", (2.3, 0.909, 0.9)), ("fdtridfd", (0.5, 0.0, 0.5)), ("stdtridf", (0.9, 1.0)),
    ("bdtrik", (0.3, 6.0, 1.0)),
]
# those of a degree below 0, which is a whole number
MIRRORED = [
    ("eval_chebyt", -5, 0.2480000000000003, -27.36),
    ("eval_chebyu", -5, 1.84, -14.4),
    ("eval_legendre", -5, -1.7775, -2.7750000000000004),
    ("eval_chebys", -5, 1.73, -1.8),
    ("eval_sh_chebyu", -5, 0.3199999999999992, 76.8),
    ("eval_sh_legendre", -5, 3.76, 3.6000000000000036),
    ("eval_chebyu", -1, 0.0, 0.0),
    ("eval_legendre", -1, 0.0, 0.0),
]
# distribution, method, point and shapes, the value and its slopes
SHARES = [
    ("truncnorm", "logpdf", (1e-09, -1e-08, 1e-08), [17.72753356339242, -1e-09, 50000000.0, -50000000.0]),
    ("truncnorm", "cdf", (1e-09, -1e-08, 1e-08), [0.55, 50000000.0, -22500000.0, -27500000.0]),
    ("truncnorm", "logpdf", (5.04, 5.0, 5.08), [2.51923211507752, -5.04, 15.180809770008, -10.143489945953]),
    ("invgauss", "logpdf", (1e-12, 0.01), [-499999999859.4724, 4.9999999999850004e+23, -9999.999999]),
]
# fmt: on


@pytest.mark.parametrize(("name", "xs", "i", "first", "second"), DERIVATIVES)
def test_derivatives_of_both_orders(name, xs, i, first, second):
    xs = [np.float64(x) for x in xs]
    slope = grad(getattr(scipy_or_ours, name), argnums=i)

    found = [slope(*xs), grad(slope, argnums=i)(*xs)]

    np.testing.assert_allclose(found, [first, second], rtol=1e-9, atol=0)


def test_all_trials_are_no_more_than_that_whatever_their_chance():
    np.testing.assert_array_equal(grad(lambda p: scipy_or_ours.bdtr(2, 2, p).sum())(np.array([0.5, 1.0])), 0)


@pytest.mark.parametrize(("name", "xs", "shape", "place", "wanted"), AT_NO_SHAPE)
def test_a_share_that_begins_to_be_one_has_a_density(name, xs, shape, place, wanted):
    by_shape = grad(getattr(scipy_or_ours, name), argnums=shape)

    assert grad(by_shape, argnums=place)(*map(np.float64, xs)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("name", "xs"), ENDS_OF_A_SEARCH)
def test_an_end_of_a_search_has_no_slope(name, xs):
    of, xs = getattr(scipy_or_ours, name), [np.float64(x) for x in xs]

    assert np.isfinite(of(*xs))
    assert all(np.isnan(grad(of, argnums=i)(*xs)) for i in range(len(xs)))


@pytest.mark.parametrize(("name", "degree", "first", "second"), MIRRORED)
def test_polynomials_of_negative_degree(name, degree, first, second):
    slope = grad(lambda x: getattr(scipy_or_ours, name)(degree, x))

    np.testing.assert_allclose([slope(0.3), grad(slope)(0.3)], [first, second], rtol=1e-12)


@pytest.mark.parametrize(("name", "method", "point", "wanted"), SHARES)
def test_values_and_slopes_by_the_point_and_each_shape(name, method, point, wanted):
    of, point = getattr(getattr(stats, name), method), [np.float64(x) for x in point]

    found = [of(*point), *grad(of, argnums=tuple(range(len(point))))(*point)]

    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("y", [8.0, 30.0, 1e3, 1e200])
def test_second_derivatives_of_shares_whose_exponent_is_no_float(y):
    for share in (stats.gumbel_l.cdf, stats.gumbel_l.sf, lambda y: stats.gumbel_r.cdf(-y)):
        assert grad(grad(share))(y) == 0.0
        assert float(share(y)) in (0.0, 1.0)
    assert grad(grad(lambda y: stats.weibull_min.sf(y, 9.0)))(y) == 0.0
    np.testing.assert_allclose(stats.weibull_min.sf(1.1, 3.0), np.exp(-1.331), rtol=1e-14)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # SciPy's own, of 0F1
def test_values_that_scipys_formula_loses():
    def of(name, *xs):
        return getattr(special, name)(*(Tensor(np.float64(x)) for x in xs)).value

    np.testing.assert_allclose(of("cotdg", 1e-9), 57295779513.08232, rtol=1e-14)
    np.testing.assert_allclose(of("cotdg", 3.0), 19.081136687728208, rtol=1e-14)
    np.testing.assert_allclose(of("inv_boxcox1p", 5.0, 1e-200), np.expm1(5.0), rtol=1e-14)
    np.testing.assert_allclose(of("tklmbda", 4.0, 5e-5), 0.98202091877790970, rtol=1e-15)
    np.testing.assert_allclose(of("hyp2f1", 1.5, 1.5, 2.0, -1e18), 2.687752681614545e-26, rtol=1e-13)
    np.testing.assert_allclose(of("eval_gegenbauer", 2.5, 22.0, -0.002), -29.23040402407014, rtol=1e-12)
    np.testing.assert_allclose(of("eval_jacobi", 0.9386, 2.629, 1.0, -0.9998), -136.3287249644349, rtol=1e-12)
    np.testing.assert_allclose(of("eval_chebys", 0.5, -1.9), -2.846049894151540, rtol=1e-12)
    integrals = [z.value for z in special.itairy(Tensor(8.5))]
    right = [0.33333332966571266, 1760815.3976228302, 0.6673920742577031, -0.11303861602723536]
    np.testing.assert_allclose(integrals, right, rtol=1e-12)
    assert of("hyp0f1", 1.0, 1e6) == inf
    assert of("hyperu", 0.0, 0.0, inf) == 1.0
    assert of("powm1", 1e-300, -3.0) == inf
    assert of("powm1", -1e-300, -3.0) == -inf
    assert of("powm1", 0.5, -inf) == inf


def test_mended_values_keep_the_type_of_scipys_and_its_values_at_infinity():
    ends = np.array([np.nan, inf, -inf, 0.0, -0.0, 1.0, -3.5])

    found = special.powm1(Tensor(ends[:, None]), Tensor(ends)).value
    short = special.inv_boxcox1p(2, Tensor(np.array([1.0, 0.5, 0.0], np.float32))).value

    np.testing.assert_array_equal(found, special.powm1(ends[:, None], ends))
    np.testing.assert_allclose(short, [2.0, 3.0, math.expm1(2.0)], rtol=1e-6)
    assert short.dtype == np.float32


RISES = [
    (2.5, 1e-9), (1e-9, -1.0), (-2.3, 1.0), (-0.3, -0.6), (-0.3, 1e-9), (1.5, -2.2), (-1.5, 2.2),
    (-40.25, -7.5),
]  # fmt: skip


@pytest.mark.parametrize(("x", "m"), RISES)
def test_a_rise_of_digamma_and_its_derivatives_are_those_of_110_digits(x, m):
    mpmath = pytest.importorskip("mpmath")
    rise = ops["digamma_rise"]
    x, m = np.float64(x), np.float64(m)
    found = [rise.forward(x, m)]
    for order in ((0,), (1,), (0, 0), (0, 1), (1, 1), (0, 0, 0)):
        slope = rise
        for i in order:
            slope = grad(slope, argnums=i)
        found.append(slope(x, m))

    with mpmath.workdps(110):
        a, b = mpmath.mpf(float(x)), mpmath.mpf(float(m))
        end, both = [mpmath.psi(k, a + b) for k in range(4)], [mpmath.psi(k, a) for k in range(4)]
        apart = [p - q for p, q in zip(end, both, strict=True)]
        wanted = [apart[0], apart[1], end[1], apart[2], end[2], end[2], apart[3]]
    np.testing.assert_allclose(found, [float(w) for w in wanted], rtol=1e-9)


@pytest.mark.parametrize("x", [1e-12, 1 - 1e-12, 2.5, -3.0, 1e6 + 0.25, -7.75])
def test_sine_and_cosine_of_half_turns_keep_their_digits_at_whole_numbers(x):
    rest = x - round(x)
    sign = -1 if round(x) % 2 else 1
    wanted = sign * np.sin(np.pi * rest), sign * np.cos(np.pi * rest)

    found = ops["sinpi"](np.float64(x)), ops["cospi"](np.float64(x))
    slopes = grad(ops["sinpi"])(x), grad(ops["cospi"])(x)

    np.testing.assert_allclose(found, wanted, rtol=1e-15)
    np.testing.assert_allclose(slopes, [math.pi * wanted[1], -math.pi * wanted[0]], rtol=1e-15)
