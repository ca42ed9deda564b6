"""`clearprop train` and `predict` of pictures, and `--model`: known networks and a person's own."""

import csv
import importlib
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.cli.predict import own_network
from clearprop.data.picture_files import Decoder
from clearprop.train import TableModel
from clearprop.train.picture_model import PictureModel

Image = pytest.importorskip("PIL.Image")
OWN = """
import numpy as np
from math import prod
from clearprop import nn

class Two(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.inner, self.outer = nn.Linear(inputs, 16), nn.Linear(16, outputs)

    def forward(self, x):
        return self.outer(np.tanh(self.inner(x.reshape(len(x), -1))))

def build(input_shape, outputs):
    return Two(prod(input_shape), outputs)

def plain(input_shape, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), outputs))

def narrow(input_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), 7))

def strange(width):
    return nn.Linear(1, 1)

def fails(outputs):
    return nn.Linear(3, "x")

def nothing():
    return None

word = "x"
"""


def bright(tmp_path, count=24, side=8):
    """Write pictures that are bright on the left or on the right, or all over."""
    rng = np.random.default_rng(0)
    for name, part in (
        ("left", np.s_[:, : side // 2]),
        ("right", np.s_[:, side // 2 :]),
        ("whole", np.s_[:]),
    ):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 60, (side, side))
            pixels[part] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / name / f"{i}.png")
    return str(tmp_path / "data")


def run(*words):
    return main(list(map(str, words)))


def trained(tmp_path, data, *options):
    quick = ("--epochs", 12, "--compile", "no", "--quiet", "--output", tmp_path / "out")
    assert run("train", data, *quick, *options) == 0
    return tmp_path / "out" / "model.safetensors"


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("model", ["resnet", "lenet", "mlp"])
def test_a_folder_is_learned_and_predicted(tmp_path, capsys, model):
    data = bright(tmp_path)
    file = trained(tmp_path, data, "--model", model)
    told = capsys.readouterr().out
    assert float(re.search(r"test accuracy ([\d.]+) %", told)[1]) > 90
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {
        "model.safetensors",
        "history.csv",
        "report.html",
    }

    assert run("predict", file, f"{data}/left/0.png", f"{data}/whole") == 0
    rows = table(capsys.readouterr().out)
    assert len(rows) == 25
    assert rows[0]["picture"] == f"{data}/left/0.png"
    right = [r["predicted class"] == r["picture"].split("/")[-2] for r in rows]
    assert np.mean(right) > 0.9
    assert sum(float(rows[0][f"probability {name}"]) for name in ("left", "right", "whole")) == pytest.approx(
        1
    )


def test_one_picture_on_standard_input(tmp_path, capsys, monkeypatch):
    data = bright(tmp_path)
    file = trained(tmp_path, data, "--model", "mlp", "--hidden", "16", "--dropout", 0)
    capsys.readouterr()
    with open(f"{data}/right/3.png", "rb") as picture:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=picture))
        assert run("predict", file, "-") == 0
    assert run("predict", file, f"{data}/right/3.png", "--output", tmp_path / "p.csv") == 0
    (one,), (other,) = (
        table(capsys.readouterr().out.split("wrote")[0]),
        table((tmp_path / "p.csv").read_text()),
    )

    assert one["picture"] == "-"
    assert {k: v for k, v in one.items() if k != "picture"} == {
        k: v for k, v in other.items() if k != "picture"
    }


def test_what_is_found_is_told_as_json(tmp_path, capsys):
    data = bright(tmp_path)
    Image.fromarray(np.zeros((9, 9, 4), np.uint8)).save(f"{data}/left/clear.png")
    assert (
        run(
            "train",
            data,
            "--json",
            "--epochs",
            1,
            "--model",
            "mlp",
            "--compile",
            "no",
            "--output",
            tmp_path / "o",
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)

    assert told["classes"] == ["left", "right", "whole"]
    assert told["shape"] == [3, 8, 8]
    assert told["changes"] == ["flip", "shift"]
    assert sum(told["rows"].values()) == 73
    assert any("transparent" in note for note in told["notes"])
    assert 0 <= told["test"]["accuracy"] <= 1


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_dark_file_alone_is_read_by_the_scale_of_the_training(tmp_path, capsys, dtype):
    top = 65535 if dtype == "uint16" else 255
    images = np.random.default_rng(0).integers(0, top + 1, (40, 8, 8)).astype(dtype)
    np.savez(tmp_path / "m.npz", images=images, labels=np.arange(40) % 2)
    file = trained(tmp_path, tmp_path / "m.npz", "--model", "mlp", "--hidden", "none", "--dropout", 0)
    model, dark = PictureModel.load(file), np.full((1, 8, 8), top // 300 + 1, dtype)
    np.savez(tmp_path / "dark.npz", images=dark, labels=[0])
    capsys.readouterr()
    assert run("predict", file, tmp_path / "dark.npz") == 0
    told = capsys.readouterr()

    expected = model.probabilities(np.round(dark[:, None] * (255 / top)).astype(np.uint8))
    assert float(table(told.out)[0]["probability 0"]) == pytest.approx(expected[0, 0], abs=1e-6)
    assert model.tops == {dtype: top}
    assert not told.err

    np.savez(tmp_path / "other.npz", images=dark.astype(np.int64), labels=[0])
    assert run("predict", file, tmp_path / "other.npz") == 0
    assert "does not say what white is in pixels of int64; by the brightest here" in capsys.readouterr().err
    if dtype == "float32":
        np.savez(tmp_path / "bright.npz", images=dark + 400, labels=[0])
        assert run("predict", file, tmp_path / "bright.npz") == 2
        assert "wants pixels from 0 to 255, as in training: float32 from 401" in capsys.readouterr().err


def test_the_report_shows_mistakes_as_pictures(tmp_path, capsys):
    data = bright(tmp_path)
    run(
        "train",
        data,
        "--epochs",
        1,
        "--model",
        "mlp",
        "--compile",
        "no",
        "--quiet",
        "--output",
        tmp_path / "o",
    )
    page = (tmp_path / "o" / "report.html").read_text()

    assert page.count("data:image/png;base64,") > 3
    for title in ("How well", "The worst mistakes", "How it was learned", "The pictures", "The network"):
        assert f"<h2>{title}</h2>" in page
    assert "http" not in re.sub(r"http://www.w3.org/[\w/]+", "", page)


def test_the_same_seed_gives_the_same_bits_and_a_resumed_run_too(tmp_path):
    data = bright(tmp_path)

    def weights(name, *options):
        quick = ("--model", "lenet", "--compile", "no", "--quiet", "--output", tmp_path / name)
        assert run("train", data, *quick, *options) == 0
        return PictureModel.load(tmp_path / name / "model.safetensors").network.state_dict()

    whole = weights("a", "--epochs", 4)
    checkpoint = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:  # as if it had been killed after the second epoch
        from clearprop.train import fitting

        saved = fitting.store
        count = iter(range(100))
        patch.setattr(fitting, "store", lambda *a, **k: saved(*a, **k) if next(count) < 2 else None)
        weights("b", "--epochs", 4, "--checkpoint", checkpoint)
    resumed = weights("c", "--epochs", 4, "--checkpoint", checkpoint, "--resume")

    for name, array in whole.items():
        np.testing.assert_array_equal(array, resumed[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "x"), "--target: is for a table"),
        (("--hidden", "8"), "--hidden: is for a network of linear layers: the network is 'resnet'."),
        (("--group", "x"), "--group: is for a table"),
        (("--threshold", "f1"), "--threshold: is of a target of two classes: 3 classes."),
        (("--size", "0x3"), "--size: wants the height and width in pixels, from 1 to 4096: '0x3'."),
        (("--augment", "spin"), "--augment: wants some of flip, crop, shift, or none: 'spin'."),
        (
            ("--class-weight", "lef=2"),
            "--class-weight: wants balanced or NAME=NUMBER,...: 'lef=2'.\n  Try 'left'.",
        ),
        (
            ("--model", "lennet"),
            "--model lennet: is no network that is known: known are 'lenet', 'mlp' and 'resnet'.",
        ),
        (("--model", "no.py:build"), "--model no.py:build: cannot read it: there is no file 'no.py'."),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, capsys, options, message):
    assert run("train", bright(tmp_path, 4), "--output", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "iris", "--size", "8"), "--size: is for pictures: iris is a table."),
        (
            ("train", "iris", "--model", "lenet"),
            "the network 'lenet': is for pictures of 8 x 8 pixels or more",
        ),
        (("train", "iris", "--model", "resnet", "--hidden", "3"), "--hidden: is for linear layers"),
    ],
)
def test_options_of_pictures_with_a_table_are_refused(tmp_path, capsys, words, message):
    pytest.importorskip("sklearn")
    assert run(*words, "--output", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_files_that_are_no_pictures_are_named(tmp_path, capsys):
    file = trained(tmp_path, bright(tmp_path, 8), "--model", "mlp", "--epochs", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.png").write_bytes(b"x")
    for given, message in (
        ("none.png", "reading none.png: there is no such file."),
        (tmp_path / "empty", f"reading {tmp_path / 'empty'}: wants pictures in the folder: there are none."),
        (tmp_path / "x.png", f"reading {tmp_path / 'x.png'}: wants a picture that can be read: no picture"),
    ):
        assert run("predict", file, given) == 2
        assert message in capsys.readouterr().err
    assert run("predict", file, tmp_path / "data", "--append") == 2
    assert "--append: is for tables" in capsys.readouterr().err


# --- a person's own network ---------------------------------------------------------------------------------
@pytest.fixture
def own(tmp_path):
    (tmp_path / "net.py").write_text(OWN)
    return f"{tmp_path / 'net.py'}:build"


def test_an_own_network_of_pictures_is_given_again(tmp_path, capsys, own):
    data = bright(tmp_path)
    file = trained(tmp_path, data, "--model", own)
    capsys.readouterr()

    assert run("predict", file, f"{data}/left/0.png") == 2
    told = capsys.readouterr().err
    assert f"holds the weights of a network of your own: it was made by '{own}'." in told
    assert "Try --model FILE.py:build" in told
    again = file.with_name("again.safetensors")
    PictureModel.load(file, own_network(own)).save(again)
    assert again.read_bytes() == file.read_bytes()
    assert run("predict", file, f"{data}/left/0.png", "--model", own) == 0
    assert table(capsys.readouterr().out)[0]["predicted class"] == "left"
    assert run("predict", file, f"{data}/left/0.png", "--model", own.replace("build", "plain")) == 2
    assert "its layers and its weights do not fit together" in capsys.readouterr().err


def test_an_own_network_of_registered_layers_needs_nothing_again(tmp_path, capsys, own):
    data = bright(tmp_path, 8)
    file = trained(tmp_path, data, "--model", own.replace("build", "plain"))

    assert run("predict", file, f"{data}/left/0.png") == 0


def test_an_own_network_of_a_table(tmp_path, capsys, own):
    pytest.importorskip("sklearn")
    file = trained(tmp_path, "iris", "--model", own)
    capsys.readouterr()
    rows = tmp_path / "new.csv"
    rows.write_text(
        "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n"
    )

    assert run("predict", file, rows) == 2
    assert "holds the weights of a network of your own" in capsys.readouterr().err
    again = file.with_name("again.safetensors")
    TableModel.load(file, own_network(own)).save(again)
    assert again.read_bytes() == file.read_bytes()
    assert run("predict", file, rows, "--model", own) == 0
    assert "predicted species" in capsys.readouterr().out
    assert run("explain", file, rows, "--model", own) == 0
    assert "by integrated gradients" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("narrow", "wants answers of shape (2, 3): (2, 7) of inputs of shape (2, 1, 8, 8)."),
        ("strange", "or of one of them, or of nothing: it asks for 'width'."),
        ("fails", "ArgumentError: Linear(out_features=): wants out_features as a whole number: 'x'"),
        ("nothing", "wants nothing(input_shape, outputs) to return a clearprop.nn.Module: a NoneType."),
        ("word", "wants a function or a class of that name: there is something else called 'word' in it."),
        ("gone", "wants a function or a class of that name: there is no 'gone' in it."),
    ],
)  # fmt: skip
def test_an_own_network_that_does_not_fit_is_refused(tmp_path, capsys, own, name, message):
    data = bright(tmp_path, 4)

    assert run("train", data, "--model", own.replace("build", name), "--output", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_run_is_told_with_its_line(tmp_path, capsys):
    (tmp_path / "bad.py").write_text("from clearprop import nn\n1 / 0\n")

    assert (
        run("train", bright(tmp_path, 4), "--model", tmp_path / "bad.py", "--output", tmp_path / "out") == 2
    )
    told = capsys.readouterr().err
    assert "failed with ZeroDivisionError: division by zero." in told
    assert f"At {tmp_path / 'bad.py'}:2." in told


@pytest.mark.parametrize("end", ["sys.exit(0)", "def build(outputs):\n    sys.exit(0)"])
def test_a_file_that_ends_the_program_is_told(tmp_path, capsys, end):
    (tmp_path / "end.py").write_text(f"import sys\n{end}\n")
    data = bright(tmp_path, 4)

    assert run("train", data, "--model", tmp_path / "end.py", "--output", tmp_path / "out") == 2
    assert "failed with SystemExit: 0." in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="names are letters there, not bytes")
def test_names_of_any_bytes_lose_no_training(tmp_path):
    data = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.move(bright(tmp_path, 12), data)
    (data / "left").rename(data / os.fsdecode(b"l\xe9ft"))
    (data / "right" / "0.png").rename(data / "right" / os.fsdecode(b"\xff.png"))
    out = tmp_path / "out"

    assert run("train", data, "--epochs", 1, "--compile", "no", "--quiet", "--output", out) == 0
    assert run("predict", out / "model.safetensors", data, "--output", tmp_path / "p.csv") == 0
    assert (out / "report.html").stat().st_size > 1000
    found = table((tmp_path / "p.csv").read_text(encoding="utf-8"))
    assert {"probability l\\udce9ft", "probability right"} < set(found[0])
    assert sum(row["picture"].endswith("\\udcff.png") for row in found) == 1


def test_the_digits_are_pictures_for_a_network_by_name(tmp_path, capsys):
    pytest.importorskip("sklearn")
    file = trained(tmp_path, "digits", "--model", "lenet", "--epochs", 1)

    assert PictureModel.load(file).shape == (1, 8, 8)


def test_a_network_of_pictures_is_exported_whole(tmp_path, capsys):
    file = trained(tmp_path, bright(tmp_path), "--model", "lenet", "--epochs", 1)

    assert run("export", file, "--py", tmp_path / "m.py") == 0
    assert "1 x 8 x 8 inputs" in capsys.readouterr().out
    assert "of the classes left, right, whole" in (tmp_path / "m.py").read_text()
    assert run("explain", file, "none.csv") == 2
    assert "there is no such file" in capsys.readouterr().err


def test_a_network_of_own_classes_is_exported_with_its_maker(tmp_path, capsys, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    made = f"{tmp_path / 'own.py'}:build"
    file = trained(tmp_path, bright(tmp_path), "--model", made, "--epochs", 1)

    assert run("export", file, "--py", tmp_path / "m.py") == 2
    assert "Try --model FILE.py:build" in capsys.readouterr().err
    assert run("export", file, "--py", tmp_path / "shipped_own.py", "--model", made) == 0
    monkeypatch.syspath_prepend(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8)).astype(np.float32)
    assert importlib.import_module("shipped_own").predict(pixels).sum(axis=1) == pytest.approx(1)


# --- many trainings, and pictures that stay in their files ------------------------------------------------
def told(capsys, data, *options):
    """Return what a quick training of a linear network prints as JSON."""
    capsys.readouterr()
    words = ("--model", "mlp", "--hidden", "none", "--epochs", 3, "--compile", "no", "--json")
    assert run("train", data, *words, *options) == 0
    return json.loads(capsys.readouterr().out)


def test_folds_and_seeds_train_on_pictures(tmp_path, capsys):
    data = bright(tmp_path, 8)
    found = told(capsys, data, "--output", tmp_path / "a", "--folds", 3, "--seeds", 2)["repeats"]
    assert len(found["accuracy"]) == 6
    assert len(set(found["log-loss"])) == 6
    alone = told(capsys, data, "--output", tmp_path / "b")
    repeated = told(capsys, data, "--output", tmp_path / "c", "--seeds", 2)
    assert repeated["test"] == alone["test"]  # what is kept is what would be without
    assert len(repeated["repeats"]["accuracy"]) == 2


def test_folds_of_pictures_that_are_divided_already_are_refused(tmp_path, capsys):
    data = bright(tmp_path, 8)
    for part in ("train", "test"):
        shutil.copytree(data, tmp_path / "parts" / part)
    assert run("train", tmp_path / "parts", "--folds", 2, "--output", tmp_path / "out", "--quiet") == 2
    assert "--folds: divides the pictures itself" in capsys.readouterr().err


def test_settings_of_pictures_are_searched(tmp_path, capsys):
    pytest.importorskip("sklearn")
    found = told(capsys, bright(tmp_path, 8), "--output", tmp_path / "out", "--search", 3)["search"]
    assert set(found["space"]) == {"augment", "batch_size", "lr", "weight_decay", "dropout"}
    assert len({str(row["settings"]) for row in found["tried"]}) == 3
    assert found["won"] is None or found["won"] in [row["settings"] for row in found["tried"]]


@pytest.mark.parametrize("text", ["f1", "0.9"])
def test_a_threshold_of_two_classes_of_pictures_is_kept_and_used(tmp_path, capsys, text):
    data = bright(tmp_path, 30)
    shutil.rmtree(f"{data}/whole")
    for i in range(18):
        os.remove(f"{data}/left/{i}.png")
    out = tmp_path / "out"
    result = told(capsys, data, "--output", out, "--threshold", text, "--validation-split", "0.3")
    model = PictureModel.load(out / "model.safetensors")
    kept = model.about["threshold"]
    assert kept["class"] == "left"
    assert text == "f1" or kept["from"] == 0.9
    assert run("predict", out / "model.safetensors", data) == 0
    rows = [*csv.DictReader(io.StringIO(capsys.readouterr().out))]
    for row in rows:
        share = float(row["probability left"])
        if abs(share - kept["from"]) > 1e-5:
            assert (row["predicted class"] == "left") == (share >= kept["from"])
    assert 0 <= result["test"]["accuracy"] <= 1
    assert "threshold" in (out / "report.html").read_text()


def test_a_file_with_a_threshold_that_cannot_be_is_refused(tmp_path):
    from clearprop.errors import InputError

    data = bright(tmp_path, 8)
    path = trained(tmp_path, data, "--model", "mlp")
    model = PictureModel.load(path)
    model.about["threshold"] = {"class": "up", "from": 0.5}
    model.save(path)
    with pytest.raises(InputError, match="not of pictures: the threshold"):
        PictureModel.load(path)


def test_pictures_that_stay_in_their_files_give_the_same_bits(tmp_path, capsys, monkeypatch):
    data = bright(tmp_path, 12, side=12)
    options = ("--augment", "flip,crop,shift", "--size", 8, "--checkpoint")
    whole = told(capsys, data, "--output", tmp_path / "a", *options, tmp_path / "a.run")
    streamed = told(capsys, data, "--stream", "--output", tmp_path / "b", *options, tmp_path / "b.run")
    assert streamed["test"] == whole["test"]
    assert streamed["notes"] == whole["notes"]
    one, other = (PictureModel.load(tmp_path / n / "model.safetensors") for n in "ab")
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        np.testing.assert_array_equal(a.value, b.value)
    assert (one.mean, one.spread) == (other.mean, other.spread)

    from clearprop.data import pictures

    monkeypatch.setattr(pictures.os, "sysconf", lambda name: 64)  # a machine with 4,096 bytes
    small = told(capsys, data, "--output", tmp_path / "c", *options, tmp_path / "c.run")
    assert small["test"] == whole["test"]
    assert any("they stay in their files" in note for note in small["notes"])


def test_a_picture_that_goes_away_while_it_is_learned_from_is_named(tmp_path):
    from clearprop.data.pictures import read_pictures
    from clearprop.errors import InputError

    data = bright(tmp_path, 3)
    held = read_pictures(data, stream=True)
    assert held.images[[2, 0]].shape == (2, 1, 8, 8)
    assert held.images[:0].shape == (0, 1, 8, 8)
    assert len(held.some(np.array([4, 5])).marks) == 2
    os.remove(f"{data}/left/0.png")
    with pytest.raises(InputError, match=r"reading .*0.png: is no longer the picture that it was"):
        held.images[0]


def test_streaming_of_what_is_in_one_file_is_refused(capsys, tmp_path):
    np.savez(tmp_path / "p.npz", images=np.zeros((9, 8, 8), np.uint8), labels=np.arange(9) % 2)
    for data in ("digits", tmp_path / "p.npz"):
        assert run("train", data, "--stream", "--model", "mlp", "--output", tmp_path / "out") == 2
        assert "--stream: is for a folder of pictures in files of their own" in capsys.readouterr().err


def test_explain_says_which_places_speak_for_a_class(tmp_path, capsys):
    data = bright(tmp_path)
    path = trained(tmp_path, data, "--model", "mlp", "--epochs", "15")
    model = PictureModel.load(path)
    pictures = sorted(Path(data).rglob("*.png"))
    folder = sorted({picture.parent.name for picture in pictures})
    capsys.readouterr()
    assert run("explain", path, data, "--row", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)

    image = Decoder(model.shape).read(found["picture"])
    logits = model.outputs(image[None])[0]
    place = model.classes.index(found["label"])
    pixels = np.array(found["contributions"])
    assert found["label"] == found["predicted"]
    assert found["prediction"] == pytest.approx(logits[place] - logits.mean(), abs=1e-4)
    assert pixels.sum() == pytest.approx(found["prediction"] - found["mean"], abs=0.02)
    assert pixels.shape == model.shape[1:]
    assert folder == sorted(model.classes)
    other = next(name for name in model.classes if name != found["label"])
    assert run("explain", path, data, "--row", "2", "--label", other) == 0
    said = capsys.readouterr().out
    assert found["picture"] in said
    assert "places that speak against it" in said
    assert f"the logit of {other!r}" in said


@pytest.mark.parametrize(("words", "message"), [
    (["x.png"], "there is no such file"),
    (["DATA", "--row", "1000"], "--row: wants a picture from 1 to "),
    (["DATA", "--row", "0"], "--row: wants a picture from 1 to "),
    (["DATA", "--label", "lef"], "--label: wants a class of the model: 'lef'"),
    (["DATA", "--decimal", ","], "--decimal: is for tables"),
])  # fmt: skip
def test_explaining_what_is_not_there_is_refused(tmp_path, capsys, words, message):
    data = bright(tmp_path, 4)
    path = trained(tmp_path, data, "--model", "mlp")
    assert run("explain", path, *(data if word == "DATA" else word for word in words)) == 2
    assert message in capsys.readouterr().err
