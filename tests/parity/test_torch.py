"""What PyTorch's names mean here is what they mean in PyTorch: values, dtypes, gradients, errors, printing."""

import warnings

import numpy as np
import pytest
from tests.parity import torch_calls as calls

import clearprop.torch as ours

theirs = pytest.importorskip("torch")


def named(library, grad=False):
    """The tensors that the expressions are about."""
    found = {"torch": library}
    for name, array in {**calls.ARRAYS, **calls.WHOLE}.items():
        found[name] = library.tensor(array, requires_grad=grad and array.dtype.kind == "f")
    return found


def parts(x):
    """The arrays and plain values in a result."""
    if isinstance(x, (ours.Tensor, theirs.Tensor)):
        return [x.detach()]
    if isinstance(x, (tuple, list)):
        return [p for y in x for p in parts(y)]
    return [x if isinstance(x, (str, float)) else repr(x)]


def assert_same(mine, other):
    left, right = parts(mine), parts(other)

    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        if not isinstance(b, theirs.Tensor):
            assert a == (pytest.approx(b) if isinstance(b, float) else b)
            continue
        assert str(a.dtype) == str(b.dtype)
        assert tuple(a.shape) == tuple(b.shape)
        digits = {"float64": 1e-10, "float16": 2e-3}.get(str(a.dtype).split(".")[1], 3e-6)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=digits, atol=digits / 10, equal_nan=True)


def evaluated(text, library, grad=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = named(library, grad)
        return eval(text, known), known


@pytest.mark.parametrize("text", calls.CALLS)
def test_an_expression_has_the_same_value(text):
    assert_same(evaluated(text, ours)[0], evaluated(text, theirs)[0])


def gradients(text, library):
    """The gradients of a sum over all float results, each entry weighted by its place; None where none flows."""
    result, known = evaluated(text, library, grad=True)
    floats = [x for x in (result if isinstance(result, (tuple, list)) else [result]) if hasattr(x, "grad_fn")]
    total = 0.0
    for x in floats:
        if x.requires_grad:
            weights = library.arange(1.0, x.numel() + 1, dtype=x.dtype).reshape(x.shape)
            total = total + (x * weights).sum().double()
    if isinstance(total, float):
        return {}
    total.backward()
    return {name: known[name].grad for name in calls.ARRAYS if known[name].grad is not None}


FLAT = ("repr", "str(", "f'", "tolist", "numpy", "erfc", "median", "_rank", "lstsq", "svdvals")
FLAT += ("airy_ai", "bessel_", "_polynomial_")  # PyTorch has no gradients of these, and says nothing
DIFFERENT = {  # a kink, where ours is the least subgradient or shared; gradients that PyTorch leaves out
    "torch.fmod(a, 0.3)",
    "torch.sgn(p)",  # PyTorch gives zeros that are no array
    "torch.cholesky_inverse(m)",  # PyTorch sends some to the other triangle, which is not looked at
    "torch.nan_to_num(a / 0)",  # the largest number times a weight
    "torch.zeros(3, 5, dtype=a.dtype).scatter(1, i, a)",  # two writes to a place: which one lasts is not said
}


@pytest.mark.parametrize(
    "text", [t for t in calls.CALLS if not any(word in t for word in FLAT) and t not in DIFFERENT]
)
def test_an_expression_has_the_same_gradients(text):
    try:
        wanted = gradients(text, theirs)
    except RuntimeError as error:
        pytest.skip(f"PyTorch: {str(error)[:60]}")
    found = gradients(text, ours)

    for name in calls.ARRAYS:
        if name in wanted or name in found:
            a, b = found.get(name), wanted.get(name)
            zeros = np.zeros_like(calls.ARRAYS[name])
            a, b = (zeros if g is None else g.detach().numpy() for g in (a, b))
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("text", calls.REFUSED)
def test_what_raises_there_raises_here(text):
    errors = []
    for library in (theirs, ours):
        with pytest.raises(Exception) as caught:  # noqa: PT011  the class is PyTorch's, whichever it is
            evaluated(text, library)
        errors.append(caught.type)

    assert issubclass(errors[1], errors[0]) or issubclass(errors[0], errors[1])


@pytest.mark.parametrize("name", ["cov", "corrcoef"])
def test_short_floats_stay_short(name):
    x = np.array([[1.0, 2.0, 4.0], [2.0, 1.0, 0.0]], np.float32)
    found, wanted = (getattr(library, name)(library.tensor(x)) for library in (ours, theirs))

    assert str(found.dtype) == str(wanted.dtype) == "torch.float32"
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


# --- transformations of functions ---------------------------------------------------------------------------
def transformed(t):
    """What `torch.func` gives, of PyTorch's tensors or ours."""
    f, x, m = t.func, t.tensor([1.0, 2.0, -0.5]), t.arange(6.0).view(2, 3)
    held = {"w": t.ones(3), "more": [t.tensor(2.0)]}
    slopes, (value, aux) = f.grad_and_value(lambda z: ((z**3).sum(), z * 2), has_aux=True)(x)
    back = f.vjp(lambda z: z.sin() * 2, x)[1]
    named = f.grad(lambda p, z: (p["w"] * z).sum() * p["more"][0])(held, x)
    tracked = x.clone().requires_grad_()
    f.grad(lambda z: (z**3).sum())(tracked).sum().backward()
    return [
        slopes, value, aux, f.grad(f.grad(t.sin))(t.tensor(0.5)), *f.grad(t.dot, argnums=(0, 1))(x, x * 2),
        f.vmap(t.dot)(m, m), f.vmap(t.dot, in_dims=(0, None))(m, x), f.vmap(lambda z: z * 2, 1, 1)(m),
        f.vmap(f.grad(lambda z: (z**2).sum()))(m), f.vmap(f.vmap(t.sin))(m), *f.vmap(lambda z: (z, z.sum()))(m),
        f.vmap(f.grad(lambda w, z: (w * z).sum() ** 2), in_dims=(None, 0))(x, m), f.jacrev(lambda z: z**2)(x),
        f.jacfwd(lambda z: m @ z)(x), f.jacrev(t.mul, 1)(x, x), f.hessian(lambda z: (z**3).sum())(x),
        *back(t.ones(3)), *back(x), *f.jvp(t.sin, (x,), (t.ones(3),)), named["w"], named["more"][0], tracked.grad,
        x.new(2, 3) * 0, x.new([1.0, 2.0]), m.new(0),
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_transformations_of_functions_give_the_same():
    torch = pytest.importorskip("torch")
    for mine, theirs in zip(transformed(ours), transformed(torch), strict=True):
        assert tuple(mine.shape) == tuple(theirs.shape)
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-7)


def within_others(t):
    """What transformations give inside of each other, around what is enclosed, and where `no_grad` is."""
    f, x, one, two = t.func, t.tensor([1.0, 2.0]), t.ones(2), t.tensor(2.0)
    three = t.tensor([3.0])
    weight = t.ones(2, requires_grad=True)
    f.grad(lambda z: (z * weight).sum())(x).sum().backward()
    found = [
        weight.grad,
        *(f.grad(lambda z, i=i: f.jvp(lambda y: y**3, (z,), (one,))[i].sum())(x) for i in (0, 1)),
        f.grad(lambda z: f.vjp(lambda y: y**3, z)[0].sum())(x),
        f.grad(lambda z: f.vjp(lambda y: y**3, z)[1](one)[0].sum())(x),
        f.grad(lambda v: f.vjp(lambda y: y * y, x)[1](v)[0].sum())(one),
        f.grad(lambda v: f.jvp(lambda y: y * y, (x,), (v,))[1].sum())(one),
        f.grad(lambda w: f.grad(lambda y: w * y * y)(t.tensor(3.0)))(two),
        f.grad(lambda w: f.jacrev(lambda y: w * y * y)(three).sum())(two),
        f.grad(lambda w: f.vjp(lambda y: w * y * y, three)[1](t.ones(1))[0].sum())(two),
        f.grad(lambda w: f.jvp(lambda y: w * y * y, (three,), (t.ones(1),))[1].sum())(two),
    ]
    with t.no_grad():
        found += [f.grad(lambda z: (z * z).sum())(x), f.jacrev(t.sin)(x), f.vjp(t.sin, x)[1](one)[0]]
        found += [f.jvp(t.sin, (x,), (one,))[1], t.autograd.functional.jacobian(t.sin, x)]
        found += t.autograd.functional.jvp(t.sin, x, one)
    assert not any(z.requires_grad for z in found[1:])
    return found


def with_structure(t):
    """What transformations give of functions of several arguments and results, and of what stands beside."""
    f, x, one = t.func, t.tensor([1.0, 2.0]), t.ones(2)
    both = lambda y: (y**2, y.sum())  # noqa: E731
    value, back, aux = f.vjp(lambda y: (y**2, y * 3), x, has_aux=True)
    made, send = f.vjp(both, x)
    dots = f.vmap(lambda p: p[0] * p[1], in_dims=((0, None),))((x, t.tensor(2.0)))
    weights = f.vmap(lambda p, z: p["w"] * z, in_dims=({"w": None}, 0))({"w": t.tensor(2.0)}, x)
    return [
        *f.jacrev(lambda a, b: a * b, argnums=(0, 1))(x, one), *f.jacrev(lambda y: (y * 2, y), has_aux=True)(x),
        f.jacrev(lambda y: {"a": y * 2})(x)["a"], f.jacrev(lambda p: p["a"] ** 2)({"a": x})["a"],
        f.jacrev(lambda y: y[:0])(x), value, aux, *back(one), *made, *send((one, t.tensor(1.0))), dots, weights,
        *f.jvp(lambda y: (y**2, y), (x,), (one,), has_aux=True), *f.jvp(both, (x,), (one,))[1],
        f.jvp(lambda y: one, (x,), (one,))[1], *f.vjp(lambda y: one, x)[1](one),
        *f.vmap(lambda y: (y * 2, y.sum()), out_dims=(1, 0))(t.arange(6.0).view(2, 3)),
        *(z for row in f.hessian(lambda a, b: (a * a * b).sum(), argnums=(0, 1))(x, one) for z in row),
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("given", [within_others, with_structure])
def test_transformations_within_each_other_and_of_structures_give_the_same(given):
    torch = pytest.importorskip("torch")
    for mine, theirs in zip(given(ours), given(torch), strict=True):
        assert tuple(mine.shape) == tuple(theirs.shape)
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-7)


def test_entries_draw_the_same_or_their_own_or_nothing():
    draw, x = lambda z: z + ours.rand(()), ours.zeros(3)
    ours.manual_seed(5)
    first = ours.rand(()).item()
    ours.manual_seed(5)
    same, own = (ours.func.vmap(draw, randomness=how)(x).tolist() for how in ("same", "different"))

    assert same == [first] * 3
    assert len({*own, first}) == 4
    with pytest.raises(RuntimeError, match="called random operation"):
        ours.func.vmap(draw)(x)
    with pytest.raises(RuntimeError, match="one of 'error'"):
        ours.func.vmap(draw, randomness="some")


def test_transformations_refuse_what_they_cannot_take():
    f, x = ours.func, ours.ones(3)
    with pytest.raises(RuntimeError, match="wants a function that returns a number"):
        f.grad(lambda z: z * 2)(x)
    with pytest.raises(ValueError, match="axes of one length"):
        f.vmap(ours.add)(ours.ones(2), x)
    with pytest.raises(ValueError, match="axes of one length"):
        f.vmap(ours.sin, in_dims=None)(x)
    with pytest.raises(ValueError, match="an axis for each argument"):
        f.vmap(ours.add, in_dims=(0,))(x, x)


def test_functional_call_does_not_part_what_a_module_has_in_two_places():
    import clearprop.torch as torch

    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    second.weight = first.weight
    model, x = torch.nn.Sequential(first, second), torch.ones(1, 2)
    ones = torch.ones(2, 2)
    both = {
        f"{i}.{name}": ones if name == "weight" else torch.zeros(2)
        for i in (0, 1)
        for name in ("weight", "bias")
    }
    with pytest.raises(ValueError, match=r"one value for 0\.weight and 1\.weight"):  # as in PyTorch
        torch.func.functional_call(model, both | {"1.weight": torch.ones(2, 2)}, (x,))

    assert torch.func.functional_call(model, both, (x,)).tolist() == [[4.0, 4.0]]
    with pytest.raises(RuntimeError, match=r"tie_weights=False, 0\.weight"):
        torch.func.functional_call(model, {"0.weight": torch.ones(2, 2)}, (x,), tie_weights=False)
    torch.func.functional_call(model, {"0.bias": torch.ones(2)}, (x,), tie_weights=False)
    with pytest.raises(TypeError):
        torch.func.functional_call(model, {}, (x,), stict=True)


def test_a_median_of_what_is_no_number_is_none():
    rows = [[1.0, float("nan"), 3.0, float("nan")], [4.0, 2.0, 3.0, 1.0]]
    for dim in (0, 1):
        mine, wanted = (torch.tensor(rows).median(dim) for torch in (ours, theirs))
        np.testing.assert_array_equal(mine.values.numpy(), wanted.values.numpy())
        np.testing.assert_array_equal(mine.indices.numpy(), wanted.indices.numpy())
    assert ours.tensor(rows).median().isnan().item()


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64"])
@pytest.mark.parametrize("make", ["tensor", "as_tensor", "asarray"])
def test_numbers_are_rounded_once_to_the_dtype_named(make, kind):
    """0.1 as a float64 is not the float32 of 0.1, a whole number above 2^24 is none; float16 goes by float32."""
    numbers = [0.1, -1.7, 1 + 2**-11 + 2**-40, 16777217.0 if kind != "float16" else 5.0]
    mine, wanted = (getattr(t, make)(numbers, dtype=getattr(t, kind)).numpy() for t in (ours, theirs))
    np.testing.assert_array_equal(mine, wanted)
    assert mine.dtype == wanted.dtype
