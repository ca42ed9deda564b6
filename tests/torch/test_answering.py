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


WORDS = {
    "x.view(size=(3, 2))": "x.view(3, 2)",
    "x.reshape(shape=(6,))": "x.reshape(6)",
    "torch.permute(x, dims=(1, 0))": "x.T",
    "x.flip(dims=(0,))": "x.flip(0)",
    "x.tile(dims=(2,))": "x.tile(2)",
    "x.repeat(repeats=(2, 1))": "x.repeat(2, 1)",
    "x.expand(size=(2, 2, 3))": "x.expand(2, 2, 3)",
    "x.swapaxes(axis0=0, axis1=1)": "x.T",
    "torch.split(tensor=x, split_size_or_sections=1)[1]": "x[1:]",
    "x.hsplit(sections=3)[1]": "x[:, 1:2]",
    "torch.heaviside(input=x, values=x)": "torch.heaviside(x, x)",
    "torch.bucketize(input=x, boundaries=v)": "torch.bucketize(x, v)",
    "torch.searchsorted(sorted_sequence=v, input=x)": "torch.searchsorted(v, x)",
    "torch.isin(elements=x, test_elements=v)": "torch.isin(x, v)",
    "torch.gather(x, 0, i, sparse_grad=True)": "torch.gather(x, 0, i)",
    "torch.take_along_dim(x, indices=i, dim=0)": "torch.take_along_dim(x, i, 0)",
    "torch.addcmul(x, tensor1=x, tensor2=x)": "x + x * x",
    "torch.cdist(x1=x, x2=x)": "torch.cdist(x, x)",
    "torch.tensordot(a=x, b=x.T, dims=1)": "x @ x.T",
    "torch.linalg.solve(A=m, B=m)": "torch.eye(2)",
    "torch.linalg.det(A=m)": "torch.det(input=m)",
    "torch.nn.init.constant_(tensor=x.clone(), val=2.0)": "torch.full((2, 3), 2.0)",
    "torch.nn.Identity(54, unused=True)(x)": "x",
    "torch.nn.functional.relu(x.clone(), True)": "torch.relu(x)",
    "torch.nn.functional.cosine_similarity(x1=x, x2=x)": "torch.ones(2)",
    "torch.nn.functional.embedding(i, x.T, sparse=True)": "x.T[i]",
    "torch.nn.functional.mse_loss(x, 0 * x, None, None, 'sum')": "(x * x).sum()",
    "torch.nn.CrossEntropyLoss(None, None, 1)(x, i[0, :2])": "-torch.log_softmax(x[1], 0)[0]",
}  # fmt: skip


@pytest.mark.parametrize("text", WORDS)
def test_arguments_have_pytorchs_words_and_places(text):
    known = {"torch": torch, "x": torch.tensor([[0.5, -1.0, 2.0], [1.0, 3.0, -2.0]])}
    known |= {"v": torch.tensor([-1.0, 0.5, 1.0]), "i": torch.tensor([[1, 0, 1]])}
    known["m"] = torch.tensor([[2.0, 0.5], [0.5, 3.0]])

    assert torch.allclose(eval(text, known).float(), eval(WORDS[text], known).float())


def test_a_word_of_another_function_is_refused():
    x = torch.ones(2, 3)
    for call in (
        lambda: torch.transpose(x, axis0=0, axis1=1),
        lambda: torch.exp(exponent=x),
        lambda: x.view(2, size=(3, 2)),
    ):
        with pytest.raises(TypeError):
            call()


def test_what_pytorch_gave_up_is_refused_by_place_too():
    x = torch.ones(2, 3)
    with pytest.raises(TypeError, match="size_average=False"):
        torch.nn.functional.mse_loss(x, x, False)


def test_entries_off_a_diagonal_are_0_where_those_on_it_are_infinite():
    assert torch.diag_embed(torch.tensor([np.inf, 1.0])).tolist() == [[np.inf, 0.0], [0.0, 1.0]]
    assert torch.diag_embed(torch.tensor([2.0]), offset=-1).tolist() == [[0.0, 0.0], [2.0, 0.0]]


def test_a_small_singular_value_counts_as_0_by_the_precision_of_the_matrix():
    """The inverse of a float32 matrix of rank 1 is that of rank 1: its second singular value is rounding."""
    rank_one = torch.tensor([[1.0, 3.0], [0.1, 0.3]]) @ torch.tensor([[0.7, 0.1], [0.7, 0.1]])

    assert torch.linalg.pinv(rank_one).abs().max() < 10
    assert torch.linalg.matrix_rank(rank_one) == 1
    assert torch.linalg.matrix_norm(torch.ones(2, 2, 2)).shape == (2,)
