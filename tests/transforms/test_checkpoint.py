"""`checkpoint`: what is computed again gives what would have been kept, random numbers among it."""

import gc
import tracemalloc

import numpy as np
import pytest

import clearprop
from clearprop import (
    GradientError,
    Tensor,
    assign,
    checkpoint,
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    manual_seed,
    nn,
    no_grad,
    value_and_grad,
    vjp,
    vmap,
)
from clearprop.ops.random import get_rng_state, uniform

X = np.array([0.5, -1.0, 2.0])


def wave(x):
    return np.sin(np.exp(x)) * x


def gradients(step, *tensors):
    """Run a step and return what it left in `.grad`."""
    for t in tensors:
        t.grad = None
    step().backward()
    return [np.array(t.grad) for t in tensors]


@pytest.mark.parametrize("derivative", [grad, lambda f: grad(grad(f)), lambda f: grad(grad(grad(f)))])
def test_derivatives_of_any_order(derivative):
    assert derivative(checkpoint(wave))(0.3) == pytest.approx(derivative(wave)(0.3), rel=1e-14)


@pytest.mark.parametrize("derivative", [jacobian, jacrev, jacfwd])
def test_whole_derivatives(derivative):
    np.testing.assert_allclose(derivative(checkpoint(wave))(X), derivative(wave)(X), rtol=1e-14)
    total, same = (lambda f: lambda x: np.sum(f(x) ** 2)), 1e-12
    np.testing.assert_allclose(hessian(total(checkpoint(wave)))(X), hessian(total(wave))(X), rtol=same)
    for a, b in zip(jvp(checkpoint(wave), (X,), (X,)), jvp(wave, (X,), (X,)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_tensors_in_the_closure_receive_their_gradients():
    w, b, x = Tensor(X, name="w"), Tensor(0.5, name="b"), Tensor(X + 1, name="x")
    layer = lambda x: np.tanh(x * w + b) * w  # noqa: E731

    plain = gradients(lambda: np.sum(layer(layer(x)) * w), w, b, x)
    again = gradients(lambda: np.sum(checkpoint(layer)(checkpoint(layer)(x)) * w), w, b, x)
    for a, c in zip(plain, again, strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-14)


def test_a_parameter_that_has_moved_meanwhile_is_read_as_it_was():
    w = Tensor(2.0)
    z = checkpoint(lambda x: w * x * x)(Tensor(3.0))
    assign(w, 100.0)
    x = z.inputs[0]
    z.backward()

    assert x.grad == 12.0
    assert w.grad == 9.0


def test_only_closures():
    w = Tensor(2.0)
    z = checkpoint(lambda x: w * x)(3.0)
    z.backward()

    assert w.grad == 3.0


def test_trees_keywords_and_several_results_of_several_dtypes():
    def f(p, *, scale, mode="a"):
        small = p["w"].astype(np.float32)
        return {"sum": np.sum(p["w"]) * scale, "all": [p["w"] ** 2, small * small], "n": 3, "t": mode}

    def loss(f):
        def total(p, scale):
            found = f(p, scale=scale)
            assert found["t"] == "a"
            assert found["n"] == 3
            return found["sum"] ** 2 + np.sum(found["all"][0]) + np.sum(found["all"][1]).astype(np.float64)

        return total

    plain, again = (grad(loss(g), (0, 1))({"w": X}, 2.0) for g in (f, checkpoint(f)))
    np.testing.assert_allclose(plain[0]["w"], again[0]["w"])
    np.testing.assert_allclose(plain[1], again[1])


def test_results_that_depend_on_nothing_stay_what_they_are():
    constant, indices = np.ones(2), checkpoint(lambda x: (np.ones(2), np.argsort(x), x))(Tensor(X))[1]
    same, _, x = checkpoint(lambda x: (constant, None, x))(Tensor(X))

    assert same is constant
    assert x.requires_grad
    assert np.asarray(indices).tolist() == [1, 0, 2]


def network(depth=4, more=tuple):
    manual_seed(0)
    layers = [nn.Sequential(nn.Linear(6, 6), nn.Tanh(), *more()) for _ in range(depth)]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    "more",
    [
        lambda: (),
        lambda: (nn.Dropout(0.5),),
        lambda: (nn.BatchNorm1d(6),),
        lambda: (nn.BatchNorm1d(6, momentum=None), nn.Dropout(0.3)),
    ],
)
def test_modules_draw_the_same_and_change_their_statistics_once(more):
    found = []
    for wrap in (lambda m: m, checkpoint):
        model = network(more=more)
        manual_seed(7)
        x = Tensor(np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32))
        for _ in range(2):
            h = x
            for part in model:
                h = wrap(part)(h)
            np.sum(h * h).backward()
        leaves = [x.grad, *(p.grad for p in model.parameters()), *(b.value for b in model.buffers())]
        found.append([*map(np.array, leaves), get_rng_state()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        checkpoint(lambda m, x: np.sum(np.tanh(m(x)))),
        lambda m, x: np.sum(np.tanh(checkpoint(m)(x))),
        lambda m, x: checkpoint(lambda x: np.sum(np.tanh(checkpoint(m)(x))))(x),
    ],
)
def test_a_module_that_is_differentiated_holds_other_tensors_meanwhile(f):
    model = nn.Linear(3, 2, dtype=np.float64)

    plain, again = grad(lambda m, x: np.sum(np.tanh(m(x))))(model, X[None]), grad(f)(model, X[None])
    assert plain.keys() == again.keys() == {"weight", "bias"}
    for k in plain:
        np.testing.assert_allclose(plain[k].value, again[k].value)
    f(model, Tensor(X[None])).backward()
    np.testing.assert_allclose(model.weight.grad, plain["weight"].value)


def test_nested():
    w = Tensor(X, name="w")

    def inner(x):
        return np.tanh(x * w) * uniform((3,))

    def outer(wrap):
        def f(x):
            return wrap(inner)(wrap(inner)(x) + w) * w

        return f

    results = []
    for wrap in (lambda f: f, checkpoint):
        manual_seed(3)
        results.append(gradients(lambda wrap=wrap: np.sum(wrap(outer(wrap))(Tensor(X))), w)[0])
        results.append(get_rng_state())
    np.testing.assert_allclose(results[0], results[2], rtol=1e-14)
    assert np.array_equal(results[1], results[3])


def test_a_gradient_inside():
    def f(x):
        return np.sum(grad(lambda y: np.sum(np.sin(y) * x))(x) * x)

    np.testing.assert_allclose(grad(checkpoint(f))(X), grad(f)(X), rtol=1e-14)


INNER = {  # what each makes of u is nothing but a derivative by something else
    "grad": lambda u: grad(lambda y: np.sin(y * u))(0.4),
    "both parts": lambda u: np.prod(np.stack(value_and_grad(lambda y: np.sin(y * u))(0.4))),
    "along u": lambda u: jvp(np.sin, (0.4,), (u,))[1],
    "pulled from u": lambda u: vjp(np.sin, 0.4)[1](u)[0],
    "jacobian": lambda u: np.sum(jacobian(lambda y: np.sin(y * u))(X)),
    "hessian": lambda u: np.sum(hessian(lambda y: np.sum(np.sin(y * u)))(X)),
    "mapped": lambda u: np.sum(vmap(grad(lambda y: np.sin(y * u)))(X)),
    "within itself": lambda u: checkpoint(lambda t: grad(lambda y: np.sin(y * t))(0.4))(u),
    "of none": lambda u: u * float(grad(np.sin)(0.4)),
    "without": lambda u: u * without(u),
}


def without(u):
    with no_grad():
        return float(np.asarray(grad(lambda y: y * y * u)(3.0)))


@pytest.mark.parametrize("name", INNER)
def test_a_result_that_is_a_derivative_by_something_else_has_its_own(name):
    f = INNER[name]
    for g in (f, lambda v: grad(lambda x: f(x) ** 2)(v)):
        assert grad(checkpoint(g))(1.1) == pytest.approx(grad(g)(1.1), rel=1e-12)
        assert grad(lambda v, g=g: v * checkpoint(g)(v))(1.1) == pytest.approx(
            grad(lambda v, g=g: v * g(v))(1.1)
        )


def stored(u):
    array = np.zeros(2)
    array[0] = u
    return np.sum(array)


LEAVING = [
    lambda u: np.sum(np.array([u, 2 * u])),
    lambda u: np.sum(np.asarray(u * u)),
    lambda u: float(u) ** 2,
    lambda u: (2 * u).item(),
    lambda u: float(grad(lambda y: y * y * u)(3.0)),
    stored,
]


@pytest.mark.parametrize("f", LEAVING)
def test_who_leaves_the_graph_inside_is_told_so_as_outside(f):
    with pytest.raises((TypeError, GradientError)) as plainly:
        grad(f)(1.1)
    with pytest.raises(plainly.type) as again:
        grad(checkpoint(f))(1.1)

    assert str(again.value).splitlines()[1:] == str(plainly.value).splitlines()[1:]


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_compiled(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    w = Tensor(X, name="w")
    f = checkpoint(lambda x: np.tanh(x * w) * x)
    step = clearprop.compile(value_and_grad(lambda x: np.sum(f(f(x)))), executor=executor)
    eager = value_and_grad(lambda x: np.sum(f(f(x))))
    for k in range(6):
        for a, b in zip(step(X + k), eager(X + k), strict=True):
            np.testing.assert_allclose(a, b.value if isinstance(b, Tensor) else b, rtol=1e-12)


def test_a_compiled_training_step_with_dropout_is_the_eager_one():
    results = []
    for compiled in (False, True):
        model = network(more=lambda: (nn.Dropout(0.5),))
        optimizer = clearprop.optim.SGD(model.parameters(), lr=0.1)
        manual_seed(5)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            h = x
            for part in model:
                h = checkpoint(part)(h)
            loss = np.mean(h * h)
            loss.backward()
            optimizer.step()
            return loss

        run = clearprop.compile(step) if compiled else step
        x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
        losses = [run(x) for _ in range(6)]
        results.append([float(v.value if isinstance(v, Tensor) else v) for v in losses])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_batches():
    rows = np.arange(6.0).reshape(2, 3)
    w = Tensor(X)
    f = checkpoint(lambda x: np.sum(np.tanh(x * w)))

    plain = vmap(grad(lambda x: np.sum(np.tanh(x * X))))(rows)
    np.testing.assert_allclose(vmap(grad(f))(rows).value, plain)
    np.testing.assert_allclose(jacobian(lambda v: checkpoint(vmap(wave))(v))(rows).shape, (2, 3, 2, 3))


def test_without_a_gradient_nothing_is_kept():
    with no_grad():
        assert checkpoint(wave)(Tensor(X)).inputs == ()
    assert isinstance(checkpoint(wave)(X), np.ndarray)
    assert checkpoint(lambda: 3.0)() == 3.0


def test_it_is_one_box_that_names_the_function():
    x = Tensor(X, name="x")
    z = np.sum(checkpoint(wave)(x))
    z.backward()

    assert [node.op.name for node in clearprop.topological_order(z) if node.op] == ["wave", "sum"]
    assert "wave(x)" in str(clearprop.explain(x))
    assert "Wave" in clearprop.draw(z).to_text()


# --- what would be another gradient -------------------------------------------------------------------------
def test_numbers_of_another_generator_are_refused():
    rng = np.random.default_rng(0)
    z = np.sum(checkpoint(lambda x: x * rng.normal(size=3))(Tensor(X)))

    with pytest.raises(GradientError, match="something else when it is run again"):
        z.backward()


def test_a_name_that_means_something_else_by_then_is_refused():
    weights, h = [Tensor(X), Tensor(X + 1)], Tensor(X)
    for w in weights:
        h = checkpoint(lambda x: np.tanh(x * w))(h)  # noqa: B023

    with pytest.raises(GradientError, match="which the first run did not read"):
        np.sum(h).backward()

    h = Tensor(X)
    for w in weights:
        h = checkpoint(lambda x, w: np.tanh(x * w))(h, w)
    np.sum(h).backward()


def test_an_array_that_was_edited_is_refused():
    scale = np.ones(3)
    z = np.sum(checkpoint(lambda x: x * scale)(Tensor(X)))
    scale[:] = 2.0

    with pytest.raises(GradientError, match="results that differ"):
        z.backward()


def test_an_assignment_to_what_needs_a_gradient_is_refused():
    w = Tensor(X)

    def f(x):
        y = x * w
        assign(w, X + 1)
        return y

    with pytest.raises(GradientError, match="cannot give a Tensor a new value"):
        checkpoint(f)(Tensor(X))


REACHED = {  # functions of w whose checkpoints reach it by name, each with its derivative at 2
    "returned": (lambda w: checkpoint(lambda x: w)(1.0) * w, 4.0),
    "in a tree": (lambda w: np.multiply(*checkpoint(lambda x: [w, w * x])(3.0)), 12.0),
    "a checkpoint's gradient": (lambda w: grad(checkpoint(lambda x: w * x**2))(3.0), 6.0),
    "where a gradient is": (lambda w: grad(lambda u: 3 * u**2)(w), 6.0),
    "where a checkpoint's is": (lambda w: grad(checkpoint(lambda u: u**2 * w))(w), 8.0),
    "where a derivative is": (lambda w: jvp(lambda u: u**3, (w,), (1.0,))[1], 12.0),
    "along what": (lambda w: jvp(lambda u: u**3, (2.0,), (w,))[1], 12.0),
    "beside": (lambda w: checkpoint(lambda a: checkpoint(lambda b: a)(w))(3 * w), 3.0),
    "twice": (lambda w: grad(checkpoint(lambda x: grad(checkpoint(lambda u: u**3 * w))(x) * x))(w), 108.0),
}


@pytest.mark.parametrize(("f", "right"), REACHED.values(), ids=REACHED)
def test_what_is_reached_by_name_has_its_gradient(f, right):
    def by_name(w):
        return checkpoint(lambda: checkpoint(lambda: f(w))())()

    assert grad(f)(2.0) == grad(checkpoint(f))(2.0) == grad(by_name)(2.0) == right
    assert jvp(by_name, (2.0,), (1.0,))[1] == right


def test_a_result_that_depends_on_nothing_sends_zeros_row_by_row():
    def f(x):
        return checkpoint(lambda u: grad(lambda v: u * x)(0.3))(x) + x

    assert jacobian(f)(0.7) == vmap(grad(f))(np.array([0.7]))[0] == 1


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: checkpoint(3.0), TypeError, "wants a function"),
        (lambda: checkpoint(wave, use_reentrant=False), TypeError, "takes the keywords"),
        (lambda: checkpoint(lambda x: None)(Tensor(X)), TypeError, "returns arrays"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_memory_is_that_of_the_pieces():
    weights = [Tensor(np.eye(64)) for _ in range(64)]
    x = np.ones((512, 64))

    def piece(x, *ws):
        for w in ws:
            x = np.tanh(x @ w)
        return x

    def peak(wrap):
        gc.collect()
        tracemalloc.start()
        h = Tensor(x)
        for k in range(0, 64, 8):
            h = wrap(piece)(h, *weights[k : k + 8])
        clearprop.backward(np.sum(h), leaves_only=True)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(checkpoint) < 0.4 * peak(lambda f: f)
