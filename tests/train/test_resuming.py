"""What a checkpoint is of: another run's is refused, a damaged one gives way to the one before it."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, train
from clearprop.data import TensorDataset
from clearprop.errors import InputError
from clearprop.train.checkpoint import Generations
from clearprop.train.fingerprint import _data, _named, _options


def setting(**options):
    """A model, its data and what else a run takes, with one thing after the other to be changed."""
    clearprop.manual_seed(0)
    x = np.random.default_rng(options.get("data", 0)).normal(size=(40, 3)).astype(np.float32)
    y = x[:, :1] * options.get("slope", 2)
    layers = [nn.Linear(3, 4), options.get("activation", nn.Tanh)(), nn.Linear(4, 1)]
    network = nn.Sequential(*layers)
    make = options.get("make", lambda p: optim.Adam(p, lr=0.01))
    held_out = (x[:8], y[:8]) if options.get("held_out") else None
    return network, options.get("loss", nn.MSELoss()), (x, y), held_out, make(network.parameters())


def fit(path, epochs=3, batch_size=8, facts=None, resume=False, **options):
    network, loss, data, held_out, optimizer = setting(**options)
    history = train.fit(
        network, loss, data, validation=held_out, epochs=epochs, batch_size=batch_size, optimizer=optimizer,
        checkpoint=path, resume=resume, facts=facts, progress=False, compile=False,
    )  # fmt: skip
    return network, history


DIFFERENT = {
    "training data": {"data": 1},
    "its targets": {"slope": 3},
    "validation data": {"held_out": True},
    "activation": {"activation": nn.ReLU},
    "loss": {"loss": nn.L1Loss()},
    "optimizer": {"make": lambda p: optim.SGD(p, lr=0.01)},
    "Adam against AdamW": {"make": lambda p: optim.AdamW(p, lr=0.01)},
    "batch size": {"batch_size": 4},
    "task": {"facts": {"task": "regression", "class names": "'a', 'c'"}},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_checkpoint_of_another_run_is_refused_and_nothing_changes(tmp_path, what):
    path, facts = tmp_path / "run", {"task": "classification", "class names": "'a', 'b'"}
    fit(path, facts=facts)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"there, .* here") as caught:
        fit(path, resume=True, **({"facts": facts} | DIFFERENT[what]))

    assert "Nothing was loaded." in str(caught.value)
    assert path.read_bytes() == before


def test_what_differs_is_said(tmp_path):
    fit(tmp_path / "run", facts={"class names": "'a', 'b'"})
    with pytest.raises(InputError, match="class names: 'a', 'b' there, 'a', 'c' here"):
        fit(tmp_path / "run", resume=True, facts={"class names": "'a', 'c'"})


def test_options_that_a_resumed_run_ignores_are_said(tmp_path):
    fit(tmp_path / "run")
    with pytest.warns(UserWarning, match=r"lr=0 is ignored, the checkpoint's 0\.01 goes on"):
        fit(tmp_path / "run", 4, resume=True, make=lambda p: optim.Adam(p, lr=0.0))


def test_the_same_run_is_resumed_without_a_word(tmp_path, recwarn):
    fit(tmp_path / "run")
    _, history = fit(tmp_path / "run", 5, resume=True)

    assert len(history) == 5
    assert not recwarn.list


@pytest.mark.parametrize("damage", ["a bit", "cut", "gone", "empty"])
def test_the_older_generation_is_used_where_the_newest_is_damaged(tmp_path, damage):
    path = tmp_path / "run.safetensors"
    whole, curves = fit(tmp_path / "other", 6)
    fit(path, 4)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"a bit": content, "cut": content[:-9], "empty": b""}[damage])
    with pytest.warns(
        UserWarning, match=r"goes on from the generation before it, .*run\.safetensors\.previous"
    ):
        network, history = fit(path, 6, resume=True)

    assert history.rows == curves.rows  # the same bits, from one epoch further back
    assert all(np.array_equal(whole.state_dict()[n], a) for n, a in network.state_dict().items())
    assert Generations(path).load()["step"] == 30


def test_the_damaged_one_does_not_take_the_place_of_the_older_one(tmp_path):
    path = tmp_path / "run"
    fit(path, 3)
    older = Generations(path).previous.read_bytes()
    path.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="goes on from the generation before it"):
        fit(path, 3, resume=True)

    assert (tmp_path / "run.damaged").read_bytes() == b"damaged"  # it may have been somebody's file
    assert Generations(path).previous.read_bytes() == older
    assert Generations(path).load()["step"] == 15


def test_two_damaged_generations_are_an_input_error(tmp_path):
    path = tmp_path / "run"
    fit(path)
    path.write_bytes(b"damaged")
    Generations(path).previous.write_bytes(b"damaged")
    with pytest.raises(InputError, match="it has 7 bytes"):
        fit(path, resume=True)


@pytest.mark.parametrize("name", ["table", "model", "weights"])
def test_a_file_that_is_no_checkpoint_is_not_replaced(tmp_path, name):
    path = tmp_path / name
    if name == "table":
        path.write_text("a,b\n1,2\n")
    elif name == "model":
        clearprop.interop.save_model(path, nn.Sequential(nn.Linear(1, 1)))
    else:
        clearprop.interop.save_safetensors(path, {"w": np.ones(2)})
    before = path.read_bytes()
    with pytest.raises(InputError, match="replaces only what clearprop wrote there before"):
        fit(path)

    assert path.read_bytes() == before


def test_a_device_is_no_place_for_a_checkpoint():
    with pytest.raises(InputError, match="it is a device"):
        fit("/dev/null")


FULL = """
import resource, sys
import numpy as np
from clearprop import nn, train
sys.dont_write_bytecode = True  # what is imported now would be cut off in __pycache__
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
model = nn.Sequential(nn.Linear(100, 100))
data = np.ones((8, 100), np.float32), np.ones((8, 100), np.float32)
train.fit(model, nn.MSELoss(), data, epochs=1, checkpoint=sys.argv[1], compile=False,
          callbacks=[lambda run: print("trained")])
"""


def test_a_full_disk_is_noticed_before_training(tmp_path):
    found = subprocess.run([sys.executable, "-c", FULL, tmp_path / "run"], capture_output=True, text=True)

    assert "file too large" in found.stderr
    assert "trained" not in found.stdout
    assert os.listdir(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000  # of this process


def changed(path, one, other):
    """Two runs that differ in options of `fit`, the second resuming the first."""
    for epochs, options in ((2, one), (3, other)):
        network, loss, pair, _, optimizer = setting()
        train.fit(
            network, options.pop("loss", loss), pair, epochs=epochs, batch_size=8, optimizer=optimizer,
            checkpoint=path, resume=epochs == 3, progress=False, compile=False, **options,
        )  # fmt: skip


WEIGHTS = np.linspace(1, 2, 40)
OTHERS = {
    "weights of rows": ({"sample_weight": WEIGHTS}, {"sample_weight": WEIGHTS[::-1]}),
    "weights at all": ({}, {"sample_weight": WEIGHTS}),
    "the loss that is weighted": ({"sample_weight": WEIGHTS}, {"sample_weight": WEIGHTS, "loss": "mae"}),
    "the weighted loss's number": (
        {"sample_weight": WEIGHTS, "loss": nn.HuberLoss(delta=1.0)},
        {"sample_weight": WEIGHTS, "loss": nn.HuberLoss(delta=2.0)},
    ),
    "a loss's number": ({"loss": nn.HuberLoss(delta=1.0)}, {"loss": nn.HuberLoss(delta=2.0)}),
    "the kind of average": ({"ema": 0.9}, {"swa": 1}),
    "a callback's class": (
        {"callbacks": [train.EarlyStopping("loss")]},
        {"callbacks": [train.Checkpoint("never", every=99)]},
    ),
    "what a callback watches": (
        {"callbacks": [train.EarlyStopping("loss")]},
        {"callbacks": [train.EarlyStopping("mae")], "metrics": ["mae"]},
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_weights_averages_and_callbacks_are_refused(tmp_path, what):
    one, other = (dict(options) for options in OTHERS[what])
    with pytest.raises(InputError, match=r"there, .* here"):
        changed(tmp_path / "run", one, other)


@pytest.mark.parametrize("place", [0, 1])
def test_several_inputs_are_told_apart_by_all_they_hold(place):
    x = [np.zeros((4, 1)), np.zeros((4, 2))]
    before = _data(((x[0], x[1]), np.zeros(4)))
    x[place] = x[place] + 1

    assert _data(((x[0], x[1]), np.zeros(4))) != before
    assert _data(TensorDataset(tuple(x), np.zeros(4))) == _data((tuple(x), np.zeros(4)))


def test_weights_of_classes_are_a_part_of_the_loss():
    def named(weights):
        return _named(train.Weighted(nn.CrossEntropyLoss(), classes=np.array(weights)))

    assert named([1.0, 2.0]) == named([1.0, 2.0]) != named([1.0, 3.0])
    own = [_options(nn.CrossEntropyLoss(weight=np.array(weights))) for weights in ([1.0, 2.0], [1.0, 3.0])]
    assert own[0] != own[1]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"ema": 0.9}, {"ema": 0.5}, "ema=0.5 from here on, in place of the checkpoint's 0.9"),
        ({"swa": 1}, {"swa": 2}, "swa=2 from here on"),
        ({}, {"accumulate": 2}, "accumulate=2 from here on, in place of the checkpoint's 1"),
        ({"clip_norm": 1.0}, {"clip_norm": np.float32(2)}, "clip_norm=2.0 from here on"),
    ],
)
def test_options_that_are_others_from_here_on_are_said(tmp_path, one, other, said):
    with pytest.warns(UserWarning, match=said):
        changed(tmp_path / "run", one, other)


def test_callbacks_may_change_places_and_those_without_a_state_come_and_go(tmp_path):
    watchers = [train.EarlyStopping("loss"), train.Checkpoint(tmp_path / "e", every=99)]
    log = train.CSVLog(tmp_path / "log.csv")
    changed(tmp_path / "run", {"callbacks": watchers}, {"callbacks": [log, *watchers[::-1]]})


def test_a_checkpoint_of_format_one_goes_on(tmp_path):
    """It was written after two epochs, when no loader noted which epoch it was in."""
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(-1, 1)

    def run(epochs, **options):
        clearprop.manual_seed(0)
        net = nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.2), nn.Tanh(), nn.Linear(4, 1))
        options |= {"batch_size": 6, "seed": 3, "compile": False, "progress": False}
        history = train.fit(net, "mse", (x, x * x), epochs=epochs, **options)
        return net, history

    path = tmp_path / "run.safetensors"
    shutil.copy(Path(__file__).parent / "models" / "checkpoint_1.safetensors", path)
    resumed, history = run(3, checkpoint=path, resume=True)
    whole, expected = run(3)

    assert len(history) == 3
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    for a, b in zip(resumed.parameters(), whole.parameters(), strict=True):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-5, atol=1e-7)
