"""`clearprop.scipy.optimize`: SciPy's results, derivatives filled in, and gradients of what is found."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad, hessian, jacobian, nn, no_grad, vmap

so = pytest.importorskip("scipy.optimize")
from clearprop.scipy import minimize, optimize  # noqa: E402

T = np.linspace(0.0, 1.0, 8)
START = {"x": -1.0, "y": np.array([1.5])}
METHODS = [
    "Nelder-Mead",
    "Powell",
    "CG",
    "BFGS",
    "Newton-CG",
    "L-BFGS-B",
    "TNC",
    "COBYLA",
    "COBYQA",
    "SLSQP",
    "trust-constr",
    "trust-ncg",
    "trust-exact",
    "trust-krylov",
]


def valley(p):
    return np.sum(5 * (p["y"] - p["x"] ** 2) ** 2) + (1 - p["x"]) ** 2


@pytest.mark.filterwarnings("ignore:delta_grad")
@pytest.mark.parametrize("method", [*METHODS, None, "dogleg"])
def test_every_method_of_minimize(method):
    start = {"x": 0.9, "y": np.array([0.8])} if method == "dogleg" else START
    found = minimize(valley, start, method=method)

    assert found.x.keys() == {"x", "y"}
    assert found.x["y"].shape == (1,)
    np.testing.assert_allclose([found.x["x"], found.x["y"][0]], 1.0, atol=2e-2)


def test_it_takes_the_way_of_scipy_with_the_same_derivatives():
    ours = minimize(lambda x: so.rosen(x) if not isinstance(x, Tensor) else rosen(x), [1.3, 0.7, 0.8])
    theirs = so.minimize(so.rosen, [1.3, 0.7, 0.8], jac=so.rosen_der)

    assert ours.nit == theirs.nit
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7)


def rosen(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_given_derivatives_are_used():
    calls = []

    def slope(p):
        calls.append("jac")
        return grad(valley)(p)

    def product(p, t):
        calls.append("hessp")
        return clearprop.hvp(valley)(p, t)

    found = minimize(valley, START, method="Newton-CG", jac=slope, hessp=product)
    np.testing.assert_allclose(found.x["x"], 1.0, atol=1e-3)
    assert {"jac", "hessp"} == set(calls)

    both = minimize(lambda x: (np.sum((x - 1) ** 2), 2 * (x - 1)), np.zeros(2), jac=True)
    np.testing.assert_allclose(both.x, 1.0)
    matrix = minimize(rosen, np.full(2, 0.9), method="trust-exact", hess=hessian(rosen))
    np.testing.assert_allclose(matrix.x, 1.0, rtol=1e-4)


@pytest.mark.parametrize("method", ["L-BFGS-B", "SLSQP", "trust-constr", "Nelder-Mead"])
@pytest.mark.parametrize(
    "bounds",
    [{"x": (None, 0.5)}, {"x": (-2.0, 0.5), "y": None}, {"y": (None, None), "x": (-9, np.array(0.5))}],
)
def test_bounds_in_the_form_of_the_parameters(method, bounds):
    found = minimize(valley, START, method=method, bounds=bounds)

    np.testing.assert_allclose(found.x["x"], 0.5, atol=1e-3)
    np.testing.assert_allclose(found.x["y"], 0.25, atol=1e-2)


@pytest.mark.parametrize(
    "bounds",
    [[(0, 1), (0, 1), (None, None)], so.Bounds([0, 0, -np.inf], [1, 1, np.inf]), [(0, 1), (0, 1), None]],
)
def test_bounds_as_scipy_has_them(bounds):
    found = minimize(lambda x: np.sum((x - 2.0) ** 2), np.zeros(3), bounds=bounds)

    np.testing.assert_allclose(found.x, [1.0, 1.0, 2.0], atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_one_pair_of_bounds_is_for_all_entries(size):
    bounds = (-1.0, 1.0) if size != 2 else [(-1.0, 1.0)] * 2
    found = minimize(lambda x: np.sum((x - 2.0) ** 2), np.zeros(size), bounds=bounds)

    np.testing.assert_allclose(found.x, 1.0)


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "COBYLA"])
def test_constraints(method):
    circle = lambda p: 1.0 - p["a"] ** 2 - p["b"] ** 2  # noqa: E731
    loss = lambda p: -(p["a"] + p["b"])  # noqa: E731
    for limits in (
        {"type": "ineq", "fun": circle},
        [{"type": "ineq", "fun": circle, "jac": grad(circle)}],
        so.NonlinearConstraint(circle, 0.0, np.inf),
    ):
        found = minimize(loss, {"a": 0.1, "b": 0.2}, method=method, constraints=limits)
        np.testing.assert_allclose([found.x["a"], found.x["b"]], 2**-0.5, atol=2e-3)
    line = so.LinearConstraint([[1.0, 1.0]], 1.0, 1.0)
    found = minimize(lambda x: np.sum(x**2), np.zeros(2), method="trust-constr", constraints=line)
    np.testing.assert_allclose(found.x, 0.5, atol=1e-5)


def test_callbacks_are_shown_trees():
    seen = []
    minimize(valley, START, method="BFGS", callback=lambda p: seen.append(p["x"]))
    minimize(
        valley,
        START,
        method="BFGS",
        callback=lambda intermediate_result: seen.append(intermediate_result.x["x"]),
    )

    assert len(seen) > 10
    assert all(np.shape(x) == () for x in seen)


@pytest.mark.parametrize(
    "start", [2.0, np.float32(2.0), np.array([2.0]), [2.0, 3], (np.ones(2), [1.0]), [np.ones((2, 2))]]
)
def test_forms_of_the_start(start):
    loss = lambda p: sum(np.sum((x - 1.5) ** 2) for x in clearprop.tree.leaves(p))  # noqa: E731
    found = minimize(loss, start)

    for x in clearprop.tree.leaves(found.x):
        np.testing.assert_allclose(x, 1.5, rtol=1e-3)
    assert isinstance(found.x, tuple) == isinstance(start, tuple)


def test_gradients_of_a_minimum_by_arguments_and_by_name():
    def fitted(scale, target):
        return minimize(lambda p, s: np.sum((p["a"] * s - target) ** 2), {"a": np.zeros(2)}, args=(scale,)).x[
            "a"
        ]

    s, y = np.array([2.0, 4.0]), np.array([1.0, 3.0])
    np.testing.assert_allclose(fitted(s, y), y / s, rtol=1e-6)
    np.testing.assert_allclose(jacobian(fitted)(s, y), np.diag(-y / s**2), rtol=1e-5)
    np.testing.assert_allclose(jacobian(fitted, 1)(s, y), np.diag(1 / s), rtol=1e-5)
    curved = hessian(lambda s: np.sum(fitted(s, y)))(s)
    np.testing.assert_allclose(curved, np.diag(2 * y / s**3), rtol=1e-4)


def test_gradients_of_roots_to_third_order():
    solved = lambda p: optimize.root(lambda x: x * x - p, 1.0).x  # noqa: E731

    for order, wanted in enumerate((2.0, 0.25, -0.25 * 4**-1.5, 0.375 * 4**-2.5)):
        f = solved
        for _ in range(order):
            f = grad(f)
        np.testing.assert_allclose(f(4.0), wanted, rtol=1e-6)


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov", "df-sane"])
def test_roots_of_trees(method):
    weights = np.array([[3.0, 1.0], [1.0, 2.0]])

    def equations(p, b):
        v = np.concatenate([np.reshape(p["u"], (1,)), p["v"]])
        r = weights @ v + v**3 - b
        return {"first": r[:1], "second": r[1]}

    def total(b):
        found = optimize.root(equations, {"u": 0.0, "v": np.zeros(1)}, args=(b,), method=method, tol=1e-12).x
        return found["u"] ** 2 + np.sum(found["v"] ** 2)

    b, h = np.array([1.0, 2.0]), np.array([1e-4, 0.0])
    np.testing.assert_allclose(grad(total)(b)[0], (total(b + h) - total(b - h)) / 2e-4, rtol=1e-4)


def test_parameters_of_a_model_in_the_equation_receive_gradients():
    layer = nn.Linear(2, 2, dtype=np.float64)
    layer.weight.value = 0.3 * layer.weight.value
    x = np.array([1.0, 2.0])

    def equilibrium(v):
        return np.tanh(layer(v[None])[0] + x)

    z = optimize.fixed_point(equilibrium, np.zeros(2), xtol=1e-12, method="iteration")
    np.sum(z).backward()
    unrolled, h = layer.weight.grad, np.zeros(2)
    layer.weight.grad = None
    for _ in range(200):
        h = equilibrium(h)
    np.sum(h).backward()
    np.testing.assert_allclose(unrolled, layer.weight.grad, rtol=1e-6)


def test_fits():
    y = np.exp(-2 * T) + 0.01 * np.cos(30 * T)
    model = lambda t, p: p["a"] * np.exp(-p["k"] * t)  # noqa: E731
    rate = lambda y: optimize.least_squares(lambda p: model(T, p) - y, {"a": 1.0, "k": 1.0}).x["k"]  # noqa: E731

    h = 1e-5 * np.eye(8)[0]
    np.testing.assert_allclose(grad(rate)(y)[0], (rate(y + h) - rate(y - h)) / 2e-5, rtol=1e-4)
    ours = optimize.curve_fit(lambda t, a, k: a * np.exp(-k * t), T, y)
    theirs = so.curve_fit(lambda t, a, k: a * np.exp(-k * t), T, y)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4)
    bounded = optimize.least_squares(
        lambda p: model(T, p) - y, {"a": 1.0, "k": 1.0}, bounds={"k": (0, 1.5)}, loss="soft_l1"
    )
    np.testing.assert_allclose(bounded.x["k"], 1.5, rtol=1e-6)
    assert bounded.jac.shape == (8, 2)
    assert bounded.grad.keys() == {"a", "k"}


def test_a_constant_in_the_closure_leaves_arrays():
    found = minimize(lambda x: np.sum((x - Tensor(2.0, requires_grad=False)) ** 2), np.zeros(2))

    assert isinstance(found.x, np.ndarray)
    target = Tensor(2.0)
    assert isinstance(minimize(lambda x: np.sum((x - target) ** 2), np.zeros(2)).x, Tensor)
    with no_grad():
        assert isinstance(minimize(lambda x: np.sum((x - target) ** 2), np.zeros(2)).x, np.ndarray)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: minimize(lambda x: x, np.zeros(2)), ValueError, "returns one number"),
        (lambda: minimize(lambda x: x, {}), TypeError, "a start of real numbers"),
        (lambda: minimize(lambda x: x, 1j), TypeError, "a start of real numbers"),
        (lambda: minimize(valley, START, bounds={"z": (0, 1)}), ValueError, "bounds in the form"),
        (lambda: minimize(valley, START, bounds=[(0, 1)] * 3), ValueError, "bounds in the form"),
        (lambda: optimize.root(lambda x: x[:1], np.zeros(2)), ValueError, "as many equations"),
        (
            lambda: grad(lambda p: optimize.root(lambda x: p * x**2, 0.0).x)(1.0),
            GradientError,
            "not determine",
        ),
        (
            lambda: grad(lambda a: minimize(lambda x: (x - a) ** 2, 0.0, bounds=(0, 1)).x)(0.5),
            GradientError,
            "where bounds or constraints",
        ),
        (
            lambda: vmap(lambda a: minimize(lambda x: (x - a) ** 2, 0.0).x)(T),
            TypeError,
            "as often as the values ask",
        ),
        (
            lambda: clearprop.compile(lambda a: optimize.root(lambda x: x - a, 0.0).x)(1.0),
            TypeError,
            "as often as",
        ),
        (
            lambda: grad(lambda s: optimize.curve_fit(lambda t, a: a * t * s, T, T)[0][0])(1.0),
            GradientError,
            "least_squares",
        ),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


# --- what a result has beside x, and where there is none ----------------------------------------------------
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda p: optimize.minimize(lambda x: np.sum((x - p) ** 2) + p * x[0], np.zeros(2)).fun, 1.5),
        (lambda p: optimize.minimize(lambda x: ((x - p) ** 2 + p, 2 * (x - p)), 0.0, jac=True).x, 1.0),
        (lambda p: optimize.minimize(lambda x: ((x - p) ** 2 + p, 2 * (x - p)), 0.0, jac=True).fun, 1.0),
        (lambda p: optimize.least_squares(lambda x: np.stack([x - p, x + p]), 0.0).cost, 2.0),
        (lambda p: optimize.least_squares(lambda x: np.stack([x - p, x + p]), 0.0).fun[0], -1.0),
    ],
)
def test_values_at_the_solution_have_gradients_too(value, expected):
    np.testing.assert_allclose(grad(value)(1.0), expected, atol=1e-6)


@pytest.mark.parametrize(
    "limit",
    [
        lambda p: {"type": "eq", "fun": lambda x: x[0] + x[1] - p},
        lambda p: [{"type": "eq", "fun": lambda x, q: x[0] + x[1] - q, "args": (p,)}],
        lambda p: so.NonlinearConstraint(lambda x: x[0] + x[1] - p, 0.0, 0.0),
    ],
)
def test_a_gradient_through_a_constraint_is_refused(limit):
    def value(p):
        return optimize.minimize(lambda x: np.sum(x * x), np.zeros(2), constraints=limit(p)).x[0]

    with pytest.raises(GradientError, match="constraints"):
        grad(value)(1.0)
    with no_grad():
        assert value(1.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "value",
    [
        lambda p: optimize.minimize(lambda x: x**2 + (x - p) ** 4, 9.0, options={"maxiter": 1}).x,
        lambda p: optimize.root(lambda x: x * x + p, 1.0).x,
        lambda p: optimize.least_squares(lambda x: np.exp(x) - p, 9.0, max_nfev=1).x,
    ],
)
def test_what_has_not_converged_has_no_gradient(value):
    with pytest.raises(GradientError, match="not converged"):
        grad(value)(3.0)
    with no_grad():
        assert np.isfinite(value(3.0))


def test_bounds_of_least_squares_are_lower_and_upper_ones_for_two_entries_too():
    bounds = ([0.0, 1.0], [5.0, 6.0])
    ours = optimize.least_squares(lambda x: x - np.array([4.0, 0.0]), np.ones(2) * 2, bounds=bounds)
    np.testing.assert_allclose(ours.x, [4.0, 1.0], atol=1e-6)


def test_data_of_curve_fit_that_need_a_gradient_are_refused_and_one_height_is_one_for_all():
    with pytest.raises(GradientError, match="least_squares"):
        grad(lambda q: optimize.curve_fit(lambda t, a: a * t, T, q * T)[0][0])(2.0)
    assert optimize.curve_fit(lambda t, a: a, T, 2.0 + 0.0 * T)[0] == pytest.approx([2.0])
