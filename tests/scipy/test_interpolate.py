"""`clearprop.scipy.interpolate`: SciPy's splines, with gradients by heights and places."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, gradcheck, value_and_grad, vmap
from clearprop.compiler.step import available_executors

si = pytest.importorskip("scipy.interpolate")
from clearprop.scipy import interpolate  # noqa: E402

X = np.linspace(0.0, 3.0, 7)
Y = np.random.default_rng(0).normal(size=(7, 2))
T = np.array([[0.1, 2.9], [1.6, 3.5]])


@pytest.mark.parametrize(
    "ends", ["not-a-knot", "natural", "clamped", ("natural", "clamped"), ((2, np.zeros(2)), (1, np.zeros(2)))]
)
@pytest.mark.parametrize("nu", range(5))
def test_splines_and_their_derivatives_are_scipys(ends, nu):
    ours, theirs = (kind.CubicSpline(X, Y, bc_type=ends)(T, nu) for kind in (interpolate, si))

    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_axes_periods_and_what_lies_outside():
    closed = Y.copy()
    closed[-1] = closed[0]
    for x, y, options in (
        (X, closed, {"bc_type": "periodic"}),
        (X, Y.T, {"axis": 1}),
        (X, Y, {"extrapolate": False}),
        (X, Y[:, 0], {}),
        (X, np.arange(7), {}),
        (X[:2], Y[:2], {}),
    ):
        ours, theirs = (kind.CubicSpline(x, y, **options)(T) for kind in (interpolate, si))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
@pytest.mark.parametrize("fill", ["extrapolate", 7.0, (1.0, 2.0), None])
def test_interp1d_is_scipys(kind, fill):
    options = {} if fill is None else {"fill_value": fill}
    order = np.array([3, 0, 1, 6, 2, 5, 4])
    for x, y in ((X, Y.T), (X[order], Y.T[:, order])):
        ours, theirs = (
            of.interp1d(x, y, kind=kind, bounds_error=False, **options)(T) for of in (interpolate, si)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_gradients():
    spline = lambda y, t: interpolate.CubicSpline(X, y)(t)  # noqa: E731

    assert gradcheck(spline, Y, T)
    assert gradcheck(lambda y, t: grad(lambda t: np.sum(spline(y, t)))(t), Y, T)
    assert gradcheck(lambda y, t: interpolate.interp1d(X, y, axis=0, fill_value="extrapolate")(t), Y, T)
    np.testing.assert_allclose(
        grad(grad(interpolate.CubicSpline(X, Y[:, 0])))(1.1), si.CubicSpline(X, Y[:, 0])(1.1, 2)
    )
    np.testing.assert_allclose(
        vmap(interpolate.CubicSpline(X, Y[:, 0]))(T[:, 0]), si.CubicSpline(X, Y[:, 0])(T[:, 0])
    )


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_compiled(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    f = value_and_grad(lambda y, t: np.sum(interpolate.CubicSpline(X, y)(t) ** 2), (0, 1))
    step = clearprop.compile(f, executor=executor)
    for k in range(4):
        (a, (b, c)), (d, (e, g)) = step(Y, T + 0.3 * k), f(Y, T + 0.3 * k)
        for ours, theirs in ((a, d), (b, e), (c, g)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: interpolate.CubicSpline(Tensor(X), Y), TypeError, "by those of the points"),
        (lambda: interpolate.CubicSpline(X, Y[:3]), ValueError, "as many heights"),
        (lambda: interpolate.interp1d(X, Y, axis=0)(T), ValueError, "extrapolate"),
        (lambda: interpolate.interp1d(X, Y, kind="round", axis=0), ValueError, "a degree or one of"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("executor", available_executors())
def test_places_of_a_compiled_step(executor):
    def value(y, t):
        return np.sum(interpolate.CubicSpline(X, y)(t) ** 2) + np.sum(
            interpolate.interp1d(X, y[:, 0], fill_value="extrapolate")(t)
        )

    places = np.array([0.2, 1.7])
    compiled = clearprop.compile(grad(value, (0, 1)), executor=executor)
    for ours, eager in zip(compiled(Y, places), grad(value, (0, 1))(Y, places), strict=True):
        np.testing.assert_allclose(ours, eager, rtol=1e-12)


def test_a_degree_of_0_and_a_grid_of_lines():
    x, y, t = np.arange(5.0), np.arange(5.0) ** 2, np.array([0.3, 2.5, 3.9])
    np.testing.assert_array_equal(interpolate.interp1d(x, y, kind=0)(t), si.interp1d(x, y, kind=0)(t))
    grid, places = np.add.outer(y, y), np.stack([t, t], axis=-1)
    ours = interpolate.RegularGridInterpolator((x, x), grid, method="slinear")
    his = si.RegularGridInterpolator((x, x), grid, method="slinear")
    np.testing.assert_allclose(ours(places), his(places))
    assert gradcheck(ours, places).ok
