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
DIFFERENT = {  # a kink, where ours is the least subgradient or shared; gradients that PyTorch leaves out
    "torch.fmod(a, 0.3)",
    "torch.sgn(p)",  # PyTorch gives zeros that are no array
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
