"""What is asked of gradients by a keyword of PyTorch's is done or refused, and never passed over."""

import numpy as np
import pytest

import clearprop.torch as torch

X = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
FUNCTIONAL = torch.autograd.functional


def square(x):
    return x * x


def test_an_input_that_was_not_used_has_zeros_where_they_are_asked_for():
    unused = torch.ones(3, requires_grad=True)

    used, other = torch.autograd.grad(square(X).sum(), (X, unused), materialize_grads=True)

    np.testing.assert_array_equal(used.numpy(), [2.0, 4.0])
    np.testing.assert_array_equal(other.numpy(), np.zeros(3, np.float32))
    assert torch.autograd.grad(square(X).sum(), (X, unused), allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match="input 1"):
        torch.autograd.grad(square(X).sum(), (X, unused), allow_unused=False, materialize_grads=True)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch.autograd.grad(square(X), X, torch.ones(3, 2), is_grads_batched=True),
        lambda: FUNCTIONAL.jacobian(square, X, strict=True),
        lambda: FUNCTIONAL.hessian(lambda x: square(x).sum(), X, strict=True),
        lambda: FUNCTIONAL.vjp(square, X, torch.ones(2), strict=True),
        lambda: torch.func.jvp(square, (X,), (torch.ones(2),), strict=True),
    ],
)
def test_what_is_not_done_is_refused(ask):
    with pytest.raises(NotImplementedError, match=r"(?s)test_asked\.py.*Try"):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch.autograd.grad(square(X).sum(), X, create_grph=True),
        lambda: FUNCTIONAL.jacobian(square, X, create_grph=True),
        lambda: torch.func.vmap(square, chunks=2),
        lambda: torch.nn.Linear(2, 1).state_dict(keep=True),
    ],
)
def test_a_word_that_is_misspelt_is_an_error(ask):
    with pytest.raises(TypeError):
        ask()


def test_a_state_has_the_tensors_themselves_where_they_are_asked_for():
    layer, whole = torch.nn.Linear(2, 1), {}

    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight
    assert layer.state_dict(destination=whole, prefix="first.") is whole
    assert list(whole) == ["first.weight", "first.bias"]
    assert not whole["first.weight"].requires_grad


def test_a_state_that_would_change_a_dtype_is_refused_where_it_would_be_assigned():
    layer = torch.nn.Linear(2, 1)
    state = {name: t.double() for name, t in layer.state_dict().items()}

    assert layer.load_state_dict(layer.state_dict(), assign=True).missing_keys == []
    with pytest.raises(NotImplementedError, match=r"(?s)weight of float64.*Try model.to\(torch.float64\)"):
        layer.load_state_dict(state, assign=True)
    with pytest.raises(TypeError):
        layer.load_state_dict(state, asign=True)
