"""vjp, jvp, linearize, hvp, Jacobians and Hessians, beside differences and beside each other."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, hessian, hvp, jacfwd, jacobian, jacrev, jvp, linearize, no_grad, vjp

rng = np.random.default_rng(0)
A, B = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
X, V, U = rng.normal(size=4), rng.normal(size=4), rng.normal(size=3)

FUNCTIONS = {
    "a layer": lambda x: np.tanh(A @ x) * np.sum(x**2),
    "slices": lambda x: x[1:] * x[:-1] + np.cumsum(x)[:3],
    "reductions": lambda x: np.stack([np.prod(x), np.max(x), np.linalg.norm(x)]),
    "a solution": lambda x: np.linalg.solve(B + np.diag(x), x)[:3],
    "a choice": lambda x: np.where(x > 0, x**2, np.sin(x))[:3],
    "softmax": lambda x: clearprop.softmax(x)[1:] * clearprop.logsumexp(x),
    "an unused entry": lambda x: x[:3] * 2.0,
    "a constant among others": lambda x: np.concatenate([x[:2], np.ones(1)]),
}


def difference(f, x, h=1e-6):
    return np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)], axis=-1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_product_is_that_of_the_jacobian(name):
    f = FUNCTIONS[name]
    J = jacobian(f)(X)

    np.testing.assert_allclose(J, difference(f, X), atol=1e-8)
    np.testing.assert_allclose(jacrev(f)(X), J, atol=1e-12)
    np.testing.assert_allclose(jacfwd(f)(X), J, atol=1e-12)
    value, moved = jvp(f, (X,), (V,))
    np.testing.assert_array_equal(value, f(X))
    np.testing.assert_allclose(moved, J @ V, atol=1e-12)
    value, pull = vjp(f, X)
    np.testing.assert_allclose(pull(U)[0], U @ J, atol=1e-12)
    np.testing.assert_allclose(pull(2 * U)[0], 2 * U @ J, atol=1e-12)
    value, push = linearize(f, X)
    np.testing.assert_allclose(push(V), J @ V, atol=1e-12)
    np.testing.assert_allclose(push(-V), -J @ V, atol=1e-12)
    assert all(type(x) is np.ndarray for x in (J, value, moved, pull(U)[0], push(V)))


SCALARS = {
    "waves": lambda x: np.sum(np.exp(np.sin(x) * x[::-1])),
    "a norm": lambda x: np.exp(-(np.linalg.norm(x - 0.1) ** 2) / 2),
    "a determinant": lambda x: np.linalg.slogdet(B @ B.T + np.diag(x**2))[1],
}


@pytest.mark.parametrize("name", SCALARS)
def test_hessians_in_every_order_of_directions(name):
    f = SCALARS[name]
    H = hessian(f)(X)

    np.testing.assert_allclose(H, difference(grad(f), X), atol=1e-7)
    for first in (jacrev, jacfwd):
        for second in (jacrev, jacfwd):
            np.testing.assert_allclose(second(first(f))(X), H, atol=1e-11)
    np.testing.assert_allclose(hvp(f)(X, V), H @ V, atol=1e-11)
    np.testing.assert_allclose(jvp(grad(f), (X,), (V,))[1], H @ V, atol=1e-11)
    np.testing.assert_allclose(grad(lambda x: jvp(f, (x,), (V,))[1])(X), H @ V, atol=1e-11)


def forward(f):
    return lambda x: jvp(f, (x,), (1.0,))[1]


NESTED = {
    "no tangent of another level": (lambda d, e: d(lambda a: a * e(lambda b: a + b)(1.0))(1.0), 1.0),
    "a product": (lambda d, e: d(lambda a: a * e(lambda b: a * b)(1.0))(3.0), 6.0),
    "a power": (lambda d, e: d(lambda a: e(lambda b: a**2 * b**3)(a))(2.0), 96.0),  # of 3 a^4
    "returned as it is": (lambda d, e: d(lambda a: e(lambda b: a)(1.0) + a)(1.0), 1.0),
    "three levels": (lambda d, e: d(lambda a: e(lambda b: d(lambda c: a * b * c)(b))(a) * a)(2.0), 4.0),
}


@pytest.mark.parametrize("inner", [forward, grad, jacfwd, jacrev])
@pytest.mark.parametrize("outer", [forward, grad, jacfwd, jacrev])
@pytest.mark.parametrize("name", NESTED)
def test_directions_nest(name, outer, inner):
    call, want = NESTED[name]

    np.testing.assert_allclose(call(outer, inner), want)


def test_a_tensor_outside_gets_its_gradient():
    for product in (
        lambda w: jvp(lambda x: w * x**2, (3.0,), (1.0,))[1],
        lambda w: vjp(lambda x: w * x**2, 3.0)[1](1.0)[0],
        lambda w: jacfwd(lambda x: w * x**2)(3.0),
        lambda w: jacrev(lambda x: w * x**2)(3.0),
        lambda w: linearize(lambda x: w * x**2, 3.0)[1](1.0),
        lambda w: hvp(lambda x: w * x**2)(3.0, 3.0),
        lambda w: jvp(lambda x: x**2, (3.0,), (w,))[1],
        lambda w: vjp(lambda x: x**2, 3.0)[1](w)[0],
    ):
        w = Tensor(2.0)
        product(w).backward()
        np.testing.assert_allclose(w.grad, 6.0)


def test_the_values_handed_out_belong_to_the_graph_outside_too():
    w = Tensor(2.0)
    value, pull = vjp(lambda x: w * x, 3.0)
    (value * pull(1.0)[0]).backward()  # 3 w^2

    np.testing.assert_allclose(w.grad, 12.0)


def test_under_no_grad_numbers_come_back():
    w = Tensor(2.0)
    with no_grad():
        value, moved = jvp(lambda x: w * x**2, (3.0,), (1.0,))
        J = jacobian(lambda x: w * x)(np.ones(2))

    assert (type(value), type(moved), type(J)) == (np.float64, np.float64, np.ndarray)
    assert moved == 12.0


def test_trees_in_and_out():
    def f(p, x):
        return {"y": p["a"] * x, "z": [p["b"] ** 2, 3.0]}

    p, x = {"a": 2.0, "b": np.array([1.0, 2.0])}, np.array([1.0, 2.0, 3.0])
    value, pull = vjp(f, p, x)
    dp, dx = pull({"y": np.ones(3), "z": [np.ones(2), 5.0]})
    _, moved = jvp(f, (p, x), ({"a": 1.0, "b": np.zeros(2)}, np.ones(3)))
    J = jacobian(f)(p, x)

    assert value["z"][1] == 3.0
    np.testing.assert_array_equal(dp["b"], [2.0, 4.0])
    assert dp["a"] == 6.0
    np.testing.assert_array_equal(dx, [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(moved["y"], [3.0, 4.0, 5.0])
    np.testing.assert_array_equal(moved["z"][0], [0.0, 0.0])
    assert moved["z"][1] == 0.0
    np.testing.assert_array_equal(J["y"]["a"], x)
    np.testing.assert_array_equal(J["y"]["b"], np.zeros((3, 2)))
    np.testing.assert_array_equal(J["z"][0]["b"], np.diag([2.0, 4.0]))
    assert J["z"][1]["a"] == 0.0


def test_shapes_of_jacobians():
    assert jacobian(lambda x: np.sum(x))(np.ones((2, 3))).shape == (2, 3)
    assert jacobian(lambda x: np.outer(x, x))(np.ones(3)).shape == (3, 3, 3)
    assert jacobian(lambda x: x * np.ones((2, 2)))(1.0).shape == (2, 2)
    assert jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
    assert jacfwd(lambda x: x * 2)(np.ones(0)).shape == (0, 0)
    assert jacobian(lambda x: x)(np.ones(2, np.float32)).dtype == np.float32
    H = hessian(lambda x, y: np.sum(x) * y, (0, 1))(np.ones(2), 3.0)
    assert [[np.shape(b) for b in row] for row in H] == [[(2, 2), (2,)], [(2,), ()]]


def test_something_beside_the_value():
    value, moved, aux = jvp(lambda x: (x**2, {"x": x}), (3.0,), (1.0,), has_aux=True)
    same, pull, again = vjp(lambda x: (x**2, {"x": x}), 3.0, has_aux=True)
    J, third = jacobian(lambda x: (x**2, "text"), has_aux=True)(3.0)

    assert (value, moved, aux) == (9.0, 6.0, {"x": 3.0})
    assert (same, pull(1.0), again) == (9.0, (6.0,), {"x": 3.0})
    assert (J, third) == (6.0, "text")
    H, beside = hessian(lambda x: (x**3, [x]), has_aux=True)(3.0)
    value, push, fourth = linearize(lambda x: (x**2, {"x": x}), 3.0, has_aux=True)
    assert (H, beside) == (18.0, [3.0])
    assert (value, push(1.0), fourth) == (9.0, 6.0, {"x": 3.0})


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("name", ["a layer", "slices", "softmax"])
def test_compiled(name, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    f = FUNCTIONS[name]
    made = {
        "jvp": lambda x: jvp(f, (x,), (V,)),
        "vjp": lambda x: vjp(f, x)[1](U),
        "jacfwd": jacfwd(f),
        "jacrev": jacrev(f),
        "hessian": hessian(lambda x: np.sum(f(x) ** 2)),
        "hvp": lambda x: hvp(lambda x: np.sum(f(x) ** 2))(x, V),
    }
    for function in made.values():
        compiled = clearprop.compile(function, executor=executor, prove="always")
        for x in (X, 2 * X, X + 0.3):
            want, got = function(x), compiled(x)
            for a, b in zip(np.ravel(want), np.ravel(got), strict=True):
                np.testing.assert_allclose(b, a, atol=1e-11)


def test_a_no_grad_block_inside_is_a_constant_in_both_directions():
    def f(x):
        with no_grad():
            s = x * 1
        return x * s

    for direction in (jacfwd, jacrev):
        np.testing.assert_array_equal(direction(f)(np.array([2.0, 3.0])), np.diag([2.0, 3.0]))
        np.testing.assert_array_equal(
            direction(lambda x: x * clearprop.stop_gradient(x))(np.array([2.0, 3.0])), np.diag([2.0, 3.0])
        )


def test_elementwise():
    found = clearprop.elementwise_grad(clearprop.elementwise_grad(np.sin))(np.array([0.0, np.pi / 2]))
    np.testing.assert_allclose(found, [0.0, -1.0], atol=1e-15)


WRONG = [
    (lambda: jvp(np.sin, 1.0, 1.0), TypeError, "wants primals in a tuple"),
    (lambda: jvp(np.sin, (1.0,), (1.0, 2.0)), ValueError, "wants arrays of the shapes of the arguments"),
    (lambda: jvp(np.sin, (X,), (np.ones(3),)), ValueError, r"\(4,\) float64: \(3,\) float64"),
    (lambda: vjp(np.sin, X)[1](np.ones(3)), ValueError, "wants arrays of the shapes of the result"),
    (lambda: vjp(3.0, X), TypeError, "wants a function"),
    (lambda: jacobian(lambda x: None)(X), TypeError, "wants a function that returns arrays"),
    (lambda: jacobian(np.sin, argnums=1)(X), ValueError, "numbers or names of arguments"),
    (lambda: hvp(np.sum)(X, np.ones(3)), ValueError, "wants arrays of the shapes of the argument"),
    (lambda: hessian(np.sin)(X), ValueError, "wants a function that returns one number"),
]


@pytest.mark.parametrize(("call", "error", "text"), WRONG)
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_beside_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def f(np, x):
        return np.stack([np.sum(np.sin(x) * x), np.max(x) ** 2, np.linalg.norm(np.outer(x, x))])

    x = np.asarray(X)
    np.testing.assert_allclose(jacfwd(lambda x: f(np, x))(x), jax.jacfwd(lambda x: f(jnp, x))(x), atol=1e-12)
    H = jax.jacfwd(jax.jacrev(lambda x: f(jnp, x)))(x)
    np.testing.assert_allclose(jacfwd(jacrev(lambda x: f(np, x)))(x), H, atol=1e-10)
