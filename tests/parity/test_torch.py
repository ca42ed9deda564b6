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
