"""Distributions far out: logarithms of densities and shares and their slopes, beside constants of mpmath."""

import numpy as np
import pytest

import clearprop
from clearprop import grad
from clearprop.compiler.step import available_executors

special = pytest.importorskip("scipy.special")
from clearprop.scipy import stats  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
# fmt: off
# distribution, method, the point and the shapes, the value and its slopes: of 60 to 500 digits
FAR = [
    ("norm", "logcdf", (-100000000.0,), [-5000000000000019.0, 100000000.00000001]),
    ("norm", "logsf", (100000.0,), [-5000000012.431864, -100000.00001]),
    ("expon", "logcdf", (1e-30,), [-69.07755278982137, 9.999999999999999e+29]),
    ("expon", "logcdf", (60.0,), [-8.75651076269652e-27, 8.75651076269652e-27]),
    ("uniform", "logsf", (1e-20,), [-1e-20, -1.0]),
    ("cauchy", "logcdf", (1e+30,), [-3.1830988618379067e-31, 3.1830988618379065e-61]),
    ("cauchy", "logpdf", (1e+200,), [-922.1787670834676, -2e-200]),
    ("halfcauchy", "logcdf", (1e+20,), [-6.366197723675813e-21, 6.366197723675813e-41]),
    ("halfnorm", "logcdf", (9.0,), [-2.257176811907681e-19, 2.055954714333783e-18]),
    ("gumbel_r", "logsf", (-3.0,), [-1.8921786966284627e-09, -3.800542511235663e-08]),
    ("gumbel_l", "logcdf", (3.0,), [-1.8921786966284627e-09, 3.800542511235663e-08]),
    ("rayleigh", "logcdf", (1e-200,), [-921.7271843781782, 2e+200]),
    ("rayleigh", "logcdf", (9.0,), [-2.576757109154981e-18, 2.319081398239483e-17]),
    ("gamma", "logsf", (30000.0, 2.2), [-29987.72616427455, -0.9999600013332978, 9.764692557458652]),
    ("gamma", "logcdf", (1e-200, 2.2), [-1014.0228457445351, 2.2000000000000003e+200, -461.51585749009575]),
    ("gamma", "logcdf", (90.0, 2.2), [-1.6682026504215132e-37, 1.646204900463134e-37, -6.617176406246163e-37]),
    ("gamma", "logpdf", (10000100000.0, 10000000000.0), [-12.9318706648249, -1e-05, 1.0000000000333332e-05]),
    ("chi2", "logsf", (10000.0, 3.0), [-4995.620521181652, -0.4999500099970013, 4.24045159871983]),
    ("chi2", "logcdf", (1e-09, 100.0), [-1219.298417827581, 49999999999.5098, -12.66920134546722]),
    ("invgamma", "logcdf", (0.0001, 2.7), [-9984.777071923845, 99983001.69994897, 8.413657209983132]),
    ("invgamma", "logsf", (1e+100, 2.7), [-623.1260474350578, -2.7e-100, -231.42566283876607]),
    ("beta", "logcdf", (0.001, 200.0, 50.0), [-1260.8737965251387, 199951.19527694915, -6.68911219200625, 1.6164743920528772]),
    ("beta", "logsf", (0.999, 50.0, 200.0), [-1260.8737965251387, -199951.19527694897, 1.6164743920528772, -6.689112192006249]),
    ("t", "logsf", (1e+200, 3.3), [-1519.326790252611, -3.3e-200, -459.5495244366879]),
    ("t", "logcdf", (-60.0, 1000.0), [-767.2789337230812, 13.047092221249805, -0.37211485882150946]),
    ("t", "logpdf", (1e+200, 3.3), [-1978.6498863829477, -4.3e-200, -459.24649413365756]),
    ("f", "logsf", (1e+100, 3.0, 5.0), [-573.6576410845802, -2.5e-100, -0.22351948610672134, -114.29736132392601]),
    ("f", "logcdf", (1e-200, 3.0, 5.0), [-690.3193726055805, 1.5e+200, -229.73744159739428, -0.023519486106721357]),
    ("f", "logsf", (50.0, 1000.0, 1000.0), [-1287.0000934034795, -9.608641727589733, -0.14348932152173027, -1.1396772949966156]),
    ("f", "logpdf", (1e+100, 3.0, 5.0), [-802.9998596521107, -3.5e-100, -0.22351948610672134, -114.09736132392601]),
    ("lognorm", "logsf", (1e+100, 0.7), [-54107.71595268074, -4.699196679653737e-98, 154575.71748025445]),
    ("weibull_min", "logcdf", (1e-300, 1.4), [-967.0857390574992, 1.3999999999999998e+300, -690.7755278982137]),
    ("weibull_min", "logcdf", (20.0, 1.4), [-1.6256168602019777e-29, 7.543245266132883e-29, 3.2282204701553776e-27]),
    ("pareto", "logcdf", (1e+20, 2.4), [-1.0000000000000041e-48, 2.40000000000001e-68, 4.60517018598811e-47]),
    ("invgauss", "logsf", (1000.0, 0.8), [-791.0361264537779, -0.7827475898192274, 1954.0577229551905]),
    ("poisson", "logsf", (2000, 3.0), [-11018.801063599252, 666.0005002493743]),
    ("poisson", "logcdf", (3, 5000.0), [-4976.2395798350035, -0.9994001200239856]),
    ("binom", "logsf", (1500, 2000, 0.1), [-2389.029085111358, 14455.98133844925]),
    ("binom", "logcdf", (2, 4000, 0.9), [-9190.051165183675, -39977.77839521609]),
    ("nbinom", "logsf", (5000, 3.2, 0.9), [-11497.606230445663, 7.413755726399663, -50007.55609855065]),
    ("geom", "logsf", (5000, 0.9), [-11512.925464970229, -50000.000000000015]),
    ("geom", "logcdf", (40, 0.9), [-9.999999999999912e-41, 3.9999999999999654e-38]),
    ("poisson", "logpmf", (10000000000, 10000100000.0), [-12.9318606648749, -9.99990000099999e-06]),
]
# fmt: on


@pytest.mark.parametrize(("name", "method", "point", "wanted"), FAR)
def test_values_and_slopes_by_the_point_and_each_shape(name, method, point, wanted):
    of = getattr(getattr(stats, name), method)
    fixed = 2 if name == "binom" else 1 if name in ("poisson", "nbinom", "geom") else 0  # whole numbers
    by = tuple(range(fixed, len(point)))

    found = [of(*point), *grad(of, argnums=by)(*map(np.float64, point))]

    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=0)


@pytest.mark.parametrize("executor", available_executors())
def test_compiled_slopes_far_out(executor):
    for name, method, point, wanted in FAR[::4]:
        if name in ("binom", "poisson", "nbinom", "geom"):
            continue
        d = clearprop.compile(
            grad(getattr(getattr(stats, name), method), argnums=tuple(range(len(point)))), executor=executor
        )
        np.testing.assert_allclose(d(*map(np.float64, point)), wanted[1:], rtol=1e-9)


# fmt: off
# distribution, shapes, share, the number: of 50 digits
QUANTILES = [
    ("halfnorm", (), 1e-300, 1.2533141373155002e-300),
    ("halfcauchy", (), 1e-300, 1.5707963267948968e-300),
    ("halfnorm", (), 1e-30, 1.2533141373155004e-30),
    ("halfcauchy", (), 1e-30, 1.5707963267948967e-30),
    ("halfnorm", (), 0.3, 0.3853204664075676),
    ("halfcauchy", (), 0.3, 0.5095254494944288),
    ("halfnorm", (), 0.999999999999, 7.130509892879273),
    ("halfcauchy", (), 0.999999999999, 636633855803.5593),
    ("t", (3.3,), 1e-300, -9.099505960115853e+90),
    ("t", (1.0,), 1e-100, -3.1830988618379064e+99),
    ("t", (200.0,), 1e-30, -13.65451049786474),
    ("invgamma", (2.7,), 1e-300, 0.0014255501461793605),
    ("invgamma", (2.7,), 1e-17, 0.022110959089373137),
    ("invgamma", (0.3,), 1e-30, 0.015373117723804048),
]
# fmt: on


@pytest.mark.parametrize(("name", "shapes", "q", "wanted"), QUANTILES)
def test_quantiles_of_very_small_and_large_shares(name, shapes, q, wanted):
    np.testing.assert_allclose(getattr(stats, name).ppf(q, *shapes), wanted, rtol=1e-10)


def test_shares_of_f_where_a_product_is_no_float():
    assert stats.f.cdf(1e300, 1e10, 3.0) == 1.0
    np.testing.assert_allclose(stats.f.sf(1e200, 3.0, 1.0), 7.351051938957227e-101, rtol=1e-12)
    np.testing.assert_allclose(stats.f.logpdf(1e300, 1e10, 0.01), -699.5513489245201, rtol=1e-12)


@pytest.mark.parametrize("y", [1e-20, 1e-8, 0.3, 0.5, 3.0, 40.0])
def test_the_logarithm_of_what_is_above_of_a_half_normal_variable_keeps_its_digits(y):
    logsf = stats.halfnorm.logsf
    near = np.log1p(-special.erf(y / np.sqrt(2)))
    right = near if y < 1 else np.log(2) + special.log_ndtr(-y)
    np.testing.assert_allclose(logsf(y), right, rtol=1e-14)
    np.testing.assert_allclose(grad(logsf)(y), -np.exp(stats.halfnorm.logpdf(y) - right), rtol=1e-12)
