"""PyTorch's weight files, without PyTorch: what is written is read back, and nothing in a file is run."""

import io
import json
import os
import pickle
import random
import zipfile

import numpy as np
import pytest

from clearprop import nn
from clearprop.errors import InputError
from clearprop.interop import load_pt, load_weights, save_pt
from clearprop.interop.pytorch import without_prefix
from clearprop.interop.safetensors import save_safetensors

STATE = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.ones(2, np.float16),
    "n": np.array(3),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3)),
}


def archive(text: bytes, members=()):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("archive/data.pkl", text)
        for name, content in members:
            z.writestr(f"archive/{name}", content)
    file.seek(0)
    return file


def test_what_was_written_is_read_back(tmp_path):
    path = tmp_path / "w.pt"
    save_pt(path, {"state": STATE, "epoch": 3, "rates": [0.5, None, ("a", True)]})
    found = load_pt(path)

    assert found["epoch"] == 3
    assert found["rates"] == [0.5, None, ("a", True)]
    for name, array in STATE.items():
        np.testing.assert_array_equal(found["state"][name], array, strict=True)


def test_an_array_of_another_layout_is_written_row_by_row(tmp_path):
    save_pt(tmp_path / "w.pt", {"w": STATE["w"].T, "big": STATE["w"].astype(">f4")})
    found = load_pt(tmp_path / "w.pt")

    np.testing.assert_array_equal(found["w"], STATE["w"].T)
    np.testing.assert_array_equal(found["big"], STATE["w"])


class Harm:
    def __reduce__(self):
        return os.system, ("echo harm > harm.txt",)


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (Harm(), r"posix\.system|nt\.system"),
        (print, r"__builtin__\.print"),
        ({"w": [np.float32(1.0)]}, r"numpy"),
        (np.arange(3), r"numpy"),
    ],
)
def test_a_file_that_would_run_code_is_refused_by_name(thing, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ValueError, match=f"{name}.*would have to run code"):
        load_pt(archive(pickle.dumps(thing, 2)))
    assert not (tmp_path / "harm.txt").exists()


@pytest.mark.parametrize(
    "name", [b"cbuiltins\neval\n.", b"cos\nsystem\n.", b"ctorch\nload\n.", b"ctorch._utils\n_import\n."]
)
def test_names_are_refused_whether_or_not_they_exist(name):
    with pytest.raises(ValueError, match="would have to run code"):
        load_pt(archive(name))


def tensor(offset=0, shape=(2, 3), strides=(3, 1), size=6, kind=b"FloatStorage"):
    """The pickle of one tensor, with numbers of one's own."""
    ints = lambda *n: b"(" + b"".join(b"I%d\n" % i for i in n) + b"t"  # noqa: E731
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\n"
        + kind
        + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuI%d\ntQ" % size
    )
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"I%d\n" % offset
        + ints(*shape)
        + ints(*strides)
        + b"I00\n)tR."
    )


BYTES = np.arange(6, dtype=np.float32).tobytes()


def test_a_tensor_shows_a_part_of_its_storage():
    found = load_pt(archive(tensor(1, (2, 2), (1, 3)), [("data/0", BYTES)]))

    np.testing.assert_array_equal(found, [[1, 4], [2, 5]])


@pytest.mark.parametrize(
    "text",
    [
        tensor(offset=1),
        tensor(shape=(3, 3)),
        tensor(strides=(4, 1)),
        tensor(offset=-1),
        tensor(shape=(-2, 3)),
        tensor(strides=(-3, 1)),
        tensor(strides=(1,)),
        tensor(shape=(10**9, 10**9), strides=(0, 0)),
        tensor(size=7),
        tensor(size=-1),
        tensor(kind=b"ComplexFloatStorage"),
        tensor()[:-20],
        b"",
        b"N",
    ],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(text):
    with pytest.raises(ValueError, match="load_pt"):
        load_pt(archive(text, [("data/0", BYTES)]))


def test_a_damaged_file_is_refused_or_read_and_never_anything_else(tmp_path):
    path = tmp_path / "w.pt"
    save_pt(path, STATE)
    whole, draw = path.read_bytes(), random.Random(0)
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        try:
            load_pt(io.BytesIO(bytes(damaged[: draw.choice([len(damaged), draw.randrange(len(damaged))])])))
        except ValueError as error:
            assert "load_pt" in str(error)  # noqa: PT017


def test_a_tensor_stored_as_its_negative_is_read_as_what_it_is(tmp_path):
    torch = pytest.importorskip("torch")
    z = torch.tensor([1 + 2j, 3 + 4j]).conj()
    torch.save({"imag": z.imag, "part": z.imag[1:], "twice": -z.imag}, tmp_path / "n.pt")

    found = load_pt(tmp_path / "n.pt")

    assert {name: x.tolist() for name, x in found.items()} == {
        "imag": [-2, -4],
        "part": [-4],
        "twice": [2, 4],
    }


@pytest.mark.parametrize("make", [lambda path: path / "none.pt", lambda path: path])
def test_what_is_no_file_is_refused(tmp_path, make):
    with pytest.raises(InputError, match="load_pt\\(path\\): wants a file that can be read"):
        load_pt(make(tmp_path))


def test_no_archive_is_refused_with_the_cure(tmp_path):
    (tmp_path / "old.pt").write_bytes(pickle.dumps({}))

    with pytest.raises(ValueError, match=r"since 1\.6"):
        load_pt(tmp_path / "old.pt")


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(TypeError, match="Linear"):
        save_pt(tmp_path / "m.pt", nn.Linear(1, 1))
    with pytest.raises(TypeError, match="float128"):
        save_pt(tmp_path / "m.pt", {"w": np.ones(2, np.longdouble)})


def test_weights_of_a_wrapper_are_loaded_without_its_prefix(tmp_path):
    model = nn.Linear(3, 2)
    save_pt(
        tmp_path / "m.pt", {"model": {f"module.{k}": v for k, v in model.state_dict().items()}, "epoch": 1}
    )
    other = nn.Linear(3, 2)

    assert other.load_state_dict(load_weights(tmp_path / "m.pt")) == ([], [])
    np.testing.assert_array_equal(other.weight.value, model.weight.value)
    assert without_prefix({"module.a": 1, "b": 2}) == {"module.a": 1, "b": 2}


def test_a_file_that_is_none_of_pytorch_s_is_left_as_it_was(tmp_path):
    path = tmp_path / "mydata.csv"
    for mine in (b"name,age\nAda,36\n", b"PK\x03\x04 another archive"):
        path.write_bytes(mine)
        with pytest.raises(InputError, match="replaces only what clearprop wrote there before"):
            save_pt(path, {"w": np.ones(2)})
        assert path.read_bytes() == mine
    for options in ({"overwrite": True}, {}):  # the second finds the first's
        save_pt(path, {"w": np.ones(2)}, **options)
        assert load_pt(path)["w"].tolist() == [1, 1]


def test_a_file_of_pytorch_s_own_is_replaced(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "weights.pt")
    save_pt(tmp_path / "weights.pt", {"w": np.zeros(2)})

    assert load_pt(tmp_path / "weights.pt")["w"].tolist() == [0, 0]


def sharded(folder, state, **changed):
    """Write a state into two files and an index, as large models come."""
    names = list(state)
    parts = {"model-00001-of-00002.safetensors": names[:2], "model-00002-of-00002.safetensors": names[2:]}
    for file, some in parts.items():
        save_safetensors(folder / file, {name: state[name] for name in some}, overwrite=True)
    index = {name: file for file, some in parts.items() for name in some} | changed
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def test_weights_in_several_files_are_read_by_their_index(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    state = {name: np.array(x) for name, x in model.state_dict().items()}
    sharded(tmp_path, state)
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        found = load_weights(path)

        assert found.keys() == state.keys()
        for name, x in state.items():
            np.testing.assert_array_equal(found[name], x)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"0.bias": "../model-00001-of-00002.safetensors"}, "names of files beside the index"),
        ({"0.bias": "/etc/passwd"}, "names of files beside the index"),
        ({"0.bias": "model-00002-of-00002.safetensors"}, "has no 0.bias"),
        ({"more": "model-00001-of-00002.safetensors"}, "has no more"),
    ],
)
def test_an_index_that_names_what_is_not_there_is_refused(changed, said, tmp_path):
    sharded(
        tmp_path,
        {
            name: np.array(x)
            for name, x in nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).state_dict().items()
        },
        **changed,
    )

    with pytest.raises(InputError, match=said):
        load_weights(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', "[" * 100_000])
def test_an_index_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(text)

    with pytest.raises(InputError, match="wants an index with a weight_map"):
        load_weights(tmp_path)


def test_a_pickle_that_asks_for_a_table_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("w/data.pkl", b"\x80\x02Nr\xff\xff\xff\x7f.")
        archive.writestr("w/version", "3")

    with pytest.raises(InputError, match="it keeps 2147483647 things"):
        load_pt(tmp_path / "w.pt")


def test_a_folder_of_one_file_is_read_and_safetensors_come_first(tmp_path):
    state = {"a": np.ones(2, np.float32)}
    save_pt(tmp_path / "pytorch_model.bin", state)
    np.testing.assert_array_equal(load_weights(tmp_path)["a"], state["a"])
    save_safetensors(tmp_path / "model.safetensors", {"a": 2 * state["a"]})
    np.testing.assert_array_equal(load_weights(tmp_path)["a"], 2 * state["a"])
    index = {"metadata": {}, "weight_map": {"a": "pytorch_model.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    np.testing.assert_array_equal(load_weights(tmp_path)["a"], state["a"])
    index["weight_map"] = {"a": "model.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    np.testing.assert_array_equal(load_weights(tmp_path)["a"], 2 * state["a"])
    save_safetensors(tmp_path / "other.safetensors.index.json", state)

    with pytest.raises(ValueError, match=r"one index of files.*model\.safetensors.*other"):
        load_weights(tmp_path)
