"""SciPy's functions that are seldom asked for: values, derivatives of two orders, compiled steps, refusals."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, gradcheck
from clearprop.compiler.step import available_executors
from clearprop.errors import GradientError

special = pytest.importorskip("scipy.special")

X = np.array([0.4, 1.3, 2.2])
SHARES = np.array([0.2, 0.45, 0.85])
ORDERS, LARGER = (
    np.array([2, 3, 4]),
    np.array([5, 6, 7]),
)  # constants: no gradient is asked for by whole numbers
DEGREES, MORE = np.array([2.0, 3.5, 4.4]), np.array([5.0, 6.5, 7.0])
ONES = np.ones(3, int)
SIDES = np.array([-3.5, 0.7, 5.2])

PROLATE, OBLATE = ([special.pro_cv(1, 2, 2)] * 3, [special.obl_cv(1, 2, 2)] * 3)  # constants too: no arrays
# name: what it is called with
CALLS = {
    # elliptic integrals
    "elliprf": (X, X[::-1], X + 1),
    "elliprd": (X, X[::-1], X + 1),
    "elliprg": (X, X[::-1], X + 1),
    "elliprc": (X, np.array([0.9, -0.7, 2.0])),
    "elliprj": (X, X[::-1], X + 1, X + 0.3),
    "ellipkinc": (SIDES, SHARES),
    "ellipeinc": (SIDES, SHARES),
    "ellipkm1": (SHARES,),
    "ellipj": (SIDES, SHARES),
    "agm": (X, X[::-1] + 0.1),
    # distributions
    "bdtr": (ORDERS, LARGER, SHARES),
    "bdtrc": (ORDERS, LARGER, SHARES),
    "bdtri": (ORDERS, LARGER, SHARES),
    "nbdtr": (ORDERS, LARGER, SHARES),
    "nbdtrc": (ORDERS, LARGER, SHARES),
    "nbdtri": (ORDERS, LARGER, SHARES),
    "pdtrc": (ORDERS, X),
    "pdtri": (ORDERS, SHARES),
    "chdtr": (DEGREES, X),
    "chdtrc": (DEGREES, X),
    "chdtri": (DEGREES, SHARES),
    "fdtr": (DEGREES, MORE, X),
    "fdtrc": (DEGREES, MORE, X),
    "fdtri": (DEGREES, MORE, SHARES),
    "gdtr": (X, DEGREES, X[::-1]),
    "gdtrc": (X, DEGREES, X[::-1]),
    "gdtria": (SHARES, DEGREES, X),
    "gdtrix": (X, DEGREES, SHARES),
    "stdtrit": (DEGREES, SHARES),
    "betainccinv": (DEGREES, MORE, SHARES),
    "chdtriv": (SHARES, X),
    "gdtrib": (X, SHARES, X),
    "btdtria": (SHARES, X, SHARES),
    "btdtrib": (X, SHARES, SHARES),
    "chndtr": (X, ORDERS, np.array([0.2, 1.0, 3.0])),
    "chndtrix": (SHARES, ORDERS, np.array([0.2, 1.0, 3.0])),
    "chndtrinc": (X + 1, ORDERS, np.array([0.2, 0.1, 0.15])),
    "ncfdtr": (ORDERS, LARGER, np.array([0.2, 1.0, 3.0]), X),
    "ncfdtri": (ORDERS, LARGER, np.array([0.2, 1.0, 3.0]), SHARES),
    "kolmogorov": (np.array([0.3, 0.9, 1.2]),),
    "kolmogi": (SHARES,),
    "ndtri_exp": (-X,),
    "nrdtrimn": (SHARES, X, SIDES),
    "nrdtrisd": (X, np.array([0.6, 0.8, 0.9]), X + 1),
    "tklmbda": (np.array([-0.9, 0.3, 0.8]), SHARES),
    # waves
    "airy": (SIDES,),
    "airye": (X,),
    "fresnel": (SIDES,),
    "sici": (X,),
    "shichi": (X,),
    "iti0k0": (X,),
    "itj0y0": (X,),
    "it2i0k0": (X,),
    "it2j0y0": (X,),
    "ber": (SIDES,),
    "berp": (SIDES,),
    "bei": (SIDES,),
    "beip": (SIDES,),
    "ker": (X,),
    "kerp": (X,),
    "kei": (X,),
    "keip": (X,),
    "kelvin": (X,),
    "struve": (ORDERS, X),
    "modstruve": (ORDERS, X),
    "itstruve0": (X,),
    "itmodstruve0": (X,),
    "it2struve0": (X,),
    "wofz": (X + 0.5j,),
    "hankel1": (ORDERS, X),
    "hankel2": (ORDERS, X),
    "hankel1e": (ORDERS, X),
    "hankel2e": (ORDERS, X),
    "modfresnelp": (X,),
    "modfresnelm": (X,),
    "voigt_profile": (SIDES, X, X[::-1]),
    "hyperu": (ORDERS, LARGER, X),
    "wright_bessel": (ORDERS, LARGER, X),
    "log_wright_bessel": (ORDERS, LARGER, X),
    "besselpoly": (X, ORDERS, LARGER),
    "mathieu_cem": (ORDERS, ORDERS / 4 > 0, 30 * X),
    "mathieu_sem": (ORDERS, ORDERS, 30 * X),
    "mathieu_modcem1": (ORDERS, ORDERS, SHARES),
    "mathieu_modcem2": (ORDERS, ORDERS, SHARES),
    "mathieu_modsem1": (ORDERS, ORDERS, SHARES),
    "mathieu_modsem2": (ORDERS, ORDERS, SHARES),
    "pro_ang1_cv": (ONES, 2 * ONES, 2 * ONES, PROLATE, SHARES),
    "pro_rad1_cv": (ONES, 2 * ONES, 2 * ONES, PROLATE, 1 + X),
    "obl_ang1_cv": (ONES, 2 * ONES, 2 * ONES, OBLATE, SHARES),
    "obl_rad1_cv": (ONES, 2 * ONES, 2 * ONES, OBLATE, X),
    "pbdv": (ORDERS, SIDES),
    "pbvv": (ORDERS, X),
    "pbwa": (ORDERS, X),
    "pro_ang1": (ORDERS - 1, ORDERS, ORDERS, SHARES),
    "pro_rad1": (ORDERS - 1, ORDERS, ORDERS, 1 + X),
    "obl_ang1": (ORDERS - 1, ORDERS, ORDERS, SHARES),
    "obl_rad1": (ORDERS - 1, ORDERS, ORDERS, X),
    # polynomials and the rest
    "eval_gegenbauer": (ORDERS, LARGER, SIDES / 4),
    "eval_jacobi": (ORDERS, LARGER, LARGER, SIDES / 6),
    "eval_sh_jacobi": (ORDERS, LARGER, ORDERS, SHARES),
    "eval_laguerre": (ORDERS, SIDES),
    "eval_chebyc": (ORDERS, SIDES),
    "eval_chebys": (ORDERS, SIDES),
    "eval_sh_chebyt": (ORDERS, SHARES),
    "eval_sh_chebyu": (ORDERS, SHARES),
    "eval_sh_legendre": (ORDERS, SHARES),
    "lpmv": (np.array([0, 1, 2]), ORDERS, SHARES),
    "radian": (X, X, X),
}


def reals(name):
    """The function as one of those inputs that are no whole numbers, and with real results alone."""
    f, args = getattr(special, name), CALLS[name]
    at = [i for i, x in enumerate(args) if isinstance(x, np.ndarray) and x.dtype.kind in "fc"]

    def of(*xs):
        given = list(args)
        for i, x in zip(at, xs, strict=True):
            given[i] = x
        found = f(*given)
        parts = found if isinstance(found, tuple) else (found,)
        shown = [p for z in parts for p in ((np.real(z), np.imag(z)) if z.dtype.kind == "c" else (z,))]
        return np.stack(shown)

    return of, tuple(args[i] for i in at)


@pytest.mark.parametrize("name", CALLS)
def test_values_are_scipys(name):
    f, inputs = reals(name)

    np.testing.assert_array_equal(f(*map(Tensor, inputs)).value, f(*inputs))
    short = [x.astype(np.complex64 if x.dtype.kind == "c" else np.float32) for x in inputs]
    found = f(*map(Tensor, short))
    assert found.dtype == f(*short).dtype
    np.testing.assert_array_equal(found.value, f(*short))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_derivatives_of_both_orders_agree_with_differences(name, order):
    f, inputs = reals(name)

    assert gradcheck(f, *inputs, order=order).ok


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_step_has_the_same_gradients(name, executor):
    f, inputs = reals(name)

    def step(*xs):
        ts = [Tensor(x) for x in xs]
        np.sum(np.sin(f(*ts))).backward()
        return [t.grad for t in ts]

    compiled = clearprop.compile(step, executor=executor)
    compiled(*inputs)
    others = [x * 1.01 for x in inputs]
    for found, expected in zip(compiled(*others), step(*others), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


# --- what differences of SciPy's own values cannot show -----------------------------------------------------
def test_integrals_of_airys_functions_have_them_as_slopes():
    """SciPy's values of the integrals have five digits."""
    found = [grad(lambda x, i=i: np.sum(special.itairy(x)[i]))(X) for i in range(4)]
    ai, _, bi, _ = special.airy(X)
    ai_left, _, bi_left, _ = special.airy(-X)

    for ours, expected in zip(found, (ai, bi, ai_left, bi_left), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_the_centre_of_a_noncentral_distribution_undoes_the_share():
    """SciPy finds it to four digits: its slope is held against that of the share it was found for."""
    share = special.ncfdtr(3, 6, 1.7, X)
    undone = grad(lambda p: np.sum(special.ncfdtrinc(3, 6, p, X)))(share)
    done = grad(lambda nc: np.sum(special.ncfdtr(3, 6, nc, X)))(np.full(3, 1.7))

    np.testing.assert_allclose(undone * done, 1, rtol=1e-3)


# name: where, mpmath's function of the input that moves, which input and which result that is
EXACT = {
    "ellipkinc, small": ("ellipkinc", (1e-5, 0.3), 1, None, lambda m, x, p: m.ellipf(x, p)),
    "ellipkinc, no m": ("ellipkinc", (0.7, 0.0), 1, None, lambda m, x, p: m.ellipf(x, p)),
    "ellipkinc, many turns": ("ellipkinc", (-9.0, 0.6), 1, None, lambda m, x, p: m.ellipf(x, p)),
    "ellipkinc, steep": ("ellipkinc", (1.5, 0.999), 0, None, lambda m, x, p: m.ellipf(x, p)),
    "ellipeinc": ("ellipeinc", (9.0, 0.6), 1, None, lambda m, x, p: m.ellipe(x, p)),
    "ellipeinc, negative m": ("ellipeinc", (1.0, -7.0), 1, None, lambda m, x, p: m.ellipe(x, p)),
    "elliprd, equal": ("elliprd", (1.3, 1.3, 1.3), 0, None, lambda m, *xs: m.elliprd(*xs)),
    "elliprd, far": ("elliprd", (1e-9, 3.0, 0.2), 1, None, lambda m, *xs: m.elliprd(*xs)),
    "elliprd, 0": ("elliprd", (0.0, 3.0, 0.2), 2, None, lambda m, *xs: m.elliprd(*xs)),
    "elliprf": ("elliprf", (0.0, 3.0, 0.2), 2, None, lambda m, *xs: m.elliprf(*xs)),
    "elliprg": ("elliprg", (2.0, 3.0, 2.0), 0, None, lambda m, *xs: m.elliprg(*xs)),
    "elliprc, equal": ("elliprc", (2.0, 2.0), 1, None, lambda m, *xs: m.elliprc(*xs)),
    "ellipj, no m": ("ellipj", (0.7, 0.0), 1, 0, lambda m, u, p: m.re(m.ellipfun("sn", u, m=p))),
    "ellipj, many turns": ("ellipj", (9.0, 0.4), 1, 2, lambda m, u, p: m.ellipfun("dn", u, m=p)),
    "ellipkm1": ("ellipkm1", (1e-30,), 0, None, lambda m, p: m.elliprf(0, p, 1)),
    "agm": ("agm", (1e-8, 2.0), 0, None, lambda m, *xs: m.agm(*xs)),
    "sici at 0": ("sici", (0.0,), 0, 0, lambda m, x: m.si(x)),
    "shichi at 0": ("shichi", (0.0,), 0, 0, lambda m, x: m.shi(x)),
    "beip at 0": ("beip", (0.0,), 0, None, lambda m, x: m.diff(lambda t: m.bei(0, t), x)),
    "it2j0y0, small": ("it2j0y0", (1e-5,), 0, 0, lambda m, x: x * x / 8 - x**4 / 256),
    "it2j0y0": ("it2j0y0", (0.9,), 0, 0, lambda m, x: m.quad(lambda t: (1 - m.besselj(0, t)) / t, [0, x])),
    "it2i0k0": ("it2i0k0", (0.9,), 0, 0, lambda m, x: m.quad(lambda t: (m.besseli(0, t) - 1) / t, [0, x])),
    "airy, far": ("airy", (40.0,), 0, 0, lambda m, x: m.airyai(x)),
    "airy, left": ("airy", (-40.0,), 0, 3, lambda m, x: m.airybi(x, derivative=1)),
    "kolmogorov, small": ("kolmogorov", (0.2,), 0, None, lambda m, y: 1 - m.sqrt(2 * m.pi) / y * m.exp(-((m.pi / y) ** 2) / 8)),
    "kolmogorov, large": ("kolmogorov", (3.0,), 0, None, lambda m, y: 2 * m.exp(-2 * y * y) - 2 * m.exp(-8 * y * y)),
    "chdtr": ("chdtr", (3, 90.0), 1, None, lambda m, v, x: -m.gammainc(v / m.mpf(2), x / 2, m.inf, regularized=True)),
    "bdtr": ("bdtr", (2, 5, 1e-3), 2, None, lambda m, k, n, p: sum(m.binomial(n, j) * p**j * (1 - p) ** (n - j) for j in range(k + 1))),
    "fdtr": ("fdtr", (3.0, 4.0, 0.01), 2, None, lambda m, a, b, x: m.betainc(a / 2, b / 2, 0, a * x / (a * x + b), regularized=True)),
    "eval_sh_legendre at 1": ("eval_sh_legendre", (4, 1.0), 1, None, lambda m, n, x: m.legendre(n, 2 * x - 1)),
    "eval_chebys at 2": ("eval_chebys", (4, 2.0), 1, None, lambda m, n, x: m.chebyu(n, x / 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_derivatives_are_mpmaths_where_formulas_cancel(name):
    mpmath = pytest.importorskip("mpmath")
    called, point, at, part, function = EXACT[name]

    def f(x):
        z = getattr(special, called)(*point[:at], x, *point[at + 1 :])
        return z if part is None else z[part]

    with mpmath.workdps(40):
        exact = [mpmath.mpf(p) if isinstance(p, float) else p for p in point]
        expected = mpmath.diff(lambda x: function(mpmath, *exact[:at], x, *exact[at + 1 :]), exact[at])
    np.testing.assert_allclose(grad(f)(np.float64(point[at])), float(expected), rtol=1e-12)


def test_the_third_integral_near_equal_arguments_has_ten_digits():
    mpmath = pytest.importorskip("mpmath")
    for gap in (0.0, 1e-12, 1e-6, 1e-4, 1e-3):
        point = (1.5, 0.4, 2.0, 1.5 + gap)
        for i in range(4):
            found = grad(lambda x, i=i, at=point: special.elliprj(*at[:i], x, *at[i + 1 :]))(point[i])
            with mpmath.workdps(40):
                expected = mpmath.diff(
                    lambda x, i=i, at=point: mpmath.elliprj(*at[:i], x, *at[i + 1 :]), point[i]
                )
            np.testing.assert_allclose(found, float(expected), rtol=1e-10)


def test_complex_numbers_where_scipy_has_them():
    z = np.array([0.3 + 0.4j, -1.2 + 0.5j])
    for f in (
        lambda z: special.airy(z)[0],
        lambda z: special.sici(z)[0],
        lambda z: special.fresnel(z)[1],
        special.wofz,
    ):
        assert gradcheck(lambda z, f=f: np.abs(f(z)), z, order=2).ok
    with pytest.raises(GradientError, match="has no gradient by complex numbers"):
        np.abs(special.elliprf(Tensor(z), 1.0, 2.0)).sum().backward()


REFUSED = {
    "zetac": ((2.5,), "has no closed form"),
    "smirnov": ((5, 0.3), "as many polynomials as there are samples"),
    "nctdtr": ((3.0, 0.5, 0.2), "a difference of series that cancel"),
    "chndtridf": ((2.0, 0.3, 1.0), "off its centre"),
    "ncfdtr": ((2.0, 3, 1, 0.5), "off its centre"),
    "bdtr": ((2.0, 5, 0.3), "cut to a whole one"),
    "pdtr": ((2.0, 1), "cut to a whole one"),
    "mathieu_a": ((2, 0.5), "has no closed form"),
    "pro_cv": ((1, 1, 0.5), "has no closed form"),
    "obl_rad2": ((1, 2, 2, 0.4), "do not solve the equation near 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_derivative_says_why(name):
    args, why = REFUSED[name]
    f = getattr(special, name)
    given = [Tensor(x) if isinstance(x, float) else x for x in args]
    z = f(*given)
    z, theirs = (z[0], f(*args)[0]) if isinstance(z, tuple) else (z, f(*args))

    assert z.value == theirs
    with pytest.raises(GradientError, match=why):
        z.backward()


@pytest.mark.parametrize("name", ["airy", "ellipj", "sici", "pbdv"])
def test_empty_single_and_spread_arguments(name):
    args = [x[0] for x in CALLS[name]]
    for shape in ((0,), (1,), (), (2, 1)):
        x = np.full(shape, 0.6)
        found = [p.value for p in getattr(special, name)(*args[:-1], Tensor(x))]
        for ours, theirs in zip(found, getattr(special, name)(*args[:-1], x), strict=True):
            assert np.shape(ours) == np.shape(theirs)
            np.testing.assert_array_equal(ours, theirs)
        z = grad(lambda x: sum(np.sum(p) for p in getattr(special, name)(*args[:-1], x)))(x)
        assert np.shape(z) == shape


def test_examples_at_once():
    x = np.array([[0.3, 0.7], [1.2, 2.0]])
    found = clearprop.vmap(lambda x: special.ellipj(x, 0.3)[0] * special.airy(x)[1])(x)

    np.testing.assert_allclose(found, special.ellipj(x, 0.3)[0] * special.airy(x)[1], rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "arguments", "place", "slope"),
    [
        ("tklmbda", (5.0, 1.0), 0, 0.0),  # beyond the ends of the distribution
        ("tklmbda", (-0.9, 3.0), 0, 0.0),
        ("tklmbda", (0.9, 3.0), 1, 0.0),
        ("kolmogorov", (np.inf,), 0, 0.0),
        ("kolmogorov", (np.nan,), 0, np.nan),
        ("kolmogi", (-0.5,), 0, np.nan),
        ("kolmogi", (1.0,), 0, -np.inf),
        ("kolmogi", (0.0,), 0, -np.inf),
        ("agm", (-1.0, -2.0), 0, 0.6052092),  # odd, as SciPy has it
        ("agm", (-1.0, -2.0), 1, 0.4257910),
        ("lpmv", (-1, 1, 0.3), 2, -0.1572427),  # of an order of minus the degree
        ("lpmv", (-2, 3, -0.4), 2, 0.065),
    ],
)
def test_slopes_at_the_ends_and_beyond(name, arguments, place, slope):
    before, x, after = arguments[:place], arguments[place], arguments[place + 1 :]

    with np.errstate(all="ignore"):
        found = grad(lambda x: getattr(special, name)(*before, x, *after))(x)

    np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "at", "arguments"),
    [("chndtrinc", (3.0, 2.0, 0.97), (0, 2)), ("ncfdtrinc", (2.0, 3.0, 0.9, 1.0), (2, 3))],
)
def test_where_no_place_off_centre_has_the_share_nothing_moves(name, at, arguments):
    f = getattr(special, name)
    assert f(*at) < 1e-300  # SciPy's answer
    for i in arguments:
        slope = clearprop.grad(f, argnums=i)
        assert [float(slope(*at)), float(clearprop.compile(slope)(*at))] == [0.0, 0.0]
