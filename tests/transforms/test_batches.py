"""vmap: functions of one example on many, in and around gradients, nested, compiled, with random numbers."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, hessian, jacfwd, jacrev, jvp, manual_seed, nn, vmap
from clearprop.compiler.step import available_executors
from clearprop.nn import functional as F
from clearprop.ops.random import uniform

A = np.random.default_rng(0).normal(size=(3, 4))
XS = np.random.default_rng(1).normal(size=(5, 4))
EXECUTORS = (None, *available_executors())  # None: eager


def made(function, executor):
    return clearprop.compile(function, executor=executor) if executor else function


def bent(x):
    return np.tanh(A @ x)


def cost(x):
    return np.sum(bent(x) ** 3)


def loss(w, x):
    return np.sum(np.tanh(x @ w) ** 2)


W = np.random.default_rng(2).normal(size=(4, 2))


def test_the_average_of_per_example_gradients_is_the_gradient_of_the_average():
    each = vmap(grad(loss), in_axes=(None, 0))(W, XS)

    assert each.shape == (5, 4, 2)
    np.testing.assert_allclose(each.mean(axis=0), grad(lambda w: np.mean(vmap(loss, (None, 0))(w, XS)))(W))
    np.testing.assert_allclose(each, np.stack([grad(loss)(W, x) for x in XS]), rtol=1e-12)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "f",
    [
        bent,
        grad(cost),
        jacrev(bent),
        jacfwd(bent),
        hessian(cost),
        lambda x: jvp(bent, (x,), (x,))[1],
        lambda x: vmap(lambda a: np.sum(a * x))(A),
        lambda x: grad(lambda v: np.sum(vmap(lambda a: np.sin(a @ v))(A)))(x),
    ],
    ids=["values", "grad", "jacrev", "jacfwd", "hessian", "jvp", "nested", "grad of vmap"],
)
def test_mapped_transformations_are_what_a_loop_gives(f, executor):
    mapped = made(vmap(f), executor)
    mapped(XS)

    wanted = np.stack([f(x) for x in XS + 0.1])
    np.testing.assert_allclose(np.asarray(mapped(XS + 0.1)), wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_gradient_through_mapped_gradients(executor):
    f = made(grad(lambda xs: np.sum(vmap(grad(cost))(xs) ** 2)), executor)
    f(XS)

    wanted = np.stack([2 * hessian(cost)(x) @ grad(cost)(x) for x in XS])
    np.testing.assert_allclose(np.asarray(f(XS)), wanted, rtol=1e-10, atol=1e-12)


def test_an_argument_that_is_the_same_for_all_has_a_gradient_of_each_example():
    w = Tensor(W)
    slope = np.sum(vmap(grad(lambda x: loss(w, x)))(XS))
    slope.backward()

    assert w.grad.shape == W.shape
    each = vmap(lambda x: grad(lambda w: loss(w, x))(W))(XS)
    np.testing.assert_allclose(each[1], grad(loss)(W, XS[1]), rtol=1e-12)


def test_axes_of_arguments_and_results():
    assert vmap(lambda x, y: x * y, in_axes=(0, None))(XS, 2.0).shape == (5, 4)
    assert vmap(lambda x: x, in_axes=1)(XS).shape == (4, 5)
    assert vmap(lambda x: x, in_axes=-1, out_axes=1)(XS).shape == (5, 4)
    found = vmap(lambda p: {"a": p["x"] * p["s"], "n": 1.0}, in_axes=({"x": 0, "s": None},),
                 out_axes={"a": 1, "n": None})({"x": XS, "s": 2.0})  # fmt: skip
    assert found["a"].shape == (4, 5)
    assert found["n"] == 1.0
    np.testing.assert_array_equal(vmap(lambda x: 1.0)(XS), np.ones(5))
    assert vmap(vmap(lambda a, b: a * np.sum(b), (0, None)), (None, 0))(np.arange(3.0), XS).shape == (5, 3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: vmap(lambda x, y: x)(XS, A), "as many examples of each argument: axes of lengths 5, 3"),
        (lambda: vmap(lambda x: x)(1.0), "axis 0 of an argument to count the examples"),
        (lambda: vmap(lambda x: x, in_axes=2)(XS), "axis 2 of an argument"),
        (lambda: vmap(lambda x: x, in_axes=(0, 0))(XS), "in_axes with an entry for each of 1 arguments"),
        (lambda: vmap(lambda x: x, in_axes=None)(XS), "no axis that counts examples"),
        (lambda: vmap(lambda x: x, in_axes=("x",))(XS), "wants in_axes as a number, None, or a tree"),
        (lambda: vmap(lambda x: x, out_axes=None)(XS), "results that differ between examples"),
        (lambda: vmap(np.sum, out_axes=1)(XS), "an axis that the results have room for"),
        (lambda: vmap(np.sum, randomness="all"), "randomness is one of error, different, same"),
    ],
)
def test_mistakes_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_layers_see_one_example():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)).double()
    images = np.random.default_rng(0).normal(size=(3, 1, 1, 6, 6))
    each = vmap(lambda image: grad(lambda x: np.sum(model(x) ** 2))(image))(images)

    wanted = np.stack([grad(lambda x: np.sum(model(x) ** 2))(image).value for image in images])
    np.testing.assert_allclose(each.value, wanted, rtol=1e-10, atol=1e-14)


def test_per_example_gradients_of_a_modules_parameters():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 2)).double()
    xs = np.random.default_rng(0).normal(size=(3, 1, 1, 6))
    params = {path: p.value for path, p in model.named_parameters()}

    def squared(params, x):
        return np.sum(nn.functional_call(model, params, x) ** 2)

    each = vmap(grad(squared), in_axes=(None, 0))(params, xs)
    for path in params:
        wanted = np.stack([np.asarray(grad(squared)(params, x)[path]) for x in xs])
        np.testing.assert_allclose(np.asarray(each[path]), wanted, rtol=1e-10, atol=1e-14)


# --- random numbers -----------------------------------------------------------------------------------------
def test_random_numbers_are_refused_unless_told():
    ones = np.ones((4, 3))
    f = lambda v: F.dropout(v, 0.5, True)  # noqa: E731

    with pytest.raises(ValueError, match="whether examples share their random numbers"):
        vmap(f)(ones)
    manual_seed(3)
    same = vmap(f, randomness="same")(ones)
    assert (same == same[0]).all()
    manual_seed(3)
    different = vmap(lambda v: v * uniform((3,)), randomness="different")(ones)
    different = different.value if isinstance(different, Tensor) else different
    assert different.shape == (4, 3)
    assert len(np.unique(different)) == 12


@pytest.mark.parametrize("executor", available_executors())
def test_compiled_random_numbers_are_new_at_each_call(executor):
    f = clearprop.compile(vmap(lambda v: v * uniform((3,)), randomness="different"), executor=executor)
    manual_seed(3)
    first, second = np.asarray(f(np.ones((4, 3)))), np.asarray(f(np.ones((4, 3))))

    assert (first != second).all()


def test_no_examples_at_all():
    assert vmap(grad(cost))(np.zeros((0, 4))).shape == (0, 4)
    assert vmap(bent)(np.zeros((0, 4))).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_stay(dtype):
    assert vmap(grad(lambda x: np.sum(x**2)))(np.ones((2, 3), dtype)).dtype == dtype


# --- pulls and pushes ---------------------------------------------------------------------------------------
def test_a_pull_and_a_push_may_be_mapped():
    _, pull = clearprop.vjp(bent, XS[0])
    _, push = clearprop.linearize(bent, XS[0])

    wanted = jacrev(bent)(XS[0])
    np.testing.assert_allclose(vmap(pull)(np.eye(3))[0], wanted)
    np.testing.assert_allclose(vmap(push)(np.eye(4)).T, wanted, rtol=1e-12)
    each = vmap(lambda x: vmap(clearprop.vjp(bent, x)[1])(np.eye(3))[0])(XS)
    np.testing.assert_allclose(each, vmap(jacrev(bent))(XS))


def test_second_derivatives_through_a_mapped_function():
    h = hessian(lambda xs: np.sum(vmap(cost)(xs)))(XS)

    np.testing.assert_allclose(h[1, :, 1, :], hessian(cost)(XS[1]), rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(h[1, :, 2, :], np.zeros((4, 4)))


def test_a_jacobian_that_depends_on_a_tensor_stays_in_its_graph():
    w = Tensor(2.0)
    for whole in (jacrev, jacfwd):
        w.grad = None
        np.sum(vmap(whole(lambda x: w * x**2))(XS)).backward()
        assert w.grad == pytest.approx(np.sum(2 * XS))


def test_beside_torch():
    torch = pytest.importorskip("torch")
    ours = vmap(grad(loss), in_axes=(None, 0))(W, XS)
    theirs = torch.func.vmap(
        torch.func.grad(lambda w, x: torch.sum(torch.tanh(x @ w) ** 2)), in_dims=(None, 0)
    )(torch.tensor(W), torch.tensor(XS))

    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12)


SAMPLES = np.where(np.arange(20).reshape(5, 4) % 7 == 3, np.nan, XS)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * np.zeros_like(x) + np.ones_like(x) + np.full_like(x, 2.0),
        lambda x: np.full_like(x, np.sum(x)) + np.empty_like(x) * 0,
        lambda x: x.astype(np.result_type(x, np.float32)) * (not np.iscomplexobj(x)),
        lambda x: np.outer(x, x)[np.diag_indices_from(np.outer(x, x))],
        lambda x: np.nanmean(SAMPLES[0] * x),
        lambda x: np.stack([np.nanmax(SAMPLES[0] * x), np.nanmin(SAMPLES[0] * x)]),
        lambda x: np.stack([np.nanvar(SAMPLES[0] * x), np.nanstd(SAMPLES[0] * x, ddof=1)]),
        lambda x: np.stack([np.nanmedian(SAMPLES[0] * x), np.nanquantile(SAMPLES[0] * x, 0.3)]),
        lambda x: np.linalg.lstsq(A.T, x, rcond=None)[1],
        lambda x: np.polyfit(np.arange(4.0), x, 1),
        lambda x: np.roots(x[:2]),
        lambda x: np.geomspace(np.exp(x), 9.0, 3),
    ],
)
def test_functions_of_shapes_and_of_numbers_among_others(f):
    found = vmap(f)(XS)
    np.testing.assert_allclose(found, np.stack([f(x) for x in XS]), rtol=1e-12)
    slopes = vmap(grad(lambda x: np.sum(f(x) * x[0])))(XS)
    np.testing.assert_allclose(
        slopes, np.stack([grad(lambda x: np.sum(f(x) * x[0]))(x) for x in XS]), rtol=1e-10
    )
