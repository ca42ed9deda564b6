"""Logarithms of densities and shares far out, and slopes where formulas cancel: beside constants of mpmath."""

import importlib

import numpy as np
import pytest

from clearprop import compile, grad, gradcheck, vmap
from clearprop.compiler.step import available_executors
from clearprop.registry import ops

special = pytest.importorskip("scipy.special")

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
inf = np.inf
ABOVE, BELOW = {"above": True}, {"above": False}


@pytest.fixture(scope="module", autouse=True)
def chapters():
    """The ops come when the first test runs: other files try all that there are when they are collected."""
    importlib.import_module("clearprop.ops.distributions")
    importlib.import_module("clearprop.ops.tails")


# fmt: off
# op, arguments, attributes, the value and its derivatives by all arguments: of 60 to 400 digits
EXACT = [
    ("log_gammainc", (3.3, 1e4), ABOVE, [-9979.8030857189, 8.17561789591465, -0.9997700230006894]),
    ("log_gammainc", (0.3, 2000.0), ABOVE, [-2006.4167794805587, 11.103926257402053, -1.0003498252357834]),
    ("log_gammainc", (1e5, 2e5), ABOVE, [-30691.957366103692, 0.6931621801683127, -0.500009999700025]),
    ("log_gammainc", (50.0, 1e-12), BELOW, [-1530.0288227482015, -31.553010789356442, 49999999999999.02]),
    ("log_gammainc", (1e4, 100.0), BELOW, [-36157.215927617784, -4.605221195049678, 99.00010099969296]),
    ("log_gammainc", (2.2, 60.0), BELOW, [-1.1031562374360551e-24, -3.934701579967654e-24, 1.0814559549946554e-24]),
    ("log_gammainc", (2.2, 0.001), ABOVE, [-1.035559424436928e-07, 8.187849671841147e-07, -0.0002277518957558325]),
    ("log_betainc", (2000.0, 0.5, 0.5), BELOW, [-1390.3209159215596, -0.6933970245904411, 8.871764691697825, 4000.999001745453]),
    ("log_betainc", (0.7, 5000.0, 0.9), ABOVE, [-11515.709909684372, 9.631918447460043, -2.3026450874614257, -50000.33325927787]),
    ("log_betainc", (3.0, 2.0, 1e-150), BELOW, [-1034.7769974862006, -345.13776394910684, 1.0833333333333333, 3e150]),
    ("log_betainc", (200.0, 300.0, 0.9), BELOW, [-1.7106014558524549e-165, -1.3904281209698119e-165, 3.069996759842949e-165, 4.755076144210452e-162]),
    ("log_betainc", (200.0, 300.0, 0.99), ABOVE, [-1051.2680419418741, 0.9077759271328245, -4.097032968747752, -29799.668910708806]),
    ("log_stdtr", (3.3, -1e120), {}, [-911.444325702183, -275.34271699716425, 3.3e-120]),
    ("log_stdtr", (200.0, -1000.0), {}, [-855.3085653532561, -3.7612898159405668, 0.19996020597821998]),
    ("log_stdtr", (5.0, -0.3), {}, [-0.9464290600944794, -0.002992989778786619, 0.9270847595505847]),
    ("log_stdtr", (5.0, 40.0), {}, [-9.205981509636942e-08, 2.2804858436886377e-07, 1.1476746795645894e-08]),
    ("log_stdtr", (1e12, -1.5), {}, [-2.705944400821527, -2.3627627968147018e-24, 1.9386771666177505]),
    ("log_gamma_density", (1e16, 1.00000001e16), {}, [-19.839619283823705, 1e-08, -1e-08]),
    ("log_gamma_density", (12.0, 11.0), {}, [-2.12545984509181, -0.04476640717744147, 0.0]),
    ("log_gamma_density", (1e5, 2e5), {}, [-30692.65049328505, 0.6931521805682787, -0.500005]),
    ("log_gamma_density", (0.3, 1e-05), {}, [6.9632398306610845, -8.010401242770095, -70001.0]),
    ("log_beta_density", (1e10, 3e10, 0.25), {}, [12.12412232910231, 3.750000000078125e-11, 4.166666666707176e-12, -2.6666666666666665]),
    ("log_beta_density", (9.0, 1e6, 1e-05), {}, [11.631584398786055, 0.16195211500235265, -1.000086000129338e-06, -200009.00009000098]),
    ("log_beta_density", (20.0, 30.0, 0.7), {}, [-7.723214468310673, 0.5747907372470107, -0.6864212635835685, -69.5238095238095]),
    ("log_beta_density", (0.001, 2.0, 0.3), {}, [-6.060661891066176, 999.7950281946751, -0.35603021184650097, -4.758571428571429]),
    ("log_student_density", (1e12, 2.0), {}, [-2.918938533202923, -1.7499999999866668e-24, -1.999999999994]),
    ("log_student_density", (1e12, -1e5), {}, [-4975165427.507956, -2.4670377074140435e-05, 99009.90099019802]),
    ("log_student_density", (150.0, 0.3), {}, [-0.9658916029598738, 1.3019736890473937e-05, -0.3018189086548071]),
    ("log_student_density", (0.5, 1e8), {}, [-29.461414427260017, -16.696458007437442, -1.5e-08]),
]
# fmt: on


def slopes(name, point, attrs):
    return grad(lambda *xs: ops[name](*xs, **attrs), argnums=tuple(range(len(point))))


@pytest.mark.parametrize(("name", "point", "attrs", "wanted"), EXACT)
def test_values_and_first_derivatives_are_mpmaths(name, point, attrs, wanted):
    point = [np.float64(x) for x in point]
    found = [ops[name](*point, **attrs), *slopes(name, point, attrs)(*point)]

    loose = 3e-5 if point[0] == 1e10 else 1e-10  # of 1e10 numbers of either kind, a place has six digits left
    np.testing.assert_allclose(found, wanted, rtol=loose, atol=1e-15 if 0.0 in wanted else 0)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", ["log_gammainc", "log_betainc", "log_stdtr"])
def test_compiled_in_batches_and_in_single_floats(name, executor):
    rows = [(point, attrs, wanted) for n, point, attrs, wanted in EXACT if n == name][:2]
    for point, attrs, wanted in rows:
        point = [np.float64(x) for x in point]
        d = slopes(name, point, attrs)
        np.testing.assert_allclose(compile(d, executor=executor)(*point), wanted[1:], rtol=1e-10)
        many = [np.array([x, x]) for x in point]
        for found, expected in zip(vmap(d)(*many), wanted[1:], strict=True):
            np.testing.assert_allclose(found, [expected, expected], rtol=1e-10)
        if max(map(abs, point)) < 1e30 and min(map(abs, point)) > 1e-30:
            single = ops[name](*map(np.float32, point), **attrs)
            assert single.dtype == np.float32
            np.testing.assert_allclose(single, wanted[0], rtol=1e-4)


@pytest.mark.parametrize("side", [ABOVE, BELOW])
def test_second_derivatives_of_logarithms_of_shares(side):
    assert gradcheck(lambda a, x: ops["log_gammainc"](a, x, **side), 2.3, 900.0, order=2).ok
    assert gradcheck(lambda a, x: ops["log_gammainc"](a, x, **side), 90.0, 1e-3, order=2).ok
    assert gradcheck(lambda a, b, x: ops["log_betainc"](a, b, x, **side), 3.0, 400.0, 0.9, order=2).ok
    assert gradcheck(ops["log_stdtr"], 30.0, -200.0, order=2).ok
    assert gradcheck(ops["log_stdtr"], 3.0, 2.0, order=2).ok


# name, arguments, the derivatives by those that have one
LIMITS = [
    ("betainc", (0.0, 2.0, 0.5), (-0.19314718055994531, 0.0, 0.0)),
    ("betainc", (2.0, 0.0, 0.5), (0.0, 0.19314718055994531, 0.0)),
    ("betainc", (0.0, 2.0, 0.0), (0.0, 0.0, inf)), ("betainc", (2.0, 0.0, 1.0), (0.0, 0.0, inf)),
    ("betainc", (inf, 2.0, 0.5), (0.0, 0.0, 0.0)), ("betainc", (2.0, inf, 0.5), (0.0, 0.0, 0.0)),
    ("betainc", (inf, 1.0, 1.0), (0.0, 0.0, inf)), ("betainc", (1.0, inf, 0.0), (0.0, 0.0, inf)),
    ("betainc", (inf, 2.0, 1.0), (0.0, 0.0, 0.0)), ("betaincc", (2.0, inf, 1e-300), (0.0, 0.0, 0.0)),
    ("gammainc", (inf, 2.0), (0.0, 0.0)), ("gammaincc", (2.0, inf), (0.0, 0.0)),
    ("gammainc", (1e300, 1e300), (-3.989422804014327e-151, 3.989422804014327e-151)),
    ("stdtr", (inf, 1.0), (0.0, 0.24197072451914337)),
    ("stdtr", (1e10, 1.0), (1.20985362253523e-21, 0.24197072450704482)),
    ("stdtr", (1e16, 1.0), (1.2098536225957168e-33, 0.24197072451914337)),
    ("stdtr", (1e20, -2.0), (-1.3497741628297016e-41, 0.05399096651318806)),
    ("beta", (inf, 1.0), (0.0, 0.0)), ("beta", (1e-300, 1.0), (-inf, -np.pi**2 / 6)),
    ("betaln", (1e300, 2.0), (-2e-300, -690.3527435631155)),
    ("beta", (-2.0, 1.0), (-0.25, np.nan)), ("beta", (-3.0, 3.0), (-11 / 18, np.nan)),
    ("poch", (1e300, 1.0), (1.0, 6.907755278982137e302)), ("poch", (-3.0, 3.0), (11.0, np.nan)),
    ("poch", (1e10, 1e-05), (1.0002302850708344e-15, 23.031153438451337)), ("poch", (inf, 1.0), (1.0, inf)),
    ("agm", (1e-300, 1.0), (3.278721999936509e294, 0.002266127472157885)),
    ("agm", (1e300, 1e300), (0.5, 0.5)), ("agm", (inf, 1.0), (0.0, inf)),
    ("elliprg", (0.0, 0.0, 1.0), (inf, inf, 0.25)), ("elliprg", (inf, 1.0, 1.0), (0.0, 0.0, 0.0)),
    ("i0e", (1e15,), (-6.307831305050401e-24,)), ("k1e", (1e15,), (-1.9816636488030054e-23,)),
    ("erfcx", (1e8,), (-5.641895835477562e-17,)), ("dawsn", (1e8,), (-5e-17,)),
    ("log_ndtr", (-1e8,), (1e8,)), ("log_ndtr", (-1e150,), (1e150,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "point", "wanted"), LIMITS)
def test_limits_and_digits_of_slopes(name, point, wanted):
    f, point = getattr(special, name), [np.float64(x) for x in point]
    for i, right in enumerate(wanted):
        np.testing.assert_allclose(grad(f, argnums=i)(*point), right, rtol=1e-11, atol=0)


@pytest.mark.parametrize("df", [0.7, 3.3, 1e8, inf])
@pytest.mark.parametrize("q", [1e-300, 1e-20, 0.3, 0.5, 0.999])
def test_quantiles_of_student(df, q):
    z = ops["student_quantile"](df, q)
    if df == 0.7 and q == 1e-300:  # about -1e428
        assert z == -inf
        return

    back = ops["log_stdtr"](df, z)
    np.testing.assert_allclose(back, np.log(q), rtol=1e-10)
    slope = grad(lambda q: ops["student_quantile"](df, q))(q)
    np.testing.assert_allclose(slope, np.exp(-ops["log_student_density"](df, z)), rtol=1e-12)
    if df < 1e8:
        assert gradcheck(ops["student_quantile"], df, q).ok if q > 1e-19 else True


@pytest.mark.parametrize(
    ("a", "x", "share"),
    [
        (5e7, 4.994e7, 1.04542980927e-17),
        (1e8, 99944000.0, 1.06551782027e-8),
        (1e12, 999995e6, 2.86639678325e-7),
    ],
)
def test_shares_of_large_shapes_are_right_where_scipy_sums_too_few_terms(a, x, share):
    """By mpmath's integral of the density; SciPy's own are 8 %, 31 % and 99 % too small."""
    np.testing.assert_allclose(ops["log_gammainc"](a, x), np.log(share), rtol=1e-10)
    np.testing.assert_allclose(ops["log_gammainc"](a, x, above=True), np.log1p(-share), rtol=1e-9)
    by_a = grad(lambda a: ops["gammainc"](a, x))(a)  # the variable is nearly normal: a moves it as x does
    np.testing.assert_allclose(by_a, -np.exp(ops["log_gamma_density"](a, x)), rtol=1e-3)


F_SLOPES = {  # by a, b and x; mpmath's, of a hypergeometric series of 120 digits
    (1e15, 2.0, 100.0): (None, 0.020076687124832533, 9.90049833749168e-05),
    (1e15, 1.1535, 1.895): (None, 0.15134192141545885, 0.1268548626427925),
    (5.0, 7.0, 1e8): (5.00209592211481e-28, 2.1123859452258797e-26, 8.818950933303625e-35),
    (100.0, 1e-8, 1e8): (-5.03332971157935e-13, 17.983659847804113, 4.999999075816927e-17),
    (3.0, 1e40, 3.0): (0.01545811062490007, None, 0.03988663570744207),
}


@pytest.mark.parametrize("at", F_SLOPES)
def test_slopes_of_the_f_distribution_keep_their_digits_near_its_ends(at):
    for i, right in enumerate(F_SLOPES[at]):
        if right is not None:
            np.testing.assert_allclose(grad(ops["fdtr"], argnums=i)(*at), right, rtol=1e-10)
            np.testing.assert_allclose(grad(ops["fdtrc"], argnums=i)(*at), -right, rtol=1e-10)


def test_shares_are_flat_at_infinity():
    for name, at in (
        ("fdtr", (2.0, 1.0, np.inf)),
        ("gdtr", (2.0, 1.5, np.inf)),
        ("gdtrc", (np.inf, 1.5, 2.0)),
    ):
        np.testing.assert_array_equal(grad(ops[name], argnums=(0, 1, 2))(*at), 0)


@pytest.mark.parametrize("x", [1e8, 1e12, 1e100])
def test_the_slope_of_the_logarithm_of_wrights_function_is_right_far_out(x):
    """Of a = b = 1 it is log(i0(2 sqrt(x))), whose slope goes to 1 / sqrt(x) - 1 / (4 x)."""
    importlib.import_module("clearprop.ops.waves")
    slope = grad(ops["log_wright_bessel"], argnums=2)
    right = (special.i1e(2 * x**0.5) / special.i0e(2 * x**0.5)) / x**0.5
    np.testing.assert_allclose(slope(1.0, 1.0, x), right, rtol=1e-10)
    np.testing.assert_allclose(slope(0.5, 0.001, 1e300), (0.5 * 1e300) ** (2 / 3) / 0.5e300, rtol=1e-10)
