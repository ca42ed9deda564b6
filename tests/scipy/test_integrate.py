"""`clearprop.scipy.integrate`: SciPy's values, and the gradients of what was computed."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad, gradcheck, nn, no_grad, value_and_grad, vmap

si = pytest.importorskip("scipy.integrate")
from clearprop.scipy import integrate  # noqa: E402

TIMES = np.linspace(0.0, 5.0, 9)


def hunt(t, y, a, b):
    return [a * y[0] - b * y[0] * y[1], -y[1] + 0.5 * y[0] * y[1]]


@pytest.mark.parametrize("method", ["RK45", "RK23"])
@pytest.mark.parametrize("span", [(0.0, 5.0), (5.0, 0.0)])
@pytest.mark.parametrize("sampled", [False, True])
def test_steps_and_values_are_scipys(method, span, sampled):
    options = {"t_eval": np.linspace(*span, 9)} if sampled else {}
    theirs = si.solve_ivp(hunt, span, [2.0, 1.0], args=(1.0, 0.7), method=method, **options)
    ours = integrate.solve_ivp(hunt, span, [2.0, 1.0], args=(Tensor(1.0), 0.7), method=method, **options)

    assert ours.y.requires_grad
    assert np.array_equal(ours.t, theirs.t)
    np.testing.assert_allclose(ours.y.value, theirs.y, rtol=1e-9)


def end(a, b=0.7, y0=(2.0, 1.0), **options):
    found = integrate.solve_ivp(
        hunt, (0.0, 5.0), np.array(y0) if isinstance(y0, tuple) else y0, args=(a, b), **options
    )
    return np.sum(found.y[:, -1])


def test_first_and_second_derivatives():
    tight = {"rtol": 1e-10, "atol": 1e-10}
    slope = lambda f: (f(1.0 + 1e-5) - f(1.0 - 1e-5)) / 2e-5  # noqa: E731
    f = lambda a: end(a, **tight)  # noqa: E731

    np.testing.assert_allclose(grad(f)(1.0), slope(f), rtol=1e-6)
    np.testing.assert_allclose(grad(grad(f))(1.0), slope(grad(f)), rtol=1e-6)
    y0, h = np.array([2.0, 1.0]), np.array([1e-5, 0.0])
    from_start = lambda y0: end(1.0, y0=y0, **tight)  # noqa: E731
    numerical = (from_start(y0 + h) - from_start(y0 - h)) / 2e-5
    np.testing.assert_allclose(grad(from_start)(y0)[0], numerical, rtol=1e-6)


def test_a_network_as_the_right_hand_side():
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    found = integrate.solve_ivp(lambda t, y: model(y[None].astype(np.float32))[0], (0.0, 1.0), np.ones(2))
    np.sum(found.y[:, -1]).backward()

    assert all(np.any(p.grad) for p in model.parameters())


def test_odeint():
    f = lambda k: integrate.odeint(lambda y, t, k: -k * y, np.ones(2), TIMES, args=(k,))  # noqa: E731

    assert np.array_equal(f(0.3), si.odeint(lambda y, t: -0.3 * y, np.ones(2), TIMES))
    np.testing.assert_allclose(f(Tensor(0.3)).value, f(0.3), rtol=1e-5)
    np.testing.assert_allclose(grad(lambda k: np.sum(f(k)[-1]))(0.3), -10 * np.exp(-1.5), rtol=1e-6)
    turned = integrate.odeint(lambda t, y: -y, 1.0, TIMES, tfirst=True)
    assert turned.shape == (9, 1)


def test_without_a_gradient_every_method_is_scipys():
    for method in ("LSODA", "BDF", "Radau", "DOP853"):
        assert isinstance(end(1.0, method=method), float)
    with no_grad():
        assert isinstance(end(Tensor(1.0), method="LSODA"), float)


@pytest.mark.parametrize(
    ("a", "b"),
    [(0, 2), (2, 0), (1, 1), (0, np.inf), (-np.inf, 0.5), (-np.inf, np.inf), (np.inf, 0.5), (0.5, -np.inf)],
)
def test_integrals(a, b):
    area = lambda k: integrate.quad(lambda x: np.exp(-k * x * x) * (1 + x), a, b)[0]  # noqa: E731
    value, slope = value_and_grad(area)(1.3)

    np.testing.assert_allclose(value, si.quad(lambda x: np.exp(-1.3 * x * x) * (1 + x), a, b)[0], rtol=1e-10)
    np.testing.assert_allclose(slope, (area(1.3 + 1e-5) - area(1.3 - 1e-5)) / 2e-5, rtol=1e-6, atol=1e-10)


def test_ends_of_an_integral():
    area = lambda k, a, b: integrate.quad(lambda x, k: np.sin(k * x), a, b, args=(k,))[0]  # noqa: E731

    assert gradcheck(area, 1.0, 0.2, 2.0)
    np.testing.assert_allclose(grad(grad(area, 2), 2)(1.0, 0.2, 2.0), np.cos(2.0), rtol=1e-8)
    half = grad(lambda a: integrate.quad(lambda x: np.exp(-x), a, np.inf)[0])
    np.testing.assert_allclose(half(0.5), -np.exp(-0.5), rtol=1e-9)


@pytest.mark.parametrize("n", [3, 4, 7, 8])
def test_rules_for_samples(n):
    rng = np.random.default_rng(n)
    y, x = rng.normal(size=(n, 3)), np.sort(rng.normal(size=n))
    for ours, theirs in ((integrate.simpson, si.simpson), (integrate.trapezoid, si.trapezoid)):
        np.testing.assert_allclose(ours(y, x, axis=0), theirs(y, x=x, axis=0))
        np.testing.assert_allclose(ours(y.T, dx=0.3), theirs(y.T, dx=0.3))
        many = np.sort(rng.normal(size=(3, n)), axis=1)
        np.testing.assert_allclose(ours(y.T, many), theirs(y.T, x=many))
        assert gradcheck(lambda y, ours=ours: ours(y, x, axis=0), y)
    assert gradcheck(lambda x: integrate.trapezoid(y[:, 0], x), x)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_rules_for_samples_compiled(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    f = lambda y: integrate.simpson(y**2) + integrate.trapezoid(y**3)  # noqa: E731
    step = clearprop.compile(value_and_grad(f), executor=executor)
    for k in range(4):
        for a, b in zip(step(TIMES + k), value_and_grad(f)(TIMES + k), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: grad(lambda a: end(a, method="LSODA"))(1.0), GradientError, "RK23 and RK45"),
        (lambda: grad(lambda a: end(a, dense_output=True))(1.0), GradientError, "dense output"),
        (
            lambda: grad(lambda t: integrate.solve_ivp(lambda s, y: y, (0, t), [1.0]).y[0, -1])(1.0),
            TypeError,
            "times",
        ),
        (
            lambda: grad(lambda t: integrate.odeint(lambda y, s: y, 1.0, t)[-1, 0])(TIMES),
            TypeError,
            "times without",
        ),
        (lambda: integrate.odeint(lambda y, s: y, 1.0, 3.0), ValueError, "two times"),
        (
            lambda: grad(lambda b: integrate.quad(lambda x: np.exp(-x), 0, b)[0])(np.inf),
            ValueError,
            "infinite ends",
        ),
        (lambda: grad(lambda x: integrate.simpson(x, x))(TIMES), TypeError, "by the heights alone"),
        (lambda: clearprop.compile(end)(np.ones(())), TypeError, "as often as the values ask"),
        (lambda: vmap(end)(np.ones(2)), TypeError, "as often as the values ask"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


# --- where Gauss's rule is no answer ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda k: integrate.quad(lambda x: k * x, 0, 1, weight="cos", wvar=3.0)[0], "weight"),
        (lambda k: integrate.quad(lambda x: k * np.exp(-x), 0, np.inf, weight="cos", wvar=3.0)[0], "weight"),
        (lambda k: integrate.quad(lambda x: k / np.sqrt(x), 0, 1)[0], "singularity"),
    ],
)
def test_integrals_that_gauss_would_miss_are_refused_where_a_gradient_is_wanted(value, text):
    with pytest.raises(GradientError, match=text):
        grad(value)(1.0)
    with no_grad():
        assert np.isfinite(value(1.0))


def test_what_scipy_warns_of_is_said():
    with pytest.warns(si.IntegrationWarning):
        integrate.quad(lambda x: 1.0 / x, 0.0, 1.0)
    with pytest.raises(TypeError, match="real integrand"):
        integrate.quad(lambda x: np.exp(1j * x), 0.0, 1.0, complex_func=True)


def test_complex_solutions_and_no_times_at_all():
    def wave(k):
        return integrate.solve_ivp(lambda t, y: 1j * k * y, (0, 1), [1.0 + 0j], rtol=1e-9, atol=1e-9).y[0, -1]

    np.testing.assert_allclose(grad(lambda k: np.real(wave(k)))(2.0), -np.sin(2.0), atol=1e-7)
    rate = Tensor(2.0)
    found = integrate.solve_ivp(lambda t, y: -rate * y, (0, 1), [1.0, 2.0], t_eval=[])
    assert found.y.shape == (2, 0)
