"""Gradients inside of gradients: what an inner one depends on belongs to the graph outside."""

import contextlib

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, nn, no_grad, value_and_grad
from clearprop.compiler.capture.recorder import RecordingError
from clearprop.compiler.step import available_executors
from clearprop.modes import mode

EXECUTORS = (None, *available_executors())  # None: eager
XS = np.linspace(0.1, 1, 5)


def made(function, executor):
    return clearprop.compile(function, executor=executor) if executor else function


def unrolled(v):
    w = 1.0
    for _ in range(3):
        w = w - 0.1 * grad(lambda u: (u - v) ** 2)(w)
    return w


def by_backward(v):
    x = Tensor(3.0)
    (v * x**2).backward(create_graph=True)
    return x.grad


def slopes(w):
    slope = grad(lambda x: np.sum(np.tanh(w * x)))(XS)
    return np.sum((slope - 1) ** 2) + np.sum(np.tanh(w * XS) ** 2)


def regularized(lam):
    return (2 - 0.1 * grad(lambda w: (w - 1.0) ** 2 + lam * w**2)(2.0)) ** 2


def with_keyword(v):
    return grad(lambda x, w: w * x**2)(3.0, w=v)


def in_a_list(v):
    return grad(lambda x, ws: ws[0] * x**2)(3.0, [v])


def by_two(v):
    first, second = grad(lambda a, b: v * a * b + v * v * a, argnums=(0, 1))(2.0, 3.0)
    return first + second


def by_the_second(v):
    return grad(lambda x, y: v * x * y**2, argnums=1)(v, 3.0)


def three_levels(v):
    return grad(lambda y: grad(lambda x: v * x**2 * y**3)(3.0))(1.0)


def in_three_levels(x):
    return x * grad(lambda y: x * y * grad(lambda z: x * y * z)(2.0))(3.0)


def in_an_attribute(v):
    class Held:
        scale = v

    return grad(lambda x: Held.scale * x**2)(3.0)


def through_a_module(v):
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.requires_grad = False
    clearprop.assign(layer.weight, [[2.0]])
    return grad(lambda x: np.sum(layer(x * v) ** 2))(np.ones((1, 1)))[0, 0]


# fmt: off
DERIVATIVES = {  # name: (f, at, df/dv there)
    "closure":            (lambda v: grad(lambda x: v * x**2)(3.0),                     2.0, 6.0),
    "its own product":    (lambda x: x * grad(lambda y: x * y)(1.0),                    1.0, 2.0),
    "hyperparameter":     (regularized,                                                 0.5, -1.28),
    "slopes in a loss":   (slopes,                                                      0.7, -0.2496482763),
    "three levels":       (three_levels,                                                2.0, 18.0),
    "x in three levels":  (in_three_levels,                                             1.0, 18.0),
    "third derivative":   (grad(grad(lambda x: x**5)),                                  2.0, 240.0),
    "second, times x":    (lambda x: x * grad(grad(lambda y: x * y**3))(2.0),           3.0, 72.0),
    "the value part":     (lambda v: value_and_grad(lambda x: v * x)(3.0)[0],           2.0, 3.0),
    "both parts":         (lambda v: sum(value_and_grad(lambda x: v * x**2)(3.0)),      2.0, 15.0),
    "returned, value":    (lambda v: value_and_grad(lambda x: v)(1.0)[0],               2.0, 1.0),
    "returned, gradient": (lambda v: v * grad(lambda x: v)(1.0),                        2.0, 0.0),
    "returned, added":    (lambda v: v + grad(lambda x: v)(1.0),                        2.0, 1.0),
    "two arguments":      (by_two,                                                      2.0, 9.0),
    "the second one":     (by_the_second,                                               2.0, 24.0),
    "a keyword":          (with_keyword,                                                2.0, 6.0),
    "a list":             (in_a_list,                                                   2.0, 6.0),
    "an attribute":       (in_an_attribute,                                             2.0, 6.0),
    "a frozen module":    (through_a_module,                                            2.0, 32.0),
    "argument, closure":  (lambda v: grad(lambda x: v * x)(v),                          2.0, 1.0),
    "argument twice":     (lambda v: grad(lambda a, b: a * b**2)(v, v),                 2.0, 4.0),
    "a view of it":       (lambda v: grad(lambda x: np.sum(x * v.reshape(1, 1)))(3.0), 2.0, 1.0),
    "detached inside":    (lambda v: v * grad(lambda x: v.detach() * x)(3.0),           2.0, 2.0),
    "only compared":      (lambda v: v * grad(lambda x: x * (v > 0))(3.0),              2.0, 1.0),
    "only rounded":       (lambda v: v * grad(lambda x: x * np.floor(v))(3.0),          2.5, 2.0),
    "added, so gone":     (lambda v: v * grad(lambda x: x**2 + v)(3.0),                 2.0, 6.0),
    "steps of descent":   (unrolled,                                                    2.0, 0.488),
    "by backward":        (by_backward,                                                 2.0, 6.0),
    "a vector":           (lambda v: np.sum(grad(lambda x: np.sum(v * x**3))(XS)),      2.0, 6.05625),
}
# fmt: on


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", DERIVATIVES)
def test_an_inner_gradient_depends_on_what_is_outside(name, executor):
    f, at, expected = DERIVATIVES[name]
    derivative = made(grad(f), executor)

    for _ in range(2):
        assert float(derivative(np.float64(at))) == pytest.approx(expected, rel=1e-6)
    for elsewhere in (0.3, at, 1.7):
        found = derivative(np.float64(elsewhere))
        if f is not by_backward:  # there a Tensor that f makes needs a gradient, too
            assert not isinstance(found, Tensor)
        np.testing.assert_allclose(float(found), float(grad(f)(elsewhere)), rtol=1e-6)


@pytest.mark.parametrize(
    "name", sorted(DERIVATIVES.keys() - {"detached inside"})
)  # a number there, on purpose
def test_a_derivative_through_an_inner_gradient_is_the_slope_of_its_value(name):
    f, at, expected = DERIVATIVES[name]
    up, down = (float(f(Tensor(at + h, requires_grad=f is by_backward))) for h in (1e-3, -1e-3))

    assert (up - down) / 2e-3 == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", DERIVATIVES)
def test_backward_reaches_what_an_inner_gradient_depends_on(name, executor):
    f, at, expected = DERIVATIVES[name]
    w = Tensor(at)

    def step():
        w.grad = None
        y = f(w)
        if by_backward is f:
            w.grad = None  # backward inside has given it one
        y.backward()
        return w.grad

    step = made(step, executor)
    for _ in range(3):
        assert step() == pytest.approx(expected, rel=1e-6)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_gradients_of_leaves_add_up_and_the_inner_pass_touches_none(executor):
    w, other = Tensor(2.0), Tensor(5.0)

    def step():
        inner = grad(lambda x: w * x**2 + other)(3.0)
        assert w.grad is None
        (w * inner).backward()
        first, w.grad = w.grad, None
        (w * inner).backward()
        (w * inner).backward()
        second, w.grad = w.grad, None
        return first, second

    first, second = made(step, executor)()

    assert (first, second, other.grad) == (24.0, 48.0, None)


def network():
    clearprop.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("wrapped", [False, True], ids=["array", "Tensor"])
def test_parameters_receive_the_gradient_of_a_loss_on_slopes(executor, wrapped):
    model = network()
    X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(6, 1)

    def loss():
        slope = grad(lambda x: np.sum(model(x)))(Tensor(X) if wrapped else X)
        return np.mean((slope - 1) ** 2)

    def step():
        model.zero_grad()
        value = loss()
        value.backward()
        return [p.grad for p in model.parameters()]

    run = made(step, executor)
    run()
    first, bias, second, last = run()

    for p, g in zip(list(model.parameters())[:3], (first, bias, second), strict=True):
        at, direction = p.value.copy(), np.random.default_rng(1).normal(size=p.shape).astype(np.float32)
        ends = []
        for h in (1e-2, -1e-2):
            clearprop.assign(p, at + h * direction)
            ends.append(float(loss()))
        clearprop.assign(p, at)
        assert np.sum(g * direction) == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=2e-2, abs=1e-4)
    assert last is None or not np.any(last)  # the slope does not depend on the last bias


def kinds(found):
    both = found if isinstance(found, tuple) else (found,)
    return tuple("Tensor" if isinstance(x, Tensor) else "array" for x in both)


w = Tensor(2.0)
frozen = nn.Parameter([2.0, 3.0], requires_grad=False)
free, data = (Tensor(x, requires_grad=False) for x in (2.0, 3.0))

# fmt: off
KINDS = {  # name: (f, argument, what the value and the gradient are)
    "alone":               (lambda x: x**2,                     3.0,         "array array"),
    "both depend":         (lambda x: w * x**2,                 3.0,         "Tensor Tensor"),
    "the value depends":   (lambda x: x**2 + w,                 3.0,         "Tensor array"),
    "a returned closure":  (lambda x: w,                        3.0,         "Tensor array"),
    "only compared":       (lambda x: x * (w > 0),              3.0,         "array array"),
    "detached":            (lambda x: x * w.detach(),           3.0,         "array array"),
    "frozen":              (lambda x: np.sum(frozen * x**2),    3.0,         "array array"),
    "data":                (lambda x: free * x,                 3.0,         "array array"),
    "a number":            (lambda x: 3.0,                      3.0,         "array array"),
    "a constant slope":    (lambda x: np.sum(x),                XS,          "array array"),
    "data, alone":         (lambda x: x**2,                     data,        "Tensor Tensor"),
    "data, constant":      (lambda x: 3.0 * x,                  data,        "Tensor Tensor"),
    "a Tensor":            (lambda x: x**2,                     Tensor(3.0), "Tensor Tensor"),
}
# fmt: on


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", KINDS)
def test_a_result_is_a_tensor_where_it_depends_on_one_or_the_argument_is_one(name, executor):
    f, argument, expected = KINDS[name]
    if not isinstance(argument, Tensor):
        argument = np.asarray(argument)[()]
    run = made(lambda x: value_and_grad(f)(x), executor)

    for _ in range(2):
        assert kinds(run(argument)) == tuple(expected.split())
    if not executor:
        needs = [getattr(x, "requires_grad", False) for x in run(argument)]
        own = name == "a Tensor"
        assert needs == [(kind == "Tensor" and "data" not in name) or own for kind in expected.split()]


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", KINDS)
def test_inside_no_grad_results_are_of_the_arguments_kind(name, executor):
    f, argument, _ = KINDS[name]
    expected = "Tensor" if isinstance(argument, Tensor) else "array"
    if not isinstance(argument, Tensor):
        argument = np.asarray(argument)[()]

    def run(x):
        with no_grad():
            return value_and_grad(f)(x)

    value, gradient = made(run, executor)(argument)
    outside, slope = value_and_grad(f)(argument)

    assert kinds((value, gradient)) == (expected, expected)
    assert not getattr(gradient, "requires_grad", False)
    np.testing.assert_array_equal(*(getattr(x, "_value", x) for x in (value, outside)))
    np.testing.assert_array_equal(*(getattr(x, "_value", x) for x in (gradient, slope)))


def test_inner_gradients_work_inside_no_grad():
    with no_grad():
        assert grad(lambda x: x * grad(lambda y: x * y)(1.0))(1.0) == 2.0
        assert grad(lambda x: w * x * grad(lambda y: x * w * y)(1.0))(1.0) == 8.0


def test_an_array_made_of_a_dependent_result_is_refused_with_the_cure():
    model = network()
    X = np.ones((2, 1), np.float32)
    slope = grad(lambda x: np.sum(model(x)))

    with pytest.raises(TypeError, match=r"no_grad\(\)"):
        np.asarray(slope(X))
    with no_grad():
        assert type(slope(X)) is np.ndarray


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize(
    "through",
    [lambda f: grad(f)(3.0), lambda f: f(Tensor(3.0) * 2), lambda f: grad(lambda x: x * f(x * w))(3.0)],
    ids=["by its argument", "a computed Tensor", "computed inside"],
)
def test_no_gradient_is_lost_at_the_border_of_a_compiled_function(through, executor):
    square = clearprop.compile(lambda x: x**2, executor=executor)
    for _ in range(3):  # a plan is there for Tensors of that shape
        square(Tensor(3.0))

    for _ in range(2):
        with pytest.raises(RecordingError, match=r"compile\(grad\(f\)\)"):
            through(square)
    falling = clearprop.compile(lambda x: x**2, executor=executor, fallback=True)
    falling(Tensor(3.0))
    assert [grad(falling)(3.0) for _ in range(3)] == [6.0] * 3
    assert grad(clearprop.compile(grad(lambda x: x**3), fallback=True))(2.0) == 12.0


def test_results_do_not_share_memory_with_the_graph():
    v, ones = Tensor([1.0, 2.0]), np.ones(2)
    g, h = grad(lambda a, b: np.sum(a * ones + b + v), argnums=(0, 1))(np.zeros(2), np.zeros(2))
    g += 5
    h += 7

    assert (g.tolist(), h.tolist(), ones.tolist()) == ([6.0, 6.0], [8.0, 8.0], [1.0, 1.0])


def test_an_inner_leaf_is_a_number_afterwards():
    kept = []
    result = grad(lambda x: kept.append(x) or w * x**2)(3.0)
    w.grad = None
    result.backward()

    assert (w.grad, kept[0].grad, kept[0].requires_grad) == (6.0, None, False)


def test_frozen_and_thawed_parameters():
    p = nn.Parameter(np.array([2.0]))
    slope = grad(lambda x: np.sum(p * x**2))
    assert isinstance(slope(3.0), Tensor)
    p.requires_grad = False
    assert type(slope(3.0)) is np.float64
    p.requires_grad = True
    assert isinstance(slope(3.0), Tensor)


@pytest.mark.parametrize("enabled", [True, False])
def test_an_exception_inside_leaves_the_modes(enabled):
    def fails(x):
        return grad(lambda y: y * x * {}["nothing"])(1.0)

    around = contextlib.nullcontext if enabled else no_grad
    for f in (fails, lambda x: np.ones(2) * x):
        with pytest.raises((KeyError, ValueError)), around():
            grad(f)(1.0)
        assert (mode.grad_enabled, mode.observer) == (True, None)
        assert (Tensor(2.0) * 3).requires_grad


def test_a_value_assigned_after_its_use_is_the_old_one_for_an_inner_gradient():
    mean = Tensor([1.0], requires_grad=False)

    def f(x):
        y = np.sum((x * w - mean) ** 2 * mean)
        clearprop.assign(mean, [9.0])
        return y

    w.grad = None
    grad(f)(np.array([3.0]))[0].backward()  # d/dw of 2 (xw - 1) w

    assert w.grad == 2 * (3 * 2 - 1) + 2 * 3 * 2
