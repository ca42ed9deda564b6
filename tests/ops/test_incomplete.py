"""Derivatives of incomplete gamma and beta functions by their shape: beside mpmath, at the ends, compiled."""

import numpy as np
import pytest

from clearprop import Tensor, compile, grad, gradcheck, vmap
from clearprop.compiler.step import available_executors
from clearprop.ops.incomplete import bell, mixed_bell
from clearprop.registry import ops

special = pytest.importorskip("scipy.special")
mpmath = pytest.importorskip("mpmath")

SHARES = (1e-8, 1e-3, 0.3, 0.8, 1 - 1e-6)


def stencil(f, orders, steps):
    """The mixed derivative of f by differences of fourth order, in mpmath's numbers."""
    weights = {
        0: {0: 1},
        1: {-2: 1, -1: -8, 1: 8, 2: -1},
        2: {-2: -1, -1: 16, 0: -30, 1: 16, 2: -1},
    }
    total = mpmath.mpf(0)
    for i, u in weights[orders[0]].items():
        for j, v in weights[orders[1]].items():
            total += u * v * f(i, j)
    for order, h in zip(orders, steps, strict=True):
        total /= (12 * h**order) if order else 1
    return total


def exact_gamma(a, x, order):
    with mpmath.workdps(50):
        a, x = mpmath.mpf(a), mpmath.mpf(x)
        h = a / 10**11
        above = mpmath.log(x) > mpmath.digamma(a)

        def share(i, j):
            ends = (x, mpmath.inf) if above else (0, x)
            return mpmath.gammainc(a + i * h, *ends, regularized=True) * (-1 if above else 1)

        return float(stencil(share, (order, 0), (h, 1)))


def exact_beta(a, b, x, order):
    with mpmath.workdps(50):
        a, b, x = map(mpmath.mpf, (a, b, x))
        steps = a / 10**8, b / 10**8
        above = mpmath.log(x / (1 - x)) > mpmath.digamma(a) - mpmath.digamma(b)

        def share(i, j):  # by a series: mpmath's own is wrong for some
            p, q = a + i * steps[0], b + j * steps[1]
            p, q, at = (q, p, 1 - x) if above else (p, q, x)
            size = at**p * (1 - at) ** q / (p * mpmath.beta(p, q))
            return size * mpmath.hyp2f1(p + q, 1, p + 1, at) * (-1 if above else 1)

        return float(stencil(share, order, steps))


@pytest.mark.parametrize("a", [1e-3, 0.3, 1.0, 3.7, 60.0, 1e4])
@pytest.mark.parametrize("order", [1, 2])
def test_the_gamma_functions_are_mpmaths(a, order):
    compared = 0
    for share in SHARES:
        x = float(special.gammaincinv(a, share))
        if x > 1e-290:
            found = ops["gammainc_by_shape"](a, x, order=order)
            np.testing.assert_allclose(found, exact_gamma(a, x, order), rtol=1e-10)
            compared += 1

    assert compared >= 2


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.3), (0.7, 0.7), (5.0, 0.02), (2.0, 90.0), (300.0, 40.0)])
@pytest.mark.parametrize("order", [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)])
def test_the_beta_functions_are_mpmaths(a, b, order):
    compared = 0
    for share in SHARES:
        x = float(special.betaincinv(a, b, share))
        if 1e-290 < x < 1:
            found = ops["betainc_by_shape"](a, b, x, order=order)
            np.testing.assert_allclose(found, exact_beta(a, b, x, order), rtol=1e-10)
            compared += 1

    assert compared >= 2


def test_third_derivatives_are_those_of_the_second_ones():
    h = 1e-4
    second = lambda a: ops["gammainc_by_shape"](a, 1.7, order=2)  # noqa: E731
    np.testing.assert_allclose(
        ops["gammainc_by_shape"](2.3, 1.7, order=3), (second(2.3 + h) - second(2.3 - h)) / (2 * h), rtol=1e-6
    )
    assert gradcheck(lambda a, b, x: ops["betainc_by_shape"](a, b, x, order=(2, 1)), 1.3, 2.1, 0.4).ok


def test_at_the_ends_nothing_changes():
    for x in (0.0, np.inf):
        assert ops["gammainc_by_shape"](2.0, x) == 0.0
    for x in (0.0, 1.0):
        assert ops["betainc_by_shape"](2.0, 3.0, x) == ops["betainc_by_shape"](0.5, 0.3, x, order=(0, 1)) == 0
    assert np.isnan(ops["gammainc_by_shape"](-1.0, 2.0))
    assert np.isnan(ops["betainc_by_shape"](1.0, -1.0, 0.5))
    assert ops["gammainc_by_shape"](np.inf, 2.0) == 0.0
    for y in (0.0, 1.0):
        assert grad(lambda a, y=y: special.gammaincinv(a, y))(2.0) == 0.0
        assert grad(lambda a, y=y: special.betaincinv(a, 2.0, y))(0.7) == 0.0
    np.testing.assert_allclose(ops["gammainc_by_shape"](0.0, 1.3), -special.exp1(1.3), rtol=1e-12)


def test_single_floats_stay_single():
    a, x = np.float32([0.5, 2.0]), np.float32([1.0, 3.0])
    assert grad(lambda a: np.sum(special.gammainc(a, x)))(a).dtype == np.float32


def test_many_entries_are_taken_in_blocks():
    a = np.linspace(0.1, 9.0, 5000).reshape(2, 2500)
    found = ops["gammainc_by_shape"](a, 2.0)

    assert found.shape == a.shape
    np.testing.assert_array_equal(found[1, 2400:], ops["gammainc_by_shape"](a[1, 2400:], 2.0))


@pytest.mark.parametrize("executor", available_executors())
def test_compiled_and_by_examples(executor):
    slope = grad(lambda a, b, x: np.sum(special.betainc(a, b, x)), (0, 1, 2))
    a, b, x = np.array([0.5, 2.0]), np.array([1.5, 0.3]), np.array([0.2, 0.9])
    compiled = compile(slope, executor=executor)
    compiled(a, b, x)
    for found, expected in zip(compiled(a + 0.1, b, x), slope(a + 0.1, b, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(
        vmap(grad(special.gammainc))(a, x), grad(lambda a: np.sum(special.gammainc(a, x)))(a)
    )


def test_bells_polynomials():
    assert bell([2.0, 3.0, 5.0]) == 2.0**3 + 3 * 2.0 * 3.0 + 5.0
    slopes = {(1, 0): 2.0, (0, 1): 3.0, (1, 1): 5.0}
    assert mixed_bell((1, 1), lambda i, j: slopes[i, j]) == 2.0 * 3.0 + 5.0


# name, inputs, the share that it was found for (of the result and the others)
INVERSES = {
    "gammaincinv": ((1.7, 0.3), 1, lambda z, a, y: special.gammainc(a, z)),
    "gammainccinv": ((1.7, 0.3), 1, lambda z, a, y: special.gammaincc(a, z)),
    "betaincinv": ((1.7, 0.6, 0.3), 2, lambda z, a, b, y: special.betainc(a, b, z)),
    "betainccinv": ((1.7, 0.6, 0.3), 2, lambda z, a, b, y: special.betaincc(a, b, z)),
    "stdtrit": ((1.7, 0.3), 1, lambda z, df, p: special.stdtr(df, z)),
    "fdtri": ((1.7, 0.6, 0.3), 2, lambda z, a, b, p: special.fdtr(a, b, z)),
    "chdtri": ((1.7, 0.3), 1, lambda z, df, p: special.chdtrc(df, z)),
    "gdtria": ((0.3, 1.7, 2.0), 0, lambda z, p, b, x: special.gdtr(z, b, x)),
    "gdtrix": ((0.7, 1.7, 0.3), 2, lambda z, a, b, p: special.gdtr(a, b, z)),
    "gdtrib": ((0.7, 0.3, 2.0), 1, lambda z, a, p, x: special.gdtr(a, z, x)),
    "chdtriv": ((0.3, 2.0), 0, lambda z, p, x: special.chdtr(z, x)),
    "btdtria": ((0.3, 2.2, 0.4), 0, lambda z, p, b, x: special.betainc(z, b, x)),
    "btdtrib": ((2.2, 0.3, 0.4), 1, lambda z, a, p, x: special.betainc(a, z, x)),
    "stdtridf": ((0.3, -0.8), 0, lambda z, p, t: special.stdtr(z, t)),
    "fdtridfd": ((2.2, 0.5, 1.3), 1, lambda z, a, p, x: special.fdtr(a, z, x)),
    "bdtrik": ((0.6, 5.3, 0.4), 0, lambda z, y, n, p: special.betainc(n - z, z + 1, 1 - p)),
    "bdtrin": ((2.3, 0.6, 0.4), 1, lambda z, k, y, p: special.betainc(z - k, k + 1, 1 - p)),
    "nbdtrik": ((0.6, 5.3, 0.4), 0, lambda z, y, n, p: special.betainc(n, z + 1, p)),
    "nbdtrin": ((2.3, 0.6, 0.4), 1, lambda z, k, y, p: special.betainc(z, k + 1, p)),
    "pdtrik": ((0.6, 2.3), 0, lambda z, p, m: special.gammaincc(z + 1, m)),
}


@pytest.mark.parametrize("name", INVERSES)
def test_the_share_of_what_was_found_is_what_was_given(name):
    """So its derivative by the given share is 1, by all else 0, and second ones are 0."""
    given, at, share = INVERSES[name]
    f = lambda *xs: share(getattr(special, name)(*xs), *xs)  # noqa: E731
    slopes = grad(f, tuple(range(len(given))))(*given)

    np.testing.assert_allclose(slopes, np.arange(len(given)) == at, atol=1e-9)
    for i in range(len(given)):
        turn = grad(lambda x, i=i: grad(f, i)(*given[:i], x, *given[i + 1 :]))(given[i])
        np.testing.assert_allclose(turn, 0.0, atol=1e-7)


def test_a_count_that_cannot_be_less_than_0_stays():
    assert special.pdtrik(0.01, 2.3) == 0.0
    assert grad(special.pdtrik, (0, 1))(0.01, 2.3) == (0.0, 0.0)
    assert grad(special.bdtrik, (0, 1, 2))(0.01, 5.0, 0.6) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("df", [0.8, 3.0, 40.0])
@pytest.mark.parametrize("t", [-30.0, -1.3, 0.0, 1e-4, 2.0])
def test_students_share_by_its_degrees(df, t):
    with mpmath.workdps(40):
        f = lambda v: mpmath.quad(  # noqa: E731
            lambda u: (1 + u * u / v) ** (-(v + 1) / 2) / (mpmath.sqrt(v) * mpmath.beta(v / 2, 0.5)),
            [0, abs(t)],
        )
        expected = float(mpmath.diff(f, df)) * np.sign(t)
    np.testing.assert_allclose(grad(special.stdtr)(df, t), expected, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("df", [0.01, 0.5, 3.0])
def test_students_share_beyond_what_a_square_can_hold(df):
    """There it is a constant times |t|^-df."""
    t, ratio = -1e200, 1e120**-df
    slope = grad(special.stdtr)
    expected = ratio * (slope(df, -1e80) - np.log(1e120) * special.stdtr(df, -1e80))
    np.testing.assert_allclose(slope(df, t), expected, rtol=1e-9)
    np.testing.assert_allclose(slope(df, -t), -expected, rtol=1e-9)
    assert grad(slope)(df, 1e100) == pytest.approx(grad(slope)(df, 1.0000001e100), rel=1e-5)
    assert np.isfinite(grad(lambda t: slope(df, t))(t))


def test_the_middle_of_students_distribution_turns_as_well():
    """At t = 0 the share stays what it is, and its slope does not."""
    f = lambda df, q: special.stdtrit(df, q)  # noqa: E731
    assert grad(f)(3.0, 0.5) == 0.0
    h = 1e-4
    expected = (f(3.0 + h, 0.5 + h) - f(3.0 - h, 0.5 + h) - f(3.0 + h, 0.5 - h) + f(3.0 - h, 0.5 - h)) / (
        4 * h * h
    )
    np.testing.assert_allclose(grad(lambda q: grad(f)(3.0, q))(0.5), expected, rtol=1e-5)
    assert gradcheck(special.stdtr, np.array([0.7, 3.0, 9.0]), np.zeros(3), order=2).ok


def test_every_row_has_both_derivatives_by_both_shapes():
    for name, xs in {"gdtrc": (0.7, 1.2, 2.0), "fdtrc": (2.0, 3.5, 1.2), "chdtrc": (2.5, 1.2)}.items():
        assert gradcheck(getattr(special, name), *map(np.float64, xs), order=2).ok
    x = Tensor(2.5)
    special.chdtr(x, 2.0).backward()
    np.testing.assert_allclose(x.grad, 0.5 * ops["gammainc_by_shape"](1.25, 1.0), rtol=1e-15)


@pytest.mark.parametrize("x", [1e-10, 1e-100, 1e-200, 1e-300])
@pytest.mark.parametrize("a", [0.3, 1.0, 5.0, 1e3, 1e5])
def test_a_beta_variable_of_shapes_far_apart_is_a_gamma_variable(a, x):
    """betainc(a, a / x, x) goes to gammainc(a, a) as x goes to 0, with the slopes of it."""
    by_a = ops["betainc_by_shape"](a, a / x, x)
    np.testing.assert_allclose(by_a, ops["gammainc_by_shape"](a, a), rtol=1e-8)
    by_b = ops["betainc_by_shape"](a, a / x, x, order=(0, 1)) / x
    np.testing.assert_allclose(by_b, np.exp(ops["log_gamma_density"](a, a)), rtol=1e-8)
    slope = grad(lambda a, b: ops["betaincc"](a, b, x))(a, a / x)
    np.testing.assert_allclose(slope, -by_a, rtol=1e-12)
