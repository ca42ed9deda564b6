"""Special functions at the ends of their domains and beyond, and constants that are Python's numbers."""

import importlib
import itertools

import numpy as np
import pytest

from clearprop import Facts, GradientError, Tensor, compile, elementwise, grad
from clearprop.registry import ops
from clearprop.see.step.arrow import Arrow

special = pytest.importorskip("scipy.special")
pytestmark = pytest.mark.filterwarnings("ignore")

ROOMS = ("special", "integrals", "distributions", "elliptic", "waves")
SLOW = ("ncf", "chndtri")  # far outside they take seconds
PLACES = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.5, 3.0, 10.0)
RUN = {
    "eager": lambda f: f,
    "numpy": lambda f: compile(f, executor="numpy"),
    "llvm": lambda f: compile(f, executor="llvm"),
}


def slope(f):
    return grad(lambda x: np.sum(f(x)))


@pytest.fixture(params=RUN)
def run(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return RUN[request.param]


def scipys(room):
    """The ops of SciPy's ufuncs that a room holds; it is opened when a test runs, and not for all others."""
    importlib.import_module(f"clearprop.ops.{room}")
    return [
        op
        for name, op in ops.items()
        if getattr(op.forward, "__module__", "") == "scipy.special" and not name.startswith(SLOW)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_where_there_is_no_value_there_is_no_slope(room):
    draw, outside = np.random.default_rng(0), 0
    for op in scipys(room):
        points = list(itertools.product(PLACES, repeat=op.arity))
        points = [points[k] for k in draw.permutation(len(points))[:60]]
        columns = [np.array(column) for column in zip(*points, strict=True)]
        for i, column in enumerate(columns):
            x = Tensor(column)
            try:
                z = op(*columns[:i], x, *columns[i + 1 :])
                z.backward(np.ones(z.shape, z.dtype))
            except (GradientError, TypeError):  # refused, or of whole numbers alone
                continue
            nowhere = np.isnan(z.value)
            outside += nowhere.sum()

            assert np.isnan(x.grad[nowhere]).all(), (op, i)
    assert outside > 20


@pytest.mark.parametrize(
    ("f", "x", "right"),
    [
        (lambda x: special.gdtr(x, 0.5, 0.0), [0.0, 2.0], [0, 0]),
        (lambda x: special.gdtr(0.0, 0.25, x), [1.5], [0]),
        (lambda x: special.eval_legendre(0, x), [2.0, -3.0, 1.0], [0, 0, 0]),
        (lambda x: special.eval_chebyt(0, x), [2.0, -3.0], [0, 0]),
        (lambda x: special.eval_chebyu(0, x), [1.0, 2.0], [0, 0]),
        (lambda x: special.eval_chebyc(0, x), [2.5, -2.5], [0, 0]),
        (lambda x: special.eval_chebys(0, x), [2.5, -2.5], [0, 0]),
        (lambda x: special.eval_sh_legendre(0, x), [0.0, 2.0], [0, 0]),
        (lambda x: special.xlogy(0.0, x), [0.0, -1.0], [0, 0]),
        (lambda x: special.xlog1py(0.0, x), [-1.0], [0]),
        (lambda x: special.rgamma(x), [0.0, -1.0, -2.0, -3.0], [1, -1, 2, -6]),
        (lambda x: special.boxcox(0.0, x), [1.0, 2.0], [1, 0.25]),
        (lambda x: special.powm1(0.0, x), [1.0, 2.0], [0, 0]),
        (lambda x: special.hyp1f1(0.0, -10.0, x), [0.5], [0]),
        (lambda x: special.hyp2f1(0.0, 0.0, -10.0, x), [0.5], [0]),
        (lambda x: special.voigt_profile(x, 0.0, 1.0), [0.5], [-1 / np.pi / 1.25**2]),
        (lambda x: special.voigt_profile(0.5, x, 1.0), [0.0], [0]),
    ],
)
def test_limits_are_taken(f, x, right, run):
    assert run(slope(f))(np.array(x)) == pytest.approx(right, rel=1e-13)


@pytest.mark.parametrize(
    ("f", "whole", "x"),
    [
        (special.expn, (1.0,), 1.0),
        (special.yn, (1.0,), 0.7),
        (special.kn, (1.0,), 0.7),
        (lambda n, x: special.bdtr(0.0, n, x), (1.0,), 0.4),
        (lambda n, x: special.bdtrc(0.0, n, x), (1.0,), 0.4),
        (lambda n, x: special.nbdtr(n, n, x), (1.0,), 0.4),
        (lambda n, x: special.nbdtrc(n, n, x), (1.0,), 0.4),
    ],
)
def test_orders_are_cut_to_whole_ones_as_in_scipy(f, whole, x, run):
    cut = run(slope(lambda x: f(whole[0] + 0.5, x)))(np.array([x]))

    assert f(whole[0] + 0.5, x) == f(whole[0], x)
    assert cut == slope(lambda x: f(whole[0], x))(np.array([x]))


def test_second_derivatives_of_the_voigt_profile_without_a_deviation(run):
    twice = run(slope(slope(lambda x: special.voigt_profile(x, 0.0, 1.0))))(np.array([0.5]))
    by_deviation = run(slope(slope(lambda s: special.voigt_profile(0.5, s, 1.0))))(np.zeros(1))

    assert twice == pytest.approx((3 * 0.25 - 1) * 2 / np.pi / 1.25**3, rel=1e-13)
    assert by_deviation == pytest.approx(twice, rel=1e-13)


# --- constants that are Python's numbers --------------------------------------------------------------------
def of_a_quotient(x, a, b):
    return x * np.divide(a, b)


quotient = elementwise("quotient_of_a_test", of_a_quotient, lambda z, x, a, b: a / b, None, None)
root = elementwise(
    "root_of_a_test",
    lambda x, a: x * np.sqrt(a),
    lambda z, x, a: a**0.5,
    None,
    facts=Facts(domain=((-2.0, 2.0), (0.5, 2.0))),
)
tower = elementwise("tower_of_a_test", lambda x, a: x * np.exp(a), lambda z, x, a: 2.718281828459045**a, None)


@pytest.mark.parametrize(
    ("f", "right"),
    [
        (lambda x: quotient(x, 1.0, 0.0), np.inf),
        (lambda x: quotient(x, 1, 0), np.inf),
        (lambda x: quotient(x, -2.0, 0), -np.inf),
        (lambda x: root(x, -1.0), np.nan),
        (lambda x: tower(x, 1e4), np.inf),
        (lambda x: special.hyp1f1(-1e200, 0, x), np.nan),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rule_that_is_left_with_pythons_numbers_divides_as_arrays_do(f, right, dtype, run):
    found = run(slope(f))(np.array([0.5, 1e3], dtype))

    assert found.dtype == dtype
    assert np.array_equal(found, np.full(2, right), equal_nan=True)


def test_pages_show_the_slope_that_the_engine_takes():
    assert Arrow(quotient(Tensor(2.0), 1.0, 0.0), 0, str).local == np.inf


@pytest.mark.parametrize("whole", [np.int8, np.int16])
def test_short_integers_do_not_make_densities_short(whole, monkeypatch):
    """SciPy 1.18 gives the gammaln of an int8 as a float32: here every SciPy does."""
    monkeypatch.setattr(special, "gammaln", of_short_integers(special.gammaln))
    monkeypatch.setattr(special, "betaln", of_short_integers(special.betaln))
    n, x = np.array([2, 3, 4]), np.array([0.2, 0.5, 0.7])
    for f in (special.gammainc, special.pdtr, lambda n, x: special.betainc(n, n, x)):
        exact = slope(lambda x, f=f: f(n.astype(float), x))(x)

        np.testing.assert_allclose(slope(lambda x, f=f: f(n.astype(whole), x))(x), exact, rtol=1e-14)


def of_short_integers(function):
    def short(*xs):
        z = function(*xs)
        return z.astype(np.float32) if all(np.asarray(x).dtype.itemsize < 4 for x in xs) else z

    return short
