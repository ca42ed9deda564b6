"""What programs call under PyTorch's names: a refusal says what was called, wanted, got, what to try."""

import re

import numpy as np
import pytest

import clearprop.torch as torch

CALLS = {
    "torch.narrow(x, 1, '3', 2)": (TypeError, "wants start as a whole number: '3'", "start=3"),
    "torch.narrow(x, 1)": (TypeError, "missing a required argument: 'start'", "torch.narrow(input, dim,"),
    "x.narrow(0, 1, 7)": (RuntimeError, "wants a piece of the 2 entries", "t.narrow(dim, start, length)"),
    "x.sum(1, keepdim=3)": (TypeError, "wants keepdim as True or False: 3", "keepdim=True or keepdim=False"),
    "torch.exp(2.0)": (TypeError, "wants input as a tensor: 2.0", "torch.tensor(x)"),
    "torch.maximum(x, 2)": (TypeError, "wants other as a tensor: 2", "torch.tensor(x)"),
    "torch.rot90(x, 2.5)": (TypeError, "wants k as a whole number: 2.5", "k=2"),
    "x.sum(5)": (IndexError, "axis 5 is out of bounds", "an axis from -2 to 1"),
    "x[9]": (IndexError, "index 9 is out of bounds", "an index from -2 to 1"),
    "x['a']": (IndexError, "an index array holds integers", "the labels"),
    "torch.cat(3)": (TypeError, "wants a sequence of tensors: 3", "torch.cat((x, y))"),
    "torch.stack([x], 9)": (IndexError, "axis 9 is out of bounds", "an axis from -3 to 2"),
    "x.add_('a')": (TypeError, "wants tensors and numbers: str", "torch.tensor(x)"),
    "torch.zeros('3')": (TypeError, "wants whole numbers: ('3',)", "whole numbers"),
    "torch.zeros(2, dim=0)": (TypeError, "an unexpected keyword argument: dim", "torch.zeros(*size, dtype="),
    "x.bogus()": (AttributeError, "there is no such method", ""),
    "torch.linalg.inv(x)": (RuntimeError, "must be square", "inv("),
    "torch.linalg.inv(0 * x[:, :2])": (RuntimeError, "Singular matrix", "np.linalg.pinv(x)"),
    "torch.special.expit('a')": (TypeError, "wants input as a tensor: 'a'", "torch.tensor(x)"),
}  # fmt: skip


@pytest.mark.parametrize("text", CALLS)
def test_a_refusal_has_its_five_parts(text):
    kind, wanted, hint = CALLS[text]
    with pytest.raises(kind) as caught:
        eval(compile(text, __file__, "eval"), {"torch": torch, "x": torch.ones(2, 3)})
    said = str(caught.value)

    assert wanted in said.split("\n")[0]
    if hint:
        assert f"At {__file__}:" in said
        assert re.search(rf"\n  Try .*{re.escape(hint)}", said)


def test_what_a_persons_own_function_raises_is_raised_as_it_is():
    def own(v):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        torch.ones(2).apply_(own)


def test_a_type_that_passed_once_does_not_pass_for_another_value():
    """Whether a tensor is a whole number is seen in its value, and not in its type."""
    x = torch.ones(2, 3)
    assert x.select(0, torch.tensor(1)).shape == (3,)
    with pytest.raises(TypeError, match="whole number"):
        x.select(0, torch.tensor(1.5))


def test_whole_numbers_of_numpy_are_whole_numbers():
    x = torch.ones(2, 3)

    assert x.sum(np.int64(1)).shape == (2,)
    assert torch.zeros(np.int32(2), 3).shape == x.shape == torch.zeros(x.shape).shape
    assert x.unsqueeze(np.int8(0)).shape == (1, 2, 3)


def test_functions_are_the_same_each_time_they_are_asked_for():
    assert torch.relu is torch.relu
    assert torch.zeros is torch.zeros
    assert torch.relu.__name__ == "relu"


@pytest.mark.parametrize("name", ["relu", "elu", "silu", "hardtanh"])
def test_an_input_that_is_named_is_written_into(name):
    function = getattr(torch.nn.functional, name)
    x = torch.tensor([-2.0, 3.0])
    wanted = function(x).tolist()

    assert function(input=x, inplace=True) is x
    assert x.tolist() == wanted
