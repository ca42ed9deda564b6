"""Weight files travel both ways between PyTorch and here."""

import io
import warnings

import numpy as np
import pytest

import clearprop.torch as ours
from clearprop import nn
from clearprop.errors import InputError
from clearprop.interop import load_pt, load_weights, save_pt

theirs = pytest.importorskip("torch")


def test_what_pytorch_saved_is_read(tmp_path):
    base = theirs.arange(12, dtype=theirs.float64).reshape(3, 4)
    state = {
        "view": base[1:, ::2], "turned": base.t(), "whole": base, "scalar": theirs.tensor(2.5),
        "brain": theirs.tensor([1.5, -2.25], dtype=theirs.bfloat16), "half": theirs.ones(2).half(),
        "flags": theirs.tensor([True, False]), "bytes": theirs.arange(3, dtype=theirs.uint8), "none": theirs.zeros(0, 2),
        "expanded": theirs.ones(1).expand(5), "parameter": theirs.nn.Parameter(theirs.ones(2)),
        "size": base.shape, "device": theirs.device("cpu"), "dtype": theirs.float32, "list": [1, 2.5, "x", None, (3,)],
    }  # fmt: skip
    theirs.save(state, tmp_path / "s.pt")
    found = load_pt(tmp_path / "s.pt")

    for name, value in state.items():
        if isinstance(value, theirs.nn.Parameter):
            np.testing.assert_array_equal(found[name].array, value.detach().numpy())
        elif isinstance(value, theirs.Tensor):
            wanted = value.float().numpy() if value.dtype == theirs.bfloat16 else value.numpy()
            np.testing.assert_array_equal(found[name], wanted, strict=True)
    assert (found["list"], found["size"], found["device"]) == (state["list"], (3, 4), "cpu")


def test_what_is_saved_here_pytorch_reads_in_its_safe_way(tmp_path):
    state = {
        "w": np.arange(6.0).reshape(2, 3),
        "n": np.array(3),
        "h": np.ones(2, np.float16),
        "epoch": 4,
        "rate": 0.5,
    }
    save_pt(tmp_path / "s.pt", state)
    found = theirs.load(tmp_path / "s.pt", weights_only=True)

    np.testing.assert_array_equal(found["w"].numpy(), state["w"], strict=True)
    assert (found["n"].item(), found["epoch"], found["rate"], found["h"].dtype) == (3, 4, 0.5, theirs.float16)


@pytest.mark.filterwarnings("ignore")
def test_a_whole_module_is_refused_by_its_name(tmp_path):
    theirs.save(theirs.nn.Linear(2, 2), tmp_path / "m.pt")

    with pytest.raises(ValueError, match=r"(?s)torch\.nn\.modules\.linear\.Linear.*state_dict"):
        load_pt(tmp_path / "m.pt")


@pytest.mark.filterwarnings("ignore")
def test_a_model_and_its_optimizer_travel_there_and_back(tmp_path):
    def model(library):
        return library.nn.Sequential(
            library.nn.Conv2d(1, 2, 3, bias=False), library.nn.BatchNorm2d(2), library.nn.Flatten(), library.nn.LSTM(18, 3),
        )  # fmt: skip

    def step(library, net, optimizer):
        x = library.sin(library.arange(4 * 25.0)).view(4, 1, 5, 5)
        net[3](net[2](net[1](net[0](x))))[0].pow(2).sum().backward()
        optimizer.step()

    there, here = model(theirs), model(ours)
    first = theirs.optim.Adam(there.parameters(), lr=0.01)
    step(theirs, there, first)
    theirs.save({"model": there.state_dict(), "optimizer": first.state_dict()}, tmp_path / "a.pt")
    found = ours.load(tmp_path / "a.pt")
    here.load_state_dict(found["model"])
    second = ours.optim.Adam(here.parameters(), lr=0.01)
    second.load_state_dict(found["optimizer"])
    first.zero_grad()
    step(theirs, there, first)
    step(ours, here, second)

    ours.save(here.state_dict(), tmp_path / "b.pt")
    back = theirs.load(tmp_path / "b.pt")
    for name, value in there.state_dict().items():
        np.testing.assert_allclose(back[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)


def test_weights_of_pytorch_go_into_a_model_of_clearprop(tmp_path):
    theirs.manual_seed(0)
    there = theirs.nn.Sequential(theirs.nn.Linear(3, 4), theirs.nn.ReLU(), theirs.nn.Linear(4, 1))
    theirs.save({f"module.{k}": v for k, v in there.state_dict().items()}, tmp_path / "m.pth")
    here = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    here.load_state_dict(load_weights(tmp_path / "m.pth"))
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)

    np.testing.assert_allclose(here(x).value, there(theirs.from_numpy(x)).detach().numpy(), rtol=1e-6)


def test_an_old_file_is_refused_with_the_cure():
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.save({"w": theirs.ones(2)}, file, _use_new_zipfile_serialization=False)
    file.seek(0)

    with pytest.raises(ValueError, match=r"since 1\.6"):
        ours.load(file)


@pytest.mark.parametrize("library", [nn, ours.nn], ids=["nn", "torch.nn"])
@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_names_of_older_norms_load_into_todays(name, library, tmp_path):
    theirs.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = getattr(theirs.nn.utils, name)(theirs.nn.Conv1d(3, 2, 3))
        there = theirs.nn.Sequential(theirs.nn.ReLU(), layer)
        theirs.save(there.state_dict(), tmp_path / "m.pt")
    layer = getattr(library.utils.parametrizations, name)(library.Conv1d(3, 2, 3))
    here = library.Sequential(library.ReLU(), layer).eval()
    here.load_state_dict(load_weights(tmp_path / "m.pt"))
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    found = here(ours.tensor(x) if library is ours.nn else x)
    found = found.detach().numpy() if library is ours.nn else found.value

    np.testing.assert_allclose(found, there.eval()(theirs.from_numpy(x)).detach().numpy(), atol=1e-6)


def test_a_state_without_counted_batches_loads_as_in_pytorch():
    state = {k: v.numpy() for k, v in theirs.nn.BatchNorm1d(2).state_dict().items() if "num" not in k}

    assert nn.BatchNorm1d(2).load_state_dict(state) == ([], [])
    assert ours.nn.BatchNorm1d(2).load_state_dict(state) == ([], [])
    del state["running_mean"]
    with pytest.raises(KeyError, match="missing running_mean"):
        nn.BatchNorm1d(2).load_state_dict(state)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "encoder."])
def test_a_prefix_too_many_or_too_few_is_named(prefix):
    state = {prefix + k: v for k, v in nn.Sequential(nn.Linear(2, 2)).state_dict().items()}

    with pytest.raises(KeyError, match=rf"removeprefix\('{prefix}'\)"):
        nn.Sequential(nn.Linear(2, 2)).load_state_dict(state)
    with pytest.raises(RuntimeError, match=rf"removeprefix\('{prefix}'\)"):
        ours.nn.Sequential(ours.nn.Linear(2, 2)).load_state_dict(state)
    with pytest.raises(KeyError, match=r"{'0.' \+ k: v for"):
        nn.Sequential(nn.Linear(2, 2)).load_state_dict(nn.Linear(2, 2).state_dict())


def test_complex_tensors_are_arrays_here_and_refused_as_tensors(tmp_path):
    z = theirs.tensor([1 + 2j, -1j])
    theirs.save({"z": z, "w": z.to(theirs.complex128)}, tmp_path / "z.pt")
    found = load_pt(tmp_path / "z.pt")
    save_pt(tmp_path / "b.pt", found)

    assert found["z"].dtype == np.complex64
    assert found["z"].tolist() == z.tolist()
    assert theirs.load(tmp_path / "b.pt")["w"].tolist() == z.tolist()
    with pytest.raises(InputError, match="wants real numbers: complex64"):
        ours.load(tmp_path / "z.pt")
