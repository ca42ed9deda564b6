"""Splines, grids, integrals and roots of numbers beside SciPy's: values, both derivatives, compiled."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad, gradcheck
from clearprop.compiler.step import available_executors

theirs = pytest.importorskip("scipy")
import scipy.interpolate  # noqa: E402
import scipy.ndimage  # noqa: E402

from clearprop.scipy import integrate, interpolate, optimize  # noqa: E402

X, T = np.array([0.0, 1.0, 2.5, 4.0]), np.array([0.3, 2.2, 3.9])
BEYOND = np.array([-1.0, 0.0, 1.0, 1.75, 4.0, 5.0])
Y = np.array([[0.4, -1.1, 0.9, 2.0], [1.3, 0.2, -0.5, 0.7], [0.1, 0.8, 1.9, 2.6], [-0.3, 1.2, 0.4, -0.9]])
RISE, BEND = np.array([0.0, 1.0, 1.5, 4.0]), np.array([0.0, -1.0, 1.5, 1.4])
GRID = (X, np.array([0.0, 1.0, 3.0]))
PLACES = np.array([[0.3, 0.2], [2.2, 2.7], [3.9, 1.1]])
CUBE = np.sin(np.arange(24.0)).reshape(4, 3, 2)


class Ours:
    interpolate, integrate = interpolate, integrate


class Theirs:
    interpolate, integrate = theirs.interpolate, theirs.integrate


def line(kind, **options):
    return lambda m: lambda y, t: m.interpolate.interp1d(X, y, kind=kind, **options)(t)


def grid(method, **options):
    return lambda m: lambda v, t: m.interpolate.RegularGridInterpolator(GRID, v, method=method, **options)(t)


def spline(call, **options):
    return lambda m: lambda y, t: call(m.interpolate.CubicSpline(X, y, **options), t)


def keeping(call):
    return lambda m: lambda y, t: call(m.interpolate.PchipInterpolator(X, y), t)


KINDS = ("linear", "slinear", "quadratic", "cubic", "nearest", "nearest-up", "previous", "next", "zero", 3)
CALLS = {
    **{f"interp1d, {kind}": (line(kind), Y[0], T) for kind in KINDS},
    "interp1d, columns": (line("linear", axis=0), Y, np.array([[0.3, 1.1], [2.4, 3.9]])),
    "spline, slopes given": (spline(lambda f, t: f(t), bc_type=((1, 0.5), (2, -0.3))), Y[0], T),
    "spline, integral": (spline(lambda f, t: f.integrate(0.2, t[1])), Y, T),
    "spline, bend": (spline(lambda f, t: f.derivative(2)(t)), Y[0], T),
    "spline, integrals": (spline(lambda f, t: f.antiderivative(2)(t)), Y[0], T),
    "spline, rows": (spline(lambda f, t: f.derivative()(t), axis=1), Y, T),
    "pchip, rising": (keeping(lambda f, t: f(t)), RISE, T),
    "pchip, turning": (keeping(lambda f, t: f(t)), BEND, T),
    "pchip, slope": (keeping(lambda f, t: f.derivative()(t)), Y, T),
    "degree 2": (lambda m: lambda y, t: m.interpolate.make_interp_spline(X, y, k=2)(t), Y, T),
    "grid": (grid("linear"), CUBE[..., 0], PLACES),
    "grid, nearest": (grid("nearest"), CUBE[..., 0], PLACES),
    "grid of vectors": (grid("linear"), CUBE, PLACES[:, None]),
    "grid, beyond": (grid("linear", bounds_error=False, fill_value=None), CUBE[..., 0], PLACES + 1.2),
    "cumulative": (lambda m: lambda y: m.integrate.cumulative_trapezoid(y, dx=0.3, axis=0, initial=0), Y),
    "cumulative, places": (lambda m: m.integrate.cumulative_trapezoid, Y, X),
    "gauss": (
        lambda m: lambda a, b: m.integrate.fixed_quad(np.sin, a, b, n=7)[0], np.array(0.2), np.array(1.7),
    ),
}  # fmt: skip


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_values_and_both_derivatives(name, order):
    call, *given = CALLS[name]
    f = call(Ours)

    np.testing.assert_allclose(f(*map(Tensor, given)).value, call(Theirs)(*given), rtol=1e-11, atol=1e-13)
    assert gradcheck(f, *given, order=order).ok


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_compiled(name, executor):
    call, *given = CALLS[name]
    f = call(Ours)
    compiled = clearprop.compile(lambda *xs: f(*xs), executor=executor)
    compiled(*[0.999 * x for x in given])

    np.testing.assert_allclose(compiled(*given), f(*given), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_lines_go_on_or_are_filled_as_scipys(kind):
    for options in ({"fill_value": "extrapolate"}, {"bounds_error": False, "fill_value": (7.0, 9.0)}):
        found, expected = (line(kind, axis=0, **options)(m)(Y, BEYOND) for m in (Ours, Theirs))
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_beyond_a_grid_is_filled_refused_or_gone_on():
    values = CUBE[..., 0]
    for method in ("linear", "nearest"):
        filled = grid(method, bounds_error=False)
        np.testing.assert_allclose(
            filled(Ours)(values, PLACES + 1.2), filled(Theirs)(values, PLACES + 1.2), rtol=1e-12
        )
    with pytest.raises(ValueError, match="wants places within the grid"):
        grid("linear")(Ours)(values, PLACES + 1.2)
    with pytest.raises(ValueError, match="ascending places"):
        interpolate.RegularGridInterpolator((X[::-1], GRID[1]), values)
    with pytest.raises(ValueError, match="places from 0 to 4"):
        line("linear")(Ours)(Y[0], BEYOND)


CUBIC = np.array(3.3)  # x^3 + x = p
ROOTS = {
    **{
        name: lambda p, name=name: getattr(optimize, name)(
            lambda x, p: x**3 + x - p, 0.0, 4.0, args=(p,), xtol=1e-14, rtol=1e-14
        )
        for name in ("brentq", "brenth", "ridder", "bisect")
    },
    "newton": lambda p: optimize.newton(lambda x: x**3 + x - p, 1.0),
    "root_scalar": lambda p: optimize.root_scalar(lambda x: x**3 + x - p, x0=1.0, method="newton").root,
    "root_scalar, bracket": lambda p: optimize.root_scalar(lambda x: x**3 + x - p, bracket=(0.0, 4.0)).root,
    "minimize_scalar": lambda p: optimize.minimize_scalar(lambda x: x**4 / 4 + x * x / 2 - p * x).x,
}


@pytest.mark.parametrize("name", ROOTS)
def test_roots_and_their_derivatives(name):
    f = ROOTS[name]
    x = float(f(CUBIC))
    slope = 1 / (3 * x * x + 1)

    np.testing.assert_allclose(x**3 + x, CUBIC, rtol=1e-6)
    np.testing.assert_allclose(grad(f)(3.3), slope, rtol=1e-6)
    np.testing.assert_allclose(grad(grad(f))(3.3), -6 * x * slope**3, rtol=1e-6)


def test_roots_that_are_none_are_refused():
    with pytest.raises(ValueError, match="different signs"):
        optimize.brentq(lambda x: x * x + 1, 0.0, 1.0)
    f = lambda p: optimize.minimize_scalar(lambda x: (x - p) ** 2, bounds=(0, 1), method="bounded").x  # noqa: E731
    with pytest.raises(GradientError, match="at a bound"):
        grad(f)(3.0)
    with pytest.raises(TypeError, match="recorded step"):
        clearprop.compile(lambda p: optimize.brentq(lambda x: x - p, 0.0, 9.0))(2.0)
    low = grad(lambda p: optimize.minimize_scalar(lambda x: (x - 1) ** 2 + p * x).fun)(0.5)
    np.testing.assert_allclose(low, 0.75, rtol=1e-6)  # x = 1 - p/2, by which the value does not move


def test_other_parts_and_names_are_scipys():
    assert clearprop.scipy.ndimage is scipy.ndimage
    assert list(optimize.linear_sum_assignment(-np.eye(2))[1]) == [0, 1]
    assert clearprop.scipy.sparse.csr_array(np.eye(2)).shape == (2, 2)
    assert "dblquad" in dir(integrate)
    with pytest.raises(GradientError, match="linprog: has no gradient"):
        grad(lambda c: optimize.linprog(c).fun)(np.ones(2))
