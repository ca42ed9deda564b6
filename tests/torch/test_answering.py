"""What programs call under PyTorch's names: a refusal says what was called, wanted, got, what to try."""

import re

import numpy as np
import pytest

import clearprop.torch as torch
from clearprop.registry import ops

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
    "x.add_('a')": (TypeError, "wants other as a tensor or a number: 'a'", "torch.tensor(x)"),
    "torch.zeros('3')": (TypeError, "wants whole numbers: ('3',)", "whole numbers"),
    "torch.zeros(2, dim=0)": (TypeError, "an unexpected keyword argument: dim", "torch.zeros(*size, dtype="),
    "x.bogus()": (AttributeError, "there is no such method", ""),
    "torch.linalg.inv(x)": (RuntimeError, "must be square", "inv("),
    "torch.linalg.inv(0 * x[:, :2])": (RuntimeError, "Singular matrix", "np.linalg.pinv(x)"),
    "torch.linalg.eig(x[:, :2])": (RuntimeError, "has complex results", "np.linalg.eig(A.node)"),
    "torch.linalg.lu(x, pivot=False)": (RuntimeError, "wants pivots", "pivot=True"),
    "torch.polygamma(-1, x)": (RuntimeError, "wants an order of 0 or more: -1", "torch.polygamma(1, x)"),
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
    "torch.where(condition=x > 0, input=x, other=-x)": "x.abs()",
    "torch.where(x > 0, input=x, other=-x)": "x.abs()",
    "torch.linalg.pinv(m, atol=1.8)": "torch.linalg.pinv(m, rtol=0.6)",
    "torch.linalg.pinv(m[None], rtol=torch.tensor([0.6]))[0]": "torch.linalg.pinv(m, 0.6)",
    "torch.linalg.qr(m, 'r')[1]": "torch.linalg.qr(m).R",
    "m @ torch.linalg.lstsq(m, v[:2])[0]": "v[:2]",
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
    "torch.nn.MSELoss()(input=x, target=0 * x)": "(x * x).mean()",
    "torch.nn.CrossEntropyLoss()(input=x, target=i[0, :2])": "torch.nn.CrossEntropyLoss()(x, i[0, :2])",
    "torch.nn.PoissonNLLLoss()(log_input=x, target=x)": "torch.nn.PoissonNLLLoss()(x, x)",
    "torch.nn.TripletMarginLoss()(anchor=x, positive=x, negative=2 * x)": "torch.tensor(0.0)",
    "torch.nn.CosineSimilarity()(x1=x, x2=-x)": "-torch.ones(2)",
    "torch.nn.Softmax(dim=1)(input=x)": "x.softmax(1)",
    "torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())(input=x)": "x.relu().tanh()",
    "hooked(torch.nn.ReLU())(input=x)": "x.relu()",
    "torch.nn.RNN(3, 3).forward(input=x[None], hx=x[None])[0].shape[0] + 0 * m": "torch.ones(2, 2)",
    "torch.nn.GRUCell(3, 3)(input=x, hx=x).shape[0] + 0 * m": "torch.full((2, 2), 2.0)",
    "torch.nn.Linear(3, 3, True, 'cpu', torch.float64).weight.itemsize + 0 * m": "torch.full((2, 2), 8.0)",
    "torch.nn.Conv1d(1, 1, 1, 1, 0, 1, 1, True, 'zeros', None, None).weight.itemsize + 0 * m": "m * 0 + 4",
    "torch.nn.EmbeddingBag.from_pretrained(x.T, False, None, 2.0, False, 'sum')(i)": "x.T[i[0]].sum(0)[None]",
    "torch.nn.Embedding.from_pretrained(x.T, False, 0)(i)": "x.T[i]",
    "torch.nn.init.xavier_uniform(torch.zeros(0, 2))": "torch.zeros(0, 2)",
    "torch.nn.init._calculate_fan_in_and_fan_out(torch.ones(5, 2, 3))[0] + 0 * m": "m * 0 + 6",
    "torch.nn.CrossEntropyLoss(None, None, 1)(x, i[0, :2])": "-torch.log_softmax(x[1], 0)[0]",
}  # fmt: skip


def hooked(layer):
    layer.register_forward_hook(lambda module, args, output: None)
    return layer


@pytest.mark.parametrize("text", WORDS)
def test_arguments_have_pytorchs_words_and_places(text):
    known = {"torch": torch, "x": torch.tensor([[0.5, -1.0, 2.0], [1.0, 3.0, -2.0]])}
    known |= {"v": torch.tensor([-1.0, 0.5, 1.0]), "i": torch.tensor([[1, 0, 1]])}
    known |= {"m": torch.tensor([[2.0, 0.5], [0.5, 3.0]]), "hooked": hooked}

    assert torch.allclose(eval(text, known).float(), eval(WORDS[text], known).float())


def test_a_word_of_another_function_is_refused():
    x = torch.ones(2, 3)
    for call in (
        lambda: torch.transpose(x, axis0=0, axis1=1),
        lambda: torch.exp(exponent=x),
        lambda: torch.exp(input=x, x=x),
        lambda: x.view(2, size=(3, 2)),
        lambda: torch.nn.MSELoss()(x, input=x),
        lambda: torch.nn.Linear(3, 2, True, "cpu", torch.float64, 1),
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


REFUSED = {
    "torch.mul(x, np.ones(3))": TypeError,
    "torch.stack(x)": TypeError,
    "torch.cat(row for row in [x, x])": TypeError,
    "x.fill_((5,))": TypeError,
    "x.fill_(None)": TypeError,
    "x.fill_(torch.ones(3))": RuntimeError,
    "x.masked_fill(x > 0, [1])": TypeError,
    "x.copy_((1, 2, 3))": TypeError,
    "x.to(dim=3)": TypeError,
    "x.uniform_(dim=3)": TypeError,
    "x.uniform_(7)": RuntimeError,
    "x.exponential_(0)": RuntimeError,
    "torch.isin(x, [1])": TypeError,
    "torch.searchsorted(x[0], [1.0])": TypeError,
    "torch.quantile(x, [0.5])": TypeError,
    "x.max(keepdim=True)": TypeError,
    "torch.nn.init.normal_(3)": TypeError,
    "torch.nn.functional.relu()": TypeError,
    "torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), 'a')": RuntimeError,
    "torch.nn.Sequential(torch.tanh)": TypeError,
    "torch.optim.Adam(3)": TypeError,
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_pytorch_refuses_is_refused_with_a_whole_lesson(text):
    with pytest.raises((REFUSED[text], IndexError) if "conv2d" in text else REFUSED[text]) as caught:
        eval(compile(text, __file__, "eval"), {"torch": torch, "np": np, "x": torch.ones(2, 3)})

    assert f"At {__file__}:" in str(caught.value)
    assert "\n  Try " in str(caught.value)


ANSWERS = {
    "torch.scalar_tensor(3)": "torch.tensor(3.0)",
    "torch.vander(v, increasing=True)[:, 2]": "v * v",
    "torch.gcd(torch.tensor(12), torch.tensor(18))": "torch.tensor(6)",
    "torch.put(v, torch.tensor([-1]), torch.tensor([9.0]))": "torch.tensor([1.0, 2.0, 9.0])",
    "torch.select_scatter(x, v, 0, 1)[1]": "v",
    "torch.diagonal_scatter(torch.zeros(3, 3), v)": "torch.diag(v)",
    "torch.nanmedian(torch.tensor([1.0, np.nan, 3.0, 5.0]))": "torch.tensor(3.0)",
    "torch.quantile(torch.tensor([1.0, 2.0, np.inf]), 0.5)": "torch.tensor(2.0)",
    "torch.gradient(v * v)[0]": "torch.tensor([3.0, 4.0, 5.0])",
    "torch.hann_window(4)": "torch.tensor([0.0, 0.5, 1.0, 0.5])",
    "torch.addr(torch.zeros(3, 3), v, v)": "torch.outer(v, v)",
    "(x * 0 + v).sum_to_size(1, 3)": "2 * v[None]",
    "torch.relu_(-v)": "torch.zeros(3)",
    "torch.layer_norm(x, (3,))": "torch.nn.functional.layer_norm(x, (3,))",
    "torch.take_along_dim(x, torch.tensor([[4]]))": "torch.ones(1)",
    "torch.searchsorted(torch.tensor([1, 3]), torch.tensor([2.0]))": "torch.tensor([1])",
    "torch.repeat_interleave(torch.tensor([2, 1]))": "torch.tensor([0, 0, 1])",
    "torch.diff(v, prepend=v[:1])": "torch.tensor([0.0, 1.0, 1.0])",
    "torch.cov(torch.stack([v, v]), fweights=torch.tensor([1, 2, 1]))[0, 1]": "torch.tensor(2 / 3)",
}  # fmt: skip


@pytest.mark.parametrize("text", ANSWERS)
def test_functions_of_pytorch_that_few_programs_call(text):
    known = {"torch": torch, "np": np, "x": torch.ones(2, 3), "v": torch.tensor([1.0, 2.0, 3.0])}
    found, wanted = eval(text, known), eval(ANSWERS[text], known)

    assert found.shape == wanted.shape
    assert torch.allclose(found.float(), wanted.float())


def test_whole_numbers_that_are_drawn_reach_as_far_as_the_dtype():
    torch.manual_seed(0)

    assert torch.zeros(64, dtype=torch.int64).random_().max() > 2**55
    assert torch.zeros(64, dtype=torch.uint8).random_().max() > 127
    assert set(torch.zeros(64).random_(5, 7).tolist()) == {5.0, 6.0}


def test_pairs_of_names_and_parameters_are_parameters():
    model = torch.nn.Linear(3, 2)

    for params in (model.named_parameters(), [{"params": model.named_parameters()}]):
        assert len(torch.optim.SGD(params, lr=0.1).param_groups[0]["params"]) == 2


def test_an_inverse_of_rank_1_has_the_gradient_of_that_rank():
    """Of u v^T with |u|^2 = a, |v|^2 = b the pseudoinverse is v u^T / (a b), its trace v . u / (a b)."""
    u, v = torch.tensor([1.0, 3.0, 1.0]), torch.tensor([0.7, 0.1, 0.3])
    x = torch.outer(u, v).requires_grad_()
    torch.linalg.pinv(x).trace().backward()

    a, b = 11.0, 0.59
    along_u = x.grad @ v / b  # what moves u alone, and v alone
    along_v = x.grad.T @ u / a
    assert torch.allclose(b * along_u, v / (a * b) - 2 * 1.3 * u / (a * a * b), atol=1e-5)
    assert torch.allclose(a * along_v, u / (a * b) - 2 * 1.3 * v / (a * b * b), atol=1e-5)


def test_a_function_that_scipy_computes_says_so_where_it_is_not_installed(monkeypatch):
    monkeypatch.delitem(ops, "gammaln", raising=False)

    with pytest.raises(
        ModuleNotFoundError, match=r"(?s)gammaln: is computed by SciPy.*Try pip install scipy"
    ):
        torch.lgamma(torch.tensor(2.0))
