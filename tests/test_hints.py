"""What a word of another library is answered with: the text, and that what it says to try runs."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, hints, nn, optim, train


@pytest.mark.parametrize("name", hints.TENSOR)
def test_what_a_tensor_is_not_called_is_said_and_is_no_attribute(name):
    t = Tensor(np.eye(3))

    with pytest.raises(AttributeError, match=re.escape(hints.TENSOR[name])):
        getattr(t, name)
    assert not hasattr(t, name)
    assert name not in dir(t)


warns = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # np.arccos(2), 1 / 0: it is the name that counts


def written(substitute):
    """Return the code at the beginning of a substitute, or in its backquotes."""
    found = re.search(r"`([^`]*)`", substitute)
    code = (
        found[1]
        if found
        else re.split(r", (?=with|which|where|or|through)|; | to read| for a|: ", substitute)[0]
    )
    return "" if code.startswith(("nothing", "t itself", "leaving")) else code


GIVEN = {
    "np": np,
    "clearprop": clearprop,
    "other": np.ones((3, 3)),
    "y": np.eye(3),
    "axes": (1, 0),
    "source": 0,
    "destination": 1,
    "shape": (3, 3),
    "chunks": 2,
    "sections": 3,
    "start": 1,
    "length": 2,
    "index": np.zeros((3, 3), int),
    "mask": np.eye(3) > 0,
    "value": 0.5,
    "low": 0.0,
    "high": 1.0,
    "k": 2,
    "array": np.ones((3, 3)),
    "new": np.ones((3, 3)),
    "n": 3,
    "stop": 1.0,
    "a": np.eye(3),
    "b": np.eye(3),
    "x": np.eye(3),
    "f": np.sum,
    "model": nn.Linear(2, 2),
}  # fmt: skip


@warns
@pytest.mark.parametrize("name", hints.TENSOR)
def test_what_is_said_in_its_place_runs(name):
    exec(written(hints.TENSOR[name]), GIVEN | {"t": Tensor(np.eye(3) + 1)})


@warns
@pytest.mark.parametrize("name", sorted(hints.PACKAGE.keys() - {"set_grad_enabled", "jit"}))
def test_what_is_said_in_place_of_a_name_of_the_package_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clearprop.interop.save_safetensors("model.safetensors", {"w": np.ones(2)})
    with pytest.raises(AttributeError, match=re.escape(hints.PACKAGE[name])):
        getattr(clearprop, name)
    given = GIVEN | {"t": Tensor(np.eye(3) + 1), "low": 0, "high": 5, "y": 2.0}
    exec(written(hints.PACKAGE[name]), given)


@warns
@pytest.mark.parametrize("name", sorted(hints.MODULE))
def test_what_is_said_in_place_of_a_name_of_a_model_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, x = nn.Linear(2, 1), np.ones((4, 2), np.float32)
    with pytest.raises(AttributeError, match=re.escape(hints.MODULE[name])):
        getattr(model, name)
    given = {"clearprop": clearprop, "model": model, "x": x, "y": x[:, :1], "loss": nn.MSELoss(), "step": len}
    loss = (model(x) ** 2).mean()
    clearprop.interop.save_safetensors("model.safetensors", model.state_dict())
    given |= {
        "optimizer": optim.SGD(model.parameters(), lr=0.1),
        "loss": loss if name == "backward" else "mse",
    }
    exec(written(hints.MODULE[name]), given)


def test_a_model_with_its_arguments_mended_is_copied_and_pickled():
    model = nn.Sequential(nn.Linear(2, 3), nn.GELU())

    assert repr(pickle.loads(pickle.dumps(model))) == repr(copy.deepcopy(model)) == repr(model)


def test_an_error_inside_forward_is_its_own():
    class Wrong(nn.Module):
        def forward(self, x):
            return len(x, x)

    with pytest.raises(TypeError, match="exactly one argument"):
        Wrong()(matrix)


@pytest.mark.parametrize(
    ("line", "text"), [("array.dot(t)", "array @ t"), ("np.array([t, t])", "np.stack([...])"), ("array[0] = t[0]", "np.stack of a list of Tensors")]
)  # fmt: skip
def test_what_asked_for_an_array_is_known_without_the_text_of_the_line(line, text):
    """As in Python's own prompt, which keeps no text."""
    with pytest.raises(TypeError, match=re.escape(text)):
        exec(compile(line, "<prompt>", "exec"), {"np": np, "array": np.eye(2), "t": Tensor([1.0, 2.0])})


def test_no_word_of_the_tables_is_one_of_ours():
    for module, words in (
        (clearprop, hints.PACKAGE),
        (nn, hints.NN),
        (optim, hints.OPTIM),
        (nn.Module, hints.MODULE),
    ):
        assert [name for name in words if hasattr(module, name)] == []


def test_the_module_of_tensors_can_be_imported():
    import clearprop.tensor as module
    from clearprop import tensor

    assert module is tensor
    assert module.Tensor is Tensor


TYPED = [
    (lambda: clearprop.tanhh, "Try clearprop.tanh."),
    (lambda: clearprop.eye, "Try np.eye"),
    (lambda: nn.Liner, "Try clearprop.nn.Linear."),
    (lambda: nn.Conv2D, "clearprop.nn.Conv2d("),
    (lambda: nn.Dense, "clearprop.nn.Linear("),
    (lambda: optim.lr_scheduler, "clearprop.optim.StepLR"),
    (lambda: optim.adam_w, "Try clearprop.optim.AdamW."),
    (lambda: clearprop.Linear, "Try clearprop.nn.Linear."),
    (lambda: clearprop.Adam, "Try clearprop.optim.Adam."),
    (lambda: clearprop.DataLoader, "Try clearprop.data.DataLoader."),
    (lambda: clearprop.fit, "Try clearprop.train.fit."),
    (lambda: nn.Linear(1, 1).paramters, "Try parameters."),
    (lambda: nn.Linear(1, 1).wieght, "Try weight."),
]


@pytest.mark.parametrize(("ask", "text"), TYPED)
def test_a_name_that_is_not_there_is_answered_with_the_nearest(ask, text):
    with pytest.raises(AttributeError, match=re.escape(text)):
        ask()


matrix = Tensor(np.arange(6.0).reshape(2, 3))
WRONG = {
    "dim": (lambda: matrix.sum(dim=1), "axis="),
    "keepdim": (lambda: matrix.mean(1, keepdim=True), "keepdims="),
    "unbiased": (lambda: matrix.std(unbiased=True), "ddof=1"),
    "dim of an op": (lambda: clearprop.softmax(matrix, dim=1), "axis="),
    "a misspelt keyword": (lambda: clearprop.softmax(matrix, axes=1), "axis= in place of axes="),
    "set_to_none": (lambda: optim.SGD([Tensor(1.0)], lr=0.1).zero_grad(set_to_none=True), "sets every gradient to None"),
    "set_to_none of a model": (lambda: nn.Linear(1, 1).zero_grad(set_to_none=True), "sets every gradient to None"),
    "inplace": (lambda: nn.ReLU(inplace=True), "never written over"),
    "device": (lambda: nn.Linear(2, 3, device="cpu"), "memory of this machine"),
    "a misspelt option": (lambda: nn.Linear(2, 3, bais=False), "bias= in place of bais="),
    "fused": (lambda: optim.Adam([Tensor(1.0)], fused=True), "clearprop.compile(step)"),
    "learning_rate": (lambda: optim.SGD([Tensor(1.0)], learning_rate=0.1), "lr="),
    "a loss as a function": (lambda: nn.MSELoss(matrix, matrix), "nn.MSELoss()(x, y)"),
    "a loss that takes weights": (lambda: nn.CrossEntropyLoss(matrix, np.array([0, 1])), "nn.CrossEntropyLoss()(x, y)"),
    "a model for its parameters": (lambda: optim.Adam(nn.Linear(1, 1)), "model.parameters()"),
    "a learning rate as text": (lambda: optim.SGD([Tensor(1.0)], lr="1e-4"), "lr=1e-3"),
    "a list of modules": (lambda: nn.Sequential([nn.ReLU()]), "Sequential(*modules)"),
    "a function among modules": (lambda: nn.Sequential(nn.Linear(1, 1), np.tanh), "nn.Tanh()"),
    "an op among modules": (lambda: nn.Sequential(clearprop.softplus), "nn.Softplus()"),
    "text as classes": (lambda: nn.CrossEntropyLoss()(matrix, np.array(["a", "b"])), "return_inverse=True"),
    "one-hot integers": (lambda: nn.CrossEntropyLoss()(matrix, np.eye(3, dtype=int)[:2]), "y.argmax(axis=1)"),
    "classes from 1": (lambda: nn.CrossEntropyLoss()(matrix, np.array([1, 3])), "y - 1"),
    "a number of layers too few": (lambda: nn.Linear(3), "takes in_features, out_features, bias=True, dtype=float32: missing"),
    "a class of convolutions": (lambda: nn.Conv2d(3, 8), "Conv2d(...): takes in_channels"),
    "a size that is no whole number": (lambda: nn.Linear(3.0, 2), "in_features as a whole number"),
    "a probability as text": (lambda: nn.Dropout("0.5"), "p=0.5, without quotes"),
    "a model's device": (lambda: nn.Linear(1, 1).to("cuda"), "no devices to choose"),
    "a model for its state": (lambda: nn.Linear(1, 1).load_state_dict(nn.Linear(1, 1)), "other.state_dict()"),
    "a model without inputs": (lambda: nn.Linear(2, 1)(), "Linear(...): takes x: missing"),
    "a model with two inputs": (lambda: nn.Linear(2, 1)(matrix, matrix), "Linear(...): takes x: too many"),
    "inputs and targets apart": (lambda: train.fit(nn.Linear(3, 1), "mse", matrix, matrix), "fit(model, loss, (x, y)"),
    "arrays that are in no list": (lambda: np.concatenate(matrix, matrix), "np.concatenate([a, b])"),
    "dim of squeeze": (lambda: matrix.squeeze(dim=0), "axis="),
    "the truth of several": (lambda: bool(matrix), "t.any()"),
    "several as one number": (lambda: float(matrix), "t.sum()"),
    "one of one axis as a number": (lambda: float(Tensor([1.0])), "t.item()"),
    "a Tensor for a function": (lambda: clearprop.gradcheck(matrix), "gradcheck(lambda x: ..., x)"),
    "a Tensor to taylor_check": (lambda: clearprop.taylor_check(matrix), "wants a function: a Tensor"),
    "a Tensor to kinks": (lambda: clearprop.kinks(matrix), "wants a function: a Tensor"),
    "a Tensor to numerical_grad": (lambda: clearprop.numerical_grad(matrix), "wants a function: a Tensor"),
    "a number to vmap": (lambda: clearprop.vmap(3), "vmap(f)(x)"),
    "a prefix of a parallel model": (
        lambda: nn.Linear(2, 1).load_state_dict({f"module.{k}": v for k, v in nn.Linear(2, 1).state_dict().items()}),
        "removeprefix('module.')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_call_as_another_library_has_it_names_ours(case):
    call, text = WRONG[case]
    with pytest.raises((TypeError, ValueError, KeyError), match=re.escape(text)):
        call()


def test_a_transpose_that_does_nothing_is_said():
    with pytest.warns(UserWarning, match=r"t\.T, or t\.swapaxes\(0, 1\)"):
        same = matrix.transpose(0, 1)
    assert same.shape == (2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix.transpose(1, 0)
        matrix.transpose((0, 1))
        matrix.transpose()


def test_methods_that_arrays_have():
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])

    assert t.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert (t.nbytes, t.itemsize) == (32, 8)
    for name in ("cumsum", "cumprod", "trace", "diagonal", "argsort", "copy"):
        np.testing.assert_array_equal(getattr(t, name)().numpy(), getattr(t.numpy(), name)())
    np.testing.assert_array_equal(t.repeat(2).numpy(), t.numpy().repeat(2))
    np.testing.assert_array_equal(t.mT.numpy(), t.numpy().T)
    np.testing.assert_array_equal(t.nonzero(), t.numpy().nonzero())
    (t.copy() * 3).sum().backward()
    np.testing.assert_array_equal(t.grad, np.full((2, 2), 3.0))


class Other:
    """An array of another package, as DLPack hands it over."""

    def __init__(self, array, requires_grad=False):
        self.array, self.requires_grad = np.asarray(array), requires_grad

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_an_array_of_another_package_is_taken():
    ours, theirs = Tensor([1.0, 2.0]), Other([3.0, 4.0])

    for result in (ours * theirs, theirs * ours, clearprop.maximum(ours, theirs) * ours):
        assert type(result.numpy()) is np.ndarray
        np.testing.assert_array_equal(result.numpy(), [3.0, 8.0])
    assert type(Tensor(theirs).numpy()) is np.ndarray
    assert nn.Linear(2, 1)(Other(np.ones((3, 2), np.float32))).shape == (3, 1)
    with pytest.raises(TypeError, match=r"x\.detach\(\)"):
        ours * Other([1.0, 2.0], requires_grad=True)


def test_tensors_of_pytorch_are_taken():
    torch = pytest.importorskip("torch")
    ours = Tensor([1.0, 2.0])

    (ours * torch.tensor([3.0, 4.0])).sum().backward()

    np.testing.assert_array_equal(ours.grad, [3.0, 4.0])
    loss = nn.CrossEntropyLoss()(nn.Linear(2, 3)(torch.ones(4, 2)), torch.tensor([0, 1, 2, 0]))
    assert np.isfinite(loss.item())
    with pytest.raises(TypeError, match=r"x\.detach\(\)"):
        torch.ones(2, requires_grad=True) * ours
