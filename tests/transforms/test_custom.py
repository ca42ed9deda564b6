"""`custom_rule`: a function with a backward pass of its own, wherever a function of NumPy may stand."""

import gc
from collections import namedtuple

import numpy as np
import pytest

import clearprop
from clearprop import (
    GradientError,
    Tensor,
    custom_rule,
    grad,
    gradcheck,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    no_grad,
    value_and_grad,
    vmap,
)
from clearprop.registry import ops

X = np.array([0.5, 1.0, 2.0])


@custom_rule
def cubed(x):
    assert not isinstance(x, Tensor), "the function itself is given arrays"
    return x**3


@cubed.backward
def cubed_backward(g, z, x):
    return 3 * g * x**2


@custom_rule
def halves(params, scale, mode="both"):
    """A tree in, a tree out, with an integer among the results."""
    w = params["w"]
    return {"scaled": w * scale, "place": np.argmax(w), "sum": np.sum(w)}


@halves.backward
def halves_backward(g, z, params, scale, mode="both"):
    assert g["scaled"].shape == params["w"].shape
    assert g["place"] == 0
    assert z["place"] == 2
    return {"w": g["scaled"] * scale + g["sum"]}, np.sum(g["scaled"] * params["w"]), None


@custom_rule
def by_numbers(x):
    """Neither pass can do with Tensors."""
    return np.array([float(v) ** 3 for v in x])


@by_numbers.backward
def by_numbers_backward(g, z, x):
    return g * np.array([3 * float(v) ** 2 for v in x])


def of_tree(params, scale):
    found = halves(params, scale)
    return np.sum(found["scaled"] ** 2) + found["sum"] ** 3


def of_tree_in_numpy(params, scale):
    return np.sum((params["w"] * scale) ** 2) + np.sum(params["w"]) ** 3


def test_first_and_second_derivatives():
    np.testing.assert_allclose(grad(lambda x: np.sum(cubed(x)))(X), 3 * X**2)
    np.testing.assert_allclose(hessian(lambda x: np.sum(cubed(x)))(X), np.diag(6 * X))
    np.testing.assert_allclose(grad(grad(grad(cubed)))(2.0), 6.0)
    assert gradcheck(lambda x: np.tanh(cubed(x)) * x, X)


@pytest.mark.parametrize("direction", [jacrev, jacfwd])
@pytest.mark.parametrize("f", [cubed, by_numbers])
def test_both_directions(f, direction):
    np.testing.assert_allclose(direction(f)(X), np.diag(3 * X**2))


def test_forward_derivatives_follow_from_the_backward_pass():
    value, moved = jvp(cubed, (X,), (np.ones(3),))

    np.testing.assert_allclose(value, X**3)
    np.testing.assert_allclose(moved, 3 * X**2)


def test_trees_keywords_and_integers_among_the_results():
    params = {"w": X}
    ours, theirs = (grad(f, (0, 1))(params, 2.0) for f in (of_tree, of_tree_in_numpy))
    np.testing.assert_allclose(ours[0]["w"], theirs[0]["w"])
    np.testing.assert_allclose(ours[1], theirs[1])
    np.testing.assert_allclose(
        hessian(of_tree)(params, 2.0)["w"]["w"], hessian(of_tree_in_numpy)(params, 2.0)["w"]["w"]
    )
    found = halves({"w": Tensor(X)}, scale=2.0)
    assert found["place"].dtype.kind == "i"
    assert not found["place"].requires_grad
    assert halves({"w": Tensor(X)}, 2.0, mode="one")["sum"].value == X.sum()


def test_named_tuples_lists_and_modules():
    Pair = namedtuple("Pair", "a b")
    both = custom_rule(lambda p, q: p.a * q[0] + p.b, lambda g, z, p, q: (Pair(g * q[0], g), [g * p.a]))
    slope = grad(both, (0, 1))(Pair(2.0, 3.0), [5.0])

    assert slope == (Pair(5.0, 1.0), [2.0])

    layer = clearprop.nn.Linear(2, 1, dtype=np.float64)
    applied = custom_rule(
        lambda m, x: m(x).sum(), lambda g, z, m, x: ({"weight": g * x, "bias": np.reshape(g, 1)}, None)
    )
    x = np.array([[1.0, 2.0]])
    applied(layer, x).backward()
    np.testing.assert_allclose(layer.weight.grad, x)


def test_without_tensors_it_is_the_function_itself():
    assert cubed(2.0) == 8.0
    assert type(cubed(2.0)) is float
    with no_grad():
        assert not cubed(Tensor(2.0)).requires_grad


def test_a_straight_through_estimator_is_no_derivative_on_purpose():
    steps = custom_rule(np.round, lambda g, z, x, decimals=0: g, check=False)

    assert grad(lambda x: steps(x) ** 2)(1.2) == 2.0
    with pytest.raises(GradientError, match="its backward pass is not its derivative"):
        grad(custom_rule(np.round, lambda g, z, x: g))(1.2)


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, z, x: -g * np.cos(x),
        lambda g, z, x: g * np.cos(x) * 1.001,
        lambda g, z, x: np.cos(x),
        lambda g, z, x: None,
    ],
)
def test_a_wrong_rule_is_found_at_the_first_call(rule):
    with pytest.raises(GradientError, match=r"its backward pass is not its derivative[\s\S]*check=False"):
        custom_rule(np.sin, rule)(Tensor(X))
    custom_rule(np.sin, rule, check=False)(Tensor(X))


@pytest.mark.parametrize("example", [X, (X,)])
def test_a_wrong_rule_is_found_at_registration_where_an_example_is_given(example):
    wrong = lambda g, z, x: -g * np.cos(x)  # noqa: E731
    with pytest.raises(GradientError, match="its backward pass is not its derivative"):
        custom_rule(np.sin, wrong, example=example)
    sine = custom_rule(np.sin, example=example)
    with pytest.raises(GradientError, match="its backward pass is not its derivative"):
        sine.backward(wrong)
    custom_rule(np.sin, wrong, check=False, example=example)
    right = custom_rule(np.sin, lambda g, z, x: g * np.cos(x), example=example)
    np.testing.assert_allclose(grad(lambda x: np.sum(right(x)))(X), np.cos(X))

    @custom_rule(example=({"a": X, "n": 2}, 3))
    def scaled(tree, times):
        return times * tree["a"] ** tree["n"]

    with pytest.raises(GradientError, match="its backward pass is not its derivative"):
        scaled.backward(lambda g, z, tree, times: ({"a": g * times * tree["a"], "n": None}, None))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_stay(dtype):
    x = Tensor(X.astype(dtype))
    z = cubed(x)
    z.backward(np.ones(3, dtype))

    assert z.dtype == x.grad.dtype == dtype
    np.testing.assert_allclose(x.grad, 3 * X**2, rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 3)])
def test_shapes(shape):
    x = Tensor(np.full(shape, 2.0))
    cubed(x).backward(np.ones(shape))

    assert np.array_equal(x.grad, np.full(shape, 12.0))


def test_complex_numbers_follow_the_convention_of_the_package():
    squared = custom_rule(lambda z: z * z, lambda g, out, z: g * np.conj(2 * z))
    z = 1.0 + 2.0j

    np.testing.assert_allclose(grad(lambda z: np.real(squared(z)))(z), grad(lambda z: np.real(z * z))(z))


def test_batches_run_one_by_one():
    rows = np.arange(1.0, 7.0).reshape(2, 3)

    np.testing.assert_allclose(vmap(cubed)(rows), rows**3)
    np.testing.assert_allclose(vmap(grad(lambda x: np.sum(cubed(x))))(rows), 3 * rows**2)
    np.testing.assert_allclose(vmap(lambda x: halves({"w": x}, 2.0)["scaled"])(rows), 2 * rows)
    with pytest.raises(ValueError, match="no examples at all"):
        vmap(cubed)(np.zeros((0, 3)))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize(
    ("f", "plain"),
    [
        (lambda x: np.sum(cubed(x) * 2), lambda x: np.sum(x**3 * 2)),
        (lambda x: of_tree({"w": x}, 2.0), lambda x: of_tree_in_numpy({"w": x}, 2.0)),
        (lambda x: np.sum(by_numbers(x)), lambda x: np.sum(x**3)),
    ],
)
def test_compiled(executor, f, plain):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    step = clearprop.compile(value_and_grad(f), executor=executor)
    for k in range(6):
        for ours, theirs in zip(step(X + k), value_and_grad(plain)(X + k), strict=True):
            np.testing.assert_allclose(ours, theirs)
    assert "a rule of its own runs as it is written" in step.explain()


def test_a_rule_that_is_first_used_while_a_step_is_recorded():
    rule = custom_rule(np.sin, lambda g, z, x: g * np.cos(x))
    step = clearprop.compile(grad(lambda x: np.sum(rule(x))))
    for k in range(4):
        np.testing.assert_allclose(step(X + k), np.cos(X + k))
    wrong = custom_rule(np.sin, lambda g, z, x: -g * np.cos(x))
    with pytest.raises(GradientError, match="not its derivative"):
        clearprop.compile(grad(lambda x: np.sum(wrong(x))))(X)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_second_derivatives_compiled(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    step = clearprop.compile(hessian(lambda x: np.sum(cubed(x) * x)), executor=executor)
    for k in range(4):
        np.testing.assert_allclose(step(X + k), np.diag(12 * (X + k) ** 2))


def test_two_functions_of_one_name_are_two_in_a_compiled_step():
    def times(factor):
        @custom_rule
        def scaled(x):
            return x * factor

        @scaled.backward
        def backward(g, z, x):
            return g * factor

        return scaled

    two, three = times(2.0), times(3.0)
    step = clearprop.compile(lambda x: (two(x), three(x)))
    for _ in range(3):
        assert step(X)[0].tolist() == [1.0, 2.0, 4.0]
        assert step(X)[1].tolist() == [1.5, 3.0, 6.0]


def test_the_registry_knows_an_op_as_long_as_a_compiled_step_may_ask_for_it():
    def entered():
        known = set(ops)
        rule = custom_rule(lambda x: x + 0, lambda g, z, x: g, check=False)
        grad(rule)(1.0)
        assert set(ops) == known
        clearprop.compile(lambda x: rule(x) * 2)(X)
        (name,) = set(ops) - known
        assert ops[name] is rule.op
        return name

    gc.collect()
    name = entered()
    gc.collect()
    assert name not in ops


def test_it_is_one_box_and_one_step():
    x = Tensor(X, name="x")
    z = np.sum(cubed(x))
    z.backward()

    shown = clearprop.draw(z).to_text()
    assert "Cubed" in shown
    assert "call" not in shown  # what the op keeps for itself
    assert clearprop.formula(z).text == "z = sum(cubed(x))"
    reason = "cubed has no translation to JavaScript"
    assert f"A page cannot compute this anew: {reason}" in clearprop.trace(z).to_html()
    assert [node.op.name for node in clearprop.topological_order(z) if node.op] == ["cubed", "sum"]
    assert "cubed(x)" in str(clearprop.explain(x))


def test_a_rule_for_numbers_has_no_second_derivative():
    with pytest.raises(GradientError, match="written for numbers"):
        grad(grad(lambda x: np.sum(by_numbers(x * np.ones(2)))))(0.3)


def test_a_tensor_that_is_no_argument_is_refused():
    w = Tensor(2.0)

    with pytest.raises(GradientError, match="a Tensor that is none of its arguments"):
        custom_rule(lambda x: x * w, lambda g, z, x: g)(Tensor(1.0))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: custom_rule(3.0), TypeError, "wants a function"),
        (lambda: custom_rule(np.sin, chek=False), TypeError, "takes the keywords"),
        (lambda: custom_rule(np.tanh)(Tensor(1.0)), TypeError, "has no backward pass yet"),
        (lambda: custom_rule(lambda x: None, lambda g, z, x: g)(Tensor(1.0)), TypeError, "returns arrays"),
        (
            lambda: custom_rule(lambda x, y: x, lambda g, z, x, y: g)(Tensor(1.0), 2.0),
            ValueError,
            "wants 2 g",
        ),
        (lambda: custom_rule(lambda x: x, lambda g, z, x: g[None])(Tensor(1.0)), ValueError, "of the shape"),
        (lambda: custom_rule(lambda x: x, lambda g, z, x: g)(Tensor(1.0), 2.0), TypeError, "too many pos"),
        (lambda: custom_rule(lambda x, *, y: x, lambda g, z, x, y: g)(1.0, y=Tensor(1.0)), TypeError, "y="),
        (
            lambda: custom_rule(lambda x: (x, x.astype(np.float32)), lambda g, z, x: g[0])(Tensor(1.0)),
            TypeError,
            "one floating-point dtype",
        ),
    ],
)
def test_refusals(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_what_the_function_is_given_cannot_be_written_to():
    def spoil(x):
        x[0] = 7.0
        return x

    x = Tensor(X)
    with pytest.raises(ValueError, match="read-only"):
        custom_rule(spoil, lambda g, z, x: g)(x)
    assert x.value[0] == 0.5


def test_a_rule_that_answers_with_g_itself_shares_no_memory_with_it():
    x, g = Tensor(X), np.ones(3)
    custom_rule(lambda x: x + 0, lambda g, z, x: g)(x).backward(g)
    x.grad *= 2

    assert g.tolist() == [1.0, 1.0, 1.0]


def test_methods():
    class Scale:
        factor = 3.0

        @custom_rule
        def apply(self, x):
            return self.factor * x

        @apply.backward
        def _(g, z, self, x):
            return None, g * self.factor

    assert grad(Scale().apply)(2.0) == 3.0


def test_a_rule_may_name_none_for_parameters_that_were_left_out():
    @clearprop.custom_rule
    def root_of(x, degree=2.0):
        return x ** (1 / degree)

    @root_of.backward
    def root_of_backward(g, z, x, degree=2.0):
        return g * z / (degree * x), None

    assert grad(root_of)(4.0) == 0.25
    assert grad(lambda x: root_of(x, degree=2.0))(4.0) == 0.25


def test_an_example_of_which_nothing_can_be_compared_is_refused_and_tensors_are_taken():
    rule = lambda g, z, x: 3 * g * x  # noqa: E731
    with pytest.raises(TypeError, match="wants floats among the arguments"):
        custom_rule(lambda x: x * x, rule, example=(2,))
    with pytest.raises(GradientError, match="is not its derivative"):
        custom_rule(lambda x: x * x, rule, example=(Tensor(2.0),))
